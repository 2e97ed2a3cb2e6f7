//! Lets only one task at a time write data under a name. Blocking work of a killed actor continues.
//! Its successor waits for the end of that work before it reads how far it came. Otherwise both
//! would write, the older one last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// The right to write under a name, until it is dropped.
pub type Pen = OwnedMutexGuard<()>;

/// The locks, by name.
#[derive(Debug, Default)]
pub struct Pens(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Pens {
    /// Takes the lock of this name, as soon as it is free.
    pub async fn take(&self, name: &str) -> Pen {
        let pen = {
            let mut pens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pens.entry(name.to_owned()).or_default())
        };
        pen.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_successor_waits_for_what_its_predecessor_has_begun_and_for_nobody_else() {
        let pens = Arc::new(Pens::default());
        let (begun, pen) = (Arc::clone(&pens), pens.take("projector").await);
        let successor = tokio::spawn(async move { drop(begun.take("projector").await) });
        drop(pens.take("chat").await);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!successor.is_finished());
        drop(pen);
        successor.await.unwrap();
    }
}
