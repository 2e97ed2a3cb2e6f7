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
      "everwarm{{ with $labels.instance }} on {{ . }}{{ end }} does not respond",
      "Prometheus cannot read /metrics: the daemon, its host or the network is down. If the summary names no host, Prometheus has no target for the job.",
      {}, {}, {"up": "1x40"})
branch("Down", 'up{job="everwarm"} == 0', {"up": "0x40"}, {})
branch("Down", 'absent(up{job="everwarm"})', {'up{job="other"}': "1x40"}, {"instance": None})
alert("NotReady", PAGE, "3m", "everwarm_ready == 0",
      "everwarm on {{ $labels.instance }} is not ready to trade",
      "A condition of readiness does not hold. everwarm_ready_check shows which one, `everwarm status` shows why.",
      {"everwarm_ready": "0x40"}, {}, {"everwarm_ready": "0x8 1x30"})
alert("CrashLoop", PAGE, "", 'changes(process_start_time_seconds{job="everwarm"}[15m]) >= 3',
      "everwarm on {{ $labels.instance }} restarted 3 times in 15 minutes",
      "Each start continues where the last run ended, but the process ends again. Read the log and the exit code.",
      {"process_start_time_seconds": "10x8 20x8 30x8 40x40"}, {},
      {"process_start_time_seconds": "10x8 20x8 30x48"}, at=600)
# Many programs of a shared Prometheus say when they were started.
misses("CrashLoop", {'process_start_time_seconds{job="other"}': "10x8 20x8 30x8 40x40",
                     "process_start_time_seconds": "10x80"}, at=600)
alert("ActorRestarting", WARN, "",
      'sum by (job, instance, actor) (increase(everwarm_actor_restarts_total{reason!~"injected|sibling|supervisor"}[10m]))'
      " > 3",
      "Actor " + NAMED % "actor" + " was restarted more than 3 times in 10 minutes",
      "The actor works after each restart, but it keeps failing. `everwarm tree` shows its last failure.",
      {'everwarm_actor_restarts_total{actor="feed",reason="error"}': "0x4 5x60"}, {"actor": "feed"},
      {'everwarm_actor_restarts_total{actor="feed",reason="injected"}': "0x4 9x60",
       'everwarm_actor_restarts_total{actor="feed",reason="error"}': "0x4 2x60"}, at=600)
alert("ActorDown", PAGE, "1m", "everwarm_actor_alive == 0",
      "Actor " + NAMED % "actor" + " is down",
      "Its supervisor stopped it, or it does not start. A branch that only observes is retried every minute.",
      {'everwarm_actor_alive{actor="feed"}': "0x40"}, {"actor": "feed"},
      {'everwarm_actor_alive{actor="feed"}': "0x3 1x40"})
alert("ActorStalled", PAGE, "1m",
      "everwarm_actor_mailbox_messages > 0 and on (job, instance, actor)"
      " time() - everwarm_actor_last_message_timestamp_seconds > 60",
      "Actor " + NAMED % "actor" + " does not handle its messages",
      "Messages have waited for 60 s. A handler hangs, or the stage waits for another one.",
      {'everwarm_actor_mailbox_messages{actor="closer"}': "3x40",
       'everwarm_actor_last_message_timestamp_seconds{actor="closer"}': "0x40"}, {"actor": "closer"},
      {'everwarm_actor_mailbox_messages{actor="closer"}': "0x40",
       'everwarm_actor_last_message_timestamp_seconds{actor="closer"}': "0x40"}, at=240)
alert("MailboxGrowing", WARN, "2m",
      "everwarm_actor_mailbox_messages > 1000 and deriv(everwarm_actor_mailbox_messages[5m]) > 0",
      "The mailbox of " + NAMED % "actor" + " grows",
      "More than 1,000 messages wait, and the number rises. The actor is slower than its senders.",
      {'everwarm_actor_mailbox_messages{actor="closer"}': "900+50x60"}, {"actor": "closer"},
      {'everwarm_actor_mailbox_messages{actor="closer"}': "3000-10x60"}, at=600)
alert("MailboxSlow", WARN, "5m",
      "histogram_quantile(0.99, sum by (job, instance, actor, le)"
      " (rate(everwarm_actor_mailbox_wait_seconds_bucket[5m]))) > 1"
      " and on (job, instance, actor) sum by (job, instance, actor)"
      " (increase(everwarm_actor_mailbox_wait_seconds_count[5m])) > 20",
      "Messages of " + NAMED % "actor" + " wait for more than a second",
      "1 of 100 messages waits longer than 1 s. The runtime is late or the actor is slow.",
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
      "After a few more restarts within its period it stops the branch or gives up.",
      {'everwarm_supervisor_intensity_ratio{supervisor="bars"}': "0.8x40"}, {"supervisor": "bars"},
      {'everwarm_supervisor_intensity_ratio{supervisor="bars"}': "0.6x40"})
alert("SupervisorEscalated", PAGE, "", "increase(everwarm_supervisor_escalations_total[10m]) > 0",
      "Supervisor " + NAMED % "supervisor" + " gave up",
      "A child exceeded its restart budget. The supervisor failed its parent; at the root the process ends.",
      {'everwarm_supervisor_escalations_total{supervisor="bars"}': "0x4 1x40"}, {"supervisor": "bars"},
      {'everwarm_supervisor_escalations_total{supervisor="bars"}': "1x44"}, at=300)
alert("FeedDown", PAGE, "1m", "everwarm_feed_connected == 0",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " is not connected",
      "The daemon reconnects automatically and fetches what it missed. Orders need the private stream.",
      {'everwarm_feed_connected{venue="binance",stream="market"}': "0x40"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_connected{venue="binance",stream="market"}': "0x3 1x40"})
alert("FeedSilent", PAGE, "1m",
      'time() - everwarm_feed_last_event_timestamp_seconds{stream="market"} > 60'
      " and on (job, instance, venue, stream) everwarm_feed_connected == 1",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " is silent",
      "The stream is connected, but no data arrived for 60 s. Strategies get no bars.",
      {'everwarm_feed_last_event_timestamp_seconds{venue="binance",stream="market"}': "0x40",
       'everwarm_feed_connected{venue="binance",stream="market"}': "1x40"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_last_event_timestamp_seconds{venue="binance",stream="market"}': "0+15x40",
       'everwarm_feed_connected{venue="binance",stream="market"}': "1x40"}, at=240)
alert("FeedFlapping", WARN, "",
      "sum by (job, instance, venue, stream) (increase(everwarm_feed_reconnects_total[15m])) > 5",
      "The {{ $labels.stream }} stream of " + NAMED % "venue" + " keeps disconnecting",
      "More than 5 connections were lost in 15 minutes. Check the network, the venue and its limits.",
      {'everwarm_feed_reconnects_total{venue="binance",stream="market",reason="closed"}': "0x4 7x60"},
      {"venue": "binance", "stream": "market"},
      {'everwarm_feed_reconnects_total{venue="binance",stream="market",reason="closed"}': "0x4 4x60"},
      at=600)
alert("StaleSymbols", WARN, "5m",
      "everwarm_feed_stale_symbols / (everwarm_feed_symbols > 0) > 0.05",
      "More than 5 % of the symbols on {{ $labels.instance }} are stale",
      "Their newest bars are older than trading.stale_s, so they get no entries. everwarm_feed_symbol_age_seconds shows which symbols.",
      {"everwarm_feed_stale_symbols": "30x60", "everwarm_feed_symbols": "300x60"}, {},
      {"everwarm_feed_stale_symbols": "15x60", "everwarm_feed_symbols": "300x60"}, at=600)
alert("BarsRefused", WARN, "", 'increase(everwarm_bars_odd_total{what="refused"}[10m]) > 0',
      "{{ $labels.instance }} refused bars",
      "The venue's records contradict bars of its stream, or the values are out of range. `everwarm doctor` names the symbols.",
      {'everwarm_bars_odd_total{what="refused"}': "0x4 1x40"}, {"what": "refused"},
      {'everwarm_bars_odd_total{what="confirmed"}': "0x4 1x40"}, at=300)
alert("OrderRejects", WARN, "",
      "sum by (job, instance, venue) (increase(everwarm_order_rejects_total[10m])) >= 5"
      " and on (job, instance) sum by (job, instance) (increase(everwarm_order_rejects_total[10m]))"
      ' / (sum by (job, instance) (increase(everwarm_orders_total{outcome="sent"}[10m])) > 0) > 0.1',
      "Venue " + NAMED % "venue" + " rejects more than a tenth of the requests",
      "The venue rejected at least 5 requests in 10 minutes. `everwarm orders` and `everwarm explain ID` show why.",
      {'everwarm_order_rejects_total{venue="binance",reason="final"}': "0x4 9x60",
       'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 20x60"}, {"venue": "binance"},
      {'everwarm_order_rejects_total{venue="binance",reason="final"}': "0x4 9x60",
       'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 200x60"}, at=600)
alert("OrdersUnknown", PAGE, "2m", "everwarm_orders_unknown > 0",
      "Orders with unknown status at " + NAMED % "venue",
      "The venue gave no clear response to these orders. The daemon queries them until their status is proved. It does not send them again on a guess.",
      {'everwarm_orders_unknown{venue="binance"}': "1x40"}, {"venue": "binance"},
      {'everwarm_orders_unknown{venue="binance"}': "1x6 0x40"})
alert("ExitRefused", PAGE, "1m", 'everwarm_exits_owed{state="refused"} > 0',
      "The venue keeps rejecting an exit",
      "The venue rejected at least three requests for the same reason. `everwarm status` shows the exit and the reason.",
      {'everwarm_exits_owed{state="refused"}': "1x40"}, {"state": "refused"},
      {'everwarm_exits_owed{state="refused"}': "0x40"})
alert("ExitLate", WARN, "10m", "everwarm_exit_owed_age_seconds > 600",
      "An exit has been owed for more than 10 minutes",
      "It was decided and is not filled. `everwarm status` shows the exit and what it waits for.",
      {'everwarm_exit_owed_age_seconds': "700+60x40"}, {},
      {'everwarm_exit_owed_age_seconds': "0x40"})
alert("SubmitSlow", WARN, "5m",
      "histogram_quantile(0.95, sum by (job, instance, venue, le)"
      ' (rate(everwarm_order_roundtrip_seconds_bucket{op="submit"}[10m]))) > 2'
      " and on (job, instance, venue) sum by (job, instance, venue)"
      ' (increase(everwarm_order_roundtrip_seconds_count{op="submit"}[10m])) > 5',
      "Orders at " + NAMED % "venue" + " take more than 2 s",
      "1 of 20 submissions takes longer than 2 s. The venue or the network is slow.",
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
      "Strategies signal and trading is not halted, but no order was sent for 30 minutes. everwarm_risk_checks_total shows which rule declines, `everwarm why-not SYMBOL` shows why.",
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
      "At least 5 orders were sent within 30 minutes and none was filled. `everwarm orders` shows their states.",
      {'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 9x140",
       'everwarm_fills_total{side="buy",liquidity="taker"}': "3x144"}, {},
      {'everwarm_orders_total{side="buy",outcome="sent"}': "0x4 9x140",
       'everwarm_fills_total{side="buy",liquidity="taker"}': "3x9 4x135"}, at=1200)
alert("LotWithoutStop", PAGE, "", 'everwarm_lots_unprotected{reason="no-order"} > 0',
      "A lot on {{ $labels.instance }} has no stop order at the venue",
      "For at least 3 s it has had none, although the venue takes one. `everwarm lots` shows which, `everwarm orders` why.",
      {'everwarm_lots_unprotected{reason="no-order"}': "1x40"}, {"reason": "no-order"},
      {'everwarm_lots_unprotected{reason="no-order"}': "0x40"})
alert("PositionsUnprotected", PAGE, "5m", "everwarm_positions_unprotected > 0",
      "Positions on {{ $labels.instance }} cannot be closed",
      "No exit order can be sent for them now. `everwarm doctor` names them, the reason, and the command that sells them.",
      {"everwarm_positions_unprotected": "1x60"}, {},
      {"everwarm_positions_unprotected": "1x10 0x50"}, at=600)
alert("Quarantined", PAGE, "", "everwarm_quarantined > 0",
      "An input is quarantined on {{ $labels.instance }} ({{ $labels.effect }})",
      "A stage failed at it three times. `everwarm quarantine list` shows it. Retry or drop it.",
      {'everwarm_quarantined{effect="stopped"}': "1x40"}, {"effect": "stopped"},
      {'everwarm_quarantined{effect="stopped"}': "0x40"})
alert("RiskLimitNear", WARN, "1m", "everwarm_risk_limit_used_ratio >= 0.9",
      "Limit " + NAMED % "limit" + " is nearly used up",
      "At 1 the daemon sends no entries. Exits continue.",
      {'everwarm_risk_limit_used_ratio{limit="positions"}': "0.95x40"}, {"limit": "positions"},
      {'everwarm_risk_limit_used_ratio{limit="positions"}': "0.85x40"})
alert("Drawdown", PAGE, "", "everwarm_drawdown_ratio > (everwarm_drawdown_alarm_ratio > 0)",
      "The drawdown on {{ $labels.instance }} is above its alarm level",
      "The level is risk.alarm_drawdown_percent; a reload can change it. The alert stops nothing. To stop entries: `everwarm halt --reason TEXT`.",
      {"everwarm_drawdown_ratio": "0.06x40", "everwarm_drawdown_alarm_ratio": "0.05x40"}, {},
      {"everwarm_drawdown_ratio": "0.12x40", "everwarm_drawdown_alarm_ratio": "0x10 0.15x30"}, at=300)
alert("TradingHalted", PAGE, "", 'everwarm_trading_halted{reason!="operator"} == 1',
      "Trading on {{ $labels.instance }} is halted: {{ $labels.reason }}",
      "The daemon sends no entries, and no operator requested that. `everwarm status` shows why.",
      {'everwarm_trading_halted{reason="limit"}': "1x40"}, {"reason": "limit"},
      {'everwarm_trading_halted{reason="operator"}': "1x40"})
alert("LedgerViolation", PAGE, "", "everwarm_ledger_violations_total > 0",
      "The books on {{ $labels.instance }} hold an impossible position ({{ $labels.check }})",
      "A quantity is negative, or a cost has no quantity. This is a bug. Halt, make a backup, and report it.",
      {'everwarm_ledger_violations_total{check="cost"}': "1x40"}, {"check": "cost"},
      {'everwarm_ledger_violations_total{check="cost"}': "0x40"})
alert("ReconcileFailing", PAGE, "5m", None,
      "The account at " + NAMED % "venue" + " differs from the books, or was not compared",
      "While they differ, the daemon refuses to trade: `everwarm reconcile` shows both sides, `everwarm resolve` accepts one. Or no comparison succeeded for three times venue.compare_account_s plus a minute: `everwarm status` shows why.",
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
      "The disk of {{ $labels.instance }} does not accept writes",
      "Facts wait to be written. After 2 s the daemon sends no entries; after 30 s it ends with exit code 13.",
      {"everwarm_store_uncommitted_seconds": "5x40"}, {},
      {"everwarm_store_uncommitted_seconds": "5x0 1x40"})
alert("DiskFilling", WARN, "30m", None,
      "The disk of {{ $labels.instance }} is nearly full",
      "It will be full within a day, or less than 1 GB is free. A full disk ends the daemon with exit code 11.",
      {}, {}, {"everwarm_store_disk_free_bytes": "2e9x400"}, at=3600)
# 50 GB, and 10 MB less at each look: that is 58 GB a day; a tenth of it is not.
branch("DiskFilling", "predict_linear(everwarm_store_disk_free_bytes[1h], 24 * 3600) < 0",
       {"everwarm_store_disk_free_bytes": "50000000000-10000000x400"}, {}, at=3600)
misses("DiskFilling", {"everwarm_store_disk_free_bytes": "50000000000-1000000x400"}, at=3600)
branch("DiskFilling", "everwarm_store_disk_free_bytes < 1e9",
       {"everwarm_store_disk_free_bytes": "5e8x400"}, {}, at=3600)
alert("StorageEmergency", WARN, "", "everwarm_storage_emergency > 0",
      "{{ $labels.instance }} keeps less data, because its disk or its limit was nearly full",
      "An emergency of storage has begun, and nobody has lifted it. `everwarm storage emergency` shows what was removed. Orders, fills and positions stay.",
      {"everwarm_storage_emergency": "1x40"}, {}, {"everwarm_storage_emergency": "0x40"})
alert("StorageExhausted", PAGE, "", "everwarm_storage_emergency == 3",
      "{{ $labels.instance }} can free no more space",
      "All steps of the emergency of storage were carried out, and the space is still too little. A full disk ends the daemon with exit code 11.",
      {"everwarm_storage_emergency": "3x40"}, {}, {"everwarm_storage_emergency": "2x40"})
alert("ConfigReloadFailed", WARN, "1m", "everwarm_config_last_reload_successful == 0",
      "The last configuration reload on {{ $labels.instance }} failed",
      "The earlier configuration stays in force. `everwarm config reloads` shows the reason.",
      {"everwarm_config_last_reload_successful": "0x40"}, {},
      {"everwarm_config_last_reload_successful": "0x3 1x40"})
alert("ConfigRollbackFailed", PAGE, "",
      'increase(everwarm_config_reloads_total{result="rollback_failed"}[1h]) > 0',
      "A configuration rollback on {{ $labels.instance }} failed",
      "The earlier configuration was refused, so the present one stays in force. `everwarm config reloads` shows the reason.",
      {'everwarm_config_reloads_total{trigger="api",result="rollback_failed"}': "0x4 1x40"},
      {"trigger": "api", "result": "rollback_failed"},
      {'everwarm_config_reloads_total{trigger="api",result="rolled_back"}': "0x4 1x40"}, at=300)
alert("RestartPending", WARN, "24h", "everwarm_config_restart_pending == 1",
      "everwarm on {{ $labels.instance }} has waited for a restart for 24 hours",
      "The configuration holds a change that needs a restart. Until then every reload is refused.",
      {"everwarm_config_restart_pending": "1x6000"}, {},
      {"everwarm_config_restart_pending": "1x5000 0x1000"}, at=87000)
alert("MessagesFailing", WARN, "", "everwarm_messages_failing_seconds > 600",
      "{{ $labels.receiver }} accepts no messages of {{ $labels.instance }}",
      "The receiver has failed for ten minutes. Messages wait and are sent when it works again.",
      {'everwarm_messages_failing_seconds{receiver="webhook"}': "700x40"}, {"receiver": "webhook"},
      {'everwarm_messages_failing_seconds{receiver="webhook"}': "500x40"})
alert("MessagesRefused", WARN, "", "everwarm_messages_refused > 0",
      "{{ $labels.receiver }} rejected messages of {{ $labels.instance }}",
      "The messages are kept, and the next start sends them once more. `everwarm doctor` shows the response of the receiver.",
      {'everwarm_messages_refused{receiver="webhook"}': "1x40"}, {"receiver": "webhook"},
      {'everwarm_messages_refused{receiver="webhook"}': "0x40"})
alert("SelfReplayDiffers", WARN, "", "everwarm_self_replay_differences > 0",
      "The decisions of a day on {{ $labels.instance }} differ from its journal",
      "The daemon repeated the decisions of the last day and got others. `everwarm replay DATE` lists them, `everwarm doctor` names the day.",
      {"everwarm_self_replay_differences": "1x40"}, {}, {"everwarm_self_replay_differences": "0x40"})
alert("SelfReplayFailed", WARN, "", "everwarm_self_replay_successful == 0",
      "{{ $labels.instance }} could not repeat the decisions of the last day",
      "Trading goes on. `everwarm doctor` shows the reason.",
      {"everwarm_self_replay_successful": "0x40"}, {}, {"everwarm_self_replay_successful": "1x40"})
alert("DominanceOld", WARN, "", "everwarm_dominance_age_seconds > 7200",
      "{{ $labels.source }} has no new dominance for {{ $labels.instance }}",
      "The newest sample is older than two hours, so hourly bars of the dominance are missing. Trading goes on. `everwarm doctor` shows why the source fails.",
      {'everwarm_dominance_age_seconds{source="coingecko"}': "7300x40"}, {"source": "coingecko"},
      {'everwarm_dominance_age_seconds{source="coingecko"}': "7100x40"})
alert("TokenPricesOld", WARN, "", "everwarm_token_price_age_seconds > 7200",
      "{{ $labels.source }} has no new price of a token for {{ $labels.instance }}",
      "The newest price of a token of the registry is older than two hours, and cannot be fetched again. Trading goes on. `everwarm doctor` names the token and the reason.",
      {'everwarm_token_price_age_seconds{source="geckoterminal"}': "7300x40"}, {"source": "geckoterminal"},
      {'everwarm_token_price_age_seconds{source="geckoterminal"}': "7100x40"})
alert("RuntimeLag", WARN, "5m",
      "histogram_quantile(0.99, sum by (job, instance, le)"
      " (rate(everwarm_tokio_timer_lag_seconds_bucket[5m]))) > 0.25",
      "The runtime of {{ $labels.instance }} is late",
      "1 of 100 timers fires more than 250 ms late. The machine is too small or a task blocks a thread.",
      {'everwarm_tokio_timer_lag_seconds_bucket{le="0.25"}': "0x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="0.5"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="+Inf"}': "0+9x90"}, {},
      {'everwarm_tokio_timer_lag_seconds_bucket{le="0.1"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="0.25"}': "0+9x90",
       'everwarm_tokio_timer_lag_seconds_bucket{le="+Inf"}': "0+9x90"}, at=900)
alert("Panicked", WARN, "", 'everwarm_panics_total{place="hook"} > 0',
      "everwarm on {{ $labels.instance }} panicked",
      "This is a bug. A supervisor restarts a failed actor; a failed task is lost. The log shows the place. Please report it.",
      {'everwarm_panics_total{place="hook"}': "1x40"}, {"place": "hook"},
      {'everwarm_panics_total{place="actor"}': "1x40", 'everwarm_panics_total{place="hook"}': "0x40"})
alert("FdsLow", WARN, "10m", "process_open_fds{job=\"everwarm\"} / process_max_fds > 0.8",
      "everwarm on {{ $labels.instance }} runs out of file descriptors",
      "More than 80 % of the allowed file descriptors are open.",
      {"process_open_fds": "900x80", "process_max_fds": "1000x80"}, {},
      {"process_open_fds": "700x80", "process_max_fds": "1000x80"}, at=900)
alert("LogDropping", WARN, "", "increase(everwarm_log_suppressed_total[10m]) > 100",
      "everwarm on {{ $labels.instance }} repeats log lines",
      "More than 100 repeated log lines were suppressed in 10 minutes.",
      {"everwarm_log_suppressed_total": "0x4 300x60"}, {},
      {"everwarm_log_suppressed_total": "0x4 50x60"}, at=600)


def quoted(text):
    return json.dumps(text)


def runbook(a):
    return RUNBOOK + "#" + a["name"].lower()


def expression(a):
    return " or ".join(one["expr"] for one in a["branches"])


def rules(alerts=ALERTS):
    lines = ["# Written by scripts/make_alerts.py. docs/RUNBOOK.md says what to do about each alert.",
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
