//! Files of settings: whether what they say is in force.

use wharf_model::MetricType;
use wharf_store::ReservedFamily;

use super::assemble::{self, Assembly};
use super::family::own;
use super::gauges::{ConfigGauge, WebConfigGauge};

pub(super) const RELOAD_SUCCESSFUL: ReservedFamily = own(
    "wharf_config_last_reload_successful",
    MetricType::Gauge,
    "1 if the configuration file was used when it was read last, 0 if it had mistakes.",
);
pub(super) const RELOAD_TIME: ReservedFamily = own(
    "wharf_config_last_reload_success_timestamp_seconds",
    MetricType::Gauge,
    "Unix time when the configuration file was read last and used.",
);
pub(super) const CERTIFICATE_EXPIRY: ReservedFamily = own(
    "wharf_tls_certificate_expiry_timestamp_seconds",
    MetricType::Gauge,
    "Unix time when the first of the certificates ends that the web config file names for the server.",
);
pub(super) const WEB_CONFIG_IN_FORCE: ReservedFamily = own(
    "wharf_web_config_in_force",
    MetricType::Gauge,
    "1 if all is in force that the web config file and the files it names say now, 0 if something of it cannot be used.",
);
pub(super) const WEB_CONFIG_USERS: ReservedFamily = own(
    "wharf_web_config_users",
    MetricType::Gauge,
    "Users of the web config file who are in force; without any, everybody is let in.",
);

/// Only where there is a file.
pub(super) fn assemble_config(assembly: &mut Assembly, config: Option<ConfigGauge>) {
    if let Some(config) = config {
        assembly.single(RELOAD_TIME, config.in_force_since.as_seconds());
        assembly.single(RELOAD_SUCCESSFUL, assemble::truth(config.is_used));
    }
}

/// One metric a file.
pub(super) fn assemble_web_configs(assembly: &mut Assembly, files: &[WebConfigGauge]) {
    let mut family = |family, value: fn(&WebConfigGauge) -> Option<f64>| {
        let metrics = files
            .iter()
            .filter_map(|file| Some(assembly.number(&[("flag", &file.flag)], value(file)?)));
        let metrics = metrics.collect();
        assembly.family(family, metrics);
    };
    family(CERTIFICATE_EXPIRY, |file| {
        file.certificate_expiry_seconds.map(assemble::seconds)
    });
    family(WEB_CONFIG_IN_FORCE, |file| {
        Some(assemble::truth(file.is_in_force))
    });
    family(WEB_CONFIG_USERS, |file| file.users.map(assemble::float));
}
