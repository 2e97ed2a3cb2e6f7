//! Executes operator commands: in the running daemon, or in the files of a stopped one.

use super::answers::LiveContext;
use super::reload::Reloader;
use super::watch::Watch;
use super::{
    backfill, by_hand, external, injected, quarantine, resolve_conflicts, storekeeper, switch,
    symbols, tokens, venue_usage,
};
use everwarm_cli::log::LogLevel;
use everwarm_edge::world::World;
use everwarm_views::backfill::{BackfillRequest, BackfillView};
use everwarm_views::by_hand::{ByHandView, HandResultView};
use everwarm_views::changes::{Control, ProcessControl, ReloadHow, SymbolsChange};
use everwarm_views::emergency::EmergencyView;
use everwarm_views::exit::Failure;
use everwarm_views::external::{ExternalSignalView, TakenSignalView};
use everwarm_views::injected::{BranchView, FaultView};
use everwarm_views::questions::symbols as listed;
use everwarm_views::storage::{RetainRequest, RetainRunView};
use everwarm_views::tokens::{TokensChangedView, TokensRequest};
use everwarm_views::views::{
    AdoptView, AdoptedView, ClearedView, LogLevelView, QuarantineView, ReloadView, ResolveView,
    ResolvedView, SwitchRequest, SwitchedView, SymbolsChangeView,
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

    fn resolve(&self, id: &str, request: &ResolveView) -> Result<ResolvedView, Failure> {
        resolve_conflicts::live(&self.world.journal, id, request)
    }

    fn adopt(&self, request: &AdoptView) -> Result<AdoptedView, Failure> {
        resolve_conflicts::adopt_live(&self.world.journal, request)
    }

    fn clear_limits(&self) -> Result<ClearedView, Failure> {
        Ok(ClearedView::of(self.world.venue.clear_bans()))
    }

    fn switch(&self, request: &SwitchRequest) -> Result<SwitchedView, Failure> {
        switch::live(&self.world, request, None)
    }

    fn change_tokens(&self, request: &TokensRequest) -> Result<TokensChangedView, Failure> {
        tokens::live(&self.world, request)
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

    fn trade(&self, id: &str, request: &ByHandView) -> Result<HandResultView, Failure> {
        by_hand::live(&self.world, &self.watch, id, request)
    }

    fn signal(&self, request: &ExternalSignalView) -> Result<TakenSignalView, Failure> {
        let listed = listed(self.context.as_ref())?;
        external::live(&self.world, &self.watch, &listed, request)
    }

    fn backfill(&self, request: &BackfillRequest) -> Result<BackfillView, Failure> {
        backfill::check(&self.world, request)?;
        self.context.backfills.begin(request, false)
    }

    fn retain(&self, request: &RetainRequest) -> Result<RetainRunView, Failure> {
        self.context.retains.begin(request)
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

    fn resolve(&self, id: &str, request: &ResolveView) -> Result<ResolvedView, Failure> {
        resolve_conflicts::offline(&self.0, id, request)
    }

    fn adopt(&self, request: &AdoptView) -> Result<AdoptedView, Failure> {
        resolve_conflicts::adopt_offline(&self.0, request)
    }

    fn clear_limits(&self) -> Result<ClearedView, Failure> {
        venue_usage::clear(&self.0)
    }

    fn switch(&self, request: &SwitchRequest) -> Result<SwitchedView, Failure> {
        switch::offline(&self.0, request)
    }

    fn change_tokens(&self, request: &TokensRequest) -> Result<TokensChangedView, Failure> {
        tokens::offline(&self.0, request)
    }

    fn lift_emergency(&self) -> Result<EmergencyView, Failure> {
        storekeeper::lift(&self.0)
    }

    fn process(&self) -> Option<&dyn ProcessControl> {
        None
    }
}
