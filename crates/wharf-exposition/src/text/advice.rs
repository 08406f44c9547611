//! What to do about a mistake, told from the kind of it and what stands there.

use super::error::DecodeErrorKind as Kind;
use crate::number;

/// Where a mistake is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The line, up to the mistake.
    pub(super) before: &'a [u8],
    /// The line from the mistake on.
    pub(super) rest: &'a [u8],
    /// What should have stood there.
    pub(super) expected: &'static str,
}

/// What is expected where the body ends within a line.
pub(super) const LINE_FEED: &str = "a line feed";

const NAME_CHARACTERS: &str = "metric names have letters, digits, `_` and `:`, no other characters";

/// Digits of times since 1970, in seconds or less.
const MIN_TIME_DIGITS: usize = 10;

/// What helps against a mistake, if that can be told.
pub(super) fn on(kind: &Kind, place: Place<'_>) -> Option<&'static str> {
    match kind {
        Kind::MissingMetricName => missing_name(place),
        Kind::InvalidValue(_) => value(place),
        Kind::InvalidTimestamp(_) => Some(timestamp(place)),
        Kind::UnexpectedEnd if place.expected == LINE_FEED => Some("the last line, too, ends in a line feed"),
        Kind::UnquotedLabelValue(_) if !matches!(place.rest, [] | [b'}' | b',', ..]) => {
            Some("label values stand in straight double quotes; in a shell, put the line in single ones")
        }
        Kind::AfterLabelValue(_) if !place.rest.is_empty() => {
            Some("labels have commas between them, and a quote within a value is written `\\\"`")
        }
        Kind::UnclosedQuote { .. } => Some(
            r"a quote ends in its line: within it, a backslash itself is written `\\`, a line feed is written `\n`",
        ),
        Kind::MissingEquals(_) if matches!(place.rest, [b'-' | b'.' | b'/' | b':', ..]) => {
            Some("label names have letters, digits and `_`, no other characters")
        }
        Kind::MissingEquals(_) => Some("labels are written `name=\"value\"`"),
        Kind::InvalidEscape(_) => {
            Some(r#"a backslash itself is written `\\`; only `\\`, `\n` and `\"` are escapes"#)
        }
        Kind::InvalidMetricName(_) if place.before == b"\"" => {
            Some("write the line without quotes around it")
        }
        Kind::InvalidMetricName(_) | Kind::InvalidLabelName(_) => {
            Some("only letters, digits, `_` and (in metric names) `:` are allowed here")
        }
        Kind::InvalidMetricNameInComment => name_in_comment(place),
        Kind::SecondType(_) => Some("put the TYPE line before the first sample, and only once"),
        Kind::SecondHelp(_) => Some("put the HELP line before the first sample, and only once"),
        Kind::UnknownType(_) => unknown_type(place),
        Kind::AfterTimestamp(_) => Some("one sample a line, and comments on lines of their own"),
        _ => None,
    }
}

fn missing_name(Place { before, rest, .. }: Place<'_>) -> Option<&'static str> {
    if !before.trim_ascii().is_empty() {
        return None;
    }
    Some(match rest {
        [0xef, 0xbb, 0xbf, ..] => "the body begins with a byte order mark: leave it out",
        [b'-', b'e' | b'n' | b'E', b' ', ..] => "the shell's `echo` knows no such option: use `printf`",
        [b'/', b'/', ..] | [b';', ..] | [b'-', b'-', ..] | [b'\\', b'#', ..] => "comments begin with `#`",
        [b'0'..=b'9', ..] => "a metric name begins with a letter, `_` or `:`",
        [b'$' | b'%', ..] => "a variable was not replaced: the shell does so within double quotes only",
        [b'\'', ..] => "write the line without quotes around it",
        _ => return None,
    })
}

fn name_in_comment(Place { rest, .. }: Place<'_>) -> Option<&'static str> {
    match rest {
        [b'-' | b'.' | b'/', ..] => Some(NAME_CHARACTERS),
        [b'0'..=b'9', ..] => Some("a metric name begins with a letter, `_` or `:`"),
        _ => None,
    }
}

fn value(Place { before, rest, .. }: Place<'_>) -> Option<&'static str> {
    let token = rest
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .next()
        .unwrap_or_default();
    let line_end = token.ends_with(b"\r");
    let token = token.strip_suffix(b"\r").unwrap_or(token);
    let follows_name = before
        .last()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    Some(match token {
        [] => "a line has a value: is a variable of your script empty?",
        [b'=' | b':', ..] => "a blank stands between the name, or its labels, and the value",
        [b'-' | b'.' | b'/', ..] if follows_name => NAME_CHARACTERS,
        [b'"' | b'\'', ..] => "a value stands without quotes",
        _ if memchr::memmem::find(token, b"\\n").is_some() => {
            "`\\n` is a backslash and an `n` here: use `printf`, or `echo -e` in Bash"
        }
        _ if is_word(token, &[b"true", b"false", b"yes", b"no", b"on", b"off"]) => {
            "a value is a number: 1 if it is so, and 0 if not"
        }
        _ if is_word(token, &[b"null", b"none", b"nil", b"undefined", b"unknown", b"-"]) => {
            "leave out the line if there is no value, or write `NaN`"
        }
        _ if token.contains(&b',') => comma(token)?,
        _ if is_date(token) => "a value is a number: write times in seconds since 1970, as `date +%s` does",
        _ if joins_lines(token, rest) => "one sample a line: are the line feeds lost?",
        _ if has_unit(token) => {
            "write the number without a unit; the name is where units belong: `_bytes`, `_seconds`"
        }
        _ if line_end && number::parse_f64(token).is_some() => "end lines in a line feed alone",
        _ => return None,
    })
}

/// A comma instead of a point, or among the digits.
fn comma(token: &[u8]) -> Option<&'static str> {
    let is_number = token
        .iter()
        .all(|byte| byte.is_ascii_digit() || b"+-.,eE".contains(byte));
    let commas = memchr::memchr_iter(b',', token).count();
    match (is_number, commas) {
        (true, 1) if !token.contains(&b'.') => Some("write the decimal separator as a point"),
        (true, _) => Some("write the number without separators between its digits"),
        _ => None,
    }
}

fn is_word(token: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(token))
}

/// Whether a token is like `2026-01-31` or `12:30:00`.
fn is_date(token: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-:TZ.+/".contains(byte);
    token.iter().all(is_part)
        && token.iter().filter(|byte| b"-:/".contains(byte)).count() >= 2
        && token.first().is_some_and(u8::is_ascii_digit)
}

/// Whether a token is a value with the name of the next sample behind it, as in `a 1b 2`. A unit may have a time behind it.
fn joins_lines(token: &[u8], rest: &[u8]) -> bool {
    let digits = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
        .count();
    let is_name = token
        .get(digits)
        .is_some_and(|byte| byte.is_ascii_alphabetic() || b"_:".contains(byte));
    let behind = rest.get(token.len()..).unwrap_or_default().trim_ascii();
    let is_time = behind.len() >= MIN_TIME_DIGITS && behind.iter().all(u8::is_ascii_digit);
    digits > 0 && is_name && !behind.is_empty() && !is_time
}

/// Whether a token is like `5MB` or `90%`.
fn has_unit(token: &[u8]) -> bool {
    let digits = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || b"+-.".contains(byte))
        .count();
    let (number, unit) = token.split_at_checked(digits).unwrap_or((token, &[]));
    number.iter().any(u8::is_ascii_digit)
        && !unit.is_empty()
        && unit.len() <= 5
        && unit
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte == b'%' || *byte == b'/')
}

fn timestamp(Place { rest, .. }: Place<'_>) -> &'static str {
    match rest.trim_ascii_end() {
        b"" => "leave out the blank at the end of the line",
        [b'#', behind @ ..] if behind.trim_ascii_start().starts_with(b"{") => USE_OPENMETRICS,
        [b'#', ..] => "comments stand on lines of their own",
        [b'0'..=b'9' | b'-', ..] => "leave the timestamp out: a push has none",
        _ => "one sample a line, and nothing behind its value",
    }
}

const USE_OPENMETRICS: &str =
    "this is OpenMetrics, not the text format: send `Content-Type: application/openmetrics-text`";

fn unknown_type(Place { rest, .. }: Place<'_>) -> Option<&'static str> {
    let word = rest.trim_ascii_end();
    if is_word(word, &[b"unknown", b"info", b"stateset"]) {
        return Some(USE_OPENMETRICS);
    }
    if word.contains(&b' ') {
        return Some("a TYPE line ends behind the type: are the line feeds lost?");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Options, decode};

    #[track_caller]
    fn check(body: &str, expected: Option<&str>) {
        let error = decode(body.as_bytes(), Options::default()).unwrap_err();
        let advice = error.advice().unwrap_or_default();
        match expected {
            Some(part) => assert!(advice.contains(part), "{body:?}: {error}"),
            None => assert_eq!(advice, "", "{body:?}: {error}"),
        }
    }

    #[test]
    fn what_people_write_gets_advice() {
        check("m 1,5\n", Some("as a point"));
        check("m 1,234,567\n", Some("without separators"));
        check("m 1,234.5\n", Some("without separators"));
        check("m 5MB\n", Some("without a unit"));
        check("m 90%\n", Some("without a unit"));
        check("m 5MB 1395066363000\n", Some("without a unit"));
        check("m 1n 2", Some("line feeds lost"));
        check("m 1n{a=\"b c\"} 2", Some("line feeds lost"));
        check("m true\n", Some("1 if it is so"));
        check("m null\n", Some("no value"));
        check("m\n", Some("variable"));
        check("m{a=\"b\"}\n", Some("variable"));
        check("m \n", Some("variable"));
        check("m=1\n", Some("a blank stands between"));
        check("m{a=\"b\"}=1\n", Some("a blank stands between"));
        check("m : 1\n", Some("a blank stands between"));
        check("m \"5\"\n", Some("without quotes"));
        check("m 2026-01-31\n", Some("since 1970"));
        check("m 12:30:00\n", Some("since 1970"));
        check("m 1\\nn 2\n", Some("`printf`"));
        check("-e m 1\n", Some("`printf`"));
        check("foo-bar 1\n", Some("letters, digits"));
        check("a.b 1\n", Some("letters, digits"));
        check("5m 1\n", Some("begins with a letter"));
        check("// note\n", Some("begin with `#`"));
        check("$NAME 1\n", Some("variable"));
        check("\"m 1\"\n", Some("without quotes"));
        check("m{a='b'} 1\n", Some("double quotes"));
        check("m{a=\u{201c}b\u{201d}} 1\n", Some("double quotes"));
        check("m{a=\"b\" c=\"d\"} 1\n", Some("commas between"));
        check("m{a=\"say \"hi\"\"} 1\n", Some("commas between"));
        check("m{a} 1\n", Some("name=\"value\""));
        check("m{path=\"C:\\Users\"} 1\n", Some("backslash itself"));
        check("m 1 # note\n", Some("lines of their own"));
        check("m 1 1465839830.123\n", Some("leave the timestamp out"));
        check("m 1 n 2\n", Some("one sample a line"));
        check("m 1 5 n 2\n", Some("one sample a line"));
        check("# TYPE m gaugem 1\n", Some("line feeds lost"));
        check("# TYPE m info\n", Some("OpenMetrics"));
        check("# TYPE m integer\n", None);
        check("m one\n", None);
    }

    #[test]
    fn what_is_something_else_is_called_so() {
        let shown = |body: &[u8]| decode(body, Options::default()).unwrap_err().to_string();
        assert_eq!(
            shown(b"\x1f\x8b\x08\0\0\0"),
            "text format parsing error in line 1: invalid metric name\n\
             hint: this is compressed with gzip, not the text format"
        );
        let influx = shown(b"m 1\ncpu,host=a usage=1.5 1465839830100400200\n");
        let expected = "text format parsing error in line 2: expected float as value, got \",host=a\"\n\
                        hint: this is a line of InfluxDB, not the text format\nhint: write ";
        assert!(influx.starts_with(expected), "{influx}");
    }
}
