//! Why a body was not understood.

use std::error::Error;
use std::fmt;

use wharf_model::{Denied, TooLarge};

use super::NativeProblem;

/// A body that is not a sequence of metric families as the protobuf format delimits them.
///
/// Where the Pushgateway has a text for the case, it is the first line of `Display`; a `hint:` line
/// with the position follows.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeError {
    offset: usize,
    kind: ErrorKind,
}

impl DecodeError {
    pub(super) fn new(offset: usize, kind: ErrorKind) -> Self {
        Self { offset, kind }
    }

    /// How many bytes into the body the problem lies.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What was wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Why there was no more memory, if that is what stopped it.
    pub fn denied(&self) -> Option<Denied> {
        match self.kind() {
            ErrorKind::TooLarge(TooLarge::Memory(denied)) => Some(*denied),
            _ => None,
        }
    }
}

/// What was wrong with a body.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A length prefix announces more bytes than the body has left.
    FamilyCutShort {
        /// The length that the prefix announces.
        expected: u64,
        /// The bytes that are left.
        found: usize,
    },
    /// The body ends within a length prefix.
    LengthCutShort,
    /// A length prefix is no 64-bit integer.
    LengthOverflow,
    /// The bytes within a family are not protobuf.
    Malformed(Malformed),
    /// A family has no name.
    NamelessFamily,
    /// A family's type is none of `io.prometheus.client.MetricType`.
    UnknownType(u64),
    /// A name or a label value is not UTF-8.
    InvalidUtf8 {
        /// Which string it is.
        what: &'static str,
    },
    /// Prometheus would refuse a native histogram, and with it the whole scrape.
    NativeHistogram {
        /// The name of the family.
        family: String,
        /// What Prometheus would say against it.
        problem: NativeProblem,
    },
    /// There is more than 31 bits can count, or than there is memory for.
    TooLarge(TooLarge),
}

/// How bytes fail to be protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A field's number is 0 or has more than 29 bits.
    FieldNumber(u64),
    /// A field's wire type does not exist.
    WireType(u64),
    /// An integer does not end within its message or within ten bytes.
    Integer,
    /// An integer does not fit into the 32 bits of its field.
    Narrow(i64),
    /// A value is longer than its message.
    CutShort {
        /// The length that the value needs.
        expected: u64,
        /// The bytes that are left.
        found: usize,
    },
    /// A group ends that was not begun, or one does not end.
    Group,
    /// Groups lie deeper in each other than the decoder follows.
    Depth,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset;
        match &self.kind {
            ErrorKind::FamilyCutShort { expected, found } => {
                write!(
                    f,
                    "unexpected EOF\nhint: byte {offset}: expected a metric family of {expected} bytes"
                )?;
                write!(f, ", found {found} bytes")
            }
            ErrorKind::LengthCutShort => {
                write!(
                    f,
                    "unexpected EOF\nhint: byte {offset}: expected the length of a metric family"
                )?;
                f.write_str(", found the end of the body")
            }
            ErrorKind::LengthOverflow => {
                write!(
                    f,
                    "proto: variable length integer overflow\nhint: byte {offset}: expected the length"
                )?;
                f.write_str(" of a metric family, found an integer of more than 64 bits")
            }
            ErrorKind::Malformed(malformed) => {
                write!(
                    f,
                    "proto: cannot parse invalid wire-format data\nhint: byte {offset}: {malformed}"
                )
            }
            ErrorKind::NamelessFamily => {
                write!(
                    f,
                    "protobuf parsing error at byte {offset}: expected a metric family with a name"
                )?;
                f.write_str(", found one without")
            }
            ErrorKind::UnknownType(number) => {
                write!(
                    f,
                    "protobuf parsing error at byte {offset}: expected a metric type from 0 to 5"
                )?;
                write!(f, ", found {number}")
            }
            ErrorKind::InvalidUtf8 { what } => {
                write!(
                    f,
                    "protobuf parsing error at byte {offset}: expected a {what} in UTF-8"
                )?;
                f.write_str(", found other bytes")
            }
            ErrorKind::NativeHistogram { family, problem } => {
                write!(
                    f,
                    "protobuf parsing error at byte {offset}: native histogram `{}`: ",
                    Short(family)
                )?;
                write!(f, "{problem}")
            }
            ErrorKind::TooLarge(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldNumber(number) => {
                write!(f, "expected a field number from 1 to 2^29-1, found {number}")
            }
            Self::WireType(number) => write!(f, "expected a wire type from 0 to 5, found {number}"),
            Self::Integer => f.write_str("expected an integer of up to ten bytes, found no end of it"),
            Self::Narrow(number) => write!(f, "expected an integer of 32 bits, found {number}"),
            Self::CutShort { expected, found } => {
                write!(f, "expected a value of {expected} bytes, found {found} bytes")
            }
            Self::Group => f.write_str("expected groups that begin and end, found one that does not"),
            Self::Depth => f.write_str("expected fewer groups within each other, found a deeper one"),
        }
    }
}

impl Error for DecodeError {}

impl From<TooLarge> for DecodeError {
    fn from(error: TooLarge) -> Self {
        Self::new(0, ErrorKind::TooLarge(error))
    }
}

impl From<Denied> for DecodeError {
    fn from(denied: Denied) -> Self {
        TooLarge::from(denied).into()
    }
}

/// Names in errors are cut after so many characters.
pub(super) const MAX_NAME_CHARS: usize = 64;

/// A name of the body, escaped and cut short.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(MAX_NAME_CHARS) {
            write!(f, "{}", c.escape_debug())?;
        }
        if self.0.chars().nth(MAX_NAME_CHARS).is_some() {
            f.write_str("...")
        } else {
            Ok(())
        }
    }
}
