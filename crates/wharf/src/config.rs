//! The checked settings that everything else works with.
//!
//! Each part states its own, with the flags that set them ([`wharf_settings::settings!`]); here they are put together, in the
//! order of the help. The defaults stand there too and nowhere else: the help reads them from [`Config::default`].

mod address;
mod aggregate;
mod all;
mod flags;
mod listen;
mod rules;
mod services;

pub use self::address::ListenAddress;
pub use self::aggregate::Aggregate;
pub use self::all::Config;
pub(crate) use self::flags::{FLAGS, Flag, Heading};
pub(crate) use self::listen::ADDRESSES_OR_NONE;
pub use self::listen::{Apart, Listen, Shutdown};
pub use self::rules::Rules;
pub use crate::logging::settings::{Log, LogFormat, LogLevel};
pub use crate::parts::history::settings::History;
pub use crate::parts::statsd::settings::Statsd;
pub use crate::parts::storage::settings::{Persistence, Storage, StorageKind, Undo};

#[cfg(test)]
mod tests;
