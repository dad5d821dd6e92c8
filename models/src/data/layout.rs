//! From the order that data come in to the order that a model declares.

use super::{Array, DataError};

/// The elements of an array in the order of the shape that a model declares (a batch of 1 first, where it has one).
///
/// Dimensions of size 1 make no difference. Channels may be first in one and last in the other; where a shape leaves open
/// which axis holds the channels, a smallest one does. A declared shape of one axis takes any shape of as many elements.
///
/// ```
/// # use residua_models::data::{Array, arrange};
/// let pixels = Array { shape: vec![1, 2, 3], values: vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0] };
/// assert_eq!(arrange(pixels, &[1, 3, 1, 2]).unwrap(), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
/// ```
///
/// # Errors
/// [`DataError::Shape`].
pub fn arrange(array: Array, declared: &[usize]) -> Result<Vec<f32>, DataError> {
    let image = declared.strip_prefix(&[1]).unwrap_or(declared);
    // A batch dimension that the data have and the model counts apart.
    let batches = array.shape.iter().take(array.shape.len().saturating_sub(image.len()));
    let found = &array.shape[batches.take_while(|&&size| size == 1).count()..];
    for view in [<[usize]>::to_vec, without_ones] {
        if view(found) == view(image) {
            return Ok(array.values);
        }
        if let Some([rows, columns]) = rotation(&view(found), image, view) {
            return Ok(transpose(&array.values, rows, columns));
        }
    }
    // A model that declares one axis takes tensors flattened.
    if let [length] = *image
        && array.values.len() == length
    {
        return Ok(array.values);
    }
    Err(DataError::Shape { found: array.shape, declared: declared.to_vec() })
}

/// Rows and columns of the transposition that moves the channels of `found` to the other end, as the image has them.
fn rotation(found: &[usize], image: &[usize], view: fn(&[usize]) -> Vec<usize>) -> Option<[usize; 2]> {
    let [channels_first, channels_last] = match image {
        // Where the data leave out an axis of size 1, it is the channels of one channel, or a width.
        [1, _, _] if found.len() < 3 => [false, false],
        [_, _, 1] if found.len() < 3 => [true, false],
        _ => forms(image),
    };
    let count = |axes: &[usize]| axes.iter().product::<usize>();
    let (channels, rest) = image.split_first()?;
    if channels_first && found == view(&[rest, &[*channels]].concat()) {
        return Some([count(rest), *channels]);
    }
    let (channels, rest) = image.split_last()?;
    if channels_last && found == view(&[&[*channels], rest].concat()) {
        return Some([*channels, count(rest)]);
    }
    None
}

/// Whether a shape without batch may have its channels first, and last: where one of these is the smallest axis, they are
/// there and nowhere else.
fn forms(image: &[usize]) -> [bool; 2] {
    let smallest = |axis: usize, size: usize| {
        let mut others = image.iter().enumerate().filter(|&(i, &other)| i != axis && other != 1);
        size != 1 && others.all(|(_, &other)| size < other)
    };
    match image {
        [first, .., last] if image.len() > 2 => [!smallest(image.len() - 1, *last), !smallest(0, *first)],
        [_, _] => [true, false],
        _ => [false, false],
    }
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&size| size != 1).collect()
}

/// `[rows][columns]` to `[columns][rows]`.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counting(shape: &[usize]) -> Array {
        Array { shape: shape.to_vec(), values: (0..shape.iter().product()).map(|i: usize| i as f32).collect() }
    }

    #[test]
    fn accepted_shapes() {
        for (found, declared) in [
            (&[101, 40][..], &[1, 1, 101, 40][..]),
            (&[1, 101, 40], &[1, 1, 101, 40]),
            (&[101, 40, 1], &[1, 1, 101, 40]),
            (&[49, 10, 1], &[1, 49, 10, 1]),
            (&[1, 49, 10, 1], &[1, 49, 10, 1]),
            (&[60], &[1, 60]),
            (&[32, 32, 3], &[1, 3, 32, 32]),
            (&[3, 32, 32], &[1, 32, 32, 3]),
            (&[8, 8, 64], &[1, 64, 8, 8]),
            (&[98, 40], &[1, 40, 98]),
            (&[3, 8, 24, 24], &[1, 3, 8, 24, 24]),
            (&[8, 24, 24, 3], &[1, 3, 8, 24, 24]),
        ] {
            assert!(arrange(counting(found), declared).is_ok(), "{found:?} as {declared:?}");
        }
    }

    #[test]
    fn refused_shapes() {
        for (found, declared) in [
            (&[40, 101][..], &[1, 1, 101, 40][..]),
            (&[32, 3, 32], &[1, 3, 32, 32]),
            (&[32, 32], &[1, 3, 32, 32]),
            (&[1, 32, 32], &[1, 32, 32, 3]),
            (&[61], &[1, 60]),
            (&[2, 3, 32, 32], &[1, 3, 32, 32]),
            (&[3072], &[1, 3, 32, 32]),
        ] {
            let error = arrange(counting(found), declared).unwrap_err().to_string();
            assert!(error.contains(&format!("{found:?}")) && error.contains(&format!("{declared:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_pixel_keeps_its_place(h in 1usize..6, w in 1usize..6, c in 1usize..4) {
            let value = |y: usize, x: usize, k: usize| ((y * 10 + x) * 10 + k) as f32;
            let last: Vec<f32> = (0..h * w * c).map(|i| value(i / c / w, i / c % w, i % c)).collect();
            let first: Vec<f32> = (0..c * h * w).map(|i| value(i / w % h, i % w, i / w / h)).collect();
            // Where the two shapes are one, nothing tells the orders apart.
            if let Ok(got) = arrange(Array { shape: vec![h, w, c], values: last.clone() }, &[1, c, h, w])
                && [c, h, w] != [h, w, c]
            {
                prop_assert_eq!(got, first.clone());
            }
            if let Ok(got) = arrange(Array { shape: vec![c, h, w], values: first }, &[1, h, w, c])
                && [c, h, w] != [h, w, c]
            {
                prop_assert_eq!(got, last);
            }
        }
    }
}
