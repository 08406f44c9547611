//! `wharf get`: a scrape, or the metrics of some groups.

mod beside;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use wharf_client::Client;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use super::contents::{self, Scraped};
use super::gateway::GatewayFlags;
use super::output::{self, Pushed};
use super::remote::{self, Remote};

/// Print what a gateway shows: a scrape, or the metrics of some groups, with the labels of their group on each.
///
/// Without a selector it is what `curl` gets from /metrics, byte for byte, with the metrics of the gateway itself. An answer
/// that stops or is cut short is an error, and the exit code 1.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf get
  wharf get backup
  wharf get '{job=\"backup\",instance=\"db1\"}'
  wharf get '{}' -o json")]
pub(super) struct Arguments {
    /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs; '{}' is all of them, without what is the
    /// gateway's own
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// The format: for groups, text has in comments what it cannot say otherwise; json is the groups as the JSON API of
    /// the gateway shows them
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Openmetrics,
    Protobuf,
}

/// Runs `wharf get`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("get", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.gateway.client()?;
    let selectors = remote::selectors(&arguments.selectors)?;
    if arguments.output == Format::Protobuf && std::io::stdout().is_terminal() {
        bail!("expected a file or a program to write protobuf to, found a terminal");
    }
    let mut out = Pushed::stdout();
    let is_for_all = selectors.is_empty();
    match arguments.output {
        Format::Text if is_for_all => {
            let mut scrape = contents::scrape(&client, Scraped::Text, "")?;
            out.copy(&mut scrape, READING)?;
        }
        Format::Protobuf if is_for_all => {
            let mut scrape = contents::scrape(&client, Scraped::Protobuf, "")?;
            out.copy(&mut scrape, READING)?;
        }
        Format::Json => {
            let groups = as_json(&client, &selectors)?;
            refuse_nothing(is_for_all || !groups.is_empty())?;
            // JSON escapes control characters by itself.
            let mut json = serde_json::to_vec(&groups)?;
            json.push(b'\n');
            out.write(&json)?;
        }
        format => {
            let found = Found::read(&client, &selectors)?;
            refuse_nothing(is_for_all || found.groups)?;
            out.write(&found.written(format))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

const READING: &str = "read the scrape of the gateway";

fn refuse_nothing(is_something: bool) -> anyhow::Result<()> {
    if !is_something {
        bail!("expected a group that matches, found none\nhint: `wharf ls` shows which there are");
    }
    Ok(())
}

fn as_json(client: &Client, selectors: &[String]) -> anyhow::Result<Vec<Map<String, Value>>> {
    let selectors = remote::parsed(selectors)?;
    let mut groups = Vec::new();
    contents::read(client, |group| {
        groups.extend(Some(group?).filter(|group| remote::selects(&selectors, &group.key)));
        Ok(())
    })?;
    Ok(groups.into_iter().map(|group| group.json).collect())
}

fn warn(text: &str) {
    // If standard error is closed, the output has to do.
    let _unwritten = writeln!(std::io::stderr(), "wharf get: warning: {text}");
}

/// The families of the groups, each once, by name.
#[derive(Default)]
struct Found {
    exposition: Exposition<'static>,
    by_name: BTreeMap<String, usize>,
    /// Whether there is a group at all.
    groups: bool,
    /// Whether what the gateway itself says of groups is left out: the times of their pushes.
    without_times: bool,
}

impl Found {
    /// A whole scrape, or without it the groups that the selectors name.
    fn read(client: &Client, selectors: &[String]) -> anyhow::Result<Self> {
        let remote = Remote {
            client: client.clone(),
        };
        let mut found = Self {
            without_times: !selectors.is_empty(),
            ..Self::default()
        };
        if selectors.is_empty() || !remote.is_original()? {
            let query = remote::matching(selectors).replacen('&', "?", 1);
            let mut scrape = Vec::new();
            contents::scrape(client, Scraped::Protobuf, &query)?
                .read_to_end(&mut scrape)
                .context(READING)?;
            let scrape = protobuf::decode(&scrape).context(READING)?;
            found.groups = !scrape.families.is_empty();
            found.add(&scrape)?;
            return Ok(found);
        }
        let selectors = remote::parsed(selectors)?;
        let without_scrape = contents::read_exact(client, &selectors, |group| {
            let group = group?;
            for (family, reason) in &group.left_out {
                let what = contents::left_out_of(&group.key, family);
                warn(&format!("left out: {what}: {reason}"));
            }
            found.groups = true;
            found.add(&group.families)
        })?;
        if let Some(reason) = without_scrape {
            warn(&format!("left out: {}: {reason}", contents::NOT_IN_JSON));
        }
        Ok(found)
    }

    fn add(&mut self, group: &Exposition<'_>) -> anyhow::Result<()> {
        for family in &group.families {
            let name = group.text(family.name);
            if self.without_times && [PUSH_TIME, PUSH_FAILURE_TIME].contains(&name) {
                continue;
            }
            let Some(at) = self.by_name.get(name) else {
                let added = self.exposition.adopt_family(group, family)?;
                self.by_name
                    .insert(name.to_owned(), self.exposition.families.len());
                self.exposition.families.push(added);
                continue;
            };
            for metric in &family.metrics {
                let metric = self.exposition.adopt(group, metric)?;
                if let Some(family) = self.exposition.families.get_mut(*at) {
                    family.metrics.push(metric);
                }
            }
        }
        Ok(())
    }

    fn families(&self) -> impl Iterator<Item = &Family> {
        self.by_name
            .values()
            .filter_map(|at| self.exposition.families.get(*at))
    }

    fn written(&self, format: Format) -> Vec<u8> {
        let (exposition, escaping) = (&self.exposition, EscapingScheme::AllowUtf8);
        let (mut out, mut message) = (Vec::new(), Vec::new());
        for family in self.families() {
            let head = openmetrics::Head::of(exposition, family);
            match format {
                Format::Protobuf => {
                    message.clear();
                    protobuf::write_head(&mut message, &head, escaping);
                    protobuf::write_metrics(&mut message, exposition, family, escaping);
                    protobuf::write_length(&mut out, message.len());
                    out.extend_from_slice(&message);
                }
                Format::Openmetrics => {
                    if beside::has_native(exposition, family) {
                        let name = output::clean(head.name);
                        warn(&format!(
                            "left out: native histograms of family {name}: -o text or protobuf has them"
                        ));
                    }
                    openmetrics::write_head(&mut out, &head, escaping);
                    openmetrics::write_metrics(&mut out, exposition, family, escaping);
                }
                Format::Text | Format::Json => {
                    text::write_header(&mut out, head.name, head.help, head.metric_type, escaping);
                    beside::write_head(&mut out, &head);
                    for metric in &family.metrics {
                        let labels: Vec<_> = exposition.labels(metric.labels).collect();
                        text::write_metric(&mut out, exposition, head.name, &labels, metric.value, escaping);
                        beside::write(&mut out, exposition, head.name, metric);
                    }
                }
            }
        }
        if format == Format::Openmetrics {
            openmetrics::write_eof(&mut out);
        }
        out
    }
}
