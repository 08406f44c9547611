//! Bringing the programs that judge us.
//!
//! The real Pushgateway, Prometheus and `VictoriaMetrics` come from Debian packages of other suites than the machine
//! has. They are unpacked into a folder, not installed: the machine's own package source is copied with the suite
//! changed, and apt works on lists and caches of that folder. Python's client goes into a virtual environment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::{Step, root, variable};

/// A package: its name, the suite that has it, the folder it is unpacked into, the program inside.
type Package = (&'static str, &'static str, &'static str, &'static str);
const PACKAGES: [Package; 11] = [
    (
        "prometheus-pushgateway",
        "sid",
        "pgw",
        "usr/bin/prometheus-pushgateway",
    ),
    ("prometheus", "bookworm", "prom-2.42", "usr/bin/prometheus"),
    ("prometheus", "trixie", "prom", "usr/bin/prometheus"),
    ("promtool", "trixie", "prom", "usr/bin/promtool"),
    ("prometheus", "sid", "prom-3", "usr/bin/prometheus"),
    ("promtool", "sid", "prom-3", "usr/bin/promtool"),
    (
        "prometheus-alertmanager",
        "trixie",
        "am",
        "usr/bin/prometheus-alertmanager",
    ),
    (
        "prometheus-alertmanager",
        "sid",
        "am-newest",
        "usr/bin/prometheus-alertmanager",
    ),
    ("victoria-metrics", "trixie", "vm", "usr/bin/victoria-metrics"),
    ("etcd-server", "trixie", "etcd", "usr/bin/etcd"),
    ("etcd-client", "trixie", "etcd", "usr/bin/etcdctl"),
];
/// What only the benchmarks need. nginx is not a program of one file: an older suite's runs on newer systems too.
const BENCHMARK_PACKAGES: [Package; 1] = [("nginx", "bookworm", "nginx", "usr/sbin/nginx")];
/// Wharf's behaviour is compared with this version; others differ in texts.
const PUSHGATEWAY: &str = "pushgateway, version 1.11.2 ";
const PYTHON_CLIENT: &str = "prometheus-client>=0.22";
/// What is called from the machine itself: a command that fails where it is missing, and the package that has it.
type Tool = (&'static str, &'static [&'static str], &'static str);
const TOOLS: [Tool; 8] = [
    ("chromium", &["--version"], "chromium"),
    ("curl", &["--version"], "curl"),
    FAKETIME,
    ("fish", &["--version"], "fish"),
    ("python3", &["-c", "import ensurepip, venv"], "python3-venv"),
    ("sh", &["-c", ":"], "dash"),
    STRACE,
    ("zsh", &["--version"], "zsh"),
];
/// A clock that can be led.
const FAKETIME: Tool = ("faketime", &["--version"], "faketime");
/// System calls that fail.
const STRACE: Tool = ("strace", &["--version"], "strace");

/// What the screenshots need besides: letters.
const SCREENSHOT_TOOLS: [Tool; 3] = [
    TOOLS[0],
    FAKETIME,
    ("sh", &["-c", "fc-list | grep -q DejaVu"], "fonts-dejavu-core"),
];

/// Where the peers are.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) folder: PathBuf,
    pub(crate) python: PathBuf,
}

/// Finds the peers, and downloads those that are missing.
pub(crate) fn bring() -> Result<Peers> {
    install(&TOOLS)?;
    let folder = bring_packages(&PACKAGES)?;
    for (package, _, place, program) in PACKAGES {
        let program = folder.join(place).join(program);
        ensure!(program.exists(), "{package} is not at {}", program.display());
    }
    let version = Step::new(folder.join("pgw/usr/bin/prometheus-pushgateway"), &["--version"]).output();
    let version = version
        .as_deref()
        .and_then(|text| text.lines().next())
        .unwrap_or_default();
    ensure!(
        version.starts_with(PUSHGATEWAY),
        "expected `{PUSHGATEWAY}...`, found `{version}`\nhint: set WHARF_PEERS to a folder that has \
         pgw/usr/bin/prometheus-pushgateway of that version and prom/usr/bin/prometheus"
    );
    let python = match variable("WHARF_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => virtual_environment(&target()?.join("python"))?,
    };
    eprintln!("peers: {}, {}", folder.display(), python.display());
    Ok(Peers { folder, python })
}

/// Finds what Wharf is measured beside, and downloads what is missing. Returns the folder of it all; in one that
/// was named something may be missing, which is then not measured.
pub(crate) fn bring_for_benchmarks() -> Result<PathBuf> {
    let shared = PACKAGES
        .into_iter()
        .filter(|(_, _, place, _)| ["pgw", "vm", "etcd"].contains(place));
    bring_packages(&shared.chain(BENCHMARK_PACKAGES).collect::<Vec<_>>())
}

fn bring_packages(packages: &[Package]) -> Result<PathBuf> {
    match variable("WHARF_PEERS") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => download(&target()?.join("peers"), packages),
    }
}

/// The folder for everything that is built or downloaded.
pub(crate) fn target() -> Result<PathBuf> {
    let target = root().join("target");
    fs::create_dir_all(&target).with_context(|| format!("create {}", target.display()))?;
    Ok(target)
}

/// Installs what the screenshots need.
pub(crate) fn bring_for_screenshots() -> Result<()> {
    install(&SCREENSHOT_TOOLS)
}

/// Installs what some faults of a soak need.
pub(crate) fn bring_for_soak() -> Result<()> {
    install(&[FAKETIME, STRACE])
}

/// Installs what counts instructions.
pub(crate) fn bring_for_instructions() -> Result<()> {
    install(&[("callgrind_control", &["--version"], "valgrind")])
}

/// Reads compose files. It needs no engine for that.
const COMPOSE: Package = (
    "docker-compose",
    "trixie",
    "compose",
    "usr/libexec/docker/cli-plugins/docker-compose",
);

/// Finds what the compose file is tried with, and downloads what is missing. Returns the folder of it all.
pub(crate) fn bring_for_compose() -> Result<PathBuf> {
    let prometheus = PACKAGES.into_iter().filter(|(_, _, place, _)| *place == "prom-3");
    bring_packages(&prometheus.chain([COMPOSE]).collect::<Vec<_>>())
}

/// Installs the compiler for C programs that need nothing of the system.
pub(crate) fn bring_for_static_builds() -> Result<()> {
    install(&[("musl-gcc", &["--version"], "musl-tools")])
}

/// Installs what tries packages and images, and what judges them.
pub(crate) fn bring_for_packages() -> Result<()> {
    install(&[
        ("buildah", &["--version"], "buildah"),
        ("lintian", &["--version"], "lintian"),
        ("mmdebstrap", &["--version"], "mmdebstrap"),
        ("rpm", &["--version"], "rpm"),
        ("rpmlint", &["--version"], "rpmlint"),
        ("setpriv", &["--version"], "util-linux"),
        ("skopeo", &["--version"], "skopeo"),
        ("systemd-analyze", &["--version"], "systemd"),
        ("systemd-nspawn", &["--version"], "systemd-container"),
        ("umoci", &["--version"], "umoci"),
    ])
}

fn install(tools: &[Tool]) -> Result<()> {
    let missing: Vec<_> = tools
        .iter()
        .filter(|(program, args, _)| Step::new(program, args).output().is_none())
        .map(|&(_, _, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let user = Step::new("id", &["-u"]).output().unwrap_or_default();
    if user.trim() != "0" {
        bail!(
            "missing programs\nhint: run `apt-get install {}` as root",
            missing.join(" ")
        );
    }
    Step::new("apt-get", &["--quiet", "--quiet", "update"]).run()?;
    Step::new(
        "apt-get",
        &["--quiet", "--yes", "install", "--no-install-recommends"],
    )
    .args(missing)
    .run()
}

fn virtual_environment(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let imports = || {
        Step::new(&python, &["-c", "import prometheus_client"])
            .output()
            .is_some()
    };
    if !imports() {
        Step::new("python3", &["-m", "venv"]).args([folder]).run()?;
        Step::new(&python, &["-m", "pip", "install", "--quiet", PYTHON_CLIENT]).run()?;
        ensure!(
            imports(),
            "prometheus_client cannot be imported by {}",
            python.display()
        );
    }
    Ok(python)
}

fn download(folder: &Path, packages: &[Package]) -> Result<PathBuf> {
    let missing: Vec<_> = packages
        .iter()
        .filter(|(_, _, place, program)| !folder.join(place).join(program).exists())
        .collect();
    if missing.is_empty() {
        return Ok(folder.to_owned());
    }
    for part in ["lists/partial", "cache/archives/partial"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    }
    let sources = folder.join("suite.sources");
    fs::write(&sources, newer_suites()?).with_context(|| format!("write {}", sources.display()))?;
    let apt = |command: &[&str]| {
        Step::new("apt-get", &["--quiet", "--quiet"])
            .args([
                format!("-oDir::Etc::sourcelist={}", sources.display()),
                "-oDir::Etc::sourceparts=/dev/null".to_owned(),
                format!("-oDir::State::Lists={}", folder.join("lists").display()),
                format!("-oDir::Cache={}", folder.join("cache").display()),
                "-oAPT::Sandbox::User=root".to_owned(),
            ])
            .args(command)
    };
    apt(&["update"]).run()?;
    for (package, suite, place, _) in missing {
        // One folder for each place, since there are several versions of one package.
        let debs = folder.join("debs").join(place);
        fs::create_dir_all(&debs).with_context(|| format!("create {}", debs.display()))?;
        apt(&["download", &format!("{package}/{suite}")])
            .folder(&debs)
            .run()?;
        let archive = archive(&debs, package)?;
        Step::new("dpkg", &["--extract"])
            .args([archive, folder.join(place)])
            .run()?;
    }
    Ok(folder.to_owned())
}

/// The downloaded archive of a package.
fn archive(folder: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(entry.path());
        }
    }
    bail!("apt has left no archive of {package} in {}", folder.display())
}

/// The machine's own source of Debian packages, as a source of the suites that have ours.
fn newer_suites() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let parts = Path::new("/etc/apt/sources.list.d");
    files.extend(
        fs::read_dir(parts)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path()),
    );
    let source = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| {
            let stanza = text.split("\n\n").find_map(deb822);
            stanza.or_else(|| text.lines().find_map(one_line))
        });
    source.context(
        "expected a source of Debian packages in /etc/apt, to fetch the real Pushgateway and Prometheus from\n\
         hint: set WHARF_PEERS to a folder that has pgw/usr/bin/prometheus-pushgateway and prom/usr/bin/prometheus",
    )
}

fn stanza(uri: &str, signed_by: Option<&str>) -> String {
    let key = signed_by
        .map(|key| format!("Signed-By: {key}\n"))
        .unwrap_or_default();
    format!("Types: deb\nURIs: {uri}\nSuites: bookworm trixie sid\nComponents: main\n{key}")
}

/// Takes a stanza of a `.sources` file, unless it is of something else than Debian's main archive.
fn deb822(text: &str) -> Option<String> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let uri = field("URIs")?;
    (field("Types")?.split(' ').any(|kind| kind == "deb") && is_main_archive(uri))
        .then(|| stanza(uri, field("Signed-By")))
}

/// Takes a line of a `.list` file, likewise.
fn one_line(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?;
    let options = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let (options, rest) = options.unwrap_or(("", rest));
    let uri = rest.split_whitespace().next()?;
    let key = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="));
    is_main_archive(uri).then(|| stanza(uri, key))
}

fn is_main_archive(uri: &str) -> bool {
    uri.trim_end_matches('/').ends_with("/debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm trixie sid\nComponents: main\nSigned-By: /key.gpg\n";

    #[test]
    fn a_stanza_gets_other_suites() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian\nSuites: old old-updates\n\
                    Components: main contrib\nSigned-By: /key.gpg";
        assert_eq!(deb822(text).as_deref(), Some(EXPECTED));
    }

    #[test]
    fn a_line_gets_other_suites() {
        let line = "deb [arch=amd64 signed-by=/key.gpg] http://mirror.example/debian old main contrib";
        assert_eq!(one_line(line).as_deref(), Some(EXPECTED));
        assert!(one_line("deb http://mirror.example/debian/ old main").is_some());
    }

    #[test]
    fn other_archives_are_left_alone() {
        assert_eq!(
            one_line("deb http://mirror.example/debian-security old-security main"),
            None
        );
        assert_eq!(one_line("# deb http://mirror.example/debian old main"), None);
        assert_eq!(
            deb822("Types: deb-src\nURIs: http://mirror.example/debian\nSuites: old"),
            None
        );
    }
}
