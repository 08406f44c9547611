//! The other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address; those of IPv4 are never in the notation of IPv6, which sockets for both have.
    Network(SocketAddr),
    /// A process of this machine at a Unix socket, with its user where the system tells.
    Local(Option<u32>),
}

impl Peer {
    /// Its address, if it has one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip()),
            Self::Local(_) => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Network(match address.ip().to_canonical() {
            IpAddr::V4(ip) => (ip, address.port()).into(),
            // With its zone.
            IpAddr::V6(_) => address,
        })
    }
}

/// In Go's notation, as logs of the Pushgateway have it: `host:port`, and `@` at a Unix socket.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Local(_) => f.write_str("@"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_written_as_go_writes_them() {
        let peer = |text: &str| Peer::from(text.parse::<SocketAddr>().unwrap());
        for (address, written) in [
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("[::ffff:10.0.0.1]:9", "10.0.0.1:9"),
            ("[::1]:9", "[::1]:9"),
            ("[fe80::1%2]:9", "[fe80::1%2]:9"),
        ] {
            assert_eq!(peer(address).to_string(), written);
        }
        assert_eq!(peer("[::ffff:10.0.0.1]:9").ip(), "10.0.0.1".parse().ok());
        assert_eq!(
            (Peer::Local(Some(7)).to_string().as_str(), Peer::Local(None).ip()),
            ("@", None)
        );
    }
}
