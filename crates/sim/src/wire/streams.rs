//! Messages of market streams except bars, made only for subscribed streams.

use super::book::{self, book, book_event, difference_event};
use super::intervals::INTERVALS;
use super::klines;
use super::market::prints;
use super::number;
use super::stats::{DayStats, average_event};
use super::window::WINDOWS;
use crate::exchange::{Exchange, SimFact, Tape};
use crate::market::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of levels of the partial book streams.
const PARTS: [usize; 3] = [5, 10, 20];

/// The stream with the daily statistics of all symbols.
const ALL_DAYS: &str = "!miniTicker@arr";

/// The kinds of the streams with the differences of a book. Here they are equal.
const DIFFERENCES: [&str; 2] = ["depth", "depth@100ms"];

/// The stream with the statistics of all symbols over a window.
fn all_windows(window: &str) -> String {
    format!("!ticker_{window}@arr")
}

/// The names of all streams of these symbols.
#[must_use]
pub fn names(symbols: &[Symbol]) -> Vec<String> {
    let mut names = vec![ALL_DAYS.to_owned()];
    names.extend(WINDOWS.map(|(window, _)| all_windows(window)));
    for symbol in symbols {
        names.push(klines::stream(*symbol, INTERVALS[0]));
        names.extend(klines::wider_streams(*symbol).map(|(stream, _)| stream));
        let name = symbol.as_str().to_lowercase();
        let kinds = ["trade", "aggTrade", "bookTicker", "miniTicker", "ticker", "avgPrice"];
        names.extend(kinds.into_iter().chain(DIFFERENCES).map(|kind| format!("{name}@{kind}")));
        names.extend(WINDOWS.map(|(window, _)| format!("{name}@ticker_{window}")));
        let part = |count| [format!("{name}@depth{count}"), format!("{name}@depth{count}@100ms")];
        names.extend(PARTS.into_iter().flat_map(part));
    }
    names
}

/// The last trades of the symbols with a subscriber of their book's differences. A difference needs
/// the book before the input.
#[must_use]
pub fn tapes(exchange: &Exchange, wanted: &BTreeSet<String>) -> BTreeMap<Symbol, Tape> {
    let symbols = exchange.instruments().iter().map(|rules| rules.symbol);
    let differs = |symbol: &Symbol| {
        let name = symbol.as_str().to_lowercase();
        DIFFERENCES.iter().any(|kind| wanted.contains(&format!("{name}@{kind}")))
    };
    let tape = |symbol| Some((symbol, exchange.tape(symbol)?.clone()));
    symbols.filter(differs).filter_map(tape).collect()
}

/// The bars of the minute of which `input` released trades, as far as their symbols traded.
#[must_use]
pub fn traded(market: &mut dyn Market, input: &SimFact) -> Option<(UtcMs, Vec<Bar>)> {
    if let SimFact::Advance(advance) = input {
        return advance.minute.clone();
    }
    let SimFact::Ticked(ticks) = input else { return None };
    let symbols: BTreeSet<Symbol> = ticks.list.iter().map(|tick| tick.symbol).collect();
    let mut bars = market.bars_closing(ticks.close);
    bars.retain(|bar| symbols.contains(&bar.symbol));
    Some((ticks.close, bars))
}

/// The state before an input: the released market, and the last trades of some symbols.
#[derive(Clone, Debug)]
pub struct Before {
    /// Trades up to here were released.
    pub market: UtcMs,
    /// See [`tapes`].
    pub tapes: BTreeMap<Symbol, Tape>,
}

/// The messages (stream, text) about the released trades of these bars, those after `before`.
pub fn messages(
    exchange: &Exchange,
    market: &mut dyn Market,
    bars: &[Bar],
    before: &Before,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    for bar in bars {
        let name = bar.symbol.as_str().to_lowercase();
        let mine = format!("{name}@");
        let any = wanted.range(mine.clone()..).next().is_some_and(|s| s.starts_with(&mine));
        if any {
            let mut push = |kind: &str, text: &mut dyn FnMut() -> Option<String>| {
                let stream = format!("{name}@{kind}");
                if wanted.contains(&stream)
                    && let Some(text) = text()
                {
                    messages.push((stream, text));
                }
            };
            trades(exchange, market, bar, before.market, &mut push);
            parts(exchange, market, bar, &mut push);
            difference(exchange, market, bar, before, &mut push);
            push("avgPrice", &mut || average_event(exchange, market, bar.symbol));
        }
    }
    days(exchange, market, bars, wanted, &mut messages);
    windows(exchange, market, bars, wanted, &mut messages);
    messages
}

type Push<'a> = dyn FnMut(&str, &mut dyn FnMut() -> Option<String>) + 'a;

fn text(value: &Value) -> String {
    value.to_string()
}

fn trades(exchange: &Exchange, market: &dyn Market, bar: &Bar, before: UtcMs, push: &mut Push<'_>) {
    let (now, s) = (exchange.now(), bar.symbol.as_str());
    let released = prints(market, bar, exchange.market());
    for print in released.into_iter().filter(|print| print.time > before) {
        let (p, q) = (number(print.price.decimal()), number(print.quantity));
        let (time, maker) = (print.time, print.buyer_maker);
        push("trade", &mut || {
            Some(text(&json!({"e": "trade", "E": now, "s": s, "t": print.id, "p": p, "q": q,
                "T": time, "m": maker, "M": true})))
        });
        push("aggTrade", &mut || {
            Some(text(&json!({"e": "aggTrade", "E": now, "s": s, "a": print.id, "p": p, "q": q,
                "f": print.id, "l": print.id, "T": time, "m": maker, "M": true})))
        });
        push("bookTicker", &mut || {
            let last = print.price.decimal().normalize();
            let tape = Tape { last, ..exchange.tape(bar.symbol)?.clone() };
            let rules = exchange.instrument(bar.symbol)?;
            Some(text(&book_event(&tape, rules, exchange.costs(), print.id)))
        });
    }
}

fn parts(exchange: &Exchange, market: &mut dyn Market, bar: &Bar, push: &mut Push<'_>) {
    for count in PARTS {
        let mut part = || {
            let rules = exchange.instrument(bar.symbol)?;
            let id = book::update_id(exchange, market, bar.symbol);
            Some(text(&book(exchange, rules, count, id)))
        };
        push(&format!("depth{count}"), &mut part);
        push(&format!("depth{count}@100ms"), &mut part);
    }
}

/// The difference between the books before and after an input. Each message begins where the one
/// before it ended, also if nothing but the update id changed.
fn difference(
    exchange: &Exchange,
    market: &mut dyn Market,
    bar: &Bar,
    before: &Before,
    push: &mut Push<'_>,
) {
    let mut made: Option<String> = None;
    for kind in DIFFERENCES {
        push(kind, &mut || {
            if made.is_none() {
                let symbol = bar.symbol;
                let (rules, after) = (exchange.instrument(symbol)?, exchange.tape(symbol)?);
                let old = before.tapes.get(&symbol);
                let from =
                    old.map_or(0, |tape| book::last_id(market, symbol, tape.minute, before.market));
                let to = book::update_id(exchange, market, symbol);
                let ids = (exchange.now(), from + 1, to);
                made = Some(difference_event((old, after), rules, exchange.costs(), ids));
            }
            made.clone()
        });
    }
}

/// Messages with the daily statistics of each traded symbol, and of all of them together.
fn days(
    exchange: &Exchange,
    market: &mut dyn Market,
    bars: &[Bar],
    wanted: &BTreeSet<String>,
    messages: &mut Vec<(String, String)>,
) {
    let all = ALL_DAYS;
    let mut rows: Vec<Value> = Vec::new();
    for bar in bars {
        let name = bar.symbol.as_str().to_lowercase();
        let (mini, full) = (format!("{name}@miniTicker"), format!("{name}@ticker"));
        if !(wanted.contains(all) || wanted.contains(&mini) || wanted.contains(&full)) {
            continue;
        }
        let Some(rules) = exchange.instrument(bar.symbol) else { continue };
        let Some(day) = DayStats::of(exchange, market, bar.symbol, exchange.now()) else {
            continue;
        };
        if wanted.contains(all) {
            rows.push(day.mini_event());
        }
        if wanted.contains(&mini) {
            messages.push((mini, day.mini_event().to_string()));
        }
        if wanted.contains(&full) {
            messages.push((full, day.event(exchange, rules).to_string()));
        }
    }
    if !rows.is_empty() {
        messages.push((all.to_owned(), Value::Array(rows).to_string()));
    }
}

/// Messages with the statistics of the windows of each traded symbol, and of all of them together.
fn windows(
    exchange: &Exchange,
    market: &mut dyn Market,
    bars: &[Bar],
    wanted: &BTreeSet<String>,
    messages: &mut Vec<(String, String)>,
) {
    let now = exchange.now();
    for (window, length) in WINDOWS {
        let all = all_windows(window);
        let mut rows: Vec<String> = Vec::new();
        for bar in bars {
            let one = format!("{}@ticker_{window}", bar.symbol.as_str().to_lowercase());
            if !(wanted.contains(&all) || wanted.contains(&one)) {
                continue;
            }
            let from = super::window::begin(now, length);
            let stats = DayStats::since(exchange, market, bar.symbol, from, now);
            let Some(row) = stats.map(|stats| stats.window_event(window)) else { continue };
            if wanted.contains(&one) {
                messages.push((one, row.clone()));
            }
            rows.push(row);
        }
        if wanted.contains(&all) && !rows.is_empty() {
            messages.push((all, format!("[{}]", rows.join(","))));
        }
    }
}
