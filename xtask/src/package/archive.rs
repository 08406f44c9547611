//! Archives for those who install by hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::build::Build;
use super::contents::write_completions;
use super::{copy, create, tar};
use crate::dependencies;
use crate::shell::{Step, root};

/// Makes one, and returns it.
pub(super) fn make(packages: &Path, build: &Build) -> Result<PathBuf> {
    let name = format!("wharf-{}-{}", env!("CARGO_PKG_VERSION"), build.target.0);
    let folder = packages.join(&name);
    let wharf = folder.join("wharf");
    create(&folder)?;
    copy(&build.program, &wharf)?;
    for file in ["README.md", "LICENSE", "CHANGELOG.md"] {
        copy(&root().join(file), &folder.join(file))?;
    }
    dependencies::write_bill(&folder.join("wharf.cdx.json"))?;
    Step::new("cp", &["-r", "docs"]).args([&folder]).run()?;
    let pages = folder.join("man/man1");
    create(&pages)?;
    Step::new(&wharf, &["man", "--out"]).args([&pages]).run()?;
    write_completions(&wharf, &folder.join("completions"))?;

    let archive = format!("{name}.tar.gz");
    tar(0)
        .args(["--use-compress-program=gzip -n", "-cf", &archive, &name])
        .folder(packages)
        .run()?;
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    Ok(packages.join(archive))
}
