//! What all handlers share: the gateway, the settings of the HTTP side, and its bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Semaphore;
use wharf_gateway::{Caller, Gateway, Permit, Places, Refusal, Shutdown};

use crate::request::origin::Origins;
use crate::request::received::Bodies;
use crate::routes::notices::NoticeTexts;
use crate::transport::progress::Timeouts;

/// What the flags decide about the HTTP side. Paths are checked and normalised by who makes them.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// In front of every route: empty, or with a slash in front and none behind.
    pub route_prefix: String,
    /// In front of the page's links, as users see the gateway: empty, or as above.
    pub external_prefix: String,
    /// The scrape path, with a slash in front.
    pub telemetry_path: String,
    /// Whether `/-/quit` ends the process.
    pub lifecycle: bool,
    /// Whether the text format is read as strictly as the Pushgateway reads it.
    pub strict_text: bool,
    /// The status of an accepted push: 200, or 202 for clients that know no other.
    pub success_status: StatusCode,
    /// Whether scrapers that prefer `OpenMetrics` get it.
    pub openmetrics: bool,
    /// Whose pages may ask for changes, and read answers.
    pub origins: Origins,
    /// Limit on a pushed body, as sent and expanded.
    pub max_body_bytes: usize,
    /// Limit on requests being served at once; more get 503.
    pub max_requests_in_flight: usize,
    /// Limit on scrapes, and on requests for all metrics as JSON, being rendered or sent at once; more get 503. So do those
    /// of a client that has half of them.
    pub max_scrapes_in_flight: usize,
    /// Limit on connections. For one more, the one gives way that has been idle for the longest time, if one is; others wait in the
    /// listener's queue.
    pub max_connections: usize,
    /// How many connections may be ending, beside those.
    pub max_ending: usize,
    /// For a request's head, from its first byte on.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For a connection without a request; none: for ever.
    pub idle_timeout: Option<Duration>,
}

impl HttpSettings {
    /// What a connection may take its time for.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            head: self.header_timeout,
            idle: self.idle_timeout,
        }
    }
}

/// How the binary was built.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the fields are the keys of the JSON API")]
pub struct BuildInformation {
    pub branch: String,
    pub build_date: String,
    pub build_user: String,
    pub go_version: String,
    pub revision: String,
    pub version: String,
}

/// What `/api/v1/status` and `/api/v1/stats` show of the process.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// How the binary was built.
    pub build_information: BuildInformation,
    /// Every flag with its value.
    pub flags: BTreeMap<String, String>,
    /// The folder in which groups are to be kept; none: they are in memory only.
    pub storage_path: Option<String>,
    /// The configuration file.
    pub config_file: Option<String>,
}

/// The HTTP side of a gateway, behind all connections.
pub struct Service {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) settings: HttpSettings,
    pub(crate) status: Status,
    pub(crate) shutdown: Shutdown,
    pub(crate) scrapes: Arc<Places>,
    pub(crate) bodies: Bodies,
    pub(crate) notice_texts: Arc<NoticeTexts>,
    pub(crate) requests: Semaphore,
    /// For addresses that take no pushes, beside those.
    pub(crate) kept_requests: Semaphore,
    pub(crate) turned_away: Semaphore,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Requests that go no further and whose bodies are taken, at once.
const MAX_TURNED_AWAY: usize = 256;

/// Requests at addresses that take no pushes which are served although there are too many.
const KEPT_REQUESTS: usize = 16;

impl Service {
    /// Serves what this gateway does. A request may ask to stop everything.
    pub fn new(gateway: Arc<Gateway>, settings: HttpSettings, status: Status, shutdown: Shutdown) -> Self {
        gateway
            .telemetry()
            .set_connections_limit(settings.max_connections as u64);
        let names = gateway.settings().names;
        Self {
            shutdown,
            scrapes: Places::new(settings.max_scrapes_in_flight),
            bodies: Bodies::new(
                settings.max_body_bytes,
                settings.body_timeout,
                settings.strict_text,
                names,
            ),
            notice_texts: Arc::new(NoticeTexts::new(names)),
            turned_away: Semaphore::new(MAX_TURNED_AWAY),
            kept_requests: Semaphore::new(KEPT_REQUESTS),
            requests: Semaphore::new(settings.max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            gateway,
            settings,
            status,
        }
    }

    /// The gateway that it serves.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// A place among the scrapes, to be held until the answer has been sent.
    ///
    /// # Errors
    /// If there is none for whoever asks.
    pub(crate) fn scrape_place(&self, caller: &Caller) -> Result<Permit, Refusal> {
        let taken = self.scrapes.take(&caller.client());
        taken.map_err(|full| full.refusal("scrapes", self.scrapes.all()))
    }

    /// The status of an accepted push.
    pub(crate) fn success_status(&self) -> StatusCode {
        if self.gateway.settings().unchecked {
            StatusCode::ACCEPTED
        } else {
            self.settings.success_status
        }
    }

    /// How many requests are being served.
    pub(crate) fn requests_in_flight(&self) -> usize {
        self.settings
            .max_requests_in_flight
            .saturating_sub(self.requests.available_permits())
    }
}
