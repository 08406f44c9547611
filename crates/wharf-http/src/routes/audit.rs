//! `/api/v1/admin/audit`: who did what.

use http::{Response, StatusCode};
use wharf_gateway::{ActionKind, AuditEntry, AuditFilter, Gateway, Refusal, rfc3339};
use wharf_model::duration;
use wharf_store::UnixNanos;

use crate::answer::json::Members;
use crate::answer::{envelope, status};
use crate::request::{parameters, query};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/admin/audit`: the newest entries first.
pub(crate) fn list(asked: &Asked<'_>) -> Response<ResponseBody> {
    let gateway = &asked.service.gateway;
    let filter = match filter(asked.query, gateway) {
        Ok(filter) => filter,
        Err(refusal) => return status::answer(refusal),
    };
    let audit = gateway.audit();
    let (entries, is_kept) = (audit.list(&filter), audit.is_kept());
    envelope::private(StatusCode::OK, |out| {
        let mut data = Members::object(out);
        let mut list = Members::array(data.key("entries"));
        for entry in &entries {
            write(list.next(), entry);
        }
        list.end();
        // Whether a restart loses it.
        data.flag("kept", is_kept);
        data.end();
    })
}

fn write(out: &mut Vec<u8>, entry: &AuditEntry) {
    let action = &entry.action;
    let address = action.actor.address.map(|address| address.to_string());
    let mut object = Members::object(out);
    object.integer("id", entry.id);
    object.string("time", &rfc3339(entry.time));
    object.string("last_time", &rfc3339(entry.last_time));
    object.integer("times", entry.times);
    object.string("kind", action.kind.as_str());
    object.string("who", &action.actor.who);
    object.text("address", address.as_deref());
    object.string("what", &action.what);
    object.integer("groups", action.groups);
    object.text("error", action.error.as_deref());
    object.end();
}

fn filter(query: Option<&str>, gateway: &Gateway) -> Result<AuditFilter, Refusal> {
    let mut filter = AuditFilter {
        limit: parameters::DEFAULT_LIMIT,
        ..AuditFilter::default()
    };
    for (name, value) in query::parameters(query)? {
        match name.as_str() {
            "kind" => filter.kinds = value.split(',').map(kind).collect::<Result<_, _>>()?,
            "since" => filter.since = Some(since(&value, gateway.now())?),
            "limit" => filter.limit = parameters::limit(&value)?,
            other => return Err(query::unknown(other, "kind, since, limit")),
        }
    }
    Ok(filter)
}

fn kind(text: &str) -> Result<ActionKind, Refusal> {
    ActionKind::of(text).ok_or_else(|| {
        let known = ActionKind::ALL.map(ActionKind::as_str).join(", ");
        Refusal::parameter(&format!(
            "kind: expected one of {known}, found `{}`",
            query::shown(text)
        ))
    })
}

/// A time in RFC 3339, or how long ago.
fn since(text: &str, now: UnixNanos) -> Result<UnixNanos, Refusal> {
    let ago = || {
        let ago = duration::parse(text).ok()?;
        let nanos = now.0.checked_sub(i64::try_from(ago.as_nanos()).ok()?);
        nanos.map(UnixNanos)
    };
    parameters::time(text).or_else(ago).ok_or_else(|| {
        Refusal::parameter(&format!(
            "since: expected a time such as 2026-01-02T15:04:05Z, or a duration such as 1h, found `{}`",
            query::shown(text)
        ))
    })
}
