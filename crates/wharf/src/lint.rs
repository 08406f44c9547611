//! What is wrong, or unwise, with a text of metrics before it is pushed.
//!
//! Every rule of `promtool check metrics` is among ours. Beside them stand what a gateway would refuse, what makes a
//! histogram useless, and what makes a Prometheus server suffer. [`Rule`] has the list.
//!
//! A family gets at most one finding of each rule, at the first place, which says how many more places there are:
//! a thousand lines with the same mistake are one mistake.

mod document;
mod names;
mod notes;
mod openmetrics;
mod report;
mod rule;
mod series;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::names::GATEWAY_NAMES;
pub use self::report::{Finding, Options, Report};
pub use self::rule::{Rule, Severity};
pub use self::text::check;
use crate::encoding;
use crate::text_format::TextFormat;

/// Looks at a body in the text format or in `OpenMetrics`.
pub(crate) fn check_as(format: TextFormat, body: &[u8], options: Options) -> Report {
    match encoding::to_utf8(body) {
        Ok(text) if format.is_openmetrics(&text) => openmetrics::check(&text, options),
        _ => check(body, options),
    }
}
