//! Text of others that is kept to be looked at: bounded, and every character of it to be seen.

/// At most so many bytes of a text, whole characters only.
pub(super) fn cut(text: &str, max_bytes: usize) -> String {
    let mut ends = (0..=max_bytes.min(text.len())).rev();
    ends.find_map(|end| text.get(..end))
        .unwrap_or_default()
        .to_owned()
}

/// At most so many characters of a text, with those escaped that show nothing, or turn the direction of what follows.
pub(super) fn shown(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut left = max_chars;
    for c in text.chars() {
        let is_hidden = (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        let escaped: String = if is_hidden {
            c.escape_unicode().collect()
        } else {
            c.into()
        };
        let Some(rest) = left.checked_sub(escaped.chars().count()) else {
            shown.push('…');
            break;
        };
        left = rest;
        shown.push_str(&escaped);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(shown("a\0b\u{202e}c\n<b>ü", 100), "a\\u{0}b\\u{202e}c\n<b>ü");
        assert_eq!(shown("abc\0", 5), "abc…");
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
    }

    #[test]
    fn a_cut_is_between_characters() {
        assert_eq!((cut("üü", 3).as_str(), cut("a", 9).as_str()), ("ü", "a"));
    }
}
