//! A small market with every case that equality is about. It has crossings, orders filled in
//! several trades, a rejected order, two symbols that signal in one close, and minutes without
//! bars. Symbols end early, and start with and without history.
//!
//! Over 500 lines: one market and all its feeds.

use super::failing_stages;
use super::rig::Feed;
use super::script::{ByHand, Change, Deed, Word};
use super::venue_time::short;
use crate::plain_run::STOP_ORDERS;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{FIRST_STRATEGY, OrderIntent, OrderType, Side};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::settings::exits::{AtrStop, ProfitRow};
use everwarm_domain::settings::{
    DriverRule, EntryRule, ExitRules, ExternalOrders, Instance, RegimeRule, Risk, Settings, Size,
    WarmUp,
};
use everwarm_domain::switch::SafeStep;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_edge::market::universe::DAY_ZONE;
use everwarm_sim::InitialBooks;
use everwarm_sim::market::Market;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Start of the feed.
pub const START: UtcMs = 1_700_000_040_000;
/// Length of the feed, minutes.
pub const MINUTES: i64 = 260;
/// Minutes of history of the symbols that have one.
const PAST: i64 = 60;
/// Bars of each wider width before these minutes.
const OLDER: i64 = 90;
/// Bars of one rise and fall.
const WAVE: i64 = 36;

/// Shape of one symbol's prices, in ticks of a hundredth.
struct Shape {
    name: &'static str,
    /// Lowest price.
    low: i64,
    /// Ticks a minute of rise or fall.
    slope: i64,
    /// Minutes by which its waves lag.
    lag: i64,
    /// First and last minute, from the start of the feed.
    minutes: (i64, i64),
    /// Minutes without a bar.
    missing: &'static [i64],
    /// First and last minute of a lower price, and by how many ticks.
    dip: (i64, i64, i64),
    /// Volume of a bar, in lots of a thousandth.
    volume: i64,
}

/// Minutes without any trade.
const SILENT: [i64; 2] = [90, 91];

const SHAPES: [Shape; 3] = [
    // Thin: each of its orders is filled in several trades.
    Shape {
        name: "AAAUSD",
        low: 10_000,
        slope: 40,
        lag: 0,
        minutes: (-PAST, MINUTES - 1),
        missing: &[50, 51, 120],
        dip: (0, 0, 0),
        volume: 20_000,
    },
    // Turns together with the first one: both signal in the same close.
    Shape {
        name: "BBBUSD",
        low: 50_000,
        slope: 200,
        lag: 0,
        minutes: (-PAST, MINUTES - 1),
        missing: &[],
        dip: (0, 0, 0),
        volume: 9_000_000,
    },
    // No history; ends early; one entry is cheap, and so larger than the position limit.
    Shape {
        name: "CCCUSD",
        low: 5_000,
        slope: 20,
        lag: 11,
        minutes: (0, 169),
        missing: &[],
        dip: (85, 120, 900),
        volume: 9_000_000,
    },
];

/// The market.
#[derive(Clone, Debug)]
pub struct Small {
    instruments: Vec<Instrument>,
    bars: BTreeMap<UtcMs, Vec<Bar>>,
}

impl Small {
    /// The market of the feed.
    #[must_use]
    pub fn new() -> Small {
        let mut bars: BTreeMap<UtcMs, Vec<Bar>> = BTreeMap::new();
        for shape in &SHAPES {
            for minute in shape.minutes.0..=shape.minutes.1 {
                if !shape.missing.contains(&minute) && !SILENT.contains(&minute) {
                    bars.entry(START + minute * MINUTE).or_default().push(shape.bar(minute));
                }
            }
        }
        Small { instruments: SHAPES.iter().map(Shape::instrument).collect(), bars }
    }
}

impl Default for Small {
    fn default() -> Small {
        Small::new()
    }
}

impl Shape {
    fn symbol(&self) -> Symbol {
        Symbol::new(self.name).expect("a name of six letters")
    }

    fn instrument(&self) -> Instrument {
        let step = Decimal::new(1, 3);
        Instrument {
            symbol: self.symbol(),
            base: self.name[..3].to_owned(),
            quote: "USD".to_owned(),
            trading: true,
            tick_size: Decimal::new(1, 2),
            lot_size: step,
            min_quantity: step,
            max_quantity: Decimal::from(9_000),
            market_lot_size: Decimal::ZERO,
            market_max_quantity: Decimal::ZERO,
            min_notional: Decimal::from(5),
            min_notional_for_market: true,
            venue: VenueId::default(),
        }
    }

    /// Price at the end of a minute, ticks: straight up, then straight down.
    fn ticks(&self, minute: i64) -> i64 {
        let at = (minute - self.lag).rem_euclid(WAVE);
        let height = at.min(WAVE - at);
        let (from, to, by) = self.dip;
        self.low + height * self.slope - if (from..to).contains(&minute) { by } else { 0 }
    }

    fn bar(&self, minute: i64) -> Bar {
        let (open, close) = (self.ticks(minute - 1), self.ticks(minute));
        let price = |ticks| Price::exact(Decimal::new(ticks, 2)).expect("two decimals are exact");
        Bar {
            symbol: self.symbol(),
            open_time: START + minute * MINUTE,
            open: price(open),
            high: price(open.max(close) + 3),
            low: price(open.min(close) - 3),
            close: price(close),
            volume: Decimal::new(self.volume, 3),
        }
    }
}

impl Market for Small {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        START
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let from = after.saturating_sub(MINUTE).saturating_add(1);
        self.bars.range(from..).next().map(|(open, _)| open + MINUTE)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.bars.get(&(close - MINUTE)).cloned().unwrap_or_default()
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        if from_open > to_open {
            return Vec::new();
        }
        let all = self.bars.range(from_open..=to_open).flat_map(|(_, bars)| bars);
        all.filter(|bar| bar.symbol == symbol).take(limit).copied().collect()
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        let aged = SHAPES.iter().filter(|shape| shape.minutes.0 < 0);
        let Some(shape) = aged.into_iter().find(|shape| shape.symbol() == symbol) else {
            return Vec::new();
        };
        let first = START + shape.minutes.0 * MINUTE;
        // The first minute lies in the last of them.
        let end = width.open_of(first - 1) + width.ms();
        let bars = (1..=OLDER).rev().map(|back| {
            let open_time = end - back * width.ms();
            // A wave of another length, so that the widths differ.
            Bar { open_time, ..shape.bar(-back * 7) }
        });
        bars.filter(|bar| times.contains(&bar.open_time)).collect()
    }
}

/// An open order with an id of ours that the journal does not know: another process with our API
/// keys placed it.
#[must_use]
pub fn twin() -> OrderIntent {
    OrderIntent {
        client_id: ClientOrderId(format!("{}twin", ClientOrderId::PREFIX)),
        strategy: FIRST_STRATEGY.to_owned(),
        symbol: SHAPES[0].symbol(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: Decimal::ONE,
        price: Some(Decimal::from(90)),
        close_time: START,
        valid_until: UtcMs::MAX,
        terms: Box::default(),
    }
}

/// The feed, ready for the rig.
#[must_use]
pub fn small() -> Feed {
    let most = Decimal::new(195, 1);
    let max_position = BTreeMap::from([(SHAPES[2].symbol(), most)]);
    // The circuit breaker changes three times: midnight falls into the feed.
    let risk = Risk { max_trades_per_day: 7, ..Risk::default() };
    Feed {
        market: Arc::new(|| Box::new(Small::new())),
        setup: InitialBooks { seed: 7, max_position, ..InitialBooks::default() },
        settings: Settings { risk, ..settings() },
        stages: everwarm_trading::specs(),
        script: Vec::new(),
        before: None,
        sessions: Sessions::ALWAYS,
        stop_orders: STOP_ORDERS,
        values: Vec::new(),
    }
}

/// The same feed at a venue that takes no stop orders: stops are judged at closes.
#[must_use]
pub fn without_stop_orders() -> Feed {
    let small = small();
    let max_stop_orders = SHAPES.iter().map(|shape| (shape.symbol(), 0)).collect();
    Feed { setup: InitialBooks { max_stop_orders, ..small.setup.clone() }, ..small }
}

/// The same feed, in which symbols come and go. One is removed while held and added again, one is
/// halted and trades again, one is delisted while held.
#[must_use]
pub fn moving() -> Feed {
    let [a, b, c] = [&SHAPES[0], &SHAPES[1], &SHAPES[2]].map(Shape::symbol);
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(48), Deed::Stand(b, "halted")),
        (at(50), Deed::Want(a, false)),
        (at(63), Deed::Stand(c, "delisted")),
        (at(68), Deed::Stand(b, "trading")),
        (at(100), Deed::Want(a, true)),
        (at(150), Deed::Want(b, false)),
        (at(200), Deed::Want(b, true)),
    ];
    Feed { script, ..small() }
}

/// The same feed with configuration changes, and operators who halt, flatten and resume. The
/// lengths of the averages change while a position is open, and change back. The strategy is turned
/// off and on; a symbol is excluded for a while.
#[must_use]
pub fn steered() -> Feed {
    let a = SHAPES[0].symbol();
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(30), Deed::Reload(Change::Lengths(5, 12))),
        (at(52), Deed::Reload(Change::Positions(3))),
        (at(60), Deed::Switch(Word::Strategy(FIRST_STRATEGY, false))),
        (at(80), Deed::Switch(Word::Strategy(FIRST_STRATEGY, true))),
        (at(84), Deed::Reload(Change::Enabled(false))),
        (at(90), Deed::Reload(Change::Enabled(true))),
        (at(130), Deed::Switch(Word::Halt)),
        (at(160), Deed::Switch(Word::Resume)),
        (at(170), Deed::Reload(Change::Lengths(4, 9))),
        (at(195), Deed::Switch(Word::Flatten)),
        (at(205), Deed::Reload(Change::Exclude(a, true))),
        (at(215), Deed::Switch(Word::Resume)),
        (at(240), Deed::Reload(Change::Exclude(a, false))),
    ];
    let risk = Risk::default();
    Feed { script, settings: Settings { risk, ..settings() }, ..small() }
}

/// The same feed with trading days of Berlin. There midnight is an hour before that of UTC, which
/// falls into the feed, too.
#[must_use]
pub fn zoned() -> Feed {
    let zone = (DAY_ZONE.to_owned(), "\"Europe/Berlin\"".to_owned());
    // The limit is reached on both days.
    let risk = Risk { max_trades_per_day: 2, ..Risk::default() };
    Feed { values: vec![zone], settings: Settings { risk, ..settings() }, ..small() }
}

/// The same feed, in which few losing trades bar a symbol, and a small drawdown reduces entries.
#[must_use]
pub fn barring() -> Feed {
    let risk = Risk {
        losses_in_a_row: 2,
        losses_bar_minutes: 20,
        symbol_trades: 3,
        symbol_trades_bar_minutes: 45,
        reduce_at_drawdown_percent: 1,
        peak_days: 1,
        unknown_order_s: 600,
        ..Risk::default()
    };
    Feed { settings: Settings { risk, ..settings() }, ..small() }
}

/// The same feed with entries by limit orders. Some are filled, some end after their minutes, and
/// some of these are replaced. The stop of a lot follows from the average true range.
#[must_use]
pub fn limited() -> Feed {
    let small = small();
    let mut settings = small.settings.clone();
    settings.strategy.set_entry(FIRST_STRATEGY, LIMIT);
    settings
        .strategy
        .set_exits(FIRST_STRATEGY, ExitRules { stop_atr: BY_RANGE, ..ExitRules::none() });
    Feed { settings, ..small }
}

/// The stop of the feed with limit orders.
const BY_RANGE: Option<AtrStop> = Some(AtrStop { hundredths: 150, length: 14 });
/// The entry rule of the feed with limit orders.
const LIMIT: EntryRule = EntryRule { below_ppm: Some(500), minutes: 3, orders: 3 };

/// Id of the strategy that adds to its lots.
pub const LADDER: &str = "ladder";

/// The same feed with a strategy that buys more while the price falls.
///
/// # Panics
/// There is no rank for a second strategy.
#[must_use]
pub fn laddered() -> Feed {
    let small = small();
    let mut settings = small.settings.clone();
    settings.strategy.enable(FIRST_STRATEGY, false);
    let profit = vec![ProfitRow { minutes: 0, profit_ppm: 5_000 }];
    let ladder = Instance {
        kind: "dca".to_owned(),
        enabled: true,
        section: r#"{"timeframe":"1m","hours":1,"threshold_scale":"0.3"}"#.to_owned(),
        exits: Some(ExitRules { stop_ppm: Some(60_000), profit, ..ExitRules::default() }),
        size: Size::Fixed,
        entry: EntryRule::default(),
        min_confidence_ppm: 0,
        regimes: RegimeRule::default(),
        drivers: DriverRule::default(),
        warm_up: WarmUp::default(),
    };
    settings.strategy.0.insert(LADDER.to_owned(), ladder);
    settings.risk = Risk::default();
    settings.trading.notional = Decimal::new(400, 0);
    let stages = everwarm_trading::specs_of(&[], &settings).expect("there is a rank for it");
    Feed { settings, stages, ..small }
}

/// The default settings with one strategy.
#[must_use]
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    for (length, bars) in [("fast", 10), ("slow", 30)] {
        settings.strategy.set(FIRST_STRATEGY, length, bars);
    }
    settings
}

/// Id of the second strategy.
pub const SECOND: &str = "quick";
/// Id of the strategy that a reload adds.
pub const THIRD: &str = "late";

/// The same feed with two strategies of one kind. The second has shorter averages, which change
/// while it holds a position. It is off for a while, is removed, leaves once it holds nothing, and
/// joins again. A third strategy is added while the daemon trades. The size of the second follows
/// the equity, and the exposure of a symbol has a cap.
///
/// # Panics
/// There are not ranks for two strategies.
#[must_use]
pub fn paired() -> Feed {
    let mut settings = small().settings;
    let second = Instance {
        kind: settings.strategy.0[FIRST_STRATEGY].kind.clone(),
        enabled: true,
        section: r#"{"fast":4,"slow":9}"#.to_owned(),
        exits: Some(ExitRules::default()),
        size: Size::Risk(2_500),
        entry: EntryRule::default(),
        min_confidence_ppm: 0,
        regimes: RegimeRule::default(),
        drivers: DriverRule::default(),
        warm_up: WarmUp::default(),
    };
    settings.strategy.0.insert(SECOND.to_owned(), second);
    settings.risk.sizes.max_symbol_exposure = Some(Decimal::new(1_200, 0));
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(58), Deed::Reload(Change::Of(SECOND, 6, 14))),
        (at(110), Deed::Later(Word::Strategy(SECOND, false))),
        (at(130), Deed::Later(Word::Strategy(SECOND, true))),
        (at(160), Deed::Later(Word::Flatten)),
        (at(170), Deed::Later(Word::Resume)),
        (at(200), Deed::Reload(Change::Removed)),
        (at(215), Deed::Reload(Change::Added(THIRD, 5, 11))),
        (at(228), Deed::Reload(Change::Added(SECOND, 3, 8))),
    ];
    let stages = everwarm_trading::specs_of(&[], &settings).expect("there are ranks for two");
    settings.risk = Risk::default();
    Feed { settings, stages, script, ..small() }
}

/// Id of the strategy on hourly bars.
pub const HOURLY: &str = "hourly";
/// Id of the strategy on daily bars.
pub const DAILY: &str = "daily";

/// The same feed with strategies on hourly and daily bars. Their averages need more hours and days
/// than minutes of history span. A reload changes the lengths of the hourly ones.
///
/// # Panics
/// There are not ranks for three strategies.
#[must_use]
pub fn wide() -> Feed {
    let mut settings = small().settings;
    let one = settings.strategy.0[FIRST_STRATEGY].clone();
    for (id, section) in [
        (HOURLY, r#"{"timeframe":"1h","fast":1,"slow":20}"#),
        (DAILY, r#"{"timeframe":"1d","fast":5,"slow":40}"#),
    ] {
        let instance = Instance { section: section.to_owned(), ..one.clone() };
        settings.strategy.0.insert(id.to_owned(), instance);
    }
    let stages = everwarm_trading::specs_of(&[], &settings).expect("there are ranks for three");
    settings.risk = Risk::default();
    let change = Change::Of(HOURLY, 2, 33);
    let script = vec![(START + 130 * MINUTE, Deed::Reload(change))];
    Feed { settings, stages, script, ..small() }
}

/// Some minutes of the same feed, in which the lengths of the averages change twice.
#[must_use]
pub fn lengthened() -> Feed {
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(4), Deed::Reload(Change::Lengths(5, 12))),
        (at(7), Deed::Reload(Change::Lengths(6, 14))),
    ];
    short(&Feed { script, ..steered() }, 10)
}

/// The same feed with operator commands: quarantines are released, a configuration is rolled back,
/// `everwarm panic` sells, a safe start goes step by step, orders are given by hand, caps are
/// confirmed, backups are made.
#[must_use]
pub fn commanded() -> Feed {
    let b = SHAPES[1].symbol();
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(20), Deed::Fall("indicator", b)),
        (at(26), Deed::Backup),
        (at(30), Deed::Release(false)),
        (at(34), Deed::Reload(Change::Lengths(5, 12))),
        (at(40), Deed::Rollback),
        (at(70), Deed::Pay(-500)),
        (at(70), Deed::Switch(Word::Resume)),
        (at(76), Deed::Resolve),
        (at(80), Deed::Pay(900)),
        (at(80), Deed::Switch(Word::Resume)),
        (at(84), Deed::Adopt(900)),
        (at(92), Deed::Panic(b)),
        (at(92), Deed::Switch(Word::Resume)),
        (at(100), Deed::Switch(Word::Safe(SafeStep::Collect))),
        (at(118), Deed::Switch(Word::Safe(SafeStep::Exits))),
        (at(126), Deed::Switch(Word::Safe(SafeStep::Trade))),
        (at(140), Deed::Fall("ledger", b)),
        (at(140), Deed::Release(true)),
        (at(150), Deed::ByHand(ByHand::Buy, b)),
        (at(153), Deed::ByHand(ByHand::SellPart, b)),
        (at(156), Deed::ByHand(ByHand::Close, b)),
        (at(158), Deed::ByHand(ByHand::Limit, b)),
        (at(170), Deed::Confirm { per_order: 700, per_day: 1_500 }),
        (at(180), Deed::Backup),
    ];
    let settings = Settings { risk: Risk::default(), ..small().settings };
    Feed { script, stages: failing_stages::frail(&settings), settings, ..small() }
}

/// The same feed with orders of a person, who trades on the website of the venue. They are adopted.
/// The venue takes no stop orders: these would lock what the person sells.
#[must_use]
pub fn adopting() -> Feed {
    let feed = without_stop_orders();
    let trade = |minute: i64, side| {
        let at = START + minute * MINUTE;
        [(at, Deed::Trade(side, SHAPES[1].symbol())), (at, Deed::Switch(Word::Resume))]
    };
    let script = [trade(52, Side::Buy), trade(55, Side::Buy), trade(60, Side::Sell)].concat();
    let risk = Risk { external_orders: ExternalOrders::Adopt, ..Risk::default() };
    let settings = Settings { risk, ..feed.settings.clone() };
    let adopts = ("risk.external_orders".to_owned(), "\"adopt\"".to_owned());
    Feed { settings, values: vec![adopts], script, ..feed }
}

/// Id of the strategy of an external program.
pub const PROGRAM: &str = "program";

/// The strategy of an external program.
pub(super) fn program() -> Instance {
    Instance {
        kind: "external".to_owned(),
        enabled: true,
        section: "{}".to_owned(),
        exits: Some(ExitRules::default()),
        size: Size::Fixed,
        entry: EntryRule::default(),
        min_confidence_ppm: 0,
        regimes: RegimeRule::default(),
        drivers: DriverRule::default(),
        warm_up: WarmUp::default(),
    }
}

/// The same feed with an external program, which signals to its own strategy beside the first one.
/// It buys what it holds, and sells what it does not hold: both are declined.
///
/// # Panics
/// There is no rank for a second strategy.
#[must_use]
pub fn signalled() -> Feed {
    let [a, b, c] = [&SHAPES[0], &SHAPES[1], &SHAPES[2]].map(Shape::symbol);
    let signals = [
        (20, Side::Buy, a),
        (33, Side::Sell, a),
        (40, Side::Buy, b),
        (41, Side::Buy, b),
        (52, Side::Buy, a),
        (60, Side::Sell, b),
        (61, Side::Sell, b),
        (88, Side::Buy, c),
        (110, Side::Sell, a),
        (125, Side::Sell, c),
        (140, Side::Buy, b),
        (200, Side::Buy, a),
    ];
    let deed = |(minute, side, symbol): (i64, Side, Symbol)| {
        (START + minute * MINUTE, Deed::Signal(side, symbol))
    };
    let mut settings = Settings { risk: Risk::default(), ..small().settings };
    settings.strategy.0.insert(PROGRAM.to_owned(), program());
    let stages = everwarm_trading::specs_of(&[], &settings).expect("there is a rank for it");
    Feed { settings, stages, script: signals.map(deed).into(), ..small() }
}

/// The same feed, in which the supervisor stops the indicator for a while, and later the strategy.
/// Each stop falls into a crossing of the first two symbols.
#[must_use]
pub fn ailing() -> Feed {
    let at = |minute: i64| START + minute * MINUTE;
    let script = vec![
        (at(55), Deed::Ill("indicator")),
        (at(85), Deed::Well("indicator")),
        (at(150), Deed::Ill(FIRST_STRATEGY)),
        (at(175), Deed::Well(FIRST_STRATEGY)),
    ];
    let small = small();
    Feed { script, stages: failing_stages::frail(&small.settings), ..small }
}
