//! What lines come to, and that it does not matter whether they were read before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wharf_model::Value as Shown;

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn settings() -> StateSettings {
    StateSettings {
        dialect: Dialect::default(),
        job: "statsd".into(),
        max_series: 1000,
        set_interval: at(10),
        began: at(1_000),
    }
}

/// All that has changed.
fn changes(state: &mut State, now: Duration) -> Vec<Changes> {
    let mut gathered = Gathered::default();
    assert!(!state.gather(&mut gathered, now, 100));
    gathered.into_changes()
}

fn state(mapping: &str) -> State {
    let mapping = Mapping::read(mapping).unwrap();
    State::new(settings(), mapping, Box::new(|_job| Inherited::default()))
}

/// Series with their values, by job, name and labels: what somebody has who has kept all changes.
#[derive(Debug, Default, PartialEq)]
struct Keeper(BTreeMap<(String, String), BTreeMap<String, String>>);

impl Keeper {
    fn keep(&mut self, state: &mut State, now: Duration) {
        let mut gathered = Gathered::default();
        while state.gather(&mut gathered, now, 3) {}
        for changes in gathered.into_changes() {
            self.apply(&changes);
            state.kept(&changes, &BTreeSet::new());
        }
    }

    fn apply(&mut self, changes: &Changes) {
        let key = |name: &str| (changes.job.to_string(), name.to_owned());
        for gone in &changes.gone {
            self.0.remove(&key(gone));
        }
        let exposition = &changes.exposition;
        for family in &exposition.families {
            let kept = self.0.entry(key(exposition.text(family.name))).or_default();
            if changes.is_whole {
                kept.clear();
            }
            for metric in &family.metrics {
                let labels: Vec<_> = exposition
                    .labels(metric.labels)
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let value = match metric.value {
                    Shown::Number(value) => value.to_string(),
                    Shown::Summary(of) => {
                        let summary = exposition.summary(of);
                        let quantiles = exposition.quantiles(summary.quantiles).iter();
                        let quantiles: Vec<_> = quantiles
                            .map(|quantile| format!("{}:{}", quantile.quantile, quantile.value))
                            .collect();
                        format!("{} of {} {}", summary.sum, summary.count, quantiles.join(" "))
                    }
                    Shown::Histogram(of) => {
                        let histogram = exposition.histogram(of).unwrap();
                        let buckets = exposition.buckets(histogram.buckets).iter();
                        let buckets: Vec<_> = buckets
                            .map(|bucket| {
                                format!("{}:{}", bucket.upper_bound, bucket.cumulative_count.as_f64())
                            })
                            .collect();
                        format!(
                            "{} of {} {} {:?}",
                            histogram.sum,
                            histogram.count.as_f64(),
                            buckets.join(" "),
                            histogram.native
                        )
                    }
                    Shown::Missing => unreachable!(),
                };
                kept.insert(labels.join(","), value);
            }
        }
    }

    /// `name{labels} value` of all, without the job that is usual.
    fn shown(&self) -> String {
        let lines = self.0.iter().flat_map(|((job, name), series)| {
            let job = if job == "statsd" {
                String::new()
            } else {
                format!("{job}/")
            };
            series.iter().map(move |(labels, value)| {
                let labels = if labels.is_empty() {
                    String::new()
                } else {
                    format!("{{{labels}}}")
                };
                format!("{job}{name}{labels} {value}")
            })
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// What is kept after these datagrams, one in each second.
fn kept(state: &mut State, datagrams: &[&str]) -> String {
    let mut keeper = Keeper::default();
    for (second, datagram) in (0..).zip(datagrams) {
        state.read(datagram.as_bytes(), at(second));
        keeper.keep(state, at(second));
    }
    keeper.shown()
}

#[track_caller]
fn check(mapping: &str, datagrams: &[&str], expected: &str) -> State {
    let mut state = state(mapping);
    assert_eq!(kept(&mut state, datagrams), expected);
    // The same again in one state, when all lines are known: nothing depends on that.
    let mut known = self::state(mapping);
    for datagram in datagrams {
        known.read(datagram.as_bytes(), at(0));
    }
    for job in known.jobs() {
        known.forget(&job, None);
    }
    assert_eq!(kept(&mut known, datagrams), expected, "of lines that are known");
    state
}

#[test]
fn values_are_those_of_the_exporter() {
    for (datagrams, expected) in [
        (&["a:1|c"][..], "a 1"),
        (&["a:1|c\n"], "a 1"),
        (&["a:0|c"], "a 0"),
        (&["a:1|c\n\nb:2|c"], "a 1; b 2"),
        (&["a:1|c\r\nb:1|c"], "a 1; b 1"),
        (&["a:1|c:2|c"], "a 3"),
        (&["a:-1|c"], ""),
        (&["g:-5|g"], "g -5"),
        (&["g:-5|g", "g:-5|g", "g:-5|g"], "g -15"),
        (&["g:10|g", "g:+5|g", "g:-3|g"], "g 12"),
        (&["g:10|g", "g:0|g\ng:-5|g"], "g -5"),
        (&["g:10|g", "g:-0|g"], "g 10"),
        (&["g:1|g|@0.1"], "g 1"),
        (&["c:1|c|@0.1"], "c 10"),
        (&["c:1|c|@0.15"], "c 6.666666666666667"),
        (&["c:1|c|@2"], "c 0.5"),
        (&["c:1|c|@0"], "c 1"),
        (&["c:1|c|@abc"], "c 1"),
        (&["c:1|c|@inf"], "c 0"),
        (&["c:1|c|@0.1|@0.5"], "c 20"),
        (&["t:320|ms"], "t 0.32 of 1 0.5:0.32 0.9:0.32 0.99:0.32"),
        (
            &["t:1|ms|@0.1|@0.5"],
            "t 0.002 of 2 0.5:0.001 0.9:0.001 0.99:0.001",
        ),
        (&["a:1:2:3|ms"], "a 0.006 of 3 0.5:0.002 0.9:0.003 0.99:0.003"),
        (&["a:1|c|#k:v,k:w"], "a{k=w} 1"),
        (&["a:1|c|#k:v", "a:1|c|#k:v|T1700000000", "a,k=v:1|c"], "a{k=v} 3"),
        (&["a:1|c", "a:1|c|#k:v"], "a 1; a{k=v} 1"),
        (&["a.b:1|c", "a-b:1|c"], "a_b 2"),
    ] {
        check("", datagrams, expected);
    }
}

#[test]
fn a_name_has_one_kind_and_the_first_one_keeps_it() {
    let conflicts = |state: &State| {
        let conflicts = state.counts().conflicts.iter();
        let conflicts = conflicts.map(|((name, kind), count)| format!("{name}/{kind} {count}"));
        conflicts.collect::<Vec<_>>().join(", ")
    };
    let state = check("", &["a:1|c", "a:1|g", "a:1|ms"], "a 1");
    assert_eq!(conflicts(&state), "a/gauge 1, a/observer 1");
    let times = "a 0.001 of 1 0.5:0.001 0.9:0.001 0.99:0.001";
    let state = check("", &["a:1|ms", "a_sum:1|c", "a_bucket:1|c"], times);
    assert_eq!(conflicts(&state), "a_bucket/counter 1, a_sum/counter 1");
    let state = check("", &["a_sum:1|c", "a:1|ms"], "a_sum 1");
    assert_eq!(conflicts(&state), "a/observer 1");
    let rules = "mappings: [{match: a.x, name: n, observer_type: summary}, {match: a.y, name: n, observer_type: histogram}]";
    let state = check(
        rules,
        &["a.x:1|ms", "a.y:1|ms"],
        "n 0.001 of 1 0.5:0.001 0.9:0.001 0.99:0.001",
    );
    assert_eq!(conflicts(&state), "n/observer 1");
}

#[test]
fn names_that_contradict_are_told_apart_up_to_a_limit() {
    let mut state = state("");
    for name in 0..=MAX_CONFLICTING {
        state.read(format!("a{name}:1|c\na{name}:1|g\na{name}:1|g").as_bytes(), at(0));
    }
    let conflicts = &state.counts().conflicts;
    assert_eq!(conflicts.len(), MAX_CONFLICTING + 1);
    assert_eq!(conflicts.get(&("".into(), MetricKind::Gauge)), Some(&2));
    assert_eq!(conflicts.get(&("a7".into(), MetricKind::Gauge)), Some(&2));
}

#[test]
fn what_rules_do_is_counted() {
    let rules = "mappings: [{match: a.*, name: n, scale: -1}, {match: d.*, name: x, action: drop}, {match: e.*, name: '${1}'}]";
    let mut state = state(rules);
    for _ in 0..2 {
        state.read(
            b"a.b:-5|c\na.b:5|c\nd.x:1|g\nother:1|g\nother:1:2|ms\ne.:1|c",
            at(0),
        );
    }
    let counts = state.counts();
    assert_eq!((counts.mapped, counts.dropped, counts.unmapped), (4, 2, 6));
    assert_eq!(counts.errors(EventError::IllegalNegativeCounter), 2);
    assert_eq!(counts.errors(EventError::EmptyMetricName), 2);
    assert_eq!(counts.events, [2, 2, 0]);
    assert_eq!(counts.lines, 12);
    assert_eq!(state.line_counts().samples, 14);
}

#[test]
fn an_observation_with_a_rate_is_as_many_events_as_it_stands_for() {
    let mut state = state("mappings: [{match: m.*, name: m}, {match: d.*, name: d, action: drop}]");
    for _ in 0..2 {
        state.read(
            b"m.t:1|ms|@0.1\nt:1|h|@0.5\nd.t:1|d|@0.25\nc:1|c|@0.1\nc:1|ms|@0.5",
            at(0),
        );
    }
    let counts = state.counts();
    assert_eq!((counts.mapped, counts.dropped, counts.unmapped), (20, 8, 10));
    assert_eq!(counts.events, [2, 0, 24]);
    assert_eq!(
        counts.conflicts.get(&("c".into(), MetricKind::Observer)),
        Some(&4)
    );
    assert_eq!(state.line_counts().samples, 10);
}

#[test]
fn the_job_is_a_label_or_the_usual_one() {
    check("", &["a:1|c|#job:x,k:v\na:1|c"], "a 1; x/a{k=v} 1");
    let rules = "mappings: [{match: '*.orders', name: orders, labels: {job: $1}}, {match: n.*, name: n, labels: {job: '$2'}}]";
    check(rules, &["shop.orders:1|c\nn.x:1|c"], "shop/orders 1; n 1");
}

#[test]
fn a_series_goes_when_its_time_is_over_and_its_name_is_free_then() {
    let rules = "mappings: [{match: a, name: a, ttl: 10s}, {match: b, name: b}]";
    let mut state = state(rules);
    let mut keeper = Keeper::default();
    let mut step = |state: &mut State, lines: &str, now| {
        state.read(lines.as_bytes(), at(now));
        keeper.keep(state, at(now));
        keeper.shown()
    };
    step(&mut state, "a:1|c\na:1|c|#k:v\nb:1|c", 0);
    assert_eq!(
        step(&mut state, "a:1|c", 10),
        "a 2; a{k=v} 1; b 1",
        "at its time it is there"
    );
    assert_eq!(step(&mut state, "", 11), "a 2; b 1");
    assert_eq!(step(&mut state, "a:1|g", 12), "a 2; b 1", "the name has its kind");
    assert_eq!(step(&mut state, "", 21), "b 1");
    assert_eq!(
        step(&mut state, "a:7|g", 22),
        "a 7; b 1",
        "and now it may have another one"
    );
    assert_eq!(state.metrics(SeriesKind::Counter), 1);
    assert_eq!(state.metrics(SeriesKind::Gauge), 1);
}

#[test]
fn a_family_that_comes_back_while_it_is_removed_is_not_stored() {
    let mut state = state("defaults: {ttl: 5s}");
    state.read(b"a:1|c", at(0));
    Keeper::default().keep(&mut state, at(0));
    assert_eq!(state.stored_families("statsd"), ["a".into()]);
    let all = changes(&mut state, at(6));
    assert_eq!(all[0].gone, ["a".into()]);
    state.read(b"a:1|c", at(6));
    state.kept(&all[0], &BTreeSet::new());
    assert_eq!(state.stored_families("statsd").len(), 0);
    Keeper::default().keep(&mut state, at(7));
    assert_eq!(state.stored_families("statsd"), ["a".into()]);
}

#[test]
fn a_counter_that_comes_back_begins_anew() {
    let rules = "defaults: {ttl: 5s}";
    let mut state = state(rules);
    let mut keeper = Keeper::default();
    for (now, expected) in [(0, "a 1"), (1, "a 2"), (20, "a 1")] {
        // The line is known, its series is not any more.
        keeper.keep(&mut state, at(now));
        state.read(b"a:1|c", at(now));
        keeper.keep(&mut state, at(now));
        assert_eq!(keeper.shown(), expected);
    }
}

#[test]
fn quantiles_are_forgotten_though_no_line_comes() {
    let mut state = state(
        "defaults: {summary_options: {max_age: 10s, age_buckets: 5, quantiles: [{quantile: 0.5, error: 0.05}]}}",
    );
    let mut keeper = Keeper::default();
    state.read(b"t:2|h", at(0));
    keeper.keep(&mut state, at(0));
    assert_eq!(keeper.shown(), "t 2 of 1 0.5:2");
    for second in 1..=11 {
        keeper.keep(&mut state, at(second));
    }
    assert_eq!(keeper.shown(), "t 2 of 1 0.5:NaN");
    assert!(
        changes(&mut state, at(1000)).is_empty(),
        "nothing changes any more"
    );
}

#[test]
fn sets_show_how_many_members_an_interval_had() {
    let mut state = state("");
    let mut keeper = Keeper::default();
    state.read(b"u:alice|s\nu:bob|s\nu:alice|s", at(0));
    keeper.keep(&mut state, at(1));
    assert_eq!(keeper.shown(), "u 2");
    keeper.keep(&mut state, at(11));
    assert_eq!(keeper.shown(), "u 2");
    keeper.keep(&mut state, at(21));
    assert_eq!(keeper.shown(), "u 0");
    state.read(b"u:5|g\nu:+1|g", at(22));
    keeper.keep(&mut state, at(22));
    assert_eq!(keeper.shown(), "u 6", "it may become a gauge");
}

#[test]
fn there_are_as_many_series_as_there_may_be() {
    let settings = StateSettings {
        max_series: 2,
        ..settings()
    };
    let mut state = State::new(settings, Mapping::default(), Box::new(|_| Inherited::default()));
    let shown = kept(&mut state, &["a:1|c\nb:1|c\nc:1|c\na:1|c"]);
    assert_eq!(shown, "a 2; b 1");
    assert_eq!(state.counts().errors(EventError::TooManySeries), 1);
}

#[test]
fn what_could_not_be_kept_comes_again() {
    let mut state = state("defaults: {ttl: 5s}");
    let mut keeper = Keeper::default();
    state.read(b"a:1|c\nb:1|c", at(0));
    let all = changes(&mut state, at(0));
    assert_eq!(all.len(), 1);
    state.bring_back(&all[0]);
    keeper.keep(&mut state, at(1));
    assert_eq!(keeper.shown(), "a 1; b 1");
    state.read(b"a:1|c", at(4));
    keeper.keep(&mut state, at(4));
    let all = changes(&mut state, at(7));
    assert_eq!(all[0].gone, ["b".into()]);
    state.bring_back(&all[0]);
    keeper.keep(&mut state, at(7));
    assert_eq!(keeper.shown(), "a 2");
}

#[test]
fn what_changes_between_looks_is_gathered_once_and_the_newest_value_is_kept() {
    let mut state = state("defaults: {ttl: 60s}");
    let mut keeper = Keeper::default();
    let lines: Vec<String> = (0..20).map(|of| format!("a:1|c|#of:{of}\nb{of}:1|c")).collect();
    let all_lines = lines.join("\n");
    let lines_from = |at: usize| lines.get(at..).unwrap_or_default().join("\n");
    state.read(all_lines.as_bytes(), at(0));
    keeper.keep(&mut state, at(0));
    for (turn, now) in [(1, 1), (2, 50), (3, 100), (4, 170)] {
        // The families lose a series each at 100 and all of theirs at 170, or only have changed.
        let some = lines_from(turn);
        if turn < 4 {
            state.read(some.as_bytes(), at(now));
        }
        let mut gathered = Gathered::default();
        let mut looks = 0;
        while state.gather(&mut gathered, at(now), 3) {
            state.read(all_lines.as_bytes(), at(now));
            looks += 1;
            assert!(looks < 100, "there is an end though lines come all the time");
        }
        assert!(looks > 3, "in turn {turn} there were {looks} looks");
        for changes in gathered.into_changes() {
            for series in &changes.series {
                let once: BTreeSet<_> = series.iter().collect();
                assert_eq!(once.len(), series.len(), "in turn {turn}");
            }
            keeper.apply(&changes);
            state.kept(&changes, &BTreeSet::new());
        }
        keeper.keep(&mut state, at(now));
        let mut all = Keeper::default();
        state.read(all_lines.as_bytes(), at(now));
        all.keep(&mut state, at(now));
        let counts = |keeper: &Keeper| -> Vec<f64> {
            keeper
                .0
                .values()
                .flat_map(BTreeMap::values)
                .map(|value| value.parse().unwrap())
                .collect()
        };
        let before: Vec<f64> = counts(&all).iter().map(|count| count - 1.0).collect();
        assert_eq!(counts(&keeper), before, "in turn {turn}");
        keeper = all;
    }
}

#[test]
fn what_was_refused_waits() {
    let mut state = state("");
    state.read(b"a:1|c", at(0));
    let all = changes(&mut state, at(0));
    state.refused(&all[0].series[0], at(30));
    state.read(b"a:1|c", at(1));
    assert!(changes(&mut state, at(29)).is_empty());
    let mut keeper = Keeper::default();
    keeper.keep(&mut state, at(30));
    assert_eq!(keeper.shown(), "a 2");
    assert!(changes(&mut state, at(100)).is_empty());
}

#[test]
fn a_family_is_stored_once_some_of_it_is() {
    let mut state = state("");
    state.read(b"a:1|c\nb:1|c", at(0));
    let all = changes(&mut state, at(0));
    let exposition = &all[0].exposition;
    let names = exposition
        .families
        .iter()
        .map(|family| exposition.text(family.name));
    let refused = names
        .enumerate()
        .filter(|(_, name)| *name == "a")
        .map(|(place, _)| place);
    state.kept(&all[0], &refused.collect());
    assert_eq!(state.stored_families("statsd"), ["b".into()]);
    state.read(b"a:1|c", at(1));
    Keeper::default().keep(&mut state, at(1));
    assert_eq!(state.stored_families("statsd").len(), 2);
}

#[test]
fn a_whole_family_that_was_refused_waits_too() {
    let mut state = state("defaults: {ttl: 5s}");
    state.read(b"a:1|c\na:1|c|#k:v", at(0));
    let mut keeper = Keeper::default();
    keeper.keep(&mut state, at(0));
    state.read(b"a:1|c", at(4));
    let all = changes(&mut state, at(7));
    assert!(all[0].is_whole);
    state.refused_family("statsd", "a", at(30));
    assert!(changes(&mut state, at(8)).iter().all(|changes| !changes.is_whole));
}

#[test]
fn what_somebody_deleted_begins_anew() {
    let mut state = state("");
    let mut keeper = Keeper::default();
    state.read(b"a:5|c\nb:5|c\na:5|c|#job:x", at(0));
    keeper.keep(&mut state, at(0));
    state.forget("statsd", Some("a"));
    assert_eq!(state.stored_families("statsd"), ["b".into()]);
    state.read(b"a:1|c\nb:1|c\na:1|c|#job:x", at(1));
    keeper.keep(&mut state, at(1));
    assert_eq!(keeper.shown(), "a 1; b 6; x/a 6");
    state.forget("statsd", None);
    assert_eq!(state.jobs(), ["x".into()]);
    state.read(b"b:1|g", at(2));
    keeper.keep(&mut state, at(2));
    assert_eq!(keeper.shown(), "a 1; b 1; x/a 6", "with another kind");
}

#[test]
fn other_rules_are_for_new_series() {
    let mut state = state("mappings: [{match: a.b, name: one}]");
    let mut keeper = Keeper::default();
    state.read(b"a.b:1|c", at(0));
    state.set_mapping(Mapping::read("mappings: [{match: a.b, name: two}]").unwrap());
    state.read(b"a.b:1|c", at(1));
    keeper.keep(&mut state, at(1));
    assert_eq!(keeper.shown(), "one 1; two 1");
}

/// A state whose jobs have in store what another state has given away.
fn heir(mapping: &str, expositions: Vec<(Arc<str>, wharf_model::Exposition<'static>)>) -> State {
    let read_back = move |job: &str| {
        let mut inherited = Inherited::default();
        for (_, exposition) in expositions.iter().filter(|(of, _)| **of == *job) {
            for family in &exposition.families {
                inherited.add(exposition, family, |name, _| name != "job");
            }
        }
        inherited
    };
    State::new(settings(), Mapping::read(mapping).unwrap(), Box::new(read_back))
}

#[test]
fn series_go_on_from_where_they_were() {
    let rules =
        "mappings: [{match: h, name: h, observer_type: histogram, histogram_options: {buckets: [1, 2]}}]";
    let lines = b"a:5|c|#k:v\ng:3|g\nt:7|h\nh:1.5|h\na:2|c|#job:x";
    let mut first = state(rules);
    first.read(lines, at(0));
    let all = changes(&mut first, at(0));
    let stored = || {
        all.iter()
            .map(|changes| (Arc::clone(&changes.job), changes.exposition.clone()))
    };
    let mut second = heir(rules, stored().collect());
    second.read(b"a:1|c|#k:v\ng:+1|g\nt:1|h\nh:1.6|h\na:1|c|#job:x", at(0));
    let mut keeper = Keeper::default();
    keeper.keep(&mut second, at(0));
    let mut both = state(rules);
    both.read(b"h:1.5|h\nh:1.6|h", at(0));
    let mut histogram = Keeper::default();
    histogram.keep(&mut both, at(0));
    let expected = format!(
        "a{{k=v}} 6; g 4; {}; t 8 of 2 0.5:1 0.9:1 0.99:1; x/a 3",
        histogram.shown()
    );
    assert_eq!(keeper.shown(), expected);
}

/// A state for which a job has this in store.
/// What has changed since it was last asked: names with when they have begun.
fn begun(state: &mut State, now: Duration) -> Vec<(String, Option<i64>)> {
    let changes = changes(state, now);
    let families = changes.iter().flat_map(|changes| {
        let exposition = &changes.exposition;
        exposition.families.iter().flat_map(|family| {
            family.metrics.iter().map(|metric| {
                let created = metric.extra.as_ref().and_then(|extra| extra.created);
                let name = exposition.text(family.name).to_owned();
                (name, created.map(|created| created.seconds))
            })
        })
    });
    families.collect()
}

#[test]
fn what_counts_says_since_when_and_goes_on_saying_it() {
    let mut first = state("");
    first.read(b"c:1|c\ng:1|g\nt:1|ms\nu:x|s", at(5));
    let gathered = changes(&mut first, at(6));
    let expositions = gathered
        .into_iter()
        .map(|changes| (changes.job, changes.exposition));
    let mut heir = heir("", expositions.collect());
    heir.read(b"c:1|c\ng:1|g\nt:1|ms\nnew:1|c", at(7));
    let named = |all: &[(&str, Option<i64>)]| -> Vec<(String, Option<i64>)> {
        all.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
    };
    let mut found = begun(&mut heir, at(7));
    found.sort();
    assert_eq!(
        found,
        named(&[
            ("c", Some(1_005)),
            ("g", None),
            ("new", Some(1_007)),
            ("t", Some(1_005))
        ])
    );
    // What somebody has deleted begins anew.
    heir.forget("statsd", Some("c"));
    heir.read(b"c:1|c", at(9));
    assert_eq!(begun(&mut heir, at(9)), named(&[("c", Some(1_009))]));
}

fn heir_of(lines: &str) -> State {
    let mut first = state("");
    first.read(lines.as_bytes(), at(0));
    let all = changes(&mut first, at(0)).into_iter();
    heir("", all.map(|changes| (changes.job, changes.exposition)).collect())
}

#[test]
fn what_was_deleted_does_not_go_on_though_no_line_had_come_for_it() {
    let mut state = heir_of("a:5|c\nb:5|c\nb:5|c|#k:v");
    let mut keeper = Keeper::default();
    state.read(b"a:1|c\nb:1|c", at(0));
    keeper.keep(&mut state, at(0));
    assert_eq!(keeper.shown(), "a 6; b 6");
    let mut names = state.stored_families("statsd");
    names.sort_unstable();
    assert_eq!(names, ["a".into(), "b".into()]);
    state.forget("statsd", Some("b"));
    state.read(b"b:1|c|#k:v", at(1));
    keeper.keep(&mut state, at(1));
    assert_eq!(keeper.shown(), "a 6; b 6; b{k=v} 1");

    let mut state = heir_of("a:5|c\nb:5|c");
    state.read(b"a:1|c", at(0));
    assert_eq!(
        state.stored_families("statsd"),
        ["b".into()],
        "in store from before"
    );
    state.forget("statsd", Some("b"));
    assert_eq!(state.stored_families("statsd").len(), 0);
    state.read(b"b:1|c", at(0));
    let mut keeper = Keeper::default();
    keeper.keep(&mut state, at(0));
    assert_eq!(keeper.shown(), "a 6; b 1");
}

#[test]
fn what_is_removed_since_its_time_is_over_is_not_inherited_any_more() {
    let mut first = state("");
    first.read(b"a:5|c\na:5|c|#k:v\nb:5|c", at(0));
    let all = changes(&mut first, at(0)).into_iter();
    let stored = all.map(|changes| (changes.job, changes.exposition)).collect();
    let mut state = heir("mappings: [{match: a, name: a, ttl: 5s}]", stored);
    let mut keeper = Keeper::default();
    state.read(b"a:1|c\nb:1|c", at(0));
    keeper.keep(&mut state, at(0));
    keeper.keep(&mut state, at(6));
    assert_eq!(state.stored_families("statsd"), ["b".into()]);
    state.read(b"a:1|c|#k:v", at(7));
    keeper.keep(&mut state, at(7));
    assert_eq!(keeper.shown(), "a{k=v} 1; b 6");
}

#[test]
fn what_was_taken_over_lives_as_long_as_its_rule_says() {
    let rules = "mappings: [{match: a.*, name: 'x_$1', ttl: 10s}]";
    let mut first = state(rules);
    first.read(b"a.b:5|c\nother:1|c", at(0));
    let all = changes(&mut first, at(0));
    let stored = all
        .iter()
        .map(|changes| (Arc::clone(&changes.job), changes.exposition.clone()));
    let mut second = heir(rules, stored.collect());
    second.take_over("statsd", at(0));
    assert!(changes(&mut second, at(0)).is_empty(), "it is stored");
    assert_eq!(second.metrics(SeriesKind::Counter), 2);
    second.read(b"other:1|c\nx_b:1|g", at(1));
    assert_eq!(second.counts().conflicts.len(), 1, "names have their kinds");
    let mut keeper = Keeper::default();
    keeper.keep(&mut second, at(1));
    assert_eq!(keeper.shown(), "other 2");
    let gone = changes(&mut second, at(11));
    assert_eq!(gone[0].gone, ["x_b".into()]);
}

/// Lines of every kind, sound and not.
fn lines() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[ab]{1,2}(\\.[ab])?",
        Just("m.x".to_owned()),
        Just("d.x".to_owned()),
        Just("a,k=v".to_owned()),
        Just("_e{1,1}".to_owned()),
    ];
    let value = prop_oneof!["-?[0-9]{1,3}(\\.[0-9])?", "[+x]?[0-9]?", "[12](:[12]){1,2}"];
    let kind = prop_oneof!["c", "g", "ms", "h", "s", "[cgmx]{0,2}"];
    let field = prop_oneof![
        Just(String::new()),
        "\\|@(0\\.[125]|x|2|0)",
        "\\|#k:[vw](,l)?",
        "\\|#__k:v,job:[xy]",
        "\\|c:abc",
        "\\|T17",
        ":[12]\\|[cg]",
        "\\r?",
    ];
    (name, value, kind, prop::collection::vec(field, 0..3))
        .prop_map(|(name, value, kind, fields)| format!("{name}:{value}|{kind}{}", fields.concat()))
}

proptest! {
    /// What a line comes to does not depend on whether one like it was read before.
    #[test]
    fn lines_that_are_known_come_to_the_same(lines in prop::collection::vec(lines(), 1..40)) {
        const RULES: &str = "mappings:
- {match: 'm.*', name: 'mapped', labels: {of: $1}, scale: 2}
- {match: 'd.*', name: x, action: drop}
- {match: 'a.*', match_metric_type: observer, name: 'times', observer_type: histogram}";
        let (mut knows, mut forgets) = (state(RULES), state(RULES));
        for (second, line) in (0..).zip(&lines) {
            knows.read(line.as_bytes(), at(second));
            forgets.memo.clear();
            forgets.read(line.as_bytes(), at(second));
        }
        prop_assert_eq!(knows.counts(), forgets.counts());
        prop_assert_eq!(knows.line_counts(), forgets.line_counts());
        let (mut one, mut other) = (Keeper::default(), Keeper::default());
        one.keep(&mut knows, at(50));
        other.keep(&mut forgets, at(50));
        prop_assert_eq!(one, other);
    }

    /// Whatever is read in whatever steps, who keeps all changes has what who asks once has.
    #[test]
    fn changes_in_steps_are_all_changes(lines in prop::collection::vec(lines(), 1..40)) {
        let (mut often, mut once) = (state(""), state(""));
        let (mut one, mut other) = (Keeper::default(), Keeper::default());
        for line in &lines {
            often.read(line.as_bytes(), at(0));
            one.keep(&mut often, at(0));
            once.read(line.as_bytes(), at(0));
        }
        other.keep(&mut once, at(0));
        prop_assert_eq!(one, other);
    }

    /// No bytes do any harm, and none of them is counted as less than a line.
    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut state = state("");
        state.read(&bytes, at(0));
        let feeds = bytes.split(|byte| *byte == b'\n').count() - 1;
        prop_assert_eq!(state.counts().lines, feeds as u64 + 1);
    }
}
