//! `POST /api/v1/admin/import`: lines of an export become groups again, each with its times.

use std::sync::Arc;

use http::{Response, StatusCode};
use jiff::Timestamp;
use wharf_gateway::{Active, Body, Caller, Content, Lifespan, Refusal, Right};
use wharf_model::GroupingKey;
use wharf_model::name::is_reserved_label_name;
use wharf_store::{Commit, PUSH_TIME, Restored, UnixNanos};

use super::Line;
use crate::answer::envelope;
use crate::answer::json::{Members, write_strings};
use crate::answer::status;
use crate::request::arrived::Arrived;
use crate::request::options;
use crate::request::query;
use crate::request::received::Received;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;

/// Groups of one request.
const MAX_GROUPS: usize = 10_000;
/// How many of the refused groups an answer has.
const MAX_LISTED: usize = 1_000;

/// Answers with what has become of the groups. Each is stored for itself; nothing is if a line is none.
pub(crate) async fn handle(
    service: Arc<Service>,
    mut request: Arrived,
    caller: &Caller,
) -> Response<ResponseBody> {
    let overwrites = overwrites(request.uri().query());
    let imported = match overwrites {
        Ok(overwrites) => import(&service, request, caller, overwrites).await,
        Err(error) => {
            service.without_body(&mut request).await;
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
    service: &Arc<Service>,
    request: Arrived,
    caller: &Caller,
    overwrites: bool,
) -> Result<Response<ResponseBody>, Refusal> {
    let received = Received::read(&service.bodies, request, caller).await?;
    let import = Import {
        service: Arc::clone(service),
        rules: service.gateway.policy(),
        caller: caller.clone(),
        now: service.gateway.now(),
        overwrites,
    };
    let turn = service.gateway.queue().turn(&caller.client()).await?;
    let run = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let body = received.expand(&import.service.bodies)?;
        import.run(body.bytes())
    });
    let mut done = run.await.unwrap_or_else(|_| Err(Refusal::internal()))?;
    for commit in std::mem::take(&mut done.commits) {
        commit.wait().await?;
    }
    tracing::info!(
        groups = done.stored.len(),
        already_there = done.already_there,
        refused = done.refused.len(),
        by = caller.who(),
        "groups imported"
    );
    Ok(envelope::private(StatusCode::OK, |out| done.write(out)))
}

struct Import {
    service: Arc<Service>,
    rules: Arc<Active>,
    caller: Caller,
    now: UnixNanos,
    overwrites: bool,
}

/// What has become of the groups.
#[derive(Default)]
struct Done {
    stored: Vec<GroupingKey>,
    series: u64,
    already_there: usize,
    refused: Vec<(Line, Refusal)>,
    /// What is left to wait for.
    commits: Vec<Commit>,
}

impl Import {
    fn run(&self, body: &[u8]) -> Result<Done, Refusal> {
        let mut done = Done::default();
        // All of them before the first is stored: they take a little more than the body that has them.
        for line in lines(body)? {
            match self.restore(&line) {
                Ok(Some((key, series, commit))) => {
                    done.commits.push(commit);
                    done.stored.push(key);
                    done.series += series;
                }
                Ok(None) => done.already_there += 1,
                // No group would fare better.
                Err(error) if status::of(error.reason) == StatusCode::SERVICE_UNAVAILABLE => {
                    return Err(error);
                }
                Err(error) => {
                    let mut line = line;
                    (line.text, line.protobuf) = (String::new(), String::new());
                    done.refused.push((line, error));
                }
            }
        }
        Ok(done)
    }

    /// Stores a group; its key and how many series it has, unless the one that is there is as late.
    fn restore(&self, line: &Line) -> Result<Option<(GroupingKey, u64, Commit)>, Refusal> {
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
        let mut exposition = line.exposition(settings.pushes.names).map_err(unfit)?;
        settings.push_limits.check(&exposition)?;
        let relabelled = wharf_relabel::relabel(
            self.rules.relabelling(),
            &key,
            &mut exposition,
            settings.pushes.names,
        )
        .map_err(|error| Refusal::from(&error))?;
        self.service
            .gateway
            .telemetry()
            .record_dropped(relabelled.dropped);
        let last = self
            .nanos(line.pushed_at(PUSH_TIME))
            .ok_or_else(|| unfit(super::LineError::NoTime))?;
        let seconds = |time| self.nanos(time).map_or(0.0, UnixNanos::as_seconds);
        let restored = Restored {
            key: &key,
            exposition: &exposition,
            push_time: seconds(line.push_time),
            failure_time: seconds(line.failure_time),
            pushed_at: &|name| self.nanos(line.pushed_at(name)).unwrap_or(last),
            ttl: self.ttl(line, &key)?,
        };
        match self.service.gateway.store().restore(&restored, self.overwrites) {
            Ok(None) => Ok(None),
            Ok(Some(commit)) => {
                let mut content = Content::default();
                content.read(&exposition);
                Ok(Some((key, content.series, commit)))
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

/// The groups of a body.
fn lines(body: &[u8]) -> Result<Vec<Line>, Refusal> {
    let mut lines = Vec::new();
    let numbered = body.split(|byte| *byte == b'\n').zip(1..);
    for (line, number) in numbered.filter(|(line, _): &(&[u8], u64)| !line.trim_ascii().is_empty()) {
        if lines.len() == MAX_GROUPS {
            let text = format!("expected at most {MAX_GROUPS} groups at once, found more");
            return Err(Refusal::parameter(&text));
        }
        lines.push(serde_json::from_slice(line).map_err(|error| {
            Refusal::parameter(&format!("line {number}: expected a group of an export: {error}"))
        })?);
    }
    Ok(lines)
}

impl Done {
    fn write(&self, out: &mut Vec<u8>) {
        let mut data = Members::object(out);
        data.integer("groups", self.stored.len() as u64);
        data.integer("series", self.series);
        data.integer("already_there", self.already_there as u64);
        let mut list = Members::array(data.key("refused"));
        for (line, error) in self.refused.iter().take(MAX_LISTED) {
            let mut object = Members::object(list.next());
            let labels = line.labels.iter();
            write_strings(
                object.key("labels"),
                labels.map(|(name, value)| (name.as_str(), value.as_str())),
            );
            object.integer("status", status::of(error.reason).as_u16().into());
            object.string("error", &error.text);
            object.end();
        }
        list.end();
        let more = self.refused.len().saturating_sub(MAX_LISTED);
        data.integer("more_refused", more as u64);
        data.end();
    }
}
