//! The flags that say when the next push is expected.

use std::time::Duration;

use wharf_model::duration;
use wharf_schedule::{Timing, TimingError};

/// The word that takes away what was said before.
const NONE: &str = "none";

/// When the next push is expected.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ExpectFlags {
    /// Expect the next push so long after this one, such as 24h; the gateway needs --expect.from-push
    #[arg(id = "expect_every", long = "expect-every", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "expect_schedule")]
    every: Option<Duration>,

    /// Expect the next push at the times of this cron schedule, such as '0 3 * * *'
    #[arg(id = "expect_schedule", long = "expect-schedule", value_name = "CRON")]
    schedule: Option<String>,

    /// The time zone of the schedule, such as Europe/Berlin; UTC without it
    #[arg(
        id = "expect_timezone",
        long = "expect-timezone",
        value_name = "ZONE",
        requires = "expect_schedule"
    )]
    timezone: Option<String>,

    /// How long to wait for the push after it was due, with the time that the job takes
    #[arg(id = "expect_grace", long = "expect-grace", value_name = "DURATION", value_parser = duration::parse)]
    grace: Option<Duration>,

    /// Expect no push any more, whatever earlier ones have said
    #[arg(id = "expect_none", long = "expect-none", conflicts_with_all = ["expect_every", "expect_schedule", "expect_grace"])]
    nothing: bool,
}

impl ExpectFlags {
    /// What the push is to say; none: nothing.
    ///
    /// # Errors
    /// If a schedule or a time zone is none, or there is nothing to wait for.
    pub(super) fn line(&self) -> Result<Option<String>, String> {
        if self.nothing {
            return Ok(Some(NONE.to_owned()));
        }
        if self.every.is_none() && self.schedule.is_none() {
            return match self.grace {
                Some(_) => Err(
                    "--expect-grace: expected --expect-every or --expect-schedule beside it, found neither"
                        .to_owned(),
                ),
                None => Ok(None),
            };
        }
        let [every, grace] = [self.every, self.grace].map(|time| time.map(duration::format));
        let timing = Timing::parse(
            every.as_deref(),
            self.schedule.as_deref(),
            self.timezone.as_deref(),
            grace.as_deref(),
        );
        let timing = timing.map_err(|TimingError { key, text }| match key {
            Some(key) => format!("--expect-{key}: {text}"),
            None => text,
        })?;
        Ok(Some(timing.to_line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn flags_become_one_line() {
        let none = ExpectFlags::default();
        assert_eq!(none.line(), Ok(None));
        let every = ExpectFlags {
            every: Some(24 * HOUR),
            grace: Some(HOUR),
            ..none.clone()
        };
        assert_eq!(every.line(), Ok(Some("every=1d; grace=1h".to_owned())));
        let nightly = ExpectFlags {
            schedule: Some("0 3 * * 1-5".to_owned()),
            timezone: Some("Europe/Berlin".to_owned()),
            ..none.clone()
        };
        let line = "schedule=0 3 * * 1-5; timezone=Europe/Berlin".to_owned();
        assert_eq!(nightly.line(), Ok(Some(line)));
        let no_more = ExpectFlags {
            nothing: true,
            ..none
        };
        assert_eq!(no_more.line(), Ok(Some("none".to_owned())));
    }

    #[test]
    fn mistakes_name_the_flag() {
        let refused = |schedule: Option<&str>, zone: Option<&str>| {
            let flags = ExpectFlags {
                schedule: schedule.map(str::to_owned),
                timezone: zone.map(str::to_owned),
                grace: Some(HOUR),
                ..ExpectFlags::default()
            };
            flags.line().unwrap_err()
        };
        assert!(refused(Some("0 3 * *"), None).starts_with("--expect-schedule: "));
        assert!(refused(Some("0 3 * * *"), Some("Mars")).starts_with("--expect-timezone: "));
        assert!(refused(None, None).starts_with("--expect-grace: "));
    }
}
