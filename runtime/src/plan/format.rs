//! The plan's byte layout.
//!
//! A plan is one little-endian byte string that starts at a 16-byte aligned address and is read in place:
//!
//! | part | bytes | what |
//! |---|---|---|
//! | header | [`HeaderRecord::LEN`] | magic, version, lengths, checksums, and where each section is |
//! | values | [`ValueRecord::LEN`] each | tensors that flow between steps, with their place in the arena |
//! | steps | [`StepRecord::LEN`] each | operators in execution order (topological) |
//! | map | any | buffers by address, segment by segment, see [`MapRecord`] |
//! | golden | 12 + 4 a step | self-test vector, see [`GoldenRecord`] |
//! | front end | any | audio front end, see [`crate::frontend`]; empty where the input is no audio |
//! | labels | any | class names, UTF-8, one a line |
//! | names | any | step names, UTF-8, one a line, in step order |
//! | provenance | any | `key: value` lines, UTF-8: model name, hash, tool version |
//! | signature | any | reserved, empty |
//! | constants | the rest | packed weights, channel parameters and tables, addressed by offset from the section's start |
//!
//! What the constants of convolutions and dense layers look like depends on the header's packing: the compiler writes one for
//! all cores, and the host makes of it that of the core that the plan is put on, without loss. With weights in vectors, all
//! depthwise convolutions, those of 3×3 taps too, have the same form and a padding pixel.
//!
//! Sections start at multiples of 16. The structure checksum covers everything from byte [`STRUCTURE_START`] up to the
//! constants; the constants have a checksum of their own, so that a device can load without reading its whole flash.
//!
//! Each record type below lists its fields in byte order, without gaps; `read` and `write` come from the same list.

use super::Element;

/// First four bytes of a plan: `RSDP`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RSDP");
/// Version of this layout; a reader accepts exactly its own.
pub const VERSION: u16 = 3;
/// Alignment of plans, arenas and sections, in bytes.
pub const ALIGNMENT: usize = 16;
/// The structure checksum covers the bytes from here to the constants.
pub const STRUCTURE_START: usize = 20;
/// Stands for "no value" and "no constant" in 16- and 32-bit fields.
pub const NONE: u32 = u32::MAX;
/// [`NONE`] in 16-bit fields.
pub const NONE_16: u16 = u16::MAX;

/// A little-endian scalar of a record.
pub(crate) trait Scalar: Sized {
    fn take(bytes: &[u8]) -> Option<(Self, &[u8])>;
    fn put<'b>(&self, bytes: &'b mut [u8]) -> Option<&'b mut [u8]>;
}

macro_rules! scalars {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            #[inline(always)]
            fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
                let (head, rest) = bytes.split_first_chunk()?;
                Some((<$t>::from_le_bytes(*head), rest))
            }
            #[inline(always)]
            fn put<'b>(&self, bytes: &'b mut [u8]) -> Option<&'b mut [u8]> {
                let (head, rest) = bytes.split_first_chunk_mut()?;
                *head = self.to_le_bytes();
                Some(rest)
            }
        }
    )*};
}
scalars!(u8, i8, u16, i16, u32, i32);

macro_rules! records {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident : $t:ty, )* } )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_doc])* pub $field: $t, )* }

        impl $name {
            /// Size of the record in bytes.
            pub const LEN: usize = 0 $( + size_of::<$t>() )*;

            /// Reads the record from the start of `bytes`; `None` if they are too few.
            #[inline(always)]
            pub fn read(bytes: &[u8]) -> Option<Self> {
                let bytes = bytes.get(..Self::LEN)?;
                $( let ($field, bytes) = <$t as $crate::plan::format::Scalar>::take(bytes)?; )*
                let _ = bytes;
                Some(Self { $($field),* })
            }

            /// Writes the record to the start of `bytes`; `None` if they are too few.
            pub fn write(&self, bytes: &mut [u8]) -> Option<()> {
                $( let bytes = $crate::plan::format::Scalar::put(&self.$field, bytes)?; )*
                let _ = bytes;
                Some(())
            }
        }
    )*};
}

pub(crate) use records;

#[cfg(target_endian = "big")]
compile_error!("plans are little-endian and read in place");

records! {
    /// The first bytes of a plan.
    #[derive(bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    HeaderRecord {
        /// [`MAGIC`].
        magic: u32,
        /// [`VERSION`].
        version: u16,
        /// [`HeaderRecord::LEN`].
        header_len: u16,
        /// Length of the whole plan in bytes.
        total_len: u32,
        /// CRC-32 of the structure.
        structure_checksum: u32,
        /// CRC-32 of the constants section.
        constants_checksum: u32,
        /// Arena size in bytes.
        arena_len: u32,
        /// Number of values.
        value_count: u16,
        /// Number of steps.
        step_count: u16,
        /// Byte offset of the value records.
        values: u32,
        /// Byte offset of the step records.
        steps: u32,
        /// Byte offset of the memory map.
        map: u32,
        /// Length of the memory map in bytes.
        map_len: u32,
        /// Byte offset of the golden record; its length follows from the step count.
        golden: u32,
        /// Byte offset of the front end.
        front_end: u32,
        /// Length of the front end in bytes; 0 for none.
        front_end_len: u32,
        /// Byte offset of the labels.
        labels: u32,
        /// Length of the labels in bytes.
        labels_len: u32,
        /// Byte offset of the step names.
        names: u32,
        /// Length of the step names in bytes.
        names_len: u32,
        /// Byte offset of the provenance text.
        provenance: u32,
        /// Length of the provenance text in bytes.
        provenance_len: u32,
        /// Byte offset of the signature.
        signature: u32,
        /// Length of the signature in bytes; 0 for none.
        signature_len: u32,
        /// Byte offset of the constants; they reach to the plan's end.
        constants: u32,
        /// How weights are packed: 0 in lanes, as the compiler writes them, 1 in vectors, 2 for sums in halves, 3 by quads of channels; see [`crate::kernels::Packing`].
        packing: u32,
    }

    /// A tensor: `rows` rows of `columns · channels` elements of one or two bytes, channels innermost. Value 0 is the plan's input, value `i + 1`
    /// the output of step `i`.
    ///
    /// Rows are held in a ring buffer. A value may have a *head* too, a place for its newest row: step `i` writes a row of
    /// value `i + 1` there, step `i + 1` reads it at once if it can run then, and the row moves to the ring. Heads are live
    /// for these two steps only, so that most of them share the same bytes. A ring of 0 rows keeps nothing but the head.
    #[derive(bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    ValueRecord {
        /// Number of rows along the stream axis, at most 2^31.
        rows: u32,
        /// Width.
        columns: u16,
        /// Channels.
        channels: u16,
        /// Byte offset of the ring in the arena, a multiple of 4.
        offset: u32,
        /// Rows that the ring holds; row `r` lies in slot `r mod ring`.
        ring: u32,
        /// Scale as the bits of an f32: real = scale · (q − zero point).
        scale: u32,
        /// Zero point; 0 for int16.
        zero_point: i16,
        /// Element type: 0 for int8, 1 for int16, see [`Element`].
        element: u8,
        /// 0 between steps, 1 the plan's input, 2 its output (the first in the plan is meant where several say so), 3 another
        /// output.
        role: u8,
        /// Segment in which the value is written.
        first_segment: u16,
        /// Last segment in which the value is read.
        last_segment: u16,
        /// Byte offset of the head in the arena, a multiple of 4, or [`NONE`].
        head: u32,
        /// Last step of the writer's segment that reads the value, or [`NONE_16`].
        wake: u16,
        /// 0.
        reserved: u16,
    }

    /// The buffers of a segment. Behind the engine's counters, the arena holds the segment's transient bytes (heads, and
    /// scratch from the first byte on), then the rings and sums that are live in the segment. After this record stand `count`
    /// numbers (u16) in order of address: the index of a value for its ring, the value count plus the index of a step for its
    /// sums. Segments follow one another.
    MapRecord {
        /// Transient bytes, a multiple of 4.
        transient_len: u32,
        /// Number of live rings and sums.
        count: u16,
    }

    /// An operator with its inputs, output, geometry and constants. Fields that an operator does not use are 0
    /// (offsets: [`NONE`]).
    #[derive(bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    StepRecord {
        /// Operator code, see [`crate::operators`].
        operator: u8,
        /// Exponent `s` of the requantization.
        shift: u8,
        /// Segment that the step belongs to; never decreases from step to step.
        segment: u16,
        /// Value read.
        input: u16,
        /// Second value read, or [`NONE_16`].
        second: u16,
        /// Value written.
        output: u16,
        /// Groups of a convolution.
        groups: u16,
        /// Window height in taps.
        kernel_rows: u16,
        /// Window width in taps.
        kernel_columns: u16,
        /// Step of the window over rows.
        stride_rows: u16,
        /// Step of the window over columns.
        stride_columns: u16,
        /// Output rows for each step of the window over rows: above 1 for upsampling alone.
        upsampling: u16,
        /// Distance between taps over rows.
        dilation_rows: u16,
        /// Distance between taps over columns.
        dilation_columns: u16,
        /// Padding rows before the first.
        pad_top: u16,
        /// Padding columns before the first.
        pad_left: u16,
        /// Lower bound of the output (activation).
        min: i16,
        /// Upper bound of the output (activation).
        max: i16,
        /// Exponent of the requantization of a convolution's residual add: the sum with its second input. 0 for none: a
        /// second input is its gate then.
        residual_shift: u8,
        /// Zero point of what the residual add adds its second input to.
        residual_zero_point: i8,
        /// First operator-specific number.
        first_parameter: i32,
        /// Second operator-specific number.
        second_parameter: i32,
        /// Offset of the weights or the table in the constants.
        weights: u32,
        /// Offset of the per-channel numbers (bias, then multipliers) in the constants, a multiple of 4.
        channel_parameters: u32,
        /// Offset of the padding pixel in the constants; [`NONE`]: padding holds the input's zero point.
        padding: u32,
        /// Byte offset of the step's i32 sums in the arena, a multiple of 4, or [`NONE`].
        scratch: u32,
    }

    /// The self-test: `rows` rows of input are generated by [`GoldenInput`](super::GoldenInput) from a seed; after this record stands
    /// one CRC-32 a step, over all rows that the step emits, in order.
    GoldenRecord {
        /// Seed of the input.
        seed: u32,
        /// CRC-32 of the plan's output rows.
        output_checksum: u32,
        /// Input rows pushed.
        rows: u32,
    }
}

impl ValueRecord {
    /// Type of the elements; int8 where the code is unknown, which [`Plan::load`](super::Plan::load) refuses.
    #[inline]
    pub fn element_type(&self) -> Element {
        Element::of(self.element).unwrap_or_default()
    }

    /// Bytes of a row.
    #[inline]
    pub fn row_len(&self) -> usize {
        // Code 0 stands for one byte, code 1 for two.
        usize::from(self.columns).wrapping_mul(self.channels.into()).wrapping_shl(self.element.into())
    }

    /// Arena offset of row `r` in the ring; `None` where there is no ring.
    #[inline]
    pub fn place(&self, r: u32) -> Option<usize> {
        let slot = r.checked_rem(self.ring)? as usize;
        Some((self.offset as usize).wrapping_add(slot.wrapping_mul(self.row_len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_sizes() {
        assert_eq!((HeaderRecord::LEN, ValueRecord::LEN, StepRecord::LEN), (96, 36, 60));
        assert_eq!((MapRecord::LEN, GoldenRecord::LEN), (6, 12));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), StepRecord::LEN)) {
            let record = StepRecord::read(&bytes).unwrap();
            let mut out = [0; StepRecord::LEN];
            record.write(&mut out).unwrap();
            prop_assert_eq!(&out[..], &bytes[..]);
        }
    }

    #[test]
    fn short_bytes_are_refused() {
        assert!(ValueRecord::read(&[0; ValueRecord::LEN - 1]).is_none());
        assert!(ValueRecord::default().write(&mut [0; ValueRecord::LEN - 1]).is_none());
    }
}
