//! What a push costs the store, decoding included, and what a gzip scrape has left to do.
//!
//! `cargo bench -p wharf-store [-- <part of a name>]`. Names say how many groups are stored; each group is a batch
//! job of 13 samples in four families.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wharf_exposition::text;
use wharf_model::{Exposition, GroupingKey, Meter};
use wharf_store::{KnownBody, PushError, PushMode, Reserved, Snapshot, Store, TextBody, UnixNanos};

/// The metrics of a batch job after its run number `run`; `status` is a label value of one of its counters.
fn batch_job(run: u64, status: &str) -> String {
    let mut body = format!(
        "# HELP batch_job_duration_seconds How long the job took.\n\
         # TYPE batch_job_duration_seconds gauge\n\
         batch_job_duration_seconds {}.{:03}\n\
         # TYPE batch_job_records_processed_total counter\n\
         batch_job_records_processed_total{{status=\"{status}\"}} {}\n\
         batch_job_records_processed_total{{status=\"success\"}} {}\n\
         # TYPE batch_job_record_processing_seconds histogram\n",
        run % 60,
        run % 1000,
        run,
        run * 9,
    );
    for (more, bound) in ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "+Inf"]
        .into_iter()
        .enumerate()
    {
        let count = run + more as u64;
        writeln!(
            body,
            "batch_job_record_processing_seconds_bucket{{le=\"{bound}\"}} {count}"
        )
        .unwrap();
    }
    let count = run + 6;
    write!(
        body,
        "batch_job_record_processing_seconds_sum {run}.25\n\
         batch_job_record_processing_seconds_count {count}\n\
         # TYPE batch_job_last_success_timestamp gauge\n\
         batch_job_last_success_timestamp 1.79522{:04}e+09\n",
        run % 10_000
    )
    .unwrap();
    body
}

struct Body<'a>(&'a str, Meter<'static>);

impl TextBody for Body<'_> {
    type Error = text::DecodeError;

    fn text(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Self::Error> {
        text::decode_within(text, text::Options::default(), memory)
    }

    fn memory(&self) -> &Meter<'_> {
        &self.1
    }

    fn was_read(&self, _: &Exposition<'_>) {}

    fn was_known(&self, _: &KnownBody<'_>) {}
}

fn push(store: &Store, group: u64, body: &str) -> Result<(), PushError> {
    let instance = format!("worker-{group}");
    let key = GroupingKey::new([("instance", instance.as_str()), ("job", "daily_report_job")]).unwrap();
    let at = UnixNanos(1_795_220_000_000_000_000);
    let pushed = store.push_text(
        &key,
        PushMode::ReplaceGroup,
        &Body(body, Meter::unlimited()),
        None,
        at,
    );
    pushed.unwrap().map(drop)
}

fn filled(groups: u64) -> Store {
    let store = Store::new(Reserved::default(), 1 << 26);
    for group in 0..groups {
        push(&store, group, &batch_job(group, "error")).unwrap();
    }
    store
}

/// Groups in an order that visits each, far from the one before.
fn far_apart(groups: u64) -> impl FnMut() -> u64 {
    let mut at = 0;
    move || {
        at = (at + 7919) % groups;
        at
    }
}

/// The body is not decoded, for it is like those before; leaves are changed in place, and the index is not touched.
fn same_series(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push/same_series");
    group.throughput(Throughput::Elements(1));
    for groups in [100, 10_000, 100_000] {
        let (store, mut next, mut run) = (filled(groups), far_apart(groups), 0);
        group.bench_function(BenchmarkId::from_parameter(groups), |bencher| {
            bencher.iter_batched(
                || {
                    run += 1;
                    (next(), batch_job(run, "error"))
                },
                |(group, body)| push(&store, group, &body).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

/// One series of each push is new, and one is gone: the body is decoded, all checks are done, and the index changes.
fn other_series(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push/other_series");
    group.throughput(Throughput::Elements(1));
    for groups in [100, 10_000, 100_000] {
        let (store, mut next, mut run) = (filled(groups), far_apart(groups), 0);
        group.bench_function(BenchmarkId::from_parameter(groups), |bencher| {
            bencher.iter_batched(
                || {
                    run += 1;
                    (next(), batch_job(run, &format!("error {run}")))
                },
                |(group, body)| push(&store, group, &body).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

/// A push whose last family has another type than the other groups': checked, refused, and booked.
fn refused(criterion: &mut Criterion) {
    let groups = 10_000;
    let (store, mut next) = (filled(groups), far_apart(groups));
    let body = batch_job(1, "error").replace("seconds gauge", "seconds counter");
    criterion.bench_function(&format!("push/refused/{groups}"), |bencher| {
        bencher.iter(|| assert!(push(&store, next(), &body).is_err()));
    });
}

/// Takes everything that a gzip scrape sends from the caches, and compresses the leaves that have none.
fn gzip(snapshot: &Snapshot) -> usize {
    let families = snapshot.families();
    families
        .flat_map(|family| family.leaves())
        .map(|leaf| leaf.piece().compressed().0.bytes.len())
        .sum()
}

/// The work of a scrape after so many of the groups have pushed.
fn scrape(criterion: &mut Criterion) {
    let groups = 10_000;
    let (store, mut next, mut run) = (filled(groups), far_apart(groups), 0);
    let mut group = criterion.benchmark_group(format!("scrape/{groups}"));
    for (name, changed) in [("unchanged", 0), ("1%", groups / 100), ("all", groups)] {
        group.sample_size(10);
        group.bench_function(name, |bencher| {
            gzip(&store.snapshot());
            bencher.iter_batched(
                || {
                    for _ in 0..changed {
                        run += 1;
                        push(&store, next(), &batch_job(run, "error")).unwrap();
                    }
                    store.snapshot()
                },
                |snapshot| black_box(gzip(&snapshot)),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, same_series, other_series, refused, scrape);
criterion_main!(benches);
