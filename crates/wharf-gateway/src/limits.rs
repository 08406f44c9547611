//! Limits on the parts of a push: labels and their lengths.

use wharf_model::{Exposition, GroupingKey};
use wharf_settings::{kinds, settings};

use crate::refusal::{Reason, Refusal};

settings! {
    /// Limits on what is pushed. None: there is none.
    #[derive(Copy)]
    pub struct PushLimits {
        /// Labels of one series, those of the group not counted.
        pub max_labels_per_series: Option<u64> = Some(1_000),
            "limits.max-labels-per-series" as kinds::LIMIT,
            "Labels of one pushed series.";
        /// Bytes of a label's name.
        pub max_label_name_bytes: Option<u64> = Some(4 << 10),
            "limits.max-label-name-bytes" as kinds::LIMIT,
            "Length of a label name.";
        /// Bytes of a label's value.
        pub max_label_value_bytes: Option<u64> = Some(16 << 20),
            "limits.max-label-value-bytes" as kinds::LIMIT,
            "Length of a label value.";
    }
}

impl PushLimits {
    /// Checks a push as it came, before any rule works on it.
    ///
    /// # Errors
    /// [`Reason::LabelLimit`], with the limit, its flag and what was found.
    pub fn check(&self, exposition: &Exposition<'_>) -> Result<(), Refusal> {
        let metrics = exposition.families.iter().flat_map(|family| &family.metrics);
        let labels = metrics.map(|metric| metric.labels.len()).max().unwrap_or(0);
        self.check_count(labels)?;
        // Labels of exemplars are among them.
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let names = longest(&mut exposition.labels.iter().map(|label| label.name.len()));
        let values = longest(&mut exposition.labels.iter().map(|label| label.value.len()));
        self.check_lengths(names, values)
    }

    /// Checks the labels of a group.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_key(&self, key: &GroupingKey) -> Result<(), Refusal> {
        let (mut labels, mut names, mut values) = (0, 0, 0);
        for (name, value) in key.label_bytes() {
            labels += 1;
            names = names.max(name.len());
            values = values.max(value.len());
        }
        self.check_count(labels)?;
        self.check_lengths(names, values)
    }

    fn check_count(&self, labels: usize) -> Result<(), Refusal> {
        let flag = "limits.max-labels-per-series";
        within(self.max_labels_per_series, labels, ("a series", "labels", flag))
    }

    fn check_lengths(&self, names: usize, values: usize) -> Result<(), Refusal> {
        let flag = "limits.max-label-name-bytes";
        within(self.max_label_name_bytes, names, ("a label name", "bytes", flag))?;
        let flag = "limits.max-label-value-bytes";
        within(
            self.max_label_value_bytes,
            values,
            ("a label value", "bytes", flag),
        )
    }
}

fn within(limit: Option<u64>, found: usize, (what, unit, flag): (&str, &str, &str)) -> Result<(), Refusal> {
    let found = found as u64;
    match limit {
        Some(limit) if found > limit => {
            let text = format!("expected {what} of at most {limit} {unit}, found {found}");
            Err(Refusal::new(
                Reason::LabelLimit,
                format!("{text}\nhint: raise --{flag}"),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use wharf_exposition::text;
    use wharf_model::name::NameRule;

    use super::*;

    const LIMITS: PushLimits = PushLimits {
        max_labels_per_series: Some(2),
        max_label_name_bytes: Some(3),
        max_label_value_bytes: Some(4),
    };

    fn check(body: &str) -> Result<(), String> {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        LIMITS.check(&exposition).map_err(|error| error.text)
    }

    #[test]
    fn what_is_within_the_limits_passes() {
        assert_eq!(check("m{abc=\"1234\",b=\"\"} 1\nlong_metric_names 2\n"), Ok(()));
        assert!(
            PushLimits::default()
                .check_key(&GroupingKey::new([("job", "12345")]).unwrap())
                .is_ok()
        );
    }

    #[test]
    fn what_is_beyond_names_the_limit() {
        let text = |what: &str, flag: &str| Err(format!("expected {what}\nhint: raise --limits.{flag}"));
        assert_eq!(
            check("m{a=\"\",b=\"\",c=\"\"} 1\n"),
            text("a series of at most 2 labels, found 3", "max-labels-per-series")
        );
        assert_eq!(
            check("m{abcd=\"1\"} 1\n"),
            text("a label name of at most 3 bytes, found 4", "max-label-name-bytes")
        );
        assert_eq!(
            check("m{a=\"12345\"} 1\n"),
            text(
                "a label value of at most 4 bytes, found 5",
                "max-label-value-bytes"
            )
        );
        let key = GroupingKey::new([("job", "12345")]).unwrap();
        let refused = LIMITS.check_key(&key).unwrap_err();
        assert_eq!(refused.reason, Reason::LabelLimit);
    }
}
