//! The store over a ledger whose disk fails and loses power: after each of that, it has what was acknowledged.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_ledger::{Fault, Ledger, Options, SimulatedDisk};
use wharf_model::{Exposition, Meter, Unseen};
use wharf_store::{
    Aggregation, Commit, Counters, Facts, Gauges, GroupPush, GroupRefused, Kept, Limits, Note, PushError,
    PushMode, Quota, Reserved, Restored, Store, Ttl, UnixNanos,
};

use crate::feed::Picture;
use crate::start;
use crate::{delete_family_matching, delete_matching, expiries, exposition, key};

/// A store and the ledger under it.
struct Durable {
    store: Arc<Store>,
    ledger: Ledger,
}

impl Durable {
    fn open(disk: &SimulatedDisk) -> Self {
        Self::open_with(disk, 512)
    }

    /// Groups of more families than `few` are removed as those of very many are.
    fn open_with(disk: &SimulatedDisk, few: usize) -> Self {
        let store = Arc::new(Store::new(Reserved::default(), 1 << 24).with_few_families(few));
        let options = Options {
            segment_bytes: 4096,
            ..Options::default()
        };
        let (ledger, recovery) = start::open(&store, disk, options);
        store.attach(ledger.clone(), recovery.last, true);
        Self { store, ledger }
    }

    /// All that is to survive: what a scrape shows, and when each group expires.
    fn contents(&self) -> String {
        exposition(&self.store.snapshot()) + &expiries(&self.store) + &unseen(&self.store)
    }

    /// Whether the step was acknowledged.
    fn apply(&self, step: &Step, now: i64) -> bool {
        self.begin(step, now).wait()
    }

    /// Holds a store that was opened anew against this one, which had this, and both against what they hold.
    fn is_like(&self, reopened: &Self, before: &str) {
        assert_eq!(reopened.contents(), before);
        assert_eq!(reopened.store.totals(), self.store.totals());
        reopened.store.set_limits(quotas());
        assert_eq!(reopened.store.quota_usage(), self.store.quota_usage());
        // What drafts and deletions have left is cleared up when they are safe.
        self.store.keep(u64::MAX).unwrap();
        for store in [&self.store, &reopened.store] {
            store.audit(true).unwrap();
        }
    }

    /// Makes a change, and waits for nothing but a checkpoint.
    fn begin(&self, step: &Step, now: i64) -> Begun {
        let done = match step {
            Step::Push { mode, push } => {
                let decoded = decode(&push.body);
                let pushed =
                    self.store
                        .push_with_ttl(&key(push.group), *mode, &decoded, push.ttl, seconds(now));
                match pushed {
                    // A refusal is an answer too, and its trace is in the log with the next change.
                    Err(PushError::Inconsistent(_) | PushError::NotAdded(_) | PushError::Timestamps(_)) => {
                        return Begun::Trace;
                    }
                    pushed => pushed,
                }
            }
            Step::PushAll { mode, pushes } => {
                let pushes: Vec<_> = pushes
                    .iter()
                    .map(|push| GroupPush {
                        note: None,
                        key: key(push.group),
                        exposition: decode(&push.body),
                        ttl: push.ttl,
                        aggregation: None,
                        counters: Counters::Total,
                        once: None,
                        facts: Facts::default(),
                    })
                    .collect();
                match self
                    .store
                    .push_all(&pushes, *mode, seconds(now), &Meter::unlimited())
                {
                    Err(GroupRefused { key: Some(_), .. }) => return Begun::Trace,
                    pushed => pushed.map_err(|refused| refused.error),
                }
            }
            Step::DeleteFamilies { group, names } => {
                let deleted = self.store.delete_families(&key(group), names);
                deleted.map(|(_, commit)| commit)
            }
            Step::DeleteMatching { selector } => {
                let selectors = [selector.parse().unwrap()];
                let deleted = delete_matching(&self.store, &selectors, None);
                deleted.map(|(_, commit)| commit)
            }
            Step::DeleteFamilyMatching { selector, family } => {
                let selectors = [selector.parse().unwrap()];
                let deleted = delete_family_matching(&self.store, &selectors, None, family);
                deleted.map(|(_, commit)| commit)
            }
            // Nobody waits for it.
            Step::Expire => {
                let _expired = self.store.expire(seconds(now));
                return Begun::Trace;
            }
            Step::ExpireSeries => {
                let _expired = self.store.expire_series(seconds(now));
                return Begun::Trace;
            }
            // The clock goes back by some seconds.
            Step::SetBack => {
                let _changed = self.store.live_from(seconds(now - 10), Duration::from_secs(2));
                return Begun::Trace;
            }
            Step::Fail { group } => {
                self.store.record_failure_time(&key(group), None, seconds(now));
                return Begun::Trace;
            }
            Step::Restore { push, failed } => {
                let restored = Restored {
                    notes: &[],
                    key: &key(push.group),
                    exposition: &decode(&push.body),
                    push_time: seconds(now).as_seconds(),
                    failure_time: f64::from(*failed),
                    pushed_at: &|_| seconds(now),
                    ttl: push.ttl,
                    memory: &Meter::unlimited(),
                };
                match self.store.restore(&restored, true) {
                    Err(PushError::Inconsistent(_)) => return Begun::Nothing,
                    restored => restored.map(|commit| commit.expect("it overwrites")),
                }
            }
            Step::Delete { group } => self.store.delete(&key(group)).map(|(_, commit)| commit),
            Step::Reset { group, gauges } => {
                let reset = self
                    .store
                    .reset(&key(group), *gauges, seconds(now), &Meter::unlimited());
                reset.map(|(_, commit)| commit)
            }
            Step::Note { group, note } => self.store.set_note(&key(group), *note, seconds(now)),
            Step::Wipe => self.store.wipe().map(|(_, commit)| commit),
            Step::Checkpoint => {
                drop(self.store.checkpoint(false));
                return Begun::Nothing;
            }
        };
        done.map_or(Begun::Nothing, Begun::Visible)
    }

    /// Makes some changes before one of them can get to the disk, and waits for them then. How many of them are safe for certain.
    fn apply_together(
        &self,
        disk: &SimulatedDisk,
        steps: &[Step],
        now: i64,
        mut made: impl FnMut(),
    ) -> usize {
        let mut begun = Vec::new();
        // A checkpoint would wait for ever.
        let has_checkpoint = steps.iter().any(|step| matches!(step, Step::Checkpoint));
        let paused = (!has_checkpoint).then(|| disk.pause());
        for (step, now) in steps.iter().zip(now..) {
            begun.push(self.begin(step, now));
            made();
        }
        self.store.audit(false).unwrap();
        drop(paused);
        let mut safe = 0;
        for (position, begun) in begun.into_iter().enumerate() {
            if begun.wait() {
                safe = position + 1;
            }
        }
        safe
    }
}

/// What is stored of series, and not shown.
fn unseen(store: &Store) -> String {
    let mut lines = String::new();
    for family in store.snapshot().families() {
        for fragment in family.fragments() {
            fragment.decode(|_, family| {
                let extras = family.metrics.iter().map(|metric| metric.extra.as_deref());
                let unseen = extras.map(|extra| extra.map(|extra| extra.unseen).unwrap_or_default());
                let unseen: Vec<Unseen> = unseen.collect();
                if unseen.iter().any(|unseen| *unseen != Unseen::default()) {
                    writeln!(lines, "{} {} {unseen:?}", fragment.name(), fragment.key()).unwrap();
                }
            });
        }
    }
    lines
}

/// A change that has been made.
enum Begun {
    /// It is visible, and safe when this has been waited for.
    Visible(Commit),
    /// There is nothing to wait for, but it has left a trace that may get to the disk.
    Trace,
    /// There is nothing to wait for.
    Nothing,
}

impl Begun {
    /// Waits for it; whether it is certainly safe.
    fn wait(self) -> bool {
        match self {
            Self::Visible(commit) => block_on(commit).is_ok(),
            Self::Trace | Self::Nothing => false,
        }
    }
}

/// Some quotas, which nothing here passes.
fn quotas() -> Limits {
    let quotas = [r#"{job="a"}"#, r#"{x=""}"#].map(|selector| Quota {
        selector: selector.parse().unwrap(),
        max_groups: Some(1000),
        max_series: None,
        max_bytes: None,
    });
    Limits {
        quotas: quotas.into(),
        ..Limits::default()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        mode: PushMode,
        push: Push,
    },
    PushAll {
        mode: PushMode,
        pushes: Vec<Push>,
    },
    Delete {
        group: &'static str,
    },
    DeleteFamilies {
        group: &'static str,
        names: Vec<&'static str>,
    },
    DeleteMatching {
        selector: &'static str,
    },
    DeleteFamilyMatching {
        selector: &'static str,
        family: &'static str,
    },
    Expire,
    ExpireSeries,
    SetBack,
    /// A push that was refused elsewhere.
    Fail {
        group: &'static str,
    },
    /// The group as another gateway had it, with the time of its last failure.
    Restore {
        push: Push,
        failed: u32,
    },
    Reset {
        group: &'static str,
        gauges: Gauges,
    },
    /// What is said of the pushes that are still to come.
    Note {
        group: &'static str,
        note: Note<'static>,
    },
    Wipe,
    Checkpoint,
}

#[derive(Debug, Clone)]
struct Push {
    group: &'static str,
    body: String,
    ttl: Option<Ttl>,
}

fn decode(body: &str) -> Exposition<'_> {
    text::decode(body.as_bytes(), text::Options::default()).unwrap()
}

fn seconds(seconds: i64) -> UnixNanos {
    UnixNanos(seconds * 1_000_000_000)
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let group = prop::sample::select(vec!["job/a", "job/b", "job/a/instance/i", "job/b/x/1"]);
    let mode = prop::sample::select(vec![
        PushMode::ReplaceGroup,
        PushMode::ReplaceFamilies,
        PushMode::ReplaceSeries,
        PushMode::Aggregate(Aggregation::default()),
        PushMode::Aggregate(Aggregation {
            gauges: Gauges::Average,
            series_ttl: Some(Duration::from_secs(6)),
            ..Aggregation::default()
        }),
    ]);
    let body =
        prop::collection::vec(("[mnk]", "[xy]", 0..9u8, prop::bool::weighted(0.1)), 0..4).prop_map(|lines| {
            let mut lines: Vec<String> = lines
                .into_iter()
                .map(|(name, label, value, gauge)| {
                    // A type here and there, so that some pushes are refused.
                    let kind = if gauge {
                        format!("# TYPE g{name} gauge\n")
                    } else {
                        String::new()
                    };
                    let prefix = if gauge { "g" } else { "" };
                    format!("{kind}{prefix}{name}{{{label}=\"{value}\"}} {value}\n")
                })
                .collect();
            lines.sort();
            // A type may stand once.
            lines.dedup_by(|a, b| {
                a == b || (a.starts_with('#') && a.split(' ').nth(2) == b.split(' ').nth(2))
            });
            lines.concat()
        });
    let ttl = (0..20u64, any::<bool>()).prop_map(|(seconds, keep_times)| Ttl {
        after: Duration::from_secs(seconds),
        keep_times,
    });
    let push = (group.clone(), body, prop::option::weighted(0.4, ttl)).prop_map(|(group, body, ttl)| Push {
        group,
        body,
        ttl,
    });
    let pushes = (mode.clone(), prop::collection::vec(push.clone(), 0..4));
    let names = prop::collection::vec(prop::sample::select(vec!["m", "n", "gm"]), 0..3);
    let note = prop::sample::select(vec![
        Note::Expected(Some("every=1h")),
        Note::Expected(None),
        Note::PausedUntil(seconds(50)),
    ]);
    let selector = prop::sample::select(vec![r#"{job="a"}"#, r#"{x!="1"}"#]);
    let step = prop_oneof![
        12 => (mode, push.clone()).prop_map(|(mode, push)| Step::Push { mode, push }),
        3 => pushes.prop_map(|(mode, pushes)| Step::PushAll { mode, pushes }),
        3 => group.clone().prop_map(|group| Step::Delete { group }),
        2 => (group.clone(), names).prop_map(|(group, names)| Step::DeleteFamilies { group, names }),
        1 => selector.clone().prop_map(|selector| Step::DeleteMatching { selector }),
        1 => (selector, prop::sample::select(vec!["m", "gm"]))
            .prop_map(|(selector, family)| Step::DeleteFamilyMatching { selector, family }),
        2 => Just(Step::Expire),
        2 => Just(Step::ExpireSeries),
        2 => Just(Step::SetBack),
        2 => group.clone().prop_map(|group| Step::Fail { group }),
        3 => (group.clone(), note).prop_map(|(group, note)| Step::Note { group, note }),
        2 => (group, prop::sample::select(Gauges::ALL.to_vec()))
            .prop_map(|(group, gauges)| Step::Reset { group, gauges }),
        2 => (push, 0..3u32).prop_map(|(push, failed)| Step::Restore { push, failed }),
        1 => Just(Step::Wipe),
        1 => Just(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn a_store_has_after_a_power_cut_what_it_had_before(
        steps in steps(40),
        few in prop::sample::select(vec![0, 6, 512]),
        seed in any::<u64>(),
    ) {
        let disk = SimulatedDisk::new(seed);
        let durable = Durable::open_with(&disk, few);
        durable.store.set_limits(quotas());
        for (step, now) in steps.iter().zip(1..) {
            durable.apply(step, now);
        }
        // The trace of a refusal is not waited for; the next change brings it to the disk.
        let was_stored = durable.apply(&last(), 99);
        prop_assert!(was_stored);
        let before = durable.contents();
        durable.is_like(&Durable::open(&disk.crash()), &before);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_the_disk_did_not_take_is_taken_back(
        steps in steps(40),
        fail_after in 0..60u64,
        lasting in any::<bool>(),
        // Some changes are made before one of them is on the disk, in drafts and under the lock.
        together in 1..8usize,
        few in prop::sample::select(vec![0, 6, 512]),
        seed in any::<u64>(),
    ) {
        let disk = SimulatedDisk::new(seed);
        let durable = Durable::open_with(&disk, few);
        durable.store.set_limits(quotas());
        let kind = std::io::ErrorKind::StorageFull;
        let fault = if lasting { Fault::Lasting(kind) } else { Fault::Once(kind) };
        disk.fail_after(fail_after, fault);
        // The states that may be left: that after the last acknowledged step, and those after later refusals, whose
        // traces nobody waits for.
        let mut allowed = vec![durable.contents()];
        let mut picture = Picture::of(&durable.store);
        for (round, steps) in steps.chunks(together).enumerate() {
            let now = 1 + i64::try_from(round * together).unwrap();
            let mut states = Vec::new();
            let safe = durable.apply_together(&disk, steps, now, || states.push(durable.contents()));
            if round % 3 == 0 {
                picture.catch_up(&durable.store);
            }
            if safe > 0 {
                allowed.clear();
                states.drain(..safe - 1);
            }
            allowed.append(&mut states);
            if durable.ledger.failed() {
                break;
            }
            if round % 2 == 0 {
                drop(durable.store.keep(u64::MAX));
            }
        }
        if durable.ledger.failed() {
            disk.heal();
            let kept = durable.store.keep(u64::MAX).unwrap();
            prop_assert_eq!(kept, Kept::Restarted);
            prop_assert!(allowed.contains(&durable.contents()), "{}", durable.contents());
        }
        disk.heal();
        // Nobody waits for the trace of a refusal: that the disk has not taken it may show only now.
        let was_stored = durable.apply(&last(), 99) || {
            drop(durable.store.keep(u64::MAX));
            durable.apply(&last(), 99)
        };
        prop_assert!(was_stored);
        // Who follows knows what is left, whatever was taken back in between.
        picture.catch_up(&durable.store);
        prop_assert_eq!(&picture.groups, &Picture::of(&durable.store).groups);
        let before = durable.contents();
        durable.is_like(&Durable::open(&disk.crash()), &before);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn the_disk_holds_less_than_three_times_what_is_stored() {
    let disk = SimulatedDisk::new(1);
    let durable = Durable::open(&disk);
    let pad = "x".repeat(20_000);
    let size = || disk.contents().values().map(Vec::len).sum::<usize>() as u64;
    let mut checkpoints = 0;
    for round in 0..20 {
        for group in 0..30 {
            let key = key(&format!("job/j{group}"));
            let body = format!("m{{pad=\"{pad}\"}} {round}\n");
            let decoded = text::decode(body.as_bytes(), text::Options::default()).unwrap();
            let commit = durable
                .store
                .push(&key, PushMode::ReplaceGroup, &decoded, UnixNanos(1))
                .unwrap();
            block_on(commit).unwrap();
            checkpoints += u32::from(durable.store.keep(4096).unwrap() == Kept::Checkpointed);
        }
        // Segments that are not needed any more go a moment later.
        let limit = 3 * durable.store.totals().bytes;
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while size() > limit && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(
            size() <= limit,
            "{} bytes on disk, {limit} at most, in round {round}",
            size()
        );
    }
    assert!(checkpoints > 10, "{checkpoints} checkpoints");
}

#[test]
fn a_family_that_goes_from_many_groups_is_one_change() {
    let disk = SimulatedDisk::new(1);
    let durable = Durable::open(&disk);
    for group in ["job/a", "job/b", "job/c"] {
        let push = Push {
            group,
            body: format!("m{{g=\"{group}\"}} 1\nn{{g=\"{group}\"}} 1\n"),
            ttl: None,
        };
        let mode = PushMode::ReplaceGroup;
        assert!(durable.apply(&Step::Push { mode, push }, 1));
    }
    let records = || durable.store.writer_statistics().unwrap().records;
    let (before, all) = (records(), durable.contents());
    let selectors = [r#"{job=~"a|b|c"}"#.parse().unwrap()];
    let delete = || delete_family_matching(&durable.store, &selectors, None, "m").unwrap();
    // A disk that fails takes all of it back.
    disk.fail_after(0, Fault::Lasting(std::io::ErrorKind::StorageFull));
    let (keys, commit) = delete();
    assert_eq!(keys.len(), 3);
    block_on(commit).unwrap_err();
    assert_eq!(durable.contents(), all);
    disk.heal();
    assert_eq!(durable.store.keep(u64::MAX).unwrap(), Kept::Restarted);
    let restarted = records();
    assert_eq!(restarted, before);
    let (keys, commit) = delete();
    block_on(commit).unwrap();
    assert_eq!((keys.len(), records()), (3, restarted + 1));
    assert!(!durable.contents().contains("\nm{"));
    assert_eq!(Durable::open(&disk.crash()).contents(), durable.contents());
}

#[test]
fn histograms_that_contradict_themselves_are_counted_after_a_restart_too() {
    let disk = SimulatedDisk::new(1);
    let broken = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n";
    let durable = Durable::open(&disk);
    for path in ["job/a", "job/b"] {
        let pushed = durable
            .store
            .push(&key(path), PushMode::ReplaceGroup, &decode(broken), seconds(1));
        block_on(pushed.unwrap()).unwrap();
    }
    drop(durable);
    assert_eq!(Durable::open(&disk).store.totals().contradicting, 2);
}

fn last() -> Step {
    Step::Push {
        mode: PushMode::ReplaceGroup,
        push: Push {
            group: "job/last",
            body: String::new(),
            ttl: None,
        },
    }
}

pub(crate) fn block_on(commit: Commit) -> Result<(), PushError> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut waiting = pin!(commit.wait());
    loop {
        match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}
