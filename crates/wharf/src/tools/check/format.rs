//! In which format a body is: as a flag says it, as the body shows it, or as the end of the file's name promises.

use std::path::Path;

use wharf_exposition::{Foreign, is_text};

use crate::lint::Syntax;
use crate::text_format::looks_like_openmetrics;

/// A format that people name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// As the body shows, or the name of the file
    Auto,
    /// The text format of Prometheus
    Text,
    /// OpenMetrics 1.0
    #[value(name = "openmetrics")]
    OpenMetrics,
    /// Delimited messages
    Protobuf,
}

/// Ends of names that promise a format. `.prom` and `.txt` have both kinds of text.
const ENDS: [(&str, Syntax); 5] = [
    ("om", Syntax::OpenMetrics),
    ("openmetrics", Syntax::OpenMetrics),
    ("pb", Syntax::Protobuf),
    ("binpb", Syntax::Protobuf),
    ("protobuf", Syntax::Protobuf),
];

impl Format {
    /// How a body that came from this file is to be read. What it surely is counts more than the name.
    pub(super) fn syntax(self, file: &Path, body: &[u8]) -> Syntax {
        match self {
            Self::Auto => found(body).or_else(|| promised(file, body)).unwrap_or_default(),
            Self::Text => Syntax::Text,
            Self::OpenMetrics => Syntax::OpenMetrics,
            Self::Protobuf => Syntax::Protobuf,
        }
    }
}

/// What a body surely is.
fn found(body: &[u8]) -> Option<Syntax> {
    if Foreign::of(body) == Some(Foreign::Protobuf) {
        return Some(Syntax::Protobuf);
    }
    let text = crate::encoding::to_utf8(body).ok()?;
    looks_like_openmetrics(&text).then_some(Syntax::OpenMetrics)
}

fn promised(file: &Path, body: &[u8]) -> Option<Syntax> {
    let end = file.extension()?;
    let (_, syntax) = ENDS.iter().find(|(known, _)| end.eq_ignore_ascii_case(known))?;
    // Text in a file that promises protobuf is text.
    (*syntax != Syntax::Protobuf || !is_text(body)).then_some(*syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, body: &[u8], expected: Syntax) {
        assert_eq!(
            Format::Auto.syntax(Path::new(file), body),
            expected,
            "{file}: {body:?}"
        );
    }

    #[test]
    fn a_body_that_shows_what_it_is_is_that() {
        for file in ["-", "a.prom", "a.om", "a.pb"] {
            check(file, b"\x05\x0a\x01a\x18\x01", Syntax::Protobuf);
            check(file, b"a 1\n# EOF\n", Syntax::OpenMetrics);
            check(file, "\u{feff}# TYPE a info\n".as_bytes(), Syntax::OpenMetrics);
        }
    }

    #[test]
    fn a_body_that_does_not_is_what_its_name_promises() {
        check("a.om", b"a 1\n", Syntax::OpenMetrics);
        check("a.OpenMetrics", b"a 1\n", Syntax::OpenMetrics);
        check("a.pb", b"\xff\xff\x01", Syntax::Protobuf);
        check("a.pb", b"a 1\n", Syntax::Text);
        for file in ["-", "a.prom", "a.txt", "om", "a.om.bak"] {
            check(file, b"a 1\n", Syntax::Text);
        }
    }

    #[test]
    fn the_flag_has_the_last_word() {
        let read_as = |format: Format| format.syntax(Path::new("a.om"), b"a 1\n# EOF\n");
        assert_eq!(read_as(Format::Text), Syntax::Text);
        assert_eq!(read_as(Format::Protobuf), Syntax::Protobuf);
        assert_eq!(read_as(Format::OpenMetrics), Syntax::OpenMetrics);
    }
}
