//! A disk in memory that does what disks do when the power goes.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Disk, DiskFile, DiskLock, LockError};
use crate::lock;

/// What survives of a write that was not synced is decided for pieces of this length.
const SECTOR_BYTES: u64 = 512;

/// What happens at a call to a [`SimulatedDisk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this call and all later ones fail. [`SimulatedDisk::crash`] gives what is found afterwards.
    PowerCut,
    /// This call fails, and the next one works.
    Once(io::ErrorKind),
    /// This call fails, and so do all that follow and change something, until [`SimulatedDisk::heal`].
    Lasting(io::ErrorKind),
}

/// A disk in memory. Clones are handles to the same disk.
///
/// What was written and not synced is lost in a power cut, or is found in part, and in any order; the same holds for
/// the names of files. After a sync that has failed, part of what it should have brought to stable storage is there,
/// and no later sync brings the rest, although it can be read until the power goes.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    /// The names on stable storage, and what was done to them since.
    synced_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    locked: bool,
    calls: u64,
    planned: Option<(u64, Fault)>,
    dead: bool,
    failing: Option<io::ErrorKind>,
    capacity: Option<u64>,
    random: Random,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    current: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Create(String, usize),
    /// From a name to another, and the file that had it: an entry of a folder names a file, whatever becomes of the
    /// entries before it.
    Rename(String, String, usize),
    Remove(String),
}

/// Numbers for tests: xorshift.
#[derive(Debug, Clone)]
struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// How much of what was not synced survives.
#[derive(Debug, Clone, Copy)]
enum Survival {
    Nothing,
    Everything,
    Some,
}

impl Survival {
    fn draw(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::Nothing,
            1 => Self::Everything,
            _ => Self::Some,
        }
    }

    fn keeps(self, random: &mut Random) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some => random.coin(),
        }
    }
}

/// A disk that does nothing: whoever calls it waits until this is dropped.
#[derive(Debug)]
#[must_use = "the disk goes on when it is dropped"]
pub struct Paused<'d> {
    _world: MutexGuard<'d, World>,
}

impl SimulatedDisk {
    /// An empty disk. `seed` decides what survives a power cut.
    pub fn new(seed: u64) -> Self {
        let random = Random(Random::default().0 ^ seed.wrapping_mul(0xA076_1D64_78BD_642F) | 1);
        Self {
            world: Arc::new(Mutex::new(World {
                random,
                ..World::default()
            })),
        }
    }

    /// Calls to the disk so far.
    pub fn calls(&self) -> u64 {
        lock(&self.world).calls
    }

    /// Plans a fault for the call after `calls` more.
    pub fn fail_after(&self, calls: u64, fault: Fault) {
        let mut world = lock(&self.world);
        world.planned = Some((world.calls + calls + 1, fault));
    }

    /// Lets all calls wait, this one's own too, until the result is dropped: what is written meanwhile comes together then.
    pub fn pause(&self) -> Paused<'_> {
        Paused {
            _world: lock(&self.world),
        }
    }

    /// Ends a lasting fault, and forgets a planned one.
    pub fn heal(&self) {
        let mut world = lock(&self.world);
        world.planned = None;
        world.failing = None;
    }

    /// Lets the files together have at most this many bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.world).capacity = bytes;
    }

    /// Cuts the power, and gives the disk as it is found afterwards. On this one, nothing works any more.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut world = lock(&self.world);
        world.dead = true;
        let mut random = world.random.clone();
        let survival = Survival::draw(&mut random);
        let files: Vec<_> = world
            .files
            .iter()
            .map(|file| file.after_crash(survival, &mut random))
            .collect();
        let mut names = world.synced_names.clone();
        let survival = Survival::draw(&mut random);
        for change in &world.pending_names {
            if survival.keeps(&mut random) {
                change.apply(&mut names);
            }
        }
        let found = World {
            files,
            synced_names: names.clone(),
            names,
            random,
            ..World::default()
        };
        Self {
            world: Arc::new(Mutex::new(found)),
        }
    }

    /// An independent copy of the disk as it is, with everything synced.
    #[must_use]
    pub fn copied(&self) -> Self {
        let world = lock(&self.world);
        let settled = |file: &Contents| Contents {
            current: file.current.clone(),
            synced: file.current.clone(),
            pending: Vec::new(),
        };
        let copy = World {
            files: world.files.iter().map(settled).collect(),
            names: world.names.clone(),
            synced_names: world.names.clone(),
            random: world.random.clone(),
            ..World::default()
        };
        Self {
            world: Arc::new(Mutex::new(copy)),
        }
    }

    /// The names and contents of all files.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let world = lock(&self.world);
        let contents = |id: &usize| {
            world
                .files
                .get(*id)
                .map(|file| file.current.clone())
                .unwrap_or_default()
        };
        world
            .names
            .iter()
            .map(|(name, id)| (name.clone(), contents(id)))
            .collect()
    }

    /// Puts a file on the disk, as if it had always been there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut world = lock(&self.world);
        let id = world.files.len();
        world.files.push(Contents {
            current: bytes.to_vec(),
            synced: bytes.to_vec(),
            pending: Vec::new(),
        });
        world.names.insert(name.to_owned(), id);
        world.synced_names.insert(name.to_owned(), id);
    }

    /// Flips one bit of a file. Returns whether there is such a bit.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u32) -> bool {
        let mut world = lock(&self.world);
        let Some(&id) = world.names.get(name) else {
            return false;
        };
        let Some(file) = world.files.get_mut(id) else {
            return false;
        };
        let mut flipped = false;
        for byte in [file.current.get_mut(offset), file.synced.get_mut(offset)]
            .into_iter()
            .flatten()
        {
            *byte ^= 1_u8.rotate_left(bit);
            flipped = true;
        }
        flipped
    }
}

impl World {
    /// Counts a call, and says how it goes.
    fn call(&mut self, changes: bool) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        self.calls += 1;
        if let Some((_, fault)) = self.planned.take_if(|(call, _)| *call <= self.calls) {
            match fault {
                Fault::PowerCut => {
                    self.dead = true;
                    return Err(io::Error::other("the power is off"));
                }
                Fault::Once(kind) => return Err(kind.into()),
                Fault::Lasting(kind) => self.failing = Some(kind),
            }
        }
        match self.failing {
            Some(kind) if changes => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn has_room(&self, id: usize, end: u64) -> bool {
        let Some(capacity) = self.capacity else {
            return true;
        };
        let length = |id: &usize| self.files.get(*id).map_or(0, |file| file.current.len() as u64);
        let used: u64 = self.names.values().map(length).sum();
        let grown = end.saturating_sub(length(&id));
        grown == 0 || used + grown <= capacity
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, id) => drop(names.insert(name.clone(), *id)),
            Self::Rename(from, to, id) => {
                if names.get(from) == Some(id) {
                    names.remove(from);
                }
                names.insert(to.clone(), *id);
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl Contents {
    fn apply(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// A sync that has failed: what it should have written is marked as written all the same.
    fn sync_badly(&mut self, random: &mut Random) {
        for change in self.pending.drain(..) {
            if random.coin() {
                change.apply(&mut self.synced);
            }
        }
    }

    fn after_crash(&self, survival: Survival, random: &mut Random) -> Self {
        let mut found = self.synced.clone();
        for (index, change) in self.pending.iter().enumerate() {
            let last = index + 1 == self.pending.len();
            change.apply_in_part(&mut found, survival, last, random);
        }
        Self {
            current: found.clone(),
            synced: found,
            pending: Vec::new(),
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: new } => write(bytes, *offset, new),
            Self::Length(length) => bytes.resize(usize::try_from(*length).unwrap_or(0), 0),
        }
    }

    fn apply_in_part(&self, found: &mut Vec<u8>, survival: Survival, last: bool, random: &mut Random) {
        let Self::Write { offset, bytes } = self else {
            if survival.keeps(random) {
                self.apply(found);
            }
            return;
        };
        // The last write may stop anywhere; before, sectors are whole.
        let torn = last && matches!(survival, Survival::Some) && random.coin();
        if torn {
            let kept = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap_or(0);
            write(found, *offset, bytes.get(..kept).unwrap_or_default());
            return;
        }
        let mut at = *offset;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let room = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).unwrap_or(1);
            let (sector, after) = rest.split_at(room.min(rest.len()));
            if survival.keeps(random) {
                write(found, at, sector);
            }
            at += sector.len() as u64;
            rest = after;
        }
    }
}

fn write(bytes: &mut Vec<u8>, offset: u64, new: &[u8]) {
    let Ok(offset) = usize::try_from(offset) else {
        return;
    };
    let end = offset + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(offset..end) {
        place.copy_from_slice(new);
    }
}

impl Disk for SimulatedDisk {
    fn describe(&self) -> String {
        "simulated disk".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = lock(&self.world);
        world.call(true)?;
        let known = world.names.get(name).copied();
        let id = known.unwrap_or(world.files.len());
        if let Some(file) = world.files.get_mut(id) {
            // As on a real disk: the file stays the same, and is emptied.
            file.apply(Change::Length(0));
        } else {
            world.files.push(Contents::default());
            world.change_names(NameChange::Create(name.to_owned(), id));
        }
        Ok(Box::new(SimulatedFile {
            world: Arc::clone(&self.world),
            id,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = lock(&self.world);
        world.call(false)?;
        let id = *world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimulatedFile {
            world: Arc::clone(&self.world),
            id,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.call(true)?;
        let id = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        world.change_names(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.call(true)?;
        if !world.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change_names(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut world = lock(&self.world);
        world.call(false)?;
        Ok(world.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.call(true)?;
        world.pending_names.clear();
        world.synced_names = world.names.clone();
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn DiskLock>, LockError> {
        let mut world = lock(&self.world);
        world.call(false).map_err(LockError::Io)?;
        if world.locked {
            return Err(LockError::Held {
                holder: "another handle".to_owned(),
            });
        }
        world.locked = true;
        Ok(Box::new(SimulatedLock {
            world: Arc::clone(&self.world),
        }))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    world: Arc<Mutex<World>>,
    id: usize,
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = lock(&self.world);
        world.call(false)?;
        let bytes = world
            .files
            .get(self.id)
            .map(|file| file.current.as_slice())
            .unwrap_or_default();
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer
            .split_at_mut(length)
            .0
            .copy_from_slice(rest.split_at(length).0);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        let called = world.call(true);
        let room = world.has_room(self.id, offset + bytes.len() as u64);
        let Some(file) = world.files.get_mut(self.id) else {
            return called;
        };
        if called.is_ok() && room {
            file.apply(Change::Write {
                offset,
                bytes: bytes.to_vec(),
            });
            return Ok(());
        }
        if room {
            // A write that fails may have done part of its work.
            let done = usize::try_from(world.random.below(bytes.len() as u64 + 1)).unwrap_or(0);
            let bytes = bytes.split_at(done).0.to_vec();
            file.apply(Change::Write { offset, bytes });
        }
        called.and(Err(io::ErrorKind::StorageFull.into()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        let called = world.call(true);
        let dead = world.dead;
        let Some(file) = world.files.get_mut(self.id) else {
            return called;
        };
        match called {
            Ok(()) => file.sync(),
            Err(_) if dead => {}
            Err(_) => file.sync_badly(&mut world.random),
        }
        called
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut world = lock(&self.world);
        world.call(true)?;
        if !world.has_room(self.id, length) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(file) = world.files.get_mut(self.id) {
            file.apply(Change::Length(length));
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut world = lock(&self.world);
        world.call(false)?;
        Ok(world
            .files
            .get(self.id)
            .map_or(0, |file| file.current.len() as u64))
    }
}

#[derive(Debug)]
struct SimulatedLock {
    world: Arc<Mutex<World>>,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        lock(&self.world).locked = false;
    }
}
