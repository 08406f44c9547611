//! What a scrape brings, whoever has compressed it.

use wharf_testkit::http::{Request, get};
use wharf_testkit::{Gateway, until};

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
