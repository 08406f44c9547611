//! A file that changes while the gateway runs.

use std::fs;

use wharf_testkit::http::{Request, get, put};
use wharf_testkit::{Authority, Gateway, until};

use super::{ALICE, BOB, Curl, Folder, HASH, again, answered, as_user, curl};
use crate::{gateways, wharf};

fn expect_status(gateway: &Gateway, request: &Request, status: u16) -> String {
    until(&format!("{request} is answered with {status}"), || {
        let answer = gateway.send(request);
        (answer.status == status).then(|| answer.text())
    })
}

#[test]
fn case_132_a_changed_file_counts_without_a_restart() {
    for spawn in gateways() {
        let folder = Folder::new(&format!("basic_auth_users:\n  alice: {HASH}\n"));
        let gateway = folder.start(spawn);
        let alice = as_user(&get("/-/healthy"), ALICE);
        let bob = as_user(&get("/-/healthy"), BOB);
        expect_status(&gateway, &alice, 200);
        expect_status(&gateway, &bob, 401);

        folder.write("web.yml", &format!("basic_auth_users:\n  bob: {HASH}\n"));
        expect_status(&gateway, &bob, 200);
        expect_status(&gateway, &alice, 401);

        folder.write("web.yml", "");
        expect_status(&gateway, &get("/-/healthy"), 200);

        folder.write("web.yml", "basic_auth_users: [\n");
        assert_eq!(
            expect_status(&gateway, &get("/-/healthy"), 500),
            "Internal Server Error\n"
        );
        gateway.log_line("msg=\"Unable to parse configuration\" err=");

        folder.write(
            "web.yml",
            "http_server_config:\n  headers:\n    X-Frame-Options: deny\n",
        );
        expect_status(&gateway, &get("/-/healthy"), 200);
        let answer = gateway.send(&get("/-/healthy"));
        assert_eq!(answer.header("X-Frame-Options"), Some("deny"));

        fs::remove_file(folder.config()).unwrap();
        expect_status(&gateway, &get("/-/healthy"), 500);
        folder.write("web.yml", "");
        expect_status(&gateway, &get("/-/healthy"), 200);
    }
}

#[test]
fn a_user_with_a_broken_hash_is_locked_out_and_the_others_are_not() {
    for spawn in gateways() {
        let folder = Folder::new(&format!("basic_auth_users:\n  alice: {HASH}\n"));
        let gateway = folder.start(spawn);
        folder.write(
            "web.yml",
            &format!("basic_auth_users:\n  alice: s3cret\n  bob: {HASH}\n"),
        );
        expect_status(&gateway, &as_user(&get("/-/healthy"), BOB), 200);
        expect_status(&gateway, &as_user(&get("/-/healthy"), ALICE), 401);
        folder.write("web.yml", "basic_auth_users:\n  alice: s3cret\n");
        expect_status(&gateway, &as_user(&get("/-/healthy"), BOB), 401);
        expect_status(&gateway, &get("/-/healthy"), 401);
    }
}

#[test]
fn the_rate_and_plain_http_stay_as_they_were_at_the_start() {
    let server = Authority::new("authority").issue("server", &["127.0.0.1"]);
    for spawn in gateways() {
        let folder = Folder::new("");
        server.write(folder.path(), "server");
        let gateway = folder.start(spawn);
        folder.write(
            "web.yml",
            "rate_limit:\n  interval: 1h\n  burst: 1\nhttp_server_config:\n  headers:\n    X-Frame-Options: \
             deny\ntls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n",
        );
        until("the file is read again", || {
            let answer = gateway.send(&get("/-/healthy"));
            answer.header("X-Frame-Options").map(drop)
        });
        expect_status(&gateway, &get("/-/healthy"), 200);
    }
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

#[test]
fn a_replaced_certificate_is_used_by_the_next_connection() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    for spawn in gateways() {
        let folder = Folder::new(TLS);
        folder.write("old.crt", &old.certificate);
        folder.write("new.crt", &new.certificate);
        old.issue("server", &["127.0.0.1"]).write(folder.path(), "server");
        let gateway = folder.start(spawn);
        let trusting = |authority: &str| curl(&folder, &gateway, "/-/healthy", &["--cacert", authority]);
        assert_eq!(trusting("old.crt"), answered("2"));
        assert_eq!(trusting("new.crt"), Curl::Failure);
        new.issue("server", &["127.0.0.1"]).write(folder.path(), "server");
        until("the new certificate is used", || {
            (trusting("new.crt") == answered("2")).then_some(())
        });
        assert_eq!(trusting("old.crt"), Curl::Failure);
    }
}

#[test]
fn handshakes_fail_while_the_certificate_is_broken() {
    let server = Authority::new("authority").issue("server", &["127.0.0.1"]);
    for spawn in gateways() {
        for (name, text) in [
            ("server.crt", "garbage"),
            ("web.yml", "garbage"),
            // TLS cannot be turned off.
            ("web.yml", ""),
        ] {
            let folder = Folder::new(TLS);
            server.write(folder.path(), "server");
            let gateway = folder.start(again(&spawn));
            let ask = || curl(&folder, &gateway, "/-/healthy", &["--insecure"]);
            assert_eq!(ask(), answered("2"));
            folder.write(name, text);
            until("handshakes fail", || (ask() == Curl::Failure).then_some(()));
            server.write(folder.path(), "server");
            folder.write("web.yml", TLS);
            until("handshakes work again", || (ask() == answered("2")).then_some(()));
        }
    }
}

/// As with `--web.config.file=<(decrypt web.yml)` in a shell: read again, it would be an empty file without users.
#[test]
fn a_pipe_says_what_it_has_to_say_once() {
    let folder = Folder::new("");
    fs::remove_file(folder.config()).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.config())
        .status()
        .unwrap();
    assert!(made.success());
    let config = folder.config();
    let writer = std::thread::spawn(move || {
        fs::write(config, format!("basic_auth_users:\n  alice: {HASH}\n")).unwrap();
    });
    let gateway = folder.start(wharf());
    writer.join().unwrap();
    let push = put("/metrics/job/a").body("m 1\n");
    for _ in 0..20 {
        assert_eq!(gateway.send(&push).status, 401);
        assert_eq!(gateway.send(&as_user(&push, ALICE)).status, 200);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
