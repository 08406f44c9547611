//! The library finds the same requests in any bytes whether targets are escaped or not, up to the first target that it would refuse; and
//! the same ones however the bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::choice;
use wharf_http::fuzzing::{Seen, Trial};

fuzz_target!(|bytes: &[u8]| {
    let (choice, bytes) = choice(bytes);
    let whole = Trial {
        escapes: true,
        read_bytes: usize::MAX,
        reads_bodies: choice & 1 == 0,
    };
    let escaped = whole.run(&[bytes]);
    let read_bytes = usize::from(choice >> 1) + 1;
    let in_pieces = Trial { read_bytes, ..whole }.run(&[bytes]);
    // With a body that nobody reads, the library ends the connection unless all of it is there already.
    let common = if whole.reads_bodies {
        escaped.len().max(in_pieces.len())
    } else {
        escaped.len().min(in_pieces.len())
    };
    assert_eq!(in_pieces.get(..common), escaped.get(..common));

    let plain = Trial {
        escapes: false,
        ..whole
    }
    .run(&[bytes]);
    assert!(plain.len() <= escaped.len());
    // The library cuts a target off at `#`, and leaves what is not ASCII as it is.
    let is_same_target = |byte: &u8| byte.is_ascii() && *byte != b'#';
    let targets_stay = bytes.iter().all(is_same_target);
    for (plain, escaped) in plain.iter().zip(&escaped) {
        let target = escape(&plain.target);
        assert!(escaped.target.starts_with(&target), "{target}: {escaped:?}");
        assert!(!targets_stay || escaped.target == target, "{target}: {escaped:?}");
        let target = escaped.target.clone();
        assert_eq!(
            Seen {
                target,
                ..plain.clone()
            },
            *escaped
        );
    }
});

/// A target that the library takes, with what it takes and Go would write otherwise.
fn escape(target: &str) -> String {
    let bytes = target.bytes().map(|byte| match byte {
        b'"' | 0x80.. => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    });
    bytes.collect()
}
