//! Stocks while their market is closed: nothing is bought, and `panic` sells at the next opening.

use super::stocks::{IDLE, Place, SYMBOLS, daemon, held, open_orders, ready};
use crate::kit::{Folder, ask, run, wait_until};
use crate::under_kills::runtime;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::{OrderReport, Side};
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_sim::market::stocks;
use everwarm_sim::{InitialBooks, Pace, Protocol, SimHandle, SimOptions};
use everwarm_venue::simulated::Admin;
use serde_json::Value;
use std::path::Path;
use tokio::runtime::Runtime;

/// Where the market begins, an hour before its session ends: 2026-01-05T20:00Z.
const START: UtcMs = 1_767_643_200_000;
/// Five minutes after the end of the session.
const EVENING: UtcMs = START + 65 * MINUTE;
/// One minute before the next opening.
const MORNING: UtcMs = START - 331 * MINUTE + DAY;
/// How fast time passes.
const FACTOR: u32 = 60;

/// An exchange in this process, whose time can jump.
pub struct Exchange {
    pub at: Place,
    start: UtcMs,
    running: Option<SimHandle>,
    pub on: Runtime,
}

impl Exchange {
    /// One whose market begins at this time, and whose time passes so many times faster.
    pub fn begin(name: &str, (start, factor): (UtcMs, u32)) -> Exchange {
        let (folder, on) = (Folder::new(name), runtime(2));
        let running = Exchange::open(&on, (&folder, start), 0, Pace::Times(factor));
        let at = Place::new(folder, running.addr.port(), factor);
        Exchange { at, start, running: Some(running), on }
    }

    fn open(on: &Runtime, (folder, start): (&Folder, UtcMs), port: u16, pace: Pace) -> SimHandle {
        let names = SYMBOLS.map(|name| Symbol::named(name).unwrap());
        let options = SimOptions {
            data_dir: folder.join("books"),
            port,
            pace,
            market: stocks::market(5, &names, start).unwrap(),
            setup: InitialBooks { protocol: Protocol::Alpaca, ..InitialBooks::default() },
            idle_exit: None,
        };
        on.block_on(everwarm_sim::start(options)).unwrap()
    }

    fn reopen(&mut self, pace: Pace) -> &SimHandle {
        let before = self.running.take().unwrap();
        self.on.block_on(before.stop()).unwrap();
        let at = (&self.at.folder, self.start);
        let there = Exchange::open(&self.on, at, self.at.port, pace);
        self.running.insert(there)
    }

    /// Jumps to a time, from which on it passes again.
    fn jump(&mut self, to: UtcMs) {
        self.reopen(Pace::Lockstep);
        let standing = self.on.block_on(self.admin().advance(to, to)).unwrap();
        assert_eq!(standing.now, to);
        self.reopen(Pace::Times(self.at.factor));
    }

    /// What steers it.
    pub fn admin(&self) -> Admin {
        let there = self.running.as_ref().unwrap();
        Admin::new(&format!("http://{}", there.addr), &there.token).unwrap()
    }

    /// The open orders of the account.
    pub fn open_orders(&self) -> Vec<OrderReport> {
        self.on.block_on(open_orders(&self.at.venue()))
    }
}

fn panic(dir: &Path, config: &Path) -> (Option<i32>, String, String) {
    let config = config.to_str().unwrap();
    run(dir, &["panic", "--venue", "alpaca", "--config", config, "--flatten", "--yes"])
}

/// Buys ten shares by hand and waits for their stop.
pub fn buy(there: &Exchange, dir: &Path) {
    let buy = ["order", "buy", "AAPL", "--quantity", "10", "--reason", "a test", "--yes"];
    wait_until("the order is taken", || {
        let (code, out, err) = run(dir, &buy);
        assert!(code == Some(0) || out.contains("no close yet"), "{out}{err}");
        code == Some(0)
    });
    wait_until("the shares are held", || held(dir, "AAPL").as_deref() == Some("10"));
    wait_until("the stop is open", || there.open_orders().len() == 1);
}

#[test]
fn panic_at_night_sells_at_the_opening_once_and_nothing_is_bought_meanwhile() {
    let mut there = Exchange::begin("night", (START, FACTOR));
    let (dir, config) = (there.at.folder.join("data"), there.at.configured("night.toml", IDLE));
    let evening = daemon(&dir, &config);
    ready(&dir);
    buy(&there, &dir);
    evening.kill();
    there.jump(EVENING);

    let opens = "executes at the opening of 2026-01-06 14:30 UTC";
    let (code, out, err) = panic(&dir, &config);
    assert_eq!(code, Some(4), "not all is sold: {out}{err}");
    assert!(out.contains("1 order cancelled"), "the stop: {out}");
    assert!(out.contains(&format!("sale of 10 AAPL accepted; {opens}")), "{out}");
    let sales = there.open_orders();
    assert!(
        matches!(&sales[..], [OrderReport { side: Side::Sell, client_id, .. }]
            if client_id.is_panic()),
        "{sales:?}"
    );
    let (code, out, err) = panic(&dir, &config);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains(&format!("sale of 10 AAPL accepted earlier; {opens}")), "{out}");
    assert_eq!(there.open_orders(), sales, "nothing is cancelled, and nothing sold twice");

    let night = daemon(&dir, &config);
    ready(&dir);
    let buy = ["order", "buy", "SPY", "--quantity", "1", "--reason", "a test", "--yes"];
    let (code, out, err) = run(&dir, &buy);
    assert_eq!(code, Some(5), "{out}{err}");
    let words = ["declined (market-closed)", "opens on 2026-01-06 at 14:30 UTC"];
    assert!(words.iter().all(|words| out.contains(words)), "{out}");
    assert_eq!(held(&dir, "AAPL").as_deref(), Some("10"));
    assert_eq!(there.open_orders(), sales);
    night.kill();
    there.jump(MORNING);

    let morning = daemon(&dir, &config);
    ready(&dir);
    morning.kill();
    let later = daemon(&dir, &config);
    wait_until("the sale is booked", || held(&dir, "AAPL").as_deref() == Some("0"));
    there.on.block_on(there.at.agrees(&dir));
    assert_eq!(there.open_orders(), [], "no stop of what is sold");
    let fills = ask(&dir, &["fills"]);
    let mut sold = fills.as_array().unwrap().iter().filter(|fill| fill["side"] == "sell");
    let by_panic = |fill: &Value| fill["client_order_id"] == sales[0].client_id.0.as_str();
    assert!(sold.all(by_panic), "{fills}");
    later.signal("-TERM");
    let (code, _, err) = later.result();
    assert_eq!(code, Some(0), "{err}");
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = run(&dir, &[command]);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
    let funnel = ask(&dir, &["funnel"]).to_string();
    assert!(funnel.contains(r#""market-closed":1"#), "{funnel}");
    let (code, out, err) = panic(&dir, &config);
    assert_eq!(code, Some(0), "nothing is left: {out}{err}");
}
