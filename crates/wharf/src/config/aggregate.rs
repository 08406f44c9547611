//! Where to listen as prom-aggregation-gateway.

use std::path::PathBuf;

use wharf_settings::{Kind, Takes, ValueError, kinds, settings};

use super::ListenAddress;
use super::listen::ADDRESSES_OR_NONE;

/// The job of a group.
const JOB: Kind<String> = Kind::new(
    Takes::Value("a label value"),
    |value| {
        if value.is_empty() {
            Err(ValueError::new("expected a job, found nothing".to_owned()))
        } else {
            Ok(value.to_owned())
        }
    },
    String::clone,
);

settings! {
    /// Where to listen as prom-aggregation-gateway.
    pub struct Aggregate {
        /// For pushes that are added up, and to show what they add up to; nowhere if there is none.
        pub addresses: Vec<ListenAddress> = Vec::new(),
            "aggregate.listen-address" as ADDRESSES_OR_NONE,
            "Where to listen for clients and scrapers of prom-aggregation-gateway. May be repeated.";
        /// For probes and its own metrics.
        pub lifecycle_addresses: Vec<ListenAddress> = Vec::new(),
            "aggregate.lifecycle-address" as ADDRESSES_OR_NONE,
            "Where to listen for its probes /healthy and /ready and its own metrics. May be repeated.";
        /// The job of series that come without one.
        pub job: String = "aggregate".to_owned(),
            "aggregate.job" as JOB,
            "The job of the group of series that come to --aggregate.listen-address without one.";
        /// TLS, authentication and header settings; none: those that count everywhere.
        pub config_file: Option<PathBuf> = None,
            "aggregate.config-file" as kinds::FILE,
            "File as --web.config.file, for --aggregate.listen-address and --aggregate.lifecycle-address only.";
    }
}

impl Aggregate {
    /// Whether there is an address.
    pub fn listens(&self) -> bool {
        !self.addresses.is_empty() || !self.lifecycle_addresses.is_empty()
    }

    /// What has a file has something that it counts for.
    pub(super) fn check(&self) -> Option<String> {
        if self.config_file.is_some() && !self.listens() {
            let text = "expected --aggregate.listen-address beside --aggregate.config-file, found none";
            return Some(text.to_owned());
        }
        None
    }
}
