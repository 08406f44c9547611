//! Files that are good, and files that are not.

use wharf_testkit::{Authority, Certificate, Kind, Spawn};

use super::{Folder, HASH};
use crate::gateways;

/// A folder with a config file, certificates, and things that are none.
fn folder(config: &str) -> Folder {
    let folder = Folder::new(config);
    let authority = Authority::new("authority");
    authority
        .issue("server", &["127.0.0.1"])
        .write(folder.path(), "server");
    Certificate::self_signed("other", &[]).write(folder.path(), "other");
    folder.write("authority.crt", &authority.certificate);
    folder
}

/// With TLS, and more settings of it.
fn tls(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}")
}

fn user(hash: &str) -> String {
    format!("basic_auth_users:\n  alice: {hash}\n")
}

/// Starts, or fails with this error.
fn outcome(spawn: Spawn, config: &str) -> Result<(), String> {
    let folder = folder(config);
    let kind = spawn.kind();
    let exit = spawn.arg(folder.flag()).run_until("msg=\"TLS is ");
    let Some(exit) = exit else { return Ok(()) };
    assert_eq!(exit.code, Some(i32::from(kind == Kind::Wharf)), "{exit:?}");
    let error = exit
        .stderr
        .lines()
        .find_map(|line| line.split_once("msg=\"HTTP server stopped\" err="));
    let (_, error) = error.unwrap();
    Err(error.replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn good_files_are_accepted() {
    let configs = [
        String::new(),
        "# nothing\n".to_owned(),
        "~\n".to_owned(),
        "{\"basic_auth_users\": {}}".to_owned(),
        "\u{feff}basic_auth_users:\r\nhttp_server_config:\r\n".to_owned(),
        format!("basic_auth_users:\n  12: {HASH}\n  true: {HASH}\n"),
        format!("basic_auth_users: &users\n  <<: {{bob: {HASH}}}\n  alice: {HASH}\n"),
        "http_server_config:\n  http2: no\n  headers:\n    X-XSS-Protection: 0\n".to_owned(),
        "http_server_config:\n  http2:\n  headers:\n".to_owned(),
        "rate_limit:\n  interval: 1m30s\n  burst: 2\n".to_owned(),
        "rate_limit:\n  interval: 1000\n  burst: 2\n".to_owned(),
        "rate_limit:\n  interval: 0\n".to_owned(),
        "rate_limit:\n  interval: -1s\n  burst: 1\n".to_owned(),
        "rate_limit:\n  burst: 2\n".to_owned(),
        // Without certificate and key there is no TLS, whatever else is said about it.
        "tls_server_config:\n  min_version: TLS13\n".to_owned(),
        tls(""),
        // The file goes before what stands beside it.
        tls("  cert: garbage\n  key: garbage\n"),
        tls("  client_auth_type: \"\"\n  min_version:\n  cipher_suites: []\n  curve_preferences: []\n"),
        tls("  min_version: TLS10\n  prefer_server_cipher_suites: false\n"),
        tls(
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n",
        ),
        tls("  curve_preferences: [CurveP521, CurveP384, CurveP256, X25519]\n"),
        tls("  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [1]\n"),
    ];
    for config in configs {
        for spawn in gateways() {
            let kind = spawn.kind();
            assert_eq!(outcome(spawn, &config), Ok(()), "{kind:?}\n{config}");
        }
    }
}

/// What both refuse, and the words of Wharf: where it is, what it is, and why.
#[test]
fn case_134_and_135_bad_files_stop_the_start() {
    let unknown = "expected one of tls_server_config, http_server_config, rate_limit, basic_auth_users";
    let cases = [
        ("foo\n".to_owned(), "line 1, column 1: expected mapping start".to_owned()),
        ("foo: 1\n".to_owned(), format!("line 1, column 1: `foo`: unknown field `foo`, {unknown}")),
        (
            "http_server_config:\n  http3: true\n".to_owned(),
            "line 2, column 3: `http3`: unknown field `http3`, expected one of http2, headers".to_owned(),
        ),
        (
            format!("basic_auth_users:\n  a: {HASH}\n  a: {HASH}\n"),
            "line 3, column 3: `a`: duplicate mapping key: a not allowed here".to_owned(),
        ),
        (
            user("s3cret"),
            "line 2, column 10: `basic_auth_users.alice`: expected a bcrypt hash of 60 characters, found 6\\nhint: \
             htpasswd -nBC 10 USER makes one"
                .to_owned(),
        ),
        (
            user(&HASH.replace("$2b$", "$3b$")),
            "line 2, column 10: `basic_auth_users.alice`: expected a bcrypt hash that starts with $2a$, $2b$, $2x$ or \
             $2y$, found another prefix"
                .to_owned(),
        ),
        (
            user(&HASH.replace("$04$", "$03$")),
            "line 2, column 10: `basic_auth_users.alice`: expected a bcrypt hash with a cost from 4 to 31, found `03`"
                .to_owned(),
        ),
        (
            "http_server_config:\n  headers:\n    X-Foo: 1\n".to_owned(),
            "line 3, column 12: `http_server_config.headers.X-Foo`: HTTP header \\\"X-Foo\\\" can not be configured"
                .to_owned(),
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: foo\n".to_owned(),
            "line 3, column 22: `http_server_config.headers.X-Frame-Options`: expected one of `deny`, `sameorigin`, \
             found \\\"foo\\\""
                .to_owned(),
        ),
        (
            "http_server_config:\n  http2: 0\n".to_owned(),
            "line 2, column 10: `http2`: invalid boolean".to_owned(),
        ),
        (
            "rate_limit:\n  interval: foo\n".to_owned(),
            "line 2, column 13: `rate_limit.interval`: time: invalid duration \\\"foo\\\"".to_owned(),
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n".to_owned(),
            "line 2, column 14: `tls_server_config`: missing one of key or key_file".to_owned(),
        ),
        (
            "tls_server_config:\n  key_file: server.key\n".to_owned(),
            "line 2, column 13: `tls_server_config`: missing one of cert or cert_file".to_owned(),
        ),
        (
            "tls_server_config:\n  cert_file: no.crt\n  key_file: server.key\n".to_owned(),
            "line 2, column 14: `tls_server_config.cert_file`: open no.crt: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            "tls_server_config:\n  cert_file: server.crt\n  key_file: other.key\n".to_owned(),
            "line 3, column 13: `tls_server_config.key_file`: expected the private key of the certificate, found that \
             of another one"
                .to_owned(),
        ),
        (
            "tls_server_config:\n  cert_file: server.key\n  key_file: server.key\n".to_owned(),
            "line 2, column 14: `tls_server_config.cert_file`: expected a certificate in PEM, found none".to_owned(),
        ),
        (
            tls("  client_ca_file: authority.crt\n"),
            "line 4, column 19: `tls_server_config.client_ca_file`: client CA's have been configured without a Client \
             Auth Policy"
                .to_owned(),
        ),
        (
            tls("  client_auth_type: foo\n"),
            "line 4, column 21: `tls_server_config.client_auth_type`: expected one of `NoClientCert`, \
             `RequestClientCert`, `RequireAnyClientCert`, `RequireClientCert`, `VerifyClientCertIfGiven`, \
             `RequireAndVerifyClientCert`, found `foo`"
                .to_owned(),
        ),
        (
            tls("  min_version: TLS9\n"),
            "line 4, column 16: `tls_server_config.min_version`: expected one of `TLS10`, `TLS11`, `TLS12`, `TLS13`, \
             found `TLS9`"
                .to_owned(),
        ),
        (
            tls("  curve_preferences: [FOO]\n"),
            "line 4, column 23: `tls_server_config.curve_preferences`: expected one of `CurveP256`, `CurveP384`, \
             `CurveP521`, `X25519`, found `FOO`"
                .to_owned(),
        ),
    ];
    for (config, error) in cases {
        for spawn in gateways() {
            let kind = spawn.kind();
            let refused = outcome(spawn, &config).expect_err(&config);
            if kind == Kind::Wharf {
                assert_eq!(refused, format!("\"web.yml, {error}\""), "{config}");
            }
        }
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let config =
        "http_server_config:\n  headers: {X-Foo: 1}\nrate_limit: {interval: x}\nbasic_auth_users: {a: b}\n";
    let refused = outcome(crate::wharf(), config).unwrap_err();
    for key in ["headers.X-Foo", "rate_limit.interval", "basic_auth_users.a"] {
        assert!(refused.contains(key), "{refused}");
    }
}

#[test]
fn every_suite_of_the_original_is_known_by_name() {
    let known = [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ];
    for spawn in gateways() {
        let kind = spawn.kind();
        let all = tls(&format!("  cipher_suites: [{}]\n", known.join(", ")));
        assert_eq!(outcome(spawn, &all), Ok(()), "{kind:?}");
    }
    for unknown in [
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "FOO",
    ] {
        for spawn in gateways() {
            let config = tls(&format!("  cipher_suites: [{unknown}]\n"));
            outcome(spawn, &config).expect_err(unknown);
        }
    }
}

/// Where the Pushgateway starts although nothing good can come of it.
#[test]
fn files_that_do_not_do_what_they_say_stop_the_start() {
    let cases = [
        // Nobody can ever log in.
        (
            user(&HASH[..59]),
            "expected a bcrypt hash of 60 characters, found 59",
        ),
        (
            user(&HASH.replace('K', "!")),
            "expected a bcrypt hash of characters",
        ),
        // No request is ever answered.
        ("rate_limit:\n  interval: 1s\n".to_owned(), "expected at least 1"),
        // No handshake ever succeeds.
        (
            tls("  min_version: TLS13\n  max_version: TLS12\n"),
            "found TLS13 to TLS12",
        ),
        (
            tls("  client_auth_type: RequireAndVerifyClientCert\n  client_ca: garbage\n"),
            "expected certificates of authorities in PEM, found none",
        ),
        // Names are not looked at, since certificates are not asked for.
        (
            tls("  client_allowed_sans: [batch.test]\n"),
            "expected a client_auth_type",
        ),
        // Whoever any authority in the world has issued a certificate for is let in.
        (
            tls("  client_auth_type: RequireAndVerifyClientCert\n"),
            "expected authorities that issue the certificates of clients, found none",
        ),
        // Such a header is not one.
        (
            "http_server_config:\n  headers:\n    Content-Security-Policy: \"a\\nb\"\n".to_owned(),
            "expected the value of a header",
        ),
        // What follows is not read.
        (
            "basic_auth_users:\n---\nfoo: 1\n".to_owned(),
            "only single YAML document expected",
        ),
    ];
    for (config, error) in cases {
        for spawn in gateways() {
            match spawn.kind() {
                Kind::Real => assert_eq!(outcome(spawn, &config), Ok(()), "{config}"),
                Kind::Wharf => {
                    let refused = outcome(spawn, &config).expect_err(&config);
                    assert!(refused.contains(error), "{refused}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_had_here_stops_the_start_if_nothing_else_is_named() {
    for setting in [
        "max_version: TLS11",
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]",
        "curve_preferences: [CurveP521]",
    ] {
        let config = tls(&format!("  {setting}\n"));
        for spawn in gateways() {
            let is_real = spawn.kind() == Kind::Real;
            assert_eq!(outcome(spawn, &config).is_ok(), is_real, "{setting}");
        }
    }
}
