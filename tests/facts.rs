//! Every kind of fact goes through the file and comes back as it was.
//!
//! Over 500 lines: one subject, one test a promise.

use everwarm::daemon_run::APPLICATION;
use everwarm_domain::capabilities::Capabilities;
use everwarm_domain::dominance::Dominance;
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::kinds::TABLE;
use everwarm_domain::fact::{
    Accept, Analysis, AtVenue, Body, BreakerLevel, Conflict, Decision, Dispute, HealthCheck,
    Ledger, Listed, Market, Operator, Order, Part, Restarts, Retained, Signal, StrategyLimit,
    Venue,
};
use everwarm_domain::features::{FeatureHead, FeatureTable};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::manual::{Amount, Request};
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::odd::{OddBar, Oddity};
use everwarm_domain::order::{
    Balance, Charge, ExternalTrade, ExternalTrades, Liquidity, OrderIntent, OrderReport,
    OrderRequest, OrderStatus, OrderType, PanicTrade, Proof, ReportSource, RequestKind, Response,
    SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::signal::{Direction, Intent};
use everwarm_domain::split::{CorporateAction, Found};
use everwarm_domain::switch::Switch;
use everwarm_domain::time::Timeframe;
use everwarm_domain::token::{Point, Points, Token};
use everwarm_domain::venue_ids::{VENUE_ID_MAX, VenueOrderId, VenueTradeId};
use everwarm_kernel::fact::{Body as _, Effect, Fact};
use everwarm_runtime::chaos::faults::FaultyDisk;
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

fn symbol() -> Symbol {
    Symbol::new("SIXTEEN-LETTERS_").unwrap()
}

fn id() -> ClientOrderId {
    ClientOrderId("ew-é\u{1f980}\"\\\n".into())
}

fn odd() -> Decimal {
    Decimal::new(-1, 28)
}

fn bar() -> Bar {
    let (open, high, low, close) =
        (Price::e8(i64::MIN), Price::e8(i64::MAX), Price::e8(0), Price::e8(-1));
    Bar { symbol: symbol(), open_time: i64::MIN, open, high, low, close, volume: Decimal::MAX }
}

fn signal() -> Signal {
    Signal {
        strategy: String::new(),
        symbol: symbol(),
        intent: Intent::Close,
        direction: Direction::Long,
        confidence_ppm: u32::MAX,
        price: Price::e8(i64::MIN),
        close_time: i64::MAX,
        reason: "x".repeat(70_000),
        terms: Box::default(),
    }
}

fn intent() -> OrderIntent {
    OrderIntent {
        client_id: id(),
        strategy: "sma_cross".into(),
        symbol: symbol(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: odd(),
        price: Some(Decimal::MIN),
        close_time: i64::MIN,
        valid_until: i64::MAX,
        terms: Box::default(),
    }
}

/// The longest id of a venue.
fn long() -> VenueTradeId {
    VenueTradeId::new(&"~".repeat(VENUE_ID_MAX)).unwrap()
}

fn fill() -> VenueFill {
    let (price, quantity, fee) = (Decimal::MAX, odd(), Decimal::ZERO);
    let fee_asset = "BNB".to_owned();
    let liquidity = Some(Liquidity::Maker);
    VenueFill { trade_id: long(), price, quantity, fee, fee_asset, time: -1, liquidity }
}

fn report() -> OrderReport {
    OrderReport {
        source: ReportSource::Stream,
        client_id: id(),
        venue_order_id: u64::MAX.into(),
        symbol: symbol(),
        side: Side::Sell,
        status: OrderStatus::PartlyFilled,
        quantity: Decimal::MAX,
        executed: odd(),
        executed_quote: Decimal::MIN,
        fills: vec![fill(), VenueFill { liquidity: None, ..fill() }],
        time: i64::MAX,
    }
}

fn conflicts() -> Vec<Conflict> {
    let (about, ours, theirs) = ("a".to_owned(), String::new(), "c".to_owned());
    vec![Conflict { about, ours, theirs, dispute: Dispute::Twin }]
}

fn dominance() -> Dominance {
    let (source, time, every_s) = ("s".into(), i64::MIN, u32::MAX);
    Dominance { source, time, btc: odd(), usdt: Decimal::MAX, every_s }
}

fn corporate_action() -> CorporateAction {
    let (venue, found) = (VenueId::default(), Found::Asked(Some("w".into())));
    CorporateAction { venue, symbol: symbol(), bar: i64::MIN, found }
}

fn rule() -> Instrument {
    Instrument {
        symbol: symbol(),
        base: "B".into(),
        quote: "Q".into(),
        trading: false,
        tick_size: odd(),
        lot_size: odd(),
        min_quantity: odd(),
        max_quantity: Decimal::MAX,
        market_lot_size: odd(),
        market_max_quantity: odd(),
        min_notional: odd(),
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

fn markets() -> Vec<Market> {
    let (symbol, timeframe, bars) = (symbol(), Timeframe::D1, vec![bar()]);
    vec![
        Market::close(i64::MAX, bars.clone(), vec![symbol]),
        Market::Close {
            time: 0,
            bars: bars.clone(),
            missing: Vec::new(),
            odd: Oddity::ALL.map(|why| OddBar { symbol, why }).to_vec(),
        },
        Market::LateBar { bar: bar(), odd: None },
        Market::LateBar { bar: bar(), odd: Some(Oddity::Volume) },
        Market::BarRefused { symbol, time: i64::MAX, reason: "r".into(), claimed: "c".into() },
        Market::HistoryLoaded {
            symbol,
            timeframe,
            from: -1,
            to: 1,
            count: 9,
            digest: u64::MAX,
            plan: u64::MAX,
        },
        Market::HistoryBars { symbol, timeframe, bars, plan: u64::MAX },
        Market::Instruments { rules: vec![rule()] },
        Market::Sessions {
            venue: VenueId::default(),
            sessions: Sessions::new(
                -60_000,
                i64::MAX,
                vec![Session { open: 0, close: 60_000 }, Session { open: 60_000, close: 180_000 }],
            )
            .unwrap(),
        },
        Market::DayBegins {
            venue: VenueId::default(),
            zone: "America/New_York".into(),
            day: -1,
            at: i64::MAX,
        },
        Market::Capabilities {
            venue: VenueId::default(),
            capabilities: Capabilities::market_and_limit(),
            stop_orders: 5,
            fewer: vec![(symbol, 0)],
            pairs: false,
            splits: false,
        },
        Market::Dominance(dominance()),
        Market::CorporateAction(corporate_action()),
        Market::Universe {
            asked: i64::MIN,
            basis: u64::MAX,
            listed: vec![Listed { symbol, wanted: false, venue: AtVenue::Gone, why: "w".into() }],
            unlisted: vec![symbol],
        },
    ]
}

fn venues() -> Vec<Venue> {
    let client_id = id();
    let sent = |settled_at, proof| {
        let (timestamp, deadline) = (i64::MIN, i64::MAX);
        let validity = Validity { timestamp, deadline, settled_at, proof };
        SendAttempt { client_id: id(), attempt: 9, validity }
    };
    let attempts = vec![
        sent(None, Proof::ById),
        sent(Some(i64::MAX), Proof::ByAbsenceAndTrades),
        SendAttempt { client_id: id(), attempt: 1, validity: Validity::within(-1, 5_000) },
    ];
    let balances = vec![Balance { asset: "USD".into(), free: odd(), locked: Decimal::MAX }];
    vec![
        Venue::Sent { attempts },
        Venue::Reported(report()),
        Venue::Refused {
            client_id: client_id.clone(),
            attempt: 1,
            code: i32::MIN,
            text: String::new(),
            again: true,
        },
        Venue::Unanswered { client_id: client_id.clone(), attempt: 2, reason: "r".into() },
        Venue::Absent { client_id, asked: i64::MIN },
        Venue::Account {
            life: 1,
            time: 2,
            balances,
            open: vec![(id(), symbol())],
            unread: Vec::new(),
            venue: VenueId::default(),
            charges: vec![Charge {
                what: "REG of 2026-09-08".into(),
                asset: "USD".into(),
                amount: odd(),
                time: 3,
            }],
            charge_ids: vec!["20260908::1".into()],
        },
        Venue::PanicTraded {
            trades: vec![PanicTrade {
                client_id: id(),
                symbol: symbol(),
                side: Side::Sell,
                fill: fill(),
            }],
            venue: VenueId::default(),
        },
        external_trades(),
        Venue::Requested(OrderRequest {
            id: "r".into(),
            of: id(),
            symbol: symbol(),
            what: RequestKind::Cancel,
            attempt: u32::MAX,
            timestamp: i64::MIN,
            deadline: i64::MAX,
            settled_at: None,
            proof: Proof::ById,
        }),
        responded(Response::Accepted),
        responded(Response::NotOpen),
        responded(Response::Refused { code: i32::MIN, text: String::new() }),
        responded(Response::Unknown { reason: "é".into() }),
    ]
}

fn external_trades() -> Venue {
    let trade = ExternalTrade {
        client_id: ClientOrderId("web_é".into()),
        venue_order_id: u64::MAX.into(),
        symbol: symbol(),
        side: Side::Buy,
        fill: fill(),
    };
    Venue::ExternalTraded(ExternalTrades { trades: vec![trade], venue: VenueId::default() })
}

fn responded(response: Response) -> Venue {
    Venue::Responded { id: "r".into(), of: id(), attempt: 1, response }
}

fn by_hand() -> Request {
    let (symbol, amount, limit) = (symbol(), Amount::Quantity(odd()), Some(odd()));
    Request::Order { symbol, side: Side::Buy, amount, limit, minutes: 7 }
}

fn prices_by_hand() -> Request {
    let (symbol, stop, target) = (symbol(), None, Some(odd()));
    Request::Guard { symbol, stop, target, amount: Some(Amount::Quote(Decimal::MAX)) }
}

fn signal_of_a_program() -> ExternalSignal {
    ExternalSignal {
        id: "é".into(),
        strategy: "s".into(),
        symbol: symbol(),
        side: Side::Sell,
        confidence_ppm: u32::MAX,
        stop: Some(odd()),
        target: None,
        time: i64::MIN,
        reason: "r".into(),
    }
}

/// What a process and its runtime append.
fn of_processes() -> Vec<Operator> {
    let origins = vec![("a.b".to_owned(), "flag".to_owned())];
    vec![
        Operator::Started { life: u64::MAX, installation: "demo".into(), epoch: 3 },
        Operator::Clock { time: i64::MIN },
        Operator::ConfigApplied {
            generation: 7,
            text: "{}".into(),
            origins: origins.clone(),
            values: origins,
            source: "s".into(),
            retained: vec![Retained { id: "s".into(), settings: "{}".into(), kind: "k".into() }],
        },
        Operator::StageUpgraded { rank: u16::MAX, from: 1, to: 2 },
        Operator::StageJoined {
            rank: 401,
            id: "fast".into(),
            kind: "sma_cross".into(),
            version: u16::MAX,
            settings: "{\"fast\":5}".into(),
        },
        Operator::StageLeft { rank: 401 },
        Operator::Quarantined {
            rank: 200,
            stage: "indicator".into(),
            input: u64::MAX,
            effect: Effect::Parts,
            symbols: vec![symbol()],
            failures: 3,
            why: "w".into(),
        },
        Operator::Branch { path: "root/ops".into(), down: Some("w".into()) },
        Operator::Health { problems: vec![(HealthCheck::Disk, "w".into())] },
        Operator::Restarted {
            actors: vec![Restarts { actor: "feed".into(), reason: "panic".into(), times: 3 }],
        },
    ]
}

fn operators() -> Vec<Operator> {
    vec![
        Operator::LiveConfirmed {
            account: "1".into(),
            per_order: odd(),
            per_day: Decimal::MAX,
            venue: VenueId::default(),
        },
        Operator::Switched {
            switch: Switch::Strategy { name: "s".into(), on: false },
            reason: "r".into(),
        },
        Operator::Released { quarantine: 4, retry: true },
        Operator::SymbolWanted { symbol: symbol(), wanted: true },
        Operator::RemoteCommand {
            via: "telegram".into(),
            update: i64::MIN,
            who: "é".into(),
            text: "/halt".into(),
        },
        Operator::Adopted {
            asset: "é".into(),
            quantity: odd(),
            position: Some((symbol(), Decimal::MAX)),
            reason: String::new(),
            venue: VenueId::default(),
        },
        Operator::Resolved {
            conflict: conflicts().remove(0),
            accept: Accept::Ours,
            reason: "r".into(),
            venue: VenueId::default(),
        },
        Operator::Manual { id: "é".into(), request: by_hand(), reason: "r".into() },
        Operator::Manual { id: "é".into(), request: prices_by_hand(), reason: "r".into() },
        Operator::Signalled(Box::new(signal_of_a_program())),
    ]
}

fn orders() -> Vec<Order> {
    let (client_id, symbol) = (id(), symbol());
    vec![
        Order::Intent(intent()),
        Order::Granted { client_id: client_id.clone(), attempt: 2, reason: "r".into() },
        Order::Changed {
            client_id: client_id.clone(),
            symbol,
            venue_order_id: None,
            status: OrderStatus::Expired,
            executed: odd(),
            executed_quote: Decimal::MIN,
            reason: String::new(),
        },
        Order::Filled {
            client_id,
            strategy: "s".into(),
            symbol,
            side: Side::Buy,
            k: u32::MAX,
            fill: fill(),
        },
        Order::Compared { life: 5, conflicts: conflicts() },
    ]
}

fn taken_back() -> [Body; 2] {
    let (strategy, symbol, reason) = ("s".to_owned(), symbol(), String::new());
    let (client_id, side) = (id(), Side::Buy);
    let sent = Decision::CancelIntent {
        client_id: client_id.clone(),
        strategy: strategy.clone(),
        symbol,
        side: Side::Sell,
        reason: "r".into(),
    };
    let unsent = Decision::Withdrawn { client_id, strategy, symbol, side, reason };
    [unsent, sent].map(Body::Decision)
}

#[expect(clippy::too_many_lines, reason = "one sample for each kind of fact")]
fn derived() -> Vec<Body> {
    let (symbol, quantity, cash) = (symbol(), odd(), Decimal::MAX);
    let head = FeatureHead { symbol, time: i64::MIN, close: Price::e8(i64::MAX) };
    let floats = [f64::from_bits(0x7ff8_0000_0000_0001), -0.0, f64::MIN_POSITIVE, f64::INFINITY];
    let old = FeatureTable::of(4, vec![head], floats.to_vec());
    let new = FeatureTable::of(4, vec![head], vec![f64::NAN, -0.0, f64::MIN_POSITIVE, f64::MAX]);
    let values = |plan, table| Analysis::FeatureValues { plan, timeframe: Timeframe::M1, table };
    let rolled = RolledBar { bar: bar(), count: u32::MAX, complete: false };
    let (timeframe, reason) = (Timeframe::M1, "r".to_owned());
    let foreign = vec![("BNB".to_owned(), odd())];
    vec![
        Body::Analysis(Analysis::Rolled { timeframe, bars: vec![rolled] }),
        Body::Analysis(values(0, old.clone())),
        Body::Analysis(Analysis::Kept { timeframe, fast: 3, slow: u32::MAX, rows: old }),
        Body::Analysis(Analysis::FeaturePlan { plan: u64::MAX, features: vec!["f".into()] }),
        Body::Analysis(values(u64::MAX, new)),
        Body::Analysis(Analysis::Signals { rows: vec![signal()] }),
        Body::Decision(Decision::Breaker {
            level: BreakerLevel::ExitsOnly,
            reasons: vec![reason.clone()],
            barred: vec![(symbol, String::new())],
            strategies: vec![StrategyLimit {
                id: String::new(),
                level: BreakerLevel::Reduced,
                why: String::new(),
            }],
        }),
        Body::Decision(Decision::Approved {
            intent: intent(),
            reserved: cash,
            reason,
            sizing: Some("s".into()),
        }),
        Body::Decision(Decision::Guarded {
            strategy: "s".into(),
            symbol,
            stop: Some(odd()),
            target: None,
            reason: "é".into(),
        }),
        Body::Decision(Decision::Declined {
            signal: signal(),
            code: "c".into(),
            text: String::new(),
        }),
        Body::Decision(Decision::Owed {
            strategy: "s".into(),
            symbol,
            since: -1,
            cause: "c".into(),
            revision: u32::MAX,
            tries: 3,
            refusal: Some(String::new()),
            ended: None,
            rule: Some(ExitRule::TrailingStop),
        }),
        Body::Ledger(Ledger::Position {
            symbol,
            quantity,
            cost: cash,
            realized_pnl: Decimal::MIN,
            cash,
        }),
        Body::Ledger(Ledger::Lot {
            strategy: "s".into(),
            symbol,
            quantity,
            cost: cash,
            opened: Some(-1),
            realized_pnl: odd(),
        }),
        Body::Ledger(Ledger::Equity { time: -1, equity: cash, cash: quantity, adjusted: odd() }),
        Body::Ledger(Ledger::Adjusted {
            asset: "A".into(),
            part: Part::Position(symbol),
            amount: odd(),
            value: Decimal::MIN,
        }),
        Body::Ledger(Ledger::Reconciled {
            life: 6,
            conflicts: conflicts(),
            cash,
            foreign,
            venue: VenueId::default(),
        }),
    ]
}

/// The registry of tokens, and points of it.
fn of_tokens() -> [Body; 2] {
    let [chain, contract, pool] = ["c", "é", ""].map(str::to_owned);
    let token = Token { name: symbol(), chain, contract, pool, decimals: u8::MAX };
    let tokens = Operator::Tokens { removed: vec![symbol()], added: vec![token] };
    let point = Point { token: symbol(), added: u64::MAX, price: odd() };
    let (source, time, every_s) = ("s".into(), i64::MIN, u32::MAX);
    let points = Points { source, time, every_s, points: vec![point] };
    [Body::Operator(tokens), Body::Market(Market::Points(points))]
}

fn all() -> Vec<Body> {
    let markets = markets().into_iter().map(Body::Market);
    let venues = venues().into_iter().map(Body::Venue);
    let operators = of_processes().into_iter().chain(operators()).map(Body::Operator);
    let orders = orders().into_iter().map(Body::Order);
    markets
        .chain(venues)
        .chain(operators)
        .chain(orders)
        .chain(derived())
        .chain(taken_back())
        .chain(of_tokens())
        .collect()
}

/// By bits, for floats.
fn encoded(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.encode(&mut bytes);
    bytes
}

#[test]
fn a_fill_that_does_not_say_whether_it_waited_is_written_as_it_was_before_any_did() {
    let old = VenueFill { liquidity: None, ..fill() };
    let members = (&old.trade_id, old.price, old.quantity, old.fee, &old.fee_asset, old.time);
    let bytes = rmp_serde::to_vec(&members).unwrap();
    assert_eq!(rmp_serde::to_vec(&old).unwrap(), bytes);
    assert_eq!(rmp_serde::from_slice::<VenueFill>(&bytes).unwrap(), old);
}

/// What was stored before the ids of a venue were text, before an announcement stated how long its
/// request may arrive, and before every fact about an account named its venue.
#[test]
fn facts_of_earlier_versions_read_as_they_were_meant() {
    let id = || ClientOrderId("ew-1".into());
    let read = |group: &str, members: &[u8]| -> Body {
        let mut bytes = vec![0x81];
        bytes.extend(rmp_serde::to_vec(group).unwrap());
        bytes.extend(members);
        rmp_serde::from_slice(&bytes).unwrap()
    };
    let fill = (u64::MAX, odd(), odd(), odd(), "BNB", 5_i64);
    let trade = rmp_serde::from_slice::<VenueFill>(&rmp_serde::to_vec(&fill).unwrap()).unwrap();
    assert_eq!(trade.trade_id.as_str(), "18446744073709551615");
    let (source, side, status) = (ReportSource::Query, Side::Buy, OrderStatus::Filled);
    let (number, fills) = (17_u64, vec![fill]);
    let report =
        (source, "ew-1", number, symbol(), side, status, odd(), odd(), odd(), fills, 7_i64);
    let report = rmp_serde::to_vec(&report).unwrap();
    let report = rmp_serde::from_slice::<OrderReport>(&report).unwrap();
    assert_eq!(report.venue_order_id, VenueOrderId::from(17));
    assert_eq!(report.fills, [trade]);

    let attempt = ("ew-1", 2_u32, 1_000_i64, 5_000_i64);
    let attempt = rmp_serde::from_slice::<SendAttempt>(&rmp_serde::to_vec(&attempt).unwrap());
    let validity = Validity {
        timestamp: 1_000,
        deadline: 6_000,
        settled_at: Some(16_000),
        proof: Proof::ByAbsenceAndTrades,
    };
    assert_eq!(attempt.unwrap(), SendAttempt { client_id: id(), attempt: 2, validity });

    let request = ("r", "ew-1", symbol(), RequestKind::Cancel, 1_u32, 1_i64, 2_i64, None::<i64>);
    let request = rmp_serde::from_slice::<OrderRequest>(&rmp_serde::to_vec(&request).unwrap());
    assert_eq!(request.unwrap().proof, Proof::ByAbsenceAndTrades);

    let adopted = ("Adopted", ("BTC", odd(), None::<(Symbol, Decimal)>, "r"));
    let adopted = rmp_serde::to_vec(&BTreeMap::from([adopted])).unwrap();
    let body = read("Operator", &adopted);
    let expected = Operator::Adopted {
        asset: "BTC".into(),
        quantity: odd(),
        position: None,
        reason: "r".into(),
        venue: VenueId::default(),
    };
    assert_eq!(body, Body::Operator(expected));
    let resolved = ("Resolved", (conflicts().remove(0), Accept::Venue, "r"));
    let resolved = rmp_serde::to_vec(&BTreeMap::from([resolved])).unwrap();
    let (conflict, accept) = (conflicts().remove(0), Accept::Venue);
    let venue = VenueId::default();
    let expected = Operator::Resolved { conflict, accept, reason: "r".into(), venue };
    assert_eq!(read("Operator", &resolved), Body::Operator(expected));
    let traded = rmp_serde::to_vec(&BTreeMap::from([("PanicTraded", (Vec::<u8>::new(),))]));
    let expected = Venue::PanicTraded { trades: Vec::new(), venue };
    assert_eq!(read("Venue", &traded.unwrap()), Body::Venue(expected));
}

#[test]
fn every_kind_of_fact_comes_back_from_the_file_as_it_was() {
    let bodies = all();
    let kinds: BTreeSet<u8> = bodies.iter().map(everwarm_kernel::fact::Body::kind).collect();
    let missing = TABLE.iter().filter(|row| !kinds.contains(&row.kind)).map(|row| row.name);
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new());

    let disk = FaultyDisk::default();
    let store = Store::on_disk(disk.clone(), APPLICATION).unwrap();
    let journal = Journal::open(store, Vec::new(), Options::new(|why| panic!("{why}"))).unwrap();
    let writer = journal.writer("test");
    journal.append(&writer, 77, bodies.clone()).unwrap();
    journal.close();
    drop(journal);

    let mut found = Vec::new();
    let store = Store::on_disk(disk, APPLICATION).unwrap();
    let read = store.scan(0, &mut |_, fact: Fact<Body>| {
        found.push(fact);
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!(found.len(), bodies.len());
    for (n, (fact, body)) in (1..).zip(found.iter().zip(&bodies)) {
        assert_eq!((fact.key.n, fact.time), (n, 77));
        assert_eq!(encoded(&fact.body), encoded(body), "{body:?}");
        assert!(fact.body == *body, "{body:?} came back as {:?}", fact.body);
    }
}
