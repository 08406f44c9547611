//! Copies of lines for others.

use std::io::Write as _;
use std::net::UdpSocket;
use std::time::Duration;

use wharf_testkit::until;

use super::{connect, listening, send, until_value};
use crate::wharf;

fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// The lines that have come, in their order, when it is so many.
fn received(socket: &UdpSocket, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    until("the copies of all lines", || {
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            lines.extend(text.lines().map(str::to_owned));
        }
        (lines.len() >= count).then_some(())
    });
    lines
}

#[test]
fn each_target_gets_all_lines_as_they_came_and_here_they_count() {
    let ((first, a), (second, b)) = (receiver(), receiver());
    let gateway = listening()
        .arg(format!("--statsd.relay.address={a}"))
        .arg(format!("--statsd.relay.address={b}"))
        .arg("--statsd.relay.packet-length=30")
        .start();
    let long = "x".repeat(30);
    send(&gateway, &format!("a:1|c|#k:v\n\nno line\n{long}\nb:5|g"));
    until_value(&gateway, "b", &[], Some("5"));
    connect(&gateway).write_all(b"c:1|c\r\nd:2|c").unwrap();
    for socket in [&first, &second] {
        let expected = ["a:1|c|#k:v", "no line", "b:5|g", "c:1|c", "d:2|c"];
        assert_eq!(received(socket, expected.len()), expected);
    }
    until_value(&gateway, "d", &[], Some("2"));
    let scrape = gateway.scrape();
    for target in [&a, &b] {
        let value = |name| scrape.value(name, &[("target", target)]);
        assert_eq!(value("statsd_exporter_relay_lines_relayed_total"), Some("5"));
        assert_eq!(value("statsd_exporter_relay_long_lines_total"), Some("1"));
        assert_eq!(value("wharf_statsd_relay_lost_packets_total"), Some("0"));
        let packets: f64 = value("statsd_exporter_relay_packets_total")
            .unwrap()
            .parse()
            .unwrap();
        assert!(packets >= 2.0, "{packets}");
    }
}

#[test]
fn what_came_last_is_sent_on_before_the_end() {
    let (socket, address) = receiver();
    let gateway = listening()
        .arg(format!("--statsd.relay.address={address}"))
        .start();
    send(&gateway, "last:1|c");
    until("the line to be there", || {
        let lines = gateway.scrape().value("statsd_exporter_lines_total", &[]) == Some("1");
        lines.then_some(())
    });
    gateway.terminate();
    assert_eq!(received(&socket, 1), ["last:1|c"]);
}

#[test]
fn a_relay_to_itself_ends_the_start() {
    // It is free again when this is dropped.
    let (free, address) = receiver();
    drop(free);
    let exit = wharf()
        .arg("--web.listen-address=127.0.0.1:0")
        .arg(format!("--statsd.listen-udp={address}"))
        .arg(format!("--statsd.relay.address={address}"))
        .run();
    assert_eq!(exit.code, Some(1));
    let expected = format!(
        "--statsd.relay.address: expected another place than this gateway's own socket, found {address}"
    );
    assert!(exit.stderr.contains(&expected), "{}", exit.stderr);
}
