//! What people and the venue do while a feed is played: at a close each, time standing until it is
//! done, so that it falls at the same place in every run.

use super::illness::{self, Illness};
use super::rig::Feed;
use crate::domain::fact::{Body, Operator};
use crate::domain::id::Symbol;
use crate::domain::money::Decimal;
use crate::domain::settings::Settings;
use crate::domain::switch::{SafeStep, Switch};
use crate::domain::time::UtcMs;
use crate::edge::board::Rest;
use crate::edge::closer;
use crate::edge::config::Content;
use crate::edge::reload::{Outcome, apply};
use crate::edge::world::{World, path};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Its name on the board, and as a writer.
const NAME: &str = "script";
/// Wall time between looks.
const LOOK: Duration = Duration::from_millis(1);

/// Something that is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An operator adds a symbol, or removes it.
    Want(Symbol, bool),
    /// An operator switches something.
    Switch(Word),
    /// A person confirms real money: at most so much of the quote asset an order, and a day.
    Confirm {
        /// An order.
        per_order: i64,
        /// A UTC day.
        per_day: i64,
    },
    /// The configuration changes, and is loaded again.
    Reload(Change),
    /// The venue halts a symbol, lets it trade, or delists it.
    Stand(Symbol, &'static str),
    /// A stage cannot be made any more, and is kept down until it is well.
    Ill(&'static str),
    /// It can be made again, and is up.
    Well(&'static str),
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
                let section = &mut settings.strategy.sma_cross;
                (section.fast, section.slow) = (fast, slow);
            }
            Change::Enabled(on) => settings.strategy.sma_cross.enabled = on,
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
    if falls_ill(feed) { illness::RETRY } else { crate::tree::RETRY }
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
            | Deed::Confirm { .. }
            | Deed::Reload(_)
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
    let (world, progress, illness) = (world.clone(), Arc::clone(progress), Arc::clone(illness));
    tokio::spawn(async move {
        let Progress { done, begun } = &*progress;
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
                if world.in_step()
                    && act((&world, &illness), (*deed, *close), &contents[number]).await
                {
                    done.store(number, Relaxed);
                }
            } else if up_to_date {
                world.board.write(NAME, n, Rest::Idle);
            }
            tokio::time::sleep(LOOK).await;
        }
    });
}

/// Whether it is done for good. What is not may be done again: it is harmless.
async fn act(
    (world, illness): (&World, &Illness),
    (deed, close): (Deed, UtcMs),
    content: &Content,
) -> bool {
    match deed {
        Deed::Want(symbol, wanted) => say(world, Operator::SymbolWanted { symbol, wanted }).await,
        Deed::Switch(said) => {
            let (switch, reason) = (said.switch(), "the script says so".to_owned());
            say(world, Operator::Switched { switch, reason }).await
        }
        Deed::Confirm { per_order, per_day } => {
            let [per_order, per_day] = [per_order, per_day].map(Decimal::from);
            let account = "the script's".to_owned();
            say(world, Operator::LiveConfirmed { account, per_order, per_day }).await
        }
        Deed::Reload(_) => match apply(world, content, &content.digest(), false).await {
            Ok(Outcome::Applied(_) | Outcome::Unchanged) => true,
            Ok(Outcome::Refused(_) | Outcome::Possible) | Err(_) => false,
        },
        Deed::Stand(symbol, standing) => match &world.admin {
            Some(admin) => admin.stand(symbol, standing, close).await.is_ok(),
            None => true,
        },
        Deed::Ill(stage) => fall(world, illness, stage, true).await,
        Deed::Well(stage) => fall(world, illness, stage, false).await,
    }
}

/// Has a stage fall ill, or get well, and waits until it is kept down, or up. Time stands still
/// meanwhile, and what it was asked it has answered.
async fn fall(world: &World, illness: &Illness, stage: &'static str, ill: bool) -> bool {
    let path = path::of(stage);
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

async fn say(world: &World, operator: Operator) -> bool {
    let writer = world.journal.writer("operator");
    match world.journal.append(&writer, world.now(), vec![Body::Operator(operator)]) {
        Ok(at) => world.journal.durable(at.row).await,
        Err(_) => false,
    }
}
