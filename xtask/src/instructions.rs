//! `cargo xtask instructions`: how many instructions a request costs, against the numbers that were accepted.
//!
//! Times depend on the machine and on what else it does; the instructions of one request do not, to some thousandths. So
//! a change that makes a hot path dearer is seen at once, on a busy machine too. The gateway runs as a user runs it, in
//! callgrind and with one worker thread, and answers one connection.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::peers;
use crate::shell::{Step, root, variable};

/// The numbers that were accepted.
const ACCEPTED: &str = "xtask/instructions.txt";
/// How much dearer a request may become, in thousandths, before somebody has to accept it.
const TOLERANCE: u64 = 30;
/// Each number is the least of so many rounds: what else happens in the process only adds to it.
const ROUNDS: usize = 3;
/// Groups in the store, each of one batch job.
const GROUPS: usize = 1_000;

/// One kind of request: its name, how often a round asks it, and what it asks the n-th time.
struct Question {
    name: &'static str,
    times: usize,
    ask: fn(&mut Client, usize) -> Result<()>,
}

const IN_MEMORY: [Question; 9] = [
    Question {
        name: "health",
        times: 1_000,
        ask: health,
    },
    Question {
        name: "push/same_shape",
        times: 1_000,
        ask: push_same_shape,
    },
    Question {
        name: "push/new_shape",
        times: 500,
        ask: push_new_shape,
    },
    Question {
        name: "push/families",
        times: 1_000,
        ask: push_families,
    },
    Question {
        name: "push/merge_series",
        times: 500,
        ask: push_merge,
    },
    Question {
        name: "delete_and_push",
        times: 500,
        ask: delete_and_push,
    },
    Question {
        name: "scrape/text",
        times: 20,
        ask: scrape_text,
    },
    Question {
        name: "scrape/gzip",
        times: 100,
        ask: scrape_gzip,
    },
    Question {
        name: "scrape/gzip_after_a_push",
        times: 50,
        ask: scrape_gzip_changed,
    },
];
const ON_DISK: [Question; 1] = [Question {
    name: "push/on_disk",
    times: 1_000,
    ask: push_same_shape,
}];

/// What `cargo xtask check` does. A desk may be without valgrind, CI may not.
pub(crate) fn check() -> Result<()> {
    match peers::bring_for_instructions() {
        Err(error) if variable("CI").is_none() => {
            println!("instructions are not counted: {error:#}");
            Ok(())
        }
        brought => brought.and_then(|()| run(&[])),
    }
}

/// `[--accept] [--binary PATH]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut accept, mut binary) = (false, None);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--accept" => accept = true,
            "--binary" => {
                let path = words.next().context("expected a path after `--binary`")?;
                binary = Some(PathBuf::from(path));
            }
            other => bail!("expected `--accept` or `--binary PATH`, found `{other}`"),
        }
    }
    peers::bring_for_instructions()?;
    let program = match binary {
        Some(program) => program,
        None => build()?,
    };
    let counted = count(&program)?;
    let machine = Machine::this();
    if accept {
        fs::write(root().join(ACCEPTED), record(&counted, &machine)).context("write the accepted numbers")?;
        println!("accepted in {ACCEPTED}");
        return Ok(());
    }
    let text = fs::read_to_string(root().join(ACCEPTED)).with_context(|| format!("read {ACCEPTED}"))?;
    let (accepted, on) = read(&text)?;
    let (table, dearer) = compare(&counted, &accepted);
    print!("{table}");
    if on != machine {
        println!("not judged: the accepted numbers are of {on}, this is {machine}");
        return Ok(());
    }
    ensure!(
        dearer.is_empty(),
        "these requests take over {} % more instructions than were accepted: {}\n\
         hint: `cargo xtask instructions` counts them again\n\
         hint: if the change is worth it, run `cargo xtask instructions --accept`, and say in the commit why",
        TOLERANCE / 10,
        dearer.join(", ")
    );
    Ok(())
}

fn build() -> Result<PathBuf> {
    Step::cargo(&["build", "--profile", "counted", "--locked", "--package", "wharf"]).run()?;
    Ok(peers::target()?.join("counted/wharf"))
}

/// Asks all questions.
fn count(program: &Path) -> Result<BTreeMap<String, u64>> {
    let mut counted = BTreeMap::new();
    for (storage, questions) in [("--storage.path=", IN_MEMORY.as_slice()), ("", &ON_DISK)] {
        let mut gateway = Gateway::start(program, storage)?;
        let mut client = Client::connect(&gateway.address)?;
        for n in 0..GROUPS {
            push_same_shape(&mut client, n)?;
        }
        for question in questions {
            let mut least = u64::MAX;
            // The first round is for what is made once: shapes that are learned, blocks that are compressed.
            for round in 0..=ROUNDS {
                gateway.control("--zero")?;
                for n in 0..question.times {
                    (question.ask)(&mut client, round * question.times + n).context(question.name)?;
                }
                let instructions = gateway.instructions()?;
                if round > 0 {
                    least = least.min(instructions / question.times as u64);
                }
            }
            eprintln!("{}: {least}", question.name);
            counted.insert(question.name.to_owned(), least);
        }
    }
    Ok(counted)
}

/// What the numbers depend on beside the code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Machine {
    compiler: String,
    /// Extensions of the processor that valgrind passes on, and that libraries choose their loops by.
    processor: String,
}

impl Machine {
    fn this() -> Self {
        let compiler = Step::new("rustc", &["--version"]).output().unwrap_or_default();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = processors.lines().find_map(|line| line.strip_prefix("flags"));
        let mut flags: Vec<_> = flags.unwrap_or_default().split_whitespace().collect();
        flags.retain(|flag| ["avx", "avx2", "bmi1", "bmi2", "fma", "pclmulqdq", "sse4_2"].contains(flag));
        flags.sort_unstable();
        Self {
            compiler: compiler.trim().to_owned(),
            processor: flags.join(" "),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on a processor with `{}`", self.compiler, self.processor)
    }
}

fn record(counted: &BTreeMap<String, u64>, machine: &Machine) -> String {
    let mut text = format!(
        "# Instructions a request, as `cargo xtask instructions --accept` counted them.\ncompiler\t{}\nprocessor\t{}\n",
        machine.compiler, machine.processor
    );
    for (name, instructions) in counted {
        let _infallible = writeln!(text, "{name}\t{instructions}");
    }
    text
}

/// The accepted numbers, and where they were counted.
fn read(text: &str) -> Result<(BTreeMap<String, u64>, Machine)> {
    let (mut accepted, mut machine) = (BTreeMap::new(), Machine::default());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line
            .split_once('\t')
            .with_context(|| format!("{ACCEPTED}: expected a name, a tab and a number, found `{line}`"))?;
        if name == "compiler" {
            value.clone_into(&mut machine.compiler);
        } else if name == "processor" {
            value.clone_into(&mut machine.processor);
        } else {
            let instructions = value
                .parse()
                .with_context(|| format!("{ACCEPTED}: expected a number, found `{value}`"))?;
            accepted.insert(name.to_owned(), instructions);
        }
    }
    Ok((accepted, machine))
}

/// A table for people, and what has become dearer than is tolerated.
fn compare(counted: &BTreeMap<String, u64>, accepted: &BTreeMap<String, u64>) -> (String, Vec<String>) {
    let mut table = format!(
        "{:<26} {:>12} {:>12} {:>8}\n",
        "request", "accepted", "now", "change"
    );
    let mut dearer = Vec::new();
    for (name, &now) in counted {
        let Some(&before) = accepted.get(name) else {
            dearer.push(format!("{name} (no number was accepted)"));
            continue;
        };
        if now.saturating_mul(1_000) > before.saturating_mul(1_000 + TOLERANCE) {
            dearer.push(format!("{name} ({before} -> {now})"));
        }
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
        let change = (now as f64 / before as f64 - 1.0) * 100.0;
        let _infallible = writeln!(table, "{name:<26} {before:>12} {now:>12} {change:>+7.1}%");
    }
    (table, dearer)
}

/// The gateway in callgrind.
struct Gateway {
    process: Child,
    address: String,
    folder: PathBuf,
    /// How many times it has written down what it counted.
    dumps: usize,
    /// Its log, which nobody reads any more, but which must not end before it does.
    _log: BufReader<ChildStderr>,
}

impl Gateway {
    fn start(program: &Path, storage: &str) -> Result<Self> {
        let folder = peers::target()?.join("instructions");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let program = fs::canonicalize(program).with_context(|| format!("find {}", program.display()))?;
        let mut process = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet", "--callgrind-out-file=counted"])
            .arg(program)
            .args(["--web.listen-address=127.0.0.1:0", "--history.max-bytes=0"])
            .args((!storage.is_empty()).then_some(storage))
            .env("TOKIO_WORKER_THREADS", "1")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("run valgrind")?;
        let log = process.stderr.take().context("read the log of the gateway")?;
        let mut log = BufReader::new(log);
        let mut line = String::new();
        let address = loop {
            line.clear();
            ensure!(
                log.read_line(&mut line).context("read the log of the gateway")? > 0,
                "the gateway has ended"
            );
            if let Some((_, rest)) = line.split_once("msg=\"Listening on\" address=") {
                break rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
        };
        Ok(Self {
            process,
            address,
            folder,
            dumps: 0,
            _log: log,
        })
    }

    /// Tells callgrind something.
    fn control(&self, command: &str) -> Result<()> {
        Step::new("callgrind_control", &[command, &self.process.id().to_string()])
            .output()
            .map(drop)
            .with_context(|| format!("run `callgrind_control {command}`"))
    }

    /// What has been counted since the last time.
    fn instructions(&mut self) -> Result<u64> {
        self.control("--dump")?;
        self.dumps += 1;
        let file = self.folder.join(format!("counted.{}", self.dumps));
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let totals = totals.with_context(|| format!("{}: expected a line `totals:`", file.display()))?;
        totals.trim().parse().context("read the instructions counted")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// One connection that is kept.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("send without delay")?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request, and takes the whole answer. Returns the length of its body.
    fn send(&mut self, head: &str, body: &str, status: &str) -> Result<usize> {
        let request = format!(
            "{head} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .write_all(request.as_bytes())
            .context("send a request")?;
        self.buffer.clear();
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            self.read()?;
        };
        let answer = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}: expected {status}, found {answer}"
        );
        let length = answer
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.context("expected a Content-Length")?.trim().parse()?;
        while self.buffer.len() < end + 4 + length {
            self.read()?;
        }
        Ok(length)
    }

    fn read(&mut self) -> Result<()> {
        let mut part = [0; 16 << 10];
        let count = self.stream.read(&mut part).context("read an answer")?;
        ensure!(count > 0, "expected an answer, found the end of the connection");
        self.buffer
            .extend_from_slice(part.get(..count).unwrap_or_default());
        Ok(())
    }
}

/// A batch job's metrics, with a label value that is new each time if `shape` is.
fn batch_job(n: usize, shape: usize) -> String {
    let mut text = format!(
        "# TYPE job_duration_seconds gauge\njob_duration_seconds {n}.5\n# TYPE job_records_total counter\n\
         job_records_total{{status=\"success\"}} {n}\njob_records_total{{status=\"error\"}} 10\n\
         # TYPE job_last_success_timestamp_seconds gauge\njob_last_success_timestamp_seconds{{host=\"h{shape}\"}} 1.6e9\n\
         # TYPE job_record_seconds histogram\n"
    );
    for (position, bound) in ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "+Inf"]
        .iter()
        .enumerate()
    {
        let _infallible = writeln!(
            text,
            "job_record_seconds_bucket{{le=\"{bound}\"}} {}",
            n + position * 10
        );
    }
    let _infallible = write!(
        text,
        "job_record_seconds_sum 0.5\njob_record_seconds_count {}\n",
        n + 60
    );
    text
}

fn path(n: usize) -> String {
    format!("/metrics/job/job-{}/instance/worker-{}", n % 10, n % GROUPS)
}

fn health(client: &mut Client, _n: usize) -> Result<()> {
    client.send("GET /-/healthy", "", "200").map(drop)
}

fn push_same_shape(client: &mut Client, n: usize) -> Result<()> {
    client
        .send(&format!("PUT {}", path(n)), &batch_job(n, 0), "200")
        .map(drop)
}

fn push_new_shape(client: &mut Client, n: usize) -> Result<()> {
    client
        .send(&format!("PUT {}", path(n)), &batch_job(n, n), "200")
        .map(drop)
}

fn push_families(client: &mut Client, n: usize) -> Result<()> {
    let body = format!("# TYPE job_duration_seconds gauge\njob_duration_seconds {n}\n");
    client.send(&format!("POST {}", path(n)), &body, "200").map(drop)
}

fn push_merge(client: &mut Client, n: usize) -> Result<()> {
    let body = format!("# TYPE job_records_total counter\njob_records_total{{status=\"error\"}} {n}\n");
    client
        .send(&format!("POST {}?merge=series", path(n)), &body, "200")
        .map(drop)
}

fn delete_and_push(client: &mut Client, n: usize) -> Result<()> {
    client.send(&format!("DELETE {}", path(n)), "", "202")?;
    push_same_shape(client, n)
}

/// A scrape has all groups, so it is never small.
fn scrape(client: &mut Client, head: &str) -> Result<()> {
    let length = client.send(head, "", "200")?;
    ensure!(
        length > GROUPS,
        "{head}: expected all groups, found {length} bytes"
    );
    Ok(())
}

fn scrape_text(client: &mut Client, _n: usize) -> Result<()> {
    scrape(client, "GET /metrics")
}

fn scrape_gzip(client: &mut Client, _n: usize) -> Result<()> {
    scrape(
        client,
        "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\nX-Rest:",
    )
}

fn scrape_gzip_changed(client: &mut Client, n: usize) -> Result<()> {
    push_same_shape(client, n)?;
    scrape_gzip(client, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter()
            .map(|&(name, number)| (name.to_owned(), number))
            .collect()
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let counted = numbers(&[("push", 1_000), ("scrape", 20)]);
        let machine = || Machine {
            compiler: "rustc 1".to_owned(),
            processor: "avx bmi1".to_owned(),
        };
        assert_eq!(read(&record(&counted, &machine())).unwrap(), (counted, machine()));
    }

    #[test]
    fn three_per_cent_are_tolerated_and_no_more() {
        let accepted = numbers(&[("push", 1_000)]);
        assert!(compare(&numbers(&[("push", 1_030)]), &accepted).1.is_empty());
        assert_eq!(
            compare(&numbers(&[("push", 1_031)]), &accepted).1,
            ["push (1000 -> 1031)"]
        );
        assert!(compare(&numbers(&[("push", 500)]), &accepted).1.is_empty());
    }

    #[test]
    fn a_request_without_an_accepted_number_is_told() {
        assert_eq!(compare(&numbers(&[("new", 1)]), &numbers(&[])).1.len(), 1);
    }
}
