//! The description of the API for programs: paths from one table, shapes from the types that are
//! answered. A test holds the table and the router together.

use super::problem::Problem;
use crate::ops::actor_faults::{ActorFaultView, BranchView};
use crate::ops::summary::SummaryView;
use crate::ops::views::{
    AdoptView, AdoptedView, AuditView, BarView, ClearedView, EquityView, ExplainView, FillView,
    HealthView, LogLevelView, LotView, NamedView, OrderView, PositionView, QuarantineView,
    ReadyView, ReasonView, ReconcileView, ReloadView, ReloadsView, ReplayView, ResolveView,
    ResolvedView, SafeView, SessionView, SignalView, StatusView, SwitchedView, SwitchesView,
    SymbolView, SymbolsChangeView, TradeView, ValueView, VerifyView, VersionView,
};
use crate::shapes::SYMBOL;
use everwarm_domain::time::Timeframe;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Shapes by name.
type Schemas = BTreeMap<String, RefOr<Schema>>;
/// A shape, whose parts it adds to the others.
type Shape = fn(&mut Schemas) -> Value;

/// One path with one method.
struct Row {
    method: &'static str,
    path: &'static str,
    about: &'static str,
    /// What it may be asked with.
    query: &'static [&'static str],
    body: Option<Shape>,
    /// Whether it needs the token.
    token: bool,
    /// Kind and shape of the answer.
    answer: (&'static str, Shape),
}

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

const fn get(path: &'static str, about: &'static str, shape: Shape) -> Row {
    Row { method: "get", path, about, query: &[], body: None, token: false, answer: (JSON, shape) }
}

const fn listed(path: &'static str, about: &'static str, shape: Shape) -> Row {
    Row { query: &["limit"], ..get(path, about, shape) }
}

const fn paged(path: &'static str, about: &'static str, shape: Shape) -> Row {
    Row { query: &["limit", "before"], ..get(path, about, shape) }
}

const fn post(path: &'static str, about: &'static str, body: Shape, shape: Shape) -> Row {
    Row { method: "post", body: Some(body), token: true, ..get(path, about, shape) }
}

/// Everything that is answered.
const ROWS: &[Row] = &[
    Row {
        answer: ("text/plain; charset=utf-8", text),
        ..get("/livez", "200 while the root supervisor answers within a second", text)
    },
    Row {
        query: &["verbose"],
        ..get("/readyz", "200 or 503, with the conditions of being ready", one::<ReadyView>)
    },
    Row {
        answer: ("text/plain; version=0.0.4; charset=utf-8", text),
        ..get("/metrics", "All metrics, in the text format of Prometheus", text)
    },
    get("/api/v1/openapi.json", "This description", any),
    get("/api/v1/version", "Name and version of the program", one::<VersionView>),
    get("/api/v1/status", "One screen", one::<StatusView>),
    get("/api/v1/doctor", "What is wrong, since when, and what to do", one::<HealthView>),
    get("/api/v1/positions", "Positions of every symbol ever traded", all::<PositionView>),
    get("/api/v1/lots", "What each strategy holds", all::<LotView>),
    listed("/api/v1/trades", "Trades from flat to flat", all::<TradeView>),
    Row {
        query: &["from", "to"],
        ..get("/api/v1/summary", "What a time came to; today's day without one", one::<SummaryView>)
    },
    get("/api/v1/verify", "Derives everything again and compares", one::<VerifyView>),
    Row {
        query: &["from", "to"],
        ..get("/api/v1/replay", "Decides everything again and compares", one::<ReplayView>)
    },
    Row {
        answer: ("application/octet-stream", text),
        token: true,
        ..get("/api/v1/backup", "Everything that is kept, packed", text)
    },
    Row {
        answer: ("text/event-stream", text),
        ..get("/api/v1/events", "What pages show, as server-sent events", text)
    },
    get("/api/v1/session", "Whether a page may change something", one::<SessionView>),
    post("/api/v1/session", "Gives a page a cookie for the token", nothing, one::<SessionView>),
    get("/api/v1/tree", "The supervision tree", any),
    post(
        "/api/v1/kill",
        "Disturbs an actor on purpose",
        one::<ActorFaultView>,
        one::<ActorFaultView>,
    ),
    post(
        "/api/v1/retry",
        "Tries a branch at once that is kept down",
        one::<BranchView>,
        one::<BranchView>,
    ),
    get("/api/v1/config", "Every value the process runs with", all::<ValueView>),
    get("/api/v1/config/schema", "The JSON schema of a configuration file", any),
    get("/api/v1/config/reloads", "The configuration in force, and reloads", one::<ReloadsView>),
    Row {
        query: &["dry_run"],
        ..post("/api/v1/config/reload", "Reads it again", nothing, one::<ReloadView>)
    },
    post("/api/v1/config/rollback", "Puts in force what was before", nothing, one::<ReloadView>),
    get("/api/v1/switches", "What operators allow", one::<SwitchesView>),
    post(
        "/api/v1/trading/safe-start",
        "Takes a step of a careful start",
        one::<SafeView>,
        one::<SwitchedView>,
    ),
    post(
        "/api/v1/trading/{word}",
        "Halts, resumes or flattens",
        one::<ReasonView>,
        one::<SwitchedView>,
    ),
    post(
        "/api/v1/enable",
        "Turns a strategy or a process on",
        one::<NamedView>,
        one::<SwitchedView>,
    ),
    post(
        "/api/v1/disable",
        "Turns a strategy or a process off",
        one::<NamedView>,
        one::<SwitchedView>,
    ),
    get("/api/v1/log-level", "The filter of the log", one::<LogLevelView>),
    Row {
        method: "put",
        ..post(
            "/api/v1/log-level",
            "Sets the filter of the log, for a while or until the end of the process",
            one::<LogLevelView>,
            one::<LogLevelView>,
        )
    },
    get("/api/v1/quarantine", "What is set aside", all::<QuarantineView>),
    post("/api/v1/quarantine/{id}/{how}", "Ends a quarantine", nothing, one::<QuarantineView>),
    get("/api/v1/symbols", "What is listed", all::<SymbolView>),
    post(
        "/api/v1/symbols/refresh",
        "Has the venue asked now what it has",
        nothing,
        one::<SymbolsChangeView>,
    ),
    post(
        "/api/v1/symbols/{symbol}/{how}",
        "Adds or removes a symbol",
        nothing,
        one::<SymbolsChangeView>,
    ),
    post(
        "/api/v1/limits/clear",
        "Ends a wait that the venue asked for",
        nothing,
        one::<ClearedView>,
    ),
    get("/api/v1/reconcile", "The account beside the books", one::<ReconcileView>),
    post("/api/v1/resolve/{id}", "Ends a conflict", one::<ResolveView>, one::<ResolvedView>),
    post("/api/v1/adopt", "Takes a surplus into the books", one::<AdoptView>, one::<AdoptedView>),
    paged("/api/v1/orders", "Orders by close time", all::<OrderView>),
    paged("/api/v1/fills", "Fills as they were applied", all::<FillView>),
    paged("/api/v1/equity", "Value of the account after each close", all::<EquityView>),
    listed("/api/v1/signals", "What was wished, and what became of it", all::<SignalView>),
    listed("/api/v1/audit", "Changes asked for by the API", all::<AuditView>),
    paged("/api/v1/bars/{symbol}/{timeframe}", "Closed bars by opening time", all::<BarView>),
    Row {
        query: &["time"],
        ..get("/api/v1/why-not/{symbol}", "Why there was no order", one::<ExplainView>)
    },
    get("/api/v1/explain/{id}", "The story of an order, a fill or a fact", one::<ExplainView>),
];

/// The document, in the form of OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = one::<Problem>(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for row in ROWS {
        let operation = operation(row, &problem, &mut schemas);
        paths.entry(row.path).or_default().insert(row.method.to_owned(), operation);
    }
    let scheme = json!({ "type": "http", "scheme": "bearer" });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "everwarm",
            "description": "What the running daemon answers. See docs/API.md.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": { "token": scheme } },
    })
}

/// Whether a path may be asked with a query.
#[must_use]
pub fn takes_query(path: &str) -> bool {
    ROWS.iter().any(|row| row.path == path && !row.query.is_empty())
}

fn operation(row: &Row, problem: &Value, schemas: &mut Schemas) -> Value {
    let (kind, shape) = row.answer;
    let answer =
        json!({ "description": row.about, "content": { kind: { "schema": shape(schemas) } } });
    let other = json!({
        "description": "Why not",
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

/// `get-api-v1-status`.
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
        "before" => json!({ "type": "string", "pattern": "^([0-9a-f]{2}){1,64}$" }),
        "dry_run" => json!({ "enum": ["0", "1"] }),
        "verbose" => json!({ "enum": [""] }),
        _ => json!({ "type": "integer", "format": "int64" }),
    };
    json!({ "name": name, "in": "query", "required": false, "schema": schema })
}

fn one<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    schemas.extend(parts);
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}

fn all<T: ToSchema>(schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": one::<T>(schemas) })
}

fn any(_: &mut Schemas) -> Value {
    json!({ "type": "object" })
}

fn nothing(_: &mut Schemas) -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

fn text(_: &mut Schemas) -> Value {
    json!({ "type": "string" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The operator page: nothing for programs.
    const PAGE: [&str; 3] = ["/", "/favicon.ico", "/page/{*path}"];

    /// What the sources of the API say is answered: `method path`.
    fn routes() -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops/api");
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if !entry.path().is_file() || entry.file_name() == "openapi.rs" {
                continue;
            }
            let code = std::fs::read_to_string(entry.path()).unwrap();
            for part in code.split(".route(").skip(1) {
                let path = part.split('"').nth(1).unwrap();
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
