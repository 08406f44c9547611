//! `/api/v1/admin/removed` and `/api/v1/admin/undo`: what was removed, and taking it back.

use http::{Response, StatusCode};
use wharf_gateway::{Refusal, Removals, RemovedGroups, UndoneRemoval, of_push, rfc3339, why_lost};
use wharf_model::GroupingKey;
use wharf_store::{Named, Removal, RemovalState, RemovedStatus, Revision};

use crate::answer::json::{Members, write_strings};
use crate::answer::{envelope, status};
use crate::request::{parameters, query};
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;

/// `GET /api/v1/admin/removed`: removals that whoever asks may undo, newest first; with `id`, one of them with its groups.
pub(crate) async fn removed(asked: Asked<'_>) -> Response<ResponseBody> {
    let shown = async {
        let request = ListRequest::of(asked.query)?;
        let gateway = &asked.service.gateway;
        let work = asked.work()?;
        if let Some(id) = request.id {
            let shown = gateway.removed_groups(work, asked.caller, id).await?;
            return Ok(envelope::private(StatusCode::OK, |out| write_one(out, &shown)));
        }
        let (before, limit) = (request.before, request.limit);
        let listed = gateway.removals(work, asked.caller, before, limit).await?;
        Ok(envelope::private(StatusCode::OK, |out| write_list(out, &listed)))
    };
    shown.await.unwrap_or_else(status::answer)
}

/// `PUT /api/v1/admin/undo`: takes back the removal of this id, or the newest one that whoever asks may undo.
pub(crate) async fn undo(asked: Asked<'_>) -> Response<ResponseBody> {
    let undone = async {
        let (id, dry_run) = undo_request(asked.query)?;
        let gateway = &asked.service.gateway;
        let work = asked.work()?;
        let undone = gateway
            .undo(work, asked.caller, id, dry_run, asked.sender.address())
            .await?;
        Ok(envelope::private(StatusCode::OK, |out| {
            write_undone(out, undone, asked.caller);
        }))
    };
    undone.await.unwrap_or_else(status::answer)
}

struct ListRequest {
    id: Option<Revision>,
    before: Option<Revision>,
    limit: usize,
}

impl ListRequest {
    fn of(query: Option<&str>) -> Result<Self, Refusal> {
        let mut request = Self {
            id: None,
            before: None,
            limit: parameters::DEFAULT_LIMIT,
        };
        for (name, value) in query::parameters(query)? {
            match name.as_str() {
                "id" => request.id = Some(id(&name, &value)?),
                "before" => request.before = Some(id(&name, &value)?),
                "limit" => request.limit = parameters::limit(&value)?,
                other => return Err(query::unknown(other, "id, before, limit")),
            }
        }
        Ok(request)
    }
}

fn undo_request(query: Option<&str>) -> Result<(Option<Revision>, bool), Refusal> {
    let (mut wanted, mut dry_run) = (None, false);
    for (name, value) in query::parameters(query)? {
        match name.as_str() {
            "id" => wanted = Some(id(&name, &value)?),
            "dry_run" => dry_run = query::flag(&name, &value)?,
            other => return Err(query::unknown(other, "id, dry_run")),
        }
    }
    Ok((wanted, dry_run))
}

fn id(name: &str, value: &str) -> Result<Revision, Refusal> {
    let number = value
        .parse()
        .ok()
        .filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(Revision).ok_or_else(|| {
        Refusal::parameter(&format!(
            "{name}: expected the number of a removal, found `{}`",
            query::shown(value)
        ))
    })
}

fn write_list(out: &mut Vec<u8>, listed: &Removals) {
    let mut data = Members::object(out);
    write_kept(&mut data, listed.status.as_ref());
    let mut removals = Members::array(data.key("removals"));
    for removal in &listed.removals {
        let mut object = Members::object(removals.next());
        write_removal(&mut object, removal);
        object.end();
    }
    removals.end();
    let last = listed.removals.last().filter(|_| listed.has_more);
    match last {
        Some(last) => data.integer("next_before", last.id.0),
        None => data.null("next_before"),
    }
    data.end();
}

fn write_one(out: &mut Vec<u8>, shown: &RemovedGroups) {
    let mut data = Members::object(out);
    write_kept(&mut data, shown.status.as_ref());
    let mut removals = Members::array(data.key("removals"));
    let mut object = Members::object(removals.next());
    write_removal(&mut object, &shown.removal);
    match &shown.groups {
        Some(named) => write_named(object.key("named"), named),
        None => object.null("named"),
    }
    object.end();
    removals.end();
    data.null("next_before");
    data.end();
}

/// How removals are kept; `null`: they are not.
fn write_kept(data: &mut Members<'_>, status: Option<&RemovedStatus>) {
    let Some(status) = status else {
        data.null("kept");
        return;
    };
    let mut object = Members::object(data.key("kept"));
    object.number("max_age_seconds", Some(status.max_age.as_secs_f64()));
    object.integer("max_bytes", status.max_bytes);
    object.integer("bytes", status.bytes);
    object.flag("survives_restart", status.is_durable);
    object.integer("failures", status.failures);
    object.end();
}

fn write_removal(object: &mut Members<'_>, removal: &Removal) {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    object.integer("id", removal.id.0);
    object.string("time", &rfc3339(removal.at));
    object.string("kind", removal.kind.as_str());
    for (name, value) in [
        ("by", &removal.author.by),
        ("address", &removal.author.address),
        ("what", &removal.author.what),
    ] {
        object.text(name, text(value).as_deref());
    }
    object.integer("groups", removal.groups);
    object.integer("series", removal.series);
    object.integer("bytes", removal.bytes);
    object.flag("recovered", removal.is_recovered);
    object.string("until", &rfc3339(removal.until));
    object.flag("undoable", removal.state == RemovalState::Kept);
    let (mut undone_at, mut impossible) = (None, None);
    match &removal.state {
        RemovalState::Kept => {}
        RemovalState::Undone(at) => undone_at = Some(rfc3339(*at)),
        RemovalState::Lost(why) => impossible = Some(why_lost(why)),
    }
    object.text("undone_at", undone_at.as_deref());
    object.text("impossible", impossible.as_deref());
}

fn write_undone(out: &mut Vec<u8>, undone: UndoneRemoval, caller: &wharf_gateway::Caller) {
    let UndoneRemoval {
        id, dry_run, undone, ..
    } = undone;
    let is_complete = undone.is_complete();
    let mut data = Members::object(out);
    data.integer("id", id.0);
    data.flag("dry_run", dry_run);
    data.flag("complete", is_complete);
    data.integer("groups", undone.groups);
    data.integer("series", undone.series);
    data.integer("bytes", undone.bytes);
    for (name, named) in [
        ("kept", &undone.kept),
        ("expired", &undone.expired),
        ("missing", &undone.missing),
    ] {
        write_named(data.key(name), named);
    }
    let mut refused = Members::object(data.key("refused"));
    refused.integer("count", undone.refused.len() as u64 + undone.more_refused);
    let mut groups = Members::array(refused.key("groups"));
    for (key, error) in undone.refused {
        let refusal = of_push(error, caller);
        let mut group = Members::object(groups.next());
        write_labels(group.key("labels"), &key);
        group.integer("status", status::of(refusal.reason).as_u16().into());
        group.string("error", &refusal.text);
        group.end();
    }
    groups.end();
    refused.end();
    data.end();
}

/// Groups by their labels, the first of them.
fn write_named(out: &mut Vec<u8>, named: &Named) {
    let mut object = Members::object(out);
    object.integer("count", named.len());
    let mut groups = Members::array(object.key("groups"));
    for key in &named.keys {
        write_labels(groups.next(), key);
    }
    groups.end();
    object.end();
}

fn write_labels(out: &mut Vec<u8>, key: &GroupingKey) {
    write_strings(out, key.labels());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_are_not_known_or_no_number_are_refused() {
        let refused = |query| undo_request(Some(query)).unwrap_err().text;
        assert_eq!(refused("id=x"), "id: expected the number of a removal, found `x`");
        assert_eq!(
            refused("id=%2B1"),
            "id: expected the number of a removal, found `+1`"
        );
        assert_eq!(refused("ID=1"), "expected a parameter of id, dry_run, found `ID`");
        assert_eq!(
            undo_request(Some("id=7&dry_run")).unwrap(),
            (Some(Revision(7)), true)
        );
        assert_eq!(undo_request(None).unwrap(), (None, false));
        assert_eq!(
            ListRequest::of(Some("limit=0")).err().unwrap().text,
            "limit: expected a number from 1 to 1000, found `0`"
        );
    }
}
