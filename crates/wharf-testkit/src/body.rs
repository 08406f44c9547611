//! Compressed request bodies.

use std::io::Write as _;

/// `plain` as one gzip member.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// `plain` as a zlib stream, which is what HTTP calls `deflate`.
pub fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// `plain` as one Zstandard frame.
pub fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 1).expect("a vector takes every byte")
}

/// `plain` in Snappy's framing format.
pub fn snappy_framed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(plain).expect("a vector takes every byte");
    encoder.into_inner().expect("a vector takes every byte")
}

/// `plain` in Snappy's block format.
pub fn snappy_block(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new()
        .compress_vec(plain)
        .expect("the body of a test is far below 4 GiB")
}

/// Decompresses a response body with the `Content-Encoding` it came with.
///
/// # Errors
/// When the body is not in that encoding, or the encoding is not one that a gateway may use.
pub fn decompress(encoding: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => {
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(body), &mut plain)?;
        }
        "zstd" => plain = zstd::decode_all(body)?,
        other => {
            return Err(std::io::Error::other(format!(
                "unexpected content encoding `{other}`"
            )));
        }
    }
    Ok(plain)
}
