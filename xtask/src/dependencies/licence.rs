//! Licences as packages name them: SPDX expressions, and the older form with a slash between alternatives.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

/// What `deny.toml` allows.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    all: BTreeSet<String>,
    /// By package.
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

impl Allowed {
    /// Reads `allow` and `exceptions` of the section `licenses`, one entry a line, as the file has them.
    ///
    /// # Errors
    /// If nothing is allowed there: then the file has another shape.
    pub(super) fn read(deny: &str) -> Result<Self> {
        let mut allowed = Self::default();
        let lines = deny.lines().map(str::trim);
        let section = lines.skip_while(|line| *line != "[licenses]").skip(1);
        let mut list = "";
        for line in section.take_while(|line| !line.starts_with('[')) {
            let texts: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            match (line.split_once(" = ["), texts.as_slice()) {
                (Some((name, "")), _) => list = name,
                (_, [licence]) if list == "allow" => {
                    allowed.all.insert((*licence).to_owned());
                }
                (_, [package, licences @ ..]) if list == "exceptions" => {
                    let licences = licences.iter().map(|licence| (*licence).to_owned());
                    allowed
                        .exceptions
                        .insert((*package).to_owned(), licences.collect());
                }
                _ => {}
            }
        }
        ensure!(
            !allowed.all.is_empty(),
            "expected licences in `allow` of deny.toml, found none"
        );
        Ok(allowed)
    }

    /// Whether a package may come under this licence, whichever of its alternatives that takes.
    pub(super) fn allows(&self, package: &str, licence: &str) -> bool {
        let exceptions = self.exceptions.get(package);
        let is_allowed = |name: &str| {
            // `+` stands for later versions too, so whoever may use this one may use it.
            let name = name.strip_suffix('+').unwrap_or(name);
            self.all.contains(name) || exceptions.is_some_and(|exceptions| exceptions.contains(name))
        };
        let expression = expression(licence).replace('(', " ( ").replace(')', " ) ");
        let mut words = expression.split_whitespace().peekable();
        let is_allowed = alternatives(&mut words, &is_allowed);
        // What is left over was not understood.
        is_allowed && words.next().is_none()
    }
}

/// The expression without slashes.
pub(super) fn expression(licence: &str) -> String {
    let parts: Vec<&str> = licence.split('/').map(str::trim).collect();
    parts.join(" OR ")
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut any = together(words, is_allowed);
    while words.next_if_eq(&"OR").is_some() {
        any |= together(words, is_allowed);
    }
    any
}

fn together(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut all = one(words, is_allowed);
    while words.next_if_eq(&"AND").is_some() {
        all &= one(words, is_allowed);
    }
    all
}

fn one(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let inner = alternatives(words, is_allowed);
            words.next_if_eq(&")").is_some() && inner
        }
        Some(name) => match words.next_if_eq(&"WITH") {
            Some(_) => {
                let exception = words.next().unwrap_or_default();
                is_allowed(&format!("{name} WITH {exception}"))
            }
            None => is_allowed(name),
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
        [licenses]
        version = 2
        allow = [
            "MIT",
            "ISC", # why
        ]
        exceptions = [
            { crate = "odd", allow = ["MPL-2.0"] },
        ]
        [bans]
        allow = [
            "none",
        ]
    "#;

    #[test]
    fn an_expression_is_allowed_if_a_way_through_it_is() {
        let allowed = Allowed::read(DENY).unwrap();
        for licence in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND (GPL-3.0 OR ISC)"] {
            assert!(allowed.allows("a", licence), "{licence}");
        }
        let others = [
            "none",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH something",
            "(MIT",
            "MIT)",
            "MIT ISC",
            "",
            "MPL-2.0+",
        ];
        for licence in others {
            assert!(!allowed.allows("a", licence), "{licence}");
        }
        assert!(allowed.allows("odd", "MPL-2.0"));
        assert!(allowed.allows("odd", "MPL-2.0+"));
    }

    #[test]
    fn a_file_of_another_shape_is_a_mistake() {
        assert!(Allowed::read("[licenses]\nallow = [\"MIT\"]\n").is_err());
    }
}
