//! `StatsD`: lines by every socket, what they come to, and `wharf statsd`: mapping rules of a `statsd_exporter`, checked and tried.

mod groups;
mod listening;
mod relaying;
mod replicas;
mod restarts;

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use wharf_testkit::{Gateway, Spawn, until};

use crate::wharf;

use crate::operators::{stdout, tool};

/// Wharf that takes lines over UDP and TCP.
fn listening() -> Spawn {
    wharf()
        .arg("--statsd.listen-udp=127.0.0.1:0")
        .arg("--statsd.listen-tcp=127.0.0.1:0")
}

/// Where it takes lines.
fn address_of(gateway: &Gateway, way: &str) -> SocketAddr {
    let line = gateway.log_line(&format!("way={way} "));
    let (_, address) = line.rsplit_once("address=").unwrap();
    address.trim_matches('"').parse().unwrap()
}

/// Sends lines in one datagram.
fn send(gateway: &Gateway, lines: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent = socket
        .send_to(lines.as_bytes(), address_of(gateway, "udp"))
        .unwrap();
    assert_eq!(sent, lines.len());
}

fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(address_of(gateway, "tcp")).unwrap()
}

/// Waits until a series has this value; the labels are some of its.
#[track_caller]
fn until_value(gateway: &Gateway, name: &str, labels: &[(&str, &str)], value: Option<&str>) {
    until(&format!("{name} {labels:?} to be {value:?}"), || {
        (gateway.scrape().value(name, labels) == value).then_some(())
    });
}

const RULES: &str = "\
mappings:
- match: shop.*.orders
  name: orders
  labels: {country: $1}
- match: '*.*.*'
  match_metric_type: observer
  name: times
- match: a.b.c
  match_metric_type: observer
  name: never
- match: debug.*
  action: drop
";

fn rules(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapping.yml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_sound_file_is_called_so_and_its_warnings_have_their_place() {
    let (_folder, path) = rules(RULES);
    let expected = format!(
        "{path}: warning: line 8, column 10: the rule never applies: `*.*.*` in line 5 comes first\n\
         hint: put the narrower rule in front\n\
         sound: 4 rules, 1 warning\n"
    );
    for (arguments, code) in [
        (&["statsd", "check", path.as_str()][..], 0),
        (&["statsd", "check", "--strict", &path], 1),
    ] {
        let said = tool(arguments);
        assert_eq!(
            (said.status.code(), stdout(&said)),
            (Some(code), expected.clone())
        );
    }
}

#[test]
fn mistakes_are_all_told() {
    let (_folder, path) = rules("mappings:\n- {match: a, name: 1n}\n- {match: a..b, name: n}\n");
    let said = tool(&["statsd", "check", &path]);
    assert_eq!(said.status.code(), Some(1));
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert!(
        stderr.contains(&format!(
            "{path}: line 2, column 20: expected the name of a metric"
        )),
        "{stderr}"
    );
    assert!(
        stderr.contains(&format!("{path}: line 3, column 11: expected parts between dots")),
        "{stderr}"
    );
    let said = tool(&["statsd", "check", "/nonexistent/mapping.yml"]);
    assert_eq!(said.status.code(), Some(1));
}

#[test]
fn lines_are_tried_on_the_rules() {
    let (_folder, path) = rules(RULES);
    let said = tool(&[
        "statsd",
        "test",
        &path,
        "shop.fr.orders:1|c|@0.1|#channel:web",
        "api.v1.get:320|ms|@0.5",
        "debug.x:1|g",
        "users:alice|s",
        "temp:-2|g",
        "_sc|check|0",
    ]);
    let expected = "\
shop.fr.orders:1|c|@0.1|#channel:web
  line 2, `shop.*.orders`: counter orders{channel=\"web\",country=\"fr\"} +10
api.v1.get:320|ms|@0.5
  line 5, `*.*.*`: summary times observes 0.32, 2 times
debug.x:1|g
  line 11, `debug.*`: dropped
users:alice|s
  no rule: gauge users counts the member \"alice\"
temp:-2|g
  no rule: gauge temp -2
_sc|check|0
  a service check, which is no series
";
    assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(0), expected));
}

#[test]
fn a_datagram_of_several_lines_is_tried_line_by_line() {
    let (_folder, path) = rules("");
    let said = tool(&["statsd", "test", &path, "a:1|c\n", "a:1|c\nb:2|g"]);
    let all = stdout(&said);
    assert_eq!(said.status.code(), Some(0), "{all}");
    assert_eq!(all.matches("counter a +1").count(), 2, "{all}");
    assert!(all.contains("gauge b = 2"), "{all}");
}

#[test]
fn what_is_refused_is_said_and_ends_with_1() {
    let (_folder, path) = rules("");
    let said = tool(&["statsd", "test", &path, "a:-1|c", "a:x|c", "a:1|g|#k,__x:1"]);
    let expected = "\
a:-1|c
  no rule: refused: illegal_negative_counter
a:x|c
  refused: malformed_value
a:1|g|#k,__x:1
  no rule: gauge a = 1
  left out: 1 tag with the name of a reserved label
  left out: 1 tag without a key or a value
";
    assert_eq!((said.status.code(), stdout(&said).as_str()), (Some(1), expected));
}
