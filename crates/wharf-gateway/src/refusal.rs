//! Why something is not done, whatever asked for it.
//!
//! A refusal says what a person should read ([`Refusal::text`]), what a program does about it ([`Refusal::again`]), and how it
//! is counted ([`Reason::label`]). Which status or answer it becomes is decided where the request came in.

use std::fmt::Display;
use std::time::Duration;

use wharf_model::{GroupingKey, Stopped};

use crate::access::right::Right;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What its sender is told: lower case, no full stop, hints on lines of their own.
    pub text: String,
    /// What others are told than the sender, who may see more than they; none: the same.
    pub for_others: Option<Box<str>>,
    /// The family in which a push contradicts itself or others.
    pub family: Option<Box<str>>,
    /// The one of several groups that is to blame.
    pub blamed: Option<GroupingKey>,
    /// Whether it is worth to try again.
    pub again: Again,
}

/// Whether the same request may be accepted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Not as it is.
    Never,
    /// After that time.
    After(Duration),
}

/// By which means a caller could prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Proofs {
    /// By a name and a password.
    pub password: bool,
    /// By a token.
    pub token: bool,
}

impl Proofs {
    /// By a name and a password only.
    pub const PASSWORD: Self = Self {
        password: true,
        token: false,
    };

    /// Whether there is a means at all.
    pub fn is_any(self) -> bool {
        self.password || self.token
    }
}

/// Why something is refused. There are few reasons: each label is a series for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The body is no exposition.
    Syntax,
    /// The body is an exposition, but something in it is not UTF-8.
    NotUtf8,
    /// The body does not decompress.
    Encoding,
    /// The sender stopped in the middle of its body.
    Aborted,
    /// The body is larger than may be received.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The address names no group.
    Url,
    /// A parameter is not what it has to be.
    Parameter,
    /// A flag would allow it.
    NeedsFlag,
    /// The caller lacks a right. If it has not said who it is and could, these are the means.
    Lacks(Right, Proofs),
    /// The credentials are wrong or missing.
    Credentials(Proofs),
    /// A label or a series is larger than allowed.
    LabelLimit,
    /// The push has more groups than allowed.
    GroupsPerPush,
    /// The push has more series than allowed.
    SeriesPerPush,
    /// The push is larger than can be stored, whatever else there is.
    TooLarge,
    /// A series of a push to many groups belongs to none.
    Group,
    /// Metrics have timestamps.
    Timestamps,
    /// What is pushed cannot be added to what is stored.
    NotAdded,
    /// Another push has come with the same id.
    PushId,
    /// The push contradicts itself or what is stored; the label says in what.
    Inconsistent(&'static str),
    /// The relabelling rules make nothing of it that could be stored.
    Relabelling,
    /// A quota allows fewer pushes.
    TooFast,
    /// There are as many groups as may be.
    Groups,
    /// There are as many series as may be.
    Series,
    /// A quota has as many groups as it allows.
    QuotaGroups,
    /// A quota has as many series as it allows.
    QuotaSeries,
    /// A quota has as many bytes as it allows.
    QuotaBytes,
    /// There is no such group.
    NoGroup,
    /// No push of that group is expected.
    NotExpected,
    /// There is no such removal, or none that the caller may undo.
    NoRemoval,
    /// The removal was undone, or cannot be.
    Settled,
    /// There is no file to read again.
    NothingToReload,
    /// The file that was read again has mistakes.
    Reload,
    /// Too much is being done at once.
    Overload,
    /// It cannot be done now, but will be possible again.
    Unavailable,
    /// Nobody waits for it any more.
    Gone,
    /// It takes more steps, or larger expressions, than a request may.
    Costly,
    /// It takes longer than a request may.
    Late,
    /// A bug stopped it.
    Internal,
}

impl Reason {
    /// What metrics and histories call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Syntax | Self::NotUtf8 => "syntax",
            Self::Encoding => "encoding",
            Self::Aborted => "aborted",
            Self::BodyTooLarge | Self::TooLarge => "too_large",
            Self::BodyTimeout => "timeout",
            Self::Url => "url",
            Self::Parameter => "parameter",
            Self::NeedsFlag => "forbidden",
            Self::Lacks(..) => "right",
            Self::Credentials(_) => "credentials",
            Self::LabelLimit => "label_limit",
            Self::GroupsPerPush => "groups_per_push",
            Self::SeriesPerPush => "series_per_push",
            Self::Group => "group",
            Self::Timestamps => "timestamps",
            Self::NotAdded => "not_added",
            Self::PushId => "push_id",
            Self::Inconsistent(what) => what,
            Self::Relabelling => "relabelling",
            Self::TooFast => "rate",
            Self::Groups => "groups",
            Self::Series => "series",
            Self::QuotaGroups => "quota_groups",
            Self::QuotaSeries => "quota_series",
            Self::QuotaBytes => "quota_bytes",
            Self::NoGroup | Self::NotExpected | Self::NoRemoval => "not_found",
            Self::Settled => "settled",
            Self::NothingToReload | Self::Reload => "reload",
            Self::Overload => "overload",
            Self::Unavailable => "unavailable",
            Self::Gone => "gone",
            Self::Costly => "costly",
            Self::Late => "late",
            Self::Internal => "internal",
        }
    }

    /// Whether it is due to a body that could not be read.
    pub fn is_of_body(self) -> bool {
        matches!(self, Self::Syntax | Self::NotUtf8 | Self::Encoding)
    }

    /// Whether it is due to what the push says, beside itself or what is stored.
    pub fn is_of_content(self) -> bool {
        matches!(self, Self::Timestamps | Self::NotAdded | Self::Inconsistent(_))
    }

    /// Whether it is something that had been begun and was given up.
    pub fn is_of_effort(self) -> bool {
        matches!(self, Self::Gone | Self::Costly | Self::Late)
    }

    /// The right that the caller lacks.
    pub fn lacks(self) -> Option<Right> {
        match self {
            Self::Lacks(right, _) => Some(right),
            _ => None,
        }
    }
}

/// What is busy now may be free again then.
const SOON: Again = Again::After(Duration::from_secs(1));

impl Refusal {
    /// For this reason, with this text, for good.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self {
            reason,
            text: text.into(),
            for_others: None,
            family: None,
            blamed: None,
            again: Again::Never,
        }
    }

    /// The body is no exposition.
    pub fn syntax(error: &impl Display) -> Self {
        Self::new(Reason::Syntax, error.to_string())
    }

    /// A parameter is not what it has to be.
    pub fn parameter(error: &impl Display) -> Self {
        Self::new(Reason::Parameter, error.to_string())
    }

    /// A flag would allow this.
    pub fn needs_flag(what: &str, flag: &str) -> Self {
        let text = format!("{what} is not enabled\nhint: start Wharf with --{flag}");
        Self::new(Reason::NeedsFlag, text)
    }

    /// Credentials that nobody knows, or none where some are needed.
    pub fn credentials(proofs: Proofs) -> Self {
        Self::new(Reason::Credentials(proofs), "Unauthorized")
    }

    /// More passwords are to be checked than can be.
    pub fn too_many_passwords() -> Self {
        Self {
            again: SOON,
            ..Self::new(
                Reason::Overload,
                "expected fewer passwords to check at once, found too many; try again",
            )
        }
    }

    /// More of something is going on than may be.
    pub fn overloaded(what: &str, limit: usize) -> Self {
        Self {
            again: SOON,
            ..Self::new(
                Reason::Overload,
                format!("expected at most {limit} {what} at once, found more; try again"),
            )
        }
    }

    /// Others have taken what this would need.
    pub fn busy(text: String) -> Self {
        Self {
            again: SOON,
            ..Self::new(Reason::Overload, text)
        }
    }

    /// It cannot be done now, but will be possible again.
    pub fn unavailable(why: &impl Display) -> Self {
        Self {
            again: SOON,
            ..Self::new(Reason::Unavailable, why.to_string())
        }
    }

    /// A request asks for more than one may.
    fn costly(limit: &str) -> Self {
        Self::new(
            Reason::Costly,
            format!(
                "expected selectors that take {limit}, found more\n\
                 hint: use `=` where a value is known, shorter regular expressions, no counted repetitions such as \
                 `{{0,400}}`, and fewer match[]"
            ),
        )
    }

    /// There is no group of that key.
    pub fn no_group(key: &GroupingKey) -> Self {
        Self::new(Reason::NoGroup, format!("there is no group {}", key.brief()))
    }

    /// A bug stopped what was being done.
    pub fn internal() -> Self {
        Self::new(
            Reason::Internal,
            "an unexpected error stopped this request; the log has more",
        )
    }

    /// The same refusal, with more lines behind what it says: each begins with a line feed.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        self.text.push_str(advice);
        self
    }

    /// The same refusal, for one group of several.
    #[must_use]
    pub fn of_group(mut self, key: &GroupingKey) -> Self {
        self.text = format!("group {}: {}", key.brief(), self.text);
        self.blamed = Some(key.clone());
        self
    }

    /// What others may be told than the sender.
    pub fn text_for_others(&self) -> &str {
        self.for_others.as_deref().unwrap_or(&self.text)
    }
}

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Gone => Self::new(
                Reason::Gone,
                "expected a client that waits for its answer, found one that has closed its side of the connection\n\
                 hint: keep the connection open until the answer is there",
            ),
            Stopped::TooCostly { max_steps } => Self::costly(&format!(
                "at most {} steps over the stored groups",
                thousands(max_steps)
            )),
            Stopped::TooLarge { max_bytes } => Self::costly(&format!(
                "at most {} KiB of memory when compiled",
                max_bytes >> 10
            )),
            Stopped::TooLate { time } => Self {
                again: SOON,
                ..Self::new(
                    Reason::Late,
                    format!(
                        "expected to be done within {} s, found more to do; try again\n\
                         hint: ask for fewer groups, or with simpler selectors",
                        time.as_secs()
                    ),
                )
            },
        }
    }
}

/// A number with commas.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        let shown = [0, 999, 1000, 2_000_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "2,000,000,000"]);
    }
}
