//! Addresses for one purpose each.

use std::fs;
use std::net::SocketAddr;

use wharf_testkit::Gateway;
use wharf_testkit::http::{Connection, Request, Response, delete, get, options, post, put};

use crate::wharf;

fn send(address: SocketAddr, request: &Request) -> Response {
    Connection::open(address).unwrap().send(request).unwrap()
}

/// One request to each route, with its status where it is served, and whether push, scrape and admin serve it.
fn routes() -> Vec<(Request, u16, [bool; 3])> {
    vec![
        (put("/metrics/job/a").body("m 1\n"), 200, [true, false, false]),
        (post("/metrics/job/a").body("m 1\n"), 200, [true, false, false]),
        (
            post("/api/v1/push?group_by=job").body("m{job=\"a\"} 1\n"),
            200,
            [true, false, false],
        ),
        (delete("/metrics/job/a"), 202, [true, false, true]),
        (get("/metrics"), 200, [false, true, true]),
        (get("/api/v1/metrics"), 200, [false, true, true]),
        (get("/api/v1/groups"), 200, [false, true, true]),
        (get("/api/v1/status"), 200, [false, true, true]),
        (get("/"), 200, [false, true, true]),
        (delete("/api/v1/groups?match[]=%7B%7D"), 200, [false, false, true]),
        (put("/api/v1/admin/wipe"), 202, [false, false, true]),
        (post("/-/reload"), 400, [false, false, true]),
        (get("/-/healthy"), 200, [true, true, true]),
        (get("/-/ready"), 200, [true, true, true]),
        (options("/api/v1/groups"), 200, [true, true, true]),
    ]
}

fn check(gateway: &Gateway, serves: &[[bool; 3]]) {
    assert_eq!(gateway.addresses().len(), serves.len());
    for (address, purposes) in gateway.addresses().iter().zip(serves) {
        for (request, status, at) in routes() {
            let is_served = at.iter().zip(purposes).any(|(at, purpose)| *at && *purpose);
            let answer = send(*address, &request);
            if is_served {
                assert_eq!(answer.status, status, "{request} {purposes:?}");
            } else {
                assert_eq!(answer.status, 404, "{request} {purposes:?}");
                let text = answer.text();
                assert!(
                    text.starts_with(
                        "404 page not found\nhint: this is served at another address, see --web."
                    ),
                    "{text}"
                );
            }
        }
    }
}

const LOOPBACK: &str = "127.0.0.1:0";

#[test]
fn each_purpose_may_have_addresses_and_the_rest_stays_where_it_is() {
    let all = [true; 3];
    let only = [[true, false, false], [false, true, false], [false, false, true]];
    let start = |flags: &[&str]| {
        let flags = flags
            .iter()
            .map(|flag| format!("--web.{flag}-address={LOOPBACK}"));
        wharf()
            .args(["--web.enable-admin-api", "--web.enable-lifecycle"])
            .args(flags)
            .start()
    };
    check(&start(&[]), &[all]);
    check(&start(&["push"]), &[[false, true, true], only[0]]);
    check(&start(&["admin", "scrape"]), &[only[0], only[1], only[2]]);
    check(
        &start(&["push", "scrape", "admin", "push"]),
        &[only[0], only[0], only[1], only[2]],
    );
}

#[test]
fn what_may_be_done_is_what_the_address_serves() {
    let gateway = wharf()
        .args(["--web.enable-admin-api", "--web.enable-lifecycle"])
        .args(["push", "scrape", "admin"].map(|purpose| format!("--web.{purpose}-address={LOOPBACK}")))
        .start();
    let allowed = |address: SocketAddr| -> Vec<String> {
        let rights = send(address, &get("/api/v1/access")).json();
        let rights = rights["data"].as_object().unwrap();
        let allowed = rights.iter().filter(|(_, may)| **may == true);
        allowed.map(|(right, _)| right.clone()).collect()
    };
    let addresses = gateway.addresses();
    assert_eq!(send(addresses[0], &get("/api/v1/access")).status, 404);
    assert_eq!(allowed(addresses[1]), ["admin", "read", "stats"]);
    let all_but_pushing = [
        "admin",
        "delete_by_selector",
        "delete_group",
        "quit",
        "read",
        "reload",
        "stats",
        "wipe",
    ];
    assert_eq!(allowed(addresses[2]), all_but_pushing);
}

#[test]
fn an_address_may_have_a_web_config_file_of_its_own_and_has_otherwise_that_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let hash = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
    let alice = write("alice.yml", &format!("basic_auth_users: {{alice: {hash}}}\n"));
    let open = write("open.yml", "");
    let push = put("/metrics/job/a").body("m 1\n");
    let alices = |request: &Request| request.clone().header("Authorization", "Basic YWxpY2U6czNjcmV0");

    let gateway = wharf()
        .args([
            format!("--web.config.file={alice}"),
            format!("--web.push-address={LOOPBACK}"),
            format!("--web.push-config-file={open}"),
            format!("--web.admin-address={LOOPBACK}"),
        ])
        .start();
    let [scrapes, pushes, admin] = gateway.addresses() else {
        panic!("{:?}", gateway.addresses());
    };
    assert_eq!(send(*pushes, &push).status, 200);
    for address in [scrapes, admin] {
        assert_eq!(send(*address, &get("/metrics")).status, 401);
        assert_eq!(send(*address, &alices(&get("/metrics"))).status, 200);
    }
}

#[test]
fn addresses_that_could_serve_nothing_stop_the_start() {
    for (args, expected) in [
        (
            &["--web.push-config-file=x.yml"][..],
            "expected --web.push-address beside --web.push-config-file, found none",
        ),
        (
            &["--web.systemd-socket", "--web.push-address=:0"],
            "expected either --web.systemd-socket or addresses for one purpose, found both",
        ),
        (
            &[
                "--web.push-address=:0",
                "--web.scrape-address=:0",
                "--web.admin-address=:0",
                "--web.listen-address=:0",
            ],
            "expected something to serve at --web.listen-address",
        ),
        (&["--web.push-address=x"], "missing port in address"),
    ] {
        let exit = wharf().args(args).run();
        assert_eq!(exit.code, Some(1), "{args:?}");
        assert!(exit.stderr.contains(expected), "{exit:?}");
    }
}
