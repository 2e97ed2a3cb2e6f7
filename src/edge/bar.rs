//! A bar actor: one symbol's closed bars, from the stream and, where the stream has a hole, from
//! the venue's records.

use super::closer::CloserMsg;
use super::world::{Passing, World, path};
use crate::domain::fact::Market;
use crate::domain::id::Symbol;
use crate::domain::market::Bar;
use crate::domain::time::{MINUTE, Timeframe, UtcMs};
use crate::history::bars;
use crate::history::fetch::fetch;
use crate::venue::port::{CLOSE_MARGIN, ErrorClass, VenueError};
use everwarm_runtime::chaos::Site;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Past bars fetched for a symbol that has none.
pub const HISTORY_BARS: i64 = 1000;
/// Wall time between tries where the venue does not answer.
const RETRY: Duration = Duration::from_millis(200);

/// What a bar actor is told.
#[derive(Debug)]
pub enum BarMsg {
    /// A bar as the stream has it.
    Update {
        /// The bar.
        bar: Bar,
        /// Whether it is final.
        closed: bool,
    },
    /// Look through the venue's records from the end of the last bar said on; none: from the
    /// beginning.
    Look {
        /// End of the last bar said.
        from: Option<UtcMs>,
    },
    /// The stream was interrupted: look again from wherever the closer stands.
    Interrupted,
}

/// The actor.
pub struct BarActor;

/// Its state.
pub struct State {
    world: World,
    symbol: Symbol,
    /// End of the newest bar passed on.
    newest: Option<UtcMs>,
    look: Option<JoinHandle<()>>,
}

impl Drop for State {
    fn drop(&mut self) {
        // A look that nobody waits for is not finished.
        if let Some(look) = self.look.take() {
            look.abort();
        }
    }
}

impl Actor for BarActor {
    type Msg = BarMsg;
    type State = State;
    type Arguments = (World, Symbol);

    async fn pre_start(
        &self,
        _: ActorRef<BarMsg>,
        (world, symbol): (World, Symbol),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { world, symbol, newest: None, look: None })
    }

    async fn post_start(
        &self,
        _: ActorRef<BarMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.world.tell(path::CLOSER, CloserMsg::Hello(state.symbol));
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<BarMsg>,
        message: BarMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.world.chaos().point(Site::AfterReceive, state.symbol.as_str());
        match message {
            BarMsg::Update { bar, closed: true } => state.closed(bar),
            BarMsg::Update { closed: false, .. } => {}
            BarMsg::Interrupted => state.world.tell(path::CLOSER, CloserMsg::Hello(state.symbol)),
            BarMsg::Look { from } => state.look(from),
        }
        Ok(())
    }
}

impl State {
    fn closed(&mut self, bar: Bar) {
        let close = bar.open_time + MINUTE;
        let hole = self.newest.is_some_and(|newest| close > newest + MINUTE);
        if hole && self.world.passing != Passing::Lockstep {
            self.world.tell(path::CLOSER, CloserMsg::Hello(self.symbol));
        }
        self.newest = self.newest.max(Some(close));
        self.world.tell(path::CLOSER, CloserMsg::Closed(bar));
    }

    fn look(&mut self, from: Option<UtcMs>) {
        if let Some(before) = self.look.take() {
            before.abort();
        }
        let (world, symbol) = (self.world.clone(), self.symbol);
        self.look = Some(tokio::spawn(async move {
            world.board.begun().await;
            loop {
                // However many symbols look at once, orders and the account get their turn.
                let turn = world.lookups.acquire().await;
                match look(&world, symbol, from).await {
                    Ok(looked) => return world.tell(path::CLOSER, looked),
                    Err(e) => tracing::debug!(%symbol, error = %e, "bars are asked for again"),
                }
                drop(turn);
                tokio::time::sleep(RETRY).await;
            }
        }));
    }
}

/// Fetches what has closed since `from`, or the history where there is nothing yet.
async fn look(world: &World, symbol: Symbol, from: Option<UtcMs>) -> Result<CloserMsg, VenueError> {
    let through = Timeframe::M1.open_of(released(world).await?);
    let first = from.unwrap_or(through - HISTORY_BARS * MINUTE);
    let times = first..=through - MINUTE;
    let found = fetch(&world.venue, (symbol, Timeframe::M1), times.clone()).await?;
    let (bars, history) = match from {
        None => (Vec::new(), Some(keep(world, symbol, found, times)?)),
        Some(_) => (found, None),
    };
    Ok(CloserMsg::Looked { symbol, bars, history, through })
}

/// Venue time up to which bars are closed for good. An exchange that moves in lockstep is exact;
/// another may still be closing the last bar.
async fn released(world: &World) -> Result<UtcMs, VenueError> {
    if let (Passing::Lockstep, Some(admin)) = (world.passing, &world.admin) {
        return Ok(admin.status().await?.market);
    }
    Ok(world.venue.server_time().await?.server - CLOSE_MARGIN)
}

/// Writes past bars to the history and says what announces them. That there are none is said too:
/// only so does a life that follows know where the past ends and closes begin.
fn keep(
    world: &World,
    symbol: Symbol,
    found: Vec<Bar>,
    times: RangeInclusive<UtcMs>,
) -> Result<Market, VenueError> {
    let said = bars::keep(&world.archive, Timeframe::M1, &[(symbol, found)]);
    let said = said.map_err(|e| VenueError {
        class: ErrorClass::NotSent,
        code: 0,
        text: format!("history: {}", world.history_failed(e)),
    })?;
    Ok(said.into_iter().next().unwrap_or_else(|| bars::nothing(symbol, Timeframe::M1, times)))
}
