//! No bytes make the protobuf decoder panic or allocate more than it asks for, and what it decodes it decodes again from
//! what is encoded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_exposition::Head;
use wharf_exposition::protobuf::{
    TextStyle, decode, decode_within, encode, write_head, write_metrics, write_text,
};
use wharf_fuzz::{DECODING, within_memory};
use wharf_model::name::EscapingScheme;

fuzz_target!(|body: &[u8]| {
    let decoded = within_memory(body.len(), DECODING, |memory| decode_within(body, memory));
    let Ok(exposition) = decoded else { return };
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    let again = decode(&encoded).expect("what is encoded can be decoded");
    let encoded_again = encode(&again, EscapingScheme::AllowUtf8);
    assert_eq!(encoded, encoded_again);
    for family in &exposition.families {
        for style in [TextStyle::MultiLine, TextStyle::Compact] {
            let mut message = Vec::new();
            write_head(
                &mut message,
                &Head::of(&exposition, family),
                EscapingScheme::Values,
            );
            write_metrics(&mut message, &exposition, family, EscapingScheme::Values);
            write_text(&mut Vec::new(), &message, style);
        }
    }
});
