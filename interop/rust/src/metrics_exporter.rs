//! The crate `metrics` with the exporter `metrics-exporter-prometheus`, which pushes again and again while the program
//! runs: text without a content type, to a URL that the user has written whole. Failures are only logged.

use std::fmt::{Debug, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use metrics::with_local_recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::runtime::Runtime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::step;

/// What the exporter has logged.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The job as it looks with `metrics`: a histogram without buckets becomes a summary.
fn batch_job() {
    metrics::describe_gauge!("exporter_duration_seconds", "How long the job took");
    metrics::gauge!("exporter_duration_seconds").set(12.5);
    metrics::counter!("exporter_records_processed_total", "status" => "success").increment(990);
    metrics::counter!("exporter_records_processed_total", "status" => "error").increment(10);
    (0..100).for_each(|_| metrics::histogram!("exporter_record_processing_seconds").record(0.003));
    metrics::histogram!("exporter_step_seconds").record(0.25);
}

fn wrong_type() {
    metrics::counter!("exporter_duration_seconds").increment(12);
}

/// Lets the exporter work until the gateway has the group, or until it has logged an error.
fn push(url: &str, password: Option<&str>, post: bool, record: fn()) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let user = password.map(|_| "batch".to_owned());
    let (recorder, exporter) = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("exporter_record".to_owned()), &[0.001, 0.005, 0.01])
        .and_then(|builder| {
            let interval = Duration::from_millis(20);
            builder.with_push_gateway(url, interval, user, password.map(str::to_owned), post)
        })
        .and_then(|builder| {
            let _inside = runtime.enter();
            builder.build()
        })
        .map_err(|error| error.to_string())?;
    with_local_recorder(&recorder, record);
    runtime.spawn(exporter);
    let outcome = loop {
        if let Some(message) = LOG.lock().unwrap().pop() {
            break Err(message);
        }
        if is_there(url, password) {
            break Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    runtime.shutdown_timeout(Duration::from_secs(60));
    LOG.lock().unwrap().clear();
    outcome
}

/// Whether the gateway lists the job that the URL ends with.
fn is_there(url: &str, password: Option<&str>) -> bool {
    let (gateway, job) = url.split_once("/metrics/job/").unwrap();
    let request = reqwest::blocking::Client::new().get(format!("{gateway}/metrics")).basic_auth("batch", password);
    let scrape = request.send().and_then(|response| response.text()).unwrap();
    scrape.contains(&format!("exporter_duration_seconds{{instance=\"\",job=\"{job}\"}}"))
}

pub fn run(gateway: &str, locked: &str) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    tracing::subscriber::set_global_default(ErrorLog).unwrap();
    let [open, locked] = [gateway, locked].map(|gateway| format!("{gateway}/metrics/job"));
    step("exporter, replace", push(&format!("{open}/exporter_replaced"), None, false, batch_job));
    step("exporter, add", push(&format!("{open}/exporter_added"), None, true, batch_job));
    step("exporter, auth", push(&format!("{locked}/exporter_auth"), Some("s3cret"), false, batch_job));
    step("exporter, wrong password", push(&format!("{locked}/exporter_refused"), Some("secret"), false, batch_job));
    step("exporter, refused", push(&format!("{open}/exporter_refused"), None, false, wrong_type));
}

/// Keeps what the exporter logs as errors.
struct ErrorLog;

impl Subscriber for ErrorLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        LOG.lock().unwrap().push(text.0.trim_end().to_owned());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
