#![no_std]
#![forbid(unsafe_code)]
//! What the host and the generic firmware say to each other.
//!
//! The host places one image into the board's *mailbox*, a piece of memory that its linker script sets apart (symbols
//! [`MAILBOX_SYMBOLS`]), before it boots: a [`Request`], the plan, the input.
//! The firmware reads it in place and writes its answers as [`Record`]s to a file on the host. All numbers are
//! little-endian. Both sides are built from this crate.
//!
//! Image, from the mailbox's start:
//!
//! | offset | bytes | holds |
//! |-------:|------:|-------|
//! | 0 | 32 | [`Request`] |
//! | `plan_offset`, a multiple of 16 | `plan_len` | the plan |
//! | `input_offset`, a multiple of 16 | `input_len` | `input_count` inputs of equal length, one behind the other |
//!
//! Report: records one behind the other, each a 4-byte tag, a 4-byte payload length, and the payload (see [`Record`]).
//! A report that does not close with [`Record::End`] was cut off.

/// First bytes of a request: "RESQ".
pub const MAGIC: [u8; 4] = *b"RESQ";

/// Version of image and report. Host and firmware must have the same one.
pub const VERSION: u32 = 1;

/// Alignment in bytes of the mailbox itself, the plan and the input.
pub const ALIGNMENT: usize = 16;

/// Symbols of the firmware's ELF file whose addresses are the mailbox's start and end.
pub const MAILBOX_SYMBOLS: [&str; 2] = ["_mailbox_start", "_mailbox_end"];

/// File that the firmware writes its report to, in the emulator's working directory.
pub const REPORT_FILE: &core::ffi::CStr = c"report.bin";

/// What the firmware is to do. Every mode loads the plan first, between markers of its own (see `residua-counter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Load the plan, nothing else.
    Load,
    /// Run each input, int8 in the plan's input layout; one [`Record::Output`] each, between markers each.
    Infer,
    /// As [`Mode::Infer`], with a lap marker where each step of the plan begins and where it ends.
    Profile,
    /// Replay the golden vector: one [`Record::SelfTest`].
    SelfTest,
    /// Input is mono i16 audio at the front end's rate, one stream: one [`Record::Row`] for each row the plan emits,
    /// the whole stream between markers.
    Audio,
    /// Push each row of each input, int8 in the plan's layout, any number of rows: one [`Record::Row`] for each row the
    /// plan emits, each pushed row between markers. Each input begins a new stream.
    Stream,
}

impl Mode {
    /// In the order of their codes.
    const ALL: [Self; 6] = [Self::Load, Self::Infer, Self::Profile, Self::SelfTest, Self::Audio, Self::Stream];

    fn code(self) -> u32 {
        self as u32
    }

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// The header of the image: magic, version, mode, then the fields in order, each a u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub mode: Mode,
    /// Where the plan begins, in bytes from the mailbox's start.
    pub plan_offset: u32,
    /// Length of the plan in bytes.
    pub plan_len: u32,
    /// Where the input begins, in bytes from the mailbox's start.
    pub input_offset: u32,
    /// Length of all inputs in bytes.
    pub input_len: u32,
    /// Number of inputs; `input_len` is a multiple of it.
    pub input_count: u32,
}

impl Request {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The request as it stands in memory.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let words = [
            u32::from_le_bytes(MAGIC),
            VERSION,
            self.mode.code(),
            self.plan_offset,
            self.plan_len,
            self.input_offset,
            self.input_len,
            self.input_count,
        ];
        let mut bytes = [0; Self::LEN];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a request; `None` where magic, version, mode or length are not right.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.first_chunk::<{ Self::LEN }>()?.as_chunks::<4>();
        let &[magic, version, mode, plan_offset, plan_len, input_offset, input_len, input_count] = words else {
            return None;
        };
        if magic != MAGIC || u32::from_le_bytes(version) != VERSION {
            return None;
        }
        Some(Self {
            mode: Mode::from_code(u32::from_le_bytes(mode))?,
            plan_offset: u32::from_le_bytes(plan_offset),
            plan_len: u32::from_le_bytes(plan_len),
            input_offset: u32::from_le_bytes(input_offset),
            input_len: u32::from_le_bytes(input_len),
            input_count: u32::from_le_bytes(input_count),
        })
    }
}

/// How the firmware's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All done. A self-test that found a difference is also done.
    Done,
    /// The mailbox holds no request that this firmware understands.
    BadRequest,
    /// The plan was refused; the log has the reason.
    BadPlan,
    /// Arena, scratch and output do not fit into the board's memory: [`Record::Memory`] tells what was asked for.
    NoMemory,
    /// The input's length is not the plan's.
    BadInput,
    /// Audio for a plan that has no front end.
    NoFrontEnd,
    /// The engine refused to start or to run; the log has the reason.
    EngineError,
    /// The firmware was built without the mode that the request asks for.
    NotLinked,
    /// The firmware panicked or the core faulted. The report is cut off; only the exit code says so.
    Crashed,
}

impl Status {
    /// In the order of their codes.
    const ALL: [Self; 9] = [
        Self::Done,
        Self::BadRequest,
        Self::BadPlan,
        Self::NoMemory,
        Self::BadInput,
        Self::NoFrontEnd,
        Self::EngineError,
        Self::NotLinked,
        Self::Crashed,
    ];

    /// The number that stands in the report; also the firmware's exit code.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The status of a number, `None` where it has no meaning.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// One answer of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Tag 1: bytes of memory that the plan asks for (arena, front-end scratch, output, each rounded up to 16), and
    /// bytes that the board has for it: two u32.
    Memory {
        /// Asked for.
        needed: u32,
        /// There.
        available: u32,
    },
    /// Tag 2: the output of one inference, int8 as raw bytes, whole tensor.
    Output(&'a [u8]),
    /// Tag 3: index of an output row as u32, then the row, int8 as raw bytes.
    Row {
        /// Counted from 0 over the stream.
        index: u32,
        /// The row.
        values: &'a [u8],
    },
    /// Tag 4: the deepest stack below the caller of the engine over all inferences, in bytes: u32.
    Stack(u32),
    /// Tag 5: the self-test's first differing step, [`u32::MAX`] where all agree.
    SelfTest(u32),
    /// Tag 6: how it ended; the last record: u32.
    End(Status),
}

impl<'a> Record<'a> {
    /// Hands the record's bytes to `write`, piece by piece, in order.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn write<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let (tag, words, count, bytes): (u32, [u32; 2], u32, &[u8]) = match *self {
            Self::Memory { needed, available } => (1, [needed, available], 2, &[]),
            Self::Output(values) => (2, [0; 2], 0, values),
            Self::Row { index, values } => (3, [index, 0], 1, values),
            Self::Stack(bytes) => (4, [bytes, 0], 1, &[]),
            Self::SelfTest(step) => (5, [step, 0], 1, &[]),
            Self::End(status) => (6, [status.code(), 0], 1, &[]),
        };
        let len = (bytes.len() as u32).wrapping_add(count << 2);
        let [first, second] = words;
        for word in [tag, len, first, second].into_iter().take((count as usize).wrapping_add(2)) {
            write(&word.to_le_bytes())?;
        }
        write(bytes)
    }

    /// Takes the first record off `report`, which goes on behind it; `None` where the report is at its end, cut off, or
    /// holds something unknown.
    pub fn read(report: &mut &'a [u8]) -> Option<Self> {
        let (head, rest) = report.split_at_checked(8)?;
        let mut head = words(head);
        let (tag, len) = (head.next()?, head.next()?);
        let (payload, rest) = rest.split_at_checked(len as usize)?;
        let mut fields = words(payload);
        let record = match tag {
            1 => Self::Memory { needed: fields.next()?, available: fields.next()? },
            2 => Self::Output(payload),
            3 => Self::Row { index: fields.next()?, values: payload.get(4..)? },
            4 => Self::Stack(fields.next()?),
            5 => Self::SelfTest(fields.next()?),
            6 => Self::End(Status::from_code(fields.next()?)?),
            _ => return None,
        };
        *report = rest;
        Some(record)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|chunk| chunk.first_chunk()).map(|chunk| u32::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_request_is_read_as_written() {
        for mode in Mode::ALL {
            let request =
                Request { mode, plan_offset: 32, plan_len: 5, input_offset: 48, input_len: 6, input_count: 2 };
            let bytes = request.to_bytes();
            assert_eq!(Request::from_bytes(&bytes), Some(request));
            assert_eq!(Request::from_bytes(&bytes[..Request::LEN - 1]), None, "short");
            for damaged in 0..12 {
                let mut bytes = bytes;
                bytes[damaged] ^= 0x40;
                assert_eq!(Request::from_bytes(&bytes), None, "byte {damaged} damaged");
            }
        }
    }

    #[test]
    fn records_are_read_as_written() {
        let records = [
            Record::Memory { needed: 70_000, available: 4_000_000 },
            Record::Output(&[1, 2, 3]),
            Record::Row { index: 7, values: &[255, 0] },
            Record::Stack(640),
            Record::SelfTest(u32::MAX),
            Record::End(Status::NoMemory),
        ];
        let mut bytes = Vec::new();
        for record in &records {
            record
                .write(|piece| {
                    bytes.extend_from_slice(piece);
                    Ok::<(), ()>(())
                })
                .unwrap();
        }
        let mut rest = &bytes[..];
        let read: Vec<_> = std::iter::from_fn(|| Record::read(&mut rest)).collect();
        assert_eq!(read, records);
        assert!(rest.is_empty());
        // Cut off anywhere, a report never ends in an `End`.
        for cut in 0..bytes.len() {
            let mut rest = &bytes[..cut];
            let last = std::iter::from_fn(|| Record::read(&mut rest)).last();
            assert!(!matches!(last, Some(Record::End(_))), "cut at {cut}");
        }
    }
}
