//! Which format and which compression a scraper gets.
//!
//! The rules are those of Prometheus' own exposition library, down to their oddities: only the first `Accept`
//! line counts, and the last valid `escaping` met on the way to the chosen entry holds, even if it stood at
//! another entry.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use wharf_model::name::EscapingScheme;
use wharf_scrape::{Compression, Format, Wanted};

/// An entry of an `Accept` header.
#[derive(Debug)]
struct Entry<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f64,
}

impl Entry<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find_map(|(key, value)| (*key == name).then_some(*value))
    }

    fn format(&self, openmetrics: bool) -> Option<Format> {
        match self.media_type {
            "text/plain" => match self.parameter("version") {
                None | Some("0.0.4") => Some(Format::Text004),
                Some("1.0.0") => Some(Format::Text100),
                Some(_) => None,
            },
            "application/openmetrics-text" if openmetrics => match self.parameter("version") {
                None | Some("0.0.1") => Some(Format::OpenMetrics001),
                Some("1.0.0") => Some(Format::OpenMetrics100),
                Some(_) => None,
            },
            "application/vnd.google.protobuf"
                if self.parameter("proto") == Some("io.prometheus.client.MetricFamily") =>
            {
                match self.parameter("encoding") {
                    Some("delimited") => Some(Format::ProtobufDelimited),
                    Some("text") => Some(Format::ProtobufText),
                    Some("compact-text") => Some(Format::ProtobufCompact),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// What a scraper gets; `openmetrics` says whether it may get `OpenMetrics`.
pub(crate) fn wanted(headers: &HeaderMap, openmetrics: bool) -> Wanted {
    let (format, escaping) = format(headers, openmetrics);
    Wanted {
        format,
        escaping,
        compression: compression(headers),
    }
}

/// The format and escaping scheme for a scraper; `openmetrics` says whether it may get `OpenMetrics`.
fn format(headers: &HeaderMap, openmetrics: bool) -> (Format, EscapingScheme) {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut escaping = EscapingScheme::default();
    for entry in entries(accept) {
        if let Some(scheme) = entry
            .parameter("escaping")
            .and_then(EscapingScheme::from_parameter)
        {
            escaping = scheme;
        }
        if let Some(format) = entry.format(openmetrics) {
            return (format, escaping);
        }
    }
    (Format::Text004, escaping)
}

/// The entries of an `Accept` header, best quality first, otherwise in the order they came.
fn entries(accept: &str) -> Vec<Entry<'_>> {
    // A header is bounded in length, but not in what a scraper can mean by it.
    const LIMIT: usize = 64;
    let mut entries: Vec<Entry<'_>> = accept.split(',').take(LIMIT).map(entry).collect();
    entries.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    entries
}

fn entry(text: &str) -> Entry<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let mut parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let quality = parameters.iter().find(|(name, _)| *name == "q");
    let quality = quality.map_or(1.0, |(_, value)| value.parse().unwrap_or(1.0));
    parameters.retain(|(name, _)| *name != "q");
    Entry {
        media_type,
        parameters,
        quality,
    }
}

/// The compression for a scraper. At equal quality: none before gzip, as the Pushgateway chooses, and gzip, whose
/// compressed leaves are there already, before zstd.
pub(crate) fn compression(headers: &HeaderMap) -> Compression {
    let accept = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let entries = entries(accept);
    let quality = |name: &str| {
        let named = entries.iter().find(|entry| entry.media_type == name);
        let any = || entries.iter().find(|entry| entry.media_type == "*");
        named.or_else(any).map(|entry| entry.quality)
    };
    let gzip = quality("gzip").unwrap_or(0.0);
    let named_zstd = entries.iter().find(|entry| entry.media_type == "zstd");
    let zstd = named_zstd.map_or(0.0, |entry| entry.quality);
    // Not named, it is allowed, but anything that is named is preferred.
    let identity = quality("identity").unwrap_or(f64::MIN_POSITIVE);
    if identity >= gzip && identity >= zstd {
        Compression::Identity
    } else if gzip >= zstd {
        Compression::Gzip
    } else {
        Compression::Zstd
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily";
    const PROMETHEUS_3: &str = concat!(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,",
        "application/openmetrics-text;version=0.0.1;q=0.5,",
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    );
    const PROMETHEUS_2: &str = concat!(
        "application/openmetrics-text;version=1.0.0;q=0.5,",
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    );

    #[test]
    fn the_best_format_that_is_known_is_chosen() {
        let cases = [
            ("", false, Format::Text004, "underscores"),
            ("*/*", false, Format::Text004, "underscores"),
            ("application/json", false, Format::Text004, "underscores"),
            (PROMETHEUS_2, false, Format::Text004, "underscores"),
            (PROMETHEUS_2, true, Format::OpenMetrics100, "underscores"),
            (PROMETHEUS_3, false, Format::Text100, "allow-utf-8"),
            (PROMETHEUS_3, true, Format::OpenMetrics100, "allow-utf-8"),
            (
                "application/openmetrics-text;version=1.0.0",
                false,
                Format::Text004,
                "underscores",
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.2",
                false,
                Format::Text004,
                "allow-utf-8",
            ),
            ("text/plain;escaping=dots", false, Format::Text004, "dots"),
            ("text/plain;escaping=what", false, Format::Text004, "underscores"),
            (
                "text/plain;q=0.1,application/vnd.google.protobuf;encoding=delimited",
                false,
                Format::Text004,
                "underscores",
            ),
        ];
        for (accept, openmetrics, expected, scheme) in cases {
            let (chosen, escaping) = format(&with(ACCEPT, accept), openmetrics);
            assert_eq!((chosen, escaping.as_parameter()), (expected, scheme), "{accept}");
        }
    }

    #[test]
    fn protobuf_comes_in_three_encodings() {
        let cases = [
            ("delimited", Format::ProtobufDelimited),
            ("text", Format::ProtobufText),
            ("compact-text", Format::ProtobufCompact),
            ("\"delimited\"", Format::Text004),
            ("other", Format::Text004),
        ];
        for (encoding, expected) in cases {
            let accept = format!("{PROTOBUF};encoding={encoding}");
            assert_eq!(format(&with(ACCEPT, &accept), false).0, expected, "{encoding}");
        }
    }

    #[test]
    fn compression_follows_quality() {
        let cases = [
            ("", Compression::Identity),
            ("gzip", Compression::Gzip),
            ("gzip, deflate, br, zstd", Compression::Gzip),
            ("zstd", Compression::Zstd),
            ("gzip;q=0.5, zstd", Compression::Zstd),
            ("gzip;q=0.5, identity;q=0.8", Compression::Identity),
            ("gzip, identity", Compression::Identity),
            ("*", Compression::Identity),
            ("identity;q=0, *", Compression::Gzip),
            ("gzip;q=0", Compression::Identity),
            ("GZIP", Compression::Identity),
            ("deflate, br", Compression::Identity),
        ];
        for (accept, expected) in cases {
            assert_eq!(compression(&with(ACCEPT_ENCODING, accept)), expected, "{accept}");
        }
    }
}
