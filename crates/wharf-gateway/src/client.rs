//! Clients, as far as they can be told from each other: what nobody should take all of is counted for each.

use std::net::{IpAddr, Ipv6Addr};

use crate::peer::Peer;

/// One client, as far as it can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// One that has proven who it is.
    Known(String),
    /// Everybody who comes from there.
    At(Remote),
}

/// Where requests come from, as far as that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remote {
    /// Who has one IPv6 address has 2^64 of them, so the network stands for it.
    Network(IpAddr),
    /// A user of this machine, at a Unix socket.
    User(Option<u32>),
}

impl From<IpAddr> for Remote {
    fn from(address: IpAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl From<Peer> for Remote {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Network(address) => address.ip().into(),
            Peer::Local(user) => Self::User(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_network_are_one() {
        let source = |text: &str| match Remote::from(text.parse::<IpAddr>().unwrap()) {
            Remote::Network(network) => network.to_string(),
            Remote::User(_) => unreachable!("an address is no user"),
        };
        assert_eq!(source("10.0.0.1"), "10.0.0.1");
        assert_eq!(source("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(source("::1"), "::");
    }

    #[test]
    fn users_at_a_unix_socket_are_told_apart() {
        let source = |user| Remote::from(Peer::Local(user));
        assert_eq!(source(Some(1)), source(Some(1)));
        assert_ne!(source(Some(1)), source(Some(2)));
        assert_ne!(source(Some(1)), source(None));
    }
}
