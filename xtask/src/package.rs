//! `cargo xtask package`: what is handed out, in one archive.
//!
//! ```text
//! wharf-0.1.0-x86_64-unknown-linux-gnu/
//!   wharf  README.md  LICENSE  CHANGELOG.md  wharf.cdx.json
//!   docs/            as in the sources
//!   man/man1/        the pages of `wharf man`
//!   completions/     wharf.bash, _wharf, wharf.fish
//! ```
//!
//! The order, the times and the owners of what is in it are always the same, so equal sources make equal archives.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::dependencies;
use crate::shell::{Step, root};

/// Completion scripts under the names that the shells look for.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "wharf.bash"), ("zsh", "_wharf"), ("fish", "wharf.fish")];

pub(crate) fn run() -> Result<()> {
    Step::cargo(&["build", "--profile", "dist", "--locked", "--package", "wharf"]).run()?;
    let host = dependencies::host()?;
    let name = format!("wharf-{}-{host}", env!("CARGO_PKG_VERSION"));
    let target = dependencies::target_folder()?;
    let folder = target.join("package").join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let wharf = folder.join("wharf");
    create(&folder)?;
    copy(&target.join("dist/wharf"), &wharf)?;
    for file in ["README.md", "LICENSE", "CHANGELOG.md"] {
        copy(&root().join(file), &folder.join(file))?;
    }
    dependencies::write_bill(&folder.join("wharf.cdx.json"))?;
    Step::new("cp", &["-r", "docs"]).args([&folder]).run()?;

    let pages = folder.join("man/man1");
    create(&pages)?;
    Step::new(&wharf, &["man", "--out"]).args([&pages]).run()?;
    let scripts = folder.join("completions");
    create(&scripts)?;
    for (shell, file) in COMPLETIONS {
        let script = Step::new(&wharf, &["completions", shell]).output();
        let script = script.with_context(|| format!("make the completions for {shell}"))?;
        fs::write(scripts.join(file), script).with_context(|| format!("write {file}"))?;
    }

    let archive = format!("{name}.tar.gz");
    Step::new(
        "tar",
        &[
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
        ],
    )
    .args(["--use-compress-program=gzip -n", "-cf", &archive, &name])
    .folder(&target.join("package"))
    .run()?;
    eprintln!("{}", target.join("package").join(archive).display());
    Ok(())
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
