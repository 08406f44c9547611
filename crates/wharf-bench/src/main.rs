//! `wharf-bench`: asks the questions. Mostly run by `cargo xtask bench`, which brings what it needs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wharf_bench::bench::Bench;
use wharf_bench::compare;
use wharf_bench::floor::{self, Floor};
use wharf_bench::idle;
use wharf_bench::lines;
use wharf_bench::machine::Machine;
use wharf_bench::questions::{self, Question};
use wharf_bench::record::Record;
use wharf_bench::subject::Programs;
use wharf_bench::{report, table};

/// The allocator of Wharf, for the floors.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
usage: wharf-bench [list | report | QUESTION...] [OPTIONS]
       wharf-bench compare --before FILE [OPTIONS]

Without a question, all of them are asked. `list` shows them, `report` makes the report again from the last results.
`compare` measures an earlier executable of Wharf and this one in turn, and fails if this one is worse beyond doubt; 20 rounds
or more tell something.

options:
  --rounds N      how often each measurement is repeated (3)
  --seconds S     how long one measurement takes (2)
  --divide N      divide the numbers of groups, series and pushes by N, where they are large (1)
  --quick         --rounds 1 --seconds 1 --divide 10: to see that it works
  --only TEXT     only programs with this in their name, such as `wharf`; nothing is kept then
  --report        write docs/benchmarks.md and its charts afterwards
  --before FILE   the earlier executable of `compare`
  --wharf FILE    the executable of Wharf (the one beside this one)
  --dist          report the size of the executable built with `--profile dist`, too
  --peers FOLDER  where the other programs are (target/peers)
  --results FOLDER  where results are kept, and data while it runs (target/bench)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::progress(&format!("wharf-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    if let [command, address] = args
        && let Some(floor) = Floor::named(command)
    {
        let address: SocketAddr = address.parse().context("expected an address to listen on")?;
        return floor::serve(address, &floor);
    }
    if let [command, address, count] = args
        && command == "idle-clients"
    {
        let address: SocketAddr = address.parse().context("expected an address to connect to")?;
        return idle::serve(address, count.parse().context("expected a number of clients")?);
    }
    if let [command, addresses @ ..] = args
        && command == "lines-sink"
    {
        let addresses = addresses.iter().map(|address| address.parse());
        let addresses: Vec<SocketAddr> = addresses
            .collect::<Result<_, _>>()
            .context("expected addresses")?;
        let [http, udp, tcp] = addresses[..] else {
            bail!("expected three addresses, found {}", addresses.len());
        };
        return lines::serve_sink(http, udp, tcp);
    }
    let options = Options::parse(args)?;
    match options.command {
        Command::Help => print(HELP),
        Command::List => {
            for question in questions::ALL {
                print(&format!("{:12} {}\n", question.name, question.asks))?;
            }
            Ok(())
        }
        Command::Report => report::write(&options.results, &root()),
        Command::Compare => {
            let before = options.before.clone().context("expected --before FILE")?;
            compare::run(&options.bench()?, before, print)
        }
        Command::Ask(ref chosen) => ask(&options, chosen),
    }
}

#[derive(Debug, Clone)]
struct Options {
    command: Command,
    rounds: usize,
    seconds: f64,
    divisor: u32,
    only: Option<String>,
    report: bool,
    wharf: Option<PathBuf>,
    before: Option<PathBuf>,
    dist: bool,
    peers: PathBuf,
    results: PathBuf,
}

#[derive(Debug, Clone)]
enum Command {
    Help,
    List,
    Report,
    Compare,
    Ask(Vec<Question>),
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            command: Command::Ask(Vec::new()),
            rounds: 3,
            seconds: 2.0,
            divisor: 1,
            only: None,
            report: false,
            wharf: None,
            before: None,
            dist: false,
            peers: root().join("target/peers"),
            results: root().join("target/bench"),
        };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("expected a value after `{word}`"))
            };
            match word.as_str() {
                "--rounds" => options.rounds = value()?.parse().context("expected a number of rounds")?,
                "--seconds" => options.seconds = value()?.parse().context("expected a number of seconds")?,
                "--divide" => options.divisor = value()?.parse().context("expected a number to divide by")?,
                "--quick" => {
                    options.rounds = 1;
                    options.seconds = 1.0;
                    options.divisor = 10;
                }
                "--only" => options.only = Some(value()?.clone()),
                "--report" => options.report = true,
                "--before" => options.before = Some(value()?.into()),
                "--wharf" => options.wharf = Some(value()?.into()),
                "--dist" => options.dist = true,
                "--peers" => options.peers = value()?.into(),
                "--results" => options.results = value()?.into(),
                "-h" | "--help" | "help" => options.command = Command::Help,
                "list" => options.command = Command::List,
                "compare" => options.command = Command::Compare,
                "report" => options.command = Command::Report,
                name => {
                    let question = questions::ALL.iter().find(|question| question.name == name);
                    let Some(question) = question else {
                        bail!("expected a question or an option, found `{name}`\n\n{HELP}");
                    };
                    if let Command::Ask(chosen) = &mut options.command {
                        chosen.push(*question);
                    }
                }
            }
        }
        if options.rounds == 0 || options.divisor == 0 || !(0.01..=3600.0).contains(&options.seconds) {
            bail!("expected at least one round, between 0.01 and 3600 seconds, and no division by zero");
        }
        Ok(options)
    }

    fn bench(&self) -> Result<Bench> {
        let ourselves = std::env::current_exe().context("find ourselves")?;
        let beside = ourselves.with_file_name("wharf");
        let distributed = ourselves.with_file_name("../dist/wharf");
        Ok(Bench {
            programs: Programs {
                wharf: self.wharf.clone().unwrap_or(beside),
                peers: self.peers.clone(),
                bench: ourselves,
                scratch: self.results.join("scratch"),
                etcd: None,
            },
            rounds: self.rounds,
            window: Duration::from_secs_f64(self.seconds),
            divisor: self.divisor,
            only: self.only.clone(),
            distributed: self.dist.then_some(distributed),
        })
    }
}

fn ask(options: &Options, chosen: &[Question]) -> Result<()> {
    let bench = options.bench()?;
    let machine = Machine::here(&bench.programs);
    let all = if chosen.is_empty() { questions::ALL } else { chosen };
    for question in all {
        table::progress(&format!("{}: {}", question.name, question.asks));
        let mut record = Record::new(question.name, &machine, &bench);
        let begin = Instant::now();
        (question.run)(&bench, &mut record);
        table::progress(&format!(
            "{}: took {:.0} s",
            question.name,
            begin.elapsed().as_secs_f64()
        ));
        if options.only.is_none() {
            record.save(&options.results)?;
        }
        print(&report::terminal(question, &record))?;
    }
    if options.report {
        report::write(&options.results, &root())?;
    }
    Ok(())
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("print")
}
