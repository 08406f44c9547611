//! The gateway's metrics about itself. Every one of them is defined here.
//!
//! Recording takes a short lock or one atomic operation. [`Telemetry::exposition`] then makes ordinary families of
//! it all, so that every encoder knows what to do with them.
//!
//! The `pushgateway_` families and those of the process have the names, types and help texts of the Pushgateway, since
//! dashboards and alerts know them. Those of Wharf itself start with `wharf_`.

mod assemble;
mod audit;
mod backups;
mod family;
mod histogram;
mod ledger;
mod process;
mod sketch;
mod undo;
mod window;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::access::right::Right;
use crate::policy::QuotaGauge;
use wharf_model::{Exposition, Metric, MetricType};
use wharf_store::{RemovedStatus, ReservedFamily, UnixNanos, WriterStatistics};

use self::assemble::Assembly;
pub use self::backups::BackupTimes;
use self::family::{own, with_fixed_help};
use self::histogram::Histogram;
use self::process::Process;
pub use self::undo::Undos;
use self::window::WindowedSummary;
use crate::lock::lock;

/// What was counted and measured since the start of the process.
#[derive(Debug)]
pub struct Telemetry {
    build: BuildLabels,
    process: Process,
    requests: Mutex<BTreeMap<RequestLabels, u64>>,
    pushes: Mutex<BTreeMap<&'static str, PushSummaries>>,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
    turned_away: Mutex<BTreeMap<&'static str, u64>>,
    denied: Mutex<BTreeMap<Right, u64>>,
    stopped: Mutex<BTreeMap<&'static str, u64>>,
    scrapes: Mutex<Scrapes>,
    connections: AtomicU64,
    connections_gave_way: AtomicU64,
    connections_limit: AtomicU64,
    requests_in_flight: AtomicU64,
    groups_deleted: AtomicU64,
    undos: Undos,
    actions: Mutex<audit::Actions>,
    /// Those that are gone altogether, and those whose push times stay.
    groups_expired: [AtomicU64; 2],
    metrics_dropped: AtomicU64,
}

/// The labels of `pushgateway_build_info`. `goversion` carries the version of the Rust compiler.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the fields are the labels")]
pub struct BuildLabels {
    pub branch: &'static str,
    pub goarch: &'static str,
    pub goos: &'static str,
    pub goversion: &'static str,
    pub revision: &'static str,
    pub tags: &'static str,
    pub version: &'static str,
}

/// What is at the moment of a scrape: how much the store holds, and whether what was read from files is in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoreGauges {
    /// Number of groups.
    pub groups: u64,
    /// How many of them have a time to live.
    pub expiring: u64,
    /// Number of series.
    pub series: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// Families of groups with histograms that contradict themselves.
    pub contradicting: u64,
    /// Pushes that wait for their turn.
    pub pushes_waiting: u64,
    /// What the quotas allow, and how much of it is taken, in their order.
    pub quotas: Vec<QuotaGauge>,
    /// How removals are kept; none if they are not.
    pub removed: Option<RemovedStatus>,
    /// What the ledger has done; none: the groups are in memory only.
    pub ledger: Option<WriterStatistics>,
    /// The memory of pushes that are not stored yet.
    pub memory: MemoryGauge,
    /// How the rules in force were read, if there is a configuration file.
    pub config: Option<ConfigGauge>,
    /// How old backups are, if somebody has said where they are.
    pub backups: Option<BackupTimes>,
    /// The web config files, in the order of their flags.
    pub web_configs: Vec<WebConfigGauge>,
}

/// The memory of pushes at the moment of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryGauge {
    /// What they hold.
    pub in_use: usize,
    /// What there is; none: any.
    pub limit: Option<usize>,
    /// How often there was no more, by limit.
    pub refused: [(&'static str, u64); 3],
}

/// The configuration file at the moment of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigGauge {
    /// Whether the file was used when it was read last.
    pub is_used: bool,
    /// When the rules in force were read.
    pub in_force_since: UnixNanos,
}

/// A web config file at the moment of a scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfigGauge {
    /// The flag that names it.
    pub flag: String,
    /// How many users there are; none if nothing of the file is in force, and nobody is let in.
    pub users: Option<u64>,
    /// Whether all is in force that the file and those it names say now.
    pub is_in_force: bool,
}

/// Counts something that is going on, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub struct InFlight<'a>(&'a AtomicU64);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The order is that of an exposition: by label name, then value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    code: u16,
    handler: &'static str,
    method: &'static str,
}

#[derive(Debug)]
struct PushSummaries {
    size_bytes: WindowedSummary,
    duration_seconds: WindowedSummary,
}

#[derive(Debug)]
struct Scrapes {
    count: u64,
    left_out: u64,
    leaves_recompressed: u64,
    duration_seconds: Histogram,
    size_bytes: Histogram,
}

/// The quantiles of the push summaries, as the Pushgateway shows them.
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

const SCRAPE_DURATION_BOUNDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Powers of four from 4 KiB to 1 GiB.
const SCRAPE_SIZE_BOUNDS: [f64; 10] = [
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

const BUILD_INFO: ReservedFamily = own(
    "pushgateway_build_info",
    MetricType::Gauge,
    "A metric with a constant '1' value labeled by version, revision, branch, goversion from which pushgateway was \
     built, and the goos and goarch for the build.",
);
const REQUESTS: ReservedFamily = with_fixed_help(
    "pushgateway_http_requests_total",
    MetricType::Counter,
    "Total HTTP requests processed by the Pushgateway, excluding scrapes.",
);
const PUSH_SIZE: ReservedFamily = with_fixed_help(
    "pushgateway_http_push_size_bytes",
    MetricType::Summary,
    "HTTP request size for pushes to the Pushgateway.",
);
const PUSH_DURATION: ReservedFamily = with_fixed_help(
    "pushgateway_http_push_duration_seconds",
    MetricType::Summary,
    "HTTP request duration for pushes to the Pushgateway.",
);
const DECODED_BYTES: ReservedFamily = own(
    "wharf_decoded_bytes",
    MetricType::Gauge,
    "Memory that pushes hold until they are stored, without what each has by itself.",
);
const DECODED_BYTES_LIMIT: ReservedFamily = own(
    "wharf_decoded_bytes_limit",
    MetricType::Gauge,
    "How much memory pushes may hold: --limits.max-decoded-bytes.",
);
const DECODED_REFUSED: ReservedFamily = own(
    "wharf_decoded_refused_total",
    MetricType::Counter,
    "Times that a push got no more memory: by the limit on one push, on the process, or on what one client gets of it.",
);
const GROUPS: ReservedFamily = own("wharf_groups", MetricType::Gauge, "Groups that are stored.");
const GROUPS_DELETED: ReservedFamily = own(
    "wharf_groups_deleted_total",
    MetricType::Counter,
    "Groups that were deleted by selector.",
);
const GROUPS_EXPIRED: ReservedFamily = own(
    "wharf_groups_expired_total",
    MetricType::Counter,
    "Groups whose time to live was over, by whether their push times stayed.",
);
const GROUPS_EXPIRING: ReservedFamily = own(
    "wharf_groups_expiring",
    MetricType::Gauge,
    "Groups that are stored and have a time to live.",
);
const HISTOGRAMS_CONTRADICTING: ReservedFamily = own(
    "wharf_histograms_contradicting",
    MetricType::Gauge,
    "Stored histograms whose buckets contradict each other or their count, one for each family of a group.",
);
const QUOTA_LIMIT: ReservedFamily = own(
    "wharf_quota_limit",
    MetricType::Gauge,
    "How much a quota allows. Quotas are numbered as in the configuration file.",
);
const QUOTA_USED: ReservedFamily = own(
    "wharf_quota_used",
    MetricType::Gauge,
    "How much of a quota is taken.",
);
const METRICS_DROPPED: ReservedFamily = own(
    "wharf_relabel_metrics_dropped_total",
    MetricType::Counter,
    "Pushed metrics that relabelling rules have dropped.",
);
const RELOAD_SUCCESSFUL: ReservedFamily = own(
    "wharf_config_last_reload_successful",
    MetricType::Gauge,
    "1 if the configuration file was used when it was read last, 0 if it had mistakes.",
);
const RELOAD_TIME: ReservedFamily = own(
    "wharf_config_last_reload_success_timestamp_seconds",
    MetricType::Gauge,
    "Unix time when the configuration file was read last and used.",
);
const SERIES: ReservedFamily = own(
    "wharf_series",
    MetricType::Gauge,
    "Series that are stored: sample lines of a scrape, own metrics aside.",
);
const DURABLE: ReservedFamily = own(
    "wharf_storage_durable",
    MetricType::Gauge,
    "1 if what is pushed is kept in a folder, 0 if it is in memory only and gone after a restart.",
);
const STORED_BYTES: ReservedFamily = own(
    "wharf_stored_bytes",
    MetricType::Gauge,
    "Bytes of the text of everything that is stored.",
);
const SCRAPES: ReservedFamily = own(
    "wharf_scrapes_total",
    MetricType::Counter,
    "Scrapes that were answered.",
);
const SCRAPE_DURATION: ReservedFamily = own(
    "wharf_scrape_duration_seconds",
    MetricType::Histogram,
    "How long scrapes took to render, without their way to the scraper.",
);
const SCRAPE_SIZE: ReservedFamily = own(
    "wharf_scrape_size_bytes",
    MetricType::Histogram,
    "How many bytes the bodies of scrapes had, compressed if the scraper asked for it.",
);
const SCRAPE_LEFT_OUT: ReservedFamily = own(
    "wharf_scrape_metrics_left_out_total",
    MetricType::Counter,
    "Metrics that scrapes left out, because others had the same names and labels once these were escaped.",
);
const LEAVES_RECOMPRESSED: ReservedFamily = own(
    "wharf_leaves_recompressed_total",
    MetricType::Counter,
    "Parts of the exposition that had changed and were compressed anew for a scrape.",
);
const REFUSALS: ReservedFamily = own(
    "wharf_pushes_refused_total",
    MetricType::Counter,
    "Pushes that were not stored, by reason.",
);
const PUSHES_WAITING: ReservedFamily = own(
    "wharf_pushes_waiting",
    MetricType::Gauge,
    "Pushes that take long and wait for their turn.",
);
const CONNECTIONS: ReservedFamily = own("wharf_http_connections", MetricType::Gauge, "Open connections.");
const CONNECTIONS_GAVE_WAY: ReservedFamily = own(
    "wharf_http_connections_gave_way_total",
    MetricType::Counter,
    "Connections without a request that were closed because others wanted to connect.",
);
const CONNECTIONS_LIMIT: ReservedFamily = own(
    "wharf_http_connections_limit",
    MetricType::Gauge,
    "How many connections there may be: --limits.max-connections, or fewer if file descriptors allow no more.",
);
const REQUESTS_IN_FLIGHT: ReservedFamily = own(
    "wharf_http_requests_in_flight",
    MetricType::Gauge,
    "Requests being answered.",
);
const TURNED_AWAY: ReservedFamily = own(
    "wharf_http_requests_turned_away_total",
    MetricType::Counter,
    "Requests that were not looked at, for their credentials, their origin or their rate, by reason.",
);

const DENIED: ReservedFamily = own(
    "wharf_http_requests_denied_total",
    MetricType::Counter,
    "Requests that the access rules do not allow, by the right that they lack.",
);

const STOPPED: ReservedFamily = own(
    "wharf_requests_stopped_total",
    MetricType::Counter,
    "Requests that were given up after they had begun, by reason: the client had gone, or they were too costly or took too \
     long.",
);

const WEB_CONFIG_IN_FORCE: ReservedFamily = own(
    "wharf_web_config_in_force",
    MetricType::Gauge,
    "1 if all is in force that the web config file and the files it names say now, 0 if something of it cannot be used.",
);
const WEB_CONFIG_USERS: ReservedFamily = own(
    "wharf_web_config_users",
    MetricType::Gauge,
    "Users of the web config file who are in force; without any, everybody is let in.",
);

static RESERVED: [ReservedFamily; 63] = [
    process::CPU_SECONDS,
    process::MAX_FDS,
    process::NETWORK_RECEIVE,
    process::NETWORK_TRANSMIT,
    process::OPEN_FDS,
    process::RESIDENT_MEMORY,
    process::START_TIME,
    process::VIRTUAL_MEMORY,
    process::VIRTUAL_MEMORY_MAX,
    BUILD_INFO,
    PUSH_DURATION,
    PUSH_SIZE,
    REQUESTS,
    audit::ACTIONS,
    backups::NEWEST,
    backups::NEWEST_VERIFIED,
    RELOAD_TIME,
    RELOAD_SUCCESSFUL,
    DECODED_BYTES,
    DECODED_BYTES_LIMIT,
    DECODED_REFUSED,
    GROUPS,
    GROUPS_DELETED,
    GROUPS_EXPIRED,
    GROUPS_EXPIRING,
    undo::GROUPS_REMOVED,
    HISTOGRAMS_CONTRADICTING,
    CONNECTIONS,
    CONNECTIONS_GAVE_WAY,
    CONNECTIONS_LIMIT,
    DENIED,
    REQUESTS_IN_FLIGHT,
    TURNED_AWAY,
    LEAVES_RECOMPRESSED,
    ledger::CHECKPOINTS,
    ledger::FAILURES,
    ledger::LOG_BYTES,
    ledger::RECORDS,
    ledger::SEGMENTS,
    ledger::SYNC_SECONDS,
    ledger::SYNCS,
    ledger::UP,
    ledger::WRITTEN_BYTES,
    REFUSALS,
    PUSHES_WAITING,
    QUOTA_LIMIT,
    QUOTA_USED,
    METRICS_DROPPED,
    STOPPED,
    SCRAPE_DURATION,
    SCRAPE_LEFT_OUT,
    SCRAPE_SIZE,
    SCRAPES,
    SERIES,
    DURABLE,
    STORED_BYTES,
    undo::BYTES,
    undo::FAILURES,
    undo::GROUPS_RESTORED,
    undo::REMOVALS,
    undo::UNDOS,
    WEB_CONFIG_IN_FORCE,
    WEB_CONFIG_USERS,
];

/// Memory that the process has now, in bytes.
pub fn resident_bytes() -> Option<u64> {
    process::resident_bytes_now()
}

/// All families that the gateway may show of itself, whether they have samples yet or not.
pub fn reserved() -> &'static [ReservedFamily] {
    &RESERVED
}

impl Telemetry {
    /// Nothing has happened yet.
    pub fn new(build: BuildLabels) -> Self {
        Self {
            build,
            process: Process::this(),
            requests: Mutex::default(),
            pushes: Mutex::default(),
            refusals: Mutex::default(),
            turned_away: Mutex::default(),
            denied: Mutex::default(),
            stopped: Mutex::default(),
            scrapes: Mutex::new(Scrapes {
                count: 0,
                left_out: 0,
                leaves_recompressed: 0,
                duration_seconds: Histogram::new(&SCRAPE_DURATION_BOUNDS),
                size_bytes: Histogram::new(&SCRAPE_SIZE_BOUNDS),
            }),
            connections: AtomicU64::new(0),
            connections_gave_way: AtomicU64::new(0),
            connections_limit: AtomicU64::new(0),
            requests_in_flight: AtomicU64::new(0),
            groups_deleted: AtomicU64::new(0),
            undos: Undos::default(),
            actions: Mutex::default(),
            groups_expired: [const { AtomicU64::new(0) }; 2],
            metrics_dropped: AtomicU64::new(0),
        }
    }

    /// A request to `handler` was answered with status `code`. There must be few different methods: each is a series for ever.
    pub fn record_request(&self, code: u16, handler: &'static str, method: &'static str) {
        let labels = RequestLabels {
            code,
            handler,
            method,
        };
        *lock(&self.requests).entry(labels).or_default() += 1;
    }

    /// A push was answered, be it with success or not. `size_bytes` is the size of the whole request as the Pushgateway
    /// reckons it: header and body.
    #[expect(clippy::cast_precision_loss, reason = "a size above 2^53 may be rounded")]
    pub fn record_push(&self, now: Instant, method: &'static str, size_bytes: u64, duration: Duration) {
        let mut pushes = lock(&self.pushes);
        let summaries = pushes.entry(method).or_insert_with(|| PushSummaries {
            size_bytes: WindowedSummary::new(now),
            duration_seconds: WindowedSummary::new(now),
        });
        summaries.size_bytes.observe(now, size_bytes as f64);
        summaries.duration_seconds.observe(now, duration.as_secs_f64());
    }

    /// A push was not stored. There must be few different reasons: each is a series for ever.
    pub fn record_refusal(&self, reason: &'static str) {
        *lock(&self.refusals).entry(reason).or_default() += 1;
    }

    /// A request was not for the gateway. As above, there must be few different reasons.
    pub fn record_turned_away(&self, reason: &'static str) {
        *lock(&self.turned_away).entry(reason).or_default() += 1;
    }

    /// Access rules did not allow a request, or what one asked for a group.
    pub fn record_denial(&self, right: Right) {
        *lock(&self.denied).entry(right).or_default() += 1;
    }

    /// A request was given up. As above, there must be few different reasons.
    pub fn record_stopped(&self, reason: &'static str) {
        *lock(&self.stopped).entry(reason).or_default() += 1;
    }

    /// A scrape was rendered: how long that took, how large the body is, and how many leaves of the store had to be
    /// compressed for it.
    #[expect(clippy::cast_precision_loss, reason = "a size above 2^53 may be rounded")]
    pub fn record_scrape(&self, duration: Duration, size_bytes: u64, leaves_recompressed: u64) {
        let mut scrapes = lock(&self.scrapes);
        scrapes.count += 1;
        scrapes.leaves_recompressed += leaves_recompressed;
        scrapes.duration_seconds.observe(duration.as_secs_f64());
        scrapes.size_bytes.observe(size_bytes as f64);
    }

    /// A scrape left out so many metrics that others are equal to.
    pub fn record_left_out(&self, metrics: u64) {
        if metrics > 0 {
            lock(&self.scrapes).left_out += metrics;
        }
    }

    /// So many leaves were compressed for a scrape, beside those of [`Self::record_scrape`].
    pub fn record_recompressed(&self, leaves: u64) {
        lock(&self.scrapes).leaves_recompressed += leaves;
    }

    /// So many groups were deleted by selector.
    pub fn record_deleted(&self, groups: u64) {
        self.groups_deleted.fetch_add(groups, Relaxed);
    }

    /// Somebody has removed so many groups, or has them back. There must be few different ways of removal.
    pub fn undos(&self) -> &Undos {
        &self.undos
    }

    /// Something was done that is in the audit list, or would be if there were one. There must be few different kinds and outcomes.
    pub(crate) fn record_action(&self, kind: &'static str, outcome: &'static str) {
        *lock(&self.actions).entry((kind, outcome)).or_default() += 1;
    }

    /// So many groups have expired: `gone` altogether, and others but for their push times.
    pub fn record_expired(&self, gone: u64, kept_times: u64) {
        let [all, but_times] = &self.groups_expired;
        all.fetch_add(gone, Relaxed);
        but_times.fetch_add(kept_times, Relaxed);
    }

    /// So many pushed metrics were dropped by rules.
    pub fn record_dropped(&self, metrics: u64) {
        if metrics > 0 {
            self.metrics_dropped.fetch_add(metrics, Relaxed);
        }
    }

    /// A connection is open until the result is dropped.
    pub fn connection_opened(&self) -> InFlight<'_> {
        InFlight::new(&self.connections)
    }

    /// A connection was closed to make room for another one.
    pub fn record_gave_way(&self) {
        self.connections_gave_way.fetch_add(1, Relaxed);
    }

    /// There may be so many connections.
    pub fn set_connections_limit(&self, limit: u64) {
        self.connections_limit.store(limit, Relaxed);
    }

    /// Open connections.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// A request is being answered until the result is dropped.
    pub fn request_started(&self) -> InFlight<'_> {
        InFlight::new(&self.requests_in_flight)
    }

    /// The families of the gateway itself, sorted by name, their metrics and labels sorted as in every exposition.
    /// Families without samples are left out.
    pub fn exposition(&self, now: Instant, gauges: &StoreGauges) -> Exposition<'static> {
        let mut assembly = Assembly::default();
        self.process.assemble(&mut assembly);
        self.assemble_build_info(&mut assembly);
        self.assemble_pushes(&mut assembly, now);
        self.assemble_requests(&mut assembly);
        audit::assemble(&mut assembly, &lock(&self.actions));
        if let Some(times) = gauges.backups {
            backups::assemble(&mut assembly, times);
        }
        assemble_config(&mut assembly, gauges.config);
        assemble_memory(&mut assembly, gauges.memory);
        assembly.single(GROUPS, assemble::float(gauges.groups));
        self.assemble_groups(&mut assembly, gauges);
        assembly.single(HISTOGRAMS_CONTRADICTING, assemble::float(gauges.contradicting));
        for (family, number) in [
            (CONNECTIONS, &self.connections),
            (CONNECTIONS_GAVE_WAY, &self.connections_gave_way),
            (CONNECTIONS_LIMIT, &self.connections_limit),
        ] {
            assembly.single(family, assemble::float(number.load(Relaxed)));
        }
        self.assemble_denied(&mut assembly);
        assembly.single(
            REQUESTS_IN_FLIGHT,
            assemble::float(self.requests_in_flight.load(Relaxed)),
        );
        self.assemble_turned_away(&mut assembly);
        self.assemble_scrapes_and_refusals(&mut assembly, gauges.ledger.as_ref());
        assembly.single(SERIES, assemble::float(gauges.series));
        assembly.single(DURABLE, assemble::truth(gauges.ledger.is_some()));
        assembly.single(STORED_BYTES, assemble::float(gauges.bytes));
        self.undos.assemble(&mut assembly, gauges.removed.as_ref());
        assemble_web_configs(&mut assembly, &gauges.web_configs);
        assembly.finish()
    }

    fn assemble_build_info(&self, assembly: &mut Assembly) {
        let BuildLabels {
            branch,
            goarch,
            goos,
            goversion,
            revision,
            tags,
            version,
        } = self.build;
        let labels = [
            ("branch", branch),
            ("goarch", goarch),
            ("goos", goos),
            ("goversion", goversion),
            ("revision", revision),
            ("tags", tags),
            ("version", version),
        ];
        let metric = assembly.number(&labels, 1.0);
        assembly.family(BUILD_INFO, vec![metric]);
    }

    fn assemble_pushes(&self, assembly: &mut Assembly, now: Instant) {
        let mut sizes = Vec::new();
        let mut durations = Vec::new();
        for (method, summaries) in lock(&self.pushes).iter_mut() {
            let labels = [("method", *method)];
            let mut size = summaries.size_bytes.read(now, QUANTILES);
            // Estimates need not be whole; sizes are.
            size.quantiles
                .iter_mut()
                .for_each(|(_, value)| *value = value.round());
            sizes.push(assembly.summary(&labels, &size));
            durations.push(assembly.summary(&labels, &summaries.duration_seconds.read(now, QUANTILES)));
        }
        assembly.family(PUSH_DURATION, durations);
        assembly.family(PUSH_SIZE, sizes);
    }

    fn assemble_requests(&self, assembly: &mut Assembly) {
        let mut metrics = Vec::new();
        for (
            RequestLabels {
                code,
                handler,
                method,
            },
            count,
        ) in lock(&self.requests).iter()
        {
            let code = code.to_string();
            let labels = [("code", code.as_str()), ("handler", handler), ("method", method)];
            metrics.push(assembly.number(&labels, assemble::float(*count)));
        }
        assembly.family(REQUESTS, metrics);
    }

    fn assemble_turned_away(&self, assembly: &mut Assembly) {
        let turned_away = lock(&self.turned_away);
        let metrics = turned_away
            .iter()
            .map(|(reason, count)| assembly.number(&[("reason", reason)], assemble::float(*count)));
        let metrics = metrics.collect();
        assembly.family(TURNED_AWAY, metrics);
    }

    fn assemble_denied(&self, assembly: &mut Assembly) {
        let denied = lock(&self.denied);
        let metrics = denied
            .iter()
            .map(|(right, count)| assembly.number(&[("right", right.as_str())], assemble::float(*count)));
        let metrics = metrics.collect();
        assembly.family(DENIED, metrics);
    }

    fn assemble_groups(&self, assembly: &mut Assembly, gauges: &StoreGauges) {
        let [gone, kept_times] = &self.groups_expired;
        let expired = [("false", gone), ("true", kept_times)].map(|(kept, count)| {
            assembly.number(&[("kept_times", kept)], assemble::float(count.load(Relaxed)))
        });
        assembly.single(GROUPS_DELETED, assemble::float(self.groups_deleted.load(Relaxed)));
        assembly.family(GROUPS_EXPIRED, expired.into());
        assembly.single(GROUPS_EXPIRING, assemble::float(gauges.expiring));
        assembly.single(PUSHES_WAITING, assemble::float(gauges.pushes_waiting));
        assembly.single(
            METRICS_DROPPED,
            assemble::float(self.metrics_dropped.load(Relaxed)),
        );
        let limits = quota_metrics(assembly, &gauges.quotas, |quota| quota.limit);
        assembly.family(QUOTA_LIMIT, limits);
        let used = quota_metrics(assembly, &gauges.quotas, |quota| quota.used);
        assembly.family(QUOTA_USED, used);
    }

    fn assemble_scrapes_and_refusals(&self, assembly: &mut Assembly, ledger: Option<&WriterStatistics>) {
        let scrapes = lock(&self.scrapes);
        let refusals = lock(&self.refusals);
        assembly.single(LEAVES_RECOMPRESSED, assemble::float(scrapes.leaves_recompressed));
        if let Some(statistics) = ledger {
            ledger::assemble(assembly, statistics);
        }
        let refused = refusals.iter();
        let refused =
            refused.map(|(reason, count)| assembly.number(&[("reason", reason)], assemble::float(*count)));
        let refused = refused.collect();
        assembly.family(REFUSALS, refused);
        let stopped = lock(&self.stopped);
        let stopped = stopped
            .iter()
            .map(|(reason, count)| assembly.number(&[("reason", reason)], assemble::float(*count)));
        let stopped = stopped.collect();
        assembly.family(STOPPED, stopped);
        let duration = assembly.histogram(&scrapes.duration_seconds);
        assembly.family(SCRAPE_DURATION, vec![duration]);
        assembly.single(SCRAPE_LEFT_OUT, assemble::float(scrapes.left_out));
        let size = assembly.histogram(&scrapes.size_bytes);
        assembly.family(SCRAPE_SIZE, vec![size]);
        assembly.single(SCRAPES, assemble::float(scrapes.count));
    }
}

/// Only where there is a file.
fn assemble_config(assembly: &mut Assembly, config: Option<ConfigGauge>) {
    if let Some(config) = config {
        assembly.single(RELOAD_TIME, config.in_force_since.as_seconds());
        assembly.single(RELOAD_SUCCESSFUL, assemble::truth(config.is_used));
    }
}

fn assemble_memory(assembly: &mut Assembly, memory: MemoryGauge) {
    assembly.single(DECODED_BYTES, assemble::float(memory.in_use as u64));
    if let Some(limit) = memory.limit {
        assembly.single(DECODED_BYTES_LIMIT, assemble::float(limit as u64));
    }
    let refused = memory.refused.iter().filter(|(limit, _)| !limit.is_empty());
    let refused = refused.map(|(limit, count)| assembly.number(&[("limit", limit)], assemble::float(*count)));
    let refused = refused.collect();
    assembly.family(DECODED_REFUSED, refused);
}

fn assemble_web_configs(assembly: &mut Assembly, files: &[WebConfigGauge]) {
    let mut family = |family, value: fn(&WebConfigGauge) -> Option<f64>| {
        let metrics = files
            .iter()
            .filter_map(|file| Some(assembly.number(&[("flag", &file.flag)], value(file)?)));
        let metrics = metrics.collect();
        assembly.family(family, metrics);
    };
    family(WEB_CONFIG_IN_FORCE, |file| {
        Some(assemble::truth(file.is_in_force))
    });
    family(WEB_CONFIG_USERS, |file| file.users.map(assemble::float));
}

fn quota_metrics(
    assembly: &mut Assembly,
    quotas: &[QuotaGauge],
    value: impl Fn(&QuotaGauge) -> u64,
) -> Vec<Metric> {
    let metrics = quotas.iter().map(|quota| {
        let labels = [
            ("match", quota.selector.as_str()),
            ("quota", quota.number.as_str()),
            ("resource", quota.resource),
        ];
        assembly.number(&labels, assemble::float(value(quota)))
    });
    metrics.collect()
}

#[cfg(test)]
mod tests;
