//! Reads the saved states of earlier versions of the decision.

use super::Decide;
use everwarm_kernel::state;

/// Version, format and type of each state that lacks members at its end: the venues that report
/// splits, before that the splits, before that the counts of bars and the drivers, before that the
/// regimes, before that the least confidences, and before that the target orders.
const FORMER: [(u16, u8, u64); 6] = [
    (13, 13, 0x220f_3b36_55b4_7fdb),
    (12, 12, 0xf09b_5dee_70cb_9e81),
    (11, 11, 0x73f0_b2d2_272e_b86a),
    (10, 10, 0xfebb_40c7_f081_5c4e),
    (9, 9, 0x6812_80d7_edf9_3d4e),
    (8, 8, 0xdfe6_4aa3_e251_b3a4),
];

/// The versions that can be read.
pub(super) const VERSIONS: &[u16] =
    &[FORMER[0].0, FORMER[1].0, FORMER[2].0, FORMER[3].0, FORMER[4].0, FORMER[5].0];

/// Reads a state of one of [`VERSIONS`].
///
/// # Errors
/// The bytes are not such a state.
pub(super) fn read(version: u16, bytes: &[u8]) -> Result<Decide, String> {
    let known = FORMER.iter().find(|former| former.0 == version);
    let (_, format, of) = known.ok_or_else(|| format!("version {version} cannot be read"))?;
    state::grown(*format, *of, bytes)
}
