//! What is to become of a group that was removed and may come back: one rule, for what is stored here and for a shared log.

use crate::UnixNanos;
use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::prepare::PreparedFamily;

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
    /// Whether all pushes since were refused: there is nothing but the time of that.
    pub(super) has_only_failed: bool,
    pub(super) lifetime: Option<Lifetime>,
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
        Some(present) if present.has_only_failed => (PushMode::ReplaceFamilies, true),
        Some(_) => return Fate::Kept,
    };
    Fate::Put {
        mode,
        lifetime,
        keeps_failure,
    }
}
