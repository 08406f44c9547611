//! Writing a state file group by group.
//!
//! The one value of the file stands behind its length, and the groups behind their number. Both are known at the end, so there is
//! room for them, which is filled then.

use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};

use wharf_store::UnixNanos;

use super::gob::STRING;
use super::gob::write::{Definition, chunk, definitions, nth, type_id, unsigned, wide};
use super::{FAMILY, Family, Group, LABELS, MAX_BYTES, METRICS, TIMESTAMP, YEAR_1_TO_1970_SECONDS};

/// A state file that is being written. It is none before [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<W: Write + Seek> {
    out: Counted<BufWriter<W>>,
    /// Where the file begins.
    start: u64,
    /// Behind how many bytes the length of the value stands.
    length_at: u64,
    /// Where the number of groups stands.
    count_at: u64,
    groups: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file where `out` stands.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(mut out: W) -> io::Result<Self> {
        let start = out.stream_position()?;
        let mut out = Counted {
            out: BufWriter::new(out),
            bytes: 0,
        };
        let [groups, group, labels, families, family, time, message] = [0, 1, 2, 3, 4, 5, 6].map(nth);
        let types = [
            Definition::MapOf(group),
            Definition::Struct(&[(LABELS, labels), (METRICS, families)]),
            Definition::MapOf(STRING),
            Definition::MapOf(family),
            Definition::Struct(&[(TIMESTAMP, time), (FAMILY, message)]),
            Definition::Opaque,
            Definition::Opaque,
        ];
        definitions(&mut out, &types)?;
        let length_at = out.bytes;
        out.write_all(&wide(0))?;
        type_id(&mut out, groups)?;
        // A value that is no struct begins so.
        unsigned(&mut out, 0)?;
        let count_at = out.bytes;
        out.write_all(&wide(0))?;
        Ok(Self {
            out,
            start,
            length_at,
            count_at,
            groups: 0,
        })
    }

    /// Appends a group, which must not be there yet.
    ///
    /// # Errors
    /// If it cannot be written, or the file would have more than [`MAX_BYTES`].
    pub fn group(&mut self, group: &Group<'_>) -> io::Result<()> {
        self.groups += 1;
        let out = &mut self.out;
        chunk(out, group.key.as_bytes())?;
        unsigned(out, 1)?;
        unsigned(out, group.key.labels().count() as u64)?;
        for (name, value) in group.key.labels() {
            chunk(out, name.as_bytes())?;
            chunk(out, value.as_bytes())?;
        }
        unsigned(out, 1)?;
        unsigned(out, group.families.len() as u64)?;
        for family in &group.families {
            write_family(out, family)?;
        }
        unsigned(out, 0)?;
        if self.out.bytes > MAX_BYTES {
            let error = format!("expected a state file of at most {MAX_BYTES} bytes, found more groups");
            return Err(io::Error::new(ErrorKind::FileTooLarge, error));
        }
        Ok(())
    }

    /// Fills in what was not known before, and gives the file back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let Counted { mut out, bytes } = self.out;
        let value = self.length_at + wide(0).len() as u64;
        for (at, number) in [
            (self.length_at, bytes.saturating_sub(value)),
            (self.count_at, self.groups),
        ] {
            out.seek(SeekFrom::Start(self.start + at))?;
            out.write_all(&wide(number))?;
        }
        out.seek(SeekFrom::Start(self.start + bytes))?;
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn write_family(out: &mut impl Write, family: &Family<'_>) -> io::Result<()> {
    chunk(out, family.name.as_bytes())?;
    unsigned(out, 1)?;
    chunk(out, &go_time(family.pushed_at))?;
    unsigned(out, 1)?;
    chunk(out, family.message)?;
    unsigned(out, 0)
}

/// A time as Go writes it, in version 1, whose zone is UTC.
fn go_time(at: UnixNanos) -> Vec<u8> {
    const NANOS: i64 = 1_000_000_000;
    let seconds = at.0.div_euclid(NANOS) + YEAR_1_TO_1970_SECONDS;
    // Below a thousand million.
    let nanos = u32::try_from(at.0.rem_euclid(NANOS)).unwrap_or_default();
    [
        &[1][..],
        &seconds.to_be_bytes(),
        &nanos.to_be_bytes(),
        &[0xff, 0xff],
    ]
    .concat()
}

/// What counts the bytes that are written.
#[derive(Debug)]
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
