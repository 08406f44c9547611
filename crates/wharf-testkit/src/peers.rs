//! The programs that judge us: the real Pushgateway, Prometheus, Prometheus' Python client.
//!
//! `cargo xtask test` brings them and says where they are. A bare `cargo test` does without those it cannot find;
//! with `WHARF_REQUIRE_PEERS` set a missing one fails the test instead, so that no run can pass by skipping.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The real Pushgateway 1.11.2.
pub fn pushgateway() -> Option<PathBuf> {
    in_peers("pgw/usr/bin/prometheus-pushgateway")
}

/// Where the package of the real Pushgateway keeps the files of its pages.
pub fn pushgateway_assets() -> Option<PathBuf> {
    in_peers("pgw/usr/share/prometheus/pushgateway")
}

/// Prometheus itself.
pub fn prometheus() -> Option<PathBuf> {
    in_peers("prom/usr/bin/prometheus")
}

/// A Python that can import `prometheus_client`.
pub fn python() -> Option<PathBuf> {
    let python = setting("WHARF_PYTHON").map_or_else(|| target().join("python/bin/python"), PathBuf::from);
    found("Python with prometheus_client", &python)
}

/// A number that a person may set to repeat a run: the seed of the random tests, for instance.
///
/// # Panics
/// When the variable holds something else than a number.
pub fn number_from_environment(variable: &str) -> Option<u64> {
    setting(variable).map(|value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("expected a number in {variable}, found `{value}`"))
    })
}

fn in_peers(path: &str) -> Option<PathBuf> {
    static PEERS: OnceLock<PathBuf> = OnceLock::new();
    let peers =
        PEERS.get_or_init(|| setting("WHARF_PEERS").map_or_else(|| target().join("peers"), PathBuf::from));
    found(path, &peers.join(path))
}

fn found(what: &str, path: &Path) -> Option<PathBuf> {
    if path.exists() {
        return Some(path.to_owned());
    }
    assert!(
        setting("WHARF_REQUIRE_PEERS").is_none(),
        "{what} is required but not at {}: run `cargo xtask peers`",
        path.display()
    );
    None
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the tests read the environment"
)]
fn setting(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
