//! The HTTP side of Wharf, and the only crate that knows HTTP: routes, negotiation, limits, status codes, the
//! JSON API. It speaks to the store through its public functions and knows nothing of its inside.
//!
//! ```text
//! listener -> connection (TLS, timeouts, limits) -> front (credentials, rate) -> router -> handler -> response
//!                                                                                  |- push    grouping key, body, decoder, store
//!                                                                                  |- scrape  own metrics + snapshot -> encoder
//!                                                                                  |- api     snapshot, activity -> JSON
//!                                                                                  '- page    static files
//! ```

mod access;
mod activity;
mod api;
mod auth;
mod body;
mod bounds;
mod chunks;
mod connection;
mod content;
mod description;
mod error;
mod events;
mod families;
mod gateway;
mod group;
mod grouping;
mod groups;
mod json;
mod limits;
mod negotiate;
mod options;
mod page;
mod path;
mod policy;
mod push;
mod query;
mod rate;
mod respond;
mod rights;
mod router;
mod scrape;
mod server;
mod stats;
mod stream;
pub mod telemetry;
pub mod tls;

pub use access::{Access, AccessSource, Fixed, Front, RateLimit};
pub use auth::{HashError, NoRandomness, PasswordHash, Users};
pub use gateway::{BuildInformation, Gateway, Settings, Status};
pub use limits::PushLimits;
pub use policy::{ExpiryRule, Lifespan, Loader, Policy, QuotaRule, ReloadError};
pub use rate::Rate;
pub use server::{Shutdown, serve};
