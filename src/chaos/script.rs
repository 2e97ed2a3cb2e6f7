//! The deeds of people and the venue during a feed. Each happens at a close, and time stands still
//! until it is done, so it has the same place in every run.

use super::failing_stages::{self, Illness};
use super::feed::{PROGRAM, SECOND};
use super::operator_steps;
use super::rig::Feed;
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
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

/// Name of the script on the board, at kill points and as a writer.
pub(super) const NAME: &str = "script";
/// Wall time between polls.
pub(super) const LOOK: Duration = Duration::from_millis(1);

/// One step of a script, done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An operator adds a symbol (true), or removes it.
    Want(Symbol, bool),
    /// An operator gives a command.
    Switch(Word),
    /// An operator gives a command after the orders of the close were sent. Otherwise chance would
    /// decide whether the command or the order is first.
    Later(Word),
    /// A person confirms real money, with caps in the quote asset.
    Confirm {
        /// Cap of one order.
        per_order: i64,
        /// Cap of one UTC day.
        per_day: i64,
    },
    /// The configuration changes and is reloaded.
    Reload(Change),
    /// The previous configuration comes into force again; the sources do not change.
    Rollback,
    /// A backup is packed and read again.
    Backup,
    /// A deposit of this much of the quote asset, or a withdrawal if it is below zero.
    Pay(i64),
    /// An operator adopts this much of the quote asset into the books, once the daemon has noticed
    /// it.
    Adopt(i64),
    /// An operator resolves every conflict with the quantity of the venue, once there is one.
    Resolve,
    /// `everwarm panic` sells the whole holding of a symbol.
    Panic(Symbol),
    /// A person buys or sells some of a symbol on the website of the venue.
    Trade(Side, Symbol),
    /// A stage fails at the bar of a symbol at this close.
    Fall(&'static str, Symbol),
    /// An operator ends a quarantine: retries the repaired stage (true), or drops the input.
    Release(bool),
    /// The venue halts a symbol, lets it trade, or delists it.
    Stand(Symbol, &'static str),
    /// A stage can no longer be created; its supervisor stops it until it can.
    Ill(&'static str),
    /// The stage can be created again, and is up.
    Well(&'static str),
    /// An operator trades by hand, after the orders of the close were sent.
    ByHand(ByHand, Symbol),
    /// An external program signals to the strategy [`PROGRAM`], after the orders of the close were
    /// sent. It sends each signal twice: its id acts once.
    Signal(Side, Symbol),
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
            Deed::Trade(..) => "an external order",
            Deed::Stand(..) => "a symbol halted or back",
            Deed::Ill(_) => "a branch down",
            Deed::Well(_) => "a branch up",
            Deed::Fall(..) => "a quarantine",
            Deed::Release(_) => "a release",
            Deed::ByHand(hand, _) => hand.name(),
            Deed::Signal(Side::Buy, _) => "a signal to buy",
            Deed::Signal(Side::Sell, _) => "a signal to sell",
        }
    }
}

/// The signals of the external program in a script, by time.
pub(super) fn signals(script: &Script) -> Vec<ExternalSignal> {
    let numbered = (1..).zip(script);
    let signal = |(number, (close, deed)): (usize, &(UtcMs, Deed))| {
        let Deed::Signal(side, symbol) = deed else { return None };
        Some(signal(number, (*side, *symbol), *close))
    };
    numbered.filter_map(signal).collect()
}

/// The signal of a deed. Each time that it is sent, it is the same.
pub(super) fn signal(
    number: usize,
    (side, symbol): (Side, Symbol),
    close: UtcMs,
) -> ExternalSignal {
    ExternalSignal {
        id: format!("script-{number}"),
        strategy: PROGRAM.to_owned(),
        symbol,
        side,
        confidence_ppm: 1_000_000,
        stop: None,
        target: None,
        time: close,
        reason: "the script signals it".to_owned(),
    }
}

/// Operator commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// No entries.
    Halt,
    /// Entries are allowed again.
    Resume,
    /// All holdings are sold.
    Flatten,
    /// Entries of a strategy are allowed, or not.
    Strategy(&'static str, bool),
    /// The limits of this step of a safe start.
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

/// What an operator trades by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// Buys at the market.
    Buy,
    /// Buys by a limit order just below the last close, which works for some minutes.
    Limit,
    /// Sells a part of the lot.
    SellPart,
    /// Sells all lots of the symbol.
    Close,
}

impl ByHand {
    const fn name(self) -> &'static str {
        match self {
            ByHand::Buy => "a purchase by hand",
            ByHand::Limit => "a limit order by hand",
            ByHand::SellPart => "a sale by hand",
            ByHand::Close => "a close by hand",
        }
    }
}

/// A change of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lengths of both averages: fast, slow.
    Lengths(u32, u32),
    /// Lengths of both averages of the strategy with this id: fast, slow.
    Of(&'static str, u32, u32),
    /// A strategy with this id is added, with these lengths.
    Added(&'static str, u32, u32),
    /// The second strategy is removed.
    Removed,
    /// Whether the strategy is on.
    Enabled(bool),
    /// Limit of open positions.
    Positions(u32),
    /// A symbol is excluded (true), or is traded again.
    Exclude(Symbol, bool),
}

impl Change {
    fn make(self, settings: &mut Settings) {
        match self {
            Change::Lengths(fast, slow) => {
                Change::Of(FIRST_STRATEGY, fast, slow).make(settings);
            }
            Change::Of(id, fast, slow) => {
                settings.strategy.set(id, "fast", fast);
                settings.strategy.set(id, "slow", slow);
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

/// Progress of a script over all lives.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Deeds done.
    pub(super) done: AtomicUsize,
    /// Deeds begun: a configuration file that a deed changed stays changed.
    pub(super) begun: AtomicUsize,
    /// The last payment.
    pub(super) paid: Mutex<Paid>,
    /// The configuration that a rollback restores, with the number of its deed.
    pub(super) rolled: Mutex<Option<(usize, Content)>>,
}

/// A payment: the number of its deed, and the balance before it. A kill does not repeat it.
pub(super) type Paid = Option<(usize, Decimal)>;

impl Progress {
    /// How often each deed was done.
    pub(super) fn deeds(&self, script: &Script) -> BTreeMap<&'static str, u64> {
        let mut deeds = BTreeMap::new();
        for (_, deed) in script.iter().take(self.done.load(Relaxed)) {
            *deeds.entry(deed.name()).or_default() += 1;
        }
        deeds
    }
}

/// The content of the sources after this many deeds began.
pub(super) fn content(feed: &Feed, begun: usize) -> Content {
    let mut settings = feed.settings.clone();
    for (_, deed) in feed.script.iter().take(begun) {
        if let Deed::Reload(change) = deed {
            change.make(&mut settings);
        }
    }
    Content::new(&settings, Vec::new(), feed.values.clone())
}

/// Deeds, with the close at which each is done.
pub type Script = Vec<(UtcMs, Deed)>;

/// Time between two retries of a stopped branch.
pub(super) fn retry(feed: &Feed) -> Duration {
    if falls_ill(feed) { failing_stages::RETRY } else { crate::tree::RETRY }
}

/// Whether the script has a stage that stops for a while.
pub(super) fn falls_ill(feed: &Feed) -> bool {
    feed.script.iter().any(|(_, deed)| matches!(deed, Deed::Ill(_)))
}

/// The stages that cannot be created after these deeds.
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
            | Deed::Trade(..)
            | Deed::Fall(..)
            | Deed::Release(_)
            | Deed::ByHand(..)
            | Deed::Signal(..)
            | Deed::Stand(..) => {}
        }
    }
    ill
}

/// Whether the next deed is a retry that the journal already has: the life before ended after it
/// was stored and before it counted. The stage has passed the input, so it must not fail there.
fn is_repaired(world: &World, script: &Script, done: usize) -> bool {
    let is_retry = |(_, deed): &&(UtcMs, Deed)| *deed == Deed::Release(true);
    let before = script.iter().take(done).filter(is_retry).count();
    script.get(done).as_ref().is_some_and(is_retry)
        && operator_steps::retries(world).is_some_and(|retries| retries > before)
}

/// Does the remaining deeds in this life; `progress` counts over all lives. A life begins with all
/// stages up, so those that cannot be created are stopped again first.
pub(super) fn play(world: &World, feed: &Feed, progress: &Arc<Progress>, illness: &Arc<Illness>) {
    if feed.script.is_empty() {
        return;
    }
    world.board.wait_for(NAME);
    let contents = (0..=feed.script.len()).map(|begun| content(feed, begun));
    let (contents, script) = (contents.collect::<Vec<Content>>(), feed.script.clone());
    let done = progress.done.load(Relaxed);
    illness.will_fall(&script, done + usize::from(is_repaired(world, &script, done)));
    let (world, progress, illness) = (world.clone(), Arc::clone(progress), Arc::clone(illness));
    tokio::spawn(async move {
        let Progress { done, begun, .. } = &*progress;
        let relapsed = ill(&script[..done.load(Relaxed)]);
        if !relapsed.is_empty() {
            world.board.known_close().await;
        }
        for stage in relapsed {
            fall(&world, &illness, stage, true).await;
        }
        loop {
            let n = world.journal.head();
            // The actor that appends closes has stored the last one by then.
            let up_to_date = world.board.rest(closer::NAME, n) != Rest::Busy;
            let next = script.get(done.load(Relaxed));
            // A new life must learn first how far venue time is.
            let last = world.board.known_close().await;
            if let Some((close, deed)) = next.filter(|(close, _)| last >= Some(*close)) {
                let number = done.load(Relaxed) + 1;
                // A changed file stays changed: no earlier close may be played again.
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

/// One deed in progress.
#[derive(Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) world: &'a World,
    pub(super) progress: &'a Progress,
    pub(super) illness: &'a Illness,
    /// Its number, from 1.
    pub(super) number: usize,
}

impl Act<'_> {
    /// Whether it is done for good. If not, it is repeated, which is harmless.
    async fn done(self, (deed, close): (Deed, UtcMs), content: &Content) -> bool {
        match deed {
            Deed::Want(symbol, wanted) => {
                // A removed symbol stays listed until its exit is filled. That may be at the same
                // close.
                operator_steps::at_rest(self.world).await;
                self.append(Operator::SymbolWanted { symbol, wanted }).await
            }
            Deed::Switch(word) => {
                let (switch, reason) = (word.switch(), "the script says so".to_owned());
                self.append(Operator::Switched { switch, reason }).await
            }
            Deed::Later(word) => {
                operator_steps::at_rest(self.world).await;
                let (switch, reason) = (word.switch(), "the script says so".to_owned());
                self.append(Operator::Switched { switch, reason }).await
            }
            Deed::Confirm { per_order, per_day } => {
                // An order of the close may exceed the caps: it is sent before the confirmation or
                // never.
                operator_steps::at_rest(self.world).await;
                let [per_order, per_day] = [per_order, per_day].map(Decimal::from);
                let account = "the script's".to_owned();
                self.append(Operator::LiveConfirmed {
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
            Deed::Trade(side, symbol) => operator_steps::trade(self, side, symbol).await,
            Deed::Stand(symbol, standing) => {
                // The close may lead to an order in that symbol.
                operator_steps::at_rest(self.world).await;
                match &self.world.admin {
                    Some(admin) => admin.stand(symbol, standing, close).await.is_ok(),
                    None => true,
                }
            }
            Deed::Ill(stage) => fall(self.world, self.illness, stage, true).await,
            Deed::Well(stage) => fall(self.world, self.illness, stage, false).await,
            // The stage fails without further action.
            Deed::Fall(..) => true,
            Deed::Release(retry) => operator_steps::release(self, retry).await,
            Deed::ByHand(hand, symbol) => operator_steps::by_hand(self, hand, symbol).await,
            Deed::Signal(side, symbol) => {
                // A sender without a response repeats its signal, also after a kill.
                operator_steps::at_rest(self.world).await;
                let signal = Box::new(signal(self.number, (side, symbol), close));
                self.append(Operator::Signalled(signal.clone())).await
                    && self.append(Operator::Signalled(signal)).await
            }
        }
    }

    /// Appends an operator's input; returns whether it is on disk.
    pub(super) async fn append(self, operator: Operator) -> bool {
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

/// Makes a stage impossible or possible to create, and waits until it is stopped, or up. Time
/// stands still meanwhile, and the stage has processed all earlier inputs.
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
