//! The `wharf` program as its users meet it: over HTTP, by its flags, behind Prometheus.
//!
//! Where the real Pushgateway, Prometheus or Prometheus' Python client take part, `cargo xtask test` brings them.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod access;
mod aggregate_listener;
mod aggregation;
mod alerting;
mod api;
mod audit;
mod backups;
mod badges;
mod browsers;
mod check;
mod connections;
mod contract;
mod counters;
mod differential;
mod documentation;
mod end_to_end;
mod groups;
mod hostile;
mod jobs;
mod ledger_backup;
mod ledger_restore;
mod ledger_show;
mod listeners;
mod memory;
mod missed;
mod openmetrics_reader;
mod operators;
mod process;
mod push_ids;
mod refusals;
mod releases;
mod replicas;
mod room;
mod rules;
mod scrapes;
mod sockets;
mod statsd;
mod storage;
mod strict_readers;
mod traces;
mod undo;
mod web_config;

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::http::{Request, get, open_from};
use wharf_testkit::{Gateway, Spawn, until};

/// The program under test.
const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Wharf, ready to be started.
fn wharf() -> Spawn {
    Spawn::wharf(WHARF)
}

/// Starts it, and waits until it has what it stored before.
fn loaded(spawn: Spawn) -> Gateway {
    let gateway = spawn.start();
    until("the stored groups", || {
        (gateway.send(&get("/-/ready")).status == 200).then_some(())
    });
    gateway
}

/// Sends what has to be refused.
#[track_caller]
fn refused(gateway: &Gateway, request: &Request, status: u16, text: &str) {
    let answer = gateway.send(request);
    assert_eq!(answer.status, status, "{request}: {}", answer.text());
    assert!(answer.text().starts_with(text), "{request}: {}", answer.text());
}

/// The jobs of a listing of groups.
fn jobs_of(listing: &Value) -> Vec<&str> {
    let groups = listing["groups"].as_array().unwrap().iter();
    groups
        .map(|group| group["labels"]["job"].as_str().unwrap())
        .collect()
}

/// A connection from another address than that of everybody else: 127.0.0.`last`.
fn open_elsewhere(gateway: &Gateway, last: u8) -> TcpStream {
    let stream = open_from(gateway.address(), last).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The real Pushgateway, if it is there, and Wharf.
fn gateways() -> impl Iterator<Item = Spawn> {
    Spawn::real().into_iter().chain([wharf()])
}
