//! `cargo xtask dashboard`: the dashboard for Grafana, made of a table of panels.
//!
//! A test of the program sees that every metric in a query exists in a scrape, and that Prometheus evaluates every query
//! (`crates/wharf/tests/interop/mixin.rs`).

mod panels;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use self::panels::{Kind, Panel, ROWS};
use crate::shell::root;

/// The width of a dashboard.
const COLUMNS: u32 = 24;

/// Writes the file of the dashboard.
pub(crate) fn write() -> Result<()> {
    let path = path();
    fs::write(&path, text()).with_context(|| format!("write {}", path.display()))?;
    eprintln!("{}", path.display());
    Ok(())
}

fn path() -> PathBuf {
    root().join("packaging/mixin/dashboards/wharf.json")
}

fn text() -> String {
    format!("{:#}\n", dashboard())
}

/// What Grafana imports: schema 39 is that of Grafana 11; later ones read it.
fn dashboard() -> Value {
    json!({
        "uid": "wharf",
        "title": "Wharf",
        "description": "The gateway for metrics of batch jobs: what is pushed, how it is stored and scraped, and which limits are near.",
        "tags": ["wharf", "pushgateway"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "",
        "templating": { "list": variables() },
        "annotations": { "list": [] },
        "links": [],
        "panels": placed(),
    })
}

/// Which Prometheus, and which gateways of it.
fn variables() -> Value {
    let of_gateways = |name: &str, label: &str, query: &str| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "definition": query,
            "query": { "query": query, "refId": name },
            "refresh": 2,
            "includeAll": true,
            "multi": true,
            "allValue": ".*",
            "current": { "text": "All", "value": "$__all" },
            "sort": 1,
        })
    };
    json!([
        { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
          "current": { "text": "default", "value": "default" } },
        of_gateways("job", "Job", "label_values(wharf_groups, job)"),
        of_gateways("instance", "Instance", "label_values(wharf_groups{job=~\"$job\"}, instance)"),
    ])
}

/// All panels with their places: from left to right, and a new line where there is no room.
fn placed() -> Vec<Value> {
    let (mut placed, mut id, mut top) = (Vec::new(), 0, 0);
    let mut number = || {
        id += 1;
        id
    };
    for row in &ROWS {
        placed.push(json!({
            "id": number(),
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "panels": [],
            "gridPos": { "x": 0, "y": top, "w": COLUMNS, "h": 1 },
        }));
        top += 1;
        let (mut left, mut height) = (0, 0);
        for panel in row.panels {
            if left + panel.width > COLUMNS {
                (left, top, height) = (0, top + height, 0);
            }
            let mut value = panel.value();
            let place = json!({ "x": left, "y": top, "w": panel.width, "h": panel.height() });
            if let Some(members) = value.as_object_mut() {
                members.insert("id".to_owned(), json!(number()));
                members.insert("gridPos".to_owned(), place);
            }
            placed.push(value);
            left += panel.width;
            height = height.max(panel.height());
        }
        top += height;
    }
    placed
}

impl Panel {
    fn height(&self) -> u32 {
        if matches!(self.kind, Kind::Number(_)) {
            4
        } else {
            8
        }
    }

    fn value(&self) -> Value {
        let queries = self.queries.iter().zip('A'..).map(|(query, name)| {
            json!({
                "refId": name.to_string(),
                "datasource": { "type": "prometheus", "uid": "${datasource}" },
                "editorMode": "code",
                "expr": selecting(query.promql),
                "legendFormat": query.legend,
                "instant": !matches!(self.kind, Kind::Course),
                "range": matches!(self.kind, Kind::Course),
            })
        });
        let queries: Vec<Value> = queries.collect();
        let defaults = match self.kind {
            Kind::Number(thresholds) => json!({
                "unit": self.unit,
                "mappings": [],
                "color": { "mode": "thresholds" },
                "thresholds": { "mode": "absolute", "steps": steps(thresholds) },
            }),
            Kind::Bars | Kind::Course => json!({
                "unit": self.unit,
                "min": 0,
                "color": { "mode": "palette-classic" },
                "custom": { "fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": false },
            }),
        };
        let (kind, options) = self.kind.drawn();
        json!({
            "type": kind,
            "title": self.title,
            "description": self.description,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "targets": queries,
            "fieldConfig": { "defaults": defaults, "overrides": [] },
            "options": options,
        })
    }
}

impl Kind {
    /// The type of a panel, and all options that Grafana requires of it.
    fn drawn(&self) -> (&'static str, Value) {
        let reduced = json!({ "calcs": ["lastNotNull"] });
        let legend = json!({ "showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": [] });
        match self {
            Self::Number(_) => (
                "stat",
                json!({
                    "reduceOptions": reduced, "textMode": "auto", "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
                    "orientation": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
                }),
            ),
            Self::Bars => (
                "bargauge",
                json!({
                    "reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic", "valueMode": "color",
                    "namePlacement": "auto", "showUnfilled": true, "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16,
                    "maxVizHeight": 300, "legend": { "showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": [] },
                }),
            ),
            Self::Course => (
                "timeseries",
                json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } }),
            ),
        }
    }
}

/// Colours from values on.
fn steps(thresholds: &[(Option<f64>, &str)]) -> Vec<Value> {
    let step = |(from, color): &(Option<f64>, &str)| json!({ "value": from, "color": color });
    thresholds.iter().map(step).collect()
}

/// A query for the gateways chosen: `@` stands for the labels that choose them.
fn selecting(promql: &str) -> String {
    promql.replace('@', "job=~\"$job\",instance=~\"$instance\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_table_makes() {
        let written = fs::read_to_string(path()).unwrap();
        assert!(written == text(), "run `cargo xtask dashboard`");
    }

    #[test]
    fn no_panel_lies_over_another_one() {
        let panels = placed();
        let side = |panel: &Value, name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (at, one) in panels.iter().enumerate() {
            assert!(side(one, "x") + side(one, "w") <= u64::from(COLUMNS), "{one}");
            for other in &panels[at + 1..] {
                let apart = |place: &str, length: &str| {
                    side(one, place) + side(one, length) <= side(other, place)
                        || side(other, place) + side(other, length) <= side(one, place)
                };
                assert!(apart("x", "w") || apart("y", "h"), "{one} {other}");
            }
        }
    }
}
