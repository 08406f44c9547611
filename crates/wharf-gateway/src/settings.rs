//! What the flags decide about the use cases.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use wharf_model::name::NameRule;
use wharf_settings::{Kind, Takes, ValueError, kinds, settings};
use wharf_store::{InstanceLabel, Limits, PushIdLimits};

use crate::lifespan::Lifespan;
use crate::limits::PushLimits;
use crate::memory::MemoryLimits;
use crate::refusal::Refusal;
use crate::statsd::Statsd;

/// What the flags decide about the use cases, whatever requests come in by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is accepted as a push.
    pub pushes: PushSettings,
    /// Limits on the labels of a push.
    pub push_limits: PushLimits,
    /// How much is stored.
    pub amounts: AmountLimits,
    /// How much memory pushes take until they are.
    pub memory: MemoryLimits,
    /// What needs a flag of its own.
    pub admin: AdminApi,
    /// How far replicas may be apart.
    pub replicas: ReplicaLimits,
    /// What is expected of groups.
    pub expect: ExpectSettings,
    /// What takes lines of `StatsD`, if anything does.
    pub statsd: Option<Arc<dyn Statsd>>,
    /// Limit on the text of one push with the labels of its group, in bytes; 2 GiB are never exceeded.
    pub max_push_bytes: usize,
    /// How much memory the history of pushes may take; 0: there is none.
    pub history_bytes: usize,
    /// The job of parts that name none, where prom-aggregation-gateway is to be replaced.
    pub aggregate_job: Arc<str>,
    /// Where people find this gateway, for those who are told of it.
    pub external_url: Arc<str>,
    /// How many may follow changes at once.
    pub max_followers: usize,
    /// How many pushes that take long may wait for their turn, and how many requests with selectors. All others find no place if
    /// those who wait have taken all.
    pub max_waiting: usize,
}

/// Those of a gateway whose flags say nothing.
impl Default for Settings {
    fn default() -> Self {
        Self {
            pushes: PushSettings::default(),
            push_limits: PushLimits::default(),
            amounts: AmountLimits::default(),
            memory: MemoryLimits::default(),
            admin: AdminApi::default(),
            replicas: ReplicaLimits::default(),
            expect: ExpectSettings::default(),
            statsd: None,
            max_push_bytes: MAX_PUSH_BYTES,
            history_bytes: HISTORY_BYTES,
            aggregate_job: "aggregate".into(),
            external_url: "http://localhost:9091".into(),
            max_followers: MAX_FOLLOWERS,
            max_waiting: MAX_WAITING,
        }
    }
}

const UTF8_NAMES: Kind<NameRule> = Kind::new(
    Takes::Nothing,
    |value| {
        let mut is_on = false;
        kinds::SWITCH.set(&mut is_on, value)?;
        Ok(if is_on { NameRule::Utf8 } else { NameRule::Legacy })
    },
    |names| (*names == NameRule::Utf8).to_string(),
);

const STRIPPED_TIMESTAMPS: Kind<bool> = Kind::new(
    Takes::OneOf(&["refuse", "strip"]),
    |value| match value {
        "refuse" => Ok(false),
        "strip" => Ok(true),
        _ => Err(ValueError::new(format!(
            "expected refuse or strip, found `{value}`"
        ))),
    },
    |strips| if *strips { "strip" } else { "refuse" }.to_owned(),
);

const INSTANCE: Kind<InstanceLabel> = Kind::new(
    Takes::Value("empty, omit, or the value of the label"),
    |value| {
        Ok(match value {
            "empty" | "" => InstanceLabel::Empty,
            "omit" => InstanceLabel::Omit,
            value => InstanceLabel::Value(value.into()),
        })
    },
    |label| match label {
        InstanceLabel::Empty => "empty".to_owned(),
        InstanceLabel::Omit => "omit".to_owned(),
        InstanceLabel::Value(value) => value.to_string(),
    },
);

settings! {
    /// What is accepted as a push.
    pub struct PushSettings {
        /// Whether pushes are answered 202 even if they are inconsistent (and then dropped).
        pub unchecked: bool = false,
            "push.disable-consistency-check" as kinds::SWITCH,
            "Answer every push that can be read with 202. One that does not fit to what is stored is dropped all \
             the same, and only the log and the group's failure time say so.";
        /// Which metric and label names are allowed.
        pub names: NameRule = NameRule::Legacy,
            "push.enable-utf8-names" as UTF8_NAMES,
            "Allow any UTF-8 text as a metric or label name.";
        /// For how long a group stays after its last push if neither the push nor a rule says so; none: for ever.
        pub default_ttl: Option<Duration> = None,
            "push.default-ttl" as kinds::TIME_TO_LIVE,
            "For how long a group stays after its last push, if neither the push nor a rule says so; 0 for ever.";
        /// The longest time to live that a push may ask for; none: any, and for ever.
        pub max_ttl: Option<Duration> = None,
            "push.max-ttl" as kinds::TIME_TO_LIVE,
            "Longest time to live that a push may ask for; 0 for any.";
        /// Whether timestamps are left out of pushes, instead of the push being refused.
        pub strip_timestamps: bool = false,
            "push.timestamps" as STRIPPED_TIMESTAMPS,
            "Whether a push with timestamps is refused, as the original does, or stored without them.";
        /// For how long the ids of pushes are known.
        pub id_ttl: Duration = PushIdLimits::DEFAULT.ttl,
            "push.id-ttl" as kinds::UNSIGNED,
            "For how long the id of a push that is added up is known, so that it is not counted again.";
        /// How many ids of pushes are known.
        pub max_ids: NonZeroUsize = NonZeroUsize::new(PushIdLimits::DEFAULT.max).unwrap_or(NonZeroUsize::MAX),
            "push.max-ids" as kinds::COUNT,
            "Ids of pushes that are known; of more, the oldest are forgotten before their time.";
        /// How much memory one push may take until it is stored; none: any.
        pub max_decoded_bytes: Option<u64> = Some(192 << 20),
            "push.max-decoded-bytes" as kinds::SIZE_LIMIT,
            "Memory of one push until it is stored: its body once expanded, what is decoded of it, and the lines that \
             this comes to with the labels of the group on each.";
        /// What series without an `instance` label get.
        pub instance_label: InstanceLabel = InstanceLabel::Empty,
            "push.instance-label" as INSTANCE,
            "What a series without an instance gets: an empty label as the original gives it, none (omit), or \
             this value. Counts from each group's next push on.";
    }
}

settings! {
    /// How far replicas may be apart.
    #[derive(Copy)]
    pub struct ReplicaLimits {
        /// How old what is shown may be for pushes to be taken.
        pub max_lag: Duration = Duration::from_secs(10),
            "replica.max-lag" as kinds::UNSIGNED,
            "For how long nothing may be heard from etcd until pushes are refused and /-/ready is 503. Scrapes go on.";
        /// How long settings may differ.
        pub max_config_skew: Duration = Duration::from_secs(600),
            "replica.max-config-skew" as kinds::UNSIGNED,
            "For how long settings that change what is stored may differ from those of the replica that started or \
             reloaded last, until /-/ready is 503.";
    }
}

settings! {
    /// What is expected of groups.
    #[derive(Copy)]
    pub struct ExpectSettings {
        /// Groups that may be expected; none: any number.
        pub max: Option<u64> = Some(10_000),
            "expect.max" as kinds::LIMIT,
            "Groups that may be expected, by rules of the configuration file or by pushes; the newest beyond it are not watched.";
        /// How long after a start nothing becomes overdue that was due while Wharf was down.
        pub start_grace: Duration = Duration::from_secs(300),
            "expect.start-grace" as kinds::UNSIGNED,
            "For how long after a start nothing becomes overdue that was due while Wharf may have been down.";
        /// Whether pushes may say when the next ones are expected.
        pub from_push: bool = false,
            "expect.from-push" as kinds::SWITCH,
            "Pushes may say when the next one is expected, with Wharf-Expect.";
    }
}

settings! {
    /// How much is stored. None: any number.
    #[derive(Copy)]
    pub struct AmountLimits {
        /// Groups that are stored.
        pub max_groups: Option<u64> = Some(10_000_000),
            "limits.max-groups" as kinds::LIMIT,
            "Groups that are stored.";
        /// Series that are stored.
        pub max_series: Option<u64> = Some(100_000_000),
            "limits.max-series" as kinds::LIMIT,
            "Series that are stored.";
        /// Series of one push.
        pub max_series_per_push: Option<u64> = Some(10_000_000),
            "limits.max-series-per-push" as kinds::LIMIT,
            "Series of one push.";
    }
}

settings! {
    /// Whether everything may be wiped, groups deleted by selector, and pushes dated.
    #[derive(Copy)]
    pub struct AdminApi {
        /// Whether `/api/v1/admin` exists.
        pub enabled: bool = false,
            "web.enable-admin-api" as kinds::SWITCH,
            "Let requests to /api/v1/admin delete everything, and DELETE of /api/v1/groups what a selector names.";
    }
}

impl PushSettings {
    /// For how long groups stay for which neither the push nor a rule says it.
    pub fn default_ttl(&self) -> Lifespan {
        self.default_ttl.map_or(Lifespan::Unlimited, Lifespan::from)
    }
}

impl AmountLimits {
    /// The same for the store, which has no quotas yet.
    pub(crate) fn of_store(&self) -> Limits {
        Limits {
            max_groups: self.max_groups,
            max_series: self.max_series,
            max_push_series: self.max_series_per_push,
            quotas: Vec::new(),
        }
    }
}

/// 2 GiB: positions in what is rendered of a push are 32 bits.
pub(crate) const MAX_PUSH_BYTES: usize = 1 << 31;
const HISTORY_BYTES: usize = 64 << 20;
const MAX_FOLLOWERS: usize = 100;
const MAX_WAITING: usize = 256;

impl AdminApi {
    /// Whether groups may be deleted by selector.
    ///
    /// # Errors
    /// If that is not enabled.
    pub fn allow_selectors(&self) -> Result<(), Refusal> {
        if self.enabled {
            return Ok(());
        }
        Err(Refusal::needs_flag(
            "deleting by selector",
            "web.enable-admin-api",
        ))
    }

    /// Whether a push may have a time of its own.
    ///
    /// # Errors
    /// If that is not enabled.
    pub fn allow_dates(&self) -> Result<(), Refusal> {
        if self.enabled {
            return Ok(());
        }
        Err(Refusal::needs_flag(
            "a push with a time of its own",
            "web.enable-admin-api",
        ))
    }
}
