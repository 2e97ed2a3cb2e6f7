//! Plain actors, without a journal, under the same supervisor: three clerks made from one template
//! square numbers, and one of them cannot stand 13.
//!
//! `cargo run -p everwarm-runtime --example clerks` hands out the numbers from 1 to 30. A number
//! whose clerk died is handed out again: a mailbox dies with its actor, so whoever needs an answer
//! asks for it and sends again.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::supervise::{
    Announcement, Child, RootHandle, Strategy, SupervisionNotice, Tree, supervisor, template,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::oneshot;

/// Numbers on their way to one clerk, at most.
const WAITING: usize = 2;

/// Square this, and tell whoever waits.
struct Job {
    number: u64,
    answer: oneshot::Sender<u64>,
    /// Gives the place in the mailbox back when the job is dropped, done or not.
    _place: Ticket,
}

struct Clerk;

impl Actor for Clerk {
    type Msg = Job;
    type State = Arc<AtomicBool>;
    type Arguments = Arc<AtomicBool>;

    async fn pre_start(
        &self,
        _: ActorRef<Job>,
        superstitious: Arc<AtomicBool>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(superstitious)
    }

    async fn handle(
        &self,
        _: ActorRef<Job>,
        job: Job,
        superstitious: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if job.number == 13 && superstitious.swap(false, Relaxed) {
            return Err("not that number".into());
        }
        // Nobody may wait any more; then it was for nothing.
        job.answer.send(job.number * job.number).ok();
        Ok(())
    }
}

/// Squares the numbers up to `last` with three clerks; what went wrong meanwhile, and the sum.
///
/// # Errors
/// The tree or a clerk does not start.
pub async fn square(
    last: u64,
    told: impl Fn(&str) + Send + Sync + 'static,
) -> Result<u64, Box<dyn Error>> {
    let observer = move |notice: &SupervisionNotice| {
        if let Announcement::Exited { exit, asked: false, .. } = &notice.news {
            told(&format!("{} {exit}", notice.path));
        }
    };
    let superstitious = Arc::new(AtomicBool::new(true));
    // What a clerk is started with is kept for its restarts.
    let clerk = template("clerk", |_, shared: &Arc<AtomicBool>| (Clerk, Arc::clone(shared)));
    let tree = Tree::new(Arc::new(observer), Arc::new(everwarm_runtime::clock::WallMs::default));
    let spec = supervisor("root", Strategy::Pool).budget(3, Duration::from_secs(5)).child(clerk);
    let root = tree.start(spec).await?;
    let pool = root.directory().supervisor("root");
    let mut clerks = Vec::new();
    for _ in 0..3 {
        clerks.push(pool.start(Arc::clone(&superstitious)).await?);
    }
    let mut sum = 0;
    for (number, clerk) in (1..=last).zip(clerks.iter().cycle()) {
        sum += ask(&root, clerk, number).await;
    }
    root.stop(Duration::from_secs(5)).await;
    Ok(sum)
}

/// Asks a clerk until there is an answer. A handle would go stale at a restart; a slot does not.
async fn ask(root: &RootHandle, clerk: &Child, number: u64) -> u64 {
    let slot = root.directory().slot(&clerk.path);
    loop {
        let (answer, answered) = oneshot::channel();
        let job = Job { number, answer, _place: slot.mailbox().room(WAITING).await };
        slot.occupied().await;
        if slot.send(job).is_ok()
            && let Ok(square) = answered.await
        {
            return square;
        }
    }
}

#[tokio::main]
#[cfg_attr(test, expect(dead_code, reason = "tests call square"))]
async fn main() -> Result<(), Box<dyn Error>> {
    let sum = square(30, |line| println!("{line}")).await?;
    println!("the squares up to 30 add up to {sum}");
    Ok(())
}
