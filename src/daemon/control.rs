//! Executes operator commands: in the running daemon, or in the files of a stopped one.

use super::answers::LiveContext;
use super::reload::Reloader;
use super::watch::Watch;
use super::{
    backfill, by_hand, external, injected, quarantine, resolve_conflicts, storekeeper, switch,
    symbols, venue_usage,
};
use everwarm_cli::log::LogLevel;
use everwarm_edge::world::World;
use everwarm_views::backfill::{BackfillView, BackfillWord};
use everwarm_views::by_hand::{ByHandView, HandResultView};
use everwarm_views::changes::{Control, ProcessControl, ReloadHow, SymbolsChange};
use everwarm_views::emergency::EmergencyView;
use everwarm_views::exit::Failure;
use everwarm_views::external::{ExternalSignalView, TakenSignalView};
use everwarm_views::injected::{BranchView, FaultView};
use everwarm_views::questions::symbols as listed;
use everwarm_views::storage::{RetainRunView, RetainWord};
use everwarm_views::views::{
    AdoptView, AdoptedView, ClearedView, LogLevelView, QuarantineView, ReloadView, ResolveView,
    ResolvedView, SwitchWord, SwitchedView, SymbolsChangeView,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The running daemon.
pub struct LiveControl {
    /// The objects that the actors of the edge share.
    pub world: World,
    /// The facts seen so far.
    pub watch: Watch,
    /// Reloads the configuration.
    pub reloader: Arc<Reloader>,
    /// The log level and filter.
    pub log: LogLevel,
    /// The data from which it responds.
    pub context: Arc<LiveContext>,
    /// The data directory.
    pub data_dir: PathBuf,
}

impl Control for LiveControl {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
        quarantine::live(&self.world.journal, id, retry)
    }

    fn resolve(&self, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure> {
        resolve_conflicts::live(&self.world.journal, id, word)
    }

    fn adopt(&self, word: &AdoptView) -> Result<AdoptedView, Failure> {
        resolve_conflicts::adopt_live(&self.world.journal, word)
    }

    fn clear_limits(&self) -> Result<ClearedView, Failure> {
        Ok(ClearedView::of(self.world.venue.clear_bans()))
    }

    fn switch(&self, word: &SwitchWord) -> Result<SwitchedView, Failure> {
        switch::live(&self.world, word, None)
    }

    fn lift_emergency(&self) -> Result<EmergencyView, Failure> {
        storekeeper::lift(&self.data_dir)
    }

    fn process(&self) -> Option<&dyn ProcessControl> {
        Some(self)
    }
}

impl ProcessControl for LiveControl {
    fn inject(&self, wanted: &FaultView) -> Result<FaultView, Failure> {
        let allowed = injected::Allowed::by(&self.reloader.values());
        injected::inject(&self.world, &self.watch, allowed, wanted)
    }

    fn retry(&self, wanted: &BranchView) -> Result<BranchView, Failure> {
        injected::retry(&self.world, wanted)
    }

    fn change_symbols(&self, change: SymbolsChange) -> Result<SymbolsChangeView, Failure> {
        symbols::change(&self.world, &listed(self.context.as_ref())?, change)
    }

    fn reload(&self, how: ReloadHow) -> Result<ReloadView, Failure> {
        self.reloader.by_api(how)
    }

    fn trade(&self, id: &str, word: &ByHandView) -> Result<HandResultView, Failure> {
        by_hand::live(&self.world, &self.watch, id, word)
    }

    fn signal(&self, word: &ExternalSignalView) -> Result<TakenSignalView, Failure> {
        let listed = listed(self.context.as_ref())?;
        external::live(&self.world, &self.watch, &listed, word)
    }

    fn backfill(&self, word: &BackfillWord) -> Result<BackfillView, Failure> {
        backfill::check(&self.world, word)?;
        self.context.backfills.begin(word, false)
    }

    fn retain(&self, word: &RetainWord) -> Result<RetainRunView, Failure> {
        self.context.retains.begin(word)
    }

    fn set_log_level(&self, wanted: &LogLevelView) -> Result<LogLevelView, Failure> {
        self.log.change(wanted)
    }
}

/// The files of a data directory that no process holds.
struct FileControl(PathBuf);

/// Executes commands in the files of a data directory that no process holds.
pub fn of_files(data_dir: &Path) -> Box<dyn Control> {
    Box::new(FileControl(data_dir.to_owned()))
}

impl Control for FileControl {
    fn data_dir(&self) -> &Path {
        &self.0
    }

    fn release(&self, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
        quarantine::offline(&self.0, id, retry)
    }

    fn resolve(&self, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure> {
        resolve_conflicts::offline(&self.0, id, word)
    }

    fn adopt(&self, word: &AdoptView) -> Result<AdoptedView, Failure> {
        resolve_conflicts::adopt_offline(&self.0, word)
    }

    fn clear_limits(&self) -> Result<ClearedView, Failure> {
        venue_usage::clear(&self.0)
    }

    fn switch(&self, word: &SwitchWord) -> Result<SwitchedView, Failure> {
        switch::offline(&self.0, word)
    }

    fn lift_emergency(&self) -> Result<EmergencyView, Failure> {
        storekeeper::lift(&self.0)
    }

    fn process(&self) -> Option<&dyn ProcessControl> {
        None
    }
}
