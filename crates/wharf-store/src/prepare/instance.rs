//! The `instance` label of series that have none.

use super::labels::LabelPair;

/// The `instance` label of pushed series that have none, and whose group has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InstanceLabel {
    /// An empty one, as the Pushgateway writes it: so scrapers that honour labels do not put their own.
    #[default]
    Empty,
    /// None, and an empty one is left out: for scrapers that stumble over it.
    Omit,
    /// One of this value; also in place of an empty one.
    Value(Box<str>),
}

impl InstanceLabel {
    /// Whether [`Self::complete`] makes another label of this one.
    pub(super) fn changes(&self, stored: Option<&str>) -> bool {
        match self {
            Self::Empty => stored.is_none(),
            Self::Omit => stored == Some(""),
            Self::Value(_) => stored.is_none_or(str::is_empty),
        }
    }

    /// Completes the labels of a series, which begin at `start` of the list, in no order.
    pub(super) fn complete<'a>(&'a self, labels: &mut Vec<LabelPair<'a>>, start: usize) {
        let position = labels[start..].iter().position(|(name, _)| *name == "instance");
        let position = position.map(|position| start + position);
        match (self, position) {
            (Self::Empty, None) => labels.push(("instance", "")),
            (Self::Value(value), None) => labels.push(("instance", value)),
            (Self::Omit, Some(position)) if labels[position].1.is_empty() => {
                labels.swap_remove(position);
            }
            (Self::Value(value), Some(position)) if labels[position].1.is_empty() => {
                labels[position].1 = value;
            }
            _ => {}
        }
    }
}
