//! Series that leave when no push has brought them for as long as they live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_ledger::{Ledger, Options, SimulatedDisk};
use wharf_model::Meter;
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_store::{Aggregation, Gauges, PushMode, Reserved, Store, Ttl, UnixNanos};

use crate::{key, start, store};

fn seconds(seconds: u64) -> UnixNanos {
    UnixNanos(i64::try_from(seconds).unwrap() * 1_000_000_000)
}

/// Pushes are added up, and series live for so many seconds.
fn living(ttl: Option<u64>) -> PushMode {
    PushMode::Aggregate(Aggregation {
        series_ttl: ttl.map(Duration::from_secs),
        ..Aggregation::default()
    })
}

fn push(store: &Store, path: &str, mode: PushMode, body: &str, now: u64) {
    let exposition = if body.ends_with("# EOF\n") {
        let names = NameRule::Utf8;
        openmetrics::decode(body.as_bytes(), openmetrics::Options { names }).unwrap()
    } else {
        text::decode(body.as_bytes(), text::Options::default()).unwrap()
    };
    drop(store.push(&key(path), mode, &exposition, seconds(now)).unwrap());
    store.audit(false).unwrap();
}

fn expire(store: &Store, now: u64) -> usize {
    let changed = store.expire_series(seconds(now)).unwrap();
    store.audit(false).unwrap();
    changed
}

/// All lines but the push times, without labels of the group.
fn shown(store: &Store) -> String {
    let mut lines = String::new();
    for family in store.snapshot().families() {
        for fragment in family.fragments().filter(|_| !family.name().starts_with("push_")) {
            lines += std::str::from_utf8(fragment.text()).unwrap();
        }
    }
    lines
        .replace("instance=\"\",job=\"a\"", "")
        .replace(",}", "}")
        .replace("{,", "{")
        .replace("{}", "")
}

#[test]
fn a_series_leaves_when_no_push_has_brought_it_for_as_long_as_it_lives() {
    let store = store();
    let both = "# TYPE c counter\nc{w=\"1\"} 1\nc{w=\"2\"} 2\n";
    push(&store, "job/a", living(Some(10)), both, 100);
    push(
        &store,
        "job/a",
        living(Some(10)),
        "# TYPE c counter\nc{w=\"1\"} 5\n",
        105,
    );
    assert_eq!(expire(&store, 109), 0);
    assert_eq!(shown(&store), "c{w=\"1\"} 6\nc{w=\"2\"} 2\n");
    assert_eq!(expire(&store, 110), 1);
    assert_eq!(shown(&store), "c{w=\"1\"} 6\n");
    assert_eq!(expire(&store, 114), 0);
    assert_eq!(expire(&store, 115), 1);
    // The group stays, with its push times: how long it lives is a matter of its own.
    assert_eq!(shown(&store), "");
    assert_eq!(store.snapshot().keys(), [key("job/a")]);
    // Whoever comes again begins from nothing.
    push(&store, "job/a", living(Some(10)), both, 200);
    assert_eq!(shown(&store), "c{w=\"1\"} 1\nc{w=\"2\"} 2\n");
}

#[test]
fn the_last_push_of_a_series_says_how_long_it_lives() {
    let store = store();
    for (worker, ttl) in [("1", Some(10)), ("2", Some(10)), ("3", None)] {
        let body = format!("c{{w=\"{worker}\"}} 1\n");
        push(&store, "job/a", living(ttl), &body, 100);
    }
    push(&store, "job/a", living(None), "c{w=\"1\"} 1\n", 101);
    push(&store, "job/a", living(Some(100)), "c{w=\"2\"} 1\n", 101);
    push(&store, "job/a", living(Some(1)), "c{w=\"4\"} 1\n", 101);
    assert_eq!(expire(&store, 102), 1);
    assert_eq!(expire(&store, 200), 0);
    assert_eq!(shown(&store), "c{w=\"1\"} 2\nc{w=\"2\"} 2\nc{w=\"3\"} 1\n");
    assert_eq!(expire(&store, 201), 1);
    // A plain push says nothing of it, so what it sets stays; of others it changes nothing.
    push(
        &store,
        "job/a",
        living(Some(10)),
        "c{w=\"1\"} 1\nc{w=\"5\"} 1\n",
        300,
    );
    push(&store, "job/a", PushMode::ReplaceSeries, "c{w=\"1\"} 7\n", 301);
    assert_eq!(expire(&store, 1000), 1);
    assert_eq!(shown(&store), "c{w=\"1\"} 7\nc{w=\"3\"} 1\n");
}

#[test]
fn series_of_every_type_leave() {
    let store = store();
    let body = "# TYPE c counter\nc_total{w=\"1\"} 1\n# TYPE g gauge\ng{w=\"1\"} 1\n# TYPE h histogram\n\
        h_bucket{w=\"1\",le=\"1\"} 1\nh_bucket{w=\"1\",le=\"+Inf\"} 2\nh_sum{w=\"1\"} 3\nh_count{w=\"1\"} 2\n\
        # TYPE gh gaugehistogram\ngh_bucket{le=\"+Inf\"} 2\ngh_gsum 3\ngh_gcount 2\n\
        # TYPE i info\ni_info{w=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\ns{s=\"off\"} 0\n\
        # TYPE q summary\nq_sum 1\nq_count 1\n# TYPE u unknown\nu 1\n# EOF\n";
    push(&store, "job/a", living(Some(10)), body, 100);
    // A family that has something else stays with it.
    push(
        &store,
        "job/a",
        living(Some(20)),
        "# TYPE g gauge\ng{w=\"2\"} 2\n",
        100,
    );
    let families = |store: &Store| {
        let snapshot = store.snapshot();
        let names = snapshot.families().map(|family| family.name().to_owned());
        names
            .filter(|name| !name.starts_with("push_"))
            .collect::<Vec<_>>()
    };
    assert_eq!(families(&store).len(), 8, "{:?}", families(&store));
    assert_eq!(expire(&store, 110), 1);
    assert_eq!(shown(&store), "g{w=\"2\"} 2\n");
    assert_eq!(families(&store), ["g"]);
}

#[test]
fn no_format_shows_when_a_series_leaves_or_what_a_mean_is_made_of() {
    let store = store();
    let mode = PushMode::Aggregate(Aggregation {
        gauges: Gauges::Average,
        series_ttl: Some(Duration::from_secs(10)),
        ..Aggregation::default()
    });
    for value in [1, 2] {
        push(
            &store,
            "job/a",
            mode,
            &format!("# TYPE g gauge\ng {value}\n"),
            100,
        );
    }
    for family in store.snapshot().families().filter(|family| family.name() == "g") {
        for fragment in family.fragments() {
            fragment.decode(|exposition, family| {
                assert!(family.metrics.iter().all(|metric| metric.extra.is_some()));
                let mut one = exposition.clone();
                one.families = vec![family.clone()];
                let encoded = protobuf::encode(&one, EscapingScheme::AllowUtf8);
                // What a client sends of it is not believed either.
                let read = protobuf::decode(&encoded).unwrap();
                assert!(read.families[0].metrics[0].extra.is_none());
                let stored = protobuf::decode_stored(&encoded).unwrap();
                assert!(stored.families[0].metrics[0].extra.is_none());
            });
        }
    }
    assert_eq!(shown(&store), "g 1.5\n");
}

#[test]
fn a_reset_leaves_series_their_time_and_means_begin_anew() {
    let store = store();
    let mode = PushMode::Aggregate(Aggregation {
        gauges: Gauges::Average,
        series_ttl: Some(Duration::from_secs(10)),
        ..Aggregation::default()
    });
    let body = |value: u32| format!("# TYPE g gauge\ng {value}\n# TYPE c counter\nc 1\n");
    push(&store, "job/a", mode, &body(8), 100);
    let (_, commit) = store
        .reset(&key("job/a"), Gauges::Average, seconds(101), &Meter::unlimited())
        .unwrap();
    drop(commit);
    assert_eq!(shown(&store), "c 0\ng NaN\n");
    push(&store, "job/a", mode, "# TYPE g gauge\ng 2\n", 102);
    assert_eq!(expire(&store, 110), 1);
    assert_eq!(shown(&store), "g 2\n");
}

#[test]
fn a_group_goes_with_all_that_is_noted_of_its_series() {
    let store = store();
    let ttl = Some(Ttl {
        after: Duration::from_secs(5),
        keep_times: false,
    });
    let exposition = text::decode(b"c 1\n", text::Options::default()).unwrap();
    let pushed = store.push_with_ttl(&key("job/a"), living(Some(10)), &exposition, ttl, seconds(100));
    drop(pushed.unwrap());
    store.expire(seconds(105)).unwrap();
    assert_eq!(store.snapshot().keys(), []);
    assert_eq!(expire(&store, 1000), 0);
}

/// One step of a model that knows for each series its sum and its end.
#[derive(Debug, Clone)]
enum Step {
    Push {
        group: usize,
        workers: Vec<u8>,
        ttl: Option<u64>,
    },
    Plain {
        group: usize,
        worker: u8,
    },
    Expire,
    Delete {
        group: usize,
    },
    Checkpoint,
    PowerCut,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let group = 0..2usize;
    let workers = prop::collection::btree_set(0..6u8, 1..4);
    let ttl = prop::option::weighted(0.8, 1..8u64);
    let step = prop_oneof![
        10 => (group.clone(), workers, ttl).prop_map(|(group, workers, ttl)| Step::Push {
            group,
            workers: workers.into_iter().collect(),
            ttl,
        }),
        2 => (group.clone(), 0..6u8).prop_map(|(group, worker)| Step::Plain { group, worker }),
        6 => Just(Step::Expire),
        1 => group.prop_map(|group| Step::Delete { group }),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::PowerCut),
    ];
    prop::collection::vec((0..4u64, step), 1..40)
}

fn open(disk: &SimulatedDisk) -> Arc<Store> {
    let store = Arc::new(Store::new(Reserved::default(), 1 << 24));
    let options = Options {
        segment_bytes: 4096,
        ..Options::default()
    };
    let (ledger, recovery): (Ledger, _) = start::open(&store, disk, options);
    store.attach(ledger, recovery.last, true);
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_is_there_is_what_a_model_says_also_after_power_cuts(steps in steps(), seed in any::<u64>()) {
        let mut disk = SimulatedDisk::new(seed);
        let mut store = open(&disk);
        let mut model: BTreeMap<(usize, u8), (u64, Option<u64>)> = BTreeMap::new();
        let mut now = 100;
        for (later, step) in steps {
            now += later;
            let path = |group: usize| format!("job/j{group}");
            match step {
                Step::Push { group, workers, ttl } => {
                    let lines = workers.iter().map(|worker| format!("c{{w=\"{worker}\"}} {}\n", worker + 1));
                    push(&store, &path(group), living(ttl), &lines.collect::<String>(), now);
                    for worker in workers {
                        let (sum, end) = model.entry((group, worker)).or_default();
                        *sum += u64::from(worker) + 1;
                        *end = ttl.map(|ttl| now + ttl);
                    }
                }
                Step::Plain { group, worker } => {
                    let line = format!("c{{w=\"{worker}\"}} 9\n");
                    push(&store, &path(group), PushMode::ReplaceSeries, &line, now);
                    model.insert((group, worker), (9, None));
                }
                Step::Expire => {
                    expire(&store, now);
                    model.retain(|_, (_, end)| end.is_none_or(|end| end > now));
                    prop_assert_eq!(expire(&store, now), 0);
                }
                Step::Delete { group } => {
                    drop(store.delete(&key(&path(group))).unwrap());
                    model.retain(|(of, _), _| *of != group);
                }
                Step::Checkpoint => drop(store.checkpoint(false).unwrap()),
                Step::PowerCut => {
                    // An answered change brings all before it to the disk.
                    let exposition = text::decode(b"z 1\n", text::Options::default()).unwrap();
                    let pushed = store.push(&key("job/z"), PushMode::ReplaceGroup, &exposition, seconds(now));
                    crate::durable::block_on(pushed.unwrap()).unwrap();
                    disk = disk.crash();
                    store = open(&disk);
                }
            }
            let expected = model.iter().map(|((group, worker), (sum, _))| {
                format!("c{{instance=\"\",job=\"j{group}\",w=\"{worker}\"}} {sum}\n")
            });
            let shown = shown(&store);
            let shown: String = shown.lines().filter(|line| line.starts_with('c')).flat_map(|line| [line, "\n"]).collect();
            prop_assert_eq!(shown, expected.collect::<String>());
        }
    }
}
