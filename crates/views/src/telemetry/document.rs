//! `docs/reference/metrics.md`, from the table.

use super::table::{Kind, Row, SECTIONS};
use everwarm_runtime::meter::ONE;

const HEAD: &str = "\
# Metrics

What `/metrics` of the API says, in the text format of Prometheus. This page is generated from the
table in `crates/views/src/telemetry/table.rs`. `EVERWARM_BLESS=1 cargo nextest run -p everwarm -E
'test(/tidy/)'` writes it anew.

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
- `venue` of `everwarm_feed_symbol_age_seconds`, as of orders.
- `rustc` of `everwarm_build_info`: `version` and `revision` name the source.
- `task` of `everwarm_panics_total`: `hook` counts every panic that was not asked for, in a task
  too.
- `timeout` of `everwarm_actor_send_failures_total`: no send waits for an answer; where there is
  no room it is `full`.
- `stalled` and `config` of `everwarm_actor_restarts_total`: an actor that holds its thread is
  seen (`blocked` of `everwarm_supervision_events_total`), and if it goes on the process ends
  (exit code 13); a reload restarts nobody.
- `drop` and `delay` of `everwarm_chaos_faults_total`: connections are disturbed at the simulated
  exchange (`everwarm sim fault`), which is a process of its own.
- `trade`, `quote` and `book` of `everwarm_feed_messages_total`: bars are subscribed, and words
  about orders.
- `timeout`, `error`, `gap` and `requested` of `everwarm_feed_reconnects_total`: what is tried
  again by itself is `closed`, with the cause in the log; `refused` is what the venue does not
  want.
- `decode`, `strategy`, `risk` and `submit` of `everwarm_pipeline_duration_seconds`: a close runs
  through all stages at once, so it is timed where something waits: to the orders (`decide`), to
  the disk (`sync`), to the request (`total`); its answer is `everwarm_order_roundtrip_seconds`.
- `cancel` and `amend` of `everwarm_order_roundtrip_seconds`: cancels are too few to be measured,
  and nothing is amended.
- `drawdown`, `feed`, `reconcile` and `error` of `everwarm_trading_halted`: a fall calls somebody
  (the alert Drawdown) and halts nothing, old data is declined symbol by symbol; `conflict`,
  `stage` and `branch` are what else holds trading back.
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
