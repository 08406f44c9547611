//! Groups that begin anew.

use std::time::Duration;

use wharf_exposition::{openmetrics, text};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, Meter};
use wharf_store::{Aggregation, Gauges, PushMode, Store, Ttl, UnixNanos};

use crate::{expiries, exposition, key, samples, store};

const ALL: &str = "\
# TYPE c counter
c{x=\"1\"} 5
c{x=\"2\"} 7
# TYPE g gauge
g -3
# TYPE h histogram
h_bucket{le=\"1\"} 1
h_bucket{le=\"+Inf\"} 4
h_sum 9
h_count 4
# TYPE s summary
s{quantile=\"0.5\"} 3
s_sum 6
s_count 2
u 8
";

fn push(store: &Store, mode: PushMode, exposition: &Exposition<'_>, ttl: Option<Ttl>) {
    let pushed = store.push_with_ttl(&key("job/a"), mode, exposition, ttl, UnixNanos(100_000_000_000));
    drop(pushed.unwrap());
}

fn put(store: &Store, body: &str) {
    let options = text::Options::default();
    let exposition = text::decode(body.as_bytes(), options).unwrap();
    push(store, PushMode::ReplaceGroup, &exposition, None);
}

fn add(store: &Store, gauges: Gauges, body: &str) {
    let mode = PushMode::Aggregate(Aggregation {
        gauges,
        ..Aggregation::default()
    });
    push(
        store,
        mode,
        &text::decode(body.as_bytes(), text::Options::default()).unwrap(),
        None,
    );
}

/// Whether there was such a group.
fn reset(store: &Store, path: &str, gauges: Gauges) -> bool {
    let now = UnixNanos(200_500_000_000);
    let (existed, commit) = store.reset(&key(path), gauges, now, &Meter::unlimited()).unwrap();
    drop(commit);
    store.audit(false).unwrap();
    existed
}

fn shown(store: &Store) -> Vec<String> {
    let plain = |line: String| {
        let line = line.replace("instance=\"\",job=\"a\",", "");
        line.replace("{instance=\"\",job=\"a\"}", "")
    };
    samples(store).into_iter().map(plain).collect()
}

#[test]
fn what_is_added_up_begins_from_nothing_and_keeps_its_label_sets() {
    let store = store();
    put(&store, ALL);
    let times = |store: &Store| {
        let all = exposition(&store.snapshot());
        let times = all.lines().filter(|line| line.starts_with("push_"));
        times.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = times(&store);
    assert!(reset(&store, "job/a", Gauges::Sum));
    let nothing = [
        "c{x=\"1\"} 0",
        "c{x=\"2\"} 0",
        "g 0",
        "h_bucket{le=\"1\"} 0",
        "h_bucket{le=\"+Inf\"} 0",
        "h_sum 0",
        "h_count 0",
        "s_sum 0",
        "s_count 0",
        "u 0",
    ];
    assert_eq!(shown(&store), nothing);
    assert_eq!(times(&store), before, "nobody has pushed");
    add(&store, Gauges::Sum, ALL);
    let all = ALL
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("quantile"));
    assert_eq!(shown(&store), all.collect::<Vec<_>>());
    assert!(reset(&store, "job/a", Gauges::Sum));
    assert!(reset(&store, "job/a", Gauges::Sum), "twice is as once");
    assert_eq!(shown(&store), nothing);
    assert!(!reset(&store, "job/b", Gauges::Sum));
    assert_eq!(shown(&store), nothing);
}

#[test]
fn gauges_begin_as_they_are_added_up() {
    for (gauges, begun, next) in [
        (Gauges::Last, "g -3", "g 5"),
        (Gauges::Sum, "g 0", "g 5"),
        (Gauges::Count, "g 0", "g 1"),
        (Gauges::Min, "g NaN", "g 5"),
        (Gauges::Max, "g NaN", "g 5"),
    ] {
        let store = store();
        put(&store, "# TYPE g gauge\ng -3\n");
        assert!(reset(&store, "job/a", gauges));
        assert_eq!(shown(&store), [begun], "{gauges:?}");
        add(&store, gauges, "# TYPE g gauge\ng 5\n");
        assert_eq!(shown(&store), [next], "{gauges:?}");
    }
}

#[test]
fn a_reset_leaves_other_groups_the_lifetime_and_what_is_no_sum() {
    let store = store();
    crate::put(&store, "job/b", "c 1\n").unwrap();
    let body = "# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE c counter\nc_total 3\nc_created 50\n# EOF\n";
    let names = NameRule::Utf8;
    let exposition = openmetrics::decode(body.as_bytes(), openmetrics::Options { names }).unwrap();
    let ttl = Ttl {
        after: Duration::from_secs(60),
        keep_times: true,
    };
    push(&store, PushMode::ReplaceGroup, &exposition, Some(ttl));
    let before = expiries(&store);
    assert!(reset(&store, "job/a", Gauges::Sum));
    assert_eq!(expiries(&store), before);
    assert_eq!(
        shown(&store),
        ["c{instance=\"\",job=\"b\"} 1", "c_total 0", "i_info{v=\"1\"} 1"]
    );
    let group = store.group(&key("job/a")).unwrap();
    let counter = group
        .fragments()
        .find(|family| family.name() == "c_total")
        .unwrap();
    let starts = counter
        .pieces()
        .map(|piece| piece.decode(|_, family| family.metrics[0].extra.as_ref().unwrap().created.unwrap()));
    let starts: Vec<_> = starts.map(|start| (start.seconds, start.nanos)).collect();
    assert_eq!(starts, [(200, 500_000_000)]);
}

#[test]
fn a_reset_without_memory_changes_nothing() {
    let store = store();
    put(&store, ALL);
    let before = shown(&store);
    let refused = store.reset(&key("job/a"), Gauges::Sum, UnixNanos(1), &Meter::up_to(16));
    assert!(refused.is_err());
    assert_eq!(shown(&store), before);
}
