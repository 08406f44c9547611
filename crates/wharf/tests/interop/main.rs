//! The clients that people push with today, unchanged: each does the same against the real Pushgateway and against
//! Wharf, and both have to answer the same and end up holding the same.
//!
//! The clients are in the folder `interop/`; `cargo xtask interop` builds and runs them.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod clients;
mod documentation;
mod mixin;
mod run;
mod scrapers;
mod statsd_clients;
mod statsd_exporter;
mod traces;

use wharf_testkit::Spawn;

/// Wharf, ready to be started.
fn wharf() -> Spawn {
    Spawn::wharf(env!("CARGO_BIN_EXE_wharf"))
}
