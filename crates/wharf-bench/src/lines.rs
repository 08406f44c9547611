//! Lines of `StatsD`: what they look like, who sends them, and who takes them.

mod bodies;
mod receiver;
mod sender;
mod sink;

pub(crate) use self::bodies::{LINES_A_DATAGRAM, Shape};
pub(crate) use self::receiver::{Receiver, Taker};
pub(crate) use self::sender::{Sender, Way};
pub use self::sink::serve as serve_sink;

/// The processor on which lines are taken, and the one on which they are made.
const TAKING: usize = 1;
const MAKING: usize = 0;
