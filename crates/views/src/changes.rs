//! What people and programs may change. A change is one row. From it come the HTTP route, the entry
//! in the description of the API, the request of a command, and what is done in the files of a
//! daemon that does not run.

use super::exit::{Exit, Failure};
use super::harm::{BranchView, HarmView};
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
        return Err(bad("the body: an object is expected".to_owned()));
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
fn running<'a>(control: &'a dyn Control, so: &str) -> Result<&'a dyn ProcessControl, Failure> {
    control.process().ok_or_else(|| {
        let text = format!("no daemon is running on {}{so}", control.data_dir().display());
        Failure::new(Exit::Unreachable, text)
    })
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
    "Disturbs an actor on purpose",
    (one::<HarmView>, one::<HarmView>),
    |control, _, body| tried(body, |wanted| running(control, "")?.harm(wanted)),
);

/// Tries a branch again.
pub const RETRY: Change = post(
    "/api/v1/retry",
    "Tries a branch at once that is kept down",
    (one::<BranchView>, one::<BranchView>),
    |control, _, body| tried(body, |wanted| running(control, "")?.retry(wanted)),
);

/// Reads the configuration again.
pub const RELOAD: Change = Change {
    query: &["dry_run"],
    ..post(
        "/api/v1/config/reload",
        "Reads it again",
        (nothing, one::<ReloadView>),
        |control, asked, body| {
            let how = match asked.word("dry_run") {
                None | Some("0") => ReloadHow::Apply,
                Some("1") => ReloadHow::Dry,
                Some(_) => return Err(bad("ask with ?dry_run=1, or without a query")),
            };
            tried(body, |_: &Nothing| running(control, READ)?.reload(how))
        },
    )
};

/// Puts in force again what was before.
pub const ROLLBACK: Change = post(
    "/api/v1/config/rollback",
    "Puts in force what was before",
    (nothing, one::<ReloadView>),
    |control, _, body| {
        tried(body, |_: &Nothing| running(control, READ)?.reload(ReloadHow::Rollback))
    },
);

/// Why nothing is read where no daemon runs.
const READ: &str = ": the next start reads it anyway";

/// Takes a step of a careful start.
pub const SAFE_START: Change = post(
    "/api/v1/trading/safe-start",
    "Takes a step of a careful start",
    (one::<SafeView>, one::<SwitchedView>),
    |control, _, body| {
        tried(body, |SafeView { step, reason }| said(control, Switch::Safe(*step), reason))
    },
);

/// Halts, resumes or flattens.
pub const TRADING: Change = post(
    "/api/v1/trading/{word}",
    "Halts, resumes or flattens",
    (one::<ReasonView>, one::<SwitchedView>),
    |control, asked, body| {
        let switch = match asked.word("word") {
            Some("halt") => Switch::Halt,
            Some("resume") => Switch::Resume,
            Some("flatten") => Switch::Flatten,
            _ => return Err(no_such_path("trading is changed by halt, resume or flatten")),
        };
        tried(body, |ReasonView { reason }| said(control, switch, reason))
    },
);

/// Turns something on.
pub const ENABLE: Change = post(
    "/api/v1/enable",
    "Turns a strategy or a process on",
    (one::<NamedView>, one::<SwitchedView>),
    |control, _, body| tried(body, |named| switched(control, named, true)),
);

/// Turns something off.
pub const DISABLE: Change = post(
    "/api/v1/disable",
    "Turns a strategy or a process off",
    (one::<NamedView>, one::<SwitchedView>),
    |control, _, body| tried(body, |named| switched(control, named, false)),
);

fn switched(
    control: &dyn Control,
    NamedView { name, reason }: &NamedView,
    on: bool,
) -> Result<SwitchedView, Failure> {
    if name.is_empty() {
        return Err(Failure::new(Exit::Usage, "give the name of a strategy or a process"));
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
        "Sets the filter of the log, for a while or until the end of the process",
        (one::<LogLevelView>, one::<LogLevelView>),
        |control, _, body| tried(body, |wanted| running(control, "")?.set_log_level(wanted)),
    )
};

/// Ends a quarantine.
pub const QUARANTINE: Change = post(
    "/api/v1/quarantine/{id}/{how}",
    "Ends a quarantine",
    (nothing, one::<QuarantineView>),
    |control, asked, body| {
        let retry = match asked.word("how") {
            Some("retry") => true,
            Some("drop") => false,
            _ => return Err(no_such_path("a quarantine ends by retry or drop")),
        };
        let id = asked.word("id").unwrap_or_default().parse();
        let id = id.map_err(|_| bad("give the number of a quarantine"))?;
        tried(body, |_: &Nothing| control.release(id, retry))
    },
);

/// Has the venue asked what it has.
pub const REFRESH: Change = post(
    "/api/v1/symbols/refresh",
    "Has the venue asked now what it has",
    (nothing, one::<SymbolsChangeView>),
    |control, _, body| {
        tried(body, |_: &Nothing| running(control, LISTED)?.change_symbols(SymbolsChange::Refresh))
    },
);

/// Adds or removes a symbol.
pub const SYMBOL: Change = post(
    "/api/v1/symbols/{symbol}/{how}",
    "Adds or removes a symbol",
    (nothing, one::<SymbolsChangeView>),
    |control, asked, body| {
        let wanted = match asked.word("how") {
            Some("add") => true,
            Some("remove") => false,
            _ => return Err(no_such_path("a symbol is changed by add or remove")),
        };
        let change = SymbolsChange::Want(asked.symbol()?, wanted);
        tried(body, |_: &Nothing| running(control, LISTED)?.change_symbols(change))
    },
);

/// Why nothing is listed where no daemon runs.
const LISTED: &str = ": symbols are changed by one";

/// Ends what the venue wants us to wait for.
pub const LIMITS: Change = post(
    "/api/v1/limits/clear",
    "Ends a wait that the venue asked for",
    (nothing, one::<ClearedView>),
    |control, _, body| tried(body, |_: &Nothing| control.clear_limits()),
);

/// Ends a conflict.
pub const RESOLVE: Change = post(
    "/api/v1/resolve/{id}",
    "Ends a conflict",
    (one::<ResolveView>, one::<ResolvedView>),
    |control, asked, body| {
        tried(body, |word| control.resolve(asked.word("id").unwrap_or_default(), word))
    },
);

/// Takes a surplus into the books.
pub const ADOPT: Change = post(
    "/api/v1/adopt",
    "Takes a surplus into the books",
    (one::<AdoptView>, one::<AdoptedView>),
    |control, _, body| tried(body, |word| control.adopt(word)),
);
