//! Kill points in a real process, planned by environment variables, for tests that start the built
//! binary.
//!
//! A planned death writes a file and waits. The test then sends a real SIGKILL.

use everwarm_domain::path::Places;
use everwarm_kernel::fact::Body;
use everwarm_runtime::chaos::{Chaos, FaultKind, Injected, Phase, PlannedFault, Site};
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::Sealing;
use everwarm_runtime::supervise::Directory;
use everwarm_sim::Protocol;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Variable with a JSON list of planned faults; absent: kill points are off.
pub const STRIKES: &str = "EVERWARM_STRIKES";
/// Variable with the path of a file that is made when a planned death is reached.
pub const REACHED: &str = "EVERWARM_STRUCK";
/// Variable with the path of the file in which this process writes its step.
pub const STEP: &str = "EVERWARM_STEP";
/// Variable with the sizes at which the journal is sealed, bytes: a segment, and the part that
/// stays in the live file.
pub const SEALING: &str = "EVERWARM_SEALING";

/// Variable with the protocol of the simulated exchange; absent: the usual one.
pub const PROTOCOL: &str = "EVERWARM_PROTOCOL";

macro_rules! steps {
    ($($step:ident $name:literal $about:literal;)*) => {
        /// The step that a life has reached.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Step { $(#[doc = $about] $step),* }

        impl Step {
            /// Every step, in their order.
            pub const ALL: &'static [Step] = &[$(Step::$step),*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Step::$step => $name),* }
            }
        }
    };
}

steps! {
    Open "open" "Open the files and check them in memory.";
    Repair "repair" "Repair the files after a crash.";
    Connect "connect" "Find or start the exchange.";
    Restore "restore" "Read the journal and start the tree.";
    Reconcile "reconcile" "Query the venue for all orders and the account.";
    CatchUp "catch-up" "Fetch and append the missed closes.";
    Live "live" "Trade.";
    Stop "stopping" "Stop.";
}

impl std::str::FromStr for Step {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Step::ALL.iter().find(|step| step.name() == text);
        found.copied().ok_or_else(|| format!("{text:?} is no step of a life"))
    }
}

impl Step {
    /// Faults that make a life wait at this step, in either phase.
    #[must_use]
    pub fn strikes(self) -> [PlannedFault; 2] {
        [Phase::Starting, Phase::Live].map(|phase| {
            let (site, who) = (Site::BeforeResume, self.name().to_owned());
            PlannedFault { site, who, phase, nth: 1, kind: FaultKind::Die }
        })
    }
}

/// Writes the step of this process to a file, if the environment names one.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    file: Option<PathBuf>,
    /// The kill points of the process, once armed: each step is one.
    chaos: Arc<OnceLock<Chaos>>,
}

impl Steps {
    /// As the environment configures it.
    #[must_use]
    pub fn from_environment() -> Steps {
        Steps { file: std::env::var_os(STEP).map(PathBuf::from), chaos: Arc::default() }
    }

    /// Makes each step from here on a kill point of `chaos`.
    pub fn arm(&self, chaos: &Chaos) {
        self.chaos.get_or_init(|| chaos.clone());
    }

    /// Enters a step.
    pub fn enter(&self, step: Step) {
        let Some(file) = &self.file else { return };
        // A concurrent reader still reads the previous step.
        let beside = file.with_extension("next");
        let written =
            std::fs::write(&beside, step.name()).and_then(|()| std::fs::rename(&beside, file));
        if let Err(e) = written {
            tracing::error!("the step was not written: {e}");
        }
        if let Some(chaos) = self.chaos.get() {
            chaos.point(Site::BeforeResume, step.name());
        }
    }
}

/// Sets the sizes at which the journal is sealed, where the environment names them.
pub fn seal<B: Body>(journal: &Journal<B>) {
    let Ok(text) = std::env::var(SEALING) else { return };
    let sizes = text.split_once(',').and_then(|(segment, keep)| {
        Some(Sealing { segment: segment.parse().ok()?, keep: keep.parse().ok()? })
    });
    if let Some(sizes) = sizes {
        journal.seal_after(sizes);
    } else {
        tracing::error!("{SEALING}: {text:?} are no two sizes");
    }
}

/// The protocol of the simulated exchange, as the environment names it.
///
/// # Errors
/// There is no such protocol.
pub fn protocol() -> Result<Protocol, String> {
    let Some(name) = std::env::var_os(PROTOCOL) else { return Ok(Protocol::default()) };
    name.to_string_lossy().parse().map_err(|why| format!("{PROTOCOL}: {why}"))
}

/// Whether the environment plans faults for this process.
#[must_use]
pub fn is_planned() -> bool {
    std::env::var_os(STRIKES).is_some()
}

/// The directory of actors, once there is a tree.
pub type Found = OnceLock<(Directory, Places)>;

/// Arms the kill points of this process as the environment plans. Call it only where the
/// configuration allows that. Returns the place for the directory in which kills find actors.
///
/// # Errors
/// The plan cannot be read.
pub fn from_environment() -> Result<(Chaos, Arc<Found>), String> {
    let (chaos, place) = (Chaos::off(), Arc::new(Found::new()));
    let Some(plan) = std::env::var_os(STRIKES) else { return Ok((chaos, place)) };
    let text = plan.to_string_lossy();
    let strikes: Vec<PlannedFault> =
        serde_json::from_str(&text).map_err(|e| format!("{STRIKES}: {e}: {text}"))?;
    let at = Arc::clone(&place);
    let kill = move |who: &str| {
        if let Some((directory, places)) = at.get() {
            directory.inject_kill(&places.of(who), &Injected("planned".to_owned()));
        }
    };
    let reached = std::env::var_os(REACHED).map(PathBuf::from);
    chaos.arm(strikes, kill, move || stand_still(reached.as_ref()));
    Ok((chaos, place))
}

fn stand_still(reached: Option<&PathBuf>) {
    if let Some(file) = reached
        && let Err(e) = std::fs::write(file, "here")
    {
        tracing::error!("the planned exit was not written: {e}");
    }
    loop {
        #[expect(clippy::disallowed_methods, reason = "nothing of this process goes on from here")]
        std::thread::sleep(Duration::from_secs(1));
    }
}
