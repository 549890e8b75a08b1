//! The Glue calls about versions of a definition.

use mizuumi_core::{Errand, Failure, Lane};

use super::refused_part;
use crate::clients::ProfileClients;
use crate::gateway::api;

/// The versions of a table, the present one first; none if the table is not there.
pub(crate) async fn get(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
) -> Result<Vec<String>, Failure> {
    let get = clients.glue.get_table_versions().database_name(database).table_name(table);
    let mut all: Vec<u64> = Vec::new();
    let mut token = None;
    loop {
        let page = get.clone().set_next_token(token);
        let api = api!("glue", "GetTableVersions", Read);
        let Some(answer) = clients.gateway.read(api, lane, || page.clone().send()).await? else { break };
        // "A VersionID is a string representation of an integer" (AWS Glue API reference).
        all.extend(
            answer.table_versions().iter().filter_map(|version| version.version_id()?.parse::<u64>().ok()),
        );
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    // In which order Glue answers them is not documented.
    all.sort_unstable_by(|a, b| b.cmp(a));
    Ok(all.into_iter().map(|version| version.to_string()).collect())
}

/// Deletes versions; those that are gone already are as good.
pub(crate) async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    versions: &[String],
) -> Result<(), Failure> {
    let api = api!("glue", "BatchDeleteTableVersion", Write);
    let delete = clients
        .glue
        .batch_delete_table_version()
        .database_name(database)
        .table_name(table)
        .set_version_ids(Some(versions.to_vec()));
    let answer = clients.gateway.write(api, errand, || delete.clone().send()).await?;
    let errors = answer.map(|answer| answer.errors.unwrap_or_default()).unwrap_or_default();
    let code = |error: &aws_sdk_glue::types::TableVersionError| {
        error.error_detail().and_then(|detail| detail.error_code()).map(str::to_owned)
    };
    match errors.iter().find(|error| code(error).as_deref() != Some("EntityNotFoundException")) {
        None => Ok(()),
        Some(error) => Err(refused_part(
            api.name,
            &format!("version {}", error.version_id().unwrap_or_default()),
            error.error_detail(),
        )),
    }
}
