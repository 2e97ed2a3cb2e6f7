#!/usr/bin/env python3
"""Regimes and trend drivers over recorded bars, independent of the code in Rust.

    python3 regimes.py FOLDER > regimes.txt

FOLDER has the recorded bars, like `btcperp/BTC-PERP_1m.csv.gz`. The script prints the states of
each series as runs: `27n 12w` is 27 bars of `no_data`, then 12 of `wide_structure`. A state is
named by its first letter. The script works on whole lists. The tests compare `regimes.txt` with
the streaming code.
"""

import csv
import gzip
import itertools
import sys
import textwrap

# Name, file, width of a folded bar in minutes (0: as recorded).
SERIES = [
    ("BTC-PERP 1m", "btcperp/BTC-PERP_1m.csv.gz", 0),
    ("BTC-PERP 15m", "btcperp/BTC-PERP_1m.csv.gz", 15),
    ("BTC-PERP 1h", "btcperp/BTC-PERP_1m.csv.gz", 60),
    ("SPY 1d", "us_equities/SPY_1d.csv.gz", 0),
    ("BTCUSD 1d", "coinbase/BTCUSD_1d.csv.gz", 0),
]


class Bars:
    """Columns of prices."""

    def __init__(self, rows):
        self.open, self.high, self.low, self.close = (list(column) for column in zip(*rows))

    def __len__(self):
        return len(self.close)


def read(path, minutes):
    """The bars of a file. Folds those of one minute into whole bars of that many minutes."""
    with gzip.open(path, "rt") as file:
        rows = [(int(row["open_time"]), *(float(row[name]) for name in
                 ("open", "high", "low", "close"))) for row in csv.DictReader(file)]
    if not minutes:
        return Bars([row[1:] for row in rows])
    buckets = {}
    for row in rows:
        buckets.setdefault(row[0] // (60_000 * minutes), []).append(row[1:])
    whole = [rows for _, rows in sorted(buckets.items()) if len(rows) == minutes]
    return Bars([(rows[0][0], max(row[1] for row in rows), min(row[2] for row in rows),
                  rows[-1][3]) for rows in whole])


def smooth(values, first, length, share):
    """An average that starts as the mean of `length` values from `first` on. `share` is the weight
    of each later value. None until it is defined."""
    at = first + length - 1
    if len(values) <= at:
        return [None] * len(values)
    result = [None] * at + [sum(values[first:at + 1]) / length]
    for value in values[at + 1:]:
        result.append(share * value + (1 - share) * result[-1])
    return result


def ema(bars, length):
    return smooth(bars.close, 0, length, 2 / (length + 1))


def true_ranges(bars):
    return [0.0] + [max(bars.high[t], bars.close[t - 1]) - min(bars.low[t], bars.close[t - 1])
                    for t in range(1, len(bars))]


def atr(bars, length=14):
    return smooth(true_ranges(bars), 1, length, 1 / length)


def adx(bars, length=14):
    plus, minus = [0.0], [0.0]
    for t in range(1, len(bars)):
        up, down = bars.high[t] - bars.high[t - 1], bars.low[t - 1] - bars.low[t]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)

    def wilder(values):
        total, sums = sum(values[1:length]), [None] * length
        for value in values[length:]:
            total = total * (length - 1) / length + value
            sums.append(total)
        return sums

    index = [0.0] * len(bars)
    ranges = wilder(true_ranges(bars))
    for t, (up, down, size) in enumerate(zip(wilder(plus), wilder(minus), ranges)):
        if size and up + down > 0:
            index[t] = 100 * abs(up - down) / (up + down)
    return smooth(index, length, length, 1 / length)


def changes(candidates, state, left=()):
    """The state after each bar. `candidates(t, state)` is the candidate, or None. A candidate at
    two bars running becomes the state. The first candidate ends a state in `left`."""
    last, states = None, []
    for t in range(candidates.bars):
        now = candidates(t, state)
        if now is not None and (now == last or state in left):
            state = now
        last = now
        states.append(state)
    return states


class Drivers:
    def __init__(self, bars):
        self.of, self.bars = bars, len(bars)
        self.fast, self.middle, self.slow = (ema(bars, length) for length in (20, 50, 200))
        self.range = atr(bars)

    def __call__(self, t, state):
        if t < 199:
            return None
        close, low, size = self.of.close[t], self.of.low, self.range[t]
        fast, middle, slow = self.fast[t], self.middle[t], self.slow[t]
        up = fast > middle > slow
        if up and close > fast + (2 if state == "extended" else 3) * size:
            return "extended"
        if up:
            return "up"
        if fast > middle and close > middle:
            return "turning"
        near = abs(fast - middle) < (1.0 if state == "basing" else 0.5) * size
        holds = min(low[t - 9:t + 1]) >= min(low[t - 29:t - 9])
        if state in ("failing", "basing") and near and holds:
            return "basing"
        if close < middle and fast < middle:
            return "failing"
        return None


def swings(bars, length):
    """For each bar the swing that its close confirms: (is a high, bar, price, replaces)."""
    result, current = [None] * len(bars), None
    for now in range(3 * length - 1, len(bars)):
        t, around = now - length, slice(now - 2 * length + 1, now + 1)
        if bars.high[t] == max(bars.high[around]):
            swing = (True, t, bars.high[t])
        elif bars.low[t] == min(bars.low[around]):
            swing = (False, t, bars.low[t])
        else:
            continue
        replaces = current is not None and current[0] == swing[0]
        if replaces and (swing[2] <= current[2] if swing[0] else swing[2] >= current[2]):
            continue
        current = swing
        result[now] = (*swing, replaces)
    return result


def breaks(bars, confirmed):
    """Bars at whose close a break of structure becomes known."""
    legs, seen, waiting, known = [], None, [], set()
    for now, close in enumerate(bars.close):
        if confirmed[now]:
            *swing, replaces = confirmed[now]
            legs = (legs[:-1] if replaces else legs)[-3:] + [swing]
            if len(legs) == 4:
                at, sign = legs[1][1], 1 if legs[1][0] else -1
                one, two, three, four = (sign * leg[2] for leg in legs)
                continues = one < three < two < four
                if at != seen and (continues or three < one < two < four):
                    seen = at
                    if any(sign * close > two for close in bars.close[at + 1:now + 1]):
                        waiting = []
                        known |= {now} if continues else set()
                    else:
                        waiting = waiting[-63:] + [(sign, two, continues)]
        passed = [i for i, (sign, level, _) in enumerate(waiting) if sign * close > level]
        if passed:
            known |= {now} if waiting[passed[-1]][2] else set()
            waiting = waiting[passed[-1] + 1:]
    return known


def zones(bars, confirmed):
    """For each bar the zones that its close makes known: (is a gap, is bullish, bottom, top)."""
    result = [[] for _ in range(len(bars))]
    targets = {True: None, False: None}
    for now in range(len(bars)):
        for high in (True, False):
            if confirmed[now] and confirmed[now][0] == high:
                targets[high] = confirmed[now]
            elif targets[high]:
                _, at, price, _ = targets[high]
                if bars.close[now] > price if high else bars.close[now] < price:
                    targets[high] = None
                    inner = range(now - 1, at, -1)
                    block = (min(inner, key=lambda t: bars.low[t]) if high
                             else max(inner, key=lambda t: bars.high[t]))
                    result[now].append((False, high, bars.low[block], bars.high[block]))
        if now >= 2:
            first, middle = now - 2, now - 1
            rises = bars.close[middle] - bars.open[middle]
            if bars.high[first] < bars.low[now] and rises > 0:
                result[now].append((True, True, bars.high[first], bars.low[now]))
            elif bars.low[first] > bars.high[now] and rises < 0:
                result[now].append((True, False, bars.high[now], bars.low[first]))
    return result


class Regimes:
    def __init__(self, bars):
        self.of, self.bars = bars, len(bars)
        self.range, self.trend = atr(bars), adx(bars)
        confirmed = swings(bars, 5)
        self.breaks, self.found = breaks(bars, confirmed), zones(bars, confirmed)
        self.kept = []

    def untouched(self, t, gap, bullish, bottom, top):
        high, low = self.of.high[t], self.of.low[t]
        if gap:
            return low > top if bullish else high < bottom
        return low >= bottom if bullish else high <= top

    def __call__(self, t, _):
        close = self.of.close[t]
        self.kept = [(known, *zone) for known, *zone in self.kept
                     if t - known <= 100 and self.untouched(t, *zone)]
        self.kept = (self.kept + [(t, *zone) for zone in self.found[t]])[-64:]
        if t < 27:
            return None
        reach = 0.5 * self.range[t]
        if any(min(abs(close - bottom), abs(close - top)) <= reach
               for _, _, _, bottom, top in self.kept):
            return "tight_smc"
        if self.trend[t] >= 25 or self.breaks & {t, t - 1, t - 2}:
            return "wide_structure"
        return "consolidation"


def runs(states):
    """The states as runs, in lines of at most 100 characters."""
    all_runs = (f"{len(list(run))}{state[0]}" for state, run in itertools.groupby(states))
    return textwrap.fill(" ".join(all_runs), 100)


def main(folder):
    for name, path, minutes in SERIES:
        bars = read(f"{folder}/{path}", minutes)
        print(f"# {name} regime")
        print(runs(changes(Regimes(bars), "no_data", left=("no_data",))))
        print(f"# {name} driver")
        print(runs(changes(Drivers(bars), "none")))


if __name__ == "__main__":
    main(sys.argv[1])
