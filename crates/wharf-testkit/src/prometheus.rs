//! A real Prometheus that scrapes a gateway: the reader for whom everything is done.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::http::{Connection, get};
use crate::wait::until;
use crate::{Process, peers};

/// A running Prometheus with one scrape target, killed when it goes out of scope.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    address: SocketAddr,
}

/// One series of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All labels, the name among them.
    pub labels: BTreeMap<String, String>,
    /// The value as Prometheus prints it.
    pub value: String,
}

impl Prometheus {
    /// Starts Prometheus with `target` as its only target, scraped each second the way a gateway has to be:
    /// with the labels of the pushes honoured. `None` if there is no Prometheus and none is required.
    #[track_caller]
    pub fn scraping(target: SocketAddr) -> Option<Self> {
        Self::relabelling(&[(target, "[]".to_owned())])
    }

    /// As [`Self::scraping`], with several targets, and rules (a list in YAML, on one line) for what is scraped from
    /// each.
    #[track_caller]
    pub fn relabelling(targets: &[(SocketAddr, String)]) -> Option<Self> {
        let jobs = targets.iter().enumerate().map(|(at, (target, rules))| {
            format!(
                "- job_name: gateway-{at}\n  \
                   honor_labels: true\n  \
                   metric_relabel_configs: {rules}\n  \
                   static_configs: [{{targets: ['{target}']}}]\n"
            )
        });
        let jobs: String = jobs.collect();
        let config = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
        let folder = tempfile::tempdir().expect("create a folder for the configuration");
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("write the configuration");
        let mut command = Command::new(peers::prometheus()?);
        command
            .arg(format!("--config.file={}", file.display()))
            .args(["--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            .arg("--enable-feature=native-histograms")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = Process::start(command);
        let address = process
            .listening(1)
            .first()
            .copied()
            .expect("at least one address");
        // From here on the configuration has been read.
        process.log_line("Server is ready to receive web requests");
        Some(Self { process, address })
    }

    /// The result of an instant query.
    #[track_caller]
    pub fn query(&self, promql: &str) -> Vec<Answer> {
        let answer = self.ask(&format!("/api/v1/query?query={}", percent_encoded(promql)));
        assert_eq!(answer["status"], "success", "{promql}: {answer}");
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        result
            .iter()
            .map(|series| Answer {
                labels: labels(&series["metric"]),
                value: value(series),
            })
            .collect()
    }

    /// Waits until the query answers with exactly one series and returns it.
    #[track_caller]
    pub fn one(&self, promql: &str) -> Answer {
        until(&format!("one series of `{promql}`"), || {
            let mut answers = self.query(promql);
            let only = answers.pop()?;
            answers.is_empty().then_some(only)
        })
    }

    /// The state of the target: `up` or `down`, and the error of the last scrape.
    #[track_caller]
    pub fn target(&self) -> (String, String) {
        let answer = self.ask("/api/v1/targets");
        let target = &answer["data"]["activeTargets"][0];
        let text = |key| target[key].as_str().unwrap_or_default().to_owned();
        (text("health"), text("lastError"))
    }

    #[track_caller]
    fn ask(&self, target: &str) -> Value {
        let answer = Connection::open(self.address).and_then(|mut connection| connection.send(&get(target)));
        match answer {
            Ok(response) => response.json(),
            Err(error) => panic!("{target}: {error}\n{}", self.process.log()),
        }
    }
}

fn labels(metric: &Value) -> BTreeMap<String, String> {
    let labels = metric.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// The value of a series, or the whole of a native histogram.
fn value(series: &Value) -> String {
    match series["value"][1].as_str() {
        Some(value) => value.to_owned(),
        None => series["histogram"][1].to_string(),
    }
}

fn percent_encoded(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}
