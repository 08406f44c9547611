//! What the process is made of, beside the gateway itself: each file starts one part, in the way of [`wharf_gateway::Parts`].

pub(crate) mod alerting;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod changes;
pub(crate) mod cooling;
pub(crate) mod expectations;
pub(crate) mod expiry;
pub(crate) mod history;
pub(crate) mod notices;
pub(crate) mod replica;
pub(crate) mod signals;
pub(crate) mod statsd;
pub(crate) mod storage;
pub(crate) mod traces;

#[cfg(test)]
mod tests;
