//! System calls that fail or wait, while the process that makes them runs.

use std::process::{Command, Stdio};

use crate::{Process, peers, until};

/// What `strace` does to a running process until this goes out of scope: to all its threads, those included that it starts
/// meanwhile.
#[derive(Debug)]
pub struct Tampering {
    strace: Process,
}

/// System calls that change a disk.
const WRITES: [&str; 8] = [
    "openat",
    "pwrite64",
    "ftruncate",
    "fdatasync",
    "fsync",
    "?rename",
    "renameat",
    "?unlink",
];

impl Tampering {
    /// Makes every change of the disk fail, as on one that is read-only.
    ///
    /// # Errors
    /// As [`Self::start`].
    #[track_caller]
    pub fn read_only(process: &Process) -> Result<Self, String> {
        Self::start(process, &WRITES, "error=EROFS")
    }

    /// Does to these system calls what `injection` says in the language of `strace --inject`: `error=EROFS`, or
    /// `delay_enter=1000` (microseconds).
    ///
    /// # Errors
    /// There is no `strace`, or the system does not let it; the text says what helps.
    #[track_caller]
    pub fn start(process: &Process, calls: &[&str], injection: &str) -> Result<Self, String> {
        let program = peers::strace().ok_or("there is no strace: `apt-get install strace`")?;
        let calls = calls.join(",");
        let mut command = Command::new(program);
        command.args([
            "--follow-forks",
            "--output=/dev/null",
            &format!("--trace={calls}"),
        ]);
        command.args([
            format!("--inject={calls}:{injection}"),
            format!("--attach={}", process.id()),
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut strace = Process::start(command);
        let ended = until("strace to be attached", || {
            // What it says is complete only once it has ended.
            let exit = strace.exited();
            let is_attached = strace.log().contains(" attached");
            (is_attached || exit.is_some()).then_some(exit.filter(|_| !is_attached))
        });
        match ended {
            None => Ok(Self { strace }),
            Some(exit) => Err(format!(
                "strace may not attach (in a container, CAP_SYS_PTRACE helps): {}",
                exit.stderr.trim_end()
            )),
        }
    }
}

impl Drop for Tampering {
    fn drop(&mut self) {
        // It lets go of the process in an orderly way, or has ended with it.
        if self.strace.exited().is_none() {
            self.strace.terminate();
            until("strace to let go", || self.strace.exited());
        }
    }
}
