//! What is sent back: statuses, headers, and the bodies of errors.

pub(crate) mod badge;
pub(crate) mod bounds;
pub(crate) mod envelope;
pub(crate) mod json;
pub(crate) mod numbers;
pub(crate) mod problems;
pub(crate) mod receipt;
pub(crate) mod refused;
pub(crate) mod respond;
pub(crate) mod scraped;
pub(crate) mod status;
pub(crate) mod streamed;
