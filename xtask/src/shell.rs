//! Running other programs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// One program to run in the folder of the workspace.
#[derive(Debug)]
pub(crate) struct Step {
    command: Command,
}

impl Step {
    pub(crate) fn new(program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).current_dir(root());
        Self { command }
    }

    /// The cargo that runs us.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        Self::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()), args)
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Says what is run, runs it, and fails if it fails.
    pub(crate) fn run(mut self) -> Result<()> {
        eprintln!("$ {}", self.line());
        let status = self
            .command
            .status()
            .with_context(|| format!("run `{}`", self.line()))?;
        if !status.success() {
            bail!("`{}` failed: {status}", self.line());
        }
        Ok(())
    }

    /// Runs it with all it prints going to a file, and fails if it fails; the end of what it printed is then told.
    pub(crate) fn run_into(mut self, log: &Path) -> Result<()> {
        let line = self.line();
        let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let errors = file.try_clone().context("share a file")?;
        let status = self
            .command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .status();
        let status = status.with_context(|| format!("run `{line}`"))?;
        if !status.success() {
            let text = std::fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let end = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
            bail!("`{line}` failed: {status}\n{}", end.join("\n"));
        }
        Ok(())
    }

    /// Runs it silently; `None` unless it succeeds.
    pub(crate) fn output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    /// The command as a person would type it.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }
}

/// A variable of the environment, unless it is empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the development commands read the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
