//! `GET /api/v1/export`: all groups as they are at one moment, or some.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use wharf_exposition::{Head, protobuf};
use wharf_gateway::{Active, Permit, Refusal, Right};
use wharf_model::name::EscapingScheme;
use wharf_model::{GroupingKey, duration};
use wharf_store::{
    FragmentView, GroupFragments, PUSH_FAILURE_TIME, PUSH_TIME, Piece, Snapshot, UnixNanos, is_standing,
};

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
    for group in snapshot.groups_in_turn() {
        let key = group.key();
        let draft = draft(&group, lives(&service, &rules, &snapshot, key));
        let paused_until = snapshot.paused_until(key).and_then(timestamp);
        let draft = draft.expected(snapshot.expected(key), paused_until);
        // Strings and numbers in memory: there is nothing that could fail.
        if write_line(&mut lines, &draft, &group, &flow).await.is_err() {
            break;
        }
        lines.push(b'\n');
        flow.pass(&mut lines).await;
    }
    lines
}

/// A line without its metrics.
fn draft(group: &GroupFragments<'_>, (ttl, keep_times): (Option<String>, bool)) -> Draft {
    let time = |name: &str| {
        let family = group.fragment(name)?;
        let at = timestamp(family.pushed_at())?;
        // Never, if it is 0.
        Some(at).filter(|_| family.number() != Some(0.0))
    };
    let times = [PUSH_TIME, PUSH_FAILURE_TIME];
    let [pushed, failed] = times.map(time);
    let mut draft = Draft::new(group.key(), pushed, failed).living(ttl, keep_times);
    // First that of the last push, which others are compared with.
    for fragment in times.into_iter().filter_map(|name| group.fragment(name)) {
        draft.note_time(fragment.name(), timestamp(fragment.pushed_at()));
    }
    draft
}

fn is_time(fragment: &FragmentView<'_>) -> bool {
    [PUSH_TIME, PUSH_FAILURE_TIME].contains(&fragment.name())
}

/// Writes what a [`Line`] with all of the metrics would be, without having them at once: what stands before the text, text, protobuf
/// and notes.
async fn write_line(
    out: &mut Vec<u8>,
    draft: &Draft,
    group: &GroupFragments<'_>,
    flow: &Flow,
) -> Result<(), serde_json::Error> {
    let head = Line {
        families: BTreeMap::new(),
        ..draft.line.clone()
    };
    serde_json::to_writer(&mut *out, &head)?;
    // The text is empty and stands at the end.
    out.truncate(out.len().saturating_sub(END_OF_TEXT.len()));
    let families = || group.fragments().filter(|fragment| !is_standing(fragment.name()));
    let mut lines = Vec::new();
    for fragment in families() {
        super::write_header(&mut lines, &head_of(&fragment));
        for piece in fragment.pieces() {
            with_part(&fragment, &piece, |part| draft.write_lines(&mut lines, part));
            write_escaped(out, &lines)?;
            lines.clear();
            flow.pass(out).await;
        }
    }
    out.push(b'"');
    let mut base64 = Base64::default();
    for fragment in families().filter(|fragment| !text_is_all(fragment)) {
        write_message(&mut base64, out, draft, &fragment, flow).await;
    }
    base64.end(out);
    let mut before: &[u8] = b",\"families\":{";
    for fragment in group.fragments() {
        let note = if is_time(&fragment) {
            draft.line.families.get(fragment.name()).cloned()
        } else if is_standing(fragment.name()) {
            None
        } else {
            draft.note_of(&head_of(&fragment), timestamp(fragment.pushed_at()))
        };
        let Some(note) = note else { continue };
        out.extend_from_slice(mem::replace(&mut before, b","));
        serde_json::to_writer(&mut *out, fragment.name())?;
        out.push(b':');
        serde_json::to_writer(&mut *out, &note)?;
        flow.pass(out).await;
    }
    if before == b"," {
        out.push(b'}');
    }
    out.push(b'}');
    Ok(())
}

const END_OF_TEXT: &str = "\"}";

/// Writes the message of a family. Its length stands in front, so its metrics are made twice.
async fn write_message(
    base64: &mut Base64,
    out: &mut Vec<u8>,
    draft: &Draft,
    fragment: &FragmentView<'_>,
    flow: &Flow,
) {
    let mut message = Vec::new();
    protobuf::write_head(&mut message, &head_of(fragment), EscapingScheme::AllowUtf8);
    let (mut length, mut metrics) = (message.len(), Vec::new());
    for piece in fragment.pieces() {
        with_part(fragment, &piece, |part| draft.write_message(&mut metrics, part));
        length += metrics.len();
        metrics.clear();
    }
    let mut prefix = Vec::new();
    protobuf::write_length(&mut prefix, length);
    base64.write(out, &prefix);
    for piece in fragment.pieces() {
        with_part(fragment, &piece, |part| draft.write_message(&mut message, part));
        base64.write(out, &message);
        message.clear();
        flow.pass(out).await;
    }
}

fn head_of<'f>(fragment: &FragmentView<'f>) -> Head<'f> {
    let meta = fragment.meta();
    Head {
        name: fragment.name(),
        help: meta.help.as_deref(),
        unit: &meta.unit,
        metric_type: meta.metric_type,
    }
}

fn text_is_all(fragment: &FragmentView<'_>) -> bool {
    fragment.text_keeps_all() && fragment.meta().help.as_deref() != Some("")
}

/// Reads a piece of a family back.
fn with_part(fragment: &FragmentView<'_>, piece: &Piece<'_>, mut write: impl FnMut(&Part<'_>)) {
    piece.decode(|exposition, family| {
        write(&Part {
            head: head_of(fragment),
            exposition,
            family,
            text_keeps_all: fragment.text_keeps_all(),
            pushed_at: timestamp(fragment.pushed_at()),
        });
    });
}

/// Appends lines as they stand within a string of JSON.
fn write_escaped(out: &mut Vec<u8>, lines: &[u8]) -> Result<(), serde_json::Error> {
    let mut string = Vec::with_capacity(lines.len() + lines.len() / 8);
    serde_json::to_writer(&mut string, &String::from_utf8_lossy(lines))?;
    let within = string.get(1..string.len().saturating_sub(1));
    out.extend_from_slice(within.unwrap_or_default());
    Ok(())
}

/// The member `protobuf`, if there is something to write into it.
#[derive(Debug, Default)]
struct Base64 {
    has_begun: bool,
    /// Less than three bytes, which make four letters.
    left: Vec<u8>,
}

impl Base64 {
    fn write(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if !mem::replace(&mut self.has_begun, true) {
            out.extend_from_slice(b",\"protobuf\":\"");
        }
        self.left.extend_from_slice(bytes);
        let rest = self.left.split_off(self.left.len() / 3 * 3);
        out.extend_from_slice(STANDARD.encode(&self.left).as_bytes());
        self.left = rest;
    }

    fn end(self, out: &mut Vec<u8>) {
        if self.has_begun {
            out.extend_from_slice(STANDARD.encode(&self.left).as_bytes());
            out.push(b'"');
        }
    }
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

#[cfg(test)]
mod tests {
    use wharf_store::Store;

    use super::*;
    use crate::answer::streamed::tests::{held_for_a_stalled_reader, text_of};
    use crate::routes::stored::{stored, stored_from_openmetrics};

    /// The lines of a store, each written piece by piece.
    async fn write_all(store: Store, flow: Flow) -> Vec<u8> {
        let (snapshot, mut lines) = (store.snapshot(), Vec::new());
        for group in snapshot.groups_in_turn() {
            let draft = draft(&group, (Some("1h".to_owned()), true));
            write_line(&mut lines, &draft, &group, &flow).await.unwrap();
            lines.push(b'\n');
            flow.pass(&mut lines).await;
        }
        lines
    }

    /// The same, each made as a whole.
    fn whole(store: &Store) -> String {
        let (snapshot, mut lines) = (store.snapshot(), String::new());
        for group in snapshot.groups_in_turn() {
            let mut draft = draft(&group, (Some("1h".to_owned()), true));
            for fragment in group.fragments().filter(|fragment| !is_time(fragment)) {
                fragment.decode(|exposition, family| {
                    draft.add(&Part {
                        head: head_of(&fragment),
                        exposition,
                        family,
                        text_keeps_all: fragment.text_keeps_all(),
                        pushed_at: timestamp(fragment.pushed_at()),
                    });
                });
            }
            lines.push_str(&serde_json::to_string(&draft.finish()).unwrap());
            lines.push('\n');
        }
        lines
    }

    fn many(line: impl Fn(u32) -> String, count: u32) -> String {
        (0..count).map(line).collect::<Vec<_>>().concat()
    }

    #[tokio::test]
    async fn a_line_in_pieces_is_the_line() {
        let gauges = many(|n| format!("m{{a=\"{n}<\\\"\\\\é\"}} {n}\n"), 4000);
        let counters = many(
            |n| format!("c_total{{a=\"{n}\"}} {n} # {{trace=\"{n}\"}} 1\nc_created{{a=\"{n}\"}} {n}\n"),
            4000,
        );
        let text = || {
            let empty = "# HELP e \n# TYPE e counter\ne 1\n".to_owned();
            stored([
                ("a".to_owned(), gauges.clone() + &empty),
                ("b".to_owned(), String::new()),
            ])
        };
        let openmetrics = || {
            let small =
                "# TYPE i info\ni_info{a=\"1\"} 1\n# TYPE s_bytes gauge\n# UNIT s_bytes bytes\ns_bytes 1\n";
            stored_from_openmetrics(&format!("# TYPE c counter\n{counters}{small}# EOF\n"))
        };
        for store in [&text as &dyn Fn() -> Store, &openmetrics] {
            let (expected, store) = (whole(&store()), store());
            let body = streamed::body(|flow| write_all(store, flow)).unwrap();
            assert!(text_of(body).await == expected, "{expected:.2000}");
        }
    }

    #[tokio::test]
    async fn a_stalled_reader_of_a_large_group_costs_the_same_however_large_it_is() {
        for count in [10_000, 40_000] {
            let store = stored([("a".to_owned(), many(|n| format!("m{{a=\"{n}\"}} 1\n"), count))]);
            let mut body = streamed::body(|flow| write_all(store, flow)).unwrap();
            let held = held_for_a_stalled_reader(&mut body).await;
            assert!(held < 200 << 10, "{held}");
        }
    }

    #[tokio::test]
    async fn a_stalled_reader_of_very_many_families_holds_some_bytes_for_each() {
        const FAMILIES: u32 = 20_000;
        let families = many(|n| format!("m{n}{{a=\"b\"}} 1\n"), FAMILIES);
        let of_their_own = (0..FAMILIES).map(|n| (format!("j{n}"), format!("m{n} 1\n")));
        for store in [stored([("a".to_owned(), families)]), stored(of_their_own)] {
            let mut body = streamed::body(|flow| write_all(store, flow)).unwrap();
            let held = held_for_a_stalled_reader(&mut body).await;
            assert!(held < (200 << 10) + 10 * FAMILIES as usize, "{held}");
        }
    }
}
