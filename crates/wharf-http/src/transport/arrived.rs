//! A request as it has come.

use http::Request;
use hyper::body::Incoming;

/// A request whose body has not been read. It is on the heap, since it goes from one future to the next, and each would have room
/// for it twice.
pub(crate) type Arrived = Box<Request<Incoming>>;
