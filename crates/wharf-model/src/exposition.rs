//! The metric families of one push, as flat arrays.
//!
//! A tree of families, metrics, labels and strings would cost an allocation a node. Here each kind of node has
//! one array, nodes refer to each other by [`Run`]s of indices, and strings are [`Text`] references into the
//! request body or into one side buffer.
//!
//! ```text
//! families  [ name help type metrics: Vec<Metric> ] ...
//! metric    labels -> labels[run]     value -> Number | summaries[i] | histograms[i]
//! histogram buckets -> buckets[run]   summary quantiles -> quantiles[run]
//! label     name, value -> Text       (source or side buffer)
//! ```

use std::fmt;
use std::ops::Range;

use crate::MetricType;
use crate::memory::{Denied, Meter};

/// The families of one exposition, in the order they came.
///
/// `source` is the text the decoder reads, so that names and values which need no unescaping are not copied.
#[derive(Clone, Default)]
pub struct Exposition<'a> {
    source: &'a str,
    side: String,
    /// The families, each with its metrics.
    pub families: Vec<Family>,
    /// The labels of all metrics and exemplars.
    pub labels: Vec<Label>,
    /// The values of all summaries.
    pub summaries: Vec<Summary>,
    /// The quantiles of all summaries.
    pub quantiles: Vec<Quantile>,
    /// The values of all histograms.
    pub histograms: Vec<Histogram>,
    /// The buckets of all classic histograms.
    pub buckets: Vec<Bucket>,
    /// The exemplars of all metrics and buckets.
    pub exemplars: Vec<Exemplar>,
}

/// There is more in an exposition than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    /// It has more bytes, labels or buckets than 31 bits can count.
    Indices,
    /// It takes more memory than there is for it.
    Memory(Denied),
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Indices => f.write_str("expected an exposition of less than 2 GiB"),
            Self::Memory(denied) => denied.fmt(f),
        }
    }
}

impl std::error::Error for TooLarge {}

impl From<Denied> for TooLarge {
    fn from(denied: Denied) -> Self {
        Self::Memory(denied)
    }
}

/// A string of an [`Exposition`]: a range of its source or of its side buffer. Read it with
/// [`Exposition::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text {
    /// The top bit says that the range lies in the side buffer.
    start: u32,
    len: u32,
}

const SIDE: u32 = 1 << 31;

impl Text {
    /// The empty string.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether the string has no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A run of neighbours in one of the arrays of an [`Exposition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    start: u32,
    end: u32,
}

impl Run {
    /// The run of indices from `start` up to, not including, `end`.
    ///
    /// # Errors
    /// [`TooLarge`] if an index does not fit into 31 bits.
    pub fn new(start: usize, end: usize) -> Result<Self, TooLarge> {
        Ok(Self {
            start: index(start)?,
            end: index(end)?,
        })
    }

    /// The indices.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many neighbours there are.
    pub fn len(self) -> usize {
        self.range().len()
    }

    /// Whether the run is empty.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

fn index(value: usize) -> Result<u32, TooLarge> {
    u32::try_from(value)
        .ok()
        .filter(|value| value & SIDE == 0)
        .ok_or(TooLarge::Indices)
}

/// A metric family: all metrics of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name, under which the text format exposes it: that of a counter ends in `_total`, of an info in
    /// `_info`, if it came as `OpenMetrics`.
    pub name: Text,
    /// The help, if one was given; it may be empty.
    pub help: Option<Text>,
    /// The unit (`OpenMetrics` and protobuf); empty if none was given.
    pub unit: Text,
    /// The type.
    pub metric_type: MetricType,
    /// The metrics, in the order they came.
    pub metrics: Vec<Metric>,
}

/// One metric of a family: a label set with a value. It is one series, except for histograms and summaries,
/// which are one series a bucket or quantile, and a sum and a count.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Indices into [`Exposition::labels`], without `le` and `quantile`, in the order they came.
    pub labels: Run,
    /// The value.
    pub value: Value,
    /// What few metrics have.
    pub extra: Option<Box<Extra>>,
}

/// What few metrics have beside labels and value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    /// Milliseconds since the Unix epoch, as the push gave it. Pushes with timestamps are refused.
    pub timestamp_ms: Option<i64>,
    /// The line of the body that the timestamp stands in, counted from 1, if the body has lines.
    pub timestamp_line: Option<u32>,
    /// When a counter, histogram or summary was created.
    pub created: Option<Timestamp>,
    /// Index into [`Exposition::exemplars`]: the exemplar of a counter.
    pub exemplar: Option<u32>,
    /// What is kept of it and is in no format.
    pub unseen: Unseen,
}

/// What a gateway keeps of a metric that is added up. Nobody pushes it, and no scrape shows it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Unseen {
    /// When the metric leaves: nanoseconds since the Unix epoch.
    pub expires_at: Option<i64>,
    /// What its value is the mean of.
    pub mean: Option<Mean>,
}

/// Numbers of which a mean is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// Their sum.
    pub sum: f64,
    /// How many they are.
    pub count: u64,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Of a counter, gauge, untyped, info or state set metric.
    Number(f64),
    /// Index into [`Exposition::summaries`].
    Summary(u32),
    /// Index into [`Exposition::histograms`].
    Histogram(u32),
    /// The metric carries no value of its family's type (possible in protobuf only). The store refuses it.
    Missing,
}

/// A summary: quantiles, sum, count.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Sum of the observations.
    pub sum: f64,
    /// Number of observations.
    pub count: u64,
    /// Indices into [`Exposition::quantiles`], in the order they came.
    pub quantiles: Run,
}

/// One quantile of a summary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// The rank, usually from 0 to 1.
    pub quantile: f64,
    /// The value at that rank.
    pub value: f64,
}

/// A histogram: classic buckets, a native histogram, or both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Sum of the observations.
    pub sum: f64,
    /// Number of observations.
    pub count: Count,
    /// Indices into [`Exposition::buckets`], in the order they came.
    pub buckets: Run,
    /// The sparse buckets, if the push had them.
    pub native: Option<Box<NativeHistogram>>,
}

/// A number of observations: histograms count in integers or in floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    /// An integer count.
    Int(u64),
    /// A float count.
    Float(f64),
}

impl Default for Count {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl Count {
    /// The count as a double; integers above 2^53 are rounded.
    #[expect(clippy::cast_precision_loss, reason = "the text formats know doubles only")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(count) => count as f64,
            Self::Float(count) => count,
        }
    }
}

/// One bucket of a classic histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The inclusive upper bound (`le`).
    pub upper_bound: f64,
    /// Observations at or below the bound.
    pub cumulative_count: Count,
    /// Index into [`Exposition::exemplars`].
    pub exemplar: Option<u32>,
}

/// The sparse part of a histogram, as in `io.prometheus.client.Histogram`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeHistogram {
    /// Resolution: bucket boundaries grow by 2^(2^-schema).
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: Count,
    /// Buckets of negative observations.
    pub negative: NativeBuckets,
    /// Buckets of positive observations.
    pub positive: NativeBuckets,
    /// Indices into [`Exposition::exemplars`].
    pub exemplars: Run,
}

impl NativeHistogram {
    /// How much memory a copy of it takes.
    pub fn bytes(&self) -> usize {
        let sides = [&self.negative, &self.positive];
        let lists = sides.iter().map(|side| {
            size_of_val(side.spans.as_slice())
                + size_of_val(side.deltas.as_slice())
                + size_of_val(side.counts.as_slice())
        });
        size_of::<Self>() + lists.sum::<usize>()
    }
}

/// One side of a native histogram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeBuckets {
    /// Runs of buckets in use.
    pub spans: Vec<BucketSpan>,
    /// Integer histograms: each bucket's count as the difference to the one before.
    pub deltas: Vec<i64>,
    /// Float histograms: each bucket's count.
    pub counts: Vec<f64>,
}

/// A run of neighbouring buckets in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSpan {
    /// Gap to the run before; for the first run the index of its first bucket.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// One label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The name.
    pub name: Text,
    /// The value.
    pub value: Text,
}

/// An example observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// Indices into [`Exposition::labels`].
    pub labels: Run,
    /// The observed value.
    pub value: f64,
    /// When it was observed.
    pub timestamp: Option<Timestamp>,
}

/// A time as protobuf and `OpenMetrics` carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: i32,
}

impl<'a> Exposition<'a> {
    /// An empty exposition over the text that a decoder is going to read.
    ///
    /// # Errors
    /// [`TooLarge`] from 2 GiB on.
    pub fn new(source: &'a str) -> Result<Self, TooLarge> {
        index(source.len())?;
        Ok(Self {
            source,
            ..Self::default()
        })
    }

    /// The text that the decoder reads; empty if it copies every string.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// How many bytes its strings have to refer to: those of the source and of the side buffer.
    pub fn text_bytes(&self) -> usize {
        self.source.len() + self.side.len()
    }

    /// A reference to `range` of the source.
    ///
    /// # Errors
    /// [`TooLarge`] if the range does not lie in the source.
    pub fn slice(&self, range: Range<usize>) -> Result<Text, TooLarge> {
        if range.start > range.end || range.end > self.source.len() {
            return Err(TooLarge::Indices);
        }
        Ok(Text {
            start: index(range.start)?,
            len: index(range.len())?,
        })
    }

    /// Copies `text` into the side buffer.
    ///
    /// # Errors
    /// [`TooLarge`] when the buffer would pass 2 GiB.
    pub fn intern(&mut self, text: &str) -> Result<Text, TooLarge> {
        self.intern_within(text, &Meter::unlimited())
    }

    /// [`Self::intern`], with memory of this meter.
    ///
    /// # Errors
    /// As there, and if the meter gives no more.
    pub fn intern_within(&mut self, text: &str, memory: &Meter<'_>) -> Result<Text, TooLarge> {
        let start = index(self.side.len())?;
        let len = index(text.len())?;
        memory.append(&mut self.side, text)?;
        Ok(Text {
            start: start | SIDE,
            len,
        })
    }

    /// Copies a metric of another exposition, with all that it refers to. It still has to be put into a family.
    ///
    /// # Errors
    /// [`TooLarge`] when an array or the side buffer would pass what 31 bits can count.
    pub fn adopt(&mut self, other: &Exposition<'_>, metric: &Metric) -> Result<Metric, TooLarge> {
        self.adopt_within(other, metric, &Meter::unlimited())
    }

    /// [`Self::adopt`], with memory of this meter.
    ///
    /// # Errors
    /// As there, and if the meter gives no more.
    pub fn adopt_within(
        &mut self,
        other: &Exposition<'_>,
        metric: &Metric,
        memory: &Meter<'_>,
    ) -> Result<Metric, TooLarge> {
        let value = match metric.value {
            Value::Summary(of) => {
                let summary = other.summary(of);
                let (start, quantiles) = (self.quantiles.len(), other.quantiles(summary.quantiles));
                memory.reserve(&mut self.quantiles, quantiles.len())?;
                self.quantiles.extend_from_slice(quantiles);
                let summary = Summary {
                    quantiles: Run::new(start, self.quantiles.len())?,
                    ..summary
                };
                memory.push(&mut self.summaries, summary)?;
                Value::Summary(index(self.summaries.len() - 1)?)
            }
            Value::Histogram(of) => {
                if let Some(native) = other
                    .histogram(of)
                    .and_then(|histogram| histogram.native.as_deref())
                {
                    memory.take(native.bytes())?;
                }
                let histogram = other.histogram(of).cloned().unwrap_or_default();
                let histogram = self.adopt_histogram(other, histogram, memory)?;
                memory.push(&mut self.histograms, histogram)?;
                Value::Histogram(index(self.histograms.len() - 1)?)
            }
            number => number,
        };
        let extra = match metric.extra.as_deref() {
            Some(extra) => {
                memory.take(size_of::<Extra>())?;
                Some(Box::new(Extra {
                    exemplar: self.adopt_exemplar(other, extra.exemplar, memory)?,
                    ..extra.clone()
                }))
            }
            None => None,
        };
        Ok(Metric {
            labels: self.adopt_labels(other, metric.labels, memory)?,
            value,
            extra,
        })
    }

    /// Copies a family of another exposition, with its metrics. It still has to be put among [`Self::families`].
    ///
    /// # Errors
    /// As [`Self::adopt`].
    pub fn adopt_family(&mut self, other: &Exposition<'_>, family: &Family) -> Result<Family, TooLarge> {
        self.adopt_family_within(other, family, &Meter::unlimited())
    }

    /// [`Self::adopt_family`], with memory of this meter.
    ///
    /// # Errors
    /// As there, and if the meter gives no more.
    pub fn adopt_family_within(
        &mut self,
        other: &Exposition<'_>,
        family: &Family,
        memory: &Meter<'_>,
    ) -> Result<Family, TooLarge> {
        let mut adopted = self.adopt_head_within(other, family, memory)?;
        memory.reserve(&mut adopted.metrics, family.metrics.len())?;
        for metric in &family.metrics {
            adopted.metrics.push(self.adopt_within(other, metric, memory)?);
        }
        Ok(adopted)
    }

    /// Copies a family of another exposition, without its metrics.
    ///
    /// # Errors
    /// As [`Self::adopt_within`].
    pub fn adopt_head_within(
        &mut self,
        other: &Exposition<'_>,
        family: &Family,
        memory: &Meter<'_>,
    ) -> Result<Family, TooLarge> {
        let help = family
            .help
            .map(|help| self.intern_within(other.text(help), memory));
        Ok(Family {
            name: self.intern_within(other.text(family.name), memory)?,
            help: help.transpose()?,
            unit: self.intern_within(other.text(family.unit), memory)?,
            metric_type: family.metric_type,
            metrics: Vec::new(),
        })
    }

    fn adopt_histogram(
        &mut self,
        other: &Exposition<'_>,
        mut histogram: Histogram,
        memory: &Meter<'_>,
    ) -> Result<Histogram, TooLarge> {
        let start = self.buckets.len();
        for bucket in other.buckets(histogram.buckets) {
            let exemplar = self.adopt_exemplar(other, bucket.exemplar, memory)?;
            memory.push(&mut self.buckets, Bucket { exemplar, ..*bucket })?;
        }
        histogram.buckets = Run::new(start, self.buckets.len())?;
        if let Some(native) = &mut histogram.native {
            // First their labels, then they themselves: they have to be neighbours.
            let mut exemplars = Vec::new();
            memory.reserve(&mut exemplars, native.exemplars.len())?;
            for exemplar in other.exemplars.get(native.exemplars.range()).unwrap_or_default() {
                let labels = self.adopt_labels(other, exemplar.labels, memory)?;
                exemplars.push(Exemplar { labels, ..*exemplar });
            }
            let start = self.exemplars.len();
            memory.reserve(&mut self.exemplars, exemplars.len())?;
            self.exemplars.append(&mut exemplars);
            memory.give_back(exemplars.capacity() * size_of::<Exemplar>());
            native.exemplars = Run::new(start, self.exemplars.len())?;
        }
        Ok(histogram)
    }

    fn adopt_exemplar(
        &mut self,
        other: &Exposition<'_>,
        of: Option<u32>,
        memory: &Meter<'_>,
    ) -> Result<Option<u32>, TooLarge> {
        let Some(exemplar) = of.and_then(|of| other.exemplar(of)) else {
            return Ok(None);
        };
        let labels = self.adopt_labels(other, exemplar.labels, memory)?;
        memory.push(&mut self.exemplars, Exemplar { labels, ..*exemplar })?;
        Ok(Some(index(self.exemplars.len() - 1)?))
    }

    fn adopt_labels(
        &mut self,
        other: &Exposition<'_>,
        run: Run,
        memory: &Meter<'_>,
    ) -> Result<Run, TooLarge> {
        let start = self.labels.len();
        for (name, value) in other.labels(run) {
            let label = Label {
                name: self.intern_within(name, memory)?,
                value: self.intern_within(value, memory)?,
            };
            memory.push(&mut self.labels, label)?;
        }
        Run::new(start, self.labels.len())
    }

    /// The string behind a reference; empty for a reference of another exposition that points nowhere here.
    pub fn text(&self, text: Text) -> &str {
        let (buffer, range) = self.place(text);
        buffer.get(range).unwrap_or_default()
    }

    /// The bytes of that string. To compare strings they will do, and they need no look at where characters begin.
    #[inline]
    pub fn bytes(&self, text: Text) -> &[u8] {
        let (buffer, range) = self.place(text);
        buffer.as_bytes().get(range).unwrap_or_default()
    }

    #[inline]
    fn place(&self, text: Text) -> (&str, Range<usize>) {
        let start = (text.start & !SIDE) as usize;
        let range = start..start + text.len as usize;
        let buffer = if text.start & SIDE == 0 {
            self.source
        } else {
            &self.side
        };
        (buffer, range)
    }

    /// The labels of a metric or exemplar as name and value, in the order they came.
    pub fn labels(&self, run: Run) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let labels = self.labels.get(run.range()).unwrap_or_default();
        labels
            .iter()
            .map(|label| (self.text(label.name), self.text(label.value)))
    }

    /// The summary at `index`; an empty one if there is none.
    pub fn summary(&self, index: u32) -> Summary {
        self.summaries.get(index as usize).copied().unwrap_or_default()
    }

    /// The quantiles of a summary.
    pub fn quantiles(&self, run: Run) -> &[Quantile] {
        self.quantiles.get(run.range()).unwrap_or_default()
    }

    /// The histogram at `index`.
    pub fn histogram(&self, index: u32) -> Option<&Histogram> {
        self.histograms.get(index as usize)
    }

    /// The buckets of a classic histogram.
    pub fn buckets(&self, run: Run) -> &[Bucket] {
        self.buckets.get(run.range()).unwrap_or_default()
    }

    /// The exemplar at `index`.
    pub fn exemplar(&self, index: u32) -> Option<&Exemplar> {
        self.exemplars.get(index as usize)
    }
}

/// Prints like nested text, not like arrays of indices: for assertions and logs.
impl fmt::Debug for Exposition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for family in &self.families {
            write!(f, "{} {:?}", family.metric_type, self.text(family.name))?;
            if let Some(help) = family.help {
                write!(f, " help={:?}", self.text(help))?;
            }
            if !family.unit.is_empty() {
                write!(f, " unit={:?}", self.text(family.unit))?;
            }
            writeln!(f)?;
            for metric in &family.metrics {
                self.fmt_metric(metric, f)?;
            }
        }
        Ok(())
    }
}

impl Exposition<'_> {
    fn fmt_metric(&self, metric: &Metric, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("  ")?;
        self.fmt_labels(metric.labels, f)?;
        match metric.value {
            Value::Number(number) => write!(f, " {number:?}")?,
            Value::Missing => f.write_str(" missing")?,
            Value::Summary(index) => {
                let summary = self.summary(index);
                write!(f, " sum={:?} count={}", summary.sum, summary.count)?;
                for quantile in self.quantiles(summary.quantiles) {
                    write!(f, " q{:?}={:?}", quantile.quantile, quantile.value)?;
                }
            }
            Value::Histogram(index) => {
                let Some(histogram) = self.histogram(index) else {
                    return Err(fmt::Error);
                };
                write!(f, " sum={:?} count={:?}", histogram.sum, histogram.count)?;
                for bucket in self.buckets(histogram.buckets) {
                    write!(f, " le{:?}={:?}", bucket.upper_bound, bucket.cumulative_count)?;
                    self.fmt_exemplar(bucket.exemplar, f)?;
                }
                if let Some(native) = &histogram.native {
                    write!(f, " native(schema={} zero={:?}", native.schema, native.zero_count)?;
                    write!(f, "@{:?} -{:?}", native.zero_threshold, native.negative)?;
                    write!(f, " +{:?})", native.positive)?;
                    for index in native.exemplars.range() {
                        self.fmt_exemplar(u32::try_from(index).ok(), f)?;
                    }
                }
            }
        }
        if let Some(extra) = &metric.extra {
            if let Some(timestamp_ms) = extra.timestamp_ms {
                write!(f, " @{timestamp_ms}")?;
            }
            if let Some(created) = extra.created {
                write!(f, " created={}s+{}ns", created.seconds, created.nanos)?;
            }
            self.fmt_exemplar(extra.exemplar, f)?;
        }
        writeln!(f)
    }

    fn fmt_labels(&self, run: Run, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.labels(run).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }

    fn fmt_exemplar(&self, index: Option<u32>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(exemplar) = index.and_then(|index| self.exemplar(index)) else {
            return Ok(());
        };
        f.write_str(" # ")?;
        self.fmt_labels(exemplar.labels, f)?;
        write!(f, " {:?}", exemplar.value)?;
        if let Some(timestamp) = exemplar.timestamp {
            write!(f, " @{}s+{}ns", timestamp.seconds, timestamp.nanos)?;
        }
        Ok(())
    }
}
