//! What stands above the metrics of a family.

use wharf_model::{Exposition, Family, MetricType};

/// Everything a metric family says beside its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The name, under which the text format exposes the family.
    pub name: &'a str,
    /// The help, if there is one; it may be empty.
    pub help: Option<&'a str>,
    /// The unit; empty if there is none.
    pub unit: &'a str,
    /// The type.
    pub metric_type: MetricType,
}

impl<'a> Head<'a> {
    /// The head of one family of an exposition.
    pub fn of(exposition: &'a Exposition<'_>, family: &Family) -> Self {
        Self {
            name: exposition.text(family.name),
            help: family.help.map(|help| exposition.text(help)),
            unit: exposition.text(family.unit),
            metric_type: family.metric_type,
        }
    }
}

/// Whether `unit` is the last word of `name`. Prometheus refuses a whole scrape over a unit that is not, so
/// the encoders leave such a unit out. Names that are quoted can end in what no UNIT line says.
pub(crate) fn is_unit_of(name: &str, unit: &str) -> bool {
    let can_be_written = !unit.is_empty() && !unit.contains(['"', '\\', '\n', '\r']);
    can_be_written && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_the_last_word_of_the_name() {
        assert!(is_unit_of("request_seconds", "seconds"));
        for (name, unit) in [
            ("seconds", "seconds"),
            ("a_milliseconds", "seconds"),
            ("a_b", ""),
            ("a_b", "c"),
            ("a_\"", "\""),
        ] {
            assert!(!is_unit_of(name, unit), "{name} {unit}");
        }
    }
}
