//! A summary as one self-contained HTML page: no script, no font, no request.

use super::period::Period;
use super::running::LOSS;
use super::view::{Made, Point, SummaryView};
use everwarm_domain::money::Decimal;
use everwarm_words::text::{amount, count, instant, plain, signed, thousands};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Width and height of the chart, units of its SVG.
const CHART: (i64, i64) = (960, 260);

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--line:#d0d7de;--paper:#fff;--go:#0969da}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--paper:#0d1117;\
--go:#4493f8}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;\
max-width:60rem;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--line)}\
th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:600}\
svg{width:100%;height:auto}.dim{color:var(--dim)}.scroll{overflow-x:auto}";

/// The HTML text.
#[must_use]
pub fn page(view: &SummaryView) -> String {
    let name = Period { from: view.from, to: view.to }.name();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>everwarm {name}</title>\n<style>{STYLE}</style></head>\n<body>\n\
         <h1>{name}, UTC</h1>\n"
    );
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
    out.push_str("</body></html>\n");
    out
}

fn section(out: &mut String, title: &str, empty: bool) {
    let none = if empty { "<p class=\"dim\">none</p>\n" } else { "" };
    write!(out, "<h2>{title}</h2>\n{none}").expect("a text takes everything");
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

fn table<const N: usize>(out: &mut String, head: &[&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    out.push_str("<div class=\"scroll\"><table>\n");
    if head.iter().any(|title| !title.is_empty()) {
        line(out, "th", head);
    }
    for row in rows {
        line(out, "td", row);
    }
    out.push_str("</table></div>\n");
}

fn line(out: &mut String, tag: &str, cells: &[impl AsRef<str>]) {
    out.push_str("<tr>");
    for cell in cells {
        let cell = escaped(cell.as_ref());
        write!(out, "<{tag}>{cell}</{tag}>").expect("a text takes everything");
    }
    out.push_str("</tr>\n");
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

fn chart(points: &[Point]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return "<p class=\"dim\">no close in this period</p>\n".to_owned();
    };
    let values = || points.iter().map(|point| point.equity);
    let (low, high) =
        (values().min().unwrap_or(first.equity), values().max().unwrap_or(first.equity));
    let (width, height) = CHART;
    let span = (last.time - first.time).max(1);
    let across = |time: i64| (time - first.time) * width / span;
    let down = |value: Decimal| {
        let share =
            high.saturating_sub(value).checked_div(high.saturating_sub(low)).unwrap_or_default();
        share.saturating_mul(Decimal::from(height)).round_dp(1).normalize()
    };
    let line: Vec<String> =
        points.iter().map(|p| format!("{},{}", across(p.time), down(p.equity))).collect();
    let title = format!(
        "equity from {} to {}: {} to {}, between {} and {}",
        instant(first.time),
        instant(last.time),
        amount(first.equity),
        amount(last.equity),
        amount(low),
        amount(high)
    );
    format!(
        "<svg viewBox=\"-4 -18 {} {}\" role=\"img\"><title>{title}</title>\n\
         <polyline fill=\"none\" stroke=\"var(--go)\" stroke-width=\"2\" points=\"{}\"/>\n\
         <g fill=\"var(--dim)\" font-size=\"13\"><text y=\"-5\">{}</text><text y=\"{}\">{}</text>\n\
         <text x=\"{width}\" y=\"{}\" text-anchor=\"end\">{}</text></g></svg>\n",
        width + 8,
        height + 40,
        line.join(" "),
        amount(high),
        height + 14,
        format_args!("{} at {}", amount(low), instant(first.time)),
        height + 14,
        instant(last.time),
    )
}
