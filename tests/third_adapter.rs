//! The ports are a seam: a third adapter, in this process and by other rules than the two there
//! are, trades whole days under kills, and comes to what the plain loop comes to.

mod corner;

use crate::kit::Folder;
use crate::under_kills::{facts, run};
use corner::Corner;
use everwarm::adapters::places;
use everwarm::chaos::compare::{Picture, ledger, ours};
use everwarm::chaos::rig::Feed;
use everwarm::chaos::{feed, plain};
use everwarm::daemon_run::Connection;
use everwarm_domain::fact::{Analysis, Body, Market as MarketFact};
use everwarm_domain::market::RolledBar;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};
use everwarm_edge::world::Passing;
use everwarm_history as history;
use everwarm_runtime::store::archive::Archive;
use everwarm_sim::market::{InSessions, Market, Seeded, Window};
use everwarm_sim::{InitialBooks, Local};
use everwarm_venue::rate_limit::Note;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Days that are traded.
const DAYS: i64 = 8;
/// Where they begin: 2026-01-05T00:00Z.
const START: UtcMs = 1_767_571_200_000;
/// Inputs after which the daemon is stopped and started again, one after the other.
const RUNS: [u64; 2] = [1_500, 3_500];
/// Hours of the session of a day, UTC.
const OPEN: std::ops::Range<i64> = 14..21;

/// The sessions of all days there are, from some days before.
fn sessions() -> Sessions {
    let day = |n: i64| START + n * DAY;
    let session = |n: i64| Session {
        open: day(n) + OPEN.start * 60 * MINUTE,
        close: day(n) + OPEN.end * 60 * MINUTE,
    };
    Sessions::new(day(-9), day(DAYS + 9), (-9..DAYS + 9).map(session).collect()).unwrap()
}

/// A seeded market that trades in sessions, and ends.
fn market() -> Box<dyn Market> {
    let market = InSessions::over(Box::new(Seeded::new(5, 3, START, 9_000)), sessions());
    Box::new(Window::of(Box::new(market), None, Some(START + DAYS * DAY)))
}

fn days() -> Feed {
    Feed {
        market: Arc::new(market),
        setup: InitialBooks { seed: 5, ..InitialBooks::default() },
        settings: feed::settings(),
        sessions: sessions(),
        // It takes no stop orders: lots are guarded at closes.
        stop_orders: 0,
        ..feed::small()
    }
}

/// How a daemon reaches the venue.
fn connection(corner: &Corner) -> Connection {
    let opened = corner.clone();
    Connection {
        places: places("corner"),
        open: Arc::new(move |opening| Ok(opened.ports(&opening))),
        wheel: Some(Arc::new(corner.clone())),
        admin: None,
        streams: usize::MAX,
        live: false,
        compare: None,
        passing: Passing::Lockstep,
        note: Note::default(),
    }
}

#[test]
fn a_third_adapter_trades_whole_days_under_kills_like_the_plain_loop() {
    let (folder, feed) = (Folder::new("third"), days());
    let corner = Corner::open(Local::open((feed.market)(), &feed.setup), sessions());
    let mut dice = 11;
    for until in RUNS {
        assert!(
            !run(&folder, connection(&corner), &feed, until, &mut dice),
            "the days are too short"
        );
    }
    assert!(run(&folder, connection(&corner), &feed, u64::MAX, &mut dice));
    let ids = corner.client_ids();
    assert!(ids.len() > 20, "{} orders are few", ids.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no order twice");
    let (mut nights, mut daily) = (0, 0);
    for (_, fact) in facts(&folder) {
        match fact.body {
            Body::Market(MarketFact::Close { time, missing, .. }) => {
                assert!(missing.is_empty(), "{missing:?} are missing at {time}");
                assert!(sessions().is_open(time - MINUTE), "{time} is at night");
                nights += i64::from(!sessions().is_open(time));
            }
            Body::Analysis(Analysis::Rolled { timeframe: Timeframe::D1, bars }) => {
                let whole = |rolled: &RolledBar| {
                    rolled.complete && rolled.bar.open_time % DAY == OPEN.start * 60 * MINUTE
                };
                assert!(bars.iter().all(whole), "a day is a session: {bars:?}");
                daily += bars.len();
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    // The last session before the start is finished by the first bar after it.
    assert_eq!((nights, daily), (DAYS, usize::try_from(DAYS + 1).unwrap() * 3));
    let archive = Arc::new(Archive::open(&folder.0.join(history::FILE)).unwrap());
    let came = Picture {
        ours: ours(&facts(&folder), &archive).unwrap(),
        theirs: ledger(&corner.ledger()),
    };
    let plain = plain::play(&feed).unwrap();
    assert_eq!(came.difference(&plain), None);
}
