//! From bytes into the arenas.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wharf_model::{
    Bucket, BucketSpan, Count, Exemplar, Exposition, Extra, Family, Histogram, Label, Mean, Meter, Metric,
    MetricType, NativeBuckets, NativeHistogram, Quantile, Run, Summary, Text, Timestamp, TooLarge, Unseen,
    Value,
};

use super::encode::UNSEEN;
use super::error::MAX_NAME_CHARS;
use super::native::{self, NativeProblem};
use super::wire::{Once, Reader, Wire, unzigzag};
use super::{DecodeError, ErrorKind, Malformed};
use crate::memory;

/// Decodes delimited `io.prometheus.client.MetricFamily` messages.
///
/// * Names are not held against any rule except that a family needs one: any UTF-8 will do.
/// * Of two families with one name the later replaces the earlier, in the earlier one's place.
/// * A family without a type is a counter. A family without metrics is kept.
/// * Help that is not UTF-8 is made so, with U+FFFD in place of what is not.
/// * A metric without a value of its family's type gets [`Value::Missing`].
/// * A float count of a histogram goes before the integer if it is not 0, or if there is no integer.
/// * Histograms are native where Prometheus takes them for that: those with a span, a width of the zero bucket,
///   or observations in it. Fields of native histograms in other ones are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is cut short or is not protobuf, if a family has no name or an unknown type, if a
/// name or label value is not UTF-8, or if Prometheus would refuse a native histogram.
pub fn decode(body: &[u8]) -> Result<Exposition<'static>, DecodeError> {
    decode_within(body, &Meter::unlimited())
}

/// [`decode`], with memory of this meter. What is taken when this returns is what the exposition takes.
///
/// # Errors
/// As there, and [`ErrorKind::TooLarge`] if the meter gives no more.
pub fn decode_within(body: &[u8], memory: &Meter<'_>) -> Result<Exposition<'static>, DecodeError> {
    decode_by(body, memory, false)
}

/// [`decode`] of what [`write_stored_metric`](super::write_stored_metric) has written, with what no format says. Not for what others
/// send.
///
/// # Errors
/// As there.
pub fn decode_stored(body: &[u8]) -> Result<Exposition<'static>, DecodeError> {
    decode_by(body, &Meter::unlimited(), true)
}

/// When the first metric leaves of a family that is stored like that, from its message without length; none if none does. It looks at
/// nothing else.
pub fn first_end(message: &[u8]) -> Option<i64> {
    let mut first: Option<i64> = None;
    let mut family = Reader::new(message);
    while let Ok(Some(field)) = family.field() {
        let (4, Wire::Bytes(mut metric)) = field else {
            continue;
        };
        while let Ok(Some(field)) = metric.field() {
            let (UNSEEN, Wire::Bytes(kept)) = field else {
                continue;
            };
            let end = read_unseen(kept).ok().and_then(|unseen| unseen.expires_at);
            first = first.into_iter().chain(end).min();
        }
    }
    first
}

fn decode_by(body: &[u8], memory: &Meter<'_>, is_stored: bool) -> Result<Exposition<'static>, DecodeError> {
    let mut decoder = Decoder {
        exposition: Exposition::default(),
        memory,
        previous_labels: Run::default(),
        is_stored,
    };
    let hasher = DefaultHashBuilder::default();
    let hash = |(name, _): &(&str, usize)| hasher.hash_one(name);
    let mut places: HashTable<(&str, usize)> = HashTable::new();
    let mut rest = Reader::new(body);
    while let Some(message) = rest.delimited()? {
        let head = Head::read(message)?;
        let family = decoder.family(message, &head)?;
        let families = &mut decoder.exposition.families;
        let place = (head.name, families.len());
        let found = places.find(hash(&place), |(name, _)| *name == head.name);
        if let Some((_, place)) = found {
            if let Some(earlier) = families.get_mut(*place) {
                memory.give_back(bytes_of_metrics(earlier));
                *earlier = family;
            }
        } else {
            memory::reserve(memory, &mut places, 1, hash)?;
            places.insert_unique(hash(&place), place, hash);
            memory.push(families, family)?;
        }
    }
    memory.give_back(places.allocation_size());
    Ok(decoder.exposition)
}

/// What the metrics of a family take beside the arenas.
fn bytes_of_metrics(family: &Family) -> usize {
    let extras = family.metrics.iter().filter(|metric| metric.extra.is_some());
    family.metrics.capacity() * size_of::<Metric>() + extras.count() * size_of::<Extra>()
}

/// What a family says beside its metrics. It is read in a pass of its own, since the type, which says how to
/// read the metrics, may stand behind them.
struct Head<'b> {
    name: &'b str,
    help: Option<&'b [u8]>,
    unit: &'b str,
    metric_type: MetricType,
    metric_count: usize,
}

impl<'b> Head<'b> {
    fn read(message: Reader<'b>) -> Result<Self, DecodeError> {
        let mut name = None;
        let mut head = Self {
            name: "",
            help: None,
            unit: "",
            metric_type: MetricType::Counter,
            metric_count: 0,
        };
        let mut fields = message;
        while let Some(field) = fields.field()? {
            match field {
                (1, Wire::Bytes(value)) => name = Some(value),
                (2, Wire::Bytes(value)) => head.help = Some(value.bytes()),
                (3, Wire::Varint(number)) => head.metric_type = metric_type(number, fields)?,
                (4, Wire::Bytes(_)) => head.metric_count += 1,
                (5, Wire::Bytes(value)) => head.unit = utf8(value, "unit")?,
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty());
        head.name = utf8(
            name.ok_or_else(|| message.error(ErrorKind::NamelessFamily))?,
            "metric name",
        )?;
        Ok(head)
    }
}

fn metric_type(number: u64, behind: Reader<'_>) -> Result<MetricType, DecodeError> {
    match number {
        0 => Ok(MetricType::Counter),
        1 => Ok(MetricType::Gauge),
        2 => Ok(MetricType::Summary),
        3 => Ok(MetricType::Untyped),
        4 => Ok(MetricType::Histogram),
        5 => Ok(MetricType::GaugeHistogram),
        _ => Err(behind.error(ErrorKind::UnknownType(number))),
    }
}

/// The field of a metric in which the value of its family's type lies.
fn value_field(metric_type: MetricType) -> u64 {
    match metric_type {
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => 2,
        MetricType::Counter => 3,
        MetricType::Summary => 4,
        MetricType::Untyped => 5,
        MetricType::Histogram | MetricType::GaugeHistogram => 7,
    }
}

struct Decoder<'m> {
    exposition: Exposition<'static>,
    memory: &'m Meter<'m>,
    /// The labels of the metric before. Most are the same again, and then need neither check nor copy.
    previous_labels: Run,
    /// Whether a gateway has kept it, so that there may be more than the format has.
    is_stored: bool,
}

impl Decoder<'_> {
    fn family(&mut self, message: Reader<'_>, head: &Head<'_>) -> Result<Family, DecodeError> {
        let mut family = Family {
            name: self.exposition.intern_within(head.name, self.memory)?,
            help: head.help.map(|help| self.help(help)).transpose()?,
            unit: self.exposition.intern_within(head.unit, self.memory)?,
            metric_type: head.metric_type,
            metrics: Vec::new(),
        };
        self.memory.reserve(&mut family.metrics, head.metric_count)?;
        let mut fields = message;
        while let Some(field) = fields.field()? {
            if let (4, Wire::Bytes(metric)) = field {
                family.metrics.push(self.metric(metric, head)?);
            }
        }
        Ok(family)
    }

    fn help(&mut self, help: &[u8]) -> Result<Text, TooLarge> {
        // Three bytes in place of each one that is not UTF-8, if there is one.
        let copied = match std::str::from_utf8(help) {
            Ok(_) => 0,
            Err(_) => help.len().saturating_mul(4),
        };
        self.memory.take(copied)?;
        let text = self
            .exposition
            .intern_within(&String::from_utf8_lossy(help), self.memory);
        self.memory.give_back(copied);
        text
    }

    fn metric(&mut self, message: Reader<'_>, head: &Head<'_>) -> Result<Metric, DecodeError> {
        let start = self.exposition.labels.len();
        let value_field = value_field(head.metric_type);
        let mut alike = self.previous_labels.range();
        let mut values = Once::default();
        let (mut timestamp_ms, mut unseen) = (None, Unseen::default());
        let mut fields = message;
        while let Some(field) = fields.field()? {
            match field {
                (1, Wire::Bytes(label)) => self.label(label, alike.next())?,
                (6, Wire::Varint(ms)) => timestamp_ms = Some(ms.cast_signed()),
                (UNSEEN, Wire::Bytes(kept)) if self.is_stored => unseen = read_unseen(kept)?,
                (number, Wire::Bytes(value)) if number == value_field => {
                    values.push(value, self.memory)?;
                }
                _ => {}
            }
        }
        // Exemplars have labels too: values are read only now, so that the labels of the metric lie together.
        let labels = Run::new(start, self.exposition.labels.len())?;
        self.previous_labels = labels;
        let mut extra = Extra {
            timestamp_ms,
            unseen,
            ..Extra::default()
        };
        let value = if values.is_empty() {
            Value::Missing
        } else {
            match head.metric_type {
                MetricType::Counter => self.counter(&values, &mut extra)?,
                MetricType::Summary => self.summary(&values, &mut extra)?,
                MetricType::Histogram | MetricType::GaugeHistogram => {
                    self.histogram(&values, &mut extra, message, head.name)?
                }
                MetricType::Gauge | MetricType::Untyped | MetricType::Info | MetricType::StateSet => {
                    number(&values)?
                }
            }
        };
        values.finish(self.memory);
        let extra = if extra == Extra::default() {
            None
        } else {
            self.memory.take(size_of::<Extra>())?;
            Some(Box::new(extra))
        };
        Ok(Metric { labels, value, extra })
    }

    fn label(&mut self, message: Reader<'_>, alike: Option<usize>) -> Result<(), DecodeError> {
        let alike = alike.and_then(|index| self.exposition.labels.get(index).copied());
        let mut label = Label {
            name: Text::EMPTY,
            value: Text::EMPTY,
        };
        let mut fields = message;
        while let Some(field) = fields.field()? {
            match field {
                (1, Wire::Bytes(name)) => {
                    label.name = self.text(name, "label name", alike.map(|l| l.name))?;
                }
                (2, Wire::Bytes(value)) => {
                    label.value = self.text(value, "label value", alike.map(|l| l.value))?;
                }
                _ => {}
            }
        }
        Ok(self.memory.push(&mut self.exposition.labels, label)?)
    }

    fn text(
        &mut self,
        bytes: Reader<'_>,
        what: &'static str,
        alike: Option<Text>,
    ) -> Result<Text, DecodeError> {
        if let Some(alike) = alike
            && self.exposition.text(alike).as_bytes() == bytes.bytes()
        {
            return Ok(alike);
        }
        Ok(self.exposition.intern_within(utf8(bytes, what)?, self.memory)?)
    }

    fn counter(&mut self, values: &Once<'_>, extra: &mut Extra) -> Result<Value, DecodeError> {
        let mut number = 0.0;
        let (mut exemplar, mut created) = (Once::default(), Once::default());
        for mut fields in values.messages() {
            while let Some(field) = fields.field()? {
                match field {
                    (1, Wire::Fixed64(bits)) => number = f64::from_bits(bits),
                    (2, Wire::Bytes(message)) => exemplar.push(message, self.memory)?,
                    (3, Wire::Bytes(message)) => created.push(message, self.memory)?,
                    _ => {}
                }
            }
        }
        extra.exemplar = self.exemplar(exemplar)?;
        extra.created = timestamp(created, self.memory)?;
        Ok(Value::Number(number))
    }

    fn summary(&mut self, values: &Once<'_>, extra: &mut Extra) -> Result<Value, DecodeError> {
        let start = self.exposition.quantiles.len();
        let mut summary = Summary::default();
        let mut created = Once::default();
        for mut fields in values.messages() {
            while let Some(field) = fields.field()? {
                match field {
                    (1, Wire::Varint(count)) => summary.count = count,
                    (2, Wire::Fixed64(bits)) => summary.sum = f64::from_bits(bits),
                    (3, Wire::Bytes(message)) => {
                        let quantile = quantile(message)?;
                        self.memory.push(&mut self.exposition.quantiles, quantile)?;
                    }
                    (4, Wire::Bytes(message)) => created.push(message, self.memory)?,
                    _ => {}
                }
            }
        }
        extra.created = timestamp(created, self.memory)?;
        summary.quantiles = Run::new(start, self.exposition.quantiles.len())?;
        let index = index(self.exposition.summaries.len())?;
        self.memory.push(&mut self.exposition.summaries, summary)?;
        Ok(Value::Summary(index))
    }

    fn histogram(
        &mut self,
        values: &Once<'_>,
        extra: &mut Extra,
        metric: Reader<'_>,
        family: &str,
    ) -> Result<Value, DecodeError> {
        let start = self.exposition.buckets.len();
        let mut histogram = Histogram::default();
        let mut counts = Counts::default();
        let mut native = Native::default();
        let mut created = Once::default();
        for mut fields in values.messages() {
            while let Some(field) = fields.field()? {
                match field {
                    (1, Wire::Varint(count)) => counts.int = Some(count),
                    (2, Wire::Fixed64(bits)) => histogram.sum = f64::from_bits(bits),
                    (3, Wire::Bytes(message)) => {
                        let bucket = self.bucket(message)?;
                        self.memory.push(&mut self.exposition.buckets, bucket)?;
                    }
                    (4, Wire::Fixed64(bits)) => counts.float = Some(f64::from_bits(bits)),
                    (15, Wire::Bytes(message)) => created.push(message, self.memory)?,
                    other => native.field(other, fields, self.memory)?,
                }
            }
        }
        extra.created = timestamp(created, self.memory)?;
        histogram.buckets = Run::new(start, self.exposition.buckets.len())?;
        histogram.count = counts.count();
        if native.is_native(counts) {
            let exemplars = self.exemplars(&native.exemplars)?;
            self.memory.take(size_of::<NativeHistogram>())?;
            self.memory.give_back(native.bytes_of_exemplars());
            native
                .complete(&mut histogram, counts, exemplars)
                .map_err(|problem| {
                    metric.error(ErrorKind::NativeHistogram {
                        family: shortened(family),
                        problem,
                    })
                })?;
        } else {
            self.memory.give_back(native.bytes());
        }
        let index = index(self.exposition.histograms.len())?;
        self.memory.push(&mut self.exposition.histograms, histogram)?;
        Ok(Value::Histogram(index))
    }

    fn bucket(&mut self, mut fields: Reader<'_>) -> Result<Bucket, DecodeError> {
        let mut upper_bound = 0.0;
        let mut counts = Counts::default();
        let mut exemplar = Once::default();
        while let Some(field) = fields.field()? {
            match field {
                (1, Wire::Varint(count)) => counts.int = Some(count),
                (2, Wire::Fixed64(bits)) => upper_bound = f64::from_bits(bits),
                (3, Wire::Bytes(message)) => exemplar.push(message, self.memory)?,
                (4, Wire::Fixed64(bits)) => counts.float = Some(f64::from_bits(bits)),
                _ => {}
            }
        }
        let exemplar = self.exemplar(exemplar)?;
        Ok(Bucket {
            upper_bound,
            cumulative_count: counts.count(),
            exemplar,
        })
    }

    fn exemplars(&mut self, messages: &[Reader<'_>]) -> Result<Run, DecodeError> {
        let start = self.exposition.exemplars.len();
        for message in messages {
            self.exemplar(Once::of(*message))?;
        }
        Ok(Run::new(start, self.exposition.exemplars.len())?)
    }

    fn exemplar(&mut self, exemplar: Once<'_>) -> Result<Option<u32>, DecodeError> {
        if exemplar.is_empty() {
            return Ok(None);
        }
        let start = self.exposition.labels.len();
        let mut value = 0.0;
        let mut time = Once::default();
        for mut fields in exemplar.messages() {
            while let Some(field) = fields.field()? {
                match field {
                    (1, Wire::Bytes(message)) => self.label(message, None)?,
                    (2, Wire::Fixed64(bits)) => value = f64::from_bits(bits),
                    (3, Wire::Bytes(message)) => time.push(message, self.memory)?,
                    _ => {}
                }
            }
        }
        exemplar.finish(self.memory);
        let labels = Run::new(start, self.exposition.labels.len())?;
        let index = index(self.exposition.exemplars.len())?;
        let exemplar = Exemplar {
            labels,
            value,
            timestamp: timestamp(time, self.memory)?,
        };
        self.memory.push(&mut self.exposition.exemplars, exemplar)?;
        Ok(Some(index))
    }
}

/// The beginning of a name, for an error: it may be as long as the body.
fn shortened(name: &str) -> String {
    name.chars().take(2 * MAX_NAME_CHARS).collect()
}

/// A count in its two fields.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    int: Option<u64>,
    float: Option<f64>,
}

impl Counts {
    fn count(self) -> Count {
        match (self.int, self.float) {
            (Some(int), Some(0.0) | None) => Count::Int(int),
            (_, Some(float)) => Count::Float(float),
            (None, None) => Count::Int(0),
        }
    }

    fn is_float(self) -> bool {
        self.float.is_some_and(|float| float > 0.0)
    }
}

/// The fields of a native histogram, before it is known whether the histogram is one.
#[derive(Debug, Default)]
struct Native<'b> {
    schema: i32,
    zero_threshold: f64,
    zero_counts: Counts,
    negative: NativeBuckets,
    positive: NativeBuckets,
    exemplars: Vec<Reader<'b>>,
}

impl<'b> Native<'b> {
    fn field(
        &mut self,
        field: (u64, Wire<'b>),
        behind: Reader<'_>,
        memory: &Meter<'_>,
    ) -> Result<(), DecodeError> {
        match field {
            (5, Wire::Varint(schema)) => self.schema = narrow(unzigzag(schema), behind)?,
            (6, Wire::Fixed64(bits)) => self.zero_threshold = f64::from_bits(bits),
            (7, Wire::Varint(count)) => self.zero_counts.int = Some(count),
            (8, Wire::Fixed64(bits)) => self.zero_counts.float = Some(f64::from_bits(bits)),
            (9, Wire::Bytes(message)) => memory.push(&mut self.negative.spans, span(message)?)?,
            (10, deltas) => push_deltas(&mut self.negative.deltas, deltas, memory)?,
            (11, counts) => push_counts(&mut self.negative.counts, counts, memory)?,
            (12, Wire::Bytes(message)) => memory.push(&mut self.positive.spans, span(message)?)?,
            (13, deltas) => push_deltas(&mut self.positive.deltas, deltas, memory)?,
            (14, counts) => push_counts(&mut self.positive.counts, counts, memory)?,
            (16, Wire::Bytes(message)) => memory.push(&mut self.exemplars, message)?,
            _ => {}
        }
        Ok(())
    }

    fn bytes_of_exemplars(&self) -> usize {
        self.exemplars.capacity() * size_of::<Reader<'_>>()
    }

    /// What all of it takes.
    fn bytes(&self) -> usize {
        let sides = [&self.negative, &self.positive];
        let lists = sides.iter().map(|side| {
            side.spans.capacity() * size_of::<BucketSpan>()
                + side.deltas.capacity() * size_of::<i64>()
                + side.counts.capacity() * size_of::<f64>()
        });
        self.bytes_of_exemplars() + lists.sum::<usize>()
    }

    /// What Prometheus asks, of a histogram with this count. Libraries give a native histogram that has no observations
    /// yet an empty span. A zero bucket that counts in integers is not part of a histogram of floats.
    fn is_native(&self, counts: Counts) -> bool {
        !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_counts.is_float()
            || self.zero_counts.int.is_some_and(|count| count > 0) && !counts.is_float()
    }

    /// Makes `histogram` a native one, of integers or of floats alone. As in Prometheus it is one of floats if
    /// its count or that of its zero bucket is a float above 0.
    fn complete(
        mut self,
        histogram: &mut Histogram,
        counts: Counts,
        exemplars: Run,
    ) -> Result<(), NativeProblem> {
        let zero_count = if counts.is_float() || self.zero_counts.is_float() {
            self.negative.deltas.clear();
            self.positive.deltas.clear();
            histogram.count = Count::Float(counts.float.unwrap_or_default());
            Count::Float(self.zero_counts.float.unwrap_or_default())
        } else {
            self.negative.counts.clear();
            self.positive.counts.clear();
            histogram.count = Count::Int(counts.int.unwrap_or_default());
            Count::Int(self.zero_counts.int.unwrap_or_default())
        };
        let native = NativeHistogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count,
            negative: self.negative,
            positive: self.positive,
            exemplars,
        };
        native::check(histogram, &native)?;
        histogram.native = Some(Box::new(native));
        Ok(())
    }
}

/// The value of a gauge or untyped metric.
fn number(values: &Once<'_>) -> Result<Value, DecodeError> {
    let mut number = 0.0;
    for mut fields in values.messages() {
        while let Some(field) = fields.field()? {
            if let (1, Wire::Fixed64(bits)) = field {
                number = f64::from_bits(bits);
            }
        }
    }
    Ok(Value::Number(number))
}

fn quantile(mut fields: Reader<'_>) -> Result<Quantile, DecodeError> {
    let mut quantile = Quantile {
        quantile: 0.0,
        value: 0.0,
    };
    while let Some(field) = fields.field()? {
        match field {
            (1, Wire::Fixed64(bits)) => quantile.quantile = f64::from_bits(bits),
            (2, Wire::Fixed64(bits)) => quantile.value = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok(quantile)
}

fn span(mut fields: Reader<'_>) -> Result<BucketSpan, DecodeError> {
    let mut span = BucketSpan { offset: 0, length: 0 };
    while let Some(field) = fields.field()? {
        match field {
            (1, Wire::Varint(offset)) => span.offset = narrow(unzigzag(offset), fields)?,
            (2, Wire::Varint(length)) => span.length = narrow(length.cast_signed(), fields)?,
            _ => {}
        }
    }
    Ok(span)
}

fn timestamp(messages: Once<'_>, memory: &Meter<'_>) -> Result<Option<Timestamp>, DecodeError> {
    if messages.is_empty() {
        return Ok(None);
    }
    let mut timestamp = Timestamp { seconds: 0, nanos: 0 };
    for mut fields in messages.messages() {
        while let Some(field) = fields.field()? {
            match field {
                (1, Wire::Varint(seconds)) => timestamp.seconds = seconds.cast_signed(),
                (2, Wire::Varint(nanos)) => timestamp.nanos = narrow(nanos.cast_signed(), fields)?,
                _ => {}
            }
        }
    }
    messages.finish(memory);
    Ok(Some(timestamp))
}

fn read_unseen(mut fields: Reader<'_>) -> Result<Unseen, DecodeError> {
    let mut unseen = Unseen::default();
    let (mut sum, mut count) = (None, None);
    while let Some(field) = fields.field()? {
        match field {
            (1, Wire::Varint(at)) => unseen.expires_at = Some(unzigzag(at)),
            (2, Wire::Fixed64(bits)) => sum = Some(f64::from_bits(bits)),
            (3, Wire::Varint(number)) => count = Some(number),
            _ => {}
        }
    }
    unseen.mean = sum.zip(count).map(|(sum, count)| Mean { sum, count });
    Ok(unseen)
}

/// Repeated numbers come one a field, or packed into one field.
fn push_deltas(deltas: &mut Vec<i64>, value: Wire<'_>, memory: &Meter<'_>) -> Result<(), DecodeError> {
    match value {
        Wire::Varint(delta) => memory.push(deltas, unzigzag(delta))?,
        Wire::Bytes(mut packed) => {
            while !packed.is_empty() {
                memory.push(deltas, unzigzag(packed.varint()?))?;
            }
        }
        Wire::Fixed64(_) | Wire::Other => {}
    }
    Ok(())
}

fn push_counts(counts: &mut Vec<f64>, value: Wire<'_>, memory: &Meter<'_>) -> Result<(), DecodeError> {
    match value {
        Wire::Fixed64(bits) => memory.push(counts, f64::from_bits(bits))?,
        Wire::Bytes(mut packed) => {
            while !packed.is_empty() {
                memory.push(counts, f64::from_bits(packed.fixed64()?))?;
            }
        }
        Wire::Varint(_) | Wire::Other => {}
    }
    Ok(())
}

fn narrow<T: TryFrom<i64>>(number: i64, behind: Reader<'_>) -> Result<T, DecodeError> {
    T::try_from(number).map_err(|_| behind.malformed(Malformed::Narrow(number)))
}

fn utf8<'b>(bytes: Reader<'b>, what: &'static str) -> Result<&'b str, DecodeError> {
    std::str::from_utf8(bytes.bytes()).map_err(|_| bytes.error(ErrorKind::InvalidUtf8 { what }))
}

fn index(length: usize) -> Result<u32, TooLarge> {
    u32::try_from(length).map_err(|_| TooLarge::Indices)
}
