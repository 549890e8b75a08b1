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

const KINDS: &[&str] =
    &["backfills", "datatables", "emrclusters", "ingestjobs", "ingestruns", "qualitychecks"];
const STATUSES: &[&str] = &[
    "backfills/status",
    "datatables/status",
    "emrclusters/status",
    "ingestjobs/status",
    "ingestruns/status",
    "qualitychecks/status",
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

    /// What whoever asks may not do of all that a controller does in these namespaces; none of them: in all.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn denied(&self, namespaces: &[String]) -> Result<Vec<Denied>, Error> {
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
        let mut asked = Vec::new();
        for access in ACCESS {
            let scopes = if access.is_namespaced { scopes.as_slice() } else { &[None] };
            for resource in access.resources {
                for verb in access.verbs {
                    asked.extend(scopes.iter().map(|scope| (access.group, *resource, *verb, scope.clone())));
                }
            }
        }
        let reviews = asked.into_iter().map(|(group, resource, verb, namespace)| async move {
            let is_allowed = self.may(group, resource, verb, namespace.as_deref()).await?;
            let of = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
            Ok((!is_allowed).then(|| Denied { what: format!("{verb} {of}"), namespace }))
        });
        let answers: Vec<Result<Option<Denied>, Error>> =
            stream::iter(reviews).buffered(REVIEWS).collect().await;
        answers.into_iter().filter_map(Result::transpose).collect()
    }

    async fn may(
        &self,
        group: &str,
        resource: &str,
        verb: &str,
        namespace: Option<&str>,
    ) -> Result<bool, Error> {
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (resource, None),
        };
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource,
            verb: Some(verb.to_owned()),
            namespace: namespace.map(str::to_owned),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Group, resource and verb of each access.
    type Rights = BTreeSet<(String, String, String)>;

    /// What the chart's rules grant in namespaces: lists in brackets, one after the other.
    fn granted() -> Rights {
        let text = include_str!("../../../charts/mizuumi/templates/_helpers.tpl");
        let (_, rest) = text.split_once("define \"mizuumi.rules\" -}}").expect("the rules are there");
        let (rules, _) = rest.split_once("{{- end }}").expect("they end");
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

    #[test]
    fn what_is_asked_for_is_what_the_chart_grants() {
        let mut asked = Rights::new();
        for access in ACCESS.iter().filter(|access| access.is_namespaced) {
            for resource in access.resources {
                let right =
                    |verb: &&str| (access.group.to_owned(), (*resource).to_owned(), (*verb).to_owned());
                asked.extend(access.verbs.iter().map(right));
            }
        }
        assert_eq!(asked, granted());
    }
}
