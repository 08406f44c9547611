//! Opening the folder in which the groups are kept, or going without.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use wharf_gateway::NotDurable;
use wharf_ledger::{BoxError, Ledger, OpenError, Options, RealDisk, Replay, Replayed, Sequence, SyncMode};
use wharf_store::Store;

use super::removed::{self, Removed};
use super::settings::{Storage, StorageKind, Sync};
use super::state_file;

/// Loading that takes longer than this is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// So many records are read between two looks at the clock.
const LOOK_EVERY: u64 = 256;

/// Where the groups are kept, in the end.
#[derive(Debug)]
pub(super) enum Opened {
    /// In this folder.
    Folder(PathBuf, Ledger),
    /// In memory only; if nobody has asked for that, with the reason.
    Memory(Option<NotDurable>),
}

/// Loads what the folder has into an empty store, and makes the store keep its changes there. Blocks; a folder of
/// a million series takes a second or two.
///
/// A folder that nobody has named, that is not there and cannot be made is no reason not to start: the Pushgateway keeps
/// everything in memory unless it is told otherwise, so it starts wherever it is put.
///
/// Of a state file that is imported, a group may take so much memory until it is stored.
///
/// # Errors
/// If the folder cannot be used, or what is in it cannot be read. Nothing in it has changed then.
pub(super) fn open(
    settings: &Storage,
    place: StorageKind,
    store: &Arc<Store>,
    removed: &Removed,
    max_group_bytes: Option<u64>,
) -> anyhow::Result<Opened> {
    let StorageKind::Folder {
        path,
        import,
        is_named,
    } = place
    else {
        tracing::warn!("all groups are in memory only, and gone after a restart; see --storage.path");
        removed.keep_in_memory(store);
        return Ok(Opened::Memory(None));
    };
    let is_dispensable = !is_named && is_absent(&path);
    let import = import.map(|file| (file, max_group_bytes));
    match open_folder(settings, &path, import, store, removed) {
        Ok(ledger) => Ok(Opened::Folder(path, ledger)),
        Err(error) if is_dispensable && !is_in_use(&error) => {
            remove_what_was_made(&path);
            removed.keep_in_memory(store);
            let not_durable = NotDurable {
                folder: path.display().to_string(),
                reason: error.root_cause().to_string(),
            };
            tracing::error!(
                err = format!("{error:#}"),
                "all groups are in memory only, and gone after a restart"
            );
            Ok(Opened::Memory(Some(not_durable)))
        }
        Err(error) => Err(error),
    }
}

/// Whether nothing has this name. A link that leads nowhere is something: the folder behind it may come back.
fn is_absent(path: &Path) -> bool {
    // A slash at the end would follow a link.
    let path: PathBuf = path.components().collect();
    match fs::symlink_metadata(path) {
        Ok(_) => false,
        // In a folder that cannot even be searched we have never kept anything.
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied),
    }
}

/// Whether another process has come first, and has made the folder meanwhile.
fn is_in_use(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref();
    matches!(error, Some(OpenError::InUse { .. }))
}

/// Leaves no half of a folder behind, which would stop the next start. It was not there before this one.
fn remove_what_was_made(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        // What cannot be removed stays, and the folder with it.
        let _removed = fs::remove_file(entry.path());
    }
    let _removed = fs::remove_dir(path);
}

fn open_folder(
    settings: &Storage,
    path: &Path,
    import: Option<(PathBuf, Option<u64>)>,
    store: &Arc<Store>,
    removed: &Removed,
) -> anyhow::Result<Ledger> {
    let started = Instant::now();
    let disk = RealDisk::new(path).with_context(|| {
        format!(
            "open the folder {} (another one can be named with --storage.path; none, with --storage.path=)",
            path.display()
        )
    })?;
    let sync = match settings.sync {
        Sync::Always => SyncMode::Always,
        Sync::Every(interval) => SyncMode::Every(interval),
    };
    let options = Options {
        segment_bytes: settings.segment_bytes,
        sync,
        ..Options::default()
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (mut records, mut replaced) = (0, 0);
    let opened = store.load(processors, |loading| {
        let mut told = Told {
            loading,
            removed,
            path,
            store,
            reported: started,
            seen: 0,
            records: 0,
        };
        let opened = Ledger::open_looking_ahead(Arc::new(disk), options, &mut told);
        records = told.records;
        replaced = loading.replaced();
        opened
    });
    let (ledger, recovery) = opened.with_context(|| format!("read the ledger in {}", path.display()))?;
    let is_new = recovery.last == Sequence(0) && recovery.checkpoint_records == 0;
    removed.keep_beneath(path, store);
    let other = store.attach(ledger.clone(), recovery.last, settings.sync == Sync::Always);
    if let Some(problem) = other {
        removed::report(&problem);
    }
    let totals = store.totals();
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(path = %path.display(), groups = totals.groups, series = totals.series, records, replaced, seconds, "stored groups loaded");
    tracing::debug!(recovery = ?recovery, "how the ledger was found");
    if let Some((file, max_group_bytes)) = import.filter(|_| is_new) {
        state_file::import(&file, store, max_group_bytes)?;
    }
    Ok(ledger)
}

/// Loads records, and tells how far it is.
struct Told<'t> {
    loading: &'t mut dyn Replay,
    removed: &'t Removed,
    path: &'t Path,
    store: &'t Store,
    /// When something was told last.
    reported: Instant,
    /// Records that were seen, many of them twice.
    seen: u64,
    /// Records that were replayed.
    records: u64,
}

impl Told<'_> {
    fn report(&mut self) {
        self.seen += 1;
        if self.seen.is_multiple_of(LOOK_EVERY) && self.reported.elapsed() > REPORT_EVERY {
            self.reported = Instant::now();
            tracing::info!(
                seen = self.seen,
                records = self.records,
                "loading the stored groups"
            );
        }
    }
}

impl Replay for Told<'_> {
    fn look_ahead(&mut self, record: Replayed<'_>) {
        // The folder is ours by now. It may still be refused, so nothing is forgotten yet.
        if self.removed.is_on() {
            self.removed.keep_beneath(self.path, self.store);
        }
        self.loading.look_ahead(record);
        self.report();
    }

    fn replay(&mut self, record: Replayed<'_>) -> Result<(), BoxError> {
        self.removed.keep_beneath(self.path, self.store);
        self.loading.replay(record)?;
        self.records += 1;
        self.report();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.loading.finish()
    }
}
