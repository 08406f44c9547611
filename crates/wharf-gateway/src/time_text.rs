//! Times for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wharf_store::UnixNanos;

/// A time as Go's JSON encoder writes it: local offset, up to nine digits of fraction without trailing zeros.
pub fn rfc3339(time: UnixNanos) -> String {
    let Ok(timestamp) = Timestamp::from_nanosecond(i128::from(time.0)) else {
        return String::new();
    };
    let zoned = timestamp.to_zoned_datetime(TimeZone::system());
    let fraction = format!("{:09}", timestamp.subsec_nanosecond());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let offset = if zoned.offset().seconds() == 0 {
        "Z".to_owned()
    } else {
        zoned.strftime("%:z").to_string()
    };
    format!("{}{dot}{fraction}{offset}", zoned.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_trailing_zeros() {
        let cases = [
            (1_767_323_045_123_456_789, "05.123456789"),
            (1_767_323_045_100_000_000, "05.1"),
            (1_767_323_045_000_000_000, "05"),
        ];
        for (nanos, seconds) in cases {
            let text = rfc3339(UnixNanos(nanos));
            let (_, found) = text.split_once(":04:").unwrap();
            let offset = found.strip_prefix(seconds).unwrap();
            assert!(offset.starts_with(['Z', '+', '-']), "{text}");
        }
    }
}
