//! Alertmanager's API v2, as Prometheus uses it.

use serde_json::{Value, json};
use wharf_client::{Client, ClientError};
use wharf_gateway::{AlertError, AlertMessage, AlertSender};

use super::json::{ends_at, page_of, time};

/// An Alertmanager.
#[derive(Debug)]
pub(crate) struct ToAlertmanager {
    client: Client,
    path: String,
}

impl ToAlertmanager {
    /// The one that this client talks to, with the path of its alerts.
    pub(crate) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }
}

impl AlertSender for ToAlertmanager {
    fn send(&self, message: &AlertMessage) -> Result<(), AlertError> {
        let body = body(message).to_string().into_bytes();
        // What it does not understand it does not understand later either. All else can be set right there, a password too.
        super::send(&self.client, &self.path, body, |error: &ClientError| {
            !error.is_for_good()
        })
    }
}

fn body(message: &AlertMessage) -> Value {
    let alerts = message.alerts.iter().map(|alert| {
        json!({
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": time(alert.starts_at),
            "endsAt": time(ends_at(alert)),
            "generatorURL": page_of(&message.external_url, &alert.key),
        })
    });
    alerts.collect()
}
