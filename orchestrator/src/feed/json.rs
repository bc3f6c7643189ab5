//! An event as JSON, by the proto's JSON mapping with its names in the order of the alphabet. Written out field by field:
//! the feed tells some twenty events a saga, and by way of the description each would cost several times as much. The
//! tests compare it with that way.

use windlass_proto::v1;

/// Appends the event.
pub(super) fn put(event: &v1::Event, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("attempt", event.attempt.into());
    if let Some(cause) = &event.cause {
        put_cause(cause, object.value("cause"));
    }
    if !event.details.is_empty() {
        let mut details = Object::begin(object.value("details"));
        for (name, value) in &event.details {
            put_text(value, details.value(name));
        }
        details.end();
    }
    if event.direction != 0 {
        match v1::event::Direction::try_from(event.direction) {
            Ok(direction) => put_text(direction.as_str_name(), object.value("direction")),
            // An enum's number that has no name is told as it is.
            Err(_) => object.value("direction").extend_from_slice(event.direction.to_string().as_bytes()),
        }
    }
    object.text("fact", &event.fact);
    object.text("host", &event.host);
    object.text("kind", &event.kind);
    if let Some(latency_ms) = event.latency_ms {
        put_text(&latency_ms.to_string(), object.value("latencyMs"));
    }
    object.text("operation", &event.operation);
    object.text("operationKind", &event.operation_kind);
    object.number("ordinal", event.ordinal.into());
    object.long("position", event.position);
    object.text("project", &event.project);
    object.text("resource", &event.resource);
    if let Some(step) = event.step {
        object.value("step").extend_from_slice(step.to_string().as_bytes());
    }
    object.text("stepKind", &event.step_kind);
    object.text("summary", &event.summary);
    object.long("termElected", event.term_elected);
    object.number("termGeneration", event.term_generation.into());
    if let Some(time) = &event.time {
        put_text(&time.to_string(), object.value("time"));
    }
    object.end();
}

fn put_cause(cause: &v1::Cause, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("credential", &cause.credential);
    object.text("principal", &cause.principal);
    object.text("requestId", &cause.request_id);
    object.text("sourceAddress", &cause.source_address);
    object.text("spanId", &cause.span_id);
    object.text("traceId", &cause.trace_id);
    object.end();
}

/// Appends a text in its quotes.
pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    // A text always has a JSON form, and memory takes every byte.
    drop(serde_json::to_writer(out, text));
}

/// An object that is being written; fields that say nothing are left out.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Where the value of this field goes.
    pub(super) fn value(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        put_text(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            put_text(value, self.value(name));
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.value(name).extend_from_slice(value.to_string().as_bytes());
        }
    }

    /// A number of 64 bits is a text in JSON.
    fn long(&mut self, name: &str, value: u64) {
        if value != 0 {
            put_text(&value.to_string(), self.value(name));
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn json(event: &v1::Event) -> String {
        let mut out = Vec::new();
        put(event, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// What the description makes of it.
    fn described(event: &v1::Event) -> String {
        windlass_proto::to_json(event, false).unwrap().to_string()
    }

    /// An event that says something in every field.
    fn full() -> v1::Event {
        let details =
            [("zone", "a"), ("Alpha", "tab\t, quote \", back\\slash, \u{7f}é\u{2028}"), ("", "none")];
        v1::Event {
            position: u64::MAX,
            ordinal: 7,
            time: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 120_000_000 }),
            kind: "step.done".into(),
            operation: "operations/o".into(),
            step: Some(0),
            direction: v1::event::Direction::Undo.into(),
            attempt: u32::MAX,
            host: "hosts/h".into(),
            resource: "projects/p/servers/s".into(),
            summary: "done \u{1F6A2}\r\n\u{0}\u{1f}</script>".into(),
            details: details.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            cause: Some(v1::Cause {
                principal: "principals/p".into(),
                credential: "principals/p/apiTokens/t".into(),
                request_id: "r".into(),
                source_address: "127.0.0.1:1".into(),
                trace_id: "ab".repeat(16),
                span_id: "cd".repeat(8),
            }),
            term_generation: 3,
            term_elected: 2,
            fact: "step.report".into(),
            latency_ms: Some(0),
            step_kind: "boot_vm".into(),
            operation_kind: "server.create".into(),
            project: "projects/p".into(),
        }
    }

    #[test]
    fn an_event_is_told_as_its_description_tells_it_with_all_fields_and_with_none() {
        let full = full();
        let told: serde_json::Value = serde_json::from_str(&json(&full)).unwrap();
        let fields = told.as_object().unwrap().len();
        let descriptor = windlass_proto::pool().get_message_by_name("windlass.v1.Event").unwrap();
        assert_eq!(fields, descriptor.fields().count(), "a new field is to be written here too");
        for event in
            [full.clone(), v1::Event::default(), v1::Event { cause: Some(v1::Cause::default()), ..full }]
        {
            assert_eq!(json(&event), described(&event));
        }
    }

    #[test]
    fn every_field_alone_and_odd_values_are_told_as_the_description_tells_them() {
        let full = full();
        let none = v1::Event::default();
        let time = |seconds, nanos| v1::Event {
            time: Some(prost_types::Timestamp { seconds, nanos }),
            ..none.clone()
        };
        let events = [
            v1::Event { position: 1, ..none.clone() },
            v1::Event { step: full.step, attempt: 1, ..none.clone() },
            v1::Event { direction: 9, ..none.clone() },
            v1::Event { direction: v1::event::Direction::Forward.into(), ..none.clone() },
            v1::Event { details: BTreeMap::from([(String::new(), String::new())]), ..none.clone() },
            v1::Event { latency_ms: Some(u64::MAX), ..none.clone() },
            v1::Event { summary: full.summary, ..none.clone() },
            time(0, 0),
            time(1_790_000_000, 1_000),
            time(1_790_000_000, 1),
            time(-1, 999_999_999),
        ];
        for event in events {
            assert_eq!(json(&event), described(&event));
        }
    }
}
