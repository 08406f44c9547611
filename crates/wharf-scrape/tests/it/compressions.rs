use std::fmt::Write as _;

use proptest::prelude::*;
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_scrape::{Compression, Wanted, render};
use wharf_store::Store;

use crate::{FORMATS, PLAIN, decoded, inflated, joined, put, store};

/// Families with few and with many lines, names in quotes among them.
fn body() -> impl Strategy<Value = String> {
    let family = (0..200_u16, any::<bool>(), 0..1000_u16);
    prop::collection::vec(family, 0..4).prop_map(|families| {
        let mut body = String::new();
        for (number, (lines, is_quoted, value)) in families.into_iter().enumerate() {
            let (name, series) = if is_quoted {
                (format!("\"f.{number}\""), format!("{{\"f.{number}\","))
            } else {
                (format!("f_{number}"), format!("f_{number}{{"))
            };
            write!(body, "# HELP {name} Some help.\n# TYPE {name} gauge\n").unwrap();
            for line in 0..lines {
                writeln!(body, "{series}line=\"{line}\"}} {value}").unwrap();
            }
        }
        body
    })
}

fn own() -> Exposition<'static> {
    decoded("# HELP own_families Of the gateway itself.\n# TYPE own_families gauge\nown_families 1\n")
}

/// Each compression of each format has the bytes of the one without.
fn check(store: &Store) {
    let (own, snapshot) = (own(), store.snapshot());
    for format in FORMATS {
        for escaping in [EscapingScheme::AllowUtf8, EscapingScheme::Underscores] {
            let with = |compression| {
                let wanted = Wanted {
                    format,
                    escaping,
                    compression,
                };
                inflated(&render(&own, &snapshot, wanted), compression)
            };
            let plain = with(Compression::Identity);
            // The second gzip body is joined of what the first has left.
            for compression in [Compression::Gzip, Compression::Gzip, Compression::Zstd] {
                assert!(
                    with(compression) == plain,
                    "{format:?} {escaping:?} {compression:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn compressed_bodies_are_the_plain_one(before in pushes(), after in pushes()) {
        let store = store();
        for pushes in [before, after] {
            for (job, body) in &pushes {
                put(&store, &format!("job-{job}"), &decoded(body));
            }
            check(&store);
        }
    }
}

/// What some jobs push.
pub(crate) fn pushes() -> impl Strategy<Value = Vec<(u8, String)>> {
    prop::collection::vec((0..4_u8, body()), 0..4)
}

/// A store with leaves that are compressed one by one, and others that are compressed together.
fn filled() -> Store {
    let store = store();
    let lines: Vec<_> = (0..400)
        .map(|line| format!("large{{line=\"{line}\"}} 1\n"))
        .collect();
    let body = format!("{}small 1\n", lines.concat());
    for job in 0..8 {
        put(&store, &format!("job-{job}"), &decoded(&body));
    }
    store
}

#[test]
fn a_second_gzip_scrape_compresses_only_what_has_changed() {
    let store = filled();
    let gzip = Wanted {
        compression: Compression::Gzip,
        ..PLAIN
    };
    let scrape = || render(&own(), &store.snapshot(), gzip);
    let first = scrape();
    assert!(first.recompressed >= 8, "{}", first.recompressed);
    let second = scrape();
    assert_eq!(second.recompressed, 0);
    assert_eq!(joined(&first), joined(&second));
    put(&store, "job-3", &decoded("large 2\nsmall 2\n"));
    let third = scrape();
    assert!(third.recompressed <= 2, "{}", third.recompressed);
    assert_ne!(joined(&third), joined(&second));
}

#[test]
fn large_parts_are_those_of_the_store() {
    let store = filled();
    let snapshot = store.snapshot();
    let rendered = render(&own(), &snapshot, PLAIN);
    let leaves = snapshot.families().flat_map(|family| family.leaves());
    let large: Vec<_> = leaves
        .map(|leaf| leaf.piece().text())
        .filter(|text| text.len() > 4096)
        .collect();
    assert!(!large.is_empty());
    for text in large {
        let is_shared = |part: &bytes::Bytes| part.as_ptr_range() == text.as_ptr_range();
        assert!(
            rendered.parts.iter().any(is_shared),
            "{} bytes were copied",
            text.len()
        );
    }
}
