//! Server processes: started, waited for, measured through `/proc`, killed.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::endpoint::Endpoint;
use crate::http;

/// For how long a server may take until it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// For how long a server may take to end.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(60);
/// The unit of times in `/proc/PID/stat`; the same on every Linux machine that is likely here.
const TICK: Duration = Duration::from_millis(10);

/// A running server, killed when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    child: Child,
    endpoint: Endpoint,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, which listens at `endpoint`, and waits until `ready_path` is answered with 200. What it
    /// prints goes to the file `log`.
    ///
    /// # Errors
    /// If it cannot be started, ends, or is not ready in time; the text has the end of its log.
    pub fn start(command: &mut Command, endpoint: Endpoint, ready_path: &str, log: PathBuf) -> Result<Self> {
        let output = fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        let mut server = Self { child, endpoint, log };
        let begin = Instant::now();
        loop {
            if http::get(&server.endpoint, ready_path, Duration::from_secs(10))
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(server);
            }
            if let Some(status) = server.exited()? {
                bail!("the server ended at once, {status}: {}", server.log_tail());
            }
            if begin.elapsed() > READY_TIMEOUT {
                bail!(
                    "the server is not ready after {READY_TIMEOUT:?}: {}",
                    server.log_tail()
                );
            }
            // Short, because this is also the resolution with which a start is timed.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time it has used so far, in user and system mode.
    ///
    /// # Errors
    /// If it has gone.
    pub fn cpu(&self) -> Result<CpuTime> {
        CpuTime::of(self.id())
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    /// If it has gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let kib = status.lines().find_map(|line| {
            let value = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
            value.parse::<u64>().ok()
        });
        Ok(kib.with_context(|| format!("expected VmRSS in {path}"))? * 1024)
    }

    /// Waits until it does next to nothing, for at most five seconds: what is left over from one load should not
    /// be paid by the next one.
    ///
    /// # Errors
    /// If it has gone.
    pub fn settle(&self) -> Result<()> {
        for _ in 0..50 {
            let before = self.cpu()?;
            thread::sleep(Duration::from_millis(100));
            if self.cpu()?.since(before) < Duration::from_millis(5) {
                break;
            }
        }
        Ok(())
    }

    /// Kills it as a power cut would, and waits for its end.
    pub fn kill(&mut self) {
        // Both fail only for a process that has already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// If it does not end within a minute.
    pub fn terminate(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("signal the server")?;
        let begin = Instant::now();
        while self.exited()?.is_none() {
            if begin.elapsed() > TERMINATE_TIMEOUT {
                bail!("the server has not ended after {TERMINATE_TIMEOUT:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("wait for the server")
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free address on the loopback interface, for a server that cannot say which port it got.
///
/// # Errors
/// If there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    listener.local_addr().context("look for a free port")
}

/// CPU time of a process, from two sources of which neither is enough.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime {
    /// Of all threads that ever were, in steps of 10 ms.
    total: Duration,
    /// Of these, in user mode.
    user: Duration,
    /// Of the threads that are there now, to the nanosecond. Zero where the kernel does not say.
    threads: Duration,
}

/// CPU time that was used.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// In both modes.
    pub all: Duration,
    /// In user mode, as the kernel divides it.
    pub user: Duration,
}

impl CpuTime {
    /// What the process has used so far.
    ///
    /// # Errors
    /// If it has gone.
    pub fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/stat");
        let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let (user, system) = ticks(&stat).with_context(|| format!("expected times in {path}"))?;
        Ok(Self {
            total: TICK * user.saturating_add(system),
            user: TICK * user,
            threads: of_threads(process).unwrap_or_default(),
        })
    }

    /// The time used since `earlier`, with how much of it was in user mode.
    pub fn spent_since(self, earlier: Self) -> Spent {
        let all = self.since(earlier);
        let (total, user) = (
            self.total.saturating_sub(earlier.total),
            self.user.saturating_sub(earlier.user),
        );
        let share = user.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
        Spent {
            all,
            user: all.mul_f64(share.min(1.0)),
        }
    }

    /// The time used since `earlier`.
    pub fn since(self, earlier: Self) -> Duration {
        let total = self.total.saturating_sub(earlier.total);
        // A thread that has ended takes its time with it; then the coarse figure is the right one.
        match self.threads.checked_sub(earlier.threads) {
            Some(threads) if threads.abs_diff(total) <= 2 * TICK => threads,
            _ => total,
        }
    }
}

/// User and system time of a `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<(u32, u32)> {
    // The program's name is in parentheses and may hold anything, also a parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((user, system))
}

fn of_threads(process: u32) -> Option<Duration> {
    let mut sum = 0u64;
    for thread in fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let mut text = String::new();
        // A thread may end between the listing and the reading.
        let Ok(mut file) = fs::File::open(thread.ok()?.path().join("schedstat")) else {
            continue;
        };
        if file.read_to_string(&mut text).is_ok() {
            sum += text.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(sum))
}

/// Bytes of all files below `folder`.
///
/// # Errors
/// If the folder cannot be read.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // A file of a running server may go at any moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("look at {}", entry.path().display())),
        };
        bytes += if metadata.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_program_name() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
        assert_eq!(ticks(stat), Some((11, 12)));
        assert_eq!(ticks("12 (a) S 1"), None);
    }

    #[test]
    fn the_finer_time_counts_unless_a_thread_has_gone() {
        let time = |total, threads| CpuTime {
            total: Duration::from_millis(total),
            user: Duration::from_millis(total),
            threads: Duration::from_millis(threads),
        };
        assert_eq!(time(110, 107).since(time(100, 100)), Duration::from_millis(7));
        assert_eq!(time(500, 107).since(time(100, 100)), Duration::from_millis(400));
        assert_eq!(time(500, 90).since(time(100, 100)), Duration::from_millis(400));
        assert_eq!(time(500, 0).since(time(100, 0)), Duration::from_millis(400));
    }

    #[test]
    fn our_own_cpu_time_grows() {
        let before = CpuTime::of(std::process::id()).unwrap();
        let begin = Instant::now();
        while CpuTime::of(std::process::id()).unwrap().since(before) < Duration::from_millis(20) {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "no CPU time is counted"
            );
        }
    }
}
