//! The health of venue, closes, clock and disk limits trading, and no kill ends that.

use crate::kit::{Folder, Process, ask, exchange, run, signal, wait_until};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_venue_that_does_not_respond_allows_exits_only_until_it_responds_even_after_a_kill() {
    let folder = Folder::new("health");
    let (dir, config) = (folder.join("data"), folder.join("everwarm.toml"));
    fs::write(&config, "[risk]\nvenue_silent_s = 1\n").unwrap();
    let arguments =
        ["run", "--pace", "60x", "--symbols", "3", "--config", config.to_str().unwrap()];
    let status = |key: &str| ask(&dir, &["status"])[key].clone();
    let reasons = || status("breaker_reasons").as_array().cloned().unwrap_or_default();
    let of_the_venue =
        |why: &Value| why.as_str().unwrap().starts_with("the venue cannot be used since ");

    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    wait_until("closes come", || status("closes").as_u64() > Some(0));
    assert_eq!((status("breaker"), reasons()), (json!("normal"), vec![]));
    let venue = exchange(&dir).unwrap();
    signal("-STOP", venue);
    wait_until("only exits are allowed", || status("breaker") == "exits-only");
    assert!(reasons().iter().any(of_the_venue), "{:?}", reasons());

    wait_until("it is on disk", || status("unsynced") == 0);
    daemon.kill();
    assert_eq!(status("breaker"), "exits-only", "nobody runs");
    signal("-CONT", venue);
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    wait_until("all is allowed", || status("breaker") == "normal");
    assert_eq!(reasons(), Vec::<Value>::new());
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}

#[test]
fn a_venue_that_accepts_orders_again_ends_the_limit_though_no_order_is_due() {
    let folder = Folder::new("health-flat");
    let (dir, config) = (folder.join("data"), folder.join("everwarm.toml"));
    // Every order of the fault expires: that many failures must not limit entries, too.
    let settings = "[risk]\nvenue_silent_s = 1\nmax_consecutive_failures = 0\n\
                    [trading]\nvalid_for_s = 60\n[strategy.sma_cross]\nfast = 2\nslow = 5\n";
    fs::write(&config, settings).unwrap();
    let arguments = ["run", "--pace", "60x", "--symbols", "8", "--config"];
    let arguments = [&arguments[..], &[config.to_str().unwrap()]].concat();
    let status = |key: &str| ask(&dir, &["status"])[key].clone();
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    let fault = ["sim", "fault", "banned", "--at", "POST order", "--value", "3"];
    let (code, out, err) = run(&dir, &fault);
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("only exits are allowed", || status("breaker") == "exits-only");
    let is_over = |order: &Value| order["status"] == "expired" || order["status"] == "cancelled";
    wait_until("no order is due", || {
        let orders = ask(&dir, &["orders"]);
        let orders = orders.as_array().unwrap();
        !orders.is_empty() && orders.iter().all(is_over)
    });
    assert_eq!(run(&dir, &["sim", "lift"]).0, Some(0));
    wait_until("all is allowed", || status("breaker") == "normal");
    wait_until("it trades", || status("fills").as_u64() > Some(0));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}
