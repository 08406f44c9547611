//! `cargo xtask release` in a copy of the repository, with a key made for it: nobody outside knows of it.

use anyhow::{Context as _, Result, ensure};

use super::{clear, prints};
use crate::dependencies;
use crate::package::Packages;
use crate::shell::{Step, root};

/// Higher than any version that is released.
const VERSION: &str = "999.0.0";

pub(super) fn check(packages: &Packages) -> Result<()> {
    let folder = dependencies::target_folder()?.join("release-trial");
    clear(&folder)?;
    let [clone, key] = ["wharf", "key"].map(|name| folder.join(name));
    Step::new("git", &["clone", "--quiet"])
        .args([&root(), &clone])
        .run()?;
    for setting in ["user.name=trial", "user.email=trial@example.invalid"] {
        let (name, value) = setting.split_once('=').context("expected a setting")?;
        Step::new("git", &["config", name, value]).folder(&clone).run()?;
    }
    Step::new("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f"])
        .args([&key])
        .run()?;
    // The programs are there; what is built is the test that records what a version promises.
    Step::cargo(&["xtask", "release", VERSION, "--sign"])
        .args([format!("ssh:{}", key.display()), "--built".to_owned()])
        .args(packages.programs())
        .folder(&clone)
        .env("CARGO_TARGET_DIR", clone.join("target"))
        .run()?;
    let git = |args: &[&str]| Step::new("git", args).folder(&clone);
    prints(git(&["tag", "--list"]), &["v999.0.0"])?;
    prints(
        git(&["show", "--stat", "v999.0.0"]),
        &["releases/999.0.0/promises.txt", "CHANGELOG.md", "# Wharf 999.0.0"],
    )?;
    prints(git(&["cat-file", "tag", "v999.0.0"]), &["BEGIN SSH SIGNATURE"])?;
    prints(git(&["status", "--porcelain"]), &[]).and_then(|text| {
        ensure!(
            text.is_empty(),
            "expected all of a release to be committed, found\n{text}"
        );
        Ok(())
    })?;
    let made = clone.join("target/package");
    prints(
        Step::new("sha256sum", &["--check", "SHA256SUMS"]).folder(&made),
        &["wharf-999.0.0-image.tar: OK"],
    )?;
    let public = std::fs::read_to_string(key.with_extension("pub")).context("read the key")?;
    let signers = folder.join("signers");
    std::fs::write(&signers, format!("trial {public}")).context("write the key")?;
    Step::new(
        "sh",
        &[
            "-ec",
            "ssh-keygen -Y verify -f \"$0\" -I trial -n file -s SHA256SUMS.sig <SHA256SUMS",
        ],
    )
    .args([&signers])
    .folder(&made)
    .run()?;
    clear(&folder)
}
