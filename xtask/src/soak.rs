//! `cargo xtask soak`: load and faults, and whether everything that was acknowledged is there; or hostile clients, and whether
//! honest ones are served. `cargo xtask chaos`: the same of replicas over etcd.

use anyhow::{Result, bail};

use crate::shell::Step;

/// `[--hostile] [--minutes N]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_hostile = words.contains(&"--hostile");
    words.retain(|word| *word != "--hostile");
    let Some(minutes) = minutes(&words)? else {
        bail!("expected `[--hostile] [--minutes N]`, found `{}`", args.join(" "));
    };
    let (test, variable) = if is_hostile {
        ("siege", "WHARF_SIEGE_SECONDS")
    } else {
        // Without them some faults are left out, as the report says.
        if let Err(error) = crate::peers::bring_for_soak() {
            eprintln!("{error:#}");
        }
        ("soak", "WHARF_SOAK_SECONDS")
    };
    test_for(test, variable, minutes).run()
}

/// `[--minutes N]`
pub(crate) fn chaos(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(minutes) = minutes(&words)? else {
        bail!("expected `[--minutes N]`, found `{}`", args.join(" "));
    };
    let peers = crate::peers::bring()?;
    test_for("chaos", "WHARF_CHAOS_SECONDS", minutes)
        .env("WHARF_PEERS", peers.folder)
        .env("WHARF_REQUIRE_PEERS", "1")
        .run()
}

/// For how long; none if the words say something else.
fn minutes(words: &[&str]) -> Result<Option<u32>> {
    Ok(match words {
        [] => Some(1),
        ["--minutes", number] => Some(crate::fuzz::number("--minutes", Some(number))?),
        [word] if word.starts_with("--minutes=") => {
            Some(crate::fuzz::number("--minutes", word.strip_prefix("--minutes="))?)
        }
        _ => None,
    })
}

/// A test that goes on for so long, built as it is released.
fn test_for(test: &str, variable: &str, minutes: u32) -> Step {
    Step::cargo(&["test", "--release", "--locked", "--package", "wharf"])
        .args(["--test", test, "--", "--nocapture", "--include-ignored"])
        .env(variable, (u64::from(minutes) * 60).to_string())
}
