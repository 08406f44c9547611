//! A place in a line of the body.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{ErrorKind, Problem};

/// What is left of a line. Lines are cut before anything else is looked at: nothing in the format spans two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    body: &'a str,
    rest: &'a [u8],
    /// Where in the body the line ends.
    end: usize,
}

const LABEL_NAME: u8 = 1;
const COLON: u8 = 2;

/// Which bytes may stand in names: one look instead of five comparisons.
#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            classes[byte as usize] = LABEL_NAME;
        }
        byte += 1;
    }
    classes[b':' as usize] = COLON;
    classes
};

/// A string in quotes.
pub(super) enum Quoted<'a> {
    /// It stands in the body as it is.
    Plain(Range<usize>),
    /// It had escapes.
    Unescaped(Cow<'a, str>),
}

impl<'a> Cursor<'a> {
    /// The line of `body` that begins at `start`, without its end, and where the next one begins.
    pub(super) fn line(body: &'a str, start: usize) -> (Self, usize) {
        let rest = body.as_bytes().get(start..).unwrap_or_default();
        let (length, next) = match memchr::memchr(b'\n', rest) {
            Some(newline) => (newline, start + newline + 1),
            None => (rest.len(), body.len()),
        };
        let line = rest.get(..length).unwrap_or_default();
        (
            Self {
                body,
                rest: line,
                end: start + line.len(),
            },
            next,
        )
    }

    /// Where in the body the cursor stands.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The text of a range of the body.
    pub(super) fn text(&self, range: Range<usize>) -> &'a str {
        self.body.get(range).unwrap_or_default()
    }

    /// Steps over `byte` if it comes next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.advance(usize::from(found));
        found
    }

    /// Steps over the one blank that has to come next.
    #[inline]
    pub(super) fn blank(&mut self, expected: &'static str) -> Result<(), Problem> {
        if self.eat(b' ') {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    /// Steps over a blank that something follows, and returns whether there was one.
    #[inline]
    pub(super) fn eat_separator(&mut self) -> Result<bool, Problem> {
        let before = *self;
        let found = self.eat(b' ');
        if found && self.is_at_end() {
            return Err(before.unexpected("the end of the line"));
        }
        Ok(found)
    }

    /// Steps over everything up to the next blank or the end of the line.
    #[inline]
    pub(super) fn word(&mut self) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(self.rest.len());
        self.advance(length)
    }

    /// Steps over a metric name without quotes; empty if there is none.
    #[inline]
    pub(super) fn metric_name(&mut self) -> Range<usize> {
        self.name(LABEL_NAME | COLON)
    }

    /// The same for a label name.
    #[inline]
    pub(super) fn label_name(&mut self) -> Range<usize> {
        self.name(LABEL_NAME)
    }

    #[inline]
    fn name(&mut self, classes: u8) -> Range<usize> {
        let start = self.at();
        if self.rest.first().is_some_and(u8::is_ascii_digit) {
            return start..start;
        }
        let class_of = |byte: &u8| CLASSES.get(usize::from(*byte)).copied().unwrap_or_default();
        let length = self.rest.iter().position(|byte| class_of(byte) & classes == 0);
        let length = length.unwrap_or(self.rest.len());
        self.advance(length);
        start..start + length
    }

    /// Steps over `length` bytes, and returns them.
    #[inline]
    fn advance(&mut self, length: usize) -> &'a [u8] {
        let (before, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        before
    }

    /// Steps over a string in quotes; the opening quote comes next.
    #[inline]
    pub(super) fn quoted(&mut self) -> Result<Quoted<'a>, Problem> {
        if !self.eat(b'"') {
            return Err(self.unexpected("a quote"));
        }
        let start = self.at();
        match memchr::memchr2(b'"', b'\\', self.rest) {
            Some(length) if self.rest.get(length) == Some(&b'"') => {
                self.advance(length + 1);
                Ok(Quoted::Plain(start..start + length))
            }
            Some(escape) => self.quoted_with_escapes(escape).map(Quoted::Unescaped),
            None => Err(self.unclosed()),
        }
    }

    /// The same for a string whose first escape stands `escape` bytes ahead.
    fn quoted_with_escapes(&mut self, mut escape: usize) -> Result<Cow<'a, str>, Problem> {
        let start = self.at();
        loop {
            // The byte behind a backslash never closes the string.
            self.advance(escape + 2);
            match memchr::memchr2(b'"', b'\\', self.rest) {
                Some(length) if self.rest.get(length) == Some(&b'"') => {
                    let text = self.text(start..self.at() + length);
                    self.advance(length + 1);
                    return Ok(unescape(text));
                }
                Some(length) => escape = length,
                None => return Err(self.unclosed()),
            }
        }
    }

    fn unclosed(&mut self) -> Problem {
        self.rest = &[];
        self.unexpected("a closing quote")
    }

    /// The rest of the line.
    pub(super) fn remainder(&self) -> &'a str {
        self.text(self.at()..self.end)
    }

    /// Whether the line ends with a carriage return; then the cursor goes before it.
    pub(super) fn ends_with_return(&mut self) -> bool {
        let found = self.rest.ends_with(b"\r");
        if found {
            self.advance(self.rest.len() - 1);
        }
        found
    }

    /// The place of the label `name` in the sample line that begins here. Only where it stands without quotes: behind
    /// a brace or a comma, `name="` is nothing else, for quotes within a value are escaped.
    pub(super) fn at_label(&self, name: &str) -> Self {
        let (line, mut found) = (self.remainder(), *self);
        let index = ['{', ',']
            .iter()
            .find_map(|before| line.find(&format!("{before}{name}=\"")));
        found.advance(index.map_or(0, |index| index + 1));
        found
    }

    pub(super) fn problem(&self, kind: ErrorKind) -> Problem {
        Problem {
            offset: self.at(),
            kind,
        }
    }

    /// The cursor stands before something else than `expected`.
    #[cold]
    pub(super) fn unexpected(&self, expected: &'static str) -> Problem {
        let rest = self.remainder();
        let mut length = rest
            .find([' ', '\t', '"', '{', '}', ',', '=', '#'])
            .unwrap_or(rest.len());
        if length == 0 {
            length = rest.chars().next().map_or(0, char::len_utf8);
        }
        let found = rest.get(..length).unwrap_or_default().to_owned();
        self.problem(ErrorKind::Unexpected { expected, found })
    }
}

/// Resolves `\\`, `\"` and `\n`. Before any other character a backslash is just that.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let (before, rest) = text.split_at_checked(first).unwrap_or((text, ""));
    let mut unescaped = String::with_capacity(text.len());
    unescaped.push_str(before);
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            unescaped.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => unescaped.push('\n'),
            Some(escaped @ ('\\' | '"')) => unescaped.push(escaped),
            Some(other) => unescaped.extend(['\\', other]),
            None => unescaped.push('\\'),
        }
    }
    Cow::Owned(unescaped)
}
