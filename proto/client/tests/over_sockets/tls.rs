//! TLS: only an orchestrator of the cell's CA, under the name in its certificate, is talked to.

use tonic::transport::Identity;
use windlass_client::{Client, ClientError, Config, Retry};
use windlass_proto::v1::{CreateNetworkRequest, Operation};

use crate::support::Cell;

const NAME: &str = "orchestrator.windlass";

/// A certificate that is its own authority, and its key.
fn identity() -> (String, Identity) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("the name is a valid one");
    let pem = made.cert.pem();
    (pem.clone(), Identity::from_pem(pem, made.signing_key.serialize_pem()))
}

async fn create(
    cell: &Cell,
    identity: Identity,
    ca_pem: String,
    name: &str,
) -> Result<Operation, ClientError> {
    let address = cell.serve_tls(identity);
    let mut config = Config::new([format!("https://{address}")]);
    config.ca_pem = Some(ca_pem);
    config.server_name = Some(name.to_owned());
    config.token = Some("wlt_test".into());
    config.retry = Retry { times: 0, ..Retry::default() };
    Client::new(&config).expect("the CA can be read").call(CreateNetworkRequest::default()).await
}

#[tokio::test]
async fn the_cells_own_orchestrator_is_trusted() {
    let cell = Cell::default();
    let (ca, identity) = identity();
    create(&cell, identity, ca, NAME).await.expect("its certificate is of this CA");
    assert_eq!(cell.world().calls[0].1.as_deref(), Some("Bearer wlt_test"));
}

#[tokio::test]
async fn another_authority_or_name_is_not_and_never_sees_the_token() {
    let cell = Cell::default();
    let (ca, own) = identity();
    let (other_ca, _) = identity();
    for (ca, name) in [(other_ca, NAME), (ca, "another.windlass")] {
        let error = create(&cell, own.clone(), ca, name).await.expect_err("it must not be trusted");
        assert!(error.is_unavailable(), "{error}");
    }
    assert!(cell.world().calls.is_empty());
}
