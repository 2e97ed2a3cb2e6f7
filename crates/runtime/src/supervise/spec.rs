//! What a tree is made of: children, their rules, and how each is started.
//!
//! ```
//! use everwarm_runtime::supervise::{Strategy, supervisor, worker};
//! # struct Echo;
//! # impl ractor::Actor for Echo {
//! #     type Msg = ();
//! #     type State = ();
//! #     type Arguments = ();
//! #     async fn pre_start(
//! #         &self,
//! #         _: ractor::ActorRef<()>,
//! #         (): (),
//! #     ) -> Result<(), ractor::ActorProcessingErr> {
//! #         Ok(())
//! #     }
//! # }
//! let tree = supervisor("root", Strategy::RestForOne)
//!     .child(worker("store", |_| (Echo, ())))
//!     .child(supervisor("trading", Strategy::OneForOne).child(worker("clock", |_| (Echo, ()))));
//! tree.check().unwrap();
//! ```

use super::exit::{Ignore, StartError};
use super::rules::{
    AutoShutdown, Backoff, Kind, OnGiveUp, Restart, Rules, Settings, Shutdown, Strategy,
};
use super::tree::Tree;
use super::watched::Watched;
use crate::mailbox::Mailbox;
use ractor::{Actor, ActorCell};
use std::any::Any;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A boxed future, the result of a start function.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts one instance. A start limit or a stop may drop its future before it ends.
pub type StartFn =
    Arc<dyn Fn(StartContext) -> BoxFuture<Result<Started, StartError>> + Send + Sync>;

/// Arguments of a start function.
#[derive(Clone)]
pub struct StartContext {
    /// The supervisor to link to.
    pub supervisor: ActorCell,
    /// The child's path in the tree, `root/…/id`.
    pub path: String,
    /// Number of this start under this supervisor, from 1.
    pub generation: u64,
    /// Number of earlier instances that were up.
    pub restarts: u32,
    /// Data that the whole tree shares, such as the directory of actors.
    pub tree: Tree,
}

impl StartContext {
    /// Its mailbox counter, which also measures the waits of messages.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(self.tree.directory.slot(&self.path).mailbox())
    }
}

/// A value that a start returns to its caller, besides the instance.
pub type Extra = Arc<dyn Any + Send + Sync>;

/// Result of a start function.
pub struct Started {
    /// `None` if there was nothing to do.
    pub(crate) instance: Option<Instance>,
    pub(crate) extra: Option<Extra>,
}

/// A new instance.
pub(crate) struct Instance {
    pub cell: ActorCell,
    /// Requests it to stop.
    pub stop: fn(&ActorCell),
    /// Ends when the instance is ready for use, if that is later than its start.
    pub ready: Option<BoxFuture<Result<(), StartError>>>,
    /// Ends when the instance has ended completely.
    pub gone: BoxFuture<()>,
}

impl Started {
    /// An actor that is up, with the handle of its task. It has ended completely when the task has.
    pub fn new(cell: ActorCell, task: JoinHandle<()>) -> Started {
        // A join error means that the task was cancelled or panicked. It has ended in both cases.
        let gone = Box::pin(async move { drop(task.await) });
        let stop = |cell: &ActorCell| cell.stop(Some("asked to stop".to_owned()));
        Started { instance: Some(Instance { cell, stop, ready: None, gone }), extra: None }
    }

    /// The result if there is nothing to do: the child is listed without an instance. The
    /// `pre_start` of a worker returns the error [`Ignore`] for it.
    pub fn ignored() -> Started {
        Started { instance: None, extra: None }
    }

    /// Returns `extra` to the caller of the start. Automatic restarts drop it.
    #[must_use]
    pub fn with_extra(mut self, extra: impl Any + Send + Sync) -> Started {
        self.extra = Some(Arc::new(extra));
        self
    }
}

/// Starts a supervisor and all below it.
pub(crate) type Supervise =
    fn(Arc<SupervisorSpec>, StartContext) -> BoxFuture<Result<Started, StartError>>;

/// Makes a start function from arguments. `None` if it takes another type.
type TemplateFn = Arc<dyn Fn(Extra) -> Option<StartFn> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Body {
    Worker(StartFn),
    Supervisor(Arc<SupervisorSpec>),
    Template(TemplateFn),
    /// A temporary child that is up. It is never started again, so its start function is dropped.
    Spent(Kind),
}

/// Spec of one child: its id, its rules, its start function.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) rules: Rules,
    pub(crate) on: Option<Handle>,
    pub(crate) body: Body,
}

/// A start function that calls `make` at each start.
fn starting<A: Actor>(
    make: impl Fn(&StartContext) -> (A, A::Arguments) + Send + Sync + 'static,
) -> StartFn {
    let make = Arc::new(make);
    Arc::new(move |context| {
        let make = make.clone();
        Box::pin(async move {
            let (actor, arguments) = make(&context);
            let supervisor = context.supervisor.clone();
            let slot = context.tree.directory.slot(&context.path);
            let actor = Watched::new(actor, slot);
            match Actor::spawn_linked(None, actor, arguments, supervisor).await {
                Ok((actor, task)) => Ok(Started::new(actor.get_cell(), task)),
                Err(error) if Ignore::is(&error) => Ok(Started::ignored()),
                Err(error) => Err(StartError::of(context.path, &error)),
            }
        })
    })
}

/// A worker from any actor. `make` returns the actor and its arguments at each start.
pub fn worker<A: Actor>(
    id: &str,
    make: impl Fn(&StartContext) -> (A, A::Arguments) + Send + Sync + 'static,
) -> ChildSpec {
    custom(id, starting(make))
}

/// The template of a [`Strategy::Pool`]'s children. `make` returns the actor and its arguments from
/// those of the start, which are kept for restarts. Ids are `id-1`, `id-2`, …
pub fn template<P: Send + Sync + 'static, A: Actor>(
    id: &str,
    make: impl Fn(&StartContext, &P) -> (A, A::Arguments) + Send + Sync + 'static,
) -> ChildSpec {
    let make = Arc::new(make);
    let bind = move |extra: Extra| -> Option<StartFn> {
        let given = extra.downcast::<P>().ok()?;
        let make = Arc::clone(&make);
        Some(starting(move |context| make(context, &given)))
    };
    ChildSpec {
        id: id.into(),
        rules: Rules::of(Kind::Worker),
        on: None,
        body: Body::Template(Arc::new(bind)),
    }
}

/// A worker with the start function `start`.
pub fn custom(id: &str, start: StartFn) -> ChildSpec {
    ChildSpec { id: id.into(), rules: Rules::of(Kind::Worker), on: None, body: Body::Worker(start) }
}

/// A supervisor without children. Its budget is 1 restart within 5 s.
pub fn supervisor(id: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec {
        id: id.into(),
        settings: Settings {
            strategy,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
        },
        children: Vec::new(),
    }
}

impl ChildSpec {
    /// Its id among its siblings.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Worker or supervisor.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::Worker(_) | Body::Template(_) => Kind::Worker,
            Body::Supervisor(_) => Kind::Supervisor,
            Body::Spent(kind) => kind,
        }
    }

    /// Sets whether it is started again. Default: permanent.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> ChildSpec {
        self.rules.restart = restart;
        self
    }

    /// Sets how it is stopped. Default: 5 s for a worker, infinite for a supervisor.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> ChildSpec {
        self.rules.shutdown = shutdown;
        self
    }

    /// Sets the maximum time of a start. Default: 30 s for a worker, 300 s for a supervisor.
    #[must_use]
    pub fn start_limit(mut self, limit: Duration) -> ChildSpec {
        self.rules.start_limit = limit;
        self
    }

    /// Sets the delay before restarts. Default: 100 ms to 10 s, reset after 10 s of health.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> ChildSpec {
        self.rules.backoff = backoff;
        self
    }

    /// If it exceeds the restart budget, the parent stops it and retries it each `retry`.
    #[must_use]
    pub fn degrade(mut self, retry: Duration) -> ChildSpec {
        self.rules.on_give_up = OnGiveUp::Degrade { retry };
        self
    }

    /// Makes its permanent end count for the auto-shutdown of its supervisor. Not for permanent
    /// children, which never end permanently.
    #[must_use]
    pub fn significant(mut self) -> ChildSpec {
        self.rules.significant = true;
        self
    }

    /// Sets the runtime of its task. Default: the runtime of its supervisor.
    #[must_use]
    pub fn on(mut self, runtime: Handle) -> ChildSpec {
        self.on = Some(runtime);
        self
    }

    /// Starts it. A supervisor is started by `supervise`.
    pub(crate) fn start(
        &self,
        context: StartContext,
        supervise: Supervise,
    ) -> BoxFuture<Result<Started, StartError>> {
        match &self.body {
            Body::Worker(start) => start(context),
            Body::Supervisor(spec) => supervise(spec.clone(), context),
            Body::Template(_) | Body::Spent(_) => {
                let why = "it is only a template, or was temporary";
                Box::pin(ready(Err(StartError::new(context.path, why))))
            }
        }
    }

    /// A child of a pool from this template and the arguments of a start. `None` if the template
    /// takes another type.
    pub(crate) fn bind(&self, extra: Extra) -> Option<ChildSpec> {
        let start = match &self.body {
            Body::Template(bind) => bind(extra)?,
            Body::Worker(_) | Body::Supervisor(_) | Body::Spent(_) => return None,
        };
        Some(ChildSpec { body: Body::Worker(start), ..self.clone() })
    }

    /// Takes out its start function, which is no longer needed.
    pub(crate) fn spend(&mut self) -> Body {
        let kind = self.kind();
        std::mem::replace(&mut self.body, Body::Spent(kind))
    }
}

/// Spec of a supervisor and its children, in the order of their start.
#[derive(Clone)]
pub struct SupervisorSpec {
    pub(crate) id: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) children: Vec<ChildSpec>,
}

impl SupervisorSpec {
    /// Adds a child at the end of the order.
    #[must_use]
    pub fn child(mut self, child: impl Into<ChildSpec>) -> SupervisorSpec {
        self.children.push(child.into());
        self
    }

    /// Adds children at the end of the order.
    #[must_use]
    pub fn children(
        mut self,
        children: impl IntoIterator<Item = impl Into<ChildSpec>>,
    ) -> SupervisorSpec {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    /// Allows `intensity` restarts within `period`.
    #[must_use]
    pub fn budget(mut self, intensity: u32, period: Duration) -> SupervisorSpec {
        self.settings.intensity = intensity;
        self.settings.period = period;
        self
    }

    /// Makes it stop automatically when significant children have ended permanently.
    #[must_use]
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> SupervisorSpec {
        self.settings.auto_shutdown = when;
        self
    }

    /// Converts it to a child, to set the rules by which its parent treats it.
    #[must_use]
    pub fn as_child(self) -> ChildSpec {
        self.into()
    }
}

impl From<SupervisorSpec> for ChildSpec {
    fn from(spec: SupervisorSpec) -> ChildSpec {
        let (id, rules) = (spec.id.clone(), Rules::of(Kind::Supervisor));
        ChildSpec { id, rules, on: None, body: Body::Supervisor(Arc::new(spec)) }
    }
}
