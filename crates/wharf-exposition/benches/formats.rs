//! How fast the protobuf and `OpenMetrics` decoders and encoders are, in bytes of the body.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wharf_exposition::{openmetrics, protobuf};
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Run};

/// What a batch job pushes: four families, five series and a histogram.
const BATCH_JOB: &str = r#"# HELP backup_last_success_timestamp_seconds When the backup last succeeded.
# TYPE backup_last_success_timestamp_seconds gauge
# UNIT backup_last_success_timestamp_seconds seconds
backup_last_success_timestamp_seconds{host="db-1",target="s3"} 1.732178e+09
# HELP backup_bytes How much was written.
# TYPE backup_bytes gauge
backup_bytes{host="db-1",kind="full"} 1.23456789e+10
backup_bytes{host="db-1",kind="delta"} 4567890.0
# HELP backup_files Files that were looked at.
# TYPE backup_files counter
backup_files_total{host="db-1",result="ok"} 12345.0
backup_files_total{host="db-1",result="failed"} 3.0
# HELP backup_duration_seconds How long the steps took.
# TYPE backup_duration_seconds histogram
backup_duration_seconds_bucket{host="db-1",le="0.1"} 12
backup_duration_seconds_bucket{host="db-1",le="1.0"} 45
backup_duration_seconds_bucket{host="db-1",le="10.0"} 48
backup_duration_seconds_bucket{host="db-1",le="+Inf"} 48
backup_duration_seconds_sum{host="db-1"} 31.5
backup_duration_seconds_count{host="db-1"} 48
# EOF
"#;

fn counters(series: usize) -> String {
    let mut body = String::from("# HELP http_requests Requests.\n# TYPE http_requests counter\n");
    for index in 0..series {
        let worker = index % 50;
        write!(
            body,
            "http_requests_total{{method=\"GET\",path=\"/api/v1/item/{index}\","
        )
        .unwrap();
        writeln!(
            body,
            "code=\"200\",instance=\"worker-{worker}\"}} {}.0",
            index * 7
        )
        .unwrap();
    }
    body.push_str("# EOF\n");
    body
}

fn histograms(metrics: usize) -> String {
    let mut body = String::from("# HELP latency_seconds Latency.\n# TYPE latency_seconds histogram\n");
    for index in 0..metrics {
        let labels = format!("method=\"GET\",path=\"/api/v1/item/{index}\"");
        for (count, bound) in [
            "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "+Inf",
        ]
        .iter()
        .enumerate()
        {
            writeln!(
                body,
                "latency_seconds_bucket{{{labels},le=\"{bound}\"}} {}",
                count * index
            )
            .unwrap();
        }
        writeln!(body, "latency_seconds_sum{{{labels}}} {index}.25").unwrap();
        writeln!(body, "latency_seconds_count{{{labels}}} {}", 10 * index).unwrap();
    }
    body.push_str("# EOF\n");
    body
}

fn decoded(text: &str) -> Exposition<'_> {
    openmetrics::decode(text.as_bytes(), openmetrics::Options::default()).unwrap()
}

fn metrics_in(exposition: &Exposition<'_>) -> usize {
    exposition
        .families
        .iter()
        .map(|family| family.metrics.len())
        .sum()
}

fn decode(criterion: &mut Criterion) {
    let bodies = [
        ("batch_job", BATCH_JOB.to_owned()),
        ("200_histograms", histograms(200)),
        ("100k_series", counters(100_000)),
    ];
    let mut group = criterion.benchmark_group("decode");
    for (name, text) in &bodies {
        let exposition = decoded(text);
        let expected = metrics_in(&exposition);
        let message = protobuf::encode(&exposition, EscapingScheme::AllowUtf8);
        assert_eq!(
            format!("{:?}", protobuf::decode(&message).unwrap()),
            format!("{exposition:?}")
        );

        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::new("protobuf", name), |bencher| {
            bencher.iter_with_large_drop(|| {
                let exposition = protobuf::decode(black_box(&message)).unwrap();
                assert_eq!(metrics_in(&exposition), expected);
                exposition
            });
        });
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("openmetrics", name), |bencher| {
            bencher.iter_with_large_drop(|| {
                let exposition = decoded(black_box(text));
                assert_eq!(metrics_in(&exposition), expected);
                exposition
            });
        });
    }
}

fn encode(criterion: &mut Criterion) {
    let text = counters(100_000);
    let exposition = decoded(&text);
    assert_eq!(exposition.labels(Run::new(0, 4).unwrap()).len(), 4);
    let message = protobuf::encode(&exposition, EscapingScheme::AllowUtf8);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function(BenchmarkId::new("protobuf", "100k_series"), |bencher| {
        bencher.iter_with_large_drop(|| {
            let out = protobuf::encode(black_box(&exposition), EscapingScheme::AllowUtf8);
            assert_eq!(out.len(), message.len());
            out
        });
    });
    let written = openmetrics::encode(&exposition, EscapingScheme::AllowUtf8);
    group.throughput(Throughput::Bytes(written.len() as u64));
    group.bench_function(BenchmarkId::new("openmetrics", "100k_series"), |bencher| {
        bencher.iter_with_large_drop(|| {
            let out = openmetrics::encode(black_box(&exposition), EscapingScheme::AllowUtf8);
            assert_eq!(out.len(), written.len());
            out
        });
    });
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
