//! The rules that every method, message and comment of the APIs keeps, read from the descriptor and the files.

use std::path::{Path, PathBuf};

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use windlass_proto::{permission, permissions, pool};

/// The longest proto file, lines.
const FILE_LINES_MAX: usize = 500;
/// The longest line of a proto file, characters.
const LINE_CHARS_MAX: usize = 120;

fn public_methods() -> Vec<MethodDescriptor> {
    let services = pool().services().filter(|service| service.package_name() == "windlass.v1");
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn reads(method: &MethodDescriptor) -> bool {
    ["Get", "List", "Watch", "Doctor", "Diff", "Download"].iter().any(|verb| method.name().starts_with(verb))
}

/// Whether it is the order that is given to one orchestrator where nobody leads: no operation can be had then, and the
/// commit that it names makes it safe to repeat.
fn orders_one_orchestrator(method: &MethodDescriptor) -> bool {
    method.full_name() == "windlass.v1.CellService.Recover"
}

/// Whether it takes bytes in under their hash: nothing of it is in the history, and repeating it keeps them once.
fn takes_bytes(method: &MethodDescriptor) -> bool {
    method.is_client_streaming()
}

/// Whether the message has the field with this number and kind.
fn has(message: &MessageDescriptor, name: &str, number: u32, kind: &Kind) -> bool {
    message.get_field_by_name(name).is_some_and(|field| field.number() == number && field.kind() == *kind)
}

fn proto_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["windlass/v1", "windlass/agent/v1"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the folder is part of the crate");
        files.extend(entries.map(|entry| entry.expect("the folder can be read").path()));
    }
    files
}

#[test]
fn no_public_method_lacks_a_permission() {
    let methods = public_methods();
    assert!(methods.len() > 50, "only {} methods found", methods.len());
    assert_eq!(permissions().count(), methods.len());
    for method in methods {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let text = permission(&path).unwrap_or_else(|| panic!("{path} has no permission"));
        let (noun, verb) = text.split_once('.').unwrap_or_else(|| panic!("{path}: {text} is not noun.verb"));
        for word in [noun, verb] {
            let camel = word.starts_with(|c: char| c.is_ascii_lowercase());
            assert!(camel && word.bytes().all(|b| b.is_ascii_alphabetic()), "{path}: {text}");
        }
        assert!(
            !reads(&method) || ["get", "list", "watch", "doctor", "diff", "download"].contains(&verb),
            "{path} reads by {text}"
        );
    }
}

#[test]
fn every_change_has_a_request_id_and_answers_an_operation() {
    let changes = |method: &&MethodDescriptor| {
        !reads(method) && !orders_one_orchestrator(method) && !takes_bytes(method)
    };
    let methods = public_methods();
    let orders = methods.iter().filter(|method| orders_one_orchestrator(method));
    assert!(orders.map(MethodDescriptor::input).all(|it| has(&it, "validate_only", 4, &Kind::Bool)));
    for method in methods.iter().filter(changes) {
        let input = method.input();
        assert!(has(&input, "request_id", 3, &Kind::String), "{} has no request_id", input.name());
        assert!(has(&input, "validate_only", 4, &Kind::Bool), "{} has no validate_only", input.name());
        assert_eq!(method.output().full_name(), "windlass.v1.Operation", "{}", method.name());
        assert_eq!(input.name(), format!("{}Request", method.name()));
    }
}

#[test]
fn every_read_can_name_its_point_and_answers_a_position() {
    let read_at = Kind::Message(pool().get_message_by_name("windlass.v1.ReadAt").unwrap());
    for method in public_methods().iter().filter(|method| reads(method)) {
        let input = method.input();
        assert!(has(&input, "min_position", 3, &Kind::Uint64), "{} has no min_position", input.name());
        let placed = has(&input, "read_at", 2, &read_at) || has(&input, "after_position", 2, &Kind::Uint64);
        assert!(placed, "{} has no read_at", input.name());
        let output = method.output();
        let position = output.get_field_by_name("position").map(|field| field.kind());
        assert_eq!(position, Some(Kind::Uint64), "{} has no position", output.name());
    }
}

#[test]
fn every_list_has_pages() {
    for method in public_methods().iter().filter(|method| method.name().starts_with("List")) {
        let (input, output) = (method.input(), method.output());
        assert!(has(&input, "page_size", 4, &Kind::Uint32), "{}", input.name());
        assert!(has(&input, "page_token", 5, &Kind::String), "{}", input.name());
        assert!(has(&input, "filter", 6, &Kind::String), "{}", input.name());
        assert!(has(&output, "next_page_token", 2, &Kind::String), "{}", output.name());
        let items = output.get_field(1).unwrap_or_else(|| panic!("{} has no items", output.name()));
        assert!(items.is_list(), "{}", output.name());
    }
}

#[test]
fn every_enum_begins_with_a_zero_that_says_nothing_was_chosen() {
    // A rule without protocol means any protocol: the one zero with a meaning of its own.
    let meaningful = ["windlass.v1.SecurityRule.Protocol"];
    for kind in pool().all_enums().filter(|kind| kind.package_name().starts_with("windlass")) {
        let zero = kind.get_value(0).unwrap_or_else(|| panic!("{} has no zero", kind.full_name()));
        let open = zero.name().ends_with("UNSPECIFIED") || meaningful.contains(&kind.full_name());
        assert!(open, "{}'s zero is {}", kind.full_name(), zero.name());
    }
}

#[test]
fn every_file_is_compiled_short_and_commented() {
    for path in proto_files() {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap();
        assert!(pool().get_file_by_name(name).is_some(), "{name} is not in the descriptor");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("// "), "{name} has no header");
        assert!(text.lines().count() <= FILE_LINES_MAX, "{name} is too long");
        assert_eq!(faults(&text), Vec::<String>::new(), "in {name}");
    }
}

/// Lines that are too long, and declarations without a comment above them.
fn faults(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut above = "";
    for (at, line) in text.lines().enumerate() {
        let line_no = at + 1;
        if line.chars().count() > LINE_CHARS_MAX {
            found.push(format!("{line_no}: longer than {LINE_CHARS_MAX} characters"));
        }
        let declared = line.trim_start();
        let field = declared.contains(" = ") && declared.ends_with(';') && !declared.starts_with("option ");
        let field = field && !declared.starts_with("syntax") && !declared.starts_with("//");
        let block = ["message ", "enum ", "service ", "rpc "].iter().any(|word| declared.starts_with(word));
        if (field || block) && !above.starts_with("//") {
            found.push(format!("{line_no}: no comment above `{declared}`"));
        }
        above = declared;
    }
    found
}

#[test]
fn the_comment_check_finds_what_it_is_for() {
    assert_eq!(
        faults("// A thing.\nmessage Thing {\n  // A size.\n  uint32 size = 1;\n}\n"),
        Vec::<String>::new()
    );
    assert_eq!(faults("message Thing {}\n").len(), 1);
    assert_eq!(faults("// A thing.\nmessage Thing {\n  uint32 size = 1;\n}\n").len(), 1);
    assert_eq!(faults("// A service.\nservice Things {\n  rpc Get(A) returns (B) {\n").len(), 1);
    assert_eq!(faults(&"x".repeat(LINE_CHARS_MAX + 1)).len(), 1);
}
