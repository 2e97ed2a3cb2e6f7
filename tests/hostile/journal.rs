//! A journal in which an earlier version left numbers that no venue may send.

use crate::kit::{Folder, ask, run, small_recording, until_end};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE, places as seats};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::Balance;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::Store;
use everwarm_trading::testing::AccountFact;
use std::ops::ControlFlow;
use std::path::Path;

/// Appends an account and a close that an earlier version took in and failed at.
fn poison(data: &Path) {
    let store = Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap();
    let mut close = 0;
    let read = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Market(Market::Close { time, .. }) = fact.body {
            close = time;
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    let balance =
        |asset: &str| Balance { asset: asset.to_owned(), free: Decimal::MAX, locked: Decimal::MAX };
    let balances = ["AAA", "JUNK", "USD"].map(balance).to_vec();
    let price = Price::e8(100_000_000_000);
    let bar = |name: &str| Bar {
        symbol: Symbol::new(name).unwrap(),
        open_time: close,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Decimal::MAX,
    };
    let time = close + MINUTE;
    let (bars, missing) = (vec![bar("AAAUSD"), bar("BBBUSD")], Vec::new());
    let bodies = [
        AccountFact { time, balances, ..AccountFact::default() }.body(),
        Body::Market(Market::close(time, bars.clone(), Vec::new())),
        Body::Market(Market::close(
            time + MINUTE,
            bars.into_iter().map(|bar| Bar { open_time: time, ..bar }).collect(),
            missing,
        )),
    ];
    let stages = seats(&everwarm_trading::specs());
    let journal = Journal::open(store, stages, Options::new(|why| panic!("{why}"))).unwrap();
    let writer = journal.writer("test");
    for body in bodies {
        journal.append(&writer, time, vec![body]).unwrap();
    }
    journal.close();
}

#[test]
fn a_poisoned_journal_is_named_and_read_and_the_next_start_goes_on_with_it() {
    let folder = Folder::new("hostile-journal");
    let recording = small_recording(&folder.join("recording"));
    let data = folder.join("data");
    let (code, out, err) = run(&data, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    poison(&data);

    let before = ask(&data, &["verify"]);
    assert_eq!(before["problems"], serde_json::json!([]));
    let beyond = before["beyond"].to_string();
    for words in ["balance of USD: free 79228162514264337593543950335", "AAAUSD kline", "JUNK"] {
        assert!(beyond.contains(words), "{words} in {beyond}");
    }
    let (code, out, err) = run(&data, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("JUNK") && out.contains("is out of range"), "{out}");
    for command in ["reconcile", "status", "summary", "doctor", "equity", "positions", "replay"] {
        let (_, out, err) = run(&data, &[command]);
        assert!(!err.contains("panicked"), "{command}: {out}{err}");
    }

    // The daemon takes it in, asks the venue again and goes on.
    let (code, out, err) = run(&data, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    let after = ask(&data, &["verify"]);
    assert_eq!(after["problems"], serde_json::json!([]));
    assert!(after["facts"].as_u64() > before["facts"].as_u64(), "{before} {after}");
    let books = ask(&data, &["reconcile"]);
    assert_eq!(books["conflicts"], serde_json::json!([]), "{books}");
}
