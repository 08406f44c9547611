//! Webhooks in Alertmanager's format, version 4.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharf_client::{Client, ClientError};
use wharf_gateway::{Alert, AlertError, AlertMessage, AlertSender};

use super::json::{fingerprint, page_of, time};

/// What Go says of a time that is not known: an alert that fires has no end yet.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Somebody who takes webhooks.
#[derive(Debug)]
pub(crate) struct ToWebhook {
    client: Client,
    path: String,
}

impl ToWebhook {
    /// The one that this client talks to, with path and query.
    pub(crate) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }
}

impl AlertSender for ToWebhook {
    fn send(&self, message: &AlertMessage) -> Result<(), AlertError> {
        let body = body(message).to_string().into_bytes();
        let sent = super::send(&self.client, &self.path, body, may_help);
        // Its address is the operator's alone, and errors are shown to others as well.
        let address = self.client.address().as_str();
        sent.map_err(|error| AlertError {
            text: without_path(&error.text.replace(address, "the webhook"), &self.path),
            ..error
        })
    }
}

/// A receiver may repeat the path in its answer, which may be all that it asks for as a password.
fn without_path(text: &str, path: &str) -> String {
    let alone = path.split('?').next().unwrap_or_default();
    let parts = [path, alone].into_iter().filter(|part| part.len() > 1);
    parts.fold(text.to_owned(), |text, part| text.replace(part, "/..."))
}

/// As Alertmanager decides it.
fn may_help(error: &ClientError) -> bool {
    match error.status() {
        Some(status) => matches!(status, 408 | 429 | 500..),
        None => error.is_transient(),
    }
}

fn body(message: &AlertMessage) -> Value {
    let alerts = &message.alerts;
    let fires = alerts.iter().any(|alert| alert.resolved_at.is_none());
    let together = message.together.as_ref();
    let labels = together.map(|together| &together.labels);
    json!({
        "version": "4",
        "receiver": together.map_or("", |together| together.receiver.as_str()),
        "status": status(fires),
        "alerts": alerts.iter().map(|alert| one(alert, &message.external_url)).collect::<Value>(),
        "groupLabels": labels,
        "commonLabels": common(alerts, |alert| &alert.labels),
        "commonAnnotations": common(alerts, |alert| &alert.annotations),
        "externalURL": message.external_url,
        "groupKey": format!("{{}}:{{{}}}", labels.map(pairs).unwrap_or_default()),
        "truncatedAlerts": together.map_or(0, |together| together.truncated),
    })
}

fn status(fires: bool) -> &'static str {
    if fires { "firing" } else { "resolved" }
}

fn one(alert: &Alert, external_url: &str) -> Value {
    json!({
        "status": status(alert.resolved_at.is_none()),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": time(alert.starts_at),
        "endsAt": alert.resolved_at.map_or_else(|| NO_TIME.to_owned(), time),
        "generatorURL": page_of(external_url, &alert.key),
        "fingerprint": fingerprint(&alert.labels),
    })
}

fn pairs(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// What all of them have.
fn common(alerts: &[Alert], of: impl Fn(&Alert) -> &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Some((first, others)) = alerts.split_first() else {
        return BTreeMap::new();
    };
    let mut common = of(first).clone();
    for other in others {
        common.retain(|name, value| of(other).get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_path_does_not_show_it() {
        let text = "404: Cannot POST /services/T0/SECRET";
        for path in ["/services/T0/SECRET", "/services/T0/SECRET?token=x"] {
            assert_eq!(without_path(text, path), "404: Cannot POST /...");
        }
        assert_eq!(without_path("no / here", "/"), "no / here");
    }
}
