//! `POST /api/v1/admin/import`: lines of an export become groups again, each with its times.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Response, StatusCode};
use jiff::Timestamp;
use wharf_gateway::{
    Active, Actor, Body, Caller, Content, Held, Imported, Lifespan, Refusal, Right, Said, Waiting,
};
use wharf_model::name::is_reserved_label_name;
use wharf_model::{GroupingKey, Meter, TooLarge};
use wharf_store::{Commit, Note, PUSH_TIME, Restored, UnixNanos};

use super::{Line, LineError};
use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::status;
use crate::request::options;
use crate::request::query;
use crate::request::received::Received;
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::arrived::Arrived;
use crate::transport::chunks::ResponseBody;

/// Groups of one request.
const MAX_GROUPS: usize = 10_000;
/// How many of the refused groups an answer has.
const MAX_LISTED: usize = 1_000;

/// Answers with what has become of the groups. Each is stored for itself; nothing is if a line is none.
pub(crate) async fn handle(asked: Asked<'_>, mut request: Arrived) -> Response<ResponseBody> {
    let imported = match overwrites(request.uri().query()) {
        Ok(overwrites) => import(&asked, request, overwrites).await,
        Err(error) => {
            asked.service.without_body(&mut request).await;
            Err(error)
        }
    };
    imported.unwrap_or_else(status::answer)
}

fn overwrites(query: Option<&str>) -> Result<bool, Refusal> {
    let mut overwrites = false;
    for (name, value) in query::parameters(query)? {
        match name.as_str() {
            "overwrite" => overwrites = query::flag(&name, &value)?,
            other => return Err(query::unknown(other, "overwrite")),
        }
    }
    Ok(overwrites)
}

async fn import(
    asked: &Asked<'_>,
    request: Arrived,
    overwrites: bool,
) -> Result<Response<ResponseBody>, Refusal> {
    let (service, caller) = (&asked.service, asked.caller);
    let from = (caller, Some(asked.sender.peer));
    let received = Received::read((&service.gateway, &service.bodies), request, from).await?;
    let import = Import {
        service: Arc::clone(service),
        rules: service.gateway.policy(),
        caller: caller.clone(),
        now: service.gateway.now(),
        overwrites,
    };
    let turn = service.turn_to_store(&caller.client()).await?;
    let effort = service.gateway.push_effort();
    let _waiting = Waiting::new(&effort);
    let run = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let service = Arc::clone(&import.service);
        let memory = service.gateway.memory();
        memory.lend_for(&import.caller.client(), &effort, |memory| {
            let body = received.expand(&service.bodies, memory)?;
            import.run(body.bytes(), memory)
        })
    });
    let (gateway, actor) = (
        Arc::clone(&service.gateway),
        Actor::of(caller, asked.sender.address()),
    );
    // To its end, also if its client has gone: it is booked then as well.
    let settled = tokio::spawn(async move {
        let settled = match run.await {
            Ok((done, held)) => settle(done, held).await,
            Err(_panicked) => Err(Refusal::internal()),
        };
        gateway.book_import(actor, settled.as_ref().map(Done::numbers));
        settled
    });
    let done = settled.await.unwrap_or_else(|_| Err(Refusal::internal()))?;
    Ok(envelope::private(StatusCode::OK, |out| done.write(out)))
}

/// Waits for the disk. What waits for it stays lent until it is there.
async fn settle(done: Result<Done, Refusal>, _held: Option<Held>) -> Result<Done, Refusal> {
    let mut done = done?;
    for commit in std::mem::take(&mut done.commits) {
        commit.wait().await?;
    }
    Ok(done)
}

struct Import {
    service: Arc<Service>,
    rules: Arc<Active>,
    caller: Caller,
    now: UnixNanos,
    overwrites: bool,
}

/// A group that is stored.
struct Stored {
    key: GroupingKey,
    series: u64,
    commit: Commit,
    /// What its record takes until it is on disk.
    record_bytes: usize,
}

/// What has become of the groups.
#[derive(Default)]
struct Done {
    stored: Vec<GroupingKey>,
    series: u64,
    already_there: usize,
    /// The first of those that were refused: their labels, and why.
    refused: Vec<(BTreeMap<String, String>, Refusal)>,
    more_refused: usize,
    /// What is left to wait for.
    commits: Vec<Commit>,
}

impl Done {
    fn numbers(&self) -> Imported {
        Imported {
            stored: self.stored.len() as u64,
            already_there: self.already_there as u64,
            refused: (self.refused.len() + self.more_refused) as u64,
        }
    }
}

impl Import {
    fn run(&self, body: &[u8], memory: &Meter<'_>) -> Result<Done, Refusal> {
        let mut done = Done::default();
        // All of them are looked at before the first is stored, and none is kept: lines can take many times their length.
        for line in lines(body)? {
            let before = memory.taken();
            line.read(memory)?;
            memory.give_back_to(before);
        }
        for line in lines(body)? {
            let before = memory.taken();
            let (map_bytes, line) = (line.map_bytes(), line.read(memory)?);
            let kept = match self.restore(&line, memory) {
                Ok(Some(restored)) => {
                    done.commits.push(restored.commit);
                    done.stored.push(restored.key);
                    done.series += restored.series;
                    restored.record_bytes
                }
                Ok(None) => {
                    done.already_there += 1;
                    0
                }
                // No group would fare better.
                Err(error) if status::of(error.reason) == StatusCode::SERVICE_UNAVAILABLE => {
                    return Err(error);
                }
                Err(error) if done.refused.len() < MAX_LISTED => {
                    done.refused.push((line.labels, error));
                    map_bytes
                }
                Err(_) => {
                    done.more_refused += 1;
                    0
                }
            };
            memory.give_back_to(before + kept);
        }
        Ok(done)
    }

    /// Stores a group, unless the one that is there is as late.
    fn restore(&self, line: &Line, memory: &Meter<'_>) -> Result<Option<Stored>, Refusal> {
        let settings = self.service.gateway.settings();
        let unfit = |error| Refusal::parameter(&error);
        let key = line.key().map_err(unfit)?;
        if let Some((name, _)) = key
            .labels()
            .find(|(name, _)| !settings.pushes.names.allows_label_name(name) || is_reserved_label_name(name))
        {
            let text = format!("expected label names, found `{}`", query::shown(name));
            return Err(Refusal::parameter(&text));
        }
        self.caller.demand_for(Right::Push, &key)?;
        settings.push_limits.check_key(&key)?;
        let exposition = line.exposition_within(settings.pushes.names, memory);
        let mut exposition = exposition.map_err(|error| match error {
            LineError::TooLarge(TooLarge::Memory(denied)) => denied.into(),
            error => unfit(error),
        })?;
        settings.push_limits.check(&exposition)?;
        let relabelled = wharf_relabel::relabel_within(
            self.rules.relabelling(),
            &key,
            &mut exposition,
            settings.pushes.names,
            memory,
        )
        .map_err(|error| Refusal::from(&error))?;
        self.service
            .gateway
            .telemetry()
            .record_dropped(relabelled.dropped);
        let last = self
            .nanos(line.pushed_at(PUSH_TIME))
            .ok_or_else(|| unfit(LineError::NoTime))?;
        let seconds = |time| self.nanos(time).map_or(0.0, UnixNanos::as_seconds);
        let said = line.expect.as_deref().map(options::said).transpose()?;
        if let Some(said) = &said {
            said.check_key(&key)?;
        }
        let until = line
            .paused_until
            .and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        let notes = said.as_ref().map(Said::note);
        let notes = notes
            .into_iter()
            .chain(until.map(|until| Note::PausedUntil(UnixNanos(until))));
        let notes: Vec<Note<'_>> = notes.collect();
        let restored = Restored {
            key: &key,
            exposition: &exposition,
            push_time: seconds(line.push_time),
            failure_time: seconds(line.failure_time),
            pushed_at: &|name| self.nanos(line.pushed_at(name)).unwrap_or(last),
            ttl: self.ttl(line, &key)?,
            notes: &notes,
            memory,
        };
        let before = memory.taken();
        match self.service.gateway.store().restore(&restored, self.overwrites) {
            Ok(None) => Ok(None),
            Ok(Some(commit)) => {
                let mut content = Content::default();
                content.read(&exposition);
                Ok(Some(Stored {
                    key,
                    series: content.series,
                    commit,
                    record_bytes: memory.taken().saturating_sub(before),
                }))
            }
            Err(error) => Err(wharf_gateway::of_push(error, &self.caller)),
        }
    }

    /// A time that is still to come, by this clock, is now.
    fn nanos(&self, time: Option<Timestamp>) -> Option<UnixNanos> {
        let latest = i128::from(self.now.0.max(0));
        let at = time?.as_nanosecond().clamp(0, latest);
        i64::try_from(at).ok().map(UnixNanos)
    }

    fn ttl(&self, line: &Line, key: &GroupingKey) -> Result<Option<wharf_store::Ttl>, Refusal> {
        let settings = self.service.gateway.settings();
        let Some(text) = &line.ttl else {
            return Ok(self.rules.ttl(key, None, settings.pushes.default_ttl()));
        };
        Ok(match options::lifespan(text, settings.pushes.max_ttl)? {
            Lifespan::Unlimited => None,
            Lifespan::Limited(after) => Some(wharf_store::Ttl {
                after,
                keep_times: line.keep_times,
            }),
        })
    }
}

/// A line of a body, not read yet.
struct Unread<'b> {
    number: usize,
    bytes: &'b [u8],
}

/// The groups of a body.
///
/// # Errors
/// If there are too many.
fn lines(body: &[u8]) -> Result<impl Iterator<Item = Unread<'_>>, Refusal> {
    let numbered = body.split(|byte| *byte == b'\n').zip(1..);
    let lines = numbered
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(bytes, number)| Unread { number, bytes });
    if lines.clone().nth(MAX_GROUPS).is_some() {
        let text = format!("expected at most {MAX_GROUPS} groups at once, found more");
        return Err(Refusal::parameter(&text));
    }
    Ok(lines)
}

/// What a label, or a family with what is to be said of it, takes in its map at most beside its text.
const ENTRY_BYTES: usize = 512;
/// As many times as long as a line may be what is allocated while it is read.
const READING: usize = 4;

impl Unread<'_> {
    /// Reads the line. What it takes then is what is taken of the meter.
    fn read(&self, memory: &Meter<'_>) -> Result<Line, Refusal> {
        let before = memory.taken();
        let len = self.bytes.len();
        memory.take(self.map_bytes().saturating_add(len.saturating_mul(READING)))?;
        let line = serde_json::from_slice(self.bytes).map_err(|error| {
            let number = self.number;
            Refusal::parameter(&format!("line {number}: expected a group of an export: {error}"))
        })?;
        memory.give_back_to(before + self.map_bytes() + len);
        Ok(line)
    }

    /// The most that the maps of the line take. Each entry has a colon outside of strings.
    fn map_bytes(&self) -> usize {
        let (mut colons, mut is_string, mut is_escaped) = (0_usize, false, false);
        for byte in self.bytes {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_string,
                b'"' => is_string = !is_string,
                b':' if !is_string => colons += 1,
                _ => {}
            }
        }
        colons.saturating_mul(ENTRY_BYTES)
    }
}

impl Done {
    fn write(&self, out: &mut Vec<u8>) {
        let mut data = Members::object(out);
        data.integer("groups", self.stored.len() as u64);
        data.integer("series", self.series);
        data.integer("already_there", self.already_there as u64);
        let mut list = Members::array(data.key("refused"));
        for (labels, error) in &self.refused {
            let mut object = Members::object(list.next());
            let labels = labels.iter();
            write_strings(
                object.key("labels"),
                labels.map(|(name, value)| (name.as_str(), value.as_str())),
            );
            object.integer("status", status::of(error.reason).as_u16().into());
            object.string("error", &error.text);
            object.end();
        }
        list.end();
        data.integer("more_refused", self.more_refused as u64);
        data.end();
    }
}
