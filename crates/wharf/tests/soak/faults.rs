//! What is done to a gateway while it is under load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use wharf_testkit::http::{Connection, put};
use wharf_testkit::{Exit, Gateway, Limit, Process, Random, Tampering, peers, until};

use crate::book::Book;

/// One thing at a time. Each ends with a kill, or now and then in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Only the end.
    None,
    /// The process stands still for a while, and again.
    Pause,
    /// Files may not grow beyond some kilobytes for a while. What writes gets an error, as on a full disk.
    FullDisk,
    /// Everything that would change the disk fails for a while, as after a remount.
    ReadOnlyDisk,
    /// One system call of those fails now and then, or each time, for a while, and the others do not.
    FaultyDisk,
    /// Writes and syncs take some hundred milliseconds for a while.
    SlowDisk,
    /// No file can be opened and no connection taken, for a while.
    NoDescriptors,
    /// There is hardly more memory than the process has, and large pushes come.
    Memory,
    /// The clock jumps, forward and back, by up to days.
    Clock,
}

/// The system calls by which the ledger brings a push to the disk. Connections, and the log of the process, use others.
const WRITES: [&str; 2] = ["pwrite64", "fdatasync"];
/// Those that change the disk besides. `openat` is among them although it opens files for reading too: the injection knows
/// a call, not what it is for. Not every processor has those with a question mark.
const CHANGES: [&str; 6] = ["openat", "ftruncate", "?rename", "renameat", "?unlink", "fsync"];

/// Lines of a large push, at most.
const LARGE_LINES: usize = 100_000;
const LARGE_PUSHES: usize = 8;
/// How much more memory there is than the process has, at most.
const SPARE_BYTES: usize = 64 << 20;

impl Fault {
    pub(crate) const ALL: [Self; 9] = [
        Self::None,
        Self::Pause,
        Self::FullDisk,
        Self::ReadOnlyDisk,
        Self::FaultyDisk,
        Self::SlowDisk,
        Self::NoDescriptors,
        Self::Memory,
        Self::Clock,
    ];

    /// What keeps it from being inflicted on this machine.
    pub(crate) fn obstacle(self) -> Option<String> {
        match self {
            Self::Clock => peers::faketime()
                .is_none()
                .then(|| "there is no libfaketime: `apt-get install faketime`".to_owned()),
            Self::ReadOnlyDisk | Self::FaultyDisk | Self::SlowDisk => {
                let mut sleeper = Command::new("sleep");
                sleeper.arg("60");
                Tampering::start(&Process::start(sleeper), &WRITES, "error=EROFS").err()
            }
            _ => None,
        }
    }

    /// The shell script that becomes the gateway, which is `$0` with its arguments.
    pub(crate) fn script(self, folder: &Path) -> String {
        let environment = match self {
            Self::Clock => {
                let file = clock_file(folder);
                fs::write(&file, "+0").unwrap();
                let library = peers::faketime().expect("looked for before");
                format!(
                    "LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1",
                    library.display(),
                    file.display()
                )
            }
            // Otherwise the allocator has reserved a gigabyte before any limit is there.
            Self::Memory => "MIMALLOC_DISALLOW_ARENA_ALLOC=1".to_owned(),
            _ => String::new(),
        };
        // An ignored signal stays ignored, and writing beyond a limit is an error instead of the end.
        format!(r#"trap '' XFSZ; {environment} exec "$0" "$@""#)
    }

    /// Does it, and waits until the gateway has recovered if it is over before the end. Otherwise it lasts, in some cases
    /// as long as what is returned.
    pub(crate) fn inflict(
        self,
        gateway: &Gateway,
        folder: &Path,
        book: &Book,
        random: &mut Random,
    ) -> Option<Tampering> {
        sleep_up_to(1000, random);
        match self {
            Self::None => {}
            Self::Pause => {
                for _ in 0..3 {
                    gateway.pause();
                    sleep_up_to(600, random);
                    gateway.resume();
                    sleep_up_to(200, random);
                }
            }
            Self::FullDisk => {
                let bytes = random.below(64) as u64 * 1024;
                while_limited(gateway, Limit::FileBytes, bytes, book, random);
            }
            Self::ReadOnlyDisk => {
                let tampering = tamper(gateway, &[&WRITES[..], &CHANGES].concat(), "error=EROFS");
                until("pushes to be refused", || {
                    (probe(gateway) == Some(503)).then_some(())
                });
                return while_tampered(gateway, tampering, book, random);
            }
            Self::FaultyDisk => {
                let is_rare = random.one_in(3);
                let call = *random.pick(if is_rare { &CHANGES[..] } else { &WRITES });
                let error = *random.pick(&["EIO", "ENOSPC"]);
                let (first, step) = (1 + random.below(3), 1 + random.below(5));
                let injection = format!("error={error}:when={first}+{step}");
                let tampering = tamper(gateway, &[call], &injection);
                return while_tampered(gateway, tampering, book, random);
            }
            Self::SlowDisk => {
                let microseconds = random.below(500_000);
                let tampering = tamper(gateway, &WRITES, &format!("delay_enter={microseconds}"));
                return while_tampered(gateway, tampering, book, random);
            }
            Self::NoDescriptors => while_limited(gateway, Limit::Descriptors, 5, book, random),
            Self::Memory => {
                let spare = random.below(SPARE_BYTES) as u64;
                let bytes = gateway.address_space_bytes().expect("it runs") + spare;
                gateway.limit(Limit::AddressSpace, Some(bytes));
                push_much(gateway, random);
                if random.one_in(2) {
                    gateway.limit(Limit::AddressSpace, None);
                    push_much(gateway, random);
                    // Who has got through it goes on as if nothing had been.
                    until("pushes to be taken again, or the end", || {
                        let has_ended = gateway.address_space_bytes().is_none();
                        (has_ended || probe(gateway) == Some(200)).then_some(())
                    });
                }
            }
            Self::Clock => {
                for _ in 0..6 {
                    let hours = random.below(100);
                    let sign = random.pick(&["+", "-"]);
                    fs::write(clock_file(folder), format!("{sign}{hours}h")).unwrap();
                    sleep_up_to(300, random);
                }
            }
        }
        None
    }

    /// Whether a process that this was done to may end like that.
    pub(crate) fn explains(self, exit: &Exit) -> bool {
        match (exit.code, exit.signal) {
            (Some(0), _) | (_, Some(9)) => true,
            // Who may not write to the end says so.
            (Some(1), _) => matches!(
                self,
                Self::FullDisk | Self::ReadOnlyDisk | Self::FaultyDisk | Self::NoDescriptors
            ),
            // Without memory it aborts.
            (_, Some(6)) => self == Self::Memory,
            _ => false,
        }
    }
}

fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

fn while_limited(gateway: &Gateway, limit: Limit, number: u64, book: &Book, random: &mut Random) {
    gateway.limit(limit, Some(number));
    sleep_up_to(1000, random);
    // In the middle of it, sometimes, the process ends.
    if random.one_in(3) {
        return;
    }
    gateway.limit(limit, None);
    recovered(gateway, book);
}

fn tamper(gateway: &Gateway, calls: &[&str], injection: &str) -> Tampering {
    Tampering::start(gateway, calls, injection).expect("tried before")
}

fn while_tampered(
    gateway: &Gateway,
    tampering: Tampering,
    book: &Book,
    random: &mut Random,
) -> Option<Tampering> {
    sleep_up_to(1000, random);
    if random.one_in(3) {
        return Some(tampering);
    }
    drop(tampering);
    recovered(gateway, book);
    None
}

fn recovered(gateway: &Gateway, book: &Book) {
    until("pushes to be taken again", || {
        (probe(gateway) == Some(200)).then_some(())
    });
    book.disk_works();
}

/// What a push is answered, if it is.
fn probe(gateway: &Gateway) -> Option<u16> {
    let mut connection = Connection::open(gateway.address()).ok()?;
    let push = put("/metrics/job/probe").body("probe 1\n");
    Some(connection.send(&push).ok()?.status)
}

/// Large pushes of what is soon gone again, while there is somebody who takes them.
fn push_much(gateway: &Gateway, random: &mut Random) {
    for _ in 0..LARGE_PUSHES {
        let Ok(mut connection) = Connection::open(gateway.address()) else {
            return;
        };
        let lines = (0..random.below(LARGE_LINES)).map(|n| format!("large{{n=\"{n}\"}} {n}\n"));
        let push = put("/metrics/job/large?ttl=1s").body(lines.collect::<String>());
        // Whatever becomes of it.
        drop(connection.send(&push));
    }
}

fn sleep_up_to(milliseconds: usize, random: &mut Random) {
    thread::sleep(Duration::from_millis(random.below(milliseconds) as u64));
}
