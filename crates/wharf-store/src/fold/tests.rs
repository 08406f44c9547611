//! Folding and applying come to the same as pushing.

use std::borrow::Cow;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_model::{Exposition, GroupingKey, Meter};

use super::{Intent, fold};
use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::lifetime::{Lifetime, Ttl};
use crate::memory::leaf::FragmentView;
use crate::memory::state::{State, Tell};
use crate::prepare::Preparer;
use crate::read::snapshot::snapshot_of;
use crate::{PushMode, Reserved, Revision, Store, UnixNanos, record};

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
            delta: record::decode_image(&delta, preparer),
            lifetime,
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
    let push = (prop::sample::select(vec!["a", "b"]), mode, body, ttl);
    prop::collection::vec(push, 1..12).prop_map(|pushes| {
        let pushes = pushes.into_iter().zip(1_i64..);
        let push = |((job, mode, body, ttl), now)| Push {
            job,
            mode,
            body,
            ttl,
            now: UnixNanos(now * 1_000_000_000),
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
            let stored = store.push_with_ttl(&push.key(), push.mode, &exposition, push.ttl, push.now);
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
        delta: preparer
            .prepare(&key, &exposition, UnixNanos(1), &Meter::unlimited())
            .unwrap(),
        lifetime: None,
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
