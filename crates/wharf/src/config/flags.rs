//! The table of all flags, from the sections of the settings.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use wharf_settings::{Row, Section, Takes, ValueError};

use super::all::Config;

/// A flag: it can be given on the command line or in the environment.
pub(crate) struct Flag {
    /// The name, without dashes.
    pub(crate) name: &'static str,
    /// Under which heading the help lists it.
    pub(crate) heading: Heading,
    /// What stands behind it.
    pub(crate) takes: Takes,
    /// Whether it may be repeated.
    pub(crate) repeats: bool,
    /// One or two sentences for the help.
    pub(crate) help: &'static str,
    clear: Box<dyn Fn(&mut Config) + Send + Sync>,
    set: Box<Set>,
    show: Box<dyn Fn(&Config) -> String + Send + Sync>,
}

type Set = dyn Fn(&mut Config, &str) -> Result<(), ValueError> + Send + Sync;

/// A heading of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    Listening,
    Routes,
    Pushes,
    Statsd,
    Storage,
    Replicas,
    Limits,
    Logging,
}

impl Heading {
    pub(crate) const ALL: [Self; 8] = [
        Self::Listening,
        Self::Routes,
        Self::Pushes,
        Self::Statsd,
        Self::Storage,
        Self::Replicas,
        Self::Limits,
        Self::Logging,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Listening => "Listening",
            Self::Routes => "Routes",
            Self::Pushes => "Pushes",
            Self::Statsd => "StatsD (off unless an address is given)",
            Self::Storage => "Storage",
            Self::Replicas => "Replicas (several gateways that share their groups in etcd)",
            Self::Limits => "Limits (requests beyond them are refused)",
            Self::Logging => "Logging",
        }
    }
}

/// All flags, in the order of the help.
pub(crate) static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let mut flags = Vec::new();
    macro_rules! add {
        ($heading:ident: $($section:ident),*) => {
            $(add(&mut flags, Heading::$heading, |config| &config.$section, |config| &mut config.$section);)*
        };
    }
    add!(Listening: listen, aggregate, rules, timeouts, shutdown);
    add!(Routes: routes, admin);
    add!(Pushes: pushes, bodies, expect);
    add!(Statsd: statsd);
    add!(Storage: storage, undo, history, backups, persistence);
    add!(Replicas: replica, replica_limits);
    add!(Limits: requests, memory, amounts, push_limits);
    add!(Logging: log);
    flags
});

/// Adds the flags of a section, which is that part of all settings.
fn add<S: Section>(
    flags: &mut Vec<Flag>,
    heading: Heading,
    part: fn(&Config) -> &S,
    part_mut: fn(&mut Config) -> &mut S,
) {
    flags.extend(S::rows().iter().map(|row: &'static Row<S>| Flag {
        name: row.name,
        heading,
        takes: row.takes,
        repeats: row.repeats,
        help: row.help,
        clear: Box::new(move |config| (row.clear)(part_mut(config))),
        set: Box::new(move |config, value| (row.set)(part_mut(config), value)),
        show: Box::new(move |config| (row.show)(part(config))),
    }));
}

impl Flag {
    /// The environment variable of the flag.
    pub(crate) fn variable(&self) -> String {
        format!(
            "WHARF_{}",
            self.name.to_ascii_uppercase().replace(['.', '-'], "_")
        )
    }

    /// Takes the default of a flag away that may be repeated, before its first value is set.
    pub(crate) fn clear(&self, config: &mut Config) {
        (self.clear)(config);
    }

    /// Puts a value into the settings.
    ///
    /// # Errors
    /// If the flag does not take it; nothing has changed then.
    pub(crate) fn set(&self, config: &mut Config, value: &str) -> Result<(), ValueError> {
        (self.set)(config, value)
    }

    /// The value in the settings, as it could have been typed.
    pub(crate) fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }
}

impl Config {
    /// The value of every flag, as the JSON API shows them.
    pub fn flags(&self) -> BTreeMap<&'static str, String> {
        let mut flags: BTreeMap<_, _> = FLAGS.iter().map(|flag| (flag.name, flag.show(self))).collect();
        // The Pushgateway shows the prefix that is in force, not the one that was typed.
        flags.insert(
            "web.route-prefix",
            self.routes.internal_prefix().as_str().to_owned(),
        );
        flags
    }
}
