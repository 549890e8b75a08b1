//! Whether the API server's definitions of the resources know every field that this program knows.
//!
//! Fields that a definition does not know are taken off whatever is read or written by it: in silence, without a new
//! generation, and for good with the next write, be it of a status. What was asked for would look as if nobody had ever
//! asked for it, and tables would be changed accordingly. So this program ends rather than use a definition that lacks
//! something; one that knows more does no harm.

use std::pin::pin;

use futures::future::Either;
use futures::{StreamExt, TryStreamExt, future, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tracing::warn;

use crate::error::{Error, in_time};
use crate::workers::chain;

/// So many fields are named.
const NAMED: usize = 5;

/// Looks at the definitions before any resource is read; what is answered ends, with what is wrong, once one of them has
/// become older than this program. Where they may not be read, that is said once, and nobody looks.
///
/// # Errors
/// If one is older, or cannot be read for another reason than that it may not.
pub(crate) async fn check(client: &Client) -> Result<impl Future<Output = Error> + use<>, Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let ours = mizuumi_api::crd::all().map_err(Error::StartOwnDefinitions)?;
    for ours in &ours {
        let name = ours.name_any();
        match in_time(api.get(&name), Error::StartDefinition).await {
            Ok(served) => holds(ours, &served)?,
            Err(Error::StartDefinition(error)) if is_forbidden(&error) => {
                warn!(
                    definition = name,
                    "the definition may not be read, so that one older than this program would not be noticed and \
                     could lose what resources say; allow get, list and watch of customresourcedefinitions"
                );
                return Ok(Either::Left(future::pending()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Either::Right(outdated(api, ours)))
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 403)
}

/// Ends once a definition lacks something.
async fn outdated(api: Api<CustomResourceDefinition>, ours: Vec<CustomResourceDefinition>) -> Error {
    let watches = ours.into_iter().map(|ours| {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", ours.name_any()));
        let served = watcher(api.clone(), config).default_backoff().applied_objects().boxed();
        served.map(move |served| match served {
            Ok(served) => holds(&ours, &served),
            Err(error) => {
                warn!(error = %chain(&error), "the watch of the definitions was interrupted");
                Ok(())
            }
        })
    });
    let mut watches = pin!(stream::select_all(watches));
    loop {
        if let Err(error) = watches.try_next().await {
            return error;
        }
    }
}

/// Whether a definition knows everything that ours knows.
pub(crate) fn holds(ours: &CustomResourceDefinition, served: &CustomResourceDefinition) -> Result<(), Error> {
    let mut lacking = Vec::new();
    for version in &ours.spec.versions {
        let there = served.spec.versions.iter().find(|there| there.served && there.name == version.name);
        match (schema(version), there.and_then(schema)) {
            (Some(ours), Some(served)) => lacks(served, ours, "", &mut lacking),
            (Some(_), None) => lacking.push(version.name.clone()),
            (None, _) => {}
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let more = lacking.len().saturating_sub(NAMED);
    lacking.truncate(NAMED);
    let mut fields = lacking.join(", ");
    if more > 0 {
        fields = format!("{fields} and {more} more");
    }
    Err(Error::OlderDefinition { definition: ours.name_any(), fields })
}

fn schema(version: &CustomResourceDefinitionVersion) -> Option<&JSONSchemaProps> {
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

/// Finds the fields at a path that one schema takes off and ours has.
fn lacks(served: &JSONSchemaProps, ours: &JSONSchemaProps, path: &str, found: &mut Vec<String>) {
    if served.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    for (name, ours) in ours.properties.iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match served.properties.as_ref().and_then(|fields| fields.get(name)) {
            Some(served) => lacks(served, ours, &path, found),
            None => found.push(path),
        }
    }
    if let Some(JSONSchemaPropsOrArray::Schema(ours)) = &ours.items {
        match &served.items {
            Some(JSONSchemaPropsOrArray::Schema(served)) => lacks(served, ours, &format!("{path}[]"), found),
            _ => found.push(format!("{path}[]")),
        }
    }
    if let Some(JSONSchemaPropsOrBool::Schema(ours)) = &ours.additional_properties {
        match &served.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(served)) => lacks(served, ours, &format!("{path}.*"), found),
            Some(JSONSchemaPropsOrBool::Bool(true)) => {}
            Some(JSONSchemaPropsOrBool::Bool(false)) | None => found.push(format!("{path}.*")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> CustomResourceDefinition {
        mizuumi_api::crd::all().expect("definitions").remove(0)
    }

    /// Our definition after a change of its fields, and what is said of it.
    fn said_of(change: impl FnOnce(&mut JSONSchemaProps)) -> Result<(), String> {
        let mut served = ours();
        let schema =
            served.spec.versions[0].schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        change(schema.expect("a schema"));
        holds(&ours(), &served).map_err(|error| error.to_string())
    }

    fn spec(schema: &mut JSONSchemaProps) -> &mut JSONSchemaProps {
        schema.properties.as_mut().and_then(|fields| fields.get_mut("spec")).expect("a spec")
    }

    fn field<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> &'a mut JSONSchemaProps {
        schema.properties.as_mut().and_then(|fields| fields.get_mut(name)).expect("a field")
    }

    #[test]
    fn the_same_and_more_hold() {
        assert_eq!(said_of(|_| {}), Ok(()));
        let more = |schema: &mut JSONSchemaProps| {
            let fields = spec(schema).properties.get_or_insert_default();
            fields.insert("later".to_owned(), JSONSchemaProps::default());
        };
        assert_eq!(said_of(more), Ok(()));
    }

    #[test]
    fn what_is_lacking_is_named_wherever_it_is() {
        let nowhere = |schema: &mut JSONSchemaProps| {
            spec(schema).properties.get_or_insert_default().remove("parameters");
            field(spec(schema), "serdeParameters").additional_properties = None;
            let columns = field(field(spec(schema), "schema"), "columns");
            let Some(JSONSchemaPropsOrArray::Schema(column)) = &mut columns.items else { panic!("a list") };
            column.properties.get_or_insert_default().remove("comment");
        };
        let said = said_of(nowhere).expect_err("it is older");
        for part in [
            "datatables.mizuumi.dev",
            "spec.parameters",
            "spec.serdeParameters.*",
            "spec.schema.columns[].comment",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let all = said_of(|schema| spec(schema).properties = None).expect_err("it is older");
        assert!(all.contains(" more"), "{all}");
    }

    #[test]
    fn a_definition_that_keeps_what_it_does_not_know_takes_nothing_off() {
        let keeps = |schema: &mut JSONSchemaProps| {
            spec(schema).properties = None;
            spec(schema).x_kubernetes_preserve_unknown_fields = Some(true);
        };
        assert_eq!(said_of(keeps), Ok(()));
    }

    #[test]
    fn a_version_that_is_not_served_lacks_everything() {
        let mut served = ours();
        served.spec.versions[0].served = false;
        let said = holds(&ours(), &served).expect_err("it is older").to_string();
        assert!(said.contains("lacks v1alpha1"), "{said}");
    }
}
