//! `GET /api/v1/export`: all groups as they are at one moment, or some.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use wharf_exposition::Head;
use wharf_gateway::{Active, Permit, Refusal, Right};
use wharf_model::{GroupingKey, duration};
use wharf_store::{FragmentView, PUSH_FAILURE_TIME, PUSH_TIME, Snapshot, UnixNanos};

use super::{Draft, GROUPS_HEADER, Line, Part};
use crate::answer::respond;
use crate::answer::status;
use crate::answer::streamed::{self, Flow};
use crate::request::{parameters, query};
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// Answers with those of the groups that whoever asks may see.
pub(crate) async fn handle(asked: Asked<'_>) -> Response<ResponseBody> {
    let (service, query) = (Arc::clone(&asked.service), asked.query.map(str::to_owned));
    let scope = asked.caller.scope(Right::Read);
    let exported = workers::run_in(asked.work(), move |effort, place| {
        for (name, _) in query::parameters(query.as_deref())? {
            if name != "match[]" {
                return Err(query::unknown(&name, "match[]"));
            }
        }
        let selectors = parameters::selectors(query.as_deref(), effort)?;
        let choice = scope.groups().asked(selectors);
        let snapshot = service.gateway.store().snapshot().matching(&choice, effort)?;
        respond_with(service, snapshot, place)
    });
    exported.await.unwrap_or_else(status::answer)
}

fn respond_with(
    service: Arc<Service>,
    snapshot: Snapshot,
    place: Permit,
) -> Result<Response<ResponseBody>, Refusal> {
    let groups = HeaderValue::from(snapshot.totals().groups as u64);
    let body = streamed::body(|flow| write(service, snapshot, flow))?.holding(place);
    let mut response = respond::with_type(StatusCode::OK, "application/x-ndjson", body);
    response
        .headers_mut()
        .insert(HeaderName::from_static(GROUPS_HEADER), groups);
    Ok(response)
}

async fn write(service: Arc<Service>, snapshot: Snapshot, flow: Flow) -> Vec<u8> {
    let rules = service.gateway.policy();
    let mut lines = Vec::new();
    let mut fragments = snapshot.fragments_in_turn().peekable();
    while let Some(first) = fragments.next() {
        let mut group = vec![first];
        while let Some(other) = fragments.next_if(|other| other.key() == first.key()) {
            group.push(other);
        }
        let line = line(&service, &rules, &snapshot, first.key(), &group);
        // Strings and numbers in memory: there is nothing that could fail.
        if serde_json::to_writer(&mut lines, &line).is_err() {
            break;
        }
        lines.push(b'\n');
        flow.pass(&mut lines).await;
    }
    lines
}

fn line(
    service: &Service,
    rules: &Active,
    snapshot: &Snapshot,
    key: &GroupingKey,
    fragments: &[FragmentView<'_>],
) -> Line {
    let time = |name: &str| {
        let family = fragments.iter().find(|family| family.name() == name)?;
        let at = timestamp(family.pushed_at())?;
        // Never, if it is 0.
        Some(at).filter(|_| family.number() != Some(0.0))
    };
    let (ttl, keep_times) = lives(service, rules, snapshot, key);
    let mut draft = Draft::new(key, time(PUSH_TIME), time(PUSH_FAILURE_TIME)).living(ttl, keep_times);
    let (times, families): (Vec<&FragmentView<'_>>, Vec<_>) = fragments
        .iter()
        .partition(|fragment| [PUSH_TIME, PUSH_FAILURE_TIME].contains(&fragment.name()));
    // First that of the last push, which others are compared with.
    for fragment in times.into_iter().rev() {
        draft.note_time(fragment.name(), timestamp(fragment.pushed_at()));
    }
    for fragment in families {
        let pushed_at = timestamp(fragment.pushed_at());
        let meta = fragment.meta();
        fragment.decode(|exposition, family| {
            draft.add(&Part {
                head: Head {
                    name: fragment.name(),
                    help: meta.help.as_deref(),
                    unit: &meta.unit,
                    metric_type: meta.metric_type,
                },
                exposition,
                family,
                text_keeps_all: fragment.text_keeps_all(),
                pushed_at,
            });
        });
    }
    draft.finish()
}

/// How long a group lives. One that stays for ever says so if the rules would give it an end.
fn lives(
    service: &Service,
    rules: &Active,
    snapshot: &Snapshot,
    key: &GroupingKey,
) -> (Option<String>, bool) {
    if let Some(lifetime) = snapshot.lifetime(key) {
        let after = duration::format(lifetime.ttl.after);
        return (Some(after), lifetime.ttl.keep_times);
    }
    let by_rule = rules.ttl(key, None, service.gateway.settings().pushes.default_ttl());
    (by_rule.map(|_| "0".to_owned()), false)
}

fn timestamp(nanos: UnixNanos) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanos.0)).ok()
}
