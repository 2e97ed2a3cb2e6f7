//! `docs/METRICS.md`, from the table.

use super::table::{Kind, Row, SECTIONS};
use everwarm_runtime::meter::ONE;

const HEAD: &str = "\
# Metrics

What `/metrics` of the API says, in the text format of Prometheus. This page is generated from the
table in `src/ops/telemetry/table.rs` (`EVERWARM_BLESS=1 cargo test metrics` writes it anew).

All counters are there from the start, at 0, for every value of their labels that is known
beforehand. *Over all lives*: counted from facts, so it does not fall at a restart; others begin at
0 with each process. A label with `…` takes its values from what runs: actors, strategies, venues,
routes. `symbol` is a label of two gauges only. Histograms have fixed upper bounds, listed here in
the unit of the metric. Which dashboard or alert uses what is checked by `scripts/check_metrics.sh`.

Not here, though one might look for it:

- `everwarm_store_errors_total`: the first error of the store ends the process (exit code 10 or 11,
  and the alert Down).
- `everwarm_log_dropped_total`: lines are written by whoever has them, none is dropped for room; one
  that repeats itself is held back, and its next line says how often.
- `everwarm_store_last_commit_timestamp_seconds`: `everwarm_store_uncommitted_seconds` says the same
  without an alarm in a market where nothing happens.
- `venue` of orders, fills, slippage and stale symbols, `account` of equity, cash, drawdown and
  exposure: a daemon trades one account at one venue; `job` and `instance` tell several apart.
- `strategy` of `everwarm_position_value`: what is held of a symbol is one balance at the venue.
- `rustc` of `everwarm_build_info`: `version` and `revision` name the source.
";

const COLUMNS: &str = "\
| metric | kind | unit | labels | what it says |
|---|---|---|---|---|
";

/// The page.
#[must_use]
pub fn document() -> String {
    let mut page = HEAD.to_owned();
    for (title, rows) in SECTIONS {
        page.extend(["\n## ", *title, "\n\n", COLUMNS]);
        page.extend(rows.iter().map(line));
    }
    page
}

fn line(Row { name, kind, unit, help, labels }: &Row) -> String {
    let labels = labels.iter().map(|label| match label.values {
        [] => format!("`{}` …", label.name),
        values => format!("`{}`: {}", label.name, values.join(", ")),
    });
    let labels = labels.collect::<Vec<_>>().join("; ");
    let bounds = match kind {
        Kind::Counter | Kind::Gauge => String::new(),
        Kind::Histogram(bounds) => format!(" Up to {}.", range(bounds)),
    };
    format!("| `{name}` | {} | {unit} | {labels} | {help}.{bounds} |\n", kind.name())
}

fn range(bounds: &[i64]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "bounds are short numbers")]
    let told = bounds.iter().map(|bound| (*bound as f64 / ONE as f64).to_string());
    told.collect::<Vec<_>>().join(", ")
}
