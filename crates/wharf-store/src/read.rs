//! What is stored, for those who read it: snapshots, lists, images. None of them keeps a push waiting for long.

pub(crate) mod images;
pub(crate) mod listing;
mod matching;
pub(crate) mod snapshot;
mod standing;
pub(crate) mod walk;
