//! One file a handler, and the table that says which request goes to which.

pub(crate) mod aggregate;
pub(crate) mod alerting;
pub(crate) mod audit;
pub mod backup;
pub(crate) mod badge;
pub(crate) mod description;
pub(crate) mod events;
pub(crate) mod expectations;
pub(crate) mod families;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod options;
pub(crate) mod page;
pub(crate) mod process;
pub(crate) mod push;
pub(crate) mod replicas;
pub(crate) mod router;
pub(crate) mod row;
pub(crate) mod scrape;
pub(crate) mod stats;
pub(crate) mod status;
#[cfg(test)]
pub(crate) mod stored;
pub(crate) mod table;
pub(crate) mod undo;
pub(crate) mod visitor;
pub(crate) mod wipe;
