//! Text that nobody has changed for a while is kept in its compressed form alone, and nobody sees that.

use std::fmt::Write as _;

use wharf_store::{PUSH_TIME, Store};

use crate::{cool, delete, exposition, key, put, samples, store, wipe};

/// Groups of a family of so many series.
fn filled(groups: usize, series: usize) -> Store {
    let store = store();
    for group in 0..groups {
        let mut body = String::from("# TYPE m gauge\n");
        for number in 0..series {
            writeln!(body, "m{{n=\"{number}\"}} {group}").unwrap();
        }
        put(&store, &format!("job/j{group:03}"), &body).unwrap();
    }
    store
}

/// Which leaves of a family are cold.
fn cold_leaves(store: &Store, family: &str) -> Vec<bool> {
    let snapshot = store.snapshot();
    let family = snapshot.family(family).unwrap();
    family.leaves().map(|leaf| leaf.piece().is_cold()).collect()
}

#[test]
fn what_nobody_changes_becomes_cold_and_reads_as_before() {
    let store = filled(100, 20);
    let before = exposition(&store.snapshot());
    store.cool();
    assert_eq!(store.cold().text_bytes, 0, "not at once");
    cool(&store);
    assert!(cold_leaves(&store, "m").iter().all(|is_cold| *is_cold));
    let cold = store.cold();
    // Times are short lines, and the leaves of 100 groups are not all full.
    assert!(cold.text_bytes > before.len() as u64 * 9 / 10, "{cold:?}");
    assert!(cold.compressed_bytes < cold.text_bytes / 5, "{cold:?}");
    assert_eq!(exposition(&store.snapshot()), before);
    store.audit(true).unwrap();
}

#[test]
fn a_push_warms_the_leaves_that_it_changes_and_no_others() {
    let store = filled(100, 20);
    cool(&store);
    put(&store, "job/j050", "# TYPE m gauge\nm{n=\"x\"} 7\n").unwrap();
    let cold = cold_leaves(&store, "m");
    assert_eq!(cold.iter().filter(|is_cold| !**is_cold).count(), 1, "{cold:?}");
    assert!(samples(&store).contains(&"m{instance=\"\",job=\"j050\",n=\"x\"} 7".to_owned()));
    cool(&store);
    assert!(cold_leaves(&store, "m").iter().all(|is_cold| *is_cold));
    assert!(delete(&store, "job/j051"));
    let cold = cold_leaves(&store, "m");
    assert_eq!(cold.iter().filter(|is_cold| !**is_cold).count(), 1, "{cold:?}");
    store.audit(true).unwrap();
}

#[test]
fn what_somebody_reads_becomes_cold_when_he_has_done() {
    let store = filled(10, 20);
    let reader = store.snapshot();
    cool(&store);
    assert_eq!(store.cold().text_bytes, 0);
    drop(reader);
    cool(&store);
    assert!(store.cold().text_bytes > 0);
}

#[test]
fn little_text_stays_as_it_is() {
    let store = filled(3, 2);
    cool(&store);
    assert_eq!(store.cold().text_bytes, 0);
    assert_eq!(cold_leaves(&store, PUSH_TIME), [false]);
}

#[test]
fn groups_that_are_gone_are_not_cold() {
    let store = filled(100, 20);
    cool(&store);
    assert_eq!(wipe(&store), 100);
    assert_eq!(store.cold().text_bytes, 0);
}

/// Families, each with a leaf of several kilobytes that is cold.
const FAMILIES: usize = if cfg!(miri) { 20 } else { 600 };

fn with_many_cold_families() -> Store {
    let store = store();
    let mut body = String::new();
    for family in 0..FAMILIES {
        writeln!(body, "# TYPE m{family:04} gauge").unwrap();
        for number in 0..80 {
            writeln!(
                body,
                "m{family:04}{{n=\"{number}\",of=\"something with a long name\"}} {number}"
            )
            .unwrap();
        }
    }
    put(&store, "job/wide", &body).unwrap();
    cool(&store);
    assert_eq!(cold_leaves(&store, "m0000"), [true]);
    store
}

fn one_line_of_each() -> String {
    let mut body = String::new();
    for family in 0..FAMILIES {
        writeln!(body, "# TYPE m{family:04} gauge\nm{family:04}{{n=\"x\"}} 1").unwrap();
    }
    body
}

/// What is done at most under one hold of the lock.
const SHORT: u64 = 2_500;

#[test]
fn who_changes_very_many_cold_leaves_holds_nobody_up() {
    let store = with_many_cold_families();
    let held = |what: &str, change: &dyn Fn(&Store)| {
        cool(&store);
        assert_eq!(cold_leaves(&store, "m0000"), [true], "{what}");
        store.longest_hold();
        change(&store);
        let longest = store.longest_hold();
        assert!(longest <= SHORT, "{what}: {longest} at once");
    };
    held("a group that is new there", &|store| {
        put(store, "job/new", &one_line_of_each()).unwrap();
    });
    held("the same again", &|store| {
        put(store, "job/new", &one_line_of_each()).unwrap();
    });
    held("others in its place", &|store| {
        put(store, "job/new", "other 1\n").unwrap();
    });
    put(&store, "job/new", &one_line_of_each()).unwrap();
    held("the end of it", &|store| assert!(delete(store, "job/new")));
    put(&store, "job/new", &one_line_of_each()).unwrap();
    held("the end of its families", &|store| {
        let names: Vec<String> = (0..FAMILIES).map(|family| format!("m{family:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (families, _commit) = store.delete_families(&key("job/new"), &names).unwrap();
        assert_eq!(families, FAMILIES);
    });
    store.audit(true).unwrap();
}
