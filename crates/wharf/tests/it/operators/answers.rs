//! Answers of gateways as they come: byte for byte, and those that never come to their end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use wharf_testkit::http::get;
use wharf_testkit::until;

use super::{EVERYTHING, fails, json, stderr, stdout, succeeds, tool};
use crate::{WHARF, gateways, wharf};

/// What a gateway sends when a path that begins so is asked for.
type Answer = (&'static str, Vec<u8>);

/// A gateway that sends just these bytes, and 404 for all other paths; then it ends the connection, or stays silent.
fn sending(answers: Vec<Answer>, stays: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--gateway=http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = answers.clone();
            thread::spawn(move || send(&stream.unwrap(), &answers, stays));
        }
    });
    url
}

fn send(mut stream: &TcpStream, answers: &[Answer], stays: bool) {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    let path = request.split(' ').nth(1).unwrap();
    while !lines.next().unwrap().is_empty() {}
    let answer = answers.iter().find(|(begin, _)| path.starts_with(begin));
    let none = [head("404 Not Found", 0), b"\r\n".to_vec()].concat();
    stream
        .write_all(answer.map_or(&none, |(_, answer)| answer))
        .unwrap();
    if stays {
        // Until the client has gone.
        let _ended = stream.read_to_end(&mut Vec::new());
    }
}

fn head(status: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n").into_bytes()
}

/// An answer of these headers and this body, which may be only a part of what is announced.
fn answer(headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    [&head("200 OK", length), headers.as_bytes(), b"\r\n", body].concat()
}

#[test]
fn without_a_selector_the_scrape_comes_byte_for_byte() {
    let odd = b"# HELP m \xff\r\nm{a=\"\x1b[2J\"} 1\n\n\x00# no end";
    let url = sending(vec![("/metrics", answer("", odd.len(), odd))], false);
    let output = tool(&["get", &url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout, odd);
    // Larger than what is read at once.
    let large = b"m{x=\"1\"} 1\n".repeat(100_000);
    let url = sending(vec![("/metrics", answer("", large.len(), &large))], false);
    assert!(tool(&["get", &url]).stdout == large);
}

#[test]
fn without_a_selector_everything_is_there_as_in_a_scrape() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a/i/1", EVERYTHING);
        gateway.push("/metrics/job/b", "m 1\n");
        // What the gateway says of itself is another number each time.
        let steady = |text: &str| -> Vec<String> {
            let own = ["go_", "process_", "promhttp_", "pushgateway_", "wharf_"];
            let is_steady = |line: &&str| !own.iter().any(|own| line.contains(own));
            text.lines().filter(is_steady).map(str::to_owned).collect()
        };
        let text = succeeds(&gateway, &["get"]);
        assert_eq!(steady(&text), steady(&gateway.send(&get("/metrics")).text()));
        for part in [
            "\npushgateway_build_info{",
            "\npush_time_seconds{",
            "\nm{",
            "\nprocess_",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let openmetrics = succeeds(&gateway, &["get", "-o", "openmetrics"]);
        let protobuf = super::tool_at(&gateway, &["get", "-o", "protobuf"]).stdout;
        for name in ["pushgateway_build_info", "push_time_seconds", "c_total"] {
            assert!(openmetrics.contains(name), "{openmetrics}");
            assert!(
                protobuf
                    .windows(name.len())
                    .any(|window| window == name.as_bytes())
            );
        }
        assert!(openmetrics.ends_with("# EOF\n"), "{openmetrics}");
        let groups = json(&succeeds(&gateway, &["get", "-o", "json"]));
        assert_eq!(groups.as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_gateway_without_groups_is_shown_too() {
    for spawn in gateways() {
        let gateway = spawn.start();
        assert_eq!(succeeds(&gateway, &["get", "-o", "json"]), "[]\n");
        let text = succeeds(&gateway, &["get"]);
        assert!(text.contains("\npushgateway_build_info{"), "{text}");
        fails(&super::tool_at(&gateway, &["get", "{}"]), 1);
    }
}

#[test]
fn what_is_no_protobuf_is_not_taken_for_it() {
    let text = answer("Content-Type: text/plain\r\n", 4, b"m 1\n");
    let url = sending(vec![("/metrics", text)], false);
    for format in ["protobuf", "openmetrics"] {
        let output = tool(&["get", "-o", format, &url]);
        let said = fails(&output, 1);
        assert!(
            said.contains("expected a scrape in protobuf, found `text/plain`"),
            "{said}"
        );
        assert_eq!(stdout(&output), "");
    }
}

/// Of every answer with metrics the first half.
fn halves(is_wharf: bool) -> Vec<Answer> {
    let line = b"{\"labels\":{\"job\":\"a\"},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"m 1\\n\"}\n";
    let group = b"{\"status\":\"success\",\"data\":[{\"labels\":{\"job\":\"a\"}},";
    let family = b"\x0b\x0a\x01m\x18\x01\x22\x04\x12\x02";
    let protobuf = "Content-Type: application/vnd.google.protobuf\r\n";
    let mut answers = vec![
        ("/api/v1/export", answer("Wharf-Groups: 1\r\n", 500, line)),
        ("/api/v1/metrics", answer("", 500, group)),
        // A scrape for those who know their groups already, or want all of it.
        ("/metrics?", answer(protobuf, 500, family)),
        ("/metrics", answer(protobuf, 500, b"# TYPE m gauge\nm 1\nm_half{")),
    ];
    if is_wharf {
        answers.push(("/api/v1/groups", answer("", 0, b"")));
    }
    answers
}

#[test]
fn an_answer_that_stops_or_is_cut_short_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("groups.json");
    fs::write(&file, "before").unwrap();
    let out = format!("--out={}", file.display());
    let commands: [&[&str]; 8] = [
        &["get"],
        &["get", "-o", "protobuf"],
        &["get", "-o", "json"],
        &["get", "a"],
        &["get", "a", "-o", "openmetrics"],
        &["export"],
        &["export", "-o", "text"],
        &["export", &out],
    ];
    for (stays, expected) in [
        (
            true,
            "stopped: expected more of it within 1s, found nothing\nhint: ",
        ),
        (false, "was cut short: "),
    ] {
        for is_wharf in [true, false] {
            let url = sending(halves(is_wharf), stays);
            thread::scope(|scope| {
                for command in commands {
                    let url = &url;
                    scope.spawn(move || {
                        let output = tool(&[command, &[url, "--request-timeout=1s"]].concat());
                        let said = fails(&output, 1);
                        assert!(said.contains(expected), "{command:?}: {said}");
                    });
                }
            });
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_export_that_is_killed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = format!("--out={}", folder.path().join("groups.json").display());
    let url = sending(halves(true), true);
    let mut export = Command::new(WHARF)
        .args(["export", &out, &url, "--request-timeout=1h"])
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", "/nonexistent")
        .spawn()
        .unwrap();
    let open = format!("/proc/{}/fd", export.id());
    until("the file that it has begun", || {
        let mut files = fs::read_dir(&open).unwrap().filter_map(Result::ok);
        let is_it = |file: &Path| file.starts_with(folder.path());
        files
            .any(|file| fs::read_link(file.path()).is_ok_and(|file| is_it(&file)))
            .then_some(())
    });
    export.kill().unwrap();
    export.wait().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_export_into_a_file_is_what_it_writes_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("groups.json");
    let out = format!("--out={}", file.display());
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a/i/1", EVERYTHING);
        assert_eq!(succeeds(&gateway, &["export", &out]), "");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            succeeds(&gateway, &["export"])
        );
        // What cannot be written as a whole does not take the place of what is there.
        let said = fails(
            &super::tool_at(&gateway, &["export", "-o", "text", "none", &out]),
            1,
        );
        assert!(said.contains("expected one group"), "{said}");
        assert!(fs::read_to_string(&file).unwrap().starts_with("{\"labels\""));
    }
    let gateway = wharf().start();
    let said = fails(&super::tool_at(&gateway, &["export", "--out=/dev/null"]), 1);
    assert!(
        said.contains("write /dev/null: expected a file or a name that is free"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
