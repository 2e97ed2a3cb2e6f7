//! The one integration test binary: linked once, its areas run in parallel.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod backtest;
#[cfg(test)]
mod backtest_signals;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_days;
#[cfg(test)]
mod bar_archive;
#[cfg(test)]
mod branches;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod cash;
#[cfg(test)]
mod chat_commands;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod conflicts;
#[cfg(test)]
mod crash_equivalence;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod dominance;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod exits;
#[cfg(test)]
mod external_orders;
#[cfg(test)]
mod external_signals;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod files;
#[cfg(test)]
mod health;
#[cfg(test)]
mod heap;
#[cfg(test)]
mod history_check;
#[cfg(test)]
mod history_fetch;
#[cfg(test)]
mod history_repair;
#[cfg(test)]
mod history_store;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keyed_sources;
#[cfg(test)]
mod kinds_under_kills;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod live_prices;
#[cfg(test)]
mod manual_trader;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod odd_bars;
#[cfg(test)]
mod own_strategy;
#[cfg(test)]
mod page;
#[cfg(test)]
mod past_source;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod prices;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod sigkill;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stocks_equal;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod third_adapter;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod under_kills;
#[cfg(test)]
mod venue;
#[cfg(test)]
mod wire;
