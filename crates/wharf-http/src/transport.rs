//! Bytes, sockets, deadlines and TLS: what a connection is before a request is made of it.

pub(crate) mod access;
pub(crate) mod arrived;
pub(crate) mod chunks;
pub(crate) mod connection;
pub(crate) mod entry_point;
pub(crate) mod pass_on;
pub(crate) mod presence;
pub(crate) mod progress;
pub(crate) mod purpose;
pub(crate) mod room;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod targets;
pub mod tls;
pub(crate) mod watched;
