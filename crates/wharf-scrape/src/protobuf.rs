//! The body in protobuf, or in the text form of it.

use wharf_exposition::mend::mended;
use wharf_exposition::protobuf;
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_store::{FamilyView, Snapshot};

use crate::merge::{head_of, merge};
use crate::sink::Sink;

/// Renders the whole body, as text in this style, if there is one.
pub(crate) fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    style: Option<protobuf::TextStyle>,
) {
    let mut message = Vec::new();
    let mut out = Vec::new();
    for merged in merge(own, snapshot) {
        let Some(head) = head_of(own, &merged) else {
            continue;
        };
        protobuf::write_head(&mut message, &head, escaping);
        if let Some(family) = merged.own {
            protobuf::write_metrics(&mut message, own, family, escaping);
        }
        for fragment in merged.pushed.iter().flat_map(FamilyView::fragments) {
            fragment.decode(|exposition, family| {
                let exposition = mended(exposition, family);
                protobuf::write_metrics(&mut message, &exposition, family, escaping);
            });
        }
        if let Some(style) = style {
            protobuf::write_text(&mut out, &message, style);
        } else {
            protobuf::write_length(&mut out, message.len());
            out.extend_from_slice(&message);
        }
        sink.text(&out);
        message.clear();
        out.clear();
    }
}
