//! Which decoder a body is for.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The format of a pushed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyFormat {
    /// The text format, also where nothing or something unknown is named.
    Text,
    /// `OpenMetrics`.
    OpenMetrics,
    /// Delimited protobuf messages.
    Protobuf,
}

/// The format that the `Content-Type` names. Everything unknown, malformed or missing is text, as the Pushgateway
/// has it.
pub(crate) fn format(headers: &HeaderMap) -> BodyFormat {
    let mut parts = content_type(headers).split(';');
    let media_type = parts.next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        return BodyFormat::OpenMetrics;
    }
    if !media_type.eq_ignore_ascii_case("application/vnd.google.protobuf") {
        return BodyFormat::Text;
    }
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let has = |name: &str, value: &str| {
        parameters.iter().any(|(key, found)| {
            key.trim().eq_ignore_ascii_case(name) && found.trim().trim_matches('"') == value
        })
    };
    if has("proto", "io.prometheus.client.MetricFamily") && has("encoding", "delimited") {
        BodyFormat::Protobuf
    } else {
        BodyFormat::Text
    }
}

/// What the `Content-Type` names, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    content_type(headers).split(';').next().unwrap_or_default().trim()
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn content_types_choose_the_decoder() {
        let cases = [
            ("", BodyFormat::Text),
            ("text/plain; version=0.0.4", BodyFormat::Text),
            ("application/json", BodyFormat::Text),
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                BodyFormat::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                BodyFormat::Protobuf,
            ),
            (
                "Application/vnd.google.protobuf;ENCODING=\"delimited\" ; x=y; proto=io.prometheus.client.MetricFamily",
                BodyFormat::Protobuf,
            ),
            (
                "application/vnd.google.protobuf; encoding=delimited",
                BodyFormat::Text,
            ),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text",
                BodyFormat::Text,
            ),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(format(&headers), expected, "{value}");
        }
        assert_eq!(format(&HeaderMap::new()), BodyFormat::Text);
    }
}
