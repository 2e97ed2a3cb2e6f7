//! Views: the values that commands show to people and the API sends to programs.
//!
//! State from facts: [`status_fold`], [`operations`], [`lots`], [`features`], [`signals`],
//! [`health`], and [`coverage`] of past bars; [`memory`] stores it. History: [`explain`],
//! [`why_not`], [`scan`], [`scan_days`], [`summary`], [`backtest`], [`sweep`], [`funnel`],
//! [`calibrate`], [`trades`], [`reconcile`], [`stored_history`], [`tokens`]; [`events`] and
//! [`news`] describe facts in the sentences of [`sentences`].
//! Requests: routes and commands come from the rows of [`questions`] and [`changes`]; [`by_hand`]
//! has the requests to trade by hand, [`external`] the signals of external programs,
//! [`signal_file`] files with them, [`views`] the shapes of their responses, [`exit`] the exit
//! codes, [`telemetry`] the metrics.

pub mod audit;
pub mod backfill;
pub mod backtest;
pub mod backup;
pub mod by_hand;
pub mod calibrate;
pub mod changes;
pub mod checked_bars;
pub mod coverage;
mod decided_close;
pub mod emergency;
mod evaluations;
pub mod events;
pub mod exit;
pub mod explain;
pub mod external;
pub mod features;
pub mod fetched;
pub mod funnel;
pub mod health;
mod html;
pub mod injected;
pub mod journal_reader;
mod known_strategies;
pub mod known_symbols;
pub mod lots;
pub mod memory;
pub mod news;
pub mod operations;
pub mod profit;
pub mod protection;
pub mod questions;
pub mod reconcile;
pub mod regimes;
pub mod scan;
pub mod scan_days;
pub mod sentences;
pub mod signal_file;
pub mod signals;
mod silenced;
pub mod status_fold;
pub mod storage;
pub mod stored_history;
pub mod stored_texts;
pub mod summary;
pub mod sweep;
pub mod telemetry;
#[doc(hidden)]
pub mod testing;
pub mod tokens;
pub mod trades;
pub mod views;
pub mod why_not;

#[cfg(test)]
mod lagging_tests;
