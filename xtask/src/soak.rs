//! `cargo xtask soak`: load and faults, and whether everything that was acknowledged is there.

use anyhow::{Result, bail};

use crate::shell::Step;

/// `[--minutes N]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let minutes = match words.as_slice() {
        [] => 1,
        ["--minutes", number] => crate::fuzz::number("--minutes", Some(number))?,
        [word] if word.starts_with("--minutes=") => {
            crate::fuzz::number("--minutes", word.strip_prefix("--minutes="))?
        }
        _ => bail!("expected `--minutes N`, found `{}`", words.join(" ")),
    };
    // Without them some faults are left out, as the report says.
    if let Err(error) = crate::peers::bring_for_soak() {
        eprintln!("{error:#}");
    }
    Step::cargo(&["test", "--release", "--locked", "--package", "wharf"])
        .args(["--test", "soak", "--", "--nocapture", "what_is_acknowledged"])
        .env("WHARF_SOAK_SECONDS", (u64::from(minutes) * 60).to_string())
        .run()
}
