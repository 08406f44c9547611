//! A gateway in a process of its own.

use std::ffi::OsString;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::http::{Connection, Request, Response, get, post, put};
use crate::{Exit, Process, Scrape, peers, until};

/// Which gateway it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The real Pushgateway 1.11.2.
    Real,
    /// Ours.
    Wharf,
}

/// How to start a gateway.
#[derive(Debug)]
pub struct Spawn {
    kind: Kind,
    program: PathBuf,
    wrapper: Vec<OsString>,
    args: Vec<OsString>,
    /// Those that systemd hands over, and how many of them are of TCP.
    sockets: Option<(Vec<OwnedFd>, usize)>,
}

impl Spawn {
    /// The real Pushgateway; `None` if it is not there and not required.
    pub fn real() -> Option<Self> {
        Some(Self::new(Kind::Real, peers::pushgateway()?))
    }

    /// Wharf, from the given executable.
    pub fn wharf(program: impl Into<PathBuf>) -> Self {
        Self::new(Kind::Wharf, program.into())
    }

    fn new(kind: Kind, program: PathBuf) -> Self {
        Self {
            kind,
            program,
            wrapper: Vec::new(),
            args: Vec::new(),
            sockets: None,
        }
    }

    /// Which gateway it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Appends one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Lets this command start the gateway: it gets the program and its arguments appended.
    #[must_use]
    pub fn within<A: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// Hands one or two sockets over as systemd does: as file descriptors 3 and 4.
    #[must_use]
    pub fn sockets(self, sockets: [TcpListener; 2]) -> Self {
        let all = sockets.map(OwnedFd::from);
        self.descriptors(all, 2)
    }

    /// The same with sockets of any kind, of which so many are of TCP.
    #[must_use]
    pub fn descriptors(mut self, sockets: impl Into<Vec<OwnedFd>>, of_tcp: usize) -> Self {
        self.sockets = Some((sockets.into(), of_tcp));
        self
    }

    /// How many files it may open, and up to which number it may raise that by itself.
    #[must_use]
    pub fn open_files(self, soft: u64, hard: u64) -> Self {
        let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        self.within(["sh", "-c", &script])
    }

    /// Starts the gateway and waits until it listens: on a free port, unless an argument says where.
    #[track_caller]
    pub fn start(mut self) -> Gateway {
        let listeners = match &self.sockets {
            Some((_, of_tcp)) => *of_tcp,
            None => self.count("--web.listen-address"),
        };
        let apart = [
            "--web.push-address",
            "--web.scrape-address",
            "--web.admin-address",
        ];
        let apart = apart.map(|flag| self.count(flag));
        let others = ["--aggregate.listen-address", "--aggregate.lifecycle-address"];
        let others: usize = others.iter().map(|flag| self.count(flag)).sum();
        // An arguments file (`@file`) may name the address too.
        let is_named = listeners > 0 || self.count("@") > 0 || self.sockets.is_some();
        let is_needed = apart.contains(&0);
        if !is_named && is_needed {
            self.args.push("--web.listen-address=127.0.0.1:0".into());
        }
        let kind = self.kind;
        let is_handed_over = self.sockets.is_some();
        let mut process = Process::start(self.command(Stdio::null()));
        let addresses = process.listening(
            listeners.max(usize::from(is_needed && !is_handed_over)) + apart.iter().sum::<usize>() + others,
        );
        Gateway {
            kind,
            process,
            addresses,
            authorization: None,
        }
    }

    /// Runs the gateway to its end, as with `--version` or a flag that it refuses.
    #[track_caller]
    pub fn run(self) -> Exit {
        let mut process = Process::start(self.command(Stdio::piped()));
        let mut exit = process.wait();
        if let Some(mut stdout) = process.take_stdout() {
            stdout
                .read_to_string(&mut exit.stdout)
                .expect("read standard output");
        }
        exit
    }

    /// Runs the gateway on a free port, either to its end or until a line of its log has `needle`: then there is
    /// nothing to return.
    #[track_caller]
    pub fn run_until(mut self, needle: &str) -> Option<Exit> {
        self.args.push("--web.listen-address=127.0.0.1:0".into());
        let mut process = Process::start(self.command(Stdio::null()));
        until("the gateway to log what it is to log, or to end", || {
            // What it has logged is complete only once it has ended.
            let exit = process.exited();
            let found = process.log().contains(needle);
            (found || exit.is_some()).then_some(if found { None } else { exit })
        })
    }

    fn command(mut self, stdout: Stdio) -> Command {
        if self.kind == Kind::Real {
            // The packaged build writes to one system folder and reads its pages from another.
            if self.count("--persistence.file") == 0 {
                self.args.push("--persistence.file=".into());
            }
            let assets = peers::pushgateway_assets();
            self.args
                .extend(assets.map(|assets| format!("--web.local-assets={}", assets.display()).into()));
        }
        let mut words = self
            .wrapper
            .iter()
            .chain([self.program.as_os_str().to_owned()].iter())
            .cloned()
            .collect::<Vec<_>>();
        let mut command = Command::new(words.remove(0));
        command.args(words);
        command.stdin(Stdio::null()).stdout(stdout);
        if let Some((sockets, _)) = self.sockets {
            // The shell moves what it got as its standard streams, and knows the process id before the exec.
            let moves = ["", "3<&0", "3<&0 4<&1"];
            let moves = moves.get(sockets.len()).expect("two sockets at most");
            let script = format!(
                "LISTEN_FDS={} LISTEN_PID=$$ exec \"$0\" \"$@\" {moves} </dev/null >/dev/null",
                sockets.len()
            );
            command = Command::new("sh");
            command.args(["-c", &script]).arg(&self.program);
            let mut sockets = sockets.into_iter();
            command.stdin(sockets.next().map_or_else(Stdio::null, Stdio::from));
            command.stdout(sockets.next().map_or_else(Stdio::null, Stdio::from));
        }
        command.args(&self.args);
        command
    }

    fn count(&self, prefix: &str) -> usize {
        self.args
            .iter()
            .filter(|arg| arg.to_string_lossy().starts_with(prefix))
            .count()
    }
}

/// A running gateway, killed when it goes out of scope. Its process is what it dereferences to.
#[derive(Debug)]
pub struct Gateway {
    kind: Kind,
    process: Process,
    addresses: Vec<SocketAddr>,
    authorization: Option<String>,
}

impl Gateway {
    /// Which gateway it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("a started gateway listens")
    }

    /// Everywhere it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Lets [`Self::send`], and what is built on it, add this `Authorization` to each request.
    #[must_use]
    pub fn authorized_by(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        match Connection::open(self.address()) {
            Ok(connection) => connection,
            Err(error) => panic!("connect to the gateway: {error}\n{}", self.log()),
        }
    }

    /// Sends a request on a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        let authorized = self.authorization.iter().fold(request.clone(), |request, value| {
            request.header("Authorization", value)
        });
        match self.connect().send(&authorized) {
            Ok(response) => response,
            Err(error) => panic!("{request}: {error}\n{}", self.log()),
        }
    }

    /// Pushes text with `POST`, which has to be accepted.
    #[track_caller]
    pub fn push(&self, path: &str, body: &str) {
        self.accept(&post(path).body(body));
    }

    /// Pushes text with `PUT`, which has to be accepted.
    #[track_caller]
    pub fn replace(&self, path: &str, body: &str) {
        self.accept(&put(path).body(body));
    }

    #[track_caller]
    fn accept(&self, request: &Request) {
        let response = self.send(request);
        assert_eq!(response.status, 200, "{request}: {}", response.text());
    }

    /// Scrapes `/metrics` and reads it.
    #[track_caller]
    pub fn scrape(&self) -> Scrape {
        let response = self.send(&get("/metrics"));
        assert_eq!(response.status, 200, "{}", response.text());
        match Scrape::parse(&response.text()) {
            Ok(scrape) => scrape,
            Err(error) => panic!("{error}, in\n{}", response.text()),
        }
    }
}

impl Deref for Gateway {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Gateway {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
