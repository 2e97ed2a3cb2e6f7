//! The feed: the market streams of all live symbols, over as many connections as needed. Each
//! connection is checked for silence, reconnected and replaced automatically.
//!
//! The feed decodes bars and passes them on. The bar actors fetch what it may have missed. New and
//! removed symbols change the subscriptions of existing connections. Open bars are not passed on,
//! because the closed bar has all values. If closed bars come faster than they are handled, they
//! are dropped and fetched.

use crate::market::bar::BarMsg;
use crate::market::closer::CloserMsg;
use crate::market::confirm::refuse;
use crate::market::connections::ConnectionPlan;
use crate::stream::{Stream, listener, sink};
use crate::world::{BARS_WAITING, World};
use everwarm_domain::id::Symbol;
use everwarm_domain::path;
use everwarm_domain::time::Timeframe;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::mailbox::{Mailbox, Ticket};
use everwarm_venue::port::MarketReport;
use everwarm_venue::session::Event;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Its name at kill points.
pub const NAME: &str = "feed";

/// Messages of the feed.
#[derive(Debug)]
pub enum FeedMsg {
    /// An event of the connection with this number.
    Received(usize, Box<Event<MarketReport>>, Ticket),
    /// The live symbols changed.
    Listed,
    /// A stream has ended, and why.
    Ended(String),
}

/// The actor.
pub struct Feed;

/// One connection.
struct Line {
    /// The symbols that it is to carry.
    wanted: watch::Sender<Arc<[Symbol]>>,
    /// The symbols that are subscribed, as the stream reported.
    subscribed: Arc<[Symbol]>,
    /// Runs as long as this state exists.
    _stream: Stream,
}

/// Its state.
pub struct State {
    world: World,
    /// Whether bars were dropped.
    missed: Arc<AtomicBool>,
    plan: ConnectionPlan,
    lines: Vec<Line>,
    /// Reports changes of the live symbols.
    _listed: JoinSet<()>,
}

impl State {
    /// Assigns every live symbol to a connection.
    fn carry(&mut self, me: &ActorRef<FeedMsg>) {
        let live = self.world.board.live().borrow().clone();
        self.plan.turn(&live);
        for (number, part) in self.plan.parts().iter().enumerate() {
            if let Some(line) = self.lines.get(number) {
                line.wanted.send_if_modified(|wanted| {
                    let other = wanted[..] != part[..];
                    if other {
                        *wanted = part.as_slice().into();
                    }
                    other
                });
                continue;
            }
            let (wanted, carried) = watch::channel(part.as_slice().into());
            let mailbox =
                Arc::clone(self.world.directory.slot(&self.world.places.feed()).mailbox());
            let kept = limited(number, mailbox, Arc::clone(&self.missed));
            let to_message = measured(&self.world, number, kept);
            let listener = listener(&self.world, self.world.connections());
            let sink = sink(me.clone(), to_message);
            let bars = self.world.source.follow(carried, Timeframe::M1, listener, sink);
            let stream = Stream::run(&self.world, bars, me.clone(), FeedMsg::Ended);
            self.lines.push(Line { wanted, subscribed: Arc::default(), _stream: stream });
        }
    }

    /// Handles an event. A bar keeps its ticket until its receiver has taken it.
    fn receive(&mut self, number: usize, event: Event<MarketReport>, ticket: Ticket) {
        let (world, lines) = (&self.world, &mut self.lines);
        if self.missed.swap(false, AcqRel) {
            for symbol in lines.iter().flat_map(|line| line.subscribed.iter()) {
                world.send(&World::bar_path(*symbol), BarMsg::Interrupted);
            }
        }
        match event {
            Event::Frame(MarketReport::Bar {
                bar, timeframe: Timeframe::M1, closed: true, ..
            }) => {
                world.chaos().point(Site::AfterReceive, NAME);
                world.send(&World::bar_path(bar.symbol), BarMsg::Closed(bar, ticket));
            }
            Event::Frame(MarketReport::Unheld(bar)) => {
                let symbol = bar.symbol;
                world.send(path::CLOSER, CloserMsg::Unheld(refuse(bar), ticket));
                world.send(&World::bar_path(symbol), BarMsg::Interrupted);
            }
            Event::Frame(MarketReport::Bar { .. } | MarketReport::Other { .. })
            | Event::Ending { .. } => {}
            Event::Subscribed | Event::Garbled { .. } => {
                let Some(line) = lines.get_mut(number) else { return };
                line.subscribed = line.wanted.borrow().clone();
                for symbol in line.subscribed.iter() {
                    world.send(&World::bar_path(*symbol), BarMsg::Interrupted);
                }
            }
            Event::Turned => {
                let Some(line) = lines.get_mut(number) else { return };
                let now = line.wanted.borrow().clone();
                let before = std::mem::replace(&mut line.subscribed, Arc::clone(&now));
                for symbol in now.iter().filter(|s| before.binary_search(s).is_err()) {
                    world.send(&World::bar_path(*symbol), BarMsg::Interrupted);
                }
            }
            Event::Lost { why, again: true } => tracing::debug!(why, number, "market stream lost"),
            Event::Lost { why, again: false } => {
                tracing::warn!(why, number, "market stream refused; it is tried again");
            }
        }
    }
}

impl Actor for Feed {
    type Msg = FeedMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<FeedMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let mut live = world.board.live();
        live.mark_unchanged();
        let (mut listed, feed) = (JoinSet::new(), me.clone());
        listed.spawn(async move {
            while live.changed().await.is_ok() && feed.send_message(FeedMsg::Listed).is_ok() {}
        });
        world.board.meters.market.begin();
        let (plan, missed) = (ConnectionPlan::new(world.streams), Arc::default());
        let lines = Vec::new();
        let mut state = State { world, missed, plan, lines, _listed: listed };
        state.carry(&me);
        Ok(state)
    }

    async fn handle(
        &self,
        me: ActorRef<FeedMsg>,
        message: FeedMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            FeedMsg::Received(number, event, ticket) => state.receive(number, *event, ticket),
            FeedMsg::Listed => state.carry(&me),
            FeedMsg::Ended(why) => return Err(why.into()),
        }
        Ok(())
    }
}

/// The same with metrics: the events, their delay, and dropped bars.
fn measured(
    world: &World,
    number: usize,
    mut to_message: impl FnMut(Box<Event<MarketReport>>) -> Option<FeedMsg> + Send + 'static,
) -> impl FnMut(Box<Event<MarketReport>>) -> Option<FeedMsg> + Send + 'static {
    let world = world.clone();
    move |event| {
        let meters = &world.board.meters;
        let closed = match &*event {
            Event::Frame(MarketReport::Bar { closed: true, time, .. }) => {
                let late = world.now().saturating_sub(*time).max(0);
                meters.latency.count(late.saturating_mul(1_000_000));
                true
            }
            Event::Frame(
                MarketReport::Bar { .. } | MarketReport::Unheld(_) | MarketReport::Other { .. },
            )
            | Event::Subscribed
            | Event::Turned
            | Event::Garbled { .. }
            | Event::Lost { .. }
            | Event::Ending { .. } => false,
        };
        meters.market.count(number, &event, closed);
        let message = to_message(event);
        if closed && message.is_none() {
            meters.market.dropped.fetch_add(1, Relaxed);
        }
        message
    }
}

/// Turns events of a connection into messages. Only a limited number of bars waits for the feed at
/// a time. Events about the stream itself always get through.
fn limited(
    number: usize,
    mailbox: Arc<Mailbox>,
    missed: Arc<AtomicBool>,
) -> impl FnMut(Box<Event<MarketReport>>) -> Option<FeedMsg> + Send + 'static {
    move |event| {
        let ticket = match &*event {
            Event::Frame(MarketReport::Bar { closed: true, .. } | MarketReport::Unheld(_)) => {
                let ticket = mailbox.take_or_drop(BARS_WAITING);
                missed.fetch_or(ticket.is_none(), AcqRel);
                ticket?
            }
            Event::Frame(_) => return None,
            Event::Subscribed
            | Event::Turned
            | Event::Garbled { .. }
            | Event::Lost { .. }
            | Event::Ending { .. } => mailbox.take(),
        };
        Some(FeedMsg::Received(number, event, ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::market::Bar;
    use everwarm_domain::money::{Decimal, Price};

    fn bar(open_time: i64, closed: bool) -> Event<MarketReport> {
        let (symbol, price) = (Symbol::new("A").unwrap(), Price::e8(1));
        let (open, high, low, close) = (price, price, price, price);
        let bar = Bar { symbol, open_time, open, high, low, close, volume: Decimal::ONE };
        let timeframe = Timeframe::M1;
        Event::Frame(MarketReport::Bar { bar, timeframe, closed, time: 0 })
    }

    #[test]
    fn a_flood_of_the_market_is_cut_off_and_noted_and_the_stream_itself_is_heard() {
        let (mailbox, missed) = (Arc::new(Mailbox::default()), Arc::new(AtomicBool::new(false)));
        let mut to_message = limited(0, Arc::clone(&mailbox), Arc::clone(&missed));
        let mut waiting = Vec::new();
        for minute in 0..100_000 {
            assert!(
                to_message(Box::new(bar(minute, false))).is_none(),
                "its closed bar has all values"
            );
            waiting.extend(to_message(Box::new(bar(minute, true))));
        }
        assert_eq!((waiting.len(), mailbox.deepest()), (BARS_WAITING, BARS_WAITING));
        assert!(missed.swap(false, AcqRel));
        assert!(to_message(Box::new(Event::Subscribed)).is_some());
        waiting.clear();
        assert!(to_message(Box::new(bar(0, true))).is_some(), "there is room again");
        assert!(!missed.swap(false, AcqRel));
    }
}
