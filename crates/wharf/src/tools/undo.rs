//! `wharf undo`: taking back what was removed.

mod named;
mod removals;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use serde::Deserialize;
use serde_json::Value;
use wharf_client::{Method, Request};

use self::named::{Labels, Named, groups_of, write_groups};
use super::gateway::GatewayFlags;
use super::output::{self, Format};
use super::remote::Remote;

/// Take back what was removed, or list what can be.
///
/// What `wharf rm`, `wharf wipe`, a deletion on the page or by the API has removed is kept for an hour (--undo.max-age of the
/// gateway). Groups come back as they were. A group that was pushed since is left as it is, and named.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf undo --list
  wharf undo
  wharf undo 17 --dry-run")]
pub(super) struct Arguments {
    /// Which removals, by the numbers that --list shows; without any, the newest
    #[arg(value_name = "ID")]
    ids: Vec<u64>,

    /// List what was removed; with numbers, which groups each of these has taken
    #[arg(long)]
    list: bool,

    /// Show what would come back, and change nothing
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,

    /// Text for people, or an array of objects for scripts
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf undo`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("undo", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    if arguments.list {
        removals::list(&remote, &arguments.ids, arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let newest = [None];
    let named: Vec<Option<u64>> = arguments.ids.iter().copied().map(Some).collect();
    let ids = if named.is_empty() { &newest[..] } else { &named };
    let mut answers = Vec::new();
    let mut outcome = Ok(());
    for id in ids {
        match undo(&remote, *id, arguments.dry_run) {
            Ok((answer, undone)) => {
                if arguments.output == Format::Text {
                    undone.write(&mut io::stdout().lock())?;
                }
                if !undone.complete && outcome.is_ok() {
                    outcome = Err(undone.incomplete());
                }
                answers.push(answer);
            }
            Err(error) => {
                // What has come back is said before what has not.
                outcome = Err(error);
                break;
            }
        }
    }
    if arguments.output == Format::Json {
        output::write_json(&answers)?;
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

/// What came of undoing a removal, or would come of it.
#[derive(Debug, Deserialize)]
struct Undone {
    id: u64,
    dry_run: bool,
    complete: bool,
    groups: u64,
    series: u64,
    kept: Named,
    expired: Named,
    missing: Named,
    refused: Refused,
}

#[derive(Debug, Deserialize)]
struct Refused {
    count: u64,
    groups: Vec<RefusedGroup>,
}

#[derive(Debug, Deserialize)]
struct RefusedGroup {
    labels: Labels,
    error: String,
}

fn undo(remote: &Remote, id: Option<u64>, dry_run: bool) -> anyhow::Result<(Value, Undone)> {
    let mut path = format!("/api/v1/admin/undo?dry_run={dry_run}");
    if let Some(id) = id {
        path = format!("{path}&id={id}");
    }
    let answer: Value = remote.ask_for_removals(&Request::new(Method::Put, path))?;
    let undone = Undone::deserialize(&answer)?;
    Ok((answer, undone))
}

impl Undone {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let groups = groups_of(self.groups);
        let series = output::counted(self.series, "series", "series");
        let id = self.id;
        match (self.dry_run, self.groups) {
            (false, 0) => writeln!(out, "nothing came back of removal {id}")?,
            (true, 0) => writeln!(out, "nothing would come back of removal {id}")?,
            (false, _) => writeln!(out, "removal {id} is undone: {groups} with {series} came back")?,
            (true, _) => writeln!(
                out,
                "undoing removal {id} would bring back {groups} with {series}"
            )?,
        }
        for (named, why) in [
            (&self.kept, "pushed since, and left alone"),
            (&self.expired, "expired meanwhile"),
            (
                &self.missing,
                "lost a family and are gone by now; undo the removal of the group first",
            ),
        ] {
            if named.count > 0 {
                writeln!(out, "{}, {why}:", groups_of(named.count))?;
                write_groups(out, named.groups.iter().map(|labels| (labels, None)), named.count)?;
            }
        }
        if self.refused.count > 0 {
            writeln!(out, "{}, refused:", groups_of(self.refused.count))?;
            let groups = self.refused.groups.iter();
            let groups = groups.map(|group| (&group.labels, Some(group.error.as_str())));
            write_groups(out, groups, self.refused.count)?;
        }
        Ok(())
    }

    fn incomplete(&self) -> anyhow::Error {
        let (id, groups) = (self.id, groups_of(self.refused.count));
        anyhow!(
            "{groups} of removal {id} cannot come back now\nhint: make room for what is refused, and run `wharf undo {id}` again"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn none() -> Value {
        json!({"count": 0, "groups": []})
    }

    fn said(answer: &Value) -> String {
        let mut out = Vec::new();
        Undone::deserialize(answer).unwrap().write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_came_back_and_what_did_not_is_said_with_the_reason() {
        let mut answer = json!({
            "id": 17, "dry_run": false, "complete": false, "groups": 1, "series": 5, "bytes": 350,
            "kept": {"count": 1, "groups": [{"job": "a"}]},
            "expired": {"count": 22, "groups": [{"job": "b", "instance": "\u{1b}"}]},
            "missing": none(),
            "refused": {"count": 1, "groups": [{"labels": {"job": "c"}, "status": 400, "error": "there are too many\nhint: no"}]},
        });
        assert_eq!(
            said(&answer),
            "removal 17 is undone: 1 group with 5 series came back\n\
             1 group, pushed since, and left alone:\n  {job=\"a\"}\n\
             22 groups, expired meanwhile:\n  {instance=\"\\u{1b}\",job=\"b\"}\n  ... and 21 more\n\
             1 group, refused:\n  {job=\"c\"}: there are too many\n"
        );
        for name in ["kept", "expired", "refused"] {
            answer[name] = none();
        }
        answer["dry_run"] = json!(true);
        assert_eq!(
            said(&answer),
            "undoing removal 17 would bring back 1 group with 5 series\n"
        );
        answer["groups"] = json!(0);
        assert_eq!(said(&answer), "nothing would come back of removal 17\n");
    }
}
