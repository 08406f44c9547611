//! What a push allocates from its body until it is stored, held against what it may take.
//!
//! An allocator that counts is one for the whole process, so these tests have a process of their own, and run one at a
//! time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_gateway::telemetry::{BuildLabels, Telemetry};
use wharf_gateway::{
    Adding, Body, Caller, Gateway, Grouping, Input, Loader, MemoryLimits, Policy, PushSettings, Reason,
    Refusal, Remote, Settings, Source, Wish,
};
use wharf_ledger::{Ledger, Options, SimulatedDisk};
use wharf_model::name::NameRule;
use wharf_model::{Effort, Exposition, GroupingKey, Meter};
use wharf_store::{PushMode, SystemClock};
use wharf_testkit::hostile::{self, Format, Shape};
use wharf_testkit::protobuf as message;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What nobody asks for: small strings and errors, and what a small push has by itself.
const SLACK: usize = 512 << 10;
const MIB: usize = 1 << 20;

struct Pushed<'b>(Format, &'b [u8]);

impl Body for Pushed<'_> {
    fn bytes(&self) -> &[u8] {
        self.1
    }

    fn is_text(&self) -> bool {
        self.0 == Format::Text
    }

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        let names = NameRule::Legacy;
        let decoded = match self.0 {
            Format::Text => {
                let options = text::Options { names, strict: false };
                text::decode_within(bytes, options, memory)
                    .map_err(|error| (error.denied(), error.to_string()))
            }
            Format::OpenMetrics => openmetrics::decode_within(bytes, openmetrics::Options { names }, memory)
                .map_err(|error| (error.denied(), error.to_string())),
            Format::Protobuf => {
                protobuf::decode_within(bytes, memory).map_err(|error| (error.denied(), error.to_string()))
            }
        };
        decoded.map_err(|(denied, text)| denied.map_or_else(|| Refusal::syntax(&text), Refusal::from))
    }
}

/// A gateway in which one push may take so many bytes.
fn gateway(push_bytes: Option<u64>) -> Arc<Gateway> {
    let pushes = PushSettings {
        max_decoded_bytes: push_bytes,
        ..PushSettings::default()
    };
    let memory = MemoryLimits {
        max_decoded_bytes: push_bytes.map(|bytes| 2 * bytes),
    };
    let settings = Settings {
        pushes,
        memory,
        ..Settings::default()
    };
    let no_loader: Option<Loader> = None;
    let telemetry = Telemetry::new(BuildLabels::default());
    let policy = (Policy::default(), no_loader);
    let gateway = Gateway::new(settings, telemetry, Box::new(SystemClock), policy, Vec::new());
    gateway.set_loaded();
    Arc::new(gateway)
}

/// The same with a disk, for which each push is written down.
fn gateway_on_disk(push_bytes: Option<u64>) -> Arc<Gateway> {
    let gateway = gateway(push_bytes);
    let mut nothing = |_: wharf_ledger::Replayed<'_>| Ok(());
    let opened = Ledger::open(Arc::new(SimulatedDisk::new(1)), Options::default(), &mut nothing);
    let (ledger, recovery) = opened.unwrap();
    gateway.store().attach(ledger, recovery.last, true);
    gateway
}

fn caller() -> Caller {
    Caller::unlimited(Remote::User(None), None)
}

/// Why a push is refused, if it is, and how much it had allocated at most.
fn push(gateway: &Arc<Gateway>, key: &GroupingKey, body: &Pushed<'_>) -> (Option<Reason>, usize) {
    let (refused, peak, _) = push_and_hold(gateway, key, body);
    (refused, peak)
}

/// The same, and how much it had borrowed.
fn push_and_hold(
    gateway: &Arc<Gateway>,
    key: &GroupingKey,
    body: &Pushed<'_>,
) -> (Option<Reason>, usize, usize) {
    let source = source(gateway);
    let wish = Wish {
        expect: None,
        mode: PushMode::ReplaceGroup,
        adding: Adding::default(),
        counters: None,
        ttl: None,
        id: None,
        pushed_at: None,
    };
    let group = (key.clone(), wish.mode);
    let admission = gateway.admit(&caller(), source, group, || Ok(wish)).unwrap();
    let ((refused, lent), peak) = counted(|| {
        let pending = admission.push(&Effort::unlimited(), |_| Ok(body));
        let lent = gateway.memory().in_use();
        let refused = settled(pending.settle()).err().map(|refusal| refusal.reason);
        (refused, lent)
    });
    (refused, peak, lent)
}

/// Why a push to many groups is refused, or the first of these, and how much it had allocated at most.
fn push_many(gateway: &Arc<Gateway>, partial: bool, body: &Pushed<'_>) -> (Option<Reason>, usize) {
    let wish = Wish {
        expect: None,
        mode: PushMode::ReplaceGroup,
        adding: Adding::default(),
        counters: None,
        ttl: None,
        id: None,
        pushed_at: None,
    };
    let admission = gateway
        .admit_many(&caller(), source(gateway), || Ok(wish))
        .unwrap();
    let grouping = Grouping {
        labels: vec!["job".to_owned(), "g".to_owned()],
        partial,
    };
    counted(|| {
        let pending = admission.push(&grouping, &Effort::unlimited(), |_| Ok(body));
        match settled(pending.settle()) {
            Ok(outcome) => outcome
                .refused
                .into_iter()
                .next()
                .map(|(_, refusal)| refusal.reason),
            Err(refusal) => Some(refusal.reason),
        }
    })
}

fn source(gateway: &Gateway) -> Source {
    Source {
        input: Input::Push,
        peer: None,
        request_id: gateway.request_ids().make(),
        trace: None,
        began: gateway.instant(),
        request_bytes: 100,
    }
}

fn settled<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    (done, ALLOCATOR.peak_usage().saturating_sub(before))
}

fn alone() -> impl Drop {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(labels: &[(&str, &str)]) -> GroupingKey {
    GroupingKey::new(labels.iter().copied()).unwrap()
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    (0..count).map(line).collect::<String>().into_bytes()
}

/// What a push of a million series may need is the limit on one push; here they are a tenth of that.
#[test]
fn a_million_series_fit_into_the_limit_on_one_push_in_each_format() {
    let _alone = alone();
    let tenth = PushSettings::default().max_decoded_bytes.unwrap() / 10;
    let of_text = |head: &str, end: &str| {
        // In no order, so that all of it has to be sorted.
        let lines = lines(100_000, |n| {
            format!("m{{k=\"{}\"}} 1\n", 100_000 + n * 7_919 % 100_000)
        });
        [head.as_bytes(), &lines, end.as_bytes()].concat()
    };
    let metric = |n: usize| {
        let number = (100_000 + n * 7_919 % 100_000).to_string();
        message::gauge(message::labelled(&[("k", &number)]), 1.0)
    };
    let metrics: Vec<_> = (0..100_000).map(metric).collect();
    let family = message::family("m", message::Type::Gauge, &metrics);
    let bodies = [
        (Format::Text, of_text("", "")),
        (Format::OpenMetrics, of_text("# TYPE m gauge\n", "# EOF\n")),
        (Format::Protobuf, message::delimited(&[family])),
    ];
    let key = key(&[("job", "x")]);
    for (format, body) in &bodies {
        let gateway = gateway_on_disk(Some(tenth));
        let (refused, peak, lent) = push_and_hold(&gateway, &key, &Pushed(*format, body));
        println!(
            "{format:?}: body {}, borrowed {lent}, with what is stored {peak}",
            body.len()
        );
        assert_eq!(refused, None, "{format:?}");
    }
}

#[test]
fn whatever_takes_too_much_is_refused_before_it_is_there() {
    let _alone = alone();
    let key = key(&[("job", "x")]);
    for Shape { name, format, body } in hostile::shapes() {
        let limit = MIB;
        let gateway = gateway(Some(limit as u64));
        let body = body(2 * MIB);
        let (refused, peak) = push(&gateway, &key, &Pushed(format, &body));
        if refused == Some(Reason::TooLarge) {
            assert!(peak <= limit + SLACK, "{format:?}, {name}: allocated {peak}");
        }
        assert_eq!(gateway.memory().in_use(), 0, "{format:?}, {name}");
    }
}

#[test]
fn labels_of_a_group_on_many_lines_are_refused_before_they_are_rendered() {
    let _alone = alone();
    let gateway = gateway(Some(8 * MIB as u64));
    let long = "x".repeat(60_000);
    let key = key(&[("job", "x"), ("g", &long)]);
    let body = lines(4_000, |n| format!("m{n} 1\n"));
    for _ in 0..4 {
        // Later ones go by a stencil, if there is one.
        let (refused, peak) = push(&gateway, &key, &Pushed(Format::Text, &body));
        assert_eq!(refused, Some(Reason::TooLarge));
        assert!(peak <= 2 * MIB, "allocated {peak}");
    }
}

#[test]
fn a_body_that_is_known_is_held_against_the_limit_too() {
    let _alone = alone();
    let gateway = gateway(Some(8 * MIB as u64));
    let body = lines(1_000, |n| format!("m{n} 1\n"));
    let body = Pushed(Format::Text, &body);
    for _ in 0..4 {
        assert_eq!(push(&gateway, &key(&[("job", "x"), ("g", "y")]), &body).0, None);
    }
    let long = "x".repeat(60_000);
    let (refused, peak) = push(&gateway, &key(&[("job", "x"), ("g", &long)]), &body);
    assert_eq!(refused, Some(Reason::TooLarge));
    assert!(peak <= 2 * MIB, "allocated {peak}");
}

#[test]
fn labels_of_a_histogram_on_many_lines_are_refused_before_they_are_rendered() {
    let _alone = alone();
    let gateway = gateway(Some(8 * MIB as u64));
    let bucket = message::Message::new().varint(1, 1);
    let buckets = message::Message::new().message(3, &bucket).repeat(20_000);
    let metric = message::labelled(&[("l", &"x".repeat(50_000))]).message(7, &buckets);
    let family = message::family("h", message::Type::Histogram, &[metric]);
    let body = message::delimited(&[family]);
    let (refused, peak) = push(&gateway, &key(&[("job", "x")]), &Pushed(Format::Protobuf, &body));
    assert_eq!(refused, Some(Reason::TooLarge));
    assert!(peak <= 8 * MIB + SLACK, "allocated {peak}");
}

#[test]
fn what_many_groups_repeat_is_refused_before_it_is_there() {
    let _alone = alone();
    let limit = 8 * MIB;
    let long = "x".repeat(10_000);
    let help = {
        let mut body = format!("# HELP m {long}\n# TYPE m gauge\n");
        (0..10_000).for_each(|n| writeln!(body, "m{{job=\"x\",g=\"{n}\"}} 1").unwrap());
        body
    };
    let keys = lines(2_000, |n| format!("m{{job=\"x\",g=\"{n}{long}\"}} 1\n"));
    for (name, body) in [("help", help.as_bytes()), ("keys", &keys)] {
        for partial in [false, true] {
            let gateway = gateway(Some(limit as u64));
            let (refused, peak) = push_many(&gateway, partial, &Pushed(Format::Text, body));
            assert_eq!(refused, Some(Reason::TooLarge), "{name}");
            assert!(peak <= limit + SLACK, "{name}: allocated {peak}");
            assert_eq!(gateway.memory().in_use(), 0, "{name}");
        }
    }
}
