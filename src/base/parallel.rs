//! Several things at the same time, each bounded by deadlines of its own.

use crate::base::list::List;
use crate::base::sys;
use std::sync::OnceLock;

/// Does the work for all items at the same time; the results stand in their order.
pub fn side_by_side<T: Sync, R: Send + Sync>(
    items: &[T],
    work: &(dyn Fn(&T) -> R + Sync),
) -> Vec<R> {
    if let [item] = items {
        return vec![work(item)];
    }
    let done: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).list();
    at_once(items.len(), &|at| {
        if let (Some(item), Some(slot)) = (items.get(at), done.get(at)) {
            let _ = slot.set(work(item));
        }
    });
    done.into_iter().filter_map(OnceLock::into_inner).list()
}

/// Runs `work` for each number below `count`: 0 here, each other in a thread of its own. Each
/// is bounded by its own deadlines, so joining is too. Without a thread (limits of the box) it
/// runs here, one after the other. Not generic: the binary would have a copy for each type.
fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| {
        let start = |at| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let run = move || {
                sys::lend_stack(STACK);
                work(at);
            };
            thread.spawn_scoped(scope, run).err().map(|_| at)
        };
        let left: Vec<usize> = (1..count).filter_map(start).list();
        if count > 0 {
            work(0);
        }
        left.into_iter().for_each(work);
    });
}

/// A thread's stack in bytes: the handshake with a deep certificate chain needs most of it.
const STACK: usize = 256 * 1024;
