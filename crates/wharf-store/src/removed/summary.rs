//! What is said of a removal, as the last record of an entry.
//!
//! ```text
//! summary = version (241) 1 of at kind flags groups series bytes by address what    behind what was removed
//!         | version (241) 2 of at                                                       it was undone
//! ```
//!
//! `of` is the number of the removal: one of very many groups has several entries. Numbers have 8 bytes, little endian; times
//! are nanoseconds since the Unix epoch; kind and flags (1: found by a start) have one byte. Strings stand behind their length,
//! which has 4 bytes.

use super::{Author, RemovalKind};
use crate::{Revision, UnixNanos};

/// No version of a record of changes, so that neither is taken for the other.
const VERSION: u8 = 0xf1;
const REMOVED: u8 = 1;
const UNDONE: u8 = 2;

const RECOVERED: u8 = 1;

/// What an entry says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Summary {
    Removed(Removed),
    /// The removal was undone.
    Undone {
        of: Revision,
        at: UnixNanos,
    },
}

/// What an entry has of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) of: Revision,
    pub(crate) at: UnixNanos,
    pub(crate) kind: RemovalKind,
    pub(crate) is_recovered: bool,
    pub(crate) author: Author,
    pub(crate) counts: Counts,
}

/// How much was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) groups: u64,
    pub(crate) series: u64,
    pub(crate) bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Self) {
        self.groups += more.groups;
        self.series += more.series;
        self.bytes += more.bytes;
    }
}

impl Summary {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Removed(removed) => {
                out.push(REMOVED);
                out.extend_from_slice(&removed.of.0.to_le_bytes());
                out.extend_from_slice(&removed.at.0.to_le_bytes());
                out.push(kind_code(removed.kind));
                out.push(if removed.is_recovered { RECOVERED } else { 0 });
                let Counts {
                    groups,
                    series,
                    bytes,
                } = removed.counts;
                for number in [groups, series, bytes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
                let Author { by, address, what } = &removed.author;
                for text in [by, address, what] {
                    write_text(&mut out, text);
                }
            }
            Self::Undone { of, at } => {
                out.push(UNDONE);
                out.extend_from_slice(&of.0.to_le_bytes());
                out.extend_from_slice(&at.0.to_le_bytes());
            }
        }
        out
    }

    /// None if it is no summary, or one of a later version. What stands behind what is known is passed over.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let ([VERSION], [what]) = (reader.array()?, reader.array()?) else {
            return None;
        };
        let of = Revision(reader.number()?);
        let at = UnixNanos(i64::from_le_bytes(reader.array()?));
        match what {
            UNDONE => Some(Self::Undone { of, at }),
            REMOVED => {
                let ([kind], [flags]) = (reader.array()?, reader.array()?);
                Some(Self::Removed(Removed {
                    of,
                    at,
                    kind: kind_of(kind)?,
                    is_recovered: flags & RECOVERED != 0,
                    counts: Counts {
                        groups: reader.number()?,
                        series: reader.number()?,
                        bytes: reader.number()?,
                    },
                    author: Author {
                        by: reader.text()?,
                        address: reader.text()?,
                        what: reader.text()?,
                    },
                }))
            }
            _ => None,
        }
    }
}

fn kind_code(kind: RemovalKind) -> u8 {
    match kind {
        RemovalKind::Wipe => 1,
        RemovalKind::Selector => 2,
        RemovalKind::Group => 3,
        RemovalKind::Family => 4,
    }
}

fn kind_of(code: u8) -> Option<RemovalKind> {
    let kinds = [
        RemovalKind::Wipe,
        RemovalKind::Selector,
        RemovalKind::Group,
        RemovalKind::Family,
    ];
    kinds.into_iter().find(|kind| kind_code(*kind) == code)
}

/// A text is never longer than a request, so its length fits.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(0);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes().get(..length as usize).unwrap_or_default());
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let removed = Summary::Removed(Removed {
            of: Revision(7),
            at: UnixNanos(-3),
            kind: RemovalKind::Family,
            is_recovered: true,
            author: Author {
                by: "user `ä`".to_owned(),
                address: "::1".to_owned(),
                what: String::new(),
            },
            counts: Counts {
                groups: 1,
                series: 2,
                bytes: u64::MAX,
            },
        });
        let undone = Summary::Undone {
            of: Revision(7),
            at: UnixNanos(1),
        };
        for summary in [removed, undone] {
            let bytes = summary.encode();
            assert_eq!(Summary::decode(&bytes), Some(summary));
            for length in 0..bytes.len() {
                assert_eq!(Summary::decode(&bytes[..length]), None, "{length}");
            }
            let mut later = bytes.clone();
            later[0] += 1;
            assert_eq!(Summary::decode(&later), None);
        }
    }
}
