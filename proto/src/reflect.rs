//! What the descriptor says at run time: permissions by method, and JSON of any message of ours (proto3 JSON mapping).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, SerializeOptions};

use crate::FILE_DESCRIPTOR_SET;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the build encoded this set; a test decodes it")
});

static PERMISSIONS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let services = pool().services().filter(|service| service.package_name() == "windlass.v1");
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter_map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            Some((path, option_text(&method.options(), "windlass.v1.permission")?))
        })
        .collect()
});

/// A message could not be turned into JSON or back.
#[derive(Debug)]
pub struct JsonError(String);

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Every message, enum and service of both APIs.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// The permission that a public method needs, as `servers.create`; the path is the one of the HTTP/2 request, as
/// `/windlass.v1.ServerService/CreateServer`. `None` for a method that is not of the public API.
#[must_use]
pub fn permission(path: &str) -> Option<&'static str> {
    PERMISSIONS.get(path).map(String::as_str)
}

/// Every public method's path with its permission, in order.
pub fn permissions() -> impl Iterator<Item = (&'static str, &'static str)> {
    PERMISSIONS.iter().map(|(path, permission)| (path.as_str(), permission.as_str()))
}

/// The message as JSON: lower camel case names, enums by name, 64-bit numbers as text, timestamps as RFC 3339.
/// Fields without a value are left out, except where `all` is set: then singular scalars, lists and maps show theirs.
///
/// # Errors
/// When the message holds what JSON can't carry, as a timestamp out of range.
pub fn to_json<M: Message + Name>(message: &M, all: bool) -> Result<serde_json::Value, JsonError> {
    let descriptor = descriptor::<M>()?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).map_err(|error| JsonError(error.to_string()))?;
    let options = SerializeOptions::new().skip_default_fields(!all);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| JsonError(error.to_string()))
}

/// The message that a JSON value is; unknown names are refused.
///
/// # Errors
/// When the value is not of this message's shape.
pub fn from_json<M: Message + Name + Default>(value: serde_json::Value) -> Result<M, JsonError> {
    let descriptor = descriptor::<M>()?;
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor, value, &options)
        .map_err(|error| JsonError(error.to_string()))?;
    dynamic.transcode_to().map_err(|error| JsonError(error.to_string()))
}

fn descriptor<M: Name>() -> Result<prost_reflect::MessageDescriptor, JsonError> {
    let name = M::full_name();
    pool()
        .get_message_by_name(&name)
        .ok_or_else(|| JsonError(format!("{name} is not a message of these APIs")))
}

/// The text of a custom option, where it is set.
pub(crate) fn option_text(options: &DynamicMessage, extension: &str) -> Option<String> {
    let extension = pool().get_extension_by_name(extension)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn a_method_tells_its_permission() {
        assert_eq!(permission("/windlass.v1.ServerService/CreateServer"), Some("servers.create"));
        assert_eq!(permission("/windlass.v1.ServerService/Nonsense"), None);
        assert_eq!(permission("/windlass.agent.v1.AgentService/Connect"), None);
    }

    #[test]
    fn json_reads_back_and_shows_enums_by_name() {
        let volume = v1::Volume {
            display_name: "data".into(),
            state: v1::volume::State::InUse.into(),
            size_gib: 10,
            ..Default::default()
        };
        let json = to_json(&volume, false).expect("plain");
        assert_eq!(json, serde_json::json!({"displayName": "data", "state": "IN_USE", "sizeGib": "10"}));
        assert_eq!(from_json::<v1::Volume>(json).expect("its own"), volume);
        let all = to_json(&volume, true).expect("plain");
        assert_eq!(all["attachments"], serde_json::json!([]));
        assert_eq!(all["image"], "");
    }

    #[test]
    fn json_refuses_unknown_names() {
        assert!(from_json::<v1::Volume>(serde_json::json!({"sizeGb": "10"})).is_err());
    }
}
