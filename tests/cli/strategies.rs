//! Strategies come and go while the daemon trades, and what they hold stays theirs.

use crate::kit::{Folder, Process, ask, made_recording, run, until_end, wait_until};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE, places as seats};
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Rank;
use everwarm_runtime::journal::{Enrol, Journal, Options, StageInfo};
use everwarm_runtime::store::Store;
use everwarm_trading::StageSpec;
use everwarm_trading::strategy::{KINDS, Kind};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Arguments of a made market that goes on for ever.
fn market(path: &str) -> [&str; 7] {
    ["run", "--symbols", "8", "--pace", "1200x", "--config", path]
}

const FIRST: &str = "[trading]\nmax_positions = 50\n[strategy.sma_cross]\nfast = 3\nslow = 7\n";
const QUICK: &str = "[strategy.quick]\nkind = \"sma_cross\"\nfast = 2\nslow = 5\n";

fn lots(dir: &Path, strategy: &str) -> Vec<Value> {
    let all = ask(dir, &["lots"]);
    let all = all.as_array().unwrap().iter().cloned();
    all.filter(|lot| lot["strategy"] == strategy).collect()
}

fn signals(dir: &Path, strategy: &str) -> usize {
    let all = ask(dir, &["signals"]);
    let rows = all.as_array().unwrap().iter();
    rows.filter(|row| row["strategy"] == strategy).count()
}

fn reload(dir: &Path, file: &Path, text: &str) -> (Option<i32>, String) {
    fs::write(file, text).unwrap();
    let (code, out, err) = run(dir, &["config", "reload", "--yes"]);
    (code, format!("{out}{err}"))
}

fn verified(dir: &Path) {
    let (code, out, err) = run(dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_strategy_is_added_killed_switched_off_and_removed_while_another_one_trades() {
    let folder = Folder::new("strategies");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, FIRST).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    let (code, text) = reload(&dir, &file, &format!("{FIRST}{QUICK}"));
    assert_eq!(code, Some(0), "{text}");
    wait_until("the new strategy holds something", || !lots(&dir, "quick").is_empty());
    let tree = ask(&dir, &["tree"]).to_string();
    assert!(tree.contains("quick"), "{tree}");

    // It is there in the next life, with what it holds.
    daemon.kill();
    verified(&dir);
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    let before = signals(&dir, "quick");
    wait_until("it wishes again", || signals(&dir, "quick") > before);

    let (code, out, err) = run(&dir, &["disable", "quick", "--reason", "odd", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = run(&dir, &["disable", "quack", "--reason", "odd", "--yes"]);
    assert!(code == Some(1) && err.contains("the strategies are quick, sma_cross"), "{err}");
    wait_until("it leaves what it holds", || lots(&dir, "quick").is_empty());
    assert_eq!(run(&dir, &["enable", "quick", "--reason", "fine", "--yes"]).0, Some(0));
    wait_until("it enters again", || !lots(&dir, "quick").is_empty());

    // What it holds it leaves after it was removed.
    let (code, text) = reload(&dir, &file, FIRST);
    assert_eq!(code, Some(0), "{text}");
    wait_until("it has left", || lots(&dir, "quick").is_empty());
    let rows = ask(&dir, &["config", "show", "--running"]);
    assert!(!rows.to_string().contains("strategy.quick"), "{rows}");
    wait_until("the other one goes on", || !lots(&dir, "sma_cross").is_empty());

    // Its id is its kind's for ever, and its place too.
    let (code, text) = reload(&dir, &file, &format!("{FIRST}{QUICK}"));
    assert_eq!(code, Some(0), "{text}");
    wait_until("it enters once more", || !lots(&dir, "quick").is_empty());
    daemon.kill();
    verified(&dir);
}

/// Changes who takes part, in the files: `change` gets the stages that joined.
fn enrols(dir: &Path, change: impl FnOnce(&[StageSpec]) -> Enrol) {
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let roster = store.roster().unwrap();
    let specs = everwarm_trading::specs_joined(roster.iter().map(|member| &member.who));
    let options = Options::new(|why| panic!("{why}"));
    let journal = Journal::<Body>::open(store, seats(&specs), options).unwrap();
    let writer = journal.writer("test");
    journal.append_and_enrol(&writer, i64::MIN, Vec::new(), vec![change(&specs)]).unwrap();
    journal.close();
}

fn spec<'a>(specs: &'a [StageSpec], strategy: &str) -> &'a StageSpec {
    specs.iter().find(|spec| spec.name == strategy).unwrap()
}

/// Writes into the files that a strategy leaves, of which that strategy receives nothing.
fn leaves(dir: &Path, strategy: &str) {
    enrols(dir, |specs| Enrol::Leave(spec(specs, strategy).rank));
}

/// The process dies while a strategy leaves, and the configuration names it again.
#[test]
fn a_strategy_that_was_leaving_when_it_is_configured_again_joins_once_it_has_left() {
    let folder = Folder::new("strategies-late");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, format!("{FIRST}{QUICK}")).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    daemon.kill();

    leaves(&dir, "quick");
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    let before = signals(&dir, "quick");
    wait_until("it joins and signals again", || signals(&dir, "quick") > before);
    assert!(ask(&dir, &["tree"]).to_string().contains("quick"));
    daemon.kill();
    verified(&dir);
}

/// So many strategies of long averages, no two the same.
fn many(count: usize) -> String {
    let one = |n: usize| {
        let (fast, width) = (400 - n % 400, ["1m", "5m", "15m", "1h"][n / 400 % 4]);
        let slow = fast + 600;
        format!(
            "[strategy.s{n:04}]\nkind = \"sma_cross\"\nfast = {fast}\nslow = {slow}\n\
             timeframe = \"{width}\"\n"
        )
    };
    (0..count).map(one).collect()
}

#[test]
fn a_plan_that_takes_too_much_is_refused_with_its_place_and_its_memory() {
    let folder = Folder::new("plan");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    // Few strategies, but of a thousand symbols.
    fs::write(&file, many(60)).unwrap();
    let wide = ["--symbols", "1000", "--config", path];
    let place = format!("{path}:2:1: strategy.s0000: ");
    for verb in [&["config", "check"][..], &["run"]] {
        let (code, _, err) = run(&dir, &[verb, &wide[..]].concat());
        assert_eq!(code, Some(2), "{err}");
        let reason = "123 features of 1000 symbols take 622 MB";
        assert!(err.contains(&place) && err.contains(reason), "{err}");
        assert!(err.contains("configure fewer strategies"), "{err}");
    }
    assert!(!dir.exists(), "nothing was changed");
    assert_eq!(run(&dir, &["config", "check", "--config", path]).0, Some(0), "fewer symbols fit");

    // How many symbols a recording has is known when it is opened.
    let recording = made_recording(&folder.join("recording"), 300, 2);
    fs::write(&file, many(98)).unwrap();
    let play = ["--recording", &recording, "--config", path];
    assert_eq!(run(&dir, &[&["config", "check"], &play[..]].concat()).0, Some(0));
    let (code, _, err) = run(&dir, &[&["run"], &play[..]].concat());
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains(&place) && err.contains("199 features of 300 symbols take 297 MB"),
        "{err}"
    );
    assert!(!dir.exists(), "nothing was changed");

    // So many that their number alone is too large; the daemon goes on by what is in force.
    fs::write(&file, FIRST).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    let (code, text) = reload(&dir, &file, &format!("{FIRST}{}", many(700)));
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the reload was refused; the earlier configuration stays in force"),
        "{text}"
    );
    assert!(text.contains("1402 features of 8 symbols take "), "{text}");
    let room = format!("{path}:497:1: strategy.s0098: 700 strategies are configured");
    assert!(text.contains(&room), "{text}");
    let status = ask(&dir, &["status"]);
    assert_eq!(status["config_generation"], 1, "{status}");
    let (code, text) = reload(&dir, &file, &format!("{FIRST}{QUICK}"));
    assert_eq!(code, Some(0), "{text}");
    daemon.kill();
    verified(&dir);
}

#[test]
fn each_kind_trades_by_its_defaults_and_says_why_it_did_nothing() {
    let folder = Folder::new("kinds");
    let recording = made_recording(&folder.join("recording"), 2, 4_200);
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let section = |kind: &Kind| format!("[strategy.{0}_one]\nkind = \"{0}\"\n", kind.name);
    let sections: String = KINDS.iter().map(section).collect();
    let text = format!("[strategy.sma_cross]\nenabled = false\n{sections}");
    fs::write(&file, text).unwrap();
    let (code, out, err) = run(&dir, &["config", "check", "--config", path]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = run(&dir, &[&until_end(&recording)[..], &["--config", path]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    let symbols = ask(&dir, &["symbols", "list"]);
    let symbol = symbols[0]["symbol"].as_str().unwrap();
    for kind in KINDS {
        let name = format!("{}_one", kind.name);
        // No external program runs here.
        assert_eq!(signals(&dir, &name) > 0, !kind.external, "{name}");
        let story = ask(&dir, &["why-not", symbol, "--strategy", &name]);
        let title = story["title"].as_str().unwrap();
        assert!(title.contains(&name) || title.contains("there was an order"), "{title}");
    }
    verified(&dir);
}

/// The gap that `why-not` shows for a symbol; none: it shows no close beside a bound.
fn shown_gap(dir: &Path, row: &Value, time: &str) -> Option<f64> {
    let symbol = row["symbol"].as_str().unwrap();
    let story = ask(dir, &["why-not", symbol, time, "--strategy", "rise"]);
    let (_, why) = story["title"].as_str().unwrap().split_once("rise: the close ")?;
    let (close, more) = why.split_once(" is not ")?;
    let bound = more.trim_start_matches("above ").trim_start_matches("below ");
    let (close, bound): (f64, f64) = (close.parse().ok()?, bound.split(", ").next()?.parse().ok()?);
    Some(((close - bound) / bound).abs())
}

#[test]
fn a_scan_has_the_nearest_symbol_first_and_is_the_same_after_a_kill() {
    let folder = Folder::new("scan");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let rise = "kind = \"swing\"\ntimeframe = \"1m\"\nthreshold_scale = \"0.0001\"\n";
    let off = "[strategy.sma_cross]\nenabled = false\n";
    fs::write(&file, format!("{off}[strategy.rise]\n{rise}")).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    // A close without a signal, at which some symbol only has to pass its high or low.
    let mut rows = Value::Null;
    wait_until("a close without a signal", || {
        let (code, out, _) = run(&dir, &["scan", "--json"]);
        rows = serde_json::from_str(&out).unwrap_or_default();
        code == Some(0) && rows[0]["failed"] == 1 && rows[0]["gap"].is_f64()
    });
    let all = rows.as_array().unwrap();
    assert_eq!(all.len(), 8, "{rows}");
    let time = all[0]["close"].to_string();
    let gaps: Vec<Option<f64>> = all.iter().map(|row| shown_gap(&dir, row, &time)).collect();
    let least = gaps.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    // A printed price is rounded.
    assert!(gaps[0].is_some_and(|gap| gap <= least + 1e-4), "{gaps:?} {rows}");
    assert!(gaps.iter().flatten().count() > 1, "{gaps:?} {rows}");

    // It is the same at every later time: while the daemon runs, from its files, and in its next
    // run.
    let scan = ["scan", &time, "--strategy", "rise"];
    assert_eq!(ask(&dir, &scan), rows);
    daemon.kill();
    assert_eq!(ask(&dir, &scan), rows);
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    assert_eq!(ask(&dir, &scan), rows);
    let (code, out, err) = run(&dir, &["scan", &time, "--top", "2"]);
    assert_eq!((code, out.lines().count()), (Some(0), 3), "{out}{err}");
    assert!(out.starts_with("symbol ") && err.contains("the nearest 2 rows"), "{out}{err}");

    for (words, exit, text) in [
        (&["scan", "--strategy", "ris"][..], 1, "there is no strategy \"ris\"; did you mean rise?"),
        (&["scan", "--strategy", "sma_cross"], 1, "the strategy sma_cross was off at this close"),
        (&["scan", "2001-01-01 00:00"], 1, "there was no close at 2001-01-01 00:00 UTC; the clo"),
        (&["scan", "2999-01-01 00:00"], 1, "there was no close at 2999-01-01 00:00 UTC; the clo"),
        (&["scan", "--top", "0"], 2, "0 is not in 1..=10000"),
        (&["scan", "--top", "10001"], 2, "10001 is not in 1..=10000"),
        (&["scan", "noon"], 2, "not a time"),
    ] {
        let (code, out, err) = run(&dir, words);
        assert_eq!(code, Some(exit), "{words:?}: {out}{err}");
        assert!(err.contains(text), "{words:?}: {err}");
    }
    daemon.kill();
}

/// Writes into the files that a strategy of a kind joined that this program lacks.
fn joins_of_kind(dir: &Path, kind: &'static str) {
    enrols(dir, |specs| {
        let mut info = StageInfo::of(&*spec(specs, "sma_cross").build());
        (info.name, info.rank, info.instance_of) = ("other", Rank(449), Some(kind));
        Enrol::Join { info, kind: kind.to_owned(), settings: String::new() }
    });
}

#[test]
fn a_store_with_a_strategy_of_a_kind_that_this_program_lacks_is_read_and_not_traded() {
    let folder = Folder::new("strategies-other");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, FIRST).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    daemon.kill();

    joins_of_kind(&dir, "gone");
    let (code, out, err) = run(&dir, &market(path));
    assert_eq!(code, Some(5), "{out}{err}");
    assert!(err.contains("strategy.other: it is of kind gone, which this program lacks"), "{err}");
    for command in [&["status"][..], &["lots"], &["orders"]] {
        let (code, out, err) = run(&dir, command);
        assert_eq!(code, Some(0), "{command:?}: {out}{err}");
    }
}
