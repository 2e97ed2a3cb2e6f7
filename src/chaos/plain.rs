//! The result that every run of a feed must reach: that of the plain loop.

use super::compare::{Picture, ledger, ours};
use super::folder::Folder;
use super::rig::{Feed, INSTALLATION};
use super::script;
use crate::plain_run::{PlainFeed, PlainRun};
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::archive::Archive;
use std::sync::Arc;

/// Plays the feed to its end, with the signals of its script. Other deeds are left out.
///
/// # Errors
/// Orders do not come to rest, or a temporary file cannot be written.
pub fn play(feed: &Feed) -> Result<Picture, String> {
    let folder = Folder::new().map_err(|e| e.to_string())?;
    let archive = Archive::open(&folder.path().join("history.redb")).map_err(|e| e.to_string())?;
    let archive = Arc::new(archive);
    let mut facts: Vec<(u64, Fact<Body>)> = Vec::new();
    let mut keep = |fact: &Fact<Body>| facts.push((facts.len() as u64 + 1, fact.clone()));
    let plain = PlainFeed {
        market: (feed.market)(),
        setup: &feed.setup,
        settings: &feed.settings,
        stages: &feed.stages,
        sessions: &feed.sessions,
        stop_orders: feed.stop_orders,
        installation: INSTALLATION,
    };
    let mut run = PlainRun::start(plain, &archive, &mut keep)?;
    let mut signals = script::signals(&feed.script).into_iter().peekable();
    loop {
        while let Some(signal) = signals.next_if(|signal| run.precedes_close(signal.time)) {
            run.take_signal(&signal)?;
        }
        if run.next_close()?.is_none() {
            break;
        }
    }
    let theirs = ledger(&everwarm_sim::wire::events::ledger(run.exchange()));
    Ok(Picture { ours: ours(&facts, &archive)?, theirs })
}
