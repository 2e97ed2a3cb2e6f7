//! Metrics of the market, orders and the account.

use super::super::counts::{CHECKS, LIQUIDITY, OUTCOMES, SIDES};
use super::{C, G, HALTS, Kind, RULES, Row, SLIPPAGE, by, of, open, row};
use everwarm_runtime::meter::{HANDLE, REMOTE};

const STREAMS: &[&str] = &["market", "private"];

/// Its rows.
pub const MARKET: &[Row] = &[
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_connected",
            G,
            "",
            "1 while all connections are subscribed; none where it is turned off",
        ),
    ),
    by(
        &[open("venue"), of("kind", &["bar", "order", "other"])],
        row(
            "everwarm_feed_messages_total",
            C,
            "",
            "Messages read: closed bars, words about orders, others",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row("everwarm_feed_decode_failures_total", C, "", "Messages that could not be read"),
    ),
    by(
        &[open("venue"), of("stream", STREAMS), of("reason", &["closed", "refused"])],
        row("everwarm_feed_reconnects_total", C, "", "Connections lost and opened again"),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_gaps_total",
            C,
            "",
            "Times something may have been missed, and was fetched",
        ),
    ),
    by(
        &[open("venue"), of("reason", &["full"])],
        row(
            "everwarm_feed_dropped_total",
            C,
            "",
            "Closed bars left out because too many waited; they are fetched",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_feed_latency_seconds",
            Kind::Histogram(REMOTE),
            "seconds",
            "From the venue's stamp on a closed bar to its arrival, skew included",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_last_event_timestamp_seconds",
            G,
            "seconds",
            "When data last came, UTC; 0: never",
        ),
    ),
    row("everwarm_feed_symbols", G, "", "Symbols that are listed and traded at the venue"),
    row(
        "everwarm_feed_stale_symbols",
        G,
        "",
        "Those of them whose newest bar is older than trading.stale_s",
    ),
    by(
        &[open("symbol")],
        row(
            "everwarm_feed_symbol_age_seconds",
            G,
            "seconds",
            "Age of a symbol's newest bar, in venue time",
        ),
    ),
    by(
        &[of("how", &["same", "revised"])],
        row("everwarm_bar_repeats_total", C, "", "Bars told again, as they were or otherwise"),
    ),
    by(
        &[of("what", &["confirmed", "refused"])],
        row(
            "everwarm_bars_odd_total",
            C,
            "",
            "Odd bars that the exchange's records confirmed, and bars that were refused",
        ),
    ),
    row("everwarm_closes_total", C, "", "Closes said, over all lives"),
    row(
        "everwarm_close_bars_missing_total",
        C,
        "",
        "Bars that were missing in a close, over all lives",
    ),
];

/// Its rows.
pub const ORDERS: &[Row] = &[
    by(
        &[of("stage", &["decide", "sync", "total"])],
        row(
            "everwarm_pipeline_duration_seconds",
            Kind::Histogram(HANDLE),
            "seconds",
            "From a close to its orders, from there to the disk, from the close to the request",
        ),
    ),
    by(
        &[open("strategy"), of("side", SIDES)],
        row("everwarm_strategy_signals_total", C, "", "Signals raised, over all lives"),
    ),
    by(&[open("strategy")], row("everwarm_strategy_enabled", G, "", "1 while it trades")),
    by(
        &[of("rule", RULES), of("outcome", &["pass", "reject"])],
        row(
            "everwarm_risk_checks_total",
            C,
            "",
            "Signals that may be traded (all rules), or not by this rule, over all lives",
        ),
    ),
    by(
        &[of("side", SIDES), of("outcome", OUTCOMES)],
        row("everwarm_orders_total", C, "", "Orders that came to a state, over all lives"),
    ),
    by(
        &[open("venue"), of("reason", &["transient", "final"])],
        row(
            "everwarm_order_rejects_total",
            C,
            "",
            "Definite noes of the venue to a request, over all lives",
        ),
    ),
    by(&[open("venue")], row("everwarm_orders_open", G, "", "Orders that are not final")),
    by(
        &[open("venue")],
        row("everwarm_orders_unknown", G, "", "Orders sent whose fate is not known yet"),
    ),
    by(
        &[of("state", &["requested", "waiting", "refused"])],
        row("everwarm_exits_owed", G, "", "Exits that were decided and are not done"),
    ),
    row(
        "everwarm_exit_owed_age_seconds",
        G,
        "seconds",
        "Venue time since the oldest exit that is owed was decided; 0: none is",
    ),
    by(
        &[open("venue"), of("op", &["submit", "query"])],
        row(
            "everwarm_order_roundtrip_seconds",
            Kind::Histogram(REMOTE),
            "seconds",
            "From a request to its answer",
        ),
    ),
    by(
        &[of("side", SIDES), of("liquidity", LIQUIDITY)],
        row(
            "everwarm_fills_total",
            C,
            "",
            "Fills applied, over all lives; `unknown`: of versions that did not note it",
        ),
    ),
    row(
        "everwarm_fill_slippage_ratio",
        Kind::Histogram(SLIPPAGE),
        "ratio",
        "Price of a fill against the one it was decided at, positive against us, over all lives",
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_venue_rate_limit_used_ratio",
            G,
            "ratio",
            "This minute's request budget in use",
        ),
    ),
];

/// Its rows.
pub const ACCOUNT: &[Row] = &[
    by(
        &[open("currency")],
        row("everwarm_equity", G, "currency", "Value of the account after the newest close"),
    ),
    by(&[open("currency")], row("everwarm_cash", G, "currency", "Cash")),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_pnl_realized",
            G,
            "currency",
            "Profit locked in since the beginning, by the strategy whose lot was sold",
        ),
    ),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_pnl_unrealized",
            G,
            "currency",
            "What lots are worth less what they cost, by the strategy that holds them",
        ),
    ),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_fees_paid",
            G,
            "currency",
            "Fees of all fills, by the asset they were paid in",
        ),
    ),
    row("everwarm_drawdown_ratio", G, "ratio", "Fall from the highest value, adjustments apart"),
    row(
        "everwarm_drawdown_alarm_ratio",
        G,
        "ratio",
        "Fall that calls somebody: risk.alarm_drawdown_percent; 0: never",
    ),
    by(
        &[open("currency")],
        row("everwarm_exposure_gross", G, "currency", "Worth of all positions, sign apart"),
    ),
    by(&[open("currency")], row("everwarm_exposure_net", G, "currency", "Worth of all positions")),
    by(
        &[open("symbol"), open("currency")],
        row("everwarm_position_value", G, "currency", "Worth of a position; 0 when flat"),
    ),
    row(
        "everwarm_positions_unprotected",
        G,
        "",
        "Positions that cannot be left now: no orders are taken, no bars come, or nothing is sent",
    ),
    by(
        &[of("limit", &["positions", "failures_in_a_row", "entries_per_day", "loss_per_day"])],
        row(
            "everwarm_risk_limit_used_ratio",
            G,
            "ratio",
            "Share of a limit in use; 0 where it is off",
        ),
    ),
    by(
        &[of("level", &["normal", "reduced", "exits-only", "halted"])],
        row("everwarm_breaker_level", G, "", "1 for the level of the circuit breaker"),
    ),
    by(
        &[of("reason", HALTS)],
        row("everwarm_trading_halted", G, "", "1 while nothing new is begun for this reason"),
    ),
    by(
        &[of("effect", &["parts", "stage", "stopped"])],
        row("everwarm_quarantined", G, "", "Inputs set aside because a stage failed at them"),
    ),
    row("everwarm_stages_dropped", G, "", "Stages that failed and that an operator left out"),
    by(
        &[of("check", CHECKS)],
        row(
            "everwarm_ledger_violations_total",
            C,
            "",
            "Positions that cannot be: below nothing, or at a cost without anything held",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_mismatches",
            G,
            "",
            "Differences with the venue that nothing explains",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_last_success_timestamp_seconds",
            G,
            "seconds",
            "When the account was last found to agree in this life, UTC; 0: not yet",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_period_seconds",
            G,
            "seconds",
            "Time between comparisons of the account while it trades; 0: at starts alone",
        ),
    ),
];
