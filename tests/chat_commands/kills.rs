//! SIGKILL between the receipt of a command and its effect, at the kill points of the commander.

use super::{Bot, CHAT, appended, daemon, started, stop, wait_for_fills};
use crate::kit::{BINARY, Folder, Process, ask, wait_until};
use everwarm::chaos::process::{REACHED, STRIKES};
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The moments between the receipt of an update and its confirmation, and whether the update is a
/// fact of the journal then.
const MOMENTS: [(Site, bool); 3] =
    [(Site::AfterReceive, false), (Site::BeforeAppend, false), (Site::AfterAppend, true)];

/// A daemon that stands still at a kill point, and the file that it makes there.
struct Planned {
    process: Process,
    reached: PathBuf,
}

impl Planned {
    /// It stands still at the `nth` passing of this point by the commander.
    fn start(dir: &Path, bot: &Bot, site: Site, nth: u32) -> Planned {
        let (who, phase) = ("commands".to_owned(), Phase::Live);
        let fault = PlannedFault { site, who, phase, nth, kind: FaultKind::Die };
        let reached = dir.with_extension("reached");
        let mut command = Command::new(BINARY);
        command.env(STRIKES, serde_json::to_string(&[fault]).unwrap());
        command.env(REACHED, &reached).env("EVERWARM_CHAOS__ENABLED", "true");
        Planned { process: started(command, dir, bot), reached }
    }

    /// Kills it at its point.
    fn kill(self) {
        wait_until("it stands at the kill point", || self.reached.exists());
        self.process.kill();
    }
}

/// Kills the daemon while it handles the update `id`, which was neither answered nor confirmed.
fn kill_at(life: Planned, bot: &Bot, id: i64) {
    life.kill();
    let held = bot.held();
    assert!(held.texts.is_empty(), "it was killed before its response: {:?}", held.texts);
    assert!(held.confirmed <= id, "it was killed before the next request");
}

/// The response after a restart shows whether the act was a fact before it.
fn wait_for_response(bot: &Bot, id: i64, is_fact: bool, text: &str) {
    let wanted = if is_fact { "done before" } else { text };
    wait_until("the repeated update is answered", || bot.is_answered(wanted));
    wait_until("the update is confirmed", || bot.held().confirmed > id);
    assert_eq!(bot.held().texts.len(), 1, "one response: {:?}", bot.held().texts);
}

/// One command and one switch are in the journal.
fn assert_once(dir: &Path, id: i64, reason: &str) {
    let (commands, switches) = appended(dir);
    assert_eq!(commands, [id]);
    assert_eq!(switches, [format!("telegram ann: {reason}")]);
}

#[test]
fn a_halt_acts_once_if_a_kill_comes_between_its_receipt_and_its_effect() {
    for (site, is_fact) in MOMENTS {
        let folder = Folder::new(&format!("chat-halt-{site}"));
        let (dir, bot) = (folder.join("data"), Bot::begin());
        let life = Planned::start(&dir, &bot, site, 1);
        wait_for_fills(&dir);
        let halt = bot.say(CHAT, 0, "/halt a storm");
        kill_at(life, &bot, halt);

        let process = daemon(&dir, &bot);
        wait_for_response(&bot, halt, is_fact, "stops entries");
        wait_until("it is halted", || ask(&dir, &["status"])["breaker"] != "normal");
        // Telegram sends it once more.
        bot.repeat(halt, "/halt a storm");
        wait_until("it is done already", || bot.is_answered("done before"));
        stop(process);
        assert_once(&dir, halt, "a storm");
    }
}

#[test]
fn a_typed_code_flattens_once_if_a_kill_comes_between_its_receipt_and_its_effect() {
    for (site, is_fact) in MOMENTS {
        let folder = Folder::new(&format!("chat-flatten-{site}"));
        let (dir, bot) = (folder.join("data"), Bot::begin());
        // The request for the code passes the first point, too.
        let nth = if site == Site::AfterReceive { 2 } else { 1 };
        let life = Planned::start(&dir, &bot, site, nth);
        wait_for_fills(&dir);
        let code = bot.code();
        bot.held().texts.clear();
        let flatten = bot.say(CHAT, 0, &code);
        kill_at(life, &bot, flatten);

        let process = daemon(&dir, &bot);
        wait_for_response(&bot, flatten, is_fact, "closes all positions");
        // What is too little to sell stays.
        wait_until("all is sold", || ask(&dir, &["status"])["positions"] == 0);
        bot.repeat(flatten, &code);
        wait_until("it is done already", || bot.is_answered("done before"));
        // The code is used up: another message with it does nothing.
        bot.command(&code, "not the code");
        stop(process);
        assert_once(&dir, flatten, "typed code");
    }
}
