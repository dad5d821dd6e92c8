//! Why a plan is refused.

/// A reason for which [`Plan::load`](super::Plan::load) refuses bytes. Indices are those of the value or step at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PlanError {
    /// The bytes end before the plan does.
    Truncated,
    /// The first bytes are not those of a plan.
    NotAPlan,
    /// The plan is of another version of the format; recompile it.
    Version(u16),
    /// The plan's weights are in a [packing](crate::kernels::Packing) that this core's kernels do not read; of the number, the
    /// lower half.
    Packing(u16),
    /// The bytes do not start at a multiple of 16.
    Misaligned,
    /// A checksum does not match: the plan is damaged.
    Checksum,
    /// A section lies outside the plan.
    Section,
    /// A tensor has an empty or oversized shape, an unknown element type or a zero point outside int8.
    Value(u16),
    /// A buffer lies outside the arena or is misaligned.
    Buffer(u16),
    /// Buffers that are live in one segment share bytes, or the memory map leaves one out.
    Overlap(u16),
    /// Scratch and heads that are live during a step share bytes or leave the transient bytes of the segment.
    Transient(u16),
    /// The plan does not have exactly one input and at least one output.
    Ports,
    /// A step's operator code is unknown; the plan needs a newer runtime.
    UnknownOperator(u16, u8),
    /// A step reads a value that no earlier step writes, or writes one that is written already.
    Order(u16),
    /// A step's segment is out of order, or a buffer is read in a segment in which it is not live.
    Segment(u16),
    /// A step reads or writes int16 values, which its operator does not take.
    Element(u16),
    /// Shapes, strides or padding of a step do not fit together.
    Geometry(u16),
    /// A step's constants lie outside the constants section.
    Constants(u16),
    /// A step's accumulator could overflow 32 bits.
    Accumulator(u16),
    /// A step's requantization (shift, bounds or multipliers) is out of range.
    Requantization(u16),
    /// A value holds fewer rows than a step's window.
    Ring(u16),
    /// The front end section is damaged or does not match the input's shape.
    FrontEnd,
    /// Labels, names or provenance are not UTF-8.
    Text,
}

impl core::fmt::Display for PlanError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => write!(f, "the plan is cut off"),
            Self::NotAPlan => write!(f, "this is not a plan"),
            Self::Version(v) => write!(f, "plan format version {v} is not supported: compile the model again"),
            Self::Packing(0) => write!(
                f,
                "the plan is packed for other cores: let the host pack it for this one (`residua pack --target`)"
            ),
            Self::Packing(p) => {
                write!(f, "the plan has packing {p}, for other cores: use the plan that `residua compile` wrote")
            }
            Self::Misaligned => write!(f, "the plan does not start at a multiple of 16 bytes"),
            Self::Checksum => write!(f, "the plan is damaged: its checksum does not match"),
            Self::Section => write!(f, "a section lies outside the plan"),
            Self::Value(v) => write!(f, "value {v} has an invalid shape, element type or zero point"),
            Self::Buffer(v) => write!(f, "buffer {v} lies outside the arena or is misaligned"),
            Self::Overlap(s) => write!(f, "buffers of segment {s} share bytes or are missing in the memory map"),
            Self::Transient(s) => write!(f, "scratch and heads of step {s} share bytes or leave their place"),
            Self::Ports => write!(f, "the plan does not have exactly one input and at least one output"),
            Self::UnknownOperator(s, code) => write!(f, "step {s} has unknown operator code {code}"),
            Self::Order(s) => write!(f, "step {s} reads a value before it is written or writes one twice"),
            Self::Segment(s) => write!(f, "step {s} is out of segment order or uses a buffer that is not live"),
            Self::Element(s) => write!(f, "step {s} has int16 values, which its operator does not take"),
            Self::Geometry(s) => write!(f, "step {s} has shapes, strides or padding that do not fit together"),
            Self::Constants(s) => write!(f, "step {s} has constants outside the constants section"),
            Self::Accumulator(s) => write!(f, "step {s} could overflow its 32-bit accumulator"),
            Self::Requantization(s) => write!(f, "step {s} has a requantization that is out of range"),
            Self::Ring(s) => write!(f, "step {s} reads a ring buffer that is shorter than its window"),
            Self::FrontEnd => write!(f, "the audio front end is damaged or does not match the input"),
            Self::Text => write!(f, "labels, names or provenance are not UTF-8"),
        }
    }
}

impl core::error::Error for PlanError {}

// Results fit into a register.
const _: () = assert!(size_of::<PlanError>() == 4);
