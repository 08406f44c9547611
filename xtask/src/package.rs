//! `cargo xtask package`: what is handed out, in `target/package/`.
//!
//! ```text
//! wharf-0.1.0-x86_64-unknown-linux-gnu.tar.gz    needs the C library of the system
//! wharf-0.1.0-x86_64-unknown-linux-musl.tar.gz   needs nothing
//!   wharf  README.md  LICENSE  CHANGELOG.md  wharf.cdx.json
//!   docs/            as in the sources
//!   man/man1/        the pages of `wharf man`
//!   completions/     wharf.bash, _wharf, wharf.fish
//! wharf_0.1.0-1_amd64.deb, wharf-pushgateway_0.1.0-1_amd64.deb, wharf-0.1.0-1.x86_64.rpm
//! wharf-0.1.0-image.tar                          the image, as an OCI archive that `docker load` reads as well
//! image/                                         what packaging/container/Dockerfile is built from
//! SHA256SUMS
//! ```
//!
//! The same commit makes the same archives and the same image, bit for bit, wherever it is built: neither the folders of who builds nor the
//! branch get into the program, and the order, the times, the owners and the permissions of files are always the same. What has
//! to be equal are the tools: rustc, the C compiler and the linker.

mod archive;
mod build;
mod contents;
mod image;
mod native;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use self::build::Build;
pub(crate) use self::build::Source;
use self::contents::Contents;
use crate::dependencies;
use crate::shell::Step;

/// What was made.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) archives: Vec<PathBuf>,
    pub(crate) debian: PathBuf,
    /// The one in the place of Debian's `prometheus-pushgateway`.
    pub(crate) debian_pushgateway: PathBuf,
    pub(crate) rpm: PathBuf,
    /// The image as an archive.
    pub(crate) image: PathBuf,
    /// The same unpacked: the layout, and what a Dockerfile is built from.
    pub(crate) image_layout: PathBuf,
    pub(crate) image_context: PathBuf,
    build: Build,
    /// The static program.
    alone: PathBuf,
    contents: Contents,
}

impl Packages {
    /// The programs that they are made of: with the C library of the system, and static.
    pub(crate) fn programs(&self) -> [&Path; 2] {
        [&self.build.program, &self.alone]
    }

    /// The package `wharf` once more, as if it were of a later version: for Debian, or as an RPM.
    pub(crate) fn newer(&self, packager: &'static str) -> Result<PathBuf> {
        native::newer(&folder()?, &self.build, &self.contents, packager)
    }
}

/// `[--profile NAME | --built SHARED STATIC]`
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (source, rest) = Source::from_args(args);
    ensure!(
        rest.is_empty(),
        "expected no more arguments, found `{}`",
        rest.join(" ")
    );
    make(source).map(drop)
}

/// Makes everything that the program is handed out as.
pub(crate) fn make(source: Source<'_>) -> Result<Packages> {
    let folder = folder()?;
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    create(&folder)?;
    let [shared, alone] = Build::both(source)?;
    let archives = vec![archive::make(&folder, &shared)?, archive::make(&folder, &alone)?];
    let contents = Contents::write(&folder.join("contents"), &shared)?;
    let [debian, debian_pushgateway, rpm] = native::make(&folder, &shared, &contents)?;
    let image = image::make(&folder, &alone)?;
    let packages = Packages {
        archives,
        debian,
        debian_pushgateway,
        rpm,
        image,
        image_layout: folder.join("image/layout"),
        image_context: folder.join("image"),
        build: shared,
        alone: alone.program,
        contents,
    };
    write_checksums(&folder, &packages)?;
    Ok(packages)
}

/// Where it all is put.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(dependencies::target_folder()?.join("package"))
}

fn write_checksums(folder: &Path, packages: &Packages) -> Result<()> {
    let others = [
        &packages.debian,
        &packages.debian_pushgateway,
        &packages.rpm,
        &packages.image,
    ];
    let files = packages.archives.iter().chain(others);
    let names = files.filter_map(|file| file.file_name());
    let sums = Step::new("sha256sum", &[]).args(names).folder(folder).output();
    let sums = sums.context("reckon checksums")?;
    eprint!("{sums}");
    fs::write(folder.join("SHA256SUMS"), sums).context("write SHA256SUMS")
}

/// The SHA-256 of a file, in hexadecimal digits.
fn checksum(file: &Path) -> Result<String> {
    let sum = Step::new("sha256sum", &["--"]).args([file]).output();
    let sum = sum.and_then(|sum| Some(sum.split(' ').next()?.to_owned()));
    sum.with_context(|| format!("reckon the checksum of {}", file.display()))
}

/// Seconds from 1970 to the commit that is built: the time of what is built, whenever that is.
fn commit_seconds() -> Result<String> {
    let time = Step::new("git", &["log", "-1", "--format=%ct"]).output();
    Ok(time.context("ask git for the last commit")?.trim().to_owned())
}

/// `tar` with nothing of who runs it.
fn tar(owner: u32) -> Step {
    Step::new(
        "tar",
        &[
            "--sort=name",
            "--mtime=@0",
            "--numeric-owner",
            "--mode=u=rwX,go=rX",
            "--format=gnu",
        ],
    )
    .args([format!("--owner={owner}"), format!("--group={owner}")])
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
