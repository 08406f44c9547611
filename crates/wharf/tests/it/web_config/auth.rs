//! Users, headers and the rate limit.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use wharf_testkit::http::{Request, Response, delete, get, head, post, put};
use wharf_testkit::{Kind, until};

use super::{ALICE, ALICE_GUESSED, BOB, Folder, HASH, as_user};
use crate::{gateways, open_elsewhere, wharf};

fn alice_only() -> Folder {
    Folder::new(&format!("basic_auth_users:\n  alice: {HASH}\n"))
}

/// One request of every kind.
fn requests() -> Vec<Request> {
    vec![
        get("/-/healthy"),
        get("/metrics"),
        head("/metrics"),
        get("/api/v1/status"),
        get("/"),
        get("/static/favicon.ico"),
        get("/nothing/here"),
        get("//metrics"),
        post("/metrics/job/a").body("m 1\n"),
        put("/metrics/job/a").body("m 1 5\n"),
        delete("/metrics/job/a"),
        Request::new("OPTIONS", "/"),
        Request::new("BREW", "/"),
    ]
}

#[test]
fn case_131_right_credentials_open_every_route_and_others_none() {
    for spawn in gateways() {
        let folder = alice_only();
        let gateway = folder.start(spawn);
        let refuse = |request: &Request| {
            let response = gateway.send(request);
            assert_eq!(response.status, 401, "{request}");
            assert_eq!(response.header("WWW-Authenticate"), Some("Basic"), "{request}");
            assert_eq!(
                response.header("X-Content-Type-Options"),
                Some("nosniff"),
                "{request}"
            );
            assert_eq!(
                response.header("Content-Type"),
                Some("text/plain; charset=utf-8"),
                "{request}"
            );
            let is_head = request.to_bytes().starts_with(b"HEAD ");
            assert_eq!(
                response.text(),
                if is_head { "" } else { "Unauthorized\n" },
                "{request}"
            );
        };
        for request in requests() {
            refuse(&request);
            for credentials in [
                ALICE_GUESSED,
                BOB,
                "Bearer YWxpY2U6czNjcmV0",
                "Basic",
                "Basic  YWxpY2U6czNjcmV0",
                "Basic YWxpY2U=",
                "Basic !!!!",
                "",
            ] {
                refuse(&as_user(&request, credentials));
            }
            for credentials in [ALICE, "basic YWxpY2U6czNjcmV0", "BASIC YWxpY2U6czNjcmV0"] {
                assert_ne!(
                    gateway.send(&as_user(&request, credentials)).status,
                    401,
                    "{request}"
                );
            }
        }
        // This one is for the server as such.
        assert_eq!(gateway.send(&Request::new("OPTIONS", "*")).status, 200);
        // Of several headers the first counts.
        refuse(&as_user(&as_user(&get("/"), ALICE_GUESSED), ALICE));
    }
}

#[test]
fn every_prefix_of_hashes_that_programs_make_is_understood() {
    for spawn in gateways() {
        let prefixes = ["$2a$", "$2b$", "$2y$"];
        let users =
            prefixes.map(|prefix| format!("  u{}: {}\n", &prefix[2..3], HASH.replace("$2b$", prefix)));
        let folder = Folder::new(&format!("basic_auth_users:\n{}", users.concat()));
        let gateway = folder.start(spawn);
        // ua:s3cret, ub:s3cret, uy:s3cret
        for credentials in ["dWE6czNjcmV0", "dWI6czNjcmV0", "dXk6czNjcmV0"] {
            let request = as_user(&get("/-/healthy"), &format!("Basic {credentials}"));
            assert_eq!(gateway.send(&request).status, 200, "{credentials}");
        }
    }
}

/// As a block of YAML, a shell that marks a missing line feed, and other hands leave it.
#[test]
fn what_stands_behind_a_hash_does_not_count() {
    // The user, how the hash is written, and `user:s3cret`.
    let forms = [
        ("block", "|\n    {}", "YmxvY2s6czNjcmV0"),
        ("percent", "'{}%'", "cGVyY2VudDpzM2NyZXQ="),
        ("comment", "'{} # none'", "Y29tbWVudDpzM2NyZXQ="),
        ("feed", "\"{}\\n\"", "ZmVlZDpzM2NyZXQ="),
        ("dos", "\"{}\\r\\n\"", "ZG9zOnMzY3JldA=="),
        ("space", "\"{}\\u00a0\"", "c3BhY2U6czNjcmV0"),
        ("user", "'{}:user'", "dXNlcjpzM2NyZXQ="),
        ("bare", "{}", "YmFyZTpzM2NyZXQ="),
    ];
    let mut lines = vec!["basic_auth_users:".to_owned()];
    let written = forms.map(|(user, form, _)| format!("  {user}: {}", form.replace("{}", HASH)));
    lines.extend(written);
    // The version makes no difference; the oldest has no letter.
    lines.push(format!("  old: {}", HASH.replace("$2b$", "$2$")));
    lines.push(format!("  odd: {}\n", HASH.replace("$2b$", "$2z$")));
    let config = lines.join("\n");
    for spawn in gateways() {
        let kind = spawn.kind();
        let folder = Folder::new(&config);
        let gateway = folder.start(spawn);
        let credentials = forms.map(|(_, _, credentials)| credentials);
        for credentials in credentials
            .into_iter()
            .chain(["b2xkOnMzY3JldA==", "b2RkOnMzY3JldA=="])
        {
            let request = as_user(&get("/-/healthy"), &format!("Basic {credentials}"));
            assert_eq!(gateway.send(&request).status, 200, "{kind:?} {credentials}");
        }
        // percent:guess
        let guess = as_user(&get("/-/healthy"), "Basic cGVyY2VudDpndWVzcw==");
        assert_eq!(gateway.send(&guess).status, 401, "{kind:?}");
        if kind == Kind::Wharf {
            let log = gateway.log();
            let warnings: Vec<&str> = log.lines().filter(|line| line.contains("level=warn")).collect();
            assert_eq!(
                warnings
                    .iter()
                    .filter(|line| line.contains("web config file"))
                    .count(),
                forms.len() - 1
            );
            let place = "web.yml, line 3, column 5: `basic_auth_users.block`";
            assert!(warnings.iter().any(|line| line.contains(place)), "{log}");
            assert!(!log.contains(&HASH[29..]), "{log}");
        }
    }
}

#[test]
fn case_133_headers_are_put_on_every_answer() {
    let headers = [
        ("Content-Security-Policy", "default-src 'self'"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "deny"),
        ("X-XSS-Protection", "1; mode=block"),
    ];
    let lines = headers.map(|(name, value)| format!("    {name}: \"{value}\"\n"));
    for spawn in gateways() {
        let folder = alice_only();
        let config = fs_read(&folder) + "http_server_config:\n  headers:\n" + &lines.concat();
        folder.write("web.yml", &config);
        let gateway = folder.start(spawn);
        for request in requests() {
            for request in [request.clone(), as_user(&request, ALICE)] {
                let response = gateway.send(&request);
                for (name, value) in headers {
                    assert_eq!(response.header(name), Some(value), "{request}");
                }
            }
        }
    }
}

fn fs_read(folder: &Folder) -> String {
    std::fs::read_to_string(folder.config()).unwrap()
}

#[test]
fn case_138_requests_beyond_the_rate_are_turned_away() {
    for spawn in gateways() {
        let folder = Folder::new("rate_limit:\n  interval: 1h\n  burst: 2\n");
        let gateway = folder.start(spawn);
        let answers = [(); 4].map(|()| gateway.send(&get("/-/healthy")));
        let statuses = answers.each_ref().map(|answer| answer.status);
        assert_eq!(statuses, [200, 200, 429, 429]);
        assert_eq!(answers[3].text(), "Too Many Requests\n");
    }
}

/// A response as far as it should be the same.
type Seen = (u16, BTreeSet<(String, String)>, String);

/// What Wharf says to browsers with everything that has content, and the Pushgateway with some of it.
const TO_BROWSERS: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
];

fn seen(response: &Response) -> Seen {
    // That a deletion can be undone, the Pushgateway does not say.
    let is_added = |name: &str| name.starts_with("Wharf-Undo-") || name == "X-Request-Id";
    let is_same =
        |name: &str, value: &str| name != "Date" && !is_added(name) && !TO_BROWSERS.contains(&(name, value));
    // Behind what the Pushgateway says, Wharf says what to do.
    let text = response.text();
    let common = text.split("hint: ").next().unwrap_or_default().to_owned();
    let length = |text: &str| ("Content-Length".to_owned(), text.len().to_string());
    let headers = response.headers.iter();
    let headers = headers.filter(|(name, value)| is_same(name, value)).cloned();
    let headers = headers.map(|header| {
        if header == length(&text) {
            length(&common)
        } else {
            header
        }
    });
    (response.status, headers.collect(), common)
}

/// Without the real Pushgateway there is nothing to compare with; then the other tests have to do.
#[test]
fn answers_are_the_same_to_the_last_header() {
    let configs = [
        String::new(),
        format!("basic_auth_users:\n  alice: {HASH}\n  \"\": {HASH}\n"),
        format!(
            "basic_auth_users: {{alice: {HASH}}}\nhttp_server_config:\n  headers: {{X-Frame-Options: sameorigin, \
             Content-Security-Policy: \"\", X-XSS-Protection: 0}}\n"
        ),
        "rate_limit: {interval: 1h, burst: 1}\n".to_owned(),
        "http_server_config:\n  http2: false\n  headers:\n    X-Content-Type-Options: nosniff\n".to_owned(),
    ];
    // Pages, and answers that say which program it is, differ with good reason.
    let same = |request: &Request| {
        let bytes = request.to_bytes();
        let differs = [
            "GET / ",
            "GET /metrics",
            "HEAD ",
            "GET /api/v1/status",
            "GET /static/",
            "OPTIONS /",
        ];
        !differs.iter().any(|start| bytes.starts_with(start.as_bytes()))
    };
    for config in configs {
        let folder = Folder::new(&config);
        let play = |gateway: &wharf_testkit::Gateway| -> Vec<(String, Seen)> {
            let mut answers = Vec::new();
            for request in requests() {
                for credentials in ["", ALICE, ALICE_GUESSED, "Basic OnMzY3JldA=="] {
                    let request = as_user(&request, credentials);
                    let answer = gateway.send(&request);
                    if same(&request) || matches!(answer.status, 401 | 429 | 500) {
                        answers.push((request.to_string(), seen(&answer)));
                    }
                }
            }
            answers
        };
        let mut all = gateways().map(|spawn| play(&folder.start(spawn)));
        let (first, second) = (all.next().unwrap(), all.next());
        for (expected, found) in first.iter().zip(second.iter().flatten()) {
            assert_eq!(expected, found, "{config}");
        }
        assert!(second.is_none_or(|second| second.len() == first.len()));
    }
}

/// Of `s3cret`, at a cost that takes a machine a good part of a second.
const SLOW_HASH: &str = "$2b$13$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";

#[test]
fn guesses_do_not_hold_up_those_who_are_known() {
    let folder = Folder::new(&format!(
        "basic_auth_users:\n  alice: {HASH}\n  bob: {SLOW_HASH}\n"
    ));
    let gateway = folder.start(wharf());
    let alice = as_user(&get("/-/healthy"), ALICE);
    assert_eq!(gateway.send(&alice).status, 200);
    let mut guessing = TcpStream::connect(gateway.address()).unwrap();
    guessing
        .write_all(&as_user(&get("/-/healthy"), BOB).to_bytes())
        .unwrap();
    until("the guess is being checked", || {
        let scrape = gateway.send(&as_user(&get("/metrics"), ALICE)).text();
        scrape.contains("wharf_http_requests_in_flight 2\n").then_some(())
    });
    assert_eq!(gateway.send(&alice).status, 200);
    // Meanwhile the guess has no answer.
    guessing.set_nonblocking(true).unwrap();
    assert!(guessing.read(&mut [0]).is_err(), "the guess was answered first");
}

#[test]
fn who_guesses_much_at_once_is_told_to_come_again() {
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let folder = Folder::new(&format!("basic_auth_users:\n  bob: {SLOW_HASH}\n"));
        let gateway = folder.start(spawn);
        // x0:x, x1:x, ... as base64 differ in three characters.
        let guesses = (0..100).map(|n| {
            let guess = as_user(&get("/-/healthy"), &format!("Basic eDow{n:03}A"));
            let mut stream = TcpStream::connect(gateway.address()).unwrap();
            stream.write_all(&guess.to_bytes()).unwrap();
            stream
        });
        let guesses: Vec<_> = guesses.collect();
        if !is_wharf {
            // All of them wait, for minutes.
            continue;
        }
        let turned_away = until("some are turned away", || {
            guesses.iter().find_map(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
                let mut answer = [0; 500];
                let length = stream.read(&mut answer).ok()?;
                Some(String::from_utf8_lossy(&answer[..length]).into_owned())
            })
        });
        assert!(turned_away.starts_with("HTTP/1.1 503 "), "{turned_away}");
        assert!(turned_away.contains("Retry-After: 1\r\n"), "{turned_away}");
    }
}

#[test]
fn few_of_those_who_are_turned_away_may_go_on_sending() {
    let folder = alice_only();
    let gateway = folder.start(wharf().arg("--web.body-timeout=1h"));
    let head = b"PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n";
    let mut streams: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(gateway.address()).unwrap();
            stream.write_all(head).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    // Beyond so many, an answer does not wait for a body that goes on.
    until("an answer", || {
        let answered = streams.iter_mut().find_map(|stream| {
            drop(stream.write(b"#"));
            let mut status = [0; 12];
            stream.read_exact(&mut status).ok().map(|()| status)
        });
        answered.map(|status| assert_eq!(&status, b"HTTP/1.1 401"))
    });
    assert_eq!(gateway.send(&as_user(&get("/-/healthy"), ALICE)).status, 200);
}

#[test]
fn a_crowd_that_guesses_leaves_a_place_to_others() {
    let folder = Folder::new(&format!("basic_auth_users:\n  bob: {SLOW_HASH}\n"));
    let gateway = folder.start(wharf());
    let guesses: Vec<_> = (0..400)
        .map(|n| {
            let guess = as_user(&get("/-/healthy"), &format!("Basic eDow{n:03}A"));
            let mut stream = open_elsewhere(&gateway, 10 + u8::try_from(n % 10).unwrap());
            stream.write_all(&guess.to_bytes()).unwrap();
            stream
        })
        .collect();
    until("some are turned away", || {
        guesses.iter().find_map(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            stream.read(&mut [0; 500]).ok()
        })
    });
    let mut stream = open_elsewhere(&gateway, 2);
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    stream
        .write_all(&as_user(&get("/-/healthy"), BOB).to_bytes())
        .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    // It is the wrong password for this hash, and it has had its turn.
    assert_eq!(&status, b"HTTP/1.1 401");
}

#[test]
fn who_is_turned_away_is_counted_by_reason() {
    let folder = Folder::new(&format!(
        "basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 1h\n  burst: 4\n"
    ));
    let gateway = folder.start(wharf());
    for (credentials, status) in [("", 401), (BOB, 401), (ALICE, 200)] {
        assert_eq!(
            gateway.send(&as_user(&get("/-/healthy"), credentials)).status,
            status
        );
    }
    let scrape = gateway.send(&as_user(&get("/metrics"), ALICE)).text();
    let counted = "wharf_http_requests_turned_away_total{reason=\"credentials\"} 2\n";
    assert!(scrape.contains(counted), "{scrape}");
    // They are not among the requests of the Pushgateway's metric.
    let requests: Vec<_> = scrape
        .lines()
        .filter(|line| line.starts_with("pushgateway_http_requests_total{"))
        .collect();
    assert_eq!(
        requests,
        ["pushgateway_http_requests_total{code=\"200\",handler=\"healthy\",method=\"get\"} 1"]
    );
}

#[test]
fn a_large_push_without_credentials_is_answered() {
    let folder = alice_only();
    let gateway = folder.start(wharf());
    let body = "m 1\n".repeat(2_000_000);
    let answer = gateway.send(&post("/metrics/job/a").body(body));
    assert_eq!(answer.status, 401);
}
