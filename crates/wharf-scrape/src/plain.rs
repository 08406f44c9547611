//! Histograms and summaries line by line, as plain numbers: where a name cannot be that of a histogram or summary.
//!
//! Each line keeps the name, the labels and the value that it has in the text format.

use wharf_exposition::number;
use wharf_model::{Count, Exposition, Family, Label, Metric, MetricType, Run, Text, TooLarge, Value};

/// Which lines of the metrics are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The metrics as they are.
    Whole,
    /// Numbers, and quantiles.
    Value,
    /// Buckets.
    Bucket,
    /// Sums.
    Sum,
    /// Counts.
    Count,
}

/// The names of the lines of a family, and which lines these are.
pub(crate) fn lines_of(name: &str, metric_type: MetricType) -> Vec<(String, Part)> {
    let parts: &[(&str, Part)] = match metric_type {
        MetricType::Summary => &[("", Part::Value), ("_sum", Part::Sum), ("_count", Part::Count)],
        MetricType::Histogram | MetricType::GaugeHistogram => &[
            ("_bucket", Part::Bucket),
            ("_sum", Part::Sum),
            ("_count", Part::Count),
        ],
        _ => &[("", Part::Value)],
    };
    let line = |(suffix, part): &(&str, Part)| (format!("{name}{suffix}"), *part);
    parts.iter().map(line).collect()
}

/// These lines of a family, as an untyped one of this name.
pub(crate) fn plain(
    exposition: &Exposition<'_>,
    family: &Family,
    part: Part,
    name: &str,
) -> (Exposition<'static>, Family) {
    let mut lines = Lines::default();
    for metric in &family.metrics {
        if lines.add(exposition, metric, part).is_err() {
            // More than an exposition can have, so the push had it neither.
            break;
        }
    }
    let name = lines.out.intern(name).unwrap_or_default();
    let family = Family {
        name,
        help: None,
        unit: Text::EMPTY,
        metric_type: MetricType::Untyped,
        metrics: lines.metrics,
    };
    (lines.out, family)
}

#[derive(Default)]
struct Lines {
    out: Exposition<'static>,
    metrics: Vec<Metric>,
}

impl Lines {
    fn add(&mut self, exposition: &Exposition<'_>, metric: &Metric, part: Part) -> Result<(), TooLarge> {
        let labels: Vec<_> = exposition.labels(metric.labels).collect();
        match (metric.value, part) {
            (Value::Number(number), Part::Value) => self.line(&labels, None, number)?,
            (Value::Summary(index), part) => {
                let summary = exposition.summary(index);
                match part {
                    Part::Sum => self.line(&labels, None, summary.sum)?,
                    Part::Count => {
                        self.line(&labels, None, Count::Int(summary.count).as_f64())?;
                    }
                    Part::Value => {
                        for quantile in exposition.quantiles(summary.quantiles) {
                            self.line(&labels, Some(("quantile", quantile.quantile)), quantile.value)?;
                        }
                    }
                    Part::Whole | Part::Bucket => {}
                }
            }
            (Value::Histogram(index), part) => {
                let Some(histogram) = exposition.histogram(index) else {
                    return Ok(());
                };
                match part {
                    Part::Sum => self.line(&labels, None, histogram.sum)?,
                    Part::Count => self.line(&labels, None, histogram.count.as_f64())?,
                    Part::Bucket => {
                        let buckets = exposition.buckets(histogram.buckets);
                        for bucket in buckets {
                            let count = bucket.cumulative_count.as_f64();
                            self.line(&labels, Some(("le", bucket.upper_bound)), count)?;
                        }
                        if !buckets.iter().any(|bucket| bucket.upper_bound == f64::INFINITY) {
                            self.line(&labels, Some(("le", f64::INFINITY)), histogram.count.as_f64())?;
                        }
                    }
                    Part::Whole | Part::Value => {}
                }
            }
            (Value::Number(_) | Value::Missing, _) => {}
        }
        Ok(())
    }

    fn line(
        &mut self,
        labels: &[(&str, &str)],
        bound: Option<(&str, f64)>,
        value: f64,
    ) -> Result<(), TooLarge> {
        let start = self.out.labels.len();
        for (name, value) in labels {
            self.label(name, value)?;
        }
        if let Some((name, bound)) = bound {
            let mut text = Vec::new();
            number::write_f64(&mut text, bound);
            self.label(name, &String::from_utf8_lossy(&text))?;
        }
        self.metrics.push(Metric {
            labels: Run::new(start, self.out.labels.len())?,
            value: Value::Number(value),
            extra: None,
        });
        Ok(())
    }

    fn label(&mut self, name: &str, value: &str) -> Result<(), TooLarge> {
        let label = Label {
            name: self.out.intern(name)?,
            value: self.out.intern(value)?,
        };
        self.out.labels.push(label);
        Ok(())
    }
}
