//! Building the program, so that it is the same wherever it is built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell::Step;
use crate::{dependencies, peers};

/// With the C library of the system, as the system's own programs.
const C_LIBRARY: Target = Target("x86_64-unknown-linux-gnu");
/// With nothing of the system but the kernel.
const STATIC: Target = Target("x86_64-unknown-linux-musl");

/// A target of rustc.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target(pub(super) &'static str);

/// Where the programs come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Built with this profile of cargo.
    Profile(&'a str),
    /// Built by somebody else: one with the system's C library, and a static one.
    Built([&'a Path; 2]),
}

impl<'a> Source<'a> {
    /// Reads `[--profile NAME | --built SHARED STATIC]`, and returns the arguments behind it.
    pub(crate) fn from_args(args: &'a [String]) -> (Self, &'a [String]) {
        match args {
            [flag, name, rest @ ..] if flag == "--profile" => (Self::Profile(name), rest),
            [flag, shared, alone, rest @ ..] if flag == "--built" => {
                (Self::Built([Path::new(shared), Path::new(alone)]), rest)
            }
            rest => (Self::Profile("dist"), rest),
        }
    }
}

/// A program that was built.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) target: Target,
    pub(super) program: PathBuf,
}

impl Build {
    /// Both programs: one with the system's C library, and a static one.
    pub(super) fn both(source: Source<'_>) -> Result<[Self; 2]> {
        let targets = [C_LIBRARY, STATIC];
        match source {
            Source::Profile(profile) => {
                let [shared, alone] = targets.map(|target| Self::make(target, profile));
                Ok([shared?, alone?])
            }
            Source::Built(programs) => {
                let [shared, alone] = programs.map(std::path::absolute);
                let [c_library, none] = targets;
                Ok([(c_library, shared?), (none, alone?)].map(|(target, program)| Self { target, program }))
            }
        }
    }

    /// Builds the program with a profile of cargo, with other names in the place of folders, which would else end up in the
    /// messages of panics.
    fn make(target: Target, profile: &str) -> Result<Self> {
        let changes = Step::new("git", &["status", "--porcelain"]).output();
        if changes.is_some_and(|changes| !changes.is_empty()) {
            eprintln!("warning: there are changes that are not committed; nobody can build the same");
        }
        let libraries = dependencies::libraries_folder()?;
        let folder = dependencies::target_folder()?;
        let names = [(folder.as_path(), "/target"), (&libraries, "/crates")];
        let rust = names.map(|(folder, name)| renamed("--remap-path-prefix=", folder, name));
        let [_, c] = names.map(|(folder, name)| renamed("-ffile-prefix-map=", folder, name));
        // What .cargo/config.toml says of the allocator comes this way, too, and would give way.
        let mut c_flags = OsString::from(option_env!("CFLAGS").unwrap_or_default());
        c_flags.push(" ");
        c_flags.push(c);
        let mut build = Step::cargo(&["build", "--locked", "--package", "wharf", "--profile", profile]);
        let mut built = folder.clone();
        if target.0 == STATIC.0 {
            prepare()?;
            build = build
                .args(["--target", target.0])
                .env("CC_x86_64_unknown_linux_musl", "musl-gcc");
            built.push(target.0);
        }
        build
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}".as_ref()))
            .env("CFLAGS", c_flags)
            // What C libraries take for the time of the build.
            .env("SOURCE_DATE_EPOCH", "0")
            // A commit may be on many branches. Releases of the Pushgateway say this, too.
            .env("WHARF_BUILD_BRANCH", "HEAD")
            .run()?;
        built.push(if profile == "dev" { "debug" } else { profile });
        let program = built.join("wharf");
        Ok(Self { target, program })
    }

    /// The newest version of the system's C library of which it needs something.
    pub(super) fn c_library(&self) -> Result<String> {
        let symbols = Step::new("objdump", &["-T"]).args([&self.program]).output();
        let symbols = symbols.context("list the symbols of the program")?;
        newest_version(&symbols).context("expected versions of the C library, found none")
    }
}

/// What a static program needs that a machine for development may lack.
fn prepare() -> Result<()> {
    peers::bring_for_static_builds()?;
    // Does nothing if it is there.
    Step::new("rustup", &["target", "add", STATIC.0]).run()
}

/// The highest `GLIBC_X.Y` in a list of symbols.
fn newest_version(symbols: &str) -> Option<String> {
    let words = symbols.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    let versions = words.filter_map(|word| word.strip_prefix("GLIBC_"));
    let numbers = |version: &str| -> Option<Vec<u32>> {
        version.split('.').map(|number| number.parse().ok()).collect()
    };
    let newest = versions.filter_map(numbers).max()?;
    let newest: Vec<_> = newest.iter().map(u32::to_string).collect();
    Some(newest.join("."))
}

/// `OPTION FOLDER=NAME`, in one word.
fn renamed(option: &str, folder: &Path, name: &str) -> OsString {
    let mut flag = OsString::from(option);
    flag.push(folder);
    flag.push("=");
    flag.push(name);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let symbols =
            "DF *UND* 0 (GLIBC_2.2.5) getenv\nDF *UND* 0 (GLIBC_2.34) atexit\n(GLIBC_2.9) x\n(GCC_3.3) y\n";
        assert_eq!(newest_version(symbols).as_deref(), Some("2.34"));
        assert_eq!(newest_version("no symbols"), None);
    }
}
