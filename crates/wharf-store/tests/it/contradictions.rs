//! Histograms that contradict themselves are counted as long as they are stored.

use wharf_store::{PushMode, UnixNanos};

use crate::stencils::push_text;
use crate::{delete, put, store};

fn histogram(name: &str, counts: [&str; 4]) -> String {
    let [one, two, all, count] = counts;
    format!(
        "# TYPE {name} histogram\n{name}_bucket{{le=\"1\"}} {one}\n{name}_bucket{{le=\"2\"}} {two}\n\
         {name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum 1\n{name}_count {count}\n"
    )
}

const SOUND: [&str; 4] = ["1", "2", "3", "3"];

#[test]
fn each_kind_of_contradiction_counts() {
    for counts in [
        ["2", "1", "3", "3"],
        ["1", "2", "3", "4"],
        ["1", "2", "3", "2"],
        ["NaN", "2", "3", "3"],
        ["1", "2", "3", "NaN"],
        ["1", "2", "1.5", "1.5"],
    ] {
        let store = store();
        put(&store, "job/a", &histogram("h", counts)).unwrap();
        assert_eq!(store.totals().contradicting, 1, "{counts:?}");
    }
    for text in [
        "# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n",
    ] {
        let store = store();
        put(&store, "job/a", text).unwrap();
        assert_eq!(store.totals().contradicting, 1, "{text}");
    }
}

#[test]
fn those_that_agree_with_themselves_do_not_count() {
    let store = store();
    put(&store, "job/a", &histogram("h", SOUND)).unwrap();
    put(
        &store,
        "job/b",
        "# TYPE s summary\ns{quantile=\"0.5\"} 2\ns_sum -1\ns_count 1\ng -1\n",
    )
    .unwrap();
    put(
        &store,
        "job/c",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
    )
    .unwrap();
    assert_eq!(store.totals().contradicting, 0);
}

#[test]
fn who_mends_or_deletes_them_is_counted_no_more() {
    let store = store();
    let broken = [
        histogram("g", ["2", "1", "3", "3"]),
        histogram("h", ["1", "2", "3", "4"]),
    ]
    .concat();
    put(&store, "job/a", &broken).unwrap();
    put(&store, "job/b", &broken).unwrap();
    assert_eq!(store.totals().contradicting, 4);
    put(
        &store,
        "job/a",
        &[histogram("g", SOUND), histogram("h", SOUND)].concat(),
    )
    .unwrap();
    assert_eq!(store.totals().contradicting, 2);
    assert!(delete(&store, "job/b"));
    assert_eq!(store.totals().contradicting, 0);
}

#[test]
fn a_body_that_is_known_is_looked_at_all_the_same() {
    let store = store();
    let mut decoded = 0;
    for round in 1..20_u32 {
        let sound = histogram("h", [&round.to_string(), &(round + 1).to_string(), "40", "40"]);
        let broken = histogram("h", [&(round + 1).to_string(), &round.to_string(), "40", "40"]);
        let wrong_count = histogram("h", [&round.to_string(), &(round + 1).to_string(), "40", "41"]);
        for (body, expected) in [
            (&broken, 1),
            (&sound, 0),
            (&wrong_count, 1),
            (&sound, 0),
            (&sound, 0),
        ] {
            let now = UnixNanos(i64::from(round));
            let (pushed, times) = push_text(&store, PushMode::ReplaceGroup, "job/a", body, now);
            pushed.unwrap();
            decoded += times;
            assert_eq!(store.totals().contradicting, expected, "{body}");
        }
    }
    // Most of the sound ones were not decoded.
    assert!(decoded < 19 * 5 - 30, "{decoded}");
}

#[test]
fn a_body_that_contradicts_itself_keeps_none_of_its_kind_from_being_known() {
    let store = store();
    let decoded = |body: &str| push_text(&store, PushMode::ReplaceGroup, "job/a", body, UnixNanos(1)).1;
    let broken = histogram("h", ["2", "1", "3", "3"]);
    for _ in 0..5 {
        assert_eq!(decoded(&broken), 1);
    }
    let sound = histogram("h", SOUND);
    let times: usize = (0..5).map(|_| decoded(&sound)).sum();
    assert!(times < 5, "{times}");
    assert_eq!(decoded(&sound), 0);
}
