//! Manifests of runs: read as they were asked for, and written once.

use std::collections::BTreeMap;

use mizuumi_core::data_table::world::{ManifestLook, SeenManifest};
use mizuumi_core::publication::{Manifest, sha256};
use mizuumi_core::{Errand, Failure, Lane};

use crate::clients::ProfileClients;
use crate::gateway::api;
use crate::s3::objects;

/// Larger ones are not read: it takes some 300 bytes for a partition.
const LARGEST: i64 = 256 * 1024 * 1024;

/// A manifest and the SHA-256 of its file, or why it cannot be read.
pub(crate) type Found = Result<(Manifest, String), String>;

/// The manifest at a location; none if there is nothing.
pub(crate) async fn read(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
) -> Result<Option<Found>, Failure> {
    let bytes = objects::read(clients, lane, location, LARGEST).await?;
    Ok(bytes.map(|bytes| {
        let bytes = bytes?;
        let manifest = Manifest::read(&bytes).ok_or_else(|| format!("{location} is no manifest"))?;
        Ok((manifest, sha256(&bytes)))
    }))
}

/// The manifests of a look, by SHA-256; those that have been read are not read again. One that may not be read is the affair
/// of its run alone.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    wanted: &[ManifestLook],
    mut known: BTreeMap<String, SeenManifest>,
) -> Result<BTreeMap<String, SeenManifest>, Failure> {
    let mut found = BTreeMap::new();
    for one in wanted {
        let seen = match known.remove(&one.sha256) {
            Some(read @ SeenManifest::Read(_)) => read,
            _ => match read(clients, lane, &one.location).await {
                Err(failure) if failure.class.is_transient() => return Err(failure),
                Err(failure) => SeenManifest::Unreadable(failure.to_string()),
                Ok(None) => SeenManifest::Wrong(format!("{} is gone", one.location)),
                Ok(Some(Err(why))) => SeenManifest::Wrong(why),
                Ok(Some(Ok((_, digest)))) if digest != one.sha256 => {
                    SeenManifest::Wrong(format!("{} is not the one that it asked for", one.location))
                }
                Ok(Some(Ok((manifest, _)))) => SeenManifest::Read(manifest),
            },
        };
        found.insert(one.sha256.clone(), seen);
    }
    Ok(found)
}

/// Writes a manifest where there is none; where there is one, that is a conflict, and the next look reads it.
pub(crate) async fn write(
    clients: &ProfileClients,
    errand: Errand<'_>,
    location: &str,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let api = api!("s3", "PutObject", Write);
    let (bucket, key) = objects::place(api.name, location)?;
    let bytes = manifest.bytes();
    let send = || {
        let put = clients.s3.put_object().bucket(&bucket).key(&key).if_none_match("*");
        put.content_type("application/json").body(bytes.clone().into()).send()
    };
    let made = clients.gateway.write(api, errand, send).await?;
    made.map(drop).ok_or_else(|| objects::no_bucket(api.name, location))
}
