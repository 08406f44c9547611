//! Lines that were read before and have another value now, which most lines are.
//!
//! ```text
//! name:value|tail      tail: the type and all fields, and further samples if there are some
//! ```
//!
//! What a line with one sample comes to depends on its name and its tail, but for the value. So who remembers that needs to read the
//! value only.

use memchr::{memchr, memchr2};

use super::fields;
use super::{Kind, Measure, Number};
use crate::number;

/// A line in three parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'l> {
    /// With tags, if it has some. Like the tail it may be anything.
    pub(crate) name: &'l [u8],
    pub(crate) value: &'l [u8],
    pub(crate) tail: &'l [u8],
}

impl<'l> Parts<'l> {
    /// The parts of a line, unless its values are packed or it is no sample at all.
    #[inline]
    pub(crate) fn of(line: &'l [u8]) -> Option<Self> {
        let (name, rest) = split_at(line, memchr(b':', line)?)?;
        let (value, tail) = split_at(rest, memchr2(b':', b'|', rest)?)?;
        (rest.get(value.len()) == Some(&b'|')).then_some(Self { name, value, tail })
    }
}

/// What stands in front of a byte, and behind it.
#[inline]
fn split_at(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// What a tail says of the value in front of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tail {
    kind: Kind,
    rate: f64,
    times: u32,
}

impl Tail {
    /// Reads the tail of a line that has come to one sample without any error. None if it is not worth remembering, since the next one
    /// is another: it has a time; or if it has several rates.
    pub(crate) fn of(tail: &[u8]) -> Option<Self> {
        let tail = std::str::from_utf8(tail).ok()?;
        let mut fields = tail.split('|');
        let kind = Kind::of(fields.next()?)?;
        let mut rates = None;
        for field in fields {
            if field.starts_with('T') {
                return None;
            }
            if let Some(rate) = field.strip_prefix('@')
                && rates.replace(number::parse(rate)?).is_some()
            {
                return None;
            }
        }
        let rate = rates.filter(|rate| *rate != 0.0).unwrap_or(1.0);
        let times = if kind.is_observation() {
            fields::whole_times(fields::times(rate)).ok()?
        } else {
            1
        };
        Some(Self { kind, rate, times })
    }

    /// What was measured, if the value is sound.
    #[inline]
    pub(crate) fn measure<'l>(&self, value: &'l [u8]) -> Option<Measure<'l>> {
        let text = std::str::from_utf8(value).ok()?;
        let value = if self.kind == Kind::Member {
            (!text.is_empty()).then_some(0.0)?
        } else {
            number::parse(text)?
        };
        Some(self.kind.measure(Number {
            text,
            value,
            divided: value / self.rate,
            times: self.times,
        }))
    }
}
