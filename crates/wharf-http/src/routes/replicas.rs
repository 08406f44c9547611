//! `/api/v1/replicas`: the gateways that share their groups with this one, and what is held back.

use http::{Response, StatusCode};
use wharf_gateway::{Refusal, Replicas, rfc3339};
use wharf_store::{HeldFamily, ReplicaStatus};

use crate::answer::json::{Members, write_string};
use crate::answer::{envelope, status};
use crate::request::query;
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/replicas`.
pub(crate) fn list(asked: &Asked<'_>) -> Response<ResponseBody> {
    match query::parameters(asked.query) {
        Ok(parameters) if parameters.is_empty() => {}
        Ok(parameters) => {
            let name = parameters.first().map_or("", |(name, _)| name);
            let found = query::shown(name);
            return status::answer(Refusal::parameter(&format!(
                "expected no parameter, found `{found}`"
            )));
        }
        Err(refusal) => return status::answer(refusal),
    }
    let replicas = asked.service.gateway.replicas(asked.caller);
    envelope::private(StatusCode::OK, |out| write(out, replicas.as_ref()))
}

/// A gateway that is alone has no replicas, not even itself.
fn write(out: &mut Vec<u8>, replicas: Option<&Replicas>) {
    let mut data = Members::object(out);
    let status = replicas.map(|replicas| &replicas.status);
    data.text("engine", status.map(|status| status.engine));
    match status {
        Some(status) => data.integer("revision", status.revision.0),
        None => data.null("revision"),
    }
    let lag = status.and_then(|status| status.lag);
    data.number("lag_seconds", lag.map(|lag| lag.as_secs_f64()));
    data.integer(
        "waiting_changes",
        status.map_or(0, |status| status.waiting as u64),
    );
    data.text("full", status.and_then(|status| status.full.as_deref()));
    match status.and_then(|status| status.differs.as_ref()) {
        Some(differs) => {
            let mut object = Members::object(data.key("config_differs"));
            object.number("since_seconds", Some(differs.since.as_secs_f64()));
            let mut settings = Members::array(object.key("settings"));
            for name in &differs.settings {
                write_string(settings.next(), name);
            }
            settings.end();
            object.end();
        }
        None => data.null("config_differs"),
    }
    let mut list = Members::array(data.key("replicas"));
    for replica in status.iter().flat_map(|status| &status.replicas) {
        write_replica(list.next(), replica);
    }
    list.end();
    let mut list = Members::array(data.key("held_back"));
    for held in replicas.iter().flat_map(|replicas| &replicas.held_back) {
        write_held(list.next(), held);
    }
    list.end();
    data.end();
}

fn write_replica(out: &mut Vec<u8>, replica: &ReplicaStatus) {
    let ReplicaStatus {
        name,
        address,
        version,
        revision,
        lag,
        clock_offset_seconds,
        scraped_at,
        started_at,
        is_self,
        is_sweeper,
    } = replica;
    let mut object = Members::object(out);
    object.string("name", name);
    object.text(
        "address",
        Some(address.as_str()).filter(|address| !address.is_empty()),
    );
    object.string("version", version);
    object.integer("revision", revision.0);
    object.number("lag_seconds", Some(lag.as_secs_f64()));
    object.number("clock_offset_seconds", Some(*clock_offset_seconds));
    object.string("started", &rfc3339(*started_at));
    object.text("last_scrape", scraped_at.map(rfc3339).as_deref());
    object.flag("self", *is_self);
    object.flag("expires_groups", *is_sweeper);
    object.end();
}

fn write_held(out: &mut Vec<u8>, held: &HeldFamily) {
    let HeldFamily { family, key, series } = held;
    let mut object = Members::object(out);
    object.string("family", family);
    object.string("group", &key.to_string());
    object.integer("series", *series);
    object.end();
}
