//! Rates that AWS publishes.

/// A published token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Preset {
    /// Tokens it holds.
    pub(super) burst: f64,
    /// Tokens a second that come in.
    pub(super) refill: f64,
}

/// EMR's default quotas (Service Quotas, "Amazon EMR": "Replenishment rate of … calls" and "The maximum number of API
/// requests that you can make per second" for each operation; `*` is all of EMR together).
const EMR: &[(&[&str], f64, f64)] = &[
    (&["*"], 25.0, 5.0),
    (&["DescribeCluster", "ListInstanceGroups"], 10.0, 1.0),
    (&["ListClusters"], 20.0, 0.5),
    (
        &[
            "AddJobFlowSteps",
            "CancelSteps",
            "DescribeStep",
            "ListInstances",
            "ListSteps",
            "ModifyCluster",
            "RunJobFlow",
            "TerminateJobFlows",
        ],
        10.0,
        0.5,
    ),
    (&["AddTags", "ListInstanceFleets", "RemoveTags"], 5.0, 0.5),
    (&["SetTerminationProtection"], 5.0, 0.2),
    (&["DescribeJobFlows"], 10.0, 0.2),
];

/// Athena's default quotas (Amazon Athena User Guide, "Service Quotas", per account API call quotas); `*` is what others have.
const ATHENA: &[(&[&str], f64, f64)] = &[
    (&["*"], 20.0, 5.0),
    (&["StartQueryExecution", "StopQueryExecution"], 80.0, 20.0),
    (&["GetQueryExecution", "GetQueryResults"], 200.0, 100.0),
    (&["BatchGetQueryExecution"], 40.0, 20.0),
];

/// The published bucket of an operation; EMR's others share the one of EMR as a whole.
pub(super) fn of(service: &str, operation: &str) -> Option<Preset> {
    let table = match service {
        "elasticmapreduce" => EMR,
        "athena" => ATHENA,
        _ => return None,
    };
    let (_, burst, refill) =
        table.iter().find(|(operations, ..)| operations.contains(&operation)).unwrap_or(&table[0]);
    Some(Preset { burst: *burst, refill: *refill })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emr_and_athena_have_published_rates_and_glue_has_none() {
        assert_eq!(of("athena", "StartQueryExecution"), Some(Preset { burst: 80.0, refill: 20.0 }));
        assert_eq!(of("elasticmapreduce", "RunJobFlow"), Some(Preset { burst: 10.0, refill: 0.5 }));
        assert_eq!(of("elasticmapreduce", "ListBootstrapActions"), Some(Preset { burst: 25.0, refill: 5.0 }));
        assert_eq!(of("glue", "GetTables"), None);
    }
}
