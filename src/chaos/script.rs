//! What people and the venue do while a feed is played: at a close each, time standing until it is
//! done, so that it falls at the same place in every run.

use super::failing_stages::{self, Illness};
use super::feed::SECOND;
use super::operator_steps;
use super::rig::Feed;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::{SafeStep, Switch};
use everwarm_domain::time::UtcMs;
use everwarm_edge::board::Rest;
use everwarm_edge::market::closer;
use everwarm_edge::operation::config::Content;
use everwarm_edge::world::World;
use everwarm_runtime::chaos::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Its name on the board, at kill points and as a writer.
pub(super) const NAME: &str = "script";
/// Wall time between looks.
pub(super) const LOOK: Duration = Duration::from_millis(1);

/// Something that is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An operator adds a symbol, or removes it.
    Want(Symbol, bool),
    /// An operator switches something.
    Switch(Word),
    /// An operator does, once the orders of the close are not on their way any more: a word beside
    /// them is heard before one leaves or after it.
    Later(Word),
    /// A person confirms real money: at most so much of the quote asset an order, and a day.
    Confirm {
        /// An order.
        per_order: i64,
        /// A UTC day.
        per_day: i64,
    },
    /// The configuration changes, and is loaded again.
    Reload(Change),
    /// What was configured before comes into force again; what the sources say stays.
    Rollback,
    /// All that is kept is packed, and what was packed is read again.
    Backup,
    /// Somebody pays so much of the quote asset in, or takes it out where it is below zero.
    Pay(i64),
    /// An operator takes so much of the quote asset into the books, once it was seen.
    Adopt(i64),
    /// An operator takes the venue's word on every conflict, once there is one.
    Resolve,
    /// `everwarm panic` sells everything held of a symbol.
    Panic(Symbol),
    /// A stage fails at the bar of a symbol at this close.
    Fall(&'static str, Symbol),
    /// An operator ends a quarantine: retries the repaired stage (true), or drops the input.
    Release(bool),
    /// The venue halts a symbol, lets it trade, or delists it.
    Stand(Symbol, &'static str),
    /// A stage cannot be made any more, and is kept down until it is well.
    Ill(&'static str),
    /// It can be made again, and is up.
    Well(&'static str),
}

impl Deed {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Deed::Want(_, true) => "a symbol added",
            Deed::Want(_, false) => "a symbol removed",
            Deed::Switch(Word::Halt) => "halt",
            Deed::Switch(Word::Resume) => "resume",
            Deed::Switch(Word::Flatten) => "flatten",
            Deed::Switch(Word::Strategy(_, true)) => "enable",
            Deed::Switch(Word::Strategy(_, false)) => "disable",
            Deed::Switch(Word::Safe(_)) => "safe-start",
            Deed::Later(word) => Deed::Switch(word).name(),
            Deed::Confirm { .. } => "live caps",
            Deed::Reload(_) => "reload",
            Deed::Rollback => "rollback",
            Deed::Backup => "backup",
            Deed::Pay(_) => "money paid in or out",
            Deed::Adopt(_) => "adopt",
            Deed::Resolve => "resolve",
            Deed::Panic(_) => "panic",
            Deed::Stand(..) => "a symbol halted or back",
            Deed::Ill(_) => "a branch down",
            Deed::Well(_) => "a branch up",
            Deed::Fall(..) => "a quarantine",
            Deed::Release(_) => "a release",
        }
    }
}

/// Words of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing is entered.
    Halt,
    /// It goes on.
    Resume,
    /// Everything is sold.
    Flatten,
    /// A strategy may enter, or not.
    Strategy(&'static str, bool),
    /// As much is done as at that step of a careful start.
    Safe(SafeStep),
}

impl Word {
    fn switch(self) -> Switch {
        match self {
            Word::Halt => Switch::Halt,
            Word::Resume => Switch::Resume,
            Word::Flatten => Switch::Flatten,
            Word::Safe(step) => Switch::Safe(step),
            Word::Strategy(name, on) => Switch::Strategy { name: name.to_owned(), on },
        }
    }
}

/// What is changed in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lengths of both averages.
    Lengths(u32, u32),
    /// Lengths of both averages of the second strategy.
    Second(u32, u32),
    /// A strategy of that id is added, with these lengths.
    Added(&'static str, u32, u32),
    /// The second strategy is not configured any more.
    Removed,
    /// Whether the strategy is on.
    Enabled(bool),
    /// Entries and positions at most.
    Positions(u32),
    /// A symbol is not to be traded any more, or is again.
    Exclude(Symbol, bool),
}

impl Change {
    fn make(self, settings: &mut Settings) {
        match self {
            Change::Lengths(fast, slow) => {
                settings.strategy.set(FIRST_STRATEGY, "fast", fast);
                settings.strategy.set(FIRST_STRATEGY, "slow", slow);
            }
            Change::Second(fast, slow) => {
                settings.strategy.set(SECOND, "fast", fast);
                settings.strategy.set(SECOND, "slow", slow);
            }
            Change::Added(id, fast, slow) => {
                let mut added = settings.strategy.0[FIRST_STRATEGY].clone();
                added.section = format!(r#"{{"fast":{fast},"slow":{slow}}}"#);
                settings.strategy.0.insert(id.to_owned(), added);
            }
            Change::Removed => drop(settings.strategy.0.remove(SECOND)),
            Change::Enabled(on) => settings.strategy.enable(FIRST_STRATEGY, on),
            Change::Positions(most) => settings.trading.max_positions = most,
            Change::Exclude(symbol, true) => settings.universe.exclude.push(symbol),
            Change::Exclude(symbol, false) => settings.universe.exclude.retain(|s| *s != symbol),
        }
    }
}

/// How far a script is, over all lives.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Deeds done.
    pub(super) done: AtomicUsize,
    /// Deeds begun: what was written into a file stays there.
    pub(super) begun: AtomicUsize,
    /// What was paid in or out last.
    pub(super) paid: Mutex<Paid>,
    /// What a rollback brings back: its deed, and what was configured before.
    pub(super) rolled: Mutex<Option<(usize, Content)>>,
}

/// A payment: its deed, and the balance before it. It is made once, also where a process is killed.
pub(super) type Paid = Option<(usize, Decimal)>;

impl Progress {
    /// What was done of a script.
    pub(super) fn told(&self, script: &Script) -> BTreeMap<&'static str, u64> {
        let mut told = BTreeMap::new();
        for (_, deed) in script.iter().take(self.done.load(Relaxed)) {
            *told.entry(deed.name()).or_default() += 1;
        }
        told
    }
}

/// What the sources say once so many deeds are begun.
pub(super) fn content(feed: &Feed, begun: usize) -> Content {
    let mut settings = feed.settings.clone();
    for (_, deed) in feed.script.iter().take(begun) {
        if let Deed::Reload(change) = deed {
            change.make(&mut settings);
        }
    }
    Content::new(&settings, Vec::new(), Vec::new())
}

/// Deeds, by the close at which each is done.
pub type Script = Vec<(UtcMs, Deed)>;

/// Time between two tries of what is kept down.
pub(super) fn retry(feed: &Feed) -> Duration {
    if falls_ill(feed) { failing_stages::RETRY } else { crate::tree::RETRY }
}

/// Whether a stage is kept down for a while.
pub(super) fn falls_ill(feed: &Feed) -> bool {
    feed.script.iter().any(|(_, deed)| matches!(deed, Deed::Ill(_)))
}

/// The stages that are ill after these deeds.
fn ill(done: &[(UtcMs, Deed)]) -> BTreeSet<&'static str> {
    let mut ill = BTreeSet::new();
    for (_, deed) in done {
        match deed {
            Deed::Ill(stage) => _ = ill.insert(*stage),
            Deed::Well(stage) => _ = ill.remove(stage),
            Deed::Want(..)
            | Deed::Switch(_)
            | Deed::Later(_)
            | Deed::Confirm { .. }
            | Deed::Reload(_)
            | Deed::Rollback
            | Deed::Backup
            | Deed::Pay(_)
            | Deed::Adopt(_)
            | Deed::Resolve
            | Deed::Panic(_)
            | Deed::Fall(..)
            | Deed::Release(_)
            | Deed::Stand(..) => {}
        }
    }
    ill
}

/// Does what is left of the script in this life; `progress` counts over all of them. A life begins
/// with all stages up: those that are ill are brought down again first.
pub(super) fn play(world: &World, feed: &Feed, progress: &Arc<Progress>, illness: &Arc<Illness>) {
    if feed.script.is_empty() {
        return;
    }
    world.board.wait_for(NAME);
    let contents = (0..=feed.script.len()).map(|begun| content(feed, begun));
    let (contents, script) = (contents.collect::<Vec<Content>>(), feed.script.clone());
    illness.will_fall(&script, progress.done.load(Relaxed));
    let (world, progress, illness) = (world.clone(), Arc::clone(progress), Arc::clone(illness));
    tokio::spawn(async move {
        let Progress { done, begun, .. } = &*progress;
        let relapsed = ill(&script[..done.load(Relaxed)]);
        if !relapsed.is_empty() {
            world.board.said().await;
        }
        for stage in relapsed {
            fall(&world, &illness, stage, true).await;
        }
        loop {
            let n = world.journal.head();
            // Whoever says closes has written down the last one by then.
            let up_to_date = world.board.rest(closer::NAME, n) != Rest::Busy;
            let next = script.get(done.load(Relaxed));
            // A new life has to be told first how far things are.
            let told = world.board.said().await;
            if let Some((close, deed)) = next.filter(|(close, _)| told >= Some(*close)) {
                let number = done.load(Relaxed) + 1;
                // A file that is changed stays so: nothing before that may be played again.
                if !up_to_date || !world.journal.durable(world.journal.last_row()).await {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                begun.store(number, Relaxed);
                if world.in_step() {
                    let (world, progress, illness) = (&world, &*progress, &*illness);
                    let act = Act { world, progress, illness, number };
                    if act.done((*deed, *close), &contents[number]).await {
                        done.store(number, Relaxed);
                    }
                }
            } else if up_to_date {
                world.board.write(NAME, n, Rest::Idle);
            }
            tokio::time::sleep(LOOK).await;
        }
    });
}

/// One deed while it is done.
#[derive(Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) world: &'a World,
    pub(super) progress: &'a Progress,
    pub(super) illness: &'a Illness,
    /// Its number, from 1.
    pub(super) number: usize,
}

impl Act<'_> {
    /// Whether it is done for good. What is not may be done again: it is harmless.
    async fn done(self, (deed, close): (Deed, UtcMs), content: &Content) -> bool {
        match deed {
            Deed::Want(symbol, wanted) => self.say(Operator::SymbolWanted { symbol, wanted }).await,
            Deed::Switch(said) => {
                let (switch, reason) = (said.switch(), "the script says so".to_owned());
                self.say(Operator::Switched { switch, reason }).await
            }
            Deed::Later(said) => {
                operator_steps::at_rest(self.world).await;
                let (switch, reason) = (said.switch(), "the script says so".to_owned());
                self.say(Operator::Switched { switch, reason }).await
            }
            Deed::Confirm { per_order, per_day } => {
                // An order of the close may be above the caps: it is sent before or never.
                operator_steps::at_rest(self.world).await;
                let [per_order, per_day] = [per_order, per_day].map(Decimal::from);
                let account = "the script's".to_owned();
                self.say(Operator::LiveConfirmed {
                    account,
                    per_order,
                    per_day,
                    venue: VenueId::default(),
                })
                .await
            }
            Deed::Reload(_) => operator_steps::reload(self, content).await,
            Deed::Rollback => operator_steps::roll_back(self).await,
            Deed::Backup => operator_steps::back_up(self).await,
            Deed::Pay(amount) => operator_steps::pay(self, amount).await,
            Deed::Adopt(amount) => operator_steps::adopt(self, amount).await,
            Deed::Resolve => operator_steps::resolve(self).await,
            Deed::Panic(symbol) => operator_steps::panic(self, symbol).await,
            Deed::Stand(symbol, standing) => {
                // What the close leads to may be an order in that symbol.
                operator_steps::at_rest(self.world).await;
                match &self.world.admin {
                    Some(admin) => admin.stand(symbol, standing, close).await.is_ok(),
                    None => true,
                }
            }
            Deed::Ill(stage) => fall(self.world, self.illness, stage, true).await,
            Deed::Well(stage) => fall(self.world, self.illness, stage, false).await,
            // It does so by itself.
            Deed::Fall(..) => true,
            Deed::Release(retry) => operator_steps::release(self, retry).await,
        }
    }

    /// Whether an operator's word is on disk.
    pub(super) async fn say(self, operator: Operator) -> bool {
        let journal = &self.world.journal;
        let writer = journal.writer("operator");
        self.world.chaos().point(Site::BeforeAppend, NAME);
        match journal.append(&writer, self.world.now(), vec![Body::Operator(operator)]) {
            Ok(at) => {
                self.world.chaos().point(Site::AfterAppend, NAME);
                journal.durable(at.row).await
            }
            Err(_) => false,
        }
    }
}

/// Has a stage fall ill, or get well, and waits until it is kept down, or up. Time stands still
/// meanwhile, and what it was asked it has answered.
async fn fall(world: &World, illness: &Illness, stage: &'static str, ill: bool) -> bool {
    let path = world.places.of(stage);
    let is_behind = || {
        let progress = world.journal.progress();
        progress.iter().any(|(name, n)| *name == stage && *n < world.journal.head())
    };
    while is_behind() {
        tokio::time::sleep(LOOK).await;
    }
    illness.set(stage, ill);
    while illness.keeps_down(&path) != ill {
        if ill {
            world.directory.kill(&path);
        }
        tokio::time::sleep(LOOK).await;
    }
    world.journal.durable(world.journal.last_row()).await
}
