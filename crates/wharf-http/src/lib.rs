//! The HTTP side of Wharf, and the only crate that knows HTTP: routes, negotiation, limits, status codes, the
//! JSON API. It speaks to the store through its public functions and knows nothing of its inside.
//!
//! ```text
//! listener -> connection (TLS, timeouts, limits) -> door (settings, rate) -> router -> rights -> handler -> response
//!                                                                                  |- push    grouping key, body, decoder, store
//!                                                                                  |- scrape  own metrics + snapshot -> encoder
//!                                                                                  |- api     snapshot, activity -> JSON
//!                                                                                  |- backup  snapshot -> lines, lines -> store
//!                                                                                  '- page    static files
//! ```

mod access;
mod activity;
mod advice;
mod ahead;
mod api;
mod auth;
pub mod backup;
mod body;
mod bounds;
mod chunks;
mod client;
mod connection;
mod content;
mod description;
mod door;
mod error;
mod events;
mod families;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod group;
mod grouping;
mod groups;
mod json;
mod limits;
mod negotiate;
mod options;
mod origin;
mod page;
mod path;
mod peer;
mod places;
mod policy;
mod problems;
mod progress;
mod push;
mod query;
mod rate;
mod respond;
mod rights;
mod room;
mod router;
mod scrape;
mod server;
mod shape;
mod socket;
mod stats;
mod stream;
mod targets;
pub mod telemetry;
pub mod tls;
mod visitor;
mod watched;

pub use access::{Access, AccessSource, Condition, Fixed, Front, RateLimit};
pub use auth::{HashError, NoRandomness, PasswordHash, TokenError, TokenHash, Users, random_token};
pub use door::{Door, Purpose};
pub use gateway::{BuildInformation, Gateway, NotDurable, Settings, Status};
pub use limits::PushLimits;
pub use origin::Origins;
pub use policy::{ExpiryRule, Lifespan, Loader, Policy, QuotaRule, ReloadError};
pub use rate::Rate;
pub use rights::{AccessRules, Right, Rights, Role, Scope};
pub use server::{Shutdown, serve};
pub use socket::Listener;
