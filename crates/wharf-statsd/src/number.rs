//! Numbers as Go's `strconv.ParseFloat` reads them, which is what `statsd_exporter` accepts as a value.

use wharf_exposition::number::parse_f64;

/// Reads a double: decimal or hexadecimal (`0x1p-2`), digits separated by underscores or not, or `nan`, `inf` and
/// `infinity` in any case.
///
/// Nothing if it is no number, or larger than the largest double.
#[inline]
pub(crate) fn parse(text: &str) -> Option<f64> {
    parse_f64(text.as_bytes()).or_else(|| parse_rare(text))
}

/// Numbers that no client writes by default.
#[cold]
fn parse_rare(text: &str) -> Option<f64> {
    let has_separators = text.contains('_');
    if has_separators && !separators_fit(text) {
        return None;
    }
    let plain = text.replace('_', "");
    match hexadecimal(&plain) {
        Some((is_negative, digits)) => parse_hexadecimal(digits).map(|value| sign(value, is_negative)),
        None => has_separators.then(|| parse_f64(plain.as_bytes()))?,
    }
}

fn sign(value: f64, is_negative: bool) -> f64 {
    if is_negative { -value } else { value }
}

/// The sign, and what stands behind `0x`.
fn hexadecimal(text: &str) -> Option<(bool, &str)> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    Some((is_negative, digits))
}

/// Whether each underscore stands between two digits, or behind the prefix of a base.
fn separators_fit(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let prefixes = ["0x", "0X", "0b", "0B", "0o", "0O"];
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    let is_hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    // The prefix counts as a digit.
    let (mut before, text) = match rest {
        Some(rest) => (Some(true), rest),
        None => (None, text),
    };
    let is_digit = |c: char| c.is_ascii_digit() || is_hexadecimal && c.is_ascii_hexdigit();
    let mut is_open = false;
    for c in text.chars() {
        if c == '_' {
            if is_open || before != Some(true) {
                return false;
            }
            is_open = true;
        } else if is_open && !is_digit(c) {
            return false;
        } else {
            is_open = false;
            before = Some(is_digit(c));
        }
    }
    !is_open
}

/// Digits of the mantissa that are kept; the rest decides only how to round.
const MANTISSA_LIMIT: u64 = 1 << 60;

/// Reads `h.hhp±d`; the exponent has to be there.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let is_number = exponent
        .strip_prefix(['-', '+'])
        .unwrap_or(exponent)
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    if !is_number || !exponent.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // An exponent that is too long for an integer is far beyond every double.
    let beyond = if exponent.starts_with('-') {
        -100_000
    } else {
        100_000
    };
    let mut exponent = exponent.parse::<i64>().unwrap_or(beyond).clamp(-100_000, 100_000);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    let digits = whole
        .chars()
        .map(|c| (c, 0))
        .chain(fraction.chars().map(|c| (c, 4)));
    for (digit, places) in digits {
        let digit = u64::from(digit.to_digit(16)?);
        if value < MANTISSA_LIMIT {
            value = value * 16 + digit;
            exponent -= places;
        } else {
            // It only has to be seen that there was something.
            value |= u64::from(digit != 0);
            exponent += 4 - places;
        }
    }
    let value = round(value, exponent);
    value.is_finite().then_some(value)
}

/// The double nearest to `mantissa * 2^exponent`, of two the even one.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is left of it has at most 53 bits"
)]
fn round(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(mantissa.leading_zeros());
    // Below the normal numbers there are fewer bits.
    let kept = (exponent + bits + 1074).clamp(0, 53);
    let dropped = (bits - kept).max(0);
    let Ok(shift) = u32::try_from(dropped) else {
        return 0.0;
    };
    let below = mantissa.checked_shr(shift).unwrap_or(0);
    let rest = mantissa - below.checked_shl(shift).unwrap_or(0);
    let half = shift
        .checked_sub(1)
        .map_or(0, |shift| 1_u64.checked_shl(shift).unwrap_or(0));
    let is_up = shift > 0 && (rest > half || rest == half && below % 2 == 1);
    let exact = (below + u64::from(is_up)) as f64;
    scale(exact, exponent + dropped)
}

/// `value * 2^exponent`, which is exact if it is a double.
fn scale(mut value: f64, mut exponent: i64) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-500, 500);
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        exponent -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_go_takes_for_one() {
        for (text, expected) in [
            ("1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1", 1.0),
            ("1e3", 1000.0),
            ("1_000", 1000.0),
            ("1_23.50_0_0e+1_2", 1.235e14),
            ("0x1p-2", 0.25),
            ("-0x1.8p1", -3.0),
            ("0x_1_0p0", 16.0),
            ("0xAp0", 10.0),
            ("0x.8p0", 0.5),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.0000000000000800000001p0", 1.000_000_000_000_000_2),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x0p99999999999999999999", 0.0),
            ("0x1p-99999999999999999999", 0.0),
            // Half of the smallest: of two the even one.
            ("0x8000000000000000p-1138", 0.0),
            ("0x8000000000000001p-1138", 5e-324),
            ("Infinity", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert!(parse("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "", "_", "1_", "_1", "1__0", "1_.5", "1._5", "1e_5", "0x10", "0x", "0xp1", "0x1p", "0x1p+",
            "0x1p1.5", "0x1p1024", "1e400", "1,5", " 1", "1 ", "+nan", "--1", "0b1", "0b_1", "0o_7", "0x.p1",
            "0xgp1", "1__", "in_f", "0x1pé",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
