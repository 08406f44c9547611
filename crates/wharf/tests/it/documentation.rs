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

/// The cells of a row of a table, which begins with a bar. A bar in a cell is written with a backslash before it.
fn cells(row: &str) -> usize {
    row.replace("\\|", "").matches('|').count()
}

/// What is wrong with the tables of a page in Markdown, by line number.
fn broken_tables(page: &str) -> Vec<String> {
    let is_ruler = |line: &str| line.contains("---") && line.chars().all(|c| "|-: ".contains(c));
    let mut broken = Vec::new();
    let mut is_code = false;
    // The cells of the table under way, and whether its ruler has come.
    let mut table: Option<(usize, bool)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if is_code || !line.starts_with('|') {
            if let Some((_, false)) = table.take() {
                broken.push(format!("{number}: the table before has no ruler"));
            }
            continue;
        }
        table = match table {
            None => Some((cells(line), false)),
            Some((width, false)) => {
                if !is_ruler(line) {
                    broken.push(format!(
                        "{number}: expected a ruler below the head of a table: {line}"
                    ));
                }
                Some((width, true))
            }
            Some(whole) => Some(whole),
        };
        if table.is_some_and(|(width, _)| width != cells(line)) {
            broken.push(format!("{number}: more or fewer cells than the head: {line}"));
        }
    }
    if let Some((_, false)) = table {
        broken.push("the last table has no ruler".to_owned());
    }
    broken
}

#[test]
fn tables_of_the_documentation_are_whole() {
    assert_eq!(
        broken_tables("| a | b |\n|---|---|\n| `x\\|y` | 1 |\n\nText | here.\n```\n| x\n```\n"),
        [""; 0]
    );
    for broken in [
        "| a |\n|---|\n| 1 |\n\n| 2 |\n",
        "| a |\n| 1 |\n",
        "| a | b |\n|---|---|\n| 1 | 2 | 3 |\n",
    ] {
        assert!(!broken_tables(broken).is_empty(), "{broken}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [root.clone(), root.join("docs"), root.join("docs/decisions")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(pages.len() > 12, "{pages:?}");
    for page in pages {
        let broken = broken_tables(&fs::read_to_string(&page).unwrap());
        assert!(broken.is_empty(), "{}: {broken:#?}", page.display());
    }
}
