//! The settings of the gateway: flags, variables, and the files that they name.

use std::ffi::OsString;
use std::path::Path;

use super::finding::Report;
use crate::args::{self, UsageError};
use crate::config::Config;
use crate::tools::output::counted;
use crate::version::BUILD;
use crate::{config_file, web_config};

/// What the files say that other checks have to know.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Whether the page and the API are behind TLS.
    pub(super) has_tls: bool,
}

/// Reads flags and variables as a start would; none if it would not get further.
pub(super) fn examine(flags: &[OsString], report: &mut Report) -> Option<Config> {
    report.ok("version", format!("wharf {} {}", BUILD.version, BUILD.revision));
    let settings = args::settings_of(flags.to_vec());
    match settings {
        Ok(config) => {
            let default = Config::default().flags();
            let set = config
                .flags()
                .into_iter()
                .filter(|(name, value)| default.get(name) != Some(value));
            let set: Vec<_> = set.map(|(name, value)| format!("--{name}={value}")).collect();
            report.ok(
                "flags",
                if set.is_empty() {
                    "all of them have their defaults".to_owned()
                } else {
                    set.join(" ")
                },
            );
            Some(config)
        }
        Err(error) => {
            refuse(&error, report);
            None
        }
    }
}

fn refuse(error: &UsageError, report: &mut Report) {
    let hint = "give the flags of the gateway behind `--`, as it is started with them; `wharf --help` lists all of them";
    report.fail(
        "flags",
        "flags that the gateway understands",
        error.to_string(),
        hint,
    );
}

/// Reads the files as a start would.
pub(super) fn examine_files(config: &Config, report: &mut Report) -> Files {
    if let Some(path) = &config.rules.file {
        match config_file::read(path, config.pushes.names) {
            Ok(policy) => {
                let counted = |count: usize, one, many| counted(count as u64, one, many);
                report.ok(
                    "rules",
                    format!(
                        "{}: {}, {}, {}",
                        path.display(),
                        counted(policy.expiry.len(), "expiry rule", "expiry rules"),
                        counted(policy.quotas.len(), "quota", "quotas"),
                        counted(policy.relabelling.len(), "relabelling rule", "relabelling rules")
                    ),
                );
            }
            Err(error) => report.fail(
                "rules",
                "a file of rules without mistakes (--config.file)",
                error.to_string(),
                "mend it, and look again with `wharf config check`; docs/configuration.md has every key",
            ),
        }
    }
    let listen = &config.listen;
    let scrape_file = listen.apart().into_iter().find(|apart| apart.word == "scrape");
    let own = scrape_file
        .as_ref()
        .filter(|apart| !apart.addresses.is_empty())
        .and_then(|apart| apart.config_file);
    let mut files: Vec<&Path> = listen.config_file.as_deref().into_iter().collect();
    files.extend(listen.apart().into_iter().filter_map(|apart| apart.config_file));
    files.dedup();
    let mut found = Files::default();
    for path in files {
        match web_config::open(path, "web.config.file") {
            Ok((_, fixed)) => {
                let tls = if fixed.tls { "with TLS" } else { "without TLS" };
                report.ok("web-config", format!("{}: {tls}", path.display()));
                let is_in_force = own.or(listen.config_file.as_deref()) == Some(path);
                found.has_tls |= fixed.tls && is_in_force;
            }
            Err(error) => report.fail(
                "web-config",
                "a web config file without mistakes, with certificates that can be read",
                format!("{error:#}"),
                format!("mend {}; docs/web-config.md has every key", path.display()),
            ),
        }
    }
    found
}
