//! Routes, methods, redirects, prefixes.

use wharf_testkit::Kind::Wharf;
use wharf_testkit::contract::{
    accepted, case, differs, method_not_allowed, not_found, ok, redirect, refused, scraped, status,
};
use wharf_testkit::http::{Request, get, head, options, post, put};

use crate::WHARF;

const READ: &str = "GET, OPTIONS";
const PUSH: &str = "DELETE, OPTIONS, POST, PUT";

#[test]
fn case_001_health_answers_ok() {
    case()
        .step(get("/-/healthy"), status(200).body("OK"))
        .step(get("/-/ready"), status(200).body("OK"))
        .run(WHARF);
}

#[test]
fn case_002_head_is_get_without_the_body() {
    let refused = status(405)
        .header("Allow", READ)
        .header("Content-Length", "19")
        .body("");
    let reason = "HTTP wants HEAD wherever there is GET, and load balancers use it";
    case()
        .step(
            head("/-/healthy"),
            differs(
                reason,
                refused.clone(),
                status(200).header("Content-Length", "2").body(""),
            ),
        )
        .step(head("/metrics"), differs(reason, refused, status(200).body("")))
        .step(
            head("/metrics/job/x"),
            status(405)
                .header("Allow", PUSH)
                .header("Content-Length", "19")
                .body(""),
        )
        .run(WHARF);
}

#[test]
fn case_003_a_wrong_method_is_told_the_right_ones() {
    case()
        .step(post("/-/healthy"), method_not_allowed(READ))
        .step(post("/metrics").body("m 1\n"), method_not_allowed(READ))
        .step(
            Request::new("PATCH", "/metrics/job/x").body("m 1\n"),
            method_not_allowed(PUSH),
        )
        .run(WHARF);
}

#[test]
fn case_004_a_group_cannot_be_read_at_its_push_path() {
    case()
        .step(get("/metrics/job/x"), method_not_allowed(PUSH))
        .run(WHARF);
}

#[test]
fn case_005_options_lists_the_methods() {
    case()
        .step(options("/metrics"), status(200).body("").header("Allow", READ))
        .step(
            options("/metrics/job/x"),
            status(200).body("").header("Allow", PUSH),
        )
        .run(WHARF);
}

#[test]
fn case_006_an_unknown_path_is_not_found() {
    case().step(get("/nope"), not_found()).run(WHARF);
}

#[test]
fn a_tunnel_to_another_host_is_not_found() {
    case()
        .step(Request::new("CONNECT", "metrics.example:443"), not_found())
        .run(WHARF);
}

#[test]
fn case_007_a_trailing_slash_redirects() {
    let moved = "<a href=\"/metrics\">Moved Permanently</a>.\n\n";
    case()
        .step(get("/metrics/"), redirect(301, "/metrics").body(moved))
        .step(get("/status/"), redirect(301, "/status"))
        .run(WHARF);
}

#[test]
fn case_008_other_letter_case_redirects() {
    case()
        .step(get("/Metrics"), redirect(301, "/metrics"))
        .step(
            post("/METRICS/JOB/A").body("m 1\n"),
            redirect(307, "/metrics/job/A").body(""),
        )
        .run(WHARF);
}

#[test]
fn case_009_a_path_that_is_not_clean_redirects() {
    case()
        .step(
            post("/metrics/job/a//x/y").body("m 1\n"),
            redirect(301, "/metrics/job/a/x/y").body(""),
        )
        .step(get("//metrics"), redirect(301, "/metrics"))
        .run(WHARF);
}

#[test]
fn case_010_quitting_over_http_is_off_by_default() {
    case()
        .step(post("/-/quit"), status(403).body("Lifecycle API is not enabled."))
        .step(
            get("/-/quit"),
            status(405).body("Only POST or PUT requests allowed."),
        )
        .run(WHARF);
}

#[test]
fn case_011_wiping_is_off_by_default() {
    case().step(put("/api/v1/admin/wipe"), not_found()).run(WHARF);
}

#[test]
fn case_012_a_redirect_of_the_api_keeps_its_prefix() {
    let reason = "the real one sends the client to a page that is not the API";
    case()
        .step(
            get("/api/v1/status/"),
            differs(reason, redirect(301, "/status"), redirect(301, "/api/v1/status")),
        )
        .run(WHARF);
}

#[test]
fn case_013_static_files_are_served() {
    case()
        .step(
            get("/static/functions.js"),
            status(200).header("Content-Type", "application/javascript"),
        )
        .step(
            get("/static/prometheus.css"),
            status(200).header("Content-Type", "text/css"),
        )
        .step(get("/static/nope"), not_found())
        .run(WHARF);
}

#[test]
fn case_014_the_route_prefix_moves_everything() {
    case()
        .flags(&["--web.route-prefix=pre/"])
        .step(get("/pre/-/healthy"), status(200).body("OK"))
        .step(get("/-/healthy"), not_found())
        .step(get("/pre"), redirect(301, "/pre/"))
        .step(post("/pre/metrics/job/a").body("m 1\n"), ok())
        .step(
            get("/-/quit"),
            status(405).body("Only POST or PUT requests allowed."),
        )
        .step(get("/pre/-/quit"), status(405).body("Method Not Allowed\n"))
        .step(get("/pre/api/v1/metrics"), status(200))
        .run(WHARF);
}

#[test]
fn odd_characters_of_a_url_are_taken_as_they_are() {
    let push = |value: &str| post(&format!("/metrics/job/{value}")).body("m 1\n");
    let mut case = case()
        .step(push("!\"$&'()*+,-.:;=@[\\]^_{|}~"), ok())
        .step(push("ü日本"), ok());
    for value in [
        "a<b",
        "a>b",
        "a`b",
        "a\"b",
        "a#b",
        "c?a=\"b\"",
        "c?a=%22b%22",
        "c?a=<%zz>`#",
    ] {
        case = case.step(push(value), ok());
    }
    case.scrape(
        scraped()
            .line(r#"m{instance="",job="a<b"} 1"#)
            .line(r#"m{instance="",job="a\"b"} 1"#)
            .line(r#"m{instance="",job="a#b"} 1"#)
            .line(r#"m{instance="",job="c"} 1"#),
    )
    .run(WHARF);
}

#[test]
fn a_redirect_escapes_the_odd_characters_of_a_path() {
    case()
        .step(
            post("/metrics/job/a//x/<\"ü>").body("m 1\n"),
            redirect(301, "/metrics/job/a/x/%3C%22%C3%BC%3E").body(""),
        )
        .step(
            post("/METRICS/job/<\">").body("m 1\n"),
            redirect(307, "/metrics/job/%3C%22%3E").body(""),
        )
        .run(WHARF);
}

#[test]
fn case_015_the_external_url_is_for_links_only() {
    case()
        .flags(&["--web.external-url=http://h/ext", "--web.route-prefix=/"])
        .step(
            get("/"),
            status(200)
                .header("Content-Type", "text/html; charset=utf-8")
                .matches("/ext/static/"),
        )
        .step(get("/ext/"), not_found())
        .run(WHARF);
}

#[test]
fn case_016_the_telemetry_path_moves_scrapes_only() {
    case()
        .flags(&["--web.telemetry-path=/scrape"])
        .step(get("/scrape"), scraped())
        .step(get("/metrics"), not_found())
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .run(WHARF);
}

#[test]
fn profiles_are_not_served() {
    let reason = "they are profiles of the Go runtime";
    case()
        .step(get("/debug/pprof/"), differs(reason, status(200), not_found()))
        .run(WHARF);
}

#[test]
fn a_bad_escape_in_the_path_is_a_bad_request() {
    case()
        .step(get("/metrics/job/%zz"), status(400))
        .step(post("/metrics%2Fjob%2Fa").body("m 1\n"), ok())
        .step(get("/metrics"), scraped().line(r#"m{instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn wiping_is_for_put_alone() {
    case()
        .flags(&["--web.enable-admin-api"])
        .step(get("/api/v1/admin/wipe"), method_not_allowed("OPTIONS, PUT"))
        .only(
            Wharf,
            "the real one queues the deletes, Wharf answers when all are gone",
            |case| {
                case.step(post("/metrics/job/a").body("m 1\n"), ok())
                    .step(put("/api/v1/admin/wipe"), accepted())
                    .scrape(scraped().no_line("push_"))
            },
        )
        .step(
            post("/metrics/job@base64/=").body("m 1\n"),
            refused("job name is required"),
        )
        .run(WHARF);
}
