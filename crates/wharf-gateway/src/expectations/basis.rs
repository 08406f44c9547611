//! Why a group is expected: a rule of the configuration file says so, or one of its pushes has.

use std::sync::Arc;

use wharf_model::GroupingKey;
use wharf_schedule::Timing;
use wharf_store::{Snapshot, UnixNanos};

use super::rules::{ExpectRule, ExpectRules};
use crate::settings::ExpectSettings;

/// Who says that a group is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The rule of this index.
    Rule(usize),
    /// A push has.
    Push(Pushed),
}

/// What a push has said, and what that means: it is read once for as long as it stays the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    line: Arc<str>,
    timing: Arc<Timing>,
}

impl Pushed {
    /// When pushes are due.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    fn read(line: String, before: Option<&Origin>) -> Option<Self> {
        if let Some(Origin::Push(before)) = before
            && *before.line == *line
        {
            return Some(before.clone());
        }
        match Timing::from_line(&line) {
            Ok(timing) => Some(Self {
                line: line.into(),
                timing: Arc::new(timing),
            }),
            Err(error) => {
                // It was read when it was pushed: by another version, or where there were other time zones.
                tracing::warn!(err = %error, line, "what a push has said of the next ones cannot be read");
                None
            }
        }
    }
}

/// What is wanted of a group.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'r> {
    by: By<'r>,
    /// Until when nothing is.
    pub(super) paused_until: Option<UnixNanos>,
}

#[derive(Debug, Clone)]
enum By<'r> {
    Rule(usize, &'r ExpectRule),
    Push(Pushed),
}

impl<'r> Wanted<'r> {
    /// What a rule wants, which may have a pause of its own.
    pub(super) fn by_rule((index, rule): (usize, &'r ExpectRule)) -> Self {
        Self {
            by: By::Rule(index, rule),
            paused_until: rule.paused_until,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        match &self.by {
            By::Rule(index, _) => Origin::Rule(*index),
            By::Push(pushed) => Origin::Push(pushed.clone()),
        }
    }

    pub(super) fn timing(&self) -> &Timing {
        match &self.by {
            By::Rule(_, rule) => &rule.timing,
            By::Push(pushed) => &pushed.timing,
        }
    }

    /// From when on it is expected if it has never come, if somebody has said that.
    pub(super) fn since(&self) -> Option<UnixNanos> {
        match &self.by {
            By::Rule(_, rule) => rule.since,
            By::Push(_) => None,
        }
    }
}

/// Where it stands what is expected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis<'b> {
    pub(super) rules: &'b ExpectRules,
    pub(super) stored: &'b Snapshot,
    /// Whether what pushes have said counts.
    from_push: bool,
}

impl<'b> Basis<'b> {
    pub(super) fn new(rules: &'b ExpectRules, stored: &'b Snapshot, settings: ExpectSettings) -> Self {
        Self {
            rules,
            stored,
            from_push: settings.from_push,
        }
    }

    /// What is wanted of a group; `before` is who expected it before. A rule goes before a push. A pause ends when all who have said
    /// something of it say so.
    pub(super) fn of(&self, key: &GroupingKey, before: Option<&Origin>) -> Option<Wanted<'b>> {
        let mut wanted = match self.rules.of(key) {
            Some(rule) => Wanted::by_rule(rule),
            None if self.from_push => {
                let line = self.stored.expected(key)?;
                Wanted {
                    by: By::Push(Pushed::read(line, before)?),
                    paused_until: None,
                }
            }
            None => return None,
        };
        wanted.paused_until = wanted.paused_until.max(self.stored.paused_until(key));
        Some(wanted)
    }
}
