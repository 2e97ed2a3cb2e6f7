//! The rules of the request log for a venue whose client ids are unique for good, like Alpaca.
//!
//! The venue accepts an id once, so a repeated request cannot buy a second time. Still, no order is
//! requested again without a reason: the venue rejected the first request, or a query after it did
//! not find the order.
//!
//! An order is cancelled only if it was requested. A repeated cancel is harmless: the venue rejects
//! it.

use super::{Name, cancels, name, placed};
use everwarm_domain::id::ClientOrderId;
use everwarm_domain::time::UtcMs;
use everwarm_sim::alpaca::error::NOT_UNIQUE;
use everwarm_sim::server::requests::{Answered, Asked, Entry};
use std::collections::BTreeMap;

/// The last request of an id, and what later responses showed about it.
#[derive(Debug)]
struct Post {
    at: UtcMs,
    /// Whether the venue rejected it, or a query did not find the order. A rejection because the id
    /// is known shows the contrary.
    absent: bool,
}

/// The requests by id so far.
#[derive(Debug, Default)]
struct Posts {
    last: BTreeMap<Name, Post>,
    /// How often the venue accepted an id.
    accepted: BTreeMap<Name, u32>,
    broken: Vec<String>,
}

/// The orders and cancels that must not have been requested, one sentence each.
pub(super) fn check(log: &[Entry]) -> Vec<String> {
    // A full log has lost its beginning.
    let whole = matches!(log.first(), Some(Entry::Started { .. }));
    let (mut posts, mut open) = (Posts::default(), BTreeMap::new());
    for entry in log {
        match entry {
            // Requests without a response never receive one after a restart.
            Entry::Started { .. } => open.clear(),
            Entry::Spoilt { .. } => {}
            Entry::Asked(asked) => {
                open.insert(asked.n, asked);
                posts.ask(asked, whole);
            }
            Entry::Answered(answered) => {
                if let Some(asked) = open.remove(&answered.n) {
                    posts.learn(asked, answered);
                }
            }
        }
    }
    posts.broken
}

impl Posts {
    fn ask(&mut self, asked: &Asked, whole: bool) {
        let Asked { symbol, id, at, .. } = asked;
        if cancels(asked) && whole && !self.last.contains_key(&name(asked)) {
            let text = format!("{symbol} {id} is cancelled at {at}, and was never asked for");
            self.broken.push(text);
        }
        for name in placed(asked) {
            let before = self.last.insert(name.clone(), Post { at: *at, absent: false });
            // The emergency sale has other evidence, see the other rules.
            let before = before.filter(|_| !name.1.starts_with(ClientOrderId::PANIC_PREFIX));
            if let Some(Post { at: first, .. }) = before.filter(|post| !post.absent) {
                let (symbol, id) = name;
                self.broken.push(format!(
                    "POST order {symbol} {id} at {first} and again at {at}: it was neither \
                     rejected nor queried"
                ));
            }
        }
    }

    fn learn(&mut self, asked: &Asked, answered: &Answered) {
        for name in placed(asked) {
            if (200..300).contains(&answered.status) {
                let times = self.accepted.entry(name.clone()).or_default();
                *times += 1;
                if *times == 2 {
                    let (symbol, id) = &name;
                    self.broken.push(format!("{symbol} {id} is accepted twice"));
                }
            }
            if let Some(post) = self.last.get_mut(&name) {
                let rejected = (400..500).contains(&answered.status);
                post.absent = rejected && answered.code != Some(NOT_UNIQUE);
            }
        }
        if asked.what != "GET order" || answered.status != 404 {
            return;
        }
        // The venue does not know the symbol of an order that it does not know.
        let of_id = self.last.iter_mut().filter(|((_, id), _)| *id == asked.id);
        for (_, post) in of_id {
            post.absent = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UtcMs = 1_767_880_800_000;

    struct Log(Vec<Entry>, u64);

    impl Log {
        fn new() -> Log {
            Log(vec![Entry::Started { wall: AT }], 0)
        }

        /// Adds a request and its response; none: it had no response.
        fn ask(self, at: UtcMs, what: &str, status: Option<u16>) -> Log {
            self.coded(at, what, status, None)
        }

        /// The same with an error code.
        fn coded(mut self, at: UtcMs, what: &str, status: Option<u16>, code: Option<i32>) -> Log {
            self.1 += 1;
            let symbol = if what == "GET order" { "" } else { "AAPL" };
            self.0.push(Entry::Asked(Asked {
                n: self.1,
                at,
                what: what.to_owned(),
                symbol: symbol.to_owned(),
                id: "one".to_owned(),
                timestamp: None,
                window: None,
                since: None,
                fault: None,
                legs: Vec::new(),
            }));
            if let Some(status) = status {
                self.0.push(Entry::Answered(Answered { n: self.1, at, status, code }));
            }
            self
        }

        fn post(self, at: UtcMs, status: Option<u16>) -> Log {
            self.ask(at, "POST order", status)
        }

        fn verdict(&self) -> String {
            check(&self.0).join("; ")
        }
    }

    #[test]
    fn an_order_is_requested_again_after_a_rejection_or_a_query_that_did_not_find_it() {
        for status in [None, Some(0), Some(200), Some(503)] {
            let first = || Log::new().post(AT, status);
            assert_eq!(first().verdict(), "");
            let again = first().post(AT + 1, Some(422)).verdict();
            assert!(again.contains("neither rejected nor queried"), "{status:?}: {again}");
            for (found, granted) in [(Some(404), true), (Some(200), false), (None, false)] {
                let log = first().ask(AT + 1, "GET order", found).post(AT + 2, Some(422));
                assert_eq!(log.verdict().is_empty(), granted, "{status:?} {found:?}");
            }
        }
        for status in [403, 422, 429] {
            assert_eq!(Log::new().post(AT, Some(status)).post(AT + 1, Some(200)).verdict(), "");
        }
        let known = Log::new().coded(AT, "POST order", Some(422), Some(NOT_UNIQUE));
        assert!(known.post(AT + 1, Some(422)).verdict().contains("neither"), "it is there");
        let early = Log::new().ask(AT, "GET order", Some(404)).post(AT + 1, Some(0));
        assert!(early.post(AT + 2, Some(200)).verdict().contains("neither"), "it came before");
    }

    #[test]
    fn an_id_that_is_accepted_twice_is_found_whatever_happened_between() {
        let log = Log::new().post(AT, Some(200)).ask(AT + 1, "GET order", Some(404));
        assert_eq!(log.post(AT + 2, Some(200)).verdict(), "AAPL one is accepted twice");
    }

    #[test]
    fn a_cancel_of_nothing_is_found_and_a_second_one_is_harmless() {
        let cancel = |log: Log| log.ask(AT + 1, "DELETE order", Some(204));
        assert!(cancel(Log::new()).verdict().contains("was never asked for"));
        assert_eq!(cancel(cancel(Log::new().post(AT, Some(200)))).verdict(), "");
        let mut full = cancel(Log::new());
        full.0.remove(0);
        assert_eq!(full.verdict(), "", "its beginning is lost");
    }
}
