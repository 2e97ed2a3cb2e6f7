//! A split of a stock: recorded days of AAPL, which had a split of 7:1 on 2014-06-09, over kills.

use super::stocks::{IDLE, Place, daemon, held, open_orders, ready};
use crate::kit::{Folder, ask, run, wait_until};
use crate::shared::shared;
use crate::under_kills::runtime;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::OrderReport;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_sim::faults::{Fault, Kind, prepare};
use everwarm_sim::market::{Recording, stocks};
use everwarm_sim::{InitialBooks, Pace, Protocol, SimHandle, SimOptions, start};
use everwarm_venue::simulated::Admin;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// Half an hour after the first opening: 2014-06-05T14:00Z.
const FIRST: UtcMs = 1_401_976_800_000;
/// After the end of the next session: 2014-06-06T20:05Z, a Friday.
const FRIDAY: UtcMs = 1_402_085_100_000;
/// A minute before the first opening with new shares: 2014-06-09T13:29Z.
const MONDAY: UtcMs = 1_402_320_540_000;
/// How fast time passes.
const FACTOR: u32 = 60;
const SPLIT: &str = "[[splits]]\nsymbol = \"AAPL\"\nex_date = \"2014-06-09\"\nnew_rate = 7\n\
                     old_rate = 1\n";

/// An exchange in this process that plays the recording, and whose time can jump.
struct Exchange {
    at: Place,
    running: Option<SimHandle>,
    on: Runtime,
}

impl Exchange {
    fn begin(name: &str, description: &str) -> Exchange {
        let (folder, on) = (Folder::new(name), runtime(2));
        let recording = folder.join("recording");
        fs::create_dir_all(&recording).unwrap();
        let bars = shared("data").join("us_equities").join("AAPL_1m.csv.gz");
        fs::copy(bars, recording.join("AAPL_1m.csv.gz")).unwrap();
        fs::write(recording.join("recording.toml"), description).unwrap();
        let running = Exchange::open(&on, &folder, 0, Pace::Times(FACTOR));
        let at = Place::new(folder, running.addr.port(), FACTOR);
        let mut exchange = Exchange { at, running: Some(running), on };
        exchange.jump(FIRST);
        exchange
    }

    fn open(on: &Runtime, folder: &Folder, port: u16, pace: Pace) -> SimHandle {
        let recording = Recording::open(&folder.join("recording"), None).unwrap();
        let options = SimOptions {
            data_dir: folder.join("books"),
            port,
            pace,
            market: stocks::recorded(recording).unwrap(),
            setup: InitialBooks { protocol: Protocol::Alpaca, ..InitialBooks::default() },
            idle_exit: None,
        };
        on.block_on(start(options)).unwrap()
    }

    fn stop(&mut self) {
        if let Some(before) = self.running.take() {
            self.on.block_on(before.stop()).unwrap();
        }
    }

    fn reopen(&mut self, pace: Pace) -> &SimHandle {
        self.stop();
        let there = Exchange::open(&self.on, &self.at.folder, self.at.port, pace);
        self.running.insert(there)
    }

    /// Jumps to a time, from which on it passes again.
    fn jump(&mut self, to: UtcMs) {
        let there = self.reopen(Pace::Lockstep);
        let admin = Admin::new(&format!("http://{}", there.addr), &there.token).unwrap();
        let standing = self.on.block_on(admin.advance(to, to)).unwrap();
        assert_eq!(standing.now, to);
        self.reopen(Pace::Times(FACTOR));
    }

    fn open_orders(&self) -> Vec<OrderReport> {
        self.on.block_on(open_orders(&self.at.venue()))
    }

    /// The shares of the account.
    fn shares(&self) -> Decimal {
        let account = self.on.block_on(self.at.venue().account()).unwrap();
        let of = account.balances.iter().filter(|balance| balance.asset == "AAPL");
        of.map(|balance| balance.free + balance.locked).sum()
    }

    fn configured(&self) -> PathBuf {
        let file = self.at.configured("apple.toml", &[IDLE, PROGRAM].concat());
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("[\"AAPL\", \"SPY\"]", "[\"AAPL\"]")).unwrap();
        file
    }
}

/// A program whose lots have a stop far below their price, but far above that of the new shares.
const PROGRAM: &str = "[strategy.program]\nkind = \"external\"\nstop = \"50%\"\n";

fn closed(dir: &Path) {
    wait_until("a bar has closed", || ask(dir, &["status"])["closes"].as_u64() > Some(0));
}

/// Buys some shares, and returns how many.
fn buy(dir: &Path) -> Decimal {
    closed(dir);
    let buy = ["signal", "program", "AAPL", "buy", "--id", "one", "--reason", "a test", "--yes"];
    let (code, out, err) = run(dir, &buy);
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("shares are held", || shares(dir) > Decimal::ZERO);
    shares(dir)
}

/// The shares in the books of the daemon.
fn shares(dir: &Path) -> Decimal {
    held(dir, "AAPL").map_or(Decimal::ZERO, |text| text.parse().unwrap())
}

/// The quote amount of all fills, and their number.
fn fills(dir: &Path) -> (Decimal, usize) {
    let fills = ask(dir, &["fills"]);
    let rows = fills.as_array().unwrap();
    let number = |text: &serde_json::Value| -> Decimal { text.as_str().unwrap().parse().unwrap() };
    let amount = |row: &serde_json::Value| number(&row["price"]) * number(&row["quantity"]);
    (rows.iter().map(amount).sum(), rows.len())
}

#[test]
fn a_split_over_the_weekend_leaves_one_position_and_no_exit_over_kills() {
    let mut there = Exchange::begin("split", SPLIT);
    let (dir, config) = (there.at.folder.join("data"), there.configured());
    let thursday = daemon(&dir, &config);
    ready(&dir);
    let old = buy(&dir);
    let new = old * Decimal::from(7);
    let (paid, _) = fills(&dir);
    wait_until("a stop rests at the venue", || there.open_orders().len() == 1);
    thursday.kill();
    there.jump(FRIDAY);
    let friday = daemon(&dir, &config);
    ready(&dir);
    friday.kill();
    there.jump(MONDAY);
    assert_eq!((there.shares(), there.open_orders()), (new, Vec::new()));

    // The venue does not respond about splits for a while.
    there.stop();
    let query = Some("GET /sapi/v1/asset/tradeFee".to_owned());
    let fault = Fault { at: query, times: Some(6), ..Fault::of(Kind::ErrorBefore) };
    prepare(&there.at.folder.join("books"), &[fault]).unwrap();
    there.reopen(Pace::Times(FACTOR));
    let before = daemon(&dir, &config);
    wait_until("the query fails", || {
        let doctor = run(&dir, &["doctor"]).1;
        doctor.contains("query for a split")
    });
    assert_eq!(shares(&dir), old);
    assert_eq!((there.shares(), there.open_orders()), (new, Vec::new()));
    before.kill();
    let found = daemon(&dir, &config);
    wait_until("the split is booked", || shares(&dir) == new);
    found.kill();

    let after = daemon(&dir, &config);
    ready(&dir);
    wait_until("a stop rests at the venue again", || there.open_orders().len() == 1);
    assert_eq!((there.shares(), there.open_orders()[0].quantity), (new, new));
    assert_eq!(fills(&dir), (paid, 1), "nothing was sold and nothing bought again");
    let positions = ask(&dir, &["positions"]);
    let row = positions.as_array().unwrap().iter().find(|row| row["symbol"] == "AAPL").unwrap();
    assert_eq!(row["quantity"].as_str().unwrap().parse(), Ok(new), "{row}");
    let average: Decimal = row["average_price"].as_str().unwrap().parse().unwrap();
    assert!((average * new - paid).abs() < Decimal::new(1, 4), "{row}");
    let (code, out, err) = run(&dir, &["reconcile"]);
    assert_eq!(code, Some(0), "{out}{err}");
    after.signal("-TERM");
    assert_eq!(after.result().0, Some(0));
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = run(&dir, &[command]);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
}

#[test]
fn a_fall_without_a_split_is_traded_on_after_the_response() {
    let mut there = Exchange::begin("no-split", "");
    let (dir, config) = (there.at.folder.join("data"), there.configured());
    let thursday = daemon(&dir, &config);
    closed(&dir);
    thursday.kill();
    there.jump(MONDAY - MINUTE);
    let monday = daemon(&dir, &config);
    wait_until("the response is shown", || {
        run(&dir, &["doctor"]).1.contains("no split explains the bar")
    });
    monday.signal("-TERM");
    assert_eq!(monday.result().0, Some(0));
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}
