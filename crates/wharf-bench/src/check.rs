//! Whether a server holds what was pushed to it: a benchmark checks the answers that it times.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;
use prost::Message as _;

use crate::bodies::Body;
use crate::http::{self, Client, get_request};
use crate::load::Pushed;
use crate::process::Server;
use crate::template::{INSTANCE_PREFIX, instance};

/// How long a server may take to show what it has acknowledged. Only those that queue pushes need it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the next bytes of a scrape. The Pushgateway gathers everything before it sends the first one.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(120);
/// How many groups are asked for where not all can be scraped.
const SAMPLED_GROUPS: usize = 300;

/// Scrapes `/metrics` until each group has the value that was acknowledged last for it, and all its series.
///
/// # Errors
/// If that does not become true in time; the text says what is wrong with the last scrape.
pub fn scrape_holds(server: &Server, body: &Body, pushed: &Pushed) -> Result<()> {
    // Scraping something large over and over would keep a queue from becoming empty.
    server.settle()?;
    let begin = Instant::now();
    loop {
        let mut client = Client::connect(server.endpoint(), SCRAPE_TIMEOUT)?;
        let fetched = client.send(&get_request("/metrics", &[]))?;
        ensure!(
            fetched.status == 200,
            "the scrape was answered with {}",
            fetched.status
        );
        match exposition_holds(&client.body(), body, pushed) {
            Err(error) if begin.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(200)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Whether an exposition in a text format has the last value of each group, and all series.
///
/// # Errors
/// The first thing that is wrong.
pub fn exposition_holds(text: &[u8], body: &Body, pushed: &Pushed) -> Result<()> {
    let in_group = memmem::Finder::new(b"instance=\"worker-");
    let probe = format!("{}{{instance=\"{INSTANCE_PREFIX}", body.probe);
    let (mut series, mut probes) = (0usize, 0usize);
    for line in text.split(|&byte| byte == b'\n') {
        if line.starts_with(b"#") || line.starts_with(b"push_") || in_group.find(line).is_none() {
            continue;
        }
        series += 1;
        let Some(rest) = line.strip_prefix(probe.as_bytes()) else {
            continue;
        };
        let line = String::from_utf8_lossy(line);
        let (group, value) =
            probe_of(rest).with_context(|| format!("expected a probe, found `{line:.200}`"))?;
        ensure!(
            pushed.allows(group, value),
            "group {group} has the value {value}, which is not the last one that was acknowledged"
        );
        probes += 1;
    }
    let groups = pushed.count();
    ensure!(probes == groups, "expected {groups} groups, found {probes}");
    let expected = groups * body.series;
    ensure!(series == expected, "expected {expected} series, found {series}");
    Ok(())
}

/// Whether an exposition in delimited protobuf has the last value of each group.
///
/// # Errors
/// The first thing that is wrong.
pub fn protobuf_holds(mut bytes: &[u8], body: &Body, pushed: &Pushed) -> Result<()> {
    let mut probes = 0;
    while !bytes.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut bytes).context("read a metric family")?;
        if family.name != body.probe {
            continue;
        }
        // The probe has the labels of its group alone.
        let of_group = |label: &Label| matches!(label.name.as_str(), "instance" | "job");
        let metrics = family.metrics.iter();
        for metric in metrics.filter(|metric| metric.labels.iter().all(of_group)) {
            let instance = metric.labels.iter().find(|label| label.name == "instance");
            let group = instance.and_then(|label| label.value.strip_prefix(INSTANCE_PREFIX)?.parse().ok());
            let value = metric
                .gauge
                .as_ref()
                .and_then(|gauge| value_of_sample(gauge.value));
            let (Some(group), Some(value)) = (group, value) else {
                bail!("expected the value of a group, found {metric:?}");
            };
            ensure!(
                pushed.allows(group, value),
                "group {group} has the value {value}, which is not the last one that was acknowledged"
            );
            probes += 1;
        }
    }
    let groups = pushed.count();
    ensure!(probes == groups, "expected {groups} groups, found {probes}");
    Ok(())
}

/// As much of the protobuf format as it takes to find a gauge.
#[derive(Clone, PartialEq, prost::Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Gauge {
    #[prost(double, tag = "1")]
    value: f64,
}

/// The group and the value of a probe's line, from the digits of the group on.
fn probe_of(rest: &[u8]) -> Option<(u32, u32)> {
    let rest = str::from_utf8(rest).ok()?;
    let (group, rest) = rest.split_once('"')?;
    let (_, value) = rest.split_once("} ")?;
    // A timestamp may follow.
    let value: f64 = value.split(' ').next()?.parse().ok()?;
    Some((group.parse().ok()?, value_of_sample(value)?))
}

fn value_of_sample(value: f64) -> Option<u32> {
    if value.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an integer in the range, as said above"
    )]
    Some(value as u32)
}

/// Asks VictoriaMetrics for the newest value of some hundred groups.
///
/// # Errors
/// If one of them is not the value that was acknowledged last.
pub fn victoria_metrics_holds(server: &Server, body: &Body, pushed: &Pushed) -> Result<()> {
    let step = (pushed.count() / SAMPLED_GROUPS).max(1);
    let sample: Vec<u32> = pushed.groups().step_by(step).map(|(group, _)| group).collect();
    let begin = Instant::now();
    loop {
        http::get(server.endpoint(), "/internal/force_flush", SCRAPE_TIMEOUT).context("flush")?;
        match sample
            .chunks(50)
            .try_for_each(|groups| export_holds(server, body, pushed, groups))
        {
            Err(error) if begin.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(200)),
            Ok(()) => return Ok(()),
        }
    }
}

fn export_holds(server: &Server, body: &Body, pushed: &Pushed, groups: &[u32]) -> Result<()> {
    let instances: Vec<String> = groups.iter().map(|&group| instance(group)).collect();
    // {instance=~"a|b"}, percent-encoded.
    let path = format!(
        "/api/v1/export?match%5B%5D={}%7Binstance%3D~%22{}%22%7D",
        body.probe,
        instances.join("%7C")
    );
    let answer = http::get(server.endpoint(), &path, SCRAPE_TIMEOUT)?;
    ensure!(
        answer.status == 200,
        "the export was answered with {}",
        answer.status
    );
    let mut newest: Vec<Newest> = groups.iter().map(|_| Newest::default()).collect();
    for line in answer
        .body
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let series: serde_json::Value = serde_json::from_slice(line).context("read the export")?;
        let name = series["metric"]["instance"].as_str().unwrap_or_default();
        let index = instances.iter().position(|instance| instance == name);
        let newest = index.and_then(|index| newest.get_mut(index));
        let newest = newest.with_context(|| format!("expected one of the groups, found `{name}`"))?;
        let (Some(values), Some(times)) = (series["values"].as_array(), series["timestamps"].as_array())
        else {
            bail!("expected values and timestamps in the export");
        };
        for (value, time) in values.iter().zip(times) {
            let value = value
                .as_f64()
                .and_then(value_of_sample)
                .context("expected a pushed value")?;
            newest.see(time.as_i64().unwrap_or(i64::MIN), value);
        }
    }
    for (group, newest) in groups.iter().zip(newest) {
        ensure!(
            newest.values.iter().any(|&value| pushed.allows(*group, value)),
            "group {group} has {:?}, which is not the last value that was acknowledged",
            newest.values
        );
    }
    Ok(())
}

/// The values of the latest millisecond of a series. Pushes within one millisecond have no order there.
#[derive(Debug, Default)]
struct Newest {
    time: i64,
    values: Vec<u32>,
}

impl Newest {
    fn see(&mut self, time: i64, value: u32) {
        if time > self.time {
            self.time = time;
            self.values.clear();
        }
        if time == self.time {
            self.values.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies;

    const TEXT: &[u8] = b"# TYPE batch_job_last_success_timestamp gauge\n\
        batch_job_last_success_timestamp{instance=\"worker-0000000\",job=\"j\"} 2.1e+06\n\
        batch_job_last_success_timestamp{instance=\"worker-0000001\",job=\"j\"} 2100007\n\
        push_time_seconds{instance=\"worker-0000000\",job=\"j\"} 1\n\
        process_cpu_seconds_total 7\n";

    fn pushed(values: &[u32]) -> Pushed {
        Pushed::of(values)
    }

    #[track_caller]
    fn wrong(values: &[u32]) -> String {
        exposition_holds(TEXT, &bodies::gauge(), &pushed(values))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_was_acknowledged_is_found() {
        exposition_holds(TEXT, &bodies::gauge(), &pushed(&[2_100_000, 2_100_007])).unwrap();
    }

    #[test]
    fn lost_pushes_groups_and_series_are_seen() {
        assert!(wrong(&[2_100_000, 2_100_008]).contains("group 1 has the value 2100007"));
        assert!(wrong(&[2_100_000]).contains("group 1 has the value"));
        assert_eq!(
            wrong(&[2_100_000, 2_100_007, 2_100_009]),
            "expected 3 groups, found 2"
        );
        let body = bodies::batch_job();
        let error = exposition_holds(TEXT, &body, &pushed(&[2_100_000, 2_100_007])).unwrap_err();
        assert_eq!(error.to_string(), "expected 26 series, found 2");
    }

    #[test]
    fn only_the_newest_values_of_an_export_count() {
        let mut newest = Newest::default();
        for (time, value) in [(5, 1), (7, 2), (6, 3), (7, 4)] {
            newest.see(time, value);
        }
        assert_eq!(newest.values, [2, 4]);
    }
}
