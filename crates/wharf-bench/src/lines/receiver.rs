//! Who takes lines: a process on a processor of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Shape, TAKING};
use crate::http;
use crate::process::{Server, free_address};
use crate::subject::Programs;

/// For how long a scrape may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// So long after the last line its value is surely being stored.
const BEHIND: Duration = Duration::from_millis(1_200);

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    /// Wharf, with durable storage.
    Wharf,
    /// The exporter.
    Exporter,
    /// A reader that throws lines away.
    Sink,
}

impl Taker {
    pub(crate) const ALL: [Self; 3] = [Self::Wharf, Self::Exporter, Self::Sink];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wharf => "Wharf",
            Self::Exporter => "statsd_exporter",
            Self::Sink => "reader that throws away",
        }
    }
}

/// A process that takes lines.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) taker: Taker,
    pub(crate) server: Server,
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
}

impl Receiver {
    /// Starts one for lines of this shape, on a processor of its own unless it `roams`.
    ///
    /// # Errors
    /// If it is not there, or does not become ready.
    pub(crate) fn start(programs: &Programs, taker: Taker, shape: Shape, roams: bool) -> Result<Self> {
        let folder = programs.scratch.join(format!("lines-{taker:?}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).context("empty the folder of a receiver of lines")?;
        }
        fs::create_dir_all(&folder).context("make the folder of a receiver of lines")?;
        let (http, tcp, udp) = (free_address()?, free_address()?, free_udp()?);
        let mut flags = vec![
            format!("--web.listen-address={http}"),
            format!("--statsd.listen-udp={udp}"),
            format!("--statsd.listen-tcp={tcp}"),
        ];
        if let Some(rules) = shape.mapping() {
            let file = folder.join("mapping.yml");
            fs::write(&file, rules).context("write mapping rules")?;
            flags.push(format!("--statsd.mapping-config={}", file.display()));
        }
        let (program, ready) = match taker {
            Taker::Wharf => {
                flags.push(format!("--storage.path={}", folder.join("data").display()));
                (programs.wharf.clone(), "/-/ready")
            }
            Taker::Exporter => (programs.peers.join("statsd-exporter/statsd_exporter"), "/-/ready"),
            Taker::Sink => {
                flags = [
                    "lines-sink".to_owned(),
                    http.to_string(),
                    udp.to_string(),
                    tcp.to_string(),
                ]
                .into();
                (programs.bench.clone(), "/")
            }
        };
        ensure!(
            program.exists(),
            "{} is not there\nhint: run `cargo xtask bench`, which brings it",
            program.display()
        );
        let mut command = if roams {
            Command::new(&program)
        } else {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &TAKING.to_string()]).arg(&program);
            command
        };
        command.args(flags);
        Ok(Self {
            taker,
            server: Server::start(&mut command, http.into(), ready, folder.join("log"))?,
            udp,
            tcp,
        })
    }

    /// What it shows.
    pub(crate) fn scrape(&self) -> Result<String> {
        let answer = http::get(self.server.endpoint(), "/metrics", TIMEOUT)?;
        ensure!(
            answer.status == 200,
            "expected 200 of a scrape, found {}",
            answer.status
        );
        String::from_utf8(answer.body).context("read a scrape")
    }

    /// How many lines have come, when none comes any more: each of ours has one sample. The exporter counts the end of a datagram as a
    /// line too, so its lines say less.
    pub(crate) fn lines(&self) -> Result<u64> {
        value(&self.scrape()?, self.counted_in())
    }

    fn counted_in(&self) -> &'static str {
        match self.taker {
            Taker::Sink => "statsd_exporter_lines_total",
            Taker::Wharf | Taker::Exporter => "statsd_exporter_samples_total",
        }
    }

    /// Waits until nothing is left to be done: series may be a second behind their lines.
    pub(crate) fn rest(&self) -> Result<()> {
        thread::sleep(BEHIND);
        self.server.settle()
    }

    /// [`Self::look`], again and again until it is as it should be, but not for ever.
    pub(crate) fn check(&self, shape: Shape) -> Result<u64> {
        let began = Instant::now();
        loop {
            match self.look(shape) {
                Err(_) if began.elapsed() < TIMEOUT => self.rest()?,
                looked => return looked,
            }
        }
    }

    /// Checks that what lines of this shape have counted is how many have come, and says how many those are.
    fn look(&self, shape: Shape) -> Result<u64> {
        let scrape = self.scrape()?;
        let samples = value(&scrape, self.counted_in())?;
        if self.taker == Taker::Sink {
            return Ok(samples);
        }
        let is_counted = |name: &str| match shape.counts_in() {
            Some(family) => name == family,
            None => name.starts_with("shop_c") && name.ends_with("_orders"),
        };
        let mut counted = 0;
        for line in scrape.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            if is_counted(series.split('{').next().unwrap_or_default()) {
                counted += count(value).with_context(|| format!("expected a count, found `{line}`"))?;
            }
        }
        ensure!(samples > 0, "no sample has come");
        ensure!(
            counted == samples,
            "{samples} samples have come, and {counted} were counted"
        );
        Ok(samples)
    }
}

/// The value of a series without labels.
fn value(scrape: &str, name: &str) -> Result<u64> {
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.with_context(|| format!("expected {name} in the scrape"))?;
    count(value).with_context(|| format!("expected a count of {name}, found `{value}`"))
}

/// A whole number, which may be written as `1e+06`.
fn count(text: &str) -> Option<u64> {
    let value: f64 = text
        .trim()
        .parse()
        .ok()
        .filter(|value| (0.0..1e15).contains(value))?;
    format!("{value:.0}").parse().ok()
}

fn free_udp() -> Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("look for a free port")?;
    socket.local_addr().context("look for a free port")
}
