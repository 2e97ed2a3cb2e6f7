//! Injects a fault into an actor, by its path.

use super::exit::Injected;
use super::fault::ActorFault;
use super::slot::Directory;
use super::supervisor::{Msg, request_stop};

/// Why a fault was not injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInjected {
    /// There is no instance at that path.
    Absent,
    /// Another fault waits for its next message already.
    Planned(ActorFault),
}

impl Directory {
    /// Injects a fault into the instance at `path`. A fault that waits for a message is shown in
    /// the view of the tree. It passes on to the next instance.
    ///
    /// # Errors
    /// There is no instance, or another fault waits for a message already.
    pub fn inject(&self, path: &str, fault: ActorFault, why: &Injected) -> Result<(), NotInjected> {
        let known = |noted: bool| if noted { Ok(()) } else { Err(NotInjected::Absent) };
        match fault {
            ActorFault::Kill => known(self.inject_kill(path, why)),
            ActorFault::Stop => {
                let noted = self.note_injected(path, why);
                if let Some(cell) = self.slot(path).cell().filter(|_| noted) {
                    if cell.is_message_type_of::<Msg>() == Some(true) {
                        request_stop(&cell);
                    } else {
                        cell.stop(Some("stopped on purpose".to_owned()));
                    }
                }
                known(noted)
            }
            ActorFault::Panic | ActorFault::Stall(_) | ActorFault::Abort => {
                let slot = self.slot(path);
                slot.cell().ok_or(NotInjected::Absent)?;
                slot.plan_fault(fault).map_err(NotInjected::Planned)
            }
        }
    }
}

impl Directory {
    /// Takes back all faults that wait for a message. Returns the paths of their actors.
    pub fn withdraw_faults(&self) -> Vec<String> {
        let all = self.slots();
        let taken = all.iter().filter(|slot| slot.take_fault().is_some());
        taken.map(|slot| slot.path().to_owned()).collect()
    }
}
