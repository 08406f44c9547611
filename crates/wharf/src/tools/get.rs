//! `wharf get`: the metrics of some groups.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Map, Value};
use wharf_model::{Exposition, Family};

use super::contents;
use super::gateway::GatewayFlags;
use super::output::{Format, Pushed};
use super::remote;

/// Print the metrics of groups, with the labels of their group on each.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf get backup
  wharf get '{job=\"backup\",instance=\"db1\"}'
  wharf get '{}' -o json")]
pub(super) struct Arguments {
    /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs; '{}' is all of them
    #[arg(value_name = "SELECTOR|JOB", required = true)]
    selectors: Vec<String>,

    /// The text format, or the groups as the JSON API of the gateway shows them
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf get`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::carry_out("get", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let selectors = remote::parsed(&remote::selectors(&arguments.selectors)?)?;
    let mut out = Pushed::stdout();
    let mut groups: Vec<Map<String, Value>> = Vec::new();
    let mut all = Gathered::default();
    let mut found = false;
    contents::read(&client, |group| {
        let group = group?;
        if remote::selects(&selectors, &group.key) {
            found = true;
            match arguments.output {
                Format::Json => groups.push(group.json),
                Format::Text => {
                    for (family, reason) in &group.left_out {
                        let family = super::output::clean(family);
                        warn(&format!(
                            "left out: family {family} of group {}: {reason}",
                            group.key
                        ));
                    }
                    all.add(&group.families)?;
                }
            }
        }
        Ok(())
    })?;
    if !found {
        anyhow::bail!("expected a group that matches, found none\nhint: `wharf ls` shows which there are");
    }
    match arguments.output {
        Format::Json => {
            // JSON escapes control characters by itself.
            out.write(&serde_json::to_vec(&groups)?)?;
            out.write(b"\n")?;
        }
        Format::Text => all.write(&mut out)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn warn(text: &str) {
    // If standard error is closed, the output has to do.
    let _unwritten = writeln!(std::io::stderr(), "wharf get: warning: {text}");
}

/// The families of several groups, each once.
#[derive(Default)]
struct Gathered {
    exposition: Exposition<'static>,
    by_name: BTreeMap<String, usize>,
}

impl Gathered {
    fn add(&mut self, group: &Exposition<'_>) -> anyhow::Result<()> {
        for family in &group.families {
            let at = self.place(group, family)?;
            for metric in &family.metrics {
                let metric = self.exposition.adopt(group, metric)?;
                if let Some(family) = self.exposition.families.get_mut(at) {
                    family.metrics.push(metric);
                }
            }
        }
        Ok(())
    }

    /// The index of the family of that name, which is made if there is none.
    fn place(&mut self, group: &Exposition<'_>, family: &Family) -> anyhow::Result<usize> {
        let name = group.text(family.name);
        if let Some(at) = self.by_name.get(name) {
            return Ok(*at);
        }
        let help = family.help.map(|help| self.exposition.intern(group.text(help)));
        let added = Family {
            name: self.exposition.intern(name)?,
            help: help.transpose()?,
            metrics: Vec::new(),
            ..family.clone()
        };
        let at = self.exposition.families.len();
        self.exposition.families.push(added);
        self.by_name.insert(name.to_owned(), at);
        Ok(at)
    }

    fn write(&self, out: &mut Pushed<std::io::StdoutLock<'static>>) -> std::io::Result<()> {
        let mut text = Vec::new();
        for at in self.by_name.values() {
            if let Some(family) = self.exposition.families.get(*at) {
                contents::write_family(&mut text, &self.exposition, family, |_, _| true);
                out.write(&text)?;
                text.clear();
            }
        }
        Ok(())
    }
}
