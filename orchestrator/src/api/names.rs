//! Resource names, both ways: ids to `projects/{id}/servers/{id}` in answers, and a request's name to its segments,
//! each an id or a display name that `decide` resolves.

use windlass_sagas::ids::*;
use windlass_sagas::limits::NAME_BYTES_MAX;
use windlass_sagas::record::ResourceRef;

use super::errors::Problem;
use super::limits::RESOURCE_NAME_BYTES_MAX;

/// The project of what belongs to no project.
pub(super) const NO_PROJECT: ProjectId = ProjectId([0; 16]);

/// The segment that stands for all projects, all principals, or all armed faults.
pub(super) const EVERY: &str = "-";

/// A resource's name; `project` is the one that it belongs to, where it belongs to one.
pub(super) fn of(resource: ResourceRef, project: ProjectId) -> String {
    match resource {
        ResourceRef::Server(id) => within(project, "servers", id),
        ResourceRef::Volume(id) => within(project, "volumes", id),
        ResourceRef::Port(id) => within(project, "ports", id),
        ResourceRef::Network(id) => within(project, "networks", id),
        ResourceRef::Subnet(id) => within(project, "subnets", id),
        ResourceRef::SecurityGroup(id) => within(project, "securityGroups", id),
        ResourceRef::Image(id) => within(project, "images", id),
        ResourceRef::KeyPair(id) => within(project, "keyPairs", id),
        ResourceRef::Flavor(id) => format!("flavors/{id}"),
        ResourceRef::Project(id) => self::project(id),
        ResourceRef::Host(id) => host(id),
        ResourceRef::Saga(id) => operation(id),
        ResourceRef::Credential(id) => format!("principals/{EVERY}/apiTokens/{id}"),
        ResourceRef::Principal(id) => principal(id),
        ResourceRef::JoinToken(id) => format!("joinTokens/{id}"),
        ResourceRef::Fault(id) => fault(id),
    }
}

/// `projects/{project}/{collection}/{id}`.
pub(super) fn within(project: ProjectId, collection: &str, id: impl std::fmt::Display) -> String {
    format!("projects/{project}/{collection}/{id}")
}

/// `projects/{project}`; empty for what belongs to none.
pub(super) fn project(id: ProjectId) -> String {
    if id == NO_PROJECT { String::new() } else { format!("projects/{id}") }
}

/// `hosts/{host}`.
pub(super) fn host(id: HostId) -> String {
    format!("hosts/{id}")
}

/// `operations/{operation}`.
pub(super) fn operation(id: SagaId) -> String {
    format!("operations/{id}")
}

/// `faults/{fault}`.
pub(super) fn fault(id: FaultId) -> String {
    format!("faults/{id}")
}

/// `principals/{principal}`.
pub(super) fn principal(id: PrincipalId) -> String {
    format!("principals/{id}")
}

/// The segment of a name of one collection, as `flavors/{flavor}`.
///
/// # Errors
/// `INVALID_FIELD` naming `field` where it is not of this form.
pub(super) fn one(name: &str, collection: &str, field: &str) -> Result<String, Problem> {
    let [first] = segments(name, [collection], field)?;
    Ok(first)
}

/// The two segments of a name in a collection, as `projects/{project}/servers/{server}`.
///
/// # Errors
/// `INVALID_FIELD` naming `field` where it is not of this form.
pub(super) fn two(name: &str, outer: &str, inner: &str, field: &str) -> Result<(String, String), Problem> {
    let [first, second] = segments(name, [outer, inner], field)?;
    Ok((first, second))
}

/// An operation's id: operations have no display names.
///
/// # Errors
/// `INVALID_FIELD` naming `field` where it is not `operations/{operation}` with a UUID.
pub(super) fn saga(name: &str, field: &str) -> Result<SagaId, Problem> {
    one(name, "operations", field)?
        .parse()
        .map_err(|_| Problem::field(field, "an operation is named operations/ and a UUID"))
}

fn segments<const N: usize>(name: &str, words: [&str; N], field: &str) -> Result<[String; N], Problem> {
    let bad = || {
        let form: Vec<String> = words.iter().map(|word| format!("{word}/{{…}}")).collect();
        let message = if name.is_empty() {
            format!("is required, as {}", form.join("/"))
        } else {
            format!("is not of the form {}", form.join("/"))
        };
        Problem::field(field, format!("{field} {message}"))
    };
    if name.len() > RESOURCE_NAME_BYTES_MAX {
        return Err(bad());
    }
    let mut parts = name.split('/');
    let mut out = [const { String::new() }; N];
    for (word, place) in words.iter().zip(&mut out) {
        if parts.next() != Some(word) {
            return Err(bad());
        }
        let segment = parts.next().filter(|segment| is_segment(segment)).ok_or_else(bad)?;
        segment.clone_into(place);
    }
    if parts.next().is_some() { Err(bad()) } else { Ok(out) }
}

/// Whether a text can be an id or a display name.
fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        let (project, server) = (ProjectId([1; 16]), ServerId([2; 16]));
        let name = of(ResourceRef::Server(server), project);
        let parts = two(&name, "projects", "servers", "name").expect("its own form");
        assert_eq!(parts, (project.to_string(), server.to_string()));
        assert_eq!(saga(&operation(SagaId([3; 16])), "name"), Ok(SagaId([3; 16])));
    }

    #[test]
    fn other_forms_are_refused() {
        let long = format!("projects/{}", "x".repeat(300));
        for bad in ["", "projects", "projects/", "projects/a/servers", "project/a", "projects/a/b", &long] {
            assert!(one(bad, "projects", "parent").is_err(), "{bad}");
        }
        for bad in ["projects/a", "projects/a/servers/", "projects//servers/b", "projects/a/servers/b/c"] {
            assert!(two(bad, "projects", "servers", "name").is_err(), "{bad}");
        }
        assert!(saga("operations/blue", "name").is_err());
    }
}
