//! Lines by every socket.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};

use wharf_testkit::http::{get, post};

use super::{address_of, connect, listening, send, until_value};
use crate::wharf;

#[test]
fn lines_come_in_by_every_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let gateway = listening()
        .arg("--statsd.listen-udp=[::1]:0")
        .arg(format!(
            "--statsd.listen-unixgram={}",
            path("datagrams").display()
        ))
        .arg(format!("--statsd.listen-unix={}", path("stream").display()))
        .arg("--statsd.unixsocket-mode=600")
        .start();
    send(&gateway, "a.udp:1|c|#k:v\nb.udp:5|g");
    connect(&gateway).write_all(b"a.tcp:1|c\r\nb.tcp:2|c").unwrap();
    let datagrams = UnixDatagram::unbound().unwrap();
    gateway.log_line("way=unixgram ");
    datagrams.send_to(b"a.unixgram:1|c\n", path("datagrams")).unwrap();
    gateway.log_line("way=unix ");
    let mut stream = UnixStream::connect(path("stream")).unwrap();
    stream.write_all(b"a.unix:1|c\nb.un").unwrap();
    stream.write_all(b"ix:7|g\n").unwrap();
    for (name, value) in [
        ("a_udp", "1"),
        ("b_udp", "5"),
        ("a_tcp", "1"),
        ("b_tcp", "2"),
        ("a_unixgram", "1"),
        ("a_unix", "1"),
        ("b_unix", "7"),
    ] {
        until_value(
            &gateway,
            name,
            &[("job", "statsd"), ("instance", "")],
            Some(value),
        );
    }
    let scrape = gateway.scrape();
    for (name, labels, value) in [
        ("statsd_exporter_udp_packets_total", &[][..], "1"),
        ("statsd_exporter_unixgram_packets_total", &[], "1"),
        ("statsd_exporter_tcp_connections_total", &[], "1"),
        ("statsd_exporter_udp_packet_drops_total", &[], "0"),
        ("statsd_exporter_lines_total", &[], "8"),
        ("statsd_exporter_samples_total", &[], "7"),
        ("statsd_exporter_tags_total", &[], "1"),
        ("statsd_exporter_events_total", &[("type", "counter")], "5"),
        ("statsd_exporter_events_unmapped_total", &[], "7"),
        ("statsd_exporter_metrics_total", &[("type", "gauge")], "2"),
        ("wharf_statsd_bytes_total", &[("listener", "udp")], "24"),
        ("wharf_statsd_connections", &[], "1"),
    ] {
        assert_eq!(scrape.value(name, labels), Some(value), "{name} {labels:?}");
    }
    for name in ["datagrams", "stream"] {
        let mode = std::fs::metadata(path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(stream);
    until_value(&gateway, "wharf_statsd_connections", &[], Some("0"));
}

#[test]
fn datagrams_may_be_large_and_many() {
    let gateway = listening().start();
    let lines: Vec<String> = (0..2000)
        .map(|at| format!("large.of.{at}:1|c|#key:value"))
        .collect();
    let large = lines.join("\n");
    assert!(large.len() > 50_000);
    send(&gateway, &large);
    until_value(&gateway, "large_of_1999", &[("key", "value")], Some("1"));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address_of(&gateway, "udp")).unwrap();
    // No more than the system keeps, however long nobody reads.
    for _ in 0..100 {
        socket.send(b"many:1|c\nmany:2|c\nother:1|ms").unwrap();
    }
    until_value(&gateway, "many", &[], Some("300"));
    until_value(&gateway, "other_count", &[], Some("100"));
    until_value(&gateway, "statsd_exporter_udp_packets_total", &[], Some("101"));
}

#[test]
fn a_connection_may_cut_lines_anywhere() {
    let gateway = listening().start();
    let mut stream = connect(&gateway);
    stream.set_nodelay(true).unwrap();
    for byte in b"cut:1|c|#k:v\r\n\ncut:2|c|#k:v\nlast:3|c" {
        stream.write_all(&[*byte]).unwrap();
    }
    until_value(&gateway, "cut", &[("k", "v")], Some("3"));
    stream.shutdown(Shutdown::Write).unwrap();
    until_value(&gateway, "last", &[], Some("3"));
    let mut stream = connect(&gateway);
    let long = "x".repeat(200_000);
    stream
        .write_all(format!("{long}:1|c\nafter:1|c\n").as_bytes())
        .unwrap();
    until_value(&gateway, "after", &[], Some("1"));
    until_value(
        &gateway,
        "statsd_exporter_tcp_too_long_lines_total",
        &[],
        Some("1"),
    );
}

#[test]
fn there_are_as_many_connections_as_there_may_be() {
    let gateway = listening().arg("--statsd.max-connections=2").start();
    let first = connect(&gateway);
    let _second = connect(&gateway);
    until_value(&gateway, "wharf_statsd_connections", &[], Some("2"));
    let _third = connect(&gateway);
    until_value(&gateway, "wharf_statsd_connections_refused_total", &[], Some("1"));
    drop(first);
    until_value(&gateway, "wharf_statsd_connections", &[], Some("1"));
    connect(&gateway).write_all(b"now:1|c\n").unwrap();
    until_value(&gateway, "now", &[], Some("1"));
}

#[test]
fn what_cannot_be_read_is_counted_and_costs_nothing_else() {
    let gateway = listening().start();
    send(
        &gateway,
        "fine:1|c\nbad\nworse:x|c\nb\u{0}d:1|c\nnone:nan|c\n_e{1,1}:a|b\n_sc|a|0",
    );
    connect(&gateway).write_all(b"\xff\xfe:1|c\nfine:1|c\n").unwrap();
    until_value(&gateway, "fine", &[], Some("2"));
    let scrape = gateway.scrape();
    for (name, labels, value) in [
        (
            "statsd_exporter_sample_errors_total",
            ("reason", "malformed_line"),
            "2",
        ),
        (
            "statsd_exporter_sample_errors_total",
            ("reason", "malformed_value"),
            "1",
        ),
        (
            "statsd_exporter_events_error_total",
            ("reason", "not_finite_counter"),
            "1",
        ),
        ("wharf_statsd_messages_total", ("kind", "event"), "1"),
        ("wharf_statsd_messages_total", ("kind", "service_check"), "1"),
    ] {
        assert_eq!(scrape.value(name, &[labels]), Some(value), "{name} {labels:?}");
    }
}

#[test]
fn nothing_listens_and_no_name_is_taken_unless_an_address_is_given() {
    let gateway = wharf().start();
    // Of another type than that of the exporter.
    let push = post("/metrics/job/a")
        .body("# TYPE statsd_exporter_lines_total gauge\nstatsd_exporter_lines_total 1\n");
    assert_eq!(gateway.send(&push).status, 200);
    let scrape = gateway.scrape();
    let names = scrape.families.keys().filter(|name| name.contains("statsd"));
    assert_eq!(names.collect::<Vec<_>>(), ["statsd_exporter_lines_total"]);
    let listens = listening().start();
    assert_eq!(listens.send(&push).status, 400);
    let push = post("/metrics/job/a")
        .body("# TYPE statsd_exporter_lines_total counter\nstatsd_exporter_lines_total 1\n");
    assert_eq!(listens.send(&push).status, 200);
    let value = |job| {
        listens
            .scrape()
            .value("statsd_exporter_lines_total", job)
            .map(str::to_owned)
    };
    assert_eq!(
        value(&[("job", "a")]).as_deref(),
        Some("1"),
        "beside the gateway's own"
    );
    assert_eq!(listens.send(&get("/-/healthy")).status, 200);
}

#[test]
fn a_socket_that_is_taken_ends_the_start() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let exit = wharf()
        .arg("--web.listen-address=127.0.0.1:0")
        .arg(format!("--statsd.listen-udp={address}"))
        .run();
    assert_eq!(exit.code, Some(1));
    let expected = format!("listen udp {address}: bind: Address already in use");
    assert!(exit.stderr.contains(&expected), "{}", exit.stderr);
    let exit = wharf().arg("--statsd.mapping-config=/nowhere").run();
    let expected = "expected an address beside --statsd.mapping-config";
    assert!(exit.stderr.contains(expected), "{}", exit.stderr);
}
