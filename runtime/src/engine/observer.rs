//! What can be watched while a plan runs.

/// Sees steps and rows. Unused methods cost nothing: the engine is compiled for each observer.
pub trait Observer {
    /// A step is about to compute.
    fn step_begins(&mut self, step: u16) {
        let _ = step;
    }

    /// A step has computed: a row, or part of the sums of one.
    fn step_ends(&mut self, step: u16) {
        let _ = step;
    }

    /// Whether [`Observer::row`] is called for the rows of a value.
    fn watches(&self, value: u16) -> bool {
        let _ = value;
        true
    }

    /// Row `row` of value `value` has been written by `step`.
    fn row(&mut self, step: u16, value: u16, row: u32, elements: &[i8]) {
        let _ = (step, value, row, elements);
    }
}

/// Hands the rows of one value to a closure.
pub(super) struct Sink<F> {
    pub value: u16,
    pub sink: F,
}

impl<F: FnMut(u32, &[i8])> Observer for Sink<F> {
    fn watches(&self, value: u16) -> bool {
        value == self.value
    }

    fn row(&mut self, _step: u16, _value: u16, row: u32, elements: &[i8]) {
        (self.sink)(row, elements);
    }
}
