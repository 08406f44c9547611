//! The source of the book: the files of `docs/`, and some beside it, with links that hold within the book.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::links::links;
use crate::shell::root;

/// Pages that are not in `docs/`, and their names in the book.
const BESIDE: [(&str, &str); 4] = [
    ("README.md", "README.md"),
    ("CHANGELOG.md", "changelog.md"),
    ("ARCHITECTURE.md", "architecture.md"),
    ("SECURITY.md", "security-reports.md"),
];

/// Writes all files of the book into `folder`.
pub(super) fn assemble(folder: &Path, repository: Option<&str>) -> Result<()> {
    let mut files: Vec<PathBuf> = BESIDE.iter().map(|(page, _)| PathBuf::from(page)).collect();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(root().join(&folder)).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.context("list files")?;
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    for file in files {
        let Some(place) = placed(&file) else { continue };
        let (from, to) = (root().join(&file), folder.join(place));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        if file.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&from).with_context(|| format!("read {}", from.display()))?;
            let text = relinked(&file, &text, repository)?;
            fs::write(&to, text).with_context(|| format!("write {}", to.display()))?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
    }
    Ok(())
}

/// Where a file of the repository is in the book; none if it is not in it.
fn placed(file: &Path) -> Option<PathBuf> {
    let beside = BESIDE.iter().find(|(page, _)| Path::new(page) == file);
    let place = match beside {
        Some((_, name)) => Path::new(name),
        None => file.strip_prefix("docs").ok()?,
    };
    // What forges show of a folder is its README, and what servers show is its index.
    let is_first = place.file_name().is_some_and(|name| name == "README.md");
    Some(if is_first {
        place.with_file_name("index.md")
    } else {
        place.to_owned()
    })
}

/// What a link of a page means: a path in the repository, and a place there. None if it leads out of the repository.
pub(super) fn resolved(page: &Path, target: &str) -> Option<(PathBuf, Option<String>)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, place) = match target.split_once('#') {
        Some((path, place)) => (path, Some(place.to_owned())),
        None => (target, None),
    };
    if path.is_empty() {
        return Some((page.to_owned(), place));
    }
    let mut resolved = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                resolved.pop();
            }
            _ => {}
        }
    }
    Some((resolved, place))
}

/// The text of a page, with links as they are in the book. What is not in the book is looked at in the repository; without one, only the
/// words of the link stay.
fn relinked(page: &Path, text: &str, repository: Option<&str>) -> Result<String> {
    let here = placed(page).unwrap_or_default();
    let up = "../".repeat(here.components().count().saturating_sub(1));
    let mut changed = text.to_owned();
    // From the last one on, so that the places of the others stay.
    for link in links(text).into_iter().rev() {
        let target = &text[link.target.clone()];
        let Some((path, place)) = resolved(page, target) else {
            continue;
        };
        if path == page {
            continue;
        }
        let place = place.map(|place| format!("#{place}")).unwrap_or_default();
        // mdBook makes its sidebar of the summary, and no page.
        let there = placed(&path).filter(|there| there != Path::new("SUMMARY.md"));
        let new = match (there, repository) {
            (Some(there), _) => format!("{up}{}{place}", there.display()),
            (None, Some(repository)) => format!("{repository}/{}{place}", path.display()),
            (None, None) => match link.words {
                Some((whole, words)) => {
                    changed.replace_range(whole, &text[words]);
                    continue;
                }
                None => bail!(
                    "expected a link to something in the book, found `{target}` in {}",
                    page.display()
                ),
            },
        };
        changed.replace_range(link.target, &new);
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_in_the_book() {
        let relinked =
            |page: &str, text: &str, repository| relinked(Path::new(page), text, repository).unwrap();
        for (page, text, expected) in [
            ("README.md", "[a](docs/jobs.md#cron)", "[a](jobs.md#cron)"),
            (
                "README.md",
                "<img src=\"docs/page/x.png\">",
                "<img src=\"docs/page/x.png\">".replace("docs/", "").as_str(),
            ),
            (
                "docs/http-api.md",
                "[a](../README.md#the-page)",
                "[a](index.md#the-page)",
            ),
            (
                "docs/decisions/0004-x.md",
                "[a](../benchmarks.md)",
                "[a](../benchmarks.md)",
            ),
            (
                "docs/decisions/0004-x.md",
                "[a](../../CHANGELOG.md)",
                "[a](../changelog.md)",
            ),
            (
                "docs/install.md",
                "see [`a` b](../packaging/mixin), [c](#d) and <https://e.example>",
                "see `a` b, [c](#d) and <https://e.example>",
            ),
        ] {
            assert_eq!(relinked(page, text, None), expected);
        }
        assert_eq!(
            relinked(
                "docs/install.md",
                "[a](../packaging/mixin)",
                Some("https://forge.example/wharf")
            ),
            "[a](https://forge.example/wharf/packaging/mixin)"
        );
    }
}
