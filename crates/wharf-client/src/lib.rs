//! Pushes the metrics of batch jobs to a Pushgateway: Wharf or the Pushgateway.
//!
//! Blocking, without a runtime. A push is one request; whoever wants it repeated says for how long ([`Retry`]).
//!
//! * [`Client`] talks to the gateway that a [`Target`] names: [`Client::push`], [`Client::delete`], and
//!   [`Client::send`] for every other route.
//! * [`Push`] is what is pushed, [`group_path`] the path of a group, [`ClientError`] what can go wrong.
//! * [`Settings`] find the gateway, the credentials and the certificates as the tools of `wharf` do: in the
//!   environment and in `client.yaml`.
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf_client::{Client, Counters, How, Push, Retry, Settings};
//! use wharf_model::GroupingKey;
//!
//! let client = Client::new(&Settings::from_process(None)?.target()?)?;
//! let push = Push {
//!     key: GroupingKey::new([("job", "backup"), ("instance", "db1")])?,
//!     how: How::ReplaceGroup,
//!     text: b"# TYPE backup_bytes gauge\nbackup_bytes 42\n".to_vec(),
//!     ttl: None,
//!     expect: None,
//!     counters: Counters::AsConfigured,
//! };
//! client.push_retrying(&push, Retry::within(Duration::from_secs(30)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::indexing_slicing, clippy::string_slice)]

mod address;
mod client;
mod error;
mod path;
mod push;
mod retry;
mod settings;
mod target;
mod tls;

pub use address::{Address, AddressError};
pub use client::{Answer, Client, Method, Opened, Request};
pub use error::ClientError;
pub use path::{group_path, percent_encode};
pub use push::{Counters, How, Push};
pub use retry::{Retry, Schedule};
pub use settings::{Settings, SettingsError};
pub use target::{Credentials, Identity, Secret, Target, TargetError, Tls};
