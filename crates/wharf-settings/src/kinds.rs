//! Kinds of values that more than one part has.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use wharf_model::duration;

use crate::{ByteSize, FlagDuration, Kind, Takes, ValueError};

const DURATION: Takes = Takes::Value("a duration such as 300ms, 90s or 1h30m");

/// A switch.
pub const SWITCH: Kind<bool> = Kind::new(Takes::Nothing, switch, bool::to_string);

/// A switch that turns something off.
pub const OFF_SWITCH: Kind<bool> = Kind::new(
    Takes::Nothing,
    |value| Ok(!switch(value)?),
    |is_on| (!is_on).to_string(),
);

/// A path of a URL.
pub const URL_PATH: Kind<String> = Kind::new(
    Takes::Value("a path such as /metrics"),
    |value| Ok(value.to_owned()),
    String::clone,
);

/// A file; none if it is empty.
pub const FILE: Kind<Option<PathBuf>> = Kind::new(
    Takes::File,
    |value| Ok((!value.is_empty()).then(|| PathBuf::from(value))),
    |path| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    },
);

/// A folder; none if it is empty.
pub const FOLDER: Kind<Option<PathBuf>> = Kind::new(
    Takes::Folder,
    |value| Ok((!value.is_empty()).then(|| PathBuf::from(value))),
    |path| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    },
);

/// A number of bytes.
pub const SIZE: Kind<usize> = Kind::new(
    SIZE_TAKES,
    |value| Ok(value.parse::<ByteSize>()?.to_usize()),
    |bytes| ByteSize(*bytes as u64).to_string(),
);

/// A number of bytes; 0 for none.
pub const SIZE_LIMIT: Kind<Option<u64>> = Kind::new(
    Takes::Value("a size such as 512KiB or 64MiB, 0 for no limit"),
    |value| Ok(Some(value.parse::<ByteSize>()?.0).filter(|bytes| *bytes > 0)),
    |bytes| ByteSize(bytes.unwrap_or(0)).to_string(),
);

/// A number of bytes on disk.
pub const SIZE_ON_DISK: Kind<u64> = Kind::new(
    SIZE_TAKES,
    |value| Ok(value.parse::<ByteSize>()?.0),
    |bytes| ByteSize(*bytes).to_string(),
);

const SIZE_TAKES: Takes = Takes::Value("a size such as 1048576, 512KiB or 64MiB");

/// A number from one on.
pub const COUNT: Kind<NonZeroUsize> =
    Kind::new(Takes::Value("a number from 1 on"), count, NonZeroUsize::to_string);

/// A number; 0 for none.
pub const LIMIT: Kind<Option<u64>> = Kind::new(Takes::Value("a number, 0 for no limit"), limit, |limit| {
    limit.unwrap_or(0).to_string()
});

/// A duration from 0 on.
pub const UNSIGNED: Kind<Duration> = Kind::new(DURATION, unsigned, |duration| {
    FlagDuration::from(*duration).to_string()
});

/// A duration that may be negative.
pub const SIGNED: Kind<FlagDuration> = Kind::new(DURATION, str::parse, FlagDuration::to_string);

/// A duration; 0 for none.
pub const TIMEOUT: Kind<Option<Duration>> = Kind::new(
    DURATION,
    |value| Ok(Some(unsigned(value)?).filter(|duration| !duration.is_zero())),
    |duration| FlagDuration::from(duration.unwrap_or_default()).to_string(),
);

/// A time to live, as selectors and rules write them: Prometheus' `1d2h` besides Go's `1h30m`; 0 for none.
pub const TIME_TO_LIVE: Kind<Option<Duration>> = Kind::new(
    DURATION,
    |value| {
        let ttl = duration::parse(value).map_err(|error| ValueError::new(error.to_string()))?;
        Ok(Some(ttl).filter(|ttl| !ttl.is_zero()))
    },
    |duration| FlagDuration::from(duration.unwrap_or_default()).to_string(),
);

/// A switch from the environment; the command line has only `true` and `false` to give.
fn switch(value: &str) -> Result<bool, ValueError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ValueError::new(format!(
            "expected true or false, found `{value}`"
        ))),
    }
}

fn unsigned(value: &str) -> Result<Duration, ValueError> {
    let duration: FlagDuration = value.parse()?;
    if duration.is_negative() {
        return Err(ValueError::new(format!(
            "expected a duration from 0 on, found `{value}`"
        )));
    }
    Ok(duration.to_duration())
}

fn limit(value: &str) -> Result<Option<u64>, ValueError> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u64> = plain.then(|| value.parse().ok()).flatten();
    let number = number
        .ok_or_else(|| ValueError::new(format!("expected a number, 0 for no limit, found `{value}`")))?;
    Ok(Some(number).filter(|number| *number > 0))
}

fn count(value: &str) -> Result<NonZeroUsize, ValueError> {
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())
        .flatten();
    plain.ok_or_else(|| ValueError::new(format!("expected a number from 1 on, found `{value}`")))
}
