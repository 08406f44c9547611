//! What others build on, one promise a line, in order:
//!
//! ```text
//! flag push.default-ttl = 0s                        a flag and its default
//! metric wharf_groups gauge                         one of the gateway's own metrics
//! parameter GET /api/v1/groups limit                of a query
//! answer GET /api/v1/groups 200                     a status that says that all went well
//! property /components/schemas/Group labels object  of a JSON answer, with its type
//! setting /properties/expiry ttl                    a key of the configuration file
//! tool ledger backup --verify                       a tool, and an option of it
//! ```

use std::collections::BTreeSet;

use serde_json::Value;
use wharf_testkit::http::get;
use wharf_testkit::until;

use crate::operators::{commands, stdout, tool};
use crate::wharf;

/// Those of the program under test.
pub(super) fn all() -> String {
    let mut promises = BTreeSet::new();
    flags_and_metrics(&mut promises);
    tools(&mut promises);
    let schema = include_str!("../../../../../docs/config.schema.json");
    settings(&serde_json::from_str(schema).unwrap(), "", &mut promises);
    let all: Vec<_> = promises.iter().map(|promise| format!("{promise}\n")).collect();
    all.concat()
}

/// What a running gateway says of itself.
fn flags_and_metrics(promises: &mut BTreeSet<String>) {
    let gateway = wharf().start();
    // Before that there are no scrapes.
    until("a gateway that is ready", || {
        (gateway.send(&get("/-/ready")).status == 200).then_some(())
    });
    let status = gateway.send(&get("/api/v1/status")).json();
    for (name, value) in status["data"]["flags"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        // The one that has to have another value here.
        let value = if name == "web.listen-address" {
            ":9091"
        } else {
            value
        };
        promises.insert(format!("flag {name} = {value}"));
    }
    for line in gateway.send(&get("/metrics")).text().lines() {
        if let Some(metric) = line.strip_prefix("# TYPE ") {
            promises.insert(format!("metric {metric}"));
        }
    }
    let description = gateway.send(&get("/api/v1/openapi.json")).json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            for status in operation["responses"].as_object().unwrap().keys() {
                if status.starts_with('2') {
                    promises.insert(format!("answer {route} {status}"));
                }
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let shared = parameter["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
                let parameter = shared.map_or(parameter, |at| description.pointer(at).unwrap());
                let name = parameter["name"].as_str().unwrap();
                promises.insert(format!("parameter {route} {name}"));
            }
        }
    }
    properties(&description, "", promises);
}

/// The properties of all answers: that they are there, and of which type they are. What may be missing is not promised.
fn properties(value: &Value, at: &str, promises: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            properties(item, &format!("{at}/{index}"), promises);
        }
        return;
    };
    let required: Vec<_> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .collect();
    let required: Vec<_> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(Value::Object(properties)) = object.get("properties") {
        for (name, property) in properties {
            if required.contains(&name.as_str()) {
                let kind = match &property["type"] {
                    Value::String(kind) => kind.clone(),
                    Value::Array(kinds) => {
                        let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
                        kinds.join("|")
                    }
                    _ => property["$ref"].as_str().unwrap_or("any").to_owned(),
                };
                promises.insert(format!("property {at} {name} {kind}"));
            }
        }
    }
    for (name, inner) in object {
        properties(inner, &format!("{at}/{}", name.replace('/', "~1")), promises);
    }
}

/// The keys of the configuration file.
fn settings(schema: &Value, at: &str, promises: &mut BTreeSet<String>) {
    for (name, inner) in schema.as_object().into_iter().flatten() {
        if name == "properties" {
            for key in inner.as_object().into_iter().flatten() {
                promises.insert(format!(
                    "setting {} {}",
                    if at.is_empty() { "/" } else { at },
                    key.0
                ));
            }
        }
        settings(inner, &format!("{at}/{name}"), promises);
    }
}

/// The tools with their long options, as their help has them.
fn tools(promises: &mut BTreeSet<String>) {
    for command in commands() {
        let name = command.join(" ");
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        promises.insert(format!("tool {name}"));
        let help = stdout(&tool(&[&words[..], &["--help"]].concat()));
        for line in help.lines() {
            let mut words = line.split_whitespace();
            let option = match words.next() {
                Some(short) if short.len() == 3 && short.ends_with(',') => words.next(),
                first => first,
            };
            let option = option.filter(|option| line.starts_with("  ") && option.starts_with("--"));
            let option = option.map(|option| option.split(['=', '[', ',']).next().unwrap_or(option));
            if let Some(option) = option.filter(|option| option.len() > 2) {
                promises.insert(format!("tool {name} {option}"));
            }
        }
    }
}
