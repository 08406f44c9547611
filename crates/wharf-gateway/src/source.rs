//! Where a push comes from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::peer::Peer;
use crate::request_id::RequestId;
use crate::traces::{Step, Trace};

/// The kind of input that a push comes in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// A push to one group.
    Push,
    /// A push to many groups at once.
    Many,
    /// What lines of `StatsD` have come to.
    Statsd,
    /// A part for prom-aggregation-gateway.
    Aggregate,
}

impl Input {
    /// A short name, which stays the same.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Many => "many",
            Self::Statsd => "statsd",
            Self::Aggregate => "aggregate",
        }
    }

    /// Whether rules for relabelling work on what comes in by it. What comes by `StatsD` has been through mapping rules, and is compared
    /// with what is stored of it.
    pub(crate) fn is_relabelled(self) -> bool {
        self != Self::Statsd
    }
}

/// Where a push comes from, and when it began to come.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it came in by.
    pub input: Input,
    /// Who sent it, if that is known.
    pub peer: Option<Peer>,
    /// What its request is called.
    pub request_id: RequestId,
    /// The trace of its request, if there is one.
    pub trace: Option<Arc<Trace>>,
    /// When it began, by the clock of the gateway.
    pub began: Instant,
    /// Bytes of the whole request, its head among them; 0 if there was none.
    pub request_bytes: u64,
}

impl Source {
    /// Begins something that is done for the push, and that ends when the result is dropped.
    #[inline]
    pub fn step(&self, name: &'static str) -> Option<Step<'_>> {
        self.trace.as_ref().map(|trace| trace.step(name))
    }

    /// The number of the trace of its request, if there is one, for logs.
    pub(crate) fn trace_id(&self) -> Option<String> {
        self.trace.as_ref().map(|trace| trace.id().to_string())
    }

    /// The address of the sender, if it came over a network.
    pub fn address(&self) -> Option<IpAddr> {
        self.peer.and_then(Peer::ip)
    }
}

/// For logs: who sent it. Nothing if that is not known.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.map_or(Ok(()), |peer| peer.fmt(f))
    }
}
