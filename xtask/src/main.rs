//! The development commands, run as `cargo xtask <command>`: the same words on a desk and in CI.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to a person"
)]

mod bench;
mod circles;
mod crash;
mod dashboard;
mod dependencies;
mod docs;
mod etcds;
mod fuzz;
mod handed_out;
mod instructions;
mod interop;
mod miri;
mod package;
mod peers;
mod release;
mod shell;
mod soak;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell::Step;

const HELP: &str = "\
usage: cargo xtask <command>

  check [--full]  lint, test, then count instructions: what CI runs; with --full, `deny`, `lowest`, `docs`, `etcds` and
                  `packaging` besides
  lint            format, circles of files, licences, clippy and documentation, each warning an error
  test [ARGS]     bring what the tests need, then `cargo test --workspace ARGS`, where nothing may be skipped
  peers           bring the programs that judge us to target/peers: the real Pushgateway, Prometheus, VictoriaMetrics
  interop [CLIENT...]
                  build the clients of the folder interop (all by default), and run them against both gateways
  bench [list | report | QUESTION...] [--quick] [--rounds N] [--seconds S] [--report] [--dist]
                  measure Wharf beside its peers: all questions by default; --report writes docs/benchmarks.md
  fuzz [--minutes N] [--jobs N] [TARGET...]
                  run the fuzz targets (all by default), each for some minutes (1), some of them at a time (1)
  miri [PACKAGE...]
                  run the tests of what needs no network in Miri (nightly), which finds undefined behaviour in libraries
  instructions [--accept] [--binary PATH]
                  count the instructions of a push, a scrape and so on, and compare them with the accepted ones; --accept
                  makes today's the accepted ones
  crash [--minutes N]
                  cut the power and kill the process over and over, for N minutes (1 by default)
  soak [--hostile] [--minutes N]
                  put load and faults on a gateway, and compare what it acknowledges with what it has (1 by default);
                  with --hostile, put honest clients among hostile ones, and see how they are served
  chaos [--minutes N]
                  kill, pause, part and slow replicas and members of their etcd, fill it, replace replicas, and compare what was
                  acknowledged with what all of them show (1 by default)
  etcds           run the checks of the shared log and the tests of replicas with etcd 3.6 and 3.7, which are built from their
                  Go module; all other tests have Debian's 3.5
  bill            write what the program is made of, with licences and checksums, to target/wharf.cdx.json (CycloneDX)
  package [--profile NAME | --built SHARED STATIC]
                  make what is handed out, in target/package: archives, packages for Debian and RPM, an image. The programs
                  are built with the profile `dist`, or another one, or are there already: one with the C library of the
                  system, and a static one
  packaging [--profile NAME | --built SHARED STATIC] [debian] [systemd] [rpm] [image] [compose] [dashboard]
            [kubernetes] [pods] [release]
                  try what is handed out (all by default), as root: install the packages, boot a system with them, run the image,
                  render the chart and run its pods, make a release in a copy
  release VERSION [--sign gpg:KEY | --sign ssh:FILE] [--profile NAME | --built SHARED STATIC]
                  write the version and its section of the changelog, record what it promises, commit; then `package`, sign the
                  checksums, tag. Nothing is pushed
  deny [CHECK...] let cargo-deny judge licences, doubles and sources of other people's crates; with `advisories`, known holes
  lowest          compile everything with the lowest version of Rust that Cargo.toml names (brought by rustup)
  docs [--repository URL | --renew]
                  make a site of the documentation, in target/book/site, and check its links. Links to files that are not in
                  it lead to the repository at this address, if one is given. With --renew, bring those pages up to date that
                  are made from code: flags, configuration file, metrics, tools
  dashboard       make the dashboard for Grafana from its table of panels
  screenshots     take the pictures of docs/page, of a gateway with two months of batch jobs behind it
  tidy            print the longest files and functions, for a look; never fails
  help            print this

environment:
  WHARF_PEERS     folder of the peers, if they are already somewhere else
  WHARF_PYTHON    a Python that can import prometheus_client, likewise
  WHARF_CHROMIUM  the browser that opens the page in tests, if it is not the machine's own
  WHARF_INTEROP   folder to build the clients of `interop` in, instead of target/interop
  WHARF_ETCD      the etcd of tests of replicas, in place of that of the peers
  WHARF_CHAOS_OTHER
                  another version of Wharf, to and from which replicas are changed by `chaos`
  WHARF_KILLS     how often the process is killed in the test of that
  WHARF_MAINTAINER
                  who answers for the packages: `Name <address>`
  WHARF_SEED      repeats the random conversation that a failing test names, or the faults of a soak
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (command, args) = args
        .split_first()
        .map_or(("help", args), |(command, args)| (command.as_str(), args));
    if args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--help" || arg == "-h")
    {
        print!("{HELP}");
        return Ok(());
    }
    match command {
        "check" => check(args),
        "test" => test(args),
        "fuzz" => fuzz::run(args),
        "bench" => bench::run(args),
        "instructions" => instructions::run(args),
        "miri" => miri::run(args),
        "crash" => crash::run(args),
        "soak" => soak::run(args),
        "chaos" => soak::chaos(args),
        "interop" => interop::run(args),
        "package" => package::run(args),
        "packaging" => handed_out::run(args),
        "release" => release::run(args),
        "deny" => dependencies::deny(args),
        "docs" => docs::run(args),
        _ if !args.is_empty() => bail!(
            "expected no arguments after `{command}`, found `{}`\n\n{HELP}",
            args.join(" ")
        ),
        "lint" => lint(),
        "etcds" => etcds::run(),
        "bill" => dependencies::write_bill(&dependencies::target_folder()?.join("wharf.cdx.json")),
        "lowest" => dependencies::check_lowest_rust(),
        "dashboard" => dashboard::write(),
        "screenshots" => screenshots(),
        "peers" => peers::bring().map(drop),
        "tidy" => {
            tidy::run();
            Ok(())
        }
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("unknown command `{command}`\n\n{HELP}"),
    }
}

fn check(args: &[String]) -> Result<()> {
    let is_full = match args {
        [] => false,
        [flag] if flag == "--full" => true,
        _ => bail!("expected `--full` or nothing, found `{}`", args.join(" ")),
    };
    lint()?;
    test(&[])?;
    instructions::check()?;
    if is_full {
        dependencies::deny(&[])?;
        dependencies::check_lowest_rust()?;
        docs::run(&[])?;
        etcds::run()?;
        handed_out::run(&[])?;
    }
    Ok(())
}

fn lint() -> Result<()> {
    Step::cargo(&["fmt", "--all", "--check"]).run()?;
    circles::check()?;
    dependencies::check_licences()?;
    Step::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ])
    .run()?;
    Step::cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ])
    .env("RUSTDOCFLAGS", "--deny warnings")
    .run()
}

fn screenshots() -> Result<()> {
    peers::bring_for_screenshots()?;
    Step::cargo(&["test", "--package", "wharf", "--test", "page", "--locked"])
        .args(["--", "--ignored", "take_the_screenshots"])
        .env("WHARF_REQUIRE_PEERS", "1")
        .run()
}

fn test(args: &[String]) -> Result<()> {
    let peers = peers::bring()?;
    Step::cargo(&["test", "--workspace", "--locked"])
        .args(args)
        .env("WHARF_PEERS", &peers.folder)
        .env("WHARF_INTEROP", interop::bring_all()?)
        .env("WHARF_PYTHON", &peers.python)
        .env("WHARF_REQUIRE_PEERS", "1")
        .run()
}
