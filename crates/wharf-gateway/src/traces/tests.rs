use std::sync::Mutex;
use std::time::Instant;

use wharf_store::UnixNanos;

use super::*;
use crate::Gateway;
use crate::audit::Actor;
use crate::policy::{Loader, Policy};
use crate::settings::Settings;
use crate::telemetry::{BuildLabels, Telemetry};

/// A clock that goes as far as a test says.
#[derive(Debug)]
struct Led {
    began: Instant,
    passed: Mutex<Duration>,
}

impl Led {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            passed: Mutex::default(),
        })
    }

    fn advance(&self, by: Duration) {
        *lock(&self.passed) += by;
    }
}

struct Clocked(Arc<Led>);

impl Clock for Clocked {
    fn now(&self) -> UnixNanos {
        UnixNanos(i64::try_from(lock(&self.0.passed).as_nanos()).unwrap())
    }

    fn instant(&self) -> Instant {
        self.0.began + *lock(&self.0.passed)
    }
}

/// Takes traces, or does not.
#[derive(Debug, Default)]
struct Sink {
    taken: Mutex<Vec<FinishedTrace>>,
    attempts: Mutex<usize>,
    failure: Mutex<Option<ExportError>>,
}

impl Sink {
    fn names(&self) -> Vec<String> {
        lock(&self.taken).iter().map(|trace| trace.name.clone()).collect()
    }

    fn fail(&self, is_transient: bool, retry_after: Option<Duration>) {
        *lock(&self.failure) = Some(ExportError {
            text: "nobody is there".to_owned(),
            is_transient,
            retry_after,
        });
    }

    fn recover(&self) {
        *lock(&self.failure) = None;
    }
}

impl TraceExporter for Sink {
    fn export(&self, traces: &[FinishedTrace], _: Option<Duration>) -> Result<Exported, ExportError> {
        *lock(&self.attempts) += 1;
        if let Some(error) = &*lock(&self.failure) {
            return Err(error.clone());
        }
        lock(&self.taken).extend_from_slice(traces);
        Ok(Exported::default())
    }
}

struct World {
    gateway: Arc<Gateway>,
    clock: Arc<Led>,
    sink: Arc<Sink>,
    sender: TraceSender,
}

impl World {
    fn new(sampling_fraction: f64) -> Self {
        Self::with_loader(sampling_fraction, None)
    }

    fn with_loader(sampling_fraction: f64, loader: Option<Loader>) -> Self {
        let (clock, sink) = (Led::new(), Arc::new(Sink::default()));
        let policy = Policy {
            tracing: Some(to(&sink, sampling_fraction)),
            ..Policy::default()
        };
        let gateway = Arc::new(Gateway::new(
            Settings::default(),
            Telemetry::new(BuildLabels::default()),
            Box::new(Clocked(Arc::clone(&clock))),
            (policy, loader),
            Vec::new(),
        ));
        Self {
            sender: TraceSender::new(Arc::clone(&gateway)),
            gateway,
            clock,
            sink,
        }
    }

    fn request(&self, name: &str) {
        let traced = self.gateway.begin_trace(|| None).expect("a trace");
        traced.finish(name.to_owned(), Ended::Answered);
    }

    fn counts(&self) -> TraceCounts {
        self.gateway.traces().counts().unwrap()
    }
}

fn to(sink: &Arc<Sink>, sampling_fraction: f64) -> Tracing {
    Tracing {
        sampling_fraction,
        exporter: Arc::clone(sink) as Arc<dyn TraceExporter>,
    }
}

#[test]
fn there_are_no_traces_unless_somebody_wants_them() {
    let clock = Arc::new(Clocked(Led::new()));
    let traces = Arc::new(Traces::new(clock));
    assert!(traces.begin(|| unreachable!("nobody looks")).is_none());
    assert_eq!(traces.counts(), None);
}

#[test]
fn a_trace_has_what_was_done_and_how_long_it_took() {
    let mut world = World::new(1.0);
    world.clock.advance(Duration::from_secs(100));
    let traced = world.gateway.begin_trace(|| None).unwrap();
    world.clock.advance(Duration::from_millis(1));
    let step = traced.trace().step("decode");
    world.clock.advance(Duration::from_millis(2));
    drop(step);
    traced.trace().note("url.path", "/x");
    world.clock.advance(Duration::from_millis(3));
    traced.finish("PUT /x".to_owned(), Ended::Answered);
    world.sender.turn();
    let taken = lock(&world.sink.taken);
    let [trace] = taken.as_slice() else {
        unreachable!("one: {taken:?}")
    };
    let millis = |at: UnixNanos| at.0 / 1_000_000;
    assert_eq!((millis(trace.began), millis(trace.end)), (100_000, 100_006));
    let [step] = trace.steps.as_slice() else {
        unreachable!("one: {trace:?}")
    };
    assert_eq!(
        (step.name, millis(step.began), millis(step.ended)),
        ("decode", 100_001, 100_003)
    );
    assert_eq!(trace.attributes, [("url.path", "/x".into())]);
    assert_eq!((trace.parent, trace.ended), (None, Ended::Answered));
    assert_ne!(trace.span, step.id);
}

#[test]
fn a_request_whose_client_has_gone_says_so() {
    let mut world = World::new(1.0);
    drop(world.gateway.begin_trace(|| None));
    world.sender.turn();
    assert_eq!(lock(&world.sink.taken)[0].ended, Ended::Gone);
}

#[test]
fn the_parent_decides_whether_there_is_a_trace_and_otherwise_the_fraction() {
    let parent = |flags: &str| {
        let text = format!("00-{}-{}-{flags}", "1a".repeat(16), "2b".repeat(8));
        Parent::parse(text.as_bytes())
    };
    for fraction in [0.0, 1.0] {
        let mut world = World::new(fraction);
        assert!(world.gateway.begin_trace(|| parent("00")).is_none());
        drop(world.gateway.begin_trace(|| parent("01")).unwrap());
        assert_eq!(world.gateway.begin_trace(|| None).is_some(), fraction > 0.5);
        world.sender.turn();
        let taken = lock(&world.sink.taken);
        assert_eq!(
            (taken[0].id.to_string(), taken[0].parent),
            ("1a".repeat(16), Some(SpanId([0x2b; 8])))
        );
    }
    let world = World::new(0.25);
    let sampled = (0..10_000).filter(|_| world.gateway.begin_trace(|| None).is_some());
    let sampled = sampled.count();
    assert!((2_000..3_000).contains(&sampled), "{sampled}");
}

#[test]
fn what_is_no_parent_by_the_standard_is_none() {
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let parse = |text: &str| Parent::parse(text.as_bytes());
    let parent = parse(&format!("00-{trace}-{span}-01")).unwrap();
    assert_eq!(
        (parent.trace_id.to_string().as_str(), parent.is_sampled),
        (trace, true)
    );
    // Other flags may come, and other versions with more fields.
    assert!(parse(&format!("00-{trace}-{span}-03")).unwrap().is_sampled);
    assert!(!parse(&format!("00-{trace}-{span}-02")).unwrap().is_sampled);
    assert!(parse(&format!("01-{trace}-{span}-01-more")).is_some());
    for wrong in [
        "",
        "00",
        &format!("00-{trace}-{span}"),
        &format!("00-{trace}-{span}-01-more"),
        &format!("00-{trace}-{span}-1"),
        &format!("ff-{trace}-{span}-01"),
        &format!("00-{}-{span}-01", trace.to_uppercase()),
        &format!("00-{}-{span}-01", "0".repeat(32)),
        &format!("00-{trace}-{}-01", "0".repeat(16)),
        &format!("00-{trace}-{span}-01 "),
        &format!("00-+{}-{span}-01", &trace[1..]),
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_no_list_of_other_systems_by_the_standard_is_not_passed_on() {
    let parse = |values: &[&str]| {
        let parent =
            Parent::parse(format!("00-{}-{}-01", "1a".repeat(16), "2b".repeat(8)).as_bytes()).unwrap();
        parent
            .with_state(values.iter().map(|value| value.as_bytes()))
            .state
    };
    assert_eq!(parse(&[]), "");
    assert_eq!(parse(&["a=1, b@c=x y\t,,", "d=2"]), "a=1,b@c=x y,d=2");
    let long = format!("a={}", "x".repeat(510));
    assert_eq!(parse(&[&long]), long);
    let many = vec!["a=1"; 33].join(",");
    for wrong in [
        "a",
        "=1",
        "A=1",
        "a=1,b",
        "a=ü",
        "a=b=c",
        &many,
        &format!("{long}x"),
    ] {
        assert_eq!(parse(&[wrong]), "", "{wrong}");
    }
}

#[test]
fn traces_that_find_no_room_are_dropped_and_counted() {
    let mut world = World::new(1.0);
    for number in 0..MAX_WAITING + 3 {
        world.request(&number.to_string());
    }
    world.sender.turn();
    assert_eq!(
        world.counts(),
        TraceCounts {
            exported: MAX_WAITING as u64,
            dropped_full: 3,
            dropped_failed: 0,
        }
    );
    assert_eq!(*lock(&world.sink.attempts), MAX_WAITING / MAX_BATCH);
}

#[test]
fn a_receiver_that_is_away_for_a_while_loses_nothing() {
    let mut world = World::new(1.0);
    world.sink.fail(true, None);
    world.request("first");
    world.sender.turn();
    world.request("second");
    // Not before its time.
    world.sender.turn();
    assert_eq!(*lock(&world.sink.attempts), 1);
    world.clock.advance(Duration::from_secs(1));
    world.sender.turn();
    assert_eq!(*lock(&world.sink.attempts), 2);
    world.sink.recover();
    world.clock.advance(Duration::from_secs(2));
    world.sender.turn();
    assert_eq!(world.sink.names(), ["first", "second"]);
    assert_eq!(world.counts().exported, 2);
}

#[test]
fn a_receiver_may_ask_to_be_left_alone_for_some_time() {
    let mut world = World::new(1.0);
    world.sink.fail(true, Some(Duration::from_secs(20)));
    world.request("first");
    world.sender.turn();
    for (seconds, attempts) in [(19, 1), (1, 2)] {
        world.clock.advance(Duration::from_secs(seconds));
        world.sender.turn();
        assert_eq!(*lock(&world.sink.attempts), attempts);
    }
}

#[test]
fn what_nobody_takes_is_dropped_and_counted() {
    let mut world = World::new(1.0);
    world.sink.fail(true, None);
    world.request("never");
    for _ in 0..100 {
        world.sender.turn();
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(
        (*lock(&world.sink.attempts), world.counts().dropped_failed),
        (6, 1)
    );
    // What is refused for good is not tried again.
    world.sink.fail(false, None);
    world.request("refused");
    world.sender.turn();
    world.sender.turn();
    assert_eq!(
        (*lock(&world.sink.attempts), world.counts().dropped_failed),
        (7, 2)
    );
}

#[test]
fn a_reload_takes_what_waits_along() {
    let (other, next) = (Arc::new(Sink::default()), Arc::new(Mutex::new(None)));
    let loader = {
        let next = Arc::clone(&next);
        move || {
            Ok(Policy {
                tracing: lock(&next).clone(),
                ..Policy::default()
            })
        }
    };
    let mut world = World::with_loader(1.0, Some(Box::new(loader)));
    let reload = |world: &World| {
        let actor = Actor {
            who: "test".to_owned(),
            address: None,
        };
        world.gateway.reload(actor).unwrap();
    };
    world.sink.fail(true, None);
    world.request("kept");
    world.sender.turn();
    world.request("waits");
    *lock(&next) = Some(to(&other, 1.0));
    reload(&world);
    world.clock.advance(Duration::from_secs(1));
    world.sender.turn();
    assert_eq!(other.names(), ["kept", "waits"]);
    // Switched off, what waits still goes to where it was to go.
    world.request("last");
    *lock(&next) = None;
    reload(&world);
    assert!(world.gateway.begin_trace(|| None).is_none());
    world.sender.turn();
    assert_eq!(other.names(), ["kept", "waits", "last"]);
    assert_eq!(world.counts().exported, 3);
}

#[test]
fn at_the_end_what_waits_is_tried_once_more() {
    let mut world = World::new(1.0);
    world.request("a");
    world.sender.finish(Duration::from_secs(5));
    assert_eq!(world.sink.names(), ["a"]);
    world.sink.fail(true, None);
    for _ in 0..=MAX_BATCH {
        world.request("b");
    }
    world.sender.finish(Duration::from_secs(5));
    assert_eq!(*lock(&world.sink.attempts), 2);
    assert_eq!(world.counts().dropped_failed, MAX_BATCH as u64 + 1);
}
