//! The gateway: store, rules, telemetry and what goes on, shared by all inputs. Each use case has a file.

pub(crate) mod admit;
mod alert;
mod audit;
mod content;
pub(crate) mod delete;
pub(crate) mod expect;
mod expectation;
mod expire;
mod follow;
mod history;
pub(crate) mod import;
mod look;
pub(crate) mod many;
mod observe;
mod problems;
pub(crate) mod push;
mod quit;
mod refuse;
mod reload;
pub(crate) mod replicas;
mod reset;
pub(crate) mod undo;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use wharf_store::{Clock, Follower, PushIdLimits, Reserved, ReservedFamily, SharedRules, Store, UnixNanos};

use crate::activity::Activity;
use crate::ahead::Ahead;
use crate::alerting::AlertingReport;
use crate::audit::Audit;
use crate::expectations::Expectations;
use crate::memory::Memory;
use crate::not_durable::NotDurable;
use crate::parts::Readiness;
use crate::policy::{Active, Loader, Policies, Policy, Reading};
use crate::queue::Queue;
use crate::request_id::RequestIds;
use crate::settings::{MAX_PUSH_BYTES, Settings};
use crate::settings_file::SettingsFile;
use crate::shared_rules::{reserved, reserved_where_shared, shared_rules};
use crate::telemetry::{
    BackupTimes, Telemetry, reserved_of_alerting, reserved_of_expectations,
    reserved_where_nothing_is_expected,
};
use crate::traces::{Parent, Traced, Traces};

/// What all inputs share.
pub struct Gateway {
    settings: Settings,
    store: Arc<Store>,
    /// Whether the store has what its ledger has.
    is_loaded: AtomicBool,
    /// Why the groups are in memory only, if nobody has asked for that.
    not_durable: OnceLock<NotDurable>,
    /// Whether what runs beside requests is ready.
    readiness: Readiness,
    pub(crate) clock: Arc<dyn Clock>,
    started_at: UnixNanos,
    telemetry: Telemetry,
    activity: Activity,
    audit: Audit,
    /// How old backups are, if somebody looks.
    backups: Mutex<Option<BackupTimes>>,
    /// What the store says that has changed, as far as that has not been booked yet.
    feed: Mutex<Follower>,
    ahead: Ahead,
    expectations: Expectations,
    /// How it goes with those who are told what is overdue.
    alerting: Mutex<Option<AlertingReport>>,
    queue: Arc<Queue>,
    /// Those who look at groups one by one.
    looks: Arc<Queue>,
    memory: Arc<Memory>,
    policies: Policies,
    request_ids: RequestIds,
    traces: Arc<Traces>,
    settings_files: Vec<Arc<dyn SettingsFile>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The gateway's own families where groups are expected, and where somebody is told of it.
fn reserved_by_rules(settings: &Settings, policy: &Policy) -> impl Iterator<Item = &'static ReservedFamily> {
    let may_expect = !policy.expectations.is_empty() || settings.expect.from_push;
    let expects = if may_expect {
        reserved_of_expectations()
    } else {
        reserved_where_nothing_is_expected()
    };
    let alerts = policy.alerting.is_some().then(reserved_of_alerting);
    expects.iter().chain(alerts.into_iter().flatten())
}

fn empty_store(settings: &Settings, reserved: Reserved) -> Store {
    let max_push_bytes = settings.max_push_bytes.min(MAX_PUSH_BYTES);
    let pushes = &settings.pushes;
    let ids = PushIdLimits {
        ttl: pushes.id_ttl,
        max: pushes.max_ids.get(),
    };
    Store::new(reserved, max_push_bytes)
        .with_instance_label(pushes.instance_label.clone())
        .with_push_ids(ids)
}

impl Gateway {
    /// A gateway with an empty store, under these rules until the loader gives others. It is loading until
    /// [`Self::set_loaded`].
    pub fn new(
        settings: Settings,
        telemetry: Telemetry,
        clock: Box<dyn Clock>,
        (policy, loader): (Policy, Option<Loader>),
        settings_files: Vec<Arc<dyn SettingsFile>>,
    ) -> Self {
        let usual = reserved(&settings);
        let reserved: Vec<_> = usual
            .chain(reserved_by_rules(&settings, &policy))
            .copied()
            .collect();
        let store = empty_store(&settings, Reserved::new(&reserved));
        Self::with_store(
            settings,
            telemetry,
            clock,
            (policy, loader),
            settings_files,
            Arc::new(store),
        )
    }

    /// The same for one of several replicas: `share` lets the changes of the empty store go to the log that they share. What it
    /// gives besides is given back.
    pub fn shared<T>(
        settings: Settings,
        telemetry: Telemetry,
        clock: Box<dyn Clock>,
        (policy, loader): (Policy, Option<Loader>),
        settings_files: Vec<Arc<dyn SettingsFile>>,
        share: impl FnOnce(Store, SharedRules) -> (Arc<Store>, T),
    ) -> (Self, T) {
        let reserved: Vec<ReservedFamily> = reserved_where_shared(&settings)
            .chain(reserved_by_rules(&settings, &policy))
            .copied()
            .collect();
        let store = empty_store(&settings, Reserved::new(&reserved));
        let (store, more) = share(store, shared_rules(&settings, &policy));
        let gateway = Self::with_store(
            settings,
            telemetry,
            clock,
            (policy, loader),
            settings_files,
            store,
        );
        (gateway, more)
    }

    fn with_store(
        settings: Settings,
        telemetry: Telemetry,
        clock: Box<dyn Clock>,
        (policy, loader): (Policy, Option<Loader>),
        settings_files: Vec<Arc<dyn SettingsFile>>,
        store: Arc<Store>,
    ) -> Self {
        let (now, instant) = (clock.now(), clock.instant());
        let clock: Arc<dyn Clock> = clock.into();
        let traces = Traces::new(Arc::clone(&clock));
        traces.set(policy.tracing.as_ref());
        let expectations = Expectations::new(settings.expect, settings.pushes.instance_label.clone(), now);
        if policy.alerting.is_some() {
            expectations.overdue().follow();
        }
        let mut policies = Policies::new(policy, loader, now, instant);
        policies.may_expect |= settings.expect.from_push;
        store.set_limits(policies.current().limits(&settings.amounts));
        Self {
            feed: Mutex::new(store.follow()),
            store,
            is_loaded: AtomicBool::new(false),
            not_durable: OnceLock::new(),
            readiness: Readiness::default(),
            activity: Activity::new(settings.history_bytes, settings.max_followers, now, instant),
            audit: Audit::default(),
            backups: Mutex::default(),
            ahead: Ahead::default(),
            expectations,
            alerting: Mutex::default(),
            queue: Queue::of_this_machine("pushes waiting for their turn", settings.max_waiting),
            looks: Queue::of_this_machine(
                "requests with selectors waiting for their turn",
                settings.max_waiting,
            ),
            memory: Memory::new(settings.memory, settings.pushes.max_decoded_bytes),
            started_at: now,
            clock,
            telemetry,
            policies,
            request_ids: RequestIds::default(),
            traces: Arc::new(traces),
            settings_files,
            settings,
        }
    }

    /// It is ready when these parts are as well.
    #[must_use]
    pub fn with_readiness(self, readiness: Readiness) -> Self {
        Self { readiness, ..self }
    }

    /// What the flags decide.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store, to look at it, to load it and to look after its ledger.
    #[inline]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What is counted and measured.
    #[inline]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The memory that pushes take until they are stored.
    #[inline]
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// What goes on.
    #[inline]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// The time now, by the clock of the gateway.
    #[inline]
    pub fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// The clock itself, for those who keep something for some time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// A time that never goes back, by the clock of the gateway.
    #[inline]
    pub fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// When the process started.
    pub fn started_at(&self) -> UnixNanos {
        self.started_at
    }

    /// The store has what its ledger has: pushes and scrapes are welcome.
    pub fn set_loaded(&self) {
        self.is_loaded.store(true, Ordering::Release);
    }

    /// The groups are in memory only, although nobody has asked for that. To be called before [`Self::set_loaded`].
    pub fn set_not_durable(&self, why: NotDurable) {
        // Once is enough.
        let _said = self.not_durable.set(why);
    }

    /// Why they are, if they are.
    pub fn not_durable(&self) -> Option<&NotDurable> {
        self.not_durable.get()
    }

    /// Turns at pushes and changes that keep a processor busy.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Where those wait for their turn who look at groups one by one. Nobody who pushes waits for them.
    pub fn looks(&self) -> &Arc<Queue> {
        &self.looks
    }

    /// Names for requests.
    #[inline]
    pub fn request_ids(&self) -> &RequestIds {
        &self.request_ids
    }

    /// Begins the trace of a request, if there is to be one; `parent` is what its client says of its own.
    #[inline]
    pub fn begin_trace(&self, parent: impl FnOnce() -> Option<Parent>) -> Option<Traced> {
        self.traces.begin(parent)
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The rules in force.
    #[inline]
    pub fn policy(&self) -> Arc<Active> {
        self.policies.current()
    }

    /// How the rules in force were read; none without a configuration file.
    pub fn reading(&self) -> Option<Reading> {
        self.policies.reading()
    }

    /// The files of settings beside the configuration file.
    pub fn settings_files(&self) -> &[Arc<dyn SettingsFile>] {
        &self.settings_files
    }

    /// How many groups have a push time in the future.
    pub fn future_groups(&self) -> u64 {
        self.ahead.groups()
    }

    /// What to say while the store does not have yet what its ledger has.
    #[inline]
    pub fn loading(&self) -> Option<&'static str> {
        let is_loaded = self.is_loaded.load(Ordering::Acquire);
        (!is_loaded).then_some("the stored groups are still being loaded")
    }

    /// Why the gateway is not ready, if it is not.
    pub fn not_ready(&self) -> Option<String> {
        if let Some(loading) = self.loading() {
            return Some(loading.to_owned());
        }
        if let Some(part) = self.readiness.waits_for() {
            return Some(format!("the part `{part}` is still starting"));
        }
        if self.store.is_shared() {
            // One that can show what it has, and takes no pushes, is of use to those who scrape.
            return self.replica_not_ready();
        }
        self.store
            .failure()
            .map(|reason| format!("cannot store pushes now: {reason}"))
    }

    /// The same for anybody: where rules say who may see what, the reason, which names files, is not for all.
    pub fn not_ready_to_tell(&self) -> Option<String> {
        let why = self.not_ready()?;
        let is_starting = self.loading().is_some() || self.readiness.waits_for().is_some();
        let is_secret = !is_starting && self.policy().access().is_some();
        Some(if is_secret {
            "cannot store pushes now".to_owned()
        } else {
            why
        })
    }
}
