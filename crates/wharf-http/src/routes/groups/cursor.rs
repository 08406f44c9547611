//! Where the next page of a listing begins, as text: hexadecimal digits of the rank and of the key's bytes.

use wharf_gateway::Refusal;
use wharf_model::GroupingKey;
use wharf_store::Cursor;

use crate::request::query;

const RANK_DIGITS: usize = 16;

pub(crate) fn write(cursor: &Cursor) -> String {
    use std::fmt::Write;
    let mut text = format!("{:016x}", cursor.rank);
    for byte in cursor.key.as_bytes() {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn read(text: &str) -> Result<Cursor, Refusal> {
    parse(text).ok_or_else(|| {
        let found = query::shown(text);
        Refusal::parameter(&format!(
            "cursor: expected what an earlier page gave, found `{found}`"
        ))
    })
}

fn parse(text: &str) -> Option<Cursor> {
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (rank, key) = text.split_at_checked(RANK_DIGITS).filter(|_| is_hex)?;
    let digits = key.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    Some(Cursor {
        rank: u64::from_str_radix(rank, 16).ok()?,
        key: GroupingKey::from_bytes(&bytes).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let key = GroupingKey::new([("job", "ü"), ("x", "")]).unwrap();
        let cursor = Cursor {
            rank: u64::MAX - 1,
            key,
        };
        let found = read(&write(&cursor)).ok().unwrap();
        assert_eq!((found.rank, found.key), (cursor.rank, cursor.key));
    }

    #[test]
    fn anything_else_is_refused() {
        let whole = write(&Cursor {
            rank: 0,
            key: GroupingKey::new([("job", "a")]).unwrap(),
        });
        for text in [
            "",
            "x",
            "+000000000000000",
            &whole[..20],
            &whole[..whole.len() - 1],
            "é0000000000000000",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
