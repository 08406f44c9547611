//! The load generator: connections that push as fast as they are answered.
//!
//! Each connection has one request in flight and sends the next one when the answer to the last one is complete (a
//! closed loop), so the server is never asked for more than it can do and latency is that of a busy server, not of
//! a queue that grows. A load with a pace (an open loop) sends each push when its time has come, whatever became of the
//! others, and latency counts from that time on. One thread drives many connections by epoll; a push costs it one write
//! and one read.
//!
//! Connections share no groups: each walks its own ones in turn. So the last value of each group is known. Where they are to share
//! one ([`Groups::shared`]), [`Acknowledged`] has what its last value may be, and what all pushes come to that are added up.

mod connection;
mod groups;
mod pushed;
mod sources;
mod worker;

use std::iter::StepBy;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;

pub use self::groups::Groups;
pub use self::pushed::Pushed;
use self::worker::Worker;
use crate::process::{CpuTime, Server};
use crate::template::Request;

/// No answer on any connection for so long means that the server hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Latencies beyond this are counted as this.
const MAX_LATENCY: Duration = Duration::from_secs(60);

/// How long a load goes on.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// A time, of which the first part does not count.
    Time {
        /// Pushes before this has passed are not counted.
        warm_up: Duration,
        /// Pushes are counted for this long, and until there is one.
        window: Duration,
    },
    /// Each group is pushed so many times; everything counts.
    Turns(u32),
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// What is pushed.
    pub request: &'a Request,
    /// Where to.
    pub groups: Groups,
    /// Over how many connections at once; at most as many as there are groups.
    pub connections: u32,
    /// A new connection for each push, as jobs started by cron do.
    pub fresh_connections: bool,
    /// Time between two pushes; as fast as they are answered if there is none.
    pub pace: Option<Duration>,
    /// Threads that drive the connections.
    pub threads: u32,
    /// How long.
    pub length: Length,
}

/// What a load has measured.
#[derive(Debug)]
pub struct Outcome {
    /// Acknowledged pushes inside the window.
    pub pushes: u64,
    /// The window.
    pub elapsed: Duration,
    /// Latencies inside the window, in microseconds.
    pub latency: Histogram<u64>,
    /// CPU time of the server inside the window.
    pub server_cpu: Duration,
    /// CPU time of the load generator inside the window.
    pub own_cpu: Duration,
    /// Answers other than 2xx, also outside the window, and the first of them.
    pub refused: u64,
    /// The first answer other than 2xx.
    pub first_refusal: Option<String>,
    /// Connections that broke.
    pub broken: u64,
    /// All that was acknowledged, also outside the window.
    pub acknowledged: Acknowledged,
}

/// What a server has acknowledged, for those who ask what it came to.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// Pushes.
    pub pushes: u64,
    /// The sum of their values.
    pub sum: u64,
    /// The last value of each connection that has one.
    pub last: Vec<u32>,
}

impl Outcome {
    /// Acknowledged pushes a second.
    pub fn rate(&self) -> f64 {
        self.pushes as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the server for one push, in microseconds.
    pub fn server_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.pushes as f64
    }

    /// CPU time of the load generator for one push, in microseconds.
    pub fn own_micros(&self) -> f64 {
        self.own_cpu.as_secs_f64() * 1e6 / self.pushes as f64
    }

    /// Whether all pushes were acknowledged.
    ///
    /// # Errors
    /// If the server has refused a push or broken a connection.
    pub fn ensure_clean(&self) -> Result<()> {
        ensure!(
            self.refused == 0,
            "{} pushes were refused, the first with {}",
            self.refused,
            self.first_refusal.as_deref().unwrap_or_default()
        );
        ensure!(self.broken == 0, "{} connections broke", self.broken);
        Ok(())
    }

    /// A percentile of the latency, in milliseconds.
    pub fn millis_at(&self, percentile: f64) -> f64 {
        millis_at(&self.latency, percentile)
    }
}

/// What the threads of a load tell each other.
#[derive(Debug)]
struct Progress {
    phase: AtomicU8,
    /// Some push was counted.
    counted: AtomicBool,
}

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

impl<'a> Load<'a> {
    /// One over connections that are kept, as fast as pushes are answered. There are no more of them than groups.
    pub fn new(request: &'a Request, groups: Groups, connections: u32, length: Length) -> Self {
        Self {
            request,
            groups,
            connections: connections.min(groups.count()),
            fresh_connections: false,
            pace: None,
            threads: 1,
            length,
        }
    }

    /// The groups of a connection, as positions among the groups of the load.
    fn slots(&self, connection: u32) -> StepBy<Range<u32>> {
        (connection..self.groups.count()).step_by(self.connections as usize)
    }

    /// Pushes, and notes in `pushed` what the groups hold afterwards.
    ///
    /// # Errors
    /// If the server cannot be reached, hangs, or acknowledges nothing at all.
    pub fn run(&self, server: &Server, pushed: &mut Pushed) -> Result<Outcome> {
        ensure!(
            (1..=self.groups.count()).contains(&self.connections),
            "expected 1 to {} connections, found {}",
            self.groups.count(),
            self.connections
        );
        let progress = Progress {
            phase: AtomicU8::new(match self.length {
                Length::Time { .. } => WARMING_UP,
                Length::Turns(_) => MEASURING,
            }),
            counted: AtomicBool::new(false),
        };
        let threads = self.threads.clamp(1, self.connections);
        let mut workers: Vec<_> = (0..threads)
            .map(|thread| Worker::new(self, server.endpoint(), thread, pushed.sequence, &progress))
            .collect::<Result<_>>()?;
        let mut window = Window::open(server)?;
        let ends = thread::scope(|scope| {
            let running: Vec<_> = workers
                .iter_mut()
                .map(|worker| scope.spawn(|| worker.run()))
                .collect();
            if let Length::Time {
                warm_up,
                window: length,
            } = self.length
            {
                let ended = || running.iter().all(thread::ScopedJoinHandle::is_finished);
                sleep_until(warm_up, ended);
                progress.phase.store(MEASURING, Ordering::Relaxed);
                window = Window::open(server)?;
                sleep_until(length, ended);
                // Slow servers and busy machines may need longer for the first one.
                sleep_until(PATIENCE, || ended() || progress.counted.load(Ordering::Relaxed));
                window.close(server)?;
                progress.phase.store(STOPPING, Ordering::Relaxed);
            }
            let ends: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
            if let Length::Turns(_) = self.length {
                window.close(server)?;
            }
            anyhow::Ok(ends)
        })?;
        let mut outcome = Outcome {
            pushes: 0,
            elapsed: window.elapsed,
            latency: new_histogram()?,
            server_cpu: window.server_cpu,
            own_cpu: window.own_cpu,
            refused: 0,
            first_refusal: None,
            broken: 0,
            acknowledged: Acknowledged::default(),
        };
        for worker in workers {
            worker.report(&mut outcome, pushed)?;
        }
        for end in ends {
            match end {
                Ok(end) => end?,
                Err(_) => bail!("a thread of the load generator panicked"),
            }
        }
        if outcome.pushes == 0 {
            let why = outcome
                .first_refusal
                .as_deref()
                .unwrap_or("no answer came in time");
            bail!("no push was acknowledged: {why}");
        }
        Ok(outcome)
    }
}

/// Sleeps, but not on when `done`.
fn sleep_until(time: Duration, done: impl Fn() -> bool) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if done() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(100)));
    }
}

/// The measured time, and the CPU time used in it.
#[derive(Debug)]
struct Window {
    begin: Instant,
    server: CpuTime,
    own: CpuTime,
    elapsed: Duration,
    server_cpu: Duration,
    own_cpu: Duration,
}

impl Window {
    fn open(server: &Server) -> Result<Self> {
        Ok(Self {
            begin: Instant::now(),
            server: server.cpu()?,
            own: CpuTime::of(std::process::id())?,
            elapsed: Duration::ZERO,
            server_cpu: Duration::ZERO,
            own_cpu: Duration::ZERO,
        })
    }

    fn close(&mut self, server: &Server) -> Result<()> {
        self.elapsed = self.begin.elapsed();
        self.server_cpu = server.cpu()?.since(self.server);
        self.own_cpu = CpuTime::of(std::process::id())?.since(self.own);
        Ok(())
    }
}

/// A percentile of latencies, in milliseconds.
pub fn millis_at(latencies: &Histogram<u64>, percentile: f64) -> f64 {
    latencies.value_at_percentile(percentile) as f64 / 1e3
}

/// Of latencies, in microseconds.
///
/// # Errors
/// None that can be: its bounds are fine.
pub fn new_histogram() -> Result<Histogram<u64>> {
    let micros = u64::try_from(MAX_LATENCY.as_micros()).unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1, micros, 3).context("make a histogram")
}
