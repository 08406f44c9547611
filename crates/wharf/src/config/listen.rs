//! Where to listen, and for how long the end may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wharf_settings::{Kind, Takes, ValueError, kinds, settings};

use super::ListenAddress;

const TAKES: Takes = Takes::Value("an address such as :9091, 127.0.0.1:9091 or [::1]:9091");

const ADDRESSES: Kind<Vec<ListenAddress>> =
    Kind::repeated(TAKES, Vec::clear, add, |addresses| show(addresses));

/// Without a value the addresses of one purpose are none, which is their default.
pub(super) const ADDRESSES_OR_NONE: Kind<Vec<ListenAddress>> = Kind::repeated(
    TAKES,
    Vec::clear,
    |addresses, value| {
        if value.is_empty() {
            Ok(())
        } else {
            add(addresses, value)
        }
    },
    |addresses| show(addresses),
);

fn add(addresses: &mut Vec<ListenAddress>, value: &str) -> Result<(), ValueError> {
    addresses.push(value.parse()?);
    Ok(())
}

fn show(addresses: &[ListenAddress]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

settings! {
    /// Sockets.
    pub struct Listen {
        /// Whether to use the sockets that systemd hands over, instead of the addresses.
        pub systemd_socket: bool = false,
            "web.systemd-socket" as kinds::SWITCH,
            "Listen on the sockets that systemd hands over, instead of addresses (Linux).";
        /// Where to listen; at least one.
        pub addresses: Vec<ListenAddress> = vec![ListenAddress::any(9091)],
            "web.listen-address" as ADDRESSES,
            "Where to listen: host:port, :port or [v6]:port, the port a number or a name. May be repeated.";
        /// The file with TLS, authentication and header settings.
        pub config_file: Option<PathBuf> = None,
            "web.config.file" as kinds::FILE,
            "File with TLS, authentication, header and rate limit settings, in the format that all Prometheus \
             servers share.";
        /// Where to listen for pushes, if not where everything else is.
        pub push_addresses: Vec<ListenAddress> = Vec::new(),
            "web.push-address" as ADDRESSES_OR_NONE,
            "Where to listen for pushes, and no longer at --web.listen-address. May be repeated.";
        /// Their TLS, authentication and header settings; none: those that count everywhere.
        pub push_config_file: Option<PathBuf> = None,
            "web.push-config-file" as kinds::FILE,
            "File as --web.config.file, for --web.push-address only.";
        /// Where to listen for scrapes.
        pub scrape_addresses: Vec<ListenAddress> = Vec::new(),
            "web.scrape-address" as ADDRESSES_OR_NONE,
            "Where to listen for scrapes, the page and what it shows, and no longer at --web.listen-address. May be \
             repeated.";
        /// Their TLS, authentication and header settings.
        pub scrape_config_file: Option<PathBuf> = None,
            "web.scrape-config-file" as kinds::FILE,
            "File as --web.config.file, for --web.scrape-address only.";
        /// Where to listen for those who look after the gateway.
        pub admin_addresses: Vec<ListenAddress> = Vec::new(),
            "web.admin-address" as ADDRESSES_OR_NONE,
            "Where to listen for deleting by selector, wiping, reloading and ending, and the page, and no longer at \
             --web.listen-address. May be repeated.";
        /// Their TLS, authentication and header settings.
        pub admin_config_file: Option<PathBuf> = None,
            "web.admin-config-file" as kinds::FILE,
            "File as --web.config.file, for --web.admin-address only.";
    }
}

settings! {
    /// The end.
    #[derive(Copy)]
    pub struct Shutdown {
        /// For how long requests in flight may go on; zero cuts them.
        pub timeout: Duration = Duration::from_secs(15),
            "shutdown.timeout" as kinds::UNSIGNED,
            "For how long requests in flight may go on after the signal to end; 0 cuts them.";
    }
}

/// What may have addresses of its own: pushes, scrapes, looking after the gateway.
#[derive(Debug, Clone, Copy)]
pub struct Apart<'l> {
    /// The word in the middle of its flags.
    pub word: &'static str,
    /// Where to listen; nowhere in particular if there is none.
    pub addresses: &'l [ListenAddress],
    /// Its TLS, authentication and header settings; none: those that count everywhere.
    pub config_file: Option<&'l Path>,
}

impl Listen {
    /// What may have addresses of its own: pushes, scrapes, looking after the gateway, in this order.
    pub fn apart(&self) -> [Apart<'_>; 3] {
        [
            Apart {
                word: "push",
                addresses: &self.push_addresses,
                config_file: self.push_config_file.as_deref(),
            },
            Apart {
                word: "scrape",
                addresses: &self.scrape_addresses,
                config_file: self.scrape_config_file.as_deref(),
            },
            Apart {
                word: "admin",
                addresses: &self.admin_addresses,
                config_file: self.admin_config_file.as_deref(),
            },
        ]
    }

    /// What listens apart has an address, and the rest has something to serve.
    pub(super) fn check(&self) -> Option<String> {
        let apart = self.apart();
        for Apart {
            word,
            addresses,
            config_file,
        } in apart
        {
            if config_file.is_some() && addresses.is_empty() {
                return Some(format!(
                    "expected --web.{word}-address beside --web.{word}-config-file, found none"
                ));
            }
        }
        let has_addresses = |apart: &Apart<'_>| !apart.addresses.is_empty();
        if self.systemd_socket && apart.iter().any(has_addresses) {
            let text = "expected either --web.systemd-socket or addresses for one purpose, found both";
            return Some(text.to_owned());
        }
        if apart.iter().all(has_addresses) && self.addresses != Self::default().addresses {
            let text = "expected something to serve at --web.listen-address, found push, scrape and admin with \
                        addresses of their own";
            return Some(text.to_owned());
        }
        None
    }
}
