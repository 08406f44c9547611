//! Random expositions, of what a format can say.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wharf_model::{
    Bucket, BucketSpan, Count, Exemplar, Exposition, Extra, Family, Histogram, Label, Metric, MetricType,
    NativeBuckets, NativeHistogram, Quantile, Run, Summary, Timestamp, Value,
};

/// Which format is to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    Protobuf,
}

/// A metric family before it is laid out in arrays. Each type takes from the metrics what it can use.
#[derive(Debug, Clone)]
struct FamilyPlan {
    name: String,
    help: Option<String>,
    has_unit: bool,
    metric_type: MetricType,
    metrics: Vec<MetricPlan>,
}

#[derive(Debug, Clone)]
struct MetricPlan {
    labels: Vec<(String, String)>,
    number: f64,
    count: u64,
    fraction: Option<f64>,
    timestamp_ms: Option<i64>,
    created: Option<Timestamp>,
    exemplars: Vec<ExemplarPlan>,
    pairs: Vec<(f64, f64)>,
    native: Option<NativePlan>,
    is_missing: bool,
}

#[derive(Debug, Clone)]
struct ExemplarPlan {
    labels: Vec<(String, String)>,
    value: f64,
    timestamp: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct NativePlan {
    schema: i32,
    zero_threshold: f64,
    counts: Vec<u32>,
    is_float: bool,
}

/// Any exposition that `format` can say. `OpenMetrics` has rules on what metrics are, so there it is one that keeps them.
pub(crate) fn exposition(format: Format) -> impl Strategy<Value = Exposition<'static>> {
    vec(family(format), 0..5).prop_map(move |plans| Builder::build(format, &plans))
}

fn family(format: Format) -> impl Strategy<Value = FamilyPlan> {
    let types = match format {
        Format::OpenMetrics => MetricType::ALL.to_vec(),
        Format::Protobuf => vec![
            MetricType::Counter,
            MetricType::Gauge,
            MetricType::Summary,
            MetricType::Untyped,
            MetricType::Histogram,
            MetricType::GaugeHistogram,
        ],
    };
    // A carriage return at the end of a line of OpenMetrics counts as part of the line end, and empty help is none.
    let is_openmetrics = format == Format::OpenMetrics;
    let help = text().prop_map(move |help| {
        let help = help.replace('\r', " ");
        if is_openmetrics && help.is_empty() {
            "help".to_owned()
        } else {
            help
        }
    });
    let fewest = usize::from(format == Format::OpenMetrics);
    (
        name(),
        option::of(help),
        any::<bool>(),
        proptest::sample::select(types),
        vec(metric(format), fewest..4),
    )
        .prop_map(|(name, help, has_unit, metric_type, metrics)| FamilyPlan {
            name,
            help,
            has_unit,
            metric_type,
            metrics,
        })
}

fn metric(format: Format) -> impl Strategy<Value = MetricPlan> {
    let first = (
        labels(),
        number(),
        0..u64::from(u32::MAX),
        option::of(0.1..0.9),
        option::of(any::<i64>()),
    );
    let second = (
        option::of(timestamp()),
        vec(exemplar(), 0..3),
        vec((number(), number()), 0..4),
    );
    let third = (option::of(native()), proptest::bool::weighted(0.1));
    (first, second, third).prop_map(move |(first, second, third)| {
        let (labels, number, count, fraction, timestamp_ms) = first;
        let (created, exemplars, pairs) = second;
        let (native, is_missing) = third;
        let plan = MetricPlan {
            labels,
            number,
            count,
            fraction,
            timestamp_ms,
            created,
            exemplars,
            pairs,
            native,
            is_missing,
        };
        match format {
            Format::OpenMetrics => plan.kept_to_the_rules(),
            Format::Protobuf => plan,
        }
    })
}

impl MetricPlan {
    /// The same as `OpenMetrics` allows it whatever the type: counts are whole, sums and ranks not negative, bounds
    /// sorted, labels free of what belongs to the format.
    fn kept_to_the_rules(mut self) -> Self {
        let is_free = |(name, _): &(String, String)| {
            !name.starts_with("__") && !["le", "quantile", "number", "state"].contains(&name.as_str())
        };
        self.labels.retain(is_free);
        for exemplar in &mut self.exemplars {
            exemplar.labels.retain(is_free);
        }
        self.fraction = None;
        self.pairs.retain(|(bound, _)| bound.is_finite());
        self.pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.pairs.dedup_by(|a, b| a.0 <= b.0);
        self
    }
}

fn native() -> impl Strategy<Value = NativePlan> {
    (-4..=8, 0.0..1.0, vec(0..1000_u32, 0..6), any::<bool>()).prop_map(
        |(schema, zero_threshold, counts, is_float)| NativePlan {
            schema,
            zero_threshold,
            counts,
            is_float,
        },
    )
}

fn exemplar() -> impl Strategy<Value = ExemplarPlan> {
    (labels(), number(), option::of(timestamp())).prop_map(|(labels, value, timestamp)| ExemplarPlan {
        labels,
        value,
        timestamp,
    })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

/// Zero has its sign removed: the text formats do not keep it.
fn number() -> impl Strategy<Value = f64> {
    let special = proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e21]);
    prop_oneof![
        special,
        -1000.0..1000.0,
        any::<f64>().prop_map(|number| if number == 0.0 { 0.0 } else { number })
    ]
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((name(), text()), 0..4).prop_map(|mut labels| {
        labels.sort();
        labels.dedup_by(|a, b| a.0 == b.0);
        labels
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,8}", "[ -~é\\n\"\\\\]{1,6}", "\\PC{1,4}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/ 0-9]{0,12}", "[\\x00-\\x7fé\\n\"\\\\]{0,8}", "\\PC{0,6}"]
}

/// The number without its sign; zero if it is none.
fn magnitude(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.abs() }
}

/// Lays plans out in arrays.
struct Builder {
    format: Format,
    exposition: Exposition<'static>,
}

impl Builder {
    fn build(format: Format, plans: &[FamilyPlan]) -> Exposition<'static> {
        let mut builder = Self {
            format,
            exposition: Exposition::default(),
        };
        for (index, plan) in plans.iter().enumerate() {
            builder.family(index, plan);
        }
        builder.exposition
    }

    fn family(&mut self, index: usize, plan: &FamilyPlan) {
        let may_have_unit = !matches!(plan.metric_type, MetricType::Info | MetricType::StateSet);
        let has_unit = plan.has_unit && may_have_unit;
        let unit = if has_unit { "seconds" } else { "" };
        let separator = if has_unit { "_" } else { "" };
        let suffix = match plan.metric_type {
            MetricType::Counter => "_total",
            MetricType::Info => "_info",
            _ => "",
        };
        // The index keeps names apart, and the letter from names that are reserved.
        let is_openmetrics = self.format == Format::OpenMetrics;
        let letter = if is_openmetrics { "n" } else { "" };
        let name = format!("{letter}{}{index}{separator}{unit}{suffix}", plan.name);
        let exposition = &mut self.exposition;
        let mut family = Family {
            name: exposition.intern(&name).unwrap(),
            help: plan.help.as_ref().map(|help| exposition.intern(help).unwrap()),
            unit: exposition.intern(unit).unwrap(),
            metric_type: plan.metric_type,
            metrics: Vec::new(),
        };
        for (index, metric) in plan.metrics.iter().enumerate() {
            family
                .metrics
                .push(self.metric(index, metric, plan.metric_type, &name));
        }
        self.exposition.families.push(family);
    }

    fn metric(&mut self, index: usize, plan: &MetricPlan, metric_type: MetricType, family: &str) -> Metric {
        let mut labels = plan.labels.clone();
        // The same, for label sets.
        labels.push(("number".to_owned(), index.to_string()));
        let keeps_rules = self.format == Format::OpenMetrics;
        let number = match metric_type {
            MetricType::Info if keeps_rules => 1.0,
            MetricType::StateSet if keeps_rules => {
                labels.push((family.to_owned(), "state".to_owned()));
                f64::from(u8::from(plan.number > 0.0))
            }
            MetricType::Counter if keeps_rules => magnitude(plan.number),
            _ => plan.number,
        };
        let labels = self.labels(&labels);
        let mut extra = Extra {
            timestamp_ms: plan.timestamp_ms,
            ..Extra::default()
        };
        let has_created = match metric_type {
            MetricType::Counter | MetricType::Summary | MetricType::Histogram => true,
            // Only there does a gauge histogram have one.
            MetricType::GaugeHistogram => self.format == Format::Protobuf,
            _ => false,
        };
        if has_created {
            extra.created = plan.created;
        }
        let value = match metric_type {
            _ if plan.is_missing && self.format == Format::Protobuf => {
                extra.created = None;
                Value::Missing
            }
            MetricType::Counter => {
                extra.exemplar = plan.exemplars.first().map(|exemplar| self.exemplar(exemplar));
                Value::Number(number)
            }
            MetricType::Summary => self.summary(plan),
            MetricType::Histogram | MetricType::GaugeHistogram => self.histogram(plan, metric_type),
            _ => Value::Number(number),
        };
        let extra = (extra != Extra::default()).then(|| Box::new(extra));
        Metric { labels, value, extra }
    }

    fn labels(&mut self, labels: &[(String, String)]) -> Run {
        let start = self.exposition.labels.len();
        for (name, value) in labels {
            let name = self.exposition.intern(name).unwrap();
            let value = self.exposition.intern(value).unwrap();
            self.exposition.labels.push(Label { name, value });
        }
        Run::new(start, self.exposition.labels.len()).unwrap()
    }

    fn exemplar(&mut self, plan: &ExemplarPlan) -> u32 {
        let labels = self.labels(&plan.labels);
        let ExemplarPlan { value, timestamp, .. } = *plan;
        self.exposition.exemplars.push(Exemplar {
            labels,
            value,
            timestamp,
        });
        u32::try_from(self.exposition.exemplars.len() - 1).unwrap()
    }

    fn summary(&mut self, plan: &MetricPlan) -> Value {
        let start = self.exposition.quantiles.len();
        let keeps_rules = self.format == Format::OpenMetrics;
        for (quantile, value) in &plan.pairs {
            let value = if keeps_rules && *value < 0.0 {
                -value
            } else {
                *value
            };
            if !keeps_rules || (0.0..=1.0).contains(quantile) {
                self.exposition.quantiles.push(Quantile {
                    quantile: *quantile,
                    value,
                });
            }
        }
        let quantiles = Run::new(start, self.exposition.quantiles.len()).unwrap();
        let sum = if keeps_rules {
            magnitude(plan.number)
        } else {
            plan.number
        };
        self.exposition.summaries.push(Summary {
            sum,
            count: plan.count,
            quantiles,
        });
        Value::Summary(u32::try_from(self.exposition.summaries.len() - 1).unwrap())
    }

    fn histogram(&mut self, plan: &MetricPlan, metric_type: MetricType) -> Value {
        let keeps_rules = self.format == Format::OpenMetrics;
        let has_negative = plan.pairs.iter().any(|(bound, _)| *bound < 0.0);
        let sum = match metric_type {
            _ if !keeps_rules => plan.number,
            // What a histogram without a sum is decoded to.
            MetricType::Histogram if has_negative => 0.0,
            _ if has_negative && !plan.number.is_nan() => plan.number,
            _ => magnitude(plan.number),
        };
        let start = self.exposition.buckets.len();
        let mut exemplars = plan.exemplars.iter();
        for (upper_bound, _) in plan.pairs.iter().chain(&[(f64::INFINITY, 0.0)]) {
            let exemplar = exemplars.next().map(|exemplar| {
                let value = exemplar.value;
                let value = if keeps_rules {
                    value.min(*upper_bound)
                } else {
                    value
                };
                self.exemplar(&ExemplarPlan {
                    value,
                    ..exemplar.clone()
                })
            });
            let (upper_bound, cumulative_count) = (*upper_bound, Self::count(plan));
            self.exposition.buckets.push(Bucket {
                upper_bound,
                cumulative_count,
                exemplar,
            });
        }
        let buckets = Run::new(start, self.exposition.buckets.len()).unwrap();
        let mut histogram = Histogram {
            sum,
            count: Self::count(plan),
            buckets,
            ..Histogram::default()
        };
        if let Some(native) = plan.native.as_ref().filter(|_| self.format == Format::Protobuf) {
            self.native(&mut histogram, native, &plan.exemplars);
        }
        self.exposition.histograms.push(histogram);
        Value::Histogram(u32::try_from(self.exposition.histograms.len() - 1).unwrap())
    }

    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    fn count(plan: &MetricPlan) -> Count {
        plan.fraction.map_or(Count::Int(plan.count), |fraction| {
            Count::Float((plan.count % 100) as f64 + fraction)
        })
    }

    fn native(&mut self, histogram: &mut Histogram, plan: &NativePlan, exemplars: &[ExemplarPlan]) {
        let start = self.exposition.exemplars.len();
        for exemplar in exemplars {
            self.exemplar(exemplar);
        }
        let total: u64 = plan.counts.iter().map(|count| u64::from(*count)).sum();
        let length = u32::try_from(plan.counts.len()).unwrap();
        let spans = vec![
            BucketSpan {
                offset: -7,
                length: 0,
            },
            BucketSpan { offset: 3, length },
        ];
        let mut positive = NativeBuckets {
            spans,
            ..NativeBuckets::default()
        };
        let (count, zero_count) = if plan.is_float {
            positive.counts = plan.counts.iter().map(|count| f64::from(*count)).collect();
            (Count::Float(0.5), Count::Float(0.0))
        } else {
            let counts = plan.counts.iter().map(|count| i64::from(*count));
            let befores = std::iter::once(0).chain(counts.clone());
            positive.deltas = counts
                .zip(befores)
                .map(|(count, before)| count - before)
                .collect();
            histogram.sum = 1.5;
            (Count::Int(total + 2), Count::Int(2))
        };
        histogram.count = count;
        histogram.native = Some(Box::new(NativeHistogram {
            schema: plan.schema,
            zero_threshold: plan.zero_threshold,
            zero_count,
            negative: NativeBuckets::default(),
            positive,
            exemplars: Run::new(start, self.exposition.exemplars.len()).unwrap(),
        }));
    }
}
