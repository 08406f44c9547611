//! `VictoriaMetrics` and its agent as scrapers.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::query::Querier;
use crate::{Process, peers};

/// A running `VictoriaMetrics`, killed when it goes out of scope. It is asked as any [`Querier`].
#[derive(Debug)]
pub struct VictoriaMetrics {
    querier: Querier,
}

impl VictoriaMetrics {
    /// Starts the single-node server, which scrapes what a configuration file of that text says. `None` if it is
    /// not there and not required.
    #[track_caller]
    pub fn start(scrape_config: &str) -> Option<Self> {
        // What has been scraped is there to be asked for at once.
        let flags = ["-storageDataPath=data", "-search.latencyOffset=0s"];
        let querier = start(&peers::victoria_metrics()?, scrape_config, &flags);
        Some(Self { querier })
    }

    /// Starts an agent that scrapes and sends what it sees to `storage`. `None` if it is not there and not
    /// required.
    #[track_caller]
    pub fn agent(storage: SocketAddr, scrape_config: &str) -> Option<Process> {
        let flags = [
            &format!("-remoteWrite.url=http://{storage}/api/v1/write"),
            "-remoteWrite.tmpDataPath=data",
            "-remoteWrite.flushInterval=100ms",
        ];
        let querier = start(&peers::vmagent()?, scrape_config, &flags);
        Some(querier.into_process())
    }
}

#[track_caller]
fn start(program: &Path, scrape_config: &str, flags: &[&str]) -> Querier {
    let folder = tempfile::tempdir().expect("create a folder for the configuration");
    let file = folder.path().join("scrape.yml");
    std::fs::write(&file, scrape_config).expect("write the configuration");
    let mut command = Command::new(program);
    command
        .arg(format!("-promscrape.config={}", file.display()))
        .arg("-httpListenAddr=127.0.0.1:0")
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let querier = Querier::new(Process::start(command));
    // From here on the configuration has been read.
    querier.process().log_line("service discovery routines in");
    querier
}

impl Deref for VictoriaMetrics {
    type Target = Querier;

    fn deref(&self) -> &Querier {
        &self.querier
    }
}
