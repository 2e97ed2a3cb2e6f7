//! Branches of the real tree that fail until nobody restarts them any more: some are kept down and
//! come back, the others end the tree.

use super::kit::ask;
use super::poison::Stand;
use everwarm::chaos::feed;
use everwarm::chaos::rig::Feed;
use everwarm::daemon::reload::{Beside, Reloader};
use everwarm::daemon::tree_settings::keep_tree;
use everwarm::daemon_run::DaemonRun;
use everwarm_config::{CheckDepth, Sources};
use everwarm_domain::fact::{Body, BreakerLevel, Decision, Operator, Order};
use everwarm_domain::order::Side;
use everwarm_domain::switch::Switch;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_edge::world::World;
use everwarm_kernel::fact::{Fact, Rank};
use everwarm_sim::InitialBooks;
use everwarm_sim::market::Seeded;
use everwarm_trading::{AnyStage, StageSpec, specs};
use everwarm_views::status_fold::StatusFold;
use everwarm_views::views::{ReloadResult, StatusView, Trigger};
use std::cell::{Cell, OnceCell, RefCell};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The events of branches and of the breaker, in order.
fn events(life: &DaemonRun) -> Vec<String> {
    let chunks = life.world.journal.read(1, usize::MAX).unwrap();
    chunks.iter().flat_map(|chunk| &chunk.facts).filter_map(event_of).collect()
}

fn event_of(fact: &Fact<Body>) -> Option<String> {
    match &fact.body {
        Body::Operator(Operator::Branch { path, down: Some(_) }) => Some(format!("{path} down")),
        Body::Operator(Operator::Branch { path, down: None }) => Some(format!("{path} up")),
        Body::Decision(Decision::Breaker { level: BreakerLevel::Normal, .. }) => {
            Some("all is allowed".to_owned())
        }
        Body::Decision(Decision::Breaker { level, reasons, .. }) => {
            Some(format!("{level:?}: {}", reasons.join(", ")))
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    }
}

#[test]
fn a_feed_that_is_hopeless_is_kept_down_and_leaves_exits_only_until_it_is_up_again() {
    let stand = Stand::new("branch-feeds");
    let feeds = "root/trading/feeds";
    let down = format!("{feeds} down");
    stand.live(specs(), "the feed is not given up", |life| {
        life.world.directory.kill(&format!("{feeds}/sim/feed"));
        events(life).contains(&down)
    });
    // Reported again by the next life, which begins with all branches up.
    stand.live(specs(), "the breaker does not go back", |life| {
        events(life).last().is_some_and(|last| last == "all is allowed")
    });
    stand.live(specs(), "the feed does not come back", |life| {
        let events = events(life);
        let times = |words: &str| events.iter().filter(|line| *line == words).count();
        if times(&down) < 2 {
            life.world.directory.kill(&format!("{feeds}/sim/feed"));
        }
        let reason = format!("ExitsOnly: {feeds} failed too often and is kept down");
        let end = [down.clone(), reason, format!("{feeds} up"), "all is allowed".to_owned()];
        events.ends_with(&end)
    });
}

/// While set, no indicator can be made.
static SICK: AtomicBool = AtomicBool::new(false);

fn brittle(_: &'static str, _: Rank) -> AnyStage {
    if SICK.load(Relaxed) {
        // As a panic, without the words of one among those of the tests.
        std::panic::resume_unwind(Box::new("no indicator today".to_owned()));
    }
    let spec = specs().into_iter().find(|spec| spec.name == "indicator").unwrap();
    spec.build()
}

fn with_brittle() -> Vec<StageSpec> {
    let one = |spec: StageSpec| match spec.name {
        "indicator" => StageSpec { make: brittle, ..spec },
        _ => spec,
    };
    specs().into_iter().map(one).collect()
}

/// The facts of one life after the other, followed, and what is done step by step.
#[derive(Default)]
struct Followed {
    next: u64,
    status: StatusFold,
    events: Vec<String>,
    /// Buys and sells that were decided, and fills.
    counts: [usize; 3],
    step: usize,
    noted: usize,
    since: UtcMs,
}

impl Followed {
    fn look(&mut self, life: &DaemonRun) -> StatusView {
        let journal = &life.world.journal;
        loop {
            let chunks = journal.read(self.next.max(1), usize::MAX).unwrap();
            for fact in chunks.iter().flat_map(|chunk| &chunk.facts) {
                self.status.fold(fact);
                self.events.extend(event_of(fact));
                if let Body::Order(Order::Intent(intent)) = &fact.body {
                    self.counts[usize::from(intent.side == Side::Sell)] += 1;
                } else if let Body::Order(Order::Filled { .. }) = &fact.body {
                    self.counts[2] += 1;
                }
            }
            match chunks.last() {
                Some(last) => self.next = last.last_row() + 1,
                None => return self.status.view(),
            }
        }
    }

    fn last(&self) -> &str {
        self.events.last().map_or("", String::as_str)
    }

    /// It is down while something is held: time goes on, nothing is entered, and what an operator
    /// has sold is sold.
    fn held_and_sold(&mut self, life: &DaemonRun) -> bool {
        let view = self.look(life);
        let last_close = life.world.board.last_close().unwrap_or_default();
        let [buys, sells, fills] = self.counts;
        let next = match self.step {
            0 if view.positions > 0 => {
                make_sick(life);
                true
            }
            1 if self.last() == exits_only() => {
                assert_eq!((view.breaker, view.ready), (BreakerLevel::ExitsOnly, true));
                assert!(view.problems.iter().any(|why| why.contains("no indicator today")));
                (self.since, self.noted) = (last_close, buys);
                true
            }
            2 if last_close > self.since + 10 * MINUTE => {
                assert_eq!(buys, self.noted, "nothing is entered");
                assert!(view.positions > 0, "nothing signals it to leave");
                self.noted = fills;
                switch(life, Switch::Flatten);
                true
            }
            // What fees left of it is too little to be sold.
            3 => sells > 0 && fills > self.noted && view.open_orders == 0,
            _ => false,
        };
        self.step += usize::from(next);
        self.step == 4
    }

    /// Up in another life, down once more, and up by itself: each time something is bought again.
    fn goes_on(&mut self, life: &DaemonRun) -> bool {
        let view = self.look(life);
        let buys = self.counts[0];
        let allowed = self.last() == "all is allowed";
        let next = match self.step {
            4 => {
                SICK.store(false, Relaxed);
                switch(life, Switch::Resume);
                self.noted = buys;
                true
            }
            5 if buys > self.noted && allowed => {
                make_sick(life);
                true
            }
            6 if self.last() == exits_only() => {
                SICK.store(false, Relaxed);
                true
            }
            7 if allowed => {
                assert_eq!(view.breaker, BreakerLevel::Normal);
                self.noted = buys;
                true
            }
            8 => buys > self.noted,
            _ => false,
        };
        self.step += usize::from(next);
        self.step == 9
    }
}

/// A market without an end.
fn endless() -> Feed {
    Feed {
        market: Arc::new(|| Box::new(Seeded::new(1, 12, feed::START, 60))),
        setup: InitialBooks { seed: 7, ..InitialBooks::default() },
        settings: feed::settings(),
        ..feed::small()
    }
}

fn switch(life: &DaemonRun, switch: Switch) {
    let (journal, reason) = (&life.world.journal, "of the test".to_owned());
    let body = Body::Operator(Operator::Switched { switch, reason });
    journal.append(&journal.writer("operator"), i64::MIN, vec![body]).unwrap();
}

const INDICATOR: &str = "root/trading/stages/indicator";

fn make_sick(life: &DaemonRun) {
    SICK.store(true, Relaxed);
    life.world.directory.kill(INDICATOR);
}

fn exits_only() -> String {
    format!("ExitsOnly: {INDICATOR} failed too often and is kept down")
}

#[test]
fn an_analysis_that_is_down_costs_its_signals_and_nothing_else() {
    let stand = Stand::of("branch-analysis", endless());
    let followed = RefCell::new(Followed::default());
    let problems = || ask(stand.dir(), &["verify"])["problems"].clone();
    stand.live(with_brittle(), "it is not sold while the indicator is down", |life| {
        followed.borrow_mut().held_and_sold(life)
    });
    assert_eq!(problems(), serde_json::json!([]), "while it is down");
    assert_eq!(ask(stand.dir(), &["quarantine", "list"]), serde_json::json!([]), "no operator");
    SICK.store(false, Relaxed);
    stand.live(with_brittle(), "it does not go on", |life| followed.borrow_mut().goes_on(life));
    let up = format!("{INDICATOR} up");
    let ups = followed.borrow().events.iter().filter(|event| **event == up).count();
    assert_eq!(ups, 1, "a life begins with all branches up");
    assert_eq!(problems(), serde_json::json!([]));
}

/// Kills of one feed, each of an instance that was up: more than a tree allows by itself.
const KILLS: u32 = 9;

#[test]
fn restarts_are_counted_against_the_limits_in_force() {
    let stand = Stand::of("branch-limits", endless());
    let file = stand.dir().join("mine.toml");
    let limits = |restarts: u32| {
        fs::write(&file, format!("[supervision]\nrestarts = {restarts}\nwithin_s = 3600\n"))
            .unwrap();
    };
    limits(1000);
    let sources = Sources { file: Some(file.clone()), ..Sources::default() };
    let started = sources.load(CheckDepth::Words).unwrap();
    let reloader = OnceCell::new();
    let ops = |world: &World| {
        let used = Box::new(Default::default);
        let beside = Beside { traded: String::new(), rules: Vec::new(), used };
        let made = Reloader::new(world.clone(), sources, started, beside);
        vec![keep_tree(reloader.get_or_init(|| made))]
    };
    let (feeds, path) = ("root/trading/feeds/sim", "root/trading/feeds/sim/feed");
    let (step, kills) = (Cell::new(0), Cell::new(0));
    stand.live_with(specs(), ops, "the limits are not followed", |life| {
        let directory = &life.world.directory;
        let of = |path: &str| directory.readings().into_iter().find(|row| row.path == path);
        let allowed = |n: u32| of(feeds).is_some_and(|row| row.restarts.1 == n);
        let view = life.root.directory().view().unwrap();
        let trading = view.children.iter().find(|child| child.path == "root/trading").unwrap();
        let all = trading.children.iter().find(|child| child.path == "root/trading/feeds").unwrap();
        let Some(feeds_view) = all.children.iter().find(|child| child.path == feeds) else {
            // It is about to be replaced.
            return false;
        };
        let up = of(path).is_some_and(|row| row.alive);
        let next = match step.get() {
            0 => allowed(1000),
            1 if kills.get() < KILLS => {
                let dead = feeds_view.children.iter().map(|child| child.restarts).sum::<u32>();
                if up && dead == kills.get() {
                    directory.kill(path);
                    kills.set(kills.get() + 1);
                }
                false
            }
            1 if up => {
                assert_eq!((feeds_view.restarts, feeds_view.down), (0, false), "within the limits");
                limits(2);
                let reloader = Arc::clone(reloader.get().unwrap());
                tokio::task::spawn_blocking(move || {
                    let outcome = reloader.reload(Trigger::Api, false);
                    assert_eq!(outcome.result, ReloadResult::Applied, "{:?}", outcome.reasons);
                });
                true
            }
            // What was counted counts.
            2 if allowed(2) && up => {
                directory.kill(path);
                true
            }
            // The feed's own go on where its supervisor was replaced.
            3 => all.restarts > 0 && feeds_view.children.iter().all(|c| c.restarts > KILLS),
            _ => false,
        };
        step.set(step.get() + u32::from(next));
        step.get() == 4
    });
}

#[test]
fn a_gateway_that_is_hopeless_ends_the_tree() {
    let stand = Stand::new("branch-gateway");
    stand.live(specs(), "the tree does not end", |life| {
        life.world.directory.kill("root/trading/gateways/sim/gateway");
        let directory = life.root.directory();
        directory.view().is_some_and(|root| {
            let why = root.last_failure.unwrap_or_default();
            assert!(why.is_empty() || why.starts_with("root/trading: gave up"), "{why}");
            !why.is_empty()
        })
    });
}
