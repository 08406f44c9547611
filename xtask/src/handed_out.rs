//! `cargo xtask packaging`: what is handed out, tried with real tools, as far as one machine can.
//!
//! Packages are installed, upgraded and removed in a root of their own; the root of the image is run; the chart is rendered.
//! It needs root, Debian's packages and Go, and takes some minutes, so it is no part of what runs for each change.

mod compose;
mod dashboard;
mod debian;
mod image;
mod kubernetes;
mod pods;
mod release;
mod rpm;
mod systemd;

use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::package::{self, Packages, Source};
use crate::peers;
use crate::shell::Step;

/// What is tried. Some of it needs no packages.
enum Part {
    OfPackages(fn(&Packages) -> Result<()>),
    Alone(fn() -> Result<()>),
}

const PARTS: [(&str, Part); 9] = [
    ("debian", Part::OfPackages(debian::check)),
    ("systemd", Part::OfPackages(systemd::check)),
    ("rpm", Part::OfPackages(rpm::check)),
    ("image", Part::OfPackages(image::check)),
    ("compose", Part::OfPackages(compose::check)),
    ("dashboard", Part::Alone(dashboard::check)),
    ("kubernetes", Part::Alone(kubernetes::check)),
    ("pods", Part::OfPackages(pods::check)),
    ("release", Part::OfPackages(release::check)),
];

/// `[--profile NAME | --built SHARED STATIC] [PART...]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (source, names) = Source::from_args(args);
    if let Some(unknown) = names
        .iter()
        .find(|name| PARTS.iter().all(|(part, _)| part != name))
    {
        let parts = PARTS.map(|(part, _)| part);
        bail!("unknown part `{unknown}`, expected some of: {}", parts.join(", "));
    }
    let chosen = PARTS
        .iter()
        .filter(|(part, _)| names.is_empty() || names.iter().any(|name| name == part));
    let chosen: Vec<_> = chosen.collect();
    let needs_packages = chosen.iter().any(|(_, part)| matches!(part, Part::OfPackages(_)));
    let packages = if needs_packages {
        peers::bring_for_packages()?;
        Some(package::make(source)?)
    } else {
        None
    };
    for (name, part) in chosen {
        eprintln!("--- {name}");
        match (part, &packages) {
            (Part::OfPackages(check), Some(packages)) => check(packages)?,
            (Part::Alone(check), _) => check()?,
            (Part::OfPackages(_), None) => {}
        }
    }
    Ok(())
}

/// A command in namespaces of its own: with no network but its loopback, and nothing of it is left when it ends.
fn apart(command: &str) -> Step {
    let flags = [
        "--net",
        "--pid",
        "--mount",
        "--mount-proc",
        "--fork",
        "--kill-child",
    ];
    Step::new("unshare", &flags).args(["sh", "-ec", &format!("ip link set lo up; {command}")])
}

/// What a program prints, which has to succeed and to print all of `expected`.
fn prints(step: Step, expected: &[&str]) -> Result<String> {
    let line = step.line();
    let Some(text) = step.output() else {
        bail!("`{line}` failed");
    };
    for part in expected {
        ensure!(text.contains(part), "`{line}`: expected `{part}`, found\n{text}");
    }
    Ok(text)
}

/// Removes a folder, whatever was unpacked there.
fn clear(folder: &Path) -> Result<()> {
    Step::new("rm", &["-rf", "--one-file-system", "--"])
        .args([folder])
        .run()
}
