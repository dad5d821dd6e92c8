//! Folders of recordings and images, and the classes that their names tell.

use super::{Array, DataError};
use std::path::{Path, PathBuf};

const RECORDINGS: [&str; 3] = ["wav", "flac", "ogg"];
const IMAGES: [&str; 3] = ["jpg", "jpeg", "png"];
pub(super) const LABELS_NEEDED: &str =
    "class folders, or files named NNNN_name with the class number first, are needed";

/// The label of words that a model knows only as something else.
const UNKNOWN: &str = "unknown";

/// A file and what its place tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub path: PathBuf,
    pub class: Class,
}

/// What is known of a file's class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The folder that it lies in, and that folder's place among all that hold files.
    Folder { name: String, place: usize },
    /// The number that its name begins with.
    Number(i64),
    /// Nothing.
    None,
}

/// All recordings and images of a folder, by class folder and name.
pub(super) fn list(path: &Path) -> Result<Vec<File>, DataError> {
    let (folders, own): (Vec<_>, Vec<_>) = entries(path)?.into_iter().partition(|entry| entry.is_dir());
    let mut files = Vec::new();
    if folders.is_empty() {
        let class = |path: &Path| number(&name_of(path)).map_or(Class::None, Class::Number);
        files.extend(own.into_iter().filter(|p| is_data(p)).map(|path| File { class: class(&path), path }));
    }
    let mut place = 0;
    for folder in folders {
        let own = entries(&folder)?.into_iter().filter(|p| is_data(p) && !p.is_dir());
        let class = Class::Folder { name: name_of(&folder), place };
        let before = files.len();
        files.extend(own.map(|path| File { path, class: class.clone() }));
        place += usize::from(files.len() > before);
    }
    if files.is_empty() {
        let extensions = [&RECORDINGS[..], &IMAGES[..]].concat();
        return Err(DataError::Empty { path: path.into(), extensions });
    }
    Ok(files)
}

/// Paths in a folder in order of their names, hidden ones left out.
fn entries(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(DataError::io(path))? {
        paths.push(entry.map_err(DataError::io(path))?.path());
    }
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|own| extensions.iter().any(|e| own.eq_ignore_ascii_case(e)))
}

pub(super) fn is_recording(path: &Path) -> bool {
    has_extension(path, &RECORDINGS)
}

fn is_data(path: &Path) -> bool {
    is_recording(path) || has_extension(path, &IMAGES)
}

/// The number in front of the first `_`.
fn number(name: &str) -> Option<i64> {
    name.split_once('_').and_then(|(number, _)| number.parse().ok())
}

/// The place of a class folder among a model's labels.
pub(super) fn label_of(path: &Path, folder: &str, place: usize, labels: &[String]) -> Result<i64, DataError> {
    if labels.is_empty() {
        return Ok(place as i64);
    }
    let find = |name: &str| labels.iter().position(|label| plain(label) == name);
    let exact = labels.iter().position(|label| label == folder);
    match exact.or_else(|| find(&plain(folder))).or_else(|| find(UNKNOWN)) {
        Some(label) => Ok(label as i64),
        None => Err(DataError::UnknownClass { path: path.into(), folder: folder.into(), labels: labels.to_vec() }),
    }
}

/// A class name without what differs between spellings: `_silence_` and `Silence` are one.
fn plain(name: &str) -> String {
    name.trim().trim_matches('_').to_lowercase()
}

/// An image as red, green and blue from 0 to 255, of shape `[height, width, 3]`.
pub(super) fn decode_image(path: &Path) -> Result<Array, DataError> {
    let fail = |reason: String| DataError::Image { path: path.into(), reason };
    let reader = image::ImageReader::open(path).map_err(DataError::io(path))?;
    let reader = reader.with_guessed_format().map_err(DataError::io(path))?;
    let image = reader.decode().map_err(|e| fail(e.to_string()))?.into_rgb8();
    let shape = vec![image.height() as usize, image.width() as usize, 3];
    Ok(Array { shape, values: image.into_raw().into_iter().map(f32::from).collect() })
}
