//! The calls of Athena: a query is started once for its client token, looked at, and its one row read.

use std::fmt;

use aws_sdk_athena::types::{
    AthenaError, QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatistics,
};
use mizuumi_core::quality_check::statement::digest;
use mizuumi_core::quality_check::{QueryLook, SeenQuery, StartQuery};
use mizuumi_core::{Class, Errand, Failure, Lane};

use crate::clients::ProfileClients;
use crate::gateway::api;

/// Starts a query; answers its id. Sent again with the same token, it starts none and answers the same.
pub(crate) async fn start(
    clients: &ProfileClients,
    errand: Errand<'_>,
    step: &StartQuery,
) -> Result<String, Failure> {
    let context = QueryExecutionContext::builder().database(&step.database).build();
    let start = clients
        .athena
        .start_query_execution()
        .query_string(&step.sql)
        .client_request_token(&step.token)
        .query_execution_context(context)
        .work_group(&step.workgroup);
    let api = api!("athena", "StartQueryExecution", Write);
    let answer = clients.gateway.write(api, errand, || start.clone().send()).await?;
    let id = answer.and_then(|answer| answer.query_execution_id);
    id.ok_or_else(|| strange("StartQueryExecution", "it answered without an id"))
}

/// Stops a query. One that is over already stays what it is.
pub(crate) async fn stop(clients: &ProfileClients, errand: Errand<'_>, id: &str) -> Result<(), Failure> {
    let stop = clients.athena.stop_query_execution().query_execution_id(id);
    let api = api!("athena", "StopQueryExecution", Write);
    clients.gateway.write(api, errand, || stop.clone().send()).await.map(drop)
}

fn strange(operation: &'static str, message: impl fmt::Display) -> Failure {
    Failure::new(operation, Class::Unavailable, message.to_string())
}

/// How many bytes a query of a workgroup may scan, where its settings cannot be set aside.
pub(crate) async fn cutoff(
    clients: &ProfileClients,
    lane: Lane,
    workgroup: &str,
) -> Result<Option<i64>, Failure> {
    let get = clients.athena.get_work_group().work_group(workgroup);
    let api = api!("athena", "GetWorkGroup", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let configuration = answer.and_then(|answer| answer.work_group).and_then(|group| group.configuration);
    Ok(configuration.and_then(|of| of.bytes_scanned_cutoff_per_query))
}

/// What has become of a query. One that is not the query that was written down is nobody's business here.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
    look: &QueryLook,
) -> Result<SeenQuery, Failure> {
    let failed = |why: String| SeenQuery::Failed { why, passes: false, scanned: 0 };
    let get = clients.athena.get_query_execution().query_execution_id(id);
    let api = api!("athena", "GetQueryExecution", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let Some(query) = answer.and_then(|answer| answer.query_execution) else {
        return Ok(failed(format!("Athena does not know the query '{id}' any more")));
    };
    let is_ours = query.query().map(digest).as_deref() == Some(look.statement.as_str())
        && query.work_group() == Some(look.workgroup.as_str());
    if !is_ours {
        return Ok(failed(format!("the query '{id}' is another than the one that was to be started")));
    }
    let scanned =
        query.statistics().and_then(QueryExecutionStatistics::data_scanned_in_bytes).unwrap_or_default();
    let status = query.status();
    Ok(match status.and_then(|status| status.state()) {
        Some(QueryExecutionState::Succeeded) => match numbers(clients, lane, id).await? {
            Ok(numbers) => SeenQuery::Answered { numbers, scanned },
            Err(why) => SeenQuery::Failed { why, passes: false, scanned },
        },
        Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
            let passes = status.and_then(|of| of.athena_error()).is_some_and(AthenaError::retryable);
            SeenQuery::Failed { why: why(&query), passes, scanned }
        }
        _ => SeenQuery::Runs,
    })
}

fn why(query: &QueryExecution) -> String {
    let status = query.status();
    let state = status.and_then(|of| of.state()).map_or("ended", QueryExecutionState::as_str).to_lowercase();
    let reason = status.and_then(|of| of.state_change_reason()).unwrap_or("Athena does not say why");
    format!("the query {state}: {reason}")
}

/// Where in S3 the rows are that a query has picked, and why there are none; nothing while it runs.
pub(crate) async fn rows(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
) -> Result<Option<Result<String, String>>, Failure> {
    let get = clients.athena.get_query_execution().query_execution_id(id);
    let api = api!("athena", "GetQueryExecution", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let Some(query) = answer.and_then(|answer| answer.query_execution) else {
        return Ok(Some(Err(format!("Athena does not know the query '{id}' any more"))));
    };
    let place = query.result_configuration().and_then(|of| of.output_location());
    Ok(match query.status().and_then(|status| status.state()) {
        Some(QueryExecutionState::Succeeded) => {
            Some(place.map(str::to_owned).ok_or_else(|| "Athena does not say where they are".to_owned()))
        }
        Some(QueryExecutionState::Failed | QueryExecutionState::Cancelled) => Some(Err(why(&query))),
        _ => None,
    })
}

/// The numbers of the answer's one row, which follows the names of the columns.
async fn numbers(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
) -> Result<Result<Vec<Option<f64>>, String>, Failure> {
    let get = clients.athena.get_query_results().query_execution_id(id).max_results(2);
    let api = api!("athena", "GetQueryResults", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let rows = answer.and_then(|answer| answer.result_set).and_then(|set| set.rows).unwrap_or_default();
    let Some(row) = rows.get(1) else { return Ok(Err("Athena answered no row".to_owned())) };
    let number = |text: &str| {
        // As Java writes them, but for what Rust reads too.
        text.parse().map_err(|_| format!("Athena answered '{text}' where a number has to be"))
    };
    let numbers = row.data().iter().map(|value| value.var_char_value().map(number).transpose());
    Ok(numbers.collect())
}
