//! Why a body was not understood.

use std::error::Error;
use std::fmt;

use wharf_model::{Denied, MetricType, TooLarge};

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

    /// Why there was no more memory, if that is what stopped it.
    pub fn denied(&self) -> Option<Denied> {
        match self.kind() {
            ErrorKind::TooLarge(TooLarge::Memory(denied)) => Some(*denied),
            _ => None,
        }
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
    fn from(error: TooLarge) -> Self {
        Self {
            offset: 0,
            kind: ErrorKind::TooLarge(error),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        TooLarge::from(denied).into()
    }
}

/// What was wrong with a body: which rule of the standard it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text does not go on as the grammar or the type wants it.
    Unexpected {
        /// What should stand there.
        expected: &'static str,
        /// What stands there, cut short.
        found: String,
    },
    /// A sample has a value that its type does not allow.
    InvalidValue {
        /// What it may be.
        expected: &'static str,
        /// What it is, cut short.
        found: String,
    },
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The body begins with a byte order mark.
    ByteOrderMark,
    /// A line ends with a carriage return.
    CarriageReturn,
    /// A line has nothing in it.
    BlankLine,
    /// A line begins with `#`, but is neither metadata nor the end.
    Comment(String),
    /// The body ends within a line other than `# EOF`.
    MissingLineFeed,
    /// Something stands behind `# EOF`.
    BehindEof,
    /// A name in quotes is none that the name rule allows.
    InvalidName(String),
    /// A label name begins with `__`.
    ReservedLabel(String),
    /// A type line names no type.
    UnknownType(String),
    /// Metadata of a family stands twice.
    SecondMetadata {
        /// `TYPE`, `HELP` or `UNIT`.
        keyword: &'static str,
        /// The family.
        family: String,
    },
    /// Metadata of a family stands behind its samples.
    LateMetadata {
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
    /// An info or a state set has a unit.
    UnitOfType(MetricType),
    /// The lines of a family do not stand together.
    SecondFamily {
        /// The family.
        family: String,
    },
    /// A family and one of its samples could have a name that another family could give its samples too.
    TakenName {
        /// The name.
        name: String,
        /// The family that has it.
        family: String,
        /// Its type.
        metric_type: MetricType,
    },
    /// A sample has the name of its family, but the type wants more.
    BareName {
        /// The family.
        family: String,
        /// Its type.
        metric_type: MetricType,
        /// What a sample ends in.
        suffix: &'static str,
    },
    /// A sample has a label twice.
    SecondLabel {
        /// The label's name.
        label: String,
    },
    /// A label that belongs to buckets or quantiles stands at another sample.
    StrayLabel {
        /// `le` or `quantile`.
        label: &'static str,
    },
    /// A bucket has no bound, a quantile no rank, or a state no name.
    MissingLabel {
        /// The label's name.
        label: String,
    },
    /// A metric has the same sample twice.
    SecondSample {
        /// The sample's name.
        sample: String,
    },
    /// The samples of a metric do not stand together.
    SecondMetric {
        /// The family.
        family: String,
    },
    /// Some samples of a metric have timestamps.
    SomeTimestamps,
    /// The timestamps of a metric go back.
    EarlierTimestamp,
    /// The bounds of buckets do not rise.
    BucketOrder,
    /// A bucket counts fewer than the one before.
    FallingBucket,
    /// A histogram has no bucket `+Inf`.
    MissingInfinity {
        /// The family.
        family: String,
    },
    /// A histogram has another count than its bucket `+Inf`.
    OtherCount {
        /// The value of the bucket.
        expected: String,
        /// The count.
        found: String,
    },
    /// A histogram has a sum and no count, or the reverse.
    Alone {
        /// Which sample it has.
        found: String,
        /// Which is missing.
        missing: String,
    },
    /// A histogram with buckets below zero has a sum.
    SumOfNegative,
    /// A histogram without buckets below zero has a negative sum.
    NegativeSum,
    /// A sample that must not have an exemplar has one.
    StrayExemplar,
    /// The labels of an exemplar have too many characters.
    LongExemplar {
        /// How many.
        length: usize,
    },
    /// The value of an exemplar is above the bound of its bucket.
    ExemplarAboveBound,
    /// A counter has a time of creation but no value.
    CreatedWithoutValue,
    /// There is more than 31 bits can count, or than there is memory for.
    TooLarge(TooLarge),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, kind } = self;
        write!(
            f,
            "openmetrics parsing error in line {line}, column {column}: {kind}"
        )?;
        match kind.advice() {
            Some(advice) => write!(f, "\nhint: {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { expected, found } if found.is_empty() => {
                write!(f, "expected {expected}, found the end of the line")
            }
            Self::Unexpected { expected, found } | Self::InvalidValue { expected, found } => {
                write!(f, "expected {expected}, found `{}`", Short(found))
            }
            Self::InvalidUtf8 => f.write_str("expected UTF-8, found other bytes"),
            Self::ByteOrderMark => f.write_str("expected a line, found a byte order mark"),
            Self::CarriageReturn => {
                f.write_str("expected a line feed alone, found a carriage return before it")
            }
            Self::BlankLine => f.write_str("expected a sample, metadata or `# EOF`, found a blank line"),
            Self::Comment(found) => {
                f.write_str("expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `")?;
                write!(f, "{}`", Short(found))
            }
            Self::MissingLineFeed => f.write_str("expected a line feed, found the end of the body"),
            Self::BehindEof => f.write_str("expected the end of the body behind `# EOF`, found more"),
            Self::InvalidName(name) => write!(f, "expected a valid name, found `{}`", Short(name)),
            Self::ReservedLabel(name) => {
                write!(
                    f,
                    "expected a label name that is not reserved, found `{}`",
                    Short(name)
                )
            }
            Self::UnknownType(found) => {
                f.write_str("expected counter, gauge, histogram, gaugehistogram, summary, info, stateset")?;
                write!(f, " or unknown, found `{}`", Short(found))
            }
            Self::SecondMetadata { keyword, family } => {
                let family = Short(family);
                write!(f, "expected one {keyword} line of `{family}`, found a second one")
            }
            Self::LateMetadata { family } => {
                let family = Short(family);
                write!(
                    f,
                    "expected the metadata of `{family}` before its samples, found it behind them"
                )
            }
            Self::UnitOfOtherName { unit, family } => {
                let (family, unit) = (Short(family), Short(unit));
                write!(
                    f,
                    "expected a unit that `{family}` ends in, behind a `_`, found `{unit}`"
                )
            }
            Self::UnitOfType(metric_type) => {
                let word = metric_type.as_openmetrics();
                write!(f, "expected no unit of a family of type {word}, found one")
            }
            Self::SecondFamily { family } => {
                let family = Short(family);
                write!(
                    f,
                    "expected all lines of `{family}` in one place, found a second one"
                )
            }
            Self::TakenName {
                name,
                family,
                metric_type,
            } => {
                let (name, family, word) = (Short(name), Short(family), metric_type.as_openmetrics());
                write!(f, "expected names that no other family has, found `{name}`, ")?;
                let has = if name.0 == family.0 {
                    "is that of"
                } else {
                    "is kept for"
                };
                write!(f, "which {has} the {word} `{family}`")
            }
            Self::BareName {
                family,
                metric_type,
                suffix,
            } => {
                let (family, word) = (Short(family), metric_type.as_openmetrics());
                write!(
                    f,
                    "expected a sample of the {word} `{family}`, such as `{family}{suffix}`, found `{family}`"
                )
            }
            Self::SecondLabel { label } => {
                write!(f, "expected each label once, found a second `{}`", Short(label))
            }
            Self::StrayLabel { label } => {
                let place = if *label == "le" { "buckets" } else { "quantiles" };
                write!(
                    f,
                    "expected the label `{label}` at {place} only, found it at another sample"
                )
            }
            Self::MissingLabel { label } => {
                write!(f, "expected a label `{}`, found none", Short(label))
            }
            Self::SecondSample { sample } => {
                write!(f, "expected one `{}` a metric, found a second one", Short(sample))
            }
            Self::SecondMetric { family } => {
                let family = Short(family);
                write!(
                    f,
                    "expected all samples of a metric of `{family}` in one place, found more"
                )
            }
            Self::SomeTimestamps => {
                f.write_str("expected timestamps at all samples of a metric or at none, found both")
            }
            Self::EarlierTimestamp => {
                f.write_str("expected the timestamps of a metric to rise, found an earlier one")
            }
            Self::BucketOrder => f.write_str("expected buckets in the order of `le`, found a lower bound"),
            Self::FallingBucket => {
                f.write_str("expected a bucket to count what the ones before do, found a lower value")
            }
            Self::MissingInfinity { family } => {
                let family = Short(family);
                write!(
                    f,
                    "expected a bucket with `le=\"+Inf\"` in each metric of `{family}`, found none"
                )
            }
            Self::OtherCount { expected, found } => {
                write!(
                    f,
                    "expected the count of the bucket `+Inf`, {expected}, found `{}`",
                    Short(found)
                )
            }
            Self::Alone { found, missing } => {
                write!(
                    f,
                    "expected `{}` beside `{}`, found none",
                    Short(missing),
                    Short(found)
                )
            }
            Self::SumOfNegative => f.write_str("expected no sum beside buckets below zero, found one"),
            Self::NegativeSum => {
                f.write_str("expected a sum of 0 or more without buckets below zero, found a negative one")
            }
            Self::StrayExemplar => {
                f.write_str("expected exemplars at buckets and `_total` of counters only, found one")
            }
            Self::LongExemplar { length } => {
                write!(
                    f,
                    "expected at most {MAX_EXEMPLAR_CHARS} characters in the labels of an exemplar, "
                )?;
                write!(f, "found {length}")
            }
            Self::ExemplarAboveBound => {
                f.write_str("expected an exemplar within its bucket, found a value above `le`")
            }
            Self::CreatedWithoutValue => {
                f.write_str("expected a counter beside its `_created` sample, found none")
            }
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

/// How many characters the names and values of an exemplar's labels may have together.
pub(super) const MAX_EXEMPLAR_CHARS: usize = 128;

impl ErrorKind {
    /// What to do about it, above all what to leave out.
    pub fn advice(&self) -> Option<&'static str> {
        let has_blank = |text: &str| text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
        Some(match self {
            Self::Unexpected { found, .. } | Self::UnknownType(found) if has_blank(found) => {
                "leave the blank out: one stands between the parts of a line, none elsewhere"
            }
            Self::InvalidValue { .. } => "leave the sample out, or give the family another type",
            Self::ByteOrderMark => "leave the byte order mark out",
            Self::CarriageReturn => "end lines with a line feed alone",
            Self::BlankLine => "leave blank lines out",
            Self::Comment(_) => "leave comments out; the last line is `# EOF`",
            Self::MissingLineFeed => "a line that is cut short could be read as another one",
            Self::ReservedLabel(_) => "leave out labels whose names begin with `__`",
            Self::UnknownType(found) if found == "untyped" => "this format calls it `unknown`",
            Self::SecondMetadata { .. } => "leave one of the two lines out",
            Self::LateMetadata { .. } => "put HELP, TYPE and UNIT before the first sample",
            Self::UnitOfOtherName { .. } | Self::UnitOfType(_) => "leave the UNIT line out",
            Self::SecondFamily { .. } => "put all metadata and samples of a family next to each other",
            Self::TakenName { .. } => {
                "rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms \
                 `_count`, `_sum`, `_created` and `_bucket`"
            }
            Self::BareName {
                metric_type: MetricType::Counter | MetricType::Info,
                ..
            } => {
                "leave the suffix out of the name in HELP, TYPE and UNIT lines, and put it behind that of each sample"
            }
            Self::SecondLabel { .. } | Self::SecondSample { .. } => "leave one of the two out",
            Self::StrayLabel { .. } => "leave the label out",
            Self::SecondMetric { .. } => "put all samples of the same labels next to each other",
            Self::SomeTimestamps | Self::EarlierTimestamp => "leave the timestamps out",
            Self::BucketOrder => "put buckets in the order of their bounds, each once",
            Self::FallingBucket => "a bucket counts all that is not above its bound",
            Self::MissingInfinity { .. } => "add the bucket `+Inf`, whose value is the count",
            Self::OtherCount { .. } => "the bucket `+Inf` and the count are the same number",
            Self::Alone { .. } => "leave it out, or send both",
            Self::SumOfNegative => {
                "leave the sum and the count out, or push it in the text format or as protobuf"
            }
            Self::StrayExemplar => "leave the exemplar out",
            Self::LongExemplar { .. } => "leave out labels of the exemplar, or shorten them",
            Self::CreatedWithoutValue => "leave the `_created` sample out, or send `_total` with it",
            _ => return None,
        })
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
