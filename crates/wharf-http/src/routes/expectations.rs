//! `/api/v1/expectations`: which groups are expected, and which are overdue; pauses of one, and its end.

use std::sync::Arc;

use http::{Response, StatusCode};
use wharf_gateway::{
    Expectation, ExpectationListing, ExpectationOrigin, ExpectationState, Refusal, Right, rfc3339,
};
use wharf_model::{Choice, Effort, GroupingKey, Selector, duration};
use wharf_schedule::Cadence;
use wharf_store::{Cursor, UnixNanos};

use crate::answer::json::{Members, write_strings};
use crate::answer::streamed::{self, Flow};
use crate::answer::{envelope, status};
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

const STATES: [ExpectationState; 4] = [
    ExpectationState::Waiting,
    ExpectationState::Due,
    ExpectationState::Overdue,
    ExpectationState::Paused,
];

struct Request {
    selectors: Vec<Selector>,
    listing: ExpectationListing,
}

impl Request {
    fn of(query: Option<&str>, choice: Choice, effort: &Effort) -> Result<Self, Refusal> {
        let mut request = Self {
            selectors: Vec::new(),
            listing: ExpectationListing {
                choice,
                state: None,
                above: None,
                limit: parameters::DEFAULT_LIMIT,
            },
        };
        for (name, value) in query::parameters(query)? {
            let listing = &mut request.listing;
            match name.as_str() {
                "match[]" => parameters::add_selector(&mut request.selectors, &value, effort)?,
                "state" => listing.state = Some(state(&value)?),
                "limit" => listing.limit = parameters::limit(&value)?,
                "cursor" => listing.above = Some(cursor::read(&value)?.key),
                other => return Err(query::unknown(other, "match[], state, limit, cursor")),
            }
        }
        Ok(request)
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

struct Page {
    known_since: Option<UnixNanos>,
    expectations: Vec<Expectation>,
    next: Option<Cursor>,
}

impl Page {
    fn of(
        gateway: &wharf_gateway::Gateway,
        query: Option<&str>,
        choice: Choice,
        effort: &Effort,
    ) -> Result<Self, Refusal> {
        let Request {
            selectors,
            mut listing,
        } = Request::of(query, choice, effort)?;
        listing.choice = listing.choice.asked(selectors);
        let limit = listing.limit;
        // One more tells whether there are more.
        listing.limit += 1;
        let mut expectations = gateway.expectations(&listing, effort)?;
        let has_more = expectations.len() > limit;
        expectations.truncate(limit);
        let last = expectations.last().filter(|_| has_more);
        let next = last.map(|last| Cursor {
            rank: 0,
            key: last.key.clone(),
        });
        Ok(Self {
            known_since: gateway.overdue_known_since(),
            expectations,
            next,
        })
    }

    async fn write(self, flow: Flow) -> Vec<u8> {
        let mut body = Vec::new();
        let mut envelope = envelope::open(&mut body);
        let mut data = Members::object(envelope.key("data"));
        data.text("known_since", self.known_since.map(rfc3339).as_deref());
        let mut list = Members::array(data.key("expectations"));
        for expectation in &self.expectations {
            write(list.next(), expectation);
            flow.pass(list.written()).await;
        }
        list.end();
        if let Some(next) = &self.next {
            data.string("next_cursor", &cursor::write(next));
        }
        data.end();
        envelope.end();
        body
    }
}

fn write(out: &mut Vec<u8>, expectation: &Expectation) {
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
    let mut object = Members::object(out);
    write_strings(object.key("labels"), key.labels());
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
        ("paused_until", expected.paused_until),
    ] {
        object.text(name, time.map(rfc3339).as_deref());
    }
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let request = Request::of(Some(query), Choice::all(), &Effort::unlimited());
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
            "expected a parameter of match[], state, limit, cursor, found `states`"
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
