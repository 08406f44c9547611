//! Which path and method means what.
//!
//! The routes are few and known, so they are a `match`. The rules around them (redirects for a slash too many or
//! the wrong case, 405 with `Allow`, `OPTIONS`) are those of the original's router, which clients have met.

use http::Method;
use wharf_gateway::{Need, Right};

use crate::transport::door::Purpose;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Scrape,
    /// PUT, POST or DELETE of a group; the grouping key begins at this byte of the path inside the prefix.
    Group {
        key_at: usize,
    },
    Page,
    Static,
    Healthy,
    Ready,
    Quit,
    /// GET of the quit route outside any prefix.
    QuitByGet,
    Reload,
    ApiStatus,
    ApiMetrics,
    ApiWipe,
    ApiExport,
    ApiImport,
    ApiOptions,
    ApiGroups,
    ApiDeleteGroups,
    /// One group; its key begins at this byte of the path inside the prefix, as that of [`Self::Group`].
    ApiGroup {
        key_at: usize,
    },
    ApiDeleteGroup {
        key_at: usize,
    },
    /// The key ends before `/history`.
    ApiGroupHistory {
        key_at: usize,
    },
    ApiPush,
    ApiFamilies,
    ApiStats,
    ApiEvents,
    ApiAccess,
    ApiDescription,
}

/// What a request has to have to be let in to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What rules may withhold; none: everybody is welcome.
    pub(crate) need: Option<Need>,
    /// At listeners for one of these purposes. Elsewhere there is no such route.
    pub(crate) at: &'static [Purpose],
}

impl Route {
    /// Every route is in this table: what it does not say about a route nobody else does.
    pub(crate) fn terms(self, method: &Method) -> Terms {
        use Need::{ForEvery, ForSome, Identity};
        use Purpose::{Admin, Push, Scrape};
        let (need, at): (_, &[Purpose]) = match self {
            Self::Group { .. } if *method == Method::DELETE => (Some(ForSome(Right::Delete)), &[Push, Admin]),
            Self::Group { .. } | Self::ApiPush => (Some(ForSome(Right::Push)), &[Push]),
            Self::Scrape
            | Self::ApiMetrics
            | Self::ApiGroups
            | Self::ApiStatus
            | Self::ApiGroup { .. }
            | Self::ApiGroupHistory { .. }
            | Self::ApiFamilies
            | Self::ApiExport
            | Self::ApiEvents => (Some(ForSome(Right::Read)), &[Scrape, Admin]),
            Self::ApiStats => (Some(ForEvery(Right::Read)), &[Scrape, Admin]),
            Self::ApiDeleteGroup { .. } | Self::ApiDeleteGroups => (Some(ForSome(Right::Delete)), &[Admin]),
            Self::ApiWipe | Self::ApiImport | Self::Reload | Self::Quit => {
                (Some(ForEvery(Right::Admin)), &[Admin])
            }
            // It says what whoever asks may do, also to those who may do nothing.
            Self::ApiAccess => (Some(Identity), &[Scrape, Admin]),
            // Files that anybody can have from elsewhere, without a word about what is stored.
            Self::Page | Self::Static => (None, &[Scrape, Admin]),
            // Answers 405.
            Self::QuitByGet => (None, &[Admin]),
            // Probes have nothing but an address, browsers ask without credentials whether they may use them, and what
            // routes there are is no secret.
            Self::Healthy | Self::Ready | Self::ApiOptions | Self::ApiDescription => (None, &Purpose::ALL),
        };
        Terms { need, at }
    }
}
/// A path, its routes by method, and what `Allow` says of them.
type ApiPath = (&'static str, &'static [(Method, Route)], &'static str);

/// The routes below `/api/v1/` that are one path, but for those of the original.
const API: [ApiPath; 8] = [
    (
        "groups",
        &[
            (Method::GET, Route::ApiGroups),
            (Method::DELETE, Route::ApiDeleteGroups),
        ],
        "DELETE, GET, OPTIONS",
    ),
    (
        "push",
        &[(Method::POST, Route::ApiPush), (Method::PUT, Route::ApiPush)],
        "OPTIONS, POST, PUT",
    ),
    ("families", &[(Method::GET, Route::ApiFamilies)], "GET, OPTIONS"),
    ("export", &[(Method::GET, Route::ApiExport)], "GET, OPTIONS"),
    ("stats", &[(Method::GET, Route::ApiStats)], "GET, OPTIONS"),
    ("events", &[(Method::GET, Route::ApiEvents)], "GET, OPTIONS"),
    ("access", &[(Method::GET, Route::ApiAccess)], "GET, OPTIONS"),
    (
        "openapi.json",
        &[(Method::GET, Route::ApiDescription)],
        "GET, OPTIONS",
    ),
];

/// What the router makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// A handler takes it.
    To(Route),
    /// The path has routes for the methods listed, not for this one. Also answers `OPTIONS`.
    MethodNotAllowed(&'static str),
    /// `OPTIONS` on a path with these methods.
    Options(&'static str),
    /// The path is nearly right.
    Redirect(Vec<u8>),
    NotFound,
}

/// The routes' parameters.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    /// In front of all routes; empty, or with a slash in front and none behind.
    pub(crate) prefix: String,
    /// The scrape path inside the prefix.
    pub(crate) telemetry_path: String,
    pub(crate) admin_api: bool,
    pub(crate) lifecycle: bool,
}

const GET: &[Method] = &[Method::GET];
const PUT_POST: &[Method] = &[Method::PUT, Method::POST];
const PUT_POST_DELETE: &[Method] = &[Method::PUT, Method::POST, Method::DELETE];

impl Router {
    /// Routes a percent-decoded path. HEAD counts as GET.
    pub(crate) fn route(&self, method: &Method, path: &[u8]) -> Routed {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        if path == b"/-/quit" && *method == Method::GET {
            return Routed::To(Route::QuitByGet);
        }
        if path.is_empty() {
            // What CONNECT asks for is a host, and this is no proxy.
            return Routed::NotFound;
        }
        let Some(inside) = path.strip_prefix(self.prefix.as_bytes()) else {
            return Routed::NotFound;
        };
        if inside.is_empty() {
            return Routed::Redirect([path, b"/"].concat());
        }
        if !inside.starts_with(b"/") {
            return Routed::NotFound;
        }
        if let Some(api) = inside.strip_prefix(b"/api/v1/") {
            return self.route_api(method, path, api);
        }
        let methods = match self.find(inside) {
            Some((route, methods)) if methods.contains(method) => return Routed::To(route),
            Some((route, methods)) => Some((route, methods)),
            None => None,
        };
        if let Some(target) = self.nearly(method, inside) {
            return Routed::Redirect([self.prefix.as_bytes(), &target].concat());
        }
        let Some((route, _)) = methods else {
            return Routed::NotFound;
        };
        let allow = match route {
            Route::Group { .. } => "DELETE, OPTIONS, POST, PUT",
            Route::Quit if self.prefix.is_empty() => "GET, OPTIONS, POST, PUT",
            Route::Quit | Route::Reload => "OPTIONS, POST, PUT",
            _ => "GET, OPTIONS",
        };
        if *method == Method::OPTIONS {
            Routed::Options(allow)
        } else {
            Routed::MethodNotAllowed(allow)
        }
    }

    fn route_api(&self, method: &Method, path: &[u8], api: &[u8]) -> Routed {
        if *method == Method::OPTIONS {
            return Routed::To(Route::ApiOptions);
        }
        if let Some((_, methods, allow)) = API.iter().find(|(path, ..)| api == path.as_bytes()) {
            let found = methods.iter().find(|(known, _)| known == method);
            return found.map_or(Routed::MethodNotAllowed(allow), |(_, route)| Routed::To(*route));
        }
        if let Some(routed) = route_group(method, api) {
            return routed;
        }
        let (route, allowed, allow) = match api {
            b"status" => (Route::ApiStatus, Method::GET, "GET, OPTIONS"),
            b"metrics" => (Route::ApiMetrics, Method::GET, "GET, OPTIONS"),
            b"admin/wipe" if self.admin_api => (Route::ApiWipe, Method::PUT, "OPTIONS, PUT"),
            b"admin/import" if self.admin_api => (Route::ApiImport, Method::POST, "OPTIONS, POST"),
            b"status/" | b"metrics/" if *method == Method::GET => {
                return Routed::Redirect(path[..path.len() - 1].to_vec());
            }
            _ => return Routed::NotFound,
        };
        if *method == allowed {
            Routed::To(route)
        } else {
            Routed::MethodNotAllowed(allow)
        }
    }

    /// The route of a path, whatever the method.
    fn find(&self, path: &[u8]) -> Option<(Route, &'static [Method])> {
        if path == self.telemetry_path.as_bytes() {
            return Some((Route::Scrape, GET));
        }
        match path {
            b"/" | b"/status" => Some((Route::Page, GET)),
            b"/-/healthy" => Some((Route::Healthy, GET)),
            b"/-/ready" => Some((Route::Ready, GET)),
            b"/-/quit" => Some((Route::Quit, PUT_POST)),
            b"/-/reload" if self.lifecycle => Some((Route::Reload, PUT_POST)),
            _ if path.starts_with(b"/static/") => Some((Route::Static, GET)),
            _ => {
                let key_at = b"/metrics/job".len();
                let key = path.strip_prefix(b"/metrics/job")?;
                let job = key.strip_prefix(b"@base64").unwrap_or(key).strip_prefix(b"/")?;
                let has_job = job.first().is_some_and(|byte| *byte != b'/');
                has_job.then_some((Route::Group { key_at }, PUT_POST_DELETE))
            }
        }
    }

    /// The path that was probably meant: one slash more or less at the end, or other letter case.
    fn nearly(&self, method: &Method, path: &[u8]) -> Option<Vec<u8>> {
        if path == b"/" {
            return None;
        }
        let serves = |path: &[u8]| {
            self.find(path)
                .is_some_and(|(_, methods)| methods.contains(method))
        };
        if PUT_POST_DELETE.contains(method) && path.eq_ignore_ascii_case(b"/metrics/job/") {
            return Some(b"/metrics/job".to_vec());
        }
        if *method == Method::GET && path == b"/api/v1" {
            return Some(b"/api/v1/".to_vec());
        }
        let mut candidates = vec![path.to_vec()];
        match path.strip_suffix(b"/") {
            Some(shorter) => candidates.push(shorter.to_vec()),
            None => candidates.push([path, b"/"].concat()),
        }
        for candidate in candidates {
            let fixed = self.fix_case(&candidate);
            if fixed != path && serves(&fixed) {
                return Some(fixed);
            }
        }
        None
    }

    /// The fixed words of a path in the case in which the routes have them.
    fn fix_case(&self, path: &[u8]) -> Vec<u8> {
        if path.eq_ignore_ascii_case(self.telemetry_path.as_bytes()) {
            return self.telemetry_path.clone().into_bytes();
        }
        let words = [
            "/metrics/job@base64/",
            "/metrics/job/",
            "/status",
            "/-/healthy",
            "/-/ready",
            "/-/quit",
            "/static/",
        ];
        for word in words {
            let (Some(head), Some(rest)) = (path.get(..word.len()), path.get(word.len()..)) else {
                continue;
            };
            if head.eq_ignore_ascii_case(word.as_bytes()) && (rest.is_empty() || word.ends_with('/')) {
                return [word.as_bytes(), rest].concat();
            }
        }
        path.to_vec()
    }
}

/// Routes a path below `/api/v1/` that names a group. A label without a value that is called `history` is none.
fn route_group(method: &Method, api: &[u8]) -> Option<Routed> {
    let key = api.strip_prefix(b"groups/job")?;
    let values = key.strip_prefix(b"@base64").unwrap_or(key).strip_prefix(b"/")?;
    if values.is_empty() || values.starts_with(b"/") {
        return None;
    }
    let key_at = b"/api/v1/groups/job".len();
    let is_history = values.ends_with(b"/history") && values.split(|byte| *byte == b'/').count() % 2 == 0;
    Some(match *method {
        Method::GET if is_history => Routed::To(Route::ApiGroupHistory { key_at }),
        Method::GET => Routed::To(Route::ApiGroup { key_at }),
        Method::DELETE if !is_history => Routed::To(Route::ApiDeleteGroup { key_at }),
        _ if is_history => Routed::MethodNotAllowed("GET, OPTIONS"),
        _ => Routed::MethodNotAllowed("DELETE, GET, OPTIONS"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, request: &str) -> String {
        let router = Router {
            prefix: prefix.to_owned(),
            telemetry_path: "/metrics".to_owned(),
            admin_api: request.contains("admin"),
            lifecycle: request.contains("reload"),
        };
        let (method, path) = request.split_once(' ').unwrap();
        match router.route(&method.parse().unwrap(), path.as_bytes()) {
            Routed::To(route) => format!("{route:?}"),
            Routed::MethodNotAllowed(allow) => format!("405 {allow}"),
            Routed::Options(allow) => format!("options {allow}"),
            Routed::Redirect(to) => format!("to {}", String::from_utf8(to).unwrap()),
            Routed::NotFound => "404".to_owned(),
        }
    }

    #[test]
    fn every_route_is_found() {
        let cases = [
            ("GET /metrics", "Scrape"),
            ("HEAD /metrics", "Scrape"),
            ("PUT /metrics/job/a", "Group { key_at: 12 }"),
            ("DELETE /metrics/job@base64/YQ/x/y", "Group { key_at: 12 }"),
            ("GET /", "Page"),
            ("GET /status", "Page"),
            ("GET /static/a.js", "Static"),
            ("GET /-/healthy", "Healthy"),
            ("GET /-/ready", "Ready"),
            ("POST /-/quit", "Quit"),
            ("GET /-/quit", "QuitByGet"),
            ("GET /api/v1/status", "ApiStatus"),
            ("GET /api/v1/metrics", "ApiMetrics"),
            ("PUT /api/v1/admin/wipe", "ApiWipe"),
            ("POST /api/v1/admin/import", "ApiImport"),
            ("GET /api/v1/export", "ApiExport"),
            ("OPTIONS /api/v1/any/thing", "ApiOptions"),
            ("GET /api/v1/groups", "ApiGroups"),
            ("DELETE /api/v1/groups", "ApiDeleteGroups"),
            ("POST /api/v1/push", "ApiPush"),
            ("PUT /api/v1/push", "ApiPush"),
            ("GET /api/v1/groups/job/a", "ApiGroup { key_at: 18 }"),
            ("HEAD /api/v1/groups/job@base64/YQ/x/y", "ApiGroup { key_at: 18 }"),
            ("DELETE /api/v1/groups/job/a", "ApiDeleteGroup { key_at: 18 }"),
            (
                "GET /api/v1/groups/job/a/history",
                "ApiGroupHistory { key_at: 18 }",
            ),
            (
                "GET /api/v1/groups/job/a/x/y/history",
                "ApiGroupHistory { key_at: 18 }",
            ),
            ("GET /api/v1/groups/job/a/x/history", "ApiGroup { key_at: 18 }"),
            ("GET /api/v1/families", "ApiFamilies"),
            ("GET /api/v1/stats", "ApiStats"),
            ("GET /api/v1/events", "ApiEvents"),
            ("GET /api/v1/access", "ApiAccess"),
            ("GET /api/v1/openapi.json", "ApiDescription"),
            ("POST /-/reload", "Reload"),
            ("PUT /-/reload", "Reload"),
        ];
        for (request, expected) in cases {
            assert_eq!(route("", request), expected, "{request}");
        }
    }

    #[test]
    fn other_methods_and_paths_are_refused() {
        let cases = [
            ("POST /metrics", "405 GET, OPTIONS"),
            ("GET /metrics/job/x", "405 DELETE, OPTIONS, POST, PUT"),
            ("PATCH /metrics/job/x", "405 DELETE, OPTIONS, POST, PUT"),
            ("DELETE /-/quit", "405 GET, OPTIONS, POST, PUT"),
            ("POST /api/v1/status", "405 GET, OPTIONS"),
            ("POST /api/v1/admin/wipe", "405 OPTIONS, PUT"),
            ("PUT /api/v1/admin/import", "405 OPTIONS, POST"),
            ("GET /api/v1/push", "405 OPTIONS, POST, PUT"),
            ("POST /api/v1/groups", "405 DELETE, GET, OPTIONS"),
            ("POST /api/v1/stats", "405 GET, OPTIONS"),
            ("POST /api/v1/groups/job/a", "405 DELETE, GET, OPTIONS"),
            ("DELETE /api/v1/groups/job/a/history", "405 GET, OPTIONS"),
            ("GET /api/v1/groups/", "404"),
            ("GET /api/v1/groups/job/", "404"),
            ("GET /api/v1/groups/job//x", "404"),
            ("GET /api/v1/groups/jobs/x", "404"),
            ("GET /-/reload", "405 OPTIONS, POST, PUT"),
            ("OPTIONS /metrics", "options GET, OPTIONS"),
            ("OPTIONS /metrics/job/x", "options DELETE, OPTIONS, POST, PUT"),
            ("GET /nope", "404"),
            ("POST /metrics/job", "404"),
            ("POST /metrics/job@base64/", "404"),
            ("GET /api/v1/nope", "404"),
            ("GET /api/v1/", "404"),
            ("PUT /api/v1/wipe", "404"),
            ("GET /debug/pprof/", "404"),
        ];
        for (request, expected) in cases {
            assert_eq!(route("", request), expected, "{request}");
        }
    }

    #[test]
    fn nearly_right_paths_are_redirected() {
        let cases = [
            ("GET /metrics/", "to /metrics"),
            ("GET /status/", "to /status"),
            ("GET /Metrics", "to /metrics"),
            ("GET /STATUS", "to /status"),
            ("GET /static", "to /static/"),
            ("POST /METRICS/JOB/A", "to /metrics/job/A"),
            ("POST /metrics/job/", "to /metrics/job"),
            ("GET /api/v1", "to /api/v1/"),
            ("GET /api/v1/status/", "to /api/v1/status"),
        ];
        for (request, expected) in cases {
            assert_eq!(route("", request), expected, "{request}");
        }
    }

    #[test]
    fn a_prefix_holds_for_every_route() {
        let cases = [
            ("GET /pre/-/healthy", "Healthy"),
            ("GET /-/healthy", "404"),
            ("GET /pre", "to /pre/"),
            ("POST /pre/metrics/job/a", "Group { key_at: 12 }"),
            ("GET /-/quit", "QuitByGet"),
            ("GET /pre/-/quit", "405 OPTIONS, POST, PUT"),
            ("GET /prefix", "404"),
            ("GET /pre/metrics/", "to /pre/metrics"),
        ];
        for (request, expected) in cases {
            assert_eq!(route("/pre", request), expected, "{request}");
        }
    }
}
