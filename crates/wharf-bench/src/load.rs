//! The load generator: connections that push as fast as they are answered.
//!
//! Each connection has one request in flight and sends the next one when the answer to the last one is complete (a
//! closed loop), so the server is never asked for more than it can do and latency is that of a busy server, not of
//! a queue that grows. One thread drives many connections by epoll; a push costs it one write and one read.
//!
//! Connections share no groups: each walks its own ones in turn. So the last value of each group is known.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::process::{CpuTime, Server};
use crate::response::Response;
use crate::template::{Request, value_of};

/// No answer on any connection for so long means that the server hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer to a push.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Latencies beyond this are counted as this.
const MAX_LATENCY: Duration = Duration::from_secs(60);
/// Ways in which connections may break before the load gives up.
const MAX_BROKEN: u64 = 1000;

/// Which groups a load pushes to: `count` of them from `first` on, `step` apart.
///
/// They are pushed to in an order in which neighbours are far from one another, as jobs do that know nothing of each
/// other.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    first: u32,
    count: u32,
    step: u32,
    factor: u64,
}

impl Groups {
    /// The groups 0 to `count - 1`.
    pub fn all(count: u32) -> Self {
        Self::spaced(0, count, 1)
    }

    /// `count` groups from `first` on, `step` apart.
    pub fn spaced(first: u32, count: u32, step: u32) -> Self {
        Self {
            first,
            count,
            step,
            factor: scatter(count),
        }
    }

    /// How many.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The group at a position of that order.
    fn number(self, slot: u32) -> u32 {
        let count = u64::from(self.count);
        let scattered = u64::from(slot) * self.factor % count;
        // Less than `count`, so it fits.
        self.first + u32::try_from(scattered).unwrap_or(0) * self.step
    }
}

/// A factor that maps the numbers below `count` onto themselves and puts neighbours far apart: near the golden ratio
/// of `count`, and without a divisor in common with it.
fn scatter(count: u32) -> u64 {
    let count = u64::from(count);
    let start = count * 618 / 1000;
    (start.max(1)..=count)
        .find(|&factor| greatest_common_divisor(factor, count) == 1)
        .unwrap_or(1)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

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
    /// Threads that drive the connections.
    pub threads: u32,
    /// How long.
    pub length: Length,
}

/// What the groups of a server should hold: the last value that was acknowledged for each.
#[derive(Debug, Default)]
pub struct Pushed {
    last: Vec<Last>,
    /// Pushes so far, which makes the values of later ones different.
    sequence: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    /// Nothing was pushed.
    #[default]
    Nothing,
    /// This value was acknowledged.
    Value(u32),
    /// The answer to the last push never came.
    Unknown,
}

impl Pushed {
    /// The groups that hold something, each with its value if that is known.
    pub fn groups(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        (0..).zip(&self.last).filter_map(|(group, last)| match last {
            Last::Nothing => None,
            Last::Value(value) => Some((group, Some(*value))),
            Last::Unknown => Some((group, None)),
        })
    }

    /// How many groups hold something.
    pub fn count(&self) -> usize {
        self.groups().count()
    }

    /// Whether `group` may hold `value`.
    pub fn allows(&self, group: u32, value: u32) -> bool {
        match self.last.get(group as usize) {
            None | Some(Last::Nothing) => false,
            Some(Last::Value(expected)) => *expected == value,
            Some(Last::Unknown) => true,
        }
    }

    /// Groups were removed.
    pub fn remove(&mut self, goes: impl Fn(u32) -> bool) {
        let gone = (0..).zip(&mut self.last).filter(|(group, _)| goes(*group));
        gone.for_each(|(_, last)| *last = Last::Nothing);
    }

    /// Groups from 0 on with these values.
    #[cfg(test)]
    pub(crate) fn of(values: &[u32]) -> Self {
        let mut pushed = Self::default();
        for (group, value) in (0..).zip(values) {
            pushed.set(group, Last::Value(*value));
        }
        pushed
    }

    fn set(&mut self, group: u32, last: Last) {
        let index = group as usize;
        if self.last.len() <= index {
            self.last.resize(index + 1, Last::Nothing);
        }
        self.last[index] = last;
    }
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

    /// A percentile of the latency, in milliseconds.
    pub fn millis_at(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e3
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

impl Load<'_> {
    /// Pushes, and notes in `pushed` what the groups hold afterwards.
    ///
    /// # Errors
    /// If the server cannot be reached, hangs, or acknowledges nothing at all.
    pub fn run(&self, server: &Server, pushed: &mut Pushed) -> Result<Outcome> {
        ensure!(
            (1..=self.groups.count).contains(&self.connections),
            "expected 1 to {} connections, found {}",
            self.groups.count,
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
            .map(|thread| Worker::new(self, server.address(), thread, pushed.sequence, &progress))
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
            latency: histogram()?,
            server_cpu: window.server_cpu,
            own_cpu: window.own_cpu,
            refused: 0,
            first_refusal: None,
            broken: 0,
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

fn histogram() -> Result<Histogram<u64>> {
    let micros = u64::try_from(MAX_LATENCY.as_micros()).unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1, micros, 3).context("make a histogram")
}

/// One thread of the generator and its connections.
struct Worker<'a> {
    load: Load<'a>,
    address: SocketAddr,
    progress: &'a Progress,
    poll: Poll,
    connections: Vec<Connection>,
    /// Number of the next push. Threads count in steps, so that no two pushes have the same.
    sequence: u64,
    step: u64,
    busy: usize,
    latency: Histogram<u64>,
    pushes: u64,
    refused: u64,
    first_refusal: Option<String>,
    broken: u64,
}

/// One connection: its request, its answer, its groups.
struct Connection {
    stream: TcpStream,
    request: Request,
    written: usize,
    answer: Vec<u8>,
    filled: usize,
    response: Response,
    /// The slots of this connection: every `stride`th from its own number on.
    slot: u32,
    turns_left: u32,
    last: Vec<Last>,
    /// Index into `last` of the group in flight.
    index: usize,
    value: u32,
    since: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    Receiving,
    Done,
}

impl<'a> Worker<'a> {
    fn new(
        load: &Load<'a>,
        address: SocketAddr,
        thread: u32,
        sequence: u64,
        progress: &'a Progress,
    ) -> Result<Self> {
        let poll = Poll::new().context("make an epoll instance")?;
        let threads = load.threads.clamp(1, load.connections);
        let mut worker = Self {
            load: *load,
            address,
            progress,
            poll,
            connections: Vec::new(),
            sequence: sequence + u64::from(thread),
            step: u64::from(threads),
            busy: 0,
            latency: histogram()?,
            pushes: 0,
            refused: 0,
            first_refusal: None,
            broken: 0,
        };
        for number in (thread..load.connections).step_by(threads as usize) {
            let token = Token(worker.connections.len());
            let stream = worker.connect(token)?;
            worker.connections.push(Connection {
                stream,
                request: load.request.clone(),
                written: 0,
                answer: vec![0; 4096],
                filled: 0,
                response: Response::default(),
                slot: first_slot(load, number, sequence),
                turns_left: match load.length {
                    Length::Time { .. } => u32::MAX,
                    Length::Turns(turns) => turns,
                },
                last: vec![Last::Nothing; slots(load, number).len()],
                index: 0,
                value: 0,
                since: Instant::now(),
                state: State::Done,
            });
        }
        Ok(worker)
    }

    fn connect(&self, token: Token) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address).context("connect")?;
        // Once for both ways: with edges, a readiness that nobody waits for costs nothing.
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .context("watch a connection")?;
        Ok(stream)
    }

    /// Pushes until the time is over or all turns are done, and all answers have come.
    fn run(&mut self) -> Result<()> {
        for index in 0..self.connections.len() {
            self.busy += 1;
            self.next(index, Instant::now())?;
        }
        let mut events = Events::with_capacity(1024);
        let mut last_answer = Instant::now();
        while self.busy > 0 {
            match self.poll.poll(&mut events, Some(Duration::from_secs(1))) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("wait for events"),
            }
            if !events.is_empty() {
                last_answer = Instant::now();
            } else if last_answer.elapsed() > PATIENCE {
                bail!("no answer for {PATIENCE:?} on {} connections", self.busy);
            }
            for event in &events {
                self.advance(event.token().0)?;
            }
        }
        Ok(())
    }

    /// Does what can be done on a connection without waiting.
    fn advance(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        if connection.state == State::Sending && !connection.send()? {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        match connection.state {
            State::Receiving => match connection.receive() {
                Ok(true) => self.complete(index),
                Ok(false) => Ok(()),
                Err(_) => self.reconnect(index),
            },
            State::Sending | State::Done => Ok(()),
        }
    }

    /// An answer is complete.
    fn complete(&mut self, index: usize) -> Result<()> {
        let now = Instant::now();
        let connection = &mut self.connections[index];
        if (200..300).contains(&connection.response.status) {
            connection.last[connection.index] = Last::Value(connection.value);
            if self.progress.phase.load(Ordering::Relaxed) == MEASURING {
                if self.pushes == 0 {
                    self.progress.counted.store(true, Ordering::Relaxed);
                }
                self.pushes += 1;
                let micros = now.duration_since(connection.since).as_micros();
                self.latency
                    .saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
            }
        } else {
            self.refused += 1;
            if self.first_refusal.is_none() {
                let body = connection.response.body(&connection.answer[..connection.filled]);
                let text = String::from_utf8_lossy(&body).trim().to_owned();
                self.first_refusal = Some(format!("{} {text:.300}", connection.response.status));
            }
        }
        if self.load.fresh_connections && !self.is_last(index) {
            // The client closes first, as curl does; its port rests for a second before the kernel gives it again.
            let stream = self.connect(Token(index))?;
            self.connections[index].stream = stream;
        }
        self.next(index, now)
    }

    /// A connection broke with a push in flight, of which nobody knows whether it counts.
    fn reconnect(&mut self, index: usize) -> Result<()> {
        self.broken += 1;
        if self.broken > MAX_BROKEN {
            bail!("more than {MAX_BROKEN} connections broke");
        }
        let stream = self.connect(Token(index))?;
        let connection = &mut self.connections[index];
        connection.stream = stream;
        connection.last[connection.index] = Last::Unknown;
        self.next(index, Instant::now())
    }

    /// Whether the connection has nothing to push any more.
    fn is_last(&self, index: usize) -> bool {
        self.progress.phase.load(Ordering::Relaxed) == STOPPING || self.connections[index].turns_left == 0
    }

    /// Begins the next push of a connection.
    fn next(&mut self, index: usize, now: Instant) -> Result<()> {
        if self.is_last(index) {
            self.connections[index].state = State::Done;
            self.busy -= 1;
            return Ok(());
        }
        let value = value_of(self.sequence);
        self.sequence += self.step;
        let groups = self.load.groups;
        let stride = self.load.connections;
        let connection = &mut self.connections[index];
        connection.begin(groups, stride, value, now);
        // A new connection says when it is there; an old one can be written to at once.
        if !self.load.fresh_connections {
            connection.send()?;
        }
        Ok(())
    }

    fn report(self, outcome: &mut Outcome, pushed: &mut Pushed) -> Result<()> {
        outcome.pushes += self.pushes;
        outcome.latency.add(&self.latency).context("add histograms")?;
        outcome.refused += self.refused;
        outcome.first_refusal = outcome.first_refusal.take().or(self.first_refusal);
        outcome.broken += self.broken;
        pushed.sequence = pushed.sequence.max(self.sequence);
        for connection in self.connections {
            let first = connection.slot % self.load.connections;
            for (slot, last) in slots(&self.load, first).zip(connection.last) {
                if last != Last::Nothing {
                    pushed.set(self.load.groups.number(slot), last);
                }
            }
        }
        Ok(())
    }
}

/// Where a connection begins: loads of some time go on where the last one has ended, more or less, so that all
/// groups get their turn.
fn first_slot(load: &Load<'_>, connection: u32, sequence: u64) -> u32 {
    let own = slots(load, connection).len() as u64;
    let skipped = match load.length {
        Length::Time { .. } => sequence / u64::from(load.connections) % own,
        Length::Turns(_) => 0,
    };
    connection + u32::try_from(skipped).unwrap_or(0) * load.connections
}

/// The groups of a connection, as positions among the groups of the load.
fn slots(load: &Load<'_>, connection: u32) -> std::iter::StepBy<Range<u32>> {
    (connection..load.groups.count).step_by(load.connections as usize)
}

impl Connection {
    fn begin(&mut self, groups: Groups, stride: u32, value: u32, now: Instant) {
        self.index = (self.slot / stride) as usize;
        self.value = value;
        self.request.patch(groups.number(self.slot), value);
        self.slot += stride;
        if self.slot >= groups.count {
            self.slot %= stride;
            self.turns_left -= 1;
        }
        self.written = 0;
        self.filled = 0;
        self.response.reset();
        self.since = now;
        self.state = State::Sending;
    }

    /// Sends as much as goes. Returns whether that was all.
    ///
    /// A connection that breaks here is seen when its answer is read.
    fn send(&mut self) -> Result<bool> {
        while let Some(rest) = self
            .request
            .as_bytes()
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(sent) => self.written += sent,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    break;
                }
                Err(error) => return Err(error).context("send a push"),
            }
        }
        self.state = State::Receiving;
        Ok(true)
    }

    /// Reads as much as there is. Returns whether the answer is complete.
    fn receive(&mut self) -> Result<bool> {
        loop {
            if self.filled == self.answer.len() {
                ensure!(self.filled < MAX_ANSWER_BYTES, "the answer is too long");
                self.answer.resize(self.filled * 2, 0);
            }
            let read = match self.stream.read(&mut self.answer[self.filled..]) {
                Ok(0) => {
                    ensure!(
                        self.response.close(&self.answer[..self.filled]),
                        "the connection ended"
                    );
                    return Ok(true);
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("read an answer"),
            };
            self.filled += read;
            if self.response.scan(&self.answer[..self.filled])? {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_turn() {
        for count in [1, 2, 3, 64, 100, 1_000, 76_924, 1_000_000] {
            let groups = Groups::spaced(5, count, 3);
            let mut numbers: Vec<u32> = (0..count).map(|slot| groups.number(slot)).collect();
            numbers.sort_unstable();
            assert!(
                numbers.into_iter().eq((0..count).map(|index| 5 + 3 * index)),
                "{count}"
            );
        }
    }

    #[test]
    fn neighbours_in_time_are_no_neighbours() {
        let groups = Groups::all(1_000);
        let near = (1..1_000).filter(|&slot| groups.number(slot).abs_diff(groups.number(slot - 1)) < 100);
        assert_eq!(near.count(), 0);
    }
}
