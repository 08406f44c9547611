//! What `wharf top` shows, as lines of text: no terminal is needed to make them.

use std::io::{self, Write};
use std::time::Instant;

use crossterm::cursor::MoveTo;
use crossterm::queue;
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{Clear, ClearType};

use super::look::Look;
use super::sample::Sample;
use crate::tools::ls::is_alarming;
use crate::tools::output::{self, ago, clean, in_one_unit, labels, red, size};
use crate::tools::remote::{Group, Query, Remote, Sort};

const KEYS: &str = "q quit  <> sort  r reverse  / filter  x failed only  arrows scroll";

/// Lines above the groups: three on the gateway, one of headings.
const HEAD_LINES: usize = 4;

/// The least room for the labels of a group.
const MIN_NAME_WIDTH: usize = 20;

/// Where nobody says how wide the terminal is.
const DEFAULT_WIDTH: usize = 100;

/// More groups are not fetched; what comes first, and the filter, decide which.
const MAX_GROUPS: usize = 1_000;

/// What the user chose to see.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) selectors: Vec<String>,
    pub(super) sort: Sort,
    pub(super) descending: bool,
    pub(super) failed_only: bool,
    /// Only groups whose labels contain this.
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) typing: bool,
    first: usize,
}

impl View {
    /// Looks at the gateway.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) fn look(&self, remote: &Remote) -> anyhow::Result<Look> {
        let query = Query {
            selectors: self.selectors.clone(),
            sort: self.sort,
            descending: self.descending,
        };
        let status = remote.status()?;
        Ok(Look {
            ahead: status.now() - output::now(),
            problems: status.problems,
            groups: remote.list(&query, MAX_GROUPS, |group| self.shows(group))?,
            sample: Sample::read(&remote.client)?,
            at: Instant::now(),
        })
    }

    pub(super) fn new(selectors: Vec<String>, sort: Sort) -> Self {
        Self {
            selectors,
            sort,
            descending: starts_descending(sort),
            failed_only: false,
            filter: String::new(),
            typing: false,
            first: 0,
        }
    }

    /// Whether a group is to be seen.
    pub(super) fn shows(&self, group: &Group) -> bool {
        let found = || {
            let text = group.key.to_string().to_lowercase();
            text.contains(&self.filter.to_lowercase())
        };
        (!self.failed_only || group.is_failed()) && (self.filter.is_empty() || found())
    }

    /// Sorts by the column so many steps to the right.
    pub(super) fn sort_by(&mut self, steps: isize) {
        const ORDER: [Sort; 6] = [
            Sort::Job,
            Sort::PushTime,
            Sort::FailureTime,
            Sort::Series,
            Sort::Bytes,
            Sort::ExpiresAt,
        ];
        let at = ORDER
            .iter()
            .position(|sort| *sort == self.sort)
            .unwrap_or_default();
        let at = at.wrapping_add_signed(steps).wrapping_add(ORDER.len()) % ORDER.len();
        self.sort = ORDER.get(at).copied().unwrap_or(self.sort);
        self.descending = starts_descending(self.sort);
    }

    pub(super) fn scroll(&mut self, lines: isize) {
        self.first = self.first.saturating_add_signed(lines);
    }
}

/// The newest and the largest are what one looks for; names, and what is next to expire, begin at the beginning.
fn starts_descending(sort: Sort) -> bool {
    !matches!(sort, Sort::Job | Sort::Labels | Sort::ExpiresAt)
}

/// A column behind the labels of a group.
struct Column {
    heading: &'static str,
    /// What it is sorted by, if it can be.
    sort: Option<Sort>,
    width: usize,
    cell: fn(&Group, f64) -> String,
}

/// The column that is there only while a group is overdue.
const OVERDUE: &str = "OVERDUE";

/// The columns, the dispensable ones last.
const COLUMNS: [Column; 6] = [
    Column {
        heading: "LAST PUSH",
        sort: Some(Sort::PushTime),
        width: 11,
        cell: |group, now| ago(now, group.pushed_at),
    },
    Column {
        heading: OVERDUE,
        sort: None,
        width: 8,
        cell: |group, now| {
            let overdue = group.overdue_since().map(|at| ago(now, at));
            overdue.unwrap_or_else(|| "-".to_owned())
        },
    },
    Column {
        heading: "FAILED",
        sort: Some(Sort::FailureTime),
        width: 10,
        cell: |group, now| {
            let refused = group.refused_at().map(|at| ago(now, at));
            refused.unwrap_or_else(|| "-".to_owned())
        },
    },
    Column {
        heading: "SERIES",
        sort: Some(Sort::Series),
        width: 8,
        cell: |group, _| group.series.to_string(),
    },
    Column {
        heading: "BYTES",
        sort: Some(Sort::Bytes),
        width: 10,
        cell: |group, _| group.bytes.map_or_else(|| "-".to_owned(), size),
    },
    Column {
        heading: "EXPIRES",
        sort: Some(Sort::ExpiresAt),
        width: 9,
        cell: |group, now| {
            let left = |at: jiff::Timestamp| at.as_duration().as_secs_f64() - now;
            let left = group.expires_at.map(left);
            let left = left.map(|left| std::time::Duration::try_from_secs_f64(left).unwrap_or_default());
            left.map_or_else(|| "-".to_owned(), in_one_unit)
        },
    },
];

/// The picture.
pub(super) struct Screen {
    address: String,
    pub(super) view: View,
    colours: bool,
    before: Option<Look>,
    last: Option<Look>,
    /// Why the last look failed.
    failure: Option<String>,
}

impl Screen {
    pub(super) fn new(address: String, view: View, colours: bool) -> Self {
        Self {
            address,
            view,
            colours,
            before: None,
            last: None,
            failure: None,
        }
    }

    /// Takes what a look has found.
    pub(super) fn show(&mut self, look: Look) {
        self.before = self.last.replace(look);
        self.failure = None;
    }

    /// Takes why a look failed; what was seen before stays.
    pub(super) fn fail(&mut self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        self.failure = text.lines().next().map(str::to_owned);
    }

    /// Everything, however long it is.
    pub(super) fn whole(&self, now: f64) -> Vec<String> {
        let groups = self.groups().len();
        let lines = self.lines(DEFAULT_WIDTH, HEAD_LINES + groups, now);
        let shown = lines
            .into_iter()
            .map(|(line, failed)| red(&line, failed && self.colours));
        shown.collect()
    }

    /// Draws over what the terminal shows.
    pub(super) fn draw(
        &mut self,
        out: &mut impl Write,
        width: usize,
        height: usize,
        now: f64,
    ) -> io::Result<()> {
        let room = height.saturating_sub(HEAD_LINES + 1);
        self.view.first = self.view.first.min(self.groups().len().saturating_sub(room));
        let lines = self.lines(width, height.saturating_sub(1), now);
        let last = height.saturating_sub(1);
        let foot = cut(&self.foot(hidden(width, self.some_are_overdue())), width);
        for (row, at) in (0_u16..).zip(0..height) {
            // Cleared first: behind a line that fills the terminal, the cursor still stands on its last character.
            queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine))?;
            if at == last {
                queue!(out, Print(&foot))?;
                continue;
            }
            let Some((line, failed)) = lines.get(at) else {
                continue;
            };
            if at == HEAD_LINES - 1 {
                queue!(out, SetAttribute(Attribute::Reverse))?;
            }
            if *failed && self.colours {
                queue!(out, SetForegroundColor(Color::Red))?;
            }
            queue!(out, Print(line), ResetColor, SetAttribute(Attribute::Reset))?;
        }
        out.flush()
    }

    fn groups(&self) -> &[Group] {
        self.last.as_ref().map_or(&[], |look| &look.groups)
    }

    fn some_are_overdue(&self) -> bool {
        self.groups().iter().any(Group::is_overdue)
    }

    /// The line of keys, with the number of columns for which there is no room.
    fn foot(&self, hidden: usize) -> String {
        let hidden = match hidden {
            0 => String::new(),
            1 => "1 column hidden  ".to_owned(),
            _ => format!("{hidden} columns hidden  "),
        };
        match (&self.view.filter, self.view.typing) {
            (filter, true) => format!("filter: {}_  (enter keeps it, escape drops it)", clean(filter)),
            (filter, false) if !filter.is_empty() => format!("filter: {}  {hidden}{KEYS}", clean(filter)),
            _ => format!("{hidden}{KEYS}"),
        }
    }

    /// At most `height` lines of at most `width` characters, and of each whether it is alarming.
    fn lines(&self, width: usize, height: usize, now: f64) -> Vec<(String, bool)> {
        // By the clock of the gateway, which is that of the times.
        let now = now + self.last.as_ref().map_or(0.0, |look| look.ahead);
        let columns = fitting(width, self.some_are_overdue());
        let behind: usize = columns.iter().map(|column| column.width + 1).sum();
        let name_width = width.saturating_sub(behind);
        let mut lines: Vec<(String, bool)> = self.head().into();
        let heading = |name: &str, sort: Option<Sort>| {
            let order = match (sort == Some(self.view.sort), self.view.descending) {
                (false, _) => "",
                (true, true) => "v ",
                (true, false) => "^ ",
            };
            format!("{order}{name}")
        };
        let row = |name: String, cells: Vec<String>| {
            let mut line = format!("{:<name_width$}", cut(&name, name_width));
            for (column, cell) in columns.iter().zip(cells) {
                let cell = cut(&cell, column.width);
                let width = column.width;
                line = format!("{line} {cell:>width$}");
            }
            line
        };
        let headings = columns.iter().map(|column| heading(column.heading, column.sort));
        let headings = row(heading("GROUP", Some(Sort::Job)), headings.collect());
        lines.push((headings, false));
        for group in self.groups().iter().skip(self.view.first).take(height) {
            let name = format!("{} {}", clean(group.key.job()), labels(&group.key));
            let cells = columns.iter().map(|column| (column.cell)(group, now)).collect();
            lines.push((row(name, cells), is_alarming(group)));
        }
        lines.truncate(height);
        for (line, _) in &mut lines {
            *line = cut(line.trim_end(), width);
        }
        lines
    }

    /// Three lines on the gateway as a whole, and of each whether it is alarming.
    fn head(&self) -> [(String, bool); 3] {
        let Some(last) = &self.last else {
            let state = self.failure.as_deref().unwrap_or("connecting");
            return [
                (clean(&self.address), false),
                (clean(state), self.failure.is_some()),
                Default::default(),
            ];
        };
        let sample = &last.sample;
        let whole = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
        let bytes = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), in_bytes);
        let overdue = sample.overdue.unwrap_or_default();
        let is_overdue = overdue > 0.0;
        let expected = match sample.expected {
            Some(expected) if expected > 0.0 => format!("  overdue {overdue:.0} of {expected:.0}"),
            _ => String::new(),
        };
        let first = format!(
            "{}  groups {}{expected}  series {}  stored {}  memory {}",
            clean(&self.address),
            whole(sample.groups),
            whole(sample.series),
            bytes(sample.stored_bytes),
            bytes(sample.memory_bytes)
        );
        if let Some(failure) = &self.failure {
            return [(first, is_overdue), (clean(failure), true), Default::default()];
        }
        // What is wrong matters more than what scrapes cost.
        let problems: Vec<String> = last
            .problems
            .iter()
            .map(|problem| clean(&problem.summary))
            .collect();
        let problems = Some(problems.join("  ")).filter(|text| !text.is_empty());
        let Some(before) = &self.before else {
            return [
                (first, is_overdue),
                Default::default(),
                (problems.clone().unwrap_or_default(), true),
            ];
        };
        let seconds = last.at.duration_since(before.at).as_secs_f64().max(1e-3);
        // A gateway that was started anew counts from 0.
        let grown = |of: fn(&Sample) -> f64| (of(sample) - of(&before.sample)).max(0.0);
        let pushes = grown(|sample| sample.pushes);
        let refused = grown(|sample| sample.refused);
        let pushed = format!(
            "pushes {:.1}/s  {}/s  {} each  refused {:.1}/s",
            pushes / seconds,
            in_bytes(grown(|sample| sample.push_bytes) / seconds),
            milliseconds(grown(|sample| sample.push_seconds), pushes + refused),
            refused / seconds
        );
        let scraped = if sample.scrapes.is_none() {
            "scrapes -".to_owned()
        } else {
            let scrapes = grown(|sample| sample.scrapes.unwrap_or_default());
            format!(
                "scrapes {:.1}/s  {}/s  {} each",
                scrapes / seconds,
                in_bytes(grown(|sample| sample.scrape_bytes) / seconds),
                milliseconds(grown(|sample| sample.scrape_seconds), scrapes)
            )
        };
        let third = match problems {
            Some(problems) => (problems, true),
            None => (scraped, false),
        };
        [(first, is_overdue), (pushed, false), third]
    }
}

/// The columns for which there is room.
fn fitting(width: usize, some_are_overdue: bool) -> Vec<&'static Column> {
    let mut left = width.saturating_sub(MIN_NAME_WIDTH);
    let fits = |column: &&Column| match left.checked_sub(column.width + 1) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    wanted(some_are_overdue).take_while(fits).collect()
}

/// The columns that there would be with enough room.
fn wanted(some_are_overdue: bool) -> impl Iterator<Item = &'static Column> {
    let is_wanted = move |column: &&Column| some_are_overdue || column.heading != OVERDUE;
    COLUMNS.iter().filter(is_wanted)
}

/// How many columns there is no room for.
fn hidden(width: usize, some_are_overdue: bool) -> usize {
    wanted(some_are_overdue).count() - fitting(width, some_are_overdue).len()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a size below zero is none"
)]
fn in_bytes(bytes: f64) -> String {
    size(bytes as u64)
}

fn milliseconds(seconds: f64, count: f64) -> String {
    if count > 0.0 {
        format!("{:.2} ms", seconds / count * 1e3)
    } else {
        "- ms".to_owned()
    }
}

/// At most so many characters, the last of which says if there were more.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('~');
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use expect_test::expect;
    use wharf_model::GroupingKey;

    use super::*;

    fn group(labels: &[(&str, &str)], last_push_successful: bool) -> Group {
        Group {
            key: GroupingKey::new(labels.iter().copied()).unwrap(),
            last_push_successful,
            pushed_at: 940.0,
            failed_at: if last_push_successful { 0.0 } else { 990.0 },
            families: 3,
            series: 12,
            bytes: Some(2_048),
            ttl: None,
            states: Vec::new(),
            expectation: None,
            last_error: None,
            expires_at: jiff::Timestamp::from_second(4_600).ok(),
        }
    }

    fn screen() -> Screen {
        let mut screen = Screen::new(
            "http://localhost:9091".to_owned(),
            View::new(Vec::new(), Sort::PushTime),
            false,
        );
        let groups = || {
            vec![
                group(&[("job", "backup"), ("instance", "db1.example.org")], true),
                group(&[("job", "evil\u{1b}[2J"), ("x", "\u{202e}")], false),
            ]
        };
        let at = Instant::now();
        let sample = |pushes, scrapes| Sample {
            pushes,
            push_bytes: pushes * 1_000.0,
            push_seconds: pushes / 1_000.0,
            scrapes: Some(scrapes),
            scrape_seconds: scrapes / 100.0,
            groups: Some(2.0),
            series: Some(24.0),
            stored_bytes: Some(4_096.0),
            ..Sample::default()
        };
        for (at, sample) in [
            (at, sample(100.0, 1.0)),
            (at + Duration::from_secs(2), sample(120.0, 2.0)),
        ] {
            screen.show(Look {
                at,
                ahead: 0.0,
                problems: Vec::new(),
                groups: groups(),
                sample,
            });
        }
        screen
    }

    fn drawn(screen: &Screen, width: usize, height: usize) -> String {
        let lines = screen.lines(width, height, 1_000.0);
        assert!(lines.len() <= height);
        assert!(
            lines.iter().all(|(line, _)| line.chars().count() <= width),
            "{lines:#?}"
        );
        lines.into_iter().map(|(line, _)| line + "\n").collect()
    }

    #[test]
    fn eighty_columns_have_room_for_everything() {
        expect![[r#"
            http://localhost:9091  groups 2  series 24  stored 4.0 KiB  memory -
            pushes 10.0/s  9.8 KiB/s  1.00 ms each  refused 0.0/s
            scrapes 0.5/s  0 B/s  10.00 ms each
            GROUP                       v LAST PUSH     FAILED   SERIES      BYTES   EXPIRES
            backup instance="db1.examp~     60s ago          -       12    2.0 KiB       60m
            evil\u{1b}[2J x="\u202e"        60s ago    10s ago       12    2.0 KiB       60m
        "#]]
        .assert_eq(&drawn(&screen(), 80, 24));
    }

    #[test]
    fn what_is_overdue_has_a_column_and_is_counted() {
        let mut screen = screen();
        let look = screen.last.as_mut().unwrap();
        (look.sample.expected, look.sample.overdue) = (Some(3.0), Some(2.0));
        let group = &mut look.groups[0];
        group.states = vec!["overdue".to_owned()];
        let expected =
            serde_json::json!({"state": "overdue", "due": null, "overdue_at": "1970-01-01T00:11:40Z"});
        group.expectation = serde_json::from_value(expected).unwrap();
        let lines = screen.lines(80, 24, 1_000.0);
        let alarming: Vec<bool> = lines.iter().map(|(_, is_alarming)| *is_alarming).collect();
        assert_eq!(alarming, [true, false, false, false, true, true]);
        expect![[r#"
            http://localhost:9091  groups 2  overdue 2 of 3  series 24  stored 4.0 KiB  mem~
            pushes 10.0/s  9.8 KiB/s  1.00 ms each  refused 0.0/s
            scrapes 0.5/s  0 B/s  10.00 ms each
            GROUP                        v LAST PUSH  OVERDUE     FAILED   SERIES      BYTES
            backup instance="db1.exampl~     60s ago   5m ago          -       12    2.0 KiB
            evil\u{1b}[2J x="\u202e"         60s ago        -    10s ago       12    2.0 KiB
        "#]]
        .assert_eq(&drawn(&screen, 80, 24));
    }

    #[test]
    fn narrow_terminals_show_what_matters_most() {
        assert!(
            screen()
                .foot(hidden(43, false))
                .starts_with("3 columns hidden  q quit")
        );
        expect![[r#"
            http://localhost:9091  groups 2  series 24~
            pushes 10.0/s  9.8 KiB/s  1.00 ms each  re~
            scrapes 0.5/s  0 B/s  10.00 ms each
            GROUP                v LAST PUSH     FAILED
            backup instance="db~     60s ago          -
            evil\u{1b}[2J x="\u~     60s ago    10s ago
        "#]]
        .assert_eq(&drawn(&screen(), 43, 24));
        for (width, height) in [(0, 0), (1, 1), (10, 3), (20, 5)] {
            drawn(&screen(), width, height);
        }
    }

    /// What a terminal of that size shows after these bytes: one that does not wrap, so that the cursor stays on the last
    /// character of a full line.
    fn shown(bytes: &[u8], width: usize, height: usize) -> Vec<String> {
        let mut rows = vec![vec![' '; width]; height];
        let (mut row, mut column) = (0, 0);
        let text = std::str::from_utf8(bytes).unwrap();
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            if c != '\u{1b}' {
                rows[row][column] = c;
                column = (column + 1).min(width - 1);
                continue;
            }
            assert_eq!(characters.next(), Some('['));
            let mut sequence = String::new();
            while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                sequence.push(characters.next().unwrap());
            }
            match sequence.chars().last().unwrap() {
                'H' => {
                    let (to_row, to_column) = sequence.trim_end_matches('H').split_once(';').unwrap();
                    (row, column) = (
                        to_row.parse::<usize>().unwrap() - 1,
                        to_column.parse::<usize>().unwrap() - 1,
                    );
                }
                'K' if sequence == "K" => rows[row][column..].fill(' '),
                'K' => rows[row].fill(' '),
                'J' => {
                    rows[row][column..].fill(' ');
                    rows[row + 1..].iter_mut().for_each(|row| row.fill(' '));
                }
                'm' => {}
                _ => panic!("{sequence:?}"),
            }
        }
        rows.into_iter().map(|row| row.into_iter().collect()).collect()
    }

    #[test]
    fn the_last_column_is_shown_whole() {
        for width in [43, 80, 81, 100] {
            let mut screen = screen();
            let mut out = Vec::new();
            screen.draw(&mut out, width, 10, 1_000.0).unwrap();
            let rows = shown(&out, width, 10);
            let expected: Vec<String> = screen
                .lines(width, 9, 1_000.0)
                .into_iter()
                .map(|(line, _)| format!("{line:<width$}"))
                .collect();
            assert_eq!(rows[..expected.len()], expected);
            assert!(
                rows.iter()
                    .any(|row| row.ends_with("FAILED") || row.ends_with("EXPIRES"))
            );
        }
    }

    #[test]
    fn a_gateway_that_does_not_answer_is_named_and_the_groups_stay() {
        let mut screen = screen();
        screen.fail(&anyhow::anyhow!("cannot reach \u{1b}[31m\nhint: x"));
        let drawn = drawn(&screen, 80, 24);
        assert!(drawn.contains("cannot reach \\u{1b}[31m\n"), "{drawn}");
        assert!(drawn.contains("backup"), "{drawn}");
    }

    #[test]
    fn what_is_wrong_stands_above_the_groups_and_times_are_those_of_the_gateway() {
        let mut screen = screen();
        let look = screen.last.as_mut().unwrap();
        look.ahead = 100.0;
        let problem = |text: &str| serde_json::from_value(serde_json::json!({"summary": text})).unwrap();
        look.problems = vec![problem("Pushes cannot be stored."), problem("\u{1b}[2J")];
        look.groups[0].states = vec!["future".to_owned()];
        look.groups[0].pushed_at = 1e8;
        let lines = screen.lines(80, 24, 1_000.0);
        assert_eq!(
            lines[2],
            ("Pushes cannot be stored.  \\u{1b}[2J".to_owned(), true)
        );
        assert!(lines[4].0.contains(" 1157d ahead ") && lines[4].1, "{lines:?}");
        // Pushed at 940, and refused at 990.
        assert!(
            lines[5].0.contains(" 2m ago ") && lines[5].0.contains(" 110s ago "),
            "{lines:?}"
        );
    }

    #[test]
    fn scrolling_ends_with_the_last_group() {
        let mut screen = screen();
        screen.view.scroll(1_000);
        let mut out = Vec::new();
        screen.draw(&mut out, 80, 6, 1_000.0).unwrap();
        assert_eq!(screen.view.first, 1);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("evil\\u{1b}[2J") && !text.contains("backup"),
            "{text:?}"
        );
    }

    #[test]
    fn a_filter_looks_at_all_labels() {
        let mut view = View::new(Vec::new(), Sort::Job);
        view.filter = "DB1.ex".to_owned();
        assert!(view.shows(&group(&[("job", "a"), ("instance", "db1.example.org")], true)));
        assert!(!view.shows(&group(&[("job", "a")], true)));
        view.failed_only = true;
        assert!(!view.shows(&group(&[("job", "a"), ("instance", "db1.example.org")], true)));
    }
}
