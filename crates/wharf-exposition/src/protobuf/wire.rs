//! The wire format: fields of messages, without a notion of the schema.

use wharf_model::{Denied, Meter};

use super::{DecodeError, ErrorKind, Malformed};

/// Groups are extinct, and the schema has none: those of unknown fields are skipped to this depth.
const MAX_GROUP_DEPTH: usize = 32;

/// The bytes of a value or message, and where in the body they end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    end: usize,
}

/// The value of a field, as its wire type has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Reader<'b>),
    /// What the schema never uses.
    Other,
}

enum VarintError {
    CutShort,
    Overflow,
}

impl<'b> Reader<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self {
            rest: body,
            end: body.len(),
        }
    }

    pub(super) fn bytes(&self) -> &'b [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How far into the body the next byte lies.
    pub(super) fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(super) fn error(&self, kind: ErrorKind) -> DecodeError {
        DecodeError::new(self.offset(), kind)
    }

    /// Reads a length prefix and the message behind it.
    pub(super) fn delimited(&mut self) -> Result<Option<Self>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let prefix = *self;
        let length = self.varint_of_any_end().map_err(|error| match error {
            VarintError::CutShort => prefix.error(ErrorKind::LengthCutShort),
            VarintError::Overflow => prefix.error(ErrorKind::LengthOverflow),
        })?;
        let found = self.rest.len();
        let message = self.take(length);
        message.map(Some).ok_or_else(|| {
            prefix.error(ErrorKind::FamilyCutShort {
                expected: length,
                found,
            })
        })
    }

    /// Reads the next field of a message: its number and its value.
    ///
    /// Values whose wire type is not the one of the schema are returned like any other; who does not expect
    /// them ignores them, as it does unknown fields.
    #[expect(
        clippy::inline_always,
        reason = "callers know which fields to expect: decoding is half again as fast"
    )]
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<(u64, Wire<'b>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        // Nearly all fields of the schema have numbers below 16 and lengths and integers below 128.
        if let [tag @ 8..0x80, rest @ ..] = self.rest {
            let short = match (tag & 7, rest) {
                (0, [value @ ..0x80, rest @ ..]) => Some((Wire::Varint(u64::from(*value)), rest)),
                (1, rest) => rest
                    .split_first_chunk()
                    .map(|(bits, rest)| (Wire::Fixed64(u64::from_le_bytes(*bits)), rest)),
                (2, [length @ ..0x80, rest @ ..]) => {
                    rest.split_at_checked(usize::from(*length)).map(|(chunk, rest)| {
                        (
                            Wire::Bytes(Self {
                                rest: chunk,
                                end: self.end - rest.len(),
                            }),
                            rest,
                        )
                    })
                }
                _ => None,
            };
            if let Some((value, rest)) = short {
                self.rest = rest;
                return Ok(Some((u64::from(tag >> 3), value)));
            }
        }
        self.any_field().map(Some)
    }

    #[inline(never)]
    fn any_field(&mut self) -> Result<(u64, Wire<'b>), DecodeError> {
        let before = *self;
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.fixed64()?),
            2 => Wire::Bytes(self.chunk()?),
            3 => {
                self.skip_group(number)?;
                Wire::Other
            }
            5 => {
                self.fixed::<4>()?;
                Wire::Other
            }
            4 => return Err(before.malformed(Malformed::Group)),
            other => return Err(before.malformed(Malformed::WireType(other))),
        };
        Ok((number, value))
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, DecodeError> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        let before = *self;
        self.varint_of_any_end()
            .map_err(|_| before.malformed(Malformed::Integer))
    }

    #[inline]
    pub(super) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        self.fixed().map(u64::from_le_bytes)
    }

    pub(super) fn malformed(&self, malformed: Malformed) -> DecodeError {
        self.error(ErrorKind::Malformed(malformed))
    }

    #[inline]
    fn tag(&mut self) -> Result<(u64, u64), DecodeError> {
        let before = *self;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number >> 29 != 0 {
            return Err(before.malformed(Malformed::FieldNumber(number)));
        }
        Ok((number, tag & 7))
    }

    #[inline]
    fn chunk(&mut self) -> Result<Self, DecodeError> {
        let before = *self;
        let expected = self.varint()?;
        let found = self.rest.len();
        self.take(expected)
            .ok_or_else(|| before.malformed(Malformed::CutShort { expected, found }))
    }

    #[inline]
    fn take(&mut self, length: u64) -> Option<Self> {
        let (chunk, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Self {
            rest: chunk,
            end: self.offset(),
        })
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((chunk, rest)) = self.rest.split_first_chunk() else {
            let expected = if N == 8 { 8 } else { 4 };
            return Err(self.malformed(Malformed::CutShort {
                expected,
                found: self.rest.len(),
            }));
        };
        self.rest = rest;
        Ok(*chunk)
    }

    fn varint_of_any_end(&mut self) -> Result<u64, VarintError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().enumerate() {
            // The tenth byte holds the 64th bit and no other.
            if index == 9 && byte > 1 {
                return Err(VarintError::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(VarintError::CutShort)
    }

    /// Skips to behind the end of the group `number`, whose begin was just read.
    fn skip_group(&mut self, number: u64) -> Result<(), DecodeError> {
        let begin = *self;
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            if self.rest.is_empty() {
                return Err(begin.malformed(Malformed::Group));
            }
            let before = *self;
            match self.tag()? {
                (number, 3) if open.len() < MAX_GROUP_DEPTH => open.push(number),
                (_, 3) => return Err(before.malformed(Malformed::Depth)),
                (number, 4) if number == innermost => {
                    open.pop();
                }
                (_, 0) => {
                    self.varint()?;
                }
                (_, 1) => {
                    self.fixed64()?;
                }
                (_, 2) => {
                    self.chunk()?;
                }
                (_, 5) => {
                    self.fixed::<4>()?;
                }
                (_, 4) => return Err(before.malformed(Malformed::Group)),
                (_, other) => return Err(before.malformed(Malformed::WireType(other))),
            }
        }
        Ok(())
    }
}

/// A field that may stand once. Protobuf merges the messages of one that stands several times, so that all of
/// them have to be read, one after the other.
#[derive(Debug, Default)]
pub(super) struct Once<'b> {
    first: Option<Reader<'b>>,
    more: Vec<Reader<'b>>,
}

impl<'b> Once<'b> {
    pub(super) fn of(message: Reader<'b>) -> Self {
        Self {
            first: Some(message),
            more: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, message: Reader<'b>, memory: &Meter<'_>) -> Result<(), Denied> {
        if self.first.is_none() {
            self.first = Some(message);
            return Ok(());
        }
        memory.push(&mut self.more, message)
    }

    /// All of them have been read.
    pub(super) fn finish(self, memory: &Meter<'_>) {
        memory.give_back(self.more.capacity() * size_of::<Reader<'_>>());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = Reader<'b>> {
        self.first.iter().chain(&self.more).copied()
    }
}

/// Appends an integer.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The sign goes into the lowest bit, so that small negative numbers stay short.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_value() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, value);
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!([zigzag(0), zigzag(-1), zigzag(1), zigzag(-2)], [0, 1, 2, 3]);
    }

    #[test]
    fn integers_need_an_end_within_ten_bytes() {
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(Reader::new(&over).varint().is_err());
        assert!(Reader::new(&over[..9]).varint().is_err());
    }

    #[test]
    fn groups_are_skipped() {
        let mut reader = Reader::new(&[0x0b, 0x13, 0x08, 0x01, 0x14, 0x0c, 0x10, 0x05]);
        assert!(matches!(reader.field(), Ok(Some((1, Wire::Other)))));
        assert!(matches!(reader.field(), Ok(Some((2, Wire::Varint(5))))));
        assert!(matches!(reader.field(), Ok(None)));
    }

    #[test]
    fn groups_must_end_and_stay_shallow() {
        for bytes in [&[0x0b][..], &[0x0b, 0x14], &[0x0c], &[0x0b; 4096]] {
            assert!(Reader::new(bytes).field().is_err(), "{bytes:?}");
        }
    }
}
