//! The commands that one Telegram chat may send, and how an update of the Bot API is read.
//!
//! Everything here is pure. What comes from outside is bounded here.

use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_words::text::fit;
use serde_json::Value;

/// Most characters of a command that is kept.
const TEXT: usize = 256;
/// Most characters of a sender's name.
const WHO: usize = 64;

/// One update of the Bot API that has a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its number. Later updates have larger ones.
    pub id: i64,
    /// What it carries; none: nothing that is a command.
    pub message: Option<ChatMessage>,
}

/// The message of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// The number of its chat, as text.
    pub chat: String,
    /// Who sent it.
    pub who: String,
    /// When it was sent, UTC seconds.
    pub date: i64,
    /// Its text.
    pub text: String,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A question.
    Ask(Ask),
    /// A request to change something.
    Act(Act, String),
    /// The first half of `flatten`: it needs a code.
    Flatten,
    /// The second half, with the code.
    FlattenBy(String),
    /// The list of commands is wanted.
    Help,
    /// It is not understood, and why.
    Wrong(String),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The status.
    Status,
    /// The positions.
    Positions,
    /// The profit of the day.
    Profit,
    /// The newest orders.
    Orders,
    /// Why there was no order for a symbol.
    WhyNot(Symbol),
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Stop entries.
    Halt,
    /// End a halt or a flatten.
    Resume,
    /// Stop entries and sell all positions.
    Flatten,
}

/// The list of commands.
pub const HELP: &str = "/status\n/positions\n/profit: of this day\n/orders: the newest 20\n\
                        /why SYMBOL: why there was no order\n/halt REASON: no entries\n\
                        /resume REASON: end a halt or a flatten\n\
                        /flatten: sell all positions, after a code";

/// The updates of a response of `getUpdates`, in their order.
///
/// # Errors
/// It is no such response.
pub fn updates(body: &Value) -> Result<Vec<Update>, String> {
    let rows = body["result"].as_array().filter(|_| body["ok"] == true);
    let rows = rows.ok_or("the response has no updates")?;
    let mut all = Vec::new();
    for row in rows {
        let id = row["update_id"].as_i64().ok_or("an update has no number")?;
        all.push(Update { id, message: message(&row["message"]) });
    }
    all.sort_by_key(|update| update.id);
    Ok(all)
}

fn message(body: &Value) -> Option<ChatMessage> {
    let chat = body["chat"]["id"].as_i64()?.to_string();
    let (from, date) = (&body["from"], body["date"].as_i64()?);
    let name = from["username"].as_str().or_else(|| from["first_name"].as_str());
    let who = match (name, from["id"].as_i64()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(id)) => id.to_string(),
        (None, None) => "somebody".to_owned(),
    };
    let who = fit(&clean(&who), WHO);
    // A photo has no text. From another chat, it counts like a text.
    let text = fit(&clean(body["text"].as_str().unwrap_or_default()), TEXT);
    Some(ChatMessage { chat, who, date, text })
}

/// The command of a text; none: it is none, like talk in a group.
#[must_use]
pub fn command(text: &str) -> Option<Command> {
    let rest = text.trim().strip_prefix('/')?;
    let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    // In a group, a command may name its bot.
    let name = name.split('@').next().unwrap_or_default().to_lowercase();
    let rest = rest.trim();
    let reason = || if rest.is_empty() { "no reason given" } else { rest }.to_owned();
    Some(match name.as_str() {
        "status" => Command::Ask(Ask::Status),
        "positions" => Command::Ask(Ask::Positions),
        "profit" => Command::Ask(Ask::Profit),
        "orders" => Command::Ask(Ask::Orders),
        "why" => match Symbol::named(&rest.to_uppercase()) {
            Ok(symbol) => Command::Ask(Ask::WhyNot(symbol)),
            Err(why) => Command::Wrong(format!("{why}. Write it like /why BTCUSDT")),
        },
        "halt" => Command::Act(Act::Halt, reason()),
        "resume" => Command::Act(Act::Resume, reason()),
        "flatten" if rest.is_empty() => Command::Flatten,
        "flatten" => Command::FlattenBy(rest.to_owned()),
        "start" | "help" => Command::Help,
        other => Command::Wrong(format!("/{other} is no command")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_read_as_people_write_it() {
        let symbol = Symbol::named("BTCUSDT").unwrap();
        for (text, meant) in [
            ("/status", Command::Ask(Ask::Status)),
            (" /Status@my_bot ", Command::Ask(Ask::Status)),
            ("/why btcusdt", Command::Ask(Ask::WhyNot(symbol))),
            ("/halt", Command::Act(Act::Halt, "no reason given".to_owned())),
            ("/halt  a storm ", Command::Act(Act::Halt, "a storm".to_owned())),
            ("/resume", Command::Act(Act::Resume, "no reason given".to_owned())),
            ("/flatten", Command::Flatten),
            ("/flatten 0123", Command::FlattenBy("0123".to_owned())),
            ("/start", Command::Help),
            ("/sell all", Command::Wrong("/sell is no command".to_owned())),
        ] {
            assert_eq!(command(text), Some(meant), "{text}");
        }
        assert!(
            matches!(command("/why"), Some(Command::Wrong(why)) if why.contains("/why BTCUSDT"))
        );
        for talk in ["", "halt", "no /halt please", "  "] {
            assert_eq!(command(talk), None, "{talk}");
        }
    }

    #[test]
    fn updates_are_bounded_and_in_order() {
        let long = "x".repeat(5_000);
        let of = |id: i64, text: &str| {
            json!({ "update_id": id, "message": { "date": 7, "chat": { "id": -100 },
                    "from": { "id": 5, "username": "ann\u{202e}\n" }, "text": text } })
        };
        let photo = json!({ "update_id": 11, "message": { "date": 7, "chat": { "id": 3 } } });
        let rows = [of(9, &format!("/halt {long}")), of(8, "hello"), json!({ "update_id": 10 })];
        let rows = [&rows[..], &[photo]].concat();
        let all = updates(&json!({ "ok": true, "result": rows })).unwrap();
        assert_eq!(all.iter().map(|update| update.id).collect::<Vec<_>>(), [8, 9, 10, 11]);
        let message = all[1].message.clone().unwrap();
        assert_eq!((message.chat.as_str(), message.date), ("-100", 7));
        assert!(message.text.chars().count() <= TEXT && message.who.starts_with("ann"));
        assert!(!message.who.contains('\n'));
        assert_eq!(all[2].message, None);
        let photo = all[3].message.clone().unwrap();
        assert_eq!((photo.chat.as_str(), photo.text.as_str()), ("3", ""));
        for wrong in [json!({}), json!({ "ok": false }), json!({ "ok": true, "result": [{}] })] {
            updates(&wrong).unwrap_err();
        }
    }
}
