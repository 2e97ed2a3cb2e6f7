//! Actors of a running daemon, disturbed on purpose.

use crate::kit::{Folder, Process, ask, kill_exchange, run, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

fn node(tree: &Value, name: &str) -> Option<Value> {
    if tree["name"] == name {
        return Some(tree.clone());
    }
    tree["children"].as_array()?.iter().find_map(|child| node(child, name))
}

fn closer(dir: &Path) -> Value {
    node(&ask(dir, &["tree"]), "closer").unwrap_or_default()
}

#[test]
fn actors_are_disturbed_on_purpose_and_one_that_hangs_ends_the_process() {
    let folder = Folder::new("kill");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "[chaos]\nenabled = true\n[daemon]\nhang_limit_s = 2\n").unwrap();
    let start = || {
        let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
        daemon.answers();
        wait_until("the tree is up", || closer(&dir)["state"] == "running");
        daemon
    };
    let kill = |who: &str, more: &[&str]| {
        let (code, out, err) =
            run(&dir, &[&["kill", who, "--yes", "--config", path], more].concat());
        (code, out + &err)
    };
    let daemon = start();
    for (how, n) in [("kill", 1), ("stop", 2), ("panic", 3)] {
        let (code, said) = kill("closer", &["--how", how]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("root/trading/bars/closer"), "{said}");
        wait_until("it came back", || {
            let node = closer(&dir);
            node["injected"] == n && node["restarts"] == n && node["state"] == "running"
        });
    }
    let (code, said) = kill("root/nobody", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody is at root/nobody"), "{said}");
    let (code, out, err) = run(&dir, &["retry", "root/trading/feeds", "--config", path]);
    assert_eq!(code, Some(0), "{out}{err}");

    // Those who look in are answered while it hangs, until the process ends.
    let (code, said) = kill("closer", &["--how", "stall", "--seconds", "60"]);
    assert_eq!(code, Some(0), "{said}");
    wait_until("it is seen to hang", || closer(&dir)["blocked"] == true);
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(13), "{err}");
    assert!(err.contains("root/trading/bars/closer held its thread"), "{err}");

    let daemon = start();
    let (code, said) = kill("closer", &["--how", "abort"]);
    assert_eq!(code, Some(0), "{said}");
    let (status, _, err) = daemon.end();
    assert_eq!(status.signal(), Some(6), "{err}");

    fs::write(&config, "").unwrap();
    let daemon = start();
    let (code, said) = kill("closer", &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("chaos.enabled is false"), "{said}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let audit = fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    assert!(audit.lines().count() >= 7 && audit.contains("\"how\":\"stall\""), "{audit}");
    kill_exchange(&dir);
}
