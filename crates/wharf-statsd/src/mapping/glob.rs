//! Finding the glob for a name: a tree of parts, whatever the number of rules.
//!
//! A name with `n` parts goes at most `2^n` ways through the tree, however many rules there are, and mostly very few: ways that
//! lead to rules which come later than one that was found are not gone.

use std::collections::HashMap;

use super::MetricKind;

/// Most parts that a pattern may have.
pub(super) const MAX_PARTS: usize = 64;

const STAR: &str = "*";

/// All globs.
#[derive(Debug, Clone)]
pub(super) struct Globs {
    nodes: Vec<Node>,
    /// Whether a glob with the name's own parts wins over one that comes earlier.
    prefers_exact: bool,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: HashMap<Box<str>, usize>,
    star: Option<usize>,
    /// The first rule that ends here, for each kind.
    rules: PerKind,
    /// The first rule that ends here or below.
    first: PerKind,
}

/// The index of a rule for each kind.
#[derive(Debug, Clone, Copy, Default)]
struct PerKind([Option<usize>; MetricKind::ALL.len()]);

impl PerKind {
    fn of(&self, kind: MetricKind) -> Option<usize> {
        self.0.get(kind as usize).copied().flatten()
    }

    fn or_insert(&mut self, kind: MetricKind, rule: usize) {
        if let Some(of_kind) = self.0.get_mut(kind as usize) {
            of_kind.get_or_insert(rule);
        }
    }
}

/// What was there when a glob was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Added {
    /// It may apply.
    Fine,
    /// An earlier one takes all that it is about.
    Covered(usize),
    /// Longer globs that begin with it came before: then the exporter does not apply it to samples of these kinds.
    BehindLonger(Vec<MetricKind>),
}

impl Default for Globs {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Globs {
    pub(super) fn new(prefers_exact: bool) -> Self {
        Self {
            nodes: vec![Node::default()],
            prefers_exact,
        }
    }

    /// Adds a rule, whose index is larger than those of all before it.
    pub(super) fn add(&mut self, pattern: &str, kinds: &[MetricKind], rule: usize) -> Added {
        let parts: Vec<_> = pattern.split('.').collect();
        let covered: Option<Vec<_>> = kinds.iter().map(|kind| self.covering(&parts, *kind)).collect();
        let mut at = 0;
        for part in &parts {
            self.first(at, kinds, rule);
            at = self.step(at, part);
        }
        let is_behind = |kind: &MetricKind| self.nodes.get(at).is_some_and(|node| node.is_inner_of(*kind));
        let behind: Vec<_> = kinds.iter().copied().filter(is_behind).collect();
        self.first(at, kinds, rule);
        if let Some(node) = self.nodes.get_mut(at) {
            for kind in kinds {
                node.rules.or_insert(*kind, rule);
            }
        }
        match covered.as_deref() {
            Some([first, ..]) => Added::Covered(*first),
            _ if !behind.is_empty() => Added::BehindLonger(behind),
            _ => Added::Fine,
        }
    }

    fn first(&mut self, at: usize, kinds: &[MetricKind], rule: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            for kind in kinds {
                node.first.or_insert(*kind, rule);
            }
        }
    }

    /// The node below this one, which is made if there is none.
    fn step(&mut self, at: usize, part: &str) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = if part == STAR {
            *node.star.get_or_insert(new)
        } else {
            *node.children.entry(part.into()).or_insert(new)
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The first rule that takes everything that this pattern is about. A star is only covered by a star.
    fn covering(&self, parts: &[&str], kind: MetricKind) -> Option<usize> {
        if self.prefers_exact {
            // Only the same one is in its way.
            let mut at = 0;
            for part in parts {
                let node = self.nodes.get(at)?;
                at = if *part == STAR {
                    node.star?
                } else {
                    *node.children.get(*part)?
                };
            }
            return self.nodes.get(at)?.rules.of(kind);
        }
        self.search(parts, kind)
    }

    /// The rule for a name.
    pub(super) fn find(&self, name: &str, kind: MetricKind) -> Option<usize> {
        // The root alone: no time is spent on the name.
        if self.nodes.len() == 1 {
            return None;
        }
        let parts: Vec<_> = name.split('.').take(MAX_PARTS + 1).collect();
        self.search(&parts, kind)
    }

    fn search(&self, parts: &[&str], kind: MetricKind) -> Option<usize> {
        let mut best = None;
        let mut waiting = vec![(0, parts)];
        while let Some((at, parts)) = waiting.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            let is_too_late = node
                .first
                .of(kind)
                .is_none_or(|first| best.is_some_and(|best| first >= best));
            if is_too_late {
                continue;
            }
            let Some((part, rest)) = parts.split_first() else {
                if let Some(rule) = node.rules.of(kind) {
                    best = Some(best.map_or(rule, |best: usize| best.min(rule)));
                    if self.prefers_exact {
                        break;
                    }
                }
                continue;
            };
            // What is pushed last is looked at first.
            waiting.extend(node.star.map(|child| (child, rest)));
            waiting.extend(node.children.get(*part).map(|child| (*child, rest)));
        }
        best
    }
}

impl Node {
    /// Whether rules for a kind end below, and none ends here.
    fn is_inner_of(&self, kind: MetricKind) -> bool {
        self.first.of(kind).is_some() && self.rules.of(kind).is_none()
    }
}
