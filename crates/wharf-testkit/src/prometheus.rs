//! A real Prometheus that scrapes gateways: the reader for whom everything is done.

use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Process;
use crate::peers::{self, PrometheusVersion};
use crate::query::{Querier, percent_encoded};

/// A running Prometheus, killed when it goes out of scope. It is asked as any [`Querier`].
#[derive(Debug)]
pub struct Prometheus {
    querier: Querier,
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
        let flags = ["--enable-feature=native-histograms"];
        Self::start(PrometheusVersion::V2_53, &config, &flags)
    }

    /// Starts Prometheus with a configuration file of that text. `None` if it is not there and not required.
    #[track_caller]
    pub fn start(version: PrometheusVersion, config: &str, flags: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("create a folder for the configuration");
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("write the configuration");
        let mut command = Command::new(peers::prometheus(version)?);
        command
            .arg(format!("--config.file={}", file.display()))
            .args(["--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let querier = Querier::new(Process::start(command));
        // From here on the configuration has been read.
        querier
            .process()
            .log_line("Server is ready to receive web requests");
        Some(Self { querier })
    }

    /// The state of the target: `up` or `down`, and the error of the last scrape.
    #[track_caller]
    pub fn target(&self) -> (String, String) {
        self.targets().swap_remove(0)
    }

    /// The state of each target: `up`, `down` or `unknown`, and the error of the last scrape.
    #[track_caller]
    pub fn targets(&self) -> Vec<(String, String)> {
        let answer = self.ask("/api/v1/targets");
        let targets = answer["data"]["activeTargets"].as_array();
        let text = |target: &Value, key| target[key].as_str().unwrap_or_default().to_owned();
        targets
            .into_iter()
            .flatten()
            .map(|target| (text(target, "health"), text(target, "lastError")))
            .collect()
    }

    /// Type, help and unit of each metric of the targets that `matcher` selects, as a list of objects.
    #[track_caller]
    pub fn metadata(&self, matcher: &str) -> Vec<Value> {
        let matcher = percent_encoded(matcher);
        let answer = self.ask(&format!("/api/v1/targets/metadata?match_target={matcher}"));
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// The exemplars of the series that `promql` selects, as a list of objects.
    #[track_caller]
    pub fn exemplars(&self, promql: &str) -> Vec<Value> {
        let promql = percent_encoded(promql);
        // All times there are.
        let answer = self.ask(&format!(
            "/api/v1/query_exemplars?query={promql}&start=0&end=1e10"
        ));
        assert_eq!(answer["status"], "success", "{promql}: {answer}");
        answer["data"].as_array().cloned().unwrap_or_default()
    }
}

impl Deref for Prometheus {
    type Target = Querier;

    fn deref(&self) -> &Querier {
        &self.querier
    }
}
