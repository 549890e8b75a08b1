//! Objects by their location: their names, their bytes, written and deleted.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use mizuumi_core::{Class, Errand, Failure, Lane, s3_uri};

use super::{bucket_and_prefix, pages};
use crate::clients::ProfileClients;
use crate::error::classify;
use crate::gateway::api;

/// DeleteObjects takes so many keys, and a page of a list has as many (Amazon S3 API reference).
const AT_ONCE: usize = 1_000;

/// The names of all objects under a location that ends in `/`, without it.
pub(crate) async fn names(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
) -> Result<Vec<String>, Failure> {
    names_of(clients, lane, bucket_and_prefix(location)?, usize::MAX).await
}

/// The same of the first page.
pub(crate) async fn some_names(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
) -> Result<Vec<String>, Failure> {
    names_of(clients, lane, bucket_and_prefix(location)?, 1).await
}

/// The rest of the names of objects whose place begins so, whatever follows there, as far as the first page tells.
pub(crate) async fn some_endings(
    clients: &ProfileClients,
    lane: Lane,
    beginning: &str,
) -> Result<Vec<String>, Failure> {
    names_of(clients, lane, place("s3:ListObjectsV2", beginning)?, 1).await
}

/// The names under a location that come after one, up to another, in the order of names.
pub(crate) async fn names_between(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
    (after, until): (&str, &str),
) -> Result<Vec<String>, Failure> {
    let (bucket, prefix) = bucket_and_prefix(location)?;
    let api = api!("s3", "ListObjectsV2", Read);
    let request = clients.s3.list_objects_v2().bucket(&bucket).prefix(&prefix);
    let mut all = Vec::new();
    let mut after = after.to_owned();
    loop {
        let page = request.clone().start_after(format!("{prefix}{after}"));
        let answer = clients.gateway.read(api, lane, || page.clone().send()).await?;
        let answer = answer.ok_or_else(|| no_bucket(api.name, location))?;
        let names = answer.contents().iter().filter_map(|object| object.key()?.strip_prefix(&prefix));
        all.extend(names.map(str::to_owned));
        let is_whole = answer.is_truncated() != Some(true);
        match all.last().filter(|last| !is_whole && last.as_str() < until) {
            Some(last) => after.clone_from(last),
            None => break,
        }
    }
    all.retain(|name| name.as_str() < until);
    Ok(all)
}

async fn names_of(
    clients: &ProfileClients,
    lane: Lane,
    (bucket, prefix): (String, String),
    most: usize,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    pages(clients, lane, (&bucket, &prefix), None, most, |page| {
        let names = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&prefix));
        all.extend(names.map(str::to_owned));
    })
    .await?;
    Ok(all)
}

/// An object's bytes, once all of them are there.
pub(crate) async fn whole(operation: &'static str, body: ByteStream) -> Result<Vec<u8>, Failure> {
    let body = body.collect().await.map_err(|error| {
        Failure::new(operation, Class::Unavailable, format!("the answer broke off: {error}"))
    })?;
    Ok(body.to_vec())
}

/// The bytes of an object if it is there; or that it is larger than what is read.
pub(crate) async fn read(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
    largest: i64,
) -> Result<Option<Result<Vec<u8>, String>>, Failure> {
    let api = api!("s3", "GetObject", Read);
    let (bucket, key) = place(api.name, location)?;
    let get = clients.s3.get_object().bucket(bucket).key(key);
    let Some(answer) = clients.gateway.read(api, lane, || get.clone().send()).await? else { return Ok(None) };
    if answer.content_length().is_none_or(|length| length > largest) {
        return Ok(Some(Err(format!("{location} is larger than {largest} bytes"))));
    }
    whole(api.name, answer.body).await.map(|bytes| Some(Ok(bytes)))
}

/// Writes an object, whatever was there.
pub(crate) async fn put(
    clients: &ProfileClients,
    errand: Errand<'_>,
    location: &str,
    bytes: Vec<u8>,
) -> Result<(), Failure> {
    let api = api!("s3", "PutObject", Write);
    let (bucket, key) = place(api.name, location)?;
    let send = || clients.s3.put_object().bucket(&bucket).key(&key).body(bytes.clone().into()).send();
    let made = clients.gateway.write(api, errand, send).await?;
    made.map(drop).ok_or_else(|| no_bucket(api.name, location))
}

/// Deletes objects, all in one bucket; those that are gone already are as good.
pub(crate) async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    locations: Vec<String>,
) -> Result<(), Failure> {
    let api = api!("s3", "DeleteObjects", Write);
    for some in locations.chunks(AT_ONCE) {
        let places = some.iter().map(|one| place(api.name, one)).collect::<Result<Vec<_>, _>>()?;
        let Some(bucket) = places.first().map(|(bucket, _)| bucket.clone()) else { continue };
        let unbuilt = |error: aws_sdk_s3::error::BuildError| failure(api.name, error.to_string());
        let objects = places
            .into_iter()
            .map(|(_, key)| ObjectIdentifier::builder().key(key).build().map_err(unbuilt))
            .collect::<Result<Vec<_>, _>>()?;
        let objects = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(unbuilt)?;
        let delete = clients.s3.delete_objects().bucket(bucket).delete(objects);
        let answer = clients.gateway.write(api, errand, || delete.clone().send()).await?;
        let Some(error) = answer.as_ref().and_then(|answer| answer.errors().first()) else { continue };
        let code = error.code().unwrap_or("no code");
        return Err(Failure::new(
            api.name,
            classify(code).unwrap_or(Class::Unknown),
            format!("{}: {code}: {}", error.key().unwrap_or_default(), error.message().unwrap_or_default()),
        ));
    }
    Ok(())
}

/// Bucket and key of an object.
pub(crate) fn place(operation: &'static str, location: &str) -> Result<(String, String), Failure> {
    let place = s3_uri::bucket_and_prefix(location);
    // A location of a file: the final `/` that marks a directory is none of its key.
    let place = place.map(|(bucket, key)| (bucket, key.trim_end_matches('/').to_owned()));
    place.ok_or_else(|| failure(operation, format!("'{location}' is no S3 location")))
}

/// There is no such bucket.
pub(crate) fn no_bucket(operation: &'static str, location: &str) -> Failure {
    failure(operation, format!("the bucket of {location} is gone"))
}

fn failure(operation: &'static str, message: String) -> Failure {
    Failure::new(operation, Class::Invalid, message)
}
