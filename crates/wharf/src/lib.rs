//! The parts of the `wharf` binary: what was typed, what it means, who we are, and how we log.
//!
//! * [`args`]: the command line and the environment, exactly as users of the Pushgateway know them.
//! * [`config`]: the checked settings that everything else works with.
//! * [`config_file`]: the rules that `--config.file` names.
//! * [`lint`]: what is unwise about a text of metrics.
//! * [`logging`]: log lines in the Pushgateway's shape.
//! * [`state_file`]: the state file of the real Pushgateway, read and written.
//! * [`tools`]: what `wharf` does when its first argument names a tool.
//! * [`version`]: which build this is.
//! * [`web_config`]: the files of `--web.config.file` and its like, followed as they change.
//! * [`run`]: from checked settings to a gateway that serves, and its end.

pub mod args;
mod backup_mark;
pub mod config;
pub mod config_file;
mod descriptors;
mod encoding;
mod entry_points;
mod freed;
pub mod lint;
mod listen;
pub mod logging;
mod parts;
#[cfg(test)]
mod reference;
mod serve;
pub mod state_file;
mod text_format;
pub mod tools;
pub mod version;
pub mod web_config;

pub use serve::run;
