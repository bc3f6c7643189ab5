//! `CellService`: who the cell is, and whether its hosts hold what its state says.

use std::collections::BTreeSet;
use std::time::Duration;

use tonic::{Request, Response};
use windlass_proto::v1;
use windlass_proto::v1::cell_service_server::CellService;
use windlass_sagas::cell::state::SagaState;
use windlass_sagas::ids::{Hash, HostId, Position, Term};
use windlass_sagas::record::StoredCommit;

use super::Api;
use super::call::{Answer, Call, unread};
use super::errors::{Problem, refused};
use super::fields::{at_most, stamp};
use super::limits::*;
use super::names::{self, NO_PROJECT};
use super::operation::read_back;
use super::past::only_now;
use super::recovery::Order;
use super::view::{Place, View};
use super::visit::{Point, ReadBack, point};
use super::who::Access;
use crate::doctor::{self, Check, INVARIANTS, Outcome, Picture};
use crate::lead::handle::{Durable, Refused};

/// The invariant that the chain of hashes is whole.
const CHAIN: u32 = 8;

#[tonic::async_trait]
impl CellService for Api {
    async fn get_cell(&self, request: Request<v1::GetCellRequest>) -> Answer<v1::Cell> {
        let (call, asked) = Self::open("cell.get", request)?;
        let point = point!(asked);
        let look = move |view: &View<'_>| Ok((of(view), view.cell.term));
        let (mut cell, term) = self.visit(call, point, Ok(Place::Anywhere), look).await?;
        self.complete(&mut cell, term).await?;
        Ok(Response::new(cell))
    }

    async fn doctor(&self, request: Request<v1::DoctorRequest>) -> Answer<v1::DoctorResponse> {
        let (call, asked) = Self::open("cell.doctor", request)?;
        let point = point!(asked);
        if point.read_at.is_some() || matches!(self.access(), Access::Holder(_)) {
            return Ok(Response::new(self.doctor_of_state(call, point, asked).await?));
        }
        let wanted = asked.clone();
        let look = move |view: &View<'_>| {
            let (numbers, wait) = (invariants(&wanted)?, wait(&wanted)?);
            Ok((numbers, wait, hosts(view, &wanted.hosts)?, Picture::of(view.cell), read_back(view)))
        };
        let (numbers, wait, hosts, before, at) = self.visit(call, point, Ok(Place::Cell), look).await?;
        let Ok(_one) = self.0.doctors.try_acquire() else {
            return Err(refused(Refused::Overloaded, NO_PROJECT, &[]).into());
        };
        let taken = self.parts().inventories.take(hosts.clone(), wait).await;
        let (after, position) = self.picture(at).await?;
        let asked: BTreeSet<HostId> = hosts.into_iter().collect();
        let compared: BTreeSet<HostId> =
            taken.iter().map(|it| it.host).filter(|host| asked.contains(host)).collect();
        let checks = doctor::check(&before, &after, &asked, &taken);
        let checks = checks.iter().filter(|check| numbers.contains(&check.invariant));
        let checks = checks.map(|check| match check.invariant {
            CHAIN => self.chain_check(check, &after),
            _ => message(check, &after),
        });
        Ok(Response::new(v1::DoctorResponse {
            checks: checks.collect(),
            hosts_compared: compared.iter().map(|host| names::host(*host)).collect(),
            hosts_missing: asked.difference(&compared).map(|host| names::host(*host)).collect(),
            position: position.0,
        }))
    }

    async fn get_recovery(&self, request: Request<v1::GetRecoveryRequest>) -> Answer<v1::Recovery> {
        let (call, asked) = Self::open("recovery.get", request)?;
        let point = point!(asked);
        let look = move |_: &View<'_>| only_now(point.read_at.as_ref(), "what is lost");
        self.visit(call, Point::now(point.min_position), Ok(Place::Cell), look).await?;
        Ok(Response::new(self.lost().await?))
    }

    async fn recover(&self, request: Request<v1::RecoverRequest>) -> Answer<v1::Recovery> {
        let (call, asked) = Self::open("recovery.order", request)?;
        let validate_only = asked.validate_only;
        let look = move |view: &View<'_>| Ok((Order::of(&asked)?, view.who.caller, view.who.credential));
        let (order, caller, credential) = self.visit(call, Point::default(), Ok(Place::Cell), look).await?;
        let answer = if validate_only {
            self.lost().await?
        } else {
            self.recover_by(order, caller, credential).await?
        };
        Ok(Response::new(answer))
    }
}

impl Api {
    /// Adds what the commits and the process say.
    async fn complete(&self, cell: &mut v1::Cell, term: Term) -> Result<(), Problem> {
        let about = &self.parts().about;
        self.reach(Position(cell.position)).await?;
        if let Some(first) = self.commit_at(Position(1)).await? {
            cell.create_time = stamp(first.header.time);
        }
        if let Some(last) = self.commit_at(Position(cell.position)).await? {
            cell.hash = hash(&last)?.to_string();
        }
        if let Some(elected) = self.commit_at(term.elected).await? {
            let ours = elected.header.writer == about.writer;
            cell.leader = Some(v1::cell::Leader {
                writer: elected.header.writer.to_string(),
                generation: term.generation,
                elected: term.elected.0,
                address: if ours { about.address.clone() } else { String::new() },
                since: stamp(elected.header.time),
                build: cell.leader.take().map(|leader| leader.build).unwrap_or_default(),
            });
        }
        cell.build.clone_from(&about.build);
        about.journal.clone_into(&mut cell.journal);
        cell.warnings = (about.warnings)();
        cell.ca_certificate_der.clone_from(&about.ca_certificate_der);
        Ok(())
    }

    /// What the state alone shows, where no host can be asked.
    async fn doctor_of_state(
        &self,
        call: Call,
        point: Point,
        asked: v1::DoctorRequest,
    ) -> Result<v1::DoctorResponse, Problem> {
        let look = move |view: &View<'_>| {
            let (numbers, hosts) = (invariants(&asked)?, hosts(view, &asked.hosts)?);
            let (checks, picture) = (doctor::check_state(view.cell), Picture::of(view.cell));
            let checks = checks.iter().filter(|check| numbers.contains(&check.invariant));
            Ok(v1::DoctorResponse {
                checks: checks.map(|check| message(check, &picture)).collect(),
                hosts_compared: Vec::new(),
                hosts_missing: hosts.into_iter().map(names::host).collect(),
                position: view.position(),
            })
        };
        self.visit(call, point, Ok(Place::Cell), look).await
    }

    pub(super) async fn commit_at(&self, position: Position) -> Result<Option<Durable>, Problem> {
        if position == Position(0) {
            return Ok(None);
        }
        let before = Position(position.0 - 1);
        let commits = self.parts().finished.commits_after(before, 1).await.map_err(unread)?;
        // A copy that begins later has another one first.
        Ok(commits.into_iter().next().filter(|commit| commit.header.position == position))
    }

    /// What the background has found of the chain of hashes, where that was not long ago.
    fn chain_check(&self, check: &Check, picture: &Picture) -> v1::InvariantCheck {
        let looked = self.parts().whole.looked();
        let recent = looked.filter(|looked| crate::clock::now().0 - looked.at.0 <= CHAIN_LOOK_US_MAX);
        let Some(looked) = recent else {
            let why = "not followed lately: `windlass history verify` does, and the background once a day";
            let outcome = Outcome::NotChecked(why.to_owned());
            return message(&Check { outcome, ..check.clone() }, picture);
        };
        let (outcome, findings, looked_at) = match &looked.found {
            Err(why) => (Outcome::NotChecked(why.clone()), Vec::new(), 0),
            Ok(verified) => {
                let finding = |finding: &windlass_replay::Finding| doctor::Finding {
                    resource: None,
                    host: None,
                    message: finding.to_string(),
                    hint: "keep the journal as it is; compare it with an exported file, and see the handbook on capture",
                };
                let findings: Vec<doctor::Finding> = verified.findings.iter().map(finding).collect();
                let whole = verified.is_whole();
                (if whole { Outcome::Passed } else { Outcome::Failed }, findings, verified.commits)
            }
        };
        let found = Check { invariant: check.invariant, outcome, findings, looked_at };
        v1::InvariantCheck { look_time: stamp(looked.at), ..message(&found, picture) }
    }

    async fn picture(&self, at: ReadBack) -> Result<(Picture, Position), Problem> {
        self.fold_as(at, NO_PROJECT, |view| (Picture::of(view.cell), view.cell.position)).await
    }
}

fn of(view: &View<'_>) -> v1::Cell {
    let cell = view.cell;
    let stuck = cell.sagas.values().filter(|saga| matches!(saga.state, SagaState::Stuck(_))).count();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let leader = v1::cell::Leader { build: cell.leader_build.clone(), ..Default::default() };
    v1::Cell {
        name: "cell".to_owned(),
        uid: cell.id.to_string(),
        display_name: cell.name.clone(),
        create_time: None,
        position: cell.position.0,
        hash: String::new(),
        position_time: stamp(cell.time),
        format_level: u32::from(cell.level),
        leader: Some(leader),
        build: String::new(),
        journal: String::new(),
        warnings: Vec::new(),
        ca_certificate_der: Vec::new(),
        request_memory_s: cell.settings.request_memory_ms / 1000,
        address_rest_s: cell.settings.address_rest_ms / 1000,
        operations_open: count(cell.sagas.len()),
        operations_stuck: count(stuck),
    }
}

fn hash(commit: &Durable) -> Result<Hash, Problem> {
    let stored = StoredCommit::of(commit);
    stored.map(|stored| stored.hash()).map_err(|error| Problem::internal(error.to_string()))
}

fn invariants(asked: &v1::DoctorRequest) -> Result<BTreeSet<u32>, Problem> {
    if asked.invariants.is_empty() {
        return Ok(INVARIANTS.iter().map(|(number, _)| *number).collect());
    }
    at_most(asked.invariants.len(), INVARIANTS.len(), "invariants")?;
    let known = |number: &u32| INVARIANTS.iter().any(|(known, _)| known == number);
    match asked.invariants.iter().find(|number| !known(number)) {
        Some(number) => Err(Problem::field("invariants", format!("there is no invariant {number}"))),
        None => Ok(asked.invariants.iter().copied().collect()),
    }
}

fn wait(asked: &v1::DoctorRequest) -> Result<Duration, Problem> {
    match asked.wait_ms {
        0 => Ok(DOCTOR_WAIT_DEFAULT),
        ms if ms <= DOCTOR_WAIT_MS_MAX => Ok(Duration::from_millis(u64::from(ms))),
        ms => Err(Problem::field("wait_ms", format!("wait_ms is at most {DOCTOR_WAIT_MS_MAX}, got {ms}"))),
    }
}

/// The hosts that are asked for; all that are members where none is named.
fn hosts(view: &View<'_>, named: &[String]) -> Result<Vec<HostId>, Problem> {
    at_most(named.len(), DOCTOR_HOSTS_MAX, "hosts")?;
    if named.is_empty() {
        let members = view.cell.hosts.values().filter(|host| host.life.is_member());
        return Ok(members.map(|host| host.id).collect());
    }
    let host = |(place, name): (usize, &String)| {
        let field = format!("hosts[{place}]");
        let text = names::one(name, "hosts", &field)?;
        let host = view.found_in_cell("host", &text, |cell, id| cell.hosts.get(&HostId(id)));
        host.map(|host| host.id).map_err(|problem| problem.of_field(field))
    };
    named.iter().enumerate().map(host).collect()
}

fn message(check: &Check, picture: &Picture) -> v1::InvariantCheck {
    let (result, not_checked_because) = match &check.outcome {
        Outcome::Passed => (v1::invariant_check::Result::Passed, String::new()),
        Outcome::Failed => (v1::invariant_check::Result::Failed, String::new()),
        Outcome::NotChecked(why) => (v1::invariant_check::Result::NotChecked, why.clone()),
    };
    let statement = INVARIANTS.iter().find(|(number, _)| *number == check.invariant);
    let findings = check.findings.iter().take(FINDINGS_MAX).map(|finding| v1::Finding {
        resource: finding
            .resource
            .map(|resource| names::of(resource, picture.project_of(resource).unwrap_or(NO_PROJECT)))
            .unwrap_or_default(),
        host: finding.host.map(names::host).unwrap_or_default(),
        message: finding.message.clone(),
        operation: String::new(),
        hint: finding.hint.to_owned(),
    });
    v1::InvariantCheck {
        invariant: check.invariant,
        statement: statement.map(|(_, text)| (*text).to_owned()).unwrap_or_default(),
        result: result.into(),
        not_checked_because,
        findings: findings.collect(),
        findings_omitted: u64::try_from(check.findings.len().saturating_sub(FINDINGS_MAX))
            .unwrap_or(u64::MAX),
        looked_at: check.looked_at,
        look_time: None,
    }
}
