use super::*;

fn response(status: u16, body: &str) -> Response {
    let headers = vec![
        ("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()),
        ("X-Content-Type-Options".to_owned(), "nosniff".to_owned()),
        ("Content-Length".to_owned(), body.len().to_string()),
    ];
    Response {
        status,
        headers,
        body: body.as_bytes().to_vec(),
        interim: Vec::new(),
    }
}

#[track_caller]
fn fails(expect: &Expect, kind: Kind, response: &Response, message: &str) {
    match expect.judge(kind, response) {
        Ok(()) => panic!("expected `{message}`, found agreement"),
        Err(Mismatch(found)) => assert_eq!(found, message),
    }
}

#[track_caller]
fn holds(expect: &Expect, kind: Kind, response: &Response) {
    assert_eq!(
        expect
            .judge(kind, response)
            .map_err(|mismatch| mismatch.to_string()),
        Ok(())
    );
}

#[test]
fn a_hint_is_for_wharf_alone() {
    let hinted = response(400, "no\nhint: do\n");
    holds(&refused("no"), Kind::Wharf, &hinted);
    holds(&refused("no"), Kind::Wharf, &response(400, "no\n"));
    fails(&refused("no"), Kind::Real, &hinted, "expected the refusal `no`");
    fails(
        &refused("no"),
        Kind::Wharf,
        &response(400, "no\nmore\n"),
        "expected the refusal `no`",
    );
    fails(
        &refused("no"),
        Kind::Real,
        &response(500, "no\n"),
        "status: expected 400, found 500",
    );
}

#[test]
fn an_accepted_push_has_no_body() {
    holds(&ok(), Kind::Real, &response(200, ""));
    fails(
        &ok(),
        Kind::Real,
        &response(200, "x"),
        "body: expected \"\", found \"x\"",
    );
}

#[test]
fn lines_are_whole_and_their_order_counts() {
    let scrape = response(200, "# TYPE m gauge\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n");
    holds(
        &scraped().order(&["m{a=\"1\"} 1", "m{a=\"2\"} 2"]),
        Kind::Real,
        &scrape,
    );
    let reversed = scraped().order(&["m{a=\"2\"} 2", "m{a=\"1\"} 1"]);
    fails(
        &reversed,
        Kind::Real,
        &scrape,
        "expected, after those before it, the line `m{a=\"1\"} 1`",
    );
    fails(
        &scraped().line("m{a=\"1\"}"),
        Kind::Real,
        &scrape,
        "expected the line `m{a=\"1\"}`",
    );
    fails(
        &scraped().no_line("m{a"),
        Kind::Real,
        &scrape,
        "expected no line that starts with `m{a`",
    );
    fails(
        &scraped().line_matches("^m 1$"),
        Kind::Real,
        &scrape,
        "expected a line like `^m 1$`",
    );
}

#[test]
fn a_scrape_is_read_whole() {
    let twice = response(200, "# TYPE m gauge\nm 1\nm 2\n");
    fails(
        &scraped(),
        Kind::Wharf,
        &twice,
        "expected the text format: line 3: the series m{} comes twice",
    );
}

#[test]
fn json_is_compared_by_value() {
    let json = response(200, r#"{"a":[{"c":"2","b":"1"}]}"#);
    holds(
        &status(200).json("/a/0", serde_json::json!({"b": "1", "c": "2"})),
        Kind::Real,
        &json,
    );
    let missing = status(200).json("/a/1", serde_json::json!(1));
    fails(
        &missing,
        Kind::Real,
        &json,
        "/a/1: expected Some(Number(1)), found None",
    );
}

#[test]
fn headers_are_compared_by_value_and_found_in_any_case() {
    let response = response(200, "");
    holds(
        &status(200).header("content-length", "0").no_header("Allow"),
        Kind::Real,
        &response,
    );
    let other = status(200).header("Content-Length", "1");
    fails(
        &other,
        Kind::Real,
        &response,
        "Content-Length: expected Some(\"1\"), found Some(\"0\")",
    );
}
