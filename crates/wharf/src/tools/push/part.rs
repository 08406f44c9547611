//! Parts on the command line: what came to a counter, and observations of a histogram.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::bail;
use wharf_exposition::{number, text};
use wharf_model::MetricType;
use wharf_model::name::EscapingScheme;

use super::one_liner::OneLiner;

/// A value with the name and the labels of its series: `NAME=VALUE` or `NAME{LABELS}=VALUE`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    name: String,
    /// Without braces; empty if there are none.
    labels: String,
    value: f64,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, labels, value) = text.parse::<OneLiner>()?.into_bare()?;
        let labels = labels
            .strip_prefix('{')
            .and_then(|labels| labels.strip_suffix('}'));
        let labels = labels.unwrap_or_default().trim().trim_end_matches(',');
        match number::parse_f64(value.as_bytes()) {
            Some(value) if value.is_finite() => Ok(Self {
                name,
                labels: labels.to_owned(),
                value,
            }),
            _ => Err(format!("expected a finite number behind `=`, found `{value}`")),
        }
    }
}

/// One of the bounds of the buckets.
///
/// # Errors
/// If it is no finite number.
pub(super) fn bound(text: &str) -> Result<f64, String> {
    number::parse_f64(text.trim().as_bytes())
        .filter(|bound| bound.is_finite())
        .ok_or_else(|| "expected a finite number; +Inf is always there".to_owned())
}

/// All parts of a series.
type Series<'p> = BTreeMap<&'p str, BTreeMap<&'p str, Vec<f64>>>;

fn by_series(parts: &[Part]) -> Series<'_> {
    let mut families = Series::new();
    for part in parts {
        let series = families.entry(&part.name).or_default();
        series.entry(&part.labels).or_default().push(part.value);
    }
    families
}

fn header(out: &mut Vec<u8>, name: &str, metric_type: MetricType) {
    text::write_header(out, name, None, metric_type, EscapingScheme::AllowUtf8);
}

fn line(out: &mut Vec<u8>, name: &str, labels: &[&str], value: f64) {
    let labels: Vec<&str> = labels
        .iter()
        .copied()
        .filter(|labels| !labels.is_empty())
        .collect();
    let labels = labels.join(",");
    out.extend_from_slice(name.as_bytes());
    if !labels.is_empty() {
        out.extend([b"{", labels.as_bytes(), b"}"].concat());
    }
    out.push(b' ');
    number::write_f64(out, value);
    out.push(b'\n');
}

/// Adds the text of counters, each series once.
///
/// # Errors
/// If something is to be taken from a counter.
pub(super) fn write_counters(out: &mut Vec<u8>, parts: &[Part]) -> anyhow::Result<()> {
    if let Some(negative) = parts.iter().find(|part| part.value < 0.0) {
        bail!(
            "--inc: expected a number from 0 on for `{}`, found {}",
            negative.name,
            negative.value
        );
    }
    for (name, series) in by_series(parts) {
        header(out, name, MetricType::Counter);
        for (labels, values) in series {
            line(out, name, &[labels], values.iter().sum());
        }
    }
    Ok(())
}

/// Adds the text of histograms, each series once.
///
/// # Errors
/// If the bounds do not rise.
pub(super) fn write_histograms(out: &mut Vec<u8>, parts: &[Part], bounds: &[f64]) -> anyhow::Result<()> {
    if !bounds.is_sorted_by(|a, b| a < b) {
        bail!("--buckets: expected bounds that rise, found others");
    }
    for (name, series) in by_series(parts) {
        header(out, name, MetricType::Histogram);
        for (labels, values) in series {
            let below = |bound: f64| {
                let values = values.iter().filter(|value| **value <= bound);
                // Of a command line.
                f64::from(u32::try_from(values.count()).unwrap_or(u32::MAX))
            };
            for bound in bounds.iter().copied().chain([f64::INFINITY]) {
                let mut le = b"le=\"".to_vec();
                number::write_f64(&mut le, bound);
                le.push(b'"');
                let le = String::from_utf8_lossy(&le);
                line(out, &format!("{name}_bucket"), &[labels, &*le], below(bound));
            }
            line(out, &format!("{name}_sum"), &[labels], values.iter().sum());
            line(out, &format!("{name}_count"), &[labels], below(f64::INFINITY));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(texts: &[&str]) -> Vec<Part> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn increments_of_a_series_are_one_line() {
        let mut out = Vec::new();
        write_counters(
            &mut out,
            &parts(&[
                "b_total=3",
                "a_total{x=\"1\"}=1",
                "b_total=0.5",
                "a_total{x=\"2\"}=1",
            ]),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n# TYPE b_total counter\nb_total 3.5\n"
        );
    }

    #[test]
    fn observations_of_a_series_are_a_histogram() {
        let mut out = Vec::new();
        let parts = parts(&["s=0.25", "s{x=\"1\",}=7", "s=0.1"]);
        write_histograms(&mut out, &parts, &[0.1, 0.5]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# TYPE s histogram\ns_bucket{le=\"0.1\"} 1\ns_bucket{le=\"0.5\"} 2\ns_bucket{le=\"+Inf\"} 2\ns_sum 0.35\ns_count 2\n\
             s_bucket{x=\"1\",le=\"0.1\"} 0\ns_bucket{x=\"1\",le=\"0.5\"} 0\ns_bucket{x=\"1\",le=\"+Inf\"} 1\n\
             s_sum{x=\"1\"} 7\ns_count{x=\"1\"} 1\n"
        );
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        let refused = |text: &str| text.parse::<Part>().unwrap_err();
        assert_eq!(refused("m"), "expected NAME=VALUE, found no `=`");
        assert_eq!(
            refused("m=NaN"),
            "expected a finite number behind `=`, found `NaN`"
        );
        assert_eq!(
            refused("m=1,type=gauge"),
            "expected nothing behind the value, found a type or a help"
        );
        let mut out = Vec::new();
        let taken = write_counters(&mut out, &parts(&["c_total=-1"])).unwrap_err();
        assert_eq!(
            taken.to_string(),
            "--inc: expected a number from 0 on for `c_total`, found -1"
        );
        assert!(write_histograms(&mut out, &[], &[1.0, 1.0]).is_err());
        assert!(bound("+Inf").is_err() && bound("x").is_err());
    }
}
