//! Requests that change how it trades: another configuration, and words of operators.

use super::problem::Refusal;
use super::routes::Api;
use super::writes::{Nothing, change};
use crate::ops::desk::ReloadHow;
use crate::ops::exit::{Exit, Failure};
use crate::ops::views::{NamedView, ReasonView, SafeView, SwitchWord, SwitchedView};
use axum::extract::{Path as UrlPath, RawQuery, Request, State};
use axum::response::Response;
use everwarm_domain::switch::Switch;
use std::sync::Arc;

/// Reads the configuration again, or says what would become of that.
pub async fn reload(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let how = match query.as_deref() {
        None | Some("" | "dry_run=0") => ReloadHow::Apply,
        Some("dry_run=1") => ReloadHow::Dry,
        Some(_) => return Refusal::BadQuery.answer("the query must be ?dry_run=1, or empty"),
    };
    let reload = Arc::clone(&api.changes.reload);
    change(&api, request, move |_: &Nothing| reload(how)).await
}

/// Puts in force again what was before.
pub async fn rollback(State(api): State<Api>, request: Request) -> Response {
    let reload = Arc::clone(&api.changes.reload);
    change(&api, request, move |_: &Nothing| reload(ReloadHow::Rollback)).await
}

/// Halts, resumes or flattens.
pub async fn trading(
    State(api): State<Api>,
    UrlPath(word): UrlPath<String>,
    request: Request,
) -> Response {
    let switch = match word.as_str() {
        "halt" => Switch::Halt,
        "resume" => Switch::Resume,
        "flatten" => Switch::Flatten,
        _ => return Refusal::NoSuchPath.answer("the path must end with halt, resume or flatten"),
    };
    let act = Arc::clone(&api.changes.switch);
    let say = move |body: &ReasonView| act(&SwitchWord { switch, reason: body.reason.clone() });
    change(&api, request, say).await
}

/// Takes a step of a careful start.
pub async fn safe_start(State(api): State<Api>, request: Request) -> Response {
    let act = Arc::clone(&api.changes.switch);
    let say = move |body: &SafeView| {
        act(&SwitchWord { switch: Switch::Safe(body.step), reason: body.reason.clone() })
    };
    change(&api, request, say).await
}

/// Turns a strategy or a process on.
pub async fn enable(State(api): State<Api>, request: Request) -> Response {
    named(&api, request, true).await
}

/// Turns a strategy or a process off.
pub async fn disable(State(api): State<Api>, request: Request) -> Response {
    named(&api, request, false).await
}

async fn named(api: &Api, request: Request, on: bool) -> Response {
    let act = Arc::clone(&api.changes.switch);
    let say = move |body: &NamedView| -> Result<SwitchedView, Failure> {
        if body.name.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "name is missing: a strategy id or a branch path",
            ));
        }
        let (switch, reason) = (Switch::named(&body.name, on), body.reason.clone());
        act(&SwitchWord { switch, reason })
    };
    change(api, request, say).await
}
