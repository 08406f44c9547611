//! Datagrams that the system has dropped since nobody read them in time.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

/// What the system says of all UDP sockets, one a line.
const FILES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];
/// More is not read: a hundred thousand sockets.
const MAX_BYTES: u64 = 16 << 20;
/// Which words of a line say which socket it is, and how many datagrams it has lost.
const INODE: usize = 9;
const DROPS: usize = 12;

/// How many datagrams these sockets have lost; none where the system does not say.
pub(super) fn of(inodes: &HashSet<u64>) -> Option<u64> {
    let mut found = None;
    for file in FILES {
        let Ok(file) = File::open(file) else { continue };
        let lines = BufReader::new(file.take(MAX_BYTES)).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(drops) = in_line(&line, inodes) {
                *found.get_or_insert(0) += drops;
            }
        }
    }
    found
}

fn in_line(line: &str, inodes: &HashSet<u64>) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let inode = words.nth(INODE)?.parse().ok()?;
    let drops = words.nth(DROPS - INODE - 1)?.parse().ok()?;
    inodes.contains(&inode).then_some(drops)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn lines_of_the_system_are_understood() {
        let line = " 2345: 0100007F:23A5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 123456 2 0000000000000000 789";
        assert_eq!(in_line(line, &HashSet::from([123_456])), Some(789));
        assert_eq!(in_line(line, &HashSet::from([1])), None);
        assert_eq!(
            in_line("  sl  local_address rem_address", &HashSet::from([1])),
            None
        );
    }

    #[test]
    fn a_socket_that_nobody_reads_loses_datagrams() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
        let inodes = HashSet::from([inode]);
        assert_eq!(of(&inodes), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagram = vec![0; 60_000];
        // Far more than any buffer has room for.
        for _ in 0..5000 {
            sender.send_to(&datagram, socket.local_addr().unwrap()).unwrap();
        }
        assert!(of(&inodes) > Some(0));
    }
}
