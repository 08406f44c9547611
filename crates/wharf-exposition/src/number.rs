//! Doubles as Go prints and reads them.
//!
//! The layout is that of Go's `strconv.FormatFloat(value, 'g', -1, 64)`: the shortest decimal that reads back as
//! the same double, in exponent form if the exponent is below -4 or at least 6, the exponent with a sign and at
//! least two digits.
//!
//! ```text
//! 0.0001   100000   123456.789   1e-05   1e+06   1.23456789e+08   1.7976931348623157e+308
//! ```
//!
//! Most values of metrics are integers or short decimals. A decimal of at most 15 digits that reads back as the
//! same double is also the shortest one, so these are found by integer arithmetic; the rest goes through the
//! general algorithm.

/// Appends `value` as the Prometheus text formats print it: `NaN`, `+Inf`, `-Inf`, `0` (also for -0), else in
/// the layout of this [module](self).
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
    } else if value.is_finite() {
        if value < 0.0 {
            out.push(b'-');
        }
        write_positive(out, value.abs());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

/// Appends `value` as [`write_f64`] does, except that -0 is `-0`.
pub fn write_f64_signed_zero(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 && value.is_sign_negative() {
        out.push(b'-');
    }
    write_f64(out, value);
}

/// Appends the decimal digits of `value`.
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Reads a double as the Pushgateway's text parser does: decimal, with an optional sign and exponent, or `nan`,
/// `inf` and `infinity` in any case, the latter two with an optional sign.
///
/// Underflow gives zero, overflow nothing. Hexadecimal floats and digit separators are not numbers here.
#[inline]
pub fn parse_f64(bytes: &[u8]) -> Option<f64> {
    parse_digits(bytes).or_else(|| parse_general(bytes))
}

/// Reads up to 15 digits, which a double holds exactly.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "15 digits are below 2^53")]
fn parse_digits(bytes: &[u8]) -> Option<f64> {
    if bytes.is_empty() || bytes.len() > 15 {
        return None;
    }
    let mut integer = 0_u64;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        integer = integer * 10 + u64::from(digit);
    }
    Some(integer as f64)
}

fn parse_general(bytes: &[u8]) -> Option<f64> {
    let value: f64 = fast_float2::parse(bytes).ok()?;
    let accepted = if value.is_nan() {
        // The library takes a sign before it, Go does not.
        bytes.len() == 3
    } else {
        // A number too large reads as infinity, too, but only the word may mean it.
        value.is_finite()
            || bytes.iter().any(u8::is_ascii_alphabetic) && !bytes.iter().any(u8::is_ascii_digit)
    };
    accepted.then_some(value)
}

fn write_positive(out: &mut Vec<u8>, value: f64) {
    if value >= 1e6 {
        match exact_integer(value) {
            Some(integer) => write_large_integer(out, integer),
            None => write_shortest(out, value),
        }
    } else if value >= 1e-4 {
        match exact_micros(value) {
            Some(micros) => write_micros(out, micros),
            None => write_shortest(out, value),
        }
    } else {
        write_shortest(out, value);
    }
}

/// The integer that `value` is, if it has at most 15 digits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and a changed value is refused"
)]
#[expect(clippy::cast_sign_loss, reason = "the value is positive")]
#[expect(clippy::cast_precision_loss, reason = "15 digits are below 2^53")]
#[expect(clippy::float_cmp, reason = "the question is whether nothing was lost")]
fn exact_integer(value: f64) -> Option<u64> {
    let integer = value as u64;
    (value < 1e15 && integer as f64 == value).then_some(integer)
}

/// The number of millionths that reads back as `value`, which is below one million.
#[expect(clippy::cast_possible_truncation, reason = "the product is below 2^53")]
#[expect(clippy::cast_sign_loss, reason = "the value is positive")]
#[expect(clippy::cast_precision_loss, reason = "the product is below 2^53")]
#[expect(clippy::float_cmp, reason = "the question is whether nothing was lost")]
fn exact_micros(value: f64) -> Option<u64> {
    // Numerator and denominator are exact, so the quotient is the double nearest to that decimal.
    let micros = (value * 1e6 + 0.5) as u64;
    (micros as f64 / 1e6 == value).then_some(micros)
}

/// Writes a number of millionths as a decimal without an exponent.
fn write_micros(out: &mut Vec<u8>, micros: u64) {
    write_u64(out, micros / 1_000_000);
    let mut fraction = micros % 1_000_000;
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = 100_000;
    while fraction > 0 {
        out.push(b'0' + u8::try_from(fraction / unit).unwrap_or(0));
        fraction %= unit;
        unit /= 10;
    }
}

/// Writes an integer of at least one million in exponent form.
fn write_large_integer(out: &mut Vec<u8>, integer: u64) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(integer).as_bytes();
    write_exponential(out, digits.iter().copied(), digits.len() - 1);
}

/// Writes any positive double.
fn write_shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    if let Some((mantissa, exponent)) = text.split_once('e') {
        // As wanted, except that a single digit needs a zero before it: `1.5e-7`.
        out.extend_from_slice(mantissa.as_bytes());
        out.push(b'e');
        match exponent.as_bytes() {
            [sign, digit] => out.extend_from_slice(&[*sign, b'0', *digit]),
            exponent => out.extend_from_slice(exponent),
        }
    } else if value >= 1e6 {
        let point = text.find('.').unwrap_or(text.len());
        write_exponential(out, text.bytes().filter(|byte| *byte != b'.'), point - 1);
    } else if value >= 1e-4 {
        out.extend_from_slice(text.as_bytes());
    } else {
        // The library goes one step further down without an exponent: `0.000012`.
        let digits = text.trim_start_matches(['0', '.']);
        out.extend(digits.bytes().take(1));
        if digits.len() > 1 {
            out.push(b'.');
            out.extend(digits.bytes().skip(1));
        }
        out.extend_from_slice(b"e-05");
    }
}

/// Writes `digits` as `d.ddde+XX`, without zeros at the end; the exponent is at least 6.
fn write_exponential(out: &mut Vec<u8>, mut digits: impl Iterator<Item = u8>, exponent: usize) {
    out.extend(digits.next());
    out.push(b'.');
    out.extend(digits);
    // The first digit is never zero, so this stops there at the latest.
    while let Some(b'0') = out.last() {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
    out.extend_from_slice(if exponent < 10 { b"e+0" } else { b"e+" });
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

#[cfg(test)]
mod tests;
