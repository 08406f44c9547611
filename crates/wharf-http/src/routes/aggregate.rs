//! The routes of prom-aggregation-gateway, at addresses of their own: a table beside that of all other routes, since the same paths
//! mean something else there.
//!
//! ```text
//! POST, PUT /metrics, /metrics/label/value/...   adds up: 202
//! GET       /metrics                             what is added up, without what the client has not sent
//! GET       /healthy, /ready, /metrics           at the lifecycle address
//! ```

mod lifecycle;
mod push;
pub(crate) mod pushes;
mod show;

use http::{Method, Response};
use wharf_gateway::Need::ForSome;
use wharf_gateway::{Input, Right};

use crate::answer::{envelope, respond};
use crate::routes::router::Routed;
use crate::routes::row::{Handler, Path, Row};
use crate::routes::table::PLAIN;
use crate::transport::chunks::ResponseBody;
use crate::transport::entry_point::EntryPoint;
use crate::transport::purpose::Purpose::{self, Aggregate, AggregateLifecycle};

const METRICS: &str = "/metrics";
const PUSHES: &[Method] = &[Method::POST, Method::PUT];
const OPTIONS: &[Method] = &[Method::OPTIONS];
const AT: &[Purpose] = &[Aggregate];
const LIFECYCLE: &[Purpose] = &[AggregateLifecycle];
const LABEL: Option<&str> = Some("aggregate");

static PUSH: Row = Row {
    name: "aggregate",
    path: Path::Exact(METRICS),
    methods: PUSHES,
    need: Some(ForSome(Right::Push)),
    at: AT,
    label: LABEL,
    input: Some(Input::Aggregate),
    needs_store: true,
    handler: Handler::WithBody(|asked, request| Box::pin(push::handle(asked, request))),
    ..PLAIN
};

static PUSH_WITH_LABELS: Row = Row {
    name: "aggregate with labels",
    path: Path::Below("/metrics/"),
    ..PUSH
};

static SHOW: Row = Row {
    name: "aggregated",
    path: Path::Exact(METRICS),
    need: Some(ForSome(Right::Read)),
    at: AT,
    label: LABEL,
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(show::handle(asked))),
    ..PLAIN
};

/// Browsers ask without credentials.
static ASK: Row = Row {
    name: "aggregate options",
    path: Path::Exact(METRICS),
    methods: OPTIONS,
    at: AT,
    label: LABEL,
    handler: Handler::Now(|_| shared("GET, HEAD, OPTIONS, POST, PUT")),
    ..PLAIN
};

static ASK_WITH_LABELS: Row = Row {
    name: "aggregate options with labels",
    path: Path::Below("/metrics/"),
    handler: Handler::Now(|_| shared("OPTIONS, POST, PUT")),
    ..ASK
};

// Probes have nothing but an address.
static HEALTHY: Row = Row {
    name: "aggregate healthy",
    path: Path::Exact("/healthy"),
    at: LIFECYCLE,
    handler: Handler::Now(lifecycle::healthy),
    ..PLAIN
};

static READY: Row = Row {
    name: "aggregate ready",
    path: Path::Exact("/ready"),
    handler: Handler::Now(lifecycle::ready),
    ..HEALTHY
};

static METRICS_OF_ITS_OWN: Row = Row {
    name: "aggregate metrics",
    path: Path::Exact(METRICS),
    need: Some(ForSome(Right::Read)),
    at: LIFECYCLE,
    needs_store: true,
    handler: Handler::Later(|asked| Box::pin(lifecycle::metrics(asked))),
    ..PLAIN
};

static ROWS: [&Row; 8] = [
    &PUSH,
    &PUSH_WITH_LABELS,
    &SHOW,
    &ASK,
    &ASK_WITH_LABELS,
    &HEALTHY,
    &READY,
    &METRICS_OF_ITS_OWN,
];

/// Routes a percent-decoded path at an address of this kind. HEAD counts as GET; what is not there is 404, as it is for
/// prom-aggregation-gateway.
pub(crate) fn route(entry_point: &EntryPoint, method: &Method, path: &[u8], prefix: &str) -> Routed {
    let method = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let Some(inside) = path.strip_prefix(prefix.as_bytes()) else {
        return Routed::NotFound;
    };
    let fits = |row: &&&Row| {
        entry_point.serves(row.at) && row.methods.contains(method) && row.path.find(inside, METRICS).is_some()
    };
    match ROWS.iter().find(fits) {
        // What stands behind it are labels.
        Some(row) if row.input.is_some() => Routed::To(row, METRICS.len()),
        Some(row) => Routed::To(row, 0),
        None => Routed::NotFound,
    }
}

fn shared(allow: &str) -> Response<ResponseBody> {
    let mut response = respond::options(allow);
    envelope::share(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(purpose: Purpose, request: &str, expected: &str) {
        let entry_point = EntryPoint::new(None, [purpose]);
        let (method, path) = request.split_once(' ').unwrap();
        let routed = match route(&entry_point, &method.parse().unwrap(), path.as_bytes(), "") {
            Routed::To(row, at) => format!("{} {}", row.name, &path[at..]),
            Routed::NotFound => "404".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(routed, expected, "{request}");
    }

    #[test]
    fn each_address_has_its_routes_and_no_others() {
        for (request, expected) in [
            ("POST /metrics", "aggregate "),
            ("PUT /metrics", "aggregate "),
            ("PUT /metrics/", "aggregate with labels /"),
            ("POST /metrics/job//x/1", "aggregate with labels /job//x/1"),
            ("GET /metrics", "aggregated /metrics"),
            ("HEAD /metrics", "aggregated /metrics"),
            ("OPTIONS /metrics", "aggregate options /metrics"),
            (
                "OPTIONS /metrics/a/1",
                "aggregate options with labels /metrics/a/1",
            ),
            ("GET /metrics/job/a", "404"),
            ("DELETE /metrics", "404"),
            ("GET /healthy", "404"),
            ("POST //metrics", "404"),
            ("GET /api/v1/groups", "404"),
            ("GET /", "404"),
        ] {
            check(Aggregate, request, expected);
        }
        for (request, expected) in [
            ("GET /healthy", "aggregate healthy /healthy"),
            ("GET /ready", "aggregate ready /ready"),
            ("GET /metrics", "aggregate metrics /metrics"),
            ("POST /metrics", "404"),
            ("GET /-/healthy", "404"),
        ] {
            check(AggregateLifecycle, request, expected);
        }
    }
}
