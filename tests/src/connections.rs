//! What a team does with connections: it makes them, and waits for what they say.

use anyhow::bail;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use mizuumi_api::SourceConnection;
use serde_json::{Value, json};

use crate::tasks::IMAGE;
use crate::team::Team;

impl Team {
    /// The team's `SourceConnection`s.
    #[must_use]
    pub fn connections(&self) -> Api<SourceConnection> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes a connection to a MySQL, read by [`IMAGE`] unless the spec says otherwise.
    ///
    /// # Errors
    /// What the apiserver refuses.
    pub async fn try_connection(&self, name: &str, spec: Value) -> kube::Result<SourceConnection> {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "SourceConnection",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": { "type": "mysql", "image": IMAGE },
        });
        json_patch::merge(&mut manifest["spec"], &spec);
        let object = serde_json::from_value(manifest).expect("a connection");
        self.connections().create(&PostParams::default(), &object).await
    }

    /// Makes a connection.
    pub async fn create_connection(&self, name: &str, spec: Value) -> SourceConnection {
        let made = self.try_connection(name, spec).await;
        made.unwrap_or_else(|error| panic!("{name} is refused: {error}"))
    }

    /// Changes a connection by a merge patch of its spec.
    pub async fn change_connection(&self, name: &str, spec: Value) -> SourceConnection {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = self.connections().patch(name, &PatchParams::default(), &patch).await;
        patched.unwrap_or_else(|error| panic!("{name} cannot be changed: {error}"))
    }

    /// Deletes a connection.
    pub async fn delete_connection(&self, name: &str) {
        let deleted = self.connections().delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{name} cannot be deleted: {error}"));
    }

    /// Waits until a condition of a connection has this reason, and speaks of the spec as it is; answers the connection and the message.
    pub async fn connection_says(&self, name: &str, type_: &str, reason: &str) -> (SourceConnection, String) {
        self.connection_until(name, &format!("{type_} {reason}"), |connection| {
            let conditions = &connection.status.as_ref()?.conditions;
            let told = conditions.iter().find(|condition| condition.type_ == type_)?;
            let is_of_now = Some(told.observed_generation) == connection.metadata.generation;
            (told.reason == reason && is_of_now).then(|| told.message.clone())
        })
        .await
    }

    /// Waits until a connection is as expected.
    pub async fn connection_until<T>(
        &self,
        name: &str,
        what: &str,
        expected: impl Fn(&SourceConnection) -> Option<T>,
    ) -> (SourceConnection, T) {
        self.eventually(name, &format!("{name}: {what}"), async || {
            let connection = self.connections().get(name).await?;
            let Some(found) = expected(&connection) else { bail!("it says {:?}", connection.status) };
            Ok((connection, found))
        })
        .await
    }
}
