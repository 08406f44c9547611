//! Development only: what the tests of a gateway are made of.
//!
//! - [`Gateway`] runs a gateway in a process of its own, the real Pushgateway or Wharf, and stops it with the
//!   test; [`peers`] finds the real one and the other programs that judge us.
//! - [`http`] is a client that sends exactly the bytes it is told to, [`body`] and [`protobuf`] build the bodies.
//! - [`hostile`] has bodies that take much memory when they are read, [`gob`] builds state files of the Pushgateway.
//! - [`Scrape`] reads the text format on its own, and [`schema`] the protobuf format, so that Wharf's encoders are not
//!   judged by Wharf's decoders.
//! - [`Tampering`] makes the system calls of a running process fail, or wait.
//! - [`Etcd`] is a cluster of etcd whose members can be killed, paused, cut off from each other and filled.
//! - [`Link`] is the network between two processes, [`ServiceAddress`] one address for several.
//! - [`LedClock`] leads the clock of a gateway.
//! - [`Browser`] is a real browser, for what its readers do with the page.
//! - [`contract`] is the language in which the tests say what a gateway answers, once for both gateways.
//!
//! Everything here fails the test that uses it by a panic with a message made for a person.

#![expect(clippy::panic, reason = "a helper of tests fails the test")]
#![allow(
    clippy::missing_panics_doc,
    reason = "said once, in the documentation of the crate"
)]

mod alertmanager;
pub mod body;
mod browser;
mod certificates;
mod collector;
mod contents;
pub mod contract;
mod etcd;
mod gateway;
pub mod gob;
pub mod hostile;
pub mod http;
mod led_clock;
mod links;
pub mod otlp;
mod owners;
pub mod peers;
mod process;
mod prometheus;
pub mod protobuf;
mod query;
mod random;
mod receiver;
pub mod schema;
mod scrape;
mod service;
mod tampering;
mod victoria_metrics;
mod wait;

pub use alertmanager::{Alertmanager, JsonReceiver};
pub use browser::Browser;
pub use certificates::{Authority, Certificate};
pub use collector::Collector;
pub use contents::same_contents;
pub use etcd::Etcd;
pub use gateway::{Gateway, Kind, Spawn};
pub use led_clock::LedClock;
pub use links::{Link, LinkMode};
pub use process::{Exit, Limit, Process};
pub use prometheus::Prometheus;
pub use query::{Answer, Querier};
pub use random::Random;
pub use receiver::Requests;
pub use scrape::{Family, Sample, Scrape, ScrapeError};
pub use service::ServiceAddress;
pub use tampering::Tampering;
pub use victoria_metrics::VictoriaMetrics;
pub use wait::{DEADLINE, until};
