//! Pushes that replace series.

use std::sync::atomic::Ordering;

use expect_test::expect;
use wharf_exposition::{protobuf, text};
use wharf_model::{Effort, Meter, Stopped};
use wharf_store::{Counters, Facts, Patience, PushError, PushMode, PushOptions, Store, UnixNanos};

use crate::{exposition, key, post, push, put, samples, store};

fn merge(store: &Store, path: &str, body: &str) -> Result<(), PushError> {
    push(store, PushMode::ReplaceSeries, path, body, 200)
}

#[test]
fn series_with_the_same_labels_are_replaced_and_others_stay() {
    let store = store();
    put(&store, "job/a", "m{x=\"1\"} 1\nm{x=\"2\"} 2\nn 1\n").unwrap();
    merge(
        &store,
        "job/a",
        "m{x=\"2\",job=\"other\"} 20\nm{x=\"3\"} 3\nk 4\n",
    )
    .unwrap();
    assert_eq!(
        samples(&store),
        [
            r#"k{instance="",job="a"} 4"#,
            r#"m{instance="",job="a",x="1"} 1"#,
            r#"m{instance="",job="a",x="2"} 20"#,
            r#"m{instance="",job="a",x="3"} 3"#,
            r#"n{instance="",job="a"} 1"#,
        ]
    );
}

#[test]
fn histograms_and_summaries_are_replaced_as_a_whole() {
    let store = store();
    let body = "\
# TYPE h histogram
h_bucket{x=\"1\",le=\"1\"} 1
h_bucket{x=\"1\",le=\"2\"} 2
h_sum{x=\"1\"} 2
h_count{x=\"1\"} 3
h_bucket{x=\"2\",le=\"+Inf\"} 5
h_sum{x=\"2\"} 1
h_count{x=\"2\"} 5
# TYPE s summary
s{x=\"1\",quantile=\"0.5\"} 1
s_sum{x=\"1\"} 1
s_count{x=\"1\"} 1
";
    put(&store, "job/a", body).unwrap();
    let body = "\
# TYPE h histogram
h_bucket{x=\"1\",le=\"4\"} 4
h_sum{x=\"1\"} 4
h_count{x=\"1\"} 4
# TYPE s summary
s_sum{x=\"2\"} 2
s_count{x=\"2\"} 2
";
    merge(&store, "job/a", body).unwrap();
    expect![[r#"
        h_bucket{instance="",job="a",x="1",le="4"} 4
        h_bucket{instance="",job="a",x="1",le="+Inf"} 4
        h_sum{instance="",job="a",x="1"} 4
        h_count{instance="",job="a",x="1"} 4
        h_bucket{instance="",job="a",x="2",le="+Inf"} 5
        h_sum{instance="",job="a",x="2"} 1
        h_count{instance="",job="a",x="2"} 5
        s{instance="",job="a",x="1",quantile="0.5"} 1
        s_sum{instance="",job="a",x="1"} 1
        s_count{instance="",job="a",x="1"} 1
        s_sum{instance="",job="a",x="2"} 2
        s_count{instance="",job="a",x="2"} 2
    "#]]
    .assert_eq(&(samples(&store).join("\n") + "\n"));
}

#[test]
fn help_stays_unless_the_push_has_another() {
    let store = store();
    put(&store, "job/a", "# HELP m old\nm{x=\"1\"} 1\n").unwrap();
    merge(&store, "job/a", "m{x=\"2\"} 1\n").unwrap();
    assert!(exposition(&store.snapshot()).starts_with("# HELP m old\n"));
    merge(&store, "job/a", "# HELP m new\nm{x=\"2\"} 1\n").unwrap();
    assert!(exposition(&store.snapshot()).starts_with("# HELP m new\n"));
}

#[test]
fn all_that_a_merge_contradicts_is_named_at_once() {
    let store = store();
    put(&store, "job/a", "m 1\nn 1\n").unwrap();
    put(&store, "job/b", "m 1\no 1\n").unwrap();
    let body = "# TYPE m gauge\nm{x=\"2\"} 1\n# TYPE n gauge\nn{x=\"2\"} 1\n# TYPE o gauge\no 1\n";
    let refused = merge(&store, "job/a", body).unwrap_err();
    expect![[r#"
        pushed metrics are invalid or inconsistent with existing metrics: 3 error(s) occurred:
        * collected metric "m" is not a UNTYPED: it was pushed as GAUGE (stored in group {job="a"})
        * collected metric "n" is not a UNTYPED: it was pushed as GAUGE (stored in group {job="a"})
        * collected metric "o" is not a UNTYPED: it was pushed as GAUGE (stored in group {job="b"})"#]]
    .assert_eq(&refused.to_string());
}

#[test]
fn series_of_another_type_cannot_be_merged() {
    let store = store();
    put(&store, "job/a", "# TYPE m gauge\nm{x=\"1\"} 1\n").unwrap();
    let refused = merge(&store, "job/a", "# TYPE m counter\nm{x=\"2\"} 1\n").unwrap_err();
    expect![[r#"pushed metrics are invalid or inconsistent with existing metrics: collected metric "m" is not a GAUGE: it was pushed as COUNTER (stored in group {job="a"})"#]].assert_eq(&refused.to_string());
    // Replacing the family with another type is no contradiction.
    post(&store, "job/a", "# TYPE m counter\nm{x=\"2\"} 1\n").unwrap();
}

#[test]
fn what_text_cannot_say_survives_a_merge() {
    let store = store();
    let body = "\
# TYPE m gauge
m{x=\"1\"} -0
m{x=\"2\"} 1
";
    put(&store, "job/a", body).unwrap();
    merge(&store, "job/a", "# TYPE m gauge\nm{x=\"2\"} 2\n").unwrap();
    let values = || {
        let snapshot = store.snapshot();
        let fragments: Vec<_> = snapshot.family("m").unwrap().fragments().collect();
        fragments[0].decode(|_, family| {
            let metrics = family.metrics.iter();
            metrics
                .map(|metric| format!("{:?}", metric.value))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(values(), ["Number(-0.0)", "Number(2.0)"]);

    // A native histogram, of which the text knows nothing, with an exemplar: name `m`, type histogram, one metric.
    let native = native_histogram("3");
    let pushed = protobuf::decode(&native).unwrap();
    let merge = |path: &str, now| {
        let mode = PushMode::ReplaceSeries;
        drop(store.push(&key(path), mode, &pushed, UnixNanos(now)).unwrap());
    };
    merge("job/b", 1);
    let decoded = |path: &str| {
        let snapshot = store.snapshot();
        let family = snapshot.family("h").unwrap();
        let mut fragments = family.fragments().filter(|fragment| *fragment.key() == key(path));
        fragments.next().unwrap().decode(|exposition, family| {
            let mut whole = exposition.clone();
            whole.families.push(family.clone());
            format!("{whole:?}")
        })
    };
    let alone = decoded("job/b");
    assert!(alone.contains("native("), "{alone}");
    let other = native_histogram("4");
    let other = protobuf::decode(&other).unwrap();
    let pushed = store.push(&key("job/b"), PushMode::ReplaceSeries, &other, UnixNanos(2));
    drop(pushed.unwrap());
    let both = decoded("job/b");
    let line = alone.lines().find(|line| line.contains("native(")).unwrap();
    assert!(both.contains(line), "{both}\n{line}");
    assert_eq!(both.matches("native(").count(), 2, "{both}");
    assert_eq!(both.matches(" # {").count(), 2, "{both}");
}

/// The message of a native histogram `h` with the label `x`, in protobuf: one bucket, and one exemplar.
fn native_histogram(x: &str) -> Vec<u8> {
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length], bytes].concat()
    }
    let label = |name: &str, value: &str| [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
    let double = |number: u8, value: f64| [&[number << 3 | 1][..], &value.to_le_bytes()].concat();
    let exemplar = [field(1, &label("trace", x)), double(2, 1.5)].concat();
    let timestamp = [1 << 3, 100].to_vec();
    let exemplar = [exemplar, field(3, &timestamp)].concat();
    let histogram = [
        vec![1 << 3, 1],
        double(2, 1.5),
        vec![5 << 3, 2],
        // Field 12, one span: offset 1, length 1; field 13, one delta: 1; field 16, the exemplar.
        vec![12 << 3 | 2, 4, 1 << 3, 2, 2 << 3, 1],
        vec![13 << 3 | 2, 1, 2],
        vec![0x82, 0x01, u8::try_from(exemplar.len()).unwrap()],
        exemplar,
    ]
    .concat();
    let metric = [field(1, &label("x", x)), field(7, &histogram)].concat();
    let family = [field(1, b"h"), vec![3 << 3, 4], field(4, &metric)].concat();
    [vec![u8::try_from(family.len()).unwrap()], family].concat()
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn merges_into_one_group_by_many_at_once_lose_nothing() {
    let store = store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..50 {
                    merge(store, "job/a", &format!("m{{x=\"{thread}-{n}\"}} 1\n")).unwrap();
                }
            });
        }
    });
    assert_eq!(samples(&store).len(), 200);
}

/// A merge into a group of two families that takes at most so many steps, and so much memory.
fn merge_within(store: &Store, body: &str, effort: &Effort, memory_bytes: usize) -> Result<(), PushError> {
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let memory = Meter::up_to(memory_bytes).with_effort(effort);
    let options = PushOptions {
        note: None,
        mode: PushMode::ReplaceSeries,
        ttl: None,
        counters: Counters::Total,
        now: UnixNanos(200_000_000_000),
        once: None,
        facts: Facts::default(),
        memory: &memory,
        patience: Patience::Unlimited,
    };
    let pushed = store.push_with(&key("job/a"), &exposition, &options).map(drop);
    // What is left is what was pushed, until it is safe.
    assert!(memory.taken() < 100_000 || pushed.is_err(), "{}", memory.taken());
    pushed
}

#[test]
fn a_merge_is_paid_for_by_what_is_stored_under_its_names() {
    // Under the lock, and aside.
    for few in [0, 2048] {
        let store = store().with_few_families(few);
        let series: Vec<String> = (0..1000)
            .map(|number| format!("m{{x=\"{number}\"}} 1\n"))
            .collect();
        let series = series.concat();
        put(&store, "job/a", &format!("{series}n{{x=\"1\"}} 1\n")).unwrap();
        let before = exposition(&store.snapshot());
        let steps = |body: &str| {
            let effort = Effort::unlimited();
            merge_within(&store, body, &effort, usize::MAX).unwrap();
            effort.steps()
        };
        let (much, little) = (steps("m{x=\"1\"} 1\n"), steps("n{x=\"2\"} 1\n"));
        assert!(much > 500_000 && little < 10_000, "{much} and {little}");
        store.delete_families(&key("job/a"), &["n"]).unwrap().1.is_done();
        merge(&store, "job/a", "n{x=\"1\"} 1\n").unwrap();
        let max_steps = 100_000;
        let effort = Effort::new(max_steps, 0);
        let costly = merge_within(&store, "m{x=\"1\"} 2\n", &effort, usize::MAX);
        assert_eq!(costly, Err(PushError::Stopped(Stopped::TooCostly { max_steps })));
        let effort = Effort::unlimited();
        effort.is_gone().store(true, Ordering::Relaxed);
        let gone = merge_within(&store, "m{x=\"1\"} 2\n", &effort, usize::MAX);
        assert_eq!(gone, Err(PushError::Stopped(Stopped::Gone)));
        // What is stored is copied, so it needs as much memory.
        let effort = Effort::unlimited();
        let small = merge_within(&store, "m{x=\"1\"} 2\n", &effort, 20_000);
        assert!(matches!(small, Err(PushError::Memory(_))), "{small:?}");
        let lines = |text: String| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with("push_"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(lines(exposition(&store.snapshot())), lines(before));
    }
}
