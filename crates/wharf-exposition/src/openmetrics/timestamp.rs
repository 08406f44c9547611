//! Times in seconds since the Unix epoch, to the nanosecond.
//!
//! A double has 53 bits, and today's time in nanoseconds takes 61: times are read and written as decimals.

use wharf_model::Timestamp;

use crate::number;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Nanoseconds since the Unix epoch.
pub(super) type Nanos = i128;

/// Reads a time. Digits below the nanosecond are cut off.
pub(super) fn parse(text: &[u8]) -> Option<Timestamp> {
    let nanos = parse_nanos(text)?;
    Some(Timestamp {
        seconds: i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?,
        nanos: i32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?,
    })
}

/// The same as milliseconds, rounded towards the past. A time that 64 bits of them do not reach is as far away as
/// they do: whoever has timestamps at all only asks which is later.
pub(super) fn millis(nanos: Nanos) -> i64 {
    let millis = nanos.div_euclid(1_000_000);
    i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
}

/// Appends a time. What is beyond the last second that 64 bits hold is left out, for nobody could read that.
pub(super) fn write(out: &mut Vec<u8>, timestamp: Timestamp) {
    let nanos = i128::from(timestamp.seconds) * NANOS_PER_SECOND + i128::from(timestamp.nanos);
    let second = |seconds| i128::from(seconds) * NANOS_PER_SECOND;
    let last = second(i64::MAX) + NANOS_PER_SECOND - 1;
    write_nanos(out, nanos.clamp(second(i64::MIN), last));
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

/// Reads a decimal, with or without exponent, as billionths. Digits below are cut off. What is beyond 10^30 of them,
/// many times the age of the universe, is that.
pub(super) fn parse_nanos(text: &[u8]) -> Option<Nanos> {
    const MAX_PLACE: u32 = 30;
    if !number::parse_f64(text)?.is_finite() {
        return None;
    }
    let is_negative = text.first() == Some(&b'-');
    let mark = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (digits, exponent) = match mark.and_then(|mark| text.split_at_checked(mark)) {
        Some((digits, exponent)) => (digits, parse_exponent(exponent)),
        None => (text, 0),
    };
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    let integer = digits.iter().take_while(|byte| **byte != b'.');
    let integer_digits = i64::try_from(integer.filter(is_digit).count()).ok()?;
    // How many places the next digit lies above the nanosecond.
    let mut place = integer_digits.saturating_add(exponent).saturating_add(9);
    let mut nanos = 0_i128;
    for digit in digits.iter().filter(is_digit) {
        place = place.saturating_sub(1);
        let digit = i128::from(digit - b'0');
        match u32::try_from(place) {
            Ok(place @ 0..MAX_PLACE) => nanos += digit * 10_i128.pow(place),
            Err(_) if place < 0 => break,
            _ if digit != 0 => {
                nanos = 10_i128.pow(MAX_PLACE);
                break;
            }
            _ => {}
        }
    }
    Some(if is_negative { -nanos } else { nanos })
}

/// Reads the exponent behind its mark. One that does not fit is far below: the number it belongs to is finite.
fn parse_exponent(text: &[u8]) -> i64 {
    let exponent = text.get(1..).and_then(|text| std::str::from_utf8(text).ok());
    exponent
        .and_then(|exponent| exponent.parse().ok())
        .unwrap_or(i64::MIN)
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
            ("1e-99999999999999999999", "0.0"),
            ("0e99999999999999999999", "0.0"),
            ("0.0000000000000000000000000000000000000001E+40", "1.0"),
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
    fn milliseconds_round_towards_the_past_and_end_where_64_bits_do() {
        let cases = [
            ("1.9999", 1999),
            ("-0.0001", -1),
            ("1e3", 1_000_000),
            ("1e300", i64::MAX),
            ("-12345678901234567890.5", i64::MIN),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_nanos(text.as_bytes()).map(millis), Some(expected));
        }
        let mut out = Vec::new();
        write_millis(&mut out, -1500);
        assert_eq!(out, b"-1.5");
    }
}
