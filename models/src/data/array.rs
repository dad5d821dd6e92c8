//! NumPy arrays: `.npz` archives with `x` and `y`, and single `.npy` files.

use super::DataError;
use half::f16;
use npyz::npz::NpzArchive;
use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};
use std::io::Read;
use std::path::Path;

pub(super) const LABELS_NEEDED: &str = "an array `y` of integers is needed";
const NUMBERS: &str = "u8, i8, f16, f32";
const INTEGERS: &str = "integers";

/// Real numbers in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Size of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Elements; as many as the product of `shape`.
    pub values: Vec<f32>,
}

/// Stacks with their names, and labels.
pub type Arrays = (Vec<(String, Stack)>, Option<Vec<i64>>);

/// Items of one shape, stacked along the first axis of an array; kept in the type that they have in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    count: usize,
    item_shape: Vec<usize>,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    U8(Vec<u8>),
    I8(Vec<i8>),
    F16(Vec<f16>),
    F32(Vec<f32>),
}

impl Stack {
    /// Reads a `.npy` file.
    ///
    /// # Errors
    /// The file is no such array, is damaged, or has elements of another type than u8, i8, f16, f32.
    pub fn read_npy(path: &Path) -> Result<Self, DataError> {
        let file = std::fs::File::open(path).map_err(DataError::io(path))?;
        let len = file.metadata().map_err(DataError::io(path))?.len();
        let origin = Origin { path, array: "the array" };
        let npy = NpyFile::new(std::io::BufReader::new(file)).map_err(|e| origin.broken(e))?;
        origin.stack(npy, len)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Shape of an item.
    pub fn item_shape(&self) -> &[usize] {
        &self.item_shape
    }

    /// An item's numbers.
    ///
    /// # Panics
    /// If `index` is not below [`Stack::len`].
    pub fn item(&self, index: usize) -> Array {
        let len: usize = self.item_shape.iter().product();
        let range = index * len..(index + 1) * len;
        let values = match &self.numbers {
            Numbers::U8(all) => all[range].iter().map(|&v| v.into()).collect(),
            Numbers::I8(all) => all[range].iter().map(|&v| v.into()).collect(),
            Numbers::F16(all) => all[range].iter().map(|v| v.to_f32()).collect(),
            Numbers::F32(all) => all[range].to_vec(),
        };
        Array { shape: self.item_shape.clone(), values }
    }
}

/// The array `x` of an archive, or all others where there is none, with their names; and, where there is one, `y`.
///
/// # Errors
/// The file is no such archive, is damaged, has arrays of different lengths, or elements of another type than u8, i8, f16, f32.
pub fn read_npz(path: &Path) -> Result<Arrays, DataError> {
    let file = std::fs::File::open(path).map_err(DataError::io(path))?;
    let reader = std::io::BufReader::new(file);
    let mut archive = NpzArchive::new(reader).map_err(|e| {
        Origin::new(path, "the file").fail(format!("neither a folder nor an .npz archive, or a damaged one: {e}"))
    })?;
    let mut names: Vec<String> = archive.array_names().filter(|name| *name != "y").map(str::to_string).collect();
    // Several arrays are those of a model of several inputs.
    if names.len() < 2 || names.iter().any(|name| name == "x") {
        names = vec!["x".into()];
    }
    let mut x: Vec<(String, Stack)> = Vec::new();
    for name in names {
        let size = entry_size(&mut archive, &name);
        let array = archive.by_name(&name).map_err(|e| Origin::new(path, &name).broken(e))?;
        let absent = || Origin::new(path, &name).fail(format!("the archive has no array `{name}`"));
        let stack = Origin::new(path, &name).stack(array.ok_or_else(absent)?, size)?;
        if let Some((first, other)) = x.first().filter(|(_, other)| other.len() != stack.len()) {
            let reason = format!("{first} has {} items, {name} has {}", other.len(), stack.len());
            return Err(Origin::new(path, &name).fail(reason));
        }
        x.push((name, stack));
    }
    let Some(count) = x.first().map(|(_, stack)| stack.len()) else {
        return Err(Origin::new(path, "x").fail("the archive has no array `x`".into()));
    };
    let size = entry_size(&mut archive, "y");
    let y = match archive.by_name("y").map_err(|e| Origin::new(path, "y").broken(e))? {
        Some(y) => Origin::new(path, "y").labels(y, size, count)?,
        None => None,
    };
    Ok((x, y))
}

/// Unpacked size of an array's file, 0 where there is none.
fn entry_size<R: Read + std::io::Seek>(archive: &mut NpzArchive<R>, name: &str) -> u64 {
    archive.zip_archive().by_name(&npyz::npz::file_name_from_array_name(name)).map_or(0, |entry| entry.size())
}

/// Where an array comes from, for messages.
#[derive(Clone, Copy)]
struct Origin<'a> {
    path: &'a Path,
    array: &'a str,
}

impl<'a> Origin<'a> {
    fn new(path: &'a Path, array: &'a str) -> Self {
        Self { path, array }
    }

    fn fail(&self, reason: String) -> DataError {
        DataError::Array { path: self.path.into(), reason }
    }

    fn broken(&self, error: std::io::Error) -> DataError {
        self.fail(format!("{} is no NumPy array, or a damaged one: {error}", self.array))
    }

    /// An array of items, in row-major order.
    fn stack(&self, npy: NpyFile<impl Read>, size: u64) -> Result<Stack, DataError> {
        let shape = self.shape(&npy, size)?;
        let Some((&count, item_shape)) = shape.split_first() else {
            return Err(self.fail(format!("{} is a single number, not a stack of items", self.array)));
        };
        let numbers = match element(&npy) {
            Some((TypeChar::Uint, 1)) => Numbers::U8(self.elements(npy, &shape)?),
            Some((TypeChar::Int, 1)) => Numbers::I8(self.elements(npy, &shape)?),
            Some((TypeChar::Float, 2)) => Numbers::F16(self.elements(npy, &shape)?),
            Some((TypeChar::Float, 4)) => Numbers::F32(self.elements(npy, &shape)?),
            _ => return Err(self.wrong_type(&npy, NUMBERS)),
        };
        Ok(Stack { count, item_shape: item_shape.to_vec(), numbers })
    }

    /// Labels, one an item; `None` where `y` holds no integers, as the outputs of a model that is no classifier do.
    fn labels(&self, npy: NpyFile<impl Read>, size: u64, count: usize) -> Result<Option<Vec<i64>>, DataError> {
        let shape = self.shape(&npy, size)?;
        let integer = matches!(element(&npy), Some((TypeChar::Int | TypeChar::Uint, _)));
        if !integer {
            return Ok(None);
        }
        if shape.iter().product::<usize>() != count || shape.first() != Some(&count) {
            return Err(
                self.fail(format!("y has shape {shape:?}, but x has {count} items: one label an item is needed"))
            );
        }
        fn widen<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
            values.into_iter().map(Into::into).collect()
        }
        let labels = match element(&npy) {
            Some((TypeChar::Int, 1)) => widen(self.elements::<i8>(npy, &shape)?),
            Some((TypeChar::Int, 2)) => widen(self.elements::<i16>(npy, &shape)?),
            Some((TypeChar::Int, 4)) => widen(self.elements::<i32>(npy, &shape)?),
            Some((TypeChar::Int, 8)) => self.elements::<i64>(npy, &shape)?,
            Some((TypeChar::Uint, 1)) => widen(self.elements::<u8>(npy, &shape)?),
            Some((TypeChar::Uint, 2)) => widen(self.elements::<u16>(npy, &shape)?),
            Some((TypeChar::Uint, 4)) => widen(self.elements::<u32>(npy, &shape)?),
            Some((TypeChar::Uint, 8)) => {
                let values = self.elements::<u64>(npy, &shape)?;
                values.into_iter().map(|v| i64::try_from(v).unwrap_or(i64::MAX)).collect()
            }
            _ => return Err(self.wrong_type(&npy, INTEGERS)),
        };
        Ok(Some(labels))
    }

    /// The array's shape, if it does not promise more than the file holds.
    fn shape(&self, npy: &NpyFile<impl Read>, size: u64) -> Result<Vec<usize>, DataError> {
        let width = npy.dtype().num_bytes().unwrap_or(usize::MAX) as u64;
        let bytes = npy.shape().iter().try_fold(width, |n, &d| n.checked_mul(d));
        let shape = npy.shape().iter().map(|&d| usize::try_from(d).ok()).collect();
        match (bytes, shape) {
            (Some(bytes), Some(shape)) if bytes <= size => Ok(shape),
            _ => Err(self.fail(format!(
                "{} is said to have shape {:?}: more than the file holds",
                self.array,
                npy.shape()
            ))),
        }
    }

    fn elements<T: Deserialize + Copy + Default>(
        &self,
        npy: NpyFile<impl Read>,
        shape: &[usize],
    ) -> Result<Vec<T>, DataError> {
        let order = npy.order();
        let reader = npy.data::<T>().map_err(|e| self.fail(format!("{}: {e}", self.array)))?;
        // One by one: space grows with what is there, not with what the header promises.
        let mut values = Vec::new();
        for value in reader {
            values.push(value.map_err(|e| self.broken(e))?);
        }
        Ok(if order == Order::Fortran { row_major(&values, shape) } else { values })
    }

    fn wrong_type(&self, npy: &NpyFile<impl Read>, accepted: &'static str) -> DataError {
        let found = npy.dtype().descr().trim_matches('\'').to_string();
        DataError::Type { path: self.path.into(), array: self.array.into(), found, accepted }
    }
}

/// Kind and bytes of the elements; `None` for records and pickled objects.
fn element(npy: &NpyFile<impl Read>) -> Option<(TypeChar, u64)> {
    match npy.dtype() {
        DType::Plain(t) if !t.uses_pickled_array() => Some((t.type_char(), t.size_field())),
        _ => None,
    }
}

/// Elements stored first axis innermost, in row-major order.
fn row_major<T: Copy + Default>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut out = vec![T::default(); values.len()];
    for (stored, &value) in values.iter().enumerate() {
        let (mut rest, mut strides, mut place) = (stored, values.len(), 0);
        for &size in shape {
            strides /= size.max(1);
            place += rest % size.max(1) * strides;
            rest /= size.max(1);
        }
        out[place] = value;
    }
    out
}
