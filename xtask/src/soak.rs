//! `cargo xtask soak`: load and faults, and whether everything that was acknowledged is there; or hostile clients, and whether
//! honest ones are served.

use anyhow::{Result, bail};

use crate::shell::Step;

/// `[--hostile] [--minutes N]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_hostile = words.contains(&"--hostile");
    words.retain(|word| *word != "--hostile");
    let minutes = match words.as_slice() {
        [] => 1,
        ["--minutes", number] => crate::fuzz::number("--minutes", Some(number))?,
        [word] if word.starts_with("--minutes=") => {
            crate::fuzz::number("--minutes", word.strip_prefix("--minutes="))?
        }
        _ => bail!("expected `[--hostile] [--minutes N]`, found `{}`", args.join(" ")),
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
    Step::cargo(&["test", "--release", "--locked", "--package", "wharf"])
        .args(["--test", test, "--", "--nocapture", "--include-ignored"])
        .env(variable, (u64::from(minutes) * 60).to_string())
        .run()
}
