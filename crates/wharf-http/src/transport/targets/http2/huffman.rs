//! The code in which strings of HTTP/2 are packed (RFC 7541, appendix B).

use std::sync::LazyLock;

/// How many bits each byte has, and, at the end, what pads the last one. That says everything: shorter ones come first, and among those of
/// one length the smaller byte.
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];
const MAX_BITS: usize = 30;

/// The bytes in the order of their codes, and for each number of bits the code behind the last one and how many bytes there are up to it.
struct Code {
    symbols: Vec<usize>,
    ends: [(u32, usize); MAX_BITS + 1],
}

static CODE: LazyLock<Code> = LazyLock::new(|| {
    let mut symbols: Vec<usize> = (0..BITS.len()).collect();
    symbols.sort_by_key(|symbol| BITS.get(*symbol));
    let mut ends = [(0, 0); MAX_BITS + 1];
    let (mut code, mut count) = (0u32, 0usize);
    for (bits, end) in ends.iter_mut().enumerate() {
        let of_these = BITS.iter().filter(|other| usize::from(**other) == bits).count();
        code = (code << 1) + u32::try_from(of_these).unwrap_or_default();
        count += of_these;
        *end = (code, count);
    }
    Code { symbols, ends }
});

/// The bytes of a packed string; none if it is not properly packed.
pub(super) fn decode(packed: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(packed.len() * 8 / 5);
    let (mut code, mut bits) = (0u32, 0usize);
    for byte in packed {
        for shift in (0..8).rev() {
            code = (code << 1) | u32::from((byte >> shift) & 1);
            bits += 1;
            let (end, count) = *CODE.ends.get(bits)?;
            if code < end {
                let back = usize::try_from(end - code).ok()?;
                // Not what pads, which is no byte.
                decoded.push(u8::try_from(*CODE.symbols.get(count.checked_sub(back)?)?).ok()?);
                (code, bits) = (0, 0);
            }
        }
    }
    // What is left is the beginning of what pads.
    let is_padding = bits < 8 && code + 1 == 1 << bits;
    is_padding.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        for (packed, string) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                "https://www.example.com",
            ),
            (b"", ""),
        ] {
            assert_eq!(decode(packed).as_deref(), Some(string.as_bytes()));
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(decode(b"\xFF"), None);
        assert_eq!(decode(b"\xFF\xFF\xFF\xFF"), None);
        // `0` has five bits.
        assert_eq!(decode(b"\x07").as_deref(), Some(&b"0"[..]));
        assert_eq!(decode(b"\x06"), None);
    }
}
