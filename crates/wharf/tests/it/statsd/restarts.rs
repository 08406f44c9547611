//! Series go on from where they were, whatever happens to the process.

use std::io::Write as _;
use std::path::Path;

use wharf_exposition::protobuf;
use wharf_model::{Timestamp, Value};
use wharf_testkit::http::{delete, get};
use wharf_testkit::{Gateway, Spawn};

use super::{connect, listening, rules, send, until_value};
use crate::loaded;

const RULES: &str = "\
mappings:
- {match: h.*, name: h, observer_type: histogram, histogram_options: {buckets: [1, 2], native_histogram_bucket_factor: 1.1}}
- {match: ttl.*, name: 'ttl_$1', ttl: 2s}
";

fn on(folder: &Path, mapping: &str) -> Spawn {
    listening()
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--statsd.mapping-config={mapping}"))
}

const LINES: &str = "c:5|c|#k:v\ng:10|g\ns:3|h\nh.x:1.5|h\nh.x:7|h\nc:5|c|#job:other\nttl.x:1|c";

/// When a counter has begun, as a scrape in protobuf says it.
fn created(gateway: &Gateway, name: &str) -> Option<Timestamp> {
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let scrape = gateway.send(&get("/metrics").header("Accept", accept));
    let scrape = protobuf::decode(&scrape.body).unwrap();
    let mut families = scrape.families.iter();
    let family = families.find(|family| scrape.text(family.name) == name)?;
    family.metrics[0].extra.as_ref()?.created
}

#[test]
fn a_counter_says_since_when_it_counts_also_after_a_restart() {
    let (_rules, mapping) = rules(RULES);
    let folder = tempfile::tempdir().unwrap();
    let gateway = on(folder.path(), &mapping).start();
    send(&gateway, "c:1|c\ng:1|g");
    until_value(&gateway, "c", &[], Some("1"));
    let began = created(&gateway, "c").unwrap();
    assert_eq!(created(&gateway, "g"), None, "a gauge counts nothing");
    drop(gateway);
    let gateway = on(folder.path(), &mapping).start();
    send(&gateway, "c:1|c");
    until_value(&gateway, "c", &[], Some("2"));
    assert_eq!(created(&gateway, "c"), Some(began));
    let text = gateway.scrape();
    assert_eq!(
        text.value("c_created", &[]),
        None,
        "the text format has no place for it"
    );
}

/// All values that go on, with what one more of each line makes of them.
#[track_caller]
fn go_on(gateway: &Gateway) {
    send(gateway, "c:1|c|#k:v\ng:+1|g\ns:1|h\nh.x:1.7|h\nc:1|c|#job:other");
    for (name, labels, value) in [
        ("c", &[("job", "statsd"), ("k", "v")][..], "6"),
        ("g", &[], "11"),
        ("s_sum", &[], "4"),
        ("s_count", &[], "2"),
        ("h_bucket", &[("le", "1")], "0"),
        ("h_bucket", &[("le", "2")], "2"),
        ("h_bucket", &[("le", "+Inf")], "3"),
        ("h_count", &[], "3"),
        ("c", &[("job", "other")], "6"),
    ] {
        until_value(gateway, name, labels, Some(value));
    }
    // The native buckets go on as well.
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let scrape = gateway.send(&get("/metrics").header("Accept", accept));
    let scrape = protobuf::decode(&scrape.body).unwrap();
    let family = scrape
        .families
        .iter()
        .find(|family| scrape.text(family.name) == "h")
        .unwrap();
    let Value::Histogram(histogram) = family.metrics[0].value else {
        unreachable!("expected a histogram, found {family:?}");
    };
    let native = scrape.histogram(histogram).unwrap().native.as_ref().unwrap();
    let counts = native.positive.deltas.iter().scan(0, |count, delta| {
        *count += delta;
        Some(*count)
    });
    assert_eq!((native.schema, counts.sum::<i64>()), (3, 3));
}

fn until_all(gateway: &Gateway) {
    until_value(gateway, "c", &[("job", "other")], Some("5"));
    until_value(gateway, "h_count", &[], Some("2"));
    until_value(gateway, "ttl_x", &[], Some("1"));
}

#[test]
fn series_go_on_after_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_rules, mapping) = rules(RULES);
    let mut gateway = on(folder.path(), &mapping).start();
    connect(&gateway).write_all(LINES.as_bytes()).unwrap();
    until_value(&gateway, "statsd_exporter_lines_total", &[], Some("7"));
    // Kept or not: the end keeps it.
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    let gateway = loaded(on(folder.path(), &mapping));
    until_all(&gateway);
    go_on(&gateway);
    until_value(&gateway, "ttl_x", &[], None);
}

#[test]
fn series_go_on_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (_rules, mapping) = rules(RULES);
    let mut gateway = on(folder.path(), &mapping).start();
    send(&gateway, LINES);
    until_all(&gateway);
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(folder.path(), &mapping));
    until_all(&gateway);
    go_on(&gateway);
    until_value(&gateway, "ttl_x", &[], None);
}

#[test]
fn what_was_deleted_does_not_come_back_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (_rules, mapping) = rules("");
    let mut gateway = on(folder.path(), &mapping).start();
    send(&gateway, "a:5|c");
    until_value(&gateway, "a", &[], Some("5"));
    assert_eq!(gateway.send(&delete("/metrics/job/statsd")).status, 202);
    gateway.kill();
    gateway.wait();
    let gateway = loaded(on(folder.path(), &mapping));
    send(&gateway, "a:1|c");
    until_value(&gateway, "a", &[], Some("1"));
}
