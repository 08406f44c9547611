//! From the files of a folder to the records in them.
//!
//! Recovery only reads. A tail that is cut is cut by the next segment, whose header says where the log goes on; so
//! recovery that is itself interrupted by a power cut simply runs again.

use std::io;

use crate::{
    Sequence,
    disk::Disk,
    error::{BoxError, Damage, DiskError, During, OpenError, Stake},
    format::{
        self, BlockHeader, BlockKind, CheckpointHeader, FILE_HEADER_BYTES, FileKind, HeaderError,
        SegmentHeader, Start, Totals, Unreadable,
    },
    read::Reader,
};

/// One record, as recovery finds it.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// Its number; for a record of a checkpoint, that of the checkpoint.
    pub sequence: Sequence,
    /// Whether it is one of the checkpoint: these come first.
    pub is_of_checkpoint: bool,
    /// What was appended.
    pub record: &'a [u8],
}

/// Who is given the records of a ledger.
pub trait Replay {
    /// A record of the log that is going to be replayed, unless the log turns out to be damaged. All of these come, in their
    /// order, before the first record is replayed: so whoever replays them can know what a later one replaces. Those of the
    /// checkpoint are not among them.
    fn look_ahead(&mut self, record: Replayed<'_>);

    /// A record to be replayed.
    ///
    /// # Errors
    /// It cannot be; or, if it is a [`NotReplayed`], an earlier one could not.
    fn replay(&mut self, record: Replayed<'_>) -> Result<(), BoxError>;

    /// That was the last record, or what comes next cannot be read.
    ///
    /// # Errors
    /// As [`Self::replay`].
    fn finish(&mut self) -> Result<(), BoxError>;
}

/// A record that could not be replayed, if that turns out when later ones have been handed over.
#[derive(Debug, thiserror::Error)]
#[error("record {sequence}: {cause}")]
pub struct NotReplayed {
    /// The record.
    pub sequence: Sequence,
    /// Why.
    pub cause: BoxError,
}

/// What recovery has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The checkpoint that was read; 0 if there was none.
    pub checkpoint: Sequence,
    /// The last record of the log of which the checkpoint may have effects: it was written while others were appended. The
    /// state is known as it was just after this record, or a later one, and not before.
    pub settled: Sequence,
    /// Records of the checkpoint.
    pub checkpoint_records: u64,
    /// Records of the log after the checkpoint.
    pub log_records: u64,
    /// Bytes of the checkpoint.
    pub checkpoint_bytes: u64,
    /// Bytes of the log after the checkpoint.
    pub log_bytes: u64,
    /// The last record; the next one appended has the number after it.
    pub last: Sequence,
    /// The log ended in something that was begun and never acknowledged, and is now cut.
    pub torn: Option<Torn>,
    /// The last one to use the ledger closed it.
    pub clean: bool,
}

/// Where a log was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub file: String,
    /// Where the part begins that counts no more, in bytes.
    pub offset: u64,
}

/// A record and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocatedRecord<'a> {
    pub(crate) file: &'a str,
    pub(crate) offset: u64,
    pub(crate) checkpoint: bool,
    pub(crate) sequence: u64,
    /// As [`Recovery::settled`]; of a record of the checkpoint that is not known yet, and 0.
    pub(crate) settled: u64,
    pub(crate) record: &'a [u8],
}

impl<'a> From<LocatedRecord<'a>> for Replayed<'a> {
    fn from(found: LocatedRecord<'a>) -> Self {
        Self {
            sequence: Sequence(found.sequence),
            is_of_checkpoint: found.checkpoint,
            record: found.record,
        }
    }
}

/// A segment of the folder.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) id: u64,
    pub(crate) header: SegmentHeader,
    pub(crate) reader: Reader,
    /// Records above this number are void: a later segment says where the log went on.
    pub(crate) limit: u64,
    /// The first block, if there is one.
    first: Option<BlockHeader>,
}

impl Segment {
    /// The first record that could stand here, if the segment alone can tell.
    fn starts(&self) -> Option<u64> {
        match self.header.start {
            Some(Start { follows, .. }) => Some(follows.saturating_add(1)),
            None => self
                .first
                .map(|block| block.first)
                .filter(|first| *first <= self.limit),
        }
    }

    /// Whether nothing was ever written here.
    pub(crate) fn is_unused(&self) -> bool {
        self.first.is_none() && self.header.start.is_none()
    }
}

/// A file that cannot be read at all.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) name: String,
    pub(crate) error: HeaderError,
}

/// The files of a folder, in order.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) segments: Vec<Segment>,
    /// Newest first.
    pub(crate) checkpoints: Vec<(u64, String)>,
    pub(crate) spares: Vec<String>,
    pub(crate) temporaries: Vec<String>,
    pub(crate) rejected: Vec<Rejected>,
    /// Segments that the checkpoint covers; they are not read.
    pub(crate) covered: Vec<u64>,
    /// The highest number a segment has, readable or not.
    pub(crate) last_id: u64,
}

impl Survey {
    /// Looks at every file of the folder, and at the headers of the segments.
    pub(crate) fn of(disk: &dyn Disk) -> Result<Self, DiskError> {
        let mut survey = Self::default();
        let mut names = disk.list().during("list ledger folder", &disk.describe())?;
        // Numbers in names have leading zeros: this is the order of the segments.
        names.sort_unstable();
        for name in names {
            match FileKind::of(&name) {
                FileKind::Segment(id) => survey.add_segment(disk, name, id)?,
                FileKind::Checkpoint(sequence) => survey.checkpoints.push((sequence, name)),
                FileKind::Spare => survey.spares.push(name),
                FileKind::Temporary => survey.temporaries.push(name),
                FileKind::Other => {}
            }
        }
        survey.checkpoints.reverse();
        let mut limit = u64::MAX;
        for segment in survey.segments.iter_mut().rev() {
            segment.limit = limit;
            if let Some(start) = segment.header.start {
                limit = limit.min(start.follows);
            }
        }
        Ok(survey)
    }

    fn add_segment(&mut self, disk: &dyn Disk, name: String, id: u64) -> Result<(), DiskError> {
        const ACTION: &str = "read log segment";
        self.last_id = self.last_id.max(id);
        let file = disk.open(&name).during(ACTION, &name)?;
        let mut reader = Reader::new(file).during(ACTION, &name)?;
        let header = SegmentHeader::decode(reader.file_header().during(ACTION, &name)?);
        match header {
            Ok(header) if header.id == id => {
                let first = reader
                    .block_header(header.stamp, FILE_HEADER_BYTES as u64)
                    .during(ACTION, &name)?;
                self.segments.push(Segment {
                    name,
                    id,
                    header,
                    reader,
                    limit: u64::MAX,
                    first: first.ok(),
                });
            }
            Ok(_) => {
                let error = HeaderError::Damaged("the header says another number than the name");
                self.rejected.push(Rejected { name, error });
            }
            Err(error) => self.rejected.push(Rejected { name, error }),
        }
        Ok(())
    }

    /// Forgets segments that a checkpoint covers, as far as that can be told without reading them.
    fn forget_covered(&mut self, checkpoint: u64) {
        let covered = |segment: &Segment| {
            segment
                .starts()
                .is_some_and(|start| start <= checkpoint.saturating_add(1))
        };
        let needed = self.segments.iter().rposition(covered).unwrap_or(0);
        self.covered
            .extend(self.segments.drain(..needed).map(|segment| segment.id));
    }

    /// The newest checkpoint.
    pub(crate) fn checkpoint(&self) -> Option<&(u64, String)> {
        self.checkpoints.first()
    }
}

/// Who is called with each record.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(LocatedRecord<'_>) -> Result<(), BoxError>;

/// Why recovery stopped.
#[derive(Debug)]
pub(crate) enum Stopped {
    Io(DiskError),
    Damaged(Damage),
    Newer { file: String, found: u32 },
    Refused { sequence: u64, cause: BoxError },
}

impl From<DiskError> for Stopped {
    fn from(error: DiskError) -> Self {
        Self::Io(error)
    }
}

impl Stopped {
    pub(crate) fn at(self, disk: &dyn Disk) -> OpenError {
        let folder = disk.describe();
        match self {
            Self::Io(error) => OpenError::Io(error),
            Self::Damaged(damage) => OpenError::Damaged { folder, damage },
            Self::Newer { file, found } => OpenError::Newer {
                folder,
                file,
                found,
                known: format::VERSION,
            },
            Self::Refused { sequence, cause } => {
                let (sequence, cause) = match cause.downcast() {
                    Ok(earlier) => {
                        let NotReplayed { sequence, cause } = *earlier;
                        (sequence, cause)
                    }
                    Err(cause) => (Sequence(sequence), cause),
                };
                OpenError::Refused {
                    folder,
                    sequence,
                    cause,
                }
            }
        }
    }

    fn header(file: &str, error: HeaderError, stake: Stake) -> Self {
        match error {
            HeaderError::Newer(found) => Self::Newer {
                file: file.to_owned(),
                found,
            },
            HeaderError::Damaged(what) => Self::Damaged(Damage {
                file: file.to_owned(),
                offset: 0,
                what,
                stake,
            }),
        }
    }
}

/// Reads the newest checkpoint and the log after it, and calls `visit` with each record in order.
pub(crate) fn recover(disk: &dyn Disk, survey: &mut Survey, visit: Visit<'_>) -> Result<Recovery, Stopped> {
    if let Some(rejected) = survey.rejected.first() {
        return Err(Stopped::header(&rejected.name, rejected.error, Stake::Segment));
    }
    let (mut recovery, mut through) = (Recovery::default(), 0);
    if let Some((sequence, name)) = survey.checkpoint() {
        let read = read_checkpoint(disk, name, *sequence, visit)?;
        recovery.checkpoint = Sequence(*sequence);
        recovery.checkpoint_records = read.records;
        recovery.checkpoint_bytes = read.bytes;
        recovery.settled = Sequence(read.through.max(*sequence));
        through = read.through;
    }
    survey.forget_covered(recovery.checkpoint.0);
    Walk {
        checkpoint: recovery.checkpoint.0,
        through,
        recovery,
        position: None,
        stop: None,
        skipped: false,
    }
    .run(&mut survey.segments, visit)
}

/// Calls `visit` with each record of the log that [`recover`] is going to visit behind the checkpoint, as far as the log can be
/// read: what is wrong with it is for [`recover`] to say, which comes to the same place.
///
/// # Errors
/// If the disk cannot be read just now. That need not come again, and then somebody would know of less than there is.
pub(crate) fn look_ahead(survey: &mut Survey, mut visit: impl FnMut(Replayed<'_>)) -> Result<(), Stopped> {
    if !survey.rejected.is_empty() {
        return Ok(());
    }
    let checkpoint = survey.checkpoint().map_or(0, |(sequence, _)| *sequence);
    survey.forget_covered(checkpoint);
    let walk = Walk {
        checkpoint,
        through: 0,
        recovery: Recovery::default(),
        position: None,
        stop: None,
        skipped: false,
    };
    let mut visit = |found: LocatedRecord<'_>| {
        visit(found.into());
        Ok(())
    };
    match walk.along(&mut survey.segments, &mut visit) {
        Err(Stopped::Io(error)) => Err(Stopped::Io(error)),
        // It is read again, and refused then.
        Ok(_) | Err(Stopped::Damaged(_) | Stopped::Newer { .. } | Stopped::Refused { .. }) => Ok(()),
    }
}

/// What was read of a checkpoint.
#[derive(Debug)]
struct ReadCheckpoint {
    records: u64,
    /// Length of the file.
    bytes: u64,
    /// The last record of the log that may have had an effect on it.
    through: u64,
}

/// Reads a checkpoint from its header to its end mark.
fn read_checkpoint(
    disk: &dyn Disk,
    name: &str,
    sequence: u64,
    visit: Visit<'_>,
) -> Result<ReadCheckpoint, Stopped> {
    const ACTION: &str = "read checkpoint";
    let mut reader = disk.open(name).and_then(Reader::new).during(ACTION, name)?;
    let header = CheckpointHeader::decode(reader.file_header().during(ACTION, name)?)
        .and_then(|header| {
            let named_right = header.sequence == sequence;
            named_right.then_some(header).ok_or(HeaderError::Damaged(
                "the header says another number than the name",
            ))
        })
        .map_err(|error| Stopped::header(name, error, Stake::Checkpoint { readable: 0 }))?;
    let mut offset = FILE_HEADER_BYTES as u64;
    let mut totals = Totals { records: 0, bytes: 0 };
    loop {
        let damaged = |what: &'static str| {
            let stake = Stake::Checkpoint {
                readable: totals.records,
            };
            Stopped::Damaged(Damage {
                file: name.to_owned(),
                offset,
                what,
                stake,
            })
        };
        let block = match reader.block(header.stamp, offset).during(ACTION, name)? {
            Ok(block) if block.header.first == totals.records + 1 => block,
            Ok(_) => return Err(damaged("expected the next block, found another")),
            Err(why) => return Err(damaged(why.describe())),
        };
        if block.header.kind == BlockKind::End {
            if Totals::decode(block.payload()) != Some(totals) {
                return Err(damaged("the totals of the end mark do not match"));
            }
            return Ok(ReadCheckpoint {
                records: totals.records,
                through: block.header.synced,
                bytes: reader.length(),
            });
        }
        for (offset, record) in block.records(offset) {
            totals.records += 1;
            totals.bytes += record.len() as u64;
            visit(LocatedRecord {
                file: name,
                offset,
                checkpoint: true,
                sequence,
                settled: 0,
                record,
            })
            .map_err(|cause| Stopped::Refused { sequence, cause })?;
        }
        offset += block.header.stride();
    }
}

/// What is wrong with a segment that no other one leads to.
const LEADS_NOWHERE: &str = "the segment goes on where no file leads to; a file before it is missing";

/// A place where the log could not be read on.
#[derive(Debug, Clone, Copy)]
struct Stop {
    /// Index of the segment.
    segment: usize,
    offset: u64,
    what: Unreadable,
}

/// The way along the log.
struct Walk {
    checkpoint: u64,
    /// The checkpoint may have effects of records up to here, so they must be there.
    through: u64,
    recovery: Recovery,
    /// The last record of the log so far; `None` before the first block.
    position: Option<u64>,
    /// The first place where the log stopped, unless a later segment has taken it up again.
    stop: Option<Stop>,
    /// A block was found that does not follow on what was read.
    skipped: bool,
}

impl Walk {
    /// Visits the records of all segments, as far as they can be read.
    fn along(mut self, segments: &mut [Segment], visit: Visit<'_>) -> Result<Self, Stopped> {
        for index in 0..segments.len() {
            let (before, rest) = segments.split_at_mut(index);
            let Some(segment) = rest.first_mut() else { break };
            self.segment(before, segment, index, visit)?;
        }
        Ok(self)
    }

    fn run(mut self, segments: &mut [Segment], visit: Visit<'_>) -> Result<Recovery, Stopped> {
        self = self.along(segments, visit)?;
        self.judge_end(segments)?;
        if self.reached() < self.through {
            let checkpoint = format::checkpoint_name(self.recovery.checkpoint);
            let what =
                "the log ends before the records that the checkpoint has effects of; a segment is missing";
            return Err(self.missing(segments, (&checkpoint, what), self.through));
        }
        self.recovery.last = Sequence(self.reached());
        Ok(self.recovery)
    }

    /// The last record whose effect is known, from checkpoint or log.
    fn reached(&self) -> u64 {
        self.position.unwrap_or(0).max(self.checkpoint)
    }

    fn segment(
        &mut self,
        before: &[Segment],
        segment: &mut Segment,
        index: usize,
        visit: Visit<'_>,
    ) -> Result<(), Stopped> {
        const ACTION: &str = "read log segment";
        let name = segment.name.clone();
        if let Some(Start { follows, begins }) = segment.header.start {
            if self.reached() < follows {
                return Err(self.missing(before, (&name, LEADS_NOWHERE), follows));
            }
            self.position = Some(begins - 1);
            self.take_up();
        } else if let (None, Some(block)) = (self.position, segment.first) {
            if block.first > self.checkpoint.saturating_add(1) {
                return Err(self.missing(before, (&name, LEADS_NOWHERE), block.first - 1));
            }
            self.position = Some(block.first.saturating_sub(1));
        }
        let mut offset = FILE_HEADER_BYTES as u64;
        loop {
            let expected = self.position.map(|position| position.saturating_add(1));
            let block = match segment
                .reader
                .block(segment.header.stamp, offset)
                .during(ACTION, &name)?
            {
                Ok(block) if expected.is_none_or(|expected| expected == block.header.first) => block,
                found => {
                    self.skipped |= found.is_ok();
                    let what = found.err().unwrap_or(Unreadable::Nothing);
                    self.stop.get_or_insert(Stop {
                        segment: index,
                        offset,
                        what,
                    });
                    return Ok(());
                }
            };
            let header = block.header;
            let last = header.last().unwrap_or(header.first);
            if header.first > segment.limit {
                return Ok(());
            }
            self.take_up();
            self.recovery.clean = header.kind == BlockKind::End;
            let mut counted = false;
            for (sequence, (offset, record)) in (header.first..).zip(block.records(offset)) {
                if sequence <= self.checkpoint || sequence > segment.limit {
                    continue;
                }
                counted = true;
                self.recovery.log_records += 1;
                visit(LocatedRecord {
                    file: &name,
                    offset,
                    checkpoint: false,
                    sequence,
                    settled: self.recovery.settled.0,
                    record,
                })
                .map_err(|cause| Stopped::Refused { sequence, cause })?;
            }
            if counted {
                self.recovery.log_bytes += header.stride();
            }
            self.position = Some(last.min(segment.limit));
            offset += header.stride();
        }
    }

    /// The log goes on, so the places before where it seemed to stop were only the ends of segments.
    fn take_up(&mut self) {
        self.stop = None;
        self.skipped = false;
        self.recovery.clean = false;
    }

    /// Records up to `to` must be there, and are not. What is damaged is the place where the log stopped; the file of
    /// `otherwise` if it did not.
    fn missing(&self, before: &[Segment], otherwise: (&str, &'static str), to: u64) -> Stopped {
        let (file, offset, what) = match self.stop.and_then(|stop| Some((before.get(stop.segment)?, stop))) {
            Some((segment, stop)) => (segment.name.clone(), stop.offset, stop.what.describe()),
            None => (otherwise.0.to_owned(), 0, otherwise.1),
        };
        let stake = Stake::Records {
            from: Sequence(self.reached().saturating_add(1)),
            to: Sequence(to),
        };
        Stopped::Damaged(Damage {
            file,
            offset,
            what,
            stake,
        })
    }

    /// Tells a tail that was never acknowledged from damage: what is acknowledged was on stable storage before
    /// any later block was begun, and later blocks say so.
    fn judge_end(&mut self, segments: &mut [Segment]) -> Result<(), Stopped> {
        let Some(stop) = self.stop else { return Ok(()) };
        if self.recovery.clean {
            return Ok(());
        }
        let reached = self.reached();
        let mut torn = self.skipped || stop.what != Unreadable::Nothing;
        for (index, segment) in segments.iter_mut().enumerate().skip(stop.segment) {
            let from = if index == stop.segment {
                stop.offset
            } else {
                FILE_HEADER_BYTES as u64
            };
            let found = highest_synced(segment, from).during("read log segment", &segment.name)?;
            torn |= found.is_some();
            if let Some(synced) = found.filter(|synced| *synced > reached) {
                let name = segment.name.clone();
                return Err(self.missing(segments, (&name, LEADS_NOWHERE), synced));
            }
        }
        if torn {
            let file = segments
                .get(stop.segment)
                .map(|segment| segment.name.clone())
                .unwrap_or_default();
            self.recovery.torn = Some(Torn {
                file,
                offset: stop.offset,
            });
        }
        Ok(())
    }
}

/// The highest number that an intact block header from `offset` on says was on stable storage.
pub(crate) fn highest_synced(segment: &mut Segment, mut offset: u64) -> io::Result<Option<u64>> {
    let mut highest = None;
    while let Some((at, header)) = segment.reader.find_header(segment.header.stamp, offset)? {
        highest = highest.max(Some(header.synced));
        // Not by the block's length: the header may stand in the middle of something else.
        offset = at + format::ALIGNMENT as u64;
    }
    Ok(highest)
}
