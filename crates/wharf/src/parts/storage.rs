//! The storage: loads the stored groups, looks after their ledger while the gateway serves, and closes it at the end.

mod open;
mod removed;
pub(crate) mod settings;
mod state_file;
mod upkeep;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use wharf_gateway::Gateway;
use wharf_gateway::{Life, Part, Parts, Started};
use wharf_ledger::Ledger;
use wharf_store::Store;

use self::open::Opened;
use self::removed::Removed;
use self::settings::{Storage, StorageKind, Undo};
use self::upkeep::Upkeep;

/// How often the ledger is looked after.
const PAUSE: Duration = Duration::from_millis(50);

/// For how long the last checkpoint may take, and a load that was under way when the process was told to end. What is on disk is
/// sound without either.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Starts it, on a thread of its own. It is ready when the store has what the ledger has. Beside it the folder of the groups, which
/// is set by then if they are in one.
///
/// # Errors
/// If the system has no thread for it.
pub(crate) fn start(
    parts: &mut Parts,
    settings: (Storage, Undo),
    place: StorageKind,
    gateway: Arc<Gateway>,
) -> std::io::Result<(Started, Arc<OnceLock<PathBuf>>)> {
    let folder = Arc::new(OnceLock::new());
    let opened = Arc::clone(&folder);
    let part = Part::new("storage").ends_within(END_LIMIT);
    let started = parts.thread(part, move |life| {
        let (storage, undo) = settings;
        Ok(run(life, (&storage, undo), place, &gateway, &opened)?)
    })?;
    Ok((started, folder))
}

fn run(
    life: &mut Life,
    (settings, undo): (&Storage, Undo),
    place: StorageKind,
    gateway: &Gateway,
    folder: &OnceLock<PathBuf>,
) -> anyhow::Result<()> {
    let ledger = load((settings, undo), place, gateway, folder)?;
    life.ready();
    let mut upkeep = Upkeep::new(settings.checkpoint_bytes, Instant::now);
    while life.turn(PAUSE) {
        if ledger.as_ref().is_some_and(Ledger::has_stopped) {
            // A bug: every push would be refused from now on. A new start has all that was acknowledged.
            bail!("the thread that writes to the storage folder has ended");
        }
        upkeep.turn(gateway.store());
    }
    ledger.map_or(Ok(()), |ledger| close(&ledger, gateway.store()))
}

/// Loads the stored groups, if there are any.
fn load(
    (settings, undo): (&Storage, Undo),
    place: StorageKind,
    gateway: &Gateway,
    folder: &OnceLock<PathBuf>,
) -> anyhow::Result<Option<Ledger>> {
    let removed = Removed::new(undo, gateway);
    let max_group_bytes = gateway.settings().pushes.max_decoded_bytes;
    let opened = open::open(settings, place, gateway.store(), &removed, max_group_bytes)?;
    // What has expired while nothing ran must not be seen again.
    gateway.expire();
    let ledger = match opened {
        Opened::Folder(path, ledger) => {
            folder.get_or_init(|| path);
            Some(ledger)
        }
        Opened::Memory(why) => {
            if let Some(why) = why {
                gateway.set_not_durable(why);
            }
            None
        }
    };
    gateway.set_loaded();
    Ok(ledger)
}

/// Leaves a short log behind, so that the next start is quick.
fn close(ledger: &Ledger, store: &Store) -> anyhow::Result<()> {
    if !ledger.failed()
        && let Err(error) = store.checkpoint(false)
    {
        // The log has everything that it would have had.
        tracing::warn!(err = %error, "cannot write the last checkpoint; the next start takes longer");
    }
    ledger.close().context("close the ledger")
}
