//! Reads saved states of earlier versions.

use super::super::lots::Lots;
use super::{BEFORE_LOTS, Decide};
use everwarm_kernel::state;

/// Versions whose states are read.
pub(super) const VERSIONS: [u16; 3] = [BEFORE_LOTS, BEFORE_CALENDAR, BEFORE_STRATEGY_LIMITS];

/// Format of the last version without lots, which lacks the later members.
pub(super) const FORMAT_BEFORE_LOTS: u8 = 5;
/// Format, type and version of the state without a calendar.
const FORMAT_6: u8 = 6;
const TYPE_6: u64 = 0x88f1_824c_6f89_71d6;
const BEFORE_CALENDAR: u16 = 6;
/// Format, type and version of the state without limits of strategies and guards of lots.
const FORMAT_7: u8 = 7;
const TYPE_7: u64 = 0xf459_8a22_76ae_4d9d;
const BEFORE_STRATEGY_LIMITS: u16 = 7;

/// The state that a version saved.
pub(super) fn read(version: u16, bytes: &[u8]) -> Result<Decide, String> {
    let mut stage: Decide = match version {
        BEFORE_STRATEGY_LIMITS => state::grown(FORMAT_7, TYPE_7, bytes)?,
        BEFORE_CALENDAR => state::grown(FORMAT_6, TYPE_6, bytes)?,
        _ => {
            let before: Decide = state::load(FORMAT_BEFORE_LOTS, bytes)?;
            Decide { lots: Lots::of_positions(&before.positions), ..before }
        }
    };
    stage.guards.without_guards();
    Ok(stage)
}
