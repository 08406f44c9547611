//! What is wrong with a body, and where.
//!
//! The first line of the text is the Pushgateway's to the letter, because clients and alerts match on it. What it
//! does not say (the column, what would have been right, what the body is instead) follows as hints.

use std::fmt;

use wharf_model::{Denied, TooLarge};

use super::advice::{self, Place};
use crate::Foreign;

/// Input shown in an error is cut after as many bytes.
const MAX_QUOTED_BYTES: usize = 1024;
/// Input shown in a hint is cut after as many characters.
const MAX_FOUND_CHARS: usize = 24;

/// A mistake in a body in the text format.
///
/// Displayed as two lines or three, without a line feed at the end: the Pushgateway's words, the place, and advice
/// where there is any.
///
/// ```text
/// text format parsing error in line 3: expected float as value, got "1,5"
/// hint: column 9: expected a number, found `1,5`
/// hint: write the decimal separator as a point
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    line: usize,
    column: usize,
    kind: DecodeErrorKind,
    expected: &'static str,
    found: String,
    foreign: Option<Foreign>,
    advice: Option<&'static str>,
}

/// What is wrong. Displayed in the Pushgateway's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The body ends within a line.
    #[error("unexpected end of input stream")]
    UnexpectedEnd,
    /// A sample begins with something else, or has no name at all.
    #[error("invalid metric name")]
    MissingMetricName,
    /// The name in quotes is not one that the rule allows.
    #[error("invalid metric name {0}")]
    InvalidMetricName(Quoted),
    /// The same in a HELP or TYPE line.
    #[error("invalid metric name in comment")]
    InvalidMetricNameInComment,
    /// Braces with two metric names, of which the first is this.
    #[error("multiple metric names for metric {0}")]
    SecondMetricName(Quoted),
    /// The metric name within the braces is followed by this.
    #[error("unexpected end of metric name {0}")]
    AfterMetricName(Quoted),
    /// A label of this metric begins with something else, or its name is empty.
    #[error("invalid label name for metric {0}")]
    MissingLabelName(Quoted),
    /// The name in quotes is not one that the rule allows.
    #[error("invalid label name {0}")]
    InvalidLabelName(Quoted),
    /// The label name stands for the metric name.
    #[error("label name \"__name__\" is reserved")]
    ReservedLabelName,
    /// A sample of this metric has a label twice.
    #[error("duplicate label names for metric {0}")]
    DuplicateLabelName(Quoted),
    /// The label name is followed by this.
    #[error("expected '=' after label name, found {0}")]
    MissingEquals(Quoted),
    /// The label value begins with this.
    #[error("expected '\"' at start of label value, found {0}")]
    UnquotedLabelValue(Quoted),
    /// The label value is not UTF-8.
    #[error("invalid label value {0}")]
    InvalidLabelValue(Quoted),
    /// What follows this label value is neither a comma nor a brace.
    #[error("unexpected end of label value {0}")]
    AfterLabelValue(Quoted),
    /// A quote is not closed in its line.
    #[error("{what} {text} contains unescaped new-line")]
    UnclosedQuote {
        /// `label value`, `label name` or `metric name`.
        what: &'static str,
        /// The text up to the end of the line.
        text: Quoted,
    },
    /// A backslash before something else than `\`, `n` and `"`.
    #[error("invalid escape sequence '\\{}'", if *.0 == '\n' { "\\n".to_owned() } else { .0.to_string() })]
    InvalidEscape(char),
    /// The bound of a bucket (`le`) or rank of a quantile (`quantile`) is no number.
    #[error("expected float as value for '{label}' label, got {value}")]
    InvalidBound {
        /// The label name.
        label: &'static str,
        /// Its value.
        value: Quoted,
    },
    /// The value of a sample is no number.
    #[error("expected float as value, got {0}")]
    InvalidValue(Quoted),
    /// A bucket of this histogram counts fewer than no observations.
    #[error("negative bucket population for histogram {0}")]
    NegativeBucket(Quoted),
    /// This histogram counts fewer than no observations.
    #[error("negative count for histogram {0}")]
    NegativeCount(Quoted),
    /// What follows the value is no timestamp.
    #[error("expected integer as timestamp, got {0}")]
    InvalidTimestamp(Quoted),
    /// Something follows the timestamp.
    #[error("spurious string after timestamp: {0}")]
    AfterTimestamp(Quoted),
    /// This metric has its help already.
    #[error("second HELP line for metric name {0}")]
    SecondHelp(Quoted),
    /// This metric has its type already, if only by a sample.
    #[error("second TYPE line for metric name {0}, or TYPE reported after samples")]
    SecondType(Quoted),
    /// The format has no such type.
    #[error("unknown metric type {0}")]
    UnknownType(Quoted),
    /// The body has 2 GiB or more, or takes more memory than there is for it.
    #[error("{0}")]
    TooLarge(TooLarge),
}

/// A piece of the input, in quotes and escaped as Go's `%q` does it, and cut short if it is very long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(Box<str>);

impl Quoted {
    /// Quotes a string, which need not be UTF-8.
    pub(super) fn text(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let shown = text.get(..MAX_QUOTED_BYTES);
        let mut quoted = String::from("\"");
        escape(&mut quoted, shown.unwrap_or(text), Some('"'));
        quoted.push_str(if shown.is_some() { "...\"" } else { "\"" });
        Self(quoted.into())
    }

    /// Quotes the byte that stands where something else was expected; nothing is the end of the line. As in the
    /// original, a byte beyond ASCII shows as the character of that number.
    pub(super) fn byte(byte: Option<u8>) -> Self {
        let c = char::from(byte.unwrap_or(b'\n'));
        let mut quoted = String::from("'");
        escape(&mut quoted, c.encode_utf8(&mut [0; 4]).as_bytes(), Some('\''));
        quoted.push('\'');
        Self(quoted.into())
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends `bytes` as Go's `%q` escapes them; `quote` is the quotation mark around them.
fn escape(out: &mut String, bytes: &[u8], quote: Option<char>) {
    use fmt::Write;

    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a string cannot fail.
            let _infallible = match c {
                '\\' => out.write_str(r"\\"),
                '\u{7}' => out.write_str(r"\a"),
                '\u{8}' => out.write_str(r"\b"),
                '\u{c}' => out.write_str(r"\f"),
                '\n' => out.write_str(r"\n"),
                '\r' => out.write_str(r"\r"),
                '\t' => out.write_str(r"\t"),
                '\u{b}' => out.write_str(r"\v"),
                c if Some(c) == quote => write!(out, "\\{c}"),
                c if is_printable(c) => out.write_char(c),
                c if c.is_ascii() => write!(out, r"\x{:02x}", u32::from(c)),
                c if u32::from(c) <= 0xffff => write!(out, r"\u{:04x}", u32::from(c)),
                c => write!(out, r"\U{:08x}", u32::from(c)),
            };
        }
        for byte in chunk.invalid() {
            let _infallible = write!(out, r"\x{byte:02x}");
        }
    }
}

/// Whether Go prints `c` as it is: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    // The standard library's notion is the same, but hidden in `escape_debug`, where it also escapes quotation
    // marks and, at the beginning of a string only, marks that would join with what stands before.
    matches!(c, ' ' | '"' | '\'') || {
        let mut text = [b'a'; 5];
        let len = 1 + c.encode_utf8(text.get_mut(1..).unwrap_or_default()).len();
        let text = text.get(..len).and_then(|text| std::str::from_utf8(text).ok());
        text.is_some_and(|text| text.escape_debug().count() == 2)
    }
}

/// A mistake at a byte of the body. Boxed, so that results stay small on the way where nothing is wrong.
#[derive(Debug)]
pub(super) struct Failure(Box<Mistake>);

#[derive(Debug)]
struct Mistake {
    offset: usize,
    kind: DecodeErrorKind,
    expected: &'static str,
}

impl Failure {
    /// The mistake `kind` at the byte `offset` of the body, where `expected` should have been.
    #[cold]
    pub(super) fn new(offset: usize, kind: DecodeErrorKind, expected: &'static str) -> Self {
        Self(Box::new(Mistake {
            offset,
            kind,
            expected,
        }))
    }
}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Self::new(0, DecodeErrorKind::TooLarge(error), "less")
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        TooLarge::from(denied).into()
    }
}

impl DecodeError {
    /// Turns the byte of a failure into line and column, which the decoder does not count.
    pub(super) fn locate(body: &[u8], Failure(mistake): Failure) -> Self {
        let Mistake {
            offset,
            kind,
            expected,
        } = *mistake;
        let (before, after) = body.split_at_checked(offset).unwrap_or((body, &[]));
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let before_in_line = before.get(line_start..).unwrap_or_default();
        let after_in_line = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line_end = offset + after_in_line.len();
        let line = body.get(line_start..line_end).unwrap_or_default();
        // Behind a byte order mark is the text format.
        let foreign = Foreign::of(body).filter(|foreign| *foreign != Foreign::Utf8Mark);
        let foreign = foreign.or_else(|| Foreign::of_line(line));
        let place = Place {
            before: before_in_line,
            rest: after_in_line,
            expected,
        };
        let advice = match foreign {
            Some(foreign) => foreign.advice(),
            None => advice::on(&kind, place),
        };
        Self(Box::new(Details {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: String::from_utf8_lossy(before_in_line).chars().count() + 1,
            kind,
            expected,
            found: found(after_in_line, after_in_line.len() == after.len()),
            foreign,
            advice,
        }))
    }

    /// The line of the mistake, counted from 1.
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column of the mistake in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// What should have stood there, in words.
    pub fn expected(&self) -> &'static str {
        self.0.expected
    }

    /// What stands there: escaped, cut short and in backticks, or the name of an end.
    pub fn found(&self) -> &str {
        &self.0.found
    }

    /// What to do about it, if that can be told.
    pub fn advice(&self) -> Option<&'static str> {
        self.0.advice
    }

    /// What the body, or the line, is instead.
    pub fn foreign(&self) -> Option<Foreign> {
        self.0.foreign
    }

    /// What is wrong.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// Why there was no more memory, if that is what stopped it.
    pub fn denied(&self) -> Option<Denied> {
        match self.kind() {
            DecodeErrorKind::TooLarge(TooLarge::Memory(denied)) => Some(*denied),
            _ => None,
        }
    }
}

/// Describes what stands at the mistake: `rest` of its line.
fn found(rest: &[u8], is_last_line: bool) -> String {
    if rest.is_empty() {
        return format!("the end of the {}", if is_last_line { "input" } else { "line" });
    }
    // Cut before decoding and escaping, with room for characters of four bytes.
    let near = rest.get(..MAX_FOUND_CHARS * 4).unwrap_or(rest);
    let near_text = String::from_utf8_lossy(near);
    let shown = near_text
        .char_indices()
        .nth(MAX_FOUND_CHARS)
        .map_or(near_text.len(), |(end, _)| end);
    let mut text = String::from("`");
    escape(
        &mut text,
        near_text.as_bytes().get(..shown).unwrap_or_default(),
        None,
    );
    let is_cut = shown < near_text.len() || near.len() < rest.len();
    text.push_str(if is_cut { "...`" } else { "`" });
    text
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            line,
            column,
            kind,
            expected,
            found,
            foreign,
            advice,
        } = &*self.0;
        writeln!(f, "text format parsing error in line {line}: {kind}")?;
        match foreign {
            // What is expected at some byte of it helps nobody then.
            Some(foreign) => write!(f, "hint: this is {foreign}, not the text format")?,
            None => write!(f, "hint: column {column}: expected {expected}, found {found}")?,
        }
        if let Some(advice) = advice {
            write!(f, "\nhint: {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}
