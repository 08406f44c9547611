//! What changes have done to groups, for those who follow.

use std::net::IpAddr;

use wharf_model::GroupingKey;

use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::{Revision, UnixNanos};

/// What whoever pushes wants booked with the push. The store keeps none of it and looks at nothing in it: it goes to the
/// feed with the effect of the push, so that whoever books pushes need not be whoever takes them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// When it came, by the clock of whoever took it; that may be another time than the one that it is stored with.
    pub received_at: UnixNanos,
    /// The kind of input that the push came by, such as `push`; empty if nobody said.
    pub input: &'static str,
    /// The method of the request, if there was one.
    pub method: Option<&'static str>,
    /// Where it came from, if that is known.
    pub address: Option<IpAddr>,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// Lines of samples that it brought.
    pub series: u64,
    /// How long the job took, if the push says it.
    pub duration_seconds: Option<f64>,
}

impl Facts {
    /// Nothing is to be booked.
    pub(crate) const NONE: &'static Self = &Self {
        received_at: UnixNanos(0),
        input: "",
        method: None,
        address: None,
        body_bytes: 0,
        series: 0,
        duration_seconds: None,
    };
}

/// What a change has done to a group, or to all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The number of the change. One change may have several effects.
    pub revision: Revision,
    /// The group; none if it was all of them.
    pub key: Option<GroupingKey>,
    /// What was done.
    pub what: What,
}

/// What was done to a group.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A push was stored.
    Pushed(Stored),
    /// The group was stored as another gateway had it.
    Restored(Stored),
    /// A push was refused, and the group's failure time says when.
    Failed {
        /// Whether the group was made for that.
        created: bool,
    },
    /// The group is gone.
    Deleted {
        /// Why.
        by: By,
    },
    /// Families of the group are gone.
    FamiliesDeleted {
        /// How many.
        families: usize,
        /// Why.
        by: By,
    },
    /// Series of the group have left, since no push brought them for as long as they live.
    SeriesExpired,
    /// The group has expired, and its push times are left.
    Emptied,
    /// The group expires at another time.
    LifetimeSet {
        /// How long it lives now.
        lifetime: Option<Lifetime>,
    },
    /// Something is said of the pushes of the group that are still to come.
    Noted,
    /// What the group has counted begins anew; its label sets stay.
    Reset {
        /// When.
        at: UnixNanos,
    },
    /// Everything is gone.
    Wiped {
        /// How many groups there were.
        groups: usize,
    },
    /// A change of this group, or of all, was seen by readers and then taken back, since it did not get to stable storage.
    /// Its effects have not been told.
    TakenBack,
}

/// What was stored of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What it replaced.
    pub mode: PushMode,
    /// Whether the group is new.
    pub created: bool,
    /// Number of families that were replaced or added, the push time aside.
    pub families: usize,
    /// Lines of these.
    pub series: u64,
    /// Bytes of these: of their text, and of the protobuf form of what text cannot say.
    pub bytes: u64,
    /// The time of the push.
    pub pushed_at: UnixNanos,
    /// How long the group lives from then on; none if for ever.
    pub lifetime: Option<Lifetime>,
    /// What the pusher wants booked.
    pub facts: Facts,
}

/// Why something was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum By {
    /// Somebody asked for it by its key.
    Request,
    /// A selector selected it.
    Selector,
    /// Its time was over.
    Expiry,
}

/// Effects of one change.
#[derive(Debug, Default)]
pub(crate) enum Effects {
    /// Nobody has asked, or there are none.
    #[default]
    None,
    Told(Vec<Effect>),
    /// More than anybody is going to be told one by one, by the change of this number.
    TooMany(Revision),
}

/// Effects of one change that are told one by one: those of the largest push to many groups are.
pub(crate) const MOST_TOLD: usize = 12 * 1024;

impl Effects {
    pub(crate) fn add(&mut self, effect: Effect) {
        match self {
            Self::None => *self = Self::Told(vec![effect]),
            Self::Told(all) if all.len() < MOST_TOLD => all.push(effect),
            Self::Told(_) | Self::TooMany(_) => *self = Self::TooMany(effect.revision),
        }
    }

    /// Adds those of another change.
    pub(crate) fn extend(&mut self, more: Self) {
        match (&mut *self, more) {
            (_, Self::None) => {}
            (Self::None, more) | (_, more @ Self::TooMany(_)) => *self = more,
            (_, Self::Told(effects)) => effects.into_iter().for_each(|effect| self.add(effect)),
        }
    }
}
