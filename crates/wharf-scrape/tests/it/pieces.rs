use std::fmt::Write as _;

use proptest::prelude::*;
use wharf_exposition::openmetrics;
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_scrape::{Body, Compression, Format, Progress, Rendered, Wanted, render};
use wharf_store::{Snapshot, Store};

use crate::compressions::pushes;
use crate::{FORMATS, PLAIN, all_wanted, decoded, inflated, put, store};

const OWN: &str = "# HELP own_families Of the gateway itself.\n# TYPE own_families gauge\nown_families 1\n";

fn body(snapshot: &Snapshot, wanted: Wanted) -> Body {
    Body::new(decoded(OWN), snapshot.clone(), wanted, drop)
}

/// Made in pieces that are taken as soon as there is no room, after so many times that there is more room instead.
pub(crate) fn in_pieces(mut body: Body, room: usize, grows: usize) -> Rendered {
    let mut parts = Vec::new();
    for turn in 1.. {
        match body.go_on(room * turn.min(grows + 1)) {
            Progress::Full if turn <= grows => {}
            Progress::Full => parts.extend(body.take()),
            Progress::Done(mut rendered) => {
                parts.append(&mut rendered.parts);
                return Rendered { parts, ..rendered };
            }
        }
    }
    unreachable!("a body ends")
}

/// However a body is made, it is the same.
#[track_caller]
fn check(store: &Store, escapings: &[EscapingScheme]) {
    let (own, snapshot) = (decoded(OWN), store.snapshot());
    for format in FORMATS {
        for escaping in escapings.iter().copied() {
            for compression in [Compression::Identity, Compression::Gzip, Compression::Zstd] {
                let wanted = Wanted {
                    format,
                    escaping,
                    compression,
                };
                let whole = render(&own, &snapshot, wanted);
                let expected = inflated(&whole, compression);
                let rooms = match compression {
                    Compression::Identity => &[(1, 0), (3000, 2)],
                    Compression::Gzip | Compression::Zstd => &[(2000, 0)][..],
                };
                for (room, grows) in rooms.iter().copied() {
                    let made = in_pieces(body(&snapshot, wanted), room, grows);
                    let found = inflated(&made, compression);
                    assert!(found == expected, "{wanted:?} {room} {grows}");
                    assert_eq!(made.left_out, whole.left_out, "{wanted:?} {room} {grows}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_body_in_pieces_is_the_whole_body(pushes in pushes()) {
        let store = store();
        for (job, body) in &pushes {
            put(&store, &format!("job-{job}"), &decoded(body));
        }
        check(&store, &[EscapingScheme::AllowUtf8, EscapingScheme::Underscores]);
    }
}

/// So many histograms, half of them with buckets that contradict each other.
pub(crate) fn histograms(name: &str, count: usize) -> String {
    let mut body = format!("# TYPE {name} histogram\n");
    for n in 0..count {
        let first = n % 2 * 9;
        write!(
            body,
            "{name}_bucket{{n=\"{n}\",le=\"1\"}} {first}\n{name}_bucket{{n=\"{n}\",le=\"2\"}} 3\n\
             {name}_sum{{n=\"{n}\"}} 5\n{name}_count{{n=\"{n}\"}} 4\n"
        )
        .unwrap();
    }
    body
}

pub(crate) fn numbers(head: &str, name: &str, count: usize) -> String {
    let mut body = head.to_owned();
    for n in 0..count {
        writeln!(body, "{name}{{n=\"{n}\"}} {n}").unwrap();
    }
    body
}

#[test]
fn large_families_of_all_types_are_the_same_in_pieces() {
    let store = store();
    let mut body = histograms("h", 200);
    body += &numbers("# TYPE c_total counter\n", "c_total", 900);
    body += &numbers("# TYPE c_created gauge\n", "c_created", 900);
    // Not such as a counter has, at the end of many that are.
    body += &numbers("# TYPE below_total counter\n", "below_total", 900);
    body += "below_total{n=\"last\"} -1\n";
    body += &numbers("# TYPE below_created gauge\n", "below_created", 900);
    body += &numbers("# TYPE s summary\n", "s_sum", 500);
    put(&store, "a", &decoded(&body));
    put(&store, "b", &decoded(&body.replace(",n=", ",o=")));
    check(&store, &[EscapingScheme::Underscores]);
}

#[test]
fn a_large_family_of_classic_and_native_histograms_is_the_same_in_pieces() {
    let store = store();
    put(&store, "a", &decoded(&histograms("h", 150)));
    put(&store, "b", &natives(500));
    put(&store, "c", &decoded(&histograms("h", 150)));
    check(&store, &[EscapingScheme::Underscores]);
}

/// The family `h` of native histograms.
pub(crate) fn natives(count: usize) -> Exposition<'static> {
    use wharf_exposition::protobuf;
    let mut message = Vec::new();
    for n in 0..count {
        // label {n}, histogram {count 1, schema 0, zero threshold, span {0, 1}, delta 1}
        let n = format!("{n:04}");
        let mut label = vec![0x0a, 1, b'n', 0x12, 4];
        label.extend_from_slice(n.as_bytes());
        let mut histogram = vec![0x08, 1, 0x28, 0, 0x31];
        histogram.extend_from_slice(&0.001_f64.to_le_bytes());
        histogram.extend_from_slice(&[0x62, 4, 0x08, 0, 0x10, 1, 0x68, 2]);
        let mut metric = vec![0x0a, u8::try_from(label.len()).unwrap()];
        metric.extend_from_slice(&label);
        metric.extend_from_slice(&[0x3a, u8::try_from(histogram.len()).unwrap()]);
        metric.extend_from_slice(&histogram);
        message.extend_from_slice(&[0x22, u8::try_from(metric.len()).unwrap()]);
        message.extend_from_slice(&metric);
    }
    let mut body = Vec::new();
    let head = [0x0a, 1, b'h', 0x18, 4];
    protobuf::write_length(&mut body, head.len() + message.len());
    body.extend_from_slice(&head);
    body.extend_from_slice(&message);
    protobuf::decode(&body).unwrap()
}

#[test]
fn state_sets_and_infos_are_the_same_in_pieces() {
    let states = |count: usize| {
        let mut body = "# TYPE s stateset\n".to_owned();
        for n in 0..count {
            writeln!(body, "s{{n=\"{n}\",s=\"on\"}} 1\ns{{n=\"{n}\",s=\"off\"}} 0").unwrap();
        }
        body + "# TYPE i info\ni_info{a=\"b\"} 1\n# EOF\n"
    };
    let store = store();
    for (job, count) in [("a", 900), ("b", 3)] {
        let body = states(count);
        let pushed = openmetrics::decode(body.as_bytes(), openmetrics::Options::default()).unwrap();
        put(&store, job, &pushed);
    }
    check(&store, &[EscapingScheme::Underscores]);
}

#[test]
fn no_more_is_held_than_there_is_room_for_and_what_cannot_be_made_alone() {
    const ROOM: usize = 32 << 10;
    let store = store();
    put(
        &store,
        "a",
        &decoded(&(numbers("", "m", 20_000) + &histograms("h", 5000))),
    );
    let mut families = String::new();
    for n in 0..3000 {
        write!(families, "# HELP f{n} Some help.\nf{n} {n}\n").unwrap();
    }
    put(&store, "b", &decoded(&families));
    let snapshot = store.snapshot();
    for wanted in all_wanted() {
        let mut body = body(&snapshot, wanted);
        let mut pieces = 0;
        while let Progress::Full = body.go_on(ROOM) {
            let taken = body.take();
            let made = taken.iter().filter(|part| !is_stored(&snapshot, part));
            let made: usize = made.map(bytes::Bytes::len).sum();
            assert!(made < 4 * ROOM, "{wanted:?}: {made}");
            pieces += 1;
        }
        // Compressed, it may be less than there is room for.
        assert!(
            pieces > 1 || wanted.compression != Compression::Identity,
            "{wanted:?}: {pieces}"
        );
    }
}

/// Whether a part is one of the store.
fn is_stored(snapshot: &Snapshot, part: &bytes::Bytes) -> bool {
    let leaves = snapshot.families().flat_map(|family| family.leaves());
    let mut pieces = leaves.map(|leaf| leaf.piece());
    pieces.any(|piece| {
        let compressed = &piece.compressed().0.bytes;
        let of_store = [piece.text().as_ptr_range(), compressed.as_ptr_range()];
        of_store.contains(&part.as_ptr_range())
    })
}

#[test]
fn what_has_ended_ends_again() {
    let store = store();
    let mut body = body(&store.snapshot(), PLAIN);
    assert!(matches!(body.go_on(1 << 20), Progress::Done(rendered) if !rendered.parts.is_empty()));
    assert!(matches!(body.go_on(1 << 20), Progress::Done(rendered) if rendered.parts.is_empty()));
    assert!(body.take().is_empty());
}

#[test]
fn a_state_set_that_is_too_large_to_be_put_together_is_a_gauge() {
    let mut states = "# TYPE s stateset\n".to_owned();
    for n in 0..40_000 {
        writeln!(states, "s{{n=\"{n}\",s=\"on\"}} 1").unwrap();
    }
    states += "# EOF\n";
    let pushed = openmetrics::decode(states.as_bytes(), openmetrics::Options::default()).unwrap();
    let store = store();
    put(&store, "a", &pushed);
    let wanted = Wanted {
        format: Format::OpenMetrics100,
        ..PLAIN
    };
    let body = inflated(
        &render(&decoded(""), &store.snapshot(), wanted),
        Compression::Identity,
    );
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("# TYPE s gauge\n"));
    assert_eq!(body.matches("\ns{").count(), 40_000);
}
