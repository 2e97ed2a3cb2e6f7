//! Carries a [`Session`] over a [`Socket`]: does what the session says and tells it what happens.

use super::session::{Carried, Event, Input, Moment, Output, Protocol, Session};
use super::transport::{ConnectError, Heard, Socket};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

/// What a link is given besides its session.
pub struct Wiring<N, D> {
    /// Address.
    pub url: String,
    /// Name of the connection towards a simulated exchange.
    pub connection: String,
    /// Both clocks.
    pub now: N,
    /// A new random number each call.
    pub dice: D,
}

/// Runs the session until `sink` breaks or the venue refuses for good, and gives the session back:
/// it can be restarted and run again. The sink is called for every event with what the connection
/// has carried by then, the event's own message included; it must not block, for pings are answered
/// by the same task. Dropping the future drops the connection.
pub async fn run<P, N, D, S>(
    mut session: Session<P>,
    wiring: &mut Wiring<N, D>,
    mut sink: S,
) -> Session<P>
where
    P: Protocol,
    N: FnMut() -> Moment,
    D: FnMut() -> u64,
    S: FnMut(Event<P::Frame>, Carried) -> ControlFlow<()>,
{
    let mut socket: Option<Socket> = None;
    let mut todo: VecDeque<Output<P::Frame>> = VecDeque::new();
    loop {
        let heard = match todo.pop_front() {
            Some(Output::Event(event)) => {
                if sink(event, session.carried()).is_break() {
                    return session;
                }
                None
            }
            Some(Output::Drop) => {
                socket = None;
                None
            }
            Some(Output::Connect) => Some(connect(&mut socket, wiring).await),
            Some(Output::Send(text)) => match &mut socket {
                Some(open) => open.send(text).await.err().map(Heard::Closed).map(Told::Heard),
                None => None,
            },
            None if session.is_stopped() => return session,
            None => Some(listen(&mut socket, &session, (wiring.now)()).await),
        };
        if let Some(told) = heard {
            let now = (wiring.now)();
            todo.extend(session.handle(told.input(), now, (wiring.dice)()));
        }
    }
}

enum Told {
    Tick,
    Connected(Result<(), ConnectError>),
    Heard(Heard),
}

impl Told {
    fn input(&self) -> Input<'_> {
        match self {
            Told::Tick => Input::Tick,
            Told::Connected(Ok(())) => Input::Opened,
            Told::Connected(Err(e)) => {
                let (why, again, wait_ms) = match e {
                    ConnectError::Network(why) => (why, true, None),
                    ConnectError::Refused(why) => (why, false, None),
                    ConnectError::Later { why, retry_after_ms } => (why, true, *retry_after_ms),
                };
                Input::Failed { why: why.clone(), again, wait_ms }
            }
            Told::Heard(Heard::Text(text)) => Input::Text(text),
            Told::Heard(Heard::Alive) => Input::Alive,
            Told::Heard(Heard::Closed(why)) => Input::Closed(why.clone()),
        }
    }
}

async fn connect<N, D>(socket: &mut Option<Socket>, wiring: &Wiring<N, D>) -> Told {
    Told::Connected(match Socket::open(&wiring.url, &wiring.connection).await {
        Ok(open) => {
            *socket = Some(open);
            Ok(())
        }
        Err(e) => Err(e),
    })
}

/// Waits for the connection or the session's deadline, whichever comes first.
async fn listen<P: Protocol>(
    socket: &mut Option<Socket>,
    session: &Session<P>,
    now: Moment,
) -> Told {
    let hear = async {
        match socket {
            Some(open) => open.next().await,
            None => std::future::pending().await,
        }
    };
    match session.deadline() {
        Some(at) => {
            let left = u64::try_from(at.saturating_sub(now.wall)).unwrap_or(0);
            match tokio::time::timeout(Duration::from_millis(left), hear).await {
                Ok(heard) => Told::Heard(heard),
                Err(_) => Told::Tick,
            }
        }
        None => Told::Heard(hear.await),
    }
}
