//! What it costs that groups are expected, beside as many groups that push two gauges more.
//!
//! `cargo bench -p wharf-gateway --bench expectations [-- <part of a name>]`. There are 100,000 groups of one series each; the two
//! gateways are asked the same in turn. Times are those of this thread on a processor, so that what else the machine does counts
//! little.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use wharf_exposition::text;
use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{ExpectRule, ExpectRules, ExpectSettings, Gateway, Policy, Settings};
use wharf_model::name::EscapingScheme;
use wharf_model::{Choice, Effort, Exposition, GroupingKey};
use wharf_schedule::Timing;
use wharf_scrape::{Compression, Format, Rendered, Wanted, render};
use wharf_store::{Clock, PushMode, UnixNanos};

const GROUPS: usize = 100_000;
const PUSHES: usize = 1_000;
const SECOND: i64 = 1_000_000_000;

/// The time that this thread has had a processor, in nanoseconds.
struct OnProcessor;

impl Measurement for OnProcessor {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        u64::try_from(time.tv_sec * SECOND + time.tv_nsec).unwrap()
    }

    fn end(&self, start: u64) -> u64 {
        self.start() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    #[expect(clippy::cast_precision_loss, reason = "a benchmark takes no hundred days")]
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Milliseconds
    }
}

/// Writes nanoseconds as milliseconds.
struct Milliseconds;

impl Milliseconds {
    fn scale(values: &mut [f64], factor: f64) {
        for value in values {
            *value *= factor;
        }
    }
}

impl ValueFormatter for Milliseconds {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        Self::scale(values, 1e-6);
        "ms"
    }

    fn scale_throughputs(&self, _: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        let Throughput::Elements(elements) = throughput else {
            return "";
        };
        for value in values {
            #[expect(clippy::cast_precision_loss, reason = "there are a thousand")]
            let each = *value / *elements as f64;
            *value = each * 1e-3;
        }
        "µs each"
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}

#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed))
    }
}

/// A gateway whose groups are expected, or which push what would be shown of that.
struct Subject {
    name: &'static str,
    gateway: Gateway,
    clock: Hands,
    keys: Vec<GroupingKey>,
    pushes: Cell<usize>,
    with_gauges: bool,
}

impl Subject {
    fn new(name: &'static str, is_expected: bool) -> Self {
        let rule = ExpectRule {
            selector: Some(r#"{job=~"job-.*"}"#.parse().unwrap()),
            always: Vec::new(),
            timing: Timing::parse(None, Some("0 3 * * *"), Some("Europe/Berlin"), Some("1h")).unwrap(),
            since: None,
            paused_until: None,
        };
        let policy = Policy {
            expectations: ExpectRules::new(is_expected.then_some(rule).into_iter().collect()),
            ..Policy::default()
        };
        let settings = Settings {
            expect: ExpectSettings {
                max: None,
                ..ExpectSettings::default()
            },
            ..Settings::default()
        };
        let clock = Hands(Arc::new(AtomicI64::new(1_800_000_000 * SECOND)));
        let telemetry = Telemetry::new(BuildLabels::default());
        let gateway = Gateway::new(
            settings,
            telemetry,
            Box::new(clock.clone()),
            (policy, None),
            Vec::new(),
        );
        gateway.set_loaded();
        let key = |n| GroupingKey::new([("job", format!("job-{n:06}").as_str())]).unwrap();
        let subject = Self {
            name,
            gateway,
            clock,
            keys: (0..GROUPS).map(key).collect(),
            pushes: Cell::new(0),
            with_gauges: !is_expected,
        };
        (0..GROUPS / PUSHES).for_each(|_| subject.push());
        subject
    }

    /// Some pushes, and what comes of them.
    fn push(&self) {
        let now = UnixNanos(self.clock.0.fetch_add(SECOND, Ordering::Relaxed) + SECOND);
        for _ in 0..PUSHES {
            let push = self.pushes.get();
            self.pushes.set(push + 1);
            // Neighbours push at about the same time, but not one after the other.
            let key = &self.keys[push * 7919 % GROUPS];
            let body = if self.with_gauges {
                format!(
                    "m {push}\n# TYPE x_due gauge\nx_due {}\n# TYPE x_overdue gauge\nx_overdue 0\n",
                    now.as_seconds()
                )
            } else {
                format!("m {push}\n")
            };
            let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
            let pushed = self
                .gateway
                .store()
                .push(key, PushMode::ReplaceGroup, &exposition, now);
            drop(pushed.unwrap());
        }
        self.gateway.look_at_expectations();
    }

    fn scrape(&self) -> Rendered {
        let wanted = Wanted {
            format: Format::Text004,
            escaping: EscapingScheme::Underscores,
            compression: Compression::Gzip,
        };
        let snapshot = self
            .gateway
            .scraped(&Choice::all(), &Effort::unlimited())
            .unwrap();
        render(&Exposition::default(), &snapshot, wanted)
    }

    /// Both show as many series.
    fn check(&self) {
        let snapshot = self
            .gateway
            .scraped(&Choice::all(), &Effort::unlimited())
            .unwrap();
        let series: u64 = snapshot.families().map(|family| family.series()).sum();
        // One that was pushed, two of the gateway's, and the two times.
        assert_eq!(series, 5 * GROUPS as u64, "{}", self.name);
    }
}

fn expectations(criterion: &mut Criterion<OnProcessor>) {
    let subjects = [Subject::new("gauges", false), Subject::new("expected", true)];
    let mut group = criterion.benchmark_group("push");
    group.throughput(Throughput::Elements(PUSHES as u64));
    for subject in &subjects {
        subject.check();
        group.bench_function(subject.name, |bencher| bencher.iter(|| subject.push()));
    }
    group.finish();
    let mut group = criterion.benchmark_group("scrape_unchanged");
    group.sample_size(20);
    for subject in &subjects {
        subject.scrape();
        group.bench_function(subject.name, |bencher| bencher.iter(|| subject.scrape()));
    }
    group.finish();
    let mut group = criterion.benchmark_group("scrape_after_1000_pushes");
    group.sample_size(20);
    for subject in &subjects {
        group.bench_function(subject.name, |bencher| {
            bencher.iter_batched(|| subject.push(), |()| subject.scrape(), BatchSize::PerIteration);
        });
        subject.check();
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(OnProcessor);
    targets = expectations
}
criterion_main!(benches);
