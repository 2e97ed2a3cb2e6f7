//! The config actor: appends that a run has begun, and puts settings in force if they differ from
//! those in force.
//!
//! The settings in force and the switches are a fold over the journal. The actor writes them on the
//! board, where the rest of the edge reads them. It reads no file, so a restart of the actor
//! applies nothing again.
//!
//! Over 500 lines: one actor, and each of its messages is a case.

use crate::world::World;
use everwarm_domain::fact::kinds::{kind, rank};
use everwarm_domain::fact::{Body, Operator, Retained};
use everwarm_domain::path;
use everwarm_domain::settings::Settings;
use everwarm_domain::switch::Switches;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::journal::{Enrol, StageInfo, Waker, Writer};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::supervise::{ChildSpec, RequestError};
use everwarm_trading::{StageSpec, instance, strategy};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Its name as a writer.
pub const NAME: &str = "config";
/// Wall time between checks whether each strategy has its actor, and after a failed start.
const LOOK: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);
const FORMAT: u8 = 3;
/// The format of version 2.
const FORMAT_2: u8 = 2;

/// A configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Its number, from 1; 0: none was ever in force.
    pub generation: u64,
    /// What the stages get of it.
    pub content: Content,
    /// Digest of the configuration sources when it was put in force.
    pub source: String,
    /// Former settings of strategies that it carries.
    #[serde(default)]
    pub retained: Vec<Retained>,
}

/// The content of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The settings as JSON.
    pub text: String,
    /// Origins of values other than the defaults.
    pub origins: Vec<(String, String)>,
    /// Every value that may change while the daemon trades, as JSON.
    pub values: Vec<(String, String)>,
}

impl Content {
    /// The content for these settings.
    #[must_use]
    pub fn new(
        settings: &Settings,
        origins: Vec<(String, String)>,
        values: Vec<(String, String)>,
    ) -> Content {
        Content { text: settings.to_text(), origins, values }
    }

    /// The settings; the defaults if the text is not valid.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::from_text(&self.text).unwrap_or_default()
    }

    /// A digest of settings and values. It does not depend on their origins.
    #[must_use]
    pub fn digest(&self) -> String {
        let json = serde_json::json!([self.text, self.values]).to_string();
        format!("{:016x}", fnv(json.as_bytes()))
    }

    /// The input that puts it in force after `before`. It carries former settings of strategies
    /// that may still hold something under them.
    #[must_use]
    pub fn input(self, before: &Applied, source: String) -> Body {
        let now = self.settings();
        let generation = before.generation + 1;
        let retained = match before.generation {
            0 => Vec::new(),
            _ => strategy::retained(&before.content.settings(), &before.retained, &now),
        };
        let Content { text, origins, values } = self;
        let applied =
            Operator::ConfigApplied { generation, text, origins, values, source, retained };
        Body::Operator(applied)
    }
}

/// FNV-1a. It only distinguishes configurations of one installation. It is no protection.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// What is configured and switched, for the rest of the edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The configuration in force.
    pub now: Applied,
    /// The configuration in force before it.
    pub before: Option<Content>,
    /// The switches of operators.
    pub switches: Switches,
}

/// What is in force: a fold that appends nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InForce {
    /// Number of the last run that was announced.
    life: u64,
    /// Identity of the installation, once it has one.
    installation: String,
    epoch: u64,
    standing: Standing,
}

impl Stage for InForce {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::CONFIG
    }
    fn name(&self) -> &'static str {
        NAME
    }
    fn version(&self) -> u16 {
        3
    }
    fn interest(&self) -> Mask {
        // Only inputs, so that it waits for no stage.
        Mask::of(&[kind::STARTED, kind::CONFIG_APPLIED, kind::SWITCHED])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Operator(Operator::Started { life, installation, epoch }) => {
                (self.life, self.epoch) = (*life, *epoch);
                self.installation.clone_from(installation);
            }
            Body::Operator(Operator::ConfigApplied {
                generation,
                text,
                origins,
                values,
                source,
                retained,
            }) => {
                let (generation, source) = (*generation, source.clone());
                let retained = retained.clone();
                let (text, origins, values) = (text.clone(), origins.clone(), values.clone());
                let content = Content { text, origins, values };
                let now = Applied { generation, content, source, retained };
                let before = std::mem::replace(&mut self.standing.now, now);
                self.standing.before = (before.generation > 0).then_some(before.content);
            }
            Body::Operator(Operator::Switched { .. }) => self.standing.switches.fold(fact),
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }
    fn converts(&self) -> &'static [u16] {
        &[2]
    }
    fn convert(&mut self, _: u16, bytes: &[u8]) -> Result<(), String> {
        // The old form has no former settings of strategies. There were none.
        *self = state::load(FORMAT_2, bytes)?;
        Ok(())
    }
}

/// The configuration wanted at the start of a run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Identity for a fresh installation. An existing one keeps its own.
    pub installation: String,
    /// The configuration.
    pub content: Content,
}

/// Makes the actor of a stage.
pub type MakeStage = Arc<dyn Fn(StageSpec) -> ChildSpec + Send + Sync>;

/// The actor.
pub struct ConfigActor;

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    in_force: Runner<InForce>,
    waker: Arc<Waker>,
    /// Keeps the actors of strategies in line with the journal.
    steward: JoinHandle<()>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.steward.abort();
    }
}

/// Messages of the config actor.
#[derive(Debug)]
pub enum ConfigMsg {
    /// There may be new facts.
    Pull,
    /// Put this in force behind input `at`, in place of generation `base`.
    Apply {
        /// The last input that was known when it was judged.
        at: u64,
        /// The generation in force at that time.
        base: u64,
        /// The new configuration.
        content: Content,
        /// Digest of the configuration sources.
        source: String,
        /// Receives the row; none if another input came after `at`.
        reply: oneshot::Sender<Option<u64>>,
    },
}

impl Actor for ConfigActor {
    type Msg = ConfigMsg;
    type State = State;
    type Arguments = (World, Wanted, MakeStage);

    async fn pre_start(
        &self,
        me: ActorRef<ConfigMsg>,
        (world, wanted, make): (World, Wanted, MakeStage),
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        let (journal, library) = (Arc::clone(&world.journal), world.library.clone());
        let (in_force, _) = Runner::recover_stage(journal, Box::<InForce>::default(), library)?;
        let pull = move || drop(me.send_message(ConfigMsg::Pull));
        let waker = Waker::new(pull.clone());
        in_force.listen(Arc::clone(&waker));
        let steward = tokio::spawn(keep_strategies(world.clone(), make, pull));
        let mut state = State { world, writer, in_force, waker, steward };
        // Facts that a predecessor appended and did not fold are folded first.
        state.fold()?;
        while !state.begin(&wanted)? {}
        state.world.board.write_begun();
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<ConfigMsg>,
        message: ConfigMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        state.fold()?;
        match message {
            ConfigMsg::Pull => state.join_late()?,
            ConfigMsg::Apply { at, base, content, source, reply } => {
                let row = state.apply((at, base), content, source)?;
                // The caller may have given up: the board shows what is in force.
                reply.send(row).ok();
            }
        }
        Ok(())
    }
}

impl State {
    /// Applies what was appended, and writes it on the board.
    fn fold(&mut self) -> Result<(), ActorProcessingErr> {
        while self.in_force.catch_up(64, |_| ())? {}
        let standing = &self.in_force.stage().standing;
        if standing.now.generation > 0 {
            let wanted = standing.now.content.settings().trading.recv_window_ms;
            self.world.venue.set_recv_window(self.world.passing.recv_window(wanted));
        }
        self.world.board.write_config(standing);
        Ok(())
    }

    /// Appends that the run has begun, at the end of the journal. Returns whether it is appended
    /// now.
    fn begin(&mut self, wanted: &Wanted) -> Result<bool, ActorProcessingErr> {
        let head = self.world.journal.head();
        self.fold()?;
        let inputs = inputs(self.in_force.stage(), self.world.journal.life(), wanted.clone());
        if inputs.is_empty() {
            return Ok(true);
        }
        let settings = inputs.iter().find_map(settings_in);
        let joins = settings.and_then(|settings| joins(&self.world, &settings));
        self.world.chaos().point(Site::BeforeAppend, NAME);
        let (journal, joins) = (&self.world.journal, joins.unwrap_or_default());
        // If another input came before, everything is checked again.
        let begun = journal.enrol_at(&self.writer, head, inputs, joins)?.is_some();
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()?;
        Ok(begun)
    }

    /// Joins strategies that were still leaving when a run put them in force.
    fn join_late(&mut self) -> Result<(), ActorProcessingErr> {
        let head = self.world.journal.head();
        self.fold()?;
        let joins = late(&self.world);
        if joins.is_empty() {
            return Ok(());
        }
        // A strategy gets its settings from the input it joins with.
        let now = &self.in_force.stage().standing.now;
        let input = now.content.clone().input(now, now.source.clone());
        self.world.chaos().point(Site::BeforeAppend, NAME);
        // If another input came meanwhile, this is checked again.
        self.world.journal.enrol_at(&self.writer, head, vec![input], joins)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    /// Puts a configuration in force as one input: completely or not at all.
    fn apply(
        &mut self,
        (at, base): (u64, u64),
        content: Content,
        source: String,
    ) -> Result<Option<u64>, ActorProcessingErr> {
        let now = &self.in_force.stage().standing.now;
        if now.generation != base {
            return Ok(None);
        }
        let Some(joins) = joins(&self.world, &content.settings()) else { return Ok(None) };
        let input = content.input(now, source);
        self.world.chaos().point(Site::BeforeAppend, NAME);
        let appended = self.world.journal.enrol_at(&self.writer, at, vec![input], joins)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()?;
        Ok(appended.map(|at| at.row))
    }
}

/// The settings that an input puts in force.
fn settings_in(body: &Body) -> Option<Settings> {
    match body {
        Body::Operator(Operator::ConfigApplied { text, .. }) => Settings::from_text(text).ok(),
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    }
}

/// Joins for the configured strategies that do not take part; none while one of them is leaving. If
/// there is no rank for one, the reload was refused before.
fn joins(world: &World, settings: &Settings) -> Option<Vec<Enrol>> {
    let (members, present) = (world.journal.members(), world.journal.present());
    let specs = everwarm_trading::specs_of(&members, settings).unwrap_or_default();
    let acting = world.directory.children(path::STAGES);
    let mut joins = Vec::new();
    for spec in specs {
        let configured = settings.strategy.0.contains_key(spec.name);
        match present.iter().find(|(rank, ..)| *rank == spec.rank) {
            Some((.., Some(_))) if configured => return None,
            None if configured && everwarm_trading::joins(spec.rank) => {
                // Its former actor ends first.
                if acting.iter().any(|id| id == spec.name) {
                    return None;
                }
                let info = StageInfo::of(&*spec.build());
                let kind = info.instance_of.unwrap_or(info.name).to_owned();
                joins.push(Enrol::Join { info, kind, settings: String::new() });
            }
            Some(_) | None => {}
        }
    }
    Some(joins)
}

/// Joins for the strategies in force that do not take part and may join.
fn late(world: &World) -> Vec<Enrol> {
    let standing = Arc::clone(&world.board.config().borrow());
    let begun = standing.now.generation > 0;
    begun.then(|| joins(world, &standing.now.content.settings())).flatten().unwrap_or_default()
}

/// Starts the actors of strategies that joined while the daemon trades, and ends those of
/// strategies that left, until the process ends. Wakes the config actor if one may join.
async fn keep_strategies(world: World, make: MakeStage, pull: impl Fn()) {
    let (mut applied, slot) = (world.board.config(), world.directory.slot(path::STAGES));
    let mut supervisor = slot.changes();
    loop {
        applied.borrow_and_update();
        supervisor.borrow_and_update();
        let wait = if converge(&world, &make).await { LOOK } else { AGAIN };
        if !late(&world).is_empty() {
            pull();
        }
        tokio::select! {
            changed = applied.changed() => if changed.is_err() { return },
            changed = supervisor.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Starts and stops actors to match the journal. It may be repeated, and cancelled anywhere.
/// Returns whether they match.
async fn converge(world: &World, make: &MakeStage) -> bool {
    let mut done = true;
    let supervisor = world.directory.supervisor(path::STAGES);
    let actual: BTreeSet<String> = world.directory.children(path::STAGES).into_iter().collect();
    let present = world.journal.present();
    for who in world.journal.members() {
        let (is_there, acts) =
            (present.iter().any(|(rank, ..)| *rank == who.rank), actual.contains(&who.id));
        if acts && !is_there && everwarm_trading::joins(who.rank) {
            match supervisor.remove(&who.id).await {
                Ok(()) | Err(RequestError::NotFound) => {}
                Err(e) => {
                    done = false;
                    tracing::debug!(strategy = who.id, error = %e, "its stage is ended later");
                }
            }
        }
        if acts || !is_there {
            continue;
        }
        let Some(spec) = instance(&who.id, &who.kind, who.rank) else { continue };
        match supervisor.add(make(spec)).await {
            Ok(_) | Err(RequestError::AlreadyPresent | RequestError::AlreadyStarted(_)) => {}
            Err(e) => {
                done = false;
                tracing::debug!(strategy = who.id, error = %e, "its stage is started later");
            }
        }
    }
    done
}

/// The inputs at the start of run `life`. Within a run there are none: what is in force may be
/// newer than what the run began with.
fn inputs(now: &InForce, life: u64, wanted: Wanted) -> Vec<Body> {
    if now.life == life {
        return Vec::new();
    }
    let fresh = now.installation.is_empty();
    let installation = if fresh { wanted.installation } else { now.installation.clone() };
    let started = Operator::Started { life, installation, epoch: now.epoch };
    let mut inputs = vec![Body::Operator(started)];
    let (Applied { generation, content, source, .. }, digest) =
        (&now.standing.now, wanted.content.digest());
    // Journals of older versions have no digest.
    let same = if source.is_empty() {
        *generation > 0 && content.text == wanted.content.text
    } else {
        *source == digest
    };
    if !same {
        inputs.push(wanted.content.input(&now.standing.now, digest));
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_trading::testing::{crossing, input};

    fn wanted(fast: u32) -> Wanted {
        let content = Content::new(&crossing(fast, 30), Vec::new(), Vec::new());
        Wanted { installation: "here".into(), content }
    }

    fn fold(stage: &mut InForce, bodies: &[Body]) {
        for body in bodies {
            stage.evolve(&input(1, body.clone()));
        }
    }

    #[test]
    fn a_start_is_said_once_a_life_and_settings_only_when_they_differ() {
        let mut stage = InForce::default();
        let fresh = inputs(&stage, 1, wanted(10));
        assert_eq!(fresh.len(), 2, "a life and its settings: {fresh:?}");
        fold(&mut stage, &fresh);
        assert_eq!(inputs(&stage, 1, wanted(11)), [], "within a life the file is not believed");
        let mut other = wanted(10);
        other.installation = "elsewhere".into();
        let next = inputs(&stage, 2, other);
        let Body::Operator(Operator::Started { life: 2, installation, .. }) = &next[0] else {
            panic!("{next:?}")
        };
        assert_eq!((installation.as_str(), next.len()), ("here", 1), "identity is kept");
        assert_eq!(inputs(&stage, 2, wanted(11)).len(), 2);
    }

    #[test]
    fn a_configuration_carries_the_settings_that_it_changes() {
        let mut stage = InForce::default();
        let first = inputs(&stage, 1, wanted(10));
        fold(&mut stage, &first);
        let carried = |stage: &mut InForce, fast| {
            let applied = wanted(fast).content.input(&stage.standing.now, String::new());
            fold(stage, &[applied]);
            let retained = stage.standing.now.retained.iter();
            let words = retained.map(|row| row.settings.split('"').collect::<Vec<_>>().concat());
            words.collect::<Vec<_>>().join(" ")
        };
        assert!(stage.standing.now.retained.is_empty(), "nothing came before");
        assert!(carried(&mut stage, 11).contains("fast:10"));
        let third = carried(&mut stage, 12);
        assert!(third.contains("fast:10") && third.contains("fast:11"), "{third}");
        let again = carried(&mut stage, 10);
        assert!(!again.contains("fast:10"), "it is in force again: {again}");
        for fast in 13..20 {
            carried(&mut stage, fast);
        }
        assert_eq!(stage.standing.now.retained.len(), 4, "few are carried");
    }

    #[test]
    fn a_rollback_outlives_starts_until_the_sources_say_something_new() {
        let mut stage = InForce::default();
        let first = inputs(&stage, 1, wanted(10));
        fold(&mut stage, &first);
        let newer = wanted(11).content;
        let second = newer.clone().input(&stage.standing.now, newer.digest());
        fold(&mut stage, &[second]);
        let before = stage.standing.before.clone().expect("one was in force");
        assert_eq!(before, wanted(10).content);
        let third = before.input(&stage.standing.now, newer.digest());
        fold(&mut stage, &[third]);
        assert_eq!(stage.standing.now.content.settings(), crossing(10, 30));
        assert_eq!(stage.standing.before.as_ref(), Some(&newer));
        assert_eq!(inputs(&stage, 2, wanted(11)).len(), 1, "they still have what was rolled back");
        assert_eq!(inputs(&stage, 2, wanted(12)).len(), 2);
        let bytes = stage.save();
        let mut next = InForce::default();
        next.load(&bytes).unwrap();
        assert_eq!(next.standing, stage.standing);
    }
}
