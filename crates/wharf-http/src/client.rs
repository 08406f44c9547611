//! Whom something is counted for that nobody should take all of.

use std::net::{IpAddr, Ipv6Addr};

/// One client, as far as it can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// One that has proven who it is.
    Known(String),
    /// Everybody of this [`network`].
    Network(IpAddr),
}

/// What stands for an address where clients are counted. Who has one IPv6 address has 2^64 of them, so the network counts
/// there.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !(u64::MAX as u128);
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_network_are_one() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("10.0.0.1"), "10.0.0.1");
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::1"), "::");
    }
}
