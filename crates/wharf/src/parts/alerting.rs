//! Telling others which groups are overdue.

mod alertmanager;
mod json;
mod webhook;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wharf_client::{Client, ClientError, Method, Request};
use wharf_gateway::{AlertDispatcher, AlertError, Gateway, Part, Parts, Started};

pub(crate) use self::alertmanager::ToAlertmanager;
pub(crate) use self::webhook::ToWebhook;

/// How often it is seen to that all are told.
const PAUSE: Duration = Duration::from_millis(250);
/// And while messages are on their way: another one may have to follow.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// The end of the process does not wait for receivers: Alertmanager hears the same again after a start.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Receivers have little to say.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Starts it, on a thread that waits for no receiver. `watching` is the part that finds out which groups are overdue.
pub(crate) fn start(parts: &mut Parts, gateway: Arc<Gateway>, watching: Started) -> io::Result<Started> {
    let part = Part::new("alerting").after(watching).ends_within(END_LIMIT);
    parts.thread(part, move |life| {
        life.ready();
        let mut dispatcher = AlertDispatcher::new(gateway);
        let mut pause = PAUSE;
        while life.turn(pause) {
            dispatcher.turn();
            pause = if dispatcher.is_busy() { BUSY_PAUSE } else { PAUSE };
        }
        Ok(())
    })
}

/// Sends JSON. `may_help` says of which errors it is worth to try again.
fn send(
    client: &Client,
    path: &str,
    body: Vec<u8>,
    may_help: impl Fn(&ClientError) -> bool,
) -> Result<(), AlertError> {
    let request = Request {
        headers: vec![("Content-Type", "application/json".to_owned())],
        body,
        takes_pages: true,
        max_answer_bytes: MAX_ANSWER_BYTES,
        ..Request::new(Method::Post, path)
    };
    client.send(&request).map(drop).map_err(|error| AlertError {
        is_transient: may_help(&error),
        retry_after: error.retry_after(),
        text: in_words(&error),
    })
}

/// The errors of the client are about gateways.
fn in_words(error: &ClientError) -> String {
    let text = error.to_string();
    text.replacen("the gateway answered", "the receiver answered", 1)
}
