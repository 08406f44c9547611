//! What the operating system knows of this process, read from `/proc`. Where there is no `/proc`, these families are
//! absent.

use std::fs;
use std::path::Path;

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::Assembly;
use super::family::own;

pub(super) const CPU_SECONDS: ReservedFamily = own(
    "process_cpu_seconds_total",
    MetricType::Counter,
    "Total user and system CPU time spent in seconds.",
);
pub(super) const MAX_FDS: ReservedFamily = own(
    "process_max_fds",
    MetricType::Gauge,
    "Maximum number of open file descriptors.",
);
pub(super) const NETWORK_RECEIVE: ReservedFamily = own(
    "process_network_receive_bytes_total",
    MetricType::Counter,
    "Number of bytes received by the process over the network.",
);
pub(super) const NETWORK_TRANSMIT: ReservedFamily = own(
    "process_network_transmit_bytes_total",
    MetricType::Counter,
    "Number of bytes sent by the process over the network.",
);
pub(super) const OPEN_FDS: ReservedFamily = own(
    "process_open_fds",
    MetricType::Gauge,
    "Number of open file descriptors.",
);
pub(super) const RESIDENT_MEMORY: ReservedFamily = own(
    "process_resident_memory_bytes",
    MetricType::Gauge,
    "Resident memory size in bytes.",
);
pub(super) const START_TIME: ReservedFamily = own(
    "process_start_time_seconds",
    MetricType::Gauge,
    "Start time of the process since unix epoch in seconds.",
);
pub(super) const VIRTUAL_MEMORY: ReservedFamily = own(
    "process_virtual_memory_bytes",
    MetricType::Gauge,
    "Virtual memory size in bytes.",
);
pub(super) const VIRTUAL_MEMORY_MAX: ReservedFamily = own(
    "process_virtual_memory_max_bytes",
    MetricType::Gauge,
    "Maximum amount of virtual memory available in bytes.",
);

/// The kernel counts time for user space in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What never changes about this process.
#[derive(Debug)]
pub(super) struct Process {
    /// Read once, because on large machines its file is long.
    boot_time_seconds: Option<f64>,
}

impl Process {
    /// This process.
    pub(super) fn this() -> Self {
        Self::new(&read("stat"))
    }

    /// A process on the machine that `/proc/stat` describes.
    fn new(stat: &str) -> Self {
        Self {
            boot_time_seconds: field_after(stat, "btime ").and_then(|seconds| seconds.parse().ok()),
        }
    }

    /// Adds a family for each value that can be read.
    pub(super) fn assemble(&self, assembly: &mut Assembly) {
        let open_files = open_files(Path::new("/proc/self/fd"));
        for (family, value) in self.values(read).into_iter().chain([(OPEN_FDS, open_files)]) {
            if let Some(value) = value {
                assembly.single(family, value);
            }
        }
    }

    /// The values that stand in files of `/proc`, whose text `read` returns: empty if there is no such file.
    fn values(&self, read: impl Fn(&str) -> String) -> [(ReservedFamily, Option<f64>); 8] {
        let stat = Stat::parse(&read("self/stat"));
        let stat = stat.as_ref();
        let limits = read("self/limits");
        let (received, sent) = network_octets(&read("self/net/netstat"));
        let seconds = |ticks: f64| ticks / TICKS_PER_SECOND;
        [
            (CPU_SECONDS, stat.map(|stat| seconds(stat.cpu_ticks))),
            (MAX_FDS, limit(&limits, "Max open files")),
            (NETWORK_RECEIVE, received),
            (NETWORK_TRANSMIT, sent),
            (RESIDENT_MEMORY, resident_bytes(&read("self/status"))),
            (
                START_TIME,
                stat.and_then(|stat| Some(self.boot_time_seconds? + seconds(stat.start_ticks))),
            ),
            (VIRTUAL_MEMORY, stat.map(|stat| stat.virtual_bytes)),
            (VIRTUAL_MEMORY_MAX, limit(&limits, "Max address space")),
        ]
    }
}

/// Resident memory of this process.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size in bytes that a double has"
)]
pub(super) fn resident_bytes_now() -> Option<u64> {
    resident_bytes(&read("self/status")).map(|bytes| bytes as u64)
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default()
}

/// How many files are open: the size of the folder on Linux 6.2 and later. Before, its size is 0, and they must be
/// counted.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^53 files")]
fn open_files(folder: &Path) -> Option<f64> {
    let size = fs::metadata(folder).ok()?.len();
    if size > 0 {
        return Some(size as f64);
    }
    // The folder itself is open meanwhile, and counted too.
    let count = fs::read_dir(folder).ok()?.count().saturating_sub(1);
    Some(count as f64)
}

/// What `/proc/self/stat` says.
struct Stat {
    cpu_ticks: f64,
    start_ticks: f64,
    virtual_bytes: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the name of the program in brackets, which may itself hold blanks and brackets.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Fields are counted from one in the manual; those behind the name start with the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
        })
    }
}

/// The word after `name` at the start of a line.
fn field_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_ascii_whitespace()
        .next()
}

/// The soft limit of that name. No limit is the largest number, as client libraries have it.
#[expect(clippy::cast_precision_loss, reason = "it is shown as a double")]
fn limit(limits: &str, name: &str) -> Option<f64> {
    match field_after(limits, name)? {
        "unlimited" => Some(u64::MAX as f64),
        number => number.parse().ok(),
    }
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kibibytes: f64 = field_after(status, "VmRSS:")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Bytes received and sent, from a line of names and a line of values that start with `IpExt:`. They are those of
/// the network namespace, whose only inhabitant we often are.
fn network_octets(netstat: &str) -> (Option<f64>, Option<f64>) {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let names = lines.next().unwrap_or_default().split_ascii_whitespace();
    let values = lines.next().unwrap_or_default().split_ascii_whitespace();
    let value = |wanted: &str| {
        let mut pairs = names.clone().zip(values.clone());
        pairs.find_map(|(name, value)| (name == wanted).then(|| value.parse().ok())?)
    };
    (value("InOctets"), value("OutOctets"))
}

#[cfg(test)]
mod tests;
