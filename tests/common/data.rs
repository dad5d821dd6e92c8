//! Makes data files.

use super::random::Random;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use std::io::Cursor;

/// An array to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    pub shape: Vec<u64>,
    pub values: Vec<T>,
}

/// Random images, stacked.
pub fn images(count: usize, shape: [usize; 3]) -> Array<f32> {
    let values = Random::new(7).reals(count * shape.iter().product::<usize>());
    Array { shape: [count].iter().chain(&shape).map(|&s| s as u64).collect(), values }
}

/// A `.npz` with these arrays.
pub fn archive<T: npyz::AutoSerialize + Clone>(arrays: &[(&str, &Array<T>)]) -> Vec<u8> {
    labelled(arrays, None)
}

/// A `.npz` with `x` and, if given, `y`.
pub fn npz<T: npyz::AutoSerialize + Clone>(x: &Array<T>, y: Option<&[i64]>) -> Vec<u8> {
    labelled(&[("x", x)], y)
}

fn labelled<T: npyz::AutoSerialize + Clone>(arrays: &[(&str, &Array<T>)], y: Option<&[i64]>) -> Vec<u8> {
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    let options = || zip_options();
    for (name, array) in arrays {
        let mut out = writer.array(name, options()).unwrap().default_dtype().shape(&array.shape).begin_nd().unwrap();
        out.extend(array.values.iter().cloned()).unwrap();
        out.finish().unwrap();
    }
    if let Some(y) = y {
        let mut out =
            writer.array("y", options()).unwrap().default_dtype().shape(&[y.len() as u64]).begin_nd().unwrap();
        out.extend(y.iter().copied()).unwrap();
        out.finish().unwrap();
    }
    writer.zip_writer().finish().unwrap().into_inner()
}

fn zip_options() -> zip::write::FileOptions {
    zip::write::FileOptions::default().last_modified_time(zip::DateTime::default())
}

/// A `.npy`.
pub fn npy<T: npyz::AutoSerialize + Clone>(array: &Array<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(&array.shape).writer(&mut bytes).begin_nd().unwrap();
    writer.extend(array.values.iter().cloned()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Elements and shape of a `.npy` of f32.
pub fn read_npy(path: &str) -> Array<f32> {
    let npy = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    Array { shape: npy.shape().to_vec(), values: npy.into_vec().unwrap() }
}
