//! `wharf export`: groups in a form that `wharf import` and `wharf push` understand.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use wharf_model::GroupingKey;

use super::contents::{self, Contents};
use super::gateway::GatewayFlags;
use super::output::{self, Format, Pushed};
use super::remote::{self, Query, Remote, Sort};

/// Write groups to standard output, for `wharf import` or `wharf push`.
///
/// As JSON, the default, each line is one group with its labels, the time of its last push, its time to live and its
/// metrics as text. As text it is the metrics of one group, without the labels of the group.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf export > groups.json
  wharf export -o text '{job=\"a\"}' | wharf push --job=b -")]
pub(super) struct Arguments {
    /// Only these groups: selectors such as '{job=~"ci-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// One line a group, or the text of a single group
    #[arg(short, long, value_enum, default_value = "json")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// One line of an export.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) labels: BTreeMap<String, String>,
    /// The last successful push, as RFC 3339; none if there never was one.
    pub(super) push_time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<String>,
    /// The metrics in the text format.
    pub(super) text: String,
}

/// Runs `wharf export`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::carry_out("export", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    let typed = remote::selectors(&arguments.selectors)?;
    let selectors = remote::parsed(&typed)?;
    let mut ttls = match arguments.output {
        Format::Json => ttls(&remote, typed)?,
        Format::Text => HashMap::new(),
    };
    let mut out = Pushed::stdout();
    let (mut found, mut incomplete) = (0_u64, false);
    let mut single = None;
    contents::read(&remote.client, |group| {
        let group = group?;
        if !remote::selects(&selectors, &group.key) {
            return Ok(());
        }
        found += 1;
        for (family, reason) in &group.left_out {
            incomplete = true;
            let (family, key) = (output::clean(family), output::clean(&group.key.to_string()));
            // If standard error is closed, the exit code says it alone.
            let _unwritten = writeln!(
                std::io::stderr(),
                "wharf export: left out: family {family} of group {key}: {reason}"
            );
        }
        match arguments.output {
            Format::Json => {
                let mut line = serde_json::to_vec(&line(&group, ttls.remove(&group.key)))?;
                line.push(b'\n');
                out.write(&line)?;
            }
            Format::Text => single = Some(group.text()),
        }
        Ok(())
    })?;
    if arguments.output == Format::Text {
        match single.filter(|_| found == 1) {
            Some(text) => out.write(&text)?,
            None => anyhow::bail!(
                "expected one group for the text of it, found {found}\nhint: name all of its labels, or use -o json"
            ),
        }
    }
    out.flush()?;
    Ok(if incomplete {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The times to live, which only Wharf has, and only in its listing.
pub(super) fn ttls(remote: &Remote, selectors: Vec<String>) -> anyhow::Result<HashMap<GroupingKey, String>> {
    if remote.is_original()? {
        return Ok(HashMap::new());
    }
    let query = Query {
        selectors,
        sort: Sort::Labels,
        descending: false,
    };
    let groups = remote.list(&query, usize::MAX, |group| group.ttl.is_some())?;
    Ok(groups
        .into_iter()
        .filter_map(|group| Some((group.key, group.ttl?)))
        .collect())
}

fn line(group: &Contents, ttl: Option<String>) -> Line {
    let labels = group.key.labels();
    Line {
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        push_time: group.pushed_at.map(|time| time.to_string()),
        ttl,
        // The decoder has checked each string that it is made of.
        text: String::from_utf8_lossy(&group.text()).into_owned(),
    }
}
