//! What the body of a scrape costs, without a gateway around it.
//!
//! `cargo bench -p wharf-scrape [-- <part of a name>]`. 10,000 groups are stored, each of a batch job with 13 samples in four
//! families. Each body is read once before it is timed.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::fmt::Write as _;
use std::io::Read;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, GroupingKey};
use wharf_scrape::{Compression, Format, Rendered, Wanted, render};
use wharf_store::{PushMode, Reserved, Store, UnixNanos};

const GROUPS: usize = 10_000;
const SERIES_A_GROUP: usize = 13;

/// The metrics of a batch job after its run number `run`.
fn batch_job(run: usize) -> String {
    let mut body = format!(
        "# HELP batch_job_duration_seconds How long the job took.\n\
         # TYPE batch_job_duration_seconds gauge\n\
         batch_job_duration_seconds {}.{:03}\n\
         # TYPE batch_job_records_processed_total counter\n\
         batch_job_records_processed_total{{status=\"error\"}} {run}\n\
         batch_job_records_processed_total{{status=\"success\"}} {}\n\
         # TYPE batch_job_record_processing_seconds histogram\n",
        run % 60,
        run % 1000,
        run * 9,
    );
    for (more, bound) in ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "+Inf"]
        .into_iter()
        .enumerate()
    {
        let count = run + more;
        writeln!(
            body,
            "batch_job_record_processing_seconds_bucket{{le=\"{bound}\"}} {count}"
        )
        .unwrap();
    }
    write!(
        body,
        "batch_job_record_processing_seconds_sum {run}.25\n\
         batch_job_record_processing_seconds_count {}\n\
         # TYPE batch_job_last_success_timestamp gauge\n\
         batch_job_last_success_timestamp 1.79522{:04}e+09\n",
        run + 6,
        run % 10_000
    )
    .unwrap();
    body
}

fn push(store: &Store, group: usize, run: usize) {
    let instance = format!("worker-{group}");
    let key = GroupingKey::new([("instance", instance.as_str()), ("job", "daily_report_job")]).unwrap();
    let body = batch_job(run);
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let at = UnixNanos(1_795_220_000_000_000_000);
    drop(store.push(&key, PushMode::ReplaceGroup, &exposition, at).unwrap());
}

fn filled() -> Store {
    let store = Store::new(Reserved::default(), 1 << 26);
    (0..GROUPS).for_each(|group| push(&store, group, group));
    store
}

fn scrape(store: &Store, wanted: Wanted) -> Rendered {
    render(&Exposition::default(), &store.snapshot(), wanted)
}

/// Whether all groups are in the body.
fn check(rendered: &Rendered, wanted: Wanted) {
    let mut body = rendered.parts.concat();
    match wanted.compression {
        Compression::Identity => {}
        Compression::Gzip => {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(body.as_slice())
                .read_to_end(&mut text)
                .unwrap();
            body = text;
        }
        Compression::Zstd => body = zstd::stream::decode_all(body.as_slice()).unwrap(),
    }
    let read = match wanted.format {
        Format::Text004 | Format::Text100 => text::decode(&body, text::Options::default()).unwrap(),
        Format::OpenMetrics001 | Format::OpenMetrics100 => {
            openmetrics::decode(&body, openmetrics::Options::default()).unwrap()
        }
        _ => protobuf::decode(&body).unwrap(),
    };
    let metrics = |name: &str| {
        let mut families = read.families.iter();
        let family = families.find(|family| read.text(family.name) == name);
        family.map(|family| family.metrics.len())
    };
    assert_eq!(metrics("batch_job_duration_seconds"), Some(GROUPS));
    assert_eq!(metrics("batch_job_record_processing_seconds"), Some(GROUPS));
}

/// Bodies of what has not changed since the scrape before.
fn unchanged(criterion: &mut Criterion) {
    let store = filled();
    let mut group = criterion.benchmark_group("unchanged");
    group.throughput(Throughput::Elements((GROUPS * SERIES_A_GROUP) as u64));
    group.sample_size(10);
    for (name, format, compression) in [
        ("text", Format::Text004, Compression::Identity),
        ("text_gzip", Format::Text004, Compression::Gzip),
        ("text_zstd", Format::Text004, Compression::Zstd),
        ("openmetrics", Format::OpenMetrics100, Compression::Identity),
        ("openmetrics_gzip", Format::OpenMetrics100, Compression::Gzip),
        ("protobuf", Format::ProtobufDelimited, Compression::Identity),
        ("protobuf_gzip", Format::ProtobufDelimited, Compression::Gzip),
    ] {
        let wanted = wanted(format, compression);
        check(&scrape(&store, wanted), wanted);
        group.bench_function(name, |bencher| bencher.iter(|| scrape(&store, wanted)));
    }
}

/// Gzip bodies after so many of the groups have pushed, on one processor.
fn changed(criterion: &mut Criterion) {
    let (store, mut run) = (filled(), GROUPS);
    let wanted = wanted(Format::Text004, Compression::Gzip);
    let mut group = criterion.benchmark_group("text_gzip_after_pushes");
    group.sample_size(10);
    for pushes in [1, GROUPS / 100, GROUPS] {
        check(&scrape(&store, wanted), wanted);
        group.bench_function(pushes.to_string(), |bencher| {
            bencher.iter_batched(
                || {
                    for _ in 0..pushes {
                        run += 1;
                        push(&store, run * 7919 % GROUPS, run);
                    }
                },
                |()| scrape(&store, wanted),
                BatchSize::PerIteration,
            );
        });
        check(&scrape(&store, wanted), wanted);
    }
}

fn wanted(format: Format, compression: Compression) -> Wanted {
    Wanted {
        format,
        escaping: EscapingScheme::Underscores,
        compression,
    }
}

criterion_group!(benches, unchanged, changed);
criterion_main!(benches);
