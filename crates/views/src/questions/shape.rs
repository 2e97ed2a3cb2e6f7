//! JSON schemas of requests and responses, for the API description.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Schemas by name.
pub type Schemas = BTreeMap<String, RefOr<Schema>>;
/// Returns a schema, and adds the named schemas that it refers to.
pub type Shape = fn(&mut Schemas) -> Value;

/// One value of a type.
pub fn one<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let mut parts = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut parts);
    schemas.extend(parts);
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}

/// A list of values of a type.
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
