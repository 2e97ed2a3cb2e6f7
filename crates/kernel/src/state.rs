//! How states lie in checkpoints: a version byte, then positional MessagePack.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a checkpoint.
///
/// # Panics
/// The state is more than plain values.
pub fn save<T: Serialize>(version: u8, state: &T) -> Vec<u8> {
    let mut bytes = vec![version];
    rmp_serde::encode::write(&mut bytes, state)
        .expect("states are plain values, memory takes them");
    bytes
}

/// Reads what [`save`] wrote under the same version.
///
/// # Errors
/// Another version, or bytes that are not such a state.
pub fn load<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((v, rest)) if *v == version => {
            rmp_serde::from_slice(rest).map_err(|e| format!("checkpoint: {e}"))
        }
        Some((v, _)) => Err(format!("checkpoint has format {v}, expected {version}")),
        None => Err("checkpoint is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bits_and_refuses_what_is_not_its_own() {
        let state = (f64::from_bits(0x7ff8_0000_0000_0001), -0.0_f64, i128::MIN, u64::MAX);
        let bytes = save(3, &state);
        let back: (f64, f64, i128, u64) = load(3, &bytes).unwrap();
        assert_eq!(back.0.to_bits(), state.0.to_bits());
        assert_eq!(back.1.to_bits(), state.1.to_bits());
        assert_eq!((back.2, back.3), (state.2, state.3));
        assert!(load::<u8>(4, &bytes).unwrap_err().contains("format 3"));
        assert!(load::<u8>(3, &[]).is_err());
        assert!(load::<(u8, u8)>(3, &bytes[..4]).is_err());
    }
}
