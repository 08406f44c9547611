//! The packages for Debian, in a root that has nothing but Debian.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{apart, clear};
use crate::package::{self, Packages};
use crate::shell::{Step, root};

/// Debian 13, the stable release.
pub(super) const SUITE: &str = "trixie";

pub(super) fn check(packages: &Packages) -> Result<()> {
    for package in [&packages.debian, &packages.debian_pushgateway] {
        Step::new(
            "lintian",
            &["--fail-on", "error,warning", "--tag-display-limit", "0"],
        )
        .args([
            "--suppress-tags-from-file".as_ref(),
            root().join("packaging/linux/lintian-tags").as_os_str(),
        ])
        .args([package])
        .run()?;
    }
    for unit in ["wharf.service", "wharf-pushgateway.service"] {
        verify(unit)?;
    }
    let folder = package::folder()?.join("debian-root");
    clear(&folder)?;
    make_root(&folder, &[])?;
    let newer = packages.newer("deb")?;
    let names = bring_into(&folder, &[&packages.debian, &newer, &packages.debian_pushgateway])?;
    run_in(&folder, "try-in-debian.sh", names)?;
    clear(&folder)
}

/// The folder of a root where trials have their files: `/tmp` is empty once a root is booted.
const PLACE: &str = "trial";

/// Runs a script of `packaging/linux` in a root, with these arguments.
pub(super) fn run_in(folder: &Path, script: &str, args: Vec<PathBuf>) -> Result<()> {
    bring_script(folder, script)?;
    apart(&format!(
        "mount -t proc proc \"$0/proc\"; exec chroot \"$0\" sh /{PLACE}/{script} \"$@\""
    ))
    .args([folder])
    .args(args)
    .env("LC_ALL", "C.UTF-8")
    .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    .run()
}

/// Puts a script of `packaging/linux` into a root, with what it reads.
pub(super) fn bring_script(folder: &Path, script: &str) -> Result<()> {
    let linux = root().join("packaging/linux");
    bring_into(folder, &[&linux.join("facts.sh"), &linux.join(script)]).map(drop)
}

/// Puts files into a root, and returns their names there.
pub(super) fn bring_into(folder: &Path, files: &[&PathBuf]) -> Result<Vec<PathBuf>> {
    let place = folder.join(PLACE);
    std::fs::create_dir_all(&place).with_context(|| format!("make {}", place.display()))?;
    let mut names = Vec::new();
    for file in files {
        Step::new("cp", &["--"]).args([*file, &place]).run()?;
        let name = file.file_name().context("expected the name of a file")?;
        names.push(Path::new("/").join(PLACE).join(name));
    }
    Ok(names)
}

/// The unit has no mistakes, and is as closed as its package says.
fn verify(unit: &str) -> Result<()> {
    let text = root().join("packaging/linux").join(unit);
    let text = std::fs::read_to_string(&text).with_context(|| format!("read {}", text.display()))?;
    // What it starts is not installed here.
    let folder = package::folder()?.join("units");
    std::fs::create_dir_all(&folder).context("make a folder for units")?;
    let text = text
        .replace("/usr/bin/wharf", "/bin/true")
        .replace("/usr/bin/prometheus-pushgateway", "/bin/true");
    let text = text
        .replace("User=wharf\n", "User=nobody\n")
        .replace("User=prometheus\n", "User=nobody\n");
    let text = text
        .replace("Group=wharf\n", "Group=nogroup\n")
        .replace("Documentation=man:wharf(1)\n", "");
    let path = folder.join(unit);
    std::fs::write(&path, text).context("write a unit")?;
    Step::new("systemd-analyze", &["verify", "--man=no"])
        .args([&path])
        .run()?;
    // Of 100, where 0 is closed.
    let threshold = if unit == "wharf.service" { "20" } else { "30" };
    Step::new(
        "systemd-analyze",
        &[
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            threshold,
        ],
    )
    .args([&path])
    .run()
}

/// A Debian with what the packages depend on and with these, and the package of the Pushgateway ready to be installed.
pub(super) fn make_root(folder: &Path, more: &[&str]) -> Result<()> {
    let hook = "chroot \"$1\" apt-get --quiet --yes --no-install-recommends --download-only install prometheus-pushgateway";
    let packages = [&["adduser", "init-system-helpers"], more].concat();
    Step::new("mmdebstrap", &["--variant=apt"])
        .args([
            format!("--include={}", packages.join(",")),
            format!("--customize-hook={hook}"),
        ])
        // The downloaded packages have to stay.
        .args(["--skip=cleanup/apt/cache", "--skip=cleanup/apt", SUITE])
        .args([folder])
        .run()
}
