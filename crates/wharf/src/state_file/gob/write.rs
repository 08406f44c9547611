//! Writing what the reader above reads. Everything goes to the end but lengths and counts that are known late: for these
//! there is room.

use std::io::{self, Write};

use super::{CODES_ITSELF, MAP, STRUCT, TypeId};

/// The first number that a stream may give to a type of its own.
const FIRST: i64 = 65;

/// A type that is to be defined.
#[derive(Debug, Clone, Copy)]
pub(in crate::state_file) enum Definition<'d> {
    /// A map whose keys are strings.
    MapOf(TypeId),
    /// A struct, by the names and types of its fields.
    Struct(&'d [(&'static str, TypeId)]),
    /// A type that codes itself.
    Opaque,
}

/// The type that is defined at this place.
pub(in crate::state_file) const fn nth(place: i64) -> TypeId {
    TypeId(FIRST + place)
}

/// Writes an integer in as few bytes as there are.
pub(in crate::state_file) fn unsigned(out: &mut impl Write, value: u64) -> io::Result<()> {
    let [.., low] = value.to_be_bytes();
    if value < 0x80 {
        return out.write_all(&[low]);
    }
    let zeros = value.leading_zeros() / 8;
    let digits = value.to_be_bytes();
    let digits = digits.get(zeros as usize..).unwrap_or_default();
    out.write_all(&[minus(digits.len())])?;
    out.write_all(digits)
}

/// An integer in nine bytes, whatever it is: Go reads zeros in front as well.
pub(in crate::state_file) fn wide(value: u64) -> Vec<u8> {
    let digits = value.to_be_bytes();
    [&[minus(digits.len())][..], &digits].concat()
}

/// Minus a number of digits, of which there are eight at most.
fn minus(digits: usize) -> u8 {
    let [low, ..] = digits.to_le_bytes();
    low.wrapping_neg()
}

/// Writes the number of a type.
pub(in crate::state_file) fn type_id(out: &mut impl Write, id: TypeId) -> io::Result<()> {
    signed(out, id.0)
}

fn signed(out: &mut impl Write, value: i64) -> io::Result<()> {
    unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// Writes bytes behind their number: a string, or a value that codes itself.
pub(in crate::state_file) fn chunk(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    // A usize has at most 64 bits on every platform there is.
    unsigned(out, bytes.len() as u64)?;
    out.write_all(bytes)
}

/// Writes definitions, each of the type that [`nth`] gives for its place.
pub(in crate::state_file) fn definitions(
    out: &mut impl Write,
    definitions: &[Definition<'_>],
) -> io::Result<()> {
    for (definition, id) in definitions.iter().zip(FIRST..) {
        let mut message = Vec::new();
        signed(&mut message, -id)?;
        definition.write(&mut message, id)?;
        chunk(out, &message)?;
    }
    Ok(())
}

impl Definition<'_> {
    fn write(self, out: &mut Vec<u8>, id: i64) -> io::Result<()> {
        let kind = match self {
            Self::MapOf(_) => MAP,
            Self::Struct(_) => STRUCT,
            Self::Opaque => CODES_ITSELF,
        };
        unsigned(out, kind + 1)?;
        // What all kinds have in front: a name, which it can do without, and the number.
        unsigned(out, 1)?;
        unsigned(out, 2)?;
        signed(out, id)?;
        unsigned(out, 0)?;
        match self {
            Self::MapOf(element) => {
                unsigned(out, 1)?;
                type_id(out, super::STRING)?;
                unsigned(out, 1)?;
                type_id(out, element)?;
            }
            Self::Struct(fields) => {
                unsigned(out, 1)?;
                unsigned(out, fields.len() as u64)?;
                for (name, id) in fields {
                    unsigned(out, 1)?;
                    chunk(out, name.as_bytes())?;
                    unsigned(out, 1)?;
                    type_id(out, *id)?;
                    unsigned(out, 0)?;
                }
            }
            Self::Opaque => {}
        }
        // The end of the kind, and of the definition.
        unsigned(out, 0)?;
        unsigned(out, 0)
    }
}
