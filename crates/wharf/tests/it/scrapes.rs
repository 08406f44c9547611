//! What a scrape brings, whoever has compressed it.

use wharf_testkit::http::{Request, get, put};
use wharf_testkit::{Gateway, protobuf, until};

use crate::wharf;

/// Each of these groups has more lines than go into a leaf, so each is compressed by itself.
const GROUPS: usize = 60;

fn push(gateway: &Gateway, round: usize) {
    for group in 0..GROUPS {
        let lines = (0..400).map(|n| format!("some_metric{{number=\"{n}\"}} {round}{n}\n"));
        // Under a scheme that escapes, the lines of every other group are written anew.
        let utf8 = if group % 2 == 0 {
            "some_metric{\"zwölf\"=\"1\"} 12\n"
        } else {
            ""
        };
        let body = format!("{}{utf8}", lines.collect::<String>());
        gateway.replace(&format!("/metrics/job/j/instance/{group}"), &body);
    }
}

fn scrape(target: &str, escaping: &str) -> Request {
    get(target).header("Accept", &format!("text/plain;version=1.0.0;escaping={escaping}"))
}

fn recompressed(gateway: &Gateway) -> usize {
    let scrape = gateway.scrape();
    let value = scrape.value("wharf_leaves_recompressed_total", &[]);
    value.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_compressed_scrape_of_much_that_has_changed_is_the_plain_one() {
    let gateway = wharf().arg("--push.enable-utf8-names").start();
    for round in 1..5 {
        push(&gateway, round);
        // Without the gateway's own metrics, which are other ones in each scrape.
        for escaping in ["allow-utf-8", "underscores"] {
            let scrape = scrape("/metrics?match[]=%7Bjob%3D%22j%22%7D", escaping);
            let plain = gateway.send(&scrape);
            let compressed = gateway.send(&scrape.header("Accept-Encoding", "gzip"));
            assert_eq!(compressed.header("Content-Encoding"), Some("gzip"));
            let (plain, compressed) = (plain.text(), compressed.plain_text().unwrap());
            assert_eq!(plain.matches(&format!(" {round}399\n")).count(), GROUPS);
            assert!(plain == compressed, "round {round}, {escaping}");
        }
    }
}

#[test]
fn each_leaf_is_compressed_once_and_counted_once() {
    let gateway = wharf().arg("--push.enable-utf8-names").start();
    let compressed = scrape("/metrics", "allow-utf-8").header("Accept-Encoding", "gzip");
    // The times of failed pushes, a leaf that does not change after the first round.
    let mut expected = 1;
    for round in 1..4 {
        push(&gateway, round);
        gateway.send(&compressed);
        // And one leaf of the push times.
        expected += GROUPS + 1;
        // Who has helped with the last ones may say so a moment later.
        until("all are counted", || {
            (recompressed(&gateway) >= expected).then_some(())
        });
        gateway.send(&compressed);
        assert_eq!(recompressed(&gateway), expected);
    }
}

#[test]
fn what_is_kept_for_scrapes_in_other_formats_is_told() {
    let gateway = wharf()
        .arg("--web.enable-openmetrics")
        .arg("--push.enable-utf8-names")
        .start();
    push(&gateway, 1);
    let kept = || {
        let scrape = gateway.scrape();
        let value = scrape.value("wharf_scrape_forms_bytes", &[]);
        value.map(|value| value.parse::<f64>().unwrap())
    };
    gateway.send(&scrape("/metrics", "underscores").header("Accept-Encoding", "gzip"));
    assert_eq!(kept(), Some(0.0));
    let compressed = get("/metrics").header("Accept-Encoding", "gzip");
    for accept in [
        "application/openmetrics-text;version=1.0.0",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ] {
        let before = kept();
        gateway.send(&compressed.clone().header("Accept", accept));
        let after = kept();
        assert!(after > before, "{before:?} {after:?}");
        // The next one finds it.
        gateway.send(&compressed.clone().header("Accept", accept));
        assert_eq!(kept(), after);
    }
}

#[test]
fn histograms_that_contradict_themselves_are_mended_but_in_text() {
    let gateway = wharf().arg("--web.enable-openmetrics").start();
    let broken = "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 6\nh_sum 1\nh_count 7\n";
    gateway.replace("/metrics/job/j", broken);
    let body = |accept: &str| gateway.send(&get("/metrics").header("Accept", accept)).text();
    let count_of = |body: &str, le: &str| {
        let line = format!("h_bucket{{instance=\"\",job=\"j\",le=\"{le}\"}} ");
        body.lines()
            .find_map(|found| found.strip_prefix(&line).map(str::to_owned))
    };
    let text = body("text/plain;version=0.0.4");
    assert_eq!(count_of(&text, "2").as_deref(), Some("3"));
    assert_eq!(count_of(&text, "+Inf").as_deref(), Some("6"));
    assert_eq!(
        gateway.scrape().value("wharf_histograms_contradicting", &[]),
        Some("1")
    );
    let openmetrics = body("application/openmetrics-text;version=1.0.0");
    assert_eq!(count_of(&openmetrics, "2.0").as_deref(), Some("5"));
    assert_eq!(count_of(&openmetrics, "+Inf").as_deref(), Some("7"));
    let protobuf =
        body("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text");
    let buckets = "bucket:{cumulative_count:5 upper_bound:1} bucket:{cumulative_count:5 upper_bound:2} \
                   bucket:{cumulative_count:7 upper_bound:inf}";
    assert!(protobuf.contains(buckets), "{protobuf}");
    gateway.replace("/metrics/job/j", "h 1\n");
    assert_eq!(
        gateway.scrape().value("wharf_histograms_contradicting", &[]),
        Some("0")
    );
}

/// The lines of a scrape that say something of this name, the labels of the group left out.
fn lines_of(gateway: &Gateway, accept: &str, name: &str) -> Vec<String> {
    let body = gateway.send(&get("/metrics").header("Accept", accept)).text();
    let lines = body.lines().filter(|line| {
        let line = line.trim_start_matches("# TYPE ").trim_start_matches("# HELP ");
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
    });
    lines
        .map(|line| line.replace("instance=\"\",job=\"j\",", ""))
        .collect()
}

const LEGACY: &str = "text/plain;version=0.0.4";

#[test]
fn families_that_are_equal_once_they_are_escaped_are_one() {
    let gateway = wharf()
        .args(["--push.enable-utf8-names", "--web.enable-openmetrics"])
        .start();
    gateway.replace(
        "/metrics/job/j",
        "# HELP \"a.b\" Dotted.\n# TYPE \"a.b\" gauge\n{\"a.b\",x=\"1\"} 1\n{\"a.b\",x=\"2\"} 2\n\
         # HELP a_b Plain.\n# TYPE a_b gauge\na_b{x=\"1\"} 3\n",
    );
    // The family with the legacy name is first: who has scraped it goes on to see its values.
    let one = [
        "# HELP a_b Plain.",
        "# TYPE a_b gauge",
        "a_b{x=\"1\"} 3",
        "a_b{x=\"2\"} 2",
    ];
    for accept in [
        LEGACY,
        "text/plain",
        "text/plain;version=1.0.0;escaping=underscores",
    ] {
        assert_eq!(lines_of(&gateway, accept, "a_b"), one, "{accept}");
    }
    let openmetrics = "application/openmetrics-text;version=1.0.0;escaping=underscores";
    assert_eq!(
        lines_of(&gateway, openmetrics, "a_b")[2..],
        ["a_b{x=\"1\"} 3.0", "a_b{x=\"2\"} 2.0"]
    );
    let both = gateway.send(&scrape("/metrics", "allow-utf-8")).text();
    assert!(both.contains("{\"a.b\",") && both.contains("a_b{"), "{both}");
    // One of four scrapes was that of all names as they are.
    let scrape = gateway.scrape();
    let left_out = scrape.value("wharf_scrape_metrics_left_out_total", &[]);
    assert_eq!(left_out, Some("4"));
}

#[test]
fn families_that_are_equal_once_they_are_escaped_and_differ_in_type_are_untyped() {
    let gateway = wharf()
        .args(["--push.enable-utf8-names", "--web.enable-openmetrics"])
        .start();
    gateway.replace(
        "/metrics/job/j",
        "# TYPE \"a.b\" histogram\n{\"a.b_bucket\",x=\"1\",le=\"+Inf\"} 1\n{\"a.b_sum\",x=\"1\"} 1\n{\"a.b_count\",x=\"1\"} 1\n\
         # TYPE a_b counter\na_b{x=\"1\"} 3\n# TYPE a_b_count gauge\na_b_count{x=\"1\"} 5\na_b_count{x=\"2\"} 6\n",
    );
    let lines = [
        "# TYPE a_b untyped",
        "a_b{x=\"1\"} 3",
        "# TYPE a_b_bucket untyped",
        "a_b_bucket{x=\"1\",le=\"+Inf\"} 1",
        "# TYPE a_b_count untyped",
        "a_b_count{x=\"1\"} 5",
        "a_b_count{x=\"2\"} 6",
        "# TYPE a_b_sum untyped",
        "a_b_sum{x=\"1\"} 1",
    ];
    assert_eq!(lines_of(&gateway, LEGACY, "a_b"), lines);
}

#[test]
fn series_that_are_equal_once_their_labels_are_escaped_are_shown_once() {
    let gateway = wharf().arg("--push.enable-utf8-names").start();
    gateway.replace(
        "/metrics/job/j",
        "m{\"a.b\"=\"1\"} 1\nm{a_b=\"1\"} 2\nm{a_b=\"2\"} 3\n",
    );
    let lines = lines_of(&gateway, LEGACY, "m");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("a_b=\"2\"")), "{lines:?}");
    assert_eq!(
        gateway.scrape().value("wharf_scrape_metrics_left_out_total", &[]),
        Some("1")
    );
}

#[test]
fn a_label_name_does_not_become_a_reserved_one_by_escaping() {
    let gateway = wharf().arg("--push.enable-utf8-names").start();
    gateway.replace("/metrics/job/j", "m{\"..name..\"=\"evil\"} 1\n");
    let lines = lines_of(&gateway, LEGACY, "m");
    assert!(
        lines.iter().any(|line| line.contains("_name__=\"evil\"")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("__name__")), "{lines:?}");
}

#[test]
fn native_and_classic_histograms_of_one_family_are_two_messages() {
    let gateway = wharf().start();
    for job in ["a", "c"] {
        let native = put(&format!("/metrics/job/{job}"))
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(protobuf::delimited(&[protobuf::native_histogram("h")]));
        assert_eq!(gateway.send(&native).status, 200);
    }
    gateway.replace(
        "/metrics/job/b",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
    );
    let accept =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text";
    let body = gateway.send(&get("/metrics").header("Accept", accept)).text();
    let messages: Vec<_> = body
        .lines()
        .filter(|line| line.starts_with("name:\"h\" "))
        .collect();
    let [natives, classics] = messages.as_slice() else {
        panic!("expected two messages, found {messages:#?}");
    };
    assert_eq!(
        (
            natives.matches("schema:").count(),
            classics.matches("schema:").count()
        ),
        (2, 0)
    );
    assert_eq!(
        (
            natives.matches("bucket:").count(),
            classics.matches("bucket:").count()
        ),
        (0, 1)
    );
}
