//! The programs that are measured, and how each is started.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::bodies::{Body, Format};
use crate::check;
use crate::endpoint::{Endpoint, Tls};
use crate::load::{Groups, Length, Load, Outcome, Pushed};
use crate::process::{Server, free_address};
use crate::template::Request;

/// Where the programs are, and where they may write.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The executable of Wharf.
    pub wharf: PathBuf,
    /// The folder of the peers, as `cargo xtask bench` brings them.
    pub peers: PathBuf,
    /// Ourselves, for the floors.
    pub bench: PathBuf,
    /// A folder for data and logs. It should be on the disk that is meant to be measured.
    pub scratch: PathBuf,
    /// The URLs of an etcd in which replicas share their groups.
    pub etcd: Option<String>,
}

/// A program and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wharf, each push on stable storage before it is answered (the default).
    WharfAlways,
    /// The same with a log that grows as long as it likes.
    WharfLog,
    /// The same for very many connections.
    WharfMany,
    /// Wharf, on stable storage at most 100 ms later.
    Wharf100ms,
    /// Wharf without a folder.
    WharfMemory,
    /// Wharf as a replica, whose groups are in etcd.
    WharfEtcd,
    /// The same, which lets etcd forget its history.
    WharfEtcdCompacting,
    /// Another one.
    WharfEtcdSecond,
    /// And a third.
    WharfEtcdThird,
    /// The real Pushgateway as it comes.
    Real,
    /// The real Pushgateway with its consistency check switched off.
    RealUnchecked,
    /// Wharf, each push on stable storage, and TLS for everybody.
    WharfTls,
    /// The unchecked Pushgateway, likewise.
    RealTls,
    /// VictoriaMetrics, which takes pushes of the same form but keeps no groups.
    Victoria,
    /// Wharf's HTTP stack with a handler that reads the body and answers 200.
    Empty,
    /// The same with a handler that pushes the body to a store in memory, and does nothing else that Wharf does.
    Store,
    /// nginx with one static file.
    Nginx,
}

impl Kind {
    /// How the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WharfAlways => "Wharf, sync=always",
            Self::WharfLog => "Wharf, sync=always, no checkpoints",
            Self::WharfMany => "Wharf, sync=always, max-connections=19000",
            Self::Wharf100ms => "Wharf, sync=100ms",
            Self::WharfMemory => "Wharf, memory",
            Self::WharfEtcd => "Wharf, etcd",
            Self::WharfEtcdCompacting => "Wharf, etcd, compacting",
            Self::WharfEtcdSecond => "Wharf, etcd, second replica",
            Self::WharfEtcdThird => "Wharf, etcd, third replica",
            Self::Real => "Pushgateway",
            Self::RealUnchecked => "Pushgateway, unchecked",
            Self::WharfTls => "Wharf, sync=always, TLS",
            Self::RealTls => "Pushgateway, unchecked, TLS",
            Self::Victoria => "VictoriaMetrics",
            Self::Empty => "empty handler",
            Self::Store => "store without a gateway",
            Self::Nginx => "nginx, static file",
        }
    }

    /// What stands before `/metrics/job/...` in its push URLs.
    pub fn push_prefix(self) -> &'static str {
        match self {
            Self::Victoria => "/api/v1/import/prometheus",
            _ => "",
        }
    }

    /// A push request with `body`.
    pub fn request(self, body: &Body, format: Format) -> Request {
        body.request(self.push_prefix(), format)
    }

    fn command(
        self,
        programs: &Programs,
        address: SocketAddr,
        folder: &Path,
    ) -> Result<(Command, &'static str)> {
        let peer = |path: &str| {
            let program = programs.peers.join(path);
            ensure!(
                program.exists(),
                "{} is not there\nhint: run `cargo xtask bench`, which brings it",
                program.display()
            );
            Ok(Command::new(program))
        };
        let wharf = |storage: &[String]| {
            ensure!(
                programs.wharf.exists(),
                "{} is not there\nhint: run `cargo build --release`",
                programs.wharf.display()
            );
            let mut command = Command::new(&programs.wharf);
            command
                .arg(format!("--web.listen-address={address}"))
                .args(["--web.enable-admin-api", "--web.enable-openmetrics"])
                .args(storage);
            Ok(command)
        };
        let path = format!("--storage.path={}", folder.join("data").display());
        let real = || {
            let mut command = peer("pgw/usr/bin/prometheus-pushgateway")?;
            command
                .arg(format!("--web.listen-address={address}"))
                .arg("--web.enable-admin-api")
                .arg(format!(
                    "--web.local-assets={}",
                    programs
                        .peers
                        .join("pgw/usr/share/prometheus/pushgateway")
                        .display()
                ));
            anyhow::Ok(command)
        };
        Ok(match self {
            Self::WharfAlways => (wharf(&[path])?, "/-/ready"),
            Self::WharfLog => {
                let long = "--storage.checkpoint-bytes=1024GiB".to_owned();
                (wharf(&[path, long])?, "/-/ready")
            }
            Self::WharfMany => {
                let many = "--limits.max-connections=19000".to_owned();
                (wharf(&[path, many])?, "/-/ready")
            }
            Self::Wharf100ms => (wharf(&[path, "--storage.sync=100ms".to_owned()])?, "/-/ready"),
            Self::WharfMemory => (wharf(&["--storage.path=".to_owned()])?, "/-/ready"),
            Self::WharfEtcd | Self::WharfEtcdCompacting | Self::WharfEtcdSecond | Self::WharfEtcdThird => {
                let urls = programs.etcd.as_deref().context("expected an etcd, found none")?;
                let mut flags = vec![format!("--storage.etcd={urls}")];
                flags
                    .extend((self == Self::WharfEtcdCompacting).then(|| "--storage.etcd-compact".to_owned()));
                (wharf(&flags)?, "/-/ready")
            }
            Self::Real => {
                let mut command = real()?;
                command.arg(format!(
                    "--persistence.file={}",
                    folder.join(REAL_STATE).display()
                ));
                // The state is written at the end, not while something is timed.
                command.arg("--persistence.interval=24h");
                (command, "/-/ready")
            }
            Self::RealUnchecked => {
                let mut command = real()?;
                command.args(["--persistence.file=", "--push.disable-consistency-check"]);
                (command, "/-/ready")
            }
            Self::WharfTls | Self::RealTls => {
                let plain = if self == Self::WharfTls {
                    Self::WharfAlways
                } else {
                    Self::RealUnchecked
                };
                let (mut command, ready) = plain.command(programs, address, folder)?;
                command.arg(format!(
                    "--web.config.file={}",
                    folder.join(WEB_CONFIGURATION).display()
                ));
                (command, ready)
            }
            Self::Victoria => {
                let mut command = peer("vm/usr/bin/victoria-metrics")?;
                command.arg(format!("-httpListenAddr={address}"));
                command.arg(format!("-storageDataPath={}", folder.join("data").display()));
                (command, "/health")
            }
            Self::Empty => {
                let mut command = Command::new(&programs.bench);
                command.args(["empty-handler", &address.to_string()]);
                (command, "/")
            }
            Self::Store => {
                let mut command = Command::new(&programs.bench);
                command.args(["bare-store", &address.to_string()]);
                (command, "/")
            }
            Self::Nginx => {
                let configuration = folder.join("nginx.conf");
                fs::write(&configuration, nginx_configuration(address, folder)).context("configure nginx")?;
                let mut command = peer("nginx/usr/sbin/nginx")?;
                command.arg("-p").arg(folder).arg("-c").arg(configuration);
                (command, "/metrics")
            }
        })
    }
}

const REAL_STATE: &str = "state";
const WEB_CONFIGURATION: &str = "web.yml";

/// Writes a certificate for a server on this machine into its folder, and the settings that name it. Returns what its
/// clients need.
fn configure_tls(address: SocketAddr, folder: &Path) -> Result<Tls> {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([address.ip().to_string()]).context("make a certificate")?;
    for (name, text) in [
        ("server.crt", cert.pem()),
        ("server.key", signing_key.serialize_pem()),
        (
            WEB_CONFIGURATION,
            "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n".to_owned(),
        ),
    ] {
        fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
    }
    Tls::trusting(&cert.pem())
}

/// One process that does everything, so that its CPU time is all there is.
fn nginx_configuration(address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; gzip_static on; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;\n\
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
         server {{ listen {address}; root {folder}/www; default_type text/plain; }}\n\
         }}\n"
    )
}

/// A running program, and what it should hold.
#[derive(Debug)]
pub struct Subject {
    /// Which program.
    pub kind: Kind,
    /// Its process.
    pub server: Server,
    /// What was pushed to it.
    pub pushed: Pushed,
    programs: Programs,
    folder: PathBuf,
}

impl Subject {
    /// Starts the program with nothing in it.
    ///
    /// # Errors
    /// If it is not there, or does not become ready.
    pub fn start(programs: &Programs, kind: Kind) -> Result<Self> {
        let folder = empty_folder(programs, kind)?;
        Self::start_in(programs, kind, folder)
    }

    /// Starts nginx with a file of these bytes at `/metrics`, and what they are compressed.
    ///
    /// # Errors
    /// If it is not there, or does not become ready.
    pub fn start_nginx(programs: &Programs, file: &[u8], compressed: &[u8]) -> Result<Self> {
        let folder = empty_folder(programs, Kind::Nginx)?;
        let www = folder.join("www");
        fs::create_dir(&www).with_context(|| format!("create {}", www.display()))?;
        fs::write(www.join("metrics"), file).context("write the static file")?;
        fs::write(www.join("metrics.gz"), compressed).context("write the static file")?;
        Self::start_in(programs, Kind::Nginx, folder)
    }

    /// Starts the real Pushgateway with `groups` groups in it already.
    ///
    /// Filling it through its checked push would take minutes, so another one without the check writes the state
    /// file that this one starts from.
    ///
    /// # Errors
    /// If one of the two does not start, or does not hold what was pushed.
    pub fn start_real_filled(programs: &Programs, body: &Body, groups: u32) -> Result<Self> {
        let folder = empty_folder(programs, Kind::Real)?;
        let address = free_address()?;
        let (mut command, ready) = Kind::Real.command(programs, address, &folder)?;
        command.arg("--push.disable-consistency-check");
        let mut filling = Self {
            kind: Kind::RealUnchecked,
            server: Server::start(&mut command, address.into(), ready, folder.join("filling.log"))?,
            pushed: Pushed::default(),
            programs: programs.clone(),
            folder,
        };
        filling.fill(body, groups)?;
        filling.check(body)?;
        filling
            .server
            .terminate()
            .context("end the Pushgateway that writes the state")?;
        let mut subject = Self::start_in(programs, Kind::Real, filling.folder.clone())?;
        subject.pushed = std::mem::take(&mut filling.pushed);
        subject.check(body)?;
        Ok(subject)
    }

    fn start_in(programs: &Programs, kind: Kind, folder: PathBuf) -> Result<Self> {
        Ok(Self {
            kind,
            server: start_server(programs, kind, &folder)?,
            pushed: Pushed::default(),
            programs: programs.clone(),
            folder,
        })
    }

    /// Kills it and starts it again on what it has left behind. Returns how long it took to be ready.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<Duration> {
        self.server.kill();
        let begin = Instant::now();
        self.server = start_server(&self.programs, self.kind, &self.folder)?;
        Ok(begin.elapsed())
    }

    /// Asks it to end, waits until it has, and starts it again on what it has left behind.
    ///
    /// # Errors
    /// If it does not end, or as [`Self::start`].
    pub fn end_and_start(&mut self) -> Result<()> {
        self.server.terminate()?;
        self.server = start_server(&self.programs, self.kind, &self.folder)?;
        Ok(())
    }

    /// Pushes each of `groups` groups once, and waits until the server has nothing more to do.
    ///
    /// # Errors
    /// If the load fails, or the server refuses a push.
    pub fn fill(&mut self, body: &Body, groups: u32) -> Result<Outcome> {
        self.push_once(body, Format::Text, Groups::all(groups))
    }

    /// Pushes each of these groups once, likewise.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn push_once(&mut self, body: &Body, format: Format, groups: Groups) -> Result<Outcome> {
        // Large bodies take their time, and some servers refuse to take many of them at once.
        let connections = if body.series > 1_000 { 4 } else { 64 };
        let request = self.kind.request(body, format);
        let outcome = self.load(&Load::new(&request, groups, connections, Length::Turns(1)))?;
        self.server.settle()?;
        Ok(outcome)
    }

    /// Runs a load.
    ///
    /// # Errors
    /// If it fails, or the server refuses a push, or breaks a connection.
    pub fn load(&mut self, load: &Load<'_>) -> Result<Outcome> {
        let outcome = load.run(&self.server, &mut self.pushed)?;
        outcome.ensure_clean()?;
        Ok(outcome)
    }

    /// Compares what it holds with what was pushed.
    ///
    /// # Errors
    /// If they differ.
    pub fn check(&self, body: &Body) -> Result<()> {
        match self.kind {
            Kind::Empty | Kind::Nginx => Ok(()),
            Kind::Victoria => check::victoria_metrics_holds(&self.server, body, &self.pushed),
            _ => check::scrape_holds(&self.server, body, &self.pushed),
        }
        .context("check what it holds")
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.server.kill();
        // What stays is removed by the next start of the same kind.
        drop(fs::remove_dir_all(self.data()));
    }
}

fn empty_folder(programs: &Programs, kind: Kind) -> Result<PathBuf> {
    let folder = programs.scratch.join(format!("{kind:?}").to_lowercase());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    folder
        .canonicalize()
        .with_context(|| format!("find {}", folder.display()))
}

fn start_server(programs: &Programs, kind: Kind, folder: &Path) -> Result<Server> {
    let address = free_address()?;
    let tls = match kind {
        Kind::WharfTls | Kind::RealTls => Some(configure_tls(address, folder)?),
        _ => None,
    };
    let (mut command, ready) = kind.command(programs, address, folder)?;
    let endpoint = Endpoint { address, tls };
    Server::start(&mut command, endpoint, ready, folder.join("log"))
        .with_context(|| format!("start {}", kind.name()))
}
