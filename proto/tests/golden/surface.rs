//! The surface of a package as sorted lines, one a message, field, enum value or method, and what may not change in it.

use std::collections::BTreeMap;
use std::fmt;

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ReflectMessage,
};

/// What a line is about: kind, owner, and the number in the owner (0 where there is none).
type Key = (String, String, u32);

/// The surface: each key with its shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surface(BTreeMap<Key, String>);

impl Surface {
    /// The surface of a package in a descriptor pool.
    pub(crate) fn of(pool: &DescriptorPool, package: &str) -> Self {
        let mut lines = Self::default();
        for message in pool.all_messages().filter(|message| message.package_name() == package) {
            lines.message(&message);
        }
        for kind in pool.all_enums().filter(|kind| kind.package_name() == package) {
            lines.enumeration(&kind);
        }
        for service in pool.services().filter(|service| service.package_name() == package) {
            lines.add("service", service.full_name(), 0, String::new());
            for method in service.methods() {
                lines.add("method", method.full_name(), 0, shape_of_method(&method));
            }
        }
        lines
    }

    /// The surface that a text is; the line at fault otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (key, shape) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            let words: Vec<&str> = key.split(' ').collect();
            let &[kind, owner, number] = words.as_slice() else { return Err(line.to_owned()) };
            let number = number.parse().map_err(|_| line.to_owned())?;
            lines.add(kind, owner, number, shape.to_owned());
        }
        Ok(lines)
    }

    /// What this surface has and the other lacks or has otherwise, a line each.
    pub(crate) fn added_to(&self, other: &Self) -> String {
        let new = self.0.iter().filter(|(key, shape)| other.0.get(key) != Some(shape));
        new.map(|(key, shape)| line(key, shape)).collect()
    }

    fn message(&mut self, message: &MessageDescriptor) {
        if message.is_map_entry() {
            return;
        }
        self.add("message", message.full_name(), 0, String::new());
        for field in message.fields() {
            self.add("field", message.full_name(), field.number(), shape_of_field(&field));
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) {
        self.add("enum", kind.full_name(), 0, String::new());
        for value in kind.values() {
            let code = text_option(&value.options(), "windlass.v1.canonical_code");
            let shape = [value.name().to_owned(), code].join(" ");
            self.add("value", kind.full_name(), value.number().unsigned_abs(), shape.trim_end().to_owned());
        }
    }

    fn add(&mut self, kind: &str, owner: &str, number: u32, shape: String) {
        let before = self.0.insert((kind.to_owned(), owner.to_owned(), number), shape);
        assert_eq!(before, None, "two lines for {kind} {owner} {number}");
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What clients rest on: kind, owner, number: shape. Made by tests/golden.rs; lines are only added."
        )?;
        self.0.iter().try_for_each(|(key, shape)| f.write_str(&line(key, shape)))
    }
}

/// What in `now` breaks a client of `recorded`: everything recorded must stand as it stood.
pub(crate) fn breaking(recorded: &Surface, now: &Surface) -> Vec<String> {
    let mut broken = Vec::new();
    for (key, shape) in &recorded.0 {
        match now.0.get(key) {
            None => broken.push(format!("removed: {}", line(key, shape).trim_end())),
            Some(other) if other != shape => {
                broken.push(format!("changed: {} became {other}", line(key, shape).trim_end()));
            }
            Some(_) => {}
        }
    }
    // A new member of an old oneof makes old clients drop it, which they survive; a new enum value likewise.
    broken
}

fn line((kind, owner, number): &Key, shape: &str) -> String {
    let gap = if shape.is_empty() { "" } else { " " };
    format!("{kind} {owner} {number}:{gap}{shape}\n")
}

/// `name label type`, with the oneof that it is in.
fn shape_of_field(field: &FieldDescriptor) -> String {
    let label = match field.cardinality() {
        _ if field.is_map() => "map",
        Cardinality::Repeated => "repeated",
        Cardinality::Required => "required",
        Cardinality::Optional if field.field_descriptor_proto().proto3_optional() => "optional",
        Cardinality::Optional => "singular",
    };
    let kind = match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("{},{}", type_name(&key.kind()), type_name(&value.kind()))
        }
        kind => type_name(&kind),
    };
    let real = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
    let oneof = real.map(|oneof| format!(" in {}", oneof.name())).unwrap_or_default();
    format!("{} {label} {kind}{oneof}", field.name())
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// `(request) returns (answer)` with streams, and the permission.
fn shape_of_method(method: &MethodDescriptor) -> String {
    let stream = |streams| if streams { "stream " } else { "" };
    let permission = text_option(&method.options(), "windlass.v1.permission");
    format!(
        "({}{}) returns ({}{}) {permission}",
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name(),
    )
    .trim_end()
    .to_owned()
}

fn text_option(options: &prost_reflect::DynamicMessage, name: &str) -> String {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name);
    let set = extension.filter(|extension| options.has_extension(extension));
    set.and_then(|set| options.get_extension(&set).as_str().map(str::to_owned)).unwrap_or_default()
}
