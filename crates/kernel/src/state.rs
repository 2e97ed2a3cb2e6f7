//! Encodes the states of stages for checkpoints.
//!
//! Byte 0 is [`FORM`]. Then follow the format number of the stage (1 byte) and the fingerprint of
//! the state's type (8). A checksum of these and the state (4, CRC-32) and the state as postcard
//! come last. Postcard writes neither names nor types, so the fingerprint shows whether the bytes
//! fit the type.
//!
//! Older releases wrote the format number, then the state as positional MessagePack. This module
//! still reads such states. No format number is as large as [`FORM`].
//!
//! The type of a state must not use `skip_serializing_if`, `flatten` or `untagged`: postcard could
//! not read it back.

mod old;
mod shape;
mod walk;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The first byte of a state.
pub const FORM: u8 = 0xa5;
/// Newtype name for an integer that had 64 bits in older states and may be longer now. A type calls
/// `deserialize_newtype_struct(LONGER, _)`, and then `deserialize_i128`. Postcard writes an integer
/// that fits 64 bits as before, so the fingerprint stays the same.
pub const LONGER: &str = "everwarm.longer";
const FINGERPRINT: std::ops::Range<usize> = 2..10;
const CHECKSUM: std::ops::Range<usize> = 10..14;
/// Maximum of members added to a state at one time, including nested members.
const GROWTH_MAX: usize = 32;
/// Bytes before the postcard data.
const HEAD: usize = 14;

/// Data about the type of a state.
#[derive(Clone, Copy)]
struct Known {
    fingerprint: u64,
    /// Checks bytes of this type in the older form.
    check_old: fn(&[u8]) -> Result<(), String>,
    /// Capacity for the next save, bytes: 1/16 more than the longest state. The buffer rarely
    /// grows.
    room: usize,
}

thread_local! {
    /// Types by id. Each thread that saves or loads a type computes its fingerprint once.
    static TYPES: RefCell<BTreeMap<TypeId, Known>> = const { RefCell::new(BTreeMap::new()) };
}

fn known<T: DeserializeOwned + 'static>() -> Known {
    let id = TypeId::of::<T>();
    if let Some(known) = TYPES.with_borrow(|types| types.get(&id).copied()) {
        return known;
    }
    let shape = walk::shape_of::<T>()
        .unwrap_or_else(|why| panic!("{} cannot lie in a checkpoint: {why}", type_name::<T>()));
    let check_old = |bytes: &[u8]| walk::read_old::<T>(bytes).map(drop);
    let known = Known { fingerprint: shape.fingerprint(), check_old, room: HEAD };
    TYPES.with_borrow_mut(|types| types.insert(id, known));
    known
}

/// The decoded head of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format number of the stage.
    pub format: u8,
    /// The fingerprint of the state's type.
    pub fingerprint: u64,
}

/// Decodes the head of a state and checks the checksum. None for a state in the older form.
///
/// # Errors
/// The bytes are damaged.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    match bytes.first() {
        None => Err("it is empty".to_owned()),
        Some(form) if *form != FORM => Ok(None),
        Some(_) => {
            let damaged = || "its checksum does not match its bytes".to_owned();
            if bytes.len() < HEAD || bytes[CHECKSUM] != checksum(bytes).to_le_bytes() {
                return Err(damaged());
            }
            let fingerprint = bytes[FINGERPRINT].try_into().map_err(|_| damaged())?;
            Ok(Some(Head { format: bytes[1], fingerprint: u64::from_le_bytes(fingerprint) }))
        }
    }
}

/// Checksum of everything but the first byte and the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[1..CHECKSUM.start]);
    crc.update(&bytes[CHECKSUM.end..]);
    crc.finalize()
}

/// Output buffer for postcard. Most bytes arrive one at a time or in small groups.
struct Bytes(Vec<u8>);

impl Flavor for Bytes {
    type Output = Vec<u8>;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Encodes a state as the bytes of a checkpoint.
///
/// # Panics
/// The state does not consist of plain values.
pub fn save<T: Serialize + DeserializeOwned + 'static>(format: u8, state: &T) -> Vec<u8> {
    let known = known::<T>();
    let mut bytes = Vec::with_capacity(known.room);
    bytes.extend([FORM, format]);
    bytes.extend(known.fingerprint.to_le_bytes());
    bytes.extend([0; CHECKSUM.end - CHECKSUM.start]);
    let mut bytes = postcard::serialize_with_flavor(state, Bytes(bytes))
        .expect("states are plain values, memory takes them");
    if bytes.len() > known.room {
        let room = bytes.len() + bytes.len() / 16;
        TYPES.with_borrow_mut(|types| types.insert(TypeId::of::<T>(), Known { room, ..known }));
    }
    let sum = checksum(&bytes).to_le_bytes();
    bytes[CHECKSUM].copy_from_slice(&sum);
    bytes
}

/// Decodes the bytes of [`save`] for the same format number, also in the older form.
///
/// # Errors
/// The format or the type differs, or the bytes are damaged.
pub fn load<T: DeserializeOwned + 'static>(format: u8, bytes: &[u8]) -> Result<T, String> {
    let own = Head { format, fingerprint: known::<T>().fingerprint };
    if !fits(bytes, own)? {
        return walk::read_old(&bytes[1..]);
    }
    match postcard::take_from_bytes(&bytes[HEAD..]) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(format!("{} bytes follow its end", rest.len())),
        Err(e) => Err(format!("its values cannot be read: {e}")),
    }
}

/// Decodes a state of an earlier format, to whose type members were only added at the end. `former`
/// is the fingerprint of the earlier type. The new members are empty: zero, none, false, or without
/// elements.
///
/// # Errors
/// The format or the type differs, or the bytes are damaged.
pub fn grown<T: DeserializeOwned + 'static>(
    format: u8,
    former: u64,
    bytes: &[u8],
) -> Result<T, String> {
    if !fits(bytes, Head { format, fingerprint: former })? {
        return walk::read_old(&bytes[1..]);
    }
    // Postcard writes each of these empty members as one zero byte.
    let bytes = [&bytes[HEAD..], &[0; GROWTH_MAX]].concat();
    match postcard::take_from_bytes(&bytes) {
        Ok((state, rest)) if rest.len() < GROWTH_MAX => Ok(state),
        Ok(_) => Err("bytes follow its end".to_owned()),
        Err(e) => Err(format!("its values cannot be read: {e}")),
    }
}

/// Checks from the bytes whether a stage that saves `fresh` can load `bytes`. If [`save`] did not
/// write `fresh`, any bytes pass.
///
/// # Errors
/// Why it cannot load them.
pub fn check(fresh: &[u8], bytes: &[u8]) -> Result<(), String> {
    let Ok(Some(own)) = head(fresh) else { return Ok(()) };
    if fits(bytes, own)? {
        return Ok(());
    }
    let of = |known: &&Known| known.fingerprint == own.fingerprint;
    let known = TYPES.with_borrow(|types| types.values().find(of).copied());
    known.map_or(Ok(()), |known| (known.check_old)(&bytes[1..]))
}

/// Whether the bytes are sound and of this format and type; false for the older form.
fn fits(bytes: &[u8], own: Head) -> Result<bool, String> {
    let found = head(bytes)?;
    let format = found.map_or(bytes[0], |found| found.format);
    if format != own.format {
        let newer = if format > own.format { " (a newer program saved it)" } else { "" };
        return Err(format!("it has format {format}, this program reads {}{newer}", own.format));
    }
    let Some(Head { fingerprint, .. }) = found else { return Ok(false) };
    if fingerprint != own.fingerprint {
        return Err(format!(
            "its type has the fingerprint {fingerprint:016x}, that of this program has {:016x}",
            own.fingerprint
        ));
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
