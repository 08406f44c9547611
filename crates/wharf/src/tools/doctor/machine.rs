//! What the gateway has of the machine: the clock, open files, addresses.

use std::fs;

use rustix::process::{Resource, getrlimit};
use wharf_store::UnixNanos;

use super::finding::Report;
use super::ledger::Holder;
use crate::config::{Config, ListenAddress};
use crate::tools::output::{counted, in_one_unit};
use crate::version::BUILD;
use crate::{descriptors, listen};

const CLOCK: &str = "clock";
const OPEN_FILES: &str = "open-files";
const ADDRESS: &str = "address";

/// Clocks of different machines, and the same one a moment later, are never quite the same.
const TOLERANCE_SECONDS: f64 = 60.0;

/// Holds the clock against what is stored, and against the gateway's.
pub(super) fn examine_clock(newest: Option<UnixNanos>, gateway: Option<f64>, report: &mut Report) {
    let built = jiff::civil::DateTime::strptime("%Y%m%d-%H:%M:%S", BUILD.build_date);
    let built = built.ok().and_then(|time| time.in_tz("UTC").ok());
    clock(
        crate::tools::output::now(),
        built.map(|time| time.timestamp().as_duration().as_secs_f64()),
        newest.map(UnixNanos::as_seconds),
        gateway,
        report,
    );
}

/// The same, with times in seconds since 1970.
fn clock(now: f64, built: Option<f64>, newest: Option<f64>, gateway: Option<f64>, report: &mut Report) {
    let hint = "see whether the clock is kept by NTP (`timedatectl`, `chronyc tracking`), and set it";
    let ahead = |other: Option<f64>, by: f64| {
        other
            .filter(|other| other - now > by)
            .map(|other| in_words(other - now))
    };
    if let Some(ahead) = ahead(built, 24.0 * 3_600.0) {
        let found = format!("one that is {ahead} behind that");
        report.fail(CLOCK, "a clock that is past the time of this build", found, hint);
    } else if let Some(ahead) = ahead(newest, TOLERANCE_SECONDS) {
        let found = format!("a stored push that is {ahead} ahead");
        report.warn(CLOCK, "a clock that is past all stored pushes", found, hint);
    } else if let Some(other) = gateway.filter(|gateway| (gateway - now).abs() > TOLERANCE_SECONDS) {
        let found = format!("{} between them", in_words((other - now).abs()));
        report.warn(CLOCK, "the clock of the gateway to be ours", found, hint);
    } else {
        let newest = newest.map(|newest| crate::tools::output::ago(now, newest));
        report.ok(
            CLOCK,
            newest.map_or_else(
                || "nothing speaks against it".to_owned(),
                |ago| format!("past all stored pushes, the newest was {ago}"),
            ),
        );
    }
}

fn in_words(seconds: f64) -> String {
    in_one_unit(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Holds the limit of open files against the connections that are wanted.
pub(super) fn examine_open_files(config: &Config, holder: Option<&Holder>, report: &mut Report) {
    let of_process = holder
        .and_then(|holder| holder.process)
        .and_then(|process| fs::read_to_string(format!("/proc/{process}/limits")).ok())
        .and_then(|limits| hard_limit(&limits));
    let (limit, whose) = match of_process {
        Some(limit) => (limit, "the gateway"),
        // It raises the soft one by itself.
        None => (
            getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
            "this shell",
        ),
    };
    open_files(config, limit, whose, report);
}

/// What a gateway makes of a hard limit.
fn open_files(config: &Config, limit: u64, whose: &str, report: &mut Report) {
    let wanted = config.requests.max_connections.get();
    let hint = "raise the hard limit of the gateway: LimitNOFILE= of systemd, or `ulimit -Hn`";
    match descriptors::connections_within(config, limit) {
        Ok(connections) if connections >= wanted => {
            let connections = counted(connections as u64, "connection", "connections");
            report.ok(
                OPEN_FILES,
                format!("{whose} may open {limit}, enough for {connections}"),
            );
        }
        Ok(connections) => report.warn(
            OPEN_FILES,
            format!("room for {wanted} connections (--limits.max-connections)"),
            format!("room for {connections}, since {whose} may open {limit} files"),
            hint,
        ),
        Err(needed) => report.fail(
            OPEN_FILES,
            format!("to be allowed {needed} open files or more"),
            format!("{limit} for {whose}"),
            hint,
        ),
    }
}

/// The hard limit of open files in `/proc/<process>/limits`.
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Whether the addresses are free, or those of the gateway that runs: for sure, if it has the folder open, or else perhaps.
pub(super) fn examine_addresses(config: &Config, has_folder: bool, answers: bool, report: &mut Report) {
    if config.listen.systemd_socket {
        report.ok(ADDRESS, "systemd hands the sockets over; it is not asked");
        return;
    }
    for address in addresses(config) {
        match listen::is_free(address) {
            Ok(true) if !has_folder => report.ok(ADDRESS, format!("{address} is free")),
            Ok(true) => report.warn(
                ADDRESS,
                format!("the gateway that runs to listen at {address}"),
                "that it is free",
                "give the flags that the gateway was started with behind `--`, or restart it",
            ),
            Ok(false) if has_folder || answers => {
                report.ok(
                    ADDRESS,
                    format!("{address} is in use, as by the gateway that runs"),
                );
            }
            Ok(false) => report.fail(
                ADDRESS,
                format!("{address} to be free"),
                "that something listens there, and no gateway that is known here",
                format!(
                    "see who does with `ss -ltnp 'sport = :{}'`, or name another with --web.listen-address",
                    address.port()
                ),
            ),
            Err(error) => report.fail(
                ADDRESS,
                format!("to listen at {address}"),
                format!("{error:#}"),
                "name an address of this machine; ports below 1024 need the capability CAP_NET_BIND_SERVICE",
            ),
        }
    }
}

/// Those at which a gateway with these settings listens.
fn addresses(config: &Config) -> Vec<&ListenAddress> {
    let apart = config.listen.apart();
    let is_all_apart = apart.iter().all(|apart| !apart.addresses.is_empty());
    let common = config.listen.addresses.iter().filter(|_| !is_all_apart);
    common
        .chain(apart.iter().flat_map(|apart| apart.addresses))
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(examine: impl FnOnce(&mut Report), expected: &Expect) {
        let mut report = Report::default();
        examine(&mut report);
        let mut text = Vec::new();
        report.write_text(&mut text).unwrap();
        expected.assert_eq(&String::from_utf8(text).unwrap());
    }

    #[test]
    fn the_clock_is_held_against_all_that_is_known() {
        let now = 1_800_000_000.0;
        check(
            |report| {
                clock(now, None, None, None, report);
                clock(
                    now,
                    Some(now + 3_600.0),
                    Some(now + 59.0),
                    Some(now - 59.0),
                    report,
                );
                clock(now, Some(now - 9.0), Some(now - 7_200.0), Some(now), report);
                clock(now, None, Some(now + 7_200.0), None, report);
                clock(now, None, Some(now), Some(now - 61.0), report);
                clock(0.0, Some(now), Some(now), None, report);
            },
            &expect![[r"
                ok       clock          nothing speaks against it
                ok       clock          past all stored pushes, the newest was 0s ago
                ok       clock          past all stored pushes, the newest was 2h ago
                warning  clock          expected a clock that is past all stored pushes, found a stored push that is 2h ahead
                  hint: see whether the clock is kept by NTP (`timedatectl`, `chronyc tracking`), and set it
                warning  clock          expected the clock of the gateway to be ours, found 61s between them
                  hint: see whether the clock is kept by NTP (`timedatectl`, `chronyc tracking`), and set it
                error    clock          expected a clock that is past the time of this build, found one that is 20833d behind that
                  hint: see whether the clock is kept by NTP (`timedatectl`, `chronyc tracking`), and set it
                6 checks: 1 error, 2 warnings
            "]],
        );
    }

    #[test]
    fn open_files_are_held_against_connections() {
        let config = Config::default();
        check(
            |report| {
                open_files(&config, 20_000, "the gateway", report);
                open_files(&config, 1_024, "this shell", report);
                open_files(&config, 20, "this shell", report);
            },
            &expect![[r"
                ok       open-files     the gateway may open 20000, enough for 8192 connections
                warning  open-files     expected room for 8192 connections (--limits.max-connections), found room for 934, since this shell may open 1024 files
                  hint: raise the hard limit of the gateway: LimitNOFILE= of systemd, or `ulimit -Hn`
                error    open-files     expected to be allowed 31 open files or more, found 20 for this shell
                  hint: raise the hard limit of the gateway: LimitNOFILE= of systemd, or `ulimit -Hn`
                3 checks: 1 error, 1 warning
            "]],
        );
    }

    #[test]
    fn the_hard_limit_is_the_second_number() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             1                    2                    processes\n\
                      Max open files            1024                 20000                files\n";
        assert_eq!(hard_limit(limits), Some(20_000));
        assert_eq!(hard_limit("Max open files  1 unlimited files\n"), Some(u64::MAX));
        assert_eq!(hard_limit("Max open files  1\n"), None);
        assert_eq!(hard_limit(""), None);
    }
}
