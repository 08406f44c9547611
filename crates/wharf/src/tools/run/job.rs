//! The job: a process of its own, signals on their way to it, what it has used, and the end of its time.

use std::ffi::{OsString, c_long};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::descendants::{self, Descendants, Process};
use super::script;

/// The signals that are passed on to the job.
const PASSED_ON: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TERM,
    Signal::WINCH,
];

/// Those among them by which somebody wants a process to end.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

/// What happens while something is waited for.
#[derive(Debug)]
pub(super) enum Event {
    /// A signal came.
    Signal(Signal, Cause),
    /// The job has ended, and is still there to be waited for; or what is done beside is done.
    Ended,
}

impl Event {
    /// Whether somebody wants this process to end.
    pub(super) fn is_wish_to_end(&self) -> bool {
        matches!(self, Self::Signal(signal, _) if ENDING.contains(signal))
    }
}

/// Tells that something has ended when it goes out of scope.
#[derive(Debug)]
pub(super) struct Notice(Sender<Event>);

impl Drop for Notice {
    fn drop(&mut self) {
        // Nobody listens any more if this process is about to end.
        let _unheard = self.0.send(Event::Ended);
    }
}

/// Signals to this process, and the end of the job, in the order in which they come.
#[derive(Debug)]
pub(super) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// From now on signals that would end this process are told here instead.
    ///
    /// A signal that this process ignores stays so, and the job will ignore it too: that is how `nohup` works.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        // Of whoever ignores it, the system keeps no children to be waited for. It is handed down by careless parents.
        signal_hook::flag::register(Signal::CHILD.as_raw(), Arc::default())?;
        let ignored = ignored_signals();
        let signals = PASSED_ON
            .into_iter()
            .map(Signal::as_raw)
            .filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = SignalsInfo::<WithOrigin>::new(signals)?;
        thread::spawn({
            let sender = sender.clone();
            move || {
                for origin in signals.forever() {
                    let Origin { signal, cause, .. } = origin;
                    let Some(signal) = Signal::from_named_raw(signal) else {
                        continue;
                    };
                    if sender.send(Event::Signal(signal, cause)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { sender, receiver })
    }

    /// The next event; an error if none comes until the deadline.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Result<Event, RecvTimeoutError> {
        match deadline {
            Some(deadline) => self
                .receiver
                .recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// What tells here that something done beside has ended.
    pub(super) fn notice_of_end(&self) -> Notice {
        Notice(self.sender.clone())
    }
}

/// The signals that this process ignores, as bits; none where the system does not say.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// For how long a job may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// Then it is asked to end (SIGTERM), with all that it has started.
    pub(super) timeout: Duration,
    /// So long after that what is still there is made to end (SIGKILL).
    pub(super) grace: Duration,
}

/// How often is looked whether anything is left of a job whose time is over and that has ended itself.
const LOOK: Duration = Duration::from_millis(50);

/// So often what is left is killed. A process that the system holds gets it when it is let go, and what starts new ones faster
/// than they are found is left behind.
const MOST_KILLS: u32 = 40;

/// A running job.
#[derive(Debug)]
pub(super) struct Job {
    child: Child,
    pid: Pid,
    /// Whether it leads a process group of its own.
    has_group: bool,
    /// What comes of it, if its time is limited and the system tells.
    descendants: Option<Descendants>,
    before: Option<Usage>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ending {
    /// The exit code, as a shell would report it: 128 and the number of the signal that ended it.
    pub(super) code: u8,
    /// Whether it took longer than it was allowed to.
    pub(super) timed_out: bool,
    /// Whether somebody wanted it, and so us, to end.
    pub(super) was_asked_to_end: bool,
    /// What it used, with all processes that it has waited for; if its time was limited, also with those that lost their parents
    /// and ended before it.
    pub(super) used: Option<Used>,
}

impl Ending {
    /// The end of a program that could not be started, with the exit code that shells have for it.
    pub(super) fn not_started(error: &io::Error) -> Self {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        Self {
            code: if is_missing { 127 } else { 126 },
            timed_out: false,
            was_asked_to_end: false,
            used: None,
        }
    }
}

/// What a job used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    /// Processor time in its own code, in seconds.
    pub(super) user_seconds: f64,
    /// Processor time in the system's code, in seconds.
    pub(super) system_seconds: f64,
    /// The most memory that one of its processes had; nothing if a process before the job had more.
    pub(super) max_resident_bytes: Option<u64>,
    /// Read from storage, not from caches.
    pub(super) read_bytes: u64,
    /// Written to storage.
    pub(super) written_bytes: u64,
}

impl Job {
    /// Starts a program with the standard streams of this process, in its process group; with the shell if it is a script
    /// that the system does not start.
    ///
    /// Of one that may run for a limited time only, all that it starts is kept track of, so that the end of its time reaches
    /// it. It leads a group of its own too, whose processes get a signal at the same moment; but not on a terminal, from which it
    /// could not read then.
    pub(super) fn start(
        command: &[OsString],
        variables: &[(&str, OsString)],
        is_limited: bool,
    ) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let before = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
        let descendants = is_limited.then(Descendants::adopt).flatten();
        let has_group = is_limited && File::open("/dev/tty").is_err();
        let spawn = |command: &mut Command| {
            command
                .args(arguments)
                .envs(variables.iter().map(|(name, value)| (name, value)));
            if has_group {
                command.process_group(0);
            }
            command.spawn()
        };
        let child = spawn(&mut Command::new(program)).or_else(|error| {
            let is_unknown = error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error());
            match script::of_program(program).filter(|_| is_unknown) {
                Some(script) => spawn(Command::new(script::SHELL).arg(script)).map_err(|_| error),
                None => Err(error),
            }
        })?;
        let pid = Pid::from_child(&child);
        Ok(Self {
            child,
            pid,
            has_group,
            descendants,
            before,
        })
    }

    /// Passes signals on until the job ends. If its time is over before that, this returns when all that came of it has ended.
    pub(super) fn wait(mut self, events: &Events, limit: Option<Limit>) -> io::Result<Ending> {
        self.report_the_end(events.notice_of_end());
        let started = Instant::now();
        let mut deadline = limit.and_then(|limit| started.checked_add(limit.timeout));
        let mut kill_at = None;
        let (mut timed_out, mut was_asked_to_end) = (false, false);
        loop {
            let event = events.next(deadline);
            was_asked_to_end |= event.as_ref().is_ok_and(Event::is_wish_to_end);
            match event {
                // What the kernel sends comes from the terminal, and goes to all processes there, the job included.
                Ok(Event::Signal(_, Cause::Kernel)) => {}
                Ok(Event::Signal(signal, _)) => {
                    // Only a job that has just ended does not get it.
                    let _ended = kill_process(self.pid, signal);
                }
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if timed_out => {
                    deadline = None;
                    self.signal_all(Signal::KILL);
                }
                Err(RecvTimeoutError::Timeout) => {
                    timed_out = true;
                    kill_at = limit.and_then(|limit| Instant::now().checked_add(limit.grace));
                    deadline = kill_at;
                    self.signal_all(Signal::TERM);
                    // A process that is stopped could not act on it.
                    self.signal_all(Signal::CONT);
                }
            }
        }
        if timed_out {
            self.end_the_rest(events, kill_at, &mut was_asked_to_end);
        }
        let status = self.child.wait()?;
        Ok(Ending {
            code: code(status),
            timed_out,
            was_asked_to_end,
            used: self.used(),
        })
    }

    /// Until the job has been waited for, its process id is taken, so no signal can reach a stranger.
    fn report_the_end(&self, notice: Notice) {
        let (pid, has_orphans) = (self.pid, self.descendants.is_some());
        thread::spawn(move || {
            let _notice = notice;
            if has_orphans {
                descendants::reap_orphans_until_the_end_of(pid);
            }
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        });
    }

    fn signal_all(&self, signal: Signal) {
        let send = if self.has_group {
            kill_process_group
        } else {
            kill_process
        };
        // Only a job that has just ended does not get it.
        let _ended = send(self.pid, signal);
        // Nobody gets it twice.
        let has_it = |process: &Process| self.has_group && process.group == self.pid.as_raw_pid();
        for process in self.others().iter().filter(|process| !has_it(process)) {
            process.signal(signal);
        }
    }

    /// The processes that came of the job and live, without itself.
    fn others(&self) -> Vec<Process> {
        let mut others = self
            .descendants
            .as_ref()
            .map(Descendants::living)
            .unwrap_or_default();
        others.retain(|process| process.pid != self.pid);
        others
    }

    /// Waits until nothing is left of a job that has ended itself, its time being over. What is there after the grace, or when
    /// somebody wants this process to end, is killed.
    fn end_the_rest(&self, events: &Events, kill_at: Option<Instant>, was_asked_to_end: &mut bool) {
        let mut kills = 0;
        loop {
            let others = self.others();
            if others.is_empty() || kills == MOST_KILLS {
                return;
            }
            let now = Instant::now();
            let is_over = kill_at.is_some_and(|at| now >= at);
            let mut next = now + LOOK;
            if is_over || *was_asked_to_end {
                kills += 1;
                for process in others {
                    process.signal(Signal::KILL);
                }
            } else if let Some(at) = kill_at {
                next = next.min(at);
            }
            *was_asked_to_end |= events.next(Some(next)).is_ok_and(|event| event.is_wish_to_end());
        }
    }

    fn used(&self) -> Option<Used> {
        let before = self.before?;
        let after = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
        let seconds = |after: TimeVal, before: TimeVal| (in_seconds(after) - in_seconds(before)).max(0.0);
        // Blocks of 512 bytes, whatever the disk has.
        let bytes =
            |after: c_long, before: c_long| u64::try_from(after - before).unwrap_or(0).saturating_mul(512);
        // Only the highest of all children is known: it is the job's if it was not there before.
        let peak = (after.max_rss() > before.max_rss()).then(|| after.max_rss());
        Some(Used {
            user_seconds: seconds(after.user_time(), before.user_time()),
            system_seconds: seconds(after.system_time(), before.system_time()),
            max_resident_bytes: peak.and_then(|peak| u64::try_from(peak).ok()?.checked_mul(RESIDENT_UNIT)),
            read_bytes: bytes(after.block_reads(), before.block_reads()),
            written_bytes: bytes(after.block_writes(), before.block_writes()),
        })
    }
}

/// In how many bytes the system counts resident memory.
const RESIDENT_UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of processor time are far from 2^53"
)]
fn in_seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
