//! What the flags decide about the use cases.

use std::time::Duration;

use wharf_model::name::NameRule;
use wharf_store::{InstanceLabel, Limits};

use crate::limits::PushLimits;
use crate::policy::Lifespan;
use crate::refusal::Refusal;

/// What the flags decide about the use cases, whatever requests come in by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether everything may be wiped, groups deleted by selector, and pushes dated.
    pub admin_api: bool,
    /// Whether inconsistent pushes are accepted, and then dropped.
    pub unchecked: bool,
    /// Which names pushes may use.
    pub names: NameRule,
    /// Whether timestamps are left out of pushes, instead of the push being refused.
    pub strip_timestamps: bool,
    /// What series without an `instance` label get.
    pub instance_label: InstanceLabel,
    /// How long groups stay for which neither the push nor a rule says it.
    pub default_ttl: Lifespan,
    /// The longest time to live that a push may ask for; none: any.
    pub max_ttl: Option<Duration>,
    /// Limits on the labels of a push.
    pub push_limits: PushLimits,
    /// Limit on the text of one push with the labels of its group, in bytes; 2 GiB are never exceeded.
    pub max_push_bytes: usize,
    /// Limits on what is stored, without quotas.
    pub store_limits: Limits,
    /// How much memory the history of pushes may take; 0: there is none.
    pub history_bytes: usize,
    /// How many may follow changes at once.
    pub max_followers: usize,
}

/// Those of a gateway whose flags say nothing, but for limits: there are few.
impl Default for Settings {
    fn default() -> Self {
        Self {
            admin_api: false,
            unchecked: false,
            names: NameRule::default(),
            strip_timestamps: false,
            instance_label: InstanceLabel::Empty,
            default_ttl: Lifespan::Unlimited,
            max_ttl: None,
            push_limits: PushLimits::default(),
            max_push_bytes: MAX_PUSH_BYTES,
            store_limits: Limits::default(),
            history_bytes: HISTORY_BYTES,
            max_followers: MAX_FOLLOWERS,
        }
    }
}

/// 2 GiB: positions in what is rendered of a push are 32 bits.
pub(crate) const MAX_PUSH_BYTES: usize = 1 << 31;
const HISTORY_BYTES: usize = 64 << 20;
const MAX_FOLLOWERS: usize = 100;

impl Settings {
    /// Whether groups may be deleted by selector.
    ///
    /// # Errors
    /// If that is not enabled.
    pub fn allow_selectors(&self) -> Result<(), Refusal> {
        if self.admin_api {
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
        if self.admin_api {
            return Ok(());
        }
        Err(Refusal::needs_flag(
            "a push with a time of its own",
            "web.enable-admin-api",
        ))
    }
}
