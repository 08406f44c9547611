//! A queue for work that keeps a processor busy: so much of it is done at once, and the rest waits for its turn.
//!
//! Whoever has a turn only computes, so more turns than processors make nothing faster and everything else slower. A client
//! may have as many as it leaves free, so that whoever comes next mostly need not wait at all; and those who wait take turns, so
//! that one waits behind as many others as there are clients, however much each of them has sent.
//!
//! What is quick never comes here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::oneshot;

use crate::client::Client;
use crate::lock::lock;
use crate::refusal::Refusal;
use crate::turns::{Limits, TooMany, Turns};

/// Turns at once for each processor. Twice as many as there are processors, since one client gets half of them.
const A_PROCESSOR: usize = 2;
/// There are so many in any case, so that with a single processor there is one for somebody else.
const AT_LEAST: usize = 4;
/// And no more than these: each is a thread, of which a runtime has 512 for all that blocks.
const AT_MOST: usize = 128;

/// How much work that keeps a processor busy this machine does at once.
pub fn turns_of_this_machine() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    processors.saturating_mul(A_PROCESSOR).clamp(AT_LEAST, AT_MOST)
}

/// So many turns at once, and what waits for one.
#[derive(Debug)]
pub struct Queue {
    all: usize,
    /// What waits, for refusals.
    what: &'static str,
    max_waiting: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    running: Running,
    waiting: Turns<Client, oneshot::Sender<Turn>>,
}

/// Those who have a turn.
#[derive(Debug, Default)]
struct Running {
    count: usize,
    by_client: HashMap<Client, usize>,
}

/// A turn, until this is dropped.
#[derive(Debug)]
#[must_use = "without it somebody else has the turn"]
pub struct Turn {
    queue: Arc<Queue>,
    client: Client,
}

impl Queue {
    /// As many turns at once as suit this machine, for one of `what` each; see [`Self::new`].
    pub(crate) fn of_this_machine(what: &'static str, max_waiting: usize) -> Arc<Self> {
        Self::new(turns_of_this_machine(), what, max_waiting)
    }

    /// So many turns at once, for one of `what` each. At most `max_waiting` may wait, all of it from one client if nobody else
    /// has any: then the client that has the most makes room.
    pub fn new(all: usize, what: &'static str, max_waiting: usize) -> Arc<Self> {
        let waiting = Turns::new(Limits {
            all: max_waiting,
            of_one_source: max_waiting,
        });
        let state = State {
            running: Running::default(),
            waiting,
        };
        Arc::new(Self {
            all,
            what,
            max_waiting,
            state: Mutex::new(state),
        })
    }

    /// How many turns there are at once.
    pub fn all(&self) -> usize {
        self.all
    }

    /// How many have a turn.
    pub fn taken(&self) -> usize {
        lock(&self.state).running.count
    }

    /// How many wait for one.
    pub fn waiting(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// If very many wait already, or if this client has the most waiting when somebody else comes.
    ///
    /// # Cancel safety
    /// Whoever does not wait any more gets no turn.
    pub async fn turn(self: &Arc<Self>, client: &Client) -> Result<Turn, Refusal> {
        let full = || Refusal::overloaded(self.what, self.max_waiting);
        let turn = {
            let mut state = lock(&self.state);
            if state.running.may_add(self.all, client) {
                return Ok(self.begin(&mut state, client.clone()));
            }
            let (sender, turn) = oneshot::channel();
            if state.waiting.len() >= self.max_waiting {
                state.waiting.retain(|waiting| !waiting.is_closed());
            }
            // Whoever has to leave hears it by the end of the channel.
            let _leaves = state
                .waiting
                .push(client.clone(), sender)
                .map_err(|TooMany| full())?;
            turn
        };
        turn.await.map_err(|_| full())
    }

    fn begin(self: &Arc<Self>, state: &mut State, client: Client) -> Turn {
        state.running.count += 1;
        *state.running.by_client.entry(client.clone()).or_default() += 1;
        Turn {
            queue: Arc::clone(self),
            client,
        }
    }

    /// Gives turns to those who wait, as long as there are any.
    fn go_on(self: &Arc<Self>) {
        loop {
            let (turn, waiting) = {
                let mut state = lock(&self.state);
                let next = state.next(self.all);
                let Some((client, waiting)) = next else { return };
                (self.begin(&mut state, client), waiting)
            };
            // If nobody waits any more, the turn ends here.
            drop(waiting.send(turn));
        }
    }
}

impl State {
    /// Who is next, of those who still wait and may have a turn.
    fn next(&mut self, all: usize) -> Option<(Client, oneshot::Sender<Turn>)> {
        loop {
            let may = |client: &Client| self.running.may_add(all, client);
            let (client, waiting) = self.waiting.pop_of(may)?;
            if !waiting.is_closed() {
                return Some((client, waiting));
            }
        }
    }
}

impl Running {
    /// Whether a client may have another turn.
    fn may_add(&self, all: usize, client: &Client) -> bool {
        let free = all.saturating_sub(self.count);
        let has = self.by_client.get(client).copied().unwrap_or(0);
        free > 0 && (has == 0 || has < free)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let running = &mut lock(&self.queue.state).running;
            running.count = running.count.saturating_sub(1);
            if let Some(has) = running.by_client.get_mut(&self.client) {
                *has = has.saturating_sub(1);
                if *has == 0 {
                    running.by_client.remove(&self.client);
                }
            }
        }
        self.queue.go_on();
    }
}

#[cfg(test)]
mod tests;
