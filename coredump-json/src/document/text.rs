//! Writes numbers and lists in such a way that no reader loses precision.

use std::fmt;

use serde::{Serialize, Serializer};

/// An address or offset, written as a string such as `"0x1a2b"`, because not every reader keeps JSON numbers beyond 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

/// A string that is formatted while it is written, without being stored.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list whose items are made one at a time while it is written, since a dump may hold a million frames.
pub struct Each<'d, T>(Box<dyn Fn() -> Box<dyn Iterator<Item = T> + 'd> + 'd>);

impl<'d, T> Each<'d, T> {
    /// The items of the iterator that `items` makes each time it is asked.
    pub fn new<I: IntoIterator<Item = T, IntoIter: 'd>>(items: impl Fn() -> I + 'd) -> Self {
        Each(Box::new(move || Box::new(items().into_iter())))
    }
}

impl<T: Serialize> Serialize for Each<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Makes an entry serialise as its struct of fields, which also gives its schema.
macro_rules! written_as {
    ($($entry:ty => $fields:ty;)*) => {$(
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $entry {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$fields>::schema_name()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                <$fields>::schema_id()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$fields>::json_schema(generator)
            }

            fn inline_schema() -> bool {
                <$fields>::inline_schema()
            }
        }
    )*};
}
pub(super) use written_as;

/// The schemas of these forms.
#[cfg(feature = "schema")]
mod schemas {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Each, Hex, Shown};

    impl JsonSchema for Hex {
        fn schema_name() -> Cow<'static, str> {
            "hex".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "An address or offset in hexadecimal.",
                "type": "string",
                "pattern": "^0x[0-9a-f]+$",
            })
        }
    }

    impl<T> JsonSchema for Shown<T> {
        fn schema_name() -> Cow<'static, str> {
            String::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            String::json_schema(generator)
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl<T: JsonSchema> JsonSchema for Each<'_, T> {
        fn schema_name() -> Cow<'static, str> {
            Vec::<T>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            Vec::<T>::json_schema(generator)
        }

        fn inline_schema() -> bool {
            true
        }
    }
}
