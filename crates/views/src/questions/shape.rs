//! Shapes of what is sent and answered, for the description of the API.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Shapes by name.
pub type Schemas = BTreeMap<String, RefOr<Schema>>;
/// A shape, whose parts it adds to the others.
pub type Shape = fn(&mut Schemas) -> Value;

/// One value of a type.
pub fn one<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    schemas.extend(parts);
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}

/// A list of them.
pub fn all<T: ToSchema>(schemas: &mut Schemas) -> Value {
    json!({ "type": "array", "items": one::<T>(schemas) })
}

/// An object of any kind.
pub fn any(_: &mut Schemas) -> Value {
    json!({ "type": "object" })
}

/// An empty object.
pub fn nothing(_: &mut Schemas) -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

/// Text.
pub fn text(_: &mut Schemas) -> Value {
    json!({ "type": "string" })
}
