//! A bounded table of what a guest holds handles to.

use wasmtime::component::Resource;

/// Values by handle. A freed place is used again.
pub(crate) struct Handles<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    max: usize,
}

impl<T: 'static> Handles<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), max }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.places.len() >= self.max
    }

    /// `None` when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<Resource<T>> {
        if let Some(place) = self.free.pop() {
            *self.places.get_mut(place as usize)? = Some(value);
            return Some(Resource::new_own(place));
        }
        if self.is_full() {
            return None;
        }
        let place = u32::try_from(self.places.len()).ok()?;
        self.places.push(Some(value));
        Some(Resource::new_own(place))
    }

    pub(crate) fn get(&self, handle: &Resource<T>) -> Option<&T> {
        self.places.get(handle.rep() as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, handle: &Resource<T>) -> Option<&mut T> {
        self.places.get_mut(handle.rep() as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, handle: &Resource<T>) -> Option<T> {
        let value = self.places.get_mut(handle.rep() as usize)?.take()?;
        self.free.push(handle.rep());
        Some(value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_used_again() {
        let mut handles = Handles::new(2);
        let first = handles.insert('a').unwrap();
        let second = handles.insert('b').unwrap();
        assert!(handles.insert('c').is_none());
        assert_eq!(handles.remove(&first), Some('a'));
        assert_eq!(handles.remove(&first), None, "a handle is freed once");
        assert_eq!(handles.insert('d').unwrap().rep(), first.rep());
        assert_eq!(handles.get(&second), Some(&'b'));
    }
}
