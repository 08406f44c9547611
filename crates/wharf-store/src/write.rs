//! Changes of what is stored: how they are checked, made, committed, and taken back.

pub(crate) mod aside;
pub(crate) mod claims;
mod clear;
pub(crate) mod commit;
pub(crate) mod delete;
pub(crate) mod expire;
pub(crate) mod expire_series;
pub(crate) mod fate;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod many;
mod merge;
mod note;
pub(crate) mod push;
pub(crate) mod put_back;
mod recover;
mod reset;
pub(crate) mod restore;
pub(crate) mod shared;
pub(crate) mod statistics;
mod survey;
pub(crate) mod undelete;
pub(crate) mod undo;
pub(crate) mod writer;
