//! Stores of every layout there ever was are opened, checked and gone on with; a newer one is
//! refused. The samples are made, once for a layout, by
//!
//!     cargo test --test tests make_the_samples -- --ignored
//!
//! That of a program that was killed with an order open is made by `scripts/upgrade_from.sh`.

use crate::kit::{
    BINARY, Folder, Process, ask, exchange, made_recording, run, runs, until_end, wait_until,
};
use everwarm::chaos::crashes::{End, Moment, Subject, kill_exchange, picture};
use everwarm::chaos::process::Step;
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Order, Venue};
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::file::{SCHEMA, WRITES};
use everwarm_views::backup;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is left out: secrets, and what an exchange can make again.
const PASSED_OVER: [&str; 6] =
    ["api.token", "ed25519.pem", "exchange.log", "requests.jsonl", "limits.json", "restoring"];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

/// Shows every file below a folder with its path in it.
fn each(folder: &Path, within: &Path, see: &mut dyn FnMut(&Path, Vec<u8>)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = within.join(path.file_name().unwrap());
        if path.is_dir() {
            each(&path, &name, see);
        } else {
            see(&name, fs::read(&path).unwrap());
        }
    }
}

fn pack(dir: &Path, into: &Path) {
    fs::remove_dir_all(into).ok();
    each(dir, Path::new(""), &mut |name, bytes| {
        if PASSED_OVER.iter().any(|passed| name.ends_with(passed)) {
            return;
        }
        let mut target = into.join(name).into_os_string();
        target.push(".gz");
        fs::create_dir_all(Path::new(&target).parent().unwrap()).unwrap();
        let mut out = GzEncoder::new(fs::File::create(target).unwrap(), Compression::best());
        out.write_all(&bytes).unwrap();
        out.finish().unwrap();
    });
}

fn unpack(sample: &Path, into: &Path) {
    each(sample, Path::new(""), &mut |name, bytes| {
        let target = into.join(name.with_extension(""));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let mut whole = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut whole).unwrap();
        fs::write(target, whole).unwrap();
    });
}

fn schema(dir: &Path) -> u64 {
    Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap().schema().unwrap()
}

fn has_segments(dir: &Path) -> bool {
    let sealed = dir.join(LIVE_FILE).with_extension("segments");
    fs::read_dir(sealed).map_or(0, Iterator::count) > 0
}

/// Lives until something holds, and is stopped in order.
fn live(mut command: Command, dir: &Path, recording: &str, enough: impl Fn(&Process) -> bool) {
    command.env("RUST_BACKTRACE", "0");
    let daemon = Process::of(command, dir, &["run", "--pace", "240x", "--recording", recording]);
    wait_until("it has lived enough", || enough(&daemon));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until("the exchange ends", || exchange(dir).is_none());
}

#[test]
#[ignore = "writes the samples of the newest layout, which this program makes"]
fn make_the_samples() {
    let folder = Folder::new("samples");
    let recording = made_recording(&folder.join("recording"), 2, 240);
    fs::remove_dir_all(samples().join("recording")).ok();
    pack(Path::new(&recording), &samples().join("recording"));
    let dir = folder.join("data");
    let fills = |daemon: &Process| daemon.lines().iter().filter(|l| l.contains(" fill ")).count();
    live(Command::new(BINARY), &dir, &recording, |daemon| fills(daemon) >= 2);
    let mut small = Command::new(BINARY);
    small.env("EVERWARM_SEALING", "4000,4000");
    live(small, &dir, &recording, |daemon| fills(daemon) >= 1 && has_segments(&dir));
    assert_eq!(schema(&dir), SCHEMA, "there are samples of released layouts alone");
    pack(&dir, &samples().join(format!("v{SCHEMA}")));
    let file = samples().join(format!("backup-{}", backup::FORMAT));
    if !file.exists() {
        ask(&dir, &["backup", file.to_str().unwrap()]);
    }
}

#[test]
fn there_is_a_sample_of_every_layout() {
    for version in 1..=SCHEMA {
        let sample = samples().join(format!("v{version}")).join(format!("{LIVE_FILE}.gz"));
        assert!(sample.exists(), "layout {version} has no sample: see tests/stores.rs");
    }
    for format in 1..=backup::FORMAT {
        let sample = samples().join(format!("backup-{format}"));
        assert!(sample.exists(), "format {format} of a backup has no sample: see tests/stores.rs");
    }
}

#[test]
fn a_store_of_any_layout_is_whole_and_goes_on_and_a_newer_one_is_refused() {
    let folder = Folder::new("stores");
    let recording = folder.join("recording");
    unpack(&samples().join("recording"), &recording);
    let recording = recording.to_str().unwrap().to_owned();
    for version in 1..=SCHEMA {
        let dir = folder.join(&format!("v{version}"));
        unpack(&samples().join(format!("v{version}")), &dir);
        assert_eq!(schema(&dir), version);
        goes_on(&dir, &recording);
        assert_eq!(schema(&dir), WRITES, "an older program must not read on");
    }
    for format in 1..=backup::FORMAT {
        let (dir, file) = (folder.join(&format!("b{format}")), format!("backup-{format}"));
        ask(&dir, &["restore", samples().join(file).to_str().unwrap()]);
        let v1 = folder.join("v1-again");
        unpack(&samples().join("v1"), &v1);
        assert_eq!(ask(&dir, &["fills"]), ask(&v1, &["fills"]));
    }
    let dir = folder.join("v1");
    let live = dir.join(LIVE_FILE);
    Store::open(&live, APPLICATION).unwrap().alter_schema(SCHEMA + 1).unwrap();
    let before = fs::read(&live).unwrap();
    let file = folder.join("it.backup");
    let play = ["run", "--recording", &recording];
    for command in [&play[..], &["status"], &["backup", file.to_str().unwrap()]] {
        let (code, _, err) = run(&dir, command);
        assert_eq!(code, Some(7), "{command:?}: {err}");
        assert!(err.contains("use the newer program"), "{err}");
    }
    assert!(fs::read(&live).unwrap() == before && !file.exists(), "it was not touched");
}

/// It is whole, what it reports is in it, and a daemon goes on with it to the end.
fn goes_on(dir: &Path, recording: &str) {
    let (code, out, err) = run(dir, &["store", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(ask(dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(dir, &["verify-trades"])["problems"], json!([]));
    let (fills, life) = (ask(dir, &["fills"]), ask(dir, &["status"])["life"].as_u64().unwrap());
    let fills = fills.as_array().unwrap();
    assert!(fills.len() >= 2);
    let (code, out, err) = run(dir, &until_end(recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let after = ask(dir, &["fills"]);
    assert_eq!(after.as_array().unwrap()[..fills.len()], fills[..], "nothing is lost");
    assert_eq!(ask(dir, &["status"])["life"], life + 1);
    assert_eq!(ask(dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(dir, &["verify-trades"])["problems"], json!([]));
    // What other versions appended is decided again too.
    assert_eq!(ask(dir, &["replay"])["differing"], 0);
}

/// What older programs left when they were killed with an order open, by layout.
const KILLED: [u64; 4] = [3, 4, 5, 6];

/// The program that is upgraded from: that of the test, where `UPGRADE_FROM` names no older one.
fn older() -> PathBuf {
    std::env::var_os("UPGRADE_FROM").map_or_else(|| BINARY.into(), PathBuf::from)
}

/// Has a program play a recording. It is killed, and so is its exchange, when an order to buy or
/// sell has left after the first ones, and nobody has received its end.
fn killed_with_an_order_open(program: &Path, dir: &Path, recording: &str) {
    let (site, phase) = (Site::AfterSend, Phase::Live);
    let subject = Subject::new(program, recording);
    // How many stop orders leave before it depends on when fills are reported.
    for nth in 3..20 {
        let fault = PlannedFault { site, who: "gateway".into(), phase, nth, kind: FaultKind::Die };
        fs::remove_dir_all(dir).ok();
        fs::create_dir_all(dir).unwrap();
        let lived = subject.killed(dir, &Moment::At(fault)).unwrap();
        assert!(matches!(lived.end, End::Killed(_)), "{lived:?}");
        let pid = exchange(dir).unwrap();
        kill_exchange(dir).unwrap();
        wait_until("the exchange ends", || !runs(pid));
        if sent(dir).values().any(|(_, ended)| !ended) {
            return;
        }
    }
    panic!("only stop orders left")
}

/// How often each order was sent, and whether its end is known, by id. Stop orders are left out.
fn sent(dir: &Path) -> BTreeMap<String, (usize, bool)> {
    let store = Store::look(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let mut orders: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    let mut stops = BTreeSet::new();
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        if let Body::Order(Order::Intent(intent)) = &fact.body
            && intent.terms.stop.is_some()
        {
            stops.insert(intent.client_id.0.clone());
        } else if let Body::Venue(Venue::Sent { attempts }) = &fact.body {
            for attempt in attempts {
                orders.entry(attempt.client_id.0.clone()).or_default().0 += 1;
            }
        } else if let Body::Order(Order::Changed { client_id, status, .. }) = &fact.body {
            orders.entry(client_id.0.clone()).or_default().1 |= status.is_final();
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    orders.retain(|id, _| !stops.contains(id));
    orders
}

/// This program goes on where another was killed: the venue's books have the ends of its open
/// orders, and none is sent again.
fn finds_the_end_of_the_order(dir: &Path, recording: &str) {
    let before = sent(dir);
    let open = before.iter().filter(|(_, (_, ended))| !ended).map(|(id, _)| id.clone());
    let open: Vec<String> = open.collect();
    assert!(!open.is_empty(), "{before:?}");
    let (code, out, err) = run(dir, &["store", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let life = ask(dir, &["status"])["life"].as_u64().unwrap();
    let fills = ask(dir, &["fills"]);
    let known = |fills: &Value| -> Vec<Value> {
        let all = fills.as_array().unwrap().iter();
        let of = |fill: &&Value| open.iter().any(|id| fill["client_order_id"] == id.as_str());
        all.filter(of).cloned().collect()
    };
    let subject = Subject::new(BINARY, recording);
    subject.to_its_end(dir).unwrap();
    let after = sent(dir);
    for id in &open {
        assert_eq!(after[id], (1, true), "it was found, and not sent again");
    }
    let after = ask(dir, &["fills"]);
    assert!(known(&after).len() > known(&fills).len(), "the end of {open:?}: {after}");
    let fills = fills.as_array().unwrap();
    assert_eq!(after.as_array().unwrap()[..fills.len()], fills[..], "nothing is lost");
    assert!(after.as_array().unwrap().len() > fills.len() + known(&after).len(), "it goes on");
    assert_eq!(ask(dir, &["status"])["life"], life + 1);
    assert_eq!(ask(dir, &["verify"])["problems"], json!([]));
    assert_eq!(ask(dir, &["verify-trades"])["problems"], json!([]));
    let (_, wrong) = picture(dir, &subject).unwrap();
    assert_eq!(wrong, [""; 0], "the books here are those of the venue");
}

#[test]
fn what_an_older_program_left_with_an_order_open_goes_on() {
    let folder = Folder::new("stores-killed");
    let recording = folder.join("recording");
    unpack(&samples().join("recording"), &recording);
    for layout in KILLED {
        let dir = folder.join(&format!("killed-{layout}"));
        unpack(&samples().join(format!("killed-{layout}")), &dir);
        assert_eq!(schema(&dir), layout);
        finds_the_end_of_the_order(&dir, recording.to_str().unwrap());
        assert_eq!(schema(&dir), WRITES, "an older program must not read on");
    }
}

/// How many of the moments are steps of a life: they come first.
const STEPS: usize = 7;

/// Where the first life of a newer program is killed: each of its steps, the first writes to the
/// file, and each actor once it has taken over what was saved, and when it first saves.
fn moments() -> Vec<Moment> {
    let live = |step: &&Step| **step <= Step::Live;
    let mut all: Vec<Moment> =
        Step::ALL.iter().filter(live).map(|step| Moment::Reached(*step)).collect();
    let mut at = |site, who: &str, phase, nth| {
        let who = who.to_owned();
        all.push(Moment::At(PlannedFault { site, who, phase, nth, kind: FaultKind::Die }));
    };
    for site in [Site::BeforeCommit, Site::BeforeSync, Site::AfterCommit, Site::BeforePublish] {
        for (phase, nth) in [(Phase::Starting, 1), (Phase::Starting, 3), (Phase::Live, 1)] {
            at(site, "store-thread", phase, nth);
        }
    }
    let actors = [
        "roll-up",
        "indicator",
        "sma_cross",
        "breaker",
        "decision",
        "order-manager",
        "ledger",
        "universe",
        "config",
        "gateway",
        "closer",
    ];
    for who in actors {
        at(Site::AfterResume, who, Phase::Starting, 1);
        at(Site::AfterCheckpoint, who, Phase::Live, 1);
    }
    for who in ["config", "universe", "gateway", "decision", "order-manager", "ledger"] {
        at(Site::BeforeAppend, who, Phase::Starting, 1);
        at(Site::AfterAppend, who, Phase::Starting, 1);
    }
    all
}

/// One sample of layout 4 has an order open, two lots held and an exit owed: its first life is
/// killed everywhere. That of each other one is killed at its steps.
#[test]
fn an_upgrade_that_is_killed_at_any_point_ends_the_same() {
    let folder = Folder::new("stores-struck");
    let recording = folder.join("recording");
    unpack(&samples().join("recording"), &recording);
    let subject = Subject::new(BINARY, &recording);
    let steps = moments().len();
    let killed = KILLED.map(|layout| format!("killed-{layout}"));
    let mut plans = Vec::new();
    for sample in (1..=SCHEMA).map(|layout| format!("v{layout}")).chain(killed) {
        let whole = folder.join(&sample);
        unpack(&samples().join(&sample), &whole);
        subject.to_its_end(&whole).unwrap();
        let (end, wrong) = picture(&whole, &subject).unwrap();
        assert_eq!(wrong, [""; 0], "{sample}");
        let all = if sample == "killed-4" { steps } else { STEPS };
        plans.extend(moments().into_iter().take(all).map(|at| (sample.clone(), end.clone(), at)));
    }
    let (next, fell) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some((sample, end, moment)) = plans.get(at) else { return };
            let dir = folder.join(&format!("{sample}-{at}"));
            unpack(&samples().join(sample), &dir);
            let lived = subject.killed(&dir, moment).unwrap();
            fell.fetch_add(usize::from(matches!(lived.end, End::Killed(_))), Relaxed);
            // Each second time the exchange dies with it.
            if at % 2 == 1 && kill_exchange(&dir).unwrap() {
                wait_until("the exchange ends", || exchange(&dir).is_none_or(|pid| !runs(pid)));
            }
            subject.to_its_end(&dir).unwrap();
            let (found, wrong) = picture(&dir, &subject).unwrap();
            assert_eq!(wrong, [""; 0], "{sample} {moment:?}");
            assert_eq!(end.difference(&found), None, "{sample} {moment:?}");
            assert_eq!(ask(&dir, &["verify"])["problems"], json!([]), "{sample} {moment:?}");
            fs::remove_dir_all(&dir).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(work));
        for worker in workers {
            worker.join().unwrap();
        }
    });
    let (fell, all) = (fell.into_inner(), plans.len());
    println!("{fell} of {all} kills fell");
    assert!(fell * 4 >= all * 3, "only {fell} of {all} kills fell");
}

#[test]
fn a_program_that_is_killed_with_an_order_open_is_followed_by_this_one() {
    let folder = Folder::new("stores-upgraded");
    let (recording, dir) = (folder.join("recording"), folder.join("data"));
    unpack(&samples().join("recording"), &recording);
    let recording = recording.to_str().unwrap();
    killed_with_an_order_open(&older(), &dir, recording);
    finds_the_end_of_the_order(&dir, recording);
}

#[test]
#[ignore = "writes the sample of a killed program, which UPGRADE_FROM names"]
fn make_the_killed_sample() {
    let folder = Folder::new("stores-killed-sample");
    let (recording, dir) = (folder.join("recording"), folder.join("data"));
    unpack(&samples().join("recording"), &recording);
    killed_with_an_order_open(&older(), &dir, recording.to_str().unwrap());
    for left in ["stderr.log", "struck", "step"] {
        fs::remove_file(dir.join(left)).ok();
    }
    pack(&dir, &samples().join(format!("killed-{SCHEMA}")));
}
