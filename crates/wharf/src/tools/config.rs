//! `wharf config`: looking at a configuration file before it counts, and making what stands in one.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wharf_gateway::{TokenHash, random_token};
use wharf_model::name::NameRule;

use super::output;

/// Check a file for --config.file, make tokens for it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  wharf config check /etc/wharf/rules.yml
  wharf config hash-token < token
  wharf config hash-token --generate")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a configuration file as --config.file does, and say whether it is sound
    ///
    /// Every mistake is shown with its line and column.
    Check {
        /// The file
        file: PathBuf,

        /// Allow what a gateway with this flag allows: any UTF-8 text as a name
        #[arg(long = "push.enable-utf8-names")]
        utf8_names: bool,
    },
    /// Print the hash by which the section `access` knows a token
    ///
    /// The token is read from standard input.
    HashToken {
        /// Make a token that nobody can guess, and print both
        #[arg(long)]
        generate: bool,
    },
}

/// Runs `wharf config`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("config", arguments, |arguments: &Arguments| {
        let mut out = io::stdout().lock();
        match &arguments.command {
            Command::Check { file, utf8_names } => {
                let names = if *utf8_names {
                    NameRule::Utf8
                } else {
                    NameRule::Legacy
                };
                check(file, names, &mut out)?;
            }
            Command::HashToken { generate: true } => generate(&mut out)?,
            Command::HashToken { generate: false } => hash(&mut io::stdin().lock(), &mut out)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn check(file: &Path, names: NameRule, out: &mut dyn Write) -> anyhow::Result<()> {
    let policy = crate::config_file::read(file, names)?;
    let counted = |count: usize, one, many| output::counted(count as u64, one, many);
    writeln!(
        out,
        "sound: {}, {}, {}{}{}{}{}{}",
        counted(policy.expiry.len(), "expiry rule", "expiry rules"),
        counted(policy.quotas.len(), "quota", "quotas"),
        counted(policy.relabelling.len(), "relabelling rule", "relabelling rules"),
        match policy.aggregation.len() {
            0 => String::new(),
            rules => format!(
                ", {}",
                counted(rules, "rule of aggregation", "rules of aggregation")
            ),
        },
        match policy.runs.len() {
            0 => String::new(),
            runs => format!(", {}", counted(runs, "rule of runs", "rules of runs")),
        },
        match policy.expectations.iter().count() {
            0 => String::new(),
            rules => format!(", {}", counted(rules, "expectation", "expectations")),
        },
        match policy.alerting.map_or(0, |alerting| alerting.alertmanagers.len()
            + alerting.webhooks.len())
        {
            0 => String::new(),
            receivers => format!(
                ", {}",
                counted(receivers, "receiver of alerts", "receivers of alerts")
            ),
        },
        if policy.tracing.is_some() { ", traces" } else { "" }
    )?;
    Ok(())
}

/// A token is shorter; who sends more does not send one.
const MAX_INPUT_BYTES: u64 = 64 << 10;

fn hash(input: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut text = String::new();
    input.take(MAX_INPUT_BYTES).read_to_string(&mut text)?;
    // Most programs end what they write with a line feed, and no token has one.
    let hash = TokenHash::of(text.trim_end_matches(['\r', '\n']))?;
    Ok(writeln!(out, "{hash}")?)
}

fn generate(out: &mut dyn Write) -> anyhow::Result<()> {
    let token = random_token()?;
    let hash = TokenHash::of(&token)?;
    Ok(writeln!(out, "token: {token}\nsha256: {hash}")?)
}
