//! The body in the text format: lines as they are stored, wherever the escaping allows it.

use std::sync::Arc;

use wharf_exposition::{Head, text};
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_store::Snapshot;

use crate::helpers::{Helpers, is_as_stored};
use crate::merge::merge;
use crate::sink::{SharedPiece, Sink};

/// Renders the whole body.
pub(crate) fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    mut helpers: Helpers<'_>,
) {
    let mut lines = Vec::new();
    for merged in merge(own, snapshot) {
        if let Some(family) = merged.own {
            let head = Head::of(own, family);
            text::write_header(&mut lines, head.name, head.help, head.metric_type, escaping);
            for metric in &family.metrics {
                let labels: Vec<_> = own.labels(metric.labels).collect();
                text::write_metric(&mut lines, own, head.name, &labels, metric.value, escaping);
            }
            sink.text(&lines);
            lines.clear();
        }
        let Some(view) = merged.pushed else { continue };
        if merged.own.is_none() {
            if escaping == EscapingScheme::AllowUtf8 || !view.has_utf8_name() {
                sink.piece(&SharedPiece::Header(Arc::clone(view.header())));
            } else {
                sink.text(&view.render_header(escaping));
            }
        }
        for leaf in view.leaves() {
            helpers.pass(sink.recompressed());
            if is_as_stored(leaf, escaping) {
                sink.piece(&SharedPiece::Leaf(Arc::clone(leaf)));
                continue;
            }
            for fragment in leaf.fragments(view.name()) {
                fragment.render(&mut lines, escaping);
                sink.text(&lines);
                lines.clear();
            }
        }
    }
}
