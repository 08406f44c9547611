//! The exporter of `StatsD` itself: random lines come to the same values there and here, to the same errors, and by the same rules.
//!
//! Lines that real clients send and the exporter loses are left out here: `docs/statsd.md` lists them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wharf_testkit::http::{Connection, get};
use wharf_testkit::{Gateway, Process, Random, Scrape, peers, until};

use crate::wharf;

const RULES: &str = "\
mappings:
- {match: 'shop.*.orders', name: 'orders_$1', labels: {kind: 'of_${1}', whole: '$0'}}
- {match: 'shop.*.*', name: shop, labels: {first: $1, second: $2}, match_metric_type: counter, scale: 2}
- {match: 'time.*', name: time, labels: {of: $1}, observer_type: histogram, histogram_options: {buckets: [0.01, 0.1, 1]}}
- {match: 'sum.*', name: sum, labels: {of: $1}, observer_type: summary, summary_options: {quantiles: [{quantile: 0.5, error: 0.05}, {quantile: 0.9, error: 0.01}]}}
- {match: 'gone.*', name: gone, action: drop}
- {match: 'tags.*', name: tags, labels: {kk: rule}, honor_labels: true}
- {match: '^re\\.(.*)\\.x$', match_type: regex, name: 're_$1', labels: {rest: 'a$1'}}
";

/// The exporter at a port that is free.
pub(crate) fn exporter(program: &Path, args: &[String]) -> (Process, SocketAddr) {
    // It does not say which port it got.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command = Command::new(program);
    command.args([&format!("--web.listen-address={address}"), "--statsd.listen-tcp="]);
    command.args(args);
    (Process::start(command), address)
}

/// With a Unix socket for lines, and these rules.
fn with_rules(folder: &Path) -> Vec<String> {
    fs::write(folder.join("mapping.yml"), RULES).unwrap();
    vec![
        "--statsd.listen-udp=".to_owned(),
        format!("--statsd.listen-unixgram={}", folder.join("exporter").display()),
        format!("--statsd.mapping-config={}", folder.join("mapping.yml").display()),
    ]
}

/// Sends datagrams, one after the other, when somebody listens there.
fn send(path: &Path, datagrams: &[String]) {
    let socket = UnixDatagram::unbound().unwrap();
    until("the socket for lines", || socket.connect(path).ok());
    for datagram in datagrams {
        socket.send(datagram.as_bytes()).unwrap();
    }
}

/// What a scrape shows; or why there is none: series that contradict each other break the exporter's for as long as they are there.
pub(crate) fn scrape(address: SocketAddr) -> Option<Result<Scrape, String>> {
    let answer = Connection::open(address).ok()?.send(&get("/metrics")).ok()?;
    Some(match answer.status {
        200 => Ok(Scrape::parse(&answer.text()).unwrap()),
        _ => Err(answer.text()),
    })
}

/// The series, but for what only one of both has. `last` came last.
fn series(scrape: &Scrape, last: &str) -> Option<BTreeMap<String, String>> {
    let counted = [
        "statsd_exporter_events_actions_total",
        "statsd_exporter_events_conflict_total",
        "statsd_exporter_events_error_total",
        "statsd_exporter_events_total",
        "statsd_exporter_events_unmapped_total",
        "statsd_exporter_lines_total",
        "statsd_exporter_loaded_mappings",
        "statsd_exporter_sample_errors_total",
        "statsd_exporter_samples_total",
        "statsd_exporter_tag_errors_total",
        "statsd_exporter_tags_total",
        "statsd_exporter_unixgram_packets_total",
    ];
    let others = [
        "go_",
        "process_",
        "promhttp_",
        "statsd_",
        "wharf_",
        "pushgateway_",
        "push_",
    ];
    scrape.value(last, &[])?;
    let shared = scrape.samples.iter().filter(|sample| {
        counted.contains(&sample.name.as_str())
            || !others.iter().any(|prefix| sample.name.starts_with(prefix))
    });
    let series = shared.map(|sample| {
        let mut labels = sample.labels.clone();
        labels.retain(|name, value| {
            !(name == "job" && value == "statsd" || name == "instance" && value.is_empty())
        });
        (format!("{}{labels:?}", sample.name), sample.value.clone())
    });
    Some(series.collect())
}

/// Whether these are one value. The exporter makes several observations one by one, so its sums are rounded more often.
fn are_equal(expected: Option<&String>, found: Option<&String>) -> bool {
    let number = |value: Option<&String>| value.and_then(|value| value.parse::<f64>().ok());
    let is_near = |(a, b): (f64, f64)| (a - b).abs() <= 1e-12 * a.abs();
    expected == found || number(expected).zip(number(found)).is_some_and(is_near)
}

/// A line that both read in the same way, sound or not. There is no `a_sum` among the names: the exporter takes it beside a summary `a`,
/// which has a line of that name, and Wharf does not.
fn line(random: &mut Random) -> String {
    let names = [
        "a",
        "a.b",
        "a-b",
        "1st",
        "c.d.e",
        "é.x",
        "shop.fr.orders",
        "shop.fr.visits",
        "shop.de.visits",
        "time.x",
        "time.y",
        "sum.x",
        "gone.x",
        "tags.x",
        "re.one.x",
        "re.one.y",
        "",
        "a,kk=v",
        "b#kk=v,l=w",
        "c[kk=v].d",
        "x,k",
    ];
    let values = [
        "1", "2.5", "0", "-1", "+3", "-0", "1e3", "0x1p-2", "1_000", "320", "0.25", "x", "", " 1", "1,5",
        "1e400",
    ];
    let packed = ["1:2", "320:1.5:2"];
    let kinds = ["c", "c", "g", "g", "ms", "h", "d", "x", "C", ""];
    let rates = ["", "", "", "|@0.1", "|@0.5", "|@0.3", "|@1", "|@x", "|0.1", "|"];
    let tags = [
        "",
        "",
        "|#kk:v",
        "|#kk:v,l:w",
        "|#k",
        "|#,",
        "|#a.b:1,a-b:2",
        "|#kk:v|c:abc",
        "|T1700000000",
        "|#k:é",
    ];
    let pick = |random: &mut Random, all: &[&'static str]| *random.pick(all);
    let kind = pick(random, &kinds);
    let value = if random.one_in(10) {
        pick(random, &packed)
    } else {
        pick(random, &values)
    };
    // A number of members is what the exporter has no use for, and what it loses is not compared.
    let mut fields = [pick(random, &rates), pick(random, &tags)];
    if random.one_in(2) {
        fields.reverse();
    }
    let name = pick(random, &names);
    match random.below(30) {
        0 => name.to_owned(),
        1 => format!("{name}:{value}"),
        2 => format!("{name}:{value}|{kind}:1|g"),
        _ => format!("{name}:{value}|{kind}{}", fields.concat()),
    }
}

/// Lines in datagrams, and in the end one that says that all have come.
fn datagrams(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut datagrams: Vec<String> = (0..60)
        .map(|_| {
            let count = 1 + random.below(8);
            let lines: Vec<String> = (0..count).map(|_| line(&mut random)).collect();
            lines.join("\n")
        })
        .collect();
    datagrams.push("the.end:1|c".to_owned());
    datagrams
}

#[test]
fn random_lines_come_to_the_same_as_in_the_exporter() {
    let Some(client) = peers::client("statsd-exporter") else {
        return;
    };
    let seed = peers::number_from_environment("WHARF_SEED").unwrap_or(1);
    let mut compared = 0;
    for seed in seed..seed + 8 {
        let folder = tempfile::tempdir().unwrap();
        let args = with_rules(folder.path());
        let (_exporter, address) = exporter(&client.join("statsd_exporter"), &args);
        let gateway: Gateway = wharf()
            .arg(format!(
                "--statsd.listen-unixgram={}",
                folder.path().join("wharf").display()
            ))
            .arg(format!(
                "--statsd.mapping-config={}",
                folder.path().join("mapping.yml").display()
            ))
            .start();
        let datagrams = datagrams(seed);
        send(&folder.path().join("exporter"), &datagrams);
        send(&folder.path().join("wharf"), &datagrams);
        let expected = until("the exporter's last line", || match scrape(address)? {
            Ok(scrape) => series(&scrape, "the_end").map(Ok),
            Err(broken) => Some(Err(broken)),
        });
        let found = until("the last line", || {
            series(&scrape(gateway.address())?.unwrap(), "the_end")
        });
        let Ok(expected) = expected else {
            continue;
        };
        compared += 1;
        let differ: Vec<_> = expected
            .iter()
            .map(|(series, value)| (series, Some(value), found.get(series)))
            .chain(
                found
                    .iter()
                    .filter(|(series, _)| !expected.contains_key(*series))
                    .map(|(series, value)| (series, None, Some(value))),
            )
            .filter(|(_, expected, found)| !are_equal(*expected, *found))
            .collect();
        assert!(
            differ.is_empty(),
            "seed {seed}, exporter and Wharf: {differ:#?}\nof {datagrams:#?}"
        );
        assert!(expected.len() > 40, "{expected:#?}");
    }
    assert!(compared > 0, "the exporter has shown nothing");
}

/// Where copies of lines come, and the arguments that send them there.
fn relayed() -> (UdpSocket, Vec<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let address = socket.local_addr().unwrap();
    let args = vec![
        format!("--statsd.relay.address={address}"),
        "--statsd.relay.packet-length=40".to_owned(),
    ];
    (socket, args)
}

/// The copies that have come, when this one has.
fn copies(socket: &UdpSocket, last: &str) -> String {
    let mut copies = String::new();
    let mut buffer = vec![0; 1 << 16];
    until("the copy of the last line", || {
        while let Ok(length) = socket.recv(&mut buffer) {
            assert!(length <= 40, "a datagram of {length} bytes");
            copies.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        copies.ends_with(last).then_some(())
    });
    copies
}

#[test]
fn copies_of_random_lines_are_those_of_the_exporter() {
    let Some(client) = peers::client("statsd-exporter") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ((theirs, their_args), (ours, our_args)) = (relayed(), relayed());
    let args = [with_rules(folder.path()), their_args].concat();
    let (_exporter, _address) = exporter(&client.join("statsd_exporter"), &args);
    let socket = folder.path().join("wharf");
    let _gateway: Gateway = wharf()
        .arg(format!("--statsd.listen-unixgram={}", socket.display()))
        .args(our_args)
        .start();
    let mut datagrams = datagrams(7);
    datagrams.insert(3, "\n\nempty.before.and.after:1|c\n\n".to_owned());
    // With its end it is as long as a datagram may be; and the next one is longer.
    datagrams.insert(4, format!("{}:1|c\n{}:1|c", "x".repeat(35), "y".repeat(36)));
    send(&folder.path().join("exporter"), &datagrams);
    send(&socket, &datagrams);
    let expected = copies(&theirs, "the.end:1|c\n");
    assert_eq!(copies(&ours, "the.end:1|c\n"), expected);
    assert!(expected.contains("empty.before") && expected.contains("xx:1|c") && !expected.contains("yy:1|c"));
}
