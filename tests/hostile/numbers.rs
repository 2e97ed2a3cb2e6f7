//! Arbitrary numbers, through the decoders and past them, into all stages.

use everwarm_adapters::binance::frames::{MarketFrame, UserFrame, decode_market, decode_user};
use everwarm_adapters::binance::map;
use everwarm_adapters::binance::wire::{self, decode};
use everwarm_domain::fact::{Body, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, OrderIntent, OrderReport, OrderStatus, ReportSource, SendAttempt, Side, Validity,
    VenueFill,
};
use everwarm_domain::time::{MINUTE, Timeframe};
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::{Fact, Library};
use everwarm_kernel::plain::PlainLoop;
use everwarm_trading::orders::OrderStates;
use everwarm_trading::stages;
use everwarm_trading::testing::{AccountFact, crossing};
use everwarm_venue::port::MarketReport;
use serde_json::{Value, json};

/// Numbers that break something somewhere.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "0.0000000000000000000000000001",
    "0.00000001",
    "90000000000",
    "90000000001",
    "92233720368.54775807",
    "1000000000000000",
    "1000000000000001",
    "1000000000000000000",
    "9223372036854775807",
    "79228162514264337593543950335",
    "-79228162514264337593543950335",
    "99999999999999999999999999999999999999",
    "1e400",
    "NaN",
    "",
];
const TIMES: &[i64] =
    &[i64::MIN, -1, 0, 1, MINUTE, START, 4_102_444_740_000, 4_102_444_800_000, i64::MAX];
const START: i64 = 1_700_000_040_000;
const NAMES: [&str; 3] = ["ADAUSDT", "BTCUSDT", "ETHUSDT"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        usize::try_from(draw(&mut self.0) % below as u64).unwrap()
    }

    fn lies(&mut self) -> bool {
        self.roll(12) == 0
    }

    /// The truth, or something else.
    fn number(&mut self, truth: Decimal) -> Value {
        match self.roll(40) {
            0..4 => json!(NUMBERS[self.roll(NUMBERS.len())]),
            4 => json!(7),
            5 => Value::Null,
            _ => json!(truth.to_string()),
        }
    }

    fn time(&mut self, truth: i64) -> Value {
        if self.lies() { json!(TIMES[self.roll(TIMES.len())]) } else { json!(truth) }
    }

    /// Any decimal at all.
    fn decimal(&mut self) -> Decimal {
        let all = [
            Decimal::MAX,
            Decimal::MIN,
            Decimal::ZERO,
            Decimal::ONE,
            Decimal::NEGATIVE_ONE,
            Decimal::new(1, 28),
            Decimal::new(i64::MAX, 0),
            Decimal::new(i64::MIN, 9),
            Decimal::new(12_345, 2),
        ];
        all[self.roll(all.len())]
    }
}

struct Nothing;

impl Library<Body> for Nothing {
    fn resolve(&self, _: &Body) -> Result<Option<Body>, String> {
        Ok(None)
    }
}

/// All stages, and what is known of the orders.
struct Desk {
    plain: PlainLoop<Body>,
    book: OrderStates,
    time: i64,
    equity: Decimal,
    fills: u32,
    trades: u64,
}

impl Desk {
    fn new() -> Desk {
        let (plain, book) = (PlainLoop::new(stages(), Box::new(Nothing)), OrderStates::default());
        let equity = Decimal::ZERO;
        let mut desk = Desk { plain, book, time: START, equity, fills: 0, trades: 0 };
        let installation = "inst".to_owned();
        desk.give(Body::Operator(Operator::Started { life: 1, installation, epoch: 1 }));
        let mut settings = crossing(2, 3);
        settings.risk.max_trades_per_day = 0;
        settings.risk.max_consecutive_failures = 0;
        desk.give(Body::Operator(Operator::configured(1, &settings)));
        desk
    }

    fn give(&mut self, body: Body) {
        let Desk { plain, book, time, equity, fills, .. } = self;
        let result = plain.input(*time, body, &mut |fact: &Fact<Body>| {
            book.fold(fact);
            if let Body::Ledger(Ledger::Equity { equity: now, .. }) = &fact.body {
                *equity = *now;
            } else if let Body::Order(Order::Filled { .. }) = &fact.body {
                *fills += 1;
            }
        });
        result.unwrap();
    }

    /// What may be sent leaves; all orders that live.
    fn orders(&mut self) -> Vec<OrderIntent> {
        let due = self.book.to_send(self.time);
        let attempt = |send: &everwarm_trading::orders::order_states::ToSend| SendAttempt {
            client_id: send.intent.client_id.clone(),
            attempt: send.attempt,
            validity: Validity::within(self.time, 5_000),
        };
        let attempts: Vec<SendAttempt> = due.iter().map(attempt).collect();
        if !attempts.is_empty() {
            self.give(Body::Venue(Venue::Sent { attempts }));
        }
        self.book.living().map(|order| order.intent.clone()).collect()
    }
}

fn price_of(symbol: usize, minute: i64) -> Decimal {
    // Up and down, so that averages cross.
    let swing = [0, 3, 6, 9, 6, 3, 0, -3, -6, -3][usize::try_from(minute % 10).unwrap()];
    Decimal::from([50_i64, 200, 1_000][symbol] + swing)
}

fn info(dice: &mut Dice) -> Value {
    let mut symbols = Vec::new();
    for name in NAMES {
        let d = |text: &str| text.parse::<Decimal>().unwrap();
        let lot = json!({"filterType": "LOT_SIZE", "minQty": dice.number(d("0.0001")),
            "maxQty": dice.number(d("9000")), "stepSize": dice.number(d("0.0001"))});
        let market = json!({"filterType": "MARKET_LOT_SIZE", "minQty": "0",
            "maxQty": dice.number(d("0")), "stepSize": dice.number(d("0"))});
        let tick = json!({"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0",
            "tickSize": dice.number(d("0.01"))});
        let notional = json!({"filterType": "NOTIONAL", "applyMinToMarket": true,
            "minNotional": dice.number(d("10"))});
        symbols.push(json!({"symbol": name, "status": "TRADING", "quoteAsset": "USDT",
            "baseAsset": name.trim_end_matches("USDT"), "filters": [lot, market, tick, notional]}));
    }
    json!({"serverTime": START, "symbols": symbols})
}

fn kline(dice: &mut Dice, at: usize, minute: i64, open_time: i64) -> Value {
    let price = price_of(at, minute);
    let mut numbers = || dice.number(price);
    let (open, high, low, close) = (numbers(), numbers(), numbers(), numbers());
    let volume = dice.number(Decimal::TEN);
    let end = open_time.saturating_add(MINUTE - 1);
    json!([dice.time(open_time), open, high, low, close, volume, end, "1", 1, "1", "1", "0"])
}

fn balances(dice: &mut Dice) -> Value {
    let names = ["USDT", "BTC", "ADA", "ETH", "BNB", "JUNK"];
    let mut row = |asset: &str| {
        let free = dice.number(Decimal::from(1_000_000));
        json!({"asset": asset, "free": free, "locked": dice.number(Decimal::ZERO)})
    };
    let mut rows: Vec<Value> = names.iter().map(|name| row(name)).collect();
    rows.push(row("BNB"));
    if dice.roll(3) > 0 {
        rows.pop();
    }
    json!({"balances": rows})
}

/// The venue's word on an order, most of it true.
fn order(dice: &mut Dice, intent: &OrderIntent, id: u64, trade: u64, time: i64) -> Value {
    let at = NAMES.iter().position(|name| *name == intent.symbol.as_str()).unwrap();
    let (quantity, price) = (intent.quantity, price_of(at, time / MINUTE));
    let side = if intent.side == Side::Buy { "BUY" } else { "SELL" };
    let asset =
        if dice.roll(3) == 0 { intent.symbol.as_str()[..3].to_owned() } else { "USDT".into() };
    let fill = json!({"price": dice.number(price), "qty": dice.number(quantity),
        "commission": dice.number(Decimal::new(1, 5)), "commissionAsset": asset,
        "tradeId": trade});
    let fills = if dice.lies() { vec![fill.clone(), fill] } else { vec![fill] };
    json!({"symbol": intent.symbol.as_str(), "orderId": id, "type": "MARKET", "side": side,
        "clientOrderId": intent.client_id.0, "transactTime": dice.time(time), "price": "0",
        "origQty": dice.number(quantity), "executedQty": dice.number(quantity),
        "cummulativeQuoteQty": dice.number(quantity * price), "status": "FILLED", "fills": fills})
}

/// The same as an event of the account's stream.
fn event(state: &Value) -> Value {
    let fill = &state["fills"][0];
    json!({"e": "executionReport", "E": state["transactTime"], "s": state["symbol"],
        "c": state["clientOrderId"], "S": state["side"], "o": "MARKET", "q": state["origQty"],
        "p": "0", "x": "TRADE", "X": "FILLED", "i": state["orderId"], "l": fill["qty"],
        "z": state["executedQty"], "L": fill["price"], "n": fill["commission"],
        "N": fill["commissionAsset"], "T": state["transactTime"], "t": fill["tradeId"],
        "Z": state["cummulativeQuoteQty"]})
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn account(read: &wire::Account, time: i64) -> Body {
    let (balances, unread) = map::balances(&read.balances, false);
    AccountFact { time, balances, unread, ..AccountFact::default() }.body()
}

fn number(order: Option<&everwarm_trading::orders::order_states::Order>) -> Option<u64> {
    order?.venue_order_id.as_ref()?.as_str().parse().ok()
}

/// What decoders let through of one minute of lies.
fn minute(desk: &mut Desk, dice: &mut Dice, minute: i64, refused: &mut u32) {
    let open_time = START + minute * MINUTE;
    desk.time = open_time + MINUTE;
    if dice.roll(20) == 0
        && let Ok(info) = decode::<wire::ExchangeInfo>("info", &bytes(&info(dice)))
    {
        let rules = map::instruments(&info).unwrap_or_default();
        desk.give(Body::Market(Market::Instruments { rules }));
    }
    if dice.roll(10) == 0 {
        match decode::<wire::Account>("account", &bytes(&balances(dice))) {
            Ok(read) => desk.give(account(&read, desk.time)),
            Err(_) => *refused += 1,
        }
    }
    let (mut bars, mut missing) = (Vec::new(), Vec::new());
    for (at, name) in NAMES.iter().enumerate() {
        let symbol = Symbol::new(name).unwrap();
        let page = json!([kline(dice, at, minute, open_time)]);
        let rows = decode::<Vec<wire::KlineRow>>("klines", &bytes(&page));
        let decoded = rows.and_then(|rows| map::bars(symbol, Timeframe::M1, &rows));
        match decoded {
            // The closer takes the bars of the minute.
            Ok(decoded) if decoded[0].open_time == open_time => bars.push(decoded[0].ordered()),
            Ok(decoded) => {
                desk.give(Body::Market(Market::LateBar { bar: decoded[0].ordered(), odd: None }));
                missing.push(symbol);
            }
            Err(_) => {
                *refused += 1;
                missing.push(symbol);
            }
        }
    }
    let row = kline(dice, 0, minute, open_time);
    let frame = json!({"e": "kline", "E": desk.time, "s": "ADAUSDT", "k": {"t": row[0], "T": row[6],
        "i": "1m", "o": row[1], "c": row[4], "h": row[2], "l": row[3], "v": row[5], "n": 1,
        "x": true}});
    if let Ok(MarketFrame::Kline(event)) = decode_market(&bytes(&frame))
        && let Ok(MarketReport::Bar { bar, .. }) = map::kline_event(&event)
    {
        desk.give(Body::Market(Market::LateBar { bar, odd: None }));
    }
    desk.give(Body::Market(Market::close(desk.time, bars, missing)));
    for intent in desk.orders() {
        desk.trades += 1;
        let id = number(desk.book.get(&intent.client_id));
        let (id, trade) = (id.unwrap_or(desk.trades), desk.trades);
        let state = order(dice, &intent, id, trade, desk.time);
        let decoded = if dice.roll(2) == 0 {
            let state = decode::<wire::OrderState>("order", &bytes(&state));
            state.and_then(|state| map::order_state(ReportSource::Query, &state, &[]))
        } else {
            decode_user(&bytes(&event(&state))).and_then(|frame| {
                if let UserFrame::Execution(event) = &frame {
                    map::execution_report(event)
                } else {
                    Err(format!("{frame:?}"))
                }
            })
        };
        match decoded {
            Ok(report) => desk.give(Body::Venue(Venue::Reported(report))),
            Err(_) => *refused += 1,
        }
    }
}

#[test]
fn no_number_that_a_decoder_lets_through_breaks_a_stage_or_the_books() {
    for seed in 0..8 {
        let (mut desk, mut dice, mut refused) = (Desk::new(), Dice(seed), 0);
        let truth = decode::<wire::ExchangeInfo>("info", &bytes(&info(&mut Dice(u64::MAX))));
        let rules = truth.and_then(|info| map::instruments(&info)).unwrap_or_default();
        desk.give(Body::Market(Market::Instruments { rules }));
        for at in 1..400 {
            minute(&mut desk, &mut dice, at, &mut refused);
        }
        assert!(refused > 50, "seed {seed}: {refused} were refused");
        let worth = desk.equity.abs();
        let most = Decimal::from(everwarm_domain::bounds::QUOTE_MAX) * Decimal::ONE_THOUSAND;
        assert!(worth <= most, "seed {seed}: {worth}");
    }
}

/// An input that no decoder lets through, as a journal of an earlier version may hold it.
fn raw(dice: &mut Dice, desk: &Desk, living: &[OrderIntent]) -> Body {
    let symbol = Symbol::new(NAMES[dice.roll(3)]).unwrap();
    let mut price = || Price::e8([1, 100, i64::MAX, i64::MAX - 1][dice.roll(4)]);
    let prices = [price(), price(), price(), price()];
    match dice.roll(4) {
        0 => {
            let [open, high, low, close] = prices;
            let volume = dice.decimal();
            let open_time = desk.time - MINUTE;
            let bar = Bar { symbol, open_time, open, high, low, close, volume };
            let missing = Vec::new();
            Body::Market(Market::close(desk.time, vec![bar], missing))
        }
        1 => {
            let mut balance = |asset: &str| Balance {
                asset: asset.to_owned(),
                free: dice.decimal(),
                locked: dice.decimal(),
            };
            let balances = ["ADA", "BTC", "USDT"].map(&mut balance).to_vec();
            AccountFact { time: desk.time, balances, ..AccountFact::default() }.body()
        }
        _ if living.is_empty() => Body::Operator(Operator::Clock { time: desk.time }),
        2 => {
            let client_id = living[0].client_id.clone();
            Body::Venue(Venue::Absent { client_id, asked: desk.time })
        }
        _ => {
            let OrderIntent { client_id, symbol, side, quantity, .. } = living[0].clone();
            let quantity = if dice.lies() { dice.decimal() } else { quantity };
            let fill = |dice: &mut Dice, trade_id: u64| VenueFill {
                trade_id: trade_id.into(),
                price: dice.decimal(),
                quantity: if dice.roll(2) == 0 { quantity } else { dice.decimal() },
                fee: dice.decimal(),
                fee_asset: ["USDT", "BTC", "BNB"][dice.roll(3)].to_owned(),
                time: desk.time,
                liquidity: None,
            };
            let fills = vec![fill(dice, 1), fill(dice, 2)];
            Body::Venue(Venue::Reported(OrderReport {
                source: ReportSource::Query,
                client_id: ClientOrderId(client_id.0),
                venue_order_id: 1.into(),
                symbol,
                side,
                status: OrderStatus::PartlyFilled,
                quantity,
                executed: dice.decimal(),
                executed_quote: dice.decimal(),
                fills,
                time: desk.time,
            }))
        }
    }
}

#[test]
fn no_number_that_a_journal_may_hold_breaks_a_stage() {
    for seed in 0..8 {
        let (mut desk, mut dice, mut refused) = (Desk::new(), Dice(seed), 0);
        for at in 1..300 {
            minute(&mut desk, &mut dice, at, &mut refused);
            let living = desk.orders();
            let body = raw(&mut dice, &desk, &living);
            desk.give(body);
        }
    }
}

/// A market that loses nearly all it is worth in a minute is no lie: whoever holds something sells.
#[test]
fn a_crash_of_the_market_is_never_hidden_from_exits() {
    let mut desk = Desk::new();
    let d = |text: &str| text.parse::<Decimal>().unwrap();
    let mut calm = Dice(0);
    let rules = loop {
        let decoded = decode::<wire::ExchangeInfo>("info", &bytes(&info(&mut calm)));
        let rules = decoded.and_then(|info| map::instruments(&info)).unwrap_or_default();
        if rules.len() == 3 && rules.iter().all(|rule| rule.trading && rule.lot_size == d("0.0001"))
        {
            break rules;
        }
    };
    desk.give(Body::Market(Market::Instruments { rules }));
    let balances = vec![Balance { asset: "USDT".into(), free: d("10000"), locked: d("0") }];
    let time = desk.time;
    desk.give(AccountFact { time, balances, ..AccountFact::default() }.body());
    let mut sides = Vec::new();
    for (at, price) in (1..).zip(["50000", "49900", "49800", "52000", "53000", "600"]) {
        let open_time = START + at * MINUTE;
        desk.time = open_time + MINUTE;
        let page = json!([[
            open_time,
            price,
            price,
            price,
            price,
            "1",
            open_time + MINUTE - 1,
            "1",
            1,
            "1",
            "1",
            "0"
        ]]);
        let rows: Vec<wire::KlineRow> = decode("klines", &bytes(&page)).unwrap();
        let bars = map::bars(Symbol::new("BTCUSDT").unwrap(), Timeframe::M1, &rows).unwrap();
        let missing = Vec::new();
        desk.give(Body::Market(Market::close(desk.time, bars, missing)));
        for intent in desk.orders() {
            desk.trades += 1;
            sides.push(intent.side);
            let amount = intent.quantity * d(price);
            let side = if intent.side == Side::Buy { "BUY" } else { "SELL" };
            let state = json!({"symbol": "BTCUSDT", "orderId": desk.trades, "type": "MARKET",
                "side": side, "clientOrderId": intent.client_id.0, "transactTime": desk.time,
                "price": "0", "origQty": intent.quantity.to_string(), "status": "FILLED",
                "executedQty": intent.quantity.to_string(),
                "cummulativeQuoteQty": amount.to_string(),
                "fills": [{"price": price, "qty": intent.quantity.to_string(), "commission": "0",
                    "commissionAsset": "USDT", "tradeId": desk.trades}]});
            let state: wire::OrderState = decode("order", &bytes(&state)).unwrap();
            let report = map::order_state(ReportSource::Answer, &state, &[]).unwrap();
            desk.give(Body::Venue(Venue::Reported(report)));
        }
    }
    assert_eq!(sides, [Side::Buy, Side::Sell]);
    assert_eq!(desk.fills, 2);
}
