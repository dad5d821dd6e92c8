//! What can be wrong with data.

use crate::audio::AudioError;
use crate::frontend::FrontEndSpecError;
use std::io;
use std::path::{Path, PathBuf};

/// Why data cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There are not as many arrays as the model has inputs.
    #[error(
        "the data have the arrays {found}; the model's inputs are {needed}: an .npz archive with an array for each is needed"
    )]
    Inputs {
        /// Names of the arrays.
        found: String,
        /// Names of the inputs.
        needed: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no NumPy array or archive, or a damaged one.
    #[error("{}: {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An array has elements of a type that is not accepted.
    #[error("{}: {array} has elements of type {found}; accepted: {accepted}", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// Name of the array.
        array: String,
        /// Type in NumPy's notation.
        found: String,
        /// Types that are.
        accepted: &'static str,
    },
    /// A folder holds no recordings and no images.
    #[error("{} holds no {}", path.display(), extensions.join(", "))]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What is looked for.
        extensions: Vec<&'static str>,
    },
    /// The selection leaves no items over.
    #[error("{} has {count} items, none of which is in the range asked for", path.display())]
    NothingLeft {
        /// The data.
        path: PathBuf,
        /// Number of items before the selection.
        count: usize,
    },
    /// Labels are needed and there are none.
    #[error("{} has no labels; {needed}", path.display())]
    NoLabels {
        /// The data.
        path: PathBuf,
        /// Where they are looked for.
        needed: &'static str,
    },
    /// A label is below zero.
    #[error("{}: label {label} with offset {offset} is below zero", path.display())]
    NegativeLabel {
        /// The data.
        path: PathBuf,
        /// The label.
        label: i64,
        /// The offset added to it.
        offset: i64,
    },
    /// A class folder's name is none of the model's labels.
    #[error("{}: folder {folder} is none of the model's labels ({})", path.display(), labels.join(", "))]
    UnknownClass {
        /// The data.
        path: PathBuf,
        /// The folder's name.
        folder: String,
        /// The model's labels.
        labels: Vec<String>,
    },
    /// An image cannot be decoded.
    #[error("cannot decode image {}: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A recording cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// An item does not have the shape that the model declares.
    #[error("data of shape {found:?} does not match the model's input of shape {declared:?}")]
    Shape {
        /// Shape of the item.
        found: Vec<usize>,
        /// Shape of the model's input.
        declared: Vec<usize>,
    },
    /// A recording for a model that takes no audio.
    #[error(
        "recordings need a model with an audio front end (metadata `residua.front_end`); this one takes arrays of shape {declared:?}"
    )]
    NoFrontEnd {
        /// Shape of the model's input.
        declared: Vec<usize>,
    },
    /// A recording has another sample rate than the front end.
    #[error("a recording has {found} samples a second, the model's front end takes {needed}")]
    SampleRate {
        /// Rate of the recording.
        found: u32,
        /// Rate of the front end.
        needed: u32,
    },
    /// The model's front end cannot be used.
    #[error(transparent)]
    FrontEnd(#[from] FrontEndSpecError),
}

impl DataError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}
