//! The program as a process: flags, logs, signals, the edges of HTTP.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;
use wharf_testkit::http::{Connection, Request, delete, get, post, put};
use wharf_testkit::protobuf::{self, Message, Type, delimited, family, gauge, varint};
use wharf_testkit::{Certificate, Gateway, Kind, Spawn, peers, until};

use crate::{gateways, wharf};

fn push_protobuf(body: Vec<u8>) -> Request {
    post("/metrics/job/a")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(body)
}

/// A second instance of the spawn, since each is used up by its start.
fn again(spawn: &Spawn) -> Spawn {
    match spawn.kind() {
        Kind::Real => Spawn::real().unwrap(),
        Kind::Wharf => wharf(),
    }
}

/// An end that waits for an idle connection does not come, where that can be said.
fn patient(spawn: Spawn) -> Spawn {
    match spawn.kind() {
        Kind::Real => spawn,
        Kind::Wharf => spawn.arg("--shutdown.timeout=1h"),
    }
}

#[test]
fn case_108_the_version_is_one_line_and_more() {
    for spawn in gateways() {
        let start = match spawn.kind() {
            Kind::Real => "pushgateway, version 1.11.2 (branch: ",
            Kind::Wharf => "wharf, version ",
        };
        let exit = spawn.arg("--version").run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(exit.stdout.starts_with(start), "{exit:?}");
        assert_eq!(exit.stderr, "");
    }
}

#[test]
fn case_109_help_goes_to_standard_output() {
    for spawn in gateways() {
        let exit = spawn.arg("--help").run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(exit.stdout.starts_with("usage: "), "{exit:?}");
        assert_eq!(exit.stderr, "");
    }
}

#[test]
fn case_110_an_unknown_flag_is_refused() {
    for spawn in gateways() {
        let exit = spawn.arg("--bogus").run();
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(1), ""), "{exit:?}");
        let error = exit.stderr.lines().next().unwrap();
        assert!(
            error.ends_with("error: unknown long flag '--bogus', try --help"),
            "{exit:?}"
        );
    }
}

#[test]
fn case_111_a_flag_is_not_repeated() {
    for spawn in gateways() {
        let exit = spawn
            .args(["--web.route-prefix=/a", "--web.route-prefix=/b"])
            .run();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(
            exit.stderr.contains("flag 'web.route-prefix' cannot be repeated"),
            "{exit:?}"
        );
    }
}

#[test]
fn case_112_a_switch_can_be_turned_off_once() {
    for spawn in gateways() {
        let both = again(&spawn)
            .args(["--no-web.enable-lifecycle", "--web.enable-lifecycle"])
            .run();
        assert_eq!(both.code, Some(1), "{both:?}");
        assert!(
            both.stderr
                .contains("flag 'web.enable-lifecycle' cannot be repeated"),
            "{both:?}"
        );

        let gateway = spawn.arg("--no-web.enable-lifecycle").start();
        assert_eq!(gateway.send(&put("/-/quit")).status, 403);
    }
}

#[test]
fn case_113_arguments_can_come_from_a_file() {
    for spawn in gateways() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "--web.listen-address=127.0.0.1:0\n--log.level=debug").unwrap();
        let gateway = spawn.arg(format!("@{}", file.path().display())).start();
        assert_eq!(gateway.send(&get("/-/healthy")).status, 200);
        gateway.send(&post("/metrics/job/a").body("m x\n"));
        gateway.log_line("level=debug");
    }
}

#[test]
fn case_114_several_addresses_are_all_listened_on() {
    for spawn in gateways() {
        let gateway = spawn.args(["--web.listen-address=127.0.0.1:0"; 2]).start();
        for &address in gateway.addresses() {
            let response = Connection::open(address)
                .unwrap()
                .send(&get("/-/healthy"))
                .unwrap();
            assert_eq!(response.status, 200);
        }
        let status = gateway.send(&get("/api/v1/status")).json();
        assert_eq!(
            status["data"]["flags"]["web.listen-address"],
            "127.0.0.1:0,127.0.0.1:0"
        );
    }
}

#[test]
fn a_password_in_the_external_url_is_not_shown() {
    for spawn in gateways() {
        let shown = match spawn.kind() {
            Kind::Wharf => "http://me:xxxxx@ops.example.org/",
            Kind::Real => "http://me:s3cret@ops.example.org/",
        };
        let gateway = spawn
            .arg("--web.external-url=http://me:s3cret@ops.example.org/")
            .start();
        let status = gateway.send(&get("/api/v1/status")).json();
        assert_eq!(status["data"]["flags"]["web.external-url"], shown);
    }
}

#[test]
fn a_route_prefix_that_is_a_url_or_out_of_reach_stops_the_start() {
    for spawn in gateways() {
        let exit = spawn.arg("--web.route-prefix=http://localhost/pushgateway").run();
        assert!(exit.code.is_some_and(|code| code != 0), "{exit:?}");
    }
    // With these the Pushgateway starts, and sends every request elsewhere.
    for prefix in ["//", "/a//b", "/a/../b"] {
        let exit = wharf().arg(format!("--web.route-prefix={prefix}")).run();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        let expected = "flag '--web.route-prefix': expected a path without `//`, `/./` and `/../`";
        assert!(exit.stderr.contains(expected), "{exit:?}");
    }
}

#[test]
fn a_route_prefix_may_hold_whatever_can_be_escaped() {
    for (prefix, path) in [
        ("x y", "/x%20y"),
        ("/a?b", "/a%3Fb"),
        ("/a#b", "/a%23b"),
        ("a:b", "/a:b"),
    ] {
        for spawn in gateways() {
            let gateway = spawn.arg(format!("--web.route-prefix={prefix}")).start();
            gateway.push(&format!("{path}/metrics/job/a"), "m 1\n");
            assert_eq!(
                gateway.send(&get(&format!("{path}/metrics"))).status,
                200,
                "{prefix}"
            );
        }
    }
}

#[test]
fn case_115_a_busy_port_stops_the_start() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    for spawn in gateways() {
        // A service manager has to see the failure, so Wharf does not exit with 0 as the real one does.
        let code = i32::from(spawn.kind() == Kind::Wharf);
        let exit = spawn.arg(format!("--web.listen-address={address}")).run();
        assert_eq!(exit.code, Some(code), "{exit:?}");
        let message = format!(
            "level=error caller=CALLER msg=\"HTTP server stopped\" \
             err=\"listen tcp {address}: bind: address already in use\""
        );
        let (before, after) = message.split_once("CALLER").unwrap();
        let said = |line: &str| line.contains(before) && line.ends_with(after);
        assert!(exit.stderr.lines().any(said), "{exit:?}");
    }
}

#[test]
fn case_116_systemd_hands_over_the_sockets() {
    for spawn in gateways() {
        let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = [&sockets[0], &sockets[1]].map(|socket| socket.local_addr().unwrap());
        let none = again(&spawn).arg("--web.systemd-socket").run();
        assert!(
            none.stderr
                .contains("no socket activation file descriptors found"),
            "{none:?}"
        );

        let _gateway = spawn.arg("--web.systemd-socket").sockets(sockets).start();
        for address in addresses {
            let response = Connection::open(address)
                .unwrap()
                .send(&get("/-/healthy"))
                .unwrap();
            assert_eq!(response.status, 200);
        }
    }
}

#[test]
fn case_117_logs_can_be_json() {
    for spawn in gateways() {
        let gateway = spawn.arg("--log.format=json").start();
        let log = gateway.log();
        assert!(log.lines().count() >= 2, "{log}");
        for line in log.lines() {
            let keys = [
                "{\"ts\":\"",
                "\",\"level\":\"",
                "\",\"caller\":\"",
                "\",\"msg\":\"",
            ];
            let rest = keys
                .iter()
                .try_fold(line, |rest, key| rest.split_once(key).map(|(_, rest)| rest));
            assert!(rest.is_some(), "ts, level, caller, msg, in this order: {line}");
            assert!(serde_json::from_str::<Value>(line).unwrap().is_object());
        }
    }
}

#[test]
fn case_118_syntax_errors_are_logged_at_debug() {
    for spawn in gateways() {
        let quiet = again(&spawn).start();
        let gateway = spawn.arg("--log.level=debug").start();
        for gateway in [&quiet, &gateway] {
            assert_eq!(gateway.send(&post("/metrics/job/a").body("m x\n")).status, 400);
        }
        let line = gateway.log_line("failed to parse text");
        assert!(line.contains("level=debug"), "{line}");
        assert!(
            line.contains("msg=\"failed to parse text\" logged_source=127.0.0.1:"),
            "{line}"
        );
        let error = r#" err="text format parsing error in line 1: expected float as value, got \"x\""#;
        assert!(line.contains(error), "{line}");
        assert!(!quiet.log().contains("failed to parse"), "{}", quiet.log());
    }
}

#[test]
fn case_119_a_refused_push_is_an_error_in_the_log() {
    for spawn in gateways() {
        let gateway = spawn.start();
        assert_eq!(gateway.send(&post("/metrics/job/a").body("m 1 5\n")).status, 400);
        let line = gateway.log_line("pushed metrics are invalid or inconsistent");
        assert!(line.contains("level=error"), "{line}");
        assert!(line.contains("method=POST logged_source=127.0.0.1:"), "{line}");
        assert!(
            line.contains("err=\"pushed metrics must not have timestamps\""),
            "{line}"
        );
    }
}

#[test]
fn case_120_quitting_over_http_is_graceful() {
    for method in ["PUT", "POST"] {
        for spawn in gateways() {
            let real = spawn.kind() == Kind::Real;
            let mut gateway = spawn.arg("--web.enable-lifecycle").start();
            match gateway.connect().send(&Request::new(method, "/-/quit")) {
                Ok(response) => assert_eq!(
                    (response.status, response.text().as_str()),
                    (200, "Requesting termination... Goodbye!")
                ),
                // It does not wait for requests, so its end may come before this answer's.
                Err(error) => assert!(real, "{error}"),
            }
            let exit = gateway.wait();
            assert_eq!(exit.code, Some(0), "{exit:?}");
            assert!(
                exit.stderr
                    .contains("received termination request via web service"),
                "{exit:?}"
            );
        }
    }
}

#[test]
fn case_121_signals_stop_the_program_although_connections_are_idle() {
    for stop in [
        |gateway: &Gateway| gateway.terminate(),
        |gateway: &Gateway| gateway.interrupt(),
    ] {
        for spawn in gateways() {
            let mut gateway = patient(spawn).start();
            let mut idle = gateway.connect();
            assert_eq!(idle.send(&get("/-/healthy")).unwrap().status, 200);
            stop(&gateway);
            let exit = gateway.wait();
            assert_eq!(exit.code, Some(0), "{exit:?}");
            assert!(
                exit.stderr
                    .contains("received SIGINT/SIGTERM; exiting gracefully..."),
                "{exit:?}"
            );
            assert_eq!(idle.read_to_end().unwrap(), b"");
        }
    }
}

#[test]
fn sigquit_stops_the_program_as_sigterm_does() {
    let mut gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.quit();
    let exit = gateway.wait();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(
        exit.stderr.contains("received SIGQUIT; exiting gracefully..."),
        "{exit:?}"
    );
}

#[test]
fn sigquit_stops_the_program_also_as_the_first_process_of_a_container() {
    let Some(container) = peers::namespaces(&["--pid", "--fork", "--kill-child"]) else {
        return;
    };
    let mut gateway = wharf().within(container).start();
    gateway.quit_child();
    let exit = gateway.wait();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stderr.contains("received SIGQUIT;"), "{exit:?}");
}

#[test]
fn a_request_in_flight_is_finished_before_the_program_stops() {
    let mut gateway = wharf().start();
    let mut connection = half_a_push(&gateway);
    gateway.terminate();
    gateway.log_line("exiting gracefully");
    connection.write(b"m 1\n").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 200);
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn a_request_that_never_ends_is_cut_after_the_shutdown_timeout() {
    let mut gateway = wharf().arg("--shutdown.timeout=200ms").start();
    let mut connection = half_a_push(&gateway);
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    assert_eq!(connection.read_to_end().unwrap(), b"");
}

/// Sends the head of a push and none of its body, and waits until the gateway is reading it.
fn half_a_push(gateway: &Gateway) -> Connection {
    let mut connection = gateway.connect();
    let request = post("/metrics/job/a")
        .header("Expect", "100-continue")
        .header("Content-Length", "4");
    connection.write(&request.to_bytes()).unwrap();
    // The interim response comes when the handler asks for the body.
    connection.read_interim().unwrap();
    connection
}

#[test]
fn case_122_a_hang_up_is_survived() {
    for spawn in gateways() {
        let mut gateway = spawn.start();
        gateway.hang_up();
        match gateway.kind() {
            Kind::Real => assert_eq!(gateway.wait().signal, Some(1)),
            Kind::Wharf => {
                // The packaged service files send it to reload, which must not stop anything.
                gateway.push("/metrics/job/a", "m 1\n");
                assert!(gateway.exited().is_none());
            }
        }
    }
}

#[test]
fn case_140_the_help_of_a_family_does_not_change_from_scrape_to_scrape() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "# HELP m one\nm 1\n");
    gateway.push("/metrics/job/b", "# HELP m two\nm 1\n");
    gateway.push("/metrics/job/c", "m 1\n");
    let help = || gateway.scrape().families["m"].help.clone();
    let first = help();
    assert!(first.is_some());
    for _ in 0..10 {
        assert_eq!(help(), first);
    }
}

#[test]
fn case_141_own_names_are_reserved_before_their_first_sample() {
    let body = "# TYPE pushgateway_http_requests_total gauge\npushgateway_http_requests_total 7\n";
    for spawn in gateways() {
        let gateway = spawn.start();
        let response = gateway.send(&post("/metrics/job/a").body(body));
        let scrape = gateway.send(&get("/metrics"));
        match gateway.kind() {
            Kind::Real => assert_eq!((response.status, scrape.status), (200, 500)),
            Kind::Wharf => assert_eq!(
                (response.status, scrape.status),
                (400, 200),
                "{}",
                response.text()
            ),
        }
        assert_eq!(gateway.send(&delete("/metrics/job/a")).status, 202);
        until("the scrape to be healed", || {
            Some(gateway.send(&get("/metrics"))).filter(|r| r.status == 200)
        });
    }
}

#[test]
fn case_142_a_family_without_a_name_cannot_cut_the_scrape() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let nameless = family("", Type::Gauge, &[gauge(Message::new(), 1.0)]);
        let response = gateway.send(&push_protobuf(delimited(&[nameless])));
        let scrape = gateway.send(&get("/metrics"));
        assert_eq!(scrape.status, 200);
        match gateway.kind() {
            Kind::Real => assert_eq!((response.status, scrape.text().as_str()), (200, "")),
            Kind::Wharf => {
                assert_eq!(response.status, 400, "{}", response.text());
                assert!(
                    scrape.text().contains("process_start_time_seconds "),
                    "{}",
                    scrape.text()
                );
            }
        }
    }
}

#[test]
fn an_unknown_type_number_cannot_cut_the_scrape() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/b", "z 1\n");
    let strange = protobuf::with_metrics(
        Message::new().bytes(1, "m").varint(3, 17),
        &[gauge(Message::new(), 1.0)],
    );
    let response = gateway.send(&push_protobuf(delimited(&[strange])));
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(gateway.scrape().value("z", &[("job", "b")]), Some("1"));
}

#[test]
fn case_143_a_length_beyond_the_body_is_refused() {
    for spawn in gateways() {
        let gateway = spawn.start();
        for length in [4, 5, 100, 10_000] {
            let response = gateway.send(&push_protobuf([varint(length), vec![1, 2, 3]].concat()));
            assert_eq!(
                (response.status, response.text().lines().next()),
                (400, Some("unexpected EOF")),
                "{length}"
            );
        }
        gateway.push("/metrics/job/a", "m 1\n");
    }
}

#[test]
fn case_144_headers_may_be_long_but_not_endless() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let healthy = |length| get("/-/healthy").header("X-Long", &"x".repeat(length));
        assert_eq!(gateway.send(&healthy(1024 * 1024)).status, 200);
        assert_eq!(gateway.send(&healthy(2 * 1024 * 1024)).status, 431);
    }
}

#[test]
fn case_145_old_and_unusual_http_is_understood() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let push = || post("/metrics/job/a");
        assert_eq!(
            gateway
                .send(&push().http_1_0().without_host().body("m 1\n"))
                .status,
            200
        );
        assert_eq!(gateway.send(&push().without_host().body("m 1\n")).status, 400);
        assert_eq!(
            gateway.send(&push().chunked(&["m{a=\"", "1\"} 2\nn 3\n"])).status,
            200
        );
        assert_eq!(gateway.scrape().value("m", &[("a", "1")]), Some("2"));

        let response = gateway.send(&push().header("Expect", "100-continue").body("m 1\n"));
        assert_eq!(
            (response.interim.as_slice(), response.status),
            ([100].as_slice(), 200)
        );

        let mut garbage = gateway.connect();
        garbage.write(b"garbage\r\n\r\n").unwrap();
        assert_eq!(garbage.read_response("GET").unwrap().status, 400);
    }
}

#[test]
fn case_145_requests_may_be_pipelined() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let mut connection = gateway.connect();
        let two = [
            put("/metrics/job/a").body("m 1\n"),
            put("/metrics/job/a").body("m 2\n"),
        ];
        connection
            .write(&two.map(|request| request.to_bytes()).concat())
            .unwrap();
        for _ in 0..2 {
            assert_eq!(connection.read_response("PUT").unwrap().status, 200);
        }
        assert_eq!(gateway.scrape().value("m", &[]), Some("2"));
    }
}

#[test]
fn case_145_http_2_needs_tls() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = format!("http://{}/-/healthy", gateway.address());
        let output = Command::new("curl")
            .args([
                "--silent",
                "--http2-prior-knowledge",
                "--write-out",
                " %{http_code} %{http_version}",
                &url,
            ])
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{answer}");
    }
}

#[test]
fn every_byte_in_a_path_and_in_a_query_is_taken_or_refused_alike() {
    let Some(real) = Spawn::real() else { return };
    let gateways = [real.start(), wharf().start()];
    for place in ["/metrics/job/a", "/-/healthy?a="] {
        for byte in 0..=u8::MAX {
            let statuses = gateways.each_ref().map(|gateway| {
                let method = if place.contains('?') { "GET" } else { "PUT" };
                let line = [
                    method.as_bytes(),
                    b" ",
                    place.as_bytes(),
                    &[byte],
                    b"b HTTP/1.1\r\n",
                ]
                .concat();
                let rest = b"Host: x\r\nContent-Length: 4\r\n\r\nm 1\n";
                let mut connection = gateway.connect();
                connection.write(&[&line, &rest[..]].concat()).unwrap();
                connection.read_response(method).unwrap().status
            });
            assert_eq!(statuses[0], statuses[1], "{byte:#04x} behind {place}");
        }
    }
}

#[test]
fn a_selector_can_be_written_as_in_the_documentation_of_prometheus() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    gateway.push("/metrics/job/x", "m 1\n");
    gateway.push("/metrics/job/y", "m 1\n");
    let ask = |method: &str, path: &str| {
        let url = format!("http://{}{path}", gateway.address());
        let output = Command::new("curl")
            .args([
                "--silent",
                "--globoff",
                "--fail-with-body",
                "--request",
                method,
                &url,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{url}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let groups = ask("GET", r#"/api/v1/groups?match[]={job="x"}"#);
    let groups: Value = serde_json::from_str(&groups).unwrap();
    assert_eq!(
        groups["data"]["groups"].as_array().map(Vec::len),
        Some(1),
        "{groups}"
    );
    assert_eq!(groups["data"]["groups"][0]["labels"]["job"], "x");
    let scrape = ask("GET", r#"/metrics?match[]={job=~"x|z"}"#);
    assert!(scrape.contains("m{instance=\"\",job=\"x\"} 1\n"), "{scrape}");
    assert!(!scrape.contains("job=\"y\""), "{scrape}");
    ask("DELETE", r#"/api/v1/groups?match[]={job="x"}"#);
    assert_eq!(gateway.scrape().value("m", &[("job", "x")]), None);
    assert_eq!(gateway.scrape().value("m", &[("job", "y")]), Some("1"));
}

#[test]
fn odd_characters_of_a_url_are_taken_over_http_2() {
    let folder = tempfile::tempdir().unwrap();
    Certificate::self_signed("localhost", &["localhost"]).write(folder.path(), "server");
    let config = folder.path().join("web.yml");
    std::fs::write(
        &config,
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n",
    )
    .unwrap();
    for spawn in gateways() {
        let gateway = spawn
            .arg(format!("--web.config.file={}", config.display()))
            .start();
        let base = format!("https://{}", gateway.address());
        let ask = |args: &[&str]| {
            let output = Command::new("curl")
                .args([
                    "--silent",
                    "--globoff",
                    "--insecure",
                    "--http2",
                    "--write-out",
                    "%{http_version} %{http_code}\n",
                ])
                .args(args)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        // Both over one connection.
        let pushes = [r#"<"a">"#, "`b`"].map(|job| format!("{base}/metrics/job/{job}?x=\"<>`"));
        let pushed = ask(&["--data-binary", "m 1\n", &pushes[0], &pushes[1]]);
        assert_eq!(pushed, "2 200\n2 200\n");
        let scrape = ask(&[&format!("{base}/metrics")]);
        for job in [r#"<\"a\">"#, "`b`"] {
            let line = format!("m{{instance=\"\",job=\"{job}\"}} 1\n");
            assert!(scrape.contains(&line), "{scrape}");
        }
    }
}
