//! What a push may say about itself, in its query or in headers: a time to live, when the next one is expected, how it merges, what
//! its counters count, and when it happened.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use wharf_gateway::{Adding, AskedId, Lifespan, Refusal, Said, Settings, Wish};
use wharf_model::duration;
use wharf_store::{Bounds, Counters, Gauges, PushMode, UnixNanos};

use crate::request::{parameters, query};

/// How the names of our headers begin.
const HEADERS: &str = "wharf-";
static TTL_HEADER: HeaderName = HeaderName::from_static("wharf-ttl");
static MERGE_HEADER: HeaderName = HeaderName::from_static("wharf-merge");
static AGGREGATE_HEADER: HeaderName = HeaderName::from_static("wharf-aggregate");
static COUNTERS_HEADER: HeaderName = HeaderName::from_static("wharf-counters");
static ID_HEADER: HeaderName = HeaderName::from_static("wharf-push-id");
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static EXPECT_HEADER: HeaderName = HeaderName::from_static("wharf-expect");
static TIME_HEADER: HeaderName = HeaderName::from_static("wharf-push-time");

/// What a push asks for: in `?ttl=` or `Wharf-TTL`, `?expect=` or `Wharf-Expect`, `?merge=` or `Wharf-Merge`, `?aggregate=` or `Wharf-Aggregate`,
/// `?counters=` or `Wharf-Counters`, `?push_id=` or `Wharf-Push-Id`, and `?push_time=` or `Wharf-Push-Time`. Other parameters are none of our business: the Pushgateway ignores all of them.
///
/// # Errors
/// If one of these is not what it has to be, stands in both places, asks for more than `--push.max-ttl`, or for a time without the
/// admin API, for it could make a job that has failed look sound.
pub(crate) fn wish<B>(request: &Request<B>, settings: &Settings) -> Result<Wish, Refusal> {
    let (query, headers) = (request.uri().query(), request.headers());
    let is_ours = |name: &HeaderName| name.as_str().starts_with(HEADERS) || *name == IDEMPOTENCY_KEY;
    if query.is_none() && !headers.keys().any(is_ours) {
        // Most pushes.
        return Ok(Wish {
            mode: replaced_by(request.method()),
            adding: Adding::default(),
            counters: None,
            ttl: None,
            expect: None,
            id: None,
            pushed_at: None,
        });
    }
    asked(request.method(), query, headers, settings)
}

/// The same of a part, which is added whatever its method.
///
/// # Errors
/// As [`wish`].
pub(crate) fn wish_of_part<B>(request: &Request<B>, settings: &Settings) -> Result<Wish, Refusal> {
    asked(&Method::POST, request.uri().query(), request.headers(), settings)
}

fn asked(
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    settings: &Settings,
) -> Result<Wish, Refusal> {
    let ttl = single(query, headers, "ttl", &TTL_HEADER)?;
    let merge = single(query, headers, "merge", &MERGE_HEADER)?;
    let aggregate = single(query, headers, "aggregate", &AGGREGATE_HEADER)?;
    let counters = single(query, headers, "counters", &COUNTERS_HEADER)?;
    let expect = single(query, headers, "expect", &EXPECT_HEADER)?;
    let pushed_at = single(query, headers, "push_time", &TIME_HEADER)?;
    if pushed_at.is_some() {
        settings.admin.allow_dates()?;
    }
    let (mode, wanted) = mode(method, merge.as_deref())?;
    Ok(Wish {
        mode,
        adding: adding(method, wanted, aggregate.as_deref())?,
        counters: counters.map(|text| counted(&text)).transpose()?,
        ttl: ttl
            .map(|text| lifespan(&text, settings.pushes.max_ttl))
            .transpose()?,
        expect: expect.map(|text| said(&text)).transpose()?,
        id: push_id(query, headers)?,
        pushed_at: pushed_at.map(|text| push_time(&text)).transpose()?,
    })
}

/// A parameter that may stand in the query or in a header, and once.
fn single(
    query: Option<&str>,
    headers: &HeaderMap,
    parameter: &str,
    header: &HeaderName,
) -> Result<Option<String>, Refusal> {
    let mut values = Vec::new();
    for value in query::values(query, parameter) {
        values.push(value.map_err(|error| Refusal::parameter(&error))?);
    }
    for value in headers.get_all(header) {
        values.push(String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    }
    if values.len() > 1 {
        let text = format!(
            "expected one `{parameter}`, in the query or the header, found {}",
            values.len()
        );
        return Err(Refusal::parameter(&text));
    }
    Ok(values.pop())
}

/// What a push replaces that says nothing about that but its method.
pub(crate) fn replaced_by(method: &Method) -> PushMode {
    if *method == Method::PUT {
        PushMode::ReplaceGroup
    } else {
        PushMode::ReplaceFamilies
    }
}

/// What a push replaces, and whether it says that it is to be added up, or not.
fn mode(method: &Method, merge: Option<&str>) -> Result<(PushMode, Option<bool>), Refusal> {
    match merge {
        None => Ok((replaced_by(method), None)),
        Some("none") => Ok((replaced_by(method), Some(false))),
        Some("series") if *method == Method::PUT => {
            let text = "expected POST to merge series, found PUT, which replaces the whole group";
            Err(Refusal::parameter(&text))
        }
        Some("series") => Ok((PushMode::ReplaceSeries, Some(false))),
        Some("aggregate") => Ok((replaced_by(method), Some(true))),
        Some(other) => Err(Refusal::parameter(&format!(
            "expected merge=series, merge=aggregate or merge=none, found `{}`",
            query::shown(other)
        ))),
    }
}

/// How a push says that it is to be added up: `gauge:max,buckets:all`, or with `=`. Who says how says that it is.
fn adding(method: &Method, wanted: Option<bool>, how: Option<&str>) -> Result<Adding, Refusal> {
    let mut adding = Adding {
        wanted: wanted.or(how.map(|_| true)),
        ..Adding::default()
    };
    if adding.wanted == Some(true) && *method == Method::PUT {
        let text = "expected POST to add up, found PUT, which replaces the whole group";
        return Err(Refusal::parameter(&text));
    }
    let Some(how) = how else { return Ok(adding) };
    if adding.wanted == Some(false) {
        let text = "expected `aggregate` with merge=aggregate, found it with a push that is not added up";
        return Err(Refusal::parameter(&text));
    }
    for part in how.split(',') {
        let (key, value) = part.split_once([':', '=']).unwrap_or((part, ""));
        match (key.trim(), value.trim()) {
            ("gauge", value) if adding.gauges.is_none() => {
                adding.gauges = Gauges::ALL.into_iter().find(|how| how.as_str() == value);
                adding.gauges.ok_or_else(|| unknown_way(part))?;
            }
            ("buckets", value) if adding.bounds.is_none() => {
                adding.bounds = Bounds::ALL.into_iter().find(|how| how.as_str() == value);
                adding.bounds.ok_or_else(|| unknown_way(part))?;
            }
            _ => return Err(unknown_way(part)),
        }
    }
    Ok(adding)
}

fn unknown_way(part: &str) -> Refusal {
    let gauges = Gauges::ALL.map(Gauges::as_str).join(", ");
    let bounds = Bounds::ALL.map(Bounds::as_str).join(", ");
    Refusal::parameter(&format!(
        "expected gauge:HOW or buckets:HOW, each once, found `{}`\n\
         hint: gauges become {gauges}; buckets are {bounds}",
        query::shown(part)
    ))
}

/// What the push is called. Others than ours send an `Idempotency-Key` too, and with any push: it counts if there is none of ours.
fn push_id(query: Option<&str>, headers: &HeaderMap) -> Result<Option<AskedId>, Refusal> {
    let Some(id) = single(query, headers, "push_id", &ID_HEADER)? else {
        let id = headers.get(&IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
        return Ok(id.filter(|id| !id.is_empty()).map(AskedId::new));
    };
    if id.is_empty() {
        return Err(Refusal::parameter(&"push_id: expected an id, found nothing"));
    }
    Ok(Some(AskedId::new(id.as_bytes())))
}

fn counted(text: &str) -> Result<Counters, Refusal> {
    match text {
        "run" => Ok(Counters::Run),
        "total" => Ok(Counters::Total),
        other => Err(Refusal::parameter(&format!(
            "expected counters=run or counters=total, found `{}`",
            query::shown(other)
        ))),
    }
}

/// When the next push is expected: a timing on one line, or `none`.
///
/// # Errors
/// 400 if it is neither, with the column of the mistake.
pub(crate) fn said(text: &str) -> Result<Said, Refusal> {
    Said::read(text).map_err(|error| Refusal::parameter(&format!("expect: {error}")))
}

fn push_time(text: &str) -> Result<UnixNanos, Refusal> {
    let time = parameters::time(text).filter(|time| time.0 >= 0);
    time.ok_or_else(|| {
        Refusal::parameter(&format!(
            "push_time: expected a time such as 2026-01-02T03:04:05.25Z, found `{}`",
            query::shown(text)
        ))
    })
}

/// A time to live, of at most `max_ttl`.
///
/// # Errors
/// 400 if it is none, or a longer one.
pub(crate) fn lifespan(text: &str, max_ttl: Option<Duration>) -> Result<Lifespan, Refusal> {
    let asked = duration::parse(text)
        .map(Lifespan::from)
        .map_err(|error| Refusal::parameter(&format!("ttl: {error}")))?;
    let Some(max) = max_ttl else { return Ok(asked) };
    if matches!(asked, Lifespan::Limited(asked) if asked <= max) {
        return Ok(asked);
    }
    let found = match asked {
        Lifespan::Unlimited => "0, which is for ever".to_owned(),
        Lifespan::Limited(asked) => duration::format(asked),
    };
    let max = duration::format(max);
    let text = format!("expected a ttl of at most {max}, found {found}\nhint: see --push.max-ttl");
    Err(Refusal::parameter(&text))
}

#[cfg(test)]
mod tests {
    use wharf_gateway::{AdminApi, PushSettings};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn read(method: &Method, query: &str, headers: &[(&'static str, &'static str)]) -> Result<Wish, String> {
        let settings = Settings {
            pushes: PushSettings {
                max_ttl: Some(24 * HOUR),
                ..PushSettings::default()
            },
            admin: AdminApi { enabled: true },
            ..Settings::default()
        };
        wish(&request(method, query, headers), &settings).map_err(|refusal| refusal.text)
    }

    fn request(method: &Method, query: &str, headers: &[(&str, &str)]) -> Request<()> {
        let request = Request::builder().method(method).uri(format!("/?{query}"));
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap()
    }

    #[test]
    fn a_time_to_live_comes_in_the_query_or_in_a_header() {
        let ttl = |query, headers| read(&Method::POST, query, headers).map(|options| options.ttl);
        let two_hours = Ok(Some(Lifespan::Limited(2 * HOUR)));
        assert_eq!(ttl("", &[]), Ok(None));
        assert_eq!(ttl("ttl=2h", &[]), two_hours);
        assert_eq!(ttl("x=y&ttl=1h60m", &[]), two_hours);
        assert_eq!(ttl("", &[("wharf-ttl", " 120m ")]), two_hours);
        assert_eq!(ttl("ttl=1d", &[]), Ok(Some(Lifespan::Limited(24 * HOUR))));
    }

    #[test]
    fn a_time_to_live_that_is_none_is_refused() {
        let ttl = |query, headers| read(&Method::POST, query, headers).unwrap_err();
        assert!(ttl("ttl=soon", &[]).starts_with("ttl: "));
        assert_eq!(
            ttl("ttl=1h", &[("wharf-ttl", "1h")]),
            "expected one `ttl`, in the query or the header, found 2"
        );
        assert_eq!(
            ttl("ttl=25h", &[]),
            "expected a ttl of at most 1d, found 1d1h\nhint: see --push.max-ttl"
        );
        assert_eq!(
            ttl("ttl=0", &[]),
            "expected a ttl of at most 1d, found 0, which is for ever\nhint: see --push.max-ttl"
        );
        assert!(ttl("ttl=%zz", &[]).starts_with("expected percent-encoded"));
    }

    #[test]
    fn an_id_comes_in_the_query_or_in_a_header_of_ours_or_of_others() {
        let id = |query, headers| read(&Method::POST, query, headers).map(|options| options.id);
        let of = |id: &str| Ok(Some(AskedId::new(id.as_bytes())));
        assert_eq!(id("", &[]), Ok(None));
        assert_eq!(id("push_id=a%20b", &[]), of("a b"));
        assert_eq!(id("", &[("wharf-push-id", "a")]), of("a"));
        assert_eq!(id("", &[("idempotency-key", "a")]), of("a"));
        assert_eq!(
            id("", &[("idempotency-key", "a"), ("wharf-push-id", "b")]),
            of("b")
        );
        assert_eq!(id("", &[("idempotency-key", "")]), Ok(None));
        assert_eq!(
            id("push_id=", &[]),
            Err("push_id: expected an id, found nothing".to_owned())
        );
        assert_eq!(
            id("push_id=a", &[("wharf-push-id", "a")]),
            Err("expected one `push_id`, in the query or the header, found 2".to_owned())
        );
    }

    #[test]
    fn the_method_and_the_parameter_say_what_is_replaced() {
        let mode = |method, query, headers| read(method, query, headers).map(|options| options.mode);
        assert_eq!(mode(&Method::PUT, "", &[]), Ok(PushMode::ReplaceGroup));
        assert_eq!(mode(&Method::POST, "", &[]), Ok(PushMode::ReplaceFamilies));
        assert_eq!(
            mode(&Method::POST, "merge=series", &[]),
            Ok(PushMode::ReplaceSeries)
        );
        assert_eq!(
            mode(&Method::POST, "", &[("wharf-merge", "series")]),
            Ok(PushMode::ReplaceSeries)
        );
        assert_eq!(
            mode(&Method::PUT, "merge=series", &[]),
            Err("expected POST to merge series, found PUT, which replaces the whole group".to_owned())
        );
        assert_eq!(
            mode(&Method::POST, "merge=groups", &[]),
            Err("expected merge=series, merge=aggregate or merge=none, found `groups`".to_owned())
        );
    }

    #[test]
    fn a_push_may_say_that_it_is_added_up_and_how() {
        let adding = |method, query, headers| read(method, query, headers).map(|options| options.adding);
        let added = |gauges, bounds| {
            Ok(Adding {
                wanted: Some(true),
                gauges,
                bounds,
            })
        };
        assert_eq!(adding(&Method::POST, "", &[]), Ok(Adding::default()));
        assert_eq!(adding(&Method::PUT, "ttl=1h", &[]), Ok(Adding::default()));
        assert_eq!(adding(&Method::POST, "merge=aggregate", &[]), added(None, None));
        assert_eq!(
            adding(&Method::POST, "", &[("wharf-merge", "aggregate")]),
            added(None, None)
        );
        assert_eq!(
            adding(&Method::POST, "aggregate=gauge:max", &[]),
            added(Some(Gauges::Max), None)
        );
        assert_eq!(
            adding(
                &Method::POST,
                "merge=aggregate",
                &[("wharf-aggregate", "gauge=sum, buckets=all")]
            ),
            added(Some(Gauges::Sum), Some(Bounds::All))
        );
        for (query, method) in [("merge=none", &Method::PUT), ("merge=series", &Method::POST)] {
            assert_eq!(adding(method, query, &[]).unwrap().wanted, Some(false));
        }
        let refused = |method, query: &str| {
            let read = read(method, query, &[]);
            read.map(|options| options.adding).unwrap_err()
        };
        for query in ["merge=aggregate", "aggregate=gauge:sum"] {
            assert_eq!(
                refused(&Method::PUT, query),
                "expected POST to add up, found PUT, which replaces the whole group"
            );
        }
        for part in [
            "gauge:mean",
            "gauge",
            "counter:sum",
            "buckets:max",
            "gauge:max,gauge:min",
            "",
        ] {
            let refused = refused(&Method::POST, &format!("aggregate={part}"));
            assert!(
                refused.starts_with("expected gauge:HOW or buckets:HOW, each once, found `"),
                "{refused}"
            );
        }
        assert!(
            refused(&Method::POST, "aggregate=gauge:max&merge=none").starts_with("expected `aggregate` with")
        );
    }

    #[test]
    fn a_push_may_say_what_its_counters_count() {
        let counters = |query, headers| read(&Method::PUT, query, headers).map(|options| options.counters);
        assert_eq!(counters("", &[]), Ok(None));
        assert_eq!(counters("counters=run", &[]), Ok(Some(Counters::Run)));
        assert_eq!(
            counters("", &[("wharf-counters", "run")]),
            Ok(Some(Counters::Run))
        );
        assert_eq!(counters("counters=total", &[]), Ok(Some(Counters::Total)));
        assert_eq!(
            counters("counters=delta", &[]),
            Err("expected counters=run or counters=total, found `delta`".to_owned())
        );
        assert_eq!(
            counters("counters=run", &[("wharf-counters", "run")]),
            Err("expected one `counters`, in the query or the header, found 2".to_owned())
        );
    }

    #[test]
    fn a_push_may_say_when_it_happened() {
        let now = UnixNanos(1_800_000_000_000_000_000);
        let time =
            |query: &str, headers: &[_]| read(&Method::PUT, query, headers).map(|options| options.time(now));
        assert_eq!(time("", &[]), Ok(now));
        assert_eq!(
            time("push_time=2026-01-02T03:04:05.25Z", &[]),
            Ok(UnixNanos(1_767_323_045_250_000_000))
        );
        assert_eq!(
            time("", &[("wharf-push-time", "1970-01-01T01:00:00.000000001+01:00")]),
            Ok(UnixNanos(1))
        );
        assert_eq!(time("push_time=2100-01-01T00:00:00Z", &[]), Ok(now));
        for unfit in [
            "yesterday",
            "1767323045",
            "1969-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z",
            "",
        ] {
            let query = format!("push_time={unfit}");
            let refused = time(&query, &[]).unwrap_err();
            assert!(refused.starts_with("push_time: expected a time"), "{refused}");
        }
    }

    #[test]
    fn a_time_needs_the_admin_api() {
        let request = request(&Method::PUT, "push_time=2026-01-02T03:04:05Z", &[]);
        let refused = wish(&request, &Settings::default());
        assert_eq!(refused.unwrap_err().reason, wharf_gateway::Reason::NeedsFlag);
    }
}
