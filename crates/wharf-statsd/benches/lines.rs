//! What a line costs from the bytes of a datagram to the value of its series.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wharf_statsd::{Dialect, Gathered, Inherited, Mapping, State, StateSettings};

/// Lines of a datagram.
const LINES: usize = 20;

fn state(mapping: &str) -> State {
    let settings = StateSettings {
        dialect: Dialect::default(),
        job: "statsd".into(),
        max_series: 1_000_000,
        set_interval: Duration::from_secs(10),
        began: Duration::ZERO,
    };
    let mapping = Mapping::read(mapping).expect("a sound mapping");
    State::new(settings, mapping, Box::new(|_| Inherited::default()))
}

/// A hundred globs, of which the last one is for our names.
fn globs(observer: &str) -> String {
    let others =
        (0..99).map(|at| format!("- {{match: 'other{at}.*.*', name: other{at}_$1, labels: {{of: $2}}}}\n"));
    let others: String = others.collect();
    format!(
        "mappings:\n{others}- {{match: 'shop.*.*', name: shop_$2, labels: {{country: $1}}, {observer}}}\n"
    )
}

/// Datagrams of lines for so many series.
fn datagrams(series: usize, line: impl Fn(usize) -> String) -> Vec<String> {
    let lines: Vec<String> = (0..series.max(LINES)).map(|at| line(at % series)).collect();
    lines.chunks(LINES).map(|lines| lines.join("\n")).collect()
}

fn lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lines");
    let histogram = globs("observer_type: histogram, histogram_options: {buckets: [0.1, 1, 10]}");
    let plain = |at| format!("shop.c{at}.orders:1|c");
    let tagged = |at| format!("shop.orders:1|c|#country:c{at},channel:web");
    let timed = |at| format!("shop.c{at}.time:320|ms");
    for series in [10, 10_000] {
        for (name, mapping, datagrams) in [
            ("plain", "", datagrams(series, plain)),
            ("tagged", "", datagrams(series, tagged)),
            ("100 globs", globs("ttl: 1h").as_str(), datagrams(series, plain)),
            ("histograms", histogram.as_str(), datagrams(series, timed)),
            ("summaries", "", datagrams(series, timed)),
        ] {
            let mut state = state(mapping);
            group.throughput(Throughput::Elements((datagrams.len() * LINES) as u64));
            group.bench_function(format!("{name}, {series} series"), |bencher| {
                bencher.iter(|| {
                    for datagram in &datagrams {
                        state.read(black_box(datagram.as_bytes()), Duration::from_secs(1));
                    }
                });
            });
            assert_eq!(state.series(), series, "{name}");
        }
    }
    group.finish();
}

fn gathering(criterion: &mut Criterion) {
    const SERIES: usize = 100_000;
    let mut group = criterion.benchmark_group("gather");
    group.throughput(Throughput::Elements(SERIES as u64));
    group.sample_size(10);
    let mut state = state("");
    let datagrams = datagrams(SERIES, |at| format!("shop.orders:1|c|#country:c{at}"));
    group.bench_function("100,000 series, all changed", |bencher| {
        let mut now = 0;
        bencher.iter_batched(
            || (),
            |()| {
                now += 1;
                for datagram in &datagrams {
                    state.read(datagram.as_bytes(), Duration::from_secs(now));
                }
                let mut gathered = Gathered::default();
                while state.gather(&mut gathered, Duration::from_secs(now), 2048) {}
                assert_eq!(gathered.series(), SERIES);
                gathered.into_changes()
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, lines, gathering);
criterion_main!(benches);
