//! Many targets, or one again and again: who checks what when, and what is told of it.

use crate::base::deadline::{Deadline, LONGEST, Stopwatch, unix_millis};
use crate::base::list::List;
use crate::base::sys;
use crate::base::text::Note;
use crate::cli::job::{Again, Check, Form};
use crate::report::{self, Columns, Line, Output, Progress};
use crate::step::record::{Spine, Step};
use crate::step::resolve::Cache;
use crate::verdict::tally::{Condition, Moment, Tally};
use crate::verdict::{self, Digest};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Checks every row as often as was asked for. The exit status is 0 if all were as expected,
/// else 1, or the verdict's if there is only one. `Err` is a full or broken output file.
pub fn run(mut check: Check, spine: Spine) -> io::Result<u8> {
    let (fresh, until) = match check.plan.again {
        Again::Once => (LONGEST, None),
        // Enough for one try.
        Again::Wait(limit) => (PAUSE_MIN / 2, Some(Deadline::after(limit.max(PAUSE_MIN)))),
        Again::Every(pause, _) => (pause / 2, None),
    };
    check.options.resolver.shared = Some(Cache::new(fresh, until));
    check.options.until = until;
    if !matches!(check.plan.again, Again::Wait(_)) {
        // A wait has told each result; whoever waits for its end must see it was interrupted.
        sys::catch_interrupt();
    }
    let jobs = jobs(&check);
    let shared = Arc::new(Shared::new(check, spine));
    let mut board = Board::new(&shared);
    let (mut workers, mut ended) = (0, 0);
    loop {
        // More workers only while those there are wait for the network: work that keeps the
        // processor busy is done faster by a few, which do not contend for locks.
        let behind = workers < jobs && shared.is_behind();
        let brisk = if workers < FEW { workers * BRISK } else { workers };
        if behind && ended <= brisk {
            let more = workers.max(FIRST).min(jobs - workers);
            workers += (0..more).take_while(|_| start(&shared)).count();
        }
        if workers == 0 {
            // A box that has no thread left: one row after the other, here.
            shared.work_once();
        }
        let (news, over) = shared.news(behind);
        ended = news.len();
        news.into_iter().for_each(|done| board.take(done));
        board.show(workers);
        if over || sys::interrupted() {
            return board.end();
        }
    }
}

/// How many rows are checked at the same time: no more than there are descriptors for.
fn jobs(check: &Check) -> usize {
    // A lookup asks every server for both kinds of address at once.
    let each = (2 * check.options.resolver.settings().servers.len() as u64 + 1).max(FILES_EACH);
    let most = sys::raise_file_limit().saturating_sub(FILES_RESERVED) / each;
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
    let wanted = check.plan.jobs.unwrap_or(JOBS);
    if check.plan.jobs.is_some() && wanted > most {
        let note = note!("many.jobs").with("wanted", wanted).with("jobs", most);
        report::remark(&note, check.style);
    }
    wanted.min(most).min(check.targets.len())
}

/// Starts one more worker, if the box allows.
fn start(shared: &Arc<Shared>) -> bool {
    let own = shared.clone();
    let run = move || {
        sys::lend_stack(STACK);
        sys::with_own_blocks(&mut || while own.work_once() {});
    };
    sys::in_background(STACK, Box::new(run)).is_ok()
}

/// One try of a row: when it is due, by the run's clock, which row, and how many came before.
type Job = (Duration, usize, u32);

/// What all threads share.
struct Shared {
    check: Check,
    spine: Spine,
    columns: Columns,
    clock: Stopwatch,
    /// One for each row where rows are repeated.
    tallies: Vec<Mutex<Tally>>,
    state: Mutex<State>,
    /// Something may be due, or nothing ever will be.
    work: Condvar,
    /// Something is done, or all is.
    told: Condvar,
    /// A check began later than `--every` asked for.
    late: AtomicBool,
}

struct State {
    /// Rows that nobody has tried yet, in their order.
    fresh: Range<usize>,
    /// Tries that come after the first.
    due: BinaryHeap<Reverse<Job>>,
    /// Rows that may still be tried.
    open: usize,
    done: Vec<Done>,
}

/// One try that has ended.
struct Done {
    row: usize,
    digest: Digest,
    met: bool,
    /// The end of the wait came before that of a step: a failure only for lack of time.
    cut: bool,
    condition: Condition,
    text: String,
}

impl State {
    /// Rows that nobody has begun are not begun any more.
    fn close(&mut self) {
        self.open = self.open.saturating_sub(self.fresh.len() + self.due.len());
        self.fresh.start = self.fresh.end;
        self.due.clear();
    }
}

impl Shared {
    fn new(check: Check, spine: Spine) -> Self {
        let rows = check.targets.len();
        let columns = Columns::of(check.targets.iter().zip(&check.plan.tags), check.style);
        let repeats = matches!(check.plan.again, Again::Every(..));
        let tallies = (0..rows).filter(|_| repeats).map(|_| Mutex::default()).list();
        Self {
            check,
            spine,
            columns,
            clock: Stopwatch::start(),
            tallies,
            state: Mutex::new(State {
                fresh: 0..rows,
                due: BinaryHeap::new(),
                open: rows,
                done: Vec::new(),
            }),
            work: Condvar::new(),
            told: Condvar::new(),
            late: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        sys::locked(&self.state)
    }

    /// Does what is due next; false when nothing will be any more.
    fn work_once(&self) -> bool {
        let Some(job) = self.next() else { return false };
        let began = self.clock.elapsed();
        let done = self.examine(job);
        let again = done.as_ref().and_then(|done| self.again(job, began, done.met));
        let mut state = self.lock();
        if state.done.is_empty() {
            self.told.notify_one();
        }
        state.done.extend(done);
        match again {
            Some(job) => {
                state.due.push(Reverse(job));
                self.work.notify_one();
            }
            None => state.open = state.open.saturating_sub(1),
        }
        if state.open == 0 {
            self.work.notify_all();
            self.told.notify_all();
        }
        true
    }

    /// Waits until a row is due.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while state.open > 0 {
            if self.check.options.is_over() {
                state.close();
                break;
            }
            if let Some(row) = state.fresh.next() {
                return Some((Duration::ZERO, row, 0));
            }
            let now = self.clock.elapsed();
            let wait = match state.due.peek() {
                Some(Reverse((due, ..))) if *due <= now => {
                    return state.due.pop().map(|Reverse(job)| job);
                }
                Some(Reverse((due, ..))) => due.saturating_sub(now),
                None if matches!(self.check.plan.again, Again::Once) => return None,
                None => LONGEST,
            };
            let woken = self.work.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.told.notify_all();
        None
    }

    /// When the row is tried again, if it is.
    fn again(&self, (due, row, tries): Job, began: Duration, met: bool) -> Option<Job> {
        let now = self.clock.elapsed();
        let next = match self.check.plan.again {
            Again::Once => return None,
            Again::Wait(limit) => {
                let pause = PAUSE_MIN.saturating_mul(1 << tries.min(4)).min(PAUSE_MAX);
                // The last try is as late as there is time for one more like this.
                let last = limit.saturating_sub(PAUSE_MIN + now.saturating_sub(began));
                let next = (now + pause).min(last.max(now + PAUSE_MIN));
                (!met && next < limit).then_some(next)?
            }
            Again::Every(pause, count) => {
                let more = count.is_none_or(|count| tries.saturating_add(1) < count);
                let next = due.saturating_add(pause);
                // A little is nothing to speak of.
                if more && next.saturating_add(pause / 4) < now {
                    self.late.store(true, Ordering::Relaxed);
                }
                more.then_some(next.max(now))?
            }
        };
        Some((next, row, tries.saturating_add(1)))
    }

    /// Checks a row once, and writes down what there is to say about it.
    fn examine(&self, (_, row, _): Job) -> Option<Done> {
        let Check { options, policy, plan, style, form, .. } = &self.check;
        let (target, tag) = (self.check.targets.get(row)?, plan.tags.get(row)?);
        let whole = self.is_whole();
        let steps = Mutex::new(String::new());
        let watch = |step: Step<'_>| {
            if whole {
                let mut steps = sys::locked(&steps);
                *steps += &report::step(&step, target, *style);
            }
        };
        let probe = (self.spine)(target, options, &watch);
        let cut = options.is_over() && probe.timed_out();
        let at = Moment { unix: unix_millis(), clock: self.clock.elapsed() };
        let verdict = verdict::infer(&probe, target, *policy);
        let digest = verdict.digest(&probe, target);
        let met = tag.expect.met(verdict.found.keyword, verdict.exit);
        let condition = Condition::of(&digest, at);
        if let Some(tally) = self.tallies.get(row) {
            let mut tally = sys::locked(tally);
            tally.add(&probe, &verdict, &condition, met);
        }
        let line = Line { target, tag, digest: Some(&digest), met };
        let text = match form {
            _ if plan.csv => report::csv_row(&line, probe.started),
            Form::Json => report::json_row(&line, &probe, &verdict, *style),
            Form::Brief if plan.single => self.check.conclusion(target, &probe, &verdict),
            Form::Brief => report::brief_row(&line, &verdict, *style),
            Form::Steps if whole => {
                let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
                let (head, end) = match plan.single {
                    true => (report::heading(target, *style), ""),
                    false => (report::row_heading(&line, *style), "\n"),
                };
                head + &steps + &self.check.conclusion(target, &probe, &verdict) + end
            }
            Form::Steps => report::table_row(&line, &self.columns, *style),
        };
        let cut = cut && verdict.exit != 0;
        Some(Done { row, met, cut, condition, text, digest })
    }

    /// Whether what there is to say about a row is all its steps.
    fn is_whole(&self) -> bool {
        let Check { plan, form, style, .. } = &self.check;
        let once = !matches!(plan.again, Again::Every(..));
        *form == Form::Steps && !plan.csv && once && (plan.single || style.verbose)
    }

    /// Whether a row is due that nobody has taken.
    fn is_behind(&self) -> bool {
        let (now, state) = (self.clock.elapsed(), self.lock());
        let due = state.due.peek().is_some_and(|Reverse((due, ..))| *due <= now);
        due || !state.fresh.is_empty()
    }

    /// Waits for something to tell, but not for long; whether that was the last.
    fn news(&self, behind: bool) -> (Vec<Done>, bool) {
        let mut state = self.lock();
        let mut wait = if behind { TICK } else { GATHER };
        if !behind && state.done.is_empty() {
            let quiet = |state: &mut State| state.done.is_empty() && state.open > 0;
            let woken = self.told.wait_timeout_while(state, GLANCE, quiet);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            if state.done.is_empty() {
                wait = Duration::ZERO;
            }
        }
        // Many rows end at the same time: they are written at once.
        let woken = self.told.wait_timeout_while(state, wait, |state| state.open > 0);
        state = woken.unwrap_or_else(PoisonError::into_inner).0;
        (std::mem::take(&mut state.done), state.open == 0)
    }
}

/// What has been told, and what waits for its turn.
struct Board<'a> {
    shared: &'a Shared,
    out: Output,
    progress: Progress,
    /// The latest of each row.
    latest: Vec<Option<Done>>,
    /// Rows before this one have been written.
    next: usize,
    done: usize,
    bad: usize,
    /// Exit status of the latest verdict that was not as expected.
    exit: u8,
    /// To be written.
    text: String,
    told_late: bool,
}

impl<'a> Board<'a> {
    fn new(shared: &'a Shared) -> Self {
        let rows = shared.check.targets.len();
        let mut board = Self {
            shared,
            out: Output::new(),
            progress: Progress::new(),
            latest: (0..rows).map(|_| None).list(),
            next: 0,
            done: 0,
            bad: 0,
            exit: 0,
            text: String::new(),
            told_late: false,
        };
        let plan = &shared.check.plan;
        if plan.csv {
            board.text = report::csv_head(plan.tags.iter());
        } else if matches!(plan.again, Again::Once) {
            board.text = board.head();
        }
        board
    }

    /// The heading of the table, if rows of it will follow.
    fn head(&self) -> String {
        match self.is_table() && !self.shared.is_whole() {
            true => report::table_head(&self.shared.columns, self.shared.check.style),
            false => String::new(),
        }
    }

    fn is_table(&self) -> bool {
        let check = &self.shared.check;
        check.form == Form::Steps && !check.plan.csv && !check.plan.single
    }

    /// One more result.
    fn take(&mut self, mut done: Done) {
        let Check { plan, targets, .. } = &self.shared.check;
        let Some(before) = self.latest.get(done.row) else { return };
        if done.cut && before.is_some() {
            return;
        }
        let same = |before: &Done| before.condition.is(&done.condition);
        let changed = !before.as_ref().is_some_and(same);
        let said = self.said(&mut done, changed);
        self.text += &said;
        if !done.met {
            self.exit = done.digest.exit.max(1);
        }
        if let Again::Wait(_) = plan.again {
            self.done += usize::from(done.met);
            self.bad = targets.len().saturating_sub(self.done);
        } else {
            self.done += 1;
            self.bad += usize::from(!done.met);
        }
        if let Some(slot) = self.latest.get_mut(done.row) {
            *slot = Some(done);
        }
        if matches!(plan.again, Again::Once) && !plan.as_done {
            self.in_turn();
        }
    }

    /// What is said of a result at once: of a list everything, of rounds what has changed.
    fn said(&self, done: &mut Done, changed: bool) -> String {
        let Check { plan, form, style, .. } = &self.shared.check;
        let lines = *form == Form::Steps && !plan.csv;
        let now = match plan.again {
            Again::Once => plan.as_done,
            _ if lines && (changed || style.verbose) => {
                let line = self.line(done.row, Some(done));
                return line.map_or(String::new(), |line| {
                    report::change(&line, &done.digest, done.condition.at, *style)
                });
            }
            Again::Every(..) => plan.csv || *form == Form::Json,
            Again::Wait(_) => changed && *form == Form::Json,
        };
        if now { std::mem::take(&mut done.text) } else { String::new() }
    }

    /// Rows whose turn has come, in the order of the input.
    fn in_turn(&mut self) {
        while let Some(Some(done)) = self.latest.get_mut(self.next) {
            self.text += &std::mem::take(&mut done.text);
            self.next += 1;
        }
    }

    /// Writes what there is, and how far it is with so many rows at a time.
    fn show(&mut self, workers: usize) {
        if !self.text.is_empty() {
            self.progress.show("");
            self.out.write(&std::mem::take(&mut self.text));
        }
        if self.shared.late.load(Ordering::Relaxed) && !self.told_late {
            self.told_late = true;
            self.progress.show("");
            report::remark(&note!("many.late"), self.shared.check.style);
        }
        if self.progress.is_wanted() {
            let check = &self.shared.check;
            let total = check.targets.len();
            let (key, left) = match check.plan.again {
                // Nothing has ended that would tell how long one takes.
                Again::Once if self.done == 0 => (key!("many.begun"), 0),
                Again::Once => {
                    let rest = total.saturating_sub(self.done);
                    // Those under way are half done, taken together.
                    let ended = self.done + workers.min(rest) / 2;
                    let each = self.shared.clock.elapsed().as_millis() / ended as u128;
                    (key!("many.progress"), each * rest as u128 / 1000)
                }
                Again::Wait(limit) => {
                    let left = limit.saturating_sub(self.shared.clock.elapsed());
                    (key!("many.waiting"), left.as_secs().into())
                }
                Again::Every(..) => (key!("many.repeating"), 0),
            };
            let note = Note::new(key).with("done", self.done).with("total", total);
            let note = note.with("bad", self.bad).with("left", left);
            self.progress.show(&note.render(check.style.lang));
        }
    }

    fn line<'b>(&self, row: usize, done: Option<&'b Done>) -> Option<Line<'b>>
    where
        'a: 'b,
    {
        let check = &self.shared.check;
        let (target, tag) = (check.targets.get(row)?, check.plan.tags.get(row)?);
        let met = done.is_some_and(|done| done.met);
        Some(Line { target, tag, digest: done.map(|done| &done.digest), met })
    }

    /// All rows, with the latest of each.
    fn lines(&self) -> Vec<Line<'_>> {
        let rows = self.latest.iter().enumerate();
        rows.filter_map(|(row, done)| self.line(row, done.as_ref())).list()
    }

    /// What is said when all is over, and the exit status.
    fn end(mut self) -> io::Result<u8> {
        self.progress.show("");
        let Check { plan, style, .. } = &self.shared.check;
        let repeats = matches!(plan.again, Again::Every(..));
        let lines = self.lines();
        let mut text = match plan.again {
            Again::Once => self.held_back(),
            Again::Wait(_) => self.outcome(&lines),
            Again::Every(..) => self.statistics(),
        };
        let missing = lines.iter().filter(|line| line.digest.is_none()).count();
        let met = match repeats {
            true => self.bad == 0 && missing == 0,
            false => lines.iter().all(|line| line.met),
        };
        let why = if sys::interrupted() { key!("many.interrupted") } else { key!("many.toolate") };
        let missed = Some(Note::new(why).with("count", missing)).filter(|_| missing > 0);
        let mut remark = missed.filter(|_| !repeats);
        if self.is_table() && !repeats {
            text += &report::summary(&lines, &self.shared.columns, *style);
            let missed = remark.take().map(|note| note.render(style.lang));
            text += &missed.map_or(String::new(), |missed| format!("  {missed}\n"));
        }
        match repeats && plan.csv {
            true => report::aside(&text),
            false => self.out.write(&text),
        }
        if let Some(note) = remark {
            report::remark(&note, *style);
        }
        let exit = match (met, plan.single) {
            (true, _) => 0,
            (false, true) => self.exit.max(1),
            (false, false) => 1,
        };
        self.out.error().map_or(Ok(exit), Err)
    }

    /// Of a list that was interrupted: rows that were done before their turn to be told.
    fn held_back(&self) -> String {
        self.latest.iter().flatten().map(|done| done.text.as_str()).collect()
    }

    /// What the wait came to, row by row.
    fn outcome(&self, lines: &[Line<'_>]) -> String {
        let Check { plan, style, form, .. } = &self.shared.check;
        let mut text = match form {
            Form::Steps if !plan.csv => "\n".to_string() + &self.head(),
            Form::Json if !plan.csv => return String::new(),
            _ => String::new(),
        };
        for (line, done) in lines.iter().zip(&self.latest) {
            text += &match (done, form) {
                (Some(done), _) => done.text.clone(),
                (None, _) if plan.csv => report::csv_row(line, 0),
                (None, _) => report::table_row(line, &self.shared.columns, *style),
            };
        }
        text
    }

    /// What the rounds of each row add up to.
    fn statistics(&self) -> String {
        let Check { plan, targets, style, form, .. } = &self.shared.check;
        let mut text = String::new();
        for (row, tally) in self.shared.tallies.iter().enumerate() {
            let tally = sys::locked(tally);
            let (Some(target), Some(tag)) = (targets.get(row), plan.tags.get(row)) else {
                break;
            };
            text += &match form {
                Form::Json => report::json_tally(target, tag, &tally),
                _ => report::tally(target, tag, &tally, *style),
            };
        }
        text
    }
}

/// Bytes of stack for a worker. Of the file as shipped a silent TCP target touches 24 kB, one
/// that is silent after the ClientHello 36 kB; a debug build needs several times as much.
const STACK: usize = 256 << 10;

/// Rows checked at the same time, where the user does not say: a sheet of rows at once, and
/// few enough SYNs that no firewall takes them for a flood.
const JOBS: usize = 256;

/// Workers at the start. Their number doubles after every `TICK` in which no more rows ended
/// than there are workers; on a busy box a worker may wait so long for the processor.
const FIRST: usize = 2;
const TICK: Duration = Duration::from_millis(5);

/// Below so many workers, so many rows each: in a `TICK` a worker ends some 100 connects on
/// loopback, which two do faster than eight, but 5 handshakes, which wait for the server too.
const FEW: usize = 8;
const BRISK: usize = 16;

/// Descriptors of a worker behind its lookup: two families of addresses, and one to spare.
const FILES_EACH: u64 = 3;

/// Descriptors for files and the standard streams.
const FILES_RESERVED: u64 = 16;

/// Between two tries of `--wait`: at first short, because services start in a moment; then
/// longer, because those that do not may take long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Results are gathered for so long before they are written: too short to be seen.
const GATHER: Duration = Duration::from_millis(20);

/// How often progress is drawn, and Ctrl-C noticed.
const GLANCE: Duration = Duration::from_millis(100);
