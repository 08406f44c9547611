//! The body in the text format: lines as they are stored, wherever the escaping allows it.

use std::sync::Arc;

use wharf_exposition::{Head, text};
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_store::Snapshot;

use crate::helpers::{self, Helpers, is_as_stored};
use crate::merge::{Merged, merge};
use crate::metrics::Whole;
use crate::shown::{self, Shown, labels_may_clash, names_may_clash};
use crate::sink::{SharedPiece, Sink};

/// Renders the whole body. Returns how many metrics were left out.
pub(crate) async fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    helpers: Helpers<'_>,
) -> u64 {
    let mut body = Body {
        own,
        snapshot,
        escaping,
        sink,
        helpers,
        lines: Vec::new(),
        left_out: 0,
    };
    if names_may_clash(snapshot, escaping) {
        for shown in shown::families(own, snapshot, escaping) {
            match shown.alone() {
                Some(merged) => body.family(merged).await,
                None => body.shown(&shown).await,
            }
        }
        return body.left_out;
    }
    for merged in merge(own, snapshot) {
        if merged.pushed.is_some_and(|view| labels_may_clash(view, escaping)) {
            if let Some(shown) = Shown::of(own, merged, escaping) {
                body.shown(&shown).await;
            }
        } else {
            body.family(&merged).await;
        }
    }
    body.left_out
}

struct Body<'b, 's> {
    own: &'b Exposition<'b>,
    snapshot: &'b Snapshot,
    escaping: EscapingScheme,
    sink: &'b mut Sink,
    helpers: Helpers<'s>,
    lines: Vec<u8>,
    left_out: u64,
}

impl Body<'_, '_> {
    /// A family that has its name, and each series its labels, for itself.
    async fn family(&mut self, merged: &Merged<'_>) {
        let (own, escaping) = (self.own, self.escaping);
        if let Some(family) = merged.own {
            let head = Head::of(own, family);
            text::write_header(&mut self.lines, head.name, head.help, head.metric_type, escaping);
            let mut labels = Vec::new();
            for metric in &family.metrics {
                labels.clear();
                labels.extend(own.labels(metric.labels));
                text::write_metric(&mut self.lines, own, head.name, &labels, metric.value, escaping);
            }
            self.flush();
        }
        let Some(view) = merged.pushed else { return };
        if merged.own.is_none() {
            if escaping == EscapingScheme::AllowUtf8 || !view.has_utf8_name() {
                self.sink.piece(&SharedPiece::Header(Arc::clone(view.header())));
            } else {
                self.sink.text(&view.render_header(escaping));
            }
        }
        for leaf in view.leaves() {
            self.pass_leaf();
            debug_assert!(is_as_stored(leaf, escaping));
            self.sink.leaf(leaf).await;
        }
    }

    /// A family with names that are not those it is stored with.
    async fn shown(&mut self, shown: &Shown<'_>) {
        let (own, escaping) = (self.own, self.escaping);
        let head = shown.head(shown.metric_type);
        text::write_header(&mut self.lines, head.name, head.help, head.metric_type, escaping);
        let mut reader = shown.reader(escaping);
        for metrics in shown.metrics(own, Whole::SMALL) {
            let lines = &mut self.lines;
            reader.read(&metrics, |exposition, family| {
                for metric in &family.metrics {
                    let labels: Vec<_> = exposition.labels(metric.labels).collect();
                    text::write_metric(lines, exposition, head.name, &labels, metric.value, escaping);
                }
            });
            self.flush();
            self.sink.pass().await;
        }
        self.left_out += reader.left_out();
        self.flush();
        let views = shown.sources().filter_map(|source| source.merged.pushed);
        for _ in views.flat_map(|view| view.leaves()) {
            self.pass_leaf();
        }
    }

    fn pass_leaf(&mut self) {
        let (snapshot, escaping) = (self.snapshot, self.escaping);
        self.helpers
            .pass(self.sink.recompressed(), || helpers::text_of(snapshot, escaping));
    }

    fn flush(&mut self) {
        self.sink.text(&self.lines);
        self.lines.clear();
    }
}
