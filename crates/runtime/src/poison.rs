//! Counts the failures of a stage at one input. After the third, the input is quarantined.
//!
//! Pure. The journal keeps a [`Poison`] for each stage, beside its progress and in the same
//! commits. Every retry is noted and flushed before it begins. So the next run knows and counts a
//! retry that ended the process. A panic of the stage while it handles the input counts. A block of
//! its thread there counts if the process is ended for it. Injected faults and kills of its actor
//! do not count.

use everwarm_kernel::fact::Rank;
use everwarm_kernel::skips::{Effect, Quarantine, Skips};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Failures at one input after which it is quarantined.
pub const POISON_ATTEMPTS: u32 = 3;

/// Maximum length of the kept text of a failure, in characters.
const WHY_MAX: usize = 300;

/// The input that a stage handles now. Others read it to see at which input the stage is blocked.
#[derive(Debug, Default)]
pub(crate) struct At(AtomicU64);

/// Marks that the stage handles an input, until it is dropped.
pub(crate) struct Handling(Arc<At>);

impl At {
    /// Marks input `n` as handled until the result is dropped.
    pub(crate) fn handles(self: &Arc<At>, n: u64) -> Handling {
        self.0.store(n, Relaxed);
        Handling(Arc::clone(self))
    }

    /// The input that the stage handles; 0: none.
    pub(crate) fn input(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.0.store(0, Relaxed);
    }
}

/// The failures of one stage. The default is a stage that never failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poison {
    /// The input at which it failed; 0 if it has passed every such input.
    n: u64,
    failures: u32,
    /// A retry began, and its end is not known.
    trying: bool,
    why: String,
    stopped: bool,
    pub(crate) skips: Skips,
    /// Its supervisor stopped it: the first input on which it does not decide, and the input that
    /// reported the stop.
    #[serde(default)]
    down: Option<(u64, u64)>,
    /// It has blocked its thread at that input.
    #[serde(default)]
    held: bool,
}

impl Poison {
    /// The input at which it failed and that it has not passed.
    pub(crate) fn failed_at(&self) -> Option<u64> {
        (self.n > 0).then_some(self.n)
    }

    /// How often it failed at input `n`.
    pub(crate) fn failures(&self, n: u64) -> u32 {
        if self.n == n { self.failures } else { 0 }
    }

    /// Whether it has blocked its thread at input `n`.
    pub(crate) fn has_held(&self, n: u64) -> bool {
        self.n == n && self.held
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Counts a failure at input `n`.
    pub(crate) fn failed(&mut self, n: u64, why: &str) {
        let why = short(why);
        let (failures, held) = (self.failures(n).saturating_add(1), self.has_held(n));
        let Poison { skips, down, .. } = std::mem::take(self);
        *self = Poison { n, failures, trying: false, why, stopped: false, skips, down, held };
    }

    /// Counts a failure at input `n`, where it blocks its thread so that the process ends.
    pub(crate) fn held(&mut self, n: u64, why: &str) {
        self.failed(n, why);
        self.held = true;
    }

    /// Marks the start of a retry. True if this must be written to the journal.
    pub(crate) fn try_again(&mut self) -> bool {
        !std::mem::replace(&mut self.trying, true)
    }

    /// Ends a begun retry, because the process stops in order. True if there was one.
    pub(crate) fn give_up(&mut self) -> bool {
        std::mem::take(&mut self.trying)
    }

    /// Begins a run. If a retry began and did not end, it counts as a failure: it probably ended
    /// the process. Another version of the stage starts at zero. True if something changed.
    pub(crate) fn reopen(&mut self, upgraded: bool) -> bool {
        if upgraded && !self.stopped {
            return self.forget();
        }
        let died = self.give_up();
        if died {
            self.failures = self.failures.saturating_add(1);
            "the process ended while it was tried".clone_into(&mut self.why);
        }
        died
    }

    /// Notes that it has passed input `n`. True if it had failed at that input or one before it.
    pub(crate) fn passed(&mut self, n: u64) -> bool {
        (1..=n).contains(&self.n) && self.forget()
    }

    /// Quarantines the input at which it failed.
    pub(crate) fn set_aside(
        &mut self,
        rank: Rank,
        stage: &'static str,
        effect: Effect,
        parts: Vec<String>,
    ) -> Quarantine {
        let Poison { n, failures, .. } = *self;
        let why = self.why.clone();
        self.skips.quarantine(n, effect, &parts);
        match effect {
            Effect::Stopped => (self.stopped, self.trying) = (true, false),
            Effect::Parts | Effect::Stage | Effect::Down => _ = self.forget(),
        }
        Quarantine { rank, stage, n, effect, parts, failures, why }
    }

    /// Releases input `n` for an operator. A stopped stage tries it again. A stage that received
    /// nothing receives the inputs after `at`.
    pub(crate) fn release(&mut self, n: u64, at: u64) {
        if self.stopped && self.n == n {
            self.forget();
        }
        self.skips.release(n, at);
    }

    /// Notes that its supervisor stopped it. It does not decide from input `n` on. Input
    /// `reported_at` reports this. None if it was stopped already.
    pub(crate) fn down(
        &mut self,
        (rank, stage): (Rank, &'static str),
        n: u64,
        reported_at: u64,
        why: &str,
    ) -> Option<Quarantine> {
        if self.down.is_some() {
            return None;
        }
        self.down = Some((n, reported_at));
        self.skips.quarantine(n, Effect::Down, &[]);
        let (parts, failures) = (Vec::new(), self.failures);
        Some(Quarantine { rank, stage, n, effect: Effect::Down, parts, failures, why: short(why) })
    }

    /// Notes that it runs again and decides on inputs after `at`. Returns the input that reported
    /// the stop; none if it was not stopped.
    pub(crate) fn up(&mut self, at: u64) -> Option<u64> {
        let (n, reported_at) = self.down.take()?;
        self.skips.up(n, at);
        Some(reported_at)
    }

    /// The stored form; none for the default.
    pub(crate) fn row(&self) -> Option<Vec<u8>> {
        let plain = "failures are plain values, memory takes them";
        (*self != Poison::default()).then(|| rmp_serde::to_vec(self).expect(plain))
    }

    fn forget(&mut self) -> bool {
        let Poison { n, skips, down, .. } = std::mem::take(self);
        *self = Poison { skips, down, ..Poison::default() };
        n != 0
    }
}

/// The text on one line, with at most [`WHY_MAX`] characters.
fn short(why: &str) -> String {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    why.chars().take(WHY_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_kernel::skips::Cut;

    /// (what happened, failures at input 7 after it)
    fn after(events: &[(&str, u32)]) -> Poison {
        let mut poison = Poison::default();
        for (i, (what, failures)) in events.iter().enumerate() {
            match *what {
                "fails" => poison.failed(7, "broken"),
                "holds" => poison.held(7, "held its thread"),
                "fails at 8" => poison.failed(8, "broken"),
                "begins a try" => _ = poison.try_again(),
                "dies" => _ = poison.reopen(false),
                "stops in order" => {
                    poison.give_up();
                    poison.reopen(false);
                }
                "is upgraded" => _ = poison.reopen(true),
                "passes 6" => _ = poison.passed(6),
                "passes 7" => _ = poison.passed(7),
                "is stopped" => _ = poison.set_aside(Rank(1), "s", Effect::Stopped, Vec::new()),
                "is released" => poison.release(7, 9),
                other => panic!("{other}"),
            }
            assert_eq!(poison.failures(7), *failures, "{i}: {what}");
            let kept = rmp_serde::to_vec(&poison).unwrap();
            assert_eq!(rmp_serde::from_slice::<Poison>(&kept).unwrap(), poison);
        }
        poison
    }

    #[test]
    fn failures_count_by_input_until_it_is_passed() {
        let poison = after(&[("fails", 1), ("fails", 2), ("passes 6", 2), ("passes 7", 0)]);
        assert_eq!(poison, Poison::default(), "nothing of it is kept");
        after(&[("fails", 1), ("fails at 8", 0), ("fails", 1)]);
        after(&[("fails", 1), ("is upgraded", 0)]);
    }

    #[test]
    fn a_death_counts_only_while_a_try_is_known_to_be_under_way() {
        after(&[("dies", 0)]);
        after(&[("fails", 1), ("dies", 1), ("begins a try", 1), ("dies", 2), ("dies", 2)]);
        after(&[("fails", 1), ("begins a try", 1), ("fails", 2), ("dies", 2)]);
        after(&[("fails", 1), ("begins a try", 1), ("stops in order", 1)]);
        after(&[
            ("fails", 1),
            ("begins a try", 1),
            ("begins a try", 1),
            ("passes 7", 0),
            ("dies", 0),
        ]);
    }

    #[test]
    fn a_process_that_ends_for_who_holds_its_thread_counts_once() {
        let held = [("holds", 1), ("dies", 1), ("begins a try", 1), ("holds", 2), ("dies", 2)];
        let poison = after(&[&held[..], &[("fails", 3)]].concat());
        assert_eq!((poison.has_held(7), poison.has_held(8)), (true, false), "it is not forgotten");
        assert!(!after(&[("holds", 1), ("fails at 8", 0), ("fails", 1)]).has_held(7));
        assert_eq!(after(&[("holds", 1), ("passes 7", 0)]), Poison::default());
    }

    #[test]
    fn who_is_stopped_stays_so_until_released() {
        let stopped = [("fails", 1), ("fails", 2), ("fails", 3), ("is stopped", 3)];
        assert!(after(&stopped).is_stopped());
        assert!(after(&[&stopped[..], &[("dies", 3), ("is upgraded", 3)]].concat()).is_stopped());
        let released = after(&[&stopped[..], &[("is released", 0)]].concat());
        assert_eq!(released, Poison::default());
    }

    #[test]
    fn who_is_kept_down_is_given_all_and_asked_nothing_until_it_is_up() {
        let mut poison = after(&[("fails", 1)]);
        let quarantine = poison.down((Rank(1), "s"), 7, 9, "gone\n").unwrap();
        assert_eq!(
            (quarantine.n, quarantine.effect, quarantine.why.as_str()),
            (7, Effect::Down, "gone")
        );
        assert_eq!(poison.down((Rank(1), "s"), 8, 12, "gone"), None, "reported once");
        poison.skips.quarantine(7, Effect::Stage, &[]);
        poison.skips.release(7, 8);
        assert!(poison.passed(7), "what it failed at is behind it");
        let kept = rmp_serde::to_vec(&poison).unwrap();
        let mut poison: Poison = rmp_serde::from_slice(&kept).unwrap();
        assert_eq!([6, 7, u64::MAX].map(|n| poison.skips.asked(n)), [true, false, false]);
        assert_eq!([7, 8, 9].map(|n| poison.skips.at(n)), [Cut::All, Cut::All, Cut::Nothing]);
        assert_eq!((poison.up(11), poison.up(12)), (Some(9), None));
        assert_eq!([10, 11, 12].map(|n| poison.skips.awake(n)), [false, false, true]);
    }

    #[test]
    fn what_was_kept_before_there_was_such_a_thing_is_read() {
        #[derive(Serialize)]
        struct Before(u64, u32, bool, String, bool, Vec<(u64, u64, Vec<String>)>);
        let row = Before(7, 2, true, "w".into(), false, vec![(3, 4, vec!["a".into()])]);
        let poison: Poison = rmp_serde::from_slice(&rmp_serde::to_vec(&row).unwrap()).unwrap();
        assert_eq!((poison.failures(7), poison.skips.asked(3)), (2, true));
        assert_eq!(poison.skips.at(4), Cut::Parts(vec!["a".into()]));
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept_on_one_line() {
        let mut poison = Poison::default();
        poison.failed(1, &format!("left\n  right {}", "x".repeat(9000)));
        assert!(poison.why.starts_with("left right xx"), "{}", poison.why);
        assert_eq!(poison.why.len(), WHY_MAX);
    }
}
