//! What a page asks for: groups and their past, families, how the gateway is, changes as they happen.

mod events;
mod history;
mod problems;
mod schema;

use serde_json::{Value, json};
use wharf_testkit::http::{Request, delete, get, head, options, post, put};
use wharf_testkit::protobuf;
use wharf_testkit::{Gateway, Spawn};

use crate::{jobs_of, refused, wharf};

/// Text that somebody may have put into a label, a help or a header.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "a\"b\\c\nd",
    "\u{202e}gnp.exe",
    "nul\u{0}",
    "\u{2028}'--",
    "../..",
];

/// A group that is taken, and one that is not.
const IMPORT: &str = "\
{\"labels\":{\"job\":\"imported\"},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"m 1\\n\"}
{\"labels\":{\"job\":\"refused\"},\"push_time\":\"2026-01-02T03:04:05Z\",\"text\":\"m 1 5\\n\"}
";

fn data(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.send(&get(path));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()["data"].clone()
}

/// The path of a group whose labels may be anything.
fn path_of(labels: &[(&str, &str)]) -> String {
    let hex = |text: &str| -> String {
        let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        bytes.concat()
    };
    let parts = labels.iter().map(|(name, value)| {
        // A slash cannot be told from one that separates.
        if value.contains('/') {
            format!("/{name}@base64/{}", base64(value))
        } else {
            format!("/{name}/{}", hex(value))
        }
    });
    parts.collect()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    out
}

fn powerful() -> Spawn {
    wharf().args([
        "--web.enable-admin-api",
        "--web.enable-lifecycle",
        "--push.enable-utf8-names",
    ])
}

// ---- the description --------------------------------------------------------------------------------------

#[test]
fn every_answer_is_as_described() {
    let gateway = powerful().start();
    let description = gateway.send(&get("/api/v1/openapi.json"));
    assert_eq!(description.header("Content-Type"), Some("application/json"));
    let description = description.json();
    for (at, text) in HOSTILE.iter().enumerate() {
        let path = format!("/metrics{}?ttl=30m", path_of(&[("job", text), ("x", text)]));
        let label = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let help = text.replace('\\', "\\\\").replace('\n', "\\n");
        let body = format!("# HELP m{at} {help}\n# TYPE m{at} gauge\nm{at}{{l=\"{label}\"}} NaN\n");
        for _ in 0..3 {
            let pushed = gateway.send(&post(&path).header("User-Agent", "<b>").body(body.as_str()));
            assert_eq!(pushed.status, 200, "{text:?}: {}", pushed.text());
        }
        refused(&gateway, &post(&path).body("x{"), 400, "text format");
        refused(
            &gateway,
            &post("/metrics/job/t").body(format!("# TYPE m{at} counter\nm{at} 1\n")),
            400,
            "pushed",
        );
    }
    push_every_type(&gateway);
    gateway.send(&get("/metrics").header("User-Agent", "<b>\u{202e}"));
    let requests = [
        ("/api/v1/status", get("/api/v1/status")),
        ("/api/v1/metrics", get("/api/v1/metrics")),
        ("/api/v1/groups", get("/api/v1/groups")),
        (
            "/api/v1/groups",
            get(
                "/api/v1/groups?fields=history,last_error,path,rights,states&limit=3&state=failed,stale,expiring&q=x",
            ),
        ),
        ("/api/v1/groups", get("/api/v1/groups?limit=0")),
        ("/api/v1/groups", delete("/api/v1/groups?match[]={}&dry_run")),
        ("/api/v1/groups/job/{job}", get("/api/v1/groups/job/types")),
        (
            "/api/v1/groups/job/{job}",
            get("/api/v1/groups/job/types?limit=2&metrics=0"),
        ),
        ("/api/v1/groups/job/{job}", get("/api/v1/groups/job/nobody")),
        (
            "/api/v1/groups/job/{job}",
            delete("/api/v1/groups/job/types?family=g"),
        ),
        ("/api/v1/groups/job/{job}", delete("/api/v1/groups/job/nobody")),
        ("/api/v1/admin/removed", get("/api/v1/admin/removed?limit=1")),
        ("/api/v1/admin/removed", get("/api/v1/admin/removed?id=0")),
        ("/api/v1/admin/undo", put("/api/v1/admin/undo?dry_run")),
        ("/api/v1/admin/undo", put("/api/v1/admin/undo")),
        ("/api/v1/admin/undo", put("/api/v1/admin/undo")),
        ("/api/v1/admin/undo", put("/api/v1/admin/undo?id=x")),
        ("/api/v1/admin/removed", get("/api/v1/admin/removed")),
        (
            "/api/v1/groups/job/{job}/history",
            get("/api/v1/groups/job/types/history"),
        ),
        (
            "/api/v1/groups/job/{job}/history",
            get("/api/v1/groups/job/t/history"),
        ),
        ("/api/v1/families", get("/api/v1/families")),
        ("/api/v1/families", get("/api/v1/families?q=m&limit=1")),
        ("/api/v1/stats", get("/api/v1/stats")),
        ("/api/v1/access", get("/api/v1/access")),
        (
            "/api/v1/admin/audit",
            get("/api/v1/admin/audit?kind=delete_family"),
        ),
        ("/api/v1/admin/audit", get("/api/v1/admin/audit?kind=push")),
        (
            "/api/v1/push",
            post("/api/v1/push?group_by=job&partial").body("m{job=\"a\"} 1\nm0{job=\"b\"} 1 1\n"),
        ),
        ("/api/v1/admin/import", post("/api/v1/admin/import").body(IMPORT)),
        ("/api/v1/admin/import", post("/api/v1/admin/import").body("{}")),
        (
            "/api/v1/export",
            get("/api/v1/export?match[]=%7Bjob=%22nobody%22%7D"),
        ),
        ("/api/v1/openapi.json", get("/api/v1/openapi.json")),
        ("/-/ready", get("/-/ready")),
        ("/metrics", get("/metrics")),
    ];
    for (path, request) in requests {
        is_as_described(&gateway, &description, path, &request);
    }
    for text in HOSTILE {
        let key = path_of(&[("job", text), ("x", text)]);
        for rest in ["", "/history"] {
            let path = format!("/api/v1/groups/job/{{job}}{rest}");
            let request = get(&format!("/api/v1/groups{key}{rest}"));
            let answer = is_as_described(&gateway, &description, &path, &request);
            assert_eq!(answer["status"], json!("success"), "{text:?}");
            if rest.is_empty() {
                // The path that is told leads to the same group.
                assert_eq!(answer["data"]["labels"]["x"], json!(text));
                let told = answer["data"]["path"].as_str().unwrap();
                assert_eq!(
                    data(&gateway, &format!("/api/v1/groups/{told}"))["labels"],
                    answer["data"]["labels"]
                );
            }
        }
    }
}

fn is_as_described(gateway: &Gateway, description: &Value, path: &str, request: &Request) -> Value {
    let answer = gateway.send(request);
    let method = request.to_string();
    let method = method.split(' ').next().unwrap().to_lowercase();
    let described = &description["paths"][path][&method]["responses"][answer.status.to_string()];
    assert!(
        described.is_object(),
        "{request}: {} is not described",
        answer.status
    );
    let media_type = answer.header("Content-Type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap();
    let schema = &described["content"][media_type]["schema"];
    assert!(schema.is_object(), "{request}: {media_type} is not described");
    if media_type != "application/json" {
        return Value::Null;
    }
    let value = answer.json();
    let mistakes = schema::mistakes(description, schema, &value);
    assert!(mistakes.is_empty(), "{request}: {mistakes:#?}");
    // Nothing in it ends a script or an attribute.
    assert!(
        path.ends_with("openapi.json") || !answer.text().contains(['<', '>']),
        "{request}"
    );
    value
}

/// A group with families of all types, in one push.
fn push_every_type(gateway: &Gateway) {
    let labelled = protobuf::labelled(&[]);
    let native = protobuf::native_histogram("native");
    let gauge = protobuf::family(
        "g",
        protobuf::Type::Gauge,
        &[protobuf::gauge(labelled.clone(), 1.5e10)],
    );
    let push = put("/metrics/job/types").header("Content-Type", protobuf::CONTENT_TYPE);
    let pushed = gateway.send(&push.body(protobuf::delimited(&[native, gauge])));
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let body = "# TYPE c counter\n# UNIT c_seconds seconds\n".replace("# UNIT c_seconds seconds\n", "")
        + "c_total 3 # {trace=\"t\"} 0.5 1767323045.5\nc_created 1767323000\n\
           # TYPE l_seconds gauge\n# UNIT l_seconds seconds\nl_seconds 1\n\
           # TYPE h histogram\n# HELP h some help\nh_bucket{le=\"0.1\"} 3\nh_bucket{le=\"+Inf\"} 5\nh_sum 7\nh_count 5\n\
           # TYPE s summary\ns{quantile=\"0.5\"} 1.2\ns_sum 2\ns_count 3\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
    let push =
        post("/metrics/job/types").header("Content-Type", "application/openmetrics-text; version=1.0.0");
    let pushed = gateway.send(&push.body(body));
    assert_eq!(pushed.status, 200, "{}", pushed.text());
}

// ---- listing ----------------------------------------------------------------------------------------------

#[test]
fn a_search_finds_words_in_labels_whatever_their_case() {
    let gateway = wharf().start();
    for path in [
        "job/Nightly-Backup/host/web-1",
        "job/backup/host/db-1",
        "job/report",
    ] {
        gateway.push(
            &format!("/metrics/{path}"),
            "m 1\n".replace('m', &format!("m{}", path.len())).as_str(),
        );
    }
    let found = |query: &str| {
        let data = data(&gateway, &format!("/api/v1/groups?{query}"));
        (jobs_of(&data).join(" "), data["total"].as_u64().unwrap())
    };
    assert_eq!(found("q=BACK"), ("backup Nightly-Backup".to_owned(), 2));
    assert_eq!(found("q=backup+host%3Dweb"), ("Nightly-Backup".to_owned(), 1));
    assert_eq!(found("q=backup+report"), (String::new(), 0));
    assert_eq!(found("q="), ("backup Nightly-Backup report".to_owned(), 3));
    for (sort, expected) in [
        ("labels", ["backup", "Nightly-Backup"]),
        ("-labels", ["Nightly-Backup", "backup"]),
    ] {
        // The total is that of all pages.
        let first = data(&gateway, &format!("/api/v1/groups?q=backup&limit=1&sort={sort}"));
        assert_eq!((jobs_of(&first), &first["total"]), (vec![expected[0]], &json!(2)));
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = data(
            &gateway,
            &format!("/api/v1/groups?q=backup&limit=1&sort={sort}&cursor={cursor}"),
        );
        assert_eq!(
            (jobs_of(&second), &second["total"]),
            (vec![expected[1]], &json!(2))
        );
        assert_eq!(second["next_cursor"], Value::Null);
    }
    refused(
        &gateway,
        &get(&format!("/api/v1/groups?q={}", "a".repeat(257))),
        400,
        "q: expected at most 256",
    );
}

#[test]
fn groups_are_found_by_how_they_are() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/well", "a 1\n");
    gateway.push("/metrics/job/leaving?ttl=30m", "b 1\n");
    gateway.push("/metrics/job/later?ttl=3h", "c 1\n");
    gateway.push("/metrics/job/failed?ttl=10m", "d 1\n");
    refused(
        &gateway,
        &post("/metrics/job/failed").body("d 1 1\n"),
        400,
        "pushed metrics",
    );
    let found = |query: &str| jobs_of(&data(&gateway, &format!("/api/v1/groups?{query}"))).join(" ");
    assert_eq!(found("state=failed"), "failed");
    assert_eq!(found("state=expiring"), "failed leaving");
    assert_eq!(found("state=expiring&expiring_within=4h"), "failed later leaving");
    assert_eq!(found("state=failed,expiring&sort=expires_at"), "failed leaving");
    assert_eq!(found("state=stale"), "");
    let group = &data(&gateway, "/api/v1/groups?state=failed")["groups"][0];
    assert_eq!(group["states"], json!(["failed", "expiring"]));
    assert_eq!(group["path"], json!("job/failed"));
    assert_eq!(group["last_error"]["reason"], json!("timestamps"));
    // What others may read does not quote what was pushed.
    assert_eq!(group["last_error"]["error"], Value::Null);
    refused(
        &gateway,
        &get("/api/v1/groups?state=broken"),
        400,
        "state: expected some of failed",
    );
    refused(
        &gateway,
        &get("/api/v1/groups?expiring_within=x"),
        400,
        "expiring_within: ",
    );
}

// ---- one group --------------------------------------------------------------------------------------------

#[test]
fn a_group_is_shown_with_all_that_it_holds() {
    let gateway = wharf().start();
    push_every_type(&gateway);
    let group = data(&gateway, "/api/v1/groups/job/types");
    let family = |name: &str| {
        let families = group["families"].as_array().unwrap();
        let family = families.iter().find(|family| family["name"] == json!(name));
        family.unwrap_or_else(|| panic!("{name} is not in {group}"))
    };
    let metric = |name: &str| &family(name)["metrics"][0];
    assert_eq!(metric("g")["value"], json!("1.5e+10"));
    assert_eq!(metric("g")["labels"], json!({"instance": "", "job": "types"}));
    assert_eq!(family("h")["help"], json!("some help"));
    assert_eq!(metric("h")["buckets"], json!([["0.1", "3"], ["+Inf", "5"]]));
    assert_eq!(
        (&metric("h")["count"], &metric("h")["sum"]),
        (&json!("5"), &json!("7"))
    );
    assert_eq!(metric("s")["quantiles"], json!([["0.5", "1.2"]]));
    assert_eq!(family("l_seconds")["unit"], json!("seconds"));
    assert_eq!(family("i_info")["type"], json!("info"));
    let counter = metric("c_total");
    assert_eq!(counter["value"], json!("3"));
    assert_eq!(counter["created_seconds"], json!(1_767_323_000));
    assert_eq!(
        counter["exemplar"],
        json!({"labels": {"trace": "t"}, "value": "0.5", "time_seconds": 1_767_323_045.5})
    );
    let native = &metric("native")["native"];
    let buckets = native["buckets"].as_array().unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    assert!(
        buckets
            .windows(2)
            .all(|pair| number(&pair[0][2]) <= number(&pair[1][1])),
        "{native}"
    );
    let total: f64 = buckets.iter().map(|bucket| number(&bucket[3])).sum();
    assert!(
        (total - number(&metric("native")["count"])).abs() < 1e-9,
        "{native}"
    );
    // The two times are families too.
    assert_eq!(group["families_total"], json!(9));
}

#[test]
fn a_large_group_comes_in_parts() {
    let gateway = wharf().start();
    let lines: Vec<String> = (0..12_000).map(|n| format!("big{{n=\"{n}\"}} {n}\n")).collect();
    let many: Vec<String> = (0..150).map(|n| format!("f{n:03} 1\n")).collect();
    gateway.push("/metrics/job/a", &(lines.concat() + &many.concat()));
    let group = data(&gateway, "/api/v1/groups/job/a");
    assert_eq!(group["families_total"], json!(153));
    let big = &group["families"][0];
    assert_eq!(
        (&big["metrics_total"], big["metrics"].as_array().unwrap().len()),
        (&json!(12_000), 100)
    );
    assert_eq!(group["next_cursor"], json!("f098"));
    let rest = data(&gateway, "/api/v1/groups/job/a?cursor=f098");
    assert_eq!(rest["families"][0]["name"], json!("f099"));
    assert_eq!(rest["next_cursor"], Value::Null);
    let shown = |query: &str| {
        let group = data(&gateway, &format!("/api/v1/groups/job/a?{query}"));
        let families = group["families"].as_array().unwrap().clone();
        let counts = families
            .iter()
            .map(|family| family["metrics"].as_array().unwrap().len());
        (counts.collect::<Vec<_>>(), families)
    };
    assert_eq!(shown("family=big&metrics=10000").0, [10_000]);
    let (counts, families) = shown("family=big&metrics=10000&offset=11000");
    assert_eq!(counts, [1000]);
    // In the order of their labels, as everywhere.
    let mut numbers: Vec<String> = (0..12_000).map(|n| n.to_string()).collect();
    numbers.sort();
    assert_eq!(families[0]["metrics"][0]["value"], json!(numbers[11_000]));
    assert_eq!(shown("family=big&offset=99999999").0, [0]);
    assert_eq!(shown("limit=3&metrics=0").0, [0, 0, 0]);
    // One answer has no more than that, whatever the families have.
    assert_eq!(shown("limit=3&metrics=10000").0, [10_000, 0, 0]);
    assert_eq!(shown("family=nothing").0, [0; 0]);
}

#[test]
fn a_group_that_is_not_there_is_not_found() {
    let gateway = wharf().start();
    refused(
        &gateway,
        &get("/api/v1/groups/job/a"),
        404,
        "there is no group {job=\"a\"}",
    );
    refused(
        &gateway,
        &get("/api/v1/groups/job/a/history"),
        404,
        "there is no group {job=\"a\"}",
    );
    refused(
        &gateway,
        &get("/api/v1/groups/job/a/x"),
        400,
        "odd number of components",
    );
    refused(
        &gateway,
        &get("/api/v1/groups/job@base64/!"),
        400,
        "invalid base64 encoding",
    );
    refused(
        &gateway,
        &get("/api/v1/groups/job/a/history?limit=1"),
        400,
        "expected a parameter of nothing",
    );
    // A label may be called that.
    gateway.push("/metrics/job/a/history/yes", "m 1\n");
    assert_eq!(
        data(&gateway, "/api/v1/groups/job/a/history/yes")["labels"]["history"],
        json!("yes")
    );
    let history = data(&gateway, "/api/v1/groups/job/a/history/yes/history");
    assert_eq!(history["pushes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_group_and_its_families_can_be_deleted_by_whoever_may_push() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/a", "m 1\nn 1\n");
    let deleted = |path: &str| {
        let answer = gateway.send(&delete(path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["data"]["deleted"].clone()
    };
    assert_eq!(deleted("/api/v1/groups/job/a?family=m"), json!(true));
    assert_eq!(deleted("/api/v1/groups/job/a?family=m"), json!(false));
    assert_eq!(data(&gateway, "/api/v1/groups/job/a")["families_total"], json!(3));
    let request = delete("/api/v1/groups/job/a?family=push_time_seconds");
    refused(
        &gateway,
        &request,
        400,
        "family: expected a family that was pushed",
    );
    refused(
        &gateway,
        &delete("/api/v1/groups/job/a?dry_run"),
        400,
        "expected a parameter of family",
    );
    assert_eq!(deleted("/api/v1/groups/job/a"), json!(true));
    assert_eq!(deleted("/api/v1/groups/job/a"), json!(false));
    assert_eq!(jobs_of(&data(&gateway, "/api/v1/groups")), [""; 0]);
}

// ---- families, rights, numbers ----------------------------------------------------------------------------

#[test]
fn families_say_who_pushes_them_and_who_could_not() {
    let gateway = wharf().start();
    for n in 0..7 {
        let help = if n == 0 { "one" } else { "another" };
        let body = format!("# HELP m {help}\n# TYPE m gauge\nm 1\n");
        gateway.push(&format!("/metrics/job/a/n/{n}"), &body);
    }
    gateway.push("/metrics/job/b", "other 1\n");
    let request = post("/metrics/job/wrong").body("# TYPE m counter\nm 1\n");
    refused(&gateway, &request, 400, "pushed metrics are invalid");
    let found = data(&gateway, "/api/v1/families?q=M+OTHER");
    assert_eq!(
        (&found["total"], &found["families"][0]["name"]),
        (&json!(1), &json!("m"))
    );
    let family = &data(&gateway, "/api/v1/families?family=m")["families"][0];
    assert_eq!(
        (&family["groups"], &family["series"], &family["type"]),
        (&json!(7), &json!(7), &json!("gauge"))
    );
    assert_eq!(family["sample_groups"].as_array().unwrap().len(), 5);
    assert_eq!(family["sample_groups"][0]["path"], json!("job/a/n/0"));
    let helps: Vec<_> = family["helps"].as_array().unwrap().iter().collect();
    assert_eq!(
        helps
            .iter()
            .map(|help| help["groups"].as_u64().unwrap())
            .sum::<u64>(),
        7
    );
    assert_eq!((helps.len(), &family["refused"]), (2, &json!(1)));
    assert_eq!(family["last_refused"]["path"], json!("job/wrong"));
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = data(&gateway, &format!("/api/v1/families?limit=1{cursor}"));
        names.push(page["families"][0]["name"].as_str().unwrap().to_owned());
        assert_eq!(page["total"], json!(4));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        names,
        ["m", "other", "push_failure_time_seconds", "push_time_seconds"]
    );
}

#[test]
fn what_may_be_done_follows_the_flags() {
    let rights = data(&wharf().start(), "/api/v1/access");
    let expected = json!({"read": true, "stats": true, "admin": true, "push": true, "delete_group": true, "delete_by_selector": false, "wipe": false, "undo": true, "reload": false, "quit": false, "audit": true});
    assert_eq!(rights, expected);
    let rights = data(&powerful().start(), "/api/v1/access");
    assert!(
        rights
            .as_object()
            .unwrap()
            .values()
            .all(|right| right == &json!(true)),
        "{rights}"
    );
}

#[test]
fn numbers_say_what_has_happened() {
    let gateway = wharf().arg("--limits.max-groups=10").start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.push("/metrics/job/a", "m 2\n");
    let secret = post("/metrics/job/a?token=hunter2").header("Authorization", "Bearer hunter2");
    refused(&gateway, &secret.body("m{\u{202e}\n"), 400, "text format");
    refused(
        &gateway,
        &post("/metrics/job/a/x").body("m 1\n"),
        400,
        "odd number",
    );
    let scrape = get("/metrics")
        .header("User-Agent", "Prometheus/3.5.0")
        .header("Accept-Encoding", "gzip");
    gateway.send(&scrape);
    gateway.send(&scrape);
    let stats = data(&gateway, "/api/v1/stats");
    let sum = |member: &str| -> u64 {
        let buckets = stats["buckets"].as_array().unwrap().iter();
        buckets.map(|bucket| bucket[member].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("pushes"), sum("refused"), sum("scrapes")), (2, 2, 2));
    let totals = &stats["totals"];
    assert_eq!((&totals["pushes"], &totals["refused"]), (&json!(2), &json!(2)));
    assert_eq!((&totals["groups"], &totals["series"]), (&json!(1), &json!(3)));
    let last = stats["buckets"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["groups"], last["memory_bytes"].as_u64() > Some(1 << 20)),
        (&json!(1), true)
    );
    let scrapers = stats["scrapers"].as_array().unwrap();
    assert_eq!(scrapers.len(), 1);
    let seen = (
        &scrapers[0]["user_agent"],
        &scrapers[0]["scrapes"],
        &scrapers[0]["compression"],
    );
    assert_eq!(seen, (&json!("Prometheus/3.5.0"), &json!(2), &json!("gzip")));
    assert_eq!(scrapers[0]["address"], json!("127.0.0.1"));
    let refusals = stats["refused"].as_array().unwrap();
    assert_eq!(
        (&refusals[0]["reason"], &refusals[0]["labels"]),
        (&json!("url"), &Value::Null)
    );
    assert_eq!(
        (&refusals[1]["reason"], &refusals[1]["path"]),
        (&json!("syntax"), &json!("job/a"))
    );
    let text = stats.to_string();
    assert!(!text.contains("hunter2") && !text.contains('\u{202e}'), "{text}");
    let limits = stats["limits"].as_array().unwrap();
    assert_eq!(
        limits[0],
        json!({"name": "limits.max-groups", "selector": null, "limit": 10, "used": 1})
    );
    assert_eq!(stats["storage"]["state"], json!("ok"));
    assert_eq!(stats["storage"]["ready"], json!(true));
    assert!(
        stats["storage"]["path"]
            .as_str()
            .unwrap()
            .ends_with("wharf-data/"),
        "{text}"
    );
    let later = stats["now_seconds"].as_f64().unwrap() + 60.0;
    assert_eq!(
        data(&gateway, &format!("/api/v1/stats?since={later}"))["buckets"],
        json!([])
    );
}

// ---- others ------------------------------------------------------------------------------------------------

#[test]
fn no_other_page_may_read_what_the_original_does_not_show() {
    let gateway = wharf().arg("--web.cors.origin=.*").start();
    gateway.push("/metrics/job/a", "m 1\n");
    let star = |path: &str| {
        let answer = gateway.send(&get(path));
        assert_eq!(answer.status, 200, "{path}");
        let origin = answer.header("Access-Control-Allow-Origin").map(str::to_owned);
        (origin, answer.header("Cache-Control").map(str::to_owned))
    };
    for path in ["/api/v1/status", "/api/v1/metrics", "/api/v1/groups"] {
        assert_eq!(star(path).0.as_deref(), Some("*"), "{path}");
    }
    for path in [
        "/api/v1/groups/job/a",
        "/api/v1/groups/job/a/history",
        "/api/v1/families",
        "/api/v1/stats",
        "/api/v1/access",
    ] {
        assert_eq!(star(path), (None, Some("no-store".to_owned())), "{path}");
        assert_eq!(gateway.send(&head(path)).text(), "", "{path}");
        assert_eq!(gateway.send(&options(path)).status, 200, "{path}");
    }
}
