//! The table of clients in `docs/compatibility.md`.

use std::fs;
use std::path::Path;

use crate::run;

const PAGE: &str = include_str!("../../../../docs/compatibility.md");
const HEADING: &str = "## Clients and scrapers\n";

/// The cells of a row.
type Row = Vec<&'static str>;

/// The table's rows, each with the folder of `interop/` that it links to, if it does.
fn rows() -> Vec<(Row, Option<&'static str>)> {
    let (_, section) = PAGE.split_once(HEADING).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines
        .map(|line| {
            let row: Row = line.trim_matches('|').split('|').map(str::trim).collect();
            let link = row[0].split_once("](../interop/");
            (row, link.map(|(_, folder)| folder.trim_end_matches(')')))
        })
        .collect()
}

#[test]
fn every_client_has_a_row() {
    let rows = rows();
    for client in run::clients() {
        let listed = rows.iter().any(|(_, folder)| *folder == Some(&client));
        assert!(listed, "docs/compatibility.md lacks a row for interop/{client}");
    }
}

#[test]
fn every_row_says_everything_and_links_to_what_is_there() {
    for (row, folder) in rows() {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        if let Some(folder) = folder {
            assert!(run::sources().join(folder).is_dir(), "{row:?}");
        }
    }
}

/// A version in the table is one that a file in the client's folder names, so that the table cannot lag behind.
#[test]
fn versions_in_the_table_are_those_of_the_clients() {
    for (row, folder) in rows() {
        let Some(folder) = folder else { continue };
        let text = texts(&run::sources().join(folder));
        let words = row[1].split([' ', ',']);
        for version in words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            assert!(text.contains(version), "interop/{folder} does not name {version}");
        }
    }
}

/// All files of a folder, in one text.
fn texts(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            if path.is_dir() {
                texts(&path)
            } else {
                fs::read_to_string(&path).unwrap_or_default()
            }
        })
        .collect()
}
