//! What the daemon does for the chat that may send commands.

use super::answers::LiveContext;
use super::switch;
use everwarm_api::chance;
use everwarm_cli::{status_lines, story_lines};
use everwarm_config::Receiver;
use everwarm_config::messages::Messages;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::switch::Switch;
use everwarm_edge::world::World;
use everwarm_messages::commander::{Chat, Commander, Desk, NAME};
use everwarm_messages::commands::{Act, Ask};
use everwarm_runtime::supervise::{ChildSpec, worker};
use everwarm_views::exit::Failure;
use everwarm_views::questions::{self, Asked, Json, ORDERS, POSITIONS, Question};
use everwarm_views::summary::{SummaryView, html};
use everwarm_views::views::SwitchRequest;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Rows of a list in a chat.
const ROWS: usize = 20;
/// Digits of a code.
const DIGITS: usize = 4;
/// Columns of a table in a chat.
const WIDTH: usize = 60;

/// The actor, if a chat may send commands.
pub fn actor(
    messages: &Messages,
    world: &World,
    context: &Arc<LiveContext>,
    on: &Handle,
) -> Option<ChildSpec> {
    let telegram = |receiver: &Receiver| match receiver {
        Receiver::Telegram { base, token, chat } => {
            Some((base.clone(), token.clone(), chat.clone()))
        }
        Receiver::Webhook { .. } => None,
    };
    let found = messages.receivers.iter().find_map(telegram).filter(|_| messages.commands);
    let (base, token, chat) = found?;
    let desk = Arc::new(ChatDesk { world: world.clone(), context: Arc::clone(context) });
    let (counts, deliveries) = (context.commands.clone(), context.deliveries.clone());
    let chat = Chat { base, token, chat, desk, counts, deliveries };
    let world = world.clone();
    Some(worker(NAME, move |_| (Commander, (world.clone(), chat.clone()))).on(on.clone()))
}

struct ChatDesk {
    world: World,
    context: Arc<LiveContext>,
}

impl ChatDesk {
    fn lines(&self, ask: Ask) -> Result<Vec<String>, Failure> {
        let asked = |question: &Question, asked: &Asked| -> Result<Json, Failure> {
            Ok((question.answer)(self.context.as_ref(), asked)?.json)
        };
        let list = |question: &Question, asked_for: &Asked| -> Result<Vec<String>, Failure> {
            let rows = asked(question, asked_for)?.rows()?;
            if rows.is_empty() {
                return Ok(vec![question.none.to_owned()]);
            }
            Ok(questions::table(question.columns, &rows).lines(WIDTH))
        };
        Ok(match ask {
            Ask::Status => status_lines(&asked(&questions::STATUS, &Asked::default())?.read()?),
            Ask::Positions => list(&POSITIONS, &Asked::default())?,
            Ask::Orders => list(&ORDERS, &Asked::default().with("limit", Some(ROWS)))?,
            Ask::Profit => {
                let view: SummaryView = asked(&questions::SUMMARY, &Asked::default())?.read()?;
                let rows = html::facts(&view).into_iter();
                rows.map(|[name, value]| format!("{name}: {value}")).collect()
            }
            Ask::WhyNot(symbol) => {
                let of = Asked::default().with("symbol", Some(symbol));
                story_lines(&asked(&questions::WHY_NOT, &of)?.read()?, WIDTH, false)
            }
        })
    }
}

impl Desk for ChatDesk {
    fn answer(&self, ask: Ask) -> String {
        match self.lines(ask) {
            Ok(lines) => lines.join("\n"),
            Err(failure) => failure.to_string(),
        }
    }

    fn act(&self, act: Act, reason: &str, by: Operator) -> Result<String, String> {
        let switch = match act {
            Act::Halt => Switch::Halt,
            Act::Resume => Switch::Resume,
            Act::Flatten => Switch::Flatten,
        };
        let request = SwitchRequest { switch, reason: reason.to_owned() };
        let done = switch::live(&self.world, &request, Some(Body::Operator(by)));
        done.map(|view| view.text).map_err(|failure| failure.to_string())
    }

    fn code(&self) -> Result<String, String> {
        let chance = chance().map_err(|e| e.to_string())?;
        let number = u64::from_str_radix(&chance[..8], 16).map_err(|e| e.to_string())?;
        Ok(format!("{:0DIGITS$}", number % 10_u64.pow(4)))
    }
}
