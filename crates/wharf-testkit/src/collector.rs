//! A collector of `OpenTelemetry` that scrapes gateways.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Process, peers};

/// A running collector, killed when it goes out of scope.
#[derive(Debug)]
pub struct Collector {
    _process: Process,
    output: PathBuf,
}

impl Collector {
    /// Starts a collector whose Prometheus receiver has a configuration of that text, as one has it in a file of
    /// Prometheus. `None` if it is not there and not required.
    #[track_caller]
    pub fn start(config: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("create a folder for the configuration");
        let file = folder.path().join("collector.yml");
        let config = config.trim_end().replace('\n', "\n      ");
        let config = format!(
            "receivers:\n  prometheus:\n    config:\n      {config}\n\
             exporters:\n  file: {{path: output.json}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
               pipelines:\n    metrics: {{receivers: [prometheus], exporters: [file]}}\n"
        );
        std::fs::write(&file, config).expect("write the configuration");
        let mut command = Command::new(peers::collector()?);
        command
            .arg(format!("--config={}", file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Process::start(command);
        // From here on the configuration has been read.
        process.log_line("Everything is ready");
        let output = process.folder().join("output.json");
        Some(Self {
            _process: process,
            output,
        })
    }

    /// What it has sent on so far: a message for each scrape, in the JSON of the OpenTelemetry protocol.
    pub fn messages(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        // The last line may be half written.
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}
