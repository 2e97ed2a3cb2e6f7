//! The changes that people and programs may request. Each change is one row. Its HTTP route, its
//! entry in the API description, the request of its command, and its effect on the files of a
//! stopped daemon come from that row.

use super::backfill::{BackfillRequest, BackfillView};
use super::by_hand::{ByHandView, HandResultView};
use super::emergency::EmergencyView;
use super::exit::{Exit, Failure};
use super::external::{ExternalSignalView, TakenSignalView};
use super::injected::{BranchView, FaultView};
use super::questions::{Asked, Json, Shape, bad, nothing, one};
use super::storage::{RetainRequest, RetainRunView};
use super::tokens::{TokensChangedView, TokensRequest};
use super::views::{
    AdoptView, AdoptedView, ClearedView, LogLevelView, NamedView, QuarantineView, ReasonView,
    ReloadView, ResolveView, ResolvedView, SafeView, SwitchRequest, SwitchedView,
    SymbolsChangeView,
};
use everwarm_domain::id::Symbol;
use everwarm_domain::switch::Switch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Every change.
pub const ALL: &[&Change] = &[
    &KILL,
    &RETRY,
    &RELOAD,
    &ROLLBACK,
    &SAFE_START,
    &TRADING,
    &ENABLE,
    &DISABLE,
    &LOG_LEVEL,
    &QUARANTINE,
    &REFRESH,
    &SYMBOL,
    &LIMITS,
    &RESOLVE,
    &ADOPT,
    &CHANGE_TOKENS,
    &BY_HAND,
    &SIGNAL,
    &BACKFILL,
    &RETAIN,
    &LIFT,
];

/// One change.
#[derive(Debug)]
pub struct Change {
    /// `post`, or `put` if repeating the request changes nothing more.
    pub method: &'static str,
    /// The path of its route. A name in braces is a parameter.
    pub path: &'static str,
    /// Its description for users, in words.
    pub about: &'static str,
    /// Names of its query parameters.
    pub query: &'static [&'static str],
    /// The shape of the request body.
    pub body: Shape,
    /// The shape of the response body.
    pub shape: Shape,
    /// Executes it.
    pub act: fn(&dyn Control, &Asked, &Json) -> Tried,
}

/// The request body as it was parsed, and the result of the change. The outer error means that the
/// request is invalid and nothing was tried.
pub type Tried = Result<(Value, Result<Json, Failure>), Failure>;

/// The body of a change without parameters: an empty object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Parses `body` and calls `act` with the result.
///
/// # Errors
/// `body` is not an object of type `B`.
pub fn tried<B, T>(body: &Json, act: impl FnOnce(&B) -> Result<T, Failure>) -> Tried
where
    B: Serialize + DeserializeOwned,
    T: Serialize,
{
    let bad = |text: String| Failure::new(Exit::Usage, text).coded(Failure::BAD_BODY);
    // serde would also accept an array of the values; the API accepts only objects.
    if !body.is_object() {
        return Err(bad("the body must be a JSON object".to_owned()));
    }
    let body: B = body.parse().map_err(|e| bad(format!("the body: {e}")))?;
    let understood = serde_json::to_value(&body).map_err(|e| bad(e.to_string()))?;
    Ok((understood, act(&body).and_then(|view| Json::of(&view))))
}

/// Executes changes in the running daemon, or in the files of a daemon that does not run.
#[expect(clippy::missing_errors_doc, reason = "each says why it refuses")]
pub trait Control: Send + Sync + 'static {
    /// The data directory.
    fn data_dir(&self) -> &Path;
    /// Ends a quarantine by its number: retries the stage, or drops the quarantine.
    fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure>;
    /// Resolves a conflict by its id; `request` has the accepted side and the reason.
    fn resolve(&self, id: &str, request: &ResolveView) -> Result<ResolvedView, Failure>;
    /// Takes a surplus into the books.
    fn adopt(&self, request: &AdoptView) -> Result<AdoptedView, Failure>;
    /// Ends every wait that the venue requested.
    fn clear_limits(&self) -> Result<ClearedView, Failure>;
    /// Records a switch of an operator.
    fn switch(&self, request: &SwitchRequest) -> Result<SwitchedView, Failure>;
    /// Adds tokens to the registry and removes some: all of the request, or nothing.
    fn change_tokens(&self, request: &TokensRequest) -> Result<TokensChangedView, Failure>;
    /// Lifts the emergency of storage, and returns its last state.
    fn lift_emergency(&self) -> Result<EmergencyView, Failure>;
    /// The running process; none if only files are changed.
    fn process(&self) -> Option<&dyn ProcessControl>;
}

/// Changes that only a running daemon can execute.
#[expect(clippy::missing_errors_doc, reason = "each says why it refuses")]
pub trait ProcessControl {
    /// Injects a fault into an actor; returns its full path.
    fn inject(&self, wanted: &FaultView) -> Result<FaultView, Failure>;
    /// Immediately retries a branch that is stopped or waits for a restart; returns its path.
    fn retry(&self, wanted: &BranchView) -> Result<BranchView, Failure>;
    /// Adds or removes a symbol, or polls the symbol list of the venue.
    fn change_symbols(&self, change: SymbolsChange) -> Result<SymbolsChangeView, Failure>;
    /// Reloads the configuration.
    fn reload(&self, how: ReloadHow) -> Result<ReloadView, Failure>;
    /// Trades by hand, as requested under this id.
    fn trade(&self, id: &str, request: &ByHandView) -> Result<HandResultView, Failure>;
    /// Takes a signal of an external program.
    fn signal(&self, request: &ExternalSignalView) -> Result<TakenSignalView, Failure>;
    /// Begins a backfill, or follows the same one that runs.
    fn backfill(&self, request: &BackfillRequest) -> Result<BackfillView, Failure>;
    /// Begins to remove facts and bars that are due, or follows the same request that runs.
    fn retain(&self, request: &RetainRequest) -> Result<RetainRunView, Failure>;
    /// Sets the log filter.
    fn set_log_level(&self, wanted: &LogLevelView) -> Result<LogLevelView, Failure>;
}

/// A change of the listed symbols that an operator requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolsChange {
    /// Add this symbol (`true`) or remove it (`false`).
    Want(Symbol, bool),
    /// Poll the symbol list of the venue now and apply the rule.
    Refresh,
}

/// The mode of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadHow {
    /// Apply the values of the sources.
    Apply,
    /// Dry run: report the result and change nothing.
    Dry,
    /// Roll back to the earlier configuration.
    Rollback,
}

/// The process, or the failure that no daemon runs.
fn running(control: &dyn Control) -> Result<&dyn ProcessControl, Failure> {
    control.process().ok_or_else(|| Failure::no_daemon(control.data_dir()))
}

fn reload(control: &dyn Control, how: ReloadHow) -> Result<ReloadView, Failure> {
    let none = || {
        let dir = control.data_dir().display();
        let text = format!("no daemon is running on {dir}; the next start reads the configuration");
        Failure::new(Exit::Unreachable, text)
    };
    control.process().ok_or_else(none)?.reload(how)
}

fn no_such_path(text: &str) -> Failure {
    Failure::new(Exit::Failed, text).coded(Failure::NO_SUCH_PATH)
}

/// A `post` change with a body and without query parameters.
const fn post(
    path: &'static str,
    about: &'static str,
    (body, shape): (Shape, Shape),
    act: fn(&dyn Control, &Asked, &Json) -> Tried,
) -> Change {
    Change { method: "post", path, about, query: &[], body, shape, act }
}

/// Injects a fault into an actor.
pub const KILL: Change = post(
    "/api/v1/kill",
    "Inject a fault into an actor",
    (one::<FaultView>, one::<FaultView>),
    |control, _, body| tried(body, |wanted| running(control)?.inject(wanted)),
);

/// Immediately retries a stopped branch.
pub const RETRY: Change = post(
    "/api/v1/retry",
    "Retry a branch now that its supervisor has stopped",
    (one::<BranchView>, one::<BranchView>),
    |control, _, body| tried(body, |wanted| running(control)?.retry(wanted)),
);

/// Reloads the configuration; with `dry_run` only reports the result.
pub const RELOAD: Change = Change {
    query: &["dry_run"],
    ..post(
        "/api/v1/config/reload",
        "Reload the configuration",
        (nothing, one::<ReloadView>),
        |control, asked, body| {
            let how = match asked.word("dry_run") {
                None | Some("0") => ReloadHow::Apply,
                Some("1") => ReloadHow::Dry,
                Some(_) => return Err(bad("the query must be ?dry_run=1, or empty")),
            };
            tried(body, |_: &Nothing| reload(control, how))
        },
    )
};

/// Rolls back to the earlier configuration.
pub const ROLLBACK: Change = post(
    "/api/v1/config/rollback",
    "Roll back to the earlier configuration",
    (nothing, one::<ReloadView>),
    |control, _, body| tried(body, |_: &Nothing| reload(control, ReloadHow::Rollback)),
);

/// Sets the step of a safe start.
pub const SAFE_START: Change = post(
    "/api/v1/trading/safe-start",
    "Set the step of a safe start",
    (one::<SafeView>, one::<SwitchedView>),
    |control, _, body| {
        tried(body, |SafeView { step, reason }| set_switch(control, Switch::Safe(*step), reason))
    },
);

/// Halts, resumes, resumes with a new peak, or flattens.
pub const TRADING: Change = post(
    "/api/v1/trading/{word}",
    "Halt, resume, resume with a new peak, or flatten",
    (one::<ReasonView>, one::<SwitchedView>),
    |control, asked, body| {
        let switch = match asked.word("word") {
            Some("halt") => Switch::Halt,
            Some("resume") => Switch::Resume,
            Some("new-peak") => Switch::NewPeak,
            Some("flatten") => Switch::Flatten,
            _ => {
                let text = "the path must end with halt, resume, new-peak or flatten";
                return Err(no_such_path(text));
            }
        };
        tried(body, |ReasonView { reason }| set_switch(control, switch, reason))
    },
);

/// Turns on a strategy or a branch of the tree.
pub const ENABLE: Change = post(
    "/api/v1/enable",
    "Turn on a strategy or a branch of the tree",
    (one::<NamedView>, one::<SwitchedView>),
    |control, _, body| tried(body, |named| switched(control, named, true)),
);

/// Turns off a strategy or a branch of the tree.
pub const DISABLE: Change = post(
    "/api/v1/disable",
    "Turn off a strategy or a branch of the tree",
    (one::<NamedView>, one::<SwitchedView>),
    |control, _, body| tried(body, |named| switched(control, named, false)),
);

fn switched(
    control: &dyn Control,
    NamedView { name, reason }: &NamedView,
    on: bool,
) -> Result<SwitchedView, Failure> {
    if name.is_empty() {
        return Err(Failure::new(Exit::Usage, "name is missing: a strategy id or a branch path"));
    }
    set_switch(control, Switch::named(name, on), reason)
}

fn set_switch(
    control: &dyn Control,
    switch: Switch,
    reason: &str,
) -> Result<SwitchedView, Failure> {
    control.switch(&SwitchRequest { switch, reason: reason.to_owned() })
}

/// Sets the log filter.
pub const LOG_LEVEL: Change = Change {
    method: "put",
    ..post(
        "/api/v1/log-level",
        "Set the log filter, for a time or until the process ends",
        (one::<LogLevelView>, one::<LogLevelView>),
        |control, _, body| tried(body, |wanted| running(control)?.set_log_level(wanted)),
    )
};

/// Ends a quarantine: retries the stage or drops the quarantine.
pub const QUARANTINE: Change = post(
    "/api/v1/quarantine/{id}/{how}",
    "End a quarantine",
    (nothing, one::<QuarantineView>),
    |control, asked, body| {
        let retry = match asked.word("how") {
            Some("retry") => true,
            Some("drop") => false,
            _ => return Err(no_such_path("the path must end with retry or drop")),
        };
        let id = asked.word("id").unwrap_or_default().parse();
        let id = id.map_err(|_| bad("the path needs the number of a quarantine"))?;
        tried(body, |_: &Nothing| control.release(id, retry))
    },
);

/// Polls the symbol list of the venue now.
pub const REFRESH: Change = post(
    "/api/v1/symbols/refresh",
    "Poll the symbol list of the venue now",
    (nothing, one::<SymbolsChangeView>),
    |control, _, body| {
        tried(body, |_: &Nothing| running(control)?.change_symbols(SymbolsChange::Refresh))
    },
);

/// Adds or removes a symbol.
pub const SYMBOL: Change = post(
    "/api/v1/symbols/{symbol}/{how}",
    "Add or remove a symbol",
    (nothing, one::<SymbolsChangeView>),
    |control, asked, body| {
        let wanted = match asked.word("how") {
            Some("add") => true,
            Some("remove") => false,
            _ => return Err(no_such_path("the path must end with add or remove")),
        };
        let change = SymbolsChange::Want(asked.symbol()?, wanted);
        tried(body, |_: &Nothing| running(control)?.change_symbols(change))
    },
);

/// Ends every wait that the venue requested.
pub const LIMITS: Change = post(
    "/api/v1/limits/clear",
    "End every wait that the venue requested",
    (nothing, one::<ClearedView>),
    |control, _, body| tried(body, |_: &Nothing| control.clear_limits()),
);

/// Resolves a conflict with the side that the operator accepts.
pub const RESOLVE: Change = post(
    "/api/v1/resolve/{id}",
    "Resolve a conflict",
    (one::<ResolveView>, one::<ResolvedView>),
    |control, asked, body| {
        tried(body, |request| control.resolve(asked.word("id").unwrap_or_default(), request))
    },
);

/// Takes a surplus into the books.
pub const ADOPT: Change = post(
    "/api/v1/adopt",
    "Take a surplus into the books",
    (one::<AdoptView>, one::<AdoptedView>),
    |control, _, body| tried(body, |request| control.adopt(request)),
);

/// Adds tokens to the registry, and removes some.
pub const CHANGE_TOKENS: Change = post(
    "/api/v1/tokens",
    "Add tokens to the registry and remove some: all of them, or nothing",
    (one::<TokensRequest>, one::<TokensChangedView>),
    |control, _, body| tried(body, |request| control.change_tokens(request)),
);

/// Orders, closes or cancels by hand. A repeated id has no effect and gives the first result.
pub const BY_HAND: Change = Change {
    method: "put",
    ..post(
        "/api/v1/by-hand/{id}",
        "Order, close or cancel by hand, once for each id",
        (one::<ByHandView>, one::<HandResultView>),
        |control, asked, body| {
            let id = asked.word("id").unwrap_or_default();
            tried(body, |request| running(control)?.trade(id, request))
        },
    )
};

/// Takes a signal of an external program. A repeated id has no effect and gives the first response.
pub const SIGNAL: Change = post(
    "/api/v1/signals",
    "Send a signal of an external program to its strategy, once for each id",
    (one::<ExternalSignalView>, one::<TakenSignalView>),
    |control, _, body| tried(body, |request| running(control)?.signal(request)),
);

/// Completes stored bars beside trading. The same request while it runs changes nothing.
pub const BACKFILL: Change = post(
    "/api/v1/backfill",
    "Complete the stored bars of past days, or plan that",
    (one::<BackfillRequest>, one::<BackfillView>),
    |control, _, body| tried(body, |request| running(control)?.backfill(request)),
);

/// Removes facts and bars that are due beside trading. The same request while it runs changes
/// nothing.
pub const RETAIN: Change = post(
    "/api/v1/storage/retain",
    "Remove facts and bars that are due, or show which these are",
    (one::<RetainRequest>, one::<RetainRunView>),
    |control, _, body| tried(body, |request| running(control)?.retain(request)),
);

/// Lifts the emergency of storage.
pub const LIFT: Change = post(
    "/api/v1/storage/lift",
    "Lift the emergency of storage: the configured rules are in force again",
    (nothing, one::<EmergencyView>),
    |control, _, body| tried(body, |_: &Nothing| control.lift_emergency()),
);
