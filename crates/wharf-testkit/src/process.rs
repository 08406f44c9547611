//! A server program under test: started, its log read, stopped with the test.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use regex_lite::Regex;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

use crate::wait::until;

/// How a process ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, if it was kept.
    pub stdout: String,
    /// Standard error: the log.
    pub stderr: String,
}

/// What a process may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes in a file. Writing beyond them sends SIGXFSZ, and fails like a full disk where that is ignored.
    FileBytes,
    /// Open files and sockets.
    Descriptors,
    /// Bytes of its address space, used or not: see [`Process::address_space_bytes`].
    AddressSpace,
}

/// A running process with a folder of its own, killed when it goes out of scope.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl Process {
    /// Starts `command` in a new, empty folder.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("create a folder for the process");
        let mut child = match command.current_dir(folder.path()).stderr(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => panic!("start {command:?}: {error}"),
        };
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || collect(stderr, &log)
        });
        Self {
            child,
            log,
            reader: Some(reader),
            folder,
        }
    }

    /// The folder it runs in, which goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Standard input, if it was piped and not taken before.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Standard output, if it was piped and not taken before.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line of the log that holds `needle`.
    #[track_caller]
    pub fn log_line(&self, needle: &str) -> String {
        until(&format!("a log line with `{needle}`"), || {
            self.log()
                .lines()
                .find(|line| line.contains(needle))
                .map(str::to_owned)
        })
    }

    /// Waits until the log names at least `count` addresses that the process listens on.
    ///
    /// Port 0 and the log together are the only way to a port that no other test can take first.
    #[track_caller]
    pub fn listening(&mut self, count: usize) -> Vec<SocketAddr> {
        // Go's servers and Wharf, in logfmt and JSON, or VictoriaMetrics.
        let address = concat!(
            r#"(?:Listening on"?(?: component=web)?,? ?"?address"?[=:]"?|started server at http://)"#,
            r"((?:[0-9.]+|\[[0-9a-f:]+\]):[0-9]+)"
        );
        let address = Regex::new(address).expect("a constant");
        until("the process to listen", || {
            if let Some(exit) = self.exited() {
                panic!("the process stopped at once, {exit:?}");
            }
            let log = self.log();
            let found = address
                .captures_iter(&log)
                .filter_map(|captures| captures.get(1)?.as_str().parse().ok());
            Some(found.collect::<Vec<_>>()).filter(|found| found.len() >= count)
        })
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGQUIT.
    pub fn quit(&self) {
        self.signal(Signal::QUIT);
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops it where it is, until [`Self::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Lowers a limit of the process, or lifts it again as far as the system allows if there is no number.
    pub fn limit(&self, limit: Limit, number: Option<u64>) {
        let resource = match limit {
            Limit::FileBytes => Resource::Fsize,
            Limit::Descriptors => Resource::Nofile,
            Limit::AddressSpace => Resource::As,
        };
        let maximum = getrlimit(resource).maximum;
        let current = number.or(maximum);
        prlimit(
            Some(Pid::from_child(&self.child)),
            resource,
            Rlimit { current, maximum },
        )
        .expect("limit a child that was not waited for");
    }

    /// The most memory that it has had at any time, in bytes. Linux tells it.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
            .expect("a process that runs has memory")
    }

    /// The same, unless it has ended.
    pub fn peak_memory_so_far(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    /// From now on [`Self::peak_memory_bytes`] tells of what comes.
    pub fn forget_peak_memory(&self) {
        let path = format!("/proc/{}/clear_refs", self.id());
        std::fs::write(path, "5").expect("tell the system of a child");
    }

    /// The size of its address space, in bytes, unless it has ended. Linux tells it.
    pub fn address_space_bytes(&self) -> Option<u64> {
        self.status_bytes("VmSize:")
    }

    fn status_bytes(&self, name: &str) -> Option<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).expect("read what the system knows of a child");
        let found = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes = found.trim().strip_suffix(" kB")?.parse::<u64>();
        Some(kilobytes.expect("a number of kilobytes") * 1024)
    }

    /// The number by which the system knows it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGQUIT to the process that this one has started.
    #[track_caller]
    pub fn quit_child(&self) {
        let path = format!("/proc/{0}/task/{0}/children", self.id());
        let child = until("the process to have a child", || {
            let children = std::fs::read_to_string(&path).ok()?;
            children.split_whitespace().next()?.parse().ok()
        });
        let child = Pid::from_raw(child).expect("processes have numbers above 0");
        kill_process(child, Signal::QUIT).expect("signal a child of a child");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal a child that was not waited for");
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn wait(&mut self) -> Exit {
        until("the process to stop", || self.exited())
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<Exit> {
        let status: ExitStatus = self.child.try_wait().expect("wait for a child of our own")?;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of the log does not panic");
        }
        Some(Exit {
            code: status.code(),
            signal: status.signal(),
            stdout: String::new(),
            stderr: self.log(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(stderr: impl Read, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
