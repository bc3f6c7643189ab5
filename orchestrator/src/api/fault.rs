//! `FaultService`: faults armed on purpose, where the cell's processes allow it.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::ErrorReason;
use windlass_proto::v1::fault_service_server::FaultService;
use windlass_sagas::cell::state::Fault;
use windlass_sagas::fault::{FaultKind, Target};
use windlass_sagas::ids::{FaultId, HostId};
use windlass_sagas::limits::NAME_BYTES_MAX;
use windlass_sagas::record::{ArmFault, Body, Direction, DisarmFault, FaultAsked, FaultPoint};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::list::{Row, ask, page};
use super::view::{Named, Place, View};
use super::visit::point;
use super::{convert, fields, names};

const FILTERS: [&str; 4] = ["state", "kind", "host", "step"];
const ARM: FieldNames = &[
    ("kind", "fault.kind"),
    ("host", "fault.host"),
    ("role", "fault.role"),
    ("step", "fault.step"),
    ("direction", "fault.direction"),
    ("nth", "fault.nth_call"),
    ("chance_ppm", "fault.probability"),
    ("times", "fault.times"),
    ("point", "fault.point"),
    ("after_changes", "fault.after_changes"),
    ("delay_ms", "fault.delay_ms"),
    ("retryable", "fault.permanent"),
    ("lease", "fault.lease_ms"),
    ("reason", "fault.reason"),
];
const DISARM: FieldNames = &[("fault", "name")];

#[tonic::async_trait]
impl FaultService for Api {
    async fn get_fault(&self, request: Request<v1::GetFaultRequest>) -> Answer<v1::PlannedFault> {
        let (call, asked) = Self::open("faults.get", request)?;
        let named = Named::in_cell(&asked.name, "faults");
        self.read(call, point!(asked), named.place, move |view| {
            let found = named.last.parse().ok().and_then(|id: FaultId| view.cell.faults.get(&id));
            let missing = || Problem::not_found("fault", &named.last).of_field("name");
            Ok(view.planned_fault(found.ok_or_else(missing)?))
        })
        .await
    }

    async fn list_faults(&self, request: Request<v1::ListFaultsRequest>) -> Answer<v1::ListFaultsResponse> {
        let (call, asked) = Self::open("faults.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Cell), move |view| {
            let all = view.cell.faults.values();
            let rows =
                all.map(|it| Row { created: it.armed, name: it.rule.kind.name(), id: it.id.0, item: it });
            let values = |it: &Fault, field: &str| values(view, it, field);
            let (faults, next_page_token) = page(&ask, &FILTERS, rows, values, |it| view.planned_fault(it))?;
            Ok(v1::ListFaultsResponse { faults, next_page_token, position: view.position() })
        })
        .await
    }

    async fn arm_fault(&self, request: Request<v1::ArmFaultRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("faults.arm", request)?;
        let change = change!(asked);
        let build = move |view: &View<'_>| arm(view, &fields::required(asked.fault, "fault")?);
        self.change(call, change, Ok(Place::Cell), ARM, build).await
    }

    async fn disarm_fault(&self, request: Request<v1::DisarmFaultRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("faults.disarm", request)?;
        let Named { place, last } = Named::in_cell(&asked.name, "faults");
        let build = move |_: &View<'_>| {
            let fault = match last.as_str() {
                names::EVERY => None,
                id => Some(id.parse().map_err(|_| Problem::not_found("fault", id).of_field("name"))?),
            };
            Ok(Body::DisarmFault(DisarmFault { fault }))
        };
        self.change(call, change!(asked), place, DISARM, build).await
    }
}

fn values(view: &View<'_>, fault: &Fault, field: &str) -> Vec<String> {
    match field {
        "state" => vec![view.fault_state(fault).as_str_name().to_owned()],
        "kind" => vec![convert::fault_kind(fault.rule.kind).as_str_name().to_owned()],
        "host" => fault.host.map(|host| view.host_values(host)).unwrap_or_default(),
        "step" => fault.rule.step.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

fn arm(view: &View<'_>, fault: &v1::PlannedFault) -> Result<Body, Problem> {
    let kind = kind(fault.kind)?;
    if kind.target() == Some(Target::Leader) && view.inventories.refuses_faults() {
        let message = "the orchestrator that leads allows no faults";
        return Err(Problem::new(ErrorReason::FaultsNotAllowed, message)
            .of_field("fault.kind")
            .hint("start it with `--faults allow`, never where tenants' servers run"));
    }
    let host = match fault.host.as_str() {
        "" => None,
        name => Some(names::one(name, "hosts", "fault.host")?),
    };
    let reason = fault.reason.clone();
    Ok(Body::ArmFault(ArmFault { host, lease_ms: fault.lease_ms, reason, fault: asked(kind, fault)? }))
}

fn asked(kind: FaultKind, fault: &v1::PlannedFault) -> Result<FaultAsked, Problem> {
    let given = |count: u64| Some(count).filter(|count| *count > 0);
    let role = match fault.role {
        0 => None,
        role => Some(fields::role(role, "fault.role")?),
    };
    Ok(FaultAsked {
        kind,
        role,
        step: match fault.step.as_str() {
            "" => None,
            step => Some(fields::text(step, "fault.step", NAME_BYTES_MAX)?),
        },
        direction: direction(fault.direction)?,
        nth: given(fault.nth_call),
        chance_ppm: chance_ppm(fault.probability)?,
        seed: fault.seed,
        times: given(fault.times),
        point: at(fault.point)?,
        after_changes: Some(fault.after_changes).filter(|changes| *changes > 0),
        delay_ms: fault.delay_ms,
        retryable: fault.permanent.then_some(false),
    })
}

fn kind(number: i32) -> Result<FaultKind, Problem> {
    let unknown = |message: &str| Problem::field("fault.kind", message);
    let known = v1::planned_fault::Kind::try_from(number).map_err(|_| unknown("no such kind of fault"))?;
    let same = |kind: &&FaultKind| convert::fault_kind(**kind) == known;
    FaultKind::ALL
        .iter()
        .filter(|kind| kind.target().is_some())
        .find(same)
        .copied()
        .ok_or_else(|| unknown("fault.kind is required"))
}

fn direction(number: i32) -> Result<Option<Direction>, Problem> {
    match v1::event::Direction::try_from(number) {
        Ok(v1::event::Direction::Unspecified) => Ok(None),
        Ok(v1::event::Direction::Forward) => Ok(Some(Direction::Forward)),
        Ok(v1::event::Direction::Undo) => Ok(Some(Direction::Undo)),
        Err(_) => Err(Problem::field("fault.direction", "no such direction")),
    }
}

fn at(number: i32) -> Result<Option<FaultPoint>, Problem> {
    use v1::planned_fault::Point;
    match Point::try_from(number) {
        Ok(Point::Unspecified) => Ok(None),
        Ok(Point::Before) => Ok(Some(FaultPoint::Before)),
        Ok(Point::Between) => Ok(Some(FaultPoint::Between)),
        Ok(Point::After) => Ok(Some(FaultPoint::After)),
        Err(_) => Err(Problem::field("fault.point", "no such point")),
    }
}

/// A chance in millionths; 0 is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a million, whole")]
fn chance_ppm(probability: f64) -> Result<Option<u32>, Problem> {
    if !(0.0..=1.0).contains(&probability) {
        return Err(Problem::field("fault.probability", "a probability is over 0 and up to 1"));
    }
    let ppm = (probability * 1e6).round() as u32;
    if ppm == 0 && probability > 0.0 {
        return Err(Problem::field("fault.probability", "a probability is at least a millionth"));
    }
    Ok(Some(ppm).filter(|ppm| *ppm > 0))
}

/// The hosts that hold a fault, as a message says it.
pub(super) fn holders(told: Vec<(HostId, u64)>) -> Vec<v1::planned_fault::Holder> {
    let holder = |(host, strikes)| v1::planned_fault::Holder { host: names::host(host), strikes };
    told.into_iter().map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_can_be_armed_reads_back_from_its_number() {
        for known in FaultKind::ALL.iter().filter(|kind| kind.target().is_some()) {
            let shown = convert::fault_kind(*known);
            assert_eq!(shown.as_str_name(), known.name().to_uppercase());
            assert_eq!(kind(shown as i32), Ok(*known));
        }
        for bad in [0, 14, 15, 99, -1] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_probability_is_taken_in_millionths() {
        assert_eq!(chance_ppm(0.0), Ok(None));
        assert_eq!(chance_ppm(0.25), Ok(Some(250_000)));
        assert_eq!(chance_ppm(1.0), Ok(Some(1_000_000)));
        for bad in [-0.1, 1.1, f64::NAN, 1e-9] {
            assert!(chance_ppm(bad).is_err(), "{bad}");
        }
    }
}
