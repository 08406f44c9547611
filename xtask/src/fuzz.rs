//! Running the fuzz targets for a while.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::{Step, root};

/// `[--minutes N] [--jobs N] [TARGET...]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let wanted = parse(args)?;
    let targets = targets()?;
    if let Some(unknown) = wanted.targets.iter().find(|target| !targets.contains(target)) {
        bail!(
            "unknown fuzz target `{unknown}`, expected one of: {}",
            targets.join(", ")
        );
    }
    ensure!(
        Step::cargo(&["fuzz", "--version"]).output().is_some(),
        "cargo-fuzz is missing\nhint: run `cargo install cargo-fuzz --locked`"
    );
    let targets = match wanted.targets.as_slice() {
        [] => targets,
        chosen => chosen.to_vec(),
    };
    cargo_fuzz(&["build"]).run()?;
    let folder = root().join("fuzz/logs");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (waiting, failed) = (Mutex::new(targets.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..wanted.jobs {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(target) = next() {
                    let log = folder.join(format!("{target}.log"));
                    eprintln!("{target}: for {} min, see {}", wanted.minutes, log.display());
                    match fuzz(&target, wanted.minutes, &log) {
                        Ok(runs) => eprintln!("{target}: {runs}"),
                        Err(error) => {
                            eprintln!("{target}: {error:#}");
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(target);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(failed.is_empty(), "something fell out of: {}", failed.join(", "));
    Ok(())
}

/// Runs one target, and gives what the fuzzer says at its end: how often it ran, and how long.
fn fuzz(target: &str, minutes: u32, log: &Path) -> Result<String> {
    // What is found goes to the first folder, which is nobody's to keep; it begins with what the second has.
    let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
    let folder = root().join("fuzz").join(&corpus);
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let seconds = format!("-max_total_time={}", minutes * 60);
    // Longer than the seeds are, so that what takes many times its length is far above what anybody may take unasked.
    let options = [seconds.as_str(), "-timeout=20", "-max_len=65536"];
    let run = cargo_fuzz(&["run"])
        .args([target, &corpus, &seeds, "--"])
        .args(options);
    run.run_into(log)?;
    let text = fs::read(log).with_context(|| format!("read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| line.starts_with("Done "));
    Ok(last.context("the fuzzer did not come to its end")?.to_owned())
}

/// `cargo fuzz` in its folder. Nothing here is unsafe, so the sanitizers have little to find, and a stable compiler will
/// do.
fn cargo_fuzz(command: &[&str]) -> Step {
    Step::cargo(&["fuzz"])
        .args(command)
        .args(["--sanitizer", "none"])
        .folder(&root().join("fuzz"))
        .env("RUSTC_BOOTSTRAP", "1")
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    minutes: u32,
    /// Targets that run at a time.
    jobs: u32,
    /// All if there are none.
    targets: Vec<String>,
}

fn parse(args: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted {
        minutes: 1,
        jobs: 1,
        targets: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, value) = arg
            .split_once('=')
            .map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        let number = match name {
            "--minutes" => &mut wanted.minutes,
            "--jobs" => &mut wanted.jobs,
            _ if arg.starts_with('-') => {
                bail!("expected `--minutes N`, `--jobs N` or a target, found `{arg}`");
            }
            _ => {
                wanted.targets.push(arg.clone());
                continue;
            }
        };
        *number = self::number(name, value.or_else(|| args.next().map(String::as_str)))?;
    }
    Ok(wanted)
}

/// The number behind an option.
pub(crate) fn number(option: &str, text: Option<&str>) -> Result<u32> {
    let text = text.with_context(|| format!("expected a number after `{option}`"))?;
    text.parse()
        .with_context(|| format!("expected a number after `{option}`, found `{text}`"))
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

    fn parsed(line: &str) -> Result<(u32, u32, Vec<String>), String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let wanted = parse(&args).map_err(|error| format!("{error:#}"))?;
        Ok((wanted.minutes, wanted.jobs, wanted.targets))
    }

    #[test]
    fn targets_and_numbers_come_in_any_order() {
        assert_eq!(parsed(""), Ok((1, 1, Vec::new())));
        assert_eq!(parsed("text --minutes 3"), Ok((3, 1, vec!["text".to_owned()])));
        assert_eq!(
            parsed("--minutes=3 text url --jobs 2"),
            Ok((3, 2, vec!["text".to_owned(), "url".to_owned()]))
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            parsed("--minutes"),
            Err("expected a number after `--minutes`".to_owned())
        );
        assert_eq!(
            parsed("--jobs x"),
            Err("expected a number after `--jobs`, found `x`: invalid digit found in string".to_owned())
        );
        assert_eq!(
            parsed("--seconds 3"),
            Err("expected `--minutes N`, `--jobs N` or a target, found `--seconds`".to_owned())
        );
    }
}
