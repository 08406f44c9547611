//! Tokens of one line.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{DecodeErrorKind, Failure, Quoted};

/// Reads one line from left to right.
///
/// Nothing in the format crosses a line, so the end of the line is the end of the cursor's world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where the line ends in the body.
    end: usize,
    /// Whether the body ends here, without a line feed.
    is_cut: bool,
}

/// A name or label value: its bytes in the body, still escaped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) raw: &'a [u8],
    /// Where it begins in the body.
    pub(super) offset: usize,
    /// Whether it stood in quotes.
    pub(super) is_quoted: bool,
    /// Whether it has escapes.
    pub(super) is_escaped: bool,
}

impl<'a> Token<'a> {
    /// Where it is in the body.
    pub(super) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.raw.len()
    }

    /// The bytes without escapes.
    pub(super) fn unescaped(&self) -> Cow<'a, [u8]> {
        if self.is_escaped {
            Cow::Owned(unescape(self.raw))
        } else {
            Cow::Borrowed(self.raw)
        }
    }
}

const LABEL: u8 = 1;
const METRIC: u8 = 2;

/// In which legacy names each byte may stand behind the first: bits of [`LABEL`] and [`METRIC`].
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static NAME_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            table[byte as usize] = LABEL | METRIC;
        }
        byte += 1;
    }
    table[b':' as usize] = METRIC;
    table
};

fn is_in(set: u8, byte: u8) -> bool {
    NAME_BYTES
        .get(usize::from(byte))
        .is_some_and(|sets| sets & set != 0)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of `line`, which starts at `offset` of the body.
    pub(super) fn new(line: &'a [u8], offset: usize, is_cut: bool) -> Self {
        Self {
            rest: line,
            end: offset + line.len(),
            is_cut,
        }
    }

    /// The place in the body.
    pub(super) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte; nothing at the end of the line.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Whether the body ends at this line, without a line feed.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Passes `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Passes `byte` if it is the next one.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [next, rest @ ..] if *next == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes blanks.
    pub(super) fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Passes `word` if it comes next and no name goes on behind it.
    pub(super) fn eat_metric_name(&mut self, word: &[u8]) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) if !rest.first().is_some_and(|byte| is_in(METRIC, *byte)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads all up to a blank or the end of the line.
    pub(super) fn until_blank(&mut self) -> &'a [u8] {
        let len = self
            .rest
            .iter()
            .position(|byte| is_blank(*byte))
            .unwrap_or(self.rest.len());
        self.take(len)
    }

    /// Reads a metric name, bare or in quotes; a token of no bytes if there is none.
    #[inline]
    pub(super) fn metric_name(&mut self) -> Result<Token<'a>, Failure> {
        let offset = self.offset();
        match self.bare_name(METRIC) {
            b"" if self.eat(b'"') => self.quoted("metric name"),
            raw => Ok(Token {
                raw,
                offset,
                is_quoted: false,
                is_escaped: false,
            }),
        }
    }

    /// Reads a label name, bare or in quotes; a token of no bytes if there is none.
    #[inline]
    pub(super) fn label_name(&mut self) -> Result<Token<'a>, Failure> {
        let offset = self.offset();
        // The branches meet in a token rather than in a result: that keeps the usual one in registers.
        let token = match self.bare_name(LABEL) {
            b"" if self.eat(b'"') => self.quoted("label name")?,
            raw => Token {
                raw,
                offset,
                is_quoted: false,
                is_escaped: false,
            },
        };
        Ok(token)
    }

    /// Reads a label value up to the closing quote; the opening one has been read.
    #[inline]
    pub(super) fn label_value(&mut self) -> Result<Token<'a>, Failure> {
        let offset = self.offset();
        let token = match memchr::memchr2(b'"', b'\\', self.rest) {
            Some(len) if self.rest.get(len) == Some(&b'"') => {
                let raw = self.take(len);
                self.skip(1);
                Token {
                    raw,
                    offset,
                    is_quoted: true,
                    is_escaped: false,
                }
            }
            _ => self.quoted("label value")?,
        };
        Ok(token)
    }

    #[inline]
    fn bare_name(&mut self, set: u8) -> &'a [u8] {
        let len = match self.rest.first() {
            Some(first) if first.is_ascii_digit() => 0,
            _ => self
                .rest
                .iter()
                .position(|byte| !is_in(set, *byte))
                .unwrap_or(self.rest.len()),
        };
        self.take(len)
    }

    /// Reads a string, which may have escapes, up to the closing quote; the opening one has been read.
    #[inline(never)]
    fn quoted(&mut self, what: &'static str) -> Result<Token<'a>, Failure> {
        let offset = self.offset();
        let unread = self.rest;
        let mut is_escaped = false;
        while let Some(found) = memchr::memchr2(b'"', b'\\', self.rest) {
            self.skip(found);
            if self.peek() == Some(b'"') {
                let raw = unread.get(..self.offset() - offset).unwrap_or_default();
                self.skip(1);
                return Ok(Token {
                    raw,
                    offset,
                    is_quoted: true,
                    is_escaped,
                });
            }
            self.escape()?;
            is_escaped = true;
        }
        self.skip(self.rest.len());
        let text = Quoted::text(unescape(unread));
        Err(self.unexpected(DecodeErrorKind::UnclosedQuote { what, text }, "a closing `\"`"))
    }

    /// Passes a backslash and what it escapes.
    pub(super) fn escape(&mut self) -> Result<(), Failure> {
        let offset = self.offset();
        self.skip(1);
        match self.peek() {
            Some(b'\\' | b'n' | b'"') => {
                self.skip(1);
                Ok(())
            }
            None if self.is_cut => Err(self.unexpected(DecodeErrorKind::UnexpectedEnd, "an escape")),
            byte => {
                let kind = DecodeErrorKind::InvalidEscape(byte.map_or('\n', char::from));
                Err(Failure::new(offset, kind, r#"`\\`, `\n` or `\"`"#))
            }
        }
    }

    /// The failure that what comes next is not as `expected`. Where the body is cut off, that is the reason.
    pub(super) fn unexpected(&self, kind: DecodeErrorKind, expected: &'static str) -> Failure {
        let is_end = self.is_cut && self.rest.is_empty();
        Failure::new(
            self.offset(),
            if is_end {
                DecodeErrorKind::UnexpectedEnd
            } else {
                kind
            },
            expected,
        )
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

/// Resolves the escapes of `raw`, which have been checked.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(other) => *other,
                None => b'\\',
            },
            byte => *byte,
        });
    }
    text
}
