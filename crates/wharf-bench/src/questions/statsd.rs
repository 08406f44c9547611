//! What does a line of `StatsD` cost, and how many can come at once?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::{Goal, Headline, Measure, Question};
use crate::bench::Bench;
use crate::bodies::{self, Format};
use crate::lines::{LINES_A_DATAGRAM, Receiver, Sender, Shape, Taker, Way};
use crate::load::{Groups, Load, Pushed};
use crate::record::{At, Figures, Record};
use crate::subject::Kind;
use crate::table;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "statsd",
    title: "StatsD",
    asks: "lines a second, processor time and memory of StatsD lines, beside statsd_exporter",
    timed: "Lines come from one thread on a processor of its own, to a server on the other one: over one TCP connection, in \
            datagrams of 20 lines and in datagrams of one, as fast as they can be sent, then until all is counted. Processor time \
            is that of the server's process; lines that were lost do not count. What the series add up to is compared with how \
            many lines were counted. `UDP without loss` is the highest of rising rates at which fewer than one line in a thousand \
            is lost. Memory and scrapes: 100,000 series of a counter with two tags.",
    columns: &[
        RATE,
        LINE,
        USER,
        LOSSLESS,
        MEMORY,
        SCRAPE,
        ALL_CHANGED,
        P99,
        P99_ALONE,
    ],
    run,
    headlines,
};

const RATE: &str = "1,000 lines/s of a processor";
const LINE: &str = "CPU/line, ns";
const USER: &str = "user CPU/line, ns";
const LOSSLESS: &str = "UDP without loss, 1,000 lines/s";
const MEMORY: &str = "memory/series, B";
const SCRAPE: &str = "CPU of a scrape, ms";
const ALL_CHANGED: &str = "CPU of 100,000 lines and a scrape, ms";
const P99: &str = "push p99, ms";
const P99_ALONE: &str = "push p99 without lines, ms";

const FEW: usize = 10;
const MANY: usize = 10_000;
const STORED: u32 = 100_000;

const MEMORY_CASE: &str = "100,000 series";
const LOSS_CASES: [(&str, usize); 2] = [
    ("UDP, 20 lines a datagram, rising", LINES_A_DATAGRAM),
    ("UDP, one line a datagram, rising", 1),
];
const BESIDE: &str = "pushes beside lines";

/// How lines come, and how many there are in a datagram.
const WAYS: [(&str, Way, usize); 3] = [
    ("TCP", Way::Tcp, LINES_A_DATAGRAM),
    ("UDP, 20 lines a datagram", Way::Udp, LINES_A_DATAGRAM),
    ("UDP, one line a datagram", Way::Udp, 1),
];

fn case(way: &str, shape: Shape, series: usize) -> String {
    format!("{way}, {}, {series} series", shape.name())
}

fn run(bench: &Bench, record: &mut Record) {
    // A quick look is at one shape and few series.
    let is_quick = bench.divisor > 1;
    let shapes: &[Shape] = if is_quick { &[Shape::Tagged] } else { &Shape::ALL };
    let counts: &[usize] = if is_quick { &[FEW] } else { &[FEW, MANY] };
    for shape in shapes.iter().copied() {
        for (name, way, lines) in WAYS {
            for series in counts.iter().copied() {
                let case = case(name, shape, series);
                for round in 0..bench.rounds {
                    for taker in Taker::ALL {
                        note(bench, record, &case, taker, round, || {
                            flood(bench, taker, shape, (way, lines), series)
                        });
                    }
                }
            }
        }
    }
    for (name, lines) in LOSS_CASES {
        for round in 0..bench.rounds {
            for taker in Taker::ALL {
                note(bench, record, name, taker, round, || rise(bench, taker, lines));
            }
        }
    }
    for round in 0..bench.rounds {
        for taker in [Taker::Wharf, Taker::Exporter] {
            note(bench, record, MEMORY_CASE, taker, round, || fill(bench, taker));
        }
        note(bench, record, BESIDE, Taker::Wharf, round, || beside(bench));
    }
}

fn note(
    bench: &Bench,
    record: &mut Record,
    case: &str,
    taker: Taker,
    round: usize,
    measure: impl FnOnce() -> Result<Figures>,
) {
    let name = taker.name();
    let only = bench.only.as_ref().map(|only| only.to_lowercase());
    if only.is_some_and(|only| !name.to_lowercase().contains(&only)) {
        return;
    }
    match measure() {
        Ok(figures) => {
            table::progress(&table::progress_line(case, name, round, bench.rounds, &figures));
            record.add(case, name, round, figures);
        }
        Err(error) => {
            table::progress(&format!("  {case} {name}: FAILED: {error:#}"));
            record.fail(case, name, &error);
        }
    }
}

/// Lines as fast as they can be sent.
fn flood(
    bench: &Bench,
    taker: Taker,
    shape: Shape,
    (way, lines): (Way, usize),
    series: usize,
) -> Result<Figures> {
    let receiver = Receiver::start(&bench.programs, taker, shape, false)?;
    let datagrams = shape.datagrams(series, lines);
    let sender = |is_udp| Sender {
        way: if is_udp { Way::Udp } else { Way::Tcp },
        to: if is_udp { receiver.udp } else { receiver.tcp },
        datagrams: &datagrams,
        lines,
        pace: None,
    };
    // All series are there before anything is timed.
    on_its_own(|| sender(false).send(Duration::ZERO, true))?;
    receiver.rest()?;
    let before = receiver.lines()?;
    receiver.rest()?;
    let cpu = receiver.server.cpu()?;
    let sent = on_its_own(|| sender(way == Way::Udp).send(bench.window, false))?;
    receiver.rest()?;
    let cpu = receiver.server.cpu()?.spent_since(cpu);
    let came = receiver.check(shape)? - before;
    ensure!(
        came > 0 && came <= sent,
        "{sent} lines were sent, and {came} were counted"
    );
    if way == Way::Tcp {
        ensure!(
            came == sent,
            "{sent} lines were sent over TCP, and {came} were counted"
        );
    }
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / came as f64;
    Ok(vec![
        (RATE, 1e6 / nanos(cpu.all)),
        (LINE, nanos(cpu.all)),
        (USER, nanos(cpu.user)),
    ])
}

/// Runs on a thread of its own, which stays on its processor.
fn on_its_own<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let joined = scope.spawn(work).join();
        joined.unwrap_or_else(|_| Err(anyhow!("a sender of lines panicked")))
    })
}

/// The highest of rising rates at which next to nothing is lost.
fn rise(bench: &Bench, taker: Taker, lines: usize) -> Result<Figures> {
    const FIRST: f64 = 10_000.0;
    const LOSS: f64 = 0.001;
    let receiver = Receiver::start(&bench.programs, taker, Shape::Tagged, false)?;
    let datagrams = Shape::Tagged.datagrams(MANY, lines);
    let (mut pace, mut best) = (FIRST / lines as f64, None);
    let mut before = 0;
    loop {
        let sender = Sender {
            way: Way::Udp,
            to: receiver.udp,
            datagrams: &datagrams,
            lines,
            pace: Some(pace),
        };
        let began = Instant::now();
        let sent = on_its_own(|| sender.send(bench.window / 2, false))?;
        let rate = sent as f64 / began.elapsed().as_secs_f64();
        receiver.rest()?;
        let now = receiver.check(Shape::Tagged)?;
        let came = now - before;
        before = now;
        let is_lossless = came as f64 >= sent as f64 * (1.0 - LOSS);
        if is_lossless {
            best = Some(rate);
        }
        // Or the sender is at its end.
        if !is_lossless || rate < pace * lines as f64 * 0.9 {
            break;
        }
        pace *= if bench.divisor > 1 { 8.0 } else { 1.25 };
    }
    let best = best.context("lines are lost at the lowest rate")?;
    Ok(vec![(LOSSLESS, best / 1e3)])
}

/// Memory of many series, and what a scrape costs when all of them have changed.
fn fill(bench: &Bench, taker: Taker) -> Result<Figures> {
    let shape = Shape::Tagged;
    let series = bench.scaled(STORED) as usize;
    let receiver = Receiver::start(&bench.programs, taker, shape, false)?;
    let server = &receiver.server;
    receiver.scrape()?;
    let empty = server.resident_bytes()?;
    let datagrams = shape.datagrams(series, LINES_A_DATAGRAM);
    let send = || {
        let sender = Sender {
            way: Way::Tcp,
            to: receiver.tcp,
            datagrams: &datagrams,
            lines: LINES_A_DATAGRAM,
            pace: None,
        };
        on_its_own(|| sender.send(Duration::ZERO, true))
    };
    send()?;
    receiver.rest()?;
    let memory = server.resident_bytes()?.saturating_sub(empty) as f64 / series as f64;
    receiver.check(shape)?;
    receiver.rest()?;
    let before = server.cpu()?;
    send()?;
    receiver.rest()?;
    let changed = server.cpu()?;
    receiver.check(shape)?;
    let scraped = server.cpu()?;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(vec![
        (MEMORY, memory),
        (SCRAPE, millis(scraped.since(changed))),
        (ALL_CHANGED, millis(scraped.since(before))),
    ])
}

/// Pushes at half of their top rate, with lines on the other processor and without.
fn beside(bench: &Bench) -> Result<Figures> {
    const CONNECTIONS: u32 = 64;
    let body = bodies::batch_job();
    let groups = bench.scaled(1_000);
    let receiver = Receiver::start(&bench.programs, Taker::Wharf, Shape::Tagged, true)?;
    let request = Kind::WharfAlways.request(&body, Format::Text);
    let mut pushed = Pushed::default();
    let load = Load::new(&request, Groups::all(groups), CONNECTIONS, bench.length());
    let top = load.run(&receiver.server, &mut pushed)?;
    top.ensure_clean()?;
    let load = Load {
        pace: Some(Duration::from_secs_f64(2.0 / top.rate())),
        ..Load::new(&request, Groups::all(groups), CONNECTIONS, bench.length())
    };
    let alone = load.run(&receiver.server, &mut pushed)?;
    alone.ensure_clean()?;
    let datagrams = Shape::Tagged.datagrams(MANY, LINES_A_DATAGRAM);
    let sender = Sender {
        way: Way::Tcp,
        to: receiver.tcp,
        datagrams: &datagrams,
        lines: LINES_A_DATAGRAM,
        pace: None,
    };
    let together = thread::scope(|scope| {
        let sending = scope.spawn(|| sender.send(bench.window + bench.window / 5, true));
        let together = load.run(&receiver.server, &mut pushed);
        let sent = sending.join();
        let sent = sent.unwrap_or_else(|_| Err(anyhow!("the sender of lines panicked")))?;
        anyhow::Ok((together?, sent))
    });
    let (together, sent) = together?;
    together.ensure_clean()?;
    receiver.rest()?;
    let came = receiver.check(Shape::Tagged)?;
    ensure!(
        came == sent,
        "{sent} lines were sent over TCP, and {came} were counted"
    );
    Ok(vec![
        (P99, together.millis_at(99.0)),
        (P99_ALONE, alone.millis_at(99.0)),
    ])
}

fn headlines() -> Vec<Headline> {
    let (wharf, exporter) = (Taker::Wharf.name(), Taker::Exporter.name());
    let of = |text, case: &str, figure, (over, under): (&str, &str), goal| Headline {
        text,
        measure: Measure::Ratio(At::new(case, over, figure), At::new(case, under, figure)),
        goal: Some(goal),
    };
    let ours = (wharf, exporter);
    let theirs = (exporter, wharf);
    let tagged = |way| case(way, Shape::Tagged, MANY);
    vec![
        of(
            "Lines a second of a processor over TCP, tagged, 10,000 series, over statsd_exporter",
            &tagged("TCP"),
            RATE,
            ours,
            Goal::AtLeast(8.0),
        ),
        of(
            "The same in datagrams of 20 lines",
            &tagged("UDP, 20 lines a datagram"),
            RATE,
            ours,
            Goal::AtLeast(8.0),
        ),
        of(
            "User time of statsd_exporter a line over that of Wharf, one line a datagram",
            &tagged("UDP, one line a datagram"),
            USER,
            theirs,
            Goal::AtLeast(8.0),
        ),
        of(
            "Rate at which UDP begins to lose lines, 20 a datagram, over statsd_exporter",
            LOSS_CASES[0].0,
            LOSSLESS,
            ours,
            Goal::AtLeast(5.0),
        ),
        of(
            "The same, one line a datagram",
            LOSS_CASES[1].0,
            LOSSLESS,
            ours,
            Goal::AtLeast(5.0),
        ),
        of(
            "Memory of a series over statsd_exporter",
            MEMORY_CASE,
            MEMORY,
            ours,
            Goal::AtMost(0.5),
        ),
        of(
            "Processor time of statsd_exporter for a scrape of 100,000 series, all changed, over Wharf",
            MEMORY_CASE,
            SCRAPE,
            theirs,
            Goal::AtLeast(10.0),
        ),
        Headline {
            text: "p99 of pushes at half of their top rate beside lines, over that without lines",
            measure: Measure::Ratio(At::new(BESIDE, wharf, P99), At::new(BESIDE, wharf, P99_ALONE)),
            goal: Some(Goal::AtMost(1.2)),
        },
    ]
}
