//! From the tree of a file to the typed values, by serde. The tree was checked against the schema before, so a failure here is rare.

use crate::yaml::{Node, Value};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor, value::StringDeserializer,
};
use std::{fmt, ops::Range};

/// Why a value could not be taken, and where it is written if that is known.
#[derive(Debug)]
pub(crate) struct TypedError {
    pub message: String,
    pub span: Option<Range<usize>>,
}

impl std::error::Error for TypedError {}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl serde::de::Error for TypedError {
    fn custom<T: fmt::Display>(message: T) -> TypedError {
        TypedError {
            message: message.to_string(),
            span: None,
        }
    }
}

impl Node {
    fn placed<T>(&self, result: Result<T, TypedError>) -> Result<T, TypedError> {
        result.map_err(|mut error| {
            error.span.get_or_insert_with(|| self.span.clone());
            error
        })
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        self.placed(match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Beyond => Err(TypedError::custom("the number is beyond 64 bits")),
            Value::Float(value, _) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                value: None,
            }),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A number or a truth value is taken as its text where the schema let it stand for text.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        self.placed(match &self.value {
            Value::Bool(value) => visitor.visit_string(value.to_string()),
            Value::Integer(value) => visitor.visit_string(value.to_string()),
            Value::Float(_, written) => visitor.visit_str(written),
            _ => return self.deserialize_any(visitor),
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TypedError> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, TypedError> {
        self.placed(match &self.value {
            Value::Text(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant {
                    name: &entry.key,
                    content: Some(&entry.value),
                }),
                _ => Err(TypedError::custom("expected a mapping with one key")),
            },
            _ => Err(TypedError::custom("expected a name, or a mapping with one key")),
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = TypedError;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypedError> {
        self.0.next().map(|item| item.placed(seed.deserialize(item))).transpose()
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, crate::yaml::Entry>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = TypedError;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypedError> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(StringDeserializer::new(entry.key.clone())).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypedError> {
        let node = self.value.take().ok_or_else(|| TypedError::custom("a value without a key"))?;
        node.placed(seed.deserialize(node))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Node>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = TypedError;
    type Variant = Variant<'a>;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Variant<'a>), TypedError> {
        let name = seed.deserialize(StringDeserializer::<TypedError>::new(self.name.to_owned()))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = TypedError;
    fn unit_variant(self) -> Result<(), TypedError> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(TypedError::custom(format!("`{}` stands alone", self.name))),
        }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, TypedError> {
        seed.deserialize(self.node()?)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, TypedError> {
        self.node()?.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, TypedError> {
        self.node()?.deserialize_any(visitor)
    }
}

impl<'a> Variant<'a> {
    fn node(&self) -> Result<&'a Node, TypedError> {
        self.content
            .ok_or_else(|| TypedError::custom(format!("`{}` needs a value", self.name)))
    }
}
