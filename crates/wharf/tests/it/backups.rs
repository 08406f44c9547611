//! An export and an import bring back all that was pushed: in every format, with every time.

mod state_files;

use std::path::PathBuf;

use serde_json::{Value, json};
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::protobuf::{self, Message, Type, delimited, family, labelled, with_metrics};
use wharf_testkit::{Gateway, Kind, Random, Spawn, until};

use crate::operators::{admin, fails, stderr, stdout, succeeds, tool_at};
use crate::wharf;

/// Everything that text says.
const PLAIN: &str = "\
# HELP c_total counts \\\\ and\\nmore
# TYPE c_total counter
c_total{x=\"a\\\"b\\\\c\\nd\"} 12345678.25
# HELP empty_help 
# TYPE empty_help gauge
empty_help 1
# TYPE g gauge
g{nothing=\"\"} NaN
g{nothing=\"\",x=\"1\"} -Inf
# TYPE h histogram
h_bucket{le=\"0.5\"} 1
h_bucket{le=\"10\"} 2
h_bucket{le=\"+Inf\"} 3
h_sum 1e+300
h_count 3
# TYPE nothing_yet gauge
# TYPE s summary
s{quantile=\"0.5\"} -0.25
s_sum 4
s_count 3
u{instance=\"own\"} 1
";

const OPENMETRICS: &str = "\
# TYPE build info
build_info{version=\"1.2\"} 1
# TYPE states stateset
states{states=\"on\"} 1
states{states=\"off\"} 0
# TYPE took_seconds gauge
# UNIT took_seconds seconds
took_seconds 2.5
# TYPE waited_seconds summary
# UNIT waited_seconds seconds
waited_seconds{quantile=\"0.9\"} 3
waited_seconds_count 1
waited_seconds_sum 3
waited_seconds_created 1520430000.123
# TYPE requests counter
requests_total 5 # {trace_id=\"abc\"} 0.5 1520879607.789
requests_created 1520430000.5
# TYPE queue gaugehistogram
queue_bucket{le=\"1\"} 2
queue_bucket{le=\"+Inf\"} 5
queue_gcount 5
queue_gsum 3
# TYPE latency histogram
latency_bucket{le=\"0.1\"} 1 # {trace_id=\"x\"} 0.05
latency_bucket{le=\"+Inf\"} 2 # {trace_id=\"y\"} 7 1520879607.789
latency_count 2
latency_sum 7.05
latency_created 1520430000
# EOF
";

fn timestamp(seconds: u64, nanos: u64) -> Message {
    Message::new().varint(1, seconds).varint(2, nanos)
}

fn exemplar(trace: &str, value: f64) -> Message {
    let label = Message::new().bytes(1, "trace_id").bytes(2, trace);
    Message::new()
        .message(1, &label)
        .double(2, value)
        .message(3, &timestamp(1_700_000_000, 123_456_789))
}

fn span(offset: i64, length: u64) -> Message {
    Message::new().sint(1, offset).varint(2, length)
}

/// What text cannot say.
fn beyond_text() -> Vec<Message> {
    let integers = Message::new()
        .varint(1, 10)
        .double(2, -0.0)
        .message(15, &timestamp(1_600_000_000, 5))
        .sint(5, 3)
        .double(6, 2.938_735_877_055_719e-39)
        .varint(7, 1)
        .message(9, &span(-1, 1))
        .sint(10, 2)
        .message(12, &span(0, 2))
        .sint(13, 4)
        .sint(13, -1)
        .message(16, &exemplar("native", 1.5));
    let floats = Message::new()
        .double(2, 3.25)
        .double(4, 4.5)
        .sint(5, -2)
        .double(6, 0.001)
        .double(8, 0.5)
        .message(12, &span(3, 1))
        .double(14, 4.0);
    let both = Message::new()
        .varint(1, 3)
        .double(2, 6.5)
        .message(
            3,
            &Message::new()
                .varint(1, 1)
                .double(2, 1.0)
                .message(3, &exemplar("bucket", 0.5)),
        )
        .message(3, &Message::new().varint(1, 3).double(2, f64::INFINITY))
        .sint(5, 0)
        .double(6, 0.0)
        .varint(7, 0)
        .message(12, &span(1, 1))
        .sint(13, 3);
    let without_infinity = Message::new()
        .varint(1, (1 << 53) + 1)
        .double(2, 9.5)
        .message(3, &Message::new().varint(1, (1 << 53) + 1).double(2, 1.0));
    let without_infinity = Message::new().message(7, &without_infinity);
    let counter = Message::new()
        .double(1, 3.5)
        .message(2, &exemplar("counter", 1.0))
        .message(3, &timestamp(1_600_000_001, 0));
    let summary = Message::new()
        .varint(1, (1 << 53) + 1)
        .double(2, 0.5)
        .message(4, &timestamp(1_600_000_002, 999_999_999));
    vec![
        family(
            "native_int",
            Type::Histogram,
            &[labelled(&[("a", "1")]).message(7, &integers)],
        ),
        family(
            "native_float",
            Type::Histogram,
            &[Message::new().message(7, &floats)],
        ),
        family(
            "native_both",
            Type::Histogram,
            &[Message::new().message(7, &both)],
        ),
        family(
            "no_infinity",
            Type::Histogram,
            std::slice::from_ref(&without_infinity),
        ),
        // Of type GAUGE_HISTOGRAM.
        with_metrics(
            Message::new().bytes(1, "native_gauge").varint(3, 5),
            &[Message::new().message(7, &floats)],
        ),
        family(
            "counted_seconds_total",
            Type::Counter,
            &[Message::new().message(3, &counter)],
        )
        .bytes(5, "seconds"),
        family("summed", Type::Summary, &[Message::new().message(4, &summary)]),
        family("zero", Type::Gauge, &[protobuf::gauge(Message::new(), -0.0)]).bytes(2, ""),
        family(
            "plain",
            Type::Untyped,
            &[protobuf::untyped(labelled(&[("le", "x")]), 1.0)],
        ),
    ]
}

fn push_protobuf(gateway: &Gateway, path: &str, families: &[Message]) {
    let push = post(path).header("Content-Type", protobuf::CONTENT_TYPE);
    let answer = gateway.send(&push.body(delimited(families)));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Pushes everything there is to a gateway; `Wharf` alone takes OpenMetrics.
fn fill(gateway: &Gateway) {
    gateway.push("/metrics/job/plain/instance/i", PLAIN);
    gateway.push("/metrics/job/plain", "later 1\n");
    gateway.push(
        "/metrics/job/plain",
        "# HELP later another text\nsooner 1\nlater 2\n",
    );
    push_protobuf(gateway, "/metrics/job/exact/x@base64/w6QvYg", &beyond_text());
    gateway.push("/metrics/job/exact/x@base64/w6QvYg", "beside{y=\"\"} 4\n");
    gateway.replace("/metrics/job/empty", "");
    // Refused pushes: to a group, and to one that there was not.
    gateway.send(&post("/metrics/job/plain").body("later 1 1700000000000\n"));
    gateway.send(&post("/metrics/job/failed").body("m 1 1700000000000\n"));
    gateway.send(&post("/metrics/job/failed").body("m 2 1700000000000\n"));
}

fn fill_wharf(gateway: &Gateway) {
    fill(gateway);
    let push = put("/metrics/job/openmetrics?ttl=36h").header("Content-Type", "application/openmetrics-text");
    let answer = gateway.send(&push.body(OPENMETRICS));
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.push("/metrics/job/names/U__a_2e_b/1", "{\"ä b\",\"c d\"=\"1\"} 1\n");
    // A unit that is not the end of the name.
    let odd = family("odd", Type::Gauge, &[protobuf::gauge(Message::new(), 1.0)]).bytes(5, "furlongs");
    push_protobuf(gateway, "/metrics/job/odd", &[odd]);
}

/// A scrape in that format, of the pushed groups only.
fn scraped(gateway: &Gateway, accept: &str) -> Vec<u8> {
    let scrape = get("/metrics?match[]=%7B%7D").header("Accept", accept);
    let answer = gateway.send(&scrape);
    assert_eq!(answer.status, 200);
    answer.body
}

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                        escaping=allow-utf-8";
const OPENMETRICS_TEXT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";

/// All that two gateways tell of their groups is the same, byte for byte.
#[track_caller]
fn assert_same(one: &Gateway, other: &Gateway) {
    for accept in [PROTOBUF, OPENMETRICS_TEXT, "text/plain;escaping=allow-utf-8"] {
        assert!(scraped(one, accept) == scraped(other, accept), "{accept}");
    }
    let json = |gateway: &Gateway, path: &str| gateway.send(&get(path)).text();
    for path in [
        "/api/v1/metrics",
        "/api/v1/groups?limit=1000&fields=labels,push_time_seconds,push_failure_time_seconds,families,series,bytes,ttl,expires_at,keep_times",
    ] {
        assert_eq!(json(one, path), json(other, path), "{path}");
    }
}

/// The pushed families in the words of protobuf, which has the most to say, sorted.
fn pushed(gateway: &Gateway) -> Vec<String> {
    let own = ["\"go_", "\"process_", "\"pushgateway_", "\"wharf_", "\"promhttp_"];
    let accept = PROTOBUF.replace("delimited", "text");
    let text = gateway.send(&get("/metrics").header("Accept", &accept)).text();
    // Go puts one blank or two behind a colon, as it likes.
    let text = format!("\n{}", text.replace(":  ", ": "));
    // Series stand in another order, and Go leaves out a zero.
    let text = text.replace("\n      nanos: 0", "");
    let mut families: Vec<String> = text
        .split("\nname: ")
        .filter(|family| !family.trim().is_empty() && !own.iter().any(|own| family.starts_with(own)))
        .map(|family| {
            let mut parts: Vec<&str> = family.trim().split("\nmetric: ").collect();
            parts.get_mut(1..).unwrap().sort_unstable();
            parts.join("\nmetric: ")
        })
        .collect();
    families.sort_unstable();
    families
}

fn everything(spawn: Spawn) -> Spawn {
    admin(spawn)
        .arg("--push.enable-utf8-names")
        .arg("--web.enable-openmetrics")
}

/// A folder, and a file in it.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("groups.json");
    (folder, path)
}

#[test]
fn a_wharf_comes_back_byte_for_byte() {
    let source = everything(wharf()).start();
    fill_wharf(&source);
    let exported = succeeds(&source, &["export"]);
    let (_folder, path) = file();
    std::fs::write(&path, &exported).unwrap();
    let target = everything(wharf()).start();
    let said = succeeds(&target, &["import", path.to_str().unwrap()]);
    assert!(said.starts_with("imported 8 groups"), "{said}");
    assert_same(&source, &target);
    assert_eq!(succeeds(&target, &["export"]), exported);
    // And without a file between them.
    let second = everything(wharf()).start();
    succeeds(&second, &["import", &format!("http://{}", source.address())]);
    assert_same(&source, &second);
    // An import is as durable as a push.
    let again = succeeds(&second, &["import", path.to_str().unwrap(), "-o", "json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        (&again["groups"], &again["already_there"]),
        (&json!(0), &json!(8))
    );
}

/// A metric family of this number, of whose kind every group has the same type.
fn random_family(random: &mut Random, number: usize) -> Message {
    let numbers = [
        0.0,
        -0.0,
        1.0,
        -2.5,
        0.1,
        1e300,
        9_007_199_254_740_993.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let counts = [0, 1, 7, (1 << 53) + 1, u64::MAX / 8];
    let mut metrics = Vec::new();
    for series in 0..=random.below(3) {
        let series = series.to_string();
        let labels = [
            ("s", series.as_str()),
            ("odd", *random.pick(&["", "ä\"\\\n", "x y"])),
        ];
        let metric = labelled(labels.get(..1 + random.below(2)).unwrap());
        let value = *random.pick(&numbers);
        let created = |message: Message, field: u32, random: &mut Random| match random.below(2) {
            0 => message,
            _ => message.message(
                field,
                &timestamp(
                    1_600_000_000 + random.bits() % 1000,
                    random.bits() % 1_000_000_000,
                ),
            ),
        };
        metrics.push(match number % 5 {
            0 => protobuf::gauge(metric, value),
            1 => protobuf::untyped(metric, value),
            2 => {
                let mut counter = Message::new().double(1, value.abs());
                if random.one_in(3) {
                    counter = counter.message(2, &exemplar("counter", value));
                }
                metric.message(3, &created(counter, 3, random))
            }
            3 => {
                let mut summary = Message::new().varint(1, *random.pick(&counts)).double(2, value);
                for quantile in 0..random.below(3) {
                    #[expect(clippy::cast_precision_loss, reason = "there are three")]
                    let quantile = Message::new()
                        .double(1, quantile as f64 / 4.0)
                        .double(2, *random.pick(&numbers));
                    summary = summary.message(3, &quantile);
                }
                metric.message(4, &created(summary, 4, random))
            }
            _ => {
                let (low, high) = (random.bits() % 100, random.bits() % 100);
                let mut histogram = Message::new().varint(1, low + high).double(2, value);
                let mut bucket = Message::new().varint(1, low).double(2, 0.5);
                if random.one_in(3) {
                    bucket = bucket.message(3, &exemplar("bucket", 0.25));
                }
                histogram = histogram.message(3, &bucket);
                if random.one_in(2) {
                    histogram =
                        histogram.message(3, &Message::new().varint(1, low + high).double(2, f64::INFINITY));
                }
                if random.one_in(2) {
                    let (low, high) = (low.cast_signed(), high.cast_signed());
                    histogram = histogram
                        .sint(5, 2)
                        .message(12, &span(-3, 2))
                        .sint(13, low)
                        .sint(13, high - low);
                }
                metric.message(7, &created(histogram, 15, random))
            }
        });
    }
    let types = [
        Type::Gauge,
        Type::Untyped,
        Type::Counter,
        Type::Summary,
        Type::Histogram,
    ];
    let family = family(&format!("f{number}_seconds"), types[number % 5], &metrics);
    let family = match random.below(3) {
        0 => family,
        1 => family.bytes(2, ""),
        _ => family.bytes(2, "what it\nsays"),
    };
    if random.one_in(2) {
        family.bytes(5, "seconds")
    } else {
        family
    }
}

#[test]
fn whatever_is_pushed_comes_back() {
    let source = everything(wharf()).start();
    let mut random = Random::new(20);
    for group in 0..80 {
        let path = format!("/metrics/job/j/group/{}", group % 60);
        let families: Vec<usize> = (0..20).filter(|_| random.one_in(4)).collect();
        let families: Vec<Message> = families
            .iter()
            .map(|number| random_family(&mut random, *number))
            .collect();
        push_protobuf(&source, &path, &families);
    }
    let target = everything(wharf()).start();
    succeeds(&target, &["import", &format!("http://{}", source.address())]);
    assert_same(&source, &target);
    assert_eq!(succeeds(&target, &["export"]), succeeds(&source, &["export"]));
    // The Pushgateway's way, by JSON and scrape: what comes of it is the same but for what only Wharf tells.
    let Some(real) = Spawn::real() else { return };
    let real = real.start();
    // It checks each push against all that it has, which takes its time.
    let url = format!("http://{}", source.address());
    succeeds(&real, &["import", &url, "--request-timeout=2m"]);
    let back = everything(wharf()).start();
    succeeds(&back, &["import", &format!("http://{}", real.address())]);
    // But for units, which a Pushgateway keeps to itself.
    let without_units = |gateway: &Gateway| -> Vec<String> {
        let families = pushed(gateway).into_iter();
        let families = families.filter(|family| !family.starts_with("\"push_"));
        families
            .map(|family| family.replace("\nunit: \"seconds\"", ""))
            .collect()
    };
    assert_eq!(without_units(&back), without_units(&source));
}

#[test]
fn an_import_survives_a_kill() {
    let source = everything(wharf()).start();
    fill_wharf(&source);
    let folder = tempfile::tempdir().unwrap();
    let spawn = || everything(wharf()).arg(format!("--storage.path={}", folder.path().display()));
    let mut target = spawn().start();
    succeeds(&target, &["import", &format!("http://{}", source.address())]);
    target.kill();
    target.wait();
    assert_same(&source, &crate::loaded(spawn()));
}

#[test]
fn what_is_text_stays_text_and_the_rest_stands_beside_it() {
    let source = everything(wharf()).start();
    fill_wharf(&source);
    let line = |job: &str| -> Value {
        let exported = succeeds(&source, &["export", &format!("{{job=\"{job}\",instance=\"\"}}")]);
        serde_json::from_str(&exported).unwrap()
    };
    let plain = line("plain");
    assert_eq!(plain.get("protobuf"), None, "{plain}");
    assert!(plain["text"].as_str().unwrap().contains("later 2\n"), "{plain}");
    let exact = line("exact");
    assert!(
        exact["text"].as_str().unwrap().contains("beside{y=\"\"} 4\n"),
        "{exact}"
    );
    assert!(
        exact["text"]
            .as_str()
            .unwrap()
            .contains("native_int_count{a=\"1\"} 10\n"),
        "{exact}"
    );
    assert!(exact["protobuf"].as_str().unwrap().len() > 100, "{exact}");
    let typed = line("openmetrics");
    assert_eq!(typed["families"]["build_info"]["type"], json!("info"), "{typed}");
    assert_eq!(
        typed["families"]["took_seconds"]["unit"],
        json!("seconds"),
        "{typed}"
    );
    assert_eq!(typed["ttl"], json!("1d12h"), "{typed}");
    let failed = line("failed");
    assert_eq!(failed["push_time"], Value::Null);
    assert!(failed["failure_time"].is_string(), "{failed}");
}

#[test]
fn an_export_of_before_is_still_taken() {
    let target = admin(wharf()).start();
    let (_folder, path) = file();
    let line = "{\"labels\":{\"branch\":\"main\",\"job\":\"ci\"},\"push_time\":\"2026-01-21T12:40:27.038862331Z\",\
                \"ttl\":\"1d12h\",\"text\":\"# TYPE m gauge\\nm 77\\n\"}\n";
    std::fs::write(&path, line).unwrap();
    // It would be gone at once with its time to live.
    std::fs::write(&path, line.replace("\"ttl\":\"1d12h\",", "")).unwrap();
    succeeds(&target, &["import", path.to_str().unwrap()]);
    let text = target.send(&get("/metrics")).text();
    assert!(
        text.contains("m{branch=\"main\",instance=\"\",job=\"ci\"} 77\n"),
        "{text}"
    );
    assert!(
        text.contains("push_time_seconds{branch=\"main\",instance=\"\",job=\"ci\"} 1.768999227038862"),
        "{text}"
    );
}

#[test]
fn a_pushgateway_comes_over_with_what_its_json_does_not_tell() {
    let Some(real) = Spawn::real() else { return };
    let source = real.arg("--push.enable-utf8-names").start();
    fill(&source);
    let url = format!("http://{}", source.address());
    let target = everything(wharf()).start();
    assert_eq!(stderr(&tool_at(&target, &["import", &url])), "");
    assert_eq!(pushed(&target), pushed(&source));
    // A file of it is the same backup.
    let exported = succeeds(&source, &["export"]);
    let (_folder, path) = file();
    std::fs::write(&path, &exported).unwrap();
    let second = everything(wharf()).start();
    succeeds(&second, &["import", path.to_str().unwrap()]);
    assert_same(&target, &second);
    // And back: a Pushgateway takes all of it but the times.
    let Some(real) = Spawn::real() else { return };
    let back = real.arg("--push.enable-utf8-names").start();
    let said = fails(&tool_at(&back, &["import", path.to_str().unwrap()]), 1);
    assert!(
        said.contains("group {job=\"failed\"}: expected a successful push"),
        "{said}"
    );
    let without_times = |gateway: &Gateway| {
        let mut families = pushed(gateway);
        families.retain(|family| !family.starts_with("\"push_"));
        families
    };
    assert_eq!(without_times(&back), without_times(&source));
}

#[test]
fn a_pushgateway_that_answers_no_scrape_is_left_with_what_its_json_tells() {
    let Some(real) = Spawn::real() else { return };
    let source = real.arg("--push.disable-consistency-check").start();
    source.send(&put("/metrics/job/a").body("m 1\n"));
    source.send(
        &put("/metrics/job/b").body("# TYPE m histogram\nm_bucket{le=\"+Inf\"} 1\nm_sum 1\nm_count 1\n"),
    );
    // Pushes that are not checked are answered before they are stored.
    until("the pushes to clash", || {
        (source.send(&get("/metrics")).status == 500).then_some(())
    });
    let output = tool_at(&source, &["export"]);
    let said = fails(&output, 1);
    assert!(
        said.contains("left out: native histograms, exemplars, created timestamps and units: "),
        "{said}"
    );
    assert_eq!(stdout(&output).lines().count(), 2);
}

#[test]
fn the_export_is_a_route_that_says_how_many_groups_it_has() {
    let gateway = wharf().start();
    for number in 0..300 {
        gateway.push(&format!("/metrics/job/j{number:03}"), "m 1\n");
    }
    let answer = gateway.send(&get("/api/v1/export"));
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("wharf-groups"), Some("300"));
    let jobs = |text: &str| -> Vec<String> {
        let jobs = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        jobs.map(|line| line["labels"]["job"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = jobs(&answer.text());
    assert_eq!((all.len(), all.is_sorted()), (300, true));
    let some = gateway.send(&get("/api/v1/export?match[]=%7Bjob=~%22j00.%22%7D"));
    assert_eq!(some.header("wharf-groups"), Some("10"));
    assert_eq!(jobs(&some.text()).len(), 10);
    assert_eq!(gateway.send(&get("/api/v1/export?metch[]=x")).status, 400);
    // Without the admin API nothing can be imported.
    assert_eq!(gateway.send(&post("/api/v1/admin/import").body("")).status, 404);
}

#[test]
fn an_import_stores_what_it_can_and_names_the_rest() {
    let gateway = admin(wharf()).arg("--push.max-ttl=1h").start();
    gateway.push(
        "/metrics/job/taken",
        "m{x=\"1\",other=\"y\"} 1\n# TYPE typed gauge\ntyped 1\n",
    );
    let import = |query: &str, lines: &[Value]| {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        gateway.send(&post(&format!("/api/v1/admin/import{query}")).body(lines.join("\n")))
    };
    let line = |job: &str, text: &str| json!({"labels": {"job": job}, "push_time": "2026-01-02T03:04:05Z", "text": text});
    let with = |mut line: Value, key: &str, value: Value| {
        line[key] = value;
        line
    };
    let answer = import(
        "",
        &[
            line("a", "m 1\n"),
            line("type", "# TYPE typed counter\ntyped 1\n"),
            line("", "m 1\n"),
            with(line("ttl", "m 1\n"), "ttl", json!("2h")),
            with(line("unread", ""), "protobuf", json!("!")),
            with(line("unread", ""), "protobuf", json!("/w==")),
            with(line("timeless", ""), "push_time", Value::Null),
            with(line("word", "m 1\n"), "families", json!({"m": {"type": "thing"}})),
            with(
                line("kind", "m 1\n"),
                "families",
                json!({"m": {"type": "gaugehistogram"}}),
            ),
            with(
                line("kind", "# TYPE m summary\nm_sum 1\nm_count 1\n"),
                "families",
                json!({"m": {"type": "info"}}),
            ),
            line("time", "m 1 5\n"),
            line("b", "m 1\n"),
        ],
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = answer.json()["data"].clone();
    assert_eq!(
        (&data["groups"], &data["series"]),
        (&json!(2), &json!(2)),
        "{data}"
    );
    let refused: Vec<_> = data["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| refused["status"].clone())
        .collect();
    assert_eq!(refused, vec![json!(400); 10], "{data}");
    // A refused import is no refused push.
    assert!(!gateway.send(&get("/metrics")).text().contains("job=\"type\""));
    // Nothing is stored if a line is none, not even those before it.
    for broken in [
        json!({"labels": {"job": "c"}}),
        json!("x"),
        with(line("c", ""), "unknown", json!(1)),
    ] {
        let answer = import("", &[line("c", "m 1\n"), broken]);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(
            answer.text().starts_with("line 2: expected a group of an export"),
            "{}",
            answer.text()
        );
    }
    assert!(!gateway.send(&get("/metrics")).text().contains("job=\"c\""));
    // What was pushed since stays, unless it is to be overwritten.
    let older = import("", &[line("taken", "m 5\n")]).json();
    assert_eq!(older["data"]["already_there"], json!(1), "{older}");
    let forced = import("?overwrite=true", &[line("taken", "m 5\n")]).json();
    assert_eq!(forced["data"]["groups"], json!(1), "{forced}");
    assert!(
        gateway
            .send(&get("/metrics"))
            .text()
            .contains("m{instance=\"\",job=\"taken\"} 5\n")
    );
    // A time that is still to come is now, however far it is.
    for time in ["2261-01-01T00:00:00Z", "9000-01-01T00:00:00Z"] {
        gateway.send(&delete("/metrics/job/taken"));
        import("", &[with(line("taken", "m 1\n"), "push_time", json!(time))]);
        let groups = gateway
            .send(&get("/api/v1/groups?match[]=%7Bjob=%22taken%22%7D"))
            .json();
        let pushed = groups["data"]["groups"][0]["push_time_seconds"].as_f64();
        assert!(pushed.is_some_and(|pushed| pushed < 9e9), "{time}: {groups}");
    }
}

#[test]
fn metrics_are_shown_with_what_text_cannot_say() {
    for spawn in crate::gateways() {
        let gateway = spawn.start();
        push_protobuf(&gateway, "/metrics/job/exact/y/z", &beyond_text());
        let text = succeeds(&gateway, &["get", "exact"]);
        for expected in [
            "native_int_count{a=\"1\",instance=\"\",job=\"exact\",y=\"z\"} 10\n",
            "# native native_int{a=\"1\",instance=\"\",job=\"exact\",y=\"z\"}: {count:10,sum:-0,schema:3,\
             zero_threshold:2.938735877055719e-39,zero_count:1,negative_spans:[-1:1],negative_buckets:[2],\
             positive_spans:[0:2],positive_buckets:[4,3]}\n",
            "# exemplar native_int{a=\"1\",instance=\"\",job=\"exact\",y=\"z\"}: {trace_id=\"native\"} 1.5 1700000000.123456789\n",
            "# created native_int{a=\"1\",instance=\"\",job=\"exact\",y=\"z\"}: 1600000000.000000005\n",
            "# exemplar native_both_bucket{instance=\"\",job=\"exact\",y=\"z\",le=\"1\"}: {trace_id=\"bucket\"} 0.5 ",
            "# exemplar counted_seconds_total{instance=\"\",job=\"exact\",y=\"z\"}: {trace_id=\"counter\"} 1 ",
            "# type native_gauge: gaugehistogram\n",
            "positive_buckets:[4]}\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        // A Pushgateway keeps units to itself.
        let shows_units = text.contains("# unit counted_seconds_total: seconds\n");
        assert_eq!(shows_units, gateway.kind() == Kind::Wharf, "{text}");
        let output = tool_at(&gateway, &["get", "exact", "-o", "openmetrics"]);
        let openmetrics = stdout(&output);
        assert!(openmetrics.ends_with("# EOF\n"), "{openmetrics}");
        assert!(
            openmetrics.contains("# {trace_id=\"counter\"} 1.0 1700000000.123456789"),
            "{openmetrics}"
        );
        let said = stderr(&output);
        assert!(
            said.contains("left out: native histograms of family native_int"),
            "{said}"
        );
        let bytes = tool_at(&gateway, &["get", "exact", "-o", "protobuf"]).stdout;
        let target = wharf().start();
        let push = put("/metrics/job/exact").header("Content-Type", protobuf::CONTENT_TYPE);
        assert_eq!(target.send(&push.body(bytes)).status, 200);
    }
}
