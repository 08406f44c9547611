//! What to do about a refused push: lines that begin with `hint: `, behind what the Pushgateway says.
//!
//! There is one line for each kind of mistake, however often it was made.

use std::fmt::Write;

use wharf_store::{Clashes, Inconsistency, Timestamps};

/// Names that one hint lists.
const MAX_NAMES: usize = 5;

/// A kind of contradiction, for which the advice is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    Type,
    TwiceInPush,
    TwiceInStore,
    Collision,
    ReservedLabel,
    ExplicitLabel,
    SameLabel,
    NoValue,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Own,
        Self::Type,
        Self::TwiceInPush,
        Self::TwiceInStore,
        Self::Collision,
        Self::ReservedLabel,
        Self::ExplicitLabel,
        Self::SameLabel,
        Self::NoValue,
    ];

    fn of(clash: &Inconsistency) -> Self {
        match clash {
            Inconsistency::ReservedName { .. }
            | Inconsistency::ReservedType { .. }
            | Inconsistency::ReservedHelp { .. }
            | Inconsistency::Collision { own: true, .. } => Self::Own,
            Inconsistency::Type { .. } => Self::Type,
            Inconsistency::DuplicateSeries {
                other_group: false, ..
            } => Self::TwiceInPush,
            Inconsistency::DuplicateSeries { .. } => Self::TwiceInStore,
            Inconsistency::Collision { .. } => Self::Collision,
            Inconsistency::LabelName { .. } => Self::ReservedLabel,
            Inconsistency::ExplicitLabel { .. } => Self::ExplicitLabel,
            Inconsistency::DuplicateLabel { .. } | Inconsistency::EscapedLabel { .. } => Self::SameLabel,
            _ => Self::NoValue,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Own => "push only the metrics of your job, or rename these",
            Self::Type => {
                "a metric has one type in all groups, and `untyped` if no TYPE line says which: push the type that \
                 is stored, or delete the groups that have the other one"
            }
            Self::TwiceInPush => {
                "a push has each series once; labels of the URL replace those of the same name in the body"
            }
            Self::TwiceInStore => {
                "one group has a series: delete the other group, or add a label to the URL or the series"
            }
            Self::Collision => {
                "a summary or histogram `x` has `x_sum` and `x_count` to itself, a histogram `x_bucket` too: rename \
                 one of the two"
            }
            Self::ReservedLabel => "label names that begin with `__` belong to Prometheus: rename the label",
            Self::ExplicitLabel => {
                "`le` is for the buckets of a histogram, `quantile` for a summary: rename the label, in the URL too"
            }
            Self::SameLabel => "rename one of the labels",
            Self::NoValue => "give each metric the value that its family's type asks for",
        }
    }
}

/// The lines about contradictions.
pub(crate) fn on_clashes(clashes: &Clashes) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let mut of_kind = clashes.named().filter(|clash| Kind::of(clash) == kind).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        text.push_str("\nhint: ");
        if kind == Kind::Own {
            text.push_str(&own_metrics(of_kind));
        }
        text.push_str(kind.advice());
    }
    text
}

/// Which metrics are the gateway's own.
fn own_metrics<'c>(clashes: impl Iterator<Item = &'c Inconsistency>) -> String {
    let mut names: Vec<&str> = clashes
        .map(|clash| match clash {
            Inconsistency::Collision { other, .. } => other.as_str(),
            clash => clash.family(),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let listed: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let mut text = listed.join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(MAX_NAMES) {
        // Writing to a string cannot fail.
        let _infallible = write!(text, " and {more} more");
    }
    text.push_str(if names.len() == 1 {
        " is a metric of the gateway itself: "
    } else {
        " are metrics of the gateway itself: "
    });
    text
}

/// The lines about timestamps.
pub(crate) fn on_timestamps(timestamps: &Timestamps) -> String {
    let Timestamps {
        family,
        series,
        line,
        position,
        count,
    } = timestamps;
    let series = if series == "{}" { "" } else { series };
    let place = line.map_or_else(
        || format!("metric {position} of its family"),
        |line| format!("line {line}"),
    );
    let more = match count - 1 {
        0 => String::new(),
        1 => ", and so has another metric".to_owned(),
        more => format!(", and so have {more} other metrics"),
    };
    format!(
        "\nhint: `{family}{series}` ({place}) has a timestamp{more}\n\
         hint: leave the timestamps out, or start the gateway with --push.timestamps=strip to have them ignored"
    )
}
