//! Bodies that take much more memory than they have bytes when they are read, one for each list that a decoder fills.

use crate::protobuf::{Message, delimited};

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format.
    Text,
    /// `OpenMetrics`.
    OpenMetrics,
    /// Protobuf.
    Protobuf,
}

/// A kind of body.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What there is much of.
    pub name: &'static str,
    /// What it is written in.
    pub format: Format,
    /// Such a body of about so many bytes.
    pub body: fn(usize) -> Vec<u8>,
}

type Named = (&'static str, fn(usize) -> Vec<u8>);

/// All kinds.
pub fn shapes() -> Vec<Shape> {
    let of = |format, shapes: &[Named]| {
        let shapes = shapes.iter().map(|(name, body)| Shape {
            name,
            format,
            body: *body,
        });
        shapes.collect::<Vec<_>>()
    };
    [
        of(Format::Text, TEXT),
        of(Format::OpenMetrics, OPENMETRICS),
        of(Format::Protobuf, PROTOBUF),
    ]
    .concat()
}

/// Lines until there are so many bytes.
fn lines(head: &str, bytes: usize, line: fn(usize) -> String) -> Vec<u8> {
    let mut body = head.to_owned();
    let mut number = 0;
    while body.len() < bytes {
        body.push_str(&line(number));
        number += 1;
    }
    body.into_bytes()
}

fn one_series(bytes: usize, label: fn(usize) -> String) -> Vec<u8> {
    let mut body = lines("m{", bytes, label);
    body.extend_from_slice(b"} 1\n");
    body
}

const TEXT: &[Named] = &[
    ("series", |bytes| {
        lines("", bytes, |n| format!("m{{a=\"{n}\"}} 1\n"))
    }),
    ("series without labels, the same again", |bytes| {
        lines("", bytes, |_| "m 1\n".to_owned())
    }),
    ("families", |bytes| lines("", bytes, |n| format!("m{n} 1\n"))),
    ("families without metrics", |bytes| {
        lines("", bytes, |n| format!("# TYPE m{n} gauge\n"))
    }),
    ("timestamps", |bytes| lines("", bytes, |_| "m 1 1\n".to_owned())),
    ("labels of one series", |bytes| {
        one_series(bytes, |n| format!("a{n}=\"\","))
    }),
    ("labels of few bytes", |bytes| {
        lines("", bytes, |_| "m{a=\"\",b=\"\",c=\"\"} 1\n".to_owned())
    }),
    ("summaries", |bytes| {
        lines("# TYPE s summary\n", bytes, |n| format!("s_sum{{a=\"{n}\"}} 1\n"))
    }),
    ("quantiles", |bytes| {
        lines("# TYPE s summary\n", bytes, |_| {
            "s{quantile=\"1\"} 1\n".to_owned()
        })
    }),
    ("quantiles in no order", |bytes| {
        lines("# TYPE s summary\n", bytes, |n| {
            format!("s{{a=\"{}\",quantile=\"1\"}} 1\n", n % 3)
        })
    }),
    ("histograms", |bytes| {
        lines("# TYPE h histogram\n", bytes, |n| {
            format!("h_sum{{a=\"{n}\"}} 1\n")
        })
    }),
    ("buckets", |bytes| {
        lines("# TYPE h histogram\n", bytes, |_| {
            "h_bucket{le=\"1\"} 1\n".to_owned()
        })
    }),
    ("buckets in no order", |bytes| {
        lines("# TYPE h histogram\n", bytes, |n| {
            format!("h_bucket{{a=\"{}\",le=\"1\"}} 1\n", n % 3)
        })
    }),
    ("a name", |bytes| [vec![b'm'; bytes], b" 1\n".to_vec()].concat()),
    ("help with escapes", |bytes| {
        [b"# HELP m ".to_vec(), vec![b'\\'; bytes], b"\nm 1\n".to_vec()].concat()
    }),
    ("help that is not UTF-8", |bytes| {
        [b"# HELP m ".to_vec(), vec![0xff; bytes], b"\nm 1\n".to_vec()].concat()
    }),
    ("a label value with escapes", |bytes| {
        [b"m{a=\"".to_vec(), b"\\\\".repeat(bytes / 2), b"\"} 1\n".to_vec()].concat()
    }),
];

const OPENMETRICS: &[Named] = &[
    ("series", |bytes| {
        end(lines("# TYPE m gauge\n", bytes, |n| {
            format!("m{{a=\"{n}\"}} 1\n")
        }))
    }),
    ("points of one series", |bytes| {
        end(lines("# TYPE m gauge\n", bytes, |n| format!("m 1 {n}\n")))
    }),
    ("families", |bytes| end(lines("", bytes, |n| format!("m{n} 1\n")))),
    ("families without metrics", |bytes| {
        end(lines("", bytes, |n| format!("# TYPE m{n} histogram\n")))
    }),
    ("labels of one series", |bytes| {
        end(one_series(bytes, |n| {
            let comma = if n == 0 { "" } else { "," };
            format!("{comma}a{n}=\"\"")
        }))
    }),
    ("labels in another order", |bytes| {
        let labels = |order: &mut dyn Iterator<Item = usize>| {
            let labels: Vec<String> = order.map(|n| format!("a{n}=\"\"")).collect();
            format!("m{{{}}} 1\n", labels.join(","))
        };
        let count = bytes / 20;
        end((labels(&mut (0..count)) + &labels(&mut (0..count).rev())).into_bytes())
    }),
    ("exemplars", |bytes| {
        end(lines("# TYPE c counter\n", bytes, |n| {
            format!("c_total{{a=\"{n}\"}} 1 # {{}} 1\n")
        }))
    }),
    ("summaries", |bytes| {
        end(lines("# TYPE s summary\n", bytes, |n| {
            format!("s_sum{{a=\"{n}\"}} 1\n")
        }))
    }),
    ("quantiles in no order", |bytes| {
        end(lines("# TYPE s summary\n", bytes, |n| {
            format!("s{{quantile=\"0.{:07}\"}} 1\n", 9_999_999 - n)
        }))
    }),
    ("buckets", |bytes| {
        let mut body = lines("# TYPE h histogram\n", bytes, |n| {
            format!("h_bucket{{le=\"{n}\"}} 1\n")
        });
        body.extend_from_slice(b"h_bucket{le=\"+Inf\"} 1\n");
        end(body)
    }),
    ("states", |bytes| {
        end(lines("# TYPE s stateset\n", bytes, |n| {
            format!("s{{s=\"{n}\"}} 1\n")
        }))
    }),
    ("help with escapes", |bytes| {
        end([b"# HELP m ".to_vec(), vec![b'\\'; bytes], b"\nm 1\n".to_vec()].concat())
    }),
    ("a comment", |bytes| {
        end([vec![b'#'; bytes], b"\n".to_vec()].concat())
    }),
];

fn end(mut body: Vec<u8>) -> Vec<u8> {
    body.extend_from_slice(b"# EOF\n");
    body
}

/// So many bytes of the same fields again and again.
fn again(fields: &Message, bytes: usize) -> Message {
    fields.repeat(bytes / fields.as_bytes().len().max(1))
}

/// A family `m` of this type that goes on with these fields.
fn family(metric_type: u64, fields: &Message) -> Vec<u8> {
    delimited(&[Message::new().bytes(1, "m").varint(3, metric_type).append(fields)])
}

/// A summary of such fields.
fn summary(fields: &Message, bytes: usize) -> Vec<u8> {
    family(2, &metric(&Message::new().message(4, &again(fields, bytes))))
}

/// A histogram of such fields.
fn histogram(fields: &Message, bytes: usize) -> Vec<u8> {
    family(4, &metric(&Message::new().message(7, &again(fields, bytes))))
}

fn metric(fields: &Message) -> Message {
    Message::new().message(4, fields)
}

/// An empty message as a field.
fn empty(field: u32) -> Message {
    Message::new().bytes(field, "")
}

/// As many families as there is room for.
fn families(bytes: usize, family: fn(usize) -> Message) -> Vec<u8> {
    let mut body = Vec::new();
    let mut number = 0;
    while body.len() < bytes {
        body.extend(delimited(&[family(number)]));
        number += 1;
    }
    body
}

const PROTOBUF: &[Named] = &[
    ("quantiles", |bytes| summary(&empty(3), bytes)),
    ("buckets", |bytes| histogram(&empty(3), bytes)),
    ("exemplars of buckets", |bytes| {
        histogram(&Message::new().message(3, &empty(3)), bytes)
    }),
    ("native exemplars", |bytes| {
        histogram(&empty(16).append(&empty(12)), bytes)
    }),
    ("spans", |bytes| histogram(&empty(12), bytes)),
    ("deltas", |bytes| histogram(&Message::new().varint(13, 0), bytes)),
    ("packed deltas", |bytes| {
        histogram(&Message::new().bytes(10, vec![0; bytes]), 2 * bytes)
    }),
    ("counts", |bytes| {
        histogram(&Message::new().double(11, 0.0), bytes)
    }),
    ("native histograms", |bytes| {
        let native = Message::new().message(7, &empty(12).append(&empty(9)));
        family(4, &again(&metric(&native), bytes))
    }),
    ("times of one summary", |bytes| summary(&empty(4), bytes)),
    ("values of one metric", |bytes| {
        family(2, &metric(&again(&empty(4), bytes)))
    }),
    ("metrics", |bytes| family(1, &again(&empty(4), bytes))),
    ("summaries", |bytes| family(2, &again(&metric(&empty(4)), bytes))),
    ("created times", |bytes| {
        let counter = Message::new().message(3, &empty(3));
        family(0, &again(&metric(&counter), bytes))
    }),
    ("exemplars of counters", |bytes| {
        let counter = Message::new().message(3, &empty(2));
        family(0, &again(&metric(&counter), bytes))
    }),
    ("labels", |bytes| family(1, &metric(&again(&empty(1), bytes)))),
    ("families", |bytes| {
        families(bytes, |n| Message::new().bytes(1, format!("{n:x}")))
    }),
    ("one family again and again", |bytes| {
        families(bytes, |_| {
            Message::new().bytes(1, "m").append(&empty(4).repeat(3))
        })
    }),
    ("help that is not UTF-8", |bytes| {
        delimited(&[Message::new().bytes(1, "m").bytes(2, vec![0xff; bytes])])
    }),
    ("a name", |bytes| {
        delimited(&[Message::new().bytes(1, vec![b'm'; bytes])])
    }),
];
