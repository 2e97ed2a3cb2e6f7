//! The queries that people and programs may make. Each query is one row. Its HTTP route, its entry
//! in the API description, the request of its command, the response from the files of a stopped
//! daemon, and the table for people come from that row.

mod answer;
mod asked;
mod books;
mod columns;
mod history;
mod lots;
mod market;
mod operators;
mod process;
mod proofs;
mod regimes;
mod scan;
mod series;
mod shape;
mod tokens;

pub use answer::Json;
pub use asked::Asked;
pub use asked::bad;
pub use books::{EQUITY, FILLS, ORDERS, POSITIONS, TRADES};
pub use books::{orders, positions};
pub use columns::{Column, table};
pub use history::{HISTORY, HISTORY_CHECK, HOLES, missing};
pub use lots::LOTS;
pub use market::symbols;
pub use market::{BARS, SIGNALS, SYMBOLS};
pub use operators::{AUDIT, QUARANTINE, RECONCILE, SWITCHES};
pub use process::{
    BACKFILL, CONFIG, DOCTOR, EMERGENCY, LOG_LEVEL, RELOADS, RETAIN, SCHEMA, STATUS, STORAGE, TREE,
    VERSION,
};
pub use proofs::{CALIBRATE, EXPLAIN, FUNNEL, REPLAY, SUMMARY};
pub use proofs::{VERIFY, VERIFY_TRADES, WHY_NOT};
pub use regimes::{REGIME_DAYS, REGIMES};
pub use scan::{NEAR_COLUMNS, SCAN, SCAN_DAYS, SCAN_NEAR};
pub use series::SERIES;
pub use shape::{Schemas, Shape, all, any, nothing, one, text};
pub use tokens::{TOKEN_BARS, TOKENS};

use super::backfill::BackfillView;
use super::events::EventView;
use super::exit::{Exit, Failure};
use super::features::IndicatorsView;
use super::journal_reader::{JournalFacts, Proofs};
use super::memory::Memory;
use super::storage::RetainRunView;
use super::views::{CheckView, HealthView, LogLevelView, ReconcileView, ReloadsView, StatusView};
use super::views::{SwitchesView, ValueView, VersionView};
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::History;
use everwarm_history::page::{Cursor, Paged};
use everwarm_runtime::store::archive::Archive;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// All queries.
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
    &FUNNEL,
    &CALIBRATE,
    &EQUITY,
    &SIGNALS,
    &BARS,
    &SERIES,
    &HISTORY,
    &HOLES,
    &HISTORY_CHECK,
    &BACKFILL,
    &REGIMES,
    &REGIME_DAYS,
    &AUDIT,
    &STORAGE,
    &EMERGENCY,
    &RETAIN,
    &TREE,
    &SYMBOLS,
    &TOKENS,
    &TOKEN_BARS,
    &SWITCHES,
    &QUARANTINE,
    &RECONCILE,
    &EXPLAIN,
    &WHY_NOT,
    &SCAN,
    &SCAN_DAYS,
    &SCAN_NEAR,
    &CONFIG,
    &SCHEMA,
    &RELOADS,
    &LOG_LEVEL,
    &VERIFY,
    &VERIFY_TRADES,
    &REPLAY,
];

/// One query.
#[derive(Debug)]
pub struct Question {
    /// The path of its route. A name in braces is a parameter.
    pub path: &'static str,
    /// Its description for users, in words.
    pub about: &'static str,
    /// Names of its query parameters.
    pub query: &'static [&'static str],
    /// How long the response takes.
    pub effort: Effort,
    /// The shape of the response.
    pub shape: Shape,
    /// Computes the response.
    pub answer: fn(&dyn Context, &Asked) -> Result<Answer, Failure>,
    /// The columns of the table, if the response is a list.
    pub columns: &'static [Column],
    /// The text for people if there is no row.
    pub none: &'static str,
}

impl Question {
    /// A short query without query parameters and without a table.
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

/// Query parameters of a list.
const LIMITED: &[&str] = &["limit"];
/// Query parameters of a list that is read page by page.
const PAGED: &[&str] = &["limit", "before"];
/// Query parameters of a period.
const PERIOD: &[&str] = &["from", "to"];

/// How long a response takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Seconds.
    Short,
    /// Minutes.
    Long,
    /// Minutes of processor time: only one such request runs at a time.
    Alone,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its body.
    pub json: Json,
    /// Cursor for the older rows; none: there are none.
    pub older: Option<Cursor>,
}

impl Answer {
    /// A response with one value.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Answer, Failure> {
        Ok(Answer { json: Json::of(value)?, older: None })
    }

    /// A response with a page of a list.
    ///
    /// # Errors
    /// A row cannot be written as JSON.
    pub fn page(page: Paged<impl Serialize>) -> Result<Answer, Failure> {
        Ok(Answer { json: Json::of(&page.rows)?, older: page.older })
    }
}

/// The data for responses: of the running daemon, or from the files of one that does not run.
#[expect(clippy::missing_errors_doc, reason = "each says why it has no answer")]
pub trait Context: Send + Sync + 'static {
    /// The data directory.
    fn data_dir(&self) -> &Path;
    /// What is kept, and for how long, as this program can carry it out.
    fn storage_rules(&self) -> StorageRules;
    /// The history: orders, fills and books.
    fn history(&self) -> &History;
    /// The archive, for bars.
    fn archive(&self) -> &Arc<Archive>;
    /// The facts on disk.
    fn journal(&self) -> &dyn JournalFacts;
    /// The proofs that read a whole journal.
    fn proofs(&self) -> Proofs;
    /// Calls `read` with the views of all facts.
    fn memory(&self, read: &mut dyn FnMut(&mut Memory)) -> Result<(), Failure>;
    /// The view of `status`.
    fn status(&self) -> Result<StatusView, Failure>;
    /// The readiness conditions.
    fn checks(&self) -> Vec<CheckView>;
    /// The problems, since when, and what to do.
    fn doctor(&self) -> Result<HealthView, Failure>;
    /// The switches of operators.
    fn switches(&self) -> Result<SwitchesView, Failure>;
    /// The account compared with the books, as of the newest fact.
    fn reconcile(&self) -> Result<ReconcileView, Failure>;
    /// The name and version of the program.
    fn version(&self) -> VersionView;
    /// The JSON schema of a configuration file.
    fn schema(&self) -> Value;
    /// The running process; none if only files are read.
    fn process(&self) -> Option<&dyn Process>;
}

/// What only a running daemon knows.
pub trait Process {
    /// Whether the root supervisor responds.
    fn alive(&self) -> bool;
    /// The supervision tree: objects with `name`, `children`, and the other known values of each.
    /// It returns the same `Arc` while nothing changes, so that frequent callers notice that
    /// cheaply.
    fn tree(&self) -> Arc<Value>;
    /// The configuration it runs with.
    fn config(&self) -> Vec<ValueView>;
    /// The configuration in force, and reloads since it began.
    fn reloads(&self) -> ReloadsView;
    /// The log filter.
    fn log_level(&self) -> LogLevelView;
    /// The backfill that runs, else the last one.
    fn backfill(&self) -> BackfillView;
    /// The request that removes facts and bars, else the last one.
    fn retain(&self) -> RetainRunView;
    /// The newest events, oldest first.
    fn events(&self, limit: usize) -> Vec<EventView>;
    /// The venue's time; none: it is not known yet.
    fn venue_time(&self) -> Option<UtcMs>;
    /// The features of the bar that ended at `end`; none: they are not kept.
    fn indicators(&self, of: Symbol, width: Timeframe, end: UtcMs) -> Option<IndicatorsView>;
}

/// A value from the views of all facts.
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

/// The process, or the failure that no daemon runs.
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
