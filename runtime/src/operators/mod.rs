//! The operators: one file each, with the contract, the row form and the naive reference.
//!
//! The `operators!` table below is the only list of them: code in the plan, name, the crate's feature that links it,
//! variant, how the engine drives it, and type. It is handed a window of rows (`window`; `layer` where it is a [`Layer`], decoded as
//! all convolutions are), or carries sums ([`RowOperator::sums`]). To add one, write its file and its line here, and its
//! feature in `Cargo.toml`.
//!
//! Values are int8; operators marked `wide` take int16 ones as well, each input and the output by itself. Those of
//! [`wide`] are for nothing else: they stand in for the others where a value is int16.

mod add;
mod affine;
mod average_pool;
mod bilinear;
mod channels;
mod concat;
mod convolution;
mod dense;
mod depthwise;
#[cfg(not(residua_mve))]
mod depthwise3;
mod epilogue;
pub mod geometry;
mod layer;
mod log_softmax;
mod max_of_channels;
mod max_pool;
mod mean;
mod mean_pool;
mod multiply;
pub mod padding;
pub mod pairing;
mod part;
mod pointwise;
pub mod recurrent;
mod resample;
pub mod rows;
mod softmax;
mod sum;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod upsample;
pub mod wide;
pub mod windows;
mod winograd;

pub use add::Add;
pub use affine::Affine;
pub use average_pool::AveragePool;
pub use bilinear::Bilinear;
pub use channels::Channels;
pub use concat::Concat;
pub use convolution::Convolution;
pub use dense::Dense;
pub use depthwise::{Depthwise, depthwise_scratch_words};
// With weights in vectors it is no more than a depthwise convolution.
#[cfg(residua_mve)]
pub use depthwise::Depthwise as Depthwise3;
#[cfg(not(residua_mve))]
pub use depthwise3::Depthwise3;
pub use epilogue::Epilogue;
pub use layer::Layer;
pub use log_softmax::LogSoftmax;
pub use max_of_channels::MaxOfChannels;
pub use max_pool::MaxPool;
pub use mean::Mean;
pub use mean_pool::MeanPool;
pub use multiply::Multiply;
pub use part::Part;
pub use pointwise::Pointwise;
pub use recurrent::{RecurrentColumns, RecurrentRows};
pub use resample::{FRACTION as PLACE_FRACTION, PADDING as PLACE_OF_PADDING, Resample};
pub use softmax::Softmax;
pub use sum::Sum;
pub use table::Table;
pub use upsample::{Order, Upsample};
pub use winograd::Winograd;

use crate::plan::format::{NONE, StepRecord, ValueRecord};
use crate::plan::{Constants, Plan, PlanError, optional};
use crate::requantize::Requantizer;
use geometry::Geometry;
use layer::Kind;
use rows::RowWindow;

/// How the engine drives an operator.
pub trait RowOperator {
    /// Shapes and window.
    fn geometry(&self) -> &Geometry;

    /// Number of i32 sums that the operator carries from input row to input row. Zero for an operator that computes an
    /// output row at once from the rows of its window ([`RowOperator::row`]); any other consumes each input row as it
    /// arrives ([`RowOperator::accumulate`], [`RowOperator::finish`]), so that its input ring holds a single row.
    fn sums(&self) -> usize {
        0
    }

    /// Whether the sums of an output row go on from those of the row before; they are zero before the input's first row alone.
    fn carries(&self) -> bool {
        false
    }

    /// Words of scratch that [`RowOperator::row`] needs. Nothing is kept in them from row to row.
    fn scratch_words(&self) -> usize {
        0
    }

    /// Computes one output row from its window. `scratch` has [`RowOperator::scratch_words`] words, of any content.
    fn row(&self, window: &RowWindow<'_>, scratch: &mut [u32], out: &mut [i8]) {
        let _ = (window, scratch, out);
    }

    /// Adds an input row to the sums of output row `y`; `tap` is the row's place in the window, which starts with 0 or,
    /// below top padding, later. The sums are zero before the first row (see [`RowOperator::carries`]).
    fn accumulate(&self, tap: usize, row: &[i8], sums: &mut [i32]) {
        let _ = (tap, row, sums);
    }

    /// Turns the sums into output row `y`.
    fn finish(&self, y: u32, sums: &[i32], out: &mut [i8]) {
        let _ = (y, sums, out);
    }

    /// The operator's definition, element by element over whole tensors, in 64-bit arithmetic. `second` is empty where
    /// there is no second input.
    ///
    /// Not called through `dyn RowOperator`, so that firmware does not hold it.
    fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8])
    where
        Self: Sized;
}

macro_rules! operators {
    (@ decode layer $type:ty, $variant:ident, $context:expr) => { Layer::decode($context, &<$type>::KIND).map($variant) };
    (@ decode $drive:ident $type:ty, $variant:ident, $context:expr) => { <$type>::decode($context) };
    (@ with layer $type:ty, $context:expr, $work:expr) => { Self::lend($context, &<$type>::KIND, $work) };
    (@ with $drive:ident $type:ty, $context:expr, $work:expr) => { hand(<$type>::decode, $context, $work) };
    (@ lend layer $variant:ident, $layer:expr, $work:expr) => { $work(&$variant($layer)) };
    (@ lend $drive:ident $variant:ident, $layer:expr, $work:expr) => { () };
    (@ layer) => { (false, false) };
    (@ window) => { (false, false) };
    (@ sums) => { (true, false) };
    (@ wide_window) => { (false, true) };
    (@ wide_sums) => { (true, true) };
    ($( $(#[$doc:meta])* $code:literal $name:literal $feature:literal $variant:ident $drive:ident $type:ty, )*) => {
        /// A step's operator with its constants, ready to run.
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub enum Operator<'p> {
            $( $(#[$doc])* #[cfg(feature = $feature)] $variant($type), )*
            /// No operator: the lifetime's place where only operators without constants are linked.
            #[doc(hidden)]
            Never(core::convert::Infallible, core::marker::PhantomData<&'p ()>),
        }

        /// Code in the plan and name of each operator that is linked.
        pub const OPERATORS: &[(u8, &str)] = &[ $( #[cfg(feature = $feature)] ($code, $name), )* ];

        impl<'p> Operator<'p> {
            /// Decodes step `index` and checks it; what cannot be checked at once, packed numbers, is harmless whatever it is.
            pub(crate) fn decode(plan: &Plan<'p>, index: u16) -> Result<Self, PlanError> {
                let context = Context::of(plan, index).ok_or(PlanError::Order(index))?;
                match context.step.operator {
                    $( #[cfg(feature = $feature)] $code => operators!(@ decode $drive $type, $variant, &context).map(Self::$variant), )*
                    code => Err(PlanError::UnknownOperator(index, code)),
                }
            }

            /// Decodes the operator of a step, checks it, and hands it to `work`.
            pub(crate) fn with(
                context: &Context<'p>,
                work: &mut dyn FnMut(&dyn RowOperator),
            ) -> Result<(), PlanError> {
                match context.step.operator {
                    $( #[cfg(feature = $feature)] $code => operators!(@ with $drive $type, context, work), )*
                    code => Err(PlanError::UnknownOperator(context.index, code)),
                }
            }

            /// Decodes the convolution of a step and lends it to `work`: one stack frame for all kinds.
            #[inline(never)]
            fn lend(
                context: &Context<'p>,
                kind: &Kind,
                work: &mut dyn FnMut(&dyn RowOperator),
            ) -> Result<(), PlanError> {
                match &Layer::decode(context, kind) {
                    Ok(layer) => {
                        match context.step.operator {
                            $( #[cfg(feature = $feature)] $code => operators!(@ lend $drive $variant, layer, work), )*
                            _ => {}
                        }
                        Ok(())
                    }
                    Err(error) => Err(*error),
                }
            }

            /// Whether the operator of a code carries sums from input row to input row.
            pub(crate) fn accumulates(code: u8) -> bool {
                match code { $( #[cfg(feature = $feature)] $code => operators!(@ $drive).0, )* _ => false }
            }

            /// Whether the operator of a code takes int16 values beside int8 ones.
            pub(crate) fn takes_int16(code: u8) -> bool {
                match code { $( #[cfg(feature = $feature)] $code => operators!(@ $drive).1, )* _ => false }
            }

            /// The operator's driver interface.
            #[inline]
            pub fn as_row_operator(&self) -> &dyn RowOperator {
                match self {
                    $( #[cfg(feature = $feature)] Self::$variant(operator) => operator, )*
                    Self::Never(never, _) => match *never {},
                }
            }

            /// The operator's definition, see [`RowOperator::reference`].
            pub fn reference(&self, input: &[i8], second: &[i8], output: &mut [i8]) {
                match self {
                    $( #[cfg(feature = $feature)] Self::$variant(operator) => operator.reference(input, second, output), )*
                    Self::Never(never, _) => match *never {},
                }
            }

            /// The operator's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $( #[cfg(feature = $feature)] Self::$variant(_) => $name, )*
                    Self::Never(never, _) => match *never {},
                }
            }
        }
    };
}

operators! {
    /// Any convolution.
    1 "Convolution" "convolution" Convolution layer Convolution<Layer<'p>>,
    /// One kernel per channel.
    2 "Depthwise" "depthwise" Depthwise layer Depthwise<Layer<'p>>,
    /// 1×1 kernel, and dense layers over one pixel.
    3 "Pointwise" "pointwise" Pointwise layer Pointwise<Layer<'p>>,
    /// Dense layer over a whole tensor.
    4 "Dense" "dense" Dense sums Dense<'p>,
    /// Sum of two tensors of different scales.
    5 "Add" "add" Add window Add,
    /// Maximum over a window.
    6 "MaxPool" "max-pool" MaxPool window MaxPool,
    /// Mean over windows that overlap.
    7 "AveragePool" "average-pool" AveragePool window AveragePool<'p>,
    /// Mean over windows that do not overlap in rows; global pooling.
    8 "MeanPool" "mean-pool" MeanPool sums MeanPool<'p>,
    /// Scale and offset per channel.
    9 "Affine" "affine" Affine window Affine<'p>,
    /// Any function of one int8 element.
    10 "Table" "table" Table window Table<'p>,
    /// Softmax over the channels of each pixel.
    11 "Softmax" "softmax" Softmax window Softmax<'p>,
    /// Product of two tensors.
    12 "Multiply" "multiply" Multiply window Multiply,
    /// Two tensors side by side along the channels.
    13 "Concat" "concat" Concat window Concat,
    /// A run of channels.
    14 "Channels" "channels" Channels wide_window Channels,
    /// More rows and columns.
    15 "Upsample" "upsample" Upsample wide_window Upsample,
    /// Logarithm of the softmax.
    16 "LogSoftmax" "log-softmax" LogSoftmax window LogSoftmax<'p>,
    /// More rows and columns, interpolated.
    17 "Bilinear" "bilinear" Bilinear window Bilinear,
    /// One kernel of 3×3 taps per channel.
    18 "Depthwise3" "depthwise3" Depthwise3 layer Depthwise3<Layer<'p>>,
    /// Rows and columns from any places of the input.
    19 "Resample" "resample" Resample wide_window Resample<'p>,
    /// Maximum over some channels.
    20 "MaxOfChannels" "max-of-channels" MaxOfChannels wide_window MaxOfChannels,
    /// LSTM or GRU from row to row.
    21 "RecurrentRows" "recurrent-rows" RecurrentRows wide_sums RecurrentRows<'p>,
    /// LSTM or GRU along the columns, or over all rows.
    22 "RecurrentColumns" "recurrent-columns" RecurrentColumns wide_window RecurrentColumns<'p>,
    /// One of several inputs.
    23 "Part" "part" Part wide_window Part,
    /// Convolution of 3×3 taps, as the packing for a core may choose.
    24 "Winograd" "winograd" Winograd layer Winograd<Layer<'p>>,
    /// Any convolution, dense layer or scale per channel.
    32 "WideConvolution" "wide-convolution" WideConvolution wide_window wide::WideConvolution<'p>,
    /// Sum of two tensors.
    33 "WideAdd" "wide-add" WideAdd wide_window wide::WideAdd,
    /// Product of two tensors.
    34 "WideMultiply" "wide-multiply" WideMultiply wide_window wide::WideMultiply,
    /// Maximum over a window.
    35 "WideMaxPool" "wide-max-pool" WideMaxPool wide_window wide::WideMaxPool,
    /// Mean over windows that overlap.
    36 "WideAveragePool" "wide-average-pool" WideAveragePool wide_window wide::WideAveragePool<'p>,
    /// Mean over windows that do not overlap in rows.
    37 "WideMeanPool" "wide-mean-pool" WideMeanPool wide_sums wide::WideMeanPool<'p>,
    /// Any function of one element.
    38 "WideTable" "wide-table" WideTable wide_window wide::WideTable<'p>,
    /// Softmax over the channels of each pixel.
    39 "WideSoftmax" "wide-softmax" WideSoftmax wide_window wide::WideSoftmax<'p>,
    /// Logarithm of the softmax.
    40 "WideLogSoftmax" "wide-log-softmax" WideLogSoftmax wide_window wide::WideLogSoftmax<'p>,
    /// Two tensors side by side along the channels.
    41 "WideConcat" "wide-concat" WideConcat wide_window wide::WideConcat,
    /// More rows and columns, interpolated.
    42 "WideBilinear" "wide-bilinear" WideBilinear wide_window wide::WideBilinear,
}

/// Whether the operator of a code has an [`Epilogue`].
pub fn has_epilogue(code: u8) -> bool {
    OPERATORS.iter().any(|&(c, name)| c == code && epilogue::OPERATORS.contains(&name))
}

/// Decodes an operator on a stack frame of its own: that of none of the others is added.
#[inline(never)]
fn hand<'p, T: RowOperator>(
    decode: impl FnOnce(&Context<'p>) -> Result<T, PlanError>,
    context: &Context<'p>,
    work: &mut dyn FnMut(&dyn RowOperator),
) -> Result<(), PlanError> {
    match &decode(context) {
        Ok(operator) => {
            work(operator);
            Ok(())
        }
        Err(error) => Err(*error),
    }
}

/// What an operator needs of the arena.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// Bytes of sums.
    pub sums_len: usize,
    /// Bytes of scratch while it computes a row.
    pub scratch_len: usize,
    /// Rows of the input that one output row needs at once.
    pub window_rows: u32,
}

impl Needs {
    /// Those of step `index`, whose operator is checked.
    pub fn of(plan: &Plan<'_>, index: u16) -> Result<Self, PlanError> {
        let context = Context::of(plan, index).ok_or(PlanError::Order(index))?;
        let mut needs = None;
        Operator::with(&context, &mut |operator| {
            let geometry = operator.geometry();
            let (sums, scratch) = (operator.sums(), operator.scratch_words());
            let window = if sums > 0 { 1 } else { geometry.span() as u32 };
            needs = geometry.is_sound().then_some(Self {
                sums_len: sums.saturating_mul(4),
                scratch_len: scratch.saturating_mul(4),
                window_rows: window.min(geometry.rows_in),
            });
        })?;
        needs.ok_or(PlanError::Geometry(index))
    }
}

/// What an operator is decoded from.
pub(crate) struct Context<'p> {
    pub constants: Constants<'p>,
    pub index: u16,
    pub step: &'p StepRecord,
    pub input: &'p ValueRecord,
    pub second: Option<&'p ValueRecord>,
    pub output: &'p ValueRecord,
}

impl<'p> Context<'p> {
    /// The context of a step, or `None` where there is no such step or value.
    pub fn of(plan: &Plan<'p>, index: u16) -> Option<Self> {
        let step = plan.step_in_place(index)?;
        let second = match optional(step.second) {
            Some(second) => Some(plan.value_in_place(second)?),
            None => None,
        };
        let (input, output) = (plan.value_in_place(step.input)?, plan.value_in_place(step.output)?);
        Some(Self { constants: plan.constants(), index, step, input, second, output })
    }

    /// The step's geometry, not checked.
    fn geometry(&self) -> Geometry {
        Geometry::of(self.step, self.input, self.output)
    }

    /// The geometry of an operator that maps pixels one to one.
    fn elementwise(&self) -> Result<Geometry, PlanError> {
        let geometry = self.geometry();
        geometry::fits(geometry.is_elementwise() && geometry.channels_in == geometry.channels_out, self.index)?;
        Ok(geometry)
    }

    /// What the step's matrix products need of the crate's features is linked.
    fn linked(&self) -> Result<(), PlanError> {
        let linked = cfg!(feature = "columns") || self.output.columns == 1;
        if linked { Ok(()) } else { Err(PlanError::UnknownOperator(self.index, self.step.operator)) }
    }

    /// The step's requantization to its output.
    fn requantizer(&self) -> Result<Requantizer, PlanError> {
        let (min, max) = (self.step.min.into(), self.step.max.into());
        Requantizer::new(self.step.shift, self.output.zero_point.into(), min, max)
            .ok_or(PlanError::Requantization(self.index))
    }

    /// The step's first `len` weights.
    fn weights(&self, len: usize) -> Result<&'p [i8], PlanError> {
        self.constants.get(self.step.weights, len).ok_or(PlanError::Constants(self.index))
    }

    /// The step's packed words.
    fn packed(&self, len: Option<usize>) -> Result<&'p [u32], PlanError> {
        len.and_then(|len| self.constants.get(self.step.weights, len)).ok_or(PlanError::Constants(self.index))
    }

    /// The step has neither a second input nor a padding pixel.
    fn single(&self) -> Result<(), PlanError> {
        geometry::fits(self.second.is_none(), self.index)?;
        self.unpadded()
    }

    /// The step has no padding pixel.
    fn unpadded(&self) -> Result<(), PlanError> {
        geometry::fits(self.step.padding == NONE, self.index)
    }
}
