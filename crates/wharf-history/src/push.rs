//! A push, as it comes, and as it is remembered.

use std::borrow::Cow;
use std::sync::Arc;

/// How a push came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// It replaced the group.
    Put,
    /// It replaced families.
    Post,
    /// It was added to what the group had.
    Add,
}

impl Method {
    /// The word of HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Post | Self::Add => "POST",
        }
    }
}

/// A push that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How it came.
    pub method: Method,
    /// Bytes of its body, as they were sent.
    pub body_bytes: u64,
    /// Series that it brought; 0 if it was not read so far.
    pub series: u64,
    /// How long the job took, in seconds, if it says so.
    pub duration_seconds: Option<f64>,
    /// Why it was refused; none if it was stored.
    pub refusal: Option<Box<Refusal>>,
}

/// Why a push was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A short name, of which there are few. At most 32 bytes are remembered.
    pub reason: Cow<'static, str>,
    /// What its sender was told. The first [`crate::MAX_ERROR_BYTES`] are remembered.
    pub error: String,
}

/// A push that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct PastPush {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How it came.
    pub method: Method,
    /// Bytes of its body; 2^32 - 1 stands for that or more.
    pub body_bytes: u32,
    /// Series that it brought; 2^32 - 1 stands for that or more.
    pub series: u32,
    /// How long the job took, in seconds.
    pub duration_seconds: Option<f32>,
    /// The short name of why it was refused; none if it was stored.
    pub refused: Option<Arc<str>>,
}

/// The last refusal of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its short name.
    pub reason: Arc<str>,
    /// What the sender was told, perhaps cut.
    pub error: Box<str>,
}
