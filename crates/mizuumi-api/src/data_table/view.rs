//! A view: a query in the place of data.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A view of Athena.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct View {
    /// The query alone, in Athena's SQL, without `CREATE VIEW` and without a `;`. Tables that it names without a database are
    /// of the view's own. What it selects are the columns that `schema.columns` declares, in their order.
    #[schemars(length(min = 1, max = 131_072))]
    pub sql: String,
}
