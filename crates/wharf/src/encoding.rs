//! Texts as editors and shells leave them: with a byte order mark, or in UTF-16.
//!
//! Windows writes such a mark in front of UTF-8, and PowerShell writes UTF-16 unless it is told otherwise. Formats of
//! metrics know neither. A mark says how to read what follows, so nothing is guessed here.

use std::borrow::Cow;
use std::fmt;

/// U+FEFF in UTF-8.
const MARK: &str = "\u{feff}";

/// A text whose encoding is not UTF-8, and that does not say enough to be brought into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncodingError {
    /// Every other byte at the beginning is zero.
    Utf16WithoutMark,
    /// A mark of UTF-32, which nothing writes unasked.
    Utf32,
    /// UTF-16 with an odd number of bytes, or with half a character.
    BrokenUtf16 {
        /// The line, from 1.
        line: usize,
    },
}

impl EncodingError {
    /// The line in which it was found, from 1.
    pub(crate) fn line(self) -> usize {
        match self {
            Self::BrokenUtf16 { line } => line,
            Self::Utf16WithoutMark | Self::Utf32 => 1,
        }
    }

    /// What was expected, and what was found.
    pub(crate) fn mistake(self) -> &'static str {
        match self {
            Self::Utf16WithoutMark => {
                "expected text in UTF-8, found what looks like UTF-16 without a byte order mark"
            }
            Self::Utf32 => "expected text in UTF-8, found UTF-32",
            Self::BrokenUtf16 { .. } => "expected a character in UTF-16, found a part of one",
        }
    }

    /// What helps.
    pub(crate) const HINT: &str = "write it in UTF-8: in PowerShell with `-Encoding utf8`";
}

impl fmt::Display for EncodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}\nhint: {}",
            self.line(),
            self.mistake(),
            Self::HINT
        )
    }
}

impl std::error::Error for EncodingError {}

/// The text in UTF-8 and without byte order marks, if it has any.
///
/// A mark may stand at the beginning of each line, where files with one were put together.
///
/// # Errors
/// If the text is in another encoding and does not say in which.
pub(crate) fn to_utf8(text: &[u8]) -> Result<Cow<'_, [u8]>, EncodingError> {
    match *text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(EncodingError::Utf32),
        [0xff, 0xfe, ref units @ ..] => from_utf16(units, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, ref units @ ..] => from_utf16(units, u16::from_be_bytes).map(Cow::Owned),
        [0, other, ..] | [other, 0, ..] if other != 0 => Err(EncodingError::Utf16WithoutMark),
        _ => Ok(without_marks(text)),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>, EncodingError> {
    let (pairs, rest) = bytes.as_chunks();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(character.map_err(|_| broken(&text))?);
    }
    if rest.is_empty() {
        Ok(without_marks(text.as_bytes()).into_owned())
    } else {
        Err(broken(&text))
    }
}

/// What is wrong behind this text.
fn broken(text: &str) -> EncodingError {
    EncodingError::BrokenUtf16 {
        line: text.matches('\n').count() + 1,
    }
}

fn without_marks(text: &[u8]) -> Cow<'_, [u8]> {
    let has_mark = |line: &[u8]| line.starts_with(MARK.as_bytes());
    if !text.split(|byte| *byte == b'\n').any(has_mark) {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let bare = lines.map(|line| line.strip_prefix(MARK.as_bytes()).unwrap_or(line));
    Cow::Owned(bare.collect::<Vec<_>>().concat())
}

/// The text with lines that end in a line feed alone, as `OpenMetrics` wants them. The text format forgives the other ends.
pub(crate) fn with_line_feeds(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let ends_so = |line: &[u8]| line.ends_with(b"\r\n");
    if !text.split_inclusive(|byte| *byte == b'\n').any(ends_so) {
        return text;
    }
    let mut mended = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some(line) = line.strip_suffix(b"\r\n") {
            mended.extend_from_slice(line);
            mended.push(b'\n');
        } else {
            mended.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        }
    }
    Cow::Owned(mended)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let text = to_utf8(bytes).unwrap();
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
    }

    #[test]
    fn marks_at_the_beginnings_of_lines_leave() {
        check(b"", "");
        check(b"\xef\xbb\xbf", "");
        check(b"\xef\xbb\xbfa 1\r\n\xef\xbb\xbfb 2", "a 1\r\nb 2");
        assert!(matches!(to_utf8(b"a 1\n"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn lines_end_in_a_line_feed_alone() {
        let mended = |text: &'static [u8]| with_line_feeds(Cow::Borrowed(text));
        assert_eq!(&*mended(b"a 1\r\n\r\n# EOF\r\n"), b"a 1\n\n# EOF\n");
        assert_eq!(&*mended(b"a 1\r\n# EOF\r"), b"a 1\n# EOF");
        assert_eq!(&*mended(b"a\rb 1\r\nc 2\n"), b"a\rb 1\nc 2\n");
        assert!(matches!(mended(b"a 1\n# EOF\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn marks_elsewhere_stay() {
        check("a{b=\"\u{feff}\"} 1\n".as_bytes(), "a{b=\"\u{feff}\"} 1\n");
    }

    #[test]
    fn a_text_that_does_not_say_its_encoding_is_refused() {
        for (bytes, error) in [
            (&b"a\0 \x001\0\n\0"[..], EncodingError::Utf16WithoutMark),
            (b"\0a\0 \x001\0\n", EncodingError::Utf16WithoutMark),
            (b"\xff\xfe\0\0a\0\0\0", EncodingError::Utf32),
            (b"\0\0\xfe\xff\0\0\0a", EncodingError::Utf32),
            (b"\xff\xfea\0\n\0b", EncodingError::BrokenUtf16 { line: 2 }),
            // Half of a pair, at the end and before something else.
            (b"\xff\xfe\x00\xd8", EncodingError::BrokenUtf16 { line: 1 }),
            (b"\xfe\xff\xd8\x00\0a", EncodingError::BrokenUtf16 { line: 1 }),
        ] {
            assert_eq!(to_utf8(bytes), Err(error), "{bytes:?}");
            assert!(error.to_string().contains("\nhint: "));
        }
    }

    proptest! {
        #[test]
        fn utf16_with_a_mark_is_the_text(text in "[^\u{0}\u{feff}]{0,40}") {
            let marked = format!("{MARK}{text}");
            for bytes in [utf16(&marked, u16::to_le_bytes), utf16(&marked, u16::to_be_bytes), marked.clone().into_bytes()] {
                prop_assert_eq!(to_utf8(&bytes).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let at_most = bytes.len() / 2 * 3;
            if let Ok(Cow::Owned(text)) = to_utf8(&bytes) {
                prop_assert!(text.len() <= at_most);
            }
        }
    }
}
