//! The two shapes of recorded enum: a plain one whose numbers are explicit, and one whose variants are records of
//! their own kind and version. Both refuse a number they do not know; neither depends on the order of its variants.

/// A field-less enum recorded as an explicit `u8` (postcard alone would record the variant's place in the source).
macro_rules! recorded_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number),* }

        impl $name {
            /// Every variant, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The variant's name in the source, for logs and lists.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(*self as u8)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match <u8 as serde::Deserialize>::deserialize(deserializer)? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(serde::de::Error::custom(concat!("unknown ", stringify!($name)))),
                }
            }
        }
    };
}

/// An enum of records: each variant has a kind and a newest version, which stand in front of its postcard body.
macro_rules! records {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident($body:ty) = $kind:literal v $version:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "records are folded and dropped, not kept in numbers")]
        pub enum $name { $($(#[$vdoc])* $variant($body)),* }

        impl $name {
            /// Every (kind, newest version, name), in the order of the source.
            pub const KINDS: &'static [(u16, u16, &'static str)] = &[$(($kind, $version, stringify!($variant))),*];

            /// The recorded number of this kind; it never changes.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self { $(Self::$variant(_) => $kind),* }
            }

            /// The version that this build writes for this kind.
            #[must_use]
            pub const fn version(&self) -> u16 {
                match self { $(Self::$variant(_) => $version),* }
            }

            /// The kind's name, for people.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant)),* }
            }

            /// Appends the postcard body, without kind and version.
            pub(crate) fn encode_body(&self, out: alloc::vec::Vec<u8>) -> Result<alloc::vec::Vec<u8>, postcard::Error> {
                match self { $(Self::$variant(body) => postcard::to_extend(body, out)),* }
            }

            /// Reads a body of the newest version; every byte must be used.
            pub(crate) fn decode_body(kind: u16, version: u16, bytes: &[u8]) -> Result<Self, $crate::record::DecodeError> {
                match (kind, version) {
                    $(($kind, $version) => $crate::record::whole::<$body>(bytes).map(Self::$variant),)*
                    _ => Err($crate::record::DecodeError::UnknownKind { kind, version }),
                }
            }
        }
        $(impl From<$body> for $name {
            fn from(body: $body) -> Self { Self::$variant(body) }
        })*
    };
}
