//! What may be done to external objects: the policies that several kinds have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to the external object when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays, without Mizuumi's marks.
    #[default]
    Retain,
    /// It is deleted from AWS. Data in S3 stays.
    Delete,
}

/// Whether the controller writes to AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// It creates, updates and deletes.
    #[default]
    Full,
    /// It looks and tells, and never writes.
    ObserveOnly,
    /// It looks and shows in `status.plan` what it would do, and never writes.
    Plan,
}
