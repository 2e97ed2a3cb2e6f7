//! Finds the facts that stages of other versions appended. They are used as they are, for only
//! their own version can derive them again.

use everwarm_domain::fact::{Body, Operator};
use everwarm_kernel::fact::Fact;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::views::OtherVersionView;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

/// Facts of one rank that are kept in memory at most.
const READ_MAX: usize = 4_096;

/// The facts of another version of one stage, read on demand.
pub(super) struct Span<'a> {
    journal: &'a dyn JournalFacts,
    rank: u16,
    /// The last input whose facts are not derived again.
    until: u64,
    facts: u64,
    /// The first row that was not read yet.
    next: u64,
    read: VecDeque<Fact<Body>>,
    ended: bool,
}

impl Span<'_> {
    /// The facts about input `n`; none where the present version derives them.
    pub(super) fn about(&mut self, n: u64) -> Result<Option<Vec<Fact<Body>>>, String> {
        if n > self.until {
            return Ok(None);
        }
        let mut held = Vec::new();
        loop {
            while let Some(fact) = self.read.pop_front_if(|fact| fact.key.n <= n) {
                held.extend(Some(fact).filter(|fact| fact.key.n == n));
            }
            if self.ended || !self.read.is_empty() {
                return Ok(Some(held));
            }
            self.more().map_err(|failure| failure.text)?;
        }
    }

    fn more(&mut self) -> Result<(), Failure> {
        self.ended = true;
        let Span { journal, rank, next, read, ended, .. } = self;
        journal.each(*next, &mut |row, fact| {
            *next = row + 1;
            if fact.key.rank == *rank {
                read.push_back(fact.clone());
            }
            *ended = read.len() < READ_MAX;
            if *ended { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    /// The summary for reports; `stage` is the name of the stage.
    pub(super) fn view(&self, stage: String) -> OtherVersionView {
        let until = Some(self.until).filter(|until| *until < u64::MAX);
        OtherVersionView { stage, facts: self.facts, until }
    }
}

/// Where the facts of the present version of a stage begin.
#[derive(Default)]
struct Found {
    facts: u64,
    /// The last input with facts of another version; the input that reports the upgrade to the
    /// present version; the first input with facts of the present version.
    other: u64,
    upgraded: Option<u64>,
    present: Option<u64>,
}

/// The spans of versions other than `versions`, by rank. Facts before row `from_row` are not used.
pub(super) fn spans<'a>(
    journal: &'a dyn JournalFacts,
    versions: &BTreeMap<u16, u16>,
    from_row: u64,
) -> Result<BTreeMap<u16, Span<'a>>, Failure> {
    let mut found: BTreeMap<u16, Found> = BTreeMap::new();
    journal.each(0, &mut |_, fact| {
        let rank = fact.key.rank;
        if let Body::Operator(Operator::StageUpgraded { rank, to, .. }) = &fact.body {
            let upgraded = versions.get(rank) == Some(to);
            let of = found.entry(*rank).or_default();
            of.upgraded = upgraded.then_some(fact.key.n);
            of.present = of.present.filter(|_| upgraded);
        } else if rank != 0 && versions.get(&rank) != Some(&fact.version) {
            let of = found.entry(rank).or_default();
            of.facts += 1;
            (of.other, of.present) = (fact.key.n, None);
        } else if let Some(of) = found.get_mut(&rank) {
            of.present.get_or_insert(fact.key.n);
        }
        ControlFlow::Continue(())
    })?;
    let span = |(rank, Found { facts, other, upgraded, present })| {
        let begins = upgraded.unwrap_or(u64::MAX).min(present.unwrap_or(u64::MAX));
        let until = if begins == u64::MAX { begins } else { other.max(begins - 1) };
        let (next, read, ended) = (from_row, VecDeque::new(), false);
        (rank, Span { journal, rank, until, facts, next, read, ended })
    };
    Ok(found.into_iter().map(span).collect())
}
