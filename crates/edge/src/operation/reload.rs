//! Puts another configuration in force while the daemon trades. It is judged against what is held
//! at the head of the journal, and appended there or not at all.
//!
//! Nothing here is stored. The actors that judge and append may be killed at any moment. Then the
//! old or the new configuration is in force. The caller reads the board and requests again.

use crate::market::universe::UniverseMsg;
use crate::operation::config::{ConfigMsg, Content, Standing};
use crate::world::World;
use everwarm_domain::path;
use everwarm_runtime::clock;
use everwarm_trading::reload::Refusal;
use everwarm_trading::specs_of;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Wall time an actor may take to respond before the request is repeated.
const ANSWER: Duration = Duration::from_millis(500);
/// Wall time before a request to an actor that was replaced is repeated.
const AGAIN: Duration = Duration::from_millis(5);
/// Wall time after which the stages count as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result of a reload.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is in force already, from the same sources.
    Unchanged,
    /// It is in force from here on, and on disk, under this generation.
    Applied(u64),
    /// It may be put in force. Nothing was done.
    Possible,
    /// What is held forbids it.
    Refused(Vec<Refusal>),
}

/// Why a reload has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOutcome {
    /// The stages make no progress. What is in force stays in force.
    #[error("the stages do not reach the head of the journal; `everwarm status` shows why")]
    Stuck,
    /// The journal has ended.
    #[error("the journal has ended")]
    Ended,
}

/// What is configured and switched now.
#[must_use]
pub fn standing(world: &World) -> Arc<Standing> {
    Arc::clone(&world.board.config().borrow())
}

/// Puts `content` in force, or only checks whether that is possible (`dry`). `source` is the digest
/// of the configuration sources.
///
/// # Errors
/// See [`NoOutcome`].
pub async fn apply(
    world: &World,
    content: &Content,
    source: &str,
    dry: bool,
) -> Result<Outcome, NoOutcome> {
    let began = clock::now();
    let first = standing(world).now.generation;
    while began.elapsed() < PATIENCE {
        let stands = standing(world);
        let now = &stands.now;
        if now.source == source && now.content.digest() == content.digest() {
            if now.generation == first {
                return Ok(Outcome::Unchanged);
            }
            // The actor that appended it ended before it responded.
            return durable(world, world.journal.last_row(), now.generation).await;
        }
        let Some((at, mut refusals)) = judge(world, &stands, content).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let specs = specs_of(&world.journal.members(), &content.settings());
        refusals.extend(specs.err().map(|reason| Refusal { key: "strategy", reason }));
        if !refusals.is_empty() {
            return Ok(Outcome::Refused(refusals));
        }
        if dry {
            return Ok(Outcome::Possible);
        }
        let base = now.generation;
        let (reply, answer) = oneshot::channel();
        let (content, source) = (content.clone(), source.to_owned());
        world.send(path::CONFIG, ConfigMsg::Apply { at, base, content, source, reply });
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(Ok(Some(row))) => return durable(world, row, base + 1).await,
            // Another input came meanwhile, or a strategy is still leaving: judge again.
            Ok(Ok(None) | Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
    Err(NoOutcome::Stuck)
}

async fn durable(world: &World, row: u64, generation: u64) -> Result<Outcome, NoOutcome> {
    if world.journal.durable(row).await {
        Ok(Outcome::Applied(generation))
    } else {
        Err(NoOutcome::Ended)
    }
}

/// The objections to `content`, and the input up to which they hold; none without a response.
async fn judge(world: &World, stands: &Standing, content: &Content) -> Option<(u64, Vec<Refusal>)> {
    let (reply, judged) = oneshot::channel();
    let (old, new) = (stands.now.content.settings(), content.settings());
    let both = Box::new((old, new));
    world.send(path::UNIVERSE, UniverseMsg::Judge { both, reply });
    tokio::time::timeout(ANSWER, judged).await.ok()?.ok()
}
