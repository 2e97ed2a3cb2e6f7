//! Places for connections. Connections that showed the token keep theirs; the others make room.
//!
//! 1. There are [`PLACES`] in all. Connections that have shown neither the token nor a page's
//!    cookie take at most [`UNKNOWN`] of them.
//! 2. If none is free for a new connection, the one of those that sent no request for the longest
//!    time ends. So a client with the token always finds a place.
//! 3. A connection that has not shown the token may idle for a short time only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Maximum number of connections: a page, a scraper and a few commands.
pub const PLACES: usize = 64;
/// Maximum number of connections without the token.
pub const UNKNOWN: usize = 48;
/// How long a connection without the token may idle between two requests.
pub const REST: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Guest {
    /// Whether it has shown the token.
    known: bool,
    /// Time of its last event: opened, request received, or response sent.
    since: Instant,
    /// Number of requests without a response yet.
    asking: usize,
    /// Notified when it has to end.
    go: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Guests {
    all: BTreeMap<u64, Guest>,
    last: u64,
}

/// All places of one listener.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Guests>>);

/// An occupied place. Dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Places,
    number: u64,
    go: Arc<Notify>,
}

/// The result of taking a place.
#[derive(Debug)]
pub enum Taken {
    /// A place was free.
    Free(Place),
    /// Another connection was ended for it.
    Instead(Place),
    /// No place: all connections have the token.
    Full,
}

impl Places {
    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place at `now`.
    #[must_use]
    pub fn take(&self, now: Instant) -> Taken {
        let mut guests = self.guests();
        let unknown = guests.all.values().filter(|guest| !guest.known).count();
        let full = unknown >= UNKNOWN || guests.all.len() >= PLACES;
        if full {
            let unknown = guests.all.iter().filter(|(_, guest)| !guest.known);
            // Connections that wait for a response are ended after idle ones.
            let longest = unknown.min_by_key(|(_, guest)| (guest.asking > 0, guest.since));
            let Some((&number, _)) = longest else { return Taken::Full };
            if let Some(gone) = guests.all.remove(&number) {
                gone.go.notify_one();
            }
        }
        guests.last += 1;
        let (number, go) = (guests.last, Arc::new(Notify::new()));
        let guest = Guest { known: false, since: now, asking: 0, go: Arc::clone(&go) };
        guests.all.insert(number, guest);
        let place = Place { places: self.clone(), number, go };
        if full { Taken::Instead(place) } else { Taken::Free(place) }
    }
}

impl Place {
    fn with<T>(&self, act: impl FnOnce(&mut Guest) -> T) -> Option<T> {
        self.places.guests().all.get_mut(&self.number).map(act)
    }

    /// Resolves when this connection must end for another one.
    pub async fn has_to_go(&self) {
        self.go.notified().await;
    }

    /// Registers a request. `known`: it shows the token or a cookie.
    pub fn asks(&self, known: bool, now: Instant) {
        self.with(|guest| {
            guest.known |= known;
            guest.since = now;
            guest.asking += 1;
        });
    }

    /// Registers a response.
    pub fn was_answered(&self, now: Instant) {
        self.with(|guest| {
            guest.asking = guest.asking.saturating_sub(1);
            guest.since = now;
        });
    }

    /// How long it may still idle; none: it was used and has been idle for too long.
    #[must_use]
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        let left = self.with(|guest| {
            let rested = now.saturating_duration_since(guest.since);
            if guest.known || guest.asking > 0 { REST } else { REST.saturating_sub(rested) }
        });
        left.filter(|left| !left.is_zero())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.guests().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn free(places: &Places, now: Instant) -> Place {
        match places.take(now) {
            Taken::Free(place) => place,
            Taken::Instead(_) | Taken::Full => panic!("none is free"),
        }
    }

    #[tokio::test]
    async fn who_has_the_token_finds_a_place_however_many_others_there_are() {
        let (places, begin) = (Places::default(), everwarm_runtime::clock::now());
        let crowd: Vec<Place> = (0..UNKNOWN).map(|_| free(&places, begin)).collect();
        // The first waits for a response, the second got one, so the third has been idle the
        // longest.
        crowd[0].asks(false, begin + MS);
        crowd[1].asks(false, begin + MS);
        crowd[1].was_answered(begin + 2 * MS);
        let Taken::Instead(ours) = places.take(begin + 3 * MS) else { panic!("one has to go") };
        crowd[2].has_to_go().await;
        ours.asks(true, begin + 4 * MS);
        ours.was_answered(begin + 4 * MS);
        // Known connections keep their places, and the others keep theirs beside them.
        let mut known = vec![ours];
        for _ in 1..PLACES {
            let (Taken::Free(place) | Taken::Instead(place)) = places.take(begin + 5 * MS) else {
                panic!("an unknown one has to go");
            };
            place.asks(true, begin + 5 * MS);
            known.push(place);
        }
        assert!(matches!(places.take(begin + 6 * MS), Taken::Full));
        drop(crowd);
        assert!(matches!(places.take(begin + 6 * MS), Taken::Full));
        known.pop();
        assert!(matches!(places.take(begin + 6 * MS), Taken::Free(_)));
    }

    #[test]
    fn who_has_not_shown_the_token_rests_for_a_short_time() {
        let (places, begin) = (Places::default(), everwarm_runtime::clock::now());
        let place = free(&places, begin);
        place.asks(false, begin);
        assert_eq!(place.rests(begin + 2 * REST), Some(REST), "it waits for its answer");
        place.was_answered(begin + REST);
        assert_eq!(place.rests(begin + REST + MS), Some(REST.saturating_sub(MS)));
        assert_eq!(place.rests(begin + 2 * REST), None);
        place.asks(true, begin + 2 * REST);
        place.was_answered(begin + 2 * REST);
        assert_eq!(place.rests(begin + 9 * REST), Some(REST), "it has shown it");
    }
}
