//! What a `validate_only` call answers: the decision's events as a plan, chosen hosts and why, quota, changes.

use windlass_proto::v1;
use windlass_proto::v1::planned_change::Action;
use windlass_sagas::cell::{Explanation, Preview};
use windlass_sagas::ids::ProjectId;
use windlass_sagas::record::*;

use super::access::amounts;
use super::event::told;
use super::{role, step};
use crate::api::limits::CANDIDATES_MAX;
use crate::api::names;
use crate::api::view::View;

/// The operation that would be, without a name.
pub(in crate::api) fn preview(view: &View<'_>, preview: &Preview) -> v1::Operation {
    let started = preview.events.iter().find_map(|event| match event {
        Event::SagaStarted(e) => Some(e),
        _ => None,
    });
    let message = v1::Preview {
        kind: started.map(|e| e.kind.operation().to_owned()).unwrap_or_default(),
        steps: started.map(steps).unwrap_or_default(),
        placements: preview.placements.iter().map(|(what, why)| placement(*what, why, preview)).collect(),
        quota: quota(view, &preview.events),
        changes: started.map(|e| changes(view, e, &preview.events)).unwrap_or_default(),
    };
    v1::Operation {
        name: String::new(),
        metadata: None,
        done: true,
        result: Some(v1::operation::Result::Preview(message)),
        position: view.position(),
    }
}

fn steps(started: &SagaStarted) -> Vec<v1::PlannedStep> {
    let pivot = match started.plan.pivot {
        Some(Pivot::Done(step) | Pivot::Dispatched(step)) => Some(usize::from(step.0)),
        None => None,
    };
    let planned = |(place, planned): (usize, &Step)| v1::PlannedStep {
        index: u32::try_from(place).unwrap_or(u32::MAX),
        kind: planned.input.name().to_owned(),
        role: role(planned.ledger.role).into(),
        host: names::host(planned.ledger.host),
        resource: names::of(step::resource(&planned.input), started.project),
        depends_on: planned.after.iter().map(|step| u32::from(step.0)).collect(),
        forward: step::forward(planned).to_owned(),
        undo: step::undo(planned).to_owned(),
        pivot: pivot == Some(place),
    };
    started.plan.steps.iter().enumerate().map(planned).collect()
}

fn placement(what: ResourceRef, why: &Explanation, preview: &Preview) -> v1::Placement {
    let looked_at: usize = why.filters.iter().map(|count| count.removed).sum::<usize>() + why.weighed.len();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let filters = why
        .filters
        .iter()
        .map(|it| v1::placement::Filter { name: it.filter.to_owned(), removed: count(it.removed) });
    let candidates = why.weighed.iter().take(CANDIDATES_MAX).map(|(host, weight)| {
        let weight = i64::try_from(*weight).unwrap_or(i64::MAX);
        let weights = [("free".to_owned(), weight)].into_iter().collect();
        v1::placement::Candidate { host: names::host(*host), weight, weights }
    });
    v1::Placement {
        what: named(what, &preview.events),
        role: match what {
            ResourceRef::Volume(_) => role(Role::Storage),
            _ => role(Role::Hypervisor),
        }
        .into(),
        host: why.weighed.first().map(|(host, _)| names::host(*host)).unwrap_or_default(),
        hosts: count(looked_at),
        filters: filters.collect(),
        candidates: candidates.collect(),
    }
}

/// `server`, or `volume` and its wanted display name; a root has none.
fn named(what: ResourceRef, events: &[Event]) -> String {
    let volume = events.iter().find_map(|event| match event {
        Event::VolumeClaimed(spec) if ResourceRef::Volume(spec.id) == what => Some(spec),
        _ => None,
    });
    match volume {
        Some(spec) if spec.root_of.is_some() => "volume root".to_owned(),
        Some(spec) => format!("volume {}", spec.name),
        None => what.noun().to_owned(),
    }
}

/// What the first commit claims and gives back; `None`: no project's quota is touched.
fn quota(view: &View<'_>, events: &[Event]) -> Option<v1::QuotaEffect> {
    let project = view.cell.projects.get(&view.project)?;
    let mut after = project.usage;
    let mut limits = project.quota;
    let mut touched = false;
    for event in events {
        if let Event::QuotaSet(e) = event {
            limits = e.quota;
            touched = true;
        }
        let (claimed, freed) = claims(view, event);
        touched |= claimed != Amounts::default() || freed != Amounts::default();
        after = after.plus(claimed).minus(freed);
    }
    touched.then(|| v1::QuotaEffect {
        project: names::project(project.id),
        limits: Some(amounts(&limits)),
        before: Some(amounts(&project.usage)),
        after: Some(amounts(&after)),
    })
}

fn claims(view: &View<'_>, event: &Event) -> (Amounts, Amounts) {
    let none = Amounts::default();
    match event {
        Event::ServerClaimed(spec) => {
            let (vcpus, ram_mib) = (u64::from(spec.vcpus), spec.ram_mib);
            (Amounts { servers: 1, vcpus, ram_mib, ..none }, none)
        }
        Event::VolumeClaimed(spec) => (Amounts { volumes: 1, gib: spec.size_gib, ..none }, none),
        Event::PortClaimed(_) => (Amounts { ports: 1, ..none }, none),
        Event::NetworkCreated(_) => (Amounts { networks: 1, ..none }, none),
        Event::PortDeleted(_) => (none, Amounts { ports: 1, ..none }),
        Event::NetworkDeleted(_) => (none, Amounts { networks: 1, ..none }),
        Event::VolumeDeleted(e) => {
            let size = view.cell.volumes.get(&e.volume).map_or(0, |volume| volume.spec.size_gib);
            (none, Amounts { volumes: 1, gib: size, ..none })
        }
        _ => (none, none),
    }
}

fn changes(view: &View<'_>, started: &SagaStarted, events: &[Event]) -> Vec<v1::PlannedChange> {
    let project = started.project;
    let mut all: Vec<v1::PlannedChange> =
        events.iter().filter_map(|event| change(view, event, project)).collect();
    let whole = match started.kind {
        SagaKind::ServerDelete | SagaKind::VolumeDelete => Some(Action::Delete),
        SagaKind::VolumeAttach
        | SagaKind::VolumeDetach
        | SagaKind::ServerStart
        | SagaKind::ServerStop
        | SagaKind::ServerReboot
        | SagaKind::ImageSetBoot => Some(Action::Update),
        _ => None,
    };
    if let Some(action) = whole {
        all.push(touched(action, started.subject, view.name(started.subject, project), String::new()));
    }
    all
}

fn touched(action: Action, resource: ResourceRef, name: String, detail: String) -> v1::PlannedChange {
    v1::PlannedChange { action: action.into(), kind: resource.noun().to_owned(), resource: name, detail }
}

/// What an event would do to a resource; `None` for one that changes none.
fn change(view: &View<'_>, event: &Event, project: ProjectId) -> Option<v1::PlannedChange> {
    let told = told(event, project);
    let (action, resource) = told.action.zip(told.resource)?;
    let name = if told.display_name.is_empty() { view.name(resource, project) } else { told.display_name };
    let detail = told.details.iter().filter(|(key, _)| !matches!(*key, "display_name" | "name"));
    let detail: Vec<String> = detail.map(|(key, value)| format!("{key} {value}")).collect();
    Some(touched(action, resource, name, detail.join(", ")))
}
