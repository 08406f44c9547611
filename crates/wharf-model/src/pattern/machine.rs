//! An expression as a machine whose steps are counted.
//!
//! A machine goes over a text byte by byte, and remembers where each byte leads from where. That is two steps for each
//! byte of most texts. What it has not met yet is a **turn**: it has to be worked out, which may take as many steps as the expression
//! has parts; and some expressions need a turn for nearly every byte of a long text. Other engines hide that in a time that
//! nobody knows before. Here each turn is counted.

use std::fmt;
use std::sync::Arc;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::start;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Hir, Look};

use crate::effort::{Effort, Stopped};

/// To begin with a text and to end it.
const TEXT_STEPS: u64 = 16;
/// For a byte that leads somewhere known: twice what it takes, since what is remembered may be more than fits into the caches of
/// a processor.
const BYTE_STEPS: u64 = 2;
/// For a turn ...
const TURN_STEPS: u64 = 256;
/// ... and for each part of the expression that has a share in it.
const PART_STEPS: u64 = 4;
/// To compile a byte of the compiled form.
const COMPILE_STEPS: u64 = 8;
/// What it may remember for those to whom steps do not matter.
const MEMORY_BYTES: usize = 512 << 10;

/// An expression that has to match whole texts.
#[derive(Clone)]
pub(super) struct Machine(Arc<Compiled>);

struct Compiled {
    nfa: NFA,
    /// Its states, and the ways between them.
    parts: u64,
    /// Those of the ways that take no byte: any turn may go all of them.
    free_ways: u64,
    bytes: u64,
    /// For [`Machine::matches`]. They are made when they are needed: what comes with a request does without.
    memories: Memories,
}

type Memories = Pool<Option<Memory>, fn() -> Option<Memory>>;

impl Machine {
    /// Compiles an expression; none if it takes more than so many bytes.
    pub(super) fn new(expression: Hir, max_bytes: usize) -> Option<Self> {
        let whole = [Hir::look(Look::Start), expression, Hir::look(Look::End)];
        let config = Config::new()
            .nfa_size_limit(Some(max_bytes))
            .which_captures(WhichCaptures::None);
        let nfa = Compiler::new()
            .configure(config)
            .build_from_hir(&Hir::concat(whole.into()))
            .ok()?;
        Some(Self(Arc::new(Compiled {
            parts: nfa.states().iter().map(|state| 1 + ways(state)).sum(),
            free_ways: nfa.states().iter().map(free_ways).sum(),
            bytes: nfa.memory_usage() as u64,
            memories: Pool::new(|| None),
            nfa,
        })))
    }

    /// What compiling it has cost.
    pub(super) fn compile_steps(&self) -> u64 {
        self.0.bytes.saturating_mul(COMPILE_STEPS)
    }

    /// Its states, and the ways between them: a turn takes a look at each of them at most.
    pub(super) fn parts(&self) -> u64 {
        self.0.parts
    }

    /// Bytes of its compiled form.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether it matches a text, whatever that costs.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut memory = self.0.memories.get();
        let memory = memory.get_or_insert_with(|| self.memory(MEMORY_BYTES));
        // There is no limit that it could reach.
        self.matches_within(memory, text, &Effort::unlimited())
            .unwrap_or_default()
    }

    /// A memory of about so many bytes, to match texts with.
    pub(super) fn memory(&self, bytes: usize) -> Memory {
        let config = DFA::config()
            .cache_capacity(bytes)
            // It forgets all of it as often as it has to.
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None)
            .unicode_word_boundary(true);
        match DFA::builder()
            .configure(config)
            .build_from_nfa(self.0.nfa.clone())
        {
            Ok(dfa) => Memory::Kept(Box::new(Kept {
                cache: dfa.create_cache(),
                dfa,
                largest: 0,
                has_turned: false,
            })),
            Err(_) => self.no_memory(),
        }
    }

    /// For what has to be worked out anew for each text: borders of words where texts are not ASCII.
    fn no_memory(&self) -> Memory {
        // It takes every machine that goes forwards.
        PikeVM::new_from_nfa(self.0.nfa.clone()).map_or(Memory::Unable, |vm| {
            Memory::None(Box::new((vm.create_cache(), vm)))
        })
    }

    /// Whether it matches a text.
    ///
    /// # Errors
    /// If the effort ends.
    pub(super) fn matches_within(
        &self,
        memory: &mut Memory,
        text: &str,
        effort: &Effort,
    ) -> Result<bool, Stopped> {
        if let Memory::Kept(kept) = memory {
            match self.walk(kept, text.as_bytes(), effort)? {
                Some(matches) => return Ok(matches),
                None => *memory = self.no_memory(),
            }
        }
        let Memory::None(scratch) = memory else {
            return Ok(false);
        };
        let (cache, vm) = &mut **scratch;
        let turns = text.len() as u64 + 1;
        effort.spend(turns.saturating_mul(TURN_STEPS + PART_STEPS.saturating_mul(self.0.parts)))?;
        Ok(vm.is_match(cache, Input::new(text).anchored(Anchored::Yes)))
    }

    /// Goes over a text. None if it cannot be told in this way.
    fn walk(&self, kept: &mut Kept, text: &[u8], effort: &Effort) -> Result<Option<bool>, Stopped> {
        effort.spend(TEXT_STEPS + BYTE_STEPS * text.len() as u64)?;
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let Ok(mut at) = kept.dfa.start_state(&mut kept.cache, &anchored) else {
            return Ok(None);
        };
        for byte in text {
            let Some(next) = kept.known(at, *byte).or_else(|| kept.turn(at, *byte)) else {
                return Ok(None);
            };
            if kept.has_turned {
                kept.has_turned = false;
                let parts = kept.largest.saturating_add(self.0.free_ways);
                let parts = parts.min(self.0.parts);
                effort.spend(TURN_STEPS + PART_STEPS.saturating_mul(parts))?;
            }
            if next.is_dead() {
                return Ok(Some(false));
            }
            if next.is_quit() {
                return Ok(None);
            }
            at = next;
        }
        let end = kept.dfa.next_eoi_state(&mut kept.cache, at);
        Ok(end.ok().map(|end| end.is_match()))
    }
}

/// The ways from a state to others.
fn ways(state: &State) -> u64 {
    match state {
        State::Sparse(transitions) => transitions.transitions.len() as u64,
        state => free_ways(state),
    }
}

/// Those that take no byte.
fn free_ways(state: &State) -> u64 {
    match state {
        State::Union { alternates } => alternates.len() as u64,
        State::BinaryUnion { .. } => 2,
        State::Look { .. } | State::Capture { .. } => 1,
        _ => 0,
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({} bytes)", self.0.bytes)
    }
}

/// What a machine remembers from text to text.
pub(crate) enum Memory {
    Kept(Box<Kept>),
    None(Box<(pikevm::Cache, PikeVM)>),
    Unable,
}

pub(crate) struct Kept {
    dfa: DFA,
    cache: Cache,
    /// Bytes of the largest single thing in it: no turn has a share of more parts.
    largest: u64,
    has_turned: bool,
}

impl Kept {
    /// Where a byte leads, if that is remembered.
    #[inline]
    fn known(&self, at: LazyStateID, byte: u8) -> Option<LazyStateID> {
        if at.is_tagged() {
            return None;
        }
        let next = self.dfa.next_state_untagged(&self.cache, at, byte);
        (!next.is_unknown()).then_some(next)
    }

    /// Works out where a byte leads.
    #[cold]
    fn turn(&mut self, at: LazyStateID, byte: u8) -> Option<LazyStateID> {
        let before = self.cache.memory_usage();
        let next = self.dfa.next_state(&mut self.cache, at, byte).ok();
        let grown = self.cache.memory_usage().saturating_sub(before);
        self.largest = self.largest.max(grown as u64);
        self.has_turned = true;
        next
    }
}
