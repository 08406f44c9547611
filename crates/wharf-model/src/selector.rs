//! Selectors over grouping keys, in the notation of Prometheus: `{job=~"ci-.*",env!="prod"}`.

use std::fmt;
use std::str::FromStr;

use crate::GroupingKey;
use crate::effort::{Effort, Stopped};
use crate::name::is_legacy_label_name;
use crate::pattern::{Pattern, PatternError, Unreadable};

/// Longest selector, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 16 << 10;
/// Most matchers of one selector.
pub const MAX_MATCHERS: usize = 32;

/// A condition on the labels of a group: all of its matchers have to hold. `{}` holds for every group.
///
/// A label that a group does not have counts as one with an empty value, as in Prometheus: `{env=""}` selects
/// the groups without `env`, and `{env!="prod"}` selects them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    matchers: Vec<Matcher>,
}

#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) name: Box<str>,
    pub(crate) operator: Operator,
    pub(crate) value: Box<str>,
    /// The value as a pattern, for the operators that compare with one.
    pub(crate) pattern: Option<Pattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Matches,
    MatchesNot,
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    column: usize,
    kind: SelectorErrorKind,
}

/// What is wrong with a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorErrorKind {
    /// Something else should stand here.
    Expected {
        /// What should.
        expected: &'static str,
        /// What does; none at the end.
        found: Option<char>,
    },
    /// The value of `=~` or `!~` is no pattern.
    Pattern(PatternError),
    /// Reading it takes more than there is for it.
    Stopped(Stopped),
    /// The selector is longer than [`MAX_SELECTOR_BYTES`].
    TooLong,
    /// It has more matchers than [`MAX_MATCHERS`].
    TooManyMatchers,
}

impl SelectorError {
    /// Where: in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What.
    pub fn kind(&self) -> &SelectorErrorKind {
        &self.kind
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: ", self.column)?;
        match &self.kind {
            SelectorErrorKind::Expected { expected, found } => {
                write!(f, "expected {expected}, found ")?;
                match found {
                    Some(c @ ('"' | '\'')) => write!(f, "`{c}`"),
                    Some(c) => write!(f, "`{}`", c.escape_debug()),
                    None => f.write_str("the end"),
                }
            }
            SelectorErrorKind::Pattern(error) => error.fmt(f),
            SelectorErrorKind::Stopped(_) => f.write_str("expected an expression that costs less"),
            SelectorErrorKind::TooLong => {
                write!(f, "expected a selector of at most {MAX_SELECTOR_BYTES} bytes")
            }
            SelectorErrorKind::TooManyMatchers => write!(f, "expected at most {MAX_MATCHERS} matchers"),
        }
    }
}

impl std::error::Error for SelectorError {}

impl Selector {
    /// Reads one that somebody asks for: its expressions are paid for.
    ///
    /// # Errors
    /// If it is none, or the effort ends.
    pub fn read(text: &str, effort: &Effort) -> Result<Self, SelectorError> {
        let rest = text;
        Parser { text, rest, effort }.selector()
    }

    pub(crate) fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// Whether all matchers hold for the group of this key.
    pub fn matches(&self, key: &GroupingKey) -> bool {
        self.matchers
            .iter()
            .all(|matcher| matcher.holds(key.value(&matcher.name).unwrap_or_default()))
    }

    /// Whether one of the selectors, at least, matches; none does if there is none.
    pub fn any(selectors: &[Self], key: &GroupingKey) -> bool {
        selectors.iter().any(|selector| selector.matches(key))
    }

    /// Whether it is `{}`, which holds for every group.
    pub fn is_unconditional(&self) -> bool {
        self.matchers.is_empty()
    }
}

impl Matcher {
    fn holds(&self, value: &str) -> bool {
        let matches = || {
            self.pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(value))
        };
        match self.operator {
            Operator::Equal => *self.value == *value,
            Operator::NotEqual => *self.value != *value,
            Operator::Matches => matches(),
            Operator::MatchesNot => !matches(),
        }
    }
}

/// The pattern follows from the rest.
impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

/// In the notation it is read from, without blanks.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.matchers.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            if is_legacy_label_name(&matcher.name) {
                f.write_str(&matcher.name)?;
            } else {
                write_quoted(&matcher.name, f)?;
            }
            f.write_str(match matcher.operator {
                Operator::Equal => "=",
                Operator::NotEqual => "!=",
                Operator::Matches => "=~",
                Operator::MatchesNot => "!~",
            })?;
            write_quoted(&matcher.value, f)?;
        }
        f.write_str("}")
    }
}

fn write_quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::read(text, &Effort::unlimited())
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    effort: &'a Effort,
}

impl Parser<'_> {
    fn selector(mut self) -> Result<Selector, SelectorError> {
        if self.text.len() > MAX_SELECTOR_BYTES {
            return Err(self.error_at(self.text, SelectorErrorKind::TooLong));
        }
        let mut matchers = Vec::new();
        self.skip_blanks();
        if !self.take("{") {
            return Err(self.expected("`{`"));
        }
        loop {
            self.skip_blanks();
            if self.take("}") {
                break;
            }
            if matchers.len() == MAX_MATCHERS {
                return Err(self.error_at(self.rest, SelectorErrorKind::TooManyMatchers));
            }
            matchers.push(self.matcher()?);
            self.skip_blanks();
            if !self.take(",") && !self.rest.starts_with('}') {
                return Err(self.expected("`,` or `}`"));
            }
        }
        self.skip_blanks();
        if self.rest.is_empty() {
            Ok(Selector { matchers })
        } else {
            Err(self.expected("the end"))
        }
    }

    fn matcher(&mut self) -> Result<Matcher, SelectorError> {
        let name = self.name()?;
        self.skip_blanks();
        let operator = self.operator()?;
        self.skip_blanks();
        let start = self.rest;
        if !self.rest.starts_with(['"', '\'', '`']) {
            return Err(self.expected("a label value in quotes"));
        }
        let value = self.string()?;
        let is_pattern = matches!(operator, Operator::Matches | Operator::MatchesNot);
        let pattern = is_pattern.then(|| Pattern::read(&value, self.effort)).transpose();
        Ok(Matcher {
            name: name.into(),
            operator,
            pattern: pattern.map_err(|unreadable| {
                let kind = match unreadable {
                    Unreadable::Error(error) => SelectorErrorKind::Pattern(error),
                    Unreadable::Stopped(stopped) => SelectorErrorKind::Stopped(stopped),
                };
                self.error_at(start, kind)
            })?,
            value: value.into(),
        })
    }

    fn name(&mut self) -> Result<String, SelectorError> {
        let start = self.rest;
        let name = if self.rest.starts_with(['"', '\'', '`']) {
            self.string()?
        } else {
            let end = self
                .rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            if !is_legacy_label_name(name) {
                return Err(self.expected("a label name"));
            }
            self.rest = rest;
            name.to_owned()
        };
        if name.is_empty() {
            self.rest = start;
            return Err(self.expected("a label name that is not empty"));
        }
        Ok(name)
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        // The longer ones first.
        for (sign, operator) in [
            ("=~", Operator::Matches),
            ("!~", Operator::MatchesNot),
            ("!=", Operator::NotEqual),
            ("=", Operator::Equal),
        ] {
            if self.take(sign) {
                return Ok(operator);
            }
        }
        Err(self.expected("`=`, `!=`, `=~` or `!~`"))
    }

    /// A string in one of the three kinds of quotes; backslashes mean nothing between backquotes.
    fn string(&mut self) -> Result<String, SelectorError> {
        let start = self.rest;
        let Some(quote) = self.next() else {
            return Err(self.expected("a quote"));
        };
        let mut bytes = Vec::new();
        loop {
            let before = self.rest;
            let Some(c) = self.next() else {
                return Err(self.expected(match quote {
                    '"' => "a closing `\"`",
                    '\'' => "a closing `'`",
                    _ => "a closing backquote",
                }));
            };
            match c {
                c if c == quote => break,
                '\\' if quote != '`' => self.escape(quote, &mut bytes)?,
                '\n' if quote != '`' => {
                    self.rest = before;
                    return Err(self.expected("`\\n` for a line break"));
                }
                c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        String::from_utf8(bytes).map_err(|_| {
            self.rest = start;
            self.expected("a string whose escapes make UTF-8")
        })
    }

    fn escape(&mut self, quote: char, out: &mut Vec<u8>) -> Result<(), SelectorError> {
        let before = self.rest;
        let byte = match self.next() {
            Some('a') => 0x07,
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('v') => 0x0b,
            Some('\\') => b'\\',
            Some(c @ ('"' | '\'')) if c == quote => c as u8,
            Some('x') => self.byte(2, 16)?,
            Some('0'..='7') => {
                self.rest = before;
                self.byte(3, 8)?
            }
            Some(c @ ('u' | 'U')) => {
                let number = self.digits(if c == 'u' { 4 } else { 8 }, 16)?;
                let Some(c) = char::from_u32(number) else {
                    self.rest = before;
                    return Err(self.expected("a Unicode character"));
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => {
                self.rest = before;
                return Err(self.expected("an escape sequence"));
            }
        };
        out.push(byte);
        Ok(())
    }

    fn byte(&mut self, count: usize, radix: u32) -> Result<u8, SelectorError> {
        let start = self.rest;
        u8::try_from(self.digits(count, radix)?).map_err(|_| {
            self.rest = start;
            self.expected("a byte")
        })
    }

    fn digits(&mut self, count: usize, radix: u32) -> Result<u32, SelectorError> {
        let mut number = 0u32;
        for _ in 0..count {
            let before = self.rest;
            let digit = self.next().and_then(|c| c.to_digit(radix));
            let Some(digit) = digit else {
                self.rest = before;
                return Err(self.expected(if radix == 8 {
                    "an octal digit"
                } else {
                    "a hexadecimal digit"
                }));
            };
            // Eight hexadecimal digits at most.
            number = number.wrapping_mul(radix).wrapping_add(digit);
        }
        Ok(number)
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        let found = self.rest.chars().next();
        self.error_at(self.rest, SelectorErrorKind::Expected { expected, found })
    }

    /// An error at the place where `rest` begins.
    fn error_at(&self, rest: &str, kind: SelectorErrorKind) -> SelectorError {
        let read = self.text.len().saturating_sub(rest.len());
        let column = self.text.get(..read).map_or(0, |text| text.chars().count()) + 1;
        SelectorError { column, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(labels: &[(&'static str, &'static str)]) -> GroupingKey {
        GroupingKey::new(labels.iter().copied()).unwrap()
    }

    #[track_caller]
    fn selects(selector: &str, labels: &[(&'static str, &'static str)]) -> bool {
        selector.parse::<Selector>().unwrap().matches(&key(labels))
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn every_matcher_has_to_hold() {
        let dev = [("job", "ci-1"), ("env", "dev")];
        for selector in [
            "{}",
            r#"{job="ci-1"}"#,
            r#"{job=~"ci-.*",env!="prod"}"#,
            r#"{job=~"ci-.*",env=~"dev|test",}"#,
            r" { job != 'x' , env !~ `pr.*` } ",
            r#"{"job"="ci-1"}"#,
        ] {
            assert!(selects(selector, &dev), "{selector}");
        }
        for selector in [
            r#"{job="ci-"}"#,
            r#"{job=~"ci"}"#,
            r#"{job=~"i-1"}"#,
            r#"{job=~"ci-.*",env="prod"}"#,
            r#"{job!~"ci-.*"}"#,
            r#"{job!="ci-1"}"#,
        ] {
            assert!(!selects(selector, &dev), "{selector}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn an_absent_label_counts_as_an_empty_one() {
        let labels = [("job", "a")];
        for selector in [
            r#"{env=""}"#,
            r#"{env!="prod"}"#,
            r#"{env=~".*"}"#,
            r#"{env!~"prod"}"#,
        ] {
            assert!(selects(selector, &labels), "{selector}");
        }
        for selector in [
            r#"{env!=""}"#,
            r#"{env="prod"}"#,
            r#"{env=~".+"}"#,
            r#"{env!~".*"}"#,
        ] {
            assert!(!selects(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn several_selectors_are_alternatives() {
        let selectors: Vec<Selector> = [r#"{job="a"}"#, r#"{job="b"}"#]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert!(Selector::any(&selectors, &key(&[("job", "b")])));
        assert!(!Selector::any(&selectors, &key(&[("job", "c")])));
        assert!(!Selector::any(&[], &key(&[("job", "b")])));
    }

    #[test]
    fn a_selector_prints_as_it_is_read() {
        let cases = [
            ("{ }", "{}"),
            (r#"{ a = "b", }"#, r#"{a="b"}"#),
            (r#"{a='it"s',b=`\d`}"#, r#"{a="it\"s",b="\\d"}"#),
            (r#"{"my.label"!="x"}"#, r#"{"my.label"!="x"}"#),
            (r#"{a="\x41\101\u00e4\U0001F60A\t\n"}"#, "{a=\"AAä😊\\u0009\\n\"}"),
            (r#"{a="\xc3\xa4"}"#, r#"{a="ä"}"#),
            (r"{a='\''}", r#"{a="'"}"#),
        ];
        for (text, expected) in cases {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), expected, "{text}");
            assert_eq!(selector.to_string().parse(), Ok(selector), "{text}");
        }
    }

    #[test]
    fn an_error_says_where_and_what() {
        let cases = [
            ("", "column 1: expected `{`, found the end"),
            ("up", "column 1: expected `{`, found `u`"),
            (
                r#"{"up"}"#,
                "column 6: expected `=`, `!=`, `=~` or `!~`, found `}`",
            ),
            ("{,}", "column 2: expected a label name, found `,`"),
            (r#"{1a="b"}"#, "column 2: expected a label name, found `1`"),
            (
                r#"{""="b"}"#,
                "column 2: expected a label name that is not empty, found `\"`",
            ),
            ("{job}", "column 5: expected `=`, `!=`, `=~` or `!~`, found `}`"),
            (
                "{job=ci}",
                "column 6: expected a label value in quotes, found `c`",
            ),
            (
                r#"{job=="a"}"#,
                "column 6: expected a label value in quotes, found `=`",
            ),
            (r#"{job="a"#, "column 8: expected a closing `\"`, found the end"),
            (
                "{job=\"a\nb\"}",
                "column 8: expected `\\n` for a line break, found `\\n`",
            ),
            (
                r#"{job="a" env="b"}"#,
                "column 10: expected `,` or `}`, found `e`",
            ),
            (r#"{job="a"} x"#, "column 11: expected the end, found `x`"),
            (
                r#"{job="\q"}"#,
                "column 8: expected an escape sequence, found `q`",
            ),
            (
                r#"{job="\'"}"#,
                "column 8: expected an escape sequence, found `'`",
            ),
            (
                r#"{job="\xg0"}"#,
                "column 9: expected a hexadecimal digit, found `g`",
            ),
            (r#"{job="\777"}"#, "column 8: expected a byte, found `7`"),
            (
                r#"{job="\ud800"}"#,
                "column 8: expected a Unicode character, found `u`",
            ),
            (
                r#"{job="\xff"}"#,
                "column 6: expected a string whose escapes make UTF-8, found `\"`",
            ),
            (r#"{ä="b"}"#, "column 2: expected a label name, found `ä`"),
            (
                r#"{"ä"="b",job=~"ci-("}"#,
                "column 15: expected a regular expression, found `ci-(`: unclosed group",
            ),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Selector>().unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_selector_has_a_limit() {
        let long = format!("{{job=\"{}\"}}", "a".repeat(MAX_SELECTOR_BYTES));
        let many = format!("{{{}}}", r#"a="b","#.repeat(MAX_MATCHERS + 1));
        assert!(
            format!("{{{}}}", r#"a="b","#.repeat(MAX_MATCHERS))
                .parse::<Selector>()
                .is_ok()
        );
        let kind = |text: &str| text.parse::<Selector>().unwrap_err().kind().clone();
        assert_eq!(kind(&long), SelectorErrorKind::TooLong);
        assert_eq!(kind(&many), SelectorErrorKind::TooManyMatchers);
    }
}
