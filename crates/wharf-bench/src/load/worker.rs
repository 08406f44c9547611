//! One thread of a load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, State};
use super::pushed::{Last, Pushed};
use super::sources::Sources;
use super::{Load, MEASURING, Outcome, PATIENCE, Progress, STOPPING, new_histogram};
use crate::endpoint::Endpoint;
use crate::template::value_of;

/// Ways in which connections may break before the load gives up.
const MAX_BROKEN: u64 = 1000;

/// One thread of the generator and its connections.
pub(super) struct Worker<'a> {
    load: Load<'a>,
    server: &'a Endpoint,
    progress: &'a Progress,
    poll: Poll,
    sources: Sources,
    connections: Vec<Connection>,
    /// When those have to push again that wait for it.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Number of the next push. Threads count in steps, so that no two pushes have the same.
    sequence: u64,
    step: u64,
    busy: usize,
    latency: Histogram<u64>,
    pushes: u64,
    refused: u64,
    first_refusal: Option<String>,
    broken: u64,
    acknowledged: u64,
    acknowledged_sum: u64,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        load: &Load<'a>,
        server: &'a Endpoint,
        thread: u32,
        sequence: u64,
        progress: &'a Progress,
    ) -> Result<Self> {
        let poll = Poll::new().context("make an epoll instance")?;
        let threads = load.threads.clamp(1, load.connections);
        let mut worker = Self {
            load: *load,
            server,
            progress,
            poll,
            sources: Sources::of_thread(thread),
            connections: Vec::new(),
            due: BinaryHeap::new(),
            sequence: sequence + u64::from(thread),
            step: u64::from(threads),
            busy: 0,
            latency: new_histogram()?,
            pushes: 0,
            refused: 0,
            first_refusal: None,
            broken: 0,
            acknowledged: 0,
            acknowledged_sum: 0,
        };
        for number in (thread..load.connections).step_by(threads as usize) {
            worker.connections.push(Connection::new(load, number, sequence));
            if !load.fresh_connections {
                worker.connect(worker.connections.len() - 1)?;
            }
        }
        Ok(worker)
    }

    /// Gives a connection a new stream.
    fn connect(&mut self, index: usize) -> Result<()> {
        let mut stream = self.sources.connect(self.server.address).context("connect")?;
        // Once for both ways: with edges, a readiness that nobody waits for costs nothing.
        self.poll
            .registry()
            .register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)
            .context("watch a connection")?;
        self.connections[index].stream = Some(self.server.open(stream)?);
        Ok(())
    }

    /// Pushes until the time is over or all turns are done, and all answers have come.
    pub(super) fn run(&mut self) -> Result<()> {
        let begin = Instant::now();
        for index in 0..self.connections.len() {
            self.busy += 1;
            if let Some(pace) = self.load.pace {
                // They begin one after the other, and stay apart by as much.
                self.connections[index].due = begin + pace * self.connections[index].number;
            }
            self.next(index, begin)?;
        }
        let mut events = Events::with_capacity(1024);
        let mut last_answer = Instant::now();
        while self.busy > 0 {
            let until_due = self
                .due
                .peek()
                .map(|Reverse((due, _))| due.saturating_duration_since(Instant::now()));
            let wait = until_due.unwrap_or(Duration::MAX).min(Duration::from_secs(1));
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("wait for events"),
            }
            if !events.is_empty() || until_due.is_some() {
                last_answer = Instant::now();
            } else if last_answer.elapsed() > PATIENCE {
                bail!("no answer for {PATIENCE:?} on {} connections", self.busy);
            }
            for event in &events {
                self.advance(event.token().0)?;
            }
            self.begin_due()?;
        }
        Ok(())
    }

    /// Begins the pushes whose time has come. How late this thread is with it is nothing of the server's.
    fn begin_due(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some(&Reverse((due, index))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            self.begin(index, now)?;
        }
        Ok(())
    }

    /// Does what can be done on a connection without waiting.
    fn advance(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        if connection.state == State::Sending && !connection.send()? {
            return Ok(());
        }
        match connection.state {
            State::Receiving => match connection.receive() {
                Ok(true) => self.complete(index),
                Ok(false) => Ok(()),
                Err(_) => self.reconnect(index),
            },
            State::Waiting | State::Sending | State::Done => Ok(()),
        }
    }

    /// An answer is complete.
    fn complete(&mut self, index: usize) -> Result<()> {
        let now = Instant::now();
        let connection = &mut self.connections[index];
        if connection.is_accepted() {
            connection.note(Last::Value(connection.value));
            connection.acknowledged = Some(connection.value);
            self.acknowledged += 1;
            self.acknowledged_sum += u64::from(connection.value);
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
                self.first_refusal = Some(connection.refusal());
            }
        }
        if self.load.fresh_connections {
            // The client closes first, as curl does.
            connection.stream = None;
        }
        self.next(index, now)
    }

    /// A connection broke with a push in flight, of which nobody knows whether it counts.
    fn reconnect(&mut self, index: usize) -> Result<()> {
        self.broken += 1;
        if self.broken > MAX_BROKEN {
            bail!("more than {MAX_BROKEN} connections broke");
        }
        self.connections[index].note(Last::Unknown);
        self.connections[index].stream = None;
        if !self.load.fresh_connections {
            self.connect(index)?;
        }
        self.next(index, Instant::now())
    }

    /// Begins the next push of a connection, or waits until its time has come.
    fn next(&mut self, index: usize, now: Instant) -> Result<()> {
        let Some(pace) = self.load.pace else {
            return self.begin(index, now);
        };
        let connection = &mut self.connections[index];
        let due = connection.due;
        connection.due += pace * self.load.connections;
        if due > now {
            connection.state = State::Waiting;
            self.due.push(Reverse((due, index)));
            return Ok(());
        }
        // The last answer came too late, and this push has waited for it.
        self.begin(index, due)
    }

    /// Begins a push that counts from `since` on, if there is to be another one.
    fn begin(&mut self, index: usize, since: Instant) -> Result<()> {
        let is_over = self.progress.phase.load(Ordering::Relaxed) == STOPPING;
        let connection = &mut self.connections[index];
        if is_over || connection.turns_left == 0 {
            connection.state = State::Done;
            self.busy -= 1;
            return Ok(());
        }
        let value = value_of(self.sequence);
        self.sequence += self.step;
        connection.begin(&self.load, value, since);
        if self.load.fresh_connections {
            // It says when it is there; an old one can be written to at once.
            return self.connect(index);
        }
        connection.send().map(drop)
    }

    pub(super) fn report(self, outcome: &mut Outcome, pushed: &mut Pushed) -> Result<()> {
        outcome.pushes += self.pushes;
        outcome.latency.add(&self.latency).context("add histograms")?;
        outcome.refused += self.refused;
        outcome.first_refusal = outcome.first_refusal.take().or(self.first_refusal);
        outcome.broken += self.broken;
        pushed.sequence = pushed.sequence.max(self.sequence);
        let all = &mut outcome.acknowledged;
        all.pushes += self.acknowledged;
        all.sum += self.acknowledged_sum;
        for connection in self.connections {
            all.last.extend(connection.acknowledged);
            connection.report(&self.load, pushed);
        }
        Ok(())
    }
}
