//! Sockets to listen on: opened here, or handed over by systemd.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};

use anyhow::{Context as _, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};
use wharf_http::Listener;

use crate::config::ListenAddress;

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// The first descriptor that systemd hands over.
const FIRST_INHERITED: usize = 3;

/// The sockets that systemd has opened for us: of TCP and Unix ones.
pub(crate) fn inherited() -> anyhow::Result<Vec<Listener>> {
    let mut inherited = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        // One of another kind stays where it is, and can be asked for again.
        let tcp = inherited.take_tcp_listener(index).ok().flatten();
        let listener = match tcp {
            Some(tcp) => Listener::Tcp(tcp),
            None => match inherited.take_unix_listener(index) {
                Ok(Some(unix)) => Listener::Unix(unix),
                _ => bail!(
                    "expected stream sockets (TCP or Unix) from systemd, found something else at descriptor {}: \
                     ListenStream= names such, ListenDatagram= and ListenSequentialPacket= do not",
                    FIRST_INHERITED + index
                ),
            },
        };
        listeners.push(listener);
    }
    if listeners.is_empty() {
        return Err(anyhow!("no socket activation file descriptors found"));
    }
    Ok(listeners)
}

/// Listens at an address.
pub(crate) fn bind(address: &ListenAddress) -> anyhow::Result<Listener> {
    let mut last = anyhow!("listen tcp {address}: no such address");
    for candidate in candidates(resolved(address)?) {
        match bind_one(candidate) {
            Ok(listener) => return Ok(Listener::Tcp(listener)),
            Err(error) => {
                let taken = error.kind() == io::ErrorKind::AddrInUse;
                let why = if taken {
                    "address already in use".to_owned()
                } else {
                    error.to_string()
                };
                last = anyhow!("listen tcp {address}: bind: {why}");
                if taken {
                    break;
                }
            }
        }
    }
    Err(last)
}

/// A socket for datagrams at an address.
pub(crate) fn bind_udp(address: &ListenAddress) -> anyhow::Result<UdpSocket> {
    let mut last = anyhow!("listen udp {address}: no such address");
    for candidate in candidates(resolved(address)?) {
        let bound = open_as(candidate, Type::DGRAM, Protocol::UDP);
        match bound {
            Ok(socket) => return Ok(socket.into()),
            Err(error) => last = anyhow!("listen udp {address}: bind: {error}"),
        }
    }
    Err(last)
}

/// An address of a socket, if it has one.
pub(crate) fn shown(address: io::Result<SocketAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// Whether nobody listens at an address at which one could. Nobody is kept from it meanwhile.
///
/// # Errors
/// Why one could not.
pub(crate) fn is_free(address: &ListenAddress) -> anyhow::Result<bool> {
    let mut last = anyhow!("listen tcp {address}: no such address");
    for candidate in candidates(resolved(address)?) {
        match open(candidate) {
            Ok(_socket) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(false),
            Err(error) => last = anyhow!("listen tcp {address}: bind: {error}"),
        }
    }
    Err(last)
}

fn resolved(address: &ListenAddress) -> anyhow::Result<Vec<SocketAddr>> {
    if address.host().is_empty() {
        return Ok(vec![(Ipv6Addr::UNSPECIFIED, address.port()).into()]);
    }
    let resolved = (address.host(), address.port()).to_socket_addrs();
    Ok(resolved
        .with_context(|| format!("listen tcp: lookup {}", address.host()))?
        .collect())
}

/// What to try, in this order, as Go does: `0.0.0.0` and `[::]` both mean all interfaces, over IPv6 and IPv4, and over IPv4
/// alone where the system has no IPv6. Of a name with several addresses those of IPv4 come first.
fn candidates(resolved: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let canonical = resolved.into_iter().map(|mut address| {
        // Only IPv4 in the notation of IPv6 changes here; the zone of an IPv6 address stays.
        if let IpAddr::V4(ip) = address.ip().to_canonical() {
            address = (ip, address.port()).into();
        }
        address
    });
    let (all, mut some): (Vec<_>, Vec<_>) = canonical.partition(|address| address.ip().is_unspecified());
    if let Some(port) = all.first().map(SocketAddr::port) {
        return vec![
            (Ipv6Addr::UNSPECIFIED, port).into(),
            (Ipv4Addr::UNSPECIFIED, port).into(),
        ];
    }
    some.sort_by_key(SocketAddr::is_ipv6);
    some
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket that has the address, and does not listen yet.
fn open(address: SocketAddr) -> io::Result<Socket> {
    open_as(address, Type::STREAM, Protocol::TCP)
}

fn open_as(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if kind == Type::STREAM {
        // A port whose last connections still linger can be taken again at once. Of datagrams, two sockets would take the same.
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        // Whatever the system's default is: all interfaces means IPv4 too, and one IPv6 address means that one.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_interfaces_mean_both_families_however_they_are_written() {
        for written in ["0.0.0.0:9", "[::]:9", "[::ffff:0.0.0.0]:9", "[::%1]:9"] {
            let tried = candidates(vec![written.parse().unwrap()]);
            assert_eq!(tried, ["[::]:9".parse().unwrap(), "0.0.0.0:9".parse().unwrap()]);
        }
    }

    #[test]
    fn of_a_name_the_addresses_of_ipv4_come_first() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let resolved = ["[::1]:9", "[fe80::1%3]:9", "127.0.0.1:9", "[::ffff:10.0.0.1]:9"].map(parse);
        let expected = ["127.0.0.1:9", "10.0.0.1:9", "[::1]:9", "[fe80::1%3]:9"].map(parse);
        assert_eq!(candidates(resolved.to_vec()), expected);
    }
}
