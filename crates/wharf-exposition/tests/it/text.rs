//! The text format.

mod errors;
mod round_trip;
mod samples;

use wharf_exposition::text::{Options, decode};
use wharf_model::name::NameRule;

const LENIENT: Options = Options {
    names: NameRule::Legacy,
    strict: false,
};
const STRICT: Options = Options {
    names: NameRule::Legacy,
    strict: true,
};
const UTF8: Options = Options {
    names: NameRule::Utf8,
    strict: false,
};

/// What a body decodes to, or the error with its hints.
fn outcome(body: &[u8], options: Options) -> String {
    match decode(body, options) {
        Ok(exposition) => format!("{exposition:?}"),
        Err(error) => error.to_string(),
    }
}

/// The error of a body without the hints, as the Pushgateway words it.
fn first_line(body: &[u8], options: Options) -> String {
    decode(body, options).err().map_or_else(String::new, |error| {
        error.to_string().lines().next().unwrap_or_default().to_owned()
    })
}
