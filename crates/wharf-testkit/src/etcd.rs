//! A cluster of etcd, each member a process of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::{Process, peers};

/// The ports for clients and for other members. Each cluster has loopback addresses of its own, so they are always free.
const CLIENTS: u16 = 2379;
const MEMBERS: u16 = 2380;

/// A running cluster, killed when it goes out of scope. Members can be killed and started again, and paused.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    flags: Vec<String>,
    folder: TempDir,
}

#[derive(Debug)]
struct Member {
    address: Ipv4Addr,
    process: Option<Process>,
}

impl Etcd {
    /// Starts a cluster of so many members, with these flags beside those that it needs, and waits until all serve. `None` if
    /// etcd is not there and not required.
    #[track_caller]
    pub fn start(members: usize, flags: &[&str]) -> Option<Self> {
        Self::start_with(members, flags, |_| {})
    }

    /// The same, and does something before with the address of the first member: a certificate may be needed for it.
    #[track_caller]
    pub fn start_with(members: usize, flags: &[&str], prepare: impl FnOnce(&str)) -> Option<Self> {
        peers::etcd()?;
        let network = free_network();
        prepare(&Ipv4Addr::from(network + 1).to_string());
        let member = |number: usize| Member {
            address: Ipv4Addr::from(network + u32::try_from(number + 1).expect("a few members")),
            process: None,
        };
        let mut etcd = Self {
            members: (0..members).map(member).collect(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            folder: tempfile::tempdir().expect("create a folder for the members"),
        };
        // Those of a new cluster wait for each other.
        for number in 0..members {
            etcd.spawn(number);
        }
        for number in 0..members {
            etcd.wait_for(number);
        }
        Some(etcd)
    }

    /// The members' URLs for clients: `https://` if the flags name a certificate.
    pub fn urls(&self) -> Vec<String> {
        let scheme = self.scheme();
        let members = self.members.iter();
        members
            .map(|member| format!("{scheme}://{}:{CLIENTS}", member.address))
            .collect()
    }

    fn scheme(&self) -> &'static str {
        if self.flags.iter().any(|flag| flag.starts_with("--cert-file")) {
            "https"
        } else {
            "http"
        }
    }

    /// The process of a member that runs.
    #[track_caller]
    pub fn member(&self, number: usize) -> &Process {
        let member = self.members.get(number).expect("a member of the cluster");
        member.process.as_ref().expect("a member that runs")
    }

    /// Kills a member. What it had on disk stays.
    #[track_caller]
    pub fn kill(&mut self, number: usize) {
        let member = self.members.get_mut(number).expect("a member of the cluster");
        if let Some(mut process) = member.process.take() {
            process.kill();
            process.wait();
        }
    }

    /// Starts a member again that was killed, and waits until it serves.
    #[track_caller]
    pub fn restart(&mut self, number: usize) {
        self.kill(number);
        self.spawn(number);
        self.wait_for(number);
    }

    /// The same of several that were killed: none of them serves before most are there.
    #[track_caller]
    pub fn restart_together(&mut self, numbers: &[usize]) {
        for number in numbers {
            self.kill(*number);
            self.spawn(*number);
        }
        for number in numbers {
            self.wait_for(*number);
        }
    }

    /// What `etcdctl` prints when it is called with these arguments, for all members.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn control(&self, arguments: &[&str]) -> String {
        let program = peers::etcdctl().expect("whoever has etcd has etcdctl");
        let mut command = Command::new(program);
        command.arg("--endpoints").arg(self.urls().join(","));
        command.args(arguments).env("ETCDCTL_API", "3");
        let output = command.output().expect("run etcdctl");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn name(number: usize) -> String {
        format!("member{number}")
    }

    #[track_caller]
    fn spawn(&mut self, number: usize) {
        let cluster = self.members.iter().enumerate();
        let cluster = cluster
            .map(|(number, member)| format!("{}=http://{}:{MEMBERS}", Self::name(number), member.address));
        let cluster: Vec<String> = cluster.collect();
        let scheme = self.scheme();
        let member = self.members.get_mut(number).expect("a member of the cluster");
        let (clients, members) = (
            format!("{scheme}://{}:{CLIENTS}", member.address),
            format!("http://{}:{MEMBERS}", member.address),
        );
        let mut command = Command::new(peers::etcd().expect("looked for at the start"));
        command
            .args(["--name", &Self::name(number)])
            .arg("--data-dir")
            .arg(self.folder.path().join(Self::name(number)))
            .args([
                "--listen-client-urls",
                &clients,
                "--advertise-client-urls",
                &clients,
            ])
            .args([
                "--listen-peer-urls",
                &members,
                "--initial-advertise-peer-urls",
                &members,
            ])
            .args(["--initial-cluster", &cluster.join(",")])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        member.process = Some(Process::start(command));
    }

    #[track_caller]
    fn wait_for(&self, number: usize) {
        self.member(number).log_line("serving client traffic");
    }
}

/// A network of loopback addresses in which nobody listens: 127.x.y.0. Tests of other processes may look for one at the same
/// moment, so their numbers decide where each begins.
#[track_caller]
fn free_network() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let number = std::process::id().wrapping_mul(64) + NEXT.fetch_add(1, Ordering::Relaxed);
        // 127.1 is where the benchmark's clients come from.
        let network = u32::from(Ipv4Addr::new(127, 2, 0, 0)) + (number % 0xc000) * 256;
        let first = Ipv4Addr::from(network + 1);
        if TcpListener::bind((first, CLIENTS)).is_ok() {
            return network;
        }
    }
    panic!("a free loopback network was not found in a thousand attempts");
}
