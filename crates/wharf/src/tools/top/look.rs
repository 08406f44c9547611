//! What a gateway told at one moment.

use std::time::Instant;

use super::sample::Sample;
use crate::tools::remote::{Group, Problem};

/// What was found in one look.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    /// How many seconds the gateway's clock is ahead of ours.
    pub(super) ahead: f64,
    pub(super) problems: Vec<Problem>,
    pub(super) groups: Vec<Group>,
    pub(super) sample: Sample,
}
