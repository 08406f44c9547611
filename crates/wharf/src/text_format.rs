//! Which of the text formats a file is in, as a flag says it or as the file shows it.

/// A format that people name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum TextFormat {
    /// As the text shows
    #[default]
    Auto,
    /// The text format of Prometheus
    Text,
    /// OpenMetrics 1.0
    #[value(name = "openmetrics")]
    OpenMetrics,
}

/// Types that only `OpenMetrics` has.
const TYPES: [&[u8]; 4] = [b"info", b"stateset", b"gaugehistogram", b"unknown"];

impl TextFormat {
    /// Whether the text, which is in UTF-8, is to be read as `OpenMetrics`.
    pub(crate) fn is_openmetrics(self, text: &[u8]) -> bool {
        match self {
            Self::Auto => looks_like_openmetrics(text),
            Self::Text => false,
            Self::OpenMetrics => true,
        }
    }
}

/// Whether a text ends with `# EOF`, or has a type or a unit that only `OpenMetrics` has.
pub(crate) fn looks_like_openmetrics(text: &[u8]) -> bool {
    let lines = || text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let last = lines().rev().find(|line| !line.is_empty());
    last == Some(b"# EOF") || lines().any(is_only_openmetrics)
}

fn is_only_openmetrics(line: &[u8]) -> bool {
    // Nearly all lines are samples.
    if !line.starts_with(b"# ") {
        return false;
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').take(5).collect();
    match *words.as_slice() {
        [b"#", b"TYPE", _, word] => TYPES.contains(&word),
        // A comment may begin like this too, but hardly go on so.
        [b"#", b"UNIT", family, unit] => !unit.is_empty() && family.ends_with(unit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_what_it_is() {
        for text in [
            "a 1\n# EOF\n",
            "a 1\r\n# EOF\r\n\r\n",
            "# TYPE a info\na_info 1\n",
            "# TYPE a unknown\na 1\n",
            "# UNIT a_seconds seconds\n",
        ] {
            assert!(looks_like_openmetrics(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "a 1\n",
            "# EOF\na 1\n",
            "# TYPE a gauge\na 1\n",
            "# HELP a # EOF\na 1\n",
            "# UNIT tests of a\n# UNIT tests below\n# TYPE info gauge\n",
        ] {
            assert!(!looks_like_openmetrics(text.as_bytes()), "{text:?}");
        }
    }
}
