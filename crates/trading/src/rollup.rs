//! Aggregates 1m bars to 5m, 15m, 1h, 4h and 1d bars, aligned to the UTC epoch. At a venue with
//! sessions, a day is one session, from its first to its last minute.
//!
//! The close of its last minute finishes a bucket, for symbols with a bar or missing there. The
//! first bar of a later bucket finishes it too. A late bar of a finished bucket still counts in
//! the wider ones that are open. Bars from history fill buckets, but no fact is appended for them.
//! Prices are exact. Volumes are exact up to 28 digits and saturate at the largest decimal.
//!
//! Each width is built from the buckets of the next smaller width, so most bars touch one bucket.
//!
//! Invariants, asserted by `check`:
//! 1. An open bucket begins at a multiple of its width, and not after the symbol's last bar.
//! 2. An open bucket holds at least one bar and at most one a minute of its width.
//! 3. The open bucket of a width is inside the open bucket of each greater width that has one.
//!
//! Over 500 lines: one stage with its state.

use crate::calendar::Calendar;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Analysis, Body, Market};
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};

/// The widths of the aggregated bars, ascending.
pub const WIDTHS: [Timeframe; 5] =
    [Timeframe::M5, Timeframe::M15, Timeframe::H1, Timeframe::H4, Timeframe::D1];

const FORMAT: u8 = 2;
/// Format, type and version of the state without a calendar.
const FORMAT_1: u8 = 1;
const TYPE_1: u64 = 0x32e7_f0d3_cdca_857c;
const BEFORE_CALENDAR: u16 = 1;
/// Version that skipped late bars of finished buckets. Its state is the same.
const BEFORE_LATE: u16 = 2;
const LEVELS: usize = WIDTHS.len();
/// Index of the days in [`WIDTHS`].
const DAILY: usize = LEVELS - 1;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bucket {
    open_time: UtcMs,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: Decimal,
    count: u32,
}

impl Bucket {
    fn of(bar: &Bar) -> Bucket {
        let Bar { open, high, low, close, volume, .. } = *bar;
        Bucket {
            open_time: Timeframe::M5.open_of(bar.open_time),
            open,
            high,
            low,
            close,
            volume,
            count: 1,
        }
    }

    fn add(&mut self, high: Price, low: Price, close: Price, volume: Decimal, count: u32) {
        self.high = self.high.max(high);
        self.low = self.low.min(low);
        self.close = close;
        self.volume = self.volume.saturating_add(volume);
        self.count += count;
    }

    fn rolled(&self, symbol: Symbol, width: Timeframe) -> RolledBar {
        let Bucket { open_time, open, high, low, close, volume, count } = *self;
        let bar = Bar { symbol, open_time, open, high, low, close, volume };
        RolledBar { bar, count, complete: count == minutes(width) }
    }
}

fn minutes(width: Timeframe) -> u32 {
    u32::try_from(width.ms() / MINUTE).expect("a width is at most a day")
}

/// The open buckets of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roller {
    /// Opening time of the last bar.
    last: UtcMs,
    /// Bars that open before this belong to a finished bucket of 5m.
    done: UtcMs,
    buckets: [Option<Bucket>; LEVELS],
}

impl Default for Roller {
    fn default() -> Self {
        Roller { last: UtcMs::MIN, done: UtcMs::MIN, buckets: [None; LEVELS] }
    }
}

impl Roller {
    /// Adds a 1m bar. `finished` receives the buckets that it ends, with their index in [`WIDTHS`].
    /// A bar that is not newer than the last one is skipped.
    pub fn add(&mut self, bar: &Bar, finished: &mut impl FnMut(usize, RolledBar)) {
        if bar.open_time <= self.last {
            return;
        }
        self.last = bar.open_time;
        if bar.open_time < self.done {
            self.late(bar);
            return;
        }
        if let Some(bucket) = &mut self.buckets[0]
            && bar.open_time.saturating_sub(bucket.open_time) < Timeframe::M5.ms()
        {
            bucket.add(bar.high, bar.low, bar.close, bar.volume, 1);
            return;
        }
        self.finish(bar.symbol, bar.open_time, finished);
        self.buckets[0] = Some(Bucket::of(bar));
    }

    /// Adds a bar of a finished bucket to the smallest open one that spans it. That one gives it to
    /// the wider ones.
    fn late(&mut self, bar: &Bar) {
        for (width, bucket) in WIDTHS.into_iter().zip(&mut self.buckets) {
            let open_time = width.open_of(bar.open_time);
            if open_time.saturating_add(width.ms()) <= self.done {
                continue;
            }
            match bucket {
                Some(bucket) => bucket.add(bar.high, bar.low, bar.close, bar.volume, 1),
                empty => *empty = Some(Bucket { open_time, ..Bucket::of(bar) }),
            }
            return;
        }
    }

    /// Finishes the buckets that end at or before `time`, which is the end of a 5m bucket.
    pub fn close(
        &mut self,
        symbol: Symbol,
        time: UtcMs,
        finished: &mut impl FnMut(usize, RolledBar),
    ) {
        self.done = self.done.max(time);
        self.finish(symbol, time, finished);
    }

    fn finish(&mut self, symbol: Symbol, time: UtcMs, finished: &mut impl FnMut(usize, RolledBar)) {
        for (level, width) in WIDTHS.into_iter().enumerate() {
            let over = |b: &mut Bucket| b.open_time.saturating_add(width.ms()) <= time;
            let Some(child) = self.buckets[level].take_if(over) else { continue };
            finished(level, child.rolled(symbol, width));
            let Some(wider) = WIDTHS.get(level + 1) else { continue };
            match &mut self.buckets[level + 1] {
                Some(parent) => {
                    let Bucket { high, low, close, volume, count, .. } = child;
                    parent.add(high, low, close, volume, count);
                }
                empty => {
                    let open_time = wider.open_of(child.open_time);
                    *empty = Some(Bucket { open_time, ..child });
                }
            }
        }
    }

    fn check(&self, symbol: Symbol) {
        for (level, width) in WIDTHS.into_iter().enumerate() {
            let Some(bucket) = &self.buckets[level] else { continue };
            let aligned = width.open_of(bucket.open_time) == bucket.open_time;
            assert!(aligned && bucket.open_time <= self.last, "1: {symbol} {width}: {bucket:?}");
            let fits = (1..=minutes(width)).contains(&bucket.count);
            assert!(fits, "2: {symbol} {width}: {bucket:?}");
            for (wider, parent) in WIDTHS.iter().zip(&self.buckets).skip(level + 1) {
                let within = |p: &Bucket| wider.open_of(bucket.open_time) == p.open_time;
                assert!(parent.as_ref().is_none_or(within), "3: {symbol} {width} in {wider}");
            }
        }
    }
}

/// The unfinished session of a symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionDay {
    session: Session,
    bucket: Bucket,
}

impl SessionDay {
    /// Adds a 1m bar to the day of its symbol. `finished` receives the day that it ends. A bar
    /// outside of sessions is skipped.
    pub fn add(
        day: &mut Option<SessionDay>,
        bar: &Bar,
        sessions: &Sessions,
        finished: &mut impl FnMut(usize, RolledBar),
    ) {
        let Some(session) = sessions.at(bar.open_time) else { return };
        if let Some(day) = day
            && day.session.open == session.open
        {
            day.bucket.add(bar.high, bar.low, bar.close, bar.volume, 1);
            // A later `Sessions` fact may have changed the end of the session.
            day.session = session;
            return;
        }
        if day.as_ref().is_some_and(|day| day.session.open > session.open) {
            return;
        }
        SessionDay::close(day, bar.symbol, UtcMs::MAX, finished);
        let bucket = Bucket { open_time: session.open, ..Bucket::of(bar) };
        *day = Some(SessionDay { session, bucket });
    }

    /// Finishes the day if its session has ended at `time`.
    pub fn close(
        day: &mut Option<SessionDay>,
        symbol: Symbol,
        time: UtcMs,
        finished: &mut impl FnMut(usize, RolledBar),
    ) {
        let Some(SessionDay { session, bucket }) = day.take_if(|day| day.session.close <= time)
        else {
            return;
        };
        let RolledBar { bar, count, .. } = bucket.rolled(symbol, Timeframe::D1);
        let complete = i64::from(count) == session.minutes();
        finished(DAILY, RolledBar { bar, count, complete });
    }
}

/// The roll-up stage.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RollUp {
    rollers: SymbolMap<Roller>,
    /// Bars that the last folded fact finished, by width; empty between inputs.
    #[serde(skip)]
    finished: [Vec<RolledBar>; LEVELS],
    /// Trading sessions of the symbols.
    #[serde(default)]
    calendar: Calendar,
    /// Unfinished sessions, by symbol.
    #[serde(default)]
    days: SymbolMap<Option<SessionDay>>,
}

impl RollUp {
    /// Adds bars to session days and finishes the days that ended at `time`. UTC days that sessions
    /// cover are dropped.
    fn sessions(&mut self, bars: &[Bar], time: Option<UtcMs>) {
        if self.calendar.is_always_open() {
            return;
        }
        let RollUp { finished, calendar, days, rollers } = self;
        let daily = &mut finished[DAILY];
        daily.retain(|day| !calendar.of(day.bar.symbol).covers(day.bar.open_time));
        let mut sink = |_: usize, bar: RolledBar| daily.push(bar);
        for bar in bars {
            let sessions = calendar.of(bar.symbol);
            // A late bar of a session that has ended would begin its day again.
            let done = rollers.get(bar.symbol).map_or(UtcMs::MIN, |of| of.done);
            let over = |session: Session| time.is_none() && session.close <= done;
            if !sessions.at(bar.open_time).is_some_and(over) {
                SessionDay::add(days.entry(bar.symbol), bar, sessions, &mut sink);
            }
        }
        for (symbol, day) in days.iter_mut() {
            SessionDay::close(day, symbol, time.unwrap_or(UtcMs::MIN), &mut sink);
        }
        daily.sort_by_key(|rolled| (rolled.bar.symbol, rolled.bar.open_time));
    }

    fn close(&mut self, time: UtcMs, bars: &[Bar], missing: &[Symbol]) {
        let RollUp { rollers, finished, .. } = self;
        let mut sink = |level: usize, bar: RolledBar| finished[level].push(bar);
        let ends = Timeframe::M5.open_of(time) == time;
        let mut near = 0;
        for bar in bars {
            let roller = rollers.near(&mut near, bar.symbol, Roller::default);
            roller.add(bar, &mut sink);
            if ends {
                roller.close(bar.symbol, time, &mut sink);
            }
        }
        for symbol in missing.iter().filter(|_| ends) {
            if let Some(roller) = rollers.get_mut(*symbol) {
                roller.close(*symbol, time, &mut sink);
            }
        }
        for bars in finished {
            bars.sort_by_key(|rolled| (rolled.bar.symbol, rolled.bar.open_time));
        }
        self.sessions(bars, Some(time));
    }
}

impl Stage for RollUp {
    type Body = Body;

    fn rank(&self) -> Rank {
        rank::ROLL_UP
    }

    fn name(&self) -> &'static str {
        "roll-up"
    }

    fn on_poison(&self) -> OnPoison {
        OnPoison::Skip
    }

    fn interest(&self) -> Mask {
        Mask::of(&[
            kind::CLOSE,
            kind::LATE_BAR,
            kind::HISTORY_LOADED,
            kind::HISTORY_BARS,
            kind::UNIVERSE,
            kind::INSTRUMENTS,
            kind::SESSIONS,
        ])
    }

    fn version(&self) -> u16 {
        3
    }

    fn produces(&self) -> Mask {
        Mask::of(&[kind::ROLLED])
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn evolve(&mut self, fact: &Fact<Body>) {
        self.finished.iter_mut().for_each(Vec::clear);
        let Body::Market(market) = &fact.body else { return };
        self.calendar.fold(market);
        match market {
            Market::Close { time, bars, missing, .. } => self.close(*time, bars, missing),
            Market::LateBar { bar, .. } => {
                let finished = &mut self.finished;
                let mut sink = |level: usize, rolled: RolledBar| finished[level].push(rolled);
                self.rollers.entry(bar.symbol).add(bar, &mut sink);
                self.sessions(std::slice::from_ref(bar), None);
            }
            Market::HistoryBars { symbol, timeframe: Timeframe::M1, bars, plan: 0 } => {
                let roller = self.rollers.entry(*symbol);
                for bar in bars {
                    roller.add(bar, &mut |_, _| {});
                }
                self.sessions(bars, None);
                self.finished[DAILY].clear();
            }
            Market::Universe { unlisted, .. } => {
                self.rollers.remove_all(unlisted);
                self.days.remove_all(unlisted);
            }
            _ => {}
        }
    }

    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        if fact.key.rank != Rank::INPUT.0 {
            return;
        }
        for (timeframe, bars) in WIDTHS.into_iter().zip(&self.finished) {
            if !bars.is_empty() {
                out.append(Body::Analysis(Analysis::Rolled { timeframe, bars: bars.clone() }));
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn converts(&self) -> &'static [u16] {
        &[BEFORE_CALENDAR, BEFORE_LATE]
    }

    fn convert(&mut self, version: u16, bytes: &[u8]) -> Result<(), String> {
        if version == BEFORE_LATE {
            return self.load(bytes);
        }
        *self = state::grown(FORMAT_1, TYPE_1, bytes)?;
        Ok(())
    }

    fn check(&self) {
        self.rollers.iter().for_each(|(symbol, roller)| roller.check(symbol));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden::{Series, golden};
    use crate::testing::{bar, facts_of, input};
    use everwarm_domain::id::VenueId;
    use everwarm_domain::time::DAY;
    use everwarm_kernel::fact::Key;

    fn close(stage: &mut RollUp, minute: i64, bars: &[(&str, i64)], missing: &[&str]) -> String {
        let symbol = |s: &&str| Symbol::new(s).unwrap();
        let body = Body::Market(Market::close(
            (minute + 1) * MINUTE,
            bars.iter().map(|(s, price)| bar(s, minute, *price)).collect(),
            missing.iter().map(symbol).collect(),
        ));
        apply(stage, minute, body)
    }

    fn apply(stage: &mut RollUp, n: i64, body: Body) -> String {
        let facts = facts_of(stage, &input(u64::try_from(n).unwrap(), body));
        let mut words = Vec::new();
        for body in facts {
            let Body::Analysis(Analysis::Rolled { timeframe, bars }) = body else { panic!() };
            for RolledBar { bar, count, complete } in bars {
                let at = bar.open_time / MINUTE;
                let mark = if complete { "" } else { "!" };
                words.push(format!("{timeframe} {} @{at} {}x{count}{mark}", bar.symbol, bar.close));
            }
        }
        words.join(", ")
    }

    #[test]
    fn finishes_buckets_by_their_last_minute_or_a_later_bar() {
        let mut stage = RollUp::default();
        for minute in 0..4 {
            assert_eq!(close(&mut stage, minute, &[("A", minute + 1), ("B", 9)], &[]), "");
        }
        let rolled = close(&mut stage, 4, &[("A", 7)], &["B"]);
        assert_eq!(rolled, "5m A @0 7x5, 5m B @0 9x4!");
        assert_eq!(close(&mut stage, 5, &[("A", 8)], &[]), "");
        // B returns after A has finished two more buckets; its 15m bucket is finished with it.
        assert_eq!(close(&mut stage, 17, &[("A", 1)], &[]), "5m A @5 8x1!, 15m A @0 8x6!");
        assert_eq!(close(&mut stage, 18, &[("A", 1), ("B", 2)], &[]), "15m B @0 9x4!");
        let rolled = close(&mut stage, 19, &[("A", 1), ("B", 3)], &[]);
        assert_eq!(rolled, "5m A @15 1x3!, 5m B @15 3x2!");
        stage.check();
    }

    #[test]
    fn late_bars_count_while_their_bucket_is_open_and_nothing_newer_came() {
        let mut stage = RollUp::default();
        let late = |minute| Body::Market(Market::LateBar { bar: bar("A", minute, 5), odd: None });
        close(&mut stage, 2, &[("A", 1)], &[]);
        assert_eq!(apply(&mut stage, 3, late(3)), "");
        assert_eq!(apply(&mut stage, 3, late(1)), "");
        assert_eq!(close(&mut stage, 4, &[], &["A"]), "5m A @0 5x2!");
        assert_eq!(apply(&mut stage, 5, late(4)), "", "its bucket has been appended");
        assert_eq!(close(&mut stage, 5, &[("A", 1)], &[]), "");
        assert_eq!(close(&mut stage, 9, &[("A", 1)], &[]), "5m A @5 1x2!");
    }

    #[test]
    fn a_late_bar_of_a_finished_bucket_counts_in_the_wider_ones() {
        let mut stage = RollUp::default();
        let late = |minute, price| {
            Body::Market(Market::LateBar { bar: bar("A", minute, price), odd: None })
        };
        for minute in 0..3 {
            close(&mut stage, minute, &[("A", 5)], &[]);
        }
        close(&mut stage, 3, &[("B", 1)], &["A"]);
        let partial = "5m A @0 5x3!, 5m B @0 1x2!";
        assert_eq!(close(&mut stage, 4, &[("B", 1)], &["A"]), partial);
        assert_eq!(apply(&mut stage, 5, late(3, 90)), "");
        assert_eq!(apply(&mut stage, 5, late(4, 2)), "");
        assert_eq!(apply(&mut stage, 5, late(4, 1)), "", "once");
        // A 15m bucket that has no bar yet, and an hour that begins with a late bar.
        for minute in 5..60 {
            let bars = if minute == 15 || minute == 19 { vec![] } else { vec![("A", minute)] };
            let missing = if bars.is_empty() { &["A"][..] } else { &[] };
            let rolled = close(&mut stage, minute, &bars, missing);
            match minute {
                14 => assert_eq!(rolled, "5m A @10 14x5, 15m A @0 14x15"),
                19 => {
                    assert_eq!(rolled, "5m A @15 18x3!");
                    apply(&mut stage, 20, late(19, 7));
                }
                29 => assert_eq!(rolled, "5m A @25 29x5, 15m A @15 29x14!"),
                59 => assert!(rolled.ends_with("15m A @45 59x15, 1h A @0 59x59!"), "{rolled}"),
                _ => {}
            }
            stage.check();
        }
        for minute in 60..65 {
            close(&mut stage, minute, &[], &["A"]);
        }
        apply(&mut stage, 65, late(64, 3));
        stage.check();
        let bytes = stage.save();
        stage = RollUp::default();
        stage.convert(BEFORE_LATE, &bytes).unwrap();
        for minute in 65..75 {
            let rolled = close(&mut stage, minute, &[("A", 4)], &[]);
            assert!(minute < 74 || rolled == "5m A @70 4x5, 15m A @60 4x11!", "{rolled}");
        }
        let hour = stage.rollers.iter().next().unwrap().1.buckets[2].unwrap();
        assert_eq!((hour.open, hour.count), (bar("A", 64, 3).open, 11));
    }

    #[test]
    fn a_day_of_a_venue_with_sessions_is_a_session() {
        // From 23:58 to 00:03, over midnight in UTC, and from 01:00 to 01:02.
        let (first, second) = (DAY - 2 * MINUTE, DAY + 60 * MINUTE);
        let sessions = vec![
            Session { open: first, close: first + 5 * MINUTE },
            Session { open: second, close: second + 2 * MINUTE },
        ];
        let sessions = Sessions::new(0, 2 * DAY, sessions).unwrap();
        let mut stage = RollUp::default();
        let venue = VenueId::default();
        assert_eq!(apply(&mut stage, 0, Body::Market(Market::Sessions { venue, sessions })), "");
        let daily = |text: String| {
            let days: Vec<&str> = text.split(", ").filter(|of| of.starts_with("1d")).collect();
            days.join(", ")
        };
        let mut minutes = Vec::new();
        for minute in 1_438..1_443 {
            let rolled = daily(close(&mut stage, minute, &[("A", minute)], &[]));
            minutes.push((minute, rolled));
        }
        let ended = minutes.pop().unwrap();
        assert!(minutes.iter().all(|(_, rolled)| rolled.is_empty()), "{minutes:?}");
        assert_eq!(ended.1, "1d A @1438 1442x5", "by the close of its last minute");
        let bytes = stage.save();
        stage = RollUp::default();
        stage.load(&bytes).unwrap();
        assert_eq!(daily(close(&mut stage, 1_500, &[("A", 1)], &[])), "");
        let rolled = daily(close(&mut stage, 1_501, &[], &["A"]));
        assert_eq!(rolled, "1d A @1500 1x1!", "it lacks a minute");
        stage.check();
    }

    #[test]
    fn a_late_bar_does_not_begin_the_day_of_its_session_again() {
        let session = Session { open: DAY, close: DAY + 5 * MINUTE };
        let sessions = Sessions::new(0, 2 * DAY, vec![session]).unwrap();
        let mut stage = RollUp::default();
        let venue = VenueId::default();
        apply(&mut stage, 0, Body::Market(Market::Sessions { venue, sessions }));
        for minute in 1_440..1_444 {
            close(&mut stage, minute, &[("A", minute)], &[]);
        }
        let rolled = close(&mut stage, 1_444, &[], &["A"]);
        assert_eq!(rolled, "5m A @1440 1443x4!, 1d A @1440 1443x4!");
        let late = Body::Market(Market::LateBar { bar: bar("A", 1_444, 9), odd: None });
        assert_eq!(apply(&mut stage, 1_445, late), "");
        assert_eq!(close(&mut stage, 1_445, &[("A", 1)], &[]), "");
        stage.check();
    }

    #[test]
    fn history_fills_buckets_and_says_nothing() {
        let mut stage = RollUp::default();
        let bars = (0..13).map(|m| bar("A", m, m + 1)).collect();
        let symbol = Symbol::new("A").unwrap();
        let history = Market::HistoryBars { symbol, timeframe: Timeframe::M1, bars, plan: 0 };
        assert_eq!(apply(&mut stage, 1, Body::Market(history)), "");
        let bytes = stage.save();
        stage = RollUp::default();
        stage.load(&bytes).unwrap();
        assert_eq!(close(&mut stage, 13, &[("A", 1)], &[]), "");
        assert_eq!(close(&mut stage, 14, &[("A", 2)], &[]), "5m A @10 2x5, 15m A @0 2x15");
    }

    #[test]
    #[cfg_attr(shared_absent, ignore = "the shared material is absent")]
    fn equals_the_golden_roll_ups() {
        let sets = [
            ("data/btcperp/BTC-PERP_1m.csv.gz", "BTC-PERP"),
            ("data/poloniex_old/UNITTEST-BTC_1m.csv.gz", "UNITTEST-BTC"),
            ("data/coinbase/BTCUSD_1m.csv.gz", "coinbase-BTCUSD"),
        ];
        for (data, tag) in sets {
            let series = Series::read(data, usize::MAX);
            let mut finished: [Vec<RolledBar>; LEVELS] = Default::default();
            let mut roller = Roller::default();
            let mut sink = |level: usize, bar| finished[level].push(bar);
            for bar in &series.bars {
                roller.add(bar, &mut sink);
            }
            roller.close(series.bars[0].symbol, UtcMs::MAX, &mut sink);
            for (width, bars) in WIDTHS.into_iter().zip(finished) {
                let expected = golden(&format!("golden/rollup/{tag}_{width}.csv.gz"));
                assert_eq!(expected.len(), bars.len(), "{tag} {width}");
                for (row, RolledBar { bar, count, complete }) in expected.iter().zip(bars) {
                    let Bar { open_time, open, high, low, close, volume, .. } = bar;
                    let volume = volume.normalize();
                    let got = format!(
                        "{open_time},{open},{high},{low},{close},{volume},{count},{}",
                        u8::from(complete)
                    );
                    let volume: Decimal = row[5].parse().unwrap();
                    let mut row = row.clone();
                    row[5] = volume.normalize().to_string();
                    assert_eq!(got, row.join(","), "{tag} {width}");
                }
            }
        }
    }

    #[test]
    fn answers_inputs_only() {
        let fact = Fact {
            key: Key { n: 1, rank: 100, i: 0 },
            ..input(1, Body::Market(Market::LateBar { bar: bar("A", 1, 1), odd: None }))
        };
        assert!(facts_of(&mut RollUp::default(), &fact).is_empty());
    }
}
