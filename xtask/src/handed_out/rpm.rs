//! The RPM: rpmlint judges it, and the real rpm installs, upgrades and erases it in a root of its own, which is one of Debian: the
//! repositories of systems that use RPM are not asked for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::debian::{SUITE, bring_into, run_in};
use super::{clear, prints};
use crate::package::{self, Packages};
use crate::shell::{Step, root};
use crate::tools::NFPM;

/// What stands for the packages of a system, so that rpm has to find what ours asks for.
const SYSTEM: &str = r#"
name: system-of-the-trial
arch: all
platform: linux
version: 1.0.0
maintainer: nobody <nobody@example.invalid>
description: What a system has anyway.
provides: ["glibc = 2.41", "/usr/sbin/useradd", "/bin/sh", "systemd"]
"#;

pub(super) fn check(packages: &Packages) -> Result<()> {
    let rpm = &packages.rpm;
    Step::new("rpmlint", &["--config"])
        .args([root().join("packaging/linux/rpmlint.toml")])
        .args([rpm])
        .run()?;
    let query = |what: &str| Step::new("rpm", &["--query", what, "--package"]).args([rpm]);
    prints(query("--configfiles"), &["/etc/sysconfig/wharf"])?;
    prints(query("--requires"), &["glibc >= "])?;

    let folder = package::folder()?.join("rpm-root");
    clear(&folder)?;
    Step::new("mmdebstrap", &["--variant=apt", "--include=rpm,passwd", SUITE])
        .args([&folder])
        .run()?;
    let names = bring_into(&folder, &[&system()?, rpm, &packages.newer("rpm")?])?;
    run_in(&folder, "try-rpm.sh", names)?;
    clear(&folder)
}

/// Makes the package that stands for those of a system.
pub(super) fn system() -> Result<PathBuf> {
    let config = package::folder()?.join("system.yaml");
    let system = package::folder()?.join("system.rpm");
    fs::write(&config, SYSTEM).with_context(|| format!("write {}", config.display()))?;
    Step::new(NFPM.bring()?, &["package", "--packager=rpm", "--config"])
        .args([&config])
        .args(["--target".as_ref(), system.as_os_str()])
        .run()?;
    Ok(system)
}
