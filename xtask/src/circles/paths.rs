//! What a Rust file declares, imports and uses.

use std::collections::BTreeMap;

use super::tokens::tokens;

/// A path, as it stands there.
type PathOf = Vec<String>;

/// What is to be known of a file.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Modules that have files of their own.
    pub(super) children: Vec<String>,
    /// Names that are imported, and where from.
    pub(super) names: BTreeMap<String, PathOf>,
    /// Paths in `use` declarations that are not only passed on.
    imported: Vec<PathOf>,
    /// Paths that are passed on, by the name under which they are.
    passed_on: Vec<(String, PathOf)>,
    /// Paths where something is used.
    inline: Vec<PathOf>,
}

impl Source {
    pub(super) fn of(text: &str) -> Self {
        let all = tokens(text);
        let mut source = Self::default();
        let mut words = Vec::new();
        let mut at = 0;
        while at < all.len() {
            let rest = &all[at..];
            at += if let Some(length) = test_item(rest) {
                length
            } else if rest[0] == "use" {
                let is_public = is_public(&all[..at]);
                let end = length_to(rest, ";");
                source.add_use(&rest[1..end], is_public);
                end + 1
            } else if let ["mod", name, ";", ..] = rest {
                source.children.push((*name).to_owned());
                3
            } else {
                let path = path(rest);
                if path.len() > 1 {
                    source
                        .inline
                        .push(path.iter().map(|word| (*word).to_owned()).collect());
                }
                words.extend(path.first().copied());
                (2 * path.len()).saturating_sub(1).max(1)
            };
        }
        // What is passed on, and used here as well, is imported.
        let passed_on = std::mem::take(&mut source.passed_on);
        for (name, path) in passed_on {
            if words.contains(&name.as_str()) {
                source.imported.push(path);
            }
        }
        source
    }

    /// The paths that make this file depend on others.
    pub(super) fn used(&self) -> impl Iterator<Item = &PathOf> {
        self.imported.iter().chain(&self.inline)
    }

    fn add_use(&mut self, words: &[&str], is_public: bool) {
        for (path, name) in use_tree(words, &[]) {
            if is_public {
                self.passed_on.push((name.clone(), path.clone()));
            } else {
                self.imported.push(path.clone());
            }
            // `use a::b;` within the module of `a` would lead to itself.
            self.names.insert(name, path);
        }
    }
}

/// How many words an item for tests takes; none if the next one is not.
fn test_item(words: &[&str]) -> Option<usize> {
    let mut at = words
        .starts_with(&["#", "[", "cfg", "(", "test", ")", "]"])
        .then_some(7)?;
    // The item ends with a semicolon, or with its body.
    let mut depth = 0;
    loop {
        match *words.get(at)? {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 && words.get(at + 1) != Some(&";") {
                    return Some(at + 1);
                }
            }
            ";" if depth == 0 => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

/// Whether the words before a `use` make it public, to whomever.
fn is_public(before: &[&str]) -> bool {
    match before {
        [.., "pub"] => true,
        [.., ")"] => {
            let open = before.iter().rposition(|word| *word == "(");
            open.is_some_and(|open| open > 0 && before[open - 1] == "pub")
        }
        _ => false,
    }
}

fn length_to(words: &[&str], end: &str) -> usize {
    let found = words.iter().position(|word| *word == end);
    found.unwrap_or(words.len())
}

/// The words of a path at the beginning.
fn path<'t>(words: &[&'t str]) -> Vec<&'t str> {
    let mut path = Vec::new();
    let mut rest = words;
    while let [word, behind @ ..] = rest
        && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
    {
        path.push(*word);
        match behind {
            ["::", behind @ ..] => rest = behind,
            _ => break,
        }
    }
    path
}

/// The paths of a `use`, and the names that they get.
fn use_tree(words: &[&str], before: &[String]) -> Vec<(PathOf, String)> {
    let mut whole = before.to_vec();
    let mut rest = words;
    while let [word, behind @ ..] = rest {
        match *word {
            "::" | "*" => {}
            "{" => {
                let inner = &behind[..behind.len().saturating_sub(1)];
                let parts = split_at_commas(inner).into_iter();
                return parts.flat_map(|part| use_tree(part, &whole)).collect();
            }
            "as" => {
                let name = behind.first().map_or("_", |name| name);
                return vec![(whole, name.to_owned())];
            }
            "self" if !whole.is_empty() => {}
            word => whole.push(word.to_owned()),
        }
        rest = behind;
    }
    let name = whole.last().cloned().unwrap_or_default();
    if whole.is_empty() {
        Vec::new()
    } else {
        vec![(whole, name)]
    }
}

fn split_at_commas<'t, 'w>(words: &'w [&'t str]) -> Vec<&'w [&'t str]> {
    let mut depth = 0;
    let mut parts = words.split(|word| {
        match *word {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        *word == "," && depth == 0
    });
    let parts: Vec<_> = parts.by_ref().filter(|part| !part.is_empty()).collect();
    parts
}
