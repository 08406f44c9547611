use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use tracing::{debug, error, info, warn};

use super::*;
use crate::logging::settings::LogFormat;

/// What is logged meanwhile, without the line numbers of the callers.
fn logged(level: LogLevel, format: LogFormat, log: impl FnOnce()) -> String {
    without_line_numbers(&captured(Log { level, format }, log))
}

fn without_line_numbers(lines: &str) -> String {
    let without = |line: &str| {
        let (before, after) = line.split_at(line.find("caller").unwrap());
        let (caller, after) = after.split_at(after.find("msg").unwrap());
        format!(
            "{before}{}{after}\n",
            caller.replace(|c: char| c.is_ascii_digit(), "")
        )
    };
    lines.lines().map(without).collect()
}

#[test]
fn logfmt_lines_have_the_shape_of_the_original() {
    let lines = logged(LogLevel::Info, LogFormat::Logfmt, || {
        info!(address = "[::]:9091", http2 = false, "Listening on");
    });
    let expected = "ts=2026-01-02T03:04:05.678Z level=info caller=tests.rs: msg=\"Listening on\" address=[::]:9091 http2=false\n";
    assert_eq!(lines, expected);
}

#[test]
fn json_lines_start_with_the_same_four_keys() {
    let lines = logged(LogLevel::Info, LogFormat::Json, || {
        warn!(count = 3_u64, part = 0.5, nan = f64::NAN, text = %"a \"b\"", "odd");
    });
    let expected = r#"{"ts":"2026-01-02T03:04:05.678Z","level":"warn","caller":"tests.rs:","msg":"odd","count":3,"part":0.5,"nan":"NaN","text":"a \"b\""}"#;
    assert_eq!(lines.trim_end(), expected);
}

#[test]
fn source_is_renamed() {
    let lines = logged(LogLevel::Info, LogFormat::Logfmt, || {
        error!(source = "1.2.3.4:5", "refused");
    });
    assert!(
        lines.ends_with("msg=refused logged_source=1.2.3.4:5\n"),
        "{lines}"
    );
}

#[test]
fn the_caller_names_its_module_at_level_debug() {
    let lines = logged(LogLevel::Debug, LogFormat::Logfmt, || debug!("x"));
    assert!(
        lines.contains(" level=debug caller=tests.rs(wharf::logging::tests): msg=x\n"),
        "{lines}"
    );
}

#[test]
fn less_severe_levels_are_left_out() {
    let log = || {
        debug!("one");
        info!("two");
        warn!("three");
        error!("four");
    };
    let count = |level| logged(level, LogFormat::Logfmt, log).lines().count();
    let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    assert_eq!(levels.map(count), [4, 3, 2, 1]);
}

#[test]
fn debug_lines_of_libraries_are_left_out() {
    let lines = logged(LogLevel::Debug, LogFormat::Logfmt, || {
        debug!(target: "h2::client", "frame");
        info!(target: "h2::client", "odd");
    });
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[test]
fn several_fields_keep_their_order_and_lines_stay_whole() {
    let lines = logged(
        LogLevel::Info,
        LogFormat::Logfmt,
        || info!(b = "1\n2", a = ?Some("x"), "m\nn"),
    );
    assert!(
        lines.ends_with("msg=\"m\\nn\" b=\"1\\n2\" a=\"Some(\\\"x\\\")\"\n"),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 1);
}

/// A standard error that is gone, and counts who has not noticed yet.
struct Closed<'t>(&'t AtomicU32);

impl Write for Closed<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_line_that_cannot_be_written_is_lost_quietly() {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let subscriber = subscriber(Log::default(), || SystemTime::UNIX_EPOCH, || Closed(&TRIED));
    tracing::subscriber::with_default(subscriber, || {
        info!("lost");
        let of_the_first = TRIED.load(Ordering::Relaxed);
        info!("lost as well");
        let of_both = TRIED.load(Ordering::Relaxed);
        assert!(
            0 < of_the_first && of_the_first < of_both,
            "{of_the_first}, {of_both}"
        );
    });
}
