//! What an archive has, at a start.

use super::entry::{ArchiveDamage, File, Place};
use crate::{
    Sequence,
    disk::Disk,
    error::{DiskError, During},
    format::{self, ALIGNMENT, ArchiveHeader, BlockKind, FILE_HEADER_BYTES, HeaderError, Totals},
    read::Reader,
};

const ACTION: &str = "read archive";

/// An entry that was found.
#[derive(Debug, Clone, Copy)]
pub struct ArchivedEntry<'a> {
    /// Its number.
    pub id: Sequence,
    /// Where it stands.
    pub place: Place,
    /// How many records it has.
    pub records: u64,
    /// The last of its records.
    pub last_record: &'a [u8],
    /// What it takes on disk.
    pub bytes: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<File>,
    /// The number of the next file.
    pub(super) next: u64,
    pub(super) last: Sequence,
    pub(super) damage: Vec<ArchiveDamage>,
}

pub(super) fn all(disk: &dyn Disk, visit: &mut dyn FnMut(ArchivedEntry<'_>)) -> Result<Found, DiskError> {
    let folder = disk.describe();
    let names = disk.list().during("list archive", &folder)?;
    let (mut numbers, mut last_begun) = (Vec::new(), 0);
    for name in &names {
        if let Some(number) = format::archive_number(name) {
            numbers.push(number);
        } else if let Some(number) = name.strip_suffix(".tmp").and_then(format::archive_number) {
            // Begun, and never named. What stays is found again.
            drop(disk.remove(name));
            last_begun = last_begun.max(number);
        }
    }
    numbers.sort_unstable();
    let mut found = Found {
        next: numbers
            .last()
            .map_or(0, |last| *last)
            .max(last_begun)
            .saturating_add(1),
        ..Found::default()
    };
    for number in numbers {
        found.read(disk, number, visit)?;
    }
    Ok(found)
}

/// The entry that is being read.
struct Open {
    id: u64,
    offset: u64,
    totals: Totals,
    last_record: Vec<u8>,
}

impl Found {
    fn read(
        &mut self,
        disk: &dyn Disk,
        number: u64,
        visit: &mut dyn FnMut(ArchivedEntry<'_>),
    ) -> Result<(), DiskError> {
        let name = format::archive_name(number);
        let file = disk.open(&name).during(ACTION, &name)?;
        let mut reader = Reader::new(file).during(ACTION, &name)?;
        let header = ArchiveHeader::decode(reader.file_header().during(ACTION, &name)?);
        let header = match header {
            Ok(header) if header.number == number => header,
            Ok(_) => {
                self.set_aside(disk, &name, "the number in the header is not that in the name");
                return Ok(());
            }
            Err(HeaderError::Damaged(what)) => {
                self.set_aside(disk, &name, what);
                return Ok(());
            }
            Err(HeaderError::Newer(_)) => {
                self.tell(&name, 0, "it was written by a newer version");
                return Ok(());
            }
        };
        let is_next = self
            .files
            .last()
            .is_some_and(|before| before.number + 1 == number);
        if header.after > self.last.0 && is_next {
            let what = "entries that were written before this file was begun are missing";
            self.tell(&name, 0, what);
        }
        self.last = self.last.max(Sequence(header.after));
        let mut file = File {
            number,
            stamp: header.stamp,
            bytes: FILE_HEADER_BYTES as u64,
        };
        let what = self
            .read_entries(&mut reader, &mut file, visit)
            .during(ACTION, &name)?;
        if file.bytes < reader.length() {
            let search = file.bytes + ALIGNMENT as u64;
            if finds_an_end(&mut reader, file.stamp, search).during(ACTION, &name)? {
                self.tell(&name, file.bytes, what);
                // It counts as long as it is.
                file.bytes = reader.length();
            } else if let Ok(tail) = disk.open(&name) {
                // Never finished. What cannot be cut is not read the next time either.
                let _cut = tail.set_len(file.bytes);
            }
        }
        self.files.push(file);
        Ok(())
    }

    /// Reads entries up to the first place where there is none. Why there is none.
    fn read_entries(
        &mut self,
        reader: &mut Reader,
        file: &mut File,
        visit: &mut dyn FnMut(ArchivedEntry<'_>),
    ) -> std::io::Result<&'static str> {
        const ODD: &str = "expected the next block of an entry, found another one";
        let mut open: Option<Open> = None;
        let mut offset = file.bytes;
        loop {
            let block = match reader.block(file.stamp, offset)? {
                Ok(block) => block,
                Err(why) => return Ok(why.describe()),
            };
            let (id, first, end) = (
                block.header.synced,
                block.header.first,
                offset + block.header.stride(),
            );
            match block.header.kind {
                BlockKind::Records => {
                    let entry = open.get_or_insert_with(|| Open {
                        id,
                        offset,
                        totals: Totals { records: 0, bytes: 0 },
                        last_record: Vec::new(),
                    });
                    if entry.id != id || entry.totals.records + 1 != first {
                        return Ok(ODD);
                    }
                    let mut last = None;
                    for (_, record) in block.records(offset) {
                        entry.totals.records += 1;
                        entry.totals.bytes += record.len() as u64;
                        last = Some(record);
                    }
                    entry.last_record.clear();
                    entry.last_record.extend_from_slice(last.unwrap_or_default());
                }
                BlockKind::End => {
                    let totals = Totals::decode(block.payload());
                    let Some(entry) = open
                        .take()
                        .filter(|entry| entry.id == id && Some(entry.totals) == totals)
                    else {
                        return Ok(ODD);
                    };
                    visit(ArchivedEntry {
                        id: Sequence(id),
                        place: Place {
                            file: file.number,
                            offset: entry.offset,
                        },
                        records: entry.totals.records,
                        last_record: &entry.last_record,
                        bytes: end - entry.offset,
                    });
                    self.last = self.last.max(Sequence(id));
                    file.bytes = end;
                }
            }
            offset = end;
        }
    }

    fn tell(&mut self, name: &str, offset: u64, what: &'static str) {
        self.damage.push(ArchiveDamage {
            file: name.to_owned(),
            offset,
            what,
        });
    }

    fn set_aside(&mut self, disk: &dyn Disk, name: &str, what: &'static str) {
        self.tell(name, 0, what);
        // Where it cannot get another name, it is told of again at the next start.
        drop(disk.rename(name, &format!("{name}.damaged")));
    }
}

/// Whether an entry ends somewhere behind this place.
fn finds_an_end(reader: &mut Reader, stamp: u64, mut offset: u64) -> std::io::Result<bool> {
    while let Some((at, header)) = reader.find_header(stamp, offset)? {
        if header.kind == BlockKind::End {
            return Ok(true);
        }
        offset = at + ALIGNMENT as u64;
    }
    Ok(false)
}
