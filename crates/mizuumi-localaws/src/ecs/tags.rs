//! Tags of clusters, task definitions and tasks.

use serde_json::{Value, json};

use super::clusters::name_in;
use super::input::{self, client, invalid, required, texts};
use super::{Answer, Call, Common, Region};
use crate::protocol::ApiError;

/// API reference, `TagResource`: "Maximum number of tags per resource - 50".
const MOST: usize = 50;

impl Region {
    fn tags(&mut self, arn: &str) -> Result<&mut Vec<Value>, ApiError> {
        let found = if arn.contains(":cluster/") {
            self.clusters.get_mut(name_in(arn)).map(|cluster| &mut cluster.tags)
        } else if arn.contains(":task-definition/") {
            self.definition_mut(arn).map(|definition| &mut definition.tags)
        } else {
            self.tasks.iter_mut().find(|task| task.arn == arn).map(|task| &mut task.tags)
        };
        found.ok_or_else(|| client("The specified resource was not found."))
    }
}

/// `TagResource`: a key that is there gets another value.
pub(super) fn tag(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let arn = required(call.input, "resourceArn")?;
    let new = input::list(call.input, "tags");
    let tags = region.tags(arn)?;
    let mut after: Vec<Value> =
        tags.iter().filter(|tag| !new.iter().any(|new| new["key"] == tag["key"])).cloned().collect();
    after.extend(new.iter().cloned());
    if after.len() > MOST {
        return Err(invalid("Too many tags."));
    }
    *tags = after;
    call.wrote(arn);
    Ok(json!({}))
}

/// `UntagResource`.
pub(super) fn untag(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let arn = required(call.input, "resourceArn")?;
    let keys = texts(call.input, "tagKeys");
    region.tags(arn)?.retain(|tag| !tag["key"].as_str().is_some_and(|key| keys.contains(&key)));
    call.wrote(arn);
    Ok(json!({}))
}

/// `ListTagsForResource`.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let tags = region.tags(required(call.input, "resourceArn")?)?;
    Ok(json!({"tags": tags}))
}
