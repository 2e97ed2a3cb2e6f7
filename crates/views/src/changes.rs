//! What people and programs may change. A change is one row. From it come the HTTP route, the entry
//! in the description of the API, the request of a command, and what is done in the files of a
//! daemon that does not run.

use super::exit::{Exit, Failure};
use super::injected::{BranchView, HarmView};
use super::questions::{Asked, Json, Shape, bad, nothing, one};
use super::views::{
    AdoptView, AdoptedView, ClearedView, LogLevelView, NamedView, QuarantineView, ReasonView,
    ReloadView, ResolveView, ResolvedView, SafeView, SwitchWord, SwitchedView, SymbolsChangeView,
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
];

/// One change.
#[derive(Debug)]
pub struct Change {
    /// `post`, or `put` where the same twice is the same once.
    pub method: &'static str,
    /// The path of its route. A name in braces is a word of whoever asks.
    pub path: &'static str,
    /// What it does, in words.
    pub about: &'static str,
    /// Words it may be asked with in the query.
    pub query: &'static [&'static str],
    /// The shape of what is sent.
    pub body: Shape,
    /// The shape of what is answered.
    pub shape: Shape,
    /// Does it.
    pub act: fn(&dyn Control, &Asked, &Json) -> Tried,
}

/// What was sent, as it was understood, and what came of it. An error tells what was not
/// understood: then nothing was tried.
pub type Tried = Result<(Value, Result<Json, Failure>), Failure>;

/// The body of a change that needs no words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Does something with a body, where it is what it should be.
///
/// # Errors
/// It is something else.
pub fn tried<B, T>(body: &Json, act: impl FnOnce(&B) -> Result<T, Failure>) -> Tried
where
    B: Serialize + DeserializeOwned,
    T: Serialize,
{
    let bad = |text: String| Failure::new(Exit::Usage, text).coded(Failure::BAD_BODY);
    // A list of its values would do for the reader in place of an object, but for nobody else.
    if !body.is_object() {
        return Err(bad("the body must be a JSON object".to_owned()));
    }
    let body: B = body.parse().map_err(|e| bad(format!("the body: {e}")))?;
    let understood = serde_json::to_value(&body).map_err(|e| bad(e.to_string()))?;
    Ok((understood, act(&body).and_then(|view| Json::of(&view))))
}

/// Who changes something: the running daemon, or whoever holds the files of one that does not run.
#[expect(clippy::missing_errors_doc, reason = "each says why it refuses")]
pub trait Control: Send + Sync + 'static {
    /// The folder of everything that is kept.
    fn data_dir(&self) -> &Path;
    /// Ends a quarantine by its number: the stage is tried again, or its absence is accepted.
    fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure>;
    /// Ends a conflict by its id, as the operator says.
    fn resolve(&self, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure>;
    /// Takes a surplus into the books.
    fn adopt(&self, word: &AdoptView) -> Result<AdoptedView, Failure>;
    /// Ends what the venue wants us to wait for.
    fn clear_limits(&self) -> Result<ClearedView, Failure>;
    /// Takes a word of an operator down.
    fn switch(&self, word: &SwitchWord) -> Result<SwitchedView, Failure>;
    /// What only a process does; none runs where the files are changed.
    fn process(&self) -> Option<&dyn ProcessControl>;
}

/// What only a running daemon does.
#[expect(clippy::missing_errors_doc, reason = "each says why it refuses")]
pub trait ProcessControl {
    /// Disturbs an actor; says which it was.
    fn harm(&self, wanted: &HarmView) -> Result<HarmView, Failure>;
    /// Tries a branch at once that is kept down or waits to be started again; says which it was.
    fn retry(&self, wanted: &BranchView) -> Result<BranchView, Failure>;
    /// Changes what is listed.
    fn change_symbols(&self, change: SymbolsChange) -> Result<SymbolsChangeView, Failure>;
    /// Reads the configuration again.
    fn reload(&self, how: ReloadHow) -> Result<ReloadView, Failure>;
    /// Sets what is logged.
    fn set_log_level(&self, wanted: &LogLevelView) -> Result<LogLevelView, Failure>;
}

/// What an operator wants to be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolsChange {
    /// This symbol, or not.
    Want(Symbol, bool),
    /// What the rule says, looked at now.
    Refresh,
}

/// How the configuration is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadHow {
    /// What the sources say is put in force.
    Apply,
    /// It is only said what would become of it.
    Dry,
    /// What was in force before is again.
    Rollback,
}

/// The process, or why nothing is changed without one.
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

/// A change with a body and without a query.
const fn post(
    path: &'static str,
    about: &'static str,
    (body, shape): (Shape, Shape),
    act: fn(&dyn Control, &Asked, &Json) -> Tried,
) -> Change {
    Change { method: "post", path, about, query: &[], body, shape, act }
}

/// Disturbs an actor.
pub const KILL: Change = post(
    "/api/v1/kill",
    "Inject a fault into an actor",
    (one::<HarmView>, one::<HarmView>),
    |control, _, body| tried(body, |wanted| running(control)?.harm(wanted)),
);

/// Tries a branch again.
pub const RETRY: Change = post(
    "/api/v1/retry",
    "Retry a branch now that its supervisor has stopped",
    (one::<BranchView>, one::<BranchView>),
    |control, _, body| tried(body, |wanted| running(control)?.retry(wanted)),
);

/// Reads the configuration again.
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

/// Puts in force again what was before.
pub const ROLLBACK: Change = post(
    "/api/v1/config/rollback",
    "Roll back to the earlier configuration",
    (nothing, one::<ReloadView>),
    |control, _, body| tried(body, |_: &Nothing| reload(control, ReloadHow::Rollback)),
);

/// Takes a step of a careful start.
pub const SAFE_START: Change = post(
    "/api/v1/trading/safe-start",
    "Set the step of a safe start",
    (one::<SafeView>, one::<SwitchedView>),
    |control, _, body| {
        tried(body, |SafeView { step, reason }| said(control, Switch::Safe(*step), reason))
    },
);

/// Halts, resumes or flattens.
pub const TRADING: Change = post(
    "/api/v1/trading/{word}",
    "Halt, resume or flatten",
    (one::<ReasonView>, one::<SwitchedView>),
    |control, asked, body| {
        let switch = match asked.word("word") {
            Some("halt") => Switch::Halt,
            Some("resume") => Switch::Resume,
            Some("flatten") => Switch::Flatten,
            _ => return Err(no_such_path("the path must end with halt, resume or flatten")),
        };
        tried(body, |ReasonView { reason }| said(control, switch, reason))
    },
);

/// Turns something on.
pub const ENABLE: Change = post(
    "/api/v1/enable",
    "Turn on a strategy or a branch of the tree",
    (one::<NamedView>, one::<SwitchedView>),
    |control, _, body| tried(body, |named| switched(control, named, true)),
);

/// Turns something off.
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
    said(control, Switch::named(name, on), reason)
}

fn said(control: &dyn Control, switch: Switch, reason: &str) -> Result<SwitchedView, Failure> {
    control.switch(&SwitchWord { switch, reason: reason.to_owned() })
}

/// Sets what is logged.
pub const LOG_LEVEL: Change = Change {
    method: "put",
    ..post(
        "/api/v1/log-level",
        "Set the log filter, for a time or until the process ends",
        (one::<LogLevelView>, one::<LogLevelView>),
        |control, _, body| tried(body, |wanted| running(control)?.set_log_level(wanted)),
    )
};

/// Ends a quarantine.
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

/// Has the venue asked what it has.
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

/// Ends what the venue wants us to wait for.
pub const LIMITS: Change = post(
    "/api/v1/limits/clear",
    "End every wait that the venue requested",
    (nothing, one::<ClearedView>),
    |control, _, body| tried(body, |_: &Nothing| control.clear_limits()),
);

/// Ends a conflict.
pub const RESOLVE: Change = post(
    "/api/v1/resolve/{id}",
    "Resolve a conflict",
    (one::<ResolveView>, one::<ResolvedView>),
    |control, asked, body| {
        tried(body, |word| control.resolve(asked.word("id").unwrap_or_default(), word))
    },
);

/// Takes a surplus into the books.
pub const ADOPT: Change = post(
    "/api/v1/adopt",
    "Take a surplus into the books",
    (one::<AdoptView>, one::<AdoptedView>),
    |control, _, body| tried(body, |word| control.adopt(word)),
);
