//! Times in seconds since the Unix epoch, to the nanosecond.
//!
//! A double has 53 bits, and today's time in nanoseconds takes 61: times are read and written as decimals.

use wharf_model::Timestamp;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Reads a time. Digits below the nanosecond are cut off.
pub(super) fn parse(text: &[u8]) -> Option<Timestamp> {
    let nanos = parse_nanos(text)?;
    Some(Timestamp {
        seconds: i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?,
        nanos: i32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?,
    })
}

/// Reads a time as milliseconds, rounded towards the past.
pub(super) fn parse_millis(text: &[u8]) -> Option<i64> {
    i64::try_from(parse_nanos(text)?.div_euclid(1_000_000)).ok()
}

/// Appends a time.
pub(super) fn write(out: &mut Vec<u8>, timestamp: Timestamp) {
    let nanos = i128::from(timestamp.seconds) * NANOS_PER_SECOND + i128::from(timestamp.nanos);
    write_nanos(out, nanos);
}

/// Appends a time in milliseconds.
pub(super) fn write_millis(out: &mut Vec<u8>, millis: i64) {
    write_nanos(out, i128::from(millis) * 1_000_000);
}

fn write_nanos(out: &mut Vec<u8>, nanos: i128) {
    if nanos < 0 {
        out.push(b'-');
    }
    let (nanos, per_second) = (nanos.unsigned_abs(), NANOS_PER_SECOND.unsigned_abs());
    let text = format!("{}.{:09}", nanos / per_second, nanos % per_second);
    let text = text.trim_end_matches('0');
    out.extend_from_slice(text.as_bytes());
    if text.ends_with('.') {
        out.push(b'0');
    }
}

/// Reads a decimal, with or without exponent, as billionths.
fn parse_nanos(text: &[u8]) -> Option<i128> {
    let negative = text.first() == Some(&b'-');
    let text = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    let mark = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (digits, exponent) = match mark.and_then(|mark| text.split_at_checked(mark)) {
        Some((digits, exponent)) => (digits, parse_exponent(exponent.get(1..)?)?),
        None => (text, 0),
    };
    let mut nanos = 0_i128;
    let mut point = None;
    let mut count = 0_i32;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'.' if point.is_none() => point = Some(i32::try_from(index).ok()?),
            b'0'..=b'9' => count = count.checked_add(1)?,
            _ => return None,
        }
    }
    if count == 0 {
        return None;
    }
    // How many places the digit lies above the nanosecond.
    let mut place = point.unwrap_or(count).checked_add(exponent)?.checked_add(9)?;
    for digit in digits.iter().filter(|byte| byte.is_ascii_digit()) {
        place -= 1;
        let digit = i128::from(digit - b'0');
        match u32::try_from(place) {
            // More places are beyond 64 bits of seconds: only zeros may stand that high.
            Ok(place @ 0..=30) => nanos += digit * 10_i128.pow(place),
            Ok(_) if digit != 0 => return None,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Some(if negative { -nanos } else { nanos })
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let exponent: i32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (-1000..=1000).contains(&exponent).then_some(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out, parse(text.as_bytes())?);
        String::from_utf8(out).ok()
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        let cases = [
            ("1520879607.789", "1520879607.789"),
            ("1520879607.123456789", "1520879607.123456789"),
            ("1520879607.1234567899", "1520879607.123456789"),
            ("1.520879607789e+09", "1520879607.789"),
            ("15e8", "1500000000.0"),
            ("0", "0.0"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("-1.5", "-1.5"),
            ("-0.000000001", "-0.000000001"),
            ("1e-9", "0.000000001"),
            ("1e-10", "0.0"),
            ("000000000000000000000000000000000000000001", "1.0"),
            ("9223372036854775807.999999999", "9223372036854775807.999999999"),
        ];
        for (text, expected) in cases {
            assert_eq!(round(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e1001",
            "1e99999999999",
            "NaN",
            "+Inf",
            "0x1",
            "1_0",
            "1.2.3",
        ] {
            assert_eq!(round(text), None, "{text}");
        }
        for text in ["9223372036854775808", "1e30", "99999999999999999999999999999999"] {
            assert_eq!(round(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_round_towards_the_past() {
        let cases = [("1.9999", 1999), ("-0.0001", -1), ("1e3", 1_000_000)];
        for (text, expected) in cases {
            assert_eq!(parse_millis(text.as_bytes()), Some(expected));
        }
        let mut out = Vec::new();
        write_millis(&mut out, -1500);
        assert_eq!(out, b"-1.5");
    }
}
