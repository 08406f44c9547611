//! Where the routes lie, and what there is at them.

use wharf_model::PatternError;
use wharf_settings::{Kind, Takes, ValueError, kinds, settings};

use crate::request::origin::Origins;
use crate::settings::external_url::ExternalUrl;
use crate::settings::prefix::Prefix;

const URL: Kind<ExternalUrl> = Kind::new(
    Takes::Value("a URL such as https://example.org/gateway/"),
    str::parse,
    ExternalUrl::to_string,
);

const ORIGINS: Kind<String> = Kind::new(
    Takes::Value(r"a regular expression such as https?://ops\.example\.org"),
    |value| match Origins::new(None, value) {
        Ok(_) => Ok(value.to_owned()),
        Err(error) => Err(ValueError::new(error.to_string())),
    },
    String::clone,
);

settings! {
    /// Where the routes lie, and what there is at them.
    pub struct Routes {
        /// The path of the exposition, below the route prefix. Pushes go to `/metrics/job/...` whatever it is.
        pub telemetry_path: String = "/metrics".to_owned(),
            "web.telemetry-path" as kinds::URL_PATH,
            "Path of the exposition. Pushes go to /metrics/job/... whatever it is.";
        /// Where users reach the server.
        pub external_url: ExternalUrl = ExternalUrl::default(),
            "web.external-url" as URL,
            "Where users reach the server, if a proxy stands before it: the path is the prefix of links, and the \
             gateway's own page is at this origin.";
        /// The prefix that was typed, empty for that of the external URL. See [`Routes::internal_prefix`].
        pub route_prefix: String = String::new(),
            "web.route-prefix" as kinds::URL_PATH,
            "Prefix of all routes. Without it, the path of --web.external-url.";
        /// Whether `/-/quit` ends the process.
        pub lifecycle: bool = false,
            "web.enable-lifecycle" as kinds::SWITCH,
            "Let PUT and POST requests to /-/quit end the process, and to /-/reload read --config.file again.";
        /// Whether scrapers that ask for `OpenMetrics` get it.
        pub openmetrics: bool = false,
            "web.enable-openmetrics" as kinds::SWITCH,
            "Answer in OpenMetrics to scrapers that prefer it. The original never does.";
        /// A pattern of the origins whose pages may use the API; empty for none.
        pub cors_origin: String = String::new(),
            "web.cors.origin" as ORIGINS,
            "Pages of which origins may ask for changes and read the JSON API: a regular expression for the whole \
             origin. With '.*' those of any, as for the original.";
    }
}

impl Routes {
    /// What users put before each path: the path of the external URL. It belongs into links only.
    pub fn external_prefix(&self) -> Prefix {
        Prefix::new(self.external_url.path())
    }

    /// What stands before each path of a request that reaches us. It differs from the external prefix where a
    /// proxy strips or adds something.
    pub fn internal_prefix(&self) -> Prefix {
        if self.route_prefix.is_empty() {
            self.external_prefix()
        } else {
            Prefix::new(&self.route_prefix)
        }
    }

    /// Whose pages may ask for changes, and read answers.
    ///
    /// # Errors
    /// If the pattern is none.
    pub(crate) fn origins(&self) -> Result<Origins, PatternError> {
        Origins::new(self.external_url.origin(), &self.cors_origin)
    }

    /// What is wrong if requests cannot reach the exposition, or the routes.
    pub fn check(&self) -> impl Iterator<Item = String> {
        self.check_telemetry_path().into_iter().chain(self.check_prefix())
    }

    /// Requests must be able to reach the routes: their paths are cleaned before anything else is done with them.
    fn check_prefix(&self) -> Option<String> {
        let typed = &self.route_prefix;
        if let Some((_, rest)) = typed.split_once("://") {
            let (_, path) = rest.split_once('/').unwrap_or_default();
            return Some(format!(
                "flag '--web.route-prefix': expected a path such as /pushgateway, found the URL `{typed}`: give its \
                 path alone, `/{path}`, or the whole URL as --web.external-url"
            ));
        }
        if is_address(typed) {
            return Some(format!(
                "flag '--web.route-prefix': expected a path such as /pushgateway, found a host and a port: `{typed}`; \
                 --web.external-url takes a whole URL"
            ));
        }
        let prefix = self.internal_prefix();
        if is_reachable(&format!("{}/", prefix.as_str())) {
            return None;
        }
        let (flag, found) = if typed.is_empty() {
            ("--web.external-url", self.external_url.path())
        } else {
            ("--web.route-prefix", typed.as_str())
        };
        Some(format!(
            "flag '{flag}': expected a path without `//`, `/./` and `/../`, which no request can reach, found `{found}`"
        ))
    }

    /// The exposition must have a path of its own.
    fn check_telemetry_path(&self) -> Option<String> {
        let path = self.telemetry_path.as_str();
        let mistake = |what: String| Some(format!("flag '--web.telemetry-path': {what}"));
        if !path.starts_with('/') || path == "/" {
            return mistake(format!("expected a path such as /metrics, found `{path}`"));
        }
        if !is_reachable(path) {
            return mistake(format!(
                "expected a path without `//`, `/./` and `/../`, which no request can reach, found `{path}`"
            ));
        }
        let pages = ["/status", "/-/healthy", "/-/ready", "/-/quit"];
        let trees = ["/api", "/static", "/debug/pprof"];
        let below = |tree: &str| {
            path.strip_prefix(tree)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if pages.contains(&path.trim_end_matches('/')) || trees.into_iter().any(below) {
            return mistake(format!(
                "expected a path that is free, found `{path}`, which is taken"
            ));
        }
        None
    }
}

/// Whether somebody wrote what a URL begins with: a scheme that lost a slash, or a host and a port. A name with a colon
/// is a path.
fn is_address(typed: &str) -> bool {
    let first = typed.split('/').next().unwrap_or_default();
    let Some((host, port)) = first.rsplit_once(':') else {
        return false;
    };
    let is_scheme = ["http", "https"]
        .iter()
        .any(|scheme| host.eq_ignore_ascii_case(scheme));
    if port.is_empty() {
        is_scheme
    } else {
        port.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// Whether a path stays as it is when it is cleaned.
fn is_reachable(path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if matches!(part, "." | "..") || (part.is_empty() && !is_last) {
            return false;
        }
    }
    true
}
