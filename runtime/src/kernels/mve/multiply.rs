//! Matrix products with VMLADAVA: blocks of two pixels by four channels, and of one pixel by four channels.

use crate::kernels::vectors::VectorMatrix;

/// Channels of a block.
const BLOCK: usize = 4;
/// Elements of a vector.
const VECTOR: usize = 16;
/// Vectors in the unrolled loop of [`pairs`].
const UNROLLED: usize = 4;

/// What [`pairs`] and [`one`] read; offsets in bytes from its start stand in the code.
#[repr(C)]
#[derive(Clone, Copy)]
struct Product {
    /// 0: the last vector of the first pixel, and of the second; they move.
    pixels: [*const i8; 2],
    /// 8: output of the next channel of the first pixel, and of the second; they move.
    outs: [*mut i8; 2],
    /// 16: elements of a pixel's last vector.
    tail: usize,
    /// 20: times that the unrolled loop is entered or repeated; in [`one`], vectors but the last.
    rounds: usize,
    /// 24: steps that are left out of the loop when it is entered; then its address.
    entry: usize,
    /// 28: first block of weights.
    weights: *const u32,
    /// 32: where the first output is at the end of a pixel; moves.
    end: *mut i8,
    /// 36: zero point of the output.
    zero_point: i32,
    /// 40: pairs to go; counts down.
    pairs: usize,
    /// 44: bytes from a pair of pixels to the next.
    pixels_step: usize,
    /// 48: elements from a pair of outputs to the next.
    outs_step: usize,
    /// 52: elements from the end of an output to the next pair's.
    outs_skip: usize,
}

/// A product of pixels, as they lie in memory, with a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Multiplication<'p> {
    /// What all pixels have in common; the first pixel's pointers are offsets.
    product: Product,
    matrix: VectorMatrix<'p>,
    len: usize,
    pitch: usize,
    stride: usize,
}

impl<'p> Multiplication<'p> {
    /// Pixels of `len` elements, the matrix's inputs, each `pitch` elements behind the one before; outputs are `stride`
    /// elements apart. `None` where sizes do not match.
    pub fn new(matrix: &VectorMatrix<'p>, len: usize, pitch: usize, stride: usize, zero_point: i32) -> Option<Self> {
        let before = matrix.vectors().wrapping_sub(1);
        let rounds = before.div_ceil(UNROLLED).max(1);
        let whole = matrix.channels() & !(BLOCK - 1);
        let product = Product {
            pixels: [core::ptr::null(); 2],
            outs: [core::ptr::null_mut(); 2],
            tail: len.wrapping_sub(before.wrapping_mul(VECTOR)),
            rounds,
            entry: rounds.wrapping_mul(UNROLLED).wrapping_sub(before),
            weights: matrix.words().as_ptr(),
            end: core::ptr::null_mut(),
            zero_point,
            pairs: 0,
            pixels_step: pitch.wrapping_mul(2),
            outs_step: stride.wrapping_mul(2),
            outs_skip: stride.wrapping_mul(2).wrapping_sub(whole),
        };
        (len.div_ceil(VECTOR) == matrix.vectors()).then_some(Self { product, matrix: *matrix, len, pitch, stride })
    }

    /// Computes the outputs of `count` pixels, from the first element of `pixels` on; nothing unless all are there.
    pub fn compute(&self, pixels: &[i8], count: usize, out: &mut [i8]) {
        let last = count.wrapping_sub(1);
        let enough = pixels.len() >= last.wrapping_mul(self.pitch).wrapping_add(self.len)
            && out.len() >= last.wrapping_mul(self.stride).wrapping_add(self.matrix.channels());
        if count == 0 || !enough {
            return;
        }
        let whole = self.matrix.channels() & !(BLOCK - 1);
        let first = pixels.as_ptr().wrapping_add(self.matrix.vectors().wrapping_sub(1).wrapping_mul(VECTOR));
        let start = out.as_mut_ptr();
        if whole > 0 && count >= 2 {
            let mut product = Product {
                pixels: [first, first.wrapping_add(self.pitch)],
                outs: [start, start.wrapping_add(self.stride)],
                end: start.wrapping_add(whole),
                pairs: count >> 1,
                ..self.product
            };
            // SAFETY: the matrix has `whole / 4` blocks of its number of vectors, at least 1; all pixels are there, and have
            // as many vectors, the last of `tail` elements, at least 1; `whole` elements of each output are inside.
            unsafe {
                match self.matrix.vectors() {
                    1 => pairs_of_one(&mut product),
                    2 => pairs_of_two(&mut product),
                    3 => pairs_of_three(&mut product),
                    4 => pairs_of_four(&mut product),
                    _ => pairs(&mut product),
                }
            }
        }
        let single = |pixel: usize, weights, out: *mut i8, channels| Product {
            pixels: [first.wrapping_add(pixel.wrapping_mul(self.pitch)); 2],
            outs: [out; 2],
            end: out.wrapping_add(channels),
            rounds: self.matrix.vectors().wrapping_sub(1),
            weights,
            ..self.product
        };
        let weights = self.matrix.words().as_ptr();
        if whole > 0 && count & 1 == 1 {
            let out = start.wrapping_add(last.wrapping_mul(self.stride));
            // SAFETY: as above, for the last pixel.
            unsafe {
                let mut product = single(last, weights, out, whole);
                match self.matrix.vectors() {
                    3 => one_of_three(&mut product),
                    4 => one_of_four(&mut product),
                    _ => one(&mut product),
                }
            }
        }
        if self.matrix.channels() > whole {
            let weights = weights.wrapping_add((whole >> 2).wrapping_mul(self.matrix.block_len()));
            let mut buffer = [0; BLOCK];
            for (pixel, out) in out.chunks_mut(self.stride.max(1)).take(count).enumerate() {
                // SAFETY: as above; the last block's output is a buffer of four elements.
                unsafe { one(&mut single(pixel, weights, buffer.as_mut_ptr(), BLOCK)) }
                out.iter_mut().skip(whole).zip(buffer).for_each(|(out, value)| *out = value);
            }
        }
    }
}

/// What [`add_row`] reads; offsets in bytes from its start stand in the code.
#[repr(C)]
struct Addition {
    /// 0: the row's last vector.
    row: *const i8,
    /// 4: elements of it.
    tail: usize,
    /// 8: vectors before it.
    before: usize,
    /// 12: the row's weights in the first block.
    weights: *const u32,
    /// 16: bytes from the end of the row's weights to those in the next block.
    skip: usize,
    /// 20: sums of the first block.
    sums: *mut i32,
    /// 24: blocks, at least 1.
    blocks: usize,
}

/// Adds the products of row `index` of a dense layer's input, with 8 fraction bits, to the sums of all channels.
pub(crate) fn accumulate(matrix: &VectorMatrix<'_>, index: usize, row: &[i8], sums: &mut [i32]) {
    let vectors = row.len().div_ceil(VECTOR);
    let behind = index.wrapping_add(1).wrapping_mul(vectors);
    if vectors == 0 || behind > matrix.vectors() || sums.len() < matrix.channels() {
        return;
    }
    // Vectors stand in descending order.
    let of_vectors = |vectors: usize| vectors.wrapping_mul(BLOCK * VECTOR >> 2);
    let start = of_vectors(matrix.vectors().wrapping_sub(behind));
    let before = vectors.wrapping_sub(1);
    let (whole, rest) = sums.as_chunks_mut::<BLOCK>();
    let mut addition = Addition {
        row: row.as_ptr().wrapping_add(before.wrapping_mul(VECTOR)),
        tail: row.len().wrapping_sub(before.wrapping_mul(VECTOR)),
        before,
        weights: matrix.words().as_ptr().wrapping_add(start),
        skip: matrix.block_len().wrapping_sub(of_vectors(vectors)).wrapping_mul(4),
        sums: whole.as_mut_ptr().cast(),
        blocks: matrix.channels() >> 2,
    };
    if addition.blocks > 0 {
        // SAFETY: the matrix has `blocks` blocks with the row's vectors, at least 1, and there are as many fours of sums; the
        // row's last vector has `tail` elements, at least 1.
        unsafe { add_row(&mut addition) }
    }
    if matrix.channels() & 3 > 0 {
        let mut last = [0; BLOCK];
        addition.weights = addition.weights.wrapping_add((matrix.channels() >> 2).wrapping_mul(matrix.block_len()));
        (addition.sums, addition.blocks) = (last.as_mut_ptr(), 1);
        // SAFETY: as above, for the last block, whose sums are a buffer of four.
        unsafe { add_row(&mut addition) }
        rest.iter_mut().zip(last).for_each(|(sum, last)| *sum = sum.wrapping_add(last));
    }
}

/// A vector of two pixels (q0, q1) and four channels (at r5), 128 products: `first` for the one that begins the sums.
macro_rules! step2 {
    (first) => {
        "vldrb.u8 q2, [r5], #16
         vldrb.u8 q3, [r5], #16
         vmladav.s8 r0, q0, q2
         vmladav.s8 r8, q1, q2
         vldrb.u8 q2, [r5], #16
         vmladav.s8 r2, q0, q3
         vmladav.s8 r10, q1, q3
         vldrb.u8 q3, [r5], #16
         vmladav.s8 r4, q0, q2
         vmladav.s8 r12, q1, q2
         vmladav.s8 r6, q0, q3
         vmladav.s8 lr, q1, q3"
    };
    () => {
        "vldrb.u8 q0, [r1, #-16]!
         vldrb.u8 q2, [r5], #16
         vldrb.u8 q1, [r3, #-16]!
         vmladava.s8 r0, q0, q2
         vldrb.u8 q3, [r5], #16
         vmladava.s8 r8, q1, q2
         vldrb.u8 q2, [r5], #16
         vmladava.s8 r2, q0, q3
         vmladava.s8 r10, q1, q3
         vldrb.u8 q3, [r5], #16
         vmladava.s8 r4, q0, q2
         vmladava.s8 r12, q1, q2
         vmladava.s8 r6, q0, q3
         vmladava.s8 lr, q1, q3"
    };
}

/// The sums of two pixels to q0 and q1.
macro_rules! vectors2 {
    () => {
        "vmov q0[2], q0[0], r0, r4
         vmov q1[2], q1[0], r8, r12
         vmov q0[3], q0[1], r2, r6
         vmov q1[3], q1[1], r10, lr"
    };
}

/// Requantizes the sums in q0 and q1 with the numbers at r5, one channel a lane: outputs of the first pixel to the lower halves
/// of q2, of the second to the upper ones. r9: zero point; the given register: 256.
macro_rules! requantize2 {
    ($one:literal) => {
        concat!(
            "vldrw.u32 q2, [r5]
             vmla.s32 q2, q0, ",
            $one,
            "
             vldrw.u32 q0, [r5], #16
             vmla.s32 q0, q1, ",
            $one,
            "
             vldrw.u32 q1, [r5], #16
             vrmulh.s32 q2, q2, q1
             vrmulh.s32 q0, q0, q1
             vqmovnb.s32 q2, q2
             vqmovnt.s32 q2, q0
             vqadd.s16 q2, q2, r9
             vqmovnb.s16 q2, q2"
        )
    };
}

/// Stores the outputs in q2 at two registers, which move.
macro_rules! store2 {
    ($first:literal, $second:literal) => {
        concat!(
            "vstrb.32 q2, [",
            $first,
            "], #4
             vshr.u32 q2, q2, #16
             vstrb.32 q2, [",
            $second,
            "], #4"
        )
    };
}

/// Moves to the next pair of pixels and sets the flags for whether there is none. r11: product; r1 and r3: ends of the outputs.
macro_rules! next_pair {
    () => {
        "ldrd r0, r2, [r11, #40]
         ldrd r4, r6, [r11]
         subs r0, #1
         str r0, [r11, #40]
         add r4, r2
         add r6, r2
         strd r4, r6, [r11]
         ldrd r2, r4, [r11, #48]
         ldr r7, [r11, #32]
         add r1, r4
         add r3, r4
         strd r1, r3, [r11, #8]
         add r7, r2
         str r7, [r11, #32]"
    };
}

/// Multiplies pairs of pixels with blocks of channels.
#[unsafe(naked)]
unsafe extern "C" fn pairs(product: *mut Product) {
    mve_asm!(
        "push {{r3-r11, lr}}",
        // r9: zero point; r11: product. The steps of the loop are 56 bytes each.
        "mov r11, r0",
        "ldr r1, [r11, #24]",
        "movs r2, #56",
        "adr.w r3, 4f",
        "mla r1, r1, r2, r3",
        "orr r1, r1, #1",
        "str r1, [r11, #24]",
        "ldr r9, [r11, #36]",
        "2:",
        "ldr r5, [r11, #28]",
        "3:",
        "ldrd r1, r3, [r11]",
        "ldr r7, [r11, #16]",
        "vctp.8 r7",
        "vpstt",
        "vldrbt.u8 q0, [r1]",
        "vldrbt.u8 q1, [r3]",
        step2!(first),
        "ldr r7, [r11, #20]",
        "ldr pc, [r11, #24]",
        ".p2align 2",
        "4:",
        step2!(),
        step2!(),
        step2!(),
        step2!(),
        "subs r7, #1",
        "bne.w 4b",
        "mov.w r7, #256",
        vectors2!(),
        requantize2!("r7"),
        "ldrd r1, r3, [r11, #8]",
        "ldr r7, [r11, #32]",
        store2!("r1", "r3"),
        "cmp r1, r7",
        "strd r1, r3, [r11, #8]",
        "bne.w 3b",
        next_pair!(),
        "bne.w 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// A vector of four channels (at r5) with one of each pixel.
macro_rules! held_step {
    ($multiply:literal, $first:literal, $second:literal) => {
        concat!(
            "vldrb.u8 q0, [r5], #16
             vldrb.u8 q1, [r5], #16
             ",
            $multiply,
            " r0, ",
            $first,
            ", q0
             ",
            $multiply,
            " r8, ",
            $second,
            ", q0
             vldrb.u8 q0, [r5], #16
             ",
            $multiply,
            " r2, ",
            $first,
            ", q1
             ",
            $multiply,
            " r10, ",
            $second,
            ", q1
             vldrb.u8 q1, [r5], #16
             ",
            $multiply,
            " r4, ",
            $first,
            ", q0
             ",
            $multiply,
            " r12, ",
            $second,
            ", q0
             ",
            $multiply,
            " r6, ",
            $first,
            ", q1
             ",
            $multiply,
            " lr, ",
            $second,
            ", q1"
        )
    };
}

/// [`pairs`] for pixels of one or two vectors, which stay in registers: the last in q4 and q5, the one before in q6 and q7.
macro_rules! held {
    ($name:ident, $load:literal, $($step:expr),*) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(product: *mut Product) {
            mve_asm!(
                "push {{r3-r11, lr}}",
                "vpush {{d8-d15}}",
                // r9: zero point; r11: product, and 256 within the loop.
                "mov r11, r0",
                "ldr r9, [r11, #36]",
                "2:",
                "ldrd r1, r3, [r11]",
                "ldr r7, [r11, #16]",
                "vctp.8 r7",
                "vpstt",
                "vldrbt.u8 q4, [r1]",
                "vldrbt.u8 q5, [r3]",
                $load,
                "ldr r5, [r11, #28]",
                "ldrd r1, r3, [r11, #8]",
                "ldr r7, [r11, #32]",
                "push {{r11}}",
                "mov.w r11, #256",
                "3:",
                $($step,)*
                vectors2!(),
                requantize2!("r11"),
                store2!("r1", "r3"),
                "cmp r1, r7",
                "bne.w 3b",
                "pop {{r11}}",
                next_pair!(),
                "bne.w 2b",
                "vpop {{d8-d15}}",
                "pop {{r3-r11, pc}}",
            )
        }
    };
}

held!(pairs_of_one, "", held_step!("vmladav.s8", "q4", "q5"));
held!(
    pairs_of_two,
    "vldrb.u8 q6, [r1, #-16]
     vldrb.u8 q7, [r3, #-16]",
    held_step!("vmladav.s8", "q4", "q5"),
    held_step!("vmladava.s8", "q6", "q7")
);

/// A vector of four channels (at r5) with one of each pixel, that of the second at r3.
macro_rules! half_held_step {
    ($first:literal, $second:literal) => {
        concat!("vldrb.u8 q2, [r3, #", $second, "]\n", held_step!("vmladava.s8", $first, "q2"))
    };
}

/// [`pairs`] for pixels of three or four vectors: those of the first stay in registers, from q4 on, the last one first, and the
/// last one of the second in q3.
macro_rules! half_held {
    ($name:ident, $load:literal, $($step:expr),*) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(product: *mut Product) {
            mve_asm!(
                "push {{r3-r11, lr}}",
                "vpush {{d8-d15}}",
                // r9: zero point; r11: product, and 256 within the loop.
                "mov r11, r0",
                "ldr r9, [r11, #36]",
                "2:",
                "ldrd r1, r3, [r11]",
                "ldr r7, [r11, #16]",
                "vctp.8 r7",
                "vpstt",
                "vldrbt.u8 q4, [r1]",
                "vldrbt.u8 q3, [r3]",
                $load,
                "ldr r5, [r11, #28]",
                "ldrd r1, r7, [r11, #8]",
                "ldr r0, [r11, #32]",
                "push {{r0, r11}}",
                "mov.w r11, #256",
                "3:",
                held_step!("vmladav.s8", "q4", "q3"),
                $($step,)*
                vectors2!(),
                requantize2!("r11"),
                "ldr r0, [sp]",
                store2!("r1", "r7"),
                "cmp r1, r0",
                "bne.w 3b",
                "pop {{r0, r11}}",
                "mov r3, r7",
                next_pair!(),
                "bne.w 2b",
                "vpop {{d8-d15}}",
                "pop {{r3-r11, pc}}",
            )
        }
    };
}

half_held!(
    pairs_of_three,
    "vldrb.u8 q5, [r1, #-16]
     vldrb.u8 q6, [r1, #-32]",
    half_held_step!("q5", "-16"),
    half_held_step!("q6", "-32")
);
half_held!(
    pairs_of_four,
    "vldrb.u8 q5, [r1, #-16]
     vldrb.u8 q6, [r1, #-32]
     vldrb.u8 q7, [r1, #-48]",
    half_held_step!("q5", "-16"),
    half_held_step!("q6", "-32"),
    half_held_step!("q7", "-48")
);

/// A vector of one pixel (q0) and four channels (at r5), 64 products: `first` for the one that begins the sums.
macro_rules! step1 {
    (first) => {
        "vldrb.u8 q1, [r5], #16
         vldrb.u8 q2, [r5], #16
         vmladav.s8 r0, q0, q1
         vldrb.u8 q1, [r5], #16
         vmladav.s8 r2, q0, q2
         vldrb.u8 q2, [r5], #16
         vmladav.s8 r4, q0, q1
         vmladav.s8 r6, q0, q2"
    };
    () => {
        "vldrb.u8 q0, [r1, #-16]!
         vldrb.u8 q1, [r5], #16
         vmladava.s8 r0, q0, q1
         vldrb.u8 q2, [r5], #16
         vmladava.s8 r2, q0, q2
         vldrb.u8 q1, [r5], #16
         vmladava.s8 r4, q0, q1
         vldrb.u8 q2, [r5], #16
         vmladava.s8 r6, q0, q2"
    };
}

/// The sums of one pixel (last vector at r8, of r9 elements, behind r10 others) and four channels (at r5) to q0.
macro_rules! sums1 {
    () => {
        concat!(
            "vctp.8 r9
             vpst
             vldrbt.u8 q0, [r8]
             mov r1, r8
             ",
            step1!(first),
            "
             wls lr, r10, 4f
             3:
             ",
            step1!(),
            "
             le lr, 3b
             4:
             vmov q0[2], q0[0], r0, r4
             vmov q0[3], q0[1], r2, r6"
        )
    };
}

/// Requantizes the sums in q0 with the numbers at r5, one channel a lane, and stores the outputs at r3, which moves. r11: zero
/// point; r12: 256.
macro_rules! outputs1 {
    () => {
        "vldrw.u32 q1, [r5], #16
         vldrw.u32 q2, [r5], #16
         vmla.s32 q1, q0, r12
         vrmulh.s32 q1, q1, q2
         vqmovnb.s32 q1, q1
         vqadd.s16 q1, q1, r11
         vqmovnb.s16 q1, q1
         vstrb.32 q1, [r3], #4"
    };
}

/// Multiplies the first pixel with blocks of channels.
#[unsafe(naked)]
unsafe extern "C" fn one(product: *mut Product) {
    mve_asm!(
        "push {{r3-r11, lr}}",
        // r3: output; r7: its end; r11: zero point.
        "ldr r8, [r0]",
        "ldr r3, [r0, #8]",
        "ldrd r9, r10, [r0, #16]",
        "ldrd r5, r7, [r0, #28]",
        "ldr r11, [r0, #36]",
        "mov.w r12, #256",
        "2:",
        sums1!(),
        outputs1!(),
        "cmp r3, r7",
        "bne.w 2b",
        "pop {{r3-r11, pc}}",
    )
}

/// A vector of four channels with one of a pixel.
macro_rules! held_step1 {
    ($multiply:literal, $pixel:literal) => {
        concat!(
            "vldrb.u8 q0, [r5], #16
             vldrb.u8 q1, [r5], #16
             ",
            $multiply,
            " r0, ",
            $pixel,
            ", q0
             vldrb.u8 q2, [r5], #16
             ",
            $multiply,
            " r2, ",
            $pixel,
            ", q1
             vldrb.u8 q3, [r5], #16
             ",
            $multiply,
            " r4, ",
            $pixel,
            ", q2
             ",
            $multiply,
            " r6, ",
            $pixel,
            ", q3"
        )
    };
}

/// [`one`] for a pixel of three or four vectors, which stay in registers from q4 on, the last one first.
macro_rules! held1 {
    ($name:ident, $load:literal, $($step:expr),*) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(product: *mut Product) {
            mve_asm!(
                "push {{r3-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldr r8, [r0]",
                "ldr r3, [r0, #8]",
                "ldr r9, [r0, #16]",
                "ldrd r5, r7, [r0, #28]",
                "ldr r11, [r0, #36]",
                "mov.w r12, #256",
                "vctp.8 r9",
                "vpst",
                "vldrbt.u8 q4, [r8]",
                $load,
                "subs r7, r7, r3",
                "lsrs r7, r7, #2",
                "dls lr, r7",
                "2:",
                held_step1!("vmladav.s8", "q4"),
                $($step,)*
                "vmov q0[2], q0[0], r0, r4",
                "vmov q0[3], q0[1], r2, r6",
                outputs1!(),
                "le lr, 2b",
                "vpop {{d8-d15}}",
                "pop {{r3-r11, pc}}",
            )
        }
    };
}

held1!(
    one_of_three,
    "vldrb.u8 q5, [r8, #-16]
     vldrb.u8 q6, [r8, #-32]",
    held_step1!("vmladava.s8", "q5"),
    held_step1!("vmladava.s8", "q6")
);
held1!(
    one_of_four,
    "vldrb.u8 q5, [r8, #-16]
     vldrb.u8 q6, [r8, #-32]
     vldrb.u8 q7, [r8, #-48]",
    held_step1!("vmladava.s8", "q5"),
    held_step1!("vmladava.s8", "q6"),
    held_step1!("vmladava.s8", "q7")
);

/// Adds the products of a row of a dense layer's input with blocks of channels to their sums.
#[unsafe(naked)]
unsafe extern "C" fn add_row(addition: *mut Addition) {
    mve_asm!(
        "push {{r3-r11, lr}}",
        // r3: sums; r7: blocks to go; r11: bytes to the next block's weights.
        "ldrd r8, r9, [r0]",
        "ldrd r10, r5, [r0, #8]",
        "ldrd r11, r3, [r0, #16]",
        "ldr r7, [r0, #24]",
        "mov.w r12, #256",
        "2:",
        sums1!(),
        "vldrw.u32 q1, [r3]",
        "vmla.s32 q1, q0, r12",
        "vstrw.32 q1, [r3], #16",
        "add r5, r11",
        "subs r7, #1",
        "bne.w 2b",
        "pop {{r3-r11, pc}}",
    )
}
