//! The OpenAPI description. Questions and changes come from their tables, other paths from one
//! table here, schemas from the response types. A test compares the table with the router.

use super::problem::Problem;
use everwarm_domain::time::Timeframe;
use everwarm_views::changes::{self, Change};
use everwarm_views::questions::{self, Question, Schemas, Shape, any, nothing, one, text};
use everwarm_views::scan::TOP_MAX;
use everwarm_views::scan_days::DAYS_MAX;
use everwarm_views::views::{ReadyView, SessionView};
use everwarm_words::shapes::SYMBOL;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One path with one method.
#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    path: &'static str,
    about: &'static str,
    /// Allowed query parameters.
    query: &'static [&'static str],
    body: Option<Shape>,
    /// Whether it needs the token.
    token: bool,
    /// Media type and schema of the response.
    answer: (&'static str, Shape),
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

const fn get(path: &'static str, about: &'static str, shape: Shape) -> Row {
    Row { method: "get", path, about, query: &[], body: None, token: false, answer: (JSON, shape) }
}

const fn post(path: &'static str, about: &'static str, body: Shape, shape: Shape) -> Row {
    Row { method: "post", body: Some(body), token: true, ..get(path, about, shape) }
}

/// The paths besides questions and changes.
const ROWS: &[Row] = &[
    Row {
        answer: ("text/plain; charset=utf-8", text),
        ..get("/livez", "200 while the root supervisor responds within a second", text)
    },
    Row {
        query: &["verbose"],
        ..get("/readyz", "200 or 503, with the conditions of readiness", one::<ReadyView>)
    },
    Row {
        answer: ("text/plain; version=0.0.4; charset=utf-8", text),
        ..get("/metrics", "All metrics, in the text format of Prometheus", text)
    },
    get("/api/v1/openapi.json", "This description", any),
    Row {
        answer: ("application/octet-stream", text),
        token: true,
        ..get("/api/v1/backup", "Backup of the data directory", text)
    },
    Row {
        answer: ("application/octet-stream", text),
        token: true,
        ..get("/api/v1/export", "Export of what cannot be fetched or computed again", text)
    },
    Row {
        answer: ("text/event-stream", text),
        ..get("/api/v1/events", "Data of the page, as server-sent events", text)
    },
    get("/api/v1/session", "Show whether the page is signed in", one::<SessionView>),
    post("/api/v1/session", "Exchange the token for a cookie", nothing, one::<SessionView>),
];

/// All paths.
fn rows() -> impl Iterator<Item = Row> {
    let asked = |question: &&Question| {
        let Question { path, about, query, shape, .. } = **question;
        Row { query, ..get(path, about, shape) }
    };
    let changed = |change: &&Change| {
        let Change { method, path, about, query, body, shape, .. } = **change;
        Row { method, query, ..post(path, about, body, shape) }
    };
    let asked = questions::ALL.iter().map(asked);
    ROWS.iter().copied().chain(asked).chain(changes::ALL.iter().map(changed))
}

/// The document, in the form of OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = one::<Problem>(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for row in rows() {
        let operation = operation(&row, &problem, &mut schemas);
        paths.entry(row.path).or_default().insert(row.method.to_owned(), operation);
    }
    let scheme = json!({ "type": "http", "scheme": "bearer" });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "everwarm",
            "description": "API of the running daemon. See docs/how-to/use-the-api.md.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": { "token": scheme } },
    })
}

/// Whether a path accepts a query.
#[must_use]
pub fn takes_query(path: &str) -> bool {
    rows().any(|row| row.path == path && !row.query.is_empty())
}

fn operation(row: &Row, problem: &Value, schemas: &mut Schemas) -> Value {
    let (kind, shape) = row.answer;
    let answer =
        json!({ "description": row.about, "content": { kind: { "schema": shape(schemas) } } });
    let other = json!({
        "description": "The reason of the refusal",
        "content": { PROBLEM: { "schema": problem } },
    });
    let mut responses = json!({ "200": answer, "default": other });
    if row.path == "/readyz" {
        responses["503"] = responses["200"].clone();
    }
    let names = row.path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = names.map(|name| in_path(row.path, name)).collect();
    parameters.extend(row.query.iter().map(|name| in_query(name)));
    let mut operation = json!({
        "operationId": operation_id(row),
        "summary": row.about,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = row.body {
        let content = json!({ JSON: { "schema": body(schemas) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if row.token {
        operation["security"] = json!([{ "token": [] }]);
    }
    operation
}

/// The operation id, like `get-api-v1-status`.
fn operation_id(row: &Row) -> String {
    let name = row.path.replace(['{', '}'], "").replace(['/', '.'], "-");
    format!("{}{name}", row.method)
}

fn in_path(path: &str, name: &str) -> Value {
    let schema = match (name, path) {
        ("symbol", _) => json!({ "type": "string", "pattern": SYMBOL }),
        ("word", _) => json!({ "enum": ["halt", "resume", "flatten"] }),
        ("timeframe", _) => json!({ "enum": Timeframe::ALL.map(Timeframe::name) }),
        ("how", path) if path.contains("/symbols/") => json!({ "enum": ["add", "remove"] }),
        ("how", _) => json!({ "enum": ["retry", "drop"] }),
        ("id", path) if path.contains("/quarantine/") => json!({ "type": "integer", "minimum": 0 }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn in_query(name: &str) -> Value {
    let schema = match name {
        "limit" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        "top" => json!({ "type": "integer", "minimum": 1, "maximum": TOP_MAX }),
        "days" => json!({ "type": "integer", "minimum": 1, "maximum": DAYS_MAX }),
        "strategy" => json!({ "type": "string", "minLength": 1 }),
        "before" => json!({ "type": "string", "pattern": "^([0-9a-f]{2}){1,64}$" }),
        "dry_run" => json!({ "enum": ["0", "1"] }),
        "verbose" => json!({ "enum": [""] }),
        _ => json!({ "type": "integer", "format": "int64" }),
    };
    json!({ "name": name, "in": "query", "required": false, "schema": schema })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Paths of the operator page, which are not for programs.
    const PAGE: [&str; 3] = ["/", "/favicon.ico", "/page/{*path}"];

    /// The routes found in the sources of the API, as `method path`.
    fn routes() -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if !entry.path().is_file() || entry.file_name() == "openapi.rs" {
                continue;
            }
            let code = std::fs::read_to_string(entry.path()).unwrap();
            for part in code.split(".route(").skip(1) {
                // The tables define the routes of questions and changes.
                let named = part.trim_start().starts_with('"');
                let Some(path) = part.split('"').nth(1).filter(|_| named) else { continue };
                if PAGE.contains(&path) {
                    continue;
                }
                let rest = part.split(".fallback").next().unwrap();
                let methods = ["get", "post", "put", "delete"];
                let named = methods.into_iter().filter(|m| rest.contains(&format!("{m}(")));
                let mut named: Vec<&str> = named.collect();
                if named.is_empty() {
                    named.push("get");
                }
                found.extend(named.iter().map(|method| format!("{method} {path}")));
            }
        }
        found
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let described: BTreeSet<String> =
            ROWS.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
        assert_eq!(described, routes(), "left: described in openapi.rs, right: answered");
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        let text = document().to_string();
        let schemas = document()["components"]["schemas"].clone();
        for named in text.split("#/components/schemas/").skip(1) {
            let name = named.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{name}");
        }
        assert_eq!(schemas["StatusView"]["properties"]["symbols"]["minimum"], 0);
        let words = &schemas["OrderStatus"]["enum"];
        assert!(words.as_array().unwrap().contains(&json!("partly_filled")), "{words}");
    }
}
