//! Display names of what other things refer to by id, for people's eyes. Whoever may not see a thing, or where it is
//! gone, sees its id; looking names up never fails a command.

use std::collections::{BTreeMap, BTreeSet};

use windlass_client::{Client, v1};

use crate::limits::NAMES_MAX;
use crate::output::short;

/// Display names by resource name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Looks up the names of these things.
    pub(crate) async fn of<'a>(client: &Client, things: impl IntoIterator<Item = &'a str>) -> Self {
        let wanted: BTreeSet<&str> = things.into_iter().filter(|name| !name.is_empty()).collect();
        let mut names = BTreeMap::new();
        for name in wanted.into_iter().take(NAMES_MAX) {
            if let Some(display_name) = display_name(client, name).await.filter(|it| !it.is_empty()) {
                names.insert(name.to_string(), display_name);
            }
        }
        Self(names)
    }

    /// Looks up the names of these things too, each once, whether it has one or not.
    pub(crate) async fn learn<'a>(&mut self, client: &Client, things: impl IntoIterator<Item = &'a str>) {
        for name in things.into_iter().filter(|name| !name.is_empty()) {
            if self.0.len() < NAMES_MAX && !self.0.contains_key(name) {
                let shown = display_name(client, name).await.filter(|it| !it.is_empty());
                self.0.insert(name.to_string(), shown.unwrap_or_else(|| short(name)));
            }
        }
    }

    /// The display name, where it is known, else the id.
    pub(crate) fn show(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| short(name))
    }

    /// The display name, else as much of the id as tells it from its neighbours.
    pub(crate) fn brief(&self, name: &str) -> String {
        const ID_DIGITS: usize = 8;
        self.0.get(name).cloned().unwrap_or_else(|| short(name).chars().take(ID_DIGITS).collect())
    }

    /// A text in which each resource name is replaced by what it shows.
    pub(crate) fn within(&self, text: &str) -> String {
        let shown = text.split(' ').map(|word| {
            let name = word.trim_end_matches(',');
            if is_name(name) {
                format!("{}{}", self.show(name), &word[name.len()..])
            } else {
                word.to_string()
            }
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// Several in a row.
    pub(crate) fn all<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> String {
        names.into_iter().map(|name| self.show(name)).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
impl Names {
    /// These names, by their resource names.
    pub(crate) fn known(names: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(names.into_iter().collect())
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Names {
    fn from(names: [(&str, &str); N]) -> Self {
        Self(names.map(|(name, shown)| (name.to_string(), shown.to_string())).into())
    }
}

/// Whether a word is a resource name, as `flavors/ID`.
pub(crate) fn is_name(word: &str) -> bool {
    let id = word.rsplit('/').next().unwrap_or_default();
    word.contains('/') && id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

async fn display_name(client: &Client, name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('/').collect();
    let collection = *parts.get(parts.len().checked_sub(2)?)?;
    let name = name.to_string();
    macro_rules! look {
        ($request:ident) => {
            client.call(v1::$request { name, ..Default::default() }).await.ok().map(|it| it.display_name)
        };
    }
    match collection {
        "servers" => look!(GetServerRequest),
        "volumes" => look!(GetVolumeRequest),
        "networks" => look!(GetNetworkRequest),
        "subnets" => look!(GetSubnetRequest),
        "ports" => look!(GetPortRequest),
        "securityGroups" => look!(GetSecurityGroupRequest),
        "images" => look!(GetImageRequest),
        "keyPairs" => look!(GetKeyPairRequest),
        "flavors" => look!(GetFlavorRequest),
        "projects" => look!(GetProjectRequest),
        "hosts" => look!(GetHostRequest),
        "principals" => look!(GetPrincipalRequest),
        // Operations and tokens are shown by their ids.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_within_a_text_are_shown() {
        let known = "flavors/0b000000-0000-5000-8000-000000000007";
        let names = Names::from([(known, "small")]);
        let text =
            format!("flavor {known}, cidr 10.0.0.0/24, host hosts/0b000000-0000-5000-8000-000000000011");
        assert_eq!(
            names.within(&text),
            "flavor small, cidr 10.0.0.0/24, host 0b000000-0000-5000-8000-000000000011"
        );
        assert_eq!(names.brief("hosts/0b000000-0000-5000-8000-000000000011"), "0b000000");
        assert_eq!(names.brief(known), "small");
    }
}
