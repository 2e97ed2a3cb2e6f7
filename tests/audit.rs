//! Every derived fact is what its inputs imply, and one byte of one that is not is found and named.
//!
//! Over 500 lines: one recorded run, altered in every way.

use super::kit::{
    Folder, PATIENCE, Process, ask, run, small_recording, until_end, wait_until, wait_until_free,
};
use everwarm::audit::{StoreFacts, verify};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE, places as seats};
use everwarm_domain::fact::kinds::{KindInfo, TABLE, kind, rank};
use everwarm_domain::fact::{
    Accept, Body, Conflict, Dispute, Ledger, Market, Operator, Order, Venue,
};
use everwarm_domain::id::VenueId;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{OrderIntent, SendAttempt, Side, Validity};
use everwarm_domain::time::MINUTE;
use everwarm_history as history;
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Store};
use everwarm_trading::testing::AccountFact;
use everwarm_views::exit::Exit;
use everwarm_views::views::CheckpointState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The groups of facts that come from outside; all others are derived.
const INPUTS: [&str; 3] = ["Market.", "Venue.", "Operator."];

/// Every kind of derived fact there is.
fn derived() -> impl Iterator<Item = &'static KindInfo> {
    // No stage appends these any more.
    let old = |row: &KindInfo| [kind::FEATURES, kind::KEPT].contains(&row.kind);
    let of_inputs = |row: &KindInfo| INPUTS.iter().any(|group| row.name.starts_with(group));
    TABLE.iter().filter(move |row| !of_inputs(row) && !old(row))
}

/// Never the first byte of a fact, packed or not.
const NO_VALUE: u8 = 0x2a;

fn encoded(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.encode(&mut bytes);
    bytes
}

/// Of each kind the longest fact, with its row.
fn one_of_each(store: &Store) -> Vec<(u64, Fact<Body>)> {
    let mut all: BTreeMap<u8, Vec<(u64, Fact<Body>)>> = BTreeMap::new();
    let scanned = store.scan(0, &mut |row, fact: Fact<Body>| {
        if fact.key.rank != 0 {
            all.entry(fact.body.kind()).or_default().push((row, fact));
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    let most = |facts: Vec<(u64, Fact<Body>)>| {
        facts.into_iter().max_by_key(|(_, fact)| encoded(&fact.body).len()).unwrap()
    };
    all.into_values().map(most).collect()
}

/// Places of a byte with one bit turned, after which it still is a fact, and another one: the first
/// and the last of them.
fn places(body: &Body) -> Vec<usize> {
    let bytes = encoded(body);
    let changes_value = |at: &usize| {
        let mut altered = bytes.clone();
        altered[*at] ^= 1;
        Body::decode(&altered).is_ok_and(|other| encoded(&other) != bytes)
    };
    let all: Vec<usize> = (0..bytes.len()).filter(changes_value).collect();
    let mut ends: Vec<usize> = all.first().into_iter().chain(all.last()).copied().collect();
    ends.dedup();
    ends
}

/// Has the venue report once that there is no cash any more, and an operator accept it.
fn adjust(data: &Path) {
    let (about, ours, theirs) = ("USD".to_owned(), "all".to_owned(), "0".to_owned());
    let conflict = Conflict { about, ours, theirs, dispute: Dispute::Balance };
    let (accept, reason) = (Accept::Venue, "gone".to_owned());
    let bodies = [
        AccountFact { time: i64::MIN, ..AccountFact::default() }.body(),
        Body::Operator(Operator::Resolved { conflict, accept, reason, venue: VenueId::default() }),
    ];
    let store = Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap();
    let stages = seats(&everwarm_trading::specs());
    let journal = Journal::open(store, stages, Options::new(|why| panic!("{why}"))).unwrap();
    let writer = journal.writer("test");
    for body in bodies {
        journal.append(&writer, i64::MIN, vec![body]).unwrap();
    }
    journal.close();
}

/// Has the market close far lower while an order to buy is not sent, so that its strategy signals
/// a sale; announces the order before, if so. False where there is no such order.
fn take_back(data: &Path, announced: bool) -> bool {
    let store = Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap();
    let (mut unsent, mut closed) = (None, None);
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        match fact.body {
            Body::Order(Order::Intent(intent)) if intent.side == Side::Buy => {
                unsent = Some(intent);
            }
            Body::Order(Order::Changed { client_id, .. }) => {
                unsent = unsent.take().filter(|intent| intent.client_id != client_id);
            }
            Body::Market(Market::Close { time, bars, .. }) => closed = Some((time, bars)),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    let (Some(intent), Some((time, mut bars))) = (unsent, closed) else { return false };
    let OrderIntent { client_id, symbol, .. } = intent;
    for bar in &mut bars {
        bar.open_time += MINUTE;
        if bar.symbol == symbol {
            let low = Price::e8(bar.close.units() / 5 * 4);
            (bar.open, bar.high, bar.low, bar.close) = (low, low, low, low);
        }
    }
    let validity = Validity::within(time, 5_000);
    let attempts = vec![SendAttempt { client_id, attempt: 1, validity }];
    let sent = announced.then_some(Body::Venue(Venue::Sent { attempts }));
    let close = Body::Market(Market::close(time + MINUTE, bars, Vec::new()));
    let stages = seats(&everwarm_trading::specs());
    let journal = Journal::open(store, stages, Options::new(|why| panic!("{why}"))).unwrap();
    let writer = journal.writer("test");
    for body in sent.into_iter().chain([close]) {
        journal.append(&writer, time, vec![body]).unwrap();
    }
    journal.close();
    true
}

/// The process dies before its first order is sent, and the strategy takes the order back: it is
/// withdrawn, or cancelled where it is `announced`.
fn die_before_sending(arguments: &[&str], data: &Path, announced: bool) {
    let (site, who, phase) = (Site::BeforeAppend, "gateway".to_owned(), Phase::Live);
    let unsent = PlannedFault { site, who, phase, nth: 1, kind: FaultKind::Die };
    let process = Process::with_faults(data, arguments, &[unsent]);
    assert!(process.complains("has blocked its thread", PATIENCE), "an order is approved");
    process.kill();
    assert!(take_back(data, announced), "it is not sent");
}

/// Plays a recording so that every kind of fact is appended, but that of a
/// withdrawn order.
fn make_all(folder: &Folder, recording: &str, data: &Path) {
    // So few trades a day that the breaker speaks too.
    let file = folder.join("config.toml");
    let limits = "[risk]\nmax_trades_per_day = 3\n";
    fs::write(&file, limits).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    die_before_sending(&[&until_end(recording)[..], &config].concat(), data, true);
    // What is about to send dies before it does: the order is proved absent and granted another
    // attempt.
    let (site, who, phase) = (Site::BeforeSend, "gateway".to_owned(), Phase::Live);
    let lost = PlannedFault { site, who, phase, nth: 1, kind: FaultKind::Panic };
    // The process dies while something is held, and goes on with other averages: what was entered
    // under the first ones is left by them.
    let (site, who, phase) = (Site::AfterAppend, "closer".to_owned(), Phase::Live);
    let held = PlannedFault { site, who, phase, nth: 45, kind: FaultKind::Die };
    let arguments = [&until_end(recording)[..], &config].concat();
    let process = Process::with_faults(data, &arguments, &[lost, held]);
    assert!(process.complains("has blocked its thread", PATIENCE), "it got to that close");
    process.kill();
    fs::write(&file, format!("{limits}[strategy.sma_cross]\nfast = 2\nslow = 20\n")).unwrap();
    let (code, out, err) = run(data, &arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    adjust(data);
    let (code, out, err) = run(data, &arguments);
    assert_eq!(code, Some(0), "{out}{err}");
}

/// One bit of each of these facts is turned, and found by its key.
fn every_alteration_is_found(
    facts: &StoreFacts,
    archive: &Arc<Archive>,
    chosen: &[(u64, Fact<Body>)],
) {
    for (row, fact) in chosen {
        let (key, name) = (fact.key.to_string(), Body::name(fact.body.kind()));
        let places = places(&fact.body);
        assert!(!places.is_empty(), "{name}: {:?}", fact.body);
        for place in places {
            facts.0.alter_fact(*row, |body| body[place] ^= 1).unwrap();
            let found = verify(facts, archive).unwrap();
            let named = found.problems.iter().map(|p| (p.key.as_str(), p.kind.as_str()));
            assert_eq!(named.collect::<Vec<_>>(), [(key.as_str(), name)], "byte {place}");
            facts.0.alter_fact(*row, |body| body[place] ^= 1).unwrap();
        }
        let first = encoded(&fact.body)[0];
        facts.0.alter_fact(*row, |body| body[0] = NO_VALUE).unwrap();
        let failure = verify(facts, archive).unwrap_err();
        assert_eq!(failure.exit, Exit::Problems, "{failure}");
        let (row_named, key_named) = (format!("row {row}:"), format!("fact {key}:"));
        assert!(
            failure.text.contains(&row_named) && failure.text.contains(&key_named),
            "{failure}"
        );
        facts.0.alter_fact(*row, |body| body[0] = first).unwrap();
    }
}

#[test]
fn one_altered_byte_of_an_order_that_is_withdrawn_is_found() {
    let folder = Folder::new("audit-withdrawn");
    let recording = small_recording(&folder.join("recording"));
    let data = folder.join("data");
    die_before_sending(&until_end(&recording), &data, false);
    let (code, out, err) = run(&data, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let archive = Arc::new(Archive::open(&data.join(history::FILE)).unwrap());
    let facts = StoreFacts(Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap());
    let mut chosen = one_of_each(&facts.0);
    chosen.retain(|(_, fact)| fact.body.kind() == kind::WITHDRAWN);
    assert_eq!(chosen.len(), 1);
    every_alteration_is_found(&facts, &archive, &chosen);
}

#[test]
fn one_altered_byte_of_prices_by_hand_is_found() {
    let folder = Folder::new("audit-prices");
    let data = folder.join("data");
    let daemon = Process::start(&data, &["run", "--symbols", "1", "--pace", "20x"]);
    daemon.prints("may trade");
    wait_until("a symbol has closed", || ask(&data, &["status"])["closes"].as_u64() > Some(1));
    let symbol = ask(&data, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned();
    for words in [["buy", &symbol, "--quote", "500"], ["sell", &symbol, "--limit", "900000"]] {
        let asked = [&["order"], &words[..], &["--reason", "a test", "--yes"]].concat();
        let given = ask(&data, &asked);
        assert_eq!(given["state"], "done", "{given}");
    }
    // After a kill, the last facts would not be on disk.
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let archive = Arc::new(Archive::open(&data.join(history::FILE)).unwrap());
    let facts = StoreFacts(Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap());
    let mut chosen = one_of_each(&facts.0);
    chosen.retain(|(_, fact)| fact.body.kind() == kind::GUARDED);
    assert_eq!(chosen.len(), 1);
    every_alteration_is_found(&facts, &archive, &chosen);
}

#[test]
fn one_altered_byte_of_any_derived_fact_is_found_and_named() {
    let folder = Folder::new("audit");
    let recording = small_recording(&folder.join("recording"));
    let data = folder.join("data");
    make_all(&folder, &recording, &data);
    let sound = ask(&data, &["verify"]);
    assert_eq!(sound["problems"], serde_json::json!([]));
    assert!(sound["facts"].as_u64() > Some(500), "{sound}");

    let file = data.join(LIVE_FILE);
    let whole = fs::read(&file).unwrap();
    let archive = Arc::new(Archive::open(&data.join(history::FILE)).unwrap());
    let facts = StoreFacts(Store::open(&file, APPLICATION).unwrap());
    let chosen = one_of_each(&facts.0);
    let kinds: Vec<u8> = chosen.iter().map(|(_, fact)| fact.body.kind()).collect();
    let apart = [kind::WITHDRAWN, kind::GUARDED];
    let absent: Vec<&str> = derived()
        .filter(|row| !apart.contains(&row.kind) && !kinds.contains(&row.kind))
        .map(|row| row.name)
        .collect();
    assert!(absent.is_empty(), "{absent:?} did not happen");

    every_alteration_is_found(&facts, &archive, &chosen);
    assert_eq!(verify(&facts, &archive).unwrap().problems, []);

    let (row, fact) = chosen.iter().find(|(_, f)| f.body.kind() == kind::FILLED).unwrap();
    let place = places(&fact.body)[0];
    facts.0.alter_fact(*row, |body| body[place] ^= 1).unwrap();
    drop((facts, archive));
    let (code, out, err) = run(&data, &["verify", "--json"]);
    assert_eq!(code, Some(4), "{out}{err}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["problems"][0]["key"], fact.key.to_string());
    assert_eq!(found["problems"][0]["kind"], "Order.Filled");
    let again = run(&data, &["replay", "--json"]);
    assert_eq!(again.0, Some(4), "{again:?}");
    let again: serde_json::Value = serde_json::from_str(&again.1).unwrap();
    let only = &again["differences"][0];
    assert_eq!(
        (&again["differing"], only["key"].as_str()),
        (&1.into(), found["problems"][0]["key"].as_str())
    );
    assert!(only["then"].is_string() && only["now"].is_string(), "{only}");
    let (code, out, err) = run(&data, &["replay"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains("\n  now ") && out.contains("1 fact differs from the journal"), "{out}");
    let (code, out, err) = run(&data, &["verify"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains(&fact.key.to_string()) && out.contains("Order.Filled"), "{out}");

    fs::write(&file, &whole).unwrap();
    let store = Store::open(&file, APPLICATION).unwrap();
    store.alter_fact(*row, |body| body[0] = NO_VALUE).unwrap();
    drop(store);
    let (code, out, err) = run(&data, &["verify", "--json"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(err.contains(&format!("fact {}", fact.key)), "{err}");

    fs::write(&file, &whole).unwrap();
    one_altered_number_of_a_lot_is_named(&data, &chosen);
}

/// `verify-trades` finds it by the fills alone, and prints both numbers.
fn one_altered_number_of_a_lot_is_named(data: &Path, chosen: &[(u64, Fact<Body>)]) {
    let sound = ask(data, &["verify-trades"]);
    assert_eq!(sound["problems"], serde_json::json!([]));
    let (row, fact) = chosen.iter().find(|(_, f)| f.body.kind() == kind::LOT).unwrap();
    let mut wrong = fact.body.clone();
    let Body::Ledger(Ledger::Lot { cost, .. }) = &mut wrong else { panic!("{wrong:?}") };
    let right = *cost;
    *cost += Decimal::ONE;
    let text = format!("cost {cost} in the fact, {right} by its executions");
    let store = Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap();
    let bytes = encoded(&wrong);
    store.alter_fact(*row, |body| body.clone_from(&bytes)).unwrap();
    drop(store);
    let (code, out, err) = run(data, &["verify-trades", "--json"]);
    assert_eq!(code, Some(4), "{out}{err}");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let first = &found["problems"][0];
    assert_eq!(
        (&first["key"], &first["kind"]),
        (&fact.key.to_string().into(), &"Ledger.Lot".into())
    );
    assert!(first["text"].as_str().unwrap().contains(&text), "{first}");
    let (code, out, err) = run(data, &["verify-trades"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains(&text) && out.contains("of the books differs from the fills"), "{out}");
}

/// Deciding stages of which anything is kept, by rank.
fn kept(store: &Store) -> Vec<(u16, &'static str)> {
    let kept: BTreeSet<u16> = store.checkpoints().unwrap().iter().map(|(rank, _)| *rank).collect();
    let specs = everwarm_trading::specs();
    let found = specs.iter().filter(|spec| kept.contains(&spec.rank.0));
    found.map(|spec| (spec.rank.0, spec.name)).collect()
}

/// What is wrong with checkpoints: by stage, the text of each problem.
fn damaged(facts: &StoreFacts, archive: &Arc<Archive>) -> Vec<(String, String)> {
    let found = verify(facts, archive).unwrap();
    let bad = found.checkpoints.iter().filter(|one| one.state == CheckpointState::Damaged);
    let bad: BTreeSet<&str> = bad.map(|one| one.stage.as_str()).collect();
    let texts = found.problems.iter().map(|problem| {
        assert_eq!(problem.kind, "Checkpoint");
        let stage = bad.iter().find(|stage| {
            problem.text.starts_with(&format!("the checkpoint of {stage} at input "))
        });
        (stage.expect("it is a damaged one").to_string(), problem.text.clone())
    });
    texts.collect()
}

fn stages(damaged: &[(String, String)]) -> Vec<&str> {
    damaged.iter().map(|(stage, _)| stage.as_str()).collect()
}

/// Changes a checkpoint.
type InjectedFault = fn(&mut CheckpointRow);

/// What a start notices and goes around, and what it cannot know.
const INJECTED_FAULTS: [(InjectedFault, bool); 6] = [
    (|row| row.state.clear(), true),
    (|row| row.state.truncate(row.state.len() - 1), true),
    (|row| *row.state.last_mut().unwrap() ^= 0x40, true),
    (|row| row.n += 1_000_000, true),
    (|row| row.row += 1, false),
    (|row| row.n -= 1, false),
];

/// A journal whose checkpoints are altered, and what they were: by rank, the newest first.
struct Altered {
    facts: StoreFacts,
    archive: Arc<Archive>,
    saved: BTreeMap<u16, Vec<CheckpointRow>>,
}

impl Altered {
    fn open(data: &Path) -> Altered {
        let archive = Arc::new(Archive::open(&data.join(history::FILE)).unwrap());
        let facts = StoreFacts(Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap());
        let mut saved: BTreeMap<u16, Vec<CheckpointRow>> = BTreeMap::new();
        for (rank, row) in facts.0.checkpoints().unwrap() {
            saved.entry(rank).or_default().push(row);
        }
        Altered { facts, archive, saved }
    }

    fn back(&self, rank: u16) {
        let rows = &self.saved[&rank];
        self.facts.0.alter_checkpoints(rank, |age, row| row.clone_from(&rows[age])).unwrap();
    }

    fn newest(&self, rank: u16, inject: impl Fn(&mut CheckpointRow)) {
        let altered = self.facts.0.alter_checkpoints(rank, |age, row| {
            if age == 0 {
                inject(row);
            }
        });
        altered.unwrap();
    }

    fn damaged(&self) -> Vec<(String, String)> {
        damaged(&self.facts, &self.archive)
    }

    /// Each fault injected into the newest checkpoint of a stage is found, and reported with what
    /// follows.
    fn inject_each_fault(&self, rank: u16, stage: &str) {
        for (i, (inject, noticed)) in INJECTED_FAULTS.into_iter().enumerate() {
            self.newest(rank, inject);
            let found = self.damaged();
            assert_eq!(stages(&found), [stage], "fault {i}");
            let other = format!("The next start uses the one at input {}", self.saved[&rank][1].n);
            let remedy = format!("everwarm store forget {stage}.");
            let follows = if noticed { &other } else { &remedy };
            assert!(found[0].1.contains(follows), "fault {i}: {found:?}");
            self.back(rank);
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_named_and_can_be_derived_again() {
    let folder = Folder::new("audit-checkpoints");
    let recording = small_recording(&folder.join("recording"));
    let data = folder.join("data");
    let arguments = until_end(&recording);
    // Each life saves all states at its end.
    for _ in 0..2 {
        assert_eq!(run(&data, &arguments).0, Some(0));
    }
    let sound = ask(&data, &["verify"]);
    let of = |state: &str| -> BTreeSet<&str> {
        let all = sound["checkpoints"].as_array().unwrap().iter();
        all.filter(|one| one["state"] == state).map(|one| one["stage"].as_str().unwrap()).collect()
    };
    let all: BTreeSet<&str> = everwarm_trading::specs().iter().map(|spec| spec.name).collect();
    assert_eq!(of("same"), all, "every stage that decides was saved and compared");
    assert!(!of("follower").is_empty(), "{sound}");

    let it = Altered::open(&data);
    for (rank, stage) in kept(&it.facts.0) {
        assert_eq!(it.saved[&rank].len(), 2, "two of {stage} are kept");
        it.inject_each_fault(rank, stage);
        // What another version saved is not read by a start.
        it.facts.0.alter_checkpoints(rank, |_, row| row.version += 1).unwrap();
        assert_eq!(it.damaged(), []);
        it.back(rank);
    }
    // Followers are not compared, but their bytes are looked at.
    it.facts.0.alter_checkpoints(rank::GATEWAY.0, |_, row| row.state[20] ^= 1).unwrap();
    let found = it.damaged();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].1.contains("checksum"), "{found:?}");
    assert!(found[0].1.contains("The next start derives the state from the facts"), "{found:?}");
    it.back(rank::GATEWAY.0);
    // A whole state that is another one, of every stage that has any.
    let mut others = 0;
    for spec in everwarm_trading::specs() {
        let empty = spec.build().save();
        others += usize::from(empty != it.saved[&spec.rank.0][0].state);
        it.newest(spec.rank.0, |row| row.state.clone_from(&empty));
    }
    assert_eq!(it.damaged().len(), others);
    assert!(others > 3, "{others}");
    for rank in it.saved.keys() {
        it.back(*rank);
    }
    assert_eq!(it.damaged(), []);

    it.newest(rank::LEDGER.0, |row| row.state[20] ^= 1);
    drop(it);
    is_seen_from_outside_and_has_a_way_out(&data, &arguments);
}

/// The newest checkpoint of the ledger is damaged.
fn is_seen_from_outside_and_has_a_way_out(data: &Path, arguments: &[&str]) {
    let sound = |data: &Path| {
        wait_until_free(data);
        let (code, out, err) = run(data, &["store", "check"]);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(out.replace('\n', " ").contains("checkpoints compared"), "{out}");
        assert_eq!(ask(data, &["verify"])["problems"], serde_json::json!([]));
    };
    let (code, out, err) = run(data, &["verify"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains("the checkpoint of ledger at input"), "{out}");
    let (code, out, err) = run(data, &["store", "check"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.replace('\n', " ").contains("is damaged"), "{out}");
    // A start reports it and goes on from the one before.
    let (code, out, err) = run(data, arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("ledger starts from the one at input"), "{err}");
    sound(data);

    // Both are damaged: the state is derived from the facts.
    let store = || Store::open(&data.join(LIVE_FILE), APPLICATION).unwrap();
    store().alter_checkpoints(rank::LEDGER.0, |_, row| row.state.truncate(4)).unwrap();
    let (code, out, err) = run(data, arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("ledger derives its state from the first fact on"), "{err}");
    sound(data);

    // A whole state that is another one is not noticed by a start: a person removes it.
    let empty = everwarm_trading::specs().into_iter().find(|spec| spec.rank == rank::LEDGER);
    let empty = empty.unwrap().build().save();
    let altered = store().alter_checkpoints(rank::LEDGER.0, |_, row| row.state.clone_from(&empty));
    altered.unwrap();
    let (code, out, err) = run(data, &["store", "check"]);
    assert_eq!(code, Some(4), "{out}{err}");
    assert!(out.contains("everwarm store forget ledger"), "{out}");
    for (stage, why) in [("gateway", "more than facts"), ("lodger", "there is no stage lodger")] {
        let (code, out, err) = run(data, &["store", "forget", stage]);
        assert_eq!(code, Some(2), "{out}{err}");
        assert!(err.contains(why) && err.contains("roll-up"), "{err}");
    }
    let (code, out, err) = run(data, &["store", "forget", "ledger"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("removed the checkpoint of ledger"), "{out}");
    assert_eq!(run(data, arguments).0, Some(0));
    sound(data);
}
