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

mod activity;
mod ahead;
mod answer;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod request;
mod routes;
pub mod telemetry;
mod transport;
mod workers;

pub use gateway::{BuildInformation, Gateway, NotDurable, Settings, Status};
pub use request::origin::Origins;
pub use routes::backup;
pub use transport::access::{Access, AccessSource, Condition, Fixed, Front, RateLimit};
pub use transport::door::{Door, Purpose};
pub use transport::server::serve;
pub use transport::socket::Listener;
pub use transport::tls;
