//! Runs a [`Session`] over [`Socket`]s: performs its outputs and passes events to it.

use super::session::{Connection, Event, Input, Moment, Output, Protocol, Session};
use super::transport::{ConnectError, Socket, SocketEvent};
use everwarm_domain::time::SteadyMs;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

/// The dependencies of a link besides its session.
pub struct Wiring<N, D, A, L> {
    /// Address.
    pub url: String,
    /// Reads the clocks.
    pub now: N,
    /// Returns a new random number on each call.
    pub dice: D,
    /// Called before each connection: whether it may be opened, or how long to wait, milliseconds.
    pub admit: A,
    /// Called if the venue requests a wait instead of accepting a connection or subscription, with
    /// the milliseconds.
    pub limited: L,
}

/// Wall time before a new attempt at a stream that the venue rejected for good.
const REJECTED: Duration = Duration::from_secs(30);

/// Runs a session until `sink` breaks. After a final rejection it still retries, at long intervals:
/// a key may be repaired. If the actor failed instead, it would end other actors, too.
pub async fn carry<P, N, D, A, L, S>(
    mut session: Session<P>,
    mut wiring: Wiring<N, D, A, L>,
    mut sink: S,
) where
    P: Protocol + Send,
    N: FnMut() -> Moment,
    D: FnMut() -> u64,
    A: FnMut() -> Result<(), u64>,
    L: FnMut(u64),
    S: FnMut(Event<P::Frame>) -> ControlFlow<()>,
{
    loop {
        session = run(session, &mut wiring, &mut sink).await;
        if !session.is_stopped() {
            return;
        }
        tokio::time::sleep(REJECTED).await;
        session.restart();
    }
}

/// Runs the session until `sink` breaks or the venue rejects it for good. Returns the session,
/// which can be restarted. It calls the sink for every event. The sink must not block, since the
/// same task responds to pings. Dropping the future drops the connections.
pub async fn run<P, N, D, A, L, S>(
    mut session: Session<P>,
    wiring: &mut Wiring<N, D, A, L>,
    mut sink: S,
) -> Session<P>
where
    P: Protocol + Send,
    N: FnMut() -> Moment,
    D: FnMut() -> u64,
    A: FnMut() -> Result<(), u64>,
    L: FnMut(u64),
    S: FnMut(Event<P::Frame>) -> ControlFlow<()>,
{
    let mut sockets = Sockets::default();
    let mut todo: VecDeque<Output<P::Frame>> = VecDeque::new();
    loop {
        let event = match todo.pop_front() {
            Some(Output::Event(event)) => {
                if sink(event).is_break() {
                    return session;
                }
                None
            }
            Some(Output::Drop(id)) => {
                sockets.drop(id);
                None
            }
            Some(Output::Limited(ms)) => {
                (wiring.limited)(ms);
                None
            }
            Some(Output::Connect(id)) => {
                sockets.connect(id, &wiring.url, (wiring.admit)());
                None
            }
            Some(Output::Send(id, text)) => sockets.send(id, Some(text)).await,
            Some(Output::Ping(id)) => sockets.send(id, None).await,
            None if session.is_stopped() => return session,
            None => {
                let (deadline, now) = (session.deadline(), (wiring.now)());
                Some(tokio::select! {
                    event = sockets.listen(deadline, now) => event,
                    () = session.turned() => LinkEvent::Turned,
                })
            }
        };
        if let Some(event) = event {
            if let LinkEvent::Connected(Err(ConnectError::Later {
                retry_after_ms: Some(ms), ..
            })) = &event
            {
                (wiring.limited)(*ms);
            }
            let now = (wiring.now)();
            todo.extend(session.handle(event.input(), now, (wiring.dice)()));
        }
    }
}

enum LinkEvent {
    Tick,
    Turned,
    Connected(Result<(), ConnectError>),
    Received(Connection, SocketEvent),
}

impl LinkEvent {
    fn input(&self) -> Input<'_> {
        match self {
            LinkEvent::Tick => Input::Tick,
            LinkEvent::Turned => Input::Turned,
            LinkEvent::Connected(Ok(())) => Input::Opened,
            LinkEvent::Connected(Err(e)) => {
                let (why, again, wait_ms) = match e {
                    ConnectError::Network(why) => (why, true, None),
                    ConnectError::Refused(why) => (why, false, None),
                    ConnectError::Later { why, retry_after_ms } => (why, true, *retry_after_ms),
                    ConnectError::Held { why, wait_ms } => (why, true, Some(*wait_ms)),
                };
                Input::Failed { why: why.clone(), again, wait_ms }
            }
            LinkEvent::Received(id, SocketEvent::Text(text)) => Input::Text(*id, text),
            LinkEvent::Received(id, SocketEvent::Alive) => Input::Alive(*id),
            LinkEvent::Received(id, SocketEvent::Closed(why)) => Input::Closed(*id, why.clone()),
        }
    }
}

type Opening = std::pin::Pin<Box<dyn Future<Output = Result<Socket, ConnectError>> + Send>>;

/// The open connections: at most the one in use and its successor. One more may be opening.
#[derive(Default)]
struct Sockets {
    open: Vec<(Connection, Socket)>,
    opening: Option<(Connection, Opening)>,
}

impl Sockets {
    fn drop(&mut self, id: Connection) {
        self.open.retain(|(of, _)| *of != id);
    }

    fn connect(&mut self, id: Connection, url: &str, admitted: Result<(), u64>) {
        let url = url.to_owned();
        let opening: Opening = match admitted {
            Ok(()) => Box::pin(async move { Socket::open(&url).await }),
            Err(wait) => {
                let why = "the venue's request budget is used up for now".to_owned();
                Box::pin(std::future::ready(Err(ConnectError::Held { why, wait_ms: wait })))
            }
        };
        self.opening = Some((id, opening));
    }

    /// Sends a text, or a ping if there is none.
    async fn send(&mut self, id: Connection, text: Option<String>) -> Option<LinkEvent> {
        let (_, socket) = self.open.iter_mut().find(|(of, _)| *of == id)?;
        let sent = match text {
            Some(text) => socket.send(text).await,
            None => socket.ping().await,
        };
        let failed = sent.err();
        failed.map(|why| LinkEvent::Received(id, SocketEvent::Closed(why)))
    }

    /// Waits for a connection or for the session's deadline.
    async fn listen(&mut self, deadline: Option<SteadyMs>, now: Moment) -> LinkEvent {
        let tick = async {
            match deadline {
                Some(at) => {
                    let left = u64::try_from(at - now.steady).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(left)).await;
                }
                None => std::future::pending().await,
            }
        };
        let opened = async {
            match &mut self.opening {
                Some((id, opening)) => (*id, opening.await),
                None => std::future::pending().await,
            }
        };
        let mut sockets = self.open.iter_mut();
        let (first, second) = (sockets.next(), sockets.next());
        tokio::select! {
            (id, event) = receive(first) => LinkEvent::Received(id, event),
            (id, event) = receive(second) => LinkEvent::Received(id, event),
            (id, result) = opened => {
                self.opening = None;
                LinkEvent::Connected(result.map(|socket| self.open.push((id, socket))))
            }
            () = tick => LinkEvent::Tick,
        }
    }
}

async fn receive(socket: Option<&mut (Connection, Socket)>) -> (Connection, SocketEvent) {
    match socket {
        Some((id, socket)) => (*id, socket.next().await),
        None => std::future::pending().await,
    }
}
