//! The kinds of attacks. All of it is within the limits of default flags: nothing here is malformed.

use wharf_testkit::body;
use wharf_testkit::http::{Request, delete, get, post, put};

use super::attacks::{Attack, Then};

/// Uncompressed, just below what a body may have.
const BODY: usize = 60 << 20;

/// So many lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..count {
        text.extend_from_slice(line(number).as_bytes());
    }
    text
}

/// Lines up to the size of a body.
fn full(line: impl Fn(usize) -> String) -> Vec<u8> {
    let length = line(100_000).len();
    lines(BODY / length, line)
}

fn gzip(request: Request, text: &[u8]) -> Request {
    request.header("Content-Encoding", "gzip").body(body::gzip(text))
}

fn zstd(request: Request, text: &[u8]) -> Request {
    request.header("Content-Encoding", "zstd").body(body::zstd(text))
}

/// An expression that costs much on a long text, different for each number.
fn costly(number: usize) -> String {
    // {x=~"(?:[ab]*a[ab]{0,N}){2}[cd]"}
    format!(
        "%7Bx%3D~%22(%3F%3A%5Bab%5D*a%5Bab%5D%7B0%2C{}%7D)%7B2%7D%5Bcd%5D%22%7D",
        400 - number
    )
}

fn costly_selectors(count: usize) -> String {
    let selectors: Vec<String> = (0..count)
        .map(|number| format!("match[]={}", costly(number)))
        .collect();
    selectors.join("&")
}

const DELIMITED: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// All kinds; the first is none.
pub(crate) fn all() -> Vec<Attack> {
    let mut all = vec![Attack::new("none", 0, &[], Then::Read)];
    all.extend(large_pushes());
    all.extend(pushes_of_many_kinds());
    all.extend(expressions());
    all.extend(slow_readers());
    all.extend(readers());
    all.extend(admins());
    all.extend(connections());
    all
}

fn attack() -> Request {
    put("/metrics/job/attack")
}

/// Bodies that take much of something.
fn large_pushes() -> Vec<Attack> {
    let families = full(|number| format!("# TYPE a{number:x} gauge\n"));
    let same = vec![b'#'; BODY];
    let series = full(|number| format!("s{{k=\"{number}\"}} 1\n"));
    let long_label = format!("/metrics/job/attack/x/{}", "y".repeat(15_000));
    let under_label = put(&long_label).body(lines(4_000, |n| format!("l{{k=\"{n}\"}} 1\n")));
    let wide = lines(200_000, |number| format!("w{number} 1\n"));
    vec![
        Attack::new(
            "zstd that grows, families",
            16,
            &[zstd(attack(), &families)],
            Then::Read,
        ),
        Attack::new(
            "zstd that grows, one comment",
            16,
            &[zstd(attack(), &same)],
            Then::Leave,
        ),
        Attack::new("gzip that grows", 60, &[gzip(attack(), &families)], Then::Read),
        Attack::new("a million series", 4, &[gzip(attack(), &series)], Then::Read),
        Attack::new("a long label on every line", 16, &[under_label], Then::Read),
        Attack::new(
            "very many families",
            4,
            &[gzip(attack(), &wide), attack().body("m 1\n")],
            Then::Read,
        ),
        // They stay for those who read them.
        Attack::new(
            "very many families, kept",
            1,
            &[gzip(attack(), &wide)],
            Then::Read,
        ),
    ]
}

/// Pushes to many groups, and into what is large.
fn pushes_of_many_kinds() -> Vec<Attack> {
    let many = lines(240, |family| {
        let head = format!("# TYPE f{family} gauge\n");
        let body = lines(1_000, |group| format!("f{family}{{job=\"z{group}\"}} 1\n"));
        head + &String::from_utf8_lossy(&body)
    });
    let contradiction = b"# TYPE honest counter\nhonest{job=\"z999\"} 1\n";
    let refused_in_the_end = [&many[..], contradiction].concat();
    let to_many = || put("/api/v1/push?group_by=job");
    let small_merge = post("/api/v1/push?group_by=job&merge=series").body("m{k=\"5\",job=\"big\"} 2\n");
    vec![
        Attack::new("small merges into much, many", 40, &[small_merge], Then::Leave),
        Attack::new(
            "small merges into much",
            40,
            &[post("/metrics/job/big?merge=series").body("m{k=\"5\"} 2\n")],
            Then::Leave,
        ),
        Attack::new(
            "many groups, refused in the end",
            8,
            &[gzip(to_many(), &refused_in_the_end)],
            Then::Read,
        ),
        Attack::new("many groups", 4, &[gzip(to_many(), &many)], Then::Read),
        Attack::new(
            "many groups, one by one",
            8,
            &[gzip(
                put("/api/v1/push?group_by=job&partial=true"),
                &refused_in_the_end,
            )],
            Then::Read,
        ),
        Attack::new(
            "a group comes and goes",
            40,
            &[
                put("/metrics/job/attack/kind/small").body("m 1\n"),
                delete("/metrics/job/attack/kind/small"),
            ],
            Then::Read,
        ),
    ]
}

/// Selectors that take long, on each route that has them.
fn expressions() -> Vec<Attack> {
    let selectors = costly_selectors(32);
    let leave = |name, request| Attack::new(name, 40, &[request], Then::Leave);
    vec![
        leave(
            "costly expressions, scrapes",
            get(&format!("/metrics?{selectors}")),
        ),
        leave(
            "costly expressions, lists",
            get(&format!("/api/v1/groups?{selectors}")),
        ),
        leave(
            "costly expressions, export",
            get(&format!("/api/v1/export?{selectors}")),
        ),
        leave(
            "costly expressions, deletes",
            delete(&format!("/api/v1/groups?{selectors}&dry_run=true")),
        ),
    ]
}

/// Readers who take next to nothing of what they have asked for.
fn slow_readers() -> Vec<Attack> {
    let stall = |name, request| Attack::new(name, 40, &[request], Then::Stall);
    let scrape = |accept: &str, coding: &str| {
        get("/metrics")
            .header("Accept", accept)
            .header("Accept-Encoding", coding)
    };
    vec![
        stall("slow readers of JSON", get("/api/v1/metrics")),
        stall("slow readers of protobuf", scrape(DELIMITED, "identity")),
        stall("slow readers of protobuf, zstd", scrape(DELIMITED, "zstd")),
        stall("slow readers of OpenMetrics", scrape(OPENMETRICS, "identity")),
        stall("slow readers of OpenMetrics, gzip", scrape(OPENMETRICS, "gzip")),
        stall("slow readers of text", scrape("text/plain", "identity")),
        stall("slow readers of text, gzip", scrape("text/plain", "gzip")),
        stall("slow readers of text, zstd", scrape("text/plain", "zstd")),
        stall("slow readers of a backup", get("/api/v1/export")),
        stall("slow readers of groups", get("/api/v1/groups?limit=1000")),
        stall("slow readers of families", get("/api/v1/families?limit=1000")),
        stall(
            "slow readers of a group",
            get("/api/v1/groups/job/big?metrics=10000"),
        ),
        stall(
            "slow readers of a history",
            get("/api/v1/groups/job/honest/kind/plain/history"),
        ),
        Attack::new(
            "slow readers of events",
            120,
            &[get("/api/v1/events")],
            Then::Stall,
        ),
    ]
}

/// Readers who take all, again and again.
fn readers() -> Vec<Attack> {
    let read = |name, requests: &[Request]| Attack::new(name, 8, requests, Then::Read);
    let scrape = |accept: &str| get("/metrics").header("Accept", accept);
    vec![
        read(
            "readers of everything, compressed",
            &[
                get("/metrics").header("Accept-Encoding", "gzip"),
                get("/api/v1/families"),
            ],
        ),
        read(
            "readers of everything, other formats",
            &[scrape(OPENMETRICS), scrape(DELIMITED)],
        ),
        Attack::new(
            "readers of everything, who leave",
            40,
            &[scrape(OPENMETRICS), scrape(DELIMITED), get("/metrics")],
            Then::Leave,
        ),
        Attack::new(
            "the page, and how the gateway is",
            40,
            &[
                get("/"),
                get("/api/v1/status"),
                get("/api/v1/stats"),
                get("/api/v1/access"),
                get("/api/v1/openapi.json"),
                get("/-/ready"),
            ],
            Then::Read,
        ),
    ]
}

/// Those who may administer it.
fn admins() -> Vec<Attack> {
    let groups = lines(10_000, |number| {
        format!(
            "{{\"labels\":{{\"job\":\"restored\",\"instance\":\"{number}\"}},\
             \"push_time\":\"2026-01-01T00:00:00Z\",\"text\":\"restored {number}\\n\"}}\n"
        )
    });
    let restore = gzip(post("/api/v1/admin/import?overwrite=true"), &groups);
    // {job="restored"}
    let all_of_them = delete("/api/v1/groups?match[]=%7Bjob%3D%22restored%22%7D");
    vec![
        Attack::new("restores", 8, std::slice::from_ref(&restore), Then::Read),
        Attack::new(
            "restores, and deletes of that",
            8,
            &[restore, all_of_them],
            Then::Read,
        ),
        Attack::new(
            "deletes that are only tried",
            8,
            &[delete("/api/v1/groups?match[]=%7B%7D&dry_run=true")],
            Then::Stall,
        ),
    ]
}

/// Connections that are there and of no use.
fn connections() -> Vec<Attack> {
    let large = attack().body(vec![b'#'; 1 << 20]);
    vec![
        Attack::new("connections that are idle", 40, &[get("/-/healthy")], Then::Hold),
        Attack::new("requests byte by byte", 200, &[large], Then::Trickle),
    ]
}
