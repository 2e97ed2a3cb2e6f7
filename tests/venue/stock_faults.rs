//! A daemon that trades stocks while something is wrong at the venue: its keys, its calendar, a
//! halted stock, a stream without events. Each is a state in words, and nothing is lost.

use super::remote::fills;
use super::stocks::{FAST, IDLE, daemon, held, ready};
use super::stocks_at_night::{Exchange, buy};
use crate::kit::{PATIENCE, Process, ask, run, wait_until};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_runtime::clock::now;
use everwarm_sim::faults::{Fault, Kind};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the market begins, a minute after the opening: 2026-01-05T14:31Z.
const START: UtcMs = 1_767_623_460_000;
/// How fast time passes: the session ends after six minutes.
const FACTOR: u32 = 60;
/// The advice of an error about the key.
const ADVICE: &str = "check venue.key and venue.secret";
/// Rejected requests of a daemon whose keys are wrong, and the least time for them.
const REJECTED: (u64, Duration) = (12, Duration::from_secs(2));
/// The request for the calendar, as faults name it.
const CALENDAR: &str = "GET /sapi/v1/system/status";

fn begin(name: &str) -> Exchange {
    Exchange::begin(name, (START, FACTOR))
}

/// The configuration of a daemon that asks for the symbols and the calendar every five minutes.
fn configured(there: &Exchange, strategy: &str) -> PathBuf {
    let more = "[market.universe]\nrefresh_s = 300\n";
    there.at.configured("faults.toml", &[strategy, more].concat())
}

impl Exchange {
    /// Requests and log-ons that it rejected because of their keys.
    fn rejected(&self) -> u64 {
        self.on.block_on(self.admin().status()).unwrap().rejected_keys
    }

    fn fault(&self, fault: &Fault) {
        let text = serde_json::to_string(fault).unwrap();
        self.on.block_on(self.admin().fault(text)).unwrap();
    }

    fn lift(&self) {
        self.on.block_on(self.admin().lift(None)).unwrap();
    }
}

/// The problems that `status` shows.
fn problems(dir: &Path) -> String {
    ask(dir, &["status"])["problems"].to_string()
}

/// Waits until the problems contain these words.
fn complains(dir: &Path, words: &str) {
    wait_until(words, || problems(dir).contains(words));
}

/// Waits until the problems do not contain these words any more.
fn has_ended(dir: &Path, words: &str) {
    wait_until("the problem has ended", || !problems(dir).contains(words));
}

/// Waits until some more requests are rejected, and asserts that they take their time.
fn no_storm(there: &Exchange) {
    let (before, began, (more, least)) = (there.rejected(), now(), REJECTED);
    wait_until("the keys are tried again", || there.rejected() >= before + more);
    assert!(began.elapsed() >= least, "{more} requests in {:?}", began.elapsed());
}

/// Ends the daemon, and asserts that its books are those of the venue.
fn ends_well(there: &Exchange, daemon: Process, dir: &Path) {
    there.on.block_on(there.at.agrees(dir));
    daemon.signal("-TERM");
    let (code, _, err) = daemon.result();
    assert_eq!(code, Some(0), "{err}");
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = run(dir, &[command]);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
}

#[test]
fn wrong_keys_are_named_and_tried_with_pauses_until_they_are_right() {
    let there = begin("stocks-wrong-keys");
    let (dir, config) = (there.at.folder.join("data"), configured(&there, FAST));
    let secret = there.at.folder.join("secret");
    let right = fs::read_to_string(&secret).unwrap();
    fs::write(&secret, "the-secret-of-another-key").unwrap();
    let mut wrong = daemon(&dir, &config);
    complains(&dir, ADVICE);
    assert!(problems(&dir).contains("request is not authorized"), "{}", problems(&dir));
    assert!(wrong.complains("private stream refused", PATIENCE));
    no_storm(&there);
    assert!(wrong.alive(), "a wrong key ends nothing");
    assert_eq!(ask(&dir, &["status"])["ready"], false);
    assert!(!ask(&dir, &["status"]).to_string().contains("the-secret-of-another-key"));
    wrong.kill();

    fs::write(&secret, right).unwrap();
    let daemon = daemon(&dir, &config);
    ready(&dir);
    wait_until("it trades", || fills(&dir).len() > 1);
    assert!(!problems(&dir).contains(ADVICE));
    ends_well(&there, daemon, &dir);
}

#[test]
fn keys_that_are_revoked_while_it_trades_are_named_and_nothing_is_lost() {
    let there = begin("stocks-revoked");
    let revoke = |revoked| there.on.block_on(there.admin().revoke_keys(revoked)).unwrap();
    let (dir, config) = (there.at.folder.join("data"), configured(&there, FAST));
    let before = daemon(&dir, &config);
    ready(&dir);
    wait_until("it trades", || fills(&dir).len() > 1);
    revoke(true);
    complains(&dir, ADVICE);
    no_storm(&there);
    before.kill();
    let known = fills(&dir);

    let mut during = daemon(&dir, &config);
    complains(&dir, ADVICE);
    assert!(during.alive());
    assert!(fills(&dir).is_superset(&known), "a restart without keys loses no fill");
    revoke(false);
    ready(&dir);
    wait_until("it trades on", || fills(&dir).len() > known.len());
    has_ended(&dir, ADVICE);
    ends_well(&there, during, &dir);
}

#[test]
fn a_calendar_that_is_unreachable_is_named_at_the_start_and_later() {
    let there = begin("stocks-calendar");
    let unreachable = Fault { at: Some(CALENDAR.to_owned()), ..Fault::of(Kind::ErrorBefore) };
    let (dir, config) = (there.at.folder.join("data"), configured(&there, FAST));
    there.fault(&unreachable);
    let first = daemon(&dir, &config);
    complains(&dir, "its calendar: service unavailable");
    let status = ask(&dir, &["status"]);
    assert_eq!((&status["ready"], status["closes"].as_u64()), (&false.into(), Some(0)));
    first.kill();
    let daemon = self::daemon(&dir, &config);
    complains(&dir, "its calendar: service unavailable");
    there.lift();
    ready(&dir);
    wait_until("it trades", || fills(&dir).len() > 1);

    // The sessions of the next days are known. So it goes on without the calendar.
    there.fault(&unreachable);
    complains(&dir, "its calendar: service unavailable");
    let closes = || ask(&dir, &["status"])["closes"].as_u64();
    let before = closes();
    wait_until("bars still close", || closes() > before);
    there.lift();
    has_ended(&dir, "its calendar");
    let before = fills(&dir).len();
    wait_until("it trades on", || fills(&dir).len() > before);
    ends_well(&there, daemon, &dir);
}

#[test]
fn a_halted_stock_is_not_bought_and_is_sold_once_after_the_halt() {
    let there = begin("stocks-halted");
    let apple = Symbol::named("AAPL").unwrap();
    let stand = |standing| {
        let admin = there.admin();
        let market = there.on.block_on(admin.status()).unwrap().market;
        // The minute that trades now goes on to its close.
        let since = (market.div_euclid(MINUTE) + 1) * MINUTE;
        there.on.block_on(admin.stand(apple, standing, since)).unwrap();
    };
    let (dir, config) = (there.at.folder.join("data"), configured(&there, IDLE));
    let before = daemon(&dir, &config);
    ready(&dir);
    buy(&there, &dir);
    stand("halted");
    let order = |words: &[&str]| {
        let more = ["AAPL", "--reason", "a test", "--yes"];
        let (_, out, err) = run(&dir, &[&["order"], words, &more].concat());
        [out, err].concat()
    };
    let [buys, sells] = ["buy", "sell"].map(|side| [side, "--quantity", "10"]);
    // The first ones may reach the venue, which rejects them.
    wait_until("it is declined", || {
        order(&buys).contains("the venue accepts no orders in AAPL now")
    });
    let shown = run(&dir, &["positions"]).1;
    assert!(shown.contains("halted, cannot be sold now"), "{shown}");
    assert_eq!(held(&dir, "AAPL").as_deref(), Some("10"), "nothing is bought");
    before.kill();

    let after = daemon(&dir, &config);
    wait_until("it shows the halt", || {
        run(&dir, &["positions"]).1.contains("halted, cannot be sold now")
    });
    order(&sells);
    assert_eq!(held(&dir, "AAPL").as_deref(), Some("10"), "nothing is lost");
    stand("trading");
    wait_until("it is sold", || {
        // The exit may be owed already.
        order(&sells);
        held(&dir, "AAPL").is_none_or(|held| held == "0")
    });
    let all = ask(&dir, &["fills"]);
    let of = |side: &str| -> Decimal {
        let fills = all.as_array().unwrap().iter().filter(|fill| fill["side"] == side);
        fills.map(|fill| fill["quantity"].as_str().unwrap().parse::<Decimal>().unwrap()).sum()
    };
    assert_eq!((of("buy"), of("sell")), (Decimal::TEN, Decimal::TEN), "each once: {all}");
    wait_until("no stop is left", || there.open_orders().is_empty());
    ends_well(&there, after, &dir);
}

#[test]
fn a_stream_that_accepts_the_key_and_stays_silent_is_replaced() {
    let there = begin("stocks-silent");
    // Orders rest until the market trades, so no response reports their fills. The first connection
    // for events of the account is silent from its first event on.
    there.fault(&Fault::of(Kind::LateFills));
    let user = Some("user".to_owned());
    there.fault(&Fault { at: user, times: Some(1), ..Fault::of(Kind::Silent) });
    let (dir, config) = (there.at.folder.join("data"), configured(&there, FAST));
    let daemon = daemon(&dir, &config);
    assert!(daemon.complains("private stream did not report ", PATIENCE), "{:?}", fills(&dir));
    let found = fills(&dir).len();
    wait_until("it trades on", || fills(&dir).len() > found + 1);
    there.lift();
    ends_well(&there, daemon, &dir);
}
