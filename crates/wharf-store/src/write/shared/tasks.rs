//! What has to run for changes to get to the log and back.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{SharedLog, Timer};

use super::applier::Applier;
use super::queue::Shared;
use super::reach::Way;
use super::{keeping, lanes, presence};
use crate::store::Store;

/// A task of the writer: it ends when it is dropped.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What carries changes to the log and back.
pub struct SharedTasks {
    /// What runs as long as the replica is there. None of it ends.
    pub run: Vec<Task>,
    /// What is done in the end, when the others have been dropped: the other replicas are told at once.
    pub leave: Task,
}

impl fmt::Debug for SharedTasks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedTasks").finish_non_exhaustive()
    }
}

/// How often those give up whose time is over.
const TICK: Duration = Duration::from_millis(50);

/// The tasks of a store whose writer is this one.
pub(crate) fn tasks<L: SharedLog, T: Timer>(
    store: &Arc<Store>,
    shared: &Arc<Shared>,
    log: L,
    timer: T,
) -> SharedTasks {
    let log = Arc::new(log);
    shared.set_reach(Way {
        log: Arc::clone(&log),
        timer: timer.clone(),
        limit: shared.sharing.answer_limit * 4,
    });
    let mut tasks: Vec<Task> = Vec::new();
    for number in 0..shared.sharing.lanes {
        let (store, shared) = (Arc::clone(store), Arc::clone(shared));
        tasks.push(Box::pin(lanes::run(
            store,
            shared,
            Arc::clone(&log),
            timer.clone(),
            number,
        )));
    }
    let applier = Applier {
        store: Arc::clone(store),
        shared: Arc::clone(shared),
        log: Arc::clone(&log),
        timer: timer.clone(),
    };
    tasks.push(Box::pin(applier.run()));
    let of_keeping = Arc::clone(store);
    let (store, of_replica) = (Arc::clone(store), Arc::clone(shared));
    tasks.push(Box::pin(presence::run(
        store,
        of_replica,
        Arc::clone(&log),
        timer.clone(),
    )));
    tasks.push(Box::pin(keeping::run(
        of_keeping,
        Arc::clone(shared),
        Arc::clone(&log),
        timer.clone(),
    )));
    let leave = Box::pin(presence::leave(Arc::clone(shared), log, timer.clone()));
    let shared = Arc::clone(shared);
    tasks.push(Box::pin(async move {
        loop {
            timer.sleep(TICK).await;
            let has_work = {
                let mut book = shared.book();
                book.tick((shared.now)());
                book.has_work()
            };
            if has_work {
                shared.work.ring();
            }
        }
    }));
    SharedTasks { run: tasks, leave }
}
