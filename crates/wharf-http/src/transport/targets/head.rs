//! Heads with nothing to escape, which are nearly all: found in one pass over their bytes, so that they go on with what came
//! behind them, and nothing is held or copied.

use memchr::memchr;

use super::escape::is_taken;
use super::lengths::value_of_length;

/// The longest name of a method that anybody sends has fewer bytes.
const MAX_METHOD_BYTES: usize = 16;

/// The length of the head that these bytes begin with, and whether that says how long the body is; if it is whole, has a plain path,
/// and what came behind it is likely to be its body or a part of that.
///
/// How long the head is has to be right, here as in [`super::Position`]. How long the body is, is a guess: the library says it.
pub(super) fn plain(bytes: &[u8]) -> Option<(usize, bool)> {
    let end = memchr(b'\n', bytes)?;
    if !is_plain_request_line(bytes.get(..end)?) {
        return None;
    }
    let mut head = end + 1;
    let mut body = None;
    loop {
        let rest = bytes.get(head..)?;
        let end = memchr(b'\n', rest)?;
        head += end + 1;
        match rest.get(..end)? {
            [] | [b'\r'] => break,
            line @ [b'C' | b'c', ..] => body = body.max(announced(line)),
            _ => {}
        }
    }
    (bytes.len() - head <= body.unwrap_or(0)).then_some((head, body.is_some()))
}

/// Whether this is a method, a path with a query perhaps, and a version, with no byte that has to be escaped.
fn is_plain_request_line(line: &[u8]) -> bool {
    let Some(start) = line
        .strip_suffix(b" HTTP/1.1\r")
        .or_else(|| line.strip_suffix(b" HTTP/1.0\r"))
    else {
        return false;
    };
    let method = start.iter().take(MAX_METHOD_BYTES);
    let method = method.take_while(|byte| byte.is_ascii_uppercase()).count();
    match start.get(method..) {
        Some([b' ', target @ ..]) => method > 0 && target.first() == Some(&b'/') && all_taken(target),
        _ => false,
    }
}

/// In blocks and without a way out in the middle, which compilers make vectors of.
fn all_taken(target: &[u8]) -> bool {
    let (blocks, rest) = target.as_chunks::<16>();
    let is_taken_at_once = |block: &[u8; 16]| block.iter().fold(true, |all, byte| all & is_taken(*byte));
    blocks.iter().all(is_taken_at_once) && rest.iter().all(|byte| is_taken(*byte))
}

/// The bytes that a field says the body has, as far as that is a number; none if it is another field.
fn announced(line: &[u8]) -> Option<usize> {
    let digits = value_of_length(line)?.trim_ascii().iter().take(10);
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |bytes, digit| bytes * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(start: &str, behind: &str, expected: bool) {
        let bytes = [start, behind].concat();
        assert_eq!(
            plain(bytes.as_bytes()).map(|(head, _)| head),
            expected.then_some(start.len()),
            "{bytes}"
        );
    }

    #[test]
    fn whole_heads_with_plain_paths_are_found() {
        check("GET / HTTP/1.1\r\n\r\n", "", true);
        check("GET /?a=b HTTP/1.0\r\nHost: h\r\n\n", "", true);
        check("GET / HTTP/1.1\r\nHost: h\r\n", "", false);
        check("GET / HTTP/1.1\r\n", "", false);
        check("GET / HT", "", false);
        check("\r\nGET / HTTP/1.1\r\n\r\n", "", false);
        check("GET / HTTP/1.1\n\n", "", false);
        check("GET * HTTP/1.1\r\n\r\n", "", false);
        check("get / HTTP/1.1\r\n\r\n", "", false);
        check(" / HTTP/1.1\r\n\r\n", "", false);
        check("GET  / HTTP/1.1\r\n\r\n", "", false);
        check("PRI * HTTP/2.0\r\n\r\n", "SM\r\n\r\n", false);
        for at in 0..40 {
            let (before, behind) = ("a".repeat(at), "b".repeat(40 - at));
            for byte in (0..=0x7F_u8).map(char::from) {
                let is_plain = u8::try_from(byte).is_ok_and(is_taken);
                let line = format!("GET /{before}{byte}{behind} HTTP/1.1\r\n\r\n");
                check(&line, "", is_plain);
            }
        }
    }

    #[test]
    fn what_is_longer_than_the_body_is_left_to_others() {
        let put = |field: &str| format!("PUT /a HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
        check(&put("Content-Length: 5"), "hello", true);
        check(&put("content-length:\t5 "), "hell", true);
        check(&put("Content-Length: 5"), "hello\n", false);
        check(&put("Content-Length: 99999999999999999999"), "hello", true);
        check(&put("Content-Length: +5"), "hello", false);
        check(&put("Content-Lengths: 5"), "hello", false);
        check(&put("Transfer-Encoding: chunked"), "0\r\n\r\n", false);
        check(&put("Transfer-Encoding: chunked"), "", true);
    }

    #[test]
    fn a_head_says_how_long_its_body_is_or_does_not() {
        for (field, expected) in [
            ("Content-Length: 5", true),
            ("CONTENT-LENGTH: x", true),
            ("Content-Length: 0\r\nTransfer-Encoding: chunked", true),
            ("Content-Lengths: 5", false),
            ("Transfer-Encoding: chunked", false),
        ] {
            let head = format!("PUT /a HTTP/1.1\r\n{field}\r\n\r\n");
            let found = plain(head.as_bytes()).map(|(_, has_length)| has_length);
            assert_eq!(found, Some(expected), "{field}");
        }
    }
}
