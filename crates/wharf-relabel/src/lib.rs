//! Prometheus' relabelling rules, applied to a push before it is stored.
//!
//! A rule sees the labels of one metric, those of its group among them, and `__name__`, the name of its family.
//! What Prometheus' `metric_relabel_configs` do to the samples of a scrape, the rules do to the metrics of a
//! push, with three differences that follow from what a push is:
//!
//! * **Labels of the group are read only.** They are the group's identity, which the URL has said already. Rules
//!   see them, and what a rule writes to one of them has no effect, just as they win over labels in the body. A rule
//!   that could only write to `job`, which every group has, is refused when it is made.
//! * **A histogram or summary is one metric.** `__name__` is the name of the family, without `_bucket`, `_sum` and
//!   `_count`, and there is no `le` or `quantile`: half a histogram would be of no use.
//! * **Labels that begin with `__` are gone** when the last rule has run, as after Prometheus' target relabelling.
//!   So `__tmp_x` is a place for what the next rule needs.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod apply;
mod labels;
mod rule;
mod template;

pub use apply::{RelabelError, Relabelled, relabel, relabel_within};
pub use rule::{Action, Rule, RuleError, RuleSource, looks};

/// The label whose value is the name of the family.
pub const NAME: &str = "__name__";
