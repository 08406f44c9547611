//! `CHANGELOG.md`: a heading for each version, and on top one for what is not released yet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::versions::Version;

const UNRELEASED: &str = "\n## Unreleased\n";

#[derive(Debug)]
pub(super) struct Changelog {
    path: PathBuf,
    text: String,
}

impl Changelog {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let path = path.to_owned();
        Ok(Self { path, text })
    }

    /// What has changed with a version; none if it has no heading.
    pub(super) fn section(&self, version: Version) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("\n## {version} - "))?;
        let (_, rest) = rest.split_once('\n')?;
        let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
        Some(section.trim())
    }

    /// Gives what is not released the heading of a version.
    pub(super) fn release(self, version: Version, date: &str) -> Result<()> {
        let text = released(&self.text, version, date)?;
        fs::write(&self.path, text).with_context(|| format!("write {}", self.path.display()))
    }
}

fn released(text: &str, version: Version, date: &str) -> Result<String> {
    let (before, rest) = text
        .split_once(UNRELEASED)
        .context("expected a heading `## Unreleased` in the changelog")?;
    let (changes, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    ensure!(
        !changes.trim().is_empty(),
        "expected changes below `## Unreleased` in the changelog"
    );
    Ok(format!("{before}{UNRELEASED}\n## {version} - {date}\n{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- a\n\n## 0.1.0 - 2026-01-01\n\nthe first\n";
    const AFTER: &str = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-02-03\n\n### Added\n\n- a\n\n## 0.1.0 - 2026-01-01\n\nthe first\n";

    #[test]
    fn what_is_not_released_gets_a_heading() {
        let version = "0.2.0".parse().unwrap();
        assert_eq!(released(BEFORE, version, "2026-02-03").unwrap(), AFTER);
        // Nothing has changed since.
        assert!(released(AFTER, "0.3.0".parse().unwrap(), "2026-02-03").is_err());
        assert!(released("# Changelog\n", version, "2026-02-03").is_err());
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let changelog = Changelog {
            path: PathBuf::new(),
            text: AFTER.to_owned(),
        };
        let section = |version: &str| changelog.section(version.parse().unwrap());
        assert_eq!(section("0.2.0"), Some("### Added\n\n- a"));
        assert_eq!(section("0.1.0"), Some("the first"));
        assert_eq!(section("0.3.0"), None);
    }
}
