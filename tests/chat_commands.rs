//! Commands from a Telegram chat: the real program against a local server that speaks the Bot API.

mod answers;
mod code;
mod kills;

use crate::kit::{BINARY, Folder, Process, ask, http_answer, http_request, run, wait_until};
use everwarm_domain::fact::{Body, Operator};
use everwarm_views::news::Topic;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TOKEN: &str = "12345:s3cret";
const CHAT: i64 = -100;

/// What the server holds.
#[derive(Default)]
struct Held {
    /// Updates that were not confirmed.
    updates: Vec<Value>,
    /// The texts that the daemon sent.
    texts: Vec<String>,
    /// The chats that it sent them to.
    chats: BTreeSet<String>,
    /// The largest offset of a request.
    confirmed: i64,
    last: i64,
}

struct Bot {
    at: SocketAddr,
    held: Arc<Mutex<Held>>,
}

impl Bot {
    fn begin() -> Bot {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let held = Arc::new(Mutex::new(Held::default()));
        let all = Arc::clone(&held);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, &all));
            }
        });
        Bot { at, held }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a text in a chat, this many seconds ago.
    fn say(&self, chat: i64, ago: i64, text: &str) -> i64 {
        let mut held = self.held();
        held.last += 1;
        let id = held.last;
        held.updates.push(update(id, chat, ago, text));
        id
    }

    /// Sends an update once more, before all others.
    fn repeat(&self, id: i64, text: &str) {
        let mut held = self.held();
        held.updates.retain(|update| update["update_id"] != json!(id));
        held.updates.insert(0, update(id, CHAT, 0, text));
        held.texts.clear();
    }

    /// Requests a code of `flatten`: the command that uses it.
    fn code(&self) -> String {
        self.command("/flatten", "all positions");
        self.offered()
    }

    /// The command with the code of the last response.
    fn offered(&self) -> String {
        let text = self.held().texts.join("\n");
        text.lines().rfind(|line| line.starts_with("/flatten ")).unwrap().to_owned()
    }

    fn is_answered(&self, part: &str) -> bool {
        self.held().texts.iter().any(|text| text.contains(part))
    }

    /// Sends a command and waits for a response with this part.
    fn command(&self, text: &str, part: &str) -> i64 {
        self.held().texts.clear();
        let id = self.say(CHAT, 0, text);
        wait_until(&format!("{text} is answered"), || self.is_answered(part));
        id
    }
}

/// A message in a chat, this many seconds ago.
fn update(id: i64, chat: i64, ago: i64, text: &str) -> Value {
    let date = everwarm_runtime::clock::wall().utc() / 1000 - ago;
    let from = json!({ "id": 7, "username": "ann" });
    let message = json!({ "date": date, "chat": { "id": chat }, "from": from, "text": text });
    json!({ "update_id": id, "message": message })
}

fn serve(stream: TcpStream, all: &Mutex<Held>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let Some((head, body)) = http_request(&mut reader) else { return };
        let result = {
            let mut bot = all.lock().unwrap_or_else(PoisonError::into_inner);
            if head.starts_with(&format!("POST /bot{TOKEN}/getUpdates ")) {
                let offset = body["offset"].as_i64().unwrap_or(0);
                bot.confirmed = bot.confirmed.max(offset);
                bot.updates.retain(|update| update["update_id"].as_i64() >= Some(offset));
                json!(bot.updates)
            } else if head.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")) {
                bot.chats.insert(body["chat_id"].to_string());
                bot.texts.push(body["text"].as_str().unwrap().to_owned());
                json!({})
            } else {
                panic!("{head}");
            }
        };
        let text = json!({ "ok": true, "result": result }).to_string();
        if stream.write_all(http_answer(200, &text).as_bytes()).is_err() {
            return;
        }
    }
}

fn daemon(dir: &Path, bot: &Bot) -> Process {
    started(Command::new(BINARY), dir, bot)
}

/// Runs a command that becomes the daemon, and waits until it responds.
fn started(mut command: Command, dir: &Path, bot: &Bot) -> Process {
    // Other messages to the chat are another test's.
    let all = Topic::ALL.map(Topic::name).join(", ");
    let (api, chat) = (format!("http://{}", bot.at), CHAT.to_string());
    command.envs([
        ("EVERWARM_MESSAGES__TELEGRAM_API", api.as_str()),
        ("EVERWARM_MESSAGES__TELEGRAM_TOKEN", "env:BOT"),
        ("BOT", TOKEN),
        ("EVERWARM_MESSAGES__TELEGRAM_CHAT", &chat),
        ("EVERWARM_MESSAGES__TELEGRAM_COMMANDS", "true"),
        ("EVERWARM_MESSAGES__LEAVE_OUT", &all),
    ]);
    let process = Process::of(command, dir, &["run", "--pace", "240x", "--symbols", "4"]);
    process.answers();
    process
}

/// Waits until it has traded.
fn wait_for_fills(dir: &Path) {
    wait_until("it trades", || ask(dir, &["status"])["fills"].as_u64() > Some(0));
}

/// Asks it to end, and waits for that.
fn stop(process: Process) {
    process.signal("-INT");
    let (status, _, err) = process.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

/// The commands that are facts, and the switches, each with its reason.
fn appended(dir: &Path) -> (Vec<i64>, Vec<String>) {
    let (mut commands, mut switches) = (Vec::new(), Vec::new());
    let journal = everwarm::audit::open(dir).unwrap();
    let read = journal.each(0, &mut |_, fact| {
        match &fact.body {
            Body::Operator(Operator::RemoteCommand { update, .. }) => commands.push(*update),
            Body::Operator(Operator::Switched { reason, .. }) => switches.push(reason.clone()),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    (commands, switches)
}

#[test]
fn a_chat_asks_and_commands_and_each_message_acts_once() {
    let folder = Folder::new("chat");
    let dir = folder.join("data");
    let bot = Bot::begin();
    let process = daemon(&dir, &bot);
    let halted = || ask(&dir, &["status"])["breaker"] != json!("normal");

    // Questions.
    wait_for_fills(&dir);
    bot.command("/status", "equity");
    bot.command("/profit", "realised");
    bot.command("/orders", "symbol");
    bot.command("/why BTCUSDT", "BTCUSDT");
    bot.command("/why nothing at all", "/why BTCUSDT");
    bot.command("/sell everything", "/flatten");

    // Somebody else, and talk.
    bot.say(CHAT + 1, 0, "/halt mine");
    bot.say(CHAT, 0, "shall we halt it?");
    // A command that waited while the daemon was down.
    bot.command("/status", "equity");
    bot.held().texts.clear();
    bot.say(CHAT, 3_600, "/halt old");
    wait_until("an old one is refused", || bot.is_answered("60 min old"));
    assert!(!halted());

    // A change, with who asked for it.
    let halt = bot.command("/halt a storm", "stops entries");
    let reasons = ask(&dir, &["switches"]).to_string();
    assert!(reasons.contains("telegram ann: a storm"), "{reasons}");
    wait_until("it is halted", halted);

    // An operator resumes; then the process dies, and the update comes once more.
    assert_eq!(run(&dir, &["resume", "--reason", "over", "--yes"]).0, Some(0));
    process.kill();
    bot.repeat(halt, "/halt a storm");
    let process = daemon(&dir, &bot);
    wait_until("it is not done again", || bot.is_answered("done before"));
    assert!(!halted());

    // A flatten needs the code of its answer.
    bot.command("/flatten", "all positions");
    bot.command("/flatten wrong", "not the code");
    let code = bot.code();
    bot.command(&code, "closes all positions");
    // What is too little to sell stays.
    wait_until("all is sold", || ask(&dir, &["status"])["positions"] == json!(0));
    bot.command(&code, "not the code");
    bot.command("/resume", "resumes trading");
    process.signal("-INT");
    let (status, out, err) = process.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(!out.join("\n").contains("s3cret") && !err.contains("s3cret"));
    let (commands, switches) = appended(&dir);
    assert_eq!(commands.iter().filter(|update| **update == halt).count(), 1, "{commands:?}");
    assert_eq!(switches.iter().filter(|why| why.contains("a storm")).count(), 1, "{switches:?}");
    assert!(!switches.iter().any(|why| why.contains("mine") || why.contains("old")));
}

#[test]
fn a_kill_between_the_message_and_its_effect_neither_loses_nor_doubles_it() {
    let folder = Folder::new("chat-kills");
    let dir = folder.join("data");
    let bot = Bot::begin();
    let mut wanted = Vec::new();
    for round in 0..4 {
        let process = daemon(&dir, &bot);
        let text = if round % 2 == 0 { "/halt" } else { "/resume" };
        let id = bot.say(CHAT, 0, &format!("{text} round {round}"));
        wanted.push((id, format!("round {round}")));
        // Killed as soon as it has the message, or when it has confirmed it.
        let is_taken = || match round {
            0 | 1 => bot.held().texts.iter().any(|text| !text.is_empty()),
            _ => bot.held().confirmed > id,
        };
        wait_until("the message is taken", is_taken);
        bot.held().texts.clear();
        process.kill();
    }
    let process = daemon(&dir, &bot);
    bot.command("/status", "equity");
    stop(process);
    let (commands, switches) = appended(&dir);
    for (id, reason) in wanted {
        assert_eq!(commands.iter().filter(|update| **update == id).count(), 1, "{commands:?}");
        assert_eq!(switches.iter().filter(|why| why.contains(&reason)).count(), 1, "{switches:?}");
    }
}
