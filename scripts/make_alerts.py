#!/usr/bin/env python3
"""Writes rules/alerts.yml and rules/alerts_test.yml from one table: each alert, a series that fires
it, and a near miss that does not. With --check it only says whether they are up to date. With
--branches FOLDER it writes there each branch of an `or` as a rule of its own, with the case that
fires it: `promtool test rules` says of each whether its case is its own."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXED = {"job": "everwarm", "instance": "host"}
STEP = 15

PAGE, WARN = "page", "warn"

# Where people on call read what to do: a link that Alertmanager and Grafana show.
RUNBOOK = "https://github.com/everwarm/everwarm/blob/main/docs/RUNBOOK.md"

# name, severity, for, expression, summary, description,
# (series that fire, seconds until they do, labels of the alert), (series of the near miss)
ALERTS = []


def alert(name, severity, wait, expr, summary, description, fires, labels, misses, at=None):
    """An alert of one condition, or of several: then `expr` is None, and each is a `branch`."""
    ALERTS.append(dict(name=name, severity=severity, wait=wait, summary=summary, description=description,
                       misses=[(misses, at)], branches=[]))
    if expr is not None:
        branch(name, expr, fires, labels, at)


def branch(name, expr, fires, labels, at=None):
    """One more condition of an alert that is there, each enough by itself, and what fires it."""
    if re.search(r"\bor\b", re.sub(r'"[^"]*"', "", expr)):
        sys.exit("%s: each side of an or is a branch, with a case of its own" % name)
    named(name)["branches"].append(dict(expr=expr, fires=fires, labels=labels, at=at))


def misses(name, values, at=None):
    """More series that do not fire an alert that is there."""
    named(name)["misses"].append((values, at))


def named(name):
    return next(a for a in ALERTS if a["name"] == name)


def seconds(text):
    unit = {"s": 1, "m": 60, "h": 3600}
    return int(text[:-1]) * unit[text[-1]] if text else 0


NAMED = "{{ $labels.%s }} on {{ $labels.instance }}"

alert("Down", PAGE, "1m", None,
      "everwarm{{ with $labels.instance }} on {{ . }}{{ end }} does not answer",
      "Prometheus cannot read /metrics: the daemon, its host or the way to it is down; where no host is named, Prometheus has none to ask.",
      {}, {}, {"up": "1x40"})
branch("Down", 'up{job="everwarm"} == 0', {"up": "0x40"}, {})
branch("Down", 'absent(up{job="everwarm"})', {'up{job="other"}': "1x40"}, {"instance": None})
alert("NotReady", PAGE, "3m", "everwarm_ready == 0",
      "everwarm on {{ $labels.instance }} is not ready to trade",
      "A condition of readiness does not hold; everwarm_ready_check says which, `everwarm status` why.",
      {"everwarm_ready": "0x40"}, {}, {"everwarm_ready": "0x8 1x30"})
alert("CrashLoop", PAGE, "", 'changes(process_start_time_seconds{job="everwarm"}[15m]) >= 3',
      "everwarm on {{ $labels.instance }} started again 3 times in 15 minutes",
      "Each start goes on where the last one ended, but something ends it: see the log and its exit code.",
      {"process_start_time_seconds": "10x8 20x8 30x8 40x40"}, {},
      {"process_start_time_seconds": "10x8 20x8 30x48"}, at=600)
# Many programs of a shared Prometheus say when they were started.
misses("CrashLoop", {'process_start_time_seconds{job="other"}': "10x8 20x8 30x8 40x40",
                     "process_start_time_seconds": "10x80"}, at=600)
alert("ActorRestarting", WARN, "",
      'sum by (job, instance, actor) (increase(everwarm_actor_restarts_total{reason!~"injected|sibling|supervisor"}[10m]))'
      " > 3",
      "Actor " + NAMED % "actor" + " was restarted more than 3 times in 10 minutes",
      "It goes on after each, but something fails again and again: `everwarm tree` shows its last failure.",
      {'everwarm_actor_restarts_total{actor="feed",reason="error"}': "0x4 5x60"}, {"actor": "feed"},
      {'everwarm_actor_restarts_total{actor="feed",reason="injected"}': "0x4 9x60",
       'everwarm_actor_restarts_total{actor="feed",reason="error"}': "0x4 2x60"}, at=600)
alert("ActorDown", PAGE, "1m", "everwarm_actor_alive == 0",
      "Actor " + NAMED % "actor" + " is down",
      "It is kept down or does not come up; a branch that looks at the market is tried again each minute.",
      {'everwarm_actor_alive{actor="feed"}': "0x40"}, {"actor": "feed"},
      {'everwarm_actor_alive{actor="feed"}': "0x3 1x40"})
alert("ActorStalled", PAGE, "1m",
      "everwarm_actor_mailbox_messages > 0 and on (job, instance, actor)"
      " time() - everwarm_actor_last_message_timestamp_seconds > 60",
      "Actor " + NAMED % "actor" + " has messages and handles none",
      "Nothing was handled for 60 s although something waits: a handler hangs, or its gate is shut.",
      {'everwarm_actor_mailbox_messages{actor="closer"}': "3x40",
       'everwarm_actor_last_message_timestamp_seconds{actor="closer"}': "0x40"}, {"actor": "closer"},
      {'everwarm_actor_mailbox_messages{actor="closer"}': "0x40",
       'everwarm_actor_last_message_timestamp_seconds{actor="closer"}': "0x40"}, at=240)
alert("MailboxGrowing", WARN, "2m",
      "everwarm_actor_mailbox_messages > 1000 and deriv(everwarm_actor_mailbox_messages[5m]) > 0",
      "The mailbox of " + NAMED % "actor" + " grows",
      "More than 1,000 messages wait, and they become more: the actor is slower than what comes.",
      {'everwarm_actor_mailbox_messages{actor="closer"}': "900+50x60"}, {"actor": "closer"},
      {'everwarm_actor_mailbox_messages{actor="closer"}': "3000-10x60"}, at=600)
alert("MailboxSlow", WARN, "5m",
      "histogram_quantile(0.99, sum by (job, instance, actor, le)"
      " (rate(everwarm_actor_mailbox_wait_seconds_bucket[5m]))) > 1"
      " and on (job, instance, actor) sum by (job, instance, actor)"
      " (increase(everwarm_actor_mailbox_wait_seconds_count[5m])) > 20",
      "Messages of " + NAMED % "actor" + " wait for more than a second",
      "1 of 100 messages waits so long before it is handled: the runtime is late or the actor is slow.",
      {'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="1"}': "0x80",
       'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="5"}': "0+10x80",
       'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="+Inf"}': "0+10x80",
       'everwarm_actor_mailbox_wait_seconds_count{actor="closer"}': "0+10x80"}, {"actor": "closer"},
      {'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="1"}': "0+10x80",
       'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="5"}': "0+10x80",
       'everwarm_actor_mailbox_wait_seconds_bucket{actor="closer",le="+Inf"}': "0+10x80",
       'everwarm_actor_mailbox_wait_seconds_count{actor="closer"}': "0+10x80"}, at=900)
alert("SupervisorNearLimit", WARN, "", "everwarm_supervisor_intensity_ratio >= 0.7",
      "Supervisor " + NAMED % "supervisor" + " has used most of its restarts",
      "A few more restarts within its period, and it gives up or keeps the branch down.",
      {'everwarm_supervisor_intensity_ratio{supervisor="bars"}': "0.8x40"}, {"supervisor": "bars"},
      {'everwarm_supervisor_intensity_ratio{supervisor="bars"}': "0.6x40"})
alert("SupervisorEscalated", PAGE, "", "increase(everwarm_supervisor_escalations_total[10m]) > 0",
      "Supervisor " + NAMED % "supervisor" + " gave up",
      "A child failed too often, and the failure went up: to its parent, or to the end of the process.",
      {'everwarm_supervisor_escalations_total{supervisor="bars"}': "0x4 1x40"}, {"supervisor": "bars"},
      {'everwarm_supervisor_escalations_total{supervisor="bars"}': "1x44"}, at=300)
alert("FeedDown", PAGE, "1m", "everwarm_feed_connected == 0",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " is not connected",
      "It is tried again by itself; what is missed meanwhile is fetched. Orders need the private one.",
      {'everwarm_feed_connected{venue="binance",stream="market"}': "0x40"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_connected{venue="binance",stream="market"}': "0x3 1x40"})
alert("FeedSilent", PAGE, "1m",
      'time() - everwarm_feed_last_event_timestamp_seconds{stream="market"} > 60'
      " and on (job, instance, venue, stream) everwarm_feed_connected == 1",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " says nothing",
      "It is connected, and no data came for 60 s: nothing is decided on what does not come.",
      {'everwarm_feed_last_event_timestamp_seconds{venue="binance",stream="market"}': "0x40",
       'everwarm_feed_connected{venue="binance",stream="market"}': "1x40"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_last_event_timestamp_seconds{venue="binance",stream="market"}': "0+15x40",
       'everwarm_feed_connected{venue="binance",stream="market"}': "1x40"}, at=240)
alert("FeedFlapping", WARN, "",
      "sum by (job, instance, venue, stream) (increase(everwarm_feed_reconnects_total[15m])) > 5",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " is lost again and again",
      "More than 5 connections were lost in 15 minutes: the network, the venue, or its limits.",
      {'everwarm_feed_reconnects_total{venue="binance",stream="market",reason="closed"}': "0x4 7x60"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_reconnects_total{venue="binance",stream="market",reason="closed"}': "0x4 4x60"},
      at=600)
alert("StaleSymbols", WARN, "5m",
      "everwarm_feed_stale_symbols / (everwarm_feed_symbols > 0) > 0.05",
      "More than 5 % of the symbols on {{ $labels.instance }} are stale",
      "Their newest bars are older than trading.stale_s: nothing is bought of them. everwarm_feed_symbol_age_seconds says which.",
      {"everwarm_feed_stale_symbols": "30x60", "everwarm_feed_symbols": "300x60"}, {},
      {"everwarm_feed_stale_symbols": "15x60", "everwarm_feed_symbols": "300x60"}, at=600)
alert("BarsRefused", WARN, "", 'increase(everwarm_bars_odd_total{what="refused"}[10m]) > 0',
      "{{ $labels.instance }} refused bars",
      "The venue's records contradict bars of its stream, or no type holds them. `everwarm doctor` names the symbols.",
      {'everwarm_bars_odd_total{what="refused"}': "0x4 1x40"}, {"what": "refused"},
      {'everwarm_bars_odd_total{what="confirmed"}': "0x4 1x40"}, at=300)
alert("OrderRejects", WARN, "",
      "sum by (job, instance, venue) (increase(everwarm_order_rejects_total[10m])) >= 5"
      " and on (job, instance) sum by (job, instance) (increase(everwarm_order_rejects_total[10m]))"
      ' / (sum by (job, instance) (increase(everwarm_orders_total{outcome="sent"}[10m])) > 0) > 0.1',
      "Venue " + NAMED % "venue" + " rejects more than a tenth of the requests",
      "At least 5 requests were refused in 10 minutes; `everwarm orders` and `explain` say why.",
      {'everwarm_order_rejects_total{venue="binance",reason="final"}': "0x4 9x60",
       'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 20x60"}, {"venue": "binance"},
      {'everwarm_order_rejects_total{venue="binance",reason="final"}': "0x4 9x60",
       'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 200x60"}, at=600)
alert("OrdersUnknown", PAGE, "2m", "everwarm_orders_unknown > 0",
      "Orders at " + NAMED % "venue" + " are of unknown fate",
      "They were sent without a clear answer. The venue is asked until it proves what became of them; none is sent again on a guess.",
      {'everwarm_orders_unknown{venue="binance"}': "1x40"}, {"venue": "binance"},
      {'everwarm_orders_unknown{venue="binance"}': "1x6 0x40"})
alert("ExitRefused", PAGE, "1m", 'everwarm_exits_owed{state="refused"} > 0',
      "An exit is refused again and again",
      "The venue refused three requests or more for the same reason. `everwarm status` names the exit and the reason.",
      {'everwarm_exits_owed{state="refused"}': "1x40"}, {"state": "refused"},
      {'everwarm_exits_owed{state="refused"}': "0x40"})
alert("ExitLate", WARN, "10m", "everwarm_exit_owed_age_seconds > 600",
      "An exit has been owed for more than 10 minutes",
      "It was decided and is not done. `everwarm status` names the exit and what it waits for.",
      {'everwarm_exit_owed_age_seconds': "700+60x40"}, {},
      {'everwarm_exit_owed_age_seconds': "0x40"})
alert("SubmitSlow", WARN, "5m",
      "histogram_quantile(0.95, sum by (job, instance, venue, le)"
      ' (rate(everwarm_order_roundtrip_seconds_bucket{op="submit"}[10m]))) > 2'
      " and on (job, instance, venue) sum by (job, instance, venue)"
      ' (increase(everwarm_order_roundtrip_seconds_count{op="submit"}[10m])) > 5',
      "Orders at " + NAMED % "venue" + " take more than 2 s to be answered",
      "1 of 20 submissions takes so long: the venue or the way to it is slow.",
      {'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="2"}': "0x90",
       'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="5"}': "0+1x90",
       'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="+Inf"}': "0+1x90",
       'everwarm_order_roundtrip_seconds_count{venue="binance",op="submit"}': "0+1x90"},
      {"venue": "binance"},
      {'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="2"}': "0+1x90",
       'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="5"}': "0+1x90",
       'everwarm_order_roundtrip_seconds_bucket{venue="binance",op="submit",le="+Inf"}': "0+1x90",
       'everwarm_order_roundtrip_seconds_count{venue="binance",op="submit"}': "0+1x90"}, at=1200)
alert("SignalsWithoutOrders", WARN, "",
      "sum by (job, instance) (increase(everwarm_strategy_signals_total[30m])) >= 5"
      ' and sum by (job, instance) (increase(everwarm_orders_total{outcome="sent"}[30m])) == 0'
      " and sum by (job, instance) (everwarm_trading_halted) == 0",
      "Signals but no orders on {{ $labels.instance }}",
      "Strategies wish, trading is not halted, and nothing was sent for 30 minutes: everwarm_risk_checks_total says which rule declines, `everwarm why-not SYMBOL` why.",
      {'everwarm_strategy_signals_total{strategy="sma_cross",side="buy"}': "0x4 9x140",
       'everwarm_orders_total{side="buy",outcome="sent"}': "3x144",
       'everwarm_trading_halted{reason="limit"}': "0x144"}, {},
      {'everwarm_strategy_signals_total{strategy="sma_cross",side="buy"}': "0x4 9x140",
       'everwarm_orders_total{side="buy",outcome="sent"}': "3x9 4x135",
       'everwarm_trading_halted{reason="limit"}': "0x144"}, at=1200)
alert("OrdersWithoutFills", WARN, "",
      'sum by (job, instance) (increase(everwarm_orders_total{outcome="sent"}[30m])) >= 5'
      " and sum by (job, instance) (increase(everwarm_fills_total[30m])) == 0",
      "Orders but no fills on {{ $labels.instance }}",
      "At least 5 orders were sent within 30 minutes, and none was filled: rejected, not reported, or priced away.",
      {'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 9x140",
       'everwarm_fills_total{side="buy",liquidity="taker"}': "3x144"}, {},
      {'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 9x140",
       'everwarm_fills_total{side="buy",liquidity="taker"}': "3x9 4x135"}, at=1200)
alert("PositionsUnprotected", PAGE, "5m", "everwarm_positions_unprotected > 0",
      "Positions on {{ $labels.instance }} cannot be left",
      "They have no exit now; `everwarm doctor` says which and why, and the command that sells them.",
      {"everwarm_positions_unprotected": "1x60"}, {},
      {"everwarm_positions_unprotected": "1x10 0x50"}, at=600)
alert("Quarantined", PAGE, "", "everwarm_quarantined > 0",
      "An input was set aside on {{ $labels.instance }} ({{ $labels.effect }})",
      "A stage failed three times at it. `everwarm quarantine list` says which; it stays until an operator decides.",
      {'everwarm_quarantined{effect="stopped"}': "1x40"}, {"effect": "stopped"},
      {'everwarm_quarantined{effect="stopped"}': "0x40"})
alert("RiskLimitNear", WARN, "1m", "everwarm_risk_limit_used_ratio >= 0.9",
      "Limit " + NAMED % "limit" + " is nearly used up",
      "At 1 nothing new is begun: what is sold goes on.",
      {'everwarm_risk_limit_used_ratio{limit="positions"}': "0.95x40"}, {"limit": "positions"},
      {'everwarm_risk_limit_used_ratio{limit="positions"}': "0.85x40"})
alert("Drawdown", PAGE, "", "everwarm_drawdown_ratio > (everwarm_drawdown_alarm_ratio > 0)",
      "The account on {{ $labels.instance }} has fallen further below its highest value than it may unnoticed",
      "How far is risk.alarm_drawdown_percent of the configuration, which may change while it trades. Nothing is held back by it: `everwarm halt` is yours.",
      {"everwarm_drawdown_ratio": "0.06x40", "everwarm_drawdown_alarm_ratio": "0.05x40"}, {},
      {"everwarm_drawdown_ratio": "0.12x40", "everwarm_drawdown_alarm_ratio": "0x10 0.15x30"}, at=300)
alert("TradingHalted", PAGE, "", 'everwarm_trading_halted{reason!="operator"} == 1',
      "Trading on {{ $labels.instance }} is halted: {{ $labels.reason }}",
      "Nothing new is begun, and not because an operator said so; `everwarm status` says why.",
      {'everwarm_trading_halted{reason="limit"}': "1x40"}, {"reason": "limit"},
      {'everwarm_trading_halted{reason="operator"}': "1x40"})
alert("LedgerViolation", PAGE, "", "everwarm_ledger_violations_total > 0",
      "The books on {{ $labels.instance }} hold a position that cannot be ({{ $labels.check }})",
      "Less than nothing is held, or nothing at a cost: a bug. Halt, and keep a backup for whoever looks into it.",
      {'everwarm_ledger_violations_total{check="cost"}': "1x40"}, {"check": "cost"},
      {'everwarm_ledger_violations_total{check="cost"}': "0x40"})
alert("ReconcileFailing", PAGE, "5m", None,
      "The account at " + NAMED % "venue" + " does not agree with the books, or was not compared",
      "Trading is refused while it differs: `everwarm reconcile` shows both sides, `resolve` decides. Or it could not be compared for three times venue.compare_account_s and a minute: `everwarm status` says why.",
      {}, {}, {'everwarm_reconcile_mismatches{venue="binance"}': "2x10 0x50",
               'everwarm_reconcile_last_success_timestamp_seconds{venue="binance"}': "5x60"}, at=600)
AT_BINANCE = {"venue": "binance"}
branch("ReconcileFailing", "everwarm_reconcile_mismatches > 0",
       {'everwarm_reconcile_mismatches{venue="binance"}': "2x60"}, AT_BINANCE, at=600)
branch("ReconcileFailing", "everwarm_reconcile_last_success_timestamp_seconds == 0",
       {'everwarm_reconcile_last_success_timestamp_seconds{venue="binance"}': "0x60"}, AT_BINANCE, at=600)
# Compared at 5 s for the last time: with 300 s between, that is late from 965 s on, and told after five minutes.
SINCE_5 = {'everwarm_reconcile_mismatches{venue="binance"}': "0x120",
           'everwarm_reconcile_last_success_timestamp_seconds{venue="binance"}': "5x120"}
LATE = dict(SINCE_5, **{'everwarm_reconcile_period_seconds{venue="binance"}': "300x120"})
branch("ReconcileFailing",
       "time() - everwarm_reconcile_last_success_timestamp_seconds"
       " > 3 * (everwarm_reconcile_period_seconds > 0) + 60", LATE, AT_BINANCE, at=1290)
misses("ReconcileFailing", LATE, at=1245)
misses("ReconcileFailing", dict(SINCE_5, **{'everwarm_reconcile_period_seconds{venue="binance"}': "0x120"}),
       at=1790)
alert("StoreStuck", PAGE, "15s", "everwarm_store_uncommitted_seconds > 2",
      "The disk of {{ $labels.instance }} takes nothing",
      "Facts wait for it: no new risk is sent after 2 s, and after 30 s the process ends (exit code 13).",
      {"everwarm_store_uncommitted_seconds": "5x40"}, {},
      {"everwarm_store_uncommitted_seconds": "5x0 1x40"})
alert("DiskFilling", WARN, "30m", None,
      "The disk of {{ $labels.instance }} is filling",
      "It will be full within a day, or has less than 1 GB left. A full disk ends the process (exit code 11).",
      {}, {}, {"everwarm_store_disk_free_bytes": "2e9x400"}, at=3600)
# 50 GB, and 10 MB less at each look: that is 58 GB a day; a tenth of it is not.
branch("DiskFilling", "predict_linear(everwarm_store_disk_free_bytes[1h], 24 * 3600) < 0",
       {"everwarm_store_disk_free_bytes": "50000000000-10000000x400"}, {}, at=3600)
misses("DiskFilling", {"everwarm_store_disk_free_bytes": "50000000000-1000000x400"}, at=3600)
branch("DiskFilling", "everwarm_store_disk_free_bytes < 1e9",
       {"everwarm_store_disk_free_bytes": "5e8x400"}, {}, at=3600)
alert("ConfigReloadFailed", WARN, "1m", "everwarm_config_last_reload_successful == 0",
      "The last reload of the configuration on {{ $labels.instance }} was refused",
      "What was in force before still is. `everwarm config reloads` says what is in the way.",
      {"everwarm_config_last_reload_successful": "0x40"}, {},
      {"everwarm_config_last_reload_successful": "0x3 1x40"})
alert("ConfigRollbackFailed", PAGE, "",
      'increase(everwarm_config_reloads_total{result="rollback_failed"}[1h]) > 0',
      "A configuration on {{ $labels.instance }} could not be rolled back",
      "What was in force before was refused, so the present configuration stays in force, whole; `everwarm config reloads` says why.",
      {'everwarm_config_reloads_total{trigger="api",result="rollback_failed"}': "0x4 1x40"},
      {"trigger": "api", "result": "rollback_failed"},
      {'everwarm_config_reloads_total{trigger="api",result="rolled_back"}': "0x4 1x40"}, at=300)
alert("RestartPending", WARN, "24h", "everwarm_config_restart_pending == 1",
      "everwarm on {{ $labels.instance }} waits for a restart since yesterday",
      "The configuration holds a change that takes one: no reload is applied before it.",
      {"everwarm_config_restart_pending": "1x6000"}, {},
      {"everwarm_config_restart_pending": "1x5000 0x1000"}, at=87000)
alert("MessagesFailing", WARN, "", "everwarm_messages_failing_seconds > 600",
      "Nothing is told to {{ $labels.receiver }} by {{ $labels.instance }}",
      "It takes nothing for ten minutes; what is due waits, and is told when it does.",
      {'everwarm_messages_failing_seconds{receiver="webhook"}': "700x40"}, {"receiver": "webhook"},
      {'everwarm_messages_failing_seconds{receiver="webhook"}': "500x40"})
alert("MessagesRefused", WARN, "", "everwarm_messages_refused > 0",
      "{{ $labels.receiver }} refused messages of {{ $labels.instance }} for good",
      "They are kept and sent once more at the next start; `everwarm doctor` says what it answered.",
      {'everwarm_messages_refused{receiver="webhook"}': "1x40"}, {"receiver": "webhook"},
      {'everwarm_messages_refused{receiver="webhook"}': "0x40"})
alert("RuntimeLag", WARN, "5m",
      "histogram_quantile(0.99, sum by (job, instance, le)"
      " (rate(everwarm_tokio_timer_lag_seconds_bucket[5m]))) > 0.25",
      "The runtime of {{ $labels.instance }} is late",
      "1 of 100 timers fires more than 250 ms late: the machine is too small or something holds a thread.",
      {'everwarm_tokio_timer_lag_seconds_bucket{le="0.25"}': "0x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="0.5"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="+Inf"}': "0+9x90"}, {},
      {'everwarm_tokio_timer_lag_seconds_bucket{le="0.1"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="0.25"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="+Inf"}': "0+9x90"}, at=900)
alert("Panicked", WARN, "", 'everwarm_panics_total{place="hook"} > 0',
      "Something in everwarm on {{ $labels.instance }} panicked",
      "A bug: an actor is started again, a task is gone. The log has the place; please report it.",
      {'everwarm_panics_total{place="hook"}': "1x40"}, {"place": "hook"},
      {'everwarm_panics_total{place="actor"}': "1x40", 'everwarm_panics_total{place="hook"}': "0x40"})
alert("FdsLow", WARN, "10m", "process_open_fds{job=\"everwarm\"} / process_max_fds > 0.8",
      "everwarm on {{ $labels.instance }} runs out of descriptors",
      "Four fifths of those it may have are open.",
      {"process_open_fds": "900x80", "process_max_fds": "1000x80"}, {},
      {"process_open_fds": "700x80", "process_max_fds": "1000x80"}, at=900)
alert("LogDropping", WARN, "", "increase(everwarm_log_suppressed_total[10m]) > 100",
      "everwarm on {{ $labels.instance }} says the same again and again",
      "More than 100 lines were held back in 10 minutes because they repeat themselves.",
      {"everwarm_log_suppressed_total": "0x4 300x60"}, {},
      {"everwarm_log_suppressed_total": "0x4 50x60"}, at=600)


def quoted(text):
    return json.dumps(text)


def runbook(a):
    return RUNBOOK + "#" + a["name"].lower()


def expression(a):
    return " or ".join(one["expr"] for one in a["branches"])


def rules(alerts=ALERTS):
    lines = ["# Written by scripts/make_alerts.py; docs/RUNBOOK.md says what to do about each.",
             "groups:", "  - name: everwarm", "    rules:"]
    for a in alerts:
        lines += ["      - alert: " + a["name"], "        expr: " + quoted(expression(a))]
        if a["wait"]:
            lines.append("        for: " + a["wait"])
        lines += ["        labels:", "          severity: " + a["severity"],
                  "        annotations:",
                  "          summary: " + quoted(a["summary"]),
                  "          description: " + quoted(a["description"]),
                  "          runbook_url: " + quoted(runbook(a))]
    return "\n".join(lines) + "\n"


def series(name):
    """The series with the labels every one has, but for those it says itself."""
    metric, _, own = name.partition("{")
    own = own.rstrip("}")
    known = ['%s="%s"' % item for item in FIXED.items() if item[0] + "=" not in own]
    return "%s{%s}" % (metric, ",".join(known + [own] * bool(own)))


def case(a, values, at, expected=None):
    """What becomes of an alert by these series: labels of the branch that fires it, or none does."""
    at = at or seconds(a["wait"]) + 4 * STEP
    lines = ["  - name: " + quoted(a["name"] + (", a near miss" if expected is None else " fires")),
             "    interval: %ds" % STEP, "    input_series:"]
    for name, text in values.items():
        lines += ["      - series: " + quoted(series(name)), "        values: " + quoted(text)]
    lines += ["    alert_rule_test:", "      - eval_time: %ds" % at, "        alertname: " + a["name"]]
    if expected is None:
        return lines + ["        exp_alerts: []"]
    labels = dict(FIXED, severity=a["severity"], **{k: v for k, v in expected.items() if k not in FIXED})
    labels = {k: v for k, v in labels.items() if expected.get(k, v) is not None}

    def said(text):
        with_label = r"\{\{ with \$labels\.(\w+) \}\}(.*?)\{\{ \. \}\}(.*?)\{\{ end \}\}"
        text = re.sub(with_label, lambda m: m[2] + labels[m[1]] + m[3] if m[1] in labels else "", text)
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda m: labels[m.group(1)], text)

    lines += ["        exp_alerts:", "          - exp_labels:"]
    lines += ["              %s: %s" % (k, quoted(v)) for k, v in sorted(labels.items())]
    lines += ["            exp_annotations:",
              "              summary: " + quoted(said(a["summary"])),
              "              description: " + quoted(said(a["description"])),
              "              runbook_url: " + quoted(runbook(a))]
    return lines


def tests(alerts=ALERTS, rules="alerts.yml"):
    lines = ["# Written by scripts/make_alerts.py: each alert, and a near miss.",
             "rule_files: [%s]" % rules, "evaluation_interval: %ds" % STEP, "tests:"]
    for a in alerts:
        for one in a["branches"]:
            lines += case(a, one["fires"], one["at"], one["labels"])
        for values, at in a["misses"]:
            lines += case(a, values, at)
    return "\n".join(lines) + "\n"


def alone(folder):
    """Each branch of an `or` as a rule of its own, with its own case."""
    several = [(a, at) for a in ALERTS if len(a["branches"]) > 1 for at in range(len(a["branches"]))]
    for a, at in several:
        only = [dict(a, branches=[a["branches"][at]])]
        name = "%s_%d" % (a["name"].lower(), at + 1)
        (folder / (name + ".yml")).write_text(rules(only))
        (folder / (name + "_test.yml")).write_text(tests(only, name + ".yml"))


def main():
    if "--branches" in sys.argv[1:-1]:
        return alone(pathlib.Path(sys.argv[-1]))
    stale = []
    for name, text in (("rules/alerts.yml", rules()), ("rules/alerts_test.yml", tests())):
        path = ROOT / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit("out of date: %s; scripts/make_alerts.py writes them anew" % ", ".join(stale))


if __name__ == "__main__":
    main()
