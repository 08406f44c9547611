//! A log that several replicas share: what the store needs of it, and nothing of what the store keeps in it.
//!
//! The log is a map from keys to values, both opaque, with one order of changes. Every transaction that changes it is one
//! [`Revision`]; whoever watches sees all revisions in this order, each once and as a whole.
//!
//! What always holds, and what `conformance` (feature `testing`) checks of every engine:
//!
//! - A transaction happens as a whole or not at all, and only if all that it [expects](Expect) holds at that moment.
//! - [`Committed`] is final. After [`LogError::Unknown`] the transaction may have happened, may still happen later, or may
//!   never happen; [`Lane`] finds out.
//! - A watch that was begun after a [`load`](SharedLog::load), at its revision, has every change since, or ends with an error.
//! - Nothing is undone.
//!
//! Nothing here needs a particular runtime: time comes from a [`Timer`], and tasks are futures that the caller runs. An engine
//! depends on this crate alone, so it is built beside the store, not after it, and can know nothing of groups.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod entry;
mod error;
mod lane;
mod log;
mod timer;
mod txn;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
mod simulated;
#[cfg(any(test, feature = "testing"))]
mod simulation;

pub use bytes::Bytes;
pub use entry::{Batch, Change, Entry, Key, LeaseId, Loaded, Revision};
pub use error::{LogError, WatchError};
pub use lane::{Lane, Settled, TxnId};
pub use log::{SharedLog, Watch};
#[cfg(any(test, feature = "testing"))]
pub use simulated::{Faults, SimulatedLog, SimulatedWatch};
#[cfg(any(test, feature = "testing"))]
pub use simulation::{Simulation, TaskId};
pub use timer::{Timer, timeout};
pub use txn::{Committed, Delete, Expect, Expected, Limits, Put, Txn};
