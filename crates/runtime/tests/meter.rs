//! What is measured of actors in a tree, by the one wrapper around them.

use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::meter::{Kind, Kinds, Wanted};
use everwarm_runtime::supervise::{ActorReading, Directory, Strategy, Tree, supervisor, worker};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;

enum Job {
    Work(Option<Ticket>),
    Fail,
    Panic,
}

impl Kind for Job {
    const NAMES: &'static [&'static str] = &["work", "fail", "panic"];
    fn kind(&self) -> usize {
        match self {
            Job::Work(_) => 0,
            Job::Fail => 1,
            Job::Panic => 2,
        }
    }
}

struct Clerk;

impl Actor for Clerk {
    type Msg = Job;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Job>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Job>,
        job: Job,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match job {
            Job::Work(ticket) => {
                drop(ticket);
                Ok(())
            }
            Job::Fail => Err("as asked".into()),
            Job::Panic => panic!("as asked"),
        }
    }
}

fn of(directory: &Directory, path: &str) -> ActorReading {
    let readings = directory.readings();
    readings.into_iter().find(|reading| reading.path == path).expect("it is in the tree")
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn what_actors_do_is_counted_by_kind_and_over_all_instances() {
    let wanted = Wanted { pools: &["root/pool"], kinds: vec![Kinds::of::<Job>()] };
    let directory = Directory::measuring(wanted);
    let tree = Tree::new(Arc::new(|_| ()), Arc::new(everwarm_runtime::clock::WallMs::default));
    let tree = Tree { directory: directory.clone(), ..tree };
    let clerk = |id: &str| worker(id, |_| (Clerk, ()));
    let pool = supervisor("pool", Strategy::Dynamic).child(clerk("a")).child(clerk("b"));
    let root = supervisor("root", Strategy::OneForOne).budget(4, Duration::from_mins(1));
    let root = tree.start(root.child(clerk("one")).child(pool)).await.unwrap();

    let slot = directory.slot("root/one");
    for _ in 0..3 {
        slot.send(Job::Work(Some(slot.mailbox().take()))).unwrap_or_else(|_| panic!("it is up"));
    }
    slot.send(Job::Fail).unwrap_or_else(|_| panic!("it is up"));
    until("it is up again", || of(&directory, "root").restarts == (1, 4)).await;
    until("it takes messages", || slot.cell().is_some()).await;
    slot.send(Job::Panic).unwrap_or_else(|_| panic!("it is up"));
    until("it is restarted twice", || of(&directory, "root/one").meter.panics() == 1).await;

    let measured = of(&directory, "root/one").meter.read();
    assert_eq!(measured.kinds, [("work", 3, 0), ("fail", 1, 1), ("panic", 0, 0)]);
    assert_eq!(measured.waited.counts.iter().sum::<u64>(), 3, "each ticket waited once");
    assert_eq!(measured.took.counts.iter().sum::<u64>(), 4);
    assert!(measured.idle.is_some());

    // A pool has one meter, which is not its supervisor's.
    for id in ["a", "b"] {
        let path = format!("root/pool/{id}");
        let sent = directory.slot(&path).send(Job::Work(None));
        sent.unwrap_or_else(|_| panic!("{path} is up"));
    }
    let pooled = || of(&directory, "root/pool/a").meter.read();
    until("both are counted", || pooled().kinds.first() == Some(&("work", 2, 0))).await;
    let (a, b) = (of(&directory, "root/pool/a"), of(&directory, "root/pool/b"));
    assert!(Arc::ptr_eq(&a.meter, &b.meter));
    assert!(!Arc::ptr_eq(&a.meter, &of(&directory, "root/pool").meter));

    // What finds nobody, and what finds no room.
    assert!(directory.slot("root/nobody").send(Job::Fail).is_err());
    assert_eq!(directory.slot("root/nobody").mailbox().meter().read().stopped, 1);
    let mailbox = slot.mailbox();
    let held = mailbox.take();
    assert!(mailbox.take_or_drop(1).is_none());
    assert_eq!(mailbox.meter().read().full, 1);
    drop(held);
    root.stop(Duration::from_secs(5)).await;
}
