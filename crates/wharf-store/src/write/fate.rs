//! What is to become of a group that was removed and may come back: one rule, for what is stored here and for a shared log.

use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily};
use crate::{PUSH_TIME, UnixNanos};

/// What is to become of a group that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It comes back, in this way.
    Put {
        mode: PushMode,
        lifetime: Option<Lifetime>,
        /// Without the time of its last failure: it has a later one.
        keeps_failure: bool,
    },
    Kept,
    Expired,
    Missing,
}

/// What there is by now of a group that was removed.
pub(super) struct Present<'p> {
    /// Whether it has a family.
    pub(super) has: &'p dyn Fn(&str) -> bool,
    /// Whether no push since was taken: there is nothing but its times, and what is expected of it.
    pub(super) is_bare: bool,
    pub(super) lifetime: Option<Lifetime>,
}

/// When the group of these families was pushed last, as its push time says it; 0 if it never was.
pub(super) fn push_time(prepared: &Prepared<'_>) -> f64 {
    let line = prepared.get(PUSH_TIME).map(|time| prepared.text(time));
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let value = line.and_then(|line| line.trim_end().rsplit(' ').next()?.parse().ok());
    value.unwrap_or_default()
}

/// What is to become of a group that was removed, or lost these families: which of both it was, and how long it was to live.
pub(super) fn fate(
    present: Option<Present<'_>>,
    (mode, lifetime): (PushMode, Option<Lifetime>),
    families: &[PreparedFamily<'_>],
    now: UnixNanos,
) -> Fate {
    if mode != PushMode::ReplaceGroup {
        let Some(present) = present else {
            return Fate::Missing;
        };
        if families.iter().all(|family| (present.has)(family.name)) {
            return Fate::Kept;
        }
        return Fate::Put {
            mode: PushMode::ReplaceFamilies,
            lifetime: present.lifetime,
            keeps_failure: false,
        };
    }
    if lifetime.is_some_and(|lifetime| lifetime.expires_at <= now) {
        return Fate::Expired;
    }
    let (mode, keeps_failure) = match present {
        None => (PushMode::ReplaceGroup, false),
        Some(present) if present.is_bare => (PushMode::ReplaceFamilies, true),
        Some(_) => return Fate::Kept,
    };
    Fate::Put {
        mode,
        lifetime,
        keeps_failure,
    }
}
