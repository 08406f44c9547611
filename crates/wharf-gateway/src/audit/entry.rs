//! What an entry of the list says.

use std::net::IpAddr;
use std::time::Duration;

use wharf_store::UnixNanos;

use crate::access::caller::Caller;

/// Bytes of each text of an entry; what is longer is cut.
pub(super) const MAX_TEXT_BYTES: usize = 1_024;
/// What the same client does again within this time is the same entry.
const FOLDED_WITHIN: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// A group was deleted by its path.
    Delete,
    /// A family of a group was deleted.
    DeleteFamily,
    /// Groups, or a family of them, were deleted by selector.
    DeleteBySelector,
    /// What a group has counted began anew.
    Reset,
    /// All groups were wiped.
    Wipe,
    /// Groups came back that had been removed.
    Undo,
    /// Groups of a backup were stored.
    Import,
    /// The configuration file was read again.
    Reload,
    /// What is expected of a group was paused.
    PauseExpectation,
    /// Such a pause was ended.
    ResumeExpectation,
    /// What a push has said of those to come was taken away.
    RemoveExpectation,
    /// The process was told to end.
    Quit,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Delete,
        Self::DeleteFamily,
        Self::DeleteBySelector,
        Self::Reset,
        Self::Wipe,
        Self::Undo,
        Self::Import,
        Self::Reload,
        Self::PauseExpectation,
        Self::ResumeExpectation,
        Self::RemoveExpectation,
        Self::Quit,
    ];

    /// Its word in the API, in metrics, in logs and in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::DeleteFamily => "delete_family",
            Self::DeleteBySelector => "delete_by_selector",
            Self::Reset => "reset",
            Self::Wipe => "wipe",
            Self::Undo => "undo",
            Self::Import => "import",
            Self::Reload => "reload",
            Self::PauseExpectation => "expect_pause",
            Self::ResumeExpectation => "expect_resume",
            Self::RemoveExpectation => "expect_remove",
            Self::Quit => "quit",
        }
    }

    /// The kind of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether machines do it again and again.
    pub(crate) fn is_frequent(self) -> bool {
        matches!(
            self,
            Self::Delete
                | Self::DeleteFamily
                | Self::Reset
                | Self::Import
                | Self::Reload
                | Self::PauseExpectation
                | Self::ResumeExpectation
                | Self::RemoveExpectation
        )
    }
}

/// Who does something, and where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// By the access rules: ``user `alice` ``, `anonymous`; or the signal.
    pub who: String,
    /// Where it came from, if it came by the network.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// A caller.
    pub fn of(caller: &Caller, address: Option<IpAddr>) -> Self {
        Self {
            who: caller.who(),
            address,
        }
    }

    /// Whoever may send signals to the process.
    pub fn signal(name: &str) -> Self {
        Self {
            who: name.to_owned(),
            address: None,
        }
    }
}

/// Something that was done, or tried by somebody who may do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// Who.
    pub actor: Actor,
    /// To what: a group, a selector; empty where the kind says it all.
    pub what: String,
    /// Groups that it was done to.
    pub groups: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Numbers grow, also across restarts.
    pub id: u64,
    /// When it was done; of what was done several times, the first time.
    pub time: UnixNanos,
    /// The last time.
    pub last_time: UnixNanos,
    /// How many times.
    pub times: u64,
    /// What.
    pub action: Action,
}

impl AuditEntry {
    /// What it takes in memory, about, and in the file.
    pub(super) fn bytes(&self) -> usize {
        let Action {
            actor, what, error, ..
        } = &self.action;
        let error = error.as_ref().map_or(0, String::len);
        200 + actor.who.len() + what.len() + error
    }

    /// Whether an action is the same again.
    pub(super) fn takes(&self, action: &Action, now: UnixNanos) -> bool {
        let within = i64::try_from(FOLDED_WITHIN.as_nanos()).unwrap_or(i64::MAX);
        let age = now.0.saturating_sub(self.time.0);
        action.kind.is_frequent()
            && self.action.kind == action.kind
            && self.action.actor == action.actor
            && self.action.error == action.error
            && (0..within).contains(&age)
    }

    pub(super) fn add(&mut self, action: &Action, now: UnixNanos) {
        self.times += 1;
        self.last_time = now;
        self.action.groups += action.groups;
        let what = &mut self.action.what;
        if action.what.is_empty() || what.ends_with('…') || what.split(", ").any(|known| known == action.what)
        {
            return;
        }
        *what = cut(format!("{what}, {}", action.what));
    }
}

/// A text that is not too long.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
