//! Parts of self-contained HTML pages: no script, no font, no request.

use crate::summary::Point;
use everwarm_domain::money::Decimal;
use everwarm_words::text::{amount, instant};
use std::fmt::Write as _;

/// Width and height of the chart, units of its SVG.
const CHART: (i64, i64) = (960, 260);

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--line:#d0d7de;--paper:#fff;--go:#0969da;\
--bad:#cf222e}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--paper:#0d1117;\
--go:#4493f8;--bad:#f85149}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;\
max-width:60rem;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--line)}\
th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:600}\
svg{width:100%;height:auto}.dim{color:var(--dim)}.scroll{overflow-x:auto}";

/// A page with this title, above its heading; `body` follows.
pub(crate) fn page(title: &str, heading: &str, body: &str) -> String {
    let (title, heading) = (escaped(title), escaped(heading));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>everwarm {title}</title>\n<style>{STYLE}</style></head>\n<body>\n\
         <h1>{heading}</h1>\n{body}</body></html>\n"
    )
}

/// The heading of a section; says if it is empty.
pub(crate) fn section(out: &mut String, title: &str, empty: bool) {
    let none = if empty { "<p class=\"dim\">none</p>\n" } else { "" };
    write!(out, "<h2>{title}</h2>\n{none}").expect("a text takes everything");
}

/// A table with a head; nothing if it has no rows.
pub(crate) fn table<const N: usize>(out: &mut String, head: &[&str; N], rows: &[[String; N]]) {
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

/// A text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
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

/// The equity as a line.
pub(crate) fn chart(points: &[Point]) -> String {
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
