//! Which schedule is wanted, and within which memory.

use super::search::{self, Heads, Segment};
use super::wiring::Wiring;
use super::{ARENA_ALIGNMENT, Schedule, place_segments, state_len};
use crate::qgraph::QGraph;

/// What a schedule makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// The smallest arena.
    #[default]
    Ram,
    /// The fewest instructions: no row is moved unless the budget demands it.
    Latency,
    /// The shortest plan: no more segments than the budget demands, since each is described in the plan.
    Flash,
}

/// The memory that a schedule may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Largest arena in bytes; without a fast region, all of it, else what lies above that.
    pub ram: Option<u32>,
    /// Size of the fast region at the arena's start, in bytes; 0 for none. The buffers with most traffic lie in it, and none
    /// lies across its end.
    pub fast: u32,
}

/// The memory is too small.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The smallest arena is larger than the budget.
    #[error("the smallest arena takes {} bytes above the fast region, the budget is {budget}", smallest.slow_len())]
    Ram {
        /// The schedule with the smallest arena.
        smallest: Box<Schedule>,
        /// Bytes allowed.
        budget: u32,
    },
    /// The engine's counters, scratch and heads, which all lie at the arena's start, are larger than the fast region.
    #[error("the fast region has {fast} bytes, counters, scratch and heads take {needed}")]
    Fast {
        /// Bytes needed.
        needed: u32,
        /// Bytes allowed.
        fast: u32,
    },
}

/// Schedules a graph for the smallest arena.
pub fn schedule(graph: &QGraph) -> Schedule {
    smallest(graph, 0)
}

/// Schedules a graph into memory of a given size.
///
/// # Errors
/// The smallest arena is larger than the budget, or the fast region is too small for what must lie in it.
pub fn schedule_within(graph: &QGraph, objective: Objective, memory: &Memory) -> Result<Schedule, ScheduleError> {
    let fast = memory.fast;
    let schedule = match memory.ram {
        None => preferred(graph, objective, u32::MAX, fast).unwrap_or_else(|smallest| *smallest),
        Some(budget) => preferred(graph, objective, budget.saturating_add(fast), fast)
            .map_err(|smallest| ScheduleError::Ram { smallest, budget })?,
    };
    let needed = (state_len(graph) as u32).saturating_add(schedule.transient.iter().copied().max().unwrap_or(0));
    if fast > 0 && needed > fast { Err(ScheduleError::Fast { needed, fast }) } else { Ok(schedule) }
}

/// The schedule that an objective prefers among those of up to `most` bytes; else the smallest.
fn preferred(graph: &QGraph, objective: Objective, most: u32, fast: u32) -> Result<Schedule, Box<Schedule>> {
    let fits = |schedule: &Schedule| schedule.arena_len <= most;
    let first = match objective {
        Objective::Ram => None,
        Objective::Latency => Some(place_segments(&Wiring::new(graph), &best(graph, Heads::Passing, 0), fast)),
        Objective::Flash => Some(thin_out(graph, &best(graph, Heads::All, most), 0, fast)),
    };
    if let Some(schedule) = first.filter(fits) {
        return Ok(schedule);
    }
    let smallest = smallest(graph, fast);
    if !fits(&smallest) {
        return Err(smallest.into());
    }
    let fewer_moves = || Some(thin_out(graph, &best(graph, Heads::All, 0), most, fast)).filter(fits);
    let second = (objective == Objective::Latency).then(fewer_moves).flatten();
    Ok(second.unwrap_or(smallest))
}

fn smallest(graph: &QGraph, fast: u32) -> Schedule {
    thin_out(graph, &best(graph, Heads::All, 0), 0, fast)
}

/// The best cuts where an arena of up to `enough` bytes does.
fn best(graph: &QGraph, heads: Heads, enough: u32) -> Vec<Segment> {
    let enough = enough as usize / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    search::best_cuts(&Wiring::new(graph), heads, enough.saturating_sub(state_len(graph)))
}

/// Drops heads, those that move most bytes first, as long as the arena stays within a limit or does not grow.
fn thin_out(graph: &QGraph, segments: &[Segment], limit: u32, fast: u32) -> Schedule {
    let wiring = Wiring::new(graph);
    let mut segments = segments.to_vec();
    let mut schedule = place_segments(&wiring, &segments, fast);
    let moving = |v: &usize| schedule.rings[*v] > 0;
    let mut heads: Vec<usize> = segments.iter().flat_map(|s| s.heads.iter().copied()).filter(moving).collect();
    heads.sort_by_key(|&v| (std::cmp::Reverse(wiring.row_len(v) * wiring.rows(v) as usize), v));
    for value in heads {
        let mut fewer = segments.clone();
        fewer.iter_mut().for_each(|s| s.heads.retain(|&v| v != value));
        let candidate = place_segments(&wiring, &fewer, fast);
        if candidate.arena_len <= limit.max(schedule.arena_len) {
            (segments, schedule) = (fewer, candidate);
        }
    }
    schedule
}
