//! The gateway as one of several that share their groups: waits for etcd, loads what is there, and carries changes to and fro.
//!
//! What cannot become better by itself ends the start: a certificate that is not trusted, a wrong password, an etcd that is too old. What
//! can is waited for, and the log says so.

pub(crate) mod settings;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;
use wharf_etcd::{Etcd, SystemTimer, Unusable};
use wharf_gateway::{Gateway, Life, Part, Parts, Started, random_number};
use wharf_ledger::{RealDisk, files_of_a_ledger};
use wharf_store::{SharedRules, SharedTasks, Sharing, Store, SystemClock};

use crate::config::{Config, ListenAddress};
use crate::parts::storage::settings::Folder;
use crate::version::BUILD;

/// For how long the replica may take to say that it goes.
const END_LIMIT: Duration = Duration::from_secs(5);
/// The pause before etcd is asked again whether it can be used.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the log says that it cannot.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked at whether all groups are there, at the start.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// And how the replica is, after that.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// A replica whose store is there, and whose tasks do not run yet.
pub(crate) struct Replica {
    etcd: Etcd,
    tasks: SharedTasks,
    name: String,
}

/// Lets the changes of a store go to etcd.
pub(crate) fn share(config: &Config, store: Store, rules: SharedRules) -> (Arc<Store>, Replica) {
    let etcd = Etcd::new(config.replica.of_etcd());
    let (name, address) = (own_name(config), own_address(config));
    let sharing = Sharing {
        max_lag: config.replica_limits.max_lag,
        engine: "etcd",
        address,
        version: BUILD.version.to_owned(),
        rules,
        compacts: config.replica.compact,
        undo_max_age: config.undo.max_age,
        undo_max_bytes: config.undo.max_bytes,
        ..Sharing::new(name.clone(), random_number(), Arc::new(SystemClock))
    };
    let (store, tasks) = store.share(etcd.clone(), SystemTimer::start(), sharing);
    (store, Replica { etcd, tasks, name })
}

/// What this machine is called, and where it listens. Two gateways of a machine cannot have the same.
fn host_and_port(config: &Config) -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let port = config.listen.addresses.first().map_or(0, ListenAddress::port);
    if port == 0 {
        // Any port: nobody knows it yet.
        return format!("{host}-{}", std::process::id());
    }
    format!("{host}:{port}")
}

pub(crate) fn own_name(config: &Config) -> String {
    config
        .replica
        .name
        .clone()
        .unwrap_or_else(|| host_and_port(config))
}

/// Where others find this gateway.
pub(crate) fn own_address(config: &Config) -> String {
    let url = config.routes.external_url.to_string();
    let given = config.replica.address.clone();
    given.unwrap_or_else(|| {
        if url.is_empty() {
            format!("http://{}", host_and_port(config))
        } else {
            url
        }
    })
}

/// Starts it. It is ready when all groups that are in etcd are here. The folder, if one is named, has what is about this replica
/// alone: its history, and the list of who did what.
pub(crate) fn start(
    parts: &mut Parts,
    replica: Replica,
    folder: Folder,
    gateway: Arc<Gateway>,
) -> (Started, Arc<OnceLock<PathBuf>>) {
    let named = Arc::new(OnceLock::new());
    let opened = Arc::clone(&named);
    let part = Part::new("replica").ends_within(END_LIMIT);
    let started = parts.task(part, async move |life: Life| {
        if let Some(folder) = usable(folder)? {
            opened.get_or_init(|| folder);
        }
        Ok(run(&life, replica, &gateway).await?)
    });
    (started, named)
}

/// The folder, if somebody has named one: made if it is not there, and refused if it has groups, which would not be shown.
fn usable(folder: Folder) -> anyhow::Result<Option<PathBuf>> {
    let path = folder.path;
    if !folder.is_named || path.as_os_str().is_empty() {
        return Ok(None);
    }
    let shown = path.display();
    std::fs::create_dir_all(&path).with_context(|| format!("make the folder {shown}"))?;
    let disk = RealDisk::new(&path).with_context(|| format!("open the folder {shown}"))?;
    let of_ledger = files_of_a_ledger(&disk).with_context(|| format!("look into the folder {shown}"))?;
    if !of_ledger.is_empty() {
        bail!(
            "expected a folder without groups beside --storage.etcd, found some in {shown}\n\
             hint: `wharf ledger copy {shown} URL` brings them into etcd; name another folder, or none, for what is about this replica"
        );
    }
    Ok(Some(path))
}

async fn run(life: &Life, replica: Replica, gateway: &Gateway) -> anyhow::Result<()> {
    let Replica { etcd, tasks, name } = replica;
    let began = Instant::now();
    if !connect(life, &etcd, &name).await? {
        return Ok(());
    }
    let mut running: JoinSet<()> = tasks.run.into_iter().collect();
    let mut stopping = Box::pin(life.stopping());
    let mut watching = Watching::default();
    let mut is_loaded = false;
    let mut reported = Instant::now();
    loop {
        tokio::select! {
            () = &mut stopping => break,
            _ended = running.join_next() => bail!("a task that carries changes to etcd has ended"),
            () = tokio::time::sleep(if is_loaded { WATCH_EVERY } else { LOOK_EVERY }) => {}
        }
        let store = gateway.store();
        if !is_loaded && reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            let reason = store.failure().unwrap_or_default();
            tracing::warn!(err = reason, "waiting for the groups from etcd");
        }
        if !is_loaded && store.shared_status().is_some_and(|status| status.is_ready) {
            is_loaded = true;
            gateway.set_loaded();
            life.ready();
            let groups = store.totals().groups;
            tracing::info!(groups, took = ?began.elapsed(), "all groups have been loaded from etcd");
        }
        if is_loaded {
            watching.look(store, &etcd);
        }
    }
    running.shutdown().await;
    tasks.leave.await;
    Ok(())
}

/// Waits until etcd can be used. False if the process is to end before that.
async fn connect(life: &Life, etcd: &Etcd, name: &str) -> anyhow::Result<bool> {
    let mut reported: Option<Instant> = None;
    let mut stopping = Box::pin(life.stopping());
    loop {
        let about = tokio::select! {
            () = &mut stopping => return Ok(false),
            about = etcd.about() => about,
        };
        match about {
            Ok(about) => {
                tracing::info!(
                    replica = name,
                    member = etcd.asked(),
                    version = about.version,
                    bytes = about.bytes,
                    "groups are shared in etcd"
                );
                return Ok(true);
            }
            Err(Unusable::NotSo(reason)) => bail!("--storage.etcd: {reason}"),
            Err(Unusable::NotNow(reason)) => {
                if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                    reported = Some(Instant::now());
                    tracing::warn!(err = reason, "etcd cannot be used yet; it is asked again");
                }
            }
        }
        tokio::select! {
            () = &mut stopping => return Ok(false),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// What the log has said of how the replica is.
#[derive(Debug, Default)]
struct Watching {
    is_failing: bool,
    differing: Vec<String>,
    held_back: usize,
    has_twin: bool,
}

impl Watching {
    /// Says what has changed.
    fn look(&mut self, store: &Store, etcd: &Etcd) {
        match store.failure() {
            Some(reason) if !self.is_failing => {
                self.is_failing = true;
                tracing::error!(
                    err = reason,
                    member = etcd.asked(),
                    "pushes cannot be stored and are refused until they can"
                );
            }
            None if self.is_failing => {
                self.is_failing = false;
                tracing::info!(member = etcd.asked(), "pushes are stored again");
            }
            _ => {}
        }
        let Some(status) = store.shared_status() else {
            return;
        };
        if status.has_twin && !self.has_twin {
            tracing::error!(
                "another gateway has the name of this replica; give each its own with --replica.name"
            );
        }
        self.has_twin = status.has_twin;
        let differing = status.differs.map(|differs| differs.settings).unwrap_or_default();
        if differing != self.differing {
            if differing.is_empty() {
                tracing::info!("settings are those of the other replicas again");
            } else {
                let settings = differing.join(", ");
                tracing::warn!(
                    settings,
                    "settings are not those of the replica that has set them last"
                );
            }
            self.differing = differing;
        }
        let held_back = store.held_back().len();
        if held_back > self.held_back {
            tracing::warn!(
                families = held_back,
                "families that are not shown, since replicas took what contradicts in the same moment"
            );
        } else if held_back == 0 && self.held_back > 0 {
            tracing::info!("all families are shown again");
        }
        self.held_back = held_back;
    }
}
