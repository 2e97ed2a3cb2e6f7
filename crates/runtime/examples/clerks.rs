//! Plain actors without a journal, under the same supervisor. Three clerks from one template square
//! numbers. One of them fails at 13.
//!
//! `cargo run -p everwarm-runtime --example clerks` sends the numbers from 1 to 30. If a clerk
//! fails, its mailbox is lost, so the example sends the number again. In general, a sender that
//! needs a response must wait for it and send again.

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

/// Maximum of numbers that wait for one clerk.
const WAITING: usize = 2;

/// Square this number and send the result to the caller.
struct Job {
    number: u64,
    answer: oneshot::Sender<u64>,
    /// Returns the place in the mailbox when the job is dropped, done or not.
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
        // The caller may no longer wait. Then the result is dropped.
        job.answer.send(job.number * job.number).ok();
        Ok(())
    }
}

/// Squares the numbers up to `last` with three clerks. Returns the sum; `report` receives the
/// failures.
///
/// # Errors
/// The tree or a clerk does not start.
pub async fn square(
    last: u64,
    report: impl Fn(&str) + Send + Sync + 'static,
) -> Result<u64, Box<dyn Error>> {
    let observer = move |notice: &SupervisionNotice| {
        if let Announcement::Exited { exit, asked: false, .. } = &notice.news {
            report(&format!("{} {exit}", notice.path));
        }
    };
    let superstitious = Arc::new(AtomicBool::new(true));
    // The pool keeps the start arguments of a clerk for its restarts.
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

/// Sends a number until a clerk responds. A handle becomes stale at a restart, but a slot does not.
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
