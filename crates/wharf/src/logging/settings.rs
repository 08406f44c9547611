//! Which lines are logged, and in which shape.

use std::str::FromStr;

use wharf_settings::{Kind, Takes, ValueError, settings};

const LEVEL: Kind<LogLevel> = Kind::new(
    Takes::OneOf(&["debug", "info", "warn", "error"]),
    str::parse,
    |level| level.as_str().to_owned(),
);

const FORMAT: Kind<LogFormat> = Kind::new(Takes::OneOf(&["logfmt", "json"]), str::parse, |format| {
    format.as_str().to_owned()
});

settings! {
    /// Log lines.
    #[derive(Copy)]
    pub struct Log {
        /// The least severe level that is logged.
        pub level: LogLevel = LogLevel::Info,
            "log.level" as LEVEL,
            "Least severe level that is logged.";
        /// The shape of a line.
        pub format: LogFormat = LogFormat::Logfmt,
            "log.format" as FORMAT,
            "Shape of a log line.";
    }
}

/// The severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Each request that is odd.
    Debug,
    /// The life of the process.
    #[default]
    Info,
    /// Odd, but it went on.
    Warn,
    /// Someone must act.
    Error,
}

impl LogLevel {
    /// As flags and log lines write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// In any case.
impl FromStr for LogLevel {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let levels = [Self::Debug, Self::Info, Self::Warn, Self::Error];
        let level = levels
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text));
        level.ok_or_else(|| ValueError::new(format!("unrecognized log level {text}")))
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// One object a line.
    Json,
}

impl LogFormat {
    /// As the flag writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logfmt => "logfmt",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let formats = [Self::Logfmt, Self::Json];
        let format = formats.into_iter().find(|format| format.as_str() == text);
        format.ok_or_else(|| ValueError::new(format!("unrecognized log format {text}")))
    }
}
