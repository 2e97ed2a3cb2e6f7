#!/usr/bin/env python3
"""Writes dashboards/*.json from the panels below. With --check it only says whether they are up to
date. One list of (title, what it shows and what is bad, unit, queries) a row; `$S` in a query stands
for the selection of job and instance.

A stat has `bad`, the value from which on it is red (and `warn`, yellow), or `color`, where no value
of it is good or bad. What is 0 or 1 is `states`. The unit MONEY has two decimals."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SELECT = 'job=~"$job",instance=~"$instance"'
R = "[$__rate_interval]"
# Of Grafana 12 and 13, and the last one of the classic form.
SCHEMA = 42


def rate(metric, by, more=""):
    return "sum by (%s) (rate(%s{$S%s}%s))" % (by, metric, more, R)


def quantile(q, metric, by, more=""):
    return "histogram_quantile(%s, sum by (%s) (rate(%s_bucket{$S%s}%s)))" % (
        q, ", ".join(filter(None, [by, "le"])), metric, more, R)


def both(metric, by, more=""):
    legend = "{{%s}} " % by if by else ""
    return [(quantile(q, metric, by, more), legend + name) for q, name in (("0.5", "p50"), ("0.99", "p99"))]


def graph(title, about, unit, *queries, **kw):
    return dict(kind="timeseries", title=title, about=about, unit=unit, queries=queries, **kw)


def stat(title, about, unit, *queries, **kw):
    return dict(kind="stat", title=title, about=about, unit=unit, queries=queries, w=4, h=4, **kw)


def table(title, about, unit, *queries, **kw):
    return dict(kind="table", title=title, about=about, unit=unit, queries=queries, **kw)


def alerts(title, about, **kw):
    return dict(kind="alertlist", title=title, about=about, unit="none", queries=(), **kw)


def states(title, about, no, yes, *queries, **kw):
    """A row a series: `no` and `yes` are the word and the colour of 0 and 1; `but` has others, by name."""
    return dict(kind="state-timeline", title=title, about=about, unit="none", queries=queries,
                mappings=words(no, yes), **kw)


def words(no, yes):
    options = {str(value): {"index": value, "text": text, "color": color} for value, (text, color) in enumerate((no, yes))}
    return [{"type": "value", "options": options}]


MONEY = "money"
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
YES = words(("no", RED), ("yes", GREEN))
PENDING = words(("no", GREEN), ("yes", YELLOW))
HOLDS = ("no", RED), ("yes", GREEN)
UP = ("down", RED), ("up", GREEN)
HALTED = ("no", GREEN), ("halted", RED)

BOARDS = {
    "overview": ("everwarm: overview", [
        ("Now", [
            stat("Ready", "Whether the daemon is ready to trade. Bad: no, for longer than a start takes.",
                 "none", ("everwarm_ready{$S}", "{{instance}}"), mappings=YES, bad_below=1),
            stat("Mode", "The mode: live (real money), paper (play money), or replay (a recording).",
                 "none", ("everwarm_mode_info{$S} == 1", "{{mode}}"), text="name", color=BLUE),
            stat("Program", "Version and revision of the running program.",
                 "none", ("everwarm_build_info{$S}", "{{version}} {{revision}}"), text="name", color=BLUE),
            stat("Up since", "When the process started. Bad: a time that keeps changing.",
                 "dateTimeFromNow", ("everwarm_start_timestamp_seconds{$S} * 1000", "{{instance}}"), color=BLUE),
            stat("Alerts firing", "Alert rules that fire now. Bad: any.",
                 "none", ('count(ALERTS{alertstate="firing",$S}) or vector(0)', "alerts"), bad=1),
            stat("Halted", "Number of reasons that block new entries. Bad: any but operator.",
                 "none", ("sum by (instance) (everwarm_trading_halted{$S})", "{{instance}}"), bad=1),
            stat("Equity", "Value of the account after the newest close.",
                 MONEY, ("everwarm_equity{$S}", "{{currency}}"), color=BLUE),
            stat("Drawdown", "Fall of equity from its highest value. Bad: near the alarm level.",
                 "percentunit", ("everwarm_drawdown_ratio{$S}", "{{instance}}"), warn=0.05, bad=0.1),
            stat("Open orders", "Orders that are not final. Bad: a growing number.",
                 "none", ("everwarm_orders_open{$S}", "{{venue}}"), warn=50, bad=200),
            stat("Unknown orders", "Orders sent whose status is unknown. Bad: any for more than a minute.",
                 "none", ("everwarm_orders_unknown{$S}", "{{venue}}"), bad=1),
            stat("Restarts in 1 h", "Restarts of actors. Bad: many that are not injected.",
                 "none", ("sum by (instance) (increase(everwarm_actor_restarts_total{$S}[1h]))", "{{instance}}"), warn=0.5, bad=10),
            stat("Unprotected lots", "Lots without a working stop order for 3 s where the venue takes one, and lots without a stop. Bad: no-order.",
                 "none", ("everwarm_lots_unprotected{$S}", "{{reason}}"), bad=1),
            stat("Quarantined", "Inputs at which a stage failed three times. Bad: any.",
                 "none", ("sum by (instance) (everwarm_quarantined{$S})", "{{instance}}"), bad=1),
        ]),
        ("Over time", [
            alerts("Alerts", "Firing and pending alerts, the most severe first. Bad: any. Each links to its runbook."),
            graph("Equity and cash", "Equity and cash of the account. Bad: a step without a trade.",
                  MONEY, ("everwarm_equity{$S}", "equity {{currency}}"), ("everwarm_cash{$S}", "cash {{currency}}")),
            states("Readiness by check", "Whether each condition of readiness holds. Bad: one that stays at no.",
                  *HOLDS, ("everwarm_ready_check{$S}", "{{check}}")),
            states("Streams connected", "Whether all connections are subscribed. Bad: down for more than some seconds.",
                  *UP, ("everwarm_feed_connected{$S}", "{{venue}} {{stream}}")),
            graph("Closes", "Closes a second. Bad: 0 while the market is open.",
                  "ops", (rate("everwarm_closes_total", "instance"), "{{instance}}")),
            graph("Last start, by step", "Duration of each step of the last start. Bad: a step that grows from start to start.",
                  "s", ("everwarm_start_step_seconds{$S}", "{{step}}")),
            states("Halted by reason", "Whether this reason blocks new entries.",
                  *HALTED, ("everwarm_trading_halted{$S}", "{{reason}}"), but={"operator": (("no", GREEN), ("halted", YELLOW))}),
        ]),
    ]),
    "supervision": ("everwarm: supervision", [
        ("Tree", [
            graph("Children by state", "Children of all supervisors. Bad: backoff or failed for long.",
                  "none", ("sum by (state) (everwarm_supervisor_children{$S})", "{{state}}")),
            table("Children by supervisor", "Children of each supervisor by state. Bad: failed.",
                  "none", ("sum by (supervisor, state) (everwarm_supervisor_children{$S})", "{{supervisor}} {{state}}")),
            states("Actors up", "Whether each actor runs. Bad: down for longer than a restart.",
                  *UP, ("everwarm_actor_alive{$S}", "{{actor}}")),
            graph("Time since the last start", "Time since each actor started. Bad: short, without an injected fault.",
                  "s", ("time() - everwarm_actor_started_timestamp_seconds{$S}", "{{actor}}")),
        ]),
        ("Restarts", [
            graph("Restarts by actor", "Restarts a minute. Bad: any that are not injected.",
                  "cpm", ("60 * " + rate("everwarm_actor_restarts_total", "actor"), "{{actor}}")),
            graph("Restarts by reason", "Restarts a minute by cause. Bad: panic, error, lost, gave_up.",
                  "cpm", ("60 * " + rate("everwarm_actor_restarts_total", "reason"), "{{reason}}")),
            graph("Restart duration", "From a failure until the actor runs again, recovery included. Bad: seconds.",
                  "s", *both("everwarm_actor_restart_duration_seconds", "")),
            graph("Recoveries by source", "Source of the state at each start of a stage. Bad: journal, for a stage with a long history.",
                  "cpm", ("60 * " + rate("everwarm_actor_recoveries_total", "source"), "{{source}}")),
            graph("Restart budget used", "Restarts within the period, as a share of those allowed. Bad: 70 % and more.",
                  "percentunit", ("everwarm_supervisor_intensity_ratio{$S}", "{{supervisor}}"), warn=0.7, bad=1),
            graph("Escalations", "Supervisors that gave up. Bad: any.",
                  "none", ("increase(everwarm_supervisor_escalations_total{$S}%s)" % R, "{{supervisor}}")),
            graph("Wait before the next start", "Back-off of children that are down. Bad: long.",
                  "s", ("max by (supervisor, child) (everwarm_supervisor_backoff_seconds{$S})", "{{supervisor}}/{{child}}")),
            graph("Supervision events", "Supervision events a minute, by kind. Bad: start_failed, blocked, branch_down, gave_up.",
                  "cpm", ("60 * " + rate("everwarm_supervision_events_total", "event"), "{{event}}")),
            graph("Injected faults", "Injected faults a minute. They explain restarts at the same time.",
                  "cpm", ("60 * " + rate("everwarm_chaos_faults_total", "fault"), "{{fault}}")),
            graph("Panics", "Panics of actor handlers, injected ones too, and all others (hook). Bad: hook above 0.",
                  "none", ("increase(everwarm_panics_total{$S}%s)" % R, "{{place}}")),
        ]),
    ]),
    "actors": ("everwarm: actors", [
        ("Rate", [
            graph("Messages", "Messages handled a second. Bad: 0 for an actor with work.",
                  "ops", (rate("everwarm_actor_messages_total", "actor", ',actor=~"$actor"'), "{{actor}}")),
            graph("Messages by kind", "Messages handled a second, by kind of message.",
                  "ops", (rate("everwarm_actor_messages_total", "actor, message", ',actor=~"$actor"'), "{{actor}} {{message}}")),
            graph("Failures", "Handlers that returned an error, a second. Bad: any. Each causes a restart.",
                  "ops", (rate("everwarm_actor_message_failures_total", "actor", ',actor=~"$actor"'), "{{actor}}")),
            graph("Dead letters", "Undelivered messages a second: actor stopped or mailbox full. Their content is fetched again. Bad: many.",
                  "ops", (rate("everwarm_actor_send_failures_total", "actor, reason", ',actor=~"$actor"'), "{{actor}} {{reason}}")),
        ]),
        ("Duration and saturation", [
            graph("Time in a handler", "Median and 99th percentile. Bad: above a millisecond for a stage.",
                  "s", *both("everwarm_actor_handle_duration_seconds", "actor", ',actor=~"$actor"')),
            graph("Wait in the mailbox", "Time between send and receipt. Bad: above 10 ms; the runtime is late.",
                  "s", *both("everwarm_actor_mailbox_wait_seconds", "actor", ',actor=~"$actor"')),
            graph("Mailbox depth", "Messages that wait now. Bad: growing.",
                  "none", ('everwarm_actor_mailbox_messages{$S,actor=~"$actor"}', "{{actor}}")),
            graph("Busy share", "Share of one thread that the actor's handlers use. Bad: near 100 %.",
                  "percentunit", (rate("everwarm_actor_handle_duration_seconds_sum", "actor", ',actor=~"$actor"'), "{{actor}}")),
            table("Since the last message", "Time since the actor handled a message. Bad: long, while messages wait.",
                  "s", ('time() - (everwarm_actor_last_message_timestamp_seconds{$S,actor=~"$actor"} > 0)', "{{actor}}")),
        ]),
    ]),
    "market-data": ("everwarm: market data", [
        ("Streams", [
            states("Connected", "Whether all connections are subscribed. Bad: down.",
                  *UP, ("everwarm_feed_connected{$S}", "{{venue}} {{stream}}")),
            graph("Messages", "Messages a second by kind. Bad: no bars.",
                  "ops", (rate("everwarm_feed_messages_total", "kind"), "{{kind}}")),
            graph("Latency", "From the venue's timestamp to the receipt, in venue time; clock skew included. Bad: seconds, in live mode.",
                  "s", *both("everwarm_feed_latency_seconds", "")),
            graph("Since the last data", "Time since the last data. Bad: a minute.",
                  "s", ("time() - everwarm_feed_last_event_timestamp_seconds{$S}", "{{venue}} {{stream}}")),
            graph("Reconnects", "Connections lost a minute. Bad: at regular intervals.",
                  "cpm", ("60 * " + rate("everwarm_feed_reconnects_total", "stream, reason"), "{{stream}} {{reason}}")),
            graph("Gaps", "Gaps a minute: data that may have been missed and was fetched. Bad: many.",
                  "cpm", ("60 * " + rate("everwarm_feed_gaps_total", "stream"), "{{stream}}")),
            graph("Undecodable and skipped", "Messages a second that were not decoded or were skipped. Bad: any.",
                  "ops", (rate("everwarm_feed_decode_failures_total", "stream"), "undecodable {{stream}}"),
                  (rate("everwarm_feed_dropped_total", "reason"), "skipped {{reason}}")),
        ]),
        ("Bars", [
            graph("Symbols", "Trading symbols, and those whose newest bar is too old. Bad: many stale.",
                  "none", ("everwarm_feed_symbols{$S}", "traded"), ("everwarm_feed_stale_symbols{$S}", "stale")),
            table("Oldest symbols", "Age of the newest bar in venue time, the oldest first. Bad: above trading.stale_s.",
                  "s", ("topk(20, everwarm_feed_symbol_age_seconds{$S})", "{{symbol}}")),
            graph("Closes and missing bars", "Closes a second, and bars missing in them. Bad: many missing.",
                  "ops", (rate("everwarm_closes_total", "instance"), "closes"),
                  (rate("everwarm_close_bars_missing_total", "instance"), "missing bars")),
            graph("Bars received again", "Known bars received again, a minute: same or revised values. Bad: revised.",
                  "cpm", ("60 * " + rate("everwarm_bar_repeats_total", "how"), "{{how}}")),
            graph("Odd bars", "Odd bars a minute: confirmed or refused. Bad: any.",
                  "cpm", ("60 * " + rate("everwarm_bars_odd_total", "what"), "{{what}}")),
            graph("Regimes over time", "Symbols at the newest hourly close, by regime. Bad: no_data for long, or none at all.",
                  "none", ("everwarm_symbols_by_regime{$S}", "{{regime}}")),
            graph("Dominance", "Shares of BTC and USDT in the market capitalisation of all assets. Bad: no line, with a source.",
                  "percent", ("everwarm_dominance_percent{$S}", "{{asset}}")),
            graph("Age of the dominance", "Age of the newest sample of each source. Bad: above two hours.",
                  "s", ("everwarm_dominance_age_seconds{$S}", "{{source}}")),
            graph("Tokens", "Tokens of the registry whose prices are collected. Bad: no line, with a source.",
                  "none", ("everwarm_tokens{$S}", "{{instance}}")),
            graph("Age of prices of tokens", "Age of the newest price of the token whose newest price is the oldest. Bad: above two hours.",
                  "s", ("everwarm_token_price_age_seconds{$S}", "{{source}}")),
            graph("Refused prices of tokens", "Prices of tokens that were refused, per minute. Bad: not zero. `everwarm doctor` names the token and the reason.",
                  "cpm", ("60 * " + rate("everwarm_token_prices_refused_total", "source"), "{{source}}")),
            graph("Past bars", "Series of bars that features need, by state. Bad: cold, or loading for long.",
                  "none", ("everwarm_series{$S}", "{{state}}")),
            graph("Symbols without values", "Symbols for which a strategy lacks values, so it cannot enter there. Bad: any for long.",
                  "none", ("everwarm_strategy_symbols{$S} - everwarm_strategy_symbols_ready{$S}", "{{strategy}}")),
        ]),
    ]),
    "execution": ("everwarm: execution", [
        ("From close to order", [
            graph("Close to order", "Median and 99th percentile of each part. Bad: decide above some milliseconds.",
                  "s", *both("everwarm_pipeline_duration_seconds", "stage")),
            graph("Venue response time", "Round trips by operation. Bad: seconds.",
                  "s", *both("everwarm_order_roundtrip_seconds", "op")),
            graph("Signals", "Signals a minute. Bad: none for long, or very many.",
                  "cpm", ("60 * " + rate("everwarm_strategy_signals_total", "strategy, side"), "{{strategy}} {{side}}")),
            graph("Risk checks", "Signals a minute that passed, or that a rule declined. Bad: one rule declines most.",
                  "cpm", ("60 * " + rate("everwarm_risk_checks_total", "rule, outcome"), "{{rule}} {{outcome}}")),
        ]),
        ("Orders", [
            graph("Orders by outcome", "Orders a minute that reached a state. Bad: unknown, rejected, expired.",
                  "cpm", ("60 * " + rate("everwarm_orders_total", "outcome"), "{{outcome}}")),
            graph("Fills", "Fills a minute. Bad: none, while orders are sent.",
                  "cpm", ("60 * " + rate("everwarm_fills_total", "side, liquidity"), "{{side}}, {{liquidity}}")),
            graph("Open and unknown", "Orders that are not final, and those with unknown status. Bad: unknown for long.",
                  "none", ("everwarm_orders_open{$S}", "open"), ("everwarm_orders_unknown{$S}", "unknown")),
            graph("Owed exits", "Exits decided and not yet filled. Bad: refused, or any for long.",
                  "none", ("sum by (state) (everwarm_exits_owed{$S})", "{{state}}")),
            graph("Age of the oldest owed exit", "Time since the oldest owed exit was decided. Bad: more than minutes.",
                  "s", ("everwarm_exit_owed_age_seconds{$S}", "{{instance}}")),
            graph("Time without a stop order", "From a fill to the working stop order. Bad: above 0.25 s.",
                  "s", ("histogram_quantile(0.5, sum by (le) (everwarm_unprotected_seconds_bucket{$S}))", "p50, all"),
                  ("histogram_quantile(0.99, sum by (le) (everwarm_unprotected_seconds_bucket{$S}))", "p99, all")),
            graph("Venue rejections", "Requests a minute that the venue rejected. Bad: final.",
                  "cpm", ("60 * " + rate("everwarm_order_rejects_total", "reason"), "{{reason}}")),
            graph("Slippage", "Fill price relative to the price at the decision; positive is worse. Bad: above 0.2 %.",
                  "percentunit",
                  ("histogram_quantile(0.5, sum by (le) (everwarm_fill_slippage_ratio_bucket{$S}))", "p50, all"),
                  ("histogram_quantile(0.95, sum by (le) (everwarm_fill_slippage_ratio_bucket{$S}))", "p95, all")),
            graph("Request budget", "Share of the venue's request budget used in this minute. Bad: near 100 %.",
                  "percentunit", ("everwarm_venue_rate_limit_used_ratio{$S}", "{{venue}}"), warn=0.8, bad=1),
        ]),
    ]),
    "risk-pnl": ("everwarm: risk and PnL", [
        ("Money", [
            graph("Equity and cash", "Equity and cash of the account. Bad: a step without a trade.",
                  MONEY, ("everwarm_equity{$S}", "equity {{currency}}"), ("everwarm_cash{$S}", "cash {{currency}}")),
            graph("Profit by strategy", "Realised and unrealised profit by strategy. Bad: a steady fall.",
                  MONEY, ("everwarm_pnl_realized{$S}", "realised {{strategy}} {{currency}}"),
                  ("everwarm_pnl_unrealized{$S}", "unrealised {{strategy}} {{currency}}")),
            graph("Fees", "Fees of all fills, by strategy and asset. Bad: fees above the profit.",
                  MONEY, ("everwarm_fees_paid{$S}", "{{strategy}} {{currency}}")),
            graph("Drawdown", "Fall of equity from its highest value, and the alarm level. Bad: near the alarm level.",
                  "percentunit", ("everwarm_drawdown_ratio{$S}", "fall"), ("everwarm_drawdown_alarm_ratio{$S}", "alarm")),
            graph("Exposure", "Sum of absolute values (gross) and of values (net) of all positions. Bad: above what you accept.",
                  MONEY, ("everwarm_exposure_gross{$S}", "gross {{currency}}"), ("everwarm_exposure_net{$S}", "net {{currency}}")),
            table("Positions", "Value of each position, the largest first. Bad: one that is too large.",
                  MONEY, ("topk(20, everwarm_position_value{$S})", "{{symbol}}")),
        ]),
        ("Limits", [
            graph("Limits in use", "Share of each limit in use. Bad: 90 % and more; at 100 % there are no entries.",
                  "percentunit", ("everwarm_risk_limit_used_ratio{$S}", "{{limit}}"), warn=0.9, bad=1),
            states("Breaker", "Level of the circuit breaker. Bad: any but normal.",
                  ("no", "transparent"), ("in force", RED), ("everwarm_breaker_level{$S}", "{{level}}"), but={"normal": (("no", "transparent"), ("in force", GREEN))}),
            states("Halted by reason", "Whether this reason blocks new entries. Bad: any but operator.",
                  *HALTED, ("everwarm_trading_halted{$S}", "{{reason}}"), but={"operator": (("no", GREEN), ("halted", YELLOW))}),
            stat("Enabled strategies", "Whether each strategy is enabled.",
                 "none", ("everwarm_strategy_enabled{$S}", "{{strategy}}"), mappings=words(("no", YELLOW), ("yes", GREEN)), color=BLUE),
            stat("Cannot be closed", "Positions that cannot be closed now. Bad: any.",
                 "none", ("everwarm_positions_unprotected{$S}", "{{instance}}"), bad=1),
            stat("Quarantined", "Inputs at which a stage failed three times. Bad: any.",
                 "none", ("everwarm_quarantined{$S}", "{{effect}}"), bad=1),
            stat("Dropped stages", "Stages that an operator dropped. Bad: one that was forgotten.",
                 "none", ("everwarm_stages_dropped{$S}", "{{instance}}"), warn=1),
            stat("Differences with the venue", "Unexplained differences of the account. Bad: any. Trading is refused.",
                 "none", ("everwarm_reconcile_mismatches{$S}", "{{venue}}"), bad=1),
            stat("Ledger violations in 1 h", "Impossible positions. Bad: any.",
                 "none", ("sum by (instance) (increase(everwarm_ledger_violations_total{$S}[1h]))", "{{instance}}"), bad=0.5),
            stat("Account compared", "When the account last agreed with the books. Bad: never in this run.",
                 "dateTimeFromNow", ("everwarm_reconcile_last_success_timestamp_seconds{$S} * 1000", "{{venue}}"), bad_below=1),
        ]),
    ]),
    "store-runtime": ("everwarm: store and runtime", [
        ("Store", [
            graph("Commits", "Duration of a commit without (lazy) and with fsync (synced). Bad: synced above 100 ms.",
                  "s", *both("everwarm_store_commit_duration_seconds", "durability")),
            graph("Commits a second", "Commits a second, without and with fsync. Bad: 0.",
                  "ops", (rate("everwarm_store_commit_duration_seconds_count", "durability"), "{{durability}}")),
            graph("Uncommitted", "Age of the oldest uncommitted fact. Bad: above 2 s; the daemon sends no entries.",
                  "s", ("everwarm_store_uncommitted_seconds{$S}", "{{instance}}"), bad=2),
            graph("Inputs", "Inputs a second. Bad: 0 while the market is open.",
                  "ops", ("deriv(everwarm_journal_head{$S}%s)" % R, "{{instance}}")),
            graph("Files", "Sizes of the store's files. Bad: a live file above some tens of megabytes.",
                  "bytes", ("everwarm_store_file_bytes{$S}", "{{file}}")),
            graph("Free disk space", "Free space on the disk of the data directory. Bad: it reaches 0 within a day.",
                  "bytes", ("everwarm_store_disk_free_bytes{$S}", "{{instance}}")),
            graph("Emergency of storage", "0: none, 1: over and not lifted, 2: steps free space, 3: no step can. Bad: above 0.",
                  "none", ("everwarm_storage_emergency{$S}", "{{instance}}"), bad=1),
            graph("Freed in the emergency", "Bytes that each step of the emergency of storage has freed.",
                  "bytes", ("everwarm_storage_emergency_freed_bytes{$S}", "{{step}}")),
            graph("Facts not durable", "Facts appended and not yet durable. Bad: growing.",
                  "none", ("everwarm_store_journal_pending{$S}", "{{instance}}")),
            graph("Age of saved states", "Time since each stage saved its state. Bad: long, for a stage with inputs.",
                  "s", ("time() - everwarm_store_snapshot_timestamp_seconds{$S}", "{{actor}}")),
            graph("Inputs at the last recovery", "Inputs that each stage replayed at its last recovery. Bad: tens of thousands.",
                  "none", ("everwarm_store_replay_events{$S}", "{{actor}}")),
        ]),
        ("Process", [
            graph("CPU", "CPU time a second. Bad: near the number of cores.",
                  "percentunit", ("rate(process_cpu_seconds_total{$S}%s)" % R, "{{instance}}")),
            graph("Memory", "Resident and virtual memory. Bad: growing for days.",
                  "bytes", ("process_resident_memory_bytes{$S}", "resident"), ("process_virtual_memory_bytes{$S}", "virtual")),
            graph("File descriptors and threads", "Open file descriptors, their limit, and threads. Bad: open near the limit.",
                  "none", ("process_open_fds{$S}", "open"), ("process_max_fds{$S}", "limit"), ("process_threads{$S}", "threads")),
            graph("Timer lag", "Delay of 100 ms timers. Bad: above 50 ms.",
                  "s", *both("everwarm_tokio_timer_lag_seconds", "")),
            graph("Supervision lag", "Response time of the root supervisor. Bad: 1 s; /livez responds with 503.",
                  "s", ("everwarm_supervision_lag_seconds{$S}", "{{instance}}"), bad=1),
            graph("Busy share of the workers", "Busy share of the worker threads. Bad: near 100 %.",
                  "percentunit", ("everwarm_tokio_busy_ratio{$S}", "{{instance}}"), warn=0.9),
            graph("Tasks", "Tasks alive, tasks in the global queue, and worker threads. Bad: a queue that stays.",
                  "none", ("everwarm_tokio_alive_tasks{$S}", "alive"), ("everwarm_tokio_global_queue_tasks{$S}", "queued"),
                  ("everwarm_tokio_workers{$S}", "threads")),
            graph("Log", "Log events a second by level, and suppressed repetitions. Bad: errors.",
                  "ops", (rate("everwarm_log_events_total", "level"), "{{level}}"),
                  (rate("everwarm_log_suppressed_total", "instance"), "suppressed")),
        ]),
    ]),
    "config-api": ("everwarm: configuration and API", [
        ("Configuration", [
            graph("Generation", "Number of the configuration in force. Bad: a change that nobody made.",
                  "none", ("everwarm_config_generation{$S}", "{{instance}}")),
            graph("Reloads", "Reloads a minute by result. Bad: invalid, rejected, rollback_failed.",
                  "cpm", ("60 * " + rate("everwarm_config_reloads_total", "trigger, result"), "{{trigger}} {{result}}")),
            stat("Last reload succeeded", "Whether the last reload succeeded. Bad: no. See `everwarm config reloads`.",
                 "none", ("everwarm_config_last_reload_successful{$S}", "{{instance}}"), mappings=YES, bad_below=1),
            stat("Last successful reload", "When a reload last succeeded; before the first: the start.",
                 "dateTimeFromNow", ("everwarm_config_last_reload_success_timestamp_seconds{$S} * 1000", "{{instance}}"), color=BLUE),
            stat("Restart pending", "Whether a changed key needs a restart. Bad: yes, for long.",
                 "none", ("everwarm_config_restart_pending{$S}", "{{instance}}"), mappings=PENDING, warn=1),
        ]),
        ("Decisions repeated in the night", [
            stat("Facts that differ", "Facts of the last repeated day that differ from the journal. Bad: any.",
                 "none", ("everwarm_self_replay_differences{$S}", "{{instance}}"), bad=1),
            stat("Repeated", "Whether the last day could be repeated. Bad: no. See `everwarm doctor`.",
                 "none", ("everwarm_self_replay_successful{$S}", "{{instance}}"), mappings=YES, bad_below=1),
            stat("Inputs repeated", "Inputs of the last repeated day.",
                 "none", ("everwarm_self_replay_inputs{$S}", "{{instance}}"), color=BLUE),
            stat("Last repeated", "When the decisions of a day were last repeated. Bad: more than a day ago.",
                 "dateTimeFromNow", ("everwarm_self_replay_timestamp_seconds{$S} * 1000", "{{instance}}"), color=BLUE),
        ]),
        ("API", [
            graph("Requests", "Requests a second by route and status. Bad: status 5xx.",
                  "reqps", (rate("everwarm_http_requests_total", "route, status"), "{{route}} {{status}}")),
            graph("Response time", "Median and 99th percentile. Bad: above 200 ms.",
                  "s", *both("everwarm_http_request_duration_seconds", "")),
            graph("Refused", "Requests a second that the API refused, by reason. Bad: wrong-token, wrong-host.",
                  "reqps", (rate("everwarm_http_refused_total", "reason"), "{{reason}}")),
        ]),
        ("Page and messages", [
            graph("Stream clients", "Open pages. Bad: more than you know of.",
                  "none", ("everwarm_stream_clients{$S}", "{{instance}}")),
            graph("Slow stream clients", "Times a minute a slow client was skipped ahead. Bad: steadily.",
                  "cpm", ("60 * " + rate("everwarm_stream_lagged_total", "instance"), "{{instance}}")),
            graph("Messages", "Messages and heartbeats a minute that each receiver accepted. Bad: no heartbeats.",
                  "cpm", ("60 * " + rate("everwarm_messages_total", "receiver"), "{{receiver}}")),
            graph("Chat commands", "Commands of the chat a minute by result. Bad: refused, other_chat.",
                  "cpm", ("60 * " + rate("everwarm_chat_commands_total", "result"), "{{result}}")),
            stat("Failing receivers", "How long a receiver has failed. Bad: above ten minutes.",
                 "s", ("everwarm_messages_failing_seconds{$S}", "{{receiver}}"), warn=600),
            stat("Rejected messages", "Messages that a receiver rejected. Bad: any.",
                 "none", ("everwarm_messages_refused{$S}", "{{receiver}}"), warn=1),
        ]),
        ("These metrics", [
            graph("Render duration", "Time to render /metrics. Bad: above 100 ms.",
                  "s", *both("everwarm_metrics_render_duration_seconds", "")),
            graph("Rejected values", "Values that were not finite. Bad: any.",
                  "none", ("sum by (instance) (increase(everwarm_metrics_rejected_total{$S}%s))" % R, "{{instance}}")),
        ]),
    ]),
}


def target(n, expr, legend, instant):
    out = {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": expr.replace("$S", SELECT),
           "legendFormat": legend, "editorMode": "code"}
    out.update({"instant": True, "range": False, "format": "table"} if instant else {"instant": False, "range": True})
    return out


def steps(p):
    """Thresholds of a panel: green, from `warn` on yellow, from `bad` on red; `bad_below` the other way."""
    if "bad_below" in p:
        return [{"color": RED, "value": None}, {"color": GREEN, "value": p["bad_below"]}]
    found = [{"color": GREEN, "value": None}]
    found += [{"color": color, "value": p[name]} for name, color in (("warn", YELLOW), ("bad", RED)) if name in p]
    return found if len(found) > 1 else None


def colored(p, field):
    """What says by colour whether a value is good; a default of Grafana's would say so of any."""
    if steps(p):
        field["thresholds"] = {"mode": "absolute", "steps": steps(p)}
    if p["kind"] == "stat":
        field["color"] = {"mode": "thresholds"} if steps(p) else {"mode": "fixed", "fixedColor": p["color"]}
    elif p["kind"] == "state-timeline":
        field["color"] = {"mode": "fixed", "fixedColor": "text"}
        field["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    elif p["kind"] == "timeseries":
        field["color"] = {"mode": "palette-classic"}
        if steps(p):
            field["custom"] = {"thresholdsStyle": {"mode": "dashed"}}


def other(name, no_yes):
    """Words and colours of one series that are not those of the rest."""
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "mappings", "value": words(*no_yes)}]}


def drawn(p, number, x, y, w, h):
    money = p["unit"] == MONEY
    field = {"unit": "none" if money else p["unit"], "mappings": p.get("mappings", [])}
    if money:
        field["decimals"] = 2
    if p["unit"] == "percentunit":
        field["min"] = 0
    colored(p, field)
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    options = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": legend}
    if p["kind"] == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                   "textMode": p.get("text", "auto"), "colorMode": "value", "graphMode": "area"}
    if p["kind"] == "table":
        options = {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": True}]}
    if p["kind"] == "state-timeline":
        options = {"mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.9,
                   "tooltip": {"mode": "multi", "sort": "none"}, "legend": legend}
    if p["kind"] == "alertlist":
        return {"id": number, "type": "alertlist", "title": p["title"], "description": p["about"],
                "gridPos": {"x": x, "y": y, "w": w, "h": h}, "options": {
                    "viewMode": "list", "groupMode": "default", "groupBy": [], "maxItems": 20, "sortOrder": 3,
                    "dashboardAlerts": False, "alertName": "", "alertInstanceLabelFilter": '{job=~"$job"}',
                    "stateFilter": {"firing": True, "pending": True, "noData": True, "normal": False, "error": True}}}
    panel = {"id": number, "type": p["kind"], "title": p["title"], "description": p["about"],
             "datasource": SOURCE, "gridPos": {"x": x, "y": y, "w": w, "h": h},
             "fieldConfig": {"defaults": field, "overrides": [other(*of) for of in p.get("but", {}).items()]},
             "options": options,
             "targets": [target(n, e, legend, p["kind"] == "table") for n, (e, legend) in enumerate(p["queries"])]}
    if p["kind"] == "table":
        hidden = {name: True for name in ("Time", "job", "instance", "__name__")}
        panel["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return panel


def panels(rows):
    out, number, y = [], 0, 0
    for title, row in rows:
        number += 1
        out.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                    "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y, x, tall = y + 1, 0, 0
        for p in row:
            w, h = p.get("w", 12), p.get("h", 8)
            if x + w > 24:
                x, y, tall = 0, y + tall, 0
            number += 1
            out.append(drawn(p, number, x, y, w, h))
            x, tall = x + w, max(tall, h)
        y += tall
    return out


def variable(name, query):
    return {"name": name, "label": name, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1,
            "query": {"query": query, "refId": name}, "definition": query, "multi": True,
            "includeAll": True, "allValue": ".+", "current": {"text": "All", "value": "$__all"}}


def annotation(name, expr, color, title):
    return {"name": name, "datasource": SOURCE, "enable": True, "iconColor": color, "expr": expr.replace("$S", SELECT),
            "step": "10s", "titleFormat": title, "target": {"refId": "A", "expr": expr.replace("$S", SELECT)}}


def board(name, title, rows):
    variables = [{"name": "datasource", "label": "source", "type": "datasource", "query": "prometheus",
                  "current": {}, "refresh": 1},
                 variable("job", "label_values(everwarm_ready, job)"),
                 variable("instance", 'label_values(everwarm_ready{job=~"$job"}, instance)')]
    if name == "actors":
        variables.append(variable("actor", 'label_values(everwarm_actor_alive{job=~"$job",instance=~"$instance"}, actor)'))
    notes = [
        annotation("Restarts", "sum by (actor) (increase(everwarm_actor_restarts_total{$S}[30s])) > 0", "orange", "{{actor}} restarted"),
        annotation("Configuration", "changes(everwarm_config_generation{$S}[30s]) > 0", "blue", "configuration changed"),
        annotation("Faults", "sum by (fault) (increase(everwarm_chaos_faults_total{$S}[30s])) > 0", "red", "injected fault: {{fault}}"),
    ]
    links = [{"type": "dashboards", "title": "everwarm", "tags": ["everwarm"], "asDropdown": True,
              "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}]
    return {"id": None, "uid": "everwarm-" + name, "title": title, "tags": ["everwarm"], "schemaVersion": SCHEMA,
            "version": 1, "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "links": links,
            "annotations": {"list": notes}, "templating": {"list": variables}, "panels": panels(rows)}


def main():
    stale = []
    for name, (title, rows) in BOARDS.items():
        path = ROOT / "dashboards" / (name + ".json")
        text = json.dumps(board(name, title, rows), indent=1) + "\n"
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit("out of date: %s; scripts/make_dashboards.py writes them anew" % ", ".join(stale))


if __name__ == "__main__":
    main()
