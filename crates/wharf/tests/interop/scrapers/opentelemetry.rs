//! The Prometheus receiver of the `OpenTelemetry` collector.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wharf_testkit::{Collector, until};

use super::{Gateways, Way, differences, is_own, scraped};

const WAYS: [Way; 3] = [
    ("honoured", "honor_labels: true"),
    ("exported", "honor_labels: false"),
    (
        "protobuf",
        "honor_labels: true\nscrape_protocols: [PrometheusProto]",
    ),
];

#[test]
fn the_collector_passes_on_the_same() {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    let Some(collector) = Collector::start(&gateways.scrape_config(&WAYS)) else {
        return;
    };
    let mut failures = String::new();
    for (way, _) in WAYS {
        let [real, wharf] = ["real", "Wharf"].map(|gateway| {
            let scraped = scraped(way, gateway);
            let seen = || {
                let messages = collector.messages();
                messages.iter().find_map(|message| points(message, &scraped))
            };
            until(&format!("a scrape of {scraped}"), seen)
        });
        let has = |name: &str| real.keys().any(|key| key.starts_with(name));
        assert!(
            has("batch_job_duration_seconds ") && has("sum ") && has("m "),
            "{real:#?}"
        );
        failures += &differences(way, &real, &wharf);
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// The points of the pushed metrics in a message, without their times. `None` if it is about another target.
fn points(message: &Value, scraped: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for resource in list(&message["resourceMetrics"]) {
        let about = attributes(&resource["resource"]);
        for metric in list(&resource["scopeMetrics"])
            .iter()
            .flat_map(|scope| list(&scope["metrics"]))
        {
            let name = metric["name"].as_str().unwrap_or_default();
            let kinds = metric.as_object().into_iter().flatten();
            for (kind, data) in kinds.filter(|(_, data)| data["dataPoints"].is_array()) {
                for point in list(&data["dataPoints"]) {
                    let mut labels = attributes(point);
                    if labels
                        .remove("scraped")
                        .is_none_or(|value| value["stringValue"] != scraped)
                    {
                        return None;
                    }
                    let mut point = point.as_object().cloned().unwrap_or_default();
                    point.retain(|key, _| {
                        !["attributes", "timeUnixNano", "startTimeUnixNano"].contains(&key.as_str())
                    });
                    if name == "push_time_seconds" || name == "push_failure_time_seconds" {
                        point["asDouble"] = (point["asDouble"] != 0.0).into();
                    }
                    let key = format!("{name} {about:?} {labels:?}");
                    let value = format!(
                        "{kind} {} {} {}",
                        metric["description"],
                        metric["unit"],
                        Value::Object(point)
                    );
                    assert_eq!(found.insert(key, value), None, "{name} comes twice");
                }
            }
        }
    }
    found.retain(|key, _| !is_own(key.split(' ').next().unwrap()));
    (!found.is_empty()).then_some(found)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The attributes of a resource or point, by name.
fn attributes(of: &Value) -> Map<String, Value> {
    let entries = list(&of["attributes"]).iter();
    entries
        .map(|entry| {
            (
                entry["key"].as_str().unwrap_or_default().to_owned(),
                entry["value"].clone(),
            )
        })
        .collect()
}
