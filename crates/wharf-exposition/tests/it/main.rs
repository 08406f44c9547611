//! The formats from outside, one module each.

#![expect(
    clippy::unwrap_used,
    reason = "the relaxation for tests does not cover their helpers"
)]

mod generate;
mod openmetrics;
mod openmetrics_rules;
mod protobuf;
mod text;
