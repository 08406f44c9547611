//! The HTTP side of Wharf, and the only crate that knows HTTP: routes, negotiation, limits, status codes, the
//! JSON API. It speaks to the store through its public functions and knows nothing of its inside.
//!
//! ```text
//! listener -> connection (TLS, timeouts, limits) -> entry point (settings, rate) -> router -> rights -> handler -> response
//!                                                                                  |- push    grouping key, body, decoder, store
//!                                                                                  |- scrape  own metrics + snapshot -> encoder
//!                                                                                  |- api     snapshot, activity -> JSON
//!                                                                                  |- backup  snapshot -> lines, lines -> store
//!                                                                                  '- page    static files
//! ```

mod answer;
mod dispatch;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod request;
mod routes;
mod serve;
mod service;
mod settings;
mod transport;
mod workers;

pub use request::pushed;
pub use routes::backup;
pub use serve::serve;
pub use service::{BuildInformation, Service, Status};
pub use settings::external_url::ExternalUrl;
pub use settings::prefix::Prefix;
pub use settings::routes::Routes;
pub use settings::{BodySettings, ConnectionRoom, HttpSettings, RequestLimits, RequestTimeouts};
pub use transport::access::{Access, AccessControl, AccessSource, Fixed, RateLimit};
pub use transport::entry_point::EntryPoint;
pub use transport::purpose::Purpose;
pub use transport::socket::Listener;
pub use transport::tls;
