//! Which path and method means what.
//!
//! `table.rs` has the routes. The rules around them (redirects for a slash too many or the wrong case, 405 with `Allow`,
//! `OPTIONS`) are those of the Pushgateway's router, which clients have met.

use http::Method;

use crate::routes::row::{API, Path, Row};
use crate::routes::table::{API_OPTIONS, QUIT_BY_GET, ROWS};

/// What the router makes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// A handler takes it. The key of a group, if it has one, begins at this byte of the path inside the prefix.
    To(&'static Row, usize),
    /// The path has routes for the methods listed, not for this one.
    MethodNotAllowed {
        allow: String,
        path: Path,
    },
    /// `OPTIONS` on a path with these methods.
    Options(String),
    /// The path is nearly right.
    Redirect(Vec<u8>),
    NotFound,
}

/// The routes' parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Router<'s> {
    /// In front of all routes; empty, or with a slash in front and none behind.
    pub(crate) prefix: &'s str,
    /// The scrape path inside the prefix.
    pub(crate) telemetry_path: &'s str,
    pub(crate) admin_api: bool,
    pub(crate) lifecycle: bool,
}

/// A path of the table.
struct Located {
    path: Path,
    /// Where the key of a group begins.
    key_at: usize,
    /// The rows from the first one of this path on.
    rows: &'static [&'static Row],
}

const PUT_POST_DELETE: &[Method] = &[Method::PUT, Method::POST, Method::DELETE];

impl Router<'_> {
    /// Routes a percent-decoded path. HEAD counts as GET.
    pub(crate) fn route(&self, method: &Method, path: &[u8]) -> Routed {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        if *method == Method::GET && QUIT_BY_GET.path.is_outside(path) {
            return Routed::To(&QUIT_BY_GET, 0);
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
        let is_api = inside.starts_with(API.as_bytes());
        if is_api && *method == Method::OPTIONS {
            return Routed::To(&API_OPTIONS, 0);
        }
        let located = self.locate(inside);
        if let Some(located) = &located
            && let Some(row) = self.row(located, method)
        {
            return Routed::To(row, located.key_at);
        }
        if is_api {
            if let Some(shorter @ (b"/api/v1/status" | b"/api/v1/metrics")) = inside.strip_suffix(b"/")
                && *method == Method::GET
            {
                return Routed::Redirect([self.prefix.as_bytes(), shorter].concat());
            }
        } else if let Some(target) = self.nearly(method, inside) {
            return Routed::Redirect([self.prefix.as_bytes(), &target].concat());
        }
        let Some(Located { path, .. }) = located else {
            return Routed::NotFound;
        };
        let allow = self.allow(path);
        if *method == Method::OPTIONS {
            Routed::Options(allow)
        } else {
            Routed::MethodNotAllowed { allow, path }
        }
    }

    /// Whether there is such a route at all.
    pub(crate) fn has(&self, row: &Row) -> bool {
        row.switch.is_on(self.admin_api, self.lifecycle)
    }

    /// Which path of the table this is, whatever the method.
    fn locate(&self, inside: &[u8]) -> Option<Located> {
        let mut rows = ROWS.as_slice();
        while let [row, others @ ..] = rows {
            let key_at = row.path.find(inside, self.telemetry_path);
            if let Some(key_at) = key_at.filter(|_| self.has(row)) {
                let path = row.path;
                return Some(Located { path, key_at, rows });
            }
            rows = others;
        }
        None
    }

    fn row(&self, located: &Located, method: &Method) -> Option<&'static Row> {
        let fits =
            |row: &&&'static Row| row.methods.contains(method) && row.path == located.path && self.has(row);
        located.rows.iter().find(fits).copied()
    }

    /// The methods of a path, as `Allow` has them.
    fn allow(&self, path: Path) -> String {
        let rows = ROWS.iter().filter(|row| self.has(row));
        let rows = rows.filter(|row| match (row.path, path) {
            (Path::Outside(outside), Path::Exact(exact)) => self.prefix.is_empty() && outside == exact,
            (its, path) => its == path,
        });
        let methods = rows.flat_map(|row| row.methods).map(Method::as_str);
        let mut methods: Vec<&str> = methods.chain(["OPTIONS"]).collect();
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }

    /// The path that was probably meant: one slash more or less at the end, or other letter case.
    fn nearly(&self, method: &Method, path: &[u8]) -> Option<Vec<u8>> {
        if path == b"/" {
            return None;
        }
        let serves = |inside: &[u8]| {
            let located = self.locate(inside);
            located.is_some_and(|located| self.row(&located, method).is_some())
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
            return self.telemetry_path.as_bytes().to_vec();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, request: &str) -> String {
        let router = Router {
            prefix,
            telemetry_path: "/metrics",
            admin_api: request.contains("admin"),
            lifecycle: request.contains("reload"),
        };
        let (method, path) = request.split_once(' ').unwrap();
        match router.route(&method.parse().unwrap(), path.as_bytes()) {
            Routed::To(row, 0) => row.name.to_owned(),
            Routed::To(row, key_at) => format!("{} at {key_at}", row.name),
            Routed::MethodNotAllowed { allow, .. } => format!("405 {allow}"),
            Routed::Options(allow) => format!("options {allow}"),
            Routed::Redirect(to) => format!("to {}", String::from_utf8(to).unwrap()),
            Routed::NotFound => "404".to_owned(),
        }
    }

    #[test]
    fn every_route_is_found() {
        let cases = [
            ("GET /metrics", "scrape"),
            ("HEAD /metrics", "scrape"),
            ("PUT /metrics/job/a", "push at 12"),
            ("DELETE /metrics/job@base64/YQ/x/y", "delete pushed group at 12"),
            ("GET /", "page"),
            ("GET /status", "page as status"),
            ("GET /static/a.js", "static"),
            ("GET /-/healthy", "healthy"),
            ("GET /-/ready", "ready"),
            ("POST /-/quit", "quit"),
            ("GET /-/quit", "quit by get"),
            ("GET /api/v1/status", "status"),
            ("GET /api/v1/metrics", "metrics"),
            ("PUT /api/v1/admin/wipe", "wipe"),
            ("PUT /api/v1/admin/undo", "undo"),
            ("GET /api/v1/admin/removed", "removed"),
            ("POST /api/v1/admin/import", "import"),
            ("GET /api/v1/admin/audit", "audit"),
            ("GET /api/v1/export", "export"),
            ("OPTIONS /api/v1/any/thing", "options"),
            ("GET /api/v1/groups", "groups"),
            ("DELETE /api/v1/groups", "delete groups"),
            ("POST /api/v1/push", "push many"),
            ("PUT /api/v1/push", "push many"),
            ("GET /api/v1/groups/job/a", "group at 18"),
            ("HEAD /api/v1/groups/job@base64/YQ/x/y", "group at 18"),
            ("DELETE /api/v1/groups/job/a", "delete group at 18"),
            ("GET /api/v1/groups/job/a/history", "history at 18"),
            ("GET /api/v1/groups/job/a/x/y/history", "history at 18"),
            ("GET /api/v1/groups/job/a/x/history", "group at 18"),
            ("POST /api/v1/groups/job/a/reset", "reset at 18"),
            ("POST /api/v1/groups/job@base64/YQ/x/y/reset", "reset at 18"),
            ("GET /api/v1/groups/job/a/x/reset", "group at 18"),
            ("GET /api/v1/groups/job/a/badge.svg", "badge at 18"),
            ("HEAD /api/v1/groups/job@base64/YQ/x/y/badge.svg", "badge at 18"),
            ("GET /api/v1/groups/job/a/x/badge.svg", "group at 18"),
            ("GET /api/v1/families", "families"),
            ("GET /api/v1/stats", "stats"),
            ("GET /api/v1/events", "events"),
            ("GET /api/v1/access", "access"),
            ("GET /api/v1/openapi.json", "description"),
            ("POST /-/reload", "reload"),
            ("PUT /-/reload", "reload"),
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
            ("PUT /api/v1/admin/audit", "405 GET, OPTIONS"),
            ("GET /api/v1/push", "405 OPTIONS, POST, PUT"),
            ("POST /api/v1/groups", "405 DELETE, GET, OPTIONS"),
            ("POST /api/v1/stats", "405 GET, OPTIONS"),
            ("POST /api/v1/groups/job/a", "405 DELETE, GET, OPTIONS"),
            ("DELETE /api/v1/groups/job/a/history", "405 GET, OPTIONS"),
            ("POST /api/v1/groups/job/a/badge.svg", "405 GET, OPTIONS"),
            ("GET /api/v1/groups/job/a/reset", "405 OPTIONS, POST"),
            ("POST /api/v1/groups/job/a/x/reset", "405 DELETE, GET, OPTIONS"),
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
            ("GET /pre/-/healthy", "healthy"),
            ("GET /-/healthy", "404"),
            ("GET /pre", "to /pre/"),
            ("POST /pre/metrics/job/a", "push at 12"),
            ("GET /-/quit", "quit by get"),
            ("GET /pre/-/quit", "405 OPTIONS, POST, PUT"),
            ("GET /prefix", "404"),
            ("GET /pre/metrics/", "to /pre/metrics"),
        ];
        for (request, expected) in cases {
            assert_eq!(route("/pre", request), expected, "{request}");
        }
    }
}
