//! What the real binary sends to real receivers outside, over kills.

use crate::kit::{
    BINARY, Folder, PATIENCE, Process, ask, http_answer, http_request, run, wait_until,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One request that was received.
#[derive(Clone, Debug)]
struct Received {
    line: String,
    head: String,
    body: Value,
}

/// What was sent, by the id of each item: all that was sent under it.
type Items = BTreeMap<String, BTreeSet<String>>;

/// A receiver that answers as planned.
struct Receiver {
    at: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A status and a body, or no answer at all, for the number of a request and what it carries.
type Plan = fn(usize, &Value) -> Option<(u16, &'static str)>;

impl Receiver {
    /// An address that nobody listens at and nobody else is given: of another loopback address
    /// than all free ports are taken of.
    fn absent() -> SocketAddr {
        let [.., a, b, c] = std::process::id().to_be_bytes();
        SocketAddr::from(([127, a | 0x80, b, c], 7_000))
    }

    fn anywhere(plan: Plan) -> Receiver {
        Receiver::begin(SocketAddr::from(([127, 0, 0, 1], 0)), plan)
    }

    fn begin(at: SocketAddr, plan: Plan) -> Receiver {
        let listener = TcpListener::bind(at).unwrap();
        let at = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, &all, plan));
            }
        });
        Receiver { at, received }
    }

    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All items of a webhook so far.
    fn items(&self) -> Items {
        let mut items = Items::new();
        for request in self.received().iter() {
            for item in request.body["items"].as_array().into_iter().flatten() {
                let id = item["id"].as_str().unwrap().to_owned();
                items.entry(id).or_default().insert(item.to_string());
            }
        }
        items
    }
}

fn serve(stream: TcpStream, all: &Mutex<Vec<Received>>, plan: Plan) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let Some((head, body)) = http_request(&mut reader) else { return };
        let line = head.lines().next().unwrap().to_owned();
        let number = {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Received { line, head, body: body.clone() });
            all.len() - 1
        };
        let Some((status, text)) = plan(number, &body) else { return };
        if stream.write_all(http_answer(status, text).as_bytes()).is_err() {
            return;
        }
    }
}

fn daemon(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(BINARY);
    command.envs(variables.iter().copied());
    Process::of(command, dir, &[&["run"], arguments].concat())
}

/// Whether a file of the folder, or one below, holds these bytes.
fn holds(dir: &Path, secret: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, secret);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    })
}

/// A receiver that is dead, then fails, takes without answering, and then does as it should.
fn moody(number: usize, _: &Value) -> Option<(u16, &'static str)> {
    match number % 5 {
        0 => Some((500, "no")),
        2 => None,
        _ => Some((204, "")),
    }
}

fn is_sent(fill: &Value, items: &Items) -> bool {
    let trade = format!("(trade {})", fill["trade_id"].as_str().unwrap());
    let symbol = format!(" {} ", fill["symbol"].as_str().unwrap());
    items.values().flatten().any(|text| text.contains(&trade) && text.contains(&symbol))
}

fn restarts(items: &Items) -> usize {
    items
        .values()
        .flatten()
        .filter(|text| text.contains("\"restart\"") && text.contains("run "))
        .count()
}

#[test]
fn each_message_arrives_over_kills_of_the_daemon_and_moods_of_the_receiver() {
    const SECRET: &str = "5ecret-path";
    let folder = Folder::new("messages");
    let dir = folder.join("data");
    let at = Receiver::absent();
    let hook = format!("http://{at}/{SECRET}");
    let variables = [
        ("EVERWARM_MESSAGES__WEBHOOK", "env:THE_HOOK"),
        ("THE_HOOK", hook.as_str()),
        ("EVERWARM_MESSAGES__WEBHOOK_TOKEN", "env:HOOK_TOKEN"),
        ("HOOK_TOKEN", "t0ken-of-it"),
        ("EVERWARM_MESSAGES__EVERY_S", "1"),
    ];
    let start = || daemon(&dir, &["--pace", "1200x", "--log", "debug"], &variables);
    let filled = |process: &Process| {
        let fills = |lines: &[String]| lines.iter().filter(|l| l.contains(" fill ")).count();
        let before = fills(&process.lines());
        process.until("it fills", PATIENCE, |lines| fills(lines) >= before + 3);
    };
    // Nobody listens: it trades nevertheless, and asks less and less often. The next asks at once.
    let process = start();
    filled(&process);
    assert!(process.complains("webhook does not accept a message: no connection", PATIENCE));
    filled(&process);
    let mut errors = String::new();
    let mut kill = |process: Process| {
        process.signal("-9");
        errors += &process.end().2;
    };
    kill(process);
    let receiver = Receiver::begin(at, moody);
    for _ in 0..3 {
        let process = start();
        filled(&process);
        let before = receiver.received().len();
        wait_until("messages come", || receiver.received().len() >= before + 3);
        kill(process);
    }
    let process = start();
    filled(&process);
    let fills = ask(&dir, &["fills"]);
    wait_until("all fills and each process after the first are told", || {
        let items = receiver.items();
        let all = fills.as_array().unwrap().iter().all(|fill| is_sent(fill, &items));
        all && restarts(&items) >= 4
    });
    process.signal("-INT");
    let (status, _, err) = process.end();
    assert_eq!(status.code(), Some(0), "{err}");

    let items = receiver.items();
    let twice: Vec<_> = items.values().filter(|texts| texts.len() > 1).collect();
    assert!(twice.is_empty(), "one id, one text: {twice:?}");
    assert_eq!(restarts(&items), 4, "each process after the first is reported");
    let posts = receiver.received();
    let mut messages: BTreeMap<&str, &Value> = BTreeMap::new();
    for one in posts.iter() {
        assert!(one.line.starts_with(&format!("POST /{SECRET} ")), "{}", one.line);
        let id = one.body["id"].as_str().unwrap();
        let lower = one.head.to_lowercase();
        assert!(lower.contains(&format!("idempotency-key: {id}")), "{lower}");
        assert!(lower.contains("authorization: bearer t0ken-of-it"), "{lower}");
        assert_eq!(*messages.entry(id).or_insert(&one.body), &one.body, "sent again as it was");
        assert_eq!(one.body["items"][0]["id"], json!(id));
    }
    assert!(posts.len() > messages.len(), "some were sent again");
    for secret in [SECRET, "t0ken-of-it"] {
        assert!(!(errors.clone() + &err).contains(secret), "a secret in the log");
        assert!(!holds(&dir, secret), "a secret in the data folder");
    }
}

fn telegram(number: usize, _: &Value) -> Option<(u16, &'static str)> {
    match number {
        0 => Some((
            429,
            "{\"ok\":false,\"description\":\"Too Many\",\"parameters\":{\"retry_after\":1}}",
        )),
        1 => Some((401, "{\"ok\":false,\"description\":\"no bot 12345:s3cret\"}")),
        // It was taken, and no response reports it.
        2 => None,
        _ => Some((200, "{\"ok\":true}")),
    }
}

#[test]
fn a_chat_is_told_in_lines_and_its_token_nowhere() {
    const TOKEN: &str = "12345:s3cret";
    let folder = Folder::new("telegram");
    let dir = folder.join("data");
    let receiver = Receiver::anywhere(telegram);
    let beats = Receiver::anywhere(|_, _| Some((200, "")));
    let api = format!("http://{}", receiver.at);
    let beat = format!("http://{}/be4t", beats.at);
    let variables = [
        ("EVERWARM_MESSAGES__TELEGRAM_API", api.as_str()),
        ("EVERWARM_MESSAGES__TELEGRAM_TOKEN", "env:BOT"),
        ("BOT", TOKEN),
        ("EVERWARM_MESSAGES__TELEGRAM_CHAT", "-100"),
        ("EVERWARM_MESSAGES__EVERY_S", "1"),
        ("EVERWARM_MESSAGES__LEAVE_OUT", "day"),
        ("EVERWARM_MESSAGES__HEARTBEAT", "env:BEAT"),
        ("EVERWARM_MESSAGES__HEARTBEAT_S", "1"),
        ("BEAT", beat.as_str()),
    ];
    let process = daemon(&dir, &["--pace", "240x"], &variables);
    wait_until("it is told", || receiver.received().len() > 4);
    wait_until("it beats", || beats.received().len() > 1);
    let shown = crate::kit::plain(&["config", "show"]);
    process.signal("-INT");
    let (_, out, err) = process.end();
    let posts = receiver.received();
    for one in posts.iter() {
        assert!(one.line.starts_with(&format!("POST /bot{TOKEN}/sendMessage ")), "{}", one.line);
        assert_eq!(one.body["chat_id"], json!("-100"));
        let text = one.body["text"].as_str().unwrap();
        assert!(text.starts_with("everwarm demo\n") && text.chars().count() <= 4096, "{text}");
        assert!(text.contains(" fill "), "{text}");
    }
    for again in &posts[1..4] {
        assert_eq!(again.body, posts[0].body, "what was not taken is sent again as it was");
    }
    assert!(beats.received().iter().all(|beat| beat.line == "GET /be4t HTTP/1.1"));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for text in [out.join("\n"), err, shown] {
        assert!(!text.contains("s3cret") && !text.contains("be4t"), "{text}");
    }
    assert!(!holds(&dir, "s3cret") && !holds(&dir, "be4t"));
}

#[test]
fn how_often_what_is_told_changes_while_it_trades() {
    let folder = Folder::new("message-terms");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let [receiver, beats] = [(); 2].map(|()| Receiver::anywhere(|_, _| Some((200, ""))));
    let [hook, beat] = [&receiver, &beats].map(|to| format!("http://{}/", to.at));
    let variables = [
        ("EVERWARM_MESSAGES__WEBHOOK", "env:HOOK"),
        ("HOOK", hook.as_str()),
        ("EVERWARM_MESSAGES__HEARTBEAT", "env:BEAT"),
        ("BEAT", beat.as_str()),
    ];
    let terms = |every: &str, beat: &str, without: &str| {
        let keys = format!("every_s = {every}\nheartbeat_s = {beat}\nleave_out = \"{without}\"");
        std::fs::write(&file, format!("[messages]\n{keys}\n")).unwrap();
    };
    let done = |arguments: &[&str]| {
        let (code, out, err) = run(&dir, arguments);
        assert_eq!(code, Some(0), "{out}{err}");
    };
    terms("3600", "86400", "fill");
    let process =
        daemon(&dir, &["--pace", "1200x", "--config", file.to_str().unwrap()], &variables);
    process.until("it fills", PATIENCE, |lines| lines.iter().any(|l| l.contains(" fill ")));
    done(&["halt", "--reason", "storm", "--yes"]);
    done(&["resume", "--reason", "over", "--yes"]);
    let fills = || receiver.items().into_values().flatten().any(|text| text.contains("\"fill\""));
    wait_until("something else is told", || !receiver.items().is_empty());
    assert!(beats.received().len() <= 1, "once a day");
    assert!(!fills(), "{:?}", receiver.items());
    let before = receiver.received().len();
    terms("1", "1", "halt");
    done(&["config", "reload", "--yes"]);
    wait_until("fills are told, each second", || {
        fills() && receiver.received().len() >= before + 3
    });
    wait_until("it beats each second", || beats.received().len() >= 3);
    process.signal("-INT");
    assert_eq!(process.end().0.code(), Some(0));
}

/// Whether a message has a fill in it.
fn has_fills(body: &Value) -> bool {
    body["items"].to_string().contains("\"topic\":\"fill\"")
}

#[test]
fn what_a_receiver_refuses_for_good_is_in_nobodys_way() {
    let folder = Folder::new("refused-messages");
    let dir = folder.join("data");
    let receiver =
        Receiver::anywhere(|_, body| Some(if has_fills(body) { (400, "no") } else { (204, "") }));
    let hook = format!("http://{}/", receiver.at);
    let variables = [
        ("EVERWARM_MESSAGES__WEBHOOK", "env:HOOK"),
        ("HOOK", hook.as_str()),
        ("EVERWARM_MESSAGES__EVERY_S", "1"),
    ];
    let start = || daemon(&dir, &["--pace", "240x"], &variables);
    let process = start();
    assert!(process.complains("webhook rejects a message: it responds with status 400", PATIENCE));
    // It overtakes the fills, which are still being sent and refused.
    let (code, _, err) = run(&dir, &["halt", "--reason", "storm", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    let arrived = |words: &str| receiver.items().into_values().flatten().any(|t| t.contains(words));
    wait_until("the halt is told", || arrived("storm"));
    assert!(process.complains("it is quarantined", PATIENCE));
    let refused: BTreeSet<String> = receiver
        .received()
        .iter()
        .filter(|one| has_fills(&one.body))
        .map(|one| one.body["id"].as_str().unwrap().to_owned())
        .collect();
    let tries = |id: &str| receiver.received().iter().filter(|one| one.body["id"] == id).count();
    let finding = || {
        // It found something, and reports it by its exit code too.
        let (_, out, _) = run(&dir, &["doctor", "--json"]);
        let health: Value = serde_json::from_str(&out).unwrap();
        let all = health["findings"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["check"] == "messages").map(|one| one["text"].to_string())
    };
    wait_until("doctor tells", || {
        finding().is_some_and(|text| text.contains("webhook rejected") && text.contains("400"))
    });
    let first = refused.iter().min().unwrap().clone();
    assert!(tries(&first) <= 5, "{} tries of {first}", tries(&first));
    process.signal("-INT");
    assert_eq!(process.end().0.code(), Some(0));
    // The next start sends what was set apart once more.
    let before = tries(&first);
    let process = start();
    wait_until("it is sent once more", || tries(&first) > before);
    process.kill();
}

#[test]
fn a_daemon_that_is_not_ready_gives_no_sign_of_life() {
    let folder = Folder::new("lifeless");
    let beats = Receiver::anywhere(|_, _| Some((200, "")));
    let beat = format!("http://{}/", beats.at);
    let nobody = Receiver::absent();
    let (rest, ws) = (format!("http://{nobody}"), format!("ws://{nobody}"));
    let variables = [
        ("EVERWARM_MESSAGES__HEARTBEAT", "env:BEAT"),
        ("EVERWARM_MESSAGES__HEARTBEAT_S", "1"),
        ("BEAT", beat.as_str()),
        ("EVERWARM_VENUE__KIND", "binance"),
        ("EVERWARM_VENUE__REST", rest.as_str()),
        ("EVERWARM_VENUE__STREAMS", ws.as_str()),
        ("EVERWARM_VENUE__WS_API", ws.as_str()),
        ("EVERWARM_VENUE__KEY", "env:THE_KEY"),
        ("EVERWARM_VENUE__SECRET", "env:THE_KEY"),
        ("THE_KEY", "x"),
        ("EVERWARM_TRADING__QUOTE_ASSET", "USDT"),
        ("EVERWARM_MARKET__SYMBOLS", "BTCUSDT"),
    ];
    let process = daemon(&folder.join("data"), &[], &variables);
    process.answers();
    std::thread::park_timeout(Duration::from_secs(4));
    assert_eq!(beats.received().len(), 0);
    assert_eq!(ask(&folder.join("data"), &["status"])["ready"], json!(false));
    process.kill();
}

#[test]
fn what_is_configured_wrong_is_told_without_the_secret() {
    let folder = Folder::new("hookless");
    let dir = folder.join("data");
    let file = folder.join("everwarm.toml");
    let text =
        "[messages]\nwebhook = \"env:THE_HOOK\"\ntelegram_chat = \"7\"\nleave_out = \"fils\"\n";
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(BINARY);
    command.env("THE_HOOK", "http://elsewhere.example/s3cret");
    let check = ["run", "--config", file.to_str().unwrap()];
    let (code, out, err) = Process::of(command, &dir, &check).result();
    assert_eq!(code, Some(2), "{out}{err}");
    for words in [
        "messages.webhook: its content is no address like https",
        "messages.telegram_chat: needs messages.telegram_token too",
        "\"fils\" is not a topic; the topics are fill, halt",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
    assert!(!err.contains("s3cret"), "{err}");
}
