//! How the tools show things: tables, sizes, times, colours; and how nothing that was pushed gets at the terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read, Write};
use std::time::Duration;

use anyhow::Context as _;
use wharf_model::GroupingKey;
use wharf_settings::prints;

/// What a tool prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

/// Text in which every character shows as itself: what would move the cursor, change colours or turn the writing
/// direction is written by number.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if prints(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// Labels of a group for a column: `a="1" b="2"` without the job, which has a column of its own.
pub(super) fn labels(key: &GroupingKey) -> String {
    let mut out = String::new();
    for (name, value) in key.labels().filter(|(name, _)| *name != "job") {
        let between = if out.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _infallible = write!(out, "{between}{}={}", clean(name), wharf_settings::Quoted(value));
    }
    out
}

/// So much is read before it is written.
const COPIED_AT_ONCE: usize = 64 << 10;

/// Standard output for text that was pushed: as it is for a file or a program, made harmless for a terminal.
pub(super) struct Pushed<W> {
    out: W,
    is_terminal: bool,
}

impl Pushed<io::StdoutLock<'static>> {
    pub(super) fn stdout() -> Self {
        let out = io::stdout();
        Self {
            is_terminal: out.is_terminal(),
            out: out.lock(),
        }
    }
}

/// Prints JSON on one line.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(Pushed::stdout().write(&text)?)
}

impl<W: Write> Pushed<W> {
    /// Writes whole lines.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if !self.is_terminal {
            return self.out.write_all(text);
        }
        for line in String::from_utf8_lossy(text).split_inclusive('\n') {
            let bare = line.strip_suffix('\n');
            self.out.write_all(clean(bare.unwrap_or(line)).as_bytes())?;
            if bare.is_some() {
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Writes all that a reader has.
    ///
    /// # Errors
    /// If it cannot be read, with what `reading` says of it, or cannot be written.
    pub(super) fn copy(&mut self, from: &mut impl Read, reading: &'static str) -> anyhow::Result<()> {
        let mut buffer = vec![0; COPIED_AT_ONCE];
        // A line that is not whole yet, or a part of a very long one.
        let mut begun = 0;
        loop {
            let room = buffer.get_mut(begun..).unwrap_or_default();
            let count = match from.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.context(reading)?,
            };
            let filled = begun + count;
            let read = buffer.get(..filled).unwrap_or_default();
            let is_last = count == 0;
            let whole = read.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let whole = match whole {
                Some(whole) if !is_last => whole,
                None if !is_last && filled < buffer.len() => 0,
                _ => filled,
            };
            self.write(read.get(..whole).unwrap_or_default())?;
            if is_last {
                return Ok(());
            }
            buffer.copy_within(whole..filled, 0);
            begun = filled - whole;
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether standard output may have colours.
#[expect(
    clippy::disallowed_methods,
    reason = "the convention for colours is a variable"
)]
pub(super) fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}

/// Puts red around a text, if there are colours.
pub(super) fn red(text: &str, colours: bool) -> String {
    if colours {
        format!("\x1b[31m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows under headings, in columns as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[(&'static str, Side)]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, the headings first.
    pub(super) fn lines(&self) -> Vec<String> {
        let headings: Vec<String> = self.headings.iter().map(|(name, _)| (*name).to_owned()).collect();
        let all = || std::iter::once(&headings).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        all()
            .map(|row| {
                let mut line = String::new();
                for ((cell, width), (_, side)) in row.iter().zip(&widths).zip(&self.headings) {
                    let between = if line.is_empty() { "" } else { "  " };
                    let _infallible = match side {
                        Side::Left => write!(line, "{between}{cell:<width$}"),
                        Side::Right => write!(line, "{between}{cell:>width$}"),
                    };
                }
                line.truncate(line.trim_end().len());
                line
            })
            .collect()
    }
}

/// How long ago, in one unit: `12s ago`, `5m ago`, `3h ago`, `2d ago`; `never` for 0. A time that is still to come, by
/// more than clocks differ, is so long `ahead`.
pub(super) fn ago(now_seconds: f64, at_seconds: f64) -> String {
    if at_seconds == 0.0 {
        return "never".to_owned();
    }
    let ahead = Duration::try_from_secs_f64(at_seconds - now_seconds).unwrap_or_default();
    if ahead >= NOTABLY_AHEAD {
        return format!("{} ahead", in_one_unit(ahead));
    }
    let elapsed = Duration::try_from_secs_f64(now_seconds - at_seconds).unwrap_or_default();
    format!("{} ago", in_one_unit(elapsed))
}

/// Shorter times in the future are now.
const NOTABLY_AHEAD: Duration = Duration::from_secs(60);

/// A duration in one unit.
pub(super) fn in_one_unit(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number of bytes in one unit: `980 B`, `1.4 KiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = "B";
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut shown = bytes as f64;
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if shown < 1_000.0 {
            break;
        }
        (shown, unit) = (shown / 1_024.0, larger);
    }
    let digits = usize::from(unit != "B");
    format!("{shown:.digits$} {unit}")
}

/// How many there are of something: `1 group`, `2 groups`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Unix time in seconds.
pub(super) fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// Asks on the terminal; whether the answer is one of `accepted`.
///
/// # Errors
/// If there is no terminal to ask on, or it fails.
pub(super) fn confirm(question: &str, accepted: &[&str]) -> anyhow::Result<bool> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        anyhow::bail!("expected a terminal to ask on, found none\nhint: --yes goes on without asking");
    }
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(accepted.contains(&answer.trim()))
}

/// Whether an error is a reader of our output who has had enough.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_pushed_can_command_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[31mb\u{7}\r\n\u{9b}\u{202e}é"),
            "a\\u{1b}[31mb\\u{7}\\r\\n\\u{9b}\\u{202e}é"
        );
        let mut terminal = Pushed {
            out: Vec::new(),
            is_terminal: true,
        };
        terminal.write(b"a{x=\"\x1b[2J\"} 1\nb 2\n").unwrap();
        assert_eq!(terminal.out, b"a{x=\"\\u{1b}[2J\"} 1\nb 2\n");
        let mut file = Pushed {
            out: Vec::new(),
            is_terminal: false,
        };
        file.write(b"\x1b\xff\n").unwrap();
        assert_eq!(file.out, b"\x1b\xff\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("A", Side::Left), ("LONG", Side::Right), ("B", Side::Left)]);
        table.row(["äöü", "1", "x"].map(str::to_owned));
        table.row(["b", "12345", ""].map(str::to_owned));
        assert_eq!(table.lines(), ["A     LONG  B", "äöü      1  x", "b    12345"]);
    }

    #[test]
    fn times_and_sizes_have_one_unit() {
        let agos = [0.0, 100.0, 999.0, 1_001.0, 9e7].map(|at| ago(1_000.0, at));
        assert_eq!(agos, ["never", "15m ago", "1s ago", "0s ago", "1041d ahead"]);
        let sizes = [0, 999, 1_000, 1_500, 5 << 20, u64::MAX].map(size);
        assert_eq!(
            sizes,
            ["0 B", "999 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "16777216.0 TiB"]
        );
    }
}
