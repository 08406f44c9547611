//! Metrics on their way to a gateway: read, checked, and written anew, so that every gateway understands them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::mem;

use wharf_exposition::{openmetrics, protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, Family, Meter, Metric, MetricType};
use wharf_settings::Quoted;

use crate::encoding;

/// Metric families by name, each as lines of the text format.
///
/// Line ends of Windows, byte order marks, UTF-16, blanks at the end of a line and a missing last line feed do not get
/// this far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Families(BTreeMap<String, Vec<u8>>);

/// Which format a text or body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The text format.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Delimited protobuf messages. Native histograms become classic ones, for text cannot say more.
    Protobuf,
}

/// Why metrics cannot be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FamiliesError {
    /// The text is not of its format; the error says in which line and column, and what helps.
    Syntax(String),
    /// A sample of this family has a timestamp.
    Timestamp(String),
    /// This series is there twice.
    Duplicate(String),
}

impl fmt::Display for FamiliesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => f.write_str(text),
            Self::Timestamp(family) => write!(
                f,
                "expected samples without timestamps, found one in `{}`\n\
                 hint: a gateway refuses timestamps; push the time as a metric of its own",
                family.escape_debug()
            ),
            Self::Duplicate(series) => write!(
                f,
                "expected each series once, found `{series}` twice\n\
                 hint: a gateway refuses that; give them different labels"
            ),
        }
    }
}

impl std::error::Error for FamiliesError {}

impl Families {
    /// Reads and checks metrics.
    ///
    /// # Errors
    /// If they are not of that format, or have what no gateway takes.
    pub(crate) fn read(body: &[u8], format: Format) -> Result<Self, FamiliesError> {
        Self::read_and_compare(body, format).map(|(families, _)| families)
    }

    /// The same, and what the text format cannot say of them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_and_compare(
        body: &[u8],
        format: Format,
    ) -> Result<(Self, Vec<&'static str>), FamiliesError> {
        Self::read_within(body, format, &Meter::unlimited())
    }

    /// The same, with memory of this meter.
    ///
    /// # Errors
    /// As [`Self::read`], and if the meter gives no more.
    pub(crate) fn read_within(
        body: &[u8],
        format: Format,
        memory: &Meter<'_>,
    ) -> Result<(Self, Vec<&'static str>), FamiliesError> {
        let syntax = |error: &dyn fmt::Display| FamiliesError::Syntax(error.to_string());
        let names = NameRule::Utf8;
        let utf8;
        let exposition = match format {
            Format::Text => {
                utf8 = encoding::to_utf8(body).map_err(|error| syntax(&error))?;
                let options = text::Options { names, strict: false };
                text::decode_within(&utf8, options, memory).map_err(|error| syntax(&error))
            }
            Format::OpenMetrics => {
                utf8 = encoding::to_utf8(body).map_err(|error| syntax(&error))?;
                let options = openmetrics::Options { names };
                openmetrics::decode_within(&utf8, options, memory).map_err(|error| syntax(&error))
            }
            Format::Protobuf => protobuf::decode_within(body, memory).map_err(|error| syntax(&error)),
        }?;
        let unsaid = unsaid(&exposition);
        Ok((Self::from_exposition(exposition, memory)?, unsaid))
    }

    fn from_exposition(mut exposition: Exposition<'_>, memory: &Meter<'_>) -> Result<Self, FamiliesError> {
        let mut found = BTreeMap::new();
        for family in mem::take(&mut exposition.families) {
            let name = exposition.text(family.name).to_owned();
            let has_timestamp = |metric: &Metric| {
                let extra = metric.extra.as_ref();
                extra.is_some_and(|extra| extra.timestamp_ms.is_some())
            };
            if family.metrics.iter().any(has_timestamp) {
                return Err(FamiliesError::Timestamp(name));
            }
            if let Some(labels) = repeated_labels(&exposition, &family) {
                return Err(FamiliesError::Duplicate(format!("{name}{labels}")));
            }
            // Labels stand on each line of a histogram, so that lines can come to much more than what they are made of.
            memory
                .take(text_bytes(&exposition, &name, &family))
                .map_err(|denied| FamiliesError::Syntax(denied.to_string()))?;
            // The encoder takes a whole exposition: one of this family alone.
            exposition.families = vec![family];
            found.insert(name, text::encode(&exposition, EscapingScheme::AllowUtf8));
        }
        Ok(Self(found))
    }

    /// Takes over all of `others`, in place of those here that have the same name.
    pub(crate) fn replace_by(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Leaves out those whose name `others` has too, and says which.
    pub(crate) fn leave_to(&mut self, others: &Self) -> Vec<String> {
        let taken: Vec<String> = self
            .0
            .keys()
            .filter(|name| others.0.contains_key(*name))
            .cloned()
            .collect();
        self.0.retain(|name, _| !others.0.contains_key(name));
        taken
    }

    /// Takes away what counts: counters, histograms and summaries.
    pub(crate) fn leave_counters(&mut self) {
        let counts = |text: &[u8]| {
            let mut lines = text.split(|byte| *byte == b'\n');
            let header = lines.find(|line| line.starts_with(b"# TYPE "));
            let kinds: [&[u8]; 3] = [b" counter", b" histogram", b" summary"];
            header.is_some_and(|header| kinds.iter().any(|kind| header.ends_with(kind)))
        };
        self.0.retain(|_, text| !counts(text));
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes [`Self::text`] has.
    pub(crate) fn len_bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// All of them in the text format, by name.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.0.values().flatten().copied().collect()
    }
}

/// What the text format cannot say, in words.
fn unsaid(exposition: &Exposition<'_>) -> Vec<&'static str> {
    let metrics = || exposition.families.iter().flat_map(|family| &family.metrics);
    let is_created = |metric: &Metric| metric.extra.as_ref().is_some_and(|extra| extra.created.is_some());
    let has_unit = |family: &Family| !exposition.text(family.unit).is_empty();
    let has_type = |family: &Family| {
        use MetricType::{GaugeHistogram, Info, StateSet};
        matches!(family.metric_type, GaugeHistogram | Info | StateSet)
    };
    let found = [
        ("exemplars", !exposition.exemplars.is_empty()),
        ("times of creation", metrics().any(is_created)),
        ("units", exposition.families.iter().any(has_unit)),
        ("types of OpenMetrics", exposition.families.iter().any(has_type)),
        (
            "native histograms",
            exposition
                .histograms
                .iter()
                .any(|histogram| histogram.native.is_some()),
        ),
    ];
    found
        .into_iter()
        .filter(|(_, is)| *is)
        .map(|(what, _)| what)
        .collect()
}

/// The labels of a metric that has the same as another of its family, as a text writes them.
/// The most that the lines of a family take.
fn text_bytes(exposition: &Exposition<'_>, name: &str, family: &Family) -> usize {
    let metrics = family.metrics.iter().map(|metric| {
        let labels: Vec<_> = exposition.labels(metric.labels).collect();
        text::metric_bytes(exposition, name, &labels, metric.value)
    });
    metrics.fold(0, usize::saturating_add)
}

fn repeated_labels(exposition: &Exposition<'_>, family: &Family) -> Option<String> {
    let mut seen = HashSet::with_capacity(family.metrics.len());
    family.metrics.iter().find_map(|metric| {
        let mut labels: Vec<(&str, &str)> = exposition.labels(metric.labels).collect();
        labels.sort_unstable();
        if seen.insert(labels.clone()) {
            return None;
        }
        let shown = labels
            .iter()
            .map(|(name, value)| format!("{name}={}", Quoted(value)));
        let shown: Vec<String> = shown.collect();
        Some(if shown.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", shown.join(","))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Families {
        Families::read(text.as_bytes(), Format::Text).unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(String::from_utf8(read(text).text()).unwrap(), expected);
    }

    #[test]
    fn what_editors_do_to_a_file_is_mended() {
        check(
            "b 1 \r\na{x=\"1\",} 2",
            "# TYPE a untyped\na{x=\"1\"} 2\n# TYPE b untyped\nb 1\n",
        );
    }

    #[test]
    fn what_windows_does_to_a_file_is_mended() {
        check(
            "\u{feff}a 1\r\n\u{feff}b 2\r\n",
            "# TYPE a untyped\na 1\n# TYPE b untyped\nb 2\n",
        );
        let error = Families::read(b"a\0 \x001\0\n\0", Format::Text).unwrap_err();
        assert!(
            error.to_string().contains("UTF-16 without a byte order mark"),
            "{error}"
        );
    }

    #[test]
    fn what_the_text_format_cannot_say_is_told() {
        let read = |text: &str| Families::read_and_compare(text.as_bytes(), Format::OpenMetrics).unwrap();
        let (families, unsaid) = read("# TYPE a counter\na_total 1\n# EOF\n");
        assert_eq!(
            String::from_utf8(families.text()).unwrap(),
            "# TYPE a_total counter\na_total 1\n"
        );
        assert_eq!(unsaid, [""; 0]);
        let (_, unsaid) = read(
            "# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1 # {x=\"1\"} 1\na_seconds_created 1\n\
             # TYPE b info\nb_info{v=\"1\"} 1\n# EOF\n",
        );
        assert_eq!(
            unsaid,
            ["exemplars", "times of creation", "units", "types of OpenMetrics"]
        );
    }

    #[test]
    fn names_beyond_the_legacy_ones_stay_in_quotes() {
        check("{\"a.b\"} 1\n", "# TYPE \"a.b\" untyped\n{\"a.b\"} 1\n");
    }

    #[test]
    fn a_mistake_is_told_with_line_and_column() {
        let error = Families::read(b"a 1\nb x\n", Format::Text)
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2") && error.contains("column 3"), "{error}");
    }

    #[test]
    fn timestamps_are_refused() {
        let error = Families::read(b"a 1 1700000000000\n", Format::Text).unwrap_err();
        assert_eq!(error, FamiliesError::Timestamp("a".to_owned()));
    }

    #[test]
    fn a_series_that_is_there_twice_is_refused() {
        for text in [
            "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n",
            "b 1\na{x=\"1\",y=\"2\"} 1\na{x=\"1\",y=\"2\"} 1\n",
        ] {
            let error = Families::read(text.as_bytes(), Format::Text).unwrap_err();
            assert_eq!(error, FamiliesError::Duplicate("a{x=\"1\",y=\"2\"}".to_owned()));
        }
        read("a{x=\"1\"} 1\na{x=\"2\"} 1\na 1\n");
    }

    #[test]
    fn what_counts_can_be_left_out() {
        let mut families = read(
            "# HELP c of type counter\n# TYPE c counter\nc 1\n# TYPE g gauge\ng 1\n# TYPE s summary\ns_sum 1\ns_count 1\n\
             # TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\nu 1\n",
        );
        families.leave_counters();
        assert_eq!(families.names().collect::<Vec<_>>(), ["g", "u"]);
    }

    #[test]
    fn families_replace_others_of_their_name_or_give_way() {
        let mut families = read("a 1\nb 1\n");
        families.replace_by(read("b 2\nc 2\n"));
        assert_eq!(families, read("a 1\nb 2\nc 2\n"));
        assert_eq!(families.leave_to(&read("a 9\nz 9\n")), ["a"]);
        assert_eq!(families, read("b 2\nc 2\n"));
    }
}
