//! From samples to metrics.
//!
//! All samples of a metric stand together. Those of one time are a point of it, and have to agree with each other. The
//! arenas hold one point of each metric: the newest.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use wharf_model::{
    Bucket, Count, Exemplar, Extra, Histogram, Meter, Metric, MetricType, Quantile, Run, Summary, TooLarge,
    Value,
};

use super::Decoder;
use super::label_sets::{Comparison, LabelSets, Relation};
use super::role::{Role, count};
use super::sample::Sample;
use crate::memory;
use crate::openmetrics::error::{ErrorKind, Problem};
use crate::openmetrics::timestamp::{self, Nanos};

/// What the last metric of a family has so far.
#[derive(Default)]
pub(super) struct Point {
    /// Where in the body its first sample begins.
    offset: usize,
    timestamp: Option<Nanos>,
    /// How many metrics the family had before: a state set has one for each state.
    first: usize,
    /// Where in the body the sum and the count stand.
    sum: Option<usize>,
    count: Option<usize>,
    /// The ranks of the quantiles, once they do not rise.
    ranks: Option<HashTable<u64>>,
    /// The labels of the states.
    states: LabelSets,
}

impl Point {
    /// Nothing comes to it any more.
    pub(super) fn finish(self, memory: &Meter<'_>) {
        self.states.finish(memory);
        if let Some(ranks) = self.ranks {
            memory.give_back(ranks.allocation_size());
        }
    }
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is in the arenas.
    Taken,
    /// An earlier one of the same time is.
    Dropped,
}

impl Decoder<'_, '_> {
    /// Adds a sample to the open family.
    pub(super) fn add(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        self.place(sample)?;
        let placed = match sample.role {
            Role::Number => self.add_number(sample),
            Role::Created => self.add_created(sample),
            Role::Sum | Role::Count => self.add_total(sample),
            Role::Bucket => self.add_bucket(sample),
            Role::Quantile => self.add_quantile(sample),
        }?;
        if let Some((time, _)) = sample.timestamp
            && let Some(extra) = self.extra()?
        {
            extra.timestamp_ms = Some(timestamp::millis(time));
            if extra.timestamp_line.is_none() {
                let body = self.exposition.source().as_bytes();
                let line = self.lines.line_of(body, sample.offset);
                if let Some(extra) = self.extra()? {
                    extra.timestamp_line = line;
                }
            }
        }
        Ok(placed)
    }

    /// Makes the metric of a sample the last one of the family: it either is, or is a new one.
    fn place(&mut self, sample: &Sample<'_>) -> Result<(), Problem> {
        let is_state = self.open.metric_type() == MetricType::StateSet;
        let Some(labels) = self
            .open
            .metrics
            .get(self.open.point.first)
            .map(|metric| metric.labels)
        else {
            return self.begin_point(sample, sample.labels);
        };
        let by = Comparison {
            exposition: &self.exposition,
            memory: self.memory,
            hasher: &self.hasher,
            without: is_state.then_some(self.open.name),
        };
        match self
            .open
            .seen
            .add(by, &self.open.metrics, labels, sample.labels)?
        {
            Relation::Last => {}
            Relation::New => {
                self.complete_point()?;
                self.open.point.first = self.open.metrics.len();
                return self.begin_point(sample, sample.labels);
            }
            Relation::Earlier => {
                let family = self.exposition.text(self.open.name).to_owned();
                return Err(Problem {
                    offset: sample.offset,
                    kind: ErrorKind::SecondMetric { family },
                });
            }
        }
        if !is_state {
            self.exposition.labels.truncate(sample.labels.range().start);
        }
        match (self.open.point.timestamp, sample.timestamp) {
            (None, None) => Ok(()),
            (Some(before), Some((now, _))) if now == before => Ok(()),
            (Some(before), Some((now, _))) if now > before => {
                self.complete_point()?;
                self.forget_point();
                let labels = if is_state { sample.labels } else { labels };
                self.begin_point(sample, labels)
            }
            (Some(_), Some((_, offset))) => Err(Problem {
                offset,
                kind: ErrorKind::EarlierTimestamp,
            }),
            (_, timestamp) => Err(Problem {
                offset: timestamp.map_or(sample.offset, |(_, offset)| offset),
                kind: ErrorKind::SomeTimestamps,
            }),
        }
    }

    /// Drops the metrics of the last point.
    fn forget_point(&mut self) {
        let dropped = self.open.metrics.drain(self.open.point.first..);
        let extras = dropped.filter(|metric| metric.extra.is_some()).count();
        self.memory.give_back(extras * size_of::<Extra>());
    }

    fn begin_point(&mut self, sample: &Sample<'_>, labels: Run) -> Result<(), Problem> {
        let point = Point {
            offset: sample.offset,
            timestamp: sample.timestamp.map(|(time, _)| time),
            first: self.open.point.first,
            ..Point::default()
        };
        std::mem::replace(&mut self.open.point, point).finish(self.memory);
        let value = match self.open.metric_type() {
            MetricType::Summary => {
                let next = self.exposition.quantiles.len();
                let summary = Summary {
                    quantiles: Run::new(next, next)?,
                    ..Summary::default()
                };
                self.memory.push(&mut self.exposition.summaries, summary)?;
                Value::Summary(last_index(self.exposition.summaries.len())?)
            }
            MetricType::Histogram | MetricType::GaugeHistogram => {
                let next = self.exposition.buckets.len();
                let histogram = Histogram {
                    buckets: Run::new(next, next)?,
                    ..Histogram::default()
                };
                self.memory.push(&mut self.exposition.histograms, histogram)?;
                Value::Histogram(last_index(self.exposition.histograms.len())?)
            }
            // A state comes with its sample.
            MetricType::StateSet => return Ok(()),
            _ => Value::Missing,
        };
        Ok(self.push_metric(labels, value)?)
    }

    fn push_metric(&mut self, labels: Run, value: Value) -> Result<(), TooLarge> {
        let metric = Metric {
            labels,
            value,
            extra: None,
        };
        Ok(self.memory.push(&mut self.open.metrics, metric)?)
    }

    fn add_number(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        let value = Value::Number(sample.number.value);
        if self.open.metric_type() == MetricType::StateSet {
            let by = Comparison {
                exposition: &self.exposition,
                memory: self.memory,
                hasher: &self.hasher,
                without: None,
            };
            if !self.open.point.states.insert(by, sample.labels)? {
                self.exposition.labels.truncate(sample.labels.range().start);
                return self.repeated(sample);
            }
            self.push_metric(sample.labels, value)?;
            return Ok(Placed::Taken);
        }
        match self.open.metrics.last_mut() {
            Some(metric) if metric.value == Value::Missing => metric.value = value,
            _ => return self.repeated(sample),
        }
        Ok(Placed::Taken)
    }

    fn add_created(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        let created = timestamp::parse(sample.number.text).ok_or_else(|| Problem {
            offset: sample.number.offset,
            kind: ErrorKind::InvalidValue {
                expected: "a time in seconds",
                found: String::from_utf8_lossy(sample.number.text).into_owned(),
            },
        })?;
        if let Some(extra) = self.extra()? {
            if extra.created.is_some() {
                return self.repeated(sample);
            }
            extra.created = Some(created);
        }
        Ok(Placed::Taken)
    }

    fn add_total(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        let point = &mut self.open.point;
        let place = if sample.role == Role::Sum {
            &mut point.sum
        } else {
            &mut point.count
        };
        if place.is_some() {
            return self.repeated(sample);
        }
        *place = Some(sample.number.offset);
        let value = self.open.metrics.last().map(|metric| metric.value);
        let count = || count(&sample.number).unwrap_or_default();
        match (value, sample.role) {
            (Some(Value::Summary(index)), role) => {
                if let Some(summary) = self.exposition.summaries.get_mut(index as usize) {
                    match (role, count()) {
                        (Role::Sum, _) => summary.sum = sample.number.value,
                        (_, Count::Int(count)) => summary.count = count,
                        (_, Count::Float(_)) => {}
                    }
                }
            }
            (Some(Value::Histogram(index)), role) => {
                if let Some(histogram) = self.exposition.histograms.get_mut(index as usize) {
                    match role {
                        Role::Sum => histogram.sum = sample.number.value,
                        _ => histogram.count = count(),
                    }
                }
            }
            _ => {}
        }
        Ok(Placed::Taken)
    }

    fn add_bucket(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        let Some(Value::Histogram(index)) = self.open.metrics.last().map(|metric| metric.value) else {
            return Ok(Placed::Taken);
        };
        let Some(histogram) = self.exposition.histograms.get_mut(index as usize) else {
            return Ok(Placed::Taken);
        };
        let buckets = self.exposition.buckets.get(histogram.buckets.range());
        let buckets = buckets.unwrap_or_default();
        let cumulative_count = count(&sample.number).unwrap_or_default();
        if let Some(last) = buckets.last() {
            if sample.bound <= last.upper_bound {
                let is_there = buckets.binary_search_by(|bucket| bucket.upper_bound.total_cmp(&sample.bound));
                return if is_there.is_ok() {
                    self.repeated(sample)
                } else {
                    Err(Problem {
                        offset: sample.offset,
                        kind: ErrorKind::BucketOrder,
                    })
                };
            }
            if is_less(cumulative_count, last.cumulative_count) {
                return Err(Problem {
                    offset: sample.number.offset,
                    kind: ErrorKind::FallingBucket,
                });
            }
        }
        let bucket = Bucket {
            upper_bound: sample.bound,
            cumulative_count,
            exemplar: None,
        };
        self.memory.push(&mut self.exposition.buckets, bucket)?;
        histogram.buckets = Run::new(histogram.buckets.range().start, self.exposition.buckets.len())?;
        Ok(Placed::Taken)
    }

    fn add_quantile(&mut self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        let Some(Value::Summary(index)) = self.open.metrics.last().map(|metric| metric.value) else {
            return Ok(Placed::Taken);
        };
        let Some(summary) = self.exposition.summaries.get_mut(index as usize) else {
            return Ok(Placed::Taken);
        };
        let quantiles = self.exposition.quantiles.get(summary.quantiles.range());
        let quantiles = quantiles.unwrap_or_default();
        // -0 and 0 are one rank.
        let bits = |rank: f64| (rank + 0.0).to_bits();
        let ranks = &mut self.open.point.ranks;
        if ranks.is_some() || quantiles.last().is_some_and(|last| sample.bound <= last.quantile) {
            let hash = |rank: &u64| self.hasher.hash_one(rank);
            let is_first = ranks.is_none();
            let ranks = ranks.get_or_insert_default();
            let before = if is_first { quantiles } else { &[] };
            memory::reserve(self.memory, ranks, before.len() + 1, hash)?;
            for rank in before.iter().map(|quantile| bits(quantile.quantile)) {
                ranks.insert_unique(hash(&rank), rank, hash);
            }
            let rank = bits(sample.bound);
            if ranks.find(hash(&rank), |other| *other == rank).is_some() {
                return self.repeated(sample);
            }
            ranks.insert_unique(hash(&rank), rank, hash);
        }
        let quantile = Quantile {
            quantile: sample.bound,
            value: sample.number.value,
        };
        self.memory.push(&mut self.exposition.quantiles, quantile)?;
        summary.quantiles = Run::new(summary.quantiles.range().start, self.exposition.quantiles.len())?;
        Ok(Placed::Taken)
    }

    /// A sample that the point has already. Times that are one when they are cut to the nanosecond need not have been
    /// one before, and then the first counts.
    fn repeated(&self, sample: &Sample<'_>) -> Result<Placed, Problem> {
        if sample.timestamp.is_some() {
            return Ok(Placed::Dropped);
        }
        let sample_name = self.exposition.text(sample.name).to_owned();
        Err(Problem {
            offset: sample.offset,
            kind: ErrorKind::SecondSample { sample: sample_name },
        })
    }

    pub(super) fn may_have_exemplar(&self, role: Role) -> bool {
        role == Role::Bucket || (role == Role::Number && self.open.metric_type() == MetricType::Counter)
    }

    /// Gives an exemplar to the sample that was added last.
    pub(super) fn attach(&mut self, exemplar: Exemplar) -> Result<(), Problem> {
        self.memory.push(&mut self.exposition.exemplars, exemplar)?;
        let index = Some(last_index(self.exposition.exemplars.len())?);
        if self.open.metric_type().is_histogram() {
            if let Some(bucket) = self.exposition.buckets.last_mut() {
                bucket.exemplar = index;
            }
        } else if let Some(extra) = self.extra()? {
            extra.exemplar = index;
        }
        Ok(())
    }

    /// Checks whether the samples of the last point agree with each other.
    pub(super) fn complete_point(&mut self) -> Result<(), Problem> {
        match self.open.metrics.last().map(|metric| metric.value) {
            Some(Value::Missing) => Err(Problem {
                offset: self.open.point.offset,
                kind: ErrorKind::CreatedWithoutValue,
            }),
            Some(Value::Histogram(index)) => self.complete_histogram(index),
            _ => Ok(()),
        }
    }

    fn complete_histogram(&mut self, index: u32) -> Result<(), Problem> {
        let Some(histogram) = self.exposition.histogram(index) else {
            return Ok(());
        };
        let buckets = self.exposition.buckets(histogram.buckets);
        let point = &self.open.point;
        let family = || self.exposition.text(self.open.name).to_owned();
        let problem = |offset, kind| Err(Problem { offset, kind });
        let all = match buckets.last() {
            Some(last) if last.upper_bound == f64::INFINITY => last.cumulative_count,
            _ => return problem(point.offset, ErrorKind::MissingInfinity { family: family() }),
        };
        let is_gauge = self.open.metric_type == Some(MetricType::GaugeHistogram);
        let [sum, count] = if is_gauge {
            ["_gsum", "_gcount"]
        } else {
            ["_sum", "_count"]
        };
        let alone = |found, missing| ErrorKind::Alone {
            found: family() + found,
            missing: family() + missing,
        };
        let has_negative = buckets.first().is_some_and(|first| first.upper_bound < 0.0);
        match (point.sum, point.count) {
            (Some(offset), None) => return problem(offset, alone(sum, count)),
            // Python's client leaves the sum out there, as it has to, and the count in.
            (None, Some(offset)) if is_gauge || !has_negative => return problem(offset, alone(count, sum)),
            (Some(offset), _) if has_negative && !is_gauge => {
                return problem(offset, ErrorKind::SumOfNegative);
            }
            (Some(offset), _) if histogram.sum < 0.0 && !has_negative => {
                return problem(offset, ErrorKind::NegativeSum);
            }
            _ => {}
        }
        match point.count {
            Some(offset) if histogram.count != all => {
                let (expected, found) = (show(all), show(histogram.count));
                problem(offset, ErrorKind::OtherCount { expected, found })
            }
            Some(_) => Ok(()),
            None => {
                if let Some(histogram) = self.exposition.histograms.get_mut(index as usize) {
                    histogram.count = all;
                }
                Ok(())
            }
        }
    }
}

/// Floats are counts that 64 bits do not hold.
fn is_less(a: Count, b: Count) -> bool {
    match (a, b) {
        (Count::Int(a), Count::Int(b)) => a < b,
        (Count::Float(a), Count::Float(b)) => a < b,
        (Count::Int(_), Count::Float(_)) => true,
        (Count::Float(_), Count::Int(_)) => false,
    }
}

fn show(count: Count) -> String {
    match count {
        Count::Int(count) => count.to_string(),
        Count::Float(count) => count.to_string(),
    }
}

fn last_index(length: usize) -> Result<u32, TooLarge> {
    u32::try_from(length.saturating_sub(1)).map_err(|_| TooLarge::Indices)
}
