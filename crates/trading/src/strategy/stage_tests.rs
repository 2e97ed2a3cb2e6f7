//! Tests the guarantees for every kind: values of several widths, its own lots and its own id.

use super::*;
use crate::strategy::setting::Setting;
use crate::strategy::{SmaCross, StrategySignal};
use crate::testing::{crossing, fact, facts_of, input, sym};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::money::Price;
use everwarm_domain::order::{HOUSE, OrderIntent, OrderStatus, OrderType};
use everwarm_domain::settings::Settings;

/// A kind that is long while a minute closes above the average of wider bars.
struct Above;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Nothing {}

impl Strategy for Above {
    const KIND: &'static str = "above";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[];
    type Section = Nothing;
    type Memory = ();

    fn timeframe(_: &Nothing) -> Timeframe {
        Timeframe::M1
    }

    fn features(_: &Nothing) -> Vec<String> {
        ["close@1m", "sma(2)@5m"].map(str::to_owned).to_vec()
    }

    fn update(_: &Nothing, (): &mut (), long: bool, view: &View<'_>) -> Option<StrategySignal> {
        let [close, average] = *view.values else { return None };
        let intent = if long { Intent::Close } else { Intent::Open };
        let crossed = if long { close < average } else { close > average };
        let reason = format!("{close} beside {average}");
        crossed.then(|| StrategySignal::new(intent, 1, reason))
    }

    fn why_not(_: &Nothing, (): &(), _: bool, _: &View<'_>) -> String {
        "it stands where it stood".to_owned()
    }
}

fn configured_as(id: &str, kind: &str, enabled: bool) -> Body {
    let mut settings = Settings::default();
    settings.strategy.set(id, "x", 1);
    let one = settings.strategy.0.get_mut(id).unwrap();
    (one.kind, one.enabled, one.section) = (kind.to_owned(), enabled, "{}".to_owned());
    crate::testing::configured(&settings)
}

fn values(timeframe: Timeframe, value: f64) -> Body {
    let head = FeatureHead { symbol: sym("A"), time: 0, close: Price::e8(100_000_000) };
    let table = FeatureTable::of(1, vec![head], vec![value]);
    Body::Analysis(Analysis::FeatureValues { plan: 1, timeframe, table })
}

/// The lot of a strategy in `A`.
fn lot_of(strategy: &str, quantity: i64) -> Body {
    let (strategy, symbol) = (strategy.to_owned(), sym("A"));
    let (quantity, cost, opened) = (Decimal::from(quantity), Decimal::ONE, None);
    let realized_pnl = Decimal::ZERO;
    Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl })
}

/// The signals as text. The state is saved and loaded before.
fn apply<S: Strategy>(stage: &mut StrategyStage<S>, n: u64, body: Body) -> String {
    let bytes = stage.save();
    stage.load(&bytes).unwrap();
    let facts = facts_of(stage, &input(n, body));
    let words = facts.iter().map(|body| {
        let Body::Analysis(Analysis::Signals { rows }) = body else { panic!("{body:?}") };
        format!("{} {:?} {}", rows[0].strategy, rows[0].side(), rows[0].reason)
    });
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn values_of_wider_bars_are_those_of_the_last_one_that_ended() {
    let mut stage = StrategyStage::<Above>::new("mine", Rank(401));
    apply(&mut stage, 1, configured_as("mine", "above", true));
    let features = ["close@1m", "sma(2)@5m"].map(str::to_owned).to_vec();
    apply(&mut stage, 1, Body::Analysis(Analysis::FeaturePlan { plan: 1, features }));
    assert_eq!(apply(&mut stage, 2, values(Timeframe::M1, 9.0)), "", "no wide bar has ended");
    assert_eq!(apply(&mut stage, 3, values(Timeframe::M5, 10.0)), "", "it is asked a minute");
    assert_eq!(apply(&mut stage, 3, values(Timeframe::M1, 9.0)), "");
    assert_eq!(apply(&mut stage, 4, values(Timeframe::M1, 11.0)), "mine Buy 11 beside 10");
    assert_eq!(apply(&mut stage, 5, values(Timeframe::M5, 12.0)), "");
    assert_eq!(apply(&mut stage, 5, values(Timeframe::M1, 11.5)), "mine Sell 11.5 beside 12");
}

#[test]
fn an_instance_hears_of_its_own_id_alone() {
    let mut stage = StrategyStage::<SmaCross>::new("mine", Rank(401));
    let (id, rank, kind) = (stage.name(), stage.rank(), stage.instance_of());
    assert_eq!((id, rank, kind), ("mine", Rank(401), Some("sma_cross")));
    let mut settings = crossing(10, 30);
    let other = settings.strategy.0["sma_cross"].clone();
    facts_of(&mut stage, &input(1, crate::testing::configured(&settings)));
    assert!(stage.state.section.is_none(), "another one is configured");
    settings.strategy.0.insert("mine".to_owned(), other);
    facts_of(&mut stage, &input(1, crate::testing::configured(&settings)));
    assert!(stage.state.section.is_some());
    let off = |name: &str| {
        let switch = Switch::Strategy { name: name.to_owned(), on: false };
        Body::Operator(Operator::Switched { switch, reason: "r".to_owned() })
    };
    facts_of(&mut stage, &input(2, off("sma_cross")));
    assert!(!stage.state.off);
    facts_of(&mut stage, &input(2, off("mine")));
    assert!(stage.state.off);
    for other in ["sma_cross", HOUSE] {
        facts_of(&mut stage, &fact(2, 800, lot_of(other, 1)));
        assert!(stage.state.standings.get(sym("A")).is_none(), "{other}");
    }
    facts_of(&mut stage, &fact(2, 800, lot_of("mine", 1)));
    assert_eq!(stage.state.standings.get(sym("A")).unwrap().held, Decimal::ONE);
}

#[test]
fn a_section_of_another_kind_is_none() {
    let mut stage = StrategyStage::<Above>::new("mine", Rank(401));
    facts_of(&mut stage, &input(1, configured_as("mine", "other", true)));
    assert!(stage.state.section.is_none());
    facts_of(&mut stage, &input(1, configured_as("mine", "above", false)));
    assert!(stage.state.section.is_none());
    facts_of(&mut stage, &input(1, configured_as("mine", "above", true)));
    assert!(stage.state.section.is_some());
}

#[test]
fn what_was_found_too_small_to_sell_is_not_held_by_who_does_not_know_the_rules() {
    let mut stage = StrategyStage::<Above>::new("mine", Rank(401));
    apply(&mut stage, 1, configured_as("mine", "above", true));
    let features = ["close@1m", "sma(2)@5m"].map(str::to_owned).to_vec();
    apply(&mut stage, 1, Body::Analysis(Analysis::FeaturePlan { plan: 1, features }));
    apply(&mut stage, 2, values(Timeframe::M5, 10.0));
    facts_of(&mut stage, &fact(2, 800, lot_of("mine", 1)));
    let declined = |signal: Signal| {
        let (code, text) = (TOO_SMALL.to_owned(), "it is".to_owned());
        Body::Decision(Decision::Declined { signal, code, text })
    };
    let mut facts = facts_of(&mut stage, &input(3, values(Timeframe::M1, 9.0)));
    let Some(Body::Analysis(Analysis::Signals { mut rows })) = facts.pop() else { panic!() };
    assert_eq!(rows[0].side(), Side::Sell);
    assert_eq!(facts_of(&mut stage, &input(4, values(Timeframe::M1, 9.0))).len(), 1, "it is held");
    facts_of(&mut stage, &fact(4, 600, declined(rows.remove(0))));
    assert_eq!(apply(&mut stage, 5, values(Timeframe::M1, 9.0)), "", "once");
    assert_eq!(apply(&mut stage, 6, values(Timeframe::M1, 11.0)), "mine Buy 11 beside 10");
    facts_of(&mut stage, &fact(6, 800, lot_of("mine", 2)));
    assert_eq!(apply(&mut stage, 7, values(Timeframe::M1, 9.0)), "mine Sell 9 beside 10");
}

/// A kind that opens, or adds, at every close. Its positions end with their lots.
struct Rungs;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Name {
    text: String,
}

impl Default for Name {
    fn default() -> Name {
        Name { text: "first".to_owned() }
    }
}

impl Strategy for Rungs {
    const KIND: &'static str = "rungs";
    const VERSION: u16 = 1;
    const ENDS_WITH_LOT: bool = true;
    const SETTINGS: &'static [Setting] = &[Setting {
        name: "text",
        form: crate::strategy::Form::OneOf(&["first", "second"]),
        about: "",
    }];
    type Section = Name;
    type Memory = ();

    fn timeframe(_: &Name) -> Timeframe {
        Timeframe::M1
    }

    fn features(_: &Name) -> Vec<String> {
        vec!["close@1m".to_owned()]
    }

    fn update(name: &Name, (): &mut (), long: bool, _: &View<'_>) -> Option<StrategySignal> {
        let (intent, word) = if long { (Intent::Add, "adds") } else { (Intent::Open, "opens") };
        Some(StrategySignal::new(intent, 1, format!("{} {word}", name.text)))
    }

    fn why_not(_: &Name, (): &(), _: bool, _: &View<'_>) -> String {
        String::new()
    }
}

#[test]
fn a_position_that_ends_with_its_lot_begins_with_its_order_and_grows_one_order_at_a_time() {
    let mut stage = StrategyStage::<Rungs>::new("mine", Rank(401));
    let configured = |text: &str| {
        let mut settings = Settings::default();
        settings.strategy.set("mine", "text", text);
        settings.strategy.0.get_mut("mine").unwrap().kind = "rungs".to_owned();
        crate::testing::configured(&settings)
    };
    apply(&mut stage, 1, configured("first"));
    let plan = || {
        let features = vec!["close@1m".to_owned()];
        Body::Analysis(Analysis::FeaturePlan { plan: 1, features })
    };
    apply(&mut stage, 1, plan());
    let row = || values(Timeframe::M1, 9.0);
    assert_eq!(apply(&mut stage, 2, row()), "mine Buy first opens");
    assert_eq!(apply(&mut stage, 3, row()), "mine Buy first opens", "no order followed");
    let order = |id: &str| {
        Body::Order(Order::Intent(OrderIntent {
            client_id: ClientOrderId(id.to_owned()),
            strategy: "mine".to_owned(),
            symbol: sym("A"),
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity: Decimal::ONE,
            price: None,
            close_time: 0,
            valid_until: 0,
            terms: Box::default(),
        }))
    };
    let ended = |id: &str| {
        Body::Order(Order::Changed {
            client_id: ClientOrderId(id.to_owned()),
            symbol: sym("A"),
            venue_order_id: None,
            status: OrderStatus::Filled,
            executed: Decimal::ONE,
            executed_quote: Decimal::ONE,
            reason: String::new(),
        })
    };
    facts_of(&mut stage, &fact(3, 700, order("a")));
    assert_eq!(apply(&mut stage, 4, row()), "", "the first entry is not filled");
    facts_of(&mut stage, &fact(4, 700, ended("a")));
    facts_of(&mut stage, &fact(4, 800, lot_of("mine", 1)));
    assert_eq!(apply(&mut stage, 5, row()), "mine Buy first adds");
    facts_of(&mut stage, &fact(5, 700, order("b")));
    assert_eq!(apply(&mut stage, 6, row()), "", "one order at a time");
    facts_of(&mut stage, &fact(6, 700, ended("b")));
    facts_of(&mut stage, &fact(6, 800, lot_of("mine", 2)));
    // Under other settings nothing is added, until the lot is sold by whatever rule.
    apply(&mut stage, 7, configured("second"));
    apply(&mut stage, 7, plan());
    assert_eq!(apply(&mut stage, 8, row()), "");
    facts_of(&mut stage, &fact(8, 800, lot_of("mine", 0)));
    assert_eq!(apply(&mut stage, 9, row()), "mine Buy second opens");
}
