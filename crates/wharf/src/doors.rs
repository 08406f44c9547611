//! What clients come in by: addresses, what is served there, and what stands before it.

use std::path::Path;
use std::sync::Arc;

use wharf_http::{Door, Fixed, Front, Listener, Purpose};

use crate::config::{Apart, Listen, ListenAddress};
use crate::listen::{bind, inherited};
use crate::web_config;

/// Addresses that are behind one door.
pub(crate) struct Entrance<'c> {
    addresses: &'c [ListenAddress],
    door: Arc<Door>,
    /// What the web config file says that does not change.
    fixed: Option<Fixed>,
    /// What it serves, unless that is everything.
    serves: Option<String>,
}

/// The entrances: one for everything, or for what has no addresses of its own, and one for each thing that has. Beside
/// them what stands before the gateway at some of them.
pub(crate) fn entrances(listen: &Listen) -> anyhow::Result<(Vec<Entrance<'_>>, Vec<Arc<Front>>)> {
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
    // A file that counts for several of them has one rate limit, and one memory for passwords.
    let mut fronts: Vec<(&Path, Arc<Front>, Fixed)> = Vec::new();
    let mut entrances = Vec::new();
    for (purposes, addresses, file) in parts {
        let is_open = |(file, _): &(&Path, String)| fronts.iter().any(|(open, ..)| open == file);
        if let Some((file, flag)) = file.clone().filter(|file| !is_open(file)) {
            let (front, fixed) = web_config::open(file, &flag)?;
            fronts.push((file, Arc::new(front), fixed));
        }
        let front = file.and_then(|(file, _)| fronts.iter().find(|(open, ..)| *open == file));
        let serves = purposes.iter().map(ToString::to_string).collect::<Vec<_>>();
        entrances.push(Entrance {
            addresses,
            fixed: front.map(|(_, _, fixed)| *fixed),
            serves: (purposes != Purpose::ALL).then(|| serves.join(",")),
            door: Arc::new(Door::new(front.map(|(_, front, _)| Arc::clone(front)), purposes)),
        });
    }
    Ok((entrances, fronts.into_iter().map(|(_, front, _)| front).collect()))
}

pub(crate) fn open(
    listen: &Listen,
    entrances: &[Entrance<'_>],
) -> anyhow::Result<Vec<(Listener, Arc<Door>)>> {
    let mut listeners = Vec::new();
    for entrance in entrances {
        let opened = if listen.systemd_socket {
            tracing::info!("Listening on systemd activated listeners instead of port listeners.");
            inherited()?
        } else {
            let bound = entrance.addresses.iter().map(bind);
            bound.collect::<anyhow::Result<_>>()?
        };
        for listener in opened {
            entrance.announce(&listener);
            listeners.push((listener, Arc::clone(&entrance.door)));
        }
    }
    Ok(listeners)
}

impl Entrance<'_> {
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
