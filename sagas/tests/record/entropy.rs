//! Any value of any recorded type, drawn from bytes through serde itself: a new kind is generated without a line for
//! its fields. No bytes left means the smallest value, so that shrinking the bytes shrinks the value.

use serde::de::value::{Error, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

/// What values are drawn from.
pub(crate) struct Entropy<'a> {
    bytes: &'a [u8],
    in_array: bool,
}

impl<'a> Entropy<'a> {
    /// Draws from `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, in_array: false }
    }

    /// The next byte; 0 when none is left.
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % count
    }

    /// A number, often small, sometimes at an end of its range.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() % 8 {
            0..=3 => u64::from(self.byte()),
            4 | 5 => u64::from_be_bytes(std::array::from_fn(|_| self.byte())) >> (self.byte() % 64),
            6 => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
            _ => u64::MAX,
        }
    }

    /// A value of `T`; a plain enum's unknown number is drawn again.
    pub(crate) fn value<T: DeserializeOwned>(&mut self) -> T {
        loop {
            let exhausted = self.bytes.is_empty();
            match T::deserialize(&mut *self) {
                Ok(value) => return value,
                Err(error) => assert!(!exhausted, "the smallest value is none: {error}"),
            }
        }
    }

    /// A commit of any fact and up to five events.
    pub(crate) fn commit(&mut self) -> Commit {
        let header = Header {
            position: Position(self.number()),
            time: Time(self.number().cast_signed()),
            term: self.value(),
            writer: self.value(),
            previous: self.value(),
        };
        let count = self.below(6);
        Commit {
            header,
            cause: self.value(),
            fact: self.fact(),
            events: (0..count).map(|_| self.event()).collect(),
        }
    }

    /// Any fact.
    pub(crate) fn fact(&mut self) -> Fact {
        let reports = Report::KINDS.len();
        match self.below(reports + Body::KINDS.len()) {
            place if place < reports => Fact::Report(report(Report::KINDS[place].2, self)),
            place => Fact::Request(Request {
                id: self.value(),
                project: self.value(),
                principal: self.value(),
                body: body(Body::KINDS[place - reports].2, self),
            }),
        }
    }

    /// Any event.
    pub(crate) fn event(&mut self) -> Event {
        let place = self.below(Event::KINDS.len());
        event(Event::KINDS[place].2, self)
    }
}

macro_rules! by_kind {
    ($function:ident -> $type:ident { $($variant:ident)* }) => {
        /// A value of the kind of this name.
        pub(crate) fn $function(kind: &str, from: &mut Entropy<'_>) -> $type {
            match kind {
                $(stringify!($variant) => $type::$variant(from.value()),)*
                _ => panic!("add {kind} to the list of kinds in `entropy.rs`"),
            }
        }
    };
}

by_kind! { report -> Report { Genesis Campaign RaiseFormat Step Overdue HostSeen HostSilent Ledger } }

by_kind! { body -> Body {
    CreateServer DeleteServer StartServer StopServer RebootServer CreateVolume DeleteVolume AttachVolume DetachVolume CreateNetwork DeleteNetwork
    CreateSubnet DeleteSubnet CreatePort DeletePort CreateSecurityGroup DeleteSecurityGroup SetSecurityRules
    CreateFlavor DeleteFlavor RegisterImage DeleteImage SetImageBoot CreateKeyPair DeleteKeyPair CreateProject DeleteProject
    SetQuota CreatePrincipal DeletePrincipal CreateCredential RevokeCredential GrantRole RevokeRole CreateJoinToken
    RevokeJoinToken DrainHost UndrainHost DeclareHostGone AffirmHostOff RejoinHost JoinHost CancelSaga RetrySaga
    SkipStep AbandonSaga AdoptResource DiscardResource ArmFault DisarmFault
} }

by_kind! { event -> Event {
    Genesis LeaderElected FormatRaised SagaStarted StepDispatched StepDone StepRefused StepUndone StepSkipped
    StepOverdue SagaUnwinding SagaStuck SagaResumed SagaLate SagaCompleted SagaRolledBack SagaAbandoned ServerClaimed
    ServerActivated ServerFailed ServerDeleted ServerStopped VolumeClaimed VolumeReady VolumeFailed VolumeAttached
    VolumeDetached VolumeDeleted PortClaimed PortBound PortReady PortUnbound PortDeleted NetworkCreated NetworkDeleted
    SubnetCreated SubnetDeleted SecurityGroupCreated SecurityRulesSet SecurityGroupDeleted FlavorCreated FlavorDeleted
    ImageRegistered ImageDeleted ImageBootSet KeyPairCreated KeyPairDeleted ProjectCreated ProjectDeleted QuotaSet PrincipalCreated
    PrincipalDeleted CredentialCreated CredentialRevoked RoleGranted RoleRevoked JoinTokenCreated JoinTokenEnded
    HostJoined HostUp HostDown HostRebooted HostDraining HostGone HostOff HostRejoined IncarnationAdmitted
    InventoryDiffers ResourceAdopted ResourceDiscarded FaultArmed FaultDisarmed FaultForgotten
} }

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.number() as $type)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Entropy<'_> {
    type Error = Error;

    integers! { deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
    deserialize_i64 visit_i64 i64 }

    /// In an array any byte; elsewhere most often a number that the plain enums know.
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let byte = self.byte();
        visitor.visit_u8(match byte % 8 {
            _ if self.in_array => byte,
            0..=4 => 1,
            5 => 2,
            _ => self.byte(),
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.byte() % 2 == 1)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        const LETTERS: [char; 6] = ['a', 'Z', '\0', 'é', '字', '🦀'];
        let length = self.byte() % 12;
        visitor.visit_string((0..length).map(|_| LETTERS[self.below(LETTERS.len())]).collect())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.byte() % 2 == 1 { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { from: self, left: fields.len() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.in_array = true;
        let value = visitor.visit_seq(Items { from: self, left: length });
        self.in_array = false;
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = usize::from(self.byte() % 4);
        visitor.visit_seq(Items { from: self, left })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { index: self.below(variants.len()), from: self })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        panic!("a type that the record does not use")
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char str bytes byte_buf unit unit_struct tuple_struct map identifier ignored_any
    }
}

struct Items<'a, 'b> {
    from: &'a mut Entropy<'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.from).map(Some)
    }
}

struct Variant<'a, 'b> {
    index: usize,
    from: &'a mut Entropy<'b>,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index = u32::try_from(self.index).map_err(Error::custom)?;
        let value = seed.deserialize::<U32Deserializer<Error>>(index.into_deserializer())?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.from)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { from: self.from, left: length })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { from: self.from, left: fields.len() })
    }
}
