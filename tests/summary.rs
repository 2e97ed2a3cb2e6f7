//! What a day came to, computed again here from the plain lists, by other means.

use crate::kit::{
    Folder, Process, ask, made_recording, run, small_recording, until_end, wait_until,
};
use crate::manual_trader::ManualTrader;
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::DAY;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::Store;
use everwarm_words::text::date;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

fn decimal(row: &Value, field: &str) -> Decimal {
    row[field].as_str().unwrap_or_else(|| panic!("{field}: {row}")).parse().unwrap()
}

fn rows(dir: &Path, what: &[&str]) -> Vec<Value> {
    ask(dir, what).as_array().unwrap().clone()
}

/// The least quantity of each symbol that can be sold, as the journal has it.
fn least(dir: &Path) -> BTreeMap<String, Decimal> {
    let mut least = BTreeMap::new();
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Market(Market::Instruments { rules }) = &fact.body {
            for rule in rules {
                let step = rule.lot_size.max(rule.market_lot_size);
                least.insert(rule.symbol.to_string(), step.max(rule.min_quantity));
            }
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    least
}

/// What is known of a symbol after its fills: what the one strategy holds and what the house does,
/// each at average cost.
#[derive(Default)]
struct Held {
    quantity: Decimal,
    cost: Decimal,
    /// Quantity and cost of what is left of sales: it is sold behind the rest.
    house: (Decimal, Decimal),
    realized: Decimal,
    /// What of it the house has made.
    of_house: Decimal,
    fees: BTreeMap<String, Decimal>,
    /// Less than this is not sold: it is no position, and ends a trade.
    least: Decimal,
    /// Results of trades, each to the sale that leaves nothing to sell.
    results: Vec<Decimal>,
    at_open: Decimal,
}

impl Held {
    fn fill(&mut self, fill: &Value) {
        let (price, quantity) = (decimal(fill, "price"), decimal(fill, "quantity"));
        let (fee, asset) = (decimal(fill, "fee"), fill["fee_asset"].as_str().unwrap());
        let base = fill["symbol"].as_str().unwrap().strip_suffix("USD").unwrap();
        *self.fees.entry(asset.to_owned()).or_default() += fee;
        let is_base = asset == base;
        if fill["side"] == "buy" {
            // A signal to sell came before: what was too small to sell is the house's.
            if self.quantity - self.house.0 < self.least {
                self.house = (self.quantity, self.cost);
            }
            self.quantity += quantity;
            self.cost += price * quantity;
            if is_base {
                self.quantity -= fee;
            }
        } else {
            let (own, cost) = (self.quantity - self.house.0, self.cost - self.house.1);
            let (first, then) = (quantity.min(own), quantity - quantity.min(own));
            let mut share = cost * first / own;
            if !then.is_zero() {
                let of_house = self.house.1 * then / self.house.0;
                self.house = (self.house.0 - then, self.house.1 - of_house);
                share += of_house;
                let fee = if is_base { Decimal::ZERO } else { fee * then / quantity };
                self.of_house += price * then - of_house - fee.round_dp(8);
            }
            self.realized += price * quantity - share;
            self.cost -= share;
            self.quantity -= quantity;
        }
        if !is_base {
            self.realized -= fee;
        }
        if fill["side"] == "sell" && self.quantity < self.least {
            self.house = (self.quantity, self.cost);
            self.results.push(self.realized - self.at_open);
            self.at_open = self.realized;
        }
    }
}

/// What fills left of each symbol, and the most symbols that were held at once.
fn held(dir: &Path, fills: &[Value]) -> (BTreeMap<String, Held>, usize) {
    let (least, mut held) = (least(dir), BTreeMap::new());
    let (mut at_once, mut most) = (BTreeSet::new(), 0);
    for fill in fills {
        let symbol = fill["symbol"].as_str().unwrap();
        let of: &mut Held = held.entry(symbol.to_owned()).or_default();
        of.least = least[symbol];
        of.fill(fill);
        if of.quantity < of.least {
            at_once.remove(symbol);
        } else {
            at_once.insert(symbol);
        }
        most = most.max(at_once.len());
    }
    (held, most)
}

fn near(a: Decimal, b: Decimal) -> bool {
    (a - b).abs() < Decimal::new(1, 12)
}

fn number(value: &Value) -> Decimal {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse().unwrap()
}

/// The house has made its part, the one strategy the rest; together they hold what is held.
fn by_strategy(money: &Value, (realized, of_house): (Decimal, Decimal), unrealized: Decimal) {
    let [house, own] = [0, 1].map(|i| &money["strategies"][i]);
    assert_eq!((&house["name"], &own["name"]), (&json!("house"), &json!("sma_cross")));
    assert!(near(decimal(house, "realized"), of_house), "{of_house} {money}");
    assert!(near(decimal(own, "realized"), realized - of_house), "{money}");
    let both = decimal(house, "unrealized") + decimal(own, "unrealized");
    assert!(near(both, unrealized), "{money}");
}

#[test]
fn a_day_comes_to_what_its_fills_and_closes_say() {
    let folder = Folder::new("summary");
    let (recording, dir) = (small_recording(&folder.join("recording")), folder.join("data"));
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let newest = ask(&dir, &["summary"]);
    let (from, to) = (newest["from"].as_i64().unwrap(), newest["to"].as_i64().unwrap());
    assert_eq!(to - from, DAY);
    let (day, earlier) = (date(from), date(from - DAY));
    assert!(ask(&dir, &["summary", &day])["money"] == newest["money"], "the newest day");
    // The recording goes over midnight: two days are a month.
    let first = ask(&dir, &["summary", &earlier]);
    let view = ask(&dir, &["summary", "--month", &day[..7]]);
    for field in ["profit", "realized", "fills", "orders", "trades", "won"] {
        let sum = number(&first["money"][field]) + number(&newest["money"][field]);
        assert!(near(sum, number(&view["money"][field])), "{field}: {sum}");
    }
    assert_eq!(first["money"]["equity_after"], newest["money"]["equity_before"]);
    let fills = rows(&dir, &["fills"]);
    assert!(fills.len() > 10, "{}", fills.len());
    let (held, most) = held(&dir, &fills);
    let mut money = view["money"].clone();
    money["equity"].take();
    let money = &money;
    let (mut realized, mut unrealized) = (Decimal::ZERO, Decimal::ZERO);
    let mut of_house = Decimal::ZERO;
    for (symbol, held) in &held {
        let bars = rows(&dir, &["bars", symbol, "--limit", "1"]);
        let worth = decimal(&bars[0], "close") * held.quantity - held.cost;
        let shown = money["symbols"].as_array().unwrap().iter().find(|m| m["name"] == **symbol);
        let shown = shown.unwrap_or_else(|| panic!("{symbol}: {money}"));
        assert!(near(decimal(shown, "realized"), held.realized), "{symbol}: {shown}");
        assert!(near(decimal(shown, "unrealized"), worth), "{symbol}: {worth} {shown}");
        for (asset, fee) in &held.fees {
            assert_eq!(decimal(&shown["fees"], asset), *fee, "{symbol}");
        }
        (realized, unrealized) = (realized + held.realized, unrealized + worth);
        of_house += held.of_house;
    }
    assert!(near(decimal(money, "realized"), realized), "{money}");
    assert!(near(decimal(money, "profit"), realized + unrealized), "{money}");
    by_strategy(money, (realized, of_house), unrealized);
    let equity = rows(&dir, &["equity"]);
    let values: Vec<Decimal> = equity.iter().map(|p| decimal(p, "equity")).collect();
    let depths = values.iter().enumerate().map(|(i, now)| {
        let top = values[..=i].iter().max().unwrap();
        (top - now) / top
    });
    let worst = depths.max().unwrap().round_dp(6).normalize();
    assert_eq!(decimal(money, "drawdown"), worst);
    let results: Vec<Decimal> = held.values().flat_map(|held| held.results.clone()).collect();
    assert!(!results.is_empty(), "{money}");
    let made: Decimal = rows(&dir, &["trades"]).iter().map(|t| decimal(t, "pnl")).sum();
    assert!(near(made, realized), "every change of the books belongs to one trade: {made}");
    let won: Vec<Decimal> = results.iter().copied().filter(|r| *r > Decimal::ZERO).collect();
    let lost: Decimal = results.iter().copied().filter(|r| *r <= Decimal::ZERO).sum();
    assert_eq!(
        (money["trades"].as_u64(), money["won"].as_u64()),
        (Some(results.len() as u64), Some(won.len() as u64),)
    );
    if !lost.is_zero() {
        let factor = (won.iter().sum::<Decimal>() / -lost).round_dp(6).normalize();
        assert_eq!(decimal(money, "profit_factor"), factor);
    }
    let counted = json!([fills.len(), rows(&dir, &["orders"]).len()]);
    assert_eq!(json!([money["fills"], money["orders"]]), counted);
    grown(&dir, &["--month", &day[..7]], [&earlier, &day]);
    let running = &view["running"];
    assert_eq!((&running["closes"], &running["starts"]), (&json!(equity.len()), &json!(1)));
    limits(running, most, &fills);
    files(&folder, &dir, &fills);
}

/// What was used of limits that are counted.
fn limits(running: &Value, positions: usize, fills: &[Value]) {
    let limits = running["limits"].as_array().unwrap();
    for (key, most) in
        [("trading.max_positions", positions), ("risk.max_trades_per_day", entries(fills))]
    {
        let used = limits.iter().find(|limit| limit["key"] == key).unwrap();
        assert_eq!(number(&used["used"]), Decimal::from(most), "{limits:?}");
    }
}

/// The most orders of a day of which something was bought.
fn entries(fills: &[Value]) -> usize {
    let (mut bought, mut days) = (BTreeSet::new(), BTreeMap::<i64, usize>::new());
    for fill in fills.iter().filter(|fill| fill["side"] == "buy") {
        if bought.insert(fill["client_order_id"].as_str().unwrap()) {
            *days.entry(fill["time"].as_i64().unwrap() / DAY).or_default() += 1;
        }
    }
    days.into_values().max().unwrap()
}

/// What was appended in two days is what was appended in both, and as it is all there is, the
/// journal grew by all of itself.
fn grown(dir: &Path, both: &[&str], days: [&str; 2]) {
    let running = |of: &[&str]| ask(dir, &[&["summary"], of].concat())["running"].take();
    let of = |view: &Value, field: &str| view[field].as_u64().unwrap();
    let (days, both) = (days.map(|day| running(&[day])), &running(both));
    let [facts, grown] = ["facts", "grown"].map(|f| [0, 1].map(|day: usize| of(&days[day], f)));
    assert!(facts.iter().chain(&grown).all(|n| *n > 0), "{facts:?} {grown:?}");
    assert_eq!(facts.iter().sum::<u64>(), of(both, "facts"));
    let files = both["files"].as_array().unwrap();
    let size = |name: &str| {
        let file = files.iter().find(|file| file["name"] == name);
        of(file.unwrap_or_else(|| panic!("{name}: {files:?}")), "bytes")
    };
    let live = fs::metadata(dir.join(LIVE_FILE)).unwrap().len();
    assert_eq!(size(LIVE_FILE), live);
    let history = fs::metadata(dir.join("history.redb")).unwrap().len();
    assert_eq!(size("history.redb"), history);
    // Counted in kilobytes, each rounded down.
    let near = |a: u64, b: u64| a.abs_diff(b) <= 3 * 1024;
    assert!(near(grown.iter().sum(), of(both, "grown")), "{grown:?} {both}");
    assert!(near(of(both, "grown"), live), "{live} {both}");
}

/// The page needs nothing else, and the tables have every amount exactly.
fn files(folder: &Folder, dir: &Path, fills: &[Value]) {
    let (page, tables) = (folder.join("page.html"), folder.join("tables"));
    let (page, tables) = (page.to_str().unwrap(), tables.to_str().unwrap());
    let month = &date(fills[0]["time"].as_i64().unwrap())[..7];
    let words = ["summary", "--month", month, "--html", page, "--csv", tables];
    let (code, out, err) = run(dir, &words);
    assert_eq!(code, Some(0), "{out}{err}");
    for words in ["profit", "win rate", "maximum drawdown", "sma_cross", "AAAUSD", "max_positions"]
    {
        assert!(out.contains(words), "{words}: {out}");
    }
    let html = fs::read_to_string(page).unwrap();
    for outside in ["http", "src=", "href", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("<polyline") && html.contains("<title>equity from"), "{html}");
    let read = |name: &str| -> Vec<BTreeMap<String, String>> {
        let mut file = csv::Reader::from_path(Path::new(tables).join(name)).unwrap();
        file.deserialize().map(Result::unwrap).collect()
    };
    let fees = read("fees.csv");
    assert_eq!(fees.len(), fills.len());
    for (line, fill) in fees.iter().zip(fills) {
        for field in ["symbol", "side", "price", "quantity", "fee", "fee_asset"] {
            assert_eq!(line[field], fill[field].as_str().unwrap(), "{field}");
        }
        let amount = decimal(fill, "price") * decimal(fill, "quantity");
        assert_eq!(line["amount"].parse::<Decimal>().unwrap(), amount);
        assert_eq!(line["strategy"], "sma_cross");
    }
    let closed: Vec<Value> =
        rows(dir, &["trades"]).into_iter().filter(|t| !t["closed"].is_null()).collect();
    let results: Vec<String> = read("trades.csv").iter().map(|l| l["result"].clone()).collect();
    let expected: Vec<&str> = closed.iter().map(|t| t["pnl"].as_str().unwrap()).collect();
    assert_eq!(results, expected);
    let all = rows(dir, &["trades"]);
    assert_eq!(rows(dir, &["trades", "--limit", "2"]), all[all.len() - 2..]);
    for (wrong, exit, words) in [
        (["summary", "2026-02-30"], 2, "is not a day"),
        (["summary", "5"], 2, "is not a day"),
        (["summary", "9999-01-01"], 1, "there is no data for 9999-01-01 yet: the newest close is "),
    ] {
        let (code, _, err) = run(dir, &wrong);
        assert_eq!(code, Some(exit), "{err}");
        assert!(err.contains(words), "{err}");
    }
}

#[test]
fn what_is_put_in_or_taken_out_is_no_profit() {
    let folder = Folder::new("summary-adjusted");
    let dir = folder.join("data");
    let start = || Process::start(&dir, &["run", "--pace", "240x"]);
    let daemon = start();
    daemon.prints(" fill ");
    daemon.kill();
    // Coins come, cash goes: somebody else did that.
    let hand = ManualTrader::new(&dir);
    hand.order("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.5");
    let daemon = start();
    daemon.answers();
    wait_until("it is refused", || ask(&dir, &["status"])["state"] == "refused");
    let (_, out, _) = run(&dir, &["reconcile", "--json"]);
    let view: Value = serde_json::from_str(&out).unwrap();
    for conflict in view["conflicts"].as_array().unwrap() {
        let id = conflict["id"].as_str().unwrap();
        let words = ["resolve", id, "--accept", "venue", "--reason", "mine", "--yes"];
        let (code, _, err) = run(&dir, &words);
        assert_eq!(code, Some(0), "{err}");
    }
    let closes = || ask(&dir, &["status"])["closes"].as_u64().unwrap();
    let seen = closes();
    wait_until("the market goes on", || closes() > seen + 20);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let mut view = ask(&dir, &["summary"]);
    interrupted(&view["running"]);
    let mut money = view["money"].take();
    money["equity"].take();
    let money = &money;
    let [before, after, adjusted, profit] =
        ["equity_before", "equity_after", "adjusted", "profit"].map(|f| decimal(money, f));
    assert!(adjusted < Decimal::new(-10_000, 0), "{money}");
    assert_eq!(after - before, profit + adjusted, "{money}");
    let made = decimal(money, "realized") + decimal(money, "unrealized");
    // Fills after the newest close are not in its equity yet.
    assert!((profit - made).abs() < Decimal::new(20, 0), "{profit} {made}");
    assert!(
        profit.abs() < Decimal::new(1000, 0) && decimal(money, "drawdown") < Decimal::new(1, 2)
    );
}

/// A daemon that was killed, and found the account at odds: both are reported.
fn interrupted(running: &Value) {
    assert_eq!(running["starts"], 2);
    let failures = running["failures"].as_array().unwrap();
    let words = "1 difference from the venue unexplained";
    let is_difference = |row: &&Value| row["text"] == words && row["time"].as_i64() > Some(0);
    assert!(failures.iter().any(|row| is_difference(&row)), "{failures:?}");
    assert_eq!(running["failures_all"], failures.len());
}

#[test]
fn what_a_recording_does_not_have_is_told() {
    let folder = Folder::new("summary-gaps");
    let (recording, dir) = (folder.join("recording"), folder.join("data"));
    let path = made_recording(&recording, 2, 200);
    // Five minutes of nobody, and one of the second alone.
    let mut hole = Value::Null;
    for (symbol, without) in [("BTCUSDT", &[][..]), ("ETHUSDT", &[151][..])] {
        let file = recording.join(format!("{symbol}_1m.csv"));
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let end = |line: &str| line.split(',').next().unwrap().parse::<i64>().unwrap() + 60_000;
        hole = json!([{"from": end(lines[130]), "to": end(lines[136])}]);
        let kept = lines.iter().enumerate();
        let kept = kept.filter(|(at, _)| !(131..=135).contains(at) && !without.contains(at));
        let kept: Vec<&str> = kept.map(|(_, line)| *line).collect();
        fs::write(&file, kept.join("\n") + "\n").unwrap();
    }
    let (code, out, err) = run(&dir, &until_end(&path));
    assert_eq!(code, Some(0), "{out}{err}");
    let running = ask(&dir, &["summary"])["running"].take();
    assert_eq!((&running["gaps"], &running["missing_bars"]), (&hole, &json!(1)));
    assert_eq!((&running["failures"], &running["failures_all"]), (&json!([]), &json!(0)));
    let (code, out, err) = run(&dir, &["summary"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("no closes from "), "{out}");
}

#[test]
fn restarts_of_actors_are_among_what_went_wrong_also_once_nobody_runs() {
    let folder = Folder::new("summary-restarts");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    fs::write(&file, "[chaos]\nenabled = true\n").unwrap();
    let path = file.to_str().unwrap();
    let market = ["run", "--symbols", "2", "--pace", "60x", "--config", path];
    let daemon = Process::start(&dir, &market);
    daemon.answers();
    wait_until("there is a close", || run(&dir, &["summary"]).0 == Some(0));
    let failures = || rows_of(&ask(&dir, &["summary"])["running"]["failures"]);
    let reported = |actor: &str, reason: &str| {
        let (begin, end) = (format!("restarted: {actor} "), format!("({reason})"));
        let of = |text: &&String| text.starts_with(&begin) && text.ends_with(&end);
        failures().iter().filter(of).count()
    };
    // The first is reported at once, the next ones with those of ten seconds.
    assert_eq!(run(&dir, &["kill", "feed", "--yes"]).0, Some(0));
    wait_until("a killed actor is told", || reported("feed", "injected") > 0);
    assert_eq!(run(&dir, &["kill", "ledger", "--how", "panic", "--yes"]).0, Some(0));
    wait_until("a panic that recovered is told", || reported("ledger", "injected") > 0);
    let all = ask(&dir, &["summary"])["running"]["failures_all"].as_u64();
    assert!(all >= Some(2), "{all:?}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert!(reported("feed", "injected") > 0 && reported("ledger", "injected") > 0);
    assert_eq!(run(&dir, &["verify"]).0, Some(0));
}

fn rows_of(failures: &Value) -> Vec<String> {
    let rows = failures.as_array().unwrap().iter();
    rows.map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}
