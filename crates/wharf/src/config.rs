//! The checked settings that everything else works with.
//!
//! [`Config::new`] makes them from what was typed. Nobody asks again afterwards whether an address is an address.
//! The defaults stand in [`Config::default`] and nowhere else: the help reads them from there.

mod address;
mod bytes;
mod duration;
mod prefix;
mod services;
mod url;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use wharf_http::Purpose;
use wharf_model::name::NameRule;

pub use self::address::ListenAddress;
pub use self::bytes::ByteSize;
pub use self::duration::FlagDuration;
pub use self::prefix::Prefix;
pub use self::url::ExternalUrl;
use crate::args::{Args, FLAGS, Mistake, UsageError};

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The file with rules: expiry, quotas, relabelling.
    pub config_file: Option<PathBuf>,
    /// Sockets and connections.
    pub listen: Listen,
    /// Routes.
    pub web: Web,
    /// What is kept over a restart.
    pub persistence: Persistence,
    /// Where the groups are kept.
    pub storage: Storage,
    /// What is accepted as a push.
    pub push: Push,
    /// How much at once.
    pub limits: Limits,
    /// Log lines.
    pub log: Log,
    /// The end.
    pub shutdown: Shutdown,
}

/// Sockets and connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Whether to use the sockets that systemd hands over, instead of the addresses.
    pub systemd_socket: bool,
    /// Where to listen; at least one.
    pub addresses: Vec<ListenAddress>,
    /// The file with TLS, authentication and header settings.
    pub config_file: Option<PathBuf>,
    /// Where to listen for pushes, if not where everything else is.
    pub push: Apart,
    /// Where to listen for scrapes.
    pub scrape: Apart,
    /// Where to listen for those who look after the gateway.
    pub admin: Apart,
    /// For how long a client may take to send the header of a request; none: for ever.
    pub header_timeout: Option<Duration>,
    /// For how long a client may take to send the body of a request; none: for ever.
    pub body_timeout: Option<Duration>,
    /// For how long a connection may wait for its next request; none: for ever.
    pub idle_timeout: Option<Duration>,
}

/// A part of the gateway that may have addresses of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apart {
    /// Where to listen; nowhere in particular if there is none.
    pub addresses: Vec<ListenAddress>,
    /// Its TLS, authentication and header settings; none: those that count everywhere.
    pub config_file: Option<PathBuf>,
}

impl Listen {
    /// The parts that may have addresses of their own, with the words of their flags.
    pub fn parts(&self) -> [(Purpose, &Apart); 3] {
        [
            (Purpose::Push, &self.push),
            (Purpose::Scrape, &self.scrape),
            (Purpose::Admin, &self.admin),
        ]
    }

    /// What is served where nothing more particular is said.
    pub fn remaining(&self) -> Vec<Purpose> {
        let parts = self.parts().into_iter();
        let parts = parts.filter(|(_, part)| part.addresses.is_empty());
        parts.map(|(purpose, _)| purpose).collect()
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            systemd_socket: false,
            addresses: vec![ListenAddress::any(9091)],
            config_file: None,
            push: Apart::default(),
            scrape: Apart::default(),
            admin: Apart::default(),
            header_timeout: Some(Duration::from_secs(10)),
            body_timeout: Some(Duration::from_secs(60)),
            idle_timeout: None,
        }
    }
}

/// Routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// The path of the exposition, below the route prefix. Pushes go to `/metrics/job/...` whatever it is.
    pub telemetry_path: String,
    /// Where users reach the server.
    pub external_url: ExternalUrl,
    /// The prefix that was typed, empty for that of the external URL. See [`Web::internal_prefix`].
    pub route_prefix: String,
    /// Whether `/-/quit` ends the process.
    pub enable_lifecycle: bool,
    /// Whether `/api/v1/admin` exists.
    pub enable_admin_api: bool,
    /// Whether scrapers that ask for `OpenMetrics` get it.
    pub enable_openmetrics: bool,
    /// A pattern of the origins whose pages may use the API; empty for none.
    pub cors_origin: String,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            external_url: ExternalUrl::default(),
            route_prefix: String::new(),
            enable_lifecycle: false,
            enable_admin_api: false,
            enable_openmetrics: false,
            cors_origin: String::new(),
        }
    }
}

impl Web {
    /// What users put before each path: the path of the external URL. It belongs into links only.
    pub fn external_prefix(&self) -> Prefix {
        Prefix::new(self.external_url.path())
    }

    /// What stands before each path of a request that reaches us. It differs from the external prefix where a
    /// proxy strips or adds something.
    pub fn internal_prefix(&self) -> Prefix {
        if self.route_prefix.is_empty() {
            self.external_prefix()
        } else {
            Prefix::new(&self.route_prefix)
        }
    }
}

/// What is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// The file to keep the groups in; none: in memory only.
    pub file: Option<PathBuf>,
    /// The shortest time between two writes of the file. Zero and negative durations mean at once.
    pub interval: FlagDuration,
}

impl Default for Persistence {
    fn default() -> Self {
        Self {
            file: None,
            interval: FlagDuration::from_secs(5 * 60),
        }
    }
}

/// Where and how the groups are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The folder; empty for none at all.
    pub path: PathBuf,
    /// Whether somebody has named it, by a flag or in the environment.
    pub is_path_named: bool,
    /// When a change is on stable storage.
    pub sync: StorageSync,
    /// Size of a file of the log.
    pub segment: ByteSize,
    /// Length of the log after which a checkpoint is written.
    pub checkpoint: ByteSize,
    /// Memory for the history of pushes; 0: there is none.
    pub history: ByteSize,
}

/// Where the groups are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory only.
    Memory,
    /// In this folder; if it is new, a state file of the original may be read first.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The state file of the original.
        import: Option<PathBuf>,
        /// Whether somebody wants the groups to be there. If not, and if there is no such folder, memory will do.
        is_named: bool,
    },
}

/// When a change is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageSync {
    /// Before it is answered.
    Always,
    /// At most this long after.
    Every(Duration),
}

const DEFAULT_STORAGE: &str = "wharf-data/";

impl Default for Storage {
    fn default() -> Self {
        Self {
            path: DEFAULT_STORAGE.into(),
            is_path_named: false,
            sync: StorageSync::Always,
            segment: ByteSize::from_mib(32),
            checkpoint: ByteSize::from_mib(128),
            history: ByteSize::from_mib(64),
        }
    }
}

impl FromStr for StorageSync {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "always" {
            return Ok(Self::Always);
        }
        let duration: FlagDuration = text.parse()?;
        if duration.is_negative() || duration.to_duration().is_zero() {
            return Err(ValueError::new(format!(
                "expected always or a duration above 0, found `{text}`"
            )));
        }
        Ok(Self::Every(duration.to_duration()))
    }
}

impl fmt::Display for StorageSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(duration) => FlagDuration::from(*duration).fmt(f),
        }
    }
}

/// What is accepted as a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Whether a push is refused that would make the exposition inconsistent.
    pub check_consistency: bool,
    /// Which metric and label names are allowed.
    pub names: NameRule,
    /// Whether the text format is read to the letter: no CRLF, no trailing blanks, no missing last newline.
    pub strict_text: bool,
    /// How an accepted push is answered.
    pub success_status: SuccessStatus,
    /// The largest body, after decompression. A compressed body is bounded by it too.
    pub max_body: ByteSize,
    /// What becomes of timestamps.
    pub timestamps: Timestamps,
    /// What series without an `instance` label get.
    pub instance_label: InstanceLabel,
    /// For how long a group stays after its last push if neither the push nor a rule says so; none: for ever.
    pub default_ttl: Option<Duration>,
    /// The longest time to live that a push may ask for; none: any, and for ever.
    pub max_ttl: Option<Duration>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            check_consistency: true,
            names: NameRule::Legacy,
            strict_text: false,
            success_status: SuccessStatus::Ok,
            max_body: ByteSize::from_mib(64),
            timestamps: Timestamps::Refuse,
            instance_label: InstanceLabel::Empty,
            default_ttl: None,
            max_ttl: None,
        }
    }
}

/// What becomes of timestamps in a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timestamps {
    /// The push is refused.
    #[default]
    Refuse,
    /// They are left out.
    Strip,
}

impl Timestamps {
    /// As the flag writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Strip => "strip",
        }
    }
}

impl FromStr for Timestamps {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "strip" => Ok(Self::Strip),
            _ => Err(ValueError::new(format!(
                "expected refuse or strip, found `{text}`"
            ))),
        }
    }
}

/// What series get that have no `instance` label, or an empty one, which says the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InstanceLabel {
    /// An empty one, so that Prometheus does not put the gateway's own there.
    #[default]
    Empty,
    /// None.
    Omit,
    /// This one, which is not empty.
    Value(String),
}

impl From<&str> for InstanceLabel {
    fn from(text: &str) -> Self {
        match text {
            "empty" | "" => Self::Empty,
            "omit" => Self::Omit,
            value => Self::Value(value.to_owned()),
        }
    }
}

impl fmt::Display for InstanceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Omit => "omit",
            Self::Value(value) => value,
        })
    }
}

/// How an accepted push is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuccessStatus {
    /// 200, as clients know it.
    #[default]
    Ok,
    /// 202, which very old clients expect.
    Accepted,
}

impl SuccessStatus {
    /// The status code.
    pub fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Accepted => 202,
        }
    }
}

impl FromStr for SuccessStatus {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "200" => Ok(Self::Ok),
            "202" => Ok(Self::Accepted),
            _ => Err(ValueError::new(format!("expected 200 or 202, found `{text}`"))),
        }
    }
}

/// How much at once, and how much in all. Requests beyond a limit are refused, not queued; connections wait to be
/// accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections.
    pub max_connections: NonZeroUsize,
    /// Requests being answered, scrapes included.
    pub max_requests_in_flight: NonZeroUsize,
    /// Scrapes, and requests for all metrics as JSON, being answered.
    pub max_scrapes_in_flight: NonZeroUsize,
    /// Groups that are stored; none: any number.
    pub max_groups: Option<u64>,
    /// Series that are stored; none: any number.
    pub max_series: Option<u64>,
    /// Series of one push; none: any number.
    pub max_series_per_push: Option<u64>,
    /// Labels of one pushed series; none: any number.
    pub max_labels_per_series: Option<u64>,
    /// Length of a label name; none: any.
    pub max_label_name_bytes: Option<u64>,
    /// Length of a label value; none: any.
    pub max_label_value_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            max_connections: limit(8192),
            max_requests_in_flight: limit(1024),
            max_scrapes_in_flight: limit(40),
            max_groups: Some(10_000_000),
            max_series: Some(100_000_000),
            max_series_per_push: Some(10_000_000),
            max_labels_per_series: Some(1_000),
            max_label_name_bytes: Some(4 << 10),
            max_label_value_bytes: Some(16 << 20),
        }
    }
}

/// Log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The least severe level that is logged.
    pub level: LogLevel,
    /// The shape of a line.
    pub format: LogFormat,
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

/// The end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// For how long requests in flight may go on; zero cuts them.
    pub timeout: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
        }
    }
}

/// A value that its flag cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(String);

impl ValueError {
    /// An error with this text, which names what was expected and what was found.
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

impl Config {
    /// The settings that `args` mean: the defaults with everything given put over them.
    ///
    /// # Errors
    /// Every value that its flag cannot take, in the order typed.
    pub fn new(args: &Args) -> Result<Self, UsageError> {
        let mut config = Self::default();
        let mut mistakes = Vec::new();
        let mut seen = HashSet::new();
        for given in args.given() {
            let flag = given.flag();
            let is_first = seen.insert(flag.name);
            match flag.repeats {
                Some(clear) if is_first => clear(&mut config),
                None if !is_first => {
                    mistakes.push(Mistake::new(format!("flag '{}' cannot be repeated", flag.name)));
                    continue;
                }
                _ => {}
            }
            if let Err(error) = given
                .values()
                .try_for_each(|value| (flag.set)(&mut config, value))
            {
                mistakes.push(given.mistake(&error));
            }
        }
        if mistakes.is_empty() {
            mistakes.extend(config.check_telemetry_path());
            mistakes.extend(config.check_prefix());
            mistakes.extend(config.check_storage());
            mistakes.extend(config.check_listeners());
        }
        UsageError::if_any(mistakes).map_or(Ok(config), Err)
    }

    /// Where the groups are kept: beside the original's file if one is named, otherwise in the folder.
    pub fn place(&self) -> Place {
        if let Some(file) = &self.persistence.file {
            let mut folder = file.clone().into_os_string();
            folder.push(".wharf");
            return Place::Folder {
                path: folder.into(),
                import: Some(file.clone()),
                is_named: true,
            };
        }
        let path = &self.storage.path;
        if path.as_os_str().is_empty() {
            return Place::Memory;
        }
        Place::Folder {
            path: path.clone(),
            import: None,
            is_named: self.storage.is_path_named,
        }
    }

    /// The value of every flag, as the JSON API shows them.
    pub fn flags(&self) -> BTreeMap<&'static str, String> {
        let mut flags: BTreeMap<_, _> = FLAGS.iter().map(|flag| (flag.name, (flag.show)(self))).collect();
        // The original shows the prefix that is in force, not the one that was typed.
        flags.insert("web.route-prefix", self.web.internal_prefix().as_str().to_owned());
        flags
    }

    /// The groups are kept in one place.
    fn check_storage(&self) -> Option<Mistake> {
        let path = &self.storage.path;
        let file = self.persistence.file.as_ref()?;
        if path.as_os_str().is_empty() || path == Path::new(DEFAULT_STORAGE) {
            return None;
        }
        Some(Mistake::new(format!(
            "expected either --storage.path or --persistence.file, found both: `{}` and `{}`",
            path.display(),
            file.display()
        )))
    }

    /// What listens apart has an address, and the rest has something to serve.
    fn check_listeners(&self) -> Option<Mistake> {
        let listen = &self.listen;
        for (purpose, part) in listen.parts() {
            if part.config_file.is_some() && part.addresses.is_empty() {
                let text = format!(
                    "expected --web.{purpose}-address beside --web.{purpose}-config-file, found none"
                );
                return Some(Mistake::new(text));
            }
        }
        let remaining = listen.remaining();
        if listen.systemd_socket && remaining != Purpose::ALL {
            let text = "expected either --web.systemd-socket or addresses for one purpose, found both";
            return Some(Mistake::new(text.to_owned()));
        }
        if remaining.is_empty() && listen.addresses != Listen::default().addresses {
            let text = "expected something to serve at --web.listen-address, found push, scrape and admin with \
                        addresses of their own";
            return Some(Mistake::new(text.to_owned()));
        }
        None
    }

    /// Requests must be able to reach the routes: their paths are cleaned before anything else is done with them.
    fn check_prefix(&self) -> Option<Mistake> {
        let typed = &self.web.route_prefix;
        if let Some((_, rest)) = typed.split_once("://") {
            let (_, path) = rest.split_once('/').unwrap_or_default();
            return Some(Mistake::new(format!(
                "flag '--web.route-prefix': expected a path such as /pushgateway, found the URL `{typed}`: give its \
                 path alone, `/{path}`, or the whole URL as --web.external-url"
            )));
        }
        let prefix = self.web.internal_prefix();
        if is_reachable(&format!("{}/", prefix.as_str())) {
            return None;
        }
        let (flag, found) = if typed.is_empty() {
            ("--web.external-url", self.web.external_url.path())
        } else {
            ("--web.route-prefix", typed.as_str())
        };
        Some(Mistake::new(format!(
            "flag '{flag}': expected a path without `//`, `/./` and `/../`, which no request can reach, found `{found}`"
        )))
    }

    /// The exposition must have a path of its own.
    fn check_telemetry_path(&self) -> Option<Mistake> {
        let path = self.web.telemetry_path.as_str();
        let mistake = |what: String| Some(Mistake::new(format!("flag '--web.telemetry-path': {what}")));
        if !path.starts_with('/') || path == "/" {
            return mistake(format!("expected a path such as /metrics, found `{path}`"));
        }
        if !is_reachable(path) {
            return mistake(format!(
                "expected a path without `//`, `/./` and `/../`, which no request can reach, found `{path}`"
            ));
        }
        let pages = ["/status", "/-/healthy", "/-/ready", "/-/quit"];
        let trees = ["/api", "/static", "/debug/pprof"];
        let below = |tree: &str| {
            path.strip_prefix(tree)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if pages.contains(&path.trim_end_matches('/')) || trees.into_iter().any(below) {
            return mistake(format!(
                "expected a path that is free, found `{path}`, which is taken"
            ));
        }
        None
    }
}

/// Whether a path stays as it is when it is cleaned.
fn is_reachable(path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if matches!(part, "." | "..") || (part.is_empty() && !is_last) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
