//! What a request means: its path, query, headers and body, read with typed errors.

pub(crate) mod advice;
pub(crate) mod body;
pub(crate) mod called;
pub(crate) mod claim;
pub(crate) mod conditional;
pub(crate) mod content;
pub(crate) mod grouping;
pub(crate) mod labelled;
pub(crate) mod large;
pub(crate) mod negotiate;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod parameters;
pub(crate) mod path;
pub mod pushed;
pub(crate) mod query;
pub(crate) mod received;
pub(crate) mod shape;
pub(crate) mod words;
