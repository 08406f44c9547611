//! Leaves in other formats, which are kept from scrape to scrape.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use wharf_exposition::{openmetrics, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, GroupingKey};
use wharf_scrape::{Body, Compression, Format, Wanted, render};
use wharf_store::{PushMode, Snapshot, Store, Ttl, UnixNanos};

use crate::pieces::{in_pieces, natives};
use crate::{FORMATS, PLAIN, all_wanted, decoded, inflated, put, store};

const ESCAPINGS: [EscapingScheme; 4] = [
    EscapingScheme::AllowUtf8,
    EscapingScheme::Underscores,
    EscapingScheme::Dots,
    EscapingScheme::Values,
];

const PROTOBUF: Wanted = Wanted {
    format: Format::ProtobufDelimited,
    compression: Compression::Gzip,
    ..PLAIN
};
const OPENMETRICS: Wanted = Wanted {
    format: Format::OpenMetrics100,
    ..PROTOBUF
};
const TEXT: Wanted = Wanted {
    format: Format::Text004,
    ..PROTOBUF
};

/// One of the gateway's own has groups beside it.
const OWN: &str =
    "# HELP f_0 Of the gateway itself.\n# TYPE f_0 gauge\nf_0 1\n# TYPE own_families gauge\nown_families 1\n";

/// What a job pushes of a family: the number of the family decides its name and type.
#[derive(Debug, Clone)]
struct Pushed {
    family: u8,
    lines: usize,
    /// Decides on values, and on what is odd about the family.
    value: u8,
}

const FAMILIES: u8 = 15;

fn pushed() -> impl Strategy<Value = Vec<Pushed>> {
    let family = (0..FAMILIES, 0..70_usize, 0..8_u8);
    let family = family.prop_map(|(family, lines, value)| Pushed { family, lines, value });
    prop::collection::vec(family, 0..8)
}

/// What becomes of one of the groups, or of all.
#[derive(Debug, Clone)]
enum Change {
    /// Families that are pushed one by one, the first of them in the place of the group or not.
    Push {
        group: u8,
        replaces: bool,
        expires: bool,
        families: Vec<Pushed>,
    },
    Delete(u8),
    DeleteFamilies(u8, Vec<u8>),
    /// All go that are to.
    Expire,
    Wipe,
}

const GROUPS: u8 = 9;

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let push = (0..GROUPS, any::<bool>(), any::<bool>(), pushed());
    let push = push.prop_map(|(group, replaces, expires, families)| Change::Push {
        group,
        replaces,
        expires,
        families,
    });
    let change = prop_oneof![
        16 => push,
        3 => (0..GROUPS).prop_map(Change::Delete),
        3 => (0..GROUPS, prop::collection::vec(0..FAMILIES, 1..4))
            .prop_map(|(group, families)| Change::DeleteFamilies(group, families)),
        1 => Just(Change::Expire),
        1 => Just(Change::Wipe),
    ];
    prop::collection::vec(change, 0..9)
}

/// Jobs, some of them with groups of whose labels a push may bring some, too.
fn key(group: u8) -> GroupingKey {
    let job = format!("job-{}", group % 5);
    let further = match group {
        5 => Some(("plain", "1")),
        6 => Some(("instance", "")),
        7 => Some(("with.dots", "1")),
        // Of a set that the job has, this group may have other states.
        8 => Some(("n", "1")),
        _ => None,
    };
    let job = ("job", job.as_str());
    GroupingKey::new([job].into_iter().chain(further)).unwrap()
}

/// Name and type of a family.
fn named(family: u8, odd: bool) -> (String, &'static str) {
    match family {
        0 | 1 => (format!("f_{family}"), "gauge"),
        2 => ("c_total".to_owned(), "counter"),
        3 => ("c_created".to_owned(), "gauge"),
        4 | 5 => (format!("h_{family}"), "histogram"),
        6 => ("s".to_owned(), "summary"),
        7 => ("u".to_owned(), "untyped"),
        // A name that another one has in some schemes, and in none.
        8 => ("f.1".to_owned(), "gauge"),
        9 => ("only.dots".to_owned(), "counter"),
        10 => ("d_total".to_owned(), "counter"),
        // One that `d_total` wants to have.
        11 if odd => ("d".to_owned(), "gauge"),
        _ => ("e".to_owned(), "counter"),
    }
}

/// What a family comes to in the text format.
fn write(out: &mut String, pushed: &Pushed) {
    let Pushed { family, lines, value } = *pushed;
    let odd = value == 7;
    let (name, metric_type) = named(family, odd);
    writeln!(out, "# TYPE \"{name}\" {metric_type}").unwrap();
    for line in 0..lines.max(1) {
        // Labels that are equal once they are escaped, too.
        let label = match (family, value) {
            (1 | 8, 3) if line % 2 == 0 => "\"a.b\"",
            (1 | 8, 3) => "\"a_b\"",
            (_, 4) => "\"with.dots\"",
            _ => "plain",
        };
        let labels = format!("{label}=\"{}\"", line / (1 + usize::from(value == 3)));
        match metric_type {
            "histogram" => {
                let first = if odd { 9 } else { 1 };
                write!(
                    out,
                    "{name}_bucket{{{labels},le=\"1\"}} {first}\n{name}_bucket{{{labels},le=\"2\"}} 3\n\
                     {name}_sum{{{labels}}} {value}\n{name}_count{{{labels}}} 4\n"
                )
                .unwrap();
            }
            "summary" => write!(
                out,
                "{name}{{{labels},quantile=\"0.5\"}} {value}\n{name}_sum{{{labels}}} {value}\n{name}_count{{{labels}}} 4\n"
            )
            .unwrap(),
            // Below zero, a counter is none.
            _ if odd && line == 40 => writeln!(out, "{{\"{name}\",{labels}}} -1").unwrap(),
            _ => writeln!(out, "{{\"{name}\",{labels}}} {value}").unwrap(),
        }
    }
}

/// Families that the text format does not know.
fn states(lines: usize, value: u8) -> Exposition<'static> {
    let mut body = "# TYPE st stateset\n".to_owned();
    for n in 0..lines {
        writeln!(
            body,
            "st{{n=\"{n}\",st=\"{value}\"}} 1\nst{{n=\"{n}\",st=\"off {value}\"}} 0"
        )
        .unwrap();
    }
    body += "# TYPE gh gaugehistogram\n";
    for n in 0..lines {
        let buckets =
            format!("gh_bucket{{n=\"{n}\",le=\"1\"}} {value}\ngh_bucket{{n=\"{n}\",le=\"+Inf\"}} 9\n");
        write!(
            body,
            "{buckets}gh_gcount{{n=\"{n}\"}} 9\ngh_gsum{{n=\"{n}\"}} {value}\n"
        )
        .unwrap();
    }
    body += "# TYPE i info\n";
    for n in 0..lines {
        writeln!(body, "i_info{{n=\"{n}\"}} 1").unwrap();
    }
    body += "# EOF\n";
    let body: &'static str = body.leak();
    openmetrics::decode(body.as_bytes(), openmetrics::Options::default()).unwrap()
}

const AT: UnixNanos = UnixNanos(1_000_000_000);

/// Pushes each family by itself, so that one that contradicts what is stored keeps no other out.
fn push(store: &Store, key: &GroupingKey, replaces: bool, ttl: Option<Ttl>, families: &[Pushed]) {
    let mut mode = if replaces {
        PushMode::ReplaceGroup
    } else {
        PushMode::ReplaceFamilies
    };
    for pushed in families {
        let mut body = String::new();
        let exposition = match pushed.family {
            12 => natives(pushed.lines),
            13 | 14 => states(pushed.lines, pushed.value),
            _ => {
                write(&mut body, pushed);
                let options = text::Options {
                    names: NameRule::Utf8,
                    strict: false,
                };
                text::decode(body.as_bytes(), options).unwrap()
            }
        };
        drop(store.push_with_ttl(key, mode, &exposition, ttl, AT));
        mode = PushMode::ReplaceFamilies;
    }
}

fn change(store: &Store, change: &Change) {
    match change {
        Change::Push {
            group,
            replaces,
            expires,
            families,
        } => {
            let ttl = expires.then_some(Ttl {
                after: Duration::from_secs(1),
                keep_times: group % 2 == 1,
            });
            push(store, &key(*group), *replaces, ttl, families);
        }
        Change::Delete(group) => drop(store.delete(&key(*group)).unwrap()),
        Change::DeleteFamilies(group, families) => {
            let names: Vec<_> = families.iter().map(|family| named(*family, false).0).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            drop(store.delete_families(&key(*group), &names).unwrap());
        }
        Change::Expire => drop(store.expire(UnixNanos(10 * AT.0)).unwrap()),
        Change::Wipe => drop(store.wipe().unwrap()),
    }
}

/// With what is kept, each body is what it is without.
fn check(snapshot: &Snapshot) {
    for format in FORMATS {
        check_body(snapshot, format, EscapingScheme::Underscores);
    }
    // The others keep nothing, or are the same.
    for format in [Format::OpenMetrics100, Format::ProtobufDelimited] {
        for escaping in ESCAPINGS {
            check_body(snapshot, format, escaping);
        }
    }
}

fn check_body(snapshot: &Snapshot, format: Format, escaping: EscapingScheme) {
    let own = decoded(OWN);
    let without = snapshot.clone().without_shelf();
    let gzip = Wanted {
        format,
        escaping,
        compression: Compression::Gzip,
    };
    let expected = render(&own, &without, gzip);
    let text = inflated(&expected, Compression::Gzip);
    // The first one makes what the second one finds.
    for compression in [
        Compression::Gzip,
        Compression::Gzip,
        Compression::Zstd,
        Compression::Identity,
    ] {
        let wanted = Wanted { compression, ..gzip };
        let found = render(&own, snapshot, wanted);
        assert!(inflated(&found, compression) == text, "{wanted:?}");
        assert_eq!(found.left_out, expected.left_out, "{wanted:?}");
    }
    let body = Body::new(decoded(OWN), snapshot.clone(), gzip, drop);
    let found = in_pieces(body, 2000, 0);
    assert!(inflated(&found, Compression::Gzip) == text, "{gzip:?} in pieces");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_body_is_the_same_whether_its_leaves_are_kept_or_not(before in changes(), between in changes(), after in changes()) {
        let store = store();
        let mut earlier = store.snapshot();
        for changes in [before, between, after] {
            for one in &changes {
                change(&store, one);
            }
            let snapshot = store.snapshot();
            for format in [Format::OpenMetrics100, Format::ProtobufDelimited] {
                check_body(&snapshot, format, EscapingScheme::AllowUtf8);
                // Whoever reads slowly sees what was.
                check_body(&earlier, format, EscapingScheme::Underscores);
            }
            earlier = snapshot;
        }
        check(&earlier);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_body_is_the_same_whether_its_leaves_are_cold_or_not(changes in changes()) {
        let store = store().with_cold_leaves_of(1);
        for one in &changes {
            change(&store, one);
        }
        let before = all_bodies(&store.snapshot());
        for _ in 0..6 {
            store.cool();
        }
        let snapshot = store.snapshot();
        // The protobuf form of what text cannot say stays as it is.
        prop_assert_eq!(store.cold().text_bytes > 0, snapshot.totals().groups > 0);
        prop_assert!(all_bodies(&snapshot) == before);
        check(&snapshot);
    }
}

/// The bodies in all formats, unpacked.
fn all_bodies(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let bodies =
        all_wanted().map(|wanted| inflated(&render(&decoded(OWN), snapshot, wanted), wanted.compression));
    bodies.collect()
}

#[test]
fn pieces_of_a_body_that_nothing_is_kept_of_are_the_same() {
    let store = store();
    put(&store, "a", &natives(600));
    let mut body = String::new();
    for family in [0, 2, 4, 6] {
        write(
            &mut body,
            &Pushed {
                family,
                lines: 400,
                value: 1,
            },
        );
    }
    put(&store, "b", &decoded(&body));
    check(&store.snapshot());
}

fn filled() -> Store {
    let store = store();
    for job in 0..60 {
        let mut body = String::new();
        for family in [0, 2, 4, 6] {
            write(
                &mut body,
                &Pushed {
                    family,
                    lines: 40,
                    value: 1,
                },
            );
        }
        put(&store, &format!("job-{job:02}"), &decoded(&body));
    }
    store
}

fn recompressed(store: &Store, wanted: Wanted) -> u64 {
    render(&decoded(OWN), &store.snapshot(), wanted).recompressed
}

#[test]
fn what_has_not_changed_is_made_once_for_each_format() {
    let store = filled();
    assert!(recompressed(&store, PROTOBUF) > 20);
    assert!(recompressed(&store, OPENMETRICS) > 20);
    for _ in 0..3 {
        assert_eq!(recompressed(&store, PROTOBUF), 0);
        assert_eq!(recompressed(&store, OPENMETRICS), 0);
    }
    // Who escapes names gets the same, where there are none to escape.
    let escaping = EscapingScheme::Underscores;
    assert_eq!(recompressed(&store, Wanted { escaping, ..PROTOBUF }), 0);
    assert_eq!(
        recompressed(
            &store,
            Wanted {
                escaping,
                ..OPENMETRICS
            }
        ),
        0
    );
}

#[test]
fn what_has_changed_is_made_anew_and_nothing_else() {
    let store = filled();
    recompressed(&store, PROTOBUF);
    let all = store.shelf().bytes();
    put(&store, "job-30", &decoded("# TYPE f_0 gauge\nf_0 5\n"));
    // One leaf of each of four families and of the time of the push, and neighbours that are joined.
    let made = recompressed(&store, PROTOBUF);
    assert!((1..=8).contains(&made), "{made}");
    assert!(store.shelf().bytes() < all);
    assert_eq!(recompressed(&store, PROTOBUF), 0);
}

#[test]
fn who_scrapes_text_alone_pays_for_no_other_format() {
    let store = filled();
    for compression in [Compression::Identity, Compression::Gzip, Compression::Zstd] {
        recompressed(&store, Wanted { compression, ..TEXT });
        recompressed(&store, Wanted { compression, ..TEXT });
    }
    assert_eq!(store.shelf().bytes(), 0);
    let snapshot = store.snapshot();
    let mut leaves = snapshot.families().flat_map(|family| family.leaves());
    assert!(leaves.all(|leaf| !leaf.had_forms()));
}

#[test]
fn a_part_of_what_is_stored_keeps_nothing() {
    let store = filled();
    let part = store.snapshot().without_shelf();
    render(&decoded(OWN), &part, PROTOBUF);
    assert_eq!(store.shelf().bytes(), 0);
}

#[test]
fn all_formats_and_escapings_together_have_no_more_than_their_share() {
    let store = store();
    let mut seed = 1_u64;
    for job in 0..40 {
        let mut body = "# TYPE f gauge\n".to_owned();
        for line in 0..300 {
            write!(body, "f{{line=\"{line}\",noise=\"").unwrap();
            for _ in 0..160 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let noise = seed.to_le_bytes()[7] % 64;
                body.push(char::from(b'0' + noise % 32 + noise / 32 * 48));
            }
            writeln!(body, "\"}} 1").unwrap();
        }
        put(&store, &format!("job-{job:02}"), &decoded(&body));
    }
    let most = usize::try_from(store.totals().bytes / 2).unwrap() + (1 << 20);
    let mut kept = Vec::new();
    for format in FORMATS {
        for escaping in ESCAPINGS {
            recompressed(
                &store,
                Wanted {
                    format,
                    escaping,
                    ..PROTOBUF
                },
            );
            kept.push(store.shelf().bytes());
        }
    }
    assert!(kept.iter().all(|bytes| *bytes <= most), "{kept:?} {most}");
    // It came to that.
    assert!(
        kept.last().is_some_and(|bytes| *bytes > most - (64 << 10)),
        "{kept:?} {most}"
    );
    // What was kept first is there still.
    assert_eq!(recompressed(&store, OPENMETRICS), 0);
}
