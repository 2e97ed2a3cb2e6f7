//! A sweep in words, and as one self-contained HTML page with a heat map.

use super::view::{Figures, Fold, RankedPoint, SweepPlan, SweepView};
use super::{Axis, Rank};
use crate::html::{escaped, page as page_of, section, table};
use everwarm_domain::money::{Decimal, total};
use everwarm_words::text::{count, instant, plain, thousands};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most points that the page lists.
const POINTS: usize = 1_000;
/// Decimals of a percentage and of a ratio.
const DECIMALS: u32 = 2;

/// The HTML text.
#[must_use]
pub fn page(view: &SweepView, rank: Rank) -> String {
    let mut out = String::new();
    table(&mut out, &["", ""], &facts(view));
    section(&mut out, "Notes", view.warnings.is_empty());
    let notes: Vec<[String; 1]> = view.warnings.iter().map(|note| [note.clone()]).collect();
    table(&mut out, &[""], &notes);
    let (title, rows) = heat_map(view, rank);
    section(&mut out, &title, rows.is_empty());
    out.push_str(&rows);
    section(&mut out, "Choices, test part by test part", view.walk_forward.folds.is_empty());
    let rows: Vec<[String; 6]> =
        view.walk_forward.folds.iter().map(|of| fold(&view.plan, of, rank)).collect();
    table(&mut out, &FOLD_HEADS, &rows);
    section(&mut out, "Points, the best in the test parts first", view.points.is_empty());
    let rows: Vec<[String; 7]> =
        view.points.iter().take(POINTS).map(|of| point(&view.plan, of, rank)).collect();
    table(&mut out, &POINT_HEADS, &rows);
    let name = format!("sweep of {}", count(view.played + view.refused, "point"));
    page_of(&name, &format!("{name}, by {}, UTC", view.rank), &out)
}

/// The heads of [`point`].
pub const POINT_HEADS: [&str; 7] =
    ["values", "train", "test", "trades", "growth", "drawdown", "neighbours"];

/// A point in words: the ranked figure in train and test, then figures of the test.
#[must_use]
pub fn point(plan: &SweepPlan, of: &RankedPoint, rank: Rank) -> [String; 7] {
    [
        words(plan, of.point),
        value(rank, rank.of(&of.train)),
        value(rank, rank.of(&of.test)),
        thousands(of.test.trades),
        percent(of.test.growth),
        percent(of.test.drawdown),
        value(rank, of.neighbours),
    ]
}

/// The heads of [`fold`].
pub const FOLD_HEADS: [&str; 6] = ["test from", "to", "values", "train", "test", "trades"];

/// A choice in words.
#[must_use]
pub fn fold(plan: &SweepPlan, of: &Fold, rank: Rank) -> [String; 6] {
    [
        instant(of.test.from),
        instant(of.test.to),
        words(plan, of.point),
        value(rank, rank.of(&of.train)),
        value(rank, rank.of(&of.result)),
        thousands(of.result.trades),
    ]
}

/// The figures of the whole sweep, each with its name.
#[must_use]
pub fn facts(view: &SweepView) -> Vec<[String; 2]> {
    let (plan, forward) = (&view.plan, &view.walk_forward);
    let period = plan.parts.first().zip(plan.parts.last()).map_or_else(dash, |(first, last)| {
        format!("{} to {}", instant(first.from), instant(last.to))
    });
    let Figures { growth, trades, drawdown, .. } = &forward.figures;
    let test = plan.parts.len().saturating_sub(plan.train) as u64;
    let parts = format!("{} to choose, {test} to test", plan.train);
    let chosen = format!("{}, {}", percent(*growth), count(*trades, "trade"));
    let rows = [
        ("period", period),
        ("parts", parts),
        ("points", thousands(view.played + view.refused)),
        ("ranked by", view.rank.clone()),
        ("growth of the chosen points in the test parts", chosen),
        ("their maximum drawdown", percent(*drawdown)),
        ("rank correlation of train and test", forward.agreement.map_or_else(dash, plain)),
    ];
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

/// The values of a point with the shortest names that tell its keys apart.
#[must_use]
pub fn words(plan: &SweepPlan, point: u64) -> String {
    let pairs = plan.pairs(point);
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| *key).collect();
    let word = |(key, value): &(&str, &str)| format!("{}={value}", short(key, &keys));
    pairs.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The shortest end of a key that no other key has.
fn short<'a>(key: &'a str, keys: &[&str]) -> &'a str {
    let dots = key.rmatch_indices('.').map(|(at, _)| &key[at + 1..]);
    let mut ends = dots.chain([key]);
    let alone = |end: &&str| {
        let of = |other: &&&str| {
            other.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        keys.iter().filter(of).count() == 1
    };
    ends.find(alone).unwrap_or(key)
}

/// The mean of the ranked figure in the test parts over the first two keys with several values. Its
/// title, and its table.
fn heat_map(view: &SweepView, rank: Rank) -> (String, String) {
    let plan = &view.plan;
    let mut wide = plan.axes.iter().enumerate().filter(|(_, axis)| axis.values.len() > 1);
    let Some((across_at, across)) = wide.next() else {
        return ("Heat map".to_owned(), String::new());
    };
    let one = Axis { key: String::new(), values: vec![String::new()] };
    let (down_at, down) = wide.next().map_or((None, &one), |(at, axis)| (Some(at), axis));
    let mut cells: BTreeMap<(&str, &str), Vec<Decimal>> = BTreeMap::new();
    for point in &view.points {
        let at = |axis: usize| point.values.get(axis).map(String::as_str);
        let cell = (down_at.map_or(Some(""), at), at(across_at));
        if let ((Some(row), Some(column)), Some(value)) = (cell, rank.of(&point.test)) {
            cells.entry((row, column)).or_default().push(value);
        }
    }
    let mean = |values: &Vec<Decimal>| {
        total(values.iter().copied()).checked_div(Decimal::from(values.len()))
    };
    let means: BTreeMap<(&str, &str), Decimal> =
        cells.iter().filter_map(|(cell, values)| Some((*cell, mean(values)?))).collect();
    let distance = |value: Decimal| value.saturating_sub(rank.neutral());
    let most = means.values().map(|value| distance(*value).abs()).max().unwrap_or_default();
    let mut out = String::from("<div class=\"scroll\"><table>\n<tr><th></th>");
    let mut put = |text: String| out.push_str(&text);
    across.values.iter().for_each(|value| put(format!("<th>{}</th>", escaped(value))));
    put("</tr>\n".to_owned());
    for row in &down.values {
        put(format!("<tr><th>{}</th>", escaped(row)));
        for column in &across.values {
            let Some(mean) = means.get(&(row.as_str(), column.as_str())) else {
                put("<td class=\"dim\">-</td>".to_owned());
                continue;
            };
            let color = if distance(*mean) < Decimal::ZERO { "--bad" } else { "--go" };
            let share = distance(*mean).abs().checked_div(most).unwrap_or_default();
            let share = share.saturating_mul(Decimal::from(70)).round();
            let color = format!("color-mix(in srgb,var({color}) {share}%,transparent)");
            let text = value(rank, Some(*mean));
            put(format!("<td style=\"background:{color}\">{text}</td>"));
        }
        put("</tr>\n".to_owned());
    }
    put("</table></div>\n".to_owned());
    let keys: Vec<&str> = plan.axes.iter().map(|axis| axis.key.as_str()).collect();
    let mut title =
        format!("Mean {} in the test parts, across {}", rank.name(), short(&across.key, &keys));
    if down_at.is_some() {
        write!(title, ", down {}", short(&down.key, &keys)).expect("a text takes everything");
    }
    (title, out)
}

/// The ranked figure in words.
fn value(rank: Rank, value: Option<Decimal>) -> String {
    value.map_or_else(dash, |value| match rank {
        Rank::Growth => percent(value),
        Rank::Expectancy | Rank::ProfitFactor | Rank::Sharpe => {
            plain(value.round_dp(DECIMALS).normalize())
        }
    })
}

fn percent(share: Decimal) -> String {
    let percent = share.saturating_mul(Decimal::ONE_HUNDRED).round_dp(DECIMALS).normalize();
    format!("{} %", plain(percent))
}

fn dash() -> String {
    "-".to_owned()
}
