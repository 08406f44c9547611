//! Go's gob coding, as far as data is made of it: definitions of types, and one value.
//!
//! ```text
//! stream      (length, message)*
//! message     -id, definition        of the type `id`
//!             id, value              of a struct
//!             id, 0, value           of any other type
//! unsigned    a byte below 128, or minus the number of bytes and that many bytes, the highest first
//! signed      unsigned; the lowest bit says whether the others are inverted
//! string      length, bytes          as are the types that code themselves, such as times
//! list        count, element*
//! map         count, (key, value)*
//! struct      (how many fields further, value)*, 0
//! definition  a struct that has one field: 0 array, 1 list, 2 struct, 3 map, 4 to 6 a type that codes itself
//! ```
//!
//! Definitions may name types that are defined later or never used. Lengths are held against the bytes that are
//! left, nothing is allocated from a length or count that the stream merely claims, every value takes at least
//! one byte, and values that are passed over may be nested to a fixed depth only: work and memory are bounded by
//! the length of the stream.

#[cfg(test)]
mod tests;
pub(super) mod write;

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::error::StateFileError;

/// How deep a value that is passed over may be nested. Types can refer to themselves, so that the definitions
/// alone set no bound.
const MAX_DEPTH: usize = 64;

/// The number by which the stream refers to a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TypeId(i64);

/// A type, as far as the shape of its values goes.
#[derive(Debug)]
enum Type<'b> {
    /// A boolean, an integer or a float: one unsigned integer each.
    Number,
    Complex,
    Bytes,
    String,
    Interface,
    List(TypeId),
    Map {
        key: TypeId,
        element: TypeId,
    },
    Struct(Vec<Field<'b>>),
    /// A type that codes itself.
    Opaque,
}

/// A field of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'b> {
    pub(super) name: &'b [u8],
    pub(super) id: TypeId,
}

pub(super) const STRING: TypeId = TypeId(6);

/// The kinds of definitions that a state file needs: which field of a definition there is.
const STRUCT: u64 = 2;
const MAP: u64 = 3;
const CODES_ITSELF: u64 = 4;

/// The types that every stream knows.
fn predefined(id: TypeId) -> Option<&'static Type<'static>> {
    match id {
        TypeId(1..=4) => Some(&Type::Number),
        TypeId(5) => Some(&Type::Bytes),
        STRING => Some(&Type::String),
        TypeId(7) => Some(&Type::Complex),
        TypeId(8) => Some(&Type::Interface),
        _ => None,
    }
}

impl Type<'_> {
    fn describe(&self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Complex => "a complex number",
            Self::Bytes => "bytes",
            Self::String => "a string",
            Self::Interface => "an interface value",
            Self::List(_) => "a list",
            Self::Map { .. } => "a map",
            Self::Struct(_) => "a struct",
            Self::Opaque => "a value that codes itself",
        }
    }
}

/// The first value of a stream, not yet read, and the types that were defined before it.
#[derive(Debug)]
pub(super) struct Stream<'b> {
    types: HashMap<TypeId, Type<'b>>,
    root: TypeId,
    value: Cursor<'b>,
}

/// Reads the definitions up to the first value.
pub(super) fn open(bytes: &[u8]) -> Result<Stream<'_>, StateFileError> {
    let mut rest = Cursor {
        rest: bytes,
        end: bytes.len(),
    };
    let mut types = HashMap::new();
    loop {
        if rest.rest.is_empty() {
            return Err(rest.error("the groups", "the end of the file"));
        }
        let mut message = rest.chunk("a message")?;
        let offset = message.offset();
        let id = message.signed("the number of a type")?;
        if id < 0 {
            let id = TypeId(id.saturating_neg());
            let Entry::Vacant(place) = types.entry(id) else {
                return Err(StateFileError::new(
                    offset,
                    "each type to be defined once",
                    format!("type {} again", id.0),
                ));
            };
            place.insert(message.definition()?);
            message.finish("a definition")?;
            continue;
        }
        let mut stream = Stream {
            types,
            root: TypeId(id),
            value: message,
        };
        if !matches!(stream.get(stream.root, offset)?, Type::Struct(_)) {
            let offset = stream.value.offset();
            match stream.value.unsigned("a zero byte")? {
                0 => {}
                other => return Err(StateFileError::new(offset, "a zero byte", other.to_string())),
            }
        }
        return Ok(stream);
    }
}

impl<'b> Stream<'b> {
    /// The type of the value.
    pub(super) fn root(&self) -> TypeId {
        self.root
    }

    /// A reader at the beginning of the value.
    pub(super) fn values(&self) -> Values<'_, 'b> {
        Values {
            stream: self,
            cursor: self.value,
        }
    }

    fn get(&self, id: TypeId, offset: usize) -> Result<&Type<'b>, StateFileError> {
        predefined(id)
            .or_else(|| self.types.get(&id))
            .ok_or_else(|| StateFileError::new(offset, "a type that is defined", format!("type {}", id.0)))
    }
}

/// Reads a value, part by part, each as the type that the caller found in the part around it.
#[derive(Debug)]
pub(super) struct Values<'s, 'b> {
    stream: &'s Stream<'b>,
    cursor: Cursor<'b>,
}

/// The beginning of a map whose keys are strings. `count` times a key ([`Values::string`]) and an element follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringMap {
    pub(super) count: u64,
    pub(super) element: TypeId,
}

/// The fields of a struct. Between two calls of [`Fields::next`] the value of the field has to be read.
#[derive(Debug)]
pub(super) struct Fields<'s, 'b> {
    fields: &'s [Field<'b>],
    walk: FieldWalk,
}

impl<'s, 'b> Values<'s, 'b> {
    /// How far into the stream the next byte lies.
    pub(super) fn offset(&self) -> usize {
        self.cursor.offset()
    }

    /// Reads the beginning of a map.
    pub(super) fn string_map(&mut self, id: TypeId, what: &'static str) -> Result<StringMap, StateFileError> {
        match self.get(id)? {
            Type::Map { key: STRING, element } => Ok(StringMap {
                count: self.cursor.unsigned(what)?,
                element: *element,
            }),
            Type::Map { .. } => Err(self.cursor.error(what, "a map whose keys are no strings")),
            other => Err(self.cursor.error(what, other.describe())),
        }
    }

    /// Begins a struct, which takes no bytes by itself.
    pub(super) fn structure(
        &mut self,
        id: TypeId,
        what: &'static str,
    ) -> Result<Fields<'s, 'b>, StateFileError> {
        match self.get(id)? {
            Type::Struct(fields) => Ok(Fields {
                fields,
                walk: FieldWalk::default(),
            }),
            other => Err(self.cursor.error(what, other.describe())),
        }
    }

    /// Reads a value that codes itself.
    pub(super) fn opaque(&mut self, id: TypeId, what: &'static str) -> Result<&'b [u8], StateFileError> {
        match self.get(id)? {
            Type::Opaque => Ok(self.cursor.chunk(what)?.rest),
            other => Err(self.cursor.error(what, other.describe())),
        }
    }

    /// Reads a string, which need not be UTF-8.
    pub(super) fn string(&mut self, what: &'static str) -> Result<&'b [u8], StateFileError> {
        Ok(self.cursor.chunk(what)?.rest)
    }

    /// Reads a value that has to be a string.
    pub(super) fn string_of(&mut self, id: TypeId, what: &'static str) -> Result<&'b [u8], StateFileError> {
        match self.get(id)? {
            Type::String => self.string(what),
            other => Err(self.cursor.error(what, other.describe())),
        }
    }

    /// Passes over a value of any type except an interface value, whose type is defined within the value.
    pub(super) fn skip(&mut self, id: TypeId) -> Result<(), StateFileError> {
        self.skip_nested(id, 0)
    }

    fn skip_nested(&mut self, id: TypeId, depth: usize) -> Result<(), StateFileError> {
        const WHAT: &str = "a value";
        if depth == MAX_DEPTH {
            let expected = format!("values nested to at most {MAX_DEPTH} levels");
            return Err(self.cursor.error(expected, "a deeper one"));
        }
        match self.get(id)? {
            Type::Number => {
                self.cursor.unsigned(WHAT)?;
            }
            Type::Complex => {
                self.cursor.unsigned(WHAT)?;
                self.cursor.unsigned(WHAT)?;
            }
            Type::Bytes | Type::String | Type::Opaque => {
                self.cursor.chunk(WHAT)?;
            }
            Type::List(element) => {
                for _ in 0..self.cursor.unsigned(WHAT)? {
                    self.skip_nested(*element, depth + 1)?;
                }
            }
            Type::Map { key, element } => {
                for _ in 0..self.cursor.unsigned(WHAT)? {
                    self.skip_nested(*key, depth + 1)?;
                    self.skip_nested(*element, depth + 1)?;
                }
            }
            Type::Struct(fields) => {
                let mut fields = Fields {
                    fields,
                    walk: FieldWalk::default(),
                };
                while let Some(field) = fields.next(self)? {
                    self.skip_nested(field.id, depth + 1)?;
                }
            }
            Type::Interface => {
                let before = self.cursor;
                if self.cursor.unsigned(WHAT)? != 0 {
                    return Err(before.error("a field of a known type", Type::Interface.describe()));
                }
            }
        }
        Ok(())
    }

    /// Checks that nothing of the value is left.
    pub(super) fn finish(self) -> Result<(), StateFileError> {
        self.cursor.finish("the groups")
    }

    fn get(&self, id: TypeId) -> Result<&'s Type<'b>, StateFileError> {
        self.stream.get(id, self.cursor.offset())
    }
}

impl<'b> Fields<'_, 'b> {
    /// Moves on to the next field that the struct has a value for.
    pub(super) fn next(&mut self, values: &mut Values<'_, 'b>) -> Result<Option<Field<'b>>, StateFileError> {
        let offset = values.offset();
        let Some(index) = self.walk.next(&mut values.cursor)? else {
            return Ok(None);
        };
        let field = usize::try_from(index)
            .ok()
            .and_then(|index| self.fields.get(index));
        field.copied().map(Some).ok_or_else(|| {
            let expected = format!("a struct of {} fields", self.fields.len());
            StateFileError::new(offset, expected, format!("field {index}"))
        })
    }
}

/// The index of a struct's next field, coded as the difference to the one before.
#[derive(Debug, Default)]
struct FieldWalk {
    after_last: u64,
}

impl FieldWalk {
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, StateFileError> {
        let step = cursor.unsigned("a field or the end of a struct")?;
        let Some(gap) = step.checked_sub(1) else {
            return Ok(None);
        };
        let index = self.after_last.saturating_add(gap);
        self.after_last = index.saturating_add(1);
        Ok(Some(index))
    }
}

/// The bytes of a message or a value, and where in the stream they end.
#[derive(Debug, Clone, Copy)]
struct Cursor<'b> {
    rest: &'b [u8],
    end: usize,
}

impl<'b> Cursor<'b> {
    fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    fn error(
        &self,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> StateFileError {
        StateFileError::new(self.offset(), expected, found)
    }

    fn finish(&self, what: &str) -> Result<(), StateFileError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let found = format!("{} bytes more", self.rest.len());
        Err(self.error(format!("the end of {what}"), found))
    }

    fn unsigned(&mut self, what: &'static str) -> Result<u64, StateFileError> {
        let Some((&first, rest)) = self.rest.split_first() else {
            return Err(self.error(what, "the end of the message"));
        };
        if first < 0x80 {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        let width = usize::from(first.wrapping_neg());
        if width > 8 {
            let expected = format!("{what}, an integer of up to 8 bytes");
            return Err(self.error(expected, format!("one of {width} bytes")));
        }
        let Some((digits, rest)) = rest.split_at_checked(width) else {
            let expected = format!("{what}, an integer of {width} bytes");
            return Err(self.error(expected, format!("{} bytes", rest.len())));
        };
        self.rest = rest;
        Ok(digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, what: &'static str) -> Result<i64, StateFileError> {
        let coded = self.unsigned(what)?;
        let value = (coded >> 1).cast_signed();
        Ok(if coded & 1 == 0 { value } else { !value })
    }

    fn type_id(&mut self) -> Result<TypeId, StateFileError> {
        self.signed("the number of a type").map(TypeId)
    }

    /// Reads a length and the bytes behind it.
    fn chunk(&mut self, what: &'static str) -> Result<Self, StateFileError> {
        let before = *self;
        let length = self.unsigned(what)?;
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let Some((chunk, rest)) = split else {
            let found = format!("{} bytes", self.rest.len());
            return Err(before.error(format!("{what} of {length} bytes"), found));
        };
        self.rest = rest;
        Ok(Self {
            rest: chunk,
            end: self.offset(),
        })
    }

    fn definition(&mut self) -> Result<Type<'b>, StateFileError> {
        const WHAT: &str = "the definition of a type";
        let before = *self;
        let mut defined = None;
        let mut walk = FieldWalk::default();
        while let Some(kind) = walk.next(self)? {
            defined = Some(match kind {
                0 | 1 => {
                    let (element, _) = self.definition_of_ids()?;
                    Type::List(element)
                }
                STRUCT => Type::Struct(self.definition_of_struct()?),
                MAP => {
                    let (key, element) = self.definition_of_ids()?;
                    Type::Map { key, element }
                }
                CODES_ITSELF..=6 => {
                    self.definition_of_ids()?;
                    Type::Opaque
                }
                other => return Err(before.error(WHAT, format!("one of kind {other}"))),
            });
        }
        defined.ok_or_else(|| before.error(WHAT, "an empty one"))
    }

    /// Reads the definition of an array, list, map, or type that codes itself: the common part and up to two
    /// numbers. Missing ones are 0, which is no type.
    fn definition_of_ids(&mut self) -> Result<(TypeId, TypeId), StateFileError> {
        let (mut first, mut second) = (TypeId(0), TypeId(0));
        let mut walk = FieldWalk::default();
        while let Some(part) = walk.next(self)? {
            match part {
                0 => {
                    self.name_and_id()?;
                }
                1 => first = self.type_id()?,
                2 => second = self.type_id()?,
                other => return Err(self.unknown_part(other)),
            }
        }
        Ok((first, second))
    }

    fn definition_of_struct(&mut self) -> Result<Vec<Field<'b>>, StateFileError> {
        let mut fields = Vec::new();
        let mut walk = FieldWalk::default();
        while let Some(part) = walk.next(self)? {
            match part {
                0 => {
                    self.name_and_id()?;
                }
                1 => {
                    for _ in 0..self.unsigned("the fields of a struct")? {
                        fields.push(self.name_and_id()?);
                    }
                }
                other => return Err(self.unknown_part(other)),
            }
        }
        Ok(fields)
    }

    /// Reads a name and the number of a type: a field of a struct, and also the common part of definitions.
    fn name_and_id(&mut self) -> Result<Field<'b>, StateFileError> {
        let mut field = Field {
            name: &[],
            id: TypeId(0),
        };
        let mut walk = FieldWalk::default();
        while let Some(part) = walk.next(self)? {
            match part {
                0 => field.name = self.chunk("a name")?.rest,
                1 => field.id = self.type_id()?,
                other => return Err(self.unknown_part(other)),
            }
        }
        Ok(field)
    }

    fn unknown_part(&self, part: u64) -> StateFileError {
        self.error("a part of a type's definition", format!("part {part}"))
    }
}
