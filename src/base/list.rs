//! Lists made of iterators.

pub trait List: Iterator + Sized {
    /// All items. `collect` does the same, but std takes the first item apart from the others and
    /// asks how many will come, and all that once for each of the many places that make a list:
    /// twice the code of this.
    fn list(self) -> Vec<Self::Item> {
        let mut all = Vec::new();
        for item in self {
            all.push(item);
        }
        all
    }
}

impl<I: Iterator> List for I {}
