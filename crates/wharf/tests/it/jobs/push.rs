//! `wharf push`.

use std::fs;

use super::stub::{Answer, Stub};
use super::{ends_with, found, nobody, output, output_with, push_at, run_at, stderr, tool, url, value};
use crate::{gateways, wharf};

#[test]
fn a_file_replaces_the_group_and_add_keeps_other_families() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        fs::write(&file, "a 1\nb 1\n").unwrap();
        let file = file.to_str().unwrap();
        ends_with(0, &output(push_at(&url, &[file])));
        ends_with(0, &output_with(push_at(&url, &["--add"]), b"b 2\n"));
        assert_eq!((value(&gateway, "a"), value(&gateway, "b")), (1.0, 2.0));
        ends_with(0, &output_with(push_at(&url, &["-"]), b"b 3\n"));
        assert_eq!(found(&gateway.scrape(), "a"), None);
        assert_eq!(value(&gateway, "b"), 3.0);
    }
}

#[test]
fn every_label_value_arrives_as_it_is() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        let labels = [
            ("path", "/var/log"),
            ("empty", ""),
            ("blank", "a b+c%2F"),
            ("dots", ".."),
            ("word", "grüß?#"),
        ];
        let mut command = tool(["push", "--job", "a/b", "--gateway", &url, "--metric", "m=1"]);
        for (name, value) in labels {
            command.args(["--label", &format!("{name}={value}")]);
        }
        ends_with(0, &output(command));
        let scrape = gateway.scrape();
        let sample = scrape.samples.iter().find(|sample| sample.name == "m").unwrap();
        assert_eq!(sample.labels["job"], "a/b");
        for (name, value) in labels {
            // An empty label is none to Prometheus, so gateways may leave it out.
            let found = sample.labels.get(name).map_or("", String::as_str);
            assert_eq!(found, value, "{name}");
        }
    }
}

#[test]
fn large_bodies_arrive_compressed() {
    let lines = (0..5000).map(|number| {
        format!(
            "m{{n=\"{number}\"}} 1
"
        )
    });
    let text = lines.collect::<Vec<_>>().concat();
    for spawn in gateways() {
        let gateway = spawn.start();
        ends_with(
            0,
            &output_with(push_at(&url(gateway.address()), &[]), text.as_bytes()),
        );
        let scrape = gateway.scrape();
        assert_eq!(
            scrape.samples.iter().filter(|sample| sample.name == "m").count(),
            5000
        );
    }
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    ends_with(0, &output_with(push_at(&stub.url, &[]), text.as_bytes()));
    let asked = stub.asked().to_lowercase();
    assert!(asked.contains("content-encoding: gzip\r\n"), "{asked:.300}");
}

#[test]
fn one_liners_have_type_help_and_labels() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let metrics = [
            "--metric",
            "size_bytes=1.5e6",
            "--metric",
            "files_total{kind=\"new\"}=7,type=counter,help=Files, by kind.",
            "--metric",
            "files_total{kind=\"old\"}=8,type=counter",
        ];
        ends_with(0, &output(push_at(&url(gateway.address()), &metrics)));
        let scrape = gateway.scrape();
        assert_eq!(found(&scrape, "size_bytes"), Some(1.5e6));
        let family = &scrape.families["files_total"];
        assert_eq!(family.metric_type, "counter");
        assert_eq!(family.help.as_deref(), Some("Files, by kind."));
        assert_eq!(scrape.families["size_bytes"].metric_type, "gauge");
    }
}

#[test]
fn what_editors_do_to_a_file_is_no_mistake() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let text = b"# TYPE m gauge\r\nm 1\r\nn 2 ";
        ends_with(0, &output_with(push_at(&url(gateway.address()), &[]), text));
        assert_eq!((value(&gateway, "m"), value(&gateway, "n")), (1.0, 2.0));
    }
}

/// A text as Windows writes it, in UTF-16 of either byte order.
fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}

#[test]
fn what_windows_does_to_a_file_is_no_mistake() {
    let text = "# HELP m Größe\r\n# TYPE m gauge\r\nm{disk=\"C:\\\\\"} 1\r\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.prom");
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        for bytes in [
            format!("\u{feff}{text}").into_bytes(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            // Two such files, one behind the other.
            format!("\u{feff}{text}\u{feff}n 2\r\n").into_bytes(),
        ] {
            fs::write(&file, &bytes).unwrap();
            ends_with(0, &output(push_at(&url, &[file.to_str().unwrap()])));
            assert_eq!(value(&gateway, "m"), 1.0);
            assert_eq!(gateway.scrape().families["m"].help.as_deref(), Some("Größe"));
            ends_with(0, &output_with(push_at(&url, &["--add"]), &bytes));
            let script = format!("cat {} > $WHARF_METRICS_FILE", file.display());
            ends_with(0, &output(run_at(&url, &["sh", "-c", &script])));
            assert_eq!(value(&gateway, "job_run_metrics_accepted"), 1.0);
            assert_eq!(value(&gateway, "m"), 1.0);
        }
    }
}

#[test]
fn a_text_that_does_not_say_its_encoding_is_no_metrics() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let text = utf16("a 1\r\nb 2\r\n", u16::to_le_bytes);
    for (bytes, expected) in [
        (
            &text[2..],
            "found what looks like UTF-16 without a byte order mark",
        ),
        (&text[..text.len() - 1], "line 2: expected a character in UTF-16"),
    ] {
        let output = output_with(push_at(&stub.url, &[]), bytes);
        ends_with(2, &output);
        let said = stderr(&output);
        assert!(said.contains(expected) && said.contains("\nhint: "), "{said}");
    }
    assert!(stub.is_left_alone());
}

#[test]
fn a_mistake_is_told_with_line_and_column_and_nothing_is_sent() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let cases: [(&[u8], &str); 4] = [
        (b"a 1\nb 1,5\n", "column 3"),
        (b"a 1\nb 2 1700000000000\n", "timestamps"),
        (b"", "expected metrics, found none"),
        (b"a{x=\"1} 2\n", "line 1"),
    ];
    for (text, expected) in cases {
        let output = output_with(push_at(&stub.url, &[]), text);
        ends_with(2, &output);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert!(stub.is_left_alone());
}

#[test]
fn a_series_that_is_there_twice_is_told_before_it_is_sent() {
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let twice = ["--metric", "m{a=\"1\"}=1", "--metric", "m{a=\"1\"}=2"];
    let output = output(push_at(&stub.url, &twice));
    ends_with(2, &output);
    let said = stderr(&output);
    assert!(said.contains("found `m{a=\"1\"}` twice\nhint: "), "{said}");
    assert!(stub.is_left_alone());
}

#[test]
fn openmetrics_arrives_as_far_as_the_gateway_can_hold_it() {
    let plain = "# TYPE rows counter\nrows_total 7\n# EOF\n";
    let rich = "# TYPE wait_seconds counter\n# UNIT wait_seconds seconds\nwait_seconds_total 3 # {trace=\"x\"} 1\n# EOF\n";
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        let push = |text: &str, flags: &[&str]| output_with(push_at(&url, flags), text.as_bytes());
        let pushed = push(plain, &[]);
        ends_with(0, &pushed);
        assert_eq!(stderr(&pushed), "");
        assert_eq!(gateway.scrape().families["rows_total"].metric_type, "counter");
        let pushed = push(rich, &[]);
        ends_with(0, &pushed);
        assert_eq!(value(&gateway, "wait_seconds_total"), 3.0);
        assert_eq!(
            gateway.scrape().families["wait_seconds_total"].metric_type,
            "counter"
        );
        if gateway.kind() == wharf_testkit::Kind::Wharf {
            assert_eq!(stderr(&pushed), "");
            let group = gateway
                .send(&wharf_testkit::http::get("/api/v1/groups/job/j"))
                .text();
            assert!(
                group.contains(r#""unit":"seconds""#) && group.contains("trace"),
                "{group}"
            );
        } else {
            let said = stderr(&pushed);
            assert!(
                said.contains("warning: pushed in the text format, which has no exemplars, units\nhint: "),
                "{said}"
            );
        }
        // The flag has the last word, and a mistake says how the text was read.
        ends_with(0, &push(plain, &["--format=text"]));
        ends_with(0, &push("rows 7\n", &["--format=openmetrics"]));
        let refused = push("rows seven\n# EOF\n", &[]);
        ends_with(2, &refused);
        assert!(stderr(&refused).contains("--format=text"), "{}", stderr(&refused));
        let script = format!("cat > $WHARF_METRICS_FILE <<'END'\n{plain}END");
        ends_with(0, &output(run_at(&url, &["sh", "-c", &script])));
        assert_eq!(value(&gateway, "rows_total"), 7.0);
    }
}

#[test]
fn what_the_gateway_says_itself_is_told_not_to_arrive() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let text = b"push_time_seconds 1\nm 1\n";
        let output = output_with(push_at(&url(gateway.address()), &[]), text);
        ends_with(0, &output);
        let said = stderr(&output);
        assert!(
            said.contains("warning: `push_time_seconds` does not arrive"),
            "{said}"
        );
        assert_eq!(value(&gateway, "m"), 1.0);
        assert!(value(&gateway, "push_time_seconds") > 1e9);
    }
}

#[test]
fn a_push_that_takes_the_metrics_of_a_run_away_says_so() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let url = url(gateway.address());
        let push = |flags: &[&str]| {
            let pushed = output(push_at(&url, flags));
            ends_with(0, &pushed);
            stderr(&pushed)
        };
        assert_eq!(push(&["--metric=m=1"]), "");
        ends_with(0, &output(run_at(&url, &["true"])));
        assert_eq!(push(&["--metric=m=1", "--add"]), "");
        assert_eq!(value(&gateway, "job_run_success"), 1.0);
        let said = push(&["--metric=m=1"]);
        assert_eq!(found(&gateway.scrape(), "job_run_success"), None);
        // A Pushgateway has no way to tell what a group has but all that it has.
        if gateway.kind() == wharf_testkit::Kind::Wharf {
            assert!(
                said.contains("(job_run_*) out of the group\nhint: with --add they stay"),
                "{said}"
            );
            ends_with(0, &output(run_at(&url, &["true"])));
            assert_eq!(push(&["--metric=m=1", "--quiet"]), "");
        }
    }
}

#[test]
fn mistakes_on_the_command_line_end_with_2() {
    let cases: [&[&str]; 7] = [
        &["--metric", "push_time_seconds=1"],
        &["--metric", "m"],
        &["--label", "a-b=c", "--metric", "m=1"],
        &["--label", "a=b", "--label", "a=c", "--metric", "m=1"],
        &["--job", "", "--metric", "m=1"],
        &["--gateway", "ftp://x", "--metric", "m=1"],
        &["--retry-for", "soon", "--metric", "m=1"],
    ];
    for arguments in cases {
        let mut command = tool(["push"]);
        if !arguments.contains(&"--job") {
            command.args(["--job", "j"]);
        }
        command.args(arguments);
        let output = output(command);
        ends_with(2, &output);
        assert!(stderr(&output).contains("expected") || stderr(&output).contains("job name is required"));
    }
}

#[test]
fn a_dry_run_shows_the_request_without_the_secret_and_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "s3cret\n").unwrap();
    let stub = Stub::start(vec![Answer::Head("200 OK")]);
    let flags = [
        "--dry-run",
        "--add",
        "--ttl=90m",
        "--metric=m=1",
        "--username=me",
        "--password-file",
        password.to_str().unwrap(),
    ];
    let output = output(push_at(&stub.url, &flags));
    ends_with(0, &output);
    let expected = format!(
        "POST {}/metrics/job/j\n\
         Authorization: Basic <hidden>\n\
         Content-Type: text/plain; version=0.0.4; charset=utf-8\n\
         Wharf-TTL: 5400000ms\n\
         \n\
         # TYPE m gauge\n\
         m 1\n",
        stub.url
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert!(stub.is_left_alone());
}

#[test]
fn the_time_to_live_counts_at_wharf() {
    let gateway = wharf().start();
    ends_with(
        0,
        &output(push_at(&url(gateway.address()), &["--ttl=90m", "--metric=m=1"])),
    );
    let groups = gateway.send(&wharf_testkit::http::get("/api/v1/groups")).text();
    assert!(groups.contains(r#""ttl":"1h30m""#), "{groups}");
}

#[test]
fn a_busy_gateway_is_asked_again() {
    let stub = Stub::start(vec![
        Answer::Head("503 Service Unavailable\r\nRetry-After: 0"),
        Answer::Head("502 Bad Gateway"),
        Answer::Head("429 Too Many Requests\r\nRetry-After: 1"),
        Answer::Head("200 OK"),
    ]);
    let output = output(push_at(&stub.url, &["--metric=m=1", "--verbose"]));
    ends_with(0, &output);
    for _ in 0..4 {
        assert!(stub.asked().ends_with("\r\n\r\n# TYPE m gauge\nm 1\n"));
    }
    assert!(stderr(&output).contains("the gateway answered 502: because; trying again in"));
}

#[test]
fn increments_and_observations_are_added_to_what_the_group_has() {
    let gateway = wharf().start();
    let url = url(gateway.address());
    for _ in 0..2 {
        let parts = [
            "--inc=sent_total=3",
            "--inc=sent_total=1",
            "--observe=took_seconds=0.25",
            "--buckets=0.1,1",
        ];
        ends_with(0, &output(push_at(&url, &parts)));
    }
    assert_eq!(value(&gateway, "sent_total"), 8.0);
    assert_eq!(
        (
            value(&gateway, "took_seconds_sum"),
            value(&gateway, "took_seconds_count")
        ),
        (0.5, 2.0)
    );
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("took_seconds_bucket", &[("le", "0.1")]), Some("0"));
    assert_eq!(scrape.value("took_seconds_bucket", &[("le", "1")]), Some("2"));
    // Of a file too; other metrics of the group stay.
    ends_with(
        0,
        &output_with(
            push_at(&url, &["--aggregate"]),
            b"# TYPE sent_total counter\nsent_total 2\n",
        ),
    );
    assert_eq!(
        (
            value(&gateway, "sent_total"),
            value(&gateway, "took_seconds_count")
        ),
        (10.0, 2.0)
    );
    let wrong = output(push_at(&url, &["--inc=sent_total=-1"]));
    ends_with(2, &wrong);
    assert!(stderr(&wrong).contains("--inc: expected a number from 0 on for `sent_total`, found -1"));
}

#[test]
fn a_part_that_may_have_been_counted_is_sent_again_with_its_id_and_not_kept_for_later() {
    let id_of = |request: &str| {
        let header = request
            .lines()
            .find_map(|line| line.strip_prefix("wharf-push-id: "));
        header.unwrap_or_else(|| panic!("{request}")).to_owned()
    };
    let stub = Stub::start(vec![
        Answer::Head("200 OK"),
        Answer::Silence,
        Answer::Head("502 Bad Gateway"),
        Answer::Head("200 OK"),
    ]);
    let sent = output(push_at(
        &stub.url,
        &["--inc=sent_total=1", "--request-timeout=200ms"],
    ));
    ends_with(0, &sent);
    assert!(stub.asked().starts_with("GET /api/v1/groups?"));
    let requests = [stub.asked(), stub.asked(), stub.asked()].map(|request| request.to_lowercase());
    assert_eq!(id_of(&requests[0]).len(), 32);
    assert!(
        requests
            .iter()
            .all(|request| id_of(request) == id_of(&requests[0]))
    );
    // First it is asked whether it is a Wharf.
    for (answer, text) in [
        (Answer::Silence, "no answer from"),
        (Answer::Head("502 Bad Gateway"), "the gateway answered 502"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let spool = format!("--spool={}", folder.path().display());
        let stub = Stub::start(vec![Answer::Head("200 OK"), answer]);
        let flags = [
            "--inc=sent_total=1",
            "--request-timeout=200ms",
            "--retry-for=0",
            &spool,
        ];
        let lost = output(push_at(&stub.url, &flags));
        ends_with(1, &lost);
        assert!(stderr(&lost).contains(text), "{}", stderr(&lost));
        assert!(
            stderr(&lost).contains("it may have been added up all the same, so it is not sent again later")
        );
        assert!(stub.asked().starts_with("GET /api/v1/groups?"));
        assert!(stub.asked().to_lowercase().contains("wharf-merge: aggregate"));
        assert!(stub.is_left_alone());
        let is_kept = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "push");
        let entries = fs::read_dir(folder.path()).unwrap();
        assert!(!entries.map(Result::unwrap).any(|entry| is_kept(&entry)));
    }
    // One that was not taken is.
    let stub = Stub::start(vec![
        Answer::Head("200 OK"),
        Answer::Head("503 Service Unavailable\r\nRetry-After: 0"),
        Answer::Head("200 OK"),
    ]);
    ends_with(0, &output(push_at(&stub.url, &["--inc=sent_total=1"])));
}

#[test]
fn a_pushgateway_gets_no_part_in_the_place_of_a_sum() {
    let stub = Stub::start(vec![Answer::Head("404 Not Found")]);
    let refused = output(push_at(&stub.url, &["--inc=sent_total=1"]));
    ends_with(2, &refused);
    assert!(stderr(&refused).contains("expected a Wharf, which can add up, found a gateway that cannot"));
    stub.asked();
    assert!(stub.is_left_alone());
}

#[test]
fn what_waits_in_the_spool_is_still_a_part_or_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("--spool={}", folder.path().display());
    let nobody = nobody();
    let flags = ["--retry-for=0", &spool];
    for more in [
        ["--inc=sent_total=1", ""],
        ["--metric=r_total=1,type=counter", "--counters=run"],
    ] {
        let more = more.into_iter().filter(|flag| !flag.is_empty());
        let flags: Vec<&str> = flags.into_iter().chain(more).collect();
        ends_with(0, &output(push_at(&nobody, &flags)));
    }
    let kept = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let kept: Vec<String> = kept
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(
        kept.iter()
            .any(|request| request.contains("\nWharf-Merge: aggregate\n")),
        "{kept:?}"
    );
    assert!(
        kept.iter()
            .any(|request| request.contains("\nWharf-Counters: run\n")),
        "{kept:?}"
    );
}

#[test]
fn a_gateway_that_wants_to_be_left_alone_for_longer_than_there_is_time_is() {
    let stub = Stub::start(vec![Answer::Head("503 Service Unavailable\r\nRetry-After: 3600")]);
    let output = output(push_at(&stub.url, &["--metric=m=1"]));
    ends_with(1, &output);
    stub.asked();
    assert!(stub.is_left_alone());
}

#[test]
fn a_refusal_is_told_and_not_repeated() {
    for (head, expected) in [
        ("400 Bad Request", "the gateway answered 400: because"),
        ("401 Unauthorized", "the gateway answered 401: because\nhint: "),
        ("413 Payload Too Large", "the gateway answered 413: because"),
        (
            "301 Moved Permanently\r\nLocation: /x",
            "the gateway answered 301: it points to /x\nhint: ",
        ),
    ] {
        let stub = Stub::start(vec![Answer::Head(head)]);
        let output = output(push_at(&stub.url, &["--metric=m=1"]));
        ends_with(1, &output);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        stub.asked();
        assert!(stub.is_left_alone());
    }
}

#[test]
fn a_gateway_that_does_not_answer_is_given_up() {
    let stub = Stub::start(vec![Answer::Silence]);
    let flags = ["--metric=m=1", "--retry-for=0", "--request-timeout=100ms"];
    let silent = output(push_at(&stub.url, &flags));
    ends_with(1, &silent);
    assert!(stderr(&silent).contains("no answer from"), "{}", stderr(&silent));

    let absent = output(push_at(&nobody(), &flags));
    ends_with(1, &absent);
    assert!(stderr(&absent).contains("cannot reach"), "{}", stderr(&absent));

    let quiet = output(push_at(&nobody(), &[&flags[..], &["--quiet"]].concat()));
    ends_with(1, &quiet);
    assert_eq!(stderr(&quiet), "");
}
