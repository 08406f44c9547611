//! Bodies in the text format.

use std::borrow::Cow;

use wharf_exposition::text::{self, DecodeError};
use wharf_model::name::NameRule;

use super::document::Document;
use super::notes::{Notes, lines};
use super::report::{Finding, Options, Place, Report};
use super::rule::Rule;
use super::{names, series};
use crate::encoding::{self, EncodingError};

/// How many syntax errors are looked for: each one means reading the text once more.
pub(super) const MAX_SYNTAX_ERRORS: usize = 20;

/// Looks at a body in the text format.
///
/// Work is linear in its length, except for a text with syntax errors, which is read once more for each of the
/// first twenty.
pub fn check(body: &[u8], options: Options) -> Report {
    let text = match encoding::to_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let message = error.mistake().to_owned();
            return Report {
                findings: vec![of_text(Rule::Syntax, error.line(), message, EncodingError::HINT)],
                ..Report::default()
            };
        }
    };
    let (body, mut findings) = syntax(&text, options.names);
    if let Cow::Owned(_) = text {
        findings.push(byte_order_mark());
    }
    report(&Document::read(&body), &body, findings, options)
}

/// What there is to say of a text that can be read, beside what was found already.
pub(super) fn report(
    document: &Document<'_>,
    body: &[u8],
    mut findings: Vec<Finding>,
    options: Options,
) -> Report {
    findings.extend(notes(document, options).locate(body));
    findings.sort_by(|a, b| (&a.place, a.rule).cmp(&(&b.place, b.rule)));
    Report {
        findings,
        families: document.families().count(),
        series: document.series(),
    }
}

/// What the rules say of a document.
pub(super) fn notes(document: &Document<'_>, options: Options) -> Notes {
    let mut notes = Notes::default();
    names::check(document, &mut notes);
    series::check(document, options, &mut notes);
    notes
}

/// The finding that the text was brought into UTF-8.
pub(super) fn byte_order_mark() -> Finding {
    let message = "expected plain UTF-8, found a byte order mark".to_owned();
    let hint = "save it without one; `wharf push` leaves it out";
    of_text(Rule::StrictText, 1, message, hint)
}

/// A finding about the text as such.
fn of_text(rule: Rule, line: usize, message: String, hint: &str) -> Finding {
    Finding {
        place: Place::Text { line, column: 1 },
        rule,
        family: None,
        message,
        hint: hint.to_owned(),
    }
}

/// The body without the lines that cannot be read, and what is wrong with these.
fn syntax(body: &[u8], names: NameRule) -> (Cow<'_, [u8]>, Vec<Finding>) {
    let mut readable = Cow::Borrowed(body);
    let mut findings = Vec::new();
    let options = |strict| text::Options { names, strict };
    while let Err(error) = text::decode(&readable, options(false)) {
        findings.push(mistake(Rule::Syntax, &error));
        let before = lines(&readable).nth(error.line() - 1);
        let Some(line) = before.filter(|_| findings.len() < MAX_SYNTAX_ERRORS) else {
            return (Cow::Borrowed(&[]), findings);
        };
        // Blanks keep the lines behind where they are.
        readable.to_mut().get_mut(line).unwrap_or_default().fill(b' ');
    }
    if findings.is_empty()
        && let Err(error) = text::decode(body, options(true))
    {
        findings.push(mistake(Rule::StrictText, &error));
    }
    (readable, findings)
}

fn mistake(rule: Rule, error: &DecodeError) -> Finding {
    let message = match error.foreign() {
        Some(foreign) => format!("expected the text format, found {foreign}"),
        None => format!("expected {}, found {}", error.expected(), error.found()),
    };
    let hint = error.advice().unwrap_or("a line is `name{label=\"value\"} 1`");
    Finding {
        place: Place::Text {
            line: error.line(),
            column: error.column(),
        },
        rule,
        family: None,
        message,
        hint: hint.to_owned(),
    }
}
