//! What is wrong, or unwise, with a text of metrics before it is pushed.
//!
//! Every rule of `promtool check metrics` is among ours. Beside them stand what a gateway would refuse, what makes a
//! histogram useless, and what makes a Prometheus server suffer. [`Rule`] has the list.
//!
//! A family gets at most one finding of each rule, at the first place, which says how many more places there are:
//! a thousand lines with the same mistake are one mistake.

mod document;
mod names;
mod openmetrics;
mod rule;
mod series;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use wharf_exposition::text::{self, DecodeError};
use wharf_model::name::NameRule;

use self::document::Document;
pub(crate) use self::names::GATEWAY_NAMES;
pub use self::rule::{Rule, Severity};
use crate::encoding::{self, EncodingError};
use crate::text_format::TextFormat;

/// How many syntax errors are looked for: each one means reading the text once more.
const MAX_SYNTAX_ERRORS: usize = 20;

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Which names may stand in quotes.
    pub names: NameRule,
    /// How many series one push should have at most.
    pub max_series: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: NameRule::Legacy,
            max_series: 1_000,
        }
    }
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Which rule is broken.
    pub rule: Rule,
    /// The metric family; none if the line could not be read.
    pub family: Option<String>,
    /// What was expected and what was found.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order of the text.
    pub findings: Vec<Finding>,
    /// The families with samples.
    pub families: usize,
    /// The sample lines.
    pub series: usize,
}

impl Report {
    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let is_it = |finding: &&Finding| finding.rule.severity() == severity;
        self.findings.iter().filter(is_it).count()
    }
}

/// Looks at a body in the text format or in `OpenMetrics`.
pub(crate) fn check_as(format: TextFormat, body: &[u8], options: Options) -> Report {
    match encoding::to_utf8(body) {
        Ok(text) if format.is_openmetrics(&text) => openmetrics::check(&text, options),
        _ => check(body, options),
    }
}

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
        let message = "expected plain UTF-8, found a byte order mark".to_owned();
        let hint = "save it without one; `wharf push` leaves it out";
        findings.push(of_text(Rule::StrictText, 1, message, hint));
    }
    let document = Document::read(&body);
    let mut notes = Notes::default();
    names::check(&document, &mut notes);
    series::check(&document, options, &mut notes);
    findings.extend(notes.locate(&body));
    findings.sort_by_key(|finding| (finding.line, finding.column, finding.rule));
    Report {
        findings,
        families: document.families().count(),
        series: document.series(),
    }
}

/// A finding about the text as such.
fn of_text(rule: Rule, line: usize, message: String, hint: &str) -> Finding {
    Finding {
        line,
        column: 1,
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

/// The lines as ranges, without their line feeds.
fn lines(body: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut start = 0;
    body.split(|byte| *byte == b'\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

fn mistake(rule: Rule, error: &DecodeError) -> Finding {
    let message = match error.foreign() {
        Some(foreign) => format!("expected the text format, found {foreign}"),
        None => format!("expected {}, found {}", error.expected(), error.found()),
    };
    let hint = error.advice().unwrap_or("a line is `name{label=\"value\"} 1`");
    Finding {
        line: error.line(),
        column: error.column(),
        rule,
        family: None,
        message,
        hint: hint.to_owned(),
    }
}

/// Findings whose places are bytes of the body yet, in no order.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

#[derive(Debug)]
struct Note {
    offset: usize,
    rule: Rule,
    family: String,
    message: String,
    hint: String,
}

impl Notes {
    fn add(&mut self, rule: Rule, offset: usize, family: &str, message: String, hint: impl Into<String>) {
        self.0.push(Note {
            offset,
            rule,
            family: family.to_owned(),
            message,
            hint: hint.into(),
        });
    }

    /// Notes the first of `places`, with the number of the others.
    fn add_first<T>(
        &mut self,
        rule: Rule,
        family: &str,
        places: impl IntoIterator<Item = (usize, T)>,
        describe: impl FnOnce(T) -> (String, String),
    ) {
        let mut places = places.into_iter();
        if let Some((offset, first)) = places.next() {
            let (mut message, hint) = describe(first);
            let more = places.count();
            if more > 0 {
                message = format!("{message} ({more} more in this family)");
            }
            self.add(rule, offset, family, message, hint);
        }
    }

    /// Counts lines and columns, going through the body once.
    fn locate(mut self, body: &[u8]) -> Vec<Finding> {
        self.0.sort_by_key(|note| note.offset);
        let (mut line, mut line_start) = (1, 0);
        let mut findings = Vec::with_capacity(self.0.len());
        for note in self.0 {
            let between = body.get(line_start..note.offset).unwrap_or_default();
            line += lines(between).skip(1).count();
            if let Some(newline) = between.iter().rposition(|byte| *byte == b'\n') {
                line_start += newline + 1;
            }
            let before = body.get(line_start..note.offset).unwrap_or_default();
            findings.push(Finding {
                line,
                column: String::from_utf8_lossy(before).chars().count() + 1,
                rule: note.rule,
                family: Some(note.family),
                message: note.message,
                hint: note.hint,
            });
        }
        findings
    }
}
