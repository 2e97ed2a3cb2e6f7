//! Operator commands, signals of an external program and outside events during any feed, drawn from
//! a seed: each kind once, at random closes.

use super::failing_stages;
use super::feed::{PROGRAM, program};
use super::rig::Feed;
use super::script::{ByHand, Change, Deed, Script, Word};
use super::sweep::Die;
use everwarm_domain::id::Symbol;
use everwarm_domain::order::{FIRST_STRATEGY, Side};
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::SafeStep;
use everwarm_domain::time::UtcMs;
use std::sync::Arc;

/// Closes between the deeds of one turn, at most.
const APART: u64 = 12;
/// Closes of a feed at which a deed may happen, at most.
const CLOSES: usize = 5_000;
/// Amount of a deposit, and of a withdrawal.
const PAID: i64 = 700;

/// The feed with the deeds drawn from this seed.
#[must_use]
pub fn speak(feed: &Feed, seed: u64) -> Feed {
    let mut market = (feed.market)();
    let (mut closes, mut at) = (Vec::new(), market.start());
    while let Some(close) = market.next_close(at).filter(|_| closes.len() < CLOSES) {
        closes.push(close);
        at = close;
    }
    let symbols: Vec<Symbol> = market.instruments().iter().map(|rule| rule.symbol).collect();
    let settings = with_program(&feed.settings);
    Feed {
        market: Arc::clone(&feed.market),
        setup: feed.setup.clone(),
        stages: failing_stages::frail(&settings),
        settings,
        script: script(&closes, &symbols, &mut Die(seed)),
        before: None,
        sessions: feed.sessions.clone(),
        stop_orders: feed.stop_orders,
        values: feed.values.clone(),
    }
}

/// The settings with a strategy for the external program, if there is a rank for it.
fn with_program(settings: &Settings) -> Settings {
    let mut with = settings.clone();
    with.strategy.0.entry(PROGRAM.to_owned()).or_insert_with(program);
    if everwarm_trading::specs_of(&[], &with).is_ok() { with } else { settings.clone() }
}

/// Turns of deeds that belong together, in their order.
fn turns(symbols: &[Symbol], die: &mut Die) -> Vec<Vec<Deed>> {
    let at = |die: &mut Die| usize::try_from(die.below(symbols.len() as u64)).unwrap_or(0);
    let mut some = || symbols[at(die)];
    let (a, b, c, d) = (some(), some(), some(), some());
    let (held, limited, signalled) = (some(), some(), some());
    let later = Deed::Later;
    let strategy = |on| later(Word::Strategy(FIRST_STRATEGY, on));
    let safe = |step| later(Word::Safe(step));
    vec![
        vec![later(Word::Halt), later(Word::Resume)],
        vec![later(Word::Flatten), later(Word::Resume)],
        vec![strategy(false), strategy(true)],
        vec![safe(SafeStep::Collect), safe(SafeStep::Exits), safe(SafeStep::Trade)],
        vec![Deed::Reload(Change::Lengths(6, 14)), Deed::Rollback],
        vec![Deed::Reload(Change::Positions(2)), Deed::Reload(Change::Positions(6))],
        vec![Deed::Want(a, false), Deed::Want(a, true)],
        vec![Deed::Stand(b, "halted"), Deed::Stand(b, "trading")],
        vec![Deed::Pay(-PAID), later(Word::Resume), Deed::Resolve],
        vec![Deed::Pay(PAID), later(Word::Resume), Deed::Adopt(PAID)],
        vec![Deed::Panic(c), later(Word::Resume)],
        vec![Deed::Fall("indicator", d), Deed::Release(false)],
        vec![Deed::Backup],
        vec![
            Deed::ByHand(ByHand::Buy, held),
            Deed::ByHand(ByHand::SellPart, held),
            Deed::ByHand(ByHand::Close, held),
        ],
        vec![Deed::ByHand(ByHand::Limit, limited), Deed::ByHand(ByHand::Close, limited)],
        vec![Deed::Confirm { per_order: 900, per_day: 40_000 }],
        vec![Deed::Signal(Side::Buy, signalled), Deed::Signal(Side::Sell, signalled)],
    ]
}

/// Places one turn after another: two concurrent commands may exclude each other, and chance
/// decides which is first.
fn script(closes: &[UtcMs], symbols: &[Symbol], die: &mut Die) -> Script {
    let mut script = Script::new();
    if symbols.is_empty() {
        return script;
    }
    let mut turns = turns(symbols, die);
    die.shuffle(&mut turns);
    let words: u64 = turns.iter().map(|turn| turn.len() as u64).sum();
    let apart = (closes.len() as u64 / (words + 1)).clamp(1, APART);
    let spare = (closes.len() as u64).saturating_sub(apart * (words + 1));
    let pause = spare / (turns.len() as u64 + 1);
    let mut at = 0;
    for turn in turns {
        at += die.below(pause.max(1));
        let mut moved = false;
        for deed in turn {
            // The comparison of the account finds changes at the exchange, and a starting process
            // compares it too. So the next deed follows at the same close.
            if !moved {
                at += 1 + die.below(apart);
            }
            moved = matches!(deed, Deed::Pay(_) | Deed::Panic(_));
            let Some(close) = usize::try_from(at).ok().and_then(|at| closes.get(at)) else {
                return script;
            };
            script.push((*close, deed));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::super::feed::small;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_is_drawn_in_a_feed_of_some_hours_whatever_the_seed() {
        let all: BTreeSet<&str> = turns(&[Symbol::new("AAAUSD").unwrap()], &mut Die(1))
            .iter()
            .flatten()
            .map(|deed| deed.name())
            .collect();
        assert!(all.len() > 15, "{all:?}");
        for seed in 0..20 {
            let script = speak(&small(), seed).script;
            let drawn: BTreeSet<&str> = script.iter().map(|(_, deed)| deed.name()).collect();
            assert_eq!(drawn, all, "{seed}");
            assert!(script.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        }
        assert_ne!(speak(&small(), 1).script, speak(&small(), 2).script);
        assert_eq!(speak(&small(), 1).script, speak(&small(), 1).script);
    }
}
