//! Checks the request log of the exchange: no order was requested twice, unless it was clear that
//! the first request had no effect.
//!
//! The venue rejects a repeated client id only among open orders, so a second POST may buy a second
//! time. Two things prove that the first had no effect. Either the exchange reported it: too early,
//! too late, too many or too busy. Or its absence was proved. For that, venue time passed the last
//! moment of its arrival (its timestamp, its window and the server's own deadline). Then two
//! queries a second apart found nothing, and the later trades were fetched.
//!
//! An order is cancelled only if it was requested, and cancelled again only if it was found in
//! between.
//!
//! The script's emergency sale has other evidence: it is repeated after the books of the exchange
//! show that it does not exist. So `invariants::intended` judges it by these books: no id is there
//! twice.

mod unique_ids;

use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use everwarm_sim::Protocol;
use everwarm_sim::server::requests::{Answered, Asked, Entry};
use std::collections::BTreeMap;

/// The server's own deadline for a request, milliseconds.
const DEADLINE: i64 = 10_000;
/// Between the two queries of a proof, milliseconds.
const APART: i64 = 1_000;
/// The window of a request that names none, milliseconds.
const WINDOW: i64 = 5_000;
/// Error codes that mean: not done, retry.
const NOT_DONE: [i32; 5] = [-1003, -1008, -1015, -1021, -1034];

/// The last POST of an id, and what later responses showed about it.
#[derive(Debug)]
struct Post {
    at: UtcMs,
    /// Last moment at which it could arrive.
    until: UtcMs,
    timestamp: UtcMs,
    not_done: bool,
    /// Times of queries that found nothing and count.
    absent: Vec<UtcMs>,
    /// Whether trades were fetched since the last of these.
    looked: bool,
    /// Whether the proof was complete once. Later requests do not undo that: a killed process may
    /// have sent them and missed the response.
    proved: bool,
    /// When it was cancelled, if it was not found since.
    cancelled: Option<UtcMs>,
}

impl Post {
    fn of(asked: &Asked) -> Post {
        let timestamp = asked.timestamp.unwrap_or(asked.at);
        let until = timestamp + asked.window.unwrap_or(WINDOW) + DEADLINE;
        let (absent, looked, proved) = (Vec::new(), false, false);
        let (at, not_done, cancelled) = (asked.at, false, None);
        Post { at, until, timestamp, not_done, absent, looked, proved, cancelled }
    }

    fn came_to_nothing(&self) -> Result<(), String> {
        if self.not_done || self.proved {
            return Ok(());
        }
        let apart = match (self.absent.first(), self.absent.last()) {
            (Some(first), Some(last)) => last - first,
            _ => return Err(format!("no query after {} found nothing", self.until)),
        };
        if apart < APART {
            return Err(format!("{} queries within {apart} ms", self.absent.len()));
        }
        if self.looked { Ok(()) } else { Err("later trades were not fetched".to_owned()) }
    }
}

/// Requests by symbol and client id.
pub(super) type Name = (String, String);

/// The same as [`check`], by the rules of the protocol.
#[must_use]
pub fn check_at(protocol: Protocol, log: &[Entry]) -> Vec<String> {
    if protocol.trades_shares() { unique_ids::check(log) } else { check(log) }
}

/// The orders and cancels that must not have been requested, one sentence each.
#[must_use]
pub fn check(log: &[Entry]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut posts: BTreeMap<Name, Post> = BTreeMap::new();
    // A full log has lost its beginning.
    let whole = matches!(log.first(), Some(Entry::Started { .. }));
    let mut open: BTreeMap<u64, &Asked> = BTreeMap::new();
    for entry in log {
        match entry {
            // Requests without a response never receive one after a restart.
            Entry::Started { .. } => open.clear(),
            Entry::Spoilt { .. } => {}
            Entry::Asked(asked) => {
                open.insert(asked.n, asked);
                if cancels(asked) {
                    broken.extend(cancelled(&mut posts, asked, whole));
                }
                for name in placed(asked) {
                    let before = posts.insert(name.clone(), Post::of(asked));
                    let before =
                        before.filter(|_| !name.1.starts_with(ClientOrderId::PANIC_PREFIX));
                    let why =
                        before.and_then(|post| Some((post.came_to_nothing().err()?, post.at)));
                    if let Some((why, at)) = why {
                        let (Asked { what, at: again, .. }, (symbol, id)) = (asked, name);
                        broken.push(format!(
                            "{what} {symbol} {id} at {at} and again at {again}: {why}"
                        ));
                    }
                }
            }
            Entry::Answered(answered) => {
                if let Some(asked) = open.remove(&answered.n) {
                    learn(&mut posts, asked, answered);
                }
            }
        }
    }
    broken
}

/// How many orders were requested, and how many of these requests were repetitions.
#[must_use]
pub fn count(log: &[Entry]) -> (usize, usize) {
    let mut seen: BTreeMap<Name, usize> = BTreeMap::new();
    for entry in log {
        if let Entry::Asked(asked) = entry {
            for name in placed(asked) {
                *seen.entry(name).or_default() += 1;
            }
        }
    }
    (seen.len(), seen.values().map(|count| count - 1).sum())
}

fn name(asked: &Asked) -> Name {
    (asked.symbol.clone(), asked.id.clone())
}

/// The orders that a request places, in any way: itself, or each order of a list.
pub(super) fn placed(asked: &Asked) -> Vec<Name> {
    let path = asked.what.strip_prefix("POST ");
    if asked.id.is_empty() || path.is_none_or(|path| path == "order/test") {
        return Vec::new();
    }
    let leg = |id: &String| (asked.symbol.clone(), id.clone());
    if asked.legs.is_empty() { vec![name(asked)] } else { asked.legs.iter().map(leg).collect() }
}

/// Whether a request cancels one order.
pub(super) fn cancels(asked: &Asked) -> bool {
    asked.what == "DELETE order" && !asked.id.is_empty()
}

/// What is wrong with a cancel; `whole`: the log has its beginning.
fn cancelled(posts: &mut BTreeMap<Name, Post>, asked: &Asked, whole: bool) -> Option<String> {
    let Asked { symbol, id, at, .. } = asked;
    let Some(post) = posts.get_mut(&name(asked)) else {
        let never = || format!("{symbol} {id} is cancelled at {at}, and was never asked for");
        return whole.then(never);
    };
    let before = post.cancelled.replace(*at)?;
    Some(format!("{symbol} {id} is cancelled at {before} and again at {at}, and not found between"))
}

fn learn(posts: &mut BTreeMap<Name, Post>, asked: &Asked, answered: &Answered) {
    let orders = placed(asked);
    for name in &orders {
        if let Some(post) = posts.get_mut(name) {
            post.not_done = answered.code.is_some_and(|code| NOT_DONE.contains(&code));
        }
    }
    if !orders.is_empty() {
        return;
    }
    if asked.what == "GET order"
        && answered.status == 200
        && let Some(post) = posts.get_mut(&name(asked))
    {
        post.cancelled = None;
    }
    if asked.what == "GET order"
        && answered.code == Some(-2013)
        && let Some(post) = posts.get_mut(&name(asked))
        && asked.at > post.until
    {
        post.absent.push(asked.at);
        post.looked = false;
    }
    if asked.what == "GET myTrades" && answered.status == 200 {
        let of_symbol = posts.iter_mut().filter(|((symbol, _), _)| *symbol == asked.symbol);
        for (_, post) in of_symbol {
            post.looked |= asked.since.is_none_or(|since| since <= post.timestamp);
            post.proved |= post.came_to_nothing().is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UtcMs = 1_700_000_000_000;
    /// The first moment at which a query counts.
    const LATE: UtcMs = AT + WINDOW + DEADLINE + 1;

    struct Log(Vec<Entry>, u64);

    impl Log {
        fn new() -> Log {
            Log(vec![Entry::Started { wall: AT }], 0)
        }

        /// Adds a request and its response; none: it had no response.
        fn ask(mut self, at: UtcMs, what: &str, answer: Option<(u16, Option<i32>)>) -> Log {
            self.1 += 1;
            let id = if what == "GET myTrades" { "" } else { "one" };
            let since = (what == "GET myTrades").then_some(AT);
            self.0.push(Entry::Asked(Asked {
                n: self.1,
                at,
                what: what.to_owned(),
                symbol: "BTCUSDT".to_owned(),
                id: id.to_owned(),
                timestamp: Some(at),
                window: Some(WINDOW),
                since,
                fault: None,
                legs: Vec::new(),
            }));
            if let Some((status, code)) = answer {
                self.0.push(Entry::Answered(Answered { n: self.1, at, status, code }));
            }
            self
        }

        fn post(self, at: UtcMs) -> Log {
            self.ask(at, "POST order", Some((0, None)))
        }

        fn absent(self, at: UtcMs) -> Log {
            self.ask(at, "GET order", Some((400, Some(-2013))))
        }

        fn trades(self, at: UtcMs) -> Log {
            self.ask(at, "GET myTrades", Some((200, None)))
        }

        fn verdict(&self) -> String {
            check(&self.0).join("; ")
        }
    }

    #[test]
    fn one_post_is_always_right_and_a_proof_grants_another() {
        assert_eq!(Log::new().post(AT).verdict(), "");
        let proof = || Log::new().post(AT).absent(LATE).absent(LATE + APART);
        let log = proof().trades(LATE + APART).post(LATE + APART);
        assert_eq!((log.verdict(), count(&log.0)), (String::new(), (1, 1)));
        // One proof allows one repetition.
        assert!(log.post(LATE + APART).verdict().contains("again at"));
        // A killed process may have sent the query too; its response arrives when nobody reads it.
        let late = proof().trades(LATE + APART).absent(LATE + APART);
        assert_eq!(late.post(LATE + APART).verdict(), "");
    }

    #[test]
    fn what_is_no_proof_is_seen() {
        for (log, why) in [
            (Log::new().post(AT), "found nothing"),
            (Log::new().post(AT).absent(LATE).trades(LATE), "1 queries within 0 ms"),
            (
                Log::new().post(AT).absent(LATE - 1).absent(LATE + APART).trades(LATE + APART),
                "1 queries within 0 ms",
            ),
            (
                Log::new().post(AT).absent(LATE).absent(LATE + APART - 1).trades(LATE + APART),
                "2 queries within 999 ms",
            ),
            (Log::new().post(AT).absent(LATE).absent(LATE + APART), "later trades"),
            (Log::new().post(AT).absent(LATE).trades(LATE).absent(LATE + APART), "later trades"),
            (
                Log::new().post(AT).ask(LATE, "GET order", None).absent(LATE + APART),
                "1 queries within 0 ms",
            ),
        ] {
            let verdict = log.post(LATE + APART + 1).verdict();
            assert!(verdict.contains(why), "{why}: {verdict}");
        }
    }

    #[test]
    fn a_refusal_that_says_so_grants_another() {
        for (status, code, granted) in [
            (429, -1003, true),
            (429, -1015, true),
            (503, -1008, true),
            (400, -1021, true),
            (400, -2010, false),
            (500, -1000, false),
            (504, -1007, false),
        ] {
            let log = Log::new().ask(AT, "POST order", Some((status, Some(code)))).post(AT + 1);
            assert_eq!(log.verdict().is_empty(), granted, "{code}");
        }
    }

    #[test]
    fn a_cancel_of_nothing_and_one_more_without_a_query_are_seen() {
        let cancel = |log: Log, at| log.ask(at, "DELETE order", None);
        assert!(cancel(Log::new(), AT).verdict().contains("was never asked for"));
        let once = || cancel(Log::new().post(AT), AT + 1);
        assert_eq!(once().verdict(), "");
        assert!(cancel(once(), AT + 2).verdict().contains("again at"));
        let absent = cancel(once().absent(AT + 2), AT + 3);
        assert!(absent.verdict().contains("again at"), "nothing was found");
        let unanswered = cancel(once().ask(AT + 2, "GET order", None), AT + 3);
        assert!(unanswered.verdict().contains("again at"), "nobody received what was found");
        let found = || once().ask(AT + 2, "GET order", Some((200, None)));
        assert_eq!(cancel(found(), AT + 3).verdict(), "");
        assert!(cancel(cancel(found(), AT + 3), AT + 4).verdict().contains("again at"));
    }

    #[test]
    fn other_requests_and_ids_do_not_count() {
        let cancel = Log::new().post(AT).ask(AT + 1, "DELETE order", Some((200, None)));
        assert_eq!(cancel.verdict(), "");
        let test = Log::new().post(AT).ask(AT + 1, "POST order/test", Some((200, None)));
        assert_eq!(test.verdict(), "");
    }
}
