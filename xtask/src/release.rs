//! `cargo xtask release VERSION`: from a clean tree to what can be handed out, on this machine alone: nothing is pushed.
//!
//! 1. The version is written wherever it stands; what has changed since the last release gets its heading in the changelog; the fixtures
//!    of the version are recorded, which hold later versions to their promises (`docs/releases.md`). That is one commit.
//! 2. `cargo xtask package` makes archives, packages and the image, with their checksums.
//! 3. The checksums are signed with the key that was given, and the commit gets its tag.
//!
//! If 2 or 3 fails, the same command goes on where it has ended: the commit is there and is not made again.

mod changelog;
mod versions;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use self::changelog::Changelog;
use self::versions::Version;
use crate::package;
use crate::shell::{Step, root};

const USAGE: &str =
    "expected `VERSION [--sign gpg:KEY | --sign ssh:FILE] [--profile NAME | --built SHARED STATIC]`";

/// Who signs.
#[derive(Debug, PartialEq, Eq)]
enum Key<'a> {
    /// What gpg knows a key by.
    Gpg(&'a str),
    /// The file of a private key of SSH.
    Ssh(&'a str),
}

impl<'a> Key<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        match text.split_once(':') {
            Some(("gpg", key)) if !key.is_empty() => Ok(Self::Gpg(key)),
            Some(("ssh", file)) if !file.is_empty() => Ok(Self::Ssh(file)),
            _ => bail!("expected `gpg:KEY` or `ssh:FILE` behind `--sign`, found `{text}`"),
        }
    }

    /// Writes a signature beside a file.
    fn sign(&self, file: &Path) -> Result<()> {
        let step = match self {
            Self::Gpg(key) => Step::new("gpg", &["--yes", "--armor", "--detach-sign", "--local-user", key]),
            Self::Ssh(key) => {
                // It asks before it writes over one.
                let signature = file.with_extension("sig");
                if signature.exists() {
                    fs::remove_file(&signature).with_context(|| format!("remove {}", signature.display()))?;
                }
                Step::new("ssh-keygen", &["-Y", "sign", "-n", "file", "-f", key])
            }
        };
        step.args([file]).run()
    }
}

/// What is asked for.
#[derive(Debug)]
struct Options<'a> {
    version: Version,
    key: Option<Key<'a>>,
    /// For `cargo xtask package`.
    source: &'a [String],
}

impl<'a> Options<'a> {
    fn read(args: &'a [String]) -> Result<Self> {
        let (version, rest) = args.split_first().context(USAGE)?;
        let version = version.parse()?;
        let (key, source) = match rest {
            [flag, key, rest @ ..] if flag == "--sign" => (Some(Key::parse(key)?), rest),
            rest => (None, rest),
        };
        let (_, rest) = package::Source::from_args(source);
        ensure!(rest.is_empty(), "{USAGE}, found `{}`", rest.join(" "));
        Ok(Self { version, key, source })
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Options { version, key, source } = Options::read(args)?;
    let tag = format!("v{version}");
    ensure!(
        git(&["status", "--porcelain"])?.is_empty(),
        "expected no changes that are not committed"
    );
    ensure!(
        git(&["tag", "--list", &tag])?.is_empty(),
        "expected no tag {tag}: this version is released"
    );

    let path = root().join("CHANGELOG.md");
    let changelog = Changelog::read(&path)?;
    if changelog.section(version).is_none() {
        prepare(version, changelog)?;
    }
    let notes = Changelog::read(&path)?;
    let notes = notes
        .section(version)
        .context("expected the version in the changelog")?;

    // Another program by now: its version is the new one.
    Step::cargo(&["xtask", "package"]).args(source).run()?;
    let folder = package::folder()?;
    let notes_file = folder.join("NOTES.md");
    fs::write(&notes_file, format!("# Wharf {version}\n\n{notes}\n")).context("write NOTES.md")?;
    if let Some(key) = &key {
        key.sign(&folder.join("SHA256SUMS"))?;
    }
    // A line of a message that begins with `#` is no comment here, but a heading.
    let step = match &key {
        None => Step::new("git", &["tag", "--annotate"]),
        Some(Key::Gpg(key)) => Step::new("git", &["tag", "--sign", "--local-user", key]),
        Some(Key::Ssh(file)) => {
            let file = format!("user.signingKey={file}");
            Step::new("git", &["-c", "gpg.format=ssh", "-c", &file, "tag", "--sign"])
        }
    };
    step.args(["--cleanup=verbatim", "--file"])
        .args([&notes_file])
        .args([&tag])
        .run()?;
    eprintln!(
        "Wharf {version} is in {}, and its commit has the tag {tag}. What is left to do:\n  git push origin HEAD {tag}\n  \
         hand out what SHA256SUMS names, SHA256SUMS itself{} and NOTES.md",
        folder.display(),
        if key.is_some() { ", its signature" } else { "" }
    );
    Ok(())
}

/// The commit of a release.
fn prepare(version: Version, changelog: Changelog) -> Result<()> {
    let current: Version = env!("CARGO_PKG_VERSION").parse()?;
    ensure!(
        version >= current,
        "expected a version from {current} on, found {version}"
    );
    let date = Step::new("date", &["--utc", "+%Y-%m-%d"])
        .output()
        .context("ask for the date")?;
    changelog.release(version, date.trim())?;
    versions::write(current, version)?;
    // The lock files name our own crates with their versions.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let metadata = ["metadata", "--format-version", "1", "--manifest-path", manifest];
        Step::cargo(&metadata)
            .output()
            .with_context(|| format!("lock the dependencies of {manifest}"))?;
    }
    // Until now these have been of a version on its way.
    let fixtures = root()
        .join("crates/wharf/tests/fixtures/releases")
        .join(version.to_string());
    if fixtures.exists() {
        fs::remove_dir_all(&fixtures).with_context(|| format!("remove {}", fixtures.display()))?;
    }
    Step::cargo(&["test", "--package", "wharf", "--test", "it", "--locked"])
        .args(["--", "--ignored", "--exact", "releases::record_this_version"])
        .run()?;
    Step::new("git", &["add", "--all"]).run()?;
    Step::new("git", &["commit", "--quiet", "--message"])
        .args([format!("Release {version}")])
        .run()
}

fn git(args: &[&str]) -> Result<String> {
    let step = Step::new("git", args);
    let line = step.line();
    step.output().with_context(|| format!("`{line}` failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_a_version_then_a_key_then_programs() {
        let args = words("1.2.3 --sign ssh:/key --profile dev");
        let options = Options::read(&args).unwrap();
        assert_eq!(options.version.to_string(), "1.2.3");
        assert_eq!(options.key, Some(Key::Ssh("/key")));
        assert_eq!(options.source, words("--profile dev"));
        for wrong in [
            "v1.2.3",
            "1.2",
            "1.2.3 --sign key",
            "1.2.3 --sign gpg:",
            "1.2.3 more",
        ] {
            assert!(Options::read(&words(wrong)).is_err(), "{wrong}");
        }
    }
}
