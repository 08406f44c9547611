//! The version, and where it stands.

use std::fmt;
use std::fs;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::root;

/// The files that say the version in a name of an archive, a package or an image.
const FILES: [&str; 5] = [
    "docs/install.md",
    "packaging/container/compose.yaml",
    "packaging/helm/wharf/Chart.yaml",
    "packaging/kubernetes/base/statefulset.yaml",
    "packaging/kubernetes/cronjob.yaml",
];

/// Three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version([u32; 3]);

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|number| number.parse().ok()).collect();
        match numbers.and_then(|numbers| numbers.try_into().ok()) {
            Some(numbers) if Self(numbers).to_string() == text => Ok(Self(numbers)),
            _ => bail!("expected a version such as 1.2.3, found `{text}`"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Writes a version in the place of another, wherever it stands.
pub(super) fn write(old: Version, new: Version) -> Result<()> {
    let manifest = |version| format!("\nversion = \"{version}\"\n");
    change(
        "Cargo.toml",
        |text| text.replacen(&manifest(old), &manifest(new), 1),
        &manifest(old),
    )?;
    for file in FILES {
        change(file, |text| replaced(text, old, new), &old.to_string())?;
    }
    Ok(())
}

fn change(file: &str, how: impl FnOnce(&str) -> String, expected: &str) -> Result<()> {
    let path = root().join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
    ensure!(
        text.contains(expected),
        "{file}: expected the version, as `{}`",
        expected.trim()
    );
    fs::write(&path, how(&text)).with_context(|| format!("write {file}"))
}

/// Puts a version in the place of another, where that is not a part of a longer one.
fn replaced(text: &str, old: Version, new: Version) -> String {
    let old = old.to_string();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&old) {
        written.push_str(before);
        // A full stop may end a sentence.
        let goes_on = after.starts_with(|c: char| c.is_ascii_digit())
            || after
                .strip_prefix('.')
                .is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
        if goes_on || before.ends_with(is_number) {
            written.push_str(&old);
        } else {
            written.push_str(&new.to_string());
        }
        rest = after;
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<Version>();
        assert!(version("0.10.0").unwrap() > version("0.9.12").unwrap());
        for wrong in ["1", "1.2", "1.2.3.4", "1.2.03", "v1.2.3", "1.2.3-rc1", ""] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_whole_versions_are_replaced() {
        let [old, new] = ["0.1.0", "0.2.0"].map(|text| text.parse().unwrap());
        let text = "wharf-0.1.0-1.rpm, 10.1.0, 0.1.01, 0.1.0.7, wharf:0.1.0. v0.1.0";
        let expected = "wharf-0.2.0-1.rpm, 10.1.0, 0.1.01, 0.1.0.7, wharf:0.2.0. v0.2.0";
        assert_eq!(replaced(text, old, new), expected);
    }

    #[test]
    fn all_files_say_the_version_of_today() {
        for file in FILES {
            let text = fs::read_to_string(root().join(file)).unwrap();
            assert!(text.contains(env!("CARGO_PKG_VERSION")), "{file}");
        }
    }
}
