#!/usr/bin/env python3
"""Composites over a generated and a recorded market, independent of the code in Rust.

    python3 composites.py FOLDER > composites.txt

FOLDER has the recorded bars, like `coinbase/BTCUSD_1m.csv.gz`. The script prints the members of
each bucket after each cut, bars as `open high low close`, and the drivers of bars as runs, as
`regimes.py` does. It works on whole lists. The tests compare `composites.txt` with the streaming
code. They make the same market from the same numbers.
"""

import csv
import gzip
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "regime", "tests"))
import regimes  # noqa: E402

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
FIRST = 20_000  # A Friday.
HOURS = 12 * 24
FINE = HOURS - 6  # From this hour on, each minute has a bar.
COUNT = 170
BUCKETS = [("LARGE", 0, 10), ("MID", 10, 50), ("SMALL", 50, 150), ("MICRO", 150, None)]
WEIGHTS = {"S000": 2.0, "S001": 1.0, "S169": 0.5, "S500": 3.0}
RECORDED = {"BTCUSD": 2.0, "ETHUSD": 1.0, "LTCUSD": 1.0}


def generated():
    """Rows of (time, {symbol: (close, volume)}), ascending."""
    state, prices = 1, [(i + 1) * 10 ** 8 for i in range(COUNT)]

    def draw(most):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        return (state >> 33) % most

    def row(hour, step, part):
        bars = {}
        for i in range(COUNT):
            prices[i] = prices[i] * (part - 10 + draw(21)) // part
            volume = (1 + draw(1000)) * (1 + i * 37 % COUNT)
            absent = draw(29) == 0 or 100 <= hour < 104 or (150 <= hour < 153 and i % 40)
            if not (absent or (i == 169 and hour < 90) or (i == 5 and hour >= 130)):
                bars[f"S{i:03}"] = (prices[i] / 1e8, volume)
        return (FIRST * DAY + step, bars)

    rows = [row(hour, (hour + 1) * HOUR, 1000) for hour in range(FINE)]
    minutes = range((HOURS - FINE) * 60)
    return rows + [row(FINE + m // 60, FINE * HOUR + (m + 1) * MINUTE, 10_000) for m in minutes]


def recorded(folder):
    rows = {}
    for name in RECORDED:
        with gzip.open(f"{folder}/coinbase/{name}_1m.csv.gz", "rt") as file:
            for line in csv.DictReader(file):
                time = int(line["open_time"]) + MINUTE
                close, volume = float(line["close"]), float(line["volume"])
                rows.setdefault(time, {})[name] = (close, volume)
    return sorted(rows.items())


def day_of(time):
    return (time - 1) // DAY


def cuts(rows):
    """The members of each bucket, by the day from which on they count."""
    volumes = {}
    for time, bars in rows:
        day = volumes.setdefault(day_of(time), {})
        for name, (close, volume) in bars.items():
            day[name] = day.get(name, 0) + close * volume
    days, result = sorted(volumes), {}
    for before, day in zip(days, days[1:]):
        is_monday_between = any((d + 3) % 7 == 0 for d in range(before + 1, day + 1))
        if is_monday_between or not result:
            ranked = sorted(volumes[before], key=lambda name: (-volumes[before][name], name))
            result[day] = {name: ranked[first:last] for name, first, last in BUCKETS}
    return result


def chain(rows, members, least):
    """(time, value before, value) at each close with a value. `members(day)` has the weights."""
    value, base, since, steps = None, {}, set(), []
    for time, bars in rows:
        weights = members(day_of(time))
        present = sorted(set(weights) & set(bars))
        if len(present) < least:
            since |= set(bars)
            continue
        pairs = [name for name in present if name in base and name not in since]
        if value is None:
            value = 100.0
            steps.append((time, value, value))
        elif len(pairs) >= least:
            mean = (sum(weights[name] * (bars[name][0] / base[name][0]) for name in pairs)
                    / sum(weights[name] for name in pairs))
            steps.append((time, value, value * mean))
            value *= mean
        base, since = bars, set()
    return steps


def fold(steps, width):
    """Bars of a width: (open time, open, high, low, close)."""
    buckets = {}
    for time, before, value in steps:
        buckets.setdefault((time - 1) // width * width, []).append((before, value))
    bars = []
    for start, values in buckets.items():
        prices = [values[0][0]] + [value for _, value in values]
        prices = [prices[0], max(prices), min(prices), prices[-1]]
        bars.append((start, *(round(price * 1e8) / 1e8 for price in prices)))
    return bars


def show(title, bars):
    print(f"# {title}")
    for start, *prices in bars:
        print(start, *(f"{price:.4f}" for price in prices))


def drivers(title, bars):
    print(f"# {title}")
    print(regimes.runs(regimes.changes(
        regimes.Drivers(regimes.Bars([bar[1:] for bar in bars])), "none")))


def main(folder):
    rows = generated()
    all_cuts = cuts(rows)
    print("# cuts")
    for day, buckets in all_cuts.items():
        for name, members in buckets.items():
            for at in range(0, len(members), 16):
                print(day, name, *(name[1:] for name in sorted(members)[at:at + 16]))

    def bucket(name):
        def members(day):
            newest = max((cut for cut in all_cuts if cut <= day), default=None)
            return dict.fromkeys(all_cuts[newest][name], 1.0) if newest else {}
        return members

    series = {"ALT": (lambda _: WEIGHTS, 1)}
    series |= {name: (bucket(name), 3) for name, _, _ in BUCKETS}
    for name, (members, least) in series.items():
        steps = chain(rows, members, least)
        show(f"{name} 1d", fold(steps, DAY))
        hours = fold(steps, HOUR)
        show(f"{name} 1h", hours[:2] + hours[-8:])
        drivers(f"{name} driver 1h", hours)
    steps = chain(recorded(folder), lambda _: RECORDED, 1)
    show("recorded 1h", fold(steps, HOUR))
    drivers("recorded driver 1m", fold(steps, MINUTE))


if __name__ == "__main__":
    main(sys.argv[1])
