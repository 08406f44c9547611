//! The same over HTTP/2: a path and query is the field `:path` there, in a compressed block of fields.
//!
//! A block refers to a table that all blocks before it have made. Here nobody follows the table: a field is only changed where its
//! block says that it is not put into the table. curl and everything else that is made with nghttp2 send paths so; Go's
//! client does not, and what it sends goes on as it is.

mod huffman;

use std::ops::Range;

use super::escape::escape;

/// What a client begins with.
const PREFACE_BYTES: u64 = 24;
const FRAME_HEAD_BYTES: usize = 9;
/// The longest frame that the library reads, if it does not say something else.
const MAX_FRAME_BYTES: usize = 16 << 10;

const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Goes over the frames of a client.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that go on as they come.
    left: u64,
    /// A head of a frame, or a frame with fields, that is not complete yet.
    begun: Vec<u8>,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            left: PREFACE_BYTES,
            begun: Vec::new(),
        }
    }

    /// Whether all of these bytes go on as they are. Then they have.
    pub(super) fn passes(&mut self, bytes: &[u8]) -> bool {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) if self.begun.is_empty() => {
                self.left = left;
                true
            }
            _ => false,
        }
    }

    /// What goes on of these bytes and those that waited.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.left > 0 {
                let now = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (now, later) = bytes.split_at(now);
                passed.extend_from_slice(now);
                self.left -= now.len() as u64;
                bytes = later;
                continue;
            }
            let whole = match Frame::of(&self.begun) {
                Some(frame) => FRAME_HEAD_BYTES + frame.bytes,
                None => FRAME_HEAD_BYTES,
            };
            let (now, later) = bytes.split_at(whole.saturating_sub(self.begun.len()).min(bytes.len()));
            self.begun.extend_from_slice(now);
            bytes = later;
            self.pass_begun(&mut passed);
        }
        passed
    }

    /// Passes on what waits, if it need not wait any more.
    fn pass_begun(&mut self, passed: &mut Vec<u8>) {
        let Some(frame) = Frame::of(&self.begun) else {
            return;
        };
        if !frame.has_fields() {
            passed.append(&mut self.begun);
            self.left = frame.bytes as u64;
        } else if self.begun.len() >= FRAME_HEAD_BYTES + frame.bytes {
            let changed = frame.escaped(&self.begun);
            passed.extend_from_slice(changed.as_deref().unwrap_or(&self.begun));
            self.begun.clear();
        }
    }

    /// What waits, now that nothing comes any more.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    bytes: usize,
    kind: u8,
    flags: u8,
}

impl Frame {
    fn of(begun: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, _, _, _, _] = *begun.first_chunk::<FRAME_HEAD_BYTES>()?;
        let bytes = u32::from_be_bytes([0, high, middle, low]) as usize;
        Some(Self { bytes, kind, flags })
    }

    /// Whether it has all fields of a request, and could be changed.
    fn has_fields(self) -> bool {
        self.kind == HEADERS && self.flags & END_HEADERS != 0 && self.bytes <= MAX_FRAME_BYTES
    }

    /// The frame with an escaped path; none if it has none that needs it, or it would be too long then.
    fn escaped(self, frame: &[u8]) -> Option<Vec<u8>> {
        let (head, payload) = frame.split_at_checked(FRAME_HEAD_BYTES)?;
        let mut before = 0;
        let mut padding = 0;
        if self.flags & PADDED != 0 {
            padding = usize::from(*payload.first()?);
            before += 1;
        }
        if self.flags & PRIORITY != 0 {
            before += 5;
        }
        let (before, rest) = payload.split_at_checked(before)?;
        let (block, padding) = rest.split_at_checked(rest.len().checked_sub(padding)?)?;
        let (value, path) = path_to_escape(block)?;
        let mut changed = [before, block.get(..value.start)?].concat();
        push_string(&mut changed, &path);
        changed.extend_from_slice(block.get(value.end..)?);
        changed.extend_from_slice(padding);
        if changed.len() > MAX_FRAME_BYTES {
            return None;
        }
        let [_, length @ ..] = u32::try_from(changed.len()).ok()?.to_be_bytes();
        Some([&length[..], head.get(3..)?, &changed].concat())
    }
}

/// Where in a block a path stands that has to be escaped, and what it is then.
fn path_to_escape(block: &[u8]) -> Option<(Range<usize>, Vec<u8>)> {
    let mut reader = Reader { block, at: 0 };
    while let Some(first) = block.get(reader.at) {
        // How a field is written is said by the first bits, and what is left of the byte begins a number.
        let (number_bits, has_value, is_in_table) = match first {
            0x80.. => (7, false, true),
            0x40.. => (6, true, true),
            0x20.. => (5, false, true),
            _ => (4, true, false),
        };
        let number = reader.number(number_bits)?;
        if !has_value {
            continue;
        }
        let is_path = match number {
            0 => reader.string()? == b":path",
            number => PATHS.contains(&number),
        };
        let start = reader.at;
        let value = reader.string()?;
        if is_path && !is_in_table && value.first() == Some(&b'/') && value.iter().all(|byte| *byte >= b' ') {
            let path = escape(&value);
            return (path != value).then_some((start..reader.at, path));
        }
    }
    None
}

/// The fields of the table that everybody has whose name is `:path`.
const PATHS: [usize; 2] = [4, 5];

/// Reads the parts of a block.
struct Reader<'b> {
    block: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.block.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A number of which so many bits are in the first byte.
    fn number(&mut self, bits: u32) -> Option<usize> {
        let most = (1 << bits) - 1;
        let start = usize::from(self.byte()?) & most;
        if start < most {
            return Some(start);
        }
        let mut number = start;
        // No length of a frame has more.
        for shift in [0, 7, 14] {
            let byte = usize::from(self.byte()?);
            number += (byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        let is_packed = self.block.get(self.at)? & 0x80 != 0;
        let bytes = self.number(7)?;
        let string = self.block.get(self.at..self.at.checked_add(bytes)?)?;
        self.at += bytes;
        if is_packed {
            huffman::decode(string)
        } else {
            Some(string.to_vec())
        }
    }
}

/// A string as it is.
fn push_string(block: &mut Vec<u8>, string: &[u8]) {
    let seven_bits = |number: usize| u8::try_from(number & 0x7F).unwrap_or_default();
    let mut rest = string.len();
    if rest < 0x7F {
        block.push(seven_bits(rest));
    } else {
        block.push(0x7F);
        rest -= 0x7F;
        while rest >= 0x80 {
            block.push(seven_bits(rest) | 0x80);
            rest >>= 7;
        }
        block.push(seven_bits(rest));
    }
    block.extend_from_slice(string);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// `:method: GET`, a path that is written as `first` says, and something that is put into the table.
    fn block(first: &[u8], path: &[u8]) -> Vec<u8> {
        let mut block = [&[0x82], first].concat();
        push_string(&mut block, path);
        [&block, &b"\x40\x01x\x01y\x3f\x09"[..]].concat()
    }

    fn pass(bytes: &[u8], piece_bytes: usize) -> Vec<u8> {
        let mut frames = Frames::new();
        let mut passed = Vec::new();
        for piece in bytes.chunks(piece_bytes) {
            if frames.passes(piece) {
                passed.extend_from_slice(piece);
            } else {
                passed.extend(frames.advance(piece));
            }
        }
        passed.extend(frames.rest());
        passed
    }

    #[track_caller]
    fn check(sent: &[u8], expected: &[u8]) {
        let (sent, expected) = ([PREFACE, sent].concat(), [PREFACE, expected].concat());
        for piece_bytes in [1, 7, 100, usize::MAX] {
            assert_eq!(
                pass(&sent, piece_bytes).escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        }
    }

    fn headers(block: &[u8]) -> Vec<u8> {
        frame(HEADERS, END_HEADERS, block)
    }

    #[test]
    fn a_path_that_is_not_put_into_the_table_is_escaped() {
        let settings = frame(4, 0, &[]);
        // Never indexed, without indexing, with a name of the table and with one of its own.
        for first in [
            &b"\x04"[..],
            b"\x05",
            b"\x14",
            b"\x00\x05:path",
            b"\x10\x84\xb9\x58\xd3\x3f",
        ] {
            let sent = headers(&block(first, b"/a?b={\"c d\"}\xFF"));
            let expected = headers(&block(first, b"/a?b={%22c%20d%22}%FF"));
            check(
                &[&settings[..], &sent, &sent].concat(),
                &[&settings[..], &expected, &expected].concat(),
            );
        }
    }

    #[test]
    fn a_packed_path_is_unpacked_if_it_has_to_be_escaped() {
        // `/"` with `/` as 011000, `"` as 1111111001.
        let packed = headers(b"\x04\x82\x63\xF9");
        check(&packed, &headers(b"\x04\x04/%22"));
        // `//`
        let plain = headers(b"\x04\x82\x61\x8F");
        check(&plain, &plain);
    }

    #[test]
    fn padding_and_priority_stay() {
        let flags = END_HEADERS | PADDED | PRIORITY;
        let with = |path: &[u8]| {
            frame(
                HEADERS,
                flags,
                &[b"\x03\0\0\0\0\x10", &block(b"\x04", path)[..], b"\0\0\0"].concat(),
            )
        };
        check(&with(b"/<"), &with(b"/%3C"));
    }

    #[test]
    fn what_cannot_be_changed_without_the_table_stays() {
        let odd = block(b"\x04", b"/<");
        for sent in [
            // Put into the table.
            headers(&block(b"\x44", b"/<")),
            headers(&block(b"\x40\x05:path", b"/<")),
            // Goes on in another frame; is another kind of frame; is another field.
            frame(HEADERS, 0, &odd),
            frame(0, END_HEADERS, &odd),
            frame(9, END_HEADERS, &odd),
            headers(&block(b"\x06", b"/<")),
            headers(&block(b"\x00\x04path", b"/<")),
            // Not a path; has a byte that nobody takes; is too long.
            headers(&block(b"\x04", b"*<")),
            headers(&block(b"\x04", b"/<\x01")),
            headers(&block(b"\x04", &[b"/", &b"<".repeat(6000)[..]].concat())),
            // In pieces that do not fit together.
            headers(b"\x04\x7f\xff\xff\xff\xff\x0f/<"),
            headers(b"\x04\x09/<"),
            headers(b"\x04\x82\xFF\xFF"),
            frame(HEADERS, END_HEADERS | PADDED, b"\xFF\x04\x02/<"),
            headers(b""),
        ] {
            check(&sent, &sent);
        }
    }

    #[test]
    fn the_next_frame_is_where_the_length_of_the_last_one_says() {
        let odd = headers(&block(b"\x04", b"/<"));
        let body = frame(0, 0, &odd);
        let even = headers(&block(b"\x04", b"/%3C"));
        check(
            &[&body[..], &odd, &body, &odd].concat(),
            &[&body[..], &even, &body, &even].concat(),
        );
        // Half a frame is passed on at the end.
        check(odd.get(..12).unwrap(), odd.get(..12).unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_go_on_alike_however_they_come_and_a_second_time_nothing_changes(
            frames in vec((0..3u8, any::<u8>(), vec(any::<u8>(), 0..40)), 0..5),
            piece_bytes in 1..50usize,
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, flags, payload) in frames {
                bytes.extend(frame(kind, flags, &payload));
            }
            let passed = pass(&bytes, piece_bytes);
            prop_assert_eq!(&passed, &pass(&bytes, usize::MAX));
            prop_assert_eq!(&passed, &pass(&passed, usize::MAX));
        }

        #[test]
        fn numbers_and_strings_are_read_as_they_are_written(string in vec(any::<u8>(), 0..700)) {
            let mut block = Vec::new();
            push_string(&mut block, &string);
            let mut reader = Reader { block: &block, at: 0 };
            prop_assert_eq!(reader.string(), Some(string));
            prop_assert_eq!(reader.at, block.len());
        }
    }
}
