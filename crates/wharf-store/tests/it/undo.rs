//! What was removed comes back as it was, whatever has happened since.

mod fixture;
mod many;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_exposition::{protobuf, text};
use wharf_ledger::{Disk, Fault, Ledger, Options, SimulatedDisk};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, Selector};
use wharf_store::{
    Aggregation, Author, Clock, GroupFragments, Limits, Note, PushError, PushMode, Receipt, Removal,
    RemovalKind, RemovalState, RemovedSettings, Reserved, Revision, Store, Ttl, UndoError, Undone, UnixNanos,
    WhyLost,
};

use crate::durable::block_on;
use crate::start;
use crate::{expiries, exposition, key, matching, matching_with_family};

const SECOND: i64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Stands still until it is told how late it is.
#[derive(Debug, Clone)]
struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::SeqCst))
    }
}

impl SetClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_000 * SECOND)))
    }

    fn later(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
    }
}

/// Two folders: that of the ledger, and that of what was removed.
#[derive(Debug, Clone)]
struct Disks {
    ledger: SimulatedDisk,
    removed: SimulatedDisk,
    clock: SetClock,
}

struct World {
    store: Arc<Store>,
    ledger: Option<Ledger>,
    problems: Vec<String>,
    clock: SetClock,
}

impl Disks {
    fn new(seed: u64) -> Self {
        Self {
            ledger: SimulatedDisk::new(seed),
            removed: SimulatedDisk::new(seed + 1),
            clock: SetClock::new(),
        }
    }

    fn open(&self) -> World {
        self.open_with(1 << 20, 512)
    }

    fn open_with(&self, max_bytes: u64, few: usize) -> World {
        let store = Arc::new(Store::new(Reserved::default(), 1 << 24).with_few_families(few));
        let mut problems = store.keep_removed(&RemovedSettings {
            max_age: HOUR,
            max_bytes,
            clock: Arc::new(self.clock.clone()),
            disk: Some(Arc::new(self.removed.clone())),
        });
        let options = Options {
            segment_bytes: 8192,
            ..Options::default()
        };
        let (ledger, recovery) = start::load(&store, &self.ledger, options, 3).unwrap();
        problems.extend(store.attach(ledger.clone(), recovery.last, true));
        World {
            store,
            ledger: Some(ledger),
            problems,
            clock: self.clock.clone(),
        }
    }

    /// The power goes at once.
    fn crash(&self) -> Self {
        Self {
            ledger: self.ledger.crash(),
            removed: self.removed.crash(),
            clock: self.clock.clone(),
        }
    }
}

/// A store in memory.
fn in_memory(max_bytes: u64) -> World {
    let clock = SetClock::new();
    let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
    let problems = store.keep_removed(&RemovedSettings {
        max_age: HOUR,
        max_bytes,
        clock: Arc::new(clock.clone()),
        disk: None,
    });
    World {
        store,
        ledger: None,
        problems,
        clock,
    }
}

impl World {
    fn push(&self, path: &str, body: &str, ttl: Option<u64>) {
        let ttl = ttl.map(|seconds| Ttl {
            after: Duration::from_secs(seconds),
            keep_times: false,
        });
        let pushed = self.store.push_with_ttl(
            &key(path),
            PushMode::ReplaceGroup,
            &decode(body),
            ttl,
            self.clock.now(),
        );
        block_on(pushed.unwrap()).unwrap();
    }

    /// All that there is to be compared: text, times, exact forms, lifetimes.
    fn contents(&self) -> String {
        let snapshot = self.store.snapshot();
        let mut exact = BTreeMap::new();
        let groups: Vec<_> = snapshot.groups_in_turn().collect();
        for fragment in groups.iter().flat_map(GroupFragments::fragments) {
            let what = (fragment.key().clone(), fragment.name().to_owned());
            let read =
                fragment.decode(|exposition, family| format!("{:?} {:?}", exposition, family.metric_type));
            exact.insert(what, (fragment.pushed_at(), read));
        }
        let headers: String = snapshot
            .families()
            .map(|family| String::from_utf8(family.header().text().to_vec()).unwrap())
            .collect();
        exposition(&snapshot) + &expiries(&self.store) + &headers + &format!("{exact:#?}")
    }

    fn wipe(&self) -> Receipt {
        let (_, commit, receipt) = self.store.remove_all(&author("wiper")).unwrap();
        block_on(commit).unwrap();
        receipt.unwrap()
    }

    fn delete(&self, path: &str) -> Receipt {
        let (existed, commit, receipt) = self.store.remove(&key(path), &author("deleter")).unwrap();
        block_on(commit).unwrap();
        assert!(existed);
        receipt.unwrap()
    }

    fn delete_matching(&self, selector: &str) -> Receipt {
        let selector: Selector = selector.parse().unwrap();
        let keys = matching(&self.store, &[selector], None);
        let (_, commit, receipt) = self
            .store
            .remove_groups(keys, None, &author("selecting"))
            .unwrap();
        block_on(commit).unwrap();
        receipt.unwrap()
    }

    fn undo(&self, id: Revision) -> Result<Undone, UndoError> {
        let (undoing, commits) = self.store.undo(id, false, self.clock.now())?;
        for commit in commits {
            block_on(commit).unwrap();
        }
        Ok(undoing.settle())
    }

    fn newest(&self) -> Removal {
        self.store.removals(None, 1).remove(0)
    }

    fn keep(&self) {
        self.store.keep(u64::MAX).unwrap();
    }
}

fn author(by: &str) -> Author {
    Author {
        by: by.to_owned(),
        address: "192.0.2.1".to_owned(),
        what: String::new(),
    }
}

fn id(receipt: &Receipt) -> Revision {
    match receipt {
        Receipt::Kept { id, .. } => *id,
        Receipt::Lost(why) => unreachable!("{why:?}"),
    }
}

/// So many series of one family.
fn lines(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|at| format!("m{{number=\"{at}\"}} 1\n")).collect();
    lines.concat()
}

fn decode(body: &str) -> Exposition<'_> {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    text::decode(body.as_bytes(), options).unwrap()
}

const HISTOGRAM: &str = "# HELP h of things\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\n\
                         h_count 3\n# TYPE c counter\nc_total{a=\"\\n\"} 12345678901234567890\nu -0\n";

/// Groups of several kinds: with and without a time to live, refused pushes, what text cannot say.
fn fill(world: &World) {
    world.push("job/a", HISTOGRAM, None);
    world.push("job/a/instance/ä", "m 1\nn{x=\"y\"} NaN\n", Some(7200));
    world.clock.later(Duration::from_secs(3));
    world.push("job/b", "m 2\n", Some(100));
    let text = text::decode(b"m{x=\"1\"} 1\nm{x=\"1\"} 2\n", options()).unwrap();
    let refused = world
        .store
        .push(&key("job/b"), PushMode::ReplaceGroup, &text, world.clock.now());
    assert!(matches!(refused, Err(PushError::Inconsistent(_))), "{refused:?}");
    let exact = protobuf::decode(&native_histogram()).unwrap();
    let pushed = world
        .store
        .push(&key("job/c"), PushMode::ReplaceGroup, &exact, world.clock.now());
    block_on(pushed.unwrap()).unwrap();
    world.clock.later(Duration::from_secs(1));
}

fn options() -> text::Options {
    text::Options {
        names: NameRule::Utf8,
        strict: false,
    }
}

/// A native histogram with an exemplar and a created timestamp, as a delimited message.
fn native_histogram() -> Vec<u8> {
    fn bytes(field: u8, contents: &[u8]) -> Vec<u8> {
        [&[field << 3 | 2, u8::try_from(contents.len()).unwrap()], contents].concat()
    }
    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }
    fn double(field: u8, value: f64) -> Vec<u8> {
        [&[field << 3 | 1], &value.to_le_bytes()[..]].concat()
    }
    let label = [bytes(1, b"trace"), bytes(2, b"abc")].concat();
    let exemplar = [bytes(1, &label), double(2, 0.5), bytes(3, &number(1, 9))].concat();
    let bucket = [number(1, 2), double(2, 1.0), bytes(3, &exemplar)].concat();
    let span = [number(1, 0), number(2, 1)].concat();
    let histogram = [
        number(1, 2),
        double(2, 1.5),
        bytes(3, &bucket),
        number(5, 0),
        double(6, 0.001),
        number(7, 0),
        bytes(12, &span),
        number(13, 4),
        bytes(15, &number(1, 77)),
    ]
    .concat();
    let metric = bytes(7, &histogram);
    let family = [bytes(1, b"native"), number(3, 4), bytes(4, &metric)].concat();
    [vec![u8::try_from(family.len()).unwrap()], family].concat()
}

#[test]
fn a_wipe_comes_back_as_it_was() {
    for few in [512, 1] {
        let world = Disks::new(1).open_with(1 << 20, few);
        fill(&world);
        let before = world.contents();
        let receipt = world.wipe();
        assert!(world.store.snapshot().keys().is_empty());
        let until = UnixNanos(world.clock.now().0 + 3600 * SECOND);
        assert_eq!(
            receipt,
            Receipt::Kept {
                id: id(&receipt),
                until
            }
        );
        let dry = {
            let (undoing, commits) = world.store.undo(id(&receipt), true, world.clock.now()).unwrap();
            assert!(commits.is_empty());
            undoing.undone.groups
        };
        assert_eq!(dry, 4);
        assert!(world.store.snapshot().keys().is_empty());
        let undone = world.undo(id(&receipt)).unwrap();
        assert_eq!(
            (undone.groups, undone.kept.len(), undone.is_complete()),
            (4, 0, true)
        );
        assert_eq!(world.contents(), before);
        let removal = world.newest();
        assert_eq!(
            (removal.kind, removal.groups, &*removal.author.by),
            (RemovalKind::Wipe, 4, "wiper")
        );
        assert_eq!(removal.state, RemovalState::Undone(world.clock.now()));
        // Once is enough.
        let again = world.undo(id(&receipt)).unwrap_err();
        assert!(
            matches!(again, UndoError::Undone(at) if at == world.clock.now()),
            "{again:?}"
        );
    }
}

#[test]
fn groups_that_were_deleted_come_back_as_they_were() {
    for few in [512, 1] {
        let world = Disks::new(2).open_with(1 << 20, few);
        fill(&world);
        let before = world.contents();
        let one = world.delete("job/c");
        let (missing, commit, receipt) = world.store.remove(&key("job/none"), &author("x")).unwrap();
        block_on(commit).unwrap();
        assert_eq!((missing, receipt), (false, None));
        let several = world.delete_matching("{job=\"a\"}");
        assert_eq!(world.newest().groups, 2);
        let names: Vec<_> = world
            .store
            .removals(None, 9)
            .iter()
            .map(|removal| removal.kind)
            .collect();
        assert_eq!(names, [RemovalKind::Selector, RemovalKind::Group]);
        for receipt in [one, several] {
            let undone = world.undo(id(&receipt)).unwrap();
            assert!(undone.is_complete() && undone.kept.is_empty(), "{undone:?}");
        }
        assert_eq!(world.contents(), before);
    }
}

#[test]
fn families_that_were_deleted_come_back_into_groups_that_do_not_have_them() {
    for few in [512, 1] {
        let world = Disks::new(3).open_with(1 << 20, few);
        fill(&world);
        let before = world.contents();
        let keys = matching_with_family(&world.store, &["{}".parse().unwrap()], None, "m");
        let (gone, commit, receipt) = world
            .store
            .remove_family_of(keys, None, "m", &author("x"))
            .unwrap();
        block_on(commit).unwrap();
        assert_eq!(gone.len(), 2);
        let (families, commit, of_one) = world
            .store
            .remove_families(&key("job/a"), &["h", "none", "push_time_seconds"], &author("x"))
            .unwrap();
        block_on(commit).unwrap();
        assert_eq!(families, 1);
        for receipt in [receipt, of_one] {
            let undone = world.undo(id(&receipt.unwrap())).unwrap();
            assert!(undone.is_complete() && undone.kept.is_empty(), "{undone:?}");
        }
        assert_eq!(world.contents(), before);

        // One group has such a family again, and one is not there.
        let keys = matching_with_family(&world.store, &["{}".parse().unwrap()], None, "m");
        let (_, commit, receipt) = world
            .store
            .remove_family_of(keys, None, "m", &author("x"))
            .unwrap();
        block_on(commit).unwrap();
        world.push("job/b", "m 77\n", None);
        world.delete("job/a/instance/ä");
        let undone = world.undo(id(&receipt.unwrap())).unwrap();
        assert_eq!(undone.groups, 0);
        assert_eq!(undone.kept.keys, [key("job/b")]);
        assert_eq!(undone.missing.keys, [key("job/a/instance/ä")]);
    }
}

#[test]
fn a_group_that_was_pushed_since_is_never_overwritten_and_named() {
    let world = Disks::new(4).open();
    fill(&world);
    let receipt = world.wipe();
    world.push("job/a", "other 1\n", None);
    let undone = world.undo(id(&receipt)).unwrap();
    assert_eq!((undone.groups, undone.kept.keys), (3, vec![key("job/a")]));
    assert!(world.contents().contains("other{instance=\"\",job=\"a\"} 1"));
    assert!(!world.contents().contains("h_bucket"));
}

#[test]
fn pushes_that_were_refused_since_are_in_nobodys_way() {
    let world = Disks::new(5).open();
    world.push("job/a", "m 1\n", Some(500));
    let before = world.contents();
    let receipt = world.wipe();
    world.clock.later(Duration::from_secs(10));
    let text = text::decode(b"m{x=\"1\"} 1\nm{x=\"1\"} 2\n", options()).unwrap();
    let refused = world
        .store
        .push(&key("job/a"), PushMode::ReplaceGroup, &text, world.clock.now());
    assert!(refused.is_err());
    assert_eq!(world.store.snapshot().keys(), [key("job/a")]);
    let undone = world.undo(id(&receipt)).unwrap();
    assert_eq!((undone.groups, undone.kept.len()), (1, 0));
    // The time of the refusal stays.
    let differing = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| line.starts_with("push_failure_time_seconds{"));
        lines.map(str::to_owned).collect()
    };
    assert_ne!(differing(&world.contents()), differing(&before));
    assert!(world.contents().contains("m{instance=\"\",job=\"a\"} 1\n"));
}

#[test]
fn time_goes_on_for_what_was_removed() {
    let world = Disks::new(6).open();
    fill(&world);
    let receipt = world.wipe();
    // Job b was to live for 100 seconds from its push on.
    world.clock.later(Duration::from_secs(99));
    let undone = world.undo(id(&receipt)).unwrap();
    assert_eq!(undone.expired.keys, [key("job/b")]);
    assert_eq!(undone.groups, 3);
    let expired = world
        .store
        .expire(UnixNanos(world.clock.now().0 + 7200 * SECOND))
        .unwrap();
    assert_eq!(expired.deleted, [key("job/a/instance/ä")]);
    // What has expired was not removed.
    assert_eq!(world.store.removals(None, 9).len(), 1);
}

#[test]
fn what_contradicts_or_passes_a_limit_is_named_and_can_come_back_later() {
    let world = Disks::new(7).open();
    world.push("job/a", "m 1\n", None);
    world.push("job/b", "n 1\n", None);
    world.push("job/c", "o 1\n", None);
    let receipt = world.wipe();
    world.push("job/d", "# TYPE m counter\nm 1\n", None);
    world.store.set_limits(Limits {
        max_groups: Some(2),
        ..Limits::default()
    });
    let undone = world.undo(id(&receipt)).unwrap();
    let keys: Vec<_> = undone.refused.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!((undone.groups, keys), (1, vec![key("job/a"), key("job/c")]));
    world.store.set_limits(Limits::default());
    world.delete("job/d");
    let undone = world.undo(id(&receipt)).unwrap();
    assert_eq!((undone.groups, undone.kept.keys), (2, vec![key("job/b")]));
    assert!(matches!(world.undo(id(&receipt)), Err(UndoError::Undone(_))));
}

#[test]
fn the_power_may_go_right_after_a_removal() {
    for (seed, writes) in [(10, false), (11, true), (12, false), (13, true)] {
        let disks = Disks::new(seed);
        let world = disks.open();
        fill(&world);
        let before = world.contents();
        let receipt = world.wipe();
        if writes {
            world.keep();
        }
        let after = disks.crash();
        let world = after.open();
        assert_eq!(world.problems, [""; 0]);
        assert!(world.store.snapshot().keys().is_empty());
        let removal = world.newest();
        assert_eq!(
            (removal.id, removal.groups, removal.is_recovered),
            (id(&receipt), 4, !writes)
        );
        let undone = world.undo(removal.id).unwrap();
        assert!(undone.is_complete(), "{undone:?}");
        assert_eq!(world.contents(), before);
        // And once more: it is known that it was undone.
        let world = after.crash().open();
        assert_eq!(world.contents(), before);
        assert!(matches!(world.undo(removal.id), Err(UndoError::Undone(_))));
        assert_eq!(world.store.removals(None, 9).len(), 1);
    }
}

#[test]
fn each_kind_of_removal_is_recovered_from_the_ledger() {
    for few in [512, 1] {
        let disks = Disks::new(20);
        let world = disks.open_with(1 << 20, few);
        fill(&world);
        let before = world.contents();
        world.delete("job/c");
        world.delete_matching("{job=\"a\"}");
        let (_, commit, _) = world
            .store
            .remove_families(&key("job/b"), &["m"], &author("x"))
            .unwrap();
        block_on(commit).unwrap();
        let disks = disks.crash();
        let world = disks.open_with(1 << 20, few);
        let removals = world.store.removals(None, 9);
        let kinds: Vec<_> = removals.iter().map(|removal| removal.kind).collect();
        assert_eq!(
            kinds,
            [RemovalKind::Family, RemovalKind::Selector, RemovalKind::Group]
        );
        for removal in removals {
            assert!(world.undo(removal.id).unwrap().is_complete());
        }
        assert_eq!(world.contents(), before);
    }
}

#[test]
fn families_whose_last_series_has_left_by_itself_are_no_removal_after_a_start() {
    let disks = Disks::new(20);
    let world = disks.open();
    let mode = PushMode::Aggregate(Aggregation {
        series_ttl: Some(Duration::from_secs(5)),
        ..Aggregation::default()
    });
    for body in ["m{x=\"1\"} 1\n", "n 1\n"] {
        let mode = if body.starts_with('m') {
            mode
        } else {
            PushMode::ReplaceSeries
        };
        let pushed = world
            .store
            .push(&key("job/a"), mode, &decode(body), world.clock.now());
        block_on(pushed.unwrap()).unwrap();
    }
    world.clock.later(Duration::from_secs(10));
    assert_eq!(world.store.expire_series(world.clock.now()).unwrap(), 1);
    world.push("job/b", "after 1\n", None);
    let world = disks.crash().open();
    assert!(world.store.snapshot().family("m").is_none());
    assert_eq!(world.store.removals(None, 9), []);
}

#[test]
fn a_checkpoint_takes_no_removal_along() {
    for seed in 30..36 {
        let disks = Disks::new(seed);
        let world = disks.open();
        fill(&world);
        let before = world.contents();
        world.wipe();
        world.store.checkpoint(false).unwrap();
        let world = disks.crash().open();
        let undone = world.undo(world.newest().id).unwrap();
        assert_eq!(undone.groups, 4);
        assert_eq!(world.contents(), before);
    }
}

#[test]
fn removals_between_checkpoints_survive_a_power_cut_at_any_call() {
    for calls in (0..240).step_by(3) {
        let disks = Disks::new(1000 + calls);
        let world = disks.open();
        fill(&world);
        let disk = if calls % 2 == 0 {
            &disks.removed
        } else {
            &disks.ledger
        };
        disk.fail_after(calls / 2, Fault::PowerCut);
        let mut acknowledged = Vec::new();
        for round in 0..6 {
            if let Ok((_, commit, receipt)) = world.store.remove(&key("job/a"), &author("x"))
                && block_on(commit).is_ok()
                && let Some(Receipt::Kept { id, .. }) = receipt
            {
                acknowledged.push(id);
            }
            if round % 2 == 0 {
                let _may_fail = world.store.checkpoint(false);
            } else {
                let _may_fail = world.store.keep(u64::MAX);
            }
            let pushed = world.store.push(
                &key("job/a"),
                PushMode::ReplaceGroup,
                &decode(HISTOGRAM),
                world.clock.now(),
            );
            let _may_fail = pushed.map(block_on);
        }
        let lost: Vec<Revision> = world
            .store
            .removals(None, 99)
            .into_iter()
            .filter(|removal| matches!(removal.state, RemovalState::Lost(_)))
            .map(|removal| removal.id)
            .collect();
        let found = disks.crash().open();
        let known: Vec<Revision> = found
            .store
            .removals(None, 99)
            .iter()
            .map(|removal| removal.id)
            .collect();
        for id in acknowledged {
            // The disk of what is removed may have failed alone; then that was said.
            assert!(
                known.contains(&id) || lost.contains(&id),
                "call {calls}: {id} of {known:?}, {lost:?}"
            );
        }
        for id in known {
            if let Err(error) = found.store.undo(id, true, found.clock.now()) {
                unreachable!("call {calls}: {error:?}");
            }
        }
    }
}

#[test]
fn a_removal_that_did_not_get_to_stable_storage_is_none() {
    let disks = Disks::new(40);
    let world = disks.open();
    fill(&world);
    let before = world.contents();
    disks
        .ledger
        .fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    let (_, commit, _) = world.store.remove_all(&author("x")).unwrap();
    assert!(block_on(commit).is_err());
    assert_eq!(world.contents(), before);
    assert_eq!(world.store.removals(None, 9), []);
    disks.ledger.heal();
    while world.store.failure().is_some() {
        let _may_fail = world.store.keep(u64::MAX);
    }
    world.wipe();
    assert_eq!(world.newest().groups, 4);
    drop(world.ledger);
}

#[test]
fn a_full_disk_for_what_is_removed_costs_the_undo_and_not_the_removal() {
    let disks = Disks::new(41);
    let world = disks.open();
    fill(&world);
    disks.removed.set_capacity(Some(100));
    let receipt = world.wipe();
    world.keep();
    let failure = world.store.take_removed_failure();
    assert!(failure.is_some());
    assert_eq!(world.store.take_removed_failure(), None);
    let refused = world.undo(id(&receipt)).unwrap_err();
    assert!(
        matches!(refused, UndoError::Lost(WhyLost::Disk(_))),
        "{refused:?}"
    );
    assert_eq!(world.store.removed_status().unwrap().failures, 1);
    // As long as the ledger has it, a start finds it there.
    disks.removed.set_capacity(None);
    let world = disks.crash().open();
    assert_eq!(world.undo(id(&receipt)).unwrap().groups, 4);
}

#[test]
fn over_the_bound_the_oldest_removal_goes_and_a_larger_one_is_not_kept() {
    for world in [Disks::new(42).open_with(200_000, 512), in_memory(200_000)] {
        let body = lines(300);
        let mut receipts = Vec::new();
        for _ in 0..20 {
            world.push("job/a", &body, None);
            receipts.push(world.delete("job/a"));
            world.keep();
            assert!(world.store.removed_status().unwrap().bytes <= 200_000);
        }
        let first = world.undo(id(&receipts[0])).unwrap_err();
        assert!(matches!(first, UndoError::Lost(WhyLost::MadeRoom)), "{first:?}");
        assert_eq!(world.undo(id(&receipts[19])).unwrap().groups, 1);
        let body = lines(9000);
        world.push("job/a", &body, None);
        let receipt = world.wipe();
        assert_eq!(receipt, Receipt::Lost(WhyLost::TooLarge { max_bytes: 200_000 }));
        // What is kept already stays.
        assert!(
            world
                .store
                .undo(id(&receipts[18]), true, world.clock.now())
                .is_ok()
        );
    }
}

#[test]
fn memory_keeps_removals_until_the_process_ends() {
    let world = in_memory(1 << 20);
    assert_eq!(world.problems, [""; 0]);
    fill(&world);
    let before = world.contents();
    let receipt = world.wipe();
    let status = world.store.removed_status().unwrap();
    assert!(!status.is_durable);
    assert_eq!(world.undo(id(&receipt)).unwrap().groups, 4);
    assert_eq!(world.contents(), before);
    let off = Store::new(Reserved::default(), 1 << 24);
    assert_eq!(off.removed_status(), None);
    assert!(matches!(
        off.undo(Revision(1), false, UnixNanos(0)),
        Err(UndoError::Unknown)
    ));
}

#[test]
fn what_is_too_old_goes_from_disk() {
    let disks = Disks::new(43);
    let world = disks.open();
    fill(&world);
    let receipt = world.wipe();
    world.keep();
    let kept = world.store.removed_status().unwrap().bytes;
    assert!(kept > 1000);
    world.clock.later(HOUR);
    assert!(matches!(world.undo(id(&receipt)), Err(UndoError::Unknown)));
    world.keep();
    assert!(world.store.removed_status().unwrap().bytes < 100);
    assert_eq!(world.store.removals(None, 9), []);
    // The ledger still has it, and it is over all the same.
    let world = disks.crash().open();
    assert_eq!(world.store.removals(None, 9), []);
}

#[test]
fn damaged_files_are_named_and_stop_nothing() {
    let disks = Disks::new(44);
    let world = disks.open();
    fill(&world);
    world.wipe();
    world.store.checkpoint(false).unwrap();
    let name = disks.removed.list().unwrap().remove(0);
    assert!(disks.removed.flip_bit(&name, 3, 1));
    let disks = disks.crash();
    let world = disks.open();
    assert_eq!(world.problems.len(), 1, "{:?}", world.problems);
    assert!(world.problems[0].contains(&name), "{:?}", world.problems);
    assert_eq!(world.store.removals(None, 9), []);
    fill(&world);
    assert_eq!(
        world.wipe(),
        world
            .store
            .removals(None, 1)
            .first()
            .map(|removal| Receipt::Kept {
                id: removal.id,
                until: removal.until
            })
            .unwrap()
    );
}

#[test]
fn what_belongs_to_another_ledger_is_forgotten() {
    let disks = Disks::new(45);
    let world = disks.open();
    fill(&world);
    world.wipe();
    world.keep();
    let other = Disks {
        ledger: SimulatedDisk::new(1),
        ..disks.crash()
    };
    let world = other.open();
    assert_eq!(world.problems.len(), 1);
    assert_eq!(world.store.removals(None, 9), []);
    fill(&world);
    world.wipe();
    assert_eq!(world.newest().groups, 4);
    let world = other.crash().open();
    assert_eq!((world.problems.len(), world.newest().groups), (0, 4));
}

#[test]
fn undoing_goes_on_beside_pushes_and_two_at_once_do_it_once() {
    let world = Disks::new(46).open_with(1 << 24, 64);
    for number in 0..600 {
        world.push(&format!("job/a/instance/{number}"), "m 1\nn 2\n", None);
    }
    let receipt = world.wipe();
    let is_over = AtomicBool::new(false);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            let mut pushes = 0;
            while !is_over.load(Ordering::SeqCst) || pushes < 10 {
                world.push(&format!("job/a/instance/{}", pushes % 600), "m 99\n", None);
                pushes += 1;
            }
            pushes
        });
        let undoing: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| outcomes.lock().unwrap().push(world.undo(id(&receipt)))))
            .collect();
        for undoing in undoing {
            undoing.join().unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        pusher.join().unwrap()
    });
    let outcomes = outcomes.into_inner().unwrap();
    let done: Vec<&Undone> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().ok())
        .collect();
    assert_eq!(done.len(), 1, "{outcomes:?}");
    assert_eq!(done[0].groups + done[0].kept.len(), 600);
    let contents = world.contents();
    assert_eq!(world.store.snapshot().keys().len(), 600);
    // Whoever was pushed since has what was pushed.
    for key in &done[0].kept.keys {
        let instance = key.labels().find(|(name, _)| *name == "instance").unwrap().1;
        assert!(contents.contains(&format!("m{{instance=\"{instance}\",job=\"a\"}} 99\n")));
    }
}

#[test]
fn an_undo_of_many_groups_holds_nobody_up_for_long() {
    let world = in_memory(1 << 26);
    for number in 0..5_000 {
        world.push(&format!("job/a/instance/{number}"), "m 1\nn 2\n", None);
    }
    let receipt = world.wipe();
    let _before = world.store.longest_hold();
    assert_eq!(world.undo(id(&receipt)).unwrap().groups, 5_000);
    let longest = world.store.longest_hold();
    assert!(longest < 8_192, "{longest}");
}

#[test]
fn an_undo_is_told_to_those_who_follow() {
    let world = in_memory(1 << 20);
    fill(&world);
    let before = world.contents();
    let mut picture = crate::feed::Picture::of(&world.store);
    let receipt = world.wipe();
    picture.catch_up(&world.store);
    assert!(picture.groups.is_empty());
    world.undo(id(&receipt)).unwrap();
    picture.catch_up(&world.store);
    assert_eq!(picture.groups, crate::feed::Picture::of(&world.store).groups);
    assert_eq!(world.contents(), before);
}

#[test]
fn a_wiped_group_that_is_expected_comes_back_with_its_metrics_unless_it_was_pushed_since() {
    let disks = Disks::new(31);
    let world = disks.open();
    for path in ["job/a", "job/b", "job/c"] {
        world.push(path, "m 1\nn 1\n", None);
    }
    for path in ["job/a", "job/b"] {
        let noted = world
            .store
            .set_note(&key(path), Note::Expected(Some("every=1d")), world.clock.now());
        block_on(noted.unwrap()).unwrap();
    }
    let before = world.contents();
    let receipt = world.wipe();
    let left = exposition(&world.store.snapshot());
    assert!(
        !left.contains("m{") && left.contains("wharf_group_expected_info{"),
        "{left}"
    );
    let undone = world.undo(id(&receipt)).unwrap();
    assert!(undone.is_complete(), "{undone:?}");
    assert_eq!(world.contents(), before);
    // A push since counts more than what it would have replaced.
    let receipt = world.wipe();
    world.clock.later(Duration::from_secs(1));
    world.push("job/a", "k 2\n", None);
    world.undo(id(&receipt)).unwrap();
    let exposition = exposition(&world.store.snapshot());
    assert!(
        exposition.contains("k{instance=\"\",job=\"a\"} 2"),
        "{exposition}"
    );
    assert!(!exposition.contains("m{instance=\"\",job=\"a\"}"), "{exposition}");
    assert!(
        exposition.contains("m{instance=\"\",job=\"b\"} 1"),
        "{exposition}"
    );
}
