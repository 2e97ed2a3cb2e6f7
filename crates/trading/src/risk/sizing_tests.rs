//! Tests sizes and quantities.

use super::*;
use crate::testing::{dec, instrument, signal};
use everwarm_domain::order::Side;
use everwarm_domain::signal::SignalTerms;

fn buy(rule: &Instrument, notional: Decimal, price: Decimal) -> Result<Decimal, TooSmall> {
    market(rule, notional.checked_div(price).unwrap_or_default(), price)
}

fn describe(result: Result<Decimal, TooSmall>) -> String {
    result.map_or_else(|TooSmall(text)| text, |quantity| quantity.to_string())
}

#[test]
fn rounds_down_and_keeps_the_bounds() {
    let rule = instrument("BTCUSDT");
    let cases = [
        ("1000", "30000", "0.0333"),
        ("1000", "3", "333.3333"),
        ("100000", "3", "9000"),
        ("10", "30000", "0.01 BTC"),
        ("1", "30000", "0.00003333 BTC rounds down to 0, less than the quantity 0.0001"),
    ];
    for (notional, price, text) in cases {
        let got = describe(buy(&rule, dec(notional), dec(price)));
        if text == "0.01 BTC" {
            let want = "0.00033333 BTC rounds down to 0.0003, worth less than the 10 that \
                        BTCUSDT asks for";
            assert_eq!(got, want);
        } else {
            assert!(got.starts_with(text), "{got}");
        }
    }
}

#[test]
fn the_larger_step_and_the_smaller_maximum_hold() {
    let rule = Instrument {
        market_lot_size: dec("0.01"),
        market_max_quantity: dec("5"),
        min_notional_for_market: false,
        ..instrument("BTCUSDT")
    };
    assert_eq!(describe(market(&rule, dec("1.2399"), dec("1"))), "1.23");
    assert_eq!(describe(market(&rule, dec("7"), dec("1"))), "5");
    assert!(rule.sells(dec("0.019")) && !rule.sells(dec("0.0099")));
    assert!(describe(buy(&rule, dec("1"), Decimal::ZERO)).contains("rounds down to 0"));
    // The minimum need not be a multiple of the step: 0.035 rounds down to 0.03, below the
    // minimum.
    let least = Instrument { min_quantity: dec("0.035"), ..rule };
    assert!(!least.sells(dec("0.035")) && !least.sells(dec("0.0399")));
    assert!(least.sells(dec("0.04")) && least.sells(dec("0.045")) && least.sells(dec("1")));
    let whole = Instrument { lot_size: Decimal::ZERO, market_lot_size: Decimal::ZERO, ..least };
    assert!(whole.sells(dec("0.035")) && !whole.sells(dec("0.0349")));
    let any = Instrument { min_quantity: Decimal::ZERO, ..whole };
    assert!(any.sells(dec("0.01")) && !any.sells(Decimal::ZERO));
}

/// An entry at 100 with an equity of 10,000 and a stop at 95.
struct Case {
    rule: Instrument,
    rules: SizeRules,
    size: Size,
    equity: Option<Decimal>,
    price: Decimal,
    stop: Option<Decimal>,
    factors: Vec<Factor>,
}

fn case(size: &str) -> Case {
    Case {
        rule: instrument("BTCUSDT"),
        rules: SizeRules::default(),
        size: Size::read(size).unwrap(),
        equity: Some(dec("10000")),
        price: dec("100"),
        stop: Some(dec("95")),
        factors: Vec::new(),
    }
}

impl Case {
    fn sized(&self) -> Result<Computed, NoSize> {
        let Case { rule, rules, size, equity, price, stop, factors } = self;
        let (strategy, notional) = ("s", dec("1000"));
        let (size, equity, price, stop) = (*size, *equity, *price, *stop);
        Terms { rule, strategy, size, notional, equity, price, stop, rules, factors }.quantity()
    }

    fn words(&self) -> String {
        match self.sized() {
            Ok(Computed { quantity, words }) => {
                assert!(words.ends_with(&format!("down to {quantity}")), "{words}");
                words
            }
            Err(NoSize { code, text }) => format!("{code}: {text}"),
        }
    }
}

#[test]
fn a_size_is_shown_as_arithmetic() {
    assert_eq!(case("fixed").words(), "notional 1000 / 100 = 10, down to 10");
    assert_eq!(case("equity 10%").words(), "equity 10000 x 10% / 100 = 10, down to 10");
    assert_eq!(
        case("risk 1%").words(),
        "equity 10000 x 1% / (100 - 95 + 0.195 fees + 0.05 slippage) = 19.06577693, down to 19.0657"
    );
    let rules = SizeRules { fee_ppm: 0, slippage_ppm: 0, ..SizeRules::default() };
    assert_eq!(
        Case { rules, ..case("risk 1%") }.words(),
        "equity 10000 x 1% / (100 - 95 + 0 fees + 0 slippage) = 20, down to 20"
    );
    let half = Factor { name: "reduced", value: dec("0.5") };
    let part = Factor { name: "size of the signal", value: dec("0.250") };
    assert_eq!(
        Case { factors: vec![part, half], ..case("equity 10%") }.words(),
        "equity 10000 x 10% x 0.25 (size of the signal) x 0.5 (reduced) / 100 = 1.25, down to 1.25"
    );
}

#[test]
fn a_size_by_equity_needs_one_above_zero() {
    let text = "no-equity: the size \"equity 10%\" of s needs the equity: it is known only after \
                the first close";
    assert_eq!(Case { equity: None, ..case("equity 10%") }.words(), text);
    for equity in ["0", "-5"] {
        let words = Case { equity: Some(dec(equity)), ..case("risk 1%") }.words();
        assert!(words.starts_with("no-equity: "), "{words}");
        assert!(words.ends_with(&format!("it is {equity}, not above 0")), "{words}");
    }
    assert_eq!(Case { equity: None, ..case("fixed") }.sized().unwrap().quantity, dec("10"));
}

#[test]
fn a_size_by_risk_needs_a_stop_at_least_three_ticks_away() {
    let none = Case { stop: None, ..case("risk 1%") };
    assert_eq!(none.words(), "no-stop: the size \"risk 1%\" of s needs a stop, and it has none");
    assert!(Case { stop: None, ..case("equity 1%") }.sized().is_ok(), "others need none");
    let near = |stop: &str| Case { stop: Some(dec(stop)), ..case("risk 0.001%") };
    assert_eq!(
        near("99.98").words(),
        "stop-too-near: the stop 99.98 is 0.02 below the price 100, at least 3 ticks = 0.03 are \
         needed"
    );
    assert!(near("99.97").sized().is_ok(), "{}", near("99.97").words());
    assert!(near("100").words().starts_with("stop-too-near: "));
    let rule = Instrument { tick_size: Decimal::ZERO, ..instrument("BTCUSDT") };
    let no_tick = Case { rule, ..near("100") };
    assert!(no_tick.words().starts_with("stop-too-near: "), "a stop at the price is none");
}

#[test]
fn no_factor_makes_an_entry_larger() {
    let of = |ppm, level| {
        let terms = Box::new(SignalTerms { size_ppm: ppm, ..SignalTerms::default() });
        let of = factors(&Signal { terms, ..signal("BTCUSDT", Side::Buy, 0) }, level);
        scaled(dec("1000"), &of).normalize()
    };
    assert_eq!(of(None, BreakerLevel::Normal), dec("1000"));
    assert_eq!(of(Some(2_000_000), BreakerLevel::Normal), dec("1000"));
    assert_eq!(of(Some(250_000), BreakerLevel::Normal), dec("250"));
    assert_eq!(of(Some(250_000), BreakerLevel::Reduced), dec("125"));
    assert_eq!(of(Some(0), BreakerLevel::Normal), Decimal::ZERO);
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33).cast_signed() % most
    }

    /// From 10^-`scale` on.
    fn decimal(&mut self, most: i64, scale: u32) -> Decimal {
        Decimal::new(self.below(most) + 1, scale)
    }
}

#[test]
fn a_quantity_is_only_rounded_down_and_never_risks_more() {
    let (mut numbers, mut sized) = (Numbers(7), 0);
    for _ in 0..20_000 {
        let steps = ["0.0001", "0.003", "1", "0"];
        let width = dec(steps[usize::try_from(numbers.below(4)).unwrap()]);
        let rule = Instrument {
            lot_size: width,
            min_quantity: Decimal::ZERO,
            max_quantity: Decimal::ZERO,
            min_notional_for_market: false,
            ..instrument("BTCUSDT")
        };
        let price = numbers.decimal(100_000, 3);
        let exit = price * Decimal::new(900 + numbers.below(100), 3);
        let equity = numbers.decimal(10_000_000, 2);
        let ppm = u32::try_from(numbers.below(100_000)).unwrap() + 1;
        for size in [Size::Equity(ppm), Size::Risk(ppm)] {
            let rules = rule.clone();
            let (known, stop) = (Some(equity), Some(exit));
            let case = Case { rule: rules, size, equity: known, price, stop, ..case("fixed") };
            let Ok(Computed { quantity, words }) = case.sized() else { continue };
            sized += 1;
            let amount = equity * Decimal::new(ppm.into(), 6);
            let costs = (price + exit) * dec("0.001") + price * dec("0.0005");
            let per_unit = match size {
                Size::Risk(_) => price - exit + costs,
                Size::Equity(_) | Size::Fixed => price,
            };
            assert!(quantity * per_unit <= amount, "{words}");
            let more = if width.is_zero() { dec("0.0000001") } else { width };
            assert!((quantity + more) * per_unit > amount, "no more is lost than a step: {words}");
            assert_eq!(rule.floor(quantity), quantity, "{words}");
        }
    }
    assert!(sized > 20_000, "{sized}");
}

#[test]
fn what_fits_a_cap_is_never_above_it() {
    let mut numbers = Numbers(11);
    for _ in 0..20_000 {
        let steps = ["0.0001", "0.7", "1", "0"];
        let step = dec(steps[usize::try_from(numbers.below(4)).unwrap()]);
        let rule = Instrument { lot_size: step, ..instrument("BTCUSDT") };
        let (room, price) = (numbers.decimal(100_000, 2), numbers.decimal(100_000, 5));
        let per_unit = price * dec("1.01");
        let quantity = within(&rule, room, per_unit, |quantity| quantity * per_unit);
        assert!(quantity >= Decimal::ZERO && quantity * per_unit <= room, "{quantity} {room}");
        assert_eq!(rule.floor(quantity), quantity);
        let more = if step.is_zero() { dec("0.0000001") } else { step };
        assert!((quantity + more) * per_unit > room, "{quantity} of {room} at {price}");
    }
    let rule = instrument("BTCUSDT");
    let none = |room: &str, price: &str| within(&rule, dec(room), dec(price), |q| q * dec(price));
    assert_eq!([none("-5", "1"), none("0", "1"), none("5", "0")], [Decimal::ZERO; 3]);
}
