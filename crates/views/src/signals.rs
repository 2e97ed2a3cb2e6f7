//! Signals and their outcomes: a pure fold over facts.

use super::stored_texts::shown;
use super::views::{Outcome, SignalView};
use everwarm_domain::fact::{Analysis, Body, Decision, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_kernel::fact::{Fact, Key};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Number of signals kept.
const SIGNALS_MAX: usize = 10_000;

/// The newest signals and their outcomes. Facts may come twice, and in any order that keeps each
/// stage's own order, because a decision names its signal by key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SignalFold {
    /// By the key of the fact and the position in it.
    signals: VecDeque<(Key, usize, SignalView)>,
}

impl SignalFold {
    /// Takes one fact in, in the order of the journal.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Analysis(Analysis::Signals { rows }) => {
                for (place, signal) in rows.iter().enumerate() {
                    self.insert(fact.key, place, signal);
                }
            }
            Body::Decision(Decision::Approved { intent, .. }) => {
                if let Some(view) = self.find(&fact.because, &intent.strategy, intent.symbol) {
                    view.outcome = Outcome::Approved;
                    view.declined = None;
                    view.client_order_id = Some(intent.client_id.clone());
                }
            }
            Body::Decision(Decision::Declined { signal, text, .. }) => {
                if let Some(view) = self.find(&fact.because, &signal.strategy, signal.symbol) {
                    view.outcome = Outcome::Declined;
                    view.declined = Some(shown(text));
                }
            }
            // The decision requests the exit as soon as possible; then another fact approves it.
            Body::Decision(Decision::Owed { strategy, symbol, refusal: Some(why), .. }) => {
                let view = self.find(&fact.because, strategy, *symbol);
                if let Some(view) = view.filter(|view| view.outcome == Outcome::Pending) {
                    view.outcome = Outcome::Declined;
                    view.declined = Some(format!("{}; the exit is owed", shown(why)));
                }
            }
            // An exit may end without an order, if a stop order has sold the lot before.
            Body::Decision(Decision::Owed { strategy, symbol, ended: Some(why), .. }) => {
                let view = self.find(&fact.because, strategy, *symbol);
                if let Some(view) = view.filter(|view| view.outcome == Outcome::Pending) {
                    view.outcome = Outcome::Declined;
                    view.declined = Some(shown(why));
                }
            }
            Body::Decision(Decision::Withdrawn { client_id, reason, .. }) => {
                let of = |view: &SignalView| view.client_order_id.as_ref() == Some(client_id);
                if let Some((.., view)) = self.signals.iter_mut().rev().find(|row| of(&row.2)) {
                    view.outcome = Outcome::Declined;
                    view.declined =
                        Some(format!("withdrawn before it was sent: {}", shown(reason)));
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, key: Key, place: usize, signal: &Signal) {
        let later = self.signals.iter().rev().take_while(|(k, p, _)| (*k, *p) > (key, place));
        let at = self.signals.len() - later.count();
        let known = at.checked_sub(1).and_then(|before| self.signals.get(before));
        if known.is_some_and(|(k, p, _)| (*k, *p) == (key, place)) {
            return;
        }
        self.signals.insert(at, (key, place, signal_view(key.to_string(), signal)));
        if self.signals.len() > SIGNALS_MAX {
            self.signals.pop_front();
        }
    }

    /// The signal that a decision refers to.
    fn find(&mut self, on: &[Key], strategy: &str, symbol: Symbol) -> Option<&mut SignalView> {
        let found = on.iter().find_map(|key| {
            let from = self.signals.partition_point(|(k, _, _)| k < key);
            let until = self.signals.partition_point(|(k, _, _)| k <= key);
            (from..until).find(|at| {
                let view = &self.signals[*at].2;
                view.strategy == strategy && view.symbol == symbol
            })
        });
        found.map(|at| &mut self.signals[at].2)
    }

    /// The signal of a strategy in a symbol at an input.
    #[must_use]
    pub fn at(&self, n: u64, strategy: &str, symbol: Symbol) -> Option<&SignalView> {
        let from = self.signals.partition_point(|(key, ..)| key.n < n);
        let here = self.signals.iter().skip(from).take_while(|(key, ..)| key.n == n);
        let mut here = here.map(|(.., view)| view);
        here.find(|view| view.strategy == strategy && view.symbol == symbol)
    }

    /// The newest signals, newest last.
    #[must_use]
    pub fn newest(&self, limit: Option<usize>) -> Vec<SignalView> {
        let skip = limit.map_or(0, |limit| self.signals.len().saturating_sub(limit));
        self.signals.iter().skip(skip).map(|(_, _, view)| view.clone()).collect()
    }
}

fn signal_view(key: String, signal: &Signal) -> SignalView {
    SignalView {
        key,
        time: signal.close_time,
        strategy: signal.strategy.clone(),
        symbol: signal.symbol,
        side: signal.side(),
        price: signal.price.decimal().normalize(),
        confidence: Some(Decimal::new(signal.confidence_ppm.into(), 6).normalize()),
        reason: signal.reason.clone(),
        outcome: Outcome::Pending,
        declined: None,
        client_order_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::journal;
    use super::*;

    #[test]
    fn signals_know_what_became_of_them() {
        let mut fold = SignalFold::default();
        journal().0.iter().for_each(|fact| fold.fold(fact));
        let signals: Vec<_> = fold
            .newest(None)
            .into_iter()
            .map(|s| (s.symbol.to_string(), s.outcome, s.client_order_id.is_some(), s.key))
            .collect();
        let key = "3.400.0".to_owned();
        assert_eq!(
            signals,
            [
                ("BTCUSD".to_owned(), Outcome::Declined, false, key.clone()),
                ("ETHUSD".to_owned(), Outcome::Approved, true, key),
            ]
        );
        assert_eq!(fold.newest(Some(1))[0].symbol.as_str(), "ETHUSD");
    }

    #[test]
    fn a_signal_whose_exit_ended_without_an_order_says_why() {
        let key = Key { n: 3, rank: 400, i: 0 };
        let mut fold = SignalFold::default();
        let facts = journal().0;
        let signals = |fact: &&Fact<Body>| matches!(fact.body, Body::Analysis(_));
        facts.iter().filter(signals).for_each(|fact| fold.fold(fact));
        let view = fold.newest(Some(1)).remove(0);
        assert_eq!(view.outcome, Outcome::Pending);
        let owed = Decision::Owed {
            strategy: view.strategy,
            symbol: view.symbol,
            since: view.time,
            cause: view.reason,
            revision: 0,
            tries: 0,
            refusal: None,
            ended: Some("nothing of ETHUSD is held".to_owned()),
            rule: None,
        };
        let owed = everwarm_trading::testing::fact(9, 600, Body::Decision(owed));
        fold.fold(&Fact { because: vec![key], ..owed });
        let after = fold.newest(Some(1)).remove(0);
        assert_eq!(after.outcome, Outcome::Declined);
        assert_eq!(after.declined.as_deref(), Some("no ETHUSD is held"));
    }

    #[test]
    fn a_signal_whose_order_was_withdrawn_says_why() {
        let mut fold = SignalFold::default();
        journal().0.iter().for_each(|fact| fold.fold(fact));
        let view = fold.newest(Some(1)).remove(0);
        let withdrawn = Decision::Withdrawn {
            client_id: view.client_order_id.clone().unwrap(),
            strategy: view.strategy,
            symbol: view.symbol,
            side: view.side,
            reason: "an exit was decided: it turned".to_owned(),
        };
        let withdrawn = Body::Decision(withdrawn);
        fold.fold(&everwarm_trading::testing::fact(9, 600, withdrawn));
        let after = fold.newest(Some(1)).remove(0);
        assert_eq!(after.outcome, Outcome::Declined);
        assert_eq!(
            after.declined.as_deref(),
            Some("withdrawn before it was sent: an exit was decided: it turned")
        );
        assert_eq!(
            after.client_order_id, view.client_order_id,
            "the view keeps the id of its order"
        );
    }
}
