//! What the tools for operators ask of a gateway. Wharf has listings and deletes by selector; of the Pushgateway the same
//! is pieced together from what it has.

use std::cmp::Ordering;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wharf_client::{Client, ClientError, Method, Request, percent_encode};
use wharf_model::{GroupingKey, Selector};

use super::command::UsageError;
use super::contents;
use super::receipt::Receipt;

/// Groups of one page of a listing, the most that Wharf gives.
const PAGE: usize = 1_000;

/// A gateway.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) client: Client,
}

/// One group, without its metrics. What only Wharf tells is missing for the Pushgateway.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) key: GroupingKey,
    pub(super) last_push_successful: bool,
    /// Unix time; 0 if it never was.
    pub(super) pushed_at: f64,
    /// Unix time; 0 if it never was.
    pub(super) failed_at: f64,
    pub(super) families: u64,
    pub(super) series: u64,
    pub(super) bytes: Option<u64>,
    pub(super) ttl: Option<String>,
    pub(super) expires_at: Option<Timestamp>,
    /// `failed`, `overdue`, `stale`, `expiring`, `future`, as far as they are known.
    pub(super) states: Vec<String>,
    /// How it is expected; none if it is not.
    pub(super) expectation: Option<Expected>,
    /// The last refused push that is remembered.
    pub(super) last_error: Option<LastError>,
}

/// How a group is expected.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Expected {
    state: String,
    due: Option<Timestamp>,
    overdue_at: Option<Timestamp>,
}

/// A refused push. It need not have moved [`Group::failed_at`]: a mistake in its text does not.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct LastError {
    time_seconds: f64,
    reason: String,
}

/// From when on a push time counts as one of the future. Clocks of different machines are never quite the same.
const FUTURE_SECONDS: f64 = 60.0;

impl Group {
    /// Whether the last push was refused, for whatever reason.
    pub(super) fn is_failed(&self) -> bool {
        !self.last_push_successful || self.has_state("failed")
    }

    /// Whether its last push is still to come, by the gateway's clock.
    pub(super) fn is_of_the_future(&self) -> bool {
        self.has_state("future")
    }

    /// Whether it was expected, and did not come.
    pub(super) fn is_overdue(&self) -> bool {
        self.has_state("overdue")
    }

    /// Since when it is overdue, in Unix time; nothing if it is not.
    pub(super) fn overdue_since(&self) -> Option<f64> {
        let at = self.expectation.as_ref()?.overdue_at?;
        self.is_overdue().then(|| at.as_duration().as_secs_f64())
    }

    fn has_state(&self, wanted: &str) -> bool {
        self.states.iter().any(|state| state == wanted)
    }

    /// When the last push was refused; nothing if it was not.
    pub(super) fn refused_at(&self) -> Option<f64> {
        let remembered = self.last_error.as_ref().map_or(0.0, |error| error.time_seconds);
        self.is_failed().then(|| self.failed_at.max(remembered))
    }
}

/// What a gateway says about itself. A Pushgateway says nothing of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    /// The gateway's clock.
    now_seconds: Option<f64>,
    /// What is wrong with it, the worst first.
    #[serde(default)]
    pub(super) problems: Vec<Problem>,
}

/// Something that is wrong with a gateway.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Problem {
    pub(super) summary: String,
}

impl Status {
    /// The gateway's clock, or ours if it does not tell.
    pub(super) fn now(&self) -> f64 {
        self.now_seconds.unwrap_or_else(super::output::now)
    }
}

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sort {
    Job,
    Labels,
    PushTime,
    FailureTime,
    Series,
    Bytes,
    ExpiresAt,
}

/// What deleting by selector did, or would do.
#[derive(Debug, Deserialize)]
pub(super) struct Deleted {
    pub(super) count: u64,
    groups: Vec<std::collections::BTreeMap<String, String>>,
    /// Whether it can be taken back; none if nothing was removed.
    #[serde(default)]
    pub(super) undo: Option<Receipt>,
}

/// Which groups, and in which order.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// As they were typed; all groups if there are none.
    pub(super) selectors: Vec<String>,
    pub(super) sort: Sort,
    /// The other way round.
    pub(super) descending: bool,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Page {
    groups: Vec<Listed>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    labels: std::collections::BTreeMap<String, String>,
    last_push_successful: bool,
    push_time_seconds: f64,
    push_failure_time_seconds: f64,
    families: u64,
    series: u64,
    bytes: u64,
    ttl: Option<String>,
    expires_at: Option<String>,
    #[serde(default)]
    states: Vec<String>,
    #[serde(default)]
    expectation: Option<Expected>,
    last_error: Option<LastError>,
}

impl Sort {
    fn parameter(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Labels => "labels",
            Self::PushTime => "push_time",
            Self::FailureTime => "failure_time",
            Self::Series => "series",
            Self::Bytes => "bytes",
            Self::ExpiresAt => "expires_at",
        }
    }

    fn compare(self, a: &Group, b: &Group) -> Ordering {
        match self {
            Self::Job => a.key.job().cmp(b.key.job()),
            Self::Labels => Ordering::Equal,
            Self::PushTime => a.pushed_at.total_cmp(&b.pushed_at),
            Self::FailureTime => a.failed_at.total_cmp(&b.failed_at),
            Self::Series => a.series.cmp(&b.series),
            Self::Bytes => a.bytes.cmp(&b.bytes),
            Self::ExpiresAt => a.expires_at.cmp(&b.expires_at),
        }
        .then_with(|| a.key.cmp(&b.key))
    }
}

impl Remote {
    /// The groups that `keep` approves of, at most `limit`.
    ///
    /// # Errors
    /// If the gateway does not answer as it should.
    pub(super) fn list(
        &self,
        query: &Query,
        limit: usize,
        mut keep: impl FnMut(&Group) -> bool,
    ) -> anyhow::Result<Vec<Group>> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page: Page = match self.page(query, limit.min(PAGE), cursor.as_deref()) {
                Ok(answer) => data(&answer.body)?,
                Err(error) if error.status() == Some(404) && cursor.is_none() => {
                    return self.list_original(query, limit, keep);
                }
                Err(error) => return Err(error.into()),
            };
            for listed in page.groups {
                let group = listed.group()?;
                if keep(&group) {
                    found.push(group);
                }
            }
            cursor = page.next_cursor;
            if found.len() >= limit || cursor.is_none() {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    fn page(
        &self,
        query: &Query,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<wharf_client::Answer, ClientError> {
        let minus = if query.descending { "-" } else { "" };
        let mut path = format!(
            "/api/v1/groups?limit={limit}&sort={minus}{}",
            query.sort.parameter()
        );
        path.push_str(&matching(&query.selectors));
        if let Some(cursor) = cursor {
            path.push_str("&cursor=");
            path.push_str(&percent_encode(cursor));
        }
        self.client.send(&Request::get(path))
    }

    /// Of the Pushgateway, everything is read.
    fn list_original(
        &self,
        query: &Query,
        limit: usize,
        mut keep: impl FnMut(&Group) -> bool,
    ) -> anyhow::Result<Vec<Group>> {
        let selectors = parsed(&query.selectors)?;
        let mut found = Vec::new();
        let future = super::output::now() + FUTURE_SECONDS;
        contents::read(&self.client, |group| {
            let group = group?;
            if selects(&selectors, &group.key) {
                let seconds =
                    |time: Option<Timestamp>| time.map_or(0.0, |time| time.as_duration().as_secs_f64());
                let (pushed_at, failed_at) = (seconds(group.pushed_at), seconds(group.failed_at));
                let states = [("failed", !group.is_successful()), ("future", pushed_at > future)];
                let states = states.into_iter().filter(|(_, is)| *is);
                let group = Group {
                    last_push_successful: group.is_successful(),
                    pushed_at,
                    failed_at,
                    states: states.map(|(state, _)| state.to_owned()).collect(),
                    expectation: None,
                    last_error: None,
                    // The two push times count, as in Wharf's listing.
                    families: group.families.families.len() as u64 + 2,
                    series: group.series() + 2,
                    key: group.key,
                    bytes: None,
                    ttl: None,
                    expires_at: None,
                };
                found.extend(Some(group).filter(|group| keep(group)));
            }
            Ok(())
        })?;
        found.sort_by(|a, b| {
            let order = query.sort.compare(a, b);
            if query.descending { order.reverse() } else { order }
        });
        found.truncate(limit);
        Ok(found)
    }

    /// What the gateway says about itself; nothing if it does not tell those who ask.
    ///
    /// # Errors
    /// If the gateway does not answer as it should.
    pub(super) fn status(&self) -> anyhow::Result<Status> {
        match self.client.send(&Request::get("/api/v1/status")) {
            Ok(answer) => data(&answer.body),
            Err(error) if matches!(error.status(), Some(403 | 404)) => Ok(Status::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is the Pushgateway, which has no listing.
    ///
    /// # Errors
    /// If the gateway does not answer as it should.
    pub(super) fn is_original(&self) -> Result<bool, ClientError> {
        match self
            .client
            .send(&Request::get("/api/v1/groups?limit=1&fields=labels"))
        {
            Ok(_) => Ok(false),
            Err(error) if error.status() == Some(404) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Asks for what was removed, or to take it back.
    ///
    /// # Errors
    /// If the gateway refuses it, or keeps nothing of what is removed: the Pushgateway does not.
    pub(super) fn ask_for_removals<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request,
    ) -> anyhow::Result<T> {
        match self.client.send(request) {
            Ok(answer) => data(&answer.body),
            // Wharf says so too if there is no such removal.
            Err(error) if error.status() == Some(404) && self.is_original().unwrap_or(false) => Err(
                anyhow::anyhow!("{error}\nhint: the Pushgateway keeps nothing of what is removed"),
            ),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes by selector, or says what would go.
    ///
    /// # Errors
    /// 403 without the admin API, 404 from the Pushgateway, which cannot.
    pub(super) fn delete_matching(
        &self,
        selectors: &[String],
        older_than: Option<&str>,
        family: Option<&str>,
        dry_run: bool,
    ) -> anyhow::Result<Result<Deleted, ClientError>> {
        let mut path = format!("/api/v1/groups?dry_run={dry_run}{}", matching(selectors));
        for (name, value) in [("older_than", older_than), ("family", family)] {
            if let Some(value) = value {
                path = format!("{path}&{name}={}", percent_encode(value));
            }
        }
        match self.client.send(&Request::new(Method::Delete, path)) {
            Ok(answer) => Ok(Ok(data(&answer.body)?)),
            Err(error) if matches!(error.status(), Some(403..=405)) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Deleted {
    /// The groups.
    ///
    /// # Errors
    /// If their labels make no key.
    pub(super) fn keys(&self) -> anyhow::Result<Vec<GroupingKey>> {
        self.groups.iter().map(key).collect()
    }
}

impl Listed {
    fn group(self) -> anyhow::Result<Group> {
        Ok(Group {
            key: key(&self.labels)?,
            last_push_successful: self.last_push_successful,
            pushed_at: self.push_time_seconds,
            failed_at: self.push_failure_time_seconds,
            families: self.families,
            series: self.series,
            bytes: Some(self.bytes),
            ttl: self.ttl,
            expires_at: self.expires_at.and_then(|at| at.parse().ok()),
            states: self.states,
            expectation: self.expectation,
            last_error: self.last_error,
        })
    }
}

fn key(labels: &std::collections::BTreeMap<String, String>) -> anyhow::Result<GroupingKey> {
    let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    GroupingKey::new(pairs).context("read the labels of a group")
}

/// The labels of a group in the notation of selectors, as a gateway gives them.
pub(super) fn shown(labels: &std::collections::BTreeMap<String, String>) -> String {
    // What makes no key is shown all the same.
    key(labels).map_or_else(|_| format!("{labels:?}"), |key| key.to_string())
}

/// What stands in the envelope of an answer.
///
/// # Errors
/// If it is none of a gateway.
pub(super) fn data<T: serde::de::DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    let envelope: Envelope<T> = serde_json::from_slice(body)
        .context("expected the answer of a gateway; is it one that answers at this URL?")?;
    Ok(envelope.data)
}

/// Selectors as further parameters of a query.
pub(super) fn matching(selectors: &[String]) -> String {
    let parameters = selectors
        .iter()
        .map(|selector| format!("&match[]={}", percent_encode(selector)));
    parameters.collect()
}

/// Selectors as they are typed, or jobs: what does not begin with a brace is a job.
pub(super) fn selectors(typed: &[String]) -> anyhow::Result<Vec<String>> {
    let selectors: Vec<String> = typed
        .iter()
        .map(|typed| {
            if typed.trim_start().starts_with('{') {
                typed.clone()
            } else {
                let value = typed
                    .replace('\\', r"\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{{job=\"{value}\"}}")
            }
        })
        .collect();
    parsed(&selectors)?;
    Ok(selectors)
}

/// Reads selectors.
///
/// # Errors
/// The first that is none.
pub(super) fn parsed(selectors: &[String]) -> anyhow::Result<Vec<Selector>> {
    let mut parsed = Vec::with_capacity(selectors.len());
    for text in selectors {
        match text.parse() {
            Ok(selector) => parsed.push(selector),
            Err(error) => {
                let text = super::output::clean(text);
                return Err(UsageError(format!("selector `{text}`: {error}")).into());
            }
        }
    }
    Ok(parsed)
}

/// Whether one of the selectors holds, or there is none.
pub(super) fn selects(selectors: &[Selector], key: &GroupingKey) -> bool {
    selectors.is_empty() || Selector::any(selectors, key)
}

/// A group as JSON of a listing: the shape that `wharf ls -o json` prints.
pub(super) fn json(group: &Group) -> Value {
    let labels: serde_json::Map<String, Value> = group
        .key
        .labels()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    serde_json::json!({
        "labels": labels,
        "last_push_successful": group.last_push_successful,
        "push_time_seconds": group.pushed_at,
        "push_failure_time_seconds": group.failed_at,
        "families": group.families,
        "series": group.series,
        "bytes": group.bytes,
        "ttl": group.ttl,
        "expires_at": group.expires_at.map(|time| time.to_string()),
        "states": group.states,
        "expectation": group.expectation,
        "last_error": group.last_error,
    })
}
