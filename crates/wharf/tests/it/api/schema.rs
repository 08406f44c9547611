//! Answers against the schemas of the gateway's own description.

use serde_json::Value;

/// What is wrong with a value, by a schema of this document; empty if nothing is. A keyword that is not known here
/// fails the test: a schema must not say more than is looked at.
pub(crate) fn mistakes(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut mistake = |what: String| found.push(format!("{at}: {what}, found {value}"));
    let Some(schema) = schema.as_object() else {
        assert_eq!(schema, &Value::Bool(false), "a schema that is none");
        mistake("expected nothing here".to_owned());
        return;
    };
    for (keyword, wanted) in schema {
        match keyword.as_str() {
            // The last four are looked at together with their neighbours, below.
            "description"
            | "default"
            | "format"
            | "properties"
            | "additionalProperties"
            | "items"
            | "prefixItems" => {}
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = document.pointer(pointer).unwrap();
                let mut inner = Vec::new();
                check(document, schema, value, at, &mut inner);
                for inner in inner {
                    mistake(inner);
                }
            }
            "type" => {
                let types: Vec<&str> = match wanted {
                    Value::Array(types) => types.iter().map(|name| name.as_str().unwrap()).collect(),
                    one => vec![one.as_str().unwrap()],
                };
                if !types.iter().any(|name| is_of_type(value, name)) {
                    mistake(format!("expected {types:?}"));
                }
            }
            "enum" => {
                if !wanted.as_array().unwrap().contains(value) {
                    mistake(format!("expected one of {wanted}"));
                }
            }
            "anyOf" => {
                let schemas = wanted.as_array().unwrap().iter();
                let fits = |schema: &Value| mistakes(document, schema, value).is_empty();
                if !schemas.clone().any(fits) {
                    mistake("expected one of several schemas".to_owned());
                }
            }
            "minimum" => {
                if value.as_f64() < wanted.as_f64() && value.is_number() {
                    mistake(format!("expected {wanted} or more"));
                }
            }
            "required" => {
                for name in wanted.as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    if value.is_object() && value.get(name).is_none() {
                        mistake(format!("expected a member `{name}`"));
                    }
                }
            }
            "minItems" | "maxItems" => {
                let length = value.as_array().map(|items| items.len() as u64);
                let limit = wanted.as_u64();
                let is_wrong = if keyword == "minItems" {
                    length < limit
                } else {
                    length > limit
                };
                if value.is_array() && is_wrong {
                    mistake(format!("expected {keyword} {wanted}"));
                }
            }
            other => unreachable!("the keyword {other}"),
        }
    }
    let empty = serde_json::Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    for (name, member) in value.as_object().unwrap_or(&empty) {
        let inner = format!("{at}/{name}");
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => check(document, schema, member, &inner, found),
            (None, None) => {}
        }
    }
    let prefix = schema.get("prefixItems").and_then(Value::as_array);
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let inner = format!("{at}/{index}");
        match (prefix.and_then(|prefix| prefix.get(index)), schema.get("items")) {
            (Some(schema), _) | (None, Some(schema)) => check(document, schema, item, &inner, found),
            (None, None) => {}
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => unreachable!("the type {other}"),
    }
}

#[test]
fn a_schema_says_what_is_wrong() {
    let document = serde_json::json!({"Name": {"type": ["string", "null"]}});
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"$ref": "#/Name"}, "b": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 2},
                       "c": {"enum": ["x"]}, "d": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                       "e": {"type": "array", "prefixItems": [{"type": "string"}], "items": false, "minItems": 1}},
    });
    let mistakes = |value| mistakes(&document, &schema, &value).len();
    for right in [
        serde_json::json!({"a": null}),
        serde_json::json!({"a": "s", "b": [1, 2], "c": "x", "d": true, "e": ["s"]}),
    ] {
        assert_eq!(mistakes(right), 0);
    }
    for wrong in [
        serde_json::json!({}),
        serde_json::json!([]),
        serde_json::json!({"a": 1}),
        serde_json::json!({"a": "s", "z": 1}),
        serde_json::json!({"a": "s", "b": [-1]}),
        serde_json::json!({"a": "s", "b": [1.5]}),
        serde_json::json!({"a": "s", "b": [1, 2, 3]}),
        serde_json::json!({"a": "s", "c": "y"}),
        serde_json::json!({"a": "s", "d": 1}),
        serde_json::json!({"a": "s", "e": []}),
        serde_json::json!({"a": "s", "e": ["s", "s"]}),
        serde_json::json!({"a": "s", "e": [1]}),
    ] {
        assert!(mistakes(wrong.clone()) > 0, "{wrong}");
    }
}
