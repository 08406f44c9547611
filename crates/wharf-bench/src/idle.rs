//! Clients that keep a connection and do nothing with it, in processes of their own: one process may not open enough files.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What each asks for once.
const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// The other side of [`IdleClients`]: connects so many times, says so, and waits until its standard input ends. Then it says
/// how many connections are still open.
///
/// # Errors
/// If it cannot connect, or gets no answer.
pub fn serve(address: SocketAddr, count: usize) -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("raise the limit of open files")?;
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).context("connect")?;
        stream.write_all(REQUEST).context("send a request")?;
        let length = stream.read(&mut [0; 1024]).context("read the answer")?;
        ensure!(length > 0, "expected an answer, found the end of the connection");
        streams.push(stream);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", streams.len()).context("say that they are there")?;
    io::stdin()
        .read_to_end(&mut Vec::new())
        .context("wait for the end")?;
    let is_open = |stream: &TcpStream| {
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let open = streams.iter().filter(|stream| is_open(stream)).count();
    writeln!(out, "{open}").context("say how many are left")
}

/// Idle clients, in two processes, which end with this.
#[derive(Debug)]
pub struct IdleClients {
    halves: Vec<Half>,
}

#[derive(Debug)]
struct Half {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<std::process::ChildStdout>,
}

impl IdleClients {
    /// Connects so many, by this executable.
    ///
    /// # Errors
    /// If one cannot be started, or not all get through.
    pub fn connect(bench: &Path, address: SocketAddr, count: usize) -> Result<Self> {
        let counts = [count / 2, count - count / 2];
        let halves = counts.into_iter().filter(|count| *count > 0);
        let halves: Result<Vec<Half>> = halves.map(|count| Half::start(bench, address, count)).collect();
        let mut clients = Self { halves: halves? };
        let connected = clients.next_number()?;
        ensure!(connected == count, "expected {count} clients, found {connected}");
        Ok(clients)
    }

    /// Ends them, and returns how many were still connected.
    ///
    /// # Errors
    /// If one has failed.
    pub fn end(mut self) -> Result<usize> {
        for half in &mut self.halves {
            half.stdin = None;
        }
        self.next_number()
    }

    /// The sum of what each says next.
    fn next_number(&mut self) -> Result<usize> {
        let mut sum = 0;
        for half in &mut self.halves {
            let mut line = String::new();
            half.lines.read_line(&mut line).context("hear of idle clients")?;
            let number: usize = line.trim().parse().context("idle clients have failed")?;
            sum += number;
        }
        Ok(sum)
    }
}

impl Half {
    fn start(bench: &Path, address: SocketAddr, count: usize) -> Result<Self> {
        let mut child = Command::new(bench)
            .args(["idle-clients", &address.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start idle clients")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("hear of idle clients")?;
        Ok(Self {
            child,
            stdin,
            lines: BufReader::new(stdout),
        })
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // Both fail only for a process that has already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
