#!/usr/bin/env python3
"""Trades the crossing of two averages, as a program outside the daemon. It needs Python 3 alone.

    python3 examples/python_strategy.py DATA_DIR STRATEGY SYMBOL...

DATA_DIR is the data directory of a running daemon. STRATEGY is a section of its configuration with
kind = "external". The program follows the closes over the stream of the API and sends signals. The
id of a signal names its close, so a repetition has no effect. Either program may be killed and
started again: this one computes everything again from the last bars.
"""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

FAST, SLOW, AGAIN = 5, 20, 3  # Bars of the averages; closes that are judged again after a start.
MINUTE_MS = 60_000
GONE = (OSError, http.client.HTTPException, ValueError)  # What a daemon that restarts causes.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # It is on this machine.


def ask(data_dir, path, body=None):
    """Sends a request to the daemon. One with a body needs the token."""
    address = json.loads((data_dir / "api.json").read_text())["addr"]
    request = urllib.request.Request(f"http://{address}{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Authorization", "Bearer " + (data_dir / "api.token").read_text().strip())
        request.add_header("Content-Type", "application/json")
    return OPENER.open(request, timeout=30)


def closes(data_dir):
    """Gives the time of the newest close at each event of the stream."""
    newest = None
    while True:
        try:
            with ask(data_dir, "/api/v1/events") as stream:
                for line in filter(lambda line: line.startswith(b"data: "), stream):
                    status = json.loads(line[6:]).get("cells", {}).get("status", {}).get("", {})
                    newest = status.get("close_time") or newest
                    yield newest
        except GONE:
            time.sleep(1)


def send(data_dir, signal):
    """Sends a signal, under the same id until the daemon responds."""
    while True:
        try:
            with ask(data_dir, "/api/v1/signals", signal) as response:
                known = json.load(response)["signal"] or {"outcome": "pending"}
            return print(signal["id"], known["outcome"], known.get("declined") or "", flush=True)
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                return print(signal["id"], "refused:", json.load(refused)["detail"], flush=True)
        except GONE:
            pass
        time.sleep(1)


def crossings(bars):
    """Gives the time and the side of each crossing of the two averages."""
    prices, above = [Decimal(bar["close"]) for bar in bars], None
    for end in range(SLOW, len(prices) + 1):
        before = above
        above = sum(prices[end - FAST : end]) / FAST > sum(prices[end - SLOW : end]) / SLOW
        if before is not None and above != before:
            yield bars[end - 1]["open_time"] + MINUTE_MS, "buy" if above else "sell"


def judge(data_dir, strategy, symbol, since):
    """Sends the signals of the closes after `since`; gives the newest close."""
    with ask(data_dir, f"/api/v1/bars/{symbol}/1m?limit={SLOW + 50}") as response:
        bars = json.load(response)
    last = bars[-1]["open_time"] + MINUTE_MS if bars else since
    for closed, side in crossings(bars):
        if closed > (since or last - AGAIN * MINUTE_MS):
            reason = f"the average of {FAST} closes crosses that of {SLOW}"
            send(data_dir, {"id": f"{strategy}-{symbol}-{closed}-{side}", "strategy": strategy,
                            "symbol": symbol, "side": side, "reason": reason, "time": str(closed)})
    return last


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, name, judged = Path(sys.argv[1]), sys.argv[2], dict.fromkeys(sys.argv[3:])
    for newest in closes(folder):
        for symbol in [symbol for symbol, last in judged.items() if last != newest]:
            try:
                judged[symbol] = judge(folder, name, symbol, judged[symbol])
            except GONE as gone:  # The next event tries again.
                print(symbol, gone, file=sys.stderr, flush=True)
