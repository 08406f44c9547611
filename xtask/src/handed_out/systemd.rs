//! The units, where systemd is process 1: a Debian that has the packages is booted in a container of systemd's own.

use std::fs;

use anyhow::{Context as _, Result};

use super::debian::{bring_into, bring_script, make_root};
use super::{clear, rpm};
use crate::package::{self, Packages};
use crate::shell::Step;

/// What the trial needs beside what all roots have. The last one has `pidof`.
const MORE: [&str; 4] = ["dbus", "rpm", "systemd-sysv", "sysvinit-utils"];

/// Runs the trial once the system is up, and ends the system with it: 0 if all of it holds.
const UNIT: &str = "\
[Unit]
Description=A trial of packages
SuccessAction=exit
FailureAction=exit
FailureActionExitStatus=1

[Service]
Type=oneshot
TimeoutStartSec=15min
StandardOutput=file:/trial/log
StandardError=inherit
ExecStart=/bin/sh /trial/try-with-systemd.sh";

pub(super) fn check(packages: &Packages) -> Result<()> {
    let folder = package::folder()?.join("systemd-root");
    clear(&folder)?;
    make_root(&folder, &MORE)?;
    bring_script(&folder, "try-with-systemd.sh")?;
    let archives = [
        &packages.debian,
        &packages.newer("deb")?,
        &packages.debian_pushgateway,
        &rpm::system()?,
        &packages.rpm,
        &packages.newer("rpm")?,
    ];
    let names = bring_into(&folder, &archives)?;
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    let units = folder.join("etc/systemd/system");
    let unit = units.join("trial.service");
    fs::write(&unit, format!("{UNIT} {}\n", names.join(" "))).context("write the unit of the trial")?;
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants).context("make a folder for units")?;
    std::os::unix::fs::symlink("../trial.service", wants.join("trial.service"))
        .context("enable the unit of the trial")?;

    let console = package::folder()?.join("systemd-console.log");
    let booted = Step::new(
        "systemd-nspawn",
        &[
            "--quiet",
            "--boot",
            "--console=pipe",
            "--private-network",
            // There may be no systemd here that knows of containers.
            "--register=no",
            "--keep-unit",
            "--directory",
        ],
    )
    .args([&folder])
    .run_into(&console);
    Step::new("cat", &[]).args([folder.join("trial/log")]).run()?;
    booted?;
    clear(&folder)
}
