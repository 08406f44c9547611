//! The flags that name a group.

use wharf_model::name::{is_legacy_label_name, is_reserved_label_name};
use wharf_model::{GroupingKey, GroupingKeyError};

/// Which group a tool writes to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GroupFlags {
    /// The job: the name under which Prometheus finds the metrics
    #[arg(long, short = 'j', value_name = "NAME")]
    pub job: String,

    /// A further label of the group, such as instance=db1; may be repeated
    #[arg(long = "label", short = 'l', value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
}

impl GroupFlags {
    /// The group.
    ///
    /// # Errors
    /// If the job is empty, or a label stands twice.
    pub(crate) fn key(&self) -> Result<GroupingKey, GroupingKeyError> {
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        GroupingKey::new(labels.chain([("job", self.job.as_str())]))
    }
}

/// Reads `NAME=VALUE`; the value may be empty.
///
/// # Errors
/// What was expected.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, found no `=`")?;
    if !is_legacy_label_name(name) {
        return Err(
            "expected a label name of letters, digits and `_`, not beginning with a digit".to_owned(),
        );
    }
    if is_reserved_label_name(name) {
        return Err("expected a label name that does not begin with `__`".to_owned());
    }
    if name == "job" {
        return Err("expected the job as --job, found it as a label".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names_with_values() {
        let read = |text| label(text).map(|(name, value)| format!("{name}|{value}"));
        assert_eq!(read("a=b=c"), Ok("a|b=c".to_owned()));
        assert_eq!(read("a="), Ok("a|".to_owned()));
        for text in ["a", "a-b=c", "1=c", "__a=c", "job=c", "=c"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
