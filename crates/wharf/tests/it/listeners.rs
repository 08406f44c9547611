//! Addresses: which sockets they mean, and addresses for one purpose each.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use wharf_testkit::http::{Connection, Request, Response, delete, get, options, post, put};
use wharf_testkit::{Gateway, Spawn, peers};

use crate::{gateways, wharf};

/// What stands before the gateway's command to run it in a network of its own, after `setup`.
fn network(setup: &str) -> Option<Vec<String>> {
    let mut command = peers::namespaces(&["--net"])?;
    let script = format!("ip link set lo up; {setup}\nexec \"$0\" \"$@\"");
    command.extend(["sh", "-c", &script].map(str::to_owned));
    Some(command)
}

#[test]
fn all_interfaces_are_those_of_ipv6_and_of_ipv4() {
    for host in ["0.0.0.0", "", "[::]", "[::ffff:0.0.0.0]"] {
        for spawn in gateways() {
            let gateway = spawn.arg(format!("--web.listen-address={host}:0")).start();
            assert_eq!(gateway.address().ip(), Ipv6Addr::UNSPECIFIED);
            let port = gateway.address().port();
            for address in [
                (Ipv4Addr::LOCALHOST, port).into(),
                (Ipv6Addr::LOCALHOST, port).into(),
            ] {
                assert_eq!(send(address, &get("/-/healthy")).status, 200, "{host} {address}");
            }
        }
    }
}

#[test]
fn one_address_is_that_one_and_a_name_means_its_address_of_ipv4() {
    for (host, bound) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("[::1]", "::1"),
    ] {
        for spawn in gateways() {
            let gateway = spawn.arg(format!("--web.listen-address={host}:0")).start();
            assert_eq!(gateway.address().ip().to_string(), bound, "{host}");
            assert_eq!(gateway.send(&get("/-/healthy")).status, 200, "{host}");
        }
    }
}

#[test]
fn addresses_mean_the_same_where_ipv6_is_switched_off_or_kept_apart() {
    let off = "for all in all default; do echo 1 >/proc/sys/net/ipv6/conf/$all/disable_ipv6; done";
    let apart = "echo 1 >/proc/sys/net/ipv6/bindv6only";
    for setup in [off, apart] {
        let Some(network) = network(setup) else { return };
        for (host, bound) in [
            ("0.0.0.0", "[::]"),
            ("", "[::]"),
            ("[::]", "[::]"),
            ("localhost", "127.0.0.1"),
        ] {
            for spawn in gateways() {
                let address = format!("--web.listen-address={host}:19091");
                let gateway = spawn.within(network.clone()).arg(address).start();
                let found = gateway.address().to_string();
                assert_eq!(found, format!("{bound}:19091"), "{setup}");
            }
        }
    }
}

#[test]
fn a_port_may_have_a_name() {
    let Some(network) = network("") else { return };
    let start = |spawn: Spawn, port: &str| {
        let spawn = spawn.within(network.clone());
        let gateway = spawn
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .start();
        gateway.address().port()
    };
    for (name, port) in [("http", 80), ("HTTPS", 443), ("+19091", 19091)] {
        for spawn in gateways() {
            assert_eq!(start(spawn, name), port, "{name}");
        }
    }
    for spawn in gateways() {
        let exit = spawn.arg("--web.listen-address=:no-such-name").run();
        let expected = "listen tcp: lookup tcp/no-such-name: unknown port";
        assert!(exit.stderr.contains(expected), "{exit:?}");
    }
}

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
        (get("/api/v1/admin/audit"), 200, [false, false, true]),
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
        "audit",
        "delete_by_selector",
        "delete_group",
        "quit",
        "read",
        "reload",
        "stats",
        "undo",
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
