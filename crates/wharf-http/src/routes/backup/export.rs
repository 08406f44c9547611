//! `GET /api/v1/export`: all groups as they are at one moment, or some.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use tokio::sync::mpsc;
use wharf_exposition::Head;
use wharf_gateway::{Active, Caller, Permit, Right};
use wharf_model::{GroupingKey, duration};
use wharf_store::{FragmentView, PUSH_FAILURE_TIME, PUSH_TIME, Snapshot, UnixNanos};

use super::{Draft, GROUPS_HEADER, Line, Part};
use crate::answer::respond;
use crate::answer::status;
use crate::request::{parameters, query};
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// Lines go out in parts of about this size.
const PART_BYTES: usize = 64 * 1024;
/// Parts that wait for a slow reader.
const PARTS: usize = 4;

/// Answers with those of the groups that whoever asks may see.
pub(crate) async fn handle(
    service: Arc<Service>,
    query: Option<&str>,
    caller: &Caller,
) -> Response<ResponseBody> {
    let place = service.scrape_place(caller);
    let (query, scope) = (query.map(str::to_owned), caller.scope(Right::Read));
    let exported = workers::run_in(place, move |place| {
        for (name, _) in query::parameters(query.as_deref())? {
            if name != "match[]" {
                return Err(query::unknown(&name, "match[]"));
            }
        }
        let selectors = scope.narrow(parameters::selectors(query.as_deref())?);
        let mut snapshot = service.gateway.store().snapshot();
        if !selectors.is_empty() {
            snapshot = snapshot.matching(&selectors);
        }
        Ok(respond_with(service, snapshot, place))
    });
    exported.await.unwrap_or_else(status::answer)
}

fn respond_with(service: Arc<Service>, snapshot: Snapshot, place: Permit) -> Response<ResponseBody> {
    let (sender, receiver) = mpsc::channel(PARTS);
    let groups = HeaderValue::from(snapshot.totals().groups as u64);
    tokio::task::spawn_blocking(move || write(&service, &snapshot, &sender));
    let body = ResponseBody::parts(receiver).holding(place);
    let mut response = respond::with_type(StatusCode::OK, "application/x-ndjson", body);
    response
        .headers_mut()
        .insert(HeaderName::from_static(GROUPS_HEADER), groups);
    response
}

/// Writes until all is said, or nobody listens any more.
fn write(service: &Service, snapshot: &Snapshot, sender: &mpsc::Sender<Bytes>) {
    let rules = service.gateway.policy();
    let mut part = Vec::with_capacity(PART_BYTES);
    for (key, fragments) in snapshot.groups_in_turn() {
        let line = line(service, &rules, snapshot, key, &fragments);
        // Strings and numbers in memory: there is nothing that could fail.
        if serde_json::to_writer(&mut part, &line).is_err() {
            return;
        }
        part.push(b'\n');
        if part.len() >= PART_BYTES {
            let full = std::mem::replace(&mut part, Vec::with_capacity(PART_BYTES));
            if sender.blocking_send(full.into()).is_err() {
                return;
            }
        }
    }
    // A reader that is gone misses nothing.
    drop(sender.blocking_send(part.into()));
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
