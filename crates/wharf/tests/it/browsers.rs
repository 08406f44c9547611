//! What pages of other sites can do with the browser of somebody who may do more.

use wharf_testkit::Kind;
use wharf_testkit::http::{Request, Response, delete, get, options, post, put};

use crate::{gateways, wharf};

fn from(request: &Request, headers: &[(&str, &str)]) -> Request {
    let request = request.clone();
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value))
}

fn changes() -> [Request; 7] {
    [
        put("/metrics/job/a").body("m 1\n"),
        post("/metrics/job/a").body("m 1\n"),
        delete("/metrics/job/a"),
        post("/api/v1/push?group_by=job").body("m{job=\"a\"} 1\n"),
        delete("/api/v1/groups?match[]=%7B%7D&dry_run=true"),
        post("/-/reload"),
        post("/nope"),
    ]
}

const FOREIGN: [&[(&str, &str)]; 5] = [
    &[("Origin", "https://evil.example")],
    &[("Origin", "null")],
    &[("Sec-Fetch-Site", "cross-site")],
    &[
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://other.example"),
    ],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://x")],
];

/// What a page needs to be let in by the Pushgateway: nothing.
#[test]
fn a_page_elsewhere_changes_nothing() {
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let gateway = spawn.start();
        for headers in FOREIGN {
            let request = from(&put("/metrics/job/a").body("m 1\n"), headers);
            assert_eq!(gateway.send(&request).status, if is_wharf { 403 } else { 200 });
        }
        assert_eq!(
            gateway.scrape().samples.iter().any(|sample| sample.name == "m"),
            !is_wharf
        );
    }
}

#[test]
fn no_change_is_asked_for_by_a_page_elsewhere_and_all_by_our_own() {
    let gateway = wharf()
        .args(["--web.enable-admin-api", "--web.enable-lifecycle"])
        .start();
    let own = format!("http://{}", gateway.address());
    for request in changes() {
        for headers in FOREIGN {
            let answer = gateway.send(&from(&request, headers));
            assert_eq!(answer.status, 403, "{request} {headers:?}");
            assert!(
                answer
                    .text()
                    .starts_with("expected a change from this gateway's own page")
            );
        }
        let plain = gateway.send(&request);
        for headers in [
            &[("Sec-Fetch-Site", "same-origin")][..],
            &[("Sec-Fetch-Site", "none")],
            &[
                ("Sec-Fetch-Site", "same-origin"),
                ("Origin", "https://proxy.example"),
            ],
            &[("Origin", own.as_str()), ("Host", &own["http://".len()..])],
        ] {
            let request = if headers.iter().any(|(name, _)| *name == "Host") {
                from(&request.clone().without_host(), headers)
            } else {
                from(&request, headers)
            };
            assert_eq!(
                gateway.send(&request).status,
                plain.status,
                "{request} {headers:?}"
            );
        }
    }
    let scrape = gateway.send(&get("/metrics")).text();
    let line = "wharf_http_requests_turned_away_total{reason=\"origin\"} 35\n";
    assert!(scrape.contains(line), "{scrape}");
    // Reading changes nothing, and what comes of it the page does not get to see.
    for headers in FOREIGN {
        assert_eq!(gateway.send(&from(&get("/metrics"), headers)).status, 200);
    }
}

#[test]
fn behind_a_proxy_the_external_url_is_our_own() {
    let gateway = wharf()
        .args([
            "--web.external-url=https://ops.example.org/gateway/",
            "--web.route-prefix=/",
        ])
        .start();
    let push = put("/metrics/job/a").body("m 1\n");
    let status = |origin: &str| gateway.send(&from(&push, &[("Origin", origin)])).status;
    assert_eq!(status("https://ops.example.org"), 200);
    assert_eq!(status("https://ops.example.org:444"), 403);
    assert_eq!(status("http://ops.example.org"), 403);
}

/// Over plain HTTP browsers say their origin only, and proxies say for which host the request was as they see fit.
#[test]
fn behind_a_proxy_the_page_may_delete_whatever_the_proxy_makes_of_the_host() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    let status = |request: &Request, headers: &[(&str, &str)]| {
        gateway
            .send(&from(&request.clone().without_host(), headers))
            .status
    };
    let own = ("Origin", "http://push.example.net:8082");
    let (delete, wipe) = (delete("/metrics/job/a"), put("/api/v1/admin/wipe"));
    let push = post("/metrics/job/a").body("m 1\n");
    // nginx with `$host`, with `$http_host`; Apache and others, which say it elsewhere.
    let told: [&[(&str, &str)]; 4] = [
        &[own, ("Host", "push.example.net")],
        &[
            own,
            ("Host", "push.example.net"),
            ("X-Forwarded-Host", "push.example.net"),
        ],
        &[own, ("Host", "push.example.net:8082")],
        &[
            own,
            ("Host", "127.0.0.1:9091"),
            ("X-Forwarded-Host", "push.example.net:8082, inner"),
        ],
    ];
    for headers in told {
        for request in [&delete, &wipe] {
            assert_eq!(status(request, headers), 202, "{request} {headers:?}");
        }
    }
    // A form at another port of the host could be made to push: for that all of the host has to be there.
    assert_eq!(told.map(|headers| status(&push, headers)), [403, 403, 200, 200]);
    let untold: [&[(&str, &str)]; 4] = [
        &[own, ("Host", "127.0.0.1:9091")],
        &[own, ("Host", "push.example.net:9091")],
        &[
            ("Origin", "http://evil.example"),
            ("Host", "push.example.net"),
            ("X-Forwarded-Host", "push.example.net"),
        ],
        &[own, ("Host", "push.example.net"), ("Sec-Fetch-Site", "same-site")],
    ];
    for headers in untold {
        for request in [&delete, &wipe, &push] {
            assert_eq!(status(request, headers), 403, "{request} {headers:?}");
        }
    }
    let answer = gateway.send(&from(&delete, FOREIGN[0])).text();
    for line in [
        "proxy_set_header Host $http_host;",
        "ProxyPreserveHost On",
        "passHostHeader: true",
        "Caddy",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
}

/// A page cannot write headers of its own into requests to another origin unless the gateway says so.
#[test]
fn pages_elsewhere_may_not_say_which_host_they_mean() {
    for args in [&[][..], &["--web.cors.origin=https://ops\\.example\\.org"]] {
        let gateway = wharf().args(args.iter().copied()).start();
        for origin in ["https://ops.example.org", "https://evil.example"] {
            for path in [
                "/metrics/job/a",
                "/api/v1/groups",
                "/api/v1/push",
                "/api/v1/admin/wipe",
            ] {
                let asked = from(
                    &options(path),
                    &[
                        ("Origin", origin),
                        ("Access-Control-Request-Method", "DELETE"),
                        ("Access-Control-Request-Headers", "x-forwarded-host"),
                    ],
                );
                let answer = gateway.send(&asked);
                let headers = answer.header("Access-Control-Allow-Headers").unwrap_or_default();
                assert!(
                    !headers.contains("orward") && !headers.contains('*'),
                    "{path}: {headers}"
                );
                let is_listed = !args.is_empty() && origin.contains("ops") && path.starts_with("/api/");
                let shared = answer.header("Access-Control-Allow-Origin").is_some();
                assert!(is_listed || !shared, "{path}: {origin}");
            }
        }
    }
}

fn allowed(answer: &Response) -> (Option<&str>, Option<&str>) {
    (
        answer.header("Access-Control-Allow-Origin"),
        answer.header("Vary"),
    )
}

#[test]
fn pages_of_other_origins_read_the_api_only_if_they_are_listed() {
    let foreign = [("Origin", "https://ops.example.org")];
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let gateway = spawn.start();
        for request in [
            get("/api/v1/metrics"),
            get("/api/v1/status"),
            options("/api/v1/metrics"),
        ] {
            for request in [request.clone(), from(&request, &foreign)] {
                let answer = gateway.send(&request);
                assert_eq!(answer.status, 200);
                let expected = (!is_wharf).then_some("*");
                assert_eq!(allowed(&answer).0, expected, "{request}");
                let methods = answer.header("Access-Control-Allow-Methods");
                assert_eq!(methods.is_none(), is_wharf, "{request}");
            }
        }
    }
    let gateway = wharf()
        .arg(r"--web.cors.origin=https://(ops|dev)\.example\.org")
        .start();
    for request in [get("/api/v1/groups"), options("/api/v1/groups")] {
        assert_eq!(allowed(&gateway.send(&request)), (None, Some("Origin")));
        let answer = gateway.send(&from(&request, &foreign));
        let expected = (Some("https://ops.example.org"), Some("Origin"));
        assert_eq!(allowed(&answer), expected, "{request}");
        let other = [("Origin", "https://ops.example.org.evil.example")];
        assert_eq!(
            allowed(&gateway.send(&from(&request, &other))),
            (None, Some("Origin"))
        );
    }
    assert_eq!(
        allowed(&gateway.send(&from(&get("/metrics"), &foreign))),
        (None, None)
    );
    // Who is listed may ask for changes as well.
    let push = put("/metrics/job/a").body("m 1\n");
    let listed = [
        ("Origin", "https://ops.example.org"),
        ("Sec-Fetch-Site", "same-site"),
    ];
    assert_eq!(gateway.send(&from(&push, &listed)).status, 200);
    assert_eq!(gateway.send(&from(&push, FOREIGN[3])).status, 403);
}

#[test]
fn a_pattern_of_origins_that_is_none_stops_the_start() {
    let exit = wharf().arg("--web.cors.origin=(").run();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("expected"), "{exit:?}");
}

#[test]
fn what_has_content_says_how_browsers_are_to_take_it() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\n");
    for path in ["/", "/metrics", "/api/v1/metrics", "/-/healthy", "/nope"] {
        let answer = gateway.send(&get(path));
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Referrer-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    let answer = gateway.send(&put("/metrics/job/a").body("m 1\n"));
    assert_eq!(answer.header("X-Content-Type-Options"), None);
}
