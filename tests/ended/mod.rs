//! For tests of hosts that were off for longer than their certificates hold.

use std::path::Path;

use windlass_agent_wire::HostIdentity;
use windlass_sagas::record::Role;

/// Puts a certificate that ended long ago in the place of that of the host whose state is in this directory.
pub(crate) fn let_certificate_end(state: &Path) {
    let identity = state.join("identity");
    let host = std::fs::read_to_string(identity.join("host.toml")).expect("it has joined");
    let value = |key: &str| {
        let line = host.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.expect("it is named").trim_matches('"').to_owned()
    };
    let (cell, host) = (value("cell").parse().expect("an id"), value("host").parse().expect("an id"));
    let uri = HostIdentity { cell, host, roles: vec![Role::Network] }.uri();
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("well formed");
    params.subject_alt_names = vec![rcgen::SanType::URI(uri.as_str().try_into().expect("ASCII"))];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    std::fs::write(identity.join("host.pem"), certificate + &key.serialize_pem()).expect("it is written");
}
