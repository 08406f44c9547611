//! The flags, one table.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wharf_http::Origins;
use wharf_model::duration;
use wharf_model::name::NameRule;

use crate::config::{Config, FlagDuration, ListenAddress, ValueError};

/// A setting that can be given on the command line or in the environment.
pub(crate) struct Flag {
    /// The name, without dashes. Those of the original keep their name and meaning for ever.
    pub(crate) name: &'static str,
    /// Under which heading the help lists it.
    pub(super) section: Section,
    /// What stands behind it.
    pub(super) takes: Takes,
    /// For a flag that may be repeated: takes the default away, before the first value is set.
    pub(crate) repeats: Option<fn(&mut Config)>,
    /// One or two sentences for the help.
    pub(super) help: &'static str,
    /// Puts a value into the settings.
    pub(crate) set: fn(&mut Config, &str) -> Result<(), ValueError>,
    /// The value in the settings, as it could have been typed.
    pub(crate) show: fn(&Config) -> String,
}

/// A heading of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Listening,
    Routes,
    Pushes,
    Storage,
    Limits,
    Logging,
}

/// What stands behind a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A switch: nothing.
    Nothing,
    /// An address to listen on.
    Address,
    /// The path of a file.
    File,
    /// The path of a folder.
    Folder,
    /// `always` or a duration.
    Sync,
    /// A path of a URL.
    Path,
    /// A URL.
    Url,
    /// A duration.
    Duration,
    /// A number of bytes.
    Size,
    /// A number from one on.
    Count,
    /// A number, 0 for no limit.
    Limit,
    /// A regular expression.
    Pattern,
    /// A value of the label `instance`, or one of two words.
    Instance,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// Something that is asked of the program instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The help, unless something else on the command line is wrong.
    Help,
    /// The help in any case.
    LongHelp,
    Man,
    Version,
    /// The words that complete a command line.
    Complete,
    CompletionScriptBash,
    CompletionScriptZsh,
}

/// Every request with the flag that makes it.
pub(super) static REQUESTS: [(&str, Request); 7] = [
    ("help", Request::Help),
    ("help-long", Request::LongHelp),
    ("help-man", Request::Man),
    ("version", Request::Version),
    ("completion-bash", Request::Complete),
    ("completion-script-bash", Request::CompletionScriptBash),
    ("completion-script-zsh", Request::CompletionScriptZsh),
];

/// The requests that the help lists: name, short form, help.
pub(super) static VISIBLE_REQUESTS: [(&str, &str, &str); 2] = [
    ("help", "-h, ", "Show this help (--help-man: as a manual page)."),
    ("version", "    ", "Show which version this is."),
];

impl Flag {
    /// The environment variable of the flag.
    pub(super) fn variable(&self) -> String {
        format!(
            "WHARF_{}",
            self.name.to_ascii_uppercase().replace(['.', '-'], "_")
        )
    }
}

impl Section {
    pub(super) const ALL: [Self; 6] = [
        Self::Listening,
        Self::Routes,
        Self::Pushes,
        Self::Storage,
        Self::Limits,
        Self::Logging,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Listening => "Listening",
            Self::Routes => "Routes",
            Self::Pushes => "Pushes",
            Self::Storage => "Storage",
            Self::Limits => "Limits (requests beyond them are refused)",
            Self::Logging => "Logging",
        }
    }
}

impl Takes {
    /// The end of a sentence that starts with the flag.
    pub(super) fn described(self) -> String {
        let what = match self {
            Self::Nothing => "true or false",
            Self::Address => "an address such as :9091, 127.0.0.1:9091 or [::1]:9091",
            Self::File => "the path of a file",
            Self::Folder => "the path of a folder, or nothing",
            Self::Sync => "always, or a duration such as 100ms",
            Self::Path => "a path such as /metrics",
            Self::Url => "a URL such as https://example.org/gateway/",
            Self::Duration => "a duration such as 300ms, 90s or 1h30m",
            Self::Size => "a size such as 1048576, 512KiB or 64MiB",
            Self::Count => "a number from 1 on",
            Self::Limit => "a number, 0 for no limit",
            Self::Pattern => r"a regular expression such as https?://ops\.example\.org",
            Self::Instance => "empty, omit, or the value of the label",
            Self::OneOf(words) => return format!("takes one of: {}", words.join(", ")),
        };
        format!("takes {what}")
    }
}

/// All flags, in the order of the help.
pub(crate) static FLAGS: [Flag; 48] = [
    Flag {
        name: "web.systemd-socket",
        section: Section::Listening,
        takes: Takes::Nothing,
        repeats: None,
        help: "Listen on the sockets that systemd hands over, instead of addresses (Linux).",
        set: |config, value| set(&mut config.listen.systemd_socket, switch(value)),
        show: |config| config.listen.systemd_socket.to_string(),
    },
    Flag {
        name: "web.listen-address",
        section: Section::Listening,
        takes: Takes::Address,
        repeats: Some(|config| config.listen.addresses.clear()),
        help: "Where to listen: host:port, :port or [v6]:port, the port a number or a name. May be repeated.",
        set: |config, value| add(&mut config.listen.addresses, value),
        show: |config| show_addresses(&config.listen.addresses),
    },
    Flag {
        name: "web.config.file",
        section: Section::Listening,
        takes: Takes::File,
        repeats: None,
        help: "File with TLS, authentication, header and rate limit settings, in the format that all Prometheus \
               servers share.",
        set: |config, value| set(&mut config.listen.config_file, Ok(optional_path(value))),
        show: |config| show_path(config.listen.config_file.as_deref()),
    },
    Flag {
        name: "web.push-address",
        section: Section::Listening,
        takes: Takes::Address,
        repeats: Some(|config| config.listen.push.addresses.clear()),
        help: "Where to listen for pushes, and no longer at --web.listen-address. May be repeated.",
        set: |config, value| add_unless_empty(&mut config.listen.push.addresses, value),
        show: |config| show_addresses(&config.listen.push.addresses),
    },
    Flag {
        name: "web.push-config-file",
        section: Section::Listening,
        takes: Takes::File,
        repeats: None,
        help: "File as --web.config.file, for --web.push-address only.",
        set: |config, value| set(&mut config.listen.push.config_file, Ok(optional_path(value))),
        show: |config| show_path(config.listen.push.config_file.as_deref()),
    },
    Flag {
        name: "web.scrape-address",
        section: Section::Listening,
        takes: Takes::Address,
        repeats: Some(|config| config.listen.scrape.addresses.clear()),
        help: "Where to listen for scrapes, the page and what it shows, and no longer at --web.listen-address. May be \
               repeated.",
        set: |config, value| add_unless_empty(&mut config.listen.scrape.addresses, value),
        show: |config| show_addresses(&config.listen.scrape.addresses),
    },
    Flag {
        name: "web.scrape-config-file",
        section: Section::Listening,
        takes: Takes::File,
        repeats: None,
        help: "File as --web.config.file, for --web.scrape-address only.",
        set: |config, value| set(&mut config.listen.scrape.config_file, Ok(optional_path(value))),
        show: |config| show_path(config.listen.scrape.config_file.as_deref()),
    },
    Flag {
        name: "web.admin-address",
        section: Section::Listening,
        takes: Takes::Address,
        repeats: Some(|config| config.listen.admin.addresses.clear()),
        help: "Where to listen for deleting by selector, wiping, reloading and ending, and the page, and no longer at \
               --web.listen-address. May be repeated.",
        set: |config, value| add_unless_empty(&mut config.listen.admin.addresses, value),
        show: |config| show_addresses(&config.listen.admin.addresses),
    },
    Flag {
        name: "web.admin-config-file",
        section: Section::Listening,
        takes: Takes::File,
        repeats: None,
        help: "File as --web.config.file, for --web.admin-address only.",
        set: |config, value| set(&mut config.listen.admin.config_file, Ok(optional_path(value))),
        show: |config| show_path(config.listen.admin.config_file.as_deref()),
    },
    Flag {
        name: "config.file",
        section: Section::Listening,
        takes: Takes::File,
        repeats: None,
        help: "File with rules about groups: expiry, quotas, relabelling, access. Read again at SIGHUP.",
        set: |config, value| set(&mut config.config_file, Ok(optional_path(value))),
        show: |config| show_path(config.config_file.as_deref()),
    },
    Flag {
        name: "web.header-timeout",
        section: Section::Listening,
        takes: Takes::Duration,
        repeats: None,
        help: "For how long a client may take to send the header of a request; 0 for ever.",
        set: |config, value| set(&mut config.listen.header_timeout, timeout(value)),
        show: |config| show_timeout(config.listen.header_timeout),
    },
    Flag {
        name: "web.body-timeout",
        section: Section::Listening,
        takes: Takes::Duration,
        repeats: None,
        help: "For how long a client may take to send the body of a request; 0 for ever.",
        set: |config, value| set(&mut config.listen.body_timeout, timeout(value)),
        show: |config| show_timeout(config.listen.body_timeout),
    },
    Flag {
        name: "web.idle-timeout",
        section: Section::Listening,
        takes: Takes::Duration,
        repeats: None,
        help: "For how long a connection may wait for its next request; 0 for ever, unless another one needs its \
               place.",
        set: |config, value| set(&mut config.listen.idle_timeout, timeout(value)),
        show: |config| show_timeout(config.listen.idle_timeout),
    },
    Flag {
        name: "shutdown.timeout",
        section: Section::Listening,
        takes: Takes::Duration,
        repeats: None,
        help: "For how long requests in flight may go on after the signal to end; 0 cuts them.",
        set: |config, value| set(&mut config.shutdown.timeout, unsigned(value)),
        show: |config| FlagDuration::from(config.shutdown.timeout).to_string(),
    },
    Flag {
        name: "web.telemetry-path",
        section: Section::Routes,
        takes: Takes::Path,
        repeats: None,
        help: "Path of the exposition. Pushes go to /metrics/job/... whatever it is.",
        set: |config, value| set(&mut config.web.telemetry_path, Ok(value.to_owned())),
        show: |config| config.web.telemetry_path.clone(),
    },
    Flag {
        name: "web.external-url",
        section: Section::Routes,
        takes: Takes::Url,
        repeats: None,
        help: "Where users reach the server, if a proxy stands before it: the path is the prefix of links, and the \
               gateway's own page is at this origin.",
        set: |config, value| set(&mut config.web.external_url, value.parse()),
        show: |config| config.web.external_url.to_string(),
    },
    Flag {
        name: "web.route-prefix",
        section: Section::Routes,
        takes: Takes::Path,
        repeats: None,
        help: "Prefix of all routes. Without it, the path of --web.external-url.",
        set: |config, value| set(&mut config.web.route_prefix, Ok(value.to_owned())),
        show: |config| config.web.route_prefix.clone(),
    },
    Flag {
        name: "web.enable-lifecycle",
        section: Section::Routes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Let PUT and POST requests to /-/quit end the process, and to /-/reload read --config.file again.",
        set: |config, value| set(&mut config.web.enable_lifecycle, switch(value)),
        show: |config| config.web.enable_lifecycle.to_string(),
    },
    Flag {
        name: "web.enable-admin-api",
        section: Section::Routes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Let requests to /api/v1/admin delete everything, and DELETE of /api/v1/groups what a selector names.",
        set: |config, value| set(&mut config.web.enable_admin_api, switch(value)),
        show: |config| config.web.enable_admin_api.to_string(),
    },
    Flag {
        name: "web.enable-openmetrics",
        section: Section::Routes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Answer in OpenMetrics to scrapers that prefer it. The original never does.",
        set: |config, value| set(&mut config.web.enable_openmetrics, switch(value)),
        show: |config| config.web.enable_openmetrics.to_string(),
    },
    Flag {
        name: "web.cors.origin",
        section: Section::Routes,
        takes: Takes::Pattern,
        repeats: None,
        help: "Pages of which origins may ask for changes and read the JSON API: a regular expression for the whole \
               origin. With '.*' those of any, as for the original.",
        set: |config, value| {
            Origins::new(None, value).map_err(|error| ValueError::new(error.to_string()))?;
            set(&mut config.web.cors_origin, Ok(value.to_owned()))
        },
        show: |config| config.web.cors_origin.clone(),
    },
    Flag {
        name: "push.disable-consistency-check",
        section: Section::Pushes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Answer every push that can be read with 202. One that does not fit to what is stored is dropped all \
               the same, and only the log and the group's failure time say so.",
        set: |config, value| set(&mut config.push.check_consistency, switch(value).map(|off| !off)),
        show: |config| (!config.push.check_consistency).to_string(),
    },
    Flag {
        name: "push.enable-utf8-names",
        section: Section::Pushes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Allow any UTF-8 text as a metric or label name.",
        set: |config, value| {
            let names = |enabled| if enabled { NameRule::Utf8 } else { NameRule::Legacy };
            set(&mut config.push.names, switch(value).map(names))
        },
        show: |config| (config.push.names == NameRule::Utf8).to_string(),
    },
    Flag {
        name: "push.strict-text",
        section: Section::Pushes,
        takes: Takes::Nothing,
        repeats: None,
        help: "Refuse text with CRLF, with blanks at the end of a line, or without a last newline, as the original \
               does.",
        set: |config, value| set(&mut config.push.strict_text, switch(value)),
        show: |config| config.push.strict_text.to_string(),
    },
    Flag {
        name: "push.success-status",
        section: Section::Pushes,
        takes: Takes::OneOf(&["200", "202"]),
        repeats: None,
        help: "Status of an accepted push. Very old clients expect 202.",
        set: |config, value| set(&mut config.push.success_status, value.parse()),
        show: |config| config.push.success_status.code().to_string(),
    },
    Flag {
        name: "push.max-body-bytes",
        section: Section::Pushes,
        takes: Takes::Size,
        repeats: None,
        help: "Largest body of a push, before and after decompression; a larger one is refused with 413.",
        set: |config, value| set(&mut config.push.max_body, value.parse()),
        show: |config| config.push.max_body.to_string(),
    },
    Flag {
        name: "push.default-ttl",
        section: Section::Pushes,
        takes: Takes::Duration,
        repeats: None,
        help: "For how long a group stays after its last push, if neither the push nor a rule says so; 0 for ever.",
        set: |config, value| set(&mut config.push.default_ttl, ttl(value)),
        show: |config| show_timeout(config.push.default_ttl),
    },
    Flag {
        name: "push.max-ttl",
        section: Section::Pushes,
        takes: Takes::Duration,
        repeats: None,
        help: "Longest time to live that a push may ask for; 0 for any.",
        set: |config, value| set(&mut config.push.max_ttl, ttl(value)),
        show: |config| show_timeout(config.push.max_ttl),
    },
    Flag {
        name: "push.timestamps",
        section: Section::Pushes,
        takes: Takes::OneOf(&["refuse", "strip"]),
        repeats: None,
        help: "Whether a push with timestamps is refused, as the original does, or stored without them.",
        set: |config, value| set(&mut config.push.timestamps, value.parse()),
        show: |config| config.push.timestamps.as_str().to_owned(),
    },
    Flag {
        name: "push.instance-label",
        section: Section::Pushes,
        takes: Takes::Instance,
        repeats: None,
        help: "What a series without an instance gets: an empty label as the original gives it, none (omit), or \
               this value. Counts from each group's next push on.",
        set: |config, value| set(&mut config.push.instance_label, Ok(value.into())),
        show: |config| config.push.instance_label.to_string(),
    },
    Flag {
        name: "storage.path",
        section: Section::Storage,
        takes: Takes::Folder,
        repeats: None,
        help: "Folder to keep the groups in; made if it is not there. Empty: in memory only.",
        set: |config, value| {
            config.storage.is_path_named = true;
            set(&mut config.storage.path, Ok(value.into()))
        },
        show: |config| config.storage.path.display().to_string(),
    },
    Flag {
        name: "storage.sync",
        section: Section::Storage,
        takes: Takes::Sync,
        repeats: None,
        help: "When a push is on stable storage: always before it is answered, or at most this long after.",
        set: |config, value| set(&mut config.storage.sync, value.parse()),
        show: |config| config.storage.sync.to_string(),
    },
    Flag {
        name: "storage.segment-bytes",
        section: Section::Storage,
        takes: Takes::Size,
        repeats: None,
        help: "Size of a file of the log.",
        set: |config, value| set(&mut config.storage.segment, value.parse()),
        show: |config| config.storage.segment.to_string(),
    },
    Flag {
        name: "storage.checkpoint-bytes",
        section: Section::Storage,
        takes: Takes::Size,
        repeats: None,
        help: "Length of the log after which the stored groups are written out and the log begins anew; or as \
               much as is stored, if that is more.",
        set: |config, value| set(&mut config.storage.checkpoint, value.parse()),
        show: |config| config.storage.checkpoint.to_string(),
    },
    Flag {
        name: "history.max-bytes",
        section: Section::Storage,
        takes: Takes::Size,
        repeats: None,
        help: "Memory for what has become of the last 60 pushes of each group; beyond it the oldest pushes are \
               forgotten first. It is kept beside the groups. 0: no history.",
        set: |config, value| set(&mut config.storage.history, value.parse()),
        show: |config| config.storage.history.to_string(),
    },
    Flag {
        name: "persistence.file",
        section: Section::Storage,
        takes: Takes::File,
        repeats: None,
        help: "As the original's: keeps the groups in the folder of this name with .wharf behind it, instead of \
               --storage.path. A state file that the original has written is read once, and left as it is.",
        set: |config, value| set(&mut config.persistence.file, Ok(optional_path(value))),
        show: |config| show_path(config.persistence.file.as_deref()),
    },
    Flag {
        name: "persistence.interval",
        section: Section::Storage,
        takes: Takes::Duration,
        repeats: None,
        help: "The original's pause between two writes. It changes nothing here: --storage.sync says when a push is \
               safe.",
        set: |config, value| set(&mut config.persistence.interval, value.parse()),
        show: |config| config.persistence.interval.to_string(),
    },
    Flag {
        name: "limits.max-connections",
        section: Section::Limits,
        takes: Takes::Count,
        repeats: None,
        help: "Open connections; fewer if the system allows fewer open files. For one more, the one is closed that has \
               been idle for the longest time.",
        set: |config, value| set(&mut config.limits.max_connections, count(value)),
        show: |config| config.limits.max_connections.to_string(),
    },
    Flag {
        name: "limits.max-requests-in-flight",
        section: Section::Limits,
        takes: Takes::Count,
        repeats: None,
        help: "Requests being answered, scrapes included.",
        set: |config, value| set(&mut config.limits.max_requests_in_flight, count(value)),
        show: |config| config.limits.max_requests_in_flight.to_string(),
    },
    Flag {
        name: "limits.max-scrapes-in-flight",
        section: Section::Limits,
        takes: Takes::Count,
        repeats: None,
        help: "Scrapes, and requests for all metrics as JSON, being answered.",
        set: |config, value| set(&mut config.limits.max_scrapes_in_flight, count(value)),
        show: |config| config.limits.max_scrapes_in_flight.to_string(),
    },
    Flag {
        name: "limits.max-groups",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Groups that are stored.",
        set: |config, value| set(&mut config.limits.max_groups, limit(value)),
        show: |config| show_limit(config.limits.max_groups),
    },
    Flag {
        name: "limits.max-series",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Series that are stored.",
        set: |config, value| set(&mut config.limits.max_series, limit(value)),
        show: |config| show_limit(config.limits.max_series),
    },
    Flag {
        name: "limits.max-series-per-push",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Series of one push.",
        set: |config, value| set(&mut config.limits.max_series_per_push, limit(value)),
        show: |config| show_limit(config.limits.max_series_per_push),
    },
    Flag {
        name: "limits.max-labels-per-series",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Labels of one pushed series.",
        set: |config, value| set(&mut config.limits.max_labels_per_series, limit(value)),
        show: |config| show_limit(config.limits.max_labels_per_series),
    },
    Flag {
        name: "limits.max-label-name-bytes",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Length of a label name.",
        set: |config, value| set(&mut config.limits.max_label_name_bytes, limit(value)),
        show: |config| show_limit(config.limits.max_label_name_bytes),
    },
    Flag {
        name: "limits.max-label-value-bytes",
        section: Section::Limits,
        takes: Takes::Limit,
        repeats: None,
        help: "Length of a label value.",
        set: |config, value| set(&mut config.limits.max_label_value_bytes, limit(value)),
        show: |config| show_limit(config.limits.max_label_value_bytes),
    },
    Flag {
        name: "log.level",
        section: Section::Logging,
        takes: Takes::OneOf(&["debug", "info", "warn", "error"]),
        repeats: None,
        help: "Least severe level that is logged.",
        set: |config, value| set(&mut config.log.level, value.parse()),
        show: |config| config.log.level.as_str().to_owned(),
    },
    Flag {
        name: "log.format",
        section: Section::Logging,
        takes: Takes::OneOf(&["logfmt", "json"]),
        repeats: None,
        help: "Shape of a log line.",
        set: |config, value| set(&mut config.log.format, value.parse()),
        show: |config| config.log.format.as_str().to_owned(),
    },
];

fn set<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}

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

fn add(addresses: &mut Vec<ListenAddress>, value: &str) -> Result<(), ValueError> {
    addresses.push(value.parse()?);
    Ok(())
}

/// Without a value the addresses of one purpose are none, which is their default.
fn add_unless_empty(addresses: &mut Vec<ListenAddress>, value: &str) -> Result<(), ValueError> {
    if value.is_empty() {
        Ok(())
    } else {
        add(addresses, value)
    }
}

fn show_addresses(addresses: &[ListenAddress]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

fn optional_path(value: &str) -> Option<PathBuf> {
    (!value.is_empty()).then(|| PathBuf::from(value))
}

fn show_path(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
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

/// Zero means none.
fn timeout(value: &str) -> Result<Option<Duration>, ValueError> {
    unsigned(value).map(|duration| Some(duration).filter(|duration| !duration.is_zero()))
}

fn show_timeout(timeout: Option<Duration>) -> String {
    FlagDuration::from(timeout.unwrap_or_default()).to_string()
}

/// As selectors and rules write durations: Prometheus' `1d2h` besides Go's `1h30m`.
fn ttl(value: &str) -> Result<Option<Duration>, ValueError> {
    let ttl = duration::parse(value).map_err(|error| ValueError::new(error.to_string()))?;
    Ok(Some(ttl).filter(|ttl| !ttl.is_zero()))
}

/// Zero means none.
fn limit(value: &str) -> Result<Option<u64>, ValueError> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u64> = plain.then(|| value.parse().ok()).flatten();
    let number = number
        .ok_or_else(|| ValueError::new(format!("expected a number, 0 for no limit, found `{value}`")))?;
    Ok(Some(number).filter(|number| *number > 0))
}

fn show_limit(limit: Option<u64>) -> String {
    limit.unwrap_or(0).to_string()
}

fn count(value: &str) -> Result<NonZeroUsize, ValueError> {
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())
        .flatten();
    plain.ok_or_else(|| ValueError::new(format!("expected a number from 1 on, found `{value}`")))
}
