//! `docs/reference/api.md`, from the OpenAPI description that the daemon answers with.

use super::{code, generated, sentence};
use crate::tidy::assert_generated;
use everwarm_api::openapi;
use serde_json::Value;
use std::fmt::Write;

const HEAD: &str = "\
# API

The running daemon responds on loopback to these requests.
[Use the API](../how-to/use-the-api.md) describes the address, the token, pages, the stream and
problems. `everwarm api-doc` prints the same description as OpenAPI 3.1.

Decimals are strings without trailing zeros, times are UTC milliseconds, absent values are `null`.
Within `v1` fields are added, never renamed or removed.

";

/// The shape of a value, in words.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| code(&word.to_string())).collect();
        return words.join(", ");
    }
    if let Some(word) = schema.get("const") {
        return code(&word.to_string());
    }
    let any = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(any) = any.or_else(|| schema["allOf"].as_array()) {
        return any.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    let kinds = &schema["type"];
    let several = kinds.as_array().map(|kinds| kinds.iter().filter_map(Value::as_str).collect());
    let kinds: Vec<&str> = several.unwrap_or_else(|| vec![kinds.as_str().unwrap_or("any value")]);
    let one = |kind: &&str| match *kind {
        "array" => format!("list of {}", shape(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", shape(&schema["additionalProperties"]))
        }
        "null" => "`null`".to_owned(),
        kind => kind.to_owned(),
    };
    kinds.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn content(answer: &Value) -> String {
    let Some(content) = answer["content"].as_object() else { return String::new() };
    let (kind, of) = content.iter().next().unwrap();
    if kind == "application/json" {
        let empty = of["schema"]["additionalProperties"] == Value::Bool(false)
            && of["schema"].get("properties").is_none();
        return if empty { "`{}`".to_owned() } else { shape(&of["schema"]) };
    }
    code(kind.split(';').next().unwrap())
}

#[test]
fn the_page_of_the_api_says_what_the_code_says() {
    let document = openapi::document();
    let mut page = HEAD.to_owned() + &generated("the OpenAPI description");
    page.push_str(
        "\n| request | query | body | response | what it does |\n|---|---|---|---|---|\n",
    );
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            let query = parameters.iter().filter(|one| one["in"] == "query");
            let query: Vec<String> = query.map(|one| code(one["name"].as_str().unwrap())).collect();
            let body = content(&operation["requestBody"]);
            let answer = content(&operation["responses"]["200"]);
            let about = sentence(operation["summary"].as_str().unwrap());
            let token = if operation.get("security").is_some() { " Needs the token." } else { "" };
            let (method, query) = (method.to_uppercase(), query.join(", "));
            writeln!(page, "| {method} `{path}` | {query} | {body} | {answer} | {about}{token} |")
                .unwrap();
        }
    }
    page.push_str("\n# Shapes\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        writeln!(page, "\n## {name}\n").unwrap();
        let about = sentence(schema["description"].as_str().unwrap_or_default());
        if !about.is_empty() {
            writeln!(page, "{about}\n").unwrap();
        }
        let Some(fields) = schema["properties"].as_object() else {
            writeln!(page, "{}", shape(schema)).unwrap();
            continue;
        };
        page.push_str("| field | type | meaning |\n|---|---|---|\n");
        for (field, of) in fields {
            let about = sentence(of["description"].as_str().unwrap_or_default());
            writeln!(page, "| `{field}` | {} | {about} |", shape(of)).unwrap();
        }
    }
    assert_generated("docs/reference/api.md", &page);
}
