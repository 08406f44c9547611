//! All routes, one row each, as the description of the API names them: what each is asked that costs much, one cell for each
//! dimension. Where a dimension makes no sense, the cell says why.

use wharf_testkit::body;
use wharf_testkit::http::Request;
use wharf_testkit::protobuf;

/// A request, and with what it may be answered.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) request: Request,
    pub(super) answers: &'static [u16],
}

/// What a route is asked in one dimension.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Asks(Vec<Ask>),
    /// The dimension makes no sense for it, for this reason.
    Nothing(&'static str),
}

use Cell::{Asks, Nothing};

/// A route. What is sent, what it expands to, and how a client sends, reads and leaves is the same for all: that is done with
/// what is usually asked.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with each other"
)]
pub(super) struct Row {
    /// Method and path.
    pub(super) route: &'static str,
    method: &'static str,
    target: &'static str,
    pub(super) usual: Ask,
    /// Whether a body is read, or else left alone.
    pub(super) reads_body: bool,
    /// Whether it ends the process where it is switched on.
    pub(super) ends: bool,
    /// Whether its answer goes on for as long as somebody reads it.
    pub(super) is_endless: bool,
    /// Whether something of what is stored may be gone afterwards, or different.
    pub(super) removes: bool,
    /// Sent first, so that there is something to do.
    pub(super) before: Option<Request>,
    /// Much is stored: see [`super::fill`].
    pub(super) stored: Cell,
    pub(super) labels: Cell,
    pub(super) series: Cell,
    pub(super) groups: Cell,
    pub(super) selectors: Cell,
    pub(super) depth: Cell,
}

impl Row {
    /// What a query begins with, or goes on with.
    pub(super) fn separator(&self) -> char {
        if self.target.contains('?') { '&' } else { '?' }
    }

    /// What is usually asked, with something behind its path.
    pub(super) fn with_query(&self, query: &str) -> Request {
        let request = Request::new(self.method, &format!("{}{query}", self.target));
        if self.reads_body {
            request.body("m{job=\"a\"} 1\n")
        } else {
            request
        }
    }
}

const DONE: &[u16] = &[200, 202];
/// Done, or done before.
const UNDONE: &[u16] = &[200, 404, 409];
/// Done, or more than a limit allows.
const DONE_OR_MUCH: &[u16] = &[200, 202, 400, 413, 503];
const LABELS: &[u16] = &[200, 202, 400, 404, 413, 414, 431];

fn asks<const N: usize>(asks: [(Request, &'static [u16]); N]) -> Cell {
    Asks(asks.map(|(request, answers)| Ask { request, answers }).into())
}

fn request(method: &str, target: &str) -> Request {
    Request::new(method, target)
}

/// So many pieces of text behind each other.
fn many(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

/// So many labels in the path of a group.
fn long_path(path: &str) -> String {
    let labels = many(3_000, |n| format!("/l{n}/v"));
    format!("{path}{labels}")
}

fn escaped(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    bytes.concat()
}

/// A selector of very many matchers, as a parameter.
fn matchers() -> String {
    let matchers: Vec<String> = (0..4_000).map(|n| format!("l{n}=\"\"")).collect();
    format!("match[]={{{}}}", matchers.join(","))
}

/// Expressions that are too costly to read; and very many selectors.
fn selectors(method: &'static str, target: &str) -> Cell {
    let costly = escaped(&format!("{{job=~`(?i){}`}}", "[^a]".repeat(400)));
    let many = "&match[]={job=\"x\"}".repeat(2_000);
    asks([
        (request(method, &format!("{target}match[]={costly}")), &[422]),
        (request(method, &format!("{target}{many}")), &[200, 400]),
    ])
}

/// An expression within very many others.
fn nested_expression(method: &'static str, target: &str) -> Cell {
    let expression = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
    let nested = format!("{target}match[]={{job=~\"{expression}\"}}");
    asks([(request(method, &nested), &[400, 422])])
}

const NO_LABELS: Cell = Nothing("it takes no labels");
const NO_SELECTORS: Cell = Nothing("it takes no selectors");
const NO_SERIES: Cell =
    Nothing("it takes no series; those that are stored are in the cell of what is stored");
const NO_GROUPS: Cell =
    Nothing("it takes no groups; those that are stored are in the cell of what is stored");
const ONE_GROUP: Cell = Nothing("it is about one group");
const FLAT: Cell = Nothing("nothing that it reads can be nested");
const STORES_NOTHING: Cell = Nothing("what is stored makes no difference to it");

/// A route that takes nothing, and looks at nothing that is stored.
fn plain(route: &'static str, method: &'static str, target: &'static str, answers: &'static [u16]) -> Row {
    Row {
        route,
        method,
        target,
        usual: Ask {
            request: request(method, target),
            answers,
        },
        reads_body: false,
        ends: false,
        is_endless: false,
        removes: false,
        before: None,
        stored: STORES_NOTHING,
        labels: NO_LABELS,
        series: NO_SERIES,
        groups: NO_GROUPS,
        selectors: NO_SELECTORS,
        depth: FLAT,
    }
}

/// A route that shows what is stored, all of it or a part.
fn showing(route: &'static str, method: &'static str, target: &'static str) -> Row {
    Row {
        stored: asks([(request(method, target), DONE)]),
        ..plain(route, method, target, DONE)
    }
}

/// The same for one that takes selectors.
fn selecting(route: &'static str, method: &'static str, target: &'static str) -> Row {
    let more = format!("{target}{}", if target.contains('?') { '&' } else { '?' });
    Row {
        labels: asks([(
            request(method, &format!("{more}{}", matchers())),
            &[200, 400, 422],
        )]),
        selectors: selectors(method, &more),
        depth: nested_expression(method, &more),
        ..showing(route, method, target)
    }
}

/// Series of one family, in few bytes each.
fn series(count: usize) -> String {
    many(count, |n| format!("s{{a=\"{n}\"}} 1\n"))
}

/// One series with very many labels.
fn labels(job: &str) -> String {
    let labels = many(15_000, |n| format!("l{n}=\"\","));
    format!("s{{{labels}{job}}} 1\n")
}

fn pushing(route: &'static str, method: &'static str) -> Row {
    let target = "/metrics/job/attack";
    let push = |path: &str| request(method, path);
    let merged = |path: &str| request("POST", &format!("{path}?merge=series")).body("h{n=\"5\"} 2\n");
    let stored = if method == "POST" {
        merged("/metrics/job/big")
    } else {
        push("/metrics/job/big").body("h 1\n")
    };
    // In protobuf, groups of fields may be nested; nobody needs them.
    let nested = [vec![0x0b; 100_000], vec![0x0c; 100_000]].concat();
    let nested = push(target)
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(nested);
    let twice = body::gzip(&body::gzip(&vec![b'#'; 1 << 20]));
    let twice = push(target).header("Content-Encoding", "gzip, gzip").body(twice);
    Row {
        usual: Ask {
            request: push(target).body("m 1\n"),
            answers: DONE,
        },
        reads_body: true,
        removes: true,
        stored: asks([(stored, DONE)]),
        labels: asks([
            (push(target).body(labels("")), DONE_OR_MUCH),
            (push(&long_path(target)).body(series(500)), DONE_OR_MUCH),
            (
                push(&format!("{target}/l/{}", "l".repeat(60_000))).body(series(500)),
                DONE_OR_MUCH,
            ),
        ]),
        series: asks([(push(target).body(series(14_000)), DONE_OR_MUCH)]),
        groups: ONE_GROUP,
        depth: asks([(nested, &[400]), (twice, &[400])]),
        ..plain(route, method, target, DONE)
    }
}

fn pushing_many(route: &'static str, method: &'static str) -> Row {
    let target = "/api/v1/push?group_by=job";
    let push = |text: String| request(method, target).body(text);
    let lines = |count: usize, job: &str| many(count, |n| format!("s{{job=\"{job}{n}\"}} 1\n"));
    let long = "l".repeat(100);
    Row {
        usual: Ask {
            request: push("m{job=\"a\"} 1\n".to_owned()),
            answers: DONE,
        },
        reads_body: true,
        removes: true,
        stored: asks([(push("h{job=\"big\",n=\"5\"} 2\n".to_owned()), DONE)]),
        labels: asks([(push(labels("job=\"a\"")), DONE_OR_MUCH)]),
        series: asks([(push(series(9_000).replace('}', ",job=\"a\"}")), DONE_OR_MUCH)]),
        groups: asks([
            (push(lines(5_000, "a")), DONE_OR_MUCH),
            (push(lines(11_000, "a")), &[400, 413]),
            (push(lines(2_000, &long)), DONE_OR_MUCH),
            (
                request(method, &format!("{target}&partial=true")).body(lines(11_000, "b")),
                DONE_OR_MUCH,
            ),
        ]),
        depth: pushing(route, method).depth,
        ..plain(route, method, target, DONE)
    }
}

fn importing(route: &'static str) -> Row {
    let target = "/api/v1/admin/import";
    let push = |text: String| request("POST", target).body(text);
    let line = |labels: &str, text: &str| {
        format!(
            "{{\"labels\":{{{labels}\"job\":\"attack\"}},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"{text}\"}}\n"
        )
    };
    let lines = |count: usize| {
        (0..count)
            .map(|n| line(&format!("\"l\":\"{n}\","), ""))
            .collect::<String>()
    };
    let labels = many(10_000, |n| format!("\"l{n}\":\"\","));
    let one = line("", "m 1\\n");
    Row {
        usual: Ask {
            request: push(one.clone()),
            answers: DONE,
        },
        reads_body: true,
        removes: true,
        stored: asks([(
            request("POST", "/api/v1/admin/import?overwrite=true").body(one.replace("attack", "big")),
            DONE,
        )]),
        labels: asks([(push(line(&labels, "")), &[400, 413])]),
        series: asks([(
            push(line("", &series(9_000).replace('"', "\\\"").replace('\n', "\\n"))),
            DONE_OR_MUCH,
        )]),
        groups: asks([
            (push(lines(2_000)), DONE_OR_MUCH),
            (push("{}\n".repeat(10_001)), &[400]),
        ]),
        depth: asks([
            (push(format!("{{\"labels\":{}", "[".repeat(200_000))), &[400, 413]),
            (
                push(format!(
                    "{{\"odd\":{}{}}}",
                    "{\"a\":".repeat(50_000),
                    "1".repeat(10)
                )),
                &[400, 413],
            ),
        ]),
        ..plain(route, "POST", target, DONE)
    }
}

/// What is expected of a group: here nothing is.
fn expecting(route: &'static str, method: &'static str, target: &'static str) -> Row {
    let behind = target
        .strip_prefix("/api/v1/expectations/job/big")
        .unwrap_or_default();
    let labels = long_path("/api/v1/expectations/job/a") + behind;
    Row {
        labels: asks([(request(method, &labels), LABELS)]),
        groups: ONE_GROUP,
        stored: asks([(request(method, target), &[404])]),
        ..plain(route, method, target, &[404])
    }
}

/// What was removed before is taken back by the first of those who ask.
fn undoing() -> Row {
    let target = "/api/v1/admin/undo";
    Row {
        removes: true,
        before: Some(request("DELETE", "/metrics/job/big")),
        stored: asks([(request("PUT", target), UNDONE)]),
        ..plain("PUT /api/v1/admin/undo", "PUT", target, UNDONE)
    }
}

/// All of them.
pub(super) fn rows() -> Vec<Row> {
    let big = "/metrics/job/big";
    let group = "/api/v1/groups/job/big";
    let expected = "/api/v1/expectations/job/big";
    let paused = "/api/v1/expectations/job/big/pause?until=1h";
    let resumed = "/api/v1/expectations/job/big/resume";
    let group_labels = |method| asks([(request(method, &long_path("/api/v1/groups/job/a")), LABELS)]);
    vec![
        selecting("GET /metrics", "GET", "/metrics"),
        pushing("PUT /metrics/job/{job}", "PUT"),
        pushing("POST /metrics/job/{job}", "POST"),
        Row {
            labels: asks([(request("DELETE", &long_path(big)), LABELS)]),
            groups: ONE_GROUP,
            removes: true,
            ..showing("DELETE /metrics/job/{job}", "DELETE", big)
        },
        plain("GET /api/v1/status", "GET", "/api/v1/status", DONE),
        showing("GET /api/v1/metrics", "GET", "/api/v1/metrics"),
        selecting(
            "GET /api/v1/groups",
            "GET",
            "/api/v1/groups?limit=1000&total=true",
        ),
        selecting(
            "DELETE /api/v1/groups",
            "DELETE",
            "/api/v1/groups?match[]={job=\"many\"}&dry_run=true",
        ),
        Row {
            labels: group_labels("GET"),
            groups: ONE_GROUP,
            ..showing(
                "GET /api/v1/groups/job/{job}",
                "GET",
                "/api/v1/groups/job/big?metrics=10000",
            )
        },
        Row {
            labels: group_labels("DELETE"),
            groups: ONE_GROUP,
            removes: true,
            ..showing("DELETE /api/v1/groups/job/{job}", "DELETE", group)
        },
        Row {
            labels: asks([(
                request("GET", &(long_path("/api/v1/groups/job/a") + "/history")),
                LABELS,
            )]),
            groups: ONE_GROUP,
            ..showing(
                "GET /api/v1/groups/job/{job}/history",
                "GET",
                "/api/v1/groups/job/big/history",
            )
        },
        Row {
            labels: asks([(
                request("GET", &(long_path("/api/v1/groups/job/a") + "/badge.svg")),
                LABELS,
            )]),
            groups: ONE_GROUP,
            ..showing(
                "GET /api/v1/groups/job/{job}/badge.svg",
                "GET",
                "/api/v1/groups/job/big/badge.svg",
            )
        },
        Row {
            labels: asks([(
                request("POST", &(long_path("/api/v1/groups/job/a") + "/reset")),
                LABELS,
            )]),
            groups: ONE_GROUP,
            removes: true,
            ..showing(
                "POST /api/v1/groups/job/{job}/reset",
                "POST",
                "/api/v1/groups/job/big/reset",
            )
        },
        pushing_many("POST /api/v1/push", "POST"),
        pushing_many("PUT /api/v1/push", "PUT"),
        selecting("GET /api/v1/export", "GET", "/api/v1/export"),
        showing("GET /api/v1/families", "GET", "/api/v1/families?limit=1000"),
        selecting(
            "GET /api/v1/expectations",
            "GET",
            "/api/v1/expectations?limit=100&past=70d&sort=state&totals=true",
        ),
        expecting("DELETE /api/v1/expectations/job/{job}", "DELETE", expected),
        expecting("PUT /api/v1/expectations/job/{job}/pause", "PUT", paused),
        expecting("POST /api/v1/expectations/job/{job}/pause", "POST", paused),
        expecting("PUT /api/v1/expectations/job/{job}/resume", "PUT", resumed),
        expecting("POST /api/v1/expectations/job/{job}/resume", "POST", resumed),
        showing("GET /api/v1/stats", "GET", "/api/v1/stats"),
        plain("GET /api/v1/alerting", "GET", "/api/v1/alerting", DONE),
        plain("GET /api/v1/replicas", "GET", "/api/v1/replicas", DONE),
        Row {
            is_endless: true,
            ..plain("GET /api/v1/events", "GET", "/api/v1/events", &[200, 503])
        },
        plain("GET /api/v1/access", "GET", "/api/v1/access", DONE),
        plain("GET /api/v1/openapi.json", "GET", "/api/v1/openapi.json", DONE),
        Row {
            removes: true,
            ..showing("PUT /api/v1/admin/wipe", "PUT", "/api/v1/admin/wipe")
        },
        showing(
            "GET /api/v1/admin/removed",
            "GET",
            "/api/v1/admin/removed?limit=1000",
        ),
        undoing(),
        showing("GET /api/v1/admin/audit", "GET", "/api/v1/admin/audit?limit=1000"),
        importing("POST /api/v1/admin/import"),
        plain("GET /-/healthy", "GET", "/-/healthy", DONE),
        plain("GET /-/ready", "GET", "/-/ready", DONE),
        Row {
            ends: true,
            ..plain("PUT /-/quit", "PUT", "/-/quit", &[403])
        },
        Row {
            ends: true,
            ..plain("POST /-/quit", "POST", "/-/quit", &[403])
        },
        plain("PUT /-/reload", "PUT", "/-/reload", DONE),
        plain("POST /-/reload", "POST", "/-/reload", DONE),
        plain("GET /", "GET", "/", DONE),
        plain("GET /status", "GET", "/status", DONE),
        plain("GET /static/{file}", "GET", "/static/dom.js", DONE),
    ]
}
