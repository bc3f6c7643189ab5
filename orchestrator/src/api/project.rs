//! `ProjectService`: projects and their quotas.

use tonic::Request;
use windlass_proto::v1;
use windlass_proto::v1::project_service_server::ProjectService;
use windlass_sagas::cell::Permission;
use windlass_sagas::cell::state::Project;
use windlass_sagas::record::{self, Body};

use super::Api;
use super::call::{Answer, change};
use super::errors::{FieldNames, Problem};
use super::list::{Row, ask, page};
use super::view::{Place, View};
use super::visit::point;
use super::{fields, names};

const CREATE: FieldNames = &[("name", "project.display_name")];
const NAMED: FieldNames = &[("project", "name")];

#[tonic::async_trait]
impl ProjectService for Api {
    async fn get_project(&self, request: Request<v1::GetProjectRequest>) -> Answer<v1::Project> {
        let (call, asked) = Self::open("projects.get", request)?;
        let place = names::one(&asked.name, "projects", "name").map(Place::Project);
        self.read(call, point!(asked), place, |view| Ok(view.project(own(view)?))).await
    }

    async fn list_projects(
        &self,
        request: Request<v1::ListProjectsRequest>,
    ) -> Answer<v1::ListProjectsResponse> {
        let (call, asked) = Self::open("projects.list", request)?;
        let ask = ask!(call.method, asked);
        self.read(call, point!(asked), Ok(Place::Anywhere), move |view| {
            let own = view.cell.projects.values().filter(|project| view.may(Permission::Read, project.id));
            let rows = own.map(|project| Row {
                created: project.created,
                name: &project.name,
                id: project.id.0,
                item: project,
            });
            let values = |project: &Project, _: &str| vec![project.name.clone()];
            let (projects, next_page_token) =
                page(&ask, &["display_name"], rows, values, |it| view.project(it))?;
            Ok(v1::ListProjectsResponse { projects, next_page_token, position: view.position() })
        })
        .await
    }

    async fn create_project(&self, request: Request<v1::CreateProjectRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("projects.create", request)?;
        let change = change!(asked);
        let build = move |_: &View<'_>| {
            let project = fields::required(asked.project, "project")?;
            let quota = project.quota.as_ref();
            Ok(Body::CreateProject(record::CreateProject {
                name: fields::display_name(&project.display_name, "project")?,
                quota: quota.map(|quota| fields::amounts(quota, "project.quota")).transpose()?,
            }))
        };
        self.change(call, change, Ok(Place::Cell), CREATE, build).await
    }

    async fn delete_project(&self, request: Request<v1::DeleteProjectRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("projects.delete", request)?;
        let named = names::one(&asked.name, "projects", "name");
        let place = named.clone().map(|_| Place::Cell);
        let build = |_: &View<'_>| Ok(Body::DeleteProject(record::DeleteProject { project: named? }));
        self.change(call, change!(asked), place, NAMED, build).await
    }

    async fn get_quota(&self, request: Request<v1::GetQuotaRequest>) -> Answer<v1::Quota> {
        let (call, asked) = Self::open("quotas.get", request)?;
        let place = quota_of(&asked.name).map(Place::Project);
        self.read(call, point!(asked), place, |view| Ok(view.quota(own(view)?))).await
    }

    async fn set_quota(&self, request: Request<v1::SetQuotaRequest>) -> Answer<v1::Operation> {
        let (call, asked) = Self::open("quotas.set", request)?;
        let change = change!(asked);
        let named = quota_of(&asked.name);
        let place = named.clone().map(|_| Place::Cell);
        let build = move |_: &View<'_>| {
            let limits = fields::required(asked.limits, "limits")?;
            let quota = fields::amounts(&limits, "limits")?;
            Ok(Body::SetQuota(record::SetQuota { project: named?, quota }))
        };
        self.change(call, change, place, NAMED, build).await
    }
}

/// The project of `projects/{project}/quota`.
fn quota_of(name: &str) -> Result<String, Problem> {
    let form = || Problem::field("name", "name is not of the form projects/{…}/quota");
    names::one(name.strip_suffix("/quota").ok_or_else(form)?, "projects", "name").map_err(|_| form())
}

/// The call's own project.
fn own<'a>(view: &View<'a>) -> Result<&'a Project, Problem> {
    let found = view.cell.projects.get(&view.project);
    found.ok_or_else(|| Problem::not_found("project", &view.project.to_string()))
}
