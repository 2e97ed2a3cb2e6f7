//! The encoding of states in checkpoints.
//!
//! Byte 0 is [`FORM`]. Then follow the format number of the stage (1 byte), the fingerprint of the
//! type of the state (8), a checksum of all other bytes (4, CRC-32), and the state as postcard.
//! Postcard writes neither names nor types. The fingerprint tells whether the bytes fit the type.
//!
//! Earlier releases wrote the format number, then the state as positional MessagePack. Such a state
//! is still read. No format number is as large as [`FORM`].
//!
//! A type in a state has no `skip_serializing_if`, `flatten` or `untagged`: postcard could not read
//! it back.

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
const FINGERPRINT: std::ops::Range<usize> = 2..10;
const CHECKSUM: std::ops::Range<usize> = 10..14;
/// Bytes before the postcard.
const HEAD: usize = 14;

/// The properties of the type of a state.
#[derive(Clone, Copy)]
struct TypeInfo {
    fingerprint: u64,
    /// Checks bytes of the older form.
    check_old: fn(&[u8]) -> Result<(), String>,
    /// Bytes of the largest state so far, and some spare: the buffer does not grow during a save.
    room: usize,
}

thread_local! {
    /// A cache by thread: the fingerprint of a type is computed once.
    static TYPES: RefCell<BTreeMap<TypeId, TypeInfo>> = const { RefCell::new(BTreeMap::new()) };
}

fn type_info<T: DeserializeOwned + 'static>() -> TypeInfo {
    let id = TypeId::of::<T>();
    if let Some(type_info) = TYPES.with_borrow(|types| types.get(&id).copied()) {
        return type_info;
    }
    let shape = walk::shape_of::<T>()
        .unwrap_or_else(|why| panic!("{} cannot lie in a checkpoint: {why}", type_name::<T>()));
    let check_old = |bytes: &[u8]| walk::read_old::<T>(bytes).map(drop);
    let type_info = TypeInfo { fingerprint: shape.fingerprint(), check_old, room: HEAD };
    TYPES.with_borrow_mut(|types| types.insert(id, type_info));
    type_info
}

/// The fields before a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The format number of the stage.
    pub format: u8,
    /// The fingerprint of the state's type.
    pub fingerprint: u64,
}

/// The head of a state if its checksum is right; `None` for a state of an older form.
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

/// The checksum of all bytes but the first and the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[1..CHECKSUM.start]);
    crc.update(&bytes[CHECKSUM.end..]);
    crc.finalize()
}

/// A buffer for postcard, which writes most bytes one by one or a few at a time.
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

/// The bytes of a checkpoint.
///
/// # Panics
/// The state is more than plain values.
pub fn save<T: Serialize + DeserializeOwned + 'static>(format: u8, state: &T) -> Vec<u8> {
    let type_info = type_info::<T>();
    let mut bytes = Vec::with_capacity(type_info.room);
    bytes.extend([FORM, format]);
    bytes.extend(type_info.fingerprint.to_le_bytes());
    bytes.extend([0; CHECKSUM.end - CHECKSUM.start]);
    let mut bytes = postcard::serialize_with_flavor(state, Bytes(bytes))
        .expect("states are plain values, memory takes them");
    if bytes.len() > type_info.room {
        let room = bytes.len() + bytes.len() / 16;
        TYPES.with_borrow_mut(|types| {
            types.insert(TypeId::of::<T>(), TypeInfo { room, ..type_info })
        });
    }
    let sum = checksum(&bytes).to_le_bytes();
    bytes[CHECKSUM].copy_from_slice(&sum);
    bytes
}

/// Reads the output of [`save`] with the same format number, in this or an older form.
///
/// # Errors
/// Another format, a state of another type, or damaged bytes.
pub fn load<T: DeserializeOwned + 'static>(format: u8, bytes: &[u8]) -> Result<T, String> {
    let own = Head { format, fingerprint: type_info::<T>().fingerprint };
    if !fits(bytes, own)? {
        return walk::read_old(&bytes[1..]);
    }
    match postcard::take_from_bytes(&bytes[HEAD..]) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(format!("{} bytes follow its end", rest.len())),
        Err(e) => Err(format!("its values cannot be read: {e}")),
    }
}

/// Checks whether a stage of this program, which saves `fresh`, can load `bytes`. Bytes that
/// [`save`] did not write are accepted.
///
/// # Errors
/// The reason why it cannot load them.
pub fn check(fresh: &[u8], bytes: &[u8]) -> Result<(), String> {
    let Ok(Some(own)) = head(fresh) else { return Ok(()) };
    if fits(bytes, own)? {
        return Ok(());
    }
    let of = |type_info: &&TypeInfo| type_info.fingerprint == own.fingerprint;
    let type_info = TYPES.with_borrow(|types| types.values().find(of).copied());
    type_info.map_or(Ok(()), |type_info| (type_info.check_old)(&bytes[1..]))
}

/// Whether the bytes are undamaged and have this format and type; false for those of an older form.
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
