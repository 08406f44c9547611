//! Python's reader of `OpenMetrics` was written beside the standard, by one of its authors. It and ours have to agree on
//! random texts, but for the differences that are listed, each with its reason; and what ours accepts has to come out of
//! the gateway as text that it accepts.
//!
//! `WHARF_SEED` repeats the text that a failure names, `WHARF_TEXTS` says how many there are.

mod differences;
pub(crate) mod texts;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use wharf_exposition::openmetrics::{Options, decode};
use wharf_model::name::NameRule;
use wharf_testkit::http::{get, put};
use wharf_testkit::{Random, peers};

use self::differences::Verdict;
use crate::wharf;

const TEXTS: u64 = 3_000;
/// One of so many goes through the gateway.
const PUSHED: u64 = 20;

#[test]
fn random_texts_are_accepted_and_refused_as_by_the_strict_reader() {
    let Some(mut reader) = Reader::start() else { return };
    let mut counts = BTreeMap::<&str, u32>::new();
    for seed in seeds() {
        let text = text(seed);
        let ours = decode(
            text.as_bytes(),
            Options {
                names: NameRule::Utf8,
            },
        );
        let theirs = reader.read(&text);
        let verdict = differences::judge(&text, ours.as_ref().map(|_| ()), &theirs);
        let name = match verdict {
            Verdict::BothAccept => "accepted by both",
            Verdict::BothRefuse => "refused by both",
            Verdict::Known(reason) => reason,
            Verdict::Unknown => {
                let ours = ours.map(|_| ()).map_err(|error| error.to_string());
                panic!("WHARF_SEED={seed}\nours: {ours:?}\ntheirs: {theirs:?}\n{text}");
            }
        };
        *counts.entry(name).or_default() += 1;
    }
    // Shown by `--nocapture`. With few texts, some kinds may not come about.
    eprintln!("{counts:#?}");
    let both = ["accepted by both", "refused by both"];
    assert!(
        seeds().count() < 100 || both.iter().all(|name| counts.contains_key(name)),
        "{counts:#?}"
    );
}

#[test]
fn what_is_accepted_comes_out_as_the_strict_reader_accepts_it() {
    let Some(mut reader) = Reader::start() else { return };
    let gateway = wharf()
        .args([
            "--web.enable-openmetrics",
            "--push.enable-utf8-names",
            "--push.timestamps=strip",
        ])
        .start();
    let mut pushed = 0;
    for seed in seeds().filter(|seed| seed % PUSHED == 0 || seeds().count() == 1) {
        let text = text(seed);
        let request =
            put("/metrics/job/t").header("Content-Type", "application/openmetrics-text; version=1.0.0");
        let answer = gateway.send(&request.body(text.as_str()));
        if answer.status != 200 {
            continue;
        }
        pushed += 1;
        let accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
        let scrape = gateway.send(&get("/metrics").header("Accept", accept)).text();
        if let Err(refusal) = reader.read(&scrape) {
            panic!("WHARF_SEED={seed}\n{refusal}\n{text}\n{scrape}");
        }
    }
    assert!(pushed > 0 || seeds().count() == 1);
}

fn seeds() -> std::ops::Range<u64> {
    match peers::number_from_environment("WHARF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..peers::number_from_environment("WHARF_TEXTS").unwrap_or(TEXTS),
    }
}

fn text(seed: u64) -> String {
    let mut random = Random::new(seed);
    if random.one_in(4) {
        texts::right(&mut random)
    } else {
        texts::wrong(&mut random)
    }
}

/// Python's reader in a process of its own.
pub(crate) struct Reader {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Answers each text, which comes behind a line with its length, with `ok` or why it is refused.
const READ: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
while True:
    length = sys.stdin.buffer.readline()
    if not length: break
    text = sys.stdin.buffer.read(int(length)).decode('utf-8')
    try:
        families = list(text_string_to_metric_families(text))
        answer = 'ok'
    except Exception as error:
        answer = type(error).__name__ + ': ' + str(error).splitlines()[0] if str(error) else type(error).__name__
    sys.stdout.buffer.write(answer.encode('utf-8', 'replace') + b'\\n')
    sys.stdout.buffer.flush()
";

impl Reader {
    pub(crate) fn start() -> Option<Self> {
        let mut process = Command::new(peers::python()?)
            .args(["-c", READ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Some(Self {
            process,
            stdin,
            stdout,
        })
    }

    /// Whether it accepts a text, or why not.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), String> {
        write!(self.stdin, "{}\n{text}", text.len()).unwrap();
        self.stdin.flush().unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        match answer.trim_end() {
            "ok" => Ok(()),
            refusal => Err(refusal.to_owned()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}
