//! A family in several messages, each with some of its metrics.

use super::wire::{Reader, Wire};

/// Takes a `MetricFamily` message, without length, apart into messages that have the same head and each some of the metrics, in
/// their order: so many bytes of them, or the one that is larger. A family without metrics is one message.
///
/// Each is made when it is asked for. What cannot be read ends it.
pub fn pieces(message: &[u8], metric_bytes: usize) -> impl Iterator<Item = Vec<u8>> + Send {
    let mut head = Vec::new();
    each_field(message, |field, is_metric| {
        if !is_metric {
            head.extend_from_slice(field);
        }
        true
    });
    let (mut rest, mut is_first) = (message, true);
    std::iter::from_fn(move || {
        let mut piece = head.clone();
        let full = head.len().saturating_add(metric_bytes);
        let mut read = 0;
        each_field(rest, |field, is_metric| {
            if is_metric {
                piece.extend_from_slice(field);
            }
            read += field.len();
            !is_metric || piece.len() < full
        });
        rest = rest.get(read..).unwrap_or_default();
        (std::mem::take(&mut is_first) || piece.len() > head.len()).then_some(piece)
    })
}

/// Calls `visit` with the bytes of each field of the message, and whether it is a metric, until that says that it is enough.
fn each_field(message: &[u8], mut visit: impl FnMut(&[u8], bool) -> bool) {
    let mut fields = Reader::new(message);
    loop {
        let before = fields.bytes();
        let Ok(Some((number, value))) = fields.field() else {
            return;
        };
        let length = before.len() - fields.bytes().len();
        let is_metric = number == 4 && matches!(value, Wire::Bytes(_));
        if !visit(before.get(..length).unwrap_or_default(), is_metric) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_model::name::{EscapingScheme, NameRule};

    use crate::protobuf::{decode, encode, write_length};
    use crate::text;

    use super::*;

    fn message(body: &str) -> Vec<u8> {
        let options = text::Options {
            names: NameRule::Legacy,
            strict: false,
        };
        let exposition = text::decode(body.as_bytes(), options).unwrap();
        let delimited = encode(&exposition, EscapingScheme::AllowUtf8);
        Reader::new(&delimited)
            .delimited()
            .unwrap()
            .unwrap()
            .bytes()
            .to_vec()
    }

    #[test]
    fn the_metrics_of_all_pieces_are_those_of_the_family() {
        let body = (0..50)
            .map(|n| format!("m{{a=\"{n}\"}} {n}\n"))
            .collect::<Vec<_>>()
            .concat();
        let message = message(&format!("# HELP m Some.\n# TYPE m counter\n{body}"));
        for (bytes, count) in [(0, 50), (1, 50), (100, 5), (1 << 20, 1)] {
            let mut found = String::new();
            let all: Vec<_> = pieces(&message, bytes).collect();
            assert!(all.len() >= count, "{bytes}: {}", all.len());
            for piece in all {
                let mut delimited = Vec::new();
                write_length(&mut delimited, piece.len());
                delimited.extend_from_slice(&piece);
                let exposition = decode(&delimited).unwrap();
                let family = &exposition.families[0];
                assert_eq!(exposition.text(family.help.unwrap()), "Some.");
                for metric in &family.metrics {
                    let (_, value) = exposition.labels(metric.labels).next().unwrap();
                    found.extend(["m{a=\"", value, "\"} ", value, "\n"]);
                }
            }
            assert_eq!(found, body);
        }
    }

    #[test]
    fn a_family_without_metrics_is_one_piece() {
        let empty = message("# TYPE m gauge\nm 1\n");
        let head: Vec<_> = pieces(&empty, 0).map(|piece| piece.len()).collect();
        assert_eq!(head.len(), 1);
        let without = empty.get(..5).unwrap();
        assert_eq!(pieces(without, 9).collect::<Vec<_>>(), [without]);
    }
}
