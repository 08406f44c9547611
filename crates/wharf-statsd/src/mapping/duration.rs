//! Durations as Go reads them: `1h30m`, `1.5s`, `300ms`.

use std::time::Duration;

/// Reads a duration that is not negative.
///
/// # Errors
/// If it is none.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let refused = |found: &str| format!("expected a duration such as 30s, 10m or 1h30m, found {found}");
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.starts_with('-') {
        return Err(refused(&format!("the negative `{text}`")));
    }
    let mut nanos = 0.0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number: Option<f64> = rest.strip_suffix(behind).and_then(|number| number.parse().ok());
        let after = behind.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let unit = behind.strip_suffix(after).unwrap_or(behind);
        let Some(number) = number else {
            return Err(refused(&format!("`{text}`")));
        };
        let of_unit = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "" => return Err(refused(&format!("`{text}` without a unit"))),
            _ => return Err(refused(&format!("`{text}`"))),
        };
        nanos += number * of_unit;
        rest = after;
    }
    // Go's durations end after 292 years.
    if unsigned.is_empty() || nanos > 9.2e18 {
        return Err(refused(&format!("`{text}`")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 2^63"
    )]
    Ok(Duration::from_nanos(nanos.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("+1m", 60_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            (".5s", 500),
            ("300ms", 300),
            ("2000us", 2),
            ("2000µs", 2),
            ("1h1ms", 3_600_001),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "5", "-1s", "s", "1d", "1 s", "1.2.3s", "1s5", "9999999h", "+", "1h-1m",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
