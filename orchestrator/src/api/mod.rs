//! The public API, `windlass.v1`: one file a service; proto to facts and state to proto, here only. It decides nothing:
//! every change is a fact that the leader decides, every read is a visit to the fold or to the history.
//!
//! The way of a call is `call`; who calls is `auth`; what is refused becomes a status in `errors` alone.

mod access;
pub(crate) mod attribution;
mod auth;
mod call;
mod cell;
mod console;
mod convert;
mod diff;
pub mod errors;
mod events;
mod explained;
mod fault;
mod fields;
pub mod finished;
mod flavor;
mod history;
mod host;
mod image;
mod image_data;
pub mod inventories;
mod key_pair;
mod life;
pub mod limits;
mod list;
pub mod methods;
mod names;
mod network;
mod operation;
mod operations;
mod past;
mod port;
mod project;
mod recovery;
mod security_group;
mod server;
mod subnet;
mod touched;
mod view;
mod visit;
mod volume;
mod watch;
mod watch_events;
mod watch_operations;
mod who;
mod whole;

pub(crate) use convert::{Audience, of_commit, of_saga};

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;
use windlass_proto::v1::access_service_server::AccessServiceServer;
use windlass_proto::v1::cell_service_server::CellServiceServer;
use windlass_proto::v1::fault_service_server::FaultServiceServer;
use windlass_proto::v1::flavor_service_server::FlavorServiceServer;
use windlass_proto::v1::history_service_server::HistoryServiceServer;
use windlass_proto::v1::host_service_server::HostServiceServer;
use windlass_proto::v1::image_service_server::ImageServiceServer;
use windlass_proto::v1::key_pair_service_server::KeyPairServiceServer;
use windlass_proto::v1::network_service_server::NetworkServiceServer;
use windlass_proto::v1::operation_service_server::OperationServiceServer;
use windlass_proto::v1::port_service_server::PortServiceServer;
use windlass_proto::v1::project_service_server::ProjectServiceServer;
use windlass_proto::v1::security_group_service_server::SecurityGroupServiceServer;
use windlass_proto::v1::server_service_server::ServerServiceServer;
use windlass_proto::v1::subnet_service_server::SubnetServiceServer;
use windlass_proto::v1::volume_service_server::VolumeServiceServer;
use windlass_proto::{FILE_DESCRIPTOR_SET, pool};
use windlass_sagas::ids::WriterId;

use crate::blobs::Directory;
use crate::blobs::limits::{DOWNLOADS_MAX, UPLOADS_MAX};
use crate::history::whole::Whole;
use crate::lead::handle::Leader;
use errors::Problem;
use explained::Explained;
use finished::Finished;
use inventories::Inventories;
use limits::REQUEST_BYTES_MAX;
pub use past::{Moment, NotTold, Past};
pub use who::{Access, Roles};

/// What the API stands on.
pub struct Parts {
    /// The leader's task.
    pub leader: Leader,
    /// The history.
    pub finished: Arc<dyn Finished>,
    /// The journal as a whole: to be exported, and its chain followed.
    pub whole: Arc<dyn Whole>,
    /// The folds of the past.
    pub past: Arc<dyn Past>,
    /// Who is let in.
    pub access: Access,
    /// The agents' side.
    pub inventories: Arc<dyn Inventories>,
    /// Where user data and images' bytes are kept; `None`: servers with user data and uploads are refused.
    pub blobs: Option<Directory>,
    /// What the process says of itself.
    pub about: About,
}

/// What the process says of itself in `GetCell`.
pub struct About {
    /// Its build.
    pub build: String,
    /// This process, as commits name their writer.
    pub writer: WriterId,
    /// Where its API is reached, as `host:port`; empty: not known.
    pub address: String,
    /// Which journal: `embedded`, `jetstream` or `memory`.
    pub journal: &'static str,
    /// The cell's authority in DER; empty where there is none.
    pub ca_certificate_der: Vec<u8>,
    /// What makes the journal unsafe now, for people.
    pub warnings: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// The API's implementation of every service; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// What may go on at a time.
    waits: Semaphore,
    watches: Arc<Semaphore>,
    doctors: Semaphore,
    exports: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

impl Api {
    /// The API over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            waits: Semaphore::new(limits::POSITION_WAITS_MAX),
            watches: Arc::new(Semaphore::new(limits::WATCHES_MAX)),
            doctors: Semaphore::new(limits::DOCTORS_MAX),
            exports: Arc::new(Semaphore::new(limits::EXPORTS_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
        }))
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn access(&self) -> &Access {
        &self.0.parts.access
    }

    fn waits(&self) -> &Semaphore {
        &self.0.waits
    }

    /// Keeps user data before the request that names it is proposed.
    async fn keep_blob(&self, bytes: Vec<u8>, validate_only: bool) -> Result<(), Problem> {
        let Some(blobs) = &self.parts().blobs else {
            let message = "this cell keeps no user data";
            return Err(Problem::field("server.user_data", message));
        };
        if validate_only {
            return Ok(());
        }
        blobs.keep(bytes).await.map(|_| ()).map_err(|error| {
            let message = format!("the user data can't be kept: {error}");
            Problem::new(windlass_proto::v1::ErrorReason::JournalUnavailable, message)
                .hint("send the same request again")
                .retry_after(limits::RETRY_JOURNAL)
        })
    }
}

/// Every service of the API, with reflection (v1) and health; the reporter is for whoever knows whether this process
/// leads. Everything is SERVING at first.
///
/// # Errors
/// Where the descriptor can't be reflected, which a test excludes.
pub async fn routes(parts: Parts) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let api = Api::new(parts);
    let (health, health_service) = tonic_health::server::health_reporter();
    let mut reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    for service in pool().services().filter(|service| service.package_name() == "windlass.v1") {
        health.set_service_status(service.full_name(), tonic_health::ServingStatus::Serving).await;
        reflection = reflection.with_service_name(service.full_name());
    }
    let reflection = reflection.with_service_name("grpc.health.v1.Health").build_v1()?;
    macro_rules! serve {
        ($routes:expr, $($server:ident),* $(,)?) => {
            $routes$(.add_service(Explained(
                $server::new(api.clone()).max_decoding_message_size(REQUEST_BYTES_MAX),
            )))*
        };
    }
    let routes = serve!(
        Routes::new(health_service).add_service(reflection),
        AccessServiceServer,
        CellServiceServer,
        FaultServiceServer,
        FlavorServiceServer,
        HistoryServiceServer,
        HostServiceServer,
        ImageServiceServer,
        KeyPairServiceServer,
        NetworkServiceServer,
        OperationServiceServer,
        PortServiceServer,
        ProjectServiceServer,
        SecurityGroupServiceServer,
        ServerServiceServer,
        SubnetServiceServer,
        VolumeServiceServer,
    );
    Ok((routes, health))
}
