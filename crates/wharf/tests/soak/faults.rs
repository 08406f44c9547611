//! What is done to a gateway while it is under load.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use wharf_testkit::http::{Connection, put};
use wharf_testkit::{Gateway, Limit, Random, until};

/// One thing at a time. Each ends with a kill, or now and then in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Only the end.
    None,
    /// The process stands still for a while, and again.
    Pause,
    /// Files may not grow beyond some kilobytes for a while. What writes gets an error, as on a full disk.
    FullDisk,
    /// No file can be opened and no connection taken, for a while.
    NoDescriptors,
    /// The clock jumps, forward and back, by up to days.
    Clock,
}

/// Makes the system's clock say what a file says, without touching that of others.
const CLOCK_LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

impl Fault {
    pub(crate) const ALL: [Self; 5] = [
        Self::None,
        Self::Pause,
        Self::FullDisk,
        Self::NoDescriptors,
        Self::Clock,
    ];

    /// The shell script that becomes the gateway, which is `$0` with its arguments.
    pub(crate) fn script(self, folder: &Path) -> String {
        let clock = self.clock_library().map(|library| {
            let file = clock_file(folder);
            fs::write(&file, "+0").unwrap();
            format!(
                "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1; ",
                library.display(),
                file.display()
            )
        });
        // An ignored signal stays ignored, and writing beyond a limit is an error instead of the end.
        format!(r#"trap '' XFSZ; {}exec "$0" "$@""#, clock.unwrap_or_default())
    }

    /// Does it, and waits until the gateway has recovered if it is over before the end.
    pub(crate) fn inflict(self, gateway: &Gateway, folder: &Path, random: &mut Random) {
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
                while_limited(gateway, Limit::FileBytes, bytes, random);
            }
            Self::NoDescriptors => while_limited(gateway, Limit::Descriptors, 5, random),
            Self::Clock => {
                for _ in 0..6 {
                    let hours = random.below(100);
                    let sign = random.pick(&["+", "-"]);
                    fs::write(clock_file(folder), format!("{sign}{hours}h")).unwrap();
                    sleep_up_to(300, random);
                }
            }
        }
    }

    /// Whether something is kept from the process that it needs.
    pub(crate) fn is_denial(self) -> bool {
        matches!(self, Self::FullDisk | Self::NoDescriptors)
    }

    fn clock_library(self) -> Option<&'static Path> {
        let mut libraries = CLOCK_LIBRARIES.into_iter().map(Path::new);
        let found = libraries.find(|library| library.exists())?;
        (self == Self::Clock).then_some(found)
    }
}

fn clock_file(folder: &Path) -> PathBuf {
    folder.join("clock")
}

fn while_limited(gateway: &Gateway, limit: Limit, number: u64, random: &mut Random) {
    gateway.limit(limit, Some(number));
    sleep_up_to(1000, random);
    // In the middle of it, sometimes, the process ends.
    if random.one_in(3) {
        return;
    }
    gateway.limit(limit, None);
    until("pushes to be taken again", || {
        let mut connection = Connection::open(gateway.address()).ok()?;
        let push = put("/metrics/job/probe").body("probe 1\n");
        (connection.send(&push).ok()?.status == 200).then_some(())
    });
}

fn sleep_up_to(milliseconds: usize, random: &mut Random) {
    thread::sleep(Duration::from_millis(random.below(milliseconds) as u64));
}
