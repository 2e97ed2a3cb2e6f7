//! Generates `docs/reference/metrics.md` from the table.

use super::table::{Kind, Row, SECTIONS};
use everwarm_runtime::meter::ONE;

const HEAD: &str = "\
# Metrics

The API serves these metrics at `/metrics`, in the text format of Prometheus. This page is generated
from the table in `crates/views/src/telemetry/table.rs`. `EVERWARM_BLESS=1 cargo nextest run
-p everwarm -E 'test(/tidy/)'` writes it again.

Every counter exists from the start, at 0, for each label value that is known beforehand. A counter
*over all runs* is counted from facts, so it does not fall at a restart. Other counters begin at 0
in each process. A label with `…` takes its values from what runs: actors, strategies, venues,
routes. `symbol` is a label of two gauges only. Histograms have fixed upper bounds,
listed here in the unit of the metric. `scripts/check_metrics.sh` checks that a dashboard or an
alert uses each metric.

These metrics and labels do not exist, for these reasons:

- `everwarm_store_errors_total`: the first error of the store ends the process (exit code 10 or 11,
  alert Down).
- `everwarm_log_dropped_total`: the log drops no lines for lack of room. It suppresses repeated
  lines, and the next line says how many.
- `everwarm_store_last_commit_timestamp_seconds`: use `everwarm_store_uncommitted_seconds`. It
  raises no alarm in a quiet market.
- `venue` of orders, fills, slippage and stale symbols, `account` of equity, cash, drawdown and
  exposure: a daemon trades one account at one venue. `job` and `instance` distinguish daemons.
- `strategy` of `everwarm_position_value`: the venue has one balance for each asset.
- `venue` of `everwarm_feed_symbol_age_seconds`: a daemon trades at one venue.
- `rustc` of `everwarm_build_info`: `version` and `revision` name the source.
- `task` of `everwarm_panics_total`: `hook` counts every panic that was not injected, in tasks too.
- `timeout` of `everwarm_actor_send_failures_total`: no send waits for a response. A full mailbox
  counts as `full`.
- `stalled` and `config` of `everwarm_actor_restarts_total`: an actor that blocks its thread counts
  as `blocked` in `everwarm_supervision_events_total`. If it stays blocked, the process ends (exit
  code 13). A reload restarts no actor.
- `drop` and `delay` of `everwarm_chaos_faults_total`: the simulated exchange injects network faults
  (`everwarm sim fault`). It is a separate process.
- `trade`, `quote` and `book` of `everwarm_feed_messages_total`: the daemon subscribes to bars and
  order reports only.
- `timeout`, `error`, `gap` and `requested` of `everwarm_feed_reconnects_total`: every lost
  connection counts as `closed`, with the cause in the log. `refused` means that the venue rejected
  the connection.
- `decode`, `strategy`, `risk` and `submit` of `everwarm_pipeline_duration_seconds`: one close runs
  through all stages without a pause. The metric times the waits: to the orders (`decide`), to the
  disk (`sync`), to the request (`total`). The response is in `everwarm_order_roundtrip_seconds`.
- `cancel` and `amend` of `everwarm_order_roundtrip_seconds`: cancels are too few to measure, and
  the daemon amends no orders.
- `drawdown`, `feed`, `reconcile` and `error` of `everwarm_trading_halted`: a drawdown fires the
  alert Drawdown and halts nothing. Stale data declines entries symbol by symbol. `conflict`,
  `stage` and `branch` are the other reasons that block entries.
";

const COLUMNS: &str = "\
| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
";

/// The text of the page, Markdown.
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
    let seconds = bounds.iter().map(|bound| (*bound as f64 / ONE as f64).to_string());
    seconds.collect::<Vec<_>>().join(", ")
}
