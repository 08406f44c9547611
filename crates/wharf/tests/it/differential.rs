//! Random conversations, held with the real Pushgateway and with Wharf at once, have to go the same way.
//!
//! The sequences keep clear of what makes the real one answer 500 for ever; the contract has those, one by one.
//! `WHARF_SEED` repeats the sequence that a failure names.

use std::fmt::Write as _;

use wharf_testkit::http::{Request, Response, delete, post, put};
use wharf_testkit::protobuf::{self, Message, Type, delimited};
use wharf_testkit::{Random, Spawn, body, peers, same_contents};

use crate::wharf;

const SEQUENCES: u64 = 24;
const STEPS: usize = 120;
/// How often what is stored is compared, in steps.
const COMPARE_EVERY: usize = 6;

#[test]
fn random_conversations_go_the_same_way() {
    match peers::number_from_environment("WHARF_SEED") {
        Some(seed) => converse(seed),
        None => (1..=SEQUENCES).for_each(converse),
    }
}

fn converse(seed: u64) {
    let Some(real) = Spawn::real() else { return };
    let [real, wharf] = [real, wharf()].map(|spawn| spawn.arg("--web.enable-admin-api").start());
    let mut random = Random::new(seed);
    let mut history = String::new();
    for step in 1..=STEPS {
        let request = any_request(&mut random);
        writeln!(history, "{step}. {request}").unwrap();
        let (left, right) = (real.send(&request), wharf.send(&request));
        writeln!(history, "   -> {} {:?}", left.status, first_line(&left)).unwrap();
        let verdict = same_answer(&left, &right).and_then(|()| {
            if step % COMPARE_EVERY == 0 {
                same_contents(&real, &wharf)
            } else {
                Ok(())
            }
        });
        let difference = verdict.err().unwrap_or_default();
        assert!(
            difference.is_empty(),
            "{difference}\nWHARF_SEED={seed} repeats this conversation:\n{history}"
        );
    }
}

fn same_answer(real: &Response, wharf: &Response) -> Result<(), String> {
    let [left, right] = [real, wharf].map(|response| {
        // The texts of inconsistencies name one of several parties at random.
        let line = first_line(response);
        let kind = line
            .split_once("existing metrics: ")
            .map_or(line.as_str(), |(kind, _)| kind)
            .to_owned();
        (response.status, kind)
    });
    if left == right {
        Ok(())
    } else {
        Err(format!("real: {left:?}\nWharf: {right:?} {:?}", wharf.text()))
    }
}

fn first_line(response: &Response) -> String {
    response.text().lines().next().unwrap_or_default().to_owned()
}

fn any_request(random: &mut Random) -> Request {
    let path = any_path(random);
    match random.below(20) {
        0..=7 => any_body(random, put(&path)),
        8..=15 => any_body(random, post(&path)),
        16..=18 => delete(&path),
        _ if random.one_in(3) => put("/api/v1/admin/wipe"),
        _ => {
            let odd = [
                "/metrics/job/a/x",
                "/metrics/job/a/__x/y",
                "/metrics/job/a/x-y/z",
                "/metrics/job@base64/!",
            ];
            let path = *random.pick(&odd);
            any_body(random, post(path))
        }
    }
}

fn any_path(random: &mut Random) -> String {
    let job = random.pick(&[
        "/metrics/job/a",
        "/metrics/job/b",
        "/metrics/job@base64/YQ",
        "/metrics/job/c%20d",
    ]);
    let labels = random.pick(&[
        "",
        "",
        "/instance/i1",
        "/instance/i2",
        "/x/1",
        "/x/",
        "/instance/i1/x/1",
        "/x/1/instance/i1",
    ]);
    format!("{job}{labels}")
}

fn any_body(random: &mut Random, request: Request) -> Request {
    match random.below(12) {
        0 => request.body(*random.pick(&BAD)),
        1 => request.body(""),
        2 => request
            .header("Content-Encoding", "gzip")
            .body(body::gzip(text(random).as_bytes())),
        3 => request
            .header("Content-Encoding", "snappy")
            .body(body::snappy_framed(text(random).as_bytes())),
        4 => request
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(delimited(&messages(random))),
        _ => request.body(text(random)),
    }
}

const BAD: [&str; 10] = [
    "m x\n",
    "m 1 5\n",
    "m{a=} 1\n",
    "m 1\nm 1\n",
    "m{a=\"\\t\"} 1\n",
    "# TYPE m gauge\n# TYPE m gauge\nm 1\n",
    "m{job=\"1\"} 1\nm{job=\"2\"} 1\n",
    "m{__x=\"1\"} 1\n",
    "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n",
    "n 1\nm 1 # {a=\"b\"} 1\n",
];

const VALUES: [&str; 9] = ["0", "1", "-1.5", "NaN", "+Inf", "-Inf", "1e9", "123456789", "0.1"];

/// A few families, each whole, with names and types that other pushes may use otherwise.
fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for name in ["m", "n", "s", "h", "u", "s_sum", "h_count", "h_bucket"] {
        let rare = name.contains('_');
        if !random.one_in(if rare { 30 } else { 2 }) {
            continue;
        }
        if random.one_in(3) {
            writeln!(text, "# HELP {name} {}", random.pick(&["one", "two", "a \\\\ b"])).unwrap();
        }
        match name {
            "s" => summary(random, &mut text),
            "h" => histogram(random, &mut text),
            _ => {
                if name == "m" {
                    let metric_type = if random.one_in(10) { "counter" } else { "gauge" };
                    writeln!(text, "# TYPE m {metric_type}").unwrap();
                }
                numbers(random, name, &mut text);
            }
        }
    }
    text
}

fn numbers(random: &mut Random, name: &str, text: &mut String) {
    let plain = ["", "{x=\"1\"}", "{x=\"2\",y=\"z\\\"\"}", "{z=\"\"}"];
    let clashing = ["", "{instance=\"i1\"}", "{instance=\"\"}", "{job=\"other\"}"];
    let sets = if random.one_in(8) { clashing } else { plain };
    let first = random.below(sets.len());
    for set in sets.iter().cycle().skip(first).take(random.below(3) + 1) {
        writeln!(text, "{name}{set} {}", random.pick(&VALUES)).unwrap();
    }
}

fn summary(random: &mut Random, text: &mut String) {
    text.push_str("# TYPE s summary\n");
    for quantile in ["0.5", "0.99"] {
        writeln!(text, "s{{quantile=\"{quantile}\"}} {}", random.pick(&VALUES)).unwrap();
    }
    if random.one_in(2) {
        writeln!(
            text,
            "s_sum {}\ns_count {}",
            random.pick(&VALUES),
            random.below(9)
        )
        .unwrap();
    }
}

fn histogram(random: &mut Random, text: &mut String) {
    text.push_str("# TYPE h histogram\n");
    let fraction = if random.one_in(4) { ".5" } else { "" };
    for bound in random.pick(&[["1", "2"], ["0.1", "+Inf"], ["1e1", "1e2"]]) {
        writeln!(text, "h_bucket{{le=\"{bound}\"}} {}{fraction}", random.below(9)).unwrap();
    }
    writeln!(
        text,
        "h_sum {}\nh_count {}",
        random.pick(&VALUES),
        random.below(99)
    )
    .unwrap();
}

fn messages(random: &mut Random) -> Vec<Message> {
    let metric = protobuf::gauge(protobuf::labelled(&[("x", "1")]), 2.5);
    let gauge = protobuf::family("m", Type::Gauge, &[metric]);
    let untyped = protobuf::family("n", Type::Untyped, &[protobuf::untyped(Message::new(), 7.0)]);
    let wrong = protobuf::family("n", Type::Counter, &[protobuf::gauge(Message::new(), 7.0)]);
    let native = protobuf::native_histogram("h");
    let empty = protobuf::family("e", Type::Gauge, &[]);
    let all = [gauge, untyped, native, empty, wrong];
    (0..=random.below(3)).map(|_| random.pick(&all).clone()).collect()
}
