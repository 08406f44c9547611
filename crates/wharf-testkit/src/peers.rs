//! The programs that judge us: the real Pushgateway, Prometheus, the clients that people push with.
//!
//! `cargo xtask test` brings them and says where they are. A bare `cargo test` does without those it cannot find;
//! with `WHARF_REQUIRE_PEERS` set a missing one fails the test instead, so that no run can pass by skipping.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The real Pushgateway 1.11.2.
pub fn pushgateway() -> Option<PathBuf> {
    in_peers("pgw/usr/bin/prometheus-pushgateway")
}

/// Where the package of the real Pushgateway keeps the files of its pages.
pub fn pushgateway_assets() -> Option<PathBuf> {
    in_peers("pgw/usr/share/prometheus/pushgateway")
}

/// Which Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrometheusVersion {
    /// 2.42, of Debian 12: it knows neither `scrape_protocols` nor names in UTF-8.
    V2_42,
    /// 2.53, of Debian 13, the last long-term release before 3.
    V2_53,
    /// 3, of Debian's unstable suite: 3.5, a long-term release, or later.
    V3,
    /// 3.16, which `interop/scrapers` pins.
    Newest,
}

/// Prometheus itself.
pub fn prometheus(version: PrometheusVersion) -> Option<PathBuf> {
    in_packages(version, "prometheus")
}

/// Prometheus' own judge of expositions; there is none of the newest version.
pub fn promtool(version: PrometheusVersion) -> Option<PathBuf> {
    in_packages(version, "promtool")
}

fn in_packages(version: PrometheusVersion, program: &str) -> Option<PathBuf> {
    let package = match version {
        PrometheusVersion::V2_42 => "prom-2.42",
        PrometheusVersion::V2_53 => "prom",
        PrometheusVersion::V3 => "prom-3",
        PrometheusVersion::Newest => return Some(client("scrapers")?.join(program)),
    };
    in_peers(&format!("{package}/usr/bin/{program}"))
}

/// Which Alertmanager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertmanagerVersion {
    /// 0.28, of Debian 13.
    V0_28,
    /// That of Debian's unstable suite: 0.33 or later.
    Newest,
}

/// The folder that the package of Alertmanager is unpacked into: its program needs other files of it.
pub fn alertmanager(version: AlertmanagerVersion) -> Option<PathBuf> {
    let package = match version {
        AlertmanagerVersion::V0_28 => "am",
        AlertmanagerVersion::Newest => "am-newest",
    };
    let program = in_peers(&format!("{package}/usr/bin/prometheus-alertmanager"))?;
    program.ancestors().nth(3).map(Path::to_owned)
}

/// `VictoriaMetrics`, the single-node server.
pub fn victoria_metrics() -> Option<PathBuf> {
    in_peers("vm/usr/bin/victoria-metrics")
}

/// etcd: 3.5, of Debian 13, or the one that `WHARF_ETCD` names.
pub fn etcd() -> Option<PathBuf> {
    path_from_environment("WHARF_ETCD").or_else(|| in_peers("etcd/usr/bin/etcd"))
}

/// Its tool.
pub fn etcdctl() -> Option<PathBuf> {
    in_peers("etcd/usr/bin/etcdctl")
}

/// The collector of `OpenTelemetry`, made of what is needed to scrape.
pub fn collector() -> Option<PathBuf> {
    Some(client("scrapers")?.join("otelcol"))
}

/// The agent of `VictoriaMetrics`.
pub fn vmagent() -> Option<PathBuf> {
    in_peers("vm/usr/bin/vmagent")
}

/// Chromium, which opens the page as its readers do: the machine's own, or that of `WHARF_CHROMIUM`.
pub fn chromium() -> Option<PathBuf> {
    let named = setting("WHARF_CHROMIUM").map(PathBuf::from);
    let program = named.unwrap_or_else(|| installed("chromium"));
    found("Chromium", &program, "test")
}

/// The program that watches system calls, and makes them fail, of the package `strace`.
pub fn strace() -> Option<PathBuf> {
    found("strace", &installed("strace"), "test")
}

/// A shell for which there are completion scripts.
pub fn shell(name: &str) -> Option<PathBuf> {
    found(name, &installed(name), "test")
}

/// A command that starts another in namespaces of its own, as containers have them: `kinds` are flags of the program
/// `unshare`, such as `--net`. None where the system does not allow it.
pub fn namespaces(kinds: &[&str]) -> Option<Vec<String>> {
    let mut command = vec![installed("unshare").display().to_string()];
    command.extend(["--user", "--map-root-user"].map(str::to_owned));
    command.extend(kinds.iter().map(|&kind| kind.to_owned()));
    let tried = command.split_first().map(|(program, flags)| {
        let mut trial = std::process::Command::new(program);
        trial.args(flags).arg("true").stderr(std::process::Stdio::null());
        trial.status().is_ok_and(|status| status.success())
    });
    if tried == Some(true) {
        return Some(command);
    }
    assert!(
        setting("WHARF_REQUIRE_PEERS").is_none(),
        "namespaces are required, but `{}` does not work here",
        command.join(" ")
    );
    None
}

/// Where the machine has a program, or its bare name.
fn installed(name: &str) -> PathBuf {
    let folders = setting("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&folders).map(|folder| folder.join(name));
    programs
        .find(|program| program.exists())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// The library that leads a program's clock, of the package `faketime`.
pub fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = libraries.find(|library| library.exists());
    found(
        "libfaketime",
        &library.unwrap_or_else(|| PathBuf::from("libfaketimeMT.so.1")),
        "test",
    )
}

/// A Python that can import `prometheus_client`.
pub fn python() -> Option<PathBuf> {
    let python = setting("WHARF_PYTHON").map_or_else(|| target().join("python/bin/python"), PathBuf::from);
    found("Python with prometheus_client", &python, "peers")
}

/// The folder that holds the client `interop/NAME`, built.
pub fn client(name: &str) -> Option<PathBuf> {
    let clients = setting("WHARF_INTEROP").map_or_else(|| target().join("interop"), PathBuf::from);
    // The stamp is written last: without it the folder may be half done.
    found(
        &format!("the client {name}"),
        &clients.join(format!("{name}.stamp")),
        "interop",
    )?;
    Some(clients.join(name))
}

/// A number that a person may set to repeat a run: the seed of the random tests, for instance.
///
/// # Panics
/// When the variable holds something else than a number.
pub fn number_from_environment(variable: &str) -> Option<u64> {
    setting(variable).map(|value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("expected a number in {variable}, found `{value}`"))
    })
}

/// A path that the environment names.
pub fn path_from_environment(variable: &str) -> Option<PathBuf> {
    setting(variable).map(PathBuf::from)
}

fn in_peers(path: &str) -> Option<PathBuf> {
    static PEERS: OnceLock<PathBuf> = OnceLock::new();
    let peers =
        PEERS.get_or_init(|| setting("WHARF_PEERS").map_or_else(|| target().join("peers"), PathBuf::from));
    found(path, &peers.join(path), "peers")
}

/// `command` is the one of `cargo xtask` that brings it.
fn found(what: &str, path: &Path, command: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path.to_owned());
    }
    assert!(
        setting("WHARF_REQUIRE_PEERS").is_none(),
        "{what} is required but not at {}: run `cargo xtask {command}`",
        path.display()
    );
    None
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// What a variable of the environment says, if it is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the tests read the environment"
)]
pub fn setting(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
