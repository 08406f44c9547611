//! `cargo xtask miri`: tests in an interpreter that stops at undefined behaviour.
//!
//! None of our crates may be `unsafe`, so what is checked is the unsafe code of the libraries below them, in the way it
//! is used here: hash tables, ordered maps, scanning of bytes, numbers to text and back, checksums, compression.
//!
//! The interpreter is some hundred times slower than the processor. So random tests get few cases, tests of large or many
//! things are ignored there, each with its reason, and packages are left out that need the network or C, or whose every
//! test compiles regular expressions, which takes minutes.

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::shell::Step;

/// Packages, and which of their tests.
const PACKAGES: [(&str, &str); 5] = [
    ("wharf-model", "--lib"),
    ("wharf-exposition", "--tests"),
    // Its disks copy megabytes byte by byte; the store's tests use them as well, with less.
    ("wharf-ledger", "--lib"),
    ("wharf-store", "--tests"),
    ("wharf-history", "--lib"),
];

/// Cases of each random test.
const CASES: &str = "2";

/// `[PACKAGE...]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let is_known = |arg: &&String| PACKAGES.iter().any(|(package, _)| package == arg);
    if let Some(unknown) = args.iter().find(|arg| !is_known(arg)) {
        let known = PACKAGES.map(|(package, _)| package).join(", ");
        bail!("unknown package `{unknown}`, expected one of: {known}");
    }
    ensure!(
        cargo(&["miri", "--version"]).output().is_some(),
        "Miri is missing\nhint: run `rustup toolchain install nightly --component miri,rust-src`"
    );
    for (package, tests) in PACKAGES {
        if !args.is_empty() && !args.iter().any(|arg| arg == package) {
            continue;
        }
        let begun = Instant::now();
        cargo(&["miri", "test", "--locked", "--package", package, tests])
            // Some tests read fixtures, and random ones look for what has failed before.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            .env("PROPTEST_CASES", CASES)
            .run()?;
        eprintln!("{package}: {} s", begun.elapsed().as_secs());
    }
    Ok(())
}

/// The cargo of a nightly toolchain: Miri is part of no other.
fn cargo(command: &[&str]) -> Step {
    Step::new("rustup", &["run", "nightly", "cargo"]).args(command)
}
