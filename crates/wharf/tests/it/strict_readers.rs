//! Whatever families are pushed, in whatever format: each format of a scrape is taken by readers that refuse a whole body over one
//! line of it. Those of `OpenMetrics` are Python's and ours; text and protobuf are read by the tests' own.
//!
//! `WHARF_SEED` repeats the round that a failure names, `WHARF_ROUNDS` says how many there are.

mod families;

use std::collections::HashSet;

use wharf_exposition::openmetrics::{Options, decode};
use wharf_model::name::NameRule;
use wharf_testkit::http::{get, put};
use wharf_testkit::schema::{Histogram, LabelPair, Metric, MetricFamily};
use wharf_testkit::{Gateway, Random, Scrape, peers, protobuf, schema};

use self::families::{Form, Pushed};
use crate::openmetrics_reader::Reader;
use crate::wharf;

const ROUNDS: u64 = 60;

const SCHEMES: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

fn rounds() -> std::ops::Range<u64> {
    match peers::number_from_environment("WHARF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..peers::number_from_environment("WHARF_ROUNDS").unwrap_or(ROUNDS),
    }
}

#[test]
fn strict_readers_take_each_format_of_whatever_is_pushed() {
    let mut python = Reader::start();
    let flags = [
        "--web.enable-openmetrics",
        "--web.enable-admin-api",
        "--push.enable-utf8-names",
        "--push.timestamps=strip",
    ];
    let gateway = wharf().args(flags).start();
    let mut stored = 0;
    for seed in rounds() {
        let mut random = Random::new(seed);
        let pushes = families::pushes(&mut random);
        for (number, pushed) in pushes.iter().enumerate() {
            stored += usize::from(is_taken(&gateway, number % 4, pushed));
        }
        if let Err(refusal) = read_all(&gateway, python.as_mut()) {
            panic!("WHARF_SEED={seed}\n{refusal}\n{pushes:#?}");
        }
        assert_eq!(gateway.send(&put("/api/v1/admin/wipe")).status, 202);
    }
    // Many contradict what others hold.
    assert!(stored > 2 * rounds().count() || rounds().count() == 1, "{stored}");
}

fn is_taken(gateway: &Gateway, job: usize, pushed: &Pushed) -> bool {
    let content_type = match pushed.form {
        Form::Text => "text/plain",
        Form::Protobuf => protobuf::CONTENT_TYPE,
        Form::OpenMetrics => "application/openmetrics-text; version=1.0.0",
    };
    let request = wharf_testkit::http::post(&format!("/metrics/job/{job}"));
    let answer = gateway.send(
        &request
            .header("Content-Type", content_type)
            .body(pushed.body.as_slice()),
    );
    assert!(
        [200, 400].contains(&answer.status),
        "{pushed:?}: {}",
        answer.text()
    );
    answer.status == 200
}

/// Reads the scrape in each format, under each scheme. The first refusal, with what was refused.
fn read_all(gateway: &Gateway, mut python: Option<&mut Reader>) -> Result<(), String> {
    let scrape = |accept: &str| gateway.send(&get("/metrics").header("Accept", accept));
    for escaping in SCHEMES {
        for version in ["0.0.1", "1.0.0"] {
            let accept = format!("application/openmetrics-text;version={version};escaping={escaping}");
            let text = scrape(&accept).text();
            let refused = |why: String| format!("{accept}: {why}\n{text}");
            let options = Options {
                names: NameRule::Utf8,
            };
            decode(text.as_bytes(), options).map_err(|error| refused(error.to_string()))?;
            if let Some(python) = &mut python {
                python.read(&text).map_err(refused)?;
            }
        }
        let accept = format!("text/plain;version=1.0.0;escaping={escaping}");
        let text = scrape(&accept).text();
        Scrape::parse(&text).map_err(|error| format!("{accept}: {error}\n{text}"))?;
        let accept = format!("{};escaping={escaping}", protobuf::CONTENT_TYPE.replace(' ', ""));
        let body = scrape(&accept).body;
        let families = schema::read(&body).map_err(|error| format!("{accept}: {error}"))?;
        check(&families, escaping).map_err(|why| format!("{accept}: {why}\n{families:#?}"))?;
    }
    let text = scrape("text/plain;version=0.0.4").text();
    Scrape::parse(&text).map_err(|error| format!("text: {error}\n{text}"))?;
    Ok(())
}

/// What Prometheus, or a library of protobuf, would refuse the families for.
fn check(families: &[MetricFamily], escaping: &str) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut series = HashSet::new();
    for family in families {
        let name = family.name.as_deref().unwrap_or_default();
        let natives = family.metric.iter().filter(|metric| is_native(metric)).count();
        let is_native = natives > 0;
        if is_native && natives < family.metric.len() {
            return Err(format!("`{name}` has native and classic histograms"));
        }
        // Native histograms are a message of their own.
        if !names.insert((name, is_native)) {
            return Err(format!("`{name}` comes twice"));
        }
        let legacy = escaping != "allow-utf-8";
        if legacy && !is_legacy(name, true) {
            return Err(format!("`{name}` is no legacy name"));
        }
        for metric in &family.metric {
            let labels = sorted(&metric.label, legacy).map_err(|why| format!("`{name}`: {why}"))?;
            if !series.insert((name.to_owned(), labels)) {
                return Err(format!("a series of `{name}` comes twice"));
            }
            if let Some(histogram) = &metric.histogram {
                check_histogram(histogram).map_err(|why| format!("`{name}`: {why}"))?;
            }
            let quantiles = metric.summary.iter().flat_map(|summary| &summary.quantile);
            let mut ranks = HashSet::new();
            if !quantiles
                .into_iter()
                .all(|q| ranks.insert(q.quantile().to_bits()))
            {
                return Err(format!("`{name}` has a quantile twice"));
            }
        }
    }
    Ok(())
}

fn is_native(metric: &Metric) -> bool {
    let histogram = metric.histogram.as_ref();
    histogram.is_some_and(|histogram| histogram.schema.is_some())
}

fn is_legacy(name: &str, is_metric: bool) -> bool {
    let fits = |(index, c): (usize, char)| {
        c.is_ascii_alphabetic() || c == '_' || (is_metric && c == ':') || (index > 0 && c.is_ascii_digit())
    };
    !name.is_empty() && name.chars().enumerate().all(fits)
}

/// The labels by their names, each of which is there once.
fn sorted(labels: &[LabelPair], legacy: bool) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<_> = labels
        .iter()
        .map(|label| (label.name().to_owned(), label.value().to_owned()))
        .collect();
    pairs.sort();
    for (name, _) in &pairs {
        if name.is_empty() || name == "__name__" || (legacy && !is_legacy(name, false)) {
            return Err(format!("the label `{name}` is none"));
        }
    }
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("a label comes twice in {pairs:?}"));
    }
    Ok(pairs)
}

/// Whether a classic histogram could be made a native one: buckets do not fall, and the last one is the count.
fn check_histogram(histogram: &Histogram) -> Result<(), String> {
    let count = match histogram.sample_count_float {
        Some(count) if count > 0.0 => count,
        #[expect(
            clippy::cast_precision_loss,
            reason = "only compared with what is rounded the same"
        )]
        _ => histogram.sample_count() as f64,
    };
    let counts = histogram
        .bucket
        .iter()
        .map(|bucket| match bucket.cumulative_count_float {
            Some(count) if count > 0.0 => count,
            #[expect(
                clippy::cast_precision_loss,
                reason = "only compared with what is rounded the same"
            )]
            _ => bucket.cumulative_count() as f64,
        });
    let counts: Vec<f64> = counts.collect();
    let bounds: Vec<f64> = histogram.bucket.iter().map(schema::Bucket::upper_bound).collect();
    if !bounds.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(format!("bounds {bounds:?}"));
    }
    if !counts.windows(2).all(|pair| pair[0] <= pair[1]) {
        return Err(format!("counts {counts:?}"));
    }
    let last = bounds.last().zip(counts.last());
    if last.is_some_and(|(bound, last)| *last > count || (*bound == f64::INFINITY && *last < count)) {
        return Err(format!("counts {counts:?} of {count}"));
    }
    Ok(())
}
