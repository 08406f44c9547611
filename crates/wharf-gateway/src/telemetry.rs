//! The gateway's metrics about itself. Each is defined in a file below, by what it counts; the table here has all of them.
//!
//! Recording takes a short lock or one atomic operation. [`Telemetry::exposition`] then makes ordinary families of
//! it all, so that every encoder knows what to do with them.
//!
//! The `pushgateway_` families and those of the process have the names, types and help texts of the Pushgateway, since
//! dashboards and alerts know them. Those of Wharf itself start with `wharf_`.

mod alerting;
mod assemble;
mod audit;
mod backups;
mod build;
mod connections;
mod counts;
mod expectations;
mod family;
mod files;
mod gauges;
mod histogram;
mod in_flight;
mod ledger;
mod memory;
mod process;
mod pushes;
mod replicas;
mod requests;
mod scrapes;
mod sketch;
mod statsd;
mod stored;
mod traces;
mod undo;
mod window;

use std::time::{Duration, Instant};

use wharf_model::Exposition;
use wharf_store::ReservedFamily;

use self::alerting::Notifications;
use self::assemble::Assembly;
use self::audit::Actions;
use self::connections::Connections;
use self::process::Process;
use self::pushes::Pushes;
use self::requests::Requests;
use self::scrapes::Scrapes;
use self::stored::Gone;
use crate::access::right::Right;

pub use self::backups::BackupTimes;
pub use self::build::BuildLabels;
pub use self::expectations::ExpectationGauges;
pub(crate) use self::expectations::gauges_of_group;
pub use self::gauges::{ConfigGauge, MemoryGauge, StoreGauges, WebConfigGauge};
pub use self::in_flight::InFlight;
pub use self::replicas::ReplicaGauges;
pub use self::undo::Undos;

/// What was counted and measured since the start of the process.
#[derive(Debug)]
pub struct Telemetry {
    build: BuildLabels,
    process: Process,
    connections: Connections,
    requests: Requests,
    pushes: Pushes,
    scrapes: Scrapes,
    gone: Gone,
    undos: Undos,
    actions: Actions,
    notifications: Notifications,
}

static RESERVED: [ReservedFamily; 72] = [
    process::CPU_SECONDS,
    process::MAX_FDS,
    process::NETWORK_RECEIVE,
    process::NETWORK_TRANSMIT,
    process::OPEN_FDS,
    process::RESIDENT_MEMORY,
    process::START_TIME,
    process::VIRTUAL_MEMORY,
    process::VIRTUAL_MEMORY_MAX,
    build::BUILD_INFO,
    pushes::PUSH_DURATION,
    pushes::PUSH_SIZE,
    requests::REQUESTS,
    audit::ACTIONS,
    backups::NEWEST,
    backups::NEWEST_VERIFIED,
    files::RELOAD_TIME,
    files::RELOAD_SUCCESSFUL,
    memory::DECODED_BYTES,
    memory::DECODED_BYTES_LIMIT,
    memory::DECODED_REFUSED,
    stored::GROUPS,
    stored::GROUPS_DELETED,
    stored::GROUPS_EXPIRED,
    stored::GROUPS_EXPIRING,
    undo::GROUPS_REMOVED,
    stored::HISTOGRAMS_CONTRADICTING,
    connections::CONNECTIONS,
    connections::CONNECTIONS_GAVE_WAY,
    connections::CONNECTIONS_LIMIT,
    requests::DENIED,
    requests::REQUESTS_IN_FLIGHT,
    requests::TURNED_AWAY,
    scrapes::LEAVES_RECOMPRESSED,
    ledger::CHECKPOINTS,
    ledger::FAILURES,
    ledger::LOG_BYTES,
    ledger::RECORDS,
    ledger::SEGMENTS,
    ledger::SYNC_SECONDS,
    ledger::SYNCS,
    ledger::UP,
    ledger::WRITTEN_BYTES,
    pushes::IDS,
    pushes::IDS_FORGOTTEN,
    pushes::REFUSALS,
    pushes::REPEATED,
    pushes::PUSHES_WAITING,
    stored::QUOTA_LIMIT,
    stored::QUOTA_USED,
    pushes::METRICS_DROPPED,
    requests::STOPPED,
    scrapes::SCRAPE_DURATION,
    scrapes::SCRAPE_FORMS,
    scrapes::SCRAPE_LEFT_OUT,
    scrapes::SCRAPE_SIZE,
    scrapes::SCRAPES,
    stored::SERIES,
    stored::DURABLE,
    stored::STORED_BYTES,
    stored::COLD_BYTES,
    stored::COLD_COMPRESSED_BYTES,
    files::CERTIFICATE_EXPIRY,
    traces::DROPPED,
    traces::EXPORTED,
    undo::BYTES,
    undo::FAILURES,
    undo::GROUPS_RESTORED,
    undo::REMOVALS,
    undo::UNDOS,
    files::WEB_CONFIG_IN_FORCE,
    files::WEB_CONFIG_USERS,
];

/// Memory that the process has now, in bytes.
pub fn resident_bytes() -> Option<u64> {
    process::resident_bytes_now()
}

/// All families that the gateway may show of itself, whether they have samples yet or not.
pub fn reserved() -> &'static [ReservedFamily] {
    &RESERVED
}

/// Those that it shows besides where it takes lines of `StatsD`. All but those of our own are called as those of `statsd_exporter`, which
/// people push to gateways.
pub fn reserved_of_statsd() -> &'static [ReservedFamily] {
    &statsd::RESERVED
}

/// Those that it shows besides where it shares its groups with other replicas.
pub fn reserved_of_replicas() -> &'static [ReservedFamily] {
    &replicas::RESERVED
}

/// Those that it shows besides where groups are expected.
pub fn reserved_of_expectations() -> &'static [ReservedFamily] {
    &expectations::RESERVED
}

/// Those of them that stand in groups, where nothing is expected: nobody can push them there either.
pub(crate) fn reserved_where_nothing_is_expected() -> &'static [ReservedFamily] {
    &expectations::STANDING
}

/// Those that it shows besides where others are told which groups are overdue. Most are called as those of Prometheus.
pub fn reserved_of_alerting() -> &'static [ReservedFamily] {
    &alerting::RESERVED
}

/// The names of those of them that say something of a group.
pub(crate) const OF_GROUPS: [&str; 2] = expectations::OF_GROUPS;

impl Telemetry {
    /// Nothing has happened yet.
    pub fn new(build: BuildLabels) -> Self {
        Self {
            build,
            process: Process::this(),
            connections: Connections::default(),
            requests: Requests::default(),
            pushes: Pushes::default(),
            scrapes: Scrapes::default(),
            gone: Gone::default(),
            undos: Undos::default(),
            actions: Actions::default(),
            notifications: Notifications::default(),
        }
    }

    /// A request to `handler` was answered with status `code`. There must be few different methods: each is a series for ever.
    pub fn record_request(&self, code: u16, handler: &'static str, method: &'static str) {
        self.requests.answered(code, handler, method);
    }

    /// A push was answered, be it with success or not. `size_bytes` is the size of the whole request as the Pushgateway
    /// reckons it: header and body.
    pub fn record_push(&self, now: Instant, method: &'static str, size_bytes: u64, duration: Duration) {
        self.pushes.answered(now, method, size_bytes, duration);
    }

    /// A push was not stored. There must be few different reasons: each is a series for ever.
    pub fn record_refusal(&self, reason: &'static str) {
        self.pushes.refused.add(reason);
    }

    /// A request was not for the gateway. As above, there must be few different reasons.
    pub fn record_turned_away(&self, reason: &'static str) {
        self.requests.turned_away.add(reason);
    }

    /// Access rules did not allow a request, or what one asked for a group.
    pub fn record_denial(&self, right: Right) {
        self.requests.denied.add(right);
    }

    /// A request was given up. As above, there must be few different reasons.
    pub fn record_stopped(&self, reason: &'static str) {
        self.requests.stopped.add(reason);
    }

    /// A scrape was rendered: how long that took, how large the body is, and how many leaves of the store had to be
    /// compressed for it.
    pub fn record_scrape(&self, duration: Duration, size_bytes: u64, leaves_recompressed: u64) {
        self.scrapes.rendered(duration, size_bytes, leaves_recompressed);
    }

    /// A scrape left out so many metrics that others are equal to.
    pub fn record_left_out(&self, metrics: u64) {
        self.scrapes.left_out(metrics);
    }

    /// So many leaves were compressed for a scrape, beside those of [`Self::record_scrape`].
    pub fn record_recompressed(&self, leaves: u64) {
        self.scrapes.recompressed(leaves);
    }

    /// So many groups were deleted by selector.
    pub fn record_deleted(&self, groups: u64) {
        self.gone.deleted(groups);
    }

    /// Somebody has removed so many groups, or has them back. There must be few different ways of removal.
    pub fn undos(&self) -> &Undos {
        &self.undos
    }

    /// Something was done that is in the audit list, or would be if there were one. There must be few different kinds and outcomes.
    pub(crate) fn record_action(&self, kind: &'static str, outcome: &'static str) {
        self.actions.add(kind, outcome);
    }

    /// Others were told, or could not be told, which groups are overdue.
    pub(crate) fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// So many groups have expired: `gone` altogether, and others but for their push times.
    pub fn record_expired(&self, gone: u64, kept_times: u64) {
        self.gone.expired(gone, kept_times);
    }

    /// So many pushed metrics were dropped by rules.
    pub fn record_dropped(&self, metrics: u64) {
        self.pushes.dropped(metrics);
    }

    /// A connection is open until the result is dropped.
    pub fn connection_opened(&self) -> InFlight<'_> {
        self.connections.opened()
    }

    /// A connection was closed to make room for another one.
    pub fn record_gave_way(&self) {
        self.connections.gave_way();
    }

    /// There may be so many connections.
    pub fn set_connections_limit(&self, limit: u64) {
        self.connections.set_limit(limit);
    }

    /// Open connections.
    pub fn connections(&self) -> u64 {
        self.connections.open()
    }

    /// A request is being answered until the result is dropped.
    pub fn request_started(&self) -> InFlight<'_> {
        self.requests.started()
    }

    /// The families of the gateway itself, sorted by name, their metrics and labels sorted as in every exposition.
    /// Families without samples are left out.
    pub fn exposition(&self, now: Instant, gauges: &StoreGauges) -> Exposition<'static> {
        let mut assembly = Assembly::default();
        self.process.assemble(&mut assembly);
        self.build.assemble(&mut assembly);
        self.connections.assemble(&mut assembly);
        self.requests.assemble(&mut assembly);
        self.pushes.assemble(&mut assembly, now, gauges);
        self.actions.assemble(&mut assembly);
        if let Some(gauges) = gauges.expectations {
            expectations::assemble(&mut assembly, gauges);
        }
        if let Some(report) = &gauges.alerting {
            self.notifications.assemble(&mut assembly, now, report);
        }
        if let Some(times) = gauges.backups {
            backups::assemble(&mut assembly, times);
        }
        if let Some(counts) = gauges.traces {
            traces::assemble(&mut assembly, counts);
        }
        if let Some(counts) = &gauges.statsd {
            statsd::assemble(&mut assembly, counts);
        }
        memory::assemble(&mut assembly, gauges.memory);
        self.gone.assemble(&mut assembly, gauges);
        self.undos.assemble(&mut assembly, gauges.removed.as_ref());
        if let Some(statistics) = &gauges.ledger {
            ledger::assemble(&mut assembly, statistics);
        }
        if let Some(replicas) = &gauges.replicas {
            replicas::assemble(&mut assembly, replicas, gauges.ledger.as_ref());
        }
        self.scrapes.assemble(&mut assembly, gauges.forms_bytes);
        files::assemble_config(&mut assembly, gauges.config);
        files::assemble_web_configs(&mut assembly, &gauges.web_configs);
        assembly.finish()
    }
}

#[cfg(test)]
mod tests;
