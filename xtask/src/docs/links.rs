//! Links and headings of pages in Markdown, as far as ours have them.

use std::ops::Range;

/// Where something is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where the target stands in the text.
    pub(super) target: Range<usize>,
    /// All of `[words](target)`, and the words; none of what is not written like that.
    pub(super) words: Option<(Range<usize>, Range<usize>)>,
}

/// Attributes of HTML that have a link as their value.
const ATTRIBUTES: [&str; 3] = [" href=\"", " src=\"", " srcset=\""];

/// All links of a page, in their order.
pub(super) fn links(page: &str) -> Vec<Link> {
    let text = without_code(page);
    let mut links = Vec::new();
    for (at, _) in text.match_indices("](") {
        let Some(end) = closing(&text, at + 2) else {
            continue;
        };
        let target = trimmed(&text, at + 2..end);
        let words = opening(&text, at).map(|start| {
            // A picture is one with its mark.
            let begin = if text[..start].ends_with('!') {
                start - 1
            } else {
                start
            };
            (begin..end + 1, start + 1..at)
        });
        links.push(Link { target, words });
    }
    for attribute in ATTRIBUTES {
        for (at, _) in text.match_indices(attribute) {
            let start = at + attribute.len();
            let end = text[start..]
                .find('"')
                .map_or(text.len(), |length| start + length);
            links.push(Link {
                target: start..end,
                words: None,
            });
        }
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let definition = line.starts_with('[').then(|| line.find("]: ")).flatten();
        if let Some(at) = definition {
            let target = trimmed(&text, start + at + 3..start + line.len());
            links.push(Link { target, words: None });
        }
        start += line.len();
    }
    links.sort_by_key(|link| link.target.start);
    links
}

/// The parenthesis that ends a target.
fn closing(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text[start..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(start + at),
            ')' => depth -= 1,
            '\n' => return None,
            _ => {}
        }
    }
    None
}

/// The bracket that begins the words of a link, which end at `end`.
fn opening(text: &str, end: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text[..end].char_indices().rev() {
        match c {
            ']' => depth += 1,
            '[' if depth == 0 => return Some(at),
            '[' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A target without blanks around it, and without the title behind it.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let whole = &text[range.clone()];
    let start = range.start + (whole.len() - whole.trim_start().len());
    let target = whole.split_whitespace().next().unwrap_or_default();
    start..start + target.len()
}

/// The page with blanks in the place of code, so that nothing else moves.
fn without_code(page: &str) -> String {
    let mut bytes = without_fences(page).into_bytes();
    let mut at = 0;
    while let Some(start) = position(&bytes, at, |byte| byte == b'`') {
        let end = position(&bytes, start, |byte| byte != b'`').unwrap_or(bytes.len());
        let mark = end - start;
        match end_of_code(&bytes, end, mark) {
            Some(close) => {
                blank(&mut bytes[start..close]);
                at = close;
            }
            None => at = end,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where code ends that a mark of this length began; it does not go beyond its paragraph.
fn end_of_code(bytes: &[u8], from: usize, mark: usize) -> Option<usize> {
    let mut at = from;
    while let Some(start) = position(bytes, at, |byte| byte == b'`' || byte == b'\n') {
        if bytes[start] == b'\n' {
            if bytes.get(start + 1) == Some(&b'\n') {
                return None;
            }
            at = start + 1;
            continue;
        }
        let end = position(bytes, start, |byte| byte != b'`').unwrap_or(bytes.len());
        if end - start == mark {
            return Some(end);
        }
        at = end;
    }
    None
}

fn position(bytes: &[u8], from: usize, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let found = bytes[from..].iter().position(|byte| is_it(*byte));
    found.map(|length| from + length)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// The page with blanks in the place of blocks of code.
fn without_fences(page: &str) -> String {
    let (mut text, mut is_code) = (String::with_capacity(page.len()), false);
    for line in page.split_inclusive('\n') {
        let is_fence = line.trim_start().starts_with("```");
        if is_fence || is_code {
            let mut bytes = line.as_bytes().to_vec();
            blank(&mut bytes);
            text.push_str(&String::from_utf8_lossy(&bytes));
        } else {
            text.push_str(line);
        }
        is_code ^= is_fence;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::docs::book::resolved;
    use crate::shell::root;

    /// What links to places in the page may name: its headings, as forges and mdBook turn them into names, and ids.
    fn anchors(page: &str) -> Vec<String> {
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = Vec::new();
        for line in without_fences(page).lines() {
            let heading = line.trim_start_matches('#');
            let level = line.len() - heading.len();
            if (1..=6).contains(&level) && heading.starts_with(' ') {
                let name = anchor(heading);
                let before = taken.entry(name.clone()).or_default();
                anchors.push(match *before {
                    0 => name,
                    count => format!("{name}-{count}"),
                });
                *before += 1;
            }
        }
        for part in page.split(" id=\"").skip(1) {
            anchors.extend(part.split('"').next().map(str::to_owned));
        }
        anchors
    }

    /// The name of a heading: small letters, digits, `_` and `-`, and a `-` for each blank.
    fn anchor(heading: &str) -> String {
        let mut words = heading.trim().to_owned();
        // Of a link the words alone.
        while let Some(link) = links(&words).into_iter().find_map(|link| link.words) {
            let inner = words[link.1].to_owned();
            words.replace_range(link.0, &inner);
        }
        let kept = words.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '_' | '-' => Some(c),
            _ if c.is_alphanumeric() => Some(c),
            _ => None,
        });
        kept.flat_map(char::to_lowercase).collect()
    }

    fn targets(page: &str) -> Vec<String> {
        let links = links(page).into_iter();
        links.map(|link| page[link.target].to_owned()).collect()
    }

    #[test]
    fn links_are_found_and_code_is_none() {
        for (page, expected) in [
            (
                "see [a](b.md) and [`c`](d.md#e \"title\")",
                vec!["b.md", "d.md#e"],
            ),
            ("![a picture](x.png)", vec!["x.png"]),
            ("[![a](x.png)](y.md)", vec!["x.png", "y.md"]),
            ("[a](b_(c).md)", vec!["b_(c).md"]),
            ("<img alt=\"a\" src=\"x.png\">", vec!["x.png"]),
            ("[ref]: z.md\n", vec!["z.md"]),
            ("`[a](b.md)` ``x ` [c](d.md)`` [e](f.md)", vec!["f.md"]),
            ("a ` alone\n\n[b](c.md) ` too", vec!["c.md"]),
            ("```\n[a](b.md)\n```\n[c](d.md)", vec!["d.md"]),
        ] {
            assert_eq!(targets(page), expected, "{page}");
        }
    }

    #[test]
    fn headings_have_the_names_that_forges_give_them() {
        let page = "# Why is `--web.x` [refused](y.md)?\n## Twice\n## Twice\n```\n# no heading\n```\n<a id=\"own\"></a>\n";
        let expected = ["why-is---webx-refused", "twice", "twice-1", "own"];
        assert_eq!(anchors(page), expected);
    }

    /// Every page of the repository, by its path there.
    fn pages() -> Vec<PathBuf> {
        let (mut pages, mut folders) = (Vec::new(), vec![root()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    // What is built, and what is of others.
                    if !name.starts_with('.') && !name.starts_with("target") && name != "node_modules" {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    pages.push(path.strip_prefix(root()).unwrap().to_owned());
                }
            }
        }
        pages
    }

    fn read(page: &Path) -> String {
        fs::read_to_string(root().join(page)).unwrap()
    }

    #[test]
    fn every_link_leads_to_something() {
        let pages = pages();
        assert!(pages.len() > 40, "{pages:?}");
        let (mut checked, mut broken) = (0, Vec::new());
        for page in &pages {
            let text = read(page);
            for target in targets(&text) {
                let Some((path, place)) = resolved(page, &target) else {
                    continue;
                };
                checked += 1;
                if !root().join(&path).exists() {
                    broken.push(format!("{}: {target}: no such file", page.display()));
                } else if let Some(place) = place
                    && path.extension().is_some_and(|extension| extension == "md")
                    && !anchors(&read(&path)).contains(&place)
                {
                    broken.push(format!("{}: {target}: no such heading", page.display()));
                }
            }
        }
        assert!(checked > 200, "{checked}");
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn every_page_of_the_documentation_is_in_the_book() {
        let summary = Path::new("docs/SUMMARY.md");
        let in_book: BTreeSet<PathBuf> = targets(&read(summary))
            .iter()
            .filter_map(|target| Some(resolved(summary, target)?.0))
            .collect();
        for page in pages() {
            if page.starts_with("docs") && page != summary {
                assert!(
                    in_book.contains(&page),
                    "docs/SUMMARY.md lacks {}",
                    page.display()
                );
            }
        }
    }
}
