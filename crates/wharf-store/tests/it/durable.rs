//! The store over a ledger whose disk fails and loses power: after each of that, it has what was acknowledged.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use proptest::prelude::*;
use wharf_exposition::text;
use wharf_ledger::{Fault, Ledger, Options, SimulatedDisk};
use wharf_store::{Commit, Kept, PushError, PushMode, Reserved, Store, UnixNanos};

use crate::{exposition, key};

/// A store and the ledger under it.
struct Durable {
    store: Arc<Store>,
    ledger: Ledger,
}

impl Durable {
    fn open(disk: &SimulatedDisk) -> Self {
        let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
        let options = Options {
            segment_bytes: 4096,
            ..Options::default()
        };
        let mut replay = |replayed: wharf_ledger::Replayed<'_>| Ok(store.replay(replayed.record)?);
        let (ledger, recovery) = Ledger::open(Arc::new(disk.clone()), options, &mut replay).unwrap();
        store.attach(ledger.clone(), recovery.last, true);
        Self { store, ledger }
    }

    fn exposition(&self) -> String {
        exposition(&self.store.snapshot())
    }

    /// Whether the step was acknowledged.
    fn apply(&self, step: &Step, now: i64) -> bool {
        let done = match step {
            Step::Push { mode, group, body } => {
                let decoded = text::decode(body.as_bytes(), text::Options::default()).unwrap();
                let now = UnixNanos(now * 1_000_000_000);
                match self.store.push(&key(group), *mode, &decoded, now) {
                    // A refusal is an answer too, and its trace is in the log with the next change.
                    Err(PushError::Inconsistent(_) | PushError::Timestamps) => return false,
                    pushed => pushed,
                }
            }
            Step::Delete { group } => self.store.delete(&key(group)).map(|(_, commit)| commit),
            Step::Wipe => self.store.wipe().map(|(_, commit)| commit),
            Step::Checkpoint => {
                return self.store.checkpoint(false).is_ok();
            }
        };
        done.is_ok_and(|commit| block_on(commit).is_ok())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        mode: PushMode,
        group: &'static str,
        body: String,
    },
    Delete {
        group: &'static str,
    },
    Wipe,
    Checkpoint,
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let group = prop::sample::select(vec!["job/a", "job/b", "job/a/instance/i", "job/b/x/1"]);
    let mode = prop::sample::select(vec![PushMode::ReplaceGroup, PushMode::ReplaceFamilies]);
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
    let step = prop_oneof![
        12 => (mode, group.clone(), body).prop_map(|(mode, group, body)| Step::Push { mode, group, body }),
        3 => group.prop_map(|group| Step::Delete { group }),
        1 => Just(Step::Wipe),
        1 => Just(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_store_has_after_a_power_cut_what_it_had_before(steps in steps(40), seed in any::<u64>()) {
        let disk = SimulatedDisk::new(seed);
        let durable = Durable::open(&disk);
        for (step, now) in steps.iter().zip(1..) {
            durable.apply(step, now);
        }
        // The trace of a refusal is not waited for; the next change brings it to the disk.
        let was_stored = durable.apply(&last(), 99);
        prop_assert!(was_stored);
        let before = durable.exposition();
        let reopened = Durable::open(&disk.crash());
        prop_assert_eq!(reopened.exposition(), before);
        prop_assert_eq!(reopened.store.totals(), durable.store.totals());
    }

    #[test]
    fn what_the_disk_did_not_take_is_taken_back(
        steps in steps(40),
        fail_after in 0..60u64,
        lasting in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let disk = SimulatedDisk::new(seed);
        let durable = Durable::open(&disk);
        let kind = std::io::ErrorKind::StorageFull;
        let fault = if lasting { Fault::Lasting(kind) } else { Fault::Once(kind) };
        disk.fail_after(fail_after, fault);
        // The states that may be left: that after the last acknowledged step, and those after later refusals, whose
        // traces nobody waits for.
        let mut allowed = vec![durable.exposition()];
        for (step, now) in steps.iter().zip(1..) {
            let done = durable.apply(step, now);
            if durable.ledger.failed() {
                break;
            }
            if done {
                allowed.clear();
            }
            allowed.push(durable.exposition());
        }
        if durable.ledger.failed() {
            disk.heal();
            prop_assert_eq!(durable.store.keep(u64::MAX).unwrap(), Kept::Restarted);
            prop_assert!(allowed.contains(&durable.exposition()), "{}", durable.exposition());
        }
        disk.heal();
        let was_stored = durable.apply(&last(), 99);
        prop_assert!(was_stored);
        let before = durable.exposition();
        let reopened = Durable::open(&disk.crash());
        prop_assert_eq!(reopened.exposition(), before);
    }
}

#[test]
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
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
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

fn last() -> Step {
    Step::Push {
        mode: PushMode::ReplaceGroup,
        group: "job/last",
        body: String::new(),
    }
}

fn block_on(commit: Commit) -> Result<(), PushError> {
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
