//! The checker is tested too: each planted breaking change is caught, and each addition is let through.

use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::surface::{Surface, breaking};

/// A small package: a message with four fields, an enum, a service with one method.
const SMALL: &str = r#"
    syntax = "proto3";
    package small;
    enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; BLUE = 2; }
    message Thing {
      string name = 1;
      uint32 size = 2;
      repeated Colour colours = 3;
      map<string, uint64> counts = 4;
      oneof end { string left = 5; string right = 6; }
      optional uint32 depth = 7;
    }
    service Things { rpc Get(Thing) returns (Thing); rpc Watch(Thing) returns (stream Thing); }
"#;

fn file() -> FileDescriptorProto {
    protox_parse(SMALL)
}

/// Compiles one file from memory.
fn protox_parse(text: &str) -> FileDescriptorProto {
    let parsed = protox::file::File::from_source("small.proto", text).expect("the text above is a proto");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(One(parsed));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.open_file("small.proto").expect("the resolver has it");
    compiler.file_descriptor_set().file.remove(0)
}

struct One(protox::file::File);

impl protox::file::FileResolver for One {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name == "small.proto" { Ok(self.0.clone()) } else { Err(protox::Error::file_not_found(name)) }
    }
}

fn surface(file: FileDescriptorProto) -> Surface {
    let set = FileDescriptorSet { file: vec![file] };
    let pool =
        DescriptorPool::from_file_descriptor_set(set).expect("each planted change is still a valid proto");
    Surface::of(&pool, "small")
}

/// What the checker says to a change of the small package.
fn verdict(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<String> {
    let mut changed = file();
    change(&mut changed);
    breaking(&surface(file()), &surface(changed))
}

fn thing(file: &mut FileDescriptorProto) -> &mut DescriptorProto {
    &mut file.message_type[0]
}

fn field<'a>(file: &'a mut FileDescriptorProto, name: &str) -> &'a mut FieldDescriptorProto {
    thing(file).field.iter_mut().find(|field| field.name() == name).expect("named as above")
}

#[test]
fn an_untouched_surface_breaks_nothing() {
    assert_eq!(verdict(|_| {}), Vec::<String>::new());
}

#[test]
fn a_surface_reads_back_from_its_text() {
    let before = surface(file());
    assert_eq!(Surface::parse(&before.to_string()), Ok(before));
    assert!(Surface::parse("field only_two_words").is_err());
}

#[test]
fn every_planted_break_is_caught() {
    type Change = fn(&mut FileDescriptorProto);
    let planted: [(&str, Change); 14] = [
        ("field removed", |f| thing(f).field.retain(|field| field.name() != "size")),
        ("field renumbered", |f| field(f, "size").number = Some(9)),
        ("field renamed", |f| field(f, "size").name = Some("length".into())),
        ("field retyped", |f| field(f, "size").set_type(Type::Uint64)),
        ("field made a list", |f| field(f, "size").set_label(Label::Repeated)),
        ("list made single", |f| field(f, "colours").set_label(Label::Optional)),
        ("presence taken away", |f| {
            field(f, "depth").proto3_optional = None;
            field(f, "depth").oneof_index = None;
            thing(f).oneof_decl.truncate(1);
        }),
        ("field moved into a oneof", |f| field(f, "size").oneof_index = Some(0)),
        ("map's value retyped", |f| thing(f).nested_type[0].field[1].set_type(Type::String)),
        ("message removed", |f| {
            f.service.clear();
            f.message_type.clear();
        }),
        ("enum value removed", |f| f.enum_type[0].value.retain(|value| value.name() != "BLUE")),
        ("enum value renumbered", |f| f.enum_type[0].value[2].number = Some(3)),
        ("method removed", |f| f.service[0].method.truncate(1)),
        ("method no longer streams", |f| f.service[0].method[1].server_streaming = None),
    ];
    for (what, change) in planted {
        assert!(!verdict(change).is_empty(), "not caught: {what}");
    }
}

#[test]
fn a_changed_permission_or_code_is_caught() {
    let before = Surface::of(windlass_proto::pool(), "windlass.v1").to_string();
    for (from, to) in
        [("servers.create", "servers.get"), ("INVALID_FIELD INVALID_ARGUMENT", "INVALID_FIELD INTERNAL")]
    {
        assert!(before.contains(from), "{from} is gone");
        let recorded = Surface::parse(&before).unwrap();
        let changed = Surface::parse(&before.replace(from, to)).unwrap();
        assert_eq!(breaking(&recorded, &changed).len(), 1, "not caught: {from} to {to}");
    }
}

#[test]
fn additions_are_let_through_and_named() {
    type Change = fn(&mut FileDescriptorProto);
    let added: [(&str, Change); 3] = [
        ("a field", |f| {
            let mut new = field(f, "size").clone();
            new.name = Some("weight".into());
            new.json_name = None;
            new.number = Some(20);
            thing(f).field.push(new);
        }),
        ("an enum value", |f| {
            let mut new = f.enum_type[0].value[2].clone();
            new.name = Some("GREEN".into());
            new.number = Some(3);
            f.enum_type[0].value.push(new);
        }),
        ("a method", |f| {
            let mut new = f.service[0].method[0].clone();
            new.name = Some("List".into());
            f.service[0].method.push(new);
        }),
    ];
    for (what, change) in added {
        assert_eq!(verdict(change), Vec::<String>::new(), "refused: {what}");
        let mut changed = file();
        change(&mut changed);
        assert_eq!(surface(changed).added_to(&surface(file())).lines().count(), 1, "not named: {what}");
    }
}
