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
//! The same commit makes the same archive, bit for bit, wherever it is built: neither the folders of who builds nor the
//! branch get into the program, and the order, the times, the owners and the permissions of files are always the same. What has
//! to be equal are the tools: rustc, the C compiler and the linker.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::dependencies;
use crate::shell::{Step, root};

/// Completion scripts under the names that the shells look for.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "wharf.bash"), ("zsh", "_wharf"), ("fish", "wharf.fish")];

pub(crate) fn run() -> Result<()> {
    build()?;
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
            "--mode=u=rwX,go=rX",
            "--format=gnu",
        ],
    )
    .args(["--use-compress-program=gzip -n", "-cf", &archive, &name])
    .folder(&target.join("package"))
    .run()?;
    let archive = target.join("package").join(archive);
    Step::new("sha256sum", &[]).args([&archive]).run()
}

/// Builds the program with other names in the place of folders, which would else end up in the messages of panics.
fn build() -> Result<()> {
    let changes = Step::new("git", &["status", "--porcelain"]).output();
    if changes.is_some_and(|changes| !changes.is_empty()) {
        eprintln!("warning: there are changes that are not committed; nobody can build the same");
    }
    let libraries = dependencies::libraries_folder()?;
    let target = dependencies::target_folder()?;
    let names = [(target.as_path(), "/target"), (&libraries, "/crates")];
    let rust = names.map(|(folder, name)| renamed("--remap-path-prefix=", folder, name));
    let [_, c] = names.map(|(folder, name)| renamed("-ffile-prefix-map=", folder, name));
    Step::cargo(&["build", "--profile", "dist", "--locked", "--package", "wharf"])
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}".as_ref()))
        .env("CFLAGS", c)
        // What C libraries take for the time of the build.
        .env("SOURCE_DATE_EPOCH", "0")
        // A commit may be on many branches. Releases of the Pushgateway say this, too.
        .env("WHARF_BUILD_BRANCH", "HEAD")
        .run()
}

/// `OPTION FOLDER=NAME`, in one word.
fn renamed(option: &str, folder: &Path, name: &str) -> OsString {
    let mut flag = OsString::from(option);
    flag.push(folder);
    flag.push("=");
    flag.push(name);
    flag
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
