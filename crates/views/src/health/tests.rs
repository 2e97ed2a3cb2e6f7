//! Tests of each rule: with observations that make it report, and with some that nearly do.
//! Over 500 lines: one subject, one test a promise.

use super::super::testing::{T, can_be_typed, dec, journal};
use super::*;
use crate::status_fold::StatusFold;
use crate::views::{
    ApartView, CheckView, DeliveryView, FindingView, QuarantineView, RepeatedDayView, Severity,
    SymbolView,
};
use everwarm_domain::fact::{
    Body, BreakerLevel, Conflict, Decision, Dispute, Ledger, Market, Standing,
};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::money::Decimal;
use everwarm_domain::odd::{OddBar, Oddity};
use everwarm_domain::order::Side;
use everwarm_domain::quarantine::Quarantine;
use everwarm_domain::switch::{SafeStep, Switch};
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_kernel::fact::{Effect, Fact};
use everwarm_trading::testing::{configured, crossing, input, instrument, sym};

/// The observations of a healthy daemon that holds one symbol.
fn well() -> Signs {
    let (mut facts, mut status) = (HealthFold::default(), StatusFold::default());
    for fact in &journal().0 {
        status.fold(fact);
        facts.fold(fact, &status);
    }
    facts.stale = 3 * MINUTE;
    let venue = facts.close.unwrap();
    let held = status.sellable();
    assert_eq!((held.len(), facts.orders.count, facts.signals.count), (1, 0, 0));
    let symbols = held.keys().map(|symbol| SymbolView {
        symbol: *symbol,
        state: Standing::Trading,
        wanted: true,
        why: String::new(),
        since: None,
        newest_bar: Some(venue),
        held: None,
    });
    Signs {
        running: true,
        wall: T,
        venue,
        passes: true,
        symbols: symbols.collect(),
        held,
        facts,
        disk: Some(Disk { free: 5 << 30, total: 100 << 30 }),
        ..Signs::default()
    }
}

fn found(change: impl FnOnce(&mut Signs)) -> Vec<(String, Severity)> {
    let mut signs = well();
    change(&mut signs);
    let view = findings(&signs);
    assert_eq!(view.healthy, view.findings.is_empty());
    for finding in &view.findings {
        assert!(view.checks.contains(&finding.check), "{finding:?}");
        assert!(finding.text.len() > 10 && finding.todo.len() > 10, "{finding:?}");
        let command = finding.command.as_deref().unwrap();
        let known = ["df -h ", "timedatectl "];
        if !known.iter().any(|start| command.starts_with(start)) {
            can_be_typed(command);
        }
        assert_eq!(finding.since.is_some(), finding.for_s.is_some());
    }
    view.findings.into_iter().map(|finding| (finding.check, finding.severity)).collect()
}

fn one(check: &str, severity: Severity) -> Vec<(String, Severity)> {
    vec![(check.to_owned(), severity)]
}

fn waits(part: &str, for_ms: UtcMs) -> Vec<Waiting> {
    vec![Waiting { part: part.to_owned(), since: T - for_ms, what: "it stands".to_owned() }]
}

fn quarantined(effect: Effect) -> QuarantineView {
    let quarantine = Quarantine {
        rank: 200,
        stage: "indicator".to_owned(),
        input: 7,
        effect,
        symbols: Vec::new(),
        failures: 3,
        why: "w".to_owned(),
        time: T,
        dropped: false,
    };
    QuarantineView::of(9, &quarantine)
}

#[test]
fn who_is_well_has_nothing_found() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn parts_have_deadlines_of_their_own() {
    let broken = one("progress", Severity::Broken);
    for (part, late) in [
        ("store", 5_000),
        ("ledger", 10_000),
        ("gateway", 10_000),
        ("projector", 30_000),
        ("trading/clock", 10_000),
        ("trading/bars/closer", 30_000),
        ("trading/bars/universe", 30_000),
        ("trading/feeds/feed", 90_000),
        ("ops/steward", 30_000),
    ] {
        assert_eq!(found(|s| s.waiting = waits(part, late)), broken, "{part}");
        assert_eq!(found(|s| s.waiting = waits(part, late - 1)), [], "{part}");
        let signs = Signs { waiting: waits(part, late), ..well() };
        let first = &findings(&signs).findings[0];
        assert_eq!((first.since, first.for_s), (Some(T - late), u64::try_from(late / 1000).ok()));
        assert!(first.text.starts_with(&format!("{part} makes no progress: ")), "{first:?}");
    }
    let stands = |s: &mut Signs, ok| {
        let (name, detail) = ("stages".to_owned(), "an operator decides".to_owned());
        s.checks = vec![CheckView { name, ok, detail }];
        s.waiting = waits("ledger", 60_000);
    };
    assert_eq!(
        found(|s| stands(s, false)),
        [],
        "it waits for an operator, and another rule reports that"
    );
    assert_eq!(found(|s| stands(s, true)).len(), 1);
    let blocked = vec![("root/x".to_owned(), T - 1)];
    assert_eq!(found(|s| s.blocked = blocked), one("progress", Severity::Broken));
}

#[test]
fn what_an_operator_must_decide_is_told_with_the_command() {
    let conflict = Conflict {
        about: "USD".into(),
        ours: "5".into(),
        theirs: "4".into(),
        dispute: Dispute::Balance,
    };
    let mut signs = well();
    signs.facts.conflicts.insert(conflict.id(), T - MINUTE);
    signs.status.conflicts = vec![conflict.clone()];
    let first = findings(&signs).findings.remove(0);
    let command = format!("everwarm resolve {} --accept venue --reason \"why\"", conflict.id());
    assert_eq!((first.command, first.since), (Some(command), Some(T - MINUTE)));
    signs.symbols.clear();
    assert!(findings(&signs).findings[0].todo.contains("correct market.universe"));

    let verbs = [(Effect::Parts, "drop"), (Effect::Stage, "retry"), (Effect::Stopped, "retry")];
    for (effect, verb) in verbs {
        let signs = Signs { quarantines: vec![quarantined(effect)], ..well() };
        let command = format!("everwarm quarantine {verb} 9");
        assert_eq!(findings(&signs).findings[0].command, Some(command));
    }
    let mut dropped = quarantined(Effect::Stage);
    dropped.quarantine.dropped = true;
    let mut signs = Signs { quarantines: vec![dropped], ..well() };
    let dropped_stage = findings(&signs).findings.remove(0);
    assert_eq!(dropped_stage.severity, Severity::Warning, "no other rule reports that it is out");
    assert_eq!(dropped_stage.since, Some(T));
    signs.quarantines[0].quarantine.time = UtcMs::MIN;
    assert_eq!(findings(&signs).findings[0].since, None, "before any market time");
    assert_eq!(dropped_stage.command.as_deref(), Some("everwarm quarantine retry 9"));
    let down = |s: &mut Signs| {
        s.facts.branches.insert("root/trading/feeds".to_owned(), T);
    };
    assert_eq!(found(down), one("branches", Severity::Broken));
    let level = |level| found(move |s: &mut Signs| s.status.breaker = level);
    assert_eq!(level(BreakerLevel::Reduced), one("breaker", Severity::Warning));
    assert_eq!(level(BreakerLevel::ExitsOnly), one("breaker", Severity::Warning));
    assert_eq!(level(BreakerLevel::Halted).len(), 2, "and what is held cannot be left");
}

#[test]
fn whatever_makes_it_not_ready_is_told() {
    let waits_for = |name: &str| CheckView {
        name: name.to_owned(),
        ok: false,
        detail: "waiting for venue budget, 83 s".to_owned(),
    };
    for name in ["venue", "reconciled", "config", "feeds", "store", "running", "another"] {
        let ready = one("ready", Severity::Broken);
        assert_eq!(found(|s| s.checks = vec![waits_for(name)]), ready, "{name}");
    }
    let trouble = |s: &mut Signs| {
        s.checks = vec![waits_for("venue")];
        s.trouble = Some(("no answer".to_owned(), T - 5));
    };
    assert_eq!(found(trouble), one("venue", Severity::Broken), "once is enough");
    let stands = |s: &mut Signs| {
        (s.checks, s.waiting) = (vec![waits_for("store")], waits("store", 5_000));
    };
    assert_eq!(found(stands), one("progress", Severity::Broken));
    let conflict = Conflict {
        about: "USD".into(),
        ours: "5".into(),
        theirs: "4".into(),
        dispute: Dispute::Balance,
    };
    let at_odds = |s: &mut Signs| {
        s.status.conflicts = vec![conflict];
        s.checks = vec![waits_for("reconciled"), waits_for("feeds")];
    };
    let all = found(at_odds);
    let names: Vec<&str> = all.iter().map(|(check, _)| check.as_str()).collect();
    assert_eq!(names, ["conflicts", "ready"], "a conflict hides nothing else");
}

#[test]
fn the_venue_the_market_and_orders() {
    let trouble = Some(("no answer".to_owned(), T - 5));
    assert_eq!(found(|s| s.trouble = trouble), one("venue", Severity::Broken));
    let later = |ms: UtcMs| move |s: &mut Signs| s.venue += ms;
    assert_eq!(found(later(3 * MINUTE)), []);
    let silent: Vec<_> = found(later(3 * MINUTE + 1)).into_iter().map(|(check, _)| check).collect();
    assert_eq!(silent, ["market", "stale", "unprotected"], "no symbol has new bars");
    let lockstep = |s: &mut Signs| (s.venue, s.passes) = (s.venue + 9 * MINUTE, false);
    assert_eq!(found(lockstep), [], "time does not pass by itself");

    let unknown = |ago: UtcMs| {
        move |s: &mut Signs| {
            s.facts.unknown.insert(ClientOrderId("ew-1".into()), s.venue - ago);
        }
    };
    assert_eq!(found(unknown(2 * MINUTE)), one("unknown", Severity::Broken));
    assert_eq!(found(unknown(2 * MINUTE - 1)), []);

    let due = |side, level, ago: UtcMs| {
        let late = move |s: &mut Signs| {
            s.facts.due.insert(ClientOrderId("ew-2".into()), (s.venue - ago, side));
            s.status.breaker = level;
        };
        found(late).iter().filter(|(check, _)| check == "unsent").count()
    };
    for (side, level, expected) in [
        (Side::Buy, BreakerLevel::Normal, 1),
        (Side::Buy, BreakerLevel::ExitsOnly, 0),
        (Side::Sell, BreakerLevel::ExitsOnly, 1),
        (Side::Sell, BreakerLevel::Halted, 0),
    ] {
        assert_eq!(due(side, level, MINUTE), expected, "{side:?} {level:?}");
        assert_eq!(due(side, level, MINUTE - 1), 0, "{side:?} {level:?}");
    }

    let signals = |count, ago: UtcMs| {
        move |s: &mut Signs| {
            (s.facts.signals.count, s.facts.signals.first) = (count, s.facts.now - ago);
        }
    };
    assert_eq!(found(signals(10, 60 * MINUTE)), one("no-orders", Severity::Warning));
    assert_eq!(found(signals(9, 60 * MINUTE)), []);
    assert_eq!(found(signals(10, 60 * MINUTE - 1)), []);
    let orders = |count, ago: UtcMs| {
        move |s: &mut Signs| {
            (s.facts.orders.count, s.facts.orders.first) = (count, s.facts.now - ago);
        }
    };
    assert_eq!(found(orders(3, 30 * MINUTE)), one("no-fills", Severity::Warning));
    assert_eq!(found(orders(2, 30 * MINUTE)), []);
}

#[test]
fn positions_without_an_exit_are_told() {
    let broken = one("unprotected", Severity::Broken);
    assert_eq!(found(|s| s.symbols.clear()), broken);
    for state in [Standing::Gone, Standing::Halted] {
        assert_eq!(found(|s| s.symbols[0].state = state), broken);
    }
    assert_eq!(found(|s| s.symbols[0].state = Standing::Leaving), []);
    let old = |ms: UtcMs| move |s: &mut Signs| s.symbols[0].newest_bar = Some(s.venue - ms);
    let both = [one("stale", Severity::Warning), broken].concat();
    assert_eq!(found(old(3 * MINUTE + 1)), both);
    assert_eq!(found(old(3 * MINUTE)), []);
    let nothing = |s: &mut Signs| {
        s.symbols.clear();
        s.held.clear();
    };
    assert_eq!(found(nothing), []);
}

#[test]
fn what_a_strategy_that_is_off_entered_is_left_by_it() {
    let mut signs = well();
    let mut settings = crossing(10, 30);
    settings.trading.stale_s = 180;
    settings.strategy.enable("sma_cross", false);
    signs.facts.fold(&input(900, configured(&settings)), &StatusFold::default());
    assert_eq!(findings(&signs).findings, []);
}

#[test]
fn what_is_held_is_sold_by_the_command_where_it_is_held() {
    let command = |change: &dyn Fn(&mut Signs)| {
        let mut signs = well();
        signs.symbols.clear();
        change(&mut signs);
        let command = findings(&signs).findings[0].command.clone().unwrap();
        can_be_typed(&command);
        command
    };
    let sim = command(&|s| s.status.data_dir = "/var/lib/ever warm".to_owned());
    let words = "everwarm panic --venue sim --flatten --symbols ETHUSD --data-dir";
    assert_eq!(sim, format!("{words} '/var/lib/ever warm'"));
    let remote = "binance";
    let there = command(&|s| {
        s.kind = remote;
        s.config = Some("/etc/everwarm.toml".to_owned());
    });
    let words = format!("everwarm panic --venue {remote} --flatten --symbols ETHUSD --config");
    assert_eq!(there, format!("{words} /etc/everwarm.toml"));
}

/// The state from facts about one symbol with a minimum quantity of 0.0001.
#[derive(Default)]
struct Books(StatusFold, HealthFold);

impl Books {
    fn begun() -> Books {
        let rules = vec![instrument("ETHUSD")];
        let mut books = Books::default();
        books.append(T, Body::Market(Market::Instruments { rules }));
        books
    }

    fn append(&mut self, time: UtcMs, body: Body) {
        let fact = Fact { time, ..input(1, body) };
        self.0.fold(&fact);
        self.1.fold(&fact, &self.0);
    }

    /// Sets the position; returns since when it counts as held.
    fn hold(&mut self, time: UtcMs, quantity: &str) -> Option<UtcMs> {
        let position = Ledger::Position {
            symbol: sym("ETHUSD"),
            quantity: dec(quantity),
            cost: Decimal::ONE,
            realized_pnl: Decimal::ZERO,
            cash: Decimal::ZERO,
        };
        self.append(time, Body::Ledger(position));
        self.1.held.get(&sym("ETHUSD")).copied()
    }

    /// Sets the breaker; returns since when it is at this level.
    fn at(&mut self, time: UtcMs, level: BreakerLevel, why: &str) -> Option<UtcMs> {
        let reasons = vec![why.to_owned()];
        self.append(
            time,
            Body::Decision(Decision::Breaker {
                level,
                reasons,
                barred: Vec::new(),
                strategies: vec![],
            }),
        );
        self.1.at(level)
    }
}

#[test]
fn held_is_what_is_more_than_dust_and_a_level_begins_when_it_is_reached() {
    let mut books = Books::begun();
    assert_eq!(books.hold(T + 1, "0.00005"), None, "dust");
    assert_eq!(books.hold(T + 2, "0.5"), Some(T + 2));
    assert_eq!(books.hold(T + 3, "0.7"), Some(T + 2));
    assert_eq!(books.hold(T + 4, "0.00007"), None, "what a sale leaves over");
    assert_eq!(books.hold(T + 5, "0.5"), Some(T + 5));
    assert_eq!(books.at(T + 6, BreakerLevel::ExitsOnly, "halted"), Some(T + 6));
    assert_eq!(books.at(T + 7, BreakerLevel::ExitsOnly, "and sold"), Some(T + 6));
    assert_eq!(books.at(T + 8, BreakerLevel::Halted, "a careful start"), Some(T + 8));
    assert_eq!(books.at(T + 9, BreakerLevel::ExitsOnly, "its next step"), Some(T + 9));
    assert_eq!(books.1.at(BreakerLevel::Halted), None);
    assert_eq!(books.at(T + 10, BreakerLevel::Normal, ""), None);
}

#[test]
fn what_is_exposed_is_so_from_when_it_is_held_and_something_is_in_the_way() {
    let since = |held: UtcMs, change: &dyn Fn(&mut Signs)| {
        let mut signs = well();
        signs.facts.held.values_mut().for_each(|since| *since = signs.venue - held);
        let venue = signs.venue;
        change(&mut signs);
        let all = findings(&signs).findings;
        let one = all.iter().find(|finding| finding.check == "unprotected").unwrap();
        venue - one.since.unwrap()
    };
    let halted = |s: &mut Signs| {
        s.status.breaker = BreakerLevel::Halted;
        (s.facts.level, s.facts.breaker) = (BreakerLevel::Halted, Some(s.venue - MINUTE));
    };
    let gone = |s: &mut Signs| {
        (s.symbols[0].state, s.symbols[0].since) = (Standing::Gone, Some(s.venue - MINUTE));
    };
    // The limit is 3 minutes; the bar is 4 minutes old.
    let late = |s: &mut Signs| s.symbols[0].newest_bar = Some(s.venue - 4 * MINUTE);
    for cause in [&halted as &dyn Fn(&mut Signs), &gone, &late] {
        assert_eq!(since(60 * MINUTE, cause), MINUTE, "the cause is the later one");
        assert_eq!(since(1_000, cause), 1_000, "it is held for less long");
    }
    assert_eq!(since(60 * MINUTE, &|s| s.symbols.clear()), 60 * MINUTE);
}

#[test]
fn the_breaker_is_dated_by_whoever_brought_it_to_its_level() {
    let since = |change: &dyn Fn(&mut Signs)| {
        let mut signs = well();
        change(&mut signs);
        let all = findings(&signs).findings;
        all.iter().find(|finding| finding.check == "breaker").unwrap().since
    };
    let facts = |s: &mut Signs| {
        s.status.breaker = BreakerLevel::ExitsOnly;
        (s.facts.level, s.facts.breaker) = (BreakerLevel::ExitsOnly, Some(T - 5_000));
    };
    assert_eq!(since(&facts), Some(T - 5_000));
    // The breaker has not seen a switch set while no process ran. A stopped stage cannot report.
    let unseen = |s: &mut Signs| {
        facts(s);
        s.switches.apply(&Switch::Safe(SafeStep::Collect), "crash loop", T - 3_000);
    };
    assert_eq!(since(&unseen), Some(T - 3_000));
    let stands = |s: &mut Signs| {
        facts(s);
        s.status.breaker = BreakerLevel::Halted;
        s.quarantines = vec![quarantined(Effect::Stopped)];
    };
    assert_eq!(since(&stands), Some(T));
}

#[test]
fn a_stream_that_is_turned_off_is_told_as_the_cause() {
    let feeds = Switch::Process { path: "root/trading/feeds".to_owned(), on: false };
    let mut signs = well();
    signs.switches.apply(&feeds, "odd prices", T);
    assert_eq!(findings(&signs).findings, [], "as long as nothing is missing");
    signs.venue += 3 * MINUTE + 1;
    let all = findings(&signs).findings;
    let checks: Vec<&str> = all.iter().map(|finding| finding.check.as_str()).collect();
    assert_eq!(checks, ["market", "stale", "unprotected"]);
    let enable = "everwarm enable root/trading/feeds --reason \"why\"";
    can_be_typed(enable);
    for finding in &all {
        let cause = "; root/trading/feeds was turned off by an operator: odd prices";
        assert!(finding.text.ends_with(cause), "{finding:?}");
        assert_eq!(finding.command.as_deref(), Some(enable), "nothing is to be sold for that");
    }
    // It does not explain why the venue accepts no orders.
    signs.symbols[0].state = Standing::Halted;
    let all = findings(&signs).findings;
    let held = all.iter().find(|finding| finding.check == "unprotected").unwrap();
    assert!(held.command.as_ref().unwrap().starts_with("everwarm panic"), "{held:?}");
}

#[test]
fn what_is_about_the_configuration_names_its_file() {
    let mut signs = well();
    signs.config = Some("/etc/ever warm.toml".to_owned());
    signs.pending = vec!["daemon.workers".to_owned()];
    signs.refused = Some((vec!["k: no".to_owned()], T));
    signs.status.breaker = BreakerLevel::Reduced;
    let running = findings(&signs).findings;
    signs.running = false;
    let all = [running, findings(&signs).findings].concat();
    let commands: Vec<&str> = all.iter().filter_map(|f| f.command.as_deref()).collect();
    for command in ["everwarm config diff", "everwarm config reload --dry-run", "everwarm run"] {
        let whole = format!("{command} --config '/etc/ever warm.toml'");
        assert!(commands.contains(&whole.as_str()), "{whole}: {commands:?}");
        can_be_typed(&whole);
    }
    assert!(commands.contains(&"everwarm status"), "{commands:?}");
}

#[test]
fn what_is_too_little_to_be_sold_needs_no_exit() {
    let at = |quantity: &str| {
        let mut books = Books::begun();
        books.hold(T, quantity);
        found(|s| {
            s.held = books.0.sellable();
            s.symbols.clear();
        })
    };
    assert_eq!(at("0.0001"), one("unprotected", Severity::Broken), "the least that is sold");
    assert_eq!(at("0.00009"), [], "dust is not listed for ever");
}

#[test]
fn the_machine_and_what_is_told_outside() {
    assert_eq!(found(|s| s.skew = Some((-501, 5_000))), one("clock", Severity::Warning));
    assert_eq!(found(|s| s.skew = Some((5_000, 5_000))), one("clock", Severity::Broken));
    assert_eq!(found(|s| s.skew = Some((500, 5_000))), []);
    let disk = |free| move |s: &mut Signs| s.disk = Some(Disk { free, total: 100 << 30 });
    assert_eq!(found(disk((1 << 30) - 1)), one("disk", Severity::Warning));
    assert_eq!(found(disk((64 << 20) - 1)), one("disk", Severity::Broken));
    assert_eq!(found(disk(1 << 30)), []);
    let gone = |s: &mut Signs| s.unlinked = Some("live.redb".to_owned());
    assert_eq!(found(gone), one("journal", Severity::Broken));
    let silent = |ago: UtcMs| {
        move |s: &mut Signs| {
            let failing_since = Some(T - ago);
            s.deliveries = vec![DeliveryView { failing_since, ..DeliveryView::of("webhook") }];
        }
    };
    assert_eq!(found(silent(MINUTE)), one("messages", Severity::Warning));
    assert_eq!(found(silent(MINUTE - 1)), []);
    let apart = ApartView { messages: 2, lost: 1, last: "demo-0-7".into(), ..ApartView::default() };
    let refused = |s: &mut Signs| {
        let apart = Some(ApartView { why: "it responds with status 400".into(), ..apart.clone() });
        s.deliveries = vec![DeliveryView { apart, ..DeliveryView::of("webhook") }];
    };
    assert_eq!(found(refused), one("messages", Severity::Warning));
    let mut signs = well();
    refused(&mut signs);
    let text = findings(&signs).findings[0].text.clone();
    let expected = "webhook rejected 2 messages and 1 that were dropped, the newest demo-0-7: it \
                responds with status 400";
    assert_eq!(text, expected);
}

#[test]
fn a_day_that_was_decided_otherwise_is_found() {
    let repeated = |differing, error: Option<&str>| {
        let error = error.map(str::to_owned);
        let view = RepeatedDayView { day: T - T % DAY, differing, error, ..Default::default() };
        move |s: &mut Signs| s.repeated = Some(view)
    };
    assert_eq!(found(repeated(0, None)), []);
    assert_eq!(found(repeated(2, None)), one("self-replay", Severity::Warning));
    assert_eq!(found(repeated(0, Some("torn"))), one("self-replay", Severity::Warning));
    let view = RepeatedDayView { held: Some("cut".to_owned()), ..RepeatedDayView::default() };
    assert_eq!(found(|s: &mut Signs| s.repeated = Some(view)), one("old-bars", Severity::Warning));
}

#[test]
fn what_the_configuration_waits_for_is_told() {
    let warning = one("configuration", Severity::Warning);
    let keys = || vec!["daemon.workers".to_owned()];
    assert_eq!(found(|s| s.pending = keys()), warning);
    assert_eq!(found(|s| s.refused = Some((keys(), T - 5))), warning);
    let mut signs = well();
    signs.status.breaker = BreakerLevel::ExitsOnly;
    signs.switches.apply(&Switch::Halt, "look", T);
    let command = findings(&signs).findings[0].command.clone();
    assert_eq!(command.as_deref(), Some("everwarm resume --reason \"why\""));
    signs.status.breaker_reasons =
        vec!["the equity fell 5 %, until `everwarm resume --new-peak`".to_owned()];
    let command = findings(&signs).findings[0].command.clone().unwrap();
    assert_eq!(command, "everwarm resume --new-peak --reason \"why\"");
    can_be_typed(&command);
    // `resume` does not end a safe start.
    for (step, word) in [(SafeStep::Collect, "exits"), (SafeStep::Exits, "trade")] {
        signs.switches.apply(&Switch::Safe(step), "look", T);
        let command = findings(&signs).findings[0].command.clone().unwrap();
        assert_eq!(command, format!("everwarm safe-start {word} --reason \"why\""));
        can_be_typed(&command);
    }
}

#[test]
fn commands_ask_the_folder_that_was_looked_at() {
    let commands_of = |folder: &str| {
        let mut signs = well();
        signs.status.data_dir = folder.to_owned();
        signs.symbols.clear();
        signs.quarantines = vec![quarantined(Effect::Stage)];
        signs.facts.branches.insert("root/trading/feeds".to_owned(), T);
        signs.facts.unknown.insert(ClientOrderId("ew-1".into()), T - 9 * MINUTE);
        signs.facts.signals = Run { count: 10, first: T - 90 * MINUTE };
        signs.facts.orders = Run { count: 3, first: T - 90 * MINUTE };
        signs.status.breaker = BreakerLevel::Reduced;
        signs.checks = vec![CheckView { name: "feeds".into(), ok: false, detail: "w".into() }];
        signs.waiting = waits("ledger", 60_000);
        signs.trouble = Some(("no answer".to_owned(), T - 5));
        signs.venue += 9 * MINUTE;
        signs.pending = vec!["daemon.workers".to_owned()];
        signs.refused = Some((vec!["k: no".to_owned()], T));
        let commands = findings(&signs).findings.into_iter().filter_map(|f| f.command);
        let ours: Vec<_> = commands.filter(|command| command.starts_with("everwarm ")).collect();
        assert!(ours.len() > 10, "{ours:?}");
        for command in &ours {
            can_be_typed(command);
        }
        ours
    };
    let there = commands_of("/var/lib/ever warm");
    let flag = " --data-dir '/var/lib/ever warm'";
    assert!(there.iter().all(|command| command.ends_with(flag)), "{there:?}");
    let here = commands_of("everwarm-data");
    assert!(here.iter().all(|command| !command.contains("--data-dir")), "{here:?}");
}

#[test]
fn where_nobody_runs_what_is_held_is_told() {
    let mut signs = Signs { running: false, ..well() };
    assert_eq!(findings(&signs).findings[0].since, None, "nobody knows when it wrote");
    // A simulated year ends in March; what counts is the wall time of the last write.
    signs.wall += 90 * 24 * 60 * MINUTE;
    signs.written = Some(signs.wall - 5 * MINUTE);
    let view = findings(&signs);
    let first = &view.findings[0];
    assert_eq!((first.since, first.for_s), (signs.written, Some(300)));
    assert_eq!(view.findings.len(), 1, "{view:?}");
    let expected = "no daemon is running; nobody manages 1 position and 0 open orders";
    assert_eq!(view.findings[0].text, expected);
    assert_eq!(view.findings[0].command.as_deref(), Some("everwarm run"));
}

#[test]
fn the_fold_remembers_since_when() {
    let (mut facts, mut due) = (HealthFold::default(), false);
    let mut status = StatusFold::default();
    for fact in &journal().0 {
        status.fold(fact);
        facts.fold(fact, &status);
        if facts.orders.count > 0 {
            assert_eq!(facts.signals.count, 0, "an order ends the run of signals");
        }
        due |= !facts.due.is_empty();
    }
    assert!(facts.held.values().all(|since| (T - MINUTE..=T + MINUTE).contains(since)));
    assert_eq!((facts.unknown.len(), facts.breaker), (0, None));
    assert!(due && facts.due.is_empty(), "decided, then sent");
}

#[test]
fn what_only_a_check_finds_is_dated_by_the_first_that_found_it() {
    let check = |name: &str, ok| CheckView { name: name.into(), ok, detail: "so it is".into() };
    let lasting = Lasting::default();
    let dated = |wall: UtcMs, ill: bool| {
        let mut signs = Signs { wall, ..well() };
        if ill {
            signs.checks = vec![check("feeds", false), check("config", true)];
            signs.skew = Some((600, 5_000));
            signs.disk = Some(Disk { free: 1, total: 100 << 30 });
            signs.pending = vec!["daemon.workers".to_owned()];
            signs.refused = Some((vec!["k: no".to_owned()], T - 7_000));
        }
        signs.first = lasting.look(&signs);
        let of = |f: &FindingView| (f.check.clone(), f.since.unwrap() - T, f.for_s.unwrap());
        let mut all: Vec<_> = findings(&signs).findings.iter().map(of).collect();
        all.sort();
        all
    };
    let so = |since: UtcMs, for_s| {
        let row = |name: &str| (name.to_owned(), since, for_s);
        let refused = ("configuration".to_owned(), -7_000, 7 + for_s + since.unsigned_abs() / 1000);
        let mut rows = vec![refused, row("clock"), row("configuration"), row("disk"), row("ready")];
        rows.sort();
        rows
    };
    assert_eq!(dated(T, true), so(0, 0));
    assert_eq!(dated(T + 9_000, true), so(0, 9));
    assert_eq!(dated(T + 10_000, false), []);
    assert_eq!(dated(T + 20_000, true), so(20_000, 0), "it begins anew");
}

#[test]
fn an_odd_bar_and_a_refused_one_are_shown_for_15_closes() {
    let after = |minutes: i64| {
        let mut signs = well();
        let close = signs.facts.close.unwrap() + MINUTE;
        let (symbol, why) = (sym("BTCUSD"), Oddity::Jump);
        let odd = vec![OddBar { symbol, why }];
        let close_at = |time, odd| {
            Body::Market(Market::Close { time, bars: Vec::new(), missing: Vec::new(), odd })
        };
        let refused = Market::BarRefused {
            symbol: sym("ETHUSD"),
            time: close - MINUTE,
            reason: "the exchange's records contradict the stream".into(),
            claimed: "open 1".into(),
        };
        let mut take = |time, body| {
            let fact = Fact { time, ..input(900, body) };
            signs.facts.fold(&fact, &StatusFold::default());
        };
        take(close, Body::Market(refused));
        take(close, close_at(close, odd));
        for minute in 1..=minutes {
            take(close + minute * MINUTE, close_at(close + minute * MINUTE, Vec::new()));
        }
        let all = findings(&signs).findings;
        all.into_iter().filter(|found| found.check == "odd-bars").collect::<Vec<_>>()
    };
    let shown = after(14);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].text.starts_with("the bar of BTCUSD is odd: its price jumped"), "{shown:?}");
    assert!(shown[1].text.contains("records contradict the stream; its values: open 1"));
    let command = shown[0].command.clone().unwrap();
    assert_eq!(command, "everwarm why-not BTCUSD");
    can_be_typed(&command);
    assert_eq!(after(15), []);
}
