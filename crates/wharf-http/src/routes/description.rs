//! `/api/v1/openapi.json`: all routes in the words of machines.

use http::{Response, StatusCode};

use crate::answer::respond;
use crate::transport::chunks::ResponseBody;

const DESCRIPTION: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`.
pub(crate) fn show() -> Response<ResponseBody> {
    respond::with_type(StatusCode::OK, "application/json", DESCRIPTION)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::Method;
    use serde_json::Value;

    use super::*;
    use crate::routes::router::{Route, Routed, Router};

    /// The name of a route. One that is not here does not compile.
    fn name(route: Route) -> &'static str {
        match route {
            Route::Scrape => "scrape",
            Route::Group { .. } => "group",
            Route::Page => "page",
            Route::Static => "static",
            Route::Healthy => "healthy",
            Route::Ready => "ready",
            Route::Quit => "quit",
            // The answer that PUT or POST is needed.
            Route::QuitByGet => "quit by get",
            Route::Reload => "reload",
            Route::ApiStatus => "status",
            Route::ApiMetrics => "metrics",
            Route::ApiWipe => "wipe",
            Route::ApiExport => "export",
            Route::ApiImport => "import",
            // The answer to OPTIONS.
            Route::ApiOptions => "options",
            Route::ApiGroups => "groups",
            Route::ApiDeleteGroups => "delete groups",
            Route::ApiGroup { .. } => "one group",
            Route::ApiDeleteGroup { .. } => "delete group",
            Route::ApiGroupHistory { .. } => "history",
            Route::ApiPush => "push",
            Route::ApiFamilies => "families",
            Route::ApiStats => "stats",
            Route::ApiEvents => "events",
            Route::ApiAccess => "access",
            Route::ApiDescription => "description",
        }
    }

    const NAMES: usize = 24;

    #[test]
    fn what_is_described_exists_and_what_exists_is_described() {
        let router = Router {
            prefix: String::new(),
            telemetry_path: "/metrics".to_owned(),
            admin_api: true,
            lifecycle: true,
        };
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let methods = [Method::GET, Method::PUT, Method::POST, Method::DELETE];
        let mut described = BTreeSet::new();
        for (path, operations) in description["paths"].as_object().unwrap() {
            let example = path.replace("{job}", "j").replace("{file}", "f");
            for method in &methods {
                let is_described = operations.get(method.as_str().to_lowercase()).is_some();
                match router.route(method, example.as_bytes()) {
                    Routed::To(Route::QuitByGet) => assert!(!is_described),
                    Routed::To(route) => {
                        assert!(is_described, "{method} {path} is not described");
                        described.insert(name(route));
                    }
                    other => assert!(!is_described, "{method} {path} does not exist: {other:?}"),
                }
            }
        }
        assert_eq!(described.len(), NAMES, "{described:?}");
    }
}
