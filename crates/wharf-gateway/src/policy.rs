//! The rules that may change while the gateway runs: what expires when, who may store how much, relabelling, rights.
//!
//! They come from a file, of which this crate knows nothing. A [`Loader`] reads it, at the start and whenever
//! somebody asks; rules that cannot be read leave the old ones in force.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use wharf_model::{GroupingKey, Selector};
use wharf_relabel::Rule;
use wharf_store::{Aggregation, Counters, Gauges, Limits, PushMode, Quota, Ttl, UnixNanos, Usage};

use crate::access::rules::AccessRules;
use crate::alerting::AlertingRules;
use crate::expectations::ExpectRules;
use crate::lifespan::Lifespan;
use crate::rate::{BucketId, Rate, TokenBuckets};
use crate::refusal::{Again, Reason, Refusal};
use crate::settings::AmountLimits;
use crate::traces::Tracing;
use crate::wish::Wish;

/// All rules. None, by default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Of these the first whose selector matches a group decides.
    pub expiry: Vec<ExpiryRule>,
    /// All of these whose selectors match a group hold.
    pub quotas: Vec<QuotaRule>,
    /// Pushes to groups that one of these selects are added to what is stored. The first that matches says how.
    pub aggregation: Vec<AggregationRule>,
    /// The counters of groups that one of these selects begin anew with each push.
    pub runs: Vec<Selector>,
    /// Which groups are expected, and when.
    pub expectations: ExpectRules,
    /// Run over each push, in this order.
    pub relabelling: Vec<Rule>,
    /// Who may do what; none: whoever is admitted may do everything.
    pub access: Option<Arc<AccessRules>>,
    /// Where traces of requests go; none: there are no traces.
    pub tracing: Option<Tracing>,
    /// Who is told which groups are overdue; none: nobody.
    pub alerting: Option<AlertingRules>,
}

/// When groups leave by themselves.
#[derive(Debug, Clone)]
pub struct ExpiryRule {
    /// Which groups.
    pub selector: Selector,
    /// How long after the last successful push, if the push itself does not say; none: what is the default.
    pub ttl: Option<Lifespan>,
    /// Whether the group's push times stay when its metrics leave.
    pub keep_times: bool,
    /// For how long a series stays that no push brings, where pushes are added up.
    pub series_ttl: Option<Duration>,
}

/// How pushes to groups are added to what is stored.
#[derive(Debug, Clone)]
pub struct AggregationRule {
    /// Which groups.
    pub selector: Selector,
    /// How, as far as the push does not say.
    pub aggregation: Aggregation,
}

/// How much groups may store and push: all that a selector matches together, but for the rate where it says so.
#[derive(Debug, Clone)]
pub struct QuotaRule {
    /// Which groups.
    pub selector: Selector,
    /// How many such groups there may be.
    pub max_groups: Option<u64>,
    /// How many series they may have.
    pub max_series: Option<u64>,
    /// How many bytes of text they may have.
    pub max_bytes: Option<u64>,
    /// How often they may be pushed to.
    pub rate: Option<Rate>,
    /// The rate is for groups that have the same values of these labels. None: for all of them together.
    pub rate_per: Vec<String>,
}

impl QuotaRule {
    /// What has to be the same of groups that share the rate.
    fn rate_key<'k>(&self, key: &'k GroupingKey) -> Vec<&'k str> {
        let labels = self.rate_per.iter();
        labels.map(|label| key.value(label).unwrap_or_default()).collect()
    }
}

/// Reads the rules anew. Blocks. The error is a text for people: what is wrong, and where.
pub type Loader = Box<dyn Fn() -> Result<Policy, String> + Send + Sync>;

const EXPECT_IS_NEW: &str = "expect: expected none, since there were none when Wharf started, found rules; the old rules stay\n\
                             hint: start Wharf anew: the names of the metrics of missed jobs are reserved from the start on";
const ALERTING_IS_NEW: &str = "alerting: expected none, since there was none when Wharf started, found it; the old rules stay\n\
                               hint: start Wharf anew: the names of the metrics of alerts are reserved from the start on";
const ACCESS_GONE: &str = "access: expected rules, which are in force, found none; the old ones stay\n\
                           hint: to let everybody do everything, start Wharf anew without them";

/// The rules in force, and how to get others.
pub struct Policies {
    /// Cloned by each push; written by a reload only.
    current: RwLock<Arc<Active>>,
    loader: Option<Loader>,
    /// Whether groups may be expected: the names of what is shown of it are reserved then.
    pub(crate) may_expect: bool,
    /// Whether others may be told what is overdue, likewise.
    may_alert: bool,
    /// One reload at a time.
    reloading: Mutex<()>,
    reading: Mutex<Reading>,
}

/// When the rules were read, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When those in force were read.
    pub in_force_since: UnixNanos,
    /// The last time that somebody asked for a reload, if anybody has.
    pub last_reload: Option<Reload>,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// When.
    pub at: UnixNanos,
    /// Why the rules were not used; none: they were.
    pub error: Option<String>,
}

/// Rules with what they have counted so far.
#[derive(Debug)]
pub struct Active {
    policy: Policy,
    /// How often relabelling rules look at each byte of a metric.
    looks: usize,
    /// Those of the quotas that have a rate, with the index of the quota.
    buckets: Vec<(usize, TokenBuckets)>,
}

/// Why the rules were not read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadError {
    /// There is no file to read.
    NoFile,
    /// What is wrong with the file.
    Refused(String),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("expected --config.file, found nothing to reload"),
            Self::Refused(why) => write!(f, "failed to reload config: {why}"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl From<&ReloadError> for Refusal {
    fn from(error: &ReloadError) -> Self {
        let reason = match error {
            ReloadError::NoFile => Reason::NothingToReload,
            ReloadError::Refused(_) => Reason::Reload,
        };
        Self::new(reason, error.to_string())
    }
}

/// A push that comes too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooFast {
    /// The selector of the quota.
    pub selector: String,
    /// What it allows.
    pub rate: Rate,
    /// After this time, a push may go through.
    pub wait: Duration,
}

impl fmt::Display for TooFast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { selector, rate, .. } = self;
        write!(
            f,
            "expected at most {} pushes per second to groups of `{selector}` (in bursts of {}), found more",
            rate.per_second, rate.burst
        )
    }
}

impl From<&TooFast> for Refusal {
    fn from(error: &TooFast) -> Self {
        Self {
            again: Again::After(error.wait),
            ..Self::new(Reason::TooFast, error.to_string())
        }
    }
}

/// How much of a quota is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaGauge {
    /// Its place in the file, from 1 on: two may have one selector.
    pub number: String,
    /// Which groups it is about.
    pub selector: String,
    /// The name of what is counted: `groups`, `series` or `bytes`.
    pub resource: &'static str,
    /// How much there may be.
    pub limit: u64,
    /// How much there is.
    pub used: u64,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("current", &self.current)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

impl Policies {
    /// These rules, which were read at `now`, until `loader` gives others.
    pub fn new(policy: Policy, loader: Option<Loader>, now: UnixNanos, instant: Instant) -> Self {
        Self {
            may_expect: !policy.expectations.is_empty(),
            may_alert: policy.alerting.is_some(),
            current: RwLock::new(Arc::new(Active::new(policy, instant))),
            loader,
            reloading: Mutex::new(()),
            reading: Mutex::new(Reading {
                in_force_since: now,
                last_reload: None,
            }),
        }
    }

    /// Whether groups may be expected, as there were rules of that from the beginning, or pushes may say so.
    pub(crate) fn may_expect(&self) -> bool {
        self.may_expect
    }

    /// Whether others may be told which groups are overdue, as there was somebody to tell from the beginning.
    pub(crate) fn may_alert(&self) -> bool {
        self.may_alert
    }

    /// The rules in force.
    pub fn current(&self) -> Arc<Active> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How the rules in force came to be so; none if there is nothing to read.
    pub fn reading(&self) -> Option<Reading> {
        let reading = || {
            self.reading
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        self.loader.is_some().then(reading)
    }

    /// Reads the rules anew at `now`, and puts them in force as `install` says.
    ///
    /// # Errors
    /// If they cannot be read; the old ones stay in force.
    pub fn reload(
        &self,
        (now, instant): (UnixNanos, Instant),
        install: impl FnOnce(&Active),
    ) -> Result<(), ReloadError> {
        let loader = self.loader.as_ref().ok_or(ReloadError::NoFile)?;
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loader().and_then(|policy| {
            if policy.access.is_none() && self.current().access().is_some() {
                // A file that was emptied, or half written, would let everybody do everything.
                return Err(ACCESS_GONE.to_owned());
            }
            if !policy.expectations.is_empty() && !self.may_expect {
                return Err(EXPECT_IS_NEW.to_owned());
            }
            if policy.alerting.is_some() && !self.may_alert {
                return Err(ALERTING_IS_NEW.to_owned());
            }
            Ok(policy)
        });
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.last_reload = Some(Reload {
            at: now,
            error: loaded.as_ref().err().cloned(),
        });
        let active = Arc::new(Active::new(loaded.map_err(ReloadError::Refused)?, instant));
        install(&active);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = active;
        reading.in_force_since = now;
        Ok(())
    }
}

impl Active {
    pub(crate) fn new(policy: Policy, now: Instant) -> Self {
        let rates = policy.quotas.iter().enumerate();
        let buckets = rates.filter_map(|(at, quota)| Some((at, TokenBuckets::new(quota.rate?, now))));
        Self {
            buckets: buckets.collect(),
            looks: wharf_relabel::looks(&policy.relabelling),
            policy,
        }
    }

    /// Who may do what, if anybody has said so.
    pub fn access(&self) -> Option<&AccessRules> {
        self.policy.access.as_deref()
    }

    /// All of them.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where traces of requests go, if there are any.
    pub(crate) fn tracing(&self) -> Option<&Tracing> {
        self.policy.tracing.as_ref()
    }

    /// Who is told which groups are overdue, if anybody is.
    pub(crate) fn alerting(&self) -> Option<&AlertingRules> {
        self.policy.alerting.as_ref()
    }

    /// Which groups are expected, and when.
    pub(crate) fn expectations(&self) -> &ExpectRules {
        &self.policy.expectations
    }

    /// The relabelling rules.
    pub fn relabelling(&self) -> &[Rule] {
        &self.policy.relabelling
    }

    /// How often they look at each byte of a metric.
    pub(crate) fn looks(&self) -> usize {
        self.looks
    }

    /// How long a group stays after a push: as the push says, else as the first rule for the group says, else by
    /// default. Of one that is expected the times stay: whoever does not come any more is to be overdue, not forgotten.
    pub fn ttl(&self, key: &GroupingKey, asked: Option<Lifespan>, default: Lifespan) -> Option<Ttl> {
        let rule = self.policy.expiry.iter().find(|rule| rule.selector.matches(key));
        let of_rule = rule.and_then(|rule| rule.ttl);
        match asked.or(of_rule).unwrap_or(default) {
            Lifespan::Unlimited => None,
            Lifespan::Limited(after) => Some(Ttl {
                after,
                keep_times: rule.is_some_and(|rule| rule.keep_times) || self.expectations().of(key).is_some(),
            }),
        }
    }

    /// What a push to a group replaces, or how it is added to what the group has: as the push says, else as the first rule for
    /// the group says.
    ///
    /// # Errors
    /// If it is both, added up and what one run has counted.
    pub fn mode(&self, key: &GroupingKey, wish: &Wish) -> Result<PushMode, Refusal> {
        let mut rules = self.policy.aggregation.iter();
        let rule = rules.find(|rule| rule.selector.matches(key));
        if !wish.adding.wanted.unwrap_or(rule.is_some()) {
            return Ok(wish.mode);
        }
        if wish.counters == Some(Counters::Run) {
            let text = "expected a push that is added up or counters=run, found both\n\
                        hint: what is added up goes on from what is stored, so it does not begin anew";
            return Err(Refusal::parameter(&text));
        }
        let of_rule = rule.map(|rule| rule.aggregation).unwrap_or_default();
        Ok(PushMode::Aggregate(Aggregation {
            gauges: wish.adding.gauges.unwrap_or(of_rule.gauges),
            bounds: wish.adding.bounds.unwrap_or(of_rule.bounds),
            max_series: of_rule.max_series,
            series_ttl: self.series_ttl(key),
        }))
    }

    /// For how long a series of a group that is added up stays without a push that brings it, as the first rule for the group says.
    fn series_ttl(&self, key: &GroupingKey) -> Option<Duration> {
        let rule = self.policy.expiry.iter().find(|rule| rule.selector.matches(key));
        rule.and_then(|rule| rule.series_ttl)
    }

    /// What becomes of the gauges of a group that is added up by a rule.
    pub fn gauges(&self, key: &GroupingKey) -> Gauges {
        let mut rules = self.policy.aggregation.iter();
        let rule = rules.find(|rule| rule.selector.matches(key));
        rule.map(|rule| rule.aggregation.gauges).unwrap_or_default()
    }

    /// What the counters of a push to a group count: as the push says, else as the rules say. What is added up has no runs.
    pub fn counters(&self, key: &GroupingKey, asked: Option<Counters>, mode: PushMode) -> Counters {
        if matches!(mode, PushMode::Aggregate(_)) {
            return Counters::Total;
        }
        asked.unwrap_or_else(|| {
            if self.policy.runs.iter().any(|selector| selector.matches(key)) {
                Counters::Run
            } else {
                Counters::Total
            }
        })
    }

    /// Counts a push to a group. The clock is looked at only where there is something to count.
    ///
    /// # Errors
    /// If a quota has no room for it. It counts in no quota then.
    pub fn admit(&self, key: &GroupingKey, clock: impl FnOnce() -> Instant) -> Result<(), TooFast> {
        self.admit_all([key], clock).map_err(|(_, error)| error)
    }

    /// Counts a push to each of these groups, which is to be stored as a whole.
    ///
    /// # Errors
    /// The first group for which a quota has no room. The push counts for none of them then: tried again and again,
    /// it would otherwise take from others what it cannot use.
    pub fn admit_all<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k GroupingKey>,
        clock: impl FnOnce() -> Instant,
    ) -> Result<(), (&'k GroupingKey, TooFast)> {
        if self.buckets.is_empty() {
            return Ok(());
        }
        let now = clock();
        let mut taken: Vec<(&TokenBuckets, BucketId)> = Vec::new();
        for key in keys {
            for (quota, buckets) in self.rates_of(key) {
                let bucket = buckets.id(quota.rate_key(key));
                if let Err(wait) = buckets.take(bucket, now) {
                    for (buckets, bucket) in taken {
                        buckets.give_back(bucket);
                    }
                    let selector = quota.selector.to_string();
                    let rate = buckets.rate();
                    return Err((key, TooFast { selector, rate, wait }));
                }
                taken.push((buckets, bucket));
            }
        }
        Ok(())
    }

    /// The quotas with a rate that select a group.
    fn rates_of(&self, key: &GroupingKey) -> impl Iterator<Item = (&QuotaRule, &TokenBuckets)> {
        let rates = self
            .buckets
            .iter()
            .filter_map(|(at, buckets)| Some((self.policy.quotas.get(*at)?, buckets)));
        rates.filter(|(quota, _)| quota.selector.matches(key))
    }

    /// What the quotas allow of what is stored, and how much of it is taken; `usage` is in their order.
    pub fn quota_gauges(&self, usage: &[Usage]) -> Vec<QuotaGauge> {
        let mut gauges = Vec::new();
        for ((number, rule), usage) in (1..).zip(&self.policy.quotas).zip(usage) {
            let resources = [
                ("groups", rule.max_groups, usage.groups),
                ("series", rule.max_series, usage.series),
                ("bytes", rule.max_bytes, usage.bytes),
            ];
            let limited = resources.into_iter().filter_map(|(resource, limit, used)| {
                Some(QuotaGauge {
                    number: u32::to_string(&number),
                    selector: rule.selector.to_string(),
                    resource,
                    limit: limit?,
                    used,
                })
            });
            gauges.extend(limited);
        }
        gauges
    }

    /// What the store has to hold, beside these limits of the flags.
    pub fn limits(&self, flags: &AmountLimits) -> Limits {
        let quotas = self.policy.quotas.iter().map(|rule| Quota {
            selector: rule.selector.clone(),
            max_groups: rule.max_groups,
            max_series: rule.max_series,
            max_bytes: rule.max_bytes,
        });
        Limits {
            quotas: quotas.collect(),
            ..flags.of_store()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expectations::ExpectRule;
    use crate::wish::Adding;

    fn key(job: &str) -> GroupingKey {
        GroupingKey::new([("job", job)]).unwrap()
    }

    fn rule(selector: &str, ttl: Option<Lifespan>, keep_times: bool) -> ExpiryRule {
        ExpiryRule {
            selector: selector.parse().unwrap(),
            ttl,
            keep_times,
            series_ttl: None,
        }
    }

    fn seconds(seconds: u64) -> Lifespan {
        Lifespan::from(Duration::from_secs(seconds))
    }

    #[test]
    fn the_push_decides_before_the_first_rule_and_that_before_the_default() {
        let policy = Policy {
            expiry: vec![
                rule("{job=\"kept\"}", Some(seconds(0)), false),
                rule("{job=~\"ci-.*\"}", Some(seconds(60)), true),
                rule("{job=\"ci-a\"}", Some(seconds(1)), false),
                rule("{job=\"times\"}", None, true),
            ],
            ..Policy::default()
        };
        let active = Active::new(policy, Instant::now());
        let ttl = |job, asked, default| {
            let ttl = active.ttl(&key(job), asked, default);
            ttl.map(|ttl| (ttl.after.as_secs(), ttl.keep_times))
        };
        assert_eq!(ttl("ci-a", None, seconds(9)), Some((60, true)));
        assert_eq!(ttl("ci-a", Some(seconds(5)), seconds(9)), Some((5, true)));
        assert_eq!(ttl("ci-a", Some(seconds(0)), seconds(9)), None);
        assert_eq!(ttl("kept", None, seconds(9)), None);
        assert_eq!(ttl("times", None, seconds(9)), Some((9, true)));
        assert_eq!(ttl("other", None, seconds(9)), Some((9, false)));
        assert_eq!(ttl("other", None, seconds(0)), None);
    }

    #[test]
    fn the_push_decides_what_its_counters_count_and_else_a_rule() {
        let policy = Policy {
            runs: vec!["{job=\"a\"}".parse().unwrap(), "{job=~\"b.*\"}".parse().unwrap()],
            ..Policy::default()
        };
        let active = Active::new(policy, Instant::now());
        let mode = PushMode::ReplaceFamilies;
        let counters = |job, asked| active.counters(&key(job), asked, mode);
        assert_eq!(counters("a", None), Counters::Run);
        assert_eq!(counters("bb", None), Counters::Run);
        assert_eq!(counters("c", None), Counters::Total);
        assert_eq!(counters("a", Some(Counters::Total)), Counters::Total);
        assert_eq!(counters("c", Some(Counters::Run)), Counters::Run);
    }

    #[test]
    fn the_push_decides_whether_it_is_added_up_and_else_the_first_rule() {
        let rule = |selector: &str, gauges| AggregationRule {
            selector: selector.parse().unwrap(),
            aggregation: Aggregation {
                gauges,
                max_series: Some(7),
                ..Aggregation::default()
            },
        };
        let policy = Policy {
            aggregation: vec![
                rule("{job=\"a\"}", Gauges::Max),
                rule("{job=~\"a|b\"}", Gauges::Sum),
            ],
            ..Policy::default()
        };
        let active = Active::new(policy, Instant::now());
        let plain = Wish {
            expect: None,
            mode: PushMode::ReplaceFamilies,
            adding: Adding::default(),
            counters: None,
            ttl: None,
            id: None,
            pushed_at: None,
        };
        let asking = |wanted, gauges| Wish {
            adding: Adding {
                wanted: Some(wanted),
                gauges,
                bounds: None,
            },
            ..plain.clone()
        };
        let added = |gauges, max_series| {
            Ok(PushMode::Aggregate(Aggregation {
                gauges,
                max_series,
                ..Aggregation::default()
            }))
        };
        let mode = |job, wish: &Wish| active.mode(&key(job), wish);
        assert_eq!(mode("a", &plain), added(Gauges::Max, Some(7)));
        assert_eq!(mode("b", &plain), added(Gauges::Sum, Some(7)));
        assert_eq!(mode("c", &plain), Ok(PushMode::ReplaceFamilies));
        assert_eq!(mode("c", &asking(true, None)), added(Gauges::Last, None));
        assert_eq!(
            mode("a", &asking(true, Some(Gauges::Min))),
            added(Gauges::Min, Some(7))
        );
        assert_eq!(mode("a", &asking(false, None)), Ok(PushMode::ReplaceFamilies));
        let run = Wish {
            counters: Some(Counters::Run),
            ..plain.clone()
        };
        assert!(
            mode("a", &run)
                .unwrap_err()
                .text
                .starts_with("expected a push that is added up or counters=run")
        );
        assert_eq!(mode("c", &run), Ok(PushMode::ReplaceFamilies));
        // A rule of runs does not count where another one adds up.
        assert_eq!(
            active.counters(&key("a"), None, PushMode::Aggregate(Aggregation::default())),
            Counters::Total
        );
    }

    #[test]
    fn a_push_needs_room_in_all_quotas_and_takes_none_if_one_is_full() {
        let quota = |selector: &str, burst| QuotaRule {
            selector: selector.parse().unwrap(),
            max_groups: None,
            max_series: None,
            max_bytes: None,
            rate: Some(Rate {
                per_second: 1.0,
                burst,
            }),
            rate_per: Vec::new(),
        };
        let policy = Policy {
            quotas: vec![quota("{}", 2), quota("{job=\"a\"}", 1)],
            ..Policy::default()
        };
        let now = Instant::now();
        let active = Active::new(policy, now);
        assert_eq!(active.admit(&key("a"), || now), Ok(()));
        let refused = active.admit(&key("a"), || now).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "expected at most 1 pushes per second to groups of `{job=\"a\"}` (in bursts of 1), found more"
        );
        // The one that was refused has not used up what there is for all.
        assert_eq!(active.admit(&key("b"), || now), Ok(()));
        assert!(active.admit(&key("b"), || now).is_err());
        assert_eq!(active.admit(&key("a"), || now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn a_rate_may_be_for_each_job() {
        let rule = QuotaRule {
            selector: "{}".parse().unwrap(),
            max_groups: None,
            max_series: None,
            max_bytes: None,
            rate: Some(Rate {
                per_second: 1.0,
                burst: 1,
            }),
            rate_per: vec!["job".to_owned(), "env".to_owned()],
        };
        let policy = Policy {
            quotas: vec![rule],
            ..Policy::default()
        };
        let now = Instant::now();
        let active = Active::new(policy, now);
        let group = |job, env| GroupingKey::new([("job", job), ("env", env), ("x", "1")]).unwrap();
        assert_eq!(active.admit(&group("a", "dev"), || now), Ok(()));
        assert!(active.admit(&group("a", "dev"), || now).is_err());
        assert_eq!(active.admit(&group("a", "prod"), || now), Ok(()));
        assert_eq!(active.admit(&key("a"), || now), Ok(()));
        assert!(active.admit(&group("a", ""), || now).is_err());
    }

    #[test]
    fn groups_may_be_expected_only_where_the_names_are_reserved_from_the_start() {
        let expecting = |text: Option<&str>| {
            let rules = text.map(|selector| ExpectRule {
                selector: Some(selector.parse().unwrap()),
                always: Vec::new(),
                timing: wharf_schedule::Timing::parse(Some("1d"), None, None, None).unwrap(),
                since: None,
                paused_until: None,
            });
            Policy {
                expectations: ExpectRules::new(rules.into_iter().collect()),
                ..Policy::default()
            }
        };
        let reloaded = |before: Option<&str>, after: Option<&str>| {
            let loaded = expecting(after);
            let loader: Loader = Box::new(move || Ok(loaded.clone()));
            let policies = Policies::new(expecting(before), Some(loader), UnixNanos(1), Instant::now());
            let done = policies.reload((UnixNanos(2), Instant::now()), |_| ());
            (done.is_ok(), policies.current().expectations().iter().count())
        };
        assert_eq!(reloaded(None, Some("{}")), (false, 0));
        assert_eq!(reloaded(Some("{}"), None), (true, 0));
        assert_eq!(reloaded(Some("{}"), Some(r#"{job="a"}"#)), (true, 1));
    }

    #[test]
    fn the_times_of_a_group_that_is_expected_stay() {
        let policy = Policy {
            expectations: ExpectRules::new(vec![ExpectRule {
                selector: Some(r#"{job="a"}"#.parse().unwrap()),
                always: vec![key("b")],
                timing: wharf_schedule::Timing::parse(Some("1d"), None, None, None).unwrap(),
                since: None,
                paused_until: None,
            }]),
            ..Policy::default()
        };
        let active = Active::new(policy, Instant::now());
        let asked = Some(Lifespan::Limited(Duration::from_secs(5)));
        let keep = |job| {
            let ttl = active.ttl(&key(job), asked, Lifespan::Unlimited);
            ttl.map(|ttl| ttl.keep_times)
        };
        assert_eq!(
            [keep("a"), keep("b"), keep("c")],
            [Some(true), Some(true), Some(false)]
        );
    }

    #[test]
    fn a_reload_that_fails_keeps_the_old_rules() {
        let policies = Policies::new(
            Policy {
                expiry: vec![rule("{}", Some(seconds(5)), false)],
                ..Policy::default()
            },
            Some(Box::new(|| Err("line 1, column 1: wrong".to_owned()))),
            UnixNanos(1),
            Instant::now(),
        );
        let error = policies
            .reload((UnixNanos(2), Instant::now()), |_| ())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to reload config: line 1, column 1: wrong"
        );
        let ttl = policies.current().ttl(&key("a"), None, Lifespan::Unlimited);
        assert_eq!(ttl.map(|ttl| ttl.after), Some(Duration::from_secs(5)));
        let last_reload = Some(Reload {
            at: UnixNanos(2),
            error: Some("line 1, column 1: wrong".to_owned()),
        });
        let in_force_since = UnixNanos(1);
        let expected = Reading {
            in_force_since,
            last_reload,
        };
        assert_eq!(policies.reading(), Some(expected));
    }
}
