//! How long does a scrape take?

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Goal, Headline, Measure, Question, ratio};
use crate::bench::{Bench, Lane};
use crate::bodies::{self, Body, Format};
use crate::check;
use crate::http::{Client, get_request};
use crate::load::Groups;
use crate::record::{At, Figures, Record, Spread};
use crate::subject::{Kind, Subject};

/// The question.
pub(super) const QUESTION: Question = Question {
    name: "scrape",
    title: "Scrapes",
    asks: "time and CPU time of a scrape of 10,000 groups: formats, gzip, and how much has changed since the last one",
    timed: "10,000 groups of a batch job (130,000 series and two more for each group); from the first byte of the \
            request to the last byte of the body, on a connection that is kept open. \"Changed\" groups are pushed \
            again before each scrape, outside the measured time, and lie apart from each other.",
    columns: &[TIME, CPU, CPU_MB, SIZE],
    run,
    headlines,
};

const GROUPS: u32 = 10_000;
pub(crate) const TIME: &str = "ms";
pub(crate) const CPU: &str = "server CPU, ms";
const CPU_MB: &str = "server CPU, ms/MB";
const SIZE: &str = "MB sent";
/// A round has at least so many scrapes, and at most so many.
const SCRAPES: std::ops::RangeInclusive<usize> = 3..=200;
pub(super) const SCRAPE_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) const TEXT: &str = "text/plain;version=0.0.4";
pub(super) const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
pub(super) const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// Circumstances of a scrape.
struct Case {
    name: &'static str,
    accept: &'static str,
    gzip: bool,
    /// One of so many groups is pushed again before each scrape; zero for none.
    one_of: u32,
    /// The Pushgateway and nginx take part.
    real: bool,
    nginx: bool,
}

const fn case(name: &'static str, accept: &'static str, gzip: bool) -> Case {
    Case {
        name,
        accept,
        gzip,
        one_of: 0,
        real: true,
        nginx: false,
    }
}

pub(super) const PLAIN: &str = "text";
pub(super) const GZIP: &str = "text, gzip";
const GZIP_SOME: &str = "text, gzip, 1 % changed";
const GZIP_ALL: &str = "text, gzip, all changed";
const OPENMETRICS_GZIP: &str = "OpenMetrics, gzip";
const OPENMETRICS_GZIP_SOME: &str = "OpenMetrics, gzip, 1 % changed";
pub(super) const PROTOBUF_GZIP: &str = "protobuf, gzip";
const PROTOBUF_GZIP_SOME: &str = "protobuf, gzip, 1 % changed";

/// Those in which one executable is compared with another.
pub(crate) const COMPARED: [&str; 3] = [PLAIN, GZIP, GZIP_SOME];

const CASES: &[Case] = &[
    Case {
        nginx: true,
        ..case(PLAIN, TEXT, false)
    },
    Case {
        one_of: 100,
        ..case("text, 1 % changed", TEXT, false)
    },
    Case {
        one_of: 1,
        ..case("text, all changed", TEXT, false)
    },
    Case {
        nginx: true,
        ..case(GZIP, TEXT, true)
    },
    Case {
        one_of: 100,
        ..case(GZIP_SOME, TEXT, true)
    },
    Case {
        one_of: 1,
        ..case(GZIP_ALL, TEXT, true)
    },
    Case {
        real: false,
        ..case("OpenMetrics", OPENMETRICS, false)
    },
    Case {
        real: false,
        ..case(OPENMETRICS_GZIP, OPENMETRICS, true)
    },
    Case {
        real: false,
        one_of: 100,
        ..case(OPENMETRICS_GZIP_SOME, OPENMETRICS, true)
    },
    case("protobuf", PROTOBUF, false),
    case(PROTOBUF_GZIP, PROTOBUF, true),
    Case {
        one_of: 100,
        ..case(PROTOBUF_GZIP_SOME, PROTOBUF, true)
    },
];

fn run(bench: &Bench, record: &mut Record) {
    let body = bodies::batch_job();
    let groups = bench.scaled(GROUPS);
    let mut lanes = bench.filled(record, &[Kind::WharfAlways, Kind::RealUnchecked], &body, groups);
    let file = lanes
        .first()
        .and_then(|lane| lane.subject.as_ref())
        .context("Wharf did not start")
        .and_then(|wharf| Ok((scrape_once(wharf, "identity")?, scrape_once(wharf, "gzip")?)));
    lanes.push(bench.lane_of(record, Kind::Nginx, || {
        let (plain, compressed) = file?;
        Subject::start_nginx(&bench.programs, &plain, &compressed)
    }));
    for case in CASES {
        for round in 0..bench.rounds {
            for lane in &mut lanes {
                if takes_part(case, lane) {
                    bench.once(record, case.name, round, lane, |subject| {
                        measure(bench, case, subject, &body, groups)
                    });
                }
            }
        }
    }
}

fn takes_part(case: &Case, lane: &Lane) -> bool {
    match lane.subject.as_ref().map(|subject| subject.kind) {
        None => false,
        Some(Kind::Nginx) => case.nginx,
        Some(Kind::RealUnchecked) => case.real,
        Some(_) => true,
    }
}

/// What a scrape in the text format answers, as it is sent.
fn scrape_once(subject: &Subject, encoding: &str) -> Result<Vec<u8>> {
    let mut client = Client::connect(subject.server.endpoint(), SCRAPE_TIMEOUT)?;
    let headers = [("Accept", TEXT), ("Accept-Encoding", encoding)];
    client.send(&get_request("/metrics", &headers))?;
    Ok(client.body().into_owned())
}

/// Scrapes under the circumstances of this name.
///
/// # Errors
/// If there are none such, or a scrape fails or does not have what was pushed.
pub(crate) fn measure_named(
    bench: &Bench,
    name: &str,
    subject: &mut Subject,
    body: &Body,
    groups: u32,
) -> Result<Figures> {
    let case = CASES.iter().find(|case| case.name == name);
    measure(bench, case.context("no such scrape")?, subject, body, groups)
}

fn measure(bench: &Bench, case: &Case, subject: &mut Subject, body: &Body, groups: u32) -> Result<Figures> {
    let mut client = Client::connect(subject.server.endpoint(), SCRAPE_TIMEOUT)?;
    let encoding = if case.gzip { "gzip" } else { "identity" };
    let request = get_request(
        "/metrics",
        &[("Accept", case.accept), ("Accept-Encoding", encoding)],
    );
    // Once before the measured ones: what is kept from scrape to scrape should be there, as it is for Prometheus,
    // and our buffer should be large enough.
    client.send(&request)?;
    subject.server.settle()?;
    let (mut times, mut cpu, mut bytes) = (Vec::new(), Duration::ZERO, 0);
    let begin = Instant::now();
    let mut spent = Duration::ZERO;
    while times.len() < *SCRAPES.start() || (spent < bench.window && times.len() < *SCRAPES.end()) {
        // Pushing takes longer than scraping; both have to end.
        if begin.elapsed() > 3 * bench.window && times.len() >= *SCRAPES.start() {
            break;
        }
        change(case, subject, body, groups, times.len())?;
        let before = subject.server.cpu()?;
        let fetched = client.send(&request)?;
        cpu += subject.server.cpu()?.since(before);
        ensure!(
            fetched.status == 200,
            "the scrape was answered with {}",
            fetched.status
        );
        spent += fetched.elapsed;
        bytes = fetched.body_bytes;
        times.push(fetched.elapsed.as_secs_f64() * 1e3);
    }
    verify(case, subject, body, &client)?;
    let scrapes = times.len() as f64;
    let cpu = cpu.as_secs_f64() * 1e3 / scrapes;
    let megabytes = bytes as f64 / 1e6;
    let time = Spread::of(times).context("no scrape")?;
    Ok(vec![
        (TIME, time.median),
        (CPU, cpu),
        (CPU_MB, cpu / megabytes),
        (SIZE, megabytes),
    ])
}

/// Pushes to some of the groups.
fn change(case: &Case, subject: &mut Subject, body: &Body, groups: u32, scrape: usize) -> Result<()> {
    if case.one_of == 0 {
        return Ok(());
    }
    let step = case.one_of.min(groups);
    let first = u32::try_from(scrape).unwrap_or(0) % step;
    subject.push_once(body, Format::Text, Groups::spaced(first, groups / step, step))?;
    Ok(())
}

/// Looks into the last answer.
fn verify(case: &Case, subject: &Subject, body: &Body, client: &Client) -> Result<()> {
    let encoding = client.header("Content-Encoding");
    let compressed = encoding.is_some();
    ensure!(
        compressed == case.gzip,
        "expected gzip {}, found {encoding:?}",
        case.gzip
    );
    let content_type = client.header("Content-Type").unwrap_or_default();
    let plain = client.plain_body()?;
    match subject.kind {
        Kind::Nginx => return Ok(()),
        _ if content_type.starts_with(case.accept.split(';').next().unwrap_or_default()) => {}
        _ => bail!("expected {}, found {content_type}", case.accept),
    }
    if case.accept == PROTOBUF {
        check::protobuf_holds(&plain, body, &subject.pushed)
    } else {
        check::exposition_holds(&plain, body, &subject.pushed)
    }
}

fn headlines() -> Vec<Headline> {
    let (wharf, real) = (Kind::WharfAlways.name(), Kind::RealUnchecked.name());
    let faster = |text, case, goal| ratio(text, case, TIME, real, wharf, goal);
    vec![
        faster(
            "Gzip scrape, nothing changed: time of the Pushgateway over that of Wharf",
            GZIP,
            Some(Goal::AtLeast(300.0)),
        ),
        faster(
            "Gzip scrape, 1 % of the groups changed: time of the Pushgateway over that of Wharf",
            GZIP_SOME,
            Some(Goal::AtLeast(60.0)),
        ),
        faster(
            "Gzip scrape, all groups changed: time of the Pushgateway over that of Wharf",
            GZIP_ALL,
            None,
        ),
        faster(
            "Plain scrape: time of the Pushgateway over that of Wharf",
            PLAIN,
            None,
        ),
        Headline {
            text: "Plain scrape: time of Wharf over that of nginx with a static file of the same bytes",
            measure: Measure::Ratio(
                At::new(PLAIN, wharf, TIME),
                At::new(PLAIN, Kind::Nginx.name(), TIME),
            ),
            goal: Some(Goal::AtMost(2.0)),
        },
        Headline {
            text: "Gzip scrape, nothing changed: time of Wharf over that of nginx with a static file of the same bytes",
            measure: Measure::Ratio(
                At::new(GZIP, wharf, TIME),
                At::new(GZIP, Kind::Nginx.name(), TIME),
            ),
            goal: None,
        },
        over_text(
            "Gzip scrape in protobuf, nothing changed: time over that of one in text",
            (PROTOBUF_GZIP, GZIP),
            3.0,
        ),
        over_text(
            "Gzip scrape in OpenMetrics, nothing changed: time over that of one in text",
            (OPENMETRICS_GZIP, GZIP),
            3.0,
        ),
        over_text(
            "Gzip scrape in protobuf, 1 % of the groups changed: time over that of one in text",
            (PROTOBUF_GZIP_SOME, GZIP_SOME),
            4.0,
        ),
        over_text(
            "Gzip scrape in OpenMetrics, 1 % of the groups changed: time over that of one in text",
            (OPENMETRICS_GZIP_SOME, GZIP_SOME),
            4.0,
        ),
    ]
}

fn over_text(text: &'static str, (format, in_text): (&'static str, &'static str), goal: f64) -> Headline {
    let wharf = Kind::WharfAlways.name();
    Headline {
        text,
        measure: Measure::Ratio(At::new(format, wharf, TIME), At::new(in_text, wharf, TIME)),
        goal: Some(Goal::AtMost(goal)),
    }
}
