//! `cargo xtask docs`: the documentation as a site.
//!
//! `docs/` is written to be read as plain files: its links lead to files, those of other folders of the repository included. `mdbook`
//! knows only what lies in the book, so the book is put together in `target/book` first, with its links changed (`book.rs`).
//! What comes out is looked over once more (`site.rs`), and a test looks at the links of the files themselves (`links.rs`).

mod book;
mod links;
mod site;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::dependencies::target_folder;
use crate::shell::{Step, root};
use crate::tools::MDBOOK;

/// What names the tests that hold the pages made from code to it.
const REFERENCES: &str = "the_reference_of_";

/// Builds the site, or brings those pages up to date that are made from code.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [] => build(None),
        ["--repository", url] => build(Some(url.trim_end_matches('/'))),
        ["--renew"] => renew(),
        _ => bail!(
            "expected nothing, `--renew` or `--repository URL` after `docs`, found `{}`",
            args.join(" ")
        ),
    }
}

/// Writes the site to `target/book/site`. `repository` is where files that are not in the book can be seen.
fn build(repository: Option<&str>) -> Result<()> {
    let mdbook = MDBOOK.bring()?;
    let folder = target_folder()?.join("book");
    let (source, site) = (folder.join("docs"), folder.join("site"));
    for folder in [&source, &site] {
        empty(folder)?;
    }
    book::assemble(&source, repository)?;
    let settings = "book.toml";
    fs::copy(root().join(settings), folder.join(settings)).with_context(|| format!("copy {settings}"))?;
    Step::new(mdbook, &["build"])
        .args([&folder])
        .args(["--dest-dir".as_ref(), site.as_os_str()])
        .run()?;
    site::check(&site)?;
    eprintln!("{}", site.join("index.html").display());
    Ok(())
}

/// Makes a folder, or takes out what is in it.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))
}

/// Writes the pages that are made from code: flags, keys, metrics, tools.
fn renew() -> Result<()> {
    Step::cargo(&["test", "--locked", "--package", "wharf", "--lib", REFERENCES])
        .env("UPDATE_EXPECT", "1")
        .run()
}
