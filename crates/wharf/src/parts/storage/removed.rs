//! Where what was removed is kept.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use wharf_gateway::Gateway;
use wharf_ledger::{Archive, Disk, RealDisk};
use wharf_store::{Clock, RemovedSettings, Store};

use super::settings::Undo;

/// Beneath the folder of the groups.
const FOLDER: &str = "removed";

/// Makes a store keep what is removed.
pub(super) struct Removed {
    settings: Undo,
    clock: Arc<dyn Clock>,
    /// Whether it does.
    is_kept: Cell<bool>,
}

impl Removed {
    pub(super) fn new(settings: Undo, gateway: &Gateway) -> Self {
        Self {
            settings,
            clock: gateway.clock(),
            is_kept: Cell::new(false),
        }
    }

    /// Whether anything is kept.
    pub(super) fn is_on(&self) -> bool {
        self.settings.is_on()
    }

    /// In a folder beneath that of the groups, which nobody else has; it is made when something is removed. The first call counts, which has to come before the first
    /// record is replayed.
    pub(super) fn keep_beneath(&self, folder: &Path, store: &Store) {
        if self.is_kept.replace(true) {
            return;
        }
        let folder = folder.join(FOLDER);
        if !self.settings.is_on() {
            forget(&folder);
            return;
        }
        self.keep(store, Some(Arc::new(RealDisk::made_late(folder))));
    }

    /// In memory, as the groups.
    pub(super) fn keep_in_memory(&self, store: &Store) {
        if self.settings.is_on() && !self.is_kept.replace(true) {
            self.keep(store, None);
        }
    }

    fn keep(&self, store: &Store, disk: Option<Arc<dyn Disk>>) {
        let problems = store.keep_removed(&RemovedSettings {
            max_age: self.settings.max_age,
            max_bytes: self.settings.max_bytes,
            clock: Arc::clone(&self.clock),
            disk,
        });
        for problem in problems {
            report(&problem);
        }
    }
}

/// Says that something of what was removed cannot be undone any more.
pub(super) fn report(problem: &str) {
    tracing::error!(err = problem, "some of what was removed cannot be undone");
}

/// Nothing is to be kept any more, so neither is what was.
fn forget(folder: &Path) {
    let Ok(disk) = RealDisk::existing(folder) else {
        return;
    };
    let opened = Archive::open(Arc::new(disk), u64::MAX, &mut |_| {});
    let forgotten = opened.and_then(|(mut archive, _damage)| archive.clear());
    if let Err(error) = forgotten {
        tracing::warn!(err = %error, "cannot remove what was kept of removals");
    }
}
