//! Durations in the notation of flags: `90s`, `1m30s`, `1.5h`, `300ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Quoted;
use crate::ValueError;

/// A signed duration of at most 292 years, parsed and printed as the Pushgateway does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FlagDuration {
    nanos: i64,
}

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl FlagDuration {
    /// The duration of `seconds`.
    pub const fn from_secs(seconds: u32) -> Self {
        // Widening: 2^32 seconds are 136 years.
        Self {
            nanos: seconds as i64 * 1_000_000_000,
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// As an unsigned duration; zero for negative ones.
    pub fn to_duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }
}

impl From<Duration> for FlagDuration {
    /// Durations of more than 292 years become 292 years.
    fn from(duration: Duration) -> Self {
        Self {
            nanos: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX),
        }
    }
}

impl FromStr for FlagDuration {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let invalid = || ValueError::new(format!("time: invalid duration {}", Quoted(text)));
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if unsigned == "0" {
            return Ok(Self::default());
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut total = 0_u64;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (number, after) = split_number(rest).ok_or_else(invalid)?;
            let end = after
                .find(|c: char| c == '.' || c.is_ascii_digit())
                .unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() {
                return Err(ValueError::new(format!(
                    "time: missing unit in duration {}",
                    Quoted(text)
                )));
            }
            let unit = unit(name).ok_or_else(|| {
                ValueError::new(format!(
                    "time: unknown unit {} in duration {}",
                    Quoted(name),
                    Quoted(text)
                ))
            })?;
            let part = number.times(unit).ok_or_else(invalid)?;
            // One more than the largest positive number: the smallest negative one.
            total = total
                .checked_add(part)
                .filter(|total| *total <= 1 << 63)
                .ok_or_else(invalid)?;
            rest = after;
        }
        let nanos = if negative {
            0_i64.checked_sub_unsigned(total)
        } else {
            i64::try_from(total).ok()
        };
        Ok(Self {
            nanos: nanos.ok_or_else(invalid)?,
        })
    }
}

/// A decimal number as it was written. Digits after the point are kept as a fraction so that `0.3h` is exact.
struct Number {
    whole: u64,
    fraction: u64,
    scale: u64,
}

impl Number {
    fn times(&self, unit: u64) -> Option<u64> {
        let fraction = u128::from(self.fraction) * u128::from(unit) / u128::from(self.scale);
        self.whole
            .checked_mul(unit)?
            .checked_add(u64::try_from(fraction).ok()?)
    }
}

/// Splits digits with an optional point off the front; none if there is no digit or they pass 63 bits.
fn split_number(text: &str) -> Option<(Number, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    let mut number = Number {
        whole: 0,
        fraction: 0,
        scale: 1,
    };
    if !whole.is_empty() {
        number.whole = whole.parse().ok().filter(|whole| *whole <= 1 << 63)?;
    }
    let Some(rest) = rest.strip_prefix('.') else {
        return (!whole.is_empty()).then_some((number, rest));
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, rest) = rest.split_at(end);
    // Eighteen digits are finer than a nanosecond of the largest unit; the rest cannot matter.
    for digit in fraction.bytes().take(18) {
        number.fraction = number.fraction * 10 + u64::from(digit - b'0');
        number.scale *= 10;
    }
    (!whole.is_empty() || !fraction.is_empty()).then_some((number, rest))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => NANOSECOND,
        // The micro sign and the Greek letter.
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// As `1h30m0s`, `1.5s`, `300ms`, `0s`.
impl fmt::Display for FlagDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let nanos = self.nanos.unsigned_abs();
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, nanos, MICROSECOND, "µs"),
            MILLISECOND..SECOND => write_decimal(f, nanos, MILLISECOND, "ms"),
            SECOND..MINUTE => write_decimal(f, nanos, SECOND, "s"),
            _ => {
                if nanos >= HOUR {
                    write!(f, "{}h", nanos / HOUR)?;
                }
                write!(f, "{}m", nanos % HOUR / MINUTE)?;
                write_decimal(f, nanos % MINUTE, SECOND, "s")
            }
        }
    }
}

/// Writes `nanos` in `unit` without trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let mut fraction = nanos % unit;
    if fraction > 0 {
        f.write_str(".")?;
    }
    let mut place = unit;
    while fraction > 0 {
        place /= 10;
        write!(f, "{}", fraction / place)?;
        fraction %= place;
    }
    f.write_str(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_normalised() {
        let cases = [
            ("1h", "1h0m0s"),
            ("0", "0s"),
            ("-0", "0s"),
            ("5m", "5m0s"),
            ("-5m", "-5m0s"),
            ("+5s", "5s"),
            ("1.5h", "1h30m0s"),
            ("90s", "1m30s"),
            ("1m30s", "1m30s"),
            ("1h1ms", "1h0m0.001s"),
            ("300ms", "300ms"),
            ("1us", "1µs"),
            ("1µs", "1µs"),
            ("1μs", "1µs"),
            ("1500ns", "1.5µs"),
            ("1ns", "1ns"),
            (".5s", "500ms"),
            ("5.s", "5s"),
            ("0.30000000000000000000h", "18m0s"),
            ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
            ("-2562047h47m16.854775808s", "-2562047h47m16.854775808s"),
        ];
        for (text, expected) in cases {
            let duration: FlagDuration = text.parse().unwrap();
            assert_eq!(duration.to_string(), expected, "{text}");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        }
    }

    #[test]
    fn bad_durations_say_what_is_wrong() {
        let cases = [
            ("", r#"time: invalid duration """#),
            (".", r#"time: invalid duration ".""#),
            ("-", r#"time: invalid duration "-""#),
            ("foo", r#"time: invalid duration "foo""#),
            ("5", r#"time: missing unit in duration "5""#),
            ("1.s2", r#"time: missing unit in duration "1.s2""#),
            ("5d", r#"time: unknown unit "d" in duration "5d""#),
            ("1h-5m", r#"time: unknown unit "h-" in duration "1h-5m""#),
            ("1e3s", r#"time: unknown unit "e" in duration "1e3s""#),
            ("5 s", r#"time: unknown unit " s" in duration "5 s""#),
            ("9999999999h", r#"time: invalid duration "9999999999h""#),
            (
                "2562047h47m16.854775808s",
                r#"time: invalid duration "2562047h47m16.854775808s""#,
            ),
            (
                "99999999999999999999s",
                r#"time: invalid duration "99999999999999999999s""#,
            ),
        ];
        for (text, expected) in cases {
            let error = text.parse::<FlagDuration>().unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn negative_durations_are_zero_when_unsigned() {
        let duration: FlagDuration = "-5m".parse().unwrap();
        assert!(duration.is_negative());
        assert_eq!(duration.to_duration(), Duration::ZERO);
        assert_eq!(
            FlagDuration::from_secs(300).to_duration(),
            Duration::from_secs(300)
        );
        assert_eq!(FlagDuration::from(Duration::MAX).nanos, i64::MAX);
    }
}
