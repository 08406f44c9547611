//! Changes of what is stored: how they are checked, made, committed, and taken back.

pub(crate) mod claims;
pub(crate) mod commit;
mod delete;
pub(crate) mod expire;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod many;
mod merge;
pub(crate) mod push;
mod remove;
pub(crate) mod restore;
pub(crate) mod shared;
mod survey;
pub(crate) mod undo;
pub(crate) mod writer;
