//! One deserializer for two purposes, so that each type is compiled for it once.
//!
//! First, it finds the shape of a type. It makes values from no bytes and notes the requested
//! types, until it has visited every variant of every enum. Second, it reads states of releases
//! before postcard.

use super::old::Old;
use super::shape::{Leaf, Shape};
use serde::Deserializer;
use serde::de::value::{Error, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use std::slice::IterMut;

/// Maximum nesting of types. A deeper type is taken to contain itself.
const DEPTH: usize = 64;
/// Maximum number of values made to find one shape.
const VALUES: usize = 10_000;

/// The shape of a type.
pub(super) fn shape_of<T: DeserializeOwned>() -> Result<Shape, String> {
    let mut shape = Shape::Unknown;
    for _ in 0..VALUES {
        T::deserialize(Walk::Shape(&mut shape, 0)).map_err(|e| e.to_string())?;
        if shape.is_whole() {
            return Ok(shape);
        }
    }
    Err("it has too many variants".to_owned())
}

/// Decodes a value from positional MessagePack.
pub(super) fn read_old<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut old = Old(bytes);
    let value = T::deserialize(Walk::Old(&mut old)).map_err(|e| e.to_string())?;
    match old.0.len() {
        0 => Ok(value),
        more => Err(format!("{more} bytes follow its end")),
    }
}

/// The deserializer. A text made from no bytes is `1`, which is also a number and a name.
enum Walk<'a, 'b> {
    /// The shape to fill, and its depth.
    Shape(&'a mut Shape, usize),
    Old(&'a mut Old<'b>),
}

fn two_shapes() -> Error {
    Error::custom("it is two shapes")
}

fn deeper(depth: usize) -> Result<usize, Error> {
    if depth == DEPTH { Err(Error::custom("it contains itself")) } else { Ok(depth + 1) }
}

impl Walk<'_, '_> {
    fn fields<'de, V: Visitor<'de>>(
        self,
        names: &mut dyn ExactSizeIterator<Item = &'static str>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Walk::Shape(shape, depth) => {
                let depth = deeper(depth)?;
                if !matches!(shape, Shape::Fields(_)) {
                    *shape = Shape::Fields(names.map(|name| (name, Shape::Unknown)).collect());
                }
                let Shape::Fields(of) = shape else { return Err(two_shapes()) };
                visitor.visit_seq(Items::Fields(of.iter_mut(), depth))
            }
            Walk::Old(old) => {
                let (len, known) = (old.array()?, names.len());
                // The type decides about members that were added at the end since.
                if len > known {
                    return Err(Error::custom(format!("it has {len} members, not {known}")));
                }
                visitor.visit_seq(Items::Old(old, len))
            }
        }
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $leaf:ident $value:expr, $read:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Walk::Shape(shape, _) => {
                    *shape = Shape::Leaf(Leaf::$leaf);
                    visitor.$visit($value)
                }
                Walk::Old(old) => {
                    let read: fn(&mut Old<'b>) -> Result<_, Error> = $read;
                    visitor.$visit(read(old)?)
                }
            }
        })*
    };
}

impl<'de, 'b> Deserializer<'de> for Walk<'_, 'b> {
    type Error = Error;

    leaves! {
        deserialize_bool visit_bool Bool false, Old::bool;
        deserialize_i8 visit_i8 I8 1, Old::integer;
        deserialize_i16 visit_i16 I16 1, Old::integer;
        deserialize_i32 visit_i32 I32 1, Old::integer;
        deserialize_i64 visit_i64 I64 1, Old::integer;
        deserialize_i128 visit_i128 I128 1, |old| old.large().map(i128::from_be_bytes);
        deserialize_u8 visit_u8 U8 1, Old::integer;
        deserialize_u16 visit_u16 U16 1, Old::integer;
        deserialize_u32 visit_u32 U32 1, Old::integer;
        deserialize_u64 visit_u64 U64 1, Old::integer;
        deserialize_u128 visit_u128 U128 1, |old| old.large().map(u128::from_be_bytes);
        deserialize_f32 visit_f32 F32 1.0, |old| old.float(0xca).map(f32::from_be_bytes);
        deserialize_f64 visit_f64 F64 1.0, |old| old.float(0xcb).map(f64::from_be_bytes);
        deserialize_char visit_char Char '1', Old::char;
        deserialize_str visit_str Str "1", Old::str;
        deserialize_string visit_str Str "1", Old::str;
        deserialize_bytes visit_bytes Bytes &[], Old::bytes;
        deserialize_byte_buf visit_bytes Bytes &[], Old::bytes;
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("it asks the bytes what they are"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Walk::Shape(shape, _) => *shape = Shape::Unit,
            Walk::Old(old) => old.unit()?,
        }
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        // The shape and older states have at most 64 bits here.
        if name == super::LONGER {
            return self.deserialize_i64(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Walk::Shape(shape, depth) => {
                let depth = deeper(depth)?;
                if !matches!(shape, Shape::Option(_)) {
                    *shape = Shape::Option(Box::default());
                }
                let Shape::Option(inner) = shape else { return Err(two_shapes()) };
                visitor.visit_some(Walk::Shape(inner, depth))
            }
            Walk::Old(old) if old.is_nil() => {
                old.unit()?;
                visitor.visit_none()
            }
            Walk::Old(old) => visitor.visit_some(Walk::Old(old)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Walk::Shape(shape, depth) => {
                let depth = deeper(depth)?;
                if !matches!(shape, Shape::Seq(_)) {
                    *shape = Shape::Seq(Box::default());
                }
                let Shape::Seq(inner) = shape else { return Err(two_shapes()) };
                visitor.visit_seq(Items::One(Some(inner), None, depth))
            }
            Walk::Old(old) => {
                let len = old.array()?;
                visitor.visit_seq(Items::Old(old, len))
            }
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Walk::Shape(shape, depth) => {
                let depth = deeper(depth)?;
                if !matches!(shape, Shape::Map(_)) {
                    *shape = Shape::Map(Box::default());
                }
                let Shape::Map(inner) = shape else { return Err(two_shapes()) };
                let (key, value) = &mut **inner;
                visitor.visit_map(Items::One(Some(key), Some(value), depth))
            }
            Walk::Old(old) => {
                let len = old.map()?;
                visitor.visit_map(Items::Old(old, len))
            }
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.fields(&mut std::iter::repeat_n("", len), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(&mut fields.iter().copied(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (at, of) = match self {
            Walk::Shape(shape, depth) => {
                let depth = deeper(depth)?;
                if !matches!(shape, Shape::Enum(_)) {
                    let unknown = variants.iter().map(|name| (*name, Shape::Unknown));
                    *shape = Shape::Enum(unknown.collect());
                }
                let Shape::Enum(of) = shape else { return Err(two_shapes()) };
                let next = of.iter().position(|(_, shape)| !shape.is_whole()).unwrap_or(0);
                let none = || Error::custom("an enum without variants has no value");
                let (_, shape) = of.get_mut(next).ok_or_else(none)?;
                (next, Walk::Shape(shape, depth))
            }
            Walk::Old(old) => (old.variant(variants)?, Walk::Old(old)),
        };
        let index = u32::try_from(at).map_err(|_| Error::custom("too many variants"))?;
        visitor.visit_enum(Variant(index, of))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence, a map, a structure or a tuple.
enum Items<'a, 'b> {
    /// The members of a structure or a tuple, and their depth.
    Fields(IterMut<'a, (&'static str, Shape)>, usize),
    /// One element, or one key and its value, and the depth.
    One(Option<&'a mut Shape>, Option<&'a mut Shape>, usize),
    /// That many elements or entries of the older form.
    Old(&'a mut Old<'b>, usize),
}

impl<'b> Items<'_, 'b> {
    fn next(&mut self) -> Option<Walk<'_, 'b>> {
        match self {
            Items::Fields(of, depth) => of.next().map(|(_, shape)| Walk::Shape(shape, *depth)),
            Items::One(one, _, depth) => one.take().map(|shape| Walk::Shape(shape, *depth)),
            Items::Old(_, 0) => None,
            Items::Old(old, left) => {
                *left -= 1;
                Some(Walk::Old(old))
            }
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.next().map(|of| seed.deserialize(of)).transpose()
    }
}

impl<'de> MapAccess<'de> for Items<'_, '_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next().map(|of| seed.deserialize(of)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self {
            Items::One(_, value, depth) => {
                let value = value.take().ok_or_else(two_shapes)?;
                seed.deserialize(Walk::Shape(value, *depth))
            }
            Items::Old(old, _) => seed.deserialize(Walk::Old(old)),
            Items::Fields(..) => Err(two_shapes()),
        }
    }
}

/// One variant of an enum, by number.
struct Variant<'a, 'b>(u32, Walk<'a, 'b>);

impl<'de, 'a, 'b> EnumAccess<'de> for Variant<'a, 'b> {
    type Error = Error;
    type Variant = Walk<'a, 'b>;
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Walk<'a, 'b>), Error> {
        let index: U32Deserializer<Error> = self.0.into_deserializer();
        Ok((seed.deserialize(index)?, self.1))
    }
}

impl<'de> VariantAccess<'de> for Walk<'_, '_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        // In MessagePack, a unit variant is only its name.
        if let Walk::Shape(shape, _) = self {
            *shape = Shape::Unit;
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(&mut fields.iter().copied(), visitor)
    }
}
