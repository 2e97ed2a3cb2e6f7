//! Whole days of stocks, traded at an exchange with the protocol of Alpaca, under kills: they come
//! to what the plain loop comes to. One exit is decided at the last close of a session.

use crate::kit::Folder;
use crate::under_kills::{facts, run, runtime};
use everwarm::adapters::places;
use everwarm::chaos::compare::{Picture, ledger, ours};
use everwarm::chaos::rig::Feed;
use everwarm::chaos::{feed, plain};
use everwarm::daemon_run::Connection;
use everwarm::plain_run::STOP_ORDERS;
use everwarm_adapters::{AccountKey, External, Signing};
use everwarm_domain::fact::{Body, Decision, Market as MarketFact};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::Side;
use everwarm_domain::secret::Secret;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_edge::world::Passing;
use everwarm_history as history;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::faults::{Fault, Kind, prepare};
use everwarm_sim::market::{Market, Window, stocks};
use everwarm_sim::server::requests::{self, Entry};
use everwarm_sim::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_sim::{InitialBooks, Pace, Protocol, SimHandle, SimOptions, start};
use everwarm_venue::rate_limit::Note;
use everwarm_venue::simulated::Admin;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Days that are traded: a week from Thursday on, with a weekend in it.
const DAYS: i64 = 6;
/// Where they begin: 2026-01-08T14:00Z, half an hour before the market opens.
const START: UtcMs = 1_767_880_800_000;
/// Inputs after which the daemon is stopped and started again, one after the other.
const RUNS: [u64; 2] = [1_200, 3_000];
fn market() -> Box<dyn Market> {
    // Cheap ones: an order is of several shares.
    let names = ["BAC", "F", "T"].map(|name| Symbol::named(name).unwrap());
    let market = stocks::market(7, &names, START).unwrap();
    Box::new(Window::of(market, None, Some(START + DAYS * DAY)))
}

fn sessions() -> Sessions {
    market().sessions().unwrap().clone()
}

fn days() -> Feed {
    let setup = InitialBooks { seed: 7, protocol: Protocol::Alpaca, ..InitialBooks::default() };
    Feed {
        market: Arc::new(market),
        setup,
        settings: feed::settings(),
        sessions: sessions(),
        stop_orders: STOP_ORDERS,
        ..feed::small()
    }
}

/// How a daemon reaches the exchange: by the adapter of Alpaca, in step with it.
fn connection(exchange: &SimHandle) -> Connection {
    let port = exchange.addr.port();
    let rest = format!("http://127.0.0.1:{port}");
    let socket = |path: &str| format!("ws://127.0.0.1:{port}{path}");
    let addresses = [rest.clone(), socket("/v2/iex"), socket("/stream"), rest.clone()];
    let admin = Admin::new(&rest, &exchange.token).unwrap();
    let signing = Signing::Secret(Secret::new(DEMO_SECRET));
    let key = AccountKey { key: Secret::new(DEMO_KEY), signing };
    Connection {
        places: places("alpaca"),
        open: (External::named("alpaca").unwrap().open)(&addresses, key).unwrap(),
        wheel: Some(Arc::new(admin.clone())),
        admin: Some(admin),
        streams: usize::MAX,
        live: false,
        compare: None,
        passing: Passing::Lockstep,
        note: Note::default(),
    }
}

#[test]
fn days_of_stocks_under_kills_come_to_what_the_plain_loop_comes_to() {
    compare("stocks-equal", &[]);
}

#[test]
fn lost_responses_and_lost_doubled_or_swapped_events_change_nothing() {
    let fault = |kind, at: Option<&str>, chance, seed| Fault {
        at: at.map(str::to_owned),
        chance,
        seed,
        ..Fault::of(kind)
    };
    compare(
        "stocks-faults",
        &[
            fault(Kind::NoAnswer, Some("POST order"), 250, 1),
            fault(Kind::ErrorAfter, Some("POST order"), 150, 2),
            fault(Kind::Missing, Some("executionReport"), 150, 5),
            fault(Kind::Reset, None, 10, 4),
            fault(Kind::Duplicate, Some("executionReport"), 150, 6),
            fault(Kind::Reorder, Some("executionReport"), 150, 7),
            fault(Kind::NoAnswer, Some("DELETE order"), 200, 8),
        ],
    );
}

/// Trades the days under kills and these faults, and compares them with the plain loop.
fn compare(name: &str, faults: &[Fault]) {
    let (folder, feed) = (Folder::new(name), days());
    let books = folder.join("exchange");
    prepare(&books, faults).unwrap();
    let other = runtime(2);
    let options = SimOptions {
        data_dir: books.clone(),
        port: 0,
        pace: Pace::Lockstep,
        market: (feed.market)(),
        setup: feed.setup.clone(),
        idle_exit: None,
    };
    let exchange = other.block_on(start(options)).unwrap();
    let mut dice = 11;
    for until in RUNS {
        assert!(
            !run(&folder, connection(&exchange), &feed, until, &mut dice),
            "the days are too short"
        );
    }
    assert!(run(&folder, connection(&exchange), &feed, u64::MAX, &mut dice));
    let base = format!("http://127.0.0.1:{}", exchange.addr.port());
    let admin = Admin::new(&base, &exchange.token).unwrap();
    let theirs = ledger(&other.block_on(admin.ledger()).unwrap());
    other.block_on(exchange.stop()).unwrap();

    let accepted: Vec<String> = accepted(&requests::read(&books).unwrap());
    assert!(accepted.len() > 20, "{} orders are few", accepted.len());
    let once: BTreeSet<&String> = accepted.iter().collect();
    assert_eq!(once.len(), accepted.len(), "no order is taken twice");
    let all = facts(&folder);
    assert_orders_of_last_closes(&all);
    let mut nights = BTreeSet::new();
    for (_, fact) in &all {
        if let Body::Market(MarketFact::Close { time, missing, .. }) = &fact.body {
            assert!(missing.is_empty(), "{missing:?} are missing at {time}");
            assert!(sessions().is_open(time - MINUTE), "{time} is at night");
            if !sessions().is_open(*time) {
                nights.insert(*time);
            }
        }
    }
    assert_eq!(nights.len(), 4, "Thursday, Friday, Monday and Tuesday");
    let archive = Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap());
    let came = Picture { ours: ours(&all, &archive).unwrap(), theirs };
    let plain = plain::play(&feed).unwrap();
    assert_eq!(came.difference(&plain), None);
}

/// Asserts that no entry was approved at the last close of a session, and that an exit was.
fn assert_orders_of_last_closes(all: &[(u64, Fact<Body>)]) {
    let (sessions, mut exits) = (sessions(), 0);
    for (_, fact) in all {
        if let Body::Decision(Decision::Approved { intent, .. }) = &fact.body
            && !sessions.is_open(intent.close_time)
        {
            assert_eq!(intent.side, Side::Sell, "{intent:?}");
            exits += usize::from(intent.terms.stop.is_none());
        }
    }
    assert!(exits > 0, "the market has no exit at a last close");
}

/// The ids of the orders that the exchange took, in the order of the requests.
fn accepted(log: &[Entry]) -> Vec<String> {
    let mut asked = std::collections::BTreeMap::new();
    let mut taken = Vec::new();
    for entry in log {
        match entry {
            Entry::Asked(it) if it.what == "POST order" => drop(asked.insert(it.n, it.id.clone())),
            Entry::Answered(it) if (200..300).contains(&it.status) => {
                taken.extend(asked.remove(&it.n));
            }
            Entry::Asked(_) | Entry::Answered(_) | Entry::Started { .. } | Entry::Spoilt { .. } => {
            }
        }
    }
    taken
}
