//! The Avro schema in S3 that says a table's columns: looked at by its ETag, and read when that is another one.

use mizuumi_core::data_table::avsc_from::{LARGEST, SeenAvsc};
use mizuumi_core::{Class, Failure, Lane};
use serde::{Deserialize, Serialize};

use crate::clients::ProfileClients;
use crate::gateway::api;
use crate::s3::objects;

/// A schema as the last look saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LookedAvsc {
    pub(crate) seen: SeenAvsc,
    /// That of the object that was read; none if none was.
    e_tag: Option<String>,
}

/// Looks at the schema at a location. One that may not be read is told, as somebody has to let it be read.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
    known: Option<LookedAvsc>,
) -> Result<LookedAvsc, Failure> {
    let unreadable = |why: String| LookedAvsc { seen: SeenAvsc::Unreadable(why), e_tag: None };
    match read(clients, lane, location, known).await {
        Ok(Some(seen)) => Ok(seen),
        Ok(None) => Ok(unreadable(format!(
            "the Avro schema {location} does not exist; write it, and the table follows by itself"
        ))),
        // Somebody wrote it anew between the two calls.
        Err(failure) if failure.class.is_transient() || failure.class == Class::Conflict => Err(failure),
        Err(failure) => Ok(unreadable(format!(
            "the Avro schema {location} cannot be read: {failure}; allow the table's role s3:GetObject on it, and \
             s3:ListBucket on its bucket"
        ))),
    }
}

/// The object, if there is one.
async fn read(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
    known: Option<LookedAvsc>,
) -> Result<Option<LookedAvsc>, Failure> {
    let api = api!("s3", "HeadObject", Read);
    let (bucket, key) = objects::place(api.name, location)?;
    let head = clients.s3.head_object().bucket(&bucket).key(&key);
    let Some(head) = clients.gateway.read(api, lane, || head.clone().send()).await? else { return Ok(None) };
    let e_tag = head.e_tag().map(str::to_owned);
    if let Some(known) = known.filter(|known| known.e_tag.is_some() && known.e_tag == e_tag) {
        return Ok(Some(known));
    }
    let told = |seen| Ok(Some(LookedAvsc { seen, e_tag: e_tag.clone() }));
    let size = head.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    if size > LARGEST {
        return told(SeenAvsc::Unreadable(format!(
            "the Avro schema {location} has {size} bytes; at most {LARGEST} are read, as it becomes a parameter of the table"
        )));
    }
    let api = api!("s3", "GetObject", Read);
    let get = clients.s3.get_object().bucket(bucket).key(key).set_if_match(e_tag.clone());
    let Some(answer) = clients.gateway.read(api, lane, || get.clone().send()).await? else { return Ok(None) };
    let bytes = objects::whole(api.name, answer.body).await?;
    told(match String::from_utf8(bytes) {
        Ok(text) => SeenAvsc::Text(text),
        Err(_) => SeenAvsc::Unreadable(format!("the Avro schema {location} is no text in UTF-8")),
    })
}
