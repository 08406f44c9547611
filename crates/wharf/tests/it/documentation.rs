//! The page about differences and the tests say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/compatibility.md");

/// A test: its path as the page writes it, and its text.
type Test = (String, String);

fn tests_of(folder: &Path, prefix: &str, found: &mut Vec<Test>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.is_dir() {
            tests_of(&path, &format!("{prefix}{name}::"), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for test in text.split("#[test]\nfn ").skip(1) {
                let (function, _) = test.split_once('(').unwrap();
                found.push((format!("{prefix}{name}::{function}"), test.to_owned()));
            }
        }
    }
}

fn all_tests() -> Vec<Test> {
    let mut found = Vec::new();
    tests_of(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"),
        "",
        &mut found,
    );
    found
}

#[test]
fn the_tests_that_the_page_names_exist() {
    let tests: BTreeSet<String> = all_tests().into_iter().map(|(name, _)| name).collect();
    let named: Vec<_> = PAGE.split('`').filter(|word| word.contains("::")).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(
            tests.contains(name),
            "docs/compatibility.md names a test that does not exist: {name}"
        );
    }
}

#[test]
fn the_page_has_every_difference_of_the_tests() {
    for (name, text) in all_tests() {
        let differs = text.contains("differs(") || text.contains(".only(") || text.contains("Kind::");
        if differs && !name.starts_with("documentation::") {
            assert!(
                PAGE.contains(&format!("`{name}`")),
                "docs/compatibility.md lacks a row for {name}"
            );
        }
    }
}
