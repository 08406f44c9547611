//! Rights: what somebody may be allowed, and for which groups.

use std::fmt;

use wharf_model::{Choice, GroupingKey, Selector};

/// What somebody may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To push.
    Push,
    /// To delete groups, one by one or by selector.
    Delete,
    /// To see what is stored: scrapes, listings, JSON.
    Read,
    /// To wipe, to import, to reload and to end the process, and to see its flags.
    Admin,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Push, Self::Delete, Self::Read, Self::Admin];

    /// As the configuration file and the metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// What has to be allowed for something to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To know who asks. Whoever does is welcome.
    Identity,
    /// A right for some group at least. Whoever does it asks again about the groups that it deals with, or
    /// narrows what it shows.
    ForSome(Right),
    /// One of these rights for some group at least; which it has to be depends on what is asked for, so whoever does it asks
    /// again.
    One([Right; 2]),
    /// A right for every group. Nothing more is asked: this is for what deals with all groups at once.
    ForEvery(Right),
}

/// For which groups a right holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// For none: the right is not there.
    #[default]
    Nothing,
    /// For those that one of these selects; there is at least one.
    Groups(Vec<Selector>),
    /// For all.
    Everything,
}

impl From<Vec<Selector>> for Scope {
    fn from(selectors: Vec<Selector>) -> Self {
        if selectors.iter().any(Selector::is_unconditional) {
            Self::Everything
        } else if selectors.is_empty() {
            Self::Nothing
        } else {
            Self::Groups(selectors)
        }
    }
}

impl Scope {
    /// Whether the right holds for the group of this key.
    pub fn has(&self, key: &GroupingKey) -> bool {
        match self {
            Self::Nothing => false,
            Self::Groups(selectors) => Selector::any(selectors, key),
            Self::Everything => true,
        }
    }

    /// Of the groups of a choice, those for which the right holds.
    #[must_use]
    pub fn narrow(&self, choice: Choice) -> Choice {
        match self {
            Self::Nothing => choice.and(Vec::new()),
            Self::Groups(selectors) => choice.and(selectors.clone()),
            Self::Everything => choice,
        }
    }

    /// The groups for which it holds. What is asked for comes behind it, so that an expression that somebody asks for never
    /// sees a group that they may not see.
    pub fn groups(&self) -> Choice {
        self.narrow(Choice::all())
    }

    pub(super) fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Everything, _) | (_, Self::Nothing) => {}
            (Self::Groups(selectors), Self::Groups(others)) => selectors.extend_from_slice(others),
            (_, other) => *self = other.clone(),
        }
    }
}

/// For an error text: the selectors that count.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no group"),
            Self::Everything => f.write_str("every group"),
            Self::Groups(selectors) => {
                for (index, selector) in selectors.iter().enumerate() {
                    write!(f, "{}`{selector}`", if index == 0 { "" } else { " or " })?;
                }
                Ok(())
            }
        }
    }
}

/// The rights that go together with an identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// To which groups it may push.
    pub push: Scope,
    /// Which groups it may delete.
    pub delete: Scope,
    /// Which groups it may see.
    pub read: Scope,
    /// Whether it may do what concerns the gateway as a whole.
    pub admin: bool,
}

impl Role {
    pub(super) fn scope(&self, right: Right) -> &Scope {
        match right {
            Right::Push => &self.push,
            Right::Delete => &self.delete,
            Right::Read => &self.read,
            Right::Admin if self.admin => &Scope::Everything,
            Right::Admin => &Scope::Nothing,
        }
    }
}
