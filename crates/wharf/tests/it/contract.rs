//! What clients rely on, as conversations: each is played against the real Pushgateway and against Wharf.
//!
//! The numbers are those of the cases in the description of the real one's behaviour, so that a case keeps its
//! name when its sentence is improved.

mod compression;
mod deleting;
mod exposition;
mod grouping;
mod histograms;
mod json;
mod leniency;
mod openmetrics;
mod own_metrics;
mod pushing;
mod refusals;
mod routing;
mod text;
mod utf8;
