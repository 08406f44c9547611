//! What was looked at, and how it is.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::tools::output::{self, clean};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// It works, but not for long or not as one may think.
    Warning,
    /// It does not work, or a start would not.
    Error,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    level: Level,
    /// None if all is well.
    expected: Option<String>,
    found: String,
    /// What to do about it.
    hint: Option<String>,
}

/// All checks, in the order in which they were made.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    checks: Vec<Finding>,
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.checks.push(Finding {
            check,
            level: Level::Ok,
            expected: None,
            found: found.into(),
            hint: None,
        });
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(check, Level::Warning, expected, found, hint);
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(check, Level::Error, expected, found, hint);
    }

    pub(super) fn add(
        &mut self,
        check: &'static str,
        level: Level,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.checks.push(Finding {
            check,
            level,
            expected: Some(expected.into()),
            found: found.into(),
            hint: Some(hint.into()),
        });
    }

    fn worst(&self) -> Level {
        let levels = self.checks.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.worst() {
            Level::Ok => 0,
            Level::Warning => 1,
            Level::Error => 2,
        })
    }

    /// One line a check, and what to do below those that are not well.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write_text(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let colours = output::has_colours();
        for Finding {
            check,
            level,
            expected,
            found,
            hint,
        } in &self.checks
        {
            let word = match level {
                Level::Ok => "ok     ".to_owned(),
                Level::Warning => "warning".to_owned(),
                Level::Error => output::red("error  ", colours),
            };
            let found = one_line(found);
            match expected {
                None => writeln!(out, "{word}  {check:<13}  {found}")?,
                Some(expected) => {
                    let expected = one_line(expected);
                    writeln!(out, "{word}  {check:<13}  expected {expected}, found {found}")?;
                }
            }
            if let Some(hint) = hint {
                writeln!(out, "  hint: {}", one_line(hint))?;
            }
        }
        let count = |level| {
            self.checks
                .iter()
                .filter(|finding| finding.level == level)
                .count() as u64
        };
        writeln!(
            out,
            "{}: {}, {}",
            output::counted(self.checks.len() as u64, "check", "checks"),
            output::counted(count(Level::Error), "error", "errors"),
            output::counted(count(Level::Warning), "warning", "warnings")
        )?;
        Ok(())
    }
}

/// Several lines as one, made harmless for a terminal.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    clean(&lines.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_line_and_what_to_do_stands_below() {
        let mut report = Report::default();
        report.ok("version", "wharf 1.2.3");
        assert_eq!(report.worst(), Level::Ok);
        report.warn("space", "1 GiB", "2 MiB", "free some");
        assert_eq!(report.worst(), Level::Warning);
        report.fail("rules", "a sound file", "line 1\n  line 2\u{1b}[2J\n", "mend it");
        report.ok("clock", "fine");
        assert_eq!(report.worst(), Level::Error);
        let mut text = Vec::new();
        report.write_text(&mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "\
ok       version        wharf 1.2.3
warning  space          expected 1 GiB, found 2 MiB
  hint: free some
error    rules          expected a sound file, found line 1; line 2\\u{1b}[2J
  hint: mend it
ok       clock          fine
4 checks: 1 error, 1 warning
"
        );
        assert_eq!(
            serde_json::to_string(&report.checks[1]).unwrap(),
            r#"{"check":"space","level":"warning","expected":"1 GiB","found":"2 MiB","hint":"free some"}"#
        );
    }
}
