//! Hands the commit and the compiler to `version.rs`.
//!
//! The same commit gives the same values on every machine: no clock, no user name, no host name. Without git,
//! or outside our own repository, the values are `unknown`. Packagers who build from an archive may set
//! `WHARF_BUILD_BRANCH`, `WHARF_BUILD_REVISION`, `WHARF_BUILD_DATE` and `WHARF_BUILD_USER`.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment is how cargo speaks to a build script"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let repository = Repository::ours();
    let git = |arguments: &[&str]| {
        repository
            .as_ref()
            .and_then(|repository| repository.git(arguments))
    };

    hand_over("WHARF_BUILD_BRANCH", git(&["rev-parse", "--abbrev-ref", "HEAD"]));
    hand_over("WHARF_BUILD_REVISION", git(&["rev-parse", "HEAD"]));
    let date = [
        "show",
        "--no-patch",
        "--date=format-local:%Y%m%d-%H:%M:%S",
        "--format=%cd",
        "HEAD",
    ];
    hand_over("WHARF_BUILD_DATE", git(&date));
    hand_over("WHARF_BUILD_USER", None);
    hand_over("WHARF_BUILD_RUSTC", compiler());

    if let Some(repository) = repository {
        repository.watch();
    }
}

/// Passes a value on to the compiler: the packager's, else what was found out, else `unknown`.
fn hand_over(variable: &str, found: Option<String>) {
    println!("cargo::rerun-if-env-changed={variable}");
    let given = env::var(variable)
        .ok()
        .filter(|value| !value.is_empty() && !value.contains('\n'));
    let value = given.or(found).unwrap_or_else(|| UNKNOWN.to_owned());
    println!("cargo::rustc-env={variable}={value}");
}

/// The second word of `rustc 1.95.0 (f2d3ce0bd 2026-03-21)`.
fn compiler() -> Option<String> {
    let output = output_of(Command::new(env::var_os("RUSTC")?).arg("--version"))?;
    output.split_whitespace().nth(1).map(str::to_owned)
}

/// A git working tree.
struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that this package is part of. A copy that was unpacked inside somebody else's repository
    /// has none, or it would claim that repository's commits.
    fn ours() -> Option<Self> {
        let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
        let root = package.ancestors().nth(2)?.canonicalize().ok()?;
        let top = Self { root: root.clone() }.git(&["rev-parse", "--show-toplevel"])?;
        (Path::new(&top).canonicalize().ok()? == root).then_some(Self { root })
    }

    fn git(&self, arguments: &[&str]) -> Option<String> {
        output_of(
            Command::new("git")
                .arg("-C")
                .arg(&self.root)
                .args(arguments)
                .env("TZ", OsString::from("UTC")),
        )
    }

    /// Asks cargo to run this script again after the next commit or checkout. Only files that exist are named:
    /// cargo takes a missing one for a changed one, every time.
    fn watch(&self) {
        for file in ["HEAD", "logs/HEAD"] {
            let Some(path) = self.git(&["rev-parse", "--git-path", file]) else {
                continue;
            };
            let path = self.root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
}

/// What a command prints, without the last newline; nothing if it fails or prints nothing.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}
