//! The gateway's own metrics at one moment.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use wharf_client::{Client, Request};
use wharf_exposition::text;
use wharf_model::Value;

use crate::tools::contents;

/// Longer lines are cut: none of the gateway's own comes near.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The gateway's own lines have some kilobytes; more than this is not kept.
const MAX_OWN_BYTES: usize = 1 << 20;

/// Sums since the gateway started, and what it holds. What a gateway does not tell is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) pushes: f64,
    pub(super) refused: f64,
    pub(super) push_bytes: f64,
    pub(super) push_seconds: f64,
    pub(super) scrapes: Option<f64>,
    pub(super) scrape_bytes: f64,
    pub(super) scrape_seconds: f64,
    pub(super) groups: Option<f64>,
    pub(super) series: Option<f64>,
    pub(super) stored_bytes: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
    pub(super) expected: Option<f64>,
    pub(super) overdue: Option<f64>,
}

impl Sample {
    /// Scrapes the gateway, and reads what is its own.
    pub(super) fn read(client: &Client) -> anyhow::Result<Self> {
        let mut request = Request::get("/metrics");
        request.headers.push(("Accept-Encoding", "gzip".to_owned()));
        request.max_answer_bytes = contents::MAX_ANSWER_BYTES;
        let mut reader = BufReader::new(client.open(&request)?);
        // The answer of a gateway that compresses nothing begins with text.
        let own = if reader.fill_buf()?.starts_with(b"\x1f\x8b") {
            own_lines(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader)))?
        } else {
            own_lines(reader)?
        };
        Self::from_text(&own)
    }

    fn from_text(own: &[u8]) -> anyhow::Result<Self> {
        let exposition = text::decode(own, text::Options::default())?;
        let mut sample = Self::default();
        for family in &exposition.families {
            for metric in &family.metrics {
                let Value::Number(value) = metric.value else {
                    continue;
                };
                let label = |wanted| {
                    let mut labels = exposition.labels(metric.labels);
                    labels.find_map(|(name, value)| (name == wanted).then_some(value))
                };
                match exposition.text(family.name) {
                    "pushgateway_http_requests_total" if label("handler") == Some("push") => {
                        match label("code") {
                            Some("200" | "202") if label("method") == Some("delete") => {}
                            Some("200" | "202") => sample.pushes += value,
                            _ => sample.refused += value,
                        }
                    }
                    "pushgateway_http_push_size_bytes_sum" => sample.push_bytes += value,
                    "pushgateway_http_push_duration_seconds_sum" => sample.push_seconds += value,
                    "wharf_scrapes_total" => *sample.scrapes.get_or_insert(0.0) += value,
                    "wharf_scrape_size_bytes_sum" => sample.scrape_bytes += value,
                    "wharf_scrape_duration_seconds_sum" => sample.scrape_seconds += value,
                    "wharf_groups" => sample.groups = Some(value),
                    "wharf_series" => sample.series = Some(value),
                    "wharf_groups_expected" => sample.expected = Some(value),
                    "wharf_groups_overdue" => sample.overdue = Some(value),
                    "wharf_stored_bytes" => sample.stored_bytes = Some(value),
                    "process_resident_memory_bytes" if label("job").is_none() => {
                        sample.memory_bytes = Some(value);
                    }
                    _ => {}
                }
            }
        }
        Ok(sample)
    }
}

/// The sample lines of families that are the gateway's, without their types.
fn own_lines(mut reader: impl BufRead) -> io::Result<Vec<u8>> {
    const OWN: [&[u8]; 3] = [b"pushgateway_http_", b"wharf_", b"process_resident_memory_bytes "];
    // One for each group, and none of them is looked for.
    const OF_GROUPS: &[u8] = b"wharf_group_";
    let mut own = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(own);
        }
        let is_own = OWN.iter().any(|prefix| line.starts_with(prefix)) && !line.starts_with(OF_GROUPS);
        if is_own && line.ends_with(b"\n") && own.len() + line.len() <= MAX_OWN_BYTES {
            own.extend_from_slice(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_gateways_own_is_read() {
        let scrape = "\
# TYPE m gauge
m{job=\"a\"} 1
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes{job=\"a\"} 7
process_resident_memory_bytes 4096
pushgateway_http_push_size_bytes{method=\"put\",quantile=\"0.5\"} 10
pushgateway_http_push_size_bytes_sum{method=\"put\"} 30
pushgateway_http_push_size_bytes_sum{method=\"post\"} 3
pushgateway_http_requests_total{code=\"200\",handler=\"push\",method=\"put\"} 5
pushgateway_http_requests_total{code=\"202\",handler=\"push\",method=\"delete\"} 9
pushgateway_http_requests_total{code=\"400\",handler=\"push\",method=\"post\"} 2
pushgateway_http_requests_total{code=\"200\",handler=\"status\",method=\"get\"} 100
wharf_group_overdue{job=\"a\"} 1
wharf_groups 3
wharf_groups_expected 2
wharf_groups_overdue 1
";
        let own = own_lines(scrape.as_bytes()).unwrap();
        assert!(!own.windows(20).any(|text| text == b"wharf_group_overdue{"));
        let expected = Sample {
            pushes: 5.0,
            refused: 2.0,
            push_bytes: 33.0,
            groups: Some(3.0),
            expected: Some(2.0),
            overdue: Some(1.0),
            memory_bytes: Some(4096.0),
            ..Sample::default()
        };
        assert_eq!(Sample::from_text(&own).unwrap(), expected);
    }
}
