//! Confirms odd bars of the venue's records: queries all of them again, two seconds of venue time
//! after the first response.
//!
//! If two responses agree on a bar, it is true, however odd it is. If they contradict each other,
//! the bar is queried at most twice more and then refused: it counts as missing. So a start makes
//! at most [`ROUNDS`] further rounds of queries, however many past bars are odd.

use crate::market::fetch::fetch;
use crate::world::{Passing, World};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::need::{Times, pages};
use everwarm_trading::closes::{Known, Refused};
use everwarm_venue::port::{Bars, UnheldBar, VenueError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two responses that are compared, milliseconds of venue time.
const APART: u64 = 2_000;
/// How often odd bars are queried again.
const ROUNDS: usize = 3;

/// The bars that a check found, and the state of the odd ones.
#[derive(Debug)]
pub(crate) struct Sought {
    known: Known,
    /// All known bars, fetched or stored.
    pub(crate) bars: BTreeMap<UtcMs, Bar>,
    /// Opening times of the fetched bars. Only these are in doubt.
    fetched: BTreeSet<UtcMs>,
    /// Opening times of bars on which two responses agreed.
    confirmed: BTreeSet<UtcMs>,
    /// Opening times of bars whose values did not fit their types. They are queried once more.
    unheld: BTreeSet<UtcMs>,
    pub(crate) refused: Vec<Refused>,
}

/// Refuses a bar whose values do not fit their types.
pub(crate) fn refuse(bar: UnheldBar) -> Refused {
    let UnheldBar { symbol, open_time: time, why: reason, claimed } = bar;
    Refused { symbol, time, reason, claimed }
}

impl Sought {
    /// The fetched bars, together with the stored ones.
    pub(crate) fn new(known: Known, have: BTreeMap<UtcMs, Bar>, fetched: Bars) -> Sought {
        let (confirmed, refused) = (BTreeSet::new(), Vec::new());
        let (bars, unheld) = (have, BTreeSet::new());
        let mut sought =
            Sought { known, bars, fetched: BTreeSet::new(), confirmed, unheld, refused };
        for bar in fetched.held {
            if sought.bars.contains_key(&bar.open_time) {
                continue;
            }
            sought.fetched.insert(bar.open_time);
            sought.bars.insert(bar.open_time, bar);
        }
        sought.unheld = fetched.unheld.iter().map(|bar| bar.open_time).collect();
        sought.refused = fetched.unheld.into_iter().map(refuse).collect();
        sought
    }

    /// Opening times of the odd bars on which no two responses have agreed, ascending.
    fn doubtful(&self) -> Vec<UtcMs> {
        let bars: Vec<Bar> = self.bars.values().copied().collect();
        let open = |time: &UtcMs| self.fetched.contains(time) && !self.confirmed.contains(time);
        self.known.odd(&bars).into_iter().filter(open).collect()
    }

    /// The opening times to query again: doubtful bars, and once those whose values did not fit.
    fn wanted(&mut self) -> Vec<UtcMs> {
        let mut wanted = std::mem::take(&mut self.unheld);
        wanted.extend(self.doubtful());
        wanted.into_iter().collect()
    }

    /// Applies the next response about `wanted`.
    fn take(&mut self, wanted: &[UtcMs], answer: Bars) {
        let answer: BTreeMap<UtcMs, Bar> =
            answer.held.into_iter().map(|bar| (bar.open_time, bar)).collect();
        for time in wanted {
            let (before, now) = (self.bars.get(time).copied(), answer.get(time).copied());
            if let Some(before) = before {
                if now == Some(before) {
                    self.confirmed.insert(*time);
                    continue;
                }
                let reason = "the exchange's records contradict themselves";
                self.refused.push(Refused::of(&before, reason));
                self.bars.remove(time);
            }
            if let Some(bar) = now {
                self.fetched.insert(*time);
                self.bars.insert(*time, bar);
            }
        }
    }

    /// Refuses the bars that are still in doubt.
    fn give_up(&mut self) {
        for time in self.doubtful() {
            let Some(bar) = self.bars.remove(&time) else { continue };
            self.refused.push(Refused::of(&bar, "the exchange's records contradict themselves"));
        }
    }

    /// The bars, ascending, the opening times of the odd ones, and the refused bars.
    pub(crate) fn found(self) -> (Vec<Bar>, Vec<UtcMs>, Vec<Refused>) {
        let odd = self.confirmed.into_iter().collect();
        (self.bars.into_values().collect(), odd, self.refused)
    }
}

/// Queries the venue's records again for odd bars.
///
/// # Errors
/// The venue does not respond.
pub(crate) async fn confirm(
    world: &World,
    symbol: Symbol,
    mut sought: Sought,
) -> Result<Sought, VenueError> {
    for _ in 0..ROUNDS {
        let wanted = sought.wanted();
        if wanted.is_empty() {
            return Ok(sought);
        }
        tracing::info!(%symbol, bars = wanted.len(), "odd bars are asked for again");
        tokio::time::sleep(apart(world.passing)).await;
        // The permit is taken after the wait, so that others can use it meanwhile.
        let _turn = world.lookups.acquire().await;
        let again: Vec<Times> = wanted.iter().map(|time| *time..=*time).collect();
        let answer = fetch_all(world, symbol, &again).await?;
        sought.take(&wanted, answer);
    }
    sought.give_up();
    Ok(sought)
}

/// Wall time between two responses. In lockstep nothing changes while time stands still.
fn apart(passing: Passing) -> Duration {
    match passing {
        Passing::Lockstep => Duration::ZERO,
        Passing::Scaled(factor) => Duration::from_millis(APART / u64::from(factor.max(1)) + 1),
    }
}

/// Fetches the bars of these times.
///
/// # Errors
/// The venue does not respond.
pub(crate) async fn fetch_all(
    world: &World,
    symbol: Symbol,
    needed: &[Times],
) -> Result<Bars, VenueError> {
    let mut bars = Bars::default();
    for times in pages(needed, Timeframe::M1, world.source.capabilities().page) {
        let page = fetch(&*world.source, (symbol, Timeframe::M1), times).await?;
        bars.held.extend(page.held);
        bars.unheld.extend(page.unheld);
    }
    Ok(bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::{Body, Market};
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::stage::Stage;
    use everwarm_trading::closes::Closes;
    use everwarm_trading::testing::{bar, close, input, sym};

    /// The known bars with a last close of 100.
    fn known() -> Known {
        let mut closes = Closes::default();
        closes.evolve(&input(1, close("A", 9, 100)));
        closes.known(sym("A"))
    }

    fn answer(bars: &[(i64, i64)]) -> Bars {
        let held = bars.iter().map(|(minute, price)| bar("A", *minute, *price)).collect();
        Bars { held, unheld: Vec::new() }
    }

    /// The result if the records respond like this, one response after the other.
    fn check(answers: &[&[(i64, i64)]]) -> String {
        let mut sought = Sought::new(known(), BTreeMap::new(), answer(answers[0]));
        for response in &answers[1..] {
            let wanted = sought.wanted();
            assert!(!wanted.is_empty(), "nothing is in doubt any more: {sought:?}");
            sought.take(&wanted, answer(response));
        }
        if answers.len() > ROUNDS {
            sought.give_up();
        }
        assert_eq!(sought.wanted(), Vec::<UtcMs>::new());
        let (bars, odd, refused) = sought.found();
        let price = |bar: &Bar| format!("{}:{}", bar.open_time / MINUTE, bar.close);
        let bars: Vec<String> = bars.iter().map(price).collect();
        let odd: Vec<i64> = odd.iter().map(|time| time / MINUTE).collect();
        let refused: Vec<i64> = refused.iter().map(|bar| bar.time / MINUTE).collect();
        format!("{} odd {odd:?} refused {refused:?}", bars.join(" "))
    }

    #[test]
    fn what_the_records_repeat_is_true_and_what_they_contradict_is_refused() {
        assert_eq!(check(&[&[(10, 101), (11, 99)]]), "10:101 11:99 odd [] refused []");
        let crash = [(10, 50), (11, 51)];
        assert_eq!(check(&[&crash, &crash]), "10:50 11:51 odd [10] refused []");
        // The bar after a wrong one is far from it, but right.
        let wrong = [(10, 101), (11, 10), (12, 102)];
        let right = [(10, 101), (11, 101), (12, 102)];
        assert_eq!(check(&[&wrong, &right]), "10:101 11:101 12:102 odd [12] refused [11]");
        assert_eq!(check(&[&[(10, 10)], &[]]), " odd [] refused [10]", "they do not have it");
        // Another value each time.
        let each: [&[(i64, i64)]; 4] = [&[(10, 10)], &[(10, 11)], &[(10, 12)], &[(10, 13)]];
        assert_eq!(check(&each), " odd [] refused [10, 10, 10, 10]");
    }

    #[test]
    fn what_was_there_before_is_not_in_doubt_and_judges_what_was_not() {
        let have = BTreeMap::from([(0, bar("A", 0, 500)), (MINUTE, bar("A", 1, 200))]);
        let mut sought = Sought::new(Known::default(), have.clone(), answer(&[(2, 900)]));
        assert_eq!(sought.wanted(), Vec::<UtcMs>::new(), "no limit is known");
        let mut closes = Closes::default();
        closes.evolve(&input(1, Body::Market(Market::close(0, Vec::new(), Vec::new()))));
        sought = Sought::new(closes.known(sym("A")), have, answer(&[(2, 900)]));
        assert_eq!(sought.wanted(), [2 * MINUTE]);
    }

    #[test]
    fn what_cannot_be_held_is_refused_and_asked_for_once_more() {
        let open_time = 10 * MINUTE;
        let unheld = UnheldBar {
            symbol: sym("A"),
            open_time,
            why: "too large".to_owned(),
            claimed: "high 1e99".to_owned(),
        };
        let response = Bars { held: vec![bar("A", 11, 100)], unheld: vec![unheld] };
        let mut sought = Sought::new(known(), BTreeMap::new(), response.clone());
        assert_eq!(sought.wanted(), [open_time]);
        sought.take(&[open_time], response);
        assert_eq!(sought.wanted(), Vec::<UtcMs>::new());
        let (bars, _, refused) = sought.found();
        assert_eq!((bars.len(), refused.len()), (1, 1));
        assert_eq!(refused[0].reason, "too large");
    }
}
