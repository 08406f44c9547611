//! Running the fuzz targets for a while.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::{Step, root};

/// `[--minutes N] [TARGET...]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (minutes, chosen) = parse(args)?;
    let targets = targets()?;
    if let Some(unknown) = chosen.iter().find(|target| !targets.contains(target)) {
        bail!(
            "unknown fuzz target `{unknown}`, expected one of: {}",
            targets.join(", ")
        );
    }
    ensure!(
        Step::cargo(&["fuzz", "--version"]).output().is_some(),
        "cargo-fuzz is missing\nhint: run `cargo install cargo-fuzz --locked`"
    );
    let seconds = format!("-max_total_time={}", minutes * 60);
    for target in if chosen.is_empty() { targets } else { chosen } {
        // What is found goes to the first folder, which is nobody's to keep; it begins with what the second has.
        let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
        let folder = root().join("fuzz");
        fs::create_dir_all(folder.join(&corpus)).with_context(|| format!("create fuzz/{corpus}"))?;
        // Nothing here is unsafe, so the sanitizers have little to find, and a stable compiler will do.
        Step::cargo(&[
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            &target,
            &corpus,
            &seeds,
            "--",
            &seconds,
            "-rss_limit_mb=4096",
        ])
        .folder(&folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .run()?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(u32, Vec<String>)> {
    let mut minutes = 1;
    let mut targets = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--minutes") {
            Some("") => minutes = number(args.next().map(String::as_str))?,
            Some(value) => minutes = number(value.strip_prefix('='))?,
            None if arg.starts_with('-') => bail!("expected `--minutes N` or a target, found `{arg}`"),
            None => targets.push(arg.clone()),
        }
    }
    Ok((minutes, targets))
}

/// The number behind `--minutes`.
pub(crate) fn number(text: Option<&str>) -> Result<u32> {
    let text = text.context("expected a number after `--minutes`")?;
    text.parse()
        .with_context(|| format!("expected a number of minutes, found `{text}`"))
}

/// The names of the files in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.path()).filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "rs").then_some(name)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(u32, Vec<String>), String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn targets_and_minutes_come_in_any_order() {
        assert_eq!(parsed(""), Ok((1, Vec::new())));
        assert_eq!(parsed("text --minutes 3"), Ok((3, vec!["text".to_owned()])));
        assert_eq!(
            parsed("--minutes=3 text url"),
            Ok((3, vec!["text".to_owned(), "url".to_owned()]))
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parsed("--minutes"),
            Err("expected a number after `--minutes`".to_owned())
        );
        assert_eq!(
            parsed("--seconds 3"),
            Err("expected `--minutes N` or a target, found `--seconds`".to_owned())
        );
        assert!(parsed("--minutes x").is_err_and(|error| error.starts_with("expected a number of minutes")));
    }
}
