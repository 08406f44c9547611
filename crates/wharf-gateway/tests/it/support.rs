//! A gateway with a clock that stands still, and what there is to be seen of it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{
    AccessRules, Caller, Change, Claim, Claims, Follower, Gateway, Loader, Permit, Places, Policy, Remote,
    Role, Settings, TokenHash, Work, identify,
};
use wharf_ledger::{Ledger, Options, SimulatedDisk, SyncMode};
use wharf_model::{GroupingKey, Value};
use wharf_store::{Clock, UnixNanos};

const START: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

/// Stands still until it is told how much later it is.
#[derive(Debug, Clone)]
pub(crate) struct SetClock(Arc<Mutex<(UnixNanos, Instant)>>);

impl SetClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((START, Instant::now()))))
    }

    pub(crate) fn later(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        now.0.0 += i64::try_from(by.as_nanos()).unwrap();
        now.1 += by;
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixNanos {
        self.0.lock().unwrap().0
    }

    fn instant(&self) -> Instant {
        self.0.lock().unwrap().1
    }
}

pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) clock: SetClock,
    followed: tokio::sync::Mutex<Follower>,
}

/// A gateway without rules.
pub(crate) fn plain() -> World {
    world(Settings::default(), Policy::default())
}

/// A gateway with these settings and rules, whose groups are in memory.
pub(crate) fn world(settings: Settings, policy: Policy) -> World {
    let clock = SetClock::new();
    let no_loader: Option<Loader> = None;
    let gateway = Gateway::new(
        settings,
        Telemetry::new(BuildLabels::default()),
        Box::new(clock.clone()),
        (policy, no_loader),
        Vec::new(),
    );
    gateway.set_loaded();
    let followed = gateway.activity().changes.follow(&anybody().client()).unwrap();
    World {
        gateway: Arc::new(gateway),
        clock,
        followed: tokio::sync::Mutex::new(followed),
    }
}

impl World {
    /// From now on changes wait for this disk.
    pub(crate) fn on(self, disk: &SimulatedDisk) -> Self {
        self.on_with(disk, Options::default())
    }

    /// From now on changes go to this disk.
    pub(crate) fn on_with(self, disk: &SimulatedDisk, options: Options) -> Self {
        let waits = options.sync == SyncMode::Always;
        let store = self.gateway.store();
        let mut replay = |replayed: wharf_ledger::Replayed<'_>| Ok(store.replay(replayed.record)?);
        let opened = Ledger::open(Arc::new(disk.clone()), options, &mut replay);
        let (ledger, recovery) = opened.unwrap();
        store.attach(ledger, recovery.last, waits);
        self
    }

    /// How many series a group has; none if there is no such group.
    pub(crate) fn series(&self, job: &str) -> Option<u64> {
        let group = self.gateway.store().group(&key(job))?;
        Some(group.info().series)
    }

    /// The sum of the values of a family of the gateway itself whose metrics have this label value.
    fn counted(&self, family: &str, label: &str) -> u64 {
        self.summed(family, |values| values.contains(&label))
    }

    fn summed(&self, family: &str, is_wanted: impl Fn(&[&str]) -> bool) -> u64 {
        let snapshot = self.gateway.store().snapshot();
        let own = self.gateway.own_families(&snapshot);
        let found = own.families.iter().find(|one| own.text(one.name) == family);
        let metrics = found.into_iter().flat_map(|family| &family.metrics);
        let wanted = metrics.filter(|metric| {
            let values: Vec<&str> = own.labels(metric.labels).map(|(_, value)| value).collect();
            is_wanted(&values)
        });
        let value: f64 = wanted
            .map(|metric| match metric.value {
                Value::Number(value) => value,
                _ => 0.0,
            })
            .fold(0.0, |sum, value| sum + value);
        value.to_string().parse().unwrap()
    }

    /// Requests that were given up for this reason.
    pub(crate) fn stopped(&self, reason: &str) -> u64 {
        self.counted("wharf_requests_stopped_total", reason)
    }

    /// Groups that were deleted by selector.
    pub(crate) fn deleted(&self) -> u64 {
        self.summed("wharf_groups_deleted_total", |_| true)
    }

    /// How often something of the audit list was done with this outcome.
    pub(crate) fn acted(&self, kind: &str, outcome: &str) -> u64 {
        let is_it = |values: &[&str]| values.contains(&kind) && values.contains(&outcome);
        self.summed("wharf_audit_actions_total", is_it)
    }

    /// Pushes that were refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.counted("wharf_pushes_refused_total", reason)
    }

    /// Metrics that relabelling rules have dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.summed("wharf_relabel_metrics_dropped_total", |_| true)
    }

    /// Requests to push in the last hour that were stored, and that were not.
    pub(crate) fn hour(&self) -> (u64, u64) {
        let (_, sums) = self.gateway.activity().hour.read(self.clock.instant());
        (sums.pushes, sums.refused)
    }

    /// What the history has of a group: for each push, why it was refused; empty if it was not.
    pub(crate) fn history(&self, job: &str) -> Vec<String> {
        self.gateway.catch_up();
        let past = self.gateway.activity().history().unwrap().group(&key(job));
        let pushes = past.map(|past| past.pushes).unwrap_or_default();
        pushes
            .iter()
            .map(|push| push.refused.as_deref().unwrap_or_default().to_owned())
            .collect()
    }

    /// What followers are told since the last time this was asked.
    pub(crate) async fn notices(&self) -> Vec<(String, Change)> {
        self.gateway.observe();
        let mut followed = self.followed.lock().await;
        let next = tokio::time::timeout(Duration::from_millis(1), followed.next());
        let notice = next.await.ok().flatten();
        let groups = notice.and_then(|notice| notice.groups);
        groups
            .iter()
            .flat_map(|groups| groups.iter())
            .map(|(key, change)| (key.job().to_owned(), *change))
            .collect()
    }

    /// Whether a group says that a push to it failed.
    pub(crate) fn says_failed(&self, job: &str) -> bool {
        let group = self.gateway.store().group(&key(job));
        group.is_some_and(|group| group.info().failure_time > 0.0)
    }
}

pub(crate) fn key(job: &str) -> GroupingKey {
    GroupingKey::new([("job", job)]).unwrap()
}

/// A place.
pub(crate) fn place() -> Permit {
    Places::new(1).take(&anybody().client()).unwrap()
}

/// Work for which somebody waits.
pub(crate) fn work(world: &World) -> Work {
    Work::new(&world.gateway, place(), Box::pin(std::future::pending()))
}

/// A gateway with rules by which somebody has this role, and others have the other; and that somebody.
pub(crate) async fn with_role(settings: Settings, role: Role, others: Role) -> (World, Caller) {
    const TOKEN: &str = "0123456789abcdef";
    let mut rules = AccessRules::new(others).unwrap();
    let hashes = [TokenHash::of(TOKEN).unwrap()];
    assert!(rules.add_token("somebody", &hashes, role).is_empty());
    let rules = Arc::new(rules);
    let policy = Policy {
        access: Some(Arc::clone(&rules)),
        ..Policy::default()
    };
    let claims = || Claims {
        first: Claim::Token(TOKEN.as_bytes()),
        are_several: false,
    };
    let caller = identify((Some(&rules), None), true, claims, Remote::User(None), &[]).await;
    (world(settings, policy), caller.unwrap())
}

/// A caller who may do everything: there are no rules.
pub(crate) fn anybody() -> Caller {
    Caller::unlimited(Remote::User(None), None)
}

/// What a task that runs beside the test comes to, which takes some turns.
pub(crate) async fn eventually<T: PartialEq + Debug>(expected: T, found: impl Fn() -> T) {
    for _ in 0..10_000 {
        if found() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(found(), expected);
}
