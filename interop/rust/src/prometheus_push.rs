//! The crate `prometheus`: protobuf, no escaping of names, and a refusal's words are not shown.

use std::collections::HashMap;

use prometheus::proto::MetricFamily;
use prometheus::{
    BasicAuthentication, Counter, CounterVec, Gauge, Histogram, HistogramOpts, Opts, Registry, labels,
    push_add_collector, push_add_metrics, push_collector, push_metrics,
};

use crate::step;

/// What a run of the job has measured.
fn batch_job() -> Vec<MetricFamily> {
    let registry = Registry::new();
    let duration = Gauge::new("batch_job_duration_seconds", "How long the job took").unwrap();
    duration.set(12.5);
    let records = Opts::new("batch_job_records_processed_total", "Records by outcome");
    let records = CounterVec::new(records, &["status"]).unwrap();
    records.with_label_values(&["success"]).inc_by(990.0);
    records.with_label_values(&["error"]).inc_by(10.0);
    let processing = HistogramOpts::new("batch_job_record_processing_seconds", "How long a record took")
        .buckets(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5]);
    let processing = Histogram::with_opts(processing).unwrap();
    (0..100).for_each(|_| processing.observe(0.003));
    (0..10).for_each(|_| processing.observe(0.02));
    let success = Gauge::new("batch_job_last_success_timestamp", "When the job succeeded last").unwrap();
    success.set(1.6e9);
    registry.register(Box::new(duration)).unwrap();
    registry.register(Box::new(records)).unwrap();
    registry.register(Box::new(processing)).unwrap();
    registry.register(Box::new(success)).unwrap();
    registry.gather()
}

fn duration_only(seconds: f64) -> Box<Gauge> {
    let duration = Gauge::new("batch_job_duration_seconds", "How long the job took").unwrap();
    duration.set(seconds);
    Box::new(duration)
}

fn with_timestamp() -> Vec<MetricFamily> {
    let mut families = batch_job();
    for metric in families.iter_mut().flat_map(MetricFamily::mut_metric) {
        metric.set_timestamp_ms(1_600_000_000_000);
    }
    families
}

fn user(password: &str) -> Option<BasicAuthentication> {
    Some(BasicAuthentication {
        username: "batch".to_owned(),
        password: password.to_owned(),
    })
}

pub fn run(gateway: &str, locked: &str) {
    let none: fn() -> HashMap<String, String> = HashMap::new;
    let instance = labels! { "instance".to_owned() => "worker-1".to_owned() };
    step("replace", push_metrics("daily_report_job", instance, gateway, batch_job(), None));
    step("replace twice, first", push_metrics("twice", none(), gateway, batch_job(), None));
    step("replace twice, second", push_collector("twice", none(), gateway, vec![duration_only(1.0)], None));
    step("add, first", push_add_metrics("added", none(), gateway, batch_job(), None));
    step("add, second", push_add_collector("added", none(), gateway, vec![duration_only(13.0)], None));
    step("an address alone", push_metrics("address", none(), &gateway.replace("http://", ""), batch_job(), None));

    for value in ["a/b", "a b", "", "ü", "日本", "a+b%2F", "="] {
        step(&format!("job {value}"), push_metrics(value, none(), gateway, batch_job(), None));
        let name = labels! { "name".to_owned() => value.to_owned() };
        step(&format!("label {value}"), push_metrics("names", name, gateway, batch_job(), None));
    }
    step("nothing at all", push_metrics("nothing", none(), gateway, Vec::new(), None));

    step("auth", push_metrics("auth", none(), locked, batch_job(), user("s3cret")));
    step("auth, wrong password", push_metrics("auth", none(), locked, batch_job(), user("secret")));
    step("auth, none", push_metrics("auth", none(), locked, batch_job(), None));

    step("refused, a timestamp", push_metrics("refused_timestamp", none(), gateway, with_timestamp(), None));
    let clash = Counter::new("batch_job_duration_seconds", "How long the job took").unwrap();
    step("refused, another type", push_collector("refused_type", none(), gateway, vec![Box::new(clash)], None));
}
