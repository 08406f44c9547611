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
    use crate::routes::router::{Routed, Router};
    use crate::routes::table::{QUIT_BY_GET, ROWS};

    #[test]
    fn what_is_described_exists_and_what_exists_is_described() {
        let router = Router {
            prefix: "",
            telemetry_path: "/metrics",
            admin_api: true,
            lifecycle: true,
        };
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let methods = [Method::GET, Method::PUT, Method::POST, Method::DELETE];
        // The answer that PUT or POST is needed is no route that anybody could want.
        let mut left: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        left.remove(QUIT_BY_GET.name);
        for (path, operations) in description["paths"].as_object().unwrap() {
            let example = path.replace("{job}", "j").replace("{file}", "f");
            for method in &methods {
                let is_described = operations.get(method.as_str().to_lowercase()).is_some();
                match router.route(method, example.as_bytes()) {
                    Routed::To(row, _) if *row == QUIT_BY_GET => assert!(!is_described),
                    Routed::To(row, _) => {
                        assert!(is_described, "{method} {path} is not described");
                        left.remove(row.name);
                    }
                    other => assert!(!is_described, "{method} {path} does not exist: {other:?}"),
                }
            }
        }
        assert!(left.is_empty(), "not described: {left:?}");
    }
}
