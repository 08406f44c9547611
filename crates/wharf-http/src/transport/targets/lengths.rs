//! Whether a head has a `Content-Length`. Where a body comes in chunks, the library leaves that field out, wherever it stands in the
//! head, and nobody above it could tell; but what two programs read differently is to be refused.
//!
//! The field is looked for by its name at the beginning of a line. What it says does not matter here: how long a body is, the
//! library says.

use memchr::memchr;

const NAME: &[u8] = b"content-length:";

/// The value of the field, if a line is one.
pub(super) fn value_of_length(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(NAME.len())?;
    name.eq_ignore_ascii_case(NAME).then_some(value)
}

/// Looks for the field in lines that come in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lengths {
    /// Behind so many bytes of the name, at the beginning of a line.
    Name(usize),
    /// In a line of something else.
    Other,
    /// It has been there.
    Found,
}

impl Lengths {
    /// A head begins, or another of its lines.
    pub(super) const LINE: Self = Self::Name(0);

    /// Goes over the next bytes.
    pub(super) fn look(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match *self {
                Self::Found => return,
                Self::Name(at) if NAME.get(at) == Some(&first.to_ascii_lowercase()) => {
                    let at = at + 1;
                    *self = if at == NAME.len() {
                        Self::Found
                    } else {
                        Self::Name(at)
                    };
                    bytes = rest;
                }
                // Empty lines count as such, too.
                Self::Name(_) | Self::Other => match memchr(b'\n', bytes) {
                    None => {
                        *self = Self::Other;
                        return;
                    }
                    Some(end) => {
                        *self = Self::LINE;
                        bytes = bytes.get(end + 1..).unwrap_or_default();
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: bool) {
        for at in 0..=bytes.len() {
            let mut lengths = Lengths::LINE;
            let (start, rest) = bytes.as_bytes().split_at(at);
            lengths.look(start);
            lengths.look(rest);
            assert_eq!(lengths == Lengths::Found, expected, "{bytes:?}, cut at {at}");
        }
    }

    #[test]
    fn the_field_is_found_wherever_it_stands_and_however_it_comes() {
        check("Content-Length: 4\r\nHost: x\r\n\r\n", true);
        check("Host: x\r\ncontent-LENGTH:\r\n\r\n", true);
        check("\n\nContent-Length:4\n", true);
        check("Content\nContent-Length:4\n", true);
        check("Host: x\r\n\r\n", false);
        check("X: Content-Length: 4\r\n", false);
        check("Content-Lengths: 4\r\n", false);
        check("X-Content-Length: 4\r\n", false);
    }
}
