//! What all listeners give their lines to: what these come to, and what is counted of it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use wharf_gateway::{Statsd, StatsdCounts};
use wharf_statsd::{EventError, Mapping, MetricKind, SampleError, SeriesKind, State, StateSettings};
use wharf_store::{Clock, Store};

use super::drops;
use super::mapping_file::MappingFile;
use super::relay::Relay;
use super::settings;
use super::stored::Groups;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Tcp,
    Udp,
    Unix,
    Unixgram,
}

impl Way {
    const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Unix, Self::Unixgram];

    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Unixgram => "unixgram",
        }
    }
}

/// What listeners count.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Datagrams or connections.
    units: [AtomicU64; Way::ALL.len()],
    bytes: [AtomicU64; Way::ALL.len()],
    pub(super) open_connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) connection_errors: AtomicU64,
    pub(super) too_long_lines: AtomicU64,
}

impl Received {
    fn of(counts: &[AtomicU64; Way::ALL.len()], way: Way) -> u64 {
        counts.get(way as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// So many datagrams or connections have come.
    pub(super) fn came(&self, way: Way, units: usize) {
        if let Some(count) = self.units.get(way as usize) {
            count.fetch_add(units as u64, Relaxed);
        }
    }

    /// So many bytes have come.
    pub(super) fn bytes(&self, way: Way, bytes: usize) {
        if let Some(count) = self.bytes.get(way as usize) {
            count.fetch_add(bytes as u64, Relaxed);
        }
    }
}

/// What becomes of lines, for all who take some, keep what they come to, or look.
pub(crate) struct Intake {
    state: Mutex<State>,
    mapping: MappingFile,
    relay: Option<Arc<Relay>>,
    clock: Arc<dyn Clock>,
    began: Instant,
    groups: Arc<Groups>,
    pub(super) received: Received,
    /// The sockets of UDP, once they are open.
    pub(super) udp_inodes: OnceLock<HashSet<u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) waiting_series: AtomicU64,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

impl Intake {
    /// One that has taken nothing. `replica` is what this gateway is called, if it is one of several.
    ///
    /// # Errors
    /// If the mapping rules cannot be used.
    pub(crate) fn new(
        settings: &settings::Statsd,
        replica: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let (file, mapping) = MappingFile::open(settings.mapping.clone())?;
        let groups = Arc::new(Groups::new(replica));
        let of_state = StateSettings {
            dialect: settings.dialect(),
            job: settings.job.as_str().into(),
            max_series: settings.max_series.get(),
            set_interval: settings.set_interval,
            began: Duration::from_nanos(u64::try_from(clock.now().0).unwrap_or(0)),
        };
        let stored = Arc::clone(&groups);
        let read_back = Box::new(move |job: &str| stored.read_back(job));
        Ok(Self {
            state: Mutex::new(State::new(of_state, mapping, read_back)),
            mapping: file,
            relay: None,
            began: clock.instant(),
            clock,
            groups,
            received: Received::default(),
            udp_inodes: OnceLock::new(),
            refused: Mutex::default(),
            waiting_series: AtomicU64::new(0),
        })
    }

    /// The same, of which others get copies.
    pub(crate) fn with_relay(self, relay: Option<Relay>) -> Self {
        let relay = relay.map(Arc::new);
        Self { relay, ..self }
    }

    /// Where copies of lines go, if they do.
    pub(crate) fn relay(&self) -> Option<&Arc<Relay>> {
        self.relay.as_ref()
    }

    /// Takes lines.
    pub(super) fn read(&self, lines: &[u8]) {
        self.copy(lines);
        self.state().read(lines, self.now());
    }

    /// Gives others a copy of lines.
    pub(super) fn copy(&self, lines: &[u8]) {
        if let Some(relay) = &self.relay {
            relay.take(lines);
        }
    }

    /// From now on series go on from where they are in this store.
    pub(crate) fn set_store(&self, store: &Arc<Store>, settings: &wharf_gateway::PushSettings) {
        self.groups
            .set_store(Arc::clone(store), settings.instance_label.clone());
    }

    /// The groups of jobs.
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What lines have come to. Nobody takes lines while it is held.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, as the state has it.
    pub(super) fn now(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.began)
    }

    /// How many series there are.
    pub(super) fn series(&self) -> usize {
        self.state().series()
    }

    /// Series could not be kept, for this reason.
    pub(super) fn refused(&self, reason: &'static str, series: usize) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(reason).or_default() += series as u64;
    }
}

impl Statsd for Intake {
    fn counts(&self) -> StatsdCounts {
        let reloads = self.mapping.reloads();
        let received = &self.received;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused_series = refused.iter().map(|(reason, count)| (*reason, *count));
        let refused_series = refused_series.collect();
        drop(refused);
        let state = self.state();
        let (lines, counts) = (*state.line_counts(), state.counts().clone());
        let metrics = SeriesKind::ALL.map(|kind| (kind.as_str(), state.metrics(kind)));
        let mappings = state.mapping().rules().len() as u64;
        drop(state);
        let by_kind = MetricKind::ALL.iter().zip(counts.events);
        let by_way = |counts| {
            Way::ALL
                .map(|way| (way.as_str(), Received::of(counts, way)))
                .to_vec()
        };
        let conflicts = counts.conflicts.iter();
        StatsdCounts {
            lines: counts.lines,
            samples: lines.samples,
            tagged: lines.tagged,
            tag_errors: lines.tag_errors,
            reserved_tags: counts.reserved_tags,
            messages: vec![("event", lines.events), ("service_check", lines.checks)],
            sample_errors: SampleError::ALL
                .map(|error| (error.as_str(), lines.errors(error)))
                .to_vec(),
            events: by_kind.map(|(kind, count)| (kind.as_str(), count)).collect(),
            event_errors: EventError::ALL
                .map(|error| (error.as_str(), counts.errors(error)))
                .to_vec(),
            actions: vec![("drop", counts.dropped), ("map", counts.mapped)],
            unmapped: counts.unmapped,
            conflicts: conflicts
                .map(|((name, kind), count)| (name.to_string(), kind.as_str(), *count))
                .collect(),
            metrics: metrics.to_vec(),
            mappings,
            reloads: vec![("failure", reloads.1), ("success", reloads.0)],
            udp_packets: Received::of(&received.units, Way::Udp),
            udp_drops: self.udp_inodes.get().and_then(drops::of),
            unixgram_packets: Received::of(&received.units, Way::Unixgram),
            connections: by_way(&received.units),
            open_connections: received.open_connections.load(Relaxed),
            connections_refused: received.connections_refused.load(Relaxed),
            connection_errors: received.connection_errors.load(Relaxed),
            too_long_lines: received.too_long_lines.load(Relaxed),
            bytes: by_way(&received.bytes),
            refused_series,
            waiting_series: self.waiting_series.load(Relaxed),
            relayed: self.relay().map(|relay| relay.counts()).unwrap_or_default(),
        }
    }

    fn rules(&self) -> String {
        self.mapping.reading().text
    }

    fn reload(&self) -> Option<Result<(), String>> {
        let reloaded = self
            .mapping
            .reload(|mapping: Mapping| self.state().set_mapping(mapping))?;
        match &reloaded {
            Ok(()) => tracing::info!("the mapping rules for StatsD were read again"),
            Err(why) => tracing::error!(
                err = why,
                "the mapping rules for StatsD are not used, the old ones stay"
            ),
        }
        Some(reloaded)
    }

    fn reload_failure(&self) -> Option<String> {
        self.mapping.reading().failure
    }
}
