//! Sizes in the notation of flags: `1048576`, `64MiB`.

use std::fmt;
use std::str::FromStr;

use crate::ValueError;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl ByteSize {
    /// The size of `count` MiB.
    pub const fn from_mib(count: u32) -> Self {
        // Widening: 2^32 MiB are 2^52 bytes.
        Self((count as u64) << 20)
    }

    /// As a length in memory; the largest one where the machine cannot address that much.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let suffixed = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
        let (digits, unit) = suffixed.unwrap_or((text, 1));
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let size = plain
            .then(|| digits.parse::<u64>().ok()?.checked_mul(unit))
            .flatten();
        size.map(Self)
            .ok_or_else(|| ValueError::new(format!("expected a number of bytes, found `{text}`")))
    }
}

/// In the largest unit that leaves no fraction.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        match whole {
            Some((suffix, unit)) => write!(f, "{}{suffix}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_plain_bytes_or_have_a_binary_unit() {
        let cases = [
            ("0", 0, "0"),
            ("1000", 1000, "1000"),
            ("1024", 1024, "1KiB"),
            ("512KiB", 512 << 10, "512KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("3GiB", 3 << 30, "3GiB"),
            ("1025", 1025, "1025"),
        ];
        for (text, bytes, printed) in cases {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, printed));
        }
        assert_eq!(ByteSize::from_mib(64).to_string(), "64MiB");
    }

    #[test]
    fn other_sizes_are_refused() {
        for text in [
            "",
            "MiB",
            "64MB",
            "64mib",
            "-1",
            "+1",
            "1.5GiB",
            "1 MiB",
            "99999999999999999999",
            "17179869184GiB",
        ] {
            let error = text.parse::<ByteSize>().unwrap_err();
            let expected = format!("expected a number of bytes, found `{text}`");
            assert_eq!(error.to_string(), expected);
        }
    }
}
