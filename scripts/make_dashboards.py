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
            stat("Ready", "Whether everything needed for trading is there. Bad: no, for longer than a start takes.",
                 "none", ("everwarm_ready{$S}", "{{instance}}"), mappings=YES, bad_below=1),
            stat("Mode", "What is traded: live money, play money, or a recording.",
                 "none", ("everwarm_mode_info{$S} == 1", "{{mode}}"), text="name", color=BLUE),
            stat("Program", "The version that answers, and the revision it was built from.",
                 "none", ("everwarm_build_info{$S}", "{{version}} {{revision}}"), text="name", color=BLUE),
            stat("Up since", "When the process started. Bad: a time that keeps changing.",
                 "dateTimeFromNow", ("everwarm_start_timestamp_seconds{$S} * 1000", "{{instance}}"), color=BLUE),
            stat("Alerts firing", "Rules that hold now. Bad: any.",
                 "none", ('count(ALERTS{alertstate="firing",$S}) or vector(0)', "alerts"), bad=1),
            stat("Halted", "Reasons for which nothing new is begun. Bad: any but operator.",
                 "none", ("sum by (instance) (everwarm_trading_halted{$S})", "{{instance}}"), bad=1),
            stat("Equity", "Value of the account after the newest close.",
                 MONEY, ("everwarm_equity{$S}", "{{currency}}"), color=BLUE),
            stat("Drawdown", "Fall from the highest value. Bad: near the level that wakes you.",
                 "percentunit", ("everwarm_drawdown_ratio{$S}", "{{instance}}"), warn=0.05, bad=0.1),
            stat("Open orders", "Orders that are not final. Bad: ever more of them.",
                 "none", ("everwarm_orders_open{$S}", "{{venue}}"), warn=50, bad=200),
            stat("Unknown orders", "Orders sent whose fate is not known. Bad: any for more than a minute.",
                 "none", ("everwarm_orders_unknown{$S}", "{{venue}}"), bad=1),
            stat("Restarts in 1 h", "Actors started again. Bad: many that are not injected.",
                 "none", ("sum by (instance) (increase(everwarm_actor_restarts_total{$S}[1h]))", "{{instance}}"), warn=0.5, bad=10),
            stat("Set aside", "Inputs set aside because a stage failed at them. Bad: any.",
                 "none", ("sum by (instance) (everwarm_quarantined{$S})", "{{instance}}"), bad=1),
        ]),
        ("Over time", [
            alerts("Alerts", "Alerts that fire or soon will, the worst first. Bad: any; each links to its runbook."),
            graph("Equity and cash", "Value of the account and its cash. Bad: a step nobody traded for.",
                  MONEY, ("everwarm_equity{$S}", "equity {{currency}}"), ("everwarm_cash{$S}", "cash {{currency}}")),
            states("Readiness by check", "1 while a condition holds. Bad: one that stays at 0.",
                  *HOLDS, ("everwarm_ready_check{$S}", "{{check}}")),
            states("Streams connected", "1 while all connections are subscribed. Bad: 0 for more than seconds.",
                  *UP, ("everwarm_feed_connected{$S}", "{{venue}} {{stream}}")),
            graph("Closes", "Closes a second. Bad: 0 while the market is open.",
                  "ops", (rate("everwarm_closes_total", "instance"), "{{instance}}")),
            graph("Last start, by step", "How long each step took. Bad: one that grows from start to start.",
                  "s", ("everwarm_start_step_seconds{$S}", "{{step}}")),
            states("Halted by reason", "1 while nothing new is begun for that reason.",
                  *HALTED, ("everwarm_trading_halted{$S}", "{{reason}}"), but={"operator": (("no", GREEN), ("halted", YELLOW))}),
        ]),
    ]),
    "supervision": ("everwarm: supervision", [
        ("Tree", [
            graph("Children by state", "Children of all supervisors. Bad: any in backoff or failed for long.",
                  "none", ("sum by (state) (everwarm_supervisor_children{$S})", "{{state}}")),
            table("Children by supervisor", "Children of each supervisor by state. Bad: failed.",
                  "none", ("sum by (supervisor, state) (everwarm_supervisor_children{$S})", "{{supervisor}} {{state}}")),
            states("Actors up", "1 while an instance is up. Bad: 0 for longer than a restart.",
                  *UP, ("everwarm_actor_alive{$S}", "{{actor}}")),
            graph("Time since the last start", "Age of each actor's instance. Bad: short for one that nobody disturbs.",
                  "s", ("time() - everwarm_actor_started_timestamp_seconds{$S}", "{{actor}}")),
        ]),
        ("Restarts", [
            graph("Restarts by actor", "Restarts a minute. Bad: any that are not injected.",
                  "cpm", ("60 * " + rate("everwarm_actor_restarts_total", "actor"), "{{actor}}")),
            graph("Restarts by reason", "Restarts a minute by cause. Bad: panic, error, lost, gave_up.",
                  "cpm", ("60 * " + rate("everwarm_actor_restarts_total", "reason"), "{{reason}}")),
            graph("Time to be up again", "From an end to being up, recovery included. Bad: seconds.",
                  "s", *both("everwarm_actor_restart_duration_seconds", "")),
            graph("Recoveries by source", "Where states came from. Bad: journal for a stage with a long past.",
                  "cpm", ("60 * " + rate("everwarm_actor_recoveries_total", "source"), "{{source}}")),
            graph("Share of restarts used", "Restarts within the period of those allowed. Bad: 0.7 and more.",
                  "percentunit", ("everwarm_supervisor_intensity_ratio{$S}", "{{supervisor}}"), warn=0.7, bad=1),
            graph("Escalations", "Supervisors that gave up. Bad: any.",
                  "none", ("increase(everwarm_supervisor_escalations_total{$S}%s)" % R, "{{supervisor}}")),
            graph("Waiting for the next try", "Wait of children that are down. Bad: long for one that is needed.",
                  "s", ("max by (supervisor, child) (everwarm_supervisor_backoff_seconds{$S})", "{{supervisor}}/{{child}}")),
            graph("What became of actors", "Events a minute. Bad: start_failed, blocked, branch_down, gave_up.",
                  "cpm", ("60 * " + rate("everwarm_supervision_events_total", "event"), "{{event}}")),
            graph("Faults on purpose", "Injected faults a minute; what else happens then is their doing.",
                  "cpm", ("60 * " + rate("everwarm_chaos_faults_total", "fault"), "{{fault}}")),
            graph("Panics", "Handlers of actors that panicked (on purpose too), and all others. Bad: hook above 0.",
                  "none", ("increase(everwarm_panics_total{$S}%s)" % R, "{{place}}")),
        ]),
    ]),
    "actors": ("everwarm: actors", [
        ("Rate", [
            graph("Messages", "Messages handled a second. Bad: 0 of one that should work.",
                  "ops", (rate("everwarm_actor_messages_total", "actor", ',actor=~"$actor"'), "{{actor}}")),
            graph("Messages by kind", "The same by kind of message.",
                  "ops", (rate("everwarm_actor_messages_total", "actor, message", ',actor=~"$actor"'), "{{actor}} {{message}}")),
            graph("Failures", "Handlers that ended with an error, a second. Bad: any; each is a restart.",
                  "ops", (rate("everwarm_actor_message_failures_total", "actor", ',actor=~"$actor"'), "{{actor}}")),
            graph("Dead letters", "Messages that found nobody or no room, a second. Bad: many; their news is fetched.",
                  "ops", (rate("everwarm_actor_send_failures_total", "actor, reason", ',actor=~"$actor"'), "{{actor}} {{reason}}")),
        ]),
        ("Duration and saturation", [
            graph("Time in a handler", "Median and slowest hundredth. Bad: above a millisecond for a stage.",
                  "s", *both("everwarm_actor_handle_duration_seconds", "actor", ',actor=~"$actor"')),
            graph("Wait in the mailbox", "From being sent to being taken. Bad: above 10 ms: the runtime is late.",
                  "s", *both("everwarm_actor_mailbox_wait_seconds", "actor", ',actor=~"$actor"')),
            graph("Waiting now", "Messages that wait. Bad: growing.",
                  "none", ('everwarm_actor_mailbox_messages{$S,actor=~"$actor"}', "{{actor}}")),
            graph("Busy share", "Share of a thread its handlers take. Bad: near 1.",
                  "percentunit", (rate("everwarm_actor_handle_duration_seconds_sum", "actor", ',actor=~"$actor"'), "{{actor}}")),
            table("Since the last message", "How long ago it handled something. Bad: long, with messages waiting.",
                  "s", ('time() - (everwarm_actor_last_message_timestamp_seconds{$S,actor=~"$actor"} > 0)', "{{actor}}")),
        ]),
    ]),
    "market-data": ("everwarm: market data", [
        ("Streams", [
            states("Connected", "1 while all connections are subscribed. Bad: 0.",
                  *UP, ("everwarm_feed_connected{$S}", "{{venue}} {{stream}}")),
            graph("Messages", "Messages a second by kind. Bad: no bars.",
                  "ops", (rate("everwarm_feed_messages_total", "kind"), "{{kind}}")),
            graph("Latency", "From the venue's stamp to us, skew included, in the venue's time. Bad: seconds, live.",
                  "s", *both("everwarm_feed_latency_seconds", "")),
            graph("Since the last data", "Time since data came. Bad: a minute.",
                  "s", ("time() - everwarm_feed_last_event_timestamp_seconds{$S}", "{{venue}} {{stream}}")),
            graph("Reconnects", "Connections lost a minute. Bad: regular ones.",
                  "cpm", ("60 * " + rate("everwarm_feed_reconnects_total", "stream, reason"), "{{stream}} {{reason}}")),
            graph("Gaps", "Times something may have been missed and was fetched, a minute.",
                  "cpm", ("60 * " + rate("everwarm_feed_gaps_total", "stream"), "{{stream}}")),
            graph("Unreadable and left out", "Messages a second that were not understood or not handled. Bad: any.",
                  "ops", (rate("everwarm_feed_decode_failures_total", "stream"), "unreadable {{stream}}"),
                  (rate("everwarm_feed_dropped_total", "reason"), "left out {{reason}}")),
        ]),
        ("Bars", [
            graph("Symbols", "Traded symbols, and those whose newest bar is too old. Bad: many stale.",
                  "none", ("everwarm_feed_symbols{$S}", "traded"), ("everwarm_feed_stale_symbols{$S}", "stale")),
            table("Oldest symbols", "Age of the newest bar in venue time, the oldest first. Bad: above trading.stale_s.",
                  "s", ("topk(20, everwarm_feed_symbol_age_seconds{$S})", "{{symbol}}")),
            graph("Closes and missing bars", "Closes a second, and bars that were missing in them. Bad: many missing.",
                  "ops", (rate("everwarm_closes_total", "instance"), "closes"),
                  (rate("everwarm_close_bars_missing_total", "instance"), "missing bars")),
            graph("Bars told again", "Bars a minute that were known, as they were or otherwise. Bad: revised.",
                  "cpm", ("60 * " + rate("everwarm_bar_repeats_total", "how"), "{{how}}")),
            graph("Odd bars", "Bars a minute that were odd and confirmed, or refused. Bad: any.",
                  "cpm", ("60 * " + rate("everwarm_bars_odd_total", "what"), "{{what}}")),
        ]),
    ]),
    "execution": ("everwarm: execution", [
        ("From close to order", [
            graph("Close to order", "Median and slowest hundredth of each part. Bad: above some milliseconds without the disk.",
                  "s", *both("everwarm_pipeline_duration_seconds", "stage")),
            graph("Answers of the venue", "Round trips by operation. Bad: seconds.",
                  "s", *both("everwarm_order_roundtrip_seconds", "op")),
            graph("Signals", "Signals a minute. Bad: none for long, or a flood.",
                  "cpm", ("60 * " + rate("everwarm_strategy_signals_total", "strategy, side"), "{{strategy}} {{side}}")),
            graph("Risk checks", "Signals a minute that may be traded, or not by which rule.",
                  "cpm", ("60 * " + rate("everwarm_risk_checks_total", "rule, outcome"), "{{rule}} {{outcome}}")),
        ]),
        ("Orders", [
            graph("Orders by outcome", "Orders a minute that came to a state. Bad: unknown, rejected, expired.",
                  "cpm", ("60 * " + rate("everwarm_orders_total", "outcome"), "{{outcome}}")),
            graph("Fills", "Fills a minute.",
                  "cpm", ("60 * " + rate("everwarm_fills_total", "side, liquidity"), "{{side}}, {{liquidity}}")),
            graph("Open and unknown", "Orders that are not final, and those of unknown fate. Bad: unknown that stay.",
                  "none", ("everwarm_orders_open{$S}", "open"), ("everwarm_orders_unknown{$S}", "unknown")),
            graph("Owed exits", "Exits that were decided and are not done. Bad: any that is refused, or that stays.",
                  "none", ("sum by (state) (everwarm_exits_owed{$S})", "{{state}}")),
            graph("Age of the oldest owed exit", "Time since the oldest owed exit was decided. Bad: more than minutes.",
                  "s", ("everwarm_exit_owed_age_seconds{$S}", "{{instance}}")),
            graph("Noes of the venue", "Refused requests a minute. Bad: final ones.",
                  "cpm", ("60 * " + rate("everwarm_order_rejects_total", "reason"), "{{reason}}")),
            graph("Slippage", "Price of fills against the one decided at; positive is against us.",
                  "percentunit",
                  ("histogram_quantile(0.5, sum by (le) (everwarm_fill_slippage_ratio_bucket{$S}))", "p50, all"),
                  ("histogram_quantile(0.95, sum by (le) (everwarm_fill_slippage_ratio_bucket{$S}))", "p95, all")),
            graph("Request budget", "Share of the venue's minute in use. Bad: near 1.",
                  "percentunit", ("everwarm_venue_rate_limit_used_ratio{$S}", "{{venue}}"), warn=0.8, bad=1),
        ]),
    ]),
    "risk-pnl": ("everwarm: risk and PnL", [
        ("Money", [
            graph("Equity and cash", "Value of the account and its cash.",
                  MONEY, ("everwarm_equity{$S}", "equity {{currency}}"), ("everwarm_cash{$S}", "cash {{currency}}")),
            graph("Profit by strategy", "Locked in since the beginning, and what positions are worth above their cost.",
                  MONEY, ("everwarm_pnl_realized{$S}", "realised {{strategy}} {{currency}}"),
                  ("everwarm_pnl_unrealized{$S}", "unrealised {{strategy}} {{currency}}")),
            graph("Fees", "Fees of all fills, by strategy and asset.",
                  MONEY, ("everwarm_fees_paid{$S}", "{{strategy}} {{currency}}")),
            graph("Drawdown", "Fall from the highest value, and the one that calls somebody. Bad: near it.",
                  "percentunit", ("everwarm_drawdown_ratio{$S}", "fall"), ("everwarm_drawdown_alarm_ratio{$S}", "alarm")),
            graph("Exposure", "Worth of all positions, sign apart and with it.",
                  MONEY, ("everwarm_exposure_gross{$S}", "gross {{currency}}"), ("everwarm_exposure_net{$S}", "net {{currency}}")),
            table("Positions", "Worth of each position, the largest first.",
                  MONEY, ("topk(20, everwarm_position_value{$S})", "{{symbol}}")),
        ]),
        ("Limits", [
            graph("Limits in use", "Share of each limit. Bad: 0.9 and more: soon nothing new is begun.",
                  "percentunit", ("everwarm_risk_limit_used_ratio{$S}", "{{limit}}"), warn=0.9, bad=1),
            states("Breaker", "1 for the level of the circuit breaker. Bad: anything but normal.",
                  ("no", "transparent"), ("in force", RED), ("everwarm_breaker_level{$S}", "{{level}}"), but={"normal": (("no", "transparent"), ("in force", GREEN))}),
            states("Halted by reason", "1 while nothing new is begun for this reason. Bad: any but operator.",
                  *HALTED, ("everwarm_trading_halted{$S}", "{{reason}}"), but={"operator": (("no", GREEN), ("halted", YELLOW))}),
            stat("Strategies that trade", "1 while a strategy is enabled.",
                 "none", ("everwarm_strategy_enabled{$S}", "{{strategy}}"), mappings=words(("no", YELLOW), ("yes", GREEN)), color=BLUE),
            stat("Without an exit", "Positions that cannot be left now. Bad: any.",
                 "none", ("everwarm_positions_unprotected{$S}", "{{instance}}"), bad=1),
            stat("Set aside", "Inputs set aside because a stage failed at them. Bad: any.",
                 "none", ("everwarm_quarantined{$S}", "{{effect}}"), bad=1),
            stat("Left out", "Stages an operator dropped. Bad: one that was forgotten.",
                 "none", ("everwarm_stages_dropped{$S}", "{{instance}}"), warn=1),
            stat("Differences with the venue", "What nothing explains. Bad: any: trading is refused.",
                 "none", ("everwarm_reconcile_mismatches{$S}", "{{venue}}"), bad=1),
            stat("Broken books in 1 h", "Positions that cannot be. Bad: any.",
                 "none", ("sum by (instance) (increase(everwarm_ledger_violations_total{$S}[1h]))", "{{instance}}"), bad=0.5),
            stat("Account compared", "When it was found to agree. Bad: never in this life.",
                 "dateTimeFromNow", ("everwarm_reconcile_last_success_timestamp_seconds{$S} * 1000", "{{venue}}"), bad_below=1),
        ]),
    ]),
    "store-runtime": ("everwarm: store and runtime", [
        ("Store", [
            graph("Commits", "Time of a commit, without and with the disk. Bad: synced above 100 ms.",
                  "s", *both("everwarm_store_commit_duration_seconds", "durability")),
            graph("Commits a second", "How many there are of each sort.",
                  "ops", (rate("everwarm_store_commit_duration_seconds_count", "durability"), "{{durability}}")),
            graph("Uncommitted", "Age of the oldest fact that is not committed. Bad: 2 s: no new risk is sent.",
                  "s", ("everwarm_store_uncommitted_seconds{$S}", "{{instance}}"), bad=2),
            graph("Inputs", "Inputs a second.",
                  "ops", ("deriv(everwarm_journal_head{$S}%s)" % R, "{{instance}}")),
            graph("Files", "Sizes. Bad: a live file beyond some tens of megabytes.",
                  "bytes", ("everwarm_store_file_bytes{$S}", "{{file}}")),
            graph("Room on the disk", "Free bytes where the data is. Bad: falling to 0 within a day.",
                  "bytes", ("everwarm_store_disk_free_bytes{$S}", "{{instance}}")),
            graph("Waiting for the disk", "Facts said and not yet on disk. Bad: growing.",
                  "none", ("everwarm_store_journal_pending{$S}", "{{instance}}")),
            graph("Since states were saved", "Age of what each stage would start from, but for the journal behind it. Bad: long for one that is fed.",
                  "s", ("time() - everwarm_store_snapshot_timestamp_seconds{$S}", "{{actor}}")),
            graph("Inputs at the last recovery", "What each stage went through to be as it was. Bad: tens of thousands.",
                  "none", ("everwarm_store_replay_events{$S}", "{{actor}}")),
        ]),
        ("Process", [
            graph("Processor", "Processor time a second. Bad: near the number of cores.",
                  "percentunit", ("rate(process_cpu_seconds_total{$S}%s)" % R, "{{instance}}")),
            graph("Memory", "Memory in use. Bad: growing for days.",
                  "bytes", ("process_resident_memory_bytes{$S}", "resident"), ("process_virtual_memory_bytes{$S}", "addresses")),
            graph("Descriptors and threads", "Open descriptors, their limit, and threads.",
                  "none", ("process_open_fds{$S}", "open"), ("process_max_fds{$S}", "most"), ("process_threads{$S}", "threads")),
            graph("Timer lag", "How late timers of 100 ms are. Bad: above 50 ms.",
                  "s", *both("everwarm_tokio_timer_lag_seconds", "")),
            graph("Supervision lag", "How long the root supervisor takes to answer. Bad: 1 s: /livez says 503.",
                  "s", ("everwarm_supervision_lag_seconds{$S}", "{{instance}}"), bad=1),
            graph("Busy share of the workers", "Share of the workers' threads in use. Bad: near 1.",
                  "percentunit", ("everwarm_tokio_busy_ratio{$S}", "{{instance}}"), warn=0.9),
            graph("Tasks", "Tasks, those in the common queue, and the threads. Bad: a queue that stays.",
                  "none", ("everwarm_tokio_alive_tasks{$S}", "alive"), ("everwarm_tokio_global_queue_tasks{$S}", "queued"),
                  ("everwarm_tokio_workers{$S}", "threads")),
            graph("Log", "Events a second by level, and those held back because they repeat. Bad: errors.",
                  "ops", (rate("everwarm_log_events_total", "level"), "{{level}}"),
                  (rate("everwarm_log_suppressed_total", "instance"), "held back")),
        ]),
    ]),
    "config-api": ("everwarm: configuration and API", [
        ("Configuration", [
            graph("Generation", "Counts configurations that came into force.",
                  "none", ("everwarm_config_generation{$S}", "{{instance}}")),
            graph("Reloads", "Reloads a minute by what they came to. Bad: invalid, rejected, rollback_failed.",
                  "cpm", ("60 * " + rate("everwarm_config_reloads_total", "trigger, result"), "{{trigger}} {{result}}")),
            stat("Last reload went well", "Whether the last reload was taken. Bad: no: see `everwarm config reloads`.",
                 "none", ("everwarm_config_last_reload_successful{$S}", "{{instance}}"), mappings=YES, bad_below=1),
            stat("Last one that did", "When a reload last went well; before the first, the start.",
                 "dateTimeFromNow", ("everwarm_config_last_reload_success_timestamp_seconds{$S} * 1000", "{{instance}}"), color=BLUE),
            stat("Waits for a restart", "Whether the sources hold a change that takes one. Bad: yes, for long.",
                 "none", ("everwarm_config_restart_pending{$S}", "{{instance}}"), mappings=PENDING, warn=1),
        ]),
        ("API", [
            graph("Requests", "Requests a second by pattern of the path.",
                  "reqps", (rate("everwarm_http_requests_total", "route, status"), "{{route}} {{status}}")),
            graph("Time to answer", "Median and slowest hundredth. Bad: above 200 ms.",
                  "s", *both("everwarm_http_request_duration_seconds", "")),
            graph("Refused", "Refused requests a second by reason. Bad: wrong-token, wrong-host.",
                  "reqps", (rate("everwarm_http_refused_total", "reason"), "{{reason}}")),
        ]),
        ("Who is told", [
            graph("Readers of the page's stream", "Pages that are open. Bad: more than there are people.",
                  "none", ("everwarm_stream_clients{$S}", "{{instance}}")),
            graph("Slow readers", "Times a minute a slow reader was skipped ahead. Bad: steadily.",
                  "cpm", ("60 * " + rate("everwarm_stream_lagged_total", "instance"), "{{instance}}")),
            graph("Messages", "Messages and signs of life a minute that were taken, by receiver.",
                  "cpm", ("60 * " + rate("everwarm_messages_total", "receiver"), "{{receiver}}")),
            stat("Receivers that take nothing", "For how long a receiver takes no message. Bad: above ten minutes.",
                 "s", ("everwarm_messages_failing_seconds{$S}", "{{receiver}}"), warn=600),
            stat("Refused messages", "Messages that a receiver refused for good. Bad: any.",
                 "none", ("everwarm_messages_refused{$S}", "{{receiver}}"), warn=1),
        ]),
        ("These metrics", [
            graph("Time to render", "How long /metrics takes. Bad: above 100 ms.",
                  "s", *both("everwarm_metrics_render_duration_seconds", "")),
            graph("Refused values", "Values that were not finite. Bad: any.",
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
        annotation("Configuration", "changes(everwarm_config_generation{$S}[30s]) > 0", "blue", "another configuration"),
        annotation("Faults", "sum by (fault) (increase(everwarm_chaos_faults_total{$S}[30s])) > 0", "red", "{{fault}} on purpose"),
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
