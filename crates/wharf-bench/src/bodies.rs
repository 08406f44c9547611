//! What is pushed: bodies of several sizes, in text and in protobuf.

use std::fmt::Write as _;

use crate::table::{count, number};
use crate::template::{Content, Request};

/// The format of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4.
    Text,
    /// Length-delimited protobuf.
    Protobuf,
}

/// One kind of body.
#[derive(Debug, Clone)]
pub struct Body {
    /// Series that it has, without those that a gateway adds.
    pub series: usize,
    /// A family with one series and no labels of its own, whose value is the pushed value. Of [`parts`], the only family.
    pub probe: &'static str,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Gauge,
    BatchJob,
    Family,
    Parts,
    Wide,
}

/// One gauge with its `HELP` and `TYPE`, 150 bytes.
pub fn gauge() -> Body {
    Body {
        series: 1,
        probe: "batch_job_last_success_timestamp",
        shape: Shape::Gauge,
    }
}

/// A batch job as most people have it: two gauges, a counter with two series and a histogram, 1.2 KB.
pub fn batch_job() -> Body {
    Body {
        series: 13,
        probe: "batch_job_last_success_timestamp",
        shape: Shape::BatchJob,
    }
}

/// Gauges of one family, 90 bytes each with the labels of a group.
pub fn one_family(series: usize) -> Body {
    Body {
        series,
        probe: "batch_job_last_success_timestamp",
        shape: Shape::Family,
    }
}

/// The family of [`parts`].
pub const PARTS: &str = "batch_job_orders_total";

/// Counters of one family, as workers push them that each count a part. The series `n` has the pushed value plus [`part_plus`].
pub fn parts(series: usize) -> Body {
    Body {
        series,
        probe: PARTS,
        shape: Shape::Parts,
    }
}

/// What the series at a position of [`parts`] has beyond the pushed value.
pub fn part_plus(series: usize) -> u32 {
    u32::try_from(series % 100).unwrap_or(0)
}

/// What the label `region` of the series at a position of [`parts`] says, which tells it from the others.
pub fn part_region(series: usize) -> String {
    format!("region-{series:05}")
}

/// Many labelled series in families of fifty, 72 bytes each.
pub fn wide(series: usize) -> Body {
    Body {
        series,
        probe: "batch_job_last_success_timestamp",
        shape: Shape::Wide,
    }
}

impl Body {
    /// How the report calls it: the size of its text, and its series.
    pub fn name(&self) -> String {
        let bytes = self.text().as_bytes().len() as f64;
        let size = match bytes {
            _ if bytes < 1e3 => number(bytes) + " B",
            _ if bytes < 1e6 => number(bytes / 1e3) + " KB",
            _ => number(bytes / 1e6) + " MB",
        };
        format!("{size}, {} series", count(self.series as u64))
    }

    /// The push request with this body.
    pub fn request(&self, prefix: &str, format: Format) -> Request {
        match format {
            Format::Text => Request::new(prefix, "text/plain", &self.text()),
            Format::Protobuf => Request::new(
                prefix,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                &self.protobuf(),
            ),
        }
    }

    /// The body in the text format.
    pub fn text(&self) -> Content {
        match self.shape {
            Shape::Gauge => Content::text(PROBE),
            Shape::BatchJob => Content::text(&format!("{BATCH_JOB}{PROBE}")),
            Shape::Family => {
                let probe = self.probe;
                let areas = self.areas().fold(String::new(), |mut text, area| {
                    let _infallible = writeln!(text, "{probe}{{area=\"{area}\"}} <1>");
                    text
                });
                Content::text(&format!("{PROBE}{areas}"))
            }
            Shape::Parts => {
                let head = format!("# HELP {PARTS} {PARTS_HELP}\n# TYPE {PARTS} counter\n");
                let text = (0..self.series).fold(head, |mut text, series| {
                    let (region, plus) = (part_region(series), part_plus(series));
                    let _infallible = writeln!(text, "{PARTS}{{region=\"{region}\"}} <{plus}>");
                    text
                });
                Content::text(&text)
            }
            Shape::Wide => {
                let mut text = String::new();
                for (index, (family, table)) in self.tables().enumerate() {
                    if table == 0 {
                        let name = family_name(family);
                        let _infallible = writeln!(text, "# HELP {name} {HELP}\n# TYPE {name} counter");
                    }
                    let _infallible = writeln!(
                        text,
                        "{}{{region=\"{REGION}\",table=\"table-{table:02}\"}} <{}>",
                        family_name(family),
                        index % 100
                    );
                }
                Content::text(&(text + PROBE))
            }
        }
    }

    /// The body in protobuf: the same families and series as in text.
    pub fn protobuf(&self) -> Content {
        let mut content = Content::default();
        match self.shape {
            Shape::Gauge | Shape::Family => {}
            Shape::Parts => {
                family(&mut content, PARTS, PARTS_HELP, COUNTER, |family| {
                    for series in 0..self.series {
                        let labels = [("region", &*part_region(series))];
                        metric(family, &labels, COUNTER_VALUE, |value| {
                            value.double_field(1, part_plus(series));
                        });
                    }
                });
                return content;
            }
            Shape::BatchJob => batch_job_messages(&mut content),
            Shape::Wide => {
                let tables: Vec<_> = self.tables().enumerate().collect();
                for series in tables.chunks(SERIES_PER_FAMILY) {
                    family(
                        &mut content,
                        &family_name(series[0].1.0),
                        HELP,
                        COUNTER,
                        |family| {
                            for (index, (_, table)) in series {
                                let table = format!("table-{table:02}");
                                let labels = [("region", REGION), ("table", &table)];
                                metric(family, &labels, COUNTER_VALUE, |value| {
                                    value.double_field(1, u32::try_from(index % 100).unwrap_or(0));
                                });
                            }
                        },
                    );
                }
            }
        }
        let name = self.probe;
        family(&mut content, name, "Last successful run.", GAUGE, |family| {
            metric(family, &[], GAUGE_VALUE, |value| value.double_field(1, 0));
            for area in self.areas() {
                metric(family, &[("area", &area)], GAUGE_VALUE, |value| {
                    value.double_field(1, 1);
                });
            }
        });
        content
    }

    /// What the series of one family, but for the probe, are told apart by.
    fn areas(&self) -> impl Iterator<Item = String> + use<> {
        let series = match self.shape {
            Shape::Family => self.series,
            _ => 1,
        };
        (1..series).map(|area| format!("area-{area:02}"))
    }

    /// The family and the table of each series but the probe.
    fn tables(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        (0..self.series - 1).map(|index| (index / SERIES_PER_FAMILY, index % SERIES_PER_FAMILY))
    }
}

const PARTS_HELP: &str = "Orders taken.";
const SERIES_PER_FAMILY: usize = 50;
const REGION: &str = "eu-central-1";
const HELP: &str = "Rows that the nightly export has written.";

fn family_name(number: usize) -> String {
    format!("export_{number:03}_rows_total")
}

const PROBE: &str = "\
# HELP batch_job_last_success_timestamp Last successful run.
# TYPE batch_job_last_success_timestamp gauge
batch_job_last_success_timestamp <0>
";

const BATCH_JOB: &str = "\
# HELP batch_job_duration_seconds How long the run took.
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds <0>
# HELP batch_job_records_processed_total Records of the run.
# TYPE batch_job_records_processed_total counter
batch_job_records_processed_total{status=\"error\"} <0>
batch_job_records_processed_total{status=\"success\"} <9>
# HELP batch_job_record_processing_seconds Time spent on a record.
# TYPE batch_job_record_processing_seconds histogram
batch_job_record_processing_seconds_bucket{le=\"0.001\"} <0>
batch_job_record_processing_seconds_bucket{le=\"0.005\"} <1>
batch_job_record_processing_seconds_bucket{le=\"0.01\"} <2>
batch_job_record_processing_seconds_bucket{le=\"0.05\"} <3>
batch_job_record_processing_seconds_bucket{le=\"0.1\"} <4>
batch_job_record_processing_seconds_bucket{le=\"0.5\"} <5>
batch_job_record_processing_seconds_bucket{le=\"+Inf\"} <6>
batch_job_record_processing_seconds_sum <0>.25
batch_job_record_processing_seconds_count <6>
";

const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const HISTOGRAM: u64 = 4;
/// Fields of a `Metric`, by the type of its family.
const GAUGE_VALUE: u32 = 2;
const COUNTER_VALUE: u32 = 3;
const HISTOGRAM_VALUE: u32 = 7;

fn batch_job_messages(content: &mut Content) {
    let name = "batch_job_duration_seconds";
    family(content, name, "How long the run took.", GAUGE, |family| {
        metric(family, &[], GAUGE_VALUE, |value| value.double_field(1, 0));
    });
    let name = "batch_job_records_processed_total";
    family(content, name, "Records of the run.", COUNTER, |family| {
        for (status, plus) in [("error", 0), ("success", 9)] {
            metric(family, &[("status", status)], COUNTER_VALUE, |value| {
                value.double_field(1, plus);
            });
        }
    });
    let name = "batch_job_record_processing_seconds";
    family(content, name, "Time spent on a record.", HISTOGRAM, |family| {
        metric(family, &[], HISTOGRAM_VALUE, |histogram| {
            histogram.varint_field(1, 6);
            histogram.double_field(2, 0);
            for (bound, plus) in [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, f64::INFINITY]
                .into_iter()
                .zip(0..)
            {
                histogram.message_field(3, |bucket| {
                    bucket.varint_field(1, plus);
                    bucket.fixed_double_field(2, bound);
                });
            }
        });
    });
}

fn family(content: &mut Content, name: &str, help: &str, kind: u64, metrics: impl FnOnce(&mut Content)) {
    content.delimited(|family| {
        family.string_field(1, name);
        family.string_field(2, help);
        family.fixed_varint_field(3, kind);
        metrics(family);
    });
}

fn metric(family: &mut Content, labels: &[(&str, &str)], field: u32, value: impl FnOnce(&mut Content)) {
    family.message_field(4, |metric| {
        for (name, value) in labels {
            metric.message_field(1, |label| {
                label.string_field(1, name);
                label.string_field(2, value);
            });
        }
        metric.message_field(field, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series_lines(body: &Body) -> usize {
        let text = String::from_utf8(body.text().as_bytes().to_vec()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn bodies_have_as_many_series_as_they_say() {
        for body in [
            gauge(),
            batch_job(),
            one_family(10),
            parts(10),
            wide(51),
            wide(1_200),
        ] {
            assert_eq!(series_lines(&body), body.series, "{body:?}");
        }
    }

    #[test]
    fn bodies_are_called_by_their_size() {
        let names = [gauge(), batch_job(), wide(1_100), wide(15_000)].map(|body| body.name());
        assert_eq!(
            names,
            [
                "148 B, 1 series",
                "1.16 KB, 13 series",
                "79.5 KB, 1,100 series",
                "1.08 MB, 15,000 series"
            ]
        );
    }
}
