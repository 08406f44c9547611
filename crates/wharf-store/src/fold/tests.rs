//! Folding and applying come to the same as pushing.

use std::borrow::Cow;

use proptest::prelude::*;
use wharf_exposition::{openmetrics, text};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, GroupingKey, Meter};

use super::{Intent, fold};
use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::lifetime::{Lifetime, Ttl};
use crate::memory::leaf::FragmentView;
use crate::memory::state::{State, Tell};
use crate::prepare::Preparer;
use crate::read::snapshot::snapshot_of;
use crate::{
    Aggregation, Counters, Patience, PushMode, PushOptions, Reserved, Revision, Store, UnixNanos, record,
};

fn decode(body: &str) -> Exposition<'_> {
    text::decode(body.as_bytes(), text::Options::default()).unwrap()
}

/// Groups that are kept as whole images, the way a shared engine keeps them, and a state that is told of each.
#[derive(Default)]
struct Shared {
    state: State,
    images: std::collections::BTreeMap<GroupingKey, Vec<u8>>,
    revision: u64,
}

impl Shared {
    /// Folds what is kept with a push, keeps what that gives, and applies it. Whether the push does not contradict itself.
    fn push(&mut self, preparer: &Preparer, push: &Push) -> bool {
        let key = &push.key();
        let exposition = decode(&push.body);
        let Ok(delta) = preparer.prepare(key, &exposition, push.now, &Meter::unlimited()) else {
            return false;
        };
        let lifetime = push.ttl.map(|ttl| ttl.from(push.now));
        // An intent waits as bytes.
        let delta = record::put(key, push.mode, lifetime, delta.parts());
        let intent = Intent {
            key,
            mode: push.mode,
            counters: push.counters,
            delta: record::decode_image(&delta, preparer),
            lifetime,
            once: None,
            facts: Facts::NONE,
        };
        let old = self.images.get(key).cloned();
        let old = old.as_deref().map(|old| record::decode_image(old, preparer));
        let Ok(folded) = fold(preparer, old.as_ref(), &intent) else {
            return false;
        };
        let mode = PushMode::ReplaceGroup;
        let admitted = self.state.admit(preparer, key, mode, &folded, u64::MAX);
        if admitted.is_err() {
            return false;
        }
        let image = record::put(key, mode, lifetime, folded.parts());
        self.apply(preparer, key, lifetime, &image);
        // Beside what was folded, a new group has the time of its last failure: never.
        let names: Vec<_> = self.state.family_names(key).unwrap().to_vec();
        let held = self.state.hold(key, names.iter().map(|name| &**name));
        let fragments: Vec<_> = held.fragments().collect();
        let parts = fragments.iter().map(FragmentView::parts);
        let image = record::put(key, mode, lifetime, parts);
        self.images.insert(key.clone(), image);
        true
    }

    fn apply(&mut self, preparer: &Preparer, key: &GroupingKey, lifetime: Option<Lifetime>, image: &[u8]) {
        self.revision += 1;
        let change = Change::Put {
            key: Cow::Borrowed(key),
            mode: PushMode::ReplaceGroup,
            lifetime,
            prepared: record::decode_image(image, preparer),
            cause: Cause::Again,
        };
        let at = Revision(self.revision);
        drop(self.state.apply(preparer, at, [change], Tell::default()));
    }
}

#[derive(Debug, Clone)]
struct Push {
    job: &'static str,
    mode: PushMode,
    counters: Counters,
    body: String,
    ttl: Option<Ttl>,
    now: UnixNanos,
}

impl Push {
    fn key(&self) -> GroupingKey {
        GroupingKey::new([("job", self.job)]).unwrap()
    }
}

fn pushes() -> impl Strategy<Value = Vec<Push>> {
    let mode = prop::sample::select(vec![
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
        PushMode::ReplaceSeries,
        PushMode::Aggregate(Aggregation::default()),
    ]);
    let kind = prop::sample::select(vec!["gauge", "gauge", "gauge", "counter", "histogram"]);
    let family = |name: &'static str| {
        let help = prop::option::of(prop::sample::select(vec!["one", "two"]));
        // A value that text cannot say, here and there.
        let value = prop::sample::select(vec!["1", "2", "-0", "9007199254740993"]);
        let series = prop::collection::btree_map(prop::sample::select(vec!["1", "2", "3", "é"]), value, 0..4);
        (kind.clone(), help, series).prop_map(move |(kind, help, series)| {
            let help = help.map_or(String::new(), |help| format!("# HELP {name} {help}\n"));
            let lines: String = series
                .iter()
                .map(|(x, value)| match kind {
                    "histogram" => format!(
                        "{name}_bucket{{x=\"{x}\",le=\"1\"}} 1\n{name}_sum{{x=\"{x}\"}} {value}\n{name}_count{{x=\"{x}\"}} 2\n"
                    ),
                    _ => format!("{name}{{x=\"{x}\"}} {value}\n"),
                })
                .collect();
            format!("{help}# TYPE {name} {kind}\n{lines}")
        })
    };
    let body = (prop::option::of(family("m")), prop::option::of(family("n")))
        .prop_map(|(m, n)| m.unwrap_or_default() + &n.unwrap_or_default());
    let ttl = prop::option::weighted(
        0.3,
        (1..5u64).prop_map(|seconds| Ttl {
            after: std::time::Duration::from_secs(seconds),
            keep_times: false,
        }),
    );
    let counters = prop::sample::select(vec![Counters::Total, Counters::Total, Counters::Run]);
    // Several within a millisecond, so that starts cannot be their times.
    let pace = prop::sample::select(vec![1_000_000_000, 1_000]);
    let push = (prop::sample::select(vec!["a", "b"]), (mode, counters), body, ttl);
    (prop::collection::vec(push, 1..12), pace).prop_map(|(pushes, pace)| {
        let pushes = pushes.into_iter().zip(1_i64..);
        let push = |((job, (mode, counters), body, ttl), now): (_, i64)| Push {
            job,
            mode,
            counters,
            body,
            ttl,
            now: UnixNanos(now * pace),
        };
        pushes.map(push).collect()
    })
}

/// All that is stored, but for the times of failures, which are not pushed.
fn contents(state: &State) -> Vec<String> {
    let snapshot = snapshot_of(state);
    let mut all = Vec::new();
    for family in snapshot
        .families()
        .filter(|family| family.name() != crate::PUSH_FAILURE_TIME)
    {
        for fragment in family.fragments() {
            let lifetime = snapshot.lifetime(fragment.key());
            all.push(format!("{lifetime:?} {:?}", fragment.parts()));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn folding_images_and_applying_them_comes_to_the_same_as_pushing(pushes in pushes()) {
        let store = Store::new(Reserved::default(), 1 << 20);
        let mut shared = Shared::default();
        for push in &pushes {
            let exposition = decode(&push.body);
            let options = PushOptions {
                note: None,
                mode: push.mode,
                counters: push.counters,
                ttl: push.ttl,
                now: push.now,
                once: None,
                facts: Facts::default(),
                memory: &Meter::unlimited(),
                patience: Patience::Unlimited,
            };
            let stored = store.push_with(&push.key(), &exposition, &options);
            let is_stored = stored.map(drop).is_ok();
            prop_assert_eq!(shared.push(&store.preparer, push), is_stored, "{:?}", push);
            let is_there = |job: &str| shared.images.contains_key(&GroupingKey::new([("job", job)]).unwrap());
            if is_there("a") && is_there("b") {
                // A refused push may make a group that has nothing but times; that is not for a fold to do.
                prop_assert_eq!(contents(&shared.state), contents(&store.lock().state), "{:?}", push);
            }
        }
    }
}

#[test]
fn a_fold_does_not_look_at_what_a_push_replaces() {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let exposition = decode("# TYPE m gauge\nm 1\n");
    let intent = |mode| Intent {
        key: &key,
        mode,
        counters: Counters::Total,
        delta: preparer
            .prepare(&key, &exposition, UnixNanos(1), &Meter::unlimited())
            .unwrap(),
        lifetime: None,
        once: None,
        facts: Facts::NONE,
    };
    let other = decode("# TYPE m counter\nm{x=\"1\"} 1\n# TYPE n gauge\nn 1\n");
    let old = preparer
        .prepare(&key, &other, UnixNanos(1), &Meter::unlimited())
        .unwrap();
    let names = |mode| {
        let folded = fold(&preparer, Some(&old), &intent(mode));
        folded.map(|folded| {
            folded
                .families
                .iter()
                .map(|family| family.name)
                .collect::<Vec<_>>()
        })
    };
    let time = crate::PUSH_TIME;
    assert_eq!(names(PushMode::ReplaceGroup).unwrap(), ["m", time]);
    assert_eq!(names(PushMode::ReplaceFamilies).unwrap(), ["m", "n", time]);
    let refused = names(PushMode::ReplaceSeries).unwrap_err().to_string();
    assert!(refused.contains("is not a COUNTER"), "{refused}");
}

/// What a group holds after pushes of runs, each with its time in milliseconds: for each family the starts of its metrics.
fn starts(pushes: &[(PushMode, Counters, i64, &str)]) -> Vec<(String, Vec<Option<i64>>)> {
    let preparer = Preparer::new(Reserved::default(), 1 << 20);
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let mut image = None::<Vec<u8>>;
    for (mode, counters, now, body) in pushes {
        let exposition = if body.ends_with("# EOF\n") {
            openmetrics::decode(
                body.as_bytes(),
                openmetrics::Options {
                    names: NameRule::Utf8,
                },
            )
            .unwrap()
        } else {
            decode(body)
        };
        let now = UnixNanos(now * 1_000_000);
        let delta = preparer
            .prepare(&key, &exposition, now, &Meter::unlimited())
            .unwrap();
        let intent = Intent {
            key: &key,
            mode: *mode,
            counters: *counters,
            delta,
            lifetime: None,
            once: None,
            facts: Facts::NONE,
        };
        let old = image.take();
        let old = old.as_deref().map(|old| record::decode_image(old, &preparer));
        let folded = fold(&preparer, old.as_ref(), &intent).unwrap();
        image = Some(record::put(&key, PushMode::ReplaceGroup, None, folded.parts()));
    }
    let image = image.unwrap_or_default();
    let image = record::decode_image(&image, &preparer);
    let families = image
        .families
        .iter()
        .filter(|family| !crate::is_standing(family.name));
    let starts = families.map(|family| {
        let starts = image.parts_of(family).decode(|_, family| {
            let metrics = family.metrics.iter();
            let starts = metrics.map(|metric| {
                let created = metric.extra.as_ref()?.created?;
                Some(created.seconds * 1000 + i64::from(created.nanos) / 1_000_000)
            });
            starts.collect()
        });
        (family.name.to_owned(), starts)
    });
    starts.collect()
}

const ALL_TYPES: &str = "# TYPE c counter\nc{x=\"1\"} 1\nc{x=\"2\"} 1\n# TYPE g gauge\ng 1\n\
     # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 2\n\
     # TYPE s summary\ns_sum 1\ns_count 2\n# TYPE u untyped\nu 1\n";

#[test]
fn counters_histograms_and_summaries_of_a_run_start_with_its_push_and_nothing_else_does() {
    let run = (PushMode::ReplaceGroup, Counters::Run, 1_234_567, ALL_TYPES);
    let start = Some(1_234_567);
    let expected = [
        ("c", vec![start, start]),
        ("g", vec![None]),
        ("h", vec![start]),
        ("s", vec![start]),
        ("u", vec![None]),
    ];
    let expected = expected.map(|(name, starts)| (name.to_owned(), starts));
    assert_eq!(starts(&[run]), expected);
    // Without being asked for, nothing gets a start.
    let total = (PushMode::ReplaceGroup, Counters::Total, 1_234_567, ALL_TYPES);
    assert!(
        starts(&[total])
            .iter()
            .all(|(_, starts)| starts.iter().all(Option::is_none))
    );
}

#[test]
fn starts_rise_though_the_clock_does_not() {
    const COUNTER: &str = "# TYPE c counter\nc 1\n";
    const HOUR: i64 = 3_600_000;
    for mode in [
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
    ] {
        let run = |now| (mode, Counters::Run, now, COUNTER);
        let last = |times: &[i64]| {
            let pushes: Vec<_> = times.iter().map(|now| run(*now)).collect();
            starts(&pushes)[0].1[0].unwrap()
        };
        assert_eq!(last(&[5000, 5001]), 5001);
        assert_eq!(last(&[5000, 5000, 5000]), 5002);
        assert_eq!(last(&[5000, 4000]), 5001);
        assert_eq!(last(&[5000, 4000, 4001, 6000]), 6000);
        // A stored start that is an hour ahead is a mistake.
        assert_eq!(last(&[5000 + HOUR, 5000]), 5001 + HOUR);
        assert_eq!(last(&[5001 + HOUR, 5000]), 5000);
    }
}

#[test]
fn a_start_that_is_a_mistake_makes_those_of_other_families_fall_no_more_than_its_own() {
    const MINUTE: i64 = 60_000;
    let total = |now, body| (PushMode::ReplaceSeries, Counters::Run, now, body);
    let ahead = [
        total(120 * MINUTE, "# TYPE a counter\na 1\n"),
        total(10 * MINUTE, "# TYPE b counter\nb 1\n"),
        total(0, "# TYPE a counter\na 1\n# TYPE b counter\nb 1\n"),
    ];
    let both = [Some(10 * MINUTE + 1)];
    for (_, starts) in starts(&ahead) {
        assert_eq!(starts, both);
    }
}

#[test]
fn what_a_run_does_not_push_keeps_its_start() {
    let first = (
        PushMode::ReplaceSeries,
        Counters::Run,
        1000,
        "# TYPE c counter\nc{x=\"1\"} 1\nc{x=\"2\"} 1\n",
    );
    let second = (
        PushMode::ReplaceSeries,
        Counters::Run,
        2000,
        "# TYPE c counter\nc{x=\"2\"} 1\nc{x=\"3\"} 1\n",
    );
    let expected = vec![Some(1000), Some(2000), Some(2000)];
    assert_eq!(starts(&[first, second]), [("c".to_owned(), expected)]);
    // What is no run pushes no start, and takes that of an earlier run away.
    let total = (
        PushMode::ReplaceFamilies,
        Counters::Total,
        3000,
        "# TYPE c counter\nc{x=\"2\"} 1\n",
    );
    assert_eq!(starts(&[first, total]), [("c".to_owned(), vec![None])]);
}

#[test]
fn the_start_that_a_client_names_gives_way_to_that_of_the_run() {
    let body = "# TYPE c counter\nc_total 1\nc_created 1700000000.5\n# EOF\n";
    let first = (PushMode::ReplaceFamilies, Counters::Run, 1_800_000_000_000, body);
    assert_eq!(starts(&[first])[0].1, [Some(1_800_000_000_000)]);
    // One that is stored is no later than that of the run either.
    let total = (
        PushMode::ReplaceFamilies,
        Counters::Total,
        1_600_000_000_000,
        body,
    );
    let run = |now| (PushMode::ReplaceFamilies, Counters::Run, now, body);
    assert_eq!(starts(&[total])[0].1, [Some(1_700_000_000_500)]);
    assert_eq!(
        starts(&[total, run(1_700_000_000_400)])[0].1,
        [Some(1_700_000_000_501)]
    );
}
