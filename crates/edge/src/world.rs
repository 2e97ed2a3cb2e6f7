//! What the edge actors of one process share: handles, but no facts.

use super::board::Board;
use crate::market::final_bars::FinalBars;
use crate::write_lock::Pens;
use everwarm_domain::fact::Body;
use everwarm_domain::id::Symbol;
use everwarm_domain::path::{self, Places};
use everwarm_domain::time::UtcMs;
use everwarm_history::HistoryLibrary;
use everwarm_history::fetched_bars::Keeper;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::store::StoreError;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::Directory;
use everwarm_venue::clock::SharedClock;
use everwarm_venue::port::VenueError;
use everwarm_venue::simulated::{Admin, Wheel};
use everwarm_venue::{Source, Venue};
use ractor::Message;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// How time passes at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// The pacer moves it.
    Lockstep,
    /// It passes automatically, this many times as fast as ours.
    Scaled(u32),
}

impl Passing {
    /// How long requests may be under way if `wanted` is configured, milliseconds of venue time. At
    /// a scaled venue requests age as fast as its time passes.
    #[must_use]
    pub const fn recv_window(self, wanted: i64) -> i64 {
        match self {
            Passing::Lockstep | Passing::Scaled(1) => wanted,
            Passing::Scaled(_) => 60_000,
        }
    }
}

/// Symbols whose bars are queried at the same time.
pub const LOOKUPS: usize = 8;
/// How far our estimate of the venue's time may be off, milliseconds of wall time.
const OFF: UtcMs = 2_000;

/// Most bars that wait for one actor: four minutes of a thousand symbols.
pub const BARS_WAITING: usize = 4_000;
/// Reports on orders that wait for one actor, above which a person should check it. No report is
/// ever held back.
pub const ORDERS_WAITING: usize = 1_000;

/// What all edge actors share.
#[derive(Clone)]
pub struct World {
    /// The names of the venue and the source, and the paths that contain them.
    pub places: Places,
    /// The journal.
    pub journal: Arc<Journal<Body>>,
    /// Projections and past bars.
    pub archive: Arc<Archive>,
    /// Resolves inputs that refer to past bars.
    pub library: Arc<HistoryLibrary>,
    /// The venue, which takes orders.
    pub venue: Arc<dyn Venue>,
    /// The source of bars.
    pub source: Arc<dyn Source>,
    /// The venue's clock.
    pub clock: SharedClock,
    /// Whether anybody has read it; see [`World::read_clock`].
    pub clock_read: Arc<OnceCell<()>>,
    /// Moves the venue's time, if it stands still otherwise.
    pub wheel: Option<Arc<dyn Wheel>>,
    /// The control of the simulated exchange, if the venue is one.
    pub admin: Option<Admin>,
    /// Most streams on one market connection.
    pub streams: usize,
    /// Whether the venue trades real money.
    pub live: bool,
    /// Wall time between comparisons of the account while trading, as the process was started;
    /// none: only at starts. See [`World::compare_every`].
    pub compare: Option<Duration>,
    /// How the venue's time passes.
    pub passing: Passing,
    /// Venue time up to which bars are final. One query serves many callers.
    pub final_bars: Arc<FinalBars>,
    /// Stores past bars.
    pub keeper: Arc<Keeper>,
    /// Which actors have nothing left to do, and what else the pacer waits for.
    pub board: Arc<Board>,
    /// Finds actors by path.
    pub directory: Directory,
    /// Permits to query bars, [`LOOKUPS`] in all.
    pub lookups: Arc<Semaphore>,
    /// Locks for writing into the history, by name.
    pub pens: Arc<Pens>,
    /// Called when a file can no longer be used.
    pub on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
}

impl World {
    /// Sends a message to the actor at `path`. A message is a hint: the successor of an ended
    /// instance checks on its own.
    pub fn send<M: Message>(&self, path: &str, message: M) {
        drop(self.directory.slot(path).send(message));
    }

    /// Waits for room in the mailbox of the actor at `path`: for bars.
    pub async fn room(&self, path: &str) -> Ticket {
        room(&self.directory, path).await
    }

    /// A place for a report on an order: immediately, however many wait.
    #[must_use]
    pub fn place(&self, path: &str) -> Ticket {
        place(&self.directory, path)
    }

    /// Handles an error of the history. If its file cannot be read or written, the process ends, as
    /// with the journal. The process never opens the file again.
    pub fn history_failed(&self, why: HistoryError) -> String {
        let text = why.to_string();
        if let HistoryError::Archive(error) = why {
            (self.on_failure)(&error.into());
        }
        text
    }

    /// Wall time between comparisons of the account while trading, by the settings in force; none:
    /// only at starts. In lockstep none is made.
    #[must_use]
    pub fn compare_every(&self) -> Option<Duration> {
        let setting = self.board.in_force("venue.compare_account_s").and_then(|v| v.as_u64());
        let every = setting.map(Duration::from_secs).or(self.compare);
        every.filter(|every| !every.is_zero() && self.passing != Passing::Lockstep)
    }

    /// Whether what external orders trade becomes part of the books, by the settings in force.
    #[must_use]
    pub fn adopts_external(&self) -> bool {
        self.board.in_force("risk.external_orders").is_some_and(|policy| policy == "adopt")
    }

    /// Number of connections to the venue: those of the market, and that of the account.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.board.live().borrow().len().div_ceil(self.streams.max(1)) + 1
    }

    /// The venue's time, UTC milliseconds.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.venue.now()
    }

    /// Whether the venue's clock was read in this process. Before, [`World::now`] may be wrong by
    /// years: nothing is timed by it. In lockstep the pacer sets the time.
    #[must_use]
    pub fn knows_time(&self) -> bool {
        self.passing == Passing::Lockstep || self.clock_read.initialized()
    }

    /// Reads the venue's clock, unless that was done already.
    ///
    /// # Errors
    /// The venue does not respond, or its time cannot be believed.
    pub async fn read_clock(&self) -> Result<(), VenueError> {
        if self.knows_time() {
            return Ok(());
        }
        let read = || async { self.venue.server_time().await.map(drop) };
        self.clock_read.get_or_try_init(read).await.map(drop)
    }

    /// The latest possible venue time. Our estimate is not exact. In lockstep an event may arrive
    /// before the new time is known.
    #[must_use]
    pub fn latest(&self) -> UtcMs {
        match self.passing {
            Passing::Lockstep => self.board.reach().unwrap_or(UtcMs::MAX),
            Passing::Scaled(factor) => self.now().saturating_add(off(factor)),
        }
    }

    /// The venue times at which a consequence of a decision may have happened.
    #[must_use]
    pub fn times_since(&self, decided: UtcMs) -> RangeInclusive<UtcMs> {
        let before = match self.passing {
            Passing::Lockstep => 0,
            Passing::Scaled(factor) => off(factor),
        };
        decided.saturating_sub(before)..=self.latest()
    }

    /// Whether the venue is known to be as far as we are. In lockstep the pacer has to move it
    /// there first.
    #[must_use]
    pub fn in_step(&self) -> bool {
        let now = self.now();
        self.passing != Passing::Lockstep || (now > 0 && self.board.newest_close() <= Some(now))
    }

    /// Whether closes wait until the gateway knows what their minute did to resting orders. Only
    /// lockstep waits, and only for a venue where orders rest.
    #[must_use]
    pub fn follows_orders(&self) -> bool {
        self.passing == Passing::Lockstep && self.venue.stop_orders() > 0
    }

    /// The kill points.
    #[must_use]
    pub fn chaos(&self) -> &Chaos {
        self.journal.chaos()
    }

    /// Path of a symbol's bar actor.
    #[must_use]
    pub fn bar_path(symbol: Symbol) -> String {
        format!("{}/{symbol}", path::BARS)
    }
}

async fn room(directory: &Directory, path: &str) -> Ticket {
    directory.slot(path).mailbox().room(BARS_WAITING).await
}

fn place(directory: &Directory, path: &str) -> Ticket {
    let mailbox = Arc::clone(directory.slot(path).mailbox());
    let ticket = mailbox.take();
    if mailbox.depth() == ORDERS_WAITING {
        tracing::error!(path, "{ORDERS_WAITING} words about orders wait to be handled");
    }
    ticket
}

/// How far our estimate of the venue's time may be off, milliseconds of its time.
fn off(factor: u32) -> UtcMs {
    OFF.saturating_mul(UtcMs::from(factor.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::switch::{Switch, Switches};
    use futures_util::FutureExt;

    /// The paths from before venues and sources had places of their own.
    #[test]
    fn former_paths_are_understood() {
        let places = Places { venue: "sim", source: "sim" };
        for (former, now) in [
            ("root/trading/gateways/gateway", "root/trading/gateways/sim/gateway"),
            ("root/trading/gateways/private", "root/trading/gateways/sim/private"),
            ("root/trading/feeds/feed", "root/trading/feeds/sim/feed"),
        ] {
            assert_eq!(places.present(former), now);
            assert_eq!(places.present(now), now);
            assert_eq!(path::former(now).as_deref(), Some(former));
            let mut switches = Switches::default();
            assert!(!path::is_off(&switches, now));
            switches.apply(&Switch::Process { path: former.to_owned(), on: false }, "r", 0);
            assert!(path::is_off(&switches, now) && !path::is_off(&switches, path::CLOSER));
        }
        for same in [path::FEEDS, path::GATEWAYS, "root/trading/feeds/sim", path::CLOSER] {
            assert_eq!((places.present(same).as_str(), path::former(same)), (same, None));
        }
    }

    #[test]
    fn bars_wait_for_room_in_the_mailbox_they_are_for_and_in_no_other() {
        let directory = Directory::default();
        let at_once = |path: &str| room(&directory, path).now_or_never();
        let mut taken: Vec<Ticket> =
            (0..BARS_WAITING).map(|_| at_once(path::CLOSER).expect("there is room")).collect();
        assert!(at_once(path::CLOSER).is_none(), "it is full");
        assert!(at_once(path::UNIVERSE).is_some());
        taken.pop();
        assert!(at_once(path::CLOSER).is_some(), "one was handled");
    }

    #[test]
    fn what_is_known_of_orders_never_waits() {
        let directory = Directory::default();
        let most = ORDERS_WAITING.max(BARS_WAITING) + 1;
        let taken: Vec<Ticket> = (0..most).map(|_| place(&directory, path::UNIVERSE)).collect();
        let slot = directory.slot(path::UNIVERSE);
        assert_eq!(slot.mailbox().depth(), most);
        drop(taken);
        assert_eq!(slot.mailbox().depth(), 0);
    }
}
