//! What is counted, apart from QEMU: blocks of instructions, markers, totals.

use crate::instructions::{InstructionSet, Marker};
use crate::timing::{Kind, REFILL};
use std::fmt;

/// Totals of a region or lap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions that reached the execute stage, those of an IT block whose condition failed among them.
    pub instructions: u64,
    /// Modelled cycles.
    pub cycles: u64,
    /// Taken changes of flow.
    pub taken: u64,
}

impl Counts {
    fn since(self, base: Self) -> Self {
        Self {
            instructions: self.instructions - base.instructions,
            cycles: self.cycles - base.cycles,
            taken: self.taken - base.taken,
        }
    }
}

/// Instructions that are executed together: a translation block, or one instruction of a block that holds a marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    start: u32,
    end: u32,
    instructions: u32,
    cycles: u32,
    marker: Option<Marker>,
}

impl Block {
    /// Splits a translation block, given as (address, first halfword, second halfword) in order, into what is counted:
    /// one block, or one for each instruction where a marker is among them. No instructions, no blocks.
    pub fn split(set: InstructionSet, code: &[(u32, u16, u16)]) -> Vec<Self> {
        let marked = code.iter().any(|&(_, first, second)| set.marker(first, second).is_some());
        let mut blocks: Vec<Self> = Vec::new();
        let (mut after_access, mut after_narrow) = (false, false);
        for &(address, first, second) in code {
            if marked || blocks.is_empty() {
                blocks.push(Self { start: address, end: address, ..Self::default() });
            }
            let Some(block) = blocks.last_mut() else { continue };
            let timing = set.time(first, second);
            block.end = block.end.wrapping_add(timing.bytes);
            block.marker = set.marker(first, second);
            if block.marker.is_some() {
                continue;
            }
            block.instructions += 1;
            block.cycles += match timing.kind {
                Kind::Load if after_access => 1,
                Kind::IfThen if after_narrow => 0,
                _ => timing.cycles,
            };
            after_access = matches!(timing.kind, Kind::Load | Kind::Store);
            after_narrow = timing.bytes == 2;
        }
        blocks
    }
}

/// A line of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    kind: &'static str,
    index: u32,
    counts: Counts,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, index, counts: Counts { instructions, cycles, taken } } = self;
        write!(
            f,
            r#"{{"kind":"{kind}","index":{index},"instructions":{instructions},"cycles":{cycles},"taken":{taken}}}"#
        )
    }
}

/// The counting itself.
#[derive(Debug)]
pub struct Counter {
    total: Counts,
    lap_base: Counts,
    counting: bool,
    regions: u32,
    laps: u32,
    /// Address behind the block executed last: execution going on anywhere else is a taken change of flow.
    fall_through: u32,
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// A counter that waits for its first start marker.
    pub const fn new() -> Self {
        let none = Counts { instructions: 0, cycles: 0, taken: 0 };
        Self { total: none, lap_base: none, counting: false, regions: 0, laps: 0, fall_through: 0 }
    }

    /// Counts one execution of a block. A stop or lap marker gives the line to write.
    pub fn execute(&mut self, block: &Block) -> Option<Line> {
        let taken = block.start != self.fall_through;
        self.fall_through = block.end;
        if let Some(marker) = block.marker {
            return self.mark(marker);
        }
        if self.counting {
            self.total.instructions += u64::from(block.instructions);
            self.total.cycles += u64::from(block.cycles);
            if taken {
                self.total.taken += 1;
                self.total.cycles += REFILL;
            }
        }
        None
    }

    /// The line for a region that is still open when the guest ends.
    pub fn finish(&mut self) -> Option<Line> {
        self.counting.then_some(Line { kind: "open", index: self.regions, counts: self.total })
    }

    fn mark(&mut self, marker: Marker) -> Option<Line> {
        match marker {
            Marker::Start => {
                *self = Self { counting: true, regions: self.regions, fall_through: self.fall_through, ..Self::new() };
                None
            }
            Marker::Stop => {
                self.counting = false;
                let line = Line { kind: "region", index: self.regions, counts: self.total };
                self.regions += 1;
                Some(line)
            }
            Marker::Lap => {
                let line = Line { kind: "lap", index: self.laps, counts: self.total.since(self.lap_base) };
                self.laps += 1;
                self.lap_base = self.total;
                Some(line)
            }
            Marker::Pause => {
                self.counting = false;
                None
            }
            Marker::Resume => {
                self.counting = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOP: u16 = 0xbf00;
    const LDR: u16 = 0x6808;

    /// Lays 16-bit instructions out from an address.
    fn code(address: u32, instructions: &[u16]) -> Vec<(u32, u16, u16)> {
        instructions.iter().zip(0u32..).map(|(&i, n)| (address + 2 * n, i, 0)).collect()
    }

    fn run(counter: &mut Counter, address: u32, instructions: &[u16]) -> Vec<String> {
        Block::split(InstructionSet::Thumb, &code(address, instructions))
            .iter()
            .filter_map(|block| counter.execute(block))
            .map(|line| line.to_string())
            .collect()
    }

    #[test]
    fn neighbours_overlap() {
        // STR, LDR, LDR: 1 + 1 + 1; LDR alone: 2; IT behind a 16-bit instruction: 0, behind a 32-bit one: 1.
        let cycles = |code: &[(u32, u16, u16)]| Block::split(InstructionSet::Thumb, code)[0].cycles;
        assert_eq!(cycles(&code(0, &[0x6008, LDR, LDR])), 3);
        assert_eq!(cycles(&code(0, &[LDR, NOP, LDR])), 5);
        assert_eq!(cycles(&code(0, &[NOP, 0xbf08, NOP])), 2);
        assert_eq!(cycles(&[(0, 0xf04f, 1), (4, 0xbf08, 0), (6, NOP, 0)]), 3);
    }

    #[test]
    fn a_region_counts_what_is_between_its_markers() {
        let mut counter = Counter::new();
        let lines = run(&mut counter, 0x100, &[NOP, 0xbf50, NOP, NOP, 0xbf60, NOP]);
        assert_eq!(lines, [r#"{"kind":"region","index":0,"instructions":2,"cycles":2,"taken":0}"#]);
        // The second region follows after a jump, holds one itself, and starts from zero.
        let mut lines = run(&mut counter, 0x200, &[0xbf50, NOP]);
        lines.extend(run(&mut counter, 0x300, &[LDR, 0xbf60]));
        assert_eq!(lines, [r#"{"kind":"region","index":1,"instructions":2,"cycles":5,"taken":1}"#]);
        assert_eq!(counter.finish(), None);
    }

    #[test]
    fn laps_do_not_overlap_and_pauses_do_not_count() {
        let mut counter = Counter::new();
        let program = [0xbf50, NOP, 0xbf70, NOP, NOP, 0xbf80, NOP, NOP, NOP, 0xbf90, NOP, 0xbf70, 0xbf60];
        let lines = run(&mut counter, 0, &program);
        let count = |n| format!(r#""instructions":{n},"cycles":{n},"taken":0}}"#);
        assert_eq!(lines.len(), 3);
        for (line, n) in lines.iter().zip([1, 3, 4]) {
            assert!(line.ends_with(&count(n)), "{line} should count {n}");
        }
    }

    #[test]
    fn a_jump_to_a_marker_is_not_charged_to_the_region() {
        let mut counter = Counter::new();
        run(&mut counter, 0x100, &[NOP]);
        let lines = run(&mut counter, 0x200, &[0xbf50, NOP, 0xbf60]);
        assert_eq!(lines, [r#"{"kind":"region","index":0,"instructions":1,"cycles":1,"taken":0}"#]);
    }

    #[test]
    fn an_open_region_is_told() {
        let mut counter = Counter::new();
        run(&mut counter, 0, &[0xbf50, NOP]);
        assert!(counter.finish().is_some_and(|line| line.to_string().contains(r#""kind":"open""#)));
    }
}
