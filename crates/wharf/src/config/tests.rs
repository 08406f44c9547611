use std::ffi::OsString;

use std::path::PathBuf;
use std::time::Duration;

use wharf_model::name::NameRule;
use wharf_store::InstanceLabel;

use super::*;
use crate::args::{Invocation, UsageError};
use crate::parts::storage::settings::Sync;

#[track_caller]
fn config(arguments: &[&str]) -> Result<Config, UsageError> {
    match Invocation::parse("wharf", &[], arguments.iter().map(OsString::from), |_| None)? {
        Invocation::Serve(args) => args.config(),
        Invocation::Print(text) => panic!("{text}"),
    }
}

#[test]
fn without_arguments_every_default_holds() {
    assert_eq!(config(&[]), Ok(Config::default()));
}

#[test]
fn flags_have_the_keys_of_the_original_and_our_own() {
    let flags = Config::default().flags();
    let original = [
        ("log.format", "logfmt"),
        ("log.level", "info"),
        ("persistence.file", ""),
        ("persistence.interval", "5m0s"),
        ("push.disable-consistency-check", "false"),
        ("push.enable-utf8-names", "false"),
        ("web.config.file", ""),
        ("web.enable-admin-api", "false"),
        ("web.enable-lifecycle", "false"),
        ("web.external-url", ""),
        ("web.listen-address", ":9091"),
        ("web.route-prefix", ""),
        ("web.systemd-socket", "false"),
        ("web.telemetry-path", "/metrics"),
    ];
    for (name, value) in original {
        assert_eq!(flags.get(name).map(String::as_str), Some(value), "{name}");
    }
    let ours: Vec<&str> = flags
        .into_keys()
        .filter(|name| !original.iter().any(|(known, _)| known == name))
        .collect();
    let expected = [
        "aggregate.config-file",
        "aggregate.job",
        "aggregate.lifecycle-address",
        "aggregate.listen-address",
        "backup.path",
        "config.file",
        "expect.from-push",
        "expect.max",
        "expect.start-grace",
        "history.max-bytes",
        "limits.max-connections",
        "limits.max-decoded-bytes",
        "limits.max-groups",
        "limits.max-label-name-bytes",
        "limits.max-label-value-bytes",
        "limits.max-labels-per-series",
        "limits.max-requests-in-flight",
        "limits.max-scrapes-in-flight",
        "limits.max-series",
        "limits.max-series-per-push",
        "push.default-ttl",
        "push.id-ttl",
        "push.instance-label",
        "push.max-body-bytes",
        "push.max-decoded-bytes",
        "push.max-ids",
        "push.max-ttl",
        "push.strict-text",
        "push.success-status",
        "push.timestamps",
        "replica.address",
        "replica.max-config-skew",
        "replica.max-lag",
        "replica.name",
        "shutdown.timeout",
        "statsd.job",
        "statsd.listen-tcp",
        "statsd.listen-udp",
        "statsd.listen-unix",
        "statsd.listen-unixgram",
        "statsd.mapping-config",
        "statsd.max-connections",
        "statsd.max-series",
        "statsd.parse-dogstatsd-tags",
        "statsd.parse-influxdb-tags",
        "statsd.parse-librato-tags",
        "statsd.parse-signalfx-tags",
        "statsd.read-buffer",
        "statsd.relay.address",
        "statsd.relay.packet-length",
        "statsd.set-interval",
        "statsd.unixsocket-mode",
        "storage.checkpoint-bytes",
        "storage.etcd",
        "storage.etcd-ca-file",
        "storage.etcd-cert-file",
        "storage.etcd-compact",
        "storage.etcd-key-file",
        "storage.etcd-password-file",
        "storage.etcd-prefix",
        "storage.etcd-user",
        "storage.path",
        "storage.segment-bytes",
        "storage.sync",
        "undo.max-age",
        "undo.max-bytes",
        "web.admin-address",
        "web.admin-config-file",
        "web.body-timeout",
        "web.cors.origin",
        "web.enable-openmetrics",
        "web.header-timeout",
        "web.idle-timeout",
        "web.push-address",
        "web.push-config-file",
        "web.scrape-address",
        "web.scrape-config-file",
    ];
    assert_eq!(ours, expected);
}

#[test]
fn values_are_checked_and_typed() {
    let config = config(&[
        "--web.systemd-socket",
        "--web.config.file=/etc/web.yml",
        "--web.header-timeout=0",
        "--web.idle-timeout=1m30s",
        "--persistence.file=groups",
        "--persistence.interval=-1s",
        "--push.disable-consistency-check",
        "--push.enable-utf8-names",
        "--push.success-status=202",
        "--push.max-body-bytes=1KiB",
        "--push.timestamps=strip",
        "--push.instance-label=omit",
        "--push.default-ttl=1d12h",
        "--push.id-ttl=2h",
        "--push.max-ids=5",
        "--limits.max-connections=7",
        "--limits.max-groups=0",
        "--limits.max-series=1000",
        "--log.level=WARN",
        "--log.format=json",
        "--shutdown.timeout=0",
    ])
    .unwrap();
    assert!(config.listen.systemd_socket);
    assert_eq!(config.listen.config_file, Some(PathBuf::from("/etc/web.yml")));
    assert_eq!(config.timeouts.header, None);
    assert_eq!(config.timeouts.body, Some(Duration::from_secs(60)));
    assert_eq!(config.timeouts.idle, Some(Duration::from_secs(90)));
    assert_eq!(config.persistence.file, Some(PathBuf::from("groups")));
    assert_eq!(config.persistence.interval.to_duration(), Duration::ZERO);
    assert!(config.pushes.unchecked);
    assert_eq!(config.pushes.names, NameRule::Utf8);
    assert_eq!(config.bodies.success_status, 202);
    assert_eq!(config.bodies.max_bytes, 1024);
    assert!(config.pushes.strip_timestamps);
    assert_eq!(config.pushes.instance_label, InstanceLabel::Omit);
    assert_eq!(config.pushes.default_ttl, Some(Duration::from_secs(36 * 3600)));
    assert_eq!(config.pushes.id_ttl, Duration::from_secs(2 * 3600));
    assert_eq!(config.pushes.max_ids.get(), 5);
    assert_eq!(config.pushes.max_ttl, None);
    assert_eq!(config.requests.max_connections.get(), 7);
    assert_eq!(config.amounts.max_groups, None);
    assert_eq!(config.amounts.max_series, Some(1000));
    assert_eq!(
        config.log,
        Log {
            level: LogLevel::Warn,
            format: LogFormat::Json
        }
    );
    assert_eq!(config.shutdown.timeout, Duration::ZERO);
}

#[test]
fn prefixes_come_from_the_external_url_unless_one_is_given() {
    let cases = [
        (&[][..], "", ""),
        (&["--web.external-url=http://h/ext/"], "/ext", "/ext"),
        (
            &["--web.external-url=http://h/ext", "--web.route-prefix=/"],
            "/ext",
            "",
        ),
        (
            &["--web.external-url=http://h/ext", "--web.route-prefix=int/"],
            "/ext",
            "/int",
        ),
        (&["--web.route-prefix=/int"], "", "/int"),
    ];
    for (arguments, external, internal) in cases {
        let config = config(arguments).unwrap();
        assert_eq!(
            config.routes.external_prefix().as_str(),
            external,
            "{arguments:?}"
        );
        assert_eq!(
            config.routes.internal_prefix().as_str(),
            internal,
            "{arguments:?}"
        );
        assert_eq!(
            config.flags().get("web.route-prefix").map(String::as_str),
            Some(internal)
        );
    }
}

#[test]
fn a_password_in_the_external_url_is_not_shown() {
    for (typed, shown) in [
        ("http://h/ext/", "http://h/ext/"),
        ("http://me@h/", "http://me@h/"),
        ("http://me:s3cret@h:1/ext?a#b", "http://me:xxxxx@h:1/ext?a#b"),
        ("http://me:s3c@ret@h", "http://me:xxxxx@h"),
        ("//me:s3cret@h/x", "//me:xxxxx@h/x"),
        ("/a:b@c", "/a:b@c"),
    ] {
        let config = config(&[&format!("--web.external-url={typed}")]).unwrap();
        let flags = config.flags();
        assert_eq!(flags.get("web.external-url").map(String::as_str), Some(shown));
    }
}

#[test]
fn the_exposition_needs_a_path_of_its_own() {
    for path in [
        "",
        "/",
        "metrics",
        "/status",
        "/status/",
        "/-/quit",
        "/static",
        "/api/v1/status",
        "/debug/pprof/heap",
        "//metrics",
        "/a//b",
        "/a/../b",
        "/a/.",
    ] {
        let error = config(&[&format!("--web.telemetry-path={path}")]).unwrap_err();
        let expected = "flag '--web.telemetry-path': expected a path ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    for path in ["/metrics", "/metrics/", "/prom", "/statistics", "/apis", "/debug"] {
        let config = config(&[&format!("--web.telemetry-path={path}")]).unwrap();
        assert_eq!(config.routes.telemetry_path, path);
    }
}

#[test]
fn a_route_prefix_is_a_path_that_requests_can_reach() {
    for path in [
        "http://localhost/pushgateway",
        "HTTPS://gateway.example.org",
        "http:/gateway",
        "localhost:9091",
        "localhost:9091/pushgateway",
        "[::1]:9091/",
        ":9091",
        "//",
        "///",
        "//a",
        "a//b",
        "/a//",
        "/a/./b",
        "/a/../b",
        "..",
        "/.",
    ] {
        let error = config(&[&format!("--web.route-prefix={path}")]).unwrap_err();
        let report = error.report("wharf");
        assert!(
            report.contains("flag '--web.route-prefix': expected a path "),
            "{report}"
        );
    }
    let report = config(&["--web.route-prefix=http://localhost/push/gateway"])
        .unwrap_err()
        .report("wharf");
    assert!(
        report.contains("found the URL `http://localhost/push/gateway`"),
        "{report}"
    );
    assert!(
        report.contains(": give its path alone, `/push/gateway`, or"),
        "{report}"
    );
    let report = config(&["--web.route-prefix=localhost:9091/push"])
        .unwrap_err()
        .report("wharf");
    assert!(
        report.contains("found a host and a port: `localhost:9091/push`"),
        "{report}"
    );
    for (path, prefix) in [
        ("", ""),
        ("/", ""),
        ("pre/", "/pre"),
        ("/a/b/", "/a/b"),
        ("x y", "/x y"),
        ("/a?b", "/a?b"),
        ("/a#b", "/a#b"),
        ("/a%20b", "/a%20b"),
        ("a:b", "/a:b"),
        ("/a:9091", "/a:9091"),
        ("/...", "/..."),
        ("/\u{fc}", "/\u{fc}"),
    ] {
        let config = config(&[&format!("--web.route-prefix={path}")]).unwrap();
        assert_eq!(config.routes.internal_prefix().as_str(), prefix);
    }
}

#[test]
fn the_path_of_an_external_url_is_one_that_requests_can_reach_unless_routes_have_another() {
    let url = "--web.external-url=http://ops.example.org//push";
    let report = config(&[url]).unwrap_err().report("wharf");
    assert!(
        report.contains("flag '--web.external-url': expected a path without `//`"),
        "{report}"
    );
    let config = config(&[url, "--web.route-prefix=/"]).unwrap();
    assert_eq!(config.routes.external_prefix().as_str(), "//push");
}

#[test]
fn groups_are_kept_in_one_place() {
    let place = |args: &[&str]| config(args).unwrap().place();
    let folder = |path: &str, import: Option<&str>, is_named| StorageKind::Folder {
        path: path.into(),
        import: import.map(PathBuf::from),
        is_named,
    };
    let default = folder("wharf-data/", None, false);
    assert_eq!(place(&[]), default);
    assert_eq!(place(&["--persistence.file="]), default);
    assert_eq!(place(&["--storage.path=x"]), folder("x", None, true));
    assert_eq!(
        place(&["--storage.path=wharf-data/"]),
        folder("wharf-data/", None, true)
    );
    assert_eq!(place(&["--storage.path="]), StorageKind::Memory);
    assert_eq!(
        place(&["--persistence.file=f"]),
        folder("f.wharf", Some("f"), true)
    );
    let refused = config(&["--persistence.file=f", "--storage.path=x"])
        .unwrap_err()
        .report("wharf");
    let expected = "expected either --storage.path or --persistence.file, found both: `x` and `f`";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn groups_are_shared_where_members_of_etcd_are_named() {
    let alone = config(&["--storage.etcd="]).unwrap();
    assert!(!alone.replica.is_one());
    let shared = config(&["--storage.etcd=http://a:1, https://b", "--storage.etcd-prefix=/x"]).unwrap();
    assert!(shared.replica.is_one());
    assert_eq!(shared.replica.prefix, "/x/");
    let shown = shared.flags();
    assert_eq!(shown["storage.etcd"], "http://a:1,https://b:2379");
    for (arguments, expected) in [
        (
            &["--storage.etcd=http://u:secret@h:1"][..],
            "users and passwords have settings of their own",
        ),
        (
            &["--storage.etcd=http://h", "--storage.etcd-prefix="],
            "expected the beginning of all keys, found nothing",
        ),
        (
            &["--storage.etcd=http://h", "--storage.etcd-cert-file=c"],
            "expected both --storage.etcd-cert-file and --storage.etcd-key-file, found one of them",
        ),
        (
            &["--storage.etcd=http://h", "--storage.etcd-ca-file=c"],
            "expected https:// in --storage.etcd beside files for TLS, found http:// only",
        ),
        (
            &["--storage.etcd-compact"],
            "expected --storage.etcd beside --storage.etcd-compact, found none",
        ),
    ] {
        let refused = config(arguments).unwrap_err().report("wharf");
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}

#[test]
fn changes_are_safe_at_once_or_after_a_while() {
    let sync = |args: &[&str]| config(args).unwrap().storage.sync;
    assert_eq!(sync(&[]), Sync::Always);
    assert_eq!(
        sync(&["--storage.sync=100ms"]),
        Sync::Every(Duration::from_millis(100))
    );
    let refused = config(&["--storage.sync=0"]).unwrap_err().report("wharf");
    assert!(
        refused.contains("expected always or a duration above 0, found `0`"),
        "{refused}"
    );
}
