//! What has become of the last pushes of each group, so that whoever looks after jobs sees how they have been.
//!
//! ```text
//! push    History::push      one short lock: an event into the inbox
//! settle  some times a second, and before each look: events into the book, and into the buffer of the file
//! save    every second: the buffer to the file, or a new file when the old one has grown
//! look    History::group, History::pace: from the book
//! ```
//!
//! * A group has its last [`MAX_PUSHES`] pushes. All of it together keeps to a number of bytes; beyond that the oldest
//!   pushes go first, whichever group they are of.
//! * History is worth keeping, and not worth waiting for: no push waits for the disk because of it, a crash loses the
//!   last of it, and a file that cannot be read is set aside.

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod book;
mod file;
mod format;
mod history;
mod parts;
mod push;

pub use book::{Added, GroupHistory, Pace, Pulse};
pub use file::{Opened, SaveError};
pub use history::{History, Statistics};
pub use push::{LastError, Method, PastPush, Push, Refusal};

/// Pushes of one group that are remembered.
pub const MAX_PUSHES: usize = 60;
/// Bytes of the text of a refusal that are remembered.
pub const MAX_ERROR_BYTES: usize = 256;
