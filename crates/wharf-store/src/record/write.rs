//! Writing records.

use wharf_model::{Denied, GroupingKey, Meter};

use super::layout::{
    ADDED_UP, CONTRADICTS, DELETE, DELETE_FAMILIES, EXPIRES, GOES, GOES_BUT_FOR_TIMES, HAS_EXACT, HAS_HELP,
    INFINITY_ADDED, LIVES_FOR_EVER, PUSH_IDS, PUT, SEVERAL, SINGLE, UTF8_NAMES, WIPE, WITH_IDS, type_code,
};
use crate::PushId;
use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::parts::FamilyParts;

/// The record of a group's families.
pub(crate) fn put<'a>(
    key: &GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    families: impl ExactSizeIterator<Item = FamilyParts<'a>> + Clone,
) -> Vec<u8> {
    let mut out = begin_put(key, mode, lifetime, bytes_of(families.clone()));
    write_families(&mut out, families);
    out
}

/// The same, with the id of the push that it is of.
pub(crate) fn put_once<'a>(
    key: &GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    (families, id): (impl ExactSizeIterator<Item = FamilyParts<'a>> + Clone, PushId),
) -> Vec<u8> {
    let bytes = put_bytes(key, families.clone()) + PUSH_ID_BYTES + HEAD_BYTES;
    let mut out = Vec::with_capacity(bytes);
    out.push(WITH_IDS);
    write_put(&mut out, (key, mode, lifetime), families);
    write_push_ids(&mut out, &[id]);
    out
}

/// A record of ids of pushes, whose groups are in other records.
pub(crate) fn push_ids(ids: &[PushId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * PUSH_ID_BYTES + HEAD_BYTES);
    out.push(WITH_IDS);
    write_push_ids(&mut out, ids);
    out
}

/// A record that changes nothing. When it is on stable storage, all before it is.
pub(crate) fn nothing() -> Vec<u8> {
    vec![SEVERAL]
}

/// The most that the record of a group's families takes.
pub(crate) fn put_bytes<'a>(key: &GroupingKey, families: impl Iterator<Item = FamilyParts<'a>>) -> usize {
    bytes_of(families) + key.as_bytes().len() + HEAD_BYTES
}

/// What a record has before its families and their group.
const HEAD_BYTES: usize = 32;

fn bytes_of<'a>(families: impl Iterator<Item = FamilyParts<'a>>) -> usize {
    families.map(|family| family.record_bytes()).sum()
}

/// A put record up to its families, with room for so many bytes of these.
fn begin_put(
    key: &GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    families_bytes: usize,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(families_bytes + key.as_bytes().len() + HEAD_BYTES);
    out.extend_from_slice(&[version_of(lifetime), PUT, mode_code(mode)]);
    write_bytes(&mut out, key.as_bytes());
    if lifetime.is_some() {
        write_lifetime(&mut out, lifetime);
    }
    out
}

/// The record of a group's end.
pub(crate) fn delete(key: &GroupingKey) -> Vec<u8> {
    let mut out = vec![SINGLE];
    write_delete(&mut out, key);
    out
}

/// The record of the end of all groups.
pub(crate) fn wipe() -> Vec<u8> {
    vec![SINGLE, WIPE]
}

/// What a group has of some families, to be put back one day. Families have to come in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Image {
    families: usize,
    body: Vec<u8>,
}

impl Image {
    /// An image with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            families: 0,
            body: Vec::with_capacity(bytes),
        }
    }

    pub(crate) fn add(&mut self, family: &FamilyParts<'_>) {
        write_family(&mut self.body, family);
        self.families += 1;
    }

    /// The record that puts it back.
    pub(crate) fn into_record(self, key: &GroupingKey, lifetime: Option<Lifetime>) -> Vec<u8> {
        let mut out = begin_put(key, PushMode::ReplaceFamilies, lifetime, self.body.len());
        write_length(&mut out, self.families);
        out.extend_from_slice(&self.body);
        out
    }
}

/// A record of several changes in the making.
#[derive(Debug)]
pub(crate) struct Several {
    out: Vec<u8>,
    ids: Vec<PushId>,
}

impl Several {
    pub(crate) fn new() -> Self {
        Self {
            out: vec![SEVERAL],
            ids: Vec::new(),
        }
    }

    /// Makes room for changes of so many bytes.
    pub(crate) fn reserve(&mut self, bytes: usize, memory: &Meter<'_>) -> Result<(), Denied> {
        memory.reserve(&mut self.out, bytes)
    }

    pub(crate) fn put<'a>(
        &mut self,
        key: &GroupingKey,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        families: impl ExactSizeIterator<Item = FamilyParts<'a>>,
    ) {
        write_put(&mut self.out, (key, mode, lifetime), families);
    }

    pub(crate) fn delete(&mut self, key: &GroupingKey) {
        write_delete(&mut self.out, key);
    }

    pub(crate) fn wipe(&mut self) {
        self.out.push(WIPE);
    }

    pub(crate) fn delete_families<'n>(
        &mut self,
        key: &GroupingKey,
        names: impl ExactSizeIterator<Item = &'n str>,
    ) {
        self.out.push(DELETE_FAMILIES);
        write_bytes(&mut self.out, key.as_bytes());
        write_length(&mut self.out, names.len());
        for name in names {
            write_bytes(&mut self.out, name.as_bytes());
        }
    }

    /// The id of the push that was put last.
    pub(crate) fn add_id(&mut self, id: Option<PushId>) {
        self.ids.extend(id);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if !self.ids.is_empty() {
            if let Some(version) = self.out.first_mut() {
                *version = WITH_IDS;
            }
            write_push_ids(&mut self.out, &self.ids);
        }
        self.out
    }
}

/// What an id takes.
const PUSH_ID_BYTES: usize = 32;

fn write_push_ids(out: &mut Vec<u8>, ids: &[PushId]) {
    out.push(PUSH_IDS);
    write_length(out, ids.len());
    for PushId { name, body, at } in ids {
        out.extend_from_slice(name);
        out.extend_from_slice(body);
        out.extend_from_slice(&at.0.to_le_bytes());
    }
}

/// A put in a record of several changes.
fn write_put<'a>(
    out: &mut Vec<u8>,
    (key, mode, lifetime): (&GroupingKey, PushMode, Option<Lifetime>),
    families: impl ExactSizeIterator<Item = FamilyParts<'a>>,
) {
    out.extend([PUT, mode_code(mode)]);
    write_bytes(out, key.as_bytes());
    write_lifetime(out, lifetime);
    write_families(out, families);
}

fn version_of(lifetime: Option<Lifetime>) -> u8 {
    if lifetime.is_none() { SINGLE } else { SEVERAL }
}

fn write_delete(out: &mut Vec<u8>, key: &GroupingKey) {
    out.push(DELETE);
    write_bytes(out, key.as_bytes());
}

fn mode_code(mode: PushMode) -> u8 {
    match mode {
        PushMode::ReplaceGroup => 0,
        // Series are merged into whole families, or added to them, before they are stored.
        PushMode::ReplaceFamilies | PushMode::ReplaceSeries | PushMode::Aggregate(_) => 1,
    }
}

fn write_lifetime(out: &mut Vec<u8>, lifetime: Option<Lifetime>) {
    let Some(Lifetime { ttl, expires_at }) = lifetime else {
        out.push(LIVES_FOR_EVER);
        return;
    };
    out.push(if ttl.keep_times { GOES_BUT_FOR_TIMES } else { GOES });
    let after = i64::try_from(ttl.after.as_nanos()).unwrap_or(i64::MAX);
    out.extend_from_slice(&after.to_le_bytes());
    out.extend_from_slice(&expires_at.0.to_le_bytes());
}

fn write_families<'a>(out: &mut Vec<u8>, families: impl ExactSizeIterator<Item = FamilyParts<'a>>) {
    write_length(out, families.len());
    for family in families {
        write_family(out, &family);
    }
}

fn write_family(out: &mut Vec<u8>, family: &FamilyParts<'_>) {
    write_bytes(out, family.name.as_bytes());
    out.push(type_code(family.metric_type));
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(
        flag(family.help.is_some(), HAS_HELP)
            | flag(family.shape.utf8_names, UTF8_NAMES)
            | flag(family.shape.infinity_added, INFINITY_ADDED)
            | flag(family.shape.contradicts, CONTRADICTS)
            | flag(family.shape.added_up, ADDED_UP)
            | flag(family.shape.expires, EXPIRES)
            | flag(family.exact.is_some(), HAS_EXACT),
    );
    if let Some(help) = family.help {
        write_bytes(out, help.as_bytes());
    }
    write_bytes(out, family.unit.as_bytes());
    out.extend_from_slice(&family.pushed_at.0.to_le_bytes());
    write_bytes(out, family.text);
    if let Some(exact) = family.exact {
        write_bytes(out, exact);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(0x80 | low_bits(length));
        length >>= 7;
    }
    out.push(low_bits(length));
}

fn low_bits(length: usize) -> u8 {
    u8::try_from(length & 0x7f).unwrap_or(0)
}
