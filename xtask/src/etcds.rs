//! `cargo xtask etcds`: what replicas rely on, with each line of etcd.

use anyhow::{Result, ensure};

use crate::peers;
use crate::shell::Step;
use crate::tools::ETCDS;

/// Runs the checks of the shared log, and the tests of replicas, with each etcd.
pub(crate) fn run() -> Result<()> {
    let peers = peers::bring()?;
    for etcd in ETCDS {
        let program = etcd.bring()?;
        let told = Step::new(&program, &["--version"]).output().unwrap_or_default();
        let expected = etcd.version.trim_start_matches('v');
        ensure!(
            told.starts_with(&format!("etcd Version: {expected}\n")),
            "expected etcd {expected} at {}, found `{told}`",
            program.display()
        );
        eprintln!("etcd {expected}");
        let with_it = |arguments: &[&str]| {
            Step::cargo(&["test", "--locked"])
                .args(arguments)
                .env("WHARF_ETCD", &program)
                .env("WHARF_PEERS", &peers.folder)
                .env("WHARF_REQUIRE_PEERS", "1")
                .run()
        };
        with_it(&["--package", "wharf-etcd"])?;
        with_it(&["--package", "wharf", "--test", "it", "--", "replicas::"])?;
        with_it(&["--package", "wharf", "--test", "chaos"])?;
    }
    Ok(())
}
