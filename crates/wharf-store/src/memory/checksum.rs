//! CRC-32 checksums that can be joined: the trailer of a gzip member (RFC 1952) needs that of the whole text, and the
//! text is in parts whose checksums are known.
//!
//! A checksum is the remainder of the text, taken for a polynomial over GF(2), by the polynomial of RFC 1952. Text behind
//! it multiplies it by x, eight times for each byte. That factor depends on the length alone, so each part keeps its own,
//! and joining one is a single multiplication.

/// The polynomial with its bits reflected, as all here are: the highest bit is the factor of x^0.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x^0
const ONE: u32 = 0x8000_0000;
/// x^8
const ONE_BYTE: u32 = 0x0080_0000;

/// The checksum of a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    crc: u32,
    /// What a checksum is multiplied by when this part is put behind its text.
    shift: u32,
}

impl Checksum {
    /// That of this part.
    pub fn of(part: &[u8]) -> Self {
        Self {
            crc: crc32fast::hash(part),
            shift: shift(part.len()),
        }
    }

    /// The CRC-32 of a text with this part behind it, if `crc` is that of the text without; of no text it is 0.
    #[must_use]
    pub fn after(self, crc: u32) -> u32 {
        multiply(self.shift, crc) ^ self.crc
    }
}

/// x to the power of eight times the length.
fn shift(length: usize) -> u32 {
    let (mut shift, mut power, mut left) = (ONE, ONE_BYTE, length);
    while left > 0 {
        if left & 1 == 1 {
            shift = multiply(power, shift);
        }
        power = multiply(power, power);
        left >>= 1;
    }
    shift
}

/// The remainder of a product.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..u32::BITS).rev() {
        // Without branches, whose way nobody could foresee.
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ POLYNOMIAL & (b & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "too much for an interpreter")]
        fn joined_parts_have_the_checksum_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..8)
        ) {
            let joined = parts.iter().fold(0, |crc, part| Checksum::of(part).after(crc));
            prop_assert_eq!(joined, crc32fast::hash(&parts.concat()));
        }
    }

    #[test]
    fn nothing_changes_nothing() {
        assert_eq!(Checksum::of(b"").after(0), 0);
        assert_eq!(Checksum::of(b"").after(0x1234_5678), 0x1234_5678);
        assert_eq!(
            Checksum::of(b"6789").after(crc32fast::hash(b"12345")),
            0xcbf4_3926
        );
    }
}
