//! Makes families of numbers.

use wharf_model::{
    Bucket, Count, Exposition, Family, Label, Metric, Quantile, Run, Summary, Text, TooLarge, Value,
};
use wharf_store::ReservedFamily;

use super::histogram::Histogram;
use super::window::SummaryReading;

/// An exposition in the making.
#[derive(Default)]
pub(super) struct Assembly {
    exposition: Exposition<'static>,
}

impl Assembly {
    /// Adds a family, unless it has no metrics.
    pub(super) fn family(&mut self, family: ReservedFamily, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let name = self.text(family.name);
        let help = Some(self.text(family.help));
        let metric_type = family.metric_type;
        self.exposition.families.push(Family {
            name,
            help,
            unit: Text::EMPTY,
            metric_type,
            metrics,
        });
    }

    /// Adds a family of one metric without labels.
    pub(super) fn single(&mut self, family: ReservedFamily, value: f64) {
        let metric = self.number(&[], value);
        self.family(family, vec![metric]);
    }

    /// A metric that is one number. The labels are sorted by name.
    pub(super) fn number(&mut self, labels: &[(&str, &str)], value: f64) -> Metric {
        Metric {
            labels: self.labels(labels),
            value: Value::Number(value),
            extra: None,
        }
    }

    /// A summary.
    pub(super) fn summary(&mut self, labels: &[(&str, &str)], reading: &SummaryReading) -> Metric {
        let labels = self.labels(labels);
        let start = self.exposition.quantiles.len();
        let quantiles = reading
            .quantiles
            .iter()
            .map(|&(quantile, value)| Quantile { quantile, value });
        self.exposition.quantiles.extend(quantiles);
        let quantiles = small(Run::new(start, self.exposition.quantiles.len()));
        let index = self.exposition.summaries.len();
        self.exposition.summaries.push(Summary {
            sum: reading.sum,
            count: reading.count,
            quantiles,
        });
        Metric {
            labels,
            value: Value::Summary(small(u32::try_from(index).map_err(|_| TooLarge::Indices))),
            extra: None,
        }
    }

    /// A histogram without labels.
    pub(super) fn histogram(&mut self, histogram: &Histogram) -> Metric {
        let start = self.exposition.buckets.len();
        let buckets = histogram.cumulative().map(|(upper_bound, count)| Bucket {
            upper_bound,
            cumulative_count: Count::Int(count),
            exemplar: None,
        });
        self.exposition.buckets.extend(buckets);
        let buckets = small(Run::new(start, self.exposition.buckets.len()));
        let index = self.exposition.histograms.len();
        let count = Count::Int(histogram.count());
        self.exposition.histograms.push(wharf_model::Histogram {
            sum: histogram.sum(),
            count,
            buckets,
            native: None,
        });
        let value = Value::Histogram(small(u32::try_from(index).map_err(|_| TooLarge::Indices)));
        Metric {
            labels: Run::default(),
            value,
            extra: None,
        }
    }

    /// The families, sorted by name.
    pub(super) fn finish(self) -> Exposition<'static> {
        let mut exposition = self.exposition;
        let mut families = std::mem::take(&mut exposition.families);
        families.sort_by(|a, b| exposition.text(a.name).cmp(exposition.text(b.name)));
        exposition.families = families;
        exposition
    }

    fn labels(&mut self, labels: &[(&str, &str)]) -> Run {
        let start = self.exposition.labels.len();
        for (name, value) in labels {
            let label = Label {
                name: self.text(name),
                value: self.text(value),
            };
            self.exposition.labels.push(label);
        }
        small(Run::new(start, self.exposition.labels.len()))
    }

    fn text(&mut self, text: &str) -> Text {
        small(self.exposition.intern(text))
    }
}

/// A few dozen families with a few hundred labels, all from a fixed set, do not reach the limit.
fn small<T>(result: Result<T, TooLarge>) -> T {
    result.expect("the gateway's own metrics are far smaller than 2 GiB")
}

/// 1 or 0 as a sample value.
pub(super) fn truth(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

/// A time as a sample value.
#[expect(clippy::cast_precision_loss, reason = "no certificate ends so late")]
pub(super) fn seconds(since_epoch: i64) -> f64 {
    since_epoch as f64
}

/// A count as a sample value.
#[expect(clippy::cast_precision_loss, reason = "samples are doubles")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
