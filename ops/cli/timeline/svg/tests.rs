//! Drawings as they are kept: a plain create, one that is tried again and rolled back, one that is stuck and skipped, one
//! of twenty steps. Each is XML, and has every event in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost_types::Timestamp;
use windlass_client::v1;
use windlass_client::v1::event::Direction;
use windlass_client::v1::saga::State;

use super::draw;
use crate::names::Names;

const START_S: i64 = 1_790_000_000;
const USER: &str = "principals/0c000000-0000-5000-8000-000000000001";
const OPERATOR: &str = "principals/0c000000-0000-5000-8000-000000000002";

/// An operation while it is made up. Times are milliseconds since its begin.
struct Scene {
    saga: v1::Saga,
    events: Vec<v1::Event>,
    calls: BTreeMap<(u32, bool), (i64, u32)>,
    elected: u64,
    now: i64,
}

fn stamp(ms: i64) -> Timestamp {
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Timestamp { seconds: START_S + ms.div_euclid(1000), nanos }
}

fn host(number: usize) -> String {
    format!("hosts/0b000000-0000-5000-8000-{number:012}")
}

impl Scene {
    fn new(kind: &str, steps: &[(&str, usize)], pivot: Option<u32>) -> Self {
        let step = |(index, (kind, at)): (u32, &(&str, usize))| v1::Step {
            index,
            kind: (*kind).into(),
            host: host(*at),
            ..Default::default()
        };
        let saga = v1::Saga {
            uid: "01a0c450-0000-7000-8000-000000000001".into(),
            kind: kind.into(),
            subject: "projects/blue/servers/web-1".into(),
            principal: USER.into(),
            request_id: "01a0c450-6c0f-7000-8000-00000000000a".into(),
            create_time: Some(stamp(0)),
            steps: (0..).zip(steps).map(step).collect(),
            pivot: pivot.map(|step| v1::saga::Pivot { step, from_dispatch: false, passed: false }),
            ..Default::default()
        };
        let mut scene = Self { saga, events: Vec::new(), calls: BTreeMap::new(), elected: 2, now: -1 };
        let text = format!("{kind} of {} steps begins", steps.len());
        scene.tell(0, "saga.started", &text, USER);
        scene
    }

    fn event(&mut self, at: i64, kind: &str, summary: &str) -> &mut v1::Event {
        let same = self.now == at;
        let last = self.events.last().map_or((30, 0), |event| (event.position, event.ordinal));
        let (position, ordinal) = if same { (last.0, last.1 + 1) } else { (last.0 + 1, 0) };
        self.now = at;
        self.events.push(v1::Event {
            position,
            ordinal,
            time: Some(stamp(at)),
            kind: kind.into(),
            summary: summary.into(),
            term_elected: self.elected,
            cause: Some(v1::Cause {
                trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
                ..Default::default()
            }),
            fact: "step.report".into(),
            ..Default::default()
        });
        self.events.last_mut().expect("pushed")
    }

    /// Something about the operation or a resource.
    fn tell(&mut self, at: i64, kind: &str, summary: &str, who: &str) {
        let event = self.event(at, kind, summary);
        if let Some(cause) = event.cause.as_mut().filter(|_| !who.is_empty()) {
            (cause.principal, cause.source_address) = (who.into(), "10.0.0.5".into());
            event.fact = "request.some".into();
        }
    }

    fn end(mut self, at: i64, state: State, kind: &str, summary: &str) -> Self {
        self.tell(at, kind, summary, if state == State::Abandoned { OPERATOR } else { "" });
        self.events.last_mut().expect("an end").latency_ms = Some(at.cast_unsigned());
        self.saga.end_time = Some(stamp(at));
        self.saga.state = state.into();
        self
    }

    /// A call, and when it may leave.
    fn call(&mut self, at: i64, step: u32, undo: bool, leaves: i64) {
        let attempt = self.calls.get(&(step, undo)).map_or(1, |(_, attempt)| attempt + 1);
        self.calls.insert((step, undo), (leaves, attempt));
        let event = self.about(at, "step.dispatched", "it may be called", step, undo);
        event.details.insert("not_before".into(), stamp(leaves).to_string());
        event.attempt = attempt;
    }

    fn about(&mut self, at: i64, kind: &str, summary: &str, step: u32, undo: bool) -> &mut v1::Event {
        let event = self.event(at, kind, summary);
        event.step = Some(step);
        event.direction = if undo { Direction::Undo } else { Direction::Forward }.into();
        event
    }

    /// An outcome.
    fn outcome(&mut self, at: i64, kind: &str, summary: &str, step: u32, undo: bool) {
        let (since, attempt) = self.calls.get(&(step, undo)).copied().unwrap_or((at, 0));
        let event = self.about(at, kind, summary, step, undo);
        (event.attempt, event.latency_ms) = (attempt, Some((at - since).cast_unsigned()));
    }

    /// An outcome that is no.
    fn refused(&mut self, at: i64, message: &str, step: u32, undo: bool, again: bool) {
        self.outcome(at, "step.refused", &format!("step {step} was refused"), step, undo);
        let details = &mut self.events.last_mut().expect("an outcome").details;
        details.insert("message".into(), message.into());
        details.insert("retryable".into(), again.to_string());
    }

    fn does(&mut self, from: i64, to: i64, step: u32) {
        self.call(from, step, false, from);
        self.outcome(to, "step.done", "done", step, false);
    }
}

const SERVER: [(&str, usize); 5] =
    [("reserve_volume", 1), ("export_volume", 1), ("prepare_port", 2), ("boot_vm", 2), ("confirm", 2)];

fn plain() -> Scene {
    let mut scene = Scene::new("server.create", &SERVER, Some(4));
    scene.tell(0, "volume.claimed", "a root volume of 10 GiB is claimed", USER);
    scene.tell(0, "port.claimed", "a port with 10.0.0.7 is claimed", USER);
    scene.tell(0, "server.claimed", "server web-1 is claimed", USER);
    scene.call(0, 0, false, 0);
    scene.call(0, 2, false, 0);
    scene.outcome(88, "step.done", "done", 2, false);
    scene.outcome(122, "step.done", "done", 0, false);
    scene.does(122, 151, 1);
    scene.does(151, 560, 3);
    scene.does(560, 574, 4);
    scene.tell(574, "server.activated", "the server is ACTIVE", "");
    scene.saga.pivot.as_mut().expect("set").passed = true;
    scene.end(574, State::Completed, "saga.completed", "everything is done")
}

fn rolled_back() -> Scene {
    let mut scene = Scene::new("server.create", &SERVER, Some(4));
    scene.tell(0, "server.claimed", "server web-1 is claimed", USER);
    scene.call(0, 0, false, 0);
    scene.call(0, 2, false, 0);
    scene.outcome(88, "step.done", "done", 2, false);
    scene.outcome(122, "step.done", "done", 0, false);
    scene.does(122, 151, 1);
    scene.call(151, 3, false, 151);
    scene.refused(350, "tap <blue> & \"green\" is busy", 3, false, true);
    scene.call(350, 3, false, 850);
    scene.refused(1010, "tap <blue> is busy", 3, false, true);
    scene.call(1010, 3, false, 2010);
    scene.elected = 41;
    scene.refused(2200, "no room", 3, false, false);
    scene.tell(2200, "saga.unwinding", "it turns back: step 3 was refused: no room", "");
    scene.events.last_mut().expect("told").step = Some(3);
    scene.call(2200, 3, true, 2200);
    scene.call(2200, 2, true, 2200);
    scene.outcome(2260, "step.undone", "undone", 3, true);
    scene.call(2260, 1, true, 2260);
    scene.outcome(2290, "step.undone", "undone", 1, true);
    scene.outcome(2330, "step.undone", "undone", 2, true);
    scene.call(2290, 0, true, 2290);
    scene.refused(2350, "in use", 0, true, true);
    scene.call(2350, 0, true, 2600);
    scene.outcome(2700, "step.undone", "undone", 0, true);
    scene.tell(2700, "server.failed", "the server is in ERROR: no room", "");
    scene.end(2700, State::RolledBack, "saga.rolled_back", "everything is undone")
}

fn stuck() -> Scene {
    let mut scene = Scene::new("server.delete", &SERVER, Some(0));
    scene.does(0, 60, 0);
    scene.does(60, 95, 1);
    scene.call(95, 2, false, 95);
    scene.call(95, 3, false, 95);
    scene.outcome(180, "step.done", "done", 2, false);
    scene.about(60_095, "step.overdue", "step 3 is overdue", 3, false).attempt = 1;
    scene.tell(60_095, "saga.stuck", "an operator is needed: step 3 has no outcome", "");
    scene.events.last_mut().expect("told").step = Some(3);
    scene.tell(5_400_000, "saga.resumed", "it goes on", OPERATOR);
    scene.call(5_400_000, 3, false, 5_400_000);
    scene.refused(5_400_300, "host is scrap", 3, false, false);
    scene.tell(5_400_300, "saga.stuck", "an operator is needed: host is scrap", "");
    scene.about(9_000_000, "step.skipped", "step 3 counts as done: the disk is shredded", 3, false);
    let cause = scene.events.last_mut().and_then(|event| event.cause.as_mut()).expect("told");
    cause.principal = OPERATOR.into();
    scene.does(9_000_000, 9_000_120, 4);
    scene.tell(9_000_120, "server.deleted", "the server is no more", "");
    scene.saga.pivot.as_mut().expect("set").passed = true;
    scene.end(9_000_120, State::Completed, "saga.completed", "everything is done")
}

fn twenty() -> Scene {
    let names: Vec<String> = (0..20).map(|number| format!("prepare_port_{number}")).collect();
    let steps: Vec<(&str, usize)> = names.iter().enumerate().map(|(at, it)| (it.as_str(), at % 7)).collect();
    let mut scene = Scene::new("server.create", &steps, Some(19));
    let mut at = 0;
    for step in 0..18 {
        let long = 40 + i64::from(step * 37 % 110);
        scene.does(at, at + long, step);
        at += long;
    }
    scene.call(at, 18, false, at);
    scene.tell(at + 400, "saga.unwinding", "it turns back: it was cancelled", USER);
    scene.outcome(at + 430, "step.done", "done", 18, false);
    let mut at = at + 430;
    for step in (0..19).rev() {
        scene.call(at, step, true, at);
        at += 25 + i64::from(step * 13 % 40);
        scene.outcome(at, "step.undone", "undone", step, true);
    }
    scene.end(at, State::RolledBack, "saga.rolled_back", "everything is undone")
}

fn names() -> Names {
    let shown: Vec<(String, String)> = (0..8)
        .map(|number| (host(number), format!("rack1-{number:02}")))
        .chain([(USER.into(), "ada".into()), (OPERATOR.into(), "olga".into())])
        .collect();
    Names::known(shown)
}

fn drawing(scene: &Scene) -> String {
    let leader = |elected| (elected == 41).then(|| "10.0.0.2:7700".to_owned());
    draw(&scene.saga, &scene.events, &names(), &leader)
}

fn scenes() -> [(&'static str, Scene); 4] {
    [("plain", plain()), ("rolled_back", rolled_back()), ("stuck", stuck()), ("twenty_steps", twenty())]
}

#[test]
fn drawings_are_as_they_are_kept() {
    for (name, scene) in scenes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/cli/drawing_{name}.svg"));
        let now = drawing(&scene);
        if std::env::var_os("WINDLASS_GOLDEN").is_some_and(|it| it == "update") {
            std::fs::write(&path, &now).expect("the kept drawing can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == now, "{} differs: see it, then WINDLASS_GOLDEN=update", path.display());
    }
}

#[test]
fn a_drawing_is_xml_and_has_every_event_and_nothing_from_elsewhere() {
    for (name, scene) in scenes() {
        let svg = drawing(&scene);
        let elements = xml(&svg);
        let drawn: Vec<(u64, u32)> = elements
            .iter()
            .filter_map(|(_, attributes)| attributes.get("data-events"))
            .flat_map(|places| places.split(' ').map(place).collect::<Vec<_>>())
            .collect();
        let events: BTreeSet<_> = scene.events.iter().map(|event| (event.position, event.ordinal)).collect();
        assert_eq!(drawn.iter().copied().collect::<BTreeSet<_>>(), events, "{name}");
        let inside = |(tag, attributes): &(String, BTreeMap<String, String>)| {
            tag != "script" && tag != "image" && !attributes.keys().any(|name| name.contains("href"))
        };
        assert!(elements.iter().all(inside), "{name}");
        assert!(!svg.contains("@import") && !svg.contains("url(http"), "{name}");
    }
}

#[test]
fn an_operation_without_events_or_steps_is_drawn_too() {
    let empty = draw(&v1::Saga::default(), &[], &Names::default(), &|_| None);
    assert!(xml(&empty).len() > 10);
    let mut open = Scene::new("network.create", &[], None);
    open.saga.state = State::Running.into();
    assert!(xml(&drawing(&open)).len() > 10);
}

fn place(text: &str) -> (u64, u32) {
    let (position, ordinal) = text.split_once('.').expect("position.ordinal");
    (position.parse().expect("a position"), ordinal.parse().expect("an ordinal"))
}

/// The elements of a text that must be well-formed XML, with their attributes: the part of XML that a drawing uses.
fn xml(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let (mut elements, mut open, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(start) = rest.find('<') {
        sound(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "what ends was begun last");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split_whitespace().next().expect("a name").to_owned();
        let mut attributes = BTreeMap::new();
        let mut quoted = tag[name.len()..].split('"');
        while let (Some(key), Some(value)) = (quoted.next(), quoted.next()) {
            let key = key.trim().strip_suffix('=').expect("an attribute").to_owned();
            sound(value);
            assert!(attributes.insert(key, value.to_owned()).is_none(), "an attribute stands twice: {tag}");
        }
        if !closed {
            open.push(name.clone());
        }
        elements.push((name, attributes));
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    elements
}

/// Whether a text is escaped.
fn sound(text: &str) {
    for part in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(known.iter().any(|it| part.starts_with(it)), "{text}");
    }
}
