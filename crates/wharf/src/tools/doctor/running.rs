//! What a gateway that runs says of itself.

use serde::Deserialize;
use wharf_client::{Client, ClientError, Request};

use super::finding::{Level, Report};
use super::ledger::Holder;
use super::settings::Files;
use crate::config::Config;
use crate::tools::gateway::GatewayFlags;
use crate::version::BUILD;

const GATEWAY: &str = "gateway";
const VERSION: &str = "its-version";
const STORAGE: &str = "its-storage";
const PROBLEMS: &str = "its-problems";
const LIMITS: &str = "its-limits";

/// From how many parts of a hundred on a limit is nearly reached.
const NEARLY: u64 = 90;

/// What others want to know of it.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// Whether there is one.
    pub(super) is_there: bool,
    /// Its clock.
    pub(super) now: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct Status {
    build_information: Build,
    /// A Pushgateway has none of what follows.
    now_seconds: Option<f64>,
    storage: Option<Storage>,
    #[serde(default)]
    problems: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
struct Build {
    #[serde(default)]
    version: String,
    #[serde(default)]
    revision: String,
}

#[derive(Debug, Deserialize)]
struct Storage {
    state: String,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Problem {
    severity: String,
    summary: String,
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stats {
    #[serde(default)]
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
struct Limit {
    name: String,
    selector: Option<String>,
    #[serde(rename = "limit")]
    max: Option<u64>,
    used: u64,
}

/// Asks the gateway that is named, or the one that these flags would make. One that does not answer is missed only if somebody
/// has its folder open, or it is named.
pub(super) fn examine(
    flags: &GatewayFlags,
    config: &Config,
    files: &Files,
    holder: Option<&Holder>,
    report: &mut Report,
) -> Running {
    let is_named = flags.gateway.is_some();
    let client = match client(flags, config, files) {
        Ok(Some(client)) => client,
        Ok(None) => {
            report.ok(GATEWAY, "it listens at any free port: --gateway says where");
            return Running::default();
        }
        Err(error) => {
            let hint = "see the flags --gateway, --username and so on, and `client.yaml`";
            report.fail(
                GATEWAY,
                "to know how to ask the gateway",
                format!("{error:#}"),
                hint,
            );
            return Running::default();
        }
    };
    let url = client.address().as_str().to_owned();
    match client.send(&Request::get("/-/ready")) {
        Ok(_) => report.ok(GATEWAY, format!("ready at {url}")),
        Err(ClientError::Unreachable { .. }) if holder.is_none() && !is_named => {
            report.ok(GATEWAY, format!("none runs at {url}"));
            return Running::default();
        }
        Err(error) if error.status().is_some() => {
            let hint = "the answer says what is in the way; so does its log";
            report.fail(
                GATEWAY,
                format!("the gateway at {url} to be ready"),
                error.to_string(),
                hint,
            );
        }
        Err(error) => {
            let hint = "see whether it runs and where it listens; --gateway names another address, --ca-file its authority";
            report.fail(
                GATEWAY,
                format!("an answer of the gateway at {url}"),
                error.to_string(),
                hint,
            );
            return Running::default();
        }
    }
    let now = examine_status(&client, report);
    examine_limits(&client, report);
    Running { is_there: true, now }
}

/// How to ask the gateway; none if nobody knows where it listens.
fn client(flags: &GatewayFlags, config: &Config, files: &Files) -> anyhow::Result<Option<Client>> {
    let mut flags = flags.clone();
    if flags.gateway.is_none() {
        let Some(url) = url(config, files) else {
            return Ok(None);
        };
        flags.gateway = Some(url.parse()?);
    }
    flags.client().map(Some)
}

/// Where the page of a gateway with these settings is.
fn url(config: &Config, files: &Files) -> Option<String> {
    let listen = &config.listen;
    let address = listen.scrape_addresses.first().or(listen.addresses.first())?;
    let host = match address.host() {
        "" | "0.0.0.0" | "::" => "localhost".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let scheme = if files.has_tls { "https" } else { "http" };
    let prefix = config.routes.internal_prefix();
    let port = address.port();
    (port != 0).then(|| {
        format!(
            "{scheme}://{host}:{port}{}",
            prefix.as_str().trim_end_matches('/')
        )
    })
}

fn examine_status(client: &Client, report: &mut Report) -> Option<f64> {
    let status: Status = match ask(client, "/api/v1/status") {
        Ok(status) => status,
        Err(error) => {
            let hint = "name a user that may read: --username and --password-file, or --bearer-token-file";
            report.warn(GATEWAY, "to read its status", error, hint);
            return None;
        }
    };
    let build = &status.build_information;
    let Some(now) = status.now_seconds else {
        report.fail(
            VERSION,
            "Wharf",
            format!(
                "something else, such as a Pushgateway, of version {}",
                build.version
            ),
            "docs/migrate.md says how to bring its groups over",
        );
        return None;
    };
    if (build.version.as_str(), build.revision.as_str()) == (BUILD.version, BUILD.revision) {
        report.ok(VERSION, "the same as this program");
    } else {
        report.warn(
            VERSION,
            format!("{} {}, as this program", BUILD.version, BUILD.revision),
            format!("{} {}", build.version, build.revision),
            "restart the gateway, if this program has been put in the place of its own",
        );
    }
    if let Some(storage) = &status.storage {
        examine_storage(storage, report);
    }
    if status.problems.is_empty() {
        report.ok(PROBLEMS, "it knows of none");
    }
    for problem in status.problems {
        let level = if problem.severity == "critical" {
            Level::Error
        } else {
            Level::Warning
        };
        let detail = problem.detail.map(|detail| format!(": {detail}"));
        let found = format!("{}{}", problem.summary, detail.unwrap_or_default());
        let hint = "see docs/storage.md, docs/configuration.md or docs/web-config.md for what it is about";
        report.add(PROBLEMS, level, "a gateway without problems", found, hint);
    }
    Some(now)
}

fn examine_storage(storage: &Storage, report: &mut Report) {
    match (storage.state.as_str(), storage.reason.as_str()) {
        ("failed", reason) => report.fail(
            STORAGE,
            "to be able to store pushes",
            format!("that it cannot: {reason}"),
            "mend the disk, or make room: it goes on by itself; docs/storage.md has more",
        ),
        (state, "") => report.ok(STORAGE, state),
        (state, reason) => report.warn(
            STORAGE,
            "groups on disk",
            format!("{state}: {reason}"),
            "name a folder that can be written with --storage.path; or say that memory will do, with --storage.path=",
        ),
    }
}

fn examine_limits(client: &Client, report: &mut Report) {
    // Who may not see them has been told so of the status; a Pushgateway has none.
    let Ok(Stats { limits }) = ask(client, "/api/v1/stats") else {
        return;
    };
    let mut nearly = limits.iter().filter(|limit| limit.is_nearly_reached()).peekable();
    if nearly.peek().is_none() {
        report.ok(LIMITS, "none is nearly reached");
    }
    for Limit {
        name,
        selector,
        max,
        used,
    } in nearly
    {
        let whose = selector.as_ref().map(|selector| format!(" of {selector}"));
        let max = max.unwrap_or_default();
        let (flag, where_) = if selector.is_some() {
            ("", "in the file of --config.file")
        } else {
            ("--", "by its flag")
        };
        report.warn(
            LIMITS,
            format!(
                "less than {NEARLY} % of {flag}{name}{} in use",
                whose.unwrap_or_default()
            ),
            format!("{used} of {max}"),
            format!("raise it {where_}, or see who uses it: `wharf ls --sort=series --reverse`"),
        );
    }
}

impl Limit {
    fn is_nearly_reached(&self) -> bool {
        // Requests that ask for this are under way, too.
        let max = self.max.filter(|max| *max > 1);
        max.is_some_and(|max| u128::from(self.used) * 100 >= u128::from(max) * u128::from(NEARLY))
    }
}

fn ask<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<T, String> {
    let answer = client
        .send(&Request::get(path))
        .map_err(|error| error.to_string())?;
    let envelope: Result<Envelope<T>, _> = serde_json::from_slice(&answer.body);
    Ok(envelope.map_err(|error| error.to_string())?.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(max: Option<u64>, used: u64) -> Limit {
        Limit {
            name: "limits.max-groups".to_owned(),
            selector: None,
            max,
            used,
        }
    }

    #[test]
    fn a_limit_is_nearly_reached_from_nine_tenths_on() {
        assert!(!limit(None, u64::MAX).is_nearly_reached());
        assert!(!limit(Some(100), 89).is_nearly_reached());
        assert!(limit(Some(100), 90).is_nearly_reached());
        assert!(limit(Some(u64::MAX), u64::MAX).is_nearly_reached());
        assert!(!limit(Some(1), 1).is_nearly_reached());
        assert!(!limit(Some(0), 0).is_nearly_reached());
    }

    #[test]
    fn a_gateway_is_where_its_flags_put_its_page() {
        let at = |flags: &[&str], has_tls| {
            let config = crate::args::settings_of(flags.iter().map(Into::into).collect()).unwrap();
            url(&config, &Files { has_tls })
        };
        assert_eq!(at(&[], false).as_deref(), Some("http://localhost:9091"));
        assert_eq!(
            at(&["--web.listen-address=[::1]:1", "--web.route-prefix=/a/"], true).as_deref(),
            Some("https://[::1]:1/a")
        );
        assert_eq!(
            at(&["--web.scrape-address=10.0.0.1:2"], false).as_deref(),
            Some("http://10.0.0.1:2")
        );
        assert_eq!(at(&["--web.listen-address=:0"], false), None);
    }
}
