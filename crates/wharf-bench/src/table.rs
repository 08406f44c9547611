//! Figures as text: numbers, tables, progress.

use std::io::Write as _;

use crate::record::{Figures, Record, Spread};

/// A number with three digits that matter, and all digits before the point.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = match magnitude {
        _ if magnitude == 0.0 || magnitude >= 99.95 => 0,
        _ if magnitude >= 9.995 => 1,
        _ if magnitude >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let whole = thousands(whole);
    rest.map_or(whole.clone(), |rest| format!("{whole}.{rest}"))
}

/// A number that somebody has chosen: `0.8`, not `0.800`.
pub fn round_number(value: f64) -> String {
    let text = number(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A number of things, with all its digits.
pub fn count(count: u64) -> String {
    thousands(&count.to_string())
}

/// Digits in groups of three.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The median, and least and greatest behind it where they differ from it.
pub fn spread(spread: Spread) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(number);
    if min == median && max == median {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}

/// A Markdown table that is readable as text too.
pub fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = std::iter::once(header).chain(rows.iter().map(Vec::as_slice));
        let widths = cells
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut line = String::from("|");
        for (cell, width) in cells.iter().zip(&widths) {
            let blanks = width - cell.chars().count();
            line.extend([" ", cell, &" ".repeat(blanks), " |"]);
        }
        line + "\n"
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut table = line(header) + &line(&rule);
    for row in rows {
        table += &line(row);
    }
    table
}

/// The figures of a record: one row for each case and subject. `columns` says which; all if it is empty.
pub fn record(record: &Record, columns: &[&str]) -> String {
    let mut names: Vec<&str> = columns.to_vec();
    if names.is_empty() {
        for figure in record.rows.iter().flat_map(|row| &row.figures) {
            if !names.contains(&figure.name.as_str()) {
                names.push(&figure.name);
            }
        }
    }
    let has_cases = record.rows.iter().any(|row| !row.case.is_empty());
    let mut header: Vec<String> = Vec::new();
    if has_cases {
        header.push(String::new());
    }
    header.push(String::new());
    header.extend(names.iter().map(|&name| name.to_owned()));
    let rows = record.rows.iter().filter_map(|row| {
        let mut cells = Vec::new();
        if has_cases {
            cells.push(row.case.clone());
        }
        cells.push(row.subject.clone());
        let mut any = false;
        for name in &names {
            let figure = row.figures.iter().find(|figure| figure.name == *name);
            let values = figure.and_then(|figure| Spread::of(figure.rounds.iter().copied().flatten()));
            any |= values.is_some();
            cells.push(values.map_or_else(String::new, spread));
        }
        any.then_some(cells)
    });
    markdown(&header, &rows.collect::<Vec<_>>())
}

/// One line about one measurement.
pub fn progress_line(case: &str, subject: &str, round: usize, rounds: usize, figures: &Figures) -> String {
    let figures: Vec<String> = figures
        .iter()
        .map(|(name, value)| format!("{name} {}", number(*value)))
        .collect();
    format!(
        "  [{}/{rounds}] {case} {subject}: {}",
        round + 1,
        figures.join("; ")
    )
}

/// Tells the person who waits what is going on.
pub fn progress(text: &str) {
    // Nobody may be listening.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let shown = |value| number(value);
        assert_eq!(shown(0.0), "0");
        assert_eq!(shown(0.012_34), "0.012");
        assert_eq!(shown(1.234), "1.23");
        assert_eq!(shown(12.345), "12.3");
        assert_eq!(shown(123.45), "123");
        assert_eq!(shown(1_234_567.8), "1,234,568");
        assert_eq!(shown(99.97), "100");
        assert_eq!(shown(-1234.0), "-1,234");
        assert_eq!(shown(-123.0), "-123");
    }

    #[test]
    fn round_numbers_end_where_they_end() {
        let shown = [0.8, 10.0, 100.0, 1.5].map(round_number);
        assert_eq!(shown, ["0.8", "10", "100", "1.5"]);
    }

    #[test]
    fn a_spread_shows_its_ends_only_if_they_differ() {
        assert_eq!(spread(Spread::of([2.0]).unwrap()), "2.00");
        assert_eq!(spread(Spread::of([1.0, 2.0, 4.0]).unwrap()), "2.00 (1.00–4.00)");
    }

    #[test]
    fn tables_are_aligned() {
        let table = markdown(
            &[String::new(), "µs".to_owned()],
            &[vec!["a long name".to_owned(), "1".to_owned()]],
        );
        assert_eq!(
            table,
            "|             | µs  |\n| ----------- | --- |\n| a long name | 1   |\n"
        );
    }
}
