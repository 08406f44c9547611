//! From checked settings to a gateway that serves, and its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use tokio::runtime::Handle;
use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{Gateway, Life, Loader, Part, Parts, Policy, Settings, SettingsFile, Shutdown, Statsd};
use wharf_http::{
    BuildInformation, ConnectionRoom, EntryPoint, HttpSettings, Listener, Service, Status, serve,
};
use wharf_store::{Clock, SystemClock};

use crate::config::{Config, StorageKind};
use crate::config_file;
use crate::descriptors;
use crate::entry_points;
use crate::freed;
use crate::logging;
use crate::parts::replica::{self, Replica};
use crate::parts::statsd::{self, Intake, Relay, Sockets};
use crate::parts::{
    alerting, audit, backups, changes, cooling, expectations, expiry, history, notices, signals, storage,
    traces,
};
use crate::version::BUILD;

/// Serves until a signal or a request ends it. Everything that goes wrong is in the log.
pub fn run(config: &Config) -> ExitCode {
    if logging::install(config.log, log_time).is_err() {
        return ExitCode::FAILURE;
    }
    tracing::info!(version = BUILD.info(), "starting wharf");
    tracing::info!(build_context = BUILD.context(), "Build context");
    match try_run(config) {
        Ok(()) => {
            tracing::info!("HTTP server stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(err = format!("{error:#}"), "HTTP server stopped");
            ExitCode::FAILURE
        }
    }
}

/// The gateway, alone or as one of several.
fn gateway(
    config: &Config,
    connections: ConnectionRoom,
    web_configs: Vec<Arc<dyn SettingsFile>>,
    intake: Option<&Arc<Intake>>,
) -> anyhow::Result<(Gateway, Option<Replica>)> {
    let mut settings = settings(config, connections);
    settings.statsd = intake.map(|intake| Arc::clone(intake) as Arc<dyn Statsd>);
    let telemetry = Telemetry::new(build_labels());
    let clock = Box::new(SystemClock);
    let rules = rules(config)?;
    if !config.replica.is_one() {
        return Ok((Gateway::new(settings, telemetry, clock, rules, web_configs), None));
    }
    let share = |store, rules| replica::share(config, store, rules);
    let (gateway, replica) = Gateway::shared(settings, telemetry, clock, rules, web_configs, share);
    Ok((gateway, Some(replica)))
}

/// What takes lines of `StatsD`, if there is a way in for them.
fn intake(config: &Config) -> anyhow::Result<Option<Arc<Intake>>> {
    if !config.statsd.is_on() {
        return Ok(None);
    }
    let replica = config.replica.is_one().then(|| replica::own_name(config));
    let intake = Intake::new(&config.statsd, replica, Arc::new(SystemClock));
    let intake = intake.map_err(|why| anyhow!("--statsd.mapping-config: {why}"))?;
    let relay = Relay::open(&config.statsd).map_err(|why| anyhow!(why))?;
    Ok(Some(Arc::new(intake.with_relay(relay))))
}

fn log_time() -> SystemTime {
    let since_epoch = u64::try_from(SystemClock.now().0).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_nanos(since_epoch)
}

fn try_run(config: &Config) -> anyhow::Result<()> {
    let (external, internal) = (config.routes.external_prefix(), config.routes.internal_prefix());
    tracing::debug!(url = %config.routes.external_url, "external URL");
    tracing::debug!(path = external.as_str(), "path prefix used externally");
    tracing::debug!(path = internal.as_str(), "path prefix for internal routing");

    descriptors::raise_limit();
    let connections = descriptors::share(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(freed::give_back_if_asked)
        .build()
        .context("start the runtime")?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::default();
        let mut parts = Parts::new(shutdown.clone());
        let (addresses, access_controls) = entry_points::of(&config.listen, &config.aggregate)?;
        let web_configs = access_controls
            .into_iter()
            .map(|access| access as Arc<dyn SettingsFile>);
        let intake = intake(config)?;
        let (gateway, replica) = gateway(config, connections, web_configs.collect(), intake.as_ref())?;
        let gateway = Arc::new(gateway.with_readiness(parts.readiness()));
        if let Some(intake) = &intake {
            intake.set_store(gateway.store(), &config.pushes);
        }
        let service = Service::new(
            Arc::clone(&gateway),
            http_settings(config, connections),
            status(config),
            shutdown.clone(),
        )
        .context("--web.cors.origin")?;
        // Signals first: whoever sees that we listen may send one.
        signals::start(&mut parts, Arc::clone(&gateway), shutdown)?;
        let listeners = entry_points::open(&config.listen, &addresses)?;
        let sockets = Sockets::open(&config.statsd)?;
        sockets.check_relay(intake.as_ref().and_then(|intake| intake.relay()))?;
        let statsd = intake.map(|intake| (intake, sockets));
        start(
            &mut parts,
            config,
            (replica, statsd),
            Arc::new(service),
            listeners,
        )
        .await?;
        Ok(parts.run().await?)
    });
    // Nobody waits any more for the passwords that are still being checked.
    runtime.shutdown_background();
    served
}

/// For how long connections wait for the stored groups before they are answered without.
const QUIET_LOADING: Duration = Duration::from_secs(1);

/// How much longer than the requests in flight their connections may take to end.
const CONNECTIONS_END: Duration = Duration::from_secs(5);

/// Starts everything that runs beside requests, and then those.
async fn start(
    parts: &mut Parts,
    config: &Config,
    (replica, statsd): (Option<Replica>, Option<(Arc<Intake>, Sockets)>),
    service: Arc<Service>,
    listeners: Vec<(Listener, Arc<EntryPoint>)>,
) -> anyhow::Result<()> {
    let of_gateway = || Arc::clone(service.gateway());
    if config.rules.file.is_some() {
        // A reload may say where they go.
        traces::start(parts, of_gateway()).context("start sending traces")?;
    }
    let (storage, folder) = match replica {
        Some(replica) => replica::start(parts, replica, config.storage.folder.clone(), of_gateway()),
        None => storage::start(
            parts,
            (config.storage.clone(), config.undo),
            config.place(),
            of_gateway(),
        )
        .context("start the storage")?,
    };
    history::start(parts, of_gateway(), storage, Arc::clone(&folder)).context("start the history")?;
    audit::start(parts, of_gateway(), storage, folder).context("start the audit list")?;
    if let Some(folder) = config.backups.folder.clone() {
        backups::start(parts, of_gateway(), folder).context("start looking for backups")?;
    }
    expiry::start(parts, of_gateway(), storage).context("start the expiry")?;
    if service.gateway().may_expect() {
        let watching =
            expectations::start(parts, of_gateway(), storage).context("start watching for missed jobs")?;
        if service.gateway().may_alert() {
            alerting::start(parts, of_gateway(), watching).context("start sending alerts")?;
        }
    }
    cooling::start(parts, of_gateway(), storage, Handle::current()).context("start the cooling")?;
    changes::start(parts, of_gateway(), storage).context("start the booking of changes")?;
    notices::start(parts, of_gateway(), storage).context("start the notices")?;
    if let Some((intake, sockets)) = statsd {
        let (job, of_intake) = (config.statsd.job.clone(), || Arc::clone(&intake));
        let keeping = statsd::start_keeping(parts, of_gateway(), of_intake(), job, storage)
            .context("start keeping StatsD series")?;
        let max_connections = config.statsd.max_connections.get() as u64;
        statsd::start_listening(parts, of_intake(), sockets, max_connections, keeping)
            .context("start taking StatsD lines")?;
    }
    // Mostly that is done before anybody notices. If it takes longer, requests are answered meanwhile: with 503, but for health
    // checks.
    let _ready_or_not = tokio::time::timeout(QUIET_LOADING, parts.all_ready()).await;
    let grace = config.shutdown.timeout;
    let part = Part::new("http").ends_within(grace + CONNECTIONS_END);
    parts.task(part, async move |life: Life| {
        life.ready();
        Ok(serve(listeners, service, grace).await.context("serve")?)
    });
    Ok(())
}

/// The rules of the configuration file, and how to read them again.
fn rules(config: &Config) -> anyhow::Result<(Policy, Option<Loader>)> {
    let Some(path) = config.rules.file.clone() else {
        return Ok((Policy::default(), None));
    };
    let names = config.pushes.names;
    let policy = config_file::read(&path, names).context("--config.file")?;
    let loader = move || config_file::read(&path, names).map_err(|error| error.to_string());
    Ok((policy, Some(Box::new(loader))))
}

/// The settings of the use cases: those of the flags, and what follows from several of them.
pub(crate) fn settings(config: &Config, connections: ConnectionRoom) -> Settings {
    Settings {
        pushes: config.pushes.clone(),
        push_limits: config.push_limits,
        amounts: config.amounts,
        memory: config.memory,
        admin: config.admin,
        max_push_bytes: config.bodies.max_bytes.saturating_mul(LABEL_GROWTH),
        history_bytes: config.history.max_bytes,
        external_url: replica::own_address(config).into(),
        aggregate_job: config.aggregate.job.as_str().into(),
        max_followers: (connections.max / FOLLOWER_SHARE).clamp(1, MAX_FOLLOWERS),
        replicas: config.replica_limits,
        expect: config.expect,
        statsd: None,
        max_waiting: (http_settings(config, connections).max_requests_in_flight() / WAITING_SHARE).max(1),
    }
}

/// How much larger than its body a push may become with the labels of its group on every line.
const LABEL_GROWTH: usize = 8;
/// Those who follow changes at once: each has a connection and a timer.
const MAX_FOLLOWERS: usize = 100;
/// And one of so many connections.
const FOLLOWER_SHARE: usize = 8;
/// Of the requests at once, one of so many may be a push that waits for its turn, and as many a request with selectors: half
/// of them is always for what is quick.
const WAITING_SHARE: usize = 4;

fn http_settings(config: &Config, connections: ConnectionRoom) -> HttpSettings {
    HttpSettings {
        routes: config.routes.clone(),
        bodies: config.bodies.clone(),
        limits: config.requests,
        timeouts: config.timeouts.clone(),
        connections,
    }
}

fn status(config: &Config) -> Status {
    Status {
        build_information: BuildInformation {
            branch: BUILD.branch.to_owned(),
            build_date: BUILD.build_date.to_owned(),
            build_user: BUILD.build_user.to_owned(),
            go_version: BUILD.compiler.to_owned(),
            revision: BUILD.revision.to_owned(),
            version: BUILD.version.to_owned(),
        },
        flags: config
            .flags()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        storage_path: match config.place() {
            // Its groups are elsewhere.
            _ if config.replica.is_one() => None,
            StorageKind::Folder { path, .. } => Some(path.display().to_string()),
            StorageKind::Memory => None,
        },
        config_file: config.rules.file.as_ref().map(|path| path.display().to_string()),
    }
}

pub(crate) fn build_labels() -> BuildLabels {
    BuildLabels {
        branch: BUILD.branch,
        goarch: BUILD.arch,
        goos: BUILD.os,
        goversion: BUILD.compiler,
        revision: BUILD.revision,
        tags: BUILD.tags,
        version: BUILD.version,
    }
}
