//! Invariants of every run, whatever was injected. Each has its own file, with a test that shows
//! that it can fail.

pub mod announced;
pub mod cursors;
pub mod followed;
pub mod intended;
pub mod living;
pub mod moving;
pub mod numbered;
pub mod once;
pub mod owed;
pub mod positions;
pub mod reports;
pub mod reservations;
#[cfg(test)]
mod testing;

use crate::audit;
use everwarm_domain::fact::Body;
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::CheckpointRow;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::views::ProblemView;
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::Arc;

/// An order in the exchange's own books.
struct Order {
    id: String,
    executed: Option<Decimal>,
}

fn orders(ledger: &Value) -> impl Iterator<Item = Order> {
    ledger["orders"].as_array().into_iter().flatten().map(|order| Order {
        id: order["client_order_id"].as_str().unwrap_or_default().to_owned(),
        executed: order["executed"].as_str().and_then(|text| parse_decimal(text).ok()),
    })
}

/// The invariants of a whole journal and of the exchange's books.
#[derive(Debug, Default)]
pub struct Invariants {
    numbered: numbered::Numbered,
    intended: intended::Intended,
    living: living::Living,
    once: once::Once,
    owed: owed::Owed,
    positions: positions::Positions,
    reservations: reservations::Reservations,
    printed: reports::PrintedSignals,
}

impl Invariants {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        self.numbered.see(fact);
        self.intended.see(fact);
        self.living.see(fact);
        self.once.see(fact);
        self.owed.see(fact);
        self.positions.see(fact);
        self.reservations.see(fact);
        self.printed.see(fact);
    }

    /// The invariants that do not hold, one sentence each. `managed` is the last input that the
    /// order manager has passed.
    #[must_use]
    pub fn end(self, ledger: &Value, managed: u64) -> Vec<String> {
        let mut broken = self.numbered.end();
        broken.extend(self.intended.end(ledger));
        broken.extend(self.living.end());
        broken.extend(self.once.end(ledger));
        broken.extend(self.owed.end());
        broken.extend(self.positions.end(ledger));
        broken.extend(self.reservations.end(managed));
        broken.extend(self.printed.end());
        broken
    }
}

/// The facts of a run with their rows, as a journal, and every checkpoint of the run.
pub(super) struct Listed<'a>(
    pub(super) &'a [(u64, Fact<Body>)],
    pub(super) &'a [(u16, CheckpointRow)],
);

impl JournalFacts for Listed<'_> {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let wanted = self.0.iter().filter(|(row, _)| *row >= from_row);
        for (row, fact) in wanted {
            if see(*row, fact).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        Ok(self.1.to_vec())
    }
}

/// Audits the journal and every checkpoint. Returns the problems, with steps missing in stories of
/// orders, one sentence each. Also returns the stages whose facts of another version were used as
/// they are.
///
/// # Errors
/// The audit fails.
pub fn verify(
    facts: &[(u64, Fact<Body>)],
    saved: &[(u16, CheckpointRow)],
    archive: &Arc<Archive>,
) -> Result<(Vec<String>, Vec<String>), String> {
    let listed = Listed(facts, saved);
    let view = audit::verify(&listed, archive).map_err(|e| format!("{e:?}"))?;
    let problem = |p: &ProblemView| format!("verify: {} {}: {}", p.key, p.kind, p.text);
    let others = view.others.into_iter().map(|other| other.stage);
    let mut problems: Vec<String> = view.problems.iter().map(problem).collect();
    problems.extend(reports::stories(&listed, facts)?);
    Ok((problems, others.collect()))
}
