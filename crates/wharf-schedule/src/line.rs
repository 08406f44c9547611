//! A timing on one line, as a push brings it.
//!
//! ```text
//! line = part (";" part)*       each name once, blanks around parts, names and values do not count
//! part = "every=" duration | "schedule=" cron line | "timezone=" name | "grace=" duration
//! ```
//!
//! A semicolon stands in none of the values, so a cron line may have its commas. The values are those of the configuration file.

use std::fmt;

use crate::timing::{Cadence, Timing};

/// A longer one is none that a person has written: a schedule has up to 256 bytes.
const MAX_BYTES: usize = 512;

const NAMES: [&str; 4] = ["every", "schedule", "timezone", "grace"];

/// Why a line is no timing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// Where, in characters from 1 on; none if it is all of it.
    column: Option<usize>,
    text: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for LineError {}

/// What a part says, and where in the line that stands.
#[derive(Clone, Copy)]
struct Said<'l> {
    value: &'l str,
    column: usize,
}

impl Timing {
    /// From a line such as `every=24h; grace=1h`, or `schedule=0 3 * * *; timezone=Europe/Berlin`.
    ///
    /// # Errors
    /// If it is none, with the column of the mistake.
    pub fn from_line(line: &str) -> Result<Self, LineError> {
        if line.len() > MAX_BYTES {
            let text = format!("expected at most {MAX_BYTES} bytes, found {}", line.len());
            return Err(LineError { column: None, text });
        }
        let mut said = [None; NAMES.len()];
        let mut column = 1;
        for part in line.split(';') {
            read_part(part, column, &mut said)?;
            column += part.chars().count() + 1;
        }
        let [every, schedule, timezone, grace] =
            said.map(|said: Option<Said<'_>>| said.map(|said| said.value));
        Self::parse(every, schedule, timezone, grace).map_err(|error| {
            let at = NAMES.iter().position(|name| error.key == Some(name));
            let at = at.and_then(|at| said.get(at).copied().flatten());
            LineError {
                column: at.map(|said| said.column),
                text: error.text,
            }
        })
    }

    /// The line that [`Self::from_line`] reads as this.
    pub fn to_line(&self) -> String {
        let mut line = match self.cadence() {
            Cadence::Every(interval) => format!("every={}", wharf_model::duration::format(*interval)),
            Cadence::At(schedule) => {
                let (text, zone) = (schedule.as_str(), schedule.time_zone());
                format!("schedule={text}; timezone={zone}")
            }
        };
        if !self.grace().is_zero() {
            line.push_str("; grace=");
            line.push_str(&wharf_model::duration::format(self.grace()));
        }
        line
    }
}

fn read_part<'l>(
    part: &'l str,
    column: usize,
    said: &mut [Option<Said<'l>>; NAMES.len()],
) -> Result<(), LineError> {
    let mistake = |column, text| {
        let column = Some(column);
        Err(LineError { column, text })
    };
    let column = column + blanks(part);
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let behind_name = column + name.trim_start().chars().count() + 1;
    let (name, at) = (name.trim(), behind_name + blanks(value));
    let place = NAMES.iter().position(|known| *known == name);
    let Some(place) = place.and_then(|place| said.get_mut(place)) else {
        let found: String = name.escape_debug().take(64).collect();
        let found = if found.is_empty() {
            "nothing".to_owned()
        } else {
            format!("`{found}`")
        };
        let text = format!("expected every=, schedule=, timezone= or grace=, found {found}");
        return mistake(column, text);
    };
    let value = value.trim();
    if value.is_empty() {
        return mistake(at, format!("expected a value behind `{name}=`, found nothing"));
    }
    if let Some((before, _)) = value.split_once('=') {
        let at = at + before.chars().count();
        let text = "expected `;` between two parts, found another `=`".to_owned();
        return mistake(at, text);
    }
    if place.is_some() {
        return mistake(column, format!("expected `{name}=` once, found it again"));
    }
    *place = Some(Said { value, column: at });
    Ok(())
}

/// How many characters stand before the first that is no blank.
fn blanks(text: &str) -> usize {
    text.chars().count() - text.trim_start().chars().count()
}

#[cfg(test)]
mod tests;
