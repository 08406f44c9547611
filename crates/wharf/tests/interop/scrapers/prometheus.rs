//! Prometheus in its versions.

use std::collections::BTreeMap;

use serde_json::json;
use wharf_testkit::Prometheus;
use wharf_testkit::peers::PrometheusVersion;

use super::{Gateways, Series, Way, all_up, differences, is_own, scraped, seen};

/// What every version can do.
const LABELS: [Way; 2] = [
    ("honoured", "honor_labels: true"),
    ("exported", "honor_labels: false"),
];

/// From 2.49 on each format can be had alone.
const PROTOCOLS: [Way; 5] = [
    (
        "protobuf",
        "honor_labels: true\nscrape_protocols: [PrometheusProto]",
    ),
    ("protobuf exported", "scrape_protocols: [PrometheusProto]"),
    (
        "OpenMetrics",
        "honor_labels: true\nscrape_protocols: [OpenMetricsText1.0.0]",
    ),
    (
        "old OpenMetrics",
        "honor_labels: true\nscrape_protocols: [OpenMetricsText0.0.1]",
    ),
    (
        "text",
        "honor_labels: true\nscrape_protocols: [PrometheusText0.0.4]",
    ),
];

/// From 3.0 on names may be anything in UTF-8, or escaped in one of three ways.
const NAMES: [Way; 6] = [
    (
        "new text",
        "honor_labels: true\nscrape_protocols: [PrometheusText1.0.0]",
    ),
    (
        "legacy",
        "honor_labels: true\nmetric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: underscores",
    ),
    (
        "legacy protobuf",
        "metric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: underscores\n\
         scrape_protocols: [PrometheusProto]",
    ),
    (
        "underscores",
        "honor_labels: true\nmetric_name_escaping_scheme: underscores",
    ),
    ("dots", "honor_labels: true\nmetric_name_escaping_scheme: dots"),
    (
        "values",
        "honor_labels: true\nmetric_name_escaping_scheme: values",
    ),
];

const NATIVE: &str = "--enable-feature=native-histograms,exemplar-storage";

#[test]
fn prometheus_2_42_sees_the_same() {
    let exemplars = "--enable-feature=exemplar-storage";
    sees_the_same(PrometheusVersion::V2_42, &[exemplars], &LABELS);
}

#[test]
fn prometheus_2_42_sees_the_same_native_histograms() {
    sees_the_same(PrometheusVersion::V2_42, &[NATIVE], &LABELS);
}

#[test]
fn prometheus_2_53_sees_the_same() {
    let classic = (
        "classic too",
        "honor_labels: true\nscrape_classic_histograms: true",
    );
    let ways = [&LABELS[..], &PROTOCOLS, &[classic]].concat();
    sees_the_same(PrometheusVersion::V2_53, &[NATIVE], &ways);
}

#[test]
fn prometheus_3_sees_the_same() {
    let classic = (
        "classic too",
        "honor_labels: true\nalways_scrape_classic_histograms: true",
    );
    let ways = [&LABELS[..], &PROTOCOLS, &NAMES, &[classic]].concat();
    sees_the_same(PrometheusVersion::V3, &[NATIVE], &ways);
}

#[test]
fn the_newest_prometheus_sees_the_same() {
    let native = ("native", "honor_labels: true\nscrape_native_histograms: true");
    let ways = [&LABELS[..], &PROTOCOLS, &NAMES, &[native]].concat();
    sees_the_same(
        PrometheusVersion::Newest,
        &["--enable-feature=exemplar-storage"],
        &ways,
    );
}

/// As where two of them watch over each other.
#[test]
fn two_at_once_see_the_same() {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    let config = gateways.scrape_config(&LABELS);
    for version in [PrometheusVersion::V2_53, PrometheusVersion::V3] {
        let pair = [(); 2].map(|()| Prometheus::start(version, &config, &[NATIVE]));
        for prometheus in pair.iter().flatten() {
            compare(prometheus, &LABELS);
        }
    }
}

/// Scrapes all gateways in all ways at once, and compares what Prometheus then has of them.
#[track_caller]
fn sees_the_same(version: PrometheusVersion, flags: &[&str], ways: &[Way]) {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    let config = gateways.scrape_config(ways);
    if let Some(prometheus) = Prometheus::start(version, &config, flags) {
        compare(&prometheus, ways);
    }
}

#[track_caller]
fn compare(prometheus: &Prometheus, ways: &[Way]) {
    all_up(prometheus, 3 * ways.len());
    let mut failures = String::new();
    for (way, _) in ways {
        let [real, wharf, openmetrics] =
            ["real", "Wharf", "Wharf with OpenMetrics"].map(|gateway| View::of(prometheus, way, gateway));
        failures += &real.differences(&format!("{way}, without OpenMetrics"), &wharf);
        // Those who prefer another format get that from this one too.
        let is_openmetrics = openmetrics
            .series
            .keys()
            .any(|series| series.name == "counted_created");
        if way.contains("OpenMetrics") {
            assert!(is_openmetrics, "{way}");
        }
        let real = if is_openmetrics {
            real.in_openmetrics()
        } else {
            real
        };
        failures += &real.differences(&format!("{way}, with OpenMetrics"), &openmetrics);
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// What Prometheus has of one target.
struct View {
    series: BTreeMap<Series, String>,
    /// Type, help and unit by the name of the metric.
    metadata: BTreeMap<String, (String, String)>,
    /// By their value, which no two of them have in common.
    exemplars: BTreeMap<String, String>,
}

impl View {
    #[track_caller]
    fn of(prometheus: &Prometheus, way: &str, gateway: &str) -> Self {
        let matcher = format!(r#"{{scraped="{}"}}"#, scraped(way, gateway));
        let metadata = prometheus.metadata(&matcher).into_iter().map(|entry| {
            let text = |key| entry[key].as_str().unwrap_or_default();
            let rest = format!("{:?} {}", text("help"), text("unit"));
            (text("metric").to_owned(), (text("type").to_owned(), rest))
        });
        let exemplars = prometheus.exemplars(&matcher).into_iter().flat_map(|entry| {
            let name = entry["seriesLabels"]["__name__"].to_string();
            let exemplars = entry["exemplars"].as_array().cloned().unwrap_or_default();
            exemplars
                .into_iter()
                .map(move |exemplar| (exemplar["value"].to_string(), format!("{name} {exemplar}")))
        });
        Self {
            series: seen(prometheus, way, gateway),
            metadata: metadata.filter(|(metric, _)| !is_own(metric)).collect(),
            exemplars: exemplars.collect(),
        }
    }

    /// What was seen in the text format, as `OpenMetrics` has to say it.
    fn in_openmetrics(self) -> Self {
        let mut series: BTreeMap<Series, String> = self
            .series
            .into_iter()
            .map(|(series, value)| (series.in_openmetrics(), value))
            .collect();
        // Protobuf brought more than the text format can say.
        let group = series
            .keys()
            .find(|series| series.name == "counted_total")
            .unwrap()
            .clone();
        for (name, created) in [
            ("classic", "1500000000"),
            ("counted", "1500000001"),
            ("sum", "1500000002"),
        ] {
            let name = format!("{name}_created");
            series.insert(
                Series {
                    name,
                    ..group.clone()
                },
                created.to_owned(),
            );
        }
        let exemplars = [
            ("classic_bucket", "abc", "0.5"),
            ("classic_bucket", "def", "3.5"),
            ("counted_total", "jkl", "1"),
        ];
        let mut metadata: BTreeMap<_, _> = self
            .metadata
            .into_iter()
            .filter_map(metadata_in_openmetrics)
            .collect();
        // Its counts are no whole numbers, which a histogram may not have there: it is shown line by line.
        if let Some((_, rest)) = metadata.remove("float") {
            for name in ["float_bucket", "float_count", "float_sum"] {
                metadata.insert(name.to_owned(), ("unknown".to_owned(), rest.clone()));
            }
        }
        let exemplars = exemplars.map(|(name, trace, value)| {
            let exemplar = json!({"labels": {"trace_id": trace}, "timestamp": 1_600_000_000, "value": value});
            (format!("{value:?}"), format!("{name:?} {exemplar}"))
        });
        Self {
            series,
            metadata,
            exemplars: exemplars.into(),
        }
    }

    fn differences(&self, what: &str, wharf: &Self) -> String {
        let metadata = |view: &Self| {
            let entries = view.metadata.iter();
            entries
                .map(|(metric, (kind, rest))| (metric.clone(), format!("{kind} {rest}")))
                .collect()
        };
        differences(&format!("{what}, series"), &self.series, &wharf.series)
            + &differences(&format!("{what}, metadata"), &metadata(self), &metadata(wharf))
            + &differences(&format!("{what}, exemplars"), &self.exemplars, &wharf.exemplars)
    }
}

impl Series {
    fn in_openmetrics(mut self) -> Self {
        for bound in ["le", "quantile"] {
            // Prometheus 3 writes both formats' bounds alike.
            if let Some(bound) = self
                .labels
                .get_mut(bound)
                .filter(|bound| bound.bytes().all(|byte| byte.is_ascii_digit()))
            {
                bound.push_str(".0");
            }
        }
        // The only gauge histogram.
        if let Some(suffix @ ("sum" | "count")) = self.name.strip_prefix("level_") {
            self.name = format!("level_g{suffix}");
        }
        self
    }
}

/// `OpenMetrics` names counters without their suffix, and does not allow a counter whose name lacks it or is taken.
fn metadata_in_openmetrics(
    (metric, (kind, rest)): (String, (String, String)),
) -> Option<(String, (String, String))> {
    // Part of the counter, histogram and summary of which they tell the age.
    if ["py_created", "py_seconds_created", "py_size_created"].contains(&metric.as_str()) {
        return None;
    }
    let (metric, kind) = match (&*metric, &*kind) {
        ("calls" | "shipped_total", _) => (metric, "unknown"),
        ("level", _) => (metric, "gaugehistogram"),
        (name, "counter") => (name.trim_end_matches("_total").to_owned(), "counter"),
        _ => (metric, &*kind),
    };
    Some((metric, (kind.to_owned(), rest)))
}
