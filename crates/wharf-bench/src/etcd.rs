//! An etcd of some members for the gateways that are measured, and a client that uses it as anybody would.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use wharf_etcd::{EtcdSettings, Member};
use wharf_shared_log::{Expect, Put, SharedLog as _, Txn};

use crate::process::{CpuTime, Server};
use crate::subject::Programs;

/// Where the members listen: apart from everything else on this machine.
const NETWORK: [u8; 3] = [127, 201, 7];
const CLIENTS: u16 = 2379;
const MEMBERS: u16 = 2380;

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    members: Vec<Server>,
    urls: Vec<String>,
    /// The file of the first member.
    database: PathBuf,
}

/// The program of etcd.
///
/// # Errors
/// If it is not there.
pub(crate) fn program(programs: &Programs) -> Result<PathBuf> {
    let program = programs.peers.join("etcd/usr/bin/etcd");
    ensure!(
        program.exists(),
        "{} is not there\nhint: run `cargo xtask bench`, which brings it",
        program.display()
    );
    Ok(program)
}

impl Cluster {
    /// Starts one of so many members, empty, on the disk that is measured, and with etcd's own settings.
    ///
    /// # Errors
    /// If etcd is not there, or does not start.
    pub(crate) fn start(programs: &Programs, members: u8) -> Result<Self> {
        let program = program(programs)?;
        let folder = programs.scratch.join("etcd");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let address = |member: u8| {
            let [a, b, c] = NETWORK;
            Ipv4Addr::new(a, b, c, member + 1)
        };
        let all = (0..members).map(|member| format!("m{member}=http://{}:{MEMBERS}", address(member)));
        let all = all.collect::<Vec<_>>().join(",");
        let start = |member: u8| {
            let (clients, peers) = (
                format!("http://{}:{CLIENTS}", address(member)),
                format!("http://{}:{MEMBERS}", address(member)),
            );
            let mut command = Command::new(&program);
            command
                .args(["--name", &format!("m{member}"), "--log-level", "error"])
                .arg("--data-dir")
                .arg(folder.join(format!("m{member}")))
                .args([
                    "--listen-client-urls",
                    &clients,
                    "--advertise-client-urls",
                    &clients,
                ])
                .args([
                    "--listen-peer-urls",
                    &peers,
                    "--initial-advertise-peer-urls",
                    &peers,
                ])
                .args(["--initial-cluster", &all]);
            let endpoint = SocketAddr::from((address(member), CLIENTS)).into();
            let log = folder.join(format!("m{member}.log"));
            Server::start(&mut command, endpoint, "/health", log).context("start etcd")
        };
        // None is healthy before most are there.
        let members = thread::scope(|scope| {
            let starting: Vec<_> = (0..members)
                .map(|member| scope.spawn(move || start(member)))
                .collect();
            let started = starting.into_iter().map(thread::ScopedJoinHandle::join);
            let started =
                started.map(|member| member.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            started.collect::<Result<Vec<_>>>()
        })?;
        let urls = members
            .iter()
            .map(|member| format!("http://{}", member.endpoint().address));
        Ok(Self {
            urls: urls.collect(),
            database: folder.join("m0/member/snap/db"),
            members,
        })
    }

    /// The URLs of the members, with commas between them.
    pub(crate) fn urls(&self) -> String {
        self.urls.join(",")
    }

    /// Bytes of the first member: its database, and in memory.
    ///
    /// # Errors
    /// If it has gone.
    pub(crate) fn weight(&self) -> Result<(u64, u64)> {
        let member = self.members.first().context("expected a member, found none")?;
        let metadata = fs::metadata(&self.database).context("look at the database of etcd")?;
        Ok((metadata.len(), member.resident_bytes()?))
    }

    /// Processor time of all members.
    ///
    /// # Errors
    /// If one has gone.
    pub(crate) fn cpu(&self) -> Result<Vec<CpuTime>> {
        self.members.iter().map(Server::cpu).collect()
    }

    /// What they have used since.
    ///
    /// # Errors
    /// If one has gone.
    pub(crate) fn cpu_since(&self, earlier: &[CpuTime]) -> Result<Duration> {
        let now = self.cpu()?;
        Ok(now
            .iter()
            .zip(earlier)
            .map(|(now, earlier)| now.since(*earlier))
            .sum())
    }

    /// Kills the member that leads, and says which one it was.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn kill_leader(&mut self) -> Result<usize> {
        let runtime = runtime()?;
        for number in 0..self.members.len() {
            let etcd = self.client(number)?;
            let about = runtime.block_on(etcd.about()).context("ask a member of etcd")?;
            if about.is_leader {
                self.members[number].kill();
                return Ok(number);
            }
        }
        anyhow::bail!("no member of etcd says that it leads")
    }

    /// A connection of its own, to this member first.
    fn client(&self, first: usize) -> Result<wharf_etcd::Etcd> {
        let mut members = self
            .urls
            .iter()
            .map(|url| url.parse::<Member>())
            .collect::<Result<Vec<_>, _>>()?;
        let count = members.len();
        members.rotate_left(first % count);
        Ok(wharf_etcd::Etcd::new(EtcdSettings {
            members,
            prefix: Bytes::from_static(b"/plain/"),
            user: None,
            authorities: None,
            identity: None,
        }))
    }

    /// Puts values of so many bytes, one a request, over so many connections, each of which waits for the answer before it puts the
    /// next one.
    ///
    /// # Errors
    /// If a put fails.
    pub(crate) fn put_plainly(
        &self,
        connections: usize,
        bytes: usize,
        keys: usize,
        window: Duration,
    ) -> Result<Puts> {
        let runtime = runtime()?;
        let clients: Vec<_> = (0..connections).map(|_| self.client(0)).collect::<Result<_>>()?;
        let (counts, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let count = Arc::new(AtomicU64::new(0));
        let latency = Arc::new(Mutex::new(Histogram::<u64>::new_with_max(60_000_000, 3)?));
        let tasks: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(number, client)| {
                let (counts, ends) = (Arc::clone(&counts), Arc::clone(&ends));
                let (count, latency) = (Arc::clone(&count), Arc::clone(&latency));
                runtime.spawn(async move {
                    let mut turn = number;
                    let value = Bytes::from(vec![b'x'; bytes]);
                    while !ends.load(Ordering::Relaxed) {
                        turn += connections;
                        let put = Put {
                            key: format!("{:06}", turn % keys).into(),
                            value: value.clone(),
                            expect: Expect::Any,
                            lease: None,
                        };
                        let began = Instant::now();
                        let txn = Txn {
                            puts: vec![put],
                            ..Txn::default()
                        };
                        client.commit(txn).await?;
                        if counts.load(Ordering::Relaxed) {
                            count.fetch_add(1, Ordering::Relaxed);
                            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                            latency
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .saturating_record(micros);
                        }
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        thread::sleep(window / 5);
        counts.store(true, Ordering::Relaxed);
        let (began, cpu) = (Instant::now(), self.cpu()?);
        thread::sleep(window);
        counts.store(false, Ordering::Relaxed);
        let (elapsed, cpu) = (began.elapsed(), self.cpu_since(&cpu)?);
        ends.store(true, Ordering::Relaxed);
        for task in tasks {
            runtime.block_on(task).context("a client of etcd")??;
        }
        let latency = latency.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Puts {
            count: count.load(Ordering::Relaxed),
            elapsed,
            cpu,
            latency: latency.clone(),
        })
    }
}

/// What a plain client has measured.
#[derive(Debug)]
pub(crate) struct Puts {
    /// Puts that were committed.
    pub(crate) count: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// Processor time of etcd.
    pub(crate) cpu: Duration,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start a runtime")
}
