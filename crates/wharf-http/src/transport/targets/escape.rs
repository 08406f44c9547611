//! Which bytes the library does not take in a path or a query, and what stands for them.

/// Whether the library takes a byte in a path or a query, and means the same by it as Go.
pub(super) fn is_taken(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'_' | b'a'..=0x7F)
}

/// The rest of a path and query, escaped where that is needed, and what comes behind it.
pub(super) fn escaped(rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|byte| *byte <= b' ');
    let (target, behind) = rest.split_at(end.unwrap_or(rest.len()));
    [&escape(target), behind].concat()
}

/// A path and query with `%22` and so on for what the library does not take.
pub(super) fn escape(target: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(target.len() + 32);
    for byte in target {
        if is_taken(*byte) {
            escaped.push(*byte);
        } else {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    escaped
}
