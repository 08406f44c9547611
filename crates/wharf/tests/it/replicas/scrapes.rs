//! What Prometheus has of replicas, in each of the ways in which it may scrape them.

use std::net::SocketAddr;

use wharf_testkit::peers::PrometheusVersion;
use wharf_testkit::{Etcd, Gateway, Prometheus, ServiceAddress, until};

use super::{QUICK, agreed, replica};
use crate::loaded;

/// The pushed series that all of them are asked for.
const PUSHED: &str = "tries{job=\"nightly\"}";

/// Two replicas that have it.
fn two(etcd: &Etcd) -> [Gateway; 2] {
    let both = ["a", "b"].map(|name| loaded(replica(etcd, name)));
    both[0].replace("/metrics/job/nightly", "# TYPE tries counter\ntries 3\n");
    agreed(&[&both[0], &both[1]]);
    both
}

fn end(mut gateway: Gateway) {
    gateway.kill();
    gateway.wait();
}

/// A job of one target: its name, where it is, and more lines.
fn job((name, target): (&str, SocketAddr), more: &str) -> String {
    format!("- job_name: {name}\n  honor_labels: true\n  static_configs: [{{targets: ['{target}']}}]\n{more}")
}

#[track_caller]
fn prometheus(jobs: &[String]) -> Option<Prometheus> {
    let jobs = jobs.concat();
    let config = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
    Prometheus::start(PrometheusVersion::V3, &config, &[])
}

/// Whether the target of a job is up, once that is so.
#[track_caller]
fn until_up(prometheus: &Prometheus, job: &str, value: &str) {
    until(&format!("up of {job} to be {value}"), || {
        let up = prometheus.query(&format!("up{{job=\"{job}\"}}"));
        (up.len() == 1 && up[0].value == value).then_some(())
    });
}

#[track_caller]
fn until_gone(prometheus: &Prometheus) {
    until("the end of a series", || {
        prometheus.query(PUSHED).is_empty().then_some(())
    });
}

#[test]
fn of_two_prometheus_with_a_replica_each_one_goes_on_when_the_others_replica_goes() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let [a, b] = two(&etcd);
    let [first, second] = [&a, &b].map(|gateway| prometheus(&[job(("gateway", gateway.address()), "")]));
    let (Some(first), Some(second)) = (first, second) else {
        return;
    };
    let (one, other) = (first.one(PUSHED), second.one(PUSHED));
    assert_eq!(
        one.labels, other.labels,
        "labels do not tell by which replica they came"
    );
    assert_eq!((&*one.value, &*other.value), ("3", "3"));
    end(a);
    until_up(&first, "gateway", "0");
    until_gone(&first);
    until_up(&second, "gateway", "1");
    assert_eq!(second.one(PUSHED).value, "3");
}

#[test]
fn behind_one_address_prometheus_stays_with_a_replica_and_goes_to_the_next_when_that_ends() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let [a, b] = two(&etcd);
    let service = ServiceAddress::of(vec![a.address(), b.address()]);
    let jobs = [job(("gateway", service.address()), "")];
    let Some(prometheus) = prometheus(&jobs) else {
        return;
    };
    assert_eq!(prometheus.one(PUSHED).value, "3");
    // The own metrics carry the address of all, whichever replica they are of.
    let started = "process_start_time_seconds{job=\"gateway\"}";
    let first = prometheus.one(started);
    assert_eq!(first.labels["instance"], service.address().to_string());
    until("scrapes that all came to one replica", || {
        let scrapes = prometheus.one(&format!("count_over_time({started}[1m])"));
        (scrapes.value.parse::<f64>().ok()? >= 3.0).then_some(())
    });
    let changes = format!("changes({started}[1m])");
    assert_eq!(prometheus.one(&changes).value, "0", "a connection is kept");
    // The first connection went to the first replica.
    end(a);
    let other = until("the own metrics of another replica", || {
        let found = prometheus.query(started).pop()?;
        (found.value != first.value).then_some(found)
    });
    assert_eq!(other.labels, first.labels, "nothing tells that it is another one");
    until_up(&prometheus, "gateway", "1");
    assert_eq!(prometheus.one(PUSHED).value, "3");
    drop(b);
}

#[test]
fn one_prometheus_takes_pushed_series_from_one_address_and_own_metrics_from_each_replica() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let [a, b] = two(&etcd);
    let service = ServiceAddress::of(vec![a.address(), b.address()]);
    // As the documentation has it.
    let targets = format!("['{}', '{}']", a.address(), b.address());
    let own = format!(
        "- job_name: wharf\n  static_configs: [{{targets: {targets}}}]\n  metric_relabel_configs:\n    \
         - {{source_labels: [__name__], regex: (wharf|pushgateway|process)_.+, action: keep}}\n"
    );
    let Some(prometheus) = prometheus(&[job(("gateway", service.address()), ""), own]) else {
        return;
    };
    assert_eq!(prometheus.one(PUSHED).value, "3");
    until("both replicas", || {
        let up = prometheus.query("up{job=\"wharf\"} == 1");
        (up.len() == 2).then_some(())
    });
    until("the own metrics of both", || {
        (prometheus.query("wharf_replicas{job=\"wharf\"}").len() == 2).then_some(())
    });
    assert_eq!(
        prometheus.query("{__name__=\"tries\"}").len(),
        1,
        "pushed series come once"
    );
    end(b);
    until("a replica that is down", || {
        let down = prometheus.query("up{job=\"wharf\"} == 0");
        (down.len() == 1).then_some(())
    });
    until_up(&prometheus, "gateway", "1");
    assert_eq!(prometheus.one(PUSHED).value, "3");
}

#[test]
fn where_one_prometheus_takes_everything_from_each_replica_the_end_of_one_ends_the_series_of_all() {
    let Some(etcd) = Etcd::start(1, QUICK) else { return };
    let [a, b] = two(&etcd);
    // The other one is asked rarely, so that what happens in between is seen.
    let jobs = [
        job(("often", a.address()), ""),
        job(("rarely", b.address()), "  scrape_interval: 10s\n"),
    ];
    let Some(prometheus) = prometheus(&jobs) else {
        return;
    };
    until_up(&prometheus, "rarely", "1");
    until_up(&prometheus, "often", "1");
    // Both have the same labels, so it is one series.
    assert_eq!(prometheus.one(PUSHED).value, "3");
    end(a);
    until_up(&prometheus, "often", "0");
    // Prometheus marks what it had of that target as gone, also for those who have it still.
    until_gone(&prometheus);
    until_up(&prometheus, "rarely", "1");
    until("the next scrape of the other one", || {
        (!prometheus.query(PUSHED).is_empty()).then_some(())
    });
}
