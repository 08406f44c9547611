//! Replicas that are started, cut off and killed.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_exposition::text;
use wharf_model::Meter;
use wharf_model::name::NameRule;
use wharf_shared_log::{Faults, SimulatedLog, Simulation, TaskId, Timer};
use wharf_store::{
    Clock, Commit, Counters, Facts, Gauges, Note, Patience, PushError, PushId, PushMode, PushOptions,
    Receipt, RemovedNow, Reserved, Revision, Sharing, Store, Ttl, UndoError, Undone, UnixNanos,
};

use crate::{exposition, key};

/// The wall clock of a replica: the time of the simulation, and what it is wrong by.
pub(super) struct WallClock {
    simulation: Simulation,
    wrong_by: AtomicI64,
}

impl Clock for WallClock {
    fn now(&self) -> UnixNanos {
        let now = i64::try_from(self.simulation.now().as_nanos()).unwrap();
        // Some time that is not 0.
        UnixNanos(1_700_000_000_000_000_000 + now + self.wrong_by.load(Ordering::Relaxed))
    }
}

/// How many bytes of the log are for what was removed.
pub(super) const UNDO_MAX_BYTES: u64 = 64 << 10;

/// One replica: a process that may have been killed.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) log: SimulatedLog,
    pub(super) clock: Arc<WallClock>,
    process: Mutex<Process>,
}

struct Process {
    store: Arc<Store>,
    tasks: Vec<TaskId>,
}

/// A log, and the replicas that share it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) simulation: Simulation,
    pub(super) log: SimulatedLog,
    pub(super) replicas: Vec<Arc<Replica>>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Done,
    Refused,
    /// 503: it may have been done or not.
    Unavailable,
}

impl World {
    pub(super) fn new(seed: u64, replicas: usize, faults: Faults) -> Self {
        let simulation = Simulation::new(seed);
        let log = SimulatedLog::new(&simulation, faults);
        let replicas = (0..replicas).map(|number| {
            let clock = Arc::new(WallClock {
                simulation: simulation.clone(),
                wrong_by: AtomicI64::new(0),
            });
            let (name, log) = (format!("replica{number}"), log.replica());
            let process = Mutex::new(start(&simulation, &name, &log, &clock));
            Arc::new(Replica {
                name,
                log,
                clock,
                process,
            })
        });
        Self {
            replicas: replicas.collect(),
            log,
            simulation,
        }
    }

    /// Kills a replica with all that it knows, and starts it again.
    pub(super) fn restart(&self, replica: &Replica) {
        let tasks = std::mem::take(&mut replica.process.lock().unwrap().tasks);
        for task in tasks {
            self.simulation.kill(task);
        }
        let process = start(&self.simulation, &replica.name, &replica.log, &replica.clock);
        *replica.process.lock().unwrap() = process;
    }

    /// Ends all faults, and lets everything come to rest.
    pub(super) fn calm(&self) {
        for replica in &self.replicas {
            replica.log.set_faults(Faults::default());
            replica.log.set_cut(false);
            replica.log.set_deaf(false);
        }
        self.log.set_full(false);
        self.simulation.run_for(Duration::from_secs(60));
    }

    /// Waits until all replicas have loaded what is there.
    pub(super) fn settle(&self) {
        self.simulation.run_for(Duration::from_secs(5));
    }

    /// The exposition of all replicas, which has to be the same, and that of one that is started now.
    pub(super) fn exposition(&self) -> String {
        let fresh = Self {
            replicas: vec![Arc::new(Replica {
                name: "fresh".to_owned(),
                log: self.log.replica(),
                clock: Arc::clone(&self.replicas[0].clock),
                process: Mutex::new(start(
                    &self.simulation,
                    "fresh",
                    &self.log.replica(),
                    &self.replicas[0].clock,
                )),
            })],
            ..self.clone()
        };
        self.simulation.run_for(Duration::from_secs(30));
        let expected = fresh.replicas[0].seen();
        for replica in self.replicas.iter().chain(&fresh.replicas) {
            replica.store().audit(true).unwrap();
        }
        for replica in &self.replicas {
            assert_eq!(
                replica.seen(),
                expected,
                "{} differs from a fresh one",
                replica.name
            );
        }
        for task in std::mem::take(&mut fresh.replicas[0].process.lock().unwrap().tasks) {
            self.simulation.kill(task);
        }
        expected
    }
}

fn start(simulation: &Simulation, name: &str, log: &SimulatedLog, clock: &Arc<WallClock>) -> Process {
    let store = Store::new(Reserved::default(), 1 << 24);
    let writer = simulation.below(u64::MAX);
    let mut sharing = Sharing::new(name.to_owned(), writer, Arc::clone(clock) as Arc<dyn Clock>);
    sharing.undo_max_bytes = UNDO_MAX_BYTES;
    sharing.lanes = 1 + u16::try_from(simulation.below(4)).unwrap();
    let (store, tasks) = store.share(log.clone(), simulation.clone(), sharing);
    let tasks = tasks.run.into_iter().map(|task| simulation.spawn(task)).collect();
    Process { store, tasks }
}

impl Replica {
    pub(super) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.process.lock().unwrap().store)
    }

    /// All that can be seen, in text.
    pub(super) fn seen(&self) -> String {
        let store = self.store();
        let mut all = exposition(&store.snapshot());
        for held in store.held_back() {
            writeln!(all, "held {} {} {}", held.family, held.key, held.series).unwrap();
        }
        all
    }

    pub(super) fn timer(&self) -> Simulation {
        self.clock.simulation.clone()
    }

    pub(super) fn set_wrong_by(&self, seconds: i64) {
        self.clock
            .wrong_by
            .store(seconds * 1_000_000_000, Ordering::Relaxed);
    }

    /// A push, up to its answer.
    pub(super) async fn push(&self, path: &str, mode: PushMode, body: &str, ttl: Option<Ttl>) -> Answer {
        self.push_once((path, mode, body), ttl, None).await
    }

    /// The same with an id.
    pub(super) async fn push_once(
        &self,
        (path, mode, body): (&str, PushMode, &str),
        ttl: Option<Ttl>,
        once: Option<PushId>,
    ) -> Answer {
        let options = text::Options {
            names: NameRule::Utf8,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let pushed = {
            let options = PushOptions {
                note: None,
                mode,
                ttl,
                counters: Counters::Total,
                now: self.clock.now(),
                once,
                facts: Facts::default(),
                memory: &Meter::unlimited(),
                patience: Patience::Unlimited,
            };
            self.store().push_with(&key(path), &exposition, &options)
        };
        answer(pushed).await
    }

    /// Something is said of the pushes that are still to come.
    pub(super) async fn note(&self, path: &str, note: Note<'_>) -> Answer {
        let noted = self.store().set_note(&key(path), note, self.clock.now());
        answer(noted).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        let deleted = self.store().delete(&key(path)).map(|(_, commit)| commit);
        answer(deleted).await
    }

    pub(super) async fn delete_families(&self, path: &str, names: &[&str]) -> Answer {
        let deleted = self
            .store()
            .delete_families(&key(path), names)
            .map(|(_, commit)| commit);
        answer(deleted).await
    }

    pub(super) async fn reset(&self, path: &str) -> Answer {
        let now = self.clock.now();
        let reset = self
            .store()
            .reset(&key(path), Gauges::Sum, now, &Meter::unlimited());
        answer(reset.map(|(_, commit)| commit)).await
    }

    /// A removal, up to its answer, and whether it can be undone.
    pub(super) async fn remove<T>(
        &self,
        remove: impl FnOnce(&Store) -> Result<RemovedNow<T>, PushError>,
    ) -> (Answer, Option<Receipt>) {
        let removed = remove(&self.store());
        let outcome = match removed {
            Ok((_, commit, so_far)) => commit.wait_removed(so_far).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(receipt) => (Answer::Done, receipt),
            Err(PushError::Unavailable { .. }) => (Answer::Unavailable, None),
            Err(_) => (Answer::Refused, None),
        }
    }

    /// Undoes a removal, up to its answer.
    pub(super) async fn undo(&self, id: Revision, dry_run: bool) -> Result<Undone, UndoError> {
        let (store, now) = (self.store(), self.clock.now());
        store.shared_undo(id, dry_run, now).await
    }

    pub(super) async fn wipe(&self) -> Answer {
        let wiped = self.store().wipe().map(|(_, commit)| commit);
        answer(wiped).await
    }
}

async fn answer(commit: Result<Commit, PushError>) -> Answer {
    let outcome = match commit {
        Ok(commit) => commit.wait().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => Answer::Done,
        Err(PushError::Unavailable { .. }) => Answer::Unavailable,
        Err(_) => Answer::Refused,
    }
}
