//! Histograms and summaries, put together from their lines.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{
    Bucket, Count, Exposition, Histogram, Meter, Metric, Quantile, Run, Summary, TooLarge, Value,
};

use super::grouped::Grouped;
use crate::memory;

/// The histograms and summaries of a body while their lines come in.
///
/// The lines of one metric have the same labels, in whatever order, apart from `le` and `quantile`. The hash is
/// seeded at random, so that no body can make its label sets collide.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    by_labels: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    /// The metric of the line before, to which most lines belong: the table is asked once a metric rather than
    /// once a line.
    recent: Option<Place>,
    buckets: Grouped<Bucket>,
    quantiles: Grouped<Quantile>,
    has_float_counts: bool,
}

/// What a line says of a histogram.
#[derive(Debug, Clone, Copy)]
pub(super) enum HistogramLine {
    /// No more than that it is there.
    Nothing,
    Sum(f64),
    Count(Count),
    Bucket(Bucket),
}

/// What a line says of a summary.
#[derive(Debug, Clone, Copy)]
pub(super) enum SummaryLine {
    /// No more than that it is there.
    Nothing,
    Sum(f64),
    Count(u64),
    Quantile(Quantile),
}

/// Where a metric is: its family, and its index there.
#[derive(Debug, Clone, Copy)]
struct Place {
    family: usize,
    metric: usize,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    place: Place,
}

impl Assembly {
    /// Adds a line to the histogram in `family` that has the labels from `first_label` on, the last ones in the
    /// exposition. They are taken away if the histogram has been there before.
    pub(super) fn add_to_histogram<'e>(
        &mut self,
        exposition: &'e mut Exposition<'_>,
        memory: &Meter<'_>,
        (family, first_label): (usize, usize),
        line: HistogramLine,
    ) -> Result<Option<&'e mut Metric>, TooLarge> {
        let place = if let Some(place) = self.find(exposition, family, first_label)? {
            place
        } else {
            let index = to_u32(exposition.histograms.len())?;
            memory.push(&mut exposition.histograms, Histogram::default())?;
            self.buckets.add_owner(memory)?;
            self.add(exposition, memory, family, first_label, Value::Histogram(index))?
        };
        let metric = place.metric_mut(&mut exposition.families);
        if let Some(Value::Histogram(index)) = metric.as_ref().map(|metric| metric.value)
            && let Some(histogram) = exposition.histograms.get_mut(index as usize)
        {
            match line {
                HistogramLine::Nothing => {}
                HistogramLine::Sum(sum) => histogram.sum = sum,
                HistogramLine::Count(count) => {
                    self.has_float_counts |= matches!(count, Count::Float(_));
                    histogram.count = count;
                }
                HistogramLine::Bucket(bucket) => {
                    self.has_float_counts |= matches!(bucket.cumulative_count, Count::Float(_));
                    self.buckets.push(index, bucket, memory)?;
                }
            }
        }
        Ok(metric)
    }

    /// Does the same for a summary.
    pub(super) fn add_to_summary<'e>(
        &mut self,
        exposition: &'e mut Exposition<'_>,
        memory: &Meter<'_>,
        (family, first_label): (usize, usize),
        line: SummaryLine,
    ) -> Result<Option<&'e mut Metric>, TooLarge> {
        let place = if let Some(place) = self.find(exposition, family, first_label)? {
            place
        } else {
            let index = to_u32(exposition.summaries.len())?;
            memory.push(&mut exposition.summaries, Summary::default())?;
            self.quantiles.add_owner(memory)?;
            self.add(exposition, memory, family, first_label, Value::Summary(index))?
        };
        let metric = place.metric_mut(&mut exposition.families);
        if let Some(Value::Summary(index)) = metric.as_ref().map(|metric| metric.value)
            && let Some(summary) = exposition.summaries.get_mut(index as usize)
        {
            match line {
                SummaryLine::Nothing => {}
                SummaryLine::Sum(sum) => summary.sum = sum,
                SummaryLine::Count(count) => summary.count = count,
                SummaryLine::Quantile(quantile) => self.quantiles.push(index, quantile, memory)?,
            }
        }
        Ok(metric)
    }

    /// Moves buckets and quantiles into the exposition.
    pub(super) fn finish(self, exposition: &mut Exposition<'_>, memory: &Meter<'_>) -> Result<(), TooLarge> {
        memory.give_back(self.by_labels.allocation_size());
        drop(self.by_labels);
        let (buckets, runs) = self.buckets.finish(memory)?;
        memory.give_back(runs.capacity() * size_of::<Run>());
        exposition.buckets = buckets;
        for (histogram, run) in exposition.histograms.iter_mut().zip(runs) {
            histogram.buckets = run;
            if self.has_float_counts {
                let buckets = exposition.buckets.get_mut(run.range()).unwrap_or_default();
                use_one_kind_of_count(histogram, buckets);
            }
        }
        let (quantiles, runs) = self.quantiles.finish(memory)?;
        memory.give_back(runs.capacity() * size_of::<Run>());
        exposition.quantiles = quantiles;
        for (summary, run) in exposition.summaries.iter_mut().zip(runs) {
            summary.quantiles = run;
        }
        Ok(())
    }

    /// The metric in `family` with the labels from `first_label` on, which are then removed.
    fn find(
        &mut self,
        exposition: &mut Exposition<'_>,
        family: usize,
        first_label: usize,
    ) -> Result<Option<Place>, TooLarge> {
        let labels = Run::new(first_label, exposition.labels.len())?;
        let is_recent = |place: &Place| {
            place.family == family
                && place.labels(exposition).is_some_and(|known| {
                    known.len() == labels.len() && exposition.labels(known).eq(exposition.labels(labels))
                })
        };
        if !self.recent.as_ref().is_some_and(is_recent) {
            let hash = self.hash(exposition, family, labels);
            let is_it = |entry: &Entry| {
                entry.hash == hash
                    && entry.place.family == family
                    && entry
                        .place
                        .labels(exposition)
                        .is_some_and(|known| is_permutation(exposition, known, labels))
            };
            match self.by_labels.find(hash, is_it) {
                Some(entry) => self.recent = Some(entry.place),
                None => return Ok(None),
            }
        }
        exposition.labels.truncate(first_label);
        Ok(self.recent)
    }

    /// Adds the metric that was not found.
    fn add(
        &mut self,
        exposition: &mut Exposition<'_>,
        memory: &Meter<'_>,
        family: usize,
        first_label: usize,
        value: Value,
    ) -> Result<Place, TooLarge> {
        let labels = Run::new(first_label, exposition.labels.len())?;
        let hash = self.hash(exposition, family, labels);
        let metrics = exposition
            .families
            .get_mut(family)
            .map(|family| &mut family.metrics);
        let place = Place {
            family,
            metric: metrics.as_ref().map_or(0, |metrics| metrics.len()),
        };
        if let Some(metrics) = metrics {
            let metric = Metric {
                labels,
                value,
                extra: None,
            };
            memory.push(metrics, metric)?;
        }
        memory::reserve(memory, &mut self.by_labels, 1, |entry| entry.hash)?;
        self.by_labels
            .insert_unique(hash, Entry { hash, place }, |entry| entry.hash);
        self.recent = Some(place);
        Ok(place)
    }

    /// The same for all orders of the labels: the sum of what each pair hashes to.
    fn hash(&self, exposition: &Exposition<'_>, family: usize, labels: Run) -> u64 {
        exposition
            .labels(labels)
            .fold(self.hasher.hash_one(family), |sum, (name, value)| {
                let mut hasher = self.hasher.build_hasher();
                hasher.write(name.as_bytes());
                // A byte that no text contains keeps name and value apart.
                hasher.write_u8(0xff);
                hasher.write(value.as_bytes());
                sum.wrapping_add(hasher.finish())
            })
    }
}

impl Place {
    fn labels(self, exposition: &Exposition<'_>) -> Option<Run> {
        let family = exposition.families.get(self.family)?;
        family.metrics.get(self.metric).map(|metric| metric.labels)
    }

    fn metric_mut(self, families: &mut [wharf_model::Family]) -> Option<&mut Metric> {
        families.get_mut(self.family)?.metrics.get_mut(self.metric)
    }
}

/// Whether two label sets, neither with a name twice, are equal but for the order.
fn is_permutation(exposition: &Exposition<'_>, a: Run, b: Run) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (a, b) = (exposition.labels(a), exposition.labels(b));
    a.clone().eq(b.clone()) || {
        let sorted = |labels: Vec<(_, _)>| {
            let mut labels = labels;
            labels.sort_unstable();
            labels
        };
        sorted(a.collect()) == sorted(b.collect())
    }
}

/// If one count of a histogram is a float, all are.
fn use_one_kind_of_count(histogram: &mut Histogram, buckets: &mut [Bucket]) {
    let is_float = |count: &Count| matches!(count, Count::Float(_));
    if is_float(&histogram.count) || buckets.iter().any(|bucket| is_float(&bucket.cumulative_count)) {
        histogram.count = Count::Float(histogram.count.as_f64());
        for bucket in buckets {
            bucket.cumulative_count = Count::Float(bucket.cumulative_count.as_f64());
        }
    }
}

fn to_u32(index: usize) -> Result<u32, TooLarge> {
    u32::try_from(index).map_err(|_| TooLarge::Indices)
}
