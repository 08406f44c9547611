//! File descriptors: how many there may be, and how many of them connections may have.
//!
//! Everything that is open has one: files, folders, connections. So connections get what the rest does not need, and a
//! gateway with very many of them can still open the next file of its log.

use std::fs;

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use wharf_http::ConnectionRoom;

use crate::config::{Config, StorageKind};

/// The runtime's own, those for signals, and some to spare.
const RUNTIME: u64 = 8;
/// The storage folder: lock, two files of the log and a third one while they change, a checkpoint being written, the
/// history and its successor, folders that are synced, and of what was removed the file that is written, and two that are read.
const STORAGE: u64 = 12;
/// Files that are read now and then: settings, certificates, what the system says of the process.
const READ: u64 = 2;
/// An address: both versions of IP, and somebody who has connected and waits for a seat.
const ADDRESS: u64 = 3;
/// The standard streams.
const STREAMS: u64 = 3;

/// One connection of so many may be ending, beside those that count.
const ENDING_SHARE: u64 = 16;
/// At most.
const MAX_ENDING: u64 = 256;
/// A gateway for fewer connections is none.
const MIN_CONNECTIONS: u64 = 2;

/// Raises the number of files that this process may open as far as it may by itself, as programs in Go do.
///
/// What is usual, 1,024, is the default of old programs that cannot handle more. Nobody inherits it: the gateway starts no
/// other programs.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(err = %error, "cannot raise the limit of open files");
    }
}

/// Shares the file descriptors out, and says how many there are for what.
///
/// # Errors
/// If there are too few.
pub(crate) fn share(config: &Config) -> anyhow::Result<ConnectionRoom> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let others = open_now(limit) + for_others(config);
    let wanted = config.requests.max_connections.get();
    let Some(shared) = room(limit.saturating_sub(others), wanted) else {
        bail!(
            "expected to be allowed {} open files or more, found {limit}\n\
             hint: raise the hard limit (`ulimit -Hn`, or LimitNOFILE= of systemd)",
            others + MIN_CONNECTIONS + 1,
        );
    };
    tracing::info!(
        max_open_files = limit,
        max_connections = shared.max,
        "Sharing out open files"
    );
    if shared.max < wanted {
        tracing::warn!(
            max_open_files = limit,
            max_connections = shared.max,
            "there are fewer connections than --limits.max-connections, since each is an open file"
        );
    }
    Ok(shared)
}

/// How many connections a gateway with these settings could have, if it may open so many files and nothing else is open.
///
/// # Errors
/// How many files it would have to be allowed at least.
pub(crate) fn connections_within(config: &Config, limit: u64) -> Result<usize, u64> {
    let others = STREAMS + for_others(config);
    let shared = room(
        limit.saturating_sub(others),
        config.requests.max_connections.get(),
    );
    shared
        .map(|shared| shared.max)
        .ok_or(others + MIN_CONNECTIONS + 1)
}

/// How many are open already: mostly what was inherited.
fn open_now(limit: u64) -> u64 {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return STREAMS;
    };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
    // Those beyond the limit were opened under another one, and take nothing from it.
    // The folder is open itself while it is read.
    numbers.filter(|number| *number < limit).count().saturating_sub(1) as u64
}

/// How many everything takes that is no connection.
fn for_others(config: &Config) -> u64 {
    let listen = &config.listen;
    let apart = listen.apart().map(|apart| apart.addresses.len());
    let addresses = listen.addresses.len() + apart.iter().sum::<usize>();
    let storage = match config.place() {
        StorageKind::Folder { .. } => STORAGE,
        StorageKind::Memory => 0,
    };
    RUNTIME + READ + storage + ADDRESS * addresses as u64 + config.statsd.descriptors()
}

/// What is left for connections, of so many descriptors, if as many connections are wanted.
fn room(descriptors: u64, wanted: usize) -> Option<ConnectionRoom> {
    let ending = (descriptors / ENDING_SHARE).clamp(1, MAX_ENDING);
    let max = descriptors
        .checked_sub(ending)
        .filter(|max| *max >= MIN_CONNECTIONS)?;
    Some(ConnectionRoom {
        max: usize::try_from(max).unwrap_or(usize::MAX).min(wanted),
        max_ending: usize::try_from(ending).unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_others_do_not_need_and_no_more_than_they_want() {
        let shared =
            |descriptors, wanted| room(descriptors, wanted).map(|shared| (shared.max, shared.max_ending));
        assert_eq!([shared(0, 100), shared(1, 100), shared(2, 100)], [None; 3]);
        assert_eq!(shared(3, 100), Some((2, 1)));
        assert_eq!(shared(3, 1), Some((1, 1)));
        assert_eq!(shared(40, 8192), Some((38, 2)));
        assert_eq!(shared(1_000, 8192), Some((938, 62)));
        assert_eq!(shared(20_000, 8192), Some((8192, 256)));
        assert_eq!(shared(20_000, usize::MAX), Some((19_744, 256)));
        assert_eq!(shared(u64::MAX, usize::MAX), Some((usize::MAX - 256, 256)));
    }

    #[test]
    fn what_is_not_a_connection_depends_on_the_settings() {
        let mut config = Config::default();
        let with_storage = for_others(&config);
        config.storage.folder.path = "".into();
        assert_eq!(for_others(&config), with_storage - STORAGE);
        let second = config.listen.addresses.clone();
        config.listen.admin_addresses = second;
        assert_eq!(for_others(&config), with_storage - STORAGE + ADDRESS);
    }
}
