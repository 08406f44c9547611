//! Sockets that systemd hands over, Unix ones above all: their peers have no address.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use wharf_testkit::http::{Connection, get, post};
use wharf_testkit::{Certificate, Gateway, Spawn, until};

use crate::{gateways, wharf};

/// A folder with a socket in it, to which curl speaks.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("gateway.sock")
    }

    fn listen(&self) -> OwnedFd {
        UnixListener::bind(self.socket()).unwrap().into()
    }

    /// Starts a gateway at the socket alone.
    fn start(&self, spawn: Spawn) -> Gateway {
        let spawn = spawn.arg("--web.systemd-socket");
        let gateway = spawn.descriptors([self.listen()], 0).start();
        gateway.log_line(&format!("address={}", self.socket().display()));
        gateway
    }

    /// What curl shows of a request to a URL: the body, a blank, the status, a blank, the version.
    fn curl(&self, url: &str, args: &[&str]) -> String {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--globoff",
                "--write-out",
                " %{http_code} %{http_version}",
                "--unix-socket",
            ])
            .arg(self.socket())
            .args(args)
            .arg(url)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

const PUSH: [&str; 2] = ["--data-binary", "m 1\n"];

#[test]
fn a_unix_socket_serves_what_others_do() {
    for spawn in gateways() {
        let place = Place::new();
        let mut gateway = place.start(spawn);
        // The listener is there before the gateway accepts, so nobody is turned away.
        assert_eq!(place.curl("http://x/metrics/job/a", &PUSH), " 200 1.1");
        let scrape = place.curl("http://x/metrics", &[]);
        assert!(scrape.contains("m{instance=\"\",job=\"a\"} 1\n"), "{scrape}");
        assert_eq!(
            place.curl("http://x/metrics/job/a", &["--request", "DELETE"]),
            " 202 1.1"
        );
        gateway.terminate();
        assert_eq!(gateway.wait().code, Some(0));
        // It belongs to whoever opened it.
        assert!(place.socket().exists());
    }
}

#[test]
fn a_unix_socket_stands_beside_one_of_tcp_in_either_order() {
    for unix_first in [true, false] {
        for spawn in gateways() {
            let place = Place::new();
            let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
            let mut sockets = vec![place.listen(), tcp];
            if !unix_first {
                sockets.reverse();
            }
            let spawn = spawn.arg("--web.systemd-socket");
            let gateway = spawn.descriptors(sockets, 1).start();
            assert_eq!(place.curl("http://x/metrics/job/u", &PUSH), " 200 1.1");
            gateway.push("/metrics/job/t", "m 2\n");
            let scrape = gateway.scrape();
            assert_eq!(scrape.value("m", &[("job", "u")]), Some("1"));
            assert_eq!(scrape.value("m", &[("job", "t")]), Some("2"));
        }
    }
}

#[test]
fn peers_at_a_unix_socket_have_no_address_in_logs() {
    for spawn in gateways() {
        let place = Place::new();
        let gateway = place.start(spawn);
        let push = ["--data-binary", "m 1 5\n"];
        assert!(place.curl("http://x/metrics/job/a", &push).ends_with(" 400 1.1"));
        let line = gateway.log_line("pushed metrics are invalid or inconsistent");
        assert!(line.contains("logged_source=@ "), "{line}");
    }
}

#[test]
fn what_went_on_at_a_unix_socket_is_shown_without_an_address() {
    let place = Place::new();
    let _gateway = place.start(wharf());
    let push = ["--data-binary", "m 1 5\n"];
    assert!(place.curl("http://x/metrics/job/a", &push).ends_with(" 400 1.1"));
    assert!(place.curl("http://x/metrics", &[]).ends_with(" 200 1.1"));
    let stats = place.curl("http://x/api/v1/stats", &[]);
    let stats: serde_json::Value = serde_json::from_str(stats.trim_end_matches(" 200 1.1")).unwrap();
    let (refused, scraper) = (&stats["data"]["refused"][0], &stats["data"]["scrapers"][0]);
    assert!(
        refused["reason"].is_string() && refused["address"].is_null(),
        "{stats}"
    );
    assert!(
        scraper["user_agent"].is_string() && scraper["address"].is_null(),
        "{stats}"
    );
}

#[test]
fn tls_passwords_and_http_2_work_at_a_unix_socket() {
    for spawn in gateways() {
        let place = Place::new();
        Certificate::self_signed("x", &["x"]).write(place.folder.path(), "server");
        let hash = "$2b$04$EGNYGlakPdNb60roBdlmWuYTRXiJhVh/.whhyXo7LyWUID1a4nLfK";
        let config = format!(
            "tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: {{alice: {hash}}}\n"
        );
        let config = place.write("web.yml", &config);
        let _gateway = place.start(spawn.arg(format!("--web.config.file={config}")));
        let url = "https://x/-/healthy";
        let alice = ["--insecure", "--user", "alice:s3cret"];
        assert_eq!(place.curl(url, &alice), "OK 200 2");
        assert_eq!(
            place.curl(url, &[&alice[..], &["--http1.1"]].concat()),
            "OK 200 1.1"
        );
        assert!(
            place
                .curl(url, &["--insecure", "--user", "alice:wrong"])
                .ends_with(" 401 2")
        );
        let plain = place.curl("http://x/-/healthy", &[]);
        assert_eq!(plain, "Client sent an HTTP request to an HTTPS server.\n 400 1");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_handshake_or_a_request_harms_nobody() {
    let place = Place::new();
    let gateway = place.start(wharf());
    for bytes in [
        &b""[..],
        b"P",
        b"PUT /metrics/job/a HTTP/1.1\r\nContent-Length: 9\r\n\r\nm",
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(place.socket()).unwrap();
        std::io::Write::write_all(&mut stream, bytes).unwrap();
    }
    assert_eq!(place.curl("http://x/-/healthy", &[]), "OK 200 1.1");
    until("the connections to be gone", || {
        let open = place.curl("http://x/metrics", &[]);
        open.contains("wharf_http_connections 1\n").then_some(())
    });
    assert!(!gateway.log().contains("level=error"), "{}", gateway.log());
}

#[test]
fn sockets_of_other_kinds_stop_the_start_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let datagrams = UnixDatagram::bind(folder.path().join("datagrams.sock")).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let exit = wharf()
        .arg("--web.systemd-socket")
        .descriptors([OwnedFd::from(tcp), OwnedFd::from(datagrams)], 1)
        .run();
    assert_eq!(exit.code, Some(1), "{exit:?}");
    let expected = "expected stream sockets (TCP or Unix) from systemd, found something else at descriptor 4";
    assert!(exit.stderr.contains(expected), "{exit:?}");
}

#[test]
fn addresses_of_ipv4_are_written_as_such_at_a_socket_for_both() {
    for spawn in gateways() {
        let gateway = spawn.arg("--web.listen-address=0.0.0.0:0").start();
        let address = format!("127.0.0.1:{}", gateway.address().port()).parse().unwrap();
        let mut connection = Connection::open(address).unwrap();
        let push = post("/metrics/job/a").body("m 1 5\n");
        assert_eq!(connection.send(&push).unwrap().status, 400);
        let line = gateway.log_line("pushed metrics are invalid or inconsistent");
        assert!(line.contains("logged_source=127.0.0.1:"), "{line}");
    }
}

#[test]
fn addresses_of_ipv4_are_shown_as_such_too() {
    let gateway = wharf().arg("--web.listen-address=0.0.0.0:0").start();
    let address = format!("127.0.0.1:{}", gateway.address().port()).parse().unwrap();
    let mut connection = Connection::open(address).unwrap();
    assert_eq!(
        connection
            .send(&post("/metrics/job/a").body("m 1 5\n"))
            .unwrap()
            .status,
        400
    );
    let stats = connection.send(&get("/api/v1/stats")).unwrap().json();
    assert_eq!(stats["data"]["refused"][0]["address"], "127.0.0.1");
}
