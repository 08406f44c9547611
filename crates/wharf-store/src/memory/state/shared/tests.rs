use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_model::Meter;
use wharf_model::name::NameRule;

use super::*;
use crate::read::snapshot::{Snapshot, snapshot_of};
use crate::{PUSH_FAILURE_TIME, Reserved, ReservedFamily, UnixNanos};

/// The groups that are there at some time, by key: what was pushed last.
type Groups = BTreeMap<&'static str, &'static str>;

/// Two of them have the same series, but for the one whose `instance` label is empty.
const KEYS: [&str; 6] = [
    "job/a",
    "job/a/instance/",
    "job/b/instance/x",
    "job/b/x/1",
    "job/c/instance/",
    "job/c",
];

/// What groups hold: families of the same names with several types, names that are lines of others, the same series by
/// labels that the group has not, families without metrics.
const BODIES: [&str; 13] = [
    "",
    "# TYPE m counter\nm 1\n",
    "# TYPE m gauge\nm 2\n",
    "# TYPE m gauge\nm{l=\"1\"} 3\nn{l=\"2\"} 4\n",
    "# TYPE m histogram\nm_bucket{le=\"+Inf\"} 1\nm_sum 1\nm_count 1\n",
    "# TYPE m summary\nm_sum 1\nm_count 1\n",
    "m_count 5\n",
    "# TYPE m_bucket gauge\nm_bucket 6\nn 7\n",
    "n{job=\"z\"} 8\n",
    "# TYPE m_sum counter\nm_sum 9\n# TYPE m gauge\nm 10\n",
    "# TYPE m histogram\n# TYPE n gauge\nn{l=\"2\"} 11\n",
    "own 12\n",
    "# TYPE m_count gauge\nm_count 1\n# TYPE m summary\nm_sum 1\nm_count{l=\"1\"} 1\n",
];

fn key(path: &str) -> GroupingKey {
    let parts: Vec<&str> = path.split('/').collect();
    GroupingKey::new(parts.chunks(2).map(|pair| (pair[0], pair[1]))).unwrap()
}

fn preparer() -> Preparer {
    let own = [ReservedFamily {
        name: "own",
        metric_type: MetricType::Counter,
        help: "",
        joins: crate::Joins::WithAnyHelp,
    }];
    Preparer::new(Reserved::new(&own), 1 << 20)
}

/// Puts a whole group as the watch brings it.
fn put(state: &mut State, preparer: &Preparer, at: u64, path: &str, body: &str) {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    let key = key(path);
    let exposition = text::decode(body.as_bytes(), options).unwrap();
    let now = UnixNanos(1_000_000_000);
    let times = [(PUSH_TIME, 1.0), (PUSH_FAILURE_TIME, 0.0)];
    // Without the gateway's own families, which a later version may have.
    let other = Preparer::new(Reserved::default(), 1 << 20);
    let prepared = other.prepare_with(&key, &exposition, &times, now, &Meter::unlimited());
    let record = record::put(&key, PushMode::ReplaceGroup, None, prepared.unwrap().parts());
    let changes = record::decode(&record, preparer).unwrap();
    state.apply_shared(preparer, Revision(at), changes, Tell::default());
}

fn delete(state: &mut State, preparer: &Preparer, at: u64, paths: &[&str]) {
    let mut keys: Vec<GroupingKey> = paths.iter().map(|path| key(path)).collect();
    keys.sort();
    let keys = Cow::Owned(keys);
    let by = By::Request;
    state.apply_shared(
        preparer,
        Revision(at),
        [Change::Delete { keys, by }],
        Tell::default(),
    );
}

/// Everything that can be seen of a state.
fn seen(state: &State) -> String {
    let mut all = exposition(&snapshot_of(state));
    for held in state.held_back() {
        writeln!(all, "held {} {} {}", held.family, held.key, held.series).unwrap();
    }
    let size = state.size();
    all + &format!(
        "{} groups, {} series, {} bytes\n",
        state.groups(),
        size.series,
        size.bytes
    )
}

fn exposition(snapshot: &Snapshot) -> String {
    let mut all = Vec::new();
    for family in snapshot.families() {
        all.extend_from_slice(&family.header().text());
        for leaf in family.leaves() {
            all.extend_from_slice(&leaf.piece().text());
        }
    }
    String::from_utf8(all).unwrap()
}

/// The same groups from nothing, one after the other in some order.
fn from_nothing<'g>(groups: impl Iterator<Item = (&'g &'static str, &'g &'static str)>) -> State {
    let (mut state, preparer) = (State::default(), preparer());
    for (at, (path, body)) in groups.enumerate() {
        put(&mut state, &preparer, at as u64 + 1, path, body);
    }
    state
}

/// What a rule of its own says: fragments in the order of keys, each shown if it contradicts none that is.
fn shown_by_the_rule(groups: &Groups) -> Vec<(String, GroupingKey)> {
    let preparer = preparer();
    let mut keys: Vec<(GroupingKey, &str)> = groups.iter().map(|(path, body)| (key(path), *body)).collect();
    keys.sort();
    let mut shown: Vec<(String, GroupingKey, MetricType, Vec<Vec<u8>>)> = Vec::new();
    for (key, body) in keys {
        let options = text::Options {
            names: NameRule::Utf8,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let other = Preparer::new(Reserved::default(), 1 << 20);
        let times = [(PUSH_TIME, 1.0), (PUSH_FAILURE_TIME, 0.0)];
        let prepared = other
            .prepare_with(&key, &exposition, &times, UnixNanos(0), &Meter::unlimited())
            .unwrap();
        let mut own = Vec::new();
        for family in &prepared.families {
            let (name, kind) = (family.name, family.metric_type.base());
            let series = series_of(name, family.metric_type, prepared.text(family));
            let series: Vec<Vec<u8>> = series.into_iter().map(<[u8]>::to_vec).collect();
            let lines = |name: &str, kind: MetricType| -> Vec<String> {
                suffixes_of(kind)
                    .iter()
                    .map(|suffix| format!("{name}{suffix}"))
                    .collect()
            };
            let contradicts = |other: &(String, GroupingKey, MetricType, Vec<Vec<u8>>)| {
                let (other, _, other_kind, other_series) = other;
                if series.is_empty() || other_series.is_empty() {
                    return false;
                }
                if other == name {
                    return *other_kind != kind || series.iter().any(|one| other_series.contains(one));
                }
                lines(name, kind).contains(other) || lines(other, *other_kind).iter().any(|line| line == name)
            };
            let loses = shown.iter().any(contradicts) || is_hopeless(&preparer, &prepared, family);
            own.push((name.to_owned(), key.clone(), kind, series, loses));
        }
        let has_time = own.iter().any(|(name, .., loses)| name == PUSH_TIME && !loses);
        for (name, key, kind, series, loses) in own {
            if has_time && !loses {
                shown.push((name, key, kind, series));
            }
        }
    }
    let mut shown: Vec<_> = shown.into_iter().map(|(name, key, ..)| (name, key)).collect();
    shown.sort();
    shown
}

fn shown(state: &State) -> Vec<(String, GroupingKey)> {
    let snapshot = snapshot_of(state);
    let families = snapshot.families();
    let all = families.flat_map(|family| {
        let name = family.name().to_owned();
        let fragments = family.fragments();
        fragments.map(move |fragment| (name.clone(), fragment.key().clone()))
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

#[derive(Debug, Clone)]
enum Step {
    Put(&'static str, &'static str),
    Delete(Vec<&'static str>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = || prop::sample::select(&KEYS[..]);
    let body = prop::sample::select(&BODIES[..]);
    let step = prop_oneof![
        4 => (path(), body).prop_map(|(path, body)| Step::Put(path, body)),
        1 => prop::collection::btree_set(path(), 1..3)
            .prop_map(|paths| Step::Delete(paths.into_iter().collect())),
    ];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(4), ..ProptestConfig::default() })]

    /// Whatever was before, and in whatever order it came, equal groups give equal states.
    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_is_shown_depends_on_the_groups_alone(steps in steps(), order in any::<u64>()) {
        let (mut state, preparer) = (State::default(), preparer());
        let mut groups = Groups::new();
        for (at, step) in steps.iter().enumerate() {
            let at = at as u64 + 1;
            match step {
                Step::Put(path, body) => {
                    groups.insert(path, body);
                    put(&mut state, &preparer, at, path, body);
                }
                Step::Delete(paths) => {
                    groups.retain(|path, _| !paths.contains(path));
                    delete(&mut state, &preparer, at, paths);
                }
            }
            prop_assert_eq!(shown(&state), shown_by_the_rule(&groups), "after step {}", at);
        }
        let expected = seen(&from_nothing(groups.iter()));
        prop_assert_eq!(seen(&state), expected.clone());
        let mut shuffled: Vec<_> = groups.iter().collect();
        shuffled.sort_by_key(|(path, _)| path.bytes().fold(order | 1, |hash, byte| {
            hash.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte)
        }));
        prop_assert_eq!(seen(&from_nothing(shuffled.into_iter())), expected);
        // Nothing is lost: what is held back is there when the others are gone.
        for (path, body) in &groups {
            let mut alone = from_nothing(groups.iter());
            let others: Vec<&str> = groups.keys().filter(|other| *other != path).copied().collect();
            delete(&mut alone, &preparer, 99, &others);
            let only = Groups::from([(*path, *body)]);
            prop_assert_eq!(seen(&alone), seen(&from_nothing(only.iter())));
        }
    }
}

#[test]
fn a_family_comes_back_when_the_one_that_it_contradicts_goes() {
    let (mut state, preparer) = (State::default(), preparer());
    put(
        &mut state,
        &preparer,
        1,
        "job/b/x/1",
        "# TYPE m gauge\nm 1\nn 1\n",
    );
    put(&mut state, &preparer, 2, "job/c", "# TYPE m counter\nm 2\nn 2\n");
    let held = state.held_back();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(
        (&*held[0].family, held[0].key.clone(), held[0].series),
        ("m", key("job/c"), 1)
    );
    // A smaller key takes the place of both, and the last of them waits for the one before it no more.
    put(
        &mut state,
        &preparer,
        3,
        "job/a",
        "# TYPE m summary\nm_sum 1\nm_count 1\n",
    );
    assert_eq!(state.held_back().len(), 2);
    delete(&mut state, &preparer, 4, &["job/b/x/1"]);
    assert_eq!(state.held_back().len(), 1);
    delete(&mut state, &preparer, 5, &["job/a"]);
    assert_eq!(state.held_back(), []);
    assert!(exposition(&snapshot_of(&state)).contains("m{instance=\"\",job=\"c\"} 2\n"));
    // Its revision is that of its own last change.
    assert_eq!(state.revision_of(&key("job/c")), Some(Revision(2)));
}

#[test]
fn a_group_whose_times_are_those_of_another_is_held_back_as_a_whole() {
    let (mut state, preparer) = (State::default(), preparer());
    put(&mut state, &preparer, 1, "job/a", "m 1\n");
    put(&mut state, &preparer, 2, "job/a/instance/", "n 1\n");
    assert_eq!(state.groups(), 1);
    assert_eq!(state.revision_of(&key("job/a")), None);
    let all = state.held_groups();
    assert_eq!(all.get(&key("job/a")), Some(&Revision(1)), "{all:?}");
    let names: Vec<_> = state.held_back().into_iter().map(|held| held.family).collect();
    assert_eq!(
        names.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["m", PUSH_FAILURE_TIME, PUSH_TIME]
    );
    let whole = state.whole(&key("job/a"));
    assert_eq!(whole.revision, Some(Revision(1)));
    let record = whole.into_record(&preparer, &key("job/a"));
    let described = crate::describe_record(&record).unwrap();
    assert!(
        described.contains(": m (") && described.contains(PUSH_TIME),
        "{described}"
    );
    delete(&mut state, &preparer, 3, &["job/a/instance/"]);
    assert_eq!((state.groups(), state.held_back()), (1, Vec::new()));
    assert_eq!(state.revision_of(&key("job/a")), Some(Revision(1)));
}

#[test]
fn a_group_that_contradicts_itself_shows_the_family_that_has_the_lines() {
    let body = BODIES[BODIES.len() - 1];
    let (mut state, preparer) = (State::default(), preparer());
    put(&mut state, &preparer, 1, "job/c", body);
    put(
        &mut state,
        &preparer,
        2,
        "job/a",
        "# TYPE m summary\nm_sum 1\nm_count 1\n",
    );
    let held = state.held_back();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((&*held[0].family, held[0].key.clone()), ("m_count", key("job/c")));
    delete(&mut state, &preparer, 3, &["job/a"]);
    assert_eq!(state.held_back(), held);
    put(&mut state, &preparer, 4, "job/c", "m_count 1\n");
    assert_eq!(state.held_back(), []);
}
