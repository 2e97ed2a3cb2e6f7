//! The JSON schema of a configuration file, for editors and other checkers.

use super::keys::{KEYS, Kind, comments};
use super::layers::Layer;
use super::strategies;
use serde_json::{Value, json};

/// The schema, of the draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let (comments, defaults) = (comments(), Layer::defaults());
    let mut root = section();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("everwarm configuration");
    for key in KEYS {
        if matches!(key.kind, Kind::Strategies) {
            root["properties"][key.name] = strategies::schema();
            continue;
        }
        let mut node = of(key.kind);
        node["description"] = json!(comments.get(key.name));
        node["default"] = serde_json::to_value(&defaults.0[key.name].value).unwrap_or_default();
        let mut at = &mut root;
        let mut levels: Vec<&str> = key.name.split('.').collect();
        let leaf = levels.pop().expect("split gives at least one part");
        for level in levels {
            at = &mut at["properties"][level];
            if at.is_null() {
                *at = section();
            }
        }
        at["properties"][leaf] = node;
    }
    root
}

pub(super) fn section() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

pub(super) fn of(kind: Kind) -> Value {
    let decimal = r"^[0-9]+(\.[0-9]+)?$";
    match kind {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole { least, most, .. } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Amount { zero } => {
            let bound = if zero { "minimum" } else { "exclusiveMinimum" };
            let number = json!({ "type": "number", bound: 0 });
            json!({ "anyOf": [number, { "type": "string", "pattern": decimal }] })
        }
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::Text(form) if form.pattern.is_empty() => json!({ "type": "string" }),
        Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern }),
        Kind::Symbols => json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "integer", "minimum": 1 },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] }),
        Kind::Secret => json!({ "type": "string", "pattern": "^$|^env:.+$|^file:.+$" }),
        Kind::Strategies => strategies::schema(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(node: &Value) -> usize {
        assert!(node["properties"].is_null() || node["additionalProperties"] == false, "{node}");
        node["properties"].as_object().map_or(1, |inner| inner.values().map(leaves).sum())
    }

    #[test]
    fn the_schema_describes_every_key_and_nothing_else() {
        let mut schema = schema();
        assert_eq!(schema["properties"]["market"]["properties"]["seed"]["default"], 1);
        let fast =
            &schema["properties"]["strategy"]["properties"]["sma_cross"]["properties"]["fast"];
        assert_eq!((&fast["minimum"], &fast["maximum"]), (&json!(1), &json!(1000)));
        assert!(fast["description"].as_str().unwrap().contains("Less than `slow`"), "{fast}");
        let strategies = schema["properties"].as_object_mut().unwrap().remove("strategy").unwrap();
        let slow = &strategies["additionalProperties"]["anyOf"][0];
        assert_eq!(slow["required"], json!(["kind"]));
        assert_eq!(slow["properties"]["slow"]["default"], 30);
        assert_eq!(leaves(&schema), KEYS.len() - 1);
    }
}
