//! What the labels of one metric may be.

use wharf_model::name::{EscapingScheme, is_legacy_label_name, is_reserved_label_name};
use wharf_model::{Family, Metric, MetricType, Value};

use crate::inconsistency::{Inconsistency, describe_labels, short};

/// A label as name and value.
pub(super) type LabelPair<'a> = (&'a str, &'a str);

/// The checks of one metric; `labels` are its final ones, sorted.
pub(super) fn check_labels(
    family: &Family,
    name: &str,
    metric: &Metric,
    labels: &[LabelPair<'_>],
    describe: bool,
) -> Result<(), Inconsistency> {
    let (name, series) = (
        || short(name),
        || {
            if describe {
                describe_labels(labels)
            } else {
                String::new()
            }
        },
    );
    if metric.value == Value::Missing {
        let metric_type = family.metric_type;
        return Err(Inconsistency::MissingValue {
            family: name(),
            metric_type,
            series: series(),
        });
    }
    let explicit = match family.metric_type {
        MetricType::Summary => "quantile",
        MetricType::Histogram | MetricType::GaugeHistogram => "le",
        _ => "",
    };
    let mut legacy = true;
    let mut previous = "";
    for (label, _) in labels {
        if *label == previous {
            return Err(Inconsistency::DuplicateLabel {
                family: name(),
                label: short(label),
                series: series(),
            });
        }
        if is_reserved_label_name(label) {
            return Err(Inconsistency::LabelName {
                family: name(),
                label: short(label),
                series: series(),
            });
        }
        if *label == explicit {
            let label = if explicit == "le" { "le" } else { "quantile" };
            return Err(Inconsistency::ExplicitLabel {
                family: name(),
                label,
                series: series(),
            });
        }
        legacy &= is_legacy_label_name(label);
        previous = label;
    }
    if legacy {
        Ok(())
    } else {
        check_escaped_labels(&name(), labels, series)
    }
}

/// A scraper that knows legacy names only must not get a label name twice: Prometheus refuses the whole scrape
/// then.
fn check_escaped_labels(
    family: &str,
    labels: &[LabelPair<'_>],
    series: impl Fn() -> String,
) -> Result<(), Inconsistency> {
    for scheme in [
        EscapingScheme::Underscores,
        EscapingScheme::Dots,
        EscapingScheme::Values,
    ] {
        let mut escaped: Vec<_> = labels
            .iter()
            .map(|(label, _)| (scheme.escape_label_name(label), *label))
            .collect();
        escaped.sort_unstable();
        for pair in escaped.windows(2) {
            let [(a, first), (b, second)] = pair else { continue };
            if a == b {
                return Err(Inconsistency::EscapedLabel {
                    family: short(family),
                    first: short(first),
                    second: short(second),
                    series: series(),
                });
            }
        }
    }
    Ok(())
}
