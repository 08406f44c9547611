//! Strings in double quotes, escaped as the Pushgateway writes them in errors and logs.

use std::fmt::{self, Write};

/// Displays a string in double quotes: `\n` and the like by letter, other characters that do not print by
/// number.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\u{07}' => f.write_str("\\a")?,
                '\u{08}' => f.write_str("\\b")?,
                '\u{0c}' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{0b}' => f.write_str("\\v")?,
                _ if prints(c) => f.write_char(c)?,
                _ => match u32::from(c) {
                    code @ ..0x80 => write!(f, "\\x{code:02x}")?,
                    code @ ..0x1_0000 => write!(f, "\\u{code:04x}")?,
                    code => write!(f, "\\U{code:08x}")?,
                },
            }
        }
        f.write_char('"')
    }
}

/// Whether a character shows on a terminal as itself. Blanks other than the plain one, controls, and marks that
/// change the writing direction do not.
pub fn prints(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // The standard library knows what prints, but escapes combining marks too when they stand first.
    let mut buffer = [b'a', 0, 0, 0, 0];
    let (_, room) = buffer.split_at_mut(1);
    let length = 1 + c.encode_utf8(room).len();
    let text = buffer
        .get(..length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_do_not_print_are_escaped() {
        let cases = [
            ("", r#""""#),
            ("plain é 😊 e\u{301}", "\"plain é 😊 e\u{301}\""),
            ("\"\\", r#""\"\\""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\u{0}\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            (
                "\u{a0}\u{202e}\u{e000}\u{f0000}",
                r#""\u00a0\u202e\ue000\U000f0000""#,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Quoted(text).to_string(), expected);
        }
    }
}
