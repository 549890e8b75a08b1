//! What a controller would find in a cluster, before there is one: the definitions, and what it is allowed.

use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use mizuumi_api::GROUP;

use crate::definitions::holds;
use crate::error::{Error, asked};
use crate::lease::LeaseName;
use crate::lookup::Lookup;

/// So many reviews at once.
const REVIEWS: usize = 8;

/// What the controller does with resources of Kubernetes.
struct Access {
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Whether it does so in its namespaces; else in the whole cluster.
    is_namespaced: bool,
}

const fn in_namespaces(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Access {
    Access { group, resources, verbs, is_namespaced: true }
}

const fn in_cluster(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Access {
    Access { group, resources, verbs, is_namespaced: false }
}

const KINDS: &[&str] = &[
    "backfills",
    "datatables",
    "emrclusters",
    "ingestjobs",
    "ingestruns",
    "qualitychecks",
    "sourceconnections",
];
const STATUSES: &[&str] = &[
    "backfills/status",
    "datatables/status",
    "emrclusters/status",
    "ingestjobs/status",
    "ingestruns/status",
    "qualitychecks/status",
    "sourceconnections/status",
];

/// All that the controller does.
const ACCESS: &[Access] = &[
    in_namespaces(GROUP, KINDS, &["get", "list", "watch", "patch"]),
    in_namespaces(GROUP, STATUSES, &["patch"]),
    // Jobs and backfills make runs, and jobs clean up old ones; runs make clusters of their own.
    in_namespaces(GROUP, &["ingestruns"], &["create", "delete"]),
    in_namespaces(GROUP, &["emrclusters"], &["create"]),
    // To own what is made: some clusters ask for this.
    in_namespaces(GROUP, &["ingestjobs/finalizers", "ingestruns/finalizers"], &["update"]),
    in_namespaces("batch", &["jobs"], &["get", "list", "watch", "create", "delete"]),
    in_namespaces("", &["configmaps"], &["get", "list", "watch"]),
    in_namespaces("events.k8s.io", &["events"], &["create", "patch"]),
    in_cluster(GROUP, &["emrclusterclasses"], &["get", "list", "watch"]),
];

/// What the controller does with each definition of its resources, by its name.
const DEFINITION: (&str, &str, &[&str]) =
    ("apiextensions.k8s.io", "customresourcedefinitions", &["get", "list", "watch"]);

const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");
/// What it does with its Lease, by its name. What is made has no name yet when it is asked whether it may be.
const LEASE: &[&str] = &["get", "update"];

/// A right, and where it has to be.
#[derive(Clone, Debug)]
struct Right {
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
    /// None for the whole cluster.
    namespace: Option<String>,
    /// Of which resource; none for all of them.
    name: Option<String>,
}

/// Something that whoever asks may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Such as `list ingestruns.mizuumi.dev`.
    pub what: String,
    /// Namespace; none for the whole cluster.
    pub namespace: Option<String>,
}

impl Lookup {
    /// The version of Kubernetes.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn version(&self) -> Result<String, Error> {
        let version = asked(self.client.apiserver_version(), Error::ReadObject).await?;
        Ok(version.git_version)
    }

    /// Each definition, and what is wrong with the one that is served.
    ///
    /// # Errors
    /// If this program's own cannot be made.
    pub async fn definitions(&self) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let mut all = Vec::new();
        for ours in mizuumi_api::crd::all().map_err(Error::StartOwnDefinitions)? {
            let name = ours.name_any();
            let served = asked(api.get(&name), Error::StartDefinition).await;
            all.push((name, served.and_then(|served| holds(&ours, &served))));
        }
        Ok(all)
    }

    /// What whoever asks may not do of all that a controller does in these namespaces, none of them: in all; and with its Lease, if
    /// it has one.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn denied(
        &self,
        namespaces: &[String],
        lease: Option<&LeaseName>,
    ) -> Result<Vec<Denied>, Error> {
        let definitions = mizuumi_api::crd::all().map_err(Error::StartOwnDefinitions)?;
        let definitions: Vec<String> = definitions.iter().map(ResourceExt::name_any).collect();
        let reviews = rights(namespaces, &definitions, lease).into_iter().map(|right| async move {
            let is_allowed = self.may(&right).await?;
            Ok((!is_allowed).then(|| right.denied()))
        });
        let answers: Vec<Result<Option<Denied>, Error>> =
            stream::iter(reviews).buffered(REVIEWS).collect().await;
        answers.into_iter().filter_map(Result::transpose).collect()
    }

    async fn may(&self, right: &Right) -> Result<bool, Error> {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (right.resource, None),
        };
        let attributes = ResourceAttributes {
            group: Some(right.group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource,
            verb: Some(right.verb.to_owned()),
            namespace: right.namespace.clone(),
            name: right.name.clone(),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = asked(reviews.create(&PostParams::default(), &review), Error::ReadObject).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}

impl Right {
    fn denied(self) -> Denied {
        let Self { group, resource, verb, namespace, name } = self;
        let of = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let name = name.map(|name| format!(" '{name}'")).unwrap_or_default();
        Denied { what: format!("{verb} {of}{name}"), namespace }
    }
}

/// All rights that a controller of these namespaces needs; without namespaces, of all.
fn rights(namespaces: &[String], definitions: &[String], lease: Option<&LeaseName>) -> Vec<Right> {
    let everywhere = [None];
    let scopes: Vec<Option<String>> = if namespaces.is_empty() {
        everywhere.to_vec()
    } else {
        namespaces.iter().cloned().map(Some).collect()
    };
    let mut rights = Vec::new();
    for Access { group, resources, verbs, is_namespaced } in ACCESS {
        let scopes = if *is_namespaced { scopes.as_slice() } else { &everywhere };
        for (resource, verb) in resources.iter().flat_map(|it| verbs.iter().map(move |verb| (it, verb))) {
            let right = |namespace| Right { group, resource, verb, namespace, name: None };
            rights.extend(scopes.iter().cloned().map(right));
        }
    }
    let (group, resource, verbs) = DEFINITION;
    for definition in definitions {
        let name = Some(definition.clone());
        rights.extend(verbs.iter().map(|verb| Right {
            group,
            resource,
            verb,
            namespace: None,
            name: name.clone(),
        }));
    }
    let (group, resource) = LEASES;
    if let Some(LeaseName { namespace, name }) = lease {
        let namespace = Some(namespace.clone());
        let right = |verb, name| Right { group, resource, verb, namespace: namespace.clone(), name };
        rights.extend(LEASE.iter().map(|verb| right(verb, Some(name.clone()))));
        rights.push(right("create", None));
    }
    rights
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Group, resource and verb of each access.
    type Rights = BTreeSet<(String, String, String)>;

    /// What rules of a chart grant, between two lines of it: lists in brackets, one after the other.
    fn granted(text: &str, from: &str, to: &str) -> Rights {
        let (_, rest) = text.split_once(from).expect("the rules are there");
        let (rules, _) = rest.split_once(to).expect("they end");
        let list = |line: &str| -> Vec<String> {
            let inner = line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).expect("a list").0;
            inner.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
        };
        let mut rights = Rights::new();
        let (mut groups, mut resources) = (Vec::new(), Vec::new());
        for line in rules.lines().filter(|line| !line.trim_start().starts_with('#')) {
            if line.contains("apiGroups:") {
                groups = list(line);
            } else if line.contains("resources:") {
                resources = list(line);
            } else if line.contains("verbs:") {
                for (group, resource) in
                    groups.iter().flat_map(|group| resources.iter().map(move |it| (group, it)))
                {
                    rights.extend(list(line).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
        rights
    }

    fn asked(which: impl Fn(&Right) -> bool) -> Rights {
        let lease = LeaseName { namespace: "mizuumi".to_owned(), name: "mizuumi".to_owned() };
        let rights = rights(&["team-a".to_owned()], &["datatables.mizuumi.dev".to_owned()], Some(&lease));
        let of = |right: Right| (right.group.to_owned(), right.resource.to_owned(), right.verb.to_owned());
        rights.into_iter().filter(which).map(of).collect()
    }

    #[test]
    fn what_is_asked_for_is_what_the_charts_grant() {
        let is_in = |right: &Right, namespace| right.namespace.as_deref() == namespace;
        let helpers = include_str!("../../../charts/mizuumi/templates/_helpers.tpl");
        let team = granted(helpers, "define \"mizuumi.rules\" -}}", "{{- end }}");
        assert_eq!(asked(|right| is_in(right, Some("team-a"))), team);
        let rbac = include_str!("../../../charts/mizuumi/templates/rbac.yaml");
        let lease = granted(rbac, "# Its own Lease, one for each shard, and no other.", "kind: RoleBinding");
        assert_eq!(asked(|right| is_in(right, Some("mizuumi"))), lease);
        let roles = include_str!("../../../charts/mizuumi-crds/templates/roles.yaml");
        let reader = granted(roles, "name: mizuumi-reader", "---");
        assert_eq!(asked(|right| is_in(right, None)), reader);
    }

    #[test]
    fn what_is_denied_is_told_with_its_name() {
        let lease = LeaseName { namespace: "mizuumi".to_owned(), name: "team-a".to_owned() };
        let told: Vec<String> = rights(&[], &["datatables.mizuumi.dev".to_owned()], Some(&lease))
            .into_iter()
            .filter(|right| right.name.is_some() || right.verb == "create" && right.resource == "leases")
            .map(|right| right.denied().what)
            .collect();
        assert_eq!(
            told,
            [
                "get customresourcedefinitions.apiextensions.k8s.io 'datatables.mizuumi.dev'",
                "list customresourcedefinitions.apiextensions.k8s.io 'datatables.mizuumi.dev'",
                "watch customresourcedefinitions.apiextensions.k8s.io 'datatables.mizuumi.dev'",
                "get leases.coordination.k8s.io 'team-a'",
                "update leases.coordination.k8s.io 'team-a'",
                "create leases.coordination.k8s.io",
            ]
        );
    }
}
