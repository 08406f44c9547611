//! How fast are the formats decoded and encoded?

use std::fmt::Write;
use std::hint::black_box;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use wharf_exposition::text::{self, Options};
use wharf_model::name::EscapingScheme;

criterion_group!(benches, text_format);
criterion_main!(benches);

fn text_format(criterion: &mut Criterion) {
    let bodies = [
        ("batch_job", batch_job(), 4, 5),
        ("100k_series", series(100_000), 1, 100_000),
        ("10k_histograms", histograms(10_000), 1, 10_000),
        ("100k_families", families(100_000), 100_000, 100_000),
    ];

    let mut decode = criterion.benchmark_group("decode/text");
    for (name, body, families, metrics) in &bodies {
        bench_decode(&mut decode, name, body, (*families, *metrics));
    }
    decode.finish();

    let mut encode = criterion.benchmark_group("encode/text");
    for (name, body, ..) in &bodies {
        bench_encode(&mut encode, name, body);
    }
    encode.finish();
}

fn bench_decode(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &str, expected: (usize, usize)) {
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let exposition =
                text::decode(black_box(body.as_bytes()), Options::default()).expect("body is valid");
            let metrics = exposition
                .families
                .iter()
                .map(|family| family.metrics.len())
                .sum();
            assert_eq!((exposition.families.len(), metrics), expected);
            exposition
        });
    });
}

fn bench_encode(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &str) {
    let exposition = text::decode(body.as_bytes(), Options::default()).expect("body is valid");
    let encoded = text::encode(&exposition, EscapingScheme::default());
    let again = text::decode(&encoded, Options::default()).expect("encoder writes valid text");
    assert_eq!(text::encode(&again, EscapingScheme::default()), encoded);

    group.throughput(Throughput::Bytes(encoded.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| text::encode(black_box(&exposition), EscapingScheme::default()));
    });
}

/// What a nightly job pushes: a gauge, a counter, a histogram, a time.
fn batch_job() -> String {
    let mut body = String::from(
        "# HELP batch_job_duration_seconds Duration.\n\
         # TYPE batch_job_duration_seconds gauge\n\
         batch_job_duration_seconds 42.125\n\
         # HELP batch_job_records_processed_total Records.\n\
         # TYPE batch_job_records_processed_total counter\n\
         batch_job_records_processed_total{status=\"error\"} 12345\n\
         batch_job_records_processed_total{status=\"success\"} 111105\n\
         # HELP batch_job_record_processing_seconds Time.\n\
         # TYPE batch_job_record_processing_seconds histogram\n",
    );
    for (index, bound) in ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "+Inf"]
        .iter()
        .enumerate()
    {
        let count = 12345 + index;
        writeln!(
            body,
            "batch_job_record_processing_seconds_bucket{{le=\"{bound}\"}} {count}"
        )
        .expect("writes");
    }
    body.push_str(
        "batch_job_record_processing_seconds_sum 12345.25\n\
         batch_job_record_processing_seconds_count 12351\n\
         # HELP batch_job_last_success_timestamp Last.\n\
         # TYPE batch_job_last_success_timestamp gauge\n\
         batch_job_last_success_timestamp 1.795220012345e+09\n",
    );
    body
}

/// One family of counters with four labels.
fn series(count: usize) -> String {
    let mut body = String::from("# TYPE http_requests_total counter\n");
    for index in 0..count {
        let (item, code, worker) = (index % 1000, 200 + index % 5, index % 100);
        writeln!(
            body,
            "http_requests_total{{method=\"GET\",path=\"/api/v1/item/{item}\",code=\"{code}\",\
             instance=\"worker-{worker}\"}} {index}",
        )
        .expect("writes");
    }
    body
}

/// One family of histograms with a label and ten buckets.
fn histograms(count: usize) -> String {
    let mut body = String::from("# TYPE request_duration_seconds histogram\n");
    for index in 0..count {
        for bound in [
            "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf",
        ] {
            writeln!(
                body,
                "request_duration_seconds_bucket{{path=\"/item/{index}\",le=\"{bound}\"}} {index}"
            )
            .expect("writes");
        }
        writeln!(
            body,
            "request_duration_seconds_sum{{path=\"/item/{index}\"}} {index}.5"
        )
        .expect("writes");
        writeln!(
            body,
            "request_duration_seconds_count{{path=\"/item/{index}\"}} {index}"
        )
        .expect("writes");
    }
    body
}

/// Families of one series each.
fn families(count: usize) -> String {
    let mut body = String::new();
    for index in 0..count {
        writeln!(
            body,
            "# HELP item_{index}_count Items.\n# TYPE item_{index}_count gauge\nitem_{index}_count 1"
        )
        .expect("writes");
    }
    body
}
