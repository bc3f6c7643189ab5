//! Samples of what operators order.

use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use super::*;

pub(crate) fn all() -> Vec<Body> {
    let mut all = access();
    all.extend(hosts());
    all.extend(repairs());
    all
}

fn access() -> Vec<Body> {
    let scope = Scope::Project(ProjectId(hex(1)));
    vec![
        Body::CreateProject(CreateProject { name: "shop".into(), quota: Some(amounts()) }),
        Body::DeleteProject(DeleteProject { project: "shop".into() }),
        Body::SetQuota(SetQuota { project: "shop".into(), quota: amounts() }),
        Body::CreatePrincipal(CreatePrincipal { name: "kim".into() }),
        Body::DeletePrincipal(DeletePrincipal { principal: "kim".into() }),
        Body::CreateCredential(CreateCredential {
            principal: "kim".into(),
            name: "deploy".into(),
            secret_sha256: hash(1),
            expires: Some(Time(1_900_000_000_000_000)),
        }),
        Body::RevokeCredential(RevokeCredential { credential: CredentialId(hex(1)) }),
        Body::GrantRole(GrantRole { principal: "kim".into(), role: AccessRole::Auditor, scope }),
        Body::RevokeRole(RevokeRole {
            principal: "kim".into(),
            role: AccessRole::Member,
            scope: Scope::Cell,
        }),
    ]
}

fn hosts() -> Vec<Body> {
    vec![
        Body::CreateJoinToken(CreateJoinToken {
            host: "rack-4-7".into(),
            roles: vec![Role::Hypervisor, Role::Network],
            zone: "zone-a".into(),
            secret_sha256: hash(1),
            expires: Time(1_800_000_000_000_000),
        }),
        Body::RevokeJoinToken(RevokeJoinToken { token: JoinTokenId(hex(1)) }),
        Body::DrainHost(DrainHost { host: "rack-4-7".into() }),
        Body::UndrainHost(UndrainHost { host: "rack-4-7".into() }),
        Body::DeclareHostGone(DeclareHostGone { host: "rack-4-7".into(), reason: "burnt".into() }),
        Body::AffirmHostOff(AffirmHostOff { host: "rack-4-7".into() }),
        Body::RejoinHost(RejoinHost { host: "rack-4-7".into() }),
        Body::JoinHost(JoinHost {
            token: JoinTokenId(hex(1)),
            certificate_sha256: hash(2),
            address: Some(v6(3)),
        }),
    ]
}

fn repairs() -> Vec<Body> {
    let saga = SagaId(hex(1));
    let reason = || "seen by hand".to_string();
    vec![
        Body::CancelSaga(CancelSaga { saga }),
        Body::RetrySaga(RetrySaga { saga }),
        Body::SkipStep(SkipStep { saga, step: StepIndex(2), reason: reason() }),
        Body::AbandonSaga(AbandonSaga { saga, reason: reason() }),
        Body::AdoptResource(AdoptResource {
            resource: ResourceRef::Volume(VolumeId(hex(2))),
            reason: reason(),
        }),
        Body::DiscardResource(DiscardResource {
            resource: ResourceRef::Port(PortId(hex(3))),
            reason: reason(),
        }),
    ]
}
