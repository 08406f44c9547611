//! Cron schedules in time zones.
//!
//! ```text
//! schedule = minute hour day month weekday        with * , - / and JAN-DEC, SUN-SAT; L, W and # as in croner
//!          | @hourly | @daily | @weekly | @monthly | @yearly | @annually | @midnight
//! ```
//!
//! If both day and weekday are given, one of them is enough, as in cron. When clocks are set forward, a fixed time that is left
//! out is due when they have been; when they are set back, a fixed time comes once, and `*` and steps come as often as the hour
//! does.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::civil::Local;

/// A schedule longer than this is none that a person has written.
const MAX_BYTES: usize = 256;

/// The fields, with what each may have, in their order.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT"),
];

/// What stands for five fields.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError {
    /// Where in the text, from 1 on; none if it is all of it.
    column: Option<usize>,
    text: String,
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(f, "column {column} of the schedule: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for ScheduleError {}

impl ScheduleError {
    fn whole(text: String) -> Self {
        Self { column: None, text }
    }
}

/// When something is due by the clocks of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads a schedule that is meant by the clocks of this time zone.
    ///
    /// # Errors
    /// If it is none, or one of dates that do not come, such as 30 February.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let cron = read(text)?;
        let schedule = Self {
            text: text.to_owned(),
            cron,
            zone,
        };
        // The library looks as far as to the year 5000.
        if schedule.after(Timestamp::UNIX_EPOCH).is_none() {
            let found = shortened(text);
            return Err(ScheduleError::whole(format!(
                "expected a date that comes some day, found `{found}`"
            )));
        }
        Ok(schedule)
    }

    /// The first time after this one; none if the calendar ends before.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        // The library knows no years before our era, and nobody waits for a job since then.
        let time = time.max(Timestamp::UNIX_EPOCH);
        let local = Local(time.to_zoned_datetime(self.zone.clone()));
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.0.timestamp())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of its time zone.
    pub fn time_zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// The time zone of this name in the database of the system, or in the one that is built in.
///
/// # Errors
/// If there is none.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let name = shortened(name);
        format!("expected the name of a time zone such as `Europe/Berlin` or `UTC`, found `{name}`")
    })
}

fn read(text: &str) -> Result<Cron, ScheduleError> {
    if text.len() > MAX_BYTES {
        let bytes = text.len();
        return Err(ScheduleError::whole(format!(
            "expected a schedule of at most {MAX_BYTES} bytes, found {bytes}"
        )));
    }
    let trimmed = text.trim();
    let plain = if trimmed.starts_with('@') {
        let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed));
        let (_, plain) = named.ok_or_else(|| {
            let names = NAMED.map(|(name, _)| name).join(", ");
            let found = shortened(trimmed);
            ScheduleError::whole(format!("expected one of {names}, found `{found}`"))
        })?;
        plain
    } else {
        text
    };
    let fields = fields_of(plain);
    if fields.len() != FIELDS.len() {
        let found = fields.len();
        return Err(ScheduleError::whole(format!(
            "expected five fields, minute, hour, day of the month, month, day of the week, found {found}"
        )));
    }
    for (index, (column, field)) in fields.iter().enumerate() {
        if !is_field(index, field) {
            let (name, range) = FIELDS.get(index).copied().unwrap_or_default();
            let found = shortened(field);
            return Err(ScheduleError {
                column: Some(*column),
                text: format!("expected the {name} ({range}), found `{found}`"),
            });
        }
    }
    let fields: Vec<&str> = fields.iter().map(|(_, field)| *field).collect();
    let cron = parser().parse(&fields.join(" "));
    // Each field is one for itself, so this is what the library says of them together.
    cron.map_err(|error| ScheduleError::whole(format!("expected a cron schedule, found another: {error}")))
}

fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
}

/// The fields with the columns at which they begin, counted in characters.
fn fields_of(text: &str) -> Vec<(usize, &str)> {
    let mut fields = Vec::new();
    let mut column = 1;
    for part in text.split([' ', '\t']) {
        if !part.is_empty() {
            fields.push((column, part));
        }
        column += part.chars().count() + 1;
    }
    fields
}

/// Whether this is a field of this place.
fn is_field(index: usize, field: &str) -> bool {
    // The library takes nothing between commas for nothing at all.
    if field.split(',').any(str::is_empty) || !has_known_words(index, field) {
        return false;
    }
    let fields: [&str; FIELDS.len()] = std::array::from_fn(|at| if at == index { field } else { "*" });
    parser().parse(&fields.join(" ")).is_ok()
}

/// Whether its letters are names of months or days, where there are any, or L and W. The library puts numbers in the place of
/// names wherever they stand, also within others.
fn has_known_words(index: usize, field: &str) -> bool {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    if !field.is_ascii() {
        return false;
    }
    let field = field.to_ascii_uppercase();
    let words = field.split(|c: char| !c.is_ascii_alphabetic());
    words.filter(|word| !word.is_empty()).all(|word| match index {
        2 => ["L", "W", "LW"].contains(&word),
        3 => MONTHS.contains(&word),
        4 => {
            word == "L"
                || DAYS.contains(&word)
                || word.strip_suffix('L').is_some_and(|day| DAYS.contains(&day))
        }
        _ => false,
    })
}

/// What was found, for a refusal.
fn shortened(text: &str) -> String {
    text.escape_debug().take(64).collect()
}

impl std::str::FromStr for Schedule {
    type Err = ScheduleError;

    /// One by UTC.
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text, TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests;
