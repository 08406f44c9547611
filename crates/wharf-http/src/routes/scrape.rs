//! `GET /metrics`: what is asked for, who may see it, and what is booked of it. [`wharf_scrape`] makes the body.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Response};
use wharf_gateway::Right;
use wharf_model::{Choice, Effort, Exposition, Stopped};
use wharf_scrape::{Body, Help, Wanted};

use crate::answer::scraped::{self, Made};
use crate::answer::status;
use crate::request::{negotiate, parameters};
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;
use wharf_gateway::Scraper;

/// Answers a scrape; with `match[]` in the query, one of the groups that match, without the gateway's own metrics. So it
/// is for those who may not see all groups.
pub(crate) async fn handle(asked: Asked<'_>) -> Response<ResponseBody> {
    let started = Instant::now();
    let (service, headers) = (&asked.service, &asked.headers);
    let wanted = negotiate::wanted(headers, service.settings.routes.openmetrics);
    let booking = Booking {
        service: Arc::clone(service),
        wanted,
        user_agent: headers.get(USER_AGENT).cloned(),
        address: asked.sender.address(),
    };
    let (query, scope) = (asked.query.map(str::to_owned), asked.caller.scope(Right::Read));
    let client = asked.caller.client();
    // What is not shared with the store takes as long as it is large.
    let work = if wanted.is_as_stored() {
        asked.work()
    } else {
        asked.long_work()
    };
    let made = workers::run_in(work, move |effort, place| {
        let service = Arc::clone(&booking.service);
        let selectors = parameters::selectors(query.as_deref(), effort)?;
        // `{}` selects all groups, and the gateway's own metrics belong to none.
        let is_part = !selectors.is_empty();
        let choice = scope.groups().asked(selectors);
        let body = begin(&service, &choice, is_part, wanted, effort)?;
        let whole_bodies = (&service.whole_bodies, &client);
        let made = scraped::make(body, whole_bodies, (started, effort), move |made| {
            booking.book(made);
        });
        Ok(made?.holding(place))
    });
    match made.await {
        Ok(body) => respond_with(body, wanted),
        Err(refusal) => status::answer(refusal),
    }
}

/// Whoever scrapes, for the books.
struct Booking {
    service: Arc<Service>,
    wanted: Wanted,
    user_agent: Option<HeaderValue>,
    address: Option<IpAddr>,
}

impl Booking {
    fn book(self, made: Made) {
        let Made {
            bytes,
            duration,
            recompressed,
            left_out,
        } = made;
        let gateway = &self.service.gateway;
        gateway.telemetry().record_left_out(left_out);
        gateway.telemetry().record_scrape(duration, bytes, recompressed);
        gateway.store().set_scraped(gateway.now());
        gateway.activity().hour.scrape(bytes, Instant::now(), duration);
        let user_agent = self.user_agent.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        gateway.activity().scrapers.add(Scraper {
            format: self.wanted.format.name(),
            compression: self.wanted.compression.name(),
            bytes,
            duration,
            ..Scraper::named(user_agent, self.address, gateway.now())
        });
    }
}

fn respond_with(body: ResponseBody, wanted: Wanted) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&wanted.format.content_type(wanted.escaping)) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(encoding) = wanted.compression.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// A body of which nothing has been made.
fn begin(
    service: &Arc<Service>,
    choice: &Choice,
    is_part: bool,
    wanted: Wanted,
    effort: &Effort,
) -> Result<Body, Stopped> {
    let snapshot = service.gateway.scraped(choice, effort)?;
    let own = if choice.is_all() && !is_part {
        service.gateway.own_families(&snapshot)
    } else {
        Exposition::default()
    };
    let gateway = Arc::clone(&service.gateway);
    Ok(Body::new(own, snapshot, wanted, move |help: Help| {
        let gateway = Arc::clone(&gateway);
        tokio::task::spawn_blocking(move || gateway.telemetry().record_recompressed(help()));
    }))
}
