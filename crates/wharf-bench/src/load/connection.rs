//! One connection of a load.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;

use super::pushed::{Last, Pushed};
use super::{Length, Load};
use crate::endpoint::Stream;
use crate::response::Response;
use crate::template::Request;

/// Longest answer to a push.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// One connection: its request, its answer, its groups.
pub(super) struct Connection {
    /// None between two pushes of which each has a stream of its own.
    pub(super) stream: Option<Stream<TcpStream>>,
    request: Request,
    written: usize,
    answer: Vec<u8>,
    filled: usize,
    response: Response,
    /// The slots of this connection: every `stride`th from its own number on.
    slot: u32,
    /// Its number among all of the load.
    pub(super) number: u32,
    pub(super) turns_left: u32,
    last: Vec<Last>,
    /// Index into `last` of the group in flight.
    index: usize,
    pub(super) value: u32,
    /// The last value that was acknowledged.
    pub(super) acknowledged: Option<u32>,
    /// When the push in flight began, or should have.
    pub(super) since: Instant,
    /// When the next push begins, in a load with a pace.
    pub(super) due: Instant,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The time of its next push has not come.
    Waiting,
    Sending,
    Receiving,
    Done,
}

impl Connection {
    /// The connection `number` of a load, before which so many pushes were sent.
    pub(super) fn new(load: &Load<'_>, number: u32, sequence: u64) -> Self {
        let now = Instant::now();
        Self {
            stream: None,
            request: load.request.clone(),
            written: 0,
            answer: vec![0; 4096],
            filled: 0,
            response: Response::default(),
            slot: first_slot(load, number, sequence),
            number,
            turns_left: match load.length {
                Length::Time { .. } => u32::MAX,
                Length::Turns(turns) => turns,
            },
            last: vec![Last::Nothing; load.slots(number).len()],
            index: 0,
            value: 0,
            acknowledged: None,
            since: now,
            due: now,
            state: State::Done,
        }
    }

    /// Makes the next request, which counts from `since` on.
    pub(super) fn begin(&mut self, load: &Load<'_>, value: u32, since: Instant) {
        let stride = load.connections;
        self.index = (self.slot / stride) as usize;
        self.value = value;
        self.request.patch(load.groups.number(self.slot), value);
        self.slot += stride;
        if self.slot >= load.groups.count() {
            self.slot %= stride;
            self.turns_left -= 1;
        }
        self.written = 0;
        self.filled = 0;
        self.response.reset();
        self.since = since;
        self.state = State::Sending;
    }

    /// Sends as much as goes. Returns whether that was all.
    ///
    /// A connection that breaks here is seen when its answer is read.
    pub(super) fn send(&mut self) -> Result<bool> {
        let stream = self.stream.as_mut().context("expected a stream")?;
        while let Some(rest) = self
            .request
            .as_bytes()
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match stream.write(rest) {
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
    pub(super) fn receive(&mut self) -> Result<bool> {
        let stream = self.stream.as_mut().context("expected a stream")?;
        loop {
            if self.filled == self.answer.len() {
                ensure!(self.filled < MAX_ANSWER_BYTES, "the answer is too long");
                self.answer.resize(self.filled * 2, 0);
            }
            let read = match stream.read(&mut self.answer[self.filled..]) {
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

    /// Whether the answer acknowledges the push.
    pub(super) fn is_accepted(&self) -> bool {
        (200..300).contains(&self.response.status)
    }

    /// What an answer says that does not.
    pub(super) fn refusal(&self) -> String {
        let body = self.response.body(&self.answer[..self.filled]);
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        format!("{} {text:.300}", self.response.status)
    }

    /// Notes what the group in flight holds now.
    pub(super) fn note(&mut self, last: Last) {
        self.last[self.index] = last;
    }

    /// Tells what its groups hold.
    pub(super) fn report(self, load: &Load<'_>, pushed: &mut Pushed) {
        for (slot, last) in load.slots(self.number).zip(self.last) {
            if last != Last::Nothing {
                pushed.set(load.groups.number(slot), last);
            }
        }
    }
}

/// Where a connection begins: loads of some time go on where the last one has ended, more or less, so that all
/// groups get their turn.
fn first_slot(load: &Load<'_>, connection: u32, sequence: u64) -> u32 {
    let own = load.slots(connection).len() as u64;
    let skipped = match load.length {
        Length::Time { .. } => sequence / u64::from(load.connections) % own,
        Length::Turns(_) => 0,
    };
    connection + u32::try_from(skipped).unwrap_or(0) * load.connections
}
