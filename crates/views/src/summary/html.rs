//! A summary as one self-contained HTML page: no script, no font, no request.

use super::period::Period;
use super::running::LOSS;
use super::view::{Made, SummaryView};
use crate::html::{chart, page as page_of, section, table};
use everwarm_domain::money::Decimal;
use everwarm_words::text::{amount, count, instant, plain, signed, thousands};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The HTML text.
#[must_use]
pub fn page(view: &SummaryView) -> String {
    let name = Period { from: view.from, to: view.to }.name();
    let mut out = String::new();
    let facts: Vec<[String; 2]> = facts(view);
    table(&mut out, &["", ""], &facts);
    out.push_str("<h2>Equity</h2>\n");
    out.push_str(&chart(&view.money.equity));
    for (title, rows) in [("Symbols", &view.money.symbols), ("Strategies", &view.money.strategies)]
    {
        section(&mut out, title, rows.is_empty());
        let rows: Vec<[String; 5]> = rows.iter().map(made).collect();
        table(&mut out, &["", "realised", "unrealised", "fees", "fills"], &rows);
    }
    running(&mut out, view);
    page_of(&name, &format!("{name}, UTC"), &out)
}

/// The figures of a period, each with its name.
#[must_use]
pub fn facts(view: &SummaryView) -> Vec<[String; 2]> {
    let money = &view.money;
    let percent = |ratio: Decimal| {
        format!("{} %", plain(ratio.saturating_mul(Decimal::ONE_HUNDRED).round_dp(2)))
    };
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![
        ("profit", signed(money.profit)),
        ("realised", signed(money.realized)),
        ("unrealised", signed(money.unrealized)),
    ];
    let made = money.realized.saturating_add(money.unrealized);
    let rest = money.profit.saturating_sub(made).round_dp(2);
    if !rest.is_zero() {
        rows.push(("other profit", signed(rest)));
    }
    rows.extend([
        ("fees", fees(&money.fees)),
        ("equity before", or_dash(money.equity_before.map(amount))),
        ("equity after", or_dash(money.equity_after.map(amount))),
    ]);
    if !money.adjusted.is_zero() {
        rows.push(("deposits and withdrawals", signed(money.adjusted)));
    }
    rows.extend([
        ("maximum drawdown", percent(money.drawdown)),
        ("orders, fills", format!("{}, {}", thousands(money.orders), thousands(money.fills))),
        ("trades", format!("{}, {} won", thousands(money.trades), money.won)),
        ("win rate", or_dash(money.win_rate.map(percent))),
        ("profit factor", or_dash(money.profit_factor.map(|f| plain(f.round_dp(2))))),
        ("closes", thousands(view.running.closes)),
        ("starts of the daemon", thousands(view.running.starts)),
    ]);
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

/// Fees by asset, in words.
#[must_use]
pub fn fees(fees: &BTreeMap<String, Decimal>) -> String {
    if fees.is_empty() {
        return "-".to_owned();
    }
    let each = fees.iter().map(|(asset, fee)| format!("{} {asset}", plain(*fee)));
    each.collect::<Vec<_>>().join(", ")
}

fn made(row: &Made) -> [String; 5] {
    [
        row.name.clone(),
        signed(row.realized),
        signed(row.unrealized),
        fees(&row.fees),
        thousands(row.fills),
    ]
}

fn running(out: &mut String, view: &SummaryView) {
    let running = &view.running;
    section(out, "Problems", running.failures.is_empty());
    let rows: Vec<[String; 2]> =
        running.failures.iter().map(|f| [instant(f.time), f.text.clone()]).collect();
    table(out, &["time", "problem"], &rows);
    let hidden = running.failures_all.saturating_sub(running.failures.len() as u64);
    if hidden > 0 {
        let older = thousands(hidden);
        writeln!(out, "<p class=\"dim\">and {older} older</p>").expect("a text takes it");
    }
    section(out, "Gaps", false);
    let rows: Vec<[String; 2]> =
        running.gaps.iter().map(|gap| [instant(gap.from), instant(gap.to)]).collect();
    table(out, &["last close before", "first close after"], &rows);
    writeln!(out, "<p>{}</p>", running.bars()).expect("a text takes it");
    section(out, "Limits", running.limits.is_empty());
    let rows: Vec<[String; 3]> = limits(view);
    table(out, &["limit", "most used", "limit"], &rows);
    let rows: Vec<[String; 2]> =
        running.declined.iter().map(|(code, n)| [code.clone(), thousands(*n)]).collect();
    table(out, &["declined", "times"], &rows);
    section(out, "Storage", false);
    let rows: Vec<[String; 2]> = running
        .files
        .iter()
        .map(|file| [file.name.clone(), format!("{} kB", thousands(file.bytes.div_ceil(1024)))])
        .collect();
    table(out, &["file in the data directory", "size"], &rows);
    let (facts, grown) = (count(running.facts, "fact"), thousands(running.grown.div_ceil(1024)));
    writeln!(out, "<p>{facts} in this period, about {grown} kB of journal</p>")
        .expect("a text takes it");
}

/// Limits in words: key, largest use, limit.
#[must_use]
pub fn limits(view: &SummaryView) -> Vec<[String; 3]> {
    let row = |l: &super::view::LimitUsed| {
        // A loss is an amount of money; the other limits are counts.
        let number = if l.key == LOSS { amount } else { plain };
        let limit = l.limit.map_or_else(|| "off".to_owned(), number);
        [l.key.clone(), number(l.used), limit]
    };
    view.running.limits.iter().map(row).collect()
}
