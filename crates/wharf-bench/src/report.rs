//! The report: what was measured, for people.
//!
//! Only what stands between two marks of the page is written anew, so that there is room for prose around it.

mod chart;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use self::chart::{Bar, BarGroup, Line, colour};
use crate::machine::Machine;
use crate::questions::{self, Goal, Headline, Question};
use crate::record::{At, Record};
use crate::table::{self, round_number};

/// The page, from the folder of the workspace.
const PAGE: &str = "docs/benchmarks.md";
/// The folder of its charts.
const CHARTS: &str = "docs/benchmarks";
const BEGIN: &str =
    "<!-- Measured: `cargo xtask bench --report` writes all between this line and the next mark. -->";
const END: &str = "<!-- End of what was measured. -->";
/// The page if there is none yet.
const NEW_PAGE: &str = "# Benchmarks\n\n";

/// What the terminal shows after a question.
pub fn terminal(question: &Question, record: &Record) -> String {
    let mut text = format!("\n{}\n\n{}", question.title, table::record(record, &[]));
    for headline in (question.headlines)() {
        if let Some(value) = shown(&headline, record) {
            let _infallible = writeln!(text, "{}: {value}", headline.text);
        }
    }
    for failure in failures(record) {
        let _infallible = writeln!(text, "FAILED: {failure}");
    }
    text + "\n"
}

/// Makes the page and the charts of the last record of each question.
///
/// # Errors
/// If there is no record, one cannot be read, or the page cannot be written.
pub fn write(results: &Path, root: &Path) -> Result<()> {
    let mut answered = Vec::new();
    for question in questions::ALL {
        if let Some(record) = Record::load(results, question.name)? {
            answered.push((*question, record));
        }
    }
    if answered.is_empty() {
        bail!("no results in {}\nhint: ask a question first", results.display());
    }
    let charts = root.join(CHARTS);
    fs::create_dir_all(&charts).with_context(|| format!("create {}", charts.display()))?;
    draw(&charts, &answered)?;
    let page = root.join(PAGE);
    let before = match fs::read_to_string(&page) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => NEW_PAGE.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("read {}", page.display())),
    };
    let after = between_marks(&before, &measured(&answered));
    fs::write(&page, after).with_context(|| format!("write {}", page.display()))?;
    table::progress(&format!("wrote {} and {}", page.display(), charts.display()));
    Ok(())
}

/// The page with `text` between its marks; at its end if it has none.
fn between_marks(page: &str, text: &str) -> String {
    let (before, after) = match page.split_once(BEGIN) {
        Some((before, rest)) => (before, rest.split_once(END).map_or("", |(_, after)| after)),
        None => (page, "\n"),
    };
    format!("{before}{BEGIN}\n\n{text}\n{END}{after}")
}

fn measured(answered: &[(Question, Record)]) -> String {
    let mut text = goals(answered) + &machine(answered);
    for (question, record) in answered {
        text += &section(question, record);
    }
    text
}

/// The first table: what was promised, and what came out.
fn goals(answered: &[(Question, Record)]) -> String {
    let mut rows = Vec::new();
    for question in questions::ALL {
        // A smaller question is another one.
        let mut records = answered.iter().filter(|(_, record)| record.divisor == 1);
        let record = records.find(|(other, _)| other.name == question.name);
        for headline in (question.headlines)() {
            let Some(goal) = headline.goal else { continue };
            let value = record.and_then(|(_, record)| headline.value(record));
            let value = value.map(|value| (value.median, table::spread(value) + headline.unit()));
            let (value, met) = match value {
                Some((median, value)) => (value, if goal.is_met(median) { "yes" } else { "**no**" }),
                None => ("not measured".to_owned(), ""),
            };
            rows.push(vec![
                headline.text.to_owned(),
                bound(goal, headline.unit()),
                value,
                met.to_owned(),
            ]);
        }
    }
    let header = ["", "goal", "measured", "met"].map(str::to_owned);
    format!("## The goals\n\n{}\n", table::markdown(&header, &rows))
}

fn bound(goal: Goal, unit: &str) -> String {
    match goal {
        Goal::AtLeast(least) => format!("at least {}{unit}", round_number(least)),
        Goal::AtMost(most) => format!("at most {}{unit}", round_number(most)),
    }
}

fn machine(answered: &[(Question, Record)]) -> String {
    let newest = answered
        .iter()
        .map(|(_, record)| record)
        .max_by(|a, b| a.date.cmp(&b.date));
    let Some(Record { machine, .. }) = newest else {
        return String::new();
    };
    let Machine {
        processor,
        cores,
        memory_mib,
        kernel,
        versions,
    } = machine;
    let mut text = format!(
        "## The machine\n\n{processor}, {cores} cores, {:.0} GiB, {kernel}. The load generator runs on the same machine.\n",
        *memory_mib as f64 / 1024.0
    );
    let versions: Vec<String> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _infallible = writeln!(text, "{}.", versions.join(", "));
    if answered.iter().any(|(_, record)| record.machine != *machine) {
        text += "Some questions were answered on another machine, or with other versions.\n";
    }
    text + "\n"
}

fn section(question: &Question, record: &Record) -> String {
    let mut text = format!("## {}\n\n", question.title);
    let _infallible = writeln!(text, "{}\n", sentences(question.timed));
    if record.divisor != 1 {
        let _infallible = writeln!(
            text,
            "**Asked with `--divide {}`: large numbers of groups, series and pushes were so much smaller than said here.**\n",
            record.divisor
        );
    }
    if let Some(chart) = chart_of(question) {
        let _infallible = writeln!(text, "![{}](benchmarks/{chart})\n", question.asks);
    }
    let _infallible = writeln!(text, "{}", table::record(record, question.columns));
    for headline in (question.headlines)() {
        if let Some(value) = shown(&headline, record) {
            let _infallible = writeln!(text, "* {}: **{value}**", headline.text);
        }
    }
    for failure in failures(record) {
        let _infallible = writeln!(text, "* Not measured: {failure}");
    }
    let _infallible = writeln!(
        text,
        "\n`cargo xtask bench {}`, {} UTC, {} of {} s; medians, with least and greatest.\n",
        question.name,
        record.date,
        match record.most_rounds() {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds"),
        },
        round_number(record.seconds)
    );
    text
}

/// Collapses the blanks of a text that was broken over lines.
fn sentences(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(headline: &Headline, record: &Record) -> Option<String> {
    Some(table::spread(headline.value(record)?) + headline.unit())
}

fn failures(record: &Record) -> impl Iterator<Item = String> + '_ {
    record.failures.iter().map(|failure| {
        let place = [failure.case.as_str(), failure.subject.as_str()];
        let place: Vec<&str> = place.into_iter().filter(|word| !word.is_empty()).collect();
        // One line each: the hints of an error stand on lines of their own.
        sentences(&format!("{}: {}", place.join(", "), failure.error))
    })
}

fn chart_of(question: &Question) -> Option<&'static str> {
    match question.name {
        "push" => Some("pushes.svg"),
        "groups" => Some("groups.svg"),
        "scrape" => Some("scrapes.svg"),
        _ => None,
    }
}

fn draw(folder: &Path, answered: &[(Question, Record)]) -> Result<()> {
    for (question, record) in answered {
        let Some(chart) = chart_of(question) else { continue };
        let path = folder.join(chart);
        match question.name {
            "push" => chart::bars(
                &path,
                "Pushes a second, 1,000 groups of a batch job, 64 connections",
                "pushes/s, logarithmic; more is better",
                &bar_groups(record, "pushes/s", |_| true),
            )?,
            "scrape" => chart::bars(
                &path,
                "Time of a scrape, 10,000 groups of a batch job",
                "milliseconds, logarithmic; less is better",
                &bar_groups(record, "ms", |case| case.starts_with("text")),
            )?,
            _ => chart::lines(
                &path,
                "Pushes a second over the number of stored groups",
                "stored groups",
                &group_lines(record),
            )?,
        }
    }
    Ok(())
}

/// One group of bars for each case.
fn bar_groups(record: &Record, figure: &str, shows: impl Fn(&str) -> bool) -> Vec<BarGroup> {
    let mut groups: Vec<BarGroup> = Vec::new();
    for row in record.rows.iter().filter(|row| shows(&row.case)) {
        let Some(value) = record.spread(&At::new(&row.case, &row.subject, figure)) else {
            continue;
        };
        let bar = Bar {
            label: row.subject.clone(),
            value: value.median,
            colour: colour(&row.subject),
        };
        match groups.iter_mut().find(|group| group.title == row.case) {
            Some(group) => group.bars.push(bar),
            None => groups.push(BarGroup {
                title: row.case.clone(),
                bars: vec![bar],
            }),
        }
    }
    groups
}

/// One line for each subject and body; the cases are `N groups of BODY`.
fn group_lines(record: &Record) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in &record.rows {
        let value = record.spread(&At::new(&row.case, &row.subject, "pushes/s"));
        let case = row.case.split_once(" groups of ");
        let (Some(value), Some((groups, body))) = (value, case) else {
            continue;
        };
        let Ok(groups) = groups.replace(',', "").parse::<f64>() else {
            continue;
        };
        let label = format!("{}: {body}", row.subject);
        let point = (groups, value.median);
        match lines.iter_mut().find(|line| line.label == label) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                // The lighter blue tells the two bodies of Wharf apart.
                colour: if body.contains("13 series") {
                    colour(&row.subject)
                } else {
                    colour("Wharf, memory")
                },
                label,
                points: vec![point],
            }),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        *questions::ALL
            .iter()
            .find(|question| question.name == name)
            .unwrap()
    }

    fn record() -> Record {
        let mut record = Record {
            question: "wipe".to_owned(),
            date: "2020-01-02 03:04".to_owned(),
            seconds: 1.5,
            divisor: 1,
            machine: Machine::default(),
            rows: Vec::new(),
            failures: Vec::new(),
        };
        record.add(
            "all of 100,000 groups",
            "Wharf, sync=always",
            0,
            vec![("ms", 40.0)],
        );
        record.add(
            "all of 100,000 groups",
            "Wharf, sync=always",
            1,
            vec![("ms", 44.0)],
        );
        record.fail(
            "all of 100,000 groups",
            "Wharf, memory",
            &anyhow::anyhow!("broken\nhint: mend it"),
        );
        record
    }

    #[test]
    fn a_section_has_the_table_the_headlines_and_the_failures() {
        let text = section(&question("wipe"), &record());
        let wanted = [
            "## Removing groups\n",
            "| all of 100,000 groups | Wharf, sync=always | 42.0 (40.0–44.0) |\n",
            "* Wipe of 100,000 groups: **42.0 (40.0–44.0) ms**\n",
            "* Not measured: all of 100,000 groups, Wharf, memory: broken hint: mend it\n",
            "`cargo xtask bench wipe`, 2020-01-02 03:04 UTC, 2 rounds of 1.5 s;",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "expected {wanted:?} in\n{text}");
        }
    }

    #[test]
    fn goals_say_whether_they_are_met_or_not_measured() {
        let text = goals(&[(question("wipe"), record())]);
        let line = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("| {start}")));
            line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            line("Wipe of"),
            "| Wipe of 100,000 groups | at most 50 ms | 42.0 (40.0–44.0) ms | yes |"
        );
        assert_eq!(
            line("Start with"),
            "| Start with 1,000,000 series | at most 1 s | not measured | |"
        );
        let mut slow = record();
        for round in [2, 3, 4] {
            slow.add(
                "all of 100,000 groups",
                "Wharf, sync=always",
                round,
                vec![("ms", 60.0)],
            );
        }
        assert!(goals(&[(question("wipe"), slow)]).contains("| **no** |"));
    }

    #[test]
    fn a_smaller_question_says_so_and_answers_for_no_goal() {
        let mut record = record();
        record.divisor = 10;
        assert!(section(&question("wipe"), &record).contains("Asked with `--divide 10`"));
        assert!(!goals(&[(question("wipe"), record)]).contains("yes"));
    }

    #[test]
    fn prose_around_the_marks_stays() {
        let page = between_marks("# Title\n\nBefore.\n", "one\n");
        assert_eq!(page, format!("# Title\n\nBefore.\n{BEGIN}\n\none\n\n{END}\n"));
        let page = format!("{page}After.\n");
        let again = between_marks(&page, "two\n");
        assert_eq!(
            again,
            format!("# Title\n\nBefore.\n{BEGIN}\n\ntwo\n\n{END}\nAfter.\n")
        );
    }

    #[test]
    fn lines_over_groups_are_taken_from_the_cases() {
        let mut record = record();
        let body = crate::bodies::batch_job();
        for (groups, rate) in [(100, 5e4), (10_000, 4e4)] {
            let case = questions::groups_case(&body, groups);
            record.add(&case, "Wharf, sync=100ms", 0, vec![("pushes/s", rate)]);
        }
        let lines = group_lines(&record);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].points, [(100.0, 5e4), (10_000.0, 4e4)]);
    }

    #[test]
    fn the_page_is_made_of_what_there_is() {
        let (results, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(write(results.path(), root.path()).is_err());
        record().save(results.path()).unwrap();
        write(results.path(), root.path()).unwrap();
        let page = fs::read_to_string(root.path().join(PAGE)).unwrap();
        assert!(
            page.starts_with("# Benchmarks\n") && page.contains("## The goals"),
            "{page}"
        );
        write(results.path(), root.path()).unwrap();
        assert_eq!(fs::read_to_string(root.path().join(PAGE)).unwrap(), page);
    }
}
