//! The services of the small cell: what the tests call is played, all else is UNIMPLEMENTED.

use std::pin::Pin;
use std::time::Duration;

use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, async_trait};
use windlass_proto::v1::network_service_server::NetworkService;
use windlass_proto::v1::operation_service_server::OperationService;
use windlass_proto::v1::saga::State;
use windlass_proto::v1::*;

use crate::support::{Answer, Cell, Cut, OPERATION, Reply, commit, operation, refusal, token};

/// How long a connection that is to be cut is given to bring out what was written before.
const FLUSH: Duration = Duration::from_millis(20);

/// A service that plays some of its methods. (One macro around all, since `async_trait` doesn't see into macros.)
macro_rules! service {
    ($service:ident, not played: [$($method:ident: $request:ident -> $answer:ident,)*], { $($played:tt)* }) => {
        #[async_trait]
        impl $service for Cell {
            $($played)*
            $(async fn $method(&self, _: Request<$request>) -> Reply<$answer> {
                Err(Status::unimplemented(stringify!($method)))
            })*
        }
    };
}

service!(NetworkService, not played: [
    get_network: GetNetworkRequest -> Network,
    delete_network: DeleteNetworkRequest -> Operation,
], {
    async fn create_network(&self, request: Request<CreateNetworkRequest>) -> Reply<Operation> {
        let token = token(&request);
        let request = request.into_inner();
        let (answer, made) = {
            let mut world = self.world();
            world.calls.push((request.request_id.clone(), token));
            let answer = world.answers.pop_front();
            if let Some(Answer::Refuse(status)) = answer {
                return Err(status);
            }
            let name = format!("operations/{}", world.made.len());
            let made =
                world.made.entry(request.request_id).or_insert(operation(&name, 7, State::Completed)).clone();
            (answer, made)
        };
        match answer {
            Some(Answer::Refuse(status) | Answer::MakeThenRefuse(status)) => Err(status),
            Some(Answer::MakeThenLose) => {
                self.cut_connections();
                std::future::pending().await
            }
            None => Ok(Response::new(made)),
        }
    }

    async fn list_networks(&self, request: Request<ListNetworksRequest>) -> Reply<ListNetworksResponse> {
        let world = self.world();
        let from: usize = request.into_inner().page_token.parse().unwrap_or(0);
        let page = world.networks.iter().skip(from).take(2);
        let networks =
            page.map(|name| Network { display_name: name.clone(), ..Default::default() }).collect();
        let more = world.networks.len() > from + 2;
        let next_page_token = if more { (from + 2).to_string() } else { String::new() };
        Ok(Response::new(ListNetworksResponse { networks, next_page_token, position: 9 }))
    }
});

service!(OperationService, not played: [
    list_operations: ListOperationsRequest -> ListOperationsResponse,
    cancel_operation: CancelOperationRequest -> Operation,
    retry_operation: RetryOperationRequest -> Operation,
    skip_step: SkipStepRequest -> Operation,
    abandon_operation: AbandonOperationRequest -> Operation,
    list_quarantine: ListQuarantineRequest -> ListQuarantineResponse,
    adopt_resource: AdoptResourceRequest -> Operation,
    discard_resource: DiscardResourceRequest -> Operation,
], {
    async fn get_operation(&self, request: Request<GetOperationRequest>) -> Reply<Operation> {
        match request.into_inner().name.as_str() {
            OPERATION => Ok(Response::new(self.operation_at(u64::MAX))),
            _ => Err(refusal(ErrorReason::NotFound)),
        }
    }

    type WatchOperationsStream = Pin<Box<dyn Stream<Item = Result<WatchOperationsResponse, Status>> + Send>>;

    async fn watch_operations(
        &self,
        request: Request<WatchOperationsRequest>,
    ) -> Reply<Self::WatchOperationsStream> {
        let request = request.into_inner();
        if request.parent != OPERATION {
            return Err(refusal(ErrorReason::NotFound));
        }
        let (commits, cut) = {
            let mut world = self.world();
            world.opened.push(request.after_position);
            let after = request.after_position.unwrap_or(0);
            let later = world.history.iter().filter(|(position, _)| *position > after);
            let commits: Vec<_> = later.map(|(position, state)| Ok(commit(*position, *state))).collect();
            (commits, world.cuts.pop_front())
        };
        Ok(Response::new(self.play(commits, cut)))
    }
});

impl Cell {
    /// The stream of these answers, cut as the script says.
    fn play(
        &self,
        mut answers: Vec<Result<WatchOperationsResponse, Status>>,
        cut: Option<(usize, Cut)>,
    ) -> <Self as OperationService>::WatchOperationsStream {
        let Some((after, how)) = cut.filter(|(after, _)| *after < answers.len()) else {
            return Box::pin(tokio_stream::iter(answers));
        };
        answers.truncate(after);
        match how {
            Cut::Closed => {}
            Cut::Unavailable => answers.push(Err(refusal(ErrorReason::Draining))),
            Cut::TooSlow => answers.push(Err(refusal(ErrorReason::WatchTooSlow))),
            Cut::Repeated => {
                let last = answers.last().cloned();
                answers.extend(last);
                answers.push(Err(refusal(ErrorReason::NotLeader)));
            }
            Cut::Lost => {
                let cell = self.clone();
                let lost = tokio_stream::once(()).then(move |()| cell.clone().lose());
                return Box::pin(tokio_stream::iter(answers).chain(lost));
            }
        }
        Box::pin(tokio_stream::iter(answers))
    }

    /// Cuts the connections once what was written before is out, and never answers.
    async fn lose(self) -> Result<WatchOperationsResponse, Status> {
        tokio::time::sleep(FLUSH).await;
        self.cut_connections();
        std::future::pending().await
    }
}
