//! Metrics on the command line: `NAME[{LABELS}]=VALUE[,type=TYPE][,help=TEXT]`.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::bail;
use wharf_exposition::{number, text};
use wharf_model::MetricType;
use wharf_model::name::{EscapingScheme, is_legacy_metric_name};

use crate::lint::GATEWAY_NAMES;

/// One sample, with what is said about its family. Labels are for the decoder to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneLiner {
    name: String,
    /// With the braces; empty if there are none.
    labels: String,
    value: String,
    metric_type: Option<MetricType>,
    help: Option<String>,
}

impl OneLiner {
    /// Its name, labels and value.
    ///
    /// # Errors
    /// If it has more than these.
    pub(super) fn into_bare(self) -> Result<(String, String, String), String> {
        if self.metric_type.is_some() || self.help.is_some() {
            return Err("expected nothing behind the value, found a type or a help".to_owned());
        }
        Ok((self.name, self.labels, self.value))
    }
}

impl FromStr for OneLiner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name_end = text.find(['{', '=']).ok_or("expected NAME=VALUE, found no `=`")?;
        let (name, rest) = text.split_at_checked(name_end).unwrap_or_default();
        if !is_legacy_metric_name(name) {
            return Err("expected a metric name of letters, digits, `_` and `:`".to_owned());
        }
        if GATEWAY_NAMES.contains(&name) {
            return Err("expected another name: each group has this one from the gateway".to_owned());
        }
        // A label value may hold anything, so the labels end with the last brace that is followed by the value.
        let (labels, rest) = match rest.rfind("}=") {
            Some(brace) if rest.starts_with('{') => rest.split_at_checked(brace + 1).unwrap_or_default(),
            _ => ("", rest),
        };
        let rest = rest
            .strip_prefix('=')
            .ok_or("expected `}=` and a value behind the labels")?;
        let (value, mut options) = rest.split_once(',').unwrap_or((rest, ""));
        if number::parse_f64(value.as_bytes()).is_none() {
            let value = value.escape_debug();
            return Err(format!("expected a number behind `=`, found `{value}`"));
        }
        let mut found = Self {
            name: name.to_owned(),
            labels: labels.to_owned(),
            value: value.to_owned(),
            metric_type: None,
            help: None,
        };
        while !options.is_empty() {
            if let Some(help) = options.strip_prefix("help=") {
                found.help = Some(help.to_owned());
                break;
            }
            let (option, rest) = options.split_once(',').unwrap_or((options, ""));
            found.metric_type = Some(match option {
                "type=gauge" => MetricType::Gauge,
                "type=counter" => MetricType::Counter,
                "type=untyped" => MetricType::Untyped,
                _ => {
                    let option = option.escape_debug();
                    return Err(format!(
                        "expected type=gauge, type=counter, type=untyped or at last help=TEXT, found `{option}`"
                    ));
                }
            });
            options = rest;
        }
        Ok(found)
    }
}

/// The text of them all: each family once, with the type and help that any of its samples gives.
///
/// # Errors
/// If two samples of a family say different types.
pub(super) fn text(metrics: &[OneLiner]) -> anyhow::Result<Vec<u8>> {
    let mut families: BTreeMap<&str, Vec<&OneLiner>> = BTreeMap::new();
    for metric in metrics {
        families.entry(&metric.name).or_default().push(metric);
    }
    let mut out = Vec::new();
    for (name, samples) in families {
        let mut types = samples.iter().filter_map(|sample| sample.metric_type);
        let metric_type = types.next().unwrap_or(MetricType::Gauge);
        if types.any(|other| other != metric_type) {
            bail!("--metric: expected one type for `{name}`, found two");
        }
        let help = samples.iter().find_map(|sample| sample.help.as_deref());
        text::write_header(&mut out, name, help, metric_type, EscapingScheme::AllowUtf8);
        for sample in samples {
            out.extend_from_slice(format!("{name}{} {}\n", sample.labels, sample.value).as_bytes());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metrics: &[&str], expected: &str) {
        let read: Result<Vec<OneLiner>, String> = metrics.iter().map(|text| text.parse()).collect();
        let text = read.and_then(|metrics| text(&metrics).map_err(|error| error.to_string()));
        let text = text.map_or_else(|error| error, |text| String::from_utf8(text).unwrap());
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_with_a_value_is_a_gauge() {
        check(&["m=1.5"], "# TYPE m gauge\nm 1.5\n");
    }

    #[test]
    fn type_and_help_follow_the_value() {
        check(
            &["m_total=1,type=counter,help=Counts a, b\nand c."],
            "# HELP m_total Counts a, b\\nand c.\n# TYPE m_total counter\nm_total 1\n",
        );
    }

    #[test]
    fn labels_are_written_as_in_the_text_format() {
        check(
            &[r#"m{a="}=,",b="2"}=3"#, "other=1", r#"m{a="x"}=4,type=untyped"#],
            "# TYPE m untyped\nm{a=\"}=,\",b=\"2\"} 3\nm{a=\"x\"} 4\n# TYPE other gauge\nother 1\n",
        );
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        check(&["m"], "expected NAME=VALUE, found no `=`");
        check(
            &["m-x=1"],
            "expected a metric name of letters, digits, `_` and `:`",
        );
        check(
            &["push_time_seconds=1"],
            "expected another name: each group has this one from the gateway",
        );
        check(&["m{a=\"b\"} 1"], "expected `}=` and a value behind the labels");
        check(&["m="], "expected a number behind `=`, found ``");
        check(&["m=1\nn 2"], "expected a number behind `=`, found `1\\nn 2`");
        check(
            &["m=1,kind=gauge"],
            "expected type=gauge, type=counter, type=untyped or at last help=TEXT, found `kind=gauge`",
        );
        check(
            &["m=1,type=gauge", "m{a=\"b\"}=1,type=counter"],
            "--metric: expected one type for `m`, found two",
        );
    }
}
