//! What do gateways do that share their groups in etcd?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;

use super::{Goal, Headline, Measure, Question, ratio};
use crate::bench::{Bench, figure, push_figures};
use crate::bodies::{self, Format};
use crate::etcd::{self, Cluster};
use crate::http;
use crate::load::{Groups, Length, Load, Outcome};
use crate::record::{At, Figures, Record};
use crate::subject::{Kind, Subject};
use crate::table;

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "replicas",
    title: "Replicas that share their groups in etcd",
    asks: "pushes/s, latency, fail-over and start of gateways over one and three members of etcd, all on this machine",
    timed: "Batch jobs of 13 series each, 1,000 groups, 256 connections that push as fast as they are answered; beside them a plain client \
            of etcd with 256 connections that puts as many bytes, one put a request. Three replicas are pushed to at the same time, a third of the groups and of the \
            connections each. \"Seen elsewhere\" is the time from the answer at one replica until another one shows the value, while pushes come at half \
            of the top rate. A new replica starts with 1,000,000 series in etcd. Then the member of etcd that leads is killed \
            while 16 connections push to two replicas. Last, 720,000 pushes to 1,000 groups over one member, as fast as they are answered, with \
            `--storage.etcd-compact`.",
    columns: &[],
    run,
    headlines,
};

const GROUPS: u32 = 1_000;
const CONNECTIONS: u32 = 256;
const SERIES: u32 = 1_000_000;

const ONE: (&str, u8) = ("one member", 1);
const THREE: (&str, u8) = ("three members", 3);
const PLAIN: &str = "etcd, one put a request";
const TOGETHER: &str = "three replicas";
const SEEN: &str = "seen elsewhere, one replica pushed to";
const START: &str = "a new replica";
const FAIL_OVER: &str = "the leader is killed";

const GROWTH: &str = "two hours of 100 pushes/s";

const DATABASE_HALF: &str = "database after an hour's pushes, MB";
const DATABASE: &str = "database after two hours', MB";
const MEMORY_HALF: &str = "etcd's memory after an hour's pushes, MB";
const MEMORY: &str = "etcd's memory after two hours', MB";
const ETCD_CPU: &str = "etcd CPU/push, µs";
const SEEN_P50: &str = "seen elsewhere p50, ms";
const SEEN_P99: &str = "seen elsewhere p99, ms";
const READY: &str = "s until ready";
const GAP: &str = "s without an accepted push";
const LONGEST: &str = "longest wait, s";

fn run(bench: &Bench, record: &mut Record) {
    // Without it there is nothing to ask.
    if let Err(error) = etcd::program(&bench.programs) {
        table::progress(&format!("  etcd: FAILED: {error:#}"));
        return record.fail("", "etcd", &error);
    }
    for (case, members) in [ONE, THREE] {
        if let Err(error) = top_rate(bench, record, case, members) {
            failed(record, case, &error);
        }
    }
    for (case, ask) in [
        (TOGETHER, together as fn(&Bench, &mut Record) -> Result<()>),
        (SEEN, seen),
        (START, start),
        (FAIL_OVER, fail_over),
        (GROWTH, grow),
    ] {
        if let Err(error) = ask(bench, record) {
            failed(record, case, &error);
        }
    }
}

fn failed(record: &mut Record, case: &str, error: &anyhow::Error) {
    table::progress(&format!("  {case}: FAILED: {error:#}"));
    record.fail(case, Kind::WharfEtcd.name(), error);
}

/// The same settings, for gateways that share their groups in this cluster.
fn over(bench: &Bench, cluster: &Cluster) -> Bench {
    let mut bench = bench.clone();
    bench.programs.etcd = Some(cluster.urls());
    bench
}

fn note(bench: &Bench, record: &mut Record, case: &str, name: &str, round: usize, figures: Figures) {
    table::progress(&table::progress_line(case, name, round, bench.rounds, &figures));
    record.add(case, name, round, figures);
}

fn with_etcd(mut figures: Figures, cpu: Duration, pushes: f64) -> Figures {
    figures.push((ETCD_CPU, cpu.as_secs_f64() * 1e6 / pushes));
    figures
}

fn load_of<'a>(
    bench: &Bench,
    request: &'a crate::template::Request,
    groups: u32,
    connections: u32,
) -> Load<'a> {
    Load::new(request, Groups::all(groups), connections, bench.length())
}

/// One replica as fast as it goes, and a plain client.
fn top_rate(bench: &Bench, record: &mut Record, case: &str, members: u8) -> Result<()> {
    let cluster = Cluster::start(&bench.programs, members)?;
    let bench = over(bench, &cluster);
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lanes = bench.filled(record, &[Kind::WharfEtcd], &body, groups);
    let bytes = body.text().as_bytes().len();
    for round in 0..bench.rounds {
        for lane in &mut lanes {
            bench.once(record, case, round, lane, |subject| {
                subject.server.settle()?;
                let cpu = cluster.cpu()?;
                let request = subject.kind.request(&body, Format::Text);
                let outcome = subject.load(&load_of(&bench, &request, groups, CONNECTIONS))?;
                let cpu = cluster.cpu_since(&cpu)?;
                subject.check(&body)?;
                // The warm-up is in it; so it is of all pushes, as far as those of the window say how many these were.
                let whole = bench.window + bench.window / 5;
                let pushes = outcome.rate() * whole.as_secs_f64();
                Ok(with_etcd(push_figures(&outcome), cpu, pushes))
            });
        }
        let puts = cluster.put_plainly(CONNECTIONS as usize, bytes, groups as usize, bench.window)?;
        let rate = puts.count as f64 / puts.elapsed.as_secs_f64();
        let figures = vec![
            (figure::RATE, rate),
            (figure::P50, puts.latency.value_at_quantile(0.5) as f64 / 1e3),
            (figure::P99, puts.latency.value_at_quantile(0.99) as f64 / 1e3),
            (ETCD_CPU, puts.cpu.as_secs_f64() * 1e6 / puts.count as f64),
        ];
        note(&bench, record, case, PLAIN, round, figures);
    }
    Ok(())
}

/// Gateways over the same cluster, under names and in folders of their own.
fn replicas(bench: &Bench, count: usize) -> Result<Vec<Subject>> {
    let names = [Kind::WharfEtcd, Kind::WharfEtcdSecond, Kind::WharfEtcdThird];
    let kinds = names.into_iter().take(count);
    kinds.map(|kind| Subject::start(&bench.programs, kind)).collect()
}

fn together(bench: &Bench, record: &mut Record) -> Result<()> {
    let cluster = Cluster::start(&bench.programs, THREE.1)?;
    let bench = over(bench, &cluster);
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS) / 3;
    let mut subjects = replicas(&bench, 3)?;
    let request = Kind::WharfEtcd.request(&body, Format::Text);
    for round in 0..bench.rounds {
        let cpu = cluster.cpu()?;
        let outcomes = thread::scope(|scope| {
            let loads: Vec<_> = subjects
                .iter_mut()
                .zip(0_u32..)
                .map(|(subject, number)| {
                    let load = Load::new(
                        &request,
                        Groups::spaced(number, groups, 3),
                        CONNECTIONS / 3,
                        bench.length(),
                    );
                    scope.spawn(move || subject.load(&load))
                })
                .collect();
            let ended = loads.into_iter().map(thread::ScopedJoinHandle::join);
            let ended = ended.map(|load| load.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ended.collect::<Result<Vec<Outcome>>>()
        })?;
        let cpu = cluster.cpu_since(&cpu)?;
        let rate: f64 = outcomes.iter().map(Outcome::rate).sum();
        let pushes: u64 = outcomes.iter().map(|outcome| outcome.pushes).sum();
        let server: Duration = outcomes.iter().map(|outcome| outcome.server_cpu).sum();
        let worst = |percentile| {
            let all = outcomes.iter().map(|outcome| outcome.millis_at(percentile));
            all.fold(0.0, f64::max)
        };
        let figures = vec![
            (figure::RATE, rate),
            (figure::CPU, server.as_secs_f64() * 1e6 / pushes as f64),
            (figure::P50, worst(50.0)),
            (figure::P99, worst(99.0)),
        ];
        let whole = rate * (bench.window + bench.window / 5).as_secs_f64();
        let figures = with_etcd(figures, cpu, whole);
        note(&bench, record, THREE.0, TOGETHER, round, figures);
    }
    all_show_the_same(&subjects)
}

/// Whether all replicas show the same pushed series, once it is quiet.
fn all_show_the_same(subjects: &[Subject]) -> Result<()> {
    let pushed = |subject: &Subject| {
        let path = "/metrics?match[]=%7B%7D";
        let answer = http::get(subject.server.endpoint(), path, Duration::from_secs(60))?;
        ensure!(
            answer.status == 200,
            "expected 200 for {path}, found {}",
            answer.status
        );
        anyhow::Ok(answer.body)
    };
    let began = Instant::now();
    loop {
        let all: Vec<Vec<u8>> = subjects.iter().map(pushed).collect::<Result<_>>()?;
        if all.windows(2).all(|two| two[0] == two[1]) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "the replicas show different things after half a minute of quiet"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

/// How long until another replica shows what one has acknowledged, at half of the top rate.
fn seen(bench: &Bench, record: &mut Record) -> Result<()> {
    let top = At::new(THREE.0, Kind::WharfEtcd.name(), figure::RATE);
    let Some(top) = record.spread(&top) else {
        bail!("the top rate is not known")
    };
    let cluster = Cluster::start(&bench.programs, THREE.1)?;
    let bench = over(bench, &cluster);
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut subjects = replicas(&bench, 2)?;
    let request = Kind::WharfEtcd.request(&body, Format::Text);
    for round in 0..bench.rounds {
        let load = Load {
            pace: Some(Duration::from_secs_f64(2.0 / top.median)),
            ..load_of(&bench, &request, groups, 64)
        };
        let [first, second] = subjects.as_mut_slice() else {
            bail!("expected two replicas")
        };
        let (first_at, second_at) = (first.server.endpoint().clone(), second.server.endpoint().clone());
        let loading = |subject: &mut Subject| subject.load(&load);
        let (outcome, times) = thread::scope(|scope| {
            let loading = scope.spawn(|| loading(first));
            let mut times = Histogram::<u64>::new_with_max(60_000_000, 3)?;
            let mut value = 0_u32;
            while !loading.is_finished() {
                value += 1;
                let body = format!("seen {value}\n");
                let answer = http::put(&first_at, "/metrics/job/seen", body.as_bytes())?;
                ensure!(answer.status == 200, "expected 200, found {}", answer.status);
                let answered = Instant::now();
                let expected = format!("seen{{instance=\"\",job=\"seen\"}} {value}\n");
                loop {
                    let shown = http::get(
                        &second_at,
                        "/metrics?match[]=%7Bjob%3D%22seen%22%7D",
                        Duration::from_secs(10),
                    )?;
                    if String::from_utf8_lossy(&shown.body).contains(&expected) {
                        break;
                    }
                    ensure!(
                        answered.elapsed() < Duration::from_secs(10),
                        "a push is not seen elsewhere after ten seconds"
                    );
                }
                times.saturating_record(u64::try_from(answered.elapsed().as_micros()).unwrap_or(u64::MAX));
                thread::sleep(Duration::from_millis(5));
            }
            let outcome = loading
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            anyhow::Ok((outcome, times))
        })?;
        let mut figures = push_figures(&outcome);
        figures.push((SEEN_P50, times.value_at_quantile(0.5) as f64 / 1e3));
        figures.push((SEEN_P99, times.value_at_quantile(0.99) as f64 / 1e3));
        note(&bench, record, SEEN, Kind::WharfEtcd.name(), round, figures);
    }
    all_show_the_same(&subjects)
}

/// How long a replica takes that starts when much is stored.
fn start(bench: &Bench, record: &mut Record) -> Result<()> {
    let cluster = Cluster::start(&bench.programs, ONE.1)?;
    let bench = over(bench, &cluster);
    let body = bodies::wide(100);
    let groups = bench.scaled(SERIES / 100);
    let mut first = replicas(&bench, 1)?;
    for subject in &mut first {
        subject.fill(&body, groups)?;
    }
    for round in 0..bench.rounds {
        let began = Instant::now();
        let new = Subject::start(&bench.programs, Kind::WharfEtcdSecond)?;
        let ready = began.elapsed().as_secs_f64();
        let both: Vec<&Subject> = first.iter().chain([&new]).collect();
        let shown = both.iter().map(|subject| {
            let path = "/metrics?match[]=%7B%7D";
            http::get(subject.server.endpoint(), path, Duration::from_secs(60)).map(|answer| answer.body)
        });
        let shown: Vec<Vec<u8>> = shown.collect::<Result<_>>()?;
        ensure!(
            shown.windows(2).all(|two| two[0] == two[1]),
            "a new replica shows something else than the first"
        );
        note(
            &bench,
            record,
            START,
            Kind::WharfEtcd.name(),
            round,
            vec![(READY, ready)],
        );
    }
    Ok(())
}

/// For how long no push is accepted after the leader is killed.
fn fail_over(bench: &Bench, record: &mut Record) -> Result<()> {
    for round in 0..bench.rounds {
        let mut cluster = Cluster::start(&bench.programs, THREE.1)?;
        let bench = over(bench, &cluster);
        let subjects = replicas(&bench, 2)?;
        let pushing = Duration::from_secs(12);
        let (gap, longest) = thread::scope(|scope| {
            let began = Instant::now();
            let clients: Vec<_> = (0..16_usize)
                .map(|number| {
                    let endpoint = subjects[number % 2].server.endpoint().clone();
                    scope.spawn(move || push_on(&endpoint, number, began, pushing))
                })
                .collect();
            thread::sleep(Duration::from_secs(2));
            cluster.kill_leader()?;
            let ended = clients.into_iter().map(thread::ScopedJoinHandle::join);
            let ended = ended.map(|client| client.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            let all: Vec<Vec<(Duration, Duration)>> = ended.collect::<Result<_>>()?;
            let longest = all
                .iter()
                .flatten()
                .map(|(begun, done)| done.saturating_sub(*begun))
                .max();
            let mut done: Vec<Duration> = all.iter().flatten().map(|(_, done)| *done).collect();
            done.sort_unstable();
            let gap = done.windows(2).map(|two| two[1].saturating_sub(two[0])).max();
            anyhow::Ok((gap.context("no push was accepted")?, longest.unwrap_or_default()))
        })?;
        all_show_the_same(&subjects)?;
        let figures = vec![(GAP, gap.as_secs_f64()), (LONGEST, longest.as_secs_f64())];
        note(&bench, record, FAIL_OVER, Kind::WharfEtcd.name(), round, figures);
    }
    Ok(())
}

/// When accepted pushes of a client began and ended. One that is refused begins anew.
fn push_on(
    endpoint: &crate::endpoint::Endpoint,
    number: usize,
    began: Instant,
    pushing: Duration,
) -> Result<Vec<(Duration, Duration)>> {
    let mut accepted = Vec::new();
    let mut value = 0_u64;
    while began.elapsed() < pushing {
        let begun = began.elapsed();
        value += 1;
        let body = format!("m {value}\n");
        let path = format!("/metrics/job/client{number}");
        if http::put(endpoint, &path, body.as_bytes())?.status == 200 {
            accepted.push((begun, began.elapsed()));
        }
    }
    Ok(accepted)
}

/// Whether etcd grows while the same groups are pushed again and again.
fn grow(bench: &Bench, record: &mut Record) -> Result<()> {
    const TURNS_AN_HOUR: u32 = 360;
    let cluster = Cluster::start(&bench.programs, ONE.1)?;
    let bench = over(bench, &cluster);
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lane = bench.lane(record, Kind::WharfEtcdCompacting, |_| Ok(()));
    bench.once(record, GROWTH, 0, &mut lane, |subject| {
        let request = subject.kind.request(&body, Format::Text);
        let mut hour = || {
            let length = Length::Turns(bench.scaled(TURNS_AN_HOUR));
            let outcome = subject.load(&Load::new(&request, Groups::all(groups), CONNECTIONS, length))?;
            outcome.ensure_clean()?;
            let (database, memory) = cluster.weight()?;
            anyhow::Ok((outcome, database as f64 / 1e6, memory as f64 / 1e6))
        };
        let (_, database_half, memory_half) = hour()?;
        let (outcome, database, memory) = hour()?;
        subject.check(&body)?;
        Ok(vec![
            (figure::RATE, outcome.rate()),
            (DATABASE_HALF, database_half),
            (DATABASE, database),
            (MEMORY_HALF, memory_half),
            (MEMORY, memory),
        ])
    });
    Ok(())
}

fn headlines() -> Vec<Headline> {
    let wharf = Kind::WharfEtcd.name();
    let value = |text, case: &str, figure, unit, goal| Headline {
        text,
        measure: Measure::Value(At::new(case, wharf, figure), unit),
        goal,
    };
    vec![
        ratio(
            "Pushes/s of one replica over three members, over a plain client with one put a request",
            THREE.0,
            figure::RATE,
            wharf,
            PLAIN,
            Some(Goal::AtLeast(5.0)),
        ),
        ratio(
            "The same over one member",
            ONE.0,
            figure::RATE,
            wharf,
            PLAIN,
            None,
        ),
        value(
            "A push is seen at another replica, p99",
            SEEN,
            SEEN_P99,
            " ms",
            Some(Goal::AtMost(100.0)),
        ),
        value(
            "A new replica with 1,000,000 series is ready",
            START,
            READY,
            " s",
            Some(Goal::AtMost(5.0)),
        ),
        Headline {
            text: "Database of etcd after two hours' pushes, over that after one",
            measure: Measure::Ratio(
                At::new(GROWTH, Kind::WharfEtcdCompacting.name(), DATABASE),
                At::new(GROWTH, Kind::WharfEtcdCompacting.name(), DATABASE_HALF),
            ),
            goal: Some(Goal::AtMost(1.1)),
        },
        value(
            "No push is accepted when the leader is killed",
            FAIL_OVER,
            GAP,
            " s",
            None,
        ),
    ]
}
