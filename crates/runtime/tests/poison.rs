//! An input that fails a stage again and again: counted on disk, set aside, and the rest goes on.
//!
//! Over 500 lines: one subject, one test a promise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use everwarm_kernel::fact::{Body, Fact, Mask, NoLibrary, Rank, RuntimeEvent};
use everwarm_kernel::plain::PlainLoop;
use everwarm_kernel::skips::{Effect, OnPoison, Skips};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_runtime::chaos::faults::{Contents, FaultyDisk, Image};
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Options, StageInfo};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::stage_actor::{StageActor, StageArguments};
use everwarm_runtime::store::Store;
use everwarm_runtime::supervise::{
    Injected, Limits, RootHandle, Strategy, Tree, Watchdog, supervisor, worker,
};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A kind and some words: an input (0), a fact of the stages of rank 1, 2 and 5, a quarantine (3),
/// or a release (4).
#[derive(Clone, Debug, PartialEq)]
struct Words(u8, Vec<String>);

impl Body for Words {
    fn kind(&self) -> u8 {
        self.0
    }
    fn name(_: u8) -> &'static str {
        "words"
    }
    fn synced(&self) -> bool {
        false
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
        out.extend_from_slice(self.1.join(",").as_bytes());
    }
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8(bytes[1..].to_vec()).map_err(|e| e.to_string())?;
        Ok(input(&text).of_kind(bytes[0]))
    }
    fn weight(&self) -> usize {
        128 + self.1.iter().filter(|word| *word == "bulk").count() * (1 << 17)
    }
    fn parts(&self) -> Vec<String> {
        if self.0 == 0 && self.1 != ["nothing"] { self.1.clone() } else { Vec::new() }
    }
    fn without(&self, parts: &[String]) -> Option<Self> {
        let left = self.1.iter().filter(|word| self.0 != 0 || !parts.contains(word));
        let left: Vec<String> = left.cloned().collect();
        (self.0 != 0 || !left.is_empty()).then_some(Words(self.0, left))
    }
    fn runtime(event: RuntimeEvent) -> Self {
        let q = match event {
            RuntimeEvent::Quarantined(q) => q,
            RuntimeEvent::Released { quarantine } => return Words(4, vec![quarantine.to_string()]),
            RuntimeEvent::StageUpgraded { .. }
            | RuntimeEvent::Joined(_)
            | RuntimeEvent::Left { .. } => panic!("{event:?}"),
        };
        let text = format!("{} {} {:?} x{} {}", q.stage, q.n, q.effect, q.failures, q.why);
        Words(3, [vec![text], q.parts].concat())
    }
}

impl Words {
    fn of_kind(self, kind: u8) -> Words {
        Words(kind, self.1)
    }
}

fn input(text: &str) -> Words {
    Words(0, text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// What the disk holds for certain at each try.
type Tries = Arc<Mutex<Vec<Contents>>>;

/// Appends how many words it has seen. Fails at words that begin with `bad`, at some inputs
/// whatever they hold, and where the test injects an end. Holds its thread at `loop`, until the
/// test is done with it.
#[derive(Clone)]
struct Counter {
    rank: u16,
    on_poison: OnPoison,
    seen: u64,
    disk: FaultyDisk,
    tries: Tries,
    /// Ends injected before it handles an input that is bad.
    injected: Arc<Mutex<u32>>,
    /// What it cannot read it can read from here on, its successors too.
    repaired: Arc<AtomicBool>,
    let_go: Arc<AtomicBool>,
}

impl Counter {
    fn new(rank: u16, on_poison: OnPoison, disk: &FaultyDisk) -> Counter {
        Counter {
            rank,
            on_poison,
            seen: 0,
            disk: disk.clone(),
            tries: Tries::default(),
            injected: Arc::default(),
            repaired: Arc::default(),
            let_go: Arc::default(),
        }
    }

    /// The same, repaired.
    fn repaired(&self) -> Counter {
        Counter { repaired: Arc::new(AtomicBool::new(true)), ..self.clone() }
    }

    fn tries(&self) -> usize {
        self.tries.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    /// What was on disk for certain at the try of this number, from 1.
    fn synced_at(&self, try_number: usize) -> FaultyDisk {
        let tries = self.tries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        FaultyDisk::holding(tries[try_number - 1].clone(), None)
    }

    fn fail(&self) {
        let left = {
            let mut injected = self.injected.lock().unwrap();
            let left = *injected;
            *injected = left.saturating_sub(1);
            left
        };
        if left > 0 {
            Injected("by the test".into()).panic();
        }
        assert!(self.repaired.load(Relaxed), "cannot read it");
    }
}

impl Stage for Counter {
    type Body = Words;
    fn rank(&self) -> Rank {
        Rank(self.rank)
    }
    fn name(&self) -> &'static str {
        if self.rank == 1 { "picky" } else { "other" }
    }
    fn interest(&self) -> Mask {
        // The last one waits for the first.
        if self.rank == 5 { Mask::of(&[0, 1]) } else { Mask::of(&[0]) }
    }
    fn produces(&self) -> Mask {
        Mask::of(&[u8::try_from(self.rank).unwrap()])
    }
    fn on_poison(&self) -> OnPoison {
        self.on_poison
    }
    fn evolve(&mut self, fact: &Fact<Words>) {
        if fact.key.rank != 0 {
            return;
        }
        let words = &fact.body.1;
        if words.iter().any(|word| word == "loop") {
            self.tries.lock().unwrap().push(self.disk.image(Image::Synced));
            while !self.let_go.load(Relaxed) {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Injected("the process has ended".into()).panic();
        }
        if words.iter().any(|word| word.starts_with("bad")) {
            let held = self.disk.image(Image::Synced);
            self.tries.lock().unwrap().push(held);
            self.fail();
        }
        assert!(words != &["nothing"], "nothing to count");
        self.seen += words.len() as u64;
    }
    fn decide(&self, fact: &Fact<Words>, out: &mut Out<Words>) {
        if fact.body.1 == ["quiet"] {
            return;
        }
        let kind = u8::try_from(self.rank).unwrap();
        out.append(Words(kind, vec![format!("{}:{}", fact.key.n, self.seen)]));
    }
    fn next_wake(&self) -> Option<i64> {
        Some(1000)
    }
    fn save(&self) -> Vec<u8> {
        self.seen.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.seen = u64::from_le_bytes(bytes.try_into().map_err(|_| "cut short")?);
        Ok(())
    }
}

fn open(disk: &FaultyDisk, stages: &[&Counter]) -> Arc<Journal<Words>> {
    let store = Store::on_disk(disk.clone(), "test").unwrap();
    let infos = stages.iter().map(|stage| StageInfo::of(*stage)).collect();
    let options = Options { lazy: Duration::ZERO, ..Options::new(|_| ()) };
    Journal::open(store, infos, options).unwrap()
}

fn append(journal: &Journal<Words>, inputs: &[&str]) {
    let writer = journal.writer("test");
    journal.append(&writer, 1, inputs.iter().map(|text| input(text)).collect()).unwrap();
}

fn resume(journal: &Arc<Journal<Words>>, stage: &Counter) -> Runner<Counter> {
    let stage = Box::new(stage.clone());
    Runner::recover_stage(Arc::clone(journal), stage, Arc::new(NoLibrary)).unwrap().0
}

/// One instance: to its first failure, to the head, or until it stands before an input that was set
/// aside. Whether it failed.
fn live(journal: &Arc<Journal<Words>>, stage: &Counter) -> bool {
    let mut runner = resume(journal, stage);
    let since = clock::now();
    let stands = || {
        let stopped = appended(journal, 3).iter().filter(|text| text.contains("Stopped")).count();
        stage.rank == 1 && stopped > appended(journal, 4).len()
    };
    while runner.cursor() < journal.head() && !stands() {
        let turn = catch_unwind(AssertUnwindSafe(|| runner.catch_up(64, |_| ()).unwrap()));
        if turn.is_err() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(1));
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", journal.progress());
    }
    // It would go on now, if it could.
    runner.catch_up(64, |_| ()).unwrap();
    false
}

/// Instances until one does not fail; how many failed.
fn run(journal: &Arc<Journal<Words>>, stage: &Counter) -> u32 {
    let mut failures = 0;
    while live(journal, stage) {
        failures += 1;
        assert!(failures < 20, "it fails for ever");
    }
    failures
}

fn facts(journal: &Journal<Words>) -> Vec<Fact<Words>> {
    let mut facts: Vec<Fact<Words>> = Vec::new();
    loop {
        // What has left the tail is read in the file, the rest behind it.
        let chunks = journal.read(facts.len() as u64 + 1, usize::MAX).unwrap();
        if chunks.is_empty() {
            return facts;
        }
        facts.extend(chunks.iter().flat_map(|chunk| chunk.facts.clone()));
    }
}

fn appended(journal: &Journal<Words>, kind: u8) -> Vec<String> {
    let facts = facts(journal).into_iter().filter(|fact| fact.body.0 == kind);
    facts.map(|fact| fact.body.1.join(",")).collect()
}

fn progress(journal: &Journal<Words>, name: &str) -> u64 {
    journal.progress().iter().find(|(of, _)| *of == name).unwrap().1
}

#[test]
fn an_input_is_tried_three_times_and_then_only_its_bad_parts_are_left_out() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk);
    let other = Counter::new(2, OnPoison::Skip, &disk);
    let journal = open(&disk, &[&picky, &other]);
    // An input without a fact of its own is folded once all the same.
    append(&journal, &["a,b", "quiet", "a,bad-x,c,bad-y", "a"]);
    assert_eq!(run(&journal, &picky), 3);
    assert_eq!(appended(&journal, 1), ["1:2", "3:5", "4:6"]);
    assert_eq!(appended(&journal, 3), ["picky 3 Parts x3 cannot read it,bad-x,bad-y"]);
    assert_eq!(progress(&journal, "picky"), 5, "the fact about it is passed too");
    // Another stage is given the input whole.
    assert_eq!(appended(&journal, 2), [""; 0]);
    let healthy = other.repaired();
    assert_eq!(run(&journal, &healthy), 0);
    assert_eq!(appended(&journal, 2), ["1:2", "3:7", "4:8"]);
    // A successor decides again and appends the same about it, also in a life to come.
    let tries = picky.tries();
    assert_eq!(run(&journal, &picky), 0);
    journal.close();
    let journal = open(&disk, &[&picky, &healthy]);
    assert_eq!(run(&journal, &picky), 0);
    assert_eq!(picky.tries(), tries, "it was never given the bad parts again");
    journal.close();
}

#[test]
fn a_failure_is_on_disk_before_the_next_try() {
    // Without the gate the flush might come in time by chance.
    for _ in 0..5 {
        let disk = FaultyDisk::default();
        let picky = Counter::new(1, OnPoison::Skip, &disk);
        let journal = open(&disk, &[&picky]);
        append(&journal, &["a", "bad"]);
        assert_eq!(run(&journal, &picky), 3);
        journal.close();
        // The power fails during each try: what was flushed before it knows of the failures so
        // far, and of the try where it was not the first.
        for (during, left) in [(2, 1), (3, 0)] {
            let disk = picky.synced_at(during);
            let again = Counter::new(1, OnPoison::Skip, &disk);
            let journal = open(&disk, &[&again]);
            assert_eq!(journal.head(), 2, "the input is not newer than the failure at it");
            assert_eq!(run(&journal, &again), left, "cut during try {during}");
            assert_eq!(appended(&journal, 3).len(), 1);
            journal.close();
        }
    }
}

#[test]
fn failures_outlive_the_process_and_a_stop_in_order_is_none() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk);
    let journal = open(&disk, &[&picky]);
    append(&journal, &["bad,good"]);
    for failures in 1..=2 {
        assert!(live(&journal, &picky));
        assert_eq!(picky.tries(), failures);
    }
    journal.close();
    for _ in 0..3 {
        open(&disk, &[&picky]).close();
    }
    let journal = open(&disk, &[&picky]);
    assert_eq!(run(&journal, &picky), 1);
    assert_eq!(appended(&journal, 3), ["picky 1 Parts x3 cannot read it,bad"]);
    journal.close();
}

#[test]
fn injected_ends_do_not_count_and_who_passes_is_forgotten() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk).repaired();
    *picky.injected.lock().unwrap() = 7;
    let journal = open(&disk, &[&picky]);
    append(&journal, &["bad"]);
    assert_eq!(run(&journal, &picky), 7);
    resume(&journal, &picky).save();
    // Two failures and a pass, twice: never three at one input.
    let sick = Counter { repaired: Arc::default(), ..picky.clone() };
    for _ in 0..2 {
        append(&journal, &["bad"]);
        assert!(live(&journal, &sick) && live(&journal, &sick));
        assert!(!live(&journal, &picky));
        resume(&journal, &picky).save();
    }
    assert_eq!(appended(&journal, 1), ["1:1", "2:2", "3:3"]);
    assert_eq!(appended(&journal, 3), [""; 0]);
    journal.close();
}

#[test]
fn what_cannot_be_named_takes_the_stage_out_until_it_is_released() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk);
    let journal = open(&disk, &[&picky]);
    append(&journal, &["a", "nothing", "a,b"]);
    assert_eq!(run(&journal, &picky), 3);
    assert_eq!(appended(&journal, 3), ["picky 2 Stage x3 nothing to count"]);
    assert_eq!((appended(&journal, 1), progress(&journal, "picky")), (vec!["1:1".into()], 4));
    assert_eq!(journal.next_wake(), None, "who is given nothing is not to be woken");
    journal.checkpoint_after(1);
    append(&journal, &["a,b"]);
    run(&journal, &picky);
    journal.close();
    // Still out in the next life, though its checkpoint is past the fact that reports it.
    let journal = open(&disk, &[&picky]);
    append(&journal, &["a,b"]);
    run(&journal, &picky);
    assert_eq!((appended(&journal, 1), progress(&journal, "picky")), (vec!["1:1".into()], 6));
    let writer = journal.writer("operator");
    let at = journal.release(&writer, Words(4, Vec::new()), Rank(1), 2).unwrap().n;
    append(&journal, &["a,b"]);
    run(&journal, &picky);
    assert_eq!(appended(&journal, 1), ["1:1", "8:3"], "it goes on from the state it had");
    // Whoever derives all again goes by the same facts.
    let mut skips = Skips::default();
    skips.quarantine(2, Effect::Stage, &[]);
    skips.release(2, at);
    let mut plain = PlainLoop::new(vec![Box::new(picky)], Box::new(NoLibrary));
    plain.skip(Rank(1), &skips);
    let facts = facts(&journal);
    let mut again = Vec::new();
    for fact in facts.iter().filter(|fact| fact.key.rank == 0) {
        plain.input(fact.time, fact.body.clone(), &mut |f| again.push(f.clone())).unwrap();
    }
    let of = |facts: &[Fact<Words>]| -> Vec<_> {
        facts.iter().filter(|fact| fact.key.rank == 1).cloned().collect()
    };
    assert_eq!(of(&again), of(&facts));
    journal.close();
}

#[test]
fn a_stage_that_never_skips_stands_until_it_is_released() {
    let disk = FaultyDisk::default();
    let careful = Counter::new(1, OnPoison::Stop, &disk);
    let other = Counter::new(2, OnPoison::Stop, &disk).repaired();
    let journal = open(&disk, &[&careful, &other]);
    append(&journal, &["a", "bad", "a"]);
    assert_eq!(run(&journal, &careful), 3);
    assert_eq!(appended(&journal, 3), ["picky 2 Stopped x3 cannot read it,bad"]);
    assert_eq!((progress(&journal, "picky"), run(&journal, &other)), (1, 0));
    assert_eq!(appended(&journal, 2), ["1:1", "2:2", "3:3"], "others go on");
    journal.close();
    let journal = open(&disk, &[&careful, &other]);
    assert_eq!((run(&journal, &careful), progress(&journal, "picky")), (0, 1), "not tried again");
    let writer = journal.writer("operator");
    for failures in [3, 0] {
        journal.release(&writer, Words(4, Vec::new()), Rank(1), 2).unwrap();
        careful.repaired.store(failures == 0, Relaxed);
        assert_eq!(run(&journal, &careful), failures, "counted anew");
    }
    assert_eq!(appended(&journal, 1), ["1:1", "2:2", "3:3"], "nothing was left out");
    let facts = facts(&journal);
    assert!(facts.iter().all(|fact| fact.key.n < 9), "{facts:?}");
    journal.close();
}

/// Whoever derives all again goes by the facts: what was set aside at which input, and until when.
fn derived_again(journal: &Journal<Words>, stages: &[&Counter], skips: &Skips) {
    let stages = stages.iter().map(|s| Box::new((*s).clone()) as Box<dyn Stage<Body = Words>>);
    let mut plain = PlainLoop::new(stages.collect(), Box::new(NoLibrary));
    plain.skip(Rank(1), skips);
    let facts = facts(journal);
    let mut again = Vec::new();
    for fact in facts.iter().filter(|fact| fact.key.rank == 0) {
        plain.input(fact.time, fact.body.clone(), &mut |f| again.push(f.clone())).unwrap();
    }
    let derived = |facts: Vec<Fact<Words>>| {
        let mut facts: Vec<_> = facts.into_iter().filter(|fact| fact.key.rank != 0).collect();
        facts.sort_by_key(|fact| fact.key);
        facts
    };
    assert_eq!(derived(again), derived(facts));
}

#[test]
fn who_is_kept_down_holds_nobody_up_and_goes_on_as_if_it_had_seen_all() {
    // How it goes on: by an instance, by one that fails before the next, or in another life.
    for how in ["up", "up at the second try", "another life"] {
        let disk = FaultyDisk::default();
        let picky = Counter::new(1, OnPoison::Skip, &disk);
        let behind = Counter::new(5, OnPoison::Stop, &disk);
        let mut journal = open(&disk, &[&picky, &behind]);
        append(&journal, &["a", "b"]);
        run(&journal, &picky);
        append(&journal, &["c"]);
        while resume(&journal, &behind).catch_up(64, |_| ()).unwrap() {}
        assert_eq!(progress(&journal, "other"), 2, "{how}: it waits");
        journal.stage_down(Rank(1), "it cannot\nstart").unwrap();
        append(&journal, &["d", "e,f"]);
        assert_eq!((run(&journal, &behind), progress(&journal, "other")), (0, 6), "{how}");
        assert_eq!(appended(&journal, 3), ["picky 3 Down x0 it cannot start"], "{how}");
        assert_eq!(appended(&journal, 1), ["1:1", "2:2"], "{how}");
        assert!(journal.settled() || journal.durable_row() < journal.last_row(), "{how}");
        let mut at = 7;
        match how {
            "another life" => {
                journal.close();
                journal = open(&disk, &[&picky, &behind]);
            }
            how => {
                if how != "up" {
                    drop(resume(&journal, &picky));
                    journal.stage_down(Rank(1), "again").unwrap();
                }
                let mut instance = resume(&journal, &picky);
                append(&journal, &["g"]);
                at = 8;
                assert_eq!(progress(&journal, "picky"), 6, "{how}: it passes by itself");
                while instance.catch_up(64, |_| ()).unwrap() {}
                assert_eq!(appended(&journal, 1).len(), 2, "{how}: and is not asked");
                journal.stage_up(Rank(1)).unwrap();
            }
        }
        append(&journal, &["h,i"]);
        run(&journal, &picky);
        run(&journal, &behind);
        assert_eq!((appended(&journal, 3).len(), appended(&journal, 4)), (1, vec!["4".to_owned()]));
        let counted = if at == 8 { 9 } else { 8 };
        let last = format!("{}:{counted}", at + 1);
        assert_eq!(appended(&journal, 1)[2..], [last], "{how}: all of it is counted");
        let mut skips = Skips::default();
        skips.quarantine(3, Effect::Down, &[]);
        skips.up(3, at);
        derived_again(&journal, &[&picky, &behind], &skips);
        journal.close();
    }
}

#[test]
fn what_was_passed_for_long_for_who_is_kept_down_is_read_from_the_file() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk);
    let behind = Counter::new(5, OnPoison::Stop, &disk);
    let journal = open(&disk, &[&picky, &behind]);
    append(&journal, &["a", "b"]);
    run(&journal, &picky);
    resume(&journal, &picky).save();
    journal.stage_down(Rank(1), "it cannot start").unwrap();
    // More than a tail in memory may hold: whoever waits for room would wait for ever.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..30 {
        let room = async { tokio::time::timeout(Duration::from_secs(20), journal.room()).await };
        assert!(runtime.block_on(room).is_ok());
        append(&journal, &["bulk"; 10]);
        run(&journal, &behind);
        resume(&journal, &behind).save();
    }
    assert_eq!(appended(&journal, 1), ["1:1", "2:2"]);
    let head = journal.head();
    run(&journal, &picky);
    journal.stage_up(Rank(1)).unwrap();
    append(&journal, &["c"]);
    run(&journal, &picky);
    assert_eq!(appended(&journal, 1)[2..], [format!("{}:303", head + 2)]);
    journal.close();
}

/// The stage under a supervisor that allows three restarts.
async fn supervise(journal: &Arc<Journal<Words>>, stage: &Counter) -> RootHandle {
    let (on, of) = (Arc::clone(journal), stage.clone());
    let arguments = move || {
        let stage = of.clone();
        StageArguments {
            journal: Arc::clone(&on),
            make: Arc::new(move || Box::new(stage.clone()) as Box<dyn Stage<Body = Words>>),
            library: Arc::new(NoLibrary),
            on_resume: Arc::new(|_, _| ()),
            mailbox: Arc::default(),
        }
    };
    let stage = worker("picky", move |_| (StageActor::default(), arguments()));
    let tree = Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default));
    let root = supervisor("root", Strategy::OneForOne).budget(3, Duration::from_mins(1));
    tree.start(root.child(stage)).await.unwrap()
}

async fn until(journal: &Journal<Words>, done: impl Fn() -> bool) {
    let since = clock::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", journal.progress());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_supervisor_a_bad_input_costs_three_restarts_and_not_the_tree() {
    let disk = FaultyDisk::default();
    let picky = Counter::new(1, OnPoison::Skip, &disk);
    let journal = open(&disk, &[&picky]);
    let root = supervise(&journal, &picky).await;
    append(&journal, &["a", "b,bad,c", "d"]);
    until(&journal, || progress(&journal, "picky") == 4).await;
    assert_eq!(appended(&journal, 1)[..3], ["1:1", "2:3", "3:4"]);
    assert_eq!(root.directory().view().unwrap().children[0].restarts, 3);
    root.stop(Duration::from_secs(5)).await;
    journal.close();
    // All of it is in the file as it was appended.
    let store = Store::on_disk(disk, "test").unwrap();
    let mut facts = 0;
    let count = &mut |_, _: Fact<Words>| {
        facts += 1;
        ControlFlow::Continue(())
    };
    store.scan(0, count).unwrap();
    assert_eq!(facts, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_still_goes_on_as_soon_as_it_is_released() {
    let disk = FaultyDisk::default();
    let careful = Counter::new(1, OnPoison::Stop, &disk);
    let journal = open(&disk, &[&careful]);
    let root = supervise(&journal, &careful).await;
    append(&journal, &["bad", "a"]);
    until(&journal, || !appended(&journal, 3).is_empty()).await;
    append(&journal, &["a"]);
    careful.repaired.store(true, Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((progress(&journal, "picky"), careful.tries()), (0, 3));
    let writer = journal.writer("operator");
    journal.release(&writer, Words(4, Vec::new()), Rank(1), 1).unwrap();
    until(&journal, || progress(&journal, "picky") == 5).await;
    assert_eq!(appended(&journal, 1), ["1:1", "2:2", "4:3"]);
    root.stop(Duration::from_secs(5)).await;
    journal.close();
}

/// One life in which the stage comes to an input at which it holds its thread, until the watchdog
/// ends the process for it. What is then on disk for certain.
async fn life_that_hangs(disk: &FaultyDisk, stage: &Counter, inputs: &[&str]) -> FaultyDisk {
    let journal = open(disk, &[stage]);
    if journal.head() == 0 {
        append(&journal, inputs);
    }
    stage.let_go.store(false, Relaxed);
    let root = supervise(&journal, stage).await;
    let (end, mut ended) = tokio::sync::mpsc::channel(1);
    let (look, hang) = (Duration::from_millis(2), Duration::from_millis(50));
    let (noted, limits) = (Arc::clone(&journal), Limits { look, report: hang });
    let hopeless = move |path: &str, _| {
        assert_eq!(path, "root/picky");
        end.try_send(noted.held("picky", "held its thread")).unwrap();
    };
    let watchdog = Watchdog::start(root.tree().clone(), limits, move || hang, hopeless).unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(20), ended.recv()).await;
    assert_eq!(waited, Ok(Some(true)), "it is on disk before the process ends");
    let left = FaultyDisk::holding(disk.image(Image::Synced), None);
    stage.let_go.store(true, Relaxed);
    tokio::task::spawn_blocking(move || drop(watchdog)).await.unwrap();
    root.stop(Duration::from_secs(5)).await;
    journal.close();
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_holds_its_thread_at_an_input_for_three_lives_has_it_set_aside() {
    let held = "x3 held its thread";
    let table = [
        // Looking for the part would hold its thread too.
        (OnPoison::Skip, "b,loop,c", format!("picky 3 Stage {held}"), &["1:1"][..]),
        (OnPoison::Skip, "loop", format!("picky 3 Parts {held},loop"), &["1:1", "4:3"]),
        (OnPoison::Stop, "b,loop,c", format!("picky 3 Stopped {held}"), &["1:1"]),
    ];
    for (on_poison, input, quarantine, answers) in table {
        let mut disk = FaultyDisk::default();
        let mut stage = Counter::new(1, on_poison, &disk);
        // The input before it is not passed yet when it holds its thread.
        let inputs = ["a", "quiet", input, "d"];
        for _ in 0..3 {
            stage.disk = disk.clone();
            disk = life_that_hangs(&disk, &stage, &inputs).await;
        }
        let (journal, tries) = (open(&disk, &[&stage]), stage.tries());
        assert_eq!(run(&journal, &stage), 0);
        assert_eq!(appended(&journal, 3), [quarantine]);
        assert_eq!(appended(&journal, 1), answers);
        assert_eq!(stage.tries(), tries, "it is not given it again");
        journal.close();
    }
}
