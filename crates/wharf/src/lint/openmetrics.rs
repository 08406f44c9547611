//! `OpenMetrics`: its decoder is strict, and what it takes is held against the rules for names and series.

use wharf_exposition::openmetrics;

use super::document::Document;
use super::report::{Finding, Options, Place, Report};
use super::rule::Rule;
use super::text;

/// Looks at a body in `OpenMetrics`, which is in UTF-8; `had_mark` if it is only now.
pub(super) fn check(body: &[u8], had_mark: bool, options: Options) -> Report {
    let mut findings = Vec::new();
    if had_mark {
        findings.push(text::byte_order_mark());
    }
    if let Err(error) = openmetrics::decode(body, openmetrics::Options { names: options.names }) {
        findings.push(Finding {
            place: Place::Text {
                line: error.line(),
                column: error.column(),
            },
            rule: Rule::Syntax,
            family: None,
            message: error.kind().to_string(),
            hint: "OpenMetrics 1.0 says so; --format=text reads it as the text format of Prometheus"
                .to_owned(),
        });
        return Report {
            findings,
            ..Report::default()
        };
    }
    text::report(&Document::read_openmetrics(body), body, findings, options)
}
