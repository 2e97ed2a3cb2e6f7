//! Responses from the files of a daemon that is not running.

use crate::sql_files;
use everwarm_config::last_start;
use everwarm_config::schema::schema;
use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::order::OrderStatus;
use everwarm_domain::time::UtcMs;
use everwarm_history as history;
use everwarm_history::projection::{INTEREST, projected_through};
use everwarm_history::{History, Projector};
use everwarm_kernel::fact::Body as _;
use everwarm_runtime::store::Left;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::emergency;
use everwarm_views::exit::Failure;
use everwarm_views::health::{Signs, findings};
use everwarm_views::journal_reader::{JournalFacts, Proofs};
use everwarm_views::memory::{Folds, Memory};
use everwarm_views::questions::{Context, Process, remembered};
use everwarm_views::reconcile::reconcile;
use everwarm_views::views::{
    CheckView, HealthView, ReconcileView, State, StatusView, SwitchesView, VersionView,
};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Number of facts that one commit projects.
const BATCH: usize = 2000;

/// The files of a data directory that no process uses.
pub struct OfflineContext {
    data_dir: PathBuf,
    archive: Arc<Archive>,
    history: History,
    journal: Box<dyn JournalFacts>,
    proofs: Proofs,
    version: VersionView,
    /// Wall time of the last write to the journal.
    written: Option<UtcMs>,
    rules: StorageRules,
}

impl OfflineContext {
    /// Opens the journal and the history of `data_dir`. Facts that the last process did not project
    /// are projected now, in memory. No file is changed or created.
    ///
    /// # Errors
    /// The history cannot be opened, or the journal cannot be read.
    pub fn open(
        data_dir: &Path,
        journal: Box<dyn JournalFacts>,
        proofs: Proofs,
    ) -> Result<OfflineContext, Failure> {
        let file = data_dir.join(history::FILE);
        let archive = Archive::look(&file)?.map_or_else(|| Archive::in_memory(&file), Ok)?;
        let archive = Arc::new(archive);
        catch_up(&mut Projector::new(Arc::clone(&archive))?, journal.as_ref())?;
        let history = History::new(Arc::clone(&archive));
        let (data_dir, written, rules) = (data_dir.into(), None, StorageRules::default());
        let version = VersionView::built(None, None);
        Ok(OfflineContext { data_dir, archive, history, journal, proofs, version, written, rules })
    }

    /// Sets the version of the program.
    #[must_use]
    pub fn built_as(self, version: VersionView) -> OfflineContext {
        OfflineContext { version, ..self }
    }

    /// Sets how long bars and facts stay.
    #[must_use]
    pub fn keeping(self, rules: StorageRules) -> OfflineContext {
        let archive = rules.archive && sql_files::available().is_ok();
        OfflineContext { rules: StorageRules { archive, ..rules }, ..self }
    }

    /// Uses the modification time of the journal file as the time of its last write. Opening it for
    /// reading does not change that time.
    #[must_use]
    pub fn written_as(self, file: &Path) -> OfflineContext {
        let changed = std::fs::metadata(file).and_then(|about| about.modified()).ok();
        let age = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let written = age.and_then(|age| UtcMs::try_from(age.as_millis()).ok());
        OfflineContext { written, ..self }
    }
}

/// Projects the readable facts that the journal has and the history lacks. If the history belongs
/// to another journal, it is built again from the beginning.
///
/// # Errors
/// The journal cannot be read, or the history cannot be written.
pub fn catch_up(projector: &mut Projector, journal: &dyn JournalFacts) -> Result<(), Failure> {
    let mut head = projector.through();
    let mut any = head == 0;
    journal.each_left(head, &mut |_| {
        any = true;
        ControlFlow::Break(())
    })?;
    if !any {
        projector.rebuild()?;
    }
    head = projector.through();
    let mut batch = Vec::new();
    let mut failed = None;
    journal.each_left(head + 1, &mut |left| {
        match left {
            Left::Row(row, fact) => {
                head = row;
                if INTEREST.has(fact.body.kind()) {
                    batch.push((row, fact.clone()));
                }
            }
            Left::Lost(rows, _) => head = *rows.end(),
        }
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        let applied = projector.apply(batch.iter().map(|(r, f)| (*r, f)), head, false);
        batch.clear();
        match applied {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if head > projector.through() || !batch.is_empty() {
        projector.apply(batch.iter().map(|(r, f)| (*r, f)), head, true)?;
    }
    Ok(())
}

impl Context for OfflineContext {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn storage_rules(&self) -> StorageRules {
        emergency::in_force(self.rules.clone(), &self.data_dir)
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    fn journal(&self) -> &dyn JournalFacts {
        self.journal.as_ref()
    }

    fn proofs(&self) -> Proofs {
        self.proofs
    }

    /// The memory that the last process saved, with the facts after it.
    fn memory(&self, read: &mut dyn FnMut(&mut Memory)) -> Result<(), Failure> {
        let through = projected_through(&self.archive)?;
        let mut memory = Memory::load(&self.archive, through)?;
        self.journal.each_left(memory.next_row(), &mut |left| {
            memory.take(&left);
            ControlFlow::Continue(())
        })?;
        read(&mut memory);
        Ok(())
    }

    fn status(&self) -> Result<StatusView, Failure> {
        let mut view = remembered(self, |memory| {
            let history = memory.coverage.view();
            let status = &memory.now().status;
            let off = status.switches().off();
            StatusView { off, history, ..status.view_at_rest() }
        })?;
        view.state = State::Stopped;
        view.ready = false;
        view.data_dir = self.data_dir.display().to_string();
        view.problems.extend(emergency::read(&self.data_dir).sentence());
        Ok(view)
    }

    fn checks(&self) -> Vec<CheckView> {
        let detail = "no process is running".to_owned();
        vec![CheckView { name: "process".into(), ok: false, detail }]
    }

    fn doctor(&self) -> Result<HealthView, Failure> {
        let status = self.status()?;
        remembered(self, |memory| {
            let Folds { status: fold, health, .. } = memory.now();
            let (mut facts, now) = (health.clone(), health.now);
            for (id, (state, sent)) in fold.at_rest() {
                facts.due.remove(&id);
                if state == OrderStatus::Unknown {
                    facts.unknown.insert(id, sent.unwrap_or(now));
                } else {
                    facts.unknown.remove(&id);
                }
            }
            findings(&Signs {
                wall: everwarm_runtime::clock::wall().utc(),
                written: self.written,
                venue: now,
                facts,
                status,
                quarantines: fold.quarantines(),
                held: fold.sellable(),
                symbols: fold.symbols(),
                switches: fold.switches().switches,
                config: last_start::read(&self.data_dir).map(|file| file.display().to_string()),
                disk: everwarm_views::health::disk_of(&self.data_dir),
                emergency: emergency::read(&self.data_dir),
                ..Signs::default()
            })
        })
    }

    fn switches(&self) -> Result<SwitchesView, Failure> {
        remembered(self, |memory| memory.now().status.switches())
    }

    fn reconcile(&self) -> Result<ReconcileView, Failure> {
        reconcile(self.journal.as_ref())
    }

    fn version(&self) -> VersionView {
        self.version.clone()
    }

    fn schema(&self) -> Value {
        schema()
    }

    fn process(&self) -> Option<&dyn Process> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::{Body, BreakerLevel, Decision, Operator};
    use everwarm_domain::switch::{SafeStep, Switch};
    use everwarm_kernel::fact::Key;
    use everwarm_trading::testing::{configured, crossing};
    use everwarm_views::exit::Exit;
    use everwarm_views::questions::{self, Asked, EQUITY, FILLS, ORDERS, Question, SIGNALS, TREE};
    use everwarm_views::testing::{Facts, journal};
    use everwarm_views::views::{OrderView, ReplayView, VerifyView};

    fn orders(desk: &OfflineContext) -> Vec<OrderView> {
        questions::orders(desk, None.into()).unwrap().rows
    }

    /// The sample journal with these facts appended.
    fn after(folder: &Path, appended: &[Body]) -> OfflineContext {
        std::fs::create_dir_all(folder).unwrap();
        let mut facts = journal().0;
        for (n, body) in (9..).zip(appended) {
            let last = facts.last().unwrap().clone();
            let key = Key { n, rank: 0, i: 0 };
            facts.push(everwarm_kernel::fact::Fact { key, body: body.clone(), ..last });
        }
        let proofs = Proofs {
            verify: |_, _| Ok(VerifyView::default()),
            replay: |_, _, _| Ok(ReplayView::default()),
        };
        OfflineContext::open(folder, Box::new(Facts(facts)), proofs).unwrap()
    }

    #[test]
    fn an_order_that_was_announced_before_a_kill_has_an_unknown_status() {
        let folder = std::env::temp_dir().join(format!("everwarm-sent-{}", std::process::id()));
        let state_after = |count: usize| {
            std::fs::create_dir_all(&folder).unwrap();
            let journal = Box::new(Facts(journal().0[..count].to_vec()));
            let proofs = Proofs {
                verify: |_, _| Ok(VerifyView::default()),
                replay: |_, _, _| Ok(ReplayView::default()),
            };
            let desk = OfflineContext::open(&folder, journal, proofs).unwrap();
            let (status, order) = (desk.status().unwrap(), orders(&desk).remove(0));
            let found = desk.doctor().unwrap().findings;
            let found = found.iter().any(|finding| finding.check == "unknown");
            drop(desk);
            std::fs::remove_dir_all(&folder).unwrap();
            (status.unknown_orders, order.status, found)
        };
        assert_eq!(state_after(12), (0, OrderStatus::Intent, false), "decided, and not announced");
        assert_eq!(state_after(13), (1, OrderStatus::Unknown, true), "announced");
        assert_eq!(
            state_after(14),
            (1, OrderStatus::Unknown, true),
            "and the order manager has recorded it"
        );
        assert_eq!(state_after(15), (0, OrderStatus::Filled, false), "the venue has reported it");
    }

    #[test]
    fn what_operators_set_is_judged_where_nobody_runs() {
        let folder = std::env::temp_dir().join(format!("everwarm-said-{}", std::process::id()));
        let word = |switch| Body::Operator(Operator::Switched { switch, reason: "storm".into() });
        let (level, barred) = (BreakerLevel::ExitsOnly, Vec::new());
        let reasons = vec!["an operator halted trading: storm".to_owned()];
        let halted = [
            word(Switch::Halt),
            Body::Decision(Decision::Breaker { level, reasons, barred, strategies: vec![] }),
        ];
        let breaker_after = |appended: &[Body]| {
            let view = after(&folder, appended).doctor().unwrap();
            let found = view.findings.into_iter().find(|f| f.check == "breaker").unwrap();
            assert!(found.since.is_some(), "{found:?}");
            let command = found.command.unwrap();
            (found.text, command.split(" --data-dir").next().unwrap().to_owned())
        };
        let (text, command) = breaker_after(&halted);
        assert_eq!(text, "the breaker is at exits-only: an operator stopped entries: storm");
        assert_eq!(command, "everwarm resume --reason \"why\"");
        // Appended after the last process ended.
        let (text, command) = breaker_after(&[word(Switch::Safe(SafeStep::Collect))]);
        let careful = "safe start, only data is collected: storm";
        assert_eq!(text, format!("the breaker is at halted: {careful}"));
        assert_eq!(command, "everwarm safe-start exits --reason \"why\"");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_strategy_that_is_configured_off_is_reported_as_off() {
        let folder = std::env::temp_dir().join(format!("everwarm-off-{}", std::process::id()));
        let mut settings = crossing(10, 30);
        settings.strategy.enable("sma_cross", false);
        let desk = after(&folder, &[configured(&settings)]);
        assert_eq!(desk.switches().unwrap().configured_off, ["sma_cross"]);
        let off = "sma_cross, by the configuration (strategy.sma_cross.enabled)";
        assert_eq!(desk.status().unwrap().off, [off]);
        drop(desk);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_history_that_lags_or_is_of_another_journal_is_brought_up_to_date() {
        let folder = std::env::temp_dir().join(format!("everwarm-offline-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let facts = journal().0;
        let open = |count: usize| {
            let journal = Box::new(Facts(facts[..count].to_vec()));
            let proofs = Proofs {
                verify: |_, _| Ok(VerifyView::default()),
                replay: |_, _, _| Ok(ReplayView::default()),
            };
            OfflineContext::open(&folder, journal, proofs).unwrap()
        };
        let rows = |desk: &OfflineContext, question: &Question| {
            let asked = Asked::default();
            (question.answer)(desk, &asked).map(|answer| answer.json.rows().unwrap().len())
        };
        assert_eq!(rows(&open(17), &FILLS), Ok(2));
        let desk = open(facts.len());
        assert_eq!(rows(&desk, &FILLS), Ok(2));
        assert_eq!(rows(&desk, &EQUITY), Ok(2));
        assert_eq!(desk.status().unwrap().state, State::Stopped);
        assert_eq!(rows(&desk, &SIGNALS), Ok(2));
        assert_eq!(rows(&desk, &TREE).unwrap_err().exit, Exit::Unreachable);
        drop(desk);
        let desk = open(12);
        assert_eq!(rows(&desk, &FILLS), Ok(0));
        assert_eq!(rows(&desk, &ORDERS), Ok(1));
        drop(desk);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
