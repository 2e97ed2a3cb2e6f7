//! The shape of a type as serde sees it: which values its bytes hold, in which order.

/// The values that the bytes of a type hold, in order. It does not include the names of types.
#[derive(Debug, Default)]
pub(super) enum Shape {
    /// Not visited yet.
    #[default]
    Unknown,
    /// No bytes.
    Unit,
    Leaf(Leaf),
    Option(Box<Shape>),
    Seq(Box<Shape>),
    Map(Box<(Shape, Shape)>),
    /// The members of a structure with their names. Members of a tuple have empty names.
    Fields(Vec<(&'static str, Shape)>),
    /// The variants and the shapes of their content.
    Enum(Vec<(&'static str, Shape)>),
}

/// A plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
}

impl Shape {
    /// Whether every part was visited.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Shape::Unknown => false,
            Shape::Unit | Shape::Leaf(_) => true,
            Shape::Option(inner) | Shape::Seq(inner) => inner.is_whole(),
            Shape::Map(inner) => inner.0.is_whole() && inner.1.is_whole(),
            Shape::Fields(of) | Shape::Enum(of) => of.iter().all(|(_, shape)| shape.is_whole()),
        }
    }

    /// Hash of the shape: FNV-1a of its text. Different shapes have different fingerprints.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        self.write_to(&mut text);
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }

    fn write_to(&self, out: &mut String) {
        let mut all = |open, of: &[(&'static str, Shape)], close| {
            out.push(open);
            for (name, shape) in of {
                out.push_str(name);
                out.push(':');
                shape.write_to(out);
                out.push(',');
            }
            out.push(close);
        };
        match self {
            Shape::Unknown => out.push('?'),
            Shape::Unit => out.push('0'),
            Shape::Leaf(leaf) => out.push_str(leaf.name()),
            Shape::Fields(of) => all('(', of, ')'),
            Shape::Enum(of) => all('{', of, '}'),
            Shape::Option(inner) => {
                inner.write_to(out);
                out.push('~');
            }
            Shape::Seq(inner) => {
                inner.write_to(out);
                out.push('*');
            }
            Shape::Map(inner) => {
                inner.0.write_to(out);
                out.push('>');
                inner.1.write_to(out);
                out.push('*');
            }
        }
    }
}

impl Leaf {
    fn name(self) -> &'static str {
        match self {
            Leaf::Bool => "bool",
            Leaf::I8 => "i8",
            Leaf::I16 => "i16",
            Leaf::I32 => "i32",
            Leaf::I64 => "i64",
            Leaf::I128 => "i128",
            Leaf::U8 => "u8",
            Leaf::U16 => "u16",
            Leaf::U32 => "u32",
            Leaf::U64 => "u64",
            Leaf::U128 => "u128",
            Leaf::F32 => "f32",
            Leaf::F64 => "f64",
            Leaf::Char => "char",
            Leaf::Str => "str",
            Leaf::Bytes => "bytes",
        }
    }
}
