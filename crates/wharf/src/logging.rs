//! Log lines in the shape that users of the Pushgateway know, on standard error.
//!
//! ```text
//! ts=2026-01-02T03:04:05.678Z level=info caller=serve.rs:82 msg="Listening on" address=[::]:9091
//! {"ts":"2026-01-02T03:04:05.678Z","level":"info","caller":"serve.rs:82","msg":"Listening on","address":"[::]:9091"}
//! ```
//!
//! At level debug the caller is `serve.rs(wharf::serve):82`. An attribute called `source` is written as
//! `logged_source`, because the name once belonged to the logger. Spans are not shown.

#[cfg(test)]
mod captured;
mod encode;
pub(crate) mod settings;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

#[cfg(test)]
pub(crate) use self::captured::captured;
use self::encode::Line;
use self::settings::{Log, LogLevel};

/// Sends the log lines of this process to standard error from now on. The time comes from `clock`.
///
/// # Errors
/// If that was done before.
pub fn install<C>(log: Log, clock: C) -> Result<(), SetGlobalDefaultError>
where
    C: Fn() -> SystemTime + Send + Sync + 'static,
{
    tracing::subscriber::set_global_default(subscriber(log, clock, io::stderr))
}

/// Writes each event as one line to `writer`. A line that cannot be written is lost; nothing else happens.
pub fn subscriber<C, W>(log: Log, clock: C, writer: W) -> impl Subscriber + Send + Sync
where
    C: Fn() -> SystemTime + Send + Sync + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match log.level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // The debug lines of libraries would drown ours.
    let libraries = level.min(LevelFilter::INFO);
    let targets = Targets::new().with_target("wharf", level).with_default(libraries);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(LineFormat { log, clock })
        .with_writer(writer)
        // It would report a failed write by a macro that panics when standard error is closed.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines.with_filter(targets))
}

/// The shape of a line.
struct LineFormat<C> {
    log: Log,
    clock: C,
}

impl<C, S, N> FormatEvent<S, N> for LineFormat<C>
where
    C: Fn() -> SystemTime,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut attributes = Attributes {
            message: String::new(),
            line: Line::new(self.log.format),
        };
        event.record(&mut attributes);

        let mut line = Line::new(self.log.format);
        let now = Timestamp::try_from((self.clock)()).unwrap_or_default();
        line.text("ts", &format!("{now:.3}"));
        line.text("level", level_word(*event.metadata().level()));
        line.text("caller", &self.caller(event));
        line.text("msg", &attributes.message);
        line.append(&attributes.line);
        writeln!(writer, "{}", line.finish())
    }
}

impl<C> LineFormat<C> {
    fn caller(&self, event: &Event<'_>) -> String {
        let metadata = event.metadata();
        let file = metadata
            .file()
            .map(Path::new)
            .and_then(Path::file_name)
            .unwrap_or_default()
            .display();
        let line = metadata.line().unwrap_or_default();
        if self.log.level == LogLevel::Debug {
            let module = metadata.module_path().unwrap_or_default();
            format!("{file}({module}):{line}")
        } else {
            format!("{file}:{line}")
        }
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

/// Collects the fields of an event: the message apart, because it comes before the others.
struct Attributes {
    message: String,
    line: Line,
}

impl Attributes {
    fn key(field: &Field) -> &'static str {
        match field.name() {
            "source" => "logged_source",
            name => name,
        }
    }
}

impl Visit for Attributes {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.line.text(Self::key(field), &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.line.text(Self::key(field), value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.line.bare(Self::key(field), value);
        } else {
            self.line.text(Self::key(field), &value.to_string());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.line.bare(Self::key(field), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.line.bare(Self::key(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.line.bare(Self::key(field), value);
    }
}

#[cfg(test)]
mod tests;
