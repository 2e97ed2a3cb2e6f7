//! The actor that receives the commands of one Telegram chat.
//!
//! 1. It requests updates with the number of the next one. Telegram repeats an update until a later
//!    request names a larger number.
//! 2. A command that changes something is an input of the journal, with the number of its update
//!    and in one commit with the change. So a repeated update acts once, however the daemon ends.
//! 3. The code of `flatten` is durable before the chat gets it. So a typed code is valid after a
//!    restart, too. A wrong guess ends it, and so does the fact of the command.
//! 4. Messages of other chats get no response. They are counted.

use super::code::{Code, expired, wrong};
use super::commands::{Act, Ask, ChatMessage, Command, HELP, Update, command, updates};
use super::courier::{Deliveries, back_off};
use super::outbox::{Outbox, put};
use super::receiver::{Trouble, ask_up_to, client, redacted_by};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::secret::Secret;
use everwarm_edge::task::guarded;
use everwarm_edge::world::World;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::store::archive::ArchiveError;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The actor's name in the tree and in the list of deliveries.
pub const NAME: &str = "commands";
/// The service in the facts.
pub const VIA: &str = "telegram";

/// How long Telegram may hold a request for updates, seconds.
const HOLD: u64 = 25;
/// Timeout of such a request.
const POLL: Duration = Duration::from_secs(HOLD + 15);
/// Time between two requests at least: a server may respond at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Maximum bytes of a response with updates.
const BYTES: usize = 1 << 20;
/// Updates of one request.
const MOST: u32 = 10;
/// Maximum characters of a response in the chat. Telegram accepts 4096.
const CHARACTERS: usize = 3_800;
/// Age up to which a command may change something. An older one waited while the daemon was down.
const AGE: i64 = 300;
/// Rows after which the position in the journal is saved again.
const KEEP_ROWS: u64 = 100_000;
/// Updates that are remembered. Telegram repeats only those that were not confirmed. Their numbers
/// may become smaller: after a week without any, the next number is drawn.
const RECENT: usize = 64;
/// Chunks of the journal read in one step.
const CHUNKS: usize = 512;

/// What the daemon does for the chat. Both calls may wait.
pub trait Desk: Send + Sync + 'static {
    /// The answer to a question, as plain lines.
    fn answer(&self, ask: Ask) -> String;
    /// Makes a change, in one commit with `by`, and returns its result in words.
    ///
    /// # Errors
    /// It is refused, and nothing was appended.
    fn act(&self, act: Act, reason: &str, by: Operator) -> Result<String, String>;
    /// A new code that is hard to guess.
    ///
    /// # Errors
    /// The system has no random numbers.
    fn code(&self) -> Result<String, String>;
}

/// Numbers of commands since the process began.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<[AtomicU64; 4]>);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It changed something, or wanted what is so already.
    Done,
    /// It was refused.
    Refused,
    /// It came from another chat.
    OtherChat,
}

impl Outcome {
    /// All, with their names in metrics.
    pub const ALL: [(Outcome, &'static str); 4] = [
        (Outcome::Answered, "answered"),
        (Outcome::Done, "done"),
        (Outcome::Refused, "refused"),
        (Outcome::OtherChat, "other_chat"),
    ];
}

impl Counts {
    fn add(&self, result: Outcome) {
        self.0[result as usize].fetch_add(1, Relaxed);
    }

    /// The numbers, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.map(|(of, name)| (name, self.0[of as usize].load(Relaxed))).into_iter()
    }
}

/// The chat that may command.
#[derive(Clone)]
pub struct Chat {
    /// Base address of the Bot API.
    pub base: String,
    /// The token of the bot.
    pub token: Secret,
    /// The number of the chat, or its name.
    pub chat: String,
    /// What the daemon does.
    pub desk: Arc<dyn Desk>,
    /// Numbers of commands.
    pub counts: Counts,
    /// Where failures of the service are noted.
    pub deliveries: Deliveries,
}

/// The position in the journal up to which commands are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    row: u64,
    /// The newest updates that are facts up to there, oldest first.
    updates: VecDeque<i64>,
    /// The code of `flatten` that was sent last and is not used up.
    #[serde(default)]
    code: Option<Code>,
}

impl Position {
    /// Adds a command that is a fact, by the number and the text of its update.
    fn add(&mut self, update: i64, text: &str) {
        if let Some(Command::FlattenBy(_)) = command(text) {
            self.code = None;
        }
        if self.updates.len() >= RECENT {
            self.updates.pop_front();
        }
        self.updates.push_back(update);
    }
}

/// Messages of the actor.
#[derive(Debug)]
pub enum CommanderMsg {
    /// Request updates.
    Poll,
    /// The response.
    Got(Result<Vec<Update>, Trouble>),
}

/// The actor.
pub struct Commander;

/// Its state.
pub struct State {
    world: World,
    chat: Chat,
    client: Client,
    /// None: the journal was not read yet.
    known: Option<Position>,
    /// The number behind the last update, to confirm it; none: all are confirmed.
    next: Option<i64>,
    polled: Instant,
    failures: u32,
    poll: Option<JoinHandle<()>>,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(poll) = self.poll.take() {
            poll.abort();
        }
    }
}

impl Actor for Commander {
    type Msg = CommanderMsg;
    type State = State;
    type Arguments = (World, Chat);

    async fn pre_start(
        &self,
        me: ActorRef<CommanderMsg>,
        (world, chat): (World, Chat),
    ) -> Result<State, ActorProcessingErr> {
        let client = client(&chat.base)?;
        me.send_message(CommanderMsg::Poll)?;
        let (known, next, poll) = (None, None, None);
        let polled = clock::now();
        Ok(State { world, chat, client, known, next, polled, failures: 0, poll })
    }

    async fn handle(
        &self,
        me: ActorRef<CommanderMsg>,
        message: CommanderMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            CommanderMsg::Poll => state.poll(&me).await,
            CommanderMsg::Got(Ok(all)) => {
                // A request without news is no delivery: only a change is noted.
                if std::mem::take(&mut state.failures) > 0 {
                    state.chat.deliveries.note(NAME, Ok(()));
                }
                // The request that brought nothing new has confirmed the others.
                state.next = None;
                for update in all {
                    state.next = Some(update.id.saturating_add(1));
                    if let Some(message) = update.message {
                        state.take(update.id, message).await?;
                    }
                }
                let rest = PAUSE.saturating_sub(state.polled.elapsed());
                me.send_after(rest, || CommanderMsg::Poll);
                Ok(())
            }
            CommanderMsg::Got(Err(trouble)) => {
                state.chat.deliveries.note(NAME, Err(&trouble.why));
                let wait = back_off(state.failures).min(WAIT_MAX);
                let wait = wait.max(trouble.wait.unwrap_or_default());
                state.failures = state.failures.saturating_add(1);
                me.send_after(wait, || CommanderMsg::Poll);
                Ok(())
            }
        }
    }
}

impl State {
    /// Requests the next updates. The first time, it reads which are facts already.
    async fn poll(&mut self, me: &ActorRef<CommanderMsg>) -> Result<(), ActorProcessingErr> {
        let last_row = self.world.journal.last_row();
        match &mut self.known {
            None => self.known = Some(self.learn().await?),
            // Only this actor appends commands, so it knows all rows up to here.
            Some(known) if last_row >= known.row + KEEP_ROWS => {
                known.row = last_row;
                let known = known.clone();
                self.save(known, false).await?;
            }
            Some(_) => {}
        }
        self.polled = clock::now();
        let url = format!("{}/bot{}/getUpdates", self.chat.base, self.chat.token.expose());
        let asked = json!({
            "offset": self.next,
            "limit": MOST,
            "timeout": HOLD,
            "allowed_updates": ["message"],
        });
        let request = self.client.post(url).json(&asked).timeout(POLL);
        let (me, token) = (me.clone(), self.chat.token.clone());
        self.poll = Some(tokio::spawn(async move {
            let answered = guarded(ask_up_to(request, BYTES)).await;
            let got = match answered {
                Ok(Ok((status, wait, body))) if status.is_success() => {
                    updates(&body).map_err(|why| Trouble { wait, ..Trouble::of(why) })
                }
                Ok(Ok((status, wait, body))) => {
                    let asked = body["parameters"]["retry_after"].as_u64();
                    let wait = wait.max(asked.map(Duration::from_secs)).map(|w| w.min(WAIT_MAX));
                    let said = body["description"].as_str().unwrap_or_default();
                    let said = redacted_by(&token, said);
                    let why = format!("it responds with status {}: {said}", status.as_u16());
                    Err(Trouble { wait, ..Trouble::of(why) })
                }
                Ok(Err(trouble)) => Err(trouble),
                Err(panic) => Err(Trouble::of(panic)),
            };
            // If this actor has ended, its successor requests them again.
            drop(me.send_message(CommanderMsg::Got(got)));
        }));
        Ok(())
    }

    /// Reads the newest update that is a fact.
    async fn learn(&self) -> Result<Position, ActorProcessingErr> {
        // What a predecessor has begun to append is appended.
        let pen = self.world.pens.take(NAME).await;
        let world = self.world.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            let last_row = world.journal.last_row();
            let kept: Option<Position> = Outbox::read(&world.archive, NAME)
                .map_err(|e: ArchiveError| world.history_failed(e.into()))?;
            // One that reaches further belongs to another journal.
            let mut known = kept.filter(|kept| kept.row <= last_row).unwrap_or_default();
            loop {
                let chunks =
                    world.journal.read(known.row + 1, CHUNKS).map_err(|e| e.to_string())?;
                if chunks.is_empty() {
                    break;
                }
                for chunk in chunks {
                    for (fact, row) in chunk.facts.iter().zip(chunk.first_row..) {
                        if let Body::Operator(Operator::RemoteCommand { update, text, .. }) =
                            &fact.body
                            && row > known.row
                        {
                            known.add(*update, text);
                        }
                    }
                    known.row = known.row.max(chunk.last_row());
                }
            }
            Ok::<_, String>(known)
        });
        let known = read.await??;
        self.save(known.clone(), false).await?;
        Ok(known)
    }

    /// Without a code, a save need not be durable: what is lost is read again.
    async fn save(&self, known: Position, durable: bool) -> Result<(), ActorProcessingErr> {
        let world = self.world.clone();
        let pen = world.pens.take(NAME).await;
        let work = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            let saved = world.archive.commit(&[put(NAME, &known)], durable);
            saved.map_err(|e| world.history_failed(e.into()))
        });
        Ok(work.await??)
    }

    /// Handles one message.
    async fn take(&mut self, id: i64, message: ChatMessage) -> Result<(), ActorProcessingErr> {
        if message.chat != self.chat.chat {
            self.chat.counts.add(Outcome::OtherChat);
            return Ok(());
        }
        let Some(command) = command(&message.text) else { return Ok(()) };
        self.world.chaos().point(Site::AfterReceive, NAME);
        let (result, text) = match command {
            Command::Help => (Outcome::Answered, HELP.to_owned()),
            Command::Wrong(why) => (Outcome::Refused, format!("{why}.\n{HELP}")),
            Command::Ask(ask) => {
                let desk = Arc::clone(&self.chat.desk);
                let answer = tokio::task::spawn_blocking(move || desk.answer(ask)).await?;
                self.chat.counts.add(Outcome::Answered);
                self.respond(&answer, true);
                return Ok(());
            }
            Command::Act(act, reason) => self.act(id, &message, act, &reason).await?,
            Command::Flatten => self.send_code(id, message.date).await?,
            Command::FlattenBy(typed) => self.flatten(id, &message, &typed).await?,
        };
        self.chat.counts.add(result);
        self.respond(&text, false);
        Ok(())
    }

    /// The code for a request of `flatten`. A repeated request gets the same code, because the chat
    /// may have typed it already.
    async fn send_code(
        &mut self,
        id: i64,
        date: i64,
    ) -> Result<(Outcome, String), ActorProcessingErr> {
        let now = wall().utc() / 1000;
        let before = self.known.as_ref().and_then(|known| known.code.clone());
        let code = if let Some(code) = before.filter(|code| code.is_for(id)) {
            code
        } else {
            let text = match self.chat.desk.code() {
                Ok(text) => text,
                Err(why) => return Ok((Outcome::Refused, why)),
            };
            let code = Code::new(text, (id, date), now);
            self.keep_code(Some(code.clone())).await?;
            code
        };
        let Some(left) = code.left(now) else { return Ok((Outcome::Refused, expired())) };
        let text = format!(
            "This stops entries and sells all positions. Within {left} s send\n/flatten {}",
            code.text()
        );
        Ok((Outcome::Answered, text))
    }

    /// Makes a code, or its absence, durable with the position.
    async fn keep_code(&mut self, code: Option<Code>) -> Result<(), ActorProcessingErr> {
        // Facts after the position end the code, so the position includes all earlier ones.
        let last_row = self.world.journal.last_row();
        let is_durable = self.world.journal.durable(last_row).await;
        let known = self.known.get_or_insert_default();
        known.code = code;
        if !is_durable {
            // The journal has ended, and the process ends.
            return Ok(());
        }
        known.row = last_row;
        let known = known.clone();
        self.save(known, true).await
    }

    /// The second half of `flatten`.
    async fn flatten(
        &mut self,
        id: i64,
        message: &ChatMessage,
        typed: &str,
    ) -> Result<(Outcome, String), ActorProcessingErr> {
        if self.is_done(id) {
            return self.act(id, message, Act::Flatten, typed).await;
        }
        let code = self.known.as_ref().and_then(|known| known.code.as_ref());
        let Some(code) = code else { return Ok((Outcome::Refused, wrong())) };
        if let Err(why) = code.check(typed, message.date) {
            self.keep_code(None).await?;
            return Ok((Outcome::Refused, why));
        }
        self.act(id, message, Act::Flatten, "typed code").await
    }

    /// Whether an update is a fact already.
    fn is_done(&self, id: i64) -> bool {
        self.known.as_ref().is_some_and(|known| known.updates.contains(&id))
    }

    async fn act(
        &mut self,
        id: i64,
        message: &ChatMessage,
        act: Act,
        reason: &str,
    ) -> Result<(Outcome, String), ActorProcessingErr> {
        if self.is_done(id) {
            return Ok((Outcome::Done, format!("done before: {}", message.text)));
        }
        let age = (wall().utc() / 1000).saturating_sub(message.date);
        if age > AGE {
            let text = format!(
                "not done: {} is {} min old. Send it again if you still want it",
                message.text,
                age / 60
            );
            return Ok((Outcome::Refused, text));
        }
        let ChatMessage { who, text, .. } = message.clone();
        let reason = format!("{VIA} {who}: {reason}");
        let by = Operator::RemoteCommand { via: VIA.to_owned(), update: id, who, text };
        let (desk, pen) = (Arc::clone(&self.chat.desk), self.world.pens.take(NAME).await);
        let world = self.world.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = pen;
            world.chaos().point(Site::BeforeAppend, NAME);
            let done = desk.act(act, &reason, by);
            world.chaos().point(Site::AfterAppend, NAME);
            done
        });
        match done.await? {
            Ok(result) => {
                self.known.get_or_insert_default().add(id, &message.text);
                Ok((Outcome::Done, result))
            }
            Err(why) => Ok((Outcome::Refused, format!("not done: {why}"))),
        }
    }

    /// Sends a text to the chat, once. A lost one is asked for again.
    /// The columns of a table need a font of equal widths.
    fn respond(&self, text: &str, table: bool) {
        let url = format!("{}/bot{}/sendMessage", self.chat.base, self.chat.token.expose());
        let text: String = text.chars().take(CHARACTERS).collect();
        // Telegram counts in units of UTF-16.
        let whole = json!({ "type": "pre", "offset": 0, "length": text.encode_utf16().count() });
        let entities: Vec<Value> = table.then_some(whole).into_iter().collect();
        let request = self.client.post(url).json(&json!({
            "chat_id": self.chat.chat,
            "text": text,
            "entities": entities,
            "link_preview_options": { "is_disabled": true },
        }));
        tokio::spawn(async move {
            let sent: Result<(_, _, Value), _> = ask_up_to(request, BYTES).await;
            match sent {
                Ok((status, ..)) if status.is_success() => {}
                Ok((status, ..)) => tracing::warn!("a response to the chat was refused: {status}"),
                Err(trouble) => tracing::warn!("a response to the chat was lost: {}", trouble.why),
            }
        });
    }
}
