//! Keys and values as logfmt or JSON.

use std::fmt::{Display, Write};

use wharf_settings::{Quoted, prints};

use super::settings::LogFormat;

/// Pairs of keys and values, without the ends of a line.
pub(super) struct Line {
    format: LogFormat,
    pairs: String,
}

impl Line {
    pub(super) fn new(format: LogFormat) -> Self {
        Self {
            format,
            pairs: String::new(),
        }
    }

    /// Adds a text, in quotes where the format needs them.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        match self.format {
            LogFormat::Logfmt if needs_quotes(value) => self.pair(key, Quoted(value)),
            LogFormat::Logfmt => self.pair(key, value),
            LogFormat::Json => self.pair(key, Json(value)),
        }
    }

    /// Adds a number or a boolean, which never has quotes.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        self.pair(key, value);
    }

    /// Adds the pairs of another line of the same format.
    pub(super) fn append(&mut self, other: &Self) {
        if !other.pairs.is_empty() {
            self.separate();
            self.pairs.push_str(&other.pairs);
        }
    }

    /// The whole line, without the newline.
    pub(super) fn finish(self) -> String {
        match self.format {
            LogFormat::Logfmt => self.pairs,
            LogFormat::Json => format!("{{{}}}", self.pairs),
        }
    }

    fn pair(&mut self, key: &str, value: impl Display) {
        self.separate();
        // Writing to a string cannot fail.
        let _infallible = match self.format {
            LogFormat::Logfmt => write!(self.pairs, "{key}={value}"),
            LogFormat::Json => write!(self.pairs, "{}:{value}", Json(key)),
        };
    }

    fn separate(&mut self) {
        if !self.pairs.is_empty() {
            self.pairs.push(match self.format {
                LogFormat::Logfmt => ' ',
                LogFormat::Json => ',',
            });
        }
    }
}

/// Whether a value is empty or has blanks, `=`, `"` or characters that do not print.
fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.chars().any(|c| matches!(c, ' ' | '=' | '"') || !prints(c))
}

/// A JSON string.
struct Json<'a>(&'a str);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // What does not print could do things to a terminal, or end a line in JavaScript.
                c if !prints(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logfmt_quotes_only_what_needs_it() {
        let cases = [
            ("plain", "k=plain"),
            ("", r#"k="""#),
            ("a b", r#"k="a b""#),
            ("a=b", r#"k="a=b""#),
            ("a\"b", r#"k="a\"b""#),
            ("a\nb", r#"k="a\nb""#),
            ("a\u{a0}b", r#"k="a\u00a0b""#),
            (r"a\b", r"k=a\b"),
            ("[::]:9091", "k=[::]:9091"),
            ("é😊", "k=é😊"),
            ("/~foo%20bar/", "k=/~foo%20bar/"),
        ];
        for (value, expected) in cases {
            let mut line = Line::new(LogFormat::Logfmt);
            line.text("k", value);
            assert_eq!(line.finish(), expected);
        }
    }

    #[test]
    fn json_escapes_what_must_not_stand_in_a_string() {
        let mut line = Line::new(LogFormat::Json);
        line.text(
            "text",
            "a\"b\\c\n\r\t\u{0}\u{1f}\u{7f}\u{9b}\u{202e}\u{2028}\u{e0001}é<",
        );
        line.bare("number", 1.5);
        line.bare("flag", true);
        let expected = r#"{"text":"a\"b\\c\n\r\t\u0000\u001f\u007f\u009b\u202e\u2028\udb40\udc01é<","number":1.5,"flag":true}"#;
        assert_eq!(line.finish(), expected);
    }
}
