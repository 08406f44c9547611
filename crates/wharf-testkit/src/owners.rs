//! Whose a connection is: what the system knows of sockets and of the files that processes have open.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use std::{fs, thread};

/// How often it is looked, for the system's list may lack a connection while others come and go; and the pause in between.
const LOOKS: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// Which of these processes has opened the connection whose other end is this; none if it is gone already, or somebody else's. Asked for
/// the processes again each time.
pub(crate) fn owner_of<P: IntoIterator<Item = u32>>(
    end: SocketAddr,
    processes: impl Fn() -> P,
) -> Option<u32> {
    (0..LOOKS).find_map(|look| {
        if look > 0 {
            thread::sleep(PAUSE);
        }
        owner_now(end, processes())
    })
}

fn owner_now(end: SocketAddr, processes: impl IntoIterator<Item = u32>) -> Option<u32> {
    let socket = format!("socket:[{}]", inode_of(end)?);
    processes.into_iter().find(|process| {
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
            return false;
        };
        let mut files = files.flatten();
        files.any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == &*socket))
    })
}

/// The number of the socket that has this address.
fn inode_of(end: SocketAddr) -> Option<String> {
    let IpAddr::V4(address) = end.ip() else {
        return None;
    };
    // As the kernel writes it: in the order of this machine's bytes, which is little endian wherever etcd runs with us.
    let address = u32::from_le_bytes(address.octets());
    let own = format!("{address:08X}:{:04X}", end.port());
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let mut lines = table.lines().map(|line| line.split_ascii_whitespace());
    lines.find_map(|mut words| {
        let is_own = words.nth(1) == Some(&*own);
        is_own.then(|| words.nth(7).map(str::to_owned)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_of_the_process_that_has_opened_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let end = stream.local_addr().unwrap();
        let own = std::process::id();
        assert_eq!(owner_of(end, || [1, own]), Some(own));
        assert_eq!(owner_of(end, || [1]), None);
    }
}
