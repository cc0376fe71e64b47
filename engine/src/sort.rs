//! Sorting, once for every kind of item: the standard library's sorts are made anew for each, at 5 to 15 KB of module apiece.
//!
//! A table that is sorted already, as those of a bundle are, is only looked through.

/// Up to this many items, moving them one by one is quickest.
const FEW: usize = 16;

/// What the sorter knows of the items.
trait Items {
    fn is_less(&self, a: usize, b: usize) -> bool;
    fn swap(&mut self, a: usize, b: usize);
}

struct Slice<'a, T, L> {
    items: &'a mut [T],
    less: L,
}

impl<T, L: Fn(&T, &T) -> bool> Items for Slice<'_, T, L> {
    fn is_less(&self, a: usize, b: usize) -> bool {
        match (self.items.get(a), self.items.get(b)) {
            (Some(a), Some(b)) => (self.less)(a, b),
            _ => false,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        if let Ok([a, b]) = self.items.get_disjoint_mut([a, b]) {
            core::mem::swap(a, b);
        }
    }
}

/// Sorts; equal items may change places.
pub(crate) fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::lt);
}

/// Sorts by an order of its own; equal items may change places.
pub(crate) fn sort_by<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let count = items.len();
    sort_items(count, &mut Slice { items, less });
}

fn sort_items(count: usize, items: &mut dyn Items) {
    if (1..count).all(|at| !items.is_less(at, at.saturating_sub(1))) {
        return;
    }
    if count <= FEW {
        insert_each(count, items);
    } else {
        sort_heap(count, items);
    }
}

fn insert_each(count: usize, items: &mut dyn Items) {
    for last in 1..count {
        let mut at = last;
        while let Some(before) = at.checked_sub(1).filter(|&before| items.is_less(at, before)) {
            items.swap(at, before);
            at = before;
        }
    }
}

/// Heapsort (Williams, 1964): in place, and never worse than its average.
fn sort_heap(count: usize, items: &mut dyn Items) {
    for root in (0..count / 2).rev() {
        sink(root, count, items);
    }
    for end in (1..count).rev() {
        items.swap(0, end);
        sink(0, end, items);
    }
}

/// Lets an item sink until none below it is greater.
fn sink(mut root: usize, end: usize, items: &mut dyn Items) {
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        if left >= end {
            return;
        }
        let right = left.saturating_add(1);
        let greater = if right < end && items.is_less(left, right) { right } else { left };
        if !items.is_less(root, greater) {
            return;
        }
        items.swap(root, greater);
        root = greater;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in prop::collection::vec(0_u8..40, 0..120)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort(&mut ours);
            theirs.sort_unstable();
            prop_assert_eq!(&ours, &theirs);
            sort_by(&mut ours, |a, b| a > b);
            theirs.reverse();
            prop_assert_eq!(ours, theirs);
        }
    }
}
