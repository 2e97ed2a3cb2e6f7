//! Disturbs an actor on purpose, by its path.

use super::exit::Injected;
use super::injected::InjectedFault;
use super::slot::Directory;
use super::supervisor::{Msg, ask_to_stop};

/// Why an actor was not disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInjected {
    /// There is no instance at that path.
    Absent,
    /// This waits for its next message already, and would be forgotten for another.
    Planned(InjectedFault),
}

impl Directory {
    /// Disturbs the instance at `path`. What waits for a message is shown in the view of the tree
    /// until one comes, and is passed on to a successor.
    ///
    /// # Errors
    /// There is no instance, or one such thing waits for a message already.
    pub fn harm(&self, path: &str, harm: InjectedFault, why: &Injected) -> Result<(), NotInjected> {
        let known = |noted: bool| if noted { Ok(()) } else { Err(NotInjected::Absent) };
        match harm {
            InjectedFault::Kill => known(self.inject_kill(path, why)),
            InjectedFault::Stop => {
                let noted = self.note_injected(path, why);
                if let Some(cell) = self.slot(path).cell().filter(|_| noted) {
                    if cell.is_message_type_of::<Msg>() == Some(true) {
                        ask_to_stop(&cell);
                    } else {
                        cell.stop(Some("stopped on purpose".to_owned()));
                    }
                }
                known(noted)
            }
            InjectedFault::Panic | InjectedFault::Stall(_) | InjectedFault::Abort => {
                let slot = self.slot(path);
                slot.cell().ok_or(NotInjected::Absent)?;
                slot.plan_harm(harm).map_err(NotInjected::Planned)
            }
        }
    }
}

impl Directory {
    /// Takes back whatever waits for a message, and says for whom: their paths.
    pub fn forget_harms(&self) -> Vec<String> {
        let all = self.slots();
        let taken = all.iter().filter(|slot| slot.take_harm().is_some());
        taken.map(|slot| slot.path().to_owned()).collect()
    }
}
