//! What a push may contradict.

use std::fmt::{self, Write};

use wharf_model::{GroupingKey, MetricType};

/// One thing that a push contradicts. `series` is the label set in braces, `holder` the group in the way; no holder means
/// the push itself, or the gateway's own metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are what their names say, and the texts below say the rest"
)]
pub enum Inconsistency {
    /// The family is one of the gateway's own, which no push may have.
    ReservedName { family: String },
    /// The family is one of the gateway's own, with another type.
    ReservedType {
        family: String,
        pushed: MetricType,
        expected: MetricType,
    },
    /// The family is one of the gateway's own, with another help.
    ReservedHelp {
        family: String,
        pushed: String,
        expected: &'static str,
    },
    /// Another group holds the family with another type.
    Type {
        family: String,
        pushed: MetricType,
        stored: MetricType,
        holder: Option<GroupingKey>,
    },
    /// A metric has no value of its family's type.
    MissingValue {
        family: String,
        metric_type: MetricType,
        series: String,
    },
    /// A label name stands twice in one metric.
    DuplicateLabel {
        family: String,
        label: String,
        series: String,
    },
    /// A label name is reserved.
    LabelName {
        family: String,
        label: String,
        series: String,
    },
    /// Two label names of one metric become the same when they are escaped for scrapers that know legacy names.
    EscapedLabel {
        family: String,
        first: String,
        second: String,
        series: String,
    },
    /// `le` on a histogram, `quantile` on a summary: the format needs the label for itself.
    ExplicitLabel {
        family: String,
        label: &'static str,
        series: String,
    },
    /// The series stands twice in the push, or another group holds it.
    DuplicateSeries {
        family: String,
        series: String,
        /// Whether another group holds it, which may not be named.
        other_group: bool,
        holder: Option<GroupingKey>,
    },
    /// The name is that of a line of a stored or pushed summary or histogram, or the other way round.
    Collision {
        family: String,
        other: String,
        other_type: MetricType,
        own: bool,
        holder: Option<GroupingKey>,
    },
}

impl Inconsistency {
    /// The name of the family that it is about.
    pub fn family(&self) -> &str {
        match self {
            Self::ReservedName { family }
            | Self::ReservedType { family, .. }
            | Self::ReservedHelp { family, .. }
            | Self::Type { family, .. }
            | Self::MissingValue { family, .. }
            | Self::DuplicateLabel { family, .. }
            | Self::LabelName { family, .. }
            | Self::EscapedLabel { family, .. }
            | Self::ExplicitLabel { family, .. }
            | Self::DuplicateSeries { family, .. }
            | Self::Collision { family, .. } => family,
        }
    }

    /// A short name for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ReservedName { .. } | Self::ReservedType { .. } | Self::ReservedHelp { .. } => "own_metric",
            Self::Type { .. } | Self::MissingValue { .. } => "type",
            Self::DuplicateLabel { .. }
            | Self::LabelName { .. }
            | Self::EscapedLabel { .. }
            | Self::ExplicitLabel { .. } => "label",
            Self::DuplicateSeries { .. } => "duplicate",
            Self::Collision { .. } => "collision",
        }
    }

    /// Whether both say that the same two families of a push collide, one of either side.
    pub(crate) fn is_other_side_of(&self, named: &Self) -> bool {
        let within_push = |clash: &Self| match clash {
            Self::Collision {
                family,
                other,
                own: false,
                holder: None,
                ..
            } => Some((family.clone(), other.clone())),
            _ => None,
        };
        within_push(self).is_some_and(|(family, other)| within_push(named) == Some((other, family)))
    }

    /// Leaves the group in the way unnamed, unless `may_know` says that it may be named.
    pub fn name_holder_if(&mut self, may_know: impl FnOnce(&GroupingKey) -> bool) {
        if let Self::Type { holder, .. }
        | Self::DuplicateSeries { holder, .. }
        | Self::Collision { holder, .. } = self
        {
            *holder = holder.take().filter(may_know);
        }
    }
}

/// The texts begin as the Pushgateway's do; the group in the way stands in parentheses at the end.
impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedName { family } => {
                write!(f, "gathered metric family {family} is one of the gateway's own")
            }
            Self::ReservedType {
                family,
                pushed,
                expected,
            } => {
                let (pushed, expected) = (pushed.as_protobuf(), expected.as_protobuf());
                write!(
                    f,
                    "gathered metric family {family} has type {pushed} but should have {expected}"
                )
            }
            Self::ReservedHelp {
                family,
                pushed,
                expected,
            } => {
                write!(
                    f,
                    "gathered metric family {family} has help {pushed:?} but should have {expected:?}"
                )
            }
            Self::Type {
                family,
                pushed,
                stored,
                holder,
            } => {
                let (pushed, stored) = (pushed.as_protobuf(), stored.as_protobuf());
                write!(
                    f,
                    "collected metric {family:?} is not a {stored}: it was pushed as {pushed}"
                )?;
                fmt_holder(holder.as_ref(), "stored", f)
            }
            Self::MissingValue {
                family,
                metric_type,
                series,
            } => {
                let expected = metric_type.as_protobuf();
                write!(f, "collected metric {family:?} {series} is not a {expected}")
            }
            Self::DuplicateLabel {
                family,
                label,
                series,
            } => {
                write!(
                    f,
                    "collected metric {family:?} {series} has two or more labels with the same name: {label}"
                )
            }
            Self::LabelName {
                family,
                label,
                series,
            } => {
                write!(
                    f,
                    "collected metric {family:?} {series} has a label with an invalid name: {label}"
                )
            }
            Self::EscapedLabel {
                family,
                first,
                second,
                series,
            } => {
                write!(
                    f,
                    "collected metric {family:?} {series} has two labels with the same name once they are "
                )?;
                write!(
                    f,
                    "escaped for scrapers of legacy names: {first:?} and {second:?}"
                )
            }
            Self::ExplicitLabel {
                family,
                label,
                series,
            } => {
                write!(
                    f,
                    "collected metric {family:?} {series} must not have an explicit {label:?} label"
                )
            }
            Self::DuplicateSeries {
                family,
                series,
                holder,
                ..
            } => {
                write!(
                    f,
                    "collected metric {family:?} {series} was collected before with the same name and "
                )?;
                f.write_str("label values")?;
                fmt_holder(holder.as_ref(), "stored", f)
            }
            Self::Collision {
                family,
                other,
                other_type,
                own,
                holder,
            } => {
                let kind = other_type.as_text();
                if other_type.base() == MetricType::Summary || other_type.is_histogram() {
                    write!(
                        f,
                        "collected metric named {family:?} collides with previously collected {kind} "
                    )?;
                    write!(f, "named {other:?}")?;
                } else {
                    write!(
                        f,
                        "collected histogram or summary named {family:?} collides with previously "
                    )?;
                    write!(f, "collected metric named {other:?}")?;
                }
                if *own {
                    return f.write_str(" (one of the gateway's own)");
                }
                fmt_holder(holder.as_ref(), "stored", f)
            }
        }
    }
}

fn fmt_holder(holder: Option<&GroupingKey>, verb: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    holder.map_or(Ok(()), |key| write!(f, " ({verb} in group {key})"))
}

/// A name for an error text, cut short beyond some hundred characters.
pub(crate) fn short(name: &str) -> String {
    const LIMIT: usize = 256;
    match name.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// A label set for an error text: `{a="1",b="2"}`, cut short beyond some hundred bytes.
pub(crate) fn describe_labels(labels: &[(&str, &str)]) -> String {
    const LIMIT: usize = 512;
    let mut text = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        if text.len() > LIMIT {
            text.push_str(",…");
            break;
        }
        let comma = if index == 0 { "" } else { "," };
        let value: String = value.chars().take(LIMIT).collect();
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{comma}{}={value:?}", short(name));
    }
    text.push('}');
    text
}
