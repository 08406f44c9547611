//! What a gateway expects of its groups, as it tells, and how that is shown.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::anyhow;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use wharf_client::{Request, percent_encode};
use wharf_model::GroupingKey;

use super::output::{self, Format, Side, Table};
use super::remote::{self, Remote};

/// Expectations of one page, the most that Wharf gives.
const PAGE: usize = 1_000;

/// A group that is expected.
#[derive(Debug, Deserialize)]
pub(super) struct Expectation {
    labels: BTreeMap<String, String>,
    state: String,
    /// Who says so: `rule` or `push`; none if the gateway knows rules only.
    from: Option<String>,
    rule: Option<u64>,
    line: Option<u64>,
    paused_until: Option<Timestamp>,
    every: Option<String>,
    schedule: Option<String>,
    timezone: Option<String>,
    grace: String,
    last_push: Option<Timestamp>,
    due: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Page {
    known_since: Option<Timestamp>,
    expectations: Vec<Value>,
    next_cursor: Option<String>,
}

/// What a gateway expects.
#[derive(Debug)]
pub(super) struct Expectations {
    /// From when on all that are overdue are known; none: nothing is expected.
    known_since: Option<Timestamp>,
    /// As the gateway gives them.
    found: Vec<Value>,
}

impl Remote {
    /// What is expected of the groups of these selectors, of all if there are none, and stands so.
    ///
    /// # Errors
    /// If the gateway does not answer as it should, or expects nothing because it is a Pushgateway.
    pub(super) fn expectations(
        &self,
        selectors: &[String],
        state: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Expectations> {
        let mut path = format!("/api/v1/expectations?limit={}", limit.clamp(1, PAGE));
        path.push_str(&remote::matching(selectors));
        if let Some(state) = state {
            path = format!("{path}&state={state}");
        }
        let mut expectations = Expectations {
            known_since: None,
            found: Vec::new(),
        };
        let mut cursor: Option<String> = None;
        loop {
            let cursor_part = cursor.map(|cursor| format!("&cursor={}", percent_encode(&cursor)));
            let request = Request::get(format!("{path}{}", cursor_part.unwrap_or_default()));
            let page: Page = match self.client.send(&request) {
                Ok(answer) => remote::data(&answer.body)?,
                Err(error) if error.status() == Some(404) => {
                    return Err(anyhow!(
                        "{error}\nhint: the Pushgateway does not know which groups are overdue"
                    ));
                }
                Err(error) => return Err(error.into()),
            };
            expectations.known_since = page.known_since;
            expectations.found.extend(page.expectations);
            cursor = page.next_cursor;
            if cursor.is_none() || expectations.found.len() >= limit {
                expectations.found.truncate(limit);
                return Ok(expectations);
            }
        }
    }
}

impl Expectations {
    /// Whether there are none of those that were asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each of them.
    ///
    /// # Errors
    /// If they are not what a gateway says.
    pub(super) fn each(&self) -> anyhow::Result<Vec<Expectation>> {
        let expectations = self.found.iter().map(Expectation::deserialize);
        Ok(expectations.collect::<Result<_, _>>()?)
    }

    /// Writes them: a table for people, with the name of the tool and what it says if there are none, or what the gateway has
    /// said.
    ///
    /// # Errors
    /// If they cannot be written, or are not what a gateway says.
    pub(super) fn write(&self, format: Format, (tool, none): (&str, &str), now: f64) -> anyhow::Result<()> {
        match format {
            Format::Json => output::write_json(&self.found)?,
            Format::Text => {
                let colours = output::has_colours();
                self.write_table(&mut io::stdout().lock(), colours, now)?;
                for note in self.notes(none, now) {
                    // If standard error is closed, nobody listens.
                    let _unwritten = writeln!(io::stderr(), "{tool}: {note}");
                }
            }
        }
        Ok(())
    }

    fn write_table(&self, out: &mut dyn Write, colours: bool, now: f64) -> anyhow::Result<()> {
        let expectations = self.each()?;
        let mut table = Table::new(&[
            ("JOB", Side::Left),
            ("LABELS", Side::Left),
            ("STATE", Side::Left),
            ("LAST PUSH", Side::Right),
            ("DUE", Side::Right),
            ("EXPECTED", Side::Left),
            ("GRACE", Side::Right),
            ("FROM", Side::Left),
        ]);
        for expectation in &expectations {
            table.row(expectation.cells(now)?);
        }
        let is_red = expectations.iter().map(|one| colours && one.state == "overdue");
        for (line, is_red) in table.lines().iter().zip(std::iter::once(false).chain(is_red)) {
            writeln!(out, "{}", output::red(line, is_red))?;
        }
        Ok(())
    }

    /// What the table does not say.
    fn notes(&self, none: &str, now: f64) -> Vec<String> {
        let Some(known_since) = self.known_since else {
            return vec![
                "nothing is expected: the configuration file has no `expect`, and --expect.from-push is off"
                    .to_owned(),
            ];
        };
        let mut notes = Vec::new();
        if self.found.is_empty() {
            notes.push(none.to_owned());
        }
        if now < seconds(known_since) {
            notes.push(format!(
                "warning: the gateway has just started; what was due before is told from {known_since} on"
            ));
        }
        notes
    }
}

impl Expectation {
    fn cells(&self, now: f64) -> anyhow::Result<[String; 8]> {
        let key = self.key()?;
        let expected = match (&self.every, &self.schedule) {
            (Some(every), _) => format!("every {every}"),
            (None, Some(schedule)) => {
                let zone = self.timezone.as_deref().unwrap_or("UTC");
                format!("{schedule} ({zone})")
            }
            (None, None) => "-".to_owned(),
        };
        let due = self.due.map(|due| {
            let left = seconds(due) - now;
            match std::time::Duration::try_from_secs_f64(left) {
                Ok(left) => format!("in {}", output::in_one_unit(left)),
                Err(_) => output::ago(now, seconds(due)),
            }
        });
        Ok([
            output::clean(key.job()),
            output::labels(&key),
            self.state(now),
            output::ago(now, self.last_push.map_or(0.0, seconds)),
            due.unwrap_or_else(|| "-".to_owned()),
            output::clean(&expected),
            output::clean(&self.grace),
            self.origin(),
        ])
    }

    /// The group.
    ///
    /// # Errors
    /// If these are no labels of a group.
    pub(super) fn key(&self) -> anyhow::Result<GroupingKey> {
        let pairs = self.labels.iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(GroupingKey::new(pairs)?)
    }

    /// Whether a push has said that it is expected.
    pub(super) fn is_from_push(&self) -> bool {
        self.from.as_deref() == Some("push")
    }

    fn state(&self, now: f64) -> String {
        let left = self.paused_until.filter(|_| self.state == "paused");
        let left = left.and_then(|until| std::time::Duration::try_from_secs_f64(seconds(until) - now).ok());
        match left {
            Some(left) => format!("paused for {}", output::in_one_unit(left)),
            None => output::clean(&self.state),
        }
    }

    fn origin(&self) -> String {
        match (self.rule, self.line) {
            (Some(rule), Some(line)) => format!("rule {rule}, line {line}"),
            (Some(rule), None) => format!("rule {rule}"),
            (None, _) => self.from.as_deref().map_or_else(|| "-".to_owned(), output::clean),
        }
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn told() -> Expectations {
        let one = |job: &str, state: &str, last: Option<&str>, due: Option<&str>| {
            json!({
                "labels": {"job": job, "instance": "db\u{1b}1"}, "state": state, "from": "rule", "rule": 1, "line": 12, "every": "1d",
                "schedule": null, "timezone": null, "grace": "1h", "since": "2026-12-01T00:00:00Z",
                "last_push": last, "due": due, "overdue_at": null, "paused_until": null,
            })
        };
        let mut nightly = one("nightly", "waiting", None, Some("2026-12-02T03:00:00Z"));
        nightly["every"] = Value::Null;
        nightly["schedule"] = json!("0 3 * * *");
        nightly["timezone"] = json!("Europe/Berlin");
        nightly["from"] = json!("push");
        nightly["rule"] = Value::Null;
        let mut paused = one("paused", "paused", None, None);
        paused["paused_until"] = json!("2026-12-01T05:00:00Z");
        Expectations {
            known_since: Some("2026-12-01T00:05:00Z".parse().unwrap()),
            found: vec![
                one(
                    "backup",
                    "overdue",
                    Some("2026-11-30T00:00:00Z"),
                    Some("2026-12-01T00:00:00Z"),
                ),
                nightly,
                one("never", "waiting", None, None),
                paused,
            ],
        }
    }

    fn at(time: &str) -> f64 {
        seconds(time.parse().unwrap())
    }

    #[test]
    fn the_table_says_what_is_expected_and_what_came() {
        let mut out = Vec::new();
        told()
            .write_table(&mut out, false, at("2026-12-01T03:00:00Z"))
            .unwrap();
        expect![[r#"
            JOB      LABELS              STATE          LAST PUSH     DUE  EXPECTED                   GRACE  FROM
            backup   instance="db\x1b1"  overdue          27h ago  3h ago  every 1d                      1h  rule 1, line 12
            nightly  instance="db\x1b1"  waiting            never  in 24h  0 3 * * * (Europe/Berlin)     1h  push
            never    instance="db\x1b1"  waiting            never       -  every 1d                      1h  rule 1, line 12
            paused   instance="db\x1b1"  paused for 2h      never       -  every 1d                      1h  rule 1, line 12
        "#]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn what_the_table_does_not_say_is_noted() {
        let notes = |expectations: &Expectations, now| expectations.notes("none", at(now));
        let mut told = told();
        assert!(notes(&told, "2026-12-01T03:00:00Z").is_empty());
        assert_eq!(
            notes(&told, "2026-12-01T00:00:00Z"),
            [
                "warning: the gateway has just started; what was due before is told from 2026-12-01T00:05:00Z on"
            ]
        );
        told.found.clear();
        assert_eq!(notes(&told, "2026-12-01T03:00:00Z"), ["none"]);
        told.known_since = None;
        assert_eq!(
            notes(&told, "2026-12-01T03:00:00Z"),
            ["nothing is expected: the configuration file has no `expect`, and --expect.from-push is off"]
        );
    }
}
