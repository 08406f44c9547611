//! What the packages have beside the files of `packaging/linux`: the program, its manual pages, and so on, in the forms that
//! distributions want.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::build::Build;
use super::{commit_seconds, copy, create, write};
use crate::dependencies;
use crate::shell::{Step, root};

/// Completion scripts under the names that the shells look for.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "wharf.bash"), ("zsh", "_wharf"), ("fish", "wharf.fish")];

/// Who answers for the packages, unless `WHARF_MAINTAINER` says it.
pub(super) const MAINTAINER: &str = "Wharf developers <wharf@packages.invalid>";

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Wharf
Comment:
 The program contains libraries of others. wharf.cdx.json beside this file lists
 them with their versions and licences.

Files: *
Copyright: 2026 Wharf developers
License: Apache-2.0
 Licensed under the Apache License, Version 2.0. You may not use this file except
 in compliance with the License.
 .
 On Debian systems, the whole text of the License is in the file
 /usr/share/common-licenses/Apache-2.0.
";

/// A folder with these files.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) folder: PathBuf,
}

impl Contents {
    pub(super) fn write(folder: &Path, build: &Build) -> Result<Self> {
        create(folder)?;
        copy(&build.program, &folder.join("wharf"))?;
        // A distribution's packages keep no names of functions.
        Step::new("strip", &[]).args([folder.join("wharf")]).run()?;
        let pages = folder.join("man1");
        create(&pages)?;
        Step::new(&build.program, &["man", "--out"])
            .args([&pages])
            .run()?;
        for page in fs::read_dir(&pages).context("list the manual pages")? {
            compress(&page?.path())?;
        }
        write_completions(&build.program, &folder.join("completions"))?;

        let doc = folder.join("doc");
        create(&doc)?;
        write(&doc.join("copyright"), COPYRIGHT)?;
        dependencies::write_bill(&doc.join("wharf.cdx.json"))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The same with the documentation of one package.
    pub(super) fn of_package(&self, name: &str, version: &str, maintainer: &str) -> Result<()> {
        let doc = self.folder.join("doc");
        let date = Step::new("date", &["--utc", "--rfc-email"])
            .args([format!("--date=@{}", commit_seconds()?)])
            .output()
            .context("write a date")?;
        let entry = format!(
            "{name} ({version}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {maintainer}  {}\n",
            date.trim()
        );
        let files = [
            ("changelog.Debian", entry.into_bytes()),
            (
                "changelog",
                fs::read(root().join("CHANGELOG.md")).context("read CHANGELOG.md")?,
            ),
        ];
        for (file, text) in files {
            let path = doc.join(file);
            write(&path, text)?;
            let compressed = doc.join(format!("{file}.gz"));
            if compressed.exists() {
                fs::remove_file(&compressed).with_context(|| format!("remove {}", compressed.display()))?;
            }
            compress(&path)?;
        }
        Ok(())
    }
}

/// Puts `FILE.gz` in the place of `FILE`.
fn compress(file: &Path) -> Result<()> {
    Step::new("gzip", &["-9", "-n", "--"]).args([file]).run()
}

/// Writes the completion scripts into a folder.
pub(super) fn write_completions(wharf: &Path, folder: &Path) -> Result<()> {
    create(folder)?;
    for (shell, file) in COMPLETIONS {
        let script = Step::new(wharf, &["completions", shell]).output();
        let script = script.with_context(|| format!("make the completions for {shell}"))?;
        write(&folder.join(file), script)?;
    }
    Ok(())
}
