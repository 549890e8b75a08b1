//! Resources read once for a person: by name, by what they have to do with each other, or all of a kind.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures::StreamExt;
use futures::stream;
use kube::api::ListParams;
use kube::{Api, Resource};
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, QualityCheck, ResourceId,
    ResourceKind, SourceConnection,
};
use mizuumi_core::describe::{self, Branch};
use mizuumi_core::explain::{self, Explanation, Need, Object, Seen};
use mizuumi_core::lineage::{self, Asked, Lineage};
use serde::de::DeserializeOwned;

use crate::error::{Error, asked};
use crate::events;
use crate::lookup::Lookup;
use crate::workers::chain;

/// A page of a list.
const PAGE: u32 = 500;
/// So many reads at once.
const READS: usize = 8;

impl Lookup {
    /// Explains a resource, reading whatever that takes; none if there is no such resource.
    ///
    /// # Errors
    /// If the resource itself cannot be read. What else cannot be is told in the explanation.
    pub async fn explain(&self, id: &ResourceId) -> Result<Option<Explanation>, Error> {
        let seen = self.first(id).await?;
        let mut explanation = self.answer(seen, |seen| explain::explain(id, seen)).await;
        if let Some(explanation) = &mut explanation {
            for failing in explanation.node.failing() {
                let told = events::last_failure(&self.client, &failing).await;
                explanation.node.tell_failure(&failing, &told.map_err(|error| chain(&error)));
            }
        }
        Ok(explanation)
    }

    /// Describes a resource and those that it has to do with; none if there is no such resource.
    ///
    /// # Errors
    /// If the resource itself cannot be read. What else cannot be is told in the tree.
    pub async fn describe(&self, id: &ResourceId) -> Result<Option<Branch>, Error> {
        let seen = self.first(id).await?;
        Ok(self.answer(seen, |seen| describe::describe(id, seen)).await)
    }

    /// Follows a table from job to job. What cannot be read is told.
    ///
    /// # Errors
    /// If there is no such table, with what could not be read.
    pub async fn lineage(&self, asked: Asked<'_>) -> Result<Lineage, Vec<String>> {
        self.answer(Seen::default(), |seen| lineage::lineage(asked, &self.namespace, seen)).await
    }

    /// A resource alone: without it there is nothing to tell.
    async fn first(&self, id: &ResourceId) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        let first = Need::Resource(id.clone());
        seen.keep(first.clone(), Ok(self.read(&first).await?));
        Ok(seen)
    }

    /// Reads until there is an answer.
    async fn answer<T>(&self, mut seen: Seen, ask: impl Fn(&Seen) -> Result<T, BTreeSet<Need>>) -> T {
        loop {
            let needs = match ask(&seen) {
                Ok(answer) => return answer,
                Err(needs) => needs,
            };
            let read = async |need: Need| {
                let answer = self.read(&need).await.map_err(|error| chain(&error));
                (need, answer)
            };
            let answers: Vec<_> = stream::iter(needs).map(read).buffer_unordered(READS).collect().await;
            for (need, answer) in answers {
                seen.keep(need, answer);
            }
        }
    }

    /// Reads what an answer needs.
    async fn read(&self, need: &Need) -> Result<Vec<Object>, Error> {
        let mut found = Vec::new();
        match need {
            Need::Resource(id) => {
                let by_name = format!("metadata.name={}", id.name);
                let namespace = id.kind.is_namespaced().then_some(id.namespace.as_str());
                self.each(id.kind, namespace, Some(&by_name), |object| found.push(object)).await?;
            }
            Need::TablesOf(database) => {
                let of = format!("spec.database={database}");
                self.each(ResourceKind::DataTable, None, Some(&of), |object| found.push(object)).await?;
            }
            Need::OfTable { kind, namespace, table } => {
                let path = if *kind == ResourceKind::IngestJob { "spec.run.table" } else { "spec.table" };
                let of = format!("{path}={table}");
                self.each(*kind, Some(namespace), Some(&of), |object| found.push(object)).await?;
            }
            Need::ClustersOf(class) => {
                let of = format!("spec.className={class}");
                self.each(ResourceKind::EmrCluster, None, Some(&of), |object| found.push(object)).await?;
            }
            Need::AllOf { kind, namespace } => {
                self.each(*kind, namespace.as_deref(), None, |object| found.push(object)).await?;
            }
        }
        Ok(found)
    }

    /// Reads all resources of a kind, page by page: of a namespace, or of all; of those the ones that a field selector says.
    ///
    /// # Errors
    /// If the API server cannot be asked, or says no.
    pub async fn each(
        &self,
        kind: ResourceKind,
        namespace: Option<&str>,
        fields: Option<&str>,
        mut take: impl FnMut(Object),
    ) -> Result<(), Error> {
        let params = ListParams { field_selector: fields.map(str::to_owned), ..ListParams::default() };
        match kind {
            ResourceKind::DataTable => {
                let api: Api<DataTable> = self.api(namespace);
                pages(&api, params, |it| take(Object::Table(Box::new(it)))).await
            }
            ResourceKind::IngestJob => {
                let api: Api<IngestJob> = self.api(namespace);
                pages(&api, params, |it| take(Object::Job(Box::new(it)))).await
            }
            ResourceKind::IngestRun => {
                let api: Api<IngestRun> = self.api(namespace);
                pages(&api, params, |it| take(Object::Run(Box::new(it)))).await
            }
            ResourceKind::EmrCluster => {
                let api: Api<EmrCluster> = self.api(namespace);
                pages(&api, params, |it| take(Object::Cluster(Box::new(it)))).await
            }
            ResourceKind::QualityCheck => {
                let api: Api<QualityCheck> = self.api(namespace);
                pages(&api, params, |it| take(Object::Check(Box::new(it)))).await
            }
            ResourceKind::SourceConnection => {
                let api: Api<SourceConnection> = self.api(namespace);
                pages(&api, params, |it| take(Object::Source(Box::new(it)))).await
            }
            ResourceKind::Backfill => {
                let api: Api<Backfill> = self.api(namespace);
                pages(&api, params, |it| take(Object::Backfill(Box::new(it)))).await
            }
            ResourceKind::EmrClusterClass => {
                let api = Api::<EmrClusterClass>::all(self.client.clone());
                pages(&api, params, |it| take(Object::Class(Box::new(it)))).await
            }
        }
    }

    fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// Reads a list page by page; one that the API server has forgotten meanwhile begins anew, which shows some twice, so it is an
/// error rather than that.
async fn pages<K>(api: &Api<K>, params: ListParams, mut take: impl FnMut(K)) -> Result<(), Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut params = params.limit(PAGE);
    loop {
        let page = asked(api.list(&params), Error::ReadObject).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(()),
        }
    }
}
