//! Random numbers of the system, without which nothing secret can be kept.

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("expected random numbers from the system, found none")]
pub struct NoRandomness;
