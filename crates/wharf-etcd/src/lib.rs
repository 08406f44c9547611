//! etcd as the [log that replicas share](wharf_shared_log::SharedLog).
//!
//! ```text
//! Etcd      the log: transactions, reads, leases        log.rs, load.rs
//! EtcdWatch a stream of changes                         watch.rs
//! call      a token, an answer, what an error means     calls.rs, login.rs, errors.rs
//! members   which member is asked                       members.rs
//! HTTP/2    a connection, with TLS or without           connection.rs, tls.rs
//! ```
//!
//! The messages are written by hand (`messages.rs`), so that no generator is needed to build this, and gRPC is `tonic` over
//! connections of our own: the library that comes with it reconnects by itself, and then nobody knows which requests were sent.
//!
//! - **A request that may have been carried out is [unknown](wharf_shared_log::LogError::Unknown)**; only where etcd says so, or
//!   no connection was made, it was not. Nothing is sent twice here: whoever asked decides.
//! - **The members are asked one at a time**, the same one as long as it answers. One that does not, or whose caller gives up, has the next one asked
//!   instead. All calls want a member that has a leader, so one that is cut off says no at once instead of after seven seconds.
//! - **A watch begins one revision early.** From etcd 3.7 on a watch that begins in the future does not say how far it is.
//! - **Answers have limits**: a load asks for pages, and halves them if one is too large; a watch takes large revisions in parts.
//!
//! Etcd 3.5.8 is the first version: before it, what a watch says of how far it is was wrong.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod about;
mod calls;
mod connection;
mod errors;
mod load;
mod log;
mod login;
mod members;
mod messages;
mod settings;
mod timer;
mod tls;
mod watch;

pub use self::about::{About, Unusable};
pub use self::log::Etcd;
pub use self::settings::{EtcdSettings, Member, MemberError};
pub use self::timer::SystemTimer;
pub use self::watch::EtcdWatch;
