//! A request as it has come, and who sent it.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use wharf_gateway::Peer;

use crate::transport::presence::Presence;

/// A request whose body has not been read. It is on the heap, since it goes from one future to the next, and each would have room
/// for it twice.
pub(crate) type Arrived = Box<Request<Incoming>>;

/// Who sends the requests of a connection.
#[derive(Debug)]
pub(crate) struct Sender {
    /// The other end of the connection.
    pub(crate) peer: Peer,
    /// The names in its certificate, if that was verified.
    pub(crate) names: Vec<String>,
    /// Whether it is still there.
    pub(crate) presence: Arc<Presence>,
}

impl Sender {
    /// Its address, if it came over a network.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.peer.ip()
    }
}
