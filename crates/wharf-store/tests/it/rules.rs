//! What a push does, and what it is refused for.

use expect_test::expect;
use wharf_exposition::text;
use wharf_model::{GroupingKey, MetricType};
use wharf_store::{Joins, PushError, PushMode, Reserved, ReservedFamily, Store, UnixNanos};

use crate::{delete, exposition, post, push, put, samples, store, wipe};

#[track_caller]
fn refused(store: &Store, path: &str, body: &str, expected: &expect_test::Expect) {
    let before = samples(store);
    let error = post(store, path, body).unwrap_err().to_string();
    let prefix = "pushed metrics are invalid or inconsistent with existing metrics: ";
    expected.assert_eq(error.strip_prefix(prefix).unwrap_or(&error));
    assert_eq!(samples(store), before, "a refused push changes no sample");
}

#[test]
fn a_push_carries_the_labels_of_its_group_and_an_instance() {
    let store = store();
    put(&store, "job/a", "m{x=\"1\",job=\"other\"} 2\n").unwrap();
    put(&store, "job/b/instance/i", "m{instance=\"other\"} 3\n").unwrap();
    put(&store, "job/c", "m{instance=\"kept\"} 4\n").unwrap();
    expect![[r#"
        # TYPE m untyped
        m{instance="i",job="b"} 3
        m{instance="",job="a",x="1"} 2
        m{instance="kept",job="c"} 4
        # HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
        # TYPE push_failure_time_seconds gauge
        push_failure_time_seconds{instance="i",job="b"} 0
        push_failure_time_seconds{instance="",job="a"} 0
        push_failure_time_seconds{instance="",job="c"} 0
        # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
        # TYPE push_time_seconds gauge
        push_time_seconds{instance="i",job="b"} 100
        push_time_seconds{instance="",job="a"} 100
        push_time_seconds{instance="",job="c"} 100
    "#]]
    .assert_eq(&exposition(&store.snapshot()));
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn the_labels_of_a_group_are_not_repeated_without_bound() {
    let names: Vec<String> = (0..1000).map(|n| format!("l{n}")).collect();
    let labels = names.iter().map(|name| (name.as_str(), ""));
    let key = GroupingKey::new(labels.chain([("job", "a")])).unwrap();
    let store = Store::new(Reserved::default(), 1 << 16);
    // Were all labels laid out before the limit is looked at, the label of the last line would be found wrong.
    let lines: Vec<String> = (0..1000).map(|n| format!("m{{a=\"{n}\"}} 1\n")).collect();
    let body = format!("{}m{{__a=\"1\"}} 1\n", lines.concat());
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let refused = store.push(&key, PushMode::ReplaceGroup, &exposition, UnixNanos(0));
    assert_eq!(refused.err(), Some(PushError::TooLarge { limit_bytes: 1 << 16 }));
    assert_eq!(store.totals().groups, 0);
}

#[test]
fn put_replaces_the_group_and_post_its_families() {
    let store = store();
    post(&store, "job/a", "m{x=\"1\"} 1\nm{x=\"2\"} 2\nn 1\n").unwrap();
    post(&store, "job/a", "m{x=\"3\"} 3\n").unwrap();
    assert_eq!(
        samples(&store),
        [r#"m{instance="",job="a",x="3"} 3"#, r#"n{instance="",job="a"} 1"#]
    );
    put(&store, "job/a", "k 1\n").unwrap();
    assert_eq!(samples(&store), [r#"k{instance="",job="a"} 1"#]);
    put(&store, "job/a", "").unwrap();
    assert_eq!(samples(&store), [""; 0]);
    assert_eq!(store.totals().groups, 1);
}

#[test]
fn series_are_ordered_by_number_of_labels_and_then_by_values() {
    let store = store();
    put(&store, "job/t", "m{z=\"1\"} 1\nm{a=\"9\"} 2\nm 3\n").unwrap();
    let expected = [
        r#"m{instance="",job="t"} 3"#,
        r#"m{instance="",job="t",z="1"} 1"#,
        r#"m{a="9",instance="",job="t"} 2"#,
    ];
    assert_eq!(samples(&store), expected);
}

#[test]
fn a_deleted_group_is_gone_and_no_other() {
    let store = store();
    post(&store, "job/a", "m 1\n").unwrap();
    post(&store, "job/a/instance/i", "n 1\n").unwrap();
    assert!(delete(&store, "job/a"));
    assert!(!delete(&store, "job/a"));
    assert_eq!(samples(&store), [r#"n{instance="i",job="a"} 1"#]);
    post(&store, "job/b", "m 2\n").unwrap();
    assert_eq!(wipe(&store), 2);
    assert_eq!(exposition(&store.snapshot()), "");
    post(&store, "job/a", "m 1\n").unwrap();
    assert_eq!(samples(&store), [r#"m{instance="",job="a"} 1"#]);
}

#[test]
fn a_refused_push_moves_the_failure_time_only() {
    let store = store();
    post(&store, "job/a", "m 1\n").unwrap();
    push(&store, PushMode::ReplaceGroup, "job/a", "m 2\nn 3 0\n", 200).unwrap_err();
    push(&store, PushMode::ReplaceGroup, "job/new", "m 2 1\n", 300).unwrap_err();
    let text = exposition(&store.snapshot());
    for line in [
        r#"m{instance="",job="a"} 1"#,
        r#"push_time_seconds{instance="",job="a"} 100"#,
        r#"push_failure_time_seconds{instance="",job="a"} 200"#,
        r#"push_time_seconds{instance="",job="new"} 0"#,
        r#"push_failure_time_seconds{instance="",job="new"} 300"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    post(&store, "job/new", "m 5\n").unwrap();
    let text = exposition(&store.snapshot());
    assert!(
        text.contains("push_failure_time_seconds{instance=\"\",job=\"new\"} 300\n"),
        "{text}"
    );
    assert!(
        text.contains("push_time_seconds{instance=\"\",job=\"new\"} 100\n"),
        "{text}"
    );
}

#[test]
fn pushed_push_times_are_left_out() {
    let store = store();
    let body = "# TYPE push_time_seconds counter\npush_time_seconds 4\npush_failure_time_seconds 5\n";
    post(&store, "job/a", body).unwrap();
    post(&store, "job/a", body).unwrap();
    let text = exposition(&store.snapshot());
    assert!(
        text.contains("# TYPE push_time_seconds gauge\npush_time_seconds{instance=\"\",job=\"a\"} 100\n")
    );
    assert!(text.contains("push_failure_time_seconds{instance=\"\",job=\"a\"} 0\n"));
}

#[test]
fn a_type_belongs_to_all_groups() {
    let store = store();
    post(&store, "job/a", "# TYPE m counter\nm 1\n").unwrap();
    refused(
        &store,
        "job/b",
        "# TYPE m gauge\nm 1\n",
        &expect![[
            r#"collected metric "m" is not a COUNTER: it was pushed as GAUGE (stored in group {job="a"})"#
        ]],
    );
    post(&store, "job/a", "# TYPE m gauge\nm 1\n").unwrap();
    post(&store, "job/b", "# TYPE m gauge\nm 1\n").unwrap();
    refused(
        &store,
        "job/a",
        "# TYPE m counter\nm 1\n",
        &expect![[
            r#"collected metric "m" is not a GAUGE: it was pushed as COUNTER (stored in group {job="b"})"#
        ]],
    );
}

#[test]
fn all_contradictions_of_a_push_are_named_at_once() {
    let store = store();
    put(
        &store,
        "job/a",
        "a 1\nb 1\nd{instance=\"i\",job=\"x\"} 1\ns{k=\"1\"} 1\ns{k=\"2\"} 1\n",
    )
    .unwrap();
    put(
        &store,
        "job/x",
        "d{instance=\"i\"} 1\n# TYPE h histogram\nh_count 1\n",
    )
    .unwrap();
    let body = "# TYPE a gauge\na 1\n# TYPE b counter\nb 1\nd 1\ng 1\nh_sum 1\n\
                l{__x=\"1\"} 1\nl{__y=\"1\"} 1\ntwice 1\ntwice 2\ntwice 3\n";
    refused(
        &store,
        "job/x/instance/i",
        body,
        &expect![[r#"
            8 error(s) occurred:
            * collected metric "l" {__x="1",instance="i",job="x"} has a label with an invalid name: __x
            * collected metric "l" {__y="1",instance="i",job="x"} has a label with an invalid name: __y
            * collected metric "twice" {instance="i",job="x"} was collected before with the same name and label values
            * collected metric "twice" {instance="i",job="x"} was collected before with the same name and label values
            * collected metric "a" is not a UNTYPED: it was pushed as GAUGE (stored in group {job="a"})
            * collected metric "b" is not a UNTYPED: it was pushed as COUNTER (stored in group {job="a"})
            * collected metric named "h_sum" collides with previously collected histogram named "h" (stored in group {job="x"})
            * collected metric "d" {instance="i",job="x"} was collected before with the same name and label values (stored in group {job="x"})"#]],
    );
}

#[test]
fn series_that_many_groups_hold_are_named_with_their_groups() {
    let store = store();
    for instance in ["1", "2"] {
        let body = format!("m{{instance=\"{instance}\"}} 1\nn{{instance=\"{instance}\"}} 1\n");
        put(
            &store,
            &format!("job/x/l{instance}/y"),
            &body.replace("} 1", &format!(",l{instance}=\"y\"}} 1")),
        )
        .unwrap();
    }
    refused(
        &store,
        "job/x",
        "m{instance=\"1\",l1=\"y\"} 1\nm{instance=\"2\",l2=\"y\"} 1\nm{instance=\"3\"} 1\nn{instance=\"2\",l2=\"y\"} 1\n",
        &expect![[r#"
            3 error(s) occurred:
            * collected metric "m" {instance="1",job="x",l1="y"} was collected before with the same name and label values (stored in group {job="x",l1="y"})
            * collected metric "m" {instance="2",job="x",l2="y"} was collected before with the same name and label values (stored in group {job="x",l2="y"})
            * collected metric "n" {instance="2",job="x",l2="y"} was collected before with the same name and label values (stored in group {job="x",l2="y"})"#]],
    );
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn of_very_many_contradictions_the_first_are_named_and_the_rest_counted() {
    let store = store();
    let body: Vec<String> = (0..3000).map(|n| format!("m{{l=\"y\",n=\"{n}\"}} 1\n")).collect();
    put(&store, "job/x", &body.concat()).unwrap();
    let error = post(&store, "job/x/l/y", &body.concat()).unwrap_err().to_string();
    assert!(error.contains(
        ": 3000 error(s) occurred:\n* collected metric \"m\" {instance=\"\",job=\"x\",l=\"y\",n=\"0\"}"
    ));
    assert!(error.ends_with("\n* and 2960 more"), "{error}");
    let types: Vec<String> = (0..3000).map(|n| format!("t{n} 1\n")).collect();
    put(&store, "job/t", &types.concat()).unwrap();
    let other: Vec<String> = (0..3000)
        .map(|n| format!("# TYPE t{n} gauge\nt{n} 1\n"))
        .collect();
    let error = post(&store, "job/u", &other.concat()).unwrap_err().to_string();
    assert!(
        error.contains(": 3000 error(s) occurred:\n") && error.lines().count() == 42,
        "{error}"
    );
}

#[test]
fn a_timestamp_is_told_with_its_metric_and_line() {
    let store = store();
    let Err(PushError::Timestamps(found)) =
        post(&store, "job/a", "a 1\nb 2\nz 1 5\n# HELP x y\nb{x=\"1\"} 2 3\n")
    else {
        panic!("expected a refusal because of timestamps");
    };
    assert_eq!((found.family.as_str(), found.series.as_str()), ("z", "{}"));
    assert_eq!((found.line, found.position, found.count), (Some(3), 1, 2));
}

#[test]
fn a_series_belongs_to_one_group() {
    let store = store();
    post(&store, "job/q", "n{instance=\"i1\"} 1\n").unwrap();
    refused(
        &store,
        "job/q/instance/i1",
        "n 2\n",
        &expect![[
            r#"collected metric "n" {instance="i1",job="q"} was collected before with the same name and label values (stored in group {job="q"})"#
        ]],
    );
    refused(
        &store,
        "job/d",
        "d{job=\"1\"} 1\nd{job=\"2\"} 1\n",
        &expect![[
            r#"collected metric "d" {instance="",job="d"} was collected before with the same name and label values"#
        ]],
    );
    post(&store, "job/q", "n{instance=\"i2\"} 1\n").unwrap();
    post(&store, "job/q/instance/i1", "n 2\n").unwrap();
}

#[test]
fn groups_that_differ_by_an_empty_instance_cannot_both_be() {
    let store = store();
    post(&store, "job/a", "m 1\n").unwrap();
    refused(
        &store,
        "job/a/instance/",
        "x 1\n",
        &expect![[
            r#"collected metric "push_time_seconds" {instance="",job="a"} was collected before with the same name and label values (stored in group {job="a"})"#
        ]],
    );
    assert_eq!(store.totals().groups, 1, "the refused push made no group");
    delete(&store, "job/a");
    post(&store, "job/a/instance/", "x 1\n").unwrap();
}

#[test]
fn names_of_lines_belong_to_their_summary_or_histogram() {
    let store = store();
    post(&store, "job/a", "# TYPE s summary\ns_sum 1\n").unwrap();
    post(&store, "job/a", "# TYPE h histogram\nh_count 1\n").unwrap();
    post(&store, "job/b", "s_bucket 1\nx_count 1\n").unwrap();
    refused(
        &store,
        "job/a",
        "s_count 1\n",
        &expect![[
            r#"collected metric named "s_count" collides with previously collected summary named "s" (stored in group {job="a"})"#
        ]],
    );
    refused(
        &store,
        "job/b",
        "h_bucket 1\n",
        &expect![[
            r#"collected metric named "h_bucket" collides with previously collected histogram named "h" (stored in group {job="a"})"#
        ]],
    );
    refused(
        &store,
        "job/c",
        "# TYPE x histogram\nx_sum 1\n",
        &expect![[
            r#"collected histogram or summary named "x" collides with previously collected metric named "x_count" (stored in group {job="b"})"#
        ]],
    );
    refused(
        &store,
        "job/c",
        "y_count 1\n# TYPE y histogram\ny_sum 1\n",
        &expect![[
            r#"collected histogram or summary named "y" collides with previously collected metric named "y_count""#
        ]],
    );
    // What the push replaces is not in its way.
    put(&store, "job/a", "s_count 1\nh_bucket 1\n").unwrap();
}

#[test]
fn labels_that_the_format_needs_are_refused() {
    let store = store();
    refused(
        &store,
        "job/a/quantile/0.3",
        "# TYPE t summary\nt{quantile=\"0.5\"} 1\n",
        &expect![[
            r#"collected metric "t" {instance="",job="a",quantile="0.3"} must not have an explicit "quantile" label"#
        ]],
    );
    refused(
        &store,
        "job/a/le/1",
        "# TYPE t histogram\nt_bucket{le=\"0.5\"} 1\n",
        &expect![[
            r#"collected metric "t" {instance="",job="a",le="1"} must not have an explicit "le" label"#
        ]],
    );
    refused(
        &store,
        "job/a",
        "x{__foo=\"1\"} 1\n",
        &expect![[
            r#"collected metric "x" {__foo="1",instance="",job="a"} has a label with an invalid name: __foo"#
        ]],
    );
    refused(
        &store,
        "job/a",
        "{\"x\",\"a.b\"=\"1\",a_b=\"2\"} 1\n",
        &expect![[
            r#"collected metric "x" {a.b="1",a_b="2",instance="",job="a"} has two labels with the same name once they are escaped for scrapers of legacy names: "a.b" and "a_b""#
        ]],
    );
}

#[test]
fn families_of_the_gateway_keep_type_and_help() {
    let own = |name, metric_type, joins| ReservedFamily {
        name,
        metric_type,
        help: "Own.",
        joins,
    };
    let reserved = Reserved::new(&[
        own("own_total", MetricType::Counter, Joins::WithSameHelp),
        own("process_x", MetricType::Gauge, Joins::WithAnyHelp),
        own("own_size", MetricType::Summary, Joins::WithSameHelp),
        own("own_group_x", MetricType::Gauge, Joins::Never),
    ]);
    let store = Store::new(reserved, 1 << 20);
    refused(
        &store,
        "job/a",
        "# TYPE own_total gauge\nown_total 1\n",
        &expect!["gathered metric family own_total has type GAUGE but should have COUNTER"],
    );
    refused(
        &store,
        "job/a",
        "# TYPE own_total counter\nown_total 1\n",
        &expect![[r#"gathered metric family own_total has help "" but should have "Own.""#]],
    );
    refused(
        &store,
        "job/a",
        "own_size_count 1\n",
        &expect![[
            r#"collected metric named "own_size_count" collides with previously collected summary named "own_size" (one of the gateway's own)"#
        ]],
    );
    refused(
        &store,
        "job/a",
        "# HELP own_group_x Own.\n# TYPE own_group_x gauge\nown_group_x 1\n",
        &expect!["gathered metric family own_group_x is one of the gateway's own"],
    );
    post(
        &store,
        "job/a",
        "# HELP own_total Own.\n# TYPE own_total counter\nown_total 1\n",
    )
    .unwrap();
    post(
        &store,
        "job/a",
        "# HELP process_x Mine.\n# TYPE process_x gauge\nprocess_x 1\n",
    )
    .unwrap();
}

#[test]
fn of_several_helps_every_scrape_shows_the_same() {
    let store = store();
    post(&store, "job/a", "# HELP m two\nm 1\n").unwrap();
    post(&store, "job/b", "m 1\n").unwrap();
    post(&store, "job/c", "# HELP m one\nm 1\n").unwrap();
    assert!(exposition(&store.snapshot()).starts_with("# HELP m one\n"));
    delete(&store, "job/c");
    assert!(exposition(&store.snapshot()).starts_with("# HELP m two\n"));
    put(&store, "job/a", "").unwrap();
    assert!(exposition(&store.snapshot()).starts_with("# TYPE m untyped\n"));
}

#[test]
fn a_push_too_large_with_its_labels_is_refused_without_a_trace() {
    let store = Store::new(Reserved::default(), 1000);
    let long = format!("job/{}", "a".repeat(600));
    let error = post(&store, &long, "m 1\nn 1\n").unwrap_err();
    expect!["expected a push of at most 1000 bytes with the group's labels on each line, found more"]
        .assert_eq(&error.to_string());
    assert_eq!(store.totals(), wharf_store::Totals::default());
}

#[test]
fn a_snapshot_does_not_change() {
    // An interpreter is some hundred times slower.
    const MANY: usize = if cfg!(miri) { 20 } else { 500 };
    let store = store();
    for n in 0..MANY {
        post(&store, &format!("job/j{n}"), "m 1\n").unwrap();
    }
    let snapshot = store.snapshot();
    let before = exposition(&snapshot);
    for n in 0..MANY {
        match n % 3 {
            0 => post(&store, &format!("job/j{n}"), "m 2222\n").unwrap(),
            1 => assert!(delete(&store, &format!("job/j{n}"))),
            _ => post(&store, &format!("job/new{n}"), "m 1\n").unwrap(),
        }
    }
    assert_eq!(exposition(&snapshot), before);
    assert_ne!(exposition(&store.snapshot()), before);
}

#[test]
fn totals_count_groups_and_lines() {
    let store = store();
    post(
        &store,
        "job/a",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\nh_sum 1\n",
    )
    .unwrap();
    let totals = store.totals();
    // Two buckets, sum, count, and the two push times.
    assert_eq!((totals.groups, totals.series), (1, 6));
    let text = exposition(&store.snapshot());
    let lines: usize = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.len() + 1)
        .sum();
    assert_eq!(totals.bytes, lines as u64);
    delete(&store, "job/a");
    assert_eq!(store.totals(), wharf_store::Totals::default());
}
