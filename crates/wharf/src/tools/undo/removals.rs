//! Which removals a gateway has kept.

use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use wharf_client::Request;

use super::super::output::{self, Format, Side, Table};
use super::super::remote::Remote;
use super::named::{Named, groups_of, write_groups};

/// Removals of one page of the list, the most that Wharf gives.
const PAGE: usize = 1_000;
/// Characters of what was asked for, in the table.
const WHAT: usize = 60;

/// A page of the list.
#[derive(Debug, Deserialize)]
struct Page {
    kept: Option<Kept>,
    removals: Vec<Value>,
    next_before: Option<u64>,
}

/// How removals are kept.
#[derive(Debug, Deserialize)]
struct Kept {
    survives_restart: bool,
}

/// A removal, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Removal {
    id: u64,
    time: Timestamp,
    kind: String,
    by: Option<String>,
    address: Option<String>,
    what: Option<String>,
    groups: u64,
    series: u64,
    bytes: u64,
    until: Timestamp,
    undone_at: Option<Timestamp>,
    impossible: Option<String>,
    /// Only of one that was asked for.
    named: Option<Named>,
}

/// Prints the removals that may be undone, newest first; or those of these numbers, each with its groups.
///
/// # Errors
/// If the gateway does not answer as it should.
pub(super) fn list(remote: &Remote, ids: &[u64], format: Format) -> anyhow::Result<()> {
    let (kept, values) = if ids.is_empty() {
        all(remote)?
    } else {
        some(remote, ids)?
    };
    if format == Format::Json {
        return output::write_json(&values);
    }
    let removals: Result<Vec<Removal>, _> = values.iter().map(Removal::deserialize).collect();
    let removals = removals?;
    let now = remote.status()?.now();
    let mut out = io::stdout().lock();
    for line in table(&removals, now) {
        writeln!(out, "{line}")?;
    }
    for removal in &removals {
        if let Some(named) = &removal.named {
            writeln!(out, "removal {}, {}:", removal.id, groups_of(named.count))?;
            write_groups(
                &mut out,
                named.groups.iter().map(|labels| (labels, None)),
                named.count,
            )?;
        }
    }
    drop(out);
    let say = |text: &str| {
        // If standard error is closed, nobody listens.
        let _unwritten = writeln!(io::stderr(), "wharf undo: {text}");
    };
    match kept {
        None => say("nothing that is removed is kept (--undo.max-age, --undo.max-bytes of the gateway)"),
        Some(_) if removals.is_empty() => say("there is nothing that you can take back"),
        Some(kept) if !kept.survives_restart => {
            say("warning: a restart of the gateway loses what was removed");
        }
        Some(_) => {}
    }
    Ok(())
}

fn page(remote: &Remote, parameters: &str) -> anyhow::Result<Page> {
    remote.ask_for_removals(&Request::get(format!("/api/v1/admin/removed?{parameters}")))
}

fn all(remote: &Remote) -> anyhow::Result<(Option<Kept>, Vec<Value>)> {
    let mut removals = Vec::new();
    let mut next = None;
    loop {
        let before = next.map(|before: u64| format!("&before={before}"));
        let page = page(remote, &format!("limit={PAGE}{}", before.unwrap_or_default()))?;
        removals.extend(page.removals);
        next = page.next_before;
        if next.is_none() {
            return Ok((page.kept, removals));
        }
    }
}

fn some(remote: &Remote, ids: &[u64]) -> anyhow::Result<(Option<Kept>, Vec<Value>)> {
    let (mut kept, mut removals) = (None, Vec::new());
    for id in ids {
        let page = page(remote, &format!("id={id}"))?;
        kept = page.kept;
        removals.extend(page.removals);
    }
    Ok((kept, removals))
}

fn table(removals: &[Removal], now: f64) -> Vec<String> {
    let mut table = Table::new(&[
        ("ID", Side::Right),
        ("REMOVED", Side::Right),
        ("WHAT", Side::Left),
        ("GROUPS", Side::Right),
        ("SERIES", Side::Right),
        ("BYTES", Side::Right),
        ("BY", Side::Left),
        ("UNDO", Side::Left),
    ]);
    for removal in removals {
        table.row([
            removal.id.to_string(),
            output::ago(now, seconds(removal.time)),
            removal.what(),
            removal.groups.to_string(),
            removal.series.to_string(),
            output::size(removal.bytes),
            removal.author(),
            removal.state(now),
        ]);
    }
    table.lines()
}

impl Removal {
    fn what(&self) -> String {
        let what = match (&self.what, self.kind.as_str()) {
            (Some(what), _) => what,
            (None, "wipe") => "everything",
            // Found in the log by a start: nobody had time to say more.
            (None, kind) => kind,
        };
        let what = output::clean(what);
        match what.char_indices().nth(WHAT) {
            Some((end, _)) => format!("{}...", what.get(..end).unwrap_or_default()),
            None => what,
        }
    }

    fn author(&self) -> String {
        let by = self.by.as_deref().unwrap_or("unknown");
        let address = self.address.as_ref().map(|address| format!(" {address}"));
        output::clean(&format!("{by}{}", address.unwrap_or_default()))
    }

    /// For how long it can be undone, or why it cannot.
    fn state(&self, now: f64) -> String {
        if let Some(at) = self.undone_at {
            return format!("undone {}", output::ago(now, seconds(at)));
        }
        if let Some(why) = &self.impossible {
            return format!("no: {}", output::clean(why));
        }
        let left = Duration::try_from_secs_f64(seconds(self.until) - now).unwrap_or_default();
        format!("for {}", output::in_one_unit(left))
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn removal(changes: &Value) -> Removal {
        let mut value = json!({
            "id": 17, "time": "2026-01-02T03:04:05Z", "kind": "selector", "by": "user `alice`", "address": "192.0.2.1",
            "what": "{job=\"a\"}", "groups": 2, "series": 9, "bytes": 700, "recovered": false,
            "until": "2026-01-02T04:04:05Z", "undoable": true, "undone_at": null, "impossible": null,
        });
        for (name, change) in changes.as_object().unwrap() {
            value[name] = change.clone();
        }
        Removal::deserialize(&value).unwrap()
    }

    #[test]
    fn a_removal_is_a_line_that_says_how_long_it_can_be_undone() {
        let unknown = json!({"kind": "wipe", "what": null, "by": null, "address": null, "impossible": "it is too large"});
        let removals = [
            removal(&json!({})),
            removal(&json!({"what": "x".repeat(70), "undone_at": "2026-01-02T03:05:05Z"})),
            removal(&unknown),
        ];
        let now = seconds("2026-01-02T03:34:05Z".parse().unwrap());
        let long = format!("{}...", "x".repeat(60));
        assert_eq!(
            table(&removals, now),
            [
                format!(
                    "ID  REMOVED  {:<63}  GROUPS  SERIES  BYTES  BY                      UNDO",
                    "WHAT"
                ),
                format!(
                    "17  30m ago  {:<63}       2       9  700 B  user `alice` 192.0.2.1  for 30m",
                    "{job=\"a\"}"
                ),
                format!("17  30m ago  {long}       2       9  700 B  user `alice` 192.0.2.1  undone 29m ago"),
                format!(
                    "17  30m ago  {:<63}       2       9  700 B  unknown                 no: it is too large",
                    "everything"
                ),
            ]
        );
    }
}
