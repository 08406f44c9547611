//! What is wrong, or unwise, with metrics before they are pushed.
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
mod protobuf;
mod report;
mod rule;
mod series;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub use self::document::Syntax;
pub(crate) use self::names::GATEWAY_NAMES;
pub use self::report::{Finding, Options, Place, Report};
pub use self::rule::{Rule, Severity};
pub use self::text::check;
use crate::encoding;

/// Looks at a body in the text format, in `OpenMetrics` or in protobuf.
pub fn check_as(syntax: Syntax, body: &[u8], options: Options) -> Report {
    match syntax {
        Syntax::Text => check(body, options),
        Syntax::Protobuf => protobuf::check(body, options),
        Syntax::OpenMetrics => match encoding::to_utf8(body) {
            Ok(text) => openmetrics::check(&text, matches!(text, Cow::Owned(_)), options),
            // What is wrong with its encoding is the same for both.
            Err(_) => check(body, options),
        },
    }
}
