//! Kill points in a real process: planned by the environment, for the tests that start the built
//! binary.
//!
//! A planned death says where it stands and stands still; whoever planned it then sends a real
//! SIGKILL.

use everwarm_domain::path::Places;
use everwarm_kernel::fact::Body;
use everwarm_runtime::chaos::{Chaos, FaultKind, Injected, Phase, PlannedFault, Site};
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::Sealing;
use everwarm_runtime::supervise::Directory;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Holds a JSON list of strikes; absent: the kill points are off.
pub const STRIKES: &str = "EVERWARM_STRIKES";
/// Holds the name of a file that is made when a planned death is reached.
pub const STRUCK: &str = "EVERWARM_STRUCK";
/// Holds the name of a file in which this process says how far its life is.
pub const STEP: &str = "EVERWARM_STEP";
/// Sizes at which the journal is sealed, bytes: a segment, and what stays in the live file.
pub const SEALING: &str = "EVERWARM_SEALING";

macro_rules! steps {
    ($($step:ident $name:literal $about:literal;)*) => {
        /// How far a life is.
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
    /// Has a life stand still when it comes to this step, whichever phase it counts as by then.
    #[must_use]
    pub fn strikes(self) -> [PlannedFault; 2] {
        [Phase::Starting, Phase::Live].map(|phase| {
            let (site, who) = (Site::BeforeResume, self.name().to_owned());
            PlannedFault { site, who, phase, nth: 1, blow: FaultKind::Die }
        })
    }
}

/// Says how far the life of this process is, where somebody wants to know.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    file: Option<PathBuf>,
    /// The kill points of the process, once it has any: each step is one.
    chaos: Arc<OnceLock<Chaos>>,
}

impl Steps {
    /// As the environment wants it.
    #[must_use]
    pub fn from_environment() -> Steps {
        Steps { file: std::env::var_os(STEP).map(PathBuf::from), chaos: Arc::default() }
    }

    /// From here on each step is a kill point of these.
    pub fn strike(&self, chaos: &Chaos) {
        self.chaos.get_or_init(|| chaos.clone());
    }

    /// It has come so far.
    pub fn enter(&self, step: Step) {
        let Some(file) = &self.file else { return };
        // Whoever reads it meanwhile reads the one before.
        let beside = file.with_extension("next");
        let told =
            std::fs::write(&beside, step.name()).and_then(|()| std::fs::rename(&beside, file));
        if let Err(e) = told {
            tracing::error!("the step was not written: {e}");
        }
        if let Some(chaos) = self.chaos.get() {
            chaos.point(Site::BeforeResume, step.name());
        }
    }
}

/// Has the journal sealed at other sizes than the usual ones, where the environment says so.
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

/// Whether this process is to be struck.
#[must_use]
pub fn is_planned() -> bool {
    std::env::var_os(STRIKES).is_some()
}

/// Where actors are found, once there is a tree.
pub type Found = OnceLock<(Directory, Places)>;

/// Arms the kill points of this process as the environment plans, which has to be allowed; what is
/// killed is found in the directory, once there is one.
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
    let struck = std::env::var_os(STRUCK).map(PathBuf::from);
    chaos.arm(strikes, kill, move || stand_still(struck.as_ref()));
    Ok((chaos, place))
}

fn stand_still(struck: Option<&PathBuf>) {
    if let Some(file) = struck
        && let Err(e) = std::fs::write(file, "here")
    {
        tracing::error!("the planned exit was not written: {e}");
    }
    loop {
        #[expect(clippy::disallowed_methods, reason = "nothing of this process goes on from here")]
        std::thread::sleep(Duration::from_secs(1));
    }
}
