//! A real Alertmanager, and a receiver of webhooks and of alerts.

use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Process;
use crate::peers::{self, AlertmanagerVersion};
use crate::query::Querier;
use crate::receiver::Requests;

/// Debian's program reads its templates from a place of the system, where nothing is installed: it gets a view of its own, in which
/// the package stands there.
const WITH_TEMPLATES: &str = "mount -t tmpfs tmpfs /usr/share && ln -s \"$1/usr/share/prometheus\" /usr/share/prometheus && shift && exec \"$@\"";

/// A running Alertmanager, killed when it goes out of scope.
#[derive(Debug)]
pub struct Alertmanager {
    querier: Querier,
}

impl Alertmanager {
    /// Starts one that sends everything to this webhook, at once. `None` if it is not there and not required.
    #[track_caller]
    pub fn start(version: AlertmanagerVersion, webhook: SocketAddr) -> Option<Self> {
        Self::start_with(version, webhook, &[])
    }

    /// The same with more flags.
    #[track_caller]
    pub fn start_with(version: AlertmanagerVersion, webhook: SocketAddr, more: &[String]) -> Option<Self> {
        let package = peers::alertmanager(version)?;
        let folder = tempfile::tempdir().expect("create a folder for the configuration");
        let file = folder.path().join("alertmanager.yml");
        let config = format!(
            "route: {{receiver: people, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: people, webhook_configs: [{{url: 'http://{webhook}/'}}]}}]\n"
        );
        std::fs::write(&file, config).expect("write the configuration");
        let view = peers::namespaces(&["--mount"])?;
        let (program, flags) = view.split_first()?;
        let mut command = Command::new(program);
        command
            .args(flags)
            .args(["sh", "-c", WITH_TEMPLATES, "sh"])
            .arg(&package)
            .arg(package.join("usr/bin/prometheus-alertmanager"))
            .arg(format!("--config.file={}", file.display()))
            .args(["--storage.path=data", "--web.listen-address=127.0.0.1:0"])
            .arg("--cluster.listen-address=")
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // It reads its configuration before it listens.
        let querier = Querier::new(Process::start(command));
        Some(Self { querier })
    }

    /// The alerts that it shows, those that are resolved not among them.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Value> {
        let alerts = self.ask("/api/v2/alerts");
        alerts.as_array().cloned().unwrap_or_default()
    }
}

impl Deref for Alertmanager {
    type Target = Querier;

    fn deref(&self) -> &Querier {
        &self.querier
    }
}

/// Takes JSON by `POST`, and answers what it is told to: of each request the head, and the body.
#[derive(Debug)]
pub struct JsonReceiver(Requests<(String, Value)>);

impl JsonReceiver {
    /// Answers each request with the next of these statuses, and ever after with the last one.
    pub fn start(statuses: &'static [&'static str]) -> Self {
        // As Slack does: a text that is called a page.
        let page = "Content-Type: text/html\r\nContent-Length: 2\r\n\r\nok";
        Self(Requests::start(statuses, page, |head, body| {
            Some((head, serde_json::from_slice(&body).ok()?))
        }))
    }
}

impl Deref for JsonReceiver {
    type Target = Requests<(String, Value)>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
