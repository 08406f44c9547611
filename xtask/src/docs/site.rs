//! A look at the pages that mdBook has made: every link within the site leads to something.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Pages that belong to no place: one for addresses that are wrong, whose own address may be any.
const PLACELESS: [&str; 1] = ["404.html"];

/// Fails if a link within the site leads to nothing.
pub(super) fn check(site: &Path) -> Result<()> {
    let (mut pages, mut files) = (BTreeMap::new(), BTreeSet::new());
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.context("list files")?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(site).unwrap_or(&path).to_owned();
            let is_page = path.extension().is_some_and(|extension| extension == "html");
            if is_page && !PLACELESS.iter().any(|page| name == Path::new(page)) {
                let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                pages.insert(name.clone(), text);
            }
            files.insert(name);
        }
    }
    ensure!(
        !pages.is_empty(),
        "expected pages in {}, found none",
        site.display()
    );
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> = pages
        .iter()
        .map(|(name, text)| (name, values(text, &["id"]).collect()))
        .collect();
    let (mut checked, mut broken) = (0, Vec::new());
    for (page, text) in &pages {
        for target in values(text, &["href", "src", "srcset"]) {
            let is_outside = ["://", "mailto:", "data:", "javascript:"]
                .iter()
                .any(|mark| target.contains(mark));
            if is_outside {
                continue;
            }
            checked += 1;
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let there = if path.is_empty() {
                page.clone()
            } else {
                joined(page, path)
            };
            let has_place = |ids: &BTreeSet<&str>| place.is_empty() || ids.contains(place);
            if !files.contains(&there) || !ids.get(&there).is_none_or(has_place) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    ensure!(
        broken.is_empty(),
        "expected every link of the site to lead to something, found\n{}",
        broken.join("\n")
    );
    eprintln!("{checked} links of {} pages lead to something", pages.len());
    Ok(())
}

/// The values of these attributes.
fn values<'t>(text: &'t str, attributes: &'t [&str]) -> impl Iterator<Item = &'t str> {
    attributes.iter().flat_map(move |attribute| {
        let parts = text.split("=\"");
        let next = text.split("=\"").skip(1);
        parts
            .zip(next)
            .filter(move |(before, _)| before.ends_with(&format!(" {attribute}")))
            .filter_map(|(_, value)| value.split('"').next())
    })
}

/// The file that a page means by a path.
fn joined(page: &Path, path: &str) -> PathBuf {
    let mut joined = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path.split('?').next().unwrap_or_default()).components() {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::ParentDir => {
                joined.pop();
            }
            _ => {}
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let check_with = |text: &str| {
            let folder = std::env::temp_dir().join(format!("wharf-site-{}", std::process::id()));
            fs::create_dir_all(folder.join("sub")).unwrap();
            fs::write(folder.join("a.html"), "<h1 id=\"there\">A</h1>").unwrap();
            fs::write(folder.join("sub/b.html"), text).unwrap();
            let checked = check(&folder).map_err(|error| error.to_string());
            fs::remove_dir_all(&folder).unwrap();
            checked
        };
        assert_eq!(
            check_with("<p id=\"x\"><a href=\"../a.html#there\"></a><a class=\"c\" href=\"#x\"></a>"),
            Ok(())
        );
        for broken in ["../b.html", "../a.html#other", "#y", "a.html"] {
            let error = check_with(&format!("<a href=\"{broken}\"></a>")).unwrap_err();
            assert!(error.ends_with(&format!("\nsub/b.html: {broken}")), "{error}");
        }
    }
}
