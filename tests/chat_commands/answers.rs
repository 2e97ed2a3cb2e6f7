//! What the chat gets for each command, and what other chats get: nothing.

use super::{Bot, CHAT, appended, daemon, stop, update, wait_for_fills};
use crate::cli::look::measured;
use crate::kit::{Folder, ask, wait_until};
use serde_json::Value;
use std::path::Path;

/// Each command, a part of its response, and its result in the metric.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("/help", "/why SYMBOL: why there was no order", "answered"),
    ("/start", "/flatten: sell all positions, after a code", "answered"),
    ("/status", "equity", "answered"),
    ("/positions", "average  realised", "answered"),
    ("/profit", "realised: ", "answered"),
    ("/orders", "close (UTC)", "answered"),
    ("/why BTCUSDT", "BTCUSDT", "answered"),
    ("/why btcusdt", "BTCUSDT", "answered"),
    ("/why", "Write it like /why BTCUSDT", "refused"),
    ("/sell all", "/sell is no command", "refused"),
    ("/halt a storm", "an operator stops entries", "done"),
    ("/halt", "stops entries: no change", "done"),
    ("/resume it is over", "an operator resumes trading", "done"),
    ("/resume", "resumes trading: no change", "done"),
    ("/flatten", "Within 60 s send\n/flatten ", "answered"),
    ("/flatten wrong", "not the code", "refused"),
    ("/flatten 0000", "not the code", "refused"),
];

fn counted(dir: &Path, result: &str) -> f64 {
    measured(dir, &format!("everwarm_chat_commands_total{{result=\"{result}\"}}"))
}

/// Waits until the metric has this number for a result.
fn wait_for_count(dir: &Path, result: &str, number: usize) {
    let number = f64::from(u32::try_from(number).unwrap());
    let what = format!("{number} commands are counted as {result}");
    wait_until(&what, || (counted(dir, result) - number).abs() < 0.5);
}

#[test]
fn each_command_gets_one_response_and_is_counted() {
    let folder = Folder::new("chat-answers");
    let (dir, bot) = (folder.join("data"), Bot::begin());
    let process = daemon(&dir, &bot);
    let has_rows = |list: &str| ask(&dir, &[list]).as_array().is_some_and(|rows| !rows.is_empty());
    wait_for_fills(&dir);
    wait_until("the lists have rows", || has_rows("orders") && has_rows("positions"));
    for (command, part, _) in COMMANDS {
        bot.held().texts.clear();
        bot.say(CHAT, 0, command);
        wait_until(&format!("{command} is answered"), || !bot.held().texts.is_empty());
        let texts = bot.held().texts.clone();
        assert_eq!(texts.len(), 1, "{command}: {texts:?}");
        assert!(squeezed(&texts[0]).contains(&squeezed(part)), "{command}: {}", texts[0]);
    }
    for result in ["answered", "done", "refused"] {
        let number = COMMANDS.iter().filter(|(.., of)| *of == result).count();
        wait_for_count(&dir, result, number);
    }
    wait_for_count(&dir, "other_chat", 0);
    stop(process);
    let (commands, switches) = appended(&dir);
    // What changes nothing is a fact, too: the operator asked for it.
    assert_eq!(commands.len(), 4, "{commands:?}");
    assert_eq!(switches, ["telegram ann: a storm", "telegram ann: it is over"]);
}

/// A text with single spaces: the width of a column follows its values.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn commands_of_one_response_act_in_their_order() {
    let folder = Folder::new("chat-order");
    let (dir, bot) = (folder.join("data"), Bot::begin());
    let process = daemon(&dir, &bot);
    wait_for_fills(&dir);
    let sent = ["/halt one", "/resume two", "/halt three", "/resume four", "/halt five"];
    {
        let mut held = bot.held();
        for text in sent {
            held.last += 1;
            let id = held.last;
            held.updates.push(update(id, CHAT, 0, text));
        }
    }
    wait_until("all are answered", || bot.held().texts.len() == sent.len());
    wait_until("the last one holds", || ask(&dir, &["status"])["breaker"] != "normal");
    stop(process);
    let reasons = ["one", "two", "three", "four", "five"].map(|of| format!("telegram ann: {of}"));
    assert_eq!(appended(&dir).1, reasons);
}

#[test]
fn other_chats_get_no_response_and_are_counted() {
    const WRITTEN: [&str; 7] =
        ["/status", "/help", "/halt mine", "/resume", "/flatten", "/flatten 0000", "hello"];
    let folder = Folder::new("chat-others");
    let (dir, bot) = (folder.join("data"), Bot::begin());
    let process = daemon(&dir, &bot);
    wait_for_fills(&dir);
    wait_for_count(&dir, "other_chat", 0);
    // The chat has a code, which is of no use elsewhere.
    let code = bot.code();
    bot.held().texts.clear();
    for text in WRITTEN {
        bot.say(CHAT + 1, 0, text);
    }
    bot.say(7, 0, &code);
    // The response to a later message of the chat shows that the others were handled.
    bot.command("/status", "equity");
    wait_for_count(&dir, "other_chat", WRITTEN.len() + 1);
    wait_for_count(&dir, "answered", 2);
    wait_for_count(&dir, "done", 0);
    let (texts, chats) = {
        let held = bot.held();
        (held.texts.clone(), held.chats.clone())
    };
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(chats.into_iter().collect::<Vec<_>>(), [Value::from(CHAT.to_string()).to_string()]);
    stop(process);
    assert_eq!(appended(&dir), (Vec::new(), Vec::new()));
}
