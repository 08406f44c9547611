//! Bodies of scrapes, as those see them who read them again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod compressions;
mod formats;
mod forms;
mod helpers;
mod mended;
mod order;
mod pieces;
mod strict;

use std::io::Read;

use wharf_exposition::text;
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, GroupingKey};
use wharf_scrape::{Compression, Format, Rendered, Wanted, render};
use wharf_store::{PushMode, Reserved, Store, UnixNanos};

const FORMATS: [Format; 7] = [
    Format::Text004,
    Format::Text100,
    Format::OpenMetrics001,
    Format::OpenMetrics100,
    Format::ProtobufDelimited,
    Format::ProtobufText,
    Format::ProtobufCompact,
];

/// Text with all names in UTF-8, not compressed.
const PLAIN: Wanted = Wanted {
    format: Format::Text100,
    escaping: EscapingScheme::AllowUtf8,
    compression: Compression::Identity,
};

fn store() -> Store {
    Store::new(Reserved::default(), 1 << 24)
}

/// Bodies in all formats and compressions.
fn all_wanted() -> impl Iterator<Item = Wanted> {
    let compressions = [Compression::Identity, Compression::Gzip, Compression::Zstd];
    FORMATS.into_iter().flat_map(move |format| {
        compressions.map(|compression| Wanted {
            format,
            compression,
            ..PLAIN
        })
    })
}

/// What a body in the text format says.
fn decoded(body: &str) -> Exposition<'_> {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: true,
    };
    text::decode(body.as_bytes(), options).unwrap()
}

/// Replaces the group of a job.
fn put(store: &Store, job: &str, pushed: &Exposition<'_>) {
    let key = GroupingKey::new([("job", job)]).unwrap();
    let at = UnixNanos(1_000_000_000);
    drop(store.push(&key, PushMode::ReplaceGroup, pushed, at).unwrap());
}

fn joined(rendered: &Rendered) -> Vec<u8> {
    assert!(rendered.parts.iter().all(|part| !part.is_empty()));
    rendered.parts.concat()
}

/// The body without its compression.
fn inflated(rendered: &Rendered, compression: Compression) -> Vec<u8> {
    let body = joined(rendered);
    let mut text = Vec::new();
    match compression {
        Compression::Identity => return body,
        Compression::Gzip => {
            // One member, and nothing behind it.
            let mut decoder = flate2::bufread::GzDecoder::new(body.as_slice());
            decoder.read_to_end(&mut text).unwrap();
            assert!(decoder.into_inner().is_empty());
        }
        Compression::Zstd => text = zstd::stream::decode_all(body.as_slice()).unwrap(),
    }
    text
}

/// All of a store in the text format.
fn shown(own: &Exposition<'_>, store: &Store) -> String {
    let rendered = render(own, &store.snapshot(), PLAIN);
    String::from_utf8(joined(&rendered)).unwrap()
}
