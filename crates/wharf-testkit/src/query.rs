//! Asking a scraper what it has seen, by the HTTP API of Prometheus, which others have too.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::Process;
use crate::http::{Connection, get};
use crate::wait::until;

/// A running program that answers queries, killed when it goes out of scope.
#[derive(Debug)]
pub struct Querier {
    process: Process,
    address: SocketAddr,
}

/// One series of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All labels, the name among them.
    pub labels: BTreeMap<String, String>,
    /// The value as the program prints it.
    pub value: String,
}

impl Querier {
    /// The started process and where it listens.
    pub(crate) fn new(mut process: Process) -> Self {
        let address = process
            .listening(1)
            .first()
            .copied()
            .expect("at least one address");
        Self { process, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn into_process(self) -> Process {
        self.process
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

    /// The body of `GET target`, which is JSON.
    #[track_caller]
    pub fn ask(&self, target: &str) -> Value {
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

/// For a query string.
pub(crate) fn percent_encoded(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}
