//! The formats and compressions of a scrape.

use wharf_model::name::EscapingScheme;

/// The format of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text, as everything reads it.
    Text004,
    /// Text with names in UTF-8.
    Text100,
    /// `OpenMetrics`, for those who ask for its draft.
    OpenMetrics001,
    /// `OpenMetrics` 1.0.
    OpenMetrics100,
    /// Protobuf: messages with their length in front.
    ProtobufDelimited,
    /// Protobuf in its text form, a field a line.
    ProtobufText,
    /// Protobuf in its text form, a family a line.
    ProtobufCompact,
}

impl Format {
    /// The format in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text004 => "text 0.0.4",
            Self::Text100 => "text 1.0.0",
            Self::OpenMetrics001 => "OpenMetrics 0.0.1",
            Self::OpenMetrics100 => "OpenMetrics 1.0.0",
            Self::ProtobufDelimited => "protobuf",
            Self::ProtobufText => "protobuf as text",
            Self::ProtobufCompact => "protobuf as compact text",
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self, escaping: EscapingScheme) -> String {
        let format = match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::Text100 => "text/plain; version=1.0.0; charset=utf-8",
            Self::OpenMetrics001 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::ProtobufDelimited => concat!(
                "application/vnd.google.protobuf; ",
                "proto=io.prometheus.client.MetricFamily; encoding=delimited"
            ),
            Self::ProtobufText => concat!(
                "application/vnd.google.protobuf; ",
                "proto=io.prometheus.client.MetricFamily; encoding=text"
            ),
            Self::ProtobufCompact => concat!(
                "application/vnd.google.protobuf; ",
                "proto=io.prometheus.client.MetricFamily; encoding=compact-text"
            ),
        };
        format!("{format}; escaping={}", escaping.as_parameter())
    }
}

/// How the body of a scrape is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    Identity,
    /// One member of gzip.
    Gzip,
    /// One frame of Zstandard.
    Zstd,
}

impl Compression {
    /// The name, as `Content-Encoding` has it; none for none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// What the body of a scrape has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The format.
    pub format: Format,
    /// What becomes of names that are not legacy-valid.
    pub escaping: EscapingScheme,
    /// The compression.
    pub compression: Compression,
}

impl Wanted {
    /// Whether most of the body is there already, as it is stored, or compressed once for all.
    pub fn is_as_stored(self) -> bool {
        matches!(self.format, Format::Text004 | Format::Text100) && self.compression != Compression::Zstd
    }
}
