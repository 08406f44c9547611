//! Durations as people write them in headers and settings: those of Go and those of Prometheus, by one parser.
//!
//! ```text
//! duration = "0" | part+            part = digits ["." digits] unit
//! unit     = ns | us | µs | ms | s | m | h | d (24 h) | w (7 d) | y (365 d)
//! ```

use std::fmt;
use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationError {
    text: String,
    expected: &'static str,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {}, found `{}`",
            self.expected,
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for DurationError {}

/// The longest duration: 292 years, what 63 bits of nanoseconds hold.
pub const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

const UNITS: [(&str, u64); 11] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("y", 365 * 86_400 * SECOND),
];
const SECOND: u64 = 1_000_000_000;

/// Reads a duration such as `1h30m`, `1.5h`, `90s`, `1d2h`, `2w` or `0`.
///
/// # Errors
/// If the text is none, or one of more than [`LONGEST`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// assert_eq!(wharf_model::duration::parse("1d2h"), Ok(Duration::from_secs(26 * 3600)));
/// ```
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refuse = |expected| DurationError {
        text: text.chars().take(64).collect(),
        expected,
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0u64;
    let mut rest = text;
    loop {
        let (nanos, after) = part(rest).map_err(refuse)?;
        total = total
            .checked_add(nanos)
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or_else(|| refuse("a duration of at most 292 years"))?;
        rest = after;
        if rest.is_empty() {
            return Ok(Duration::from_nanos(total));
        }
    }
}

/// The nanoseconds of the first part, and what follows it.
fn part(text: &str) -> Result<(u64, &str), &'static str> {
    const DURATION: &str = "a duration such as `1h30m` or `2d`";
    const UNIT: &str = "a unit (`ms`, `s`, `m`, `h`, `d`, `w`, `y`) after each number";
    let split = |text: &str, of_number: bool| {
        let ends = |c: char| (c == '.' || c.is_ascii_digit()) != of_number;
        text.find(ends).unwrap_or(text.len())
    };
    let (number, rest) = text.split_at(split(text, true));
    let (name, rest) = rest.split_at(split(rest, false));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DURATION);
    }
    let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or(UNIT)?;
    let too_long = "a duration of at most 292 years";
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| too_long)?
    };
    let nanos = whole.checked_mul(*unit).ok_or(too_long)?;
    let mut part = 0u64;
    let mut place = *unit;
    for digit in fraction.bytes() {
        // Exact for every unit down to the nanosecond, and cut there.
        let Some(digit) = place.checked_mul(u64::from(digit - b'0')) else {
            return Err(too_long);
        };
        part += digit / 10;
        place /= 10;
    }
    Ok((nanos.checked_add(part).ok_or(too_long)?, rest))
}

/// Writes a duration as [`parse`] reads it, in the largest units: `1d2h`, `1h30m`, `1s500ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (name, nanos) in UNITS
        .iter()
        .rev()
        .filter(|(name, _)| !matches!(*name, "µs" | "μs" | "w"))
    {
        let nanos = u128::from(*nanos);
        if rest >= nanos {
            text.push_str(&(rest / nanos).to_string());
            text.push_str(name);
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_and_of_prometheus_are_read() {
        let minute = 60_000;
        let cases = [
            ("0", 0),
            ("0s", 0),
            ("300ms", 300),
            ("1.5s", 1500),
            (".5s", 500),
            ("5.s", 5000),
            ("90s", 90_000),
            ("1h30m", 90 * minute),
            ("1.5h", 90 * minute),
            ("0.1h", 6 * minute),
            ("1d2h", 26 * 60 * minute),
            ("2w", 14 * 24 * 60 * minute),
            ("1y", 365 * 24 * 60 * minute),
            ("30m1h", 90 * minute),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1us1µs1μs1ns"), Ok(Duration::from_nanos(3001)));
        assert_eq!(parse("0.000000001s"), Ok(Duration::from_nanos(1)));
        assert_eq!(parse("9223372036854775807ns"), Ok(LONGEST));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let shape = "expected a duration such as `1h30m` or `2d`, found ";
        let unit = "expected a unit (`ms`, `s`, `m`, `h`, `d`, `w`, `y`) after each number, found ";
        let long = "expected a duration of at most 292 years, found ";
        let cases = [
            ("", shape),
            (".", shape),
            ("-5m", shape),
            ("+5m", shape),
            (" 5m", shape),
            ("1.2.3s", shape),
            ("h", shape),
            ("5", unit),
            ("5 m", unit),
            ("5mo", unit),
            ("1h5", unit),
            ("293y", long),
            ("99999999999999999999s", long),
            ("9223372036854775808ns", long),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse(text).unwrap_err().to_string(),
                format!("{expected}`{text}`")
            );
        }
    }

    #[test]
    fn durations_print_in_the_largest_units() {
        let cases = [
            ("0", "0s"),
            ("90m", "1h30m"),
            ("14d", "14d"),
            ("1.5s", "1s500ms"),
            ("366d", "1y1d"),
            ("1001ns", "1us1ns"),
        ];
        for (text, expected) in cases {
            let duration = parse(text).unwrap();
            assert_eq!(format(duration), expected);
            assert_eq!(parse(expected), Ok(duration));
        }
    }
}
