//! Structures, written down once.

/// Declares structures whose encoding is that of their fields in order; JSON members carry the fields' names.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::node::codec::Codec for $name {
            fn decode(
                from: &mut $crate::node::codec::Reader<'_>,
            ) -> Result<Self, $crate::node::codec::CodecError> {
                Ok(Self { $($field: from.field(stringify!($field))?,)* })
            }

            fn encode(&self, to: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::node::codec::Codec::encode($field, to);)*
            }

            fn from_json(json: &serde_json::Value) -> Result<Self, $crate::node::codec::CodecError> {
                Ok(Self { $($field: $crate::node::codec::json::field(json, stringify!($field))?,)* })
            }
        }
    )*};
}

pub(crate) use records;
