//! Pushes that are added up and come again: each is counted once, whatever happens in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_ledger::{Fault, Ledger, Options, SimulatedDisk};
use wharf_model::Meter;
use wharf_store::{
    Aggregation, Commit, Counters, Facts, Patience, PushError, PushId, PushIdLimits, PushMode, PushOptions,
    Store, UnixNanos, describe_record,
};

use crate::durable::block_on;
use crate::{delete, key, samples, start, store, wipe};

const ADD: PushMode = PushMode::Aggregate(Aggregation {
    gauges: wharf_store::Gauges::Last,
    bounds: wharf_store::Bounds::Common,
    max_series: None,
    series_ttl: None,
});

/// An id, at a time in seconds. The gateway takes digests; a few bytes that differ do here.
fn id(name: u8, body: u8, seconds: i64) -> PushId {
    PushId {
        name: [name; 16],
        body: [body; 8],
        at: UnixNanos(seconds * 1_000_000_000),
    }
}

fn push(
    store: &Store,
    mode: PushMode,
    (path, body): (&str, &str),
    id: PushId,
    patience: Patience,
) -> Result<Commit, PushError> {
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let options = PushOptions {
        note: None,
        mode,
        counters: Counters::Total,
        ttl: None,
        now: id.at,
        once: Some(id),
        facts: Facts::default(),
        memory: &Meter::unlimited(),
        patience,
    };
    store.push_with(&key(path), &exposition, &options)
}

fn add(store: &Store, path: &str, body: &str, id: PushId) -> Result<(), PushError> {
    push(store, ADD, (path, body), id, Patience::Unlimited).map(drop)
}

#[test]
fn a_push_that_comes_again_is_answered_and_not_counted_again() {
    for few in [0, 512] {
        let store = store().with_few_families(few);
        for seconds in [1, 2, 3] {
            add(&store, "job/a", "n 5\n", id(1, 1, seconds)).unwrap();
        }
        add(&store, "job/a", "n 2\n", id(2, 2, 4)).unwrap();
        assert_eq!(samples(&store), ["n{instance=\"\",job=\"a\"} 7"]);
        let counts = store.push_ids();
        assert_eq!((counts.kept, counts.repeated, counts.refused), (2, 2, 0));
    }
}

#[test]
fn the_same_id_with_another_body_is_refused_and_changes_nothing() {
    let store = store();
    add(&store, "job/a", "n 5\n", id(1, 1, 1)).unwrap();
    let before = store.snapshot();
    assert_eq!(
        add(&store, "job/a", "n 6\n", id(1, 2, 2)),
        Err(PushError::OtherBody)
    );
    assert_eq!(crate::exposition(&store.snapshot()), crate::exposition(&before));
    assert_eq!(store.push_ids().refused, 1);
}

#[test]
fn an_id_is_forgotten_after_its_time_and_the_oldest_if_there_are_too_many() {
    let limits = PushIdLimits {
        ttl: Duration::from_secs(60),
        max: 2,
    };
    let store = store().with_push_ids(limits);
    add(&store, "job/a", "n 1\n", id(1, 1, 100)).unwrap();
    add(&store, "job/a", "n 1\n", id(1, 1, 159)).unwrap();
    assert_eq!(samples(&store), ["n{instance=\"\",job=\"a\"} 1"]);
    add(&store, "job/a", "n 1\n", id(1, 1, 160)).unwrap();
    assert_eq!(samples(&store), ["n{instance=\"\",job=\"a\"} 2"]);
    for name in 2..=4 {
        add(&store, "job/a", "n 1\n", id(name, 1, 161)).unwrap();
    }
    assert_eq!((store.push_ids().kept, store.push_ids().forgotten), (2, 2));
    store.forget_push_ids(UnixNanos(300_000_000_000));
    assert_eq!(store.push_ids().kept, 0);
}

#[test]
fn an_id_says_nothing_of_a_push_that_replaces_or_was_refused() {
    let store = store();
    for mode in [
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
    ] {
        let set = |body| push(&store, mode, ("job/a", body), id(1, 1, 1), Patience::Unlimited).map(drop);
        set("n 1\n").unwrap();
        set("n 2\n").unwrap();
        assert_eq!(samples(&store), ["n{instance=\"\",job=\"a\"} 2"]);
    }
    let counter = |value: i32| format!("# TYPE c counter\nc {value}\n");
    add(&store, "job/a", &counter(-1), id(1, 1, 1)).unwrap_err();
    add(&store, "job/a", &counter(3), id(1, 2, 1)).unwrap();
    assert!(samples(&store).contains(&"c{instance=\"\",job=\"a\"} 3".to_owned()));
}

#[test]
fn what_was_pushed_and_deleted_is_not_pushed_again() {
    let store = store();
    let once = || add(&store, "job/a", "n 1\n", id(1, 1, 1)).unwrap();
    once();
    assert!(delete(&store, "job/a"));
    once();
    assert!(samples(&store).is_empty());
    add(&store, "job/b", "n 1\n", id(2, 1, 1)).unwrap();
    wipe(&store);
    once();
    assert!(samples(&store).is_empty());
}

#[test]
fn a_push_that_comes_again_need_not_fit_to_what_came_after_it() {
    let store = store();
    let gauge = "# TYPE n gauge\nn 1\n";
    add(&store, "job/a", "# TYPE n counter\nn 1\n", id(1, 1, 1)).unwrap();
    crate::put(&store, "job/a", gauge).unwrap();
    add(&store, "job/a", "# TYPE n counter\nn 1\n", id(1, 1, 2)).unwrap();
    add(&store, "job/a", "# TYPE n counter\nn 1\n", id(2, 1, 2)).unwrap_err();
}

/// Many threads send the same pushes at the same time.
#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn of_those_that_come_at_the_same_time_one_is_counted() {
    for few in [0, 512] {
        let store = store().with_few_families(few);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for name in 0..50 {
                        add(&store, "job/a", "n 1\nm 2\n", id(name, 1, 1)).unwrap();
                    }
                });
            }
        });
        assert_eq!(
            samples(&store),
            ["m{instance=\"\",job=\"a\"} 100", "n{instance=\"\",job=\"a\"} 50"]
        );
        assert_eq!(store.push_ids().repeated, 150);
    }
}

#[test]
fn who_comes_again_waits_until_the_first_is_safe_and_fails_with_it() {
    let disk = SimulatedDisk::new(1);
    let durable = Durable::open(&disk, 512);
    let paused = disk.pause();
    let first = durable.add(1, 1).unwrap();
    let second = durable.add(1, 1).unwrap();
    assert!(!first.is_done() && !second.is_done());
    drop(paused);
    block_on(first).unwrap();
    block_on(second).unwrap();
    assert!(durable.add(1, 1).unwrap().is_done());
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    let (first, second) = (durable.add(2, 2).unwrap(), durable.add(2, 2));
    block_on(first).unwrap_err();
    if let Ok(second) = second {
        block_on(second).unwrap_err();
    }
    disk.heal();
    durable.store.keep(u64::MAX).unwrap();
    assert_eq!(durable.sum(), 1);
    block_on(durable.add(2, 2).unwrap()).unwrap();
    assert_eq!(durable.sum(), 3);
}

#[test]
fn ids_come_through_a_checkpoint_in_records_of_their_own() {
    let disk = SimulatedDisk::new(1);
    let durable = Durable::open(&disk, 512);
    for name in 1..=3 {
        block_on(durable.add(name, 1 << name).unwrap()).unwrap();
    }
    durable.store.checkpoint(false).unwrap();
    let reopened = Durable::open(&disk.crash(), 512);
    assert_eq!(reopened.store.push_ids().kept, 3);
    assert!(reopened.add(2, 4).unwrap().is_done());
    assert_eq!(reopened.sum(), 14);
    // Whoever copies groups does not get them.
    for image in durable.store.images() {
        assert!(!describe_record(&image).unwrap().contains("push id"));
    }
}

/// A store and the ledger under it.
struct Durable {
    store: Arc<Store>,
    ledger: Ledger,
}

impl Durable {
    fn open(disk: &SimulatedDisk, few: usize) -> Self {
        let store = Arc::new(store().with_few_families(few));
        let options = Options {
            segment_bytes: 4096,
            ..Options::default()
        };
        let (ledger, recovery) = start::open(&store, disk, options);
        store.attach(ledger.clone(), recovery.last, true);
        Self { store, ledger }
    }

    fn add(&self, name: u8, value: u64) -> Result<Commit, PushError> {
        let (path, body) = ("job/a", format!("n {value}\n"));
        let patience = Patience::Unlimited;
        push(&self.store, ADD, (path, &body), id(name, name, 1), patience)
    }

    fn sum(&self) -> u64 {
        let line = samples(&self.store).pop();
        let value = line.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap());
        // Large ones are shown with an exponent.
        format!("{:.0}", value.unwrap_or_default()).parse().unwrap()
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Pushes of these numbers, some of them again, of which none is waited for before all are made.
    Push(Vec<u8>),
    /// The same, and the power goes before they are waited for.
    PushAndCrash(Vec<u8>),
    /// A push with the id of another.
    OtherBody(u8),
    Checkpoint,
    Crash,
    /// The disk fails after so many calls, and is well again after the next push.
    Fail(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Values are powers of two, which a double has exactly: the sum says which were counted, and how often.
    let numbers = || prop::collection::vec(0..40u8, 1..6);
    let step = prop_oneof![
        6 => numbers().prop_map(Step::Push),
        2 => numbers().prop_map(Step::PushAndCrash),
        1 => (0..40u8).prop_map(Step::OtherBody),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Crash),
        2 => (0..12u64).prop_map(Step::Fail),
    ];
    prop::collection::vec(step, 1..30)
}

/// What clients know of their pushes.
#[derive(Default)]
struct Model {
    acknowledged: BTreeSet<u8>,
    /// Those that may have been counted.
    asked: BTreeSet<u8>,
}

impl Model {
    fn check(&self, durable: &Durable) {
        let sum = durable.sum();
        for number in 0..40 {
            let is_counted = sum & (1 << number) != 0;
            assert!(
                is_counted || !self.acknowledged.contains(&number),
                "{number} is lost in {sum:b}"
            );
            assert!(
                !is_counted || self.asked.contains(&number),
                "{number} was counted more often in {sum:b}"
            );
        }
    }

    fn make(&mut self, durable: &Durable, numbers: &[u8]) -> Vec<(u8, Result<Commit, PushError>)> {
        let made = numbers.iter().map(|number| {
            self.asked.insert(*number);
            (*number, durable.add(*number, 1 << number))
        });
        made.collect()
    }

    fn wait(&mut self, made: Vec<(u8, Result<Commit, PushError>)>) {
        for (number, commit) in made {
            if commit.and_then(block_on).is_ok() {
                self.acknowledged.insert(number);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn every_push_is_counted_once_whatever_fails_and_however_often_it_is_repeated(
        steps in steps(),
        few in prop::sample::select(vec![0, 512]),
        seed in any::<u64>(),
    ) {
        let mut disk = SimulatedDisk::new(seed);
        let mut durable = Durable::open(&disk, few);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Push(numbers) => {
                    let made = model.make(&durable, &numbers);
                    model.wait(made);
                }
                Step::PushAndCrash(numbers) => {
                    let made = model.make(&durable, &numbers);
                    disk = disk.crash();
                    drop(made);
                    durable = Durable::open(&disk, few);
                }
                Step::OtherBody(number) => {
                    // Of a number that nobody asked for it would be the first.
                    if model.acknowledged.contains(&number) {
                        let other = PushId { body: [99; 8], ..id(number, number, 1) };
                        let pushed = push(&durable.store, ADD, ("job/a", "n 1\n"), other, Patience::Unlimited);
                        prop_assert_eq!(pushed.map(drop), Err(PushError::OtherBody));
                    }
                }
                Step::Checkpoint => drop(durable.store.checkpoint(false)),
                Step::Crash => {
                    disk = disk.crash();
                    durable = Durable::open(&disk, few);
                }
                Step::Fail(calls) => {
                    disk.fail_after(calls, Fault::Lasting(std::io::ErrorKind::StorageFull));
                    let made = model.make(&durable, &[3, 5, 3]);
                    model.wait(made);
                    disk.heal();
                    if durable.ledger.failed() {
                        durable.store.keep(u64::MAX).unwrap();
                    }
                }
            }
            model.check(&durable);
        }
        // Whoever has no answer asks again.
        let asked: Vec<u8> = model.asked.iter().copied().collect();
        let made = model.make(&durable, &asked);
        model.wait(made);
        prop_assert_eq!(&model.acknowledged, &model.asked);
        model.check(&durable);
    }
}
