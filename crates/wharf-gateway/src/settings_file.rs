//! Files of settings beside the configuration file, which others read and the gateway tells of.

use std::fmt;

use wharf_store::UnixNanos;

/// How a web config file is doing: for people, who may see its path and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The flag that names the file.
    pub flag: String,
    /// The file.
    pub path: String,
    /// How many users are in force; none if no settings are.
    pub users: Option<usize>,
    /// When the first of the server's certificates ends, in seconds since the Unix epoch; none without TLS.
    pub certificate_expiry_seconds: Option<i64>,
    /// When it, or a file that it names, was read last because it had changed.
    pub read_at: UnixNanos,
    /// What of it cannot be used; nothing: all is in force that the file says.
    pub problems: Vec<String>,
}

/// A file of settings that is read again when it changes.
pub trait SettingsFile: fmt::Debug + Send + Sync {
    /// How it is doing, as it is now.
    fn condition(&self) -> Condition;
}
