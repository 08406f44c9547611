//! What changes of groups cost, over a ledger in the temporary folder.
//!
//! `cargo bench -p wharf-store [-- <part of a name>]`. A group is one of a batch job: 4 families, 13 lines. The longest
//! wait is that of a reader who asks for the totals all the time, which takes the lock: it says for how long a change
//! keeps others out. It and the time taken need a machine that does nothing else; the time on the processor does not.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on fails, and prints figures"
)]

use std::env;
use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use wharf_exposition::text;
use wharf_ledger::{Ledger, Options, RealDisk, Replayed};
use wharf_model::{Choice, Effort, Exposition, GroupingKey, Selector};
use wharf_store::{
    Aggregation, Author, Clock, Commit, Limits, Listing, PushMode, Quota, RemovedSettings, Reserved,
    Revision, SortBy, Store, Ttl, UnixNanos,
};

/// A name, and what prints the answer.
type Question = (&'static str, fn(&str));

fn main() {
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let questions: [Question; 10] = [
        ("groups/push", push),
        ("groups/push_series", push_series),
        ("groups/push_parts", push_parts),
        ("groups/delete_10k_of_100k", delete_matching),
        ("groups/delete_300k_families", delete_families),
        ("groups/undo_100k", undo),
        ("groups/expire_1m", expire),
        ("groups/list_1m", list),
        ("groups/count_1m", count),
        ("groups/start_1m", start),
    ];
    for (name, question) in questions {
        if name.contains(&filter) {
            question(name);
        }
    }
}

/// A store over a ledger, which is gone with the folder.
struct Stored {
    store: Arc<Store>,
    folder: tempfile::TempDir,
}

impl Stored {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
        let store = Arc::new(Store::new(Reserved::default(), 1 << 30));
        let (ledger, recovery) = Ledger::open(disk, Options::default(), &mut |_| Ok(())).unwrap();
        store.attach(ledger, recovery.last, true);
        Self { store, folder }
    }

    /// One that keeps what is removed.
    fn keeping(count: u32) -> Self {
        let stored = Self::with_groups(count, |_| None);
        let disk = RealDisk::new(stored.folder.path().join("removed")).unwrap();
        let problems = stored.store.keep_removed(&RemovedSettings {
            max_age: Duration::from_secs(3600),
            max_bytes: 256 << 20,
            clock: Arc::new(StandsStill),
            disk: Some(Arc::new(disk)),
        });
        assert!(problems.is_empty());
        stored
    }

    fn with_groups(count: u32, ttl: impl Fn(u32) -> Option<Ttl>) -> Self {
        let stored = Self::new();
        for n in 0..count {
            drop(stored.push(n, &batch_job(), ttl(n)));
            if n % 10_000 == 0 {
                stored.store.keep(64 << 20).unwrap();
            }
        }
        block_on(stored.push(0, &batch_job(), ttl(0)));
        stored.store.keep(64 << 20).unwrap();
        stored
    }

    fn push(&self, n: u32, exposition: &Exposition<'_>, ttl: Option<Ttl>) -> Commit {
        let mode = PushMode::ReplaceGroup;
        loop {
            match self
                .store
                .push_with_ttl(&key(n), mode, exposition, ttl, UnixNanos(0))
            {
                Ok(commit) => return commit,
                // Filling is faster than the disk.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

struct StandsStill;

impl Clock for StandsStill {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }
}

fn key(n: u32) -> GroupingKey {
    let (job, instance) = (format!("job-{}", n % 10), format!("worker-{n}"));
    GroupingKey::new([("job", job.as_str()), ("instance", &instance)]).unwrap()
}

const BATCH_JOB: &str = "\
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 12.5
# TYPE batch_job_records_processed_total counter
batch_job_records_processed_total{status=\"success\"} 990
batch_job_records_processed_total{status=\"error\"} 10
# TYPE batch_job_record_processing_seconds histogram
batch_job_record_processing_seconds_bucket{le=\"0.001\"} 0
batch_job_record_processing_seconds_bucket{le=\"0.005\"} 100
batch_job_record_processing_seconds_bucket{le=\"0.01\"} 100
batch_job_record_processing_seconds_bucket{le=\"0.05\"} 110
batch_job_record_processing_seconds_bucket{le=\"0.1\"} 110
batch_job_record_processing_seconds_bucket{le=\"0.5\"} 110
batch_job_record_processing_seconds_bucket{le=\"+Inf\"} 110
batch_job_record_processing_seconds_sum 0.5
batch_job_record_processing_seconds_count 110
# TYPE batch_job_last_success_timestamp gauge
batch_job_last_success_timestamp 1.6e9
";

fn batch_job() -> Exposition<'static> {
    text::decode(BATCH_JOB.as_bytes(), text::Options::default()).unwrap()
}

fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

/// Prints how long something takes, and for how long it keeps others waiting.
fn measure(name: &str, store: &Store, change: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                black_box(store.totals());
                longest = longest.max(asked.elapsed());
            }
            longest
        });
        let (started, on_processor) = (Instant::now(), processor_time());
        change();
        let (took, worked) = (started.elapsed(), processor_time().saturating_sub(on_processor));
        is_over.store(true, Ordering::Relaxed);
        let longest = waits.join().unwrap();
        println!("{name}: {took:.1?} ({worked:.1?} on the processor), longest wait {longest:.1?}");
    });
}

/// For how long this thread has been on a processor; zero on systems that do not tell.
fn processor_time() -> Duration {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = statistics.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Pushes to groups that are there: without anything, with a time to live, under quotas.
fn push(name: &str) {
    const GROUPS: u32 = 100_000;
    let ttl = Ttl {
        after: Duration::from_secs(3600),
        keep_times: false,
    };
    let quota = |text: &str| Quota {
        selector: selector(text),
        max_groups: Some(1_000_000),
        max_series: Some(100_000_000),
        max_bytes: None,
    };
    for (what, ttl, quotas) in [
        ("plain", None, vec![]),
        ("ttl", Some(ttl), vec![]),
        ("quotas", None, vec![quota(r#"{job=~"job-.*"}"#), quota("{}")]),
    ] {
        let Stored { store, .. } = &Stored::with_groups(GROUPS, |_| None);
        store.set_limits(Limits {
            quotas,
            ..Limits::default()
        });
        let exposition = batch_job();
        let (started, on_processor) = (Instant::now(), processor_time());
        let mut n = 0;
        while started.elapsed() < Duration::from_secs(2) {
            let key = key(n * 7919 % GROUPS);
            let mode = PushMode::ReplaceGroup;
            drop(store.push_with_ttl(&key, mode, &exposition, ttl, UnixNanos(0)));
            n += 1;
        }
        let worked = processor_time().saturating_sub(on_processor);
        println!("{name}/{what}: {:.2?} on the processor a push", worked / n);
    }
}

/// Pushes of one series into a group of 1,000.
fn push_series(name: &str) {
    let Stored { store, .. } = &Stored::new();
    let lines: Vec<String> = (0..1000).map(|n| format!("m{{n=\"{n}\"}} 1\n")).collect();
    let body = lines.concat();
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let push = |exposition: &Exposition<'_>| {
        let commit = store.push(&key(0), PushMode::ReplaceSeries, exposition, UnixNanos(0));
        drop(commit.unwrap());
    };
    push(&exposition);
    let exposition = text::decode(b"m{n=\"500\"} 2\n", text::Options::default()).unwrap();
    let on_processor = processor_time();
    for _ in 0..500 {
        push(&exposition);
    }
    let worked = processor_time().saturating_sub(on_processor);
    println!("{name}: {:.2?} on the processor a push", worked / 500);
}

/// Pushes of ten series into a family of so many, which replace them or are added to them.
fn push_parts(name: &str) {
    let text = |count: u32| {
        let lines = (0..count).map(|n| format!("m{{n=\"{n}\"}} 1\n"));
        format!("# TYPE m counter\n{}", lines.collect::<String>())
    };
    for (count, pushes) in [(10, 20_000), (10_000, 50)] {
        for (what, mode) in [
            ("replaced", PushMode::ReplaceSeries),
            ("added", PushMode::Aggregate(Aggregation::default())),
        ] {
            let Stored { store, .. } = &Stored::new();
            let push = |text: &str| {
                let exposition = text::decode(text.as_bytes(), text::Options::default()).unwrap();
                drop(store.push(&key(0), mode, &exposition, UnixNanos(0)).unwrap());
            };
            push(&text(count));
            let body = text(10);
            let on_processor = processor_time();
            for _ in 0..pushes {
                push(&body);
            }
            let worked = processor_time().saturating_sub(on_processor);
            println!(
                "{name}/{what}, {count} series: {:.2?} on the processor a push",
                worked / pushes
            );
        }
    }
}

/// One request that deletes every tenth group.
fn delete_matching(name: &str) {
    let Stored { store, .. } = &Stored::with_groups(100_000, |_| None);
    let choice = Choice::all().and(vec![selector(r#"{job=~".*-3"}"#)]);
    measure(name, store, || {
        let keys = store.matching(&choice, None, &Effort::unlimited()).unwrap();
        let (deleted, commit, _receipt) = store.remove_groups(keys, None, &Author::default()).unwrap();
        block_on(commit);
        assert_eq!(deleted.len(), 10_000);
    });
}

/// The end of a group that has a family of its own for each series.
fn delete_families(name: &str) {
    let Stored { store, .. } = &Stored::new();
    let lines: Vec<String> = (0..300_000).map(|n| format!("m{n} 1\n")).collect();
    let body = lines.concat();
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    block_on(
        store
            .push(&key(0), PushMode::ReplaceGroup, &exposition, UnixNanos(0))
            .unwrap(),
    );
    measure(name, store, || block_on(store.delete(&key(0)).unwrap().1));
}

/// A wipe of which nothing is kept and one that is kept, how long it takes to write what it took, and taking it back.
fn undo(name: &str) {
    let Stored { store, .. } = &Stored::with_groups(100_000, |_| None);
    measure(&format!("{name}/wipe, nothing kept"), store, || {
        block_on(store.wipe().unwrap().1);
    });
    let Stored { store, folder } = &Stored::keeping(100_000);
    measure(&format!("{name}/wipe, kept"), store, || {
        block_on(store.wipe().unwrap().1);
    });
    measure(&format!("{name}/write what was removed"), store, || {
        store.keep(u64::MAX).unwrap();
    });
    let files = fs::read_dir(folder.path().join("removed")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let removal = store.removals(None, 1).remove(0);
    println!(
        "{name}: {bytes} bytes on disk for {} bytes of text",
        removal.bytes
    );
    measure(&format!("{name}/undo"), store, || {
        let (undoing, commits) = store.undo(removal.id, false, UnixNanos(0)).unwrap();
        commits.into_iter().for_each(block_on);
        assert_eq!(undoing.settle().groups, 100_000);
    });
    assert_eq!(store.totals().groups, 100_000);
}

/// A sweep that finds nothing, one that finds 1,000 groups, and one that finds all others.
fn expire(name: &str) {
    let ttl = |n| Ttl {
        after: Duration::from_secs(if n < 1000 { 10 } else { 20 }),
        keep_times: false,
    };
    let Stored { store, .. } = &Stored::with_groups(1_000_000, |n| Some(ttl(n)));
    for (what, seconds) in [("nothing", 9), ("1000", 10), ("all", 20)] {
        measure(&format!("{name}/{what}"), store, || {
            store.expire(UnixNanos(seconds * 1_000_000_000)).unwrap();
        });
    }
    assert_eq!(store.totals().groups, 0);
}

/// Pages of 100 groups: in the middle of all, by a selector that few groups meet, by size.
fn list(name: &str) {
    let Stored { store, .. } = &Stored::with_groups(1_000_000, |_| None);
    let middle = store.snapshot().keys().swap_remove(500_000);
    let page = Listing {
        limit: 100,
        ..Listing::default()
    };
    let pages = [
        (
            "by_key",
            Listing {
                after: Some(wharf_store::Cursor { rank: 0, key: middle }),
                ..page.clone()
            },
        ),
        (
            "few",
            Listing {
                choice: Choice::all().and(vec![selector(r#"{instance=~"worker-99999."}"#)]),
                ..page.clone()
            },
        ),
        (
            "by_bytes",
            Listing {
                sort: SortBy::Bytes,
                ..page
            },
        ),
    ];
    for (what, listing) in pages {
        measure(&format!("{name}/{what}"), store, || {
            let page = store.list(&listing, &Effort::unlimited()).unwrap();
            assert!(!page.groups.is_empty());
        });
    }
}

/// New quotas.
fn count(name: &str) {
    let Stored { store, .. } = &Stored::with_groups(1_000_000, |_| None);
    let quota = Quota {
        selector: selector(r#"{job=~"job-[1-5]"}"#),
        max_groups: None,
        max_series: None,
        max_bytes: None,
    };
    measure(name, store, || {
        store.set_limits(Limits {
            quotas: vec![quota],
            ..Limits::default()
        });
    });
    assert_eq!(
        store.quota_usage().first().map(|usage| usage.groups),
        Some(500_000)
    );
}

fn block_on(commit: Commit) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut waiting = pin!(commit.wait());
    let mut context = Context::from_waker(&waker);
    loop {
        match waiting.as_mut().poll(&mut context) {
            Poll::Ready(stored) => return stored.unwrap(),
            Poll::Pending => thread::park(),
        }
    }
}

/// Starts on a folder of a million series, half of it a checkpoint and half of it log, which pushes all of them again: record
/// by record, and on all processors.
fn start(name: &str) {
    const GROUPS: u32 = 76_923;
    let stored = Stored::new();
    for round in 0..2 {
        for n in (0..GROUPS).map(|n| (n * 31) % GROUPS) {
            drop(stored.push(n, &batch_job(), None));
        }
        block_on(stored.push(0, &batch_job(), None));
        if round == 0 {
            stored.store.checkpoint(false).unwrap();
        }
    }
    let Stored { store, folder } = stored;
    let shown = shown(&store);
    drop(store);
    let disk = || Arc::new(RealDisk::existing(folder.path()).unwrap());
    for round in 0..3 {
        let store = Store::new(Reserved::default(), 1 << 30);
        let started = Instant::now();
        let mut replay =
            |replayed: Replayed<'_>| Ok(store.replay_at(Revision(replayed.sequence.0), replayed.record)?);
        drop(Ledger::open(disk(), Options::default(), &mut replay).unwrap());
        println!(
            "{name}: round {round}, record by record {:.3?}",
            started.elapsed()
        );
        assert!(self::shown(&store) == shown);
        drop(store);
        for processors in [1, thread::available_parallelism().unwrap().get()] {
            let store = Store::new(Reserved::default(), 1 << 30);
            let started = Instant::now();
            let opened = store.load(processors, |loading| {
                Ledger::open_looking_ahead(disk(), Options::default(), loading)
            });
            println!(
                "{name}: round {round}, on {processors} processors {:.3?}",
                started.elapsed()
            );
            drop(opened.unwrap());
            assert!(self::shown(&store) == shown);
        }
    }
}

/// All lines.
fn shown(store: &Store) -> Vec<u8> {
    let snapshot = store.snapshot();
    let leaves = snapshot.families().flat_map(|family| family.leaves());
    leaves.flat_map(|leaf| leaf.piece().text().to_vec()).collect()
}
