//! Getting requests to a gateway that may be down: again and again for a while, then into a folder for later.
//!
//! Nothing in the folder overtakes, and nothing overtakes it: what lies there is sent first, in the order in which
//! it came, and a request for a group that has older ones lying there waits behind them.

mod spool;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_client::{Answer, Client, ClientError, Request, Retry};
use wharf_model::duration;

pub(crate) use self::spool::{Spool, SpoolError};
use super::voice::Voice;

/// How long a tool tries, and what it does then.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Delivery")]
pub(crate) struct DeliveryFlags {
    /// For how long a push is repeated while the gateway is down or busy; 0 for one attempt
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub retry_for: Duration,

    /// Keep in this folder what could not be delivered; the next push or run with the same folder delivers it first
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The gateway has it.
    Delivered,
    /// It lies in the folder, because of this.
    Spooled(Failure),
    /// Nobody has it, because of this.
    Lost(Failure),
}

/// Why a request has not been delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The gateway refused it, or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Older requests for the same group wait, because of this.
    #[error("older pushes of the same group wait: {0}")]
    Behind(ClientError),
    /// Another run is busy with the folder.
    #[error("the spool folder is in use by another push")]
    Busy,
    /// It may have been counted, and would be counted twice if it were sent again.
    #[error(
        "{0}\nhint: it may have been added up all the same, so it is not sent again later: that would count it twice"
    )]
    Doubtful(ClientError),
    /// Whoever waited for the answer could not wait any longer.
    #[error("no answer before the signal to end")]
    Hurried,
}

impl Failure {
    /// Whether the gateway will never take what was sent.
    pub(crate) fn is_for_good(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_for_good())
    }

    /// Whether the gateway may have done it all the same.
    fn is_doubtful(&self) -> bool {
        match self {
            Self::Client(error) => error.may_be_done(),
            Self::Doubtful(_) | Self::Hurried => true,
            Self::Behind(_) | Self::Busy => false,
        }
    }
}

/// How long whoever delivers something waits.
pub(crate) trait Patience {
    /// Makes an attempt and waits for its end; [`Failure::Hurried`] if that is too long.
    fn attempt(&self, attempt: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure>;

    /// Waits between two attempts, and breaks off when there should be no further one.
    fn pause(&self, pause: Duration) -> ControlFlow<()>;
}

/// For so long a push that may have been added up is sent again: a gateway knows its id for an hour, unless it is told otherwise.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 60);

/// How long another run that is busy with the folder is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// A gateway that wants none of the requests of so many groups is not asked about others.
const MAX_WAITING: usize = 10;

/// A way to one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    client: Client,
    retry: Retry,
    spool: Option<Spool>,
    voice: Voice,
}

impl Delivery {
    /// A way to the gateway of `client`, as the flags say.
    pub(crate) fn new(client: Client, flags: &DeliveryFlags, voice: Voice) -> Self {
        Self {
            client,
            retry: Retry::within(flags.retry_for),
            spool: flags.spool.clone().map(Spool::new),
            voice,
        }
    }

    /// The client of the gateway.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Delivers a request: tries for as long as the flags say, then keeps it in the folder, if there is one.
    pub(crate) fn deliver(&self, request: Request, patience: &impl Patience) -> Outcome {
        let request = Arc::new(request);
        let started = Instant::now();
        let mut schedule = self.retry.start();
        // Whether one of the attempts may have been counted.
        let mut is_in_doubt = false;
        loop {
            let (delivery, attempted) = (self.clone(), Arc::clone(&request));
            let failure = match patience.attempt(move || delivery.attempt(&attempted)) {
                Ok(()) => return Outcome::Delivered,
                Err(failure) => failure,
            };
            is_in_doubt |= request.adds() && failure.is_doubtful();
            let is_too_late = is_in_doubt && started.elapsed() > KNOWN_FOR;
            let next = match &failure {
                _ if is_too_late => None,
                Failure::Client(error) | Failure::Behind(error) => schedule.pause_after(error),
                Failure::Busy => Some(BUSY_PAUSE).filter(|_| started.elapsed() < self.retry.within),
                Failure::Doubtful(_) | Failure::Hurried => None,
            };
            if let Some(next) = next {
                self.voice
                    .tell(format_args!("{failure}; trying again in {next:.1?}"));
                if patience.pause(next).is_continue() {
                    continue;
                }
            }
            return match failure {
                Failure::Client(error) if is_in_doubt && !error.is_for_good() => {
                    Outcome::Lost(Failure::Doubtful(error))
                }
                failure if is_in_doubt => Outcome::Lost(failure),
                failure => self.give_up(&request, failure),
            };
        }
    }

    fn give_up(&self, request: &Request, failure: Failure) -> Outcome {
        let is_to_be_kept = !failure.is_for_good();
        let Some(spool) = self.spool.as_ref().filter(|_| is_to_be_kept) else {
            return Outcome::Lost(failure);
        };
        match spool.append(self.client.address(), request, self.voice) {
            Ok(()) => Outcome::Spooled(failure),
            Err(error) => {
                self.voice.warn(error);
                Outcome::Lost(failure)
            }
        }
    }

    /// Sends what lies in the folder, and then the request, each once.
    ///
    /// # Errors
    /// Why the request has not been delivered.
    pub(crate) fn attempt(&self, request: &Request) -> Result<(), Failure> {
        self.attempt_answered(request).map(drop)
    }

    /// The same; what the gateway answers.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn attempt_answered(&self, request: &Request) -> Result<Answer, Failure> {
        // Held until the request is sent, so that no other run can put an older one behind it.
        let _lock = match &self.spool {
            Some(spool) => match spool.lock() {
                Ok(Some(lock)) => {
                    self.empty(spool, request)?;
                    Some(lock)
                }
                Ok(None) => return Err(Failure::Busy),
                Err(error) => self.warn(&error),
            },
            None => None,
        };
        match self.client.send(request) {
            Ok(answer) => Ok(answer),
            Err(error) if !request.is_repeatable() && error.may_be_done() => Err(Failure::Doubtful(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// A folder that is broken keeps nothing back.
    fn warn<T: Default>(&self, error: &SpoolError) -> T {
        self.voice.warn(error);
        T::default()
    }

    /// Sends what lies in the folder.
    ///
    /// # Errors
    /// Why something stays there that `request` must not overtake.
    fn empty(&self, spool: &Spool, request: &Request) -> Result<(), Failure> {
        // Groups of which something stays: what came later for them stays too.
        let mut waiting = BTreeSet::new();
        let mut reason = None;
        let entries = spool.entries(self.client.address(), self.voice);
        for entry in entries.unwrap_or_else(|error| self.warn(&error)) {
            let path = &entry.request.path;
            if waiting.contains(path) || waiting.len() >= MAX_WAITING {
                waiting.insert(path.clone());
                continue;
            }
            match self.client.send(&entry.request) {
                Ok(_) => {
                    self.voice.tell(format_args!("delivered {}", entry.name()));
                    entry.remove().unwrap_or_else(|error| self.warn(&error));
                }
                Err(error) if error.is_for_good() || entry.request.adds() && error.may_be_done() => {
                    self.voice
                        .warn(format_args!("set aside {}: {error}", entry.name()));
                    entry.set_aside().unwrap_or_else(|error| self.warn(&error));
                }
                // The gateway answers: others may have more luck.
                Err(error) if error.status().is_some() => {
                    waiting.insert(path.clone());
                    reason = Some(error);
                }
                Err(error) => return Err(Failure::Client(error)),
            }
        }
        match reason {
            Some(reason) if waiting.contains(&request.path) => Err(Failure::Behind(reason)),
            _ => Ok(()),
        }
    }
}
