//! Metrics of the market, orders and the account.

use super::super::super::protection::BOUNDS;
use super::super::counts::{CHECKS, LIQUIDITY, OUTCOMES, SIDES};
use super::{C, G, HALTS, Kind, RULES, Row, SLIPPAGE, by, of, open, row};
use everwarm_runtime::meter::{HANDLE, REMOTE};

const STREAMS: &[&str] = &["market", "private"];
const REGIMES: &[&str] = &["no_data", "tight_smc", "wide_structure", "consolidation"];

/// Rows of market data.
pub const MARKET: &[Row] = &[
    by(
        &[of("state", &["cold", "loading", "settling", "warm"])],
        row(
            "everwarm_series",
            G,
            "",
            "Series of bars that features need; cold and loading ones give no value yet",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_connected",
            G,
            "",
            "1 while all connections are subscribed; no series while it is turned off",
        ),
    ),
    by(
        &[open("venue"), of("kind", &["bar", "order", "other"])],
        row(
            "everwarm_feed_messages_total",
            C,
            "",
            "Messages received: closed bars, order reports, others",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row("everwarm_feed_decode_failures_total", C, "", "Messages that could not be decoded"),
    ),
    by(
        &[open("venue"), of("stream", STREAMS), of("reason", &["closed", "refused"])],
        row(
            "everwarm_feed_reconnects_total",
            C,
            "",
            "Reconnects; closed: the connection was lost, refused: the venue rejected it",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_gaps_total",
            C,
            "",
            "Gaps: data that may have been missed and was fetched",
        ),
    ),
    by(
        &[open("venue"), of("reason", &["full"])],
        row(
            "everwarm_feed_dropped_total",
            C,
            "",
            "Closed bars skipped because too many waited; they are fetched again",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_feed_latency_seconds",
            Kind::Histogram(REMOTE),
            "seconds",
            "From the venue's timestamp of a closed bar to its receipt; clock skew included",
        ),
    ),
    by(
        &[open("venue"), of("stream", STREAMS)],
        row(
            "everwarm_feed_last_event_timestamp_seconds",
            G,
            "seconds",
            "When data was last received, UTC; 0: never",
        ),
    ),
    row("everwarm_feed_symbols", G, "", "Symbols that are listed and trading at the venue"),
    row(
        "everwarm_feed_stale_symbols",
        G,
        "",
        "Symbols whose newest bar is older than trading.stale_s",
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
        row(
            "everwarm_bar_repeats_total",
            C,
            "",
            "Bars received again: with the same values, or revised",
        ),
    ),
    by(
        &[of("what", &["confirmed", "refused"])],
        row(
            "everwarm_bars_odd_total",
            C,
            "",
            "Odd bars: confirmed by the exchange's records, or refused",
        ),
    ),
    by(
        &[of("regime", REGIMES)],
        row(
            "everwarm_symbols_by_regime",
            G,
            "",
            "Symbols with a bar at the newest hourly close, by regime; at most a minute old",
        ),
    ),
    by(
        &[open("asset")],
        row(
            "everwarm_dominance_percent",
            G,
            "",
            "Newest share of BTC or USDT in the market capitalisation of all assets, in percent; \
             no series before the first sample or without a source",
        ),
    ),
    by(
        &[open("source")],
        row(
            "everwarm_dominance_age_seconds",
            G,
            "seconds",
            "Age of the newest sample of the dominance; before the first one, time since the \
             start; no series without a source",
        ),
    ),
    row(
        "everwarm_tokens",
        G,
        "",
        "Tokens of the registry whose prices are collected; no series without a source",
    ),
    by(
        &[open("source")],
        row(
            "everwarm_token_price_age_seconds",
            G,
            "seconds",
            "Age of the newest price of the token whose newest price is the oldest; before its \
             first price, time since the start; no series without a source or a token",
        ),
    ),
    by(
        &[open("source")],
        row(
            "everwarm_token_prices_refused_total",
            C,
            "",
            "Prices of tokens that were refused: absent, of another pool, or impossible; no \
             series without a source",
        ),
    ),
    row("everwarm_closes_total", C, "", "Closes, over all runs"),
    row("everwarm_close_bars_missing_total", C, "", "Bars missing in a close, over all runs"),
];

/// Rows of orders.
pub const ORDERS: &[Row] = &[
    by(
        &[of("stage", &["decide", "sync", "total"])],
        row(
            "everwarm_pipeline_duration_seconds",
            Kind::Histogram(HANDLE),
            "seconds",
            "decide: close to orders; sync: orders to disk; total: close to request",
        ),
    ),
    by(
        &[open("strategy"), of("side", SIDES)],
        row("everwarm_strategy_signals_total", C, "", "Signals, over all runs"),
    ),
    by(
        &[open("strategy")],
        row("everwarm_strategy_enabled", G, "", "1 while the strategy is enabled"),
    ),
    by(
        &[open("strategy")],
        row("everwarm_strategy_symbols", G, "", "Listed symbols, for each enabled strategy"),
    ),
    by(
        &[open("strategy")],
        row(
            "everwarm_strategy_symbols_ready",
            G,
            "",
            "Symbols for which the strategy has all values",
        ),
    ),
    by(
        &[of("rule", RULES), of("outcome", &["pass", "reject"])],
        row(
            "everwarm_risk_checks_total",
            C,
            "",
            "Signals that passed all rules, or that this rule declined, over all runs",
        ),
    ),
    by(
        &[of("side", SIDES), of("outcome", OUTCOMES)],
        row("everwarm_orders_total", C, "", "Orders that reached a state, over all runs"),
    ),
    by(
        &[open("venue"), of("reason", &["transient", "final"])],
        row(
            "everwarm_order_rejects_total",
            C,
            "",
            "Requests that the venue rejected, over all runs",
        ),
    ),
    by(&[open("venue")], row("everwarm_orders_open", G, "", "Orders that are not final")),
    by(
        &[open("venue")],
        row("everwarm_orders_unknown", G, "", "Orders sent whose status is unknown"),
    ),
    by(
        &[of("state", &["requested", "waiting", "refused"])],
        row("everwarm_exits_owed", G, "", "Owed exits: decided and not yet filled"),
    ),
    row(
        "everwarm_exit_owed_age_seconds",
        G,
        "seconds",
        "Venue time since the oldest owed exit was decided; 0: no owed exit",
    ),
    by(
        &[open("venue"), of("op", &["submit", "query"])],
        row(
            "everwarm_order_roundtrip_seconds",
            Kind::Histogram(REMOTE),
            "seconds",
            "From a request to its response",
        ),
    ),
    by(
        &[of("side", SIDES), of("liquidity", LIQUIDITY)],
        row(
            "everwarm_fills_total",
            C,
            "",
            "Fills applied, over all runs; liquidity=unknown: from versions that did not record it",
        ),
    ),
    row(
        "everwarm_unprotected_seconds",
        Kind::Histogram(BOUNDS),
        "seconds",
        "Time of a lot without a working stop order, where the venue takes one; over all runs",
    ),
    row(
        "everwarm_fill_slippage_ratio",
        Kind::Histogram(SLIPPAGE),
        "ratio",
        "Fill price relative to the price at the decision; positive: worse; over all runs",
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_venue_rate_limit_used_ratio",
            G,
            "ratio",
            "Share of the venue's request budget used in this minute",
        ),
    ),
];

/// Rows of the account.
pub const ACCOUNT: &[Row] = &[
    by(
        &[open("currency")],
        row("everwarm_equity", G, "currency", "Value of the account after the newest close"),
    ),
    by(&[open("currency")], row("everwarm_cash", G, "currency", "Cash balance")),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_pnl_realized",
            G,
            "currency",
            "Realised profit since the beginning, by the strategy whose lot was sold",
        ),
    ),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_pnl_unrealized",
            G,
            "currency",
            "Unrealised profit: value of lots less their cost, by strategy",
        ),
    ),
    by(
        &[open("strategy"), open("currency")],
        row(
            "everwarm_fees_paid",
            G,
            "currency",
            "Fees of all fills, by strategy and by the asset they were paid in",
        ),
    ),
    row(
        "everwarm_drawdown_ratio",
        G,
        "ratio",
        "Drawdown: fall of equity from its highest value, without deposits and withdrawals",
    ),
    row(
        "everwarm_drawdown_alarm_ratio",
        G,
        "ratio",
        "Drawdown at which the alert fires: risk.alarm_drawdown_percent; 0: never",
    ),
    by(
        &[open("currency")],
        row(
            "everwarm_exposure_gross",
            G,
            "currency",
            "Sum of the absolute values of all positions",
        ),
    ),
    by(
        &[open("currency")],
        row("everwarm_exposure_net", G, "currency", "Sum of the values of all positions"),
    ),
    by(
        &[open("symbol"), open("currency")],
        row("everwarm_position_value", G, "currency", "Value of a position; 0 when flat"),
    ),
    by(
        &[of("reason", &["no-order", "no-stop"])],
        row(
            "everwarm_lots_unprotected",
            G,
            "",
            "Lots without protection; no-order: no working stop order for at least 3 s, where the \
             venue takes one; no-stop: their rules have no stop",
        ),
    ),
    row(
        "everwarm_positions_unprotected",
        G,
        "",
        "Positions that cannot be closed now: no orders accepted, no bars, or sending is blocked",
    ),
    by(
        &[of(
            "limit",
            &["positions", "failures_in_a_row", "entries_per_day", "loss_per_day", "drawdown"],
        )],
        row(
            "everwarm_risk_limit_used_ratio",
            G,
            "ratio",
            "Share of a limit in use; 0: the limit is off",
        ),
    ),
    by(
        &[of("level", &["normal", "reduced", "exits-only", "halted"])],
        row("everwarm_breaker_level", G, "", "1 for the current level of the circuit breaker"),
    ),
    by(
        &[of("reason", HALTS)],
        row("everwarm_trading_halted", G, "", "1 while this reason blocks new entries"),
    ),
    by(
        &[of("effect", &["parts", "stage", "stopped"])],
        row(
            "everwarm_quarantined",
            G,
            "",
            "Quarantined inputs: a stage failed at them three times",
        ),
    ),
    row("everwarm_stages_dropped", G, "", "Failed stages that an operator dropped"),
    by(
        &[of("check", CHECKS)],
        row(
            "everwarm_ledger_violations_total",
            C,
            "",
            "Impossible positions: a negative quantity, or a cost without a quantity",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_mismatches",
            G,
            "",
            "Unexplained differences between the venue's account and the books",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_last_success_timestamp_seconds",
            G,
            "seconds",
            "When the account last agreed with the books in this run, UTC; 0: not yet",
        ),
    ),
    by(
        &[open("venue")],
        row(
            "everwarm_reconcile_period_seconds",
            G,
            "seconds",
            "Time between comparisons of the account; 0: only at start",
        ),
    ),
];
