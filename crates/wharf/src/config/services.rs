//! Names of ports, as Go's `net` package resolves them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};

/// Where systems keep the names.
const FILE: &str = "/etc/services";
/// More than any such file has.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// What Go knows where there is no such file, as in containers.
const BUILT_IN: [(&str, u16); 14] = [
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("ssh", 22),
    ("submissions", 465),
    ("telnet", 23),
];

/// The TCP port of this name, in any case: from the system's file, otherwise from the built-in list.
pub(super) fn port(name: &str) -> Option<u16> {
    let listed = File::open(FILE)
        .ok()
        .and_then(|file| find(BufReader::new(file.take(MAX_FILE_BYTES)), name));
    listed.or_else(|| {
        let known = BUILT_IN
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, port)| *port)
    })
}

/// Looks through lines such as `http 80/tcp www # World Wide Web`. The last line with a name counts, as in Go.
fn find(mut lines: impl BufRead, name: &str) -> Option<u16> {
    let mut found = None;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        found = port_in_line(&String::from_utf8_lossy(&line), name).or(found);
        line.clear();
    }
    found
}

fn port_in_line(line: &str, name: &str) -> Option<u16> {
    let (entry, _comment) = line.split_once('#').unwrap_or((line, ""));
    let mut words = entry.split_ascii_whitespace();
    let (official, numbered) = (words.next()?, words.next()?);
    let port = numbered.strip_suffix("/tcp")?.parse().ok()?;
    let is_named = words
        .chain([official])
        .any(|word| word.eq_ignore_ascii_case(name));
    (is_named && port > 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_go_finds_them() {
        let file = "# a comment\n\
                    one 1/tcp\n\
                    two\t2/tcp  second zwei # deux\n\
                    two 22/udp\n\
                    three 3/udp\n\
                    bad x/tcp\nbad 99999/tcp\nbad 0/tcp\nbad 4\nbad\n\
                    \u{fc}ber 5/tcp\n\
                    late 6/tcp\nlate 7/tcp\nlast 8/tcp";
        for (name, port) in [
            ("one", Some(1)),
            ("ONE", Some(1)),
            ("two", Some(2)),
            ("second", Some(2)),
            ("zwei", Some(2)),
            ("deux", None),
            ("three", None),
            ("bad", None),
            ("1/tcp", None),
            ("late", Some(7)),
            ("last", Some(8)),
            ("", None),
        ] {
            assert_eq!(find(file.as_bytes(), name), port, "{name}");
        }
        assert_eq!(find(&b"\xFF\xFE\nafter 9/tcp\n"[..], "after"), Some(9));
    }

    #[test]
    fn usual_names_are_known_without_a_file() {
        assert_eq!(port("http"), Some(80));
        assert_eq!(port("HTTPS"), Some(443));
        assert_eq!(port("no-such-service"), None);
    }
}
