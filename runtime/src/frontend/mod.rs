//! STUB, to be replaced.
/// Stub.
#[derive(Clone, Copy, Debug)]
pub struct FrontEnd<'p>(&'p [u8]);
impl<'p> FrontEnd<'p> {
    /// Stub.
    pub fn load(bytes: &'p [u8]) -> Result<Self, ()> {
        Ok(Self(bytes))
    }
    /// Stub.
    pub fn feature_count(&self) -> usize {
        self.0.len()
    }
}
