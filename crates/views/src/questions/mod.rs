//! What people and programs may ask. A question is one row. From it come the HTTP route, the entry
//! in the description of the API, the request of a command, the answer of files that no process
//! holds, and the table that people see.

mod answer;
mod asked;
mod books;
mod columns;
mod lots;
mod market;
mod operators;
mod process;
mod proofs;
mod shape;

pub use answer::Json;
pub use asked::Asked;
pub use asked::bad;
pub use books::{EQUITY, FILLS, ORDERS, POSITIONS, TRADES};
pub use books::{orders, positions};
pub use columns::{Column, table};
pub use lots::LOTS;
pub use market::symbols;
pub use market::{BARS, SIGNALS, SYMBOLS};
pub use operators::{AUDIT, QUARANTINE, RECONCILE, SWITCHES};
pub use process::{CONFIG, DOCTOR, LOG_LEVEL, RELOADS, SCHEMA, STATUS, TREE, VERSION};
pub use proofs::{EXPLAIN, REPLAY, SUMMARY, VERIFY, WHY_NOT};
pub use shape::{Schemas, Shape, all, any, nothing, one, text};

use super::events::EventView;
use super::exit::{Exit, Failure};
use super::features::IndicatorsView;
use super::journal_reader::{JournalFacts, Proofs};
use super::memory::Memory;
use super::views::{CheckView, HealthView, LogLevelView, ReconcileView, ReloadsView, StatusView};
use super::views::{SwitchesView, ValueView, VersionView};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::History;
use everwarm_history::page::{Cursor, Paged};
use everwarm_runtime::store::archive::Archive;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// Every question.
pub const ALL: &[&Question] = &[
    &VERSION,
    &STATUS,
    &DOCTOR,
    &ORDERS,
    &FILLS,
    &POSITIONS,
    &LOTS,
    &TRADES,
    &SUMMARY,
    &EQUITY,
    &SIGNALS,
    &BARS,
    &AUDIT,
    &TREE,
    &SYMBOLS,
    &SWITCHES,
    &QUARANTINE,
    &RECONCILE,
    &EXPLAIN,
    &WHY_NOT,
    &CONFIG,
    &SCHEMA,
    &RELOADS,
    &LOG_LEVEL,
    &VERIFY,
    &REPLAY,
];

/// One question.
#[derive(Debug)]
pub struct Question {
    /// The path of its route. A name in braces is a word of whoever asks.
    pub path: &'static str,
    /// What it is about, in words.
    pub about: &'static str,
    /// Words it may be asked with in the query.
    pub query: &'static [&'static str],
    /// How long the answer takes.
    pub effort: Effort,
    /// The shape of the answer.
    pub shape: Shape,
    /// Answers.
    pub answer: fn(&dyn Context, &Asked) -> Result<Answer, Failure>,
    /// The columns of a table, where rows answer.
    pub columns: &'static [Column],
    /// What people read where there is no row.
    pub none: &'static str,
}

impl Question {
    /// A question of one word, which is answered at once.
    const fn new(
        path: &'static str,
        about: &'static str,
        shape: Shape,
        answer: fn(&dyn Context, &Asked) -> Result<Answer, Failure>,
    ) -> Question {
        let (query, columns, effort) = (&[], &[], Effort::Short);
        Question { path, about, query, effort, shape, answer, columns, none: "no rows yet" }
    }
}

/// Words of a list.
const LIMITED: &[&str] = &["limit"];
/// Words of a list that is read page by page.
const PAGED: &[&str] = &["limit", "before"];
/// Words of a period.
const PERIOD: &[&str] = &["from", "to"];

/// How long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Seconds.
    Short,
    /// Minutes.
    Long,
    /// Minutes of a core: one at a time.
    Alone,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As JSON.
    pub json: Json,
    /// Where older rows end; none: there are none.
    pub older: Option<Cursor>,
}

impl Answer {
    /// One value.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn of(value: &impl Serialize) -> Result<Answer, Failure> {
        Ok(Answer { json: Json::of(value)?, older: None })
    }

    /// A page of a list.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn page(page: Paged<impl Serialize>) -> Result<Answer, Failure> {
        Ok(Answer { json: Json::of(&page.rows)?, older: page.older })
    }
}

/// What answers are made of: the running daemon has it, and the files of one that does not run.
#[expect(clippy::missing_errors_doc, reason = "each says why it has no answer")]
pub trait Context: Send + Sync + 'static {
    /// The folder of everything that is kept.
    fn data_dir(&self) -> &Path;
    /// Orders, fills and books.
    fn history(&self) -> &History;
    /// Bars.
    fn archive(&self) -> &Arc<Archive>;
    /// The facts on disk.
    fn journal(&self) -> &dyn JournalFacts;
    /// What goes through a whole journal once more.
    fn proofs(&self) -> Proofs;
    /// Shows what the facts come to.
    fn memory(&self, read: &mut dyn FnMut(&mut Memory)) -> Result<(), Failure>;
    /// One screen.
    fn status(&self) -> Result<StatusView, Failure>;
    /// The conditions of being ready.
    fn checks(&self) -> Vec<CheckView>;
    /// What is wrong, since when, and what to do.
    fn doctor(&self) -> Result<HealthView, Failure>;
    /// What operators have turned off.
    fn switches(&self) -> Result<SwitchesView, Failure>;
    /// The account beside the books, as of the newest fact.
    fn reconcile(&self) -> Result<ReconcileView, Failure>;
    /// The program.
    fn version(&self) -> VersionView;
    /// The JSON schema of a configuration file.
    fn schema(&self) -> Value;
    /// The process; none runs where the files answer.
    fn process(&self) -> Option<&dyn Process>;
}

/// What only a running daemon knows.
pub trait Process {
    /// Whether the root supervisor answers.
    fn alive(&self) -> bool;
    /// The supervision tree: objects with `name`, `children`, and what else is known of each. The
    /// same one again where nothing has changed, so that who looks often sees that at once.
    fn tree(&self) -> Arc<Value>;
    /// The configuration it runs with.
    fn config(&self) -> Vec<ValueView>;
    /// The configuration in force, and reloads since it began.
    fn reloads(&self) -> ReloadsView;
    /// What it logs.
    fn log_level(&self) -> LogLevelView;
    /// What happened lately, oldest first.
    fn events(&self, limit: usize) -> Vec<EventView>;
    /// What time it is at the venue, once it is known.
    fn venue_time(&self) -> Option<UtcMs>;
    /// What the indicator stage said lately of the bar that ended then.
    fn indicators(&self, of: Symbol, width: Timeframe, end: UtcMs) -> Option<IndicatorsView>;
}

/// What the facts come to, read once.
///
/// # Errors
/// They could not be read.
pub fn remembered<T>(
    context: &dyn Context,
    read: impl FnOnce(&mut Memory) -> T,
) -> Result<T, Failure> {
    let (mut read, mut found) = (Some(read), None);
    context.memory(&mut |memory| found = read.take().map(|read| read(memory)))?;
    found.ok_or_else(|| Failure::new(Exit::Failed, "the facts were not read"))
}

/// The process, or why the question has no answer without one.
fn running(context: &dyn Context) -> Result<&dyn Process, Failure> {
    context.process().ok_or_else(|| Failure::no_daemon(context.data_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_shows_a_member_of_its_rows_and_a_path_is_there_once() {
        for (at, question) in ALL.iter().enumerate() {
            let Question { path, columns, .. } = question;
            assert!(!ALL[..at].iter().any(|other| other.path == *path), "{path} is there twice");
            let mut schemas = Schemas::new();
            let shape = (question.shape)(&mut schemas);
            let Some(name) = shape["items"]["$ref"].as_str().and_then(|of| of.rsplit('/').next())
            else {
                assert!(columns.is_empty(), "{path} has no rows");
                continue;
            };
            let schemas = serde_json::to_value(&schemas).unwrap();
            for column in columns.iter().filter(|column| !column.member.is_empty()) {
                let member = &schemas[name]["properties"][column.member];
                assert!(!member.is_null(), "{path}: {name} has no {}", column.member);
            }
        }
    }
}
