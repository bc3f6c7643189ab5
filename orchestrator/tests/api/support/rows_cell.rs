//! The rows of methods about the cell itself: hosts, access, projects, the catalogue, orders about operations.

use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use super::furniture::{flavor, image, project};
use super::rows::{Rows, named, spoilt};
use super::stage::{Stage, fault, join_token};

pub(crate) fn add(rows: &mut Rows, stage: &Stage) {
    cell(rows);
    catalogue(rows);
    hosts(rows);
    access(rows);
    orders(rows, stage);
    faults(rows, stage);
    quarantine(rows);
}

macro_rules! listed {
    ($rows:expr, $($request:ident;)*) => {$(
        $rows.add($request::default(), &[
            (|it| it.filter = "nonsense=1".into(), FilterInvalid, "filter"),
            (|it| it.page_size = u32::MAX, InvalidField, "page_size"),
            (|it| it.page_token = "nonsense".into(), PageTokenInvalid, "page_token"),
            (|it| it.order_by = "nonsense".into(), FilterInvalid, "order_by"),
        ]);
    )*};
}

fn cell(rows: &mut Rows) {
    rows.add(
        GetCellRequest::default(),
        &[(|it| it.read_at = Some(ReadAt { point: None }), InvalidField, "read_at")],
    );
    rows.add(
        DoctorRequest { hosts: vec!["hosts/h0".into()], wait_ms: 10, ..Default::default() },
        &[
            (|it| it.invariants = vec![12], InvalidField, "invariants"),
            (|it| it.hosts = vec!["h0".into()], InvalidField, "hosts[0]"),
            (|it| it.hosts = vec!["hosts/none".into()], NotFound, "hosts[0]"),
            (|it| it.wait_ms = 60_001, InvalidField, "wait_ms"),
        ],
    );
    rows.add(
        GetRecoveryRequest::default(),
        &[(|it| it.read_at = Some(ReadAt { point: None }), ReadAtUnsupported, "read_at")],
    );
    let (tip_hash, reason) = ("5e".repeat(32), "the disk is gone".into());
    rows.add(
        RecoverRequest { tip_position: 7, tip_hash, reason, ..Default::default() },
        &[
            (|it| it.tip_position = 0, InvalidField, "tip_position"),
            (|it| it.tip_hash = "5e".into(), InvalidField, "tip_hash"),
            (|it| it.tip_hash.clear(), InvalidField, "tip_hash"),
            (|it| it.reason = " ".into(), InvalidField, "reason"),
            (|it| it.reason = "r".repeat(1_025), InvalidField, "reason"),
            // Nothing is lost of the stage's journal.
            (|_| (), WrongState, ""),
        ],
    );
    listed! { rows,
        ListFlavorsRequest;
        ListProjectsRequest;
        ListHostsRequest;
        ListJoinTokensRequest;
        ListPrincipalsRequest;
        ListFaultsRequest;
    }
}

fn faults(rows: &mut Rows, stage: &Stage) {
    named! { rows,
        GetFaultRequest stage.fault.clone();
        DisarmFaultRequest stage.fault.clone();
    }
    rows.add(
        fault(planned_fault::Kind::Hang),
        &[
            (|it| it.fault = None, InvalidField, "fault"),
            (spoilt!(fault.kind = 0), InvalidField, "fault.kind"),
            (spoilt!(fault.kind = 14), InvalidField, "fault.kind"),
            // The orchestrator of this world allows none.
            (spoilt!(fault.kind = 17), FaultsNotAllowed, "fault.kind"),
            (spoilt!(fault.host = "s0".into()), InvalidField, "fault.host"),
            (spoilt!(fault.host = "hosts/none".into()), NotFound, "fault.host"),
            (spoilt!(fault.host = "hosts/h0".into()), FaultsNotAllowed, "fault.host"),
            (spoilt!(fault.host = "hosts/g0".into()), FaultsNotAllowed, "fault.host"),
            (spoilt!(fault.role = 9), InvalidField, "fault.role"),
            (spoilt!(fault.role = host::Role::Hypervisor.into()), InvalidField, "fault.role"),
            (spoilt!(fault.step = "dance".into()), InvalidField, "fault.step"),
            (spoilt!(fault.direction = 9), InvalidField, "fault.direction"),
            (spoilt!(fault.nth_call = u64::MAX), InvalidField, "fault.nth_call"),
            (spoilt!(fault.probability = 1.5), InvalidField, "fault.probability"),
            (spoilt!(fault.times = u64::MAX), InvalidField, "fault.times"),
            (spoilt!(fault.point = 9), InvalidField, "fault.point"),
            (spoilt!(fault.after_changes = 65), InvalidField, "fault.after_changes"),
            (spoilt!(fault.delay_ms = Some(1)), InvalidField, "fault.delay_ms"),
            (spoilt!(fault.permanent = true), InvalidField, "fault.permanent"),
            (spoilt!(fault.lease_ms = 999), InvalidField, "fault.lease_ms"),
            (spoilt!(fault.lease_ms = u64::MAX), InvalidField, "fault.lease_ms"),
            (spoilt!(fault.reason = String::new()), InvalidField, "fault.reason"),
            (spoilt!(fault.reason = "r".repeat(1_025)), InvalidField, "fault.reason"),
        ],
    );
}

const WHOLE: Amounts = Amounts {
    servers: Some(1),
    vcpus: Some(2),
    ram_mib: Some(3),
    volumes: Some(4),
    gib: Some(5),
    networks: Some(6),
    ports: Some(7),
};

fn catalogue(rows: &mut Rows) {
    rows.add(
        flavor("f2", 256),
        &[
            (|it| it.flavor = None, InvalidField, "flavor"),
            (spoilt!(flavor.vcpus = 0), InvalidField, "flavor.vcpus"),
            (spoilt!(flavor.ram_mib = 0), InvalidField, "flavor.ram_mib"),
            (spoilt!(flavor.root_gib = 0), InvalidField, "flavor.root_gib"),
            (spoilt!(flavor.required_traits = vec![String::new()]), InvalidField, "flavor.required_traits"),
            (spoilt!(flavor.display_name = "small".into()), NameTaken, "flavor.display_name"),
        ],
    );
    rows.add(
        image("i2"),
        &[
            (|it| it.image = None, InvalidField, "image"),
            (spoilt!(image.sha256 = "03".into()), InvalidField, "image.sha256"),
            (spoilt!(image.size_bytes = 0), InvalidField, "image.size_bytes"),
            (spoilt!(image.format = 0), InvalidField, "image.format"),
            (spoilt!(image.visibility = 9), InvalidField, "image.visibility"),
            (spoilt!(image.evidence = -1), InvalidField, "image.evidence"),
        ],
    );
    rows.add(
        project("green"),
        &[
            (|it| it.project = None, InvalidField, "project"),
            (spoilt!(project.display_name = "blue".into()), NameTaken, "project.display_name"),
            (spoilt!(project.display_name = " blue".into()), InvalidField, "project.display_name"),
            (
                spoilt!(project.display_name = "01234567-89ab-4def-8123-456789abcdef".into()),
                InvalidField,
                "project.display_name",
            ),
            (spoilt!(project.quota = Some(Amounts::default())), InvalidField, "project.quota.servers"),
        ],
    );
    rows.add(
        SetQuotaRequest { name: "projects/spare/quota".into(), limits: Some(WHOLE), ..Default::default() },
        &[
            (|it| it.name = "projects/spare".into(), InvalidField, "name"),
            (|it| it.name = "projects/none/quota".into(), NotFound, "name"),
            (|it| it.limits = None, InvalidField, "limits"),
            (spoilt!(limits.gib = None), InvalidField, "limits.gib"),
        ],
    );
}

fn hosts(rows: &mut Rows) {
    named! { rows,
        DrainHostRequest "hosts/s0";
        UndrainHostRequest "hosts/s0";
        AffirmHostPoweredOffRequest "hosts/g0";
        RejoinHostRequest "hosts/g0";
    }
    rows.add(
        DeclareHostGoneRequest { name: "hosts/h0".into(), reason: "a test".into(), ..Default::default() },
        &[
            (|it| it.name = "hosts/none".into(), NotFound, "name"),
            (|it| it.reason = "  ".into(), InvalidField, "reason"),
            (|it| it.reason = "r".repeat(1_025), InvalidField, "reason"),
            (|it| it.name = "hosts/g0".into(), WrongState, ""),
        ],
    );
    rows.add(
        join_token("h8"),
        &[
            (|it| it.join_token = None, InvalidField, "join_token"),
            (spoilt!(join_token.display_name = "h 8".into()), InvalidField, "join_token.display_name"),
            (spoilt!(join_token.display_name = "h0".into()), NameTaken, "join_token.display_name"),
            (spoilt!(join_token.roles = vec![]), InvalidField, "join_token.roles"),
            (spoilt!(join_token.roles = vec![1]), InvalidField, "join_token.roles"),
            (spoilt!(join_token.roles = vec![77]), InvalidField, "join_token.roles"),
            (spoilt!(join_token.secret_sha256 = "x".into()), InvalidField, "join_token.secret_sha256"),
            (spoilt!(join_token.expire_time = None), InvalidField, "join_token.expire_time"),
            (
                spoilt!(join_token.expire_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 })),
                InvalidField,
                "join_token.expire_time",
            ),
            (
                spoilt!(
                    join_token.expire_time =
                        Some(prost_types::Timestamp { seconds: 9_000_000_000, nanos: 0 })
                ),
                InvalidField,
                "join_token.expire_time",
            ),
        ],
    );
    rows.add(
        RevokeJoinTokenRequest { name: "joinTokens/h9".into(), ..Default::default() },
        &[
            (|it| it.name = "h9".into(), InvalidField, "name"),
            (|it| it.name = "joinTokens/none".into(), NotFound, "name"),
        ],
    );
}

fn access(rows: &mut Rows) {
    let principal = Principal { display_name: "ann".into(), ..Default::default() };
    rows.add(
        CreatePrincipalRequest { principal: Some(principal), ..Default::default() },
        &[
            (|it| it.principal = None, InvalidField, "principal"),
            (spoilt!(principal.display_name = "ben".into()), NameTaken, "principal.display_name"),
        ],
    );
    named! { rows, DeletePrincipalRequest "principals/ben"; }
    let token = ApiToken { display_name: "two".into(), secret_sha256: "0a".repeat(32), ..Default::default() };
    rows.add(
        CreateApiTokenRequest {
            parent: "principals/ben".into(),
            api_token: Some(token),
            ..Default::default()
        },
        &[
            (|it| it.parent = "ben".into(), InvalidField, "parent"),
            (|it| it.parent = "principals/none".into(), NotFound, "parent"),
            (|it| it.api_token = None, InvalidField, "api_token"),
            (spoilt!(api_token.display_name = "test".into()), NameTaken, "api_token.display_name"),
            (spoilt!(api_token.secret_sha256 = String::new()), InvalidField, "api_token.secret_sha256"),
            (
                spoilt!(api_token.secret_sha256 = windlass_client::NewSecret::of("wlt_ben").sha256),
                NameTaken,
                "api_token.secret_sha256",
            ),
            (
                spoilt!(api_token.expire_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 })),
                InvalidField,
                "api_token.expire_time",
            ),
        ],
    );
    rows.add(
        RevokeApiTokenRequest { name: "principals/ben/apiTokens/test".into(), ..Default::default() },
        &[
            (|it| it.name = "principals/ben".into(), InvalidField, "name"),
            (|it| it.name = "principals/ben/apiTokens/none".into(), NotFound, "name"),
        ],
    );
    let grant = RoleGrant { role: role_grant::Role::Reader.into(), scope: "projects/blue".into() };
    let name = "principals/ben";
    rows.add(
        GrantRoleRequest { name: name.into(), grant: Some(grant.clone()), ..Default::default() },
        &[
            (|it| it.grant = None, InvalidField, "grant"),
            (spoilt!(grant.role = 0), InvalidField, "grant.role"),
            (spoilt!(grant.scope = "blue".into()), InvalidField, "grant.scope"),
            (spoilt!(grant.scope = "projects/none".into()), NotFound, "grant.scope"),
            (|it| it.name = "principals/none".into(), NotFound, "name"),
        ],
    );
    rows.add(
        RevokeRoleRequest { name: name.into(), grant: Some(grant), ..Default::default() },
        &[
            (|it| it.grant = None, InvalidField, "grant"),
            (spoilt!(grant.role = role_grant::Role::Admin.into()), NotFound, "grant.role"),
        ],
    );
}

fn orders(rows: &mut Rows, stage: &Stage) {
    let name = || stage.stuck.clone();
    rows.add(
        CancelOperationRequest { name: stage.running.clone(), ..Default::default() },
        &[
            (|it| it.name = "operations/blue".into(), InvalidField, "name"),
            (|it| it.name = "operations/01234567-89ab-4def-8123-456789abcdef".into(), NotFound, "name"),
        ],
    );
    rows.add(
        RetryOperationRequest { name: name(), ..Default::default() },
        &[(|it| it.name = String::new(), InvalidField, "name")],
    );
    rows.add(
        SkipStepRequest { name: name(), step: 0, reason: "a test".into(), ..Default::default() },
        &[
            (|it| it.step = 7, InvalidField, "step"),
            (|it| it.step = u32::MAX, InvalidField, "step"),
            (|it| it.reason = String::new(), InvalidField, "reason"),
        ],
    );
    rows.add(
        AbandonOperationRequest { name: name(), reason: "a test".into(), ..Default::default() },
        &[(|it| it.reason = String::new(), InvalidField, "reason")],
    );
}

fn quarantine(rows: &mut Rows) {
    rows.add(
        AdoptResourceRequest {
            name: "projects/blue/volumes/left".into(),
            reason: "a test".into(),
            ..Default::default()
        },
        &[
            (|it| it.name = "projects/blue/images/debian".into(), InvalidField, "name"),
            (|it| it.name = "projects/blue/volumes/none".into(), NotFound, "name"),
            (|it| it.name = "projects/blue/volumes/free".into(), WrongState, ""),
            (|it| it.reason = String::new(), InvalidField, "reason"),
        ],
    );
    rows.add(
        DiscardResourceRequest {
            name: "projects/blue/volumes/lost".into(),
            reason: "a test".into(),
            ..Default::default()
        },
        &[
            (|it| it.name = "volumes/lost".into(), InvalidField, "name"),
            (|it| it.reason = String::new(), InvalidField, "reason"),
        ],
    );
}
