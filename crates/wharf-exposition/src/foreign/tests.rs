use proptest::prelude::*;
use wharf_testkit::body::{deflate, gzip, snappy_block, snappy_framed, zstd};

use super::*;

const TEXT: &str = "# HELP jobs_total Jobs that were done.\n# TYPE jobs_total counter\njobs_total{queue=\"a\"} 3\n\
                    jobs_total{queue=\"b\"} 4\njobs_total{queue=\"c\"} 5\n";

fn utf16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn bodies_are_known_by_how_they_begin() {
    let text = TEXT.as_bytes();
    let request = b"\x0a\x1a\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x08\x09\0\0\0\0\0\0\0\0";
    let cases: Vec<(Vec<u8>, Foreign)> = vec![
        (gzip(text), Foreign::Gzip),
        (gzip(b""), Foreign::Gzip),
        (zstd(text), Foreign::Zstd),
        (deflate(text), Foreign::Zlib),
        (deflate(b"m 1\n"), Foreign::Zlib),
        (snappy_framed(text), Foreign::SnappyFramed),
        (snappy_block(text), Foreign::SnappyBlock),
        (snappy_block(&text.repeat(500)), Foreign::SnappyBlock),
        (snappy_block(b"m 1\n"), Foreign::SnappyBlock),
        (request.to_vec(), Foreign::RemoteWrite),
        (snappy_block(request), Foreign::RemoteWrite),
        (b"\x1a\x0a\x06mymetr\x18\x00\"\x00".to_vec(), Foreign::Protobuf),
        (utf16(TEXT, u16::to_le_bytes), Foreign::Utf16),
        (utf16(TEXT, u16::to_be_bytes), Foreign::Utf16),
        (
            utf16(&format!("\u{feff}{TEXT}"), u16::to_le_bytes),
            Foreign::Utf16,
        ),
        (
            utf16(&format!("\u{feff}{TEXT}"), u16::to_be_bytes),
            Foreign::Utf16,
        ),
        (format!("\u{feff}{TEXT}").into_bytes(), Foreign::Utf8Mark),
        (b"\x0a\x06mymetr\x18\x00\"\x00".to_vec(), Foreign::Protobuf),
        (b"BZh91AY&SY\x00\x01".to_vec(), Foreign::Archive),
        (b"\xfd7zXZ\x00\x00\x04".to_vec(), Foreign::Archive),
        (b"\n <!DOCTYPE html><html>".to_vec(), Foreign::Html),
        (b"<html>".to_vec(), Foreign::Html),
        (b"<?xml version=\"1.0\"?>".to_vec(), Foreign::Xml),
        (b"{\"status\":\"success\"}".to_vec(), Foreign::Json),
        (b"{\n  \"a\" : 1\n}\n".to_vec(), Foreign::Json),
        (b"[1]".to_vec(), Foreign::Json),
        (b"{\"jobs\": []}\n".to_vec(), Foreign::Json),
        (b"---\njobs: 3\n".to_vec(), Foreign::Yaml),
        (
            b"--------------------------d1\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nm 1\n"
                .to_vec(),
            Foreign::Multipart,
        ),
        (b"%23+TYPE+m+gauge%0Am+1%0A".to_vec(), Foreign::UrlEncoded),
        (b"HTTP/1.1 200 OK\r\n\r\nm 1\n".to_vec(), Foreign::HttpHead),
        (b"metrics.prom".to_vec(), Foreign::FileName),
        (b"@/tmp/metrics".to_vec(), Foreign::FileName),
        (b"/tmp/metrics\n".to_vec(), Foreign::FileName),
    ];
    for (body, expected) in cases {
        assert_eq!(Foreign::of(&body), Some(expected), "{}", body.escape_ascii());
    }
}

#[test]
fn lines_of_other_systems_are_known() {
    let cases = [
        (
            "cpu,host=a usage=1.5,idle=98.5 1465839830100400200",
            Foreign::Influx,
        ),
        ("cpu usage=1.5", Foreign::Influx),
        (
            "weather,location=us-midwest temperature=82,note=\"too hot\" 1465839830100400200",
            Foreign::Influx,
        ),
        ("disk,path=/ used=5i\r", Foreign::Influx),
        (
            r"my\ disk,mount\ point=/my\ data,a\,b=c\=d used\ bytes=5i 1",
            Foreign::Influx,
        ),
        ("servers.web-1.load 0.5 1465839830", Foreign::Graphite),
        ("disk.used;host=a 5 -1", Foreign::Graphite),
        ("page.views:1|c", Foreign::StatsD),
        ("page.views:1|c|@0.1|#host:a", Foreign::StatsD),
        ("latency:320|ms", Foreign::StatsD),
        ("users:ann|s", Foreign::StatsD),
    ];
    for (line, expected) in cases {
        assert_eq!(Foreign::of_line(line.as_bytes()), Some(expected), "{line}");
    }
}

#[test]
fn what_is_merely_wrong_is_nothing_else() {
    let bodies = [
        "",
        "\n",
        "m",
        "m 1",
        "m one\n",
        "m{a='b'} 1\n",
        "{\"m.x\"} 1\n",
        "{\"m.x\",a=\"b\"} x\n",
        "{\"\" } 1\n",
        "foo-bar 1\n",
        "m 1,5\n",
        "m=1\n",
        "# TYPE m integer\n",
        "m{a=\"=\"} x=1\n",
        "x^2 5\n",
        "-e m 1\n",
        "m\u{7f}ä 1\n",
        "a.b.c 5\n",
        "ns:job:rate 5|\n",
    ];
    for body in bodies {
        assert_eq!(Foreign::of(body.as_bytes()), None, "{body}");
        assert_eq!(Foreign::of_line(body.as_bytes()), None, "{body}");
    }
    assert_eq!(Foreign::of(TEXT.as_bytes()), None);
    let long = format!("{}ä", "x".repeat(SEARCHED_BYTES - 1));
    assert_eq!(
        Foreign::of(long.as_bytes()),
        None,
        "a character is cut where the search ends"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_something_or_nothing(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _body = Foreign::of(&body);
        let _line = Foreign::of_line(&body);
    }

    #[test]
    fn what_was_compressed_is_known(text in "[a-z_]{1,20}(\\{[a-z]=\"[a-z]{0,5}\"\\})? [0-9]{1,9}\n", times in 1_usize..40) {
        let text = text.repeat(times).into_bytes();
        prop_assert_eq!(Foreign::of(&gzip(&text)), Some(Foreign::Gzip));
        prop_assert_eq!(Foreign::of(&zstd(&text)), Some(Foreign::Zstd));
        prop_assert_eq!(Foreign::of(&deflate(&text)), Some(Foreign::Zlib));
        prop_assert_eq!(Foreign::of(&snappy_framed(&text)), Some(Foreign::SnappyFramed));
    }

    /// A block whose length is a character and that has no copies looks like text: then nothing is said.
    #[test]
    fn a_block_is_known_where_it_is_not_text(text in "([a-z_]{1,20} [0-9]{1,9}\n){1,30}") {
        let block = snappy_block(text.as_bytes());
        let expected = is_binary(block.get(..SEARCHED_BYTES).unwrap_or(&block));
        prop_assert_eq!(Foreign::of(&block) == Some(Foreign::SnappyBlock), expected);
    }

    #[test]
    fn what_decodes_is_nothing_else(text in "([a-z_]{1,20}(\\{[a-z]=\"[a-zäöü/=:|., ]{0,12}\"\\})? [0-9]{1,9}\n){1,5}") {
        let options = crate::text::Options::default();
        prop_assume!(crate::text::decode(text.as_bytes(), options).is_ok());
        prop_assert_eq!(Foreign::of(text.as_bytes()), None);
    }
}
