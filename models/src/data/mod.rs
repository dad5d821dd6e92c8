//! Data sets: arrays in `.npz` files, folders of class folders, folders of numbered images.
//!
//! [`Dataset::open`] finds the items and takes those that [`Options`] ask for; [`Dataset::item`] decodes one of them, and
//! [`ModelInput::values`] lays it out as a model declares its input. Items are read when they are asked for, so that a
//! folder of any size can be gone through.
//!
//! | path | items | label |
//! |---|---|---|
//! | `.npz` | `x` along its first axis: u8, i8, f16 or f32 | `y`, integers |
//! | `.npz` without `x` | an array for each input of a model, by the input's name, all along their first axes | `y`, integers |
//! | folder with folders in it | the recordings (`.wav`, `.flac`, `.ogg`) or images (`.jpg`, `.png`) of each | the folder's name |
//! | folder without | its recordings or images | the number before the first `_` of the file's name |

mod array;
mod error;
mod files;
mod input;
mod layout;
mod selection;

pub use array::{Array, Stack, read_npz};
pub use error::DataError;
pub use input::{ModelInput, join, samples_of_frames, to_length};
pub use layout::arrange;

use crate::audio::{self, Recording};
use files::{Class, File};
use selection::choose;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Which items of a data set are taken, and how their numbers become real ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Numbers of arrays and images are multiplied by this,
    pub scale: f32,
    /// and this is added then. Recordings stay as they are.
    pub offset: f32,
    /// Added to every label.
    pub labels_offset: i64,
    /// Items taken, in sorted order; all where there is none. It may reach beyond the last.
    pub range: Option<Range<usize>>,
    /// Number of items drawn at random from the range; all where there is none, or more than there are.
    pub limit: Option<usize>,
    /// Seed of the draw.
    pub seed: u64,
}

impl Default for Options {
    /// All items, as they are.
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0, labels_offset: 0, range: None, limit: None, seed: 0 }
    }
}

/// One item of a data set.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Real numbers with their shape.
    Array(Array),
    /// Arrays by their names, for a model of several inputs.
    Arrays(Vec<(String, Array)>),
    /// Audio.
    Recording(Recording),
}

/// A data set on disk.
#[derive(Debug)]
pub struct Dataset {
    path: PathBuf,
    source: Source,
    chosen: Vec<usize>,
    options: Options,
}

#[derive(Debug)]
enum Source {
    Arrays { x: Vec<(String, Stack)>, y: Option<Vec<i64>> },
    Files(Vec<File>),
}

impl Dataset {
    /// Opens a data set and takes the items that the options ask for.
    ///
    /// # Errors
    /// There is no such file or folder, it holds no items, or none that the options leave over.
    pub fn open(path: &Path, options: Options) -> Result<Self, DataError> {
        let metadata = path.metadata().map_err(DataError::io(path))?;
        let (source, count) = if metadata.is_dir() {
            let files = files::list(path)?;
            let count = files.len();
            (Source::Files(files), count)
        } else {
            let (x, y) = array::read_npz(path)?;
            let count = x.first().map_or(0, |(_, stack)| stack.len());
            (Source::Arrays { x, y }, count)
        };
        let chosen = choose(count, &options);
        if chosen.is_empty() {
            return Err(DataError::NothingLeft { path: path.into(), count });
        }
        Ok(Self { path: path.into(), source, chosen, options })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of items taken.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Never: a data set without items is an error.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Decodes an item.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn item(&self, index: usize) -> Result<Item, DataError> {
        let index = self.chosen[index];
        let mut arrays: Vec<(String, Array)> = match &self.source {
            Source::Arrays { x, .. } => x.iter().map(|(name, stack)| (name.clone(), stack.item(index))).collect(),
            Source::Files(files) => {
                let path = &files[index].path;
                if files::is_recording(path) {
                    return Ok(Item::Recording(audio::decode(path)?));
                }
                vec![(String::new(), files::decode_image(path)?)]
            }
        };
        let Options { scale, offset, .. } = self.options;
        if scale != 1.0 || offset != 0.0 {
            let values = arrays.iter_mut().flat_map(|(_, array)| &mut array.values);
            values.for_each(|v| *v = *v * scale + offset);
        }
        match arrays.as_mut_slice() {
            [(_, array)] => {
                Ok(Item::Array(Array { shape: array.shape.clone(), values: std::mem::take(&mut array.values) }))
            }
            _ => Ok(Item::Arrays(arrays)),
        }
    }

    /// The class of every item, for a model with these class names; without names, class folders count in sorted order.
    /// A folder that the names lack is `_unknown_`, where there is such a name.
    ///
    /// # Errors
    /// Items have no labels, a label is negative, or a folder's name is no class.
    pub fn labels(&self, names: &[String]) -> Result<Vec<usize>, DataError> {
        let label_of = |class: &Class| match class {
            Class::Number(number) => Ok(*number),
            Class::Folder { name, place } => files::label_of(&self.path, name, *place, names),
            Class::None => Err(DataError::NoLabels { path: self.path.clone(), needed: files::LABELS_NEEDED }),
        };
        let label = |&index: &usize| {
            let label = match &self.source {
                Source::Arrays { y: Some(y), .. } => y[index],
                Source::Arrays { y: None, .. } => {
                    return Err(DataError::NoLabels { path: self.path.clone(), needed: array::LABELS_NEEDED });
                }
                Source::Files(files) => label_of(&files[index].class)?,
            };
            let class = label.checked_add(self.options.labels_offset).and_then(|class| usize::try_from(class).ok());
            class.ok_or(DataError::NegativeLabel { path: self.path.clone(), label, offset: self.options.labels_offset })
        };
        self.chosen.iter().map(label).collect()
    }
}
