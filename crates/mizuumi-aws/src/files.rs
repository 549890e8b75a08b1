//! The newest files of a table: how many, how large, and what they say of their columns.

use std::collections::BTreeMap;

use mizuumi_api::data_table::Format;
use mizuumi_core::data_table::files::FilesHealth;
use mizuumi_core::data_table::learning;
use mizuumi_core::data_table::partitions;
use mizuumi_core::data_table::world::{
    Directory, FilesLook, ManifestLook, SeenFiles, SeenManifest, SeenSchema,
};
use mizuumi_core::{Class, Failure, Lane};
use mizuumi_files::{End, FileFormat, Reading, Said};

use crate::clients::ProfileClients;
use crate::gateway::api;
use crate::glue::Partitions;
use crate::s3::{self, File};

/// So many places are looked into for files: the newest may be empty.
const PLACES: usize = 3;
/// So many pages of a list of a directory; and of a table's, where the newest file may be anywhere.
const PAGES: usize = 1;
const PAGES_OF_A_TABLE: usize = 10;
/// So much of a file is read first: most footers are shorter.
const FIRST: u64 = 64 * 1024;
/// How often a file is read further: each time it says how much is missing.
const FURTHER: usize = 3;

/// Where a table's files may be.
pub(crate) struct Places<'a> {
    pub(crate) partitions: &'a Partitions,
    pub(crate) directories: Option<&'a [Directory]>,
    pub(crate) manifests: &'a BTreeMap<String, SeenManifest>,
    pub(crate) asked: &'a [ManifestLook],
    /// What the table itself points to.
    pub(crate) table: Option<&'a str>,
}

impl Places<'_> {
    /// The newest first; what runs are about to bring is newer than all that is there.
    fn newest(&self, look: &FilesLook) -> Vec<String> {
        let mut places = Vec::new();
        if look.is_of_columns() {
            let asked = self.asked.iter().rev().filter_map(|asked| match self.manifests.get(&asked.sha256) {
                Some(SeenManifest::Read(manifest)) => manifest.partitions.last(),
                _ => None,
            });
            places.extend(asked.filter_map(|partition| partition.location.clone()));
        }
        if let Some(root) = &look.location {
            places.push(self.table.unwrap_or(root).to_owned());
        } else {
            let registered = self.partitions.iter();
            let registered =
                registered.filter_map(|(values, partition)| Some((values, partition.location.as_deref()?)));
            let waiting = self.directories.iter().flat_map(|all| all.iter());
            let waiting = waiting.filter(|directory| directory.newest.is_some());
            let waiting = waiting.map(|directory| (&directory.values, directory.location.as_str()));
            let mut all: Vec<_> = registered.chain(waiting).collect();
            all.retain(|(values, _)| partitions::is_known(values));
            all.sort_by_cached_key(|&(values, _)| partitions::age(values));
            places.extend(all.iter().rev().take(PLACES).map(|(_, location)| (*location).to_owned()));
        }
        places.extend(look.places.iter().cloned());
        places.truncate(if look.is_of_columns() || look.times { PLACES } else { 1 });
        places
    }
}

/// Looks at the newest files; what was read of them before need not be read again, nor those counted anew, unless everything
/// is looked at. Where they are only counted, nothing depends on it: what cannot be counted is left as it was known.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    look: &FilesLook,
    places: &Places<'_>,
    known: Option<SeenFiles>,
    everywhere: bool,
) -> Result<Option<SeenFiles>, Failure> {
    let pages = if look.location.is_some() || look.times { PAGES_OF_A_TABLE } else { PAGES };
    // Where nothing depends on them, files are only counted.
    let counts_only = !look.is_of_columns() && !look.times;
    for place in places.newest(look) {
        let is_known = known.as_ref().is_some_and(|known| known.location.as_deref() == Some(place.as_str()));
        if is_known && counts_only && !everywhere {
            return Ok(known);
        }
        let files = match s3::files(clients, lane, &place, pages).await {
            Ok(files) if files.is_empty() && !counts_only => continue,
            Ok(files) => files,
            Err(_) if counts_only => return Ok(known),
            Err(failure) if !look.is_of_columns() || failure.class.is_transient() => return Err(failure),
            Err(failure) => {
                let why = SeenSchema::Unreadable(failure.to_string());
                return Ok(Some(nothing(Some(place), Some(why))));
            }
        };
        let health = FilesHealth::of(files.iter().map(|file| file.size).collect());
        let newest = files.iter().filter_map(|file| file.written).max();
        let mut seen = SeenFiles { location: Some(place), health, newest, schema: None, read: Vec::new() };
        let Some(format) = look.columns else { return Ok(Some(seen)) };
        let some = some_of(&files);
        seen.read = some.iter().map(|file| format!("{} {}", file.uri(), file.e_tag)).collect();
        seen.schema = match known {
            Some(known) if known.read == seen.read => known.schema,
            _ => match read(clients, lane, format, look.by_place, &some).await {
                Ok(schema) => Some(schema),
                Err(failure) if failure.class.is_transient() => return Err(failure),
                Err(failure) => {
                    // Somebody has to let it be read; that is seen by trying.
                    seen.read.clear();
                    Some(SeenSchema::Unreadable(failure.to_string()))
                }
            },
        };
        return Ok(Some(seen));
    }
    let schema = look.columns.map(|_| SeenSchema::NoFiles);
    Ok(Some(nothing(None, schema)))
}

fn nothing(location: Option<String>, schema: Option<SeenSchema>) -> SeenFiles {
    SeenFiles { location, health: FilesHealth::default(), newest: None, schema, read: Vec::new() }
}

/// The newest file, and the one that is farthest from it in time: what two writers do not agree about, these do not either.
fn some_of(files: &[File]) -> Vec<&File> {
    let age = |file: &&File| (file.written, file.key.clone());
    let (newest, oldest) = (files.iter().max_by_key(age), files.iter().min_by_key(age));
    let mut some: Vec<&File> = newest.into_iter().chain(oldest).collect();
    some.dedup_by_key(|file| &file.key);
    some
}

async fn read(
    clients: &ProfileClients,
    lane: Lane,
    format: Format,
    by_place: bool,
    files: &[&File],
) -> Result<SeenSchema, Failure> {
    let Some(format) = format_of(format) else {
        return Ok(SeenSchema::Unreadable(format!("{} files do not say their columns", format.name())));
    };
    let mut all: Option<Said> = None;
    for file in files {
        let said = match columns(clients, lane, format, file).await? {
            Ok(said) => said,
            Err(why) => return Ok(SeenSchema::Unreadable(format!("{} {why}", file.uri()))),
        };
        all = Some(match all {
            None => said,
            Some(newer) => match learning::together(&newer.columns, &said.columns, by_place) {
                Ok(columns) => Said { columns, ..newer },
                Err(why) => {
                    let newest = files[0].uri();
                    return Ok(SeenSchema::Unreadable(format!("{newest} and {}: {why}", file.uri())));
                }
            },
        });
    }
    Ok(match (all, files.first()) {
        (Some(Said { columns, avro }), Some(newest)) => {
            SeenSchema::Read { file: newest.uri(), columns, avro }
        }
        _ => SeenSchema::NoFiles,
    })
}

const fn format_of(format: Format) -> Option<FileFormat> {
    match format {
        Format::Parquet => Some(FileFormat::Parquet),
        Format::Orc => Some(FileFormat::Orc),
        Format::Avro => Some(FileFormat::Avro),
        Format::Csv | Format::Json | Format::Text => None,
    }
}

/// What one file says, or why it says nothing.
async fn columns(
    clients: &ProfileClients,
    lane: Lane,
    format: FileFormat,
    file: &File,
) -> Result<Result<Said, String>, Failure> {
    let mut length = FIRST.min(file.size);
    for _ in 0..=FURTHER {
        let part = part(clients, lane, format.end(), file, length).await?;
        match format.read(&part, length >= file.size) {
            Ok(Reading::Said(said)) => return Ok(Ok(said)),
            Ok(Reading::Needs(more)) if more > length => length = more.min(file.size),
            Ok(Reading::Needs(_)) => break,
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Err("says again and again that there is more to read".to_owned()))
}

/// So many bytes of one end of a file, as it was when it was listed.
async fn part(
    clients: &ProfileClients,
    lane: Lane,
    end: End,
    file: &File,
    length: u64,
) -> Result<Vec<u8>, Failure> {
    let api = api!("s3", "GetObject", Read);
    if length == 0 {
        return Ok(Vec::new());
    }
    let range = match end {
        End::Head => format!("bytes=0-{}", length - 1),
        End::Tail => format!("bytes={}-{}", file.size - length, file.size - 1),
    };
    let get = clients.s3.get_object().bucket(&file.bucket).key(&file.key).range(range).if_match(&file.e_tag);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let answer = answer
        .ok_or_else(|| Failure::new(api.name, Class::Unavailable, format!("{} is gone", file.uri())))?;
    s3::objects::whole(api.name, answer.body).await
}

impl File {
    fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}
