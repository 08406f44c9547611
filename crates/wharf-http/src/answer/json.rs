//! JSON as Go's encoder writes it.
//!
//! Scripts compare such documents as text, and the page embeds them in HTML, so the escapes are Go's too.

use wharf_exposition::number;

/// Appends `text` as a JSON string, with `<`, `>`, `&` and the line separators of JavaScript escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '<' => "\\u003c",
            '>' => "\\u003e",
            '&' => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            c if u32::from(c) < 0x20 => "",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[start..at]);
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        } else {
            out.extend_from_slice(escape.as_bytes());
        }
        start = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[start..]);
    out.push(b'"');
}

/// Writes an object or array member by member, with the commas between them.
#[derive(Debug)]
pub(crate) struct Members<'o> {
    out: &'o mut Vec<u8>,
    close: u8,
    is_first: bool,
}

impl<'o> Members<'o> {
    pub(crate) fn object(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            close: b'}',
            is_first: true,
        }
    }

    pub(crate) fn array(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self {
            out,
            close: b']',
            is_first: true,
        }
    }

    /// The next element of an array; the caller writes the value.
    pub(crate) fn next(&mut self) -> &mut Vec<u8> {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.out
    }

    /// What has been written so far, for whoever passes it on between two members.
    pub(crate) fn written(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// The next member of an object; the caller writes the value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        let out = self.next();
        write_string(out, key);
        out.push(b':');
        out
    }

    /// A member whose value is a string.
    pub(crate) fn string(&mut self, key: &str, value: &str) {
        write_string(self.key(key), value);
    }

    /// A member whose value is a string, or `null`.
    pub(crate) fn text(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.string(key, value),
            None => self.null(key),
        }
    }

    /// A member whose value is an integer.
    pub(crate) fn integer(&mut self, key: &str, value: u64) {
        write_integer(self.key(key), value);
    }

    /// A member whose value is a number, or `null`.
    pub(crate) fn number(&mut self, key: &str, value: Option<f64>) {
        write_number(self.key(key), value);
    }

    /// A member whose value is `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.key(key)
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A member whose value is `null`.
    pub(crate) fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    pub(crate) fn end(self) {
        self.out.push(self.close);
    }
}

/// Appends an integer.
pub(crate) fn write_integer(out: &mut Vec<u8>, value: u64) {
    number::write_u64(out, value);
}

/// Appends a number, or `null` where there is none, or one that JSON does not know: infinities, and what is not one.
pub(crate) fn write_number(out: &mut Vec<u8>, value: Option<f64>) {
    match value.filter(|value| value.is_finite()) {
        Some(value) => out.extend_from_slice(value.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends an object of strings, in the order given.
pub(crate) fn write_strings<'a>(out: &mut Vec<u8>, members: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let mut object = Members::object(out);
    for (key, value) in members {
        object.string(key, value);
    }
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\\n\u{1}<b>&\u{2028}é\u{7f}");
        let expected = "\"a\\\"\\\\\\n\\u0001\\u003cb\\u003e\\u0026\\u2028é\u{7f}\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn members_are_separated_by_commas() {
        let mut out = Vec::new();
        let mut object = Members::object(&mut out);
        object.string("a", "1");
        write_strings(object.key("b"), [("x", "y"), ("z", "")]);
        Members::array(object.key("c")).end();
        object.end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":"1","b":{"x":"y","z":""},"c":[]}"#
        );
    }
}
