//! What stands behind the type of a sample, in any order.

use super::{Origin, Reading, SampleError, Tag};
use crate::number;

/// Most fields that a sample may have. Clients send six at the most: rate, tags, container, origin, cardinality, time.
const MAX_FIELDS: usize = 8;

/// The most observations that one value may stand for: whoever sends a rate below one in a million does not mean it.
const MAX_TIMES: f64 = 1_000_000.0;

/// Not too many fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'l>(Option<&'l str>);

impl<'l> Fields<'l> {
    pub(super) fn of(text: Option<&'l str>) -> Result<Self, SampleError> {
        let fields = Self(text);
        if fields.iter().nth(MAX_FIELDS).is_some() {
            return Err(SampleError::MalformedComponent);
        }
        Ok(fields)
    }

    fn iter(self) -> impl Iterator<Item = &'l str> {
        self.0.into_iter().flat_map(|text| text.split('|'))
    }
}

/// What the fields say, but for tags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read<'l> {
    /// The value divided by all rates, as counts are.
    pub(super) divided: f64,
    /// How often an observation was made: by the last rate.
    times: f64,
    pub(super) origin: Origin<'l>,
}

impl Read<'_> {
    pub(super) fn times(&self) -> Result<u32, SampleError> {
        whole_times(self.times)
    }
}

/// A number of times, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between one and a million"
)]
pub(super) fn whole_times(times: f64) -> Result<u32, SampleError> {
    if (1.0..=MAX_TIMES).contains(&times) {
        Ok(times as u32)
    } else {
        Err(SampleError::InvalidSampleFactor)
    }
}

/// How often an observation of this rate was made.
pub(super) fn times(rate: f64) -> f64 {
    (1.0 / rate).trunc()
}

impl<'l> Reading<'_, 'l> {
    pub(super) fn fields(&mut self, fields: Fields<'l>, value: f64) -> Result<Read<'l>, SampleError> {
        let mut read = Read {
            divided: value,
            times: 1.0,
            origin: Origin::default(),
        };
        if fields.iter().any(str::is_empty) {
            return Err(SampleError::MalformedComponent);
        }
        for field in fields.iter() {
            if let Some(rate) = field.strip_prefix('@') {
                let rate = self.rate(rate);
                read.divided /= rate;
                read.times = times(rate);
            } else if let Some(tags) = field.strip_prefix('#') {
                if self.dialect.dogstatsd {
                    self.list(tags, ':');
                }
            } else if let Some(origin) = field.strip_prefix("e:") {
                read.origin.external = Some(origin);
            } else if let Some(cardinality) = field.strip_prefix("card:") {
                read.origin.cardinality = Some(cardinality);
            } else if field.starts_with('c') {
                let container = field.strip_prefix("c:").filter(|id| !id.is_empty());
                self.tags.push(Tag {
                    key: "container_id",
                    value: container.ok_or(SampleError::MalformedContainerId)?,
                });
            } else if !field.starts_with('T') {
                // A time, which is not shown, may be any text.
                return Err(SampleError::InvalidSampleFactor);
            }
        }
        Ok(read)
    }

    /// A rate that is no number counts as an error and as 1, and so does 0 but for the error.
    fn rate(&mut self, text: &str) -> f64 {
        let rate = number::parse(text);
        if rate.is_none() {
            self.counts.count(SampleError::InvalidSampleFactor);
        }
        rate.filter(|rate| *rate != 0.0).unwrap_or(1.0)
    }
}
