//! The processes that came of the job: its children and theirs, also in process groups and sessions of their own, and those
//! whose parents have gone.
//!
//! The system makes such orphans children of this process, so that `/proc` shows whose they are.

use std::collections::{HashMap, HashSet};
use std::fs;

use nix::sys::wait::{Id, WaitPidFlag};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process, pidfd_open, pidfd_send_signal,
    test_kill_process, waitid,
};

/// All processes below this one that came of the job.
#[derive(Debug)]
pub(super) struct Descendants {
    /// Children from before the job: this process may have taken the place of a shell that had some.
    strangers: HashSet<Process>,
}

/// A process, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) pid: Pid,
    /// The process group.
    pub(super) group: i32,
    /// When it began: no two processes have number and beginning in common.
    started: u64,
}

impl Descendants {
    /// From now on orphans become children of this process; none where the system has no such thing.
    pub(super) fn adopt() -> Option<Self> {
        adopt_orphans().ok()?;
        let of_all = by_parent();
        let own = of_all.get(&getpid().as_raw_pid());
        Some(Self {
            strangers: own.into_iter().flatten().copied().collect(),
        })
    }

    /// Those that live and that this process may signal. One of another user is not waited for either.
    pub(super) fn living(&self) -> Vec<Process> {
        let of_all = by_parent();
        let (mut found, mut parents) = (Vec::new(), vec![getpid().as_raw_pid()]);
        while let Some(parent) = parents.pop() {
            for child in of_all.get(&parent).into_iter().flatten() {
                if !self.strangers.contains(child) {
                    parents.push(child.pid.as_raw_pid());
                    found.push(*child);
                }
            }
        }
        found.retain(|process| test_kill_process(process.pid) != Err(Errno::PERM));
        found
    }
}

impl Process {
    /// Sends a signal, unless it has gone.
    pub(super) fn signal(&self, signal: Signal) {
        // Only a process that has just ended does not get it.
        let _ended = match pidfd_open(self.pid, PidfdFlags::empty()) {
            // Meanwhile another process may have got its number.
            Ok(process) if State::read(self.pid).is_some_and(|state| state.process == *self) => {
                pidfd_send_signal(process, signal)
            }
            // An old system, or one that forbids it.
            Err(Errno::NOSYS | Errno::PERM) => kill_process(self.pid, signal),
            Ok(_) | Err(_) => Ok(()),
        };
    }
}

/// Waits for orphans, which would otherwise stay as they ended, until the job ends. The job itself is left to be waited for.
pub(super) fn reap_orphans_until_the_end_of(job: Pid) {
    loop {
        let ended = nix::sys::wait::waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let pid = match ended.map(|status| status.pid()) {
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(Some(pid)) => Pid::from_raw(pid.as_raw()),
            // Then the job is all that is waited for.
            Ok(None) | Err(_) => None,
        };
        match pid {
            Some(pid) if pid != job => {
                let _status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
            }
            _ => return,
        }
    }
}

#[cfg(target_os = "linux")]
fn adopt_orphans() -> rustix::io::Result<()> {
    // Any number but 0 switches it on.
    rustix::process::set_child_subreaper(Some(getpid()))
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// What the system tells of a process.
#[derive(Debug, PartialEq)]
struct State {
    process: Process,
    parent: i32,
    /// Whether it has ended, and only waits to be waited for.
    has_ended: bool,
}

impl State {
    fn read(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&stat))
    }

    /// Reads a line of `/proc/<pid>/stat`. The second field is the name of the program in parentheses, which may have blanks and
    /// parentheses itself.
    fn parse(pid: Pid, stat: &str) -> Option<Self> {
        let (_, behind) = stat.rsplit_once(')')?;
        let mut fields = behind.split_ascii_whitespace();
        let (state, parent, group) = (fields.next()?, fields.next()?, fields.next()?);
        // The 22nd field of the line.
        let started = fields.nth(16)?;
        Some(Self {
            process: Process {
                pid,
                group: group.parse().ok()?,
                started: started.parse().ok()?,
            },
            parent: parent.parse().ok()?,
            has_ended: matches!(state, "Z" | "X" | "x"),
        })
    }
}

/// All processes that live, by their parents.
fn by_parent() -> HashMap<i32, Vec<Process>> {
    let mut of_all: HashMap<i32, Vec<Process>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return of_all;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
        let state = pid.and_then(State::read).filter(|state| !state.has_ended);
        if let Some(state) = state {
            of_all.entry(state.parent).or_default().push(state.process);
        }
    }
    of_all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_is_passed_over() {
        let pid = Pid::from_raw(7).unwrap();
        let line = "7 (a) Z 1 (b c) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9 9\n";
        let state = State::parse(pid, line).unwrap();
        let process = Process {
            pid,
            group: 4,
            started: 4242,
        };
        let expected = State {
            process,
            parent: 3,
            has_ended: false,
        };
        assert_eq!(state, expected);
        assert!(
            State::parse(pid, "7 (a) Z 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9")
                .unwrap()
                .has_ended
        );
        for line in [
            "",
            "7 (a)",
            "7 (a) S 3 4",
            "7 (a S 3 4 5",
            "7 (a) S x 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242",
        ] {
            assert_eq!(State::parse(pid, line), None, "{line}");
        }
    }

    #[test]
    fn a_child_is_found_and_has_the_number_and_group_that_it_has() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let of_all = by_parent();
        let own = &of_all[&getpid().as_raw_pid()];
        let found = own.iter().find(|process| process.pid == pid).unwrap();
        assert_eq!(found.group, rustix::process::getpgid(None).unwrap().as_raw_pid());
        found.signal(Signal::KILL);
        child.wait().unwrap();
        assert_eq!(State::read(pid).filter(|state| state.process == *found), None);
        // It has gone: nobody gets this.
        found.signal(Signal::KILL);
    }
}
