//! Messages of market streams except bars, made only for subscribed streams.

use super::intervals::INTERVALS;
use super::klines;
use super::market::{DayStats, book, book_event, prints};
use super::number;
use crate::exchange::{Exchange, SimFact, Tape};
use crate::market::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::UtcMs;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Numbers of levels of the partial book streams.
const PARTS: [usize; 3] = [5, 10, 20];

/// The stream with the daily statistics of all symbols.
const ALL_DAYS: &str = "!miniTicker@arr";

/// The names of all streams of these symbols.
#[must_use]
pub fn names(symbols: &[Symbol]) -> Vec<String> {
    let mut names = vec![ALL_DAYS.to_owned()];
    for symbol in symbols {
        names.extend(INTERVALS.map(|interval| klines::stream(*symbol, interval)));
        let name = symbol.as_str().to_lowercase();
        let kinds = ["trade", "aggTrade", "bookTicker", "miniTicker", "ticker"];
        names.extend(kinds.map(|kind| format!("{name}@{kind}")));
        let part = |count| [format!("{name}@depth{count}"), format!("{name}@depth{count}@100ms")];
        names.extend(PARTS.into_iter().flat_map(part));
    }
    names
}

/// The messages (stream, text) about the trades that `input` released, those after `before`.
pub fn messages(
    exchange: &Exchange,
    market: &mut dyn Market,
    input: &SimFact,
    before: UtcMs,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let SimFact::Advance(advance) = input else { return Vec::new() };
    let Some((_, bars)) = &advance.minute else { return Vec::new() };
    let mut messages = Vec::new();
    for bar in bars {
        let name = bar.symbol.as_str().to_lowercase();
        let mine = format!("{name}@");
        let any = wanted.range(mine.clone()..).next().is_some_and(|s| s.starts_with(&mine));
        if any {
            let mut push = |kind: &str, value: &dyn Fn() -> Option<Value>| {
                let stream = format!("{name}@{kind}");
                if wanted.contains(&stream)
                    && let Some(value) = value()
                {
                    messages.push((stream, value.to_string()));
                }
            };
            trades(exchange, bar, before, &mut push);
            parts(exchange, bar, &mut push);
        }
    }
    days(exchange, market, bars, wanted, &mut messages);
    messages
}

type Push<'a> = dyn FnMut(&str, &dyn Fn() -> Option<Value>) + 'a;

fn trades(exchange: &Exchange, bar: &Bar, before: UtcMs, push: &mut Push<'_>) {
    let (now, s) = (exchange.now(), bar.symbol.as_str());
    let released = prints(bar, exchange.market());
    for print in released.into_iter().filter(|print| print.time > before) {
        let (p, q) = (number(print.price), number(print.quantity));
        let (time, maker) = (print.time, print.buyer_maker);
        push("trade", &|| {
            Some(json!({"e": "trade", "E": now, "s": s, "t": print.id, "p": p, "q": q, "T": time,
                "m": maker, "M": true}))
        });
        push("aggTrade", &|| {
            Some(json!({"e": "aggTrade", "E": now, "s": s, "a": print.id, "p": p, "q": q,
                "f": print.id, "l": print.id, "T": time, "m": maker, "M": true}))
        });
        push("bookTicker", &|| {
            let tape = Tape { last: print.price, ..exchange.tape(bar.symbol)?.clone() };
            let rules = exchange.instrument(bar.symbol)?;
            Some(book_event(&tape, rules, exchange.costs(), print.id))
        });
    }
}

fn parts(exchange: &Exchange, bar: &Bar, push: &mut Push<'_>) {
    for count in PARTS {
        let part = || {
            let rules = exchange.instrument(bar.symbol)?;
            Some(book(exchange, rules, count))
        };
        push(&format!("depth{count}"), &part);
        push(&format!("depth{count}@100ms"), &part);
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
