//! Ten thousand mutations of a good request to every method: each ends in a status, none panics, and the cell answers
//! afterwards. The seed is fixed, so that a failure comes again.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, ReflectMessage, Value};
use tonic_types::StatusExt;
use windlass_proto::v1::GetCellRequest;

use crate::bad_input::method;
use crate::support::rows;
use crate::support::stage::Stage;
use crate::support::{TOKEN, raw, request_id};

/// Mutated requests to each method.
const MUTATIONS: u64 = 10_000;
/// Calls under way at a time.
const AT_A_TIME: usize = 64;

/// SplitMix64: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Texts that code tends to stumble over.
const TEXTS: [&str; 24] = [
    "",
    "-",
    "/",
    "//",
    "projects/-",
    "projects/blue",
    "projects/blue/",
    "projects//servers/x",
    "self",
    "projects/blue/servers/-",
    "operations/-",
    "hosts/",
    "01234567-89ab-4def-8123-456789abcdef",
    "\0",
    "\u{202e}x",
    "é",
    "255.255.255.255",
    "::",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "fa:16:3e:00:00:01",
    "a=b AND c!=\"d\"",
    "..",
];
const NUMBERS: [u64; 12] = [0, 1, 2, 7, 127, 128, 1_000, 65_535, 65_536, 1 << 31, 1 << 63, u64::MAX];

/// Mutates the bytes, in ignorance of what they mean.
fn garbled(chance: &mut Chance, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(out.len() + 1);
        match chance.below(6) {
            0 if at < out.len() => out[at] ^= 1 << chance.below(8),
            1 if at < out.len() => out[at] = *chance.of(&[0, 1, 0x7f, 0x80, 0xff]),
            2 => out.truncate(at),
            3 => out.insert(at, u8::try_from(chance.next() & 0xff).expect("masked")),
            4 => {
                let end = (at + chance.below(8)).min(out.len());
                out.drain(at..end);
            }
            _ => {
                let end = (at + chance.below(16)).min(out.len());
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
        }
    }
    out
}

/// Sets some of the fields to what they should not be, deep inside too.
fn spoilt(chance: &mut Chance, message: &mut DynamicMessage, depth: usize) {
    let fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
    if fields.is_empty() {
        return;
    }
    for _ in 0..=chance.below(2) {
        let field = chance.of(&fields).clone();
        if field.is_map() || chance.below(8) == 0 {
            message.clear_field(&field);
        } else if field.is_list() {
            let count = *chance.of(&[0, 1, 2, 9, 40]);
            let values = (0..count).map(|_| value(chance, &field, depth));
            message.set_field(&field, Value::List(values.collect()));
        } else if let (Value::Message(inner), true) = (message.get_field(&field).into_owned(), depth < 4) {
            let mut inner = inner;
            spoilt(chance, &mut inner, depth + 1);
            message.set_field(&field, Value::Message(inner));
        } else {
            let value = value(chance, &field, depth);
            message.set_field(&field, value);
        }
    }
}

fn value(chance: &mut Chance, field: &FieldDescriptor, depth: usize) -> Value {
    let number = *chance.of(&NUMBERS);
    let low = u32::try_from(number & 0xffff_ffff).expect("masked");
    match field.kind() {
        Kind::String if chance.below(10) == 0 => Value::String("x".repeat(chance.below(5_000))),
        Kind::String => Value::String((*chance.of(&TEXTS)).to_owned()),
        Kind::Bytes => Value::Bytes(vec![0xff; chance.below(300)].into()),
        Kind::Bool => Value::Bool(chance.below(2) == 0),
        Kind::Double => Value::F64(f64::NAN),
        Kind::Float => Value::F32(f32::INFINITY),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(low.cast_signed()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number.cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(low),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number),
        Kind::Enum(_) => Value::EnumNumber(*chance.of(&[0, 1, 2, 3, 4, 77, -1, i32::MAX])),
        Kind::Message(kind) => {
            let mut inner = DynamicMessage::new(kind);
            if depth < 4 {
                spoilt(chance, &mut inner, depth + 1);
            }
            Value::Message(inner)
        }
    }
}

/// The next request: bytes garbled, or fields spoilt, mostly with a request id that is good and new.
fn mutated(chance: &mut Chance, valid: &DynamicMessage) -> Vec<u8> {
    let mut message = valid.clone();
    set(&mut message, "request_id", Value::String(request_id(0, chance.next())));
    set(&mut message, "validate_only", Value::Bool(chance.below(2) == 0));
    if chance.below(4) != 0 {
        return garbled(chance, &message.encode_to_vec());
    }
    spoilt(chance, &mut message, 0);
    // What only makes a call wait is taken out: waiting is tested elsewhere.
    set(&mut message, "min_position", Value::U64(0));
    set(&mut message, "wait_ms", Value::U32(1));
    message.encode_to_vec()
}

fn is_message(method: &MethodDescriptor, bytes: &[u8]) -> bool {
    DynamicMessage::decode(method.input(), bytes).is_ok()
}

/// Sets a field where the message has it.
fn set(message: &mut DynamicMessage, field: &str, value: Value) {
    if let Some(field) = message.descriptor().get_field_by_name(field) {
        message.set_field(&field, value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mutated_request_panics_or_stops_the_cell() {
    let stage = Stage::set().await;
    // What is asked for from here on comes to be; the operation that runs goes on running.
    stage.storage.forget("reserve_volume");
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, before) = (Arc::clone(&panics), panic::take_hook());
    panic::set_hook(Box::new(move |what| {
        counted.fetch_add(1, Ordering::Relaxed);
        before(what);
    }));
    for (seed, row) in rows::all(&stage).into_iter().enumerate() {
        let (method, mut chance) = (method(&row.path), Chance(u64::try_from(seed).expect("few")));
        let valid = DynamicMessage::decode(method.input(), row.valid.as_slice()).expect("the row's own");
        let (mut taken, mut refused, mut left) = (0_u64, 0_u64, MUTATIONS);
        while left > 0 {
            let count = AT_A_TIME.min(usize::try_from(left).expect("few"));
            left -= u64::try_from(count).expect("few");
            let requests: Vec<Vec<u8>> = (0..count)
                .map(|_| mutated(&mut chance, &valid))
                // Of what is no message at all a few are enough: the decoder refuses them before any of our code.
                .filter(|request| is_message(&method, request) || request.len().is_multiple_of(8))
                .collect();
            refused += u64::try_from(count - requests.len()).expect("few");
            let calls = requests.into_iter().map(|request| {
                let (routes, path) = (stage.world.routes.clone(), row.path.clone());
                tokio::spawn(async move {
                    let answer = raw::call(&routes, Some(TOKEN), &path, request.clone()).await;
                    (request, answer)
                })
            });
            for call in calls.collect::<Vec<_>>() {
                let (request, answer) = call.await.unwrap_or_else(|error| panic!("{}: {error}", row.path));
                let Err(status) = answer else {
                    taken += 1;
                    continue;
                };
                refused += 1;
                let details = status.get_error_details();
                let reason = details.error_info().map(|info| info.reason.as_str());
                let good = reason.is_some_and(|reason| reason != "INTERNAL");
                assert!(good, "{}: {status:?} to {request:02x?}", row.path);
            }
        }
        assert_eq!(taken + refused, MUTATIONS);
        assert!(refused > 0, "{} takes everything", row.path);
    }
    assert_eq!(panics.load(Ordering::Relaxed), 0, "something panicked");
    stage.world.admin().call(GetCellRequest::default()).await.expect("it still answers");
    let commits = stage.world.history.commits().await;
    assert_eq!(commits.last().map(|it| it.header.position.0), Some(stage.world.position().await));
}
