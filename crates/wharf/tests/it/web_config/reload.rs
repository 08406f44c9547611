//! A file that changes while the gateway runs.

use std::fs;

use serde_json::Value;
use wharf_testkit::http::{Connection, Request, get, put};
use wharf_testkit::{Authority, Gateway, Kind, until};

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

        folder.write("web.yml", "basic_auth_users: {}\n");
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
        // Without the file, ours has another value.
        until("the file is read again", || {
            let answer = gateway.send(&get("/-/healthy"));
            (answer.header("X-Frame-Options") == Some("deny")).then_some(())
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

/// A file that cannot be understood fails handshakes, as it fails requests. A certificate that is none fails them with
/// the Pushgateway only.
#[test]
fn handshakes_fail_while_the_file_cannot_be_read() {
    let server = Authority::new("authority").issue("server", &["127.0.0.1"]);
    for spawn in gateways() {
        let folder = Folder::new(TLS);
        server.write(folder.path(), "server");
        let gateway = folder.start(again(&spawn));
        let ask = || curl(&folder, &gateway, "/-/healthy", &["--insecure"]);
        assert_eq!(ask(), answered("2"));
        folder.write("web.yml", "garbage");
        until("handshakes fail", || (ask() == Curl::Failure).then_some(()));
        folder.write("web.yml", TLS);
        until("handshakes work again", || (ask() == answered("2")).then_some(()));
    }
}

/// What the gateway says of its web config file.
fn condition(gateway: &Gateway, headers: &[(&str, &str)]) -> Value {
    let ask = headers
        .iter()
        .fold(get("/api/v1/stats"), |ask, (name, value)| ask.header(name, value));
    let answer = gateway.send(&ask);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["web_config"][0].clone()
}

fn as_alice(gateway: &Gateway) -> Value {
    condition(gateway, &[("Authorization", ALICE)])
}

/// Lines of the log at a level.
fn logged(gateway: &Gateway, level: &str) -> Vec<String> {
    let level = format!("level={level} ");
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.contains(&level));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_emptied_file_takes_no_authentication_away() {
    let users = format!("basic_auth_users:\n  alice: {HASH}\n");
    for emptied in [
        "",
        "\n \n",
        "# basic_auth_users:\n#   alice: s3cret\n",
        "---\n",
        "~\n",
        "basic_auth_users:\n",
        "basic_auth_users: ~\nhttp_server_config:\n",
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n",
        "{}\n",
    ] {
        for spawn in gateways() {
            let is_real = spawn.kind() == Kind::Real;
            let folder = Folder::new(&users);
            let gateway = folder.start(spawn);
            let anonymous = get("/-/healthy");
            expect_status(&gateway, &anonymous, 401);
            // In place, as an editor or a shell does it, so that there is no moment without a file.
            fs::write(folder.config(), emptied).unwrap();
            if is_real {
                expect_status(&gateway, &anonymous, 200);
                continue;
            }
            let condition = until("the file is read again", || {
                assert_eq!(gateway.send(&anonymous).status, 401, "{emptied:?}");
                let condition = as_alice(&gateway);
                (condition["state"] == "kept").then_some(condition)
            });
            assert_eq!(condition["users"], 1);
            assert_eq!(condition["flag"], "web.config.file");
            let problem = condition["problems"][0].as_str().unwrap();
            assert!(problem.contains("they stay"), "{problem}");
            let scrape = gateway.send(&as_user(&get("/metrics"), ALICE)).text();
            for line in [
                "wharf_web_config_users{flag=\"web.config.file\"} 1\n",
                "wharf_web_config_in_force{flag=\"web.config.file\"} 0\n",
            ] {
                assert!(scrape.contains(line), "{scrape}");
            }
            let status = gateway.send(&as_user(&get("/api/v1/status"), ALICE)).json();
            assert_eq!(status["data"]["problems"][0]["name"], "web_config");
            assert_eq!(status["data"]["problems"][0]["detail"], problem);
            // What is not in force is said once, and nothing else is said.
            for _ in 0..5 {
                assert_eq!(gateway.send(&anonymous).status, 401);
            }
            // The log comes by a way of its own.
            let errors = until("an error in the log", || {
                Some(logged(&gateway, "error")).filter(|errors| !errors.is_empty())
            });
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(!gateway.log().contains("read again"));

            // On purpose it works.
            folder.write("web.yml", "basic_auth_users: {}\n");
            expect_status(&gateway, &anonymous, 200);
            let condition = self::condition(&gateway, &[]);
            assert_eq!(condition["users"], 0);
            assert_eq!(condition["state"], "ok");
            gateway.log_line("level=warn");
            // And nobody was kept for later.
            folder.write("web.yml", "rate_limit:\n");
            gateway.log_line("users=0");
            expect_status(&gateway, &anonymous, 200);
        }
    }
}

/// Somebody mends a file that could not be read, and forgets the users: that opens the gateway as little.
#[test]
fn users_are_kept_over_a_file_that_cannot_be_read() {
    let folder = Folder::new(&format!("basic_auth_users:\n  alice: {HASH}\n"));
    let gateway = folder.start(wharf());
    folder.write("web.yml", "basic_auth_users: [\n");
    expect_status(&gateway, &get("/-/healthy"), 500);
    folder.write("web.yml", "http_server_config: {http2: true}\n");
    expect_status(&gateway, &get("/-/healthy"), 401);
    expect_status(&gateway, &as_user(&get("/-/healthy"), ALICE), 200);
    fs::remove_file(folder.config()).unwrap();
    expect_status(&gateway, &get("/-/healthy"), 500);
    folder.write("web.yml", "");
    expect_status(&gateway, &get("/-/healthy"), 401);
}

#[test]
fn certificates_of_clients_are_demanded_until_the_file_says_otherwise() {
    let authority = Authority::new("authority");
    let demanding =
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let folder = Folder::new(&demanding);
    authority
        .issue("server", &["127.0.0.1"])
        .write(folder.path(), "server");
    authority.issue("client", &[]).write(folder.path(), "client");
    folder.write("ca.crt", &authority.certificate);
    let gateway = folder.start(wharf());
    let anonymous = || curl(&folder, &gateway, "/-/healthy", &["--insecure"]);
    let known = || {
        let ours = ["--insecure", "--cert", "client.crt", "--key", "client.key"];
        curl(&folder, &gateway, "/-/healthy", &ours)
    };
    assert_eq!((anonymous(), known()), (Curl::Failure, answered("2")));
    for (lost, said) in [
        (TLS, "nothing about it"),
        ("http_server_config:\n", "found an empty file"),
        ("basic_auth_users: {}\n", "expected TLS"),
    ] {
        folder.write("web.yml", lost);
        // Every connection causes a look.
        until("the file is read again", || {
            assert_eq!((anonymous(), known()), (Curl::Failure, answered("2")), "{lost}");
            gateway.log().contains(said).then_some(())
        });
    }
    folder.write("web.yml", &format!("{TLS}  client_auth_type: NoClientCert\n"));
    until("nothing is demanded any more", || {
        (anonymous() == answered("2")).then_some(())
    });
}

/// Whatever comes first: certificate, key, authorities, and half of each.
#[test]
fn no_handshake_fails_while_certificates_are_replaced() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let fresh = new.issue("server", &["127.0.0.1"]);
    let demanding =
        format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
    let both = format!("{}{}", old.certificate, new.certificate);
    let certificate = ("server.crt", fresh.certificate.as_str());
    let key = ("server.key", fresh.key.as_str());
    for files in [
        [certificate, ("ca.crt", &both), key],
        [key, ("ca.crt", &both), certificate],
    ] {
        let folder = Folder::new(&demanding);
        old.issue("server", &["127.0.0.1"]).write(folder.path(), "server");
        old.issue("client", &[]).write(folder.path(), "client");
        folder.write("old.crt", &old.certificate);
        folder.write("new.crt", &new.certificate);
        folder.write("ca.crt", &old.certificate);
        folder.write("open.yml", "");
        let open = format!(
            "--web.admin-config-file={}",
            folder.path().join("open.yml").display()
        );
        let gateway = folder.start(wharf().args(["--web.admin-address=127.0.0.1:0", &open]));
        let condition = || {
            let mut admin = Connection::open(gateway.addresses()[1]).unwrap();
            admin.send(&get("/api/v1/stats")).unwrap().json()["data"]["web_config"][0].clone()
        };
        let trusting = |authority: &str| {
            let ours = [
                "--cacert",
                authority,
                "--cert",
                "client.crt",
                "--key",
                "client.key",
            ];
            curl(&folder, &gateway, "/-/healthy", &ours)
        };
        assert_eq!(trusting("old.crt"), answered("2"));
        assert_eq!(condition()["state"], "ok");

        // Each file is away for a moment, then empty, then half there. Only the last step makes a pair.
        let mut steps = Vec::new();
        for (name, text) in files {
            steps.extend([
                (name, None),
                (name, Some("")),
                (name, text.get(..text.len() / 2)),
                (name, Some(text)),
            ]);
        }
        let (last, text) = steps.pop().unwrap();
        for (name, text) in steps {
            let before = condition()["read_seconds"].clone();
            let file = folder.path().join(name);
            match text {
                Some(text) => fs::write(file, text).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            until("the files are read again", || {
                assert_eq!(trusting("old.crt"), answered("2"), "{name}");
                (condition()["read_seconds"] != before).then_some(())
            });
            assert_eq!(trusting("old.crt"), answered("2"), "{name}");
            assert_eq!(condition()["state"], "kept", "{name}");
        }
        let unsaid = gateway.log();
        assert!(!unsaid.contains("read again"), "{unsaid}");
        folder.write(last, text.unwrap());
        until("the new certificate is used", || {
            (trusting("new.crt") == answered("2")).then_some(())
        });
        assert_eq!(condition()["state"], "ok");
        gateway.log_line("web config file read again");
        assert_eq!(trusting("old.crt"), Curl::Failure);
    }
}

/// As volumes of Kubernetes are: the files are links into a folder that is itself a link, which is replaced.
#[test]
fn a_folder_that_is_replaced_by_a_link_is_read_at_once() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::new(TLS);
    let path = folder.path();
    for (name, authority) in [("1", &old), ("2", &new)] {
        fs::create_dir(path.join(name)).unwrap();
        authority
            .issue("server", &["127.0.0.1"])
            .write(&path.join(name), "server");
    }
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, path.join(name)).unwrap();
    link("1", "..data");
    link("..data/server.crt", "server.crt");
    link("..data/server.key", "server.key");
    folder.write("old.crt", &old.certificate);
    folder.write("new.crt", &new.certificate);
    let gateway = folder.start(wharf());
    let trusting = |authority: &str| curl(&folder, &gateway, "/-/healthy", &["--cacert", authority]);
    assert_eq!(trusting("old.crt"), answered("2"));
    link("2", "..data_tmp");
    fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    until("the new certificate is used", || {
        (trusting("new.crt") == answered("2")).then_some(())
    });
    assert_eq!(logged(&gateway, "error"), Vec::<String>::new());
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
