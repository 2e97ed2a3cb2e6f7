use super::*;
use serde::Deserialize;
use std::collections::{BTreeSet, VecDeque};

/// Encodes a state in the older form.
fn save_old<T: Serialize>(format: u8, state: &T) -> Vec<u8> {
    let mut bytes = vec![format];
    rmp_serde::encode::write(&mut bytes, state).unwrap();
    bytes
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Id(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Word {
    #[serde(rename = "nothing")]
    Nothing,
    One(i64),
    Two(u8, Option<Id>),
    Both {
        left: Vec<f64>,
        right: [Option<i32>; 2],
    },
    Nested(Box<Side>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    Buy,
    Sell,
}

/// A type with one value of each kind that states use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    small: (u8, i8, u16, i16, u32, i32),
    large: (u64, i64, u128, i128),
    floats: (f32, f64),
    words: Vec<Word>,
    by_name: BTreeMap<String, BTreeMap<Side, bool>>,
    set: BTreeSet<(u64, Side)>,
    queue: VecDeque<char>,
    unit: (),
    #[serde(skip)]
    scratch: u64,
    #[serde(default)]
    added: Option<Id>,
}

fn everything() -> Everything {
    let id = |text: &str| Some(Id(text.to_owned()));
    Everything {
        small: (200, -100, 60_000, -30_000, 4_000_000_000, -2_000_000_000),
        large: (u64::MAX, i64::MIN, u128::MAX, i128::MIN),
        floats: (-0.5, f64::MIN_POSITIVE),
        words: vec![
            Word::Nothing,
            Word::One(-1),
            Word::Two(7, id("x")),
            Word::Two(8, None),
            Word::Both { left: vec![-0.0; 20], right: [None, Some(-33)] },
            Word::Nested(Box::new(Side::Sell)),
        ],
        by_name: (0_u8..20)
            .map(|i| (format!("{i:>40}"), BTreeMap::from([(Side::Buy, i % 2 == 0)])))
            .collect(),
        set: (0..300).map(|i| (i * 1_000_000, Side::Sell)).collect(),
        queue: "aß€😀".chars().collect(),
        unit: (),
        scratch: 0,
        added: id(&"long ".repeat(20_000)),
    }
}

#[test]
fn keeps_bits_and_refuses_what_is_not_its_own() {
    let state = (f64::from_bits(0x7ff8_0000_0000_0001), -0.0_f64, i128::MIN, u64::MAX);
    let bytes = save(3, &state);
    let back: (f64, f64, i128, u64) = load(3, &bytes).unwrap();
    assert_eq!(back.0.to_bits(), state.0.to_bits());
    assert_eq!(back.1.to_bits(), state.1.to_bits());
    assert_eq!((back.2, back.3), (state.2, state.3));
    let newer = load::<(f64, f64, i128, u64)>(2, &bytes).unwrap_err();
    assert!(newer.contains("format 3") && newer.contains("newer program"), "{newer}");
    let older = load::<(f64, f64, i128, u64)>(4, &bytes).unwrap_err();
    assert!(older.contains("format 3") && !older.contains("newer"), "{older}");
    let other = load::<(f64, f64, i128, i64)>(3, &bytes).unwrap_err();
    assert!(other.contains("fingerprint"), "{other}");
    assert!(load::<u8>(3, &[]).unwrap_err().contains("empty"));
}

#[test]
fn everything_comes_back_from_both_forms() {
    let state = everything();
    assert_eq!(load::<Everything>(1, &save(1, &state)).unwrap(), state);
    let old = save_old(1, &state);
    assert_eq!(check(&save(1, &state), &old), Ok(()));
    assert_eq!(load::<Everything>(1, &old).unwrap(), state);
    assert!(load::<Everything>(2, &old).unwrap_err().contains("format 1"));
}

#[test]
fn no_flipped_bit_and_no_lost_byte_goes_unnoticed() {
    let state = (vec![Word::One(5), Word::Nothing], "a text".to_owned(), 17_u64);
    let sound = save(5, &state);
    let reads = |bytes: &[u8]| load::<(Vec<Word>, String, u64)>(5, bytes).is_ok();
    assert!(reads(&sound) && check(&sound, &sound).is_ok());
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!reads(&bytes) && check(&sound, &bytes).is_err(), "bit {bit}");
    }
    for end in 0..sound.len() {
        assert!(!reads(&sound[..end]) && check(&sound, &sound[..end]).is_err(), "{end} bytes");
    }
    assert!(!reads(&[&sound[..], &[0]].concat()));
    // The older form has no checksum, but its length is checked.
    let old = save_old(5, &state);
    for end in 0..old.len() {
        assert!(!reads(&old[..end]) && check(&sound, &old[..end]).is_err(), "{end} bytes");
    }
    assert!(!reads(&[&old[..], &[0]].concat()));
}

#[test]
fn what_an_older_form_lacks_at_its_end_is_what_the_type_says_or_refused() {
    fn thirty() -> u32 {
        30
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        kept: u64,
        #[serde(default)]
        more: BTreeMap<u8, u8>,
        #[serde(default = "thirty")]
        percent: u32,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Other {
        kept: u64,
        #[serde(default)]
        side: Option<u8>,
        count: u32,
    }
    // A structure of one member.
    let before = [1, 0x91, 9];
    let after = After { kept: 9, more: BTreeMap::new(), percent: 30 };
    assert_eq!(load::<After>(1, &before), Ok(after));
    let why = load::<Other>(1, &before).unwrap_err();
    assert!(why.contains("invalid length"), "{why}");
    let longer = [1, 0x94, 9, 0x80, 30, 1];
    assert!(load::<After>(1, &longer).unwrap_err().contains("4 members, not 3"));
}

fn of<T: DeserializeOwned + 'static>() -> u64 {
    known::<T>().fingerprint
}

/// The fingerprint of a type defined here.
macro_rules! shape {
    ($($body:tt)*) => {{
        #[derive(Serialize, Deserialize)]
        $($body)*
        of::<It>()
    }};
}

fn all_differ(prints: &[u64]) {
    assert_eq!(prints.iter().collect::<BTreeSet<_>>().len(), prints.len(), "{prints:x?}");
}

#[rustfmt::skip]
#[test]
fn a_fingerprint_is_that_of_names_order_and_types() {
    let base = shape!(struct It { a: u32, b: Vec<Option<u64>> });
    assert_eq!(base, shape!(struct It { a: u32, #[serde(default)] b: Vec<Option<u64>> }));
    all_differ(&[
        base,
        shape!(struct It { b: Vec<Option<u64>>, a: u32 }),
        shape!(struct It { a: u32, c: Vec<Option<u64>> }),
        shape!(struct It { a: i32, b: Vec<Option<u64>> }),
        shape!(struct It { a: u32, b: Vec<Option<u32>> }),
        shape!(struct It { a: u32, b: Vec<u64> }),
        shape!(struct It { a: u32, b: Option<Vec<u64>> }),
        shape!(struct It { a: u32, b: Vec<Option<u64>>, c: bool }),
        shape!(struct It { a: u32 }),
        of::<BTreeMap<u32, Vec<Option<u64>>>>(),
        of::<[u32; 3]>(),
        of::<[u32; 4]>(),
    ]);
    // The fingerprint is the same in every build, so the test compares a constant.
    assert_eq!(of::<(u8, Option<Side>)>(), 0x618c_057d_569b_e9ab);
}

#[rustfmt::skip]
#[test]
fn a_fingerprint_is_that_of_all_variants() {
    let base = shape!(enum It { A(u32), B(Vec<Option<u64>>) });
    all_differ(&[
        base,
        shape!(enum It { A(u32), B(Vec<Option<u64>>), C }),
        shape!(enum It { B(Vec<Option<u64>>), A(u32) }),
        shape!(enum It { A(u32), B(Vec<Option<Side>>) }),
        shape!(enum It { A(u32), B { b: Vec<Option<u64>> } }),
        shape!(enum It { A(u32), #[serde(rename = "b")] B(Vec<Option<u64>>) }),
    ]);
}

#[test]
fn a_type_that_postcard_cannot_read_back_is_refused_before_it_is_saved() {
    #[derive(Serialize, Deserialize)]
    struct Inner {
        b: u8,
    }
    #[derive(Serialize, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: Inner,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Text(String),
    }
    #[derive(Serialize, Deserialize)]
    struct Within {
        of: Option<Box<Within>>,
    }
    let refused = |save: &(dyn Fn() -> Vec<u8> + std::panic::RefUnwindSafe)| {
        let panic = std::panic::catch_unwind(save).unwrap_err();
        panic.downcast_ref::<String>().unwrap().contains("cannot lie in a checkpoint")
    };
    assert!(refused(&|| save(1, &Flat { a: 1, rest: Inner { b: 2 } })));
    assert!(refused(&|| save(1, &Untagged::Number(1))));
    assert!(refused(&|| save(1, &Within { of: None })));
}

#[test]
fn a_state_that_grew_at_its_end_reads_what_was_there() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Before {
        name: String,
        numbers: Vec<u64>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        name: String,
        numbers: Vec<u64>,
        #[serde(default)]
        more: Option<Id>,
        #[serde(default)]
        many: BTreeMap<u8, Id>,
    }
    let before = Before { name: "n".to_owned(), numbers: vec![1, 2] };
    let bytes = save(3, &before);
    let former = head(&bytes).unwrap().unwrap().fingerprint;
    let after =
        After { name: "n".to_owned(), numbers: vec![1, 2], more: None, many: BTreeMap::new() };
    assert_eq!(grown::<After>(3, former, &bytes).unwrap(), after);
    assert_eq!(grown::<After>(3, former, &save_old(3, &before)).unwrap(), after);
    assert!(grown::<After>(3, former + 1, &bytes).is_err(), "another type");
    assert!(grown::<After>(2, former, &bytes).is_err(), "another format");
    assert!(grown::<After>(3, former, &bytes[..bytes.len() - 1]).is_err(), "torn");
    let mut longer = save(3, &(before, 5_u8));
    longer[FINGERPRINT].copy_from_slice(&former.to_le_bytes());
    let sum = checksum(&longer).to_le_bytes();
    longer[CHECKSUM].copy_from_slice(&sum);
    assert!(grown::<Before>(3, former, &longer).is_err(), "bytes follow its end");
}
