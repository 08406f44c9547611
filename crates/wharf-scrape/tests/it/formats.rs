use std::collections::BTreeMap;

use wharf_exposition::{Head, openmetrics, protobuf, text};
use wharf_model::Exposition;
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_scrape::{Compression, Format, Wanted, render};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use crate::{PLAIN, decoded, inflated, put, store};

/// What all formats can say, with the labels of the group on each line.
const TEXT: &str = concat!(
    "# HELP c_total A counter.\n# TYPE c_total counter\n",
    "c_total{instance=\"\",job=\"a\",status=\"failed\"} 1\nc_total{instance=\"\",job=\"a\",status=\"ok\"} 1e300\n",
    "# HELP g A gauge with \\\\ and \\n\n# TYPE g gauge\ng{instance=\"\",job=\"a\",x=\"\\\"\\\\\\n\"} -0.5\n",
    "# HELP h A histogram.\n# TYPE h histogram\n",
    "h_bucket{instance=\"\",job=\"a\",le=\"0.5\"} 2\nh_bucket{instance=\"\",job=\"a\",le=\"+Inf\"} 3\n",
    "h_sum{instance=\"\",job=\"a\"} 1.5\nh_count{instance=\"\",job=\"a\"} 3\n",
    "# HELP s A summary.\n# TYPE s summary\ns{instance=\"\",job=\"a\",quantile=\"0.5\"} 7\n",
    "s_sum{instance=\"\",job=\"a\"} 9\ns_count{instance=\"\",job=\"a\"} 2\n",
    "# HELP u Of any kind.\n# TYPE u untyped\nu{instance=\"\",job=\"a\"} 1\n",
);

/// What only `OpenMetrics` and protobuf can say.
const RICH: &str = concat!(
    "# HELP c A counter.\n# TYPE c counter\n",
    "c_total{instance=\"\",job=\"a\"} 3.0 # {trace_id=\"x\"} 1.0 1.5\nc_created{instance=\"\",job=\"a\"} 12.5\n",
    "# HELP h_seconds A histogram.\n# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n",
    "h_seconds_bucket{instance=\"\",job=\"a\",le=\"+Inf\"} 3 # {trace_id=\"y\"} 0.5\n",
    "h_seconds_count{instance=\"\",job=\"a\"} 3\nh_seconds_sum{instance=\"\",job=\"a\"} 1.5\n",
    "# EOF\n"
);

/// Each family by its name, in protobuf's text form; the times of the group left out.
fn families(exposition: &Exposition<'_>) -> BTreeMap<String, String> {
    let mut families = BTreeMap::new();
    for family in &exposition.families {
        let head = Head::of(exposition, family);
        if [PUSH_TIME, PUSH_FAILURE_TIME].contains(&head.name) {
            continue;
        }
        let (mut message, mut shown) = (Vec::new(), Vec::new());
        protobuf::write_head(&mut message, &head, EscapingScheme::AllowUtf8);
        protobuf::write_metrics(&mut message, exposition, family, EscapingScheme::AllowUtf8);
        protobuf::write_text(&mut shown, &message, protobuf::TextStyle::MultiLine);
        families.insert(head.name.to_owned(), String::from_utf8(shown).unwrap());
    }
    families
}

/// Scrapes what was pushed, and compares it with what is read back.
#[track_caller]
fn check(pushed: &Exposition<'_>, format: Format) {
    let store = store();
    put(&store, "a", pushed);
    for compression in [Compression::Identity, Compression::Gzip, Compression::Zstd] {
        let wanted = Wanted {
            format,
            compression,
            ..PLAIN
        };
        let rendered = render(&Exposition::default(), &store.snapshot(), wanted);
        let body = inflated(&rendered, compression);
        let names = NameRule::Utf8;
        let read = match format {
            Format::Text004 | Format::Text100 => {
                text::decode(&body, text::Options { names, strict: true }).unwrap()
            }
            Format::OpenMetrics001 | Format::OpenMetrics100 => {
                openmetrics::decode(&body, openmetrics::Options { names }).unwrap()
            }
            _ => protobuf::decode(&body).unwrap(),
        };
        assert_eq!(families(&read), families(pushed), "{compression:?}");
    }
}

#[test]
fn text_is_read_back() {
    check(&decoded(TEXT), Format::Text004);
    check(&decoded(TEXT), Format::Text100);
}

#[test]
fn openmetrics_is_read_back() {
    check(&decoded(TEXT), Format::OpenMetrics001);
    let options = openmetrics::Options {
        names: NameRule::Utf8,
    };
    let rich = openmetrics::decode(RICH.as_bytes(), options).unwrap();
    check(&rich, Format::OpenMetrics001);
    check(&rich, Format::OpenMetrics100);
}

#[test]
fn protobuf_is_read_back() {
    check(&decoded(TEXT), Format::ProtobufDelimited);
    let options = openmetrics::Options {
        names: NameRule::Utf8,
    };
    let rich = openmetrics::decode(RICH.as_bytes(), options).unwrap();
    check(&rich, Format::ProtobufDelimited);
}

#[test]
fn each_format_says_what_it_is() {
    let types = [
        (
            Format::Text004,
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        ),
        (
            Format::OpenMetrics100,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
    ];
    for (format, expected) in types {
        assert_eq!(format.content_type(EscapingScheme::Underscores), expected);
    }
}
