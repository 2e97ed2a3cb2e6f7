//! Injects a fault into an actor, by its path.

use super::exit::Injected;
use super::injected::InjectedFault;
use super::slot::Directory;
use super::supervisor::{Msg, ask_to_stop};

/// Why a fault was not injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInjected {
    /// There is no instance at that path.
    Absent,
    /// This fault already waits for the next message. A second one would replace it.
    Planned(InjectedFault),
}

impl Directory {
    /// Injects a fault into the instance at `path`. A fault that waits for a message is shown in
    /// the view of the tree until a message comes. It passes to a successor.
    ///
    /// # Errors
    /// There is no instance, or another fault already waits for a message.
    pub fn inject(
        &self,
        path: &str,
        fault: InjectedFault,
        why: &Injected,
    ) -> Result<(), NotInjected> {
        let known = |noted: bool| if noted { Ok(()) } else { Err(NotInjected::Absent) };
        match fault {
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
                slot.plan_fault(fault).map_err(NotInjected::Planned)
            }
        }
    }
}

impl Directory {
    /// Cancels all faults that wait for a message. Returns the paths of the actors.
    pub fn cancel_faults(&self) -> Vec<String> {
        let all = self.slots();
        let taken = all.iter().filter(|slot| slot.take_fault().is_some());
        taken.map(|slot| slot.path().to_owned()).collect()
    }
}
