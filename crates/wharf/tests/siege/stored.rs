//! What is stored when an attack begins: much in one group, long labels, many groups.

use std::fmt::Write as _;

use wharf_testkit::http::put;
use wharf_testkit::{Gateway, body};

/// Series of the large group.
const SERIES: usize = 300_000;
/// Groups with a long label, over which costly expressions can be run.
const LONG: usize = 500;
/// Small groups.
const GROUPS: usize = 10_000;

fn push(gateway: &Gateway, path: &str, text: &str) {
    let request = put(path).header("Content-Encoding", "gzip");
    let answer = gateway.send(&request.body(body::gzip(text.as_bytes())));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

pub(crate) fn fill(gateway: &Gateway) {
    let mut text = String::new();
    for number in 0..SERIES {
        writeln!(text, "m{{k=\"{number}\"}} 1").unwrap();
    }
    push(gateway, "/metrics/job/big", &text);

    text.clear();
    for number in 0..LONG {
        let value: String = (0..15_000_usize)
            .map(|at| if (at * 7 + number) % 3 == 0 { 'a' } else { 'b' })
            .collect();
        writeln!(text, "long{{job=\"g{number}\",x=\"{value}\"}} 1").unwrap();
    }
    push(gateway, "/api/v1/push?group_by=job,x", &text);

    text.clear();
    for number in 0..GROUPS {
        writeln!(text, "small{{job=\"many\",instance=\"{number}\"}} {number}").unwrap();
    }
    push(gateway, "/api/v1/push?group_by=job,instance", &text);
}
