//! `/api/v1/groups/job/<job>.../badge.svg`: in two words how a group is, for wikis and dashboards.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use wharf_gateway::{Caller, ExpectationState, Expected, Refusal, Right};
use wharf_model::{GroupingKey, Value};
use wharf_store::{FragmentView, GroupView, UnixNanos};

use crate::answer::badge::{Badge, Colour, MOST_CHARACTERS};
use crate::answer::{respond, status};
use crate::request::{conditional, query};
use crate::routes::group;
use crate::routes::groups::Look;
use crate::routes::row::Asked;
use crate::service::Service;
use crate::transport::chunks::ResponseBody;
use crate::workers;

/// What `wharf run` pushes: 0 if the command failed.
const RUN_SUCCESS: &str = "job_run_success";

/// `GET` of a group's badge.
pub(crate) async fn show(asked: Asked<'_>) -> Response<ResponseBody> {
    let rest = asked.path.strip_suffix(b"/badge.svg").unwrap_or(asked.path);
    let request = group::key(&asked.service, rest).and_then(|key| {
        asked.caller.demand_for(Right::Read, &key)?;
        Ok((key, label(asked.query)?))
    });
    let (service, caller) = (Arc::clone(&asked.service), asked.caller.clone());
    let made = workers::run_in(asked.work(), move |_effort, _place| {
        let (key, label) = request?;
        let said = said(&service, &caller, &key);
        let is_known = said.is_some();
        let (message, colour) = said.unwrap_or_else(|| ("unknown".to_owned(), Colour::Grey));
        let label = label.unwrap_or_else(|| key.job().to_owned());
        let badge = Badge {
            label,
            message,
            colour,
        };
        Ok((badge.to_string(), is_known))
    });
    match made.await {
        Ok((svg, is_known)) => answer(svg, is_known, &asked.headers),
        Err(refusal) => status::answer(refusal),
    }
}

/// What stands on the left side, if a request says so.
fn label(query: Option<&str>) -> Result<Option<String>, Refusal> {
    let mut label = None;
    for (name, value) in query::parameters(query)? {
        if name != "label" {
            return Err(query::unknown(&name, "label"));
        }
        let characters = value.chars().count();
        if !(1..=MOST_CHARACTERS).contains(&characters) {
            let text = format!("label: expected 1 to {MOST_CHARACTERS} characters, found {characters}");
            return Err(Refusal::parameter(&text));
        }
        label = Some(value);
    }
    Ok(label)
}

/// What is to be said of a group, and in which colour; none, if there is no such group and none is expected.
fn said(service: &Service, caller: &Caller, key: &GroupingKey) -> Option<(String, Colour)> {
    let look = Look::now(service, caller);
    let now = service.gateway.now();
    let expected = service.gateway.expected(key);
    if let Some(expected) = &expected
        && expected.state(now) == ExpectationState::Overdue
    {
        return Some(match (expected.last, expected.overdue_at) {
            (Some(_), Some(at)) => (format!("overdue since {}", minute(at)), Colour::Red),
            _ => ("never came".to_owned(), Colour::Red),
        });
    }
    let stored = service.gateway.store().group(key);
    if let Some(stored) = &stored
        && let Some(trouble) = trouble(&look, stored, now)
    {
        return Some(trouble);
    }
    if let Some(until) = expected
        .as_ref()
        .and_then(|expected| expected.is_paused_until(now))
    {
        return Some((format!("paused until {}", minute(until)), Colour::Grey));
    }
    // A pause makes a group that never came.
    let pushed = stored
        .as_ref()
        .map(|stored| stored.info().push_time)
        .filter(|at| *at > 0.0);
    let last = |expected: Expected| expected.last.map(UnixNanos::as_seconds);
    match (pushed, expected) {
        (Some(at), _) => Some((format!("ok {}", ago(at, now)), Colour::Green)),
        // Its metrics have expired.
        (None, Some(expected)) => Some(match last(expected) {
            Some(at) => (format!("ok {}", ago(at, now)), Colour::Green),
            None => ("never came".to_owned(), Colour::Grey),
        }),
        (None, None) => stored.map(|_| ("never came".to_owned(), Colour::Grey)),
    }
}

/// What is wrong with a group that is stored.
fn trouble(look: &Look<'_>, stored: &GroupView, now: UnixNanos) -> Option<(String, Colour)> {
    let info = stored.info();
    let looked = look.group(info);
    if let Some(at) = looked.refused_at() {
        return Some((format!("refused {}", ago(at, now)), Colour::Amber));
    }
    if has_failed(stored) {
        return Some((format!("failed {}", ago(info.push_time, now)), Colour::Red));
    }
    None
}

/// Whether the run that a group is of has failed.
fn has_failed(stored: &GroupView) -> bool {
    let success = stored.fragments().find(|fragment| fragment.name() == RUN_SUCCESS);
    let mut pieces = success.iter().flat_map(FragmentView::pieces);
    pieces.any(|piece| {
        piece.decode(|_, family| {
            let mut values = family.metrics.iter().map(|metric| metric.value);
            values.any(|value| matches!(value, Value::Number(success) if success == 0.0))
        })
    })
}

/// A time by the minute: pictures are looked at anywhere.
fn minute(time: UnixNanos) -> String {
    let Ok(time) = Timestamp::from_nanosecond(i128::from(time.0)) else {
        return String::new();
    };
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long ago something was, in whole minutes, hours or days.
fn ago(at: f64, now: UnixNanos) -> String {
    let minutes = ((now.as_seconds() - at) / 60.0).floor();
    if minutes < 1.0 {
        "just now".to_owned()
    } else if minutes < 60.0 {
        format!("{minutes} min ago")
    } else if minutes < 48.0 * 60.0 {
        format!("{} h ago", (minutes / 60.0).floor())
    } else {
        format!("{} d ago", (minutes / (24.0 * 60.0)).floor())
    }
}

fn answer(svg: String, is_known: bool, headers: &HeaderMap) -> Response<ResponseBody> {
    let mut hasher = DefaultHasher::new();
    hasher.write(svg.as_bytes());
    let tag = format!("\"{:016x}\"", hasher.finish());
    let status = if is_known {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let mut response = if is_known && conditional::has_tag(headers, &tag) {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        respond::with_type(status, "image/svg+xml", svg.into_bytes())
    };
    let headers = response.headers_mut();
    // Whoever keeps it asks each time whether it is still so.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let nothing = HeaderValue::from_static("default-src 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, nothing);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        let now = UnixNanos(1_796_083_200_000_000_000);
        let cases = [
            (-10.0, "just now"),
            (59.0, "just now"),
            (60.0, "1 min ago"),
            (3599.0, "59 min ago"),
            (2.0 * 3600.0, "2 h ago"),
            (47.9 * 3600.0, "47 h ago"),
            (48.0 * 3600.0, "2 d ago"),
        ];
        for (age, expected) in cases {
            assert_eq!(ago(now.as_seconds() - age, now), expected);
        }
        assert_eq!(minute(now), "2026-12-01 00:00 UTC");
    }

    #[test]
    fn labels_that_say_nothing_or_too_much_are_refused() {
        assert_eq!(label(Some("label=a%20b")).ok(), Some(Some("a b".to_owned())));
        assert_eq!(label(None).ok(), Some(None));
        let refused = |query: &str| label(Some(query)).err().unwrap().text;
        assert_eq!(refused("label="), "label: expected 1 to 64 characters, found 0");
        assert_eq!(
            refused(&format!("label={}", "x".repeat(65))),
            "label: expected 1 to 64 characters, found 65"
        );
        assert_eq!(refused("x=1"), "expected a parameter of label, found `x`");
    }
}
