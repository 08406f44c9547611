//! Timestamps of metrics, which no push may have.

use wharf_model::{Exposition, Metric};

use super::labels::LabelPair;
use crate::error::Timestamps;
use crate::inconsistency::{describe_labels, short};

pub(super) fn has_timestamp(metric: &Metric) -> bool {
    let extra = metric.extra.as_deref();
    extra.is_some_and(|extra| extra.timestamp_ms.is_some())
}

/// Which metrics have timestamps; of those there has to be one.
pub(super) fn timestamps(exposition: &Exposition<'_>) -> Timestamps {
    let mut found = Timestamps {
        family: String::new(),
        series: String::new(),
        line: None,
        position: 0,
        count: 0,
    };
    for family in &exposition.families {
        for (position, metric) in family.metrics.iter().enumerate() {
            if !has_timestamp(metric) {
                continue;
            }
            found.count += 1;
            let line = metric.extra.as_deref().and_then(|extra| extra.timestamp_line);
            // Families come in the order of their names in the body, their metrics may stand anywhere.
            let is_first =
                found.count == 1 || line.is_some_and(|line| found.line.is_some_and(|first| line < first));
            if is_first {
                let labels: Vec<LabelPair<'_>> = exposition.labels(metric.labels).collect();
                found = Timestamps {
                    family: short(exposition.text(family.name)),
                    series: describe_labels(&labels),
                    line,
                    position: position + 1,
                    count: found.count,
                };
            }
        }
    }
    found
}
