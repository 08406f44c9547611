//! A real Alertmanager, and a receiver of webhooks and of alerts.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;

use crate::peers::{self, AlertmanagerVersion};
use crate::query::Querier;
use crate::{DEADLINE, Process};

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

/// Takes JSON by `POST`, and answers what it is told to.
#[derive(Debug)]
pub struct JsonReceiver {
    address: SocketAddr,
    received: Receiver<(String, Value)>,
}

impl JsonReceiver {
    /// Answers each request with the next of these statuses, and ever after with the last one.
    pub fn start(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                let status = statuses.get(number).or(statuses.last());
                let status = status.copied().unwrap_or("200 OK");
                let Some(request) = read(&stream) else { continue };
                if sender.send(request).is_err() || answer(&stream, status).is_err() {
                    return;
                }
            }
        });
        Self { address, received }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The head of the next request, and its body.
    #[track_caller]
    pub fn next(&self) -> (String, Value) {
        self.received.recv_timeout(DEADLINE).expect("a request with JSON")
    }

    /// Whether nothing more has come so far.
    pub fn is_left_alone(&self) -> bool {
        self.received.try_recv().is_err()
    }
}

fn read(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let small = head.to_lowercase();
    let length = small
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

/// As Slack does: a text that is called a page.
fn answer(mut stream: &TcpStream, status: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"
    )
}
