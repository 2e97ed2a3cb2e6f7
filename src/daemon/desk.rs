//! Answers of the running daemon.

use super::watch::Watch;
use crate::audit::{StoreFacts, verify};
use crate::domain::id::Symbol;
use crate::domain::time::{Timeframe, UtcMs};
use crate::edge::board::Trouble;
use crate::edge::world::{World, wall};
use crate::history::{History, bars};
use crate::ops::config::Config;
use crate::ops::desk::Desk;
use crate::ops::exit::Failure;
use crate::ops::explain::explain;
use crate::ops::views::{
    BarView, CheckView, EquityView, ExplainView, FillView, OrderView, PositionView, QuarantineView,
    SignalView, State, StatusView, TradeView, ValueView, VerifyView,
};
use crate::ops::why_not::why_not;
use everwarm_runtime::clock;
use everwarm_runtime::supervise::TreeView;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The running daemon's desk.
pub struct LiveDesk {
    world: World,
    watch: Watch,
    history: History,
    data_dir: String,
    pace: String,
    values: Vec<ValueView>,
    began: Instant,
}

impl LiveDesk {
    /// Answers from what is watched and projected.
    #[must_use]
    pub fn new(world: World, watch: Watch, config: &Config) -> LiveDesk {
        let history = History::new(Arc::clone(&world.archive));
        let began = clock::now();
        let data_dir = config.data_dir.display().to_string();
        let (pace, values) = (config.market.pace.to_string(), config.values.clone());
        LiveDesk { world, watch, history, data_dir, pace, values, began }
    }

    fn facts(&self) -> StoreFacts {
        StoreFacts(self.world.journal.store().clone())
    }
}

impl Desk for LiveDesk {
    fn status(&self) -> Result<StatusView, Failure> {
        let checks = self.checks();
        let seen = self.watch.seen();
        let mut view = seen.status.view();
        view.ready = checks.iter().all(|check| check.ok);
        view.problems
            .extend(checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.name, c.detail)));
        view.data_dir.clone_from(&self.data_dir);
        view.pid = Some(std::process::id());
        view.uptime_ms = u64::try_from(self.began.elapsed().as_millis()).ok();
        "simulated exchange".clone_into(&mut view.venue);
        view.pace = Some(self.pace.clone());
        view.restarts = seen.restarts;
        view.steps.clone_from(&seen.steps);
        if view.state == State::Stopped {
            view.state = State::Starting;
        }
        Ok(view)
    }

    fn checks(&self) -> Vec<CheckView> {
        let seen = self.watch.seen();
        let status = seen.status.view();
        let reconciled = seen.ready.is_some();
        let detail = match (&status.conflicts[..], reconciled) {
            ([], true) => "the account agrees with the books".to_owned(),
            ([], false) => "the venue has not answered yet; it is asked again".to_owned(),
            (conflicts, _) => format!("{} differences nothing explains", conflicts.len()),
        };
        let ok = reconciled && status.conflicts.is_empty();
        let stopped = seen.status.stopped();
        let stages = CheckView {
            name: "stages".into(),
            ok: stopped.is_empty(),
            detail: match stopped.as_slice() {
                [] => "all go on".to_owned(),
                stopped => format!("{} stands still until an operator decides", stopped.join(", ")),
            },
        };
        let lag = self.world.journal.uncommitted_age();
        let venue = self.world.board.venue();
        let since = |t: &Trouble| format!("{}, since {} s", t.why, (wall() - t.since) / 1000);
        let waiting = self.world.venue.waiting();
        let answers = match waiting {
            Some(left) => format!("waiting for venue budget, {left} s"),
            None => "it answers".to_owned(),
        };
        vec![
            CheckView {
                name: "venue".into(),
                ok: venue.is_none() && waiting.is_none(),
                detail: venue.as_ref().map_or(answers, since),
            },
            CheckView { name: "reconciled".into(), ok, detail },
            stages,
            CheckView {
                name: "store".into(),
                ok: lag.as_secs() < 2,
                detail: format!("oldest uncommitted fact {} ms", lag.as_millis()),
            },
        ]
    }

    fn orders(&self, limit: Option<usize>) -> Result<Vec<OrderView>, Failure> {
        Ok(self.history.orders(limit)?)
    }

    fn fills(&self, limit: Option<usize>) -> Result<Vec<FillView>, Failure> {
        Ok(self.history.fills(limit)?)
    }

    fn positions(&self) -> Result<Vec<PositionView>, Failure> {
        Ok(self.history.positions()?)
    }

    fn equity(&self, limit: Option<usize>) -> Result<Vec<EquityView>, Failure> {
        Ok(self.history.equity(limit)?)
    }

    fn trades(&self) -> Result<Vec<TradeView>, Failure> {
        Ok(self.history.trades()?)
    }

    fn signals(&self, limit: Option<usize>) -> Result<Vec<SignalView>, Failure> {
        Ok(self.watch.seen().signals.newest(limit))
    }

    fn bars(
        &self,
        symbol: Symbol,
        timeframe: Timeframe,
        limit: Option<usize>,
    ) -> Result<Vec<BarView>, Failure> {
        let found = bars::newest(&self.world.archive, timeframe, symbol, limit)?;
        Ok(found.iter().map(BarView::of).collect())
    }

    fn quarantine(&self) -> Result<Vec<QuarantineView>, Failure> {
        Ok(self.watch.seen().status.quarantines())
    }

    fn tree(&self) -> Result<Value, Failure> {
        Ok(self.world.directory.view().map_or(Value::Null, |view| branch(&view)))
    }

    fn config(&self) -> Result<Vec<ValueView>, Failure> {
        Ok(self.values.clone())
    }

    fn explain(&self, id: &str) -> Result<Option<ExplainView>, Failure> {
        explain(&self.facts(), id)
    }

    fn why_not(&self, symbol: Symbol, time: Option<UtcMs>) -> Result<ExplainView, Failure> {
        why_not(&self.facts(), symbol, time)
    }

    fn verify(&self) -> Result<VerifyView, Failure> {
        verify(&self.facts(), Arc::clone(&self.world.archive))
    }
}

fn branch(view: &TreeView) -> Value {
    let name = view.path.rsplit('/').next().unwrap_or(&view.path);
    json!({
        "name": name,
        "kind": view.kind,
        "state": view.state,
        "restarts": view.restarts,
        "injected": view.injected,
        "since_ms": view.since_ms,
        "last_failure": view.last_failure,
        "children": view.children.iter().map(branch).collect::<Vec<_>>(),
    })
}
