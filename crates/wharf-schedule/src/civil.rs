//! Lets the cron library search over the times of ours: what it has for this is for an older version of `jiff`.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::{CivilDateTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, ZonedDateTime};

/// A time in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct Local(pub(crate) ZonedDateTime);

/// A part of a date or time, which is never negative but for years.
fn part(number: i8) -> u32 {
    u32::from(number.unsigned_abs())
}

fn small(number: u32) -> Result<i8, CronError> {
    i8::try_from(number).map_err(|_| CronError::InvalidDate)
}

fn civil(time: DateTime) -> Option<CivilDateTime> {
    CivilDateTime::from_ymd_hms_opt(
        i32::from(time.year()),
        part(time.month()),
        part(time.day()),
        part(time.hour()),
        part(time.minute()),
        part(time.second()),
    )
}

fn ours(civil: CivilDateTime) -> Result<DateTime, CronError> {
    let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
    let time = DateTime::new(
        year,
        small(civil.month())?,
        small(civil.day())?,
        small(civil.hour())?,
        small(civil.minute())?,
        small(civil.second())?,
        0,
    );
    time.map_err(|_| CronError::InvalidDate)
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        civil(self.0.datetime()).expect("what jiff holds is a date, and a time of day")
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(part(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(ours(civil)?);
        let outside = |_| CronError::InvalidTime;
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(ambiguous.unambiguous().map_err(outside)?))
            }
            AmbiguousOffset::Fold { .. } => {
                let earlier = ambiguous.clone().earlier().map_err(outside)?;
                let later = ambiguous.later().map_err(outside)?;
                Resolution::Ambiguous(Self(earlier), Self(later))
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
            .map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}
