//! The folder in which the groups are kept: opening it, importing what the original left, looking after it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use wharf_exposition::protobuf;
use wharf_http::{Gateway, NotDurable};
use wharf_ledger::{Ledger, OpenError, Options, RealDisk, Sequence, SyncMode};
use wharf_store::{Kept, Revision, Store};

use crate::config::{Config, Place, StorageSync};
use crate::import;

/// How often the ledger is looked after.
const KEEP_EVERY: Duration = Duration::from_millis(50);
/// How often groups are looked for whose time is over. That is within a second of it, as promised, with room to
/// spare; and there is one line in the log each time that something expires.
const EXPIRE_EVERY: Duration = Duration::from_millis(250);
/// How often what goes on is taken down, and readers are told of changes.
const OBSERVE_EVERY: Duration = Duration::from_millis(250);
/// The history is written each so many times.
const SAVE_ROUNDS: u32 = 4;
/// Loading that takes longer than this is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Where the groups are kept, in the end.
#[derive(Debug)]
pub(crate) enum Opened {
    /// In this folder.
    Folder(PathBuf, Ledger),
    /// In memory only; if nobody has asked for that, with the reason.
    Memory(Option<NotDurable>),
}

/// Loads what the folder has into an empty store, and makes the store keep its changes there. Blocks; a folder of
/// a million series takes a second or two.
///
/// A folder that nobody has named, that is not there and cannot be made is no reason not to start: the original keeps
/// everything in memory unless it is told otherwise, so it starts wherever it is put.
///
/// # Errors
/// If the folder cannot be used, or what is in it cannot be read. Nothing in it has changed then.
pub(crate) fn open(config: &Config, store: &Arc<Store>) -> anyhow::Result<Opened> {
    let Place::Folder {
        path,
        import,
        is_named,
    } = config.place()
    else {
        tracing::warn!("all groups are in memory only, and gone after a restart; see --storage.path");
        return Ok(Opened::Memory(None));
    };
    let is_dispensable = !is_named && is_absent(&path);
    match open_folder(config, &path, import, store) {
        Ok(ledger) => Ok(Opened::Folder(path, ledger)),
        Err(error) if is_dispensable && !is_in_use(&error) => {
            remove_what_was_made(&path);
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
    config: &Config,
    path: &Path,
    import: Option<PathBuf>,
    store: &Arc<Store>,
) -> anyhow::Result<Ledger> {
    let started = Instant::now();
    let disk = RealDisk::new(path).with_context(|| {
        format!(
            "open the folder {} (another one can be named with --storage.path; none, with --storage.path=)",
            path.display()
        )
    })?;
    let sync = match config.storage.sync {
        StorageSync::Always => SyncMode::Always,
        StorageSync::Every(interval) => SyncMode::Every(interval),
    };
    let options = Options {
        segment_bytes: config.storage.segment.0,
        sync,
        ..Options::default()
    };
    let (mut records, mut reported) = (0u64, started);
    let mut replay = |replayed: wharf_ledger::Replayed<'_>| {
        store.replay_at(Revision(replayed.sequence.0), replayed.record)?;
        records += 1;
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            tracing::info!(
                records,
                series = store.totals().series,
                "loading the stored groups"
            );
        }
        Ok(())
    };
    let (ledger, recovery) = Ledger::open(Arc::new(disk), options, &mut replay)
        .with_context(|| format!("read the ledger in {}", path.display()))?;
    let is_new = recovery.last == Sequence(0) && recovery.checkpoint_records == 0;
    store.attach(
        ledger.clone(),
        recovery.last,
        config.storage.sync == StorageSync::Always,
    );
    let totals = store.totals();
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(path = %path.display(), groups = totals.groups, series = totals.series, records, seconds, "stored groups loaded");
    tracing::debug!(recovery = ?recovery, "how the ledger was found");
    if let Some(file) = import.filter(|_| is_new) {
        import_file(&file, store)?;
    }
    Ok(ledger)
}

/// Reads a state file of the original into the store, and writes a checkpoint, so that it is read only once.
fn import_file(file: &Path, store: &Store) -> anyhow::Result<()> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| how_to_go_on(file)),
    };
    let imported = import::read(&bytes).with_context(|| how_to_go_on(file))?;
    let mut left_out = imported.skipped.len();
    for skipped in &imported.skipped {
        tracing::warn!(file = %file.display(), what = %skipped, "left out of the import");
    }
    for group in &imported.groups {
        if let Err(error) = import_group(group, store) {
            left_out += 1;
            tracing::warn!(file = %file.display(), group = %group.key, err = format!("{error:#}"), "left out of the import");
        }
    }
    store.checkpoint(false).context("write what was imported")?;
    let totals = store.totals();
    tracing::info!(file = %file.display(), groups = totals.groups, series = totals.series, left_out, "state file of the Pushgateway imported; it is left as it is");
    Ok(())
}

fn how_to_go_on(file: &Path) -> String {
    format!(
        "import the state file {file}: to start without what is in it, move it away; it has not been changed",
        file = file.display()
    )
}

fn import_group(group: &import::ImportedGroup, store: &Store) -> anyhow::Result<()> {
    let mut body = Vec::new();
    for family in &group.families {
        protobuf::write_length(&mut body, family.message.len());
        body.extend_from_slice(&family.message);
    }
    let exposition = protobuf::decode(&body).map_err(|error| anyhow!("{error}"))?;
    let newest = group
        .families
        .iter()
        .map(|family| family.pushed_at)
        .max()
        .unwrap_or_default();
    let pushed_at = |name: &str| {
        let family = group.families.iter().find(|family| family.name == name);
        family.map_or(newest, |family| family.pushed_at)
    };
    store.import(&group.key, &exposition, pushed_at)?;
    Ok(())
}

/// Threads that look after the ledger, take away what has expired, and watch what goes on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn start(gateway: Arc<Gateway>, checkpoint_bytes: u64) -> std::io::Result<Self> {
        let mut keeper = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        let (keeping, mut care) = (Arc::clone(&gateway), Care::default());
        keeper.spawn("keeper", KEEP_EVERY, move || {
            care.keep(keeping.store(), checkpoint_bytes);
        })?;
        // Apart from the other, which is busy for as long as a checkpoint takes.
        let expiring = Arc::clone(&gateway);
        keeper.spawn("expiry", EXPIRE_EVERY, move || expiring.expire())?;
        // And apart from both, which must not wait for a history that is being written.
        let mut rounds = 0u32;
        keeper.spawn("observer", OBSERVE_EVERY, move || {
            gateway.observe();
            if rounds.is_multiple_of(SAVE_ROUNDS) {
                gateway.measure();
                gateway.save_history();
            }
            rounds = rounds.wrapping_add(1);
        })?;
        Ok(keeper)
    }

    /// Does something again and again, with this pause between.
    fn spawn(
        &mut self,
        name: &str,
        pause: Duration,
        mut work: impl FnMut() + Send + 'static,
    ) -> std::io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                work();
                std::thread::park_timeout(pause);
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // If it has panicked, the panic is in the log.
            let _ended = thread.join();
        }
    }
}

/// What is known of a ledger that is looked after.
#[derive(Debug, Default)]
struct Care {
    /// Pushes are refused, and that is in the log.
    is_failing: bool,
    /// The last checkpoint could not be written, and that is in the log.
    is_behind: bool,
    not_before: Option<Instant>,
}

impl Care {
    fn keep(&mut self, store: &Store, checkpoint_bytes: u64) {
        if let Some(reason) = store.failure()
            && !self.is_failing
        {
            self.is_failing = true;
            tracing::error!(
                err = reason,
                "pushes cannot be stored and are refused until they can"
            );
        }
        let began = Instant::now();
        if self.not_before.is_some_and(|not_before| began < not_before) {
            return;
        }
        match store.keep(checkpoint_bytes) {
            Ok(Kept::Nothing) => {}
            Ok(Kept::Checkpointed) => {
                self.is_behind = false;
                tracing::debug!(groups = store.totals().groups, "checkpoint written");
            }
            Ok(Kept::Restarted) => {
                (self.is_failing, self.is_behind) = (false, false);
                tracing::info!("pushes are stored again");
            }
            Err(error) => {
                // An attempt costs what is stored: those that fail must not cost a processor.
                self.not_before = Some(Instant::now() + began.elapsed() * 10);
                if self.is_failing || self.is_behind {
                    tracing::debug!(err = %error, "the disk still fails");
                } else {
                    self.is_behind = true;
                    tracing::error!(err = %error, "cannot write a checkpoint; the log grows until it can");
                }
            }
        }
    }
}
