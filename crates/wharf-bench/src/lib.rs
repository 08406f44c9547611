//! Development only: the benchmarks of Wharf, beside the programs that one would otherwise use.
//!
//! `cargo xtask bench` brings the peers, builds Wharf as it is released, and runs the questions of [`questions`], or
//! those that are named. Each question measures all its subjects in one run under the same load:
//!
//! - The load comes from [`load`], whose requests are built once and patched ([`template`]), so that it takes little
//!   of the processor that it shares with the server.
//! - Rounds are interleaved (A B C A B C), and ratios are taken within a round. What is reported is the median, and
//!   the least and the greatest.
//! - The CPU time of the server's process over the measured window is the figure that stays the same on a noisy
//!   machine; requests a second and latencies do not.
//! - After every load the server is asked for what it holds, and that is compared with what it has acknowledged
//!   ([`check`]). A subject that loses something has no figures.
//!
//! Results are kept as JSON ([`record`]), and [`report`] makes a page of them.

#![expect(
    clippy::cast_precision_loss,
    reason = "of a figure three digits are shown, and counts are far below 2^53"
)]

pub mod bench;
pub mod bodies;
pub mod check;
pub mod compare;
pub mod endpoint;
mod etcd;
pub mod floor;
pub mod http;
pub mod idle;
pub mod lines;
pub mod load;
pub mod machine;
pub mod process;
pub mod questions;
pub mod record;
pub mod report;
pub mod response;
pub mod subject;
pub mod table;
pub mod template;
