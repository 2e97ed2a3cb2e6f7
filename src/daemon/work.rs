//! Work that an actor has done beside itself.

use ractor::{ActorRef, Message};

/// Reports the end of the work to its actor, also if the work panics. Otherwise the actor would
/// wait for it for ever.
pub(super) struct Work<M: Message>(ActorRef<M>, Option<M>);

impl<M: Message> Work<M> {
    /// `panicked` is the report of work that panics.
    pub(super) fn of(actor: ActorRef<M>, panicked: M) -> Work<M> {
        Work(actor, Some(panicked))
    }

    /// Reports this.
    pub(super) fn end(mut self, report: M) {
        self.1 = Some(report);
    }
}

impl<M: Message> Drop for Work<M> {
    fn drop(&mut self) {
        // The actor may have ended meanwhile: its successor begins again.
        drop(self.1.take().map(|report| self.0.send_message(report)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ractor::{Actor, ActorProcessingErr};
    use tokio::sync::mpsc::{Sender, channel};

    struct Collects;

    impl Actor for Collects {
        type Msg = u8;
        type State = Sender<u8>;
        type Arguments = Sender<u8>;

        async fn pre_start(
            &self,
            _: ActorRef<u8>,
            reports: Sender<u8>,
        ) -> Result<Sender<u8>, ActorProcessingErr> {
            Ok(reports)
        }

        async fn handle(
            &self,
            _: ActorRef<u8>,
            report: u8,
            reports: &mut Sender<u8>,
        ) -> Result<(), ActorProcessingErr> {
            Ok(reports.send(report).await?)
        }
    }

    #[tokio::test]
    async fn work_that_panics_is_reported_too() {
        let (to, mut reports) = channel(2);
        let (actor, _) = Actor::spawn(None, Collects, to).await.unwrap();
        let work = Work::of(actor.clone(), 1);
        tokio::task::spawn_blocking(move || work.end(2)).await.unwrap();
        assert_eq!(reports.recv().await, Some(2));
        let work = Work::of(actor.clone(), 1);
        let panicked = tokio::task::spawn_blocking(move || {
            let _work = work;
            panic!("as planned");
        });
        assert!(panicked.await.is_err());
        assert_eq!(reports.recv().await, Some(1));
        actor.stop(None);
    }
}
