//! `cargo xtask crash`: the tests that cut the power and kill the process, over and over.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::peers;
use crate::shell::Step;

/// `[--minutes N]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let minutes = parse(args)?;
    let peers = peers::bring()?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut rounds = 0;
    while rounds == 0 || Instant::now() < end {
        rounds += 1;
        // Power cuts on a simulated disk, under the ledger and under the store; other ones in each round.
        let ledger = [
            "test",
            "--release",
            "--locked",
            "--package",
            "wharf-ledger",
            "--test",
            "it",
            "crash",
        ];
        Step::cargo(&ledger)
            .env("WHARF_CRASH_SECONDS", "30")
            .env("WHARF_SEED", (rounds * 1_000_000).to_string())
            .run()?;
        let store = [
            "test",
            "--release",
            "--locked",
            "--package",
            "wharf-store",
            "--test",
            "it",
            "durable",
        ];
        Step::cargo(&store).env("PROPTEST_CASES", "5000").run()?;
        // Kills of the real program on the real disk.
        Step::cargo(&[
            "test",
            "--release",
            "--locked",
            "--package",
            "wharf",
            "--test",
            "it",
            "storage",
        ])
        .env("WHARF_PEERS", &peers.folder)
        .env("WHARF_KILLS", "200")
        .run()?;
        println!("round {rounds}: nothing was lost");
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<u64> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = match words.as_slice() {
        [] => return Ok(1),
        ["--minutes", number] => number,
        [word] if word.starts_with("--minutes=") => &word["--minutes=".len()..],
        _ => bail!("expected `--minutes N`, found `{}`", words.join(" ")),
    };
    number
        .parse()
        .with_context(|| format!("expected a number of minutes, found `{number}`"))
}
