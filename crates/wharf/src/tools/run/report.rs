//! What a run says about itself. `docs/jobs.md` lists the same metrics for readers.

use std::fmt::Write as _;

use super::job::Ending;
use crate::tools::families::{Families, FamiliesError, Format};

/// The metrics of one run, as text.
#[derive(Debug, Clone)]
pub(super) struct Report<'a> {
    prefix: &'a str,
    text: String,
}

/// Seconds since the Unix epoch.
pub(super) type Seconds = f64;

impl<'a> Report<'a> {
    /// A report whose metrics have names that begin with `prefix`.
    pub(super) fn new(prefix: &'a str) -> Self {
        Self {
            prefix,
            text: String::new(),
        }
    }

    /// What is known from the start on.
    pub(super) fn started(&mut self, at: Seconds) {
        self.gauge("start_timestamp_seconds", "When the last run began.", at);
    }

    /// What changes while the job runs.
    pub(super) fn running(&mut self, now: Seconds) {
        self.gauge("running", RUNNING, 1.0);
        self.gauge(
            "heartbeat_timestamp_seconds",
            "When the run last said that it goes on.",
            now,
        );
    }

    /// What is known at the end.
    pub(super) fn ended(&mut self, at: Seconds, duration: Seconds, ending: &Ending) {
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        let success = ending.code == 0;
        self.gauge("running", RUNNING, 0.0);
        self.gauge("end_timestamp_seconds", "When the last run ended.", at);
        self.gauge("duration_seconds", "How long the last run took.", duration);
        self.gauge(
            "exit_code",
            "Exit code of the last run; 128 and the number of the signal if one ended it.",
            f64::from(ending.code),
        );
        self.gauge(
            "success",
            "Whether the last run ended with exit code 0.",
            flag(success),
        );
        self.gauge(
            "timed_out",
            "Whether the last run was ended because it took too long.",
            flag(ending.timed_out),
        );
        if success {
            // Left out otherwise: what an earlier run pushed stays.
            self.gauge(
                "last_success_timestamp_seconds",
                "When a run last ended with exit code 0.",
                at,
            );
        }
        if let Some(used) = &ending.used {
            self.header("cpu_seconds", "Processor time of the last run by mode.");
            self.sample("cpu_seconds{mode=\"system\"}", used.system_seconds);
            self.sample("cpu_seconds{mode=\"user\"}", used.user_seconds);
            if let Some(bytes) = used.max_resident_bytes {
                self.gauge(
                    "max_resident_memory_bytes",
                    "The most memory that one process of the last run had.",
                    as_f64(bytes),
                );
            }
            self.gauge(
                "storage_read_bytes",
                "What the last run read from storage, caches not counted.",
                as_f64(used.read_bytes),
            );
            self.gauge(
                "storage_written_bytes",
                "What the last run wrote to storage.",
                as_f64(used.written_bytes),
            );
        }
    }

    /// Whether the metrics that the job wrote could be used.
    pub(super) fn accepted(&mut self, accepted: bool) {
        self.gauge(
            "metrics_accepted",
            "Whether all metrics that the last run wrote itself could be pushed.",
            if accepted { 1.0 } else { 0.0 },
        );
    }

    /// The families.
    ///
    /// # Errors
    /// If the prefix makes names that are none.
    pub(super) fn families(&self) -> Result<Families, FamiliesError> {
        Families::read(self.text.as_bytes(), Format::Text)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.header(name, help);
        self.sample(name, value);
    }

    fn header(&mut self, name: &str, help: &str) {
        let prefix = self.prefix;
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            self.text,
            "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} gauge"
        );
    }

    fn sample(&mut self, series: &str, value: f64) {
        let _infallible = writeln!(self.text, "{}{series} {value}", self.prefix);
    }
}

const RUNNING: &str = "Whether the job runs, as far as the last push knows.";

#[expect(clippy::cast_precision_loss, reason = "a petabyte more or less")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
