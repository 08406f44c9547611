//! A cluster of etcd, each member a process of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::owners::owner_of;
use crate::{Link, LinkMode, Process, peers};

/// The ports for clients and for other members. Each cluster has loopback addresses of its own, so they are always free.
const CLIENTS: u16 = 2379;
const MEMBERS: u16 = 2380;

/// A running cluster, killed when it goes out of scope. Members can be killed and started again, and paused.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    flags: Vec<String>,
    folder: TempDir,
    /// The way to each member for the others; none where they are not to be parted.
    links: Vec<Link>,
    processes: Processes,
}

/// The numbers of the processes of members that run.
type Processes = Arc<Mutex<Vec<Option<u32>>>>;

/// Keys that only take room, and how large each is.
const FILLING: &str = "/filling/";
const FILLING_BYTES: usize = 1_400_000;

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
        Self::start_linked(members, flags, prepare, false)
    }

    /// The same, of members that can be parted from each other.
    #[track_caller]
    pub fn start_apart(members: usize, flags: &[&str]) -> Option<Self> {
        Self::start_linked(members, flags, |_| {}, true)
    }

    #[track_caller]
    fn start_linked(
        members: usize,
        flags: &[&str],
        prepare: impl FnOnce(&str),
        is_apart: bool,
    ) -> Option<Self> {
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
            links: Vec::new(),
            processes: Arc::new(Mutex::new(vec![None; members])),
        };
        if is_apart {
            etcd.links = etcd.make_links();
        }
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

    /// A link to each member, which knows the others apart by their processes.
    fn make_links(&self) -> Vec<Link> {
        let members = self.members.iter().map(|member| {
            let processes = Arc::clone(&self.processes);
            let target = SocketAddr::from((member.address, MEMBERS));
            Link::of_several(target, self.members.len(), move |end| {
                let now = || processes.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let owner = owner_of(end, || now().into_iter().flatten())?;
                now().iter().position(|process| *process == Some(owner))
            })
        });
        members.collect()
    }

    /// What the network between a member and all others does from now on.
    pub fn around(&self, member: usize, mode: LinkMode) {
        for (other, link) in self.links.iter().enumerate() {
            if other == member {
                link.set(mode);
            } else {
                link.set_for(member, mode);
            }
        }
    }

    /// Writes keys that only take room, until etcd takes nothing more.
    ///
    /// # Panics
    /// If it takes very much.
    #[track_caller]
    pub fn fill(&self) {
        let filling = "x".repeat(FILLING_BYTES);
        for number in 0..1000 {
            let mut command = self.command(&["put", &format!("{FILLING}{number}")]);
            let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
            let mut child = command.stderr(Stdio::piped()).spawn().expect("run etcdctl");
            let stdin = child.stdin.take();
            // It may have given up already.
            drop(stdin.map(|mut stdin| stdin.write_all(filling.as_bytes())));
            let output = child.wait_with_output().expect("wait for etcdctl");
            let told = String::from_utf8_lossy(&output.stderr);
            if told.contains("database space exceeded") {
                return;
            }
            assert!(output.status.success(), "etcdctl put: {told}");
        }
        panic!("expected etcd to be full, found it to take more and more");
    }

    /// Takes these keys away again, and what is left of old revisions, as who looks after a full etcd has to.
    #[track_caller]
    pub fn make_room(&self) {
        self.control(&["del", "--prefix", FILLING]);
        let told = self.control(&["get", FILLING, "--write-out=json"]);
        let told: serde_json::Value = serde_json::from_str(&told).expect("etcdctl writes JSON");
        let revision = told["header"]["revision"].as_u64().expect("a revision");
        self.control(&["compact", "--physical", &revision.to_string()]);
        self.control(&["defrag"]);
        self.control(&["alarm", "disarm"]);
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
            self.note_process(number);
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
        let output = self.command(arguments).output().expect("run etcdctl");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = peers::etcdctl().expect("whoever has etcd has etcdctl");
        let mut command = Command::new(program);
        command.arg("--endpoints").arg(self.urls().join(","));
        command.args(arguments).env("ETCDCTL_API", "3");
        command
    }

    fn note_process(&self, number: usize) {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let member = self.members.get(number);
        if let Some(process) = processes.get_mut(number) {
            *process = member.and_then(|member| Some(member.process.as_ref()?.id()));
        }
    }

    /// Where the others find a member.
    fn place(&self, number: usize) -> String {
        match (self.links.get(number), self.members.get(number)) {
            (Some(link), _) => format!("http://{}", link.address()),
            (None, Some(member)) => format!("http://{}:{MEMBERS}", member.address),
            (None, None) => String::new(),
        }
    }

    fn name(number: usize) -> String {
        format!("member{number}")
    }

    #[track_caller]
    fn spawn(&mut self, number: usize) {
        let cluster =
            (0..self.members.len()).map(|number| format!("{}={}", Self::name(number), self.place(number)));
        let cluster: Vec<String> = cluster.collect();
        let (scheme, place) = (self.scheme(), self.place(number));
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
                &place,
            ])
            .args(["--initial-cluster", &cluster.join(",")])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        member.process = Some(Process::start(command));
        self.note_process(number);
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
