//! Regular expressions as Prometheus has them: Go's syntax, anchored at both ends.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Most memory that one compiled pattern may take, in bytes; its cache while matching may take as much again.
const MAX_COMPILED_BYTES: usize = 512 << 10;
/// How deep groups may nest.
const MAX_NESTING: u32 = 100;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, reason } = self;
        write!(f, "expected a regular expression, found `{pattern}`: {reason}")
    }
}

impl std::error::Error for PatternError {}

/// Compiles a regular expression that has to match the whole text, and whose `.` matches every character: what
/// Prometheus makes of the patterns of selectors and relabelling rules.
///
/// The syntax is Go's: `\d`, `\s`, `\w` and `\b` are about ASCII, `[`, `&&`, `--` and `~~` in a class are plain
/// characters, and `\Q…\E` quotes. Matching takes time linear in the text.
///
/// # Errors
/// If the pattern is none, or takes too much memory.
pub fn anchored(pattern: &str) -> Result<Regex, PatternError> {
    let refuse = |reason: String| PatternError {
        pattern: pattern.chars().take(128).collect(),
        reason,
    };
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(refuse(format!("it is longer than {MAX_PATTERN_BYTES} bytes")));
    }
    let translated = translate(pattern);
    // By itself first: `a)|(b` must not become a pattern by the parentheses that the anchors need.
    compile(&translated)
        .and_then(|_| compile(&format!(r"\A(?s:{translated})\z")))
        .map_err(|error| refuse(describe(&error)))
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
}

fn describe(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!("it takes more than {MAX_COMPILED_BYTES} bytes"),
        // The library draws the pattern with a caret below it, and says on the last line what is wrong.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

/// Writes a pattern of Go's syntax in that of the library, where they differ.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('Q') => quoted(&mut rest, &mut out),
                Some('b') => out.push_str(r"(?-u:\b)"),
                escaped => push_escaped(escaped, &mut out),
            },
            '[' => class(&mut rest, &mut out),
            c => out.push(c),
        }
    }
    out
}

/// Writes what stands behind a backslash, inside and outside of classes.
fn push_escaped(escaped: Option<char>, out: &mut String) {
    out.push_str(match escaped {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('s') => r"[\t\n\f\r ]",
        Some('S') => r"[^\t\n\f\r ]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        other => {
            out.push('\\');
            out.extend(other);
            return;
        }
    });
}

/// Writes the text up to `\E`, or up to the end, so that it stands for itself.
fn quoted(rest: &mut std::str::Chars<'_>, out: &mut String) {
    let text = rest.as_str();
    let (literal, after) = text.split_once(r"\E").unwrap_or((text, ""));
    out.push_str(&regex::escape(literal));
    *rest = after.chars();
}

/// Writes a class whose `[` has been read.
fn class(rest: &mut std::str::Chars<'_>, out: &mut String) {
    out.push('[');
    if let Some(after) = rest.as_str().strip_prefix('^') {
        out.push('^');
        *rest = after.chars();
    }
    let mut is_first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !is_first => {
                out.push(']');
                return;
            }
            '[' => match posix_class(rest.as_str()) {
                Some((name, after)) => {
                    out.push('[');
                    out.push_str(name);
                    *rest = after.chars();
                }
                None => out.push_str(r"\["),
            },
            '\\' => push_escaped(rest.next(), out),
            '-' if !is_first => {
                out.push('-');
                if let Some(after) = rest.as_str().strip_prefix('-') {
                    out.push_str(r"\-");
                    *rest = after.chars();
                }
            }
            ']' | '-' | '&' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
        is_first = false;
    }
}

/// Splits `:alpha:]` off.
fn posix_class(text: &str) -> Option<(&str, &str)> {
    let name = text.strip_prefix(':')?;
    let length = name.find(|c: char| c != '^' && !c.is_ascii_lowercase())?;
    name.get(length..)?.strip_prefix(":]")?;
    text.split_at_checked(length + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = anchored(pattern).unwrap();
        for text in matching {
            assert!(regex.is_match(text), "`{pattern}` matches {text:?}");
        }
        for text in other {
            assert!(!regex.is_match(text), "`{pattern}` does not match {text:?}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn a_pattern_matches_the_whole_text() {
        check("ci-.*", &["ci-", "ci-a\nb"], &["xci-1", "ci"]);
        check("a|b", &["a", "b"], &["ab", "xb", "ax"]);
        check("", &[""], &["a"]);
        check("(?i)ÄB", &["äb"], &["ab"]);
        check("(?m)a$", &["a"], &["a\nb"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn classes_and_escapes_are_those_of_go() {
        check(r"\d+", &["12"], &["١٢", ""]);
        check(r"\w\W\D\S", &["a-xx"], &["ä-xx", "aax1", "a-x "]);
        check(r"a\b.*", &["a-", "aä"], &["ab"]);
        check(r"[\d\s-]+", &["1 -"], &["a", "١"]);
        check(r"[^\w]", &["ä", "-"], &["a"]);
        check("[a[b]+", &["a[b"], &["]"]);
        check("[[:digit:]x]+", &["12x"], &[":"]);
        check("[a&&b~~]+", &["a&b~"], &["-"]);
        check("[+--]+", &["+,-"], &["."]);
        check("[--/]", &["-", ".", "/"], &["0"]);
        check("[]a]+", &["]a"], &["b"]);
        check("[^]a]", &["b"], &["]", "a"]);
        check("[a-]+", &["a-"], &["b"]);
        check(r"\Qa.b(\E.", &["a.b(x"], &["axb(x"]);
        check(r"\Qa.*", &["a.*"], &["ab"]);
        check(r"\p{Greek}\pL\x41\x{e4}", &["αbAä"], &["aaAä"]);
        check("(?P<x>a)(?:b)?c{2,3}", &["abcc", "accc"], &["abc"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "compiling expressions takes an interpreter minutes")]
    fn what_is_no_pattern_is_refused() {
        let cases = [
            (
                "ci-(",
                "expected a regular expression, found `ci-(`: unclosed group",
            ),
            (
                "a)|(b",
                "expected a regular expression, found `a)|(b`: unopened group",
            ),
            (
                "[a",
                "expected a regular expression, found `[a`: unclosed character class",
            ),
            (
                "*",
                "expected a regular expression, found `*`: repetition operator missing expression",
            ),
            (
                "(?=a)",
                "expected a regular expression, found `(?=a)`: look-around, including look-ahead and look-behind, is not supported",
            ),
            (
                r"a\",
                r"expected a regular expression, found `a\`: incomplete escape sequence, reached end of pattern prematurely",
            ),
            (
                r"\pL{1000}{1000}",
                r"expected a regular expression, found `\pL{1000}{1000}`: it takes more than 524288 bytes",
            ),
        ];
        for (pattern, expected) in cases {
            assert_eq!(anchored(pattern).unwrap_err().to_string(), expected);
        }
        let long = anchored(&"a".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err();
        assert!(
            long.to_string().ends_with("it is longer than 4096 bytes"),
            "{long}"
        );
    }
}
