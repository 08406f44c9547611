//! Encrypted connections.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use wharf_testkit::http::{get, post};
use wharf_testkit::peers::PrometheusVersion;
use wharf_testkit::{Authority, Certificate, Gateway, Kind, Prometheus, until};

use super::{Curl, Folder, HASH, again, answered, curl};
use crate::{gateways, wharf};

const SERVER: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// A folder with the certificates of a server and its authority, and a config file with more settings of TLS.
fn folder(more: &str) -> Folder {
    let folder = Folder::new(&format!("{SERVER}{more}"));
    let authority = Authority::new("authority");
    authority
        .issue("server", &["127.0.0.1"])
        .write(folder.path(), "server");
    folder.write("authority.crt", &authority.certificate);
    folder
}

fn healthy(folder: &Folder, gateway: &Gateway, args: &[&str]) -> Curl {
    let args = [&["--cacert", "authority.crt"], args].concat();
    curl(folder, gateway, "/-/healthy", &args)
}

#[test]
fn case_136_http_2_and_1_1_are_spoken_over_tls() {
    for spawn in gateways() {
        let folder = folder("");
        let gateway = folder.start(spawn);
        gateway.log_line("msg=\"TLS is enabled.\" http2=true address=127.0.0.1:");
        assert_eq!(healthy(&folder, &gateway, &[]), answered("2"));
        assert_eq!(healthy(&folder, &gateway, &["--http1.1"]), answered("1.1"));
        for versions in [
            ["--tlsv1.2", "--tls-max", "1.2"],
            ["--tlsv1.3", "--tls-max", "1.3"],
        ] {
            assert_eq!(healthy(&folder, &gateway, &versions), answered("2"));
        }
        let old = [
            "--tlsv1.1",
            "--tls-max",
            "1.1",
            "--ciphers",
            "DEFAULT:@SECLEVEL=0",
        ];
        assert_eq!(healthy(&folder, &gateway, &old), Curl::Failure);
        assert_eq!(curl(&folder, &gateway, "/-/healthy", &[]), Curl::Failure);
        // A push, and it is there.
        let push = ["--cacert", "authority.crt", "--data-binary", "m 1\n"];
        assert_eq!(curl(&folder, &gateway, "/metrics/job/a", &push), answered("2"));
        let scrape = ["--cacert", "authority.crt", "--http1.1"];
        assert_eq!(curl(&folder, &gateway, "/metrics", &scrape), answered("1.1"));
        let answer = fs::read_to_string(folder.path().join("answer")).unwrap();
        assert!(answer.contains("m{instance=\"\",job=\"a\"} 1\n"), "{answer}");
    }
}

#[test]
fn plain_http_is_told_that_this_is_the_wrong_port() {
    for spawn in gateways() {
        let folder = folder("");
        let gateway = folder.start(spawn);
        for request in [get("/metrics"), post("/metrics/job/a").body("m 1\n")] {
            let mut stream = TcpStream::connect(gateway.address()).unwrap();
            stream.write_all(&request.to_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(
                answer,
                "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
            );
        }
    }
}

#[test]
fn http_2_can_be_turned_off() {
    for spawn in gateways() {
        let folder = folder("http_server_config:\n  http2: false\n");
        let gateway = folder.start(spawn);
        gateway.log_line("msg=\"TLS is enabled.\" http2=false");
        assert_eq!(healthy(&folder, &gateway, &["--http2"]), answered("1.1"));
    }
}

/// The Pushgateway demands a certain suite for HTTP/2.
const ONLY_HTTP_1: &str = "http_server_config:\n  http2: false\n";

#[test]
fn suites_need_not_be_those_of_http_2() {
    for spawn in gateways() {
        let is_real = spawn.kind() == Kind::Real;
        let folder = folder("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n");
        if is_real {
            let exit = spawn
                .arg(folder.flag())
                .arg("--web.listen-address=127.0.0.1:0")
                .run();
            assert!(exit.stderr.contains("missing an HTTP/2-required"), "{exit:?}");
            continue;
        }
        let gateway = folder.start(spawn);
        assert_eq!(healthy(&folder, &gateway, &["--tls-max", "1.2"]), answered("2"));
    }
}

#[test]
fn versions_can_be_narrowed() {
    let (tls12, tls13) = (["--tls-max", "1.2"], ["--tlsv1.3"]);
    for spawn in gateways() {
        for (setting, args, expected) in [
            ("min_version: TLS13", &tls12[..], Curl::Failure),
            ("min_version: TLS13", &tls13[..], answered("1.1")),
            ("max_version: TLS12", &tls12[..], answered("1.1")),
            ("max_version: TLS12", &tls13[..], Curl::Failure),
            // No suite is left for the older version.
            (
                "cipher_suites: [TLS_AES_128_GCM_SHA256]",
                &tls12[..],
                Curl::Failure,
            ),
            (
                "cipher_suites: [TLS_AES_128_GCM_SHA256]",
                &tls13[..],
                answered("1.1"),
            ),
        ] {
            let folder = folder(&format!("  {setting}\n{ONLY_HTTP_1}"));
            let gateway = folder.start(again(&spawn));
            assert_eq!(healthy(&folder, &gateway, args), expected, "{setting} {args:?}");
        }
    }
}

#[test]
fn suites_and_curves_can_be_narrowed() {
    let suites = [
        (
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
    ];
    let curves = [
        ("CurveP256", "P-256"),
        ("CurveP384", "P-384"),
        ("X25519", "X25519"),
    ];
    for spawn in gateways() {
        for (named, _) in suites {
            let folder = folder(&format!("  cipher_suites:\n    - {named}\n{ONLY_HTTP_1}"));
            let gateway = folder.start(again(&spawn));
            for (other, client) in suites {
                let found = healthy(&folder, &gateway, &["--tls-max", "1.2", "--ciphers", client]);
                let expected = if other == named {
                    answered("1.1")
                } else {
                    Curl::Failure
                };
                assert_eq!(found, expected, "{named} {other}");
            }
            assert_eq!(healthy(&folder, &gateway, &["--tlsv1.3"]), answered("1.1"));
        }
        for (named, _) in curves {
            let folder = folder(&format!("  curve_preferences: [{named}]\n{ONLY_HTTP_1}"));
            let gateway = folder.start(again(&spawn));
            for (other, client) in curves {
                let found = healthy(&folder, &gateway, &["--tlsv1.3", "--curves", client]);
                let expected = if other == named {
                    answered("1.1")
                } else {
                    Curl::Failure
                };
                assert_eq!(found, expected, "{named} {other}");
            }
        }
    }
}

#[test]
fn certificates_may_stand_in_the_file_itself() {
    let indent = |text: &str| format!("    {}", text.trim_end().replace('\n', "\n    "));
    for spawn in gateways() {
        let folder = folder("");
        let authority = Authority::new("authority");
        let Certificate { certificate, key } = authority.issue("server", &["127.0.0.1"]);
        folder.write("authority.crt", &authority.certificate);
        folder.write(
            "web.yml",
            &format!(
                "tls_server_config:\n  cert: |\n{}\n  key: |\n{}\n",
                indent(&certificate),
                indent(&key)
            ),
        );
        let gateway = folder.start(spawn);
        assert_eq!(healthy(&folder, &gateway, &[]), answered("2"));
    }
}

/// Clients with a certificate of each kind, by the name of its files.
const CLIENTS: [&str; 4] = ["none", "known", "unknown", "self"];

pub(super) fn with_clients(more: &str) -> Folder {
    let folder = folder(more);
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let own = Certificate::self_signed("self", &["self.test"]);
    let names = [
        "batch.test",
        "ops@batch.test",
        "spiffe://batch.test/job",
        "10.0.0.1",
    ];
    known.issue("client", &names).write(folder.path(), "known");
    unknown
        .issue("client", &["other.test"])
        .write(folder.path(), "unknown");
    own.write(folder.path(), "self");
    folder.write("clients.crt", &(known.certificate + &own.certificate));
    folder
}

fn as_client(folder: &Folder, gateway: &Gateway, name: &str) -> bool {
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    let args = ["--cert", &certificate, "--key", &key];
    let args = if name == "none" { &[][..] } else { &args[..] };
    healthy(folder, gateway, args) == answered("2")
}

#[test]
fn case_137_certificates_of_clients_are_asked_for_and_checked() {
    let everybody = [true; 4];
    let all_with_one = [false, true, true, true];
    let good = [false, true, false, true];
    for spawn in gateways() {
        for (auth, admitted) in [
            ("NoClientCert", everybody),
            ("RequestClientCert", everybody),
            ("RequireAnyClientCert", all_with_one),
            ("RequireClientCert", all_with_one),
            ("VerifyClientCertIfGiven", [true, true, false, true]),
            ("RequireAndVerifyClientCert", good),
        ] {
            let authority = if auth == "NoClientCert" {
                ""
            } else {
                "  client_ca_file: clients.crt\n"
            };
            let folder = with_clients(&format!("  client_auth_type: {auth}\n{authority}"));
            let gateway = folder.start(again(&spawn));
            // Of the authorities that the server names, curl has to find one on its own.
            for (name, admitted) in CLIENTS.into_iter().zip(admitted) {
                assert_eq!(as_client(&folder, &gateway, name), admitted, "{auth} {name}");
            }
        }
    }
}

#[test]
fn a_client_needs_one_of_the_allowed_names() {
    for spawn in gateways() {
        for (auth, names, admitted) in [
            ("RequireAndVerifyClientCert", "batch.test", ["known"].as_slice()),
            ("RequireAndVerifyClientCert", "ops@batch.test", &["known"]),
            (
                "RequireAndVerifyClientCert",
                "spiffe://batch.test/job",
                &["known"],
            ),
            ("RequireAndVerifyClientCert", "10.0.0.1", &["known"]),
            ("RequireAndVerifyClientCert", "x.test, self.test", &["self"]),
            ("RequireAndVerifyClientCert", "\"*.test\"", &[]),
            ("RequireAndVerifyClientCert", "BATCH.test", &[]),
            ("RequireAndVerifyClientCert", "", &[]),
            ("RequireAndVerifyClientCert", "other.test", &[]),
            ("RequireAnyClientCert", "other.test", &["unknown"]),
            ("RequestClientCert", "batch.test", &["known"]),
            ("VerifyClientCertIfGiven", "batch.test", &["known"]),
        ] {
            let folder = with_clients(&format!(
                "  client_auth_type: {auth}\n  client_ca_file: clients.crt\n  client_allowed_sans: [{names}]\n"
            ));
            let gateway = folder.start(again(&spawn));
            for name in CLIENTS {
                let found = as_client(&folder, &gateway, name);
                assert_eq!(found, admitted.contains(&name), "{auth} [{names}] {name}");
            }
        }
    }
}

#[test]
fn a_certificate_that_is_its_own_authority_still_has_its_time() {
    for spawn in gateways() {
        let folder = folder("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: old.crt\n");
        Certificate::expired("old").write(folder.path(), "old");
        let gateway = folder.start(spawn);
        assert!(!as_client(&folder, &gateway, "old"));
    }
}

#[test]
fn prometheus_scrapes_with_a_certificate_and_a_password() {
    let folder = with_clients(&format!(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\nbasic_auth_users:\n  alice: \
         {HASH}\n"
    ));
    let gateway = folder.start(wharf());
    let args = ["--insecure", "--cert", "known.crt", "--key", "known.key"];
    let push = [&args[..], &["--user", "alice:s3cret", "--data-binary", "m 7\n"]].concat();
    assert_eq!(curl(&folder, &gateway, "/metrics/job/a", &push), answered("2"));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: gateway\n  honor_labels: true\n  scheme: \
         https\n  basic_auth: {{username: alice, password: s3cret}}\n  tls_config: {{ca_file: '{}', cert_file: '{}', \
         key_file: '{}'}}\n  static_configs: [{{targets: ['{}']}}]\n",
        file("authority.crt"),
        file("known.crt"),
        file("known.key"),
        gateway.address()
    );
    let Some(prometheus) = Prometheus::start(PrometheusVersion::V2_53, &config, &[]) else {
        return;
    };
    // Without the push there is no answer.
    assert_eq!(prometheus.one("m{job=\"a\"}").value, "7");
}

/// Certificates of a kind that the tests cannot make.
fn with_fixture(name: &str, more: &str) -> Folder {
    let folder = folder(more);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/certificates");
    for file in [
        format!("{name}.crt"),
        format!("{name}.key"),
        "authority.crt".to_owned(),
    ] {
        fs::copy(
            fixtures.join(&file),
            folder.path().join(format!("fixture-{file}")),
        )
        .unwrap();
    }
    folder
}

#[test]
fn certificates_of_version_1_are_for_servers_only() {
    for spawn in gateways() {
        let is_real = spawn.kind() == Kind::Real;
        let folder = with_fixture("version-1", "");
        let as_server =
            "tls_server_config:\n  cert_file: fixture-version-1.crt\n  key_file: fixture-version-1.key\n";
        folder.write("web.yml", as_server);
        let gateway = folder.start(again(&spawn));
        assert_eq!(
            curl(&folder, &gateway, "/-/healthy", &["--insecure"]),
            answered("2")
        );

        let demand =
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: fixture-authority.crt\n";
        let folder = with_fixture("version-1", demand);
        let gateway = folder.start(spawn);
        assert_eq!(as_client(&folder, &gateway, "fixture-version-1"), is_real);
    }
}

#[test]
fn keys_on_p_521_are_refused() {
    for spawn in gateways() {
        let is_real = spawn.kind() == Kind::Real;
        let demand = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: fixture-p-521.crt\n";
        let folder = with_fixture("p-521", demand);
        let gateway = folder.start(again(&spawn));
        assert_eq!(as_client(&folder, &gateway, "fixture-p-521"), is_real);
        let as_server = "tls_server_config:\n  cert_file: fixture-p-521.crt\n  key_file: fixture-p-521.key\n";
        folder.write("web.yml", as_server);
        if is_real {
            folder.start(spawn);
        } else {
            let exit = spawn.arg(folder.flag()).run();
            assert_eq!(exit.code, Some(1));
            assert!(
                exit.stderr
                    .contains("`tls_server_config.key_file`: expected a private key"),
                "{exit:?}"
            );
        }
    }
}

#[test]
fn a_handshake_that_never_comes_holds_up_neither_others_nor_the_end() {
    let folder = folder("");
    let mut gateway = folder.start(wharf());
    let silent = TcpStream::connect(gateway.address()).unwrap();
    let mut halfway = TcpStream::connect(gateway.address()).unwrap();
    // The beginning of a record.
    halfway.write_all(&[22, 3, 1, 0]).unwrap();
    assert_eq!(healthy(&folder, &gateway, &[]), answered("2"));
    let open = "wharf_http_connections 3\n";
    until("all connections are open", || {
        curl(&folder, &gateway, "/metrics", &["--insecure"]);
        let scrape = fs::read_to_string(folder.path().join("answer")).unwrap();
        scrape.contains(open).then_some(())
    });
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    assert!(!gateway.log().contains("cut off"), "{}", gateway.log());
    drop((silent, halfway));
}

#[test]
fn the_scrape_says_when_the_first_certificate_ends() {
    const NAME: &str = "wharf_tls_certificate_expiry_timestamp_seconds{flag=\"web.config.file\"}";
    let folder = folder("");
    let gateway = folder.start(wharf());
    let expiry = || {
        let answer = curl(&folder, &gateway, "/metrics", &["--cacert", "authority.crt"]);
        assert_eq!(answer, answered("2"));
        let scrape = fs::read_to_string(folder.path().join("answer")).unwrap();
        let line = scrape.lines().find_map(|line| line.strip_prefix(NAME));
        line.unwrap_or_default().trim().to_owned()
    };
    // Certificates made for a test end on 1 January 4096.
    assert_eq!(expiry(), "6.70901184e+10");
    // What is sent along ends before, on 1 January 2001.
    let server = fs::read_to_string(folder.path().join("server.crt")).unwrap();
    folder.write(
        "server.crt",
        &format!("{server}{}", Certificate::expired("issuer").certificate),
    );
    until("the chain is read again", || {
        (expiry() == "9.783072e+08").then_some(())
    });
}
