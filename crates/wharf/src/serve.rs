//! From checked settings to a gateway that serves, and its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use http::StatusCode;
use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{
    Gateway, Life, Lifespan, Loader, Part, Parts, Policy, PushLimits, Settings, SettingsFile, Shutdown,
};
use wharf_http::{
    BuildInformation, Door, Fixed, Front, HttpSettings, Listener, Origins, Purpose, Service, Status, serve,
};
use wharf_store::{Clock, SystemClock};

use crate::config::{Config, InstanceLabel, ListenAddress, Place, Timestamps};
use crate::config_file;
use crate::descriptors::{self, ForConnections};
use crate::listen::{bind, inherited};
use crate::logging;
use crate::parts::{expiry, history, notices, signals, storage};
use crate::version::BUILD;
use crate::web_config;

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

fn log_time() -> SystemTime {
    let since_epoch = u64::try_from(SystemClock.now().0).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_nanos(since_epoch)
}

fn try_run(config: &Config) -> anyhow::Result<()> {
    let (external, internal) = (config.web.external_prefix(), config.web.internal_prefix());
    tracing::debug!(url = %config.web.external_url, "external URL");
    tracing::debug!(path = external.as_str(), "path prefix used externally");
    tracing::debug!(path = internal.as_str(), "path prefix for internal routing");

    descriptors::raise_limit();
    let for_connections = descriptors::share(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::default();
        let mut parts = Parts::new(shutdown.clone());
        let (entrances, fronts) = entrances(config)?;
        let web_configs = fronts.into_iter().map(|front| front as Arc<dyn SettingsFile>);
        let gateway = Gateway::new(
            settings(config, for_connections),
            Telemetry::new(build_labels()),
            Box::new(SystemClock),
            rules(config)?,
            web_configs.collect(),
        );
        let gateway = Arc::new(gateway.with_readiness(parts.readiness()));
        let service = Service::new(
            Arc::clone(&gateway),
            http_settings(config, for_connections)?,
            status(config),
            shutdown.clone(),
        );
        // Signals first: whoever sees that we listen may send one.
        signals::start(&mut parts, Arc::clone(&gateway), shutdown)?;
        let listeners = listen(config, &entrances)?;
        start(&mut parts, config, Arc::new(service), listeners).await?;
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
    service: Arc<Service>,
    listeners: Vec<(Listener, Arc<Door>)>,
) -> anyhow::Result<()> {
    let of_gateway = || Arc::clone(service.gateway());
    let (storage, folder) =
        storage::start(parts, stored(config), of_gateway()).context("start the storage")?;
    history::start(parts, of_gateway(), storage, folder).context("start the history")?;
    expiry::start(parts, of_gateway(), storage).context("start the expiry")?;
    notices::start(parts, of_gateway(), storage).context("start the notices")?;
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

fn stored(config: &Config) -> storage::Settings {
    storage::Settings {
        place: config.place(),
        sync: config.storage.sync,
        segment: config.storage.segment,
        checkpoint: config.storage.checkpoint,
    }
}

/// The rules of the configuration file, and how to read them again.
fn rules(config: &Config) -> anyhow::Result<(Policy, Option<Loader>)> {
    let Some(path) = config.config_file.clone() else {
        return Ok((Policy::default(), None));
    };
    let names = config.push.names;
    let policy = config_file::read(&path, names).context("--config.file")?;
    let loader = move || config_file::read(&path, names).map_err(|error| error.to_string());
    Ok((policy, Some(Box::new(loader))))
}

fn settings(config: &Config, for_connections: ForConnections) -> Settings {
    Settings {
        admin_api: config.web.enable_admin_api,
        unchecked: !config.push.check_consistency,
        names: config.push.names,
        strip_timestamps: config.push.timestamps == Timestamps::Strip,
        instance_label: match &config.push.instance_label {
            InstanceLabel::Empty => wharf_store::InstanceLabel::Empty,
            InstanceLabel::Omit => wharf_store::InstanceLabel::Omit,
            InstanceLabel::Value(value) => wharf_store::InstanceLabel::Value(value.as_str().into()),
        },
        default_ttl: config
            .push
            .default_ttl
            .map_or(Lifespan::Unlimited, Lifespan::from),
        max_ttl: config.push.max_ttl,
        push_limits: PushLimits {
            max_labels_per_series: config.limits.max_labels_per_series,
            max_label_name_bytes: config.limits.max_label_name_bytes,
            max_label_value_bytes: config.limits.max_label_value_bytes,
        },
        max_push_bytes: config.push.max_body.to_usize().saturating_mul(LABEL_GROWTH),
        store_limits: wharf_store::Limits {
            max_groups: config.limits.max_groups,
            max_series: config.limits.max_series,
            max_push_series: config.limits.max_series_per_push,
            quotas: Vec::new(),
        },
        history_bytes: config.storage.history.to_usize(),
        max_followers: (for_connections.max / FOLLOWER_SHARE).clamp(1, MAX_FOLLOWERS),
    }
}

/// How much larger than its body a push may become with the labels of its group on every line.
const LABEL_GROWTH: usize = 8;
/// Those who follow changes at once: each has a connection and a timer.
const MAX_FOLLOWERS: usize = 100;
/// And one of so many connections.
const FOLLOWER_SHARE: usize = 8;

fn http_settings(config: &Config, for_connections: ForConnections) -> anyhow::Result<HttpSettings> {
    let forever = Duration::from_secs(u64::from(u32::MAX));
    let origins = Origins::new(config.web.external_url.origin(), &config.web.cors_origin);
    Ok(HttpSettings {
        origins: origins.context("--web.cors.origin")?,
        route_prefix: config.web.internal_prefix().as_str().to_owned(),
        external_prefix: config.web.external_prefix().as_str().to_owned(),
        telemetry_path: config.web.telemetry_path.clone(),
        lifecycle: config.web.enable_lifecycle,
        strict_text: config.push.strict_text,
        success_status: StatusCode::from_u16(config.push.success_status.code()).unwrap_or(StatusCode::OK),
        openmetrics: config.web.enable_openmetrics,
        max_body_bytes: config.push.max_body.to_usize(),
        max_requests_in_flight: max_requests(config, for_connections.max),
        max_scrapes_in_flight: config.limits.max_scrapes_in_flight.get(),
        max_connections: for_connections.max,
        max_ending: for_connections.max_ending,
        header_timeout: config.listen.header_timeout.unwrap_or(forever),
        body_timeout: config.listen.body_timeout.unwrap_or(forever),
        idle_timeout: config.listen.idle_timeout,
    })
}

/// Requests at once, at most as many as three of four connections can have: with the rest, whoever comes beyond them gets to
/// know it. Where there are few connections, each may have one.
fn max_requests(config: &Config, max_connections: usize) -> usize {
    let fitting = (max_connections - max_connections.div_ceil(4)).max(max_connections.min(A_FEW));
    config.limits.max_requests_in_flight.get().min(fitting)
}

/// So many connections are few.
const A_FEW: usize = 4;

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
            Place::Folder { path, .. } => Some(path.display().to_string()),
            Place::Memory => None,
        },
        config_file: config.config_file.as_ref().map(|path| path.display().to_string()),
    }
}

fn build_labels() -> BuildLabels {
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

/// Addresses that are behind one door.
struct Entrance<'c> {
    addresses: &'c [ListenAddress],
    door: Arc<Door>,
    /// What the web config file says that does not change.
    fixed: Option<Fixed>,
    /// What it serves, unless that is everything.
    serves: Option<String>,
}

/// The entrances: one for everything, or for what has no addresses of its own, and one for each thing that has. Beside
/// them what stands before the gateway at some of them.
fn entrances(config: &Config) -> anyhow::Result<(Vec<Entrance<'_>>, Vec<Arc<Front>>)> {
    let listen = &config.listen;
    let remaining = listen.remaining();
    let common = listen
        .config_file
        .as_deref()
        .map(|file| (file, "web.config.file".to_owned()));
    let mut parts = Vec::new();
    if !remaining.is_empty() {
        parts.push((remaining, listen.addresses.as_slice(), common.clone()));
    }
    for (purpose, part) in listen.parts() {
        if !part.addresses.is_empty() {
            let own = part.config_file.as_deref();
            let own = own.map(|file| (file, format!("web.{purpose}-config-file")));
            parts.push((
                vec![purpose],
                part.addresses.as_slice(),
                own.or_else(|| common.clone()),
            ));
        }
    }
    // A file that counts for several of them has one rate limit, and one memory for passwords.
    let mut fronts: Vec<(&Path, Arc<Front>, Fixed)> = Vec::new();
    let mut entrances = Vec::new();
    for (purposes, addresses, file) in parts {
        let is_open = |(file, _): &(&Path, String)| fronts.iter().any(|(open, ..)| open == file);
        if let Some((file, flag)) = file.clone().filter(|file| !is_open(file)) {
            let (front, fixed) = web_config::open(file, &flag)?;
            fronts.push((file, Arc::new(front), fixed));
        }
        let front = file.and_then(|(file, _)| fronts.iter().find(|(open, ..)| *open == file));
        let serves = purposes.iter().map(ToString::to_string).collect::<Vec<_>>();
        entrances.push(Entrance {
            addresses,
            fixed: front.map(|(_, _, fixed)| *fixed),
            serves: (purposes != Purpose::ALL).then(|| serves.join(",")),
            door: Arc::new(Door::new(front.map(|(_, front, _)| Arc::clone(front)), purposes)),
        });
    }
    Ok((entrances, fronts.into_iter().map(|(_, front, _)| front).collect()))
}

fn listen(config: &Config, entrances: &[Entrance<'_>]) -> anyhow::Result<Vec<(Listener, Arc<Door>)>> {
    let mut listeners = Vec::new();
    for entrance in entrances {
        let opened = if config.listen.systemd_socket {
            tracing::info!("Listening on systemd activated listeners instead of port listeners.");
            inherited()?
        } else {
            let bound = entrance.addresses.iter().map(bind);
            bound.collect::<anyhow::Result<_>>()?
        };
        for listener in opened {
            entrance.announce(&listener);
            listeners.push((listener, Arc::clone(&entrance.door)));
        }
    }
    Ok(listeners)
}

impl Entrance<'_> {
    fn announce(&self, listener: &Listener) {
        let address = listener.address();
        match &self.serves {
            None => tracing::info!(address, "Listening on"),
            Some(serves) => tracing::info!(address, serves, "Listening on"),
        }
        if let Some(Fixed { tls: true, http2, .. }) = self.fixed {
            tracing::info!(http2, address, "TLS is enabled.");
        } else {
            tracing::info!(http2 = false, address, "TLS is disabled.");
        }
    }
}
