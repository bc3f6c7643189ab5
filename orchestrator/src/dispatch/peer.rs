//! Who is at the other end of a call, by the certificate that the transport has verified.

use tonic::{Request, Status};
use windlass_agent_wire::HostIdentity;
use windlass_sagas::ids::CellId;

use crate::identity::host_identity;

/// The host of this cell that calls.
///
/// # Errors
/// What the caller is told where its certificate is missing, no host's, or of another cell.
pub(super) fn host_of<T>(request: &Request<T>, cell: CellId) -> Result<HostIdentity, Status> {
    let certificates =
        request.peer_certs().ok_or_else(|| Status::unauthenticated("an agent shows its certificate"))?;
    let identity = certificates.first().and_then(|certificate| host_identity(certificate.as_ref()));
    let identity = identity.ok_or_else(|| Status::permission_denied("the certificate is no host's"))?;
    if identity.cell != cell {
        return Err(Status::permission_denied("the certificate is of another cell"));
    }
    Ok(identity)
}
