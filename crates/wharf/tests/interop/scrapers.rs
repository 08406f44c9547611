//! Those who scrape: Prometheus in its versions, `VictoriaMetrics` and `OpenTelemetry` see the same of Wharf as of
//! the real Pushgateway, by their own account.
//!
//! Both gateways hold the same groups, see [`contents`]. One scraper has each gateway as a target in each [`Way`] of
//! scraping, and a label `scraped` on its series says which; then it is asked for all of them.

mod contents;
mod openmetrics;
mod opentelemetry;
mod prometheus;
mod promtool;
mod victoria_metrics;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use wharf_testkit::{Answer, Gateway, Querier, Spawn, until};

use crate::wharf;

/// One way of scraping: its name, and lines of a scrape configuration.
type Way = (&'static str, &'static str);

/// The gateways, which hold the same groups.
struct Gateways {
    real: Gateway,
    wharf: Gateway,
    /// Wharf again, with `OpenMetrics` for those who ask.
    openmetrics: Gateway,
}

impl Gateways {
    /// Starts and fills them. `None` if the real one is not there and not required.
    fn filled() -> Option<Self> {
        let start = |spawn: Spawn| {
            let gateway = spawn.arg("--push.enable-utf8-names").start();
            contents::push(&gateway);
            gateway
        };
        Some(Self {
            real: start(Spawn::real()?),
            wharf: start(wharf()),
            openmetrics: start(wharf().arg("--web.enable-openmetrics")),
        })
    }

    fn named(&self) -> [(&'static str, &Gateway); 3] {
        [
            ("real", &self.real),
            ("Wharf", &self.wharf),
            ("Wharf with OpenMetrics", &self.openmetrics),
        ]
    }

    /// A configuration that scrapes each gateway in each way.
    fn scrape_config(&self, ways: &[Way]) -> String {
        let mut config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned();
        for (way, settings) in ways {
            for (name, gateway) in self.named() {
                let address = gateway.address();
                let scraped = scraped(way, name);
                writeln!(
                    config,
                    "- job_name: {scraped}\n  static_configs:\n  - targets: ['{address}']\n    \
                     labels: {{job: gateway, instance: gateway, scraped: {scraped}}}"
                )
                .unwrap();
                settings
                    .lines()
                    .for_each(|line| writeln!(config, "  {line}").unwrap());
            }
        }
        config
    }
}

/// The value of the label `scraped`.
fn scraped(way: &str, gateway: &str) -> String {
    format!("{way}/{gateway}").replace(' ', "_")
}

/// Waits until all targets are up.
#[track_caller]
fn all_up(querier: &Querier, targets: usize) {
    until("all targets to be up", || {
        (querier.query("up == 1").len() == targets).then_some(())
    });
}

/// A series: its name and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.labels)
    }
}

/// What the scraper has seen of a gateway: the pushed series without the label `scraped`, and their values. Of the
/// times of pushes only whether there is one.
#[track_caller]
fn seen(querier: &Querier, way: &str, gateway: &str) -> BTreeMap<Series, String> {
    let query = format!(r#"{{scraped="{}"}}"#, scraped(way, gateway));
    // On a busy machine a scrape may come too late, and nothing is seen until the next one.
    let answers = until(&format!("something to be seen, {way}, {gateway}"), || {
        let answers = querier.query(&query);
        let mut names = answers.iter().filter_map(|answer| answer.labels.get("__name__"));
        names.any(|name| !is_own(name)).then_some(answers)
    });
    let mut all = BTreeMap::new();
    for Answer {
        mut labels,
        mut value,
    } in answers
    {
        labels.remove("scraped");
        let name = labels.remove("__name__").unwrap_or_default();
        if is_own(&name) {
            continue;
        }
        if name == "push_time_seconds" || name == "push_failure_time_seconds" {
            value = (value != "0").to_string();
        }
        let series = Series { name, labels };
        let replaced = all.insert(series.clone(), value);
        assert_eq!(replaced, None, "{way}, {gateway}: {series} comes twice");
    }
    all
}

/// Whether a name is one of the gateway's own metrics, or one that the scraper adds.
fn is_own(name: &str) -> bool {
    ["go_", "process_", "pushgateway_", "wharf_", "scrape_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == "up"
}

/// One line for each difference.
fn differences<K: Ord + fmt::Display>(
    what: &str,
    real: &BTreeMap<K, String>,
    wharf: &BTreeMap<K, String>,
) -> String {
    let mut text = String::new();
    for (key, value) in real.iter().filter(|(key, value)| wharf.get(*key) != Some(value)) {
        writeln!(text, "{what}, real:  {key} {value}").unwrap();
    }
    for (key, value) in wharf.iter().filter(|(key, value)| real.get(*key) != Some(value)) {
        writeln!(text, "{what}, Wharf: {key} {value}").unwrap();
    }
    text
}
