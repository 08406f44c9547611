//! `/api/v1/expectations`: which groups are expected, and which are overdue; pauses of one, and its end.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use wharf_gateway::{
    Expectation, ExpectationListing, ExpectationOrigin, ExpectationPast, ExpectationState, Gateway, Refusal,
    Right, rfc3339,
};
use wharf_model::name::NameRule;
use wharf_model::{Choice, Effort, GroupingKey, Selector, duration};
use wharf_schedule::Cadence;
use wharf_store::{Cursor, UnixNanos};

use crate::answer::json::{Members, write_number, write_string, write_strings};
use crate::answer::streamed::{self, Flow};
use crate::answer::{envelope, status};
use crate::request::path::percent_decode;
use crate::request::words::Words;
use crate::request::{grouping, parameters, query};
use crate::routes::groups::cursor;
use crate::routes::row::Asked;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// `GET /api/v1/expectations`: of those groups that whoever asks may see.
pub(crate) async fn list(asked: Asked<'_>) -> Response<ResponseBody> {
    let (service, query) = (Arc::clone(&asked.service), asked.query.map(str::to_owned));
    let choice = asked.caller.scope(Right::Read).groups();
    let listed = workers::run_in(asked.work(), move |effort, place| {
        let page = Page::of(&service.gateway, query.as_deref(), choice, effort)?;
        let body = streamed::body(|flow| page.write(flow))?;
        Ok(envelope::streamed(body.holding(place)))
    });
    listed.await.unwrap_or_else(status::answer)
}

/// `DELETE` of what a push has said of those to come.
pub(crate) async fn remove(asked: Asked<'_>) -> Response<ResponseBody> {
    let removed = async {
        let key = key_of(&asked, "")?;
        only(asked.query, &[])?;
        let gateway = &asked.service.gateway;
        gateway
            .remove_expectation(asked.caller, &key, asked.sender.address())
            .await
    };
    done(removed.await, "removed")
}

/// `PUT` or `POST` of a pause.
pub(crate) async fn pause(asked: Asked<'_>) -> Response<ResponseBody> {
    let paused = async {
        let key = key_of(&asked, "/pause")?;
        let until = only(asked.query, &["until"])?;
        let until = until
            .as_deref()
            .map(|text| until_time(text, asked.service.gateway.now()));
        let until = until.unwrap_or_else(|| {
            Err(Refusal::parameter(&format!(
                "until: expected {TIME}, found nothing"
            )))
        })?;
        let gateway = &asked.service.gateway;
        gateway
            .pause_expectation(asked.caller, &key, until, asked.sender.address())
            .await?;
        Ok(until)
    };
    match paused.await {
        Ok(until) => envelope::private(StatusCode::OK, |out| {
            let mut data = Members::object(out);
            data.string("paused_until", &rfc3339(until));
            data.end();
        }),
        Err(refusal) => status::answer(refusal),
    }
}

/// `PUT` or `POST` of its end.
pub(crate) async fn resume(asked: Asked<'_>) -> Response<ResponseBody> {
    let resumed = async {
        let key = key_of(&asked, "/resume")?;
        only(asked.query, &[])?;
        let gateway = &asked.service.gateway;
        gateway
            .resume_expectation(asked.caller, &key, asked.sender.address())
            .await
    };
    done(resumed.await, "resumed")
}

/// The group of the path, behind which this stands. Whether it is expected is nobody's business who may not delete it.
fn key_of(asked: &Asked<'_>, behind: &str) -> Result<GroupingKey, Refusal> {
    let rest = asked.path.strip_suffix(behind.as_bytes()).unwrap_or(asked.path);
    let key = grouping::parse(rest, asked.service.gateway.settings().pushes.names)?;
    asked.caller.demand_for(Right::Delete, &key)?;
    Ok(key)
}

/// The last of these parameters; there may be no others.
fn only(query: Option<&str>, known: &[&str]) -> Result<Option<String>, Refusal> {
    let mut found = None;
    for (name, value) in query::parameters(query)? {
        if !known.contains(&name.as_str()) {
            let known = if known.is_empty() {
                "nothing".to_owned()
            } else {
                known.join(", ")
            };
            return Err(query::unknown(&name, &known));
        }
        found = Some(value);
    }
    Ok(found)
}

const TIME: &str = "a time such as 2026-12-24T18:00:00Z, or how long from now, such as 2h";

/// Until when something is paused that begins now.
fn until_time(text: &str, now: UnixNanos) -> Result<UnixNanos, Refusal> {
    let after = || {
        let after = i64::try_from(duration::parse(text).ok()?.as_nanos()).ok()?;
        Some(UnixNanos(now.0.checked_add(after)?))
    };
    let until = parameters::time(text).or_else(after);
    until.ok_or_else(|| {
        let found = query::shown(text);
        Refusal::parameter(&format!("until: expected {TIME}, found `{found}`"))
    })
}

fn done(what: Result<(), Refusal>, name: &str) -> Response<ResponseBody> {
    match what {
        Ok(()) => envelope::private(StatusCode::OK, |out| {
            let mut data = Members::object(out);
            data.flag(name, true);
            data.end();
        }),
        Err(refusal) => status::answer(refusal),
    }
}

/// What was expected may be looked up for so long a time.
const LONGEST_PAST: Duration = Duration::from_secs(70 * 24 * 3600);

/// With its past, an expectation is long.
const MAX_WITH_PAST: usize = 100;

/// To find out what was expected of a group: its times are found one after the other.
const PAST_STEPS: u64 = 20_000;

struct Request {
    selectors: Vec<Selector>,
    words: Words,
    /// Only this one.
    group: Option<GroupingKey>,
    listing: ExpectationListing,
    /// What matters most first, instead of the order of their labels; the cursor, if any, is of that order too.
    by_state: bool,
    after: Option<Cursor>,
    /// How many stand how.
    totals: bool,
    /// Also what was expected within that time, and what came.
    past: Option<Duration>,
}

impl Request {
    fn of(query: Option<&str>, choice: Choice, names: NameRule, effort: &Effort) -> Result<Self, Refusal> {
        let mut request = Self {
            selectors: Vec::new(),
            words: Words::default(),
            group: None,
            listing: ExpectationListing {
                choice,
                state: None,
                above: None,
                limit: parameters::DEFAULT_LIMIT,
            },
            by_state: false,
            after: None,
            totals: false,
            past: None,
        };
        for (name, value) in query::parameters(query)? {
            let listing = &mut request.listing;
            match name.as_str() {
                "match[]" => parameters::add_selector(&mut request.selectors, &value, effort)?,
                "q" => request.words = Words::of(&value)?,
                "group" => request.group = Some(group(&value, names)?),
                "state" => listing.state = Some(state(&value)?),
                "sort" => request.by_state = by_state(&value)?,
                "past" => request.past = Some(past(&value)?),
                "totals" => request.totals = query::flag(&name, &value)?,
                "limit" => listing.limit = parameters::limit(&value)?,
                "cursor" => request.after = Some(cursor::read(&value)?),
                other => {
                    let known = "match[], q, group, state, sort, past, totals, limit, cursor";
                    return Err(query::unknown(other, known));
                }
            }
        }
        if request.past.is_some() && request.listing.limit > MAX_WITH_PAST {
            let text = format!("limit: expected at most {MAX_WITH_PAST} with `past`, found more");
            return Err(Refusal::parameter(&text));
        }
        Ok(request)
    }

    /// The states to list one after the other; none: all of them together.
    fn states(&self) -> Vec<Option<ExpectationState>> {
        match (self.listing.state, self.by_state) {
            (None, true) => ExpectationState::ALL.map(Some).into(),
            (state, _) => vec![state],
        }
    }

    /// The groups of a page, and where the next one begins.
    fn find(
        &self,
        gateway: &Gateway,
        effort: &Effort,
    ) -> Result<(Vec<Expectation>, Option<Cursor>), Refusal> {
        if let Some(key) = &self.group {
            let is_wanted = self.listing.choice.begin(effort).has(key)?;
            let one = gateway.expectation(key).filter(|_| is_wanted);
            return Ok((one.into_iter().collect(), None));
        }
        let mut found = Vec::new();
        let states = self.states();
        for (rank, state) in (0..).zip(states) {
            let after = self.after.as_ref().filter(|after| after.rank == rank);
            if self.after.as_ref().is_some_and(|after| rank < after.rank) {
                continue;
            }
            let listing = ExpectationListing {
                choice: self.listing.choice.clone(),
                state,
                above: after.map(|after| after.key.clone()),
                // One more tells whether there are more.
                limit: self.listing.limit + 1 - found.len(),
            };
            let has = |key: &GroupingKey| self.words.occur_in_key(key, effort);
            let some = gateway.expectations_where(&listing, effort, has)?;
            found.extend(some.into_iter().map(|one| (rank, one)));
            if found.len() > self.listing.limit {
                break;
            }
        }
        let has_more = found.len() > self.listing.limit;
        found.truncate(self.listing.limit);
        let last = found.last().filter(|_| has_more);
        let next = last.map(|(rank, last)| Cursor {
            rank: *rank,
            key: last.key.clone(),
        });
        Ok((found.into_iter().map(|(_, one)| one).collect(), next))
    }
}

fn state(text: &str) -> Result<ExpectationState, Refusal> {
    let found = STATES.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| {
        let known = STATES.map(ExpectationState::as_str).join(", ");
        let found = query::shown(text);
        Refusal::parameter(&format!("state: expected one of {known}, found `{found}`"))
    })
}

/// The group of a path as it is shown: `job/backup/instance/db1`.
fn group(text: &str, names: NameRule) -> Result<GroupingKey, Refusal> {
    let path = percent_decode(text);
    let rest = path.as_deref().and_then(|path| path.strip_prefix(b"job"));
    let rest = rest.filter(|rest| rest.starts_with(b"/") || rest.starts_with(b"@base64/"));
    let rest = rest.ok_or_else(|| {
        let found = query::shown(text);
        Refusal::parameter(&format!(
            "group: expected a path such as job/backup/instance/db1, found `{found}`"
        ))
    })?;
    grouping::parse(rest, names).map_err(|error| Refusal::parameter(&format!("group: {error}")))
}

fn by_state(text: &str) -> Result<bool, Refusal> {
    match text {
        "labels" => Ok(false),
        "state" => Ok(true),
        other => Err(Refusal::parameter(&format!(
            "sort: expected one of labels, state, found `{}`",
            query::shown(other)
        ))),
    }
}

fn past(text: &str) -> Result<Duration, Refusal> {
    let past = duration::parse(text).map_err(|error| Refusal::parameter(&format!("past: {error}")))?;
    if past > LONGEST_PAST {
        let longest = duration::format(LONGEST_PAST);
        let found = query::shown(text);
        return Err(Refusal::parameter(&format!(
            "past: expected at most {longest}, found `{found}`"
        )));
    }
    Ok(past)
}

/// The words, in the order in which a refusal names them.
const STATES: [ExpectationState; 4] = [
    ExpectationState::Waiting,
    ExpectationState::Due,
    ExpectationState::Overdue,
    ExpectationState::Paused,
];

struct Page {
    known_since: Option<UnixNanos>,
    /// By the gateway's clock.
    now: UnixNanos,
    names: NameRule,
    /// With the past of each, if it was asked for.
    expectations: Vec<(Expectation, Option<ExpectationPast>)>,
    totals: Option<Vec<(ExpectationState, usize)>>,
    next: Option<Cursor>,
}

impl Page {
    fn of(gateway: &Gateway, query: Option<&str>, choice: Choice, effort: &Effort) -> Result<Self, Refusal> {
        let names = gateway.settings().pushes.names;
        let mut request = Request::of(query, choice, names, effort)?;
        request.listing.choice = request
            .listing
            .choice
            .asked(std::mem::take(&mut request.selectors));
        // So that a push which was answered is seen.
        gateway.catch_up();
        let (found, next) = request.find(gateway, effort)?;
        let mut expectations = Vec::with_capacity(found.len());
        for one in found {
            let past = match request.past {
                Some(within) => {
                    effort.spend(PAST_STEPS)?;
                    Some(gateway.past(&one, within))
                }
                None => None,
            };
            expectations.push((one, past));
        }
        let has = |key: &GroupingKey| request.words.occur_in_key(key, effort);
        let count = || gateway.count_expectations(&request.listing.choice, effort, has);
        Ok(Self {
            known_since: gateway.overdue_known_since(),
            now: gateway.now(),
            names,
            expectations,
            totals: request.totals.then(count).transpose()?,
            next,
        })
    }

    async fn write(self, flow: Flow) -> Vec<u8> {
        let mut body = Vec::new();
        let mut envelope = envelope::open(&mut body);
        let mut data = Members::object(envelope.key("data"));
        data.text("known_since", self.known_since.map(rfc3339).as_deref());
        let mut list = Members::array(data.key("expectations"));
        for (expectation, past) in &self.expectations {
            let mut object = Members::object(list.next());
            self.write_members(&mut object, expectation);
            if let Some(past) = past {
                write_past(&mut object, past);
            }
            object.end();
            flow.pass(list.written()).await;
        }
        list.end();
        if let Some(totals) = &self.totals {
            let mut object = Members::object(data.key("totals"));
            for (state, count) in totals {
                object.integer(state.as_str(), *count as u64);
            }
            object.end();
        }
        if let Some(next) = &self.next {
            data.string("next_cursor", &cursor::write(next));
        }
        data.end();
        envelope.end();
        body
    }

    fn write_members(&self, object: &mut Members<'_>, expectation: &Expectation) {
        let Expectation {
            key,
            expected,
            state,
            timing,
            line,
        } = expectation;
        let (every, schedule) = match timing.cadence() {
            Cadence::Every(interval) => (Some(duration::format(*interval)), None),
            Cadence::At(schedule) => (None, Some(schedule)),
        };
        write_strings(object.key("labels"), key.labels());
        object.string("path", &grouping::path(key, self.names));
        object.string("state", state.as_str());
        let (from, rule) = match &expected.origin {
            ExpectationOrigin::Rule(index) => ("rule", Some(*index as u64 + 1)),
            ExpectationOrigin::Push(_) => ("push", None),
        };
        object.string("from", from);
        for (name, number) in [("rule", rule), ("line", *line)] {
            match number {
                Some(number) => object.integer(name, number),
                None => object.null(name),
            }
        }
        object.text("every", every.as_deref());
        object.text("schedule", schedule.map(|schedule| schedule.as_str()));
        object.text("timezone", schedule.map(|schedule| schedule.time_zone()));
        object.string("grace", &duration::format(timing.grace()));
        object.string("since", &rfc3339(expected.since));
        for (name, time) in [
            ("last_push", expected.last),
            ("due", expected.due),
            ("overdue_at", expected.overdue_at),
            ("paused_until", expected.is_paused_until(self.now)),
        ] {
            object.text(name, time.map(rfc3339).as_deref());
        }
    }
}

/// `[due, came, outcome]` of each occasion, times in seconds.
fn write_past(object: &mut Members<'_>, past: &ExpectationPast) {
    object.string("past_since", &rfc3339(past.since));
    let mut occasions = Members::array(object.key("past"));
    for occasion in &past.occasions {
        let mut one = Members::array(occasions.next());
        for time in [occasion.due, occasion.came] {
            write_number(one.next(), time.map(|time| time.as_duration().as_secs_f64()));
        }
        write_string(one.next(), occasion.outcome.as_str());
        one.end();
    }
    occasions.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let request = Request::of(Some(query), Choice::all(), NameRule::Utf8, &Effort::unlimited());
        request.err().unwrap().text
    }

    #[test]
    fn mistakes_are_refused() {
        assert_eq!(
            refused("state=late"),
            "state: expected one of waiting, due, overdue, paused, found `late`"
        );
        assert_eq!(
            refused("states=due"),
            "expected a parameter of match[], q, group, state, sort, past, totals, limit, cursor, found `states`"
        );
        assert_eq!(
            refused("sort=due"),
            "sort: expected one of labels, state, found `due`"
        );
        assert_eq!(refused("past=71d"), "past: expected at most 70d, found `71d`");
        assert_eq!(
            refused("group=backup"),
            "group: expected a path such as job/backup/instance/db1, found `backup`"
        );
        assert!(refused("group=job/a/b").starts_with("group: odd number of components"));
        assert!(refused("past=x").starts_with("past: "));
        assert_eq!(
            refused("past=1d&limit=101"),
            "limit: expected at most 100 with `past`, found more"
        );
        assert_eq!(
            refused("cursor=x"),
            "cursor: expected what an earlier page gave, found `x`"
        );
        assert_eq!(
            refused("limit=0"),
            "limit: expected a number from 1 to 1000, found `0`"
        );
        assert!(refused("match[]=job").starts_with("match[]: column 1: "));
    }
}
