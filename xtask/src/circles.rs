//! No circle between the files of a crate: what a file imports must not import it back, on whatever way.
//!
//! Who reads a file in a circle has to have read the others first, and a part of it cannot be moved. Rust allows such
//! circles, so they are looked for here: a file imports another if one of its paths (in a `use`, or where something is
//! used) leads there. A name that a module only passes on leads to the file that has it. A parent module that declares its
//! children and passes on their names is in no circle by that alone. Tests are left out.

mod paths;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use self::paths::Source;
use crate::shell::root;

/// The crates that are without circles, and stay so.
const CRATES: [&str; 6] = [
    "wharf",
    "wharf-gateway",
    "wharf-http",
    "wharf-scrape",
    "wharf-shared-log",
    "wharf-store",
];

/// Fails if there are files in a circle.
pub(crate) fn check() -> Result<()> {
    let mut found = Vec::new();
    for name in CRATES {
        let folder = root().join("crates").join(name).join("src");
        let files = read(&folder).with_context(|| format!("read the files of {name}"))?;
        for circle in circles(&imports(&files)) {
            found.push(format!("{name}: {}", circle.join(" -> ")));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    bail!(
        "expected no circle between the files of a crate, found\n  {}\n\
         hint: move what both need to a file of its own, or turn one of the imports round",
        found.join("\n  ")
    )
}

/// A module: its path from the root of the crate, and what stands in its file.
type Modules = BTreeMap<Vec<String>, Module>;

struct Module {
    /// For people.
    file: String,
    source: Source,
}

fn read(folder: &Path) -> Result<Modules> {
    let lib = folder.join("lib.rs");
    let root = if lib.exists() { lib } else { folder.join("main.rs") };
    let mut modules = Modules::new();
    let mut waiting: Vec<(Vec<String>, PathBuf)> = vec![(Vec::new(), root)];
    while let Some((path, file)) = waiting.pop() {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let source = Source::of(&text);
        for child in &source.children {
            let mut path = path.clone();
            path.push(child.clone());
            let beside = path
                .iter()
                .fold(folder.to_owned(), |folder, name| folder.join(name));
            let mut candidates = [beside.with_extension("rs"), beside.join("mod.rs")].into_iter();
            if let Some(file) = candidates.find(|file| file.exists()) {
                waiting.push((path, file));
            }
        }
        let file = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        modules.insert(path, Module { file, source });
    }
    Ok(modules)
}

/// Which file imports which.
fn imports(modules: &Modules) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, module) in modules {
        let of = imports.entry(module.file.clone()).or_default();
        for used in module.source.used() {
            of.extend(target(modules, path, used, 0).filter(|file| *file != module.file));
        }
    }
    imports
}

/// The file to which a path leads that stands in a module; none if it leads out of the crate.
fn target(modules: &Modules, within: &[String], path: &[String], depth: usize) -> Option<String> {
    let (first, rest) = path.split_first()?;
    // A name that leads to itself leads nowhere.
    if depth > 16 {
        return None;
    }
    let mut at = match first.as_str() {
        "crate" => Vec::new(),
        "self" => within.to_vec(),
        "super" => parent(within)?,
        child if modules.contains_key(&join(within, child)) => join(within, child),
        name => {
            let passed_on = modules.get(within)?.source.names.get(name)?;
            let whole: Vec<String> = passed_on.iter().chain(rest).cloned().collect();
            return target(modules, within, &whole, depth + 1);
        }
    };
    for (position, name) in rest.iter().enumerate() {
        let below = join(&at, name);
        if name == "super" {
            at = parent(&at)?;
        } else if modules.contains_key(&below) {
            at = below;
        } else {
            let module = modules.get(&at)?;
            let Some(passed_on) = module.source.names.get(name) else {
                return Some(module.file.clone());
            };
            let further = rest.get(position + 1..).unwrap_or_default();
            let whole: Vec<String> = passed_on.iter().chain(further).cloned().collect();
            // What comes from another crate is not in this one.
            return target(modules, &at, &whole, depth + 1);
        }
    }
    Some(modules.get(&at)?.file.clone())
}

fn join(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

fn parent(path: &[String]) -> Option<Vec<String>> {
    path.split_last().map(|(_, parent)| parent.to_vec())
}

/// The shortest circle through each file that is in one and not in one found before.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut circles: Vec<Vec<String>> = Vec::new();
    for start in imports.keys() {
        if !circles.iter().flatten().any(|known| known == start) {
            circles.extend(circle_from(imports, start));
        }
    }
    circles
}

/// The shortest way from a file back to itself.
fn circle_from(imports: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        for file in imports.get(*way.last()?).into_iter().flatten() {
            let longer: Vec<&str> = way.iter().copied().chain([file.as_str()]).collect();
            if file == start {
                return Some(longer.into_iter().map(str::to_owned).collect());
            }
            if seen.insert(file) {
                ways.push(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate of these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let modules = files.iter().map(|(file, text)| {
            let name = file.trim_end_matches(".rs");
            let path = if name == "lib" {
                Vec::new()
            } else {
                name.split('/').map(str::to_owned).collect()
            };
            let module = Module {
                file: (*file).to_owned(),
                source: Source::of(text),
            };
            (path, module)
        });
        let circles = circles(&imports(&modules.collect()));
        circles.into_iter().map(|circle| circle.join(" -> ")).collect()
    }

    #[test]
    fn files_that_import_each_other_are_a_circle_however_they_say_it() {
        let lib = ("lib.rs", "mod a; mod b; pub use b::B;");
        for a in [
            "use crate::b::B;",
            "use crate::{b::{self, B}, other};",
            "fn f() { let b = crate::b::B::new(); }",
            "use super::b; fn f() -> b::B { todo!() }",
            // By the name that the root passes on.
            "use crate::B;",
            "use crate::B as Renamed;",
        ] {
            let circles = found(&[lib, ("a.rs", a), ("b.rs", "use crate::a::A; struct B;")]);
            assert_eq!(circles, ["a.rs -> b.rs -> a.rs"], "{a}");
        }
    }

    #[test]
    fn a_longer_way_back_is_a_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A;"),
        ];
        assert_eq!(found(&files), ["a.rs -> b.rs -> c.rs -> a.rs"]);
    }

    #[test]
    fn comments_texts_tests_and_other_crates_are_no_imports() {
        let a = r##"
            //! See [`crate::b::B`].
            use b::NotOurs; use std::fmt;
            /* use crate::b::B; /* nested */ */
            const T: &str = "use crate::b::B;"; const R: &str = r#"crate::b::B" "#; const C: char = '"';
            fn f<'a>(x: &'a str) {}
            #[cfg(test)]
            use crate::b::ForTests;
            #[cfg(test)]
            mod tests { use crate::b::B; }
        "##;
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", a),
            ("b.rs", "use crate::a::A;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_parent_that_passes_names_on_is_no_circle_but_one_that_uses_them_is() {
        let child = ("a/child.rs", "use super::Parent; pub struct Child;");
        let passes_on = (
            "a.rs",
            "mod child; pub(crate) use self::child::Child; struct Parent;",
        );
        assert_eq!(found(&[("lib.rs", "mod a;"), passes_on, child]), [""; 0]);
        let uses = (
            "a.rs",
            "mod child; pub use self::child::Child; struct Parent(Child);",
        );
        assert_eq!(
            found(&[("lib.rs", "mod a;"), uses, child]),
            ["a.rs -> a/child.rs -> a.rs"]
        );
        let imports = ("a.rs", "mod child; use self::child::Child; struct Parent;");
        assert_eq!(
            found(&[("lib.rs", "mod a;"), imports, child]),
            ["a.rs -> a/child.rs -> a.rs"]
        );
    }

    #[test]
    fn our_crates_have_none() {
        check().unwrap();
    }
}
