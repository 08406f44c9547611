//! What the JSON API of the Pushgateway leaves out, from its scrape: native histograms, exemplars, created timestamps,
//! units and exact numbers. The scrape says which series there are, the JSON which group each belongs to.

use std::collections::HashMap;
use std::io::Read;

use anyhow::Context;
use serde_json::{Map, Value as Json};
use wharf_client::Client;
use wharf_exposition::{number, protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, Family, GroupingKey, Selector, Value};

use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use super::{Contents, Scraped, read, scrape};
use crate::tools::remote;

/// How often both are read until no group has changed in between.
const ROUNDS: usize = 4;

/// Calls `each` for every group that the selectors name, with all that a Pushgateway tells of it. Why nothing but the
/// JSON could be read, if so.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_exact(
    client: &Client,
    selectors: &[Selector],
    mut each: impl FnMut(anyhow::Result<Contents>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<String>> {
    // The groups that were pushed between the two answers of the round before.
    let mut changed: Option<Vec<GroupingKey>> = None;
    for round in 1..=ROUNDS {
        let scrape = match Scrape::read(client)? {
            Ok(scrape) => scrape,
            Err(refused) => return without_scrape(client, selectors, each).map(|()| Some(refused)),
        };
        let mut changed_now = Vec::new();
        read(client, |group| {
            let mut group = match group {
                Ok(group) => group,
                // It would be the same in the next round.
                Err(error) if round == 1 => return each(Err(error)),
                Err(_) => return Ok(()),
            };
            let is_wanted = changed
                .as_ref()
                .is_none_or(|changed| changed.contains(&group.key));
            if !is_wanted || !remote::selects(selectors, &group.key) {
                return Ok(());
            }
            if !scrape.has_times_of(&group) {
                if round < ROUNDS {
                    changed_now.push(group.key);
                    return Ok(());
                }
                let reason = format!("it was pushed each time while it was read, {ROUNDS} times");
                group.left_out.push((String::new(), reason));
                return each(Ok(group));
            }
            each(scrape.complete(&mut group).map(|()| group))
        })?;
        if changed_now.is_empty() {
            break;
        }
        changed = Some(changed_now);
    }
    Ok(None)
}

/// Such as the JSON has them: a Pushgateway whose groups contradict each other answers no scrape, but has to be left
/// somehow.
fn without_scrape(
    client: &Client,
    selectors: &[Selector],
    mut each: impl FnMut(anyhow::Result<Contents>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    read(client, |group| match group {
        Ok(group) if !remote::selects(selectors, &group.key) => Ok(()),
        group => each(group),
    })
}

/// A scrape with an index of its series.
struct Scrape {
    exposition: Exposition<'static>,
    families: HashMap<String, usize>,
    /// Family and metric, by name and sorted labels.
    series: HashMap<Vec<u8>, (usize, usize)>,
}

impl Scrape {
    /// Reads all of it; within, why the gateway refuses.
    fn read(client: &Client) -> anyhow::Result<Result<Self, String>> {
        let mut body = Vec::new();
        let mut answer = match scrape(client, Scraped::Protobuf, "") {
            Ok(answer) => answer,
            Err(error) if error.status().is_some() => return Ok(Err(error.to_string())),
            Err(error) => return Err(error).context("scrape the gateway"),
        };
        answer.read_to_end(&mut body)?;
        let decoded = protobuf::decode(&body).context("read the scrape of the gateway")?;
        let mut scrape = Self {
            exposition: Exposition::default(),
            families: HashMap::new(),
            series: HashMap::new(),
        };
        for (number, family) in decoded.families.iter().enumerate() {
            let family = scrape.exposition.adopt_family(&decoded, family)?;
            let name = scrape.exposition.text(family.name).to_owned();
            for (at, metric) in family.metrics.iter().enumerate() {
                let labels = scrape.exposition.labels(metric.labels).collect();
                scrape.series.insert(identity(&name, labels), (number, at));
            }
            scrape.families.insert(name, number);
            scrape.exposition.families.push(family);
        }
        Ok(Ok(scrape))
    }

    /// The series of a metric of the JSON.
    fn find(&self, name: &str, metric: &Json) -> Option<(usize, usize)> {
        let labels = metric.get("labels")?.as_object()?;
        let labels: Option<Vec<_>> = labels
            .iter()
            .map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        self.series.get(&identity(name, labels?)).copied()
    }

    /// Whether both answers are of the same pushes to this group.
    fn has_times_of(&self, group: &Contents) -> bool {
        [PUSH_TIME, PUSH_FAILURE_TIME].into_iter().all(|name| {
            let metric = group.json.get(name).and_then(|family| family.get("metrics")?.get(0));
            let found = metric.and_then(|metric| self.find(name, metric));
            let scraped = found.and_then(|(family, at)| self.exposition.families.get(family)?.metrics.get(at));
            let told = metric.and_then(|metric| number::parse_f64(metric.get("value")?.as_str()?.as_bytes()));
            matches!((scraped.map(|metric| metric.value), told), (Some(Value::Number(scraped)), Some(told)) if scraped.to_bits() == told.to_bits())
        })
    }

    /// Puts the families of the scrape into the place of those of the JSON.
    fn complete(&self, group: &mut Contents) -> anyhow::Result<()> {
        let mut exact = Exposition::default();
        for (name, told) in &group.json {
            let Json::Object(told) = told else { continue };
            if [PUSH_TIME, PUSH_FAILURE_TIME, "labels"].contains(&name.as_str()) {
                continue;
            }
            if let Some(family) = self.family(&mut exact, name, told)? {
                group.left_out.retain(|(left_out, _)| left_out != name);
                exact.families.push(family);
                continue;
            }
            // What the JSON says is better than nothing, and complete for most.
            let mut own = group.families.families.iter();
            if let Some(own) = own.find(|family| group.families.text(family.name) == name) {
                let own = exact.adopt_family(&group.families, own)?;
                exact.families.push(own);
                let reason = "all of it but numbers: the scrape of the gateway lacks some of its series";
                group.left_out.push((name.clone(), reason.to_owned()));
            }
        }
        group.families = exact;
        Ok(())
    }

    /// A family of one group, if the scrape has all of its series.
    fn family(
        &self,
        exact: &mut Exposition<'static>,
        name: &str,
        told: &Map<String, Json>,
    ) -> anyhow::Result<Option<Family>> {
        let metrics = told.get("metrics").and_then(Json::as_array);
        let head = self
            .families
            .get(name)
            .and_then(|number| self.exposition.families.get(*number));
        let (Some(metrics), Some(head)) = (metrics, head) else {
            return Ok(None);
        };
        let mut found = Vec::with_capacity(metrics.len());
        for metric in metrics {
            let Some((_, at)) = self.find(name, metric) else {
                return Ok(None);
            };
            found.extend(head.metrics.get(at));
        }
        let metrics = found.iter().map(|metric| exact.adopt(&self.exposition, metric));
        let metrics = metrics.collect::<Result<_, _>>()?;
        // Of the help texts of all groups the scrape has one. The JSON leaves empty ones out.
        let empty = head
            .help
            .map(|help| self.exposition.text(help))
            .filter(|help| help.is_empty());
        let help = told.get("help").and_then(Json::as_str).or(empty);
        Ok(Some(Family {
            name: exact.intern(name)?,
            help: help.map(|help| exact.intern(help)).transpose()?,
            unit: exact.intern(self.exposition.text(head.unit))?,
            metric_type: head.metric_type,
            metrics,
        }))
    }
}

/// What no two series of a scrape share.
fn identity(name: &str, mut labels: Vec<(&str, &str)>) -> Vec<u8> {
    labels.sort_unstable();
    let mut identity = name.as_bytes().to_vec();
    for (name, value) in labels {
        // No text has these bytes.
        identity.push(0xFE);
        identity.extend_from_slice(name.as_bytes());
        identity.push(0xFF);
        identity.extend_from_slice(value.as_bytes());
    }
    identity
}

/// Whether the text format says all of a family's metrics.
pub(crate) fn text_keeps_all(exposition: &Exposition<'_>, family: &Family) -> bool {
    let (name, escaping) = (exposition.text(family.name), EscapingScheme::AllowUtf8);
    let mut lines = Vec::new();
    text::write_header(&mut lines, name, None, family.metric_type, escaping);
    for metric in &family.metrics {
        let labels: Vec<_> = exposition.labels(metric.labels).collect();
        text::write_metric(&mut lines, exposition, name, &labels, metric.value, escaping);
    }
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    let Ok(read) = text::decode(&lines, options) else {
        return false;
    };
    let [back] = read.families.as_slice() else {
        return false;
    };
    let back = Family {
        metric_type: family.metric_type,
        ..back.clone()
    };
    // In words, for which one NaN is like another.
    let words = |exposition: &Exposition<'_>, family: &Family| {
        let (mut message, mut words) = (Vec::new(), Vec::new());
        protobuf::write_metrics(&mut message, exposition, family, escaping);
        protobuf::write_text(&mut words, &message, protobuf::TextStyle::Compact);
        words
    };
    words(exposition, family) == words(&read, &back)
}
