//! What the history costs those who push, and those who look.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wharf_history::{History, Method, Push};
use wharf_model::GroupingKey;

const GROUPS: usize = 100_000;
/// Events between two rounds of booking: as many as come in a quarter of a second at 40,000 pushes a second.
const ROUND: usize = 10_000;

fn keys() -> Vec<GroupingKey> {
    let keys =
        (0..GROUPS).map(|n| GroupingKey::new([("job", "batch"), ("instance", n.to_string().as_str())]));
    keys.collect::<Result<_, _>>().unwrap()
}

fn push(at_ms: i64) -> Push {
    Push {
        at_ms,
        method: Method::Put,
        body_bytes: 500,
        series: 13,
        duration_seconds: Some(12.5),
        refusal: None,
    }
}

/// A history that is as large as it may be, of groups that are pushed in turn.
fn full(keys: &[GroupingKey]) -> History {
    let history = History::new(64 << 20);
    for round in 0..30 {
        for key in keys {
            history.push(key.clone(), push(round * 60_000));
        }
        history.settle();
    }
    history
}

fn history(criterion: &mut Criterion) {
    let keys = keys();
    let history = full(&keys);
    let mut next = keys.iter().cycle();
    // What a push waits for.
    criterion.bench_function("history/push", |bencher| {
        bencher.iter_batched(
            || history.settle(),
            |()| {
                for _ in 0..ROUND {
                    history.push(next.next().unwrap().clone(), push(1_900_000));
                }
            },
            BatchSize::PerIteration,
        );
    });
    // What is done beside it, on a thread of its own.
    criterion.bench_function("history/settle", |bencher| {
        bencher.iter_batched(
            || {
                for _ in 0..ROUND {
                    history.push(next.next().unwrap().clone(), push(1_900_000));
                }
            },
            |()| history.settle(),
            BatchSize::PerIteration,
        );
    });
    criterion.bench_function("history/pace_of_all", |bencher| {
        bencher.iter(|| {
            keys.iter()
                .filter(|key| black_box(history.pulse(key)).pace.is_some())
                .count()
        });
    });
}

criterion_group!(benches, history);
criterion_main!(benches);
