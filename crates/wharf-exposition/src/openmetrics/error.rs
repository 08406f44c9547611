//! Why a body was not understood.

use std::error::Error;
use std::fmt;

use wharf_model::TooLarge;

/// A body that is not `OpenMetrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    line: usize,
    column: usize,
    kind: ErrorKind,
}

impl DecodeError {
    /// Finds line and column of a problem in the body.
    pub(super) fn locate(body: &[u8], problem: Problem) -> Self {
        let before = body.get(..problem.offset).unwrap_or(body);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: String::from_utf8_lossy(in_line).chars().count() + 1,
            kind: problem.kind,
        }
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What was wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

/// An error before its line is known. Lines are counted only for errors.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) offset: usize,
    pub(super) kind: ErrorKind,
}

impl From<TooLarge> for Problem {
    fn from(_: TooLarge) -> Self {
        Self {
            offset: 0,
            kind: ErrorKind::TooLarge,
        }
    }
}

/// What was wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text does not go on as the grammar wants it.
    Unexpected {
        /// What the grammar wants.
        expected: &'static str,
        /// What stands there, cut short.
        found: String,
    },
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The body ends within a line other than `# EOF`.
    MissingLineFeed,
    /// Something stands behind `# EOF`.
    BehindEof,
    /// A name in quotes is none that the name rule allows.
    InvalidName(String),
    /// A type line names no type.
    UnknownType(String),
    /// Metadata of a family stands twice.
    SecondMetadata {
        /// `TYPE`, `HELP` or `UNIT`.
        keyword: &'static str,
        /// The family.
        family: String,
    },
    /// A unit is not the last word of the family's name.
    UnitOfOtherName {
        /// The unit.
        unit: String,
        /// The family.
        family: String,
    },
    /// The lines of a family do not stand together, or two families expose the same name.
    SecondFamily {
        /// The name.
        family: String,
    },
    /// A sample has a label twice.
    SecondLabel {
        /// The label's name.
        label: String,
    },
    /// A metric has the same sample twice.
    SecondSample {
        /// The sample's name.
        sample: String,
    },
    /// A bucket has no bound, or a quantile no rank.
    MissingLabel {
        /// `le` or `quantile`.
        label: &'static str,
    },
    /// A counter has a time of creation but no value.
    CreatedWithoutValue,
    /// There is more than 31 bits can count.
    TooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, kind } = self;
        write!(
            f,
            "openmetrics parsing error in line {line}, column {column}: {kind}"
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { expected, found } if found.is_empty() => {
                write!(f, "expected {expected}, found the end of the line")
            }
            Self::Unexpected { expected, found } => {
                write!(f, "expected {expected}, found `{}`", Short(found))
            }
            Self::InvalidUtf8 => f.write_str("expected UTF-8, found other bytes"),
            Self::MissingLineFeed => f.write_str("expected a line feed, found the end of the body"),
            Self::BehindEof => f.write_str("expected the end of the body behind `# EOF`, found more"),
            Self::InvalidName(name) => write!(f, "expected a valid name, found `{}`", Short(name)),
            Self::UnknownType(found) => {
                f.write_str("expected counter, gauge, histogram, gaugehistogram, summary, info, stateset")?;
                write!(f, " or unknown, found `{}`", Short(found))
            }
            Self::SecondMetadata { keyword, family } => {
                write!(
                    f,
                    "expected one {keyword} line of `{}`, found a second one",
                    Short(family)
                )
            }
            Self::UnitOfOtherName { unit, family } => {
                write!(
                    f,
                    "expected a unit that `{}` ends in, found `{}`",
                    Short(family),
                    Short(unit)
                )
            }
            Self::SecondFamily { family } => {
                write!(
                    f,
                    "expected all lines of `{}` in one place, found a second one",
                    Short(family)
                )
            }
            Self::SecondLabel { label } => {
                write!(f, "expected each label once, found a second `{}`", Short(label))
            }
            Self::SecondSample { sample } => {
                write!(f, "expected one `{}` a metric, found a second one", Short(sample))
            }
            Self::MissingLabel { label } => write!(f, "expected a label `{label}`, found none"),
            Self::CreatedWithoutValue => {
                f.write_str("expected a counter beside its `_created` sample, found none")
            }
            Self::TooLarge => TooLarge.fmt(f),
        }
    }
}

impl Error for DecodeError {}

/// Text of the body, escaped and cut short.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 64;
        for c in self.0.chars().take(MAX_CHARS) {
            match c {
                '"' | '\'' => write!(f, "{c}")?,
                _ => write!(f, "{}", c.escape_debug())?,
            }
        }
        if self.0.chars().nth(MAX_CHARS).is_some() {
            f.write_str("...")
        } else {
            Ok(())
        }
    }
}
