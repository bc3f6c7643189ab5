//! A host for the tests of drivers: directories of its own, the identity that a cell would have given it, certificates for
//! volumes, and blobs that are here already.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use windlass_sagas::ids::{CellId, Hash, HostId, ProjectId, SagaId, StepIndex};
use windlass_sagas::protocol::Owner;
use windlass_sagas::protocol::ledger::{Op, Work, WorkId, WorkResult};
use windlass_sagas::record::{BoundExport, Direction, Role, StepInput, StepKey};

use super::{Hand, Host, Run, hand};
use crate::blobs::Blobs;
use crate::config::HostFile;
use crate::identity::Identity;
use crate::identity::volume::FFDHE2048;
use crate::strike::Striker;

/// Whether the machine lets this test run; said where not, so that nobody takes it for passed.
pub(crate) fn can_run(test: &str, tools: &[&str]) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let missing =
        tools.iter().find(|tool| !std::env::split_paths(&paths).any(|path| path.join(tool).exists()));
    let why = match missing {
        Some(tool) => format!("{tool} is not installed"),
        None if !rustix::process::geteuid().is_root() => "it needs root".to_owned(),
        None => return true,
    };
    eprintln!("skipped: {test}: {why}");
    false
}

/// The authority of a test's cell.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a cell");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        let pem = certificate.pem();
        Self { issuer: Issuer::from_ca_cert_pem(&pem, key).unwrap(), pem }
    }

    /// Certificate and key of a host, as files: for the channel (by URI) or for volumes (by name and address).
    fn issue(&self, cell: CellId, host: HostId, address: IpAddr) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host.to_string());
        let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        let uri = format!("windlass:cell:{cell}:host:{host}:roles:{}", roles.join(","));
        params.subject_alt_names = vec![
            SanType::URI(uri.try_into().unwrap()),
            SanType::DnsName(host.to_string().try_into().unwrap()),
            SanType::IpAddress(address),
        ];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A host below this directory.
    pub(crate) fn host(&self, directory: &Path, id: HostId) -> (Host, Arc<Blobs>) {
        let cell = CellId([9; 16]);
        let address: IpAddr = [127, 0, 0, 1].into();
        let state = directory.join(format!("{id}"));
        let identity = state.join("identity");
        let volume = identity.join("volume");
        fs::create_dir_all(&volume).unwrap();
        for path in [directory, &state] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
        }
        let (certificate, key) = self.issue(cell, id, address);
        fs::write(volume.join("ca-cert.pem"), &self.pem).unwrap();
        fs::write(volume.join("dh-params.pem"), FFDHE2048).unwrap();
        for side in ["server", "client"] {
            fs::write(volume.join(format!("{side}-cert.pem")), &certificate).unwrap();
            fs::write(volume.join(format!("{side}-key.pem")), &key).unwrap();
        }
        fs::write(identity.join("ca.pem"), &self.pem).unwrap();
        fs::write(identity.join("host.pem"), format!("{certificate}{key}")).unwrap();
        let file = HostFile {
            cell,
            cell_name: "test".into(),
            host: id,
            name: "host".into(),
            roles: Role::ALL.to_vec(),
            orchestrators: vec!["127.0.0.1:1".into()],
        };
        file.write(&identity.join("host.toml")).unwrap();
        let (sender, identities) = watch::channel(Arc::new(Identity::load(&identity).unwrap()));
        drop(sender);
        let blobs = Arc::new(Blobs::new(&state, 1 << 30, identities, Vec::new()));
        let run = Run::open(&state.join("run")).unwrap();
        (Host { id, address, state, run }, blobs)
    }
}

/// Puts a blob where the host has it already.
pub(crate) fn keep_blob(host: &Host, bytes: &[u8]) -> Hash {
    let hash = Hash(Sha256::digest(bytes).into());
    let name = hash.to_string();
    let shelf = host.state.join("blobs").join(&name[..2]);
    fs::create_dir_all(&shelf).unwrap();
    fs::write(shelf.join(&name), bytes).unwrap();
    hash
}

/// Work of a step, as a ledger would ask for it.
pub(crate) fn work(op: Op, input: StepInput, exports: Vec<BoundExport>) -> Work {
    Work {
        id: WorkId(1),
        key: StepKey { saga: SagaId([4; 16]), step: StepIndex(0) },
        op,
        input,
        exports,
        owner: Owner { cell: CellId([9; 16]), project: ProjectId([5; 16]) },
        remaining_ms: 30_000,
    }
}

/// Does the work to its end.
pub(crate) async fn done(hand: &impl Hand, role: Role, work: &Work) -> WorkResult {
    hand::drive(hand, &Striker::none(), role, work).await
}

/// Makes at most so many sub-changes of the work, as a process that dies then would; gives how many.
pub(crate) async fn broken_off(hand: &impl Hand, work: &Work, changes: u64) -> u64 {
    let direction = if work.op == Op::Undo { Direction::Undo } else { Direction::Forward };
    for made in 0..changes {
        if hand.advance(work, direction).await.unwrap().is_none() {
            return made;
        }
    }
    changes
}
