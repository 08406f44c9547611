//! What all handlers share: the gateway, the settings of the HTTP side, and its bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use tokio::sync::Semaphore;
use wharf_gateway::{Caller, Client, Gateway, Permit, Places, Refusal, Shutdown, Turn};
use wharf_model::PatternError;

use crate::answer::scraped;
use crate::request::origin::Origins;
use crate::request::received::Bodies;
use crate::routes::aggregate::pushes::Pushes;
use crate::routes::notices::NoticeTexts;
use crate::settings::HttpSettings;

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
    /// In front of every route: empty, or with a slash in front and none behind.
    pub(crate) route_prefix: String,
    /// Whose pages may ask for changes, and read answers.
    pub(crate) origins: Origins,
    /// Limit on requests being served at once; more get 503.
    pub(crate) max_requests_in_flight: usize,
    pub(crate) status: Status,
    pub(crate) shutdown: Shutdown,
    pub(crate) scrapes: Arc<Places>,
    pub(crate) whole_bodies: Arc<Places>,
    pub(crate) bodies: Bodies,
    pub(crate) notice_texts: Arc<NoticeTexts>,
    pub(crate) requests: Semaphore,
    /// For addresses that take no pushes, beside those.
    pub(crate) kept_requests: Semaphore,
    pub(crate) turned_away: Semaphore,
    /// Parts for prom-aggregation-gateway.
    pub(crate) aggregated: Pushes,
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
    ///
    /// # Errors
    /// If the pattern of origins is none.
    pub fn new(
        gateway: Arc<Gateway>,
        settings: HttpSettings,
        status: Status,
        shutdown: Shutdown,
    ) -> Result<Self, PatternError> {
        gateway
            .telemetry()
            .set_connections_limit(settings.connections.max as u64);
        let names = gateway.settings().pushes.names;
        let max_requests_in_flight = settings.max_requests_in_flight();
        Ok(Self {
            shutdown,
            route_prefix: settings.routes.internal_prefix().as_str().to_owned(),
            origins: settings.routes.origins()?,
            max_requests_in_flight,
            scrapes: Places::new(settings.limits.max_scrapes_in_flight.get()),
            whole_bodies: scraped::places(),
            bodies: Bodies::new(&settings.bodies, settings.timeouts.body(), names),
            notice_texts: Arc::new(NoticeTexts::new(names)),
            turned_away: Semaphore::new(MAX_TURNED_AWAY),
            aggregated: Pushes::default(),
            kept_requests: Semaphore::new(KEPT_REQUESTS),
            requests: Semaphore::new(max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            gateway,
            settings,
            status,
        })
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

    /// A turn at storing something that may be large, once the disk keeps up. Others go on with what they have turns for meanwhile,
    /// and those who wait for one would wait for the disk, too.
    ///
    /// # Errors
    /// If too many wait for a turn, or the disk is behind for too long.
    pub(crate) async fn turn_to_store(&self, client: &Client) -> Result<Turn, Refusal> {
        let turn = self.gateway.queue().turn(client).await?;
        let patience = self.bodies.patience();
        self.gateway.until_disk_keeps_up(true, patience).await?;
        Ok(turn)
    }

    /// The status of an accepted push.
    pub(crate) fn success_status(&self) -> StatusCode {
        if self.gateway.settings().pushes.unchecked {
            StatusCode::ACCEPTED
        } else {
            self.settings.bodies.success_status
        }
    }

    /// How many requests are being served.
    pub(crate) fn requests_in_flight(&self) -> usize {
        self.max_requests_in_flight
            .saturating_sub(self.requests.available_permits())
    }
}
