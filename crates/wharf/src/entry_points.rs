//! What clients come in by: addresses, what is served there, and what stands before it.

use std::path::Path;
use std::sync::Arc;

use wharf_http::{AccessControl, EntryPoint, Fixed, Listener, Purpose};

use crate::config::{Aggregate, Apart, Listen, ListenAddress};
use crate::listen::{bind, inherited};
use crate::web_config;

/// Addresses that are behind one entry point.
pub(crate) struct AddressGroup<'c> {
    addresses: &'c [ListenAddress],
    entry_point: Arc<EntryPoint>,
    /// What the web config file says that does not change.
    fixed: Option<Fixed>,
    /// What it serves, unless that is everything.
    serves: Option<String>,
    /// Whether it has the routes of prom-aggregation-gateway, which systemd hands no sockets over for.
    is_aggregate: bool,
}

/// The groups: one for everything, or for what has no addresses of its own, and one for each thing that has. Beside
/// them what stands before the gateway at some of them.
pub(crate) fn of<'c>(
    listen: &'c Listen,
    aggregate: &'c Aggregate,
) -> anyhow::Result<(Vec<AddressGroup<'c>>, Vec<Arc<AccessControl>>)> {
    let common = listen
        .config_file
        .as_deref()
        .map(|file| (file, "web.config.file".to_owned()));
    let apart = || Purpose::ALL.into_iter().zip(listen.apart());
    let has_addresses = |apart: &Apart<'_>| !apart.addresses.is_empty();
    let mut parts = Vec::new();
    let remaining = apart().filter(|(_, apart)| !has_addresses(apart));
    let remaining: Vec<Purpose> = remaining.map(|(purpose, _)| purpose).collect();
    if !remaining.is_empty() {
        parts.push((remaining, listen.addresses.as_slice(), common.clone()));
    }
    for (purpose, apart) in apart().filter(|(_, apart)| has_addresses(apart)) {
        let own = apart.config_file;
        let own = own.map(|file| (file, format!("web.{}-config-file", apart.word)));
        parts.push((vec![purpose], apart.addresses, own.or_else(|| common.clone())));
    }
    for (purpose, addresses) in [
        (Purpose::Aggregate, &aggregate.addresses),
        (Purpose::AggregateLifecycle, &aggregate.lifecycle_addresses),
    ] {
        if !addresses.is_empty() {
            let own = aggregate.config_file.as_deref();
            let own = own.map(|file| (file, "aggregate.config-file".to_owned()));
            parts.push((
                vec![purpose],
                addresses.as_slice(),
                own.or_else(|| common.clone()),
            ));
        }
    }
    // A file that counts for several of them has one rate limit, and one memory for passwords.
    let mut access_controls: Vec<(&Path, Arc<AccessControl>, Fixed)> = Vec::new();
    let mut groups = Vec::new();
    for (purposes, addresses, file) in parts {
        let is_open = |(file, _): &(&Path, String)| access_controls.iter().any(|(open, ..)| open == file);
        if let Some((file, flag)) = file.clone().filter(|file| !is_open(file)) {
            let (access, fixed) = web_config::open(file, &flag)?;
            access_controls.push((file, Arc::new(access), fixed));
        }
        let access = file.and_then(|(file, _)| access_controls.iter().find(|(open, ..)| *open == file));
        let serves = purposes.iter().map(ToString::to_string).collect::<Vec<_>>();
        groups.push(AddressGroup {
            addresses,
            fixed: access.map(|(_, _, fixed)| *fixed),
            is_aggregate: !purposes.iter().any(|purpose| Purpose::ALL.contains(purpose)),
            serves: (purposes != Purpose::ALL).then(|| serves.join(",")),
            entry_point: Arc::new(EntryPoint::new(
                access.map(|(_, access, _)| Arc::clone(access)),
                purposes,
            )),
        });
    }
    Ok((
        groups,
        access_controls.into_iter().map(|(_, access, _)| access).collect(),
    ))
}

pub(crate) fn open(
    listen: &Listen,
    groups: &[AddressGroup<'_>],
) -> anyhow::Result<Vec<(Listener, Arc<EntryPoint>)>> {
    let mut listeners = Vec::new();
    for group in groups {
        let opened = if listen.systemd_socket && !group.is_aggregate {
            tracing::info!("Listening on systemd activated listeners instead of port listeners.");
            inherited()?
        } else {
            let bound = group.addresses.iter().map(bind);
            bound.collect::<anyhow::Result<_>>()?
        };
        for listener in opened {
            group.announce(&listener);
            listeners.push((listener, Arc::clone(&group.entry_point)));
        }
    }
    Ok(listeners)
}

impl AddressGroup<'_> {
    fn announce(&self, listener: &Listener) {
        let address = listener.address();
        match &self.serves {
            None => tracing::info!(address, "Listening on"),
            Some(serves) => tracing::info!(address, serves, "Listening on"),
        }
        if let Some(Fixed { tls: true, http2, .. }) = self.fixed {
            tracing::info!(http2, address, "TLS is enabled.");
        } else {
            tracing::info!(http2 = false, address, "TLS is disabled.");
        }
    }
}
