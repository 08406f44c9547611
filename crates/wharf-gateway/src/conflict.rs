//! Pushes that the store does not take, as refusals: the groups in the way are named to those only who may see them.

use std::fmt::Write;
use std::time::Duration;

use wharf_model::{GroupingKey, Stopped, TooLarge};
use wharf_relabel::RelabelError;
use wharf_store::{Clashes, Exceeded, GroupRefused, Limited, PushError, PushMode, SplitError};

use crate::access::caller::Caller;
use crate::access::right::Right;
use crate::activity::{Pushed, method};
use crate::advice;
use crate::refusal::{Again, Reason, Refusal, thousands};
use crate::source::Source;

/// What is full does not empty itself from one moment to the next.
const FULL: Again = Again::After(Duration::from_secs(60));

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let (reason, family) = match &error {
            PushError::Unavailable { .. } => return Self::unavailable(&error),
            PushError::Memory(denied) => return (*denied).into(),
            // Whoever pushes with little patience goes on with more, and does not ask for a refusal.
            PushError::TakesLong => return Self::internal(),
            PushError::Stopped(stopped) => return given_up(*stopped, "merged"),
            PushError::Limit(exceeded) => return exceeding(exceeded),
            PushError::TooLarge { .. } => (Reason::TooLarge, None),
            PushError::OtherBody => (Reason::PushId, None),
            PushError::NotAdded(not_added) => (Reason::NotAdded, Some((*not_added.family).into())),
            PushError::Inconsistent(clashes) => {
                let first = clashes.first();
                (Reason::Inconsistent(first.reason()), Some(first.family().into()))
            }
            _ => (Reason::Timestamps, None),
        };
        Self {
            family,
            ..Self::new(reason, told(&error))
        }
    }
}

impl From<SplitError> for Refusal {
    fn from(error: SplitError) -> Self {
        let reason = match &error {
            SplitError::TooLarge(TooLarge::Memory(denied)) => return (*denied).into(),
            SplitError::TooManyGroups { .. } => Reason::GroupsPerPush,
            SplitError::TooLarge(_) => Reason::TooLarge,
            _ => Reason::Group,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<&RelabelError> for Refusal {
    fn from(error: &RelabelError) -> Self {
        match error {
            RelabelError::TooLarge(TooLarge::Memory(denied)) => (*denied).into(),
            RelabelError::Stopped(stopped) => given_up(*stopped, "relabelled"),
            error => Self::new(Reason::Relabelling, error.to_string()),
        }
    }
}

/// A push that was given up while this was done with it.
fn given_up(stopped: Stopped, done: &str) -> Refusal {
    let hint = "hint: push fewer series at once, or shorter labels";
    match stopped {
        Stopped::TooCostly { max_steps } => Refusal::new(
            Reason::Costly,
            format!(
                "expected a push that takes at most {} steps to be {done}, found one that takes more\n{hint}",
                thousands(max_steps)
            ),
        ),
        Stopped::TooLate { time } => Refusal {
            again: Again::After(Duration::from_secs(1)),
            ..Refusal::new(
                Reason::Late,
                format!(
                    "expected a push that is {done} within {} s, found more to do; try again\n{hint}",
                    time.as_secs()
                ),
            )
        },
        stopped => stopped.into(),
    }
}

/// A push that does not fit to what is stored.
pub fn of_push(mut error: PushError, caller: &Caller) -> Refusal {
    let for_others = match &mut error {
        PushError::Inconsistent(clashes) => name_holders(clashes, caller),
        _ => None,
    };
    Refusal {
        for_others: for_others.map(|clashes| told(&clashes.into()).into()),
        ..Refusal::from(error)
    }
}

/// A push of several groups, one or more of which do not fit to what is stored.
pub(crate) fn of_groups(refused: GroupRefused, caller: &Caller) -> Refusal {
    let GroupRefused {
        key,
        error,
        others,
        more,
    } = refused;
    let Some(key) = key else {
        return error.into();
    };
    let mut refusal = of_push(error, caller).of_group(&key);
    for (key, mut clashes) in others {
        // Others are told of the first group only, which is theirs to see.
        clashes.name_holders_if(|holder| caller.allow(Right::Read, holder));
        refusal.text.push_str(&of_another_group(&key, &clashes));
    }
    if more > 0 {
        // Writing to a string cannot fail.
        let _infallible = write!(refusal.text, "\n{more} more groups are refused");
    }
    refusal
}

/// The refusal of a push of several groups, as the history of this one of them has it. Where rules say who may see what,
/// who sees this group need not see the one that is to blame.
pub(crate) fn in_history_of(refusal: &Refusal, key: &GroupingKey, caller: &Caller) -> Refusal {
    let is_of_another = refusal.blamed.as_ref().is_some_and(|blamed| blamed != key);
    let mut refusal = refusal.clone();
    if is_of_another && caller.is_by_rules() {
        refusal.for_others = Some("another group of the same push was refused".into());
    }
    refusal
}

/// Whether a refusal is due to what was pushed, and not to what else there is.
pub(crate) fn is_of_content(error: &PushError) -> bool {
    matches!(error, PushError::Timestamps(_) | PushError::Inconsistent(_))
}

/// Logs a push that was refused for what is in it, as the Pushgateway logs it.
pub(crate) fn log(error: &PushError, source: &Source, pushed: &Pushed) {
    let message = "pushed metrics are invalid or inconsistent with existing metrics";
    let cause = error.to_string();
    let cause = cause
        .strip_prefix(message)
        .and_then(|cause| cause.strip_prefix(": "))
        .unwrap_or(&cause);
    let (method, group) = (method(pushed.mode).as_str(), pushed.key.brief());
    let reason = match error {
        PushError::Inconsistent(clashes) => Reason::Inconsistent(clashes.first().reason()),
        _ => Reason::Timestamps,
    };
    let (reason, request_id, trace_id) = (reason.label(), source.request_id.to_string(), source.trace_id());
    tracing::error!(%method, source = source.to_string(), err = cause, group, reason, request_id, trace_id, "{message}");
}

/// Logs how many more groups of a push were refused than are logged one by one.
pub(crate) fn log_more(groups: usize, source: &Source, mode: PushMode) {
    let method = method(mode).as_str();
    let (request_id, trace_id) = (source.request_id.to_string(), source.trace_id());
    tracing::error!(%method, source = source.to_string(), groups, request_id, trace_id, "more groups of this push are invalid or inconsistent with existing metrics");
}

/// There is no room for what is pushed. A push that is too large by itself is never going to fit; others may,
/// when something has expired or was deleted.
fn exceeding(exceeded: &Exceeded) -> Refusal {
    let (reason, flag) = match (&exceeded.selector, exceeded.limited) {
        (_, Limited::LabelSets) => (Reason::QuotaSeries, None),
        (_, Limited::PushSeries) => (Reason::SeriesPerPush, Some("limits.max-series-per-push")),
        (None, Limited::Groups) => (Reason::Groups, Some("limits.max-groups")),
        (None, _) => (Reason::Series, Some("limits.max-series")),
        (Some(_), Limited::Groups) => (Reason::QuotaGroups, None),
        (Some(_), Limited::Bytes) => (Reason::QuotaBytes, None),
        (Some(_), _) => (Reason::QuotaSeries, None),
    };
    let hint = flag.map(|flag| format!("\nhint: raise --{flag}"));
    let again = if exceeded.limited == Limited::PushSeries {
        Again::Never
    } else {
        FULL
    };
    Refusal {
        again,
        ..Refusal::new(reason, format!("{exceeded}{}", hint.unwrap_or_default()))
    }
}

/// Names the groups in the way to those who may see them; what others may be told, if that is less.
fn name_holders(clashes: &mut Clashes, caller: &Caller) -> Option<Clashes> {
    clashes.name_holders_if(|holder| caller.allow(Right::Read, holder));
    caller.is_by_rules().then(|| {
        let mut bare = clashes.clone();
        bare.name_holders_if(|_| false);
        bare
    })
}

/// A refused push in words: what the Pushgateway says, and what to do.
fn told(error: &PushError) -> String {
    let advice = match error {
        PushError::Inconsistent(clashes) => advice::on_clashes(clashes),
        PushError::Timestamps(timestamps) => advice::on_timestamps(timestamps),
        _ => String::new(),
    };
    format!("{error}{advice}")
}

/// One more refused group of a push.
fn of_another_group(key: &GroupingKey, clashes: &Clashes) -> String {
    let first = clashes.first();
    let more = match clashes.count() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("\ngroup {}: {first}{more}", key.brief())
}
