//! `VictoriaMetrics` and its agent.

use wharf_testkit::{VictoriaMetrics, until};

use super::{Gateways, Way, all_up, differences, seen};

const WAYS: [Way; 3] = [
    ("honoured", "honor_labels: true"),
    ("exported", "honor_labels: false"),
    ("stream", "honor_labels: true\nstream_parse: true"),
];

#[test]
fn victoria_metrics_sees_the_same() {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    let config = gateways.scrape_config(&WAYS);
    let Some(victoria) = VictoriaMetrics::start(&config) else {
        return;
    };
    sees_the_same(&victoria);
}

#[test]
fn vmagent_sees_the_same() {
    let Some(gateways) = Gateways::filled() else {
        return;
    };
    let Some(victoria) = VictoriaMetrics::start("") else {
        return;
    };
    let config = gateways.scrape_config(&WAYS);
    let Some(_agent) = VictoriaMetrics::agent(victoria.address(), &config) else {
        return;
    };
    sees_the_same(&victoria);
}

#[track_caller]
fn sees_the_same(victoria: &VictoriaMetrics) {
    all_up(victoria, 3 * WAYS.len());
    // The samples of one scrape become visible one after the other.
    let verdict = || {
        let ways = WAYS.iter().flat_map(|(way, _)| {
            ["Wharf", "Wharf with OpenMetrics"]
                .map(|gateway| differences(way, &seen(victoria, way, "real"), &seen(victoria, way, gateway)))
        });
        ways.collect::<String>()
    };
    let mut last = String::new();
    until("the same series", || {
        last = verdict();
        last.is_empty().then_some(())
    });
}
